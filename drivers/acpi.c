/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the root pointer to the tables: ACPI Specification, "Finding the RSDP", "Root System Description
 * Pointer", "System Description Table Header". Checks each table and hands it to its reader; HPET and MCFG are read here.
 */
#include "drivers/acpi.h"

#include "drivers/acpi_table.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"

#define RSDP_SIGNATURE   "RSD PTR "
#define RSDP_ALIGN       16
#define EBDA_POINTER     0x40eu /* in the BIOS data area: segment of the extended one */
#define EBDA_SEARCH      KIB(1)
#define BIOS_AREA        0xe0000u
#define BIOS_AREA_SIZE   0x20000u
#define LOW_MEMORY_LEAST 0x80000u /* an EBDA lies above */
#define TABLE_MAX        MIB(4)
#define ROOT_ENTRIES_MAX 256u

static bool sums_to_zero(const void *p, uint32_t len)
{
	const uint8_t *byte = p;
	uint8_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum += byte[i];
	return sum == 0;
}

/* --- the root pointer --- */

static bool rsdp_valid(const struct acpi_rsdp *r)
{
	if (memcmp(r->signature, RSDP_SIGNATURE, sizeof(r->signature)) != 0 ||
	    !sums_to_zero(r, ACPI_RSDP_V1_SIZE))
		return false;
	/* A longer one than we know still has our fields; its checksum can't be proved from a copy. */
	return r->revision < 2 || r->length > sizeof(*r) ||
	       (r->length == sizeof(*r) && sums_to_zero(r, sizeof(*r)));
}

/* Searches [pa, pa+len); true: *out is a copy. */
static bool rsdp_search(const struct acpi_memory *mem, uint64_t pa, uint64_t len, struct acpi_rsdp *out)
{
	const uint8_t *area = mem->map(pa, len);
	bool found = false;

	if (!area)
		return false;
	for (uint64_t at = 0; !found && at + ACPI_RSDP_V1_SIZE <= len; at += RSDP_ALIGN) {
		if (memcmp(area + at, RSDP_SIGNATURE, sizeof(out->signature)) != 0)
			continue;
		memset(out, 0, sizeof(*out));
		memcpy(out, area + at, MIN(len - at, sizeof(*out)));
		found = rsdp_valid(out);
	}
	mem->unmap(area, len);
	return found;
}

static bool rsdp_search_bios(const struct acpi_memory *mem, struct acpi_rsdp *out)
{
	const uint8_t *word = mem->map(EBDA_POINTER, sizeof(uint16_t));
	uint64_t ebda = 0;

	if (word) {
		ebda = (uint64_t)(word[0] | word[1] << 8) << 4;
		mem->unmap(word, sizeof(uint16_t));
	}
	if (ebda >= LOW_MEMORY_LEAST && ebda < BIOS_AREA && rsdp_search(mem, ebda, EBDA_SEARCH, out))
		return true;
	return rsdp_search(mem, BIOS_AREA, BIOS_AREA_SIZE, out);
}

static bool rsdp_find(const struct acpi_memory *mem, const uint8_t *copy, uint64_t pa, struct acpi_rsdp *out)
{
	static const uint8_t none[ACPI_RSDP_SIZE];

	if (copy && memcmp(copy, none, sizeof(none)) != 0) {
		memcpy(out, copy, sizeof(*out));
		if (rsdp_valid(out))
			return true;
		log_warn("acpi: the loader's copy of the RSDP is broken");
	}
	if (pa) {
		if (rsdp_search(mem, pa, sizeof(*out), out))
			return true;
		log_warn("acpi: the RSDP at %#llx is broken", (unsigned long long)pa);
	}
	return rsdp_search_bios(mem, out);
}

/* --- tables --- */

const struct acpi_header *acpi_table_open(const struct acpi_memory *mem, uint64_t pa, const char *signature,
					  uint32_t min_length)
{
	const struct acpi_header *t = pa ? mem->map(pa, sizeof(*t)) : NULL;
	const char *why = NULL;
	char name[5] = "?";
	uint32_t length = 0;

	if (!t) {
		why = "not readable";
	} else {
		memcpy(name, t->signature, sizeof(t->signature));
		length = t->length;
		mem->unmap(t, sizeof(*t));
		if (signature && memcmp(name, signature, sizeof(t->signature)) != 0)
			why = "wrong signature";
		else if (length < MAX(min_length, sizeof(*t)))
			why = "too short";
		else if (length > TABLE_MAX)
			why = "too long";
	}
	if (!why) {
		t = mem->map(pa, length);
		if (!t)
			why = "not readable";
		else if (t->length == length && sums_to_zero(t, length))
			return t;
		else
			mem->unmap(t, length);
	}
	log_warn("acpi: table %s at %#llx is left out: %s (length %u)", signature ? signature : name,
		 (unsigned long long)pa, why ? why : "wrong checksum", length);
	return NULL;
}

void acpi_table_close(const struct acpi_memory *mem, const struct acpi_header *table)
{
	mem->unmap(table, table->length);
}

static void parse_hpet(const struct acpi_hpet *t, struct acpi_info *info)
{
	if (t->address.space != ACPI_SPACE_MEMORY || t->address.address == 0)
		log_warn("acpi: HPET: not in memory space");
	else if (!info->hpet_pa)
		info->hpet_pa = t->address.address;
}

