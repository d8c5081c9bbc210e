/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a driver of disks on the PCI bus stands on, under hv/io/block.c: a clock, timers, memory, bus mastering; and requests to send
 * it. The made-up device is the test's: it gets on whenever somebody asks for the time.
 */
#pragma once

#include "support.h"
#include <stdlib.h>
#include <string.h>
#include "drivers/pci.h"
#include "hv/io/block.h"
#include "hv/pcpu.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define US       1000ULL
#define SECOND   1000000000ULL
#define REQUESTS 80
#define TIMERS   8

struct pcpu test_cpu;
uint32_t pcpu_count = 2;

static uint64_t now, seed = 7;
static struct timer *timers[TIMERS];
static bool master, no_memory, pulled_out;
static long allocated;
static struct block_request req[REQUESTS];
static struct frame_run run[REQUESTS];
static unsigned done_count[REQUESTS];
static uint8_t data[MIB(2)] __attribute__((aligned(PAGE_SIZE)));

/* The test's: the device gets on; its interrupts are delivered. */
void fake_run_device(void);
void fake_deliver(void);

uint64_t time_now_ns(void)
{
	now += 100 * US;
	fake_run_device();
	return now;
}

void delay_us(uint32_t us)
{
	now += us * US;
}

void timer_init(struct timer *t, timer_fn fn)
{
	*t = (struct timer){.fn = fn};
}

void timer_arm(struct timer *t, uint32_t cpu, uint64_t deadline_ns)
{
	unsigned n = 0;

	while (n < TIMERS && timers[n] && timers[n] != t)
		n++;
	assert_true(n < TIMERS);
	timers[n] = t;
	t->deadline_ns = deadline_ns;
	t->armed = true;
}

void *page_alloc_bytes(size_t bytes)
{
	size_t size = ALIGN_UP(bytes, PAGE_SIZE);
	void *p = no_memory ? NULL : aligned_alloc(PAGE_SIZE, size);

	if (!p)
		return NULL;
	allocated += (long)size;
	return memset(p, 0, size);
}

void page_free_bytes(void *p, size_t bytes)
{
	allocated -= (long)ALIGN_UP(bytes, PAGE_SIZE);
	free(p);
}

void *page_alloc(unsigned order)
{
	return page_alloc_bytes(PAGE_SIZE << order);
}

void page_free(void *p, unsigned order)
{
	page_free_bytes(p, PAGE_SIZE << order);
}

hpa_t host_pa(const void *p)
{
	return hpa((uint64_t)p);
}

bool pci_is_there(const struct pci_device *d)
{
	return !pulled_out;
}

void pci_enable(const struct pci_device *d, bool on)
{
	master = on;
}

static inline void run_timers(void)
{
	for (unsigned i = 0; i < TIMERS; i++) {
		if (timers[i] && timers[i]->armed && timers[i]->deadline_ns <= now) {
			timers[i]->armed = false;
			timers[i]->fn(timers[i]);
		}
	}
}

/* Interrupts and timers, for so long. */
static inline void run_for(uint64_t ns)
{
	uint64_t end = now + ns, step = ns / 2000 + US;

	while (now < end) {
		now += step;
		fake_run_device();
		fake_deliver();
		run_timers();
	}
}

/* --- requests --- */

static inline void request_done(struct block_request *r)
{
	done_count[r - req]++;
}

/* A working machine; request i reads page i of the disk to page i of data, which is random. */
static inline void set_up_requests(void)
{
	master = no_memory = pulled_out = false;
	pcpu_count = 2;
	memset(done_count, 0, sizeof(done_count));
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(test_random(&seed) >> 40);
	for (unsigned i = 0; i < REQUESTS; i++) {
		run[i] = (struct frame_run){hpa((uint64_t)data + i * PAGE_SIZE), PAGE_SIZE};
		req[i] = (struct block_request){.op = BLOCK_READ,
						.sector = 8 * i,
						.sectors = 8,
						.run = &run[i],
						.runs = 1,
						.done = request_done,
						.status = ERR_AGAIN};
	}
}

static inline void ended(unsigned n, enum status s)
{
	assert_int_equal(done_count[n], 1);
	assert_int_equal(req[n].status, s);
}

/* Submits request n, which ends soon. */
static inline enum status now_do(struct block_device *b, unsigned n)
{
	done_count[n] = 0;
	block_submit(b, &req[n]);
	run_for(SECOND / 100);
	assert_int_equal(done_count[n], 1);
	return req[n].status;
}

/* All requests at once, more than a device's queue holds, several times. */
static inline void rounds_of_all(struct block_device *b)
{
	for (unsigned round = 0; round < 10; round++) {
		memset(done_count, 0, sizeof(done_count));
		for (unsigned i = 0; i < REQUESTS; i++)
			block_submit(b, &req[i]);
		run_for(SECOND / 10);
		for (unsigned i = 0; i < REQUESTS; i++)
			ended(i, OK);
	}
	assert_int_equal(b->stats.resets, 0);
}

/* Is what the disk has from there on what is in the runs? */
static inline bool same(const uint8_t *disk, const struct frame_run *runs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (memcmp(disk, (void *)runs[i].pa.v, runs[i].len))
			return false;
		disk += runs[i].len;
	}
	return true;
}
