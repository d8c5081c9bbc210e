/* SPDX-License-Identifier: BSD-2-Clause */
/* Spins for ever with interrupts disabled, after one line: only a kick or a timer of the host gets it out. */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
	guest_printf("spinning\n");
	cli();
	for (;;)
		cpu_pause();
}
