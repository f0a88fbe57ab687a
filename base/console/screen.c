/* See screen.h. */
#include "screen.h"
#include <text.h>
#include "font.h"

#define LARGE_WIDTH 2560 /* from here on every dot is 2 x 2 pixels */
#define UNDERLINE   14   /* row of a character */
#define REPLACEMENT 0xfffd
#define CELL_BYTES  8
_Static_assert(sizeof(struct cell) == CELL_BYTES, "cells are compared as one word");

static uint32_t pixel(uint32_t red, uint32_t green, uint32_t blue, bool red_first)
{
	return red_first ? blue << 16 | green << 8 | red : red << 16 | green << 8 | blue;
}

/* 16 colours as VGA text mode has them, the 6 x 6 x 6 cube, 24 greys: xterm's layout. */
static void palette_init(uint32_t *palette, bool red_first)
{
	for (uint32_t i = 0; i < 16; i++) {
		uint32_t low = i & 8 ? 0x55 : 0;
		uint32_t high = i & 8 ? 0xff : 0xaa;
		uint32_t green = i == 3 ? 0x55 : i & 2 ? high : low; /* brown, not dark yellow */
		palette[i] = pixel(i & 1 ? high : low, green, i & 4 ? high : low, red_first);
	}
	for (uint32_t i = 0; i < 216; i++) {
		uint32_t red = i / 36;
		uint32_t green = i / 6 % 6;
		uint32_t blue = i % 6;
		palette[16 + i] = pixel(red ? red * 40 + 55 : 0, green ? green * 40 + 55 : 0,
		                        blue ? blue * 40 + 55 : 0, red_first);
	}
	for (uint32_t i = 0; i < 24; i++)
		palette[232 + i] = pixel(i * 10 + 8, i * 10 + 8, i * 10 + 8, red_first);
}

static void drawn(struct screen *screen, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	screen->left = x < screen->left ? x : screen->left;
	screen->top = y < screen->top ? y : screen->top;
	screen->right = x + width > screen->right ? x + width : screen->right;
	screen->bottom = y + height > screen->bottom ? y + height : screen->bottom;
}

bool screen_drawn(struct screen *screen, uint32_t *x, uint32_t *y, uint32_t *width, uint32_t *height)
{
	*x = screen->left;
	*y = screen->top;
	*width = screen->right - screen->left;
	*height = screen->bottom - screen->top;
	bool any = screen->left < screen->right;
	screen->left = screen->top = UINT32_MAX;
	screen->right = screen->bottom = 0;
	return any;
}

void screen_clear(struct screen *screen)
{
	drawn(screen, 0, 0, screen->width, screen->height);
	memset(screen->shown, 0, sizeof(screen->shown));
	for (uint32_t y = 0; y < screen->height; y++)
		memset(screen->pixels + (size_t)y * screen->stride, 0, (size_t)screen->width * 4);
}

bool screen_init(struct screen *screen, void *pixels, uint32_t width, uint32_t height, uint32_t stride,
                 bool red_first)
{
	screen->pixels = pixels;
	screen->width = width;
	screen->height = height;
	screen->stride = stride;
	screen->left = screen->top = UINT32_MAX;
	screen->right = screen->bottom = 0;
	screen->scale = width >= LARGE_WIDTH ? 2 : 1;
	screen->columns = width / (FONT_WIDTH * screen->scale);
	screen->rows = height / (FONT_HEIGHT * screen->scale);
	if (screen->columns > TERMINAL_COLUMNS_MAX)
		screen->columns = TERMINAL_COLUMNS_MAX;
	if (screen->rows > TERMINAL_ROWS_MAX)
		screen->rows = TERMINAL_ROWS_MAX;
	if (screen->columns < 2 || screen->rows < 2)
		return false;
	palette_init(screen->palette, red_first);
	screen_clear(screen);
	return true;
}

static const uint8_t *glyph_find(uint32_t code)
{
	unsigned low = 0;
	unsigned high = font_glyph_count;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (font_glyphs[middle].code == code)
			return font_glyphs[middle].rows;
		if (font_glyphs[middle].code < code)
			low = middle + 1;
		else
			high = middle;
	}
	return code == REPLACEMENT ? 0 : glyph_find(REPLACEMENT);
}

/* Two pixels with one store; the framebuffer's rows need not be aligned to it. */
static void store_pair(uint8_t *to, uint64_t pair)
{
	__builtin_memcpy(to, &pair, sizeof(pair));
}

static void draw_cell(struct screen *screen, uint32_t column, uint32_t row, const struct cell *cell)
{
	static const uint8_t box[FONT_HEIGHT] = {0,    0,    0x7e, 0x42, 0x42, 0x42,
	                                         0x42, 0x42, 0x42, 0x42, 0x42, 0x7e};
	const uint8_t *rows = glyph_find(cell->code);
	uint32_t bright = cell->flags & CELL_BOLD && cell->foreground < 8 ? 8 : 0;
	bool swap = !(cell->flags & CELL_REVERSE) != !(cell->flags & CELL_CURSOR);
	uint64_t front = screen->palette[swap ? cell->background : cell->foreground + bright];
	uint64_t back = screen->palette[swap ? cell->foreground + bright : cell->background];
	const uint64_t pairs[4] = {back | back << 32, back | front << 32, front | back << 32,
	                           front | front << 32};
	uint32_t scale = screen->scale;
	uint8_t *line = screen->pixels + (size_t)row * FONT_HEIGHT * scale * screen->stride +
	                (size_t)column * FONT_WIDTH * scale * 4;
	drawn(screen, column * FONT_WIDTH * scale, row * FONT_HEIGHT * scale, FONT_WIDTH * scale,
	      FONT_HEIGHT * scale);
	if (!rows)
		rows = box;
	for (uint32_t y = 0; y < FONT_HEIGHT * scale; y++, line += screen->stride) {
		uint32_t dots =
		    y / scale == UNDERLINE && cell->flags & CELL_UNDERLINE ? 0xff : rows[y / scale];
		if (scale == 1)
			for (unsigned i = 0; i < 4; i++)
				store_pair(line + (size_t)i * 8, pairs[dots >> (6 - 2 * i) & 3]);
		else
			for (unsigned i = 0; i < 8; i++)
				store_pair(line + (size_t)i * 8, pairs[(dots >> (7 - i) & 1) * 3]);
	}
}

void screen_draw(struct screen *screen, const struct terminal *terminal)
{
	for (uint32_t row = 0; row < terminal->rows; row++) {
		const struct cell *cells = terminal_row(terminal, row);
		bool cursor_here = terminal->cursor_visible && terminal->cursor.row == row;
		for (uint32_t column = 0; column < terminal->columns; column++) {
			struct cell cell = cells[column];
			if (cursor_here && terminal->cursor.column == column)
				cell.flags |= CELL_CURSOR;
			if (__builtin_memcmp(&cell, &screen->shown[row][column], CELL_BYTES) == 0)
				continue;
			screen->shown[row][column] = cell;
			draw_cell(screen, column, row, &cell);
		}
	}
}
