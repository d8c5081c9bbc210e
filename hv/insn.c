/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fetch of the instruction at RIP: the short way for those that a vCPU knows, and by all rules; its length, and
 * where its operand in memory lies.
 */
#include "hv/insn.h"

#include "hv/event.h"
#include "hv/guest_walk.h"
#include "hv/insn_known.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/vm.h"
#include "hv/x86/cr.h"
#include "hv/x86/desc.h"

#define PTE_P        BIT(0)
#define PTE_PS       BIT(7)
#define PTE_ADDR     BITS(51, 12)

#define ENTRY_OFFSET 0xff8 /* of an entry in its table */

#define LA57_SHIFT   7 /* 64 - 57 bits of linear address */

static enum insn_mode decode_mode(enum cpu_mode mode)
{
	switch (mode) {
	case MODE_REAL:
	case MODE_V86:
	case MODE_PROT16:
	case MODE_COMPAT16:
		return INSN_16;
	case MODE_PROT32:
	case MODE_COMPAT32:
		return INSN_32;
	case MODE_LONG:
		return INSN_64;
	}
	return INSN_64;
}

/*
 * Translates k->rip by 4-level paging without any check of rights, noting the entries on the way. False: tables
 * not in memory or not present. k->all: they are as many as there can be. *slot is where the instruction probably
 * lies in memory.
 */
static bool walk(const struct gmem *m, struct insn_known *k, const struct gmem_slot **slot)
{
	uint64_t entry = k->cr3;
	unsigned i = 0;

	/* A loader's tables are in the first slot, a system's own probably in the last. */
	*slot = &m->slot[entry < MIB(1) ? 0 : m->count - 1];
	for (unsigned shift = 39; shift >= PAGE_SHIFT; shift -= 9) {
		gpa_t at = gpa((entry & PTE_ADDR) | (k->rip >> (shift - 3) & ENTRY_OFFSET));

		if (!gpa_peek64(m, slot, at, &entry) || !(entry & PTE_P))
			return false;
		k->path[i].at = at;
		k->path[i++].entry = entry;
		if (shift > PAGE_SHIFT && !(entry & PTE_PS))
			continue;
		k->at = gpa((entry & PTE_ADDR & ~(BIT(shift) - 1)) | (k->rip & (BIT(shift) - 1)));
		*slot = &m->slot[m->count - 1];
		k->all = i == INSN_KNOWN_LEVELS;
		for (; i < INSN_KNOWN_LEVELS; i++)
			k->path[i] = k->path[i - 1];
		return true;
	}
	return false;
}

/* Length by the first bytes, lowest first; 0: look closer. */
static uint8_t length_fast(uint64_t bytes)
{
	switch (bytes & 0xff) {
	case 0xf4: /* HLT */
	case 0xec: /* IN AL, DX */
	case 0xed: /* IN eAX, DX */
	case 0xee: /* OUT DX, AL */
	case 0xef: /* OUT DX, eAX */
		return 1;
	case 0xe4: /* IN AL, imm8 */
	case 0xe5: /* IN eAX, imm8 */
	case 0xe6: /* OUT imm8, AL */
	case 0xe7: /* OUT imm8, eAX */
		return 2;
	case 0xf3: /* PAUSE */
		return (bytes >> 8 & 0xff) == 0x90 ? 2 : 0;
	case 0x0f:
		break;
	default:
		return 0;
	}
	switch (bytes >> 8 & 0xff) {
	case 0xa2: /* CPUID */
	case 0x30: /* WRMSR */
	case 0x31: /* RDTSC */
	case 0x32: /* RDMSR */
	case 0x33: /* RDPMC */
	case 0x06: /* CLTS */
	case 0x08: /* INVD */
	case 0x09: /* WBINVD */
		return 2;
	case 0x20: /* MOV r, CRn */
	case 0x21: /* MOV r, DRn */
	case 0x22: /* MOV CRn, r */
	case 0x23: /* MOV DRn, r */
		return 3;
	case 0x01: /* VMCALL, VMMCALL, XSETBV, RDTSCP, MONITOR, ...: register forms of groups 7 */
		return (bytes >> 16 & 0xc0) == 0xc0 ? 3 : 0;
	default:
		return 0;
	}
}

bool insn_known_decode(struct insn_known *k)
{
	uint8_t bytes[sizeof(k->bytes)];

	memcpy(bytes, k->bytes, sizeof(bytes));
	return insn_decode(&k->insn, INSN_64, bytes, INSN_MAX) == OK;
}

