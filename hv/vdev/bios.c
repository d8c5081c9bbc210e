/* SPDX-License-Identifier: BSD-2-Clause */
/* BIOS services that are not there: see bios.h. It has no state. */
#include "hv/vdev/bios.h"

#include "hv/guest_map.h"
#include "hv/lib/util.h"
#include "hv/vdev/platform.h"
#include "hv/vm.h"

#define INT_IMM8 0xcd
#define INT_SIZE 2

static const char *service(unsigned vector)
{
	static const char *const names[] = {
	    [0x10] = "video",   [0x11] = "equipment list", [0x12] = "memory size", [0x13] = "disks",
	    [0x14] = "serial",  [0x15] = "system",         [0x16] = "keyboard",    [0x17] = "printer",
	    [0x18] = "no disk", [0x19] = "boot",           [0x1a] = "clock",
	};

	return vector < ARRAY_SIZE(names) && names[vector] ? names[vector] : "unknown";
}

/* Where the interrupt came from: the real-mode frame on the stack. */
struct frame {
	uint16_t ip, cs, flags;
};

/* The guest is at the stub of a vector: by INT, or by an exception or interrupt that it has not set up. */
static void report(struct vcpu *v, unsigned vector)
{
	unsigned ah = v->gpr[RAX] >> 8 & 0xff;
	struct frame f = {};
	uint8_t insn[INT_SIZE] = {};
	struct vseg_desc ss;

	ops->seg_get(v, SEG_SS, &ss);
	/* What can't be read stays zero. */
	(void)!gpa_read(&v->vm->mem, gpa(ss.base + (uint16_t)vcpu_gpr(v, RSP)), &f, sizeof(f));
	(void)!gpa_read(&v->vm->mem, gpa(((uint64_t)f.cs << 4) + (uint16_t)(f.ip - INT_SIZE)), insn,
			sizeof(insn));
	if (insn[0] == INT_IMM8 && insn[1] == vector)
		vm_crash(v, "calls the BIOS at %04x:%04x: INT %02Xh (%s), AH=%02Xh; there is none", f.cs,
			 (uint16_t)(f.ip - INT_SIZE), vector, service(vector), ah);
	else
		vm_crash(v, "got vector %u at %04x:%04x in real mode, and has no handler for it", vector,
			 f.cs, f.ip);
}

static uint64_t bios_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	(void)d;
	(void)v;
	(void)port;
	return BITS(8 * size - 1, 0);
}

static void bios_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	struct vseg_desc cs;
	uint64_t at;

	(void)d;
	(void)port;
	(void)size;
	(void)value;
	ops->seg_get(v, SEG_CS, &cs);
	at = cs.base + v->rip;
	if (at >= GUEST_BIOS_BASE && at < GUEST_BIOS_BASE + GUEST_BIOS_SIZE)
		report(v, (unsigned)((at - GUEST_BIOS_BASE) / GUEST_BIOS_STUB));
}

enum status vbios_init(struct vm *vm)
{
	if (vm->load.format != &load_flat)
		return OK;
	vdev_init(&vm->bios, vm, "bios");
	return io_bus_add(&vm->ports, PLATFORM_BIOS_PORT, 1, &vm->bios, bios_read, bios_write);
}
