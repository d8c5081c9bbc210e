/* SPDX-License-Identifier: BSD-2-Clause */
/* For the tests of hv/load.c and its formats: made-up files, a fake vCPU's memory to load them into. */
#pragma once

#include "fake_vcpu.h"
#include "hv/load.h"

#define FAKE_FILE_MAX 20
#define FAKE_RSDP     0xe0000

static struct file fake_files[FAKE_FILE_MAX];
static unsigned fake_file_count;
static struct load fake_load;
static char fake_why[160];

bool cpuid_has(const struct cpuid_policy *p, struct cpuid_feature f)
{
	return true;
}

const struct file *file_find(const char *name)
{
	for (unsigned i = 0; i < fake_file_count; i++)
		if (!strcmp(fake_files[i].name, name))
			return &fake_files[i];
	return NULL;
}

static inline struct file *fake_file(const char *name, const void *data, size_t size)
{
	assert_true(fake_file_count < FAKE_FILE_MAX);
	fake_files[fake_file_count] = (struct file){name, data, size};
	return &fake_files[fake_file_count++];
}

/* A guest of FAKE_MEMORY with a file "kernel" and nothing else. */
static inline void fake_load_new(const void *kernel, size_t size)
{
	fake_vcpu_new();
	memset(&fake_cfg, 0, sizeof(fake_cfg));
	strcpy(fake_cfg.name, "fake");
	strcpy(fake_cfg.kernel, "kernel");
	strcpy(fake_cfg.cmdline, "console=ttyS0");
	fake_file_count = 0;
	fake_file("kernel", kernel, size);
	fake_why[0] = 0;
}

static inline void fake_module(const char *name, const char *args, const void *data, size_t size)
{
	struct config_module *m = &fake_cfg.module[fake_cfg.module_count++];

	strcpy(m->file, name);
	strcpy(m->args, args);
	fake_file(name, data, size);
}

static inline enum status fake_plan(void)
{
	return load_plan(&fake_load, &fake_vm.mem, &fake_cfg, FAKE_RSDP, fake_why, sizeof(fake_why));
}

/* Loads everything and sets the registers; returns in how many steps. */
static inline unsigned fake_load_all(void)
{
	unsigned steps = 0;
	enum status s = fake_plan();

	if (s != OK)
		fprintf(stderr, "%s\n", fake_why);
	assert_int_equal(s, OK);
	while ((s = load_step(&fake_load)) == ERR_AGAIN)
		assert_true(++steps < 1000);
	assert_int_equal(s, OK);
	assert_int_equal(load_step(&fake_load), OK);
	load_set_regs(&fake_load, &fake_vcpu);
	return steps;
}

/* Refused, with a text that names the file and has `text`. */
static inline void fake_refused(const char *file, const char *text)
{
	fake_why[0] = 0;
	assert_int_not_equal(fake_plan(), OK);
	if (strncmp(fake_why, file, strlen(file)) || !strstr(fake_why, text)) {
		fprintf(stderr, "'%s' is not about %s and '%s'\n", fake_why, file, text);
		fail();
	}
}

static inline uint64_t fake_peek(uint64_t at, unsigned size)
{
	uint64_t value = 0;

	memcpy(&value, fake_vm.mem.base + at, size);
	return value;
}
