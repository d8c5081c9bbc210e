/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where interrupts, NMIs, single steps and breakpoints come between instructions that Ingot completes, and what faults in the delivery of
 * those that it injects become. Compared with the same guest on the bare machine.
 */
#include "hv/lib/fmt.h"
#include "hv/lib/util.h"
#include "hv/x86/desc.h"
#include "tests/guests/lib/probe.h"

#define FORGET "\n xor %eax, %eax\n xor %ebx, %ebx\n xor %ecx, %ecx\n xor %edx, %edx"
#define IRQ(v) "movl $0x440" #v ", 0x300(%rsi)\n"
#define NMI    "movl $0x4400, 0x300(%rsi)\n"
#define PORT   "mov $0x3ff, %edx\n"
#define EFER   "mov $0xc0000080, %ecx\n"
#define SS     "mov %ss, %eax\n mov %eax, %ss\n"

/* An interrupt that waits for IF, and the instruction in the shadow of STI. */
#define SHADOWED(X)                                                                                          \
	X(nop, "nop")                                                                                        \
	X(cpuid, "cpuid" FORGET)                                                                             \
	X(in, "in %dx, %al")                                                                                 \
	X(out, "out %al, %dx")                                                                               \
	X(outs, "outsb")                                                                                     \
	X(rdmsr, "rdmsr")                                                                                    \
	X(load, "mov 0x380(%rsi), %ebx")                                                                     \
	X(store, "mov %ebx, 0x380(%rsi)")                                                                    \
	X(modify, "addl $1, 0x380(%rsi)")                                                                    \
	X(movs, "add $0x380, %rsi\n movsl")                                                                  \
	X(cr0, "mov %rbp, %cr0")                                                                             \
	X(cr3, "mov %cr3, %rbx")                                                                             \
	X(clts, "clts")                                                                                      \
	X(invlpg, "invlpg (%rdi)")                                                                           \
	X(wbinvd, "wbinvd")                                                                                  \
	X(pause, "pause")                                                                                    \
	X(sti, "sti")                                                                                        \
	X(cli, "cli")                                                                                        \
	X(stack, SS)                                                                                         \
	X(twice, "in %dx, %al\n in %dx, %al")
#define SHADOW_CODE(id, text)                                                                                \
	PROBE_CODE(sti_##id, EFER                                                                            \
		   "rdmsr\n mov $0x3ff, %edx\n mov %cr0, %rbp\n" IRQ(50) "sti\n" text "\n nop\n nop\n cli")

#define EXACT(X)                                                                                             \
	X(popf, IRQ(50) "push $0x202\n popfq\n nop\n nop\n cli")                                             \
	X(sti_wrmsr, EFER "rdmsr\n" IRQ(50) "sti\n wrmsr\n nop\n nop\n cli")                                 \
	X(popf_in, PORT IRQ(50) "push $0x202\n popfq\n in %dx, %al\n nop\n cli")                             \
	X(priority, IRQ(50) IRQ(60) "sti\n nop\n nop\n nop\n cli")                                           \
	X(once, IRQ(50) IRQ(50) "sti\n nop\n nop\n nop\n cli")                                               \
	X(below_tpr, "mov $6, %eax\n mov %rax, %cr8\n" IRQ(50) IRQ(60)                                       \
			 IRQ(70) "sti\n nop\n nop\n nop\n mov $5, %eax\n mov %rax, %cr8\n nop\n xor %eax, "  \
				 "%eax\n mov %rax, %cr8\n nop\n cli")                                        \
	X(tpr_left, "mov $5, %eax\n mov %rax, %cr8\n" IRQ(50) "sti\n nop\n nop\n cli")                       \
	X(stack_cpuid, SS "cpuid\n nop" FORGET)                                                              \
	X(stack_in, PORT SS "in %dx, %al\n nop")                                                             \
	X(stack_rdmsr, EFER SS "rdmsr\n nop")                                                                \
	X(stack_load, SS "mov 0x380(%rsi), %ebx\n nop")                                                      \
	X(stack_fault, SS "ud2")                                                                             \
	X(stack_int3, SS "int3")                                                                             \
	X(stack_absent, SS "int $0x21")                                                                      \
	X(stack_outs_fault, PORT "lea 0x1000(%rdi), %rsi\n" SS "outsb")                                      \
	X(stack_twice, PORT SS "mov %eax, %ss\n in %dx, %al\n nop")

/* Breakpoints: on code, CODE_AT(instruction); on data, DATA_AT(DR7, address). */
#define CODE_AT(setup, insn)                                                                                 \
	setup "lea 1f(%rip), %rax\n mov %rax, %dr0\n mov $0x402, %eax\n mov %rax, %dr7\n 1: " insn
#define DATA_AT(dr7, where, insn)                                                                            \
	"lea " where ", %rax\n mov %rax, %dr0\n mov $" #dr7 ", %eax\n mov %rax, %dr7\n" insn "\n nop\n nop"
#define BREAKPOINTS(X)                                                                                       \
	X(break_nop, CODE_AT("", "nop\n nop"))                                                               \
	X(break_cpuid, CODE_AT("", "cpuid\n nop" FORGET))                                                    \
	X(break_in, CODE_AT(PORT, "in %dx, %al\n nop"))                                                      \
	X(break_in_loop, CODE_AT(PORT, "in %dx, %al\n loop 1b"))                                             \
	X(break_rdmsr_loop, CODE_AT("mov $0xc0000080, %ecx\n mov $2, %ebx\n", "rdmsr\n dec %ebx\n jnz 1b"))  \
	X(break_load_loop, CODE_AT("", "mov 0x380(%rsi), %ebx\n loop 1b"))                                   \
	X(break_outs, CODE_AT(PORT "mov %rdi, %rsi\n", "rep outsb\n nop"))                                   \
	X(break_fault, CODE_AT(PORT "lea 0x1000(%rdi), %rsi\n", "outsb"))

