/* Answers about accounts, each by a proof. */
#include "rpc/gateway_state.h"

#include <stdio.h>
#include <stdlib.h>

#define CODE_TRIES 10 /* a node's code is of its last block, which may be newer than the proven one */

void gateway_refuse(struct gateway_answer *answer, enum rpc_error_code code, const char *why)
{
	answer->result = NULL;
	answer->code = code;
	snprintf(answer->why, sizeof answer->why, "%s", why);
}

/* The code of a hash, from whichever node has it. */
static json_t *fetch_code(struct gateway_prover *prover, const char *address, const struct hash32 *hash)
{
	unsigned order[GATEWAY_MAX_NODES];
	gateway_nodes_order(prover->nodes, order);
	for (unsigned i = 0; i < prover->nodes->count; i++) {
		char why[200];
		struct hash32 found = {{0}};
		json_t *code = gateway_nodes_ask(prover->nodes, (int)order[i], "eth_getCode",
		                                 json_pack("[s, s]", address, "latest"), why);
		const char *text = json_string_value(code);
		const size_t room = text ? strlen(text) / 2 : 0;
		uint8_t *bytes = malloc(room + 1);
		const long size = bytes && text ? hex_decode(bytes, room, text) : -1;
		if (size >= 0)
			keccak256(found.bytes, bytes, (size_t)size);
		free(bytes);
		if (hash32_equal(&found, hash))
			return code;
		json_decref(code);
	}
	return NULL;
}

static json_t *get_code(struct gateway_prover *prover, const char *text, const struct address *address,
                        struct gateway_answer *answer)
{
	struct proven_account account;
	for (unsigned tries = 0; tries < CODE_TRIES; tries++) {
		if (!gateway_prove(prover, GATEWAY_LAST, address, 1, NULL, 0, &account, NULL, answer->why)) {
			answer->code = RPC_FAILED;
			return NULL;
		}
		if (hash32_equal(&account.data.code_hash, &keccak_of_nothing))
			return json_string("0x");
		json_t *code = fetch_code(prover, text, &account.data.code_hash);
		if (code)
			return code;
	}
	gateway_refuse(answer, RPC_FAILED, "no node has the code that its state says the account has");
	return NULL;
}

bool gateway_state_nonce(struct gateway_prover *prover, enum gateway_wish wish, const struct address *address,
                         struct gateway_answer *answer, uint64_t *nonce)
{
	struct proven_account account;
	answer->code = RPC_FAILED;
	if (!gateway_prove(prover, wish, address, 1, NULL, 0, &account, NULL, answer->why))
		return false;
	*nonce = account.data.nonce;
	return true;
}

static json_t *one_value(struct gateway_prover *prover, const char *method, const struct address *address,
                         const struct u256 *slot, struct gateway_answer *answer)
{
	struct proven_account account;
	struct u256 value;
	uint8_t bytes[32];
	answer->code = RPC_FAILED;
	if (!gateway_prove(prover, GATEWAY_LAST, address, 1, slot, slot != NULL, &account, &value,
	                   answer->why))
		return NULL;
	if (!strcmp(method, "eth_getBalance"))
		return rpc_word(&account.data.balance);
	if (!slot)
		return rpc_quantity(account.data.nonce);
	u256_store(bytes, &value);
	return rpc_data(bytes, 32);
}

bool gateway_state_answer(struct gateway_prover *prover, const char *method, const json_t *params,
                          struct gateway_answer *answer)
{
	const bool storage = !strcmp(method, "eth_getStorageAt");
	const bool code = !strcmp(method, "eth_getCode");
	const json_t *block = json_array_get(params, storage ? 2 : 1);
	const char *tag = json_string_value(block);
	struct address address;
	struct u256 slot;
	if (!storage && !code && strcmp(method, "eth_getBalance") != 0 &&
	    strcmp(method, "eth_getTransactionCount") != 0)
		return false;
	if (block && !json_is_null(block) && (!tag || !rpc_is_last(tag)))
		return false;
	const char *text = json_string_value(json_array_get(params, 0));
	const char *key = json_string_value(json_array_get(params, 1));
	if (!text || hex_decode(address.bytes, 20, text) != 20)
		gateway_refuse(answer, RPC_INVALID_PARAMS, "parameter 0 must be an address");
	else if (storage && (!key || !hex_to_u256(&slot, key)))
		gateway_refuse(answer, RPC_INVALID_PARAMS, "parameter 1 must be a slot");
	else if (code)
		answer->result = get_code(prover, text, &address, answer);
	else
		answer->result = one_value(prover, method, &address, storage ? &slot : NULL, answer);
	return true;
}
