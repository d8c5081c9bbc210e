/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual machine: its life, its memory, its devices. The life-cycle is a state machine that
 * hv/vm.c advances in bounded steps as host work; nothing here waits.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/config.h"
#include "hv/cpuid.h"
#include "hv/io_bus.h"
#include "hv/lib/lock.h"
#include "hv/lib/status.h"
#include "hv/vcpu.h"
#include "hv/vdev/ioapic.h"
#include "hv/vdev/pci.h"
#include "hv/vdev/pic.h"
#include "hv/vdev/pit.h"
#include "hv/vdev/pm.h"
#include "hv/vdev/rtc.h"
#include "hv/vdev/uart.h"
#include "hv/vdev/vdev.h"
#include "hv/work.h"
#include "mm/gpa.h"
#include "mm/pagetable.h"

#define MAX_VMS      CONFIG_VM_MAX
#define VM_MAX_VCPUS 64

enum vm_state {
	VM_STOPPED,  /* has no memory */
	VM_REFUSED,  /* its configuration or this machine doesn't allow it: vm->why */
	VM_STARTING, /* memory is being scrubbed, files loaded */
	VM_RUNNING,
	VM_PAUSED,
	VM_STOPPING, /* vCPUs are being parked, memory freed */
	VM_PRESERVED, /* ended, but memory and registers are kept to look at (on_... = preserve) */
};

/* Why a VM came to its end; decides which of on_poweroff, on_reboot, on_crash applies. */
enum vm_end { VM_END_POWEROFF, VM_END_REBOOT, VM_END_CRASH, VM_END_DESTROY, VM_END_DEBUG_EXIT };

struct vm {
	const struct vm_config *cfg;
	uint32_t index;
	enum vm_state state;
	char why[160]; /* of VM_REFUSED, VM_STOPPED after an end, or a crash */
	bool crashed, has_run;

	struct gmem mem;
	struct page_table npt;  /* EPT or NPT */
	struct page_table view; /* the host CR3 that maps its memory */
	struct vcpu *vcpu[VM_MAX_VCPUS];
	uint32_t vcpu_count;
	struct cpuid_policy cpuid; /* what CPUID says; computed at each start */

	struct io_bus ports, mmio;
	struct spinlock irq_lock; /* guards pic and ioapic */
	struct vpic pic;
	struct vioapic ioapic;
	struct vpit pit;
	struct vrtc rtc;
	struct vpm pm;
	struct vuart uart;
	struct vpci pci;

	uint64_t started_ns, paused_ns; /* host clock; total time paused */
	uint64_t restarts[8];           /* times of the last restarts, for max_restarts */
	struct work life;               /* advances the state machine */
	void *vendor;                   /* the back end's own page(s), such as bitmaps */
};

extern struct vm *vms[MAX_VMS];
extern uint32_t vm_count;

struct vm *vm_find(const char *name);

/* Operator's commands: each checks the state, starts the change and returns; ERR_BUSY: not in this state. */
enum status vm_start(struct vm *vm);
enum status vm_pause(struct vm *vm);
enum status vm_resume(struct vm *vm);
enum status vm_reset(struct vm *vm);
enum status vm_shutdown(struct vm *vm); /* presses the ACPI power button */
enum status vm_destroy(struct vm *vm);

/* From devices and exit handlers, on any CPU: the guest ends so. status is used with VM_END_DEBUG_EXIT. */
void vm_end(struct vm *vm, enum vm_end how, int status);
/* The guest did what we can't go on from: reports everything about v, ends the VM as crashed. */
[[gnu::format(printf, 2, 3)]] void vm_crash(struct vcpu *v, const char *fmt, ...);

/* Loads vm's host address space on this CPU (NULL: the common one), needed before any gpa_... access. */
void vm_enter_address_space(struct vm *vm);

/* Interrupt lines: gsi 0-23 of the IOAPIC; 0-15 drive the PIC as well (the timer is PIC 0 and IOAPIC 2). */
void vm_irq_set(struct vm *vm, unsigned gsi, bool level);
/* A message-signalled interrupt, as a device's write of data to address. */
void vm_msi(struct vm *vm, uint64_t address, uint32_t data);

/* Guest time in nanoseconds since its start, standing still while it is paused; devices count by it. */
uint64_t vm_time_ns(const struct vm *vm);
/* The host clock's value at which vm_time_ns is t. */
uint64_t vm_time_to_host_ns(const struct vm *vm, uint64_t t);
/* The CPU whose timer queue holds the VM's device timers. */
uint32_t vm_timer_cpu(const struct vm *vm);
