/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/pci*.c against a configuration space of memory: the walk, regions, capabilities, messages, sloppy devices. */
#include "support.h"

#include <string.h>
#include "drivers/pci.h"
#include "drivers/pci_scan.h"
#include "mm/host_map.h"

#define FUNCTIONS  8
#define VENDOR     0x1234
#define OURS       0x1111
#define FAILING    0x2222
#define TABLE_SIZE 0x1000
#define VECTOR     0x51

/* A function of the machine; what of it can be written. */
static struct function {
	uint16_t bdf;
	uint8_t config[PCI_CONFIG_SIZE], writable[PCI_CONFIG_SIZE];
	bool decoded_while_sizing;
} functions[FUNCTIONS];
static unsigned function_count;
static unsigned reads;

static char table[TABLE_SIZE];
static uint64_t mapped_pa, mapped_size;
static unsigned probes, vectors;
static struct pci_device *probed;
static enum status vector_status;
static struct {
	uint8_t vector;
	irq_fn fn;
	void *arg;
} handler;

/* --- the machine: devices stay known from test to test, so those that are looked for have addresses of their own --- */

static struct function *at(uint16_t bdf)
{
	for (unsigned i = 0; i < function_count; i++) {
		if (functions[i].bdf == bdf)
			return &functions[i];
	}
	return NULL;
}

static void set(struct function *f, unsigned offset, unsigned size, uint64_t value)
{
	memcpy(f->config + offset, &value, size);
}

static void let_write(struct function *f, unsigned offset, unsigned size, uint64_t bits)
{
	memcpy(f->writable + offset, &bits, size);
}

static uint32_t get(const struct function *f, unsigned offset, unsigned size)
{
	uint32_t value = 0;

	memcpy(&value, f->config + offset, size);
	return value;
}

uint32_t pci_config_read(uint16_t bdf, uint8_t offset)
{
	reads++;
	assert_int_equal(offset % 4, 0);
	return at(bdf) ? get(at(bdf), offset, 4) : UINT32_MAX;
}

uint16_t pci_config_read16(uint16_t bdf, uint8_t offset)
{
	assert_int_equal(offset % 2, 0);
	return (uint16_t)(pci_config_read(bdf, offset & 0xfc) >> 8 * (offset & 2));
}

uint8_t pci_config_read8(uint16_t bdf, uint8_t offset)
{
	return (uint8_t)(pci_config_read(bdf, offset & 0xfc) >> 8 * (offset & 3));
}

static void config_write(uint16_t bdf, uint8_t offset, unsigned size, uint32_t value)
{
	struct function *f = at(bdf);

	assert_non_null(f);
	assert_int_equal(offset % size, 0);
	if (offset >= PCI_BAR0 && offset < PCI_BAR0 + 24 &&
	    (get(f, PCI_COMMAND, 2) & (PCI_COMMAND_IO | PCI_COMMAND_MEMORY)))
		f->decoded_while_sizing = true;
	for (unsigned i = 0; i < size; i++) {
		uint8_t mask = f->writable[offset + i];

		f->config[offset + i] = (uint8_t)((f->config[offset + i] & ~mask) | (value >> 8 * i & mask));
	}
}

void pci_config_write(uint16_t bdf, uint8_t offset, uint32_t value)
{
	config_write(bdf, offset, 4, value);
}

void pci_config_write16(uint16_t bdf, uint8_t offset, uint16_t value)
{
	config_write(bdf, offset, 2, value);
}

void *host_map_device(uint64_t pa, uint64_t size, enum pt_memtype type)
{
	mapped_pa = pa;
	mapped_size = size;
	return size <= TABLE_SIZE ? table : NULL;
}

enum status irq_vector_alloc(uint8_t *vector)
{
	*vector = (uint8_t)(VECTOR + vectors++);
	return vector_status;
}

void irq_set_handler(uint8_t vector, irq_fn fn, void *arg)
{
	handler.vector = vector;
	handler.fn = fn;
	handler.arg = arg;
}

