/* Checks, fees, warming, refunds. */
#include "tx/apply.h"

#include "tx/account_key.h"
#include "tx/signature.h"

#define GAS_TRANSACTION       21000
#define GAS_CREATE            32000
#define GAS_ACCESS_ADDRESS    2400
#define GAS_ACCESS_KEY        1900
#define GAS_AUTHORIZATION     25000
#define REFUND_AUTHORIZATION  12500
#define GAS_INITCODE_WORD     2
#define FLOOR_PER_TOKEN       10
#define MAX_BLOBS_TRANSACTION 6 /* EIP-7594, from Osaka */

uint64_t transaction_intrinsic_gas(enum fork fork, const struct transaction *t, uint64_t *floor)
{
	uint64_t zeros = 0;
	for (size_t i = 0; i < t->data_size; i++)
		zeros += t->data[i] == 0;
	const uint64_t tokens = zeros + 4 * (t->data_size - zeros);
	uint64_t gas = GAS_TRANSACTION + 4 * tokens;
	if (t->create)
		gas += GAS_CREATE + GAS_INITCODE_WORD * ((t->data_size + 31) / 32);
	gas +=
	    GAS_ACCESS_ADDRESS * (uint64_t)t->access_count + GAS_ACCESS_KEY * (uint64_t)t->access_key_count;
	gas += GAS_AUTHORIZATION * (uint64_t)t->authorization_count;
	gas += t->type == TRANSACTION_HYBRID ? GAS_HYBRID_SIGNATURE : 0;
	*floor = fork >= FORK_PRAGUE ? GAS_TRANSACTION + FLOOR_PER_TOKEN * tokens : 0;
	return gas;
}

/* A 256-bit number and an overflow that sticks. */
struct total {
	struct u256 sum;
	bool overflow;
};

static void total_add_product(struct total *total, const struct u256 *a, uint64_t b)
{
	uint64_t wide[8];
	struct u256 product;
	const struct u256 factor = u256_from(b);
	u256_mul_wide(wide, a, &factor);
	memcpy(product.w, wide, 32);
	total->overflow |= wide[4] != 0;
	total->overflow |= u256_add(&total->sum, &total->sum, &product);
}

void blob_base_fee(struct u256 *out, uint64_t excess_gas, uint64_t fraction)
{
	/* sum of excess^i / (fraction^i i!) in integers, each term divided as it comes */
	struct u256 term = u256_from(fraction);
	const struct u256 scale = u256_from(fraction);
	struct total sum = {0};
	for (uint64_t i = 1; !u256_is_zero(&term); i++) {
		struct total next = {0};
		sum.overflow |= u256_add(&sum.sum, &sum.sum, &term);
		total_add_product(&next, &term, excess_gas);
		if (next.overflow || sum.overflow) {
			memset(out, 0xff, sizeof *out);
			return;
		}
		u256_divide(&term, NULL, &next.sum, &scale);
		const struct u256 step = u256_from(i);
		u256_divide(&term, NULL, &term, &step);
	}
	u256_divide(out, NULL, &sum.sum, &scale);
}

/* ---- checks: each gives the reason for refusing, or NULL ---- */
static const char *check_blobs(const struct evm *evm, const struct rules *rules, const struct transaction *t)
{
	if (!rules->has_token)
		return "blob transactions are not accepted: there is no blob market here";
	if (t->blob_count == 0)
		return "blob transaction without blobs";
	if (t->blob_count > rules->max_blobs ||
	    (rules->fork >= FORK_OSAKA && t->blob_count > MAX_BLOBS_TRANSACTION))
		return "too many blobs";
	for (size_t i = 0; i < t->blob_count; i++)
		if (t->blob_hashes[i].bytes[0] != 0x01)
			return "unknown version of a blob hash";
	if (u256_less(&t->max_blob_fee, &evm->block.blob_base_fee))
		return "max fee per blob gas below the block's blob base fee";
	return NULL;
}

static const char *check_form(const struct evm *evm, const struct rules *rules, const struct transaction *t)
{
	uint64_t floor;
	if (t->has_chain_id && t->chain_id != evm->block.chain_id)
		return "invalid chain id";
	if ((t->type == TRANSACTION_SET_CODE && rules->fork < FORK_PRAGUE) ||
	    (t->type == TRANSACTION_HYBRID && rules->has_token))
		return "transaction type not supported";
	if (t->gas_limit > evm->block.gas_limit)
		return "exceeds block gas limit";
	if (rules->fork >= FORK_OSAKA && t->gas_limit > TRANSACTION_GAS_CAP)
		return "transaction gas limit too high";
	if (t->create && t->data_size > EVM_MAX_INITCODE)
		return "max initcode size exceeded";
	const uint64_t intrinsic = transaction_intrinsic_gas(rules->fork, t, &floor);
	if (t->gas_limit < intrinsic)
		return "intrinsic gas too low";
	if (t->gas_limit < floor)
		return "gas limit below the floor of its data";
	if (t->type == TRANSACTION_SET_CODE && t->authorization_count == 0)
		return "set-code transaction without authorizations";
	if (rules->has_token && u256_less(&t->max_fee, &t->max_priority_fee))
		return "max priority fee per gas higher than max fee per gas";
	if (rules->has_token && u256_less(&t->max_fee, &evm->block.base_fee))
		return "max fee per gas less than block base fee";
	return t->type == TRANSACTION_BLOB ? check_blobs(evm, rules, t) : NULL;
}

