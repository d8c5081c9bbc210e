/* SPDX-License-Identifier: BSD-2-Clause */
/* Intel's gigabit cards without their rings: reset, address, link, error counters. */
#include "drivers/e1000_private.h"

#include "hv/lib/string.h"

#define GONE           0xffffffffu /* what is read where nothing answers */
#define QUIET_POLLS    1000        /* reads of a register, each far above 100 ns */
#define EERD_POLLS     1000
#define EEPROM_ADDRESS 0 /* three words, low bytes first */

void e1000_reset_begin(struct e1000 *e)
{
	uint32_t ctrl = e1000_read(e, E1000_CTRL);

	e1000_write(e, E1000_IMC, INT_ALL);
	e1000_write(e, E1000_RCTL, 0);
	e1000_write(e, E1000_TCTL, (uint32_t)TCTL_PSP);
	/* 82574, "Master Disable": a reset amid a request would hang the bus. */
	if (e->model->master_disable) {
		ctrl |= (uint32_t)CTRL_MASTER_DISABLE;
		e1000_write(e, E1000_CTRL, ctrl);
		for (unsigned i = 0; i < QUIET_POLLS && (e1000_read(e, E1000_STATUS) & STATUS_MASTER); i++)
			;
	}
	e1000_write(e, E1000_CTRL, ctrl | (uint32_t)CTRL_RST);
}

enum status e1000_reset_end(const struct e1000 *e, bool time_is_over)
{
	bool resetting = e1000_read(e, E1000_CTRL) & CTRL_RST;

	/* The address is there once the EEPROM has been read; Bochs' card leaves that to its driver. */
	if (!time_is_over)
		return !resetting && (e1000_read(e, E1000_RAH) & RAH_AV) ? OK : ERR_AGAIN;
	return resetting ? ERR_TIMEOUT : OK;
}

static enum status eeprom_read(const struct e1000 *e, uint32_t word, uint16_t *value)
{
	e1000_write(e, E1000_EERD, (uint32_t)EERD_START | word << e->model->eerd_address);
	for (unsigned i = 0; i < EERD_POLLS; i++) {
		uint32_t eerd = e1000_read(e, E1000_EERD);

		if (eerd & BIT(e->model->eerd_done)) {
			*value = eerd >> EERD_DATA_SHIFT;
			return OK;
		}
	}
	return ERR_TIMEOUT;
}

static bool mac_is_valid(const uint8_t mac[ETH_ADDRESS])
{
	static const uint8_t none[ETH_ADDRESS];

	return !(mac[0] & 1) && memcmp(mac, none, ETH_ADDRESS) != 0;
}

enum status e1000_read_mac(const struct e1000 *e, uint8_t mac[ETH_ADDRESS])
{
	uint32_t low = e1000_read(e, E1000_RAL), high = e1000_read(e, E1000_RAH);
	uint16_t word[ETH_ADDRESS / 2] = {low & 0xffff, low >> 16, high & 0xffff};

	if (!(high & RAH_AV)) {
		for (uint32_t i = 0; i < ARRAY_SIZE(word); i++) {
			enum status s = eeprom_read(e, EEPROM_ADDRESS + i, &word[i]);

			if (s != OK)
				return s;
		}
	}
	for (unsigned i = 0; i < ETH_ADDRESS; i++)
		mac[i] = (uint8_t)(word[i / 2] >> 8 * (i % 2));
	return mac_is_valid(mac) ? OK : ERR_IO;
}

void e1000_mac_init(const struct e1000 *e)
{
	const uint8_t *mac = e->nic.mac;
	uint32_t ctrl = e1000_read(e, E1000_CTRL);

	e1000_write(e, E1000_IMC, INT_ALL);
	(void)e1000_read(e, E1000_ICR);
	/* The link comes up as the other end likes; no pausing, because one that is slow must not hold up all. */
	ctrl &= ~(uint32_t)(CTRL_LRST | CTRL_ILOS | CTRL_FRCSPD | CTRL_FRCDPLX | CTRL_RST | CTRL_RFCE |
			    CTRL_TFCE | CTRL_VME | CTRL_PHY_RST | CTRL_MASTER_DISABLE);
	e1000_write(e, E1000_CTRL, ctrl | (uint32_t)(CTRL_FD | CTRL_ASDE | CTRL_SLU));
	e1000_write(e, E1000_FCAL, 0);
	e1000_write(e, E1000_FCAH, 0);
	e1000_write(e, E1000_FCT, 0);
	e1000_write(e, E1000_FCTTV, 0);
	e1000_write(e, E1000_RAL,
		    (uint32_t)mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 |
			(uint32_t)mac[3] << 24);
	e1000_write(e, E1000_RAH, (uint32_t)mac[4] | (uint32_t)mac[5] << 8 | (uint32_t)RAH_AV);
	for (uint32_t i = 1; i < E1000_RA_COUNT; i++) {
		e1000_write(e, E1000_RAL + 8 * i, 0);
		e1000_write(e, E1000_RAH + 8 * i, 0);
	}
	for (uint32_t i = 0; i < E1000_MTA_COUNT; i++)
		e1000_write(e, E1000_MTA + 4 * i, 0);
}

bool e1000_link(const struct e1000 *e, bool *up)
{
	uint32_t status = e1000_read(e, E1000_STATUS);

	*up = status != GONE && (status & STATUS_LU);
	return status != GONE;
}

void e1000_count_errors(struct e1000 *e)
{
	struct nic_stats *s = &e->nic.stats;
	uint64_t collisions;

	s->rx_dropped += e1000_read(e, E1000_MPC);
	s->rx_errors +=
	    (uint64_t)e1000_read(e, E1000_CRCERRS) + e1000_read(e, E1000_RXERRC) + e1000_read(e, E1000_RLEC);
	collisions = (uint64_t)e1000_read(e, E1000_ECOL) + e1000_read(e, E1000_LATECOL);
	spin_lock(&e->tx_lock);
	s->tx_errors += collisions;
	spin_unlock(&e->tx_lock);
}
