/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/exit.c behind both decoders: every basic reason of VMX and every code of SVM, with junk in all other
 * fields (but for the size of a port access, which is one of three), comes to one handler, and to an end that its
 * caller can follow. And what the dispatcher itself does.
 */
#include "fake_vcpu.h"
#include "hv/cpuid.h"
#include "hv/exit.h"
#include "hv/hypercall.h"
#include "hv/irq.h"
#include "hv/panic.h"
#include "svm/exit.h"
#include "vmx/exit.h"

#define JUNK_ROUNDS 300
#define CODE        0x10000UL

static struct hv_ops own_ops;
static unsigned triple_faults, interrupts, windows, handled, looked;
static bool single_step;
static enum exit_action next_action; /* of the handlers that are not under test */

static bool fake_completed(struct vcpu *v)
{
	return single_step;
}

void vm_triple_fault(struct vcpu *v)
{
	triple_faults++;
}

void irq_dispatch(uint8_t vector)
{
	interrupts++;
}

void virtio_look(struct vm *vm)
{
	looked++;
}

void event_reconsider(struct vcpu *v)
{
	windows++;
}

void mce_log(void)
{
}

bool cpuid_has(const struct cpuid_policy *p, struct cpuid_feature f)
{
	return true;
}

static enum exit_action other_handler(void)
{
	handled++;
	return next_action;
}

enum exit_action cpuid_handle(struct vcpu *v)
{
	return other_handler();
}

enum exit_action msr_read_handle(struct vcpu *v)
{
	return other_handler();
}

enum exit_action msr_write_handle(struct vcpu *v)
{
	return other_handler();
}

enum exit_action hypercall_handle(struct vcpu *v)
{
	return other_handler();
}

enum exit_action emulate_mmio(struct vcpu *v, struct vm_exit *e)
{
	return other_handler();
}

enum exit_action emulate_string_io(struct vcpu *v, struct vm_exit *e)
{
	unsigned size = exit_io_size(e);

	assert_true(size == 1 || size == 2 || size == 4);
	return other_handler();
}

uint64_t io_bus_read(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size)
{
	assert_true(addr <= 0xffff && (size == 1 || size == 2 || size == 4));
	return 0x11223344 >> (32 - 8 * size);
}

void io_bus_write(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value)
{
	assert_true(addr <= 0xffff && (size == 1 || size == 2 || size == 4));
}

uint64_t vlapic_get_tpr(const struct vcpu *v)
{
	return 0;
}

void vlapic_set_tpr(struct vcpu *v, uint64_t cr8)
{
	assert_true(cr8 <= 15);
}

void vlapic_page_written(struct vcpu *v, uint32_t offset)
{
	assert_true(offset < PAGE_SIZE);
}

void vioapic_eoi(struct vm *vm, uint8_t vector)
{
}

static void new_vcpu(void)
{
	fake_vcpu_new();
	own_ops = fake_ops;
	own_ops.insn_completed = fake_completed;
	ops = &own_ops;
	single_step = false;
	next_action = ACT_ADVANCE;
	triple_faults = interrupts = windows = handled = 0;
	fake_vcpu.rip = CODE;
}

/* Dispatches e, and looks at what came of it. */
static void dispatch(struct vm_exit *e)
{
	uint64_t rip = fake_vcpu.rip, seen = fake_vcpu.exits[e->kind];
	enum exit_action act;

	fake_vcpu.last_exit = *e;
	assert_true(e->kind < EXIT_KIND_COUNT);
	fake_forget();
	if (e->kind == EXIT_MACHINE_CHECK) {
		assert_panics(exit_dispatch(&fake_vcpu));
		return;
	}
	act = exit_dispatch(&fake_vcpu);
	if (act <= ACT_ADVANCE_LAST)
		act = exit_advance_and(&fake_vcpu, act);
	assert_int_equal(fake_vcpu.exits[e->kind], seen + 1);
	switch (act) {
	case ACT_RESUME:
	case ACT_LEAVE:
	case ACT_ADVANCE_HALT:
	case ACT_YIELD:
		assert_in_range((uint32_t)(fake_vcpu.rip - rip), 0, INSN_MAX);
		break;
	case ACT_STOPPED:
		assert_true(fake_crash[0] || triple_faults);
		assert_int_equal(fake_vcpu.rip, rip);
		break;
	case ACT_ADVANCE:
	case ACT_BRANCH:
	case ACT_REPEAT:
		fail(); /* what was advanced over */
	}
}

static void junk_vcpu(uint64_t *seed)
{
	static const enum cpu_mode modes[] = {MODE_REAL, MODE_PROT32, MODE_LONG};
	static const enum exit_action actions[] = {ACT_ADVANCE, ACT_RESUME};
	uint8_t code[16];

	fake_vcpu.rip = CODE;
	fake_vcpu.events = (struct vcpu_events){};
	for (unsigned i = 0; i < GPR_COUNT; i++)
		fake_vcpu.gpr[i] = test_random(seed);
	for (unsigned i = 0; i < sizeof(code); i++)
		code[i] = (uint8_t)test_random(seed);
	if (test_random(seed) & 1) { /* what a decoder of MOV CR and LMSW wants to see */
		code[0] = 0x0f;
		code[1] = test_random(seed) & 1 ? 0x22 : 0x01;
	}
	fake_poke(CODE, code, sizeof(code));
	fake_mode = modes[test_random(seed) % ARRAY_SIZE(modes)];
	fake_cpl = test_random(seed) % 4;
	next_action = actions[test_random(seed) % ARRAY_SIZE(actions)];
}

