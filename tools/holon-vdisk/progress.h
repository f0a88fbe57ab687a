/* A bar on standard error, where that is a terminal. */
#ifndef HOLON_PROGRESS_H
#define HOLON_PROGRESS_H

#include <stdint.h>

void progress(const char *what, uint64_t done, uint64_t total);
/* Takes the bar away, before anything else is said. */
void progress_end(void);

#endif
