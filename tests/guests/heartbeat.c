/* SPDX-License-Identifier: BSD-2-Clause */
/* Beats ten times a second of guest time until it is ended: "beat N". "n=K" on the command line: K beats. */
#include "hv/x86/apic.h"
#include "tests/guests/lib/guest.h"

#define VECTOR_TIMER 0x41

static volatile unsigned ticks;

static void on_timer(struct trap *t)
{
	(void)t;
	ticks++;
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

void test_main(void)
{
	guest_set_handler(VECTOR_TIMER, on_timer);
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;
	GUEST_LAPIC(LAPIC_TIMER_DIVIDE) = LAPIC_TIMER_DIVIDE_BY_1;
	GUEST_LAPIC(LAPIC_LVT_TIMER) = VECTOR_TIMER | LAPIC_LVT_TIMER_PERIODIC;
	GUEST_LAPIC(LAPIC_TIMER_INITIAL) = 100000000; /* 1 GHz bus */
	for (unsigned n = 1;; n++) {
		while (ticks < n)
			asm volatile("sti\n\thlt\n\tcli" ::: "memory");
		guest_printf("beat %u\n", n);
	}
}
