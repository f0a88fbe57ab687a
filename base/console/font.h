/* The screen's font, 8 x 16 pixels: Terminus, made into C by make-font at build time. */
#pragma once

#include <stdint.h>

#define FONT_WIDTH  8
#define FONT_HEIGHT 16

struct font_glyph {
	uint16_t code;             /* Unicode */
	uint8_t rows[FONT_HEIGHT]; /* leftmost pixel in the highest bit */
};

extern const struct font_glyph font_glyphs[]; /* by ascending code; the space is among them */
extern const unsigned font_glyph_count;
