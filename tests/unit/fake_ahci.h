/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A made-up AHCI controller, for the driver's test: it follows the specification, insists that the host does, and makes the mistakes
 * that the test wants. Its ports: a disk; an empty one; a CD; a disk with blocks of 4096 bytes; one that is not implemented.
 */
#pragma once

#include "fake_block_host.h"
#include "fake_identify.h"
#include "drivers/ahci_port.h"

#define FAKE_BASE      PAGE_SIZE /* of the registers */
#define FAKE_PORTS     5
#define FAKE_SLOTS     8
#define FAKE_SECTORS   8192
#define FAKE_LATE_NS   (50 * FAKE_MS)
#define FAKE_MS        1000000ULL
#define FAKE_LINK_NS   (5 * FAKE_MS)
#define FAKE_READY_NS  (30 * FAKE_MS)

#define FAKE_TFD_READY 0x50u
#define FAKE_TFD_ERROR (0x51u | 0x40u << 8) /* unrecoverable data */

enum fake_fault {
	FAKE_NONE,
	FAKE_NEVER,  /* begins the command and does nothing */
	FAKE_LATE,   /* completes it long after */
	FAKE_SHORT,  /* says that it is complete, with one sector missing */
	FAKE_TWICE,  /* completes it, and raises the same interrupt again */
	FAKE_ERROR,  /* the disk reports an error */
	FAKE_CRC,    /* the disk reports that data were damaged on their way */
	FAKE_WIRE,   /* the port notices that */
	FAKE_MEMORY, /* the controller could not reach memory */
	FAKE_STUCK,  /* the disk reports an error and stays busy */
};

struct fake_port {
	bool present;
	uint32_t sig; /* of what is there */
	struct fake_identity id;
	uint8_t disk[FAKE_SECTORS * 512];

	uint32_t clb, clb_high, fb, fb_high, is, ie, cmd, tfd, shown_sig, ssts, sctl, serr, ci;
	uint64_t comreset_ns, link_ns, ready_ns; /* 0: not under way */
	bool failed;                             /* by an error: until ST is cleared */
	unsigned turn;                           /* the slot that was worked on last */
	bool begun;                              /* and it is under way */
	uint64_t late_ns;

	enum fake_fault fault[8], fault_of_identify[8]; /* of the next commands */
	bool no_ccs;                                    /* as QEMU's: which slot it is at is never told */
	bool no_stop;                                   /* CR stays until the wire is reset */
	bool no_stop_ever, no_release, never_ready;
	unsigned resets, commands, identifies;
	struct ahci_fis last;
};

static struct {
	struct fake_port port[FAKE_PORTS];
	uint32_t cap, cap2, bohc, ghc, is;
	bool gone, garbage;
	bool keeps; /* the firmware does not let go */
} fake;

static inline void fake_put_in(unsigned n, uint32_t sig, uint32_t logical)
{
	struct fake_port *p = &fake.port[n];

	p->present = true;
	p->sig = p->shown_sig = sig;
	p->ssts = 0x100 | AHCI_DET_READY;
	p->tfd = FAKE_TFD_READY;
	p->id = (struct fake_identity){.sectors = FAKE_SECTORS, .logical = logical, .trim = true};
}

static inline void fake_power_on(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.cap = AHCI_CAP_64 | (FAKE_SLOTS - 1) << 8 | (FAKE_PORTS - 1);
	for (unsigned i = 0; i < FAKE_PORTS; i++) {
		fake.port[i].shown_sig = UINT32_MAX;
		fake.port[i].tfd = 0x7f;
		fake.port[i].cmd = AHCI_CMD_SUD | AHCI_CMD_POD;
	}
	fake_put_in(0, AHCI_SIG_DISK, 512);
	fake_put_in(2, AHCI_SIG_ATAPI, 2048);
	fake_put_in(3, AHCI_SIG_DISK, 4096);
}

