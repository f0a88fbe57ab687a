/*
 * The hash functions of SLH-DSA (FIPS 205 section 11): PRF, F, H and T_l on several lanes, and
 * H_msg. PRF_msg, which only signing needs, is in slhdsa_sign.c.
 *
 * SHAKE sets use SHAKE256 throughout. SHA-2 sets use the compressed address of 22 bytes, after PK.seed padded
 * to one block, whose compression is done once; SHA-256 serves PRF and F always, and H and T_l for n = 16;
 * SHA-512 serves H and T_l for n = 24 and 32.
 */
#include "slhdsa_internal.h"
#include "cpu.h"
#include "hash.h"
#include "sha2_lanes.h"

#define COMPRESSED_SIZE 22

/* ADRSc (section 11.2): layer 1 byte, tree 8, type 1, the rest as it is. */
static void address_compress(uint8_t out[COMPRESSED_SIZE], const struct slhdsa_address *address)
{
	out[0] = address->bytes[3];
	memcpy(out + 1, address->bytes + 8, 8);
	out[9] = address->bytes[19];
	memcpy(out + 10, address->bytes + 20, 12);
}

void slhdsa_hasher_init(struct slhdsa_hasher *hasher, const struct slhdsa_params *params,
                        const uint8_t *pk_seed)
{
	uint8_t block[SHA512_BLOCK] = {0};
	memset(hasher, 0, sizeof *hasher);
	hasher->params = params;
	memcpy(hasher->pk_seed, pk_seed, params->n);
	if (!params->sha2) {
		hasher->lanes = crypto_cpu_features() & CRYPTO_CPU_AVX2 ? 4 : 1;
		return;
	}
	struct sha256 narrow;
	struct sha512 wide;
	memcpy(block, pk_seed, params->n);
	sha256_init(&narrow);
	sha256_update(&narrow, block, SHA256_BLOCK);
	memcpy(hasher->sha256_start, narrow.state, sizeof narrow.state);
	sha512_init(&wide);
	sha512_update(&wide, block, SHA512_BLOCK);
	memcpy(hasher->sha512_start, wide.state, sizeof wide.state);
	hasher->lanes = SLHDSA_LANES;
}

/* The one block that SHAKE256 absorbs here: lanes `stride` apart. */
CRYPTO_INLINE void shake_fill(uint64_t *lanes, unsigned stride, const struct slhdsa_hasher *hasher,
                              const struct slhdsa_address *address, const uint8_t *value, size_t length)
{
	size_t at = 0, n = hasher->params->n;
	for (size_t i = 0; i < n; i += 8)
		lanes[at++ * stride] = load_le64(hasher->pk_seed + i);
	for (size_t i = 0; i < sizeof address->bytes; i += 8)
		lanes[at++ * stride] = load_le64(address->bytes + i);
	for (size_t i = 0; i < length; i += 8)
		lanes[at++ * stride] = load_le64(value + i);
	lanes[at * stride] = 0x1f;
	lanes[(SHAKE256_RATE / 8 - 1) * stride] ^= (uint64_t)0x80 << 56;
}

static void shake_one(const struct slhdsa_hasher *hasher, const struct slhdsa_address *address,
                      uint8_t *value, size_t length)
{
	uint64_t state[KECCAK_LANES] = {0};
	shake_fill(state, 1, hasher, address, value, length);
	keccak_permute(state);
	for (size_t i = 0; i < hasher->params->n; i += 8)
		store_le64(value + i, state[i / 8]);
	crypto_wipe(state, sizeof state);
}

static void shake_four(const struct slhdsa_hasher *hasher, const struct slhdsa_address *address,
                       uint8_t (*value)[2 * SLHDSA_MAX_N], unsigned count, size_t length)
{
	struct keccak_x4 states;
	memset(&states, 0, sizeof states);
	for (unsigned i = 0; i < count; i++)
		shake_fill(&states.lanes[0][i], 4, hasher, &address[i], value[i], length);
	keccak_permute_x4(&states);
	for (unsigned i = 0; i < count; i++)
		for (size_t j = 0; j < hasher->params->n; j += 8)
			store_le64(value[i] + j, states.lanes[j / 8][i]);
	crypto_wipe(&states, sizeof states);
}

