/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One function for each instruction that C can't express. No policy here. The *_safe forms survive a
 * fault of their one instruction through the exception fixup table (hv/trap.c reads it).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/x86/desc.h"

/* --- ports --- */

static inline uint8_t in8(uint16_t port)
{
	uint8_t v;

	asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint16_t in16(uint16_t port)
{
	uint16_t v;

	asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t v;

	asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

static inline void out8(uint16_t port, uint8_t v)
{
	asm volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t v)
{
	asm volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t v)
{
	asm volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

/* --- device memory --- */

static inline uint8_t mmio_read8(const volatile void *p)
{
	return *(const volatile uint8_t *)p;
}

static inline uint16_t mmio_read16(const volatile void *p)
{
	return *(const volatile uint16_t *)p;
}

static inline uint32_t mmio_read32(const volatile void *p)
{
	return *(const volatile uint32_t *)p;
}

static inline uint64_t mmio_read64(const volatile void *p)
{
	return *(const volatile uint64_t *)p;
}

static inline void mmio_write8(volatile void *p, uint8_t v)
{
	*(volatile uint8_t *)p = v;
}

static inline void mmio_write16(volatile void *p, uint16_t v)
{
	*(volatile uint16_t *)p = v;
}

static inline void mmio_write32(volatile void *p, uint32_t v)
{
	*(volatile uint32_t *)p = v;
}

static inline void mmio_write64(volatile void *p, uint64_t v)
{
	*(volatile uint64_t *)p = v;
}

/* --- MSRs, CPUID, XCRs, time stamps --- */

/* These need CR4.PKE. */
static inline void wrpkru(uint32_t v)
{
	asm volatile("wrpkru" : : "a"(v), "c"(0), "d"(0) : "memory");
}

static inline uint32_t rdpkru(void)
{
	uint32_t pkru, zero;

	asm volatile("rdpkru" : "=a"(pkru), "=d"(zero) : "c"(0));
	return pkru;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

/*
 * An entry of the fixup table: where the instruction at label 1 faults, go on at label 2. Both relative to
 * their own place, 32 bits each (struct fixup in hv/trap.h).
 */
#define INSN_FIXUP                                                                                           \
	".pushsection .fixup, \"a\"\n\t"                                                                     \
	".balign 4\n\t"                                                                                      \
	".long 1b - .\n\t"                                                                                   \
	".long 2b - .\n\t"                                                                                   \
	".popsection\n\t"

/* False, and *v = 0, where RDMSR raises #GP. */
[[nodiscard]] static inline bool rdmsr_safe(uint32_t msr, uint64_t *v)
{
	uint32_t lo = 0, hi = 0, ok = 0;

	asm volatile("1: rdmsr\n\t"
		     "movl $1, %[ok]\n\t"
		     "2:\n\t" INSN_FIXUP
		     : "+a"(lo), "+d"(hi), [ok] "+r"(ok)
		     : "c"(msr)
		     : "memory");
	*v = (uint64_t)hi << 32 | lo;
	return ok;
}

/* False where WRMSR raises #GP; the MSR is then unchanged. */
[[nodiscard]] static inline bool wrmsr_safe(uint32_t msr, uint64_t v)
{
	uint32_t ok = 0;

	asm volatile("1: wrmsr\n\t"
		     "movl $1, %[ok]\n\t"
		     "2:\n\t" INSN_FIXUP
		     : [ok] "+r"(ok)
		     : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
		     : "memory");
	return ok;
}

struct cpuid_regs {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r;

	asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
	return r;
}

static inline uint64_t xgetbv(uint32_t xcr)
{
	uint32_t lo, hi;

	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(xcr));
	return (uint64_t)hi << 32 | lo;
}

static inline void xsetbv(uint32_t xcr, uint64_t v)
{
	asm volatile("xsetbv" : : "c"(xcr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	asm volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* RDTSC that no earlier load and no later instruction crosses. */
static inline uint64_t rdtsc_ordered(void)
{
	uint32_t lo, hi;

	asm volatile("lfence; rdtsc; lfence" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* --- control and debug registers --- */

#define INSN_DEFINE_REG(name)                                                                                \
	static inline uint64_t read_##name(void)                                                             \
	{                                                                                                    \
		uint64_t v;                                                                                  \
                                                                                                             \
		asm volatile("mov %%" #name ", %0" : "=r"(v) : : "memory");                                  \
		return v;                                                                                    \
	}                                                                                                    \
	static inline void write_##name(uint64_t v)                                                          \
	{                                                                                                    \
		asm volatile("mov %0, %%" #name : : "r"(v) : "memory");                                      \
	}

INSN_DEFINE_REG(cr0)
INSN_DEFINE_REG(cr2)
INSN_DEFINE_REG(cr3)
INSN_DEFINE_REG(cr4)
INSN_DEFINE_REG(cr8)
INSN_DEFINE_REG(dr0)
INSN_DEFINE_REG(dr1)
INSN_DEFINE_REG(dr2)
INSN_DEFINE_REG(dr3)
INSN_DEFINE_REG(dr6)
INSN_DEFINE_REG(dr7)

/* --- descriptor tables and segments --- */

static inline void lgdt(const struct desc_ptr *p)
{
	asm volatile("lgdt %0" : : "m"(*p) : "memory");
}

static inline void lidt(const struct desc_ptr *p)
{
	asm volatile("lidt %0" : : "m"(*p) : "memory");
}

static inline void sgdt(struct desc_ptr *p)
{
	asm volatile("sgdt %0" : "=m"(*p) : : "memory");
}

static inline void sidt(struct desc_ptr *p)
{
	asm volatile("sidt %0" : "=m"(*p) : : "memory");
}

static inline void ltr(uint16_t selector)
{
	asm volatile("ltr %0" : : "r"(selector) : "memory");
}

static inline void lldt(uint16_t selector)
{
	asm volatile("lldt %0" : : "r"(selector) : "memory");
}

static inline void load_data_segments(uint16_t selector)
{
	asm volatile("mov %0, %%ss; mov %0, %%ds; mov %0, %%es" : : "r"((uint32_t)selector) : "memory");
}

#define INSN_DEFINE_SELECTOR(name)                                                                           \
	static inline uint16_t read_##name(void)                                                             \
	{                                                                                                    \
		uint16_t v;                                                                                  \
                                                                                                             \
		asm volatile("mov %%" #name ", %0" : "=r"(v) : : "memory");                                  \
		return v;                                                                                    \
	}

INSN_DEFINE_SELECTOR(cs)
INSN_DEFINE_SELECTOR(ss)
INSN_DEFINE_SELECTOR(ds)
INSN_DEFINE_SELECTOR(es)
INSN_DEFINE_SELECTOR(fs)
INSN_DEFINE_SELECTOR(gs)

static inline uint16_t read_tr(void)
{
	uint16_t v;

	asm volatile("str %0" : "=r"(v));
	return v;
}

/* --- extended state: area is 64-byte aligned, mask names the components (XCR0 and IA32_XSS bits) --- */

static inline void fxsave(void *area)
{
	asm volatile("fxsaveq (%0)" : : "r"(area) : "memory");
}

static inline void fxrstor(const void *area)
{
	asm volatile("fxrstorq (%0)" : : "r"(area) : "memory");
}

static inline void xsave(void *area, uint64_t mask)
{
	asm volatile("xsaveq (%0)"
		     :
		     : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
		     : "memory");
}

static inline void xsavec(void *area, uint64_t mask)
{
	asm volatile("xsavec64 (%0)"
		     :
		     : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
		     : "memory");
}

static inline void xrstor(const void *area, uint64_t mask)
{
	asm volatile("xrstorq (%0)"
		     :
		     : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
		     : "memory");
}

/* Interrupts are off, and are taken here, between two instructions, if any wait. */
static inline void irq_window(void)
{
	asm volatile("sti\n\tnop\n\tcli" ::: "memory");
}

/* --- caches, TLB, order --- */

static inline void invlpg(uint64_t va)
{
	asm volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* False: the processor has no random number at this moment. */
static inline bool rdrand(uint64_t *v)
{
	bool ok;

	asm volatile("rdrand %0" : "=r"(*v), "=@ccc"(ok));
	return ok;
}

static inline void wbinvd(void)
{
	asm volatile("wbinvd" : : : "memory");
}

static inline void clflush(const void *p)
{
	asm volatile("clflush (%0)" : : "r"(p) : "memory");
}

static inline void mfence(void)
{
	asm volatile("mfence" : : : "memory");
}

static inline void lfence(void)
{
	asm volatile("lfence" : : : "memory");
}

static inline void sfence(void)
{
	asm volatile("sfence" : : : "memory");
}

static inline void compiler_barrier(void)
{
	asm volatile("" : : : "memory");
}

/* --- flow --- */

static inline void cpu_pause(void)
{
	asm volatile("pause" : : : "memory");
}

static inline void hlt(void)
{
	asm volatile("hlt" : : : "memory");
}

static inline void sti(void)
{
	asm volatile("sti" : : : "memory");
}

static inline void cli(void)
{
	asm volatile("cli" : : : "memory");
}

/* Waits for an interrupt; none can come between the two instructions. Returns with interrupts disabled. */
static inline void sti_hlt_cli(void)
{
	asm volatile("sti; hlt; cli" : : : "memory");
}

/* Takes the interrupts that are pending. STI's shadow covers the NOP's start, so it needs one instruction. */
static inline void sti_nop_cli(void)
{
	asm volatile("sti; nop; nop; cli" : : : "memory");
}

static inline uint64_t read_rflags(void)
{
	uint64_t v;

	asm volatile("pushfq; popq %0" : "=r"(v) : : "memory");
	return v;
}
