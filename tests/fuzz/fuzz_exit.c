/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile guest's life as bytes: exits in a row, each with the registers, instruction and memory that the guest wants,
 * through the dispatcher, all handlers and all devices, over a fake vendor and a clock that the input moves. Every exit
 * must come to an end that its caller can follow, and whatever is injected must be an event that exists.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hv/event.h"
#include "hv/exit.h"
#include "hv/guest_map.h"
#include "hv/irq.h"
#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/mgmt/console.h"
#include "hv/msr.h"
#include "hv/panic.h"
#include "hv/speculation.h"
#include "hv/timer.h"
#include "hv/vm.h"
#include "hv/vm_time.h"
#include "hv/x86/cr.h"
#include "hv/x86/msr.h"
#include "hv/x86/rflags.h"
#include "hv/xstate.h"
#include "tests/unit/fake_disks.h"
#include "tests/unit/fake_net.h"
#include "tests/unit/fake_regs.h"
#include "tests/unit/fake_time.h"

#define MEMORY    MIB(2)
#define EXITS_MAX 64
#define XCR0      7

/* --- the input --- */

static const uint8_t *input;
static size_t input_left;

static void take(void *to, size_t n)
{
	size_t got = MIN(n, input_left);

	memset(to, 0, n);
	memcpy(to, input, got);
	input += got;
	input_left -= got;
}

static uint8_t take8(void)
{
	uint8_t n;

	take(&n, sizeof(n));
	return n;
}

static uint64_t take64(void)
{
	uint64_t n;

	take(&n, sizeof(n));
	return n;
}

/* --- the vendor --- */

static struct vm vm;
static struct vm_config config = {.name = "fuzz", .vcpus = 2, .memory = MEMORY};
static struct vcpu vcpus[2];
static uint32_t blocked;
static unsigned injected;
static bool ended;

static bool long_mode(struct vcpu *v)
{
	return (fake_reg[VREG_EFER] & EFER_LMA) && (fake_seg[SEG_CS].attr & SEG_ATTR_L);
}

static unsigned cpl(struct vcpu *v)
{
	return fake_seg[SEG_SS].attr >> 5 & 3;
}

static uint32_t blocking(struct vcpu *v)
{
	return blocked;
}

static bool insn_completed(struct vcpu *v)
{
	return fake_reg[VREG_RFLAGS] & RFLAGS_TF;
}

static void inject(struct vcpu *v, const struct guest_event *ev)
{
	if (!ev->valid || injected++)
		abort();
	if ((ev->type == EVENT_EXCEPTION && ev->vector >= EXC_COUNT) ||
	    (ev->type == EVENT_NMI && ev->vector != EXC_NMI))
		abort();
	if (ev->type == EVENT_INTERRUPT && (blocked & (BLOCK_IF | BLOCK_SHADOW)))
		abort();
}

static void window(struct vcpu *v, bool on)
{
}

static void lapic_changed(struct vcpu *v)
{
}

static void lapic_waits(struct vcpu *v, int vector)
{
	if (vector > 255)
		abort();
}

static void tsc_offset(struct vcpu *v, int64_t offset)
{
}

static void npt_flush(struct vcpu *v)
{
}

static const struct hv_ops fake = {
    .name = "fake",
    FAKE_REGS,
    .long_mode = long_mode,
    .cpl = cpl,
    .blocking = blocking,
    .insn_completed = insn_completed,
    .inject = inject,
    .interrupt_window = window,
    .nmi_window = window,
    .lapic_changed = lapic_changed,
    .lapic_waits = lapic_waits,
    .tsc_offset = tsc_offset,
    .npt_flush = npt_flush,
};
const struct hv_ops *ops = &fake;

/* --- time --- */

uint64_t time_wall_at_boot(void)
{
	return 1700000000;
}

uint64_t tsc_hz(void)
{
	return 1000000000;
}

uint64_t tsc_to_ns(uint64_t ticks)
{
	return ticks;
}

uint64_t vcpu_tsc(const struct vcpu *v)
{
	return fake_now + (uint64_t)v->tsc_offset;
}

