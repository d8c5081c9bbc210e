/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One port of an AHCI controller and the disk behind it: commands in its slots, errors, and resets in steps that never hold a CPU.
 * Commands go one after the other, in the order of their slots' turns; native command queuing is not used. Not locked: the
 * lock of the block device's one queue guards a port.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "drivers/ahci_command.h"
#include "drivers/ata_identify.h"
#include "hv/lib/status.h"

enum ahci_stage {
	AHCI_UNKNOWN, /* as firmware left it, or as it failed */
	AHCI_STOPPING,
	AHCI_RESETTING, /* the wire's reset is being signalled; the port must let go of its memory */
	AHCI_LINKING,   /* the disk must appear */
	AHCI_WAKING,    /* and become ready */
	AHCI_ASKING,    /* and say what it is */
	AHCI_UP,
};

struct ahci_port {
	/* The controller's, filled in by who calls ahci_port_find. */
	volatile uint8_t *regs; /* AHCI_PORT(n) */
	unsigned slot_count;    /* at most 32 */
	uint64_t pa_max;        /* the highest address that it reaches */

	enum ahci_stage stage;
	uint64_t due_ns, end_ns;  /* when the stage, and when all of the reset must have ended */
	struct ahci_header *list; /* a header for each slot; what the port receives lies behind them */
	struct ahci_table *table; /* of each slot */
	uint32_t usable;          /* bits: the slots; one alone where the port does not tell which it is at */
	uint32_t in_flight;       /* bits: of slots */
	struct block_request *request[AHCI_PORTS];
	uint32_t events;   /* atomic: what the interrupt's handler has cleared in PxIS, until poll looks */
	bool link_changed; /* atomic: since the last reset, so that the disk may be another */
	unsigned wire_errors;
	struct ata_identity id; /* no sectors: not known yet */
	bool trim;
};

/* A test has its own. */
uint32_t ahci_read(const volatile uint8_t *regs, uint32_t offset);
void ahci_write(volatile uint8_t *regs, uint32_t offset, uint32_t value);

/*
 * At boot: resets the disk and reads and checks what it says of itself. ERR_NOENT: there is none, and where that showed at once, nothing
 * was done to the port; ERR_UNSUPPORTED: no disk of ours; ERR_NOMEM: also where there is memory, but not where the controller reaches it.
 */
enum status ahci_port_find(struct ahci_port *p);
/* The port is silent, or the controller can't reach memory. */
void ahci_port_free(struct ahci_port *p);

/* False: no room. ERR_INVAL in *s: r can't be, and is not in flight; else OK. */
bool ahci_port_submit(struct ahci_port *p, struct block_request *r, enum status *s);
/* done(arg, r, status) for each that is complete. */
void ahci_port_poll(struct ahci_port *p, void (*done)(void *arg, struct block_request *r, enum status s),
		    void *arg);
/* From the interrupt's handler, without a lock: takes note of the port's events. True: its link has come or gone. */
bool ahci_port_interrupt(struct ahci_port *p);
/* Is the port running, with the disk at its end that was there at its reset? */
bool ahci_port_is_well(const struct ahci_port *p);

/*
 * Resets the disk, and forgets what is in flight: as the reset of struct block_ops. ERR_CHANGED: another one is there now. On an error
 * the port is yet to be silenced.
 */
enum status ahci_port_reset(struct ahci_port *p);
/* Has the port use no memory any more, and not interrupt. False: it does not stop. */
bool ahci_port_silence(struct ahci_port *p);
