/* The queues of a block device (abi/block.interface): one memory object with a ring of requests, written by
 * the client, and a ring of completions, written by the device. Each side owns its positions, reads the
 * other's once per use, clamps what it reads and copies an entry before judging it, since the peer may
 * rewrite it at any time.
 *
 * A position counts entries ever put or taken, modulo 2^32; the entry is at position & (entries - 1). The
 * client never has more requests under way than ENTRIES, so that the completion ring cannot overflow; a
 * device that sees more refuses them.
 */
#pragma once

#include <stdint.h>

#define BLOCK_RINGS_MAGIC  0x4b4c4248u
#define BLOCK_ENTRIES_MAX  1024u
#define BLOCK_TRANSFER_MAX (4u << 20) /* bytes a request may move, at most; describe() may say less */

enum block_operation {
	BLOCK_READ = 1,
	BLOCK_WRITE = 2,
	BLOCK_FLUSH = 3,   /* everything completed before is durable */
	BLOCK_DISCARD = 4, /* the contents are no longer needed; later reads give anything old or zeroes */
	BLOCK_ZERO = 5,    /* later reads give zeroes */
};

enum block_request_flag { BLOCK_FORCE = 1 /* a write is durable when it completes */ };

enum block_status {
	BLOCK_DONE = 0,
	BLOCK_BAD_REQUEST = 1, /* out of the range, misaligned, unknown */
	BLOCK_MEDIUM = 2,      /* these sectors cannot be read or written; others may */
	BLOCK_GONE = 3,        /* the device is gone for good */
	BLOCK_READ_ONLY = 4,
	BLOCK_NO_SPACE = 5, /* a thin device is full */
	BLOCK_UNSUPPORTED = 6,
};

struct block_request {
	uint64_t tag; /* the client's, returned in the completion */
	uint64_t sector;
	uint64_t data_offset; /* into the data object; a multiple of the device's alignment */
	uint32_t sectors;
	uint8_t operation;
	uint8_t flags;
	uint16_t reserved;
};

struct block_completion {
	uint64_t tag;
	uint32_t status; /* enum block_status */
	uint32_t reserved;
};

struct block_rings {
	uint32_t magic;
	uint32_t entries;
	uint32_t reserved0[14];
	volatile uint32_t request_put; /* the client's */
	volatile uint32_t completion_taken;
	uint32_t reserved1[14];
	volatile uint32_t request_taken; /* the device's */
	volatile uint32_t completion_put;
	uint32_t reserved2[14];
	/* then ENTRIES struct block_request, then ENTRIES struct block_completion */
};

#define BLOCK_RINGS_BYTES(entries)                                                                           \
	(sizeof(struct block_rings) +                                                                        \
	 (uint64_t)(entries) * (sizeof(struct block_request) + sizeof(struct block_completion)))

struct block_description {
	uint64_t sectors;
	uint32_t sector_bytes;   /* 512 to 4096: what one write changes or not at all */
	uint32_t physical_bytes; /* what the medium rewrites at once */
	uint32_t transfer_bytes; /* most a request may move */
	uint32_t data_alignment;
	uint32_t flags;       /* BLOCK_HAS_* */
	uint32_t queue_depth; /* more requests than this gain nothing */
	char model[48];       /* NUL-ended, for people */
	char serial[32];
};

enum block_flag {
	BLOCK_HAS_FLUSH = 1, /* there is a cache: without it every completed write is durable */
	BLOCK_HAS_FORCE = 2, /* honoured by the medium; else the driver flushes behind the write */
	BLOCK_HAS_DISCARD = 4,
	BLOCK_IS_READ_ONLY = 8,
	BLOCK_IS_REMOVABLE = 16,
	BLOCK_IS_ROTATING = 32,
};

enum block_range_flag { BLOCK_RANGE_READ_ONLY = 1 };

_Static_assert(sizeof(struct block_request) == 32, "block_request is fixed");
_Static_assert(sizeof(struct block_completion) == 16, "block_completion is fixed");
_Static_assert(sizeof(struct block_rings) == 192, "block_rings is fixed");
