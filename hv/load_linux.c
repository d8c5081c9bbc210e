/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux bzImages, by the 64-bit boot protocol: kernel and initrd, then the zero page, page tables and a GDT in
 * guest memory. Source: Linux, Documentation/arch/x86/boot.rst and zero-page.rst.
 */
#include "hv/guest_map.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/load.h"
#include "hv/vcpu.h"
#include "hv/x86/cr.h"
#include "hv/x86/msr.h"
#include "hv/x86/rflags.h"

#define SECTOR        512
#define DEFAULT_SECTS 4
#define SYSSIZE_UNIT  16
#define ENTRY64       0x200 /* of the protected-mode part */
#define INITRD_MAX    BIT(32)
#define CMDLINE_ROOM  4096

/* Where things lie in low memory. The kernel has moved everything by the time that it uses this memory itself. */
#define GDT_GPA       0x1000UL
#define TSS_GPA       0x1800UL
#define PML4_GPA      0x2000UL
#define PDPT_GPA      0x3000UL
#define PD_GPA        0x4000UL /* four pages: 4 GiB by 2 MiB */
#define ZERO_PAGE_GPA 0x8000UL
#define CMDLINE_GPA   0x9000UL
#define IDENTITY_GIB  4

/* Selectors and descriptors that the protocol asks for. */
#define BOOT_CS       0x10
#define BOOT_DS       0x18
#define BOOT_TR       0x20

#define PTE_P         BIT(0)
#define PTE_RW        BIT(1)
#define PTE_PS        BIT(7)

/* From PML4_GPA on. */
struct identity_map {
	uint64_t pml4[512], pdpt[512], pd[IDENTITY_GIB * 512];
};

static_assert(PML4_GPA + offsetof(struct identity_map, pdpt) == PDPT_GPA &&
	      PML4_GPA + offsetof(struct identity_map, pd) == PD_GPA);

/* The setup header. */
struct setup_header {
	uint8_t setup_sects;
	uint16_t root_flags;
	uint32_t syssize;
	uint16_t ram_size, vid_mode, root_dev, boot_flag;
	uint8_t jump, jump_offset;
	uint32_t header;
	uint16_t version;
	uint32_t realmode_swtch;
	uint16_t start_sys_seg, kernel_version;
	uint8_t type_of_loader, loadflags;
	uint16_t setup_move_size;
	uint32_t code32_start, ramdisk_image, ramdisk_size, bootsect_kludge;
	uint16_t heap_end_ptr;
	uint8_t ext_loader_ver, ext_loader_type;
	uint32_t cmd_line_ptr, initrd_addr_max, kernel_alignment;
	uint8_t relocatable_kernel, min_alignment;
	uint16_t xloadflags;
	uint32_t cmdline_size, hardware_subarch;
	uint64_t hardware_subarch_data;
	uint32_t payload_offset, payload_length;
	uint64_t setup_data, pref_address;
	uint32_t init_size, handover_offset;
} __attribute__((packed));
static_assert(offsetof(struct setup_header, header) == 0x202 - 0x1f1);
static_assert(offsetof(struct setup_header, kernel_alignment) == 0x230 - 0x1f1);
static_assert(offsetof(struct setup_header, init_size) == 0x260 - 0x1f1);

struct e820_entry {
	uint64_t base, size;
	uint32_t type;
} __attribute__((packed));
static_assert(sizeof(struct e820_entry) == 20);

/* Places in the zero page (Linux's struct boot_params); what is not written stays zero. */
#define ZERO_PAGE_SIZE   0x1000
#define ZP_RSDP          0x070 /* 64 bits */
#define ZP_EXT_RAMDISK   0x0c0 /* upper 32 bits of the initrd's address, then of its size */
#define ZP_ALT_MEM_K     0x1e0 /* 32 bits: KiB above 1 MiB */
#define ZP_E820_ENTRIES  0x1e8 /* 8 bits */
#define ZP_E820_TABLE    0x2d0

