/*
 * Both sides of a block queue (abi/holon/block.h): putting and taking entries of the rings.
 *
 * A side trusts nothing that it reads from the shared object: counts are clamped to the ring, and entries are
 * copied out before they are looked at. Functions never wait; a signal is needed when they say so. Not for
 * use by two threads at once.
 */
#ifndef BLOCK_RING_H
#define BLOCK_RING_H

#include <stdbool.h>
#include <stdint.h>
#include "holon/block.h"

/* One side's view: its own position lives here, not in shared memory, which the peer can change. */
struct block_ring {
	struct block_rings *shared;
	uint32_t entries;
	uint32_t put, taken; /* of the ring this side puts into, of the ring it takes from */
};

/* The client lays out RINGS (BLOCK_RINGS_BYTES(entries) bytes, zeroed); ENTRIES is a power of two, at most
 * BLOCK_ENTRIES_MAX. */
void block_ring_create(struct block_ring *client, struct block_rings *rings, uint32_t entries);

/* The device takes what the client laid out. False: not rings of ENTRIES entries in BYTES bytes. */
bool block_ring_attach(struct block_ring *device, struct block_rings *rings, uint64_t bytes,
                       uint32_t entries);

/* The client puts a request. False: ENTRIES are under way. *SIGNAL: the device had seen all others and must
 * be woken. */
bool block_ring_submit(struct block_ring *client, const struct block_request *request, bool *signal);

/* The client takes a completion, if there is one. */
bool block_ring_completed(struct block_ring *client, struct block_completion *completion);

/* The device takes a request, if there is one. */
bool block_ring_take(struct block_ring *device, struct block_request *request);

/* The device answers a request that it took. False: more answers than requests, a fault of the device's own.
 */
bool block_ring_complete(struct block_ring *device, uint64_t tag, enum block_status status, bool *signal);

#endif
