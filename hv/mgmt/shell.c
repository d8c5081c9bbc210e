/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds and runs the command of a line; completes words from the table of commands and the guests' names. */
#include "hv/mgmt/shell.h"
#include "hv/lib/fmt.h"
#include "hv/lib/string.h"
#include "hv/lib/util.h"
#include "hv/lib/words.h"
#include "hv/mgmt/commands.h"
#include "hv/mgmt/console.h"
#include "hv/mgmt/line_edit.h"
#include "hv/vm.h"

#define WORDS_MAX (COMMAND_ARGS_MAX + 2) /* a command of two words, and its arguments */

static bool (*continue_with)(void); /* of the command that is running in steps */

void command_continue_with(bool (*next)(void))
{
	continue_with = next;
}

bool shell_is_busy(void)
{
	return continue_with != NULL;
}

bool shell_continue(void)
{
	if (continue_with && !continue_with())
		continue_with = NULL;
	return shell_is_busy();
}

/* Divides line at blanks; returns how many words, one too many at most. */
static int split(char *line, char **words)
{
	int n = 0;

	for (;;) {
		while (*line == ' ' || *line == '\t')
			*line++ = '\0';
		if (*line == '\0' || n > WORDS_MAX)
			return n;
		words[n++] = line;
		while (*line && *line != ' ' && *line != '\t')
			line++;
	}
}

/* The command that the words begin with; *used: how many of them are its name. */
static const struct command *find(char **words, int count, int *used)
{
	char name[2 * EDIT_LINE_MAX];
	const struct command *c = NULL;

	if (count >= 2) {
		fmt_snprintf(name, sizeof(name), "%s %s", words[0], words[1]);
		c = command_find(name);
		*used = 2;
	}
	if (c == NULL) {
		c = command_find(words[0]);
		*used = 1;
	}
	return c;
}

static void unknown(char **words, int count)
{
	char typed[2 * EDIT_LINE_MAX];
	const char *best = NULL;
	unsigned best_distance = WORD_FAR;
	bool group = strcmp(words[0], "vm") == 0;

	fmt_snprintf(typed, sizeof(typed), "%s%s%s", words[0], group && count > 1 ? " " : "",
		     group && count > 1 ? words[1] : "");
	for (size_t i = 0; i < command_count; i++) {
		unsigned d = word_distance(commands[i].name, typed);

		if (d < best_distance) {
			best = commands[i].name;
			best_distance = d;
		}
	}
	if (word_is_near(typed, best_distance))
		command_error("there is no command '%.60s'; did you mean '%s'?", typed, best);
	else
		command_error("there is no command '%.60s': help", typed);
}

void shell_run(char *line)
{
	char *words[WORDS_MAX + 1];
	int count = split(line, words), used = 0;
	const struct command *c;

	if (count == 0)
		return;
	c = find(words, count, &used);
	if (c == NULL)
		unknown(words, count);
	else if (count - used < c->min_args || count - used > c->max_args)
		command_error("usage: %s%s%s", c->name, c->args[0] ? " " : "", c->args);
	else
		c->run(count - used, words + used);
}

/* --- completion --- */

/* Calls out for each word that could stand at the cursor, after the whole words before it. */
struct candidates {
	const char *prefix; /* the beginning of the word */
	size_t prefix_len;
	unsigned count;
	char common[EDIT_LINE_MAX + 1]; /* the beginning that all candidates share */
	bool list;                      /* print them instead of counting */
};

static void candidate(struct candidates *c, const char *word, size_t len)
{
	size_t same = 0;

	if (len < c->prefix_len || strncmp(word, c->prefix, c->prefix_len) != 0)
		return;
	if (c->list) {
		console_print("%.*s  ", (int)len, word);
		return;
	}
	if (c->count++ == 0) {
		memcpy(c->common, word, len);
		c->common[len] = '\0';
		return;
	}
	while (same < len && c->common[same] == word[same])
		same++;
	c->common[same] = '\0';
}

/* Words of command names: the first, or the second where the first is `head`. Each group once. */
static void command_words(struct candidates *c, const char *head, size_t head_len)
{
	for (size_t i = 0; i < command_count; i++) {
		const char *name = commands[i].name, *blank = strchr(name, ' ');
		size_t first = blank ? (size_t)(blank - name) : strlen(name);
		bool again = i > 0 && strncmp(commands[i - 1].name, name, first) == 0 &&
			     commands[i - 1].name[first] == ' ';

		if (head == NULL && !(blank && again))
			candidate(c, name, first);
		else if (head && blank && first == head_len && strncmp(name, head, first) == 0)
			candidate(c, blank + 1, strlen(blank + 1));
	}
}

static void guest_words(struct candidates *c, bool all)
{
	for (uint32_t i = 0; i < vm_count; i++)
		candidate(c, vms[i]->cfg->name, strlen(vms[i]->cfg->name));
	if (all)
		candidate(c, "all", 3);
}

/* What can follow these whole words. */
static void collect(struct candidates *c, char **words, int count)
{
	const struct command *cmd;
	int used = 0;

	if (count == 0) {
		command_words(c, NULL, 0);
		return;
	}
	cmd = find(words, count, &used);
	if (cmd == NULL) {
		if (count == 1)
			command_words(c, words[0], strlen(words[0]));
		return;
	}
	if (count - used == 0 && (cmd->complete == COMPLETE_VM || cmd->complete == COMPLETE_VM_OR_ALL))
		guest_words(c, cmd->complete == COMPLETE_VM_OR_ALL);
	else if (cmd->complete == COMPLETE_COMMAND && count - used == 0)
		command_words(c, NULL, 0);
	else if (cmd->complete == COMPLETE_COMMAND && count - used == 1)
		command_words(c, words[used], strlen(words[used]));
}

void shell_complete(struct line_edit *e)
{
	static char before[EDIT_LINE_MAX + 1]; /* the stack is small; keys come one at a time */
	static struct candidates c;
	char *words[WORDS_MAX + 1];
	size_t start = e->cursor;
	int count;

	while (start > 0 && e->line[start - 1] != ' ')
		start--;
	memcpy(before, e->line, start);
	before[start] = '\0';
	count = split(before, words);
	c = (struct candidates){.prefix = e->line + start, .prefix_len = e->cursor - start};
	collect(&c, words, count);
	if (c.count == 0)
		return;
	if (strlen(c.common) > c.prefix_len || c.count == 1) {
		line_edit_insert(e, c.common + c.prefix_len);
		if (c.count == 1)
			line_edit_insert(e, " ");
		return;
	}
	c.list = true;
	collect(&c, words, count);
	console_puts("\n");
}
