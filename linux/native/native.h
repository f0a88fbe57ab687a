/* Holon's own calls for guests (abi/holon/guest_calls.h). */
#pragma once

#include <stdint.h>

struct guest_state;

/* Answers call NUMBER of the reserved range with the arguments in STATE. Personality lock held. */
int64_t holon_call(uint64_t number, const struct guest_state *state);
