/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fetch of the instruction at RIP, and its length. The common exits of a 64-bit guest take a short way: the
 * CPU has just fetched the same bytes itself, so rights need no second check, and two or three bytes tell.
 */
#include "hv/insn.h"

#include "hv/event.h"
#include "hv/guest_walk.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/vm.h"
#include "hv/x86/desc.h"

#define PTE_P        BIT(0)
#define PTE_PS       BIT(7)
#define PTE_ADDR     BITS(51, 12)

#define ENTRY_OFFSET 0xff8 /* of an entry in its table */

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
 * Translates linear address a by 4-level paging without any check of rights. False: the short way doesn't go
 * here (tables not in memory or not present). *slot is where a probably lies in memory.
 */
[[gnu::always_inline]] static inline bool walk_fast(struct vcpu *v, uint64_t a, const struct gmem_slot **slot,
						    gpa_t *out)
{
	const struct gmem *m = &v->vm->mem;
	uint64_t entry = ops->reg_get(v, VREG_CR3);

	/* A loader's tables are in the first slot, a system's own probably in the last. */
	*slot = &m->slot[entry < MIB(1) ? 0 : m->count - 1];
#pragma GCC unroll 4
	for (unsigned shift = 39; shift >= PAGE_SHIFT; shift -= 9) {
		gpa_t at = gpa((entry & PTE_ADDR) | (a >> (shift - 3) & ENTRY_OFFSET));

		if (!gpa_peek64(m, slot, at, &entry) || !(entry & PTE_P))
			return false;
		if (shift == PAGE_SHIFT || (entry & PTE_PS)) {
			*out = gpa((entry & PTE_ADDR & ~(BIT(shift) - 1)) | (a & (BIT(shift) - 1)));
			*slot = &m->slot[m->count - 1];
			return true;
		}
	}
	return false;
}

/* The 8 bytes at a, if they lie in one page. */
static bool read_fast(struct vcpu *v, uint64_t a, uint64_t *bytes)
{
	const struct gmem_slot *slot;
	gpa_t at;

	return (a & (PAGE_SIZE - 1)) <= PAGE_SIZE - sizeof(*bytes) && walk_fast(v, a, &slot, &at) &&
	       gpa_peek64(&v->vm->mem, &slot, at, bytes);
}

bool insn_bytes_at_rip(struct vcpu *v, struct insn_bytes *b)
{
	const struct gmem *m = &v->vm->mem;
	const struct gmem_slot *slot;
	uint64_t a = v->rip;
	gpa_t at;

	return ops->long_mode(v) && (a & (PAGE_SIZE - 1)) <= PAGE_SIZE - INSN_MAX &&
	       walk_fast(v, a, &slot, &at) && gpa_peek64(m, &slot, at, &b->first) &&
	       gpa_peek64(m, &slot, gpa(at.v + INSN_MAX - sizeof(b->last)), &b->last);
}

enum status insn_decode_bytes(struct insn *insn, const struct insn_bytes *b)
{
	uint8_t bytes[INSN_MAX];

	memcpy(bytes, &b->first, sizeof(b->first));
	memcpy(bytes + INSN_MAX - sizeof(b->last), &b->last, sizeof(b->last));
	return insn_decode(insn, INSN_64, bytes, INSN_MAX);
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

enum status insn_fetch(struct vcpu *v, uint8_t bytes[INSN_MAX], unsigned *count)
{
	struct fetch f;
	enum status s = fetch_begin(v, &f);

	if (s == OK)
		s = fetch_part(v, f.linear, bytes, f.first, f.access);
	if (s != OK)
		return s;
	*count = f.first;
	if (f.room > f.first && fetch_part(v, second_page(&f), bytes + f.first, f.room - f.first,
					   f.access | WALK_NO_UPDATE) == OK)
		*count = f.room;
	return OK;
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
	struct insn_bytes quick;
	struct fetch f;
	enum status s;

	if (insn_bytes_at_rip(v, &quick))
		return insn_decode_bytes(insn, &quick);
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

/* Kept apart, so that the short way saves no registers for it. */
[[gnu::noinline]] static enum status length_slow(struct vcpu *v, uint8_t *len)
{
	struct insn insn;
	enum status s = insn_at_rip(v, &insn);

	if (s == OK)
		*len = insn.len;
	return s;
}

enum status insn_length(struct vcpu *v, uint8_t *len)
{
	uint64_t bytes;

	/* RIP has more than 32 bits in 64-bit mode alone. */
	if ((v->rip >> 32 || ops->long_mode(v)) && read_fast(v, v->rip, &bytes)) {
		*len = length_fast(bytes);
		if (*len)
			return OK;
	}
	return length_slow(v, len);
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

static enum status segment_long(struct vcpu *v, unsigned seg, uint64_t offset, unsigned size, gva_t *out)
{
	out->v = offset;
	if (seg == SEG_FS || seg == SEG_GS)
		out->v += ops->msr_get(v, seg == SEG_FS ? VMSR_FS_BASE : VMSR_GS_BASE);
	if (!insn_canonical(out->v) || !insn_canonical(out->v + size - 1))
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
