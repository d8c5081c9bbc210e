/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMCS: its fields by the names of SDM Vol. 3D, Appendix B, "Field Encoding in VMCS", and the layouts of
 * those that are more than a number. Owns no access to it: vmx/insn.h has the instructions.
 */
#pragma once

#include <stdint.h>
#include "hv/lib/util.h"

/* X(name, encoding) */
#define VMCS_GUEST_FIELDS(X)                                                                                 \
	X(GUEST_CR0, 0x6800)                                                                                 \
	X(GUEST_CR3, 0x6802)                                                                                 \
	X(GUEST_CR4, 0x6804)                                                                                 \
	X(GUEST_RSP, 0x681c)                                                                                 \
	X(GUEST_RIP, 0x681e)                                                                                 \
	X(GUEST_RFLAGS, 0x6820)                                                                              \
	X(GUEST_DR7, 0x681a)                                                                                 \
	X(GUEST_ES_SELECTOR, 0x0800)                                                                         \
	X(GUEST_CS_SELECTOR, 0x0802)                                                                         \
	X(GUEST_SS_SELECTOR, 0x0804)                                                                         \
	X(GUEST_DS_SELECTOR, 0x0806)                                                                         \
	X(GUEST_FS_SELECTOR, 0x0808)                                                                         \
	X(GUEST_GS_SELECTOR, 0x080a)                                                                         \
	X(GUEST_LDTR_SELECTOR, 0x080c)                                                                       \
	X(GUEST_TR_SELECTOR, 0x080e)                                                                         \
	X(GUEST_ES_BASE, 0x6806)                                                                             \
	X(GUEST_CS_BASE, 0x6808)                                                                             \
	X(GUEST_SS_BASE, 0x680a)                                                                             \
	X(GUEST_DS_BASE, 0x680c)                                                                             \
	X(GUEST_FS_BASE, 0x680e)                                                                             \
	X(GUEST_GS_BASE, 0x6810)                                                                             \
	X(GUEST_LDTR_BASE, 0x6812)                                                                           \
	X(GUEST_TR_BASE, 0x6814)                                                                             \
	X(GUEST_GDTR_BASE, 0x6816)                                                                           \
	X(GUEST_IDTR_BASE, 0x6818)                                                                           \
	X(GUEST_ES_LIMIT, 0x4800)                                                                            \
	X(GUEST_CS_LIMIT, 0x4802)                                                                            \
	X(GUEST_SS_LIMIT, 0x4804)                                                                            \
	X(GUEST_DS_LIMIT, 0x4806)                                                                            \
	X(GUEST_FS_LIMIT, 0x4808)                                                                            \
	X(GUEST_GS_LIMIT, 0x480a)                                                                            \
	X(GUEST_LDTR_LIMIT, 0x480c)                                                                          \
	X(GUEST_TR_LIMIT, 0x480e)                                                                            \
	X(GUEST_GDTR_LIMIT, 0x4810)                                                                          \
	X(GUEST_IDTR_LIMIT, 0x4812)                                                                          \
	X(GUEST_ES_ACCESS_RIGHTS, 0x4814)                                                                    \
	X(GUEST_CS_ACCESS_RIGHTS, 0x4816)                                                                    \
	X(GUEST_SS_ACCESS_RIGHTS, 0x4818)                                                                    \
	X(GUEST_DS_ACCESS_RIGHTS, 0x481a)                                                                    \
	X(GUEST_FS_ACCESS_RIGHTS, 0x481c)                                                                    \
	X(GUEST_GS_ACCESS_RIGHTS, 0x481e)                                                                    \
	X(GUEST_LDTR_ACCESS_RIGHTS, 0x4820)                                                                  \
	X(GUEST_TR_ACCESS_RIGHTS, 0x4822)                                                                    \
	X(GUEST_INTERRUPTIBILITY, 0x4824)                                                                    \
	X(GUEST_ACTIVITY_STATE, 0x4826)                                                                      \
	X(GUEST_PENDING_DEBUG, 0x6822)                                                                       \
	X(GUEST_SYSENTER_CS, 0x482a)                                                                         \
	X(GUEST_SYSENTER_ESP, 0x6824)                                                                        \
	X(GUEST_SYSENTER_EIP, 0x6826)                                                                        \
	X(GUEST_DEBUGCTL, 0x2802)                                                                            \
	X(LINK_POINTER, 0x2800)                                                                              \
	X(GUEST_PDPTE0, 0x280a)                                                                              \
	X(GUEST_PDPTE1, 0x280c)                                                                              \
	X(GUEST_PDPTE2, 0x280e)                                                                              \
	X(GUEST_PDPTE3, 0x2810)

