/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's DSDT: what of the virtual PC can't be enumerated. Devices' code is in hv/vdev/, addresses
 * come from hv/vdev/platform.h. The power button is a fixed feature (FADT), CPUs are in the MADT.
 */
#include "hv/vdev/platform.h"

/* The four pins of a slot: INTA goes to the PCI input `first`, INTB to the one after it. */
#define PIN(slot, pin, input) Package() {(slot) << 16 | 0xffff, pin, 0, PLATFORM_GSI_PCI + (input) % 4}
#define SLOT(slot, first) \
	PIN(slot, 0, first), PIN(slot, 1, first + 1), PIN(slot, 2, first + 2), PIN(slot, 3, first + 3)
#define SLOTS(from) SLOT(from, 0), SLOT(from + 1, 1), SLOT(from + 2, 2), SLOT(from + 3, 3)

DefinitionBlock("", "DSDT", 2, "INGOT", "INGOTPC", 1)
{
	/* The window for 64-bit BARs, which lies behind the RAM: hv/guest_acpi.c. P64S 0: there is none. */
	External(\P64B, IntObj)
	External(\P64S, IntObj)

	Name(\_S5, Package() {PLATFORM_SLP_TYP_S5, PLATFORM_SLP_TYP_S5, 0, 0})

	/* The interrupt model that the system has chosen; routing has no PIC form to switch to. */
	Method(\_PIC, 1)
	{
	}

	Scope(\_SB)
	{
		Device(PCI0)
		{
			Name(_HID, EisaId("PNP0A03"))
			Name(_UID, 0)
			Name(_BBN, 0)
			Name(_PRT, Package() {
				SLOTS(0), SLOTS(4), SLOTS(8), SLOTS(12), SLOTS(16), SLOTS(20), SLOTS(24), SLOTS(28)
			})
			Name(LOWR, ResourceTemplate() {
				WordBusNumber(ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0, 0, 0, 0, 1)
				IO(Decode16, 0xcf8, 0xcf8, 1, 8)
				WordIO(ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, PLATFORM_PCI_IO_BASE, PLATFORM_PCI_IO_END, 0, PLATFORM_PCI_IO_SIZE)
				DWordMemory(ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
					0, PLATFORM_PCI_MEM_BASE, PLATFORM_PCI_MEM_END, 0,
					PLATFORM_PCI_MEM_SIZE)
			})
			Name(HIGR, ResourceTemplate() {
				QWordMemory(ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
					0, 0x100000000, 0x1ffffffff, 0, 0x100000000, , , WIN)
			})
			Method(_CRS, 0, Serialized)
			{
				If (LNot(\P64S))
				{
					Return (LOWR)
				}
				CreateQWordField(HIGR, ^WIN._MIN, BASE)
				CreateQWordField(HIGR, ^WIN._MAX, LAST)
				CreateQWordField(HIGR, ^WIN._LEN, SIZE)
				Store(\P64B, BASE)
				Store(\P64S, SIZE)
				Subtract(Add(\P64B, \P64S), 1, LAST)
				Return (ConcatenateResTemplate(LOWR, HIGR))
			}
		}

		Device(RTC)
		{
			Name(_HID, EisaId("PNP0B00"))
			Name(_CRS, ResourceTemplate() {
				IO(Decode16, 0x70, 0x70, 1, 2)
				IRQNoFlags() {PLATFORM_GSI_RTC}
			})
		}

		Device(PIT)
		{
			Name(_HID, EisaId("PNP0100"))
			Name(_CRS, ResourceTemplate() {
				IO(Decode16, 0x40, 0x40, 1, 4)
				IRQNoFlags() {0}
			})
		}

		Device(HPET)
		{
			Name(_HID, EisaId("PNP0103"))
			Name(_CRS, ResourceTemplate() {
				Memory32Fixed(ReadWrite, PLATFORM_HPET_BASE, PLATFORM_HPET_SIZE)
			})
		}

		Device(UAR1)
		{
			Name(_HID, EisaId("PNP0501"))
			Name(_UID, 1)
			Name(_CRS, ResourceTemplate() {
				IO(Decode16, PLATFORM_COM1_PORT, PLATFORM_COM1_PORT, 1, 8)
				IRQNoFlags() {PLATFORM_GSI_COM1}
			})
		}

		Device(PEVT)
		{
			Name(_HID, "QEMU0001") /* pvpanic */
			Name(_STA, 0x0b)       /* there, and works, but nothing to show */
			Name(_CRS, ResourceTemplate() {
				IO(Decode16, PLATFORM_PVPANIC_PORT, PLATFORM_PVPANIC_PORT, 1, 1)
			})
		}

		/* What belongs to the board: fixed power-management registers, port 92h, PCI configuration space. */
		Device(MBRD)
		{
			Name(_HID, EisaId("PNP0C02"))
			Name(_UID, 0)
			Name(_CRS, ResourceTemplate() {
				IO(Decode16, PLATFORM_PM1_EVT_PORT, PLATFORM_PM1_EVT_PORT, 1, 0x0c)
				IO(Decode16, 0x92, 0x92, 1, 1)
				Memory32Fixed(ReadWrite, PLATFORM_PCI_ECAM_BASE, PLATFORM_PCI_ECAM_SIZE)
			})
		}
	}
}
