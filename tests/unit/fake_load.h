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

/* A kernel that is damaged: planned in a block of its own size, so that each byte too far is seen, and loaded if it can be. */
static inline enum status fake_try(const uint8_t *kernel, size_t size)
{
	static uint8_t untouched[GUEST_BIOS_BASE - GUEST_NVS_BASE];
	uint8_t *copy = malloc(size ? size : 1);
	enum status s;

	memcpy(copy, kernel, size);
	fake_files[0].data = copy;
	fake_files[0].size = size;
	fake_why[0] = 0;
	memset(untouched, 0x5a, sizeof(untouched));
	memcpy(fake_vm.mem.base + GUEST_NVS_BASE, untouched, sizeof(untouched));
	s = fake_plan();
	if (s == OK)
		while ((s = load_step(&fake_load)) == ERR_AGAIN)
			;
	else
		assert_true(strchr(fake_why, ':'));
	assert_int_equal(memcmp(fake_vm.mem.base + GUEST_NVS_BASE, untouched, sizeof(untouched)), 0);
	free(copy);
	return s;
}

/* Values that lie at the edge of something. */
static inline uint32_t fake_nasty(uint64_t *seed)
{
	static const uint32_t values[] = {
	    0,       1,       2,        0x7fffffff,  0x80000000, 0xffffffff, 0xfffff000, 0xfffffffe,
	    0x9f000, 0xa0000, 0x100000, FAKE_MEMORY, 0x1000,     4,          0x10000000, 0x20};
	uint64_t r = test_random(seed);

	return r & 1 ? values[r >> 8 & 15] : (uint32_t)(r >> 32) >> (r >> 4 & 31);
}

/* Puts such values into the first `head` bytes of a kernel; each is refused by a text, or loaded within RAM. */
static inline void fake_damage(const uint8_t *kernel, size_t size, size_t head, unsigned rounds)
{
	uint64_t seed = 0x1234567;
	uint8_t *bad = malloc(size);
	unsigned loaded = 0;

	for (unsigned n = 0; n < rounds; n++) {
		memcpy(bad, kernel, size);
		for (unsigned k = 0; k <= test_random(&seed) % 3; k++) {
			uint32_t value = fake_nasty(&seed);
			size_t at = test_random(&seed) % (head - 4);

			memcpy(bad + (n & 1 ? at & ~3UL : at), &value, 1UL << (test_random(&seed) % 3));
		}
		loaded += fake_try(bad, size) == OK;
	}
	assert_in_range(loaded, 1, rounds - 1);
	free(bad);
}
