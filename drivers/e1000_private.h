/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intel's gigabit cards 82540EM ("PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual") and 82574L
 * ("82574 GbE Controller Family Datasheet"), which share these registers and descriptors: what the driver's files know
 * together. Registers are reached by e1000_read and e1000_write alone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/io/nic.h"
#include "hv/lib/lock.h"
#include "hv/lib/util.h"
#include "hv/timer.h"

/* Registers, by offset. */
enum e1000_reg {
	E1000_CTRL = 0x0000,
	E1000_STATUS = 0x0008,
	E1000_EERD = 0x0014,
	E1000_FCAL = 0x0028,
	E1000_FCAH = 0x002c,
	E1000_FCT = 0x0030,
	E1000_ICR = 0x00c0,
	E1000_ITR = 0x00c4,
	E1000_IMS = 0x00d0,
	E1000_IMC = 0x00d8,
	E1000_IVAR = 0x00e4, /* 82574 */
	E1000_EITR = 0x00e8, /* 82574: of the first vector */
	E1000_RCTL = 0x0100,
	E1000_FCTTV = 0x0170,
	E1000_TCTL = 0x0400,
	E1000_TIPG = 0x0410,
	E1000_RDBAL = 0x2800,
	E1000_RDBAH = 0x2804,
	E1000_RDLEN = 0x2808,
	E1000_RDH = 0x2810,
	E1000_RDT = 0x2818,
	E1000_RDTR = 0x2820,
	E1000_TDBAL = 0x3800,
	E1000_TDBAH = 0x3804,
	E1000_TDLEN = 0x3808,
	E1000_TDH = 0x3810,
	E1000_TDT = 0x3818,
	E1000_TXDCTL = 0x3828,
	E1000_CRCERRS = 0x4000, /* counters, cleared by reading */
	E1000_RXERRC = 0x400c,
	E1000_MPC = 0x4010,
	E1000_ECOL = 0x4018,
	E1000_LATECOL = 0x4020,
	E1000_RLEC = 0x4040,
	E1000_MTA = 0x5200,
	E1000_RAL = 0x5400,
	E1000_RAH = 0x5404,
};

#define E1000_REGS_SIZE     0x20000u
#define E1000_MTA_COUNT     128
#define E1000_RA_COUNT      15 /* receive addresses: 16 and 15 of them */

#define CTRL_FD             BIT(0)
#define CTRL_MASTER_DISABLE BIT(2) /* 82574 */
#define CTRL_LRST           BIT(3)
#define CTRL_ASDE           BIT(5)
#define CTRL_SLU            BIT(6)
#define CTRL_ILOS           BIT(7)
#define CTRL_FRCSPD         BIT(11)
#define CTRL_FRCDPLX        BIT(12)
#define CTRL_RST            BIT(26)
#define CTRL_RFCE           BIT(27)
#define CTRL_TFCE           BIT(28)
#define CTRL_VME            BIT(30)
#define CTRL_PHY_RST        BIT(31)

#define STATUS_LU           BIT(1)
#define STATUS_MASTER       BIT(19) /* 82574: requests on the bus are under way */

#define EERD_START          BIT(0)
#define EERD_DATA_SHIFT     16

/* Interrupt causes, of ICR, IMS and IMC. */
#define INT_LSC             BIT(2)
#define INT_RXDMT0          BIT(4)
#define INT_RXO             BIT(6)
#define INT_RXT0            BIT(7)
#define INT_ALL             0xffffffffu
#define INT_USED            (INT_LSC | INT_RXDMT0 | INT_RXO | INT_RXT0)
#define INT_RXQ0            BIT(20) /* 82574 with MSI-X: the receive queue, and all else together */
#define INT_OTHER           BIT(24)
#define INT_USED_MSIX       (INT_RXQ0 | INT_OTHER | INT_LSC)
/* 82574, "Interrupt Vector Allocation Register": five causes, four bits each: valid, the first vector. */
#define IVAR_ALL_FIRST      0x88888u

#define RCTL_EN             BIT(1)
#define RCTL_UPE            BIT(3)
#define RCTL_MPE            BIT(4)
#define RCTL_LPE            BIT(5)
#define RCTL_BAM            BIT(15)
#define RCTL_SECRC          BIT(26)

#define TCTL_EN             BIT(1)
#define TCTL_PSP            BIT(3)
#define TCTL_CT             BITS(11, 4)
#define TCTL_COLD           BITS(21, 12)
#define TCTL_FULL_DUPLEX    (0x0fu << 4 | 0x40u << 12) /* collision threshold and distance as the manual says */
#define TIPG_COPPER         (8u | 8u << 10 | 6u << 20)
/* 82574, "Transmit Descriptor Control": threshold in descriptors, written back one by one, and a bit that must be set. */
#define TXDCTL_82574        (BIT(24) | 1u << 16 | BIT(22))

#define RAH_AV              BIT(31)

/* Descriptors, of the legacy format. */
struct e1000_rx_desc {
	uint64_t address;
	uint16_t length, checksum;
	uint8_t status, errors;
	uint16_t special;
};
static_assert(sizeof(struct e1000_rx_desc) == 16, "the hardware's");

