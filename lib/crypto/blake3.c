/*
 * BLAKE3 in plain C: compression, the chunk under way, the stack of subtrees, output.
 *
 * A chunk or subtree is completed only when at least one more byte of message follows it, so what is on the
 * stack is never the root, and subtrees can be merged as soon as both halves are there: after chunk number n
 * is complete (n from 1), as many merges as n has trailing zeros (paper section 5.1.2).
 */
#include "blake3_compress.h"
#include "cpu.h"

#define SUBTREE_CHUNKS 128 /* the most hashed at once; their chaining values take 4 KiB of stack */

const uint32_t blake3_start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

CRYPTO_WRAPS CRYPTO_INLINE uint32_t rotate(uint32_t word, unsigned bits)
{
	return word >> bits | word << (32 - bits);
}

CRYPTO_WRAPS CRYPTO_INLINE void mix(uint32_t *v, unsigned a, unsigned b, unsigned c, unsigned d, uint32_t x,
                                    uint32_t y)
{
	v[a] = v[a] + v[b] + x;
	v[d] = rotate(v[d] ^ v[a], 16);
	v[c] = v[c] + v[d];
	v[b] = rotate(v[b] ^ v[c], 12);
	v[a] = v[a] + v[b] + y;
	v[d] = rotate(v[d] ^ v[a], 8);
	v[c] = v[c] + v[d];
	v[b] = rotate(v[b] ^ v[c], 7);
}

/* The input of one compression: a block with everything that goes with it. */
struct node {
	uint32_t chaining[8];
	uint32_t block[16];
	uint64_t counter;
	uint32_t length;
	uint32_t flags;
};

/* All 16 words of output (paper section 2.2). */
static void compress(const struct node *node, uint32_t out[16])
{
	const uint32_t *m = node->block;
	uint32_t v[16];
	memcpy(v, node->chaining, 32);
	memcpy(v + 8, blake3_start, 16);
	v[12] = (uint32_t)(node->counter & UINT32_MAX);
	v[13] = (uint32_t)(node->counter >> 32);
	v[14] = node->length;
	v[15] = node->flags;
#pragma clang loop unroll(full)
	for (unsigned i = 0; i < 7; i++) {
		const uint8_t *order = blake3_schedule[i];
		mix(v, 0, 4, 8, 12, m[order[0]], m[order[1]]);
		mix(v, 1, 5, 9, 13, m[order[2]], m[order[3]]);
		mix(v, 2, 6, 10, 14, m[order[4]], m[order[5]]);
		mix(v, 3, 7, 11, 15, m[order[6]], m[order[7]]);
		mix(v, 0, 5, 10, 15, m[order[8]], m[order[9]]);
		mix(v, 1, 6, 11, 12, m[order[10]], m[order[11]]);
		mix(v, 2, 7, 8, 13, m[order[12]], m[order[13]]);
		mix(v, 3, 4, 9, 14, m[order[14]], m[order[15]]);
	}
	for (unsigned i = 0; i < 8; i++) {
		out[i] = v[i] ^ v[i + 8];
		out[i + 8] = v[i + 8] ^ node->chaining[i];
	}
	crypto_wipe(v, sizeof v);
}

static void node_chaining_value(const struct node *node, uint32_t out[8])
{
	uint32_t words[16];
	compress(node, words);
	memcpy(out, words, 32);
	crypto_wipe(words, sizeof words);
}

static void block_load(uint32_t words[16], const uint8_t *block)
{
	for (unsigned i = 0; i < 16; i++)
		words[i] = load_le32(block + 4 * i);
}

static void parent_node(struct node *node, const uint32_t left[8], const uint32_t right[8],
                        const uint32_t key[8], uint32_t flags)
{
	memcpy(node->chaining, key, 32);
	memcpy(node->block, left, 32);
	memcpy(node->block + 8, right, 32);
	node->counter = 0;
	node->length = BLAKE3_BLOCK;
	node->flags = flags | BLAKE3_PARENT;
}

static void hash_one(const struct blake3_many *many, const uint8_t *input, uint64_t counter, uint32_t out[8])
{
	struct node node;
	memcpy(node.chaining, many->key, 32);
	node.counter = counter;
	node.length = BLAKE3_BLOCK;
	for (uint32_t i = 0; i < many->blocks; i++) {
		node.flags = many->flags | (i == 0 ? many->first_flags : 0) |
		             (i + 1 == many->blocks ? many->last_flags : 0);
		block_load(node.block, input + (size_t)i * BLAKE3_BLOCK);
		node_chaining_value(&node, node.chaining);
	}
	memcpy(out, node.chaining, 32);
	crypto_wipe(&node, sizeof node);
}