#define SETUP_HEADER     0x1f1 /* in the file and in the zero page */
#define BOOT_FLAG        0xaa55
#define HEADER_MAGIC     0x53726448 /* "HdrS" */
#define VERSION_MIN      0x020c     /* xloadflags */
#define LOADED_HIGH      BIT(0)
#define XLF_KERNEL_64    BIT(0)
#define LOADER_UNDEFINED 0xff
#define VID_MODE_NORMAL  0xffff

/* What the setup header says, checked against the file. */
struct image {
	uint32_t setup_size;   /* offset of the protected-mode part in the file */
	uint64_t payload_size; /* its length in memory */
	uint64_t file_size; /* and in the file, which may end up to 15 bytes earlier: syssize is rounded up */
	uint64_t pref_address, init_size, alignment, initrd_addr_max;
	bool relocatable;
};

static bool header_of(const struct file *f, struct setup_header *h)
{
	if (f->size < SETUP_HEADER + sizeof(*h))
		return false;
	memcpy(h, (const uint8_t *)f->data + SETUP_HEADER, sizeof(*h));
	return true;
}

static bool linux_probe(const struct file *kernel)
{
	struct setup_header h;

	return header_of(kernel, &h) && h.boot_flag == BOOT_FLAG && h.header == HEADER_MAGIC;
}

static enum status check_kind(const struct load *l, const struct setup_header *h)
{
	size_t length = strlen(l->cfg->cmdline);

	if (h->version < VERSION_MIN)
		return load_refuse(l, l->kernel, "boot protocol %u.%02u is too old, 2.12 is needed",
				   h->version >> 8, h->version & 0xff);
	if (!(h->loadflags & LOADED_HIGH))
		return load_refuse(l, l->kernel, "a zImage, which loads low; a bzImage is needed");
	if (!(h->xloadflags & XLF_KERNEL_64))
		return load_refuse(l, l->kernel,
				   "a 32-bit kernel; one with a 64-bit entry is needed (XLF_KERNEL_64)");
	if (length > h->cmdline_size || length >= CMDLINE_ROOM)
		return load_refuse(l, l->kernel, "takes a command line of at most %u bytes, this one has %zu",
				   h->cmdline_size, length);
	if (l->cfg->module_count)
		return load_refuse(l, l->kernel, "Linux takes an initrd, but no module");
	return OK;
}

static enum status check_image(const struct load *l, struct image *img)
{
	const struct file *f = l->kernel;
	struct setup_header h;
	uint64_t sects;
	enum status s;

	if (!header_of(f, &h))
		return ERR_INVAL;
	s = check_kind(l, &h);
	if (s != OK)
		return s;
	sects = h.setup_sects ? h.setup_sects : DEFAULT_SECTS;
	*img = (struct image){
	    .setup_size = (uint32_t)((sects + 1) * SECTOR),
	    .payload_size = (uint64_t)h.syssize * SYSSIZE_UNIT,
	    .pref_address = h.pref_address,
	    .init_size = h.init_size,
	    .alignment = h.kernel_alignment,
	    .relocatable = h.relocatable_kernel,
	    .initrd_addr_max = h.initrd_addr_max,
	};
	if (img->payload_size <= ENTRY64)
		return load_refuse(l, f, "its header says that it is empty (syssize %u)", h.syssize);
	img->file_size = MIN(img->payload_size, f->size - MIN((uint64_t)f->size, (uint64_t)img->setup_size));
	if (img->payload_size - img->file_size >= SYSSIZE_UNIT)
		return load_refuse(l, f, "truncated: %zu bytes, its header says %lu", f->size,
				   img->setup_size + img->payload_size);
	if (img->init_size < img->payload_size)
		return load_refuse(l, f, "broken header: init_size %u is less than the kernel's %lu bytes",
				   h.init_size, img->payload_size);
	if (img->relocatable && (img->alignment < PAGE_SIZE || (img->alignment & (img->alignment - 1))))
		return load_refuse(l, f, "broken header: kernel_alignment 0x%x", h.kernel_alignment);
	return OK;
}

static bool fits(uint64_t at, uint64_t size, uint64_t end)
{
	return at >= GUEST_RAM_MID_BASE && at < end && size <= end - at;
}

