/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of registers of a virtio device on PCI. Drivers access each field with its own width, 64-bit ones in halves;
 * other reads get the bytes that stand there, other writes do nothing. Model: VIRTIO 1.2, "PCI Device Layout".
 */
#include "hv/vdev/virtio_pci.h"

#include "hv/lib/panic.h"
#include "hv/lib/util.h"

#define ISR_QUEUE  BIT(0)
#define ISR_CONFIG BIT(1)

const struct virtio_pci_structure virtio_pci_structure[VIRTIO_PCI_CAP_COUNT] = {
    [VIRTIO_PCI_CAP_COMMON] = {0x0000, 0x3c},
    [VIRTIO_PCI_CAP_ISR] = {0x1000, 1},
    [VIRTIO_PCI_CAP_DEVICE] = {0x2000, 0x1000},
    [VIRTIO_PCI_CAP_NOTIFY] = {0x3000, VIRTIO_PCI_NOTIFY_FACTOR *VIRTIO_PCI_QUEUE_MAX},
};

/* --- notifications --- */

static struct virtio_pci *to_pci(struct virtio_transport *t)
{
	return container_of(t, struct virtio_pci, transport);
}

/* cause: its bit of ISR, which MSI-X needs for configuration changes alone. */
static void interrupt(struct virtio_pci *p, uint8_t cause, uint16_t vector)
{
	if (p->wires->msix(p, vector) && cause != ISR_CONFIG)
		return;
	p->isr |= cause;
	p->wires->intx(p, true);
}

static void used(struct virtio_transport *t, unsigned queue)
{
	interrupt(to_pci(t), ISR_QUEUE, to_pci(t)->queue_vector[queue]);
}

static void config_changed(struct virtio_transport *t)
{
	interrupt(to_pci(t), ISR_CONFIG, to_pci(t)->config_vector);
}

static uint8_t read_isr(struct virtio_pci *p)
{
	uint8_t isr = p->isr;

	p->isr = 0;
	if (isr)
		p->wires->intx(p, false);
	return isr;
}

static void reset(struct virtio_transport *t)
{
	struct virtio_pci *p = to_pci(t);

	p->device_feature_select = p->driver_feature_select = 0;
	p->queue_select = 0;
	p->config_vector = VIRTIO_PCI_NO_VECTOR;
	for (unsigned i = 0; i < VIRTIO_PCI_QUEUE_MAX; i++)
		p->queue_vector[i] = VIRTIO_PCI_NO_VECTOR;
	read_isr(p);
}

void virtio_pci_init(struct virtio_pci *p, const struct virtio_pci_wires *wires, struct virtio *d,
		     uint16_t vectors)
{
	CHECK(d->queue_count <= VIRTIO_PCI_QUEUE_MAX);
	*p = (struct virtio_pci){
	    .transport = {.used = used, .config_changed = config_changed, .reset = reset},
	    .wires = wires,
	    .device = d,
	    .vectors = vectors,
	};
	d->transport = &p->transport;
	reset(&p->transport);
}

/* --- common configuration --- */

enum common {
	DEVICE_FEATURE_SELECT,
	DEVICE_FEATURE,
	DRIVER_FEATURE_SELECT,
	DRIVER_FEATURE,
	CONFIG_VECTOR,
	NUM_QUEUES,
	DEVICE_STATUS,
	CONFIG_GENERATION,
	QUEUE_SELECT,
	QUEUE_SIZE,
	QUEUE_VECTOR,
	QUEUE_ENABLE,
	QUEUE_NOTIFY_OFF,
	QUEUE_DESC,
	QUEUE_DESC_HIGH,
	QUEUE_DRIVER,
	QUEUE_DRIVER_HIGH,
	QUEUE_DEVICE,
	QUEUE_DEVICE_HIGH,
	QUEUE_NOTIFY_DATA,
	QUEUE_RESET,
};

