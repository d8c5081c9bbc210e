/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which port of a switch an address is behind. Entries are learnt from what ports send and forgotten after a while of silence,
 * or fixed. Of bounded size, as a whole and for each port: what does not fit is not learnt. The switch's lock guards it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/util.h"

#define MAC_TABLE_BUCKETS 256
#define MAC_TABLE_WAYS    4
#define MAC_TABLE_PORTS   257
#define MAC_PORT_MAX      256 /* addresses learnt behind one port */
#define MAC_AGE_S         300 /* IEEE 802.1Q, "Ageing of Dynamic Filtering Entries" */
#define MAC_NO_PORT       UINT16_MAX

/* An address in one VLAN: the address, above it the VLAN, and a bit that makes it no free entry's, whatever these are. */
#define MAC_KEY_USED      BIT(63)
#define MAC_KEY_VLAN(key) ((uint16_t)((key) >> 48 & 0xfff))

struct mac_entry {
	uint64_t key;    /* 0: free */
	uint32_t seen_s; /* host clock, seconds */
	uint16_t port;
	bool fixed;
};

struct mac_table {
	struct mac_entry bucket[MAC_TABLE_BUCKETS][MAC_TABLE_WAYS];
	uint16_t learnt[MAC_TABLE_PORTS]; /* by port */
	uint32_t sweep;                   /* the bucket that is looked at next for what is old */
};

/* address: ETH_ADDRESS bytes. */
uint64_t mac_key(const uint8_t *address, uint16_t vlan);
/* MAC_NO_PORT: not known. */
uint16_t mac_table_find(const struct mac_table *t, uint64_t key, uint32_t now_s);
/* Something came from key by this port. False: it isn't known now, for want of room or because it is fixed at another. */
bool mac_table_learn(struct mac_table *t, uint64_t key, uint16_t port, uint32_t now_s);
/* key is behind port for ever. False: there is no room. */
bool mac_table_fix(struct mac_table *t, uint64_t key, uint16_t port);
/* Forgets what was learnt behind port. */
void mac_table_forget(struct mac_table *t, uint16_t port);
