/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/e1000*.c against a card made of its registers and rings, which errs in every way that a test asks for. */
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

static void received(struct nic *n, const void *frame, uint32_t len)
{
	assert_ptr_equal(n, &e.nic);
	assert_true(got_count < SENT_MAX && len <= sizeof(big_got));
	got_len[got_count] = len;
	held[held_count++] = frame;
	memcpy(got[got_count++], frame, MIN(len, 64u));
	memcpy(big_got, frame, len);
}

static void received_all(struct nic *n)
{
	got_batches++;
	for (unsigned i = 0; i < held_count; i++) {
		unsigned n = got_count - held_count + i;

		assert_memory_equal(held[i], got[n], MIN(got_len[n], 64u));
	}
	held_count = 0;
}

/* --- the card --- */

static uint32_t *reg(uint32_t at)
{
	return &card.reg[at / 4];
}

static void card_reset(void)
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
static void card_send(void)
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

static uint32_t eerd(void)
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

static struct e1000_rx_desc *rx_slot(void)
{
	struct e1000_rx_desc *ring = (void *)((uint64_t)*reg(E1000_RDBAL + 4) << 32 | *reg(E1000_RDBAL));

	return &ring[*reg(E1000_RDH)];
}

/* One descriptor. False: the card has none. */
static bool card_fill(const void *bytes, uint32_t len, uint16_t told, uint8_t status, uint8_t errors)
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

static bool card_receive(const void *frame, uint32_t len)
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

static int setup(void **state)
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

static int teardown(void **state)
{
	e1000_rings_free(&e);
	free(card.sent);
	return 0;
}

static void start(bool interrupts)
{
	assert_int_equal(e1000_init(&e), OK);
	assert_int_equal(*reg(E1000_RCTL) & RCTL_EN, 0);
	e.interrupts = interrupts;
	e.nic.ops->start(&e.nic);
}

static void interrupt(void)
{
	assert_true(*reg(E1000_ICR) & *reg(E1000_IMS));
	e1000_interrupt(&e);
}

static bool send(const void *frame, uint32_t len)
{
	uint32_t head = MIN(len, 20u), half = (len - head) / 2;
	struct frame_run run[2] = {{hpa((uint64_t)frame + head), half},
				   {hpa((uint64_t)frame + head + half), len - head - half}};
	struct net_packet p = {.head = (uint8_t *)frame, .head_len = head, .run = run, .runs = 2, .len = len};

	return e.nic.ops->transmit(&e.nic, &p);
}

static void flush(void)
{
	e.nic.ops->flush(&e.nic);
}

static void pattern(uint8_t *p, uint32_t len, unsigned seed)
{
	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + i / 256 + seed);
}

/* --- begin --- */

static void test_address(void **state)
{
	const uint8_t mac[] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};

	assert_int_equal(e1000_init(&e), OK);
	assert_memory_equal(e.nic.mac, mac, 6);
	assert_int_equal(card.eeprom_reads, 0);
	assert_int_equal(card.resets, 1);
	assert_true(e.nic.link);
	assert_int_equal(e.nic.mtu, 9000);
	assert_int_equal(*reg(E1000_RAL), 0x12005452);
	assert_int_equal(*reg(E1000_RAH), 0x80005634);
	/* Quiet until it is started. */
	assert_int_equal(*reg(E1000_IMS) | *reg(E1000_RCTL), 0);
	assert_false(e.timer.armed);
}

/* As Bochs' card. */
static void test_address_in_eeprom(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		teardown(NULL);
		setup(NULL);
		e.model = i ? &model_pcie : &model;
		card.no_autoload = true;
		assert_int_equal(e1000_init(&e), OK);
		assert_memory_equal(e.nic.mac, card.eeprom, 6);
		assert_int_equal(card.eeprom_reads, 3);
	}
}

