/* For fuzzers: a store of BLOCKS blocks in memory, and one of the same size to begin from. Include once, with BLOCKS defined. */
#pragma once

#include <errno.h>
#include <string.h>
#include "holonfs.h"

static uint8_t base[BLOCKS][HOLONFS_BLOCK], image[BLOCKS][HOLONFS_BLOCK];

static int read_image(void *context, uint64_t block, uint64_t count, void *buffer)
{
	(void)context;
	if (block > BLOCKS || count > BLOCKS - block)
		return -EINVAL;
	memcpy(buffer, image[block], count * HOLONFS_BLOCK);
	return 0;
}

static int write_image(void *context, uint64_t block, uint64_t count, const void *buffer)
{
	(void)context;
	if (block > BLOCKS || count > BLOCKS - block)
		return -EINVAL;
	memcpy(image[block], buffer, count * HOLONFS_BLOCK);
	return 0;
}

static int discard_image(void *context, uint64_t block, uint64_t count)
{
	(void)context;
	if (block > BLOCKS || count > BLOCKS - block)
		return -EINVAL;
	memset(image[block], 0, count * HOLONFS_BLOCK);
	return 0;
}

static int flush_image(void *context)
{
	(void)context;
	return 0;
}

static int fixed_random(void *buffer, size_t bytes)
{
	memset(buffer, 7, bytes);
	return 0;
}

static const struct store store = {.blocks = BLOCKS,
                                   .read = read_image,
                                   .write = write_image,
                                   .discard = discard_image,
                                   .flush = flush_image,
                                   .commit = flush_image};
