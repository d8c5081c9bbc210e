/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/pci*.c: the bus and its functions, against a model that knows single bytes only. */
#include "fake_vm.h"

#define SLOT                         5
#define LAST_SLOT                    31
#define ROUNDS                       200000
#define ECAM(slot, function, offset) (PLATFORM_PCI_ECAM_BASE + ((slot) << 15 | (function) << 12 | (offset)))

/* The specification's view of one function: each byte, and which of its bits can be written. */
struct model {
	uint8_t byte[256], writable[256];
};

static uint64_t seed = 1;
static struct pci_function functions[2];
static struct model model[PCI_SLOTS];
static bool there[PCI_SLOTS];
static uint32_t model_address;
static unsigned resets_asked;

uint8_t vpm_reset_read(struct vm *vm)
{
	return 0x5a;
}

void vpm_reset_write(struct vm *vm, uint8_t value)
{
	resets_asked++;
}

void vm_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	fail();
}

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
	fail();
}

static uint64_t bar_read(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size)
{
	return 0;
}

static void bar_write(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size, uint64_t value)
{
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(test_random(&seed) >> 33) % n;
}

static void define(struct pci_function *f, unsigned slot, unsigned offset, unsigned size, uint32_t value,
		   uint32_t writable)
{
	vpci_config_define(f, offset, size, value, writable);
	for (unsigned i = 0; i < size; i++) {
		model[slot].byte[offset + i] = (uint8_t)(value >> 8 * i);
		model[slot].writable[offset + i] = (uint8_t)(writable >> 8 * i);
	}
}

/* A function with BARs, two capabilities, and registers of every size at every place behind them. */
static void describe(struct pci_function *f, unsigned slot)
{
	const struct pci_identity id = {0x1af4, 0x1042, 0x1af4, 0x1100, 0x010802, 7};

	vpci_function_init(f, &id);
	model[slot] = (struct model){
	    .byte = {0xf4, 0x1a, 0x42, 0x10, [8] = 7, 0x02, 0x08, 0x01, [0x2c] = 0xf4, 0x1a, 0x00, 0x11},
	    .writable = {[4] = 0x47, 0x05, [0x0c] = 0xff},
	};
	vpci_bar_define(f, 0, PCI_BAR_IO, 64, bar_read, bar_write);
	vpci_bar_define(f, 1, PCI_BAR_MEM32, 0x10000, bar_read, bar_write);
	vpci_bar_define(f, 2, PCI_BAR_MEM64, 0x400000, bar_read, bar_write);
	vpci_msix_define(f, 4, 9);
	vpci_intx_define(f, PCI_INTC);
	assert_int_equal(vpci_capability_add(f, PCI_CAP_VENDOR, 18), 0x4c);
	define(f, slot, 0x4e, 1, 18, 0);
	memcpy(model[slot].byte + 0x06, (uint8_t[]){0x10, 0}, 2);
	memcpy(model[slot].byte + 0x10, (uint8_t[]){1, 0, 0, 0, 0, 0, 0, 0, 4}, 9);
	memcpy(model[slot].writable + 0x10, (uint8_t[]){0xc0, 0xff, 0xff, 0xff, 0, 0, 0xff, 0xff}, 8);
	memcpy(model[slot].writable + 0x18, (uint8_t[]){0, 0, 0xc0, 0xff, 0xff, 0xff, 0xff, 0xff}, 8);
	memcpy(model[slot].writable + 0x20, (uint8_t[]){0, 0xf0, 0xff, 0xff}, 4);
	model[slot].byte[0x34] = 0x4c;
	model[slot].writable[0x3c] = 0xff;
	model[slot].byte[0x3d] = 3;
	memcpy(model[slot].byte + 0x40, (uint8_t[]){0x11, 0, 8, 0, 4, 0, 0, 0, 4, 8, 0, 0}, 12);
	model[slot].writable[0x43] = 0xc0;
	memcpy(model[slot].byte + 0x4c, (uint8_t[]){0x09, 0x40, 18}, 3);
	for (unsigned at = 0x60; at < 256; at += 4) {
		unsigned size = 1u << below(3), in = below(4 / size) * size;
		uint32_t writable = (uint32_t)test_random(&seed);

		define(f, slot, at + in, size, (uint32_t)test_random(&seed) & ~writable, writable);
	}
	there[slot] = true;
	assert_int_equal(vpci_add(&fake_vm, slot, f), OK);
}

