/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers and layouts of VIRTIO 1.2, "Network Device", that both sides have. */
#pragma once

#include <stdint.h>
#include "hv/lib/util.h"

/* Feature bits. */
#define VIRTIO_NET_F_CSUM         BIT(0)
#define VIRTIO_NET_F_GUEST_CSUM   BIT(1)
#define VIRTIO_NET_F_MTU          BIT(3)
#define VIRTIO_NET_F_MAC          BIT(5)
#define VIRTIO_NET_F_GUEST_TSO4   BIT(7)
#define VIRTIO_NET_F_GUEST_TSO6   BIT(8)
#define VIRTIO_NET_F_GUEST_ECN    BIT(9)
#define VIRTIO_NET_F_HOST_TSO4    BIT(11)
#define VIRTIO_NET_F_HOST_TSO6    BIT(12)
#define VIRTIO_NET_F_HOST_ECN     BIT(13)
#define VIRTIO_NET_F_MRG_RXBUF    BIT(15)
#define VIRTIO_NET_F_STATUS       BIT(16)
#define VIRTIO_NET_F_CTRL_VQ      BIT(17)
#define VIRTIO_NET_F_MQ           BIT(22)

#define VIRTIO_NET_S_LINK_UP      1

/* Flags of a packet's header. */
#define VIRTIO_NET_HDR_NEEDS_CSUM 1
#define VIRTIO_NET_HDR_DATA_VALID 2

struct virtio_net_hdr {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
	uint16_t num_buffers;
};
static_assert(sizeof(struct virtio_net_hdr) == 12);

struct virtio_net_config {
	uint8_t mac[6];
	uint16_t status, max_virtqueue_pairs, mtu;
};
static_assert(sizeof(struct virtio_net_config) == 12);
