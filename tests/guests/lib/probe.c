/* SPDX-License-Identifier: BSD-2-Clause */
/* See probe.h. */
#include "tests/guests/lib/probe.h"

#include "hv/lib/fmt.h"
#include "hv/lib/util.h"
#include "hv/x86/apic.h"
#include "hv/x86/desc.h"

#define LARGE_PAGE   0x200000UL
#define PTE_P        BIT(0)
#define PTE_W        BIT(1)
#define PTE_U        BIT(2)
#define PTE_PCD      BIT(4)
#define PTE_A        BIT(5)
#define PTE_D        BIT(6)
#define PTE_PS       BIT(7)
#define PTE_NX       BIT(63)

#define KERNEL_CS    0x08
#define KERNEL_DS    0x10
#define USER_DS      0x1b
#define USER_CS      0x23
#define TSS_SELECTOR 0x28
#define ABSENT_GATE  0x21 /* a vector whose gate is there, but not present */
#define PIC1_DATA    0x21
#define PIC2_DATA    0xa1
#define IST_ALL      1
#define IST_NMI      2 /* it may interrupt the others */
#define IST_ABSENT   3 /* not mapped */
#define LAST_VECTOR  PROBE_END_VECTOR

#define COUNT_START  0x12345678
#define DR6_CLEAR    0xffff0ff0
#define BREAKPOINTS  (DR6_B0 | DR6_B1 | DR6_B2 | DR6_B3)
#define DR7_CLEAR    0x400

/* Registers at a piece's start. */
static const struct trap start = {
    .rax = 0x1122334455667788,
    .rbx = 0x0102030405060708,
    .rcx = 3,
    .rdx = 0x8070605040302010,
    .rbp = 0xb0b0b0b0b0b0b0b0,
    .rsi = PROBE_PAGE(PROBE_APIC),
    .rdi = PROBE_PAGE(PROBE_RAM),
    .r8 = 0x8888888888888888,
    .r9 = 0x9999999999999999,
    .r10 = 0x1010101010101010,
    .r11 = 0x1111111111111111,
    .r12 = 0x1212121212121212,
    .r13 = 0x1313131313131313,
    .r14 = 0x1414141414141414,
    .r15 = 0x1515151515151515,
    .rsp = PROBE_PAGE(PROBE_STACK) + 0xf00,
};

static const struct {
	const char *name;
	size_t offset;
} registers[] = {
    {"rax", offsetof(struct trap, rax)}, {"rbx", offsetof(struct trap, rbx)},
    {"rcx", offsetof(struct trap, rcx)}, {"rdx", offsetof(struct trap, rdx)},
    {"rbp", offsetof(struct trap, rbp)}, {"rsi", offsetof(struct trap, rsi)},
    {"rdi", offsetof(struct trap, rdi)}, {"rsp", offsetof(struct trap, rsp)},
    {"r8", offsetof(struct trap, r8)},   {"r9", offsetof(struct trap, r9)},
    {"r10", offsetof(struct trap, r10)}, {"r11", offsetof(struct trap, r11)},
    {"r12", offsetof(struct trap, r12)}, {"r13", offsetof(struct trap, r13)},
    {"r14", offsetof(struct trap, r14)}, {"r15", offsetof(struct trap, r15)},
};

static uint64_t pml4[512] __attribute__((aligned(4096))), pdpt[512] __attribute__((aligned(4096)));
static uint64_t directory[4][512] __attribute__((aligned(4096))),
    user_directory[512] __attribute__((aligned(4096)));
static uint64_t table[512] __attribute__((aligned(4096)));
static uint8_t ram[4096] __attribute__((aligned(4096))), stack[4096] __attribute__((aligned(4096)));
static uint8_t trap_stack[8192] __attribute__((aligned(16))), nmi_stack[4096] __attribute__((aligned(16)));
static uint64_t gdt[] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff, 0,
			 0};
static struct idt_gate idt[LAST_VECTOR + 1] __attribute__((aligned(16)));
static struct tss64 tss;

