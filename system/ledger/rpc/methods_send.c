/* Sending: raw transactions, and for development accounts that the node signs for. */
#include "rpc/rpc_internal.h"

#include "tx/signature.h"

#include <stdio.h>
#include <stdlib.h>

bool rpc_derive_accounts(struct rpc *rpc)
{
	rpc->accounts = checked_zalloc(rpc->config.key_count, sizeof *rpc->accounts);
	for (size_t i = 0; i < rpc->config.key_count; i++)
		if (!signature_address(&rpc->accounts[i], rpc->config.keys[i])) {
			fprintf(stderr, "holon-ledger: key %zu of the accounts is not a secp256k1 key\n", i);
			return false;
		}
	return true;
}

static json_t *submit(struct rpc_call *call, const struct transaction *transaction, const uint8_t *bytes,
                      size_t size, const struct address *sender)
{
	struct rpc *rpc = call->rpc;
	struct chain_view *view = call->view;
	const struct rules rules = chain_rules(rpc->config.chain);
	chain_view_set_block(view, &view->head, false);
	const char *why = transaction_check(view->evm, &rules, transaction, sender, true);
	const struct chain_config *config = chain_configuration(rpc->config.chain);
	if (!why && size > RPC_MAX_TRANSACTION)
		why = "transaction too large: at most 128 KiB";
	if (!why &&
	    chain_quota_left(config, &view->state, sender, view->head.timestamp) < transaction->gas_limit)
		why = "gas limit above what is left of the sender's quota";
	if (why)
		return rpc_fail(call, RPC_FAILED, "%s", why);
	const uint64_t nonce = state_account(&view->state, sender)->now.nonce;
	switch (txpool_add(rpc->pool, transaction, bytes, size, sender, nonce, &why)) {
	case TXPOOL_TAKEN:
		rpc_notify_pending(rpc, &transaction->hash);
		if (rpc->config.settle)
			rpc->config.settle(rpc->config.context);
		return rpc_hash(&transaction->hash);
	case TXPOOL_REFUSED:
		return rpc_fail(call, RPC_FAILED, "%s", why);
	case TXPOOL_FULL:
		break;
	}
	return rpc_fail(call, RPC_LIMIT, "too many transactions are on their way: try again later");
}

static json_t *send_raw_transaction(struct rpc_call *call)
{
	const uint8_t *bytes;
	size_t size;
	struct transaction transaction;
	struct address sender;
	const char *why;
	if (!rpc_param_bytes(call, 0, &bytes, &size))
		return NULL;
	if (size > RPC_MAX_TRANSACTION)
		return rpc_fail(call, RPC_FAILED, "transaction too large: at most 128 KiB");
	if (!transaction_decode(&transaction, bytes, size, &call->view->arena, &why))
		return rpc_fail(call, RPC_FAILED, "%s", why);
	if (!transaction_sender(&transaction, &sender))
		return rpc_fail(call, RPC_FAILED, "invalid sender: the signature is not valid");
	return submit(call, &transaction, bytes, size, &sender);
}

/* ---- accounts of the node ---- */
static json_t *accounts(struct rpc_call *call)
{
	json_t *list = json_array();
	for (size_t i = 0; i < call->rpc->config.key_count; i++)
		json_array_append_new(list, rpc_address(&call->rpc->accounts[i]));
	return list;
}

static const uint8_t *find_key(struct rpc_call *call, const struct address *address)
{
	for (size_t i = 0; i < call->rpc->config.key_count; i++)
		if (address_equal(&call->rpc->accounts[i], address))
			return call->rpc->config.keys[i];
	(void)rpc_fail(call, RPC_FAILED, "unknown account: this node does not sign for it");
	return NULL;
}

static json_t *send_transaction(struct rpc_call *call)
{
	struct transaction t;
	struct address sender;
	json_t *object = rpc_param(call, 0);
	if (!rpc_parse_call(call, object, &t, &sender))
		return NULL;
	const uint8_t *key = find_key(call, &sender);
	if (!key)
		return NULL;
	const struct rpc_config *config = &call->rpc->config;
	struct chain_view *view = call->view;
	if (!json_object_get(object, "nonce")) {
		const uint64_t nonce = state_account(&view->state, &sender)->now.nonce;
		t.nonce = txpool_next_nonce(call->rpc->pool, &sender, nonce);
	}
	if (!json_object_get(object, "gas")) {
		const struct rules rules = chain_rules(config->chain);
		t.gas_limit = TRANSACTION_GAS_CAP;
		chain_view_set_block(view, &view->head, false);
		const struct applied applied = transaction_simulate(view->evm, &rules, &t, &sender);
		if (applied.valid && applied.status == EVM_SUCCESS)
			t.gas_limit = applied.gas_used + applied.gas_used / 2 + 10000;
		if (t.gas_limit > TRANSACTION_GAS_CAP)
			t.gas_limit = TRANSACTION_GAS_CAP;
		state_clear(&view->state);
	}
	if (t.type == TRANSACTION_LEGACY)
		t.type = TRANSACTION_DYNAMIC_FEE;
	t.has_chain_id = true;
	t.chain_id = chain_configuration(config->chain)->chain_id;
	if (!transaction_sign(&t, key))
		return rpc_fail(call, RPC_INTERNAL, "cannot sign");
	struct rlp_writer writer = {0};
	transaction_encode(&writer, &t, false);
	json_t *result = submit(call, &t, writer.bytes, writer.length, &sender);
	rlp_free(&writer);
	return result;
}

/* EIP-191 */
static json_t *sign_message(struct rpc_call *call, size_t address_index, size_t message_index)
{
	struct address address;
	const uint8_t *message;
	size_t size;
	if (!rpc_param_address(call, address_index, &address) ||
	    !rpc_param_bytes(call, message_index, &message, &size))
		return NULL;
	const uint8_t *key = find_key(call, &address);
	if (!key)
		return NULL;
	uint8_t *text = arena_alloc(&call->view->arena, size + 64);
	const int prefix = snprintf((char *)text, 64,
	                            "\x19"
	                            "Ethereum Signed Message:\n%zu",
	                            size);
	memcpy(text + prefix, message, size);
	struct hash32 digest;
	keccak256(digest.bytes, text, (size_t)prefix + size);
	unsigned parity;
	struct u256 r;
	struct u256 s;
	uint8_t signature[65];
	if (!signature_sign(&digest, key, &parity, &r, &s))
		return rpc_fail(call, RPC_INTERNAL, "cannot sign");
	u256_store(signature, &r);
	u256_store(signature + 32, &s);
	signature[64] = (uint8_t)(27 + parity);
	return rpc_data(signature, 65);
}

static json_t *eth_sign(struct rpc_call *call)
{
	return sign_message(call, 0, 1);
}

static json_t *personal_sign(struct rpc_call *call)
{
	return sign_message(call, 1, 0);
}

const struct rpc_method_entry rpc_send_methods[] = {{"eth_sendRawTransaction", send_raw_transaction},
                                                    {"eth_sendTransaction", send_transaction},
                                                    {"eth_accounts", accounts},
                                                    {"eth_requestAccounts", accounts},
                                                    {"eth_sign", eth_sign},
                                                    {"personal_sign", personal_sign},
                                                    {NULL, NULL}};
