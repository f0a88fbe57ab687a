/* Verifying SLH-DSA signatures: from the signature's values up to the root, which must be the public key's.
 */
#include "slhdsa_internal.h"

/*
 * Climbs `count` paths of one height at once. Lane i starts from the node in its slot, which is number
 * indices[i] at height 0, and reads its siblings from paths + i * stride. `base` has type and key pair set.
 */
static void climb(const struct slhdsa_hasher *hasher, const struct slhdsa_address *base,
                  struct slhdsa_lanes *lanes, unsigned count, const uint32_t *indices, unsigned height,
                  const uint8_t *paths, size_t stride)
{
	size_t n = hasher->params->n;
	for (unsigned z = 0; z < height; z++) {
		for (unsigned i = 0; i < count; i++) {
			const uint8_t *sibling = paths + i * stride + z * n;
			if (indices[i] >> z & 1) {
				memcpy(lanes->value[i] + n, lanes->value[i], n);
				memcpy(lanes->value[i], sibling, n);
			} else {
				memcpy(lanes->value[i] + n, sibling, n);
			}
			lanes->address[i] = *base;
			address_set_height(&lanes->address[i], z + 1);
			address_set_index(&lanes->address[i], indices[i] >> (z + 1));
		}
		slhdsa_hash_lanes(hasher, lanes, count, 2 * n);
	}
}

/* The FORS public key that the signature leads to (algorithm 17). */
static void fors_public_key(const struct slhdsa_hasher *hasher, const struct slhdsa_place *place,
                            const uint8_t *signature, uint8_t out[SLHDSA_MAX_N])
{
	const struct slhdsa_params *params = hasher->params;
	size_t n = params->n, stride = (1u + params->fors_height) * n;
	uint8_t roots[SLHDSA_MAX_TREES][SLHDSA_MAX_N];
	struct slhdsa_address base;
	struct slhdsa_lanes lanes;

	address_set_tree(&base, 0, place->tree);
	address_set_type(&base, ADDRESS_FORS_TREE);
	address_set_keypair(&base, place->leaf);
	for (unsigned first = 0; first < params->fors_trees; first += hasher->lanes) {
		unsigned left = params->fors_trees - first,
		         count = left < hasher->lanes ? left : hasher->lanes;
		const uint8_t *part = signature + first * stride;
		uint32_t indices[SLHDSA_LANES];
		for (unsigned i = 0; i < count; i++) {
			indices[i] = ((first + i) << params->fors_height) + place->fors_leaf[first + i];
			lanes.address[i] = base;
			address_set_index(&lanes.address[i], indices[i]);
			memcpy(lanes.value[i], part + i * stride, n);
		}
		slhdsa_hash_lanes(hasher, &lanes, count, n);
		climb(hasher, &base, &lanes, count, indices, params->fors_height, part + n, stride);
		for (unsigned i = 0; i < count; i++)
			memcpy(roots[first + i], lanes.value[i], n);
	}
	address_set_type(&base, ADDRESS_FORS_ROOTS);
	address_set_keypair(&base, place->leaf);
	slhdsa_hash_values(hasher, &base, (const uint8_t(*)[SLHDSA_MAX_N])roots, params->fors_trees, out);
}

/* Replaces `node`, which leaf `leaf` of the tree in `base` signs, by the tree's root (algorithms 8 and 11).
 */
static void xmss_root(const struct slhdsa_hasher *hasher, const struct slhdsa_address *base, uint32_t leaf,
                      const uint8_t *signature, uint8_t node[SLHDSA_MAX_N])
{
	const struct slhdsa_params *params = hasher->params;
	unsigned chains = slhdsa_chains(params);
	uint8_t values[SLHDSA_MAX_CHAINS][SLHDSA_MAX_N], starts[SLHDSA_MAX_CHAINS], ends[SLHDSA_MAX_CHAINS];
	struct slhdsa_address address = *base;
	struct slhdsa_lanes lanes;

	slhdsa_wots_digits(params, node, starts);
	memset(ends, WOTS_W - 1, sizeof ends);
	for (unsigned i = 0; i < chains; i++)
		memcpy(values[i], signature + (size_t)i * params->n, params->n);
	slhdsa_wots_advance(hasher, base, leaf, 1, values, starts, ends);
	slhdsa_wots_compress(hasher, base, leaf, (const uint8_t(*)[SLHDSA_MAX_N])values, lanes.value[0]);
	address_set_type(&address, ADDRESS_TREE);
	climb(hasher, &address, &lanes, 1, &leaf, params->tree_height, signature + (size_t)chains * params->n,
	      0);
	memcpy(node, lanes.value[0], params->n);
}

