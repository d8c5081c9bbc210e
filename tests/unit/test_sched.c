/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/sched.c, sched_cap.c, sched_move.c: who gets which CPU for how long. The test plays two CPUs: it picks, lets
 * time pass, and puts back, as hv/cpu_loop.c does.
 */
#include "support.h"

#include <string.h>
#include "hv/config.h"
#include "hv/pcpu.h"
#include "hv/sched.h"
#include "hv/vm.h"

#define CPUS   2
#define VMS    4
#define VCPUS  8
#define MS     1000000ULL
#define TIMERS 8

static struct pcpu cpu[CPUS];
struct pcpu *pcpus[MAX_PCPUS] = {&cpu[0], &cpu[1]};
uint32_t pcpu_count = CPUS;

static struct vm_config cfg[VMS];
static struct vm vm[VMS];
static struct vcpu vcpu[VCPUS];
static struct timer *timers[TIMERS];
static uint64_t now;
static uint32_t kicked[CPUS];
static unsigned parked;

uint64_t time_now_ns(void)
{
	return now;
}

void timer_init(struct timer *t, timer_fn fn)
{
	*t = (struct timer){.fn = fn};
}

void timer_arm(struct timer *t, uint32_t on, uint64_t deadline_ns)
{
	unsigned slot = 0;

	while (timers[slot] && timers[slot] != t)
		slot++;
	assert_true(slot < TIMERS);
	timers[slot] = t;
	t->armed = true;
	t->cpu = on;
	t->deadline_ns = deadline_ns;
}

void timer_cancel(struct timer *t)
{
	t->armed = false;
}

void pcpu_request(struct pcpu *p, uint32_t bits)
{
	assert_int_equal(bits, PCPU_RESCHEDULE);
	p->requests |= bits;
	kicked[p->id]++;
}

void vm_vcpu_parked(struct vm *v)
{
	parked++;
}

uint32_t vm_timer_cpu(const struct vm *v)
{
	return 0;
}

static struct timer *first_timer(void)
{
	struct timer *first = NULL;

	for (unsigned i = 0; i < TIMERS; i++) {
		if (timers[i] && timers[i]->armed && (!first || timers[i]->deadline_ns < first->deadline_ns))
			first = timers[i];
	}
	return first;
}

static void run_timers(uint64_t until)
{
	for (struct timer *t = first_timer(); t && t->deadline_ns <= until; t = first_timer()) {
		t->armed = false;
		if (t->deadline_ns > now)
			now = t->deadline_ns;
		t->fn(t);
	}
}

/* v of VM m on CPU p. */
static struct vcpu *add(unsigned m, unsigned p)
{
	unsigned n = 0;
	struct vcpu *v;

	while (vcpu[n].vm)
		n++;
	assert_true(n < VCPUS);
	v = &vcpu[n];
	v->vm = &vm[m];
	v->id = vm[m].vcpu_count;
	vm[m].vcpu[vm[m].vcpu_count++] = v;
	sched_bind(v, &cpu[p]);
	return v;
}

static int setup(void **state)
{
	memset(vcpu, 0, sizeof(vcpu));
	memset(vm, 0, sizeof(vm));
	memset(timers, 0, sizeof(timers));
	memset(kicked, 0, sizeof(kicked));
	now = 1000 * MS;
	parked = 0;
	for (unsigned i = 0; i < CPUS; i++) {
		cpu[i] = (struct pcpu){.id = i, .online = true, .virt_on = true};
		sched_init_cpu(&cpu[i]);
	}
	for (unsigned i = 0; i < VMS; i++) {
		cfg[i] = (struct vm_config){.cpu_weight = CPU_WEIGHT_DEFAULT, .cpuset = {{3}}};
		vm[i].cfg = &cfg[i];
		sched_cap_init(&vm[i]);
	}
	return 0;
}

/* One turn of p: whoever is picked runs until its slice ends, 20 ms at the most. */
static struct vcpu *turn(unsigned p, enum vcpu_leave why)
{
	struct vcpu *v;

