/* SPDX-License-Identifier: BSD-2-Clause */
/* Carries packets from a switch to a card, finished in software where there is work left, and frames from the card to the switch. */
#include "hv/io/uplink.h"

#include "hv/io/net_offload.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define HEADROOM 8

struct uplink {
	struct switch_port port;
	struct nic *nic;
	struct spinlock lock; /* guards frame */
	uint8_t frame[ETH_MTU_MAX + ETH_HEADER + ETH_TAG];

	/* Frames of the card that the switch is yet to get; of one CPU at a time. */
	struct net_packet packet[SWITCH_BATCH];
	struct frame_run rest[SWITCH_BATCH];
	uint8_t head[SWITCH_BATCH][HEADROOM + NET_HEAD];
	unsigned packets;
};

static void transmit(struct uplink *u, const struct net_packet *p)
{
	uint32_t room = u->nic->mtu + ETH_HEADER + ETH_TAG;

	if (p->len > room)
		switch_count_drop(&u->port, SWITCH_DROP_INVALID);
	else if (!u->nic->link)
		switch_count_drop(&u->port, SWITCH_DROP_LINK);
	else if (!u->nic->ops->transmit(u->nic, p))
		switch_count_drop(&u->port, SWITCH_DROP_NO_ROOM);
	else
		switch_count_received(&u->port, 1, p->len);
}

static void transmit_finished(struct uplink *u, const struct net_packet *p)
{
	struct net_split s;
	uint32_t len;

	spin_lock(&u->lock);
	net_split_begin(&s, p);
	while ((len = net_split_next(&s, u->frame))) {
		struct net_packet frame = {.head = u->frame, .head_len = len, .len = len};

		transmit(u, &frame);
	}
	spin_unlock(&u->lock);
}

static void receive(struct switch_port *port, const struct net_packet *p, unsigned n)
{
	struct uplink *u = container_of(port, struct uplink, port);

	for (unsigned i = 0; i < n; i++) {
		if (p[i].needs_csum || p[i].gso_type != NET_GSO_NONE)
			transmit_finished(u, &p[i]);
		else
			transmit(u, &p[i]);
	}
	u->nic->ops->flush(u->nic);
}

static void received_all(struct nic *nic)
{
	struct uplink *u = nic->owner;

	switch_send(&u->port, u->packet, u->packets);
	u->packets = 0;
}

/* The head is copied, because a tag may be taken off it or put in. */
static void received(struct nic *nic, const void *frame, uint32_t len)
{
	struct uplink *u = nic->owner;
	unsigned i = u->packets++;
	struct net_packet *p = &u->packet[i];

	*p = (struct net_packet){
	    .head = u->head[i] + HEADROOM, .head_len = MIN(len, (uint32_t)NET_HEAD), .len = len};
	memcpy(p->head, frame, p->head_len);
	if (len > p->head_len) {
		u->rest[i] =
		    (struct frame_run){host_pa((const uint8_t *)frame + p->head_len), len - p->head_len};
		p->run = &u->rest[i];
		p->runs = 1;
	}
	if (u->packets == SWITCH_BATCH)
		received_all(nic);
}

enum status uplink_connect(struct net_switch *sw, struct nic *nic)
{
	struct uplink *u = page_alloc_bytes(sizeof(*u));

	if (!u)
		return ERR_NOMEM;
	u->nic = nic;
	str_copy(u->port.name, sizeof(u->port.name), nic->name);
	u->port.uplink = u->port.trunk = true;
	u->port.receive = receive;
	if (switch_add(sw, &u->port) != OK) {
		page_free_bytes(u, sizeof(*u));
		return ERR_NOMEM;
	}
	if (nic->mtu < sw->mtu)
		log_warn("net %s: mtu = %u, but %s takes %u only", sw->name, sw->mtu, nic->name, nic->mtu);
	nic->owner = u;
	nic->received = received;
	nic->received_all = received_all;
	nic->ops->start(nic);
	return OK;
}

const struct nic *uplink_nic(const struct switch_port *port)
{
	return port->uplink ? container_of(port, struct uplink, port)->nic : NULL;
}
