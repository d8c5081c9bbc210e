/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The emulator against the CPU that runs the test: random instructions with a memory operand run once natively
 * on a buffer and once emulated on a fake device that holds the same bytes; registers, flags and memory must
 * agree. Then pages crossed, ROM, faults, string I/O and refusals by hand.
 */
#include "fake_vcpu.h"
#include <sys/mman.h>
#include "hv/decode.h"
#include "hv/emulate.h"
#include "hv/guest_walk.h"
#include "hv/io_bus.h"

#define ROUNDS      20000
#define DEVICE      0xd0000000UL
#define DEVICE_SIZE 0x1000UL
#define MIDDLE      0x800
#define CODE        0x10000UL
#define TABLES      0x30000UL

bool cpuid_has(const struct cpuid_policy *p, struct cpuid_feature f)
{
	return true;
}

/* --- the fake device: memory, with a note of the widths that it saw --- */

static uint8_t device[DEVICE_SIZE];
static unsigned reads, writes, last_size;
static uint8_t port_in;
static uint8_t port_out[1024];
static unsigned port_count;

uint64_t io_bus_read(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size)
{
	uint64_t value = 0;

	last_size = size;
	reads++;
	if (b == &v->vm->ports)
		return port_in++;
	if (addr < DEVICE || addr + size > DEVICE + DEVICE_SIZE)
		return size == 8 ? UINT64_MAX : (1ULL << (8 * size)) - 1;
	memcpy(&value, device + (addr - DEVICE), size);
	return value;
}

void io_bus_write(struct io_bus *b, struct vcpu *v, uint64_t addr, unsigned size, uint64_t value)
{
	last_size = size;
	writes++;
	if (b == &v->vm->ports)
		port_out[port_count++ % sizeof(port_out)] = (uint8_t)value;
	else if (addr >= DEVICE && addr + size <= DEVICE + DEVICE_SIZE)
		memcpy(device + (addr - DEVICE), &value, size);
}

static uint64_t lapic_written;

uint64_t vlapic_mmio_read(struct vcpu *v, uint32_t offset, unsigned size)
{
	return 0x1a91c000 + offset;
}

void vlapic_mmio_write(struct vcpu *v, uint32_t offset, unsigned size, uint64_t value)
{
	lapic_written = (uint64_t)offset << 32 | value;
}

/* --- native execution --- */

struct native {
	uint64_t gpr[GPR_COUNT]; /* RSP and RBP are not loaded */
	uint64_t flags;
};

extern const uint8_t native_begin[], native_middle[], native_end[];
asm(".pushsection .rodata\n"
    "native_begin:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rdi, %rbp\n"
    "pushq 128(%rbp); popfq\n"
    "mov (%rbp), %rax; mov 8(%rbp), %rcx; mov 16(%rbp), %rdx; mov 24(%rbp), %rbx\n"
    "mov 48(%rbp), %rsi; mov 56(%rbp), %rdi; mov 64(%rbp), %r8; mov 72(%rbp), %r9\n"
    "mov 80(%rbp), %r10; mov 88(%rbp), %r11; mov 96(%rbp), %r12; mov 104(%rbp), %r13\n"
    "mov 112(%rbp), %r14; mov 120(%rbp), %r15\n"
    "native_middle:\n"
    "mov %rax, (%rbp); mov %rcx, 8(%rbp); mov %rdx, 16(%rbp); mov %rbx, 24(%rbp)\n"
    "mov %rsi, 48(%rbp); mov %rdi, 56(%rbp); mov %r8, 64(%rbp); mov %r9, 72(%rbp)\n"
    "mov %r10, 80(%rbp); mov %r11, 88(%rbp); mov %r12, 96(%rbp); mov %r13, 104(%rbp)\n"
    "mov %r14, 112(%rbp); mov %r15, 120(%rbp)\n"
    "pushfq; popq 128(%rbp); cld\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n"
    "native_end:\n"
    ".popsection\n");

static void run_native(struct native *n, const uint8_t *insn, unsigned len)
{
	static uint8_t *page;
	size_t head = (size_t)(native_middle - native_begin), tail = (size_t)(native_end - native_middle);

	if (!page)
		page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
	memcpy(page, native_begin, head);
	memcpy(page + head, insn, len);
	memcpy(page + head + len, native_middle, tail);
	((void (*)(struct native *))(uintptr_t)page)(n);
}

