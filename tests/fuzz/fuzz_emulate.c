/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile guest's instruction and state as bytes: the decoder, the page walk and the emulator must come to an
 * end, stay inside guest memory, and either do something or say why not.
 */
#include <stdlib.h>
#include <string.h>
#include "hv/decode.h"
#include "hv/emulate.h"
#include "hv/event.h"
#include "hv/guest_map.h"
#include "hv/insn.h"
#include "hv/vm.h"
#include "hv/x86/cr.h"
#include "tests/unit/fake_regs.h"

#define MEMORY MIB(2)

struct input {
	uint8_t code[INSN_MAX];
	uint8_t mode, cpl, kind, access;
	uint16_t port;
	uint64_t gpr[GPR_COUNT], rip, gpa;
	uint64_t reg[VREG_PDPTE3 + 1];
	struct vseg_desc seg[SEG_COUNT];
} __attribute__((packed));

static struct input in;
static struct vm vm;
static struct vcpu vcpu;
static bool excused;

static bool long_mode(struct vcpu *v)
{
	return in.mode % (MODE_LONG + 1) == MODE_LONG;
}

static unsigned cpl(struct vcpu *v)
{
	return in.cpl & 3;
}

static const struct hv_ops fake = {
    FAKE_REGS,
    .long_mode = long_mode,
    .cpl = cpl,
};
const struct hv_ops *ops = &fake;

enum cpu_mode vcpu_mode(struct vcpu *v)
{
	return in.mode % (MODE_LONG + 1);
}

void event_raise(struct vcpu *v, uint8_t vector)
{
	excused = true;
}

void event_raise_error(struct vcpu *v, uint8_t vector, uint32_t error)
{
	excused = true;
}

void event_raise_pf(struct vcpu *v, uint64_t cr2, uint32_t error)
{
	excused = true;
}

void vm_crash(struct vcpu *v, const char *fmt, ...)
{
	excused = true;
}

bool cpuid_has(const struct cpuid_policy *p, struct cpuid_feature f)
{
	return true;
}

uint64_t io_bus_read(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size)
{
	return 0x5555555555555555 >> (64 - 8 * size);
}

void io_bus_write(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value)
{
}

uint64_t vlapic_mmio_read(struct vcpu *v, uint32_t offset, unsigned size)
{
	if (offset + size > PAGE_SIZE)
		abort();
	return 0;
}

void vlapic_mmio_write(struct vcpu *v, uint32_t offset, unsigned size, uint64_t value)
{
	if (offset + size > PAGE_SIZE)
		abort();
}

/* Puts the code where RIP translates to, if it does. */
static void plant(void)
{
	gpa_t at = gpa(in.rip & (MEMORY - 1));

	if (gmem_find(&vm.mem, at))
		(void)!gpa_load(&vm.mem, at, in.code,
				MIN((uint64_t)INSN_MAX, PAGE_SIZE - (at.v & (PAGE_SIZE - 1))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *memory;
	struct vm_exit e = {};
	enum exit_action act;
	struct insn insn;
	uint8_t len;

	if (size < sizeof(in.code))
		return 0;
	memset(&in, 0, sizeof(in));
	memcpy(&in, data, MIN(size, sizeof(in)));
	memcpy(fake_reg, in.reg, sizeof(fake_reg));
	fake_reg[VREG_CR4] &= ~CR4_PKE; /* the walker reads this CPU's PKRU */
	memcpy(fake_seg, in.seg, sizeof(fake_seg));
	for (unsigned i = 0; i < VMSR_COUNT; i++)
		fake_msr[i] = in.gpr[0];
	if (!memory)
		memory = calloc(1, MEMORY);
	memset(&vm.mem, 0, sizeof(vm.mem));
	vm.mem.base = memory;
	vm.cpuid.phys_bits = 40;
	if (guest_map_add_slots(&vm.mem, MEMORY) != OK)
		abort();
	vcpu = (struct vcpu){.vm = &vm, .rip = in.rip};
	vcpu.lapic.base = 0xfee00000 | APIC_BASE_ENABLE;
	memcpy(vcpu.gpr, in.gpr, sizeof(in.gpr));
	plant();
	for (enum insn_mode mode = INSN_16; mode <= INSN_64; mode++) {
		if (insn_decode(&insn, mode, in.code, sizeof(in.code)) == OK &&
		    (!insn.len || insn.len > INSN_MAX))
			abort();
	}
	(void)!insn_length(&vcpu, &len);

	excused = false;
	if (in.kind & 1) {
		e.kind = EXIT_IO;
		e.io.port = in.port;
		e.io.last = (1u << (in.access % 3)) - 1;
		e.io.in = in.access >> 2 & 1;
		e.io.string = true;
		act = emulate_string_io(&vcpu, &e);
	} else {
		e.kind = EXIT_NPF;
		e.npf.gpa = gpa(in.gpa & ((1UL << 40) - 1));
		e.npf.write = in.access & 1;
		act = emulate_mmio(&vcpu, &e);
	}
	if (act == ACT_ADVANCE && (e.insn_len == 0 || e.insn_len > INSN_MAX))
		abort();
	if (act == ACT_STOPPED && !excused)
		abort();
	return 0;
}
