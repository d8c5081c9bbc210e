/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/acpi*.c on made-up firmware: good tables, every kind of broken one, and random damage. A mapping is
 * a copy of exactly the bytes asked for, so that the sanitizer sees every byte read too far.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "drivers/acpi.h"
#include "drivers/acpi_table.h"
#include "hv/lib/util.h"

#define MEMORY_SIZE 0x100000
#define RSDP_AT     0xf0040
#define RSDT_AT     0x10000
#define XSDT_AT     0x11000
#define MADT_AT     0x12001 /* tables may lie anywhere */
#define FADT_AT     0x13000
#define DSDT_AT     0x14000
#define HPET_AT     0x15000
#define MCFG_AT     0x16000
#define SSDT_AT     0x17000

static uint8_t memory[MEMORY_SIZE];
static unsigned mappings;
static struct acpi_info info;

static const void *fake_map(uint64_t pa, uint64_t len)
{
	void *copy;

	if (pa > MEMORY_SIZE || len > MEMORY_SIZE - pa)
		return NULL;
	mappings++;
	copy = malloc(len);
	memcpy(copy, memory + pa, len);
	return copy;
}

static void fake_unmap(const void *p, uint64_t len)
{
	(void)len;
	mappings--;
	free((void *)p);
}

static const struct acpi_memory fake = {fake_map, fake_unmap};

static void put(uint64_t at, const void *bytes, size_t n)
{
	memcpy(memory + at, bytes, n);
}

static void fix_sum(uint64_t at, uint64_t sum_at, size_t n)
{
	uint8_t sum = 0;

	memory[sum_at] = 0;
	for (size_t i = 0; i < n; i++)
		sum += memory[at + i];
	memory[sum_at] = -sum;
}

static void table(uint64_t at, const char *signature, const void *body, uint32_t body_size)
{
	struct acpi_header h = {.length = sizeof(h) + body_size, .revision = 1};

	memcpy(h.signature, signature, 4);
	put(at, &h, sizeof(h));
	put(at + sizeof(h), body, body_size);
	fix_sum(at, at + 9, h.length);
}

static void resum(uint64_t at)
{
	uint32_t length;

	memcpy(&length, memory + at + 4, 4);
	if (length >= sizeof(struct acpi_header) && length < MEMORY_SIZE - at)
		fix_sum(at, at + 9, length);
}

static void root(unsigned revision)
{
	const uint32_t rsdt[] = {MADT_AT, 0, FADT_AT, HPET_AT, MCFG_AT, SSDT_AT};
	const uint64_t xsdt[] = {MADT_AT, FADT_AT, HPET_AT, MCFG_AT, SSDT_AT};
	struct acpi_rsdp r = {.revision = revision, .rsdt = RSDT_AT};

	memcpy(r.signature, "RSD PTR ", 8);
	if (revision >= 2) {
		r.length = sizeof(r);
		r.xsdt = XSDT_AT;
	}
	put(RSDP_AT, &r, revision >= 2 ? sizeof(r) : ACPI_RSDP_V1_SIZE);
	fix_sum(RSDP_AT, RSDP_AT + 8, ACPI_RSDP_V1_SIZE);
	if (revision >= 2)
		fix_sum(RSDP_AT, RSDP_AT + 32, sizeof(r));
	table(RSDT_AT, "RSDT", rsdt, sizeof(rsdt));
	table(XSDT_AT, "XSDT", xsdt, sizeof(xsdt));
}

