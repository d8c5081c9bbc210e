/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Firmware tables as bytes: each line of input becomes a table that the root names, with its checksum and length
 * put right unless the input says otherwise, so that the fuzzer gets behind those checks.
 */
#include <stdlib.h>
#include <string.h>
#include "drivers/acpi.h"
#include "drivers/acpi_table.h"
#include "hv/lib/log.h"
#include "hv/lib/util.h"

#define MEMORY_SIZE  0x40000u
#define ROOT_AT      0x1000u
#define TABLES_AT    0x2001u
#define TABLE_STRIDE 0x4000u
#define TABLES_MAX   8
#define RAW          0x80 /* in a table's first byte: leave it as it is */

void log_print(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

static uint8_t memory[MEMORY_SIZE];
static int mappings;

/* A copy of exactly what was asked for: ASan sees each byte too far. */
static const void *map(uint64_t pa, uint64_t len)
{
	void *copy;

	if (pa > MEMORY_SIZE || len > MEMORY_SIZE - pa)
		return NULL;
	copy = malloc(len);
	memcpy(copy, memory + pa, len);
	mappings++;
	return copy;
}

static void unmap(const void *p, uint64_t len)
{
	(void)len;
	mappings--;
	free((void *)p);
}

static void fix_sum(uint8_t *table, size_t sum_at, size_t n)
{
	uint8_t sum = 0;

	table[sum_at] = 0;
	for (size_t i = 0; i < n; i++)
		sum += table[i];
	table[sum_at] = (uint8_t)-sum;
}

static void seal(uint8_t *table, uint32_t length)
{
	struct acpi_header *h = (struct acpi_header *)table;

	memcpy(&h->length, &length, sizeof(length));
	fix_sum(table, offsetof(struct acpi_header, checksum), length);
}

/* Takes one table off the input: flags, a 16-bit length, bytes. Returns what is left. */
static size_t take_table(uint32_t at, const uint8_t **data, size_t size)
{
	size_t n = MIN((size_t)((*data)[1] | (*data)[2] << 8), MIN(size - 3, TABLE_STRIDE - 16));
	uint8_t flags = **data;

	memcpy(memory + at, *data + 3, n);
	if (!(flags & RAW) && n >= sizeof(struct acpi_header))
		seal(memory + at, (uint32_t)n);
	*data += 3 + n;
	return size - 3 - n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct acpi_memory access = {map, unmap};
	static struct acpi_info info;
	struct acpi_rsdp rsdp = {
	    .revision = size & 2, .rsdt = ROOT_AT, .xsdt = ROOT_AT, .length = sizeof(rsdp)};
	bool wide = rsdp.revision >= 2;
	uint32_t count = 0;

	memset(memory, 0, sizeof(memory));
	while (size > 3 && count < TABLES_MAX) {
		uint64_t at = TABLES_AT + count * TABLE_STRIDE;

		size = take_table((uint32_t)at, &data, size);
		memcpy(memory + ROOT_AT + sizeof(struct acpi_header) + count * (wide ? 8 : 4), &at,
		       wide ? 8 : 4);
		count++;
	}
	memcpy(memory + ROOT_AT, wide ? "XSDT" : "RSDT", 4);
	seal(memory + ROOT_AT, sizeof(struct acpi_header) + count * (wide ? 8 : 4));
	memcpy(rsdp.signature, "RSD PTR ", 8);
	fix_sum((uint8_t *)&rsdp, offsetof(struct acpi_rsdp, checksum), ACPI_RSDP_V1_SIZE);
	fix_sum((uint8_t *)&rsdp, offsetof(struct acpi_rsdp, ext_checksum), sizeof(rsdp));

	memset(&info, 0xee, sizeof(info));
	(void)!acpi_parse(&access, (const uint8_t *)&rsdp, 0, &info);
	if (mappings || info.cpu_count > ACPI_CPU_MAX || info.ioapic_count > ACPI_IOAPIC_MAX ||
	    info.override_count > ACPI_OVERRIDE_MAX || info.nmi_count > ACPI_NMI_MAX ||
	    info.lint_count > ACPI_LINT_MAX || info.mcfg_count > ACPI_MCFG_MAX)
		abort();
	for (uint32_t i = 0; i < info.override_count; i++)
		if (info.override[i].irq > 15)
			abort();
	return 0;
}
