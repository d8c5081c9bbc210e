/* SPDX-License-Identifier: BSD-2-Clause */
/* The files that the boot loader brought along: see files.h. */
#include "hv/files.h"

#include "hv/lib/log.h"
#include "hv/lib/string.h"
#include "mm/host_map.h"

static struct file files[BOOT_MODULE_MAX];
static uint32_t file_count;

void files_init(const struct boot_info *info)
{
	for (uint32_t i = 0; i < info->module_count; i++) {
		const struct boot_module *m = &info->module[i];
		const void *data = host_map_module(m->pa, m->size);

		if (!data) {
			log_error("file %s: can't be mapped (0x%lx, %lu bytes)", m->name, m->pa, m->size);
			continue;
		}
		files[file_count++] = (struct file){m->name, data, m->size};
	}
}

const struct file *file_find(const char *name)
{
	for (uint32_t i = 0; i < file_count; i++) {
		if (!strcmp(files[i].name, name))
			return &files[i];
	}
	return NULL;
}
