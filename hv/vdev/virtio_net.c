/* SPDX-License-Identifier: BSD-2-Clause */
/* What the driver sees of the device beside packets: features, configuration, the control queue; and its life. */
#include "hv/vdev/virtio_net.h"

#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/net.h"
#include "hv/vm.h"
#include "mm/page_alloc.h"

#define DEVICE_ID  1
#define CLASS_CODE 0x020000 /* Ethernet controller */
#define QUEUE_SIZE 1024
#define CTRL_SIZE  16

#define FEATURES                                                                                             \
	(VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_MTU | VIRTIO_NET_F_MAC |                 \
	 VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | VIRTIO_NET_F_GUEST_ECN |                        \
	 VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_HOST_ECN | VIRTIO_NET_F_MRG_RXBUF |  \
	 VIRTIO_NET_F_STATUS | VIRTIO_NET_F_CTRL_VQ)

/* "Control Virtqueue". */
#define CTRL_MQ              4
#define CTRL_MQ_VQ_PAIRS_SET 0
#define CTRL_OK              0
#define CTRL_ERR             1

/* --- the control queue --- */

struct ctrl_command {
	uint8_t class, command;
	uint16_t pairs;
};

static uint8_t obey(struct virtio_net *n, const struct ctrl_command *c)
{
	if (c->class != CTRL_MQ || c->command != CTRL_MQ_VQ_PAIRS_SET ||
	    !virtio_has(&n->virtio, VIRTIO_NET_F_MQ))
		return CTRL_ERR;
	if (!c->pairs || c->pairs > n->config.max_virtqueue_pairs)
		return CTRL_ERR;
	n->pairs = c->pairs;
	return CTRL_OK;
}

/* Carries out one command. False: there is none. */
static bool control_one(struct virtio_net *n, unsigned queue)
{
	const struct gmem *mem = &n->virtio.dev.vm->mem;
	struct vq_chain c = {.seg = n->first, .seg_max = VIRTIO_NET_SEGMENTS};
	struct ctrl_command command = {};
	uint8_t ack;

	if (virtio_take(&n->virtio, queue, &c) != OK)
		return false;
	ack = vq_chain_read(&c, mem, 0, &command, sizeof(command)) == sizeof(command) ? obey(n, &command)
										      : CTRL_ERR;
	virtio_give(&n->virtio, queue, &c, (uint32_t)vq_chain_write(&c, mem, 0, &ack, sizeof(ack)));
	return true;
}

static void control(struct virtio_net *n, unsigned queue)
{
	unsigned done = 0;

	spin_lock(&n->virtio.dev.lock);
	do {
		while (done < CTRL_SIZE && control_one(n, queue))
			done++;
	} while (done < CTRL_SIZE && virtio_listen(&n->virtio, queue));
	virtio_signal(&n->virtio, queue);
	spin_unlock(&n->virtio.dev.lock);
}

/* --- the type --- */

static struct virtio_net *of_virtio(struct virtio *d)
{
	return container_of(d, struct virtio_net, virtio);
}

/* "The controlq is virtqueue 2N, where N is max_virtqueue_pairs if VIRTIO_NET_F_MQ is negotiated, else 1". */
static unsigned control_queue(const struct virtio_net *n)
{
	return virtio_has(&n->virtio, VIRTIO_NET_F_MQ) ? 2u * n->config.max_virtqueue_pairs : 2;
}

static void notified(struct virtio *d, unsigned queue)
{
	struct virtio_net *n = of_virtio(d);

	if (queue == control_queue(n))
		control(n, queue);
	else if (queue % 2)
		virtio_net_send(n, queue / 2);
}

static bool is_served(struct virtio *d, unsigned queue)
{
	const struct virtio_net *n = of_virtio(d);

	return queue % 2 && n->tx[queue / 2].busy;
}

/* Chains that are being sent come back by themselves. */
static void reset(struct virtio *d)
{
	struct virtio_net *n = of_virtio(d);

	n->pairs = 1;
	memset(n->flow, 0, sizeof(n->flow));
}

