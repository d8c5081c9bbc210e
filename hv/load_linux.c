/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Linux loader. Kernel files are hostile input: every field is checked against the file and the VM's memory
 * before it is used. Source: Linux, Documentation/arch/x86/boot.rst and zero-page.rst.
 */
#include "hv/load_linux.h"

#include "hv/guest_map.h"
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/vcpu.h"
#include "hv/x86/cr.h"
#include "hv/x86/msr.h"
#include "hv/x86/rflags.h"

#define COPY_STEP     KIB(256)
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
#define TSS_LIMIT     0x67

#define PTE_P         BIT(0)
#define PTE_RW        BIT(1)
#define PTE_PS        BIT(7)

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
enum e820_type { E820_RAM = 1, E820_RESERVED = 2, E820_NVS = 4 };
#define E820_MAX         (GMEM_SLOT_MAX + 2)

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

static bool header_of(const struct linux_file *f, struct setup_header *h)
{
	if (!f->data || f->size < SETUP_HEADER + sizeof(*h))
		return false;
	memcpy(h, f->data + SETUP_HEADER, sizeof(*h));
	return true;
}

bool linux_probe(const struct linux_file *kernel)
{
	struct setup_header h;

	return header_of(kernel, &h) && h.boot_flag == BOOT_FLAG && h.header == HEADER_MAGIC;
}

#define FAIL(...)                                                                                            \
	({                                                                                                   \
		fmt_snprintf(why, why_size, __VA_ARGS__);                                                    \
		ERR_INVAL;                                                                                   \
	})

static enum status check_kind(const struct linux_file *f, const struct setup_header *h, char *why,
			      size_t why_size)
{
	if (h->boot_flag != BOOT_FLAG)
		return FAIL("%s: not a Linux kernel: no 0xAA55 at offset 0x1fe", f->name);
	if (h->header != HEADER_MAGIC)
		return FAIL("%s: not a Linux kernel: no 'HdrS' at offset 0x202", f->name);
	if (h->version < VERSION_MIN)
		return FAIL("%s: boot protocol %u.%02u is too old, 2.12 is needed", f->name, h->version >> 8,
			    h->version & 0xff);
	if (!(h->loadflags & LOADED_HIGH))
		return FAIL("%s: a zImage, which loads low; a bzImage is needed", f->name);
	if (!(h->xloadflags & XLF_KERNEL_64))
		return FAIL("%s: a 32-bit kernel; one with a 64-bit entry is needed (XLF_KERNEL_64)",
			    f->name);
	return OK;
}

enum status linux_check(const struct linux_file *f, struct linux_image *img, char *why, size_t why_size)
{
	struct setup_header h;
	uint64_t sects;
	enum status s;

	if (!header_of(f, &h))
		return FAIL("%s: too short for a Linux kernel: %llu bytes", f->name,
			    (unsigned long long)f->size);
	s = check_kind(f, &h, why, why_size);
	if (s != OK)
		return s;
	sects = h.setup_sects ? h.setup_sects : DEFAULT_SECTS;
	*img = (struct linux_image){
	    .version = h.version,
	    .setup_size = (uint32_t)((sects + 1) * SECTOR),
	    .payload_size = (uint64_t)h.syssize * SYSSIZE_UNIT,
	    .pref_address = h.pref_address,
	    .init_size = h.init_size,
	    .alignment = h.kernel_alignment,
	    .relocatable = h.relocatable_kernel,
	    .cmdline_size = h.cmdline_size,
	    .xloadflags = h.xloadflags,
	    .initrd_addr_max = h.initrd_addr_max,
	};
	if (img->payload_size <= ENTRY64)
		return FAIL("%s: its header says that it is empty (syssize %u)", f->name, h.syssize);
	if (img->setup_size + img->payload_size > f->size)
		return FAIL("%s: truncated: %llu bytes, its header says %llu", f->name,
			    (unsigned long long)f->size,
			    (unsigned long long)(img->setup_size + img->payload_size));
	if (img->init_size < img->payload_size)
		return FAIL("%s: broken header: init_size %u is less than the kernel's %llu bytes", f->name,
			    h.init_size, (unsigned long long)img->payload_size);
	if (img->relocatable && (img->alignment < PAGE_SIZE || (img->alignment & (img->alignment - 1))))
		return FAIL("%s: broken header: kernel_alignment 0x%x", f->name, h.kernel_alignment);
	return OK;
}