static void test_vmx_junk(void **state)
{
	uint64_t seed = 33;

	new_vcpu();
	for (uint32_t n = 0; n < JUNK_ROUNDS * 2 * (REASON_COUNT + 3); n++) {
		struct vmx_raw raw = {.length = (uint32_t)test_random(&seed) % 16,
				      .intr_info = (uint32_t)test_random(&seed),
				      .intr_error = (uint32_t)test_random(&seed),
				      .idt_info = (uint32_t)test_random(&seed),
				      .idt_error = (uint32_t)test_random(&seed),
				      .qualification = test_random(&seed),
				      .gpa = test_random(&seed) >> 12};
		struct vmx_fixup fix;
		struct vm_exit e;

		raw.reason = n / 2 % (REASON_COUNT + 3);
		if (n & 1)
			raw.reason |= 1u << 31; /* the failed entry */
		if (test_random(&seed) & 1)
			raw.qualification &= 0xffff;
		if (n / 2 % (REASON_COUNT + 3) == REASON_IO)
			raw.qualification = (raw.qualification & ~7UL) | "\0\1\3"[test_random(&seed) % 3];
		memset(&e, (int)test_random(&seed), sizeof(e));
		vmx_exit_decode(&raw, &e, &fix);
		junk_vcpu(&seed);
		if (fix.requeue.valid)
			fake_vcpu.events.requeued = fix.requeue;
		dispatch(&e);
	}
}

static void test_svm_junk(void **state)
{
	uint64_t seed = 34;

	new_vcpu();
	for (uint32_t n = 0; n < JUNK_ROUNDS * (VMEXIT_NPF + 8); n++) {
		static struct vmcb b;
		struct guest_event requeue;
		struct vm_exit e;

		for (unsigned i = 0; i < sizeof(b) / sizeof(uint64_t); i += 3)
			((uint64_t *)&b)[i] = test_random(&seed);
		b.rip = CODE;
		b.next_rip = CODE + test_random(&seed) % 17;
		b.exit_code = n % (VMEXIT_NPF + 8);
		if (n % 1000 == 0)
			b.exit_code = test_random(&seed);
		b.exit_info1 = test_random(&seed);
		b.exit_info2 = test_random(&seed) >> test_random(&seed) % 64;
		if (b.exit_code == VMEXIT_IOIO)
			b.exit_info1 = (b.exit_info1 & ~0x70UL) | 0x10UL << test_random(&seed) % 3;
		memset(&e, (int)test_random(&seed), sizeof(e));
		svm_exit_decode(&b, n & 1, &e);
		junk_vcpu(&seed);
		if (svm_event_decode(b.exit_int_info, &requeue))
			fake_vcpu.events.requeued = requeue;
		dispatch(&e);
	}
}

/* Every kind, so that none is forgotten when one is added. */
static void test_kinds_have_names(void **state)
{
	for (unsigned k = 0; k < EXIT_KIND_COUNT; k++)
		assert_string_not_equal(exit_kind_name(k), "?");
	assert_string_equal(exit_kind_name(EXIT_KIND_COUNT), "?");
}

static void test_in_keeps_rax(void **state)
{
	struct vm_exit e = {.kind = EXIT_IO, .insn_len = 1, .io = {.port = 0x80, .last = 1, .in = true}};

	new_vcpu();
	fake_vcpu.gpr[RAX] = 0xaaaaaaaaaaaaaaaa;
	dispatch(&e);
	assert_int_equal(fake_vcpu.gpr[RAX], 0xaaaaaaaaaaaa1122);
	assert_int_equal(fake_vcpu.rip, CODE + 1);
	e.io.last = 3;
	dispatch(&e);
	assert_int_equal(fake_vcpu.gpr[RAX], 0x11223344);
}

/* A vCPU that halts has its queues looked at, where there are any. */
static void test_halt(void **state)
{
	struct vm_exit e = {.kind = EXIT_HLT, .insn_len = 1};

	new_vcpu();
	looked = 0;
	dispatch(&e);
	assert_int_equal(looked, 0);
	fake_vm.virtio_watched = 1;
	dispatch(&e);
	assert_int_equal(looked, 1);
	assert_int_equal(fake_vcpu.rip, CODE + 2);
}

/* RIP wraps at 4 GiB outside 64-bit mode, and not within it. */
static void test_rip_wraps(void **state)
{
	struct vm_exit e = {.kind = EXIT_CPUID, .insn_len = 2};

	new_vcpu();
	fake_vcpu.rip = 0xffffffff;
	dispatch(&e);
	assert_int_equal(fake_vcpu.rip, 0x100000001);
	fake_mode = MODE_PROT32;
	fake_vcpu.rip = 0xffffffff;
	dispatch(&e);
	assert_int_equal(fake_vcpu.rip, 1);
}

