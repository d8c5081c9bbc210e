/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The port of `debug_exit`: a write of v ends the guest with status (v << 1) | 1, as QEMU's isa-debug-exit does
 * with itself. For tests. A guest without the key has no such port.
 */
#pragma once

#include "hv/lib/status.h"

struct vm;

/* ERR_EXIST: the port is another device's; vm->why says so. */
enum status vdebug_exit_init(struct vm *vm);
