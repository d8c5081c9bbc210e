/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of a VM's emulated devices and what is done to all of them; the rule for their timers. */
#include "hv/vdev/vdev.h"
#include "hv/lib/util.h"
#include "hv/timer.h"
#include "hv/vdev/bios.h"
#include "hv/vdev/debug_console.h"
#include "hv/vdev/debug_exit.h"
#include "hv/vdev/pvpanic.h"
#include "hv/vm.h"

static const struct {
	enum status (*init)(struct vm *vm);
	void (*reset)(struct vm *vm);
	void (*pause)(struct vm *vm);
	void (*resume)(struct vm *vm);
	bool (*drain)(struct vm *vm);
	enum status (*rest_step)(struct vm *vm);
	enum status (*fini)(struct vm *vm); /* ERR_AGAIN: call again */
} devices[] = {
    /* The interrupt controllers first, so that a reset of the others finds them ready. */
    {.init = vpic_init, .reset = vpic_reset},
    {.init = vioapic_init, .reset = vioapic_reset},
    {.init = vpci_init, .reset = vpci_reset},
    {.init = vpm_init, .reset = vpm_reset, .pause = vpm_pause, .resume = vpm_resume},
    /* Before those whose lines it may have had. */
    {.init = vhpet_init, .reset = vhpet_reset, .pause = vhpet_pause, .resume = vhpet_resume},
    {.init = vpit_init, .reset = vpit_reset, .pause = vpit_pause, .resume = vpit_resume},
    {.init = vrtc_init, .reset = vrtc_reset, .pause = vrtc_pause, .resume = vrtc_resume},
    {.init = vuart_init, .reset = vuart_reset, .pause = vuart_pause, .resume = vuart_resume},
    {.init = vdebug_console_init},
    {.init = vpvpanic_init},
    {.init = vbios_init},
    {.init = virtio_rng_init,
     .reset = virtio_rng_reset,
     .pause = virtio_rng_pause,
     .resume = virtio_rng_resume},
    {.init = virtio_net_init,
     .reset = virtio_net_reset,
     .pause = virtio_net_pause,
     .resume = virtio_net_resume},
    {.init = virtio_blk_init,
     .reset = virtio_blk_reset,
     .resume = virtio_blk_resume,
     .drain = virtio_blk_drain,
     .fini = virtio_blk_fini},
    {.init = vivshmem_init, .fini = vivshmem_fini},
    {.init = virtio_console_init,
     .reset = virtio_console_reset,
     .pause = virtio_console_pause,
     .resume = virtio_console_resume},
    {.init = virtio_balloon_init,
     .reset = virtio_balloon_reset,
     .pause = virtio_balloon_pause,
     .resume = virtio_balloon_resume,
     .rest_step = virtio_balloon_rest_step},
    /* The last: its port is the configuration's choice, and must not take a device's. */
    {.init = vdebug_exit_init},
};

enum status vdevs_init(struct vm *vm)
{
	vm->ports.index = &vm->port_index;
	io_bus_clear(&vm->ports);
	io_bus_clear(&vm->mmio);
	vm->virtio = NULL;
	vm->virtio_watched = 0;
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		enum status s = devices[i].init(vm);

		if (s != OK)
			return s;
	}
	return OK;
}

enum status vdevs_fini_step(struct vm *vm)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i].fini && devices[i].fini(vm) == ERR_AGAIN)
			return ERR_AGAIN;
	return OK;
}

void vdevs_reset(struct vm *vm)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i].reset)
			devices[i].reset(vm);
}

bool vdevs_drain(struct vm *vm)
{
	bool drained = true;

	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		drained &= !devices[i].drain || devices[i].drain(vm);
	return drained;
}

enum status vdevs_rest_step(struct vm *vm)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i].rest_step && devices[i].rest_step(vm) == ERR_AGAIN)
			return ERR_AGAIN;
	return OK;
}

void vdevs_pause(struct vm *vm)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i].pause)
			devices[i].pause(vm);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vlapic_pause(vm->vcpu[i]);
}

void vdevs_resume(struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vlapic_resume(vm->vcpu[i]);
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++)
		if (devices[i].resume)
			devices[i].resume(vm);
}

void vdev_init(struct vdev *d, struct vm *vm, const char *name)
{
	d->name = name;
	d->vm = vm;
	d->lock = (struct spinlock){};
	d->stopped = true;
}

void vdev_timer_arm(struct vdev *d, struct timer *t, uint64_t vm_ns)
{
	if (d->stopped)
		return;
	t->payer = d->vm->vcpu[0];
	timer_arm(t, vm_timer_cpu(d->vm), vm_time_to_host_ns(d->vm, vm_ns));
}

void vdev_stop(struct vdev *d, struct timer *t)
{
	spin_lock(&d->lock);
	d->stopped = true;
	spin_unlock(&d->lock);
	/* Without the lock: the function that this waits for takes it. */
	timer_cancel(t);
}