	cpu[p].requests = 0;
	v = sched_pick(&cpu[p], false);
	if (!v)
		return NULL;
	cpu[p].current = v; /* vcpu_execute */
	for (uint64_t end = now + 20 * MS; !cpu[p].requests && now < end;) {
		now += MS / 10;
		run_timers(now);
	}
	sched_put(&cpu[p], v, why);
	return v;
}

static void run_cpu(unsigned p, uint64_t ns)
{
	for (uint64_t end = now + ns; now < end;) {
		if (!turn(p, LEAVE_READY)) {
			now += MS / 10;
			run_timers(now);
		}
	}
}

static void assert_share(const struct vcpu *v, uint64_t of_ns, unsigned percent)
{
	uint64_t want = of_ns * percent / 100;

	assert_in_range(v->guest_ns, want * 97 / 100, want * 103 / 100);
}

static void test_equal(void **state)
{
	struct vcpu *a = add(0, 0), *b = add(1, 0);

	sched_start(a);
	sched_start(b);
	run_cpu(0, 1000 * MS);
	assert_share(a, 1000 * MS, 50);
	assert_share(b, 1000 * MS, 50);
}

static void test_weights(void **state)
{
	struct vcpu *a = add(0, 0), *b = add(1, 0), *c = add(2, 0);

	cfg[0].cpu_weight = 100;
	cfg[1].cpu_weight = 200;
	cfg[2].cpu_weight = 700;
	sched_start(a);
	sched_start(b);
	sched_start(c);
	run_cpu(0, 4000 * MS);
	assert_share(a, 4000 * MS, 10);
	assert_share(b, 4000 * MS, 20);
	assert_share(c, 4000 * MS, 70);
}

/* A device's timer that runs in another guest's turn is not at that one's expense, and moves who pays back in the queue. */
static void test_charge(void **state)
{
	struct vcpu *a = add(0, 0), *b = add(1, 0), *c = add(2, 0);

	sched_start(a);
	sched_start(b);
	sched_start(c);
	assert_ptr_equal(sched_pick(&cpu[0], false), a);
	now += 5 * MS;
	sched_charge(&cpu[0], b, 2 * MS);
	sched_charge(&cpu[0], a, 1 * MS); /* its own turn: it pays already */
	sched_put(&cpu[0], a, LEAVE_READY);
	assert_int_equal(a->guest_ns, 3 * MS);
	assert_int_equal(b->guest_ns, 2 * MS);
	assert_int_equal(b->vruntime, 2 * MS);
	assert_int_equal(cpu[0].guest_ns, 5 * MS);
	assert_ptr_equal(sched_pick(&cpu[0], false), c);
	sched_put(&cpu[0], c, LEAVE_ASLEEP);
	sched_charge(&cpu[0], c, 7 * MS); /* asleep: it pays when it wakes */
	assert_int_equal(c->vruntime, 7 * MS);
	c->cpu = &cpu[1];
	sched_charge(&cpu[0], c, MS);
	assert_int_equal(c->vruntime, 7 * MS);
}

static void test_cap(void **state)
{
	struct vcpu *a = add(0, 0), *b = add(1, 0);

	cfg[0].cap = 25;
	sched_cap_init(&vm[0]);
	sched_start(a);
	run_cpu(0, 3000 * MS);
	assert_share(a, 3000 * MS, 25); /* also alone */
	sched_start(b);
	a->guest_ns = 0;
	run_cpu(0, 3000 * MS);
	assert_share(a, 3000 * MS, 25);
	assert_share(b, 3000 * MS, 75);
}

/* One budget for all: on both CPUs together no more than the cap. */
static void test_cap_of_two(void **state)
{
	struct vcpu *a = add(0, 0), *b = add(0, 0);

	cfg[0].cap = 60;
	sched_cap_init(&vm[0]);
	sched_start(a);
	sched_start(b);
	run_cpu(0, 3000 * MS);
	assert_in_range(a->guest_ns + b->guest_ns, 1740 * MS, 1860 * MS);
	assert_share(a, 3000 * MS, 30);
}

