/* The decoy's configuration. See decoy.h. */
#include "decoy.h"

#include "../loader/string.h"

struct reader {
	struct decoy *decoy;
	struct decoy_entry *entry; /* that commands belong to, or NULL */
	int32_t menu;              /* the menu that is open, or -1 */
};

static bool is_word(struct decoy_text text, const char *word)
{
	return text.length == strlen(word) && !memcmp(text.at, word, text.length);
}

/* Cuts the first word off TEXT, and the blanks behind it. */
static struct decoy_text word_cut(struct decoy_text *text)
{
	struct decoy_text word = {text->at, 0};
	while (word.length < text->length && text->at[word.length] != ' ')
		word.length++;
	text->at += word.length;
	text->length -= word.length;
	while (text->length && *text->at == ' ') {
		text->at++;
		text->length--;
	}
	return word;
}

static bool number(struct decoy_text word, uint32_t min, uint32_t max, uint32_t *value)
{
	*value = 0;
	if (!word.length || word.length > 4)
		return false;
	for (uint32_t i = 0; i < word.length; i++) {
		if (word.at[i] < '0' || word.at[i] > '9')
			return false;
		*value = *value * 10 + (uint32_t)(word.at[i] - '0');
	}
	return *value >= min && *value <= max;
}

static const char *entry_begin(struct reader *reader, struct decoy_text name, enum decoy_action action)
{
	struct decoy *decoy = reader->decoy;
	if (!name.length)
		return "an entry has no name";
	if (decoy->entry_count == DECOY_ENTRIES_MAX)
		return "there are too many entries";
	if (action == DECOY_MENU && reader->menu >= 0)
		return "a menu within a menu";
	struct decoy_entry *entry = &decoy->entries[decoy->entry_count];
	*entry = (struct decoy_entry){.name = name, .action = action, .parent = reader->menu};
	if (action == DECOY_MENU)
		reader->menu = (int32_t)decoy->entry_count;
	reader->entry = action == DECOY_MENU ? 0 : entry;
	decoy->entry_count++;
	return 0;
}

static const char *entry_line(struct decoy_entry *entry, struct decoy_text word, struct decoy_text rest)
{
	if (!entry)
		return "this belongs to an entry, and there is none";
	if (is_word(word, "command")) {
		if (entry->command_count == DECOY_COMMANDS_MAX)
			return "an entry has too many commands";
		entry->commands[entry->command_count++] = rest;
		return 0;
	}
	if (is_word(word, "fails")) {
		if (entry->fail_count == DECOY_FAILS_MAX)
			return "an entry fails with too many lines";
		entry->fails[entry->fail_count++] = rest;
		return 0;
	}
	if (entry->action != DECOY_FAIL)
		return "an entry does two things";
	if (is_word(word, "restart")) {
		entry->action = DECOY_RESTART;
		return rest.length ? "restart stands alone" : 0;
	}
	entry->action = DECOY_START;
	if (!number(word_cut(&rest), 0, 7, &entry->disk))
		return "a disk is a number from 0 to 7";
	entry->path = rest;
	return 0;
}

static const char *line_take(struct reader *reader, struct decoy_text rest)
{
	struct decoy *decoy = reader->decoy;
	struct decoy_text word = word_cut(&rest);
	if (rest.length > DECOY_TEXT_MAX)
		return "a text is too long";
	if (is_word(word, "title")) {
		decoy->title = rest;
		return 0;
	}
	if (is_word(word, "device")) {
		decoy->devices = rest;
		return 0;
	}
	if (is_word(word, "timeout")) {
		decoy->has_timeout = true;
		return number(rest, 1, 600, &decoy->timeout) ? 0 : "a timeout is a number from 1 to 600";
	}
	if (is_word(word, "entry"))
		return entry_begin(reader, rest, DECOY_FAIL);
	if (is_word(word, "menu"))
		return entry_begin(reader, rest, DECOY_MENU);
	if (is_word(word, "end")) {
		const char *wrong = reader->menu < 0 || rest.length ? "an end without a menu" : 0;
		reader->menu = -1;
		reader->entry = 0;
		return wrong;
	}
	if (is_word(word, "command") || is_word(word, "start") || is_word(word, "fails") ||
	    is_word(word, "restart"))
		return entry_line(reader->entry, word, rest);
	return "an unknown word";
}

/* What a menu without entries would do nobody can say. */
static const char *whole(const struct reader *reader)
{
	const struct decoy *decoy = reader->decoy;
	if (reader->menu >= 0)
		return "a menu has no end";
	if (!decoy->entry_count)
		return "there is no entry";
	for (uint32_t i = 0; i < decoy->entry_count; i++)
		if (decoy->entries[i].action == DECOY_MENU &&
		    (i + 1 == decoy->entry_count || decoy->entries[i + 1].parent != (int32_t)i))
			return "a menu is empty";
	return 0;
}

const char *decoy_parse(struct decoy *decoy, const char *text, uint64_t size, uint32_t *line)
{
	struct reader reader = {.decoy = decoy, .menu = -1};
	memset(decoy, 0, sizeof(*decoy));
	*line = 0;
	if (size > DECOY_BYTES_MAX)
		return "the configuration is too long";
	for (uint32_t at = 0; at < size; at++) {
		struct decoy_text rest = {text + at, 0};
		if (++*line > DECOY_LINES_MAX)
			return "there are too many lines";
		for (; at < size && text[at] != '\n'; at++)
			if ((text[at] < ' ' || text[at] > '~') && text[at] != '\t')
				return "a character that is not plain ASCII";
		rest.length = (uint32_t)(text + at - rest.at);
		while (rest.length && (*rest.at == ' ' || *rest.at == '\t')) {
			rest.at++;
			rest.length--;
		}
		while (rest.length && rest.at[rest.length - 1] == ' ')
			rest.length--;
		if (!rest.length || *rest.at == '#')
			continue;
		const char *wrong = line_take(&reader, rest);
		if (wrong)
			return wrong;
	}
	return whole(&reader);
}
