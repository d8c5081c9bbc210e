/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Further vCPUs for tiny guests. Each one that is started does what its slot says; the tests of the first
 * vCPU change that and look at what comes of it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "tests/guests/lib/guest.h"

#define AP_MAX 64

/* What a vCPU does between commands. */
enum ap_mode { AP_HALT, AP_SPIN, AP_DEAF_HALT, AP_DEAF_SPIN };

struct ap {
	volatile uint32_t starts; /* how often it has come out of a SIPI */
	volatile uint32_t page;   /* where it did so the last time */
	volatile enum ap_mode mode, mode_seen;
	void (*volatile call)(uint32_t id); /* made NULL when it has returned */
};
extern struct ap ap[AP_MAX];

/* A vCPU in a mode that hears interrupts is woken by this one. */
#define VECTOR_WAKE 0x3e

/* Copies the code to page << 12, for a SIPI with that vector. */
void ap_place(uint8_t page);
/* The number of this vCPU. */
uint32_t ap_self(void);
/* Sends by xAPIC: icr to the physical or logical destination. */
void ap_send(uint32_t dest, uint32_t icr);
void ap_init(uint32_t id);
void ap_sipi(uint32_t id, uint8_t page);
/* Waits until *p has reached the value; false: not within two seconds. */
bool ap_wait(volatile uint32_t *p, uint32_t value);
/* Sets what id does and waits until it does so. */
bool ap_set_mode(uint32_t id, enum ap_mode mode);
/* Has id call fn, and waits for its end. */
bool ap_call(uint32_t id, void (*fn)(uint32_t id));
/*
 * The short way: starts id, which runs fn(id) with interrupts off and then does as its slot says. False: it didn't come
 * up in time.
 */
bool guest_cpu_start(unsigned id, void (*fn)(unsigned id));
#define AP_PAGE 0x10

/* INIT and SIPI; true: it came out where it was sent to. */
bool ap_start(uint32_t id, uint8_t page);
