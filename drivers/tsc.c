/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TSC calibration: reads the TSC and a known clock together at both ends of a few milliseconds. Of several
 * pairs the one read fastest is taken, so that an SMI or a preempted emulator between the two reads does no harm.
 */
#include "drivers/tsc.h"

#include "drivers/clock_source.h"
#include "drivers/tsc_measure.h"
#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/lib/util.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/insn.h"

#define PRIMARY_US 5000
#define CHECK_US   2000
#define SAMPLES    8
#define DEAD_READS 20000 /* so many equal readings: the clock stands still */
#define MAX_READS  5000000
#define US_PER_S   1000000
#define HZ_PER_MHZ 1000000ULL
#define CLOCKS     3

struct sample {
	uint64_t tsc, clock;
};

static struct sample sample_take(const struct clock_source *c, uint64_t (*tsc)(void))
{
	struct sample best = {};
	uint64_t best_width = UINT64_MAX;

	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t before = tsc();
		uint64_t clock = c->read();
		uint64_t width = tsc() - before;

		if (width >= best_width)
			continue;
		best_width = width;
		best = (struct sample){.tsc = before + width / 2, .clock = clock};
	}
	return best;
}

uint64_t tsc_measure(const struct clock_source *c, uint32_t us, uint64_t (*tsc)(void))
{
	uint64_t want = c->hz * us / US_PER_S;
	struct sample start = sample_take(c, tsc), end;
	uint64_t last = start.clock, ticks;
	uint32_t equal = 0;

	for (uint32_t reads = 0; ((last - start.clock) & c->mask) < want; reads++) {
		uint64_t now = c->read();

		equal = now == last ? equal + 1 : 0;
		if (equal == DEAD_READS || reads == MAX_READS)
			return 0;
		last = now;
	}
	end = sample_take(c, tsc);
	ticks = (end.clock - start.clock) & c->mask;
	/* A few ms of TSC ticks times some MHz: below 2^64. */
	return ticks ? (end.tsc - start.tsc) * c->hz / ticks : 0;
}

static bool close_to(uint64_t a, uint64_t b, unsigned one_in)
{
	uint64_t difference = a > b ? a - b : b - a;

	return difference <= a / one_in;
}

bool tsc_agree(uint64_t a, uint64_t b)
{
	return a && b && close_to(a, b, 100);
}

uint64_t tsc_cpuid_hz(const struct tsc_leaves *l)
{
	/* SDM Vol. 2A, "CPUID", leaf 15H: TSC = crystal * EBX / EAX; leaf 16H EAX: base frequency in MHz. */
	if (l->denominator && l->numerator && l->crystal_hz)
		return (uint64_t)l->crystal_hz * l->numerator / l->denominator;
	return l->base_mhz * HZ_PER_MHZ;
}

uint64_t tsc_choose(uint64_t measured, uint64_t cpuid_hz)
{
	/* Where it differs by more than our own error, it is not what this TSC does. */
	return cpuid_hz && close_to(measured, cpuid_hz, 1000) ? cpuid_hz : measured;
}

static void read_leaves(struct tsc_leaves *l)
{
	uint32_t max = cpuid(CPUID_LEAF_VENDOR, 0).eax;

	*l = (struct tsc_leaves){};
	if (max >= CPUID_LEAF_TSC) {
		struct cpuid_regs r = cpuid(CPUID_LEAF_TSC, 0);

		l->denominator = r.eax;
		l->numerator = r.ebx;
		l->crystal_hz = r.ecx;
	}
	if (max >= CPUID_LEAF_FREQUENCY)
		l->base_mhz = cpuid(CPUID_LEAF_FREQUENCY, 0).eax & 0xffff;
}

bool tsc_is_invariant(void)
{
	return cpuid(CPUID_LEAF_EXT_MAX, 0).eax >= CPUID_LEAF_APM &&
	       (cpuid(CPUID_LEAF_APM, 0).edx & CPUID_80000007_EDX_INVARIANT_TSC);
}

uint64_t tsc_calibrate(const struct acpi_info *acpi)
{
	struct clock_source clocks[CLOCKS];
	uint64_t hz[CLOCKS] = {};
	struct tsc_leaves leaves;
	unsigned found = 0, used = 0;
	uint64_t leaf_hz, result;

	found += hpet_clock(acpi, &clocks[found]);
	found += pmtimer_clock(acpi, &clocks[found]);
	found += pit8254_clock(&clocks[found]);
	/* The first that runs, a second to check it, and a third only where those two disagree. */
	for (unsigned i = 0; i < found; i++) {
		uint64_t measured = tsc_measure(&clocks[i], used ? CHECK_US : PRIMARY_US, rdtsc_ordered);

		if (!measured) {
			log_warn("TSC: the %s does not run", clocks[i].name);
			continue;
		}
		clocks[used] = clocks[i];
		hz[used++] = measured;
		if (used >= 2 && tsc_agree(hz[used - 2], hz[used - 1]))
			break;
		if (used >= 2)
			log_warn("TSC: %s says %llu Hz, %s says %llu Hz", clocks[used - 2].name,
				 (unsigned long long)hz[used - 2], clocks[used - 1].name,
				 (unsigned long long)hz[used - 1]);
	}
	if (!used)
		panic("no clock runs against which the TSC could be measured (HPET, PM timer, PIT)");
	/* With three of them, the first lost against the other two, unless it agrees with the last. */
	result = used == CLOCKS && !tsc_agree(hz[0], hz[2]) && tsc_agree(hz[1], hz[2]) ? 1 : 0;
	read_leaves(&leaves);
	leaf_hz = tsc_cpuid_hz(&leaves);
	if (leaf_hz && !tsc_agree(hz[result], leaf_hz))
		log_info("TSC: CPUID claims %llu Hz, which the %s contradicts", (unsigned long long)leaf_hz,
			 clocks[result].name);
	log_debug("TSC: %llu Hz by the %s", (unsigned long long)hz[result], clocks[result].name);
	return tsc_choose(hz[result], leaf_hz);
}
