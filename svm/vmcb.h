/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual machine control block and its values, named as in APM Vol. 2, Appendix B "Layout of VMCB",
 * and Appendix C "SVM Intercept Exit Codes". Layout and names only. Fields that Ingot doesn't use are gaps.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/util.h"
#include "hv/x86/msr.h"

/* intercept_misc1, at 0x00c; the exit code of bit n is VMEXIT_INTR + n. */
#define INTERCEPT_INTR        (1u << 0)
#define INTERCEPT_NMI         (1u << 1)
#define INTERCEPT_SMI         (1u << 2)
#define INTERCEPT_INIT        (1u << 3)
#define INTERCEPT_VINTR       (1u << 4)
#define INTERCEPT_CR0_SEL     (1u << 5) /* writes of CR0 that change more than TS and MP; every LMSW */
#define INTERCEPT_RDPMC       (1u << 15)
#define INTERCEPT_CPUID       (1u << 18)
#define INTERCEPT_IRET        (1u << 20)
#define INTERCEPT_INVD        (1u << 22)
#define INTERCEPT_PAUSE       (1u << 23)
#define INTERCEPT_HLT         (1u << 24)
#define INTERCEPT_INVLPGA     (1u << 26)
#define INTERCEPT_IOIO_PROT   (1u << 27)
#define INTERCEPT_MSR_PROT    (1u << 28)
#define INTERCEPT_FERR_FREEZE (1u << 30)
#define INTERCEPT_SHUTDOWN    (1u << 31)

/* intercept_misc2, at 0x010; VMEXIT_VMRUN + n. */
#define INTERCEPT_VMRUN       (1u << 0)
#define INTERCEPT_VMMCALL     (1u << 1)
#define INTERCEPT_VMLOAD      (1u << 2)
#define INTERCEPT_VMSAVE      (1u << 3)
#define INTERCEPT_STGI        (1u << 4)
#define INTERCEPT_CLGI        (1u << 5)
#define INTERCEPT_SKINIT      (1u << 6)
#define INTERCEPT_RDTSCP      (1u << 7)
#define INTERCEPT_WBINVD      (1u << 9)
#define INTERCEPT_MONITOR     (1u << 10)
#define INTERCEPT_MWAIT       (1u << 11)
#define INTERCEPT_MWAIT_ARMED (1u << 12)
#define INTERCEPT_XSETBV      (1u << 13)
#define INTERCEPT_RDPRU       (1u << 14)

/* intercept_misc3, at 0x014. */
#define INTERCEPT_INVPCID     (1u << 2)

enum tlb_control {
	TLB_KEEP = 0,
	TLB_FLUSH_ALL = 1,  /* every ASID's translations, the host's and global ones too */
	TLB_FLUSH_ASID = 3, /* this guest's; needs FlushByAsid */
};

/* int_ctl, at 0x060. */
#define INT_CTL_V_TPR          0xffu
#define INT_CTL_V_IRQ          (1u << 8)
#define INT_CTL_V_INTR_PRIO    (0xfu << 16)
#define INT_CTL_V_IGN_TPR      (1u << 20)
#define INT_CTL_V_INTR_MASKING (1u << 24)
/* A virtual interrupt that waits for nothing but RFLAGS.IF and the shadow. */
#define INT_CTL_VIRTUAL        (INT_CTL_V_IRQ | INT_CTL_V_INTR_PRIO | INT_CTL_V_IGN_TPR)

/* int_state, at 0x068. */
#define INT_STATE_SHADOW       (1u << 0)

/* EVENTINJ and EXITINTINFO. */
#define EVENT_VECTOR           0xffu
#define EVENT_TYPE_SHIFT       8
#define EVENT_TYPE             7u
#define EVENT_ERROR_VALID      (1u << 11)
#define EVENT_VALID            (1u << 31)
#define EVENT_ERROR_SHIFT      32

