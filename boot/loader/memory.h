/* The loader's picture of physical memory: what firmware reports, overlaid with what the loader placed.
 *
 * Firmware maps may be unsorted, overlap, and have odd bounds. memory_add takes them as they are; where two
 * reports overlap, the more restrictive kind wins. Free memory shrinks to whole pages, everything else grows
 * to them. The map is kept sorted, without overlaps, and merged at all times.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <holon/handoff.h>

struct memory_map {
	uint32_t count;
	bool overflow; /* a range did not fit and was left out (left-out ranges are never free memory) */
	struct handoff_memory ranges[HANDOFF_MEMORY_MAX];
};

/*@ predicate map_good(struct memory_map *map) = map->count <= HANDOFF_MEMORY_MAX;
*/

/* Adds what firmware reports about [base, base + size). */
/*@ requires \valid(map) && map_good(map);
    assigns *map;
    ensures map_good(map);
*/
void memory_add(struct memory_map *map, uint64_t base, uint64_t size, enum handoff_memory_kind kind);
/* Overrides: [base, base + size) is now kind, whatever it was. Page aligned. */
/*@ requires \valid(map) && map_good(map);
    assigns *map;
    ensures map_good(map);
*/
void memory_claim(struct memory_map *map, uint64_t base, uint64_t size, enum handoff_memory_kind kind);
/* The lowest free range of size bytes (rounded up to pages), aligned, within [low, high), and claims it as
 * kind. 0 when there is none. low must not be 0. */
/*@ requires \valid(map) && map_good(map) && align > 0;
    assigns *map;
    ensures map_good(map);
*/
uint64_t memory_allocate(struct memory_map *map, uint64_t size, uint64_t align, uint64_t low, uint64_t high,
                         enum handoff_memory_kind kind);
/* First byte after the last range that is RAM. */
/*@ requires \valid_read(map) && map_good(map);
    assigns \nothing;
*/
uint64_t memory_end(const struct memory_map *map);