extern const char guest_stubs[];
[[gnu::noreturn]] void probe_enter(const struct trap *frame);

static struct trap end;
static char trace[256]; /* what happened on the way, as it will be printed */
static unsigned trace_length, trace_events;
static const char *running;
static bool stepping;
static unsigned more_nmis; /* the NMI handler sends so many */
static uint64_t end_cr2, end_dr6;
static long end_offset;
static void *back[5]; /* __builtin_setjmp's */

/* In: RDI = struct trap. */
asm(".pushsection .text\n"
    ".globl probe_enter\n"
    "probe_enter:\n"
    "	mov %rdi, %rsp\n"
    "	pop %r15\n"
    "	pop %r14\n"
    "	pop %r13\n"
    "	pop %r12\n"
    "	pop %r11\n"
    "	pop %r10\n"
    "	pop %r9\n"
    "	pop %r8\n"
    "	pop %rdi\n"
    "	pop %rsi\n"
    "	pop %rbp\n"
    "	pop %rbx\n"
    "	pop %rdx\n"
    "	pop %rcx\n"
    "	pop %rax\n"
    "	add $16, %rsp\n"
    "	iretq\n"
    ".popsection");

static long offset(uint64_t rip)
{
	return (long)(rip - (uint64_t)running - (rip >= PROBE_USER ? PROBE_USER : 0));
}

[[gnu::format(printf, 1, 2)]] static void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	trace_length += (unsigned)fmt_vsnprintf(trace + trace_length, sizeof(trace) - trace_length, fmt, ap);
	va_end(ap);
	if (trace_length >= sizeof(trace))
		trace_length = sizeof(trace) - 1;
}

static void on_nmi(const struct trap *t)
{
	note(" nmi+%ld", offset(t->rip));
	if (more_nmis) {
		more_nmis--;
		GUEST_LAPIC(LAPIC_ICR) = PROBE_ICR_NMI;
		note(" again");
	}
}

/* A breakpoint on code is a fault: RF lets its instruction go on (SDM Vol. 3B, "Instruction-Breakpoint Exception Condition"). */
static void on_debug(struct trap *t)
{
	uint64_t dr6 = read_dr6();

	write_dr6(DR6_CLEAR);
	if (dr6 != (DR6_CLEAR | DR6_BS))
		note(" dr6=%lx", dr6 & ~DR6_CLEAR);
	note(" +%ld", offset(t->rip));
	if (dr6 & BREAKPOINTS)
		t->rflags |= RFLAGS_RF;
}

/* What comes from without, and steps and breakpoints that were asked for, go on. */
static bool goes_on(struct trap *t)
{
	if (++trace_events > PROBE_EVENTS)
		return false;
	if (t->vector == EXC_NMI) {
		on_nmi(t);
	} else if (t->vector == EXC_DB && (stepping || (read_dr6() & BREAKPOINTS))) {
		on_debug(t);
	} else if (t->vector >= PROBE_INTERRUPT && t->vector < PROBE_END_VECTOR) {
		if (running)
			note(" int%lx+%ld", t->vector, offset(t->rip));
		else
			note(" int%lx left", t->vector);
		GUEST_LAPIC(LAPIC_EOI) = 0;
	} else {
		return false;
	}
	return true;
}

/* All else ends the piece. */
static void ended(struct trap *t)
{
	if (goes_on(t))
		return;
	if (!running) {
		guest_printf("FAIL probe: #%lu after a piece\n", t->vector);
		guest_power_off();
	}
	end = *t;
	end_offset = offset(t->rip);
	end_cr2 = read_cr2();
	end_dr6 = read_dr6();
	__builtin_longjmp(back, 1);
}

uint64_t probe_default(unsigned page)
{
	static const uint8_t *const memory[] = {[PROBE_RAM] = ram, [PROBE_STACK] = stack};

	if (page == PROBE_APIC)
		return PLATFORM_LAPIC_BASE | PTE_NX | PTE_PCD | PTE_U | PTE_W | PTE_P | PTE_A | PTE_D;
	if (page >= ARRAY_SIZE(memory) || !memory[page])
		return 0;
	return (uint64_t)memory[page] | PTE_NX | PTE_U | PTE_W | PTE_P | PTE_A | PTE_D;
}

