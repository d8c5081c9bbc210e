/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hardware task switches in 32-bit protected mode: JMP, CALL and IRET, INT n and a fault with an error code through
 * task gates. Each task notes what it finds.
 */
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mode32.h"

struct tss {
	uint16_t link, r0;
	uint32_t stacks[6];
	uint32_t cr3, eip, eflags;
	uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
	uint32_t es, cs, ss, ds, fs, gs;
	uint32_t ldt;
	uint16_t trap, iomap;
};
static_assert(sizeof(struct tss) == 104);

/* Selectors. */
enum { TASK_A = MODE32_FREE, TASK_B = MODE32_FREE + 8, TASK_C = MODE32_FREE + 16, TASK_D = MODE32_FREE + 24 };
#define FAR_B  "0x38"
#define FAR_A  "0x30"
#define BUSY   (1UL << 41)
#define NT     (1u << 14)
#define TS     (1u << 3)
#define VECTOR 0x40

extern struct tss tss_a, tss_b, tss_c, tss_d;
struct tss tss_a, tss_b, tss_c, tss_d;

/* Written by the 32-bit code: EAX and EFLAGS as task B finds them, CR0 after a switch, which tasks ran, an error code. */
extern uint32_t seen_eax[2], seen_flags[2], seen_cr0, seen_order, seen_error, seen_c_link, seen_back;
uint32_t seen_eax[2], seen_flags[2], seen_cr0, seen_order, seen_error, seen_c_link, seen_back;
extern uint64_t seen_desc_a, seen_desc_b;
uint64_t seen_desc_a, seen_desc_b;

extern char run_tasks[], task_b[], task_c[], task_d[];

/* seen_order: a hexadecimal digit for each step. */
#define STEP(n) "	shll $4, seen_order\n	orl $" #n ", seen_order\n"

asm("	.text\n"
    "	.code32\n"
    "	.globl run_tasks, task_b, task_c, task_d\n"
    "run_tasks:\n"
    "	mov $" FAR_A ", %eax\n"
    "	ltr %ax\n"
    "	mov $0x12345678, %ebx\n"
    "	ljmp $" FAR_B ", $0\n"
    /* B came back by JMP: A's registers are A's. */
    STEP(3) "	mov %ebx, seen_back\n"
	    "	mov mode32_gdt+0x30, %eax\n"
	    "	mov %eax, seen_desc_a\n"
	    "	mov mode32_gdt+0x34, %eax\n"
	    "	mov %eax, seen_desc_a+4\n"
	    "	mov mode32_gdt+0x38, %eax\n"
	    "	mov %eax, seen_desc_b\n"
	    "	mov mode32_gdt+0x3c, %eax\n"
	    "	mov %eax, seen_desc_b+4\n"
	    "	clts\n"
	    "	lcall $" FAR_B ", $0\n" STEP(5) "	int $0x40\n" STEP(
		7) "	mov $0x1230, %eax\n"
		   "faults:\n"
		   "	mov %ax, %fs\n"
		   "behind:\n" STEP(9) "	clts\n"
				       "	ret\n"

				       "task_b:\n" STEP(
					   2) "	mov %eax, seen_eax\n"
					      "	pushf\n"
					      "	pop seen_flags\n"
					      "	mov %cr0, %eax\n"
					      "	mov %eax, seen_cr0\n"
					      "	mov $0xb0b, %eax\n"
					      "	ljmp $" FAR_A
					      ", $0\n" STEP(4) "	mov %eax, seen_eax+4\n"
							       "	pushf\n"
							       "	pop seen_flags+4\n"
							       "	iret\n"

							       "task_c:\n" STEP(
								   6) "	movzwl tss_c, %eax\n"
								      "	mov %eax, seen_c_link\n"
								      "	iret\n"

								      "task_d:\n" STEP(
									  8) "	pop seen_error\n"
									     "	movl $behind, tss_a+32\n"
									     "	iret\n"
									     "	.code64\n");

static void task(struct tss *t, uint16_t selector, const void *entry, uint8_t *stack_top)
{
	memset(t, 0, sizeof(*t));
	t->eip = (uint32_t)(uint64_t)entry;
	t->eflags = 2;
	t->eax = 0xeaec0de;
	t->esp = (uint32_t)(uint64_t)stack_top;
	t->cs = MODE32_CODE;
	t->es = t->ss = t->ds = MODE32_DATA;
	t->iomap = sizeof(*t);
	mode32_gdt[selector / 8] = mode32_descriptor((uint32_t)(uint64_t)t, sizeof(*t) - 1, 0x89, 0);
}

void test_main(void)
{
	static uint8_t stack_b[512], stack_c[512], stack_d[512];

	task(&tss_a, TASK_A, NULL, NULL);
	task(&tss_b, TASK_B, task_b, stack_b + sizeof(stack_b));
	task(&tss_c, TASK_C, task_c, stack_c + sizeof(stack_c));
	task(&tss_d, TASK_D, task_d, stack_d + sizeof(stack_d));
	mode32_idt[VECTOR] = mode32_gate(TASK_C, 0, 0x85);
	mode32_idt[13] = mode32_gate(TASK_D, 0, 0x85);
	mode32_call((void (*)(void))run_tasks);

	guest_expect_equal("task/order", seen_order, 0x23456789);
	guest_expect_equal("task/jmp-loads", seen_eax[0], 0xeaec0de);
	guest_expect_equal("task/jmp-no-nt", seen_flags[0] & NT, 0);
	EXPECT("task/ts", seen_cr0 & TS);
	guest_expect_equal("task/jmp-restores", seen_back, 0x12345678);
	EXPECT("task/busy-a", seen_desc_a & BUSY);
	EXPECT("task/not-busy-b", !(seen_desc_b & BUSY));
	guest_expect_equal("task/call-resumes", seen_eax[1], 0xb0b);
	EXPECT("task/call-nt", seen_flags[1] & NT);
	guest_expect_equal("task/call-link", tss_b.link, TASK_A);
	EXPECT("task/iret-clears-nt", !(tss_b.eflags & NT));
	EXPECT("task/iret-not-busy", !(mode32_gdt[TASK_B / 8] & BUSY));
	guest_expect_equal("task/int-link", seen_c_link, TASK_A);
	guest_expect_equal("task/fault-error", seen_error, 0x1230);
	guest_expect_equal("task/selectors", tss_b.ss, MODE32_DATA);
}
