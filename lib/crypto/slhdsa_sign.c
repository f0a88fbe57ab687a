/* Key generation and signing of SLH-DSA (FIPS 205 sections 9 and 10). */
#include "hmac.h"
#include "sha3.h"
#include "slhdsa_tree.h"

static void secret_init(struct slhdsa_secret *secret, const struct slhdsa_params *params,
                        const uint8_t *sk_seed, const uint8_t *pk_seed)
{
	memset(secret, 0, sizeof *secret);
	slhdsa_hasher_init(&secret->hasher, params, pk_seed);
	memcpy(secret->sk_seed, sk_seed, params->n);
}

/* The root of the topmost tree: the public key's second half. */
static void top_root(const struct slhdsa_secret *secret, uint8_t *out)
{
	const struct slhdsa_params *params = secret->hasher.params;
	uint8_t root[SLHDSA_MAX_N];
	struct slhdsa_address address;
	memset(&address, 0, sizeof address);
	address_set_tree(&address, params->layers - 1u, 0);
	slhdsa_xmss_tree(secret, &address, TREE_NO_TARGET, NULL, NULL, root);
	/* The root is the public key. */
	crypto_declassify(root, params->n);
	memcpy(out, root, params->n);
}

enum crypto_status slhdsa_keygen(enum slhdsa_set set, const uint8_t *seed, uint8_t *pk, uint8_t *sk)
{
	const struct slhdsa_params *params = slhdsa_params(set);
	struct slhdsa_secret secret;
	if (!params)
		return CRYPTO_BAD_ARGUMENT;
	size_t n = params->n;
	/* PK.seed is public from the start. */
	crypto_declassify(seed + 2 * n, n);
	secret_init(&secret, params, seed, seed + 2 * n);
	memcpy(pk, seed + 2 * n, n);
	top_root(&secret, pk + n);
	memcpy(sk, seed, 2 * n);
	memcpy(sk + 2 * n, pk, 2 * n);
	crypto_wipe(&secret, sizeof secret);
	return CRYPTO_OK;
}

enum crypto_status slhdsa_public_from_secret(enum slhdsa_set set, const uint8_t *sk, size_t sk_size,
                                             uint8_t *pk)
{
	const struct slhdsa_params *params = slhdsa_params(set);
	struct slhdsa_secret secret;
	if (!params)
		return CRYPTO_BAD_ARGUMENT;
	size_t n = params->n;
	memset(pk, 0, 2 * n);
	if (sk_size != 4 * n)
		return CRYPTO_BAD_LENGTH;
	secret_init(&secret, params, sk, sk + 2 * n);
	top_root(&secret, pk + n);
	crypto_wipe(&secret, sizeof secret);
	if (!crypto_equal(pk + n, sk + 3 * n, n)) {
		memset(pk, 0, 2 * n);
		return CRYPTO_BAD_KEY;
	}
	memcpy(pk, sk + 2 * n, n);
	return CRYPTO_OK;
}

/* The FORS signature; its public key, which the hypertree signs, into `out` (algorithms 16 and 17). */
static void fors_sign(const struct slhdsa_secret *secret, const struct slhdsa_place *place,
                      uint8_t *signature, uint8_t out[SLHDSA_MAX_N])
{
	const struct slhdsa_params *params = secret->hasher.params;
	uint8_t roots[SLHDSA_MAX_TREES][SLHDSA_MAX_N];
	struct slhdsa_address address;
	address_set_tree(&address, 0, place->tree);
	address_set_type(&address, ADDRESS_FORS_TREE);
	address_set_keypair(&address, place->leaf);
	for (unsigned i = 0; i < params->fors_trees; i++)
		slhdsa_fors_tree(secret, &address, i, place->fors_leaf[i],
		                 signature + (size_t)i * (1u + params->fors_height) * params->n, roots[i]);
	address_set_type(&address, ADDRESS_FORS_ROOTS);
	address_set_keypair(&address, place->leaf);
	slhdsa_hash_values(&secret->hasher, &address, (const uint8_t(*)[SLHDSA_MAX_N])roots,
	                   params->fors_trees, out);
}

/* PRF_msg (section 11). */
static void hash_randomizer(const struct slhdsa_params *params, const uint8_t *sk_prf, const uint8_t *rnd,
                            const struct slhdsa_message *message, uint8_t *randomizer)
{
	uint8_t tag[SHA512_SIZE];
	if (!params->sha2) {
		struct shake shake;
		shake256_init(&shake);
		shake_absorb(&shake, sk_prf, params->n);
		shake_absorb(&shake, rnd, params->n);
		for (unsigned i = 0; i < SLHDSA_MESSAGE_PARTS; i++)
			shake_absorb(&shake, message->part[i], message->size[i]);
		shake_finalize(&shake);
		shake_squeeze(&shake, tag, params->n);
		crypto_wipe(&shake, sizeof shake);
	} else {
		struct hmac hmac;
		hmac_init(&hmac, &hash_functions[params->n == 16 ? PREHASH_SHA2_256 : PREHASH_SHA2_512],
		          sk_prf, params->n);
		hmac_update(&hmac, rnd, params->n);
		for (unsigned i = 0; i < SLHDSA_MESSAGE_PARTS; i++)
			hmac_update(&hmac, message->part[i], message->size[i]);
		hmac_final(&hmac, tag);
	}
	memcpy(randomizer, tag, params->n);
	crypto_wipe(tag, sizeof tag);
}