static void test_bad_addresses(void **state)
{
	memset(card.eeprom, 0, 6);
	assert_int_equal(e1000_init(&e), ERR_IO);
	memset(card.eeprom, 0xff, 6);
	assert_int_equal(e1000_init(&e), ERR_IO);
	card.no_autoload = true;
	*reg(E1000_RAL) = 0;
	card.eeprom[0] = 0x0152; /* the second byte is 1, which is allowed */
	assert_int_equal(e1000_init(&e), OK);
	e1000_rings_free(&e);
	card.eeprom_hangs = true;
	assert_int_equal(e1000_init(&e), ERR_TIMEOUT);
	e.rx = NULL;
	e.tx = NULL;
	e.rx_buffer = e.tx_buffer = e.jumbo = NULL;
}

static void test_reset_hangs(void **state)
{
	uint64_t begin = fake_now;

	card.reset_hangs = true;
	assert_int_equal(e1000_init(&e), ERR_TIMEOUT);
	assert_in_range(fake_now - begin, 25 * MS, 30 * MS);
	card.dead = true;
	assert_int_equal(e1000_init(&e), ERR_TIMEOUT);
}

static void test_bus_quiet_before_reset(void **state)
{
	e.model = &model_pcie;
	*reg(E1000_STATUS) |= (uint32_t)STATUS_MASTER; /* for one look */
	assert_int_equal(e1000_init(&e), OK);
	assert_int_equal(*reg(E1000_CTRL) & CTRL_MASTER_DISABLE, 0);
}

static void test_no_memory(void **state)
{
	for (unsigned i = 0; i < 5; i++) {
		pages_left = i;
		assert_int_equal(e1000_init(&e), ERR_NOMEM);
		e1000_rings_free(&e);
	}
	pages_left = 5;
	assert_int_equal(e1000_init(&e), OK);
}

/* --- receiving --- */

static void test_receive(void **state)
{
	uint8_t frame[1514];

	start(false);
	assert_int_equal(e.timer.cpu, 3);
	assert_true(*reg(E1000_RCTL) & RCTL_UPE);
	for (unsigned i = 0; i < 550; i++) {
		pattern(frame, sizeof(frame), i);
		assert_true(card_receive(frame, 60 + i));
		fake_run(MS);
		assert_int_equal(got_count, i + 1);
		assert_int_equal(got_len[i], 60 + i);
		assert_memory_equal(big_got, frame, 60 + i);
	}
	assert_int_equal(got_batches, 550);
	assert_int_equal(e.nic.stats.rx_packets, 550);
	assert_int_equal(e.nic.stats.rx_errors, 0);
}

static void test_receive_jumbo(void **state)
{
	uint8_t frame[BIG];

	start(false);
	for (unsigned i = 0; i < 200; i++) {
		uint32_t len = 2000 + 35 * i;

		pattern(frame, len, i);
		assert_true(card_receive(frame, len));
		fake_run(MS);
		assert_int_equal(got_count, i + 1);
		assert_int_equal(got_len[i], len);
		assert_memory_equal(big_got, frame, len);
	}
	/* The first piece now, the last one later. */
	assert_true(card_fill(frame, 2048, 2048, RX_DD, 0));
	fake_run(10 * MS);
	assert_int_equal(got_count, 200);
	assert_true(card_fill(frame + 2048, 100, 100, RX_DD | RX_EOP, 0));
	fake_run(10 * MS);
	assert_int_equal(got_count, 201);
	assert_int_equal(got_len[200], 2148);
	assert_memory_equal(big_got, frame, 2148);
}

/* Two frames of several pieces at once, which are put together in the same memory: each is a batch's last. */
static void test_batch_jumbo(void **state)
{
	uint8_t frame[4000];

	start(false);
	for (unsigned i = 0; i < 4; i++) {
		uint32_t len = i % 2 ? sizeof(frame) : 100;

		pattern(frame, len, i);
		assert_true(card_receive(frame, len));
	}
	fake_run(MS);
	assert_int_equal(got_count, 4);
	for (unsigned i = 0; i < 4; i++) {
		pattern(frame, 64, i);
		assert_memory_equal(got[i], frame, 64);
	}
}

