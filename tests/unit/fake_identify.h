/* SPDX-License-Identifier: BSD-2-Clause */
/* What a made-up ATA disk says of itself: the data of IDENTIFY DEVICE (ATA8-ACS). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct fake_identity {
	uint32_t sectors; /* of 512 bytes; below 65536 blocks */
	uint32_t logical; /* bytes of a block */
	bool lba28, no_mode, no_flush, trim;
	bool other_serial, other_model;
};

/* Padded with blanks, the first of two characters in the high byte. */
static inline void fake_identify_text(uint16_t *w, const char *text, unsigned words)
{
	for (unsigned i = 0; i < 2 * words; i++)
		w[i / 2] = (uint16_t)(w[i / 2] << 8 | (*text ? (uint8_t)*text++ : ' '));
}

static inline void fake_identify(uint16_t w[256], const struct fake_identity *id)
{
	uint32_t blocks = id->sectors * 512 / id->logical;
	uint8_t sum = 0;

	memset(w, 0, 512);
	fake_identify_text(w + 10, id->other_serial ? "SERIAL 2" : "  SERIAL 1", 10);
	fake_identify_text(w + 27, id->other_model ? "MODEL" : "MODEL  A\x01 ", 20);
	w[49] = 3 << 8;
	w[60] = (uint16_t)blocks;
	w[63] = 0x07;
	w[88] = id->no_mode ? 0x3f : 0x203f;
	w[83] = (uint16_t)(1 << 14 | (id->lba28 ? 0 : 1 << 10) | (id->no_flush ? 0 : 3 << 12));
	w[84] = 1 << 14 | 1 << 6;
	w[85] = 1 << 5;
	w[87] = 1 << 14;
	w[100] = (uint16_t)blocks;
	if (id->logical != 512) {
		w[106] = 1 << 14 | 1 << 12;
		w[117] = (uint16_t)(id->logical / 2);
	}
	w[169] = id->trim;
	w[255] = 0xa5;
	for (unsigned i = 0; i < 256; i++)
		sum = (uint8_t)(sum + w[i] + (w[i] >> 8));
	w[255] |= (uint16_t)((uint8_t)-sum << 8);
}
