/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The emulator on a fake device, case by case: pages crossed, faults before effects, repetitions and their bound,
 * segments, the stack, LOCK, alignment, ROM, string I/O and refusals. What instructions compute is
 * test_emulate_native.c's.
 */
#include "fake_vcpu.h"
#include "hv/decode.h"
#include "hv/emulate.h"
#include "hv/io_bus.h"

#define DEVICE      0xd0000000UL
#define DEVICE_SIZE 0x3000UL
#define CODE        0x10000UL
#define DATA        0x20000UL
#define TABLES      0x30000UL
#define VIRTUAL     0x40000000UL /* where test_pages maps pages of its own */
#define PTE         7UL          /* present, writable, user */

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

/* --- one exit --- */

static struct vm_exit exit_now;

static enum exit_action emulate(const uint8_t *insn, unsigned len, uint64_t at, bool write)
{
	enum exit_action act;

	exit_now = (struct vm_exit){.kind = EXIT_NPF, .npf = {.gpa = gpa(at), .write = write}};
	fake_poke(CODE, insn, len);
	fake_vcpu.rip = CODE;
	fake_vcpu.exits[EXIT_NPF]++;
	act = emulate_mmio(&fake_vcpu, &exit_now);
	if (act == ACT_ADVANCE)
		assert_int_equal(exit_now.insn_len, len);
	return act;
}

#define EMULATE(at, write, ...)                                                                              \
	({                                                                                                   \
		static const uint8_t bytes[] = {__VA_ARGS__};                                                \
		emulate(bytes, sizeof(bytes), at, write);                                                    \
	})

static uint64_t *gpr(unsigned n)
{
	return n == RSP ? &fake_reg[VREG_RSP] : &fake_vcpu.gpr[n];
}

static int setup(void **state)
{
	fake_vcpu_new();
	reads = writes = 0;
	memset(device, 0, sizeof(device));
	*gpr(RDI) = DEVICE;
	return 0;
}

/* --- the ways to an instruction and its device --- */

/* So that instructions are remembered. */
static void map_code(void)
{
	fake_poke64(TABLES, (TABLES + PAGE_SIZE) | PTE);
	fake_poke64(TABLES + PAGE_SIZE, 0x80 | PTE); /* one page of 1 GiB */
	fake_reg[VREG_CR3] = TABLES;
}

/* Where instructions are remembered by their bytes: other bytes at the same place are another. */
static void test_known(void **state)
{
	map_code();
	for (unsigned i = 0; i < 4; i++) {
		*gpr(RAX) = 0xa0 + i;
		*gpr(RDX) = 0xd0 + i;
		if (i < 2)
			assert_int_equal(EMULATE(DEVICE, true, 0x89, 0x07), ACT_ADVANCE); /* mov [rdi], eax */
		else
			assert_int_equal(EMULATE(DEVICE, true, 0x89, 0x17), ACT_ADVANCE); /* mov [rdi], edx */
		assert_int_equal(device[0], i < 2 ? 0xa0 + i : 0xd0 + i);
	}
	/* Other tables lead to other bytes. */
	fake_poke64(TABLES + PAGE_SIZE, 0);
	fake_poke64(TABLES + PAGE_SIZE, (TABLES + 2 * PAGE_SIZE) | PTE);
	fake_poke64(TABLES + 2 * PAGE_SIZE, (MIB(2)) | 0x80 | PTE);
	fake_poke(MIB(2) + CODE, "\xc7\x07\x44\x33\x22\x11", 6); /* mov dword [rdi], 0x11223344 */
	exit_now = (struct vm_exit){.kind = EXIT_NPF, .npf = {.gpa = gpa(DEVICE), .write = true}};
	assert_int_equal(emulate_mmio(&fake_vcpu, &exit_now), ACT_ADVANCE);
	assert_int_equal(exit_now.insn_len, 6);
	assert_int_equal(device[3], 0x11);
}

