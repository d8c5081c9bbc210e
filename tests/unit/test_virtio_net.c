/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/virtio_net*.c: a driver's rings on one side, a switch with a plain port on the other; and drivers that misbehave. */
#include "fake_vm.h"
#include "fake_net.h"
#include "fake_pci.h"
#include "fake_transport.h"

#include "hv/vdev/virtio_net.h"

#define RAM             0x100000
#define QUEUE           0x4000 /* bytes between the rings of two queues: descriptors, 0x1000 available, 0x2000 used */
#define BUFFERS         0x40000
#define SIZE            256
#define RX              0
#define TX              1
#define CTRL            2
#define HDR             sizeof(struct virtio_net_hdr)
#define STATUS_REGISTER 0x14 /* of the common structure, which is the first */
#define PLAIN           VIRTIO_NET_F_MAC
#define ALL                                                                                                  \
	(PLAIN | VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 |                     \
	 VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_MRG_RXBUF | VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_STATUS)

static const uint8_t mac[ETH_ADDRESS] = {2, 0, 0, 0, 0, 1}, peer_mac[ETH_ADDRESS] = {2, 0, 0, 0, 0, 2};

static struct net_switch sw;
static struct virtio_net *net;
static struct vm *loaded;

/* The other port: what it got last. */
static struct switch_port peer;
static unsigned got;
static struct net_packet got_packet;
static uint8_t got_bytes[NET_PACKET_MAX];
static void (*while_sent)(void);

struct vm *vm_enter_address_space(struct vm *vm)
{
	struct vm *was = loaded;

	loaded = vm;
	return was;
}

static void peer_receives(struct switch_port *port, const struct net_packet *p, unsigned n)
{
	got += n;
	got_packet = p[n - 1];
	net_packet_copy(&p[n - 1], got_bytes);
	if (while_sent)
		while_sent();
}

static struct vq_used *used(unsigned queue)
{
	return (struct vq_used *)(fake_vm.mem.base + queue * QUEUE + 0x2000);
}

/* Puts one descriptor into the table. */
static void describe(unsigned queue, uint16_t i, uint64_t at, uint32_t len, uint16_t flags, uint16_t next)
{
	uint64_t d[2] = {at, len | (uint64_t)flags << 32 | (uint64_t)next << 48};

	memcpy(fake_vm.mem.base + queue * QUEUE + 16 * i, d, sizeof(d));
}

static void offer(unsigned queue, uint16_t head)
{
	struct vq_avail *avail = (struct vq_avail *)(fake_vm.mem.base + queue * QUEUE + 0x1000);

	avail->ring[avail->idx % SIZE] = head;
	avail->idx++;
}

/* A buffer of one descriptor for the device to write. */
static void offer_rx(uint16_t i, uint32_t len)
{
	describe(RX, i, BUFFERS + i * 0x1000, len, VQ_DESC_WRITE, 0);
	offer(RX, i);
}

static uint8_t *rx_buffer(uint16_t i)
{
	return fake_vm.mem.base + BUFFERS + i * 0x1000;
}

static void notify(unsigned queue)
{
	loaded = &fake_vm;
	virtio_notified(&net->virtio, queue);
	loaded = NULL;
}

static void start(uint64_t features)
{
	virtio_accept(&net->virtio, 0, (uint32_t)features);
	virtio_accept(&net->virtio, 1, VIRTIO_F_VERSION_1 >> 32);
	virtio_set_status(&net->virtio, RUNS & ~VIRTIO_DRIVER_OK);
	set_up_queues(&net->virtio, 3, SIZE, 0, QUEUE);
	virtio_set_status(&net->virtio, RUNS);
	assert_int_equal(virtio_status(&net->virtio), RUNS);
}

static int setup(void **state)
{
	fake_vm_new(1);
	fake_vm.mem = (struct gmem){.base = calloc(1, RAM)};
	assert_int_equal(gmem_add(&fake_vm.mem, 0, RAM, false), OK);
	fake_bus_new();
	sw = (struct net_switch){.mtu = ETH_MTU};
	fake_switch = &sw;
	fake_cfg.vcpus = 1;
	fake_cfg.net_count = 1;
	memcpy(fake_cfg.net[0].mac, mac, ETH_ADDRESS);
	assert_int_equal(virtio_net_init(&fake_vm), OK);
	net = fake_vm.net[0];
	net->virtio.transport = &transport;
	virtio_net_reset(&fake_vm);
	virtio_net_resume(&fake_vm);
	peer = (struct switch_port){.receive = peer_receives};
	memcpy(peer.mac, peer_mac, ETH_ADDRESS);
	assert_int_equal(switch_add(&sw, &peer), OK);
	forget_calls();
	got = 0;
	while_sent = NULL;
	loaded = NULL;
	return 0;
}

