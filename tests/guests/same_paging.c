/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which accesses page tables allow, the error codes of the others, and the accessed and dirty bits: for memory, and for the local APIC
 * and the buffers of string I/O, where Ingot walks the tables itself. Compared with the same guest on the bare machine.
 */
#include "hv/lib/fmt.h"
#include "hv/lib/util.h"
#include "hv/x86/desc.h"
#include "tests/guests/lib/probe.h"

#define PTE_P    BIT(0)
#define PTE_W    BIT(1)
#define PTE_U    BIT(2)
#define PTE_A    BIT(5)
#define PTE_D    BIT(6)
#define PTE_RSVD BIT(51) /* above every emulator's MAXPHYADDR */
#define PTE_KEY1 BIT(59)
#define PTE_NX   BIT(63)

PROBE_CODE(ram_read, "mov (%rdi), %eax")
PROBE_CODE(ram_write, "mov %eax, (%rdi)")
PROBE_CODE(ram_run, "jmp *%rdi")
PROBE_CODE(ram_in, "mov $0x3ff, %edx\n insb")
PROBE_CODE(ram_out, "mov $0x3ff, %edx\n mov %rdi, %rsi\n outsb")
PROBE_CODE(apic_read, "mov 0x380(%rsi), %eax")
PROBE_CODE(apic_write, "mov %eax, 0x380(%rsi)")
PROBE_CODE(apic_modify, "orl $1, 0x380(%rsi)")
PROBE_CODE(apic_test, "testl $1, 0x380(%rsi)")
PROBE_CODE(apic_to_ram, "add $0x380, %rsi\n movsl")
PROBE_CODE(ram_to_apic, "xchg %rsi, %rdi\n add $0x380, %rdi\n movsl")

/* Each is tried at CPL 0 and 3; `page` is the one whose entry changes. */
static const struct access {
	const char *name, *code;
	enum probe_page page;
} accesses[] = {
    {"read", code_ram_read, PROBE_RAM},      {"write", code_ram_write, PROBE_RAM},
    {"run", code_ram_run, PROBE_RAM},        {"in", code_ram_in, PROBE_RAM},
    {"out", code_ram_out, PROBE_RAM},        {"read", code_apic_read, PROBE_APIC},
    {"write", code_apic_write, PROBE_APIC},  {"modify", code_apic_modify, PROBE_APIC},
    {"test", code_apic_test, PROBE_APIC},    {"load", code_apic_to_ram, PROBE_APIC},
    {"store", code_ram_to_apic, PROBE_APIC},
};

/* Of the page's own entry; A and D are 0. */
static const struct {
	const char *name;
	uint64_t bits;
} entries[] = {
    {"absent", 0},
    {"k-ro", PTE_P},
    {"k-ro-nx", PTE_P | PTE_NX},
    {"k-rw", PTE_P | PTE_W},
    {"k-rw-nx", PTE_P | PTE_W | PTE_NX},
    {"u-ro", PTE_P | PTE_U},
    {"u-ro-nx", PTE_P | PTE_U | PTE_NX},
    {"u-rw", PTE_P | PTE_U | PTE_W},
    {"u-rw-nx", PTE_P | PTE_U | PTE_W | PTE_NX},
    {"reserved", PTE_P | PTE_U | PTE_W | PTE_RSVD},
    {"key", PTE_P | PTE_U | PTE_W | PTE_KEY1},
};

/* Of everything else. need: a bit of CPUID leaf 7, EBX or ECX. */
static const struct {
	const char *name;
	uint64_t cr4;
	uint32_t need_ebx, need_ecx, pkru;
	unsigned how;
	bool no_wp;
	uint64_t directory;
} states[] = {
    {"plain", .directory = PTE_U | PTE_W},
    {"no-wp", .no_wp = true, .directory = PTE_U | PTE_W},
    {"smep", .cr4 = CR4_SMEP, .need_ebx = BIT(7), .directory = PTE_U | PTE_W},
    {"smap", .cr4 = CR4_SMAP, .need_ebx = BIT(20), .directory = PTE_U | PTE_W},
    {"smap-ac", .cr4 = CR4_SMAP, .need_ebx = BIT(20), .how = PROBE_AC, .directory = PTE_U | PTE_W},
    {"pku-none", .cr4 = CR4_PKE, .need_ecx = BIT(3), .pkru = 1 << 2, .directory = PTE_U | PTE_W},
    {"pku-ro", .cr4 = CR4_PKE, .need_ecx = BIT(3), .pkru = 2 << 2, .directory = PTE_U | PTE_W},
    {"dir-k", .directory = PTE_W},
    {"dir-ro", .directory = PTE_U},
    {"dir-nx", .directory = PTE_U | PTE_W | PTE_NX},
};

/* "ok", or the vector and the error code; then what became of A and D. */
static void print_access(const struct access *a, unsigned how, uint64_t entry)
{
	const struct trap *t;
	uint64_t after;

	probe_map(a->page, entry);
	t = probe_run(a->code, how);
	after = probe_entry(a->page);
	guest_printf(" %c-%s=", how & PROBE_CPL3 ? 'u' : 'k', a->name);
	if (t->vector == PROBE_END_VECTOR)
		guest_printf("ok");
	else
		guest_printf("%lu/0x%lx", t->vector, t->error);
	guest_printf("%s%s", after & PTE_A ? "A" : "", after & PTE_D ? "D" : "");
}

static void print_row(enum probe_page page, const char *page_name, unsigned state, unsigned entry)
{
	uint64_t frame = probe_default(page) & ~(PTE_P | PTE_W | PTE_U | PTE_A | PTE_D | PTE_NX);

	guest_printf("= %s %s %s:", page_name, states[state].name, entries[entry].name);
	for (unsigned i = 0; i < ARRAY_SIZE(accesses); i++) {
		if (accesses[i].page != page)
			continue;
		print_access(&accesses[i], states[state].how | PROBE_IOPL3, frame | entries[entry].bits);
		print_access(&accesses[i], states[state].how | PROBE_IOPL3 | PROBE_CPL3,
			     frame | entries[entry].bits);
	}
	guest_printf("\n");
	probe_map(page, probe_default(page));
}

void test_main(void)
{
	struct cpuid_regs seven = cpuid(7, 0);

	probe_init();
	for (unsigned s = 0; s < ARRAY_SIZE(states); s++) {
		if ((seven.ebx & states[s].need_ebx) != states[s].need_ebx ||
		    (seven.ecx & states[s].need_ecx) != states[s].need_ecx)
			continue;
		write_cr4(read_cr4() | states[s].cr4);
		if (states[s].no_wp)
			write_cr0(read_cr0() & ~CR0_WP);
		if (states[s].cr4 & CR4_PKE)
			wrpkru(states[s].pkru);
		probe_directory(states[s].directory);
		for (unsigned e = 0; e < ARRAY_SIZE(entries); e++) {
			print_row(PROBE_RAM, "ram", s, e);
			print_row(PROBE_APIC, "apic", s, e);
		}
		write_cr4(read_cr4() & ~states[s].cr4);
		write_cr0(read_cr0() | CR0_WP);
	}
}
