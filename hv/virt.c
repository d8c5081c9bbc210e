/* SPDX-License-Identifier: BSD-2-Clause */
/* The choice of the back end: see virt.h. */
#include "hv/virt.h"

#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/ops.h"
#include "hv/pcpu.h"
#include "hv/speculation.h"
#include "hv/x86/cpuid.h"
#include "hv/x86/insn.h"

const struct hv_ops *ops;

static const char *refused = "not probed yet";

/* Intel, Zhaoxin and Centaur CPUs have VMX; AMD and Hygon SVM. A CPU that shows one of the feature bits has that. */
static const struct hv_ops *choose(void)
{
	struct cpuid_regs r = cpuid(CPUID_LEAF_VENDOR, 0);
	char vendor[13] = {};

	if (cpuid(CPUID_LEAF_FEATURES, 0).ecx & CPUID_1_ECX_VMX)
		return &vmx_ops;
	memcpy(vendor, &r.ebx, 4);
	memcpy(vendor + 4, &r.edx, 4);
	memcpy(vendor + 8, &r.ecx, 4);
	if (!strcmp(vendor, "AuthenticAMD") || !strcmp(vendor, "HygonGenuine"))
		return &svm_ops;
	return &vmx_ops;
}

void virt_probe(void)
{
	const struct hv_ops *o = choose();

	refused = NULL;
	if (o->probe(&refused) != OK) {
		log_error("%s can't be used: %s", o->name, refused);
		return;
	}
	ops = o;
}

void virt_enable(struct pcpu *p)
{
	if (!ops) {
		p->virt_refused = refused;
		return;
	}
	speculation_enable();
	if (ops->cpu_enable(&p->virt_refused) != OK) {
		log_error("CPU %u runs no guests: %s", p->id, p->virt_refused);
		if (!p->id)
			refused = p->virt_refused;
		return;
	}
	p->virt_on = true;
}

void virt_disable(void)
{
	if (ops)
		ops->cpu_disable();
}

const char *virt_refused(void)
{
	return refused;
}