#define RX_DD     (1u << 0)
#define RX_EOP    (1u << 1)
/* CRC, symbol, sequence and carrier errors, and errors of the data; checksums are nobody's concern here. */
#define RX_ERRORS 0x97u

struct e1000_tx_desc {
	uint64_t address;
	uint16_t length;
	uint8_t cso, command, status, css;
	uint16_t special;
};
static_assert(sizeof(struct e1000_tx_desc) == 16, "the hardware's");

#define TX_EOP         (1u << 0)
#define TX_IFCS        (1u << 1)
#define TX_RS          (1u << 3)
#define TX_DD          (1u << 0)
#define TX_ERRORS      0x06u /* excess and late collisions */

#define E1000_RING     256  /* descriptors; their bytes are a multiple of 128 */
#define E1000_BUFFER   2048 /* bytes for each; RCTL's size 0 */
#define E1000_MTU      ETH_MTU_MAX
#define E1000_FRAME    (E1000_MTU + ETH_HEADER + ETH_TAG)
#define E1000_RX_BATCH 64 /* frames that are received at a time */

/* What the two cards do differently. */
struct e1000_model {
	const char *name;
	uint8_t eerd_done;    /* bit */
	uint8_t eerd_address; /* shift */
	bool master_disable;  /* a reset waits for the bus to be quiet */
	uint32_t txdctl;      /* 0: as it is */
};

struct e1000 {
	struct nic nic;
	const struct e1000_model *model;
	volatile void *regs;
	uint32_t cpu; /* receives, keeps time and takes the interrupts */

	/* Of that CPU alone. */
	struct timer timer;
	bool interrupts; /* messages come, by MSI-X or MSI; else the timer polls */
	bool msix;
	bool gone;
	bool receiving; /* the receive ring is the card's */
	uint32_t resets;
	uint64_t reset_until_ns;  /* not 0: a reset is under way, and fails then */
	uint64_t poll_ns;         /* so long until the next poll; 0: an interrupt tells */
	uint64_t housekeeping_ns; /* when it is due */
	struct e1000_rx_desc *rx; /* RDT is rx_next - 1: all others are the card's */
	uint8_t *rx_buffer;
	uint32_t rx_next;
	uint8_t *jumbo; /* pieces of a frame that is larger than a buffer */
	uint32_t jumbo_len;
	bool rx_skip;        /* the rest of a bad frame */
	uint32_t tx_seen;    /* tx_clean as it was last looked at */
	uint64_t tx_seen_ns; /* and since when */

	struct spinlock tx_lock; /* guards what follows, and the tx counters of nic.stats */
	bool sending;            /* the transmit ring is the card's */
	struct e1000_tx_desc *tx;
	uint8_t *tx_buffer;
	uint32_t tx_next, tx_told, tx_clean; /* free, known to the card up to here, first in flight */
};

/* --- e1000_pci.c; a test has its own --- */

uint32_t e1000_read(const struct e1000 *e, uint32_t reg);
void e1000_write(const struct e1000 *e, uint32_t reg, uint32_t value);

/* --- e1000_mac.c: the card without its rings --- */

/* Has the card forget everything, which takes a few milliseconds. It touches no memory then. */
void e1000_reset_begin(struct e1000 *e);
/* ERR_AGAIN: not yet; ERR_TIMEOUT: not by now, when time is over, or nothing answers there. */
enum status e1000_reset_end(const struct e1000 *e, bool time_is_over);
/* The address that the card was made with. ERR_IO: it has none that a card may have. */
enum status e1000_read_mac(const struct e1000 *e, uint8_t mac[ETH_ADDRESS]);
/* After a reset: addresses, link, all but the rings. */
void e1000_mac_init(const struct e1000 *e);
/* False: the card is gone. */
bool e1000_link(const struct e1000 *e, bool *up);
/* Adds the card's error counters. */
void e1000_count_errors(struct e1000 *e);

/* --- e1000_rings.c --- */

/* ERR_NOMEM: then too all that there is must be freed. */
enum status e1000_rings_alloc(struct e1000 *e);
void e1000_rings_free(struct e1000 *e);
/* After a reset: gives the card both rings, empty, and has it receive and send. */
void e1000_rings_start(struct e1000 *e);
/* The card is about to be reset, or gone: what it had is forgotten. */
void e1000_rings_stop(struct e1000 *e);
/* Hands on at most E1000_RX_BATCH frames; how many descriptors that took. */
unsigned e1000_receive(struct e1000 *e);
bool e1000_transmit(struct nic *n, const struct net_packet *p);
void e1000_flush(struct nic *n);
/* Frames have been on their way for more than max_ns with none leaving. */
bool e1000_tx_stuck(struct e1000 *e, uint64_t now_ns, uint64_t max_ns);

/* --- e1000.c: its life --- */

extern const struct nic_ops e1000_ops;
/* e has its registers and model: resets it, reads its address and link. Boot CPU; polls for at most 30 ms. On errors too rings are to be freed. */
enum status e1000_init(struct e1000 *e);
/* The card's interrupt. */
void e1000_interrupt(void *e);
