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
#include "hv/frame.h"
#include "hv/guest_tsc.h"
#include "hv/io_bus.h"
#include "hv/lib/lock.h"
#include "hv/lib/status.h"
#include "hv/load.h"
#include "hv/sched_cap.h"
#include "hv/vcpu.h"
#include "hv/vdev/hpet.h"
#include "hv/vdev/ioapic.h"
#include "hv/vdev/ivshmem.h"
#include "hv/vdev/pci.h"
#include "hv/vdev/pic.h"
#include "hv/vdev/pit.h"
#include "hv/vdev/pm.h"
#include "hv/vdev/rtc.h"
#include "hv/vdev/uart.h"
#include "hv/vdev/vdev.h"
#include "hv/vdev/virtio_balloon.h"
#include "hv/vdev/virtio_blk.h"
#include "hv/vdev/virtio_console.h"
#include "hv/vdev/virtio_net.h"
#include "hv/vdev/virtio_rng.h"
#include "hv/work.h"
#include "mm/gpa.h"
#include "mm/pagetable.h"

#define MAX_VMS      CONFIG_VM_MAX
#define VM_MAX_VCPUS 64
#define VM_WHY_SIZE  160

enum vm_state {
	VM_STOPPED,  /* has no memory */
	VM_REFUSED,  /* its configuration or this machine doesn't allow it: vm->why */
	VM_STARTING, /* memory is being taken and scrubbed, files loaded */
	VM_RUNNING,
	VM_RESTING, /* as VM_RUNNING, but for the moment vCPUs are being parked for a device: vm_rest */
	VM_PAUSING, /* vCPUs are being parked */
	VM_PAUSED,
	VM_STOPPING,  /* vCPUs are being parked, because it has ended: vm->end */
	VM_FREEING,   /* memory is being given back */
	VM_PRESERVED, /* ended, but memory and registers are kept to look at (on_... = preserve) */
};

/* Why a VM came to its end; the first three are governed by on_poweroff, on_reboot, on_crash. */
enum vm_end {
	VM_END_POWEROFF,
	VM_END_REBOOT,
	VM_END_CRASH,
	VM_END_DEBUG_EXIT,
	VM_END_RESET,       /* by the operator */
	VM_END_DESTROY,     /* by the operator */
	VM_END_NOT_STARTED, /* it could not be started: vm->why */
};

/* The bounded steps of VM_STARTING: hv/vm_build.c. */
enum vm_step { VM_STEP_TAKE_MEMORY, VM_STEP_SCRUB, VM_STEP_LOAD };

struct vm {
	const struct vm_config *cfg;
	uint32_t index;
	enum vm_state state;        /* atomic; changed in hv/vm.c only */
	struct spinlock state_lock; /* an end, which may come from any CPU, against other changes of state */
	enum vm_end end;            /* with its status and reason, written before the state says so */
	int end_status;
	char why[VM_WHY_SIZE]; /* why it is refused, crashed or has stopped; empty: never started */
	enum vm_step step;     /* of the life-cycle work, which alone uses what follows */
	uint32_t progress_slot;
	uint64_t progress; /* of the step, in bytes */
	bool crashed, has_run;
	struct work life; /* runs on one CPU at a time, and never while an operator's command does */

	struct gmem mem;
	struct page_table npt;  /* EPT or NPT */
	struct page_table view; /* the host CR3 that maps its memory */
	struct load load;
	struct vcpu *vcpu[VM_MAX_VCPUS];
	uint32_t vcpu_count;
	struct sched_cap cap;
	struct cpuid_policy cpuid;
	const uint8_t *msr_index;      /* hv/msr.c: MSRs to rows of msr_table, by the CPU's vendor */
	uint8_t msr_rows[MSR_ROW_MAX]; /* of these: the row itself, or 0 where the VM doesn't have it */
	void *msr_map;                 /* the back end's map of MSRs that don't exit */
	/*
	 * A page that hardware which knows local APICs takes for their registers (vmx/apic.c), or NULL; nothing is in
	 * it. In npt at PLATFORM_LAPIC_BASE, while all vCPUs have their registers there.
	 */
	void *apic_page;
	bool apic_page_mapped;
	/* Guards these, the next three, and changes of npt and view while vCPUs run. */
	struct spinlock npt_lock;
	uint64_t absent;  /* bytes of its RAM that have no frame: hv/vm_absent.h */
	void *spare;      /* a page in place of frames that there are not, or NULL: it has no balloon */
	bool starved;     /* atomic: it needed one; it is to end */
	bool rest_wanted; /* atomic: vm_rest was called, and the devices have not done what they wanted */

