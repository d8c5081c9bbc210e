/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds and changes the host's own address space (mm/host_map.h shows it). The boot CPU comes here on the
 * boot page tables, which have the low 4 GiB one to one; the first tables are made there, and are
 * addressed through the direct map once they are loaded.
 */
#include "mm/host_map.h"

#include "hv/lib/lock.h"
#include "hv/lib/panic.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/cr.h"
#include "hv/x86/image.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"
#include "mm/gpa.h"
#include "mm/page_alloc.h"

#define SLOT_SIZE        GIB(512)
#define DIRECT_SIZE      (HOST_DEVICE_BASE - HOST_DIRECT_BASE)
#define BOOT_LIMIT       GIB(4) /* what the boot page tables map one to one */
#define LARGE_PAGE       MIB(2)
#define HOST_ZONE_MIN    MIB(48)
#define HOST_ZONE_STACKS MIB(16)
#define HOST_ZONE_SHARE  64 /* one part of so many of RAM, for tables and buffers of guests */
#define HOST_ZONE_LEAST  MIB(4)

static struct spinlock lock; /* guards the common tables and the three addresses below */
static struct page_table common;
static uint64_t next_device = HOST_DEVICE_BASE;
static uint64_t next_stack = HOST_STACK_BASE;
static uint64_t next_window = HOST_WINDOW_BASE;
static uint64_t image_base; /* physical */
static uint64_t phys_limit; /* first physical address that the CPU doesn't have */

static unsigned slot_of(uint64_t va)
{
	return (va / SLOT_SIZE) % 512;
}

/* --- table pages: from page_alloc, and before it, one after the other from a host range --- */

static void *table_alloc(void)
{
	return page_alloc(0);
}

static void table_free(void *table)
{
	page_free(table, 0);
}

static uint64_t table_pa(const void *table)
{
	return host_pa(table).v;
}

static void *table_ptr(uint64_t pa)
{
	return host_ptr(hpa(pa));
}

const struct pt_memory pt_host_memory = {
    .alloc = table_alloc,
    .free = table_free,
    .to_pa = table_pa,
    .from_pa = table_ptr,
};

static uint64_t boot_next, boot_end;

static void *boot_alloc(void)
{
	void *page = (void *)boot_next;

	if (boot_end - boot_next < PAGE_SIZE)
		return NULL;
	boot_next += PAGE_SIZE;
	return memset(page, 0, PAGE_SIZE);
}

/* Only a failing pt_map frees, and that ends in a panic. */
static void boot_free(void *table)
{
	(void)table;
}

static uint64_t boot_pa(const void *table)
{
	return (uint64_t)table;
}

static void *boot_ptr(uint64_t pa)
{
	return (void *)pa;
}

static const struct pt_memory boot_memory = {
    .alloc = boot_alloc,
    .free = boot_free,
    .to_pa = boot_pa,
    .from_pa = boot_ptr,
};

/* --- taking over from the boot page tables --- */

/* SDM Vol. 3A, "Enumeration of Paging Features by CPUID". */
static void probe_cpu(void)
{
	struct cpuid_regs r = cpuid(CPUID_LEAF_EXT_FEATURES, 0);

	if (!(r.edx & CPUID_80000001_EDX_NX))
		panic("this CPU can't mark pages no-execute (CPUID 80000001h EDX.NX is 0); enable it in the "
		      "firmware setup");
	if (!(r.edx & CPUID_80000001_EDX_PAGE1GB)) {
		pt_host.max_leaf_level = 2;
		pt_npt.max_leaf_level = 2;
	}
	phys_limit = BIT(36);
	if (cpuid(CPUID_LEAF_EXT_MAX, 0).eax >= CPUID_LEAF_SIZES)
		phys_limit = BIT(cpuid(CPUID_LEAF_SIZES, 0).eax & CPUID_80000008_EAX_PA_BITS);
}

/* Divides RAM (what the direct map can't hold stays unused), and gives boot_alloc the largest host range that can be reached now. */
static void split_memory(struct memmap *map)
{
	uint64_t top = map->count ? map->range[map->count - 1].end : 0;
	uint64_t total, want;

	if (top > DIRECT_SIZE && memmap_add(map, DIRECT_SIZE, top - DIRECT_SIZE, MEMMAP_RESERVED) != OK)
		panic("the memory map has too many ranges");
	total = memmap_total(map, MEMMAP_RAM);
	want = MIN(MAX(HOST_ZONE_MIN, total / HOST_ZONE_SHARE + HOST_ZONE_STACKS), total / 2);
	memmap_split_zones(map, want);
	for (uint32_t i = 0; i < map->count; i++) {
		uint64_t end = MIN(map->range[i].end, BOOT_LIMIT);

		if (map->range[i].type != MEMMAP_HOST || end <= map->range[i].base ||
		    end - map->range[i].base <= boot_end - boot_next)
			continue;
		boot_next = map->range[i].base;
		boot_end = end;
	}
	if (boot_end - boot_next < HOST_ZONE_LEAST)
		panic(
		    "too little memory: %llu KiB of RAM are free, not enough of it in one piece below 4 GiB",
		    (unsigned long long)(total >> 10));
}