static bool fits(uint64_t at, uint64_t size, uint64_t end)
{
	return at >= GUEST_RAM_MID_BASE && at < end && size <= end - at;
}

/* A place for init_size bytes: where the kernel likes best, else the lowest that its alignment allows. */
static enum status place_kernel(struct linux_load *l, uint64_t end)
{
	const struct linux_image *img = &l->img;
	uint64_t lowest = ALIGN_UP(GUEST_RAM_MID_BASE, (uint64_t)img->alignment);

	l->kernel_gpa = img->pref_address;
	if (fits(l->kernel_gpa, img->init_size, end))
		return OK;
	l->kernel_gpa = lowest;
	if (img->relocatable && fits(l->kernel_gpa, img->init_size, end))
		return OK;
	fmt_snprintf(l->why, l->why_size,
		     "%s: needs %llu KiB of memory at 0x%llx to start, but memory ends at %llu KiB",
		     l->kernel.name, (unsigned long long)img->init_size >> 10,
		     (unsigned long long)(img->relocatable ? lowest : img->pref_address),
		     (unsigned long long)end >> 10);
	return ERR_NOMEM;
}

/* As high as the kernel allows, above it. */
static enum status place_initrd(struct linux_load *l, uint64_t end)
{
	uint64_t floor = ALIGN_UP(l->kernel_gpa + l->img.init_size, PAGE_SIZE);
	uint64_t top = MIN(end, l->img.initrd_addr_max + 1);

	if (!l->initrd.data)
		return OK;
	if (l->initrd.size < INITRD_MAX && floor < top) {
		uint64_t size = ALIGN_UP(l->initrd.size, PAGE_SIZE);

		if (size <= top - floor) {
			l->initrd_gpa = ALIGN_DOWN(top - size, PAGE_SIZE);
			return OK;
		}
	}
	fmt_snprintf(l->why, l->why_size, "%s: %llu KiB do not fit in memory beside %s", l->initrd.name,
		     (unsigned long long)l->initrd.size >> 10, l->kernel.name);
	return ERR_NOMEM;
}

enum status load_linux_start(struct linux_load *l, const struct gmem *mem, const struct linux_file *kernel,
			     const struct linux_file *initrd, const char *cmdline, uint64_t rsdp, char *why,
			     size_t why_size)
{
	const struct gmem_slot *ram = gmem_find(mem, gpa(GUEST_RAM_MID_BASE));
	size_t length = strlen(cmdline);
	enum status s;

	*l = (struct linux_load){.mem = mem,
				 .kernel = *kernel,
				 .cmdline = cmdline,
				 .rsdp = rsdp,
				 .why = why,
				 .why_size = why_size};
	if (initrd)
		l->initrd = *initrd;
	s = linux_check(kernel, &l->img, why, why_size);
	if (s != OK)
		return s;
	if (length > l->img.cmdline_size || length >= CMDLINE_ROOM)
		return FAIL("%s: takes a command line of at most %u bytes, this one has %zu", kernel->name,
			    l->img.cmdline_size, length);
	if (!ram)
		return ERR_NOMEM;
	s = place_kernel(l, ram->base + ram->size);
	return s == OK ? place_initrd(l, ram->base + ram->size) : s;
}

/* Copies the next part of a file. True: there was one. */
static bool copy_part(struct linux_load *l, uint64_t to, const uint8_t *from, uint64_t size, uint64_t *done,
		      enum status *s)
{
	uint64_t n = MIN(size - *done, COPY_STEP);

	if (!n)
		return false;
	*s = gpa_load(l->mem, gpa(to + *done), from + *done, n);
	*done += n;
	return true;
}

static enum status load64(struct linux_load *l, uint64_t at, uint64_t value)
{
	return gpa_load(l->mem, gpa(at), &value, sizeof(value));
}

