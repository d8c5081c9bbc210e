/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes a switch for each [net], and finds it the card that is its uplink. */
#include "hv/net.h"

#include "hv/config.h"
#include "hv/io/nic.h"
#include "hv/io/switch.h"
#include "hv/io/uplink.h"
#include "hv/lib/fmt.h"
#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "hv/vm.h"
#include "mm/page_alloc.h"

static struct net {
	struct net_switch *sw;
	char why[VM_WHY_SIZE]; /* not empty: why it can't be had */
} nets[CONFIG_NET_MAX];

/* The card that c wants, of those that have no switch yet. */
static struct nic *find_nic(const struct net_config *c)
{
	struct nic *n = nic_next(NULL);

	while (n && (n->owner || (c->uplink == UPLINK_PCI && n->bdf != c->uplink_bdf)))
		n = nic_next(n);
	return n;
}

static void connect(struct net *net, const struct net_config *c)
{
	struct nic *nic = find_nic(c);

	if (!nic && c->uplink == UPLINK_FIRST)
		fmt_snprintf(net->why, sizeof(net->why), "net %s: no network card for its uplink", c->name);
	else if (!nic)
		fmt_snprintf(net->why, sizeof(net->why),
			     "net %s: no network card at %02x:%02x.%x that is free", c->name,
			     c->uplink_bdf >> 8, c->uplink_bdf >> 3 & 0x1f, c->uplink_bdf & 7);
	else if (uplink_connect(net->sw, nic) != OK)
		fmt_snprintf(net->why, sizeof(net->why), "net %s: no host memory for its uplink", c->name);
	else
		log_info("net %s: uplink %s", c->name, nic->name);
}

void net_init(void)
{
	for (uint32_t i = 0; i < host_config_file.net_count; i++) {
		const struct net_config *c = &host_config_file.net[i];
		struct net *net = &nets[i];

		net->sw = page_alloc_bytes(sizeof(*net->sw));
		if (!net->sw) {
			fmt_snprintf(net->why, sizeof(net->why), "net %s: no host memory for it", c->name);
			continue;
		}
		str_copy(net->sw->name, sizeof(net->sw->name), c->name);
		net->sw->mtu = c->mtu;
		net->sw->storm = c->storm;
		if (c->uplink != UPLINK_NONE)
			connect(net, c);
		if (net->why[0])
			log_error("%s", net->why);
	}
}

struct net_switch *net_switch_find(uint32_t index, char *why, size_t size)
{
	struct net *net = &nets[index];

	if (net->why[0])
		str_copy(why, size, net->why);
	return net->why[0] ? NULL : net->sw;
}