static const struct virtio_type type = {
    .id = DEVICE_ID, .notified = notified, .is_served = is_served, .reset = reset};

void virtio_net_set_link(struct virtio_net *n, bool up)
{
	struct vdev *dev = &n->virtio.dev;

	spin_lock(&dev->lock);
	n->config.status = up ? VIRTIO_NET_S_LINK_UP : 0;
	n->link_changed = dev->stopped;
	if (!dev->stopped)
		virtio_config_changed(&n->virtio);
	spin_unlock(&dev->lock);
}

/* --- life --- */

/* The device `index` of vm, with its port on the switch, which stay when vm ends. NULL: no memory, or the switch is full. */
static struct virtio_net *make(struct vm *vm, uint32_t index, struct net_switch *sw)
{
	const struct vm_net *cfg = &vm->cfg->net[index];
	struct virtio_net *n = page_alloc_bytes(sizeof(*n));
	uint16_t pairs = (uint16_t)MIN(vm->cfg->vcpus, (uint32_t)VIRTIO_NET_PAIRS);

	if (!n)
		return NULL;
	vdev_init(&n->virtio.dev, vm, "virtio-net");
	memcpy(n->config.mac, cfg->mac, ETH_ADDRESS);
	n->config.status = VIRTIO_NET_S_LINK_UP;
	n->config.max_virtqueue_pairs = pairs;
	n->config.mtu = (uint16_t)sw->mtu;
	n->port.vlan = cfg->vlan;
	n->port.trunk = cfg->trunk;
	n->port.receive = virtio_net_receive;
	memcpy(n->port.mac, cfg->mac, ETH_ADDRESS);
	fmt_snprintf(n->port.name, sizeof(n->port.name), "%s.%u", vm->cfg->name, index);
	n->tx = page_alloc_bytes(pairs * sizeof(*n->tx));
	if (!n->tx || switch_add(sw, &n->port) != OK) {
		if (n->tx)
			page_free_bytes(n->tx, pairs * sizeof(*n->tx));
		page_free_bytes(n, sizeof(*n));
		return NULL;
	}
	return n;
}

/* The lock is never set up anew: others may be about to hand over packets. */
static enum status plug_in(struct virtio_net *n)
{
	uint16_t pairs = n->config.max_virtqueue_pairs;

	spin_lock(&n->virtio.dev.lock);
	virtio_init(&n->virtio, &type, FEATURES | (pairs > 1 ? VIRTIO_NET_F_MQ : 0), n->queue, 2 * pairs + 1,
		    QUEUE_SIZE);
	n->virtio.config = (const uint8_t *)&n->config;
	n->virtio.config_size = sizeof(n->config);
	n->pairs = 1;
	spin_unlock(&n->virtio.dev.lock);
	return virtio_function_add(&n->function, &n->virtio, CLASS_CODE);
}

enum status virtio_net_init(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->cfg->net_count; i++) {
		struct net_switch *sw = net_switch_find(vm->cfg->net[i].index, vm->why, sizeof(vm->why));
		enum status s;

		if (!sw)
			return ERR_NOENT;
		if (!vm->net[i])
			vm->net[i] = make(vm, i, sw);
		if (!vm->net[i])
			return ERR_NOMEM;
		s = plug_in(vm->net[i]);
		if (s != OK)
			return s;
	}
	return OK;
}

void virtio_net_reset(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->cfg->net_count; i++)
		virtio_vm_reset(&vm->net[i]->virtio);
}

void virtio_net_pause(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->cfg->net_count; i++)
		virtio_pause(&vm->net[i]->virtio);
}

void virtio_net_resume(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->cfg->net_count; i++) {
		struct virtio_net *n = vm->net[i];

		virtio_resume(&n->virtio);
		spin_lock(&n->virtio.dev.lock);
		if (n->link_changed)
			virtio_config_changed(&n->virtio);
		n->link_changed = false;
		spin_unlock(&n->virtio.dev.lock);
	}
}
