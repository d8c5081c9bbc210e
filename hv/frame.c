/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies a few frames at a time through this CPU's window. */
#include "hv/frame.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/pcpu.h"
#include "mm/host_map.h"

/* Pages of the window: so many of a copy's destination, of its source, and of what is zeroed. */
#define SPAN 4
enum { TO = 0, FROM = SPAN, ZERO = 2 * SPAN };
static_assert(ZERO + SPAN <= HOST_WINDOW_PAGES);

/* What of n bytes from pa on finds room. */
static size_t piece(hpa_t pa, size_t n)
{
	return MIN(n, SPAN * PAGE_SIZE - pa.v % PAGE_SIZE);
}

void frame_read(void *dst, hpa_t pa, size_t n)
{
	struct host_window *w = &this_pcpu()->window;

	for (size_t part; n; n -= part) {
		part = piece(pa, n);
		dst = copy_bytes(dst, host_window_open(w, FROM, pa, part), part);
		host_window_close(w, FROM, pa, part);
		pa.v += part;
	}
}

void frame_write(hpa_t pa, const void *src, size_t n)
{
	struct host_window *w = &this_pcpu()->window;

	for (size_t part; n; n -= part) {
		part = piece(pa, n);
		memcpy(host_window_open(w, TO, pa, part), src, part);
		host_window_close(w, TO, pa, part);
		src = (const uint8_t *)src + part;
		pa.v += part;
	}
}

/* With pages of its own: a copy between a window and guest memory may find that absent, and wait for this. */
void frame_zero(hpa_t pa, size_t n)
{
	struct host_window *w = &this_pcpu()->window;

	for (size_t part; n; n -= part) {
		part = piece(pa, n);
		memset(host_window_open(w, ZERO, pa, part), 0, part);
		host_window_close(w, ZERO, pa, part);
		pa.v += part;
	}
}

void frame_copy(hpa_t dst, hpa_t src, size_t n)
{
	struct host_window *w = &this_pcpu()->window;

	for (size_t part; n; n -= part) {
		part = piece(dst, piece(src, n));
		memcpy(host_window_open(w, TO, dst, part), host_window_open(w, FROM, src, part), part);
		host_window_close(w, TO, dst, part);
		host_window_close(w, FROM, src, part);
		dst.v += part;
		src.v += part;
	}
}