/* Each twice, so that it is known the second time. */
static void test_known_widths(void **state)
{
	uint64_t stored;

	map_code();
	for (unsigned i = 0; i < 2; i++) {
		*gpr(RAX) = 0x1122334455667788 + i;
		assert_int_equal(EMULATE(DEVICE + 8, true, 0x48, 0x89, 0x47, 0x08),
				 ACT_ADVANCE); /* mov [rdi+8], rax */
		assert_int_equal(last_size, 8);
		memcpy(&stored, &device[8], sizeof(stored));
		assert_int_equal(stored, *gpr(RAX));
		assert_int_equal(EMULATE(DEVICE + 8, false, 0x48, 0x8b, 0x4f, 0x08),
				 ACT_ADVANCE); /* mov rcx, [rdi+8] */
		assert_int_equal(last_size, 8);
		assert_int_equal(*gpr(RCX), *gpr(RAX));
		assert_int_equal(EMULATE(DEVICE + 8, false, 0x8b, 0x4f, 0x08),
				 ACT_ADVANCE); /* mov ecx, [rdi+8] */
		assert_int_equal(last_size, 4);
		assert_int_equal(*gpr(RCX), (uint32_t)*gpr(RAX));
		assert_int_equal(EMULATE(DEVICE + 4, false, 0x48, 0x8b, 0x57, 0x04),
				 ACT_ADVANCE); /* across two */
		assert_int_equal(*gpr(RDX) >> 32, (uint32_t)*gpr(RAX));
		/* mov qword [rdi], -2 */
		assert_int_equal(EMULATE(DEVICE, true, 0x48, 0xc7, 0x07, 0xfe, 0xff, 0xff, 0xff),
				 ACT_ADVANCE);
		memcpy(&stored, device, sizeof(stored));
		assert_int_equal(stored, (uint64_t)-2);
		assert_int_equal(EMULATE(DEVICE, true, 0xc7, 0x07, 1, 0, 0, 0),
				 ACT_ADVANCE); /* mov dword [rdi], 1 */
		memcpy(&stored, device, sizeof(stored));
		assert_int_equal(stored, 0xffffffff00000001);
	}
}

/* A range that was accessed lately takes a store at once, if it has all of it. */
static struct {
	uint64_t at, value;
	unsigned size;
} stored;

static void range_write(struct vdev *d, struct vcpu *v, uint64_t at, unsigned size, uint64_t value)
{
	stored.at = at;
	stored.value = value;
	stored.size = size;
}

static void test_recent(void **state)
{
	static struct io_range range = {.base = DEVICE + 8, .size = 12, .write = range_write};

	map_code();
	fake_vm.mmio.recent = &range;
	*gpr(RAX) = UINT64_MAX;
	for (unsigned i = 0; i < 2; i++) {
		memset(&stored, 0, sizeof(stored));
		writes = 0;
		assert_int_equal(EMULATE(DEVICE + 8, true, 0x66, 0x89, 0x47, 0x08),
				 ACT_ADVANCE); /* mov [rdi+8], ax */
		assert_int_equal(stored.at, DEVICE + 8);
		assert_int_equal(stored.size, 2);
		assert_int_equal(stored.value, UINT16_MAX);
		assert_int_equal(EMULATE(DEVICE + 16, true, 0x89, 0x47, 0x10),
				 ACT_ADVANCE); /* mov [rdi+16], eax */
		assert_int_equal(stored.at, DEVICE + 16);
		assert_int_equal(stored.value, UINT32_MAX);
		assert_int_equal(writes, 0);
		/* Beyond its end, in part; and beside it. */
		assert_int_equal(EMULATE(DEVICE + 16, true, 0x48, 0x89, 0x47, 0x10),
				 ACT_ADVANCE);                                    /* mov [rdi+16], rax */
		assert_int_equal(EMULATE(DEVICE, true, 0x89, 0x07), ACT_ADVANCE); /* mov [rdi], eax */
		assert_int_equal(writes, 2);
		assert_int_equal(stored.size, 4);
	}
	/* The local APIC's page is its own, wherever the guest has put it. */
	fake_vcpu.lapic.base = DEVICE | APIC_BASE_ENABLE;
	stored.size = 0;
	assert_int_equal(EMULATE(DEVICE + 16, true, 0x89, 0x47, 0x10), ACT_ADVANCE);
	assert_int_equal(lapic_written, 0x10UL << 32 | UINT32_MAX);
	assert_int_equal(stored.size, 0);
}