enum status irq_message(uint32_t cpu, uint64_t *address, uint32_t *data)
{
	*address = 0xfee00000 | cpu << 12;
	*data = 0;
	return cpu < 255 ? OK : ERR_RANGE;
}

static enum status probe(struct pci_device *d)
{
	probes++;
	probed = d;
	return OK;
}

static enum status probe_failing(struct pci_device *d)
{
	probes++;
	pci_enable(d, true);
	assert_int_equal(pci_irq_connect(d, 0, 0, NULL, NULL), OK);
	return ERR_TIMEOUT;
}

const struct pci_driver pci_drivers[] = {
    {VENDOR, OURS, .name = "ours", .probe = probe},
    {VENDOR, FAILING, .name = "failing", .probe = probe_failing},
    {.class_code = 0x010802, .class_mask = 0xffffff, .name = "nvme", .probe = probe},
    {},
};

/* --- */

static struct function *add(uint16_t bdf, uint16_t device, uint32_t class_code)
{
	struct function *f = &functions[function_count++];

	*f = (struct function){.bdf = bdf};
	set(f, PCI_VENDOR, 2, VENDOR);
	set(f, PCI_DEVICE, 2, device);
	set(f, PCI_REVISION, 4, class_code << 8 | 7);
	set(f, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	let_write(f, PCI_COMMAND, 2, 0x0547);
	return f;
}

static struct function *add_bridge(uint16_t bdf, uint8_t secondary)
{
	struct function *f = add(bdf, 0x3333, 0x060400);

