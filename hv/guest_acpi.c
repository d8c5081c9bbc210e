/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Builds the guest's ACPI tables. Layouts: ACPI Specification 6.3, chapter 5, "ACPI Software Programming
 * Model". What the tables describe is hv/vdev/platform.h's.
 */
#include "hv/guest_acpi.h"

#include "hv/guest_map.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/vdev/hpet.h"
#include "hv/vdev/platform.h"
#include "hv/dsdt.hex"

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));
static_assert(sizeof(struct acpi_header) == 36);

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt, length;
	uint64_t xsdt;
	uint8_t extended_checksum, reserved[3];
} __attribute__((packed));
static_assert(sizeof(struct acpi_rsdp) == 36);
#define RSDP_V1_SIZE 20

struct acpi_xsdt {
	struct acpi_header header;
	uint64_t entry[5];
} __attribute__((packed));

/* Generic Address Structure. */
struct acpi_gas {
	uint8_t space, bit_width, bit_offset, access;
	uint64_t address;
} __attribute__((packed));
enum gas_space { GAS_MEMORY = 0, GAS_IO = 1 };
enum gas_access { GAS_BYTE = 1, GAS_WORD = 2, GAS_DWORD = 3 };

struct acpi_fadt {
	struct acpi_header header;
	uint32_t firmware_ctrl, dsdt;
	uint8_t reserved0, preferred_profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	uint32_t pm1a_evt_blk, pm1b_evt_blk, pm1a_cnt_blk, pm1b_cnt_blk, pm2_cnt_blk, pm_tmr_blk;
	uint32_t gpe0_blk, gpe1_blk;
	uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_blk_len, gpe1_blk_len, gpe1_base;
	uint8_t cst_cnt;
	uint16_t p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alrm, mon_alrm, century;
	uint16_t iapc_boot_arch;
	uint8_t reserved1;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor_revision;
	uint64_t x_firmware_ctrl, x_dsdt;
	struct acpi_gas x_pm1a_evt_blk, x_pm1b_evt_blk, x_pm1a_cnt_blk, x_pm1b_cnt_blk, x_pm2_cnt_blk,
	    x_pm_tmr_blk;
	struct acpi_gas x_gpe0_blk, x_gpe1_blk, sleep_control, sleep_status;
	char hypervisor[8];
} __attribute__((packed));
static_assert(sizeof(struct acpi_fadt) == 276);

#define FADT_REVISION        6
#define FADT_MINOR           3
#define FADT_NO_C2           0x0fff /* worst latencies above 100 and 1000 microseconds: no such state */
#define FADT_NO_C3           0x0fff
#define BOOT_LEGACY_DEVICES  BIT(0)
#define BOOT_NO_VGA          BIT(2)
#define FADT_WBINVD          BIT(0)
#define FADT_PROC_C1         BIT(2)
#define FADT_NO_SLEEP_BUTTON BIT(5)
#define FADT_NO_FIXED_RTC    BIT(6)
#define FADT_TMR_VAL_EXT     BIT(8)
#define FADT_RESET_REG       BIT(10)

struct acpi_facs {
	char signature[4];
	uint32_t length, hardware_signature, waking_vector, global_lock, flags;
	uint64_t x_waking_vector;
	uint8_t version, reserved[31];
} __attribute__((packed));
static_assert(sizeof(struct acpi_facs) == 64);
#define FACS_VERSION 2

struct madt {
	struct acpi_header header;
	uint32_t lapic_address, flags;
} __attribute__((packed));
#define MADT_REVISION    4
#define MADT_PCAT_COMPAT BIT(0)

struct madt_lapic {
	uint8_t type, length, processor_uid, apic_id;
	uint32_t flags;
} __attribute__((packed));
struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} __attribute__((packed));
struct madt_override {
	uint8_t type, length, bus, source;
	uint32_t gsi;
	uint16_t flags;
} __attribute__((packed));
struct madt_lapic_nmi {
	uint8_t type, length, processor_uid;
	uint16_t flags;
	uint8_t lint;
} __attribute__((packed));
enum madt_type { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_NMI = 4 };
#define MADT_ENABLED           BIT(0)
#define MADT_ALL_PROCESSORS    0xff
#define MADT_ACTIVE_HIGH_LEVEL 0x000d
#define LINT_NMI               1
#define ISA_TIMER              0
#define TABLE_ALIGN            16

/* IA-PC HPET Specification 1.0a, "ACPI 2.0 HPET Description Table". */
struct acpi_hpet {
	struct acpi_header header;
	uint32_t id;
	struct acpi_gas address;
	uint8_t number;
	uint16_t minimum_tick;
	uint8_t page_protection;
} __attribute__((packed));
static_assert(sizeof(struct acpi_hpet) == 56);
#define HPET_REVISION     1
#define HPET_MINIMUM_TICK 2000 /* nearer interrupts of a periodic timer are merged */