/* A known move that this exit is not of, by what its registers are. */
static void test_known_does_not_fit(void **state)
{
	map_code();
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(EMULATE(DEVICE, true, 0x89, 0x07), ACT_ADVANCE); /* mov [rdi], eax */
	*gpr(RDI) = DEVICE + 4;
	*gpr(RAX) = 0x55;
	assert_int_equal(EMULATE(DEVICE, true, 0x89, 0x07),
			 ACT_ADVANCE); /* goes where the instruction says */
	assert_int_equal(device[0], 0);
	assert_int_equal(device[4], 0x55);
	writes = 0;
	*gpr(RDI) = DEVICE | 1UL << 60;
	assert_int_equal(EMULATE(DEVICE, true, 0x89, 0x07), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_GP);
	assert_int_equal(writes, 0);
}

static void test_widths(void **state)
{
	assert_int_equal(EMULATE(DEVICE, false, 0x48, 0x8b, 0x07), ACT_ADVANCE); /* mov rax, [rdi] */
	assert_int_equal(reads, 1);
	assert_int_equal(last_size, 8);
	assert_int_equal(EMULATE(DEVICE, false, 0x8a, 0x07), ACT_ADVANCE);
	assert_int_equal(last_size, 1);
	/* A destination is read only where the result needs it. */
	reads = 0;
	assert_int_equal(EMULATE(DEVICE, true, 0x0f, 0x94, 0x07), ACT_ADVANCE); /* sete [rdi] */
	assert_int_equal(reads, 0);
	assert_int_equal(EMULATE(DEVICE, false, 0x39, 0x07), ACT_ADVANCE); /* cmp [rdi], eax */
	assert_int_equal(writes, 1);
}

static void test_lapic(void **state)
{
	fake_vcpu.lapic.base = 0xfee00000 | APIC_BASE_ENABLE;
	*gpr(RDI) = 0xfee000b0;
	assert_int_equal(EMULATE(0xfee000b0, true, 0xc7, 0x07, 0x11, 0x22, 0x33, 0x44), ACT_ADVANCE);
	assert_int_equal(lapic_written, 0xb0ULL << 32 | 0x44332211);
	assert_int_equal(EMULATE(0xfee000b0, false, 0x8b, 0x07), ACT_ADVANCE);
	assert_int_equal(*gpr(RAX), 0x1a91c0b0);
}

static void test_rom(void **state)
{
	fake_poke64(GUEST_ROM_BASE, 0x1111);
	*gpr(RDI) = GUEST_ROM_BASE;
	*gpr(RAX) = 0x2222;
	assert_int_equal(EMULATE(GUEST_ROM_BASE, true, 0x48, 0x89, 0x07), ACT_ADVANCE); /* mov [rdi], rax */
	assert_int_equal(EMULATE(GUEST_ROM_BASE, true, 0x48, 0x09, 0x07), ACT_ADVANCE); /* or [rdi], rax */
	assert_int_equal(fake_peek64(GUEST_ROM_BASE), 0x1111);
	assert_string_equal(fake_crash, "");
}

/* --- pages --- */

static void map_page(unsigned n, uint64_t entry)
{
	fake_poke64(TABLES + 0x3000 + n * 8, entry);
}

/* Long mode; the first 2 MiB are mapped one to one, and pages from VIRTUAL on by map_page. */
static void paging_on(void)
{
	fake_poke64(TABLES, (TABLES + 0x1000) | PTE);
	fake_poke64(TABLES + 0x1000, (TABLES + 0x4000) | PTE);
	fake_poke64(TABLES + 0x1008, (TABLES + 0x2000) | PTE);
	fake_poke64(TABLES + 0x2000, (TABLES + 0x3000) | PTE);
	fake_poke64(TABLES + 0x4000, 0x80 | PTE);
	fake_reg[VREG_CR3] = TABLES;
	fake_reg[VREG_CR0] = CR0_PE | CR0_PG | CR0_WP;
	fake_reg[VREG_CR4] = CR4_PAE;
	fake_reg[VREG_EFER] = EFER_LME | EFER_LMA | EFER_NXE;
}

