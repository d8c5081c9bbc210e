/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands and Identify data: see nvme_command.h. */
#include "drivers/nvme_command.h"

#include "hv/lib/string.h"

#define PRP_ALIGN        4 /* "PRP Entry": bits 0 and 1 of an offset are 0 */
#define BLOCK_SHIFT_MIN  9
#define BLOCK_SHIFT_MAX  12
#define FORMATS          16
#define MDTS_BEYOND      12      /* from here on the limit is beyond ours, whatever it is */
#define CAPACITY_MAX     BIT(60) /* bytes: more is a device's mistake */
#define SIZES_MIN(sizes) ((sizes)&0xf)
#define SIZES_MAX(sizes) ((sizes) >> 4)

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* A text of the device, padded with blanks: without those at its ends, and without what is no ASCII text. */
static void text(char out[BLOCK_ID_SIZE], const uint8_t *p, unsigned size)
{
	unsigned n = 0;

	while (size && (p[size - 1] == ' ' || p[size - 1] == 0))
		size--;
	while (size && *p == ' ') {
		p++;
		size--;
	}
	for (; n < size && n < BLOCK_ID_SIZE - 1; n++)
		out[n] = p[n] > ' ' && p[n] <= '~' ? (char)p[n] : (p[n] == ' ' ? ' ' : '?');
	out[n] = 0;
}

bool nvme_controller_parse(struct nvme_controller_id *id, const uint8_t *data)
{
	uint8_t sq = data[NVME_ID_SQES], cq = data[NVME_ID_CQES], mdts = data[NVME_ID_MDTS];
	uint16_t oncs = get16(data + NVME_ID_ONCS);

	text(id->model, data + NVME_ID_MODEL, NVME_ID_MODEL_SIZE);
	text(id->serial, data + NVME_ID_SERIAL, NVME_ID_SERIAL_SIZE);
	id->transfer_max = NVME_TRANSFER_MAX;
	if (mdts && mdts < MDTS_BEYOND)
		id->transfer_max = (uint32_t)MIN(NVME_TRANSFER_MAX, PAGE_SIZE << mdts);
	id->write_cache = data[NVME_ID_VWC] & NVME_VWC_PRESENT;
	id->write_zeroes = oncs & NVME_ONCS_WRITE_ZEROES;
	id->dataset_management = oncs & NVME_ONCS_DATASET;
	return SIZES_MIN(sq) <= NVME_SQES && SIZES_MAX(sq) >= NVME_SQES && SIZES_MIN(cq) <= NVME_CQES &&
	       SIZES_MAX(cq) >= NVME_CQES;
}

static void limits_set(struct block_device *b, const struct nvme_controller_id *id, uint32_t block)
{
	uint32_t blocks_max = NVME_BLOCKS_MAX * (block / BLOCK_SECTOR);

	b->limits = (struct block_limits){
	    .sectors = MIN(id->transfer_max / BLOCK_SECTOR, blocks_max),
	    .runs = NVME_LIST_ENTRIES,
	    .run_align = PRP_ALIGN,
	    .run_joint = PAGE_SIZE,
	    .pa_max = UINT64_MAX,
	    .discard_sectors = id->dataset_management ? NVME_DISCARD_MAX : 0,
	    /* MDTS isn't said to hold for Write Zeroes, but there are controllers that mean it so. */
	    .zeroes_sectors = id->write_zeroes ? MIN(id->transfer_max / BLOCK_SECTOR, blocks_max) : 0,
	};
}

const char *nvme_namespace_parse(struct nvme_format *f, struct block_device *b, uint32_t nsid,
				 const struct nvme_controller_id *id, const uint8_t *data)
{
	uint64_t blocks = get64(data + NVME_NS_SIZE);
	uint32_t format = get32(data + NVME_NS_FORMATS + 4 * (data[NVME_NS_FORMAT] & (FORMATS - 1)));
	uint8_t shift = (uint8_t)(format >> 16), dlfeat = data[NVME_NS_DLFEAT];
	uint32_t together = get16(data + NVME_NS_NPWG) + 1u;

	if (shift < BLOCK_SHIFT_MIN || shift > BLOCK_SHIFT_MAX)
		return "its blocks are not of 512 to 4096 bytes";
	if ((format & 0xffff) != 0 || data[NVME_NS_PROTECTION] & 7)
		return "its blocks have metadata";
	if (blocks == 0 || blocks > CAPACITY_MAX >> shift)
		return "its size is impossible";
	f->nsid = nsid;
	f->block_shift = shift;
	f->zeroes_unmapped = NVME_DLFEAT_READS_ZEROES(dlfeat) && dlfeat & NVME_DLFEAT_WRITE_ZEROES;
	b->sectors = blocks << (shift - BLOCK_SHIFT_MIN);
	b->logical_size = b->physical_size = 1u << shift;
	if (data[NVME_NS_FEATURES] & NVME_NSFEAT_OPTPERF && (together & (together - 1)) == 0)
		b->physical_size = together << shift;
	b->write_cache = id->write_cache;
	b->fua = true;
	b->readonly = data[NVME_NS_ATTRIBUTES] & NVME_NSATTR_PROTECTED;
	limits_set(b, id, b->logical_size);
	return NULL;
}

