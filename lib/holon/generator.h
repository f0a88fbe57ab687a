/* A unit's own random generator: ChaCha20 (RFC 8439, section 2.3) whose key is replaced after each use, so that what was given out
 * cannot be found from what is here ("fast key erasure", D. J. Bernstein, 2017). Seeded by the entropy service (abi/entropy.interface),
 * anew every GENERATOR_RESEED_NS, and before the next use when the unit was cloned, restored or moved: then its creator changes
 * the word "generation", which the unit sees read-only.
 *
 * One caller at a time.
 */
#pragma once

#include "holon.h"

#define GENERATOR_RESEED_NS (60ull * 1000000000ull)

struct generator {
	uint32_t key[8];
	handle_t service;                    /* 0: there is none, so it never becomes ready */
	const volatile uint64_t *generation; /* 0: the unit is never cloned */
	uint64_t seen;                       /* the generation of the last seed */
	uint64_t next_ns;                    /* when the next seed is due */
	bool seeded;
};

struct generator_seed {
	uint64_t words[4];
	uint64_t generation;
};

/* Finds the capabilities "entropy" and "generation". Draws are possible and may be guessed until it is ready. */
void generator_init(struct generator *generator, const struct start_info *info);
/* True while no new seed is due. */
bool generator_fresh(const struct generator *generator);
/* A seed from the service, with one call that may take a second, to be put in by generator_seed(); E_BUSY: the service has not
 * gathered enough. Changes nothing of GENERATOR, so that it needs no lock. */
int64_t generator_fetch(const struct generator *generator, struct thread_page *page,
                        struct generator_seed *seed);
/* Puts in what generator_fetch gave with RESULT, and wipes it. True: GENERATOR holds 256 bits of its generation, and nothing drawn from
 * here on repeats what a clone draws. False: keys must not be made yet; try again later. A service that is away does not unseed what
 * was seeded in the same generation. */
bool generator_put(struct generator *generator, struct generator_seed *seed, int64_t result);
/* The three in one: true at once where no seed is due. */
bool generator_ready(struct generator *generator, struct thread_page *page);
/* BYTES random bytes; never fails and asks nobody. */
void generator_draw(struct generator *generator, void *to, size_t bytes);
