/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMX instructions, one function each. A failure of VMREAD or VMWRITE is a bug of ours and panics (vmx/cpu.c);
 * the others report it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/types.h"
#include "vmx/vmcs.h"

[[gnu::noreturn]] void vmcs_access_failed(enum vmcs_field f, bool write);

/* A jump and not a call: what accesses the VMCS in an exit's way needs no frame for it. */
[[gnu::noreturn]] static inline void vmcs_jump_failed(enum vmcs_field f, bool write)
{
	asm volatile("jmp vmcs_access_failed" : : "D"(f), "S"((uint32_t)write));
	__builtin_unreachable();
}

static inline uint64_t vmcs_read(enum vmcs_field f)
{
	uint64_t value;

	asm goto volatile("vmread %1, %0\n\t"
			  "jna %l[failed]"
			  : "=r"(value)
			  : "r"((uint64_t)f)
			  : "cc", "memory"
			  : failed);
	return value;
failed:
	vmcs_jump_failed(f, false);
}

static inline void vmcs_write(enum vmcs_field f, uint64_t value)
{
	asm goto volatile("vmwrite %1, %0\n\t"
			  "jna %l[failed]"
			  :
			  : "r"((uint64_t)f), "r"(value)
			  : "cc", "memory"
			  : failed);
	return;
failed:
	vmcs_jump_failed(f, true);
}

/* Each takes the physical address of a VMXON region or a VMCS. False: VMfail. */
#define VMX_DEFINE_POINTER_INSN(name)                                                                        \
	[[nodiscard]] static inline bool name(hpa_t pa)                                                      \
	{                                                                                                    \
		bool ok;                                                                                     \
                                                                                                             \
		asm volatile(#name " %1" : "=@cca"(ok) : "m"(pa) : "memory");                                \
		return ok;                                                                                   \
	}

VMX_DEFINE_POINTER_INSN(vmxon)
VMX_DEFINE_POINTER_INSN(vmclear)
VMX_DEFINE_POINTER_INSN(vmptrld)

static inline void vmxoff(void)
{
	asm volatile("vmxoff" : : : "cc", "memory");
}

/* SDM Vol. 3C, "INVEPT" and "INVVPID": types */
enum invept_type { INVEPT_SINGLE = 1, INVEPT_ALL = 2 };
enum invvpid_type { INVVPID_SINGLE = 1, INVVPID_ALL = 2 };

[[nodiscard]] static inline bool invept(enum invept_type type, uint64_t eptp)
{
	struct {
		uint64_t eptp, reserved;
	} descriptor = {eptp, 0};
	bool ok;

	asm volatile("invept %1, %2" : "=@cca"(ok) : "m"(descriptor), "r"((uint64_t)type) : "memory");
	return ok;
}

[[nodiscard]] static inline bool invvpid(enum invvpid_type type, uint16_t vpid)
{
	struct {
		uint64_t vpid, address;
	} descriptor = {vpid, 0};
	bool ok;

	asm volatile("invvpid %1, %2" : "=@cca"(ok) : "m"(descriptor), "r"((uint64_t)type) : "memory");
	return ok;
}