/* struct virtio_pci_common_cfg: ascending, without gaps. */
static const struct field {
	uint8_t offset, size;
} fields[] = {
    [DEVICE_FEATURE_SELECT] = {0x00, 4}, [DEVICE_FEATURE] = {0x04, 4},
    [DRIVER_FEATURE_SELECT] = {0x08, 4}, [DRIVER_FEATURE] = {0x0c, 4},
    [CONFIG_VECTOR] = {0x10, 2},         [NUM_QUEUES] = {0x12, 2},
    [DEVICE_STATUS] = {0x14, 1},         [CONFIG_GENERATION] = {0x15, 1},
    [QUEUE_SELECT] = {0x16, 2},          [QUEUE_SIZE] = {0x18, 2},
    [QUEUE_VECTOR] = {0x1a, 2},          [QUEUE_ENABLE] = {0x1c, 2},
    [QUEUE_NOTIFY_OFF] = {0x1e, 2},      [QUEUE_DESC] = {0x20, 4},
    [QUEUE_DESC_HIGH] = {0x24, 4},       [QUEUE_DRIVER] = {0x28, 4},
    [QUEUE_DRIVER_HIGH] = {0x2c, 4},     [QUEUE_DEVICE] = {0x30, 4},
    [QUEUE_DEVICE_HIGH] = {0x34, 4},     [QUEUE_NOTIFY_DATA] = {0x38, 2},
    [QUEUE_RESET] = {0x3a, 2},
};

static gpa_t *address(struct virtqueue *q, enum common r)
{
	return r <= QUEUE_DESC_HIGH ? &q->desc : r <= QUEUE_DRIVER_HIGH ? &q->driver : &q->device;
}

static unsigned half(enum common r)
{
	return r == QUEUE_DESC_HIGH || r == QUEUE_DRIVER_HIGH || r == QUEUE_DEVICE_HIGH ? 32 : 0;
}

/* A queue that doesn't exist reads as 0: of size 0, which says so. */
static uint32_t read_queue(const struct virtio_pci *p, enum common r)
{
	struct virtqueue *q = virtio_queue(p->device, p->queue_select);

	if (!q)
		return r == QUEUE_VECTOR ? VIRTIO_PCI_NO_VECTOR : 0;
	switch (r) {
	case QUEUE_SIZE:
		return q->size;
	case QUEUE_VECTOR:
		return p->queue_vector[p->queue_select];
	case QUEUE_ENABLE:
		return q->enabled;
	case QUEUE_NOTIFY_OFF:
		return p->queue_select;
	case QUEUE_NOTIFY_DATA: /* without VIRTIO_F_NOTIF_CONFIG_DATA */
		return 0;
	case QUEUE_RESET:
		return q->resetting;
	default:
		return address(q, r)->v >> half(r);
	}
}

static uint32_t read_field(const struct virtio_pci *p, enum common r)
{
	const struct virtio *d = p->device;

	switch (r) {
	case DEVICE_FEATURE_SELECT:
		return p->device_feature_select;
	case DEVICE_FEATURE:
		return virtio_offered(d, p->device_feature_select);
	case DRIVER_FEATURE_SELECT:
		return p->driver_feature_select;
	case DRIVER_FEATURE:
		return virtio_accepted(d, p->driver_feature_select);
	case CONFIG_VECTOR:
		return p->config_vector;
	case NUM_QUEUES:
		return d->queue_count;
	case DEVICE_STATUS:
		return virtio_status(d);
	case CONFIG_GENERATION:
		return d->generation;
	case QUEUE_SELECT:
		return p->queue_select;
	default:
		return read_queue(p, r);
	}
}

/* A vector that can't be had is read back as none. */
static uint16_t vector(const struct virtio_pci *p, uint32_t value)
{
	return value < p->vectors ? value : VIRTIO_PCI_NO_VECTOR;
}

/* What the driver may set as long as the queue is not enabled. */
static void write_setup(struct virtio_pci *p, enum common r, uint32_t value)
{
	struct virtqueue *q = virtio_queue_to_set(p->device, p->queue_select);
	gpa_t *a;

	if (!q)
		return;
	if (r == QUEUE_SIZE) {
		if (vq_size_valid(q, value))
			q->size = value;
		return;
	}
	a = address(q, r);
	a->v = (a->v & ~(BITS(31, 0) << half(r))) | (uint64_t)value << half(r);
}

