/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes a virtio device through its BAR, as a hostile driver: any accesses of any width, rings and descriptors of any
 * content, mixed with what the device does with its queues and with late completions. Beside not touching a byte outside of
 * guest memory: status bits come in order, a device that runs has agreed on features, what is broken takes nothing, vectors
 * are the function's, the line is up for an ISR that is not 0.
 */
#include <stdarg.h>
#include <stdio.h>
#include "tests/unit/fake_virtio.h"
#include "hv/lib/panic.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/require.h"

static void check(void)
{
	uint8_t s = virtio_status(&fake_device);
	unsigned flying = 0;

	REQUIRE(!(s & VIRTIO_DRIVER) || (s & VIRTIO_ACKNOWLEDGE));
	REQUIRE(!(s & VIRTIO_FEATURES_OK) || (s & VIRTIO_DRIVER));
	REQUIRE(!(s & VIRTIO_DRIVER_OK) || (s & VIRTIO_FEATURES_OK));
	REQUIRE(!(s & VIRTIO_FEATURES_OK) || ((fake_device.accepted & VIRTIO_F_VERSION_1) &&
					      !(fake_device.accepted & ~fake_device.offered)));
	REQUIRE(fake_line == (fake_pci.isr != 0));
	for (unsigned i = 0; i < FAKE_QUEUES; i++) {
		const struct virtqueue *q = &fake_queue[i];

		flying += vq_in_flight(q);
		REQUIRE(vq_in_flight(q) == fake_flying_count[i]);
		REQUIRE(vq_size_valid(q, q->size));
		REQUIRE(!q->enabled || (s & VIRTIO_FEATURES_OK));
		/* The device's own reset ends those of queues with it. */
		REQUIRE(!q->resetting || (!q->enabled && (vq_in_flight(q) || fake_device.resetting)));
		REQUIRE(q->broken == OK || (s & VIRTIO_DEVICE_NEEDS_RESET) || fake_device.resetting);
		REQUIRE(fake_pci.queue_vector[i] < FAKE_VECTORS ||
			fake_pci.queue_vector[i] == VIRTIO_PCI_NO_VECTOR);
	}
	REQUIRE(!fake_device.resetting || flying);
}

/* A write that a driver could make on its way to DRIVER_OK: else few inputs would get there. */
static void good_write(void)
{
	unsigned n = take(1) % FAKE_QUEUES;

	switch (take(1) % 5) {
	case 0:
		virtio_pci_write(&fake_pci, R_STATUS, 1, take(1));
		break;
	case 1:
		virtio_pci_write(&fake_pci, R_DRIVER_SELECT, 4, n);
		virtio_pci_write(&fake_pci, R_DRIVER_FEATURE, 4, fake_device.offered >> 32 * n);
		break;
	case 2:
		virtio_pci_write(&fake_pci, R_QUEUE_SELECT, 2, n);
		virtio_pci_write(&fake_pci, R_DESC, 8, 0x1000 * n);
		virtio_pci_write(&fake_pci, R_DRIVER, 8, 0x1000 * n + 0x400);
		virtio_pci_write(&fake_pci, R_DEVICE, 8, 0x1000 * n + 0x800);
		break;
	case 3:
		virtio_pci_write(&fake_pci, R_QUEUE_ENABLE, 2, 1);
		break;
	case 4:
		virtio_pci_write(&fake_pci, R_QUEUE_SELECT, 2, n);
		virtio_pci_write(&fake_pci, R_QUEUE_RESET, 2, 1);
		break;
	}
}

/* A descriptor, an entry of the available ring and its idx, whether good or not. */
static void offer(void)
{
	unsigned n = take(1) % FAKE_QUEUES;
	struct virtqueue *q = &fake_queue[n];
	uint64_t d[2] = {take(2), take(1) | (take(1) & 7) << 32 | take(1) << 48};
	uint16_t index = take(1);

	if (!q->enabled)
		return;
	memcpy(fake_vm.mem.base + q->desc.v + index % q->size * VQ_DESC_SIZE, d, sizeof(d));
	memcpy(&q->avail->ring[q->avail->idx % q->size], &index, sizeof(index));
	q->avail->idx += 1 + (index >> 6);
}

static void step(void)
{
	uint8_t kind = take(1);
	unsigned size = 1u << (kind >> 4 & 3), n = kind >> 6 & 1;
	uint32_t offset;

	switch (kind % 16) {
	case 0:
	case 1:
		offset = take(2) % (VIRTIO_PCI_BAR_SIZE - 7);
		virtio_pci_write(&fake_pci, offset, size, take(size));
		break;
	case 2:
	case 3: /* most of them on registers */
		offset = take(1) % 0x40;
		virtio_pci_write(&fake_pci, offset, size, take(size));
		break;
	case 4:
		offset = n ? take(1) % 0x40 : take(2) % (VIRTIO_PCI_BAR_SIZE - 7);
		REQUIRE(size == 8 || virtio_pci_read(&fake_pci, offset, size) >> 8 * size == 0);
		break;
	case 5:
	case 6:
		good_write();
		break;
	case 7:
	case 8:
		offer();
		break;
	case 9:
	case 10:
		if (fake_take(n) == OK)
			REQUIRE(virtio_status(&fake_device) & VIRTIO_DRIVER_OK);
		break;
	case 11:
		fake_give(n, take(2));
		break;
	case 12:
		virtio_signal(&fake_device, n);
		break;
	case 13:
		virtio_listen(&fake_device, n);
		break;
	case 14:
		virtio_config_changed(&fake_device);
		break;
	case 15: /* the guest turns MSI-X on or off */
		fake_gives_at_reset = kind & 0x10;
		fake_msix = kind & 0x20;
		break;
	}
	check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fake_virtio_new();
	input = data;
	left = size;
	while (left)
		step();
	/* Whatever was done: when all is given back, the reset ends and the device starts anew. */
	virtio_pci_write(&fake_pci, R_STATUS, 1, 0);
	for (unsigned i = 0; i < FAKE_QUEUES; i++)
		while (fake_give(i, 0))
			;
	REQUIRE(virtio_pci_read(&fake_pci, R_STATUS, 1) == 0 && !fake_line);
	fake_virtio_free();
	return 0;
}
