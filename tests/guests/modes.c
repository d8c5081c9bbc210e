/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every mode of the CPU: real, with limits of 4 GiB too ("unreal"), protected of 16 and 32 bits, both kinds of 32-bit
 * paging, compatibility, 64-bit. In each of them, instructions that a hypervisor completes, interrupts, addresses
 * that wrap. What comes out is printed, so that a run on the bare machine can be compared.
 */
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/x86/apic.h"
#include "hv/x86/desc.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/mode32.h"

/* lib/modes.asm has the same. */
#define LOW      0x8000UL
#define RESULTS  0x9000UL
#define COUNT    0x9100UL
#define TARGET   0x9104UL
#define SEG_FS   0x30
#define SEG_GS   0x38
#define COMPAT32 0x40
#define VECTOR   0x50

/* FS: EA FFFFFF80h is the APIC's scratch register. GS: EA FFFCh is. */
#define FS_BASE  0xfee00400u
#define GS_BASE  0xfedf0384u

#define PRESENT  1UL
#define WRITABLE 2UL
#define LARGE    0x80UL
#define NX       (1UL << 63)
#define MIB(n)   ((uint64_t)(n) << 20)

#define PORT_92  0x92
#define A20      2

typedef const char code[];
extern code low, low_end, exits16, exits32, exits64, interrupts16, interrupts32, interrupts64, wrap16_16,
    wrap16_32, wrap32_16, wrap32_32, wrap64, far_exits, a20, segments, toggle, limits, interrupt16, fault16,
    interrupt32, fault32, pae, pae_bad, two_level;
void run_real(void);
void run_prot16(void);
void run_prot32(void);
void run_compat16(void);
void run_compat32(void);
void run_long(void);

static void in_real(void)
{
	mode32_call(run_real);
}

static void in_prot16(void)
{
	mode32_call(run_prot16);
}

static void in_prot32(void)
{
	mode32_call(run_prot32);
}

/* --- tables of the 32-bit kinds of paging: 4 GiB as they are, but for the second --- */

uint64_t pae_table[4] __attribute__((aligned(4096))), pae_bad_table[4] __attribute__((aligned(4096)));
uint64_t pae_alias[512] __attribute__((aligned(4096)));
uint32_t two_level_table[1024] __attribute__((aligned(4096)));
uint64_t pae_second;
static uint64_t pae_directory[4][512] __attribute__((aligned(4096)));
static uint32_t two_level_alias[1024] __attribute__((aligned(4096)));

static void tables_fill(void)
{
	for (unsigned i = 0; i < 2048; i++)
		pae_directory[i / 512][i % 512] = MIB(2 * i) | LARGE | PRESENT | WRITABLE;
	for (unsigned i = 0; i < 4; i++)
		pae_table[i] = pae_bad_table[i] = (uint64_t)pae_directory[i] | PRESENT;
	pae_table[1] = 0;
	pae_bad_table[1] |= 6; /* reserved */
	pae_second = (uint64_t)pae_alias | PRESENT;
	pae_alias[0] = LARGE | PRESENT;
	pae_alias[1] = (PLATFORM_LAPIC_BASE & ~(MIB(2) - 1)) | LARGE | PRESENT | WRITABLE;
	pae_alias[2] = NX | LARGE | PRESENT;
	for (unsigned i = 0; i < 1024; i++)
		two_level_table[i] = (uint32_t)(MIB(4 * i) | LARGE | PRESENT | WRITABLE);
	two_level_table[256] = (uint32_t)((uint64_t)two_level_alias | PRESENT | WRITABLE);
	two_level_alias[0] = RESULTS | PRESENT;
	two_level_alias[1] = PLATFORM_LAPIC_BASE | PRESENT | WRITABLE;
}

/* --- segments and interrupts --- */

static uint64_t gdt[9] = {
    [1] = 0x00af9b000000ffff, [2] = 0x00cf93000000ffff, [COMPAT32 / 8] = 0x00cf9b000000ffff};

static void on_interrupt(struct trap *t)
{
	(void)t;
	++*(volatile uint32_t *)COUNT;
	GUEST_LAPIC(LAPIC_EOI) = 0;
}

/* By assembler: the compiler takes addresses so low for mistakes. */
static void real_vector(unsigned vector, const char *to)
{
	asm volatile("movl %1, (%0)" ::"r"(vector * 4UL), "r"((uint32_t)(LOW + (uint64_t)(to - low)))
		     : "memory");
}

static void segments_fill(void)
{
	struct desc_ptr gdtr = {sizeof(gdt) - 1, (uint64_t)gdt};

	mode32_gdt[SEG_FS / 8] = gdt[SEG_FS / 8] = mode32_descriptor(FS_BASE, 0xfffff, 0x93, 0xc);
	mode32_gdt[SEG_GS / 8] = gdt[SEG_GS / 8] = mode32_descriptor(GS_BASE, 0xfffff, 0x93, 0xc);
	gdt[MODE32_CODE16 / 8] = mode32_descriptor(0, 0xffff, 0x9b, 0);
	lgdt(&gdtr);
	mode32_idt[VECTOR] = mode32_gate(MODE32_CODE, (uint32_t)(uint64_t)interrupt32, 0x8e);
	mode32_idt[EXC_PF] = mode32_gate(MODE32_CODE, (uint32_t)(uint64_t)fault32, 0x8e);
	mode32_idt[EXC_GP] = mode32_gate(MODE32_CODE, (uint32_t)(uint64_t)fault32, 0x8e);
	guest_set_handler(VECTOR, on_interrupt);
	real_vector(VECTOR, interrupt16);
	real_vector(EXC_GP, fault16);
	memcpy((void *)LOW, low, (size_t)(low_end - low));
	GUEST_LAPIC(LAPIC_LVT_TIMER) = LAPIC_LVT_MASKED;
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
}