	set(f, PCI_HEADER_TYPE, 1, PCI_HEADER_BRIDGE);
	set(f, PCI_BUSES + 1, 1, secondary);
	return f;
}

static void capability(struct function *f, uint8_t where, uint8_t id, uint8_t next)
{
	set(f, PCI_STATUS, 2, PCI_STATUS_CAPABILITIES);
	if (!f->config[PCI_CAPABILITIES])
		set(f, PCI_CAPABILITIES, 1, where);
	set(f, where, 1, id);
	set(f, where + 1, 1, next);
}

static void add_msix(struct function *f, unsigned entries, uint32_t place)
{
	capability(f, 0x40, PCI_CAP_MSIX, 0);
	set(f, 0x42, 2, entries - 1);
	let_write(f, 0x42, 2, PCI_MSIX_ON | PCI_MSIX_MASK);
	set(f, 0x44, 4, place);
}

static void bar(struct function *f, unsigned n, uint32_t value, uint32_t writable)
{
	set(f, PCI_BAR0 + 4 * n, 4, value);
	let_write(f, PCI_BAR0 + 4 * n, 4, writable);
}

static struct pci_device *start(void)
{
	pci_probe_all();
	assert_int_equal(probes, 1);
	return probed;
}

static int setup(void **state)
{
	function_count = reads = probes = vectors = 0;
	probed = NULL;
	vector_status = OK;
	memset(table, 0xee, sizeof(table));
	fake_log_warnings = 0;
	return 0;
}

static unsigned scan(uint16_t *found, unsigned max)
{
	struct pci_scan s;
	unsigned count = 0;
	uint16_t bdf;

	for (pci_scan_start(&s); !pci_scan_ended(&s);) {
		if (pci_scan_step(&s, &bdf)) {
			assert_true(count < max);
			found[count++] = bdf;
		}
	}
	return count;
}

static void test_scan(void **state)
{
	static const uint16_t expected[] = {0x0000, 0x0010, 0x0013, 0x0018, 0x0500, 0x0508, 0x0908};
	uint16_t found[FUNCTIONS];

	add(0x0000, OURS, 0);
	set(add(0x0010, OURS, 0), PCI_HEADER_TYPE, 1, PCI_HEADER_MULTI);
	add(0x0013, OURS, 0);
	add_bridge(0x0018, 9);
	add(0x0908, OURS, 0);
	add(0x0500, OURS, 0);
	add_bridge(0x0508, 0);
	/* Behind the bridge to bus 9, which is found first, is none to 5; that is behind another function. */
	functions[3].config[PCI_BUSES + 1] = 5;
	functions[6].config[PCI_BUSES + 1] = 9;
	assert_int_equal(scan(found, FUNCTIONS), 7);
	assert_memory_equal(found, expected, sizeof(expected));
}

/* Bridges that lead to themselves, back, or to one bus both; each bus is walked once. */
static void test_scan_loop(void **state)
{
	uint16_t found[FUNCTIONS];

	add_bridge(0x0000, 0);
	add_bridge(0x0008, 3);
	add_bridge(0x0010, 3);
	add_bridge(0x0300, 0);
	add_bridge(0x0308, 3);
	assert_int_equal(scan(found, FUNCTIONS), 5);
	assert_true(reads < 3 * 2 * 32 * 3);
}

/* Functions 1 to 7 of a device that says it has only one are not looked at. */
static void test_scan_single(void **state)
{
	uint16_t found[FUNCTIONS];

	add(0x0010, OURS, 0);
	add(0x0011, OURS, 0);
	assert_int_equal(scan(found, FUNCTIONS), 1);
}

static void test_regions(void **state)
{
	struct function *f = add(0x0010, OURS, 0);
	struct pci_device *d;

	bar(f, 0, 0xc000 | 1, 0x0000ffe0); /* 32 ports, of 16 bits */
	bar(f, 1, 0xfeb00000, 0xfffff000); /* a page */
	bar(f, 2, 0x0000000c, 0xffe00000); /* 2 MiB at 256 GiB + 4 GiB */
	bar(f, 3, 0x00000041, 0xffffffff);
	bar(f, 5, 0x00000004, 0xffff0000); /* half a register is missing */
	set(f, PCI_COMMAND, 2, 0x0107);
	d = start();
	assert_true(d->region[0].io);
	assert_int_equal(d->region[0].base, 0xc000);
	assert_int_equal(d->region[0].size, 32);
	assert_false(d->region[1].io);
	assert_int_equal(d->region[1].base, 0xfeb00000);
	assert_int_equal(d->region[1].size, 0x1000);
	assert_int_equal(d->region[2].base, 0x4100000000);
	assert_int_equal(d->region[2].size, 0x200000);
	for (unsigned n = 3; n < PCI_REGIONS; n++)
		assert_int_equal(d->region[n].size, 0);
	/* All is as it was, and was not answered at meanwhile. */
	assert_false(f->decoded_while_sizing);
	assert_int_equal(get(f, PCI_COMMAND, 2), 0x0107);
	assert_int_equal(get(f, PCI_BAR0, 4), 0xc001);
	assert_int_equal(get(f, PCI_BAR0 + 8, 4), 0xc);
	assert_int_equal(get(f, PCI_BAR0 + 12, 4), 0x41);

	assert_int_equal(pci_port(d, 0, 32), 0xc000);
	assert_int_equal(pci_port(d, 0, 33), 0);
	assert_int_equal(pci_port(d, 1, 1), 0);
	assert_non_null(pci_map(d, 1, 0x800, 0x800));
	assert_int_equal(mapped_pa, 0xfeb00800);
	assert_null(pci_map(d, 1, 0x800, 0x801));
	assert_null(pci_map(d, 1, UINT64_MAX, 2));
	assert_null(pci_map(d, 0, 0, 1));
	assert_null(pci_map(d, 4, 0, 1));
	assert_null(pci_map(d, PCI_REGIONS, 0, 1));
}

static void test_region_holes(void **state)
{
	struct function *f = add(0x0010, OURS, 0);
	struct pci_device *d;

	bar(f, 0, 0xfea00000, 0xffef0000); /* bits that are not one behind the other */
	bar(f, 1, 0xfeb01000, 0xffff0000); /* not aligned to its size */
	set(f, PCI_BAR0 + 4, 4, 0xfeb01000);
	bar(f, 2, 0, 0xfffff000); /* without an address */
	d = start();
	assert_int_equal(d->region[0].size, 0);
	assert_int_equal(d->region[1].size, 0);
	assert_int_equal(d->region[2].size, 0x1000);
	assert_null(pci_map(d, 2, 0, 0x1000));
}

static void test_drivers(void **state)
{
	struct function *nvme = add(0x00a0, 0x7777, 0x010802);
	struct pci_device *d;

	add(0x00a8, 0x7777, 0x010801);
	add(0x00b0, 0x7778, 0x010601);
	d = start();
	assert_int_equal(d->bdf, 0x00a0);
	assert_int_equal(d->class_code, 0x010802);
	assert_int_equal(d->revision, 7);
	assert_string_equal(pci_find(0x00a0)->driver, "nvme");
	assert_null(pci_find(0x00a8));
	pci_enable(d, true);
	assert_int_equal(get(nvme, PCI_COMMAND, 2),
			 PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
}

/* One line, and the device may do nothing any more; the others go on. */
static void test_failing(void **state)
{
	struct function *f = add(0x00c0, FAILING, 0);

	add(0x00c8, OURS, 0);
	add_msix(f, 4, 0x0);
	bar(f, 0, 0xfeb00000, 0xfffff000);
	pci_probe_all();
	assert_int_equal(probes, 2);
	assert_int_equal(fake_log_warnings, 1);
	assert_string_equal(fake_log_last, "pci 00:18.0: failing: status 10");
	assert_int_equal(get(f, PCI_COMMAND, 2) & PCI_COMMAND_MASTER, 0);
	assert_int_equal(get(f, 0x42, 2) & PCI_MSIX_ON, 0);
	assert_null(pci_find(0x00c0));
	assert_non_null(pci_find(0x00c8));
}

static void test_capabilities(void **state)
{
	struct function *f = add(0x0010, OURS, 0);
	struct pci_device *d;

	capability(f, 0x50, PCI_CAP_VENDOR, 0x60);
	capability(f, 0x60, 0x01, 0x73); /* the low two bits say nothing */
	capability(f, 0x70, PCI_CAP_VENDOR, 0x00);
	d = start();
	assert_int_equal(pci_capability(d, PCI_CAP_VENDOR, 0), 0x50);
	assert_int_equal(pci_capability(d, PCI_CAP_VENDOR, 1), 0x70);
	assert_int_equal(pci_capability(d, PCI_CAP_VENDOR, 2), 0);
	assert_int_equal(pci_capability(d, PCI_CAP_MSIX, 0), 0);
	assert_int_equal(d->irqs, 0);
	assert_int_equal(pci_irq_connect(d, 0, 0, NULL, NULL), ERR_RANGE);
}

static void test_capability_loop(void **state)
{
	struct function *f = add(0x0010, OURS, 0);
	struct pci_device *d;
	unsigned n = 0;

	capability(f, 0x50, PCI_CAP_VENDOR, 0x60);
	capability(f, 0x60, PCI_CAP_VENDOR, 0x50);
	d = start();
	while (pci_capability(d, PCI_CAP_VENDOR, n))
		n++;
	assert_int_equal(n, 48);
	set(f, 0x51, 1, 0x10); /* leads into the header */
	assert_int_equal(pci_capability(d, PCI_CAP_VENDOR, 1), 0);
}

static void handle(void *arg)
{
}

static uint32_t entry(unsigned n, unsigned word)
{
	uint32_t value;

	memcpy(&value, table + 16 * n + 4 * word, 4);
	return value;
}

static void test_msix(void **state)
{
	struct function *f = add(0x0010, OURS, 0);
	struct pci_device *d;
	int arg;

	add_msix(f, 3, 0x800 | 1);
	bar(f, 1, 0xfeb00000, 0xfffff000);
	d = start();
	assert_int_equal(d->irqs, 3);
	assert_int_equal(mapped_pa, 0xfeb00800);
	assert_int_equal(mapped_size, 3 * 16);
	assert_int_equal(pci_irq_connect(d, 2, 5, handle, &arg), OK);
	assert_int_equal(handler.vector, VECTOR);
	assert_ptr_equal(handler.fn, handle);
	assert_ptr_equal(handler.arg, &arg);
	assert_int_equal(entry(2, 0), 0xfee05000);
	assert_int_equal(entry(2, 1), 0);
	assert_int_equal(entry(2, 2), VECTOR);
	assert_int_equal(entry(2, 3), 0);
	assert_int_equal(get(f, 0x42, 2), PCI_MSIX_ON | 2);
	assert_true(get(f, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);
	pci_irq_mask(d, 2, true);
	assert_int_equal(entry(2, 3), PCI_MSIX_ENTRY_MASKED);
	pci_irq_mask(d, 2, false);
	assert_int_equal(entry(2, 3), 0);
	assert_int_equal(pci_irq_connect(d, 3, 0, handle, &arg), ERR_RANGE);
	assert_int_equal(pci_irq_connect(d, 0, 300, handle, &arg), ERR_RANGE);
	vector_status = ERR_NOMEM;
	assert_int_equal(pci_irq_connect(d, 0, 0, handle, &arg), ERR_NOMEM);
}

/* A table that is not within its region, or in none: MSI is there instead. */
static void test_msix_out_of_place(void **state)
{
	struct function *f = add(0x0010, OURS, 0);
	struct pci_device *d;

	add_msix(f, 256, 0x800 | 1);
	capability(f, 0x40, PCI_CAP_MSIX, 0x60);
	capability(f, 0x60, PCI_CAP_MSI, 0);
	set(f, 0x62, 2, PCI_MSI_64 | 2 << 1);
	let_write(f, 0x62, 2, PCI_MSI_ON | PCI_MSI_COUNT);
	memset(f->writable + 0x64, 0xff, 16);
	bar(f, 1, 0xfeb00000, 0xfffff000);
	d = start();
	assert_int_equal(d->irqs, 1);
	assert_int_equal(pci_irq_connect(d, 0, 3, handle, NULL), OK);
	assert_int_equal(get(f, 0x64, 4), 0xfee03000);
	assert_int_equal(get(f, 0x68, 4), 0);
	assert_int_equal(get(f, 0x6c, 2), VECTOR);
	assert_int_equal(get(f, 0x62, 2), PCI_MSI_64 | 2 << 1 | PCI_MSI_ON);
	pci_irq_mask(d, 0, true);
	assert_false(get(f, 0x62, 2) & PCI_MSI_ON);
	pci_irq_mask(d, 0, false);
	assert_true(get(f, 0x62, 2) & PCI_MSI_ON);
}

static void test_msi_maskable(void **state)
{
	struct function *f = add(0x0010, OURS, 0);
	struct pci_device *d;

	capability(f, 0x60, PCI_CAP_MSI, 0);
	set(f, 0x62, 2, PCI_MSI_MASKABLE);
	let_write(f, 0x62, 2, PCI_MSI_ON);
	memset(f->writable + 0x64, 0xff, 12);
	d = start();
	assert_int_equal(pci_irq_connect(d, 0, 3, handle, NULL), OK);
	assert_int_equal(get(f, 0x68, 2), VECTOR);
	pci_irq_mask(d, 0, true);
	assert_int_equal(get(f, 0x6c, 4), 1);
	assert_true(get(f, 0x62, 2) & PCI_MSI_ON);
	pci_irq_mask(d, 0, false);
	assert_int_equal(get(f, 0x6c, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_scan, setup),
	    cmocka_unit_test_setup(test_scan_loop, setup),
	    cmocka_unit_test_setup(test_scan_single, setup),
	    cmocka_unit_test_setup(test_regions, setup),
	    cmocka_unit_test_setup(test_region_holes, setup),
	    cmocka_unit_test_setup(test_drivers, setup),
	    cmocka_unit_test_setup(test_failing, setup),
	    cmocka_unit_test_setup(test_capabilities, setup),
	    cmocka_unit_test_setup(test_capability_loop, setup),
	    cmocka_unit_test_setup(test_msix, setup),
	    cmocka_unit_test_setup(test_msix_out_of_place, setup),
	    cmocka_unit_test_setup(test_msi_maskable, setup),
	};

	return cmocka_run_group_tests_name("pci_host", tests, NULL, NULL);
}
