/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/hypercall.c, hv/pv_steal.c, hv/pv_eoi.c: KVM's services for guests. */
#include "fake_vcpu.h"

#include "hv/hypercall.h"
#include "hv/pv_eoi.h"
#include "hv/pv_steal.h"
#include "hv/x86/kvm_para.h"

#define RECORD 0x20000UL

static struct vcpu others[3];
static unsigned unhalted[4], eois;
static uint64_t sent_to;
static struct apic_message sent;
static bool local;

void vcpu_unhalt(struct vcpu *v)
{
	unhalted[v->id]++;
}

unsigned vlapic_deliver_set(struct vm *vm, uint64_t set, const struct apic_message *m)
{
	sent_to = set;
	sent = *m;
	return (unsigned)__builtin_popcountll(set);
}

void vlapic_eoi(struct vcpu *v)
{
	assert_false(v->lapic.eoi_offered); /* else what this does might take it back once more */
	eois++;
}

bool vlapic_eoi_is_local(struct vcpu *v)
{
	return local;
}

struct vm *vm_enter_address_space(struct vm *vm)
{
	assert_ptr_equal(vm, &fake_vm);
	return NULL;
}

static int setup(void **state)
{
	fake_vcpu_new();
	fake_vm.vcpu_count = 4;
	memset(others, 0, sizeof(others));
	for (unsigned i = 1; i < 4; i++) {
		fake_vm.vcpu[i] = &others[i - 1];
		others[i - 1].id = i;
		others[i - 1].vm = &fake_vm;
	}
	memset(unhalted, 0, sizeof(unhalted));
	eois = 0;
	sent_to = 0;
	local = true;
	return 0;
}

static uint64_t call(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	fake_vcpu.gpr[RAX] = nr;
	fake_vcpu.gpr[RBX] = a;
	fake_vcpu.gpr[RCX] = b;
	fake_vcpu.gpr[RDX] = c;
	fake_vcpu.gpr[RSI] = d;
	fake_vcpu.last_exit.call.cpl = (uint8_t)fake_cpl;
	fake_vcpu.last_exit.call.long_mode = fake_mode == MODE_LONG;
	assert_int_equal(hypercall_handle(&fake_vcpu), ACT_ADVANCE);
	return fake_vcpu.gpr[RAX];
}

static void test_hypercall(void **state)
{
	assert_int_equal(call(0x7fff, 0, 0, 0, 0), (uint64_t)-KVM_ENOSYS);
	assert_int_equal(call(1UL << 32 | KVM_HC_KICK_CPU, 0, 1, 0, 0), (uint64_t)-KVM_ENOSYS);
	for (fake_cpl = 1; fake_cpl <= 3; fake_cpl++)
		assert_int_equal(call(KVM_HC_KICK_CPU, 0, 1, 0, 0), (uint64_t)-KVM_EPERM);
	fake_cpl = 0;
	assert_int_equal(unhalted[1], 0);
	/* Outside 64-bit mode the upper halves don't count, nor are they changed to anything. */
	fake_mode = MODE_PROT32;
	assert_int_equal(call(5UL << 32 | 0x7fff, 0, 0, 0, 0), (uint32_t)-KVM_ENOSYS);
	assert_int_equal(call(5UL << 32 | KVM_HC_KICK_CPU, 0, 7UL << 32 | 1, 0, 0), 0);
	assert_int_equal(unhalted[1], 1);
}

static void test_kick(void **state)
{
	assert_int_equal(call(KVM_HC_KICK_CPU, 0, 3, 0, 0), 0);
	assert_int_equal(unhalted[3], 1);
	assert_int_equal(call(KVM_HC_KICK_CPU, 0, 4, 0, 0), 0);
	assert_int_equal(call(KVM_HC_KICK_CPU, 0, UINT64_MAX, 0, 0), 0);
	assert_int_equal(unhalted[0] + unhalted[1] + unhalted[2], 0);
}

