/*
 * CALL and its kin, CREATE, CREATE2 and SELFDESTRUCT. A handler works out costs, then either answers at once
 * (precompiles, empty code, no balance, too deep) or prepares the callee's frame and leaves its own waiting.
 *
 * Sources: yellow paper, section 8 and appendix H; EIP-150 (63/64), EIP-161, EIP-684 and 7610 (collisions),
 * EIP-1014, EIP-2929, EIP-3860, EIP-6780, EIP-7702.
 */
#include "evm/frame.h"
#include "evm/opcodes.h"

#define GAS_CALL_VALUE   9000
#define GAS_CALL_STIPEND 2300
#define GAS_NEW_ACCOUNT  25000

void transfer_value(struct state *state, struct account *from, struct account *to, const struct u256 *value)
{
	struct u256 balance;
	if (u256_is_zero(value)) {
		state_touch(state, to);
		return;
	}
	u256_sub(&balance, &from->now.balance, value);
	state_set_balance(state, from, &balance);
	u256_add(&balance, &to->now.balance, value);
	state_set_balance(state, to, &balance);
}

/* How the four calls differ. */
struct call_kind {
	bool has_value; /* takes a value from the stack */
	bool own_state; /* the callee's code runs on the caller's account */
	bool keeps_caller;
	bool is_static;
};
static const struct call_kind call = {true, false, false, false};
static const struct call_kind callcode = {true, true, false, false};
static const struct call_kind delegatecall = {false, true, true, false};
static const struct call_kind staticcall = {false, false, false, true};

static int64_t access_cost(struct state *state, struct account *account)
{
	return state_warm_account(state, account) ? GAS_COLD_ACCOUNT : GAS_WARM;
}

/* What a call instruction is left with when its callee ended, or was not started: the result and the output.
 */
static void take_output(struct frame *f, const struct evm *evm)
{
	const uint64_t size = evm->return_size < f->return_size ? evm->return_size : f->return_size;
	if (size)
		memcpy(f->memory + f->return_offset, evm->return_data, size);
}

enum outcome {
	ANSWERED, /* *result and *gas say how it went */
	WAITING,  /* a frame is on top */
	NO_GAS,
	FORBIDDEN,
};

