/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does a vCPU on another CPU hear at once what is sent to it, whatever its CPU does just then? The receiver makes an
 * exit and then spins, each round a little later after it has called for a shot, which so falls into every part of the
 * host's way from the exit to the next entry; and a second one, which may come while the first is on its way in. "limit=US": what is lost there, until some timer ends the
 * spinning, takes longer.
 */
#include "hv/lib/string.h"
#include "hv/x86/apic.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/smp.h"

#define VECTOR_SHOT   0x41
#define VECTOR_SECOND 0xf1 /* goes before the other, where both wait */
#define SHOTS         1500
#define STARTS        100
#define SECONDS       2 /* of each, at most: beside others an emulator's CPUs may wait long for each other */
#define PAGE          0x60

static volatile uint32_t ready, heard, heard_second;
static volatile bool enough;
static uint64_t longest;

static void on_shot(struct trap *t)
{
	(void)t;
	heard++;
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

static void on_second(struct trap *t)
{
	(void)t;
	heard_second++;
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

static void delay(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		compiler_barrier();
}

static void receive(uint32_t id)
{
	(void)id;
	asm volatile("sti" ::: "memory");
	while (!enough) {
		uint32_t round = ++ready;

		delay(round);
		(void)cpuid(0, 0);
		while (heard < round || heard_second < round)
			compiler_barrier();
	}
	cli();
}

/* Until *p has reached value; notes how long that took from `start` on. */
static bool await(volatile uint32_t *p, uint32_t value, uint64_t start)
{
	uint64_t end;

	while (*p < value) {
		if (rdtsc() - start > UINT32_MAX)
			return false;
	}
	end = rdtsc();
	if (end - start > longest)
		longest = end - start;
	return true;
}

static bool in_time(uint32_t begin)
{
	return guest_pm_timer() - begin < SECONDS * PM_TIMER_HZ;
}

static bool shoot(void)
{
	uint32_t begin = guest_pm_timer();

	for (uint32_t i = 1; !enough; i++) {
		uint64_t start;

		while (ready < i)
			compiler_barrier();
		enough = i == SHOTS || !in_time(begin);
		start = rdtsc();
		ap_send(1, VECTOR_SHOT);
		delay(i % 97 * 8);
		ap_send(1, VECTOR_SECOND);
		if (!await(&heard, i, start) || !await(&heard_second, i, start))
			return false;
	}
	return true;
}

/* To a vCPU that hears nothing else. */
static bool start_again(void)
{
	uint32_t begin = guest_pm_timer();

	for (uint32_t i = 1; i <= STARTS && in_time(begin); i++) {
		uint32_t before = ap[1].starts;
		uint64_t start;

		if (!ap_set_mode(1, AP_DEAF_SPIN))
			return false;
		delay(i * 50);
		start = rdtsc();
		ap_init(1);
		ap_sipi(1, PAGE);
		if (!await(&ap[1].starts, before + 1, start))
			return false;
	}
	return true;
}

/* TSC ticks of a microsecond, by the PM timer. */
static uint64_t ticks_per_us(void)
{
	uint64_t start = rdtsc();

	guest_delay_us(10000);
	return (rdtsc() - start) / 10000;
}

static void check(const char *name, bool ok, uint64_t limit)
{
	guest_printf("%s: longest %lu us\n", name, longest / ticks_per_us());
	EXPECT(name, ok && (!limit || longest / ticks_per_us() < limit));
	longest = 0;
}

void test_main(void)
{
	uint64_t limit = 0;

	if (strncmp(guest_cmdline(), "limit=", 6) == 0) {
		for (const char *s = guest_cmdline() + 6; *s >= '0' && *s <= '9'; s++)
			limit = limit * 10 + (uint64_t)(*s - '0');
	}
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;
	guest_set_handler(VECTOR_SHOT, on_shot);
	guest_set_handler(VECTOR_SECOND, on_second);
	ap_place(PAGE);
	if (!EXPECT("kicks/second-cpu", ap_start(1, PAGE)))
		return;
	ap[1].call = receive;
	check("kicks/interrupts", shoot(), limit);
	check("kicks/init", start_again(), limit);
}
