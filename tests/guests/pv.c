/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * KVM's services for guests, each by its effect: hypercalls, steal time and the preempted flag, end of interrupt
 * without an exit, IPIs to a set, the wake-up from HLT, the clock. Two vCPUs on one physical CPU.
 */
#include "hv/x86/apic.h"
#include "hv/x86/kvm_para.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/smp.h"

#define KVM_LEAF      0x40000100u
#define VECTOR_IPI    0x40
#define VECTOR_TIMER  0x41
#define NOT_RAM       0xd0000000UL
#define MSR_KVM_ASYNC 0x4b564d02u
#define SHARED_US     100000 /* how long both vCPUs want the one CPU */
#define TICKS         1000
#define TICK_TSC      1000000

static bool amd;
static bool eoi_is_there; /* not where the processor ends interrupts by itself */
static struct kvm_steal_time steal[2] __attribute__((aligned(64)));
static struct kvm_clock clock[2] __attribute__((aligned(32)));
static volatile uint32_t eoi_word __attribute__((aligned(4)));
static volatile uint64_t ipis[2], eoi_offers;
static bool ignore_offer;
static uint64_t msr_value;

/* What the second vCPU is told to do, and what it says. */
static volatile enum { WAIT, SPIN, TAKE_IPIS, HALT, SET_TSC } order;
static volatile bool obeyed;