static int teardown(void **state)
{
	assert_null(loaded);
	free(fake_vm.mem.base);
	free(net->tx);
	free(net);
	return 0;
}

/* --- sending --- */

/* A packet to the peer in descriptor i's buffer: header and frame, of len bytes. */
static void offer_tx(uint16_t i, const struct virtio_net_hdr *h, uint32_t len)
{
	uint8_t *p = fake_vm.mem.base + BUFFERS + i * 0x1000;

	memcpy(p, h, HDR);
	memcpy(p + HDR, peer_mac, ETH_ADDRESS);
	memcpy(p + HDR + ETH_ADDRESS, mac, ETH_ADDRESS);
	for (uint32_t k = 12; k < len; k++)
		p[HDR + k] = (uint8_t)(k * 3 + i);
	describe(TX, i, BUFFERS + i * 0x1000, HDR + len, 0, 0);
	offer(TX, i);
}

static void test_send(void **state)
{
	struct virtio_net_hdr h = {};

	start(PLAIN);
	for (uint16_t i = 0; i < 3; i++)
		offer_tx(i, &h, 1000);
	notify(TX);
	assert_int_equal(got, 3);
	assert_int_equal(got_packet.len, 1000);
	assert_memory_equal(got_bytes, fake_vm.mem.base + BUFFERS + 2 * 0x1000 + HDR, 1000);
	assert_int_equal(used(TX)->idx, 3);
	assert_int_equal(used_calls[TX], 1);
	assert_int_equal(net->port.stats.tx_packets, 3);
	/* In pieces, wherever they are cut. */
	for (uint32_t cut = 1; cut < HDR + 300; cut += 7) {
		offer_tx(9, &h, 300);
		describe(TX, 9, BUFFERS + 9 * 0x1000, cut, VQ_DESC_NEXT, 10);
		describe(TX, 10, BUFFERS + 9 * 0x1000 + cut, HDR + 300 - cut, 0, 0);
		notify(TX);
		assert_int_equal(got_packet.len, 300);
		assert_memory_equal(got_bytes, fake_vm.mem.base + BUFFERS + 9 * 0x1000 + HDR, 300);
	}
}

/* What a driver may not ask for, or isn't a packet, is lost; the device goes on. */
static void test_send_nonsense(void **state)
{
	static const struct virtio_net_hdr bad[] = {
	    {.flags = VIRTIO_NET_HDR_NEEDS_CSUM, .csum_start = 14, .csum_offset = 4},
	    {.gso_type = NET_GSO_TCPV4, .gso_size = 1000},
	    {.gso_type = 77, .gso_size = 1000},
	};
	struct virtio_net_hdr h = {};
	unsigned n = 0;

	start(PLAIN);
	for (uint16_t i = 0; i < ARRAY_SIZE(bad); i++, n++)
		offer_tx(i, &bad[i], 500);
	offer_tx(3, &h, 13);
	describe(TX, 4, BUFFERS, 5, 0, 0);
	offer(TX, 4);
	offer_tx(5, &h, ETH_MTU + ETH_HEADER + 1);
	describe(TX, 6, 0, 0x20000, 0, 0);
	offer(TX, 6);
	notify(TX);
	assert_int_equal(got, 0);
	assert_int_equal(used(TX)->idx, 7);
	assert_int_equal(net->port.stats.drop[SWITCH_DROP_INVALID], 7);
	assert_int_equal(virtio_status(&net->virtio), RUNS);
	offer_tx(7, &h, 500);
	notify(TX);
	assert_int_equal(got, 1);
	/* A chain that leads out of memory is another matter. */
	describe(TX, 8, RAM, 100, 0, 0);
	offer(TX, 8);
	notify(TX);
	assert_int_equal(virtio_status(&net->virtio), RUNS | VIRTIO_DEVICE_NEEDS_RESET);
}

