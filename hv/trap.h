/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions, NMIs and interrupts of the host: what the stubs save, the two IDTs, the table of NMI windows.
 * An exception in host code is a bug and panics, unless the fixup table (INSN_FIXUP) knows the instruction, or guest memory is
 * absent (hv/vm_absent.h).
 */
#pragma once

#include <stdint.h>
#include "hv/x86/desc.h"

struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error; /* error code, or 0 where the CPU pushes none */
	uint64_t rip, cs, rflags, rsp, ss;
};

/* An entry of section .fixup, both relative to their own address. */
struct fixup {
	int32_t fault, resume;
};

/* Boot CPU, first thing: pcpu 0 (without stacks of its own yet), its GDT, the IDT without IST. */
void trap_init_early(void);

/*
 * Operands for LIDT. trap_idt has stacks of their own for NMI, #DF and #MC. trap_idt_no_ist has none: SVM's
 * fast path uses it while GIF is 0 and TR is still the guest's.
 */
extern struct desc_ptr trap_idt, trap_idt_no_ist;

/*
 * NMI windows: an NMI whose return address is in [start, end) returns to restart instead. For VMX, which would
 * enter the guest with the request unseen that the NMI announced. Before NMIs can come there.
 */
void nmi_window_register(const char *start, const char *end, const char *restart);
/*
 * An NMI ended the guest (VMX: exit reason 0): counts it, and unblocks NMIs, as its IRET would have. Called
 * on the host stack, with the host's tables loaded.
 */
void nmi_from_guest(void);