void blake3_hash_many(const struct blake3_many *many, const uint8_t *inputs, size_t count, uint32_t (*out)[8])
{
	struct blake3_many rest = *many;
	while (count > 0) {
		size_t done = 1;
#if CRYPTO_VECTOR
		if (count > 1 && (crypto_cpu_features() & CRYPTO_CPU_AVX2)) {
			done = count < 8 ? count : 8;
			blake3_hash_eight_avx2(&rest, inputs, done, out);
		} else
#endif
			hash_one(&rest, inputs, rest.counter, *out);
		inputs += done * many->blocks * BLAKE3_BLOCK;
		count -= done;
		out += done;
		if (many->count_up)
			rest.counter += done;
	}
}

/* The chaining value of a whole subtree of `chunks` chunks, a power of two. */
static void subtree_hash(const struct blake3 *hash, const uint8_t *data, size_t chunks, uint32_t out[8])
{
	uint32_t values[SUBTREE_CHUNKS][8];
	struct blake3_many many = {
	    hash->key,          hash->chunk,     true, BLAKE3_CHUNK / BLAKE3_BLOCK, hash->flags,
	    BLAKE3_CHUNK_START, BLAKE3_CHUNK_END};
	size_t used = chunks * 32;
	blake3_hash_many(&many, data, chunks, values);
	many = (struct blake3_many){hash->key, 0, false, 1, hash->flags | BLAKE3_PARENT, 0, 0};
	/* The values are words in the machine's order and a block is little-endian bytes: fix each level's
	 * order. */
	for (; chunks > 1; chunks /= 2) {
		for (size_t i = 0; i < chunks; i++)
			for (unsigned j = 0; j < 8; j++)
				store_le32(&values[i][j], values[i][j]);
		blake3_hash_many(&many, (const uint8_t *)values, chunks / 2, values);
	}
	memcpy(out, values[0], 32);
	crypto_wipe(values, used);
}

static void chunk_reset(struct blake3 *hash)
{
	memcpy(hash->chaining, hash->key, sizeof hash->chaining);
	hash->blocks_compressed = 0;
	hash->block_length = 0;
	memset(hash->block, 0, sizeof hash->block);
}

static void init(struct blake3 *hash, const uint32_t key[8], uint32_t flags)
{
	memset(hash, 0, sizeof *hash);
	memcpy(hash->key, key, sizeof hash->key);
	hash->flags = flags;
	chunk_reset(hash);
}

void blake3_init(struct blake3 *hash)
{
	init(hash, blake3_start, 0);
}

static void init_with_key_bytes(struct blake3 *hash, const uint8_t key[BLAKE3_KEY_SIZE], uint32_t flags)
{
	uint32_t words[8];
	for (unsigned i = 0; i < 8; i++)
		words[i] = load_le32(key + 4 * i);
	init(hash, words, flags);
	crypto_wipe(words, sizeof words);
}

void blake3_init_keyed(struct blake3 *hash, const uint8_t key[BLAKE3_KEY_SIZE])
{
	init_with_key_bytes(hash, key, BLAKE3_KEYED_HASH);
}

void blake3_init_derive_key(struct blake3 *hash, const void *context, size_t context_length)
{
	uint8_t key[BLAKE3_KEY_SIZE];
	init(hash, blake3_start, BLAKE3_DERIVE_KEY_CONTEXT);
	blake3_update(hash, context, context_length);
	blake3_final(hash, key, sizeof key);
	init_with_key_bytes(hash, key, BLAKE3_DERIVE_KEY_MATERIAL);
	crypto_wipe(key, sizeof key);
}

/* The block under way as a node; it is the chunk's last if `last`. */
static void chunk_node(const struct blake3 *hash, struct node *node, bool last)
{
	memcpy(node->chaining, hash->chaining, sizeof node->chaining);
	block_load(node->block, hash->block);
	node->counter = hash->chunk;
	node->length = hash->block_length;
	node->flags = hash->flags | (hash->blocks_compressed == 0 ? BLAKE3_CHUNK_START : 0) |
	              (last ? BLAKE3_CHUNK_END : 0);
}

/* Adds a completed subtree of 2^`level` chunks, which begins at the current chunk, and merges what can be
 * merged. */
static void subtree_push(struct blake3 *hash, uint32_t value[8], unsigned level)
{
	struct node node;
	hash->chunk += (uint64_t)1 << level;
	for (uint64_t count = hash->chunk >> level; (count & 1) == 0; count >>= 1) {
		parent_node(&node, hash->stack[--hash->stack_depth], value, hash->key, hash->flags);
		node_chaining_value(&node, value);
		crypto_wipe(&node, sizeof node);
	}
	memcpy(hash->stack[hash->stack_depth++], value, 32);
}

