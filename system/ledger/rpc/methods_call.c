/* eth_call, eth_estimateGas, eth_createAccessList: transactions that are run and thrown away. */
#include "rpc/rpc_internal.h"

#include <stdlib.h>

static const char *text_field(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static bool bad(struct rpc_call *call, const char *what)
{
	(void)rpc_fail(call, RPC_INVALID_PARAMS, "invalid %s", what);
	return false;
}

static bool parse_access_list(struct rpc_call *call, json_t *list, struct transaction *out)
{
	struct arena *arena = &call->view->arena;
	if (!json_is_array(list))
		return bad(call, "accessList");
	struct access_entry *entries = arena_alloc(arena, json_array_size(list) * sizeof *entries);
	size_t i;
	json_t *item;
	json_array_foreach(list, i, item)
	{
		const char *address = text_field(item, "address");
		json_t *keys = json_object_get(item, "storageKeys");
		if (!address || hex_decode(entries[i].address.bytes, 20, address) != 20)
			return bad(call, "accessList");
		struct u256 *words = arena_alloc(arena, json_array_size(keys) * sizeof *words);
		size_t k;
		json_t *key;
		json_array_foreach(
		    keys, k,
		    key) if (!json_is_string(key) ||
		             !hex_to_u256(&words[k], json_string_value(key))) return bad(call, "storageKeys");
		entries[i].keys = words;
		entries[i].key_count = json_array_size(keys);
		out->access_key_count += entries[i].key_count;
	}
	out->access_list = entries;
	out->access_count = json_array_size(list);
	out->type = TRANSACTION_ACCESS_LIST;
	return true;
}

static bool parse_word(struct rpc_call *call, const json_t *object, const char *key, struct u256 *out)
{
	const char *text = text_field(object, key);
	*out = U256_ZERO;
	return !text || hex_to_u256(out, text) || bad(call, key);
}

bool rpc_parse_call(struct rpc_call *call, json_t *object, struct transaction *out, struct address *sender)
{
	struct u256 gas;
	struct u256 nonce;
	struct u256 gas_price;
	*out = (struct transaction){.gas_limit = RPC_CALL_GAS};
	*sender = (struct address){{0}};
	if (!json_is_object(object))
		return bad(call, "transaction object");
	const char *from = text_field(object, "from");
	const char *to = text_field(object, "to");
	const char *data = text_field(object, "input");
	if (!data)
		data = text_field(object, "data");
	if (from && hex_decode(sender->bytes, 20, from) != 20)
		return bad(call, "from");
	out->create = !to || !strcmp(to, "0x");
	if (!out->create && hex_decode(out->to.bytes, 20, to) != 20)
		return bad(call, "to");
	if (data) {
		out->data = rpc_bytes(data, SIZE_MAX, &call->view->arena, &out->data_size);
		if (!out->data)
			return bad(call, "data");
	}
	if (!parse_word(call, object, "value", &out->value) || !parse_word(call, object, "gas", &gas) ||
	    !parse_word(call, object, "nonce", &nonce) || !parse_word(call, object, "gasPrice", &gas_price) ||
	    !parse_word(call, object, "maxFeePerGas", &out->max_fee) ||
	    !parse_word(call, object, "maxPriorityFeePerGas", &out->max_priority_fee))
		return false;
	if (!u256_is_zero(&gas) && u256_fits64(&gas) && gas.w[0] < out->gas_limit)
		out->gas_limit = gas.w[0];
	out->gas_price = gas_price;
	out->nonce = nonce.w[0];
	json_t *list = json_object_get(object, "accessList");
	if (list && !json_is_null(list) && !parse_access_list(call, list, out))
		return false;
	const char *type = text_field(object, "type");
	if (type && !strcmp(type, "0x51")) /* its signature costs gas */
		out->type = TRANSACTION_HYBRID;
	return true;
}

/* ---- overrides: what accounts are, for this call alone ---- */
static bool override_slots(struct rpc_call *call, struct account *account, json_t *slots)
{
	struct state *state = &call->view->state;
	const char *key;
	json_t *value;
	json_object_foreach(slots, key, value)
	{
		struct u256 word;
		struct u256 content;
		if (!json_is_string(value) || !hex_to_u256(&word, key) ||
		    !hex_to_u256(&content, json_string_value(value)))
			return bad(call, "state override");
		struct slot *slot = state_slot(state, account, &word);
		state_warm_slot(state, slot);
		state_set_slot(state, account, slot, &content);
	}
	return true;
}

static bool override_account(struct rpc_call *call, struct account *account, json_t *fields)
{
	struct state *state = &call->view->state;
	struct u256 word;
	const char *code = text_field(fields, "code");
	json_t *whole = json_object_get(fields, "state");
	if (json_object_get(fields, "balance")) {
		if (!parse_word(call, fields, "balance", &word))
			return false;
		state_set_balance(state, account, &word);
	}
	if (json_object_get(fields, "nonce")) {
		if (!parse_word(call, fields, "nonce", &word))
			return false;
		state_set_nonce(state, account, word.w[0]);
	}
	if (code) {
		size_t size;
		const uint8_t *bytes = rpc_bytes(code, SIZE_MAX, &call->view->arena, &size);
		struct hash32 hash;
		if (!bytes)
			return bad(call, "code override");
		keccak256(hash.bytes, bytes, size);
		state_set_code(state, account, code_cache_add(&call->view->codes, &hash, bytes, size));
	}
	if (whole) {
		account->storage_wiped = true;
		if (!override_slots(call, account, whole))
			return false;
	}
	return override_slots(call, account, json_object_get(fields, "stateDiff"));
}

static bool apply_overrides(struct rpc_call *call, json_t *overrides)
{
	const char *key;
	json_t *fields;
	bool good = true;
	if (!overrides)
		return true;
	state_begin(&call->view->state);
	json_object_foreach(overrides, key, fields)
	{
		struct address address;
		if (hex_decode(address.bytes, 20, key) != 20)
			good = bad(call, "state override");
		good = good && override_account(call, state_account(&call->view->state, &address), fields);
	}
	state_end(&call->view->state);
	return good;
}

/* ---- running ---- */
/* "execution reverted", with the text of Error(string) when there is one. */
static json_t *fail_reverted(struct rpc_call *call, const struct applied *applied)
{
	static const uint8_t error_selector[4] = {0x08, 0xc3, 0x79, 0xa0};
	const uint8_t *output = applied->output;
	call->data = rpc_data(output, applied->output_size);
	if (applied->output_size >= 68 && memcmp(output, error_selector, 4) == 0) {
		struct u256 length;
		u256_load(&length, output + 36);
		if (u256_fits64(&length) && length.w[0] <= applied->output_size - 68 && length.w[0] < 200) {
			char reason[200];
			memcpy(reason, output + 68, length.w[0]);
			reason[length.w[0]] = 0;
			json_t *check = json_string(reason);
			if (check) {
				json_decref(check);
				return rpc_fail(call, RPC_REVERTED, "execution reverted: %s", reason);
			}
		}
	}
	return rpc_fail(call, RPC_REVERTED, "execution reverted");
}

static json_t *fail_applied(struct rpc_call *call, const struct applied *applied)
{
	if (!applied->valid)
		return rpc_fail(call, RPC_FAILED, "%s", applied->why);
	if (applied->status == EVM_REVERTED)
		return fail_reverted(call, applied);
	return rpc_fail(call, RPC_FAILED, "%s", evm_status_text(applied->status));
}

static struct applied simulate(struct rpc_call *call, const struct transaction *transaction,
                               const struct address *sender, const struct block_header *block,
                               json_t *overrides, bool *good)
{
	struct chain_view *view = call->view;
	const struct rules rules = chain_rules(call->rpc->config.chain);
	state_clear(&view->state);
	chain_view_set_block(view, block, false);
	*good = apply_overrides(call, overrides);
	if (!*good)
		return (struct applied){0};
	return transaction_simulate(view->evm, &rules, transaction, sender);
}

static json_t *call_method(struct rpc_call *call)
{
	struct transaction transaction;
	struct address sender;
	struct block_header header;
	bool good;
	if (!rpc_parse_call(call, rpc_param(call, 0), &transaction, &sender) ||
	    !rpc_param_state(call, 1, &header))
		return NULL;
	const struct applied applied =
	    simulate(call, &transaction, &sender, &header, rpc_param(call, 2), &good);
	json_t *result = NULL;
	if (good)
		result = applied.valid && applied.status == EVM_SUCCESS
		             ? rpc_data(applied.output, applied.output_size)
		             : fail_applied(call, &applied);
	state_clear(&call->view->state);
	return result;
}

/* The least gas with which it succeeds, by halving; within 1.5 % above, as geth has it. */
static json_t *estimate_gas(struct rpc_call *call)
{
	struct transaction transaction;
	struct address sender;
	struct block_header header;
	bool good;
	if (!rpc_parse_call(call, rpc_param(call, 0), &transaction, &sender) ||
	    !rpc_param_state(call, 1, &header))
		return NULL;
	if (transaction.gas_limit > TRANSACTION_GAS_CAP)
		transaction.gas_limit = TRANSACTION_GAS_CAP;
	uint64_t high = transaction.gas_limit;
	struct applied applied = simulate(call, &transaction, &sender, &header, rpc_param(call, 2), &good);
	if (!good || !applied.valid || applied.status != EVM_SUCCESS) {
		json_t *failure = good ? fail_applied(call, &applied) : NULL;
		state_clear(&call->view->state);
		return failure;
	}
	uint64_t low = applied.gas_used - 1;
	/* Mostly what it used, and a 63rd for what calls withhold, is enough. */
	uint64_t guess = (applied.gas_used + 2300) * 64 / 63;
	while (low + 1 < high) {
		if ((high - low) * 1000 < high * 15)
			break;
		uint64_t middle = guess ? guess : (low + high) / 2;
		if (guess && guess >= high)
			middle = (low + high) / 2;
		guess = 0;
		transaction.gas_limit = middle;
		applied = simulate(call, &transaction, &sender, &header, rpc_param(call, 2), &good);
		if (applied.valid && applied.status == EVM_SUCCESS)
			high = middle;
		else
			low = middle;
	}
	state_clear(&call->view->state);
	return rpc_quantity(high);
}

/* What the last simulation warmed, without sender, recipient and precompiles. */
static json_t *warm_list(struct rpc_call *call, const struct address *sender, const struct address *to)
{
	const struct state *state = &call->view->state;
	json_t *list = json_array();
	for (const struct account *account = state->all; account; account = account->next) {
		if (account->warm_stamp != state->stamp)
			continue;
		json_t *keys = json_array();
		for (const struct slot *slot = account->all_slots; slot; slot = slot->next) {
			uint8_t bytes[32];
			if (slot->stamp != state->stamp)
				continue;
			u256_store(bytes, &slot->key);
			json_array_append_new(keys, rpc_data(bytes, 32));
		}
		const bool implied = address_equal(&account->address, sender) ||
		                     address_equal(&account->address, to) ||
		                     address_equal(&account->address, &call->view->evm->block.coinbase);
		if (implied && json_array_size(keys) == 0) {
			json_decref(keys);
			continue;
		}
		json_t *entry = json_object();
		json_object_set_new(entry, "address", rpc_address(&account->address));
		json_object_set_new(entry, "storageKeys", keys);
		json_array_append_new(list, entry);
	}
	return list;
}

static json_t *create_access_list(struct rpc_call *call)
{
	struct transaction transaction;
	struct address sender;
	struct block_header header;
	bool good;
	if (!rpc_parse_call(call, rpc_param(call, 0), &transaction, &sender) ||
	    !rpc_param_state(call, 1, &header))
		return NULL;
	struct applied applied = simulate(call, &transaction, &sender, &header, NULL, &good);
	if (!applied.valid)
		return fail_applied(call, &applied);
	json_t *list = warm_list(call, &sender, applied.created ? &applied.contract : &transaction.to);
	transaction.access_key_count = 0;
	if (!parse_access_list(call, list, &transaction)) {
		json_decref(list);
		return NULL;
	}
	applied = simulate(call, &transaction, &sender, &header, NULL, &good);
	json_t *result = json_object();
	json_object_set_new(result, "accessList", list);
	json_object_set_new(result, "gasUsed", rpc_quantity(applied.gas_used));
	if (applied.status != EVM_SUCCESS)
		json_object_set_new(result, "error", json_string(evm_status_text(applied.status)));
	state_clear(&call->view->state);
	return result;
}

const struct rpc_method_entry rpc_call_methods[] = {{"eth_call", call_method},
                                                    {"eth_estimateGas", estimate_gas},
                                                    {"eth_createAccessList", create_access_list},
                                                    {NULL, NULL}};
