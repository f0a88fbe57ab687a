/* The line discipline of a terminal: output processing on the way out, editing, echo and signals on the way
 * in (tty_input), lines or bytes for readers. It knows nothing of files and processes but the foreground
 * group.
 */
#pragma once

#include "tty.h"

/* One byte through output processing; false when the driver has no room for what it becomes. */
bool line_output(struct tty *tty, uint8_t byte);
/* Bytes that may be read now: of ended lines in canonical mode. */
uint32_t line_readable(const struct tty *tty);
/* Moves one line, or in raw mode what there is, to IO. Bytes moved, or an error when there were none. */
int64_t line_read(struct tty *tty, struct io *io);
/* Drops all input. */
void line_flush(struct tty *tty);
/* Takes over WANTED; input on hand becomes readable where the mode changes. */
void line_set_termios(struct tty *tty, const struct linux_termios *wanted);