static void shake_lanes(const struct slhdsa_hasher *hasher, struct slhdsa_lanes *lanes, unsigned count,
                        size_t length)
{
	for (unsigned i = 0; i < count; i += 4) {
		if (count - i == 1 || hasher->lanes == 1)
			for (unsigned j = i; j < count && j < i + 4; j++)
				shake_one(hasher, &lanes->address[j], lanes->value[j], length);
		else
			shake_four(hasher, lanes->address + i, lanes->value + i,
			           count - i < 4 ? count - i : 4, length);
	}
}

static void sha256_lanes(const struct slhdsa_hasher *hasher, struct slhdsa_lanes *lanes, unsigned count,
                         size_t length)
{
	uint8_t blocks[SLHDSA_LANES][SHA256_BLOCK];
	uint32_t states[SLHDSA_LANES][8];
	size_t end = COMPRESSED_SIZE + length;
	for (unsigned i = 0; i < count; i++) {
		address_compress(blocks[i], &lanes->address[i]);
		memcpy(blocks[i] + COMPRESSED_SIZE, lanes->value[i], length);
		memset(blocks[i] + end, 0, SHA256_BLOCK - end);
		blocks[i][end] = 0x80;
		store_be32(blocks[i] + SHA256_BLOCK - 4, (uint32_t)(8 * (SHA256_BLOCK + end)));
	}
	sha256_compress_lanes(hasher->sha256_start, (const uint8_t(*)[SHA256_BLOCK])blocks, count, states);
	for (unsigned i = 0; i < count; i++)
		for (unsigned j = 0; j < hasher->params->n / 4u; j++)
			store_be32(lanes->value[i] + 4 * j, states[i][j]);
	crypto_wipe(blocks, sizeof blocks[0] * count);
	crypto_wipe(states, sizeof states[0] * count);
}

static void sha512_lanes(const struct slhdsa_hasher *hasher, struct slhdsa_lanes *lanes, unsigned count,
                         size_t length)
{
	uint8_t blocks[SLHDSA_LANES][SHA512_BLOCK];
	uint64_t states[SLHDSA_LANES][8];
	size_t end = COMPRESSED_SIZE + length;
	for (unsigned i = 0; i < count; i++) {
		address_compress(blocks[i], &lanes->address[i]);
		memcpy(blocks[i] + COMPRESSED_SIZE, lanes->value[i], length);
		memset(blocks[i] + end, 0, SHA512_BLOCK - end);
		blocks[i][end] = 0x80;
		store_be32(blocks[i] + SHA512_BLOCK - 4, (uint32_t)(8 * (SHA512_BLOCK + end)));
	}
	sha512_compress_lanes(hasher->sha512_start, (const uint8_t(*)[SHA512_BLOCK])blocks, count, states);
	for (unsigned i = 0; i < count; i++)
		for (unsigned j = 0; j < hasher->params->n / 8u; j++)
			store_be64(lanes->value[i] + 8 * j, states[i][j]);
	crypto_wipe(blocks, sizeof blocks[0] * count);
	crypto_wipe(states, sizeof states[0] * count);
}

void slhdsa_hash_lanes(const struct slhdsa_hasher *hasher, struct slhdsa_lanes *lanes, unsigned count,
                       size_t length)
{
	if (!hasher->params->sha2)
		shake_lanes(hasher, lanes, count, length);
	else if (hasher->params->n == 16 || length == hasher->params->n)
		sha256_lanes(hasher, lanes, count, length);
	else
		sha512_lanes(hasher, lanes, count, length);
}

