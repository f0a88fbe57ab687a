/* Methods on blocks, transactions and receipts. */
#include "rpc/rpc_internal.h"

#include "tx/account_key.h"

json_t *rpc_header_json(const struct block_header *h)
{
	static const uint8_t zeros[32];
	json_t *o = json_object();
	json_object_set_new(o, "number", rpc_quantity(h->number));
	json_object_set_new(o, "hash", rpc_hash(&h->hash));
	json_object_set_new(o, "parentHash", rpc_hash(&h->parent));
	json_object_set_new(o, "nonce", rpc_data(zeros, 8));
	json_object_set_new(o, "mixHash", rpc_hash(&h->random));
	json_object_set_new(o, "sha3Uncles", rpc_hash(&block_empty_uncles));
	json_object_set_new(o, "logsBloom", rpc_data(h->bloom, BLOOM_SIZE));
	json_object_set_new(o, "transactionsRoot", rpc_hash(&h->transactions_root));
	json_object_set_new(o, "stateRoot", rpc_hash(&h->state_root));
	json_object_set_new(o, "receiptsRoot", rpc_hash(&h->receipts_root));
	json_object_set_new(o, "miner", rpc_address(&h->coinbase));
	json_object_set_new(o, "difficulty", rpc_quantity(0));
	json_object_set_new(o, "totalDifficulty", rpc_quantity(0));
	json_object_set_new(o, "extraData", rpc_data(h->extra, h->extra_size));
	json_object_set_new(o, "size", rpc_quantity(h->size));
	json_object_set_new(o, "gasLimit", rpc_quantity(h->gas_limit));
	json_object_set_new(o, "gasUsed", rpc_quantity(h->gas_used));
	json_object_set_new(o, "timestamp", rpc_quantity(h->timestamp));
	json_object_set_new(o, "baseFeePerGas", rpc_word(&h->base_fee));
	json_object_set_new(o, "withdrawalsRoot", rpc_hash(&trie_empty_root));
	json_object_set_new(o, "blobGasUsed", rpc_quantity(0));
	json_object_set_new(o, "excessBlobGas", rpc_quantity(0));
	json_object_set_new(o, "parentBeaconBlockRoot", rpc_data(zeros, 32));
	json_object_set_new(o, "requestsHash", rpc_hash(&block_empty_requests));
	return o;
}

static bool read_transaction(struct chain_view *view, uint64_t number, uint32_t index,
                             struct receipt *receipt, struct transaction *transaction)
{
	const char *why;
	return chain_view_receipt(view, number, index, receipt) &&
	       transaction_decode(transaction, receipt->transaction, receipt->transaction_size, &view->arena,
	                          &why);
}

json_t *rpc_block_json(struct rpc_call *call, const struct block_header *header, bool full)
{
	json_t *block = rpc_header_json(header);
	json_t *list = json_array();
	for (uint32_t i = 0; i < header->transaction_count; i++) {
		struct receipt receipt;
		struct transaction transaction;
		if (!read_transaction(call->view, header->number, i, &receipt, &transaction))
			continue;
		json_array_append_new(list,
		                      full ? rpc_transaction_json(&transaction, &receipt.sender, header, i)
		                           : rpc_hash(&transaction.hash));
	}
	json_object_set_new(block, "transactions", list);
	json_object_set_new(block, "uncles", json_array());
	json_object_set_new(block, "withdrawals", json_array());
	return block;
}

static void set_access_list(json_t *object, const struct transaction *t)
{
	json_t *list = json_array();
	for (size_t i = 0; i < t->access_count; i++) {
		json_t *entry = json_object();
		json_t *keys = json_array();
		for (size_t k = 0; k < t->access_list[i].key_count; k++) {
			uint8_t bytes[32];
			u256_store(bytes, &t->access_list[i].keys[k]);
			json_array_append_new(keys, rpc_data(bytes, 32));
		}
		json_object_set_new(entry, "address", rpc_address(&t->access_list[i].address));
		json_object_set_new(entry, "storageKeys", keys);
		json_array_append_new(list, entry);
	}
	json_object_set_new(object, "accessList", list);
}

