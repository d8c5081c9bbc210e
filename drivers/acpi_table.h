/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Layouts of the ACPI tables that are read (ACPI Specification 6.4, chapter "ACPI Software Programming Model";
 * HPET: "IA-PC HPET Specification"; MCFG: "PCI Firmware Specification"), and what the parser's files share.
 * Every field may be unaligned: the structs are packed.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "drivers/acpi.h"
#include "hv/lib/util.h"

struct [[gnu::packed]] acpi_rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length; /* from here on: revision 2 and later */
	uint64_t xsdt;
	uint8_t ext_checksum; /* of all length bytes */
	uint8_t reserved[3];
};
static_assert(sizeof(struct acpi_rsdp) == ACPI_RSDP_SIZE);
#define ACPI_RSDP_V1_SIZE offsetof(struct acpi_rsdp, length)

struct [[gnu::packed]] acpi_header {
	char signature[4];
	uint32_t length; /* header included */
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision, creator_id, creator_revision;
};
static_assert(sizeof(struct acpi_header) == 36);

struct [[gnu::packed]] acpi_gas {
	uint8_t space, bit_width, bit_offset, access_size;
	uint64_t address;
};
static_assert(sizeof(struct acpi_gas) == 12);

/* "Fixed ACPI Description Table (FADT)". Shorter in old revisions: fields behind `length` are absent. */
struct [[gnu::packed]] acpi_fadt {
	struct acpi_header header;
	uint32_t firmware_ctrl, dsdt;
	uint8_t int_model, preferred_pm_profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	uint32_t pm1a_evt_blk, pm1b_evt_blk, pm1a_cnt_blk, pm1b_cnt_blk, pm2_cnt_blk, pm_tmr_blk, gpe0_blk,
	    gpe1_blk;
	uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len, gpe1_base, cst_cnt;
	uint16_t p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alrm, mon_alrm, century;
	uint16_t iapc_boot_arch;
	uint8_t reserved;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor;
	uint64_t x_firmware_ctrl, x_dsdt;
	struct acpi_gas x_pm1a_evt_blk, x_pm1b_evt_blk, x_pm1a_cnt_blk, x_pm1b_cnt_blk, x_pm2_cnt_blk,
	    x_pm_tmr_blk;
};
static_assert(offsetof(struct acpi_fadt, flags) == 112);
static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140);
static_assert(offsetof(struct acpi_fadt, x_pm_tmr_blk) == 208);
#define ACPI_FADT_V1_SIZE    116
#define FADT_TMR_VAL_EXT     (1u << 8)
#define FADT_RESET_REG_SUP   (1u << 10)
#define FADT_HW_REDUCED_ACPI (1u << 20)

/* "Multiple APIC Description Table (MADT)". */
struct [[gnu::packed]] acpi_madt {
	struct acpi_header header;
	uint32_t lapic_pa, flags;
};
static_assert(sizeof(struct acpi_madt) == 44);
#define MADT_PCAT_COMPAT 1u

enum madt_type {
	MADT_LAPIC = 0,
	MADT_IOAPIC = 1,
	MADT_OVERRIDE = 2,
	MADT_NMI = 3,
	MADT_LAPIC_NMI = 4,
	MADT_LAPIC_ADDRESS = 5,
	MADT_X2APIC = 9,
	MADT_X2APIC_NMI = 10,
};

struct [[gnu::packed]] madt_entry {
	uint8_t type, length;
};
struct [[gnu::packed]] madt_lapic {
	struct madt_entry entry;
	uint8_t uid, apic_id;
	uint32_t flags;
};
static_assert(sizeof(struct madt_lapic) == 8);
struct [[gnu::packed]] madt_ioapic {
	struct madt_entry entry;
	uint8_t id, reserved;
	uint32_t address, gsi_base;
};
static_assert(sizeof(struct madt_ioapic) == 12);
struct [[gnu::packed]] madt_override {
	struct madt_entry entry;
	uint8_t bus, source;
	uint32_t gsi;
	uint16_t flags;
};
static_assert(sizeof(struct madt_override) == 10);
struct [[gnu::packed]] madt_nmi {
	struct madt_entry entry;
	uint16_t flags;
	uint32_t gsi;
};
static_assert(sizeof(struct madt_nmi) == 8);
struct [[gnu::packed]] madt_lapic_nmi {
	struct madt_entry entry;
	uint8_t uid;
	uint16_t flags;
	uint8_t lint;
};
static_assert(sizeof(struct madt_lapic_nmi) == 6);
struct [[gnu::packed]] madt_lapic_address {
	struct madt_entry entry;
	uint16_t reserved;
	uint64_t address;
};
static_assert(sizeof(struct madt_lapic_address) == 12);
struct [[gnu::packed]] madt_x2apic {
	struct madt_entry entry;
	uint16_t reserved;
	uint32_t apic_id, flags, uid;
};
static_assert(sizeof(struct madt_x2apic) == 16);
struct [[gnu::packed]] madt_x2apic_nmi {
	struct madt_entry entry;
	uint16_t flags;
	uint32_t uid;
	uint8_t lint, reserved[3];
};
static_assert(sizeof(struct madt_x2apic_nmi) == 12);
#define MADT_CPU_ENABLED  1u
/* "MPS INTI Flags": polarity in bits 0-1, trigger mode in bits 2-3; 0 is the bus's own, for ISA high and edge. */
#define MPS_POLARITY      0x3u
#define MPS_POLARITY_LOW  0x3u
#define MPS_TRIGGER       0xcu
#define MPS_TRIGGER_LEVEL 0xcu
#define MADT_UID8_ALL     0xffu
#define MADT_ISA_IRQS     16

struct [[gnu::packed]] acpi_hpet {
	struct acpi_header header;
	uint32_t block_id;
	struct acpi_gas address;
	uint8_t number;
	uint16_t min_tick;
	uint8_t page_protection;
};
static_assert(sizeof(struct acpi_hpet) == 56);

struct [[gnu::packed]] mcfg_entry {
	uint64_t base;
	uint16_t segment;
	uint8_t first_bus, last_bus;
	uint32_t reserved;
};
struct [[gnu::packed]] acpi_mcfg_table {
	struct acpi_header header;
	uint64_t reserved;
	struct mcfg_entry entry[];
};
static_assert(sizeof(struct acpi_mcfg_table) == 44 && sizeof(struct mcfg_entry) == 16);

/*
 * Maps the table at pa and checks it: length at least min_length, checksum, and the signature if one is
 * given. NULL: reported as broken. Close it afterwards.
 */
const struct acpi_header *acpi_table_open(const struct acpi_memory *mem, uint64_t pa, const char *signature,
					  uint32_t min_length);
void acpi_table_close(const struct acpi_memory *mem, const struct acpi_header *table);

/* Each takes a table that acpi_table_open found good, of at least the size named above. */
void acpi_parse_madt(const struct acpi_madt *t, struct acpi_info *info);
/* Returns the address of the DSDT, 0 if none. */
uint64_t acpi_parse_fadt(const struct acpi_fadt *t, struct acpi_info *info);
/* Looks for _S5 in a DSDT or SSDT. */
void acpi_find_s5(const struct acpi_header *t, struct acpi_info *info);
