/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fills the guest's clock records. Guest time and guest TSC stand still together while the VM is paused and run
 * by the same host TSC, so a record stays true until the guest itself writes its TSC.
 */
#include "hv/pvclock.h"

#include "hv/lib/util.h"
#include "hv/timer.h"
#include "hv/vm.h"

#define ENABLE        BIT(0)
#define ALIGNMENT     4
#define NS_PER_SECOND 1000000000ULL
#define TSC_STABLE    BIT(0)

struct pvclock_time {
	uint32_t version; /* odd while it is being written */
	uint32_t pad;
	uint64_t tsc_timestamp, system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags, pad2[2];
} __attribute__((packed));
static_assert(sizeof(struct pvclock_time) == 32);

struct pvclock_wall {
	uint32_t version, seconds, nanoseconds;
} __attribute__((packed));
static_assert(sizeof(struct pvclock_wall) == 12);

struct pvclock_scale pvclock_scale(uint64_t hz)
{
	struct pvclock_scale s = {};

	/* Into (1, 2] GHz: then mul has its highest bit set and no more than 32. */
	for (; hz > 2 * NS_PER_SECOND; hz >>= 1)
		s.shift--;
	for (; hz <= NS_PER_SECOND; hz <<= 1)
		s.shift++;
	s.mul = (uint32_t)((NS_PER_SECOND << 32) / hz);
	return s;
}

static bool publish(struct vcpu *v)
{
	struct pvclock_scale scale = pvclock_scale(tsc_hz());
	struct pvclock_time t = {
	    .version = v->msr.pvclock_version += 2,
	    .tsc_timestamp = vcpu_tsc(v),
	    .system_time = vm_time_ns(v->vm),
	    .tsc_to_system_mul = scale.mul,
	    .tsc_shift = scale.shift,
	    .flags = TSC_STABLE,
	};

	/* Only v reads it, and v is here: no odd version is ever seen. */
	return gpa_write(&v->vm->mem, gpa(v->msr.pvclock & ~ENABLE), &t, sizeof(t)) == OK;
}

void pvclock_update(struct vcpu *v)
{
	if (v->msr.pvclock & ENABLE)
		(void)publish(v);
}

bool pvclock_write_system_time(struct vcpu *v, uint64_t value)
{
	uint64_t old = v->msr.pvclock;

	v->msr.pvclock = value;
	if (!(value & ENABLE))
		return true;
	if (IS_ALIGNED(value & ~ENABLE, ALIGNMENT) && publish(v))
		return true;
	v->msr.pvclock = old;
	return false;
}

bool pvclock_write_wall_clock(struct vcpu *v, uint64_t value)
{
	/* The time of day at guest time 0. */
	uint64_t ns = time_wall_at_boot() * NS_PER_SECOND + vm_time_to_host_ns(v->vm, 0);
	struct pvclock_wall w = {
	    .version = 2,
	    .seconds = (uint32_t)(ns / NS_PER_SECOND),
	    .nanoseconds = (uint32_t)(ns % NS_PER_SECOND),
	};

	return IS_ALIGNED(value, ALIGNMENT) && gpa_write(&v->vm->mem, gpa(value), &w, sizeof(w)) == OK;
}