#define NP_ENABLE              (1u << 0)
#define LBR_ENABLE             (1u << 0)

/* VMCB clean bits: state that the CPU may take from its cache; "VMCB State Caching". */
#define CLEAN_INTERCEPTS       (1u << 0) /* and TSC offset, pause filter */
#define CLEAN_IOPM             (1u << 1) /* and MSRPM */
#define CLEAN_ASID             (1u << 2)
#define CLEAN_TPR              (1u << 3) /* int_ctl */
#define CLEAN_NP               (1u << 4) /* N_CR3, G_PAT */
#define CLEAN_CRX              (1u << 5) /* CR0, CR3, CR4, EFER */
#define CLEAN_DRX              (1u << 6) /* DR6, DR7 */
#define CLEAN_DT               (1u << 7) /* GDTR, IDTR */
#define CLEAN_SEG              (1u << 8) /* CS, DS, SS, ES, CPL */
#define CLEAN_CR2              (1u << 9)
#define CLEAN_LBR              (1u << 10) /* DBGCTL too */
/* What nothing but the setters of svm/vcpu.c writes; CR2 is written before every entry. */
#define CLEAN_ALL                                                                                            \
	(CLEAN_INTERCEPTS | CLEAN_IOPM | CLEAN_ASID | CLEAN_TPR | CLEAN_NP | CLEAN_CRX | CLEAN_DRX |         \
	 CLEAN_DT | CLEAN_SEG | CLEAN_LBR)

enum vmexit_code {
	VMEXIT_CR0_READ = 0x000,  /* to CR15: 0x00f */
	VMEXIT_CR0_WRITE = 0x010, /* to CR15: 0x01f */
	VMEXIT_DR0_READ = 0x020,
	VMEXIT_DR0_WRITE = 0x030,
	VMEXIT_EXCP0 = 0x040, /* to vector 31: 0x05f */
	VMEXIT_INTR = 0x060,
	VMEXIT_NMI = 0x061,
	VMEXIT_SMI = 0x062,
	VMEXIT_INIT = 0x063,
	VMEXIT_VINTR = 0x064,
	VMEXIT_CR0_SEL_WRITE = 0x065,
	VMEXIT_IDTR_READ = 0x066,
	VMEXIT_GDTR_READ = 0x067,
	VMEXIT_LDTR_READ = 0x068,
	VMEXIT_TR_READ = 0x069,
	VMEXIT_IDTR_WRITE = 0x06a,
	VMEXIT_GDTR_WRITE = 0x06b,
	VMEXIT_LDTR_WRITE = 0x06c,
	VMEXIT_TR_WRITE = 0x06d,
	VMEXIT_RDTSC = 0x06e,
	VMEXIT_RDPMC = 0x06f,
	VMEXIT_PUSHF = 0x070,
	VMEXIT_POPF = 0x071,
	VMEXIT_CPUID = 0x072,
	VMEXIT_RSM = 0x073,
	VMEXIT_IRET = 0x074,
	VMEXIT_SWINT = 0x075,
	VMEXIT_INVD = 0x076,
	VMEXIT_PAUSE = 0x077,
	VMEXIT_HLT = 0x078,
	VMEXIT_INVLPG = 0x079,
	VMEXIT_INVLPGA = 0x07a,
	VMEXIT_IOIO = 0x07b,
	VMEXIT_MSR = 0x07c,
	VMEXIT_TASK_SWITCH = 0x07d,
	VMEXIT_FERR_FREEZE = 0x07e,
	VMEXIT_SHUTDOWN = 0x07f,
	VMEXIT_VMRUN = 0x080,
	VMEXIT_VMMCALL = 0x081,
	VMEXIT_VMLOAD = 0x082,
	VMEXIT_VMSAVE = 0x083,
	VMEXIT_STGI = 0x084,
	VMEXIT_CLGI = 0x085,
	VMEXIT_SKINIT = 0x086,
	VMEXIT_RDTSCP = 0x087,
	VMEXIT_ICEBP = 0x088,
	VMEXIT_WBINVD = 0x089,
	VMEXIT_MONITOR = 0x08a,
	VMEXIT_MWAIT = 0x08b,
	VMEXIT_MWAIT_CONDITIONAL = 0x08c,
	VMEXIT_XSETBV = 0x08d,
	VMEXIT_RDPRU = 0x08e,
	VMEXIT_EFER_WRITE_TRAP = 0x08f,
	VMEXIT_CR0_WRITE_TRAP = 0x090,
	VMEXIT_INVLPGB = 0x0a0,
	VMEXIT_INVLPGB_ILLEGAL = 0x0a1,
	VMEXIT_INVPCID = 0x0a2,
	VMEXIT_MCOMMIT = 0x0a3,
	VMEXIT_TLBSYNC = 0x0a4,
	VMEXIT_BUSLOCK = 0x0a5,
	VMEXIT_IDLE_HLT = 0x0a6,
	VMEXIT_LOW_COUNT = 0x0a7, /* codes below are small enough for a table */
	VMEXIT_NPF = 0x400,
};
/* VMEXIT_INVALID is -1 in 64 bits; QEMU's TCG stores 32 of them. */
#define VMEXIT_INVALID32 0xffffffffu

