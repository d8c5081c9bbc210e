/* SPDX-License-Identifier: BSD-2-Clause */
/* The MSR bitmap: which accesses exit. One page for all VMs, because the list of hv/msr.h is for all. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/msr.h"

/* Fills a page: everything exits but what the list allows. ERR_RANGE: an MSR that the bitmap does not reach. */
enum status vmx_msr_bitmap_build(uint8_t page[4096], const struct msr_passthrough *list, size_t count);