static const uint8_t madt_body[] = {
    0x00, 0x00, 0xe0, 0xfe, 1,    0, 0,    0, /* LAPIC address, PC-AT compatible */
    0,    8,    0,    0,    1,    0, 0,    0, /* CPU 0 */
    0,    8,    1,    2,    1,    0, 0,    0, /* CPU 2 */
    0,    8,    2,    4,    0,    0, 0,    0, /* CPU 4, disabled */
    0,    8,    3,    0xff, 1,    0, 0,    0, /* no valid ID */
    9,    16,   0,    0,    0x00, 1, 0,    0,    1,    0, 0, 0, 9, 0, 0, 0, /* x2APIC 256 */
    9,    16,   0,    0,    2,    0, 0,    0,    1,    0, 0, 0, 1, 0, 0, 0, /* CPU 2 again */
    1,    12,   5,    0,    0,    0, 0xc0, 0xfe, 0,    0, 0, 0,             /* I/O APIC 5 */
    2,    10,   0,    0,    2,    0, 0,    0,    0,    0,                   /* IRQ 0 -> 2 */
    2,    10,   0,    9,    9,    0, 0,    0,    0x0f, 0,                   /* IRQ 9 level, low */
    2,    10,   0,    16,   9,    0, 0,    0,    0x0f, 0,                   /* no such IRQ */
    3,    8,    0x0d, 0,    7,    0, 0,    0,                               /* NMI on GSI 7, level high */
    4,    6,    0xff, 5,    0,    1,                            /* NMI on LINT1 of all, edge high */
    0x7f, 5,    1,    2,    3,                                  /* unknown */
    5,    12,   0,    0,    0,    0, 0xe0, 0xfe, 0,    0, 0, 0, /* LAPIC address again */
};

static void put_fadt(uint32_t size)
{
	struct acpi_fadt f = {
	    .dsdt = DSDT_AT,
	    .sci_int = 9,
	    .smi_cmd = 0xb2,
	    .acpi_enable = 0xf1,
	    .pm1a_evt_blk = 0x600,
	    .pm1a_cnt_blk = 0x604,
	    .pm_tmr_blk = 0x608,
	    .pm_tmr_len = 4,
	    .flags = FADT_RESET_REG_SUP | FADT_TMR_VAL_EXT,
	    .reset_reg = {.space = ACPI_SPACE_IO, .bit_width = 8, .address = 0xcf9},
	    .reset_value = 6,
	    .x_dsdt = DSDT_AT,
	    .x_pm_tmr_blk = {.space = ACPI_SPACE_MEMORY, .bit_width = 32, .address = 0xfed81000},
	};

	table(FADT_AT, "FACP", (const char *)&f + sizeof(f.header), size - sizeof(f.header));
}

static const uint8_t s5_plain[] = {0x10, 0x20, 0x08, '_', 'S', '5', '_', 0x12, 0x06, 4, 0x0a, 5, 0x01, 0, 0};
static const uint8_t s5_rooted[] = {0x08, '\\', '_', 'S', '5',  '_', 0x12, 0x46, 0x00,
				    2,    0x0b, 7,   0,   0x0c, 3,   0,    0,    0};

static int setup(void **state)
{
	const struct acpi_hpet hpet = {.address = {.space = ACPI_SPACE_MEMORY, .address = 0xfed00000}};
	const uint8_t mcfg[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0};

	(void)state;
	memset(memory, 0, sizeof(memory));
	mappings = 0;
	fake_log_warnings = 0;
	root(2);
	table(MADT_AT, "APIC", madt_body, sizeof(madt_body));
	put_fadt(sizeof(struct acpi_fadt));
	table(DSDT_AT, "DSDT", s5_plain, sizeof(s5_plain));
	table(HPET_AT, "HPET", (const char *)&hpet + 36, sizeof(hpet) - 36);
	table(MCFG_AT, "MCFG", mcfg, sizeof(mcfg));
	table(SSDT_AT, "SSDT", s5_rooted, sizeof(s5_rooted));
	return 0;
}

static enum status parse(void)
{
	enum status s = acpi_parse(&fake, memory + RSDP_AT, 0, &info);

	assert_int_equal(mappings, 0);
	return s;
}

