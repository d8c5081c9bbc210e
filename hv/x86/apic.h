/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers and bits of the local APIC and the I/O APIC (SDM Vol. 3A, "Advanced Programmable Interrupt
 * Controller"; 82093AA datasheet). Used by the drivers for the hardware and by hv/vdev for the model.
 */
#pragma once

#define LAPIC_DEFAULT_BASE 0xfee00000UL
#define LAPIC_MMIO_SIZE    0x1000UL

/* Offsets in the xAPIC page; in x2APIC mode the MSR is MSR_X2APIC_BASE + (offset >> 4). */
enum lapic_reg {
	LAPIC_ID = 0x020,
	LAPIC_VERSION = 0x030,
	LAPIC_TPR = 0x080,
	LAPIC_APR = 0x090, /* not in x2APIC mode */
	LAPIC_PPR = 0x0a0,
	LAPIC_EOI = 0x0b0,
	LAPIC_RRD = 0x0c0, /* not in x2APIC mode */
	LAPIC_LDR = 0x0d0,
	LAPIC_DFR = 0x0e0, /* not in x2APIC mode */
	LAPIC_SVR = 0x0f0,
	LAPIC_ISR = 0x100, /* eight registers, 0x10 apart */
	LAPIC_TMR = 0x180,
	LAPIC_IRR = 0x200,
	LAPIC_ESR = 0x280,
	LAPIC_LVT_CMCI = 0x2f0,
	LAPIC_ICR = 0x300,         /* x2APIC: all 64 bits in one MSR */
	LAPIC_ICR_HIGH_X2 = 0x304, /* where a virtual-APIC page has the upper half of that MSR */
	LAPIC_ICR2 = 0x310,        /* not in x2APIC mode */
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_THERMAL = 0x330,
	LAPIC_LVT_PERF = 0x340,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TIMER_INITIAL = 0x380,
	LAPIC_TIMER_CURRENT = 0x390,
	LAPIC_TIMER_DIVIDE = 0x3e0,
	LAPIC_SELF_IPI = 0x3f0, /* x2APIC mode only */
};

#define LAPIC_MAP_WORDS                8 /* registers of each of ISR, TMR and IRR: 32 vectors in one */

#define LAPIC_ID_SHIFT                 24 /* xAPIC: of LAPIC_ID, LAPIC_LDR and the ICR2's destination */

#define LAPIC_VERSION_MAX_LVT_SHIFT    16
#define LAPIC_VERSION_EOI_SUPPRESS     (1u << 24)
#define LAPIC_VERSION_INTEGRATED       0x14u

#define LAPIC_SVR_ENABLE               (1u << 8)
#define LAPIC_SVR_FOCUS_OFF            (1u << 9)
#define LAPIC_SVR_EOI_SUPPRESS         (1u << 12)

#define LAPIC_DFR_FLAT                 0xffffffffu
#define LAPIC_DFR_CLUSTER              0x0fffffffu

/* ICR, LVT, I/O APIC redirection entry and MSI data share this layout. */
#define APIC_VECTOR                    0xffu
#define APIC_DELIVERY_SHIFT            8
#define APIC_DELIVERY_MASK             (7u << 8)
#define APIC_DELIVERY_FIXED            (0u << 8)
#define APIC_DELIVERY_LOWEST           (1u << 8)
#define APIC_DELIVERY_SMI              (2u << 8)
#define APIC_DELIVERY_NMI              (4u << 8)
#define APIC_DELIVERY_INIT             (5u << 8)
#define APIC_DELIVERY_SIPI             (6u << 8)
#define APIC_DELIVERY_EXTINT           (7u << 8)
#define APIC_DEST_LOGICAL              (1u << 11)

#define LAPIC_ICR_PENDING              (1u << 12) /* delivery status; not in x2APIC mode */
#define LAPIC_ICR_ASSERT               (1u << 14)
#define LAPIC_ICR_LEVEL                (1u << 15)
#define LAPIC_ICR_SHORTHAND_MASK       (3u << 18)
#define LAPIC_ICR_SELF                 (1u << 18)
#define LAPIC_ICR_ALL                  (2u << 18)
#define LAPIC_ICR_OTHERS               (3u << 18)
#define LAPIC_ICR_DEST_SHIFT_X2        32
#define LAPIC_X2_BROADCAST             0xffffffffu
#define LAPIC_X1_BROADCAST             0xffu

#define LAPIC_LVT_PENDING              (1u << 12)
#define LAPIC_LVT_ACTIVE_LOW           (1u << 13)
#define LAPIC_LVT_REMOTE_IRR           (1u << 14)
#define LAPIC_LVT_LEVEL                (1u << 15)
#define LAPIC_LVT_MASKED               (1u << 16)
#define LAPIC_LVT_TIMER_MODE           (3u << 17) /* mask */
#define LAPIC_LVT_TIMER_ONESHOT        (0u << 17)
#define LAPIC_LVT_TIMER_PERIODIC       (1u << 17)
#define LAPIC_LVT_TIMER_DEADLINE       (2u << 17)

/* LAPIC_TIMER_DIVIDE; bit 2 is always 0. */
#define LAPIC_TIMER_DIVIDE_BY_1        0xbu
#define LAPIC_TIMER_DIVIDE_BY_2        0x0u
#define LAPIC_TIMER_DIVIDE_BY_4        0x1u
#define LAPIC_TIMER_DIVIDE_BY_8        0x2u
#define LAPIC_TIMER_DIVIDE_BY_16       0x3u
#define LAPIC_TIMER_DIVIDE_BY_32       0x8u
#define LAPIC_TIMER_DIVIDE_BY_64       0x9u
#define LAPIC_TIMER_DIVIDE_BY_128      0xau

#define LAPIC_ESR_SEND_CHECKSUM        (1u << 0)
#define LAPIC_ESR_RECV_CHECKSUM        (1u << 1)
#define LAPIC_ESR_SEND_ACCEPT          (1u << 2)
#define LAPIC_ESR_RECV_ACCEPT          (1u << 3)
#define LAPIC_ESR_REDIRECTABLE         (1u << 4)
#define LAPIC_ESR_SEND_VECTOR          (1u << 5)
#define LAPIC_ESR_RECV_VECTOR          (1u << 6)
#define LAPIC_ESR_REGISTER             (1u << 7)

/* IA32_APIC_BASE. */
#define APIC_BASE_BSP                  (1UL << 8)
#define APIC_BASE_X2APIC               (1UL << 10)
#define APIC_BASE_ENABLE               (1UL << 11)
#define APIC_BASE_ADDR                 0x000ffffffffff000UL

/* MSI address and data. */
#define MSI_ADDR_BASE                  0xfee00000u
#define MSI_ADDR_BASE_MASK             0xfff00000u
#define MSI_ADDR_DEST_SHIFT            12
#define MSI_ADDR_REDIRECT              (1u << 3)
#define MSI_ADDR_LOGICAL               (1u << 2)
#define MSI_DATA_ASSERT                (1u << 14)
#define MSI_DATA_LEVEL                 (1u << 15)

/* The I/O APIC's two windows and its registers. */
#define IOAPIC_REGSEL                  0x00u
#define IOAPIC_WIN                     0x10u
#define IOAPIC_EOI                     0x40u /* version 0x20 and later */

#define IOAPIC_REG_ID                  0x00u
#define IOAPIC_REG_VERSION             0x01u
#define IOAPIC_REG_ARBITRATION         0x02u
#define IOAPIC_REG_REDIR(n)            (0x10u + 2u * (n)) /* low half; high half is the next */

#define IOAPIC_VERSION_MAX_REDIR_SHIFT 16

#define IOAPIC_REDIR_PENDING           (1UL << 12)
#define IOAPIC_REDIR_ACTIVE_LOW        (1UL << 13)
#define IOAPIC_REDIR_REMOTE_IRR        (1UL << 14)
#define IOAPIC_REDIR_LEVEL             (1UL << 15)
#define IOAPIC_REDIR_MASKED            (1UL << 16)
#define IOAPIC_REDIR_DEST_SHIFT        56
