/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults that end a guest, or would keep a CPU for ever, in the modes where the command line wants them. "df-MODE": a double
 * fault that has its handler, which says so and powers off. "tf-MODE": the third fault. MODE is 64, 32, 16
 * (protected) or real. "ac-loop", "db-loop": exceptions that their own delivery raises again.
 */
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/x86/desc.h"
#include "tests/guests/lib/guest.h"

#define CODE32       0x18
#define CODE16       0x20 /* base LOW */
#define USER_CODE32  0x2b
#define USER_DATA    0x33
#define TSS_SELECTOR 0x38
#define LOW          0x8000 /* where the code for real mode and 16-bit segments is copied to */
#define GATES        32

#define DR7_WRITE    1UL
#define DR7_8_BYTES  2UL

static uint64_t gdt[9] = {
    [1] = 0x00af9b000000ffff,
    [2] = 0x00cf93000000ffff,
    [CODE32 / 8] = 0x00cf9b000000ffff,
    [CODE16 / 8] = 0x00009b000000ffff | (uint64_t)LOW << 16,
    [USER_CODE32 / 8] = 0x00cffb000000ffff,
    [USER_DATA / 8] = 0x00cff3000000ffff,
};
static uint64_t idt32[GATES];
static struct tss64 tss;
static uint8_t ist[8192] __attribute__((aligned(16)));
[[gnu::used]] static uint8_t user_stack[4096] __attribute__((aligned(16)));

/* Operand of LIDT outside 64-bit mode. */
struct [[gnu::packed]] table32 {
	uint16_t limit;
	uint32_t base;
};
[[gnu::used]] static volatile struct table32 idtr32 = {0, 0};

/*
 * to_32 goes to protected mode without paging, and from there to `to`. The code between low and low_end runs at
 * LOW, where it has 16-bit segments. Each *_fault raises #GP by an INT beyond the IDT.
 */
extern const char low[], low_end[], fault_32[], fault_16[], fault_real[], enter_user[], taken_32[], spin_32[];
asm(".intel_syntax noprefix\n"
    ".code64\n"
    "to_32:\n"
    "	push 0x18\n"
    "	lea rax, [rip + 1f]\n"
    "	push rax\n"
    "	retfq\n"
    ".code32\n"
    "1:	mov ax, 0x10\n"
    "	mov ds, ax\n"
    "	mov es, ax\n"
    "	mov ss, ax\n"
    "	mov eax, cr0\n"
    "	and eax, 0x7fffffff\n"
    "	mov cr0, eax\n"
    "	mov ecx, 0xc0000080\n"
    "	rdmsr\n"
    "	and eax, 0xfffffeff\n"
    "	wrmsr\n"
    "	lidt [idtr32]\n"
    "	jmp edi\n"
    "fault_32:\n"
    "	int 0x80\n"
    "fault_16:\n"
    "	ljmp 0x20, 0\n"
    "fault_real:\n"
    "	ljmp 0x20, offset low_real - low\n"
    /* The handler of #DF: says so, and powers off. */
    "taken_32:\n"
    "	mov esi, offset taken_text\n"
    "	mov ecx, offset taken_text_end - taken_text\n"
    "	mov edx, 0x3f8\n"
    "	cld\n"
    "2:	outsb\n"
    "	loop 2b\n"
    "	mov edx, 0x604\n"
    "	mov eax, 0x3400\n"
    "	out dx, ax\n"
    "spin_32:\n"
    "	jmp spin_32\n"
    /* Ring 3, with alignment checks and an odd stack: its push raises #AC, whose delivery pushes too. */
    "enter_user:\n"
    "	mov eax, cr0\n"
    "	or eax, 0x40000\n"
    "	mov cr0, eax\n"
    "	push 0x33\n"
    "	lea eax, [user_stack + 4001]\n"
    "	push eax\n"
    "	push 0x40002\n"
    "	push 0x2b\n"
    "	push offset 3f\n"
    "	iretd\n"
    "3:	push eax\n"
    "	pop eax\n"
    "	jmp 3b\n"
    ".code16\n"
    "low:\n"
    "	int 0x80\n"
    "low_real:\n"
    "	mov eax, cr0\n"
    "	and al, 0xfe\n"
    "	mov cr0, eax\n"
    "	ljmp 0x800, offset 4f - low\n"
    "4:	xor ax, ax\n"
    "	mov ds, ax\n"
    "	mov ss, ax\n"
    "	mov sp, 0x7000\n"
    "	int 0x80\n"
    "low_taken:\n"
    "	mov si, offset low_text - low\n"
    "	mov cx, offset low_text_end - low_text\n"
    "	mov dx, 0x3f8\n"
    "	cld\n"
    "5:	cs outsb\n"
    "	loop 5b\n"
    "	mov dx, 0x604\n"
    "	mov ax, 0x3400\n"
    "	out dx, ax\n"
    "	jmp .\n"
    "low_text: .ascii \"double fault taken\\r\\n\"\n"
    "low_text_end:\n"
    "low_end:\n"
    "taken_text: .ascii \"double fault taken\\r\\n\"\n"
    "taken_text_end:\n"
    ".code64\n"
    ".att_syntax\n");