/* A place for init_size bytes: where the kernel likes best, else the lowest that its alignment allows. */
static enum status place_kernel(const struct load *l, const struct image *img, uint64_t end, uint64_t *at)
{
	uint64_t lowest = ALIGN_UP(GUEST_RAM_MID_BASE, img->alignment);

	*at = img->pref_address;
	if (fits(*at, img->init_size, end))
		return OK;
	*at = lowest;
	if (img->relocatable && fits(*at, img->init_size, end))
		return OK;
	(void)!load_refuse(l, l->kernel,
			   "needs %lu KiB of memory at 0x%lx to start, but memory ends at %lu KiB",
			   img->init_size >> 10, img->relocatable ? lowest : img->pref_address, end >> 10);
	return ERR_NOMEM;
}

/* As high as the kernel allows, above it. */
static enum status place_initrd(const struct load *l, uint64_t floor, uint64_t top, uint64_t *at)
{
	const struct file *f = l->module[0].file;

	floor = ALIGN_UP(floor, PAGE_SIZE);
	if (f->size < INITRD_MAX && floor < top) {
		uint64_t size = ALIGN_UP(f->size, PAGE_SIZE);

		if (size <= top - floor) {
			*at = ALIGN_DOWN(top - size, PAGE_SIZE);
			return OK;
		}
	}
	(void)!load_refuse(l, f, "%zu KiB do not fit in memory beside %s", f->size >> 10, l->kernel->name);
	return ERR_NOMEM;
}

static enum status linux_plan(struct load *l)
{
	const struct gmem_slot *ram = gmem_find(l->mem, gpa(GUEST_RAM_MID_BASE));
	struct load_module *initrd = &l->module[0];
	uint64_t at = 0, end = ram->base + ram->size;
	struct image img;
	enum status s = check_image(l, &img);

	if (s == OK)
		s = place_kernel(l, &img, end, &at);
	if (s == OK)
		s = load_add_part(l, l->kernel, at, img.setup_size, img.file_size, img.payload_size);
	l->entry = at + ENTRY64;
	if (s != OK || !l->module_count)
		return s;
	s = place_initrd(l, at + img.init_size, MIN(end, img.initrd_addr_max + 1), &initrd->gpa);
	return s == OK
		   ? load_add_part(l, initrd->file, initrd->gpa, 0, initrd->file->size, initrd->file->size)
		   : s;
}

/* An identity map of the first 4 GiB, as the 64-bit protocol wants it for everything that was loaded. */
static enum status build_page_tables(struct load *l)
{
	struct identity_map *map = gpa_range(l->mem, gpa(PML4_GPA), sizeof(*map), true);

	if (!map)
		return ERR_RANGE;
	memset(map, 0, offsetof(struct identity_map, pd));
	map->pml4[0] = PDPT_GPA | PTE_P | PTE_RW;
	for (unsigned i = 0; i < IDENTITY_GIB; i++)
		map->pdpt[i] = (PD_GPA + i * PAGE_SIZE) | PTE_P | PTE_RW;
	for (uint64_t i = 0; i < ARRAY_SIZE(map->pd); i++)
		map->pd[i] = MIB(2) * i | PTE_P | PTE_RW | PTE_PS;
	return OK;
}

static enum status build_gdt(struct load *l)
{
	static const uint64_t gdt[] = {
	    0,
	    0,
	    0x00af9b000000ffff, /* BOOT_CS: 64-bit code */
	    0x00cf93000000ffff, /* BOOT_DS: flat data */
	    0x00008b0000000000 | LOAD_TSS_LIMIT | TSS_GPA << 16,
	    0,
	};
	enum status s = gpa_zero(l->mem, gpa(TSS_GPA), LOAD_TSS_LIMIT + 1);

	return s == OK ? gpa_load(l->mem, gpa(GDT_GPA), gdt, sizeof(gdt)) : s;
}

static enum status load_at(struct load *l, uint64_t offset, const void *data, size_t n)
{
	return gpa_load(l->mem, gpa(ZERO_PAGE_GPA + offset), data, n);
}

