/* Instructions on memory, calldata, code and return data, and KECCAK256. */
#include "evm/frame.h"
#include "evm/opcodes.h"

#include <sys/mman.h>

/* Cost of memory: 3 a word and the square of words over 512 (yellow paper, equation 326). */
static uint64_t memory_cost(uint64_t words)
{
	return 3 * words + words * words / 512;
}

bool frame_grow_memory(struct frame *f, uint64_t end, int64_t *gas)
{
	const uint64_t words = (end + 31) / 32;
	const uint64_t room = EVM_MEMORY_SIZE - (uint64_t)(f->memory - f->evm->memory);
	if (words * 32 > room)
		return false;
	const uint64_t cost = memory_cost(words) - memory_cost(f->memory_size / 32);
	if (cost > (uint64_t)*gas)
		return false;
	*gas -= (int64_t)cost;
	memset(f->memory + f->memory_size, 0, words * 32 - f->memory_size);
	f->memory_size = words * 32;
	if (f->memory + f->memory_size > f->evm->memory_touched)
		f->evm->memory_touched = f->memory + f->memory_size;
	return true;
}

/* Does [offset, offset + size) lie in memory already? size is at most 32. */
static inline bool in_memory(const struct frame *f, const struct u256 *offset, uint64_t size)
{
	return u256_fits64(offset) && offset->w[0] < EVM_MEMORY_SIZE && offset->w[0] + size <= f->memory_size;
}

OP(mload)
{
	if (UNLIKELY(!in_memory(f, sp, 32)) && !frame_need(f, sp, 32, &gas))
		FAIL(EVM_OUT_OF_GAS);
	u256_load(sp, f->memory + sp->w[0]);
	NEXT;
}

OP(mload_constant)
{
	const struct u256 offset = u256_from(ip->value);
	if (UNLIKELY(!in_memory(f, &offset, 32)) && !frame_need(f, &offset, 32, &gas))
		FAIL(EVM_OUT_OF_GAS);
	u256_load(++sp, f->memory + offset.w[0]);
	NEXT;
}

OP(mstore)
{
	if (UNLIKELY(!in_memory(f, sp, 32)) && !frame_need(f, sp, 32, &gas))
		FAIL(EVM_OUT_OF_GAS);
	u256_store(f->memory + sp->w[0], sp - 1);
	sp -= 2;
	NEXT;
}

OP(mstore_constant)
{
	const struct u256 offset = u256_from(ip->value);
	if (UNLIKELY(!in_memory(f, &offset, 32)) && !frame_need(f, &offset, 32, &gas))
		FAIL(EVM_OUT_OF_GAS);
	u256_store(f->memory + offset.w[0], sp);
	sp--;
	NEXT;
}

OP(mstore8)
{
	if (UNLIKELY(!in_memory(f, sp, 1)) && !frame_need(f, sp, 1, &gas))
		FAIL(EVM_OUT_OF_GAS);
	f->memory[sp->w[0]] = (uint8_t)sp[-1].w[0];
	sp -= 2;
	NEXT;
}

OP(msize)
{
	*++sp = u256_from(f->memory_size);
	NEXT;
}

/* EIP-5656 */
OP(mcopy)
{
	const uint64_t size = sp[-2].w[0];
	if (UNLIKELY(!frame_need_word(f, sp, sp - 2, &gas) || !frame_need_word(f, sp - 1, sp - 2, &gas) ||
	             (gas -= 3 * words_of(size)) < 0))
		FAIL(EVM_OUT_OF_GAS);
	if (size)
		memmove(f->memory + sp[0].w[0], f->memory + sp[-1].w[0], size);
	sp -= 3;
	NEXT;
}