static void use_up(struct vcpu *v)
{
	while (v->state != VCPU_CAPPED)
		turn(0, LEAVE_READY);
}

/* What waits for its cap is parked at once, and interrupts leave it alone. */
static void test_cap_and_park(void **state)
{
	struct vcpu *a = add(0, 0);

	cfg[0].cap = 1;
	sched_cap_init(&vm[0]);
	sched_start(a);
	use_up(a);
	a->requests = VREQ_EVENT;
	sched_wake(a);
	assert_int_equal(a->state, VCPU_CAPPED);
	a->requests |= VREQ_PARK;
	sched_wake(a);
	assert_int_equal(a->state, VCPU_READY);
	assert_ptr_equal(turn(0, LEAVE_PARKED), a);
	assert_int_equal(a->state, VCPU_PARKED);
	assert_int_equal(parked, 1);
	sched_wake(a); /* comes too late, and finds it gone */
	assert_int_equal(a->state, VCPU_PARKED);
}

static void test_no_slice_without_rival(void **state)
{
	struct vcpu *a = add(0, 0), *b = add(1, 0);

	sched_start(a);
	assert_ptr_equal(sched_pick(&cpu[0], false), a);
	assert_null(first_timer());
	kicked[0] = 0;
	sched_start(b); /* now there is one: a gets a slice */
	assert_int_equal(kicked[0], 1);
	sched_put(&cpu[0], a, LEAVE_READY);
	assert_non_null(sched_pick(&cpu[0], false));
	assert_non_null(first_timer());
}

/* A sleeper is ahead of those that ran, but by no more than its credit. */
static void test_sleeper(void **state)
{
	struct vcpu *a = add(0, 0), *b = add(1, 0);

	sched_start(a);
	sched_start(b);
	while (turn(0, LEAVE_ASLEEP) != a)
		;
	assert_int_equal(a->state, VCPU_HALTED);
	run_cpu(0, 500 * MS);
	a->requests = VREQ_EVENT;
	cpu[1].idle = false;
	sched_pick(&cpu[0], false);
	kicked[0] = 0;
	sched_wake(a);
	assert_int_equal(kicked[0], 1);
	sched_put(&cpu[0], b, LEAVE_READY);
	assert_ptr_equal(turn(0, LEAVE_READY), a);
	a->guest_ns = b->guest_ns = 0;
	run_cpu(0, 1000 * MS);
	assert_share(a, 1000 * MS, 50); /* the time that it slept is not made up for */
}

static void test_request_keeps_awake(void **state)
{
	struct vcpu *a = add(0, 0);

	sched_start(a);
	a->requests = VREQ_EVENT;
	turn(0, LEAVE_ASLEEP);
	assert_int_equal(a->state, VCPU_READY);
}

/* --- moves --- */

static void test_wakes_on_idle_cpu(void **state)
{
	struct vcpu *a = add(0, 0), *b = add(1, 0);

	sched_start(b);
	assert_ptr_equal(sched_pick(&cpu[0], false), b);
	cpu[0].current = b;
	cpu[1].idle = true;
	sched_start(a);
	assert_ptr_equal(a->cpu, &cpu[1]);
	assert_int_equal(kicked[1], 1);
	assert_true(a->lapic.timer_look);
	assert_int_equal(cpu[0].bound, 1);
	assert_int_equal(cpu[1].bound, 1);
	assert_ptr_equal(sched_pick(&cpu[1], false), a);
}

/* Not where its cpuset forbids it, nor while its state is in its CPU's hardware. */
static void test_stays(void **state)
{
	struct vcpu *a = add(0, 0), *b = add(1, 0);

	sched_start(b);
	sched_pick(&cpu[0], false);
	cpu[1].idle = true;
	cfg[0].cpuset.bits[0] = 1;
	sched_start(a);
	assert_ptr_equal(a->cpu, &cpu[0]);
	assert_int_equal(kicked[1], 0);
	assert_null(sched_pick(&cpu[1], false));
	cfg[0].cpuset.bits[0] = 3;
	cpu[0].current = a;
	assert_null(sched_pick(&cpu[1], false));
	cpu[0].current = b;
	assert_ptr_equal(sched_pick(&cpu[1], false), a);
}

