/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/vdev/virtio_function.c: what a driver finds on the bus, and the two ways to the registers. */
#include "fake_bus.h"

#include <stdlib.h>
#include "hv/vdev/virtio_function.h"

#define SLOT         1
#define ECAM(offset) (PLATFORM_PCI_ECAM_BASE + ((uint64_t)SLOT << 15) + (offset))
#define BAR          0xc0000000UL
#define TABLE        0xc0010000UL
#define QUEUES       2
#define CONFIG       0x2000 /* device configuration in the BAR */
#define STATUS       0x14
#define CFG_TYPES    6

static struct virtqueue queue[QUEUES];
static struct virtio device;
static struct virtio_function function;
static const uint8_t device_config[] = {1, 2, 3, 4, 5, 6, 7, 8};
static unsigned notified[QUEUES];
static bool line;
static unsigned messages;
static uint32_t message_data;

struct vm *vm_enter_address_space(struct vm *vm)
{
	return NULL;
}

void vm_msi(struct vm *vm, uint64_t address, uint32_t data)
{
	messages++;
	message_data = data;
}

void vm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
	assert_int_equal(gsi, PLATFORM_GSI_PCI + SLOT % PLATFORM_GSI_PCI_COUNT);
	line = level;
}

static void on_notified(struct virtio *d, unsigned n)
{
	/* The device's lock is free. */
	spin_lock(&d->dev.lock);
	notified[n]++;
	spin_unlock(&d->dev.lock);
}

static void on_reset(struct virtio *d)
{
}