static void map_or_panic(uint64_t va, uint64_t pa, uint64_t len, uint32_t prot)
{
	enum status s = pt_map(&common, va, pa, len, prot | PT_READ | PT_GLOBAL, PT_WB);

	if (s != OK)
		panic("the host's page tables: %s", status_str(s));
}

static void map_image(const char *start, const char *end, uint32_t prot)
{
	map_or_panic((uint64_t)start, image_base + (uint64_t)(start - image_start), (uint64_t)(end - start),
		     prot);
}

static void map_host_zone(const struct memmap *map)
{
	for (uint32_t i = 0; i < map->count; i++) {
		const struct memmap_range *r = &map->range[i];

		if (r->type == MEMMAP_HOST && r->end <= DIRECT_SIZE)
			map_or_panic(HOST_DIRECT_BASE + r->base, r->base, r->end - r->base, PT_WRITE);
	}
}

void host_map_init(struct memmap *map, uint64_t image_pa)
{
	uint64_t tables, cr3;

	image_base = image_pa;
	probe_cpu();
	split_memory(map);
	tables = boot_next;

	if (pt_init(&common, &pt_host, &boot_memory) != OK)
		panic("the host's page tables: no memory");
	/* Every slot in use gets its table now: views copy the root, and would miss what comes later. */
	common.keep_top = true;
	if (pt_fill_root(&common, slot_of(HOST_DIRECT_BASE), slot_of(HOST_DEVICE_BASE)) != OK ||
	    pt_fill_root(&common, slot_of(HOST_STACK_BASE), slot_of(HOST_STACK_BASE)) != OK ||
	    pt_fill_root(&common, slot_of(HOST_WINDOW_BASE), slot_of(HOST_WINDOW_BASE)) != OK)
		panic("the host's page tables: no memory");
	map_image(text_start, text_end, PT_EXEC);
	map_image(rodata_start, rodata_end, 0);
	map_image(data_start, data_end, PT_WRITE);
	map_host_zone(map);

	/* The formats count on the power-on types; the CR3 load flushes the TLB of what used others. */
	if (rdmsr(MSR_IA32_PAT) != PAT_RESET)
		wrmsr(MSR_IA32_PAT, PAT_RESET);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	cr3 = (uint64_t)common.root;
	write_cr3(cr3);
	write_cr0(read_cr0() | CR0_WP);
	write_cr4(read_cr4() | CR4_PGE);
	common.mem = &pt_host_memory;
	common.root = host_ptr(hpa(cr3));
	page_alloc_init(map, HOST_DIRECT_BASE, tables, boot_next);
}

uint64_t host_map_cr3(void)
{
	return host_pa(common.root).v;
}

hpa_t host_pa(const void *p)
{
	uint64_t va = (uint64_t)p;

	if (va >= HOST_DIRECT_BASE && va < HOST_DIRECT_BASE + DIRECT_SIZE)
		return hpa(va - HOST_DIRECT_BASE);
	CHECK(va >= (uint64_t)image_start && va < (uint64_t)image_end);
	return hpa(va - (uint64_t)image_start + image_base);
}

/* --- mappings on demand --- */

const void *host_map_module(uint64_t pa, uint64_t size)
{
	uint64_t base = ALIGN_DOWN(pa, PAGE_SIZE);
	uint64_t end = ALIGN_UP(pa + size, PAGE_SIZE);
	enum status s;

	if (!size || end <= base || end > MIN(DIRECT_SIZE, phys_limit))
		return NULL;
	spin_lock(&lock);
	s = pt_map(&common, HOST_DIRECT_BASE + base, base, end - base, PT_READ | PT_GLOBAL, PT_WB);
	/* A loader that doesn't align modules lets two of them share a page. */
	for (; s == ERR_EXIST && base < end; base += PAGE_SIZE) {
		struct pt_leaf leaf;

		if (!pt_lookup(&common, HOST_DIRECT_BASE + base, &leaf))
			s = pt_map(&common, HOST_DIRECT_BASE + base, base, PAGE_SIZE, PT_READ | PT_GLOBAL,
				   PT_WB) == OK
				? ERR_EXIST
				: ERR_NOMEM;
	}
	spin_unlock(&lock);
	return s == OK || s == ERR_EXIST ? host_ptr(hpa(pa)) : NULL;
}