/* Algorithm 20. Lengths are already checked. */
static enum crypto_status verify(const struct slhdsa_params *params, const uint8_t *pk,
                                 const struct slhdsa_message *message, const uint8_t *signature)
{
	size_t n = params->n;
	uint8_t digest[SLHDSA_MAX_DIGEST], node[SLHDSA_MAX_N];
	struct slhdsa_place place;
	struct slhdsa_hasher hasher;
	struct slhdsa_address base;

	slhdsa_hasher_init(&hasher, params, pk);
	slhdsa_hash_message(params, signature, pk, message, digest);
	slhdsa_place_from_digest(&place, params, digest);
	signature += n;
	fors_public_key(&hasher, &place, signature, node);
	signature += (size_t)params->fors_trees * (1u + params->fors_height) * n;
	for (unsigned layer = 0; layer < params->layers; layer++) {
		address_set_tree(&base, layer, place.tree);
		xmss_root(&hasher, &base, place.leaf, signature, node);
		signature += (slhdsa_chains(params) + params->tree_height) * n;
		place.leaf = (uint32_t)(place.tree & ((1u << params->tree_height) - 1));
		place.tree >>= params->tree_height;
	}
	return crypto_equal(node, pk + n, n) ? CRYPTO_OK : CRYPTO_BAD_SIGNATURE;
}

static enum crypto_status verify_wrapped(enum slhdsa_set set, const uint8_t *pk, size_t pk_size,
                                         const uint8_t *oid, const void *message, size_t message_size,
                                         const void *context, size_t context_size, const uint8_t *signature,
                                         size_t signature_size)
{
	const struct slhdsa_params *params = slhdsa_params(set);
	struct slhdsa_message wrapped;
	uint8_t prefix[2];
	if (!params || context_size > SLHDSA_MAX_CONTEXT)
		return CRYPTO_BAD_ARGUMENT;
	if (pk_size != slhdsa_pk_size(set) || signature_size != slhdsa_signature_size(set))
		return CRYPTO_BAD_LENGTH;
	slhdsa_message_wrap(&wrapped, prefix, oid, message, message_size, context, context_size);
	return verify(params, pk, &wrapped, signature);
}

enum crypto_status slhdsa_verify(enum slhdsa_set set, const uint8_t *pk, size_t pk_size, const void *message,
                                 size_t message_size, const void *context, size_t context_size,
                                 const uint8_t *signature, size_t signature_size)
{
	return verify_wrapped(set, pk, pk_size, NULL, message, message_size, context, context_size, signature,
	                      signature_size);
}

enum crypto_status slhdsa_verify_prehash(enum slhdsa_set set, const uint8_t *pk, size_t pk_size,
                                         enum prehash hash, const uint8_t *digest, size_t digest_size,
                                         const void *context, size_t context_size, const uint8_t *signature,
                                         size_t signature_size)
{
	uint8_t oid[PREHASH_OID_SIZE];
	enum crypto_status status = prehash_oid(hash, oid);
	if (status != CRYPTO_OK)
		return status;
	if (digest_size != prehash_digest_size(hash))
		return CRYPTO_BAD_LENGTH;
	return verify_wrapped(set, pk, pk_size, oid, digest, digest_size, context, context_size, signature,
	                      signature_size);
}

enum crypto_status slhdsa_verify_internal(enum slhdsa_set set, const uint8_t *pk, size_t pk_size,
                                          const void *message, size_t message_size, const uint8_t *signature,
                                          size_t signature_size)
{
	const struct slhdsa_params *params = slhdsa_params(set);
	struct slhdsa_message bare = {.part = {message}, .size = {message_size}};
	if (!params)
		return CRYPTO_BAD_ARGUMENT;
	if (pk_size != slhdsa_pk_size(set) || signature_size != slhdsa_signature_size(set))
		return CRYPTO_BAD_LENGTH;
	return verify(params, pk, &bare, signature);
}
