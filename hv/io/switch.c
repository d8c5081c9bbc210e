/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each packet of a batch is first judged, under the switch's lock: may its port send it, and where does it go? Then, without the
 * lock, neighbours in the batch that have the same way are handed over together.
 */
#include "hv/io/switch.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/timer.h"

#define NS_PER_S 1000000000ULL
#define VLAN_ANY                                                                                             \
	0xfff /* of the fixed addresses: they are the port's in all its VLANs. Not a VLAN, by 802.1Q */
#define VLAN_MASK 0xfff
#define GROUP_BIT 1 /* of an address's first byte: multicast and broadcast */
#define DEST      0
#define SOURCE    ETH_ADDRESS

/* Where a packet goes. */
struct way {
	struct switch_port *to; /* NULL, and not flood: nowhere */
	bool flood;
	bool tagged; /* has its tag in the head */
	uint16_t vlan;
	uint16_t count; /* of packets, one behind the other */
};

enum status switch_add(struct net_switch *sw, struct switch_port *port)
{
	enum status s = ERR_NOMEM;

	spin_lock(&sw->lock);
	if (sw->ports < SWITCH_PORTS &&
	    (port->uplink || mac_table_fix(&sw->table, mac_key(port->mac, VLAN_ANY), sw->ports))) {
		port->sw = sw;
		port->index = sw->ports;
		sw->port[sw->ports++] = port;
		s = OK;
	}
	spin_unlock(&sw->lock);
	return s;
}

void switch_count_received(struct switch_port *port, uint32_t packets, uint64_t bytes)
{
	__atomic_fetch_add(&port->stats.rx_packets, packets, __ATOMIC_RELAXED);
	__atomic_fetch_add(&port->stats.rx_bytes, bytes, __ATOMIC_RELAXED);
}

void switch_count_drop(struct switch_port *port, enum switch_drop why)
{
	__atomic_fetch_add(&port->stats.drop[why], 1, __ATOMIC_RELAXED);
}

/* --- judgement: the switch's lock is held --- */

static bool has_vlan(const struct switch_port *port, uint16_t vlan)
{
	return port->trunk || port->vlan == vlan;
}

/* Reads the tag. False: this port doesn't send such. */
static bool find_vlan(const struct switch_port *from, const struct net_packet *p, struct way *w)
{
	uint16_t vlan;

	w->tagged = net_load16(p->head + ETH_TYPE) == ETH_TYPE_VLAN;
	w->vlan = from->vlan;
	if (!w->tagged)
		return true;
	if (!from->trunk || p->head_len < ETH_HEADER + ETH_TAG)
		return false;
	vlan = net_load16(p->head + ETH_HEADER) & VLAN_MASK;
	/* "Priority-tagged": a tag that names no VLAN. */
	if (vlan)
		w->vlan = vlan;
	return w->vlan != VLAN_ANY;
}

/* The largest frame that p becomes on a wire fits. */
static bool has_size(const struct net_switch *sw, const struct net_packet *p, const struct way *w)
{
	uint32_t len = p->gso_type == NET_GSO_NONE ? p->len : (uint32_t)p->hdr_len + p->gso_size;

	return len <= sw->mtu + ETH_HEADER + (w->tagged ? ETH_TAG : 0);
}

/* Is its source one that this port may have? Learns what is behind an uplink. */
static bool source_allowed(struct switch_port *from, const struct net_packet *p, const struct way *w,
			   uint32_t now_s)
{
	struct mac_table *t = &from->sw->table;
	const uint8_t *source = p->head + SOURCE;

	if (!from->uplink)
		return net_same_address(source, from->mac);
	if ((source[0] & GROUP_BIT) || mac_table_find(t, mac_key(source, VLAN_ANY), now_s) != MAC_NO_PORT)
		return false;
	/* Where it finds no room, frames for it go to the uplinks all the same. */
	(void)mac_table_learn(t, mac_key(source, w->vlan), from->index, now_s);
	return true;
}

static bool within_storm_limit(struct switch_port *from, uint32_t now_s)
{
	if (from->storm_second != now_s) {
		from->storm_second = now_s;
		from->storm_count = 0;
	}
	return !from->sw->storm || from->storm_count++ < from->sw->storm;
}

static struct switch_port *find_port(const struct net_switch *sw, const uint8_t *dest, const struct way *w,
				     uint32_t now_s)
{
	uint16_t i = mac_table_find(&sw->table, mac_key(dest, VLAN_ANY), now_s);

	if (i == MAC_NO_PORT)
		i = mac_table_find(&sw->table, mac_key(dest, w->vlan), now_s);
	return i == MAC_NO_PORT ? NULL : sw->port[i];
}

