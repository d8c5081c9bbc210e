/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Power management: ACPI Specification, "Fixed ACPI Description Table (FADT)", and the sleep types of S5
 * ("\_Sx (System States)"), found without an AML interpreter by a bounded scan for the bytes of their definition.
 */
#include "drivers/acpi_table.h"

#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

#define PM_TIMER_LENGTH 4

/* Whether the FADT is long enough to have a field. */
#define HAS(t, field)   ((t)->header.length >= offsetof(struct acpi_fadt, field) + sizeof((t)->field))

/* The extended address if there is a usable one, else the old port. */
static struct acpi_register pm_register(const struct acpi_gas *x, uint32_t port, uint8_t bits)
{
	if (x && x->address && x->space <= ACPI_SPACE_IO)
		return (struct acpi_register){.address = x->address, .space = x->space, .bits = bits};
	/* Ports are 16 bits wide: another number is none. */
	return (struct acpi_register){
	    .address = port <= UINT16_MAX ? port : 0, .space = ACPI_SPACE_IO, .bits = bits};
}

#define PM_REGISTER(t, name, bits) pm_register(HAS(t, x_##name) ? &(t)->x_##name : NULL, (t)->name, bits)

static void parse_reset(const struct acpi_fadt *t, struct acpi_info *info)
{
	if (!HAS(t, reset_value) || !(t->flags & FADT_RESET_REG_SUP) || t->reset_reg.address == 0)
		return;
	if (t->reset_reg.space == ACPI_SPACE_IO && t->reset_reg.address > UINT16_MAX)
		return;
	info->reset = (struct acpi_register){
	    .address = t->reset_reg.address, .space = t->reset_reg.space, .bits = t->reset_reg.bit_width};
	info->reset_value = t->reset_value;
}

uint64_t acpi_parse_fadt(const struct acpi_fadt *t, struct acpi_info *info)
{
	info->has_fadt = true;
	parse_reset(t, info);
	/* On hardware-reduced platforms the fixed registers don't exist, whatever the fields hold. */
	if (!(t->flags & FADT_HW_REDUCED_ACPI)) {
		info->sci_irq = t->sci_int;
		info->smi_cmd = t->smi_cmd <= UINT16_MAX ? t->smi_cmd : 0;
		info->acpi_enable = t->acpi_enable;
		info->pm1a_event = PM_REGISTER(t, pm1a_evt_blk, 16);
		info->pm1b_event = PM_REGISTER(t, pm1b_evt_blk, 16);
		info->pm1a_control = PM_REGISTER(t, pm1a_cnt_blk, 16);
		info->pm1b_control = PM_REGISTER(t, pm1b_cnt_blk, 16);
		if (t->pm_tmr_len == PM_TIMER_LENGTH)
			info->pm_timer = PM_REGISTER(t, pm_tmr_blk, t->flags & FADT_TMR_VAL_EXT ? 32 : 24);
	}
	return HAS(t, x_dsdt) && t->x_dsdt ? t->x_dsdt : t->dsdt;
}

/* ACPI Specification, "AML Byte Stream Byte Values". */
#define AML_ZERO      0x00
#define AML_ONE       0x01
#define AML_NAME      0x08
#define AML_BYTE      0x0a
#define AML_WORD      0x0b
#define AML_DWORD     0x0c
#define AML_PACKAGE   0x12
#define AML_ROOT      0x5c /* '\' */
#define SLP_TYP_LIMIT 8

/* Reads one integer constant from [*p, end) and moves *p behind it; false: it is something else. */
static bool aml_integer(const uint8_t **p, const uint8_t *end, uint32_t *value)
{
	uint32_t size;

	if (*p == end)
		return false;
	switch (*(*p)++) {
	case AML_ZERO:
		*value = 0;
		return true;
	case AML_ONE:
		*value = 1;
		return true;
	case AML_BYTE:
		size = 1;
		break;
	case AML_WORD:
		size = 2;
		break;
	case AML_DWORD:
		size = 4;
		break;
	default:
		return false;
	}
	if ((size_t)(end - *p) < size)
		return false;
	*value = 0;
	memcpy(value, *p, size);
	*p += size;
	return true;
}

/* At p: a package of at least one number, the first two of them SLP_TYPa and SLP_TYPb. */
static bool parse_s5(const uint8_t *p, const uint8_t *end, struct acpi_info *info)
{
	uint32_t a, b, follow, elements;

	if (end - p < 3 || *p++ != AML_PACKAGE)
		return false;
	/* PkgLength: the top two bits tell how many bytes follow the first. The extent is not needed. */
	follow = *p++ >> 6;
	if ((size_t)(end - p) < follow + 1)
		return false;
	p += follow;
	elements = *p++;
	if (elements < 1 || !aml_integer(&p, end, &a))
		return false;
	b = a;
	if (elements > 1 && !aml_integer(&p, end, &b))
		return false;
	if (a >= SLP_TYP_LIMIT || b >= SLP_TYP_LIMIT)
		return false;
	info->has_s5 = true;
	info->s5_type_a = a;
	info->s5_type_b = b;
	return true;
}

void acpi_find_s5(const struct acpi_header *t, struct acpi_info *info)
{
	static const char name[4] = "_S5_";
	const uint8_t *start = (const uint8_t *)(t + 1);
	const uint8_t *end = (const uint8_t *)t + t->length;

	for (const uint8_t *p = start + 1; p + sizeof(name) <= end; p++) {
		bool defined;

		if (*p != '_' || memcmp(p, name, sizeof(name)) != 0)
			continue;
		defined = p[-1] == AML_NAME || (p - start >= 2 && p[-1] == AML_ROOT && p[-2] == AML_NAME);
		if (defined && parse_s5(p + sizeof(name), end, info))
			return;
	}
}