/* Present only where the matching entry control is (vmx/caps.h). */
#define VMCS_OPTIONAL_GUEST_FIELDS(X)                                                                        \
	X(GUEST_PAT, 0x2804)                                                                                 \
	X(GUEST_EFER, 0x2806)

#define VMCS_CONTROL_FIELDS(X)                                                                               \
	X(PIN_BASED_CONTROLS, 0x4000)                                                                        \
	X(PROC_BASED_CONTROLS, 0x4002)                                                                       \
	X(PROC_BASED_CONTROLS2, 0x401e)                                                                      \
	X(EXIT_CONTROLS, 0x400c)                                                                             \
	X(ENTRY_CONTROLS, 0x4012)                                                                            \
	X(EXCEPTION_BITMAP, 0x4004)                                                                          \
	X(PF_ERROR_MASK, 0x4006)                                                                             \
	X(PF_ERROR_MATCH, 0x4008)                                                                            \
	X(CR3_TARGET_COUNT, 0x400a)                                                                          \
	X(CR0_MASK, 0x6000)                                                                                  \
	X(CR4_MASK, 0x6002)                                                                                  \
	X(CR0_SHADOW, 0x6004)                                                                                \
	X(CR4_SHADOW, 0x6006)                                                                                \
	X(TSC_OFFSET, 0x2010)                                                                                \
	X(MSR_BITMAP, 0x2004)                                                                                \
	X(EXIT_MSR_STORE_COUNT, 0x400e)                                                                      \
	X(EXIT_MSR_LOAD_COUNT, 0x4010)                                                                       \
	X(EXIT_MSR_LOAD_ADDRESS, 0x2008)                                                                     \
	X(ENTRY_MSR_LOAD_COUNT, 0x4014)                                                                      \
	X(ENTRY_MSR_LOAD_ADDRESS, 0x200a)                                                                    \
	X(ENTRY_INTR_INFO, 0x4016)                                                                           \
	X(ENTRY_ERROR_CODE, 0x4018)                                                                          \
	X(ENTRY_INSN_LENGTH, 0x401a)                                                                         \
	X(EPT_POINTER, 0x201a)

#define VMCS_OPTIONAL_CONTROL_FIELDS(X)                                                                      \
	X(VPID, 0x0000)                                                                                      \
	X(GUEST_INTERRUPT_STATUS, 0x0810)                                                                    \
	X(VIRTUAL_APIC_ADDRESS, 0x2012)                                                                      \
	X(APIC_ACCESS_ADDRESS, 0x2014)                                                                       \
	X(EOI_EXIT_BITMAP0, 0x201c)                                                                          \
	X(TPR_THRESHOLD, 0x401c)                                                                             \
	X(PREEMPTION_TIMER_VALUE, 0x482e)                                                                    \
	X(TSC_MULTIPLIER, 0x2032)                                                                            \
	X(XSS_EXITING_BITMAP, 0x202c)                                                                        \
	X(PLE_GAP, 0x4020)                                                                                   \
	X(PLE_WINDOW, 0x4022)

#define VMCS_EXIT_FIELDS(X)                                                                                  \
	X(VM_INSTRUCTION_ERROR, 0x4400)                                                                      \
	X(EXIT_REASON, 0x4402)                                                                               \
	X(EXIT_INTR_INFO, 0x4404)                                                                            \
	X(EXIT_INTR_ERROR, 0x4406)                                                                           \
	X(IDT_VECTORING_INFO, 0x4408)                                                                        \
	X(IDT_VECTORING_ERROR, 0x440a)                                                                       \
	X(EXIT_INSN_LENGTH, 0x440c)                                                                          \
	X(EXIT_INSN_INFO, 0x440e)                                                                            \
	X(EXIT_QUALIFICATION, 0x6400)                                                                        \
	X(GUEST_LINEAR_ADDRESS, 0x640a)                                                                      \
	X(GUEST_PHYSICAL_ADDRESS, 0x2400)

