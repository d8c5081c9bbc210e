/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last step of reboot and power-off. Reboot tries one way after the other, each with time to take
 * effect. Time is counted in reads of a slow port, because no clock need run any more.
 */
#include "drivers/reset.h"

#include "hv/lib/log.h"
#include "hv/lib/util.h"
#include "hv/x86/desc.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"

#define PORT_DELAY        0x80 /* a write takes about a microsecond on an ISA-like bus */
#define WAIT_RESET_US     50000
#define WAIT_ACPI_US      3000000 /* as long as firmware may take to switch (other systems wait 3 s) */
#define WAIT_OFF_US       2000000

#define PORT_RESET        0xcf9
#define RESET_SYS         BIT(1) /* hard rather than soft */
#define RESET_CPU         BIT(2) /* 0 to 1: do it */
#define KBC_STATUS        0x64
#define KBC_IBF           BIT(1)
#define KBC_PULSE_RESET   0xfe
#define KBC_TRIES         10

/* ACPI Specification, "PM1 Control Registers", "PM1 Status Registers". */
#define PM1_SCI_EN        BIT(0)
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_TYP       BITS(12, 10)
#define PM1_SLP_EN        BIT(13)
#define PM1_WAK_STS       BIT(15)

static void wait_us(uint32_t us)
{
	while (us-- > 0)
		out8(PORT_DELAY, 0);
}

static uint16_t pm1_read(const struct acpi_register *r)
{
	const void *p;

	if (r->space == ACPI_SPACE_IO)
		return in16((uint16_t)r->address);
	p = host_map_device(r->address, sizeof(uint16_t), PT_UC);
	return p ? mmio_read16(p) : 0;
}

static void pm1_write(const struct acpi_register *r, uint16_t v)
{
	void *p;

	if (!r->address)
		return;
	if (r->space == ACPI_SPACE_IO) {
		out16((uint16_t)r->address, v);
		return;
	}
	p = host_map_device(r->address, sizeof(uint16_t), PT_UC);
	if (p)
		mmio_write16(p, v);
}

/* --- reboot --- */

/* ACPI Specification, "Reset Register": one byte, in I/O or memory space (or PCI's, which 0xCF9 stands in for). */
static void reset_by_acpi(const struct acpi_info *acpi)
{
	void *p;

	if (!acpi || !acpi->reset.address)
		return;
	if (acpi->reset.space == ACPI_SPACE_IO) {
		out8((uint16_t)acpi->reset.address, acpi->reset_value);
	} else if (acpi->reset.space == ACPI_SPACE_MEMORY) {
		p = host_map_device(acpi->reset.address, 1, PT_UC);
		if (p)
			mmio_write8(p, acpi->reset_value);
	}
	wait_us(WAIT_RESET_US);
}

/* Intel chipset data sheets, "RST_CNT - Reset Control Register". */
static void reset_by_chipset(void)
{
	uint8_t v = in8(PORT_RESET) & (uint8_t)~RESET_CPU;

	out8(PORT_RESET, v | (uint8_t)RESET_SYS);
	wait_us(100);
	out8(PORT_RESET, v | (uint8_t)(RESET_SYS | RESET_CPU));
	wait_us(WAIT_RESET_US);
}

static void reset_by_keyboard(void)
{
	for (unsigned i = 0; i < KBC_TRIES; i++) {
		for (unsigned n = 0; n < KBC_TRIES * 1000 && (in8(KBC_STATUS) & KBC_IBF); n++)
			wait_us(2);
		out8(KBC_STATUS, KBC_PULSE_RESET);
		wait_us(WAIT_RESET_US);
	}
}

/* SDM Vol. 3A, "Double Fault Exception": with no usable IDT, shutdown, on which chipsets reset. */
static void reset_by_triple_fault(void)
{
	const struct desc_ptr none = {};

	lidt(&none);
	asm volatile("int3");
}

void reset_reboot(const struct acpi_info *acpi)
{
	reset_by_acpi(acpi);
	reset_by_chipset();
	reset_by_keyboard();
	reset_by_triple_fault();
	for (;;)
		asm volatile("cli; hlt");
}

/* --- power-off --- */

/* ACPI Specification, "Legacy/ACPI Select and the SCI Interrupt". */
static bool acpi_mode(const struct acpi_info *acpi)
{
	if (pm1_read(&acpi->pm1a_control) & PM1_SCI_EN)
		return true;
	/* Without an SMI command, the machine knows no other mode. */
	if (!acpi->smi_cmd || !acpi->acpi_enable)
		return true;
	out8((uint16_t)acpi->smi_cmd, acpi->acpi_enable);
	for (uint32_t us = 0; us < WAIT_ACPI_US; us += 100) {
		if (pm1_read(&acpi->pm1a_control) & PM1_SCI_EN)
			return true;
		wait_us(100);
	}
	return false;
}

/* SLP_TYP goes first and SLP_EN after it, in a second write, as firmware is tested with. */
static void sleep_type(const struct acpi_register *r, uint8_t type, uint64_t enable)
{
	uint16_t v = pm1_read(r) & (uint16_t) ~(PM1_SLP_TYP | PM1_SLP_EN);

	pm1_write(r, (uint16_t)(v | (uint32_t)type << PM1_SLP_TYP_SHIFT | enable));
}

enum status reset_poweroff(const struct acpi_info *acpi)
{
	bool has_b;

	if (!acpi || !acpi->has_s5 || !acpi->pm1a_control.address) {
		log_error("power-off: the firmware's ACPI tables don't say how (no _S5, or no PM1 control "
			  "register)");
		return ERR_UNSUPPORTED;
	}
	has_b = acpi->pm1b_control.address;
	if (!acpi_mode(acpi)) {
		log_error("power-off: the firmware doesn't enter ACPI mode");
		return ERR_TIMEOUT;
	}
	if (acpi->pm1a_event.address)
		pm1_write(&acpi->pm1a_event, PM1_WAK_STS);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t enable = i ? PM1_SLP_EN : 0;

		if (has_b)
			sleep_type(&acpi->pm1b_control, acpi->s5_type_b, enable);
		sleep_type(&acpi->pm1a_control, acpi->s5_type_a, enable);
	}
	wait_us(WAIT_OFF_US);
	log_error("power-off: the machine stays on");
	return ERR_TIMEOUT;
}