bool insn_known_take(struct vcpu *v, struct insn_known *k)
{
	const struct gmem *m = &v->vm->mem;
	const struct gmem_slot *slot;

	*k = (struct insn_known){.rip = v->rip, .cr3 = ops->reg_get(v, VREG_CR3)};
	if ((k->rip & (PAGE_SIZE - 1)) > PAGE_SIZE - sizeof(k->bytes) ||
	    (ops->reg_get(v, VREG_CR4) & CR4_LA57) || !walk(m, k, &slot) ||
	    !gpa_peek64(m, &slot, k->at, &k->bytes[0]) ||
	    !gpa_peek64(m, &slot, gpa(k->at.v + sizeof(k->bytes[0])), &k->bytes[1]))
		return false;
	k->len = length_fast(k->bytes[0]);
	if (!k->len && insn_known_decode(k))
		k->len = k->insn.len;
	k->next = k->len ? k->rip + k->len : 0;
	/* What an instruction is, its own bytes say. */
	k->all |= !k->len || k->len > sizeof(k->bytes[0]);
	return true;
}

/* One part of a fetch that crosses no page. */
static enum status fetch_part(struct vcpu *v, uint64_t linear, uint8_t *bytes, unsigned n, uint32_t access)
{
	enum status s;
	gpa_t at;

	s = guest_translate(v, gva(linear), access, &at);
	if (s != OK)
		return s;
	return gpa_read(&v->vm->mem, at, bytes, n);
}

struct fetch {
	uint64_t linear;
	bool wraps;     /* addresses are of 32 bits */
	unsigned room;  /* bytes up to the end of CS, at most INSN_MAX */
	unsigned first; /* of them in the first page */
	uint32_t access;
};

/* ERR_FAULT: RIP is outside CS; #GP was raised. */
static enum status fetch_begin(struct vcpu *v, struct fetch *f)
{
	enum cpu_mode mode = vcpu_mode(v);
	struct vseg_desc cs;

	f->access = WALK_FETCH | (vcpu_cpl(v) == 3 ? WALK_USER : 0);
	f->room = INSN_MAX;
	f->linear = v->rip;
	f->wraps = mode != MODE_LONG;
	if (f->wraps) {
		uint32_t ip = (uint32_t)v->rip;

		ops->seg_get(v, SEG_CS, &cs);
		if (ip > cs.limit) {
			event_raise_error(v, EXC_GP, 0);
			return ERR_FAULT;
		}
		f->room = (unsigned)MIN((uint64_t)INSN_MAX, (uint64_t)cs.limit - ip + 1);
		f->linear = (uint32_t)(cs.base + ip);
	}
	f->first = (unsigned)MIN((uint64_t)f->room, PAGE_SIZE - (f->linear & (PAGE_SIZE - 1)));
	return OK;
}

static uint64_t second_page(const struct fetch *f)
{
	uint64_t a = f->linear + f->first;

	return f->wraps ? (uint32_t)a : a;
}

unsigned insn_peek(struct vcpu *v, uint8_t bytes[INSN_MAX])
{
	struct guest_paging paging;
	struct vseg_desc cs;
	uint64_t linear = v->rip;
	unsigned n;

	guest_paging_get(v, &paging);
	if (vcpu_mode(v) != MODE_LONG) {
		ops->seg_get(v, SEG_CS, &cs);
		linear = (uint32_t)(cs.base + v->rip);
	}
	for (n = 0; n < INSN_MAX; n++) {
		uint32_t error;
		gpa_t at;

		if (guest_walk(&paging, gva(linear + n), WALK_NO_UPDATE, &at, &error) != OK ||
		    gpa_read(&v->vm->mem, at, &bytes[n], 1) != OK)
			break;
	}
	return n;
}

enum status insn_at_rip(struct vcpu *v, struct insn *insn)
{
	enum insn_mode mode;
	uint8_t bytes[INSN_MAX];
	struct fetch f;
	enum status s;

	mode = decode_mode(vcpu_mode(v));
	s = fetch_begin(v, &f);
	if (s == OK)
		s = fetch_part(v, f.linear, bytes, f.first, f.access);
	if (s == OK)
		s = insn_decode(insn, mode, bytes, f.first);
	else
		return s;
	/* The second page is touched only by an instruction that reaches into it. */
	if (s == ERR_RANGE && f.room > f.first) {
		s = fetch_part(v, second_page(&f), bytes + f.first, f.room - f.first, f.access);
		if (s != OK)
			return s;
		s = insn_decode(insn, mode, bytes, f.room);
	}
	/* SDM Vol. 3A, "Limit Checking"; and more than 15 bytes are a #GP as well. */
	if (s == ERR_RANGE) {
		event_raise_error(v, EXC_GP, 0);
		return ERR_FAULT;
	}
	return s;
}