/* The largest subtree that may begin at the current chunk and leaves a byte of `length` over; 0 chunks if
 * none. */
static size_t subtree_chunks(const struct blake3 *hash, size_t length)
{
	size_t chunks = 1;
	if (length <= BLAKE3_CHUNK)
		return 0;
	while (chunks < SUBTREE_CHUNKS && (hash->chunk & (2 * chunks - 1)) == 0 &&
	       length > 2 * chunks * BLAKE3_CHUNK)
		chunks *= 2;
	return chunks;
}

void blake3_update(struct blake3 *hash, const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint32_t value[8];
	while (length > 0) {
		size_t part, chunks;
		struct node node;
		if (hash->block_length == BLAKE3_BLOCK) {
			/* The block is full and more follows. */
			bool last = hash->blocks_compressed == BLAKE3_CHUNK / BLAKE3_BLOCK - 1;
			chunk_node(hash, &node, last);
			node_chaining_value(&node, value);
			crypto_wipe(&node, sizeof node);
			if (last) {
				subtree_push(hash, value, 0);
				chunk_reset(hash);
			} else {
				memcpy(hash->chaining, value, sizeof hash->chaining);
				hash->blocks_compressed++;
				hash->block_length = 0;
				memset(hash->block, 0, sizeof hash->block);
			}
		}
		if (hash->block_length == 0 && hash->blocks_compressed == 0 &&
		    (chunks = subtree_chunks(hash, length)) > 0) {
			subtree_hash(hash, bytes, chunks, value);
			subtree_push(hash, value, (unsigned)__builtin_ctzll(chunks));
			part = chunks * BLAKE3_CHUNK;
		} else {
			part = BLAKE3_BLOCK - hash->block_length;
			if (part > length)
				part = length;
			memcpy(hash->block + hash->block_length, bytes, part);
			hash->block_length += (uint32_t)part;
		}
		bytes += part;
		length -= part;
	}
	crypto_wipe(value, sizeof value);
}

void blake3_final_seek(const struct blake3 *hash, uint64_t offset, uint8_t *out, size_t length)
{
	struct node node;
	uint32_t value[8], words[16];
	uint8_t bytes[BLAKE3_BLOCK];
	chunk_node(hash, &node, true);
	for (uint32_t i = hash->stack_depth; i > 0; i--) {
		node_chaining_value(&node, value);
		parent_node(&node, hash->stack[i - 1], value, hash->key, hash->flags);
	}
	node.flags |= BLAKE3_ROOT;
	node.counter = offset / BLAKE3_BLOCK;
	for (size_t skip = offset % BLAKE3_BLOCK; length > 0; skip = 0) {
		size_t part = BLAKE3_BLOCK - skip < length ? BLAKE3_BLOCK - skip : length;
		compress(&node, words);
		for (unsigned i = 0; i < 16; i++)
			store_le32(bytes + 4 * i, words[i]);
		memcpy(out, bytes + skip, part);
		out += part;
		length -= part;
		node.counter++;
	}
	crypto_wipe(&node, sizeof node);
	crypto_wipe(value, sizeof value);
	crypto_wipe(words, sizeof words);
	crypto_wipe(bytes, sizeof bytes);
}

void blake3_final(const struct blake3 *hash, uint8_t *out, size_t length)
{
	blake3_final_seek(hash, 0, out, length);
}

static void finish(struct blake3 *hash, uint8_t *out, size_t out_length, const void *data, size_t length)
{
	blake3_update(hash, data, length);
	blake3_final(hash, out, out_length);
	crypto_wipe(hash, sizeof *hash);
}

void blake3_hash(uint8_t digest[BLAKE3_SIZE], const void *data, size_t length)
{
	struct blake3 hash;
	blake3_init(&hash);
	finish(&hash, digest, BLAKE3_SIZE, data, length);
}

void blake3_keyed_hash(uint8_t digest[BLAKE3_SIZE], const uint8_t key[BLAKE3_KEY_SIZE], const void *data,
                       size_t length)
{
	struct blake3 hash;
	blake3_init_keyed(&hash, key);
	finish(&hash, digest, BLAKE3_SIZE, data, length);
}

void blake3_derive_key(uint8_t *out, size_t out_length, const void *context, size_t context_length,
                       const void *secret, size_t secret_length)
{
	struct blake3 hash;
	blake3_init_derive_key(&hash, context, context_length);
	finish(&hash, out, out_length, secret, secret_length);
}
