/* SPDX-License-Identifier: BSD-2-Clause */
/* One of Intel's gigabit cards, made of its registers and rings, which errs in every way that a test asks for. */
#pragma once

#include "fake_vm.h"

#include <stdlib.h>
#include "drivers/e1000_private.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define US       1000ull
#define MS       (1000 * US)
#define SENT_MAX 600
#define BIG      9018

struct sent {
	uint32_t len;
	uint8_t byte[BIG];
};

static struct {
	uint32_t reg[E1000_REGS_SIZE / 4];
	uint16_t eeprom[3];
	bool dead, reset_hangs, eeprom_hangs, no_autoload, quiet_late;
	bool never_done; /* what is sent is not written back */
	unsigned resets, doorbells, eeprom_reads;
	struct sent *sent;
	unsigned sent_count;
	uint32_t building;
} card;

static const struct e1000_model model = {"e1000", 4, 8, false, 0};
static const struct e1000_model model_pcie = {"e1000e", 1, 2, true, TXDCTL_82574};
static struct e1000 e;
static uint8_t got[SENT_MAX][64];
static uint32_t got_len[SENT_MAX];
static unsigned got_count, got_batches;
static uint8_t big_got[BIG + 64];
static const void *held[SENT_MAX]; /* frames of the batch, which are not the card's yet */
static unsigned held_count;
static unsigned pages_left;

/* --- the world --- */

hpa_t host_pa(const void *p)
{
	return hpa((uint64_t)p);
}

void *page_alloc_bytes(size_t bytes)
{
	if (!pages_left)
		return NULL;
	pages_left--;
	return calloc(1, bytes);
}

void page_free_bytes(void *p, size_t bytes)
{
	free(p);
}

void frame_read(void *dst, hpa_t pa, size_t n)
{
	memcpy(dst, (void *)pa.v, n);
}

static inline void received(struct nic *n, const void *frame, uint32_t len)
{
	assert_ptr_equal(n, &e.nic);
	assert_true(got_count < SENT_MAX && len <= sizeof(big_got));
	got_len[got_count] = len;
	held[held_count++] = frame;
	memcpy(got[got_count++], frame, MIN(len, 64u));
	memcpy(big_got, frame, len);
}

static inline void received_all(struct nic *n)
{
	got_batches++;
	for (unsigned i = 0; i < held_count; i++) {
		unsigned n = got_count - held_count + i;

		assert_memory_equal(held[i], got[n], MIN(got_len[n], 64u));
	}
	held_count = 0;
}

/* --- the card --- */

static inline uint32_t *reg(uint32_t at)
{
	return &card.reg[at / 4];
}

static inline void card_reset(void)
{
	uint32_t mac = *reg(E1000_RAL);

	memset(card.reg, 0, sizeof(card.reg));
	*reg(E1000_STATUS) = STATUS_LU | (card.quiet_late ? (uint32_t)STATUS_MASTER : 0);
	*reg(E1000_RAL) = mac;
	if (!card.no_autoload) {
		*reg(E1000_RAL) = card.eeprom[0] | (uint32_t)card.eeprom[1] << 16;
		*reg(E1000_RAH) = card.eeprom[2] | (uint32_t)RAH_AV;
	}
	card.resets++;
	card.building = 0;
}

/* Sends all up to TDT. */
static inline void card_send(void)
{
	struct e1000_tx_desc *ring = (void *)((uint64_t)*reg(E1000_TDBAL + 4) << 32 | *reg(E1000_TDBAL));

	while (*reg(E1000_TDH) != *reg(E1000_TDT)) {
		struct e1000_tx_desc *d = &ring[*reg(E1000_TDH)];
		struct sent *s = &card.sent[card.sent_count];

		assert_true(card.sent_count < SENT_MAX);
		assert_true(d->length && d->length <= E1000_BUFFER && card.building + d->length <= BIG + 4);
		assert_int_equal(d->command & ~TX_EOP, TX_IFCS | TX_RS);
		memcpy(s->byte + card.building, (void *)d->address, d->length);
		card.building += d->length;
		if (d->command & TX_EOP) {
			s->len = card.building;
			card.building = 0;
			card.sent_count++;
		}
		if (!card.never_done)
			d->status = TX_DD;
		*reg(E1000_TDH) = (*reg(E1000_TDH) + 1) % (*reg(E1000_TDLEN) / 16);
	}
}

static inline uint32_t eerd(void)
{
	uint32_t v = *reg(E1000_EERD);
	unsigned word = v >> e.model->eerd_address & 0xff;

	if (card.eeprom_hangs || !(v & EERD_START))
		return v;
	assert_true(word < 3);
	card.eeprom_reads++;
	return v | 1u << e.model->eerd_done | (uint32_t)card.eeprom[word] << 16;
}

uint32_t e1000_read(const struct e1000 *unused, uint32_t at)
{
	uint32_t v;

	if (card.dead)
		return UINT32_MAX;
	switch (at) {
	case E1000_EERD:
		return eerd();
	case E1000_STATUS:
		v = *reg(at);
		*reg(at) &= ~(uint32_t)STATUS_MASTER;
		return v;
	case E1000_ICR:
		v = *reg(at);
		if (!e.msix)
			*reg(at) = 0;
		return v;
	case E1000_CRCERRS:
	case E1000_RXERRC:
	case E1000_MPC:
	case E1000_ECOL:
	case E1000_LATECOL:
	case E1000_RLEC:
		v = *reg(at);
		*reg(at) = 0;
		return v;
	}
	return *reg(at);
}

