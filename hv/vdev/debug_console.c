/* SPDX-License-Identifier: BSD-2-Clause */
/* The debug console: see debug_console.h. It has no state. */
#include "hv/vdev/debug_console.h"

#include "hv/mgmt/console.h"
#include "hv/vdev/platform.h"
#include "hv/vm.h"

#define PRESENT 0xe9

static uint64_t debug_console_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	(void)d;
	(void)v;
	(void)port;
	(void)size;
	return PRESENT;
}

static void debug_console_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	uint8_t byte = (uint8_t)value;

	(void)v;
	(void)port;
	(void)size;
	console_guest_output(d->vm, &byte, 1);
}

enum status vdebug_console_init(struct vm *vm)
{
	vdev_init(&vm->debug_console, vm, "debug console");
	return io_bus_add(&vm->ports, PLATFORM_DEBUG_PORT, 1, &vm->debug_console, debug_console_read,
			  debug_console_write);
}
