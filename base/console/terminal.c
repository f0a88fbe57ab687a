/* The terminal's interpreter: UTF-8, control characters, escape and control sequences. See terminal.h.
 *
 * One byte at a time, with all state in struct terminal, so that sequences may be cut anywhere. Invariant
 * after every byte: the cursor is inside the grid, and top < bottom <= rows.
 */
#include "terminal.h"
#include <text.h>
#include "control_sequence.h"
#include "grid.h"

#define REPLACEMENT 0xfffd
#define ESCAPE      0x1b
#define CANCEL      0x18
#define SUBSTITUTE  0x1a
#define BELL        0x07
#define DELETE      0x7f

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
	return value < low ? low : value > high ? high : value;
}

static void reset(struct terminal *terminal)
{
	memset(&terminal->cursor, 0, sizeof(terminal->cursor));
	terminal->cursor.pen.foreground = 7;
	terminal->saved = terminal->cursor;
	terminal->top = 0;
	terminal->bottom = terminal->rows;
	terminal->autowrap = true;
	terminal->cursor_visible = true;
	terminal->insert = false;
	terminal->cursor_keys = false;
	for (unsigned i = 0; i < TERMINAL_COLUMNS_MAX / 32; i++)
		terminal->tabs[i] = 0x01010101;
	terminal->state = STATE_GROUND;
	terminal->code_missing = 0;
	terminal->answer_bytes = 0;
	for (terminal->grid = 2; terminal->grid-- > 0;) {
		for (uint32_t row = 0; row < TERMINAL_ROWS_MAX; row++) {
			terminal->order[terminal->grid][row] = (uint8_t)row;
			grid_blank(terminal, row, 0, TERMINAL_COLUMNS_MAX);
		}
	}
	terminal->grid = 0;
}

void terminal_init(struct terminal *terminal, uint32_t columns, uint32_t rows, bool newline)
{
	terminal->columns = clamp(columns, 2, TERMINAL_COLUMNS_MAX);
	terminal->rows = clamp(rows, 2, TERMINAL_ROWS_MAX);
	terminal->newline = newline;
	reset(terminal);
}

void terminal_resize(struct terminal *terminal, uint32_t columns, uint32_t rows)
{
	rows = clamp(rows, 2, TERMINAL_ROWS_MAX);
	if (terminal->cursor.row >= rows) /* what scrolls out is the top, not the line being written */
		grid_scroll_up(terminal, 0, terminal->rows, terminal->cursor.row - rows + 1);
	uint32_t old_rows = terminal->rows;
	terminal->columns = clamp(columns, 2, TERMINAL_COLUMNS_MAX);
	terminal->rows = rows;
	grid_blank_rows(terminal, old_rows, rows);
	terminal->top = 0;
	terminal->bottom = rows;
	struct terminal_cursor *cursors[2] = {&terminal->cursor, &terminal->saved};
	for (unsigned i = 0; i < 2; i++) {
		cursors[i]->wrap = false;
		cursors[i]->column = clamp(cursors[i]->column, 0, terminal->columns - 1);
		cursors[i]->row = clamp(cursors[i]->row, 0, rows - 1);
	}
}

static void line_feed(struct terminal *terminal)
{
	struct terminal_cursor *cursor = &terminal->cursor;
	cursor->wrap = false;
	if (cursor->row + 1 == terminal->bottom)
		grid_scroll_up(terminal, terminal->top, terminal->bottom, 1);
	else if (cursor->row + 1 < terminal->rows)
		cursor->row++;
}

static void reverse_line_feed(struct terminal *terminal)
{
	struct terminal_cursor *cursor = &terminal->cursor;
	cursor->wrap = false;
	if (cursor->row == terminal->top)
		grid_scroll_down(terminal, terminal->top, terminal->bottom, 1);
	else if (cursor->row)
		cursor->row--;
}

