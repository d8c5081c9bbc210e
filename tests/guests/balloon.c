/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that gives pages of its 32 MiB away: what it reads there then, by itself, by devices and by instructions that are
 * emulated; and gives what it must not. It has a disk of 1 MiB and an entropy device. "starve" on the command line: gives much,
 * waits for a key, and touches it.
 */
#include "hv/x86/insn.h"
#include "tests/guests/lib/guest.h"
#include "tests/guests/lib/smp.h"
#include "tests/guests/lib/virtio.h"

#define TYPE_BLK     2
#define TYPE_RNG     4
#define TYPE_BALLOON 5
#define STATS        (1u << 1)

#define PAGE         4096u
#define POOL         0x800000u /* from here on memory is nobody's: 16 MiB */
#define POOL_PAGES   4096u
#define LARGE        512u /* pages of a large one */
#define SIZE         8
#define SECTOR       512u
#define MANY         65536u

enum { INFLATE, DEFLATE, STATS_QUEUE, QUEUES };

static struct virtio_dev dev, disk, rng;
static struct virtio_ring ring[QUEUES], disk_ring, rng_ring;
static uint32_t numbers[MANY];
static struct {
	uint32_t type, reserved;
	uint64_t sector;
} header;
static uint8_t status;

static volatile uint64_t *page(uint32_t n)
{
	return (volatile uint64_t *)(uintptr_t)(POOL + n * PAGE);
}

static uint32_t number_of(uint32_t n)
{
	return POOL / PAGE + n;
}

static void fill(uint32_t first, uint32_t n, uint64_t with)
{
	for (uint32_t p = first; p < first + n; p++)
		for (unsigned i = 0; i < PAGE / 8; i++)
			page(p)[i] = with + p;
}

/* Pages that are not as fill(…, with) left them; with 0: that are not zeros. */
static unsigned spoiled(uint32_t first, uint32_t n, uint64_t with)
{
	unsigned bad = 0;

	for (uint32_t p = first; p < first + n; p++) {
		bool good = true;

		for (unsigned i = 0; i < PAGE / 8; i++)
			good &= page(p)[i] == (with ? with + p : 0);
		bad += !good;
	}
	return bad;
}

static bool answered(struct virtio_ring *r)
{
	uint32_t id, len;

	return virtio_wait(r, &id, &len);
}

/* Offers one buffer and waits for its return. */
static bool give(struct virtio_ring *r, uint64_t at, uint32_t len, uint16_t flags)
{
	r->desc[0] = (struct virtio_desc){at, len, flags, 0};
	virtio_offer(r, 0);
	virtio_kick(&dev, r);
	return answered(r);
}

static bool inflate(unsigned n)
{
	return give(&ring[INFLATE], (uintptr_t)numbers, n * sizeof(numbers[0]), 0);
}

static bool inflate_one(uint32_t n)
{
	numbers[0] = number_of(n);
	return inflate(1);
}

static bool start(uint64_t features)
{
	uint64_t got = virtio_negotiate(&dev, features);

	if ((got & features) != features)
		return false;
	for (unsigned i = 0; i < QUEUES; i++)
		if (!virtio_queue_start(&dev, &ring[i], i, SIZE))
			return false;
	virtio_driver_ok(&dev);
	return true;
}

static bool start_one(struct virtio_dev *d, struct virtio_ring *r, uint16_t type)
{
	if (!virtio_find(d, type, 0) || !virtio_negotiate(d, 1u << 28) || !virtio_queue_start(d, r, 0, SIZE))
		return false;
	virtio_driver_ok(d);
	return true;
}

/* Does it still do what it is there for? */
static void works(const char *name)
{
	fill(3, 1, 0x77);
	EXPECT(name, inflate_one(3) && spoiled(3, 1, 0) == 0);
}

/* --- pages --- */

static void check_one(void)
{
	fill(0, 8, 0x1000);
	EXPECT("balloon/given", inflate_one(4));
	guest_expect_equal("balloon/comes-back-zeroed", spoiled(4, 1, 0), 0);
	guest_expect_equal("balloon/nothing-beside", spoiled(0, 4, 0x1000) + spoiled(5, 3, 0x1000), 0);
	fill(4, 1, 0x2000);
	guest_expect_equal("balloon/is-memory-again", spoiled(4, 1, 0x2000), 0);
	EXPECT("balloon/given-again", inflate_one(4));
	page(4)[7] = 7;
	EXPECT("balloon/written-first", page(4)[7] == 7 && page(4)[6] == 0 && page(4)[8] == 0);
}

