/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/vm_absent.c and hv/vm_memory.c on the real allocator and real tables, for EPT and NPT: what leaves a VM is free, what comes
 * back is of nobody else, large pages are divided, and after the VM's end everything is back.
 */
#include "support.h"
#include "fake_tables.h"

#include <stdlib.h>
#include <string.h>
#include "hv/guest_map.h"
#include "hv/lib/util.h"
#include "hv/ops.h"
#include "hv/pcpu.h"
#include "hv/timer.h"
#include "hv/vcpu.h"
#include "hv/vm.h"
#include "hv/vm_absent.h"
#include "hv/vm_memory.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define HOST_BASE  MIB(64)
#define HOST_SIZE  MIB(16)
#define GUEST_BASE GIB(4)
#define GUEST_SIZE MIB(200)
#define MEMORY     MIB(66)
#define ROUNDS     20000

struct pcpu test_cpu, *pcpus[MAX_PCPUS] = {&test_cpu};
uint32_t pcpu_count = 1;
struct boot_cost boot_cost;
static struct hv_ops fake_ops;
const struct hv_ops *ops = &fake_ops;
static struct vm_config cfg;
static struct vm vm;
static struct memmap map;
static char *arena;
static struct page_stats at_start;
static unsigned lives;  /* work items queued */
static uint64_t zeroed; /* the last frame that was */

void work_queue(struct work *w)
{
	assert_ptr_equal(w, &vm.life);
	lives++;
}

hpa_t host_pa(const void *p)
{
	return hpa((uint64_t)p - ((uint64_t)arena - HOST_BASE));
}

uint64_t host_map_cr3(void)
{
	return 0;
}

/* Nobody sees a frame before it is zeros. */
static void not_mapped(void *arg, uint64_t va, const struct pt_leaf *leaf)
{
	assert_false(*(uint64_t *)arg >= leaf->pa && *(uint64_t *)arg < leaf->pa + leaf->size);
}

void frame_zero(hpa_t pa, size_t n)
{
	assert_int_equal(n, PAGE_SIZE);
	zeroed = pa.v;
	pt_walk(&vm.view, not_mapped, &zeroed);
	pt_walk(&vm.npt, not_mapped, &zeroed);
}

enum status host_view_init(struct page_table *vt)
{
	return pt_init(vt, &pt_host, &pt_host_memory);
}

void host_view_fini(struct page_table *vt)
{
	pt_fini(vt);
}

static uint64_t guest_free(void)
{
	struct page_stats s;

	page_stats(&s);
	return s.guest_free;
}

/* The frame of the page at a, UINT64_MAX: it is absent. Both tables agree. */
static uint64_t frame_at(uint64_t a)
{
	struct pt_leaf view, npt;
	bool there = pt_lookup(&vm.view, GMEM_VM_BASE + a, &view);

	assert_int_equal(pt_lookup(&vm.npt, a, &npt), there);
	if (!there)
		return UINT64_MAX;
	assert_int_equal(view.pa + a % view.size, npt.pa + a % npt.size);
	assert_int_equal(view.prot, PT_READ | PT_WRITE);
	assert_true(page_guest_in_use(hpa(npt.pa + a % npt.size), PAGE_SIZE));
	return npt.pa + a % npt.size;
}

static void build(const struct pt_format *format)
{
	enum status s;

	fake_ops.npt_format = format;
	cfg = (struct vm_config){.memory = MEMORY, .balloon = true};
	vm = (struct vm){.cfg = &cfg};
	assert_int_equal(vm_memory_init(&vm), OK);
	while ((s = vm_memory_take_step(&vm)) == ERR_AGAIN)
		;
	assert_int_equal(s, OK);
}

static void expect_all_back(void)
{
	struct page_stats s;

	page_stats(&s);
	assert_memory_equal(&s, &at_start, sizeof(s));
}

static void end(void)
{
	vm.progress_slot = 0;
	vm.progress = 0;
	for (unsigned i = 0; vm_memory_free_step(&vm) == ERR_AGAIN; i++)
		assert_true(i < 10000);
	expect_all_back();
}

static int machine(void)
{
	arena = aligned_alloc(MIB(16), HOST_SIZE);
	memmap_init(&map);
	assert_int_equal(memmap_add(&map, HOST_BASE, HOST_SIZE, MEMMAP_HOST), OK);
	assert_int_equal(memmap_add(&map, GUEST_BASE, GUEST_SIZE, MEMMAP_GUEST), OK);
	page_alloc_init(&map, (uint64_t)arena - HOST_BASE, HOST_BASE, HOST_BASE);
	page_stats(&at_start);
	test_cpu = (struct pcpu){};
	lives = 0;
	return 0;
}

