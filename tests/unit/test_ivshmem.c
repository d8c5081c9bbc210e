/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/ivshmem.c, and memory in BARs: where the guest reaches it, and who can interrupt whom. */
#include "fake_pages.h"
#include "fake_vm.h"

#include <stdlib.h>
#include "hv/shared.h"

#define ECAM(offset) (PLATFORM_PCI_ECAM_BASE + (1ULL << 15) + (offset))
#define REGISTERS    0xc0000000UL
#define TABLE        0xc0010000UL
#define MEMORY       0xc1000000UL
#define OTHER        0xd0000000UL
#define SIZE         MIB(4)
#define FRAMES       MIB(512) /* where the shared memory is */
#define PEER         3        /* the index of the other guest */

static struct vm peer;
static struct vm_config peer_cfg;
static uint8_t bytes[64]; /* the first ones of the shared memory */
static unsigned tables_left, tables;
static struct {
	unsigned count;
	struct vm *vm;
	uint32_t data;
} message;

void vm_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	message.count++;
	message.vm = vm;
	message.data = data;
}

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
	fail();
}

uint8_t vpm_reset_read(struct vm *vm)
{
	return 0;
}

void vpm_reset_write(struct vm *vm, uint8_t value)
{
}

enum status page_alloc_guest(unsigned order, hpa_t *out)
{
	if (PAGE_SIZE << order != SIZE)
		return ERR_NOMEM;
	*out = hpa(FRAMES);
	return OK;
}

void frame_zero(hpa_t pa, size_t n)
{
	assert_true(pa.v == FRAMES && n == SIZE);
	memset(bytes, 0, sizeof(bytes));
}

void frame_read(void *dst, hpa_t pa, size_t n)
{
	assert_true(pa.v >= FRAMES && pa.v - FRAMES + n <= sizeof(bytes));
	memcpy(dst, bytes + (pa.v - FRAMES), n);
}

void frame_write(hpa_t pa, const void *src, size_t n)
{
	assert_true(pa.v >= FRAMES && pa.v - FRAMES + n <= sizeof(bytes));
	memcpy(bytes + (pa.v - FRAMES), src, n);
}

static void *table_alloc(void)
{
	void *table;

	if (!tables_left)
		return NULL;
	tables_left--;
	tables++;
	table = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	memset(table, 0, PAGE_SIZE);
	return table;
}

static void table_free(void *table)
{
	tables--;
	free(table);
}

static uint64_t table_pa(const void *table)
{
	return (uint64_t)table;
}

static void *table_ptr(uint64_t pa)
{
	return (void *)pa;
}

static const struct pt_memory table_memory = {table_alloc, table_free, table_pa, table_ptr};

static uint64_t rd(struct vm *vm, uint64_t at, unsigned size)
{
	return io_bus_read(&vm->mmio, NULL, at, size);
}

static void wr(struct vm *vm, uint64_t at, unsigned size, uint64_t value)
{
	io_bus_write(&vm->mmio, NULL, at, size, value);
}

static void memory_at(uint64_t at)
{
	wr(&fake_vm, ECAM(0x18), 4, at);
}

