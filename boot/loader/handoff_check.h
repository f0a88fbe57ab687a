/* Checking a finished handoff (abi/holon/handoff.h). */
#pragma once

#include <holon/handoff.h>

/* NULL when the handoff keeps every rule of its header, else what is wrong with it. Reads only the struct
 * itself. */
const char *handoff_check(const struct handoff *handoff);
