/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts: each is delivered once, at the right instruction; windows, shadows, HLT, NMI blocking. */
#include "hv/x86/apic.h"
#include "tests/guests/lib/guest.h"

#define VECTOR_IPI   0x40
#define VECTOR_TIMER 0x41
#define VECTOR_PIC   0x20

static volatile unsigned count, nmis;
static volatile uint64_t interrupted_rip;
static volatile bool nmi_again;

static void on_ipi(struct trap *t)
{
	count++;
	interrupted_rip = t->rip;
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

/* The self shorthand is for fixed interrupts only (SDM Vol. 3A, "Valid Combinations for the ... ICR"). */
static void self_nmi(void)
{
	GUEST_LAPIC(LAPIC_ICR2) = GUEST_LAPIC(LAPIC_ID);
	GUEST_LAPIC(LAPIC_ICR) = APIC_DELIVERY_NMI | LAPIC_ICR_ASSERT;
}

static void on_nmi(struct trap *t)
{
	(void)t;
	nmis++;
	if (nmi_again) {
		/* A second NMI must wait for this handler's IRET. */
		unsigned now = nmis;

		nmi_again = false;
		self_nmi();
		guest_delay_us(50);
		EXPECT("irq/nmi-blocked-until-iret", nmis == now);
	}
}

static void on_pic(struct trap *t)
{
	(void)t;
	count++;
	out8(0x20, 0x20);
}

static void self_ipi(uint8_t vector)
{
	GUEST_LAPIC(LAPIC_ICR) = vector | LAPIC_ICR_ASSERT | LAPIC_ICR_SELF;
}

static void take_pending(void)
{
	asm volatile("sti\n\tnop\n\tcli" ::: "memory");
}

static void check_windows(void)
{
	uint64_t after;

	count = 0;
	self_ipi(VECTOR_IPI);
	guest_delay_us(20);
	EXPECT("irq/held-while-if-0", count == 0);
	/* The interrupt comes behind the instruction after STI. */
	asm volatile("sti\n\tnop\n1:\tcli\n\tlea 1b(%%rip), %0" : "=r"(after)::"memory");
	EXPECT("irq/one-delivery", count == 1);
	guest_expect_equal("irq/after-sti-shadow", interrupted_rip, after);
	self_ipi(VECTOR_IPI);
	asm volatile("sti\n\tcli" ::: "memory");
	EXPECT("irq/sti-cli-no-delivery", count == 1);
	asm volatile("sti\n\thlt\n\tcli" ::: "memory");
	EXPECT("irq/sti-hlt-wakes", count == 2);
	/* Exits between STI and the next instruction's end must not let it in early. */
	self_ipi(VECTOR_IPI);
	asm volatile("xor %%eax, %%eax\n\tsti\n\tcpuid\n1:\tcli\n\tlea 1b(%%rip), %0"
		     : "=r"(after)::"rax", "rbx", "rcx", "rdx", "memory");
	EXPECT("irq/sti-cpuid-once", count == 3);
	guest_expect_equal("irq/sti-cpuid-at", interrupted_rip, after);
}

static void check_priorities(void)
{
	count = 0;
	GUEST_LAPIC(LAPIC_TPR) = 0x50;
	self_ipi(VECTOR_IPI);
	asm volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
	EXPECT("irq/tpr-holds", count == 0);
	asm volatile("sti");
	GUEST_LAPIC(LAPIC_TPR) = 0;
	asm volatile("nop\n\tcli" ::: "memory");
	EXPECT("irq/tpr-releases", count == 1);
	asm volatile("mov %0, %%cr8" ::"r"(5UL));
	guest_expect_equal("irq/cr8-is-tpr", GUEST_LAPIC(LAPIC_TPR), 0x50);
	self_ipi(VECTOR_IPI);
	take_pending();
	EXPECT("irq/cr8-holds", count == 1);
	/* First what else ends the guest, now that it may: the interrupts of the host's console. */
	asm volatile("sti");
	guest_delay_us(2000);
	for (unsigned i = 0; i < 1000; i++)
		asm volatile("" ::: "memory");
	asm volatile("mov %0, %%cr8\n\tnop\n\tcli" ::"r"(0UL) : "memory");
	EXPECT("irq/cr8-releases", count == 2);
}

static void check_timer(void)
{
	uint32_t start;

	guest_set_handler(VECTOR_TIMER, on_ipi);
	count = 0;
	GUEST_LAPIC(LAPIC_TIMER_DIVIDE) = LAPIC_TIMER_DIVIDE_BY_1;
	GUEST_LAPIC(LAPIC_LVT_TIMER) = VECTOR_TIMER;
	GUEST_LAPIC(LAPIC_TIMER_INITIAL) = 1000000;
	start = guest_pm_timer();
	while (!count && guest_pm_timer() - start < PM_TIMER_HZ)
		asm volatile("sti\n\thlt\n\tcli" ::: "memory");
	EXPECT("irq/lapic-timer-one-shot", count == 1);
	GUEST_LAPIC(LAPIC_LVT_TIMER) = VECTOR_TIMER | LAPIC_LVT_TIMER_PERIODIC;
	GUEST_LAPIC(LAPIC_TIMER_INITIAL) = 500000;
	while (count < 6)
		asm volatile("sti\n\thlt\n\tcli" ::: "memory");
	GUEST_LAPIC(LAPIC_LVT_TIMER) = LAPIC_LVT_MASKED;
	take_pending();
	/* Two may come at once where the emulator was held up. */
	guest_printf("%u ticks of the LAPIC's timer\n", count);
	EXPECT("irq/lapic-timer-periodic", count >= 6);
	count = 0;
	guest_delay_us(5000);
	take_pending();
	EXPECT("irq/lapic-timer-masked", count == 0);
}

/* While the guest's interrupts are off, the host's go on, and let nothing through. */
static void check_host_interrupts(void)
{
	unsigned let_through = 0;

	GUEST_LAPIC(LAPIC_LVT_TIMER) = VECTOR_TIMER | LAPIC_LVT_TIMER_PERIODIC;
	GUEST_LAPIC(LAPIC_TIMER_INITIAL) = 100000;
	for (unsigned round = 0; round < 50; round++) {
		take_pending();
		count = 0;
		self_ipi(VECTOR_IPI);
		for (unsigned i = 0; i < 10000; i++)
			asm volatile("" ::: "memory");
		let_through += count;
	}
	GUEST_LAPIC(LAPIC_LVT_TIMER) = LAPIC_LVT_MASKED;
	take_pending();
	guest_expect_equal("irq/held-over-host-interrupts", let_through, 0);
	EXPECT("irq/delivered-then", count > 0);
}

static void check_pic(void)
{
	guest_set_handler(VECTOR_PIC, on_pic);
	out8(0x20, 0x11);
	out8(0x21, VECTOR_PIC);
	out8(0x21, 4);
	out8(0x21, 1);
	out8(0x21, 0xfe); /* only the timer */
	out8(0xa1, 0xff);
	out8(0x43, 0x34); /* channel 0, mode 2 */
	out8(0x40, 0xa9);
	out8(0x40, 0x04); /* 1193: a thousand a second */
	count = 0;
	while (count < 5)
		asm volatile("sti\n\thlt\n\tcli" ::: "memory");
	out8(0x21, 0xff);
	EXPECT("irq/pit-through-pic", count == 5);
}

static void check_nmi(void)
{
	guest_set_handler(2, on_nmi);
	nmis = 0;
	self_nmi();
	guest_delay_us(20);
	EXPECT("irq/nmi-while-if-0", nmis == 1);
	nmi_again = true;
	self_nmi();
	guest_delay_us(100);
	guest_expect_equal("irq/nmi-after-iret", nmis, 3);
}

void test_main(void)
{
	guest_set_handler(VECTOR_IPI, on_ipi);
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;
	check_windows();
	check_priorities();
	check_timer();
	check_host_interrupts();
	check_pic();
	check_nmi();
}