/* A batch is so many frames, then others have their turn. */
static void test_batches(void **state)
{
	uint8_t frame[60] = {2};
	unsigned n = 0;

	start(false);
	fake_run(0);
	while (card_receive(frame, 60))
		n++;
	assert_int_equal(n, E1000_RING - 1);
	fake_run(200 * US);
	assert_int_equal(got_count, 64);
	assert_int_equal(got_batches, 1);
	fake_run(300 * US);
	assert_int_equal(got_count, 255);
	/* What was received has made room. */
	while (card_receive(frame, 60))
		n++;
	assert_int_equal(n, 2 * (E1000_RING - 1));
}

/* Polls get rarer, up to 1 ms, and dense again. */
static void test_polling(void **state)
{
	uint8_t frame[60] = {2};
	unsigned before;

	start(false);
	fake_run(10 * MS);
	before = fake_fired;
	fake_run(100 * MS);
	assert_in_range(fake_fired - before, 95, 105);
	card_receive(frame, 60);
	fake_run(MS);
	before = fake_fired;
	card_receive(frame, 60);
	fake_run(200 * US);
	assert_int_equal(got_count, 2);
	/* Nothing is masked or unmasked where no interrupt is wanted. */
	assert_int_equal(*reg(E1000_IMS), 0);
}

static void check_next_is_good(unsigned errors)
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

static void test_receive_faults(void **state)
{
	uint8_t bytes[2048] = {2};

	start(false);
	/* Short. */
	card_fill(bytes, 60, 0, RX_DD | RX_EOP, 0);
	check_next_is_good(1);
	card_fill(bytes, 60, 13, RX_DD | RX_EOP, 0);
	check_next_is_good(2);
	/* Longer than its buffer. */
	card_fill(bytes, 60, 2049, RX_DD | RX_EOP, 0);
	check_next_is_good(3);
	card_fill(bytes, 60, 65535, RX_DD, 0);
	card_fill(bytes, 60, 60, RX_DD | RX_EOP, 0);
	check_next_is_good(4);
	/* With an error of each kind, the first piece all right. */
	for (unsigned bit = 0; bit < 8; bit++) {
		unsigned before = got_count;

		card_fill(bytes, 2048, 2048, RX_DD, 0);
		card_fill(bytes, 60, 60, RX_DD | RX_EOP, (uint8_t)(1u << bit));
		card_fill(bytes, 60, 60, RX_DD | RX_EOP, (uint8_t)(1u << bit));
		fake_run(2 * MS);
		assert_int_equal(got_count - before, 0x97 & 1u << bit ? 0 : 2);
	}
	check_next_is_good(14);
	/* A frame that never ends, and then does. */
	for (unsigned i = 0; i < 300; i++) {
		assert_true(card_fill(bytes, 2048, 2048, RX_DD, 0));
		fake_run(MS);
	}
	card_fill(bytes, 60, 60, RX_DD | RX_EOP, 0);
	check_next_is_good(15);
	/* A jumbo frame of the largest size, and one byte more. */
	for (unsigned i = 0; i < 2; i++) {
		unsigned before = got_count;

		for (unsigned k = 0; k < 4; k++)
			card_fill(bytes, 2048, 2048, RX_DD, 0);
		card_fill(bytes, 826 + i, (uint16_t)(826 + i), RX_DD | RX_EOP, 0);
		fake_run(2 * MS);
		assert_int_equal(got_count - before, 1 - i);
	}
	check_next_is_good(16);
}

