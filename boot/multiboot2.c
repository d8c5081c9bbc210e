/* SPDX-License-Identifier: BSD-2-Clause */
/* Multiboot2 Specification version 2.0, "Boot information format". */
#include "boot/multiboot2.h"
#include <stdbool.h>
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

#define INFO_SIZE_MAX    MIB(4) /* GRUB's is a few kilobytes */
#define PHYSICAL_MAX     BIT(52)
#define SCREEN_SIDE_MAX  16384u
#define CELL_BYTES       2u /* of VGA text */
#define RSDP_V1_SIZE     20u
#define ENTRY_SIZE_ALIGN 8u

enum tag_type {
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_LOADER = 2,
	TAG_MODULE = 3,
	TAG_MMAP = 6,
	TAG_FRAMEBUFFER = 8,
	TAG_RSDP_V1 = 14,
	TAG_RSDP_V2 = 15,
};

enum mmap_type { MMAP_RAM = 1, MMAP_ACPI = 3, MMAP_NVS = 4, MMAP_BAD = 5 };
enum framebuffer_type { FRAMEBUFFER_INDEXED = 0, FRAMEBUFFER_RGB = 1, FRAMEBUFFER_TEXT = 2 };

struct info_header {
	uint32_t total_size, reserved;
};
static_assert(sizeof(struct info_header) == 8);

struct tag_header {
	uint32_t type, size; /* size without the padding to 8 bytes that follows */
};
static_assert(sizeof(struct tag_header) == 8);

struct tag_module {
	struct tag_header h;
	uint32_t start, end;
};
static_assert(sizeof(struct tag_module) == 16);

struct tag_mmap {
	struct tag_header h;
	uint32_t entry_size, entry_version;
};
static_assert(sizeof(struct tag_mmap) == 16);

struct mmap_entry {
	uint64_t base, len;
	uint32_t type, reserved;
};
static_assert(sizeof(struct mmap_entry) == 24);

struct tag_framebuffer {
	struct tag_header h;
	uint64_t pa;
	uint32_t pitch, width, height;
	uint8_t bpp, type;
	uint16_t reserved;
	/* Only with FRAMEBUFFER_RGB. */
	uint8_t red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
	uint16_t padding;
};
static_assert(sizeof(struct tag_framebuffer) == 40);
#define FRAMEBUFFER_COMMON offsetof(struct tag_framebuffer, red_pos)
#define FRAMEBUFFER_FULL   offsetof(struct tag_framebuffer, padding)

/* One tag, with its size checked against the structure's. */
struct tag {
	const uint8_t *bytes;
	uint32_t type, size;
};

[[gnu::format(printf, 2, 3)]] static void report(struct boot_info *out, const char *fmt, ...)
{
	int n;
	va_list ap;

	if (out->error[0] != '\0')
		return;
	n = fmt_snprintf(out->error, sizeof(out->error), "Multiboot2 information: ");
	va_start(ap, fmt);
	fmt_vsnprintf(out->error + n, sizeof(out->error) - (size_t)n, fmt, ap);
	va_end(ap);
}

/* Copies the tag's first n bytes to dst; false, with a report, where it has fewer. */
static bool tag_read(struct boot_info *out, const struct tag *t, void *dst, size_t n, const char *what)
{
	if (t->size < n) {
		report(out, "the %s tag has %u bytes, less than %zu", what, t->size, n);
		return false;
	}
	memcpy(dst, t->bytes, n);
	return true;
}

/* The string that fills the tag from `at`; NULL, with a report, where no terminator ends it. */
static const char *tag_string(struct boot_info *out, const struct tag *t, size_t at, const char *what)
{
	const char *s = (const char *)t->bytes + at;

	if (t->size <= at || memchr(s, '\0', t->size - at) == NULL) {
		report(out, "the %s is not terminated", what);
		return NULL;
	}
	return s;
}

static void read_string(struct boot_info *out, const struct tag *t, char *dst, size_t size, const char *what)
{
	const char *s = tag_string(out, t, sizeof(struct tag_header), what);

	if (s != NULL && !str_copy(dst, size, s))
		report(out, "the %s is longer than %zu bytes and was cut", what, size - 1);
}

