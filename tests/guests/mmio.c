/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that isn't RAM: device registers by each kind of instruction, compared with the same on RAM; stacks in it and
 * operands that only begin or end in it; ROM, and addresses that nobody has.
 */
#include "hv/x86/apic.h"
#include "tests/guests/lib/guest.h"

#define ABSENT 0xd0000000UL
#define ROM    0xe0000UL
#define REG(r) ((volatile uint32_t *)(PLATFORM_LAPIC_BASE + (r)))

static void check_absent(void)
{
	volatile uint8_t *b = (volatile uint8_t *)ABSENT;

	EXPECT("mmio/absent-8", *b == 0xff);
	EXPECT("mmio/absent-16", *(volatile uint16_t *)b == 0xffff);
	EXPECT("mmio/absent-32", *(volatile uint32_t *)b == 0xffffffff);
	EXPECT("mmio/absent-64", *(volatile uint64_t *)b == UINT64_MAX);
	*(volatile uint64_t *)b = 0;
	EXPECT("mmio/absent-after-write", *(volatile uint64_t *)b == UINT64_MAX);
	EXPECT("mmio/vga-hole", *(volatile uint32_t *)0xb8000UL == 0xffffffff);
}

static void check_rom(void)
{
	volatile uint32_t *p = (volatile uint32_t *)ROM;
	uint32_t before = *p;

	*p = ~before;
	EXPECT("mmio/rom-keeps", *p == before);
	*p += 1;
	EXPECT("mmio/rom-keeps-add", *p == before);
	EXPECT("mmio/rom-rsdp", __builtin_memcmp((void *)ROM, "RSD PTR ", 8) == 0);
}

/* --- each kind of instruction: on a device register, and on RAM with the same contents --- */

#define ALL    RFLAGS_STATUS
#define LOGIC  (RFLAGS_STATUS & ~RFLAGS_AF)
#define CARRY  RFLAGS_CF
#define MULS   (RFLAGS_CF | RFLAGS_OF)
#define SHIFT  (RFLAGS_STATUS & ~(RFLAGS_AF | RFLAGS_OF))
#define ROTATE (RFLAGS_STATUS & ~RFLAGS_OF)

