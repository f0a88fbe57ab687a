/* Little-endian numbers at any address, as disks hold them. */
#pragma once

#include <stdint.h>
#include <string.h>

static inline uint16_t get16(const void *at)
{
	uint16_t value;
	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint32_t get32(const void *at)
{
	uint32_t value;
	memcpy(&value, at, sizeof(value));
	return value;
}

static inline uint64_t get64(const void *at)
{
	uint64_t value;
	memcpy(&value, at, sizeof(value));
	return value;
}

static inline void put16(void *at, uint16_t value)
{
	memcpy(at, &value, sizeof(value));
}

static inline void put32(void *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static inline void put64(void *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* Big-endian, as ext4's journal holds them. */
static inline uint16_t get16_big(const void *at)
{
	return __builtin_bswap16(get16(at));
}

static inline uint32_t get32_big(const void *at)
{
	return __builtin_bswap32(get32(at));
}

static inline void put16_big(void *at, uint16_t value)
{
	put16(at, __builtin_bswap16(value));
}

static inline void put32_big(void *at, uint32_t value)
{
	put32(at, __builtin_bswap32(value));
}