static void test_single_step(void **state)
{
	struct vm_exit e = {.kind = EXIT_CPUID, .insn_len = 2};

	new_vcpu();
	single_step = true;
	dispatch(&e);
	assert_int_equal(fake_raised.vector, EXC_DB);
	assert_true(fake_reg[VREG_DR6] & DR6_BS);
	next_action = ACT_RESUME; /* a fault: not completed, no step */
	dispatch(&e);
	assert_int_equal(fake_raised.vector, -1);
	/* A branch is completed too, and so is a repetition. */
	next_action = ACT_BRANCH;
	e = (struct vm_exit){.kind = EXIT_NPF, .branch_to = fake_vcpu.rip + 5};
	dispatch(&e);
	assert_int_equal(fake_vcpu.rip, e.branch_to);
	assert_int_equal(fake_raised.vector, EXC_DB);
	next_action = ACT_REPEAT;
	dispatch(&e);
	assert_int_equal(fake_vcpu.rip, e.branch_to);
	assert_int_equal(fake_raised.vector, EXC_DB);
}

static void test_undeliverable(void **state)
{
	struct vm_exit e = {.kind = EXIT_NPF, .npf = {.gpa = gpa(0xd0000000)}};

	new_vcpu();
	fake_vcpu.events.requeued = (struct guest_event){.valid = true, .vector = 0x21};
	dispatch(&e);
	assert_non_null(strstr(fake_crash, "vector 33 can't be delivered"));
	assert_int_equal(handled, 0);
}

static enum status supplied; /* what vm_absent_supply says */
static uint64_t supplied_at;

enum status vm_absent_supply(struct vm *vm, gpa_t a)
{
	supplied_at = a.v;
	return supplied;
}

/* RAM that was given away: whatever touches it, it is made again, unless there is none; ROM and devices are not RAM. */
static void test_absent(void **state)
{
	struct vm_exit e = {.kind = EXIT_NPF, .npf = {.gpa = gpa(0x5678), .fetch = true}};
	struct gmem was = fake_vm.mem;
	static uint8_t page[4096];

	new_vcpu();
	fake_vm.mem = (struct gmem){.count = 2, .slot = {{0, 0x8000, false}, {0x8000, 0x1000, true}}};
	fake_vm.spare = page;
	supplied_at = 0;
	dispatch(&e);
	assert_int_equal(fake_crash[0], 0);
	assert_int_equal(supplied_at, 0x5678);
	fake_vcpu.events.requeued = (struct guest_event){.valid = true, .vector = 0x21};
	e.npf.fetch = false;
	dispatch(&e);
	assert_int_equal(fake_crash[0], 0);
	supplied = ERR_NOMEM;
	dispatch(&e);
	assert_non_null(strstr(fake_crash, "the machine has none left"));
	fake_vcpu.events.requeued.valid = false;
	supplied_at = 0;
	e.npf.fetch = true; /* not to be emulated */
	e.npf.gpa = gpa(0x8000);
	dispatch(&e);
	e.npf.gpa = gpa(0x9000);
	dispatch(&e);
	fake_vm.spare = NULL;
	e.npf.gpa = gpa(0x1000);
	dispatch(&e);
	assert_int_equal(supplied_at, 0);
	supplied = OK;
	fake_vm.mem = was;
}

/* #DB and #AC go to the guest as events, so that each round of an endless delivery is an exit. */
static void test_exceptions(void **state)
{
	struct vm_exit e = {.kind = EXIT_EXCEPTION, .exc = {.vector = EXC_AC, .has_error = true}};

	new_vcpu();
	dispatch(&e);
	assert_int_equal(fake_raised.vector, EXC_AC);
	assert_true(fake_raised.has_error);
	fake_reg[VREG_DR6] = DR6_B0 | DR6_BS;
	fake_reg[VREG_DR7] = DR7_GD | DR7_FIXED;
	e.exc = (typeof(e.exc)){.vector = EXC_DB, .payload = DR6_BD | DR6_B1};
	dispatch(&e);
	assert_int_equal(fake_raised.vector, EXC_DB);
	assert_int_equal(fake_reg[VREG_DR6], DR6_BD | DR6_B1 | DR6_BS);
	assert_int_equal(fake_reg[VREG_DR7], DR7_FIXED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_vmx_junk),     cmocka_unit_test(test_svm_junk),
	    cmocka_unit_test(test_in_keeps_rax), cmocka_unit_test(test_kinds_have_names),
	    cmocka_unit_test(test_halt),         cmocka_unit_test(test_rip_wraps),
	    cmocka_unit_test(test_single_step),  cmocka_unit_test(test_undeliverable),
	    cmocka_unit_test(test_exceptions),   cmocka_unit_test(test_absent),
	};

	return cmocka_run_group_tests_name("exit", tests, NULL, NULL);
}
