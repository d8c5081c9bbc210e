/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks of guest writes to control registers, EFER, XCR0 and debug registers. Sources: SDM Vol. 2B, "MOV -
 * Move to/from Control Registers", SDM Vol. 3A, "Control Registers", "Initializing IA-32e Mode".
 */
#include "hv/cr.h"

#include "hv/event.h"
#include "hv/guest_walk.h"
#include "hv/insn.h"
#include "hv/lib/util.h"
#include "hv/vm.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"

#define CR0_LMSW       (CR0_PE | CR0_MP | CR0_EM | CR0_TS)
#define CR4_RELOADS    (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP) /* a change loads the PDPTEs again */
#define CR4_FLUSHES    (CR4_PGE | CR4_PAE | CR4_PCIDE | CR4_SMEP | CR4_PSE | CR4_PKE | CR4_LA57)

#define PDPTE_P        BIT(0)
#define PDPTE_RESERVED (BITS(2, 1) | BITS(8, 5))

#define XCR0_AVX512    (XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM)

enum opcode_0f {
	OP_GROUP7 = 0x01,
	OP_CLTS = 0x06,
	OP_MOV_FROM_CR = 0x20,
	OP_MOV_FROM_DR = 0x21,
	OP_MOV_TO_CR = 0x22,
	OP_MOV_TO_DR = 0x23
};
enum group7 { GROUP7_SMSW = 4, GROUP7_LMSW = 6 };

static bool above(uint64_t value, unsigned bits)
{
	return bits < 64 && value >> bits;
}

/* PAE outside long mode: CR3's four entries are loaded at once; a reserved bit in a present one is #GP. */
static bool load_pdptes(struct vcpu *v, uint64_t cr3)
{
	uint64_t reserved = PDPTE_RESERVED | ~BITS(v->vm->cpuid.phys_bits - 1, 0);
	uint64_t pdpte[4];

	if (gpa_read(&v->vm->mem, gpa(cr3 & CR3_PDPT), pdpte, sizeof(pdpte)) != OK)
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(pdpte); i++) {
		if ((pdpte[i] & PDPTE_P) && (pdpte[i] & reserved))
			return false;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(pdpte); i++)
		vcpu_reg_set(v, VREG_PDPTE0 + i, pdpte[i]);
	return true;
}

static bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LME);
}

/* The mode switches that a change of CR0.PG means. False: not allowed now. */
static bool paging_switch_allowed(struct vcpu *v, uint64_t new, uint64_t cr4, uint64_t efer)
{
	struct vseg_desc cs;

	ops->seg_get(v, SEG_CS, &cs);
	if (new &CR0_PG)
		return !(efer & EFER_LME) || ((cr4 & CR4_PAE) && !(cs.attr & SEG_ATTR_L));
	return !(cr4 & CR4_PCIDE) && !((efer & EFER_LMA) && (cs.attr & SEG_ATTR_L));
}

bool cr0_write(struct vcpu *v, uint64_t value)
{
	uint64_t old = vcpu_reg_get(v, VREG_CR0);
	uint64_t cr4 = vcpu_reg_get(v, VREG_CR4);
	uint64_t efer = vcpu_reg_get(v, VREG_EFER);
	uint64_t changed;

	if (above(value, 32))
		return false;
	value = (value & CR0_DEFINED) | CR0_ET;
	if ((value & CR0_PG) && !(value & CR0_PE))
		return false;
	if ((value & CR0_NW) && !(value & CR0_CD))
		return false;
	changed = old ^ value;
	if ((changed & CR0_PG) && !paging_switch_allowed(v, value, cr4, efer))
		return false;
	if ((changed & (CR0_PG | CR0_CD | CR0_NW)) && pae_paging(value, cr4, efer) &&
	    !load_pdptes(v, vcpu_reg_get(v, VREG_CR3)))
		return false;
	if (changed & CR0_PG) {
		if (efer & EFER_LME)
			vcpu_reg_set(v, VREG_EFER, (value & CR0_PG) ? efer | EFER_LMA : efer & ~EFER_LMA);
		ops->npt_flush(v);
	}
	vcpu_reg_set(v, VREG_CR0, value);
	return true;
}