/* The driver changes the packet while it is on its way: what was checked is what is sent. */
static void forge(void)
{
	memset(fake_vm.mem.base + BUFFERS + HDR, 0xff, 60);
}

static void test_send_changed(void **state)
{
	struct virtio_net_hdr h = {};

	start(PLAIN);
	offer_tx(0, &h, 1000);
	offer_tx(1, &h, 1000);
	while_sent = forge;
	notify(TX);
	assert_memory_equal(got_bytes + ETH_ADDRESS, mac, ETH_ADDRESS);
}

static void fill_again(void)
{
	struct virtio_net_hdr h = {};

	offer_tx((uint16_t)(got % 100), &h, 100);
}

/* A second vCPU offers without end: one notification does bounded work, and a timer goes on. */
static void test_send_without_end(void **state)
{
	start(PLAIN);
	while_sent = fill_again;
	fill_again();
	notify(TX);
	assert_in_range(got, 1, 4 * SWITCH_BATCH);
	assert_true(net->virtio.look.armed);
	while_sent = NULL;
	got = 0;
	fake_run(20000);
	assert_int_equal(got, 1);
	fake_run(2 * VIRTIO_LOOKS * VIRTIO_LOOK_MAX_NS);
	assert_false(net->virtio.look.armed);
}

/* A stream, by what goes through its queue, is looked at more seldom. */
static void test_send_stream(void **state)
{
	struct virtio_net_hdr h = {};

	start(PLAIN);
	for (uint64_t sent = 0; sent < 2 * VIRTIO_LOOK_MAX_NS; sent += VIRTIO_LOOK_NS / 5) {
		fake_now += VIRTIO_LOOK_NS / 5;
		offer_tx((uint16_t)(got % 100), &h, ETH_MTU);
		notify(TX);
	}
	assert_int_equal(net->virtio.queue[TX].look_ns, VIRTIO_LOOK_MAX_NS);
}

/* Packets that follow each other closely are not told of; the last one is sent before a reset all the same. */
static void test_send_before_reset(void **state)
{
	struct virtio_net_hdr h = {};

	start(PLAIN);
	for (uint16_t i = 0; i < 3; i++) {
		fake_now += VIRTIO_LOOK_NS / 2;
		offer_tx(i, &h, 100);
		notify(TX);
	}
	assert_int_equal(fake_vm.virtio_watched, 1);
	offer_tx(3, &h, 100);
	loaded = &fake_vm;
	virtio_pci_write(&net->function.regs, STATUS_REGISTER, 1, 0);
	loaded = NULL;
	assert_int_equal(got, 4);
	assert_int_equal(virtio_status(&net->virtio), 0);
	assert_int_equal(fake_vm.virtio_watched, 0);
}

static bool served[2]; /* RX, TX: while the guest's packets are on their way */

static void note_served(void)
{
	for (unsigned i = RX; i <= TX; i++)
		served[i] = net->virtio.type->is_served(&net->virtio, i);
}

static void test_is_served(void **state)
{
	struct virtio_net_hdr h = {};

	start(PLAIN);
	offer_tx(0, &h, 100);
	while_sent = note_served;
	notify(TX);
	assert_true(served[TX] && !served[RX]);
	note_served();
	assert_false(served[TX]);
}

static void reset_now(void)
{
	virtio_net_reset(&fake_vm);
	assert_int_equal(virtio_status(&net->virtio), RUNS); /* it waits for the chains in flight */
	while_sent = NULL;
}

static void test_reset_in_flight(void **state)
{
	struct virtio_net_hdr h = {};

	start(PLAIN);
	offer_tx(0, &h, 100);
	offer_tx(1, &h, 100);
	while_sent = reset_now;
	notify(TX);
	assert_int_equal(virtio_status(&net->virtio), 0);
	assert_int_equal(used(TX)->idx, 0);
}

/* --- receiving --- */

static uint8_t frame[8 + NET_PACKET_MAX];
static struct frame_run frame_run;

static struct net_packet peer_packet(uint32_t len)
{
	struct net_packet p = {.head = frame + 8, .len = len, .run = &frame_run};

