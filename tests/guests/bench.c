/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Round trips through the hypervisor, by the guest's own time stamp counter: for each the mean of 200 turns,
 * loop included, and of ten such means the least. Where the emulator's counter counts instructions, these are
 * instructions; on a real machine, cycles. Prints "BENCH name value  what" a line; tests/bench/bench.py reads it.
 * "only" on the command line, then names: those figures alone.
 */
#include "hv/x86/apic.h"
#include "tests/guests/lib/guest.h"

#define SETTLE_US         20000
#define ROUNDS            10
#define TURNS             200

#define VECTOR_IPI        0x40
#define VECTOR_TIMER      0x41
#define HYPERCALL_UNKNOWN 0x7fff
#define PORT_NOBODY       0x2f0
#define PORT_LSR          (PLATFORM_COM1_PORT + 5)

/* Counts of the local APIC's timer; far more than any way through the hypervisor takes. */
#define TIMER_COUNT       1000000

static volatile uint64_t interrupts;
static volatile uint32_t timer_seen; /* low half of the counter in the timer's handler */
static bool amd;

/* Handlers as short as they can be: what is measured is the way to them. */
[[gnu::naked]] static void on_ipi(void)
{
	asm volatile("push %%rax\n\t"
		     "mov %0, %%eax\n\t"
		     "movl $0, (%%rax)\n\t"
		     "incq %1\n\t"
		     "pop %%rax\n\t"
		     "iretq" ::"i"(PLATFORM_LAPIC_BASE + LAPIC_EOI),
		     "m"(interrupts));
}

[[gnu::naked]] static void on_timer(void)
{
	asm volatile("push %%rax\n\t"
		     "push %%rdx\n\t"
		     "rdtsc\n\t"
		     "mov %%eax, %2\n\t"
		     "mov %0, %%eax\n\t"
		     "movl $0, (%%rax)\n\t"
		     "incq %1\n\t"
		     "pop %%rdx\n\t"
		     "pop %%rax\n\t"
		     "iretq" ::"i"(PLATFORM_LAPIC_BASE + LAPIC_EOI),
		     "m"(interrupts), "m"(timer_seen));
}

/* Leads a vector to a handler past the common one of lib/, which saves every register. */
static void set_gate(uint8_t vector, void (*fn)(void))
{
	uint64_t a = (uint64_t)fn, *gate;
	struct desc_ptr idtr;

	sidt(&idtr);
	gate = (uint64_t *)idtr.base + (size_t)vector * 2;
	gate[0] = (gate[0] & ~0xffff00000000ffffUL) | (a & 0xffff) | (a >> 16 & 0xffff) << 48;
	gate[1] = a >> 32;
}

static void turn_empty(void)
{
	compiler_barrier();
}

static void turn_cpuid(void)
{
	(void)cpuid(0, 0);
}

static void turn_rdmsr(void)
{
	(void)rdmsr(MSR_IA32_APIC_BASE);
}

static void turn_hypercall(void)
{
	uint64_t a = HYPERCALL_UNKNOWN;

	if (amd)
		asm volatile("vmmcall" : "+a"(a)::"memory");
	else
		asm volatile("vmcall" : "+a"(a)::"memory");
}

static void turn_out_nobody(void)
{
	out8(PORT_NOBODY, 0);
}

static void turn_in_lsr(void)
{
	(void)in8(PORT_LSR);
}

static void turn_apic_read(void)
{
	(void)GUEST_LAPIC(LAPIC_ID);
}

