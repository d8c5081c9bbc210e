/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Channel 2 of the 8254 timer (Intel 8254 data sheet), which drives the speaker and no interrupt: its gate and the
 * speaker are bits of port 0x61. Channel 0 is left alone.
 */
#include "drivers/clock_source.h"

#include "hv/lib/util.h"
#include "hv/x86/insn.h"

#define PIT_HZ          1193182
#define PIT_CHANNEL2    0x42
#define PIT_COMMAND     0x43
#define PIT_START2      0xb4 /* channel 2, both bytes, mode 2 (rate generator): counts down by ones and wraps */
#define PIT_LATCH2      0x80
#define PORT_B          0x61
#define PORT_B_GATE2    BIT(0)
#define PORT_B_SPEAKER  BIT(1)
#define PORT_B_WRITABLE 0x0f
#define PIT_COUNT_MASK  0xffffu

static uint64_t pit8254_read(void)
{
	uint32_t count;

	out8(PIT_COMMAND, PIT_LATCH2);
	count = in8(PIT_CHANNEL2);
	count |= (uint32_t)in8(PIT_CHANNEL2) << 8;
	return (0u - count) & PIT_COUNT_MASK;
}

bool pit8254_clock(struct clock_source *c)
{
	uint8_t b = in8(PORT_B) & PORT_B_WRITABLE;

	out8(PORT_B, (uint8_t)((b & ~PORT_B_SPEAKER) | PORT_B_GATE2));
	out8(PIT_COMMAND, PIT_START2);
	out8(PIT_CHANNEL2, 0); /* 65536 */
	out8(PIT_CHANNEL2, 0);
	*c = (struct clock_source){.name = "PIT", .hz = PIT_HZ, .mask = PIT_COUNT_MASK, .read = pit8254_read};
	return true;
}
