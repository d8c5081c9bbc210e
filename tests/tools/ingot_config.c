/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's side of `make config` and `make iso`: checks a configuration with the image's own code.
 *
 *   ingot-config [-d DIR]... FILE          prints it with every default filled in
 *   ingot-config [-d DIR]... --files FILE  prints the files that it names, one a line, mistakes left out
 *   ingot-config --reference               prints the table of keys, in Markdown
 *
 * Files are looked for in FILE's folder, then in each DIR. Kernels are checked as a start of their guest would.
 * Mistakes go to the standard error, and the exit status is 1. 2: the file can't be read, wrong usage.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "hv/boot_info.h"
#include "hv/config.h"
#include "hv/config_keys.h"
#include "hv/config_section.h"
#include "hv/guest_map.h"
#include "hv/load.h"
#include "hv/ops.h"

#define DIR_MAX 8
#define FILE_MAX                                                                                             \
	(CONFIG_VM_MAX * (CONFIG_MODULE_MAX + 2) + CONFIG_DISK_MAX) /* that a configuration can name */

/* The formats' functions for a guest that runs refer to it. */
const struct hv_ops *ops;

enum { EXIT_OK, EXIT_MISTAKES, EXIT_USAGE };

static struct config config;
static const char *config_path;
static const char *named[FILE_MAX]; /* the files that it names */
static size_t named_count;
static const char *dirs[DIR_MAX];
static int dir_count;

static void print_error(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

static void print_line(void *arg, const char *line)
{
	(void)arg;
	puts(line);
}

static bool is_file(int dir_len, const char *dir, const char *file, char path[static PATH_MAX])
{
	struct stat st;

	if (snprintf(path, PATH_MAX, "%.*s/%s", dir_len, dir, file) >= PATH_MAX)
		return false;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Where a file is: beside the configuration, or in one of the folders of -d. */
static bool find_path(const char *file, char path[static PATH_MAX])
{
	const char *slash = strrchr(config_path, '/');

	if (slash ? is_file((int)(slash - config_path), config_path, file, path)
		  : is_file(1, ".", file, path))
		return true;
	for (int i = 0; i < dir_count; i++) {
		if (is_file((int)strlen(dirs[i]), dirs[i], file, path))
			return true;
	}
	return false;
}

static bool file_exists(void *arg, const char *file)
{
	char path[PATH_MAX];

	(void)arg;
	return find_path(file, path);
}

static char *read_all(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *text = NULL;
	size_t size = 0, n;

	*len = 0;
	if (f == NULL)
		return NULL;
	do {
		if (*len == size) {
			size = size ? size * 2 : 65536;
			char *more = realloc(text, size);
			if (more == NULL)
				break;
			text = more;
		}
		n = fread(text + *len, 1, size - *len, f);
		*len += n;
	} while (n > 0);
	if (ferror(f)) {
		free(text);
		text = NULL;
	}
	fclose(f);
	return text;
}

/* As the boot loader would bring it along; mapped for good. NULL: it can't be read. */
const struct file *file_find(const char *name)
{
	static struct file files[FILE_MAX];
	static size_t count;
	char path[PATH_MAX];
	struct stat st;
	void *data;
	int fd;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(files[i].name, name) == 0)
			return &files[i];
	}
	if (!find_path(name, path))
		return NULL;
	fd = open(path, O_RDONLY);
	if (fd < 0 || fstat(fd, &st) != 0)
		return NULL;
	data = st.st_size ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) : "";
	close(fd);
	if (data == MAP_FAILED)
		return NULL;
	files[count] = (struct file){name, data, (size_t)st.st_size};
	return &files[count++];
}