void e1000_write(const struct e1000 *unused, uint32_t at, uint32_t v)
{
	if (card.dead)
		return;
	switch (at) {
	case E1000_CTRL:
		if (v & CTRL_RST) {
			assert_int_equal(*reg(E1000_RCTL) & RCTL_EN, 0);
			assert_int_equal(*reg(E1000_TCTL) & TCTL_EN, 0);
			assert_true(!e.model->master_disable || (v & CTRL_MASTER_DISABLE));
			assert_int_equal(*reg(E1000_STATUS) & STATUS_MASTER, 0);
			card_reset();
			v = card.reset_hangs ? v : v & ~(uint32_t)CTRL_RST;
		}
		break;
	case E1000_IMS:
		*reg(E1000_IMS) |= v;
		return;
	case E1000_IMC:
		*reg(E1000_IMS) &= ~v;
		return;
	case E1000_ICR:
		*reg(at) &= ~v;
		return;
	case E1000_TDT:
		assert_true(v < E1000_RING);
		card.doorbells++;
		break;
	case E1000_RDT:
		assert_true(v < E1000_RING);
		assert_int_equal(held_count, 0);
		break;
	}
	*reg(at) = v;
}

static inline struct e1000_rx_desc *rx_slot(void)
{
	struct e1000_rx_desc *ring = (void *)((uint64_t)*reg(E1000_RDBAL + 4) << 32 | *reg(E1000_RDBAL));

	return &ring[*reg(E1000_RDH)];
}

/* One descriptor. False: the card has none. */
static inline bool card_fill(const void *bytes, uint32_t len, uint16_t told, uint8_t status, uint8_t errors)
{
	struct e1000_rx_desc *d = rx_slot();

	if (!(*reg(E1000_RCTL) & RCTL_EN) || *reg(E1000_RDH) == *reg(E1000_RDT))
		return false;
	assert_int_equal(d->status, 0);
	memcpy((void *)d->address, bytes, len);
	d->length = told;
	d->errors = errors;
	d->status = status;
	*reg(E1000_RDH) = (*reg(E1000_RDH) + 1) % (*reg(E1000_RDLEN) / 16);
	*reg(E1000_ICR) |= INT_RXT0 | INT_RXQ0;
	return true;
}

static inline bool card_receive(const void *frame, uint32_t len)
{
	const uint8_t *p = frame;

	while (len > E1000_BUFFER) {
		if (!card_fill(p, E1000_BUFFER, E1000_BUFFER, RX_DD, 0))
			return false;
		p += E1000_BUFFER;
		len -= E1000_BUFFER;
	}
	return card_fill(p, len, (uint16_t)len, RX_DD | RX_EOP, 0);
}

/* --- the tests' ways --- */

static inline int setup(void **state)
{
	memset(&card, 0, sizeof(card));
	card.sent = calloc(SENT_MAX, sizeof(struct sent));
	memcpy(card.eeprom, (uint8_t[]){0x52, 0x54, 0, 0x12, 0x34, 0x56}, 6);
	*reg(E1000_STATUS) = STATUS_LU;
	e = (struct e1000){.model = &model, .cpu = 3, .nic.name = "e1000-0"};
	e.nic.received = received;
	e.nic.received_all = received_all;
	got_count = got_batches = held_count = 0;
	pages_left = UINT32_MAX;
	fake_vm_new(1);
	fake_log_warnings = 0;
	return 0;
}

static inline int teardown(void **state)
{
	e1000_rings_free(&e);
	free(card.sent);
	return 0;
}

static inline void start(bool interrupts)
{
	assert_int_equal(e1000_init(&e), OK);
	assert_int_equal(*reg(E1000_RCTL) & RCTL_EN, 0);
	e.interrupts = interrupts;
	e.nic.ops->start(&e.nic);
}

static inline void interrupt(void)
{
	assert_true(*reg(E1000_ICR) & *reg(E1000_IMS));
	e1000_interrupt(&e);
}

static inline bool send(const void *frame, uint32_t len)
{
	uint32_t head = MIN(len, 20u), half = (len - head) / 2;
	struct frame_run run[2] = {{hpa((uint64_t)frame + head), half},
				   {hpa((uint64_t)frame + head + half), len - head - half}};
	struct net_packet p = {.head = (uint8_t *)frame, .head_len = head, .run = run, .runs = 2, .len = len};

	return e.nic.ops->transmit(&e.nic, &p);
}

static inline void flush(void)
{
	e.nic.ops->flush(&e.nic);
}

static inline void pattern(uint8_t *p, uint32_t len, unsigned seed)
{
	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + i / 256 + seed);
}

/* A frame comes through, and so many were bad. */
static inline void check_next_is_good(unsigned errors)
{
	uint8_t frame[60] = {2, 7};
	unsigned before = got_count;

	assert_true(card_receive(frame, 60));
	fake_run(2 * MS);
	assert_int_equal(got_count, before + 1);
	assert_int_equal(got_len[before], 60);
	assert_int_equal(got[before][1], 7);
	assert_int_equal(e.nic.stats.rx_errors, errors);
}