/* Each that is due once, however often it has come to be. */
static void pass_time(uint64_t ns)
{
	fake_now += ns;
	for (unsigned i = 0; i < FAKE_TIMERS; i++) {
		struct timer *t = fake_timers[i];

		if (!t || !t->armed || t->deadline_ns > fake_now)
			continue;
		t->armed = false;
		t->fn(t);
	}
}

/* --- the rest of the core --- */

enum cpu_mode vcpu_mode(struct vcpu *v)
{
	if (long_mode(v))
		return MODE_LONG;
	if (!(fake_reg[VREG_CR0] & CR0_PE))
		return MODE_REAL;
	if (fake_reg[VREG_RFLAGS] & RFLAGS_VM)
		return MODE_V86;
	if (fake_reg[VREG_EFER] & EFER_LMA)
		return fake_seg[SEG_CS].attr & SEG_ATTR_DB ? MODE_COMPAT32 : MODE_COMPAT16;
	return fake_seg[SEG_CS].attr & SEG_ATTR_DB ? MODE_PROT32 : MODE_PROT16;
}

enum vcpu_place vcpu_place(const struct vcpu *v)
{
	return v->id ? VCPU_ELSEWHERE : VCPU_HERE;
}

void vcpu_request(struct vcpu *v, uint32_t bits)
{
	v->requests |= bits;
}

void vcpu_init_signal(struct vcpu *v)
{
	v->requests |= VREQ_INIT;
}

void vcpu_sipi(struct vcpu *v, uint8_t vector)
{
	v->requests |= VREQ_SIPI;
}

void vcpu_unhalt(struct vcpu *v)
{
	v->unhalted = true;
}

void vm_end(struct vm *x, enum vm_end how, int status)
{
	ended = true;
}