	struct io_bus ports, mmio;
	struct io_index port_index; /* of ports */
	struct virtio *virtio;      /* its devices of virtio.c */
	uint32_t virtio_watched;    /* how many of them have queues that are watched; atomic */
	struct spinlock irq_lock;   /* guards pic, ioapic and legacy_replaced */
	bool legacy_replaced;       /* the HPET drives the lines of PIT and RTC */
	struct spinlock
	    pvclock_lock; /* guards the clock records in its memory and msr.pvclock of its vCPUs */
	struct vpic pic;
	struct vioapic ioapic;
	struct vpit pit;
	struct vrtc rtc;
	struct vhpet hpet;
	struct vpm pm;
	struct vuart uart;
	struct vpci pci;
	struct vivshmem ivshmem;
	/* NULL: it has none. Those but disks stay when the VM ends, for the next time that it is started. */
	struct virtio_rng *rng;
	struct virtio_balloon *balloon;
	struct virtio_blk *blk[CONFIG_VM_DISK_MAX];
	uint32_t blk_count;
	struct virtio_net *net[CONFIG_VM_NET_MAX];
	struct virtio_console *console;
	uint8_t console_port; /* enum guest_port: where what is typed goes; atomic */
	struct vdev debug_exit, debug_console, pvpanic, bios;

	struct guest_tsc tsc;
	uint64_t time_base_ns;      /* host clock minus guest clock */
	uint64_t paused_at_ns;      /* host clock at which the guest clock stopped; 0: it runs */
	uint64_t uptime_start_ns;   /* host clock at the last start */
	uint64_t restart_window_ns; /* host clock at which the minute began in which restarts are counted */
	uint32_t restarts_in_window, restarts;
	void *vendor; /* the back end's own page(s), such as bitmaps */
};

extern struct vm *vms[MAX_VMS];
extern uint32_t vm_count;
extern struct config host_config_file; /* the configuration in force */

/* Makes a struct vm for each [vm] of the configuration. */
void vm_init_all(void);
/* Starts those with autostart = yes. `ready: …` is printed when each of them runs or is refused. */
void vm_autostart(void);
static inline bool vm_runs(const struct vm *vm)
{
	return vm->state == VM_RUNNING || vm->state == VM_RESTING;
}
/* The word for a state that `vm list` shows. */
const char *vm_state_name(const struct vm *vm);

struct vm *vm_find(const char *name);
/*
 * Bytes of memory that vm can be given: what is free, but for what other VMs have less than the targets of their balloons: that
 * they may touch at any time.
 */
uint64_t vm_memory_free(const struct vm *vm);

/* Operator's commands: each checks the state, starts the change and returns; ERR_BUSY: not in this state. */
enum status vm_start(struct vm *vm);
enum status vm_pause(struct vm *vm);
enum status vm_resume(struct vm *vm);
enum status vm_reset(struct vm *vm);
enum status vm_shutdown(struct vm *vm); /* presses the ACPI power button */
enum status vm_destroy(struct vm *vm);

/* From devices and exit handlers, on any CPU: the guest ends so. status is used with VM_END_DEBUG_EXIT. */
void vm_end(struct vm *vm, enum vm_end how, int status);
/* The same with VM_END_CRASH, for vm_crash, which has reported why. */
void vm_end_crash(struct vm *vm, const char *why);
/* The guest did what we can't go on from: reports everything about v, ends the VM as crashed. */
[[gnu::format(printf, 2, 3)]] void vm_crash(struct vcpu *v, const char *fmt, ...);
/* The guest triple-faulted: reported like a crash, ends as one. */
void vm_triple_fault(struct vcpu *v);

/* From the scheduler: one of vm's vCPUs has been parked. */
void vm_vcpu_parked(struct vm *vm);
/*
 * From a device's handlers, without its lock: frames are to be taken from the running VM's memory. Its vCPUs are parked, its
 * devices drained and paused, vdevs_rest_step called until that is done; then it goes on, its clocks too.
 */
void vm_rest(struct vm *vm);
/* From a device for which vdevs_drain waits: nothing is under way there any more. */
void vm_device_drained(struct vm *vm);

/*
 * Where n bytes of guest memory at a are, which are mapped (mm/gpa.h checks that): at most `max` pieces, as few as there can
 * be. Returns how many; 0: they are more, or the host has no memory for them. No address space need be loaded.
 */
unsigned vm_frames(struct vm *vm, gpa_t a, size_t n, struct frame_run *run, unsigned max);

/*
 * Loads vm's host address space on this CPU (NULL: the common one), needed before any gpa_... access. Returns whose was
 * loaded: who interrupts others puts it back.
 */
struct vm *vm_enter_address_space(struct vm *vm);

/* Interrupt lines: gsi 0-23 of the IOAPIC; 0-15 drive the PIC as well (the timer is PIC 0 and IOAPIC 2). */
void vm_irq_set(struct vm *vm, unsigned gsi, bool level);
/* The same from the PIT and the RTC, whose lines the HPET can take; and the HPET takes them, or gives them back. */
void vm_irq_set_legacy(struct vm *vm, unsigned gsi, bool level);
void vm_irq_replace_legacy(struct vm *vm, bool on);
/* A message-signalled interrupt, as a device's write of data to address. */
void vm_msi(struct vm *vm, uint64_t address, uint32_t data);

/* Guest time in nanoseconds since its start, standing still while it is paused; devices count by it. */
uint64_t vm_time_ns(const struct vm *vm);
/* The host clock's value at which vm_time_ns is t. */
uint64_t vm_time_to_host_ns(const struct vm *vm, uint64_t t);
/* The CPU whose timer queue holds the VM's device timers. */
uint32_t vm_timer_cpu(const struct vm *vm);
