/* See control_sequence.h. Names in comments are ECMA-48's and DEC's mnemonics. */
#include "control_sequence.h"
#include <text.h>
#include "grid.h"

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Parameter INDEX, OTHERWISE where it is absent or 0. */
static uint32_t parameter(const struct terminal *terminal, uint32_t index, uint32_t otherwise)
{
	uint32_t value = index < terminal->parameter_count ? terminal->parameters[index] : 0;
	return value ? value : otherwise;
}

/* COLUMN and ROW from 0; rows count from the scroll region's top in origin mode. */
static void move_to(struct terminal *terminal, uint32_t column, uint32_t row)
{
	struct terminal_cursor *cursor = &terminal->cursor;
	cursor->wrap = false;
	cursor->column = least(column, terminal->columns - 1);
	cursor->row = cursor->origin ? least(terminal->top + row, terminal->bottom - 1)
	                             : least(row, terminal->rows - 1);
}

static void move_up(struct terminal *terminal, uint32_t count)
{
	struct terminal_cursor *cursor = &terminal->cursor;
	uint32_t limit = cursor->row >= terminal->top ? terminal->top : 0;
	cursor->wrap = false;
	cursor->row = cursor->row - limit < count ? limit : cursor->row - count;
}

static void move_down(struct terminal *terminal, uint32_t count)
{
	struct terminal_cursor *cursor = &terminal->cursor;
	uint32_t limit = cursor->row < terminal->bottom ? terminal->bottom : terminal->rows;
	cursor->wrap = false;
	cursor->row = least(cursor->row + count, limit - 1);
}

static void move_sideways(struct terminal *terminal, uint32_t count, bool left)
{
	struct terminal_cursor *cursor = &terminal->cursor;
	cursor->wrap = false;
	if (left)
		cursor->column -= least(count, cursor->column);
	else
		cursor->column = least(cursor->column + count, terminal->columns - 1);
}

/* ED */
static void erase_display(struct terminal *terminal, uint32_t how)
{
	const struct terminal_cursor *cursor = &terminal->cursor;
	if (how == 0) {
		grid_blank(terminal, cursor->row, cursor->column, TERMINAL_COLUMNS_MAX);
		grid_blank_rows(terminal, cursor->row + 1, terminal->rows);
	} else if (how == 1) {
		grid_blank_rows(terminal, 0, cursor->row);
		grid_blank(terminal, cursor->row, 0, cursor->column + 1);
	} else {
		grid_blank_rows(terminal, 0, terminal->rows);
	}
}

/* EL */
static void erase_line(struct terminal *terminal, uint32_t how)
{
	const struct terminal_cursor *cursor = &terminal->cursor;
	grid_blank(terminal, cursor->row, how == 0 ? cursor->column : 0,
	           how == 1 ? cursor->column + 1 : TERMINAL_COLUMNS_MAX);
}

/* The nearest colour of the palette's 6 x 6 x 6 cube. */
static uint8_t cube(uint32_t red, uint32_t green, uint32_t blue)
{
	const uint32_t parts[3] = {red, green, blue};
	uint32_t index = 0;
	for (unsigned i = 0; i < 3; i++) {
		uint32_t value = least(parts[i], 255);
		index = index * 6 + (value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40);
	}
	return (uint8_t)(16 + index);
}

/* SGR 38 and 48: "5;N" or "2;R;G;B" from parameter AT on. Returns how many parameters it took. */
static uint32_t extended_colour(const struct terminal *terminal, uint32_t at, uint8_t *colour)
{
	const uint32_t *parameters = terminal->parameters;
	uint32_t left = terminal->parameter_count > at ? terminal->parameter_count - at : 0;
	if (left >= 2 && parameters[at] == 5) {
		*colour = (uint8_t)least(parameters[at + 1], 255);
		return 2;
	}
	if (left >= 4 && parameters[at] == 2) {
		*colour = cube(parameters[at + 1], parameters[at + 2], parameters[at + 3]);
		return 4;
	}
	return left;
}