enum status insn_length(struct vcpu *v, uint8_t *len)
{
	const struct insn_known *k = insn_known_at_rip(v);
	struct insn insn;
	enum status s;

	if (k) {
		*len = k->len;
		return k->len ? OK : ERR_INVAL;
	}
	s = insn_at_rip(v, &insn);
	if (s == OK)
		*len = insn.len;
	return s;
}

static enum status segment_fault(struct vcpu *v, unsigned seg)
{
	event_raise_error(v, seg == SEG_SS ? EXC_SS : EXC_GP, 0);
	return ERR_FAULT;
}

/* SDM Vol. 3A, "Limit Checking", "Type Checking": data access through a segment outside 64-bit mode. */
static bool segment_allows(const struct vseg_desc *d, enum cpu_mode mode, uint64_t offset, unsigned size,
			   bool write)
{
	uint64_t last = offset + size - 1;
	uint64_t top = (d->attr & SEG_ATTR_DB) ? UINT32_MAX : UINT16_MAX;
	bool code = d->attr & DESC_TYPE_CODE;

	if (mode == MODE_REAL || mode == MODE_V86)
		return last <= d->limit;
	if (d->attr & SEG_ATTR_UNUSABLE)
		return false;
	if (write && (code || !(d->attr & DESC_TYPE_WRITE)))
		return false;
	if (!write && code && !(d->attr & DESC_TYPE_READ))
		return false;
	if (!code && (d->attr & DESC_TYPE_EXPAND))
		return offset > d->limit && last <= top;
	return last <= d->limit;
}

static bool canonical(struct vcpu *v, uint64_t a)
{
	if (insn_canonical(a))
		return true;
	return (vcpu_reg_get(v, VREG_CR4) & CR4_LA57) &&
	       (uint64_t)((int64_t)(a << LA57_SHIFT) >> LA57_SHIFT) == a;
}

static enum status segment_long(struct vcpu *v, unsigned seg, uint64_t offset, unsigned size, gva_t *out)
{
	out->v = offset;
	if (seg == SEG_FS || seg == SEG_GS)
		out->v += ops->msr_get(v, seg == SEG_FS ? VMSR_FS_BASE : VMSR_GS_BASE);
	if (!canonical(v, out->v) || !canonical(v, out->v + size - 1))
		return segment_fault(v, seg);
	return OK;
}

enum status insn_segment(struct vcpu *v, unsigned seg, uint64_t offset, unsigned size, bool write, gva_t *out)
{
	enum cpu_mode mode = vcpu_mode(v);
	struct vseg_desc d;

	if (mode == MODE_LONG)
		return segment_long(v, seg, offset, size, out);
	ops->seg_get(v, seg, &d);
	if (!segment_allows(&d, mode, offset, size, write))
		return segment_fault(v, seg);
	out->v = (uint32_t)(d.base + offset);
	return OK;
}

static uint64_t address_mask(uint8_t addrsize)
{
	return addrsize == 8 ? UINT64_MAX : BITS(addrsize * 8U - 1, 0);
}

uint64_t insn_offset(struct vcpu *v, const struct insn *insn)
{
	uint64_t offset = (uint64_t)insn->disp;

	if (insn->rip_relative)
		offset += v->rip + insn->len;
	if (insn->has_base)
		offset += vcpu_gpr(v, insn->base);
	if (insn->has_index)
		offset += vcpu_gpr(v, insn->index) << insn->scale;
	return offset & address_mask(insn->addrsize);
}

enum status insn_operand(struct vcpu *v, const struct insn *insn, unsigned size, bool write, gva_t *out)
{
	/* Addresses made from the stack pointer or frame pointer lie in SS. */
	bool stack = insn->has_base && (insn->base == RSP || insn->base == RBP);
	unsigned seg = insn->seg != INSN_NO_SEG ? insn->seg : stack ? SEG_SS : SEG_DS;
	uint64_t offset = insn_offset(v, insn);

	if (insn->mode == INSN_64)
		return segment_long(v, seg, offset, size, out);
	return insn_segment(v, seg, offset, size, write, out);
}
