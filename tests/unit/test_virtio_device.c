/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/virtio_device.c: where it finds registers, what it makes of wrong places, what it writes. They are plain memory here. */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "drivers/virtio_device.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define CAPS        8
#define BAR_SIZE    0x1000
#define COMMON      0x000
#define NOTIFY      0x400
#define CONFIG      0x800
#define NOTIFY_SIZE 16

static uint8_t space[PCI_CONFIG_SIZE], bar[BAR_SIZE];
static uint8_t caps[CAPS];
static unsigned cap_count;
static bool master, pulled_out;
static struct pci_device pci;
static struct virtio_device v;
static struct virtio_queue q;

uint8_t pci_capability(const struct pci_device *d, uint8_t id, unsigned n)
{
	assert_int_equal(id, PCI_CAP_VENDOR);
	return n < cap_count ? caps[n] : 0;
}

uint8_t pci_config_read8(uint16_t bdf, uint8_t offset)
{
	return space[offset];
}

uint32_t pci_config_read(uint16_t bdf, uint8_t offset)
{
	uint32_t value;

	memcpy(&value, space + offset, sizeof(value));
	return value;
}

/* There is one region, number 4. */
void *pci_map(const struct pci_device *d, unsigned region, uint64_t offset, uint64_t size)
{
	return region == 4 && offset + size <= BAR_SIZE ? bar + offset : NULL;
}

bool pci_is_there(const struct pci_device *d)
{
	return !pulled_out;
}

void pci_enable(const struct pci_device *d, bool on)
{
	master = on;
}

void *page_alloc_bytes(size_t bytes)
{
	return aligned_alloc(PAGE_SIZE, ALIGN_UP(bytes, PAGE_SIZE));
}

void page_free_bytes(void *p, size_t bytes)
{
	free(p);
}

hpa_t host_pa(const void *p)
{
	return hpa((uint64_t)p);
}

void delay_us(uint32_t us)
{
}

/* Every 20 bytes from 40h on there is one. */
static uint8_t *add_cap(uint8_t type, uint8_t region, uint32_t offset, uint32_t size)
{
	uint8_t at = (uint8_t)(PCI_HEADER_END + 20 * cap_count);
	uint8_t *c = space + at;

	caps[cap_count++] = at;
	c[2] = 20;
	c[3] = type;
	c[4] = region;
	memcpy(c + 8, &offset, 4);
	memcpy(c + 12, &size, 4);
	return c;
}

static void set16(unsigned at, uint16_t value)
{
	memcpy(bar + at, &value, 2);
}

static uint16_t get16(unsigned at)
{
	uint16_t value;

	memcpy(&value, bar + at, 2);
	return value;
}

static void add_notify(uint32_t multiplier)
{
	memcpy(add_cap(VIRTIO_PCI_CAP_NOTIFY, 4, NOTIFY, NOTIFY_SIZE) + 16, &multiplier, 4);
}

static int setup(void **state)
{
	memset(space, 0, sizeof(space));
	memset(bar, 0, sizeof(bar));
	cap_count = 0;
	master = pulled_out = false;
	q = (struct virtio_queue){.index = 1, .vector = 2};
	return 0;
}

/* Whose feature registers show these 32 bits in both halves: the bits of VIRTIO_F_VERSION_1 and others. */
static int setup_device(void **state)
{
	uint32_t features = 0x13;

	setup(state);
	add_cap(VIRTIO_PCI_CAP_COMMON, 4, COMMON, 56);
	add_notify(4);
	add_cap(VIRTIO_PCI_CAP_DEVICE, 4, CONFIG, 12);
	memcpy(bar + 4, &features, 4);
	set16(18, 2);   /* queues */
	set16(24, 100); /* entries */
	set16(30, 3);   /* where the queue is notified */
	return virtio_device_init(&v, &pci) != OK || virtio_device_reset(&v, 0x42) != OK;
}

static int teardown(void **state)
{
	virtio_queue_free(&q);
	return 0;
}

static void test_no_capabilities(void **state)
{
	assert_int_equal(virtio_device_init(&v, &pci), ERR_UNSUPPORTED);
	add_cap(VIRTIO_PCI_CAP_COMMON, 4, COMMON, 56);
	assert_int_equal(virtio_device_init(&v, &pci), ERR_UNSUPPORTED);
	assert_false(master);
	add_notify(4);
	assert_int_equal(virtio_device_init(&v, &pci), OK);
	assert_true(master);
	assert_int_equal(virtio_config32(&v, 0), 0);
}

static void test_out_of_place(void **state)
{
	static const struct {
		uint8_t region;
		uint32_t offset, size;
	} places[] = {{4, 0xff0, 56}, {4, UINT32_MAX, 56}, {3, 0, 56}, {4, 0, 55}};

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		setup(state);
		add_cap(VIRTIO_PCI_CAP_COMMON, places[i].region, places[i].offset, places[i].size);
		add_notify(4);
		assert_int_equal(virtio_device_init(&v, &pci), ERR_UNSUPPORTED);
		assert_false(master);
	}
}

/* In a region that doesn't exist, or too short: the next one counts. */
static void test_first_that_fits(void **state)
{
	add_cap(VIRTIO_PCI_CAP_COMMON, 6, 0, 56);
	add_cap(VIRTIO_PCI_CAP_COMMON, 4, COMMON, 56)[2] = 15;
	add_cap(VIRTIO_PCI_CAP_COMMON, 4, COMMON + 64, 56);
	add_notify(4);
	assert_int_equal(virtio_device_init(&v, &pci), OK);
	assert_ptr_equal(v.common, bar + COMMON + 64);
}

