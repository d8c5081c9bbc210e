/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TSC whose frequency the configuration names, "mhz=N" on the command line: all that speaks of it agrees, and so do
 * the clocks that don't depend on it.
 */
#include "hv/lib/string.h"
#include "hv/vdev/vdev.h"
#include "hv/x86/apic.h"
#include "hv/x86/kvm_para.h"
#include "tests/guests/lib/guest.h"

#define VECTOR_DEADLINE 0x42
#define MEASURE_US      200000
#define DEADLINE_US     20000
#define LATE_US         12000 /* the CPU may be another guest's just then, for slices of 5 ms */
#define PPM             200
#define SLACK_NS        20000 /* what reading a clock takes */
#define LEAF_FREQUENCY  0x16
#define ADJUSTMENT      (1UL << 50)

static struct kvm_clock record __attribute__((aligned(32)));
static uint64_t mhz;
static volatile uint64_t fired_tsc;

static uint64_t kvm_ns(uint64_t tsc)
{
	uint64_t n = tsc - record.tsc_timestamp;

	n = record.tsc_shift < 0 ? n >> -record.tsc_shift : n << record.tsc_shift;
	return record.system_time + (uint64_t)((unsigned __int128)n * record.tsc_to_system_mul >> 32);
}

static void expect_close(const char *name, uint64_t ns, uint64_t reference_ns)
{
	uint64_t apart = ns > reference_ns ? ns - reference_ns : reference_ns - ns;

	guest_printf("%s: %lu ns of %lu ns\n", name, ns, reference_ns);
	EXPECT(name, apart <= reference_ns / 1000000 * PPM + SLACK_NS);
}

/* The TSC and KVM's clock against the PM timer; the local APIC's timer, whose clock is a nanosecond, too. */
static void check_rate(void)
{
	uint64_t tsc, ns;
	uint32_t pm, lapic;

	GUEST_LAPIC(LAPIC_TIMER_DIVIDE) = LAPIC_TIMER_DIVIDE_BY_1;
	GUEST_LAPIC(LAPIC_LVT_TIMER) = LAPIC_LVT_MASKED;
	GUEST_LAPIC(LAPIC_TIMER_INITIAL) = UINT32_MAX;
	pm = guest_pm_timer();
	lapic = GUEST_LAPIC(LAPIC_TIMER_CURRENT);
	tsc = rdtsc();
	guest_delay_us(MEASURE_US);
	pm = guest_pm_timer() - pm;
	lapic -= GUEST_LAPIC(LAPIC_TIMER_CURRENT);
	ns = kvm_ns(rdtsc()) - kvm_ns(tsc);
	tsc = rdtsc() - tsc;
	expect_close("tsc/pm-timer", tsc * 1000 / mhz, pm * NS_PER_S / PM_TIMER_HZ);
	expect_close("tsc/lapic-timer", lapic, pm * NS_PER_S / PM_TIMER_HZ);
	expect_close("tsc/kvm-clock", ns, pm * NS_PER_S / PM_TIMER_HZ);
}

/* RDTSC, RDTSCP and the MSR read one counter, which doesn't go back. */
static void check_readings(void)
{
	uint64_t back = 0, last = rdtsc();

	for (unsigned i = 0; i < 300; i++) {
		uint32_t low, high, aux;
		uint64_t now[3];

		now[0] = rdmsr(MSR_IA32_TSC);
		asm volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
		now[1] = low | (uint64_t)high << 32;
		now[2] = rdtsc();
		for (unsigned n = 0; n < 3; n++) {
			back += now[n] < last;
			last = now[n];
		}
	}
	guest_expect_equal("tsc/never-back", back, 0);
}

/* Both registers move the TSC by guest ticks; KVM's clock goes on as if nothing had been. */
static void check_writes(void)
{
	uint32_t pm = guest_pm_timer();
	uint64_t before = rdtsc(), ns = kvm_ns(before), late = LATE_US * mhz;

	wrmsr(MSR_IA32_TSC_ADJUST, rdmsr(MSR_IA32_TSC_ADJUST) + ADJUSTMENT);
	EXPECT("tsc/adjusted", rdtsc() - before - ADJUSTMENT < late);
	wrmsr(MSR_IA32_TSC, before);
	EXPECT("tsc/written", rdtsc() - before < late);
	EXPECT("tsc/adjust-follows", -rdmsr(MSR_IA32_TSC_ADJUST) < late); /* what has passed is taken back */
	ns = kvm_ns(rdtsc()) - ns;
	pm = guest_pm_timer() - pm;
	expect_close("tsc/kvm-clock-goes-on", ns, pm * NS_PER_S / PM_TIMER_HZ);
}

static void on_deadline(struct trap *t)
{
	(void)t;
	fired_tsc = rdtsc();
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

static void check_deadline(void)
{
	uint64_t deadline;
	uint32_t pm;

	guest_set_handler(VECTOR_DEADLINE, on_deadline);
	GUEST_LAPIC(LAPIC_LVT_TIMER) = VECTOR_DEADLINE | LAPIC_LVT_TIMER_DEADLINE;
	pm = guest_pm_timer();
	deadline = rdtsc() + DEADLINE_US * mhz;
	wrmsr(MSR_IA32_TSC_DEADLINE, deadline);
	while (!fired_tsc)
		asm volatile("sti; hlt; cli");
	pm = guest_pm_timer() - pm;
	EXPECT("tsc/deadline-not-early", fired_tsc >= deadline);
	EXPECT("tsc/deadline-in-time", fired_tsc - deadline < LATE_US * mhz);
	EXPECT("tsc/deadline-by-pm-timer",
	       pm >= DEADLINE_US * (uint64_t)PM_TIMER_HZ / 1000000 - 1 &&
		   pm < (DEADLINE_US + LATE_US) * (uint64_t)PM_TIMER_HZ / 1000000);
}

void test_main(void)
{
	for (const char *s = guest_cmdline() + strlen("mhz="); *s >= '0' && *s <= '9'; s++)
		mhz = mhz * 10 + (uint64_t)(*s - '0');
	wrmsr(MSR_KVM_SYSTEM_TIME, (uint64_t)&record | KVM_MSR_ENABLE);
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | APIC_VECTOR;
	if (cpuid(0, 0).eax >= LEAF_FREQUENCY)
		guest_expect_equal("tsc/cpuid", cpuid(LEAF_FREQUENCY, 0).eax, mhz);
	check_rate();
	check_readings();
	check_deadline();
	check_writes();
	check_rate();
}
