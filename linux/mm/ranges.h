/* Allocation of address ranges: free ranges in an array sorted by address, neighbours joined. */
#pragma once

#include <stdint.h>

#define RANGES_MAX 2048

struct ranges {
	uint32_t count;
	struct {
		uint64_t start, end;
	} free[RANGES_MAX];
};

void ranges_init(struct ranges *ranges, uint64_t start, uint64_t end);
/* First fit of BYTES at a multiple of ALIGNMENT (a power of two); 0 when there is none. */
uint64_t ranges_take(struct ranges *ranges, uint64_t bytes, uint64_t alignment);
/* START and BYTES as they were taken. When the array is full the addresses are lost, nothing else. */
void ranges_put(struct ranges *ranges, uint64_t start, uint64_t bytes);
