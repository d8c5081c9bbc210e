/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One use of the local APIC, ROUNDS times, for a look at the exits that it has cost (tests/system/test_intel.py). The
 * command line says which, and `x2apic` the mode.
 */
#include "hv/lib/util.h"
#include "hv/x86/apic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/smp.h"

#define ROUNDS       2000
#define VECTOR_IPI   0x40
#define VECTOR_TIMER 0x41
#define TICK_NS      200000
#define PATIENCE     10000000 /* rounds of an empty loop */

static bool x2apic;
static volatile uint32_t heard;

static uint32_t lapic_read(uint32_t reg)
{
	return x2apic ? (uint32_t)rdmsr(MSR_X2APIC_BASE + (reg >> 4)) : GUEST_LAPIC(reg);
}

static void lapic_write(uint32_t reg, uint32_t value)
{
	if (x2apic)
		wrmsr(MSR_X2APIC_BASE + (reg >> 4), value);
	else
		GUEST_LAPIC(reg) = value;
}

static void on_interrupt(struct trap *t)
{
	(void)t;
	heard++;
	lapic_write(LAPIC_EOI, 0);
}

static void enable(void)
{
	if (x2apic)
		wrmsr(MSR_IA32_APIC_BASE, rdmsr(MSR_IA32_APIC_BASE) | APIC_BASE_X2APIC);
	lapic_write(LAPIC_SVR, LAPIC_SVR_ENABLE | 0xff);
}

static bool hears(uint32_t count)
{
	for (uint32_t i = 0; i < PATIENCE && heard < count; i++)
		asm volatile("" ::: "memory");
	return heard == count;
}

static void use_self_ipi(void)
{
	bool all = true;

	asm volatile("sti");
	for (uint32_t i = 0; i < ROUNDS && all; i++) {
		if (x2apic)
			lapic_write(LAPIC_SELF_IPI, VECTOR_IPI);
		else
			lapic_write(LAPIC_ICR, VECTOR_IPI | LAPIC_ICR_ASSERT | LAPIC_ICR_SELF);
		all = hears(i + 1);
	}
	asm volatile("cli");
	EXPECT("apic/self", all);
}

static void use_tpr(void)
{
	bool same = true;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		lapic_write(LAPIC_TPR, i & 0xff);
		same = same && lapic_read(LAPIC_TPR) == (i & 0xff);
	}
	EXPECT("apic/tpr", same);
}

static void use_cr8(void)
{
	bool same = true;

	for (uint64_t i = 0; i < ROUNDS; i++) {
		uint64_t cr8;

		asm volatile("mov %1, %%cr8\n\tmov %%cr8, %0" : "=r"(cr8) : "r"(i & 0xf));
		same = same && cr8 == (i & 0xf);
	}
	EXPECT("apic/cr8", same);
	guest_expect_equal("apic/cr8-is-tpr", lapic_read(LAPIC_TPR), ((ROUNDS - 1) & 0xf) << 4);
}

static void use_reads(void)
{
	static const uint16_t regs[] = {
	    LAPIC_ID,         LAPIC_VERSION,    LAPIC_LDR,           LAPIC_SVR,         LAPIC_ISR,
	    LAPIC_TMR + 0x70, LAPIC_IRR + 0x20, LAPIC_ESR,           LAPIC_ICR,         LAPIC_LVT_TIMER,
	    LAPIC_LVT_LINT0,  LAPIC_LVT_ERROR,  LAPIC_TIMER_INITIAL, LAPIC_TIMER_DIVIDE};
	uint32_t first[ARRAY_SIZE(regs)];
	bool same = true;

	lapic_write(LAPIC_LVT_ERROR, LAPIC_LVT_MASKED | 0x77);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t n = i % ARRAY_SIZE(regs), value = lapic_read(regs[n]);

		if (i < ARRAY_SIZE(regs))
			first[n] = value;
		same = same && value == first[n];
	}
	EXPECT("apic/reads", same);
	guest_expect_equal("apic/version", first[1] & 0xff, 0x14);
	guest_expect_equal("apic/svr", first[3], LAPIC_SVR_ENABLE | 0xff);
	guest_expect_equal("apic/lvt-error", first[11], LAPIC_LVT_MASKED | 0x77);
}

