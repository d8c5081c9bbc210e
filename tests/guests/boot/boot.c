/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a kernel is given by PVH, Multiboot 1 and Multiboot 2: the machine's state, memory map, modules with arguments, command line, ACPI
 * root. It is one kernel for all three, and finds out by whom it was started.
 */
#include "hv/lib/string.h"
#include "tests/guests/lib/guest.h"

#define MB1_BOOT   0x2badb002
#define MB2_BOOT   0x36d76289
#define PVH_MAGIC  0x336ec578

#define MODULE_MAX 8
#define MAP_MAX    16
#define PAGE       4096
#define MARK       0x800000UL

struct entry_state {
	uint32_t eax, ebx, eflags, cr0, cr4;
};

/* What was given, in one form. */
static struct {
	const char *protocol, *cmdline, *loader;
	unsigned modules, ranges;
	struct {
		uint64_t start, size;
		const char *args;
	} module[MODULE_MAX];
	struct {
		uint64_t base, size;
		uint32_t type;
	} range[MAP_MAX];
	uint32_t lower, upper; /* KiB */
	const uint8_t *rsdp;   /* NULL: the protocol has none */
	uint64_t info;
} given;

extern char bss_start[], guest_end[];
void boot_main(const struct entry_state *e);

static uint32_t u32(uint64_t at)
{
	return *(const uint32_t *)at;
}

static uint64_t u64(uint64_t at)
{
	return *(const uint64_t *)at;
}

static const char *text(uint64_t at)
{
	return (const char *)at;
}

static void add_module(uint64_t start, uint64_t size, const char *args)
{
	if (given.modules == MODULE_MAX)
		return;
	given.module[given.modules].start = start;
	given.module[given.modules].size = size;
	given.module[given.modules++].args = args;
}

static void add_range(uint64_t base, uint64_t size, uint32_t type)
{
	if (given.ranges == MAP_MAX)
		return;
	given.range[given.ranges].base = base;
	given.range[given.ranges].size = size;
	given.range[given.ranges++].type = type;
}

static void read_pvh(uint64_t at)
{
	uint64_t list = u64(at + 16), map = u64(at + 40);

	given.protocol = "pvh";
	given.cmdline = text(u64(at + 24));
	given.rsdp = (const uint8_t *)u64(at + 32);
	for (unsigned i = 0; i < u32(at + 12); i++)
		add_module(u64(list + i * 32), u64(list + i * 32 + 8), text(u64(list + i * 32 + 16)));
	for (unsigned i = 0; i < u32(at + 48); i++)
		add_range(u64(map + i * 24), u64(map + i * 24 + 8), u32(map + i * 24 + 16));
	EXPECT("boot/pvh-version", u32(at + 4) == 1 && u32(at + 8) == 0);
}

static void read_multiboot(uint64_t at)
{
	uint64_t mods = u32(at + 24), map = u32(at + 48);

	given.protocol = "multiboot";
	guest_expect_equal("boot/flags", u32(at), 1 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9);
	given.lower = u32(at + 4);
	given.upper = u32(at + 8);
	given.cmdline = text(u32(at + 16));
	given.loader = text(u32(at + 64));
	for (unsigned i = 0; i < u32(at + 20); i++)
		add_module(u32(mods + i * 16), u32(mods + i * 16 + 4) - u32(mods + i * 16),
			   text(u32(mods + i * 16 + 8)));
	for (uint64_t m = map; m < map + u32(at + 44); m += u32(m) + 4)
		add_range(u64(m + 4), u64(m + 12), u32(m + 20));
}

static void read_tag(uint64_t t)
{
	switch (u32(t)) {
	case 1:
		given.cmdline = text(t + 8);
		break;
	case 2:
		given.loader = text(t + 8);
		break;
	case 3:
		add_module(u32(t + 8), u32(t + 12) - u32(t + 8), text(t + 16));
		break;
	case 4:
		given.lower = u32(t + 8);
		given.upper = u32(t + 12);
		break;
	case 6:
		for (uint64_t m = t + 16; m < t + u32(t + 4); m += u32(t + 8))
			add_range(u64(m), u64(m + 8), u32(m + 16));
		break;
	case 14:
		EXPECT("boot/rsdp-v1", u32(t + 4) == 8 + 20 && !memcmp(text(t + 8), "RSD PTR ", 8));
		break;
	case 15:
		given.rsdp = (const uint8_t *)(t + 8);
		break;
	}
}

static void read_multiboot2(uint64_t at)
{
	uint64_t t = at + 8, end = at + u32(at);

	given.protocol = "multiboot2";
	for (; t < end && u32(t); t += (u32(t + 4) + 7) / 8 * 8)
		read_tag(t);
	EXPECT("boot/end-tag", t + 8 == end && u32(t + 4) == 8);
}

