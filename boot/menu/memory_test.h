/* The memory test of Holon's menu: every word of a range holds what was written, after the whole range was. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* COUNT words are written and read, by their places, their complements, and two patterns. BETWEEN is called between writing and reading,
 * with the pass (0 to 3). The first wrong word's index, or COUNT. */
size_t memory_test(volatile uint64_t *words, size_t count, void (*between)(unsigned pass));
