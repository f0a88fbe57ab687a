/*
 * Sealed boxes: data of any length for the holder of a hybrid KEM key, in pieces.
 *
 *   header = "HolonBox" || version 1 || X-Wing ciphertext || commitment
 *   keys   = HKDF-SHA512(secret of X-Wing, salt: label, info: SHA3-256(header before the commitment ||
 *            recipient's public key || |context| as 8 bytes || context)): 32 bytes of key, 32 of commitment
 *   body   = chunks of 65,536 bytes and a last one of 1 to 65,536 bytes (of 0 bytes only when all is empty),
 * each with ChaCha20-Poly1305 and its tag; nonce = 3 zero bytes || 1 if last, else 0 || chunk number (8
 * bytes)
 *
 * The nonce makes it a STREAM (Hoang, Reyhanitabar, Rogaway, Vizar 2015): chunks cannot be dropped, repeated,
 * reordered or added, nor the end cut off, without the damaged chunk being refused. What was opened before
 * that chunk is authentic, but a beginning only: a caller must not act on a box before its last chunk opened.
 * The key is used for one box. The commitment ties the header and the body's key together: no box opens under
 * two keys. A box does not say who made it; sign what must be attributed.
 */
#ifndef CRYPTO_SEALED_BOX_H
#define CRYPTO_SEALED_BOX_H

#include "aead.h"
#include "hybrid_kem.h"

#define SEALED_BOX_CHUNK       65536
#define SEALED_BOX_TAG_SIZE    AEAD_TAG_SIZE
#define SEALED_BOX_COMMIT_SIZE 32
#define SEALED_BOX_HEADER_SIZE (8 + 1 + HYBRID_KEM_CT_SIZE + SEALED_BOX_COMMIT_SIZE) /* 1161 */
#define SEALED_BOX_RANDOM_SIZE HYBRID_KEM_RANDOM_SIZE

/* A box being sealed or opened. Wiped by the last chunk and by any failure; otherwise by the owner. */
struct sealed_box {
	uint8_t key[AEAD_KEY_SIZE];
	uint64_t chunk; /* number of the next */
	bool open;      /* false before start, after the last chunk and after a failure */
};

/*
 * Starts a box for `pk` from 64 random bytes and writes its header. `context` (any length, NULL if empty)
 * must be the same at opening. Errors: those of hybrid_kem_encapsulate().
 */
enum crypto_status sealed_box_seal_start(struct sealed_box *box, const uint8_t *pk, size_t pk_size,
                                         const void *context, size_t context_size,
                                         const uint8_t random[SEALED_BOX_RANDOM_SIZE],
                                         uint8_t header[SEALED_BOX_HEADER_SIZE]) CRYPTO_MUST_CHECK;

/*
 * Seals the next chunk: `size` bytes of `in` to `size` + 16 of `out`, which may start at `in`. Every chunk
 * but the last has SEALED_BOX_CHUNK bytes; CRYPTO_BAD_ARGUMENT when the sizes break the rules above, or the
 * box has ended.
 */
enum crypto_status sealed_box_seal_chunk(struct sealed_box *box, const uint8_t *in, size_t size, bool last,
                                         uint8_t *out) CRYPTO_MUST_CHECK;

/*
 * Starts opening. CRYPTO_BAD_LENGTH: the header; CRYPTO_BAD_ENCODING: not a box, or of another version;
 * CRYPTO_BAD_KEY: sealed for another key or context, or a damaged header.
 */
enum crypto_status sealed_box_open_start(struct sealed_box *box, const struct hybrid_kem_key *key,
                                         const void *context, size_t context_size, const uint8_t *header,
                                         size_t header_size) CRYPTO_MUST_CHECK;

/*
 * Opens the next chunk: `size` bytes of `in`, tag included, to `size` - 16 of `out`, which may be `in`. The
 * caller knows the last chunk as the one at the end of its input. CRYPTO_BAD_CIPHERTEXT: damaged, out of
 * order, or an end that is none; CRYPTO_BAD_LENGTH: no encoder makes a chunk of this size here.
 */
enum crypto_status sealed_box_open_chunk(struct sealed_box *box, const uint8_t *in, size_t size, bool last,
                                         uint8_t *out) CRYPTO_MUST_CHECK;

/* The size of a box of `size` bytes; 0 if it would not fit a size_t. */
size_t sealed_box_size(size_t size);

/* Whole boxes at once; `out` does not overlap `in`, which may be NULL when empty. */
enum crypto_status sealed_box_seal(const uint8_t *pk, size_t pk_size, const void *context,
                                   size_t context_size, const uint8_t random[SEALED_BOX_RANDOM_SIZE],
                                   const uint8_t *in, size_t size, uint8_t *out) CRYPTO_MUST_CHECK;
/* `out` has room for `size` bytes; `out_size` is set to what was opened. On failure both are zeroed. */
enum crypto_status sealed_box_open(const struct hybrid_kem_key *key, const void *context, size_t context_size,
                                   const uint8_t *in, size_t size, uint8_t *out,
                                   size_t *out_size) CRYPTO_MUST_CHECK;

#endif