static void parse_mcfg(const struct acpi_mcfg_table *t, struct acpi_info *info)
{
	uint32_t n = (t->header.length - sizeof(*t)) / sizeof(t->entry[0]);

	for (uint32_t i = 0; i < n; i++) {
		const struct mcfg_entry *e = &t->entry[i];

		if (e->base == 0 || !IS_ALIGNED(e->base, MIB(1)) || e->first_bus > e->last_bus) {
			log_warn("acpi: MCFG: entry %u is broken", i);
			continue;
		}
		if (info->mcfg_count == ACPI_MCFG_MAX) {
			log_warn("acpi: MCFG: more than %d entries", ACPI_MCFG_MAX);
			return;
		}
		info->mcfg[info->mcfg_count++] = (struct acpi_mcfg){
		    .pa = e->base, .segment = e->segment, .first_bus = e->first_bus, .last_bus = e->last_bus};
	}
}

static void find_s5_at(const struct acpi_memory *mem, uint64_t pa, const char *signature,
		       struct acpi_info *info)
{
	const struct acpi_header *t = acpi_table_open(mem, pa, signature, sizeof(*t));

	if (!t)
		return;
	acpi_find_s5(t, info);
	acpi_table_close(mem, t);
}

/* What the table at pa calls itself; false: unreadable. */
static bool signature_at(const struct acpi_memory *mem, uint64_t pa, char signature[4])
{
	const struct acpi_header *t = pa ? mem->map(pa, sizeof(*t)) : NULL;

	if (!t)
		return false;
	memcpy(signature, t->signature, 4);
	mem->unmap(t, sizeof(*t));
	return true;
}

/* The tables of which one counts, with the least size that makes sense. */
enum table_kind { TABLE_MADT, TABLE_FADT, TABLE_HPET, TABLE_MCFG, TABLE_KINDS };
static const struct {
	const char *signature;
	uint32_t min_length;
} tables[TABLE_KINDS] = {
    [TABLE_MADT] = {"APIC", sizeof(struct acpi_madt)},
    [TABLE_FADT] = {"FACP", ACPI_FADT_V1_SIZE},
    [TABLE_HPET] = {"HPET", sizeof(struct acpi_hpet)},
    [TABLE_MCFG] = {"MCFG", sizeof(struct acpi_mcfg_table)},
};

/* Reads one table; returns whether it was good. */
static bool parse_table(const struct acpi_memory *mem, enum table_kind kind, uint64_t pa,
			struct acpi_info *info)
{
	const struct acpi_header *t =
	    acpi_table_open(mem, pa, tables[kind].signature, tables[kind].min_length);
	uint64_t dsdt = 0;

	if (!t)
		return false;
	switch (kind) {
	case TABLE_MADT:
		acpi_parse_madt((const struct acpi_madt *)t, info);
		break;
	case TABLE_FADT:
		dsdt = acpi_parse_fadt((const struct acpi_fadt *)t, info);
		break;
	case TABLE_HPET:
		parse_hpet((const struct acpi_hpet *)t, info);
		break;
	case TABLE_MCFG:
		parse_mcfg((const struct acpi_mcfg_table *)t, info);
		break;
	case TABLE_KINDS:
		break;
	}
	acpi_table_close(mem, t);
	if (dsdt)
		find_s5_at(mem, dsdt, "DSDT", info);
	return true;
}

/* A table that the root names. */
static void parse_entry(const struct acpi_memory *mem, uint64_t pa, uint32_t *seen, struct acpi_info *info)
{
	char signature[4];

	if (!signature_at(mem, pa, signature)) {
		log_warn("acpi: the root table names %#llx, which is not readable", (unsigned long long)pa);
		return;
	}
	if (memcmp(signature, "SSDT", sizeof(signature)) == 0 && !info->has_s5)
		find_s5_at(mem, pa, "SSDT", info);
	for (enum table_kind k = 0; k < TABLE_KINDS; k++) {
		if (memcmp(signature, tables[k].signature, sizeof(signature)) != 0)
			continue;
		if (*seen & BIT(k))
			log_warn("acpi: a second %s at %#llx is left out", tables[k].signature,
				 (unsigned long long)pa);
		else if (parse_table(mem, k, pa, info))
			*seen |= BIT(k);
	}
}

/* Entries are width (4 or 8) bytes. */
static bool parse_root(const struct acpi_memory *mem, uint64_t pa, const char *signature, uint32_t width,
		       struct acpi_info *info)
{
	const struct acpi_header *root = acpi_table_open(mem, pa, signature, sizeof(*root));
	uint32_t n, seen = 0;

	if (!root)
		return false;
	n = (root->length - sizeof(*root)) / width;
	if (n > ROOT_ENTRIES_MAX) {
		log_warn("acpi: %s: only the first %u of %u tables are read", signature, ROOT_ENTRIES_MAX, n);
		n = ROOT_ENTRIES_MAX;
	}
	info->present = true;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t entry = 0;

		memcpy(&entry, (const char *)(root + 1) + i * width, width);
		if (entry) /* firmware leaves empty slots */
			parse_entry(mem, entry, &seen, info);
	}
	acpi_table_close(mem, root);
	return true;
}

enum status acpi_parse(const struct acpi_memory *mem, const uint8_t *rsdp, uint64_t rsdp_pa,
		       struct acpi_info *info)
{
	struct acpi_rsdp r;

	*info = (struct acpi_info){};
	if (!rsdp_find(mem, rsdp, rsdp_pa, &r))
		return ERR_NOENT;
	if (r.revision >= 2 && r.xsdt && parse_root(mem, r.xsdt, "XSDT", sizeof(uint64_t), info))
		return OK;
	if (r.rsdt && parse_root(mem, r.rsdt, "RSDT", sizeof(uint32_t), info))
		return OK;
	return ERR_NOENT;
}
