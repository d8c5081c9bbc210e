/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every emulated device has. A device is a plain struct that embeds struct vdev first; it lives in
 * struct vm (or struct vcpu) and is reached from handlers with container_of.
 *
 * Timers of devices: state and guest time alone say what is due. A timer's function takes the device's lock,
 * does what guest time says is due, and arms the timer for the next change; a call that comes early, late or
 * twice does no harm. So handlers arm timers and never cancel them (timer_cancel waits for the function,
 * which waits for the lock). vdevs_pause marks each device stopped, so that it arms nothing, and then
 * cancels; vdevs_resume looks at what is due and arms again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/lock.h"
#include "hv/lib/status.h"

struct vm;
struct timer;

struct vdev {
	const char *name;
	struct vm *vm;
	struct spinlock lock; /* guards the device's state; taken by its handlers, not by their callers */
	bool stopped;         /* guarded by lock: the VM is paused or has ended, arm no timer */
};

/* Sets up every device of vm and puts it on the VM's buses. Once, before the first vdevs_reset. */
enum status vdevs_init(struct vm *vm);
/*
 * Gives back what vdevs_init took, some of it: ERR_AGAIN: call again. After OK it does nothing. Nothing is under way; also where
 * vdevs_init failed.
 */
enum status vdevs_fini_step(struct vm *vm);
/* Power-on state, and LAPICs as firmware leaves them. No vCPU runs; vm_time_ns counts on or begins anew. */
void vdevs_reset(struct vm *vm);
/*
 * No vCPU runs: devices begin nothing more, until vdevs_resume. False: one of them still has requests with the host's devices,
 * which read and write guest memory; vm_device_drained follows.
 */
bool vdevs_drain(struct vm *vm);
/*
 * After vdevs_drain and vdevs_pause, with the common address space loaded: some of what devices take from the VM's memory, as
 * they asked by vm_rest. ERR_AGAIN: call again.
 */
enum status vdevs_rest_step(struct vm *vm);
/* No vCPU runs and vm_time_ns stands still: no timer of a device runs or will run on return. */
void vdevs_pause(struct vm *vm);
/* vm_time_ns moves again: arms the timers. Also after vdevs_reset. */
void vdevs_resume(struct vm *vm);

/* For the devices. */
void vdev_init(struct vdev *d, struct vm *vm, const char *name);
/* Arms t for guest time vm_ns unless d is stopped. With d's lock held. */
void vdev_timer_arm(struct vdev *d, struct timer *t, uint64_t vm_ns);
void vdev_stop(struct vdev *d, struct timer *t);

#define NS_PER_S 1000000000ULL

/* a * mul / div, rounded down; the result must fit 64 bits. */
static inline uint64_t vdev_scale(uint64_t a, uint64_t mul, uint64_t div)
{
	uint64_t high, low, rest;

	__asm__("mulq %3" : "=a"(low), "=d"(high) : "a"(a), "rm"(mul) : "cc");
	__asm__("divq %4" : "=a"(low), "=d"(rest) : "a"(low), "d"(high), "rm"(div) : "cc");
	return low;
}
