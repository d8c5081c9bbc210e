/* SPDX-License-Identifier: BSD-2-Clause */
/* The report of a guest that can't go on: one screen with the reason, registers and instruction bytes. */
#include <stdarg.h>

#include "hv/insn.h"
#include "hv/lib/fmt.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/ops.h"
#include "hv/vcpu.h"
#include "hv/vm.h"
#include "hv/vm_report.h"

struct report {
	report_fn out;
	void *arg;
};

[[gnu::format(printf, 2, 3)]] static void line(struct report *r, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	fmt_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->out(r->arg, text);
}

static void general_registers(struct report *r, struct vcpu *v)
{
	static const char *const names[GPR_COUNT] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
						     "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

	line(r, "rip %016lx  rflags %08lx  cpl %u", v->rip, vcpu_reg_get(v, VREG_RFLAGS), vcpu_cpl(v));
	for (unsigned i = 0; i < GPR_COUNT; i += 4)
		line(r, "%-3s %016lx  %-3s %016lx  %-3s %016lx  %-3s %016lx", names[i], vcpu_gpr(v, i),
		     names[i + 1], vcpu_gpr(v, i + 1), names[i + 2], vcpu_gpr(v, i + 2), names[i + 3],
		     vcpu_gpr(v, i + 3));
}

static void system_registers(struct report *r, struct vcpu *v)
{
	static const char *const names[SEG_COUNT] = {"es", "cs",   "ss", "ds",   "fs",
						     "gs", "ldtr", "tr", "gdtr", "idtr"};
	struct vseg_desc d;

	line(r, "cr0 %08lx  cr2 %016lx  cr3 %016lx  cr4 %08lx  efer %04lx", vcpu_reg_get(v, VREG_CR0),
	     vcpu_reg_get(v, VREG_CR2), vcpu_reg_get(v, VREG_CR3), vcpu_reg_get(v, VREG_CR4),
	     vcpu_reg_get(v, VREG_EFER));
	for (unsigned s = 0; s < SEG_COUNT; s++) {
		ops->seg_get(v, s, &d);
		if (s >= SEG_GDTR)
			line(r, "%-4s base %016lx limit %08x", names[s], d.base, d.limit);
		else
			line(r, "%-4s %04x base %016lx limit %08x attr %05x", names[s], d.selector, d.base,
			     d.limit, d.attr);
	}
}

static void code_bytes(struct report *r, struct vcpu *v)
{
	uint8_t bytes[INSN_MAX];
	unsigned n = insn_peek(v, bytes);
	char text[INSN_MAX * 3 + 1] = "";

	for (unsigned i = 0; i < n; i++)
		fmt_snprintf(text + i * 3, 4, " %02x", bytes[i]);
	line(r, "code at rip:%s", n ? text : " not readable");
}

void vm_report_vcpu(struct vcpu *v, report_fn out, void *arg)
{
	struct report r = {out, arg};
	char text[160];

	ops->describe_exit(v, &v->last_exit, text, sizeof(text));
	line(&r, "last exit: %s", text);
	general_registers(&r, v);
	system_registers(&r, v);
	code_bytes(&r, v);
}

static void to_log(void *arg, const char *text)
{
	const struct vcpu *v = arg;

	log_error("vm %s: cpu %u: %s", v->vm->cfg->name, v->id, text);
}

void vm_crash(struct vcpu *v, const char *fmt, ...)
{
	char why[VM_WHY_SIZE];
	va_list ap;

	va_start(ap, fmt);
	fmt_vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	vm_report_vcpu(v, to_log, v);
	vm_end_crash(v->vm, why);
}

void vm_triple_fault(struct vcpu *v)
{
	vm_crash(v, "triple fault");
}
