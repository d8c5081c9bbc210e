/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What reading a virtio disk costs, by a driver that does as Linux's: event index, an interrupt by MSI-X, its end by a word in
 * memory where that is offered, many requests with one notification. Without words on the command line: ticks of the time stamp
 * counter for a request, "BENCH name value  what" a line. "exits": reads alone, for whoever counts exits; "depth-32": so many
 * at a time; "twice": double the number.
 */
#include "hv/x86/apic.h"
#include "hv/x86/kvm_para.h"
#include "hv/x86/virtio.h"
#include "hv/x86/virtio_blk.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/pci.h"
#include "tests/guests/lib/virtio.h"

#define SIZE      64
#define KVM_LEAF  0x40000100u
#define BAR_MSIX  1
#define INTERRUPT 0x50
#define MESSAGE   1
#define BUFFERS   0x800000u
#define LEN       4096u
#define SECTORS   (LEN / 512)
#define COPY      512 /* instructions: words of 8 bytes */
#define DEPTH_MAX 32
#define ROUNDS    64
#define READS     1024

static struct virtio_dev dev;
static struct virtio_ring ring;
static struct virtio_blk_header header[DEPTH_MAX];
static uint8_t status[DEPTH_MAX];
static struct virtio_desc table[DEPTH_MAX][3] __attribute__((aligned(16)));
static volatile uint32_t eoi_word __attribute__((aligned(4)));
static unsigned failed;

static void on_interrupt(struct trap *t)
{
	(void)t;
	if (eoi_word & KVM_EOI_PENDING)
		eoi_word = 0;
	else
		GUEST_LAPIC(LAPIC_EOI) = 0;
}

static bool start(void)
{
	if (!virtio_find(&dev, VIRTIO_ID_BLOCK, 0))
		return false;
	guest_set_handler(INTERRUPT, on_interrupt);
	GUEST_LAPIC(LAPIC_SVR) = LAPIC_SVR_ENABLE | 0xff;
	if (cpuid(KVM_LEAF + 1, 0).eax & KVM_FEATURE_PV_EOI)
		wrmsr(MSR_KVM_PV_EOI, (uintptr_t)&eoi_word | KVM_MSR_ENABLE);
	if (!virtio_negotiate(&dev, VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX) ||
	    !virtio_queue_start(&dev, &ring, 0, SIZE))
		return false;
	virtio_set(&dev, VIO_QUEUE_VECTOR, 2, MESSAGE);
	pci_msix_connect(dev.devfn, BAR_MSIX, MESSAGE, INTERRUPT);
	virtio_driver_ok(&dev);
	return true;
}

/* Requests 0 to n - 1 read or write the first n * LEN bytes. */
static void describe(uint32_t type, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t write = type == VIRTIO_BLK_T_IN ? DESC_WRITE : 0;

		header[i] = (struct virtio_blk_header){.type = type, .sector = i * SECTORS};
		table[i][0] = (struct virtio_desc){(uintptr_t)&header[i], sizeof(header[i]), DESC_NEXT, 1};
		table[i][1] = (struct virtio_desc){BUFFERS + i * LEN, LEN, DESC_NEXT | write, 2};
		table[i][2] = (struct virtio_desc){(uintptr_t)&status[i], 1, DESC_WRITE, 0};
		ring.desc[i] = (struct virtio_desc){(uintptr_t)table[i], sizeof(table[i]), DESC_INDIRECT, 0};
	}
}

/* Offers requests 0 to n - 1, and notifies the device if it wants to know. */
static void submit(unsigned n)
{
	uint16_t old = ring.avail.idx;

	for (unsigned i = 0; i < n; i++)
		ring.avail.ring[(uint16_t)(old + i) % SIZE] = i;
	__atomic_store_n(&ring.avail.idx, (uint16_t)(old + n), __ATOMIC_SEQ_CST);
	if ((uint16_t)(old + n - __atomic_load_n(virtio_avail_event(&ring), __ATOMIC_SEQ_CST) - 1) < n)
		virtio_kick(&dev, &ring);
}

/* Takes what is done; the number. The next is to interrupt. */
static unsigned reap(void)
{
	unsigned n = 0;

	do {
		for (; ring.seen != __atomic_load_n(&ring.used.idx, __ATOMIC_ACQUIRE); ring.seen++, n++)
			failed += status[ring.used.elem[ring.seen % SIZE].id] != VIRTIO_BLK_S_OK;
		__atomic_store_n(virtio_used_event(&ring), ring.seen, __ATOMIC_SEQ_CST);
	} while (ring.seen != __atomic_load_n(&ring.used.idx, __ATOMIC_ACQUIRE));
	return n;
}

/* `depth` requests at a time, `count` times. */
static void transfer(unsigned depth, unsigned count)
{
	while (count--) {
		submit(depth);
		for (unsigned left = depth; (left -= reap()) != 0;) {
			cli();
			if (ring.seen == __atomic_load_n(&ring.used.idx, __ATOMIC_ACQUIRE))
				asm volatile("sti\n\thlt" ::: "memory");
			else
				sti();
		}
	}
}

/* Ticks for one request of `depth`, beyond the copy; the least of all rounds. */
static uint64_t cost(unsigned depth)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t begin = rdtsc(), ticks;

		transfer(depth, 1);
		ticks = (rdtsc() - begin) / depth - COPY;
		least = ticks < least ? ticks : least;
	}
	return least;
}

static void figures(void)
{
	guest_printf(
	    "BENCH blk-read     %8lu  a read of 4 KiB of a disk in memory, to its end, beyond the copy\n",
	    cost(1));
	guest_printf("BENCH blk-read-16  %8lu  the same, of 16 with one notification\n", cost(16));
}

void test_main(void)
{
	unsigned depth = guest_cmdline_has("depth-32") ? 32 : 1;

	if (!EXPECT("bench/starts", start()))
		return;
	sti();
	/* So that the disk has frames to read from. */
	describe(VIRTIO_BLK_T_OUT, DEPTH_MAX);
	transfer(DEPTH_MAX, 1);
	describe(VIRTIO_BLK_T_IN, DEPTH_MAX);
	if (guest_cmdline_has("exits"))
		transfer(depth, READS / depth * (guest_cmdline_has("twice") ? 2 : 1));
	else
		figures();
	cli();
	guest_expect_equal("bench/reads", failed, 0);
}
