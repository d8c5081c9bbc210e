/* SPDX-License-Identifier: BSD-2-Clause */
/* From descriptors to checked segments, and copies from and to these. Rings are virtqueue.c's. */
#include "hv/vdev/vq_chain.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"

/* "Drivers MUST NOT add a descriptor chain longer than 2^32 bytes in total". */
#define CHAIN_LEN_MAX GIB(4)

/* The table in force: the queue's own, or the indirect one. */
struct table {
	const void *at;
	uint32_t entries;
};

static enum status enter_indirect(struct table *t, const struct gmem *m, const struct vq_desc *d)
{
	/* The flag that the table is for the device to write means nothing here. */
	if ((d->flags & VQ_DESC_NEXT) || !d->len || d->len % VQ_DESC_SIZE)
		return ERR_INVAL;
	t->at = gpa_range(m, gpa(d->addr), d->len, false);
	t->entries = d->len / VQ_DESC_SIZE;
	return t->at ? OK : ERR_RANGE;
}

/* What the device may read ends before seg. */
static void end_readable(struct vq_chain *c, const struct vq_segment *seg, uint64_t len)
{
	c->readable = (uint16_t)(seg - c->seg);
	c->readable_len = len;
}

enum status vq_chain_walk(struct vq_chain *c, const struct gmem *m, const void *table, uint32_t size,
			  uint16_t head, bool indirect)
{
	struct table t = {.at = table, .entries = size};
	struct vq_segment *seg = c->seg;
	const struct vq_segment *end = seg + MIN(size, (uint32_t)c->seg_max);
	struct vq_desc d = vq_desc_fetch(table, head);
	bool write = false;
	uint64_t len = 0;

	c->head = head;
	for (;;) {
		if (d.flags & VQ_DESC_INDIRECT) {
			enum status s = indirect ? enter_indirect(&t, m, &d) : ERR_INVAL;

			if (s != OK)
				return s;
			indirect = false; /* there is none within one */
			d = vq_desc_fetch(t.at, 0);
			continue;
		}
		if (seg == end)
			return ERR_INVAL;
		if (!(d.flags & VQ_DESC_WRITE)) {
			if (write)
				return ERR_INVAL;
		} else if (!write) {
			write = true;
			end_readable(c, seg, len);
		}
		if (!gpa_is_memory(m, gpa(d.addr), d.len, write))
			return d.len ? ERR_RANGE : ERR_INVAL;
		*seg++ = (struct vq_segment){.at = gpa(d.addr), .len = d.len};
		len += d.len;
		if (!(d.flags & VQ_DESC_NEXT))
			break;
		if (d.next >= t.entries)
			return ERR_INVAL;
		d = vq_desc_fetch(t.at, d.next);
	}
	if (!write)
		end_readable(c, seg, len);
	c->count = (uint16_t)(seg - c->seg);
	c->writable_len = len - c->readable_len;
	return len <= CHAIN_LEN_MAX ? OK : ERR_INVAL;
}

/* The next piece of segments i to end that holds `offset`, cut to n bytes. NULL: there is none. */
static uint8_t *piece(const struct vq_chain *c, const struct gmem *m, uint32_t *i, uint32_t end,
		      uint64_t *offset, size_t n, size_t *len)
{
	for (; *i < end && *offset >= c->seg[*i].len; ++*i)
		*offset -= c->seg[*i].len;
	if (*i == end || !n)
		return NULL;
	*len = MIN(n, (size_t)(c->seg[*i].len - *offset));
	return vq_segment_ptr(m, &c->seg[*i]) + *offset;
}

size_t vq_chain_read(const struct vq_chain *c, const struct gmem *m, uint64_t offset, void *dst, size_t n)
{
	size_t done = 0, len = 0;
	const uint8_t *from;

	for (uint32_t i = 0; (from = piece(c, m, &i, c->readable, &offset, n - done, &len));) {
		memcpy((uint8_t *)dst + done, from, len);
		done += len;
		offset += len;
	}
	return done;
}

size_t vq_chain_write(const struct vq_chain *c, const struct gmem *m, uint64_t offset, const void *src,
		      size_t n)
{
	size_t done = 0, len = 0;
	uint8_t *to;

	for (uint32_t i = c->readable; (to = piece(c, m, &i, c->count, &offset, n - done, &len));) {
		memcpy(to, (const uint8_t *)src + done, len);
		done += len;
		offset += len;
	}
	return done;
}
