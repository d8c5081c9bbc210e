/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every MSR that may exist, read and written: prints a line "msr FIRST-LAST FLAGS VALUE" for each run of MSRs that
 * answer alike, and none for those that fault whatever is done. Flags: r it can be read; w its own value can be
 * written to it; 0 and 1: all zeros, all ones can. VALUE is "changes" where two readings differ. The test compares
 * them with a table of what is meant.
 */
#include "hv/lib/util.h"
#include "tests/guests/lib/guest.h"

static uint64_t value;

struct answer {
	bool read, write, write_zeros, write_ones, changes;
	uint64_t value;
};

static void read(uint64_t msr)
{
	value = rdmsr((uint32_t)msr);
}

static void write(uint64_t msr)
{
	wrmsr((uint32_t)msr, value);
}

static bool takes(uint32_t msr, uint64_t v)
{
	value = v;
	return guest_catch(write, msr) == -1;
}

static struct answer ask(uint32_t msr)
{
	struct answer a = {.read = guest_catch(read, msr) == -1};

	if (a.read) {
		a.value = value;
		read(msr);
		a.changes = value != a.value;
	}
	a.write_ones = takes(msr, ~0UL);
	a.write_zeros = takes(msr, 0);
	if (a.read)
		a.write = takes(msr, a.value);
	if (a.changes)
		a.value = 0;
	if (msr == MSR_IA32_TSC) /* its writes moved this one */
		(void)takes(MSR_IA32_TSC_ADJUST, 0);
	return a;
}

static bool same(const struct answer *a, const struct answer *b)
{
	return a->read == b->read && a->write == b->write && a->write_zeros == b->write_zeros &&
	       a->write_ones == b->write_ones && a->changes == b->changes && a->value == b->value;
}

static void print(uint32_t first, uint32_t last, const struct answer *a)
{
	if (!a->read && !a->write_zeros && !a->write_ones)
		return;
	guest_printf("msr %08x", first);
	if (last != first)
		guest_printf("-%08x", last);
	guest_printf(" %c%c%c%c ", a->read ? 'r' : '-', a->write ? 'w' : '-', a->write_zeros ? '0' : '-',
		     a->write_ones ? '1' : '-');
	if (!a->read)
		guest_printf("-\n");
	else if (a->changes)
		guest_printf("changes\n");
	else
		guest_printf("%lx\n", a->value);
}

static void sweep(uint32_t first, uint32_t last)
{
	struct answer run = ask(first);
	uint32_t start = first;

	for (uint32_t msr = first + 1; msr <= last; msr++) {
		struct answer a = ask(msr);

		if (same(&a, &run))
			continue;
		print(start, msr - 1, &run);
		run = a;
		start = msr;
	}
	print(start, last, &run);
}

void test_main(void)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {{0, 0x1fff},
		      {0x40000000, 0x400000ff},
		      {0x4b564d00, 0x4b564dff},
		      {0xc0000000, 0xc0001fff},
		      {0xc0010000, 0xc0011fff}};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		sweep(ranges[i].first, ranges[i].last);
	EXPECT("msrsweep/done", true);
}