/* --- the table --- */

#define ANY        UINT32_MAX /* the comparison with the bare machine tells */
#define EXITS(cr0) ANY, 0xef, 0x23456789, 0xfee00000, (cr0), 0
#define INTERRUPTS 1, 2, 3, 0x5a5a5a5a
#define WRAP16     0x16160001, 0x16160002, 0xdead0000
#define WRAP32     0x32320001
#define COUNT_MAX  20
#define PIECE(name_, how, piece, ...)                                                                        \
	{                                                                                                    \
		name_, how, piece, sizeof((uint32_t[]){__VA_ARGS__}) / 4,                                    \
		{                                                                                            \
			__VA_ARGS__                                                                          \
		}                                                                                            \
	}

static const struct {
	const char *name;
	void (*run)(void);
	const char *piece;
	uint8_t count;
	uint32_t want[COUNT_MAX];
} pieces[] = {
    PIECE("real-exits", in_real, exits16, EXITS(0)),
    PIECE("real-interrupts", in_real, interrupts16, INTERRUPTS),
    PIECE("real-wrap16", in_real, wrap16_16, WRAP16),
    PIECE("real-wrap32", in_real, wrap32_16, WRAP32),
    PIECE("real-far", in_real, far_exits, EXITS(0)),
    PIECE("real-a20", in_real, a20, 0xa20a20a2, 0),
    PIECE("real-segments", in_real, segments, 0x11223344, 0x55667788, 0),
    PIECE("real-toggle", in_real, toggle, 0x70661e00, 0x70661e00, 1, 1),
    PIECE("real-limits", in_real, limits, ANY, ANY),
    PIECE("prot16-exits", in_prot16, exits16, EXITS(1)),
    PIECE("prot16-interrupts", in_prot16, interrupts16, INTERRUPTS),
    PIECE("prot16-wrap16", in_prot16, wrap16_16, WRAP16),
    PIECE("prot16-wrap32", in_prot16, wrap32_16, WRAP32),
    PIECE("prot32-exits", in_prot32, exits32, EXITS(1)),
    PIECE("prot32-interrupts", in_prot32, interrupts32, INTERRUPTS),
    PIECE("prot32-wrap16", in_prot32, wrap16_32, WRAP16),
    PIECE("prot32-wrap32", in_prot32, wrap32_32, WRAP32),
    PIECE("pae", in_prot32, pae, EXITS(0x80000001), INTERRUPTS, WRAP32, 0, 0x40000000, 3, 3,
	  0x40000000 + COUNT, 0x9ae00002, 0x60, 0x11, 0x40400000 + LOW),
    PIECE("pae-bad", in_prot32, pae_bad, ANY, ANY, ANY, ANY),
    PIECE("two-level", in_prot32, two_level, EXITS(0x80000001), INTERRUPTS, WRAP32, 3, 3,
	  0x40000000 + COUNT - RESULTS, 0x21e70001, 0, 0x40002000, 0, 0x40002000),
    PIECE("compat16-exits", run_compat16, exits16, EXITS(0x80000001)),
    PIECE("compat16-interrupts", run_compat16, interrupts16, INTERRUPTS),
    PIECE("compat16-wrap16", run_compat16, wrap16_16, WRAP16),
    PIECE("compat16-wrap32", run_compat16, wrap32_16, WRAP32),
    PIECE("compat32-exits", run_compat32, exits32, EXITS(0x80000001)),
    PIECE("compat32-interrupts", run_compat32, interrupts32, INTERRUPTS),
    PIECE("compat32-wrap16", run_compat32, wrap16_32, WRAP16),
    PIECE("compat32-wrap32", run_compat32, wrap32_32, WRAP32),
    PIECE("long-exits", run_long, exits64, EXITS(0x80000001)),
    PIECE("long-interrupts", run_long, interrupts64, INTERRUPTS),
    PIECE("long-wrap", run_long, wrap64, 0x64640001, 0x64640001, 0),
};

static void run_piece(unsigned i)
{
	volatile uint32_t *results = (volatile uint32_t *)RESULTS;
	char name[40], text[16 * COUNT_MAX] = "", *end = text;
	bool same = true;

	for (unsigned n = 0; n < COUNT_MAX; n++)
		results[n] = 0xbadbad;
	*(volatile uint32_t *)TARGET = (uint32_t)(pieces[i].piece >= low && pieces[i].piece < low_end
						      ? LOW + (uint64_t)(pieces[i].piece - low)
						      : (uint64_t)pieces[i].piece);
	pieces[i].run();
	for (unsigned n = 0; n < pieces[i].count; n++) {
		end += fmt_snprintf(end, (size_t)(text + sizeof(text) - end), " %x", results[n]);
		same &= pieces[i].want[n] == ANY || pieces[i].want[n] == results[n];
	}
	guest_printf("= %s:%s\n", pieces[i].name, text);
	fmt_snprintf(name, sizeof(name), "modes/%s", pieces[i].name);
	guest_expect(name, same, text);
}

void test_main(void)
{
	tables_fill();
	segments_fill();
	for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++)
		run_piece(i);
	/* A20 can't be switched. On the bare machine it can, and had better not be. */
	EXPECT("modes/a20-on", in8(PORT_92) & A20);
	if (guest_cmdline_has("bare"))
		guest_power_off();
	out8(PORT_92, 0);
	EXPECT("modes/a20-stays", in8(PORT_92) & A20);
	run_piece(5);
}
