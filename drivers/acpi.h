/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's ACPI tables: finds them, checks every length and checksum, and boils them down to plain
 * facts. It keeps no pointer into firmware memory and interprets no AML. A table that is broken is reported as
 * a warning and not followed. Pure: memory comes through the functions given.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/status.h"

#define ACPI_RSDP_SIZE    36
#define ACPI_CPU_MAX      256
#define ACPI_IOAPIC_MAX   16
#define ACPI_OVERRIDE_MAX 16
#define ACPI_NMI_MAX      16
#define ACPI_LINT_MAX     16
#define ACPI_MCFG_MAX     8

/* ACPI Specification, "Generic Address Structure". */
enum acpi_space { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_IO = 1, ACPI_SPACE_PCI = 2 };

struct acpi_register {
	uint64_t address; /* 0: not there */
	uint8_t space;    /* enum acpi_space */
	uint8_t bits;     /* width; 0 where the firmware doesn't say */
};

struct acpi_cpu {
	uint32_t apic_id;
	uint32_t uid; /* ACPI processor UID: what the LINT entries name */
	bool enabled; /* else it may be plugged in later, or never */
};

struct acpi_ioapic {
	uint64_t pa;
	uint32_t gsi_base;
	uint8_t id;
};

struct acpi_override {
	uint8_t irq; /* ISA, 0-15 */
	uint32_t gsi;
	bool active_low, level;
};

struct acpi_nmi {
	uint32_t gsi;
	bool active_low, level;
};

/* A local interrupt pin that brings NMI. */
struct acpi_lint {
	uint32_t uid; /* or ACPI_UID_ALL */
	uint8_t lint; /* 0 or 1 */
	bool active_low, level;
};
#define ACPI_UID_ALL UINT32_MAX

struct acpi_mcfg {
	uint64_t pa; /* configuration space of bus 0, even where first_bus isn't 0 */
	uint16_t segment;
	uint8_t first_bus, last_bus;
};

struct acpi_info {
	bool present; /* an RSDP and a root table were found; else all is empty */

	/* MADT. Without one: no CPUs, no I/O APIC; lapic_pa 0. */
	uint64_t lapic_pa;
	bool has_8259;
	uint32_t cpu_count, ioapic_count, override_count, nmi_count, lint_count;
	struct acpi_cpu cpu[ACPI_CPU_MAX];
	struct acpi_ioapic ioapic[ACPI_IOAPIC_MAX];
	struct acpi_override override[ACPI_OVERRIDE_MAX];
	struct acpi_nmi nmi[ACPI_NMI_MAX];
	struct acpi_lint lint[ACPI_LINT_MAX];

	/* FADT. */
	bool has_fadt;
	uint16_t sci_irq; /* ISA number; MADT overrides apply */
	uint32_t smi_cmd; /* port; 0: none, ACPI mode is always on */
	uint8_t acpi_enable;
	struct acpi_register pm1a_event, pm1b_event, pm1a_control, pm1b_control;
	struct acpi_register pm_timer; /* bits: 24 or 32 */
	struct acpi_register reset;    /* address 0: not supported */
	uint8_t reset_value;
	bool has_s5;
	uint8_t s5_type_a, s5_type_b; /* SLP_TYPx values for PM1a and PM1b */

	uint64_t hpet_pa; /* 0: none */
	uint32_t mcfg_count;
	struct acpi_mcfg mcfg[ACPI_MCFG_MAX];
};

/* How the parser reaches physical memory. map returns NULL where it can't. */
struct acpi_memory {
	const void *(*map)(uint64_t pa, uint64_t len);
	void (*unmap)(const void *p, uint64_t len);
};

/*
 * Reads all tables. The root pointer is `rsdp` (a copy of ACPI_RSDP_SIZE bytes; all zero or NULL: none), else
 * the one at rsdp_pa (0: none), else the one that a search of the BIOS areas finds. ERR_NOENT: there is none
 * or it leads nowhere; *info is then empty but valid.
 */
enum status acpi_parse(const struct acpi_memory *mem, const uint8_t *rsdp, uint64_t rsdp_pa,
		       struct acpi_info *info);
/* The same with the host's own mappings, and a line in the log where there are tables. After host_map_init. */
enum status acpi_read(const uint8_t *rsdp, uint64_t rsdp_pa, struct acpi_info *info);