void probe_map(unsigned page, uint64_t entry)
{
	table[page] = entry;
	invlpg(PROBE_PAGE(page));
}

uint64_t probe_entry(unsigned page)
{
	return table[page];
}

void probe_directory(uint64_t flags)
{
	user_directory[1] = (uint64_t)table | PTE_P | flags;
	write_cr3((uint64_t)pml4);
}

static void paging_init(void)
{
	pml4[0] = (uint64_t)pdpt | PTE_U | PTE_W | PTE_P;
	for (uint64_t a = 0; a < 4UL << 30; a += LARGE_PAGE)
		directory[a >> 30][a / LARGE_PAGE % 512] = a | PTE_PS | PTE_W | PTE_P;
	for (unsigned i = 0; i < 4; i++)
		pdpt[i] = (uint64_t)directory[i] | PTE_W | PTE_P;
	pdpt[PROBE_USER >> 30] = (uint64_t)user_directory | PTE_U | PTE_W | PTE_P;
	user_directory[0] = PTE_PS | PTE_U | PTE_W | PTE_P;
	probe_directory(PTE_U | PTE_W);
}

static void gates_init(void)
{
	for (unsigned i = 0; i <= LAST_VECTOR; i++) {
		uint64_t a = (uint64_t)guest_stubs + i * 16;

		idt[i] = (struct idt_gate){.offset_low = (uint16_t)a,
					   .selector = KERNEL_CS,
					   .ist = IST_ALL,
					   .attr = DESC_P | DESC_TYPE_INTR_GATE,
					   .offset_mid = (uint16_t)(a >> 16)};
		guest_set_handler((uint8_t)i, ended);
	}
	idt[EXC_NMI].ist = IST_NMI;
	idt[EXC_BP].attr |= 3 << 5;
	idt[PROBE_END_VECTOR].attr |= 3 << 5;
	idt[ABSENT_GATE].attr = DESC_TYPE_INTR_GATE | 3 << 5;
}

void probe_gate(uint8_t vector, enum probe_gate what)
{
	idt[vector].attr =
	    (uint8_t)(what == PROBE_GATE_ABSENT ? idt[vector].attr & ~DESC_P : idt[vector].attr | DESC_P);
	idt[vector].ist = what == PROBE_GATE_STACK ? IST_ABSENT : vector == EXC_NMI ? IST_NMI : IST_ALL;
}

static void registers_init(void)
{
	write_cr4(CR4_PAE);
	write_cr0(CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE);
	wrmsr(MSR_EFER, EFER_NXE | EFER_LME | EFER_LMA);
	write_dr7(DR7_CLEAR);
	out8(PIC1_DATA, 0xff);
	out8(PIC2_DATA, 0xff);
	GUEST_LAPIC(LAPIC_SVR) |= 0x100;
	GUEST_LAPIC(LAPIC_LVT_TIMER) = 1 << 16;
}

void probe_init(void)
{
	struct desc_ptr gdtr = {sizeof(gdt) - 1, (uint64_t)gdt}, idtr = {sizeof(idt) - 1, (uint64_t)idt};

	registers_init();
	paging_init();
	gates_init();
	tss.rsp[0] = tss.ist[IST_ALL - 1] = (uint64_t)(trap_stack + sizeof(trap_stack));
	tss.ist[IST_NMI - 1] = (uint64_t)(nmi_stack + sizeof(nmi_stack));
	tss.ist[IST_ABSENT - 1] = PROBE_PAGE(PROBE_NONE) + 0x800;
	tss.iomap_base = sizeof(tss);
	guest_tss_describe(&gdt[TSS_SELECTOR / 8], &tss, sizeof(tss));
	lgdt(&gdtr);
	ltr(TSS_SELECTOR);
	lidt(&idtr);
	for (unsigned i = 0; i < PROBE_FREE; i++)
		probe_map(i, probe_default(i));
}