bool cr3_write(struct vcpu *v, uint64_t value)
{
	uint64_t cr4 = vcpu_reg_get(v, VREG_CR4);
	uint64_t efer = vcpu_reg_get(v, VREG_EFER);

	if (cr4 & CR4_PCIDE)
		value &= ~CR3_NOFLUSH;
	if ((efer & EFER_LMA) && above(value, v->vm->cpuid.phys_bits))
		return false;
	if (pae_paging(vcpu_reg_get(v, VREG_CR0), cr4, efer) && !load_pdptes(v, value))
		return false;
	vcpu_reg_set(v, VREG_CR3, value);
	ops->npt_flush(v);
	return true;
}

bool cr4_write(struct vcpu *v, uint64_t value)
{
	uint64_t old = vcpu_reg_get(v, VREG_CR4);
	uint64_t cr0 = vcpu_reg_get(v, VREG_CR0);
	uint64_t cr3 = vcpu_reg_get(v, VREG_CR3);
	uint64_t efer = vcpu_reg_get(v, VREG_EFER);
	uint64_t changed = old ^ value;

	if (value & ~v->vm->cpuid.cr4_mask)
		return false;
	if ((efer & EFER_LMA) && !(value & CR4_PAE))
		return false;
	if ((changed & CR4_LA57) && (efer & EFER_LMA))
		return false;
	if ((changed & value & CR4_PCIDE) && (!(efer & EFER_LMA) || (cr3 & CR3_PCID)))
		return false;
	if ((changed & CR4_RELOADS) && pae_paging(cr0, value, efer) && !load_pdptes(v, cr3))
		return false;
	vcpu_reg_set(v, VREG_CR4, value);
	if (changed & CR4_FLUSHES)
		ops->npt_flush(v);
	return true;
}

bool efer_write(struct vcpu *v, uint64_t value)
{
	uint64_t old = vcpu_reg_get(v, VREG_EFER);

	if (value & ~v->vm->cpuid.efer_mask)
		return false;
	if (((old ^ value) & EFER_LME) && (vcpu_reg_get(v, VREG_CR0) & CR0_PG))
		return false;
	/* LMA follows paging; what is written there doesn't count. */
	vcpu_reg_set(v, VREG_EFER, (value & ~EFER_LMA) | (old & EFER_LMA));
	return true;
}

bool xcr0_write(struct vcpu *v, uint64_t value)
{
	if (!(value & XCR0_X87) || (value & ~v->vm->cpuid.xcr0_mask))
		return false;
	if ((value & XCR0_AVX) && !(value & XCR0_SSE))
		return false;
	if ((value & XCR0_AVX512) && (value & (XCR0_AVX512 | XCR0_AVX)) != (XCR0_AVX512 | XCR0_AVX))
		return false;
	v->xcr0 = value;
	return true;
}

static enum exit_action gp(struct vcpu *v)
{
	event_raise_error(v, EXC_GP, 0);
	return ACT_RESUME;
}

static enum exit_action done(struct vcpu *v, bool ok)
{
	return ok ? ACT_ADVANCE : gp(v);
}

static bool cr_write(struct vcpu *v, uint8_t number, uint64_t value)
{
	switch (number) {
	case 0:
		return cr0_write(v, value);
	case 3:
		return cr3_write(v, value);
	case 4:
		return cr4_write(v, value);
	case 8:
		if (value > CR8_MAX)
			return false;
		vlapic_set_tpr(v, value);
		return true;
	default:
		return false;
	}
}

static bool cr_read(struct vcpu *v, uint8_t number, uint64_t *value)
{
	switch (number) {
	case 0:
		*value = vcpu_reg_get(v, VREG_CR0);
		return true;
	case 2:
		*value = vcpu_reg_get(v, VREG_CR2);
		return true;
	case 3:
		*value = vcpu_reg_get(v, VREG_CR3);
		return true;
	case 4:
		*value = vcpu_reg_get(v, VREG_CR4);
		return true;
	case 8:
		*value = vlapic_get_tpr(v);
		return true;
	default:
		return false;
	}
}