static void turn_apic_eoi(void)
{
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

static void turn_self_ipi(void)
{
	GUEST_LAPIC(LAPIC_ICR) = VECTOR_IPI | LAPIC_ICR_ASSERT | LAPIC_ICR_SELF;
}

static void turn_self_ipi_hlt(void)
{
	GUEST_LAPIC(LAPIC_ICR) = VECTOR_IPI | LAPIC_ICR_ASSERT | LAPIC_ICR_SELF;
	asm volatile("sti\n\thlt\n\tcli" ::: "memory");
}

static void print(const char *name, uint64_t value, const char *what)
{
	guest_printf("BENCH %-13s %8lu  %s\n", name, value, what);
}

static bool wanted(const char *name)
{
	return !guest_cmdline_has("only") || guest_cmdline_has(name);
}

static uint64_t mean(void (*turn)(void))
{
	uint64_t start = rdtsc();

	for (unsigned i = 0; i < TURNS; i++)
		turn();
	return (rdtsc() - start) / TURNS;
}

static void measure(const char *name, void (*turn)(void), const char *what)
{
	uint64_t least = UINT64_MAX;

	/* What was printed is still on its way through the host's UART, by interrupts. */
	if (!guest_cmdline_has("only"))
		guest_delay_us(SETTLE_US);
	for (unsigned i = 0; wanted(name) && i < ROUNDS; i++) {
		uint64_t m = mean(turn);

		if (m < least)
			least = m;
	}
	if (wanted(name))
		print(name, least, what);
}

/* Ticks from before the timer is set to its handler. */
static uint32_t timer_turn(uint32_t count)
{
	uint64_t seen = interrupts;
	uint32_t start = (uint32_t)rdtsc();

	GUEST_LAPIC(LAPIC_TIMER_INITIAL) = count;
	while (interrupts == seen)
		asm volatile("sti\n\thlt\n\tcli" ::: "memory");
	return timer_seen - start;
}

static uint64_t timer_mean(uint32_t count)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < TURNS; i++)
		sum += timer_turn(count);
	return sum / TURNS;
}

/*
 * What comes on top of the delay. A delay of twice the length is once the delay longer and costs the same, so
 * the timer's rate needn't be known.
 */
static void measure_timer(void)
{
	uint64_t least = UINT64_MAX;

	GUEST_LAPIC(LAPIC_TIMER_DIVIDE) = LAPIC_TIMER_DIVIDE_BY_1;
	GUEST_LAPIC(LAPIC_LVT_TIMER) = VECTOR_TIMER;
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t once = timer_mean(TIMER_COUNT), twice = timer_mean(2 * TIMER_COUNT);

		if (2 * once - twice < least)
			least = 2 * once - twice;
	}
	GUEST_LAPIC(LAPIC_LVT_TIMER) = LAPIC_LVT_MASKED;
	print("timer-hlt", least, "timer set, HLT, to its handler, beyond the delay");
}

void test_main(void)
{
	struct cpuid_regs vendor = cpuid(0, 0);

	amd = vendor.ecx == 0x444d4163; /* "cAMD" */
	set_gate(VECTOR_IPI, on_ipi);
	set_gate(VECTOR_TIMER, on_timer);
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;

	guest_printf("Round trips in ticks of the time stamp counter, the least of %u means of %u turns:\n",
		     ROUNDS, TURNS);
	measure("loop", turn_empty, "the guest's loop around nothing");
	measure("cpuid", turn_cpuid, "CPUID leaf 0");
	measure("rdmsr", turn_rdmsr, "RDMSR of the APIC base, trapped");
	measure("hypercall", turn_hypercall, "a hypercall that nobody knows");
	measure("out-nobody", turn_out_nobody, "OUT to a port that nobody has");
	measure("in-lsr", turn_in_lsr, "IN from the UART's line status");
	measure("apic-read", turn_apic_read, "local APIC register read by MMIO");
	measure("apic-eoi", turn_apic_eoi, "EOI write by MMIO");
	sti();
	measure("self-ipi", turn_self_ipi, "self-IPI, its handler, EOI");
	cli();
	measure("self-ipi-hlt", turn_self_ipi_hlt, "self-IPI, STI; HLT, handler, EOI");
	if (wanted("timer-hlt"))
		measure_timer();
	if (!guest_cmdline_has("only"))
		EXPECT("bench/every-interrupt", interrupts == (uint64_t)ROUNDS * TURNS * 4);
}
