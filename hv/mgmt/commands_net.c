/* SPDX-License-Identifier: BSD-2-Clause */
/* `net`: the switches with their ports, the addresses behind uplinks, the machine's cards; and cables in and out. */
#include "hv/io/nic.h"
#include "hv/io/switch.h"
#include "hv/io/uplink.h"
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/mgmt/commands.h"
#include "hv/mgmt/console.h"
#include "hv/net.h"
#include "hv/timer.h"
#include "hv/vdev/virtio_net.h"
#include "hv/vm.h"

#define NS_PER_S         1000000000ULL
#define ADDRESS_SIZE     18
#define LOST_SIZE        160
#define PORTS_PER_STEP   16
#define BUCKETS_PER_STEP 64

static const char *const drop_names[SWITCH_DROPS] = {
    [SWITCH_DROP_SPOOFED] = "spoofed",    [SWITCH_DROP_INVALID] = "invalid",
    [SWITCH_DROP_VLAN] = "other VLAN",    [SWITCH_DROP_STORM] = "storm",
    [SWITCH_DROP_UNKNOWN] = "for nobody", [SWITCH_DROP_LINK] = "link down",
    [SWITCH_DROP_NO_ROOM] = "no room",
};

/* How far the listing has come: in which switch, at which of its ports, then of its buckets. */
static struct {
	uint32_t net;
	unsigned port, bucket;
} at;

static const char *address(char *text, uint64_t key)
{
	fmt_snprintf(text, ADDRESS_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", (unsigned)(key >> 40 & 0xff),
		     (unsigned)(key >> 32 & 0xff), (unsigned)(key >> 24 & 0xff), (unsigned)(key >> 16 & 0xff),
		     (unsigned)(key >> 8 & 0xff), (unsigned)(key & 0xff));
	return text;
}

/* Why packets were lost at a port: `3 storm, 1 no room`. */
static const char *lost(char *text, const struct switch_port *port)
{
	size_t n = 0;

	text[0] = 0;
	for (unsigned i = 0; i < SWITCH_DROPS && n < LOST_SIZE; i++)
		if (port->stats.drop[i])
			n += fmt_snprintf(text + n, LOST_SIZE - n, "%s%lu %s", n ? ", " : "",
					  port->stats.drop[i], drop_names[i]);
	return text;
}

static bool link_is_up(const struct switch_port *port)
{
	if (port->uplink)
		return uplink_nic(port)->link;
	return container_of(port, const struct virtio_net, port)->config.status & VIRTIO_NET_S_LINK_UP;
}

static void print_port(const struct switch_port *port)
{
	char mac[ADDRESS_SIZE], vlan[8], why[LOST_SIZE];
	const uint8_t *m = port->uplink ? uplink_nic(port)->mac : port->mac;

	if (port->uplink)
		str_copy(vlan, sizeof(vlan), "uplink");
	else if (port->trunk)
		str_copy(vlan, sizeof(vlan), "trunk");
	else
		fmt_snprintf(vlan, sizeof(vlan), "%u", port->vlan);
	console_print("%-20s  %s  %-6s  %-4s  %10lu  %8lu  %10lu  %8lu  %s\n", port->name,
		      address(mac, mac_key(m, 0)), vlan, link_is_up(port) ? "up" : "down",
		      port->stats.tx_packets, port->stats.tx_bytes >> 20, port->stats.rx_packets,
		      port->stats.rx_bytes >> 20, lost(why, port));
}

static void print_learnt(const struct net_switch *sw, const struct mac_entry *e)
{
	uint32_t age = (uint32_t)(time_now_ns() / NS_PER_S) - e->seen_s;
	char mac[ADDRESS_SIZE];

	if (e->key && !e->fixed && age < MAC_AGE_S)
		console_print("%-20s  %s  %-6u  learnt %u s ago\n", sw->port[e->port]->name,
			      address(mac, e->key), MAC_KEY_VLAN(e->key), age);
}

static void print_buckets(struct net_switch *sw)
{
	for (unsigned end = at.bucket + BUCKETS_PER_STEP; at.bucket < end; at.bucket++) {
		struct mac_entry entry[MAC_TABLE_WAYS];

		spin_lock(&sw->lock);
		memcpy(entry, sw->table.bucket[at.bucket], sizeof(entry));
		spin_unlock(&sw->lock);
		for (unsigned i = 0; i < MAC_TABLE_WAYS; i++)
			print_learnt(sw, &entry[i]);
	}
}

static void print_cards(void)
{
	for (const struct nic *n = nic_next(NULL); n; n = nic_next(n))
		console_print("card %s at %02x:%02x.%x: link %s, received %lu (%lu lost, %lu errors), sent "
			      "%lu (%lu lost, %lu errors)%s\n",
			      n->name, n->bdf >> 8, n->bdf >> 3 & 0x1f, n->bdf & 7, n->link ? "up" : "down",
			      n->stats.rx_packets, n->stats.rx_dropped, n->stats.rx_errors,
			      n->stats.tx_packets, n->stats.tx_dropped, n->stats.tx_errors,
			      n->owner ? "" : "; no switch uses it");
}

static bool next_switch(void)
{
	at.net++;
	at.port = at.bucket = 0;
	return true;
}

static bool list_some(void)
{
	char why[VM_WHY_SIZE];
	struct net_switch *sw;

	if (at.net == host_config_file.net_count) {
		print_cards();
		return false;
	}
	sw = net_switch_find(at.net, why, sizeof(why));
	if (!sw) {
		console_print("%s\n", why);
		return next_switch();
	}
	if (!at.port)
		console_print("net %s: mtu %u\n%-20s  %-17s  %-6s  LINK  %10s  %8s  %10s  %8s  LOST\n",
			      sw->name, sw->mtu, "PORT", "ADDRESS", "VLAN", "SENT", "MB", "RECEIVED", "MB");
	for (unsigned i = 0; i < PORTS_PER_STEP && at.port < sw->ports; i++)
		print_port(sw->port[at.port++]);
	if (at.port < sw->ports)
		return true;
	print_buckets(sw);
	return at.bucket < MAC_TABLE_BUCKETS || next_switch();
}

void command_net(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	at.net = at.port = at.bucket = 0;
	command_continue_with(list_some);
}

/* The guests' card whose port has this name, or NULL. */
static struct virtio_net *find_card(const char *name)
{
	for (uint32_t i = 0; i < vm_count; i++)
		for (uint32_t k = 0; k < vms[i]->cfg->net_count; k++)
			if (vms[i]->net[k] && !strcmp(vms[i]->net[k]->port.name, name))
				return vms[i]->net[k];
	return NULL;
}

void command_net_link(int argc, char **argv)
{
	struct virtio_net *n = find_card(argv[0]);
	bool up = !strcmp(argv[1], "up");

	(void)argc;
	if (!n)
		command_error("no guest's port is called %s; net lists them", argv[0]);
	else if (!up && strcmp(argv[1], "down") != 0)
		command_error("up or down, not %s", argv[1]);
	else
		virtio_net_set_link(n, up);
}
