/* SPDX-License-Identifier: BSD-2-Clause */
/* See mode32.h. */
#include "tests/guests/lib/mode32.h"

uint64_t mode32_gdt[32] __attribute__((aligned(8))), mode32_idt[256] __attribute__((aligned(8)));

static struct {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed)) gdtr, idtr;

extern char mode32_enter[];
extern uint32_t mode32_fn;

asm(".data\n"
    "saved_gdt:	.skip 10\n"
    "saved_idt:	.skip 10\n"
    "	.balign 8\n"
    "saved_rsp:	.quad 0\n"
    "	.globl mode32_fn\n"
    "mode32_fn:	.long 0\n"
    "to_32:	.long in_32\n"
    "	.word 0x08\n"
    "	.text\n"
    "	.globl mode32_enter\n"
    "mode32_enter:\n"
    "	push %rbx\n"
    "	push %rbp\n"
    "	push %r12\n"
    "	push %r13\n"
    "	push %r14\n"
    "	push %r15\n"
    "	pushfq\n"
    "	cli\n"
    "	mov %rsp, saved_rsp(%rip)\n"
    "	sgdt saved_gdt(%rip)\n"
    "	sidt saved_idt(%rip)\n"
    "	lgdt (%rdi)\n"
    "	lidt (%rsi)\n"
    "	ljmpl *to_32(%rip)\n"
    "	.code32\n"
    "in_32:\n"
    "	mov $0x10, %eax\n"
    "	mov %eax, %ds\n"
    "	mov %eax, %es\n"
    "	mov %eax, %ss\n"
    "	mov $mode32_stack_top, %esp\n"
    "	mov %cr0, %eax\n"
    "	and $0x7fffffff, %eax\n"
    "	mov %eax, %cr0\n"
    "	mov $0xc0000080, %ecx\n"
    "	rdmsr\n"
    "	and $0xfffffeff, %eax\n"
    "	wrmsr\n"
    "	call *mode32_fn\n"
    "	mov %cr4, %eax\n"
    "	or $0x20, %eax\n"
    "	mov %eax, %cr4\n"
    "	mov $0xc0000080, %ecx\n"
    "	rdmsr\n"
    "	or $0x100, %eax\n"
    "	wrmsr\n"
    "	mov %cr0, %eax\n"
    "	or $0x80000000, %eax\n"
    "	mov %eax, %cr0\n"
    "	ljmp $0x18, $in_64\n"
    "	.code64\n"
    "in_64:\n"
    "	lgdt saved_gdt(%rip)\n"
    "	lidt saved_idt(%rip)\n"
    "	mov saved_rsp(%rip), %rsp\n"
    "	mov $0x10, %eax\n"
    "	mov %eax, %ds\n"
    "	mov %eax, %es\n"
    "	mov %eax, %ss\n"
    "	push $0x8\n"
    "	lea 1f(%rip), %rax\n"
    "	push %rax\n"
    "	lretq\n"
    "1:	popfq\n"
    "	pop %r15\n"
    "	pop %r14\n"
    "	pop %r13\n"
    "	pop %r12\n"
    "	pop %rbp\n"
    "	pop %rbx\n"
    "	ret\n"
    "	.bss\n"
    "	.balign 16\n"
    "	.skip 4096\n"
    "mode32_stack_top:\n"
    "	.text\n");

uint64_t mode32_descriptor(uint32_t base, uint32_t limit, uint8_t access, uint8_t flags)
{
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
	       (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)(flags & 0xf) << 52 |
	       (uint64_t)(base >> 24) << 56;
}

uint64_t mode32_gate(uint16_t selector, uint32_t offset, uint8_t access)
{
	return (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)access << 40 |
	       (uint64_t)(offset >> 16) << 48;
}

void mode32_call(void (*fn)(void))
{
	mode32_gdt[MODE32_CODE / 8] = mode32_descriptor(0, 0xfffff, 0x9b, 0xc);
	mode32_gdt[MODE32_DATA / 8] = mode32_descriptor(0, 0xfffff, 0x93, 0xc);
	mode32_gdt[MODE32_LONG / 8] = mode32_descriptor(0, 0xfffff, 0x9b, 0xa);
	mode32_gdt[MODE32_CODE16 / 8] = mode32_descriptor(0, 0xffff, 0x9b, 0);
	mode32_gdt[MODE32_DATA16 / 8] = mode32_descriptor(0, 0xffff, 0x93, 0);
	gdtr.limit = sizeof(mode32_gdt) - 1;
	gdtr.base = (uint64_t)mode32_gdt;
	idtr.limit = sizeof(mode32_idt) - 1;
	idtr.base = (uint64_t)mode32_idt;
	mode32_fn = (uint32_t)(uint64_t)fn;
	((void (*)(void *, void *))mode32_enter)(&gdtr, &idtr);
}
