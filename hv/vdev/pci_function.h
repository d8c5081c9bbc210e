/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A function of the guest's PCI bus: its configuration space (type 0 header), base address registers, capabilities
 * and interrupts. A device embeds one, describes it before the VM runs, in this order: vpci_function_init, what it has
 * (vpci_..._define, vpci_capability_add), vpci_add (hv/vdev/pci.h). From then on the guest's accesses to its BARs come to
 * the device's handlers, and its interrupts go by vpci_msix_send and vpci_intx_set.
 * Model: PCI Local Bus Specification 3.0, "Configuration Space Organization".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/lock.h"
#include "hv/lib/types.h"
#include "hv/lib/util.h"
#include "hv/x86/pci.h"

struct vcpu;
struct vm;
struct pci_function;

#define PCI_BARS             6
#define PCI_MSIX_VECTORS_MAX 128

enum pci_pin { PCI_NO_PIN, PCI_INTA, PCI_INTB, PCI_INTC, PCI_INTD };

struct pci_identity {
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint32_t class_code; /* class << 16 | subclass << 8 | interface */
	uint8_t revision;
};

/* size is 1, 2 or 4, in memory 8 too; offset + size is within the BAR. Any vCPU, no lock held. */
typedef uint64_t (*pci_bar_read_fn)(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size);
typedef void (*pci_bar_write_fn)(struct pci_function *f, struct vcpu *v, uint64_t offset, unsigned size,
				 uint64_t value);

/* An access of 1, 2 or 4 bytes to a register, `at` bytes into it. Any vCPU, no lock held. */
typedef uint32_t (*pci_config_read_fn)(struct pci_function *f, unsigned at, unsigned size);
typedef void (*pci_config_write_fn)(struct pci_function *f, unsigned at, unsigned size, uint32_t value);

enum pci_bar_kind { PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64 };

struct pci_bar {
	struct pci_function *function;
	enum pci_bar_kind kind;
	uint64_t size; /* 0: there is none */
	uint64_t at;   /* atomic: the address or port at which it answers; 0: nowhere */
	pci_bar_read_fn read;
	pci_bar_write_fn write;
	hpa_t memory;   /* frames behind it; 0: none, it is registers */
	uint64_t there; /* where the guest has these frames; 0: nowhere */
};

/* As the guest finds it in memory: "MSI-X Capability and Table Structures". */
struct pci_msix_entry {
	uint64_t address;
	uint32_t data, control;
};

struct pci_msix {
	unsigned vectors;    /* 0: it has no MSI-X */
	unsigned capability; /* its offset */
	struct pci_msix_entry entry[PCI_MSIX_VECTORS_MAX];
	uint64_t pending[PCI_MSIX_VECTORS_MAX / 64];
};

struct pci_function {
	struct vm *vm; /* these two from vpci_add on */
	unsigned slot;
	/* Guards what the guest may change, but for bar[].at; taken after the lock of the function's device. */
	struct spinlock lock;
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE]; /* the bits that the guest may change */
	unsigned capabilities_end;
	unsigned handled; /* the register that these two answer for; 0: there is none */
	pci_config_read_fn handled_read;
	pci_config_write_fn handled_write;
	struct pci_bar bar[PCI_BARS];
	struct pci_msix msix;
	bool intx, intx_out; /* what the device wants of its pin; what its pin says */
};

/* The description. Mistakes in it are bugs of the device: they panic. */

/* Begins the description of f. */
void vpci_function_init(struct pci_function *f, const struct pci_identity *id);
/* A register of 1, 2 or 4 bytes: its value, and the bits that the guest may change, which are 0 after a reset. */
void vpci_config_define(struct pci_function *f, unsigned offset, unsigned size, uint32_t value,
			uint32_t writable);
/* Has one register of 4 bytes answered by these. */
void vpci_config_handle(struct pci_function *f, unsigned offset, pci_config_read_fn read,
			pci_config_write_fn write);
/*
 * Takes `size` bytes for a capability of this id (enum pci_capability), zeros from its third byte on, and puts it in the
 * list; what is in it is vpci_config_define's. Returns its offset.
 */
unsigned vpci_capability_add(struct pci_function *f, uint8_t id, unsigned size);
/*
 * BAR n, with PCI_BAR_MEM64 also n + 1. size: a power of two, 4 to 256 ports, or of memory 16 bytes to 512 MiB, with
 * PCI_BAR_MEM64 to 1 GiB. It answers while the command register lets it and all of it lies in one of the bus's windows
 * (PLATFORM_PCI_MEM_..., PLATFORM_PCI_IO_... of hv/vdev/platform.h, guest_map_pci_high of hv/guest_map.h); elsewhere it is
 * nowhere, and what is there goes on answering. Of two BARs at one place the first that came to the bus answers.
 */
void vpci_bar_define(struct pci_function *f, unsigned n, enum pci_bar_kind kind, uint64_t size,
		     pci_bar_read_fn read, pci_bar_write_fn write);
/*
 * BAR n, of memory, shows size bytes of frames from `memory` on, aligned to that, which are the device's for as long as the VM
 * has it: so it is prefetchable. The guest accesses them without exits; read and write, which do the same, are for the accesses that exit: where
 * there is no memory for tables, or where a moment ago it was elsewhere. Over other BARs at the same place it wins.
 */
void vpci_bar_memory(struct pci_function *f, unsigned n, hpa_t memory);
/* MSI-X with 1 to PCI_MSIX_VECTORS_MAX vectors, its table and pending bits in a BAR of their own, bar. */
void vpci_msix_define(struct pci_function *f, unsigned bar, unsigned vectors);
/* f has this interrupt pin. */
void vpci_intx_define(struct pci_function *f, enum pci_pin pin);

/* The register of 1, 2 or 4 bytes at offset as it stands. Any CPU; the device's lock may be held. */
uint32_t vpci_config_value(struct pci_function *f, unsigned offset, unsigned size);

/* Interrupts, from any CPU; the device's lock may be held. */

/*
 * Sends message `vector`, or keeps it pending while it is masked or f may not master the bus; one that f doesn't have is
 * dropped. False: the guest has MSI-X off, the pin is to be used.
 */
bool vpci_msix_send(struct pci_function *f, unsigned vector);
/* The level of f's pin. It reaches the I/O APIC unless the guest has MSI-X on, or the pin off. */
void vpci_intx_set(struct pci_function *f, bool level);