/* LMSW can set PE and not clear it. */
static bool lmsw(struct vcpu *v, uint16_t source)
{
	uint64_t cr0 = vcpu_reg_get(v, VREG_CR0);

	return cr0_write(v, (cr0 & ~(CR0_LMSW & ~CR0_PE)) | (source & CR0_LMSW));
}

/* The source of LMSW, or the destination of SMSW, in memory. OK, or what insn_operand says. */
static enum status smsw_memory(struct vcpu *v, const struct insn *insn, uint16_t *value, bool store)
{
	uint32_t user = vcpu_cpl(v) == 3 ? WALK_USER : 0;
	gva_t at;
	enum status s = insn_operand(v, insn, sizeof(*value), store, &at);

	if (s != OK)
		return s;
	return store ? guest_write(v, at, value, sizeof(*value), user)
		     : guest_read(v, at, value, sizeof(*value), user);
}

static enum exit_action group7(struct vcpu *v, const struct insn *insn)
{
	uint16_t value = (uint16_t)vcpu_reg_get(v, VREG_CR0);
	enum status s = OK;

	if (insn->reg == GROUP7_SMSW) {
		if (insn->mod == 3 && insn->opsize == 2)
			vcpu_gpr_set(v, insn->rm, (vcpu_gpr(v, insn->rm) & ~0xffffULL) | value);
		else if (insn->mod == 3)
			vcpu_gpr_set(v, insn->rm, vcpu_reg_get(v, VREG_CR0));
		else
			s = smsw_memory(v, insn, &value, true);
		if (s == ERR_FAULT)
			return ACT_RESUME;
		if (s == OK)
			return ACT_ADVANCE;
	} else if (insn->reg == GROUP7_LMSW) {
		if (insn->mod == 3)
			value = (uint16_t)vcpu_gpr(v, insn->rm);
		else
			s = smsw_memory(v, insn, &value, false);
		if (s == ERR_FAULT)
			return ACT_RESUME;
		if (s == OK)
			return done(v, lmsw(v, value));
	}
	vm_crash(v, "SMSW or LMSW with an operand outside RAM");
	return ACT_STOPPED;
}

/* Registers are 64 bits wide in 64-bit mode, else 32. */
static uint64_t source(struct vcpu *v, unsigned gpr)
{
	uint64_t value = vcpu_gpr(v, gpr);

	return vcpu_mode(v) == MODE_LONG ? value : (uint32_t)value;
}

static enum exit_action access_cr(struct vcpu *v, uint8_t number, uint8_t gpr, bool write)
{
	uint64_t value;

	if (write)
		return done(v, cr_write(v, number, source(v, gpr)));
	if (!cr_read(v, number, &value))
		return gp(v);
	vcpu_gpr_set(v, gpr, vcpu_mode(v) == MODE_LONG ? value : (uint32_t)value);
	return ACT_ADVANCE;
}

static enum exit_action clts(struct vcpu *v)
{
	vcpu_reg_set(v, VREG_CR0, vcpu_reg_get(v, VREG_CR0) & ~CR0_TS);
	return ACT_ADVANCE;
}

/* Reads the instruction. OK, or the action to take is in *act. */
static bool decode(struct vcpu *v, struct vm_exit *e, struct insn *insn, enum exit_action *act)
{
	enum status s = insn_at_rip(v, insn);

	if (s == OK && insn->encoding == INSN_LEGACY && insn->map == MAP_0F) {
		e->insn_len = insn->len;
		return true;
	}
	if (s == ERR_FAULT) {
		*act = ACT_RESUME;
		return false;
	}
	vm_crash(v, "a control or debug register access without its instruction at RIP");
	*act = ACT_STOPPED;
	return false;
}

static enum exit_action cr_decode(struct vcpu *v, struct vm_exit *e)
{
	enum exit_action act;
	struct insn insn;

