/*
 * SHA-3 and SHAKE (FIPS 202), incremental and at once.
 *
 * An object is plain data: it may be copied to fork a computation. sha3_final() wipes its object; a shake
 * object is wiped by its owner with crypto_wipe() when it held a secret.
 */
#ifndef CRYPTO_SHA3_H
#define CRYPTO_SHA3_H

#include "keccak.h"

#define SHA3_224_SIZE 28
#define SHA3_256_SIZE 32
#define SHA3_384_SIZE 48
#define SHA3_512_SIZE 64

#define SHAKE128_RATE 168
#define SHAKE256_RATE 136

/* The sponge beneath both. `position` counts bytes of the current block, below `rate`. */
struct keccak_sponge {
	uint64_t lanes[KECCAK_LANES];
	uint32_t rate;
	uint32_t position;
};

struct sha3 {
	struct keccak_sponge sponge;
	uint32_t digest_size;
};

void sha3_224_init(struct sha3 *hash);
void sha3_256_init(struct sha3 *hash);
void sha3_384_init(struct sha3 *hash);
void sha3_512_init(struct sha3 *hash);
void sha3_update(struct sha3 *hash, const void *data, size_t length);
/* Writes the digest (its size set by init) and wipes the object. */
void sha3_final(struct sha3 *hash, uint8_t *digest);

void sha3_256_hash(uint8_t digest[SHA3_256_SIZE], const void *data, size_t length);
void sha3_512_hash(uint8_t digest[SHA3_512_SIZE], const void *data, size_t length);

/*
 * SHAKE: init, absorb any number of times, finalize once, squeeze any number of times (the output is one
 * stream, however it is cut).
 */
struct shake {
	struct keccak_sponge sponge;
};

void shake128_init(struct shake *shake);
void shake256_init(struct shake *shake);
void shake_absorb(struct shake *shake, const void *data, size_t length);
void shake_finalize(struct shake *shake);
void shake_squeeze(struct shake *shake, void *out, size_t length);

void shake128_hash(void *out, size_t out_length, const void *data, size_t length);
void shake256_hash(void *out, size_t out_length, const void *data, size_t length);

#endif