/* The DEC special graphics set, 0x60 to 0x7e. */
static uint32_t drawing(uint32_t code)
{
	static const uint16_t codes[] = {0x25c6, 0x2592, 0x2409, 0x240c, 0x240d, 0x240a, 0x00b0, 0x00b1,
	                                 0x2424, 0x240b, 0x2518, 0x2510, 0x250c, 0x2514, 0x253c, 0x23ba,
	                                 0x23bb, 0x2500, 0x23bc, 0x23bd, 0x251c, 0x2524, 0x2534, 0x252c,
	                                 0x2502, 0x2264, 0x2265, 0x03c0, 0x2260, 0x00a3, 0x00b7};
	return code >= 0x60 && code <= 0x7e ? codes[code - 0x60] : code;
}

static void print(struct terminal *terminal, uint32_t code)
{
	struct terminal_cursor *cursor = &terminal->cursor;
	if ((code >= 0x300 && code < 0x370) || (code >= 0x200b && code <= 0x200f) ||
	    (code >= 0xfe00 && code <= 0xfe0f) || (code >= 0x80 && code < 0xa0))
		return; /* combining marks, zero width, C1 controls */
	if (cursor->drawing[cursor->charset])
		code = drawing(code);
	if (cursor->wrap && terminal->autowrap) {
		cursor->column = 0;
		line_feed(terminal);
	}
	if (terminal->insert)
		grid_insert_cells(terminal, 1);
	struct cell *cell = grid_row(terminal, cursor->row) + cursor->column;
	*cell = cursor->pen;
	cell->code = code;
	if (cursor->column + 1 < terminal->columns)
		cursor->column++;
	else
		cursor->wrap = true;
}

static void tabulate(struct terminal *terminal)
{
	struct terminal_cursor *cursor = &terminal->cursor;
	cursor->wrap = false;
	while (cursor->column + 1 < terminal->columns) {
		cursor->column++;
		if (terminal->tabs[cursor->column / 32] >> cursor->column % 32 & 1)
			break;
	}
}

static void control_character(struct terminal *terminal, uint8_t byte)
{
	struct terminal_cursor *cursor = &terminal->cursor;
	switch (byte) {
	case '\b':
		cursor->wrap = false;
		cursor->column -= cursor->column > 0;
		break;
	case '\t':
		tabulate(terminal);
		break;
	case '\n':
	case '\v':
	case '\f':
		line_feed(terminal);
		if (terminal->newline)
			cursor->column = 0;
		break;
	case '\r':
		cursor->wrap = false;
		cursor->column = 0;
		break;
	case 0x0e: /* shift out, shift in */
	case 0x0f:
		cursor->charset = byte == 0x0e;
		break;
	case CANCEL:
	case SUBSTITUTE:
		terminal->state = STATE_GROUND;
		break;
	case ESCAPE:
		terminal->state = STATE_ESCAPE;
		break;
	default:
		break;
	}
}

static void escape(struct terminal *terminal, uint8_t byte)
{
	struct terminal_cursor *cursor = &terminal->cursor;
	terminal->state = STATE_GROUND;
	switch (byte) {
	case '[':
		terminal->state = STATE_CONTROL;
		terminal->parameter_count = 0;
		terminal->marker = 0;
		memset(terminal->parameters, 0, sizeof(terminal->parameters));
		break;
	case ']':
	case 'P':
	case 'X':
	case '^':
	case '_':
		terminal->state = STATE_STRING;
		break;
	case '(':
	case ')':
		terminal->selected = byte == ')';
		terminal->state = STATE_CHARSET;
		break;
	case '*':
	case '+':
	case '#':
	case '%':
	case ' ':
		terminal->state = STATE_SKIP;
		break;
	case '7':
		terminal->saved = *cursor;
		break;
	case '8':
		*cursor = terminal->saved;
		break;
	case 'D':
		line_feed(terminal);
		break;
	case 'E':
		cursor->column = 0;
		line_feed(terminal);
		break;
	case 'M':
		reverse_line_feed(terminal);
		break;
	case 'H':
		terminal->tabs[cursor->column / 32] |= 1u << cursor->column % 32;
		break;
	case 'c':
		reset(terminal);
		break;
	default:
		break;
	}
}

