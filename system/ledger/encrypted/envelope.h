/*
 * An encrypted payload: the envelope that is ordered before anyone can read it. A fresh key K encrypts the payload; K is
 * shared with threshold f+1 (Shamir over GF(2^8), bytewise) and each validator's share goes to it by ML-KEM-768. Every
 * random choice is derived from K: so whoever holds K can make the whole envelope again, and equality proves it valid
 * to everyone alike. Each share is committed to by a hash: a wrong share is recognised, whoever sends it.
 *
 *   kind 0x71, form 1, epoch 8, members 8 (bit mask), size 4, commitment 32,
 *   for each member, ascending: ML-KEM ciphertext 1088, masked share 32, share hash 32,
 *   ciphertext `size`, tag 16
 *
 * Of two forms: one payload, or a bundle, which is several of one client under one key: their sizes 4 and bytes, one after the other.
 * A bundle costs what one envelope costs.
 *
 * docs/encrypted-mempool.md says what this hides and what it does not.
 */
#ifndef LEDGER_ENCRYPTED_ENVELOPE_H
#define LEDGER_ENCRYPTED_ENVELOPE_H

#include "crypto/aead.h"
#include "crypto/mlkem.h"
#include "ledger/dag/types.h"

#define ENVELOPE_KIND       0x71
#define ENVELOPE_KEY        32
#define ENVELOPE_HEAD       54
#define ENVELOPE_ENTRY      (MLKEM768_CT_SIZE + 64)
#define ENVELOPE_MAX_PLAIN  (64u << 10)
#define ENVELOPE_MAX_BUNDLE 1024 /* payloads of one bundle */

enum envelope_form {
	ENVELOPE_ONE = 1,
	ENVELOPE_BUNDLE = 2,
};

struct envelope_keys {
	uint64_t epoch, members;
	const uint8_t (*kem)[MLKEM768_EK_SIZE]; /* by validator number */
};

struct envelope_view {
	uint64_t epoch, members;
	uint32_t size;
	enum envelope_form form;
	const uint8_t *commitment, *entries, *ciphertext;
};

/* Bytes of the envelope of a payload for so many members. */
size_t envelope_size(unsigned members, size_t plain_size);

/*
 * Encrypts a payload or a bundle; `key` is 32 fresh random bytes, never used twice. `out` has envelope_size() bytes. CRYPTO_BAD_LENGTH: the payload
 * is empty or over ENVELOPE_MAX_PLAIN; CRYPTO_BAD_KEY: a member's key.
 */
enum crypto_status envelope_seal(const struct envelope_keys *keys, const uint8_t key[ENVELOPE_KEY],
                                 enum envelope_form form, const uint8_t *plain, size_t plain_size,
                                 uint8_t *out) CRYPTO_MUST_CHECK;

/* Checks the form alone, and that it is for these members and this epoch: a verdict everyone shares. */
bool envelope_decode(const uint8_t *in, size_t size, uint64_t epoch, uint64_t members,
                     struct envelope_view *out);

/* A bundle's payloads, one after the other: `*at` begins at its first byte. NULL at the end, and where it is malformed. */
const uint8_t *envelope_bundle_next(const uint8_t **at, const uint8_t *end, uint32_t *size);
/* How many payloads the bundle has; 0: it is malformed, and nothing of it counts. */
unsigned envelope_bundle_count(const uint8_t *plain, size_t plain_size);

/* Our share of it. False: what was sent to us is not what the hash commits to. */
bool envelope_share(const struct envelope_view *view, const uint8_t *in, unsigned validator,
                    const uint8_t dk[MLKEM768_DK_SIZE], uint8_t share[ENVELOPE_KEY]);
/* Whether the share is the one that `validator` was to get, by its hash. */
bool envelope_share_fits(const struct envelope_view *view, unsigned validator,
                         const uint8_t share[ENVELOPE_KEY]);

/* The key from f+1 fitting shares of different validators. */
void envelope_combine(const uint8_t (*shares)[ENVELOPE_KEY], const uint8_t *validators, unsigned count,
                      uint8_t key[ENVELOPE_KEY]);

/*
 * Opens with a key: true, with the payload (view->size bytes) in `plain`, only if the key makes the whole envelope again. This
 * verdict is the same for everyone who has the key.
 */
bool envelope_open(const struct envelope_view *view, const uint8_t *in, size_t size,
                   const struct envelope_keys *keys, const uint8_t key[ENVELOPE_KEY], uint8_t *plain);

#endif
