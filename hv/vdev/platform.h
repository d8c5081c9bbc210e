/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses, ports and interrupt lines of the virtual PC: the one place that the devices, the guest's ACPI
 * tables and its DSDT (through the preprocessor) take them from. Only #define lines.
 */
#pragma once

#define PLATFORM_LAPIC_BASE    0xfee00000
#define PLATFORM_IOAPIC_BASE   0xfec00000
#define PLATFORM_IOAPIC_SIZE   0x1000
#define PLATFORM_IOAPIC_ID     0 /* after reset */
#define PLATFORM_IOAPIC_PINS   24

/* Global system interrupts. PIC input 0 is GSI 2 (MADT interrupt source override), 1 and 3-15 are identical. */
#define PLATFORM_GSI_TIMER     2
#define PLATFORM_GSI_COM1      4
#define PLATFORM_GSI_RTC       8
#define PLATFORM_GSI_SCI       9 /* level triggered, active high */

#define PLATFORM_HPET_BASE     0xfed00000
#define PLATFORM_HPET_SIZE     0x400
#define PLATFORM_HPET_ROUTES   0x00f00000 /* GSI 20-23, which nobody else has */

/* INTA-INTD of slot n: inputs 0-3 from here on, turned by n. Level triggered, active low, shared. */
#define PLATFORM_GSI_PCI       16
#define PLATFORM_GSI_PCI_COUNT 4

/* Configuration space of bus 0 (MCFG): the last MiB of the hole for PCI, hv/guest_map.h. */
#define PLATFORM_PCI_ECAM_BASE 0xfeb00000
#define PLATFORM_PCI_ECAM_SIZE 0x100000
#define PLATFORM_PCI_MEM_BASE  0xc0000000 /* memory BARs */
#define PLATFORM_PCI_MEM_END   0xfeafffff
#define PLATFORM_PCI_MEM_SIZE  0x3eb00000
#define PLATFORM_PCI_IO_BASE   0xc000 /* I/O BARs */
#define PLATFORM_PCI_IO_END    0xcfff
#define PLATFORM_PCI_IO_SIZE   0x1000

#define PLATFORM_COM1_PORT     0x3f8

#define PLATFORM_BIOS_PORT     0xbe /* for flat images: hv/vdev/bios.h */
#define PLATFORM_DEBUG_PORT    0xe9
#define PLATFORM_PVPANIC_PORT  0x505

/* ACPI fixed hardware (FADT). ACPI mode is always on: SMI_CMD 0. No GPE block, no PM2, no S1-S4. */
#define PLATFORM_PM1_EVT_PORT  0x600 /* 4 bytes */
#define PLATFORM_PM1_EVT_LEN   4
#define PLATFORM_PM1_CNT_PORT  0x604 /* 2 bytes */
#define PLATFORM_PM1_CNT_LEN   2
#define PLATFORM_PM_TMR_PORT   0x608 /* 4 bytes; all 32 bits count: FADT flag TMR_VAL_EXT */
#define PLATFORM_PM_TMR_LEN    4
#define PLATFORM_SLP_TYP_S5    5

#define PLATFORM_RESET_PORT    0xcf9 /* FADT RESET_REG, 8 bits */
#define PLATFORM_RESET_VALUE   0x06

#define PLATFORM_RTC_CENTURY   0x32 /* FADT CENTURY */