/* As firmware leaves a port that it has booted from. */
static inline void fake_run_by_firmware(unsigned n)
{
	static uint8_t memory[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

	fake.port[n].clb = fake.port[n].fb = (uint32_t)(uint64_t)memory & ~0xfffu;
	fake.port[n].cmd |= AHCI_CMD_ST | AHCI_CMD_CR | AHCI_CMD_FRE | AHCI_CMD_FR;
}

static inline void fake_raise(struct fake_port *p, uint32_t is)
{
	p->is |= is;
	if (p->is & p->ie)
		fake.is |= 1u << (p - fake.port);
}

/* Somebody pulls the disk out. */
static inline void fake_pull_out(unsigned n)
{
	struct fake_port *p = &fake.port[n];

	p->present = false;
	p->ssts = 0;
	p->tfd = 0x7f;
	p->serr |= AHCI_SERR_N;
	fake_raise(p, AHCI_IS_PRCS);
}

/* Somebody puts it in again, or another one. */
static inline void fake_put_back(unsigned n)
{
	fake.port[n].present = true;
}

/* --- commands --- */

static inline uint8_t *fake_pa(uint32_t low, uint32_t high)
{
	return (uint8_t *)((uint64_t)high << 32 | low);
}

static inline struct ahci_header *fake_header(struct fake_port *p, unsigned slot)
{
	return (struct ahci_header *)fake_pa(p->clb, p->clb_high) + slot;
}

/* As the controller walks the table: "Physical Region Descriptor Table". */
static inline uint32_t fake_move(const struct ahci_header *h, uint8_t *device, uint32_t bytes, bool to_device)
{
	const struct ahci_table *t = (const struct ahci_table *)h->table;
	uint32_t moved = 0;

	for (unsigned i = 0; moved < bytes; i++) {
		uint32_t n = (t->prd[i].count & 0x3fffff) + 1;
		uint8_t *p = (uint8_t *)t->prd[i].address;

		assert_true(i < h->prds);
		assert_true((t->prd[i].count & 1) && !(t->prd[i].address & 1) &&
			    !(t->prd[i].count & ~0x3fffffu));
		n = MIN(n, bytes - moved);
		if (to_device)
			memcpy(device + moved, p, n);
		else
			memcpy(p, device + moved, n);
		moved += n;
	}
	return moved;
}

static inline void fake_trim(struct fake_port *p, const struct ahci_header *h, uint32_t logical)
{
	uint64_t range[64];

	assert_int_equal(p->last.features, AHCI_FEATURE_TRIM);
	fake_move(h, (uint8_t *)range, sizeof(range), true);
	for (unsigned i = 0; i < 64; i++) {
		uint64_t lba = range[i] & (BIT(48) - 1), blocks = range[i] >> 48;

		assert_true((lba + blocks) * logical <= sizeof(p->disk));
		memset(p->disk + lba * logical, 0, blocks * logical);
	}
}

/* The bytes that were moved. */
static inline uint32_t fake_perform(struct fake_port *p, const struct ahci_header *h, bool is_short)
{
	const struct ahci_fis *f = &p->last;
	uint64_t lba = f->lba0 | f->lba1 << 8 | f->lba2 << 16 | (uint64_t)f->lba3 << 24 |
		       (uint64_t)f->lba4 << 32 | (uint64_t)f->lba5 << 40;
	uint32_t count = f->count | f->count_high << 8, logical = p->id.logical;
	bool writes = h->flags & AHCI_HEADER_WRITE;
	uint16_t id[256];

	assert_int_equal(h->flags & 0x1f, 5);
	switch (f->command) {
	case AHCI_ATA_IDENTIFY:
		assert_false(writes);
		fake_identify(id, &p->id);
		return fake_move(h, (uint8_t *)id, is_short ? 256 : 512, false);
	case AHCI_ATA_FLUSH_CACHE_EXT:
		return 0;
	case AHCI_ATA_DATASET_MANAGEMENT:
		assert_true(writes && p->id.trim && count == 1);
		fake_trim(p, h, logical);
		return 512;
	case AHCI_ATA_READ_DMA_EXT:
	case AHCI_ATA_WRITE_DMA_EXT:
	case AHCI_ATA_WRITE_DMA_FUA_EXT:
		assert_int_equal(writes, f->command != AHCI_ATA_READ_DMA_EXT);
		assert_true(count && (lba + count) * logical <= sizeof(p->disk));
		return fake_move(h, p->disk + lba * logical, (count - is_short) * logical, writes);
	default:
		fail_msg("command %x", f->command);
		return 0;
	}
}

static inline void fake_stop(struct fake_port *p, uint32_t is, uint32_t tfd)
{
	p->failed = true;
	p->tfd = tfd;
	fake_raise(p, is);
}

/* Of the command that is under way, and those behind it. */
static inline enum fake_fault *fake_faults(struct fake_port *p)
{
	return p->last.command == AHCI_ATA_IDENTIFY ? p->fault_of_identify : p->fault;
}

static inline void fake_next_fault(struct fake_port *p)
{
	enum fake_fault *f = fake_faults(p);

	memmove(f, f + 1, sizeof(p->fault) - sizeof(p->fault[0]));
}

/* The command of p->turn comes to its end. */
static inline void fake_end(struct fake_port *p)
{
	enum fake_fault fault = *fake_faults(p);
	struct ahci_header *h = fake_header(p, p->turn);

	if (fault == FAKE_NEVER)
		return;
	if (fault == FAKE_LATE && !p->late_ns)
		p->late_ns = now + FAKE_LATE_NS;
	if (now < p->late_ns)
		return;
	p->late_ns = 0;
	fake_next_fault(p);
	p->begun = false;
	if (fault == FAKE_ERROR || fault == FAKE_STUCK)
		fake_stop(p, AHCI_IS_TFES, FAKE_TFD_ERROR | (fault == FAKE_STUCK ? AHCI_TFD_BSY : 0));
	else if (fault == FAKE_CRC)
		fake_stop(p, AHCI_IS_TFES, 0x51 | 0x84 << 8);
	else if (fault == FAKE_WIRE)
		fake_stop(p, AHCI_IS_IFS, FAKE_TFD_READY);
	else if (fault == FAKE_MEMORY)
		fake_stop(p, BIT(28), FAKE_TFD_READY);
	if (p->failed) {
		h->transferred = 512; /* it had begun */
		return;
	}
	assert_int_equal(h->transferred, 0);
	h->transferred = fake_perform(p, h, fault == FAKE_SHORT);
	p->ci &= ~(1u << p->turn);
	p->tfd = FAKE_TFD_READY;
	fake_raise(p, AHCI_IS_DHRS);
	if (fault == FAKE_TWICE)
		p->late_ns = now + FAKE_MS;
}

static inline void fake_begin(struct fake_port *p)
{
	const struct ahci_header *h;

	do
		p->turn = (p->turn + 1) % FAKE_SLOTS;
	while (!(p->ci & 1u << p->turn));
	h = fake_header(p, p->turn);
	assert_true(h->table && IS_ALIGNED(h->table, 128));
	p->last = ((const struct ahci_table *)h->table)->fis;
	assert_int_equal(p->last.type, AHCI_FIS_H2D);
	assert_int_equal(p->last.flags, AHCI_FIS_COMMAND);
	if (!p->no_ccs)
		p->cmd = (p->cmd & ~0x1f00u) | p->turn << 8;
	p->tfd |= AHCI_TFD_BSY;
	p->begun = true;
	if (p->last.command == AHCI_ATA_IDENTIFY)
		p->identifies++;
	else
		p->commands++;
}

/* --- the wire --- */

static inline void fake_appear(struct fake_port *p)
{
	if (p->link_ns && now >= p->link_ns) {
		p->link_ns = 0;
		p->ssts = 0x100 | AHCI_DET_READY;
		p->serr |= BIT(26);
		p->ready_ns = now + FAKE_READY_NS;
	}
	if (!p->ready_ns || now < p->ready_ns || p->never_ready || !(p->cmd & AHCI_CMD_FRE))
		return;
	p->ready_ns = 0;
	p->shown_sig = p->sig;
	p->tfd = FAKE_TFD_READY;
	assert_true(IS_ALIGNED(p->fb, 256) && p->fb + p->fb_high);
	memset(fake_pa(p->fb, p->fb_high) + 0x40, 0x34, 20);
	fake_raise(p, AHCI_IS_DHRS);
}

void fake_run_device(void)
{
	for (unsigned i = 0; i < FAKE_PORTS && !fake.gone && !fake.garbage; i++) {
		struct fake_port *p = &fake.port[i];

		fake_appear(p);
		if (!(p->cmd & AHCI_CMD_ST) || p->failed || !p->present)
			continue;
		if (p->begun)
			fake_end(p);
		else if (p->ci)
			fake_begin(p);
		else if (p->late_ns && now >= p->late_ns) {
			p->late_ns = 0;
			fake_raise(p, AHCI_IS_DHRS);
		}
	}
}

/* --- registers --- */

static inline void fake_write_cmd(struct fake_port *p, uint32_t value)
{
	const uint32_t host = AHCI_CMD_ST | AHCI_CMD_SUD | AHCI_CMD_POD | AHCI_CMD_FRE;

	assert_int_equal(value & AHCI_CMD_ICC, 0);
	if (value & ~p->cmd & AHCI_CMD_ST) {
		assert_true((value & AHCI_CMD_FRE) && (p->cmd & AHCI_CMD_FR));
		assert_int_equal(p->cmd & AHCI_CMD_CR, 0);
		assert_int_equal(p->tfd & (AHCI_TFD_BSY | AHCI_TFD_DRQ), 0);
		assert_int_equal(p->ssts & AHCI_SSTS_DET, AHCI_DET_READY);
		p->cmd |= AHCI_CMD_CR;
		p->turn = FAKE_SLOTS - 1;
	}
	if (p->cmd & ~value & AHCI_CMD_FRE)
		assert_false((p->cmd | value) & AHCI_CMD_ST);
	if (p->cmd & ~value & AHCI_CMD_ST) {
		if (p->begun)
			fake_next_fault(p);
		p->ci = 0;
		p->begun = p->failed = false;
		p->late_ns = 0;
		if (!p->no_stop && !p->no_stop_ever)
			p->cmd &= (uint32_t)~AHCI_CMD_CR;
	}
	p->cmd = (p->cmd & ~host) | (value & host);
	if (value & AHCI_CMD_FRE)
		p->cmd |= AHCI_CMD_FR;
	else if (!p->no_release)
		p->cmd &= (uint32_t)~AHCI_CMD_FR;
}

static inline void fake_write_sctl(struct fake_port *p, uint32_t value)
{
	assert_int_equal(p->cmd & AHCI_CMD_ST, 0);
	if (value & 1) {
		assert_true(p->cmd & AHCI_CMD_SUD);
		p->comreset_ns = now;
		p->ssts = 0;
		p->tfd = 0x7f;
		p->shown_sig = UINT32_MAX;
		p->link_ns = p->ready_ns = 0;
		if (!p->no_stop_ever)
			p->cmd &= (uint32_t)~AHCI_CMD_CR;
		p->no_stop = false;
		p->resets++;
	} else if (p->sctl & 1) {
		assert_true(now - p->comreset_ns >= FAKE_MS);
		if (p->present) {
			p->tfd = 0xff;
			p->link_ns = now + FAKE_LINK_NS;
		}
	}
	p->sctl = value;
}

static inline void fake_write_port(struct fake_port *p, uint32_t offset, uint32_t value)
{
	uint32_t *address[] = {&p->clb, &p->clb_high, &p->fb, &p->fb_high};

	switch (offset) {
	case AHCI_CLB:
	case AHCI_CLB + 4:
	case AHCI_FB:
	case AHCI_FB + 4:
		assert_int_equal(p->cmd & (offset < AHCI_FB ? AHCI_CMD_CR : AHCI_CMD_FR), 0);
		*address[offset / 4] = value;
		break;
	case AHCI_PXIS:
		p->is &= ~value | (p->serr & AHCI_SERR_N ? AHCI_IS_PRCS : 0); /* shows SERR */
		break;
	case AHCI_IE:
		p->ie = value;
		break;
	case AHCI_CMD:
		fake_write_cmd(p, value);
		break;
	case AHCI_SCTL:
		fake_write_sctl(p, value);
		break;
	case AHCI_SERR:
		p->serr &= ~value;
		if (value & AHCI_SERR_N)
			p->is &= (uint32_t)~AHCI_IS_PRCS;
		break;
	case AHCI_CI:
		assert_true(p->cmd & AHCI_CMD_ST);
		assert_int_equal(value & p->ci, 0);
		assert_int_equal(value >> FAKE_SLOTS, 0);
		p->ci |= value;
		break;
	default:
		fail_msg("port register %x", offset);
	}
}

static inline uint32_t fake_read_port(const struct fake_port *p, uint32_t offset)
{
	switch (offset) {
	case AHCI_PXIS:
		return p->is;
	case AHCI_CMD:
		return p->cmd;
	case AHCI_TFD:
		return p->tfd;
	case AHCI_SIG:
		return p->shown_sig;
	case AHCI_SSTS:
		return p->ssts;
	case AHCI_CI:
		return p->ci;
	default:
		fail_msg("port register %x", offset);
		return 0;
	}
}

void ahci_write(volatile uint8_t *regs, uint32_t offset, uint32_t value)
{
	uint32_t at = (uint32_t)((uint64_t)regs + offset - FAKE_BASE);

	if (fake.gone || fake.garbage)
		return;
	if (at >= AHCI_PORT(0)) {
		unsigned n = (at - AHCI_PORT(0)) / AHCI_PORT_SIZE;

		assert_true(n < FAKE_PORTS - 1);
		fake_write_port(&fake.port[n], (at - AHCI_PORT(0)) % AHCI_PORT_SIZE, value);
	} else if (at == AHCI_GHC) {
		assert_true(value & AHCI_GHC_AE);
		fake.ghc = value;
	} else if (at == AHCI_IS) {
		fake.is &= ~value;
		for (unsigned i = 0; i < FAKE_PORTS; i++)
			fake_raise(&fake.port[i], 0);
	} else {
		assert_int_equal(at, AHCI_BOHC);
		if (!fake.keeps)
			value &= (uint32_t)~AHCI_BOHC_BOS;
		fake.bohc = value;
	}
}

uint32_t ahci_read(const volatile uint8_t *regs, uint32_t offset)
{
	uint32_t at = (uint32_t)((uint64_t)regs + offset - FAKE_BASE);

	if (fake.gone)
		return AHCI_GONE;
	if (fake.garbage)
		return (uint32_t)(test_random(&seed) >> 32);
	if (at >= AHCI_PORT(0)) {
		unsigned n = (at - AHCI_PORT(0)) / AHCI_PORT_SIZE;

		assert_true(n < FAKE_PORTS - 1);
		return fake_read_port(&fake.port[n], (at - AHCI_PORT(0)) % AHCI_PORT_SIZE);
	}
	switch (at) {
	case AHCI_CAP:
		return fake.cap;
	case AHCI_IS:
		return fake.is;
	case AHCI_PI:
		return (1u << (FAKE_PORTS - 1)) - 1;
	case AHCI_CAP2:
		return fake.cap2;
	case AHCI_BOHC:
		return fake.bohc;
	default:
		fail_msg("register %x", at);
		return 0;
	}
}
