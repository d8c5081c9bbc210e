/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine's virtio devices behind PCI: see virtio_device.h. */
#include "drivers/virtio_device.h"

#include "hv/lib/panic.h"
#include "hv/timer.h"
#include "hv/x86/insn.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

/* "Virtio Structure PCI Capabilities": offsets in the capability. */
enum {
	CAP_LENGTH = 2,
	CAP_TYPE = 3,
	CAP_BAR = 4,
	CAP_OFFSET = 8,
	CAP_SIZE = 12,
	CAP_NOTIFY_MULTIPLIER = 16,
	CAP_BYTES = 16,
	CAP_NOTIFY_BYTES = 20,
};

/* "Common configuration structure layout". */
enum {
	DEVICE_FEATURE_SELECT = 0,
	DEVICE_FEATURE = 4,
	DRIVER_FEATURE_SELECT = 8,
	DRIVER_FEATURE = 12,
	NUM_QUEUES = 18,
	DEVICE_STATUS = 20,
	CONFIG_GENERATION = 21,
	QUEUE_SELECT = 22,
	QUEUE_SIZE = 24,
	QUEUE_MSIX_VECTOR = 26,
	QUEUE_ENABLE = 28,
	QUEUE_NOTIFY_OFF = 30,
	QUEUE_DESC = 32,
	QUEUE_DRIVER = 40,
	QUEUE_DEVICE = 48,
	COMMON_SIZE = 56,
};

#define NOTIFY_SIZE   2
#define CONFIG_MAX    256u /* of no type of device there is more to read */
#define RESET_POLLS   50
#define RESET_POLL_US 100
#define STATUS_GONE   0xff /* nothing answers any more */
#define TEAR_TRIES    8

/* --- its registers --- */

struct place {
	uint8_t region, capability;
	uint32_t offset, size;
};

/* "The driver SHOULD use the first instance of each structure type that it can support". */
static bool find_structure(const struct pci_device *pci, enum virtio_pci_cap type, struct place *p)
{
	uint8_t bytes = type == VIRTIO_PCI_CAP_NOTIFY ? CAP_NOTIFY_BYTES : CAP_BYTES, at;

	for (unsigned n = 0; (at = pci_capability(pci, PCI_CAP_VENDOR, n)) != 0; n++) {
		if (at > PCI_CONFIG_SIZE - bytes || pci_config_read8(pci->bdf, at + CAP_TYPE) != type ||
		    pci_config_read8(pci->bdf, at + CAP_LENGTH) < bytes)
			continue;
		*p = (struct place){
		    .region = pci_config_read8(pci->bdf, at + CAP_BAR),
		    .capability = at,
		    .offset = pci_config_read(pci->bdf, at + CAP_OFFSET),
		    .size = pci_config_read(pci->bdf, at + CAP_SIZE),
		};
		if (p->region < PCI_REGIONS)
			return true;
	}
	return false;
}

enum status virtio_device_init(struct virtio_device *v, struct pci_device *pci)
{
	struct place common, notify, config;

	*v = (struct virtio_device){.pci = pci};
	if (!find_structure(pci, VIRTIO_PCI_CAP_COMMON, &common) || common.size < COMMON_SIZE ||
	    !find_structure(pci, VIRTIO_PCI_CAP_NOTIFY, &notify) || notify.size < NOTIFY_SIZE)
		return ERR_UNSUPPORTED;
	v->common = pci_map(pci, common.region, common.offset, COMMON_SIZE);
	v->notify = pci_map(pci, notify.region, notify.offset, notify.size);
	v->notify_size = notify.size;
	v->notify_multiplier = pci_config_read(pci->bdf, notify.capability + CAP_NOTIFY_MULTIPLIER);
	if (!v->common || !v->notify)
		return ERR_UNSUPPORTED;
	if (find_structure(pci, VIRTIO_PCI_CAP_DEVICE, &config)) {
		v->config_size = MIN(config.size, CONFIG_MAX);
		v->config = pci_map(pci, config.region, config.offset, v->config_size);
		if (!v->config)
			return ERR_UNSUPPORTED;
	}
	pci_enable(pci, true);
	return OK;
}

/* --- status and features --- */

static uint8_t status(const struct virtio_device *v)
{
	return mmio_read8(v->common + DEVICE_STATUS);
}

static void add_status(struct virtio_device *v, uint8_t bits)
{
	mmio_write8(v->common + DEVICE_STATUS, status(v) | bits);
}

static enum status wait_reset(struct virtio_device *v)
{
	mmio_write8(v->common + DEVICE_STATUS, 0);
	for (unsigned i = 0; i < RESET_POLLS; i++) {
		uint8_t s = status(v);

		if (s == 0)
			return OK;
		if (s == STATUS_GONE)
			return ERR_NOENT;
		delay_us(RESET_POLL_US);
	}
	return ERR_AGAIN;
}

static uint64_t offered(struct virtio_device *v)
{
	uint64_t features;

	mmio_write32(v->common + DEVICE_FEATURE_SELECT, 0);
	features = mmio_read32(v->common + DEVICE_FEATURE);
	mmio_write32(v->common + DEVICE_FEATURE_SELECT, 1);
	return features | (uint64_t)mmio_read32(v->common + DEVICE_FEATURE) << 32;
}