/* Completions of descriptors that are not the card's, again and again, all at once: nothing worse than wrong frames. */
static void test_receive_duplicates(void **state)
{
	uint64_t seed = 12345;

	start(false);
	for (unsigned i = 0; i < 2000; i++) {
		struct e1000_rx_desc *d = &e.rx[test_random(&seed) % E1000_RING];

		d->length = (uint16_t)test_random(&seed);
		d->errors = (uint8_t)(test_random(&seed) & test_random(&seed));
		d->status = (uint8_t)(test_random(&seed) | RX_DD);
		d->address = test_random(&seed);
		if (i % 50 == 0) {
			got_count = 0;
			fake_run(MS);
		}
	}
	memset(e.rx, 0xff, E1000_RING * sizeof(*e.rx));
	got_count = 0;
	fake_run(100 * US);
	assert_true(got_count <= E1000_RX_BATCH);
	for (uint32_t i = 0; i < E1000_RING; i++)
		e.rx[i].status = 0;
	fake_run(10 * MS);
	got_count = 0;
	/* A descriptor whose address the card has changed gets its own buffer again. */
	for (unsigned i = 0; i < E1000_RING; i++) {
		e.rx[i].status = RX_DD | RX_EOP;
		e.rx[i].length = 60;
		e.rx[i].errors = 0;
	}
	fake_run(MS);
	for (unsigned i = 0; i < E1000_RING; i++)
		assert_ptr_equal(e.rx[i].address, e.rx_buffer + i * E1000_BUFFER);
}

/* --- sending --- */

static void test_send(void **state)
{
	uint8_t frame[1600];

	start(false);
	for (unsigned i = 0; i < 500; i++) {
		uint32_t len = 14 + 3 * i;

		pattern(frame, len, i);
		assert_true(send(frame, len));
		if (i % 3)
			continue;
		flush();
		card_send();
		assert_int_equal(card.sent_count, i + 1);
		assert_int_equal(card.sent[i].len, MAX(len, 60u));
		assert_memory_equal(card.sent[i].byte, frame, len);
		for (uint32_t k = len; k < 60; k++)
			assert_int_equal(card.sent[i].byte[k], 0);
	}
	assert_int_equal(card.doorbells, 1 + (500 + 2) / 3);
	assert_int_equal(e.nic.stats.tx_packets, 500);
	assert_int_equal(e.nic.stats.tx_dropped, 0);
	flush();
	flush(); /* nothing new */
	assert_int_equal(card.doorbells, 2 + (500 + 2) / 3);
}

static void test_send_jumbo(void **state)
{
	uint8_t frame[BIG + 1] = {0};

	start(false);
	for (unsigned i = 0; i < 100; i++) {
		uint32_t len = 2040 + 70 * i;

		len = MIN(len, (uint32_t)BIG);
		pattern(frame, len, i);
		assert_true(send(frame, len));
		flush();
		card_send();
		assert_int_equal(card.sent[i].len, len);
		assert_memory_equal(card.sent[i].byte, frame, len);
	}
	assert_false(send(frame, BIG + 1));
	assert_false(send(frame, 13));
	assert_int_equal(e.nic.stats.tx_dropped, 2);
}

static void test_send_no_room(void **state)
{
	uint8_t frame[5000] = {2};

	start(false);
	for (unsigned i = 0; i < E1000_RING - 1; i++)
		assert_true(send(frame, 60));
	assert_false(send(frame, 60));
	flush();
	card_send();
	assert_int_equal(card.sent_count, E1000_RING - 1);
	/* Now there is, for larger ones too, but for all of one or not at all: 85 of 3 in 255. */
	for (unsigned i = 0; i < 85; i++)
		assert_true(send(frame, 5000));
	assert_false(send(frame, 60));
	flush();
	card_send();
	assert_int_equal(card.sent_count, E1000_RING - 1 + 85);
	for (unsigned i = 0; i < 84; i++)
		assert_true(send(frame, 5000));
	assert_true(send(frame, 60));
	assert_false(send(frame, 5000));
	assert_true(send(frame, 3000));
	assert_int_equal(e.nic.stats.tx_dropped, 3);
}