/* An operand whose halves lie in pages that are no neighbours. */
static void test_split(void **state)
{
	paging_on();
	map_page(0, (DEVICE + 0x2000) | PTE);
	map_page(1, DEVICE | PTE);
	*gpr(RDI) = VIRTUAL + 0xffd;
	*gpr(RAX) = 0x1122334455667788;
	for (unsigned second = 0; second < 2; second++) {
		memset(device, 0, sizeof(device));
		assert_int_equal(EMULATE(second ? DEVICE : DEVICE + 0x2ffd, true, 0x48, 0x89, 0x07),
				 ACT_ADVANCE);
		assert_memory_equal(device + 0x2ffd, "\x88\x77\x66", 3);
		assert_memory_equal(device, "\x55\x44\x33\x22\x11\0", 6);
	}
	/* xadd [rdi], ecx; half of it in RAM */
	map_page(1, DATA | PTE);
	fake_poke64(DATA, 0xffffffffff);
	*gpr(RCX) = 2;
	assert_int_equal(EMULATE(DEVICE + 0x2ffd, true, 0xf0, 0x0f, 0xc1, 0x0f), ACT_ADVANCE);
	assert_int_equal(*gpr(RCX), 0xff667788);
	assert_int_equal(fake_peek64(DATA), 0xffffffffff);
	assert_int_equal(device[0x2ffd], 0x8a);
}

/* A second page that can't be written: nothing has changed in the first, no device was touched. */
static void test_split_fault(void **state)
{
	static const uint64_t second[] = {0, DATA | 1 /* read-only */};

	paging_on();
	map_page(0, DEVICE | PTE);
	*gpr(RDI) = VIRTUAL + 0xffe;
	*gpr(RAX) = UINT64_MAX;
	for (unsigned i = 0; i < ARRAY_SIZE(second); i++) {
		map_page(1, second[i]);
		assert_int_equal(EMULATE(DEVICE + 0xffe, true, 0x01, 0x07), ACT_RESUME); /* add [rdi], eax */
		assert_int_equal(fake_raised.vector, EXC_PF);
		assert_int_equal(fake_raised.cr2, VIRTUAL + 0x1000);
		assert_int_equal(fake_raised.error, i ? PFERR_P | PFERR_W : PFERR_W);
		assert_int_equal(reads + writes, 0);
		assert_int_equal(fake_reg[VREG_RFLAGS], RFLAGS_FIXED);
	}
	/* PUSH [rdi]: a stack that isn't there; the device is not read. */
	fake_reg[VREG_RSP] = VIRTUAL + 0x3000;
	*gpr(RDI) = VIRTUAL;
	assert_int_equal(EMULATE(DEVICE, false, 0xff, 0x37), ACT_RESUME);
	assert_int_equal(fake_raised.cr2, VIRTUAL + 0x2ff8);
	assert_int_equal(reads, 0);
	assert_int_equal(fake_reg[VREG_RSP], VIRTUAL + 0x3000);
}

/* --- repetitions --- */

static void test_repeat_bound(void **state)
{
	*gpr(RCX) = 1000000;
	assert_int_equal(EMULATE(DEVICE, true, 0xf3, 0xab), ACT_REPEAT); /* rep stosd */
	assert_true(writes > 0 && writes <= 4096);
	assert_int_equal(*gpr(RCX), 1000000 - writes);
	assert_int_equal(*gpr(RDI), DEVICE + 4 * writes);
	/* A single step is trapped after each repetition. */
	fake_reg[VREG_RFLAGS] |= RFLAGS_TF;
	*gpr(RDI) = DEVICE;
	*gpr(RCX) = 2;
	assert_int_equal(EMULATE(DEVICE, true, 0xf3, 0xab), ACT_REPEAT);
	assert_int_equal(*gpr(RCX), 1);
	assert_int_equal(EMULATE(DEVICE, true, 0xf3, 0xab), ACT_ADVANCE);
	assert_int_equal(*gpr(RCX), 0);
}

