/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether this CPU's XSAVEC, and XSAVES with it, stores state where the format has it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Tries it on this CPU, whose XCR0 is `components` and whose extended state is lost by it. area_size: bytes of an area
 * in the standard format. False: it does not work, or there is no memory for the trial.
 */
bool xstate_compact_works(uint64_t components, uint32_t area_size);
