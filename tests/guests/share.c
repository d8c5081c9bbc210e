/* SPDX-License-Identifier: BSD-2-Clause */
/* Uses all the CPU time it gets, and every half second of guest time says how much work that was: "work N". */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
	uint32_t start = guest_pm_timer();
	uint64_t work = 0;

	for (;;) {
		for (unsigned i = 0; i < 20000; i++)
			asm volatile("" ::: "memory");
		work++;
		if (guest_pm_timer() - start < PM_TIMER_HZ / 2)
			continue;
		start = guest_pm_timer();
		guest_printf("work %lu\n", work);
	}
}
