/*
 * Argon2id (RFC 9106, version 1.3), by libargon2: keys from passphrases.
 *
 * The one part of the library that allocates: `memory_kib` KiB, through malloc, wiped and freed before it
 * returns. It runs on one thread; lanes only shape the computation.
 */
#ifndef CRYPTO_ARGON2ID_H
#define CRYPTO_ARGON2ID_H

#include "util.h"

#define ARGON2ID_MIN_SALT_SIZE 8
#define ARGON2ID_MIN_OUT_SIZE  4

struct argon2id_cost {
	uint32_t memory_kib; /* at least 8 per lane */
	uint32_t passes;     /* at least 1 */
	uint32_t lanes;      /* 1 to 2^24 - 1 */
};

/* The RFC's second recommended choice but for the lanes: 64 MiB, 3 passes (section 4), about 0.15 s. */
extern const struct argon2id_cost argon2id_default_cost;

/*
 * Derives `out_size` bytes. `secret` (a pepper) and `data` are bound in and may be NULL when empty.
 * CRYPTO_BAD_ARGUMENT: a cost out of its range; CRYPTO_BAD_LENGTH: salt or output too short, or an input of
 * 4 GiB or more; CRYPTO_NO_MEMORY: the allocation failed.
 */
enum crypto_status argon2id(uint8_t *out, size_t out_size, const struct argon2id_cost *cost,
                            const void *passphrase, size_t passphrase_size, const uint8_t *salt,
                            size_t salt_size, const void *secret, size_t secret_size, const void *data,
                            size_t data_size) CRYPTO_MUST_CHECK;

#endif