static void listen(uint32_t id)
{
	(void)id;
	enable();
	asm volatile("sti");
	(void)hears(ROUNDS);
	asm volatile("cli");
}

static void use_ipi(void)
{
	bool all;

	ap_place(AP_PAGE);
	all = ap_start(1, AP_PAGE); /* by xAPIC, as we are now */
	ap[1].call = listen;
	enable();
	if (!x2apic)
		lapic_write(LAPIC_ICR2, 1u << LAPIC_ID_SHIFT);
	guest_delay_us(20000);
	for (uint32_t i = 0; i < ROUNDS && all; i++) {
		if (x2apic)
			wrmsr(MSR_X2APIC_BASE + (LAPIC_ICR >> 4),
			      1UL << LAPIC_ICR_DEST_SHIFT_X2 | LAPIC_ICR_ASSERT | VECTOR_IPI);
		else
			lapic_write(LAPIC_ICR, LAPIC_ICR_ASSERT | VECTOR_IPI);
		all = hears(i + 1);
	}
	EXPECT("apic/ipi", all);
}

static void set_timer(void)
{
	if (x2apic)
		wrmsr(MSR_IA32_TSC_DEADLINE, rdtsc() + TICK_NS / 50); /* some time that is worth a sleep */
	else
		lapic_write(LAPIC_TIMER_INITIAL, TICK_NS);
}

static void use_timer(void)
{
	bool all = true;

	lapic_write(LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_BY_1);
	lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER | (x2apic ? LAPIC_LVT_TIMER_DEADLINE : 0));
	for (uint32_t i = 0; i < ROUNDS && all; i++) {
		set_timer();
		asm volatile("sti\n\thlt\n\tcli" ::: "memory");
		all = heard == i + 1;
	}
	EXPECT("apic/tick", all);
}

/* Registers are not to be found by MMIO where they are MSRs, nor memory. */
static void look_behind(void)
{
	GUEST_LAPIC(LAPIC_TPR) = 0x30;
	guest_expect_equal("apic/no-page", GUEST_LAPIC(LAPIC_TPR), 0xffffffff);
	guest_expect_equal("apic/tpr-untouched", lapic_read(LAPIC_TPR), 0);
	wrmsr(MSR_IA32_APIC_BASE, rdmsr(MSR_IA32_APIC_BASE) & ~(APIC_BASE_X2APIC | APIC_BASE_ENABLE));
	guest_expect_equal("apic/none-when-off", GUEST_LAPIC(LAPIC_SVR), 0xffffffff);
	wrmsr(MSR_IA32_APIC_BASE, rdmsr(MSR_IA32_APIC_BASE) | APIC_BASE_ENABLE);
	guest_expect_equal("apic/back", GUEST_LAPIC(LAPIC_SVR), 0xff);
}

void test_main(void)
{
	static const struct {
		const char *word;
		void (*fn)(void);
	} uses[] = {{"self", use_self_ipi}, {"tpr", use_tpr},    {"cr8", use_cr8},
		    {"reads", use_reads},   {"tick", use_timer}, {"behind", look_behind}};

	x2apic = guest_cmdline_has("x2apic");
	guest_set_handler(VECTOR_IPI, on_interrupt);
	guest_set_handler(VECTOR_TIMER, on_interrupt);
	if (guest_cmdline_has("ipi")) {
		use_ipi();
		return;
	}
	enable();
	for (size_t i = 0; i < ARRAY_SIZE(uses); i++)
		if (guest_cmdline_has(uses[i].word))
			uses[i].fn();
}
