/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One chain of descriptors of a split virtqueue, as the device sees it: checked pieces of guest memory, first those to
 * read, then those to write. Model: Virtual I/O Device (VIRTIO) 1.2, "The Virtqueue Descriptor Table", "Indirect
 * Descriptors".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hv/lib/status.h"
#include "hv/lib/types.h"
#include "hv/x86/virtio.h"
#include "mm/gpa.h"

struct vq_segment {
	gpa_t at;
	uint32_t
	    len; /* bytes, not 0; all of them are RAM of the guest, or at least memory where the device reads */
};

/* Where its bytes are, in the VM's host address space: as gpa_range, which has been asked. */
static inline uint8_t *vq_segment_ptr(const struct gmem *m, const struct vq_segment *s)
{
	return m->base + s->at.v;
}

struct vq_chain {
	struct vq_segment *seg; /* the owner's array */
	uint16_t seg_max;       /* its length: longer chains break the queue */
	uint16_t count;         /* how many there are, the first `readable` of them for the device to read */
	uint16_t readable;
	uint16_t head;         /* the first descriptor's index. A hostile guest may offer one twice */
	uint64_t readable_len; /* bytes, of all together at most 4 GiB */
	uint64_t writable_len;
};

/* Once, in two loads: the guest may write meanwhile. An indirect table need not be aligned. */
static inline struct vq_desc vq_desc_fetch(const void *table, uint32_t index)
{
	const volatile gpa_unaligned64 *p = (const gpa_unaligned64 *)table + index * 2;
	uint64_t addr = p[0], rest = p[1];

	return (struct vq_desc){.addr = addr, .len = (uint32_t)rest, .flags = rest >> 32, .next = rest >> 48};
}

/*
 * Follows the chain that begins at descriptor `head`, below `size`, of the table of `size` descriptors, and fills c. Each
 * descriptor is fetched once. indirect: VIRTIO_F_INDIRECT_DESC was negotiated. ERR_INVAL: the chain is longer than `size`
 * or c->seg_max (as one that loops is), or against the rules; ERR_RANGE: a part of it is not RAM; c is then of no use.
 */
enum status vq_chain_walk(struct vq_chain *c, const struct gmem *m, const void *table, uint32_t size,
			  uint16_t head, bool indirect);

/*
 * Copies up to n bytes from `offset` on of what is there to read, or to `offset` of what is there to write, whatever
 * segments they lie in. Returns how many there were, in bytes.
 */
size_t vq_chain_read(const struct vq_chain *c, const struct gmem *m, uint64_t offset, void *dst, size_t n);
size_t vq_chain_write(const struct vq_chain *c, const struct gmem *m, uint64_t offset, const void *src,
		      size_t n);

/* Where the first n bytes to read are, if they are in one segment; else NULL. n > 0. As vq_segment_ptr. */
static inline const uint8_t *vq_chain_readable(const struct vq_chain *c, const struct gmem *m, size_t n)
{
	return c->readable && c->seg[0].len >= n ? vq_segment_ptr(m, &c->seg[0]) : NULL;
}