#define VMCS_HOST_FIELDS(X)                                                                                  \
	X(HOST_ES_SELECTOR, 0x0c00)                                                                          \
	X(HOST_CS_SELECTOR, 0x0c02)                                                                          \
	X(HOST_SS_SELECTOR, 0x0c04)                                                                          \
	X(HOST_DS_SELECTOR, 0x0c06)                                                                          \
	X(HOST_FS_SELECTOR, 0x0c08)                                                                          \
	X(HOST_GS_SELECTOR, 0x0c0a)                                                                          \
	X(HOST_TR_SELECTOR, 0x0c0c)                                                                          \
	X(HOST_PAT, 0x2c00)                                                                                  \
	X(HOST_EFER, 0x2c02)                                                                                 \
	X(HOST_SYSENTER_CS, 0x4c00)                                                                          \
	X(HOST_CR0, 0x6c00)                                                                                  \
	X(HOST_CR3, 0x6c02)                                                                                  \
	X(HOST_CR4, 0x6c04)                                                                                  \
	X(HOST_FS_BASE, 0x6c06)                                                                              \
	X(HOST_GS_BASE, 0x6c08)                                                                              \
	X(HOST_TR_BASE, 0x6c0a)                                                                              \
	X(HOST_GDTR_BASE, 0x6c0c)                                                                            \
	X(HOST_IDTR_BASE, 0x6c0e)                                                                            \
	X(HOST_SYSENTER_ESP, 0x6c10)                                                                         \
	X(HOST_SYSENTER_EIP, 0x6c12)                                                                         \
	X(HOST_RSP, 0x6c14)                                                                                  \
	X(HOST_RIP, 0x6c16)

enum vmcs_field {
#define X(name, encoding) VMCS_##name = (encoding),
	VMCS_GUEST_FIELDS(X) VMCS_OPTIONAL_GUEST_FIELDS(X) VMCS_CONTROL_FIELDS(X)
	    VMCS_OPTIONAL_CONTROL_FIELDS(X) VMCS_EXIT_FIELDS(X) VMCS_HOST_FIELDS(X)
#undef X
};

/* Fields of segment s (enum vseg: ES, CS, SS, DS, FS, GS, LDTR, TR) lie two apart; GDTR and IDTR have no selector. */
#define VMCS_SEG_SELECTOR(s)      ((enum vmcs_field)(VMCS_GUEST_ES_SELECTOR + 2 * (unsigned)(s)))
#define VMCS_SEG_BASE(s)          ((enum vmcs_field)(VMCS_GUEST_ES_BASE + 2 * (unsigned)(s)))
#define VMCS_SEG_LIMIT(s)         ((enum vmcs_field)(VMCS_GUEST_ES_LIMIT + 2 * (unsigned)(s)))
#define VMCS_SEG_ACCESS_RIGHTS(s) ((enum vmcs_field)(VMCS_GUEST_ES_ACCESS_RIGHTS + 2 * (unsigned)(s)))

/* SDM Vol. 3C, "Basic VM-Exit Information" */
#define VMX_REASON_BASIC(r)       ((r)&0xffffu)
#define VMX_REASON_ENTRY_FAILED   (1u << 31)
/* Not the hardware's: VMLAUNCH or VMRESUME itself failed, qual[0] is the VM-instruction error. */
#define VMX_REASON_NONE           0xffffu

/* Interruption information: of exits, of IDT vectoring, and of entries. SDM Vol. 3C, "Information for VM Exits
 * Due to Vectored Events". Types are those of enum event_type. */
#define VMX_INTR_VECTOR(i)        ((uint8_t)(i))
#define VMX_INTR_TYPE(i)          (((i) >> 8) & 7u)
#define VMX_INTR_TYPE_SHIFT       8
#define VMX_INTR_ERROR_VALID      (1u << 11)
#define VMX_INTR_NMI_UNBLOCKING   (1u << 12) /* exits only: the IRET that faulted had unblocked NMIs */
#define VMX_INTR_VALID            (1u << 31)

/* SDM Vol. 3C, "Guest Non-Register State", interruptibility state */
#define VMX_BLOCKING_STI          (1u << 0)
#define VMX_BLOCKING_MOV_SS       (1u << 1)
#define VMX_BLOCKING_SMI          (1u << 2)
#define VMX_BLOCKING_NMI          (1u << 3)
#define VMX_BLOCKING_KNOWN        0x1fu

enum vmx_activity { VMX_ACTIVE, VMX_HLT, VMX_SHUTDOWN, VMX_WAIT_FOR_SIPI };

/* "Guest Interrupt Status": the vectors that virtual-interrupt delivery asks for, and has in service */
#define VMX_STATUS_RVI(s)    ((uint8_t)(s))
#define VMX_STATUS_SVI(s)    ((uint8_t)((s) >> 8))
#define VMX_STATUS(rvi, svi) ((uint16_t)((rvi) | (svi) << 8))

/* EPT pointer, SDM Vol. 3C, "Extended-Page-Table Pointer (EPTP)" */
#define EPTP_WRITE_BACK      6u
#define EPTP_WALK_4          (3u << 3)

/* An element of the MSR areas, SDM Vol. 3C, "VM-Exit Controls for MSRs" */
struct vmx_msr_entry {
	uint32_t index, reserved;
	uint64_t value;
};
_Static_assert(sizeof(struct vmx_msr_entry) == 16, "SDM Vol. 3C, Format of an MSR Entry");
