/* See terminal.h. */
#include "terminal.h"

#include <stdarg.h>

#include "../loader/arch.h"
#include "../loader/loader.h"
#include "../loader/string.h"

#define SECOND_MAX                                                                                           \
	(1ull << 35) /* ticks: where the machine's clock stands still, a second is at most this long */

/* How long a sequence's next byte may take, in looks: some tenths of a second, where a byte takes a tenth of a millisecond. */
enum { SERIAL_POLLS = 100000, FIRMWARE_POLLS = 2000 };

static struct {
	uint8_t characters[TERMINAL_ROWS][TERMINAL_COLUMNS];
	bool inverse[TERMINAL_ROWS][TERMINAL_COLUMNS];
	uint32_t column, row;
	bool now_inverse;
} terminal;

/* ---- Output ---- */

static void serial_text(const char *text)
{
	while (*text)
		arch_console_put(*text++);
}

static void serial_number(uint32_t value)
{
	if (value >= 10)
		serial_number(value / 10);
	arch_console_put((char)('0' + value % 10));
}

static void serial_move(uint32_t column, uint32_t row)
{
	serial_text("\033[");
	serial_number(row + 1);
	arch_console_put(';');
	serial_number(column + 1);
	arch_console_put('H');
}

static char plain(uint8_t c)
{
	switch (c) {
	case GLYPH_UP:
		return '^';
	case GLYPH_DOWN:
		return 'v';
	case GLYPH_VERTICAL:
		return '|';
	case GLYPH_HORIZONTAL:
		return '-';
	case GLYPH_TOP_LEFT:
	case GLYPH_TOP_RIGHT:
	case GLYPH_BOTTOM_LEFT:
	case GLYPH_BOTTOM_RIGHT:
		return '+';
	default:
		return c >= ' ' && c <= '~' ? (char)c : '?';
	}
}

static void screen_move(uint32_t column, uint32_t row)
{
	uint32_t columns, rows;
	platform_size(&columns, &rows);
	column += columns > TERMINAL_COLUMNS ? (columns - TERMINAL_COLUMNS) / 2 : 0;
	row += rows > TERMINAL_ROWS ? (rows - TERMINAL_ROWS) / 2 : 0;
	platform_move(column, row);
}

static void place(void)
{
	screen_move(terminal.column, terminal.row);
	if (!platform_has_serial())
		serial_move(terminal.column, terminal.row);
}

static void show(uint8_t c)
{
	platform_inverse(terminal.now_inverse);
	platform_put((char)c);
	if (!platform_has_serial())
		arch_console_put(plain(c));
}

static void redraw(void)
{
	uint32_t column = terminal.column, row = terminal.row;
	bool inverse = terminal.now_inverse;
	for (terminal.row = 0; terminal.row < TERMINAL_ROWS; terminal.row++) {
		terminal.column = 0;
		place();
		for (; terminal.column < TERMINAL_COLUMNS - 1; terminal.column++) {
			terminal_inverse(terminal.inverse[terminal.row][terminal.column]);
			show(terminal.characters[terminal.row][terminal.column]);
		}
	}
	terminal.column = column;
	terminal.row = row;
	terminal_inverse(inverse);
	place();
}

void terminal_clear(void)
{
	memset(terminal.characters, ' ', sizeof(terminal.characters));
	memset(terminal.inverse, 0, sizeof(terminal.inverse));
	terminal.now_inverse = false;
	terminal.column = terminal.row = 0;
	platform_inverse(false);
	platform_clear();
	if (!platform_has_serial())
		serial_text("\033[0m\033[2J");
	place();
}

void terminal_move(uint32_t column, uint32_t row)
{
	terminal.column = column < TERMINAL_COLUMNS ? column : TERMINAL_COLUMNS - 1;
	terminal.row = row < TERMINAL_ROWS ? row : TERMINAL_ROWS - 1;
	place();
}

void terminal_inverse(bool inverse)
{
	if (inverse != terminal.now_inverse && !platform_has_serial())
		serial_text(inverse ? "\033[7m" : "\033[0m");
	terminal.now_inverse = inverse;
}

static void next_line(void)
{
	terminal.column = 0;
	if (terminal.row + 1 < TERMINAL_ROWS) {
		terminal.row++;
		place();
		return;
	}
	memmove(terminal.characters[0], terminal.characters[1],
	        sizeof(terminal.characters) - TERMINAL_COLUMNS);
	memmove(terminal.inverse[0], terminal.inverse[1],
	        sizeof(terminal.inverse) - sizeof(terminal.inverse[0]));
	memset(terminal.characters[TERMINAL_ROWS - 1], ' ', TERMINAL_COLUMNS);
	memset(terminal.inverse[TERMINAL_ROWS - 1], 0, sizeof(terminal.inverse[0]));
	redraw();
}

