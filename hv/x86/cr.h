/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bits of the control registers, XCR0, and the debug registers, named as in SDM Vol. 3A, "Control
 * Registers", and Vol. 3B, "Debug Registers". Accessors: hv/x86/insn.h.
 */
#pragma once

#define CR0_PE (1UL << 0)
#define CR0_MP (1UL << 1)
#define CR0_EM (1UL << 2)
#define CR0_TS (1UL << 3)
#define CR0_ET (1UL << 4)
#define CR0_NE (1UL << 5)
#define CR0_WP (1UL << 16)
#define CR0_AM (1UL << 18)
#define CR0_NW (1UL << 29)
#define CR0_CD (1UL << 30)
#define CR0_PG (1UL << 31)

#define CR0_DEFINED                                                                                          \
	(CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG)

#define CR3_PWT        (1UL << 3)
#define CR3_PCD        (1UL << 4)
#define CR3_PCID       0xfffUL      /* with CR4.PCIDE */
#define CR3_PDPT       0xffffffe0UL /* PAE outside long mode: where the four entries are */
#define CR3_NOFLUSH    (1UL << 63)  /* MOV to CR3 with CR4.PCIDE: keep this PCID's translations */

#define CR8_MAX        15 /* the task priority: nothing gets through */
#define CR4_VME        (1UL << 0)
#define CR4_PVI        (1UL << 1)
#define CR4_TSD        (1UL << 2)
#define CR4_DE         (1UL << 3)
#define CR4_PSE        (1UL << 4)
#define CR4_PAE        (1UL << 5)
#define CR4_MCE        (1UL << 6)
#define CR4_PGE        (1UL << 7)
#define CR4_PCE        (1UL << 8)
#define CR4_OSFXSR     (1UL << 9)
#define CR4_OSXMMEXCPT (1UL << 10)
#define CR4_UMIP       (1UL << 11)
#define CR4_LA57       (1UL << 12)
#define CR4_VMXE       (1UL << 13)
#define CR4_SMXE       (1UL << 14)
#define CR4_FSGSBASE   (1UL << 16)
#define CR4_PCIDE      (1UL << 17)
#define CR4_OSXSAVE    (1UL << 18)
#define CR4_KL         (1UL << 19)
#define CR4_SMEP       (1UL << 20)
#define CR4_SMAP       (1UL << 21)
#define CR4_PKE        (1UL << 22)
#define CR4_CET        (1UL << 23)
#define CR4_PKS        (1UL << 24)
#define CR4_UINTR      (1UL << 25)

#define XCR0_X87       (1UL << 0)
#define XCR0_SSE       (1UL << 1)
#define XCR0_AVX       (1UL << 2)
#define XCR0_BNDREGS   (1UL << 3)
#define XCR0_BNDCSR    (1UL << 4)
#define XCR0_OPMASK    (1UL << 5)
#define XCR0_ZMM_HI256 (1UL << 6)
#define XCR0_HI16_ZMM  (1UL << 7)
#define XCR0_PKRU      (1UL << 9)

/* Of a key in PKRU: no access, no writes. */
#define PKRU_AD        1u
#define PKRU_WD        2u
#define XCR0_TILECFG   (1UL << 17)
#define XCR0_TILEDATA  (1UL << 18)

#define DR6_B0         (1UL << 0)
#define DR6_B1         (1UL << 1)
#define DR6_B2         (1UL << 2)
#define DR6_B3         (1UL << 3)
#define DR6_BLD        (1UL << 11) /* active low */
#define DR6_BD         (1UL << 13)
#define DR6_BS         (1UL << 14)
#define DR6_BT         (1UL << 15)
#define DR6_RTM        (1UL << 16)  /* active low */
#define DR6_INIT       0xffff0ff0UL /* after reset; also the bits that read as 1 without RTM */

#define DR7_L(n)       (1UL << ((n)*2))
#define DR7_G(n)       (2UL << ((n)*2))
#define DR7_LE         (1UL << 8)
#define DR7_GE         (1UL << 9)
#define DR7_FIXED      (1UL << 10) /* always 1 */
#define DR7_RTM        (1UL << 11)
#define DR7_GD         (1UL << 13)
#define DR7_RW(n)      (16 + (n)*4) /* shift of the two-bit condition */
#define DR7_LEN(n)     (18 + (n)*4) /* shift of the two-bit length */
#define DR7_INIT       0x400UL
