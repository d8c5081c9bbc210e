/* SPDX-License-Identifier: BSD-2-Clause */
/* Put before all else by -include: VMREAD and VMWRITE become functions of the test. */
#pragma once

#define vmcs_read  hardware_vmcs_read
#define vmcs_write hardware_vmcs_write
#include "vmx/insn.h"
#undef vmcs_read
#undef vmcs_write

uint64_t vmcs_read(enum vmcs_field f);
void vmcs_write(enum vmcs_field f, uint64_t value);