/* RDI and RSI point to the operand; the flags are those that the manual defines. */
/* clang-format off */
#define FORMS(X) \
	X(mov_load8, "mov (%rdi), %al", ALL) X(mov_load16, "mov (%rdi), %ax", ALL) \
	X(mov_load32, "mov (%rdi), %eax", ALL) X(mov_load64, "mov (%rdi), %rax", ALL) \
	X(mov_load_high, "mov 1(%rdi), %ch", ALL) X(mov_load_split, "mov 1(%rdi), %eax", ALL) \
	X(mov_store, "mov %edx, (%rdi)", ALL) X(mov_imm, "movl $0x1f0, (%rdi)", ALL) \
	X(mov_sib, "mov %edx, -40(%rdi,%rcx,8)", ALL) X(mov_addr32, "mov (%edi), %eax", ALL) \
	X(mov_moffs, ".byte 0xa1; .quad 0xfee00380; mov (%rdi), %eax", ALL) \
	X(movbe_load, "movbe (%rdi), %eax", ALL) X(movbe_store, "movbe %edx, (%rdi)", ALL) X(movnti, "movnti %edx, (%rdi)", ALL) \
	X(movzx8, "movzbl (%rdi), %eax", ALL) X(movzx16, "movzwl (%rdi), %eax", ALL) \
	X(movsx8, "movsbq (%rdi), %rax", ALL) X(movsx16, "movswl (%rdi), %eax", ALL) X(movsxd, "movslq (%rdi), %rax", ALL) \
	X(cmov_taken, "cmovcl (%rdi), %eax", ALL) X(cmov_not_taken, "cmovncl (%rdi), %eax", ALL) \
	X(add_store, "add %edx, (%rdi)", ALL) X(add_load, "add (%rdi), %eax", ALL) X(add_imm, "addl $-3, (%rdi)", ALL) \
	X(adc_store, "adc %edx, (%rdi)", ALL) X(sub_store, "sub %edx, (%rdi)", ALL) X(sbb_load, "sbb (%rdi), %eax", ALL) \
	X(and_store, "and %edx, (%rdi)", LOGIC) X(or_imm, "orl $0x12345678, (%rdi)", LOGIC) X(xor_load, "xor (%rdi), %eax", LOGIC) \
	X(lock_xor, "lock xor %edx, (%rdi)", LOGIC) X(lock_inc, "lock incl (%rdi)", ALL) \
	X(cmp_store, "cmp %edx, (%rdi)", ALL) X(cmp_imm8, "cmpb $0x5a, (%rdi)", ALL) X(cmp_load, "cmp (%rdi), %rax", ALL) \
	X(test_reg, "test %edx, (%rdi)", LOGIC) X(test_imm, "testb $0x40, (%rdi)", LOGIC) \
	X(not, "notl (%rdi)", ALL) X(neg, "negl (%rdi)", ALL) X(inc, "incl (%rdi)", ALL) X(dec, "decl (%rdi)", ALL) \
	X(bt_reg, "btl %ecx, (%rdi)", CARRY) X(bts, "lock btsl $3, (%rdi)", CARRY) X(btr, "btrl %ecx, (%rdi)", CARRY) \
	X(btc, "btcl %ecx, (%rdi)", CARRY) X(bts_far, "mov $0x105, %eax; bts %eax, -32(%rdi)", CARRY) \
	X(xchg, "xchg %edx, (%rdi)", ALL) X(xadd, "lock xadd %edx, (%rdi)", ALL) \
	X(cmpxchg_other, "lock cmpxchg %edx, (%rdi)", ALL) X(cmpxchg_same, "mov (%rdi), %eax; cmpxchg %edx, (%rdi)", ALL) \
	X(shl, "shll $5, (%rdi)", SHIFT) X(sar, "sarl %cl, (%rdi)", SHIFT) X(rcr, "rcrl %cl, (%rdi)", ROTATE) \
	X(shld, "shld $7, %edx, (%rdi)", SHIFT) \
	X(mul, "mull (%rdi)", MULS) X(imul, "imul $-7, (%rdi), %eax", MULS) X(div, "xor %edx, %edx; divl (%rdi)", 0) \
	X(push, "push (%rdi); pop %rax", ALL) X(jmp, "lea 1f(%rip), %rax; mov %eax, (%rdi); jmp *(%rdi); 1:", ALL) \
	X(call, "lea 1f(%rip), %rax; mov %eax, (%rdi); call *(%rdi); 1: pop %rdx", ALL) \
	X(pop, "mov %rsp, %rbx; mov %rdi, %rsp; pop %rax; sub %rdi, %rsp; mov %rsp, %rdx; mov %rbx, %rsp", 0) \
	X(ret, "mov %rsp, %rbx; lea 1f(%rip), %rax; mov %eax, (%rdi); mov %rdi, %rsp; ret; 1: mov %rbx, %rsp", ALL) \
	X(lods, "lodsl", ALL) X(lodsb, "lodsb", ALL) X(stos, "mov %edx, %eax; stosl", ALL) \
	X(rep_movs, "mov $2, %ecx; lea buffer(%rip), %rdi; rep movsl; mov buffer(%rip), %rax", ALL) \
	X(repe_cmps, "lea buffer(%rip), %rdi; movl $0, (%rdi); repe cmpsb; mov %rcx, %rax", ALL) \
	X(repne_scas, "xor %eax, %eax; repne scasl; mov %rcx, %rax", ALL)
/* clang-format on */

static uint64_t buffer[4] asm("buffer") __attribute__((used));

#define STUB(name, text, flags)                                                                              \
	[[gnu::naked]] static void form_##name(void)                                                         \
	{                                                                                                    \
		asm(text "\n\tret");                                                                         \
	}
FORMS(STUB)

