/* SPDX-License-Identifier: BSD-2-Clause */
/* What disks and shared memory stand on, for tests of all devices together, in which no guest has either. */
#pragma once

#include <stdlib.h>
#include "hv/config.h"
#include "hv/frame.h"
#include "hv/io/disk.h"
#include "hv/shared.h"
#include "hv/vm.h"
#include "hv/work.h"

struct config host_config_file;
struct shared shared_region[CONFIG_SHARED_MAX];

enum status disk_open(struct disk *d, const struct disk_config *cfg, const char *user, bool readonly,
		      char *why, size_t why_size)
{
	return ERR_NOENT;
}

enum status disk_close(struct disk *d)
{
	return OK;
}

bool disk_submit(struct disk *d, struct disk_request *r)
{
	abort();
}

void vm_device_drained(struct vm *vm)
{
	abort();
}

void work_init(struct work *w, work_fn fn)
{
}

void work_queue(struct work *w)
{
	abort();
}

void frame_write(hpa_t pa, const void *src, size_t n)
{
	abort();
}
