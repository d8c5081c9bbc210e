/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's monotonic clock, and timers on it. One clock, in nanoseconds since hv_main, the same on
 * every CPU (a scaled TSC). Each CPU has a queue of timers and one hardware timer for its head.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "hv/lib/list.h"

struct pcpu;
struct timer;
struct vcpu;
typedef void (*timer_fn)(struct timer *t);

struct timer {
	struct list link; /* in its CPU's queue, sorted by deadline */
	uint64_t deadline_ns;
	timer_fn fn;        /* on the queue's CPU, host context, interrupts off, no lock held */
	uint32_t cpu;       /* whose queue; valid while armed */
	struct vcpu *payer; /* whose CPU time its function takes; NULL: that of whoever runs just then */
	bool armed;
};

/* First thing in hv_main: from here on nanoseconds count. entry_tsc: the TSC at the image's first instructions. */
void time_start(uint64_t entry_tsc);
/* Sets the clock's rate, ticks per second, not 0; until then time_now_ns() is 0 and delay_us must not be called. */
void time_init(uint64_t tsc_ticks_per_s);

/* Nanoseconds since time_start. */
uint64_t time_now_ns(void);
/* Seconds since 1970-01-01 00:00 UTC when time_now_ns() was 0, from the machine's real-time clock. */
uint64_t time_wall_at_boot(void);
/* The wall clock says `now_s` at present. Once, early. */
void time_set_wall(uint64_t now_s);
/* TSC ticks per second, as calibrated. */
uint64_t tsc_hz(void);
/* Conversions between TSC ticks and nanoseconds (durations), exact to one unit, no overflow below 2^63. */
uint64_t tsc_to_ns(uint64_t ticks);
uint64_t ns_to_tsc(uint64_t ns);
/* Waits by polling; only before guests run, in panic, and some milliseconds while a device is reset. */
void delay_us(uint32_t us);

/* What booting cost, in TSC ticks; its first two are counted on while Ingot runs. */
struct boot_cost {
	uint64_t waiting;   /* polling for a time to pass, as hardware demands: delay_us, TSC calibration */
	uint64_t scrubbing; /* clearing guests' memory */
	uint64_t total;     /* first instruction to the first guest's; 0: none has run yet */
	uint64_t total_waiting, total_scrubbing; /* of total */
};
extern struct boot_cost boot_cost;
/* A guest is entered, for the first time since boot or again. */
void boot_cost_guest_enters(void);

/* Boot CPU, after time_init and lapic_init: the queues and VECTOR_TIMER. Timers can be armed from then on. */
void timer_init_queues(void);
void timer_init(struct timer *t, timer_fn fn);
/*
 * Arms t, or moves it, to call t->fn on CPU `cpu` at or soon after deadline_ns (a time that has passed: at
 * once). Any CPU may call it. A timer must not be armed from two CPUs at the same time (its owner's lock).
 */
void timer_arm(struct timer *t, uint32_t cpu, uint64_t deadline_ns);
/* Disarms t. On return its function is not running, unless the caller is that function. */
void timer_cancel(struct timer *t);
/* Runs what is due on this CPU and programs the hardware for the next. Called from pcpu's loop and the IRQ. */
void timer_run_due(void);
/* The TSC value that this CPU's next timer waits for, or UINT64_MAX. */
uint64_t timer_next_deadline_tsc(void);