/* One that would reach beyond configuration space. */
static void test_capability_at_the_end(void **state)
{
	add_cap(VIRTIO_PCI_CAP_COMMON, 4, COMMON, 56);
	caps[cap_count++] = 0xf0;
	space[0xf2] = 20;
	space[0xf3] = VIRTIO_PCI_CAP_NOTIFY;
	assert_int_equal(virtio_device_init(&v, &pci), ERR_UNSUPPORTED);
}

static void test_features(void **state)
{
	/* Of 0x13 those that were asked for, and of 0x13 << 32 the three that are always wanted. */
	assert_int_equal(v.features,
			 0x02 | VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM);
	assert_int_equal(bar[20], VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FEATURES_OK);
	virtio_device_ready(&v);
	assert_true(bar[20] & VIRTIO_DRIVER_OK);
	bar[4] = 0x12;
	assert_int_equal(virtio_device_reset(&v, 0x42), ERR_UNSUPPORTED);
	assert_int_equal(bar[20], VIRTIO_FAILED);
}

static void test_queue(void **state)
{
	uint64_t address;

	assert_int_equal(virtio_device_queue(&v, &q, 256), OK);
	assert_int_equal(q.ring.size, 64);
	assert_int_equal(get16(22), 1);
	assert_int_equal(get16(24), 64);
	assert_int_equal(get16(26), 2);
	assert_int_equal(get16(28), 1);
	memcpy(&address, bar + 32, 8);
	assert_int_equal(address, (uint64_t)q.ring.desc);
	memcpy(&address, bar + 40, 8);
	assert_int_equal(address, (uint64_t)q.ring.avail);
	memcpy(&address, bar + 48, 8);
	assert_int_equal(address, (uint64_t)q.ring.used);

	virtio_queue_notify(&q);
	assert_int_equal(get16(NOTIFY + 12), 1);
	set16(NOTIFY + 12, 0xffff);
	q.ring.used->flags = VQ_USED_NO_NOTIFY;
	virtio_queue_notify(&q);
	assert_int_equal(get16(NOTIFY + 12), 0xffff);
}

static void test_no_such_queue(void **state)
{
	q.index = 2;
	assert_int_equal(virtio_device_queue(&v, &q, 256), ERR_NOENT);
	q.index = 1;
	set16(24, 0);
	assert_int_equal(virtio_device_queue(&v, &q, 256), ERR_NOENT);
}

static void test_doorbell_out_of_place(void **state)
{
	set16(30, 4);
	assert_int_equal(virtio_device_queue(&v, &q, 256), ERR_IO);
	set16(30, 0xffff);
	v.notify_multiplier = UINT32_MAX;
	assert_int_equal(virtio_device_queue(&v, &q, 256), ERR_IO);
	set16(30, 1);
	v.notify_multiplier = 1;
	assert_int_equal(virtio_device_queue(&v, &q, 256), ERR_IO);
	assert_int_equal(get16(28), 0);
}

/* Memory of the first size is kept; a device that wants another one afterwards doesn't get it. */
static void test_queue_again(void **state)
{
	const void *memory;

	assert_int_equal(virtio_device_queue(&v, &q, 256), OK);
	memory = q.memory;
	assert_int_equal(virtio_device_queue(&v, &q, 256), OK);
	assert_ptr_equal(q.memory, memory);
	set16(24, 128);
	assert_int_equal(virtio_device_queue(&v, &q, 256), ERR_IO);
}

static void test_config(void **state)
{
	for (unsigned i = 0; i < 16; i++)
		bar[CONFIG + i] = (uint8_t)(i + 1);
	assert_int_equal(virtio_config8(&v, 11), 12);
	assert_int_equal(virtio_config16(&v, 10), 0x0c0b);
	assert_int_equal(virtio_config32(&v, 8), 0x0c0b0a09);
	assert_int_equal(virtio_config64(&v, 4), 0x0c0b0a0908070605);
	/* Beyond its end. */
	assert_int_equal(virtio_config8(&v, 12), 0);
	assert_int_equal(virtio_config16(&v, 11), 0);
	assert_int_equal(virtio_config32(&v, 12), 0);
	assert_int_equal(virtio_config64(&v, 8), 0x0c0b0a09);
}

static void test_is_well(void **state)
{
	assert_false(virtio_device_is_well(&v)); /* it is not ready yet */
	virtio_device_ready(&v);
	assert_true(virtio_device_is_well(&v));
	bar[20] |= VIRTIO_DEVICE_NEEDS_RESET;
	assert_false(virtio_device_is_well(&v));
	bar[20] = 0xff;
	assert_false(virtio_device_is_well(&v));
	bar[20] = VIRTIO_DRIVER_OK;
	assert_true(virtio_device_is_well(&v));
	pulled_out = true;
	assert_false(virtio_device_is_well(&v));
	/* Nor is it reset by registers that are nobody's. */
	assert_int_equal(virtio_device_reset(&v, 0x42), ERR_NOENT);
	assert_int_equal(bar[20], VIRTIO_DRIVER_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_no_capabilities, setup),
	    cmocka_unit_test_setup(test_out_of_place, setup),
	    cmocka_unit_test_setup(test_first_that_fits, setup),
	    cmocka_unit_test_setup(test_capability_at_the_end, setup),
	    cmocka_unit_test_setup(test_features, setup_device),
	    cmocka_unit_test_setup_teardown(test_queue, setup_device, teardown),
	    cmocka_unit_test_setup(test_no_such_queue, setup_device),
	    cmocka_unit_test_setup(test_doorbell_out_of_place, setup_device),
	    cmocka_unit_test_setup_teardown(test_queue_again, setup_device, teardown),
	    cmocka_unit_test_setup(test_config, setup_device),
	    cmocka_unit_test_setup(test_is_well, setup_device),
	};

	return cmocka_run_group_tests_name("virtio_device", tests, NULL, NULL);
}
