/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/pci_bar.c: BARs are sized, moved, switched on and off; who answers where, against a model that tries each. */
#include "fake_bus.h"

#define FUNCTIONS       3
#define ROUNDS          200000
#define ECAM(f, offset) (PLATFORM_PCI_ECAM_BASE + ((uint64_t)((f)->slot) << 15) + (offset))
#define MEMORY_END      (PLATFORM_PCI_MEM_BASE + (uint64_t)PLATFORM_PCI_MEM_SIZE)
#define PHYS_BITS       36
#define RAM             (GIB(3) + MIB(1)) /* ends 1 MiB behind 4 GiB */
#define HIGH            0x140000000UL     /* the window that follows it */
#define HIGH_END        BIT(PHYS_BITS)

/* What each BAR is, by its function; the same in all of them. */
static const struct {
	unsigned n;
	enum pci_bar_kind kind;
	uint64_t size;
} shape[] = {
    {0, PCI_BAR_IO, 32},    {1, PCI_BAR_MEM32, 0x1000}, {2, PCI_BAR_MEM64, 0x1000000},
    {4, PCI_BAR_MEM32, 16}, {5, PCI_BAR_IO, 256},
};

static uint64_t seed = 7;
static struct pci_function functions[FUNCTIONS];
/* The bytes that the handlers were asked for since the last look: by whom, and where. */
static struct {
	struct pci_function *f;
	unsigned n;
	uint64_t offset, value;
	unsigned size;
} calls[8];
static unsigned called;

void vm_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	fail();
}

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
	fail();
}

static void note(struct pci_function *f, unsigned n, uint64_t offset, unsigned size, uint64_t value)
{
	assert_true(called < ARRAY_SIZE(calls));
	assert_true(offset + size <= f->bar[n].size);
	calls[called].f = f;
	calls[called].n = n;
	calls[called].offset = offset;
	calls[called].size = size;
	calls[called++].value = value;
}

/* Each BAR gives other bytes; the ones beyond the size are dirty. */
#define HANDLERS(n)                                                                                          \
	static uint64_t read##n(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size)      \
	{                                                                                                    \
		note(f, n, offset, size, 0);                                                                 \
		return 0x1111111111111111 * (n + 1) + offset % 8 * 0x0101010101010101;                       \
	}                                                                                                    \
	static void write##n(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size,         \
			     uint64_t value)                                                                 \
	{                                                                                                    \
		note(f, n, offset, size, value);                                                             \
	}
HANDLERS(0)
HANDLERS(1)
HANDLERS(2)
HANDLERS(4)
HANDLERS(5)

static const pci_bar_read_fn reads[PCI_BARS] = {read0, read1, read2, NULL, read4, read5};
static const pci_bar_write_fn writes[PCI_BARS] = {write0, write1, write2, NULL, write4, write5};

static int setup(void **state)
{
	const struct pci_identity id = {.vendor = 1, .device = 2};

	fake_vm_new(1);
	fake_cfg.memory = RAM;
	fake_vm.cpuid.phys_bits = PHYS_BITS;
	assert_int_equal(vpci_init(&fake_vm), OK);
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		vpci_function_init(&functions[i], &id);
		for (unsigned k = 0; k < ARRAY_SIZE(shape); k++)
			vpci_bar_define(&functions[i], shape[k].n, shape[k].kind, shape[k].size,
					reads[shape[k].n], writes[shape[k].n]);
		assert_int_equal(vpci_add(&fake_vm, 3 + i, &functions[i]), OK);
	}
	vpci_reset(&fake_vm);
	called = 0;
	return 0;
}

static void config_write(struct pci_function *f, unsigned offset, unsigned size, uint64_t value)
{
	io_bus_write(&fake_vm.mmio, NULL, ECAM(f, offset), size, value);
}

static uint64_t config_read(struct pci_function *f, unsigned offset, unsigned size)
{
	return io_bus_read(&fake_vm.mmio, NULL, ECAM(f, offset), size);
}

static uint64_t memory(uint64_t at, unsigned size)
{
	return io_bus_read(&fake_vm.mmio, NULL, at, size);
}

static uint64_t port(uint64_t at, unsigned size)
{
	return io_bus_read(&fake_vm.ports, NULL, at, size);
}

