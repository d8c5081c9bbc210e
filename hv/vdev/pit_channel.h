/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One counter of the 8254 as a function of time: no clock runs, everything follows from when it was loaded.
 * `now` is in ticks and never goes back; pit_settle(c, now) comes before the other calls at that time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/vdev/pit.h"

/* The control word without its counter number. */
#define PIT_CONTROL   0x3f
#define PIT_BCD       0x01
#define PIT_MODE(m)   ((m) << 1)
#define PIT_MODE_BITS 0x0e
#define PIT_RW        0x30 /* mask, and least then most significant byte */
#define PIT_RW_LSB    0x10
#define PIT_RW_MSB    0x20

/* Does what has come due: a new count at the end of a period. */
void pit_settle(struct vpit_channel *c, uint64_t now);
void pit_set_control(struct vpit_channel *c, uint8_t control);
/* The first of two bytes was written. */
void pit_first_byte(struct vpit_channel *c);
/* A complete count was written, binary or BCD as the control word says. */
void pit_load(struct vpit_channel *c, uint16_t value, uint64_t now);
void pit_set_gate(struct vpit_channel *c, bool gate, uint64_t now);
/* The counting element as it reads (BCD where so programmed), the output, the null count flag. */
uint16_t pit_count(const struct vpit_channel *c, uint64_t now);
bool pit_out(const struct vpit_channel *c, uint64_t now);
bool pit_null(const struct vpit_channel *c, uint64_t now);
/* The tick of the first rising edge of the output after `from`; UINT64_MAX: none without a new command. */
uint64_t pit_next_rise(const struct vpit_channel *c, uint64_t from);
/* Modes 2 and 3. */
bool pit_is_periodic(const struct vpit_channel *c);