/* name: the first word of the module's string. */
static void read_module(struct boot_info *out, const struct tag *t)
{
	struct boot_module *m = &out->module[out->module_count];
	struct tag_module tm;
	const char *s;
	size_t len = 0;

	if (!tag_read(out, t, &tm, sizeof(tm), "module"))
		return;
	s = tag_string(out, t, sizeof(tm), "name of a module");
	if (s == NULL)
		return;
	s += *s == ' ';
	while (s[len] != '\0' && s[len] != ' ')
		len++;
	if (len == 0) {
		report(out, "the module at 0x%x has no name: in GRUB, 'module2 FILE NAME'", tm.start);
		return;
	}
	if (len >= BOOT_NAME_MAX) {
		report(out, "the name of the module at 0x%x is longer than %d bytes", tm.start,
		       BOOT_NAME_MAX - 1);
		return;
	}
	if (out->module_count == BOOT_MODULE_MAX) {
		report(out, "more than %d modules: '%.*s' and all behind it are left out", BOOT_MODULE_MAX,
		       (int)len, s);
		return;
	}
	memset(m->name, 0, sizeof(m->name));
	memcpy(m->name, s, len);
	if (tm.end < tm.start) {
		report(out, "module '%s' ends (0x%x) before it starts (0x%x)", m->name, tm.end, tm.start);
		return;
	}
	m->pa = tm.start;
	m->size = tm.end - tm.start;
	out->module_count++;
}

static enum boot_mem_type mem_type(uint32_t type)
{
	switch ((enum mmap_type)type) {
	case MMAP_RAM:
		return BOOT_MEM_RAM;
	case MMAP_ACPI:
		return BOOT_MEM_ACPI_RECLAIM;
	case MMAP_NVS:
		return BOOT_MEM_NVS;
	case MMAP_BAD:
		return BOOT_MEM_BAD;
	}
	return BOOT_MEM_RESERVED;
}

static void add_mem(struct boot_info *out, const struct mmap_entry *e)
{
	enum boot_mem_type type = mem_type(e->type);
	uint64_t len = e->len;

	if (len > UINT64_MAX - e->base) {
		if (type == BOOT_MEM_RAM) {
			report(out, "memory range 0x%lx+0x%lx wraps and was left out", e->base, e->len);
			return;
		}
		len = UINT64_MAX - e->base;
	}
	if (len == 0)
		return;
	if (out->mem_count == BOOT_MEM_MAX) {
		report(out, "more than %d memory ranges", BOOT_MEM_MAX);
		return;
	}
	out->mem[out->mem_count++] = (struct boot_mem){.base = e->base, .len = len, .type = type};
}

static void read_mmap(struct boot_info *out, const struct tag *t)
{
	struct tag_mmap tm;
	struct mmap_entry e;

	if (!tag_read(out, t, &tm, sizeof(tm), "memory map"))
		return;
	if (tm.entry_size < sizeof(e) || tm.entry_size % ENTRY_SIZE_ALIGN != 0) {
		report(out, "entries of the memory map have %u bytes", tm.entry_size);
		return;
	}
	if ((t->size - sizeof(tm)) % tm.entry_size != 0)
		report(out, "the memory map ends within an entry");
	for (uint64_t at = sizeof(tm); at + tm.entry_size <= t->size; at += tm.entry_size) {
		memcpy(&e, t->bytes + at, sizeof(e));
		add_mem(out, &e);
	}
}

/* A screen that can't be right is no reason to stop: it is reported and left out. */
static void read_framebuffer(struct boot_info *out, const struct tag *t)
{
	struct tag_framebuffer f = {0};
	uint32_t line;

	if (!tag_read(out, t, &f, FRAMEBUFFER_COMMON, "framebuffer"))
		return;
	if (f.type == FRAMEBUFFER_RGB && !tag_read(out, t, &f, FRAMEBUFFER_FULL, "framebuffer"))
		return;
	if (f.type != FRAMEBUFFER_RGB && f.type != FRAMEBUFFER_TEXT)
		return;
	if (f.width > SCREEN_SIDE_MAX || f.height > SCREEN_SIDE_MAX || f.pa == 0 || f.pa >= PHYSICAL_MAX) {
		report(out, "framebuffer of %ux%u at 0x%lx", f.width, f.height, f.pa);
		return;
	}
	line = f.type == FRAMEBUFFER_TEXT ? f.width * CELL_BYTES : f.width * ALIGN_UP((uint32_t)f.bpp, 8) / 8;
	if (f.pitch < line || f.pitch > SCREEN_SIDE_MAX * sizeof(uint64_t)) {
		report(out, "framebuffer lines of %u bytes for %u", f.pitch, line);
		return;
	}
	out->screen = (struct boot_screen){
	    .pa = f.pa,
	    .pitch = f.pitch,
	    .width = f.width,
	    .height = f.height,
	    .bpp = f.type == FRAMEBUFFER_TEXT ? 0 : f.bpp,
	    .red_pos = f.red_pos,
	    .red_size = f.red_size,
	    .green_pos = f.green_pos,
	    .green_size = f.green_size,
	    .blue_pos = f.blue_pos,
	    .blue_size = f.blue_size,
	};
}