static int64_t hypercall(bool native, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	int64_t result;

	if (native == amd)
		asm volatile("vmmcall" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
	else
		asm volatile("vmcall" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
	return result;
}

static void foreign_hypercall(uint64_t nr)
{
	(void)hypercall(false, nr, 0, 0, 0, 0);
}

static void write_msr(uint64_t msr)
{
	wrmsr((uint32_t)msr, msr_value);
}

static void expect_gp(const char *name, uint32_t msr, uint64_t value)
{
	msr_value = value;
	guest_expect_equal(name, (uint64_t)guest_catch(write_msr, msr), 13);
}

static void check_interface(void)
{
	struct cpuid_regs r = cpuid(KVM_LEAF, 0);
	uint32_t wanted = KVM_FEATURE_CLOCKSOURCE2 | KVM_FEATURE_STEAL_TIME | (amd ? KVM_FEATURE_PV_EOI : 0) |
			  KVM_FEATURE_PV_UNHALT | KVM_FEATURE_PV_TLB_FLUSH | KVM_FEATURE_PV_SEND_IPI |
			  KVM_FEATURE_POLL_CONTROL | KVM_FEATURE_CLOCKSOURCE_STABLE;

	guest_expect_equal("pv/leaf", r.ebx, 0x4b4d564b); /* "KVMK" */
	guest_expect_equal("pv/features", cpuid(KVM_LEAF + 1, 0).eax & wanted, wanted);
	guest_expect_equal("pv/unknown-hypercall", (uint64_t)hypercall(true, 0x7fff, 0, 0, 0, 0),
			   (uint64_t)-KVM_ENOSYS);
	guest_expect_equal("pv/other-vendors-hypercall", (uint64_t)guest_catch(foreign_hypercall, 5), 6);
	expect_gp("pv/steal-reserved", MSR_KVM_STEAL_TIME, (uint64_t)&steal[0] | 3);
	expect_gp("pv/steal-not-ram", MSR_KVM_STEAL_TIME, NOT_RAM | 1);
	expect_gp("pv/eoi-reserved", MSR_KVM_PV_EOI, (uint64_t)&eoi_word | 3);
	expect_gp("pv/eoi-not-ram", MSR_KVM_PV_EOI, NOT_RAM | 1);
	if (!eoi_is_there)
		expect_gp("pv/eoi-absent", MSR_KVM_PV_EOI, (uint64_t)&eoi_word | 1);
	expect_gp("pv/clock-not-ram", MSR_KVM_SYSTEM_TIME, NOT_RAM | 1);
	expect_gp("pv/poll-reserved", MSR_KVM_POLL_CONTROL, 2);
	expect_gp("pv/no-async-faults", MSR_KVM_ASYNC, 0);
	guest_expect_equal("pv/poll-default", rdmsr(MSR_KVM_POLL_CONTROL), 1);
	wrmsr(MSR_KVM_POLL_CONTROL, 0);
	guest_expect_equal("pv/poll-off", rdmsr(MSR_KVM_POLL_CONTROL), 0);
}

/* --- end of interrupt --- */

static void end_of_interrupt(void)
{
	if (!ignore_offer && (eoi_word & KVM_EOI_PENDING)) {
		eoi_offers++;
		eoi_word = 0;
	} else {
		GUEST_LAPIC(LAPIC_EOI) = 0;
	}
}

static void on_ipi(struct trap *t)
{
	/* Not from the APIC: to look at its registers takes an offer back. */
	unsigned cpu = cpuid(1, 0).ebx >> LAPIC_ID_SHIFT;

	(void)t;
	ipis[cpu]++;
	if (cpu == 0)
		end_of_interrupt();
	else
		GUEST_LAPIC(LAPIC_EOI) = 0;
}

static void on_timer(struct trap *t)
{
	(void)t;
	ipis[0]++;
	end_of_interrupt();
	wrmsr(MSR_IA32_TSC_DEADLINE, rdtsc() + TICK_TSC);
}

static void self_ipi(uint8_t vector)
{
	GUEST_LAPIC(LAPIC_ICR) = vector | LAPIC_ICR_ASSERT | LAPIC_ICR_SELF;
}

static void take_interrupts(void)
{
	asm volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
}

static void check_eoi(void)
{
	msr_value = (uint64_t)&eoi_word | 1;
	write_msr(MSR_KVM_PV_EOI);
	ipis[0] = eoi_offers = 0;
	self_ipi(VECTOR_IPI);
	take_interrupts();
	guest_expect_equal("pv/eoi-offered", eoi_offers, 1);
	guest_expect_equal("pv/eoi-ends-it", GUEST_LAPIC(LAPIC_ISR + (VECTOR_IPI / 32) * 16), 0);
	self_ipi(VECTOR_IPI);
	take_interrupts();
	guest_expect_equal("pv/eoi-next-comes", ipis[0], 2);
	/* Two at once: the first must end by a write, so that the second comes at once. */
	self_ipi(VECTOR_IPI);
	self_ipi(VECTOR_IPI + 0x10);
	take_interrupts();
	guest_expect_equal("pv/eoi-both-come", ipis[0], 4);
	guest_expect_equal("pv/eoi-last-offered", eoi_offers, 3);
	/* Ended by a write although it was offered: the offer is void, the next one is another. */
	ignore_offer = true;
	self_ipi(VECTOR_IPI);
	take_interrupts();
	ignore_offer = false;
	guest_expect_equal("pv/eoi-by-write", GUEST_LAPIC(LAPIC_ISR + (VECTOR_IPI / 32) * 16), 0);
	guest_expect_equal("pv/eoi-offer-void", eoi_word, 0);
}

/* 1000 timer ticks, each waited for in HLT. The test counts the exits. */
static void run_ticks(void)
{
	if (eoi_is_there)
		wrmsr(MSR_KVM_PV_EOI, (uint64_t)&eoi_word | 1);
	guest_set_handler(VECTOR_TIMER, on_timer);
	GUEST_LAPIC(LAPIC_LVT_TIMER) = VECTOR_TIMER | LAPIC_LVT_TIMER_DEADLINE;
	wrmsr(MSR_IA32_TSC_DEADLINE, rdtsc() + TICK_TSC);
	while (ipis[0] < TICKS)
		asm volatile("sti\n\thlt\n\tcli" ::: "memory");
	GUEST_LAPIC(LAPIC_LVT_TIMER) = LAPIC_LVT_MASKED;
	guest_expect_equal("pv/ticks-without-eoi", eoi_offers, eoi_is_there ? TICKS : 0);
}

/* --- two vCPUs --- */

static void register_steal(unsigned id)
{
	wrmsr(MSR_KVM_STEAL_TIME, (uint64_t)&steal[id] | 1);
}

static void second_cpu(unsigned id)
{
	register_steal(id);
	for (;;) {
		switch (order) {
		case WAIT:
			asm volatile("pause");
			break;
		case SPIN:
			obeyed = true;
			break;
		case TAKE_IPIS:
			obeyed = true;
			take_interrupts();
			break;
		case HALT:
			obeyed = true;
			asm volatile("cli\n\thlt");
			order = WAIT;
			break;
		case SET_TSC:
			wrmsr(MSR_IA32_TSC, rdtsc() + 1000000000);
			order = WAIT;
			obeyed = true;
			break;
		}
	}
}

static void tell(int what)
{
	obeyed = false;
	order = what;
	while (!obeyed)
		asm volatile("pause");
}

static void check_steal(void)
{
	uint64_t before, stolen, start = rdtsc();
	uint32_t flags = 0, pm = guest_pm_timer();

	register_steal(0);
	tell(SPIN);
	before = steal[0].steal;
	guest_delay_us(SHARED_US);
	stolen = steal[0].steal - before;
	guest_printf("stolen %lu us of %u us, %lu ticks\n", stolen / 1000,
		     (uint32_t)((uint64_t)(guest_pm_timer() - pm) * 1000000 / PM_TIMER_HZ), rdtsc() - start);
	EXPECT("pv/steal-grows", stolen > SHARED_US * 1000UL / 4 && stolen < SHARED_US * 1000UL);
	EXPECT("pv/steal-version", !(steal[0].version & 1) && steal[0].version);
	/* It spins all the time: as long as this one runs, the other is preempted. */
	flags = __atomic_load_n(&steal[1].preempted, __ATOMIC_SEQ_CST);
	guest_expect_equal("pv/preempted", flags, KVM_VCPU_PREEMPTED);
	guest_expect_equal("pv/self-not-preempted", steal[0].preempted, 0);
	EXPECT("pv/flush-asked", __atomic_compare_exchange_n(&steal[1].preempted, &flags,
							     KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB, false,
							     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	/* Its next turn takes the request. */
	tell(TAKE_IPIS);
	EXPECT("pv/flush-taken",
	       !(__atomic_load_n(&steal[1].preempted, __ATOMIC_SEQ_CST) & KVM_VCPU_FLUSH_TLB));
}

static void check_ipis(void)
{
	ipis[0] = ipis[1] = 0;
	guest_set_handler(VECTOR_IPI, on_ipi);
	tell(TAKE_IPIS);
	guest_expect_equal("pv/send-ipi-count",
			   (uint64_t)hypercall(true, KVM_HC_SEND_IPI, 3, 0, 0, VECTOR_IPI), 2);
	take_interrupts();
	for (unsigned us = 0; us < SHARED_US && !ipis[1]; us += 100)
		guest_delay_us(100);
	guest_expect_equal("pv/send-ipi-self", ipis[0], 1);
	guest_expect_equal("pv/send-ipi-other", ipis[1], 1);
	/* The set counted from another APIC ID, with one that nobody has. */
	guest_expect_equal("pv/send-ipi-offset",
			   (uint64_t)hypercall(true, KVM_HC_SEND_IPI, 3, 0, 1, VECTOR_IPI), 1);
	for (unsigned us = 0; us < SHARED_US && ipis[1] < 2; us += 100)
		guest_delay_us(100);
	guest_expect_equal("pv/send-ipi-by-offset", ipis[1], 2);
	EXPECT("pv/send-ipi-not-here", ipis[0] == 1);
	guest_expect_equal("pv/send-ipi-shorthand",
			   (uint64_t)hypercall(true, KVM_HC_SEND_IPI, 1, 0, 0, VECTOR_IPI | LAPIC_ICR_SELF),
			   (uint64_t)-KVM_EINVAL);
}

static void check_kick(void)
{
	tell(HALT);
	guest_delay_us(20000);
	EXPECT("pv/halted-stays", order == HALT);
	guest_expect_equal("pv/kick", (uint64_t)hypercall(true, KVM_HC_KICK_CPU, 0, 1, 0, 0), 0);
	for (unsigned us = 0; us < SHARED_US && order == HALT; us += 100)
		guest_delay_us(100);
	EXPECT("pv/kick-wakes", order == WAIT);
}

static void check_clock(void)
{
	wrmsr(MSR_KVM_SYSTEM_TIME, (uint64_t)&clock[0] | 1);
	guest_expect_equal("pv/clock-stable", clock[0].flags & KVM_CLOCK_TSC_STABLE, KVM_CLOCK_TSC_STABLE);
	EXPECT("pv/clock-version", clock[0].version && !(clock[0].version & 1));
	tell(SET_TSC);
	guest_expect_equal("pv/clock-tscs-apart", clock[0].flags & KVM_CLOCK_TSC_STABLE, 0);
}

void test_main(void)
{
	amd = cpuid(0, 0).ecx == 0x444d4163; /* "cAMD" */
	eoi_is_there = cpuid(KVM_LEAF + 1, 0).eax & KVM_FEATURE_PV_EOI;
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | APIC_VECTOR;
	guest_set_handler(VECTOR_IPI, on_ipi);
	guest_set_handler(VECTOR_IPI + 0x10, on_ipi);
	if (guest_cmdline_has("ticks")) {
		run_ticks();
		return;
	}
	check_interface();
	if (eoi_is_there)
		check_eoi();
	if (!EXPECT("pv/second-cpu", guest_cpu_start(1, second_cpu)))
		return;
	check_steal();
	check_ipis();
	check_kick();
	check_clock();
}
