/* SPDX-License-Identifier: BSD-2-Clause */
/* A port's registers: see ahci_port.h. Serial ATA AHCI 1.3.1. */
#include "drivers/ahci_port.h"

#include "hv/timer.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define MS              1000000ULL
#define SLICE_NS        (2 * MS)
#define STOP_NS         (500 * MS) /* "Starting (PxCMD.ST)": within 500 ms */
#define COMRESET_NS     (1 * MS)   /* "PxSCTL.DET": at least so long */
#define LINK_NS         (1000 * MS)
#define WAKE_NS         (20000 * MS) /* a disk that has to spin up */
#define RESET_NS        (25000 * MS) /* all of it: the block layer gives a reset 30 s */
#define IDENTIFY_NS     (5000 * MS)
#define RESTART_NS      (1 * MS) /* after an error the port stops at once, or needs a reset */
#define FIS_OFFSET      1024     /* of what the port receives, in the list's page */
#define DATA_OFFSET     2048     /* of what IDENTIFY gives, likewise */
#define WORD_DATASET    169      /* of IDENTIFY DEVICE: bit 0, Trim */
#define WIRE_ERRORS_MAX 3        /* one after the other */

static uint32_t rd(const struct ahci_port *p, enum ahci_register r)
{
	return ahci_read(p->regs, r);
}

static void wr(struct ahci_port *p, enum ahci_register r, uint32_t value)
{
	ahci_write(p->regs, r, value);
}

static void wr_address(struct ahci_port *p, enum ahci_register r, hpa_t pa)
{
	wr(p, r, (uint32_t)pa.v);
	ahci_write(p->regs, r + 4u, (uint32_t)(pa.v >> 32));
}

static uint64_t tables_size(const struct ahci_port *p)
{
	return p->slot_count * sizeof(struct ahci_table);
}

/* False: there is no memory, or none where the controller reaches it. */
static bool get_memory(struct ahci_port *p)
{
	p->list = page_alloc(0);
	p->table = page_alloc_bytes(tables_size(p));
	return p->list && p->table && host_pa(p->list).v + PAGE_SIZE - 1 <= p->pa_max &&
	       host_pa(p->table).v + tables_size(p) - 1 <= p->pa_max;
}

void ahci_port_free(struct ahci_port *p)
{
	if (p->list)
		page_free(p->list, 0);
	if (p->table)
		page_free_bytes(p->table, tables_size(p));
	p->list = NULL;
	p->table = NULL;
}

/* --- the reset, in stages --- */

static hpa_t table_pa(const struct ahci_port *p, unsigned slot)
{
	return host_pa(&p->table[slot]);
}

static void issue(struct ahci_port *p, uint32_t slots)
{
	compiler_barrier();
	wr(p, AHCI_CI, slots);
}

static void enter(struct ahci_port *p, enum ahci_stage stage, uint64_t ns)
{
	p->stage = stage;
	p->due_ns = time_now_ns() + ns;
}

static bool late(const struct ahci_port *p)
{
	return time_now_ns() >= p->due_ns;
}

/* "Port Reset": of the wire, which stops a disk whatever it does. A port that doesn't stop for it may hang, and is reset too. */
static enum status stop(struct ahci_port *p, uint32_t cmd)
{
	if ((cmd & AHCI_CMD_CR) && !late(p))
		return ERR_AGAIN;
	wr(p, AHCI_SCTL, AHCI_SCTL_NO_PM | AHCI_SCTL_COMRESET);
	wr(p, AHCI_CMD, cmd & (uint32_t)~AHCI_CMD_FRE);
	enter(p, AHCI_RESETTING, COMRESET_NS);
	return OK;
}

/* The port can be told where its memory is only now that it uses none; it must listen when the disk reports. */
static enum status release(struct ahci_port *p, uint32_t cmd)
{
	if (!late(p))
		return ERR_AGAIN;
	if (cmd & (AHCI_CMD_CR | AHCI_CMD_FR))
		return time_now_ns() >= p->due_ns + STOP_NS ? ERR_TIMEOUT : ERR_AGAIN;
	wr_address(p, AHCI_CLB, host_pa(p->list));
	wr_address(p, AHCI_FB, hpa(host_pa(p->list).v + FIS_OFFSET));
	wr(p, AHCI_CMD, AHCI_CMD_SUD | AHCI_CMD_POD | AHCI_CMD_FRE);
	wr(p, AHCI_SCTL, AHCI_SCTL_NO_PM);
	enter(p, AHCI_LINKING, LINK_NS);
	return OK;
}

