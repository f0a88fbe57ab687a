/* A text terminal: bytes in, a grid of cells out. What the screen of the console service shows.
 *
 * It understands what terminfo's "linux", "vt100" and "xterm-256color" promise as far as a grid of cells can
 * show it: ECMA-48 (5th edition) control functions, DEC private modes (VT220 Programmer Reference), 256
 * colours. Bytes are UTF-8. Anything may be written to it: unknown sequences are swallowed, malformed text
 * shows U+FFFD, no input needs more memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TERMINAL_COLUMNS_MAX    256
#define TERMINAL_ROWS_MAX       128
#define TERMINAL_PARAMETERS_MAX 16

enum cell_flags {
	CELL_BOLD = 1,
	CELL_UNDERLINE = 2,
	CELL_REVERSE = 4,
	CELL_CURSOR = 8, /* set by the screen alone */
};

struct cell {
	uint32_t code;                  /* Unicode; never a control character */
	uint8_t foreground, background; /* of the 256-colour palette */
	uint8_t flags;                  /* enum cell_flags */
	uint8_t reserved;
};

enum terminal_state {
	STATE_GROUND,
	STATE_ESCAPE,
	STATE_CHARSET,     /* after ESC ( or ESC ) */
	STATE_SKIP,        /* one more byte of a sequence that means nothing here */
	STATE_CONTROL,     /* after CSI */
	STATE_STRING,      /* OSC, DCS, APC, PM, SOS: up to BEL or ST */
	STATE_STRING_ENDS, /* ESC seen in it */
};

struct terminal_cursor {
	uint32_t column, row; /* inside the grid */
	bool wrap;            /* the last column is written: the next character goes to the next line */
	bool origin;          /* rows count from the scroll region's top */
	struct cell pen;      /* code unused */
	uint8_t charset;      /* 0 or 1: which of drawing[] is in use */
	bool drawing[2];      /* G0, G1: the DEC line-drawing set */
};

struct terminal {
	uint32_t columns, rows;
	struct terminal_cursor cursor, saved;
	uint32_t top, bottom; /* scroll region, rows [top, bottom) */
	bool autowrap, insert, newline, cursor_visible;
	bool cursor_keys; /* application mode: arrows are sent as ESC O A */
	uint32_t tabs[TERMINAL_COLUMNS_MAX / 32];
	/* The interpreter. */
	enum terminal_state state;
	uint8_t selected; /* which of G0, G1 STATE_CHARSET sets */
	uint32_t parameters[TERMINAL_PARAMETERS_MAX];
	uint32_t parameter_count;
	uint8_t marker; /* '?', '>' and the like after CSI; '!' where the sequence has an intermediate byte */
	uint32_t code, code_least; /* UTF-8 being assembled, and the least it may be */
	uint32_t code_missing;
	/* What the terminal answers (cursor reports): the owner sends it on and sets answer_bytes to 0. */
	uint8_t answer[64];
	uint32_t answer_bytes;
	/* Two grids, normal and alternate. Rows are reached through ORDER, so that scrolling moves no cells.
	 */
	unsigned grid;
	uint8_t order[2][TERMINAL_ROWS_MAX];
	struct cell cells[2][TERMINAL_ROWS_MAX][TERMINAL_COLUMNS_MAX];
};

/* Sizes are clamped to [2, MAX]. NEWLINE: a line feed also returns the carriage (output that no tty
 * processed). */
void terminal_init(struct terminal *terminal, uint32_t columns, uint32_t rows, bool newline);
/* Keeps what fits. */
void terminal_resize(struct terminal *terminal, uint32_t columns, uint32_t rows);
void terminal_write(struct terminal *terminal, const uint8_t *bytes, uint32_t count);
/* The row as it is shown, TERMINAL_COLUMNS_MAX cells of which COLUMNS count. ROW < rows. */
const struct cell *terminal_row(const struct terminal *terminal, uint32_t row);
