/* See panel.h. */
#include "panel.h"

#include <holon/device.h>
#include "device.interface.h"
#include "screen.interface.h"

#define CALL_NS       1000000000ull
#define PICTURE_BYTES (6u << 20) /* of the console's memory, at most */
#define WIDTH_ELSE    1024u      /* of a screen that is larger */
#define HEIGHT_ELSE   768u

static uint64_t deadline(void)
{
	return clock_ns() + CALL_NS;
}

void panel_found(struct panel *panel, const char *name)
{
	if (!panel->channel &&
	    device_open(panel->devices, panel->page, name, &panel->channel, deadline()) < 0)
		panel->channel = 0;
}

/* The size of the screen, of which the driver tells from now on when it changes. */
static bool watch(struct panel *panel, uint32_t *width, uint32_t *height, uint32_t *shown)
{
	int64_t event = cap_copy(panel->event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, panel->bit);

	if (event < 0)
		return false;
	if (screen_watch(panel->channel, panel->page, (handle_t)event, panel->bit, width, height, shown,
	                 deadline()) < 0) {
		cap_delete((handle_t)event);
		return false;
	}
	if (!*width || !*height || *width > SCREEN_SIDE_MAX || *height > SCREEN_SIDE_MAX ||
	    (uint64_t)*width * *height * 4 > PICTURE_BYTES) {
		*width = WIDTH_ELSE;
		*height = HEIGHT_ELSE;
	}
	return true;
}

static bool show(struct panel *panel)
{
	int64_t copy = cap_copy(panel->memory, RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0);

	if (copy < 0)
		return false;
	if (screen_picture(panel->channel, panel->page, (handle_t)copy, panel->width, panel->height,
	                   deadline()) >= 0)
		return true;
	cap_delete((handle_t)copy); /* nothing where it went over */
	return false;
}

bool panel_look(struct panel *panel)
{
	uint32_t width, height, shown;

	if (!panel->channel)
		return false;
	if (!watch(panel, &width, &height, &shown)) { /* to be found again */
		cap_delete(panel->channel);
		panel->channel = 0;
		panel->good = false;
		return false;
	}
	bool other = width != panel->width || height != panel->height;
	if (!other && shown) {
		panel->good = true;
		return false;
	}
	if (!panel->pixels)
		panel->pixels = window_allocate(PICTURE_BYTES, &panel->memory);
	if (!panel->pixels)
		return false;
	panel->width = width;
	panel->height = height;
	panel->good = show(panel);
	return other;
}

void panel_update(struct panel *panel, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
	if (panel->good && screen_update(panel->channel, panel->page, x, y, width, height, deadline()) < 0)
		panel->good = false;
}