/* --- the emulated side --- */

static struct vm_exit exit_at(uint64_t at, bool write)
{
	return (struct vm_exit){.kind = EXIT_NPF, .npf = {.gpa = gpa(at), .write = write}};
}

static void set_code(const uint8_t *insn, unsigned len)
{
	fake_poke(CODE, insn, len);
	fake_vcpu.rip = CODE;
}

static enum exit_action emulate(const uint8_t *insn, unsigned len, uint64_t at, bool write)
{
	struct vm_exit e = exit_at(at, write);
	enum exit_action act;

	set_code(insn, len);
	act = emulate_mmio(&fake_vcpu, &e);
	if (act == ACT_ADVANCE)
		assert_int_equal(e.insn_len, len);
	return act;
}

/* --- random instructions --- */

static uint64_t rng = 1;
static uint8_t buffer[DEVICE_SIZE];

struct template
{
	uint8_t escape, opcode; /* escape: 0 or 0x0f */
	int8_t group;           /* ModRM.reg, or -1: a register */
	bool byte;
	uint8_t imm;    /* bytes of the immediate; 4: by operand size */
	uint64_t flags; /* that the manual defines */
	bool bit_reg;
};

#define LOGIC (RFLAGS_STATUS & ~RFLAGS_AF)
#define FULL  RFLAGS_STATUS
#define BITS_ (RFLAGS_CF | RFLAGS_ZF)

/* clang-format off */
static const struct template templates[] = {
	{0, 0x88, -1, true, 0, FULL, false}, {0, 0x89, -1, false, 0, FULL, false},
	{0, 0x8a, -1, true, 0, FULL, false}, {0, 0x8b, -1, false, 0, FULL, false},
	{0, 0xc6, 0, true, 1, FULL, false}, {0, 0xc7, 0, false, 4, FULL, false},
	{0, 0x00, -1, true, 0, FULL, false}, {0, 0x01, -1, false, 0, FULL, false},
	{0, 0x02, -1, true, 0, FULL, false}, {0, 0x03, -1, false, 0, FULL, false},
	{0, 0x09, -1, false, 0, LOGIC, false}, {0, 0x0a, -1, true, 0, LOGIC, false},
	{0, 0x11, -1, false, 0, FULL, false}, {0, 0x13, -1, false, 0, FULL, false},
	{0, 0x19, -1, false, 0, FULL, false}, {0, 0x1a, -1, true, 0, FULL, false},
	{0, 0x20, -1, true, 0, LOGIC, false}, {0, 0x23, -1, false, 0, LOGIC, false},
	{0, 0x28, -1, true, 0, FULL, false}, {0, 0x2b, -1, false, 0, FULL, false},
	{0, 0x31, -1, false, 0, LOGIC, false}, {0, 0x32, -1, true, 0, LOGIC, false},
	{0, 0x38, -1, true, 0, FULL, false}, {0, 0x39, -1, false, 0, FULL, false},
	{0, 0x3b, -1, false, 0, FULL, false},
	{0, 0x80, 0, true, 1, FULL, false}, {0, 0x80, 1, true, 1, LOGIC, false}, {0, 0x80, 7, true, 1, FULL, false},
	{0, 0x81, 2, false, 4, FULL, false}, {0, 0x81, 3, false, 4, FULL, false}, {0, 0x81, 4, false, 4, LOGIC, false},
	{0, 0x83, 5, false, 1, FULL, false}, {0, 0x83, 6, false, 1, LOGIC, false}, {0, 0x83, 7, false, 1, FULL, false},
	{0, 0x84, -1, true, 0, LOGIC, false}, {0, 0x85, -1, false, 0, LOGIC, false},
	{0, 0xf6, 0, true, 1, LOGIC, false}, {0, 0xf7, 0, false, 4, LOGIC, false},
	{0, 0xf6, 2, true, 0, FULL, false}, {0, 0xf7, 2, false, 0, FULL, false},
	{0, 0xf6, 3, true, 0, FULL, false}, {0, 0xf7, 3, false, 0, FULL, false},
	{0, 0xfe, 0, true, 0, FULL, false}, {0, 0xff, 0, false, 0, FULL, false},
	{0, 0xfe, 1, true, 0, FULL, false}, {0, 0xff, 1, false, 0, FULL, false},
	{0, 0x86, -1, true, 0, FULL, false}, {0, 0x87, -1, false, 0, FULL, false},
	{0, 0x63, -1, false, 0, FULL, false},
	{0x0f, 0xb6, -1, false, 0, FULL, false}, {0x0f, 0xb7, -1, false, 0, FULL, false},
	{0x0f, 0xbe, -1, false, 0, FULL, false}, {0x0f, 0xbf, -1, false, 0, FULL, false},
	{0x0f, 0xb0, -1, true, 0, FULL, false}, {0x0f, 0xb1, -1, false, 0, FULL, false},
	{0x0f, 0xc0, -1, true, 0, FULL, false}, {0x0f, 0xc1, -1, false, 0, FULL, false},
	{0x0f, 0xa3, -1, false, 0, BITS_, true}, {0x0f, 0xab, -1, false, 0, BITS_, true},
	{0x0f, 0xb3, -1, false, 0, BITS_, true}, {0x0f, 0xbb, -1, false, 0, BITS_, true},
	{0x0f, 0xba, 4, false, 1, BITS_, false}, {0x0f, 0xba, 5, false, 1, BITS_, false},
	{0x0f, 0xba, 6, false, 1, BITS_, false}, {0x0f, 0xba, 7, false, 1, BITS_, false},
};
/* clang-format on */

