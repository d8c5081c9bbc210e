/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that several guests see, one region for each [shared] section of the configuration: its frames, which are no
 * VM's, and who is there. What the guests see of it is a device: hv/vdev/ivshmem.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/config.h"
#include "hv/lib/lock.h"
#include "hv/lib/status.h"
#include "hv/lib/types.h"

struct ivshmem;

struct shared {
	hpa_t memory; /* aligned to its size; 0: there is none */
	uint64_t size;
	struct spinlock lock;
	struct ivshmem
	    *peer[CONFIG_VM_MAX]; /* by the VM's index: those that can be interrupted; guarded by lock */
};

extern struct shared shared_region[CONFIG_SHARED_MAX]; /* by index of the section */

/* Takes memory for the regions that guests have. Once, before the first of them is built; one for which there is none stays empty. */
void shared_init(const struct config *c);
/* All of [pa, pa+size) is memory of this region. */
bool shared_contains(const struct shared *s, hpa_t pa, uint64_t size);
