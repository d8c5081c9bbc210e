/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC of the hardware: enabling it, IPIs, EOI, its timer. x2APIC where the CPU has it, else the
 * xAPIC page. The guests' local APICs are hv/vdev's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Boot CPU, after host_map_init: chooses the mode, enables the LAPIC, accepts no interrupt but our own. */
void lapic_init(void);
/* The same on a further CPU. */
void lapic_init_cpu(void);
/* Boot CPU, after time_init: TSC-deadline, or the one-shot counter's rate measured against the TSC. */
void lapic_timer_calibrate(void);

bool lapic_is_x2apic(void);
/* This CPU's APIC ID; before lapic_init from CPUID. */
uint32_t lapic_id(void);
void lapic_eoi(void);

void lapic_send_fixed(uint32_t apic_id, uint8_t vector);
void lapic_send_nmi(uint32_t apic_id);
void lapic_send_init(uint32_t apic_id);
/* Startup at physical address page * 4096, below 1 MiB. */
void lapic_send_startup(uint32_t apic_id, uint8_t page);

/*
 * One VECTOR_TIMER at TSC value deadline or soon after: at once if it has passed; earlier if it is further
 * away than the counter reaches. UINT64_MAX: none.
 */
void lapic_timer_set(uint64_t tsc_deadline);
