/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of one of Intel's gigabit cards: interrupts or polling, link, and resets. All of it is on one CPU; only
 * transmitting is done by all.
 */
#include "drivers/e1000_private.h"

#include "hv/lib/log.h"

#define US             1000ull
#define MS             (1000 * US)
#define POLL_BUSY      (MS / 10) /* a ring full of the smallest frames takes 170 us on the wire */
#define POLL_IDLE      MS
#define HOUSEKEEPING   (500 * MS)
#define RESET_TIME     (25 * MS) /* and the EEPROM's being read */
#define RESET_POLL     MS
#define STUCK_TIME     (2000 * MS)
#define ITR_256NS      195 /* at most 20000 interrupts a second */
#define RESET_LOGS_MAX 16

static void arm(struct e1000 *e, uint64_t now)
{
	uint64_t due = e->housekeeping_ns;

	if (e->poll_ns)
		due = MIN(due, now + e->poll_ns);
	timer_arm(&e->timer, e->cpu, due);
}

static void vanish(struct e1000 *e, const char *why)
{
	log_error("%s: %s; it is given up", e->nic.name, why);
	e->gone = true;
	e1000_rings_stop(e);
	e1000_write(e, E1000_IMC, INT_ALL);
	nic_link_changed(&e->nic, false);
}

static void look_at_link(struct e1000 *e)
{
	bool up;

	if (!e1000_link(e, &up))
		vanish(e, "does not answer any more");
	else if (up != e->nic.link)
		nic_link_changed(&e->nic, up);
}

static void unmask(const struct e1000 *e)
{
	e1000_write(e, E1000_IMS, (uint32_t)(e->msix ? INT_USED_MSIX : INT_USED));
}

/* Reading clears them, but not with MSI-X. */
static uint32_t take_causes(const struct e1000 *e)
{
	uint32_t causes = e1000_read(e, E1000_ICR);

	e1000_write(e, E1000_ICR, causes);
	return causes;
}

/*
 * With the card's interrupts off while there is more to receive than belongs into one batch; without interrupts less often
 * the longer nothing comes.
 */
static void serve(struct e1000 *e)
{
	/* Before the ring, so that what comes behind the last look at it interrupts again. */
	uint32_t causes = e->interrupts ? take_causes(e) : 0;
	unsigned n = e1000_receive(e);

	if (causes & INT_LSC)
		look_at_link(e);
	if (e->gone)
		return;
	if (!e->interrupts) {
		e->poll_ns = n ? POLL_BUSY : MIN(2 * e->poll_ns, POLL_IDLE);
	} else if (n == E1000_RX_BATCH) {
		e->poll_ns = POLL_BUSY;
	} else {
		e->poll_ns = 0;
		unmask(e);
	}
}

/* The card runs, all of it anew. */
static void begin(struct e1000 *e)
{
	e1000_mac_init(e);
	e1000_rings_start(e);
	e->poll_ns = POLL_BUSY;
	e->tx_seen_ns = time_now_ns();
	if (!e->interrupts)
		return;
	if (e->msix) {
		e1000_write(e, E1000_IVAR, IVAR_ALL_FIRST);
		e1000_write(e, E1000_EITR, ITR_256NS);
	}
	e1000_write(e, E1000_ITR, ITR_256NS);
	unmask(e);
}

static void reset(struct e1000 *e, uint64_t now)
{
	if (e->resets++ < RESET_LOGS_MAX)
		log_warn("%s: sends nothing any more; it is reset", e->nic.name);
	e1000_rings_stop(e);
	e1000_reset_begin(e);
	e->reset_until_ns = now + RESET_TIME;
	e->poll_ns = RESET_POLL;
}

static void reset_go_on(struct e1000 *e, uint64_t now)
{
	enum status s = e1000_reset_end(e, now >= e->reset_until_ns);

	if (s == ERR_AGAIN)
		return;
	e->reset_until_ns = 0;
	if (s == OK)
		begin(e);
	else
		vanish(e, "does not come out of its reset");
}

static void keep_house(struct e1000 *e, uint64_t now)
{
	e->housekeeping_ns = now + HOUSEKEEPING;
	look_at_link(e);
	if (e->gone)
		return;
	e1000_count_errors(e);
	/* Without a link frames wait as long as that lasts. */
	if (e1000_tx_stuck(e, now, STUCK_TIME) && e->nic.link)
		reset(e, now);
	else if (!e->nic.link)
		e->tx_seen_ns = now;
}

static void tick(struct timer *t)
{
	struct e1000 *e = container_of(t, struct e1000, timer);
	uint64_t now = time_now_ns();

	if (e->reset_until_ns)
		reset_go_on(e, now);
	else
		serve(e);
	if (!e->gone && !e->reset_until_ns && now >= e->housekeeping_ns)
		keep_house(e, now);
	if (!e->gone)
		arm(e, now);
}

void e1000_interrupt(void *arg)
{
	struct e1000 *e = arg;

	if (e->gone || e->reset_until_ns)
		return;
	e1000_write(e, E1000_IMC, INT_ALL);
	serve(e);
	if (!e->gone)
		arm(e, time_now_ns());
}

static void start(struct nic *n)
{
	struct e1000 *e = container_of(n, struct e1000, nic);
	uint64_t now = time_now_ns();

	begin(e);
	e->housekeeping_ns = now;
	arm(e, now);
}

const struct nic_ops e1000_ops = {e1000_transmit, e1000_flush, start};

static enum status reset_and_wait(struct e1000 *e)
{
	uint64_t until = time_now_ns() + RESET_TIME;
	enum status s;

	e1000_reset_begin(e);
	do {
		delay_us(RESET_POLL / US);
		s = e1000_reset_end(e, time_now_ns() >= until);
	} while (s == ERR_AGAIN);
	return s;
}

enum status e1000_init(struct e1000 *e)
{
	enum status s = reset_and_wait(e);

	e->nic.ops = &e1000_ops;
	e->nic.mtu = E1000_MTU;
	timer_init(&e->timer, tick);
	if (s == OK)
		s = e1000_read_mac(e, e->nic.mac);
	if (s == OK)
		s = e1000_rings_alloc(e);
	if (s != OK)
		return s;
	e1000_mac_init(e);
	return e1000_link(e, &e->nic.link) ? OK : ERR_NOENT;
}