/* An identity map of the first 4 GiB, as the 64-bit protocol wants it for everything that was loaded. */
static enum status build_page_tables(struct linux_load *l)
{
	enum status s = gpa_zero(l->mem, gpa(PML4_GPA), PD_GPA - PML4_GPA);

	if (s == OK)
		s = load64(l, PML4_GPA, PDPT_GPA | PTE_P | PTE_RW);
	for (unsigned i = 0; i < IDENTITY_GIB && s == OK; i++)
		s = load64(l, PDPT_GPA + i * 8, (PD_GPA + i * PAGE_SIZE) | PTE_P | PTE_RW);
	for (uint64_t i = 0; i < IDENTITY_GIB * 512 && s == OK; i++)
		s = load64(l, PD_GPA + i * 8, MIB(2) * i | PTE_P | PTE_RW | PTE_PS);
	return s;
}

static enum status build_gdt(struct linux_load *l)
{
	static const uint64_t gdt[] = {
	    0,
	    0,
	    0x00af9b000000ffff, /* BOOT_CS: 64-bit code */
	    0x00cf93000000ffff, /* BOOT_DS: flat data */
	    0x00008b0000000000 | TSS_LIMIT | TSS_GPA << 16,
	    0,
	};
	enum status s = gpa_zero(l->mem, gpa(TSS_GPA), TSS_LIMIT + 1);

	return s == OK ? gpa_load(l->mem, gpa(GDT_GPA), gdt, sizeof(gdt)) : s;
}

struct e820 {
	uint8_t count;
	struct e820_entry entry[E820_MAX];
};

static void add_e820(struct e820 *e, uint64_t base, uint64_t end, enum e820_type type)
{
	if (end > base)
		e->entry[e->count++] = (struct e820_entry){base, end - base, type};
}

static void fill_e820(struct e820 *e, const struct gmem *mem)
{
	for (uint32_t i = 0; i < mem->count; i++) {
		uint64_t base = mem->slot[i].base, end = base + mem->slot[i].size;

		if (mem->slot[i].readonly) {
			add_e820(e, base, end, E820_RESERVED);
		} else if (base <= GUEST_NVS_BASE && end > GUEST_NVS_BASE) {
			add_e820(e, base, GUEST_NVS_BASE, E820_RAM);
			add_e820(e, GUEST_NVS_BASE, GUEST_NVS_BASE + GUEST_NVS_SIZE, E820_NVS);
			add_e820(e, GUEST_NVS_BASE + GUEST_NVS_SIZE, end, E820_RAM);
		} else {
			add_e820(e, base, end, E820_RAM);
		}
	}
}

static enum status load_at(struct linux_load *l, uint64_t offset, const void *data, size_t n)
{
	return gpa_load(l->mem, gpa(ZERO_PAGE_GPA + offset), data, n);
}

static enum status load_header(struct linux_load *l)
{
	struct setup_header h;
	uint32_t ext_ramdisk[2] = {(uint32_t)(l->initrd_gpa >> 32), (uint32_t)(l->initrd.size >> 32)};
	size_t size;
	enum status s;

	if (!header_of(&l->kernel, &h))
		return ERR_INVAL;
	/* The header ends where its jump goes; what lies behind belongs to the setup code. */
	size = MIN(sizeof(h), offsetof(struct setup_header, header) + h.jump_offset);
	h.vid_mode = VID_MODE_NORMAL;
	h.type_of_loader = LOADER_UNDEFINED;
	h.code32_start = (uint32_t)l->kernel_gpa;
	h.cmd_line_ptr = CMDLINE_GPA;
	h.setup_data = 0;
	h.ramdisk_image = l->initrd.data ? (uint32_t)l->initrd_gpa : 0;
	h.ramdisk_size = l->initrd.data ? (uint32_t)l->initrd.size : 0;
	s = load_at(l, SETUP_HEADER, &h, size);
	if (s == OK && l->initrd.data)
		s = load_at(l, ZP_EXT_RAMDISK, ext_ramdisk, sizeof(ext_ramdisk));
	return s;
}