/* REP MOVS into RAM that ends in a page which isn't there: exactly what was done is done. */
static void test_repeat_fault(void **state)
{
	paging_on();
	map_page(0, DEVICE | PTE);
	map_page(4, DATA | PTE);
	*gpr(RSI) = VIRTUAL + 0x100;
	*gpr(RDI) = VIRTUAL + 0x4ff0;
	*gpr(RCX) = 10;
	assert_int_equal(EMULATE(DEVICE + 0x100, false, 0xf3, 0xa5), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_PF);
	assert_int_equal(fake_raised.cr2, VIRTUAL + 0x5000);
	assert_int_equal(fake_raised.error, PFERR_W);
	assert_int_equal(reads, 4);
	assert_int_equal(*gpr(RCX), 6);
	assert_int_equal(*gpr(RSI), VIRTUAL + 0x110);
	assert_int_equal(*gpr(RDI), VIRTUAL + 0x5000);
}

/* Where device memory ends, the CPU goes on by itself. */
static void test_repeat_to_ram(void **state)
{
	paging_on();
	map_page(0, DEVICE | PTE);
	map_page(1, DATA | PTE);
	*gpr(RDI) = VIRTUAL + 0xff8;
	*gpr(RCX) = 100;
	*gpr(RAX) = UINT64_MAX;
	assert_int_equal(EMULATE(DEVICE + 0xff8, true, 0xf3, 0xab), ACT_REPEAT);
	assert_int_equal(writes, 2);
	assert_int_equal(*gpr(RCX), 98);
	assert_int_equal(fake_peek64(DATA), 0);
}

/* --- what is not allowed --- */

static void test_lock(void **state)
{
	assert_int_equal(EMULATE(DEVICE, true, 0xf0, 0x01, 0x07), ACT_ADVANCE); /* lock add [rdi], eax */
	assert_int_equal(EMULATE(DEVICE, true, 0xf0, 0x89, 0x07), ACT_RESUME);  /* mov */
	assert_int_equal(fake_raised.vector, EXC_UD);
	fake_forget();
	assert_int_equal(EMULATE(DEVICE, true, 0xf0, 0x39, 0x07), ACT_RESUME); /* cmp */
	assert_int_equal(fake_raised.vector, EXC_UD);
	fake_forget();
	assert_int_equal(EMULATE(DEVICE, true, 0xf0, 0x0f, 0xa3, 0x07), ACT_RESUME); /* bt */
	assert_int_equal(fake_raised.vector, EXC_UD);
}

static void test_alignment(void **state)
{
	*gpr(RDI) = DEVICE + 2;
	fake_cpl = 3;
	fake_reg[VREG_RFLAGS] |= RFLAGS_AC;
	assert_int_equal(EMULATE(DEVICE + 2, false, 0x8b, 0x07), ACT_ADVANCE);
	fake_reg[VREG_CR0] |= CR0_AM;
	assert_int_equal(EMULATE(DEVICE + 2, false, 0x8b, 0x07), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_AC);
	assert_true(fake_raised.has_error);
	assert_int_equal(EMULATE(DEVICE + 2, false, 0x66, 0x8b, 0x07), ACT_ADVANCE);
	fake_cpl = 0;
	assert_int_equal(EMULATE(DEVICE + 2, false, 0x8b, 0x07), ACT_ADVANCE);
	/* cmpxchg16b at any level */
	*gpr(RDI) = DEVICE + 8;
	assert_int_equal(EMULATE(DEVICE + 8, true, 0x48, 0x0f, 0xc7, 0x0f), ACT_RESUME);
	assert_int_equal(fake_raised.vector, EXC_GP);
}

