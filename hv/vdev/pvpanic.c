/* SPDX-License-Identifier: BSD-2-Clause */
/* pvpanic: see pvpanic.h. It has no state. */
#include "hv/vdev/pvpanic.h"

#include "hv/lib/log.h"
#include "hv/lib/util.h"
#include "hv/vdev/platform.h"
#include "hv/vm.h"

/* Bits of what is written, and of what can be, which a read tells. */
#define PANICKED     BIT(0)
#define CRASH_LOADED BIT(1) /* it has panicked, but a crash kernel will take over */

static uint64_t pvpanic_read(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size)
{
	(void)d;
	(void)v;
	(void)port;
	(void)size;
	return PANICKED | CRASH_LOADED;
}

static void pvpanic_write(struct vdev *d, struct vcpu *v, uint64_t port, unsigned size, uint64_t value)
{
	(void)port;
	(void)size;
	if (value & PANICKED)
		vm_crash(v, "its kernel has panicked (pvpanic)");
	else if (value & CRASH_LOADED)
		log_warn("vm %s: its kernel has panicked, and starts its crash kernel (pvpanic)",
			 d->vm->cfg->name);
}

enum status vpvpanic_init(struct vm *vm)
{
	vdev_init(&vm->pvpanic, vm, "pvpanic");
	return io_bus_add(&vm->ports, PLATFORM_PVPANIC_PORT, 1, &vm->pvpanic, pvpanic_read, pvpanic_write);
}