static unsigned encode(const struct template *t, uint8_t *b, int8_t *disp)
{
	unsigned n = 0, size = 4;
	uint8_t rex = 0, reg;

	switch (test_random(&rng) % 4) {
	case 0:
		b[n++] = 0x66;
		size = 2;
		break;
	case 1:
		rex = 0x48;
		size = 8;
		break;
	case 2:
		rex = 0x44; /* R8 and up */
		break;
	default:
		break;
	}
	if (rex)
		b[n++] = rex;
	if (t->escape)
		b[n++] = t->escape;
	b[n++] = t->opcode;
	do
		reg = t->group >= 0 ? (uint8_t)t->group : test_random(&rng) & 7;
	while (t->group < 0 && !(rex & 4) && !(t->byte && !rex) && (reg == 4 || reg == 5 || reg == 7));
	b[n++] = 0x47 | (uint8_t)(reg << 3); /* [rdi + disp8] */
	*disp = t->bit_reg ? 0 : (int8_t)((test_random(&rng) & 0x3f) - 0x20);
	b[n++] = (uint8_t)*disp;
	for (unsigned i = 0; i < (t->imm == 4 ? (size == 2 ? 2 : 4) : t->imm); i++)
		b[n++] = (uint8_t)test_random(&rng);
	return n;
}

static void fill_state(struct native *n, bool small)
{
	for (unsigned i = 0; i < GPR_COUNT; i++) {
		n->gpr[i] = test_random(&rng);
		if (small)
			n->gpr[i] = (uint64_t)((int64_t)(n->gpr[i] % 8000) - 4000);
		else if (n->gpr[i] % 5 == 0)
			n->gpr[i] = (uint64_t)-1 >> (n->gpr[i] % 64);
	}
	n->flags = RFLAGS_FIXED | RFLAGS_IF | (test_random(&rng) & RFLAGS_STATUS);
	for (unsigned i = 0; i < DEVICE_SIZE; i++)
		buffer[i] = (uint8_t)test_random(&rng);
	memcpy(device, buffer, DEVICE_SIZE);
}

static void load_state(const struct native *n, uint64_t rdi)
{
	memcpy(fake_vcpu.gpr, n->gpr, sizeof(n->gpr));
	fake_vcpu.gpr[RDI] = rdi;
	fake_reg[VREG_RFLAGS] = n->flags;
}

