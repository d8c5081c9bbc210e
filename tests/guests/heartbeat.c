/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Beats ten times a second of guest time until it is ended: "beat N". "memory" on the command line: fills free memory
 * with a pattern, and looks at a part of it before each beat.
 */
#include "hv/x86/apic.h"
#include "tests/guests/lib/guest.h"

#define VECTOR_TIMER  0x41

#define PATTERN_BASE  0x300000UL
#define PATTERN_END   0xf00000UL
#define PATTERN_PARTS 16

static volatile unsigned ticks;

static void on_timer(struct trap *t)
{
	(void)t;
	ticks++;
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

static uint64_t pattern(uint64_t at)
{
	return at * 0x9e3779b97f4a7c15ULL;
}

static void fill(void)
{
	for (uint64_t at = PATTERN_BASE; at < PATTERN_END; at += sizeof(uint64_t))
		*(uint64_t *)at = pattern(at);
}

static void look(unsigned part)
{
	uint64_t size = (PATTERN_END - PATTERN_BASE) / PATTERN_PARTS, start = PATTERN_BASE + part * size;

	for (uint64_t at = start; at < start + size; at += sizeof(uint64_t)) {
		if (*(uint64_t *)at != pattern(at))
			guest_printf("FAIL memory at 0x%lx: 0x%lx\n", at, *(uint64_t *)at);
	}
}

void test_main(void)
{
	bool memory = guest_cmdline_has("memory");

	if (memory)
		fill();
	guest_set_handler(VECTOR_TIMER, on_timer);
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;
	GUEST_LAPIC(LAPIC_TIMER_DIVIDE) = LAPIC_TIMER_DIVIDE_BY_1;
	GUEST_LAPIC(LAPIC_LVT_TIMER) = VECTOR_TIMER | LAPIC_LVT_TIMER_PERIODIC;
	GUEST_LAPIC(LAPIC_TIMER_INITIAL) = 100000000; /* 1 GHz bus */
	for (unsigned n = 1;; n++) {
		while (ticks < n)
			asm volatile("sti\n\thlt\n\tcli" ::: "memory");
		if (memory)
			look(n % PATTERN_PARTS);
		guest_printf("beat %u\n", n);
	}
}
