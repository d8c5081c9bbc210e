/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events whose delivery meets a page that is not mapped yet: their stack, or their gate. The guest's #PF handler maps it
 * and returns. What an instruction or a fault raised is then delivered once; an interrupt, an NMI or a trap that the CPU
 * dropped for the #PF may be lost, as on hardware, but is never delivered twice, and the next one comes.
 */
#include "hv/lib/string.h"
#include "hv/x86/apic.h"
#include "hv/x86/desc.h"
#include "tests/guests/lib/guest.h"

#define PAGES        0x800000UL /* 2 MiB of small pages */
#define STACK_PAGE   (PAGES + 0x2000)
#define STACK_TOP    (STACK_PAGE + 0x1000)
#define IDT_PAGE     (PAGES + 0x5000)
#define IDT_BASE     (IDT_PAGE - 0x200) /* vectors 0x20 and up are in IDT_PAGE */
#define LARGE_PAGE   0x200000UL
#define TSS_SELECTOR 0x18
#define VECTOR       0x40

#define IST_FAULT    1 /* of #PF: always there */
#define IST_ABSENT   2

static uint64_t pml4[512] __attribute__((aligned(4096))), pdpt[512] __attribute__((aligned(4096)));
static uint64_t directory[4][512] __attribute__((aligned(4096))), table[512] __attribute__((aligned(4096)));
static uint64_t gdt[5] = {[1] = 0x00af9b000000ffff, [2] = 0x00cf93000000ffff};
static struct tss64 tss;
static uint8_t fault_stack[8192] __attribute__((aligned(16)));
static struct desc_ptr idtr;
static volatile unsigned events, faults;
static volatile uint64_t fault_address, fault_error, event_rip;

static void page_set(uint64_t a, bool present)
{
	table[(a - PAGES) / 4096] = a | (present ? 3 : 2);
	invlpg(a);
}

static void on_page_fault(struct trap *t)
{
	fault_address = read_cr2();
	fault_error = t->error;
	faults++;
	if (fault_address < PAGES || fault_address >= PAGES + LARGE_PAGE || faults > 100) {
		guest_printf("FAIL delivery/page-fault: at 0x%lx\n", fault_address);
		guest_power_off();
	}
	page_set(fault_address & ~0xfffUL, true);
}

static void on_event(struct trap *t)
{
	events++;
	event_rip = t->rip;
	t->rflags &= ~RFLAGS_TF;
	if (t->vector == EXC_UD)
		t->rip += 2;
	if (t->vector == VECTOR)
		GUEST_LAPIC(LAPIC_EOI) = 0;
}

static void tables_load(void)
{
	struct desc_ptr gdtr = {sizeof(gdt) - 1, (uint64_t)gdt};
	pml4[0] = (uint64_t)pdpt | 3;
	for (uint64_t a = 0; a < 4UL << 30; a += LARGE_PAGE)
		directory[a >> 30][a / LARGE_PAGE % 512] = a | 0x83;
	for (unsigned i = 0; i < 4; i++)
		pdpt[i] = (uint64_t)directory[i] | 3;
	for (unsigned i = 0; i < 512; i++)
		table[i] = (PAGES + i * 4096) | 3;
	directory[0][PAGES / LARGE_PAGE] = (uint64_t)table | 3;
	write_cr3((uint64_t)pml4);

	tss.ist[IST_FAULT - 1] = (uint64_t)(fault_stack + sizeof(fault_stack));
	tss.ist[IST_ABSENT - 1] = STACK_TOP;
	tss.iomap_base = sizeof(tss);
	guest_tss_describe(&gdt[TSS_SELECTOR / 8], &tss, sizeof(tss));
	lgdt(&gdtr);
	ltr(TSS_SELECTOR);
	sidt(&idtr);
	((struct idt_gate *)idtr.base)[EXC_PF].ist = IST_FAULT;
	guest_set_handler(EXC_PF, on_page_fault);
}

/* From here on the vector's stack is not there. */
static void expect_on_absent_stack(uint8_t vector)
{
	((struct idt_gate *)idtr.base)[vector].ist = IST_ABSENT;
	guest_set_handler(vector, on_event);
	page_set(STACK_PAGE, false);
	events = faults = 0;
}

