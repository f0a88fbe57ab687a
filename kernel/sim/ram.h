/* RAM of the simulated machine. */
#pragma once

#include <stddef.h>

/* BYTES of memory; aborts when there is none. */
void *ram_create(size_t bytes);
