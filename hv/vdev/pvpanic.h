/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The port by which a guest's kernel says that it has panicked; what follows is on_crash's matter. QEMU's interface:
 * docs/specs/pvpanic.txt; in the DSDT as QEMU0001.
 */
#pragma once

#include "hv/lib/status.h"

struct vm;

enum status vpvpanic_init(struct vm *vm);
