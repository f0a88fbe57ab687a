/* The twelve parameter sets (FIPS 205 table 2), their sizes, and the wrapping of messages. */
#include "slhdsa_internal.h"

static const struct slhdsa_params sets[SLHDSA_SETS] = {
    [SLHDSA_SHA2_128S] = {"SLH-DSA-SHA2-128s", true, 16, 63, 7, 9, 12, 14, 30},
    [SLHDSA_SHA2_128F] = {"SLH-DSA-SHA2-128f", true, 16, 66, 22, 3, 6, 33, 34},
    [SLHDSA_SHA2_192S] = {"SLH-DSA-SHA2-192s", true, 24, 63, 7, 9, 14, 17, 39},
    [SLHDSA_SHA2_192F] = {"SLH-DSA-SHA2-192f", true, 24, 66, 22, 3, 8, 33, 42},
    [SLHDSA_SHA2_256S] = {"SLH-DSA-SHA2-256s", true, 32, 64, 8, 8, 14, 22, 47},
    [SLHDSA_SHA2_256F] = {"SLH-DSA-SHA2-256f", true, 32, 68, 17, 4, 9, 35, 49},
    [SLHDSA_SHAKE_128S] = {"SLH-DSA-SHAKE-128s", false, 16, 63, 7, 9, 12, 14, 30},
    [SLHDSA_SHAKE_128F] = {"SLH-DSA-SHAKE-128f", false, 16, 66, 22, 3, 6, 33, 34},
    [SLHDSA_SHAKE_192S] = {"SLH-DSA-SHAKE-192s", false, 24, 63, 7, 9, 14, 17, 39},
    [SLHDSA_SHAKE_192F] = {"SLH-DSA-SHAKE-192f", false, 24, 66, 22, 3, 8, 33, 42},
    [SLHDSA_SHAKE_256S] = {"SLH-DSA-SHAKE-256s", false, 32, 64, 8, 8, 14, 22, 47},
    [SLHDSA_SHAKE_256F] = {"SLH-DSA-SHAKE-256f", false, 32, 68, 17, 4, 9, 35, 49},
};

const struct slhdsa_params *slhdsa_params(enum slhdsa_set set)
{
	return (unsigned)set < SLHDSA_SETS ? &sets[set] : NULL;
}

const char *slhdsa_name(enum slhdsa_set set)
{
	const struct slhdsa_params *params = slhdsa_params(set);
	return params ? params->name : NULL;
}

static size_t times_n(enum slhdsa_set set, size_t count)
{
	const struct slhdsa_params *params = slhdsa_params(set);
	return params ? count * params->n : 0;
}

size_t slhdsa_seed_size(enum slhdsa_set set)
{
	return times_n(set, 3);
}

size_t slhdsa_rnd_size(enum slhdsa_set set)
{
	return times_n(set, 1);
}

size_t slhdsa_pk_size(enum slhdsa_set set)
{
	return times_n(set, 2);
}

size_t slhdsa_sk_size(enum slhdsa_set set)
{
	return times_n(set, 4);
}

/* R, the FORS signature, and one XMSS signature a layer (section 9.2, figure 17). */
size_t slhdsa_signature_size(enum slhdsa_set set)
{
	const struct slhdsa_params *params = slhdsa_params(set);
	if (!params)
		return 0;
	size_t fors = (size_t)params->fors_trees * (1u + params->fors_height);
	size_t hypertree = params->height + (size_t)params->layers * slhdsa_chains(params);
	return (1 + fors + hypertree) * params->n;
}

void slhdsa_message_wrap(struct slhdsa_message *wrapped, uint8_t prefix[2], const uint8_t *oid,
                         const void *message, size_t message_size, const void *context, size_t context_size)
{
	prefix[0] = oid != NULL;
	prefix[1] = (uint8_t)context_size;
	*wrapped = (struct slhdsa_message){
	    .part = {prefix, context, oid, message},
	    .size = {2, context_size, oid ? PREHASH_OID_SIZE : 0, message_size},
	};
}

void slhdsa_place_from_digest(struct slhdsa_place *place, const struct slhdsa_params *params,
                              const uint8_t *digest)
{
	unsigned tree_bits = params->height - (unsigned)params->tree_height, bits = 0;
	uint32_t buffer = 0;
	const uint8_t *byte = digest;

	/* base_2b (algorithm 4): digits of a bits, the first byte's high bits first. */
	for (unsigned i = 0; i < params->fors_trees; i++) {
		for (; bits < params->fors_height; bits += 8)
			buffer = (buffer & 0xffff) << 8 | *byte++;
		bits -= params->fors_height;
		place->fors_leaf[i] = buffer >> bits & ((1u << params->fors_height) - 1);
	}
	place->tree = 0;
	for (unsigned i = 0; i < (tree_bits + 7) / 8; i++)
		place->tree = (place->tree & UINT64_MAX >> 8) << 8 | *byte++;
	place->tree &= UINT64_MAX >> (64 - tree_bits);
	place->leaf = 0;
	for (unsigned i = 0; i < (params->tree_height + 7u) / 8; i++)
		place->leaf = place->leaf << 8 | *byte++;
	place->leaf &= (1u << params->tree_height) - 1;
}