	if (!decode(v, e, &insn, &act))
		return act;
	/* The CPU let SMSW alone come from user mode: another vCPU has changed the instruction since. */
	if (vcpu_cpl(v) != 0 && !(insn.opcode == OP_GROUP7 && insn.reg == GROUP7_SMSW))
		return gp(v);
	switch (insn.opcode) {
	case OP_CLTS:
		return clts(v);
	case OP_GROUP7:
		return group7(v, &insn);
	case OP_MOV_FROM_CR:
	case OP_MOV_TO_CR:
		/* APM Vol. 3, "MOV CRn": LOCK MOV CR0 is CR8, for 32-bit code. */
		if (insn.lock && insn.reg == 0)
			insn.reg = 8;
		return access_cr(v, insn.reg, insn.rm, insn.opcode == OP_MOV_TO_CR);
	default:
		vm_crash(v, "a control register exit at an instruction that does no such access");
		return ACT_STOPPED;
	}
}

enum exit_action cr_handle(struct vcpu *v, struct vm_exit *e)
{
	if (e->cr.gpr == EXIT_GPR_DECODE && e->cr.access != CR_CLTS)
		return cr_decode(v, e);
	switch (e->cr.access) {
	case CR_CLTS:
		return clts(v);
	case CR_LMSW:
		return done(v, lmsw(v, e->cr.lmsw));
	case CR_READ:
	case CR_WRITE:
		break;
	}
	return access_cr(v, e->cr.number, e->cr.gpr, e->cr.access == CR_WRITE);
}

enum exit_action xsetbv_handle(struct vcpu *v)
{
	uint64_t value = (uint32_t)v->gpr[RAX] | (v->gpr[RDX] << 32);

	if (!(vcpu_reg_get(v, VREG_CR4) & CR4_OSXSAVE)) {
		event_raise(v, EXC_UD);
		return ACT_RESUME;
	}
	if (vcpu_cpl(v) != 0 || (uint32_t)v->gpr[RCX] != 0 || !xcr0_write(v, value))
		return gp(v);
	/* v is loaded, so the hardware holds its XCR0 (hv/xstate.c). */
	xsetbv(0, value);
	return ACT_ADVANCE;
}

/* DR4 and DR5 are DR6 and DR7 unless CR4.DE is set. SDM Vol. 3B, "Debug Registers DR4 and DR5". */
static bool debug_alias(struct vcpu *v, uint8_t *number)
{
	if (*number != 4 && *number != 5)
		return true;
	*number += 2;
	return !(vcpu_reg_get(v, VREG_CR4) & CR4_DE);
}

enum exit_action dr_handle(struct vcpu *v, struct vm_exit *e)
{
	uint8_t number = e->dr.number, gpr = e->dr.gpr;
	bool write = e->dr.write;
	uint64_t value;

	if (gpr == EXIT_GPR_DECODE) {
		enum exit_action act;
		struct insn insn;

		if (!decode(v, e, &insn, &act))
			return act;
		number = insn.reg & 7;
		gpr = insn.rm;
		write = insn.opcode == OP_MOV_TO_DR;
	}
	if (!debug_alias(v, &number)) {
		event_raise(v, EXC_UD);
		return ACT_RESUME;
	}
	if (vcpu_reg_get(v, VREG_DR7) & DR7_GD) {
		vcpu_reg_set(v, VREG_DR7, vcpu_reg_get(v, VREG_DR7) & ~DR7_GD);
		vcpu_reg_set(v, VREG_DR6, vcpu_reg_get(v, VREG_DR6) | DR6_BD);
		event_raise(v, EXC_DB);
		return ACT_RESUME;
	}
	if (!write) {
		value = number < 4 ? v->dr[number] : vcpu_reg_get(v, number == 6 ? VREG_DR6 : VREG_DR7);
		vcpu_gpr_set(v, gpr, vcpu_mode(v) == MODE_LONG ? value : (uint32_t)value);
		return ACT_ADVANCE;
	}
	value = source(v, gpr);
	if (number < 4) {
		v->dr[number] = value;
		return ACT_ADVANCE;
	}
	if (above(value, 32))
		return gp(v);
	if (number == 6)
		vcpu_reg_set(v, VREG_DR6, (value & ~BIT(12) & (BITS(3, 0) | BITS(15, 13))) | DR6_INIT);
	else
		vcpu_reg_set(v, VREG_DR7, (value & ~(BITS(15, 14) | BITS(12, 11))) | DR7_FIXED);
	return ACT_ADVANCE;
}