/* SGR */
static void select_rendition(struct terminal *terminal)
{
	struct cell *pen = &terminal->cursor.pen;
	uint32_t count = terminal->parameter_count ? terminal->parameter_count : 1;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t value = terminal->parameters[i];
		if (value == 0)
			*pen = (struct cell){.foreground = 7};
		else if (value == 1)
			pen->flags |= CELL_BOLD;
		else if (value == 4)
			pen->flags |= CELL_UNDERLINE;
		else if (value == 7)
			pen->flags |= CELL_REVERSE;
		else if (value == 22)
			pen->flags &= (uint8_t)~CELL_BOLD;
		else if (value == 24)
			pen->flags &= (uint8_t)~CELL_UNDERLINE;
		else if (value == 27)
			pen->flags &= (uint8_t)~CELL_REVERSE;
		else if (value >= 30 && value <= 37)
			pen->foreground = (uint8_t)(value - 30);
		else if (value == 38)
			i += extended_colour(terminal, i + 1, &pen->foreground);
		else if (value == 39)
			pen->foreground = 7;
		else if (value >= 40 && value <= 47)
			pen->background = (uint8_t)(value - 40);
		else if (value == 48)
			i += extended_colour(terminal, i + 1, &pen->background);
		else if (value == 49)
			pen->background = 0;
		else if (value >= 90 && value <= 97)
			pen->foreground = (uint8_t)(value - 90 + 8);
		else if (value >= 100 && value <= 107)
			pen->background = (uint8_t)(value - 100 + 8);
	}
}

/* Modes 47, 1047 and 1049: full-screen programs draw on a grid of their own. */
static void alternate_grid(struct terminal *terminal, bool set, bool with_cursor)
{
	if (set == (terminal->grid == 1))
		return;
	if (set && with_cursor)
		terminal->saved = terminal->cursor;
	terminal->grid = set;
	if (set)
		grid_blank_rows(terminal, 0, terminal->rows);
	else if (with_cursor)
		terminal->cursor = terminal->saved;
}

/* SM, RM and DEC's private ones. */
static void set_modes(struct terminal *terminal, bool set)
{
	for (uint32_t i = 0; i < terminal->parameter_count; i++) {
		uint32_t mode = terminal->parameters[i];
		if (terminal->marker != '?') {
			if (mode == 4)
				terminal->insert = set;
			continue;
		}
		switch (mode) {
		case 1:
			terminal->cursor_keys = set;
			break;
		case 6:
			terminal->cursor.origin = set;
			move_to(terminal, 0, 0);
			break;
		case 7:
			terminal->autowrap = set;
			break;
		case 25:
			terminal->cursor_visible = set;
			break;
		case 47:
		case 1047:
			alternate_grid(terminal, set, false);
			break;
		case 1049:
			alternate_grid(terminal, set, true);
			break;
		default:
			break;
		}
	}
}

static void put(struct terminal *terminal, const char *text)
{
	for (; *text && terminal->answer_bytes < sizeof(terminal->answer); text++)
		terminal->answer[terminal->answer_bytes++] = (uint8_t)*text;
}

static void put_number(struct terminal *terminal, uint32_t value)
{
	char digits[12];
	char *at = digits + sizeof(digits) - 1;
	*at = 0;
	do
		*--at = (char)('0' + value % 10);
	while (value /= 10);
	put(terminal, at);
}

/* DSR, DA: whole answers or none. */
static void report(struct terminal *terminal, uint8_t final)
{
	if (terminal->answer_bytes + 16 > sizeof(terminal->answer))
		return;
	const struct terminal_cursor *cursor = &terminal->cursor;
	if (final == 'c') {
		put(terminal, "\x1b[?6c"); /* a VT102 */
	} else if (parameter(terminal, 0, 0) == 5) {
		put(terminal, "\x1b[0n");
	} else if (parameter(terminal, 0, 0) == 6) {
		put(terminal, "\x1b[");
		put_number(terminal,
		           cursor->row + 1 -
		               (cursor->origin && cursor->row >= terminal->top ? terminal->top : 0));
		put(terminal, ";");
		put_number(terminal, cursor->column + 1);
		put(terminal, "R");
	}
}