/* PCI Firmware Specification 3.2, "MCFG Table Description". */
struct acpi_mcfg {
	struct acpi_header header;
	uint8_t reserved[8];
	uint64_t base;
	uint16_t segment;
	uint8_t first_bus, last_bus;
	uint32_t reserved_end;
} __attribute__((packed));
static_assert(sizeof(struct acpi_mcfg) == 60);
#define MCFG_REVISION 1

/* ACPI Specification, "ACPI Machine Language (AML) Specification": Name(name, value). */
struct aml_name {
	uint8_t op;
	char name[4];
	uint8_t prefix;
	uint64_t value;
} __attribute__((packed));
#define AML_NAME  0x08
#define AML_QWORD 0x0e

/* What hv/dsdt.asl has as External. */
struct ssdt {
	struct acpi_header header;
	struct aml_name base, size;
} __attribute__((packed));
#define SSDT_REVISION 2

/* Where the next table goes. */
struct builder {
	const struct gmem *mem;
	uint64_t next;
	enum status status;
};

static uint8_t sum(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint8_t s = 0;

	while (n--)
		s += *p++;
	return s;
}

static uint64_t place(struct builder *b, const void *data, size_t n)
{
	uint64_t at = b->next;

	b->next = ALIGN_UP(at + n, (uint64_t)TABLE_ALIGN);
	if (b->status == OK && b->next > GUEST_BIOS_BASE)
		b->status = ERR_NOMEM;
	if (b->status == OK)
		b->status = gpa_load(b->mem, gpa(at), data, n);
	return at;
}

static struct acpi_header header(const char *signature, uint8_t revision)
{
	struct acpi_header h = {.revision = revision, .oem_revision = 1, .creator_revision = 1};

	memcpy(h.signature, signature, sizeof(h.signature));
	memcpy(h.oem_id, "INGOT ", sizeof(h.oem_id));
	memcpy(h.oem_table_id, "INGOTPC ", sizeof(h.oem_table_id));
	memcpy(h.creator_id, "INGT", sizeof(h.creator_id));
	return h;
}

static uint64_t place_table(struct builder *b, struct acpi_header *h, size_t n)
{
	h->length = (uint32_t)n;
	h->checksum = 0;
	h->checksum = (uint8_t)-sum(h, n);
	return place(b, h, n);
}

static struct acpi_gas io(uint16_t port, uint8_t bytes, enum gas_access access)
{
	return (struct acpi_gas){GAS_IO, (uint8_t)(bytes * 8), 0, access, port};
}

static uint64_t place_fadt(struct builder *b, uint64_t dsdt)
{
	struct acpi_fadt f = {
	    .header = header("FACP", FADT_REVISION),
	    .firmware_ctrl = GUEST_NVS_BASE,
	    .dsdt = (uint32_t)dsdt,
	    .sci_int = PLATFORM_GSI_SCI,
	    .pm1a_evt_blk = PLATFORM_PM1_EVT_PORT,
	    .pm1a_cnt_blk = PLATFORM_PM1_CNT_PORT,
	    .pm_tmr_blk = PLATFORM_PM_TMR_PORT,
	    .pm1_evt_len = PLATFORM_PM1_EVT_LEN,
	    .pm1_cnt_len = PLATFORM_PM1_CNT_LEN,
	    .pm_tmr_len = PLATFORM_PM_TMR_LEN,
	    .p_lvl2_lat = FADT_NO_C2,
	    .p_lvl3_lat = FADT_NO_C3,
	    .iapc_boot_arch = BOOT_LEGACY_DEVICES | BOOT_NO_VGA,
	    .flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_FIXED_RTC |
		     FADT_TMR_VAL_EXT | FADT_RESET_REG,
	    .reset_reg = io(PLATFORM_RESET_PORT, 1, GAS_BYTE),
	    .reset_value = PLATFORM_RESET_VALUE,
	    .minor_revision = FADT_MINOR,
	    .x_dsdt = dsdt,
	    .x_pm1a_evt_blk = io(PLATFORM_PM1_EVT_PORT, PLATFORM_PM1_EVT_LEN, GAS_WORD),
	    .x_pm1a_cnt_blk = io(PLATFORM_PM1_CNT_PORT, PLATFORM_PM1_CNT_LEN, GAS_WORD),
	    .x_pm_tmr_blk = io(PLATFORM_PM_TMR_PORT, PLATFORM_PM_TMR_LEN, GAS_DWORD),
	    .hypervisor = "Ingot",
	};

	return place_table(b, &f.header, sizeof(f));
}

static void append(uint8_t *buf, size_t *n, const void *entry, size_t size)
{
	memcpy(buf + *n, entry, size);
	*n += size;
}