static enum status link(struct ahci_port *p)
{
	if ((rd(p, AHCI_SSTS) & AHCI_SSTS_DET) != AHCI_DET_READY)
		return late(p) ? ERR_NOENT : ERR_AGAIN;
	wr(p, AHCI_SERR, UINT32_MAX);
	enter(p, AHCI_WAKING, WAKE_NS);
	return OK;
}

/*
 * IDENTIFY goes by a slot that is not the first, where there are several. QEMU's CCS is 0 always: then an error can't be told of several
 * commands which of them has met it, and there is to be one at a time.
 */
static unsigned slot_to_ask(const struct ahci_port *p)
{
	return p->slot_count > 1;
}

static const uint16_t *answer(const struct ahci_port *p)
{
	return (const uint16_t *)((const uint8_t *)p->list + DATA_OFFSET);
}

static enum status wake(struct ahci_port *p)
{
	unsigned slot = slot_to_ask(p);

	if (rd(p, AHCI_TFD) & (AHCI_TFD_BSY | AHCI_TFD_DRQ))
		return late(p) ? ERR_TIMEOUT : ERR_AGAIN;
	if (rd(p, AHCI_SIG) != AHCI_SIG_DISK)
		return p->id.sectors ? ERR_CHANGED : ERR_NOENT;
	/* What came before is of no disk, or of the one that is asked now. */
	wr(p, AHCI_SERR, UINT32_MAX);
	wr(p, AHCI_PXIS, UINT32_MAX);
	__atomic_store_n(&p->events, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&p->link_changed, false, __ATOMIC_RELAXED);
	wr(p, AHCI_CMD, rd(p, AHCI_CMD) | AHCI_CMD_ST);
	ahci_command_identify(&p->list[slot], &p->table[slot], table_pa(p, slot), host_pa(answer(p)));
	issue(p, 1u << slot);
	enter(p, AHCI_ASKING, IDENTIFY_NS);
	return OK;
}

static enum status take_answer(struct ahci_port *p)
{
	unsigned slot = slot_to_ask(p);
	struct ata_identity id;
	enum status s;

	if (!ahci_command_identified(&p->list[slot]))
		return ERR_IO;
	s = ata_identify_parse(answer(p), &id);
	if (s != OK)
		return s;
	if (p->id.sectors)
		return ata_identity_same(&id, &p->id) ? OK : ERR_CHANGED;
	p->id = id;
	p->trim = answer(p)[WORD_DATASET] & 1;
	p->usable = AHCI_CMD_CCS(rd(p, AHCI_CMD)) == slot ? (uint32_t)(BIT(p->slot_count) - 1) : 1;
	return OK;
}

static void begin(struct ahci_port *p, uint32_t cmd)
{
	wr(p, AHCI_IE, 0);
	cmd &= (uint32_t) ~(AHCI_CMD_ST | AHCI_CMD_ICC);
	wr(p, AHCI_CMD, cmd | (uint32_t)(AHCI_CMD_SUD | AHCI_CMD_POD));
	enter(p, AHCI_STOPPING, STOP_NS);
}

/* The disk is the one that it was, or found for the first time. What was damaged on its way is asked for again, by another reset. */
static enum status ask(struct ahci_port *p, uint32_t cmd)
{
	bool failed = (rd(p, AHCI_PXIS) | __atomic_load_n(&p->events, __ATOMIC_RELAXED)) & AHCI_IS_ERRORS;
	enum status s = ERR_IO;

	if (!failed && rd(p, AHCI_CI) & 1u << slot_to_ask(p))
		return late(p) ? ERR_TIMEOUT : ERR_AGAIN;
	if (!failed)
		s = take_answer(p);
	if (s == ERR_IO && p->wire_errors++ < WIRE_ERRORS_MAX) {
		begin(p, cmd);
		return OK;
	}
	if (s != OK)
		return s;
	wr(p, AHCI_PXIS, UINT32_MAX);
	__atomic_store_n(&p->events, 0, __ATOMIC_RELAXED);
	p->in_flight = 0;
	p->wire_errors = 0;
	wr(p, AHCI_IE, AHCI_IS_DHRS | AHCI_IS_PRCS | AHCI_IS_ERRORS);
	p->stage = AHCI_UP;
	return OK;
}

