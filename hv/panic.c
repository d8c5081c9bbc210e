/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * panic: other CPUs stopped, virtualization off everywhere, then message, registers and backtrace, and the end.
 * It runs as a list of steps, each started once: a fault within a step goes on with the next one, so a broken
 * step (the console, say) costs its own output only.
 */
#include "hv/panic.h"
#include "hv/lib/fmt.h"
#include "hv/lib/log.h"
#include "hv/lib/panic.h"
#include "hv/lib/util.h"
#include "hv/ops.h"
#include "hv/pcpu.h"
#include "hv/smp.h"
#include "hv/symbols.h"
#include "hv/trap.h"
#include "hv/x86/image.h"
#include "hv/x86/insn.h"

#define PANIC_MESSAGE_MAX 256
#define BACKTRACE_MAX     32
#define NO_OWNER          0

/* Panics within the panic: so many are reported, so many go on with the next step. */
#define NESTED_REPORT_MAX 3
#define NESTED_MAX        16

/* What is panicked about. Static and copied: a second #DF starts over on the stack where the first one was. */
static struct {
	char message[PANIC_MESSAGE_MAX];
	bool has_frame;
	struct trap_frame frame;
	uint64_t rip, rbp;
} report;

static uint32_t panic_owner = NO_OWNER; /* pcpu id + 1 of the CPU that panics */
static uint32_t panic_step, panic_nested;
static uint32_t cpus_not_stopped;
static void (*panic_console)(void);

static const char *const exception_names[EXC_COUNT] = {
    [EXC_DE] = "divide error (#DE)",
    [EXC_DB] = "debug exception (#DB)",
    [EXC_NMI] = "NMI",
    [EXC_BP] = "breakpoint (#BP)",
    [EXC_OF] = "overflow (#OF)",
    [EXC_BR] = "bound range exceeded (#BR)",
    [EXC_UD] = "invalid opcode (#UD)",
    [EXC_NM] = "device not available (#NM)",
    [EXC_DF] = "double fault (#DF)",
    [EXC_TS] = "invalid TSS (#TS)",
    [EXC_NP] = "segment not present (#NP)",
    [EXC_SS] = "stack fault (#SS)",
    [EXC_GP] = "general protection (#GP)",
    [EXC_PF] = "page fault (#PF)",
    [EXC_MF] = "x87 error (#MF)",
    [EXC_AC] = "alignment check (#AC)",
    [EXC_MC] = "machine check (#MC)",
    [EXC_XM] = "SIMD error (#XM)",
    [EXC_CP] = "control protection (#CP)",
};

void panic_set_console(void (*take_over)(void))
{
	panic_console = take_over;
}

static const char *exception_name(uint64_t vector)
{
	return vector < EXC_COUNT && exception_names[vector] != NULL ? exception_names[vector] : "exception";
}

/* "name+0x12", or only the address where there is no name. */
static const char *symbolise(uint64_t va, char *buf, size_t size)
{
	uint64_t offset;
	const char *name = symbol_find(va, &offset);

	if (name != NULL)
		fmt_snprintf(buf, size, "%s+0x%lx", name, offset);
	else
		fmt_snprintf(buf, size, "(not in the image)");
	return buf;
}

static void step_console(void)
{
	if (panic_console != NULL)
		panic_console();
}

static void step_stop_others(void)
{
	cpus_not_stopped = smp_stop_others();
}

static void step_virtualization_off(void)
{
	if (ops != NULL)
		ops->cpu_disable();
}

static void step_message(void)
{
	log_error("panic on CPU %u: %s", this_pcpu()->id, report.message);
}

static void step_registers(void)
{
	const struct trap_frame *f = &report.frame;
	char name[64];

	log_error("panic: at %016lx %s", report.rip, symbolise(report.rip, name, sizeof(name)));
	if (!report.has_frame)
		return;
	log_error("panic: vector %lu error %lx CS %lx SS %lx RFLAGS %08lx RSP %016lx", f->vector, f->error,
		  f->cs, f->ss, f->rflags, f->rsp);
	log_error("panic: RAX %016lx RBX %016lx RCX %016lx RDX %016lx", f->rax, f->rbx, f->rcx, f->rdx);
	log_error("panic: RSI %016lx RDI %016lx RBP %016lx R8  %016lx", f->rsi, f->rdi, f->rbp, f->r8);
	log_error("panic: R9  %016lx R10 %016lx R11 %016lx R12 %016lx", f->r9, f->r10, f->r11, f->r12);
	log_error("panic: R13 %016lx R14 %016lx R15 %016lx", f->r13, f->r14, f->r15);
}

