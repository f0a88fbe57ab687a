/*
 * Inside SLH-DSA: parameters, addresses, the tweakable hash, and the steps that signing and verifying share.
 *
 * All hashing of secrets and nodes goes through slhdsa_hash_lanes(), which computes up to eight independent
 * hashes at once with whatever the processor has. Values are kept in slots of 32 bytes, of which the first n
 * count.
 */
#ifndef CRYPTO_SLHDSA_INTERNAL_H
#define CRYPTO_SLHDSA_INTERNAL_H

#include "slhdsa.h"

#define SLHDSA_MAX_N      32
#define SLHDSA_MAX_CHAINS 67 /* len for n = 32 */
#define SLHDSA_MAX_TREES  35
#define SLHDSA_MAX_DIGEST 49
#define SLHDSA_LANES      8
#define WOTS_W            16

/* FIPS 205 table 2; len is 2n + 3 in every set. */
struct slhdsa_params {
	const char *name;
	bool sha2;
	uint8_t n;           /* bytes in a hash value */
	uint8_t height;      /* h: of the whole hypertree */
	uint8_t layers;      /* d */
	uint8_t tree_height; /* h' */
	uint8_t fors_height; /* a */
	uint8_t fors_trees;  /* k */
	uint8_t digest_size; /* m */
};

/* NULL for an unknown set. */
const struct slhdsa_params *slhdsa_params(enum slhdsa_set set);

CRYPTO_INLINE unsigned slhdsa_chains(const struct slhdsa_params *params)
{
	return 2 * (unsigned)params->n + 3;
}

/* ADRS (section 4.2), in its full form of 32 bytes: layer 4, tree 12, type 4, and three words that the type
 * defines. */
struct slhdsa_address {
	uint8_t bytes[32];
};

enum slhdsa_address_type {
	ADDRESS_WOTS_HASH,
	ADDRESS_WOTS_PK,
	ADDRESS_TREE,
	ADDRESS_FORS_TREE,
	ADDRESS_FORS_ROOTS,
	ADDRESS_WOTS_PRF,
	ADDRESS_FORS_PRF,
};

CRYPTO_INLINE void address_set_tree(struct slhdsa_address *address, uint32_t layer, uint64_t tree)
{
	store_be32(address->bytes, layer);
	store_be32(address->bytes + 4, 0);
	store_be64(address->bytes + 8, tree);
}

/* Sets the type and clears the words after it. */
CRYPTO_INLINE void address_set_type(struct slhdsa_address *address, enum slhdsa_address_type type)
{
	memset(address->bytes + 16, 0, 16);
	address->bytes[19] = (uint8_t)type;
}

CRYPTO_INLINE void address_set_keypair(struct slhdsa_address *address, uint32_t keypair)
{
	store_be32(address->bytes + 20, keypair);
}

/* The second word: chain number, or height in a tree. */
CRYPTO_INLINE void address_set_chain(struct slhdsa_address *address, uint32_t chain)
{
	store_be32(address->bytes + 24, chain);
}

CRYPTO_INLINE void address_set_height(struct slhdsa_address *address, uint32_t height)
{
	store_be32(address->bytes + 24, height);
}

/* The third word: step in a chain, or index of a node. */
CRYPTO_INLINE void address_set_step(struct slhdsa_address *address, uint32_t step)
{
	store_be32(address->bytes + 28, step);
}

CRYPTO_INLINE void address_set_index(struct slhdsa_address *address, uint32_t index)
{
	store_be32(address->bytes + 28, index);
}

/* A parameter set with a public seed taken in: what every hash starts from. */
struct slhdsa_hasher {
	const struct slhdsa_params *params;
	unsigned lanes; /* how many hashes at once are worth preparing */
	uint8_t pk_seed[SLHDSA_MAX_N];
	uint32_t sha256_start[8]; /* after PK.seed and its padding to a block */
	uint64_t sha512_start[8];
};

/* Independent hashes to compute together. */
struct slhdsa_lanes {
	struct slhdsa_address address[SLHDSA_LANES];
	uint8_t value[SLHDSA_LANES][2 * SLHDSA_MAX_N]; /* input of n or 2n bytes; then n bytes of output */
};

void slhdsa_hasher_init(struct slhdsa_hasher *hasher, const struct slhdsa_params *params,
                        const uint8_t *pk_seed);

/* PRF and F (length n), H (length 2n) on `count` lanes, 1 to 8. */
void slhdsa_hash_lanes(const struct slhdsa_hasher *hasher, struct slhdsa_lanes *lanes, unsigned count,
                       size_t length);

/* T_l: one hash of `count` values. */
void slhdsa_hash_values(const struct slhdsa_hasher *hasher, const struct slhdsa_address *address,
                        const uint8_t (*values)[SLHDSA_MAX_N], unsigned count, uint8_t out[SLHDSA_MAX_N]);

/* A message in pieces, so that its prefix need not be copied in front of it. */
#define SLHDSA_MESSAGE_PARTS 4
struct slhdsa_message {
	const void *part[SLHDSA_MESSAGE_PARTS];
	size_t size[SLHDSA_MESSAGE_PARTS];
};

/* Builds M' (algorithms 22 to 25). With `oid`, the message is a digest. `prefix` must live as long as the
 * message. */
void slhdsa_message_wrap(struct slhdsa_message *wrapped, uint8_t prefix[2], const uint8_t *oid,
                         const void *message, size_t message_size, const void *context, size_t context_size);

/* H_msg (section 11). `pk` is PK.seed and PK.root. */
void slhdsa_hash_message(const struct slhdsa_params *params, const uint8_t *randomizer, const uint8_t *pk,
                         const struct slhdsa_message *message, uint8_t digest[SLHDSA_MAX_DIGEST]);

/* Where in the hypertree a message is signed: the parts of its digest. */
struct slhdsa_place {
	uint32_t fors_leaf[SLHDSA_MAX_TREES];
	uint64_t tree;
	uint32_t leaf;
};
void slhdsa_place_from_digest(struct slhdsa_place *place, const struct slhdsa_params *params,
                              const uint8_t *digest);

/* The WOTS digits of a value, with their checksum: how far along its chain each signature value is. */
void slhdsa_wots_digits(const struct slhdsa_params *params, const uint8_t *value,
                        uint8_t digits[SLHDSA_MAX_CHAINS]);

/*
 * Advances the chains of `leaves` WOTS keys side by side, in place, each from its own start to its own end
 * (at most 15). `base` is an address of the tree; the keys are numbers `first_leaf` and on. Time depends on
 * starts and ends.
 */
void slhdsa_wots_advance(const struct slhdsa_hasher *hasher, const struct slhdsa_address *base,
                         uint32_t first_leaf, unsigned leaves, uint8_t (*values)[SLHDSA_MAX_N],
                         const uint8_t *starts, const uint8_t *ends);

/* The WOTS public key from the ends of its chains. */
void slhdsa_wots_compress(const struct slhdsa_hasher *hasher, const struct slhdsa_address *base,
                          uint32_t leaf, const uint8_t (*values)[SLHDSA_MAX_N], uint8_t out[SLHDSA_MAX_N]);

#endif