static const struct {
	const char *name;
	void (*fn)(void);
	uint64_t flags;
} forms[] = {
#define ROW(name, text, flags) {"mmio/" #name, form_##name, flags},
    FORMS(ROW)};

struct result {
	uint64_t rax, rcx, rdx, flags;
	uint32_t word;
};

/* One form on the 32-bit word at p, of which 12 bytes follow that read as 0. */
static struct result run_form(void (*fn)(void), volatile uint32_t *p, uint32_t word)
{
	register uint64_t flags asm("r8") = RFLAGS_FIXED | RFLAGS_CF;
	struct result r = {.rax = 0x1122334455667700, .rcx = 5, .rdx = 0xf0f00ff1};
	volatile uint32_t *src = p, *dst = p;

	*p = word;
	asm volatile("push %[flags]\n\tpopfq\n\tcall *%[fn]\n\tpushfq\n\tpop %[flags]"
		     : "+a"(r.rax), "+c"(r.rcx), "+d"(r.rdx), "+S"(src), "+D"(dst), [flags] "+r"(flags)
		     : [fn] "r"(fn)
		     : "rbx", "memory", "cc");
	r.flags = flags;
	r.word = *p;
	return r;
}

/* The timer's initial count holds 32 bits, whatever is written; masked, it does nothing. */
static void check_forms(void)
{
	static volatile uint32_t ram[0x100] __attribute__((aligned(16)));
	volatile uint32_t *reg = REG(LAPIC_TIMER_INITIAL), *copy = &ram[0x80];
	static const uint32_t words[] = {0x1f7, 0x8765435a, 0xffffffff};

	*REG(LAPIC_LVT_TIMER) = LAPIC_LVT_MASKED;
	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		bool same = true;

		for (unsigned k = 0; k < 3; k++) {
			struct result on_ram = run_form(forms[i].fn, copy, words[k]);
			struct result on_device = run_form(forms[i].fn, reg, words[k]);

			same = same && on_ram.rax == on_device.rax && on_ram.rcx == on_device.rcx &&
			       on_ram.rdx == on_device.rdx && on_ram.word == on_device.word &&
			       !((on_ram.flags ^ on_device.flags) & forms[i].flags);
		}
		guest_expect(forms[i].name, same, "differs from RAM");
	}
	*reg = 0;
}

static void divide_by_device(uint64_t at)
{
	asm volatile("divl (%0)" ::"r"(at) : "rax", "rdx", "cc");
}

static void check_wide(void)
{
	uint64_t low = 1, high = 2;
	bool same;

	guest_expect_equal("mmio/divide-by-zero", guest_catch(divide_by_device, (uint64_t)REG(LAPIC_EOI)), 0);
	asm volatile("lock cmpxchg8b (%[at])"
		     : "+a"(low), "+d"(high), "=@ccz"(same)
		     : [at] "r"(ABSENT), "b"(0), "c"(0)
		     : "memory");
	EXPECT("mmio/cmpxchg8b-other", !same && low == UINT32_MAX && high == UINT32_MAX);
	asm volatile("lock cmpxchg8b (%[at])"
		     : "+a"(low), "+d"(high), "=@ccz"(same)
		     : [at] "r"(ABSENT), "b"(0), "c"(0)
		     : "memory");
	EXPECT("mmio/cmpxchg8b-same", same);
	asm volatile("lock cmpxchg16b (%[at])"
		     : "+a"(low), "+d"(high), "=@ccz"(same)
		     : [at] "r"(ABSENT), "b"(0), "c"(0)
		     : "memory");
	EXPECT("mmio/cmpxchg16b", !same && low == UINT64_MAX && high == UINT64_MAX);
}

/* --- operands over the ends of RAM and of the local APIC's page --- */

#define RAM_END 0xa0000UL

