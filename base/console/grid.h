/* Cell operations of the terminal, for its interpreter alone. Every argument is clamped to the grid. */
#pragma once

#include "terminal.h"

struct cell *grid_row(struct terminal *terminal, uint32_t row);
/* Blanks columns [FROM, TO) of ROW in the pen's background. */
void grid_blank(struct terminal *terminal, uint32_t row, uint32_t from, uint32_t to);
/* Blanks whole rows [FROM, TO). */
void grid_blank_rows(struct terminal *terminal, uint32_t from, uint32_t to);
/* Moves rows [TOP, BOTTOM) up or down by COUNT; what comes in is blank. */
void grid_scroll_up(struct terminal *terminal, uint32_t top, uint32_t bottom, uint32_t count);
void grid_scroll_down(struct terminal *terminal, uint32_t top, uint32_t bottom, uint32_t count);
/* Opens or closes a gap of COUNT cells at the cursor. */
void grid_insert_cells(struct terminal *terminal, uint32_t count);
void grid_delete_cells(struct terminal *terminal, uint32_t count);