/* Of 16 bits: what is stored is no wider, and a load leaves the rest of its register. */
static void test_16_bits(void **state)
{
	map_code();
	*gpr(RAX) = 0x1122334455667788;
	for (unsigned at = 1; at < 4; at++) {
		memset(device, 0xee, 8);
		*gpr(RDI) = DEVICE + at;
		assert_int_equal(EMULATE(DEVICE + at, true, 0x66, 0x89, 0x07), ACT_ADVANCE);
		assert_memory_equal(device + at - 1, "\xee\x88\x77\xee", 4);
		assert_int_equal(EMULATE(DEVICE + at, true, 0x66, 0xc7, 0x07, 0x34, 0x92), ACT_ADVANCE);
		assert_memory_equal(device + at - 1, "\xee\x34\x92\xee", 4);
		*gpr(RCX) = 0x1122334455667788;
		assert_int_equal(EMULATE(DEVICE + at, false, 0x66, 0x8b, 0x0f), ACT_ADVANCE);
		assert_int_equal(*gpr(RCX), 0x1122334455669234);
	}
}

static void test_refusals(void **state)
{
	/* Another vCPU may have written it since the exit; so not at once. */
	assert_int_equal(EMULATE(DEVICE, false, 0x01, 0xc0), ACT_RESUME);    /* add eax, eax */
	while (EMULATE(DEVICE, false, 0x66, 0x0f, 0x6f, 0x07) == ACT_RESUME) /* movdqa */
		assert_true(fake_vcpu.exits[EXIT_NPF] < 200);
	assert_non_null(strstr(fake_crash, "66 0f 6f 07"));
	/* An exit that the instruction does not explain, time and again. */
	fake_forget();
	while (EMULATE(DEVICE + 0x5008, false, 0x8b, 0x07) == ACT_RESUME)
		assert_true(fake_vcpu.exits[EXIT_NPF] < 200);
	assert_non_null(strstr(fake_crash, "no such access"));
	/* Between others, it may be that the guest changes its code or tables. */
	fake_forget();
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(EMULATE(DEVICE + 0x5008, false, 0x8b, 0x07), ACT_RESUME);
		assert_int_equal(EMULATE(DEVICE, false, 0x8b, 0x07), ACT_ADVANCE);
	}
	assert_string_equal(fake_crash, "");
}

/* --- segments --- */

static void set_mode(enum cpu_mode mode)
{
	fake_mode = mode;
	for (unsigned s = 0; s <= SEG_GS; s++)
		fake_seg[s] = (struct vseg_desc){.limit = UINT32_MAX,
						 .attr = (s == SEG_CS ? 0xb : 3) | SEG_ATTR_S | SEG_ATTR_P |
							 (mode == MODE_PROT32 ? SEG_ATTR_DB : 0)};
}

static void expect_fault(enum exit_action act, int vector)
{
	assert_int_equal(act, ACT_RESUME);
	assert_int_equal(fake_raised.vector, vector);
	fake_forget();
}

