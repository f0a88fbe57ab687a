/*
 * The words of the consensus core: validators, rounds, references, limits, quorums.
 *
 * Validators have stable numbers below DAG_MAX_VALIDATORS; the committee of an epoch is the set of those that
 * vote in it. Sets of validators are bit masks. A *vertex* is a header (certified mode) or block (uncertified
 * mode) that has its place in the DAG; a reference names one by round, author and digest.
 */
#ifndef LEDGER_DAG_TYPES_H
#define LEDGER_DAG_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DAG_MAX_VALIDATORS 64
#define DAG_DIGEST_SIZE    32
#define DAG_ROOT_SIZE      32 /* of the application's state */

/* Rounds: what is more than GC_DEPTH below the last committed leader is never ordered; RETAIN more are kept
 * for peers. */
#define DAG_GC_DEPTH 50
#define DAG_RETAIN   150
#define DAG_WINDOW   512 /* slots of rounds, a power of two; proposing stops where the window ends */
#define DAG_AHEAD    100 /* headers of rounds further ahead of our own are not taken */

/* Limits of one header, vote message and batch; decoders refuse more. */
#define DAG_MAX_BATCHES        256
#define DAG_MAX_WEAK           32
#define DAG_MAX_VOTES          256
#define DAG_MAX_SIGNATURE_SIZE 4096
#define DAG_MAX_BATCH_SIZE     (1u << 20)
#define DAG_MAX_MESSAGE_SIZE   (2u << 20)
#define DAG_MAX_REQUESTS       64 /* references in one request */

/* What peers can make us keep: unordered batches of one author. */
#define DAG_MAX_AUTHOR_BATCHES     4096
#define DAG_MAX_AUTHOR_BATCH_BYTES (96u << 20)
/* Ordered batches stay in memory for peers up to this; beyond it they are read from the log. */
#define DAG_KEEP_BATCH_BYTES (48u << 20)

struct dag_digest {
	uint8_t bytes[DAG_DIGEST_SIZE];
};

static inline bool digest_equal(const struct dag_digest *a, const struct dag_digest *b)
{
	return !memcmp(a, b, sizeof(*a));
}

struct dag_ref {
	uint64_t round;
	uint16_t author;
	struct dag_digest digest;
};

enum dag_mode {
	DAG_CERTIFIED,   /* Narwhal's headers, votes and certificates; Bullshark's commit rule */
	DAG_UNCERTIFIED, /* blocks that vote by their links; Mysticeti's commit rule */
};

/* A committee's arithmetic. `size` is the number of bits of `members`. */
struct dag_committee {
	uint64_t epoch;
	uint64_t members;
	unsigned size;
};

static inline unsigned set_size(uint64_t set)
{
	return (unsigned)__builtin_popcountll(set);
}

static inline uint64_t set_of(unsigned validator)
{
	return (uint64_t)1 << validator;
}

/* At most this many of `size` validators may lie. */
static inline unsigned committee_faults(unsigned size)
{
	return (size - 1) / 3;
}

/* Any two quorums share an honest validator. */
static inline unsigned committee_quorum(unsigned size)
{
	return 2 * size / 3 + 1;
}

/* At least one honest validator; meets every quorum. */
static inline unsigned committee_validity(unsigned size)
{
	return committee_faults(size) + 1;
}

#endif