/* Copies an RSDP of n bytes; one of ACPI 2.0 (36 bytes) goes before one of ACPI 1.0. */
static void read_rsdp(struct boot_info *out, const struct tag *t, size_t n, bool *have_v2)
{
	if (t->size < sizeof(struct tag_header) + n) {
		report(out, "the RSDP tag has %u bytes", t->size);
		return;
	}
	if (*have_v2)
		return;
	memset(out->rsdp, 0, sizeof(out->rsdp));
	memcpy(out->rsdp, t->bytes + sizeof(struct tag_header), n);
	*have_v2 = n == sizeof(out->rsdp);
}

/* True if RAM ranges cover [base, base + size) without a gap. */
static bool in_ram(const struct boot_info *info, uint64_t base, uint64_t size)
{
	uint64_t at = base;

	for (uint32_t round = 0; at < base + size; round++) {
		uint64_t next = at;

		for (uint32_t i = 0; i < info->mem_count; i++) {
			const struct boot_mem *m = &info->mem[i];

			if (m->type == BOOT_MEM_RAM && m->base <= at && at - m->base < m->len)
				next = MAX(next, m->base + m->len);
		}
		if (next == at)
			return false;
		at = next;
	}
	return true;
}

static bool module_ok(struct boot_info *out, uint32_t i, uint64_t image_pa, uint64_t image_size)
{
	const struct boot_module *m = &out->module[i];

	if (m->pa < image_pa + image_size && image_pa < m->pa + m->size) {
		report(out, "module '%s' at 0x%lx+0x%lx lies over the image", m->name, m->pa, m->size);
		return false;
	}
	if (!in_ram(out, m->pa, m->size)) {
		report(out, "module '%s' at 0x%lx+0x%lx is not in RAM", m->name, m->pa, m->size);
		return false;
	}
	for (uint32_t k = 0; k < i; k++) {
		if (strcmp(out->module[k].name, m->name) == 0) {
			report(out, "two modules are called '%s': the first is used", m->name);
			return false;
		}
	}
	return true;
}

/* Keeps, in order, the modules that pass every check. */
static void check_modules(struct boot_info *out, uint64_t image_pa, uint64_t image_size)
{
	uint32_t count = out->module_count, kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		out->module[kept] = out->module[i];
		kept += module_ok(out, kept, image_pa, image_size);
	}
	for (uint32_t i = kept; i < count; i++)
		out->module[i] = (struct boot_module){0};
	out->module_count = kept;
}

static void read_tag(struct boot_info *out, const struct tag *t, bool *have_v2)
{
	switch (t->type) {
	case TAG_CMDLINE:
		read_string(out, t, out->cmdline, sizeof(out->cmdline), "command line");
		break;
	case TAG_LOADER:
		read_string(out, t, out->loader, sizeof(out->loader), "loader's name");
		break;
	case TAG_MODULE:
		read_module(out, t);
		break;
	case TAG_MMAP:
		read_mmap(out, t);
		break;
	case TAG_FRAMEBUFFER:
		read_framebuffer(out, t);
		break;
	case TAG_RSDP_V1:
		read_rsdp(out, t, RSDP_V1_SIZE, have_v2);
		break;
	case TAG_RSDP_V2:
		read_rsdp(out, t, sizeof(out->rsdp), have_v2);
		break;
	default:
		break;
	}
}

static void read_tags(struct boot_info *out, const uint8_t *info, uint64_t total)
{
	struct tag_header h;
	bool have_v2 = false;

	for (uint64_t at = sizeof(struct info_header); at + sizeof(h) <= total;
	     at = ALIGN_UP(at + h.size, 8)) {
		memcpy(&h, info + at, sizeof(h));
		if (h.type == TAG_END)
			return;
		if (h.size < sizeof(h) || h.size > total - at) {
			report(out, "tag %u at offset %lu has %u bytes, the structure %lu", h.type, at,
			       h.size, total);
			return;
		}
		read_tag(out, &(struct tag){.bytes = info + at, .type = h.type, .size = h.size}, &have_v2);
	}
	report(out, "it has no end tag");
}

void multiboot2_parse(struct boot_info *out, const void *info, size_t limit, uint64_t image_pa,
		      uint64_t image_size)
{
	struct info_header h;

	memset(out, 0, sizeof(*out));
	if (limit < sizeof(h)) {
		report(out, "at the end of memory");
		return;
	}
	memcpy(&h, info, sizeof(h));
	if (h.total_size < sizeof(h) || h.total_size > MIN(limit, INFO_SIZE_MAX)) {
		report(out, "it claims %u bytes", h.total_size);
		return;
	}
	read_tags(out, info, h.total_size);
	check_modules(out, image_pa, image_size);
	if (out->mem_count == 0)
		report(out, "it has no memory map");
}
