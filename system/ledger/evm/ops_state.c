/* Instructions on accounts, storage, logs and what surrounds the call. Access costs: EIP-2929, EIP-3529. */
#include "evm/frame.h"
#include "evm/opcodes.h"

/* ---- surroundings ---- */
#define PUSH_WORD(name, value)                                                                               \
	OP(name)                                                                                             \
	{                                                                                                    \
		*++sp = (value);                                                                             \
		NEXT;                                                                                        \
	}
#define PUSH_ADDRESS(name, address)                                                                          \
	OP(name)                                                                                             \
	{                                                                                                    \
		word_from_address(++sp, address);                                                            \
		NEXT;                                                                                        \
	}

PUSH_ADDRESS(address, &f->self->address)
PUSH_ADDRESS(origin, &f->evm->origin)
PUSH_ADDRESS(caller, &f->caller)
PUSH_ADDRESS(coinbase, &f->evm->block.coinbase)
PUSH_WORD(callvalue, f->value)
PUSH_WORD(gasprice, f->evm->gas_price)
PUSH_WORD(timestamp, u256_from(f->evm->block.timestamp))
PUSH_WORD(number, u256_from(f->evm->block.number))
PUSH_WORD(prevrandao, f->evm->block.random)
PUSH_WORD(gaslimit, u256_from(f->evm->block.gas_limit))
PUSH_WORD(chainid, u256_from(f->evm->block.chain_id))
PUSH_WORD(basefee, f->evm->block.base_fee)
PUSH_WORD(blobbasefee, f->evm->block.blob_base_fee)
PUSH_WORD(selfbalance, f->self->now.balance)
PUSH_WORD(pc, u256_from(ip->value))

OP(blobhash)
{
	const struct evm *evm = f->evm;
	if (u256_fits64(sp) && sp->w[0] < evm->blob_hash_count)
		u256_load(sp, evm->blob_hashes[sp->w[0]].bytes);
	else
		*sp = U256_ZERO;
	NEXT;
}

OP(blockhash)
{
	const struct evm_block *block = &f->evm->block;
	if (u256_fits64(sp) && sp->w[0] < block->number && block->number - sp->w[0] <= 256 &&
	    block->block_hash) {
		struct hash32 hash;
		block->block_hash(block->context, sp->w[0], &hash);
		u256_load(sp, hash.bytes);
	} else {
		*sp = U256_ZERO;
	}
	NEXT;
}

/* ---- other accounts ---- */
/* The account named by a word; takes the cost of its access. */
static inline struct account *access_account(struct frame *f, const struct u256 *word, int64_t *gas)
{
	struct address address;
	address_from_word(&address, word);
	struct account *account = state_account(f->evm->state, &address);
	*gas -= state_warm_account(f->evm->state, account) ? GAS_COLD_ACCOUNT : GAS_WARM;
	return account;
}

OP(balance)
{
	const struct account *account = access_account(f, sp, &gas);
	if (UNLIKELY(gas < 0))
		FAIL(EVM_OUT_OF_GAS);
	*sp = account->now.balance;
	NEXT;
}

OP(extcodesize)
{
	struct account *account = access_account(f, sp, &gas);
	if (UNLIKELY(gas < 0))
		FAIL(EVM_OUT_OF_GAS);
	*sp = u256_from(state_code(f->evm->state, account)->size);
	NEXT;
}

OP(extcodehash)
{
	const struct account *account = access_account(f, sp, &gas);
	if (UNLIKELY(gas < 0))
		FAIL(EVM_OUT_OF_GAS);
	if (account_is_empty(account))
		*sp = U256_ZERO;
	else
		u256_load(sp, account->now.code_hash.bytes);
	NEXT;
}

OP(extcodecopy)
{
	const uint64_t size = sp[-3].w[0];
	if (UNLIKELY(!frame_need_word(f, sp - 1, sp - 3, &gas) || (gas -= 3 * words_of(size)) < 0))
		FAIL(EVM_OUT_OF_GAS);
	struct account *account = access_account(f, sp, &gas);
	if (UNLIKELY(gas < 0))
		FAIL(EVM_OUT_OF_GAS);
	if (size) {
		const struct code *code = state_code(f->evm->state, account);
		copy_padded(f->memory + sp[-1].w[0], size, code->bytes, code->size, sp - 2);
	}
	sp -= 4;
	NEXT;
}

