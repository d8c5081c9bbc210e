/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tiny guests share: COM1 output, PASS/FAIL lines, caught faults, interrupts, power-off. A tiny guest is
 * one C file with guest_main; it runs in 64-bit mode with the first 4 GiB identity-mapped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/vdev/platform.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/cr.h"
#include "hv/x86/insn.h"
#include "hv/x86/msr.h"
#include "hv/x86/rflags.h"

struct trap {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

/* The guest's own. */
void test_main(void);
/* Runs it, with that command line, in 64-bit mode with an identity map. Linux's boot protocol comes here by itself. */
[[gnu::noreturn]] void guest_run(const char *line);

/* The command line of the boot protocol; has: is `word` one of its words? value: what stands behind "key=". */
const char *guest_cmdline(void);
bool guest_cmdline_has(const char *word);

void guest_putc(char c);
[[gnu::format(printf, 1, 2)]] void guest_printf(const char *fmt, ...);

/* Prints "PASS name" or "FAIL name: text"; counts. */
#define EXPECT(name, cond) guest_expect(name, cond, #cond)
bool guest_expect(const char *name, bool ok, const char *text);
/* Prints FAIL with both values where they differ. */
bool guest_expect_equal(const char *name, uint64_t got, uint64_t want);

/* Calls fn(arg) and returns the vector of the fault in it, or -1; the fault's frame is in guest_fault. */
int guest_catch(void (*fn)(uint64_t arg), uint64_t arg);
extern struct trap guest_fault;
extern uint64_t guest_fault_cr2;

/* Handler of a vector, called with interrupts off; NULL: a trap that nobody expects ends the guest. */
void guest_set_handler(uint8_t vector, void (*fn)(struct trap *t));

/* Loads the GDT and IDT that are shared by all CPUs; the first one has them already. */
void guest_tables_load(void);

/* Makes the two GDT entries at `entry` describe a 64-bit TSS: SDM Vol. 3A, "TSS Descriptor in 64-bit mode". */
static inline void guest_tss_describe(uint64_t *entry, const void *tss, size_t size)
{
	uint64_t base = (uint64_t)tss;

	entry[0] = (size - 1) | (base & 0xffffff) << 16 | 0x89UL << 40 | (base >> 24 & 0xff) << 56;
	entry[1] = base >> 32;
}

/* "DONE n failed", then ACPI S5. */
[[gnu::noreturn]] void guest_power_off(void);

#define GUEST_LAPIC(reg) (*(volatile uint32_t *)(uintptr_t)(PLATFORM_LAPIC_BASE + (reg)))

/* PM timer ticks (3.579545 MHz, 32 bits). */
static inline uint32_t guest_pm_timer(void)
{
	return in32(PLATFORM_PM_TMR_PORT);
}
#define PM_TIMER_HZ 3579545
/* Waits that many microseconds by the PM timer, at most 1000 s. */
void guest_delay_us(uint32_t us);