static void check_split(void)
{
	volatile uint8_t *ram = (volatile uint8_t *)RAM_END - 16;
	uint8_t saved[16];
	bool right = true;

	for (unsigned i = 0; i < 16; i++) {
		saved[i] = ram[i];
		ram[i] = (uint8_t)(0x10 + i);
	}
	for (unsigned n = 1; n < 8; n++) {
		volatile uint64_t *p = (volatile uint64_t *)(RAM_END - n);
		uint64_t want = UINT64_MAX << (8 * n);

		for (unsigned i = 0; i < n; i++)
			want |= (uint64_t)(0x20 - n + i) << (8 * i);
		right = right && *p == want;
		*p = ~want;
		for (unsigned i = 0; i < n; i++) {
			right = right && ram[16 - n + i] == (uint8_t) ~(0x20 - n + i);
			ram[16 - n + i] = (uint8_t)(0x20 - n + i);
		}
	}
	EXPECT("mmio/split-ram-device", right);
	asm volatile("addl $0x01010101, (%0)" ::"r"(RAM_END - 2) : "memory", "cc");
	EXPECT("mmio/split-modify", ram[14] == 0x1f && ram[15] == 0x20 && ram[13] == 0x1d);
	for (unsigned i = 0; i < 16; i++)
		ram[i] = saved[i];
	guest_expect_equal("mmio/split-into-lapic", *(volatile uint64_t *)(PLATFORM_LAPIC_BASE - 4),
			   UINT32_MAX);
	guest_expect_equal("mmio/split-out-of-lapic", *(volatile uint64_t *)(PLATFORM_LAPIC_BASE + 0xffc),
			   (uint64_t)UINT32_MAX << 32);
	*REG(LAPIC_ESR) = 0;
}

/* --- the stack where nobody is, and over the end of RAM --- */

static void check_stack(void)
{
	volatile uint64_t *last = (volatile uint64_t *)(RAM_END - 8);
	uint64_t saved = *last, rsp, value;

	asm volatile(
	    "mov %%rsp, %%rbx\n\tmov %[at], %%rsp\n\tpush %[at]\n\tpushq $5\n\tpushfq\n\tpop %[value]\n\t"
	    "mov %%rsp, %[rsp]\n\tmov %%rbx, %%rsp"
	    : [rsp] "=&r"(rsp), [value] "=&r"(value)
	    : [at] "r"(ABSENT + 0x1000)
	    : "rbx", "memory");
	EXPECT("mmio/stack-absent", rsp == ABSENT + 0xff0 && value == UINT64_MAX);
	asm volatile(
	    "mov %%rsp, %%rbx\n\tmov %[at], %%rsp\n\tcall 1f\n1:\tmov %%rsp, %[rsp]\n\tmov %%rbx, %%rsp"
	    : [rsp] "=&r"(rsp)
	    : [at] "r"(ABSENT + 0x1004)
	    : "rbx", "memory");
	guest_expect_equal("mmio/call-split", rsp, ABSENT + 0xffc);
	*last = 0;
	asm volatile("mov %%rsp, %%rbx\n\tmov %[at], %%rsp\n\tpush %[value]\n\tmov %%rbx, %%rsp" ::[at] "r"(
			 RAM_END + 4),
		     [value] "r"(0x1122334455667788)
		     : "rbx", "memory");
	guest_expect_equal("mmio/push-split", *last, 0x5566778800000000);
	*last = saved;
}

static void check_string(void)
{
	static uint32_t buf[8];
	void *dst = (void *)ABSENT, *src;
	uint64_t n = 16;

	asm volatile("rep stosl" : "+D"(dst), "+c"(n) : "a"(0) : "memory");
	EXPECT("mmio/rep-stos", n == 0 && (uint64_t)dst == ABSENT + 64);
	src = (void *)ABSENT;
	dst = buf;
	n = 8;
	asm volatile("rep movsl" : "+S"(src), "+D"(dst), "+c"(n)::"memory");
	EXPECT("mmio/rep-movs-from", n == 0 && buf[0] == 0xffffffff && buf[7] == 0xffffffff);
}

void test_main(void)
{
	check_absent();
	check_rom();
	check_forms();
	check_wide();
	check_split();
	check_stack();
	check_string();
}
