/* SPDX-License-Identifier: BSD-2-Clause */
/* The loop that every physical CPU lives in: timers, host work, a vCPU's turn, or sleep. */
#include "hv/irq.h"
#include "hv/pcpu.h"
#include "hv/sched.h"
#include "hv/smp.h"
#include "hv/timer.h"
#include "hv/vcpu.h"
#include "hv/virt.h"
#include "hv/work.h"
#include "hv/x86/insn.h"
#include "hv/xstate.h"

static void run_vcpu(struct pcpu *p, struct vcpu *v)
{
	sched_put(p, v, vcpu_execute(v));
	irq_window();
}

static void idle(struct pcpu *p)
{
	uint64_t start = time_now_ns();

	if (!(work_is_mine() && work_pending()))
		pcpu_wait(p, &p->requests);
	p->idle_ns += time_now_ns() - start;
}

/*
 * One item of host work. A request for more of it that came meanwhile is dropped, because it would keep
 * the guest from being entered at all; the guest gets a short slice instead.
 */
static bool run_work(struct pcpu *p)
{
	if (!work_run_one())
		return false;
	__atomic_fetch_and(&p->requests, ~(uint32_t)PCPU_WORK, __ATOMIC_SEQ_CST);
	return true;
}

[[gnu::noreturn]] void pcpu_main(struct pcpu *p)
{
	sched_init_cpu(p);
	xstate_enable();
	virt_enable(p);
	__atomic_store_n(&p->ready, true, __ATOMIC_RELEASE);
	for (;;) {
		uint32_t requests = __atomic_exchange_n(&p->requests, 0, __ATOMIC_SEQ_CST);
		bool mine = work_is_mine(), worked;
		struct vcpu *v;

		if (requests & PCPU_STOP)
			smp_stop_self();
		if (requests & PCPU_TIMER)
			timer_run_due();
		worked = mine && run_work(p);
		v = sched_pick(p, mine && work_pending());
		if (v)
			run_vcpu(p, v);
		else if (!worked)
			idle(p);
		else
			irq_window();
	}
}