static void check_fault(const char *name)
{
	EXPECT(name, faults == 1 && fault_address >= STACK_PAGE && fault_address < STACK_TOP &&
			 fault_error == PFERR_W);
}

static void check_instructions(void)
{
	uint64_t after;

	expect_on_absent_stack(VECTOR);
	asm volatile("int %1\n\t1: lea 1b(%%rip), %0" : "=r"(after) : "i"(VECTOR) : "memory");
	check_fault("delivery/int-fault");
	EXPECT("delivery/int-once", events == 1 && event_rip == after);
	expect_on_absent_stack(EXC_BP);
	asm volatile("int3\n\t1: lea 1b(%%rip), %0" : "=r"(after)::"memory");
	check_fault("delivery/int3-fault");
	EXPECT("delivery/int3-once", events == 1 && event_rip == after);
	expect_on_absent_stack(EXC_UD);
	asm volatile("lea 1f(%%rip), %0\n\t1: ud2" : "=r"(after)::"memory");
	check_fault("delivery/ud-fault");
	EXPECT("delivery/ud-once", events == 1 && event_rip == after);
}

/* The trap after each instruction goes on until a handler has cleared TF. */
static void check_trap(void)
{
	expect_on_absent_stack(EXC_DB);
	asm volatile("pushf\n\torl $0x100, (%%rsp)\n\tpopf\n\tnop\n\tnop\n\tnop\n\tnop" ::: "memory", "cc");
	check_fault("delivery/db-fault");
	EXPECT("delivery/db-once", events == 1);
	/* After an instruction that the hypervisor completes. */
	expect_on_absent_stack(EXC_DB);
	asm volatile(
	    "pushf\n\torl $0x100, (%%rsp)\n\txor %%eax, %%eax\n\tpopf\n\tcpuid\n\tcpuid\n\tnop\n\tnop" ::
		: "rax", "rbx", "rcx", "rdx", "memory", "cc");
	check_fault("delivery/db-cpuid-fault");
	EXPECT("delivery/db-cpuid-once", events == 1);
}

static void raise(uint32_t icr)
{
	GUEST_LAPIC(LAPIC_ICR2) = GUEST_LAPIC(LAPIC_ID);
	GUEST_LAPIC(LAPIC_ICR) = icr | LAPIC_ICR_ASSERT;
	asm volatile("sti\n\tnop\n\tnop\n\tcli" ::: "memory");
	guest_delay_us(50);
}

/* `first` and the next: the first may be lost, and neither comes twice. */
static void check_asynchronous(uint8_t vector, uint32_t icr, const char *fault, const char *first,
			       const char *next)
{
	unsigned seen;

	expect_on_absent_stack(vector);
	raise(icr);
	check_fault(fault);
	EXPECT(first, events <= 1);
	GUEST_LAPIC(LAPIC_EOI) = 0;
	seen = events;
	raise(icr);
	EXPECT(next, events == seen + 1 && faults == 1);
}

/* The gate itself is on a page that is not there. */
static void check_gate(void)
{
	struct desc_ptr moved = {idtr.limit, IDT_BASE};

	memcpy((void *)IDT_BASE, (void *)idtr.base, idtr.limit + 1U);
	lidt(&moved);
	guest_set_handler(VECTOR, on_event);
	page_set(STACK_PAGE, true);
	page_set(IDT_PAGE, false);
	events = faults = 0;
	asm volatile("int %0" ::"i"(VECTOR) : "memory");
	EXPECT("delivery/gate-fault",
	       faults == 1 && fault_address == IDT_BASE + VECTOR * 16UL && !fault_error);
	EXPECT("delivery/gate-once", events == 1);
	page_set(IDT_PAGE, false);
	events = faults = 0;
	raise(VECTOR);
	EXPECT("delivery/gate-interrupt-fault", faults == 1 && events <= 1);
	lidt(&idtr);
}

void test_main(void)
{
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;
	tables_load();
	check_instructions();
	check_trap();
	check_asynchronous(VECTOR, VECTOR, "delivery/interrupt-fault", "delivery/interrupt-not-twice",
			   "delivery/interrupt-next");
	check_asynchronous(EXC_NMI, APIC_DELIVERY_NMI, "delivery/nmi-fault", "delivery/nmi-not-twice",
			   "delivery/nmi-next");
	check_gate();
}
