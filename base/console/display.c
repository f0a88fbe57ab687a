/* See display.h. */
#include "display.h"
#include <holon/handoff.h>
#include <text.h>
#include "control.h"

#define ARGUMENT "framebuffer="

static const char *argument_find(const struct start_info *info)
{
	for (const char *word = info->arguments; *word; word += strlen(word) + 1)
		if (strncmp(word, ARGUMENT, sizeof(ARGUMENT) - 1) == 0)
			return word + sizeof(ARGUMENT) - 1;
	return 0;
}

void display_init(struct display *display, const struct start_info *info, bool raw)
{
	uint64_t bytes = 0;
	uint32_t numbers[4]; /* width, height, stride, format */
	handle_t memory = start_find(info, "framebuffer", &bytes);
	display->raw = raw;
	const char *argument = argument_find(info);
	if (!memory || !argument || !control_numbers(argument, numbers, 4))
		return;
	if (numbers[2] / 4 < numbers[0] || (uint64_t)numbers[2] * numbers[1] > bytes)
		return;
	void *pixels = window_map(memory, 0, bytes, MAP_READ | MAP_WRITE);
	if (!pixels || !screen_init(&display->screen, pixels, numbers[0], numbers[1], numbers[2],
	                            numbers[3] == HANDOFF_PIXEL_RGBX))
		return;
	terminal_init(&display->terminal, display->screen.columns, display->screen.rows, raw);
	display->present = true;
	display->dirty = true;
}

bool display_look(struct display *display)
{
	struct panel *panel = &display->panel;
	bool first = !display->present;
	if (!panel_look(panel))
		return false;
	if (!screen_init(&display->screen, panel->pixels, panel->width, panel->height, panel->width * 4,
	                 false)) {
		display->present = false;
		return false;
	}
	if (first)
		terminal_init(&display->terminal, display->screen.columns, display->screen.rows,
		              display->raw);
	display->present = true;
	display->dirty = true;
	return true;
}

void display_resize(struct display *display, uint32_t columns, uint32_t rows)
{
	if (!display->present)
		return;
	const struct screen *screen = &display->screen;
	terminal_resize(&display->terminal, columns && columns < screen->columns ? columns : screen->columns,
	                rows && rows < screen->rows ? rows : screen->rows);
	if (!display->lent)
		screen_clear(&display->screen);
	display->dirty = true;
}

bool display_lend(struct display *display, bool lent)
{
	if (!display->present || display->panel.pixels)
		return false; /* who draws does so into the framebuffer */
	display->lent = lent;
	if (!lent)
		screen_clear(&display->screen);
	display->dirty = true;
	return true;
}

void display_write(struct display *display, const uint8_t *bytes, uint32_t count)
{
	if (!display->present)
		return;
	terminal_write(&display->terminal, bytes, count);
	display->dirty = true;
}

void display_update(struct display *display)
{
	uint32_t x, y, width, height;
	if (display->lent)
		return;
	if (display->dirty)
		screen_draw(&display->screen, &display->terminal);
	display->dirty = false;
	if (display->panel.good && screen_drawn(&display->screen, &x, &y, &width, &height))
		panel_update(&display->panel, x, y, width, height);
}
