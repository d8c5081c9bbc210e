/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU's state as text, for the crash report and the `regs` command. */
#pragma once

struct vcpu;

typedef void (*report_fn)(void *arg, const char *line);

/* v is parked, or the caller runs it; its VM's address space is loaded. */
void vm_report_vcpu(struct vcpu *v, report_fn out, void *arg);
