/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Linux loader with made-up kernels: good ones end up where the boot protocol says, truncated and hostile
 * ones get an error that names the file. Also the guest's ACPI tables, as the guest would walk them.
 */
#include "fake_load.h"
#include <sys/mman.h>
#include "hv/guest_acpi.h"

#define SECTS   4
#define SETUP   ((SECTS + 1) * 512)
#define PAYLOAD 0x90000UL /* more than one step */

static uint8_t image[SETUP + PAYLOAD + 64], initrd[0x1234];
static struct file *kernel, *ramdisk;

static void put(unsigned at, uint64_t value, unsigned size)
{
	memcpy(image + at, &value, size);
}

/* A bzImage that wants to be at 2 MiB and needs 1 MiB there. */
static void good_kernel(void)
{
	memset(image, 0xc3, sizeof(image));
	memset(image, 0, SETUP);
	memset(initrd, 0x77, sizeof(initrd));
	put(0x1f1, SECTS, 1);
	put(0x1f4, PAYLOAD / 16, 4);
	put(0x1fe, 0xaa55, 2);
	put(0x200, 0x6aeb, 2); /* jmp: the header ends at 0x26c */
	put(0x202, 0x53726448, 4);
	put(0x206, 0x20f, 2);
	put(0x211, 1, 1);
	put(0x22c, 0x7fffffff, 4);
	put(0x230, 0x200000, 4);
	put(0x234, 1, 1);
	put(0x236, 1, 2);
	put(0x238, 2047, 4);
	put(0x258, 0x200000, 8);
	put(0x260, 0x100000, 4);
	fake_load_new(image, sizeof(image));
	kernel = &fake_files[0];
	strcpy(fake_cfg.initrd, "initrd.img");
	ramdisk = fake_file("initrd.img", initrd, sizeof(initrd));
}

static uint64_t zp(unsigned at, unsigned size)
{
	return fake_peek(fake_vcpu.gpr[RSI] + at, size);
}

static void test_good(void **state)
{
	uint64_t at;

	good_kernel();
	assert_in_range(fake_load_all(), 4, 10);
	assert_int_equal(fake_vcpu.rip, 0x200200);
	assert_memory_equal(fake_vm.mem.base + 0x200000, image + SETUP, PAYLOAD);
	/* The zero page */
	assert_int_equal(zp(0x202, 4), 0x53726448);
	assert_int_equal(zp(0x210, 1), 0xff);
	assert_int_equal(zp(0x070, 8), 0xe0000);
	assert_string_equal((char *)fake_vm.mem.base + zp(0x228, 4), "console=ttyS0");
	at = zp(0x218, 4);
	assert_int_equal(zp(0x21c, 4), sizeof(initrd));
	assert_int_equal(at % 4096, 0);
	assert_true(at >= 0x300000 && at + sizeof(initrd) <= FAKE_MEMORY);
	assert_memory_equal(fake_vm.mem.base + at, initrd, sizeof(initrd));
	/* e820: RAM to 0x9f000, NVS, RAM none, ROM, RAM */
	assert_int_equal(zp(0x1e8, 1), 4);
	assert_int_equal(zp(0x2d0 + 8, 8), 0x9f000);
	assert_int_equal(zp(0x2d0 + 20 + 16, 4), 4);
	assert_int_equal(zp(0x2d0 + 40, 8), GUEST_ROM_BASE);
	assert_int_equal(zp(0x2d0 + 40 + 16, 4), 2);
	assert_int_equal(zp(0x2d0 + 60, 8), 0x100000);
	assert_int_equal(zp(0x2d0 + 68, 8), FAKE_MEMORY - 0x100000);
	/* What lies behind the header in the file isn't copied. */
	assert_int_equal(zp(0x26c, 4), 0);
}

static void test_entry_state(void **state)
{
	uint64_t pml4, pdpt;

	good_kernel();
	fake_load_all();
	assert_int_equal(fake_reg[VREG_EFER], EFER_LME | EFER_LMA);
	assert_true(fake_reg[VREG_CR0] & CR0_PG);
	assert_int_equal(fake_seg[SEG_CS].selector, 0x10);
	assert_true(fake_seg[SEG_CS].attr & SEG_ATTR_L);
	assert_int_equal(fake_seg[SEG_DS].selector, 0x18);
	assert_int_equal(fake_reg[VREG_RFLAGS] & RFLAGS_IF, 0);
	/* The identity map, and the descriptors that the selectors name. */
	pml4 = fake_peek64(fake_reg[VREG_CR3]);
	pdpt = fake_peek64((pml4 & ~0xfffUL) + 24);
	assert_int_equal(fake_peek64((pdpt & ~0xfffUL) + 511 * 8), 0xffe00083);
	assert_int_equal(fake_peek64(fake_seg[SEG_GDTR].base + 0x10), 0x00af9b000000ffff);
	assert_int_equal(fake_peek64(fake_seg[SEG_GDTR].base + 0x18), 0x00cf93000000ffff);
}