static void test_good(void **state)
{
	(void)state;
	assert_int_equal(parse(), OK);
	assert_true(info.present);
	assert_int_equal(info.cpu_count, 4);
	assert_int_equal(info.cpu[1].apic_id, 2);
	assert_true(info.cpu[1].enabled);
	assert_false(info.cpu[2].enabled);
	assert_int_equal(info.cpu[3].apic_id, 256);
	assert_int_equal(info.lapic_pa, 0xfee00000);
	assert_true(info.has_8259);
	assert_int_equal(info.ioapic_count, 1);
	assert_int_equal(info.ioapic[0].pa, 0xfec00000);
	assert_int_equal(info.ioapic[0].id, 5);
	assert_int_equal(info.override_count, 2);
	assert_int_equal(info.override[0].gsi, 2);
	assert_false(info.override[0].level);
	assert_true(info.override[1].level && info.override[1].active_low);
	assert_int_equal(info.nmi_count, 1);
	assert_int_equal(info.nmi[0].gsi, 7);
	assert_true(info.nmi[0].level && !info.nmi[0].active_low);
	assert_int_equal(info.lint_count, 1);
	assert_true(info.lint[0].uid == ACPI_UID_ALL);
	assert_int_equal(info.lint[0].lint, 1);
	assert_true(info.has_fadt);
	assert_int_equal(info.sci_irq, 9);
	assert_int_equal(info.smi_cmd, 0xb2);
	assert_int_equal(info.pm1a_control.address, 0x604);
	assert_int_equal(info.pm1a_control.space, ACPI_SPACE_IO);
	assert_int_equal(info.pm1b_control.address, 0);
	assert_int_equal(info.pm_timer.address, 0xfed81000);
	assert_int_equal(info.pm_timer.space, ACPI_SPACE_MEMORY);
	assert_int_equal(info.pm_timer.bits, 32);
	assert_int_equal(info.reset.address, 0xcf9);
	assert_int_equal(info.reset_value, 6);
	assert_true(info.has_s5);
	assert_int_equal(info.s5_type_a, 5);
	assert_int_equal(info.s5_type_b, 1);
	assert_int_equal(info.hpet_pa, 0xfed00000);
	assert_int_equal(info.mcfg_count, 1);
	assert_int_equal(info.mcfg[0].pa, 0xb0000000);
	assert_int_equal(info.mcfg[0].last_bus, 255);
	assert_int_equal(fake_log_warnings, 1); /* the override of IRQ 16 */
}

/* Revision 0, short FADT, no reset register; S5 only in the SSDT. */
static void test_old(void **state)
{
	(void)state;
	root(0);
	memset(memory + XSDT_AT, 0, 64);
	put_fadt(ACPI_FADT_V1_SIZE);
	table(DSDT_AT, "DSDT", "", 0);
	assert_int_equal(parse(), OK);
	assert_int_equal(info.cpu_count, 4);
	assert_int_equal(info.pm_timer.address, 0x608);
	assert_int_equal(info.pm_timer.space, ACPI_SPACE_IO);
	assert_int_equal(info.reset.address, 0);
	assert_true(info.has_s5);
	assert_int_equal(info.s5_type_a, 7);
	assert_int_equal(info.s5_type_b, 3);
}

static void test_where_found(void **state)
{
	(void)state;
	/* BIOS area, no hint. */
	assert_int_equal(acpi_parse(&fake, NULL, 0, &info), OK);
	/* By address, the BIOS area's being gone; a broken copy is reported. */
	memcpy(memory + 0x5008, memory + RSDP_AT, ACPI_RSDP_SIZE);
	memset(memory + RSDP_AT, 0, ACPI_RSDP_SIZE);
	assert_int_equal(acpi_parse(&fake, memory + 0x5000, 0x5008, &info), OK);
	assert_int_equal(fake_log_warnings, 3);
	/* In the EBDA. */
	memcpy(memory + 0x9fc30, memory + 0x5008, ACPI_RSDP_SIZE);
	assert_int_equal(acpi_parse(&fake, NULL, 0, &info), ERR_NOENT);
	memcpy(memory + 0x40e, (const uint8_t[]){0xc0, 0x9f}, 2);
	assert_int_equal(acpi_parse(&fake, NULL, 0, &info), OK);
	assert_int_equal(mappings, 0);
}

static void test_none(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	assert_int_equal(parse(), ERR_NOENT);
	assert_false(info.present);
	assert_int_equal(info.cpu_count, 0);
	assert_int_equal(acpi_parse(&fake, NULL, MEMORY_SIZE - 4, &info), ERR_NOENT);
	assert_int_equal(acpi_parse(&fake, NULL, UINT64_MAX, &info), ERR_NOENT);
}

