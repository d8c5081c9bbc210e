/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies frame by frame through this CPU's window. */
#include "hv/frame.h"

#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/pcpu.h"
#include "mm/host_map.h"

/* Pages of the window. */
enum { TO, FROM, ZERO };

/* What of n bytes from pa on lies in one frame. */
static size_t piece(hpa_t pa, size_t n)
{
	return MIN(n, PAGE_SIZE - pa.v % PAGE_SIZE);
}

void frame_read(void *dst, hpa_t pa, size_t n)
{
	struct host_window *w = &this_pcpu()->window;

	for (size_t done = 0, part; done < n; done += part) {
		hpa_t at = hpa(pa.v + done);

		part = piece(at, n - done);
		memcpy((uint8_t *)dst + done, host_window_open(w, FROM, at), part);
		host_window_close(w, FROM);
	}
}

void frame_write(hpa_t pa, const void *src, size_t n)
{
	struct host_window *w = &this_pcpu()->window;

	for (size_t done = 0, part; done < n; done += part) {
		hpa_t at = hpa(pa.v + done);

		part = piece(at, n - done);
		memcpy(host_window_open(w, TO, at), (const uint8_t *)src + done, part);
		host_window_close(w, TO);
	}
}

/* With a page of its own: a copy between a window and guest memory may find that absent, and wait for this. */
void frame_zero(hpa_t pa, size_t n)
{
	struct host_window *w = &this_pcpu()->window;

	for (size_t done = 0, part; done < n; done += part) {
		hpa_t at = hpa(pa.v + done);

		part = piece(at, n - done);
		memset(host_window_open(w, ZERO, at), 0, part);
		host_window_close(w, ZERO);
	}
}

void frame_copy(hpa_t dst, hpa_t src, size_t n)
{
	struct host_window *w = &this_pcpu()->window;

	for (size_t done = 0, part; done < n; done += part) {
		hpa_t to = hpa(dst.v + done), from = hpa(src.v + done);

		part = piece(to, piece(from, n - done));
		memcpy(host_window_open(w, TO, to), host_window_open(w, FROM, from), part);
		host_window_close(w, TO);
		host_window_close(w, FROM);
	}
}
