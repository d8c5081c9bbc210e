/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flat images: a boot sector, or any other code, at 7C00h, entered in real mode as a PC's firmware enters the first
 * sector of a disk. Of the firmware there are the variables that a system looks for and interrupt vectors: each leads to a
 * stub in ROM whose OUT is recognised (hv/vdev/bios.h). Source: BIOS Boot Specification 1.01.
 */
#include "hv/load.h"

#include "hv/guest_map.h"
#include "hv/lib/util.h"
#include "hv/vcpu.h"
#include "hv/vdev/platform.h"
#include "hv/x86/cr.h"
#include "hv/x86/desc.h"
#include "hv/x86/rflags.h"

#define IMAGE_GPA        0x7c00UL
#define IMAGE_MAX        (GUEST_NVS_BASE - IMAGE_GPA)
#define SECTOR_SIGNATURE 510  /* 55h, AAh: the mark of a boot sector */
#define BOOT_DRIVE       0x80 /* the first disk */

/* The BIOS data area. */
#define BDA_GPA          0x400
#define BDA_SIZE         0x100
#define BDA_COM1         0x400 /* 16 bits: its port */
#define BDA_MEMORY       0x413 /* 16 bits: KiB of conventional memory */

#define VECTORS          256
#define OUT_IMM8         0xe6

static bool flat_probe(const struct file *kernel)
{
	const uint8_t *data = kernel->data;

	return kernel->size >= SECTOR_SIGNATURE + 2 && data[SECTOR_SIGNATURE] == 0x55 &&
	       data[SECTOR_SIGNATURE + 1] == 0xaa;
}

static enum status flat_plan(struct load *l)
{
	const struct file *f = l->kernel;

	if (l->module_count)
		return load_refuse(l, f, "a flat image takes no initrd and no module");
	if (!f->size || f->size > IMAGE_MAX)
		return load_refuse(l, f, "a flat image has 1 to %lu bytes, this one %zu", IMAGE_MAX, f->size);
	l->entry = IMAGE_GPA;
	return load_add_part(l, f, IMAGE_GPA, 0, f->size, f->size);
}

/* Interrupt vectors and, in ROM, what they lead to. */
static enum status build_vectors(const struct load *l)
{
	struct {
		uint16_t offset, segment;
	} vector[VECTORS];
	uint8_t stub[VECTORS][GUEST_BIOS_STUB];
	enum status s;

	static_assert(sizeof(stub) == GUEST_BIOS_SIZE);
	for (unsigned i = 0; i < VECTORS; i++) {
		vector[i].offset =
		    (uint16_t)(GUEST_BIOS_BASE - (GUEST_BIOS_SEGMENT << 4) + i * GUEST_BIOS_STUB);
		vector[i].segment = GUEST_BIOS_SEGMENT;
		stub[i][0] = OUT_IMM8;
		stub[i][1] = PLATFORM_BIOS_PORT;
	}
	s = gpa_load(l->mem, gpa(0), vector, sizeof(vector));
	return s == OK ? gpa_load(l->mem, gpa(GUEST_BIOS_BASE), stub, sizeof(stub)) : s;
}

static enum status flat_finish(struct load *l)
{
	uint16_t com1 = PLATFORM_COM1_PORT, memory = (uint16_t)(GUEST_NVS_BASE >> 10);
	enum status s = build_vectors(l);

	if (s == OK)
		s = gpa_zero(l->mem, gpa(BDA_GPA), BDA_SIZE);
	if (s == OK)
		s = gpa_load(l->mem, gpa(BDA_COM1), &com1, sizeof(com1));
	return s == OK ? gpa_load(l->mem, gpa(BDA_MEMORY), &memory, sizeof(memory)) : s;
}

static void flat_set_regs(const struct load *l, struct vcpu *v)
{
	static const enum vseg all[] = {SEG_CS, SEG_DS, SEG_ES, SEG_SS, SEG_FS, SEG_GS};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct vseg_desc d;

		ops->seg_get(v, all[i], &d);
		d.selector = 0;
		d.base = 0;
		ops->seg_set(v, all[i], &d);
	}
	vcpu_reg_set(v, VREG_CR0, CR0_ET);
	vcpu_reg_set(v, VREG_RFLAGS, RFLAGS_FIXED | RFLAGS_IF);
	vcpu_reg_set(v, VREG_RSP, IMAGE_GPA);
	v->gpr[RDX] = BOOT_DRIVE;
	v->rip = l->entry;
}

const struct load_format load_flat = {
    .word = "flat",
    .what = "a boot sector",
    .probe = flat_probe,
    .plan = flat_plan,
    .finish = flat_finish,
    .set_regs = flat_set_regs,
};