static uint8_t sum(const uint8_t *p, unsigned n)
{
	uint8_t s = 0;

	while (n--)
		s = (uint8_t)(s + *p++);
	return s;
}

/* ACPI Specification 6.3, "Finding the RSDP on IA-PC Systems". */
static const uint8_t *search_rsdp(void)
{
	for (const uint8_t *p = (const uint8_t *)0xe0000; p < (const uint8_t *)0x100000; p += 16)
		if (!memcmp(p, "RSD PTR ", 8) && !sum(p, 20))
			return p;
	return NULL;
}

static void check_rsdp(void)
{
	const uint8_t *found = search_rsdp();

	EXPECT("boot/rsdp-search", found && !sum(found, 36));
	EXPECT("boot/rsdp-given", !strcmp(given.protocol, "multiboot") || given.rsdp);
	if (found && given.rsdp)
		EXPECT("boot/rsdp-same", !memcmp(found, given.rsdp, 36));
}

static bool in_ram(uint64_t base, uint64_t size)
{
	for (unsigned i = 0; i < given.ranges; i++)
		if (given.range[i].type == 1 && base >= given.range[i].base &&
		    base + size <= given.range[i].base + given.range[i].size)
			return true;
	return false;
}

static void check_map(void)
{
	bool ordered = true, nvs = false, rom = false;
	uint64_t end = 0;

	for (unsigned i = 0; i < given.ranges; i++) {
		uint64_t base = given.range[i].base;

		guest_printf("map %016lx %016lx %u\n", base, given.range[i].size, given.range[i].type);
		ordered &= base >= end;
		end = base + given.range[i].size;
		nvs |= given.range[i].type == 4 && base == 0x9f000;
		rom |= given.range[i].type == 2 && base == 0xc0000;
	}
	EXPECT("boot/map", given.ranges >= 4 && ordered && nvs && rom);
	EXPECT("boot/map-kernel", in_ram(0x100000, (uint64_t)guest_end - 0x100000));
	EXPECT("boot/map-info", in_ram(given.info, 64));
	if (given.upper)
		EXPECT("boot/lower-upper", given.lower == 636 &&
					       in_ram(0x100000, (uint64_t)given.upper << 10) &&
					       !in_ram(0x100000, ((uint64_t)given.upper << 10) + 1));
}

static void check_modules(void)
{
	for (unsigned i = 0; i < given.modules; i++) {
		uint64_t start = given.module[i].start, size = given.module[i].size, total = 0;

		for (uint64_t n = 0; n < size; n++)
			total += ((const uint8_t *)start)[n];
		guest_printf("module %u: %lu bytes, sum %lu, args '%s'\n", i, size, total,
			     given.module[i].args);
		EXPECT("boot/module-page", start % PAGE == 0);
		EXPECT("boot/module-place", in_ram(start, size) && start >= (uint64_t)guest_end);
	}
	for (unsigned i = 1; i < given.modules; i++)
		EXPECT("boot/modules-apart",
		       given.module[i].start >= given.module[i - 1].start + given.module[i - 1].size);
}

static void check_state(const struct entry_state *e)
{
	EXPECT("boot/cr0", (e->cr0 & (CR0_PE | CR0_PG)) == CR0_PE);
	guest_expect_equal("boot/cr4", e->cr4, 0);
	EXPECT("boot/eflags", !(e->eflags & (RFLAGS_IF | RFLAGS_TF | RFLAGS_VM)));
}

void boot_main(const struct entry_state *e)
{
	given.info = e->ebx;
	if (e->eax == MB1_BOOT)
		read_multiboot(e->ebx);
	else if (e->eax == MB2_BOOT)
		read_multiboot2(e->ebx);
	else if (u32(e->ebx) == PVH_MAGIC)
		read_pvh(e->ebx);
	check_state(e);
	guest_run(given.cmdline ? given.cmdline : "");
}

/*
 * A restart loads the kernel again into the same memory: what the last life has changed must be as new. A mark where nothing is
 * loaded tells the second life from the first.
 */
static void check_fresh(void)
{
	static const uint64_t marked = 0x6d61726b6d61726b;
	static volatile unsigned in_bss, in_data = 7;
	volatile uint64_t *mark = (volatile uint64_t *)MARK;

	EXPECT("boot/fresh", in_bss == 0 && in_data == 7);
	in_bss = 1;
	in_data = 8;
	if (*mark == marked)
		return;
	*mark = marked;
	out8(PLATFORM_RESET_PORT, PLATFORM_RESET_VALUE);
	for (;;)
		asm volatile("hlt");
}

void test_main(void)
{
	if (!EXPECT("boot/protocol", given.protocol))
		return;
	check_fresh();
	guest_printf("protocol %s\n", given.protocol);
	guest_printf("command line: %s\n", guest_cmdline());
	if (given.loader)
		EXPECT("boot/loader", !strcmp(given.loader, "Ingot"));
	check_map();
	check_modules();
	check_rsdp();
}
