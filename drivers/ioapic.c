/* SPDX-License-Identifier: BSD-2-Clause */
/* The I/O APICs' redirection entries, reached through a register-select window under one lock. */
#include "drivers/ioapic.h"
#include <stddef.h>
#include "hv/lib/lock.h"
#include "hv/lib/log.h"
#include "hv/x86/apic.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"

#define IOAPIC_MAX       16
#define IOAPIC_MMIO_SIZE 0x1000
#define INPUTS_MAX       240
#define ISA_IRQS         16
#define DEST_MAX         254 /* 255 is the broadcast */
#define ALL_ONES         0xffffffffu

struct ioapic {
	char *mmio;
	uint32_t gsi_base, inputs;
};

struct isa_line {
	bool overridden, active_low, level;
	uint32_t gsi;
};

static struct spinlock lock; /* guards the register-select windows */
static struct ioapic ioapics[IOAPIC_MAX];
static uint32_t ioapic_count;
static struct isa_line isa[ISA_IRQS];

static uint32_t reg_read(const struct ioapic *io, uint32_t reg)
{
	mmio_write32(io->mmio + IOAPIC_REGSEL, reg);
	return mmio_read32(io->mmio + IOAPIC_WIN);
}

static void reg_write(const struct ioapic *io, uint32_t reg, uint32_t value)
{
	mmio_write32(io->mmio + IOAPIC_REGSEL, reg);
	mmio_write32(io->mmio + IOAPIC_WIN, value);
}

static const struct ioapic *ioapic_of(uint32_t gsi)
{
	for (uint32_t i = 0; i < ioapic_count; i++) {
		if (gsi >= ioapics[i].gsi_base && gsi - ioapics[i].gsi_base < ioapics[i].inputs)
			return &ioapics[i];
	}
	return NULL;
}

enum status ioapic_add(uint64_t pa, uint32_t gsi_base)
{
	struct ioapic io = {.gsi_base = gsi_base};
	uint32_t version;

	if (ioapic_count == IOAPIC_MAX)
		return ERR_NOMEM;
	io.mmio = host_map_device(pa, IOAPIC_MMIO_SIZE, PT_UC);
	if (io.mmio == NULL)
		return ERR_NOMEM;
	version = reg_read(&io, IOAPIC_REG_VERSION);
	io.inputs = ((version >> IOAPIC_VERSION_MAX_REDIR_SHIFT) & 0xff) + 1;
	if (version == ALL_ONES || io.inputs > INPUTS_MAX) {
		host_unmap(io.mmio, IOAPIC_MMIO_SIZE);
		return ERR_IO;
	}
	for (uint32_t i = 0; i < io.inputs; i++)
		reg_write(&io, IOAPIC_REG_REDIR(i), IOAPIC_REDIR_MASKED);
	ioapics[ioapic_count++] = io;
	return OK;
}

enum status ioapic_override(uint8_t irq, uint32_t gsi, bool active_low, bool level)
{
	if (irq >= ISA_IRQS)
		return ERR_RANGE;
	isa[irq] = (struct isa_line){true, active_low, level, gsi};
	return OK;
}

bool ioapic_isa_gsi(uint8_t irq, uint32_t *gsi, bool *active_low, bool *level)
{
	struct isa_line line;

	if (irq >= ISA_IRQS)
		return false;
	/* Without an override ISA lines are wired one to one, edge-triggered, active high. */
	line = isa[irq].overridden ? isa[irq] : (struct isa_line){.gsi = irq};
	*gsi = line.gsi;
	*active_low = line.active_low;
	*level = line.level;
	return ioapic_of(line.gsi) != NULL;
}

enum status ioapic_route(uint32_t gsi, uint8_t vector, uint32_t apic_id, bool active_low, bool level)
{
	const struct ioapic *io = ioapic_of(gsi);
	uint64_t entry = IOAPIC_REDIR_MASKED | APIC_DELIVERY_FIXED | vector;

	if (io == NULL)
		return ERR_NOENT;
	if (apic_id > DEST_MAX)
		return ERR_RANGE;
	entry |= (uint64_t)apic_id << IOAPIC_REDIR_DEST_SHIFT;
	entry |= active_low ? IOAPIC_REDIR_ACTIVE_LOW : 0;
	entry |= level ? IOAPIC_REDIR_LEVEL : 0;
	spin_lock(&lock);
	reg_write(io, IOAPIC_REG_REDIR(gsi - io->gsi_base), (uint32_t)entry);
	reg_write(io, IOAPIC_REG_REDIR(gsi - io->gsi_base) + 1, (uint32_t)(entry >> 32));
	spin_unlock(&lock);
	return OK;
}

enum status ioapic_route_isa(uint8_t irq, uint8_t vector, uint32_t apic_id, uint32_t *gsi)
{
	bool active_low, level;

	if (!ioapic_isa_gsi(irq, gsi, &active_low, &level))
		return ERR_NOENT;
	return ioapic_route(*gsi, vector, apic_id, active_low, level);
}

enum status ioapic_mask(uint32_t gsi, bool masked)
{
	const struct ioapic *io = ioapic_of(gsi);
	uint32_t reg, low;

	if (io == NULL)
		return ERR_NOENT;
	reg = IOAPIC_REG_REDIR(gsi - io->gsi_base);
	spin_lock(&lock);
	low = reg_read(io, reg) & ~(uint32_t)IOAPIC_REDIR_MASKED;
	reg_write(io, reg, masked ? low | (uint32_t)IOAPIC_REDIR_MASKED : low);
	spin_unlock(&lock);
	return OK;
}