static void set_authorizations(json_t *object, const struct transaction *t)
{
	json_t *list = json_array();
	for (size_t i = 0; i < t->authorization_count; i++) {
		const struct authorization *a = &t->authorizations[i];
		json_t *entry = json_object();
		json_object_set_new(entry, "chainId", rpc_word(&a->chain_id));
		json_object_set_new(entry, "address", rpc_address(&a->address));
		json_object_set_new(entry, "nonce", rpc_quantity(a->nonce));
		json_object_set_new(entry, "yParity", rpc_quantity(a->y_parity));
		json_object_set_new(entry, "r", rpc_word(&a->r));
		json_object_set_new(entry, "s", rpc_word(&a->s));
		json_array_append_new(list, entry);
	}
	json_object_set_new(object, "authorizationList", list);
}

json_t *rpc_transaction_json(const struct transaction *t, const struct address *sender,
                             const struct block_header *block, uint32_t index)
{
	json_t *o = json_object();
	json_object_set_new(o, "type", rpc_quantity(t->type));
	json_object_set_new(o, "hash", rpc_hash(&t->hash));
	json_object_set_new(o, "nonce", rpc_quantity(t->nonce));
	json_object_set_new(o, "blockHash", block ? rpc_hash(&block->hash) : json_null());
	json_object_set_new(o, "blockNumber", block ? rpc_quantity(block->number) : json_null());
	json_object_set_new(o, "transactionIndex", block ? rpc_quantity(index) : json_null());
	json_object_set_new(o, "from", rpc_address(sender));
	json_object_set_new(o, "to", t->create ? json_null() : rpc_address(&t->to));
	json_object_set_new(o, "value", rpc_word(&t->value));
	json_object_set_new(o, "gas", rpc_quantity(t->gas_limit));
	json_object_set_new(o, "input", rpc_data(t->data, t->data_size));
	if (t->type >= TRANSACTION_DYNAMIC_FEE) {
		json_object_set_new(o, "maxFeePerGas", rpc_word(&t->max_fee));
		json_object_set_new(o, "maxPriorityFeePerGas", rpc_word(&t->max_priority_fee));
		json_object_set_new(o, "gasPrice", block ? rpc_quantity(0) : rpc_word(&t->max_fee));
	} else {
		json_object_set_new(o, "gasPrice", rpc_word(&t->gas_price));
	}
	if (t->has_chain_id)
		json_object_set_new(o, "chainId", rpc_quantity(t->chain_id));
	if (t->type == TRANSACTION_HYBRID) {
		/* The fields r, s and v stay, zero, for clients that read them of every transaction. */
		json_object_set_new(o, "publicKey", rpc_data(t->public_key, HYBRID_SIGN_PK_SIZE));
		json_object_set_new(o, "hybridSignature",
		                    rpc_data(t->hybrid_signature, HYBRID_SIGN_SIGNATURE_SIZE));
	}
	if (t->type != TRANSACTION_LEGACY) {
		set_access_list(o, t);
		json_object_set_new(o, "yParity", rpc_quantity(t->y_parity));
		json_object_set_new(o, "v", rpc_quantity(t->y_parity));
	} else {
		json_object_set_new(
		    o, "v",
		    rpc_quantity(t->has_chain_id ? 35 + 2 * t->chain_id + t->y_parity : 27U + t->y_parity));
	}
	if (t->type == TRANSACTION_SET_CODE)
		set_authorizations(o, t);
	json_object_set_new(o, "r", rpc_word(&t->r));
	json_object_set_new(o, "s", rpc_word(&t->s));
	return o;
}

