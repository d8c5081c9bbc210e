/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration space against a model of the specification (PCI Local Bus 3.0, "Configuration Space Organization"): of each
 * function, the bits that can be written must be among those that may be; then random accesses of all sizes, by ports and by
 * memory, find what a model of single bytes has. At the end BARs are moved about, and answer where they say.
 */
#include "hv/vdev/platform.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/pci.h"

#define ROUNDS         30000
#define MOVES          300
#define FUNCTIONS      32
#define SPACE          256u
#define CAPS_MAX       48
#define COMMAND        0x04u
#define COMMAND_IO     0x001u
#define COMMAND_MEMORY 0x002u
#define COMMAND_MASTER 0x004u
#define COMMAND_NO_PIN 0x400u
#define COMMAND_BITS   0x547u /* with parity and SERR#; the others are for what these devices don't do */
#define STATUS_CAPS    0x10u
#define CACHE_LINE     0x0cu
#define BAR0           0x10u
#define BARS           6u
#define CAPS           0x34u
#define LINE           0x3cu
#define PIN            0x3du
#define CAP_MSIX       0x11
#define CAP_VENDOR     0x09
#define MSIX_BITS      0xc000u
#define VIRTIO_WINDOW  5 /* cfg_type: its last register is an access to a BAR */
#define VIRTIO_VENDOR  0x1af4
#define VIRTIO_FIRST   0x1040
#define VIRTIO_LAST    0x107f
#define NUM_QUEUES     0x12

static struct function {
	uint32_t devfn;
	uint8_t value[SPACE], mask[SPACE], allowed[SPACE];
	uint32_t skip; /* a register that is not just stored; 0: none */
	uint64_t size[BARS];
} functions[FUNCTIONS];
static unsigned count;
static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)(seed >> 33) % n;
}

static void allow(struct function *f, uint32_t at, unsigned size, uint32_t bits)
{
	for (unsigned i = 0; i < size; i++)
		f->allowed[at + i] |= (uint8_t)(bits >> 8 * i);
}

/* "Base Addresses": all ones give the size, which is a power of two. False: something else. */
static bool learn_bars(struct function *f)
{
	for (unsigned n = 0; n < BARS; n++) {
		uint32_t at = BAR0 + 4 * n, low, flags;
		uint64_t bits;
		bool io, wide;

		pci_set(f->devfn, at, 4, UINT32_MAX);
		low = pci_get(f->devfn, at, 4);
		pci_set(f->devfn, at, 4, 0);
		flags = pci_get(f->devfn, at, 4);
		if (!low)
			continue;
		io = flags & 1;
		wide = !io && (flags & 6) == 4;
		bits = low & ~(io ? 3u : 0xfu);
		if (wide) {
			pci_set(f->devfn, at + 4, 4, UINT32_MAX);
			bits |= (uint64_t)pci_get(f->devfn, at + 4, 4) << 32;
			pci_set(f->devfn, at + 4, 4, 0);
		} else {
			bits |= UINT64_MAX << 32;
		}
		f->size[n] = ~bits + 1;
		if ((f->size[n] & (f->size[n] - 1)) || f->size[n] < (io ? 4 : 16) || (io && f->size[n] > 256))
			return false;
		allow(f, at, 4, (uint32_t)bits);
		if (wide)
			allow(f, BAR0 + 4 * ++n, 4, (uint32_t)(bits >> 32));
	}
	return true;
}

/* "MSI-X Capability": the tables lie in a BAR that there is. */
static bool good_msix(const struct function *f, uint32_t cap)
{
	uint32_t n = (pci_get(f->devfn, cap + 2, 2) & 0x7ff) + 1;
	uint32_t table = pci_get(f->devfn, cap + 4, 4), pba = pci_get(f->devfn, cap + 8, 4);
	uint64_t table_end = (table & ~7u) + 16 * n, pba_end = (pba & ~7u) + (n + 63) / 64 * 8;

	if ((table & 7) >= BARS || (pba & 7) >= BARS || table_end > f->size[table & 7] ||
	    pba_end > f->size[pba & 7])
		return false;
	return (table & 7) != (pba & 7) || table_end <= (pba & ~7u) || pba_end <= (table & ~7u);
}