static const char *check_sender(struct evm *evm, const struct rules *rules, const struct transaction *t,
                                struct account *sender, bool any_nonce)
{
	const struct code *code = state_code(evm->state, sender);
	if (code->size && !(code->is_delegation && rules->fork >= FORK_PRAGUE))
		return "sender is a contract";
	if (sender->now.nonce == UINT64_MAX)
		return "nonce has max value";
	if (t->nonce < sender->now.nonce)
		return "nonce too low";
	if (t->nonce > sender->now.nonce && !any_nonce)
		return "nonce too high";
	const char *why = rules->has_token ? NULL : account_key_check(evm->state, t, &sender->address);
	if (why)
		return why;
	struct total cost = {.sum = t->value};
	if (rules->has_token) {
		total_add_product(&cost, &t->max_fee, t->gas_limit);
		if (t->type == TRANSACTION_BLOB)
			total_add_product(&cost, &t->max_blob_fee, GAS_PER_BLOB * t->blob_count);
	}
	if (cost.overflow || u256_less(&sender->now.balance, &cost.sum))
		return "insufficient funds for gas * price + value";
	return NULL;
}

/* min(max_fee - base_fee, max_priority_fee): what the block's maker gets a unit of gas. */
static void fees(const struct evm *evm, const struct rules *rules, const struct transaction *t,
                 struct u256 *price, struct u256 *tip)
{
	*price = *tip = U256_ZERO;
	if (!rules->has_token)
		return;
	u256_sub(tip, &t->max_fee, &evm->block.base_fee);
	if (u256_less(&t->max_priority_fee, tip))
		*tip = t->max_priority_fee;
	u256_add(price, &evm->block.base_fee, tip);
}

/* ---- EIP-7702 ---- */
static void authorize(struct evm *evm, const struct rules *rules, const struct authorization *a)
{
	struct state *state = evm->state;
	struct address signer;
	struct hash32 replaced;
	if ((!u256_is_zero(&a->chain_id) &&
	     !(u256_fits64(&a->chain_id) && a->chain_id.w[0] == evm->block.chain_id)) ||
	    a->nonce == UINT64_MAX || !authorization_signer(a, &signer))
		return;
	if (!rules->has_token && account_key_read(state, &signer, &replaced))
		return; /* a secp256k1 key does not speak for it any more */
	struct account *authority = state_account(state, &signer);
	state_warm_account(state, authority);
	const struct code *code = state_code(state, authority);
	if ((code->size && !code->is_delegation) || authority->now.nonce != a->nonce)
		return;
	if (!account_is_empty(authority))
		evm->refund += REFUND_AUTHORIZATION;
	static const struct address zero;
	if (address_equal(&a->address, &zero)) {
		state_set_code(state, authority, &code_empty);
	} else {
		uint8_t designator[23] = {0xef, 0x01, 0x00};
		struct hash32 hash;
		memcpy(designator + 3, a->address.bytes, 20);
		keccak256(hash.bytes, designator, sizeof designator);
		state_set_code(state, authority,
		               code_cache_add(state->codes, &hash, designator, sizeof designator));
	}
	state_set_nonce(state, authority, authority->now.nonce + 1);
}

static void warm_address(struct state *state, const struct address *address)
{
	state_warm_account(state, state_account(state, address));
}

static void warm(struct evm *evm, const struct transaction *t, const struct address *to)
{
	struct state *state = evm->state;
	warm_address(state, &evm->block.coinbase);
	warm_address(state, to);
	for (size_t i = 0; i < t->access_count; i++) {
		struct account *account = state_account(state, &t->access_list[i].address);
		state_warm_account(state, account);
		for (size_t k = 0; k < t->access_list[i].key_count; k++)
			state_warm_slot(state, state_slot(state, account, &t->access_list[i].keys[k]));
	}
	const struct code *code = state_code(state, state_account(state, to));
	if (!t->create && code->is_delegation && evm->fork >= FORK_PRAGUE)
		warm_address(state, &code->delegate);
}

static void add_balance(struct state *state, struct account *account, const struct u256 *price, uint64_t gas)
{
	struct total sum = {.sum = account->now.balance};
	total_add_product(&sum, price, gas);
	if (u256_is_zero(price) || gas == 0)
		state_touch(state, account);
	else
		state_set_balance(state, account, &sum.sum);
}

