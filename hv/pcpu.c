/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Physical CPUs: their stacks, descriptor tables, and requests between them. Starting them: hv/smp.c; what
 * they do then: hv/cpu_loop.c.
 */
#include "hv/pcpu.h"
#include "drivers/lapic.h"
#include "hv/irq.h"
#include "hv/lib/panic.h"
#include "hv/lib/util.h"
#include "hv/panic.h"
#include "hv/trap.h"
#include "hv/x86/image.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define GDT_CODE64 0x00af9b000000ffffUL /* long mode, read, accessed */
#define GDT_DATA   0x00cf93000000ffffUL /* write, accessed */

static struct pcpu boot_pcpu = {.online = true};
struct pcpu *pcpus[MAX_PCPUS] = {&boot_pcpu};
uint32_t pcpu_count = 1;
bool pcpu_kick_by_nmi;

/* A stack with p's address in its top word; returns where that is, 0 without memory. */
static uint64_t stack_alloc(struct pcpu *p)
{
	char *lowest = host_map_stack(STACK_SLOT_SIZE);
	uint64_t top;

	if (lowest == NULL)
		return 0;
	top = ((uint64_t)lowest | (STACK_SLOT_SIZE - 1)) + 1 - sizeof(p);
	*(struct pcpu **)top = p;
	return top;
}

/* The CPU aligns RSP to 16 bytes when it takes an IST stack: the top word stays free. */
static bool stacks_alloc(struct pcpu *p)
{
	p->stack_top = stack_alloc(p);
	if (p->stack_top == 0)
		return false;
	for (unsigned i = 0; i < PCPU_IST_COUNT; i++) {
		p->tss.ist[i] = stack_alloc(p);
		if (p->tss.ist[i] == 0)
			return false;
	}
	return true;
}

static void tables_build(struct pcpu *p)
{
	uint64_t base = (uint64_t)&p->tss;
	struct system_descriptor tss = {
	    .low = {.limit_low = sizeof(p->tss) - 1,
		    .base_low = (uint16_t)base,
		    .base_mid = (uint8_t)(base >> 16),
		    .access = DESC_P | DESC_TYPE_TSS_AVAIL,
		    .base_high = (uint8_t)(base >> 24)},
	    .base_upper = (uint32_t)(base >> 32),
	};

	_Static_assert(sizeof(p->tss) <= 128, "the TSS must not cross a page");
	p->tss.iomap_base = sizeof(p->tss);
	p->gdt[HOST_CS / sizeof(uint64_t)] = GDT_CODE64;
	p->gdt[HOST_DS / sizeof(uint64_t)] = GDT_DATA;
	*(struct system_descriptor *)&p->gdt[HOST_TR / sizeof(uint64_t)] = tss;
}

void pcpu_load_tables(struct pcpu *p)
{
	struct desc_ptr gdt = {sizeof(p->gdt) - 1, (uint64_t)p->gdt};

	tables_build(p); /* LTR wants the descriptor "available" again */
	lgdt(&gdt);
	load_data_segments(HOST_DS);
	ltr(HOST_TR);
	/* Before pcpu_init_boot there are no IST stacks. */
	lidt(p->tss.ist[0] != 0 ? &trap_idt : &trap_idt_no_ist);
}

void pcpu_init_boot(void (*next)(void))
{
	struct pcpu *p = pcpus[0];

	p->apic_id = lapic_id();
	list_init(&p->run_queue);
	if (!stacks_alloc(p) || host_window_init(&p->window) != OK)
		panic("no memory for the boot CPU's stacks");
	pcpu_load_tables(p);
	mce_init_cpu();
	asm volatile("mov %[stack], %%rsp\n\t"
		     "xor %%ebp, %%ebp\n\t" /* ends backtraces */
		     "call *%[next]\n\t"
		     "ud2"
		     :
		     : [stack] "r"(p->stack_top - sizeof(uint64_t)), [next] "r"(next)
		     : "memory");
	__builtin_unreachable();
}

struct pcpu *pcpu_alloc(uint32_t id, uint32_t apic_id)
{
	struct pcpu *p = page_alloc_bytes(sizeof(*p));

	if (p == NULL)
		return NULL;
	p->id = id;
	p->apic_id = apic_id;
	list_init(&p->run_queue);
	if (!stacks_alloc(p) || host_window_init(&p->window) != OK) {
		page_free_bytes(p, sizeof(*p)); /* its stacks stay: it was the last memory */
		return NULL;
	}
	return p;
}

void pcpu_request(struct pcpu *p, uint32_t bits)
{
	uint32_t old = __atomic_fetch_or(&p->requests, bits, __ATOMIC_SEQ_CST);

	/* This CPU looks before it enters or sleeps; and whoever set the same bits first has kicked p. */
	if ((bits != 0 && (old & bits) == bits) || p == this_pcpu())
		return;
	if (__atomic_load_n(&p->in_guest, __ATOMIC_SEQ_CST) && pcpu_kick_by_nmi)
		lapic_send_nmi(p->apic_id);
	else if (__atomic_load_n(&p->in_guest, __ATOMIC_SEQ_CST) ||
		 __atomic_load_n(&p->idle, __ATOMIC_SEQ_CST))
		lapic_send_fixed(p->apic_id, VECTOR_KICK);
}

void pcpu_wait(struct pcpu *p, const uint32_t *others)
{
	pcpu_set_flag(&p->idle, true);
	if (!(__atomic_load_n(&p->requests, __ATOMIC_SEQ_CST) | __atomic_load_n(others, __ATOMIC_SEQ_CST)))
		asm volatile("sti\n\thlt\n\tcli" ::: "memory");
	__atomic_store_n(&p->idle, false, __ATOMIC_RELAXED);
}

void pcpu_kick_self(void)
{
	lapic_send_fixed(this_pcpu()->apic_id, VECTOR_KICK);
}

static bool in_slot(uint64_t va, uint64_t len, uint64_t top)
{
	uint64_t base = ALIGN_DOWN(top, STACK_SLOT_SIZE);

	return top != 0 && va >= base + PAGE_SIZE && va < top && top - va >= len;
}

static bool in_guard(uint64_t va, uint64_t top)
{
	return top != 0 && ALIGN_DOWN(va, PAGE_SIZE) == ALIGN_DOWN(top, STACK_SLOT_SIZE);
}

const char *pcpu_guard_page(uint64_t va, uint32_t *cpu)
{
	static const char *const ist_names[PCPU_IST_COUNT] = {
	    [PCPU_IST_NMI - 1] = "NMI", [PCPU_IST_DF - 1] = "#DF", [PCPU_IST_MC - 1] = "#MC"};

	for (uint32_t i = 0; i < MAX_PCPUS && pcpus[i] != NULL; i++) {
		*cpu = i;
		if (in_guard(va, pcpus[i]->stack_top))
			return "host";
		for (unsigned n = 0; n < PCPU_IST_COUNT; n++) {
			if (in_guard(va, pcpus[i]->tss.ist[n]))
				return ist_names[n];
		}
	}
	return NULL;
}

bool pcpu_stack_contains(uint64_t va, uint64_t len)
{
	if (in_slot(va, len, (uint64_t)boot_stack_top - sizeof(struct pcpu *)))
		return true;
	for (uint32_t i = 0; i < MAX_PCPUS && pcpus[i] != NULL; i++) {
		if (in_slot(va, len, pcpus[i]->stack_top))
			return true;
		for (unsigned n = 0; n < PCPU_IST_COUNT; n++) {
			if (in_slot(va, len, pcpus[i]->tss.ist[n]))
				return true;
		}
	}
	return false;
}