/* "Capabilities List": within the space, aligned, with an end. */
static bool learn_caps(struct function *f)
{
	uint32_t cap = pci_get(f->devfn, CAPS, 1), before = 0;

	if (!(pci_get(f->devfn, COMMAND + 2, 2) & STATUS_CAPS))
		return !cap;
	for (unsigned n = 0; cap; n++, before = cap, cap = pci_get(f->devfn, cap + 1, 1)) {
		uint8_t id = (uint8_t)pci_get(f->devfn, cap, 1);

		if (n == CAPS_MAX || cap < 0x40 || cap % 4 || cap == before)
			return false;
		if (id == CAP_MSIX) {
			allow(f, cap + 2, 2, MSIX_BITS);
			if (!good_msix(f, cap))
				return false;
		} else if (id == CAP_VENDOR && pci_get(f->devfn, cap + 3, 1) == VIRTIO_WINDOW) {
			allow(f, cap + 4, 1, UINT8_MAX);
			allow(f, cap + 8, 4, UINT32_MAX);
			allow(f, cap + 12, 4, UINT32_MAX);
			f->skip = cap + 16;
		}
	}
	return true;
}

static bool skipped(const struct function *f, uint32_t at)
{
	return f->skip && at / 4 == f->skip / 4;
}

/* Which bits can be written, byte by byte; all are 0 then. Returns how many bytes may not, or change otherwise. */
static unsigned learn_masks(struct function *f)
{
	unsigned wrong = 0;

	for (uint32_t at = 0; at < SPACE; at++) {
		uint8_t ones, zeros;

		if (skipped(f, at))
			continue;
		pci_set(f->devfn, at, 1, UINT8_MAX);
		ones = (uint8_t)pci_get(f->devfn, at, 1);
		pci_set(f->devfn, at, 1, 0);
		zeros = (uint8_t)pci_get(f->devfn, at, 1);
		f->mask[at] = ones & (uint8_t)~zeros;
		f->value[at] = zeros;
		wrong += (zeros & ~ones) || (f->mask[at] & ~f->allowed[at]);
	}
	return wrong;
}

/* The command bits for what it has, which must be there. */
static bool commands_there(const struct function *f)
{
	uint32_t has = f->mask[COMMAND] | (uint32_t)f->mask[COMMAND + 1] << 8, needs = 0;

	for (unsigned n = 0; n < BARS; n++)
		if (f->size[n])
			needs |= f->value[BAR0 + 4 * n] & 1 ? COMMAND_IO : COMMAND_MEMORY | COMMAND_MASTER;
	if (f->value[PIN])
		needs |= COMMAND_NO_PIN;
	return (needs & ~has) == 0;
}

static void learn(uint32_t devfn)
{
	struct function *f = &functions[count++];
	unsigned wrong;
	bool bars, caps;

	f->devfn = devfn;
	pci_set(devfn, COMMAND, 2, 0);
	allow(f, COMMAND, 2, COMMAND_BITS);
	allow(f, CACHE_LINE, 1, UINT8_MAX);
	if (pci_get(devfn, PIN, 1))
		allow(f, LINE, 1, UINT8_MAX);
	bars = learn_bars(f);
	caps = learn_caps(f);
	wrong = learn_masks(f);
	if (!bars || !caps || wrong || !commands_there(f))
		guest_printf("FAIL pcimodel/function-%x: bars %d caps %d bytes %u\n", devfn, bars, caps,
			     wrong);
	EXPECT("pcimodel/function", bars && caps && !wrong && commands_there(f));
}

/* --- random accesses --- */

static struct function *find(uint32_t devfn)
{
	for (unsigned i = 0; i < count; i++)
		if (functions[i].devfn == devfn)
			return &functions[i];
	return NULL;
}

/* A byte of the model: of nobody's, all ones. */
static uint8_t model_read(struct function *f, uint32_t at)
{
	return f && at < SPACE ? f->value[at] : UINT8_MAX;
}

static void model_write(struct function *f, uint32_t at, uint8_t value)
{
	if (f && at < SPACE)
		f->value[at] = (uint8_t)((f->value[at] & ~f->mask[at]) | (value & f->mask[at]));
}