static void test_segments(void **state)
{
	set_mode(MODE_REAL);
	fake_seg[SEG_ES] = (struct vseg_desc){0xb800, 0xffff, 0, 0xb8000};
	*gpr(RDI) = 0x12340010;
	assert_int_equal(EMULATE(0xb8010, false, 0x26, 0x8a, 0x05), ACT_ADVANCE); /* mov al, es:[di] */
	assert_int_equal(*gpr(RAX) & 0xff, 0xff);
	*gpr(RDI) = 0xffff;
	expect_fault(EMULATE(0xc7fff, false, 0x26, 0x8b, 0x05), EXC_GP); /* mov ax: over the limit */
	/* Protected mode: read-only, execute-only, expand-down, unusable; and the stack's own fault. */
	set_mode(MODE_PROT32);
	*gpr(RDI) = *gpr(RBP) = DEVICE;
	assert_int_equal(EMULATE(DEVICE, true, 0x89, 0x07), ACT_ADVANCE);
	fake_seg[SEG_DS].attr &= ~2U;
	expect_fault(EMULATE(DEVICE, true, 0x89, 0x07), EXC_GP);
	assert_int_equal(EMULATE(DEVICE, false, 0x8b, 0x07), ACT_ADVANCE);
	expect_fault(EMULATE(DEVICE, true, 0x2e, 0x89, 0x07), EXC_GP); /* cs: */
	fake_seg[SEG_CS].attr &= ~2U;
	expect_fault(EMULATE(DEVICE, false, 0x2e, 0x8b, 0x07), EXC_GP);
	fake_seg[SEG_DS].attr |= 6; /* expand-down */
	fake_seg[SEG_DS].limit = DEVICE - 1;
	assert_int_equal(EMULATE(DEVICE, true, 0x89, 0x07), ACT_ADVANCE);
	fake_seg[SEG_DS].limit = DEVICE;
	expect_fault(EMULATE(DEVICE, true, 0x89, 0x07), EXC_GP);
	fake_seg[SEG_SS].attr |= SEG_ATTR_UNUSABLE;
	expect_fault(EMULATE(DEVICE, true, 0x89, 0x45, 0x00), EXC_SS); /* mov [ebp], eax */
	/* 64-bit mode: FS's base counts, others' don't; canonical addresses. */
	set_mode(MODE_LONG);
	fake_seg[SEG_DS].base = 0x1000;
	fake_msr[VMSR_FS_BASE] = DEVICE;
	*gpr(RDI) = 0x10;
	device[0x10] = 0x77;
	assert_int_equal(EMULATE(DEVICE + 0x10, false, 0x64, 0x8a, 0x07), ACT_ADVANCE); /* mov al, fs:[rdi] */
	assert_int_equal(*gpr(RAX) & 0xff, 0x77);
	*gpr(RDI) = *gpr(RBP) = 1UL << 50;
	expect_fault(EMULATE(DEVICE, false, 0x8b, 0x07), EXC_GP);
	expect_fault(EMULATE(DEVICE, false, 0x8b, 0x45, 0x00), EXC_SS);
}

/* --- the stack in device memory outside 64-bit mode --- */

static void test_stack_32(void **state)
{
	set_mode(MODE_PROT32);
	fake_seg[SEG_SS].base = DEVICE;
	*gpr(RSP) = 0x1000;
	*gpr(RAX) = 0x11223344;
	assert_int_equal(EMULATE(DEVICE + 0xffc, true, 0x50), ACT_ADVANCE); /* push eax */
	assert_int_equal(*gpr(RSP), 0xffc);
	assert_memory_equal(device + 0xffc, "\x44\x33\x22\x11", 4);
	assert_int_equal(EMULATE(DEVICE + 0xffc, false, 0x66, 0x5b), ACT_ADVANCE); /* pop bx */
	assert_int_equal(*gpr(RBX), 0x3344);
	assert_int_equal(*gpr(RSP), 0xffe);
	assert_int_equal(EMULATE(DEVICE + 0xffa, true, 0xe8, 0x10, 0, 0, 0), ACT_BRANCH); /* call $+0x15 */
	assert_int_equal(exit_now.branch_to, CODE + 0x15);
	assert_memory_equal(device + 0xffa, "\x05\x00\x01\x00", 4);
	assert_int_equal(EMULATE(DEVICE + 0xffa, false, 0xc2, 0x08, 0), ACT_BRANCH); /* ret 8 */
	assert_int_equal(exit_now.branch_to, CODE + 5);
	assert_int_equal(*gpr(RSP), 0x1006);
	/* A target outside CS: nothing was pushed. */
	fake_seg[SEG_CS].limit = CODE + 0x100;
	writes = 0;
	expect_fault(EMULATE(DEVICE + 0x1002, true, 0xe8, 0x00, 0x10, 0, 0), EXC_GP);
	assert_int_equal(writes, 0);
	assert_int_equal(*gpr(RSP), 0x1006);
	/* mov [edi], ss; push ss */
	fake_seg[SEG_SS].selector = 0x1234;
	assert_int_equal(EMULATE(DEVICE, true, 0x8c, 0x17), ACT_ADVANCE);
	assert_int_equal(last_size, 2);
	assert_int_equal(device[1], 0x12);
}