	for (uint32_t i = 0; i < len; i++)
		p.head[i] = (uint8_t)(i * 5);
	memcpy(p.head, mac, ETH_ADDRESS);
	memcpy(p.head + ETH_ADDRESS, peer_mac, ETH_ADDRESS);
	net_store16(p.head + ETH_TYPE, 0x88b5);
	p.head_len = MIN(len, (uint32_t)NET_HEAD);
	p.runs = len > p.head_len;
	frame_run = (struct frame_run){{(uint64_t)p.head + p.head_len}, len - p.head_len};
	return p;
}

static void peer_sends(uint32_t len)
{
	struct net_packet p = peer_packet(len);

	switch_send(&peer, &p, 1);
}

static void test_receive(void **state)
{
	struct virtio_net_hdr h;

	start(PLAIN);
	offer_rx(0, 2000);
	peer_sends(700);
	assert_int_equal(used(RX)->idx, 1);
	assert_int_equal(used(RX)->ring[0].len, HDR + 700);
	memcpy(&h, rx_buffer(0), HDR);
	assert_int_equal(h.num_buffers, 1);
	assert_int_equal(h.flags | h.gso_type, 0);
	assert_memory_equal(rx_buffer(0) + HDR, frame + 8, 700);
	assert_int_equal(used_calls[RX], 1);
	/* Without buffers it is lost; and where they are too small, they are not used up. */
	peer_sends(700);
	offer_rx(1, HDR + 699);
	peer_sends(700);
	assert_int_equal(used(RX)->idx, 1);
	assert_int_equal(net->port.stats.drop[SWITCH_DROP_NO_ROOM], 2);
	peer_sends(699);
	assert_int_equal(used(RX)->idx, 2);
	assert_int_equal(used(RX)->ring[1].id, 1);
	assert_int_equal(net->port.stats.rx_packets, 2);
}

static void test_mergeable(void **state)
{
	struct virtio_net_hdr h;

	start(ALL);
	for (uint16_t i = 0; i < 3; i++)
		offer_rx(i, 512);
	peer_sends(1514);
	/* 500 + 512 + 502: seen at once. One byte less of room, and nothing was. */
	assert_int_equal(used(RX)->idx, 3);
	memcpy(&h, rx_buffer(0), HDR);
	assert_int_equal(h.num_buffers, 3);
	assert_int_equal(used(RX)->ring[0].len, 512);
	assert_int_equal(used(RX)->ring[2].len, 1514 - 500 - 512);
	assert_memory_equal(rx_buffer(0) + HDR, frame + 8, 500);
	assert_memory_equal(rx_buffer(1), frame + 8 + 500, 512);
	assert_memory_equal(rx_buffer(2), frame + 8 + 1012, 502);
	offer_rx(3, 512);
	offer_rx(4, 512);
	peer_sends(1514);
	assert_int_equal(used(RX)->idx, 3);
	offer_rx(5, 512);
	peer_sends(1514);
	assert_int_equal(used(RX)->idx, 6);
	assert_int_equal(used(RX)->ring[3].id, 3);
	/* Too many pieces for any packet; a buffer that has only room for the header. */
	for (uint16_t i = 0; i < 100; i++)
		offer_rx(i % 100, 16);
	peer_sends(1514);
	assert_int_equal(used(RX)->idx, 6);
	assert_int_equal(virtio_status(&net->virtio), RUNS);
}

/* A driver that cuts its buffers into bytes does not have others pay for it without end. */
static void test_pieces(void **state)
{
	const unsigned n = 64;

	start(ALL);
	for (unsigned i = 0; i < 2 * n; i++)
		describe(RX, i, BUFFERS + i * 64, i ? 1 : HDR,
			 VQ_DESC_WRITE | ((i + 1) % n ? VQ_DESC_NEXT : 0), i + 1);
	offer(RX, 0);
	offer(RX, n);
	peer_sends(2 * n - 1);
	assert_int_equal(used(RX)->idx, 2);
	/* It might offer a chain twice, too. */
	offer(RX, 0);
	offer(RX, n);
	offer(RX, n);
	peer_sends(3 * n - 2);
	assert_int_equal(used(RX)->idx, 2);
	assert_int_equal(net->port.stats.drop[SWITCH_DROP_NO_ROOM], 1);
	assert_int_equal(virtio_status(&net->virtio), RUNS);
}

static struct net_packet tcp_packet(uint32_t len)
{
	struct net_packet p = peer_packet(len);