static void test_send_ipi(void **state)
{
	assert_int_equal(call(KVM_HC_SEND_IPI, 0xb, 0, 0, 0x41), 3);
	assert_int_equal(sent_to, 0xb);
	assert_int_equal(sent.mode, APIC_FIXED);
	assert_int_equal(sent.vector, 0x41);
	assert_false(sent.level);
	call(KVM_HC_SEND_IPI, 5, UINT64_MAX, 1, APIC_DELIVERY_NMI | 2);
	assert_int_equal(sent_to, 0xa); /* the upper half begins at vCPU 65 */
	assert_int_equal(sent.mode, APIC_NMI);
	/* APIC IDs that no vCPU can have */
	assert_int_equal(call(KVM_HC_SEND_IPI, UINT64_MAX, UINT64_MAX, 64, 0x41), 0);
	assert_int_equal(call(KVM_HC_SEND_IPI, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0x41), 0);
	assert_int_equal(call(KVM_HC_SEND_IPI, UINT64_MAX, UINT64_MAX, UINT64_MAX - 63, 0x41), 0);
	call(KVM_HC_SEND_IPI, UINT64_MAX, 0, 63, 0x41);
	assert_int_equal(sent_to, 1UL << 63);
	sent_to = 0;
	assert_int_equal(call(KVM_HC_SEND_IPI, 1, 0, 0, 0x41 | LAPIC_ICR_SELF), (uint64_t)-KVM_EINVAL);
	assert_int_equal(call(KVM_HC_SEND_IPI, 1, 0, 0, 0x41 | APIC_DEST_LOGICAL), (uint64_t)-KVM_EINVAL);
	assert_int_equal(sent_to, 0);
	fake_mode = MODE_PROT32;
	call(KVM_HC_SEND_IPI, 0xffffffff00000001, 0xffffffff00000002, 3, 0x41);
	assert_int_equal(sent_to, 1UL << 3 | 1UL << 36);
}

static struct kvm_steal_time record(void)
{
	struct kvm_steal_time r;

	memcpy(&r, fake_vm.mem.base + RECORD, sizeof(r));
	return r;
}

static void test_steal_msr(void **state)
{
	struct vcpu *v = &fake_vcpu;

	for (unsigned bit = 1; bit <= 5; bit++)
		assert_false(pv_steal_write_msr(v, RECORD | 1 | 1UL << bit));
	assert_false(pv_steal_write_msr(v, GUEST_ROM_BASE | 1));
	assert_false(pv_steal_write_msr(v, 0xd0000001));
	assert_false(pv_steal_write_msr(v, ~0x3fUL | 1));
	assert_int_equal(v->msr.steal_time, 0);
	assert_true(pv_steal_write_msr(v, 0xd0000000)); /* off: any place will do */
	v->waited_ns = 777;
	assert_true(pv_steal_write_msr(v, RECORD | 1));
	assert_int_equal(record().steal, 777);
	assert_true(record().version && record().version % 2 == 0);
}

static void test_steal_grows(void **state)
{
	struct vcpu *v = &fake_vcpu;
	uint32_t version;

	pv_steal_running(v);
	assert_true(pv_steal_write_msr(v, RECORD | 1));
	version = record().version;
	v->waited_ns = 9999; /* too little to be written */
	pv_steal_running(v);
	assert_int_equal(record().version, version);
	v->waited_ns = 20000;
	pv_steal_running(v);
	assert_int_equal(record().steal, 20000);
	assert_int_equal(record().version, version + 2);
	pv_steal_reset(v);
	v->waited_ns = 90000;
	pv_steal_running(v);
	assert_int_equal(record().steal, 20000);
}

static void test_preempted(void **state)
{
	struct vcpu *v = &fake_vcpu;

	pv_steal_displaced(v); /* not registered: nothing is written */
	assert_true(pv_steal_write_msr(v, RECORD | 1));
	v->halted = true;
	pv_steal_displaced(v);
	assert_int_equal(record().preempted, 0);
	v->halted = false;
	pv_steal_displaced(v);
	assert_int_equal(record().preempted, KVM_VCPU_PREEMPTED);
	pv_steal_running(v);
	assert_int_equal(record().preempted, 0);
	assert_int_equal(fake_flushes, 0);
	/* Another vCPU saw the flag and asks for a flush. */
	pv_steal_displaced(v);
	fake_poke64(RECORD + offsetof(struct kvm_steal_time, preempted),
		    KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB);
	pv_steal_running(v);
	assert_int_equal(record().preempted, 0);
	assert_int_equal(fake_flushes, 1);
	pv_steal_running(v);
	assert_int_equal(fake_flushes, 1);
}