static int setup(void **state)
{
	fake_vm_new(1);
	memset(there, 0, sizeof(there));
	assert_int_equal(vpci_init(&fake_vm), OK);
	model[0] =
	    (struct model){.byte = {0x36, 0x1b, 0x08, 0x00, 0x06, [11] = 0x06}, .writable = {[0x0c] = 0xff}};
	there[0] = true;
	describe(&functions[0], SLOT);
	describe(&functions[1], LAST_SLOT);
	vpci_reset(&fake_vm);
	model_address = resets_asked = 0;
	return 0;
}

/* The byte of a function's configuration space, or NULL: nobody's. */
static uint8_t *model_byte(unsigned bus, unsigned devfn, unsigned offset, uint8_t *writable)
{
	unsigned slot = devfn >> 3;

	if (bus || (devfn & 7) || !there[slot] || offset >= 256)
		return NULL;
	*writable = model[slot].writable[offset];
	return &model[slot].byte[offset];
}

static uint8_t *model_ecam(uint64_t addr, uint8_t *writable)
{
	uint64_t at = addr - PLATFORM_PCI_ECAM_BASE;

	return at < PLATFORM_PCI_ECAM_SIZE ? model_byte(0, at >> 12 & 0xff, at & 0xfff, writable) : NULL;
}

static uint8_t *model_port(uint64_t port, uint8_t *writable)
{
	if (port < 0xcfc || port > 0xcff || !(model_address >> 31))
		return NULL;
	return model_byte(model_address >> 16 & 0xff, model_address >> 8 & 0xff,
			  (model_address & 0xfc) + (port & 3), writable);
}

typedef uint8_t *(*model_fn)(uint64_t at, uint8_t *writable);

static uint64_t model_read(model_fn find, uint64_t at, unsigned size)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size; i++) {
		uint8_t writable, *byte = find(at + i, &writable);

		value |= (uint64_t)(byte ? *byte : 0xff) << 8 * i;
	}
	return value;
}

static void model_write(model_fn find, uint64_t at, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++) {
		uint8_t writable, *byte = find(at + i, &writable);

		if (byte)
			*byte = (uint8_t)((*byte & ~writable) | (value >> 8 * i & writable));
	}
}

static unsigned random_devfn(void)
{
	static const uint8_t often[] = {0, SLOT << 3, LAST_SLOT << 3, SLOT << 3 | 1, 4 << 3};

	return below(8) ? often[below(sizeof(often))] : below(256);
}

static void random_ecam(void)
{
	unsigned size = 1u << below(4);
	uint64_t offset = below(4) ? below(260) : below(4096), value = test_random(&seed);
	uint64_t at = PLATFORM_PCI_ECAM_BASE + (random_devfn() << 12) + offset;

	if (below(2)) {
		io_bus_write(&fake_vm.mmio, NULL, at, size, value);
		model_write(model_ecam, at, size, value);
	}
	assert_int_equal(io_bus_read(&fake_vm.mmio, NULL, at, size), model_read(model_ecam, at, size));
}

static void random_address(void)
{
	uint32_t value = (uint32_t)test_random(&seed) & 0x7f0000ff;

	if (below(8))
		value |= 0x80000000;
	if (!below(8))
		value |= below(256) << 16;
	value |= random_devfn() << 8;
	io_bus_write(&fake_vm.ports, NULL, 0xcf8, 4, value);
	model_address = value & 0x80fffffc;
	assert_int_equal(io_bus_read(&fake_vm.ports, NULL, 0xcf8, 4), model_address);
}