static void compare(const uint8_t *b, unsigned len, const struct native *n, uint64_t flags)
{
	bool bad = memcmp(buffer, device, DEVICE_SIZE) || ((fake_reg[VREG_RFLAGS] ^ n->flags) & flags);

	for (unsigned i = 0; i < GPR_COUNT; i++) {
		if (i != RSP && i != RBP && i != RDI && n->gpr[i] != fake_vcpu.gpr[i])
			bad = true;
	}
	if (!bad)
		return;
	for (unsigned i = 0; i < len; i++)
		fprintf(stderr, "%02x ", b[i]);
	fprintf(stderr, "differs: flags %lx native %lx, rax %lx native %lx, memory %s\n",
		fake_reg[VREG_RFLAGS], n->flags, fake_vcpu.gpr[RAX], n->gpr[RAX],
		memcmp(buffer, device, DEVICE_SIZE) ? "differs" : "same");
	fail();
}

/* Tables for the short way to the code, one 1 GiB page: without them every instruction is decoded anew. */
static void map_code(void)
{
	fake_poke64(TABLES, (TABLES + PAGE_SIZE) | 7);
	fake_poke64(TABLES + PAGE_SIZE, 0x80 | 7);
	fake_reg[VREG_CR3] = TABLES;
}

static void run_templates(void)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		const struct template *t = &templates[round % (sizeof(templates) / sizeof(templates[0]))];
		struct native n;
		uint8_t b[INSN_MAX];
		unsigned len;
		int8_t disp;

		fill_state(&n, t->bit_reg);
		len = encode(t, b, &disp);
		disp =
		    (int8_t)b[len - 1 - (len - 1 - (unsigned)((uint8_t *)memchr(b, t->opcode, len) - b) - 2)];
		if (t->bit_reg)
			disp = 0;
		n.gpr[RDI] = (uint64_t)(buffer + MIDDLE);
		load_state(&n, DEVICE + MIDDLE);
		fake_forget();
		/* For half of them the exit gives the address, as the hardware would. */
		if (emulate(b, len, DEVICE + MIDDLE + (uint64_t)(int64_t)disp, test_random(&rng) & 1) !=
		    ACT_ADVANCE) {
			fprintf(stderr, "%s %d\n", fake_crash, fake_raised.vector);
			fail();
		}
		run_native(&n, b, len);
		compare(b, len, &n, t->flags);
	}
}

static void test_native(void **state)
{
	fake_vcpu_new();
	run_templates();
}

/* The same where instructions are remembered by their bytes: other bytes at the same place are another. */
static void test_known(void **state)
{
	static const uint8_t store_eax[] = {0x89, 0x07}, store_edx[] = {0x89, 0x17};

	fake_vcpu_new();
	map_code();
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *insn = i < 2 ? store_eax : store_edx;

		fake_vcpu.gpr[RAX] = 0xa0 + i;
		fake_vcpu.gpr[RDX] = 0xd0 + i;
		fake_vcpu.gpr[RDI] = DEVICE;
		assert_int_equal(emulate(insn, 2, DEVICE, true), ACT_ADVANCE);
		assert_int_equal(device[0], i < 2 ? 0xa0 + i : 0xd0 + i);
	}
	run_templates();
}

static void test_strings(void **state)
{
	static const uint8_t ops_[] = {0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad};

	fake_vcpu_new();
	for (unsigned round = 0; round < 3000; round++) {
		uint8_t b[4];
		unsigned len = 0, kind = test_random(&rng) % 3;
		struct native n;

		fill_state(&n, false);
		if (test_random(&rng) & 1)
			b[len++] = 0xf3;
		if (kind)
			b[len++] = kind == 1 ? 0x66 : 0x48;
		b[len++] = ops_[round % 6];
		n.gpr[RCX] = test_random(&rng) % 40;
		n.gpr[RDI] = (uint64_t)(buffer + MIDDLE);
		n.gpr[RSI] = (uint64_t)(buffer + MIDDLE - 0x200);
		if (test_random(&rng) & 1)
			n.flags |= RFLAGS_DF;
		load_state(&n, DEVICE + MIDDLE);
		fake_vcpu.gpr[RSI] = DEVICE + MIDDLE - 0x200;
		if (b[0] == 0xf3 && !n.gpr[RCX])
			continue; /* makes no access: no exit */
		assert_int_equal(
		    emulate(b, len, DEVICE + MIDDLE - (b[len - 1] < 0xaa || b[len - 1] > 0xab ? 0x200 : 0),
			    false),
		    ACT_ADVANCE);
		run_native(&n, b, len);
		assert_int_equal(n.gpr[RDI] - (uint64_t)buffer, fake_vcpu.gpr[RDI] - DEVICE);
		assert_int_equal(n.gpr[RSI] - (uint64_t)buffer, fake_vcpu.gpr[RSI] - DEVICE);
		n.gpr[RSI] = fake_vcpu.gpr[RSI];
		compare(b, len, &n, RFLAGS_STATUS | RFLAGS_DF);
	}
}

