/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's real-time clock (MC146818), read once at boot. */
#pragma once

#include <stdint.h>

/* Seconds since 1970-01-01 00:00, as the clock is set (UTC, as firmware has it); 0: there is no such clock. */
uint64_t cmos_clock_read(void);
