/* Starting the first unit, and what concerns the machine as a whole. */
#pragma once

#include <holon/handoff.h>

/* Bytes one SYS_LOG_WRITE may write: a serial port is slow. */
#define LOG_WRITE_MAX 1024u
#define LOG_SLICE     80u /* a line, which no other CPU's breaks into */

/* Builds the first unit from the "steward" module, with all capabilities there are, and starts its thread. A
 * module that is not a sound program stops the boot with the reason. On the first CPU, when all others are
 * online. */
void first_unit_start(struct handoff *handoff);