static void test_repeat_bound(void **state)
{
	static const uint8_t rep_stosd[] = {0xf3, 0xab};

	fake_vcpu_new();
	fake_vcpu.gpr[RCX] = 1000000;
	fake_vcpu.gpr[RDI] = DEVICE;
	writes = 0;
	assert_int_equal(emulate(rep_stosd, 2, DEVICE, true), ACT_RESUME);
	assert_true(writes > 0 && writes <= 4096);
	assert_int_equal(fake_vcpu.gpr[RCX], 1000000 - writes);
	assert_int_equal(fake_vcpu.gpr[RDI], DEVICE + 4 * writes);
	assert_int_equal(fake_vcpu.rip, CODE);
}

static void test_widths(void **state)
{
	static const uint8_t mov_rax[] = {0x48, 0x8b, 0x07};
	static const uint8_t mov_al[] = {0x8a, 0x07};

	fake_vcpu_new();
	fake_vcpu.gpr[RDI] = DEVICE;
	reads = 0;
	assert_int_equal(emulate(mov_rax, 3, DEVICE, false), ACT_ADVANCE);
	assert_int_equal(reads, 1);
	assert_int_equal(last_size, 8);
	assert_int_equal(emulate(mov_al, 2, DEVICE, false), ACT_ADVANCE);
	assert_int_equal(last_size, 1);
}

static void test_lapic(void **state)
{
	static const uint8_t mov_eoi[] = {0xc7, 0x07, 0x11, 0x22, 0x33, 0x44};
	static const uint8_t mov_eax[] = {0x8b, 0x07};

	fake_vcpu_new();
	fake_vcpu.lapic.base = 0xfee00000 | APIC_BASE_ENABLE;
	fake_vcpu.gpr[RDI] = 0xfee000b0;
	assert_int_equal(emulate(mov_eoi, 6, 0xfee000b0, true), ACT_ADVANCE);
	assert_int_equal(lapic_written, 0xb0ULL << 32 | 0x44332211);
	assert_int_equal(emulate(mov_eax, 2, 0xfee000b0, false), ACT_ADVANCE);
	assert_int_equal(fake_vcpu.gpr[RAX], 0x1a91c0b0);
}

static void test_rom(void **state)
{
	static const uint8_t mov_store[] = {0x48, 0x89, 0x07};
	static const uint8_t or_store[] = {0x48, 0x09, 0x07};

	fake_vcpu_new();
	fake_poke64(GUEST_ROM_BASE, 0x1111);
	fake_vcpu.gpr[RDI] = GUEST_ROM_BASE;
	fake_vcpu.gpr[RAX] = 0x2222;
	assert_int_equal(emulate(mov_store, 3, GUEST_ROM_BASE, true), ACT_ADVANCE);
	assert_int_equal(emulate(or_store, 3, GUEST_ROM_BASE, true), ACT_ADVANCE);
	assert_int_equal(fake_peek64(GUEST_ROM_BASE), 0x1111);
	assert_string_equal(fake_crash, "");
}