static void accept(struct virtio_device *v)
{
	mmio_write32(v->common + DRIVER_FEATURE_SELECT, 0);
	mmio_write32(v->common + DRIVER_FEATURE, (uint32_t)v->features);
	mmio_write32(v->common + DRIVER_FEATURE_SELECT, 1);
	mmio_write32(v->common + DRIVER_FEATURE, (uint32_t)(v->features >> 32));
}

enum status virtio_device_reset(struct virtio_device *v, uint64_t wanted)
{
	enum status s = pci_is_there(v->pci) ? wait_reset(v) : ERR_NOENT;

	if (s != OK)
		return s;
	add_status(v, VIRTIO_ACKNOWLEDGE);
	add_status(v, VIRTIO_DRIVER);
	/* Addresses are physical, and writes to registers are ordered behind those to memory, as the two say. */
	wanted |= VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM;
	v->features = offered(v) & wanted;
	if (v->features & VIRTIO_F_VERSION_1) {
		accept(v);
		add_status(v, VIRTIO_FEATURES_OK);
		if (status(v) & VIRTIO_FEATURES_OK)
			return OK;
	}
	mmio_write8(v->common + DEVICE_STATUS, VIRTIO_FAILED);
	return ERR_UNSUPPORTED;
}

void virtio_device_ready(struct virtio_device *v)
{
	add_status(v, VIRTIO_DRIVER_OK);
}

/* STATUS_GONE has both bits. */
bool virtio_device_is_well(const struct virtio_device *v)
{
	uint8_t bits = status(v) & (VIRTIO_DRIVER_OK | VIRTIO_DEVICE_NEEDS_RESET);

	return bits == VIRTIO_DRIVER_OK && pci_is_there(v->pci);
}

/* --- queues --- */

static void write_address(struct virtio_device *v, unsigned at, const void *p)
{
	uint64_t pa = host_pa(p).v;

	mmio_write32(v->common + at, (uint32_t)pa);
	mmio_write32(v->common + at + 4, (uint32_t)(pa >> 32));
}

static uint16_t power_of_2_down(uint16_t n)
{
	while (n & (n - 1))
		n &= n - 1;
	return n;
}

/* The queue is selected. */
static enum status find_doorbell(struct virtio_device *v, struct virtio_queue *q)
{
	uint64_t at = (uint64_t)mmio_read16(v->common + QUEUE_NOTIFY_OFF) * v->notify_multiplier;

	if (at > v->notify_size - NOTIFY_SIZE || at % NOTIFY_SIZE)
		return ERR_IO;
	q->doorbell = v->notify + at;
	return OK;
}

enum status virtio_device_queue(struct virtio_device *v, struct virtio_queue *q, uint16_t size_max)
{
	uint16_t size;
	enum status s;

	if (q->index >= mmio_read16(v->common + NUM_QUEUES))
		return ERR_NOENT;
	mmio_write16(v->common + QUEUE_SELECT, q->index);
	size = power_of_2_down(MIN(mmio_read16(v->common + QUEUE_SIZE), size_max));
	if (size == 0)
		return ERR_NOENT;
	s = find_doorbell(v, q);
	if (s != OK)
		return s;
	/* After a reset the size is the same, or memory of the first size would not do. */
	if (q->memory && size != q->ring.size)
		return ERR_IO;
	if (!q->memory)
		q->memory = page_alloc_bytes(virtio_ring_bytes(size));
	if (!q->memory)
		return ERR_NOMEM;
	virtio_ring_init(&q->ring, size, q->memory);
	mmio_write16(v->common + QUEUE_SIZE, size);
	mmio_write16(v->common + QUEUE_MSIX_VECTOR, q->vector);
	if (mmio_read16(v->common + QUEUE_MSIX_VECTOR) != q->vector)
		return ERR_IO;
	write_address(v, QUEUE_DESC, q->ring.desc);
	write_address(v, QUEUE_DRIVER, q->ring.avail);
	write_address(v, QUEUE_DEVICE, q->ring.used);
	mmio_write16(v->common + QUEUE_ENABLE, 1);
	return OK;
}

void virtio_queue_free(struct virtio_queue *q)
{
	if (q->memory)
		page_free_bytes(q->memory, virtio_ring_bytes(q->ring.size));
	q->memory = NULL;
}

void virtio_queue_notify(struct virtio_queue *q)
{
	if (virtio_ring_must_notify(&q->ring))
		mmio_write16(q->doorbell, q->index);
}

/* --- configuration --- */

static bool has_field(const struct virtio_device *v, uint32_t offset, uint32_t size)
{
	return v->config && offset + size <= v->config_size;
}

uint8_t virtio_config8(const struct virtio_device *v, uint32_t offset)
{
	return has_field(v, offset, 1) ? mmio_read8(v->config + offset) : 0;
}

uint16_t virtio_config16(const struct virtio_device *v, uint32_t offset)
{
	return has_field(v, offset, 2) ? mmio_read16(v->config + offset) : 0;
}

uint32_t virtio_config32(const struct virtio_device *v, uint32_t offset)
{
	return has_field(v, offset, 4) ? mmio_read32(v->config + offset) : 0;
}

uint64_t virtio_config64(const struct virtio_device *v, uint32_t offset)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < TEAR_TRIES; i++) {
		uint8_t generation = mmio_read8(v->common + CONFIG_GENERATION);

		value = virtio_config32(v, offset) | (uint64_t)virtio_config32(v, offset + 4) << 32;
		if (mmio_read8(v->common + CONFIG_GENERATION) == generation)
			break;
	}
	return value;
}
