/* What the tests of vdisk have in common: devices in memory, a container on them that needs no key, and work at random beside a model of
 * what is in it. */
#ifndef VDISK_TEST_DISK_H
#define VDISK_TEST_DISK_H

#include <sodium.h>
#include <stdio.h>
#include "internal.h"
#include "file_backend.h"
#include "memory_backend.h"

#define BLOCKS 3000u
#define DEVICE (64u << 20)
#define OPEN_KEY                                                                                             \
	{                                                                                                    \
		VDISK_FACTOR_OPEN, VDISK_FACTOR_NONE                                                         \
	}

static int failures;
static struct memory_device devices[VDISK_LEGS_MAX];
static struct vdisk_backend legs[VDISK_LEGS_MAX];
static struct vdisk_config config;
static uint32_t model[BLOCKS]; /* what a block was filled from; 0: nothing */
static uint64_t random_state = 1;

static inline void check(const char *name, bool right)
{
	printf(right ? "ok vdisk: %s\n" : "not ok vdisk: %s - see the check of this name\n", name);
	failures += !right;
}

static inline uint32_t draw(uint32_t below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((random_state >> 33) % below);
}

static inline void fill(uint8_t *block, uint32_t seed)
{
	uint32_t *words = (uint32_t *)(void *)block;
	for (unsigned i = 0; i < VDISK_BLOCK / 4; i++)
		words[i] = seed ? seed * 2654435761u + i : 0;
}

static inline bool is_filled(const uint8_t *block, uint32_t seed)
{
	uint8_t expected[VDISK_BLOCK];
	fill(expected, seed);
	return memcmp(block, expected, VDISK_BLOCK) == 0;
}

static inline void new_devices(unsigned count, uint64_t bytes, bool limited)
{
	for (unsigned i = 0; i < VDISK_LEGS_MAX; i++) {
		free(devices[i].bytes);
		devices[i].bytes = NULL;
	}
	for (unsigned i = 0; i < count; i++)
		legs[i] = memory_backend(&devices[i], bytes, limited);
	config = (struct vdisk_config){
	    .legs = legs, .leg_count = count, .random = host_random, .cache_bytes = VDISK_CACHE_MIN};
}

static inline struct vdisk *make(uint64_t blocks)
{
	static const struct vdisk_credentials none;
	struct vdisk *disk;
	struct vdisk_create create = {.blocks = blocks, .factors = OPEN_KEY};
	return vdisk_create(&disk, &config, &create, &none) == VDISK_OK ? disk : NULL;
}

static inline struct vdisk *reopen(int *status)
{
	static const struct vdisk_credentials none;
	struct vdisk *disk;
	int result = vdisk_open(&disk, &config, &none);
	if (status)
		*status = result;
	return disk;
}

static inline bool matches(struct vdisk *disk, const uint32_t *expected)
{
	static uint8_t buffer[16 * VDISK_BLOCK];
	for (uint64_t block = 0; block < BLOCKS; block += 16) {
		uint64_t count = BLOCKS - block < 16 ? BLOCKS - block : 16;
		if (vdisk_read(disk, block, count, buffer) < 0)
			return false;
		for (uint64_t i = 0; i < count; i++)
			if (!is_filled(buffer + i * VDISK_BLOCK, expected[block + i]))
				return false;
	}
	return true;
}

static inline bool is_sound(struct vdisk *disk)
{
	struct vdisk_report report = {0};
	return vdisk_check(disk, true, false, &report) == VDISK_OK && !report.damaged && !report.leaked &&
	       !report.missing && !report.healed;
}

static inline bool write_some(struct vdisk *disk)
{
	static uint8_t buffer[100 * VDISK_BLOCK];
	uint32_t count = draw(10) ? 1 + draw(4) : 1 + draw(100);
	uint32_t block = draw(BLOCKS - count);
	for (uint32_t i = 0; i < count; i++) {
		model[block + i] = 1 + draw(1u << 30);
		fill(buffer + (size_t)i * VDISK_BLOCK, model[block + i]);
	}
	return vdisk_write(disk, block, count, buffer) == VDISK_OK;
}

static inline bool discard_some(struct vdisk *disk)
{
	uint32_t count = 1 + draw(300);
	uint32_t block = draw(BLOCKS - count);
	memset(&model[block], 0, count * sizeof(model[0]));
	return vdisk_discard(disk, block, count) == VDISK_OK;
}

#endif
