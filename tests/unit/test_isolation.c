/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hv/isolation.c finds what it must: two VMs with made-up tables on the real allocator; each test does one thing
 * wrong that a bug could do.
 */
#include "support.h"
#include "fake_tables.h"

#include <stdlib.h>
#include <string.h>
#include "hv/isolation.h"
#include "hv/lib/util.h"
#include "hv/shared.h"
#include "hv/vdev/platform.h"
#include "hv/vm.h"
#include "hv/x86/image.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define HOST_BASE  MIB(64)
#define HOST_SIZE  MIB(16)
#define GUEST_BASE MIB(128)
#define GUEST_SIZE MIB(64)

/* The image: the linker's symbols around a few words. */
asm(".pushsection .data\n.balign 8\n.globl text_start, rodata_end\ntext_start: .quad 1, 2, 3, "
    "4\nrodata_end:\n.popsection\n");

struct vm *vms[MAX_VMS];
uint32_t vm_count;
static struct vm vm[2];
static struct vm_config cfg[2] = {{.name = "a"}, {.name = "b"}};
static struct memmap map;
static char *arena;
static bool host_ok;

bool host_map_check(uint64_t *bad_va)
{
	*bad_va = 0x1234000;
	return host_ok;
}

hpa_t host_pa(const void *p)
{
	return hpa((uint64_t)p - ((uint64_t)arena - HOST_BASE));
}

void frame_zero(hpa_t pa, size_t n)
{
}

static void give(unsigned n, uint64_t gpa, uint64_t pa, uint64_t size)
{
	assert_int_equal(pt_map(&vm[n].npt, gpa, pa, size, PT_READ | PT_WRITE, PT_WB), OK);
}

static uint64_t take(unsigned order)
{
	hpa_t pa;

	assert_int_equal(page_alloc_guest(order, &pa), OK);
	return pa.v;
}

static int setup(void **state)
{
	arena = aligned_alloc(MIB(16), HOST_SIZE);
	memmap_init(&map);
	assert_int_equal(memmap_add(&map, HOST_BASE, HOST_SIZE, MEMMAP_HOST), OK);
	assert_int_equal(memmap_add(&map, GUEST_BASE, GUEST_SIZE, MEMMAP_GUEST), OK);
	page_alloc_init(&map, (uint64_t)arena - HOST_BASE, HOST_BASE, HOST_BASE);
	vm_count = 2;
	for (unsigned i = 0; i < 2; i++) {
		vms[i] = &vm[i];
		vm[i] = (struct vm){.cfg = &cfg[i]};
		assert_int_equal(pt_init(&vm[i].npt, &pt_ept, &pt_host_memory), OK);
		give(i, 0, take(9), MIB(2));
		give(i, MIB(2), take(0), PAGE_SIZE);
	}
	host_ok = true;
	isolation_init();
	return 0;
}

static int teardown(void **state)
{
	free(arena);
	return 0;
}

static void expect_wrong(const char *why)
{
	struct isolation r;

	assert_int_equal(isolation_check(&r), ERR_FAULT);
	assert_non_null(strstr(r.why, why));
}

