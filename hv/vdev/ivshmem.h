/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory shared with other guests, and a doorbell to interrupt them. Model: QEMU's ivshmem-doorbell device, "Device
 * Specification for Inter-VM shared memory device", revision 1: BAR 0 registers, BAR 1 MSI-X, BAR 2 the memory. A guest's
 * ID is the number of its section in the configuration, from 0.
 */
#pragma once

#include <stdint.h>
#include "hv/config.h"
#include "hv/lib/status.h"
#include "hv/vdev/pci_function.h"

#define IVSHMEM_VECTORS 8

struct shared;
struct vm;

struct ivshmem {
	struct pci_function pci;
	struct shared *shared;
};

/* The devices of a VM, as many as its configuration has of them. */
struct vivshmem {
	struct ivshmem *device; /* NULL: none */
	uint32_t count;
};

/* ERR_NOMEM: vm->why says so, where it is the shared memory that there is none of. */
enum status vivshmem_init(struct vm *vm);
/* Others can't interrupt it any more. */
enum status vivshmem_fini(struct vm *vm);