static void write_field(struct virtio_pci *p, enum common r, uint32_t value)
{
	switch (r) {
	case DEVICE_FEATURE_SELECT:
		p->device_feature_select = value;
		break;
	case DRIVER_FEATURE_SELECT:
		p->driver_feature_select = value;
		break;
	case DRIVER_FEATURE:
		virtio_accept(p->device, p->driver_feature_select, value);
		break;
	case CONFIG_VECTOR:
		p->config_vector = vector(p, value);
		break;
	case DEVICE_STATUS:
		virtio_set_status(p->device, value);
		break;
	case QUEUE_SELECT:
		p->queue_select = value;
		break;
	case QUEUE_VECTOR:
		if (virtio_queue(p->device, p->queue_select))
			p->queue_vector[p->queue_select] = vector(p, value);
		break;
	case QUEUE_ENABLE:
		if (value == 1)
			virtio_enable_queue(p->device, p->queue_select);
		break;
	case QUEUE_RESET:
		if (value == 1 && virtio_reset_queue(p->device, p->queue_select))
			p->queue_vector[p->queue_select] = VIRTIO_PCI_NO_VECTOR;
		break;
	case DEVICE_FEATURE:
	case NUM_QUEUES:
	case CONFIG_GENERATION:
	case QUEUE_NOTIFY_OFF:
	case QUEUE_NOTIFY_DATA:
		break;
	default:
		write_setup(p, r, value);
		break;
	}
}

/* The field that the byte at offset belongs to; ARRAY_SIZE(fields): none. */
static enum common find(uint32_t offset)
{
	enum common r = 0;

	while (r < ARRAY_SIZE(fields) && offset - fields[r].offset >= fields[r].size)
		r++;
	return r;
}

static uint64_t common_read(const struct virtio_pci *p, uint32_t offset, unsigned size)
{
	uint64_t v = 0;

	for (unsigned done = 0; done < size;) {
		enum common r = find(offset + done);
		unsigned skip, n;

		if (r == ARRAY_SIZE(fields))
			break;
		skip = offset + done - fields[r].offset;
		n = MIN(fields[r].size - skip, size - done);
		v |= (read_field(p, r) >> 8 * skip & BITS(8 * n - 1, 0)) << 8 * done;
		done += n;
	}
	return v;
}

static void common_write(struct virtio_pci *p, uint32_t offset, unsigned size, uint64_t value)
{
	enum common r = find(offset);

	if (size == 8) {
		common_write(p, offset, 4, value & BITS(31, 0));
		common_write(p, offset + 4, 4, value >> 32);
	} else if (r < ARRAY_SIZE(fields) && fields[r].offset == offset && fields[r].size == size) {
		write_field(p, r, value);
	}
}

/* --- the BAR --- */

/* The structure that offset lies in, 0 for none; *within is where. */
static enum virtio_pci_cap locate(uint32_t offset, uint32_t *within)
{
	for (enum virtio_pci_cap c = VIRTIO_PCI_CAP_COMMON; c < VIRTIO_PCI_CAP_COUNT; c++) {
		*within = offset - virtio_pci_structure[c].offset;
		if (*within < virtio_pci_structure[c].length)
			return c;
	}
	return 0;
}

uint64_t virtio_pci_read(struct virtio_pci *p, uint32_t offset, unsigned size)
{
	enum virtio_pci_cap c = locate(offset, &offset);
	uint64_t v = 0;

	spin_lock(&p->device->dev.lock);
	if (c == VIRTIO_PCI_CAP_COMMON)
		v = common_read(p, offset, size);
	else if (c == VIRTIO_PCI_CAP_ISR)
		v = read_isr(p);
	else if (c == VIRTIO_PCI_CAP_DEVICE)
		v = virtio_config_read(p->device, offset, size);
	spin_unlock(&p->device->dev.lock);
	return v;
}

void virtio_pci_write(struct virtio_pci *p, uint32_t offset, unsigned size, uint64_t value)
{
	enum virtio_pci_cap c = locate(offset, &offset);

	if (c == VIRTIO_PCI_CAP_NOTIFY) {
		if (offset % VIRTIO_PCI_NOTIFY_FACTOR == 0)
			virtio_notified(p->device, offset / VIRTIO_PCI_NOTIFY_FACTOR);
	} else if (c == VIRTIO_PCI_CAP_COMMON) {
		enum common r = find(offset);

		/* What was offered before comes before a reset, though a driver need not have told of it. */
		if (r == DEVICE_STATUS || r == QUEUE_RESET)
			virtio_look_last_at(p->device);
		spin_lock(&p->device->dev.lock);
		common_write(p, offset, size, value);
		spin_unlock(&p->device->dev.lock);
	} else if (c == VIRTIO_PCI_CAP_DEVICE) {
		spin_lock(&p->device->dev.lock);
		virtio_config_write(p->device, offset, size, value);
		spin_unlock(&p->device->dev.lock);
	}
}