/* OK: it went on; ERR_AGAIN: it waits. */
static enum status step(struct ahci_port *p)
{
	uint32_t cmd = rd(p, AHCI_CMD);

	if (cmd == AHCI_GONE)
		return ERR_NOENT;
	switch (p->stage) {
	case AHCI_UNKNOWN:
	case AHCI_UP:
		p->end_ns = time_now_ns() + RESET_NS;
		p->wire_errors = 0;
		begin(p, cmd);
		return OK;
	case AHCI_STOPPING:
		return stop(p, cmd);
	case AHCI_RESETTING:
		return release(p, cmd);
	case AHCI_LINKING:
		return link(p);
	case AHCI_WAKING:
		return wake(p);
	case AHCI_ASKING:
		return ask(p, cmd);
	}
	return ERR_IO;
}

enum status ahci_port_reset(struct ahci_port *p)
{
	uint64_t end = time_now_ns() + SLICE_NS;
	enum status s;

	do {
		s = step(p);
		if (s == OK && p->stage == AHCI_UP)
			return OK;
		if (s == ERR_AGAIN && time_now_ns() >= end)
			return time_now_ns() >= p->end_ns ? ERR_TIMEOUT : ERR_AGAIN;
	} while (s == OK || s == ERR_AGAIN);
	p->stage = AHCI_UNKNOWN;
	return s;
}

/* Clears `bit` of PxCMD, and waits until the port no longer does what it stands for, which `running` shows. */
static bool turn_off(struct ahci_port *p, uint64_t bit, uint64_t running, uint64_t ns)
{
	uint64_t end = time_now_ns() + ns;

	wr(p, AHCI_CMD, rd(p, AHCI_CMD) & (uint32_t) ~(bit | AHCI_CMD_ICC));
	while (rd(p, AHCI_CMD) & running) {
		if (time_now_ns() >= end)
			return false;
		cpu_pause();
	}
	return true;
}

bool ahci_port_silence(struct ahci_port *p)
{
	p->stage = AHCI_UNKNOWN;
	wr(p, AHCI_IE, 0);
	return turn_off(p, AHCI_CMD_ST, AHCI_CMD_CR, SLICE_NS) &&
	       turn_off(p, AHCI_CMD_FRE, AHCI_CMD_FR, SLICE_NS);
}

/* --- commands --- */

/*
 * "Error Recovery", of commands that are not queued: the one of slot CCS has met the error, those behind it have not begun. False: the
 * port does not stop, or the disk is not ready: only a reset helps. It is left alone then: the bits of CI are gone with ST, and say nothing.
 */
static bool restart(struct ahci_port *p)
{
	if (!turn_off(p, AHCI_CMD_ST, AHCI_CMD_CR, RESTART_NS) ||
	    rd(p, AHCI_TFD) & (AHCI_TFD_BSY | AHCI_TFD_DRQ)) {
		wr(p, AHCI_IE, 0);
		p->stage = AHCI_UNKNOWN;
		return false;
	}
	wr(p, AHCI_SERR, UINT32_MAX);
	wr(p, AHCI_PXIS, UINT32_MAX);
	wr(p, AHCI_CMD, rd(p, AHCI_CMD) | (uint32_t)AHCI_CMD_ST);
	for (uint32_t left = p->in_flight; left; left &= left - 1)
		p->list[__builtin_ctz(left)].transferred = 0;
	if (p->in_flight)
		issue(p, p->in_flight);
	return true;
}

static bool link_changed(const struct ahci_port *p)
{
	return __atomic_load_n(&p->link_changed, __ATOMIC_RELAXED);
}

/* An error between two commands, as of the wire, has stopped the port as one of a command does. */
static bool ready(struct ahci_port *p)
{
	if (p->in_flight || !(__atomic_load_n(&p->events, __ATOMIC_RELAXED) & AHCI_IS_ERRORS))
		return true;
	__atomic_store_n(&p->events, 0, __ATOMIC_RELAXED);
	return restart(p);
}