static void test_hostile(void **state)
{
	static const struct {
		unsigned at, size;
		uint64_t value;
		const char *text;
	} cases[] = {
	    {0x1fe, 2, 0, "no kind of kernel"},
	    {0x202, 4, 0, "a flat image takes no initrd"}, /* the boot sector that it was once */
	    {0x206, 2, 0x20b, "2.11 is too old"},
	    {0x211, 1, 0, "zImage"},
	    {0x236, 2, 0, "32-bit"},
	    {0x1f4, 4, 0, "empty"},
	    {0x1f4, 4, 0xffffffff, "truncated"},
	    {0x1f1, 1, 0xff, "truncated"},
	    {0x260, 4, 0x1000, "init_size"},
	    {0x260, 4, 0xffffffff, "memory"},
	    {0x230, 4, 0, "kernel_alignment"},
	    {0x230, 4, 0x300000, "kernel_alignment"},
	    {0x230, 4, 0x80000000, ""}, /* fits where it wants to be */
	    {0x258, 8, ~0UL, ""},       /* relocatable: goes elsewhere */
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		good_kernel();
		put(cases[i].at, cases[i].value, cases[i].size);
		if (cases[i].text[0])
			fake_refused("kernel", cases[i].text);
		else
			assert_int_equal(fake_plan(), OK);
	}
	good_kernel();
	put(0x258, ~0UL, 8);
	put(0x234, 0, 1);
	fake_refused("kernel", "needs");
	/* Every length of file. */
	for (size_t n = 0; n <= SETUP + PAYLOAD - 16; n += n < 0x300 ? 1 : 997) {
		good_kernel();
		kernel->size = n;
		fake_refused("kernel", n < 0x200   ? "no kind of kernel"
				       : n < 0x268 ? "a flat image"
						   : "truncated");
	}
	/* syssize is rounded up; not every file is filled up to it. */
	good_kernel();
	kernel->size = SETUP + PAYLOAD - 15;
	memset(fake_vm.mem.base + 0x200000, 0xee, PAYLOAD);
	fake_load_all();
	assert_memory_equal(fake_vm.mem.base + 0x200000, image + SETUP, PAYLOAD - 15);
	for (unsigned i = 1; i <= 15; i++)
		assert_int_equal(fake_vm.mem.base[0x200000 + PAYLOAD - i], 0);
	kernel->size--;
	fake_refused("kernel", "truncated");
	/* setup_sects 0 means 4. */
	good_kernel();
	put(0x1f1, 0, 1);
	assert_int_equal(fake_plan(), OK);
	assert_ptr_equal(fake_load.part[0].data, image + 5 * 512);
}

static void test_room(void **state)
{
	good_kernel();
	memset(fake_cfg.cmdline, 'x', CONFIG_CMDLINE_MAX);
	assert_int_equal(fake_plan(), OK);
	put(0x238, 2046, 4);
	fake_refused("kernel", "at most 2046 bytes");
	good_kernel();
	ramdisk->size = FAKE_MEMORY;
	fake_refused("initrd.img", "do not fit");
	/* initrd_addr_max keeps it low; hostile values must not wrap. */
	good_kernel();
	put(0x22c, 0x37ffff, 4);
	assert_int_equal(fake_plan(), OK);
	assert_int_equal(fake_load.module[0].gpa, 0x380000 - 0x2000);
	put(0x22c, 0, 4);
	fake_refused("initrd.img", "do not fit");
	/* Without an initrd, with a module */
	good_kernel();
	fake_cfg.initrd[0] = 0;
	fake_load_all();
	assert_int_equal(zp(0x218, 8), 0);
	fake_module("module", "", initrd, sizeof(initrd));
	fake_refused("kernel", "no module");
}

