/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Emulates the instructions that guests use on device memory and string I/O. Reads the instruction, does what
 * the CPU would do, with devices behind hv/io_bus.h in the place of memory. RIP, registers, flags and
 * memory change only when the instruction (or one repetition) is complete.
 */
#pragma once

#include "hv/exit.h"
#include "hv/insn.h"

struct vcpu;

/* An instruction that a vCPU met on device memory, and what its bytes meant; insn.len 0: nothing. */
struct emulate_known {
	struct insn_bytes bytes;
	struct insn insn;
	uint8_t op, size; /* emulate.c's */
};
#define EMULATE_KNOWN_BITS  3
#define EMULATE_KNOWN_COUNT (1u << EMULATE_KNOWN_BITS)

/*
 * EXIT_NPF of an address that isn't RAM with the needed rights: device memory, ROM or nothing. e->insn_len is
 * filled in for ACT_ADVANCE. An instruction that is not known ends the VM with its bytes in the report.
 */
enum exit_action emulate_mmio(struct vcpu *v, struct vm_exit *e);
/* EXIT_IO with io.string: INS or OUTS. A bounded number of repetitions, then ACT_RESUME restarts the rest. */
enum exit_action emulate_string_io(struct vcpu *v, struct vm_exit *e);