static void step_control_registers(void)
{
	log_error("panic: CR0 %lx CR2 %016lx CR3 %lx CR4 %lx", read_cr0(), read_cr2(), read_cr3(),
		  read_cr4());
}

/* Follows the frame pointers, only upwards and only within stacks, so that a broken chain ends it. */
static void step_backtrace(void)
{
	uint64_t rbp = report.rbp;
	char name[64];

	for (unsigned i = 0; i < BACKTRACE_MAX && pcpu_stack_contains(rbp, 2 * sizeof(uint64_t)); i++) {
		const uint64_t *frame = (const uint64_t *)rbp;

		log_error("panic: from %016lx %s", frame[1], symbolise(frame[1], name, sizeof(name)));
		if (frame[0] <= rbp)
			break;
		rbp = frame[0];
	}
}

static void step_end(void)
{
	if (cpus_not_stopped != 0)
		log_error("panic: %u CPUs did not stop", cpus_not_stopped);
	log_error("panic: virtualization is off, this machine has stopped; reset it");
}

static void (*const steps[])(void) = {
    step_console,   step_stop_others,       step_virtualization_off, step_message,
    step_registers, step_control_registers, step_backtrace,          step_end,
};

/* The message of a panic within the panic is logged as it is; if that fails too, the third one isn't. */
static void panic_report_nested(const struct trap_frame *f, const char *fmt, va_list ap)
{
	uint32_t nested = ++panic_nested;
	char name[64];

	if (nested > NESTED_REPORT_MAX)
		return;
	log_break_lock();
	if (f == NULL)
		log_vprint(LOG_ERROR, fmt, ap);
	else
		log_error("panic: again, in step %u: %s error %lx at %016lx %s", panic_step,
			  exception_name(f->vector), f->error, f->rip, symbolise(f->rip, name, sizeof(name)));
}

/* True: the panic is this CPU's, and the first. Another CPU's panic stops this one. */
static bool panic_claim(void)
{
	uint32_t expected = NO_OWNER, me = this_pcpu()->id + 1;

	if (__atomic_compare_exchange_n(&panic_owner, &expected, me, false, __ATOMIC_SEQ_CST,
					__ATOMIC_SEQ_CST))
		return true;
	if (expected != me)
		smp_stop_self();
	return false;
}

[[gnu::noreturn]] static void panic_run(void)
{
	log_break_lock();
	while (panic_step < ARRAY_SIZE(steps) && panic_nested < NESTED_MAX)
		steps[panic_step++]();
	for (;;)
		hlt();
}

/* A stack overflow shows as #DF: the #PF that the guard page raised could not be delivered on that stack. */
static void panic_describe(const struct trap_frame *f)
{
	uint64_t cr2 = read_cr2();
	uint32_t cpu;
	const char *stack = pcpu_guard_page(cr2, &cpu);

	if (stack != NULL && (f->vector == EXC_DF || f->vector == EXC_PF))
		fmt_snprintf(report.message, sizeof(report.message),
			     "stack overflow: %s stack of CPU %u, address %lx", stack, cpu, cr2);
	else if (f->vector == EXC_PF)
		fmt_snprintf(report.message, sizeof(report.message), "%s: %s %lx%s",
			     exception_name(f->vector),
			     (f->error & PFERR_I) != 0   ? "fetch from"
			     : (f->error & PFERR_W) != 0 ? "write to"
							 : "read of",
			     cr2, (f->error & PFERR_P) != 0 ? ", which is mapped without that right" : "");
	else
		fmt_snprintf(report.message, sizeof(report.message), "%s, vector %lu, error code %lx",
			     exception_name(f->vector), f->vector, f->error);
}

void panic_trap(const struct trap_frame *f)
{
	cli();
	if (panic_claim()) {
		/* A fault in SVM's fast path comes here with the guest's TR and without IST stacks. */
		pcpu_load_tables(this_pcpu());
		report.frame = *f;
		report.has_frame = true;
		report.rip = f->rip;
		report.rbp = f->rbp;
		panic_describe(f);
	} else {
		va_list none = {};

		panic_report_nested(f, NULL, none);
	}
	panic_run();
}

void panic(const char *fmt, ...)
{
	va_list ap;

	cli();
	va_start(ap, fmt);
	if (panic_claim()) {
		pcpu_load_tables(this_pcpu());
		report.rip = (uint64_t)__builtin_return_address(0);
		report.rbp = *(uint64_t *)__builtin_frame_address(0);
		fmt_vsnprintf(report.message, sizeof(report.message), fmt, ap);
	} else {
		panic_report_nested(NULL, fmt, ap);
	}
	va_end(ap);
	panic_run();
}
