/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SVM's instructions, one function each (APM Vol. 3, "System Instruction Reference"). All need EFER.SVME;
 * addresses are physical and page-aligned.
 */
#pragma once

#include <stdint.h>

static inline void clgi(void)
{
	asm volatile("clgi" : : : "memory");
}

static inline void stgi(void)
{
	asm volatile("stgi" : : : "memory");
}

/* FS, GS, TR, LDTR, KernelGSBase, STAR, LSTAR, CSTAR, SFMASK and SYSENTER_* from and to a VMCB. */
static inline void vmload(uint64_t vmcb_pa)
{
	asm volatile("vmload %0" : : "a"(vmcb_pa) : "memory");
}

static inline void vmsave(uint64_t vmcb_pa)
{
	asm volatile("vmsave %0" : : "a"(vmcb_pa) : "memory");
}