/* 5 GiB: RAM on both sides of the hole; the initrd stays where the kernel says that it can reach it. */
static void test_large(void **state)
{
	const uint64_t memory = GIB(5);
	struct gmem *m = &fake_vm.mem;
	uint8_t *small;

	good_kernel();
	small = m->base;
	memset(m, 0, sizeof(*m));
	m->base =
	    mmap(NULL, GIB(6), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(m->base, MAP_FAILED);
	assert_int_equal(guest_map_add_slots(m, memory), OK);
	fake_load_all();
	assert_int_equal(fake_load.module[0].gpa, 0x80000000 - 0x2000);
	assert_int_equal(zp(0x1e8, 1), 5);
	assert_int_equal(zp(0x2d0 + 60, 8), 0x100000);
	assert_int_equal(zp(0x2d0 + 68, 8), GIB(3) - 0x100000);
	assert_int_equal(zp(0x2d0 + 80, 8), GIB(4));
	assert_int_equal(zp(0x2d0 + 88, 8), GIB(2));
	munmap(m->base, GIB(6));
	m->base = small;
}

/* --- ACPI --- */

static uint8_t checksum(uint64_t at, size_t n)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + fake_vm.mem.base[at + i]);
	return sum;
}

static uint32_t peek32(uint64_t at)
{
	return (uint32_t)fake_peek64(at);
}

static uint64_t table(uint64_t at, const char *signature)
{
	assert_memory_equal(fake_vm.mem.base + at, signature, 4);
	assert_true(at >= GUEST_ROM_BASE && at + peek32(at + 4) <= GUEST_ROM_BASE + GUEST_ROM_SIZE);
	assert_int_equal(checksum(at, peek32(at + 4)), 0);
	return at;
}

static void test_acpi(void **state)
{
	static const struct guest_window pci = {0x140000000, 0x3ec0000000};
	uint64_t rsdp, xsdt, fadt, madt, mcfg, facs, ssdt;
	unsigned cpus = 0, kinds = 0;

	fake_vcpu_new();
	assert_int_equal(guest_acpi_load(&fake_vm.mem, 5, pci, &rsdp), OK);
	assert_int_equal(rsdp % 16, 0);
	assert_in_range(rsdp, 0xe0000, 0xfffff); /* where systems look for it by themselves */
	assert_memory_equal(fake_vm.mem.base + rsdp, "RSD PTR ", 8);
	assert_int_equal(checksum(rsdp, 20), 0);
	assert_int_equal(checksum(rsdp, 36), 0);
	xsdt = table(fake_peek64(rsdp + 24), "XSDT");
	fadt = table(fake_peek64(xsdt + 36), "FACP");
	madt = table(fake_peek64(xsdt + 44), "APIC");
	table(fake_peek64(xsdt + 52), "HPET");
	mcfg = table(fake_peek64(xsdt + 60), "MCFG");
	ssdt = table(fake_peek64(xsdt + 68), "SSDT");
	assert_int_equal(peek32(xsdt + 4), 76);
	assert_int_equal(peek32(mcfg + 4), 60);
	assert_int_equal(fake_peek64(mcfg + 44), PLATFORM_PCI_ECAM_BASE);
	assert_int_equal(fake_peek64(mcfg + 52), 0); /* segment 0, bus 0 to bus 0 */
	/* Name(P64B, base) Name(P64S, size) */
	assert_int_equal(peek32(ssdt + 4), 64);
	assert_memory_equal(fake_vm.mem.base + ssdt + 36, "\x08P64B\x0e", 6);
	assert_int_equal(fake_peek64(ssdt + 42), pci.base);
	assert_memory_equal(fake_vm.mem.base + ssdt + 50, "\x08P64S\x0e", 6);
	assert_int_equal(fake_peek64(ssdt + 56), pci.size);
	table(fake_peek64(fadt + 140), "DSDT");
	assert_int_equal(peek32(fadt + 40), fake_peek64(fadt + 140));
	facs = peek32(fadt + 36);
	assert_memory_equal(fake_vm.mem.base + facs, "FACS", 4);
	assert_int_equal(facs % 64, 0);
	assert_false(gmem_find(&fake_vm.mem, gpa(facs))->readonly);
	for (uint64_t at = madt + 44; at < madt + peek32(madt + 4); at += fake_vm.mem.base[at + 1]) {
		assert_true(fake_vm.mem.base[at + 1] >= 6);
		kinds |= 1u << fake_vm.mem.base[at];
		if (fake_vm.mem.base[at] == 0)
			assert_int_equal(fake_vm.mem.base[at + 3], cpus++);
	}
	assert_int_equal(cpus, 5);
	assert_int_equal(kinds, 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4);
	assert_int_equal(guest_acpi_load(&fake_vm.mem, GUEST_ACPI_VCPUS_MAX, pci, &rsdp), OK);
	assert_int_equal(guest_acpi_load(&fake_vm.mem, GUEST_ACPI_VCPUS_MAX + 1, pci, &rsdp), ERR_INVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good), cmocka_unit_test(test_entry_state), cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_room), cmocka_unit_test(test_large),       cmocka_unit_test(test_acpi),
	};

	return cmocka_run_group_tests_name("load_linux", tests, NULL, NULL);
}
