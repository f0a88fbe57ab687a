/* A disk that Holon was installed on: two slots, and the record of which starts (lib/slots). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Whether the disk that this loader was started from is such a one. Reads, and says nothing. */
bool installed_open(void);
/* Goes on to the next slot to try, of one that is on trial taking a try; false: all were tried. */
bool installed_next(void);
/* Of the slot in use; before the first installed_next, of the one that will be the first. */
const char *installed_name(void);
uint64_t installed_size(void); /* bytes that a bundle in it may have */
bool installed_read(uint64_t offset, void *to, uint64_t size);
/* Whether the slot in use has yet to show that it works. */
bool installed_on_trial(void);
/* Whether the other slot holds what was found good, and was not passed over at this start. */
bool installed_has_other(void);
