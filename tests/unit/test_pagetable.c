/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/pagetable.c with each of its formats: the entries' bits, leaf sizes, splitting, protecting, errors that leave
 * nothing behind, and long random runs against an array. Table pages are malloc'd; "physical" is virtual minus a base.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include "hv/lib/util.h"
#include "mm/pagetable.h"

static unsigned pages_live, pages_allowed;

/* Physical addresses must fit into 52 bits, and those of user space do. */
static void *fake_alloc(void)
{
	if (pages_live == pages_allowed)
		return NULL;
	pages_live++;
	return memset(aligned_alloc(PAGE_SIZE, PAGE_SIZE), 0, PAGE_SIZE);
}

static void fake_free(void *p)
{
	pages_live--;
	free(p);
}

static uint64_t fake_to_pa(const void *p)
{
	return (uint64_t)p;
}

static void *fake_from_pa(uint64_t pa)
{
	return (void *)pa;
}

static const struct pt_memory memory = {fake_alloc, fake_free, fake_to_pa, fake_from_pa};
static struct pt_format *const formats[] = {&pt_host, &pt_ept, &pt_npt};
static struct page_table pt;

#define RWX (PT_READ | PT_WRITE | PT_EXEC)

static void start(const struct pt_format *f)
{
	pages_live = 0;
	pages_allowed = UINT32_MAX;
	assert_int_equal(pt_init(&pt, f, &memory), OK);
}

static void end(void)
{
	assert_int_equal(pt.tables, pages_live);
	pt_fini(&pt);
	assert_int_equal(pages_live, 0);
}

/* The bits as the manuals give them, written out once more by hand. */
static void test_entry_bits(void **state)
{
	(void)state;
	assert_true(pt_host.leaf(0x1000, 1, PT_READ, PT_WB) == 0x8000000000001061);
	assert_true(pt_host.leaf(0x1000, 1, PT_READ | PT_EXEC | PT_GLOBAL, PT_WB) == 0x1161);
	assert_true(pt_host.leaf(0x200000, 2, PT_READ | PT_WRITE, PT_UC) == 0x80000000002000fb);
	assert_true(pt_host.table(0x3000) == 0x3023);
	assert_true(pt_ept.leaf(0x1000, 1, RWX, PT_WB) == 0x1037);
	assert_true(pt_ept.leaf(0x40000000, 3, PT_READ, PT_UC) == 0x40000081);
	assert_true(pt_ept.leaf(0x200000, 2, PT_READ | PT_EXEC, PT_WT) == 0x2000a5);
	assert_true(pt_ept.leaf(0x1000, 1, RWX, PT_WC) == 0x100f);
	assert_true(pt_ept.table(0x3000) == 0x3007);
	assert_true(pt_npt.leaf(0x1000, 1, RWX, PT_WB) == 0x1067);
	assert_true(pt_npt.leaf(0x200000, 2, PT_READ, PT_WB) == 0x80000000002000e5);
	assert_true(pt_npt.table(0x3000) == 0x3027);
}

static void test_round_trip(void **state)
{
	(void)state;
	for (unsigned f = 0; f < ARRAY_SIZE(formats); f++)
		for (unsigned level = 1; level <= 3; level++)
			for (uint32_t prot = PT_READ; prot <= RWX; prot += 2)
				for (enum pt_memtype t = PT_WB; t <= PT_UC; t++) {
					uint64_t e =
					    formats[f]->leaf(0x000ffff000000000 + GIB(1), level, prot, t);

					assert_true(formats[f]->is_present(e));
					assert_true(formats[f]->is_leaf(e, level));
					assert_int_equal(formats[f]->prot(e), prot);
					assert_int_equal(formats[f]->memtype(e), t);
					assert_true(formats[f]->address(e, level) ==
						    0x000ffff000000000 + GIB(1));
				}
}