/* DECSTBM */
static void set_region(struct terminal *terminal)
{
	uint32_t top = parameter(terminal, 0, 1) - 1;
	uint32_t bottom = least(parameter(terminal, 1, terminal->rows), terminal->rows);
	if (top + 1 >= bottom)
		return;
	terminal->top = top;
	terminal->bottom = bottom;
	move_to(terminal, 0, 0);
}

static bool cursor_in_region(const struct terminal *terminal)
{
	return terminal->cursor.row >= terminal->top && terminal->cursor.row < terminal->bottom;
}

static void clear_tabs(struct terminal *terminal)
{
	if (parameter(terminal, 0, 0) == 3)
		memset(terminal->tabs, 0, sizeof(terminal->tabs));
	else
		terminal->tabs[terminal->cursor.column / 32] &= ~(1u << terminal->cursor.column % 32);
}

/* Sequences that move the cursor; false: not one of them. */
static bool move(struct terminal *terminal, uint8_t final, uint32_t count)
{
	struct terminal_cursor *cursor = &terminal->cursor;
	uint32_t base = cursor->origin ? terminal->top : 0;
	uint32_t row = cursor->row >= base ? cursor->row - base : 0;
	switch (final) {
	case 'A': /* CUU */
		move_up(terminal, count);
		return true;
	case 'B': /* CUD, VPR */
	case 'e':
		move_down(terminal, count);
		return true;
	case 'C': /* CUF, HPR */
	case 'a':
	case 'D': /* CUB */
		move_sideways(terminal, count, final == 'D');
		return true;
	case 'E': /* CNL */
	case 'F': /* CPL */
		cursor->column = 0;
		final == 'E' ? move_down(terminal, count) : move_up(terminal, count);
		return true;
	case 'G': /* CHA, HPA */
	case '`':
		move_to(terminal, count - 1, row);
		return true;
	case 'd': /* VPA */
		move_to(terminal, cursor->column, count - 1);
		return true;
	case 'H': /* CUP, HVP */
	case 'f':
		move_to(terminal, parameter(terminal, 1, 1) - 1, count - 1);
		return true;
	default:
		return false;
	}
}

static void edit(struct terminal *terminal, uint8_t final, uint32_t count)
{
	struct terminal_cursor *cursor = &terminal->cursor;
	switch (final) {
	case 'J':
		erase_display(terminal, parameter(terminal, 0, 0));
		break;
	case 'K':
		erase_line(terminal, parameter(terminal, 0, 0));
		break;
	case 'L': /* IL */
		if (cursor_in_region(terminal))
			grid_scroll_down(terminal, cursor->row, terminal->bottom, count);
		break;
	case 'M': /* DL */
		if (cursor_in_region(terminal))
			grid_scroll_up(terminal, cursor->row, terminal->bottom, count);
		break;
	case '@': /* ICH */
		grid_insert_cells(terminal, count);
		break;
	case 'P': /* DCH */
		grid_delete_cells(terminal, count);
		break;
	case 'X': /* ECH */
		grid_blank(terminal, cursor->row, cursor->column,
		           least(cursor->column + count, terminal->columns));
		break;
	case 'S': /* SU */
		grid_scroll_up(terminal, terminal->top, terminal->bottom, count);
		break;
	case 'T': /* SD */
		grid_scroll_down(terminal, terminal->top, terminal->bottom, count);
		break;
	case 'g': /* TBC */
		clear_tabs(terminal);
		break;
	case 'm':
		select_rendition(terminal);
		break;
	case 'r':
		set_region(terminal);
		break;
	case 's':
		terminal->saved = *cursor;
		break;
	case 'u':
		*cursor = terminal->saved;
		break;
	default:
		break;
	}
}

void control_sequence(struct terminal *terminal, uint8_t final)
{
	uint32_t count = parameter(terminal, 0, 1);
	if (terminal->marker && terminal->marker != '?')
		return;
	if (final == 'h' || final == 'l')
		set_modes(terminal, final == 'h');
	else if (terminal->marker)
		return;
	else if (final == 'n' || final == 'c')
		report(terminal, final);
	else if (!move(terminal, final, count))
		edit(terminal, final, count);
}