static int setup_ept(void **state)
{
	machine();
	build(&pt_ept);
	return 0;
}

static int setup_npt(void **state)
{
	machine();
	build(&pt_npt);
	return 0;
}

static int teardown(void **state)
{
	free(arena);
	return 0;
}

static void test_all_back(void **state)
{
	assert_int_equal(guest_free(), GUEST_SIZE - (MEMORY - MIB(1) + GUEST_RAM_LOW_END + GUEST_ROM_SIZE));
	end();
}

/* Memory that could not all be had is given back too. */
static void test_half_built(void **state)
{
	enum status s;

	end();
	cfg.memory = MIB(512);
	vm = (struct vm){.cfg = &cfg};
	assert_int_equal(vm_memory_init(&vm), OK);
	while ((s = vm_memory_take_step(&vm)) == ERR_AGAIN)
		;
	assert_int_equal(s, ERR_NOMEM);
	assert_int_equal(guest_free(), 0);
	end();
	assert_int_equal(vm_memory_init(&vm), OK);
	assert_int_equal(vm_memory_free_step(&vm), OK);
	expect_all_back();
}

static void test_release(void **state)
{
	uint64_t before = guest_free(), a = MIB(33) + 5 * PAGE_SIZE, below = frame_at(a - PAGE_SIZE),
		 above = frame_at(a + PAGE_SIZE), was = frame_at(a);
	struct pt_leaf leaf;

	assert_true(pt_lookup(&vm.npt, a, &leaf) && leaf.size >= MIB(2));
	vm_absent_release(&vm, gpa(a + 0x123));
	assert_int_equal(guest_free(), before + PAGE_SIZE);
	assert_int_equal(vm.absent, PAGE_SIZE);
	assert_int_equal(frame_at(a), UINT64_MAX);
	assert_false(page_guest_in_use(hpa(was), PAGE_SIZE));
	assert_int_equal(frame_at(a - PAGE_SIZE), below);
	assert_int_equal(frame_at(a + PAGE_SIZE), above);
	end();
}

/* Twice; no memory; ROM; while somebody could still reach it. */
static void test_not_released(void **state)
{
	static struct vcpu vcpu;
	static const uint64_t wrong[] = {
	    0xa0000, GUEST_ROM_BASE, GUEST_TABLES_BASE,          MEMORY,   GIB(3),
	    GIB(4),  0xfee00000,     UINT64_MAX - PAGE_SIZE + 1, GIB(512), GIB(16000)};
	uint64_t before = guest_free();

	vcpu.requests = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
		vm_absent_release(&vm, gpa(wrong[i]));
	assert_int_equal(guest_free(), before);
	vm_absent_release(&vm, gpa(MIB(4)));
	vm_absent_release(&vm, gpa(MIB(4)));
	assert_int_equal(guest_free(), before + PAGE_SIZE);
	test_cpu.address_space = &vm;
	assert_panics(vm_absent_release(&vm, gpa(MIB(5))));
	test_cpu.address_space = NULL;
	vm.vcpu[0] = &vcpu;
	vm.vcpu_count = 1;
	assert_panics(vm_absent_release(&vm, gpa(MIB(5))));
	vcpu.requests = VREQ_FLUSH;
	vm_absent_release(&vm, gpa(MIB(5)));
	assert_int_equal(guest_free(), before + 2 * PAGE_SIZE);
	end();
}

/* Without memory for the tables of a divided page all stays as it is, in whichever table it is missing. */
static void test_no_tables(void **state)
{
	static void *taken[HOST_SIZE / PAGE_SIZE];

	for (unsigned left = 0; left < 3; left++) {
		uint64_t before = guest_free(), a = MIB(8 + 4 * left), was = frame_at(a);
		unsigned n = 0;

		while ((taken[n] = page_alloc(0)))
			n++;
		for (unsigned i = 0; i < left; i++)
			page_free(taken[--n], 0);
		vm_absent_release(&vm, gpa(a));
		if (left < 2) {
			assert_int_equal(guest_free(), before);
			assert_int_equal(frame_at(a), was);
			assert_int_equal(vm.absent, 0);
		} else {
			assert_int_equal(frame_at(a), UINT64_MAX);
		}
		/* What has left comes back without any. */
		while ((taken[n] = page_alloc(0)))
			n++;
		assert_int_equal(vm_absent_supply(&vm, gpa(a)), OK);
		while (n)
			page_free(taken[--n], 0);
	}
	end();
}