static void sub_balance(struct state *state, struct account *account, const struct u256 *price, uint64_t gas)
{
	struct total cost = {0};
	struct u256 left;
	total_add_product(&cost, price, gas);
	if (u256_is_zero(&cost.sum))
		return;
	u256_sub(&left, &account->now.balance, &cost.sum);
	state_set_balance(state, account, &left);
}

/* A transaction to the system account of keys. */
static struct evm_result change_key(struct evm *evm, const struct evm_message *message)
{
	const int64_t left = message->gas - GAS_KEY_CHANGE;
	if (left < 0)
		return (struct evm_result){.status = EVM_OUT_OF_GAS};
	if (!account_key_change(evm->state, evm->block.chain_id, &message->caller, message->input,
	                        message->input_size))
		return (struct evm_result){.status = EVM_REVERTED, .gas_left = left};
	return (struct evm_result){.status = EVM_SUCCESS, .gas_left = left};
}

/* Runs a transaction that has been found good. */
static struct applied execute(struct evm *evm, const struct rules *rules, const struct transaction *t,
                              struct account *sender, bool charge)
{
	struct state *state = evm->state;
	struct applied result = {.valid = true};
	struct u256 tip;
	uint64_t floor;
	const uint64_t intrinsic = transaction_intrinsic_gas(rules->fork, t, &floor);
	fees(evm, rules, t, &result.gas_price, &tip);
	if (!charge)
		tip = U256_ZERO;
	evm->origin = sender->address;
	evm->gas_price = result.gas_price;
	evm->blob_hashes = t->blob_hashes;
	evm->blob_hash_count = t->blob_count;
	evm->refund = 0;
	if (charge) {
		sub_balance(state, sender, &result.gas_price, t->gas_limit);
		if (t->type == TRANSACTION_BLOB)
			sub_balance(state, sender, &evm->block.blob_base_fee, GAS_PER_BLOB * t->blob_count);
	}
	struct evm_message message = {
	    .create = t->create,
	    .caller = sender->address,
	    .to = t->to,
	    .value = t->value,
	    .input = t->data,
	    .input_size = t->data_size,
	    .gas = (int64_t)(t->gas_limit - intrinsic),
	};
	if (t->create) {
		evm_create_address(&message.to, &sender->address, sender->now.nonce);
		result.created = true;
		result.contract = message.to;
	}
	state_set_nonce(state, sender, sender->now.nonce + 1);
	state_warm_account(state, sender);
	for (size_t i = 0; i < t->authorization_count; i++)
		authorize(evm, rules, &t->authorizations[i]);
	warm(evm, t, &message.to);

	const bool key_change = !rules->has_token && !t->create && address_equal(&t->to, &account_key_system);
	const struct evm_result run = key_change ? change_key(evm, &message) : evm_run(evm, &message);
	result.status = run.status;
	result.output = run.output;
	result.output_size = run.output_size;
	uint64_t used = t->gas_limit - (uint64_t)run.gas_left;
	const uint64_t refund = evm->refund > 0 ? (uint64_t)evm->refund : 0;
	used -= refund < used / 5 ? refund : used / 5;
	if (used < floor)
		used = floor;
	result.gas_used = used;
	if (charge)
		add_balance(state, sender, &result.gas_price, t->gas_limit - used);
	if (rules->has_token)
		add_balance(state, state_account(state, &evm->block.coinbase), &tip, used);
	return result;
}

const char *transaction_check(struct evm *evm, const struct rules *rules, const struct transaction *t,
                              const struct address *sender, bool any_nonce)
{
	const char *why = check_form(evm, rules, t);
	return why ? why : check_sender(evm, rules, t, state_account(evm->state, sender), any_nonce);
}

struct applied transaction_apply(struct evm *evm, const struct rules *rules, const struct transaction *t,
                                 const struct address *sender_address)
{
	const char *why = transaction_check(evm, rules, t, sender_address, false);
	if (why)
		return (struct applied){.why = why};
	struct account *sender = state_account(evm->state, sender_address);
	state_begin(evm->state);
	const struct applied result = execute(evm, rules, t, sender, rules->has_token);
	state_end(evm->state);
	return result;
}

struct applied transaction_simulate(struct evm *evm, const struct rules *rules, const struct transaction *t,
                                    const struct address *sender_address)
{
	uint64_t floor;
	struct account *sender = state_account(evm->state, sender_address);
	if (t->create && t->data_size > EVM_MAX_INITCODE)
		return (struct applied){.why = "max initcode size exceeded"};
	const uint64_t intrinsic = transaction_intrinsic_gas(rules->fork, t, &floor);
	if (t->gas_limit < intrinsic || t->gas_limit < floor)
		return (struct applied){.why = "intrinsic gas too low"};
	if (u256_less(&sender->now.balance, &t->value))
		return (struct applied){.why = "insufficient funds for transfer"};
	state_begin(evm->state);
	return execute(evm, rules, t, sender, false);
}