static void test_xsdt_broken(void **state)
{
	(void)state;
	memory[XSDT_AT + 40] ^= 1;
	assert_int_equal(parse(), OK); /* by the RSDT */
	assert_int_equal(info.cpu_count, 4);
	assert_non_null(strstr(fake_log_last, "MADT")); /* the override: the last warning */
	memory[RSDT_AT + 40] ^= 1;
	assert_int_equal(parse(), ERR_NOENT);
	assert_non_null(strstr(fake_log_last, "RSDT at 0x10000"));
}

static void test_broken_tables(void **state)
{
	(void)state;
	memory[MADT_AT + 50] ^= 1;
	assert_int_equal(parse(), OK);
	assert_int_equal(info.cpu_count, 0);
	assert_true(info.has_fadt);
	assert_non_null(strstr(fake_log_last, "APIC at 0x12001"));
	setup(state);
	memory[FADT_AT + 4] = 100; /* length below the least */
	memory[FADT_AT + 5] = 0;
	resum(FADT_AT);
	assert_int_equal(parse(), OK);
	assert_false(info.has_fadt);
	setup(state);
	memcpy(memory + HPET_AT + 4, (const uint8_t[]){0xff, 0xff, 0xff, 0xff}, 4);
	assert_int_equal(parse(), OK);
	assert_int_equal(info.hpet_pa, 0);
	assert_non_null(strstr(fake_log_last, "too long"));
	setup(state);
	memcpy(memory + HPET_AT + 4, (const uint8_t[]){0, 0, 0x20, 0}, 4); /* beyond the memory */
	assert_int_equal(parse(), OK);
	assert_non_null(strstr(fake_log_last, "not readable"));
	setup(state);
	table(DSDT_AT, "XXXX", s5_plain, sizeof(s5_plain));
	assert_int_equal(parse(), OK);
	assert_int_equal(info.s5_type_a, 7); /* the SSDT's */
}

static void test_root_entries(void **state)
{
	const uint64_t odd[] = {RSDT_AT,         XSDT_AT,    MADT_AT, MADT_AT, 0xffffffffffffff00,
				MEMORY_SIZE - 8, FADT_AT + 1};
	static uint64_t many[400];

	(void)state;
	/* The root itself, a table twice, unreadable ones. */
	table(XSDT_AT, "XSDT", odd, sizeof(odd));
	assert_int_equal(parse(), OK);
	assert_int_equal(info.cpu_count, 4);
	assert_false(info.has_fadt);
	many[399] = MADT_AT;
	table(XSDT_AT, "XSDT", many, sizeof(many));
	assert_int_equal(parse(), OK);
	assert_int_equal(info.cpu_count, 0);
	/* A root with an odd tail. */
	table(XSDT_AT, "XSDT", odd, 3 * 8 + 5);
	assert_int_equal(parse(), OK);
	assert_int_equal(info.cpu_count, 4);
}

static void test_madt_limits(void **state)
{
	static uint8_t body[8 + 300 * 16 + 40 * 12 + 40 * 10 + 40 * 8 + 40 * 6];
	uint8_t *p = body + 8;

	(void)state;
	for (unsigned i = 0; i < 300; i++, p += 16)
		memcpy(p, (const uint8_t[]){9, 16, 0, 0, i & 0xff, i >> 8, 0, 0, 1}, 9);
	for (unsigned i = 0; i < 40; i++, p += 12)
		memcpy(p, (const uint8_t[]){1, 12, i, 0, 0, 0, 0xc0, 0xfe}, 8);
	for (unsigned i = 0; i < 40; i++, p += 10)
		memcpy(p, (const uint8_t[]){2, 10, 0, i % 16, i}, 5);
	for (unsigned i = 0; i < 40; i++, p += 8)
		memcpy(p, (const uint8_t[]){3, 8}, 2);
	for (unsigned i = 0; i < 40; i++, p += 6)
		memcpy(p, (const uint8_t[]){4, 6}, 2);
	table(MADT_AT, "APIC", body, sizeof(body));
	assert_int_equal(parse(), OK);
	assert_int_equal(info.cpu_count, ACPI_CPU_MAX);
	assert_int_equal(info.ioapic_count, ACPI_IOAPIC_MAX);
	assert_int_equal(info.override_count, ACPI_OVERRIDE_MAX);
	assert_int_equal(info.nmi_count, ACPI_NMI_MAX);
	assert_int_equal(info.lint_count, ACPI_LINT_MAX);
}