static void test_good(void **state)
{
	struct page_stats before, after;
	struct isolation r;

	page_stats(&before);
	assert_int_equal(isolation_check(&r), OK);
	page_stats(&after);
	assert_int_equal(r.guests, 2);
	assert_int_equal(r.frames, 2 * 513);
	assert_int_equal(r.checked, 32);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void test_stopped_vm_is_left_out(void **state)
{
	struct isolation r;

	pt_fini(&vm[1].npt);
	assert_int_equal(isolation_check(&r), OK);
	assert_int_equal(r.guests, 1);
}

static void test_host_frame(void **state)
{
	give(1, MIB(4), HOST_BASE + MIB(1), PAGE_SIZE);
	expect_wrong("vm b reaches 0x4100000 at 0x400000, which is not memory of a guest");
}

static void test_hole(void **state)
{
	give(0, MIB(4), GIB(64), PAGE_SIZE);
	expect_wrong("which is not memory of a guest");
}

static void test_beyond_the_zone(void **state)
{
	give(0, GIB(1), 0, GIB(1)); /* a large page that holds the zone and more */
	expect_wrong("which is not memory of a guest");
}

static void test_free_frame(void **state)
{
	uint64_t pa = take(0);

	give(0, MIB(4), pa, PAGE_SIZE);
	page_free_guest(hpa(pa), 0);
	expect_wrong("which is not memory of a guest");
}

/* What stands for local APICs' registers may be there, and nowhere else, and nothing else in its place. */
static void test_apic_page(void **state)
{
	void *page = page_alloc(0), *other = page_alloc(0);
	struct isolation r;

	vm[1].apic_page = page;
	give(1, PLATFORM_LAPIC_BASE, host_pa(page).v, PAGE_SIZE);
	assert_int_equal(isolation_check(&r), OK);
	assert_int_equal(r.frames, 2 * 513);
	give(0, PLATFORM_LAPIC_BASE, host_pa(page).v, PAGE_SIZE);
	expect_wrong("vm a reaches");
	assert_int_equal(pt_unmap(&vm[0].npt, PLATFORM_LAPIC_BASE, PAGE_SIZE), OK);
	give(1, PLATFORM_LAPIC_BASE + PAGE_SIZE, host_pa(page).v, PAGE_SIZE);
	expect_wrong("vm b reaches");
	assert_int_equal(pt_unmap(&vm[1].npt, PLATFORM_LAPIC_BASE + PAGE_SIZE, PAGE_SIZE), OK);
	assert_int_equal(isolation_check(&r), OK);
	vm[1].apic_page = other;
	expect_wrong("vm b reaches");
	vm[1].apic_page = NULL;
	expect_wrong("vm b reaches");
}

static void test_foreign_frame(void **state)
{
	struct pt_leaf leaf;

	assert_true(pt_lookup(&vm[0].npt, MIB(2), &leaf));
	give(1, MIB(4), leaf.pa, PAGE_SIZE);
	expect_wrong("vm b reaches");
}

/* One frame out of the middle of another's large page. */
static void test_part_of_a_large_page(void **state)
{
	struct pt_leaf leaf;

	assert_true(pt_lookup(&vm[1].npt, 0, &leaf));
	give(0, MIB(4), leaf.pa + 5 * PAGE_SIZE, PAGE_SIZE);
	expect_wrong("which is reached twice");
}

static void test_twice_in_one_guest(void **state)
{
	struct pt_leaf leaf;

	assert_true(pt_lookup(&vm[0].npt, 0, &leaf));
	give(0, MIB(8), leaf.pa, MIB(2));
	expect_wrong("vm a reaches");
}

static void test_host_tables(void **state)
{
	host_ok = false;
	expect_wrong("0x1234000 is writable and executable");
}

static void test_image(void **state)
{
	text_start[9] ^= 1;
	expect_wrong("code or constants have changed");
	text_start[9] ^= 1;
}

static void test_no_memory(void **state)
{
	struct isolation r;

	while (page_alloc(0))
		;
	assert_int_equal(isolation_check(&r), ERR_NOMEM);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* Memory that both share is seen by both, by one of them it isn't. */
static void test_shared(void **state)
{
	uint64_t pa = take(9);
	struct isolation r;

	shared_region[3] = (struct shared){.memory = hpa(pa), .size = MIB(2)};
	cfg[0].shared_count = cfg[1].shared_count = 1;
	cfg[0].shared[0].index = cfg[1].shared[0].index = 3;
	give(0, GIB(3), pa, MIB(2));
	give(1, GIB(3) + MIB(2), pa, MIB(2));
	assert_int_equal(isolation_check(&r), OK);
	give(1, GIB(3), pa + MIB(2), PAGE_SIZE); /* behind its end */
	expect_wrong("vm b reaches");
	assert_int_equal(pt_unmap(&vm[1].npt, GIB(3), PAGE_SIZE), OK);
	cfg[1].shared[0].index = 2;
	cfg[0].shared_count = 0;
	expect_wrong("which is reached twice");
	cfg[1].shared_count = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_good),
	    CASE(test_stopped_vm_is_left_out),
	    CASE(test_host_frame),
	    CASE(test_hole),
	    CASE(test_beyond_the_zone),
	    CASE(test_free_frame),
	    CASE(test_apic_page),
	    CASE(test_shared),
	    CASE(test_foreign_frame),
	    CASE(test_part_of_a_large_page),
	    CASE(test_twice_in_one_guest),
	    CASE(test_host_tables),
	    CASE(test_image),
	    CASE(test_no_memory),
	};

	return cmocka_run_group_tests_name("isolation", tests, NULL, NULL);
}