static uint32_t eoi_word(void)
{
	return (uint32_t)fake_peek64(RECORD);
}

static void test_eoi_msr(void **state)
{
	struct vcpu *v = &fake_vcpu;

	assert_false(pv_eoi_write_msr(v, RECORD | 3));
	assert_false(pv_eoi_write_msr(v, RECORD | 2));
	assert_false(pv_eoi_write_msr(v, GUEST_ROM_BASE | 1));
	assert_false(pv_eoi_write_msr(v, 0xd0000001));
	assert_int_equal(v->msr.pv_eoi, 0);
	fake_poke64(RECORD, UINT64_MAX);
	assert_true(pv_eoi_write_msr(v, RECORD | 1));
	assert_int_equal(eoi_word(), 0);
	assert_int_equal(fake_peek64(RECORD) >> 32, UINT32_MAX);
	/* What it refuses changes nothing. */
	assert_false(pv_eoi_write_msr(v, 0xd0000001));
	assert_int_equal(v->msr.pv_eoi, RECORD | 1);
	assert_ptr_equal(v->pv_eoi, fake_vm.mem.base + RECORD);
	/* Disabled, or after INIT, the word is memory like any other. */
	assert_true(pv_eoi_write_msr(v, RECORD));
	assert_null(v->pv_eoi);
	assert_true(pv_eoi_write_msr(v, RECORD | 1));
	pv_eoi_reset(v);
	assert_null(v->pv_eoi);
}

static void test_eoi(void **state)
{
	struct vcpu *v = &fake_vcpu;

	assert_true(pv_eoi_write_msr(v, RECORD | 1));
	local = false; /* level-triggered, or something else waits */
	pv_eoi_offer(v);
	assert_false(v->lapic.eoi_offered);
	assert_int_equal(eoi_word(), 0);
	local = true;
	pv_eoi_offer(v);
	assert_true(v->lapic.eoi_offered);
	assert_int_equal(eoi_word(), 1);
	pv_eoi_collect(v); /* not accepted: void */
	assert_false(v->lapic.eoi_offered);
	assert_int_equal(eoi_word(), 0);
	assert_int_equal(eois, 0);
	pv_eoi_offer(v);
	fake_poke64(RECORD, 0);
	pv_eoi_collect(v);
	assert_int_equal(eois, 1);
	/* The one bit counts, whatever the guest keeps in the others. */
	pv_eoi_offer(v);
	fake_poke64(RECORD, ~1UL);
	pv_eoi_collect(v);
	assert_int_equal(eois, 2);
	/* A new place, with an offer at the old one. */
	pv_eoi_offer(v);
	assert_true(pv_eoi_write_msr(v, (RECORD + 64) | 1));
	assert_int_equal(eoi_word(), 0);
	assert_false(v->lapic.eoi_offered);
	pv_eoi_offer(v);
	pv_eoi_reset(v);
	assert_false(v->lapic.eoi_offered);
	assert_int_equal(v->msr.pv_eoi, 0);
	assert_int_equal(eois, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_hypercall, setup),   cmocka_unit_test_setup(test_kick, setup),
	    cmocka_unit_test_setup(test_send_ipi, setup),    cmocka_unit_test_setup(test_steal_msr, setup),
	    cmocka_unit_test_setup(test_steal_grows, setup), cmocka_unit_test_setup(test_preempted, setup),
	    cmocka_unit_test_setup(test_eoi_msr, setup),     cmocka_unit_test_setup(test_eoi, setup),
	};

	return cmocka_run_group_tests_name("pv", tests, NULL, NULL);
}