static void test_send_without_link(void **state)
{
	uint8_t frame[60] = {2};

	start(false);
	*reg(E1000_STATUS) = 0;
	fake_run(600 * MS);
	assert_false(e.nic.link);
	assert_false(send(frame, 60));
	*reg(E1000_STATUS) = STATUS_LU;
	fake_run(600 * MS);
	assert_true(e.nic.link);
	assert_true(send(frame, 60));
}

/* Frames that are never sent: the card is reset, once they have waited long enough, and only then. */
static void test_send_never(void **state)
{
	uint8_t frame[60] = {2};

	start(false);
	assert_true(send(frame, 60));
	fake_run(10000 * MS); /* it was not told of it */
	assert_int_equal(card.resets, 1);
	flush();
	fake_run(1900 * MS);
	card_send(); /* late */
	fake_run(5000 * MS);
	assert_int_equal(card.resets, 1);
	card.never_done = true;
	assert_true(send(frame, 60));
	flush();
	card_send();
	fake_run(2000 * MS);
	assert_int_equal(card.resets, 1);
	fake_run(1100 * MS);
	assert_int_equal(card.resets, 2);
	assert_int_equal(fake_log_warnings, 1);
	assert_string_equal(fake_log_last, "e1000-0: sends nothing any more; it is reset");
	/* And works again, in both directions. */
	card.never_done = false;
	assert_true(send(frame, 60));
	flush();
	card_send();
	assert_int_equal(card.sent_count, 3);
	check_next_is_good(0);
	/* Completions from before the reset are nothing to it. */
	for (unsigned i = 0; i < E1000_RING; i++)
		e.tx[i].status = TX_DD;
	assert_true(send(frame, 60));
}

static void test_reset_for_good(void **state)
{
	uint8_t frame[60] = {2};

	start(false);
	card.never_done = card.reset_hangs = true;
	assert_true(send(frame, 60));
	flush();
	while (card.resets < 2)
		fake_run(MS);
	assert_true(e.nic.link);
	assert_false(send(frame, 60)); /* amid the reset */
	fake_run(1000 * MS);
	assert_true(e.gone);
	assert_false(e.nic.link);
	assert_false(send(frame, 60));
	assert_false(e.timer.armed);
}

/* Frames that wait because there is no link are no reason. */
static void test_no_link_is_no_hang(void **state)
{
	uint8_t frame[60] = {2};

	start(false);
	assert_true(send(frame, 60));
	*reg(E1000_STATUS) = 0;
	flush();
	fake_run(30000 * MS);
	assert_int_equal(card.resets, 1);
	*reg(E1000_STATUS) = STATUS_LU;
	fake_run(1500 * MS);
	assert_int_equal(card.resets, 1);
	card_send();
	fake_run(30000 * MS);
	assert_int_equal(card.resets, 1);
}

static void test_send_errors(void **state)
{
	uint8_t frame[60] = {2};

	start(false);
	assert_true(send(frame, 60));
	flush();
	card_send();
	e.tx[0].status |= TX_ERRORS;
	fake_run(600 * MS);
	assert_int_equal(e.nic.stats.tx_errors, 1);
}

/* --- interrupts, counters, the end --- */