/* As firmware or a kernel sets it up, with message n unmasked as n. */
static void place(struct vm *vm)
{
	unsigned msix = rd(vm, ECAM(PCI_CAPABILITIES), 1);

	wr(vm, ECAM(0x10), 4, REGISTERS);
	wr(vm, ECAM(0x14), 4, TABLE);
	wr(vm, ECAM(0x18), 4, MEMORY);
	wr(vm, ECAM(PCI_COMMAND), 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_int_equal(rd(vm, ECAM(msix), 1), PCI_CAP_MSIX);
	for (unsigned n = 0; n < IVSHMEM_VECTORS; n++) {
		wr(vm, TABLE + 16 * n, 8, 0xfee00000);
		wr(vm, TABLE + 16 * n + 8, 8, n);
	}
	wr(vm, ECAM(msix + 2), 2, 0x8000);
}

static void vm_new(struct vm *vm, const struct vm_config *cfg, uint32_t index)
{
	vm->cfg = cfg;
	vm->index = index;
	assert_int_equal(pt_init(&vm->npt, &pt_npt, &table_memory), OK);
	vm->npt.keep = true;
	io_bus_clear(&vm->mmio);
	io_bus_clear(&vm->ports);
	assert_int_equal(vpci_init(vm), OK);
	assert_int_equal(vivshmem_init(vm), OK);
	vpci_reset(vm);
}

static int setup(void **state)
{
	static struct config c = {.vm_count = 1,
				  .shared_count = 2,
				  .shared = {{.name = "none", .size = SIZE}, {.name = "box", .size = SIZE}}};

	tables_left = 100;
	tables = 0;
	message.count = 0;
	fake_vm_new(2);
	memset(&peer, 0, sizeof(peer));
	memset(shared_region, 0, sizeof(shared_region));
	fake_cfg.shared_count = peer_cfg.shared_count = 1;
	fake_cfg.shared[0].index = peer_cfg.shared[0].index = 1;
	c.vm[0] = fake_cfg;
	shared_init(&c);
	assert_int_equal(shared_region[0].size, 0); /* nobody has it */
	vm_new(&fake_vm, &fake_cfg, 0);
	vm_new(&peer, &peer_cfg, PEER);
	place(&fake_vm);
	place(&peer);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(vivshmem_fini(&fake_vm), OK);
	assert_int_equal(vivshmem_fini(&peer), OK);
	pt_fini(&fake_vm.npt);
	pt_fini(&peer.npt);
	assert_int_equal(tables, 0);
	return 0;
}

/* All of the memory is there, and nothing else of it anywhere in the window. */
static void assert_mapped(uint64_t at)
{
	struct pt_leaf leaf;

	for (uint64_t va = PLATFORM_PCI_MEM_BASE; va < PLATFORM_PCI_MEM_BASE + MIB(512); va += MIB(1)) {
		bool there = at && va >= at && va - at < SIZE;

		assert_int_equal(pt_lookup(&fake_vm.npt, va, &leaf), there);
		if (there) {
			assert_int_equal(leaf.pa + va % leaf.size, FRAMES + va - at);
			assert_int_equal(leaf.prot, PT_READ | PT_WRITE);
		}
	}
}

static void test_follows(void **state)
{
	assert_mapped(MEMORY);
	assert_int_equal(fake_flushes[0] + fake_flushes[1], 0); /* it was nowhere before */
	memory_at(OTHER);
	assert_mapped(OTHER);
	assert_int_equal(fake_flushes[0], 1);
	assert_int_equal(fake_flushes[1], 1);
	wr(&fake_vm, ECAM(PCI_COMMAND), 2, 0);
	assert_mapped(0);
	assert_int_equal(fake_flushes[1], 2);
	wr(&fake_vm, ECAM(PCI_COMMAND), 2, PCI_COMMAND_MEMORY);
	assert_mapped(OTHER);
	memory_at(UINT32_MAX); /* its size is asked for */
	assert_int_equal(rd(&fake_vm, ECAM(0x18), 4), (uint32_t) ~(SIZE - 1) | 0xc);
	assert_mapped(0);
	memory_at(MEMORY);
	assert_mapped(MEMORY);
	vpci_reset(&fake_vm);
	assert_mapped(0);
}

/* Over a page that is there already, and without memory for tables: by the device's handlers. */
static void test_without_tables(void **state)
{
	wr(&fake_vm, MEMORY + 8, 8, 0x1122334455667788);
	assert_int_equal(rd(&fake_vm, MEMORY + 8, 8), 0x1122334455667788);
	memory_at(0);
	tables_left = 0;
	assert_int_equal(pt_map(&fake_vm.npt, MEMORY + MIB(2), MIB(8), MIB(2), PT_READ, PT_WB), OK);
	memory_at(MEMORY);
	assert_int_equal(rd(&fake_vm, MEMORY + 10, 2), 0x5566);
	assert_int_equal(fake_vm.ivshmem.device->pci.bar[2].there, 0);
	assert_int_equal(pt_unmap(&fake_vm.npt, MEMORY + MIB(2), MIB(2)), OK);
}

static void test_registers(void **state)
{
	assert_int_equal(rd(&fake_vm, REGISTERS + 8, 4), 0);
	assert_int_equal(rd(&peer, REGISTERS + 8, 4), PEER);
	for (unsigned at = 0; at < 256; at += 4)
		if (at != 8)
			assert_int_equal(rd(&peer, REGISTERS + at, 4), 0);
	assert_int_equal(rd(&peer, REGISTERS + 8, 2), 0);
}

static void test_doorbell(void **state)
{
	wr(&fake_vm, REGISTERS + 12, 4, PEER << 16 | 5);
	assert_int_equal(message.count, 1);
	assert_ptr_equal(message.vm, &peer);
	assert_int_equal(message.data, 5);
	wr(&peer, REGISTERS + 12, 4, 0 << 16 | 7);
	assert_ptr_equal(message.vm, &fake_vm);
	assert_int_equal(message.count, 2);
	/* Nobody, a vector too high, not the register. */
	wr(&fake_vm, REGISTERS + 12, 4, 1 << 16);
	wr(&fake_vm, REGISTERS + 12, 4, 0xffff0000);
	wr(&fake_vm, REGISTERS + 12, 4, PEER << 16 | IVSHMEM_VECTORS);
	wr(&fake_vm, REGISTERS + 12, 2, PEER);
	wr(&fake_vm, REGISTERS + 8, 4, PEER << 16);
	assert_int_equal(message.count, 2);
	assert_int_equal(vivshmem_fini(&peer), OK);
	wr(&fake_vm, REGISTERS + 12, 4, PEER << 16 | 5);
	assert_int_equal(message.count, 2);
}

static void test_no_memory(void **state)
{
	static struct vm third;

	shared_region[1].size = 0;
	third.cfg = &peer_cfg;
	assert_int_equal(vpci_init(&third), OK);
	assert_int_equal(vivshmem_init(&third), ERR_NOMEM);
	assert_non_null(strstr(third.why, "no memory"));
	assert_int_equal(vivshmem_fini(&third), OK);
	shared_region[1].size = SIZE;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_follows, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_without_tables, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_registers, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_doorbell, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
