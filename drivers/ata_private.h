/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parallel ATA disks behind a bus-mastering IDE controller ("Programming Interface for Bus Master IDE Controller", revision 1.0;
 * ATA/ATAPI-6): what the driver's files know together. A channel has two drives, of which one has a command at a time. Ports are
 * reached by ata_in8 and its like alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "drivers/ata_identify.h"
#include "hv/io/block.h"
#include "hv/lib/lock.h"
#include "hv/lib/util.h"

#define ATA_DRIVES     2   /* on a channel */
#define ATA_RUNS       128 /* pieces of memory of a request */
#define ATA_SECTORS    2048
#define ATA_SECTORS_28 256

/* The command block, from its first port on; some are two registers. */
enum ata_register {
	ATA_DATA = 0,
	ATA_FEATURES = 1, /* read: the error */
	ATA_COUNT = 2,
	ATA_LBA_LOW = 3,
	ATA_LBA_MID = 4,
	ATA_LBA_HIGH = 5,
	ATA_DEVICE = 6,
	ATA_COMMAND = 7, /* read: the status, which ends the interrupt */
	ATA_PORTS = 8,
};

#define ATA_STATUS_ERR   (1u << 0)
#define ATA_STATUS_DRQ   (1u << 3)
#define ATA_STATUS_DF    (1u << 5)
#define ATA_STATUS_BSY   (1u << 7)
#define ATA_DEVICE_LBA   (1u << 6)
#define ATA_DEVICE_1     (1u << 4)
#define ATA_DEVICE_OLD   0xa0u /* bits that were once to be set */
/* The control port; read, it is the status without an effect. */
#define ATA_CONTROL_NIEN (1u << 1)
#define ATA_CONTROL_SRST (1u << 2)

enum ata_command {
	ATA_READ_DMA = 0xc8,
	ATA_READ_DMA_EXT = 0x25,
	ATA_WRITE_DMA = 0xca,
	ATA_WRITE_DMA_EXT = 0x35,
	ATA_WRITE_DMA_FUA_EXT = 0x3d,
	ATA_FLUSH_CACHE = 0xe7,
	ATA_FLUSH_CACHE_EXT = 0xea,
	ATA_IDENTIFY_DEVICE = 0xec,
	ATA_SET_FEATURES = 0xef,
};

#define ATA_FEATURE_MODE   0x03u /* of SET FEATURES: set the transfer mode, which COUNT names */
#define ATA_MULTIWORD_MODE 0x20u

/* Bus master, from a channel's first port on. */
enum ata_master {
	ATA_MASTER_COMMAND = 0,
	ATA_MASTER_STATUS = 2,
	ATA_MASTER_PRD = 4,
	ATA_MASTER_PORTS = 8,
};

#define ATA_MASTER_START   (1u << 0)
#define ATA_MASTER_TO_RAM  (1u << 3)
#define ATA_MASTER_ACTIVE  (1u << 0)
#define ATA_MASTER_ERROR   (1u << 1)
#define ATA_MASTER_IRQ     (1u << 2)
#define ATA_MASTER_CAPABLE 0x60u /* the firmware's notes of what the drives can */

/* A piece of memory, which crosses no 64K boundary. */
struct ata_prd {
	uint32_t address;
	uint32_t count; /* of bytes, 0: 64K; in the last of a table also ATA_PRD_LAST */
};
#define ATA_PRD_LAST  0x80000000u
#define ATA_PRD_TABLE (PAGE_SIZE / sizeof(struct ata_prd))

struct ata_channel;

struct ata_drive {
	struct block_device block;
	struct block_queue queue;
	struct ata_channel *channel;
	struct ata_identity id;
	uint8_t number; /* 0 or 1 */
	bool present;
	/* The channel's lock guards these. */
	struct block_request *request; /* in flight, or waits for the channel */
	struct ata_prd *prd;           /* its memory: ATA_PRD_TABLE of them, below 4 GiB */
	bool resetting;
};

/* The two steps of a software reset. */
enum ata_reset { ATA_RESET_NONE, ATA_RESET_ASSERTED, ATA_RESET_RELEASED };

struct ata_channel {
	uint16_t command, control, master; /* ports */
	bool interrupts;                   /* else the core polls */
	struct ata_drive drive[ATA_DRIVES];
	struct spinlock lock; /* guards what follows, and the ports; inside those of the drives' queues */
	struct ata_drive *current; /* whose request is in flight; NULL: the channel is free */
	enum ata_reset reset;
	uint64_t reset_ns; /* since when it is in that step */
};

/* --- ata_pci.c; a test has its own --- */

uint8_t ata_in8(uint16_t port);
uint16_t ata_in16(uint16_t port);
void ata_out8(uint16_t port, uint8_t value);
void ata_out32(uint16_t port, uint32_t value);

/* --- ata_channel.c: commands on the ports. The channel's lock is held --- */

/* Fills the table; false: it is too small, or an address is beyond 4 GiB. */
bool ata_prd_fill(struct ata_prd *prd, const struct block_request *r);
/* Gives d->request, whose memory is in d->prd, to the drive. False: the drive isn't ready. */
bool ata_issue(const struct ata_channel *c, const struct ata_drive *d);
/* ERR_AGAIN: r is not complete yet. */
enum status ata_look(const struct ata_channel *c, const struct block_request *r);
/* A software reset of both drives begins; the channel touches no memory any more. */
void ata_reset_begin(struct ata_channel *c);
/* ERR_AGAIN: d isn't ready yet, come back in some milliseconds. ERR_NOENT: it is gone. */
enum status ata_reset_go_on(struct ata_channel *c, const struct ata_drive *d);
/* At boot: looks for d, reads and checks what it says of itself, chooses a DMA mode where none is. Polls for at most two seconds. */
enum status ata_identify(const struct ata_channel *c, struct ata_drive *d);

/* --- ata.c: block devices --- */

/* c has its ports, and its drives have their tables: finds its drives; how many have become block devices to be registered. Boot CPU. */
unsigned ata_probe_channel(struct ata_channel *c);
/* The channel's interrupt. */
void ata_interrupt(void *channel);