/* Without a step, which QEMU loses at HLT and mixes up with a watchpoint, and which Bochs takes for HLT's end. */
#define UNSTEPPED(X)                                                                                         \
	X(hlt, IRQ(50) "sti\n hlt\n nop\n cli")                                                              \
	X(hlt_timer, "movl $0x50, 0x320(%rsi)\n movl $100000, 0x380(%rsi)\n sti\n hlt\n nop\n cli\n"         \
		     "movl $0x10000, 0x320(%rsi)")                                                           \
	X(watch_store, DATA_AT(0xd0402, "4(%rdi)", "mov %ecx, 4(%rdi)"))                                     \
	X(watch_load, DATA_AT(0xf0402, "4(%rdi)", "mov 4(%rdi), %ecx"))

/* With a step behind each instruction, so that QEMU looks for NMIs there. */
#define STEPPED(X)                                                                                           \
	X(nmi, NMI "nop\n nop")                                                                              \
	X(nmi_shadow, "sti\n" NMI "nop\n nop\n cli")                                                         \
	X(nmi_first, IRQ(50) "sti\n" NMI "nop\n nop\n nop\n cli")                                            \
	X(nmi_twice, NMI NMI "nop\n nop")                                                                    \
	X(tpr_mmio,                                                                                          \
	  "movl $0x50, 0x80(%rsi)\n" IRQ(50) "sti\n nop\n nop\n movl $0, 0x80(%rsi)\n nop\n nop\n cli")

/* What is raised by an instruction that Ingot completes, and a gate that is not right. */
#define RAISERS(X)                                                                                           \
	X(page_fault, PORT "add $0x1000, %rdi\n insb", EXC_PF)                                               \
	X(page_fault_cpu, "mov 0x1000(%rdi), %eax", EXC_PF)                                                  \
	X(protection, PORT "mov $0x8000000000000000, %rsi\n outsb", EXC_GP)                                  \
	X(protection_cr, "mov %cr0, %rax\n bts $32, %rax\n mov %rax, %cr0", EXC_GP)                          \
	X(opcode, "xor %ecx, %ecx\n xsetbv", EXC_UD)                                                         \
	X(opcode_lock, ".byte 0xf0, 0x39, 0x86, 0x80, 0x03, 0x00, 0x00", EXC_UD)                             \
	X(divide, "mov $0x7fffffff, %edx\n divl 0x380(%rsi)", EXC_DE)                                        \
	X(trap, "push $0x102\n popfq\n nop", EXC_DB)                                                         \
	X(trap_in, PORT "push $0x102\n popfq\n in %dx, %al", EXC_DB)                                         \
	X(interrupt, IRQ(50) "sti\n nop", 0x50)

#define CODE(id, text)           PROBE_CODE(id, text)
#define RAISER_CODE(id, text, v) PROBE_CODE(raise_##id, text)
SHADOWED(SHADOW_CODE)
EXACT(CODE)
UNSTEPPED(CODE)
BREAKPOINTS(CODE)
STEPPED(CODE)
RAISERS(RAISER_CODE)

struct piece {
	const char *name, *code;
	uint8_t vector;
};
#define SHADOW_ROW(id, text)    {"sti_" #id, code_sti_##id, 0},
#define ROW(id, text)           {#id, code_##id, 0},
#define RAISER_ROW(id, text, v) {#id, code_raise_##id, v},
static const struct piece exact[] = {SHADOWED(SHADOW_ROW) EXACT(ROW) BREAKPOINTS(ROW)};
static const struct piece unstepped[] = {UNSTEPPED(ROW)};
static const struct piece stepped[] = {STEPPED(ROW)};
static const struct piece raisers[] = {RAISERS(RAISER_ROW)};

static void raise_all(const char *how, enum probe_gate gate, enum probe_gate not_present)
{
	char name[48];

	for (unsigned i = 0; i < ARRAY_SIZE(raisers); i++) {
		probe_gate(raisers[i].vector, gate);
		probe_gate(EXC_NP, not_present);
		fmt_snprintf(name, sizeof(name), "%s %s", raisers[i].name, how);
		probe(name, raisers[i].code, 0, RFLAGS_STATUS);
		probe_gate(raisers[i].vector, PROBE_GATE_WHOLE);
		probe_gate(EXC_NP, PROBE_GATE_WHOLE);
	}
}

void test_main(void)
{
	probe_init();
	for (unsigned i = 0; i < ARRAY_SIZE(exact); i++) {
		probe(exact[i].name, exact[i].code, 0, 0);
		probe(exact[i].name, exact[i].code, PROBE_STEP, 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(unstepped); i++)
		probe(unstepped[i].name, unstepped[i].code, 0, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(stepped); i++) {
		probe(stepped[i].name, stepped[i].code, PROBE_STEP, 0);
		probe(stepped[i].name, stepped[i].code, PROBE_STEP | PROBE_NMIS, 0);
	}
	raise_all("absent", PROBE_GATE_ABSENT, PROBE_GATE_WHOLE);
	raise_all("stack", PROBE_GATE_STACK, PROBE_GATE_WHOLE);
	raise_all("absent, nor #NP's", PROBE_GATE_ABSENT, PROBE_GATE_ABSENT);
}
