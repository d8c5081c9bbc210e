/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ticket spinlock. Host code runs with interrupts disabled except at the points named in
 * hv/pcpu.h, so that a lock need not save the interrupt flag.
 *
 * The order in which locks may nest, outermost first:
 *   vm->state_lock, device locks (vdev), a shared region's, a PCI function's, vm->pci.intx_lock, vm->irq_lock,
 *   vm->pvclock_lock, vm->npt_lock, pcpu->sched_lock, vm->cap.lock, opened disks, queues of a block device by number, an ATA
 *   channel, an uplink's, a network card's sending, timer queue, work queue, page allocator, console, log.
 * A switch's is taken with no other held, and none is taken within.
 */
#pragma once

#include <stdint.h>

struct spinlock {
	uint32_t next, owner;
};

static inline void spin_lock(struct spinlock *l)
{
	uint32_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);

	while (__atomic_load_n(&l->owner, __ATOMIC_ACQUIRE) != ticket)
		__builtin_ia32_pause();
}

static inline void spin_unlock(struct spinlock *l)
{
	__atomic_store_n(&l->owner, l->owner + 1, __ATOMIC_RELEASE);
}
