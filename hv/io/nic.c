/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of the host's network cards. */
#include "hv/io/nic.h"

#include "hv/lib/log.h"

static struct list nics = LIST_INIT(nics);

void nic_register(struct nic *n)
{
	list_insert_before(&nics, &n->link_in_list);
	log_info("%s: network card at %02x:%02x.%x, %02x:%02x:%02x:%02x:%02x:%02x", n->name, n->bdf >> 8,
		 n->bdf >> 3 & 0x1f, n->bdf & 7, n->mac[0], n->mac[1], n->mac[2], n->mac[3], n->mac[4],
		 n->mac[5]);
}

struct nic *nic_next(const struct nic *n)
{
	struct list *next = n ? n->link_in_list.next : nics.next;

	return next == &nics ? NULL : list_entry(next, struct nic, link_in_list);
}

void nic_link_changed(struct nic *n, bool up)
{
	if (__atomic_exchange_n(&n->link, up, __ATOMIC_RELAXED) != up)
		log_info("%s: link %s", n->name, up ? "up" : "down");
}