static enum status build_zero_page(struct linux_load *l)
{
	const struct gmem_slot *ram = gmem_find(l->mem, gpa(GUEST_RAM_MID_BASE));
	uint32_t alt_mem_k = (uint32_t)(ram->size >> 10);
	struct e820 e820 = {};
	enum status s = gpa_zero(l->mem, gpa(ZERO_PAGE_GPA), ZERO_PAGE_SIZE);

	fill_e820(&e820, l->mem);
	if (s == OK)
		s = load_header(l);
	if (s == OK)
		s = load_at(l, ZP_RSDP, &l->rsdp, sizeof(l->rsdp));
	if (s == OK)
		s = load_at(l, ZP_ALT_MEM_K, &alt_mem_k, sizeof(alt_mem_k));
	if (s == OK)
		s = load_at(l, ZP_E820_ENTRIES, &e820.count, sizeof(e820.count));
	if (s == OK)
		s = load_at(l, ZP_E820_TABLE, e820.entry, e820.count * sizeof(e820.entry[0]));
	return s;
}

enum status load_linux_step(struct linux_load *l)
{
	const uint8_t *payload = l->kernel.data + l->img.setup_size;
	enum status s = OK;

	if (copy_part(l, l->kernel_gpa, payload, l->img.payload_size, &l->kernel_done, &s))
		return s == OK ? ERR_AGAIN : s;
	if (l->initrd.data &&
	    copy_part(l, l->initrd_gpa, l->initrd.data, l->initrd.size, &l->initrd_done, &s))
		return s == OK ? ERR_AGAIN : s;
	if (l->tables_done)
		return OK;
	s = build_page_tables(l);
	if (s == OK)
		s = build_gdt(l);
	if (s == OK)
		s = gpa_load(l->mem, gpa(CMDLINE_GPA), l->cmdline, strlen(l->cmdline) + 1);
	if (s == OK)
		s = build_zero_page(l);
	l->tables_done = s == OK;
	return s;
}

static void set_segments(struct vcpu *v)
{
	static const struct vseg_desc code = {
	    .selector = BOOT_CS,
	    .limit = UINT32_MAX,
	    .attr = DESC_TYPE_CODE | DESC_TYPE_READ | DESC_TYPE_ACCESSED | SEG_ATTR_S | SEG_ATTR_P |
		    SEG_ATTR_L | SEG_ATTR_G,
	};
	static const struct vseg_desc data = {
	    .selector = BOOT_DS,
	    .limit = UINT32_MAX,
	    .attr = DESC_TYPE_WRITE | DESC_TYPE_ACCESSED | SEG_ATTR_S | SEG_ATTR_P | SEG_ATTR_DB | SEG_ATTR_G,
	};
	static const struct vseg_desc task = {.selector = BOOT_TR,
					      .limit = TSS_LIMIT,
					      .attr = DESC_TYPE_TSS_BUSY | SEG_ATTR_P,
					      .base = TSS_GPA};
	static const struct vseg_desc none = {.attr = SEG_ATTR_UNUSABLE};
	static const struct vseg_desc gdt = {.limit = BOOT_TR + 16 - 1, .base = GDT_GPA};
	static const struct vseg_desc idt = {};
	static const enum vseg all[] = {SEG_DS, SEG_ES, SEG_SS, SEG_FS, SEG_GS};

	ops->seg_set(v, SEG_CS, &code);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		ops->seg_set(v, all[i], &data);
	ops->seg_set(v, SEG_TR, &task);
	ops->seg_set(v, SEG_LDTR, &none);
	ops->seg_set(v, SEG_GDTR, &gdt);
	ops->seg_set(v, SEG_IDTR, &idt);
}

void load_linux_set_regs(const struct linux_load *l, struct vcpu *v)
{
	vcpu_reg_set(v, VREG_CR4, CR4_PAE);
	vcpu_reg_set(v, VREG_CR3, PML4_GPA);
	vcpu_reg_set(v, VREG_EFER, EFER_LME | EFER_LMA);
	vcpu_reg_set(v, VREG_CR0, CR0_PG | CR0_ET | CR0_PE);
	set_segments(v);
	vcpu_reg_set(v, VREG_RFLAGS, RFLAGS_FIXED);
	v->gpr[RSI] = ZERO_PAGE_GPA;
	v->rip = l->kernel_gpa + ENTRY64;
}
