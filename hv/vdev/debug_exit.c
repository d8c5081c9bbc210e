/* SPDX-License-Identifier: BSD-2-Clause */
/* The port of `debug_exit`: see debug_exit.h. It has no state. */
#include "hv/vdev/debug_exit.h"
#include "hv/lib/fmt.h"
#include "hv/lib/util.h"
#include "hv/vm.h"

#define PORTS     4UL /* so that a 32-bit write comes as one */
#define PORTS_END 0x10000

static uint64_t exit_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	(void)d;
	(void)v;
	(void)port;
	(void)size;
	return 0;
}

static void exit_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	(void)v;
	(void)size;
	if (port == (uint64_t)d->vm->cfg->debug_exit)
		vm_end(d->vm, VM_END_DEBUG_EXIT, (int)((uint32_t)value << 1 | 1));
}

enum status vdebug_exit_init(struct vm *vm)
{
	uint64_t port = (uint64_t)vm->cfg->debug_exit;
	enum status s;

	if (vm->cfg->debug_exit < 0)
		return OK;
	vdev_init(&vm->debug_exit, vm, "debug_exit");
	s = io_bus_add(&vm->ports, port, MIN(PORTS, PORTS_END - port), &vm->debug_exit, exit_read,
		       exit_write);
	if (s == ERR_EXIST)
		fmt_snprintf(
		    vm->why, sizeof(vm->why),
		    "debug_exit = 0x%lx: that port, or one of the %lu behind it, is another device's", port,
		    PORTS - 1);
	return s;
}
