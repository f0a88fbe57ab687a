/* The decoy's screens: menu, editing, console, and what is shown when an entry cannot be started. They behave as the boot loader
 * does that most Linux systems come with. Nothing that is typed here is kept or reaches Holon but one key: F12.
 */
#include "../loader/loader.h"
#include "../loader/string.h"
#include "decoy.h"
#include "menu.h"
#include "terminal.h"

enum {
	FRAME_TOP = 3,
	FRAME_ROWS = 13,
	FRAME_COLUMNS = 77,
	SHOWN = FRAME_ROWS - 2,
	HELP_ROW = FRAME_TOP + FRAME_ROWS + 1
};
enum { EDIT_LINES = 24, EDIT_COLUMNS = FRAME_COLUMNS - 3, PROMPT_MAX = 70, MESSAGE_SECONDS = 10 };

static struct {
	char lines[EDIT_LINES][EDIT_COLUMNS + 1];
	uint32_t count, line, column;
	uint32_t first; /* that is shown */
} edit;

static void put_text(struct decoy_text text)
{
	for (uint32_t i = 0; i < text.length; i++)
		terminal_put(text.at[i]);
}

static void put_field(struct decoy_text text, uint32_t columns)
{
	for (uint32_t i = 0; i < columns; i++)
		terminal_put(i < text.length && text.at[i] != '\t' ? text.at[i] : ' ');
}

static void title(const struct decoy *decoy)
{
	terminal_clear();
	terminal_move(
	    decoy->title.length < TERMINAL_COLUMNS ? (TERMINAL_COLUMNS - decoy->title.length) / 2 : 0, 1);
	put_text(decoy->title);
}

static void press_any_key(void)
{
	terminal_text("\nPress any key to continue...");
	for (uint32_t seconds = 0; seconds < MESSAGE_SECONDS && !terminal_key();)
		seconds += terminal_second();
}

/* Boots what the entry names, or fails as it says. */
static void entry_start(const struct decoy_entry *entry)
{
	char path[DECOY_TEXT_MAX + 1] = {0};
	terminal_clear();
	if (entry->action == DECOY_RESTART)
		platform_restart();
	if (entry->action == DECOY_START) {
		memcpy(path, entry->path.at, entry->path.length);
		platform_boot_other(entry->disk, path);
		terminal_clear();
	}
	for (uint32_t i = 0; i < entry->fail_count; i++) {
		put_text(entry->fails[i]);
		terminal_put('\n');
	}
	press_any_key();
}

/* ---- The console ---- */

static bool prompt(char line[PROMPT_MAX + 1])
{
	uint32_t length = 0;
	terminal_text("grub> ");
	for (;;) {
		uint32_t key = terminal_wait_key();
		if (key == KEY_ESCAPE)
			return false;
		if (key == '\b' && length) {
			terminal_text("\b \b");
			length--;
		} else if (key == '\n') {
			line[length] = 0;
			terminal_put('\n');
			return true;
		} else if (key >= ' ' && key <= '~' && length < PROMPT_MAX) {
			line[length++] = (char)key;
			terminal_put((char)key);
		}
	}
}

static void help(void)
{
	terminal_text("[ EXPRESSION ]                          boot\n"
	              "cat [--dos] FILE                        chainloader [--force|--bpb] FILE\n"
	              "clear                                   configfile FILE\n"
	              "echo [-e|-n] STRING                     exit\n"
	              "halt [--no-apm]                         help [PATTERN ...]\n"
	              "initrd FILE [ARG ...]                   insmod MODULE\n"
	              "linux FILE [ARG...]                     ls [-l|-h|-a] [FILE ...]\n"
	              "normal [FILE]                           reboot\n"
	              "search [-f|-l|-u|-s|-n] [HINT ...] NAME set [ENVVAR=VALUE]\n");
}

static void say_word(const char *before, const char *word, const char *after)
{
	terminal_text(before);
	terminal_text(word);
	terminal_text(after);
}

/* False: the console is left. */
static bool command(const struct decoy *decoy, char *line)
{
	static const char *const silent[] = {"insmod",          "set",           "search", "export", "unset",
	                                     "terminal_output", "terminal_input"};
	static const char *const files[] = {"linux", "initrd", "cat", "chainloader", "configfile", "source"};
	char *rest = line;
	while (*rest && *rest != ' ')
		rest++;
	if (*rest)
		*rest++ = 0;
	if (!*line)
		return true;
	if (!strcmp(line, "normal") || !strcmp(line, "exit"))
		return false;
	if (!strcmp(line, "reboot"))
		platform_restart();
	if (!strcmp(line, "halt"))
		platform_off();
	if (!strcmp(line, "clear")) {
		terminal_clear();
	} else if (!strcmp(line, "help")) {
		help();
	} else if (!strcmp(line, "ls")) {
		if (*rest)
			terminal_text("error: disk not found.");
		else
			put_text(decoy->devices);
		terminal_put('\n');
	} else if (!strcmp(line, "echo")) {
		say_word("", rest, "\n");
	} else if (!strcmp(line, "boot")) {
		terminal_text("error: you need to load the kernel first.\n");
	} else {
		for (unsigned i = 0; i < sizeof(silent) / sizeof(*silent); i++)
			if (!strcmp(line, silent[i]))
				return true;
		for (unsigned i = 0; i < sizeof(files) / sizeof(*files); i++) {
			if (strcmp(line, files[i]) != 0)
				continue;
			if (*rest)
				say_word("error: file `", rest, "' not found.\n");
			else
				terminal_text("error: filename expected.\n");
			return true;
		}
		say_word("error: can't find command `", line, "'.\n");
	}
	return true;
}