/* Memory is full of PROBE_END: it may be run too. */
static uint8_t ram_start(unsigned i)
{
	return i % 2 ? PROBE_END_VECTOR : 0xcd;
}

static struct trap frame_of(const char *code, unsigned how)
{
	struct trap t = start;
	bool user = how & PROBE_CPL3;

	t.rip = (uint64_t)code + (user ? PROBE_USER : 0);
	t.cs = user ? USER_CS : KERNEL_CS;
	t.ss = user ? USER_DS : KERNEL_DS;
	t.rflags = RFLAGS_FIXED | (how & PROBE_STEP ? RFLAGS_TF : 0) | (how & PROBE_IOPL3 ? RFLAGS_IOPL : 0) |
		   (how & PROBE_AC ? RFLAGS_AC : 0);
	return t;
}

/* What the piece has left pending in the local APIC. */
static void drain(void)
{
	running = NULL;
	asm volatile("mov %0, %%cr8" ::"r"(0UL));
	for (unsigned i = 0; i < PROBE_EVENTS; i++)
		sti_nop_cli();
}

const struct trap *probe_run(const char *code, unsigned how)
{
	static struct trap t;
	static uint64_t cr0, cr4, efer;

	running = code;
	stepping = how & PROBE_STEP;
	more_nmis = how & PROBE_NMIS ? 1 : 0;
	trace_length = trace_events = 0;
	trace[0] = 0;
	for (unsigned i = 0; i < sizeof(ram); i++)
		ram[i] = ram_start(i);
	GUEST_LAPIC(PROBE_COUNT) = COUNT_START;
	write_dr6(DR6_CLEAR);
	cr0 = read_cr0();
	cr4 = read_cr4();
	efer = rdmsr(MSR_EFER);
	if (!__builtin_setjmp(back)) {
		t = frame_of(code, how);
		probe_enter(&t);
	}
	write_dr7(DR7_CLEAR);
	drain();
	write_cr0(cr0);
	write_cr4(cr4);
	wrmsr(MSR_EFER, efer);
	return &end;
}

static uint64_t reg(const struct trap *t, unsigned n)
{
	return *(const uint64_t *)((const char *)t + registers[n].offset);
}

static void print_end(void)
{
	guest_printf("%s", trace);
	if (end.vector == PROBE_END_VECTOR)
		return;
	guest_printf(" #%lu(0x%lx) at +%ld", end.vector, end.error, end_offset);
	if (end.vector == EXC_PF)
		guest_printf(" cr2=0x%lx", end_cr2);
	if (end_dr6 != DR6_CLEAR)
		guest_printf(" dr6=0x%lx", end_dr6);
}

static void print_memory(void)
{
	uint32_t count = GUEST_LAPIC(PROBE_COUNT);

	if (count != COUNT_START)
		guest_printf(" count=0x%x", count);
	for (unsigned i = 0; i < sizeof(ram); i++) {
		if (ram[i] != ram_start(i))
			guest_printf(" [%x]=%x", i, ram[i]);
	}
}

void probe(const char *name, const char *code, unsigned how, uint64_t ignore)
{
	const struct trap *t = probe_run(code, how);

	guest_printf("= %s%s%s%s:", name, how & PROBE_CPL3 ? " user" : "", how & PROBE_STEP ? " step" : "",
		     how & PROBE_IOPL3 ? " iopl" : "");
	print_end();
	for (unsigned i = 0; i < ARRAY_SIZE(registers); i++) {
		if (reg(t, i) != reg(&start, i))
			guest_printf(" %s=0x%lx", registers[i].name, reg(t, i));
	}
	/* QEMU 7.2's TCG delivers no fault with RF set. */
	if (guest_cmdline_has("tcg"))
		ignore |= RFLAGS_RF;
	guest_printf(" fl=0x%lx", t->rflags & ~ignore);
	print_memory();
	guest_printf("\n");
}