/* Nor where nothing else is left of what a table maps. */
static void test_tables_stay(void **state)
{
	static void *taken[HOST_SIZE / PAGE_SIZE];
	unsigned n = 0;

	for (uint64_t a = MIB(32); a < MIB(36); a += PAGE_SIZE)
		vm_absent_release(&vm, gpa(a));
	assert_int_equal(vm.absent, MIB(4));
	while ((taken[n] = page_alloc(0)))
		n++;
	for (uint64_t a = MIB(32); a < MIB(36); a += PAGE_SIZE)
		assert_int_equal(vm_absent_supply(&vm, gpa(a)), OK);
	while (n)
		page_free(taken[--n], 0);
	end();
}

static void test_supply(void **state)
{
	uint64_t a = MIB(40), before = guest_free();
	struct pt_leaf leaf;

	assert_int_equal(vm_absent_supply(&vm, gpa(a)), OK); /* it is there */
	assert_int_equal(guest_free(), before);
	vm_absent_release(&vm, gpa(a));
	zeroed = 0;
	assert_int_equal(vm_absent_supply(&vm, gpa(a + 0xfff)), OK);
	assert_int_equal(frame_at(a), zeroed);
	assert_int_equal(guest_free(), before);
	assert_int_equal(vm.absent, 0);
	assert_true(pt_lookup(&vm.npt, a, &leaf) && leaf.prot == (PT_READ | PT_WRITE | PT_EXEC));
	assert_int_equal(lives, 0);
	end();
}

/* The host's own accesses: only memory of the VM that is loaded, only where it may be absent. */
static void test_fault(void **state)
{
	uint64_t a = MIB(40);

	vm_absent_release(&vm, gpa(a));
	assert_false(vm_absent_fault(GMEM_VM_BASE + a));
	test_cpu.address_space = &vm;
	assert_false(vm_absent_fault(a));
	assert_false(vm_absent_fault(HOST_DIRECT_BASE));
	assert_false(vm_absent_fault(GMEM_VM_BASE + MEMORY));
	assert_false(vm_absent_fault(GMEM_VM_BASE + 0xb0000));
	assert_true(vm_absent_fault(GMEM_VM_BASE + a + 7));
	assert_int_not_equal(frame_at(a), UINT64_MAX);
	test_cpu.address_space = NULL;
	end();
}

/* The VM ends; what the host was about to do is done to a page that stands for all. */
static void test_none_left(void **state)
{
	uint64_t a = MIB(20);
	struct frame_run run[4];
	struct pt_leaf leaf;
	hpa_t pa;

	for (unsigned i = 0; i < 3; i++)
		vm_absent_release(&vm, gpa(a + i * PAGE_SIZE));
	while (page_alloc_guest(0, &pa) == OK)
		;
	assert_int_equal(vm_absent_supply(&vm, gpa(a)), ERR_NOMEM);
	assert_true(vm.starved && lives == 1);
	assert_int_equal(frame_at(a), UINT64_MAX);
	assert_int_equal(vm_frames(&vm, gpa(a), PAGE_SIZE, run, 4), 0);
	test_cpu.address_space = &vm;
	for (unsigned i = 0; i < 2; i++) {
		assert_true(vm_absent_fault(GMEM_VM_BASE + a + i * PAGE_SIZE));
		assert_true(pt_lookup(&vm.view, GMEM_VM_BASE + a + i * PAGE_SIZE, &leaf));
		assert_true(vm_absent_is_spare(&vm, hpa(leaf.pa)));
		assert_false(pt_lookup(&vm.npt, a + i * PAGE_SIZE, &leaf)); /* the guest never sees it */
	}
	test_cpu.address_space = NULL;
	vm_absent_release(&vm, gpa(a)); /* it is nothing to give */
	assert_int_equal(guest_free(), 0);
}

/* The spare page and what is absent are not given back as frames. */
static void test_end_of_a_starved_one(void **state)
{
	static hpa_t taken[GUEST_SIZE / PAGE_SIZE];
	unsigned n = 0;

	vm_absent_release(&vm, gpa(MIB(20)));
	vm_absent_release(&vm, gpa(MIB(21)));
	while (page_alloc_guest(0, &taken[n]) == OK)
		n++;
	test_cpu.address_space = &vm;
	assert_true(vm_absent_fault(GMEM_VM_BASE + MIB(20)));
	test_cpu.address_space = NULL;
	while (n)
		page_free_guest(taken[--n], 0);
	end();
}

