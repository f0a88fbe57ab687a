/* Two slots of a disk that Holon was installed on, and which of them starts. The loader and the installer share this.
 *
 * A slot is a partition that holds one bundle (abi/holon/bundle.h) from its first byte on. What is known of both stands in a record of
 * one sector, kept twice in a partition of its own, SLOTS_COPY_BYTES apart; the valid copy with the higher sequence counts. A new
 * record goes over the other copy, so that a write which is cut off leaves the one that counted. Nothing in the record is
 * trusted: it says only in which order slots are tried, and each is verified before it runs. So a disk whose record is lost
 * still starts.
 *
 * A slot that has not shown that it works (good) has a number of tries, one of which the loader takes before each start; with the
 * last one gone, the other slot's turn comes.
 *
 *   0 "HolonSlt"   8 version (4)   12 zero (4)   16 sequence (8)
 *   24, 40 a slot: priority (1), tries (1), good (1), zero (5), bundle's bytes (8)
 *   56 zero   480 BLAKE3 of the bytes before
 *
 * Numbers are little-endian. Freestanding, without allocation.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	SLOTS = 2,
	SLOTS_RECORD_BYTES = 512,
	SLOTS_COPIES = 2,
	SLOTS_COPY_BYTES = 4096, /* what a disk writes in one piece is no larger */
	SLOTS_PRIORITY_MAX = 15,
	SLOTS_TRIES = 3, /* of a new image */
};

struct slot {
	uint8_t
	    priority; /* 0: there is nothing in it, or something half written; else the higher one's turn is first */
	uint8_t tries;  /* starts that are left to one that is not good */
	bool good;      /* it has shown that it works */
	uint64_t bytes; /* of its bundle */
};

struct slots {
	uint64_t sequence; /* 0: no record was found */
	struct slot slot[SLOTS];
	unsigned copy; /* the one that it was read from */
};

/* Types of partitions, as they lie on the disk: a slot (A is the first of a disk, B the second), the record's. */
extern const uint8_t slots_type_slot[16], slots_type_record[16];

/* Reads one copy; false: it is none. */
bool slots_parse(struct slots *slots, const uint8_t record[SLOTS_RECORD_BYTES]);
void slots_format(uint8_t record[SLOTS_RECORD_BYTES], const struct slots *slots);
/* What both copies say together. With neither good, both slots may hold something, and neither is known to be good: sequence 0. */
void slots_read(struct slots *slots, const uint8_t first[SLOTS_RECORD_BYTES],
                const uint8_t second[SLOTS_RECORD_BYTES]);
/* Makes the next record of SLOTS; the copy to write it to. */
unsigned slots_next(struct slots *slots, uint8_t record[SLOTS_RECORD_BYTES]);

/* The slot to try next, of those not in the mask TRIED: by priority, those that are good or have tries left; at last, rather than
 * none, any. -1: all were tried. */
int slots_pick(const struct slots *slots, unsigned tried);
/* Whether a start of SLOT is a trial, which takes one of its tries. */
bool slots_on_trial(const struct slots *slots, unsigned slot);

/* What the installer does to SLOT. */
void slots_clear(struct slots *slots, unsigned slot); /* before it is written */
void slots_offer(struct slots *slots, unsigned slot,
                 uint64_t bytes); /* written and read back: its turn is first, on trial */
void slots_confirm(struct slots *slots, unsigned slot); /* it has shown that it works */
/* SLOT's turn is first from now on, and the other's, if it had one, comes after it. */
void slots_prefer(struct slots *slots, unsigned slot);
