/* Fuzzes the terminal: after any bytes, in any pieces and at any size, the cursor is inside, the rows are a
 * permutation and every cell can be drawn. The first bytes choose size and mode; 0xff resizes. */
#include <stdlib.h>
#include "screen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct terminal *terminal)
{
	if (terminal->cursor.column >= terminal->columns || terminal->cursor.row >= terminal->rows ||
	    terminal->top >= terminal->bottom || terminal->bottom > terminal->rows ||
	    terminal->answer_bytes > sizeof(terminal->answer) ||
	    terminal->parameter_count > TERMINAL_PARAMETERS_MAX || terminal->grid > 1)
		abort();
	for (unsigned grid = 0; grid < 2; grid++) {
		bool seen[TERMINAL_ROWS_MAX] = {false};
		for (unsigned row = 0; row < TERMINAL_ROWS_MAX; row++) {
			if (seen[terminal->order[grid][row]])
				abort();
			seen[terminal->order[grid][row]] = true;
		}
	}
	for (uint32_t row = 0; row < terminal->rows; row++)
		for (uint32_t column = 0; column < terminal->columns; column++)
			if (terminal_row(terminal, row)[column].code < 0x20)
				abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct terminal terminal;
	static struct screen screen;
	static uint8_t pixels[40 * 8 * 16 * 16 * 4];
	if (size < 3)
		return 0;
	if (!screen.columns && !screen_init(&screen, pixels, 40 * 8, 16 * 16, 40 * 8 * 4, false))
		abort();
	terminal_init(&terminal, data[0] % 41, data[1] % 17, data[2] & 1);
	for (size_t i = 3; i < size; i++) {
		if (data[i] == 0xff && i + 2 < size) {
			terminal_resize(&terminal, data[i + 1] % 41, data[i + 2] % 17);
			i += 2;
			check(&terminal);
		} else {
			terminal_write(&terminal, data + i, 1);
		}
	}
	check(&terminal);
	screen_draw(&screen, &terminal);
	return 0;
}
