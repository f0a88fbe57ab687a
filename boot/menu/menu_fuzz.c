/* Fuzzes the menus with whatever may reach them: a configuration and keys, under sanitizers. The input is the configuration, a NUL, and
 * the keys; what follows the last key is the end. Odd first bytes bring the keys by the serial line, even ones as the firmware's; the
 * next bit says whether Holon's own menu is shown, with the configuration in place of its system image.
 */
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <holon/bundle.h>

#include "../loader/arch.h"
#include "../loader/loader.h"
#include "../loader/tpm.h"
#include "decoy.h"
#include "menu.h"
#include "terminal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *keys;
static size_t keys_left;
static bool by_serial;
static uint32_t silent_polls;
static uint64_t clock_now;
static jmp_buf over;

/* ---- The machine: its screen has exactly the terminal's places, and the keys' end is the power's ---- */

void platform_put(char c)
{
	(void)c;
}

void platform_clear(void)
{
}

void platform_inverse(bool inverse)
{
	(void)inverse;
}

void platform_size(uint32_t *columns, uint32_t *rows)
{
	*columns = TERMINAL_COLUMNS;
	*rows = TERMINAL_ROWS;
}

void platform_move(uint32_t column, uint32_t row)
{
	if (column >= TERMINAL_COLUMNS || row >= TERMINAL_ROWS)
		abort();
}

static uint32_t next_key(void)
{
	enum { NOTHING = 0xfe, POLLS_MAX = 3 };
	if (!keys_left && ++silent_polls > POLLS_MAX)
		longjmp(over, 1);
	if (!keys_left)
		return 0;
	keys_left--;
	return *keys++ == NOTHING ? 0 : keys[-1];
}

uint32_t platform_key(void)
{
	if (by_serial)
		return 0;
	uint32_t key = next_key();
	return key >= 0x80 && key < 0x80 + KEY_F12 - KEY_UP + 1 ? key - 0x80 + KEY_UP : key;
}

uint8_t arch_console_get(void)
{
	return by_serial ? (uint8_t)next_key() : 0;
}

bool platform_has_serial(void)
{
	return !by_serial;
}

void arch_console_put(char c)
{
	if ((c < ' ' || c > '~') && c != '\033')
		abort();
}

void serial_put(char c)
{
	(void)c;
}

/* A second passes with every eighth look. */
uint64_t arch_wall_clock(void)
{
	return ++clock_now / 8;
}

uint64_t arch_counter(void)
{
	return clock_now + 1;
}

_Noreturn void platform_stop(void)
{
	longjmp(over, 1);
}

_Noreturn void platform_restart(void)
{
	longjmp(over, 1);
}

_Noreturn void platform_off(void)
{
	longjmp(over, 1);
}

void platform_boot_other(uint32_t disk, const char *path)
{
	if (disk > 7 || strlen(path) > DECOY_TEXT_MAX)
		abort();
}

const char *platform_vouched(void)
{
	return "nothing";
}

uint64_t platform_allocate(uint64_t size, uint64_t align, enum handoff_memory_kind kind)
{
	(void)size, (void)align, (void)kind;
	return 0;
}

bool tpm_present(void)
{
	return false;
}

bool has_option(const char *line, const char *word)
{
	(void)line, (void)word;
	return true;
}

/* ---- What must hold of every configuration that is taken ---- */

static void inside(struct decoy_text text, const char *from, size_t size)
{
	if (text.length &&
	    (text.at < from || text.at + text.length > from + size || text.length > DECOY_TEXT_MAX))
		abort();
}

static void check(const struct decoy *decoy, const char *from, size_t size)
{
	if (!decoy->entry_count || decoy->entry_count > DECOY_ENTRIES_MAX ||
	    (decoy->has_timeout && !decoy->timeout))
		abort();
	inside(decoy->title, from, size);
	inside(decoy->devices, from, size);
	for (uint32_t i = 0; i < decoy->entry_count; i++) {
		const struct decoy_entry *entry = &decoy->entries[i];
		inside(entry->name, from, size);
		inside(entry->path, from, size);
		if (entry->parent >= (int32_t)i || entry->command_count > DECOY_COMMANDS_MAX ||
		    entry->fail_count > DECOY_FAILS_MAX ||
		    (entry->parent >= 0 && decoy->entries[entry->parent].action != DECOY_MENU))
			abort();
		for (uint32_t j = 0; j < entry->command_count; j++)
			inside(entry->commands[j], from, size);
		for (uint32_t j = 0; j < entry->fail_count; j++)
			inside(entry->fails[j], from, size);
	}
}

static void own_menu(const uint8_t *image, size_t size)
{
	static struct handoff handoff;
	struct bundle_header *bundle = aligned_alloc(PAGE_SIZE, PAGE_SIZE + (size_t)page_up(size ? size : 1));
	memset(bundle, 0, PAGE_SIZE);
	memset(handoff.command_line, 'x', sizeof(handoff.command_line));
	handoff.command_line[sizeof(handoff.command_line) - 1 - size % 64] = 0;
	*bundle = (struct bundle_header){.entry_count = 1, .entries = {{"system", PAGE_SIZE, size}}};
	memcpy((uint8_t *)bundle + PAGE_SIZE, image, size);
	if (!setjmp(over))
		menu_holon(&handoff, bundle, 3);
	free(bundle);
	if (!memchr(handoff.command_line, 0, sizeof(handoff.command_line)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct decoy decoy;
	uint32_t line;
	if (!size)
		return 0;
	bool own = data[0] & 2;
	by_serial = data[0] & 1;
	silent_polls = 0;
	clock_now = 0;
	const uint8_t *text = data + 1, *end = memchr(text, 0, size - 1);
	size_t length = end ? (size_t)(end - text) : size - 1;
	keys = end ? end + 1 : data + size;
	keys_left = (size_t)(data + size - keys);
	if (own) {
		own_menu(text, length);
		return 0;
	}
	char *copy = malloc(length + 1); /* one more: malloc(0) may be NULL */
	memcpy(copy, text, length);
	copy[length] = 'x';
	if (!decoy_parse(&decoy, copy, length, &line)) {
		check(&decoy, copy, length);
		if (!setjmp(over))
			menu_decoy(&decoy);
	} else if (line > DECOY_LINES_MAX + 1) {
		abort();
	}
	free(copy);
	return 0;
}