void vm_crash(struct vcpu *v, const char *fmt, ...)
{
	char why[VM_WHY_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	ended = true;
}

void vm_triple_fault(struct vcpu *v)
{
	ended = true;
}

struct vm *vm_enter_address_space(struct vm *x)
{
	return NULL;
}

enum status vm_absent_supply(struct vm *x, gpa_t a)
{
	return OK;
}

void vm_absent_release(struct vm *x, gpa_t a)
{
}

void vm_rest(struct vm *x)
{
}

const struct load_format load_flat;

void console_guest_output(struct vm *x, const uint8_t *bytes, size_t n)
{
}

bool console_guest_ready(struct vm *x)
{
	return true;
}

void console_guest_input_ready(struct vm *x)
{
}

void irq_dispatch(uint8_t vector)
{
}

void mce_log(void)
{
}

uint64_t speculation_spec_ctrl(void)
{
	return 0;
}

uint64_t xstate_xcr0(struct vcpu *v)
{
	return XCR0;
}

void log_print(enum log_level level, const char *fmt, ...)
{
}

const char *status_str(enum status s)
{
	return "a status";
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	abort();
}

/* --- the machine --- */

static void host_cpuid(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r)
{
	*r = cpuid(leaf, subleaf);
}

/* The machine after power-on. Its devices point to themselves, so that it can be put back where it was. */
static void machine_build(void)
{
	static struct cpuid_choice choice;

	msr_init();
	vm.cfg = &config;
	vm.mem.base = malloc(MEMORY);
	vm.vcpu_count = ARRAY_SIZE(vcpus);
	if (guest_map_add_slots(&vm.mem, MEMORY) != OK)
		abort();
	if (cpuid_policy_build(&vm.cpuid, host_cpuid, XCR0, &choice, vm.vcpu_count, tsc_hz()) != OK)
		abort();
	msr_choose(&vm);
	for (unsigned i = 0; i < ARRAY_SIZE(vcpus); i++) {
		vcpus[i].vm = &vm;
		vcpus[i].id = i;
		vcpus[i].xcr0 = XCR0_X87;
		vm.vcpu[i] = &vcpus[i];
		vlapic_init(&vcpus[i]);
		vlapic_reset(&vcpus[i]);
		msr_reset(&vcpus[i]);
	}
	if (vdevs_init(&vm) != OK)
		abort();
	vdevs_reset(&vm);
	vdevs_resume(&vm);
}

static void machine_new(void)
{
	static struct vm first_vm;
	static struct vcpu first_vcpus[ARRAY_SIZE(vcpus)];
	static struct timer *first_timers[FAKE_TIMERS];

	fake_now = FAKE_BASE_NS;
	if (!first_vm.cfg) {
		machine_build();
		first_vm = vm;
		memcpy(first_vcpus, vcpus, sizeof(vcpus));
		memcpy(first_timers, fake_timers, sizeof(fake_timers));
	}
	vm = first_vm;
	memcpy(vcpus, first_vcpus, sizeof(vcpus));
	memcpy(fake_timers, first_timers, sizeof(fake_timers));
	memset(vm.mem.base, 0, MEMORY);
	memset(fake_reg, 0, sizeof(fake_reg));
	memset(fake_msr, 0, sizeof(fake_msr));
	ended = false;
}

/* Registers that no hardware would have: those of a guest that runs have passed VM entry. */
static void set_mode(uint8_t mode)
{
	uint32_t flat = SEG_ATTR_P | SEG_ATTR_S | SEG_ATTR_G | 3;
	static const uint64_t table = 0x1000;

	for (unsigned i = 0; i < SEG_COUNT; i++)
		fake_seg[i] = (struct vseg_desc){.limit = UINT32_MAX,
						 .attr = flat | (mode & 0x40 ? SEG_ATTR_DPL(3) : 0)};
	fake_reg[VREG_CR0] = CR0_ET | (mode & 1 ? CR0_PE : 0) | (mode & 2 ? CR0_PE | CR0_PG : 0);
	fake_reg[VREG_CR4] = mode & 4 ? CR4_PAE : 0;
	fake_reg[VREG_EFER] = 0;
	fake_reg[VREG_CR3] = table;
	if ((mode & 6) == 6 && (mode & 8)) {
		fake_reg[VREG_EFER] = EFER_LME | EFER_LMA;
		fake_seg[SEG_CS].attr |= mode & 16 ? SEG_ATTR_L : SEG_ATTR_DB;
	} else if (mode & 16) {
		fake_seg[SEG_CS].attr |= SEG_ATTR_DB;
	}
	fake_reg[VREG_RFLAGS] = RFLAGS_FIXED | (mode & 0x20 ? RFLAGS_IF : 0) | (mode & 0x80 ? RFLAGS_TF : 0);
}

/* Four bytes at an address, and the same for its page-table entries: whatever the walk will meet. */
static void plant(uint64_t at, const void *data, size_t n)
{
	(void)!gpa_load(&vm.mem, gpa(at & (MEMORY - 1)), data, n);
}

static void take_state(struct vcpu *v)
{
	uint8_t what = take8(), bytes[INSN_MAX];

	if (what & 1)
		set_mode(take8());
	if (what & 2)
		v->gpr[take8() % GPR_COUNT] = take64();
	if (what & 4) {
		uint64_t at = take64();
		uint64_t word = take64();

		plant(at, &word, sizeof(word));
	}
	if (what & 8)
		v->rip = take64();
	if (what & 16) {
		take(bytes, sizeof(bytes));
		plant(v->rip, bytes, sizeof(bytes));
	}
	if (what & 32)
		fake_reg[take8() % (VREG_DR7 + 1)] = take64() & UINT32_MAX;
	if (what & 64)
		pass_time(1UL << take8() % 40);
	if (what & 128)
		take(&fake_seg[take8() % SEG_COUNT], sizeof(fake_seg[0]));
	fake_reg[VREG_CR4] &= vm.cpuid.cr4_mask & ~CR4_PKE; /* the walker reads this CPU's PKRU */
	fake_reg[VREG_CR0] = (uint32_t)fake_reg[VREG_CR0] | CR0_ET;
}

/* What the back ends promise of each kind. */
static void take_exit(struct vm_exit *e)
{
	uint8_t a = take8(), b = take8();

	*e = (struct vm_exit){.kind = take8() % EXIT_UNKNOWN, .insn_len = a % (INSN_MAX + 1)};
	switch (e->kind) {
	case EXIT_MACHINE_CHECK:
		e->kind = EXIT_CPUID;
		break;
	case EXIT_IO:
		e->io.last = (1U << b % 3) - 1;
		e->io.in = b >> 2;
		e->io.string = b >> 3;
		e->io.rep = b >> 4;
		e->io.port = take64() & UINT16_MAX;
		break;
	case EXIT_HYPERCALL:
		e->call.cpl = cpl(NULL);
		e->call.long_mode = long_mode(NULL);
		break;
	case EXIT_CR:
		e->cr.number = (uint8_t[]){0, 3, 4, 8}[b & 3];
		e->cr.access = b >> 2 & 3;
		e->cr.gpr = b & 16 ? EXIT_GPR_DECODE : b >> 4;
		e->cr.lmsw = a;
		break;
	case EXIT_DR:
		e->dr.number = b & 7;
		e->dr.gpr = b & 16 ? EXIT_GPR_DECODE : b >> 4;
		e->dr.write = b & 8;
		break;
	case EXIT_NPF:
		e->npf.gpa = gpa(take64() & ((1UL << 40) - 1));
		if (b & 1)
			e->npf.gpa = gpa((uint64_t[]){PLATFORM_LAPIC_BASE, PLATFORM_IOAPIC_BASE,
						      PLATFORM_HPET_BASE, 0xb8000}[b >> 1 & 3] |
					 (e->npf.gpa.v & 0xfff));
		e->npf.write = b & 8;
		e->npf.fetch = (b & 0xf0) == 0xf0;
		e->npf.table_walk = (b & 0xf0) == 0xe0;
		break;
	case EXIT_EXCEPTION:
		e->exc.vector = b % EXC_COUNT;
		e->exc.has_error = a & 16;
		e->exc.error = a;
		e->exc.payload = take64();
		break;
	case EXIT_TASK_SWITCH:
		take(&e->task.selector, sizeof(e->task.selector));
		e->task.from_iret = b & 1;
		e->task.from_jump = b & 2;
		e->task.from_idt = b & 4;
		e->task.has_error = b & 8;
		e->task.error = a;
		break;
	case EXIT_EOI:
		e->apic.vector = b;
		break;
	case EXIT_APIC_WRITE:
		e->apic.offset = b << 4;
		break;
	default:
		break;
	}
}

/* As hv/vcpu.c's loop. */
static void enter(struct vcpu *v)
{
	blocked = take8() & (BLOCK_SHADOW | BLOCK_NMI);
	if (!(fake_reg[VREG_RFLAGS] & RFLAGS_IF))
		blocked |= BLOCK_IF;
	v->requests = 0;
	injected = 0;
	event_inject_next(v);
}

static void leave(struct vcpu *v)
{
	enum exit_action act;

	take_exit(&v->last_exit);
	/* One that is right ends in the instruction itself, which this program may not use: there is no XCR1. */
	if (v->last_exit.kind == EXIT_XSETBV)
		v->gpr[RCX] |= 1;
	if (take8() == 1) {
		struct guest_event ev = {.type = (uint8_t[]){EVENT_INTERRUPT, EVENT_NMI, EVENT_EXCEPTION,
							     EVENT_SOFT_INTERRUPT,
							     EVENT_SOFT_EXCEPTION}[take8() % 5]};

		ev.vector = ev.type == EVENT_NMI ? EXC_NMI : take8() % EXC_COUNT;
		event_requeue(v, &ev);
	}
	act = exit_dispatch(v);
	if (act > ACT_STOPPED || (act == ACT_STOPPED && !ended))
		abort();
	if (act <= ACT_ADVANCE_LAST)
		(void)exit_advance_and(v, act);
	v->halted = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	input_left = size;
	machine_new();
	set_mode(take8());
	for (unsigned i = 0; i < EXITS_MAX && input_left && !ended; i++) {
		take_state(&vcpus[0]);
		enter(&vcpus[0]);
		leave(&vcpus[0]);
	}
	return 0;
}