static void test_largest_leaves(void **state)
{
	struct pt_leaf leaf;

	(void)state;
	for (unsigned f = 0; f < ARRAY_SIZE(formats); f++) {
		start(formats[f]);
		assert_int_equal(pt_map(&pt, GIB(1) - MIB(2) - 0x1000, GIB(5) - MIB(2) - 0x1000,
					GIB(1) + MIB(4) + 0x2000, RWX, PT_WB),
				 OK);
		assert_true(pt_lookup(&pt, GIB(1) - MIB(2) - 1, &leaf));
		assert_int_equal(leaf.size, PAGE_SIZE);
		assert_true(pt_lookup(&pt, GIB(1) - 1, &leaf));
		assert_int_equal(leaf.size, MIB(2));
		assert_true(pt_lookup(&pt, GIB(1), &leaf));
		assert_int_equal(leaf.size, GIB(1));
		assert_int_equal(leaf.pa, GIB(5));
		assert_true(pt_lookup(&pt, GIB(2) + MIB(2) + 0xfff, &leaf));
		assert_int_equal(leaf.size, PAGE_SIZE);
		assert_int_equal(leaf.pa, GIB(6) + MIB(2));
		assert_false(pt_lookup(&pt, GIB(2) + MIB(2) + 0x1000, &leaf));
		/* Physical alignment counts as much. */
		assert_int_equal(pt_map(&pt, GIB(8), GIB(8) + 0x1000, MIB(2), RWX, PT_WB), OK);
		assert_true(pt_lookup(&pt, GIB(8), &leaf));
		assert_int_equal(leaf.size, PAGE_SIZE);
		end();
		formats[f]->max_leaf_level = 2;
		start(formats[f]);
		assert_int_equal(pt_map(&pt, 0, 0, GIB(1), RWX, PT_WB), OK);
		assert_true(pt_lookup(&pt, 0, &leaf));
		assert_int_equal(leaf.size, MIB(2));
		end();
		formats[f]->max_leaf_level = 3;
	}
}

static void test_split_and_unmap(void **state)
{
	struct pt_leaf leaf;

	(void)state;
	for (unsigned f = 0; f < ARRAY_SIZE(formats); f++) {
		start(formats[f]);
		assert_int_equal(pt_map(&pt, GIB(1), GIB(1), GIB(1), PT_READ | PT_WRITE, PT_UC), OK);
		assert_int_equal(pt_unmap(&pt, GIB(1) + 0x5000, 0x1000), OK);
		assert_false(pt_lookup(&pt, GIB(1) + 0x5000, &leaf));
		assert_true(pt_lookup(&pt, GIB(1) + 0x6000, &leaf));
		assert_int_equal(leaf.pa, GIB(1) + 0x6000);
		assert_int_equal(leaf.prot, PT_READ | PT_WRITE);
		assert_int_equal(leaf.type, PT_UC);
		assert_true(pt_lookup(&pt, GIB(1) + MIB(2), &leaf));
		assert_int_equal(leaf.size, MIB(2));
		/* What isn't mapped is passed over, and the tables go with the last leaf. */
		assert_int_equal(pt_unmap(&pt, 0, GIB(3)), OK);
		assert_int_equal(pt.tables, 1);
		end();
	}
}

static void test_protect(void **state)
{
	struct pt_leaf leaf;

	(void)state;
	for (unsigned f = 0; f < ARRAY_SIZE(formats); f++) {
		start(formats[f]);
		assert_int_equal(pt_map(&pt, 0, MIB(2), MIB(4), RWX, PT_WB), OK);
		assert_int_equal(pt_protect(&pt, MIB(2) - 0x1000, 0x2000, PT_READ), OK);
		for (uint64_t va = 0; va < MIB(4); va += 0x1000) {
			assert_true(pt_lookup(&pt, va, &leaf));
			assert_int_equal(leaf.prot, va == MIB(2) - 0x1000 || va == MIB(2) ? PT_READ : RWX);
			assert_int_equal(leaf.pa + va % leaf.size, va + MIB(2));
		}
		assert_int_equal(pt_protect(&pt, MIB(3), MIB(2), PT_READ), ERR_NOENT);
		assert_true(pt_lookup(&pt, MIB(3), &leaf));
		assert_int_equal(leaf.prot, RWX);
		end();
	}
}

/* Mappings that come and go keep the tables, and so does one that can't be made. */
static void test_keep(void **state)
{
	struct pt_leaf leaf;

	(void)state;
	for (unsigned f = 0; f < ARRAY_SIZE(formats); f++) {
		uint32_t tables;

		start(formats[f]);
		pt.keep = true;
		assert_int_equal(pt_unmap(&pt, GIB(3), PAGE_SIZE), OK); /* nothing is there */
		assert_int_equal(pt_map(&pt, GIB(3), MIB(2), 0x2000, RWX, PT_WB), OK);
		tables = pt.tables;
		assert_int_equal(pt_unmap(&pt, GIB(3), 0x2000), OK);
		assert_false(pt_lookup(&pt, GIB(3), &leaf));
		assert_int_equal(pt.tables, tables);
		assert_int_equal(pt_map(&pt, GIB(3) + PAGE_SIZE, MIB(2), PAGE_SIZE, RWX, PT_WB), OK);
		assert_int_equal(pt_map(&pt, GIB(3), MIB(2), 0x2000, RWX, PT_WB), ERR_EXIST);
		assert_int_equal(pt.tables, tables);
		assert_false(pt_lookup(&pt, GIB(3), &leaf));
		assert_true(pt_lookup(&pt, GIB(3) + PAGE_SIZE, &leaf));
		end();
	}
}

