/* A system on trial on a disk that holds a good one beside it (the boot words "trial fallback", which the loader adds) and does not show in time
 * that it works: the machine is restarted, so that after its tries the good one is back with nobody's help. The kernel and the steward must
 * live for that; what hangs them is left to a person. */
#pragma once

#include <holon.h>
#include <holon/handoff.h>

#define TRIAL_BIT (1ull << 62) /* of the steward's event */

/* Begins the time of a trial, where this is one: five minutes, or of a development image what its word "trial-limit=SECONDS" says. */
void trial_begin(const struct handoff *boot, handle_t event);
/* It works. */
void trial_passed(void);
/* TRIAL_BIT came: restarts the machine unless it works. */
void trial_look(void);
