/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash table of small buckets. Old entries go when their place is wanted, and a few with each address that finds no room. */
#include "hv/io/mac_table.h"

#include "hv/io/net_packet.h"
#include "hv/lib/util.h"

#define SWEEP_BUCKETS 8
#define HASH_FACTOR                                                                                          \
	0x9e3779b97f4a7c15UL /* 2^64 by the golden ratio: all bits of the key come into the top ones */
#define HASH_SHIFT 56

static_assert(MAC_TABLE_BUCKETS == 1 << (64 - HASH_SHIFT), "a bucket for each value of the hash");

uint64_t mac_key(const uint8_t *address, uint16_t vlan)
{
	return MAC_KEY_USED | (uint64_t)vlan << 48 | (uint64_t)net_load16(address) << 32 |
	       (uint64_t)net_load16(address + 2) << 16 | net_load16(address + 4);
}

static struct mac_entry *bucket_of(struct mac_table *t, uint64_t key)
{
	return t->bucket[key * HASH_FACTOR >> HASH_SHIFT];
}

static bool is_old(const struct mac_entry *e, uint32_t now_s)
{
	return !e->fixed && now_s - e->seen_s >= MAC_AGE_S;
}

static struct mac_entry *find(struct mac_table *t, uint64_t key)
{
	struct mac_entry *b = bucket_of(t, key);

	for (unsigned i = 0; i < MAC_TABLE_WAYS; i++)
		if (b[i].key == key)
			return &b[i];
	return NULL;
}

uint16_t mac_table_find(const struct mac_table *t, uint64_t key, uint32_t now_s)
{
	const struct mac_entry *e = find((struct mac_table *)t, key);

	return e && !is_old(e, now_s) ? e->port : MAC_NO_PORT;
}

static void drop(struct mac_table *t, struct mac_entry *e)
{
	t->learnt[e->port]--;
	*e = (struct mac_entry){};
}

static void sweep(struct mac_table *t, uint32_t now_s)
{
	for (unsigned n = 0; n < SWEEP_BUCKETS; n++) {
		struct mac_entry *b = t->bucket[t->sweep++ % MAC_TABLE_BUCKETS];

		for (unsigned i = 0; i < MAC_TABLE_WAYS; i++)
			if (b[i].key && is_old(&b[i], now_s))
				drop(t, &b[i]);
	}
}

/* A free place for key, or NULL. */
static struct mac_entry *place(struct mac_table *t, uint64_t key, uint32_t now_s)
{
	struct mac_entry *b = bucket_of(t, key);

	for (unsigned i = 0; i < MAC_TABLE_WAYS; i++) {
		if (b[i].key && is_old(&b[i], now_s))
			drop(t, &b[i]);
		if (!b[i].key)
			return &b[i];
	}
	return NULL;
}

bool mac_table_learn(struct mac_table *t, uint64_t key, uint16_t port, uint32_t now_s)
{
	struct mac_entry *e = find(t, key);

	if (e && e->port == port) {
		e->seen_s = now_s;
		return true;
	}
	if (e && e->fixed)
		return false;
	if (e)
		drop(t, e); /* it has moved */
	e = t->learnt[port] < MAC_PORT_MAX ? place(t, key, now_s) : NULL;
	if (!e) {
		sweep(t, now_s);
		return false;
	}
	*e = (struct mac_entry){.key = key, .seen_s = now_s, .port = port};
	t->learnt[port]++;
	return true;
}

bool mac_table_fix(struct mac_table *t, uint64_t key, uint16_t port)
{
	struct mac_entry *e = place(t, key, 0);

	if (e)
		*e = (struct mac_entry){.key = key, .port = port, .fixed = true};
	return e;
}

void mac_table_forget(struct mac_table *t, uint16_t port)
{
	for (unsigned b = 0; b < MAC_TABLE_BUCKETS; b++)
		for (unsigned i = 0; i < MAC_TABLE_WAYS; i++)
			if (t->bucket[b][i].key && !t->bucket[b][i].fixed && t->bucket[b][i].port == port)
				drop(t, &t->bucket[b][i]);
}