void terminal_put(char c)
{
	if (c == '\t') {
		do
			terminal_put(' ');
		while (terminal.column % TAB);
		return;
	}
	if (c == '\n') {
		next_line();
		return;
	}
	if (c == '\b') {
		terminal_move(terminal.column ? terminal.column - 1 : 0, terminal.row);
		return;
	}
	terminal.characters[terminal.row][terminal.column] = (uint8_t)c;
	terminal.inverse[terminal.row][terminal.column] = terminal.now_inverse;
	/* The last place of a line stays blank on real terminals, which would move on by themselves. */
	if (terminal.column + 1 < TERMINAL_COLUMNS) {
		show((uint8_t)c);
		terminal.column++;
	}
	if (terminal.column + 1 == TERMINAL_COLUMNS)
		next_line();
}

void terminal_text(const char *text)
{
	while (*text)
		terminal_put(*text++);
}

void terminal_print(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	say_format(terminal_put, format, arguments);
	va_end(arguments);
}

void terminal_field(const char *text, uint32_t columns)
{
	for (uint32_t i = 0; i < columns; i++)
		terminal_put(*text ? *text++ : ' ');
}

static void frame_line(uint32_t column, uint32_t row, uint32_t columns, const uint8_t glyphs[3])
{
	terminal_move(column, row);
	for (uint32_t i = 0; i < columns; i++)
		terminal_put((char)glyphs[i == 0 ? 0 : i + 1 < columns ? 1 : 2]);
}

void terminal_frame(uint32_t column, uint32_t row, uint32_t columns, uint32_t rows)
{
	static const uint8_t top[] = {GLYPH_TOP_LEFT, GLYPH_HORIZONTAL, GLYPH_TOP_RIGHT},
	                     middle[] = {GLYPH_VERTICAL, ' ', GLYPH_VERTICAL},
	                     bottom[] = {GLYPH_BOTTOM_LEFT, GLYPH_HORIZONTAL, GLYPH_BOTTOM_RIGHT};
	for (uint32_t i = 0; i < rows; i++)
		frame_line(column, row + i, columns, i == 0 ? top : i + 1 < rows ? middle : bottom);
}

/* ---- Keys ---- */

/* The next byte of a key's sequence: by the serial line, or from a firmware whose console is the serial line's. */
static uint32_t next_soon(void)
{
	uint32_t key = 0;
	for (unsigned i = 0; i < (platform_has_serial() ? FIRMWARE_POLLS : SERIAL_POLLS) && !key; i++)
		key = platform_has_serial() ? platform_key() : arch_console_get();
	return key;
}

/* What follows ESC on a terminal (ECMA-48, 5.4; xterm's function keys). */
static uint32_t sequence(void)
{
	uint32_t number = 0, c = next_soon();
	if (!c || c == KEY_ESCAPE)
		return KEY_ESCAPE;
	if (c == '@')
		return KEY_F12; /* VT-UTF8, as UEFI's terminals speak it (UEFI 2.10, appendix B) */
	if (c == '0')
		return KEY_F10;
	if (c == '2')
		return KEY_F2;
	if (c != '[' && c != 'O')
		return KEY_NONE;
	for (unsigned i = 0; i < 4; i++) {
		c = next_soon();
		if (c < '0' || c > '9')
			break;
		number = number * 10 + (c - '0');
	}
	switch (c) {
	case 'A':
		return KEY_UP;
	case 'B':
		return KEY_DOWN;
	case 'C':
		return KEY_RIGHT;
	case 'D':
		return KEY_LEFT;
	case 'H':
		return KEY_HOME;
	case 'F':
		return KEY_END;
	case 'Q':
		return KEY_F2;
	case '~':
		return number == 12   ? KEY_F2
		       : number == 24 ? KEY_F12
		       : number == 21 ? KEY_F10
		       : number == 3  ? KEY_DELETE
		       : number == 1  ? KEY_HOME
		       : number == 4  ? KEY_END
		                      : KEY_NONE;
	default:
		return KEY_NONE;
	}
}

uint32_t terminal_key(void)
{
	uint32_t key = platform_key();
	bool from_line = platform_has_serial();
	if (!key && !from_line) {
		key = arch_console_get();
		from_line = true;
	}
	if (key == KEY_ESCAPE && from_line)
		return sequence();
	if (key == '\r')
		return '\n';
	return key == 0x7f ? '\b' : key;
}

/* A serial terminal shows where it is; a screen of pixels does not by itself. */
static void cursor(bool shown)
{
	screen_move(terminal.column, terminal.row);
	platform_inverse(shown != terminal.inverse[terminal.row][terminal.column]);
	platform_put((char)terminal.characters[terminal.row][terminal.column]);
	platform_inverse(terminal.now_inverse);
	screen_move(terminal.column, terminal.row);
}

uint32_t terminal_wait_key(void)
{
	uint32_t key;
	cursor(true);
	do
		key = terminal_key();
	while (!key);
	cursor(false);
	return key;
}

bool terminal_second(void)
{
	static uint64_t last_clock, last_counter;
	uint64_t clock = arch_wall_clock(), counter = arch_counter();
	if (last_counter && clock == last_clock && counter - last_counter < SECOND_MAX)
		return false;
	bool first = !last_counter;
	last_clock = clock;
	last_counter = counter;
	return !first;
}