static void test_exists(void **state)
{
	struct pt_leaf leaf;
	unsigned tables;

	(void)state;
	start(&pt_ept);
	assert_int_equal(pt_map(&pt, MIB(6), 0, 0x1000, RWX, PT_WB), OK);
	assert_int_equal(pt_map(&pt, GIB(3), 0, GIB(1), RWX, PT_WB), OK);
	tables = pt.tables;
	assert_int_equal(pt_map(&pt, 0x1000, 0x1000, MIB(8), RWX, PT_WB), ERR_EXIST);
	assert_int_equal(pt_map(&pt, GIB(2), 0x1000, GIB(1) + 0x1000, RWX, PT_WB), ERR_EXIST);
	assert_int_equal(pt.tables, tables);
	assert_false(pt_lookup(&pt, 0x1000, &leaf));
	assert_false(pt_lookup(&pt, MIB(2), &leaf));
	assert_true(pt_lookup(&pt, MIB(6), &leaf));
	assert_true(pt_lookup(&pt, GIB(3), &leaf));
	end();
}

/* A large mapping with odd ends, refused at every possible allocation. */
static void test_no_memory(void **state)
{
	struct pt_leaf leaf;
	unsigned n = 1;

	(void)state;
	for (enum status s = ERR_NOMEM; s != OK; n++) {
		start(&pt_npt);
		pages_allowed = n;
		s = pt_map(&pt, GIB(511) - 0x3000, 0x1000, MIB(60), RWX, PT_WB);
		if (s != OK) {
			assert_int_equal(s, ERR_NOMEM);
			assert_int_equal(pt.tables, 1);
			assert_int_equal(pages_live, 1);
		}
		end();
	}
	assert_true(n > 30);
	/* A split that fails changes nothing. */
	start(&pt_npt);
	assert_int_equal(pt_map(&pt, 0, 0, GIB(1), RWX, PT_WB), OK);
	pages_allowed = pages_live + 1;
	assert_int_equal(pt_unmap(&pt, 0x1000, 0x1000), ERR_NOMEM);
	assert_int_equal(pt_protect(&pt, 0x1000, 0x1000, PT_READ), ERR_NOMEM);
	assert_true(pt_lookup(&pt, 0x1000, &leaf));
	assert_int_equal(leaf.prot, RWX);
	end();
	start(&pt_ept);
	pages_allowed = 1;
	assert_int_equal(pt_fill_root(&pt, 0, 3), ERR_NOMEM);
	end();
	pages_live = pages_allowed;
	assert_int_equal(pt_init(&pt, &pt_ept, &memory), ERR_NOMEM);
}

static void test_kept_top(void **state)
{
	uint64_t entry;

	(void)state;
	start(&pt_host);
	pt.keep_top = true;
	assert_int_equal(pt_fill_root(&pt, 256, 257), OK);
	assert_int_equal(pt.tables, 3);
	entry = pt.root[256];
	assert_int_equal(pt_map(&pt, 0xffff800000000000, 0, MIB(3), PT_READ, PT_WB), OK);
	assert_int_equal(pt_unmap(&pt, 0xffff800000000000, MIB(3)), OK);
	assert_int_equal(pt.tables, 3);
	assert_true(pt.root[256] == entry);
	end();
}

struct walked {
	unsigned leaves;
	uint64_t last;
};

static void note(void *arg, uint64_t va, const struct pt_leaf *leaf)
{
	struct walked *w = arg;

	(void)leaf;
	assert_true(w->leaves++ == 0 || va > w->last);
	w->last = va;
}

static void test_walk(void **state)
{
	struct walked w = {};

	(void)state;
	start(&pt_host);
	assert_int_equal(pt_map(&pt, 0x1000, 0, 0x2000, PT_READ, PT_WB), OK);
	assert_int_equal(pt_map(&pt, 0xfffffffffffff000, 0, 0x1000, PT_READ, PT_WB), OK);
	assert_int_equal(pt_map(&pt, 0xffff800000000000, 0, GIB(1), PT_READ, PT_WB), OK);
	pt_walk(&pt, note, &w);
	assert_int_equal(w.leaves, 4);
	assert_true(w.last == 0xfffffffffffff000);
	end();
}

