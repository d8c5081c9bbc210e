/* SPDX-License-Identifier: BSD-2-Clause */
/* The HPET against the PM timer, and its interrupts: one-shot and periodic, by the I/O APIC and by the PIC's line. */
#include "hv/x86/apic.h"
#include "hv/vdev/hpet.h"
#include "tests/guests/lib/guest.h"

#define REG(offset)   (*(volatile uint64_t *)(uintptr_t)(PLATFORM_HPET_BASE + (offset)))
#define ID            0x000
#define CONFIG        0x010
#define STATUS        0x020
#define COUNTER       0x0f0
#define T_CONFIG(n)   (0x100 + 0x20 * (n))
#define T_COMPARE(n)  (0x108 + 0x20 * (n))
#define CONFIG_ENABLE 1UL
#define CONFIG_LEGACY 2UL
#define T_LEVEL       (1UL << 1)
#define T_ENABLE      (1UL << 2)
#define T_PERIODIC    (1UL << 3)
#define T_SET         (1UL << 6)
#define T_ROUTE(n)    ((uint64_t)(n) << 9)

#define VECTOR_HPET   0x50
#define VECTOR_LEGACY 0x51
#define GSI           20
#define TICKS_PER_MS  (HPET_HZ / 1000)

#define IOAPIC(reg)   (*(volatile uint32_t *)(uintptr_t)(PLATFORM_IOAPIC_BASE + (reg)))
#define IOAPIC_SELECT 0x00
#define IOAPIC_WINDOW 0x10
#define IOAPIC_PIN(n) (0x10 + 2 * (n))

static volatile unsigned count;

/* The first time the line stays up over the end of interrupt: then it must come again. */
static void on_level(struct trap *t)
{
	(void)t;
	count++;
	if (count > 1)
		REG(STATUS) = 1UL << 2;
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

static void on_edge(struct trap *t)
{
	(void)t;
	count++;
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

static void set_pin(unsigned pin, uint32_t low)
{
	IOAPIC(IOAPIC_SELECT) = IOAPIC_PIN(pin) + 1;
	IOAPIC(IOAPIC_WINDOW) = 0;
	IOAPIC(IOAPIC_SELECT) = IOAPIC_PIN(pin);
	IOAPIC(IOAPIC_WINDOW) = low;
}

static void wait_for(unsigned n)
{
	while (count < n)
		asm volatile("sti\n\thlt\n\tcli" ::: "memory");
}

static void check_counter(void)
{
	uint64_t start, ticks, expected;
	uint32_t pm;

	guest_expect_equal("hpet/id", REG(ID) & UINT32_MAX, HPET_ID_LOW);
	guest_expect_equal("hpet/period", REG(ID) >> 32, 1000000000000000UL / HPET_HZ);
	guest_expect_equal("hpet/halted", REG(COUNTER), REG(COUNTER));
	REG(COUNTER) = 0x123456789abc;
	guest_expect_equal("hpet/settable", REG(COUNTER), 0x123456789abc);
	REG(COUNTER) = 0;
	REG(CONFIG) = CONFIG_ENABLE;
	pm = guest_pm_timer();
	start = REG(COUNTER);
	guest_delay_us(100000);
	ticks = REG(COUNTER) - start;
	expected = (uint64_t)(guest_pm_timer() - pm) * HPET_HZ / PM_TIMER_HZ;
	guest_printf("%lu ticks of 10 ns, %lu by the PM timer\n", ticks, expected);
	EXPECT("hpet/rate", ticks > expected - expected / 100 && ticks < expected + expected / 100);
}

static void check_level(void)
{
	guest_set_handler(VECTOR_HPET, on_level);
	set_pin(GSI, VECTOR_HPET | 1u << 15); /* level */
	count = 0;
	REG(T_CONFIG(2)) = T_ENABLE | T_LEVEL | T_ROUTE(GSI);
	REG(T_COMPARE(2)) = REG(COUNTER) + TICKS_PER_MS;
	wait_for(2);
	asm volatile("sti\n\tnop\n\tcli" ::: "memory");
	guest_expect_equal("hpet/level-twice", count, 2);
	guest_expect_equal("hpet/status-cleared", REG(STATUS), 0);
	REG(T_CONFIG(2)) = 0;
}

/* An emulator may be held up between the two looks: again. */
static bool accumulator_is_ahead(void)
{
	for (unsigned i = 0; i < 50; i++) {
		if (REG(T_COMPARE(0)) > REG(COUNTER))
			return true;
	}
	return false;
}

static void check_legacy(void)
{
	uint64_t start;

	guest_set_handler(VECTOR_LEGACY, on_edge);
	set_pin(PLATFORM_GSI_TIMER, VECTOR_LEGACY);
	count = 0;
	REG(CONFIG) = CONFIG_ENABLE | CONFIG_LEGACY;
	REG(T_CONFIG(0)) = T_ENABLE | T_PERIODIC | T_SET;
	start = REG(COUNTER);
	REG(T_COMPARE(0)) = start + TICKS_PER_MS;
	REG(T_COMPARE(0)) = TICKS_PER_MS;
	wait_for(20);
	EXPECT("hpet/periodic-not-early", REG(COUNTER) - start >= 20 * TICKS_PER_MS);
	EXPECT("hpet/accumulator-ahead", accumulator_is_ahead());
	REG(T_CONFIG(0)) = 0;
	REG(CONFIG) = CONFIG_ENABLE;
}

void test_main(void)
{
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | APIC_VECTOR;
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
	check_counter();
	check_level();
	check_legacy();
}
