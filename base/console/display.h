/* The screen half of the console: a terminal, drawn into the machine's framebuffer, where there is one. */
#pragma once

#include <holon.h>
#include "panel.h"
#include "screen.h"

struct display {
	bool present;
	bool raw; /* what is written comes from no tty */
	bool dirty;
	bool lent; /* another draws */
	struct terminal terminal;
	struct screen screen;
	struct panel panel; /* where the machine has no framebuffer: a driver's */
};

/* Takes the capability "framebuffer" and the argument "framebuffer=WIDTH,HEIGHT,STRIDE,FORMAT"
 * (lib/manifest/manifest.h). RAW: what is written comes from no tty. */
void display_init(struct display *display, const struct start_info *info, bool raw);
/* A driver's screen, where one was found, may be there, of another size, or its driver another one than before. True: its size has changed. */
bool display_look(struct display *display);
/* Limits the terminal to the size that programs are told; 0: as large as the screen. */
void display_resize(struct display *display, uint32_t columns, uint32_t rows);
void display_write(struct display *display, const uint8_t *bytes, uint32_t count);
/* Another draws from now on, or no longer: then the terminal is shown again. False: there is no screen. */
bool display_lend(struct display *display, bool lent);
/* Shows what was written since. */
void display_update(struct display *display);