static void test_refused(void **state)
{
	(void)state;
	start(&pt_ept);
	assert_panics((void)!pt_map(&pt, 0x800, 0, 0x1000, RWX, PT_WB));
	assert_panics((void)!pt_map(&pt, 0, 0x800, 0x1000, RWX, PT_WB));
	assert_panics((void)!pt_map(&pt, 0, 0, 0x800, RWX, PT_WB));
	assert_panics((void)!pt_map(&pt, 0, 0, 0x1000, PT_WRITE, PT_WB));
	assert_panics((void)!pt_map(&pt, BIT(48) - 0x1000, 0, 0x2000, RWX, PT_WB));
	end();
}

/* Random changes to 4 MiB around a 1 GiB border, page by page against an array. */
#define MODEL_PAGES 1024

static void random_model(const struct pt_format *f, uint64_t seed)
{
	static struct {
		uint64_t pa;
		uint32_t prot;
	} model[MODEL_PAGES]; /* prot 0: not mapped */
	const uint64_t base = GIB(7) - MIB(2);

	memset(model, 0, sizeof(model));
	start(f);
	for (unsigned round = 0; round < 1500; round++) {
		uint64_t first = test_random(&seed) % MODEL_PAGES;
		uint64_t n = 1 + test_random(&seed) % (MODEL_PAGES - first);
		uint32_t prot = PT_READ | (test_random(&seed) & (PT_WRITE | PT_EXEC));
		uint64_t pa = (test_random(&seed) % 4) * MIB(2) + GIB(3) +
			      (test_random(&seed) % 4 ? first : 0) * PAGE_SIZE;
		uint64_t mapped = 0;
		enum status s;

		if (test_random(&seed) % 3 == 0) { /* whole 2 MiB now and then */
			first &= ~511ULL;
			n = 512;
		}
		for (uint64_t i = first; i < first + n; i++)
			mapped += model[i].prot != 0;
		switch (test_random(&seed) % 3) {
		case 0:
			s = pt_map(&pt, base + first * PAGE_SIZE, pa, n * PAGE_SIZE, prot, PT_WB);
			assert_int_equal(s, mapped ? ERR_EXIST : OK);
			for (uint64_t i = 0; s == OK && i < n; i++) {
				model[first + i].pa = pa + i * PAGE_SIZE;
				model[first + i].prot = prot;
			}
			break;
		case 1:
			assert_int_equal(pt_unmap(&pt, base + first * PAGE_SIZE, n * PAGE_SIZE), OK);
			for (uint64_t i = 0; i < n; i++)
				model[first + i].prot = 0;
			break;
		default:
			s = pt_protect(&pt, base + first * PAGE_SIZE, n * PAGE_SIZE, prot);
			assert_int_equal(s, mapped == n ? OK : ERR_NOENT);
			for (uint64_t i = 0; s == OK && i < n; i++)
				model[first + i].prot = prot;
		}
		for (uint64_t i = 0; i < MODEL_PAGES; i++) {
			uint64_t va = base + i * PAGE_SIZE;
			struct pt_span span = {};
			struct pt_leaf leaf;

			assert_int_equal(pt_lookup(&pt, va, &leaf), model[i].prot != 0);
			if (pt.fmt == &pt_host)
				assert_int_equal(pt_host_find(&pt, va + i % PAGE_SIZE, &span),
						 model[i].prot != 0);
			if (!model[i].prot)
				continue;
			assert_int_equal(leaf.prot, model[i].prot);
			assert_int_equal(leaf.pa + va % leaf.size, model[i].pa);
			if (pt.fmt != &pt_host)
				continue;
			assert_int_equal(span.va, va - va % leaf.size);
			assert_int_equal(span.pa, leaf.pa);
			assert_int_equal(span.size, leaf.size);
		}
		assert_int_equal(pt.tables, pages_live);
	}
	assert_int_equal(pt_unmap(&pt, base, MIB(4)), OK);
	assert_int_equal(pt.tables, 1);
	end();
}

static void test_random_model(void **state)
{
	(void)state;
	for (unsigned f = 0; f < ARRAY_SIZE(formats); f++)
		random_model(formats[f], 4711 + f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_entry_bits),     cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_largest_leaves), cmocka_unit_test(test_split_and_unmap),
	    cmocka_unit_test(test_protect),        cmocka_unit_test(test_keep),
	    cmocka_unit_test(test_exists),         cmocka_unit_test(test_no_memory),
	    cmocka_unit_test(test_kept_top),       cmocka_unit_test(test_walk),
	    cmocka_unit_test(test_refused),        cmocka_unit_test(test_random_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
