/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two IDTs, and what happens at each vector: fixup, a frame for absent guest memory, or panic for exceptions; irq_dispatch
 * for interrupts, and the NMI handler with its windows. Machine checks: hv/trap_mce.c.
 */
#include "hv/trap.h"
#include "hv/irq.h"
#include "hv/lib/panic.h"
#include "hv/lib/util.h"
#include "hv/panic.h"
#include "hv/pcpu.h"
#include "hv/smp.h"
#include "hv/vm_absent.h"
#include "hv/x86/image.h"
#include "hv/x86/insn.h"

#define VECTOR_COUNT    256
#define STUB_SIZE       16
#define NMI_WINDOWS_MAX 4

_Static_assert(sizeof(struct trap_frame) == 22 * sizeof(uint64_t), "the frame that trap.asm builds");
_Static_assert(EXC_WITH_ERROR == 0x60227d00, "the constant in trap.asm");

struct nmi_window {
	uint64_t start, end, restart;
};

extern const char trap_stubs[];
extern const struct fixup fixup_start[], fixup_end[];

static struct idt_gate idt[VECTOR_COUNT], idt_no_ist[VECTOR_COUNT];
struct desc_ptr trap_idt = {sizeof(idt) - 1, (uint64_t)idt};
struct desc_ptr trap_idt_no_ist = {sizeof(idt_no_ist) - 1, (uint64_t)idt_no_ist};

/* Filled before NMIs can come to the windows, so that the handler reads them without a lock. */
static struct nmi_window nmi_windows[NMI_WINDOWS_MAX];
static uint32_t nmi_window_count;

void trap_dispatch(struct trap_frame *f);

static void gate_set(struct idt_gate *table, unsigned vector, uint8_t ist)
{
	uint64_t stub = (uint64_t)trap_stubs + vector * STUB_SIZE;

	table[vector] = (struct idt_gate){
	    .offset_low = (uint16_t)stub,
	    .selector = HOST_CS,
	    .ist = ist,
	    .attr = DESC_P | DESC_TYPE_INTR_GATE,
	    .offset_mid = (uint16_t)(stub >> 16),
	    .offset_high = (uint32_t)(stub >> 32),
	};
}

void trap_init_early(void)
{
	struct pcpu *p = pcpus[0];

	*(struct pcpu **)(boot_stack + STACK_SLOT_SIZE - sizeof(p)) = p;
	for (unsigned v = 0; v < VECTOR_COUNT; v++) {
		gate_set(idt_no_ist, v, 0);
		gate_set(idt, v, 0);
	}
	gate_set(idt, EXC_NMI, PCPU_IST_NMI);
	gate_set(idt, EXC_DF, PCPU_IST_DF);
	gate_set(idt, EXC_MC, PCPU_IST_MC);
	pcpu_load_tables(p);
}

static uint64_t fixup_address(const int32_t *relative)
{
	return (uint64_t)relative + (uint64_t)(int64_t)*relative;
}

/* Only faults that the instruction itself raises: never #DF, NMI or #MC. */
static bool trap_fixup(struct trap_frame *f)
{
	if (f->vector != EXC_GP && f->vector != EXC_UD)
		return false;
	for (const struct fixup *x = fixup_start; x < fixup_end; x++) {
		if (fixup_address(&x->fault) == f->rip) {
			f->rip = fixup_address(&x->resume);
			return true;
		}
	}
	return false;
}

void nmi_window_register(const char *start, const char *end, const char *restart)
{
	CHECK(nmi_window_count < NMI_WINDOWS_MAX);
	nmi_windows[nmi_window_count] =
	    (struct nmi_window){(uint64_t)start, (uint64_t)end, (uint64_t)restart};
	nmi_window_count++;
}

/*
 * An NMI is a kick, or the order to stop, or the platform's. It must not fault: the IRET of a nested exception
 * would unblock NMIs while this stack is in use (SDM Vol. 3A, "Handling Multiple NMIs").
 */
static void nmi_count_or_stop(void)
{
	if (smp_stopping())
		smp_stop_self();
	this_pcpu()->nmi_count++;
}

static void nmi_handle(struct trap_frame *f)
{
	nmi_count_or_stop();
	for (uint32_t i = 0; i < nmi_window_count; i++) {
		if (f->rip >= nmi_windows[i].start && f->rip < nmi_windows[i].end)
			f->rip = nmi_windows[i].restart;
	}
}

void nmi_from_guest(void)
{
	nmi_count_or_stop();
	/* An NMI that is pending comes right behind the IRETQ, through the IDT. */
	asm volatile("movq %%rsp, %%rax\n\t"
		     "pushq %[ss]\n\t"
		     "pushq %%rax\n\t"
		     "pushfq\n\t"
		     "pushq %[cs]\n\t"
		     "pushq $1f\n\t"
		     "iretq\n"
		     "1:"
		     :
		     : [ss] "i"(HOST_DS), [cs] "i"(HOST_CS)
		     : "rax", "cc", "memory");
}

/* Called by the stubs, interrupts off, on the interrupted stack or on the vector's IST stack. */
void trap_dispatch(struct trap_frame *f)
{
	if (f->vector >= EXC_COUNT)
		irq_dispatch((uint8_t)f->vector);
	else if (f->vector == EXC_NMI)
		nmi_handle(f);
	else if (f->vector == EXC_MC)
		mce_panic(f);
	else if (f->vector == EXC_PF && !(f->error & PFERR_P) && vm_absent_fault(read_cr2()))
		return;
	else if (!trap_fixup(f))
		panic_trap(f);
}
