/*
 * What the instruction handlers share: a frame (one call under way), memory access with its gas, and the
 * macros that chain one handler to the next by a tail call. A handler has the instruction, the top of the
 * stack and the gas that is left in registers; all else is in the frame.
 *
 * Gas and stack bounds are checked once a basic block (op_block), for the block's fixed costs; handlers check
 * dynamic costs. So within a block `gas` lacks what the block's later instructions cost: handlers that need
 * the exact amount add it back from their instruction's `value`. A block that cannot be paid for in full
 * fails at its start; the outcome is the same as failing in its middle, since a failing frame undoes all it
 * did and no instruction can add gas.
 */
#ifndef LEDGER_EVM_FRAME_H
#define LEDGER_EVM_FRAME_H

#include "evm/evm.h"

struct frame {
	struct u256 *stack; /* one below the first item: equal to sp when the stack is empty */
	uint8_t *memory;
	uint64_t memory_size; /* bytes, a multiple of 32 */
	const struct code *code;
	struct evm *evm;
	struct account *self; /* whose storage and balance it has */
	const uint8_t *input;
	size_t input_size;
	struct address caller;
	struct u256 value;
	enum evm_status status;
	bool is_static;
	bool is_create;
	uint16_t depth;
	/* where it goes on when it called another; what it left when it ended */
	const struct instruction *ip;
	struct u256 *sp;
	int64_t gas;
	const uint8_t *output;
	size_t output_size;
	/* while it waits: where the callee's output goes in memory */
	uint64_t return_offset;
	uint64_t return_size;
	/* what to go back to when it fails */
	size_t mark;
	size_t log_mark;
	int64_t refund_mark;
	struct code *once; /* initcode, freed at the end */
};

#define OP(name)                                                                                             \
	instruction_handler op_##name;                                                                       \
	void op_##name(const struct instruction *ip, struct u256 *sp, int64_t gas, struct frame *f)
#define GO(where)                                                                                            \
	do {                                                                                                 \
		const struct instruction *go_to = (where);                                                   \
		__attribute__((musttail)) return go_to->run(go_to, sp, gas, f);                              \
	} while (0)
#define NEXT GO(ip + 1)
/* Ends the frame with a failure. */
#define FAIL(why) __attribute__((musttail)) return frame_fail(ip, sp, why, f)

#define UNLIKELY(condition) __builtin_expect(condition, 0)

void frame_fail(const struct instruction *ip, struct u256 *sp, int64_t why, struct frame *f);

/* Grows memory to hold `end` bytes and takes the cost; false when the gas does not suffice. */
bool frame_grow_memory(struct frame *f, uint64_t end, int64_t *gas);

/* Makes [offset, offset + size) part of memory; nothing to do when size is 0. */
static inline bool frame_need(struct frame *f, const struct u256 *offset, uint64_t size, int64_t *gas)
{
	if (size == 0)
		return true;
	if (UNLIKELY(!u256_fits64(offset) || offset->w[0] > EVM_MEMORY_SIZE || size > EVM_MEMORY_SIZE))
		return false;
	return offset->w[0] + size <= f->memory_size || frame_grow_memory(f, offset->w[0] + size, gas);
}

/* The same with a size from the stack. */
static inline bool frame_need_word(struct frame *f, const struct u256 *offset, const struct u256 *size,
                                   int64_t *gas)
{
	return u256_fits64(size) && frame_need(f, offset, size->w[0], gas);
}

static inline int64_t words_of(uint64_t bytes)
{
	return (int64_t)((bytes + 31) / 32);
}

/*
 * Digests of 64-byte inputs, which is what Solidity's mappings hash at each access: the last ones, by a cheap
 * hash of the input. After DIGEST_PATIENCE misses in a row the next DIGEST_PAUSE inputs are hashed without
 * looking.
 */
#define DIGEST_CACHE_BITS 12
#define DIGEST_PATIENCE   64
#define DIGEST_PAUSE      1024
struct digest_cache {
	uint8_t input[64];
	struct u256 digest;
};

/* EIP-2929 */
#define GAS_COLD_ACCOUNT 2600
#define GAS_COLD_SLOT    2100
#define GAS_WARM         100

/* Moves value between balances; the sender has it. */
void transfer_value(struct state *state, struct account *from, struct account *to, const struct u256 *value);

/* Writes memory from data that is zero beyond its end: what the *COPY instructions do. */
void copy_padded(uint8_t *to, size_t size, const uint8_t *data, size_t data_size, const struct u256 *offset);

/* Makes the machine's next frame; the caller fills in the rest and sets it on its way with frame_start(). */
struct frame *frame_push(struct evm *evm, const struct frame *parent);
void frame_start(struct evm *evm, struct frame *frame);

/* Below a CREATE: cost for each byte of new code. */
#define GAS_CODE_BYTE 200

#endif
