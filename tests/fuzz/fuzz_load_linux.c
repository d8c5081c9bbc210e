/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels as bytes: the Linux loader must refuse them with a text or load them, inside the guest's memory. The
 * input is the head of the file; what its header claims beyond that isn't there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hv/guest_map.h"
#include "hv/load_linux.h"

#define MEMORY    MIB(3)
#define STEPS_MAX 100

const struct hv_ops *ops;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *memory;
	struct gmem mem = {};
	struct linux_load load;
	struct linux_file kernel = {"kernel", data, size}, initrd = {"initrd", data, size / 2};
	char why[160] = "";
	enum status s;

	if (!memory)
		memory = malloc(MEMORY);
	mem.base = memory;
	if (guest_map_add_slots(&mem, MEMORY) != OK)
		abort();
	s = load_linux_start(&load, &mem, &kernel, &initrd, "console=ttyS0", GUEST_ROM_BASE, why,
			     sizeof(why));
	if (s != OK) {
		if (!why[0])
			abort();
		return 0;
	}
	for (unsigned i = 0; (s = load_linux_step(&load)) == ERR_AGAIN; i++) {
		if (i > STEPS_MAX)
			abort();
	}
	if (s != OK)
		abort();
	return 0;
}
