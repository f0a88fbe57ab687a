/* Methods on accounts: balance, nonce, code, storage, proofs. */
#include "rpc/rpc_internal.h"

#include "tx/account_key.h"

static struct account *account_param(struct rpc_call *call, size_t block)
{
	struct address address;
	struct block_header header;
	if (!rpc_param_address(call, 0, &address) || !rpc_param_state(call, block, &header))
		return NULL;
	return state_account(&call->view->state, &address);
}

static json_t *get_balance(struct rpc_call *call)
{
	const struct account *account = account_param(call, 1);
	return account ? rpc_word(&account->now.balance) : NULL;
}

static json_t *get_transaction_count(struct rpc_call *call)
{
	const struct account *account = account_param(call, 1);
	if (!account)
		return NULL;
	const char *tag = json_string_value(rpc_param(call, 1));
	uint64_t nonce = account->now.nonce;
	if (tag && !strcmp(tag, "pending"))
		nonce = txpool_next_nonce(call->rpc->pool, &account->address, nonce);
	return rpc_quantity(nonce);
}

static json_t *get_code(struct rpc_call *call)
{
	struct account *account = account_param(call, 1);
	if (!account)
		return NULL;
	const struct code *code = state_code(&call->view->state, account);
	return rpc_data(code->bytes, code->size);
}

static json_t *get_storage_at(struct rpc_call *call)
{
	struct u256 key;
	uint8_t bytes[32];
	struct account *account = account_param(call, 2);
	if (!account)
		return NULL;
	const char *text = json_string_value(rpc_param(call, 1));
	if (!text || !hex_to_u256(&key, text))
		return rpc_fail(call, RPC_INVALID_PARAMS, "parameter 1 must be a slot");
	u256_store(bytes, &state_slot(&call->view->state, account, &key)->value);
	return rpc_data(bytes, 32);
}

static void add_node(void *context, const uint8_t *node, size_t size)
{
	json_array_append_new(context, rpc_data(node, size));
}

static json_t *storage_proofs(struct rpc_call *call, struct world *world, struct account *account,
                              json_t *keys)
{
	json_t *proofs = json_array();
	size_t i;
	json_t *item;
	json_array_foreach(keys, i, item)
	{
		struct u256 key;
		uint8_t bytes[32];
		uint8_t hashed[32];
		const char *text = json_string_value(item);
		if (!text || !hex_to_u256(&key, text)) {
			json_decref(proofs);
			return rpc_fail(call, RPC_INVALID_PARAMS, "key %zu must be a slot", i);
		}
		json_t *nodes = json_array();
		struct trie *trie = world_storage(world, &account->address);
		u256_store(bytes, &key);
		keccak256(hashed, bytes, 32);
		if (trie)
			trie_prove(trie, hashed, 32, add_node, nodes);
		json_t *entry = json_object();
		json_object_set_new(entry, "key", json_string(text));
		json_object_set_new(entry, "value",
		                    rpc_word(&state_slot(&call->view->state, account, &key)->value));
		json_object_set_new(entry, "proof", nodes);
		json_array_append_new(proofs, entry);
	}
	return proofs;
}

/* The hash of the hybrid key that took the place of the account's first; null while the first stands. */
static json_t *account_key(struct rpc_call *call)
{
	struct hash32 hash;
	const struct account *account = account_param(call, 1);
	if (!account)
		return NULL;
	return account_key_read(&call->view->state, &account->address, &hash) ? rpc_hash(&hash) : json_null();
}

/* EIP-1186 */
static json_t *get_proof(struct rpc_call *call)
{
	struct account *account = account_param(call, 2);
	json_t *keys = rpc_param(call, 1);
	if (!account)
		return NULL;
	if (call->view->reader.at_past)
		return rpc_fail(call, RPC_FAILED,
		                "proofs are made for the last block alone: tries are kept as they are now");
	if (!json_is_array(keys) || json_array_size(keys) > 256)
		return rpc_fail(call, RPC_INVALID_PARAMS,
		                "parameter 1 must be an array of at most 256 slots");
	struct world world;
	const struct world_store store = store_world(&call->view->reader);
	struct account_data data;
	struct hash32 root = trie_empty_root;
	uint8_t hashed[32];
	world_init(&world, &call->view->head.state_root, &store);
	if (!world_account(&world, &account->address, &data, &root))
		root = trie_empty_root;
	json_t *nodes = json_array();
	keccak256(hashed, account->address.bytes, 20);
	trie_prove(&world.accounts, hashed, 32, add_node, nodes);
	json_t *proofs = storage_proofs(call, &world, account, keys);
	world_deinit(&world);
	if (!proofs) {
		json_decref(nodes);
		return NULL;
	}
	json_t *result = json_object();
	json_object_set_new(result, "address", rpc_address(&account->address));
	json_object_set_new(result, "accountProof", nodes);
	json_object_set_new(result, "balance", rpc_word(&account->now.balance));
	json_object_set_new(result, "codeHash", rpc_hash(&account->now.code_hash));
	json_object_set_new(result, "nonce", rpc_quantity(account->now.nonce));
	json_object_set_new(result, "storageHash", rpc_hash(&root));
	json_object_set_new(result, "storageProof", proofs);
	return result;
}

const struct rpc_method_entry rpc_state_methods[] = {{"eth_getBalance", get_balance},
                                                     {"eth_getTransactionCount", get_transaction_count},
                                                     {"eth_getCode", get_code},
                                                     {"eth_getStorageAt", get_storage_at},
                                                     {"eth_getProof", get_proof},
                                                     {"holon_accountKey", account_key},
                                                     {NULL, NULL}};
