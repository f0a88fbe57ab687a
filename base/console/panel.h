/* A screen that a driver shows (abi/screen.interface), for machines without a framebuffer. The picture is the console's own memory, so that
 * it outlives the driver; the next one is given it again. */
#pragma once

#include <holon.h>

struct panel {
	handle_t devices, event; /* devmgr; the console's event, which gets: */
	uint64_t bit;            /* the screen's size has changed */
	struct thread_page *page;
	handle_t channel; /* 0: none was found */
	handle_t memory;
	uint8_t *pixels;
	uint32_t width, height;
	bool good; /* the driver shows what is in PIXELS */
};

/* NAME is a screen of devmgr's: it is taken where there is none yet. */
void panel_found(struct panel *panel, const char *name);
/* Asks the screen for its size, and shows the picture where its driver has forgotten it. True: the size is another than before, and
 * the picture is to be drawn anew. */
bool panel_look(struct panel *panel);
/* That part of the picture was drawn. */
void panel_update(struct panel *panel, uint32_t x, uint32_t y, uint32_t width, uint32_t height);
