/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The dearest that a guest can do with its CPU time, on all of its four vCPUs. "timers": expiries as often as it can
 * ask for them; "exits": what costs the host most for one instruction; "strings": one instruction for a very long time.
 */
#include "hv/x86/apic.h"
#include "tests/guests/lib/smp.h"

#define CPUS          4
#define PAGE          0x60
#define VECTOR_TIMER  0x41
#define NO_PORT       0x2f0
#define STRING_LENGTH 4096
#define LONG_STRING   0x800000

static uint8_t text[STRING_LENGTH];

static void on_timer(struct trap *t)
{
	(void)t;
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

static void on_nmi(struct trap *t)
{
	(void)t;
}

static void timers(uint32_t id)
{
	(void)id;
	GUEST_LAPIC(LAPIC_TIMER_DIVIDE) = LAPIC_TIMER_DIVIDE_BY_1;
	GUEST_LAPIC(LAPIC_LVT_TIMER) = VECTOR_TIMER | LAPIC_LVT_TIMER_PERIODIC;
	GUEST_LAPIC(LAPIC_TIMER_INITIAL) = 100;
	for (;;)
		asm volatile("pause\n\tsti\n\tnop\n\tcli" ::: "memory");
}

static void exits(uint32_t id)
{
	for (;;) {
		const uint8_t *from = text;
		uint64_t n = sizeof(text);

		asm volatile("rep outsb" : "+S"(from), "+c"(n) : "d"((uint16_t)NO_PORT) : "memory");
		/* To everyone, who all have to look at it. */
		GUEST_LAPIC(LAPIC_ICR) = VECTOR_TIMER | LAPIC_ICR_ASSERT | LAPIC_ICR_OTHERS;
		ap_send((id + 1) % CPUS, APIC_DELIVERY_NMI);
		asm volatile("sti\n\tnop\n\tcli" ::: "memory");
	}
}

static void strings(uint32_t id)
{
	(void)id;
	for (;;) {
		const uint8_t *from = (const uint8_t *)0x1000;
		uint64_t n = LONG_STRING;

		asm volatile("rep outsb" : "+S"(from), "+c"(n) : "d"((uint16_t)NO_PORT) : "memory");
	}
}

void test_main(void)
{
	void (*what)(uint32_t id) = guest_cmdline_has("timers")    ? timers
				    : guest_cmdline_has("strings") ? strings
								   : exits;

	guest_set_handler(VECTOR_TIMER, on_timer);
	guest_set_handler(2, on_nmi);
	ap_place(PAGE);
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;
	for (uint32_t id = 1; id < CPUS; id++) {
		ap_start(id, PAGE);
		ap[id].call = what;
	}
	guest_printf("storm of %d\n", CPUS);
	what(0);
}