bool ahci_port_submit(struct ahci_port *p, struct block_request *r, enum status *s)
{
	uint32_t free = p->usable & ~p->in_flight;
	unsigned slot;

	if (!free || p->stage != AHCI_UP || link_changed(p) || !ready(p))
		return false;
	slot = (unsigned)__builtin_ctz(free);
	*s = OK;
	if (!ahci_command_build(&p->list[slot], &p->table[slot], table_pa(p, slot), &p->id, r)) {
		*s = ERR_INVAL;
		return true;
	}
	p->request[slot] = r;
	p->in_flight |= 1u << slot;
	issue(p, 1u << slot);
	return true;
}

bool ahci_port_interrupt(struct ahci_port *p)
{
	uint32_t is = rd(p, AHCI_PXIS);

	if (is & AHCI_IS_PRCS) {
		__atomic_store_n(&p->link_changed, true, __ATOMIC_RELAXED);
		wr(p, AHCI_SERR, AHCI_SERR_N);
	}
	wr(p, AHCI_PXIS, is);
	__atomic_fetch_or(&p->events, is, __ATOMIC_RELAXED);
	return is & AHCI_IS_PRCS;
}

bool ahci_port_is_well(const struct ahci_port *p)
{
	uint32_t ssts = rd(p, AHCI_SSTS);

	return p->stage == AHCI_UP && !link_changed(p) && ssts != AHCI_GONE &&
	       (ssts & AHCI_SSTS_DET) == AHCI_DET_READY;
}

/*
 * Which of what is in flight and not at its end has failed. Data that were damaged on the wire are sent again, a few times: the port
 * notices that itself (no TFES), or the disk does (ICRC of its error register).
 */
static uint32_t failures(struct ahci_port *p, uint32_t events, uint32_t cmd)
{
	bool wire = !(events & (AHCI_IS_TFES | AHCI_IS_HOST)) || (rd(p, AHCI_TFD) & AHCI_TFD_ICRC);

	if (!(events & AHCI_IS_ERRORS) || (wire && p->wire_errors++ < WIRE_ERRORS_MAX))
		return 0;
	p->wire_errors = 0;
	return 1u << AHCI_CMD_CCS(cmd);
}

/* Only what is in flight can end, whatever the controller's bits are. */
void ahci_port_poll(struct ahci_port *p, void (*done)(void *arg, struct block_request *r, enum status s),
		    void *arg)
{
	uint32_t events, cmd, ended, failed;

	if (p->stage != AHCI_UP)
		return;
	ahci_port_interrupt(p);
	cmd = rd(p, AHCI_CMD);
	ended = p->in_flight & ~rd(p, AHCI_CI);
	events = __atomic_exchange_n(&p->events, 0, __ATOMIC_RELAXED);
	if (cmd == AHCI_GONE)
		return;
	failed = p->in_flight & ~ended & failures(p, events, cmd);
	p->in_flight &= ~(ended | failed);
	for (uint32_t left = ended | failed; left; left &= left - 1) {
		unsigned slot = (unsigned)__builtin_ctz(left);
		struct block_request *r = p->request[slot];
		bool good = !(failed & 1u << slot) && ahci_command_whole(&p->list[slot], r);

		done(arg, r, good ? OK : ERR_IO);
	}
	/* Where that fails the port is not well, and is reset. */
	if (events & AHCI_IS_ERRORS)
		restart(p);
}

/* --- at boot --- */

/* By what firmware has found there, so that neither an empty port nor a CD is waited for. */
static bool may_be_disk(const struct ahci_port *p)
{
	switch (rd(p, AHCI_SIG)) {
	case AHCI_SIG_ATAPI:
	case AHCI_SIG_ENCLOSURE:
	case AHCI_SIG_MULTIPLIER:
		return false;
	default:
		return (rd(p, AHCI_SSTS) & AHCI_SSTS_DET) != AHCI_DET_NONE;
	}
}

enum status ahci_port_find(struct ahci_port *p)
{
	enum status s;

	if (!may_be_disk(p))
		return ERR_NOENT;
	if (!get_memory(p))
		return ERR_NOMEM;
	do
		s = ahci_port_reset(p);
	while (s == ERR_AGAIN);
	return s == OK && !p->id.lba48 ? ERR_UNSUPPORTED : s;
}