/* Whole large pages, and every other page of one. */
static void check_many(void)
{
	unsigned bad = 0;

	fill(0, 4 * LARGE, 0x3000);
	for (uint32_t i = 0; i < LARGE; i++) {
		numbers[i] = number_of(LARGE + i);
		numbers[LARGE + i] = number_of(2 * LARGE + i / 2 * 2);
	}
	EXPECT("balloon/many", inflate(2 * LARGE));
	for (uint32_t i = 0; i < LARGE; i++)
		bad += spoiled(2 * LARGE + i, 1, i % 2 ? 0x3000 : 0);
	guest_expect_equal("balloon/every-other", bad, 0);
	guest_expect_equal("balloon/a-large-page", spoiled(LARGE, LARGE, 0), 0);
	guest_expect_equal("balloon/beside-large-pages",
			   spoiled(0, LARGE, 0x3000) + spoiled(3 * LARGE, LARGE, 0x3000), 0);
}

/* What is executed in a page that comes back as zeros, up to a RET behind it. */
static void check_code(void)
{
	uint64_t at = POOL + 8 * PAGE, scratch = 0;

	EXPECT("balloon/code-given", inflate_one(8));
	*(volatile uint8_t *)(uintptr_t)(at + PAGE) = 0xc3;
	/* Zeros are ADD [RAX], AL. */
	asm volatile("call *%1" : : "a"(&scratch), "r"(at) : "memory", "cc");
	EXPECT("balloon/code-is-zeros", spoiled(8, 1, 0) == 0);
}

/* CR2 is the guest's, whatever the host had to do meanwhile. */
static void check_string_io(void)
{
	uint64_t from = POOL + 5 * PAGE - 16, n = 32, cr2;

	fill(4, 2, 0x2020202020202020 - 4);
	EXPECT("balloon/string-given", inflate_one(5));
	write_cr2(0x123456789000);
	asm volatile("rep insb" : "+D"(from), "+c"(n) : "d"(0x21) : "memory");
	cr2 = read_cr2();
	EXPECT("balloon/string-input", page(5)[0] != 0 && page(5)[2] == 0);
	guest_expect_equal("balloon/cr2", cr2, 0x123456789000);
	EXPECT("balloon/string-given-again", inflate_one(5));
	from = POOL + 5 * PAGE;
	n = 4;
	asm volatile("rep outsb" : "+S"(from), "+c"(n) : "d"(0x80) : "memory");
	guest_expect_equal("balloon/string-output", spoiled(5, 1, 0), 0);
}

/* --- other devices' buffers --- */

static uint8_t disk_request(uint32_t type, uint64_t at, uint32_t len)
{
	header.type = type;
	header.sector = 0;
	status = 0xee;
	disk_ring.desc[0] = (struct virtio_desc){(uintptr_t)&header, sizeof(header), DESC_NEXT, 1};
	disk_ring.desc[1] = (struct virtio_desc){at, len, DESC_NEXT | (type ? 0 : DESC_WRITE), 2};
	disk_ring.desc[2] = (struct virtio_desc){(uintptr_t)&status, 1, DESC_WRITE, 0};
	virtio_offer(&disk_ring, 0);
	virtio_kick(&disk, &disk_ring);
	return answered(&disk_ring) ? status : 0xee;
}

static void check_disk(void)
{
	fill(16, 4, 0x4000);
	guest_expect_equal("balloon/disk-write", disk_request(1, POOL + 16 * PAGE, 4 * PAGE), 0);
	for (unsigned i = 0; i < 3; i++)
		numbers[i] = number_of(17 + i);
	EXPECT("balloon/disk-given", inflate(3));
	guest_expect_equal("balloon/disk-read", disk_request(0, POOL + 16 * PAGE, 4 * PAGE), 0);
	guest_expect_equal("balloon/disk-data", spoiled(16, 4, 0x4000), 0);
	EXPECT("balloon/disk-given-again", inflate(3));
	guest_expect_equal("balloon/disk-write-absent", disk_request(1, POOL + 16 * PAGE, 4 * PAGE), 0);
	fill(16, 4, 0x5000);
	guest_expect_equal("balloon/disk-read-back", disk_request(0, POOL + 16 * PAGE, 4 * PAGE), 0);
	guest_expect_equal("balloon/disk-absent-is-zeros", spoiled(16, 1, 0x4000) + spoiled(17, 3, 0), 0);
}

