/* Draws a terminal's cells into a linear framebuffer of 32-bit pixels.
 *
 * It keeps what it has drawn and redraws only cells that differ, so that a batch of output costs what it
 * changed, and the framebuffer (slow to read) is only written.
 */
#pragma once

#include "terminal.h"

struct screen {
	uint8_t *pixels;
	uint32_t width, height, stride; /* pixels, pixels, bytes */
	uint32_t scale;                 /* pixels an edge of a font's dot */
	uint32_t columns, rows;         /* of text that fit, and that a terminal may have */
	uint32_t left, top, right,
	    bottom; /* of what was drawn since screen_drawn: pixels; LEFT is not below RIGHT: nothing */
	uint32_t palette[256];
	struct cell shown[TERMINAL_ROWS_MAX][TERMINAL_COLUMNS_MAX];
};

/* RED_FIRST: red is in the lowest byte of a pixel, not blue. Clears the screen. False where not even 2 x 2
 * characters fit. */
bool screen_init(struct screen *screen, void *pixels, uint32_t width, uint32_t height, uint32_t stride,
                 bool red_first);
/* Shows TERMINAL, which must not be larger than columns x rows. */
void screen_draw(struct screen *screen, const struct terminal *terminal);
/* The part that was drawn since the last call; false: nothing was. */
bool screen_drawn(struct screen *screen, uint32_t *x, uint32_t *y, uint32_t *width, uint32_t *height);
/* Forgets what is on the screen: clears it, and the next screen_draw draws everything. */
void screen_clear(struct screen *screen);