/* Algorithm 19. Lengths are already checked. */
static void sign(const struct slhdsa_params *params, const uint8_t *sk, const struct slhdsa_message *message,
                 const uint8_t *rnd, uint8_t *signature)
{
	size_t n = params->n;
	const uint8_t *pk = sk + 2 * n;
	uint8_t digest[SLHDSA_MAX_DIGEST], node[SLHDSA_MAX_N];
	struct slhdsa_place place;
	struct slhdsa_secret secret;
	struct slhdsa_address address;

	secret_init(&secret, params, sk, pk);
	hash_randomizer(params, sk + n, rnd ? rnd : pk, message, signature);
	/* The randomizer is the first part of the signature; the place it leads to is public with it. */
	crypto_declassify(signature, n);
	slhdsa_hash_message(params, signature, pk, message, digest);
	slhdsa_place_from_digest(&place, params, digest);
	signature += n;
	fors_sign(&secret, &place, signature, node);
	signature += (size_t)params->fors_trees * (1u + params->fors_height) * n;
	for (unsigned layer = 0; layer < params->layers; layer++) {
		/* A verifier computes this root or FORS key from the signature. */
		crypto_declassify(node, n);
		address_set_tree(&address, layer, place.tree);
		slhdsa_xmss_tree(&secret, &address, place.leaf, node, signature, node);
		signature += (slhdsa_chains(params) + params->tree_height) * n;
		place.leaf = (uint32_t)(place.tree & ((1u << params->tree_height) - 1));
		place.tree >>= params->tree_height;
	}
	crypto_wipe(&secret, sizeof secret);
}

static enum crypto_status sign_wrapped(enum slhdsa_set set, const uint8_t *sk, size_t sk_size,
                                       const uint8_t *oid, const void *message, size_t message_size,
                                       const void *context, size_t context_size, const uint8_t *rnd,
                                       uint8_t *signature)
{
	const struct slhdsa_params *params = slhdsa_params(set);
	struct slhdsa_message wrapped;
	uint8_t prefix[2];
	if (!params)
		return CRYPTO_BAD_ARGUMENT;
	memset(signature, 0, slhdsa_signature_size(set));
	if (context_size > SLHDSA_MAX_CONTEXT)
		return CRYPTO_BAD_ARGUMENT;
	if (sk_size != slhdsa_sk_size(set))
		return CRYPTO_BAD_LENGTH;
	slhdsa_message_wrap(&wrapped, prefix, oid, message, message_size, context, context_size);
	sign(params, sk, &wrapped, rnd, signature);
	return CRYPTO_OK;
}

enum crypto_status slhdsa_sign(enum slhdsa_set set, const uint8_t *sk, size_t sk_size, const void *message,
                               size_t message_size, const void *context, size_t context_size,
                               const uint8_t *rnd, uint8_t *signature)
{
	return sign_wrapped(set, sk, sk_size, NULL, message, message_size, context, context_size, rnd,
	                    signature);
}

enum crypto_status slhdsa_sign_prehash(enum slhdsa_set set, const uint8_t *sk, size_t sk_size,
                                       enum prehash hash, const uint8_t *digest, size_t digest_size,
                                       const void *context, size_t context_size, const uint8_t *rnd,
                                       uint8_t *signature)
{
	uint8_t oid[PREHASH_OID_SIZE];
	enum crypto_status status = prehash_oid(hash, oid);
	if (status == CRYPTO_OK && digest_size != prehash_digest_size(hash))
		status = CRYPTO_BAD_LENGTH;
	if (status != CRYPTO_OK) {
		memset(signature, 0, slhdsa_signature_size(set));
		return status;
	}
	return sign_wrapped(set, sk, sk_size, oid, digest, digest_size, context, context_size, rnd,
	                    signature);
}

enum crypto_status slhdsa_sign_internal(enum slhdsa_set set, const uint8_t *sk, size_t sk_size,
                                        const void *message, size_t message_size, const uint8_t *rnd,
                                        uint8_t *signature)
{
	const struct slhdsa_params *params = slhdsa_params(set);
	struct slhdsa_message bare = {.part = {message}, .size = {message_size}};
	if (!params)
		return CRYPTO_BAD_ARGUMENT;
	memset(signature, 0, slhdsa_signature_size(set));
	if (sk_size != slhdsa_sk_size(set))
		return CRYPTO_BAD_LENGTH;
	sign(params, sk, &bare, rnd, signature);
	return CRYPTO_OK;
}
