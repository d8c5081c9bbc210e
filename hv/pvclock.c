/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fills the guest's clock records. Guest time and guest TSC begin at 0 together, stand still together while the VM is
 * paused, and run by the same host TSC, so a record stays true until the guest itself writes its TSC.
 */
#include "hv/pvclock.h"

#include "hv/lib/util.h"
#include "hv/timer.h"
#include "hv/vm.h"
#include "hv/x86/kvm_para.h"

#define ALIGNMENT     4
#define NS_PER_SECOND 1000000000ULL

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

/* Can a reading on one vCPU be compared with one on another? A guest that sets a TSC may part them. */
static bool tscs_agree(const struct vm *vm)
{
	for (uint32_t i = 1; i < vm->vcpu_count; i++)
		if (vm->vcpu[i]->msr.tsc_adjust != vm->vcpu[0]->msr.tsc_adjust)
			return false;
	return true;
}

static enum status set_version(struct vcpu *v, uint32_t version)
{
	gpa_t a = gpa((v->msr.pvclock & ~KVM_MSR_ENABLE) + offsetof(struct kvm_clock, version));

	return gpa_write(&v->vm->mem, a, &version, sizeof(version));
}

/*
 * All records count from guest time 0, when each TSC was 0 but for what its guest has added since: so every vCPU has
 * the same clock to the nanosecond, which two readings of TSC and time could not give. Any vCPU may be reading v's
 * record meanwhile: Linux' vDSO takes vCPU 0's everywhere. vm->pvclock_lock held.
 */
static enum status publish(struct vcpu *v)
{
	struct pvclock_scale scale = pvclock_scale(v->vm->tsc.hz);
	struct kvm_clock t = {
	    .version = v->msr.pvclock_version + 1,
	    .tsc_timestamp = v->msr.tsc_adjust,
	    .system_time = 0,
	    .tsc_to_system_mul = scale.mul,
	    .tsc_shift = scale.shift,
	    .flags = tscs_agree(v->vm) ? KVM_CLOCK_TSC_STABLE : 0,
	};
	enum status s = set_version(v, t.version);

	if (s == OK)
		s = gpa_write(&v->vm->mem, gpa(v->msr.pvclock & ~KVM_MSR_ENABLE), &t, sizeof(t));
	if (s == OK)
		s = set_version(v, t.version + 1);
	v->msr.pvclock_version += 2;
	return s;
}

void pvclock_tsc_changed(struct vm *vm)
{
	spin_lock(&vm->pvclock_lock);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		if (vm->vcpu[i]->msr.pvclock & KVM_MSR_ENABLE)
			(void)publish(vm->vcpu[i]);
	spin_unlock(&vm->pvclock_lock);
}

bool pvclock_write_system_time(struct vcpu *v, uint64_t value)
{
	uint64_t old = v->msr.pvclock;
	bool ok = true;

	if ((value & KVM_MSR_ENABLE) && !IS_ALIGNED(value & ~KVM_MSR_ENABLE, ALIGNMENT))
		return false;
	spin_lock(&v->vm->pvclock_lock);
	v->msr.pvclock = value;
	if (value & KVM_MSR_ENABLE)
		ok = publish(v) == OK;
	if (!ok)
		v->msr.pvclock = old;
	spin_unlock(&v->vm->pvclock_lock);
	return ok;
}

void pvclock_reset(struct vcpu *v)
{
	spin_lock(&v->vm->pvclock_lock);
	v->msr.pvclock = 0;
	spin_unlock(&v->vm->pvclock_lock);
}

bool pvclock_write_wall_clock(struct vcpu *v, uint64_t value)
{
	/* The time of day at guest time 0. */
	uint64_t ns = time_wall_at_boot() * NS_PER_SECOND + vm_time_to_host_ns(v->vm, 0);
	struct kvm_wall_clock w = {
	    .version = 2,
	    .seconds = (uint32_t)(ns / NS_PER_SECOND),
	    .nanoseconds = (uint32_t)(ns % NS_PER_SECOND),
	};

	return IS_ALIGNED(value, ALIGNMENT) && gpa_write(&v->vm->mem, gpa(value), &w, sizeof(w)) == OK;
}
