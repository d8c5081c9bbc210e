/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies between requests' memory, the frames of a disk and its file: see block_memory.h. */
#include "hv/io/block_memory.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "mm/page_alloc.h"

#define ENTRIES         (PAGE_SIZE / sizeof(uint64_t)) /* of a table */
#define TABLES_PER_STEP 2
#define ZEROS           1 /* an entry: the file's bytes here are gone, the page reads as zeros */

/* What one request may keep this CPU busy with. */
#define UNMAP_SECTORS   8192 /* 4 MiB: 1024 frames */

static struct block_memory *to_memory(struct block_device *b)
{
	return container_of(b, struct block_memory, block);
}

/* The entry of the page at `at` bytes: a frame's address, ZEROS, or 0 where nothing was written. */
static uint64_t entry(const struct block_memory *m, uint64_t at)
{
	const uint64_t *t = m->table[at / PAGE_SIZE / ENTRIES];

	return t ? t[at / PAGE_SIZE % ENTRIES] : 0;
}

/* Where to write it; NULL: no memory for the table. */
static uint64_t *entry_to_write(struct block_memory *m, uint64_t at)
{
	uint64_t **t = &m->table[at / PAGE_SIZE / ENTRIES];

	if (!*t)
		*t = page_alloc(0);
	return *t ? &(*t)[at / PAGE_SIZE % ENTRIES] : NULL;
}

/* n bytes of one page as nobody has written them, to dst. */
static void read_original(const struct block_memory *m, uint64_t e, uint64_t at, hpa_t dst, size_t n)
{
	size_t of_file = 0;

	if (e != ZEROS && at < m->file_size)
		of_file = MIN(n, m->file_size - at);
	if (of_file)
		frame_write(dst, m->file + at, of_file);
	if (of_file < n)
		frame_zero(hpa(dst.v + of_file), n - of_file);
}

static enum status read_page(struct block_memory *m, uint64_t at, hpa_t dst, size_t n)
{
	uint64_t e = entry(m, at);

	if (e > ZEROS)
		frame_copy(dst, hpa(e + at % PAGE_SIZE), n);
	else
		read_original(m, e, at, dst, n);
	return OK;
}

/* Gives the page at `at` a frame of its own, in which all but n bytes from there on are set. */
static enum status take_frame(struct block_memory *m, uint64_t at, size_t n, uint64_t *e)
{
	enum status s;
	hpa_t frame;

	s = page_alloc_guest(0, &frame);
	if (s != OK)
		return s;
	if (n < PAGE_SIZE)
		read_original(m, *e, ALIGN_DOWN(at, PAGE_SIZE), frame, PAGE_SIZE);
	*e = frame.v;
	m->frames++;
	return OK;
}

static enum status write_page(struct block_memory *m, uint64_t at, hpa_t src, size_t n)
{
	uint64_t *e = entry_to_write(m, at);
	enum status s;

	if (!e)
		return ERR_NOMEM;
	if (*e <= ZEROS) {
		s = take_frame(m, at, n, e);
		if (s != OK)
			return s;
	}
	frame_copy(hpa(*e + at % PAGE_SIZE), src, n);
	return OK;
}

static enum status transfer(struct block_memory *m, const struct block_request *r)
{
	uint64_t at = r->sector * BLOCK_SECTOR;

	for (uint32_t i = 0; i < r->runs; i++) {
		const struct frame_run *run = &r->run[i];

		for (uint32_t done = 0, n; done < run->len; done += n, at += n) {
			hpa_t pa = hpa(run->pa.v + done);
			enum status s;

			n = MIN(run->len - done, PAGE_SIZE - at % PAGE_SIZE);
			s = r->op == BLOCK_READ ? read_page(m, at, pa, n) : write_page(m, at, pa, n);
			if (s != OK)
				return s;
		}
	}
	return OK;
}

static void free_frame(struct block_memory *m, uint64_t *e)
{
	page_free_guest(hpa(*e), 0);
	*e = 0;
	m->frames--;
}

/* n bytes of one page are to read as zeros; a whole page needs no frame for that, unless it is to keep it. */
static enum status zero_page(struct block_memory *m, uint64_t at, size_t n, bool keep)
{
	bool of_file = ALIGN_DOWN(at, PAGE_SIZE) < m->file_size;
	uint64_t e = entry(m, at), *to;
	enum status s;

	if (e == ZEROS || (!e && !of_file))
		return OK;
	to = entry_to_write(m, at);
	if (!to)
		return ERR_NOMEM;
	if (n == PAGE_SIZE && !keep) {
		if (e)
			free_frame(m, to);
		*to = of_file ? ZEROS : 0;
		return OK;
	}
	if (!e) {
		s = take_frame(m, at, n, to);
		if (s != OK)
			return s;
	}
	frame_zero(hpa(*to + at % PAGE_SIZE), n);
	return OK;
}

static enum status zero(struct block_memory *m, const struct block_request *r)
{
	uint64_t at = r->sector * BLOCK_SECTOR, end = at + (uint64_t)r->sectors * BLOCK_SECTOR, n;
	bool keep = r->op == BLOCK_WRITE_ZEROES && !r->may_unmap;

	for (; at < end; at += n) {
		enum status s;

		n = MIN(end - at, PAGE_SIZE - at % PAGE_SIZE);
		s = zero_page(m, at, n, keep);
		if (s != OK)
			return s;
	}
	return OK;
}

static enum status perform(struct block_device *b, const struct block_request *r)
{
	struct block_memory *m = to_memory(b);

	switch (r->op) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		return transfer(m, r);
	case BLOCK_DISCARD:
	case BLOCK_WRITE_ZEROES:
		return zero(m, r);
	case BLOCK_FLUSH:
	case BLOCK_OPS:
		break;
	}
	return OK;
}

static const struct block_ops memory_ops = {.perform = perform};

enum status block_memory_init(struct block_memory *m, const char *name, const void *file, size_t file_size,
			      uint64_t size, bool readonly)
{
	if (!size)
		return ERR_INVAL;
	size = ALIGN_UP(size, PAGE_SIZE);
	*m = (struct block_memory){
	    .block = {.ops = &memory_ops,
		      .sectors = size / BLOCK_SECTOR,
		      .logical_size = BLOCK_SECTOR,
		      .physical_size = PAGE_SIZE,
		      .limits = {.discard_sectors = UNMAP_SECTORS, .zeroes_sectors = UNMAP_SECTORS},
		      .readonly = readonly,
		      .queues = 1},
	    .file = file,
	    .file_size = file_size,
	    .tables = (size / PAGE_SIZE + ENTRIES - 1) / ENTRIES,
	};
	str_copy(m->block.name, sizeof(m->block.name), name);
	m->table = page_alloc_bytes(m->tables * sizeof(*m->table));
	if (!m->table)
		return ERR_NOMEM;
	m->block.queue = &m->queue;
	block_init(&m->block);
	return OK;
}

static void free_table(struct block_memory *m, uint64_t *t)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		if (t[i] > ZEROS)
			free_frame(m, &t[i]);
	page_free(t, 0);
}

enum status block_memory_free_step(struct block_memory *m)
{
	for (unsigned n = 0; m->next < m->tables; m->next++) {
		uint64_t *t = m->table[m->next];

		if (!t)
			continue;
		if (n++ == TABLES_PER_STEP)
			return ERR_AGAIN;
		free_table(m, t);
	}
	page_free_bytes(m->table, m->tables * sizeof(*m->table));
	return OK;
}
