/* The pins of devmgr: made and kept here, so that what a device may still write to stays pinned when devmgr or
 * a driver dies. */
#pragma once

#include <holon.h>

#define PINS_MAX       2048u
#define PINS_PAGES_MAX 256u

/* Pins BYTES of MEMORY at OFFSET by the right of SYSTEM; their addresses are left in the thread page. *PIN names it. */
int64_t pins_make(handle_t system, handle_t memory, uint64_t offset, uint64_t bytes, uint64_t *pin);
/* PIN, or 0 for all that were made before the last pins_epoch. */
int64_t pins_end(uint64_t pin);
/* devmgr starts anew. */
void pins_epoch(void);