/* As a kernel does it: all ones, and what reads back. */
static void test_sizes(void **state)
{
	struct pci_function *f = &functions[0];

	for (unsigned at = 0x10; at < 0x28; at += 4)
		config_write(f, at, 4, 0xffffffff);
	assert_int_equal(config_read(f, 0x10, 4), 0xffffffe1);
	assert_int_equal(config_read(f, 0x14, 4), 0xfffff000);
	assert_int_equal(config_read(f, 0x18, 8), 0xffffffffff000004);
	assert_int_equal(config_read(f, 0x20, 4), 0xfffffff0);
	assert_int_equal(config_read(f, 0x24, 4), 0xffffff01);
	config_write(f, 4, 2, 3); /* decoding at the very end: nobody is there */
	assert_int_equal(memory(0xfffff000, 4), 0xffffffff);
	assert_int_equal(port(0xffff, 1), 0xff);
	assert_int_equal(called, 0);
}

static void test_decode(void **state)
{
	struct pci_function *f = &functions[0];

	config_write(f, 0x10, 4, 0xc100);
	config_write(f, 0x14, 4, 0xc0001000);
	assert_int_equal(memory(0xc0001000, 4), 0xffffffff);
	config_write(f, 4, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(memory(0xc0001004, 4), 0x26262626);
	assert_int_equal(port(0xc100, 1), 0xff);
	config_write(f, 4, 2, PCI_COMMAND_IO);
	assert_int_equal(memory(0xc0001000, 4), 0xffffffff);
	assert_int_equal(port(0xc101, 1), 0x12);
	io_bus_write(&fake_vm.ports, NULL, 0xc11e, 2, 0xaabbccdd);
	assert_int_equal(called, 3);
	assert_int_equal(calls[2].n, 0);
	assert_int_equal(calls[2].offset, 0x1e);
	assert_int_equal(calls[2].value, 0xccdd);
	config_write(f, 4, 2, PCI_COMMAND_MEMORY);
	config_write(f, 0x14, 4, 0xd0000000); /* moved while it decodes */
	assert_int_equal(memory(0xc0001000, 4), 0xffffffff);
	assert_int_equal(memory(0xd0000ff8, 8), 0x2222222222222222);
	vpci_reset(&fake_vm);
	assert_int_equal(memory(0xd0000000, 4), 0xffffffff);
}

/* Over the end of a BAR: byte by byte, the rest is the neighbour's or nobody's. */
static void test_ends(void **state)
{
	struct pci_function *f = &functions[1];

	config_write(f, 0x14, 4, 0xc0000000);
	config_write(f, 0x20, 4, 0xc0001000);
	config_write(f, 4, 2, PCI_COMMAND_MEMORY);
	assert_int_equal(memory(0xc0000ffe, 4), 0x56552928);
	assert_int_equal(called, 4);
	assert_int_equal(memory(0xc000100e, 4), 0xffff5c5b);
	called = 0;
	io_bus_write(&fake_vm.mmio, NULL, 0xc000100c, 8, 0x8877665544332211);
	assert_int_equal(called, 4);
	assert_int_equal(calls[3].offset, 15);
	assert_int_equal(calls[3].size, 1);
	assert_int_equal(calls[3].value, 0x44);
	assert_int_equal(memory(0xbffffffe, 4), 0x2322ffff);
}

/* Over RAM, the I/O APIC, the HPET, ECAM, the ends of the windows, beyond what the CPU can address: the BAR isn't there. */
static void test_elsewhere(void **state)
{
	static const uint64_t places[] = {
	    0,          0x100000,     0xbfffc000,        0xfec00000,  0xfed00000,
	    0xfee00000, 0xfeb00000,   0xfe000000,        0x100000000, HIGH - 0x1000000,
	    HIGH_END,   2 * HIGH_END, 0xffffffffff000000};
	struct pci_function *f = &functions[0];

	config_write(f, 4, 2, PCI_COMMAND_MEMORY);
	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		config_write(f, 0x18, 8, places[i]);
		assert_int_equal(f->bar[2].at, 0);
	}
	config_write(f, 0x18, 8, 0xfd000000);
	assert_int_equal(memory(0xfdffffff, 1), 0x3a);
	config_write(f, 0x14, 4, 0xfeaff000);
	assert_int_equal(memory(MEMORY_END - 1, 1), 0x29);
	assert_int_equal(config_read(f, 0, 4), 0x00020001); /* ECAM, right behind it */
	/* Only one of 64 bits gets above 4 GiB, to either end. */
	config_write(f, 0x18, 8, HIGH);
	assert_int_equal(memory(HIGH, 1), 0x33);
	config_write(f, 0x18, 8, HIGH_END - 0x1000000);
	assert_int_equal(memory(HIGH_END - 8, 8), 0x3333333333333333);
	assert_int_equal(memory(HIGH, 1), 0xff);
	assert_int_equal(memory(0xfd000000, 1), 0xff);
	config_write(f, 4, 2, PCI_COMMAND_IO);
	assert_int_equal(memory(HIGH_END - 8, 8), UINT64_MAX);
	config_write(f, 0x10, 4, 0x3e0); /* over COM1 */
	assert_int_equal(f->bar[0].at, 0);
	config_write(f, 0x10, 4, 0x1c000); /* no port has more than 16 bits */
	assert_int_equal(f->bar[0].at, 0);
}