void slhdsa_hash_values(const struct slhdsa_hasher *hasher, const struct slhdsa_address *address,
                        const uint8_t (*values)[SLHDSA_MAX_N], unsigned count, uint8_t out[SLHDSA_MAX_N])
{
	size_t n = hasher->params->n;
	uint8_t compressed[COMPRESSED_SIZE], digest[SHA512_SIZE];
	address_compress(compressed, address);
	if (!hasher->params->sha2) {
		struct shake shake;
		shake256_init(&shake);
		shake_absorb(&shake, hasher->pk_seed, n);
		shake_absorb(&shake, address->bytes, sizeof address->bytes);
		for (unsigned i = 0; i < count; i++)
			shake_absorb(&shake, values[i], n);
		shake_finalize(&shake);
		shake_squeeze(&shake, digest, n);
		crypto_wipe(&shake, sizeof shake);
	} else if (n == 16) {
		struct sha256 hash;
		sha256_init(&hash);
		memcpy(hash.state, hasher->sha256_start, sizeof hash.state);
		hash.length = SHA256_BLOCK;
		sha256_update(&hash, compressed, sizeof compressed);
		for (unsigned i = 0; i < count; i++)
			sha256_update(&hash, values[i], n);
		sha256_final(&hash, digest);
	} else {
		struct sha512 hash;
		sha512_init(&hash);
		memcpy(hash.state, hasher->sha512_start, sizeof hash.state);
		hash.length = SHA512_BLOCK;
		sha512_update(&hash, compressed, sizeof compressed);
		for (unsigned i = 0; i < count; i++)
			sha512_update(&hash, values[i], n);
		sha512_final(&hash, digest);
	}
	memcpy(out, digest, n);
	crypto_wipe(digest, sizeof digest);
}

/* MGF1 (RFC 8017 appendix B.2.1) over R, PK.seed and the inner digest; needs at most two blocks here. */
static void sha2_hash_message(const struct slhdsa_params *params, const uint8_t *randomizer,
                              const uint8_t *pk, const struct slhdsa_message *message, uint8_t *digest)
{
	const struct hash_function *function =
	    &hash_functions[params->n == 16 ? PREHASH_SHA2_256 : PREHASH_SHA2_512];
	size_t n = params->n, size = function->size;
	uint8_t inner[HASH_MAX_SIZE], block[HASH_MAX_SIZE], counter[4];
	struct hash hash;
	hash_init(&hash, function);
	hash_update(&hash, randomizer, n);
	hash_update(&hash, pk, 2 * n);
	for (unsigned i = 0; i < SLHDSA_MESSAGE_PARTS; i++)
		hash_update(&hash, message->part[i], message->size[i]);
	hash_final(&hash, inner);
	for (size_t done = 0; done < params->digest_size; done += size) {
		size_t part = params->digest_size - done < size ? params->digest_size - done : size;
		store_be32(counter, (uint32_t)(done / size));
		hash_init(&hash, function);
		hash_update(&hash, randomizer, n);
		hash_update(&hash, pk, n);
		hash_update(&hash, inner, size);
		hash_update(&hash, counter, sizeof counter);
		hash_final(&hash, block);
		memcpy(digest + done, block, part);
	}
}

void slhdsa_hash_message(const struct slhdsa_params *params, const uint8_t *randomizer, const uint8_t *pk,
                         const struct slhdsa_message *message, uint8_t digest[SLHDSA_MAX_DIGEST])
{
	struct shake shake;
	if (params->sha2) {
		sha2_hash_message(params, randomizer, pk, message, digest);
		return;
	}
	shake256_init(&shake);
	shake_absorb(&shake, randomizer, params->n);
	shake_absorb(&shake, pk, 2u * params->n);
	for (unsigned i = 0; i < SLHDSA_MESSAGE_PARTS; i++)
		shake_absorb(&shake, message->part[i], message->size[i]);
	shake_finalize(&shake);
	shake_squeeze(&shake, digest, params->digest_size);
}
