/* SPDX-License-Identifier: BSD-2-Clause */
/* hv/frame.c: copies over frames' borders, through a window in which nothing stays. */
#include "support.h"

#include <string.h>
#include "hv/frame.h"
#include "hv/lib/util.h"
#include "hv/pcpu.h"

#define FRAMES 12
#define SIZE   (FRAMES * PAGE_SIZE)
#define ROUNDS 10000

static uint8_t memory[SIZE] __attribute__((aligned(4096))), model[SIZE];
static uint64_t open_frame[HOST_WINDOW_PAGES]; /* + 1; 0: closed */

struct pcpu test_cpu;

/* A frame is reached by a window alone; two at a time are two pages of it. */
void *fake_window_open(struct host_window *w, unsigned page, hpa_t pa, size_t n)
{
	assert_true(n > 0 && pa.v + n <= SIZE);
	for (uint64_t frame = pa.v / PAGE_SIZE; frame <= (pa.v + n - 1) / PAGE_SIZE; frame++, page++) {
		assert_true(page < HOST_WINDOW_PAGES && !open_frame[page]);
		open_frame[page] = frame + 1;
	}
	return memory + pa.v;
}

void fake_window_close(struct host_window *w, unsigned page, hpa_t pa, size_t n)
{
	for (uint64_t frame = pa.v / PAGE_SIZE; frame <= (pa.v + n - 1) / PAGE_SIZE; frame++, page++) {
		assert_int_equal(open_frame[page], frame + 1);
		open_frame[page] = 0;
	}
}

static void check(void)
{
	assert_memory_equal(memory, model, SIZE);
	for (unsigned page = 0; page < HOST_WINDOW_PAGES; page++)
		assert_int_equal(open_frame[page], 0);
}

static void test_copies(void **state)
{
	static uint8_t buffer[SIZE];
	uint64_t seed = 7;

	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t n = test_random(&seed) % (5 * PAGE_SIZE + 2);
		size_t to = test_random(&seed) % (SIZE / 2 - n + 1),
		       from = SIZE / 2 + test_random(&seed) % (SIZE / 2 - n + 1);

		switch (test_random(&seed) % 4) {
		case 0:
			for (size_t k = 0; k < n; k++)
				buffer[k] = (uint8_t)test_random(&seed);
			memcpy(model + from, buffer, n);
			frame_write(hpa(from), buffer, n);
			break;
		case 1:
			frame_read(buffer, hpa(to), n);
			assert_memory_equal(buffer, model + to, n);
			break;
		case 2:
			memset(model + from, 0, n);
			frame_zero(hpa(from), n);
			break;
		case 3:
			memcpy(model + to, model + from, n);
			frame_copy(hpa(to), hpa(from), n);
			break;
		}
		check();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_copies)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