static void test_stack_16(void **state)
{
	set_mode(MODE_PROT16);
	fake_seg[SEG_SS].base = DEVICE;
	fake_seg[SEG_SS].limit = 0xffff;
	*gpr(RSP) = 0xabcd0002;
	*gpr(RBP) = 0x5678;
	assert_int_equal(EMULATE(DEVICE, true, 0x55), ACT_ADVANCE); /* push bp */
	assert_int_equal(*gpr(RSP), 0xabcd0000);
	assert_memory_equal(device, "\x78\x56", 2);
	/* SP wraps in 16 bits: to 0xfffe, outside the fake device but answered. */
	assert_int_equal(EMULATE(DEVICE + 0xfffe, true, 0x55), ACT_ADVANCE);
	assert_int_equal(*gpr(RSP), 0xabcdfffe);
	/* A word at 0xffff would end above the limit. */
	*gpr(RSP) = 1;
	expect_fault(EMULATE(DEVICE + 0xffff, true, 0x55), EXC_SS);
	/* leave: SP from BP, then BP from there */
	*gpr(RBP) = 0x10;
	device[0x10] = 0x99;
	assert_int_equal(EMULATE(DEVICE + 0x10, false, 0xc9), ACT_ADVANCE);
	assert_int_equal(*gpr(RSP), 0x12);
	assert_int_equal(*gpr(RBP), 0x99);
	/* pushf in 64-bit mode leaves RF and VM out */
	set_mode(MODE_LONG);
	*gpr(RSP) = DEVICE + 0x20;
	fake_reg[VREG_RFLAGS] = RFLAGS_FIXED | RFLAGS_RF | RFLAGS_CF;
	assert_int_equal(EMULATE(DEVICE + 0x18, true, 0x9c), ACT_ADVANCE);
	assert_memory_equal(device + 0x18, "\x03\0\0\0\0\0\0\0", 8);
}

static void test_string_io(void **state)
{
	struct vm_exit e = {.kind = EXIT_IO, .io = {.port = 0x60, .in = true, .string = true, .rep = true}};

	fake_poke(CODE, "\xf3\x6c", 2); /* rep insb */
	fake_vcpu.rip = CODE;
	port_in = 5;
	*gpr(RDI) = DATA;
	*gpr(RCX) = 8;
	assert_int_equal(emulate_string_io(&fake_vcpu, &e), ACT_ADVANCE);
	assert_int_equal(fake_peek64(DATA), 0x0c0b0a0908070605);
	assert_int_equal(*gpr(RCX), 0);
	assert_int_equal(*gpr(RDI), DATA + 8);
	assert_int_equal(e.insn_len, 2);
	/* Outwards, more than one exit does. */
	e.io.in = false;
	fake_poke(CODE, "\xf3\x6e", 2);
	*gpr(RSI) = DATA;
	*gpr(RCX) = 1000;
	port_count = 0;
	while (emulate_string_io(&fake_vcpu, &e) == ACT_REPEAT)
		assert_true(port_count < 1000);
	assert_int_equal(port_count, 1000);
	assert_int_equal(*gpr(RSI), DATA + 1000);
	/* Backwards, without REP. */
	e.io = (typeof(e.io)){.port = 0x60, .last = 1, .in = true, .string = true};
	fake_poke(CODE, "\x66\x6d", 2);
	fake_reg[VREG_RFLAGS] |= RFLAGS_DF;
	*gpr(RDI) = DATA + 0x100;
	assert_int_equal(emulate_string_io(&fake_vcpu, &e), ACT_ADVANCE);
	assert_int_equal(*gpr(RDI), DATA + 0xfe);
}

#define CASE(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_known),        CASE(test_known_widths),
	    CASE(test_recent),       CASE(test_known_does_not_fit),
	    CASE(test_widths),       CASE(test_lapic),
	    CASE(test_rom),          CASE(test_split),
	    CASE(test_split_fault),  CASE(test_repeat_bound),
	    CASE(test_repeat_fault), CASE(test_repeat_to_ram),
	    CASE(test_lock),         CASE(test_alignment),
	    CASE(test_16_bits),      CASE(test_refusals),
	    CASE(test_segments),     CASE(test_stack_32),
	    CASE(test_stack_16),     CASE(test_string_io),
	};

	return cmocka_run_group_tests_name("emulate", tests, NULL, NULL);
}
