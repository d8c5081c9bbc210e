/* SPDX-License-Identifier: BSD-2-Clause */
/* Included before all of hv/frame.c for its test: the window is the test's, which has no page tables. */
#pragma once

#include "mm/host_map.h"

void *fake_window_open(struct host_window *w, unsigned page, hpa_t pa, size_t n);
void fake_window_close(struct host_window *w, unsigned page, hpa_t pa, size_t n);

#define host_window_open  fake_window_open
#define host_window_close fake_window_close