/* SWITCH_DROPS: p goes its way. Which is to be found is in w. */
static enum switch_drop judge(struct switch_port *from, const struct net_packet *p, struct way *w,
			      uint32_t now_s)
{
	if (p->head_len < ETH_HEADER)
		return SWITCH_DROP_INVALID;
	if (!find_vlan(from, p, w))
		return SWITCH_DROP_VLAN;
	if (!has_size(from->sw, p, w))
		return SWITCH_DROP_INVALID;
	if (!source_allowed(from, p, w, now_s))
		return SWITCH_DROP_SPOOFED;
	if (!(p->head[DEST] & GROUP_BIT))
		w->to = find_port(from->sw, p->head + DEST, w, now_s);
	w->flood = !w->to;
	if (w->flood)
		return within_storm_limit(from, now_s) ? SWITCH_DROPS : SWITCH_DROP_STORM;
	if (w->to == from)
		return SWITCH_DROP_UNKNOWN; /* it has the address itself, or both are outside */
	return has_vlan(w->to, w->vlan) ? SWITCH_DROPS : SWITCH_DROP_VLAN;
}

/* Untagged, and of the same addresses and type as `before`, which was untagged too: it has the same way. */
static bool follows(const struct net_packet *before, const struct net_packet *p)
{
	return p->head_len >= ETH_HEADER && !__builtin_memcmp(before->head, p->head, ETH_HEADER);
}

static bool same_way(const struct way *a, const struct way *b)
{
	return a->to && a->to == b->to && a->tagged == b->tagged && a->vlan == b->vlan;
}

/* Fills w with the ways of all n packets; returns how many. */
static unsigned judge_all(struct switch_port *from, const struct net_packet *p, struct way *w, unsigned n)
{
	const struct net_packet *end = p + n;
	uint32_t now_s = (uint32_t)(time_now_ns() / NS_PER_S);
	uint64_t bytes = 0, lost = 0;
	struct way *last = NULL;

	spin_lock(&from->sw->lock);
	for (; p != end; p++) {
		struct way next = {.count = 1};
		enum switch_drop why;

		if (last && last->to && !last->tagged && follows(p - 1, p) && has_size(from->sw, p, last)) {
			last->count++;
			bytes += p->len;
			continue;
		}
		why = judge(from, p, &next, now_s);
		if (why == SWITCH_DROPS) {
			bytes += p->len;
		} else {
			next = (struct way){.count = 1};
			lost++;
			switch_count_drop(from, why);
		}
		if (last && same_way(last, &next)) {
			last->count++;
		} else {
			last = last ? last + 1 : w;
			*last = next;
		}
	}
	from->stats.tx_packets += n - lost;
	from->stats.tx_bytes += bytes;
	spin_unlock(&from->sw->lock);
	return last ? (unsigned)(last - w) + 1 : 0;
}

/* --- handing over --- */

/* To `to`, with the tag that it sees, or without. */
static void hand_over(struct switch_port *to, struct net_packet *p, struct way *w)
{
	bool tag = to->trunk && w->vlan != to->vlan;

	for (unsigned i = 0; tag != w->tagged && i < w->count; i++) {
		if (tag)
			net_tag_insert(&p[i], w->vlan);
		else
			net_tag_remove(&p[i]);
	}
	w->tagged = tag;
	to->receive(to, p, w->count);
}

/* To all others in its VLAN. What has one receiver that nobody knows is outside: all guests' addresses are known. */
static void flood(struct switch_port *from, struct net_packet *p, struct way *w)
{
	struct net_switch *sw = from->sw;
	bool group = p->head[DEST] & GROUP_BIT;
	/* Ports are only ever added. */
	unsigned ports = __atomic_load_n(&sw->ports, __ATOMIC_ACQUIRE), count = 0;

	for (unsigned i = 0; i < ports; i++) {
		struct switch_port *to = sw->port[i];

		if (to == from || !has_vlan(to, w->vlan) || (!group && !to->uplink))
			continue;
		hand_over(to, p, w);
		count++;
	}
	if (!count)
		switch_count_drop(from, SWITCH_DROP_UNKNOWN);
}

void switch_send(struct switch_port *from, struct net_packet *p, unsigned n)
{
	struct way way[SWITCH_BATCH];
	unsigned ways = judge_all(from, p, way, n);

	for (struct way *w = way; w != way + ways; p += w->count, w++) {
		if (w->flood)
			flood(from, p, w);
		else if (w->to)
			hand_over(w->to, p, w);
	}
}