/* A CPU that has nothing to do is told of one that waits, and fetches it. */
static void test_offer(void **state)
{
	struct vcpu *a = add(0, 0), *b = add(1, 0);

	sched_start(a);
	sched_start(b);
	turn(0, LEAVE_READY);
	cpu[1].idle = true;
	kicked[1] = 0;
	turn(0, LEAVE_READY);
	assert_int_equal(kicked[1], 1);
}

/* How far it was ahead goes along, whatever the clocks of the two CPUs say. */
static void test_vruntime_moves(void **state)
{
	struct vcpu *a = add(0, 0), *b = add(1, 0), *c = add(2, 1);

	sched_start(a);
	sched_start(b);
	run_cpu(0, 10000 * MS);
	cpu[0].running = cpu[0].current = turn(0, LEAVE_READY) == a ? b : a;
	sched_start(c);
	turn(1, LEAVE_ASLEEP);
	assert_non_null(sched_pick(&cpu[1], false));
	assert_in_range(cpu[1].running->vruntime, 0, 100 * MS);
}

/* A spinner makes way for the next of its VM, be it on another CPU. */
static void test_yield(void **state)
{
	struct vcpu *a = add(0, 0), *b = add(0, 0), *c = add(1, 0), *d = add(0, 1), *e = add(2, 1);

	sched_start(a);
	assert_ptr_equal(sched_pick(&cpu[0], false), a);
	cpu[0].current = a;
	sched_start(c);
	sched_start(b);
	sched_put(&cpu[0], a, LEAVE_YIELD);
	assert_ptr_equal(turn(0, LEAVE_ASLEEP), b);
	assert_int_equal(b->state, VCPU_HALTED);
	/* Of its VM only d waits: behind e. */
	sched_start(e);
	assert_ptr_equal(sched_pick(&cpu[1], false), e);
	cpu[1].current = e;
	sched_start(d);
	while (sched_pick(&cpu[0], false) != a)
		sched_put(&cpu[0], c, LEAVE_READY);
	cpu[0].current = a;
	sched_put(&cpu[0], a, LEAVE_YIELD);
	assert_ptr_equal(d->cpu, &cpu[0]);
	assert_ptr_equal(turn(0, LEAVE_READY), d);
}

/* a alone on CPU 0, on which it waits for an event. */
static struct vcpu *waiting(void)
{
	struct vcpu *a = add(0, 0);

	sched_start(a);
	assert_ptr_equal(sched_pick(&cpu[0], false), a);
	cpu[0].current = a;
	now += 2 * MS;
	assert_true(sched_is_alone(&cpu[0]));
	sched_wait_begins(&cpu[0], a);
	cpu[0].idle = true;
	kicked[0] = 0;
	return a;
}

/* The wait costs nothing, but for what the CPU does for the waiting one meanwhile. */
static void test_wait_is_free(void **state)
{
	struct vcpu *a = waiting();

	now += 7 * MS;
	sched_charge(&cpu[0], a, MS);
	cpu[0].idle = false;
	sched_wait_ends(&cpu[0]);
	assert_int_equal(cpu[0].idle_ns, 6 * MS);
	now += 3 * MS;
	sched_put(&cpu[0], a, LEAVE_READY);
	assert_int_equal(a->guest_ns, 6 * MS);
	assert_int_equal(a->vruntime, 6 * MS);
	assert_int_equal(cpu[0].guest_ns, 6 * MS);
}

