/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that goes wrong in the way that its command line names; it must end alone, with a report. */
#include "hv/x86/desc.h"
#include "tests/guests/lib/guest.h"

static void triple_fault(void)
{
	struct desc_ptr none = {0, 0};

	lidt(&none);
	asm volatile("ud2");
}

/* An IDT where there is no memory. */
static void idt_mmio(void)
{
	struct desc_ptr idt = {0xfff, 0xd0000000UL};

	lidt(&idt);
	asm volatile("int $0x20");
}

/* A stack where there is no memory, for a delivery. */
static void stack_mmio(void)
{
	asm volatile("mov %0, %%rsp\n\tint $3" ::"r"(0xd0001000UL));
}

/* Code where there is no memory. */
static void run_off(void)
{
	((void (*)(void))0xd0000000UL)();
}

/* An instruction that begins in RAM and ends where there is none. */
static void fetch_split(void)
{
	volatile uint8_t *code = (volatile uint8_t *)0x9fffeUL;

	code[0] = 0xb8; /* MOV EAX, imm32 */
	code[1] = 0;
	((void (*)(void))code)();
}

/* An instruction on device memory that no emulator has. */
static void vector_mmio(void)
{
	write_cr0((read_cr0() | CR0_MP) & ~(CR0_EM | CR0_TS));
	write_cr4(read_cr4() | CR4_OSFXSR);
	asm volatile("movups %%xmm0, (%0)" ::"r"(0xd0000000UL) : "memory");
}

static void page_tables(void)
{
	write_cr3(0xd0000000UL);
}

/* Bits that no CPU has: #GP on a CPU, but a refused state on QEMU 7.2. */
static void cr3_bits(void)
{
	write_cr3(read_cr3() | 1UL << 60);
}

static void keyboard_reset(void)
{
	out8(0x64, 0xfe);
}

static void cf9_reset(void)
{
	out8(0xcf9, 6);
}

static void debug_exit(void)
{
	out32(0xf4, 21);
}

static void panicked(void)
{
	out8(PLATFORM_PVPANIC_PORT, 1);
}

static void spin(void)
{
	for (;;)
		asm volatile("");
}

static void halt(void)
{
	for (;;)
		asm volatile("cli\n\thlt");
}

/* Floods the serial port for ever. */
static void flood(void)
{
	for (;;)
		guest_printf("flood flood flood flood flood flood flood flood flood flood flood flood\n");
}

static const struct {
	const char *word;
	void (*fn)(void);
} ways[] = {
    {"triple", triple_fault},
    {"run-off", run_off},
    {"fetch-split", fetch_split},
    {"idt-mmio", idt_mmio},
    {"stack-mmio", stack_mmio},
    {"vector-mmio", vector_mmio},
    {"page-tables", page_tables},
    {"cr3-bits", cr3_bits},
    {"keyboard", keyboard_reset},
    {"cf9", cf9_reset},
    {"debug-exit", debug_exit},
    {"pvpanic", panicked},
    {"spin", spin},
    {"halt", halt},
    {"flood", flood},
};

void test_main(void)
{
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (!guest_cmdline_has(ways[i].word))
			continue;
		guest_printf("now: %s\n", ways[i].word);
		ways[i].fn();
	}
	guest_printf("no way named\n");
}
