/*
 * The Ethereum virtual machine, Cancun to Osaka: runs one message call or creation, with all that it calls,
 * against a state. What surrounds a message (fees, nonces, intrinsic gas, access lists) is the transaction's
 * part: tx/apply.h.
 *
 * Sources: the yellow paper; execution-specs; the EIPs named where they are used. The machine calls no
 * function of itself however deep contracts call each other: frames are an array, walked by one loop. All its
 * memory is reserved at evm_create(): 32 MiB for stacks, EVM_MEMORY_SIZE of address space for contracts'
 * memory.
 */
#ifndef LEDGER_EVM_H
#define LEDGER_EVM_H

#include "state/state.h"

#define EVM_MAX_DEPTH    1024
#define EVM_STACK_LIMIT  1024
#define EVM_MAX_CODE     24576                /* EIP-170 */
#define EVM_MAX_INITCODE 49152                /* EIP-3860 */
#define EVM_MEMORY_SIZE  (UINT64_C(16) << 30) /* a message that needs more has run out of gas: 2^49 of it */

enum evm_status {
	EVM_SUCCESS,
	EVM_REVERTED,
	/* What follows takes all gas of its frame. */
	EVM_OUT_OF_GAS,
	EVM_STACK_ERROR, /* underflow or overflow */
	EVM_BAD_INSTRUCTION,
	EVM_BAD_JUMP,
	EVM_WRITE_PROTECTION, /* a change of state below a STATICCALL */
	EVM_BAD_RETURN_DATA,  /* RETURNDATACOPY beyond the end */
	EVM_CODE_TOO_LARGE,   /* initcode over EVM_MAX_INITCODE, code over EVM_MAX_CODE */
	EVM_BAD_CODE,         /* new code begins with 0xef (EIP-3541) */
	EVM_COLLISION,        /* an account is at the new address already */
	EVM_PRECOMPILE_FAILED,
	/* Within the machine: a frame waits for the one it called. */
	EVM_CALLING,
};

/* A few words for people. */
const char *evm_status_text(enum evm_status status);

struct evm_block {
	struct address coinbase;
	uint64_t number;
	uint64_t timestamp; /* seconds */
	uint64_t gas_limit;
	struct u256 random; /* PREVRANDAO */
	struct u256 base_fee;
	struct u256 blob_base_fee;
	uint64_t chain_id;
	/* The hash of one of the 256 blocks before this one. */
	void (*block_hash)(void *context, uint64_t number, struct hash32 *out);
	void *context;
};

struct evm_message {
	bool create;
	bool is_static;
	struct address caller;
	struct address to; /* where a creation makes its account, else whom to call */
	struct u256 value;
	const uint8_t *input; /* initcode for a creation */
	size_t input_size;
	int64_t gas;
};

struct evm_result {
	enum evm_status status;
	int64_t gas_left;
	/* Return or revert data; valid until the machine's next message. */
	const uint8_t *output;
	size_t output_size;
};

struct evm {
	struct state *state;
	enum fork fork;
	struct evm_block block;
	struct address origin;
	struct u256 gas_price;
	const struct hash32 *blob_hashes;
	size_t blob_hash_count;
	int64_t refund; /* of the transaction under way */
	/* the machine's own */
	struct u256_modulus modulus;  /* of the last MULMOD */
	struct digest_cache *digests; /* of KECCAK256 over 64 bytes */
	unsigned digest_misses;       /* in a row */
	struct frame *frames;
	struct frame *top;
	uint8_t *memory;
	struct u256 *stack;
	uint8_t *memory_touched; /* end of what was written since it was last given back */
	uint8_t *return_data;
	size_t return_size;
	size_t return_room;
};

struct evm *evm_create(enum fork fork);
void evm_destroy(struct evm *evm);

/*
 * Runs a message. The caller has warmed what the transaction warms and, for a creation, raised the sender's
 * nonce. When the status is not EVM_SUCCESS the state is as it was before, but for what the caller did.
 */
struct evm_result evm_run(struct evm *evm, const struct evm_message *message);

/* Addresses of creations: CREATE by the creator's nonce before it was raised, CREATE2 by salt and initcode.
 */
void evm_create_address(struct address *out, const struct address *creator, uint64_t nonce);

/* Is there a precompiled contract at this address in this fork? 0, or its number. */
unsigned precompile_number(enum fork fork, const struct address *address);
/*
 * Runs precompiled contract `number`. On success takes its cost from *gas, leaves its output in the machine's
 * return data and returns true; otherwise (out of gas, or input it refuses) returns false.
 */
bool precompile_run(struct evm *evm, unsigned number, const uint8_t *input, size_t size, int64_t *gas);
/* Calls `visit` for every precompile's address of the fork. */
unsigned precompile_list(enum fork fork, struct address out[32]);

/* Room for `size` bytes of return data. */
uint8_t *evm_return_buffer(struct evm *evm, size_t size);

#endif
