/* What a decoy shows: a text in the medium's bundle (part "decoy"), signed like all of it.
 *
 *   title TEXT            above the frame
 *   timeout SECONDS       1 to 600; without it the menu waits. Never none: F12 must have its moment
 *   device NAME...        what the console's `ls` prints
 *   entry NAME            begins an entry; NAME is the rest of the line
 *     command TEXT        a line that the editing screen shows
 *     start DISK [PATH]   boots it: under the BIOS the first sector of the DISKth other disk (from 0), under UEFI the program at PATH on
 *                         any other volume
 *     fails TEXT          what is shown when it cannot be started
 *     restart             restarts the machine instead
 *   menu NAME ... end     an entry that opens entries; none within another
 *
 * '#' begins a comment line. Anything else, or more than the limits below, is an error with its line number, and no decoy is shown.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	DECOY_BYTES_MAX = 16384,
	DECOY_ENTRIES_MAX = 24,
	DECOY_COMMANDS_MAX = 16,
	DECOY_FAILS_MAX = 8,
	DECOY_TEXT_MAX = 159, /* of a line's text, without its NUL */
	DECOY_LINES_MAX = 256,
};

struct decoy_text {
	const char *at; /* in the configuration; not NUL-terminated */
	uint32_t length;
};

enum decoy_action { DECOY_FAIL, DECOY_START, DECOY_RESTART, DECOY_MENU };

struct decoy_entry {
	struct decoy_text name;
	enum decoy_action action;
	int32_t parent; /* index of the menu it stands in; -1: the first one */
	uint32_t disk;
	struct decoy_text path;
	uint32_t command_count, fail_count;
	struct decoy_text commands[DECOY_COMMANDS_MAX], fails[DECOY_FAILS_MAX];
};

struct decoy {
	struct decoy_text title, devices;
	bool has_timeout;
	uint32_t timeout, entry_count;
	struct decoy_entry entries[DECOY_ENTRIES_MAX];
};

/* Parses TEXT of SIZE bytes, which must stay. NULL, or what is wrong, with *LINE (from 1). */
const char *decoy_parse(struct decoy *decoy, const char *text, uint64_t size, uint32_t *line);
