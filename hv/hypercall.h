/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMCALL on Intel, VMMCALL on AMD: KVM's calls (hv/x86/kvm_para.h), from CPL 0. The other vendor's instruction is
 * #UD, as on hardware: guests choose by CPUID's vendor.
 */
#pragma once

#include "hv/exit.h"

struct vcpu;

/* EXIT_HYPERCALL. A number that we don't know gives -KVM_ENOSYS. */
enum exit_action hypercall_handle(struct vcpu *v);
