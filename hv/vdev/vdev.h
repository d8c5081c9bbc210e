/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every emulated device has. A device is a plain struct that embeds struct vdev first; it lives in
 * struct vm (or struct vcpu) and is reached from handlers with container_of.
 */
#pragma once

#include "hv/lib/lock.h"

struct vm;

struct vdev {
	const char *name;
	struct vm *vm;
	struct spinlock lock; /* guards the device's state; taken by its handlers, not by their callers */
};
