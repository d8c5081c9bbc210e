/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of sections with names: one table, and what is done with them all alike. */
#include "hv/config_section.h"
#include "hv/config.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/lib/words.h"

#define KIND(w, ...)                                                                                         \
	{                                                                                                    \
		.word = #w, .count = offsetof(struct config, w##_count),                                     \
		.first = offsetof(struct config, w), .size = sizeof(struct w##_config), __VA_ARGS__          \
	}
#define NONE_IS_NO_NAME .reserved = "none", .why = "says that there is none; it is not a name"

/* clang-format off */
const struct config_section_kind config_kinds[SECTION_COUNT] = {
	[SECTION_HOST] = {.word = "host", .theirs = "hypervisor global"},
	[SECTION_VM] = KIND(vm, .theirs = "guest domain domu", .example = "web", .plural = "guests", .max = CONFIG_VM_MAX,
			    .reserved = "all", .why = "is a word of the console, not a name"),
	[SECTION_DISK] = KIND(disk, .theirs = "drive storage block volume", .example = "data", .plural = "disks",
			      .max = CONFIG_DISK_MAX, NONE_IS_NO_NAME),
	[SECTION_NET] = KIND(net, .theirs = "network bridge switch", .example = "lan", .plural = "networks",
			     .max = CONFIG_NET_MAX, NONE_IS_NO_NAME),
	[SECTION_SHARED] = KIND(shared, .theirs = "ivshmem shmem memory", .example = "box", .plural = "shared memories",
				.max = CONFIG_SHARED_MAX, NONE_IS_NO_NAME),
};
/* clang-format on */

#define BEGINS_ALIKE(type)                                                                                   \
	static_assert(offsetof(struct type, name) == offsetof(struct vm_config, name) &&                     \
		      offsetof(struct type, line) == offsetof(struct vm_config, line) &&                     \
		      offsetof(struct type, refused) == offsetof(struct vm_config, refused))
BEGINS_ALIKE(disk_config);
BEGINS_ALIKE(net_config);
BEGINS_ALIKE(shared_config);

/* Whether a list of words divided by blanks has this one. */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; n > 0 && p; p = strchr(p, ' '), p = p ? p + 1 : NULL) {
		if (strncmp(p, word, n) == 0 && (p[n] == ' ' || p[n] == '\0'))
			return true;
	}
	return false;
}

enum config_section config_section_kind(const char *word, bool *exact)
{
	unsigned best_distance = WORD_FAR;
	size_t best = SECTION_COUNT;

	*exact = false;
	for (size_t i = 0; i < SECTION_COUNT; i++) {
		unsigned d = word_distance(config_kinds[i].word, word);

		*exact = strcmp(config_kinds[i].word, word) == 0;
		if (*exact || has_word(config_kinds[i].theirs, word))
			return i;
		if (d < best_distance) {
			best = i;
			best_distance = d;
		}
	}
	return word_is_near(word, best_distance) ? best : SECTION_COUNT;
}

uint32_t config_section_count(const struct config *c, enum config_section kind)
{
	return *(const uint32_t *)((const char *)c + config_kinds[kind].count);
}

void *config_section_at(const struct config *c, enum config_section kind, uint32_t i)
{
	return (char *)c + config_kinds[kind].first + i * config_kinds[kind].size;
}

void *config_section_find(const struct config *c, enum config_section kind, const char *name,
			  uint32_t *number)
{
	for (uint32_t i = 0; i < config_section_count(c, kind); i++) {
		void *section = config_section_at(c, kind, i);

		if (strcmp(config_section_name(section), name) != 0)
			continue;
		if (number)
			*number = i;
		return section;
	}
	return NULL;
}

const char *config_section_nearest(const struct config *c, enum config_section kind, const char *name)
{
	const char *best = NULL;
	unsigned best_distance = WORD_FAR;

	for (uint32_t i = 0; i < config_section_count(c, kind); i++) {
		const char *theirs = config_section_name(config_section_at(c, kind, i));
		unsigned d = word_distance(theirs, name);

		if (d < best_distance) {
			best = theirs;
			best_distance = d;
		}
	}
	return word_is_near(name, best_distance) ? best : NULL;
}

void *config_section_add(struct config *c, enum config_section kind)
{
	uint32_t *count = (uint32_t *)((char *)c + config_kinds[kind].count);

	return *count < config_kinds[kind].max ? config_section_at(c, kind, (*count)++) : NULL;
}

void config_section_init(void *section, enum config_section kind, const char *name, uint32_t line)
{
	memset(section, 0, config_kinds[kind].size);
	str_copy((char *)section + offsetof(struct vm_config, name), CONFIG_NAME_MAX + 1, name);
	*(uint32_t *)((char *)section + offsetof(struct vm_config, line)) = line;
}

const char *config_section_name(const void *section)
{
	return (const char *)section + offsetof(struct vm_config, name);
}

uint32_t config_section_line(const void *section)
{
	return *(const uint32_t *)((const char *)section + offsetof(struct vm_config, line));
}

bool config_section_refused(const void *section)
{
	return *(const bool *)((const char *)section + offsetof(struct vm_config, refused));
}

void config_section_refuse(void *section)
{
	*(bool *)((char *)section + offsetof(struct vm_config, refused)) = true;
}