json_t *rpc_log_json(const struct log *log, const struct block_header *block,
                     const struct hash32 *transaction, uint32_t transaction_index, uint64_t log_index)
{
	json_t *o = json_object();
	json_t *topics = json_array();
	for (unsigned i = 0; i < log->topic_count; i++) {
		uint8_t bytes[32];
		u256_store(bytes, &log->topics[i]);
		json_array_append_new(topics, rpc_data(bytes, 32));
	}
	json_object_set_new(o, "address", rpc_address(&log->address));
	json_object_set_new(o, "topics", topics);
	json_object_set_new(o, "data", rpc_data(log->data, log->data_size));
	json_object_set_new(o, "blockHash", rpc_hash(&block->hash));
	json_object_set_new(o, "blockNumber", rpc_quantity(block->number));
	json_object_set_new(o, "blockTimestamp", rpc_quantity(block->timestamp));
	json_object_set_new(o, "transactionHash", rpc_hash(transaction));
	json_object_set_new(o, "transactionIndex", rpc_quantity(transaction_index));
	json_object_set_new(o, "logIndex", rpc_quantity(log_index));
	json_object_set_new(o, "removed", json_false());
	return o;
}

static json_t *receipt_json(const struct receipt *r, const struct transaction *t,
                            const struct block_header *block, uint32_t index)
{
	uint8_t bloom[BLOOM_SIZE] = {0};
	json_t *logs = json_array();
	for (size_t i = 0; i < r->log_count; i++)
		json_array_append_new(logs,
		                      rpc_log_json(&r->logs[i], block, &t->hash, index, r->first_log + i));
	bloom_add_logs(bloom, r->logs, r->log_count);
	json_t *o = json_object();
	json_object_set_new(o, "transactionHash", rpc_hash(&t->hash));
	json_object_set_new(o, "transactionIndex", rpc_quantity(index));
	json_object_set_new(o, "blockHash", rpc_hash(&block->hash));
	json_object_set_new(o, "blockNumber", rpc_quantity(block->number));
	json_object_set_new(o, "from", rpc_address(&r->sender));
	json_object_set_new(o, "to", t->create ? json_null() : rpc_address(&t->to));
	json_object_set_new(o, "cumulativeGasUsed", rpc_quantity(r->cumulative_gas));
	json_object_set_new(o, "gasUsed", rpc_quantity(r->gas_used));
	json_object_set_new(o, "effectiveGasPrice", rpc_quantity(0));
	json_object_set_new(o, "contractAddress", r->created ? rpc_address(&r->contract) : json_null());
	json_object_set_new(o, "logs", logs);
	json_object_set_new(o, "logsBloom", rpc_data(bloom, BLOOM_SIZE));
	json_object_set_new(o, "type", rpc_quantity(r->type));
	json_object_set_new(o, "status", rpc_quantity(r->success));
	return o;
}

/* ---- blocks ---- */
static json_t *get_block(struct rpc_call *call)
{
	struct block_header header;
	bool found;
	if (!rpc_param_block(call, 0, &header, &found))
		return NULL;
	return found ? rpc_block_json(call, &header, json_is_true(rpc_param(call, 1))) : json_null();
}

static json_t *count_transactions(struct rpc_call *call)
{
	struct block_header header;
	bool found;
	if (!rpc_param_block(call, 0, &header, &found))
		return NULL;
	return found ? rpc_quantity(header.transaction_count) : json_null();
}

static json_t *count_uncles(struct rpc_call *call)
{
	struct block_header header;
	bool found;
	if (!rpc_param_block(call, 0, &header, &found))
		return NULL;
	return found ? rpc_quantity(0) : json_null();
}

static json_t *block_number(struct rpc_call *call)
{
	return rpc_quantity(call->view->head.number);
}

static json_t *get_block_receipts(struct rpc_call *call)
{
	struct block_header header;
	bool found;
	if (!rpc_param_block(call, 0, &header, &found))
		return NULL;
	if (!found)
		return json_null();
	json_t *list = json_array();
	for (uint32_t i = 0; i < header.transaction_count; i++) {
		struct receipt receipt;
		struct transaction transaction;
		if (read_transaction(call->view, header.number, i, &receipt, &transaction))
			json_array_append_new(list, receipt_json(&receipt, &transaction, &header, i));
	}
	return list;
}