/* Any access that touches the data register, also over its ends. */
static void random_data(void)
{
	unsigned size = 1u << below(3);
	uint64_t port = 0xcfc + below(4 + size - 1) - (size - 1), value = test_random(&seed);

	if (below(2)) {
		io_bus_write(&fake_vm.ports, NULL, port, size, value);
		model_write(model_port, port, size, value);
	}
	if (port <= 0xcf9)
		return; /* the model has no reset control register */
	assert_int_equal(io_bus_read(&fake_vm.ports, NULL, port, size), model_read(model_port, port, size));
	assert_int_equal(io_bus_read(&fake_vm.ports, NULL, 0xcf8, 4), model_address);
}

static void test_random_accesses(void **state)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (below(2))
			random_ecam();
		else if (below(3))
			random_data();
		else
			random_address();
	}
	for (unsigned devfn = 0; devfn < 256; devfn++)
		for (unsigned at = 0; at < 4096; at += 8)
			assert_int_equal(
			    io_bus_read(&fake_vm.mmio, NULL, PLATFORM_PCI_ECAM_BASE + (devfn << 12) + at, 8),
			    model_read(model_ecam, PLATFORM_PCI_ECAM_BASE + (devfn << 12) + at, 8));
}

/* Accesses over the end of a function, and over the window's. */
static void test_ends(void **state)
{
	uint64_t end = PLATFORM_PCI_ECAM_BASE + PLATFORM_PCI_ECAM_SIZE;

	assert_int_equal(io_bus_read(&fake_vm.mmio, NULL, ECAM(SLOT, 0, 0) - 2, 4), 0x1af4ffff);
	assert_int_equal(io_bus_read(&fake_vm.mmio, NULL, ECAM(0, 0, 0) - 4, 8), 0x00081b36ffffffff);
	assert_int_equal(io_bus_read(&fake_vm.mmio, NULL, end - 4, 8), ~0ULL);
	io_bus_write(&fake_vm.mmio, NULL, ECAM(SLOT, 0, 0xff), 8, ~0ULL);
	io_bus_write(&fake_vm.mmio, NULL, end - 1, 4, ~0ULL);
}

static void test_reset(void **state)
{
	struct model before = model[SLOT];

	for (unsigned at = 0; at < 256; at += 4)
		io_bus_write(&fake_vm.mmio, NULL, ECAM(SLOT, 0, at), 4, 0xffffffff);
	io_bus_write(&fake_vm.ports, NULL, 0xcf8, 4, 0x80000000);
	assert_int_equal(io_bus_read(&fake_vm.mmio, NULL, ECAM(SLOT, 0, 4), 4), 0x100547);
	vpci_reset(&fake_vm);
	assert_int_equal(io_bus_read(&fake_vm.ports, NULL, 0xcf8, 4), 0);
	for (unsigned at = 0; at < 256; at++)
		assert_int_equal(io_bus_read(&fake_vm.mmio, NULL, ECAM(SLOT, 0, at), 1), before.byte[at]);
}

static void test_slots(void **state)
{
	assert_int_equal(vpci_add(&fake_vm, 0, &functions[0]), ERR_EXIST);
	assert_int_equal(vpci_add(&fake_vm, SLOT, &functions[1]), ERR_EXIST);
	assert_int_equal(vpci_add(&fake_vm, PCI_SLOTS, &functions[1]), ERR_INVAL);
}

/* A byte at CF9h is not PCI's; words and unaligned accesses there are nobody's. */
static void test_reset_port(void **state)
{
	io_bus_write(&fake_vm.ports, NULL, 0xcf9, 1, 6);
	assert_int_equal(resets_asked, 1);
	assert_int_equal(io_bus_read(&fake_vm.ports, NULL, 0xcf9, 1), 0x5a);
	io_bus_write(&fake_vm.ports, NULL, 0xcf9, 2, 0x0606);
	io_bus_write(&fake_vm.ports, NULL, 0xcf8, 4, 0x80000600);
	assert_int_equal(resets_asked, 1);
	assert_int_equal(io_bus_read(&fake_vm.ports, NULL, 0xcf8, 2), 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_random_accesses, setup), cmocka_unit_test_setup(test_ends, setup),
	    cmocka_unit_test_setup(test_reset, setup),           cmocka_unit_test_setup(test_slots, setup),
	    cmocka_unit_test_setup(test_reset_port, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