static void control_byte(struct terminal *terminal, uint8_t byte)
{
	if (byte >= '0' && byte <= '9') {
		if (!terminal->parameter_count)
			terminal->parameter_count = 1;
		uint32_t *value = &terminal->parameters[terminal->parameter_count - 1];
		*value = clamp(*value * 10 + byte - '0', 0, 9999);
	} else if (byte == ';' || byte == ':') {
		if (!terminal->parameter_count)
			terminal->parameter_count = 1;
		if (terminal->parameter_count < TERMINAL_PARAMETERS_MAX)
			terminal->parameter_count++;
		else
			terminal->parameters[TERMINAL_PARAMETERS_MAX - 1] = 0;
	} else if (byte >= 0x3c && byte <= 0x3f) {
		terminal->marker = byte;
	} else if (byte >= 0x20 && byte < 0x30) {
		terminal->marker = '!'; /* none of these sequences means anything here */
	} else {
		terminal->state = STATE_GROUND;
		if (byte >= 0x40 && byte < DELETE)
			control_sequence(terminal, byte);
	}
}

static void string_byte(struct terminal *terminal, uint8_t byte)
{
	if (byte == BELL || byte == CANCEL || byte == SUBSTITUTE)
		terminal->state = STATE_GROUND;
	else if (terminal->state == STATE_STRING_ENDS) {
		terminal->state = STATE_GROUND;
		if (byte != '\\')
			escape(terminal, byte);
	} else if (byte == ESCAPE)
		terminal->state = STATE_STRING_ENDS;
}

/* RFC 3629; a sequence that is cut, overlong or no character becomes one U+FFFD. */
static void text_byte(struct terminal *terminal, uint8_t byte)
{
	if (terminal->code_missing && (byte & 0xc0) == 0x80) {
		terminal->code = terminal->code << 6 | (byte & 0x3f);
		if (--terminal->code_missing)
			return;
		uint32_t code = terminal->code;
		bool valid =
		    code >= terminal->code_least && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
		print(terminal, valid ? code : REPLACEMENT);
		return;
	}
	if (terminal->code_missing)
		print(terminal, REPLACEMENT);
	terminal->code_missing = 0;
	if (byte < 0x80) {
		print(terminal, byte);
	} else if (byte >= 0xc2 && byte < 0xf5) {
		terminal->code_missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
		terminal->code = byte & (0x3f >> terminal->code_missing);
		terminal->code_least = byte < 0xe0 ? 0x80 : byte < 0xf0 ? 0x800 : 0x10000;
	} else {
		print(terminal, REPLACEMENT);
	}
}

static void take(struct terminal *terminal, uint8_t byte)
{
	if (terminal->state == STATE_STRING || terminal->state == STATE_STRING_ENDS) {
		string_byte(terminal, byte);
		return;
	}
	if (byte < 0x20) {
		if (terminal->code_missing)
			print(terminal, REPLACEMENT);
		terminal->code_missing = 0;
		control_character(terminal, byte);
		return;
	}
	switch (terminal->state) {
	case STATE_ESCAPE:
		escape(terminal, byte);
		break;
	case STATE_CHARSET:
		terminal->cursor.drawing[terminal->selected] = byte == '0';
		terminal->state = STATE_GROUND;
		break;
	case STATE_SKIP:
		terminal->state = STATE_GROUND;
		break;
	case STATE_CONTROL:
		control_byte(terminal, byte);
		break;
	default:
		if (byte != DELETE)
			text_byte(terminal, byte);
	}
}

void terminal_write(struct terminal *terminal, const uint8_t *bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		take(terminal, bytes[i]);
}