/* sp is the stack at the instruction. */
static enum outcome begin_call(struct frame *f, const struct u256 *sp, int64_t *gas,
                               const struct call_kind *kind, bool *result)
{
	struct evm *evm = f->evm;
	struct state *state = evm->state;
	const struct u256 *value = kind->has_value ? sp - 2 : &U256_ZERO;
	const struct u256 *area =
	    kind->has_value ? sp - 3 : sp - 2; /* input offset and size, output offset and size */
	const bool transfers = kind->has_value && !u256_is_zero(value);
	if (transfers && f->is_static && !kind->own_state)
		return FORBIDDEN;
	if (!frame_need_word(f, area, area - 1, gas) || !frame_need_word(f, area - 2, area - 3, gas))
		return NO_GAS;

	struct address to;
	address_from_word(&to, sp - 1);
	struct account *target = state_account(state, &to);
	*gas -= access_cost(state, target);
	if (*gas < 0)
		return NO_GAS;
	if (transfers) {
		*gas -= GAS_CALL_VALUE;
		if (!kind->own_state && account_is_empty(target))
			*gas -= GAS_NEW_ACCOUNT;
	}
	const struct code *code = state_code(state, target);
	unsigned precompile = code->size == 0 ? precompile_number(evm->fork, &to) : 0;
	if (code->is_delegation && evm->fork >= FORK_PRAGUE) {
		struct account *delegate = state_account(state, &code->delegate);
		*gas -= access_cost(state, delegate);
		code = state_code(state, delegate);
	}
	if (*gas < 0)
		return NO_GAS;

	int64_t callee_gas = *gas - *gas / 64;
	if (u256_fits64(sp) && sp->w[0] < (uint64_t)callee_gas)
		callee_gas = (int64_t)sp->w[0];
	*gas -= callee_gas;
	if (transfers)
		callee_gas += GAS_CALL_STIPEND;
	evm->return_size = 0;
	if (f->depth == EVM_MAX_DEPTH || (transfers && u256_less(&f->self->now.balance, value))) {
		*gas += callee_gas;
		*result = false;
		return ANSWERED;
	}

	f->return_offset = area[-2].w[0];
	f->return_size = area[-3].w[0];
	const uint64_t input_size = area[-1].w[0];
	const uint8_t *input = input_size ? f->memory + area->w[0] : NULL;
	struct account *self = kind->own_state ? f->self : target;
	const size_t mark = state_mark(state);
	const size_t log_mark = state->log_count;
	if (kind->has_value && !kind->own_state)
		transfer_value(state, f->self, target, value);

	if (precompile) {
		*result = precompile_run(evm, precompile, input, input_size, &callee_gas);
		if (*result) {
			*gas += callee_gas;
			take_output(f, evm);
		} else {
			evm->return_size = 0;
			state_undo(state, mark, log_mark);
		}
		return ANSWERED;
	}
	if (code->size == 0) {
		*gas += callee_gas;
		*result = true;
		return ANSWERED;
	}
	struct frame *callee = frame_push(evm, f);
	callee->stack = (struct u256 *)(uintptr_t)(kind->has_value ? sp - 7 : sp - 6);
	callee->code = code;
	callee->self = self;
	callee->input = input;
	callee->input_size = input_size;
	callee->caller = kind->keeps_caller ? f->caller : f->self->address;
	callee->value = kind->keeps_caller ? f->value : *value;
	callee->is_static = f->is_static || kind->is_static;
	callee->gas = callee_gas;
	callee->mark = mark;
	callee->log_mark = log_mark;
	frame_start(evm, callee);
	return WAITING;
}

#define CALL(name, items)                                                                                    \
	OP(name)                                                                                             \
	{                                                                                                    \
		bool result = false;                                                                         \
		switch (begin_call(f, sp, &gas, &name, &result)) {                                           \
		case NO_GAS:                                                                                 \
			FAIL(EVM_OUT_OF_GAS);                                                                \
		case FORBIDDEN:                                                                              \
			FAIL(EVM_WRITE_PROTECTION);                                                          \
		case WAITING:                                                                                \
			f->ip = ip + 1;                                                                      \
			f->sp = sp - (items);                                                                \
			f->gas = gas;                                                                        \
			f->status = EVM_CALLING;                                                             \
			return;                                                                              \
		case ANSWERED:                                                                               \
			break;                                                                               \
		}                                                                                            \
		sp -= (items)-1;                                                                             \
		*sp = u256_from(result);                                                                     \
		NEXT;                                                                                        \
	}
CALL(call, 7)
CALL(callcode, 7)
CALL(delegatecall, 6)
CALL(staticcall, 6)

/* ---- creation ---- */
static void create2_address(struct address *out, const struct address *creator, const struct u256 *salt,
                            const uint8_t *code, size_t size)
{
	uint8_t text[85];
	uint8_t digest[32];
	text[0] = 0xff;
	memcpy(text + 1, creator->bytes, 20);
	u256_store(text + 21, salt);
	keccak256(text + 53, code, size);
	keccak256(digest, text, sizeof text);
	memcpy(out->bytes, digest + 12, 20);
}

