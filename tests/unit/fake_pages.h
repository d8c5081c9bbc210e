/* SPDX-License-Identifier: BSD-2-Clause */
/* The host's pages for tests of what takes some. */
#pragma once

#include <stdbool.h>
#include <stdlib.h>
#include "mm/page_alloc.h"

static bool fake_pages_gone;

void *page_alloc_bytes(size_t bytes)
{
	return fake_pages_gone ? NULL : calloc(1, bytes);
}

void page_free_bytes(void *p, size_t bytes)
{
	free(p);
}
