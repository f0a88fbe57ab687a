/* Random programs for the differential tests: they end, print what they compute, and often raise and catch errors. */
#ifndef FLUX_GENERATE_H
#define FLUX_GENERATE_H

#include "source.h"

/* Appends a program to `out`; the same seed gives the same program. `events`: with intentions, timelines and messages. */
void generate_program(struct text *out, uint64_t seed, bool events);

#endif
