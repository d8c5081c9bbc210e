/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Made-up physical memory for what moves data by host-physical address: the copies of hv/frame.h, guest frames from its upper
 * half, and memory of the host, which lies behind it.
 */
#pragma once

#include "support.h"
#include <stdlib.h>
#include <string.h>
#include "hv/frame.h"
#include "hv/lib/util.h"
#include "mm/host_map.h"
#include "mm/page_alloc.h"

#define FAKE_MEMORY MIB(4)
#define FAKE_FRAMES (FAKE_MEMORY / PAGE_SIZE)
#define FAKE_GUEST  (FAKE_FRAMES / 2) /* the first frame that page_alloc_guest gives */
#define FAKE_BLOCKS 64

static uint8_t fake_memory[FAKE_MEMORY] __attribute__((aligned(4096)));
static bool fake_taken[FAKE_FRAMES];
static unsigned fake_taken_count, fake_taken_max = FAKE_FRAMES - FAKE_GUEST;
static void *fake_block[FAKE_BLOCKS]; /* of the host, by page_alloc */
static unsigned fake_blocks, fake_blocks_max = FAKE_BLOCKS;

static inline uint8_t *fake_at(hpa_t pa, size_t n)
{
	if (pa.v >= FAKE_MEMORY) { /* the host's: one to one */
		for (unsigned i = 0; i < FAKE_BLOCKS; i++)
			if (fake_block[i] && pa.v - (uint64_t)fake_block[i] < 16 * PAGE_SIZE)
				return (uint8_t *)pa.v;
		assert_true(false);
	}
	assert_true(pa.v + n <= FAKE_MEMORY);
	return fake_memory + pa.v;
}

void frame_read(void *dst, hpa_t pa, size_t n)
{
	memcpy(dst, fake_at(pa, n), n);
}

void frame_write(hpa_t pa, const void *src, size_t n)
{
	memcpy(fake_at(pa, n), src, n);
}

void frame_zero(hpa_t pa, size_t n)
{
	memset(fake_at(pa, n), 0, n);
}

void frame_copy(hpa_t dst, hpa_t src, size_t n)
{
	memcpy(fake_at(dst, n), fake_at(src, n), n);
}

enum status page_alloc_guest(unsigned order, hpa_t *out)
{
	assert_int_equal(order, 0);
	if (fake_taken_count == fake_taken_max)
		return ERR_NOMEM;
	for (unsigned i = FAKE_GUEST; i < FAKE_FRAMES; i++) {
		if (fake_taken[i])
			continue;
		fake_taken[i] = true;
		fake_taken_count++;
		*out = hpa(i * PAGE_SIZE);
		memset(fake_memory + out->v, 0xdb, PAGE_SIZE); /* not scrubbed */
		return OK;
	}
	return ERR_NOMEM;
}

void page_free_guest(hpa_t block, unsigned order)
{
	assert_true(fake_taken[block.v / PAGE_SIZE]);
	fake_taken[block.v / PAGE_SIZE] = false;
	fake_taken_count--;
}

void *page_alloc(unsigned order)
{
	if (fake_blocks >= fake_blocks_max)
		return NULL;
	for (unsigned i = 0; i < FAKE_BLOCKS; i++) {
		if (fake_block[i])
			continue;
		fake_blocks++;
		fake_block[i] = aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
		memset(fake_block[i], 0, PAGE_SIZE << order);
		return fake_block[i];
	}
	return NULL;
}

void page_free(void *p, unsigned order)
{
	for (unsigned i = 0; i < FAKE_BLOCKS; i++) {
		if (fake_block[i] != p)
			continue;
		fake_block[i] = NULL;
		fake_blocks--;
		free(p);
		return;
	}
	assert_true(false);
}

void *page_alloc_bytes(size_t bytes)
{
	return calloc(1, bytes);
}

void page_free_bytes(void *p, size_t bytes)
{
	free(p);
}

hpa_t host_pa(const void *p)
{
	return hpa((uint64_t)p);
}