static uint64_t access(bool port, bool write, uint32_t devfn, uint32_t at, unsigned size, uint64_t value)
{
	volatile uint8_t *p = (volatile uint8_t *)(uintptr_t)(PLATFORM_PCI_ECAM_BASE + (devfn << 12) + at);
	uint16_t data = (uint16_t)(0xcfc + at % 4);

	if (port)
		out32(0xcf8, 0x80000000 | devfn << 8 | (at & 0xfc));
	switch (size) {
	case 1:
		if (write && port)
			out8(data, (uint8_t)value);
		else if (write)
			*p = (uint8_t)value;
		return port ? in8(data) : *p;
	case 2:
		if (write && port)
			out16(data, (uint16_t)value);
		else if (write)
			*(volatile uint16_t *)p = (uint16_t)value;
		return port ? in16(data) : *(volatile uint16_t *)p;
	case 4:
		if (write && port)
			out32(data, (uint32_t)value);
		else if (write)
			*(volatile uint32_t *)p = (uint32_t)value;
		return port ? in32(data) : *(volatile uint32_t *)p;
	default:
		if (write)
			*(volatile uint64_t *)p = value;
		return *(volatile uint64_t *)p;
	}
}

/* One access, perhaps to nobody, over the end of a register, or behind the 256 bytes. False: not what the model says. */
static bool random_access(void)
{
	struct function *f = &functions[below(count)];
	bool port = below(2), write = below(2);
	unsigned size = 1u << below(port ? 3 : 4);
	uint32_t devfn = below(16) ? f->devfn : below(256);
	uint32_t at = port ? below(SPACE / 4) * 4 + below(5 - size) : below(SPACE + 8);
	uint64_t value = (uint64_t)below(UINT32_MAX) << 32 | below(UINT32_MAX), want = 0, got;

	f = find(devfn);
	for (unsigned i = 0; f && i < size; i++)
		if (skipped(f, at + i))
			return true;
	for (unsigned i = 0; i < size; i++) {
		if (write)
			model_write(f, at + i, (uint8_t)(value >> 8 * i));
		want |= (uint64_t)model_read(f, at + i) << 8 * i;
	}
	got = access(port, write, devfn, at, size, value);
	if (got != want)
		guest_printf("%s %x:%x, %u bytes: %lx, not %lx\n", port ? "port" : "ecam", devfn, at, size,
			     got, want);
	return got == want;
}

static void check_random(void)
{
	unsigned wrong = 0, differ = 0;

	for (unsigned i = 0; i < ROUNDS && wrong < 5; i++)
		wrong += !random_access();
	guest_expect_equal("pcimodel/random-accesses", wrong, 0);
	for (unsigned i = 0; i < count; i++)
		for (uint32_t at = 0; at < SPACE; at++)
			differ += !skipped(&functions[i], at) &&
				  pci_get(functions[i].devfn, at, 1) != functions[i].value[at];
	guest_expect_equal("pcimodel/all-bytes", differ, 0);
}

/* --- BARs --- */

static bool is_virtio(uint32_t devfn)
{
	uint32_t id = pci_get(devfn, 0, 4);

	return (id & 0xffff) == VIRTIO_VENDOR && id >> 16 >= VIRTIO_FIRST && id >> 16 <= VIRTIO_LAST;
}

static uint16_t queues_at(uint32_t at)
{
	return *(volatile uint16_t *)(uintptr_t)(at + NUM_QUEUES);
}

/* Registers of a device, anywhere in the window: there, and no more where they were; nowhere with decoding off. */
static void check_moves(void)
{
	unsigned wrong = 0;
	struct function *f;

	for (unsigned i = 0; i < count; i++)
		pci_set(functions[i].devfn, COMMAND, 2, 0);
	for (f = functions; f < functions + count && !is_virtio(f->devfn); f++)
		;
	if (!EXPECT("pcimodel/has-virtio", f < functions + count && f->size[0]))
		return;
	for (uint32_t i = 0, was = 0; i < MOVES; i++) {
		uint32_t at = PLATFORM_PCI_MEM_BASE +
			      below(PLATFORM_PCI_MEM_SIZE / (uint32_t)f->size[0]) * (uint32_t)f->size[0];

		pci_set(f->devfn, BAR0, 4, at);
		wrong += queues_at(at) != UINT16_MAX;
		pci_set(f->devfn, COMMAND, 2, COMMAND_MEMORY);
		wrong += !queues_at(at) || queues_at(at) == UINT16_MAX;
		wrong += was && was != at && queues_at(was) != UINT16_MAX;
		pci_set(f->devfn, COMMAND, 2, 0);
		wrong += queues_at(at) != UINT16_MAX;
		was = at;
	}
	guest_expect_equal("pcimodel/moves", wrong, 0);
}

void test_main(void)
{
	for (uint32_t devfn = 0; devfn < 256; devfn++)
		if (pci_get(devfn, 0, 4) != UINT32_MAX && count < FUNCTIONS)
			learn(devfn);
	guest_printf("%u functions\n", count);
	check_random();
	check_moves();
}
