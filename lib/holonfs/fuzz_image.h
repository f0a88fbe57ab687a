/* For fuzzers: a store of BLOCKS blocks in memory that can be put back to what it was, and that fails when it is told to. Include
 * once, with BLOCKS defined. */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fuzz_faults.h"
#include "holonfs.h"

static uint8_t image[BLOCKS][HOLONFS_BLOCK];
static bool touched[BLOCKS]; /* written since image_reset() */

/* Which of the store's calls of a kind fails. */
static struct {
	unsigned read, write, discard, flush;
	int status;
} fault;

static int read_image(void *context, uint64_t block, uint64_t count, void *buffer)
{
	(void)context;
	if (block > BLOCKS || count > BLOCKS - block)
		return -EINVAL;
	if (fails(&fault.read))
		return -EIO;
	memcpy(buffer, image[block], count * HOLONFS_BLOCK);
	return 0;
}

static int write_image(void *context, uint64_t block, uint64_t count, const void *buffer)
{
	(void)context;
	if (block > BLOCKS || count > BLOCKS - block)
		return -EINVAL;
	if (fails(&fault.write))
		return fault.status;
	memcpy(image[block], buffer, count * HOLONFS_BLOCK);
	memset(&touched[block], true, count);
	return 0;
}

static int discard_image(void *context, uint64_t block, uint64_t count)
{
	(void)context;
	if (block > BLOCKS || count > BLOCKS - block)
		return -EINVAL;
	if (fails(&fault.discard))
		return fault.status;
	memset(image[block], 0, count * HOLONFS_BLOCK);
	memset(&touched[block], true, count);
	return 0;
}

static int flush_image(void *context)
{
	(void)context;
	return fails(&fault.flush) ? -EIO : 0;
}

/* The store holds BASE, and nothing fails. */
static void image_reset(uint8_t (*base)[HOLONFS_BLOCK])
{
	static uint8_t(*last)[HOLONFS_BLOCK];
	for (unsigned i = 0; i < BLOCKS; i++)
		if (touched[i] || base != last)
			memcpy(image[i], base[i], HOLONFS_BLOCK);
	last = base;
	memset(touched, 0, sizeof(touched));
	memset(&fault, 0, sizeof(fault));
	memory_fault = 0;
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
