/* SPDX-License-Identifier: BSD-2-Clause */
/* A clock that the test moves, and the timers on it. Guest time starts FAKE_BASE_NS after the host's. */
#pragma once

#include "hv/lib/panic.h"
#include "hv/timer.h"
#include "hv/vm.h"

#define FAKE_BASE_NS 5000000ULL
#define FAKE_TIMERS  16

static uint64_t fake_now = FAKE_BASE_NS; /* host clock */
static struct timer *fake_timers[FAKE_TIMERS];

uint64_t time_now_ns(void)
{
	return fake_now;
}

void delay_us(uint32_t us)
{
	fake_now += us * 1000ULL;
}

uint64_t vm_time_ns(const struct vm *vm)
{
	return fake_now - FAKE_BASE_NS;
}

uint64_t vm_time_to_host_ns(const struct vm *vm, uint64_t t)
{
	return t + FAKE_BASE_NS;
}

uint32_t vm_timer_cpu(const struct vm *vm)
{
	return 0;
}

void timer_init(struct timer *t, timer_fn fn)
{
	*t = (struct timer){.fn = fn};
}

void timer_arm(struct timer *t, uint32_t cpu, uint64_t deadline_ns)
{
	unsigned slot = 0;

	t->deadline_ns = deadline_ns;
	t->cpu = cpu;
	t->armed = true;
	while (slot < FAKE_TIMERS && fake_timers[slot] && fake_timers[slot] != t)
		slot++;
	CHECK(slot < FAKE_TIMERS);
	fake_timers[slot] = t;
}

void timer_cancel(struct timer *t)
{
	t->armed = false;
}
