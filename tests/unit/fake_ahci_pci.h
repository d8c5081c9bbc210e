/* SPDX-License-Identifier: BSD-2-Clause */
/* The made-up controller on a bus, for the tests of drivers/ahci*.c: how it is probed, and its disks found. */
#pragma once

#include "fake_ahci.h"

#include <stdio.h>
#include "drivers/ahci.h"

#define TIMEOUT_NS (10 * SECOND)
#define CD         2
#define LARGE      3 /* the port of the disk with large blocks; the other's is 0 */

static struct pci_device pci;
static bool irq_fails;
static irq_fn irq;
static void *irq_arg;
static struct block_device *small, *large;

uint32_t work_first_cpu(void)
{
	return 1;
}

void *pci_map(const struct pci_device *d, unsigned region, uint64_t offset, uint64_t size)
{
	assert_int_equal(region, 5);
	return (void *)FAKE_BASE;
}

enum status pci_irq_connect(struct pci_device *d, unsigned n, uint32_t cpu, irq_fn fn, void *arg)
{
	assert_int_equal(n, 0);
	assert_int_equal(cpu, 1);
	irq = fn;
	irq_arg = arg;
	return irq_fails ? ERR_NOMEM : OK;
}

void fake_deliver(void)
{
	if (fake.is && (fake.ghc & AHCI_GHC_IE) && master && !irq_fails)
		irq(irq_arg);
}

static inline enum status probe(void)
{
	memset(timers, 0, sizeof(timers));
	pci = (struct pci_device){
	    .bdf = 0xfa, .region[5] = {.base = 0x1000, .size = AHCI_PORT(FAKE_PORTS)}, .irqs = 1};
	return ahci_probe(&pci);
}

/* How many devices there are since `before`; the last two are the disks, where both are there. */
static inline unsigned find(const struct block_device *before)
{
	unsigned n = 0;

	small = large = NULL;
	for (struct block_device *b = block_next(before); b; b = block_next(b), n++) {
		small = large;
		large = b;
	}
	return n;
}

static inline struct block_device *newest(void)
{
	struct block_device *last = NULL;

	for (struct block_device *b = block_next(NULL); b; b = block_next(b))
		last = b;
	return last;
}

static inline int setup(void **state)
{
	fake_power_on();
	irq_fails = false;
	set_up_requests();
	fake_log_warnings = 0;
	return 0;
}

static inline int find_disks(void)
{
	struct block_device *before = newest();

	assert_int_equal(probe(), OK);
	assert_int_equal(find(before), 2);
	assert_int_equal(fake_log_warnings, 0);
	fake.port[0].resets = fake.port[LARGE].resets = fake.port[0].commands = 0;
	return 0;
}

static inline int setup_disk(void **state)
{
	setup(state);
	return find_disks();
}