void to_32(const char *to);
extern const char low_taken[];

static void set_gate32(unsigned vector, const char *to, uint16_t selector, uint8_t attr)
{
	uint64_t a = (uint64_t)to;

	idt32[vector] =
	    (a & 0xffff) | (uint64_t)selector << 16 | (uint64_t)attr << 40 | (a >> 16 & 0xffff) << 48;
}

static void tables_load(void)
{
	struct desc_ptr gdtr = {sizeof(gdt) - 1, (uint64_t)gdt};
	tss.ist[0] = (uint64_t)(ist + sizeof(ist));
	tss.iomap_base = sizeof(tss);
	guest_tss_describe(&gdt[TSS_SELECTOR / 8], &tss, sizeof(tss));
	lgdt(&gdtr);
	ltr(TSS_SELECTOR);
	memcpy((void *)(uint64_t)LOW, low, (size_t)(low_end - low));
}

static struct idt_gate *gates(void)
{
	struct desc_ptr idtr;

	sidt(&idtr);
	return (struct idt_gate *)idtr.base;
}

static void taken(struct trap *t)
{
	guest_printf("double fault taken\n");
	EXPECT("faults/df-error-code", t->error == 0);
	guest_power_off();
}

/* The gate of #GP is not present: #NP while #GP is delivered makes #DF. */
static void double_64(void)
{
	guest_set_handler(EXC_DF, taken);
	gates()[EXC_GP].attr &= (uint8_t)~DESC_P;
	*(volatile uint8_t *)0x8000000000000000 = 0;
}

static void triple_64(void)
{
	gates()[EXC_DF].attr &= (uint8_t)~DESC_P;
	double_64();
}

/* Outside 64-bit mode: IDT with a gate for #DF alone, or an empty one. */
static void double_in(const char *where)
{
	idtr32 = (struct table32){sizeof(idt32) - 1, (uint32_t)(uint64_t)idt32};
	set_gate32(EXC_DF, taken_32, CODE32, DESC_P | DESC_TYPE_INTR_GATE);
	to_32(where);
}

static void double_32(void)
{
	double_in(fault_32);
}

static void double_16(void)
{
	double_in(fault_16);
}

/* Real mode has vectors at 0; those from 9 on are beyond the limit. */
static void double_real(void)
{
	/* By assembler: the compiler takes addresses so low for mistakes. */
	asm volatile("movl %1, (%0)" ::"r"(EXC_DF * 4UL), "r"((uint32_t)(LOW >> 4 << 16 | (low_taken - low)))
		     : "memory");
	idtr32 = (struct table32){EXC_DF * 4 + 3, 0};
	to_32(fault_real);
}

static void triple_32(void)
{
	to_32(fault_32);
}

static void triple_16(void)
{
	to_32(fault_16);
}

static void triple_real(void)
{
	to_32(fault_real);
}

static void ac_loop(void)
{
	idtr32 = (struct table32){sizeof(idt32) - 1, (uint32_t)(uint64_t)idt32};
	set_gate32(EXC_AC, spin_32, USER_CODE32, DESC_P | 3 << 5 | DESC_TYPE_INTR_GATE);
	to_32(enter_user);
}

static void on_breakpoint(struct trap *t)
{
	(void)t;
}

/* Writing the frame of #DB onto its stack is a #DB. */
static void db_loop(void)
{
	struct idt_gate *idt = gates();

	idt[EXC_DB].ist = idt[EXC_BP].ist = 1;
	write_dr0((uint64_t)(ist + sizeof(ist) - 8));
	write_dr7(DR7_FIXED | DR7_L(0) | DR7_G(0) | DR7_WRITE << DR7_RW(0) | DR7_8_BYTES << DR7_LEN(0));
	guest_set_handler(EXC_DB, on_breakpoint);
	guest_set_handler(EXC_BP, on_breakpoint);
	for (;;)
		asm volatile("int3");
}

static const struct {
	const char *word;
	void (*fn)(void);
} ways[] = {
    {"df-64", double_64}, {"df-32", double_32}, {"df-16", double_16}, {"df-real", double_real},
    {"tf-64", triple_64}, {"tf-32", triple_32}, {"tf-16", triple_16}, {"tf-real", triple_real},
    {"ac-loop", ac_loop}, {"db-loop", db_loop},
};

void test_main(void)
{
	tables_load();
	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		if (!guest_cmdline_has(ways[i].word))
			continue;
		guest_printf("now: %s\n", ways[i].word);
		ways[i].fn();
	}
	guest_printf("no way named\n");
}