static enum outcome begin_create(struct frame *f, const struct u256 *sp, int64_t *gas,
                                 const struct u256 *salt)
{
	struct evm *evm = f->evm;
	struct state *state = evm->state;
	const struct u256 *value = sp;
	const uint64_t size = sp[-2].w[0];
	if (f->is_static)
		return FORBIDDEN;
	if (!u256_fits64(sp - 2) || size > EVM_MAX_INITCODE || !frame_need(f, sp - 1, size, gas))
		return NO_GAS;
	*gas -= words_of(size) * (salt ? 2 + 6 : 2);
	if (*gas < 0)
		return NO_GAS;
	evm->return_size = 0;
	if (f->depth == EVM_MAX_DEPTH || u256_less(&f->self->now.balance, value) ||
	    f->self->now.nonce == UINT64_MAX)
		return ANSWERED;

	int64_t callee_gas = *gas - *gas / 64;
	*gas -= callee_gas;
	const uint8_t *code = size ? f->memory + sp[-1].w[0] : NULL;
	struct address address;
	if (salt)
		create2_address(&address, &f->self->address, salt, code, size);
	else
		evm_create_address(&address, &f->self->address, f->self->now.nonce);
	state_set_nonce(state, f->self, f->self->now.nonce + 1);
	struct account *created = state_account(state, &address);
	state_warm_account(state, created);
	if (created->now.nonce || created->now.has_storage ||
	    !hash32_equal(&created->now.code_hash, &keccak_of_nothing))
		return ANSWERED; /* the callee's gas is lost */

	struct frame *callee = frame_push(evm, f);
	callee->stack = (struct u256 *)(uintptr_t)(salt ? sp - 4 : sp - 3);
	callee->mark = state_mark(state);
	callee->log_mark = state->log_count;
	state_set_created(state, created);
	state_set_nonce(state, created, 1);
	transfer_value(state, f->self, created, value);
	callee->once = code_create_once(code, size, evm->fork);
	callee->code = callee->once;
	callee->self = created;
	callee->input = NULL;
	callee->input_size = 0;
	callee->caller = f->self->address;
	callee->value = *value;
	callee->is_static = false;
	callee->is_create = true;
	callee->gas = callee_gas;
	frame_start(evm, callee);
	return WAITING;
}

#define CREATE(name, items, salt)                                                                            \
	OP(name)                                                                                             \
	{                                                                                                    \
		switch (begin_create(f, sp, &gas, salt)) {                                                   \
		case NO_GAS:                                                                                 \
			FAIL(EVM_OUT_OF_GAS);                                                                \
		case FORBIDDEN:                                                                              \
			FAIL(EVM_WRITE_PROTECTION);                                                          \
		case WAITING:                                                                                \
			f->ip = ip + 1;                                                                      \
			f->sp = sp - (items);                                                                \
			f->gas = gas;                                                                        \
			f->return_size = 0;                                                                  \
			f->status = EVM_CALLING;                                                             \
			return;                                                                              \
		case ANSWERED:                                                                               \
			break;                                                                               \
		}                                                                                            \
		sp -= (items)-1;                                                                             \
		*sp = U256_ZERO;                                                                             \
		NEXT;                                                                                        \
	}
CREATE(create, 3, NULL)
CREATE(create2, 4, sp - 3)

/* EIP-6780: the account goes only if it was created in this transaction; its balance always does. */
OP(selfdestruct)
{
	struct state *state = f->evm->state;
	struct account *self = f->self;
	struct address address;
	(void)ip;
	if (UNLIKELY(f->is_static))
		FAIL(EVM_WRITE_PROTECTION);
	address_from_word(&address, sp);
	struct account *heir = state_account(state, &address);
	if (state_warm_account(state, heir))
		gas -= GAS_COLD_ACCOUNT;
	if (account_is_empty(heir) && !u256_is_zero(&self->now.balance))
		gas -= GAS_NEW_ACCOUNT;
	if (UNLIKELY(gas < 0))
		FAIL(EVM_OUT_OF_GAS);
	const struct u256 balance = self->now.balance;
	if (heir != self)
		transfer_value(state, self, heir, &balance);
	if (account_created_now(state, self)) {
		state_set_balance(state, self, &U256_ZERO);
		state_set_destroyed(state, self);
	}
	f->status = EVM_SUCCESS;
	f->gas = gas;
	f->output = NULL;
	f->output_size = 0;
}