/*
 * "Physical Region Page Entry and List": the first entry may point anywhere in its page, all others to a page's start. Two
 * pages stand in the command, more in the list.
 */
static bool put_data(struct nvme_command *c, const struct block_request *r, uint64_t *list, hpa_t list_pa)
{
	uint64_t left = (uint64_t)r->sectors * BLOCK_SECTOR;
	uint32_t pages = 0;

	for (uint32_t i = 0; i < r->runs; i++) {
		uint64_t pa = r->run[i].pa.v, end = pa + r->run[i].len;

		if (r->run[i].len > left || pa % PRP_ALIGN || (pages && pa % PAGE_SIZE))
			return false;
		left -= r->run[i].len;
		if (left && end % PAGE_SIZE)
			return false;
		for (; pa < end; pa = ALIGN_DOWN(pa, PAGE_SIZE) + PAGE_SIZE, pages++) {
			if (pages > NVME_LIST_ENTRIES)
				return false;
			if (pages)
				list[pages - 1] = pa;
			else
				c->prp1 = pa;
		}
	}
	if (pages > 1)
		c->prp2 = pages == 2 ? list[0] : list_pa.v;
	return left == 0;
}

static void put_range(struct nvme_command *c, uint64_t start, uint32_t blocks, uint64_t *list, hpa_t list_pa)
{
	const struct nvme_range range = {.blocks = blocks, .start = start};

	memcpy(list, &range, sizeof(range));
	c->prp1 = list_pa.v;
	c->cdw10 = 0; /* ranges, minus 1 */
	c->cdw11 = NVME_CDW11_DEALLOCATE;
}

bool nvme_command_build(struct nvme_command *c, const struct nvme_format *f, const struct block_request *r,
			uint64_t list[NVME_LIST_ENTRIES], hpa_t list_pa)
{
	unsigned shift = f->block_shift - BLOCK_SHIFT_MIN;
	uint64_t start = r->sector >> shift;
	uint32_t blocks = r->sectors >> shift;

	*c = (struct nvme_command){.nsid = f->nsid, .opcode = NVME_FLUSH};
	if (r->op == BLOCK_FLUSH)
		return true;
	if ((r->sector | r->sectors) & ((1u << shift) - 1) || blocks == 0)
		return false;
	if (r->op == BLOCK_DISCARD) {
		c->opcode = NVME_DATASET_MANAGEMENT;
		put_range(c, start, blocks, list, list_pa);
		return true;
	}
	if (blocks > NVME_BLOCKS_MAX)
		return false;
	c->cdw10 = (uint32_t)start;
	c->cdw11 = (uint32_t)(start >> 32);
	c->cdw12 = blocks - 1;
	if (r->op != BLOCK_READ && r->fua)
		c->cdw12 |= NVME_CDW12_FUA;
	if (r->op == BLOCK_WRITE_ZEROES) {
		c->opcode = NVME_WRITE_ZEROES;
		if (r->may_unmap && f->zeroes_unmapped)
			c->cdw12 |= NVME_CDW12_DEALLOCATE;
		return true;
	}
	c->opcode = r->op == BLOCK_WRITE ? NVME_WRITE : NVME_READ;
	return put_data(c, r, list, list_pa);
}

enum status nvme_status(uint16_t status)
{
	if (NVME_STATUS_CODE(status) == 0)
		return OK;
	return NVME_STATUS_CODE(status) == NVME_SC_INVALID_OPCODE ? ERR_UNSUPPORTED : ERR_IO;
}
