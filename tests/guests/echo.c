/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads COM1 by polling, slowly, and at each carriage return says how much came and what it sums up to: nothing
 * of a paste may be lost. "deaf" on the command line: never reads. "flood": writes for ever. "cli": with interrupts disabled, so that under
 * Bochs the host's don't end its turn.
 */
#include "tests/guests/lib/guest.h"

#define COM1       0x3f8
#define COM1_LSR   (COM1 + 5)
#define LSR_DR     0x01

#define SUM_FACTOR 31

void test_main(void)
{
	uint32_t count = 0, sum = 0;

	if (!guest_cmdline_has("cli"))
		asm volatile("sti");
	guest_printf("ready to read\n");
	while (guest_cmdline_has("flood"))
		guest_printf("flood flood flood flood flood flood flood flood flood flood flood flood\n");
	while (guest_cmdline_has("deaf"))
		guest_delay_us(1000000);
	for (;;) {
		if (!(in8(COM1_LSR) & LSR_DR))
			continue;
		uint8_t c = in8(COM1);

		if (c == '\r') {
			guest_printf("got %u sum %u\n", count, sum);
			count = sum = 0;
		} else {
			count++;
			sum = sum * SUM_FACTOR + c;
		}
	}
}