/* Kernels and memory: what would have the guest refused when it is started. */
static void check_kernel(const struct vm_config *vm)
{
	static struct load load;
	struct gmem mem = {};
	char why[160];

	if (vm->refused || guest_map_add_slots(&mem, vm->memory) != OK)
		return;
	if (load_plan(&load, &mem, vm, 0, why, sizeof(why)) == OK)
		return;
	fprintf(stderr, "%s:%u: [vm %s]: %s\n", config_path, vm->kernel_line, vm->name, why);
	config.errors++;
}

/* Every file once, however many guests share it. */
static void name_file(const char *file)
{
	if (*file == '\0')
		return;
	for (size_t i = 0; i < named_count; i++) {
		if (strcmp(named[i], file) == 0)
			return;
	}
	named[named_count++] = file;
}

static void name_files(void)
{
	for (uint32_t i = 0; i < config.vm_count; i++) {
		const struct vm_config *vm = &config.vm[i];

		name_file(vm->kernel);
		name_file(vm->initrd);
		for (uint32_t m = 0; m < vm->module_count; m++)
			name_file(vm->module[m].file);
	}
	for (uint32_t i = 0; i < config.disk_count; i++)
		name_file(config.disk[i].file);
}

/* The configuration is one of those that are loaded. */
static void check_count(void)
{
	if (named_count + 1 <= BOOT_MODULE_MAX)
		return;
	fprintf(stderr,
		"%s: %zu files are named, and at most %d can be loaded with this one: '%s' is too many\n",
		config_path, named_count, BOOT_MODULE_MAX - 1, named[BOOT_MODULE_MAX - 1]);
	config.errors++;
}

/* In a cell of a Markdown table, a bar would end it. */
static void print_cell(const char *text)
{
	for (; *text; text++)
		printf("%s%c", *text == '|' ? "\\" : "", *text);
}

static void print_reference(void)
{
	puts("| section | key | default | meaning |\n|---|---|---|---|");
	for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
		const struct config_key *k = &config_keys[i];

		printf("| `[%s%s]` | `%s` | ", config_kinds[k->section].word,
		       k->section == SECTION_HOST ? "" : " NAME", k->name);
		if (k->type == KEY_LATER)
			printf("not built in yet");
		else if (k->def)
			printf("`%s`", k->def);
		else
			printf("required");
		printf(" | ");
		print_cell(k->help);
		for (const struct config_word *w = k->words; w && w->word; w++) {
			if (w->value != WORD_LATER)
				printf("%s`%s`", w == k->words ? ": " : ", ", w->word);
		}
		puts(" |");
	}
}

int main(int argc, char **argv)
{
	bool files = false;
	int at = 1;
	size_t len;

	if (argc == 2 && strcmp(argv[1], "--reference") == 0) {
		print_reference();
		return EXIT_OK;
	}
	for (; at + 1 < argc && strcmp(argv[at], "-d") == 0 && dir_count < DIR_MAX; at += 2)
		dirs[dir_count++] = argv[at + 1];
	if (at < argc && strcmp(argv[at], "--files") == 0) {
		files = true;
		at++;
	}
	if (at + 1 != argc || argv[at][0] == '-') {
		fprintf(stderr, "usage: ingot-config [-d DIR]... [--files] FILE | --reference\n");
		return EXIT_USAGE;
	}
	config_path = argv[at];
	char *text = read_all(config_path, &len);
	if (text == NULL) {
		perror(config_path);
		return EXIT_USAGE;
	}
	config_parse(&config, config_path, text, len, print_error, NULL);
	config_check_files(&config, config_path, file_exists, print_error, NULL);
	for (uint32_t i = 0; i < config.vm_count; i++)
		check_kernel(&config.vm[i]);
	name_files();
	check_count();
	free(text);
	for (size_t i = 0; files && i < named_count; i++)
		puts(named[i]);
	if (config.errors > 0) {
		fprintf(stderr, "%s: %u mistake%s\n", config_path, config.errors,
			config.errors == 1 ? "" : "s");
		return EXIT_MISTAKES;
	}
	if (!files)
		config_print(&config, print_line, NULL);
	return EXIT_OK;
}
