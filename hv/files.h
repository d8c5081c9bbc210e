/* SPDX-License-Identifier: BSD-2-Clause */
/* The files that the boot loader brought along, by the names that ingot.cfg uses. */
#pragma once

#include <stddef.h>
#include "hv/boot_info.h"

struct file {
	const char *name;
	const void *data; /* read-only, mapped for good */
	size_t size;
};

/* Maps every module of info; info itself stays in use. */
void files_init(const struct boot_info *info);
/* NULL: there is no such file. */
const struct file *file_find(const char *name);