static void test_interrupts(void **state)
{
	uint8_t frame[60] = {2};
	unsigned before;

	start(true);
	assert_int_equal(*reg(E1000_IMS), INT_USED);
	fake_run(10 * MS);
	before = fake_fired;
	fake_run(5000 * MS);
	assert_in_range(fake_fired - before, 9, 11); /* the housekeeping alone */
	card_receive(frame, 60);
	interrupt();
	assert_int_equal(got_count, 1);
	assert_int_equal(*reg(E1000_ICR), 0);
	assert_int_equal(*reg(E1000_IMS), INT_USED);
	/* More than a batch: the rest by timer, with interrupts off. */
	for (unsigned i = 0; i < 150; i++)
		card_receive(frame, 60);
	interrupt();
	assert_int_equal(got_count, 65);
	assert_int_equal(*reg(E1000_IMS), 0);
	fake_run(100 * US);
	assert_int_equal(got_count, 129);
	assert_int_equal(*reg(E1000_IMS), 0);
	fake_run(100 * US);
	assert_int_equal(got_count, 151);
	assert_int_equal(*reg(E1000_IMS), INT_USED);
	/* One that is lost: the housekeeping sees what came. */
	card_receive(frame, 60);
	*reg(E1000_ICR) = 0;
	fake_run(600 * MS);
	assert_int_equal(got_count, 152);
	/* The link. */
	*reg(E1000_STATUS) = 0;
	*reg(E1000_ICR) = INT_LSC;
	interrupt();
	assert_false(e.nic.link);
}

static void test_msix(void **state)
{
	uint8_t frame[60] = {2};

	e.model = &model_pcie;
	e.msix = true;
	start(true);
	assert_int_equal(*reg(E1000_IVAR), 0x88888);
	assert_int_equal(*reg(E1000_IMS), INT_RXQ0 | INT_OTHER | INT_LSC);
	assert_int_equal(*reg(E1000_TXDCTL), TXDCTL_82574);
	card_receive(frame, 60);
	interrupt();
	assert_int_equal(got_count, 1);
	assert_int_equal(*reg(E1000_ICR), 0);
	assert_int_equal(*reg(E1000_IMS), INT_RXQ0 | INT_OTHER | INT_LSC);
	*reg(E1000_STATUS) = 0;
	*reg(E1000_ICR) = INT_LSC | INT_OTHER;
	interrupt();
	assert_false(e.nic.link);
}

static void test_counters(void **state)
{
	start(false);
	fake_run(MS);
	*reg(E1000_MPC) = 5;
	*reg(E1000_CRCERRS) = 1;
	*reg(E1000_RXERRC) = 2;
	*reg(E1000_RLEC) = 4;
	*reg(E1000_ECOL) = 1;
	*reg(E1000_LATECOL) = 2;
	fake_run(1200 * MS);
	assert_int_equal(e.nic.stats.rx_dropped, 5);
	assert_int_equal(e.nic.stats.rx_errors, 7);
	assert_int_equal(e.nic.stats.tx_errors, 3);
}

static void test_vanishes(void **state)
{
	uint8_t frame[60] = {2};

	for (unsigned i = 0; i < 2; i++) {
		teardown(NULL);
		setup(NULL);
		start(i);
		card_receive(frame, 60);
		card.dead = true;
		if (i)
			e1000_interrupt(&e); /* all causes */
		fake_run(1000 * MS);
		assert_true(e.gone);
		assert_false(e.nic.link || e.timer.armed);
		assert_false(send(frame, 60));
		flush();
		e1000_interrupt(&e); /* a late one */
		assert_string_equal(fake_log_last, "e1000-0: does not answer any more; it is given up");
		assert_int_equal(e.nic.stats.rx_dropped, 0);
	}
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_address),
	    CASE(test_address_in_eeprom),
	    CASE(test_bad_addresses),
	    CASE(test_reset_hangs),
	    CASE(test_bus_quiet_before_reset),
	    CASE(test_no_memory),
	    CASE(test_receive),
	    CASE(test_receive_jumbo),
	    CASE(test_batch_jumbo),
	    CASE(test_batches),
	    CASE(test_polling),
	    CASE(test_receive_faults),
	    CASE(test_receive_duplicates),
	    CASE(test_send),
	    CASE(test_send_jumbo),
	    CASE(test_send_no_room),
	    CASE(test_send_without_link),
	    CASE(test_send_never),
	    CASE(test_reset_for_good),
	    CASE(test_no_link_is_no_hang),
	    CASE(test_send_errors),
	    CASE(test_interrupts),
	    CASE(test_msix),
	    CASE(test_counters),
	    CASE(test_vanishes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