/* Who answers for a byte, by what configuration space says now. */
static bool model(uint64_t addr, bool io, struct pci_function **f, unsigned *n, uint64_t *offset)
{
	bool high = !io && addr >= HIGH;
	uint64_t base = io ? PLATFORM_PCI_IO_BASE : high ? HIGH : PLATFORM_PCI_MEM_BASE;
	uint64_t end = io ? PLATFORM_PCI_IO_BASE + PLATFORM_PCI_IO_SIZE : high ? HIGH_END : MEMORY_END;

	for (unsigned i = 0; i < FUNCTIONS; i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(shape); k++) {
			bool wide = shape[k].kind == PCI_BAR_MEM64;
			uint64_t at =
			    config_read(&functions[i], 0x10 + 4 * shape[k].n, wide ? 8 : 4) & ~0xfULL;
			uint64_t command = config_read(&functions[i], 4, 2);

			if (io != (shape[k].kind == PCI_BAR_IO) || !(command & (io ? 1 : 2)) || at < base ||
			    at + shape[k].size > end || addr < at || addr >= at + shape[k].size)
				continue;
			*f = &functions[i];
			*n = shape[k].n;
			*offset = addr - at;
			return true;
		}
	}
	return false;
}

static uint64_t near_memory(void)
{
	static const uint64_t edges[] = {PLATFORM_PCI_MEM_BASE, 0xc0010000, MEMORY_END, HIGH, HIGH_END};
	uint64_t at = edges[test_random(&seed) % ARRAY_SIZE(edges)];

	return at + test_random(&seed) % 0x10000 - 0x8000;
}

static uint64_t near_ports(void)
{
	static const uint64_t edges[] = {PLATFORM_PCI_IO_BASE, 0xc400, PLATFORM_PCI_IO_END + 1};

	return edges[test_random(&seed) % ARRAY_SIZE(edges)] + test_random(&seed) % 0x300 - 0x180;
}

static void random_move(void)
{
	struct pci_function *f = &functions[test_random(&seed) % FUNCTIONS];
	unsigned k = test_random(&seed) % ARRAY_SIZE(shape);

	if (test_random(&seed) % 4 == 0)
		config_write(f, 4, 2, test_random(&seed));
	else if (shape[k].kind == PCI_BAR_MEM64)
		config_write(f, 0x10 + 4 * shape[k].n, 8, near_memory());
	else
		config_write(f, 0x10 + 4 * shape[k].n, 4,
			     shape[k].kind == PCI_BAR_IO ? near_ports() : near_memory());
}

static void test_random_moves(void **state)
{
	unsigned answered = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		bool io = test_random(&seed) % 2;
		uint64_t addr = io ? near_ports() : near_memory(), offset, value;
		struct pci_function *f;
		unsigned n;

		if (i % 4 == 0)
			random_move();
		called = 0;
		value = io ? port(addr, 1) : memory(addr, 1);
		if (!io && addr >= PLATFORM_PCI_ECAM_BASE && addr < PLATFORM_IOAPIC_BASE)
			continue;
		if (!model(addr, io, &f, &n, &offset)) {
			assert_int_equal(called, 0);
			assert_int_equal(value, 0xff);
			continue;
		}
		answered++;
		assert_int_equal(called, 1);
		assert_ptr_equal(calls[0].f, f);
		assert_int_equal(calls[0].n, n);
		assert_int_equal(calls[0].offset, offset);
	}
	assert_true(answered > ROUNDS / 100);
}

static void test_high_window(void **state)
{
	static const struct {
		uint64_t memory;
		unsigned bits;
		uint64_t base, size;
	} row[] = {
	    {MIB(16), 40, GIB(4), BIT(40) - GIB(4)},
	    {GIB(3), 36, GIB(4), GIB(60)},
	    {GIB(3) + 4096, 36, GIB(5), GIB(59)},
	    {GIB(63) - 4096, 36, GIB(64), 0},
	    {GIB(100), 36, GIB(101), 0},
	    {GIB(1), 32, GIB(4), 0},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
		struct guest_window w = guest_map_pci_high(row[i].memory, row[i].bits);

		assert_int_equal(w.base, row[i].base);
		assert_int_equal(w.size, row[i].size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_sizes, setup),        cmocka_unit_test_setup(test_decode, setup),
	    cmocka_unit_test_setup(test_ends, setup),         cmocka_unit_test_setup(test_elsewhere, setup),
	    cmocka_unit_test_setup(test_random_moves, setup), cmocka_unit_test(test_high_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
