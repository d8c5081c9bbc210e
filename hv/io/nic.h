/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network cards of the host, below the switch: what a driver offers, and what it calls. Frames are Ethernet without FCS.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/io/net_packet.h"
#include "hv/lib/list.h"
#include "hv/lib/status.h"

#define NIC_NAME_SIZE 16

struct nic;

struct nic_ops {
	/*
	 * Copies the frame (net_packet_copy) into the driver's own buffers and has it sent: one of at most mtu + ETH_HEADER + ETH_TAG
	 * bytes, with no checksum or segmentation left to do. False: no room; the frame is dropped. Any CPU; the driver locks. The
	 * last of a batch is followed by flush.
	 */
	bool (*transmit)(struct nic *n, const struct net_packet *p);
	void (*flush)(struct nic *n); /* rings the doorbell */
	/* The switch has set `received` and the rest: the card is to receive from now on. Once; until then it is quiet. */
	void (*start)(struct nic *n);
};

/* Since boot. */
struct nic_stats {
	uint64_t rx_packets, rx_bytes, rx_dropped, rx_errors;
	uint64_t tx_packets, tx_bytes, tx_dropped, tx_errors;
};

struct nic {
	/* The driver's description, before nic_register. */
	char name[NIC_NAME_SIZE]; /* e1000-0, e1000e-0, virtio-net-0 */
	uint16_t bdf;
	uint8_t mac[ETH_ADDRESS];
	uint32_t mtu; /* the largest that it takes */
	const struct nic_ops *ops;

	bool link; /* is up; changed by nic_link_changed */
	struct nic_stats stats;
	/*
	 * The switch's: set before `start`. Never called for one card on two CPUs at once. A frame stays as it is until the batch's
	 * end, received_all, has returned: only then is its buffer the card's again.
	 */
	void (*received)(struct nic *n, const void *frame, uint32_t len);
	void (*received_all)(struct nic *n);
	void *owner;
	struct list link_in_list;
};

/* Adds a card; boot CPU, before guests start. */
void nic_register(struct nic *n);
struct nic *nic_next(const struct nic *n); /* as block_next */
/* From a driver: the link came up or went down. */
void nic_link_changed(struct nic *n, bool up);
