/* SPDX-License-Identifier: BSD-2-Clause */
/* A tiny guest as a Multiboot 2 kernel: finds the command line, and runs it. */
#include "tests/guests/lib/guest.h"

#define TAG_CMDLINE 1
#define COM1_LCR    (PLATFORM_COM1_PORT + 3)
#define LCR_8_BITS  3 /* Bochs' BIOS leaves 5 */

struct tag {
	uint32_t type, size;
	char data[];
};

void boot_main(const uint32_t *entry_state);

void boot_main(const uint32_t *entry_state)
{
	const struct tag *t = (const struct tag *)(uint64_t)(entry_state[1] + 8);

	out8(COM1_LCR, LCR_8_BITS);
	while (t->type && t->type != TAG_CMDLINE)
		t = (const struct tag *)((uint64_t)t + (t->size + 7) / 8 * 8);
	guest_run(t->type ? t->data : "");
}
