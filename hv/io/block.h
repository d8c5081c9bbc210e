/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block devices: what drivers and disks in memory offer, and how requests get to them. A device has one queue or several;
 * the core keeps what each has in flight and what waits for room, watches the time, resets a device that does not answer
 * and sends again what it had. It knows nothing of guests, partitions and rights: hv/io/disk.h stands above it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/frame.h"
#include "hv/lib/list.h"
#include "hv/lib/lock.h"
#include "hv/lib/status.h"
#include "hv/timer.h"

#define BLOCK_SECTOR    512u
#define BLOCK_NAME_SIZE 32
#define BLOCK_ID_SIZE   41 /* a model or a serial number: ASCII, without blanks at its ends */

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH, BLOCK_DISCARD, BLOCK_WRITE_ZEROES, BLOCK_OPS };

struct block_device;

struct block_request {
	/* The submitter's; nobody changes them before it is done. */
	enum block_op op;
	bool fua;         /* BLOCK_WRITE, BLOCK_WRITE_ZEROES: on the medium before it is done */
	bool may_unmap;   /* BLOCK_WRITE_ZEROES: the sectors need not keep room on the medium */
	uint64_t sector;  /* of BLOCK_SECTOR bytes, on the device */
	uint32_t sectors; /* not of BLOCK_FLUSH; within struct block_limits */
	const struct frame_run
	    *run; /* of BLOCK_READ and BLOCK_WRITE: together sectors * BLOCK_SECTOR bytes */
	uint32_t runs;
	/* Called once, on any CPU, with no lock of the device held; perhaps before block_submit returns. */
	void (*done)(struct block_request *r);
	enum status
	    status; /* then: OK, ERR_IO, ERR_TIMEOUT, ERR_UNSUPPORTED, ERR_NOENT (the device is gone) */

	/* The core's, while it is under way; tag is the driver's. */
	struct list link;
	uint64_t due_ns;
	uint16_t queue;
	uint8_t resets; /* that there were because it was late, or the device had failed with it in flight */
	bool flushing;  /* it has fua, is done, and its op is BLOCK_FLUSH for now */
	enum block_op was; /* flushing: what its op was */
	uint32_t tag;
};

/*
 * What one request may be. Who submits splits larger ones and copies what is not aligned: hv/io/disk.h. A device with ops->perform
 * has the last line alone.
 */
struct block_limits {
	uint32_t sectors;   /* of reads and writes */
	uint32_t runs;      /* pieces of memory */
	uint32_t run_align; /* each piece begins and ends at a multiple of so many bytes; a power of two */
	uint32_t
	    run_joint;   /* all joints of pieces are multiples of so many bytes (NVMe: a page); 0: anywhere */
	uint64_t pa_max; /* the highest address that the device reaches */
	uint32_t discard_sectors, zeroes_sectors; /* of these requests; 0: the device has none such */
};

struct block_ops {
	/*
	 * Hands r to the device. False: the queue has no room, and it is asked again after the next completion. Each of these is
	 * called with the queue's lock held, which so guards the driver's state of that queue too.
	 */
	bool (*submit)(struct block_device *b, unsigned queue, struct block_request *r);
	/* Looks what the device has completed, and says so by block_complete. */
	void (*poll)(struct block_device *b, unsigned queue);
	/*
	 * With the locks of all queues: stops the device, so that it touches no memory any more, and has it take requests again,
	 * all that it had forgotten. May busy-wait for a moment (some milliseconds); ERR_AGAIN: it isn't ready yet, call again.
	 * Another error: the device is gone and its bus mastering off; its requests fail.
	 */
	enum status (*reset)(struct block_device *b);
	/*
	 * Of a device that never waits and has no cache, as memory, in place of these three: does r, of whatever size and memory, and
	 * returns how it ended. With the lock of its queue.
	 */
	enum status (*perform)(struct block_device *b, const struct block_request *r);
	/*
	 * Optional; asked a few times a second while something is in flight, with the locks of all queues. False: the device says
	 * that it does not work any more, or nothing answers in its place: it is to be reset, and that says whether it is gone.
	 */
	bool (*is_well)(struct block_device *b);
};

struct block_queue {
	struct spinlock lock;
	struct list in_flight; /* by the time of submission */
	struct list waiting;   /* for room */
	struct list completed; /* block_complete was called, done not yet */
};

/* Since boot; atomic. */
struct block_stats {
	uint64_t requests[BLOCK_OPS], bytes[BLOCK_OPS];
	uint64_t errors, timeouts, resets;
};

struct block_device {
	/* The driver's description, before block_register. */
	char name
	    [BLOCK_NAME_SIZE]; /* nvme0, sata0, ata0, virtio0; `n` of nvme0n1 is another device: nvme0n2 */
	char model[BLOCK_ID_SIZE], serial[BLOCK_ID_SIZE];
	uint16_t bdf; /* of a PCI device */
	const struct block_ops *ops;
	uint64_t sectors;
	uint32_t logical_size, physical_size; /* bytes: requests are whole logical blocks */
	struct block_limits limits;
	bool write_cache; /* it needs BLOCK_FLUSH. Without, what is done is on the medium */
	bool fua;         /* else the core sends a flush behind the write */
	bool readonly;
	uint64_t timeout_ns;
	uint64_t poll_ns; /* 0: it interrupts. Else the core polls so often, while something is in flight */
	struct block_queue *queue;
	uint16_t queues;

	/* The core's. */
	struct list link;
	struct timer watch;
	bool watched;     /* atomic: the timer is armed or its function runs */
	uint64_t look_ns; /* when it is to be asked again whether it is well; atomic */
	bool resetting;   /* these change with the locks of all queues: nothing is submitted */
	bool failed;      /* resetting: because it was not well; else it was late */
	bool gone;
	uint64_t reset_end_ns; /* resetting: when it has lasted too long */
	uint64_t quiet_ns;     /* until then no line about errors; atomic */
	struct block_stats stats;
};

/* For a device that is described: requests may be submitted. */
void block_init(struct block_device *b);
/* block_init, and adds it to the machine's disks; what is described stays. Boot CPU, before guests start. */
void block_register(struct block_device *b);
/* The devices in order of registration: `for (b = block_next(NULL); b; b = block_next(b))`. */
struct block_device *block_next(const struct block_device *b);
/* NULL: there is none of this name. */
struct block_device *block_find(const char *name);

/* Any CPU, no lock held that r->done takes. Of a device without ops->perform. */
void block_submit(struct block_device *b, struct block_request *r);
/* Of a device with ops->perform, in place of block_submit: does r, and returns how it ended. Neither done nor status are touched. */
enum status block_perform(struct block_device *b, const struct block_request *r);
/* Submits r and polls until it is done: at boot only, before CPUs run guests. */
enum status block_submit_wait(struct block_device *b, struct block_request *r);
/* From interrupt handlers and timers: has the driver poll this queue, ends what is complete and sends what waits. */
void block_poll(struct block_device *b, unsigned queue);

/* From an interrupt that tells that the device may be gone: it is asked whether it is well, though nothing may be in flight. */
void block_suspect(struct block_device *b);

/* For drivers, in submit, poll and reset: r, which was submitted and has not completed since, is complete. */
void block_complete(struct block_device *b, struct block_request *r, enum status status);
