/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A made-up VM for the tests of device models: timers that fire when the test's clock passes them, and notes of what a
 * device asked of the core.
 */
#pragma once

#include "support.h"
#include "fake_time.h"
#include <string.h>
#include "hv/event.h"
#include "hv/pcpu.h"
#include "hv/vcpu.h"
#include "hv/vm.h"

#define FAKE_VCPUS 4

static unsigned fake_fired;
static struct pcpu fake_pcpu;
static struct vm_config fake_cfg;
static struct vm fake_vm;
static struct vcpu fake_vcpu[FAKE_VCPUS];
static unsigned fake_reconsidered;
static unsigned fake_requests[FAKE_VCPUS], fake_flushes[FAKE_VCPUS], fake_nmis[FAKE_VCPUS],
    fake_inits[FAKE_VCPUS];
static int fake_sipi[FAKE_VCPUS];
static enum vcpu_place fake_place = VCPU_HERE;

enum vcpu_place vcpu_place(const struct vcpu *v)
{
	return fake_place;
}

uint64_t vcpu_tsc(const struct vcpu *v)
{
	return clock_convert(clock_ratio(NS_PER_S, v->vm->tsc.hz), fake_now - FAKE_BASE_NS);
}

/* Moves the host clock to `t`, firing what is due on the way. Fails where timers come without end. */
static inline void fake_run_to(uint64_t t)
{
	for (unsigned rounds = 0;; rounds++) {
		struct timer *first = NULL;

		assert_true(rounds < 100000);
		for (unsigned i = 0; i < FAKE_TIMERS; i++)
			if (fake_timers[i] && fake_timers[i]->armed && fake_timers[i]->deadline_ns <= t &&
			    (!first || fake_timers[i]->deadline_ns < first->deadline_ns))
				first = fake_timers[i];
		if (!first)
			break;
		if (first->deadline_ns > fake_now)
			fake_now = first->deadline_ns;
		first->armed = false;
		fake_fired++;
		first->fn(first);
	}
	fake_now = t;
}

static inline void fake_run(uint64_t ns)
{
	fake_run_to(fake_now + ns);
}

void event_reconsider(struct vcpu *v)
{
	fake_reconsidered++;
}

void event_nmi(struct vcpu *v)
{
	fake_nmis[v->id]++;
}

void vcpu_request(struct vcpu *v, uint32_t bits)
{
	assert_true(bits == VREQ_EVENT || bits == VREQ_FLUSH);
	if (bits == VREQ_FLUSH)
		fake_flushes[v->id]++;
	else
		fake_requests[v->id]++;
}

void vcpu_init_signal(struct vcpu *v)
{
	fake_inits[v->id]++;
}

void vcpu_sipi(struct vcpu *v, uint8_t vector)
{
	fake_sipi[v->id] = vector;
}

/* A VM with `vcpus` vCPUs at time 0; devices and LAPICs are the test's to set up. */
static inline void fake_vm_new(uint32_t vcpus)
{
	fake_now = FAKE_BASE_NS;
	memset(fake_timers, 0, sizeof(fake_timers));
	fake_fired = fake_reconsidered = 0;
	memset(&fake_vm, 0, sizeof(fake_vm));
	memset(fake_vcpu, 0, sizeof(fake_vcpu));
	memset(fake_requests, 0, sizeof(fake_requests));
	memset(fake_flushes, 0, sizeof(fake_flushes));
	memset(fake_nmis, 0, sizeof(fake_nmis));
	memset(fake_inits, 0, sizeof(fake_inits));
	fake_vm.cfg = &fake_cfg;
	fake_vm.vcpu_count = vcpus;
	fake_vm.tsc = (struct guest_tsc){.hz = NS_PER_S, .to_ns = clock_ratio(NS_PER_S, NS_PER_S)};
	for (uint32_t i = 0; i < vcpus; i++) {
		fake_vcpu[i].id = i;
		fake_vcpu[i].vm = &fake_vm;
		fake_vcpu[i].cpu = &fake_pcpu;
		fake_vm.vcpu[i] = &fake_vcpu[i];
		fake_sipi[i] = -1;
	}
}

/* hv/vdev/vdev.c's, which is linked only where the list of devices is tested. */
[[gnu::weak]] void vdev_init(struct vdev *d, struct vm *vm, const char *name)
{
	*d = (struct vdev){.name = name, .vm = vm, .stopped = true};
}

[[gnu::weak]] void vdev_timer_arm(struct vdev *d, struct timer *t, uint64_t vm_ns)
{
	if (!d->stopped)
		timer_arm(t, vm_timer_cpu(d->vm), vm_time_to_host_ns(d->vm, vm_ns));
}

[[gnu::weak]] void vdev_stop(struct vdev *d, struct timer *t)
{
	d->stopped = true;
	timer_cancel(t);
}