/* EXITINFO1 of VMEXIT_IOIO ("IOIO Intercepts"); the operand size bits are 1, 2, 4 bytes shifted. */
#define IOIO_IN          (1u << 0)
#define IOIO_STRING      (1u << 2)
#define IOIO_REP         (1u << 3)
#define IOIO_SIZE_SHIFT  4
#define IOIO_SIZE        7u
#define IOIO_PORT        0xffff0000u

#define MSR_INFO_WRITE   1u

/* EXITINFO1 of MOV CR and MOV DR ("Decode Assists"). */
#define CR_INFO_MOV      (1ULL << 63) /* a MOV, whose register is in bits 3:0 */
#define CR_INFO_GPR      0xfu

/* EXITINFO1 of VMEXIT_NPF beyond the page-fault error code ("Nested versus Guest Page Faults"). */
#define NPF_FINAL        (1ULL << 32) /* at the guest's final physical address */
#define NPF_TABLE_WALK   (1ULL << 33) /* at one of the guest's paging structures */

struct vmcb_seg {
	uint16_t selector;
	uint16_t attrib; /* descriptor bits 55:52 and 47:40 */
	uint32_t limit;
	uint64_t base;
};
#define VMCB_ATTR_L (1u << 9)

struct vmcb {
	/* The control area. */
	uint16_t intercept_cr_read, intercept_cr_write;
	uint16_t intercept_dr_read, intercept_dr_write;
	uint32_t intercept_exceptions;
	uint32_t intercept_misc1, intercept_misc2, intercept_misc3;
	uint8_t gap_018[0x3c - 0x18];
	uint16_t pause_filter_threshold, pause_filter_count;
	uint64_t iopm_base_pa, msrpm_base_pa;
	uint64_t tsc_offset;
	uint32_t asid;
	uint8_t tlb_control, gap_05d[3];
	uint32_t int_ctl;
	uint8_t v_intr_vector, gap_065[3];
	uint64_t int_state;
	uint64_t exit_code, exit_info1, exit_info2, exit_int_info;
	uint64_t np_control;
	uint8_t gap_098[0xa8 - 0x98];
	uint64_t event_inj;
	uint64_t n_cr3;
	uint64_t lbr_control;
	uint32_t clean;
	uint32_t gap_0c4;
	uint64_t next_rip;
	uint8_t bytes_fetched, guest_bytes[15];
	uint8_t gap_0e0[0x400 - 0xe0];

