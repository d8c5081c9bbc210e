/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clocks of the virtual PC. "drift=SECONDS": each against KVM's clock over that time, under load. Otherwise: do
 * two vCPUs see a TSC, and KVM's clock, that never goes back, nor on while the VM is paused?
 */
#include "hv/lib/string.h"
#include "hv/x86/apic.h"
#include "hv/x86/kvm_para.h"
#include "hv/vdev/hpet.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/smp.h"

#define VECTOR_TICK    0x41
#define TICK_HZ        50
#define LAPIC_HZ       1000000000UL /* as Ingot's local APIC has it: hv/vdev/lapic.h */
#define PPM            100
#define MONOTONE_S     8
#define LARGEST_GAP_NS (3 * NS_PER_S)
#define HPET(offset)   (*(volatile uint64_t *)(uintptr_t)(PLATFORM_HPET_BASE + (offset)))
#define HPET_CONFIG    0x10
#define HPET_COUNTER   0xf0
#define RTC_C          0x0c
#define RTC_C_UPDATE   0x10

static struct kvm_clock records[2] __attribute__((aligned(32)));
static volatile uint64_t ticks;

static void on_tick(struct trap *t)
{
	(void)t;
	ticks++;
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

static uint64_t to_ns(const struct kvm_clock *c, uint64_t tsc)
{
	uint64_t n = tsc - c->tsc_timestamp;

	n = c->tsc_shift < 0 ? n >> -c->tsc_shift : n << c->tsc_shift;
	return c->system_time + (uint64_t)((unsigned __int128)n * c->tsc_to_system_mul >> 32);
}

static uint64_t clock_ns(unsigned cpu)
{
	return to_ns(&records[cpu], rdtsc());
}

static void clock_register(unsigned cpu)
{
	wrmsr(MSR_KVM_SYSTEM_TIME, (uint64_t)&records[cpu] | KVM_MSR_ENABLE);
}

/* --- drift --- */

static void expect_close(const char *name, uint64_t ns, uint64_t reference, uint64_t slack)
{
	uint64_t apart = ns > reference ? ns - reference : reference - ns;

	guest_printf("%s: %lu us of %lu us\n", name, ns / 1000, reference / 1000);
	EXPECT(name, apart <= reference / 1000000 * PPM + slack);
}

static bool rtc_updated(void)
{
	out8(0x70, RTC_C);
	return in8(0x71) & RTC_C_UPDATE;
}

/* Exits of several kinds, and computing. */
static void load(void)
{
	for (unsigned i = 0; i < 2000; i++)
		compiler_barrier();
	(void)cpuid(1, 0);
	(void)GUEST_LAPIC(LAPIC_TIMER_CURRENT);
}

static void check_drift(uint64_t seconds)
{
	uint64_t start, now, hpet, pm_ticks = 0, rtc_first = 0, rtc_last = 0, rtc_count = 0;
	uint32_t pm, pm_now;

	guest_set_handler(VECTOR_TICK, on_tick);
	HPET(HPET_CONFIG) = 1;
	GUEST_LAPIC(LAPIC_TIMER_DIVIDE) = LAPIC_TIMER_DIVIDE_BY_1;
	GUEST_LAPIC(LAPIC_LVT_TIMER) = VECTOR_TICK | LAPIC_LVT_TIMER_PERIODIC;
	(void)rtc_updated();
	start = clock_ns(0);
	pm = guest_pm_timer();
	hpet = HPET(HPET_COUNTER);
	GUEST_LAPIC(LAPIC_TIMER_INITIAL) = LAPIC_HZ / TICK_HZ;
	do {
		asm volatile("sti");
		load();
		asm volatile("cli");
		now = clock_ns(0);
		pm_now = guest_pm_timer();
		pm_ticks += pm_now - pm;
		pm = pm_now;
		if (rtc_updated()) {
			rtc_count++;
			rtc_last = now;
			if (rtc_count == 1)
				rtc_first = now;
		}
	} while (now - start < seconds * NS_PER_S);
	now = clock_ns(0) - start;
	hpet = HPET(HPET_COUNTER) - hpet;
	GUEST_LAPIC(LAPIC_LVT_TIMER) = LAPIC_LVT_MASKED;
	expect_close("clocks/pm-timer", pm_ticks * (NS_PER_S / 1000) / PM_TIMER_HZ * 1000, now,
		     NS_PER_S / 1000);
	expect_close("clocks/hpet", hpet * (NS_PER_S / HPET_HZ), now, NS_PER_S / 1000);
	expect_close("clocks/rtc", (rtc_count - 1) * NS_PER_S, rtc_last - rtc_first, NS_PER_S / 50);
	expect_close("clocks/lapic-ticks", ticks * (NS_PER_S / TICK_HZ), now, 2 * NS_PER_S / TICK_HZ);
	/* The host's own stamp of the power-off is compared with this. */
	now = clock_ns(0) + NS_PER_S;
	guest_printf("ends at %lu us\n", now / 1000);
	while (clock_ns(0) < now)
		asm volatile("pause");
}

/* --- never backwards --- */

static uint32_t lock;
static uint64_t last_tsc, last_ns, tsc_back, clock_back, largest_gap, readings[2];
static volatile bool stop, stopped;

static void read_clocks(unsigned cpu)
{
	uint64_t tsc, ns;

	while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
		asm volatile("pause");
	tsc = rdtsc_ordered();
	ns = to_ns(&records[cpu], tsc);
	tsc_back += tsc < last_tsc;
	clock_back += ns < last_ns;
	if (last_ns && ns > last_ns && ns - last_ns > largest_gap)
		largest_gap = ns - last_ns;
	last_tsc = tsc;
	last_ns = ns;
	readings[cpu]++;
	__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
}

static void second_cpu(unsigned id)
{
	clock_register(id);
	while (!stop)
		read_clocks(id);
	stopped = true;
}

static void check_monotone(void)
{
	uint64_t start = clock_ns(0), said = 0;

	if (!EXPECT("clocks/second-cpu", guest_cpu_start(1, second_cpu)))
		return;
	while (clock_ns(0) - start < MONOTONE_S * NS_PER_S) {
		read_clocks(0);
		if ((clock_ns(0) - start) / NS_PER_S >= said)
			guest_printf("second %lu\n", said++);
	}
	stop = true;
	while (!stopped)
		asm volatile("pause");
	guest_printf("%lu and %lu readings, largest gap %lu us\n", readings[0], readings[1],
		     largest_gap / 1000);
	guest_expect_equal("clocks/tsc-never-back", tsc_back, 0);
	guest_expect_equal("clocks/clock-never-back", clock_back, 0);
	EXPECT("clocks/both-read", readings[0] > 1000 && readings[1] > 1000);
	EXPECT("clocks/stood-still", largest_gap < LARGEST_GAP_NS);
}

void test_main(void)
{
	uint64_t seconds = 0;

	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | APIC_VECTOR;
	clock_register(0);
	if (strncmp(guest_cmdline(), "drift=", 6) != 0) {
		check_monotone();
		return;
	}
	for (const char *s = guest_cmdline() + 6; *s >= '0' && *s <= '9'; s++)
		seconds = seconds * 10 + (uint64_t)(*s - '0');
	check_drift(seconds);
}
