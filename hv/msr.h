/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which model-specific registers a guest sees and what they do, in one table for both vendors (hv/msr_table.h).
 * What is not listed is #GP(0), as on a CPU without it. The back ends build their permission bitmaps
 * from the same table and switch those registers themselves.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/exit.h"

struct vcpu;
struct vm;

#define MSR_MTRR_VAR_COUNT 8
#define MSR_MC_BANKS       1 /* reported by MCG_CAP; nothing is ever logged in it */

enum msr_rights { MSR_READ = 1 << 0, MSR_WRITE = 1 << 1 };

#define MSR_ROW_MAX 255 /* rows of the table */

/* Values of emulated MSRs. Part of struct vcpu. */
struct msr_state {
	uint64_t misc_enable;
	uint64_t tsc_adjust;
	uint64_t mtrr_def_type;
	uint64_t mtrr_fixed[11];
	uint64_t mtrr_base[MSR_MTRR_VAR_COUNT], mtrr_mask[MSR_MTRR_VAR_COUNT];
	uint64_t mcg_status;
	uint64_t mc[MSR_MC_BANKS][4]; /* CTL, STATUS, ADDR, MISC */
	uint64_t hwcr;
	uint64_t xss;
	uint64_t de_cfg;
	uint64_t pvclock; /* MSR_KVM_SYSTEM_TIME */
	uint32_t pvclock_version;
	uint64_t steal_time, pv_eoi, poll_control; /* MSR_KVM_... */
};

/* Makes the index of the table; before the first VM. */
void msr_init(void);
/* Decides which rows of the table vm has, by its CPUID policy, which is final. */
void msr_choose(struct vm *vm);
/* Calls allow(map, ...) for the accesses that vm makes without an exit, by its CPUID policy. */
void msr_passthrough(const struct vm *vm, void *map, void (*allow)(void *map, uint32_t msr, uint8_t rights));
/*
 * State after power-on, with the MTRRs as firmware leaves them; after the CPUID policy was built. INIT changes
 * none of it (SDM Vol. 3A, "Processor State After Reset"), but ends what has a place in the guest's memory.
 */
void msr_reset(struct vcpu *v);

/* One access by the guest. False: #GP(0). */
bool msr_read(struct vcpu *v, uint32_t msr, uint64_t *value);
bool msr_write(struct vcpu *v, uint32_t msr, uint64_t value);

/* EXIT_RDMSR, EXIT_WRMSR. */
enum exit_action msr_read_handle(struct vcpu *v);
enum exit_action msr_write_handle(struct vcpu *v);
