/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copies to and from frames that are in no common mapping: guests' memory, by host-physical address. Each CPU has a window
 * of a few pages, in which a frame is only for the time of its copy, so that nothing else is ever there to be read.
 * Host code with interrupts off; no address space need be loaded. Who owns the frames keeps them from being given back.
 */
#pragma once

#include <stddef.h>
#include "hv/lib/types.h"

/* A piece of memory that is contiguous for devices. */
struct frame_run {
	hpa_t pa;
	uint32_t len; /* in bytes */
};

/* n bytes from pa on, which need not be aligned; all of it is RAM. */
void frame_read(void *dst, hpa_t pa, size_t n);
void frame_write(hpa_t pa, const void *src, size_t n);
void frame_zero(hpa_t pa, size_t n);
void frame_copy(hpa_t dst, hpa_t src, size_t n);
