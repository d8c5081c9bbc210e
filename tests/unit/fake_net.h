/* SPDX-License-Identifier: BSD-2-Clause */
/* What a virtio network device needs of the host: pages, guests' frames (at their address in the test), a switch. */
#pragma once

#include "fake_pages.h"

#include <string.h>
#include "hv/frame.h"
#include "hv/net.h"
#include "hv/vm.h"

[[gnu::weak]] void frame_read(void *dst, hpa_t pa, size_t n)
{
	memcpy(dst, (const void *)pa.v, n);
}

[[gnu::weak]] unsigned vm_frames(struct vm *vm, gpa_t a, size_t n, struct frame_run *run, unsigned max)
{
	if (max)
		*run = (struct frame_run){{(uint64_t)vm->mem.base + a.v}, (uint32_t)n};
	return max ? 1 : 0;
}

static struct net_switch *fake_switch;

[[gnu::weak]] struct net_switch *net_switch_find(uint32_t index, char *why, size_t size)
{
	return fake_switch;
}