static void check_random(void)
{
	EXPECT("balloon/random-given", inflate_one(20));
	rng_ring.desc[0] = (struct virtio_desc){POOL + 20 * PAGE + 64, 64, DESC_WRITE, 0};
	virtio_offer(&rng_ring, 0);
	virtio_kick(&rng, &rng_ring);
	EXPECT("balloon/random", answered(&rng_ring));
	EXPECT("balloon/random-bytes", (page(20)[8] | page(20)[9]) && !page(20)[7] && !page(20)[16]);
}

/* Descriptors in a page that was given: zeros, which are none. */
static void check_descriptors(void)
{
	EXPECT("balloon/table-given", inflate_one(21));
	rng_ring.desc[0] = (struct virtio_desc){POOL + 21 * PAGE, 32, DESC_INDIRECT, 0};
	virtio_offer(&rng_ring, 0);
	virtio_kick(&rng, &rng_ring);
	EXPECT("balloon/table-of-zeros", virtio_get_status(&rng) & VIO_NEEDS_RESET);
	EXPECT("balloon/random-again", start_one(&rng, &rng_ring, TYPE_RNG));
}

/* --- what must not be given --- */

static void check_wrong(void)
{
	static const uint32_t wrong[] = {0xffffffff, 0x7fffffff, 0x100000, 0xfffff, 0xfee00, 0xfec00,
					 0xe0000,    0xa0,       0xc0,     0x2000,  0x1fff};
	unsigned n = 0;

	fill(24, 2, 0x6000);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		numbers[n++] = wrong[i];
	for (unsigned i = 0; i < 5; i++)
		numbers[n++] = number_of(24);
	EXPECT("balloon/wrong", inflate(n));
	guest_expect_equal("balloon/twice", spoiled(24, 1, 0) + spoiled(25, 1, 0x6000), 0);
	for (unsigned i = 0; i < MANY; i++)
		numbers[i] = i % 2 ? number_of(24 + i % 8) : i * 77777u + 0x40000;
	EXPECT("balloon/very-many", inflate(MANY));
	EXPECT("balloon/odd-length", give(&ring[INFLATE], (uintptr_t)numbers, 7, 0));
	EXPECT("balloon/to-write", give(&ring[INFLATE], (uintptr_t)numbers, 64, DESC_WRITE));
	works("balloon/after-wrong");
	/* The array in a page that it gives away itself. */
	for (unsigned i = 0; i < 2 * PAGE / 4; i++)
		((volatile uint32_t *)page(32))[i] = number_of(32 + i / 600);
	EXPECT("balloon/its-own-array", give(&ring[INFLATE], POOL + 32 * PAGE, 2 * PAGE, 0));
	guest_expect_equal("balloon/array-gone", spoiled(32, 1, 0), 0);
}

/* The ring in which it says so: the indices are gone. */
static void check_ring(void)
{
	struct virtio_ring *r = (struct virtio_ring *)(uintptr_t)(POOL + 40 * PAGE);
	unsigned pages = (sizeof(*r) + PAGE - 1) / PAGE;

	EXPECT("balloon/restart", virtio_negotiate(&dev, 0) && virtio_queue_start(&dev, r, INFLATE, SIZE));
	virtio_driver_ok(&dev);
	for (unsigned i = 0; i < pages; i++)
		numbers[i] = number_of(40 + i);
	r->desc[0] = (struct virtio_desc){(uintptr_t)numbers, pages * sizeof(numbers[0]), 0, 0};
	virtio_offer(r, 0);
	virtio_kick(&dev, r);
	*(volatile uint16_t *)(dev.notify + INFLATE * dev.notify_factor) = INFLATE;
	EXPECT("balloon/ring-given", virtio_get_status(&dev) & VIO_NEEDS_RESET);
	EXPECT("balloon/restart-again", start(STATS));
	works("balloon/after-ring");
}

/* --- the other queues --- */