static uint64_t place_madt(struct builder *b, uint32_t vcpus)
{
	static const struct madt_ioapic ioapic = {MADT_IOAPIC, sizeof(ioapic),       PLATFORM_IOAPIC_ID,
						  0,           PLATFORM_IOAPIC_BASE, 0};
	static const struct madt_override timer = {MADT_OVERRIDE, sizeof(timer),      0,
						   ISA_TIMER,     PLATFORM_GSI_TIMER, 0};
	static const struct madt_override sci = {MADT_OVERRIDE,    sizeof(sci),      0,
						 PLATFORM_GSI_SCI, PLATFORM_GSI_SCI, MADT_ACTIVE_HIGH_LEVEL};
	static const struct madt_lapic_nmi nmi = {MADT_LAPIC_NMI, sizeof(nmi), MADT_ALL_PROCESSORS, 0,
						  LINT_NMI};
	uint8_t buf[1024] __attribute__((aligned(8)));
	struct madt head = {header("APIC", MADT_REVISION), PLATFORM_LAPIC_BASE, MADT_PCAT_COMPAT};
	size_t n = 0;

	static_assert(sizeof(buf) >= sizeof(head) + GUEST_ACPI_VCPUS_MAX * sizeof(struct madt_lapic) +
					 sizeof(ioapic) + sizeof(timer) + sizeof(sci) + sizeof(nmi));
	append(buf, &n, &head, sizeof(head));
	for (uint32_t i = 0; i < vcpus; i++) {
		struct madt_lapic l = {MADT_LAPIC, sizeof(l), (uint8_t)i, (uint8_t)i, MADT_ENABLED};

		append(buf, &n, &l, sizeof(l));
	}
	append(buf, &n, &ioapic, sizeof(ioapic));
	append(buf, &n, &timer, sizeof(timer));
	append(buf, &n, &sci, sizeof(sci));
	append(buf, &n, &nmi, sizeof(nmi));
	return place_table(b, (struct acpi_header *)buf, n);
}

static uint64_t place_hpet(struct builder *b)
{
	struct acpi_hpet h = {
	    .header = header("HPET", HPET_REVISION),
	    .id = HPET_ID_LOW,
	    .address = {GAS_MEMORY, 64, 0, 0, PLATFORM_HPET_BASE},
	    .minimum_tick = HPET_MINIMUM_TICK,
	};

	return place_table(b, &h.header, sizeof(h));
}

/* Bus 0 alone. */
static uint64_t place_mcfg(struct builder *b)
{
	struct acpi_mcfg m = {.header = header("MCFG", MCFG_REVISION), .base = PLATFORM_PCI_ECAM_BASE};

	return place_table(b, &m.header, sizeof(m));
}

static struct aml_name name(const char *what, uint64_t value)
{
	struct aml_name n = {.op = AML_NAME, .prefix = AML_QWORD, .value = value};

	memcpy(n.name, what, sizeof(n.name));
	return n;
}

static uint64_t place_ssdt(struct builder *b, struct guest_window pci)
{
	struct ssdt s = {header("SSDT", SSDT_REVISION), name("P64B", pci.base), name("P64S", pci.size)};

	return place_table(b, &s.header, sizeof(s));
}

/* The one table that the guest writes: it holds the global lock. */
static void load_facs(struct builder *b)
{
	struct acpi_facs facs = {.length = sizeof(facs), .version = FACS_VERSION};

	memcpy(facs.signature, "FACS", sizeof(facs.signature));
	if (b->status == OK)
		b->status = gpa_load(b->mem, gpa(GUEST_NVS_BASE), &facs, sizeof(facs));
}

enum status guest_acpi_load(const struct gmem *mem, uint32_t vcpus, struct guest_window pci, uint64_t *rsdp)
{
	struct builder b = {.mem = mem,
			    .next = GUEST_TABLES_BASE + ALIGN_UP(sizeof(struct acpi_rsdp), TABLE_ALIGN)};
	struct acpi_xsdt xsdt = {.header = header("XSDT", 1)};
	struct acpi_rsdp r = {.revision = 2, .length = sizeof(r)};

	if (vcpus > GUEST_ACPI_VCPUS_MAX)
		return ERR_INVAL;
	xsdt.entry[0] = place_fadt(&b, place(&b, dsdt_aml_code, sizeof(dsdt_aml_code)));
	xsdt.entry[1] = place_madt(&b, vcpus);
	xsdt.entry[2] = place_hpet(&b);
	xsdt.entry[3] = place_mcfg(&b);
	xsdt.entry[4] = place_ssdt(&b, pci);
	load_facs(&b);
	r.xsdt = place_table(&b, &xsdt.header, sizeof(xsdt));
	memcpy(r.signature, "RSD PTR ", sizeof(r.signature));
	memcpy(r.oem_id, "INGOT ", sizeof(r.oem_id));
	r.checksum = (uint8_t)-sum(&r, RSDP_V1_SIZE);
	r.extended_checksum = (uint8_t)-sum(&r, sizeof(r));
	b.next = GUEST_TABLES_BASE;
	*rsdp = place(&b, &r, sizeof(r));
	return b.status;
}
