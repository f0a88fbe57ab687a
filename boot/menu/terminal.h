/* The menu's terminal: 80 by 24 characters in the middle of the screen and, where the firmware does not bring its console there
 * itself, on COM1, with the keys of both. The characters are kept, so that it scrolls on any screen.
 *
 * Characters are those of code page 437, which the BIOS's font has; UEFI is given Unicode, the serial line plain ASCII for frames and
 * arrows.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { TERMINAL_COLUMNS = 80, TERMINAL_ROWS = 24, TAB = 8 };

/* Other keys are their characters: '\n', '\b', '\t', KEY_ESCAPE, 1 to 26 with Ctrl, ' ' to '~'. */
enum key {
	KEY_NONE = 0,
	KEY_ESCAPE = 27,
	KEY_UP = 0x100,
	KEY_DOWN,
	KEY_RIGHT,
	KEY_LEFT,
	KEY_HOME,
	KEY_END,
	KEY_DELETE,
	KEY_F2,
	KEY_F10,
	KEY_F12,
};

/* Frames and arrows, in code page 437. */
enum glyph {
	GLYPH_UP = 0x18,
	GLYPH_DOWN = 0x19,
	GLYPH_VERTICAL = 0xb3,
	GLYPH_TOP_RIGHT = 0xbf,
	GLYPH_BOTTOM_LEFT = 0xc0,
	GLYPH_HORIZONTAL = 0xc4,
	GLYPH_BOTTOM_RIGHT = 0xd9,
	GLYPH_TOP_LEFT = 0xda,
};

void terminal_clear(void); /* and the cursor to the top left */
void terminal_move(uint32_t column, uint32_t row);
void terminal_inverse(bool inverse);
/* At the cursor; '\n' begins a line; past the last line all move up. */
void terminal_put(char c);
void terminal_text(const char *text);
/* As say(), without a line's end. */
void terminal_print(const char *format, ...);
/* A frame of that place and size, its corners inside it; what is in it is cleared. */
void terminal_frame(uint32_t column, uint32_t row, uint32_t columns, uint32_t rows);
/* TEXT in COLUMNS places, cut or filled up with blanks. */
void terminal_field(const char *text, uint32_t columns);

/* The next key, or KEY_NONE. */
uint32_t terminal_key(void);
uint32_t terminal_wait_key(void);
/* True once for about each second that passes. */
bool terminal_second(void);
