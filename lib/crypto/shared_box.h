/*
 * Sealed boxes for several keys, or for a passphrase alone: version 2 of sealed_box.h's format.
 *
 *   header  = "HolonBox" || version 2 || kind || count || openers || commitment
 *   opener  = kind 1, a key: X-Wing ciphertext || wrapped secret
 *             kind 2, a passphrase (count is 1): Argon2id memory in KiB, passes, lanes (4 bytes each) || salt (16) ||
 *             wrapped secret
 *   wrapped = the box's secret, 32 random bytes, in ChaCha20-Poly1305 with a nonce of zeros under a key used for this
 *             alone. Kind 1: HKDF-SHA512(secret of X-Wing, salt: label, info: SHA3-256(ciphertext || public key)); kind
 *             2: what Argon2id derives from the passphrase
 *   keys    = HKDF-SHA512(the box's secret, salt: label, info: SHA3-256(header before the commitment || |context| as 8
 *             bytes || context)): 32 bytes of key, 32 of commitment
 *
 * The body is that of version 1. The commitment covers the whole header, so all openers find the same body, and a header
 * with another opener put in, or one taken out, opens for nobody. Openers are not named: who has a key tries each. Whoever
 * can open a box could seal another body for the same openers: a box does not say who made it.
 */
#ifndef CRYPTO_SHARED_BOX_H
#define CRYPTO_SHARED_BOX_H

#include "argon2id.h"
#include "sealed_box.h"

enum shared_box_kind { SHARED_BOX_KEYS = 1, SHARED_BOX_PASSPHRASE = 2 };

#define SHARED_BOX_OPENERS_MAX     32
#define SHARED_BOX_SECRET_SIZE     32
#define SHARED_BOX_SALT_SIZE       16
#define SHARED_BOX_FIXED_SIZE      11
#define SHARED_BOX_WRAPPED_SIZE    (SHARED_BOX_SECRET_SIZE + AEAD_TAG_SIZE)
#define SHARED_BOX_KEY_SIZE        (HYBRID_KEM_CT_SIZE + SHARED_BOX_WRAPPED_SIZE)
#define SHARED_BOX_PASSPHRASE_SIZE (12 + SHARED_BOX_SALT_SIZE + SHARED_BOX_WRAPPED_SIZE)
#define SHARED_BOX_HEADER_MAX                                                                                \
	(SHARED_BOX_FIXED_SIZE + SHARED_BOX_OPENERS_MAX * SHARED_BOX_KEY_SIZE + SEALED_BOX_COMMIT_SIZE)

/* The size of a header by its first SHARED_BOX_FIXED_SIZE bytes; 0: of no box of this version. */
size_t shared_box_header_size(const uint8_t fixed[SHARED_BOX_FIXED_SIZE]);
enum shared_box_kind shared_box_kind(const uint8_t fixed[SHARED_BOX_FIXED_SIZE]);

/*
 * Starts a box for COUNT public keys of HYBRID_KEM_PK_SIZE bytes and writes its header. `random`: SHARED_BOX_SECRET_SIZE
 * bytes, then SEALED_BOX_RANDOM_SIZE for each key, all fresh. Goes on with sealed_box_seal_chunk(). CRYPTO_BAD_ARGUMENT:
 * no key, or too many; CRYPTO_BAD_KEY: one fails its check.
 */
enum crypto_status shared_box_seal_keys(struct sealed_box *box, const uint8_t *const *keys, size_t count,
                                        const void *context, size_t context_size, const uint8_t *random,
                                        uint8_t header[SHARED_BOX_HEADER_MAX],
                                        size_t *header_size) CRYPTO_MUST_CHECK;
/*
 * The same for a passphrase. `random`: SHARED_BOX_SECRET_SIZE and SHARED_BOX_SALT_SIZE bytes. CRYPTO_BAD_ARGUMENT: a cost
 * beyond keyfile.h's bounds; CRYPTO_NO_MEMORY.
 */
enum crypto_status
shared_box_seal_passphrase(struct sealed_box *box, const struct argon2id_cost *cost, const void *passphrase,
                           size_t passphrase_size, const void *context, size_t context_size,
                           const uint8_t random[SHARED_BOX_SECRET_SIZE + SHARED_BOX_SALT_SIZE],
                           uint8_t header[SHARED_BOX_HEADER_MAX], size_t *header_size) CRYPTO_MUST_CHECK;

/*
 * Starts opening a box of either kind; goes on with sealed_box_open_chunk(). CRYPTO_BAD_LENGTH: the header;
 * CRYPTO_BAD_ENCODING: of no box of this version and kind; CRYPTO_BAD_KEY: sealed for other keys or with another context,
 * or a damaged header; CRYPTO_BAD_PASSPHRASE: the same for a passphrase; CRYPTO_BAD_ARGUMENT: asks for a cost beyond
 * keyfile.h's bounds.
 */
enum crypto_status shared_box_open_key(struct sealed_box *box, const struct hybrid_kem_key *key,
                                       const void *context, size_t context_size, const uint8_t *header,
                                       size_t header_size) CRYPTO_MUST_CHECK;
enum crypto_status shared_box_open_passphrase(struct sealed_box *box, const void *passphrase,
                                              size_t passphrase_size, const void *context,
                                              size_t context_size, const uint8_t *header,
                                              size_t header_size) CRYPTO_MUST_CHECK;

#endif