/* To others its CPU is an idle one: they come, at home or from elsewhere, and it is told. */
static void test_wait_gives_way(void **state)
{
	struct vcpu *a = waiting(), *b = add(1, 0), *c = add(2, 1), *d = add(3, 1);

	cpu[1].idle = true;
	sched_start(b);
	assert_ptr_equal(b->cpu, &cpu[0]);
	assert_int_equal(kicked[0], 1);
	cpu[0].idle = false;
	sched_wait_ends(&cpu[0]);
	sched_put(&cpu[0], a, LEAVE_ASLEEP);
	assert_int_equal(a->state, VCPU_HALTED);
	assert_ptr_equal(sched_pick(&cpu[0], false), b);
	cpu[0].current = b;
	assert_true(sched_is_alone(&cpu[0]));
	sched_wait_begins(&cpu[0], b);
	cpu[0].idle = true;
	cpu[1].idle = false;
	sched_start(c);
	assert_ptr_equal(sched_pick(&cpu[1], false), c);
	kicked[0] = 0;
	sched_start(d);
	assert_ptr_equal(d->cpu, &cpu[0]);
	assert_int_equal(kicked[0], 1);
}

/* The time that others slept is not made up for, however long the one that ran never left its CPU. */
static void test_wait_moves_the_clock(void **state)
{
	struct vcpu *a = waiting(), *b = add(1, 0);

	cpu[0].idle = false;
	sched_wait_ends(&cpu[0]);
	now += 1000 * MS;
	sched_wait_begins(&cpu[0], a);
	sched_start(b);
	assert_in_range(b->vruntime, a->vruntime - SCHED_SLICE_NS, a->vruntime);
}

/* Who has a rival here or elsewhere, or a cap, or work beside it, doesn't wait on its CPU. */
static void test_not_alone(void **state)
{
	struct vcpu *a = add(0, 0), *b = add(1, 1), *c = add(2, 1);

	sched_start(b);
	assert_ptr_equal(sched_pick(&cpu[1], false), b);
	cpu[1].current = b;
	sched_start(a);
	assert_ptr_equal(sched_pick(&cpu[0], false), a);
	cpu[0].current = a;
	assert_true(sched_is_alone(&cpu[0]));
	sched_start(c);
	assert_false(sched_is_alone(&cpu[0]));
	sched_put(&cpu[1], b, LEAVE_ASLEEP);
	assert_ptr_equal(sched_pick(&cpu[1], false), c);
	assert_true(sched_is_alone(&cpu[0]));
	sched_put(&cpu[0], a, LEAVE_READY);
	assert_ptr_equal(sched_pick(&cpu[0], true), a);
	assert_false(sched_is_alone(&cpu[0]));
	sched_put(&cpu[0], a, LEAVE_READY);
	cfg[0].cap = 50;
	sched_cap_init(&vm[0]);
	assert_ptr_equal(sched_pick(&cpu[0], false), a);
	assert_false(sched_is_alone(&cpu[0]));
}

static void test_place(void **state)
{
	add(0, 0);
	assert_ptr_equal(sched_place((uint64_t[4]){3}), &cpu[1]);
	assert_ptr_equal(sched_place((uint64_t[4]){1}), &cpu[0]);
	cpu[0].virt_on = false;
	assert_null(sched_place((uint64_t[4]){1}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_equal, setup),
	    cmocka_unit_test_setup(test_weights, setup),
	    cmocka_unit_test_setup(test_cap, setup),
	    cmocka_unit_test_setup(test_cap_of_two, setup),
	    cmocka_unit_test_setup(test_cap_and_park, setup),
	    cmocka_unit_test_setup(test_no_slice_without_rival, setup),
	    cmocka_unit_test_setup(test_sleeper, setup),
	    cmocka_unit_test_setup(test_request_keeps_awake, setup),
	    cmocka_unit_test_setup(test_wakes_on_idle_cpu, setup),
	    cmocka_unit_test_setup(test_stays, setup),
	    cmocka_unit_test_setup(test_offer, setup),
	    cmocka_unit_test_setup(test_vruntime_moves, setup),
	    cmocka_unit_test_setup(test_yield, setup),
	    cmocka_unit_test_setup(test_charge, setup),
	    cmocka_unit_test_setup(test_wait_is_free, setup),
	    cmocka_unit_test_setup(test_wait_gives_way, setup),
	    cmocka_unit_test_setup(test_wait_moves_the_clock, setup),
	    cmocka_unit_test_setup(test_not_alone, setup),
	    cmocka_unit_test_setup(test_place, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