static void hash_64(struct evm *evm, struct u256 *out, const uint8_t *input)
{
	uint8_t digest[32];
	uint64_t a;
	uint64_t b;
	if (evm->digest_misses > DIGEST_PATIENCE) {
		if (++evm->digest_misses > DIGEST_PATIENCE + DIGEST_PAUSE)
			evm->digest_misses = 0;
		keccak256(digest, input, 64);
		u256_load(out, digest);
		return;
	}
	memcpy(&a, input + 24, 8);
	memcpy(&b, input + 56, 8);
	struct digest_cache *entry =
	    &evm->digests[((a ^ b >> 7) * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - DIGEST_CACHE_BITS)];
	if (memcmp(entry->input, input, 64) == 0 && !u256_is_zero(&entry->digest)) {
		evm->digest_misses = 0;
		*out = entry->digest;
		return;
	}
	evm->digest_misses++;
	keccak256(digest, input, 64);
	memcpy(entry->input, input, 64);
	u256_load(&entry->digest, digest);
	*out = entry->digest;
}

OP(keccak256)
{
	const uint64_t size = sp[-1].w[0];
	if (UNLIKELY(!frame_need_word(f, sp, sp - 1, &gas) || (gas -= 6 * words_of(size)) < 0))
		FAIL(EVM_OUT_OF_GAS);
	const uint8_t *input = size ? f->memory + sp->w[0] : NULL;
	sp--;
	if (size == 64) {
		hash_64(f->evm, sp, input);
	} else {
		uint8_t digest[32];
		keccak256(digest, input, size);
		u256_load(sp, digest);
	}
	NEXT;
}

/* ---- calldata, code, return data ---- */
static inline void load_padded(struct u256 *word, const uint8_t *data, size_t size)
{
	if (u256_fits64(word) && word->w[0] < size) {
		const size_t left = size - word->w[0];
		if (left >= 32) {
			u256_load(word, data + word->w[0]);
		} else {
			uint8_t bytes[32] = {0};
			memcpy(bytes, data + word->w[0], left);
			u256_load(word, bytes);
		}
	} else {
		*word = U256_ZERO;
	}
}

OP(calldataload)
{
	load_padded(sp, f->input, f->input_size);
	NEXT;
}

OP(calldataload_constant)
{
	*++sp = u256_from(ip->value);
	load_padded(sp, f->input, f->input_size);
	NEXT;
}

OP(calldatasize)
{
	*++sp = u256_from(f->input_size);
	NEXT;
}

OP(codesize)
{
	*++sp = u256_from(f->code->size);
	NEXT;
}

OP(returndatasize)
{
	*++sp = u256_from(f->evm->return_size);
	NEXT;
}

void copy_padded(uint8_t *to, size_t size, const uint8_t *data, size_t data_size, const struct u256 *offset)
{
	size_t have = 0;
	if (u256_fits64(offset) && offset->w[0] < data_size) {
		have = data_size - offset->w[0];
		if (have > size)
			have = size;
		memcpy(to, data + offset->w[0], have);
	}
	memset(to + have, 0, size - have);
}

OP(calldatacopy)
{
	const uint64_t size = sp[-2].w[0];
	if (UNLIKELY(!frame_need_word(f, sp, sp - 2, &gas) || (gas -= 3 * words_of(size)) < 0))
		FAIL(EVM_OUT_OF_GAS);
	if (size)
		copy_padded(f->memory + sp->w[0], size, f->input, f->input_size, sp - 1);
	sp -= 3;
	NEXT;
}

OP(codecopy)
{
	const uint64_t size = sp[-2].w[0];
	if (UNLIKELY(!frame_need_word(f, sp, sp - 2, &gas) || (gas -= 3 * words_of(size)) < 0))
		FAIL(EVM_OUT_OF_GAS);
	if (size)
		copy_padded(f->memory + sp->w[0], size, f->code->bytes, f->code->size, sp - 1);
	sp -= 3;
	NEXT;
}

OP(returndatacopy)
{
	const struct evm *evm = f->evm;
	const uint64_t size = sp[-2].w[0];
	if (UNLIKELY(!u256_fits64(sp - 1) || !u256_fits64(sp - 2) || sp[-1].w[0] > evm->return_size ||
	             size > evm->return_size - sp[-1].w[0]))
		FAIL(EVM_BAD_RETURN_DATA);
	if (UNLIKELY(!frame_need(f, sp, size, &gas) || (gas -= 3 * words_of(size)) < 0))
		FAIL(EVM_OUT_OF_GAS);
	if (size)
		memcpy(f->memory + sp->w[0], evm->return_data + sp[-1].w[0], size);
	sp -= 3;
	NEXT;
}
