/* SPDX-License-Identifier: BSD-2-Clause */
/* The data of IDENTIFY DEVICE, checked: see ata_identify.h. */
#include "drivers/ata_identify.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"

/* Words, and what they are about. */
enum {
	WORD_GENERAL = 0,
	WORD_SERIAL = 10,
	WORD_MODEL = 27,
	WORD_CAPABILITIES = 49,
	WORD_SECTORS_28 = 60, /* 2 */
	WORD_MULTIWORD_DMA = 63,
	WORD_COMMANDS_83 = 83, /* and 84: supported; 85 to 87: enabled */
	WORD_COMMANDS_84 = 84,
	WORD_ENABLED_85 = 85,
	WORD_ENABLED_87 = 87,
	WORD_ULTRA_DMA = 88,
	WORD_SECTORS_48 = 100,   /* 4 */
	WORD_SECTOR_SIZE = 106,  /* physical and logical */
	WORD_LOGICAL_SIZE = 117, /* 2; in words */
	WORD_INTEGRITY = 255,
};

#define SERIAL_WORDS      10
#define MODEL_WORDS       20

#define GENERAL_ATAPI     BIT(15)
#define CAPABILITIES_DMA  BIT(8)
#define CAPABILITIES_LBA  BIT(9)
#define DMA_SELECTED      BITS(15, 8)
#define DMA_MODES         BITS(2, 0)
#define COMMANDS_LBA48    BIT(10) /* of words 83, 86 */
#define COMMANDS_FLUSH    BIT(12)
#define COMMANDS_FLUSH_48 BIT(13)
#define COMMANDS_FUA      BIT(6) /* of words 84, 87 */
#define ENABLED_CACHE     BIT(5) /* of word 85 */
#define SIZE_IS_LARGE     BIT(12)
#define SIZE_IS_MULTIPLE  BIT(13)
#define SIZE_MULTIPLE     BITS(3, 0)
#define INTEGRITY_VALID   0xa5u /* its low byte */

#define LOGICAL_MAX       4096u
#define SECTORS_28_MAX    (BIT(28) - 1)
#define SECTORS_48_MAX    (BIT(48) - 1)

/* These say by their two uppermost bits whether the rest means anything. */
static uint16_t valid(const uint16_t *word, unsigned n)
{
	return (word[n] >> 14) == 1 ? word[n] : 0;
}

static uint64_t number(const uint16_t *word, unsigned n, unsigned words)
{
	uint64_t v = 0;

	while (words--)
		v = v << 16 | word[n + words];
	return v;
}

/* ASCII, the first of two characters in the high byte, padded with blanks. What can't be printed becomes a question mark. */
static void text(char *dst, const uint16_t *word, unsigned words)
{
	unsigned n = 0, end = 0;

	for (unsigned i = 0; i < 2 * words; i++) {
		uint8_t c = (uint8_t)(word[i / 2] >> (i % 2 ? 0 : 8));

		if (c == 0)
			break;
		if (c == ' ' && n == 0)
			continue;
		dst[n++] = c < ' ' || c > '~' ? '?' : (char)c;
		if (c != ' ')
			end = n;
	}
	dst[end] = 0;
}

static bool sum_is_right(const uint16_t *word)
{
	uint8_t sum = 0;

	if ((word[WORD_INTEGRITY] & 0xff) != INTEGRITY_VALID)
		return true;
	for (unsigned i = 0; i < ATA_IDENTIFY_WORDS; i++)
		sum = (uint8_t)(sum + word[i] + (word[i] >> 8));
	return sum == 0;
}

static void parse_sizes(const uint16_t *word, struct ata_identity *id)
{
	uint16_t size = valid(word, WORD_SECTOR_SIZE);

	id->logical_size = BLOCK_SECTOR;
	if (size & SIZE_IS_LARGE)
		id->logical_size =
		    (uint32_t)MIN(2 * number(word, WORD_LOGICAL_SIZE, 2), (uint64_t)UINT32_MAX);
	id->physical_size = id->logical_size;
	if (size & SIZE_IS_MULTIPLE)
		id->physical_size <<= size & SIZE_MULTIPLE;
}

static bool logical_size_is_known(uint32_t size)
{
	return size >= BLOCK_SECTOR && size <= LOGICAL_MAX && (size & (size - 1)) == 0;
}

static void parse_commands(const uint16_t *word, struct ata_identity *id)
{
	uint16_t commands = valid(word, WORD_COMMANDS_83), enabled = valid(word, WORD_ENABLED_87);

	id->lba48 = commands & COMMANDS_LBA48;
	id->flush = commands & (id->lba48 ? COMMANDS_FLUSH_48 : COMMANDS_FLUSH);
	id->fua = id->lba48 && (valid(word, WORD_COMMANDS_84) & COMMANDS_FUA);
	/* Where it isn't said, there may be one. */
	id->write_cache = id->flush || !enabled || (word[WORD_ENABLED_85] & ENABLED_CACHE);
}

enum status ata_identify_parse(const uint16_t word[ATA_IDENTIFY_WORDS], struct ata_identity *id)
{
	uint16_t capabilities = word[WORD_CAPABILITIES];
	uint64_t blocks;

	memset(id, 0, sizeof(*id));
	if (!sum_is_right(word))
		return ERR_IO;
	if ((word[WORD_GENERAL] & GENERAL_ATAPI) || !(capabilities & CAPABILITIES_DMA) ||
	    !(capabilities & CAPABILITIES_LBA))
		return ERR_UNSUPPORTED;
	text(id->serial, word + WORD_SERIAL, SERIAL_WORDS);
	text(id->model, word + WORD_MODEL, MODEL_WORDS);
	parse_commands(word, id);
	parse_sizes(word, id);
	if (!logical_size_is_known(id->logical_size))
		return ERR_UNSUPPORTED;
	id->dma_selected = (word[WORD_MULTIWORD_DMA] | word[WORD_ULTRA_DMA]) & DMA_SELECTED;
	id->multiword_dma = word[WORD_MULTIWORD_DMA] & DMA_MODES;
	blocks = id->lba48 ? number(word, WORD_SECTORS_48, 4) : number(word, WORD_SECTORS_28, 2);
	if (blocks == 0 || blocks > (id->lba48 ? SECTORS_48_MAX : SECTORS_28_MAX))
		return ERR_IO;
	id->sectors = blocks * (id->logical_size / BLOCK_SECTOR);
	return OK;
}

bool ata_identity_same(const struct ata_identity *a, const struct ata_identity *b)
{
	return !strcmp(a->serial, b->serial) && !strcmp(a->model, b->model) && a->sectors == b->sectors &&
	       a->logical_size == b->logical_size;
}