static void test_madt_entries(void **state)
{
	const uint8_t zero_length[] = {0, 0, 0xe0, 0xfe, 0, 0, 0, 0, 0, 8, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0};
	const uint8_t too_long[] = {0, 0, 0xe0, 0xfe, 0, 0, 0, 0, 0, 8, 0, 1,
				    1, 0, 0,    0,    0, 9, 0, 2, 1, 0, 0, 0};
	const uint8_t too_short[] = {0, 0, 0xe0, 0xfe, 0, 0, 0, 0, 0, 8, 0, 1,
				     1, 0, 0,    0,    9, 8, 0, 2, 1, 0, 0, 0};

	(void)state;
	table(MADT_AT, "APIC", zero_length, sizeof(zero_length));
	assert_int_equal(parse(), OK);
	assert_int_equal(info.cpu_count, 1);
	assert_non_null(strstr(fake_log_last, "offset 52"));
	table(MADT_AT, "APIC", too_long, sizeof(too_long));
	assert_int_equal(parse(), OK);
	assert_int_equal(info.cpu_count, 1);
	table(MADT_AT, "APIC", too_short, sizeof(too_short));
	assert_int_equal(parse(), OK);
	assert_int_equal(info.cpu_count, 1);
}

/* Definitions that end with the table, or aren't ones. */
static void test_s5_forms(void **state)
{
	(void)state;
	table(SSDT_AT, "SSDT", "", 0);
	for (unsigned n = 0; n < sizeof(s5_plain); n++) {
		table(DSDT_AT, "DSDT", s5_plain, n);
		assert_int_equal(parse(), OK);
		assert_int_equal(info.has_s5, n >= 13);
		table(DSDT_AT, "DSDT", s5_rooted, n);
		assert_int_equal(parse(), OK);
		assert_false(info.has_s5);
	}
	table(DSDT_AT, "DSDT", "\x10_S5_\x12\x06\x04\x0a\x05\x01", 12); /* no Name() */
	assert_int_equal(parse(), OK);
	assert_false(info.has_s5);
	table(DSDT_AT, "DSDT", "\x08_S5_\x12\x06\x04\x0a\x55\x01", 12); /* no SLP_TYP */
	assert_int_equal(parse(), OK);
	assert_false(info.has_s5);
	table(DSDT_AT, "DSDT", "\x08_S5_\x12\x06\x01\x0a\x05\x70", 12); /* one number for both */
	assert_int_equal(parse(), OK);
	assert_true(info.has_s5);
	assert_int_equal(info.s5_type_b, 5);
}

/* Random bytes changed everywhere, checksums mended so that the damage is read. */
static void test_damage(void **state)
{
	static const uint64_t at[] = {RSDT_AT, XSDT_AT, MADT_AT, FADT_AT, DSDT_AT, HPET_AT, MCFG_AT, SSDT_AT};
	uint64_t seed = 77;

	for (unsigned round = 0; round < 3000; round++) {
		setup(state);
		for (unsigned n = 0; n < 1 + round % 8; n++) {
			uint64_t t = at[test_random(&seed) % ARRAY_SIZE(at)];

			memory[t + test_random(&seed) % 260] = (uint8_t)test_random(&seed);
			memory[t + 4 + test_random(&seed) % 2] ^= test_random(&seed) % 4 ? 0 : 0x40;
			resum(t);
		}
		(void)!parse();
		assert_true(info.cpu_count <= ACPI_CPU_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_good, setup),
	    cmocka_unit_test_setup(test_old, setup),
	    cmocka_unit_test_setup(test_where_found, setup),
	    cmocka_unit_test_setup(test_none, setup),
	    cmocka_unit_test_setup(test_xsdt_broken, setup),
	    cmocka_unit_test_setup(test_broken_tables, setup),
	    cmocka_unit_test_setup(test_root_entries, setup),
	    cmocka_unit_test_setup(test_madt_limits, setup),
	    cmocka_unit_test_setup(test_madt_entries, setup),
	    cmocka_unit_test_setup(test_s5_forms, setup),
	    cmocka_unit_test_setup(test_damage, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
