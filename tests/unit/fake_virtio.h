/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A made-up virtio device of two queues behind the registers of virtio_pci.c, its guest memory, and the wires of a PCI
 * function that note what came over them: for unit tests and a fuzzer.
 */
#pragma once

#include "fake_time.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "hv/lib/util.h"
#include "hv/vdev/virtio_pci.h"
#include "hv/vm.h"

#define FAKE_RAM     0x10000
#define FAKE_QUEUES  2
#define FAKE_ENTRIES 8
#define FAKE_VECTORS 3
#define FAKE_FEATURE BIT(5)

/* Offsets in the BAR: struct virtio_pci_common_cfg, and the other structures. */
enum {
	R_DEVICE_SELECT = 0x00,
	R_DEVICE_FEATURE = 0x04,
	R_DRIVER_SELECT = 0x08,
	R_DRIVER_FEATURE = 0x0c,
	R_CONFIG_VECTOR = 0x10,
	R_NUM_QUEUES = 0x12,
	R_STATUS = 0x14,
	R_GENERATION = 0x15,
	R_QUEUE_SELECT = 0x16,
	R_QUEUE_SIZE = 0x18,
	R_QUEUE_VECTOR = 0x1a,
	R_QUEUE_ENABLE = 0x1c,
	R_NOTIFY_OFF = 0x1e,
	R_DESC = 0x20,
	R_DRIVER = 0x28,
	R_DEVICE = 0x30,
	R_NOTIFY_DATA = 0x38,
	R_QUEUE_RESET = 0x3a,
	R_ISR = 0x1000,
	R_CONFIG = 0x2000,
	R_NOTIFY = 0x3000,
};

static struct vm fake_vm;
static struct virtqueue fake_queue[FAKE_QUEUES];
static struct virtio fake_device;
static struct virtio_pci fake_pci;
static uint8_t fake_config[6];
static bool fake_msix, fake_line;
static unsigned fake_messages[FAKE_VECTORS], fake_notified[FAKE_QUEUES], fake_resets;
/* The device keeps what it takes until it is told to give it back; its reset does so where fake_gives_at_reset. */
static struct vq_segment fake_segment[4];
static struct vq_chain fake_flying[FAKE_QUEUES][FAKE_ENTRIES];
static unsigned fake_flying_count[FAKE_QUEUES];
static bool fake_gives_at_reset;
/* Another CPU serves queue 1, until it has been asked so often whether it does; each time a microsecond passes. */
static unsigned fake_served;

void vdev_timer_arm(struct vdev *d, struct timer *t, uint64_t vm_ns)
{
	if (!d->stopped)
		timer_arm(t, 0, vm_time_to_host_ns(d->vm, vm_ns));
}

void vdev_stop(struct vdev *d, struct timer *t)
{
	d->stopped = true;
	timer_cancel(t);
}

struct vm *vm_enter_address_space(struct vm *vm)
{
	return NULL;
}

static inline enum status fake_take(unsigned queue)
{
	struct vq_chain c = {.seg = fake_segment, .seg_max = ARRAY_SIZE(fake_segment)};
	enum status s = virtio_take(&fake_device, queue, &c);

	if (s == OK)
		fake_flying[queue][fake_flying_count[queue]++] = c;
	return s;
}

/* Gives back the last one taken. False: there is none. */
static inline bool fake_give(unsigned queue, uint32_t written)
{
	if (!fake_flying_count[queue])
		return false;
	virtio_give(&fake_device, queue, &fake_flying[queue][--fake_flying_count[queue]], written);
	return true;
}

static void fake_on_notified(struct virtio *d, unsigned queue)
{
	fake_notified[queue]++;
}

static bool fake_is_served(struct virtio *d, unsigned queue)
{
	fake_now += 1000;
	return queue == 1 && fake_served && fake_served--;
}

static void fake_on_reset(struct virtio *d)
{
	fake_resets++;
	for (unsigned i = 0; i < FAKE_QUEUES && fake_gives_at_reset; i++)
		while (fake_give(i, 0))
			;
}

static void fake_on_queue_reset(struct virtio *d, unsigned queue)
{
	while (fake_gives_at_reset && fake_give(queue, 0))
		;
}

static bool fake_message(struct virtio_pci *p, uint16_t vector)
{
	if (fake_msix && vector < FAKE_VECTORS)
		fake_messages[vector]++;
	return fake_msix;
}

static void fake_intx(struct virtio_pci *p, bool level)
{
	fake_line = level;
}

static inline void fake_virtio_new(void)
{
	static const struct virtio_type type = {.id = 4,
						.notified = fake_on_notified,
						.is_served = fake_is_served,
						.reset = fake_on_reset,
						.queue_reset = fake_on_queue_reset};
	static const struct virtio_pci_wires wires = {fake_message, fake_intx};

	memset(&fake_vm, 0, sizeof(fake_vm));
	fake_vm.mem.base = calloc(1, FAKE_RAM);
	if (gmem_add(&fake_vm.mem, 0, FAKE_RAM, false) != OK)
		abort();
	memset(&fake_device, 0, sizeof(fake_device));
	memset(fake_messages, 0, sizeof(fake_messages));
	memset(fake_notified, 0, sizeof(fake_notified));
	fake_served = 0;
	memset(fake_flying_count, 0, sizeof(fake_flying_count));
	fake_resets = 0;
	fake_msix = fake_gives_at_reset = true;
	fake_line = false;
	memcpy(fake_config, "\1\2\3\4\5\6", sizeof(fake_config));
	fake_device.dev = (struct vdev){.name = "fake", .vm = &fake_vm};
	fake_device.config = fake_config;
	fake_device.config_size = sizeof(fake_config);
	virtio_init(&fake_device, &type, FAKE_FEATURE, fake_queue, FAKE_QUEUES, FAKE_ENTRIES);
	virtio_pci_init(&fake_pci, &wires, &fake_device, FAKE_VECTORS);
}

static inline void fake_virtio_free(void)
{
	free(fake_vm.mem.base);
}
