/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs one instruction on this machine's CPU with all general registers and flags given, RSP among them. Code,
 * registers, RAM and the device's window lie at fixed low addresses, the same as in the fake guest.
 */
#pragma once

#define _GNU_SOURCE /* the names of the registers in a signal's frame */

#include "support.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include "hv/vcpu.h"

#define CODE_PAGE    0x200000UL
#define CODE         (CODE_PAGE + 0x100) /* the instruction */
#define CODE_SLOT    24                  /* its room; what is left of it is filled with NOPs */
#define STATE        0x201000UL
#define RAM          0x300000UL
#define DEVICE       0x50000000UL
#define WINDOW       0x2000UL /* of RAM and of the device */
#define MIDDLE       0x1000UL
#define NOP          0x90
#define NATIVE_TRIES 100

struct native {
	uint64_t gpr[GPR_COUNT], flags, host_rsp, fault;
};

static struct native *const native = (struct native *)STATE;
static unsigned refused; /* around the instruction, since it was last tried */
static uint8_t *const native_device = (uint8_t *)DEVICE, *const native_ram = (uint8_t *)RAM;

/* RSP is the instruction's from the last move before it to the second one behind it. */
extern const uint8_t native_begin[], native_middle[], native_saved[], native_end[];
asm(".pushsection .rodata\n"
    "native_begin:\n"
    "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "mov %rsp, 0x201088; pushq 0x201080; popfq\n"
    "mov 0x201000, %rax; mov 0x201008, %rcx; mov 0x201010, %rdx; mov 0x201018, %rbx\n"
    "mov 0x201028, %rbp; mov 0x201030, %rsi; mov 0x201038, %rdi\n"
    "mov 0x201040, %r8; mov 0x201048, %r9; mov 0x201050, %r10; mov 0x201058, %r11\n"
    "mov 0x201060, %r12; mov 0x201068, %r13; mov 0x201070, %r14; mov 0x201078, %r15\n"
    "mov 0x201020, %rsp\n"
    "native_middle:\n"
    "mov %rsp, 0x201020\n"
    "mov 0x201088, %rsp\n"
    "native_saved:\n"
    "mov %rax, 0x201000; mov %rcx, 0x201008; mov %rdx, 0x201010; mov %rbx, 0x201018\n"
    "mov %rbp, 0x201028; mov %rsi, 0x201030; mov %rdi, 0x201038\n"
    "mov %r8, 0x201040; mov %r9, 0x201048; mov %r10, 0x201050; mov %r11, 0x201058\n"
    "mov %r12, 0x201060; mov %r13, 0x201068; mov %r14, 0x201070; mov %r15, 0x201078\n"
    "pushfq; popq 0x201080; cld\n"
    "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "ret\n"
    "native_end:\n"
    ".popsection\n");

/*
 * #DE is noted and the instruction left out. RSP may be anything, which the way back from a signal does not take: where
 * it is the instruction's, what the next two moves would do with it is done here. Some virtual machines refuse an
 * instruction that they do else, once in a million times (MOVBE; a move while RSP is not canonical): around the
 * instruction it is simply tried again, in it native_run does so.
 */
static void on_fault(int signal, siginfo_t *info, void *context)
{
	static const uint64_t behind = CODE + CODE_SLOT;
	const uint64_t begin = CODE - (uint64_t)(native_middle - native_begin);
	const uint64_t saved = behind + (uint64_t)(native_saved - native_middle);
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)regs[REG_RIP];

	if (rip - CODE < CODE_SLOT) {
		native->fault = (uint64_t)signal;
		regs[REG_RIP] = (greg_t)behind;
		regs[REG_RSP] = STATE + PAGE_SIZE;
	} else if (rip - behind < saved - behind) {
		native->gpr[RSP] = (uint64_t)regs[REG_RSP];
		regs[REG_RIP] = (greg_t)saved;
		regs[REG_RSP] = (greg_t)native->host_rsp;
	} else if (rip < begin || rip >= saved + (uint64_t)(native_end - native_saved) ||
		   ++refused > NATIVE_TRIES) { /* the test's own: again, and to its end */
		dprintf(STDERR_FILENO, "signal %d at %#lx, address %p\n", signal, rip, info->si_addr);
		sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
	}
}

static void map_fixed(uint64_t at, size_t size, int rights)
{
	void *p = mmap((void *)at, size, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	assert_ptr_equal(p, (void *)at);
}

static void native_prepare(void)
{
	static uint8_t stack[65536];
	const stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};
	const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	size_t head = (size_t)(native_middle - native_begin);

	map_fixed(CODE_PAGE, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
	map_fixed(STATE, PAGE_SIZE, PROT_READ | PROT_WRITE);
	map_fixed(RAM, WINDOW, PROT_READ | PROT_WRITE);
	map_fixed(DEVICE, WINDOW, PROT_READ | PROT_WRITE);
	memcpy((void *)(CODE - head), native_begin, head);
	memcpy((void *)(CODE + CODE_SLOT), native_middle, (size_t)(native_end - native_middle));
	assert_int_equal(sigaltstack(&alternative, NULL), 0);
	assert_int_equal(sigaction(SIGFPE, &action, NULL), 0);
	assert_int_equal(sigaction(SIGILL, &action, NULL), 0);
	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
}

/* The instruction; again where it was refused: see on_fault. */
static void native_run(const uint8_t *insn, unsigned len)
{
	const struct native before = *native;

	memset((void *)CODE, NOP, CODE_SLOT);
	memcpy((void *)CODE, insn, len);
	for (unsigned i = 0; i < NATIVE_TRIES; i++) {
		*native = before;
		native->fault = 0;
		refused = 0;
		((void (*)(void))(CODE - (size_t)(native_middle - native_begin)))();
		if (native->fault)
			native->gpr[RSP] = before.gpr[RSP];
		if (native->fault != SIGILL && native->fault != SIGSEGV)
			return;
	}
}