static int setup(void **state)
{
	static const struct virtio_type type = {.id = 2, .notified = on_notified, .reset = on_reset};

	fake_vm_new(1);
	fake_vm.mem = (struct gmem){.base = calloc(1, 0x10000)};
	assert_int_equal(gmem_add(&fake_vm.mem, 0, 0x10000, false), OK);
	assert_int_equal(vpci_init(&fake_vm), OK);
	device = (struct virtio){.config = device_config, .config_size = sizeof(device_config)};
	vdev_init(&device.dev, &fake_vm, "test");
	virtio_init(&device, &type, 0, queue, QUEUES, 8);
	assert_int_equal(virtio_function_add(&function, &device, 0x010000), OK);
	vpci_reset(&fake_vm);
	memset(notified, 0, sizeof(notified));
	messages = 0;
	line = false;
	wr(ECAM(PCI_BAR0), 4, BAR);
	wr(ECAM(PCI_BAR0 + 4), 4, TABLE);
	wr(ECAM(PCI_COMMAND), 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	return 0;
}

static int teardown(void **state)
{
	free(fake_vm.mem.base);
	return 0;
}

/* The offset of the capability of a virtio structure, 0: it isn't there. Follows the list as a driver does. */
static unsigned find(unsigned cfg_type)
{
	unsigned at = rd(ECAM(PCI_CAPABILITIES), 1);

	for (unsigned n = 0; at; n++, at = rd(ECAM(at + 1), 1)) {
		assert_true(n < 48 && at >= PCI_HEADER_END && at % 4 == 0);
		if (rd(ECAM(at), 1) == PCI_CAP_VENDOR && rd(ECAM(at + 3), 1) == cfg_type)
			return at;
	}
	return 0;
}

static void test_identity(void **state)
{
	assert_int_equal(rd(ECAM(PCI_VENDOR), 4), 0x10421af4);
	assert_int_equal(rd(ECAM(PCI_REVISION), 4), 0x01000001);
	assert_int_equal(rd(ECAM(PCI_INTERRUPT_PIN), 1), PCI_INTA);
	assert_true(rd(ECAM(PCI_STATUS), 2) & PCI_STATUS_CAPABILITIES);
}

/* "Virtio Structure PCI Capabilities": each there, in a BAR, inside of it, none over another. */
static void test_capabilities(void **state)
{
	uint64_t end[CFG_TYPES] = {}, start[CFG_TYPES] = {};

	for (unsigned type = 1; type < CFG_TYPES; type++) {
		unsigned at = find(type);

		assert_int_not_equal(at, 0);
		assert_int_equal(rd(ECAM(at + 2), 1), type == 2 || type == 5 ? 20 : 16);
		if (type == 5)
			continue;
		assert_int_equal(rd(ECAM(at + 4), 1), 0);
		start[type] = rd(ECAM(at + 8), 4);
		end[type] = start[type] + rd(ECAM(at + 12), 4);
		assert_true(end[type] > start[type] && end[type] <= VIRTIO_PCI_BAR_SIZE);
		for (unsigned other = 1; other < type; other++)
			assert_true(end[other] <= start[type] || end[type] <= start[other]);
	}
	assert_int_equal(find(CFG_TYPES), 0);
	assert_int_equal(rd(ECAM(find(2) + 16), 4), VIRTIO_PCI_NOTIFY_FACTOR);
}

static void test_bar(void **state)
{
	assert_int_equal(rd(BAR + CONFIG, 4), 0x04030201);
	wr(BAR + STATUS, 1, VIRTIO_ACKNOWLEDGE);
	assert_int_equal(rd(BAR + STATUS, 1), VIRTIO_ACKNOWLEDGE);
	wr(BAR + STATUS, 1, 0);
	assert_int_equal(rd(BAR + STATUS, 1), 0);
}

/* "PCI configuration access capability". */
static void test_window(void **state)
{
	unsigned at = find(VIRTIO_PCI_CAP_PCI_CFG);

	wr(ECAM(at + 8), 4, CONFIG + 4);
	wr(ECAM(at + 12), 4, 4);
	assert_int_equal(rd(ECAM(at + 16), 4), 0x08070605);
	assert_int_equal(rd(ECAM(at + 16), 2), 0); /* not the length that was written down */
	assert_int_equal(rd(ECAM(at + 18), 2), 0);
	wr(ECAM(at + 8), 4, STATUS);
	wr(ECAM(at + 12), 4, 1);
	wr(ECAM(at + 16), 1, VIRTIO_ACKNOWLEDGE);
	assert_int_equal(rd(BAR + STATUS, 1), VIRTIO_ACKNOWLEDGE);
	assert_int_equal(rd(ECAM(at + 16), 1), VIRTIO_ACKNOWLEDGE);
	/* Where there is nothing: another BAR, behind the end, not aligned, no such length. */
	for (unsigned i = 0; i < 5; i++) {
		static const struct {
			uint32_t bar, offset, length;
		} nowhere[] = {{1, STATUS, 1},
			       {0, VIRTIO_PCI_BAR_SIZE, 1},
			       {0, UINT32_MAX, 2},
			       {0, CONFIG + 1, 4},
			       {0, CONFIG, 3}};

		wr(ECAM(at + 4), 1, nowhere[i].bar);
		wr(ECAM(at + 8), 4, nowhere[i].offset);
		wr(ECAM(at + 12), 4, nowhere[i].length);
		assert_int_equal(rd(ECAM(at + 16), nowhere[i].length == 3 ? 4 : nowhere[i].length), 0);
		wr(ECAM(at + 16), 1, 0);
	}
	assert_int_equal(rd(BAR + STATUS, 1), VIRTIO_ACKNOWLEDGE);
}

/* A change of the configuration, by the pin and by a message; with messages on, the pin is quiet. */
static void test_interrupts(void **state)
{
	unsigned msix = rd(ECAM(PCI_CAPABILITIES), 1);

	while (rd(ECAM(msix), 1) != PCI_CAP_MSIX)
		msix = rd(ECAM(msix + 1), 1);
	device.accepted = VIRTIO_F_VERSION_1;
	virtio_set_status(&device, 15);
	virtio_config_changed(&device);
	assert_true(line);
	assert_int_equal(rd(BAR + 0x1000, 1), 2);
	assert_false(line);
	wr(ECAM(msix + 2), 2, 0x8000);
	wr(TABLE + 16, 8, 0xfee00000);
	wr(TABLE + 24, 8, 0x41);
	wr(BAR + 0x10, 2, 1); /* config_msix_vector */
	virtio_config_changed(&device);
	assert_false(line);
	assert_int_equal(messages, 1);
	assert_int_equal(message_data, 0x41);
	wr(ECAM(msix + 2), 2, 0); /* off, and the ISR is not read yet */
	assert_true(line);
	assert_int_equal(rd(BAR + 0x1000, 1), 2);
	assert_false(line);
}

static void test_full_bus(void **state)
{
	static struct virtio_function more[PCI_SLOTS];

	for (unsigned i = 2; i < PCI_SLOTS; i++)
		assert_int_equal(virtio_function_add(&more[i], &device, 0x010000), OK);
	assert_int_equal(virtio_function_add(&more[0], &device, 0x010000), ERR_NOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_capabilities, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bar, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_window, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_interrupts, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_full_bus, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