/* ---- storage ---- */
OP(sload)
{
	struct state *state = f->evm->state;
	struct slot *slot = state_slot(state, f->self, sp);
	gas -= UNLIKELY(state_warm_slot(state, slot)) ? GAS_COLD_SLOT : GAS_WARM;
	if (UNLIKELY(gas < 0))
		FAIL(EVM_OUT_OF_GAS);
	*sp = slot->value;
	NEXT;
}

#define SSTORE_SENTRY  2300
#define SSTORE_SET     20000
#define SSTORE_RESET   2900
#define REFUND_CLEARED 4800

/* EIP-2200 as changed by EIP-2929 and EIP-3529. */
OP(sstore)
{
	struct evm *evm = f->evm;
	if (UNLIKELY(f->is_static))
		FAIL(EVM_WRITE_PROTECTION);
	if (UNLIKELY(gas + (int64_t)ip->value <= SSTORE_SENTRY))
		FAIL(EVM_OUT_OF_GAS);
	struct slot *slot = state_slot(evm->state, f->self, sp);
	if (state_warm_slot(evm->state, slot))
		gas -= GAS_COLD_SLOT;
	const struct u256 *value = sp - 1;
	if (u256_equal(&slot->value, value)) {
		gas -= GAS_WARM;
	} else {
		const bool clean = u256_equal(&slot->original, &slot->value);
		const bool was_zero = u256_is_zero(&slot->original);
		if (!clean)
			gas -= GAS_WARM;
		else
			gas -= was_zero ? SSTORE_SET : SSTORE_RESET;
		if (!was_zero) {
			if (!clean && u256_is_zero(&slot->value))
				evm->refund -= REFUND_CLEARED;
			if (u256_is_zero(value))
				evm->refund += REFUND_CLEARED;
		}
		if (!clean && u256_equal(&slot->original, value))
			evm->refund += (was_zero ? SSTORE_SET : SSTORE_RESET) - GAS_WARM;
		state_set_slot(evm->state, f->self, slot, value);
	}
	if (UNLIKELY(gas < 0))
		FAIL(EVM_OUT_OF_GAS);
	sp -= 2;
	NEXT;
}

/* EIP-1153 */
OP(tload)
{
	const struct state *state = f->evm->state;
	const struct slot *slot = state_transient_slot(f->evm->state, f->self, sp);
	*sp = slot->transient_stamp == state->stamp ? slot->transient : U256_ZERO;
	NEXT;
}

OP(tstore)
{
	struct state *state = f->evm->state;
	if (UNLIKELY(f->is_static))
		FAIL(EVM_WRITE_PROTECTION);
	state_set_transient(state, state_transient_slot(state, f->self, sp), sp - 1);
	sp -= 2;
	NEXT;
}

/* ---- logs: 375, 375 a topic (both fixed), 8 a byte ---- */
static inline bool add_log(struct frame *f, struct u256 *sp, unsigned topics, int64_t *gas)
{
	const uint64_t size = sp[-1].w[0];
	if (!frame_need_word(f, sp, sp - 1, gas) || (*gas -= 8 * (int64_t)size) < 0)
		return false;
	state_add_log(f->evm->state, &f->self->address, sp - 2, topics, size ? f->memory + sp->w[0] : NULL,
	              size);
	return true;
}

#define LOG(n)                                                                                               \
	OP(log##n)                                                                                           \
	{                                                                                                    \
		if (UNLIKELY(f->is_static))                                                                  \
			FAIL(EVM_WRITE_PROTECTION);                                                          \
		if (UNLIKELY(!add_log(f, sp, n, &gas)))                                                      \
			FAIL(EVM_OUT_OF_GAS);                                                                \
		sp -= 2 + (n);                                                                               \
		NEXT;                                                                                        \
	}
LOG(0) LOG(1) LOG(2) LOG(3) LOG(4)
