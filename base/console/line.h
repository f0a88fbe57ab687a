/* A terminal on a line that a driver serves (abi/serial.interface), beside COM1: it shows what that shows, and is typed on. Output that it
 * does not take is kept up to a limit, and then waits for it; where it stands still for a second output is lost, so that it holds up no
 * other. */
#pragma once

#include <holon.h>
#include <holon/device.h>

#define LINE_KEPT 8192u /* bytes of output; a power of two */

struct line {
	handle_t devices, event; /* devmgr; the console's event, which gets: */
	uint64_t bit;            /* there is something to read, or room */
	struct thread_page *page;
	handle_t channel; /* 0: none was found */
	uint8_t kept[LINE_KEPT];
	uint32_t put, sent;
	uint64_t moved_at; /* ns: when it last took something, or had taken all */
};

/* NAME is a line of devmgr's: it is taken where there is none yet. */
void line_found(struct line *line, const char *name);
/* Asks to be told: its driver may be another than before. */
void line_look(struct line *line);
/* At most SERIAL_AT_ONCE bytes that were typed. */
uint32_t line_read(struct line *line, uint8_t bytes[SERIAL_AT_ONCE]);
void line_write(struct line *line, const uint8_t *bytes, uint32_t count);
/* Whether output is to wait; *UNTIL, ns, at the latest. */
bool line_waits(const struct line *line, uint64_t *until);
/* Writes what was kept, as far as the line takes it. True: all. */
bool line_flush(struct line *line);
