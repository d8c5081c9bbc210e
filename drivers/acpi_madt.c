/* SPDX-License-Identifier: BSD-2-Clause */
/* The interrupt hardware: ACPI Specification, "Multiple APIC Description Table (MADT)". */
#include "drivers/acpi_table.h"

#include "hv/lib/log.h"
#include "hv/lib/util.h"

#define XAPIC_BROADCAST 0xffu
#define LINT_PINS       2

static bool is_low(uint16_t flags)
{
	return (flags & MPS_POLARITY) == MPS_POLARITY_LOW;
}

static bool is_level(uint16_t flags)
{
	return (flags & MPS_TRIGGER) == MPS_TRIGGER_LEVEL;
}

/* True while the table `what` of max entries has room. Says once when it hasn't. */
static bool has_room(const char *what, uint32_t count, uint32_t max)
{
	if (count == max)
		log_warn("acpi: MADT: more than %u %s: one is left out", max, what);
	return count < max;
}

/* A CPU may be listed as type 0 and as type 9; the first entry counts. */
static void add_cpu(struct acpi_info *info, uint32_t apic_id, uint32_t uid, uint32_t flags)
{
	for (uint32_t i = 0; i < info->cpu_count; i++)
		if (info->cpu[i].apic_id == apic_id) {
			info->cpu[i].enabled |= flags & MADT_CPU_ENABLED;
			return;
		}
	/* Firmware lists sockets and threads that aren't there: those must not crowd out real CPUs. */
	if (!(flags & MADT_CPU_ENABLED) && info->cpu_count >= ACPI_CPU_MAX / 2)
		return;
	if (has_room("CPUs", info->cpu_count, ACPI_CPU_MAX))
		info->cpu[info->cpu_count++] =
		    (struct acpi_cpu){.apic_id = apic_id, .uid = uid, .enabled = flags & MADT_CPU_ENABLED};
}

static void add_ioapic(struct acpi_info *info, const struct madt_ioapic *e)
{
	if (e->address == 0)
		log_warn("acpi: MADT: I/O APIC %u has no address", e->id);
	else if (has_room("I/O APICs", info->ioapic_count, ACPI_IOAPIC_MAX))
		info->ioapic[info->ioapic_count++] =
		    (struct acpi_ioapic){.pa = e->address, .gsi_base = e->gsi_base, .id = e->id};
}

static void add_override(struct acpi_info *info, const struct madt_override *e)
{
	if (e->bus != 0 || e->source >= MADT_ISA_IRQS)
		log_warn("acpi: MADT: override of interrupt %u on bus %u is left out", e->source, e->bus);
	else if (has_room("overrides", info->override_count, ACPI_OVERRIDE_MAX))
		info->override[info->override_count++] =
		    (struct acpi_override){.irq = e->source,
					   .gsi = e->gsi,
					   .active_low = is_low(e->flags),
					   .level = is_level(e->flags)};
}

static void add_nmi(struct acpi_info *info, const struct madt_nmi *e)
{
	if (has_room("NMI sources", info->nmi_count, ACPI_NMI_MAX))
		info->nmi[info->nmi_count++] = (struct acpi_nmi){
		    .gsi = e->gsi, .active_low = is_low(e->flags), .level = is_level(e->flags)};
}

static void add_lint(struct acpi_info *info, uint32_t uid, uint8_t lint, uint16_t flags)
{
	if (lint >= LINT_PINS)
		log_warn("acpi: MADT: NMI on LINT%u is left out", lint);
	else if (has_room("LINT entries", info->lint_count, ACPI_LINT_MAX))
		info->lint[info->lint_count++] = (struct acpi_lint){
		    .uid = uid, .lint = lint, .active_low = is_low(flags), .level = is_level(flags)};
}

/* Least size of each type that is read; the others are passed over. */
static const uint8_t sizes[] = {
    [MADT_LAPIC] = sizeof(struct madt_lapic),
    [MADT_IOAPIC] = sizeof(struct madt_ioapic),
    [MADT_OVERRIDE] = sizeof(struct madt_override),
    [MADT_NMI] = sizeof(struct madt_nmi),
    [MADT_LAPIC_NMI] = sizeof(struct madt_lapic_nmi),
    [MADT_LAPIC_ADDRESS] = sizeof(struct madt_lapic_address),
    [MADT_X2APIC] = sizeof(struct madt_x2apic),
    [MADT_X2APIC_NMI] = sizeof(struct madt_x2apic_nmi),
};

static void add_entry(struct acpi_info *info, const struct madt_entry *e)
{
	const struct madt_lapic *lapic = (const void *)e;
	const struct madt_lapic_nmi *lapic_nmi = (const void *)e;
	const struct madt_lapic_address *address = (const void *)e;
	const struct madt_x2apic *x2apic = (const void *)e;
	const struct madt_x2apic_nmi *x2apic_nmi = (const void *)e;

	switch (e->type) {
	case MADT_LAPIC:
		if (lapic->apic_id != XAPIC_BROADCAST)
			add_cpu(info, lapic->apic_id, lapic->uid, lapic->flags);
		break;
	case MADT_X2APIC:
		if (x2apic->apic_id != UINT32_MAX)
			add_cpu(info, x2apic->apic_id, x2apic->uid, x2apic->flags);
		break;
	case MADT_IOAPIC:
		add_ioapic(info, (const void *)e);
		break;
	case MADT_OVERRIDE:
		add_override(info, (const void *)e);
		break;
	case MADT_NMI:
		add_nmi(info, (const void *)e);
		break;
	case MADT_LAPIC_NMI:
		add_lint(info, lapic_nmi->uid == MADT_UID8_ALL ? ACPI_UID_ALL : lapic_nmi->uid,
			 lapic_nmi->lint, lapic_nmi->flags);
		break;
	case MADT_X2APIC_NMI:
		add_lint(info, x2apic_nmi->uid, x2apic_nmi->lint, x2apic_nmi->flags);
		break;
	case MADT_LAPIC_ADDRESS:
		info->lapic_pa = address->address;
		break;
	}
}

void acpi_parse_madt(const struct acpi_madt *t, struct acpi_info *info)
{
	const uint8_t *at = (const uint8_t *)(t + 1);
	uint32_t left = t->header.length - sizeof(*t);

	info->lapic_pa = t->lapic_pa;
	info->has_8259 = t->flags & MADT_PCAT_COMPAT;
	while (left >= sizeof(struct madt_entry)) {
		const struct madt_entry *e = (const void *)at;
		uint32_t least = e->type < ARRAY_SIZE(sizes) && sizes[e->type] ? sizes[e->type] : sizeof(*e);

		if (e->length < least || e->length > left) {
			log_warn("acpi: MADT: entry at offset %u (type %u, length %u) is broken, the rest is "
				 "left out",
				 (unsigned)(at - (const uint8_t *)t), e->type, e->length);
			return;
		}
		add_entry(info, e);
		at += e->length;
		left -= e->length;
	}
}
