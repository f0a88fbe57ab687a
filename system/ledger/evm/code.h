/*
 * Contract code in the form that runs: bytecode is translated once, block by block, into an array of
 * instructions whose gas and stack needs are summed up per basic block, whose constants are decoded and whose
 * static jumps are resolved. Code objects live in a cache by the hash of their bytecode; a cache belongs to
 * one fork.
 */
#ifndef LEDGER_EVM_CODE_H
#define LEDGER_EVM_CODE_H

#include "num/types.h"

#include <pthread.h>

/* In the order in which they came; later ones include what earlier ones brought. */
enum fork { FORK_CANCUN, FORK_PRAGUE, FORK_OSAKA, FORK_COUNT };

struct frame;
struct instruction;

typedef void instruction_handler(const struct instruction *ip, struct u256 *sp, int64_t gas, struct frame *f);

struct instruction {
	instruction_handler *run;
	union {
		uint64_t value; /* constants up to 64 bits; counts; what is left of the block's gas */
		const struct u256 *wide;          /* constants above 64 bits */
		const struct instruction *target; /* a static jump's */
		struct {                          /* the head of a basic block */
			uint32_t gas;             /* all its instructions' fixed costs */
			uint16_t need;            /* items the stack must hold */
			uint16_t range;           /* highest size of the stack at entry, less `need` */
		} block;
		struct { /* of the short fused forms */
			uint32_t a;
			uint32_t b;
		} pair;
	};
};

struct code {
	struct hash32 hash;
	const uint8_t *bytes;
	uint32_t size;
	bool cached;        /* owned by a cache, under `hash` */
	bool is_delegation; /* EIP-7702: 0xef0100 and an address */
	struct address delegate;
	struct instruction *instructions; /* NULL until first run */
	uint32_t
	    *targets; /* by program counter: index of the block that starts there, 0 when it is no JUMPDEST */
	struct u256 *wide; /* the constants of `instructions` */
	struct code *next; /* in its bucket */
};

struct code_cache {
	enum fork fork;
	pthread_mutex_t lock;
	struct code **buckets; /* a power of two of them */
	size_t bucket_count;
	size_t count;
	size_t bytes; /* memory taken, about */
};

void code_cache_init(struct code_cache *cache, enum fork fork);
void code_cache_deinit(struct code_cache *cache);
/* Frees all code. Nobody may hold any. */
void code_cache_clear(struct code_cache *cache);

/* The code with this hash, or NULL when the cache has not got it. Any thread may call the functions below. */
const struct code *code_cache_find(struct code_cache *cache, const struct hash32 *hash);
/* Adds code (copied), whose hash the caller has computed, and returns it. */
const struct code *code_cache_add(struct code_cache *cache, const struct hash32 *hash, const uint8_t *bytes,
                                  size_t size);
/* Makes code ready to run. */
void code_prepare(struct code_cache *cache, const struct code *code);
/* Code that runs once (initcode): not cached, its bytes not copied; code_free() when it ended. */
struct code *code_create_once(const uint8_t *bytes, size_t size, enum fork fork);
void code_free(struct code *code);
/* The empty code. */
extern const struct code code_empty;

/* Analysis (analysis.c): fills in instructions, targets and wide. */
void code_analyse(struct code *code, enum fork fork);

#endif