	memset(p.head + ETH_TYPE, 0, 42);
	net_store16(p.head + ETH_TYPE, ETH_TYPE_IPV4);
	p.head[14] = 0x45;
	p.head[23] = 6;
	p.head[46] = 0x50;
	p.needs_csum = true;
	p.csum_start = 34;
	p.csum_offset = 16;
	p.gso_type = NET_GSO_TCPV4;
	p.gso_size = 1000;
	p.hdr_len = 54;
	return p;
}

/* A driver that can takes it as it is; for one that can't it is finished. */
static void test_offload_passed(void **state)
{
	struct net_packet p = tcp_packet(3054);
	struct virtio_net_hdr h;

	start(ALL);
	offer_rx(0, 4000);
	switch_send(&peer, &p, 1);
	memcpy(&h, rx_buffer(0), HDR);
	assert_int_equal(used(RX)->idx, 1);
	assert_int_equal(h.flags, VIRTIO_NET_HDR_NEEDS_CSUM);
	assert_int_equal(h.gso_type, NET_GSO_TCPV4);
	assert_int_equal(h.gso_size, 1000);
	assert_int_equal(h.csum_start, 34);
	assert_int_equal(h.csum_offset, 16);
}

static void test_offload_done(void **state)
{
	struct net_packet p = tcp_packet(3054);
	struct virtio_net_hdr h;

	start(PLAIN);
	for (uint16_t i = 0; i < 4; i++)
		offer_rx(i, 2000);
	switch_send(&peer, &p, 1);
	assert_int_equal(used(RX)->idx, 3);
	for (uint16_t i = 0; i < 3; i++) {
		memcpy(&h, rx_buffer(i), HDR);
		assert_int_equal(h.flags | h.gso_type, 0);
		assert_int_equal(used(RX)->ring[i].len, HDR + 1054);
		assert_memory_equal(rx_buffer(i) + HDR + 54, frame + 8 + 54 + i * 1000, 1000);
		assert_int_not_equal(net_load16(rx_buffer(i) + HDR + 50), 0);
	}
}

static void test_off(void **state)
{
	offer_rx(0, 2000);
	peer_sends(100); /* no driver yet */
	start(PLAIN);
	virtio_net_set_link(net, false);
	assert_int_equal(config_calls, 1);
	assert_int_equal(net->config.status, 0);
	peer_sends(100);
	virtio_net_set_link(net, true);
	virtio_net_pause(&fake_vm);
	peer_sends(100);
	assert_int_equal(net->port.stats.drop[SWITCH_DROP_LINK], 3);
	virtio_net_resume(&fake_vm);
	peer_sends(100);
	assert_int_equal(used(RX)->idx, 1);
	/* A change while it is paused is told afterwards. */
	config_calls = 0;
	virtio_net_pause(&fake_vm);
	virtio_net_set_link(net, false);
	assert_int_equal(config_calls, 0);
	virtio_net_resume(&fake_vm);
	assert_int_equal(config_calls, 1);
}

static void test_control(void **state)
{
	uint8_t *p = fake_vm.mem.base + BUFFERS;

	start(ALL);
	memcpy(p, "\4\0\2\0\xff", 5);
	describe(CTRL, 0, BUFFERS, 4, VQ_DESC_NEXT, 1);
	describe(CTRL, 1, BUFFERS + 4, 1, VQ_DESC_WRITE, 0);
	offer(CTRL, 0);
	notify(CTRL);
	/* There is one pair, and VIRTIO_NET_F_MQ was not offered. */
	assert_int_equal(p[4], 1);
	assert_int_equal(used(CTRL)->ring[0].len, 1);
	assert_int_equal(net->pairs, 1);
	/* Neither a command nor a place for the answer. */
	describe(CTRL, 2, BUFFERS, 1, 0, 0);
	offer(CTRL, 2);
	notify(CTRL);
	assert_int_equal(used(CTRL)->idx, 2);
	assert_int_equal(virtio_status(&net->virtio), RUNS);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(test_send),         CASE(test_send_nonsense),
	    CASE(test_send_changed), CASE(test_send_without_end),
	    CASE(test_send_stream),  CASE(test_send_before_reset),
	    CASE(test_is_served),    CASE(test_reset_in_flight),
	    CASE(test_receive),      CASE(test_mergeable),
	    CASE(test_pieces),       CASE(test_offload_passed),
	    CASE(test_offload_done), CASE(test_off),
	    CASE(test_control),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
