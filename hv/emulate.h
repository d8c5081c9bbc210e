/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Emulates the instructions that guests use on device memory and string I/O. Reads the instruction, does what
 * the CPU would do, with devices behind hv/io_bus.h in the place of memory. All pages of an instruction (or one
 * repetition) are found and allowed before anything changes: registers, flags, memory or a device.
 */
#pragma once

#include "hv/exit.h"

struct vcpu;

/*
 * EXIT_NPF of an address that isn't RAM with the needed rights: device memory, ROM or nothing. Fills what
 * ACT_ADVANCE and ACT_BRANCH need. An instruction that is not known ends the VM with its bytes in the report.
 */
enum exit_action emulate_mmio(struct vcpu *v, struct vm_exit *e);
/* EXIT_IO with io.string: INS or OUTS. A bounded number of repetitions, then ACT_REPEAT. */
enum exit_action emulate_string_io(struct vcpu *v, struct vm_exit *e);
