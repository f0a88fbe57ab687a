/* See grid.h. */
#include "grid.h"
#include <text.h>

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

struct cell *grid_row(struct terminal *terminal, uint32_t row)
{
	return terminal->cells[terminal->grid][terminal->order[terminal->grid][row]];
}

const struct cell *terminal_row(const struct terminal *terminal, uint32_t row)
{
	return terminal->cells[terminal->grid][terminal->order[terminal->grid][row]];
}

void grid_blank(struct terminal *terminal, uint32_t row, uint32_t from, uint32_t to)
{
	const struct cell blank = {.code = ' ',
	                           .foreground = terminal->cursor.pen.foreground,
	                           .background = terminal->cursor.pen.background};
	struct cell *cells = grid_row(terminal, row);
	for (uint32_t column = from; column < least(to, TERMINAL_COLUMNS_MAX); column++)
		cells[column] = blank;
}

void grid_blank_rows(struct terminal *terminal, uint32_t from, uint32_t to)
{
	for (uint32_t row = from; row < least(to, terminal->rows); row++)
		grid_blank(terminal, row, 0, TERMINAL_COLUMNS_MAX);
}

static void reverse(uint8_t *rows, uint32_t from, uint32_t to)
{
	while (from + 1 < to) {
		uint8_t row = rows[from];
		rows[from++] = rows[--to];
		rows[to] = row;
	}
}

/* The row that was at TOP + COUNT comes to TOP. */
static void rotate(struct terminal *terminal, uint32_t top, uint32_t bottom, uint32_t count)
{
	uint8_t *rows = terminal->order[terminal->grid];
	reverse(rows, top, top + count);
	reverse(rows, top + count, bottom);
	reverse(rows, top, bottom);
}

void grid_scroll_up(struct terminal *terminal, uint32_t top, uint32_t bottom, uint32_t count)
{
	if (top >= bottom)
		return;
	count = least(count, bottom - top);
	rotate(terminal, top, bottom, count);
	grid_blank_rows(terminal, bottom - count, bottom);
}

void grid_scroll_down(struct terminal *terminal, uint32_t top, uint32_t bottom, uint32_t count)
{
	if (top >= bottom)
		return;
	count = least(count, bottom - top);
	rotate(terminal, top, bottom, bottom - top - count);
	grid_blank_rows(terminal, top, top + count);
}

void grid_insert_cells(struct terminal *terminal, uint32_t count)
{
	uint32_t column = terminal->cursor.column;
	struct cell *cells = grid_row(terminal, terminal->cursor.row);
	count = least(count, terminal->columns - column);
	memmove(cells + column + count, cells + column,
	        (terminal->columns - column - count) * sizeof(*cells));
	grid_blank(terminal, terminal->cursor.row, column, column + count);
}

void grid_delete_cells(struct terminal *terminal, uint32_t count)
{
	uint32_t column = terminal->cursor.column;
	struct cell *cells = grid_row(terminal, terminal->cursor.row);
	count = least(count, terminal->columns - column);
	memmove(cells + column, cells + column + count,
	        (terminal->columns - column - count) * sizeof(*cells));
	grid_blank(terminal, terminal->cursor.row, terminal->columns - count, terminal->columns);
}