static enum status load_header(struct load *l)
{
	const struct load_module *initrd = l->module_count ? &l->module[0] : NULL;
	uint64_t initrd_size = initrd ? initrd->file->size : 0;
	uint32_t ext_ramdisk[2] = {initrd ? (uint32_t)(initrd->gpa >> 32) : 0, (uint32_t)(initrd_size >> 32)};
	struct setup_header h;
	size_t size;
	enum status s;

	if (!header_of(l->kernel, &h))
		return ERR_INVAL;
	/* The header ends where its jump goes; what lies behind belongs to the setup code. */
	size = MIN(sizeof(h), offsetof(struct setup_header, header) + h.jump_offset);
	h.vid_mode = VID_MODE_NORMAL;
	h.type_of_loader = LOADER_UNDEFINED;
	h.code32_start = (uint32_t)(l->entry - ENTRY64);
	h.cmd_line_ptr = CMDLINE_GPA;
	h.setup_data = 0;
	h.ramdisk_image = initrd ? (uint32_t)initrd->gpa : 0;
	h.ramdisk_size = (uint32_t)initrd_size;
	s = load_at(l, SETUP_HEADER, &h, size);
	return s == OK ? load_at(l, ZP_EXT_RAMDISK, ext_ramdisk, sizeof(ext_ramdisk)) : s;
}

static enum status load_e820(struct load *l)
{
	struct load_map map;
	uint8_t count;
	enum status s = OK;

	load_map_fill(&map, l->mem);
	count = (uint8_t)map.count;
	for (uint32_t i = 0; i < count && s == OK; i++) {
		struct e820_entry e = {map.entry[i].base, map.entry[i].size, map.entry[i].type};

		s = load_at(l, ZP_E820_TABLE + i * sizeof(e), &e, sizeof(e));
	}
	return s == OK ? load_at(l, ZP_E820_ENTRIES, &count, sizeof(count)) : s;
}

static enum status build_zero_page(struct load *l)
{
	uint32_t alt_mem_k = load_memory_upper(l->mem);
	enum status s = gpa_zero(l->mem, gpa(ZERO_PAGE_GPA), ZERO_PAGE_SIZE);

	if (s == OK)
		s = load_header(l);
	if (s == OK)
		s = load_at(l, ZP_RSDP, &l->rsdp, sizeof(l->rsdp));
	if (s == OK)
		s = load_at(l, ZP_ALT_MEM_K, &alt_mem_k, sizeof(alt_mem_k));
	return s == OK ? load_e820(l) : s;
}

static enum status linux_finish(struct load *l)
{
	enum status s = build_page_tables(l);

	if (s == OK)
		s = build_gdt(l);
	if (s == OK)
		s = gpa_load(l->mem, gpa(CMDLINE_GPA), l->cfg->cmdline, strlen(l->cfg->cmdline) + 1);
	return s == OK ? build_zero_page(l) : s;
}

static void set_segments(struct vcpu *v)
{
	static const struct load_segments segments = {BOOT_CS, BOOT_DS, SEG_ATTR_L, BOOT_TR, TSS_GPA};
	static const struct vseg_desc gdt = {.limit = BOOT_TR + 16 - 1, .base = GDT_GPA};
	static const struct vseg_desc idt = {};

	load_set_segments(v, &segments);
	ops->seg_set(v, SEG_GDTR, &gdt);
	ops->seg_set(v, SEG_IDTR, &idt);
}

static void linux_set_regs(const struct load *l, struct vcpu *v)
{
	vcpu_reg_set(v, VREG_CR4, CR4_PAE);
	vcpu_reg_set(v, VREG_CR3, PML4_GPA);
	vcpu_reg_set(v, VREG_EFER, EFER_LME | EFER_LMA);
	vcpu_reg_set(v, VREG_CR0, CR0_PG | CR0_ET | CR0_PE);
	set_segments(v);
	vcpu_reg_set(v, VREG_RFLAGS, RFLAGS_FIXED);
	v->gpr[RSI] = ZERO_PAGE_GPA;
	v->rip = l->entry;
}

const struct load_format load_linux = {
    .word = "linux",
    .what = "a Linux bzImage",
    .probe = linux_probe,
    .plan = linux_plan,
    .finish = linux_finish,
    .set_regs = linux_set_regs,
};
