/* SPDX-License-Identifier: BSD-2-Clause */
/* The hardware task switch, which VMX leaves to software: 32-bit TSSs, by JMP, CALL, IRET and task gates. */
#pragma once

#include "hv/exit.h"

struct vcpu;

/* EXIT_TASK_SWITCH, whose insn_len is 0 where no instruction made it: v's state becomes the new task's, or a fault is raised. A 16-bit TSS ends the VM. */
enum exit_action task_switch_handle(struct vcpu *v, const struct vm_exit *e);
