/* SPDX-License-Identifier: BSD-2-Clause */
/* The MSR permission map's layout (APM Vol. 2, "MSR Intercepts"): two bits each for three ranges of MSRs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define MSRPM_SIZE 0x2000u
#define IOPM_SIZE  0x3000u

/* Clears the read bit (or the write bit) of msr in map, so that it doesn't exit. False: it isn't in the map. */
bool msrpm_allow(uint8_t *map, uint32_t msr, bool read, bool write);