static void console(const struct decoy *decoy)
{
	char line[PROMPT_MAX + 1];
	title(decoy);
	terminal_text("\n\n   Minimal BASH-like line editing is supported. For the first word, TAB\n"
	              "   lists possible command completions. Anywhere else TAB lists possible\n"
	              "   device or file completions. ESC at any time exits.\n\n\n");
	while (prompt(line) && command(decoy, line))
		;
}

/* ---- Editing ---- */

/* A command begins a line; one that is too long goes on in the next, behind a backslash. */
static void edit_fill(const struct decoy_entry *entry)
{
	memset(&edit, 0, sizeof(edit));
	for (uint32_t i = 0; i < entry->command_count && edit.count < EDIT_LINES; i++) {
		const struct decoy_text *text = &entry->commands[i];
		char *to = edit.lines[edit.count++];
		for (uint32_t j = 0, column = 0; j < text->length; j++)
			for (uint32_t k = 0; k < (text->at[j] == '\t' ? TAB : 1); k++) {
				if (column + 1 == EDIT_COLUMNS && edit.count == EDIT_LINES)
					return;
				if (column + 1 == EDIT_COLUMNS) {
					to[column] = '\\';
					to = edit.lines[edit.count++];
					column = 0;
				}
				to[column++] = text->at[j] == '\t' ? ' ' : text->at[j];
			}
	}
	if (!edit.count)
		edit.count = 1;
}

/* Draws the line that the cursor is in or, if ALL may have changed or another part is to be seen, every one. */
static void edit_show(bool all)
{
	uint32_t first = edit.line < edit.first            ? edit.line
	                 : edit.line >= edit.first + SHOWN ? edit.line - SHOWN + 1
	                                                   : edit.first;
	all |= first != edit.first;
	edit.first = first;
	for (uint32_t i = all ? first : edit.line; i < (all ? first + SHOWN : edit.line + 1); i++) {
		terminal_move(2, FRAME_TOP + 1 + i - first);
		terminal_field(i < edit.count ? edit.lines[i] : "", EDIT_COLUMNS);
	}
	terminal_move(2 + edit.column, FRAME_TOP + 1 + edit.line - first);
}

static void edit_split(void)
{
	if (edit.count == EDIT_LINES)
		return;
	memmove(edit.lines[edit.line + 1], edit.lines[edit.line],
	        (edit.count - edit.line) * sizeof(edit.lines[0]));
	edit.count++;
	char *next = edit.lines[edit.line + 1];
	size_t rest = strlen(next) - edit.column;
	memmove(next, next + edit.column, rest + 1);
	edit.lines[edit.line][edit.column] = 0;
	edit.line++;
	edit.column = 0;
}

static void edit_join(void)
{
	char *above = edit.lines[edit.line - 1], *line = edit.lines[edit.line];
	size_t length = strlen(above), more = strlen(line);
	if (length + more > EDIT_COLUMNS)
		return;
	memcpy(above + length, line, more + 1);
	memmove(line, line + sizeof(edit.lines[0]), (edit.count - edit.line - 1) * sizeof(edit.lines[0]));
	edit.count--;
	edit.line--;
	edit.column = (uint32_t)length;
}

static void edit_key(uint32_t key)
{
	char *line = edit.lines[edit.line];
	uint32_t length = (uint32_t)strlen(line);
	if (key == KEY_UP && edit.line) {
		edit.line--;
	} else if (key == KEY_DOWN && edit.line + 1 < edit.count) {
		edit.line++;
	} else if (key == KEY_LEFT && edit.column) {
		edit.column--;
	} else if (key == KEY_RIGHT && edit.column < length) {
		edit.column++;
	} else if (key == KEY_HOME) {
		edit.column = 0;
	} else if (key == KEY_END) {
		edit.column = length;
	} else if (key == '\n') {
		edit_split();
	} else if (key == '\b' && !edit.column && edit.line) {
		edit_join();
	} else if (key == '\b' && edit.column) {
		memmove(line + edit.column - 1, line + edit.column, length - edit.column + 1);
		edit.column--;
	} else if (key == KEY_DELETE && edit.column < length) {
		memmove(line + edit.column, line + edit.column + 1, length - edit.column);
	} else if (key >= ' ' && key <= '~' && length < EDIT_COLUMNS) {
		memmove(line + edit.column + 1, line + edit.column, length - edit.column + 1);
		line[edit.column++] = (char)key;
	}
	length = (uint32_t)strlen(edit.lines[edit.line]);
	if (edit.column > length)
		edit.column = length;
}

