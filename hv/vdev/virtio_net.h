/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio network device: a port of a switch. virtio_net.c has its description, control queue and life, virtio_net_tx.c
 * what the guest sends, virtio_net_rx.c what it receives. Model: VIRTIO 1.2, "Network Device".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/io/net_packet.h"
#include "hv/io/switch.h"
#include "hv/lib/status.h"
#include "hv/vdev/virtio.h"
#include "hv/vdev/virtio_function.h"
#include "hv/x86/virtio_net.h"

#define VIRTIO_NET_PAIRS    8   /* of queues, the most */
#define VIRTIO_NET_SEGMENTS 256 /* of a chain */
#define VIRTIO_NET_RUNS     512 /* of memory, in a batch */
#define VIRTIO_NET_HEADROOM 16  /* for the packet's header, and then for a tag */
#define VIRTIO_NET_FLOWS    256

/* A batch that is being sent. */
struct virtio_net_tx {
	bool busy; /* a CPU serves the queue: only it touches the rest, and takes chains */
	uint16_t chains, packets;
	struct frame_run *next_run; /* of run, that is free */
	struct vq_used_elem chain[SWITCH_BATCH];
	struct net_packet packet[SWITCH_BATCH];
	uint8_t head[SWITCH_BATCH][VIRTIO_NET_HEADROOM + NET_HEAD];
	struct frame_run run[VIRTIO_NET_RUNS];
	struct vq_segment segment[VIRTIO_NET_SEGMENTS];
};

struct virtio_net {
	struct virtio virtio; /* its lock guards what follows */
	struct virtio_function function;
	struct virtqueue queue[2 * VIRTIO_NET_PAIRS + 1];
	struct switch_port port;
	struct virtio_net_config config;
	bool link_changed;        /* while it was stopped */
	uint16_t pairs;           /* that the driver uses */
	struct virtio_net_tx *tx; /* by pair, config.max_virtqueue_pairs of them */

	/* Receiving: segments of the first chain and of another one; a frame made in software; where flows are sent from. */
	struct vq_segment first[VIRTIO_NET_SEGMENTS], other[VIRTIO_NET_SEGMENTS];
	uint8_t frame[ETH_MTU_MAX + ETH_HEADER + ETH_TAG];
	uint8_t flow[VIRTIO_NET_FLOWS];
};

/* The queues of a pair. */
static inline unsigned virtio_net_rxq(unsigned pair)
{
	return 2 * pair;
}

static inline unsigned virtio_net_txq(unsigned pair)
{
	return 2 * pair + 1;
}

/* Those that vm's configuration names, on its PCI bus. ERR_NOENT: vm->why says what isn't there. */
enum status virtio_net_init(struct vm *vm);
void virtio_net_reset(struct vm *vm);
void virtio_net_pause(struct vm *vm);
void virtio_net_resume(struct vm *vm);
/* Plugs the cable in or out. Any CPU. */
void virtio_net_set_link(struct virtio_net *n, bool up);

/* Sends what waits in this pair's queue. The VM's address space is loaded, the lock not held. */
void virtio_net_send(struct virtio_net *n, unsigned pair);
/* switch_port.receive */
void virtio_net_receive(struct switch_port *port, const struct net_packet *p, unsigned n);