	/* The state save area. */
	struct vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	uint8_t gap_4a0[0x4cb - 0x4a0];
	uint8_t cpl;
	uint32_t gap_4cc;
	uint64_t efer;
	uint8_t gap_4d8[0x548 - 0x4d8];
	uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
	uint8_t gap_580[0x5d8 - 0x580];
	uint64_t rsp;
	uint8_t gap_5e0[0x5f8 - 0x5e0];
	uint64_t rax;
	uint64_t star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t cr2;
	uint8_t gap_648[0x668 - 0x648];
	uint64_t g_pat, dbgctl, br_from, br_to, last_excp_from, last_excp_to;
	uint8_t gap_698[0x1000 - 0x698];
};

#define VMCB_AT(field, offset) static_assert(offsetof(struct vmcb, field) == (offset))
VMCB_AT(intercept_cr_read, 0x000);
VMCB_AT(intercept_cr_write, 0x002);
VMCB_AT(intercept_dr_read, 0x004);
VMCB_AT(intercept_dr_write, 0x006);
VMCB_AT(intercept_exceptions, 0x008);
VMCB_AT(intercept_misc1, 0x00c);
VMCB_AT(intercept_misc2, 0x010);
VMCB_AT(pause_filter_threshold, 0x03c);
VMCB_AT(pause_filter_count, 0x03e);
VMCB_AT(iopm_base_pa, 0x040);
VMCB_AT(msrpm_base_pa, 0x048);
VMCB_AT(tsc_offset, 0x050);
VMCB_AT(asid, 0x058);
VMCB_AT(tlb_control, 0x05c);
VMCB_AT(int_ctl, 0x060);
VMCB_AT(v_intr_vector, 0x064);
VMCB_AT(int_state, 0x068);
VMCB_AT(exit_code, 0x070);
VMCB_AT(exit_info1, 0x078);
VMCB_AT(exit_info2, 0x080);
VMCB_AT(exit_int_info, 0x088);
VMCB_AT(np_control, 0x090);
VMCB_AT(event_inj, 0x0a8);
VMCB_AT(n_cr3, 0x0b0);
VMCB_AT(lbr_control, 0x0b8);
VMCB_AT(clean, 0x0c0);
VMCB_AT(next_rip, 0x0c8);
VMCB_AT(bytes_fetched, 0x0d0);
VMCB_AT(es, 0x400);
VMCB_AT(cs, 0x410);
VMCB_AT(ss, 0x420);
VMCB_AT(ds, 0x430);
VMCB_AT(fs, 0x440);
VMCB_AT(gs, 0x450);
VMCB_AT(gdtr, 0x460);
VMCB_AT(ldtr, 0x470);
VMCB_AT(idtr, 0x480);
VMCB_AT(tr, 0x490);
VMCB_AT(cpl, 0x4cb);
VMCB_AT(efer, 0x4d0);
VMCB_AT(cr4, 0x548);
VMCB_AT(cr3, 0x550);
VMCB_AT(cr0, 0x558);
VMCB_AT(dr7, 0x560);
VMCB_AT(dr6, 0x568);
VMCB_AT(rflags, 0x570);
VMCB_AT(rip, 0x578);
VMCB_AT(rsp, 0x5d8);
VMCB_AT(rax, 0x5f8);
VMCB_AT(star, 0x600);
VMCB_AT(lstar, 0x608);
VMCB_AT(cstar, 0x610);
VMCB_AT(sfmask, 0x618);
VMCB_AT(kernel_gs_base, 0x620);
VMCB_AT(sysenter_cs, 0x628);
VMCB_AT(sysenter_esp, 0x630);
VMCB_AT(sysenter_eip, 0x638);
VMCB_AT(cr2, 0x640);
VMCB_AT(g_pat, 0x668);
VMCB_AT(dbgctl, 0x670);
static_assert(sizeof(struct vmcb) == PAGE_SIZE);

static inline bool vmcb_long_mode(const struct vmcb *b)
{
	return (b->efer & EFER_LMA) && (b->cs.attrib & VMCB_ATTR_L);
}