static void edit_frame(const struct decoy *decoy)
{
	title(decoy);
	terminal_frame(1, FRAME_TOP, FRAME_COLUMNS, FRAME_ROWS);
	terminal_move(0, HELP_ROW);
	terminal_text("      Minimum Emacs-like screen editing is supported. TAB lists\n"
	              "      completions. Press Ctrl-x or F10 to boot, Ctrl-c or F2 for a\n"
	              "      command-line or ESC to discard edits and return to the GRUB\n"
	              "      menu.");
	edit_show(true);
}

static void editor(const struct decoy *decoy, const struct decoy_entry *entry)
{
	enum { CTRL_C = 3, CTRL_X = 24 };
	edit_fill(entry);
	edit_frame(decoy);
	for (;;) {
		uint32_t key = terminal_wait_key();
		if (key == KEY_ESCAPE)
			return;
		if (key == CTRL_X || key == KEY_F10) {
			entry_start(entry);
			return;
		}
		if (key == CTRL_C || key == KEY_F2) {
			console(decoy);
			edit_frame(decoy);
			continue;
		}
		uint32_t lines = edit.count;
		edit_key(key);
		edit_show(edit.count != lines);
	}
}

/* ---- The menu ---- */

/* The INDEXth entry of PARENT, or -1. */
static int32_t nth(const struct decoy *decoy, int32_t parent, uint32_t index)
{
	for (uint32_t i = 0; i < decoy->entry_count; i++)
		if (decoy->entries[i].parent == parent && !index--)
			return (int32_t)i;
	return -1;
}

static void menu_lines(const struct decoy *decoy, int32_t parent, uint32_t chosen)
{
	uint32_t first = chosen < SHOWN ? 0 : chosen - SHOWN + 1;
	for (uint32_t i = 0; i < SHOWN; i++) {
		int32_t entry = nth(decoy, parent, first + i);
		struct decoy_text none = {"", 0};
		terminal_move(2, FRAME_TOP + 1 + i);
		terminal_inverse(first + i == chosen);
		terminal_put(first + i == chosen ? '*' : ' ');
		put_field(entry < 0 ? none : decoy->entries[entry].name, FRAME_COLUMNS - 3);
		terminal_inverse(false);
	}
}

static void menu_draw(const struct decoy *decoy, int32_t parent, uint32_t chosen)
{
	title(decoy);
	terminal_frame(1, FRAME_TOP, FRAME_COLUMNS, FRAME_ROWS);
	menu_lines(decoy, parent, chosen);
	terminal_move(0, HELP_ROW);
	terminal_text("      Use the ");
	terminal_put(GLYPH_UP);
	terminal_text(" and ");
	terminal_put(GLYPH_DOWN);
	terminal_text(" keys to select which entry is highlighted.\n"
	              "      Press enter to boot the selected OS, `e' to edit the commands\n"
	              "      before booting or `c' for a command-line.");
	if (parent >= 0)
		terminal_text(" ESC to return\n      previous menu.");
}

static void countdown_show(uint32_t seconds)
{
	terminal_move(0, TERMINAL_ROWS - 2);
	terminal_print("   The highlighted entry will be executed automatically in %us.  ", seconds);
}

static void countdown_clear(void)
{
	terminal_move(0, TERMINAL_ROWS - 2);
	terminal_field("", TERMINAL_COLUMNS - 2);
}

/* The next key; or '\n' when the countdown ends, which any key stops. */
static uint32_t menu_key(bool *counting, uint32_t *left)
{
	for (;;) {
		uint32_t key = terminal_key();
		if (key && *counting) {
			*counting = false;
			countdown_clear();
		}
		if (key)
			return key;
		if (!*counting || !terminal_second())
			continue;
		if (!--*left) {
			*counting = false;
			return '\n';
		}
		countdown_show(*left);
	}
}

void menu_decoy(struct decoy *decoy)
{
	int32_t parent = -1;
	uint32_t chosen = 0, left = decoy->timeout;
	bool counting = decoy->has_timeout;
	menu_draw(decoy, parent, chosen);
	if (counting)
		countdown_show(left);
	for (;;) {
		uint32_t key = menu_key(&counting, &left);
		const struct decoy_entry *entry = &decoy->entries[nth(decoy, parent, chosen)];
		switch (key) {
		case KEY_F12:
			return;
		case KEY_UP:
		case KEY_DOWN:
			if (key == KEY_UP ? chosen > 0 : nth(decoy, parent, chosen + 1) >= 0)
				chosen += key == KEY_UP ? -1u : 1u;
			menu_lines(decoy, parent, chosen);
			continue;
		case '\n':
			if (entry->action == DECOY_MENU) {
				parent = (int32_t)(entry - decoy->entries);
				chosen = 0;
			} else {
				entry_start(entry);
			}
			break;
		case 'e':
			if (entry->action != DECOY_MENU)
				editor(decoy, entry);
			break;
		case 'c':
			console(decoy);
			break;
		case KEY_ESCAPE:
			parent = -1;
			chosen = 0;
			break;
		default:
			continue;
		}
		menu_draw(decoy, parent, chosen);
	}
}