/* 16-bit code: ES with a base, and an offset that the segment's limit cuts. */
static void test_segments(void **state)
{
	static const uint8_t mov_es[] = {0x26, 0x8a, 0x05}; /* mov al, es:[di] */
	static const uint8_t mov_word[] = {0x26, 0x8b, 0x05};
	static const uint8_t mov_eax[] = {0x8b, 0x07}; /* mov eax, [rdi] */

	fake_vcpu_new();
	fake_mode = MODE_REAL;
	fake_seg[SEG_CS] = (struct vseg_desc){CODE >> 4, 0xffff, 0, 0};
	fake_seg[SEG_CS].base = 0;
	fake_seg[SEG_CS].limit = UINT32_MAX;
	fake_seg[SEG_ES] = (struct vseg_desc){0xb800, 0xffff, 0, 0xb8000};
	fake_vcpu.gpr[RDI] = 0x12340010;
	assert_int_equal(emulate(mov_es, 3, 0xb8010, false), ACT_ADVANCE);
	assert_int_equal(fake_vcpu.gpr[RAX] & 0xff, 0xff);
	fake_vcpu.gpr[RDI] = 0xffff;
	assert_int_equal(emulate(mov_word, 3, 0xc7fff, false), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_GP);
	/* Not canonical in 64-bit mode. */
	fake_mode = MODE_LONG;
	fake_vcpu.gpr[RDI] = 1UL << 50;
	assert_int_equal(emulate(mov_eax, 2, DEVICE, false), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_GP);
}

static void test_refusals(void **state)
{
	static const uint8_t movdqa[] = {0x66, 0x0f, 0x6f, 0x07};
	static const uint8_t mov_eax[] = {0x8b, 0x07};
	static const uint8_t add_reg[] = {0x01, 0xc0};

	fake_vcpu_new();
	fake_vcpu.gpr[RDI] = DEVICE;
	assert_int_equal(emulate(movdqa, 4, DEVICE, false), ACT_STOPPED);
	assert_non_null(strstr(fake_crash, "66 0f 6f 07"));
	fake_forget();
	assert_int_equal(emulate(add_reg, 2, DEVICE, false), ACT_STOPPED);
	/* An exit that the instruction does not explain: a stack or descriptor table in nowhere. */
	fake_forget();
	assert_int_equal(emulate(mov_eax, 2, DEVICE + 0x5008, false), ACT_STOPPED);
	assert_non_null(strstr(fake_crash, "no such access"));
}

static void test_string_io(void **state)
{
	static const uint8_t rep_insb[] = {0xf3, 0x6c}, rep_outsb[] = {0xf3, 0x6e}, insw[] = {0x66, 0x6d};
	struct vm_exit e = {.kind = EXIT_IO,
			    .io = {.port = 0x60, .size = 1, .in = true, .string = true, .rep = true}};

	fake_vcpu_new();
	set_code(rep_insb, 2);
	port_in = 5;
	fake_vcpu.gpr[RDI] = 0x20000;
	fake_vcpu.gpr[RCX] = 8;
	assert_int_equal(emulate_string_io(&fake_vcpu, &e), ACT_ADVANCE);
	assert_int_equal(fake_peek64(0x20000), 0x0c0b0a0908070605);
	assert_int_equal(fake_vcpu.gpr[RCX], 0);
	assert_int_equal(fake_vcpu.gpr[RDI], 0x20008);
	assert_int_equal(e.insn_len, 2);
	/* Outwards, more than one exit does. */
	e.io.in = false;
	set_code(rep_outsb, 2);
	fake_vcpu.gpr[RSI] = 0x20000;
	fake_vcpu.gpr[RCX] = 1000;
	port_count = 0;
	while (emulate_string_io(&fake_vcpu, &e) == ACT_RESUME)
		assert_true(port_count < 1000);
	assert_int_equal(port_count, 1000);
	assert_int_equal(fake_vcpu.gpr[RSI], 0x20000 + 1000);
	/* Backwards, without REP. */
	e.io = (typeof(e.io)){.port = 0x60, .size = 2, .in = true, .string = true};
	set_code(insw, 2);
	fake_reg[VREG_RFLAGS] |= RFLAGS_DF;
	fake_vcpu.gpr[RDI] = 0x20100;
	assert_int_equal(emulate_string_io(&fake_vcpu, &e), ACT_ADVANCE);
	assert_int_equal(fake_vcpu.gpr[RDI], 0x200fe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_native),       cmocka_unit_test(test_strings),
	    cmocka_unit_test(test_repeat_bound), cmocka_unit_test(test_widths),
	    cmocka_unit_test(test_lapic),        cmocka_unit_test(test_rom),
	    cmocka_unit_test(test_segments),     cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_string_io),    cmocka_unit_test(test_known),
	};

	return cmocka_run_group_tests_name("emulate", tests, NULL, NULL);
}