/* ---- transactions ---- */
static json_t *pending_transaction(struct rpc_call *call, const struct hash32 *hash)
{
	struct transaction transaction;
	struct address sender;
	size_t size;
	const char *why;
	const uint8_t *bytes = txpool_find(call->rpc->pool, hash, &call->view->arena, &size);
	if (!bytes || !transaction_decode(&transaction, bytes, size, &call->view->arena, &why) ||
	    !transaction_sender(&transaction, &sender))
		return json_null();
	return rpc_transaction_json(&transaction, &sender, NULL, 0);
}

static json_t *transaction_at(struct rpc_call *call, const struct block_header *header, uint32_t index)
{
	struct receipt receipt;
	struct transaction transaction;
	if (!read_transaction(call->view, header->number, index, &receipt, &transaction))
		return json_null();
	return rpc_transaction_json(&transaction, &receipt.sender, header, index);
}

static json_t *get_transaction(struct rpc_call *call)
{
	struct hash32 hash;
	uint64_t number;
	uint32_t index;
	struct block_header header;
	if (!rpc_param_hash(call, 0, &hash))
		return NULL;
	if (!chain_view_find(call->view, &hash, &number, &index) ||
	    !chain_view_block(call->view, number, &header))
		return pending_transaction(call, &hash);
	return transaction_at(call, &header, index);
}

static json_t *get_transaction_by_index(struct rpc_call *call)
{
	struct block_header header;
	bool found;
	uint64_t index;
	if (!rpc_param_block(call, 0, &header, &found) || !rpc_param_quantity(call, 1, &index))
		return NULL;
	return found && index < header.transaction_count ? transaction_at(call, &header, (uint32_t)index)
	                                                 : json_null();
}

static json_t *get_receipt(struct rpc_call *call)
{
	struct hash32 hash;
	uint64_t number;
	uint32_t index;
	struct block_header header;
	struct receipt receipt;
	struct transaction transaction;
	if (!rpc_param_hash(call, 0, &hash))
		return NULL;
	if (!chain_view_find(call->view, &hash, &number, &index) ||
	    !chain_view_block(call->view, number, &header) ||
	    !read_transaction(call->view, number, index, &receipt, &transaction))
		return json_null();
	return receipt_json(&receipt, &transaction, &header, index);
}

static json_t *get_raw_transaction(struct rpc_call *call)
{
	struct hash32 hash;
	uint64_t number;
	uint32_t index;
	struct receipt receipt;
	if (!rpc_param_hash(call, 0, &hash))
		return NULL;
	if (!chain_view_find(call->view, &hash, &number, &index) ||
	    !chain_view_receipt(call->view, number, index, &receipt))
		return json_null();
	return rpc_data(receipt.transaction, receipt.transaction_size);
}

const struct rpc_method_entry rpc_block_methods[] = {
    {"eth_blockNumber", block_number},
    {"eth_getBlockByNumber", get_block},
    {"eth_getBlockByHash", get_block},
    {"eth_getBlockTransactionCountByNumber", count_transactions},
    {"eth_getBlockTransactionCountByHash", count_transactions},
    {"eth_getUncleCountByBlockNumber", count_uncles},
    {"eth_getUncleCountByBlockHash", count_uncles},
    {"eth_getBlockReceipts", get_block_receipts},
    {"eth_getTransactionByHash", get_transaction},
    {"eth_getTransactionByBlockNumberAndIndex", get_transaction_by_index},
    {"eth_getTransactionByBlockHashAndIndex", get_transaction_by_index},
    {"eth_getTransactionReceipt", get_receipt},
    {"eth_getRawTransactionByHash", get_raw_transaction},
    {NULL, NULL}};