/* A mapping at a new address in slot 288; after each, a page stays free, so that overruns fault. */
static void *map_device(uint64_t pa, uint64_t size, uint32_t prot, enum pt_memtype type)
{
	uint64_t base = ALIGN_DOWN(pa, PAGE_SIZE);
	uint64_t end = ALIGN_UP(pa + size, PAGE_SIZE);
	uint64_t va;
	enum status s = ERR_NOMEM;

	if (!size || pa + size < pa || end <= base || end > phys_limit)
		return NULL;
	spin_lock(&lock);
	va = next_device;
	if (end - base >= LARGE_PAGE) /* alike inside a large page, so that large pages can be used */
		va = ALIGN_UP(va, LARGE_PAGE) + base % LARGE_PAGE;
	if (va + (end - base) < HOST_DEVICE_BASE + SLOT_SIZE)
		s = pt_map(&common, va, base, end - base, prot | PT_READ | PT_GLOBAL, type);
	if (s == OK)
		next_device = va + (end - base) + PAGE_SIZE;
	spin_unlock(&lock);
	return s == OK ? (void *)(va + pa - base) : NULL;
}

void *host_map_device(uint64_t pa, uint64_t size, enum pt_memtype type)
{
	return map_device(pa, size, PT_WRITE, type);
}

const void *host_map_firmware(uint64_t pa, uint64_t size)
{
	return map_device(pa, size, 0, PT_WB);
}

void host_unmap(const void *p, uint64_t size)
{
	uint64_t base = ALIGN_DOWN((uint64_t)p, PAGE_SIZE);
	uint64_t end = ALIGN_UP((uint64_t)p + size, PAGE_SIZE);
	enum status s;

	if (!p)
		return;
	CHECK(base >= HOST_DEVICE_BASE && end > base && end < HOST_DEVICE_BASE + SLOT_SIZE);
	spin_lock(&lock);
	s = pt_unmap(&common, base, end - base);
	CHECK(s == OK);
	for (; base < end; base += PAGE_SIZE)
		invlpg(base);
	spin_unlock(&lock);
}

void *host_map_stack(size_t slot_size)
{
	size_t size = slot_size - PAGE_SIZE;
	enum status s = ERR_NOMEM;
	void *frames;
	uint64_t slot;

	CHECK(slot_size > PAGE_SIZE && (slot_size & (slot_size - 1)) == 0);
	frames = page_alloc_bytes(size);
	if (!frames)
		return NULL;
	spin_lock(&lock);
	slot = ALIGN_UP(next_stack, slot_size);
	if (slot + slot_size <= HOST_STACK_BASE + SLOT_SIZE)
		s = pt_map(&common, slot + PAGE_SIZE, host_pa(frames).v, size, PT_READ | PT_WRITE | PT_GLOBAL,
			   PT_WB);
	if (s == OK)
		next_stack = slot + slot_size;
	spin_unlock(&lock);
	if (s == OK)
		return (void *)(slot + PAGE_SIZE);
	page_free_bytes(frames, size);
	return NULL;
}

/* --- windows --- */

enum status host_window_init(struct host_window *w)
{
	uint64_t size = HOST_WINDOW_PAGES * PAGE_SIZE, pa = ALIGN_DOWN(image_base, PAGE_SIZE), va;
	enum status s = ERR_NOMEM;

	static_assert((HOST_WINDOW_PAGES & (HOST_WINDOW_PAGES - 1)) == 0);
	spin_lock(&lock);
	va = next_window;
	if (va + size <= HOST_WINDOW_BASE + SLOT_SIZE)
		s = pt_map(&common, va, pa, size, PT_READ,
			   PT_WB); /* makes the table in which the entries are */
	if (s == OK) {
		next_window = va + size;
		*w = (struct host_window){(uint8_t *)va, pt_leaf_entry(&common, va),
					  pt_host.leaf(0, 1, PT_READ | PT_WRITE, PT_WB)};
		host_window_close(w, 0, hpa(0), size);
	}
	spin_unlock(&lock);
	return s;
}

/* --- views --- */

enum status host_view_init(struct page_table *vt)
{
	enum status s = pt_init(vt, &pt_host, &pt_host_memory);

	if (s != OK)
		return s;
	for (unsigned slot = slot_of(HOST_DIRECT_BASE); slot < 512; slot++)
		vt->root[slot] = common.root[slot];
	return OK;
}

void host_view_fini(struct page_table *vt)
{
	/* What it shares isn't its own to free. */
	for (unsigned slot = slot_of(HOST_DIRECT_BASE); slot < 512; slot++)
		if (slot != slot_of(GMEM_VM_BASE))
			vt->root[slot] = 0;
	pt_fini(vt);
}

/* --- the check --- */

struct check {
	bool bad;
	uint64_t va;
};

static void check_leaf(void *arg, uint64_t va, const struct pt_leaf *leaf)
{
	struct check *c = arg;
	bool writable_code = (leaf->prot & (PT_WRITE | PT_EXEC)) == (PT_WRITE | PT_EXEC);

	if (c->bad || (!writable_code && va >= HOST_DIRECT_BASE))
		return;
	*c = (struct check){.bad = true, .va = va};
}

bool host_map_check(uint64_t *bad_va)
{
	struct check c = {};

	spin_lock(&lock);
	pt_walk(&common, check_leaf, &c);
	spin_unlock(&lock);
	*bad_va = c.va;
	return !c.bad;
}
