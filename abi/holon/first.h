/* The first unit's program: a flat image, page by page as it lies in memory, so that the kernel maps it where
 * the loader put it and copies nothing. lib/holon/native.ld makes every native program's image begin with
 * this header.
 */
#pragma once

#include <stdint.h>

#define FIRST_MAGIC 0x5453524946484c48ull

/* Offsets from the image's start, multiples of 4096, none before the one above it. What is zero at the start
 * is part of the image. The image is mapped at FIRST_BASE. */
struct first_image {
	uint64_t magic;
	uint64_t entry;  /* virtual address */
	uint64_t rodata; /* code, which begins with this header, ends here; then data that is only read */
	uint64_t data;   /* data that is written begins here */
	uint64_t end;
};
#define FIRST_BASE 0x400000010000ull
