/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port E9h: what is written there appears in the guest's output beside COM1's; a read gives E9h, by which a guest sees that it
 * is there. As Bochs and QEMU (isa-debugcon) have it. It never holds the guest back: what the line can't take is left out.
 */
#pragma once

#include "hv/lib/status.h"

struct vm;

enum status vdebug_console_init(struct vm *vm);