static void test_frames(void **state)
{
	uint64_t a = MIB(12), before = guest_free();
	struct frame_run run[8];
	unsigned n;
	uint64_t len = 0;
	hpa_t other;

	for (unsigned i = 1; i < 8; i += 2)
		vm_absent_release(&vm, gpa(a + i * PAGE_SIZE));
	n = vm_frames(&vm, gpa(a + 0x800), 5 * PAGE_SIZE, run, 8);
	assert_true(n >= 1);
	for (unsigned i = 0; i < n; i++)
		len += run[i].len;
	assert_int_equal(len, 5 * PAGE_SIZE);
	assert_int_equal(run[0].pa.v, frame_at(a) + 0x800);
	/* Where the VM's address space is loaded it's the same, and is forgotten with it: the page has another frame then. */
	vm_enter_address_space(&vm);
	assert_int_equal(vm_frames(&vm, gpa(a + 2 * PAGE_SIZE + 5), 10, run, 8), 1);
	assert_int_equal(run[0].pa.v, frame_at(a + 2 * PAGE_SIZE) + 5);
	assert_int_equal(vm_frames(&vm, gpa(a + 2 * PAGE_SIZE + 7), 10, run, 8), 1);
	assert_int_equal(run[0].pa.v, frame_at(a + 2 * PAGE_SIZE) + 7);
	vm_enter_address_space(NULL);
	vm_absent_release(&vm, gpa(a + 2 * PAGE_SIZE));
	assert_int_equal(page_alloc_guest(0, &other), OK);
	vm_enter_address_space(&vm);
	assert_int_equal(vm_frames(&vm, gpa(a + 2 * PAGE_SIZE + 7), 10, run, 8), 1);
	assert_int_equal(run[0].pa.v, frame_at(a + 2 * PAGE_SIZE) + 7);
	vm_enter_address_space(NULL);
	page_free_guest(other, 0);
	/* Three of the four lay there. */
	assert_int_equal(guest_free(), before + PAGE_SIZE);
	assert_int_equal(frame_at(a + 7 * PAGE_SIZE), UINT64_MAX);
	end();
}

/* Against a model, with a second owner that takes what was released. */
static void test_random_order(void **state)
{
	static bool absent[MEMORY / PAGE_SIZE];
	static hpa_t other[256];
	uint64_t seed = 11, count = 0;
	unsigned others = 0;

	memset(absent, 0, sizeof(absent));
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t page = test_random(&seed) % (MIB(6) / PAGE_SIZE) + MIB(30) / PAGE_SIZE;

		switch (test_random(&seed) % 5) {
		case 0:
		case 1:
			vm_absent_release(&vm, gpa(page * PAGE_SIZE));
			count += !absent[page];
			absent[page] = true;
			break;
		case 2:
			assert_int_equal(vm_absent_supply(&vm, gpa(page * PAGE_SIZE)), OK);
			count -= absent[page];
			absent[page] = false;
			break;
		case 3:
			if (others < ARRAY_SIZE(other) && page_alloc_guest(0, &other[others]) == OK)
				others++;
			break;
		case 4:
			if (others)
				page_free_guest(other[--others], 0);
			break;
		}
		assert_int_equal(frame_at(page * PAGE_SIZE) == UINT64_MAX, absent[page]);
		assert_int_equal(vm.absent, count * PAGE_SIZE);
	}
	while (others)
		page_free_guest(other[--others], 0);
	end();
}

#define CASE(fn)                                                                                             \
	cmocka_unit_test_setup_teardown(fn, setup_ept, teardown),                                            \
	    cmocka_unit_test_setup_teardown(fn, setup_npt, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_all_back),
	    CASE(test_half_built),
	    CASE(test_release),
	    CASE(test_not_released),
	    CASE(test_no_tables),
	    CASE(test_tables_stay),
	    CASE(test_supply),
	    CASE(test_fault),
	    CASE(test_none_left),
	    CASE(test_frames),
	    CASE(test_end_of_a_starved_one),
	    CASE(test_random_order),
	};

	return cmocka_run_group_tests_name("vm_absent", tests, NULL, NULL);
}
