/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and layouts of VIRTIO 1.2, "Block Device", that both sides have. */
#pragma once

#include <stdint.h>
#include "hv/lib/util.h"

#define VIRTIO_BLK_F_SIZE_MAX     BIT(1)
#define VIRTIO_BLK_F_SEG_MAX      BIT(2)
#define VIRTIO_BLK_F_RO           BIT(5)
#define VIRTIO_BLK_F_BLK_SIZE     BIT(6)
#define VIRTIO_BLK_F_FLUSH        BIT(9)
#define VIRTIO_BLK_F_TOPOLOGY     BIT(10)
#define VIRTIO_BLK_F_MQ           BIT(12)
#define VIRTIO_BLK_F_DISCARD      BIT(13)
#define VIRTIO_BLK_F_WRITE_ZEROES BIT(14)

/* type of a request */
#define VIRTIO_BLK_T_IN           0
#define VIRTIO_BLK_T_OUT          1
#define VIRTIO_BLK_T_FLUSH        4
#define VIRTIO_BLK_T_GET_ID       8
#define VIRTIO_BLK_T_DISCARD      11
#define VIRTIO_BLK_T_WRITE_ZEROES 13

/* the byte at a request's end */
#define VIRTIO_BLK_S_OK           0
#define VIRTIO_BLK_S_IOERR        1
#define VIRTIO_BLK_S_UNSUPP       2

#define VIRTIO_BLK_ID_BYTES       20

/* struct virtio_blk_range */
#define VIRTIO_BLK_RANGE_UNMAP    BIT(0)

struct virtio_blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};
static_assert(sizeof(struct virtio_blk_header) == 16);

/* Of a discard, or a write of zeroes. */
struct virtio_blk_range {
	uint64_t sector;
	uint32_t sectors, flags;
};
static_assert(sizeof(struct virtio_blk_range) == 16);

struct virtio_blk_config {
	uint64_t capacity; /* in sectors of 512 bytes */
	uint32_t size_max; /* bytes of one segment */
	uint32_t seg_max;  /* segments of data in a request */
	uint16_t cylinders;
	uint8_t heads, sectors_per_track;
	uint32_t blk_size;
	uint8_t physical_block_exp; /* blk_size << this is a physical block */
	uint8_t alignment_offset;
	uint16_t min_io_size;
	uint32_t opt_io_size;
	uint8_t writeback;
	uint8_t unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors, max_discard_seg;
	uint32_t discard_sector_alignment;
	uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap;
	uint8_t unused1[3];
};
static_assert(offsetof(struct virtio_blk_config, num_queues) == 34 && sizeof(struct virtio_blk_config) == 64);