static void check_deflate(void)
{
	bool all = true;

	for (unsigned i = 0; i < 200; i++)
		all &= give(&ring[DEFLATE], (uintptr_t)numbers, 64, 0);
	EXPECT("balloon/deflated", all);
}

static void check_stats(void)
{
	static struct {
		uint16_t tag;
		uint64_t value;
	} __attribute__((packed)) stats[] = {{4, 0x123 << 10}, {5, 0x1000 << 10}, {999, 1}};
	uint32_t start_ticks = guest_pm_timer();
	unsigned tries = 0;

	ring[STATS_QUEUE].desc[0] = (struct virtio_desc){(uintptr_t)stats, sizeof(stats), 0, 0};
	virtio_offer(&ring[STATS_QUEUE], 0);
	virtio_kick(&dev, &ring[STATS_QUEUE]);
	while (!answered(&ring[STATS_QUEUE]) && tries < 30)
		tries++;
	EXPECT("balloon/asked-for-statistics",
	       tries < 30 && guest_pm_timer() - start_ticks > 4 * PM_TIMER_HZ);
	virtio_offer(&ring[STATS_QUEUE], 0);
	virtio_kick(&dev, &ring[STATS_QUEUE]);
	EXPECT("balloon/reset-with-statistics", start(STATS));
	works("balloon/after-statistics");
}

static void check_config(void)
{
	volatile uint32_t *config = (volatile uint32_t *)dev.config;

	guest_expect_equal("balloon/nothing-wanted", config[0], 0);
	config[0] = 77;
	config[1] = 0x12345678;
	dev.config[5] = 0;
	EXPECT("balloon/config", config[0] == 0 && config[1] == 0x12345678);
}

/* --- a second CPU --- */

static volatile uint32_t stop, rounds, bad_words;

/* Every other page is its own, and one is common. */
static void work(unsigned id)
{
	uint64_t v = 0;

	(void)id;
	while (!stop) {
		for (uint32_t i = 65; i < 96; i += 2)
			page(i)[v % 512] = v + i;
		for (uint32_t i = 65; i < 96; i += 2)
			bad_words += page(i)[v % 512] != v + i;
		page(64)[0] = ++v;
		rounds++;
	}
}

/* What the other CPU writes into a page that was just given away must be seen: its TLB is not to know where the page was. */
static void check_smp(void)
{
	unsigned unseen = 0, refused = 0;

	EXPECT("balloon/second-cpu", guest_cpu_start(1, work));
	for (unsigned i = 0; i < 60; i++) {
		unsigned n = 0;

		for (uint32_t p = 64; p < 96; p += 2)
			numbers[n++] = number_of(p);
		refused += !inflate(n);
		for (unsigned tries = 0; page(64)[0] == 0 && tries < 1000; tries++)
			guest_delay_us(100);
		unseen += page(64)[0] == 0;
	}
	stop = 1;
	guest_expect_equal("balloon/refused", refused, 0);
	guest_expect_equal("balloon/unseen", unseen, 0);
	EXPECT("balloon/other-cpu-went-on", rounds > 60);
	guest_expect_equal("balloon/other-cpu", bad_words, 0);
}

/* --- */

/* Gives 16 MiB, and when told to touches all of it. */
static void starve(void)
{
	for (unsigned i = 0; i < POOL_PAGES; i++)
		numbers[i] = number_of(i);
	EXPECT("balloon/all-given", inflate(POOL_PAGES));
	guest_printf("given\n");
	while (!(in8(0x3fd) & 1))
		;
	fill(0, POOL_PAGES, 1);
	guest_expect_equal("balloon/all-back", spoiled(0, POOL_PAGES, 1), 0);
}

void test_main(void)
{
	if (!EXPECT("balloon/there", virtio_find(&dev, TYPE_BALLOON, 0)))
		return;
	EXPECT("balloon/start", start(STATS));
	if (guest_cmdline_has("starve")) {
		starve();
		return;
	}
	EXPECT("balloon/disk", start_one(&disk, &disk_ring, TYPE_BLK));
	EXPECT("balloon/entropy", start_one(&rng, &rng_ring, TYPE_RNG));
	check_config();
	check_one();
	check_many();
	check_code();
	check_string_io();
	check_disk();
	check_random();
	check_descriptors();
	check_wrong();
	check_ring();
	check_deflate();
	check_smp();
	check_stats();
}
