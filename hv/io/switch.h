/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A switch between guests and, by an uplink, the outside. What a port sends is handed to the ports that it is for, within the
 * call, and copied there; who cannot take it loses it, and nobody waits. A guest sends from its own address alone; its port
 * is in one VLAN (0: that of frames without a tag), or is a trunk, which sees tags, as the uplink does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/io/mac_table.h"
#include "hv/io/net_packet.h"
#include "hv/lib/lock.h"
#include "hv/lib/status.h"

#define SWITCH_NAME_SIZE 40
#define SWITCH_PORTS     MAC_TABLE_PORTS
#define SWITCH_BATCH     32 /* packets sent in one call */

struct net_switch;
struct switch_port;

/* Why packets are lost. The first are the sender's, the last ones the receiver's. */
enum switch_drop {
	SWITCH_DROP_SPOOFED, /* the source is not the port's address */
	SWITCH_DROP_INVALID, /* too short, too long, nonsense in its offloads */
	SWITCH_DROP_VLAN,    /* not one of the port's VLANs */
	SWITCH_DROP_STORM,   /* beyond the limit */
	SWITCH_DROP_UNKNOWN, /* nobody has the destination */
	SWITCH_DROP_LINK,    /* the receiver is off, or its link down */
	SWITCH_DROP_NO_ROOM, /* it had no buffers */
	SWITCH_DROPS,
};

/* Since boot; atomic. */
struct switch_stats {
	uint64_t tx_packets, tx_bytes; /* sent by the port */
	uint64_t rx_packets, rx_bytes; /* handed to it */
	uint64_t drop[SWITCH_DROPS];
};

struct switch_port {
	/* Its owner's description, before switch_add. */
	char name[SWITCH_NAME_SIZE];
	uint8_t mac[ETH_ADDRESS]; /* the only one that it may send from; not of an uplink */
	bool uplink;
	bool trunk;
	uint16_t vlan; /* of its untagged frames */
	/*
	 * Copies n packets, at most SWITCH_BATCH, and counts those that it took and those that are lost. Any CPU, several at a time,
	 * with no lock held.
	 */
	void (*receive)(struct switch_port *port, const struct net_packet *p, unsigned n);

	struct net_switch *sw;
	uint16_t index;
	uint32_t storm_second, storm_count;
	struct switch_stats stats;
};

struct net_switch {
	char name[SWITCH_NAME_SIZE];
	uint32_t mtu;   /* of its ports, without the Ethernet header */
	uint32_t storm; /* broadcasts, multicasts and unknown unicasts a second of one port; 0: any number */

	struct spinlock lock; /* guards what follows, and what ports have of it */
	struct switch_port *port[SWITCH_PORTS];
	unsigned ports;
	struct mac_table table;
};

/* Connects a port, for good. ERR_NOMEM: the switch is full. */
enum status switch_add(struct net_switch *sw, struct switch_port *port);
/*
 * Sends n packets, at most SWITCH_BATCH, from this port to whom they are for; they have been handed over, or lost and counted,
 * on return. Their heads may change. No lock held that a port's receive takes.
 */
void switch_send(struct switch_port *from, struct net_packet *p, unsigned n);
/* Packets of so many bytes in all were received; one is lost. */
void switch_count_received(struct switch_port *port, uint32_t packets, uint64_t bytes);
void switch_count_drop(struct switch_port *port, enum switch_drop why);
