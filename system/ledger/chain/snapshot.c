/*
 * The state as a stream of records, for validators that come late: the headers of the last 256 blocks (what BLOCKHASH
 * can see), then each account with its code and slots. A record is a kind, a length of four bytes, and content.
 *
 * Restoring builds the tries from the accounts; the result counts only if the headers link to the expected head's
 * hash and the head's state root is the one computed. So a lying peer can waste time, and nothing else.
 */
#include "chain/chain_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define HEADERS       256
#define MAX_RECORD    65536
#define SLOTS_AT_ONCE ((uint64_t)200000) /* written between commits of the tries */

enum record {
	RECORD_CONFIG = 'C',
	RECORD_HEADER = 'H',
	RECORD_ACCOUNT = 'A',
	RECORD_CODE = 'D',
	RECORD_SLOT = 'S',
	RECORD_END = 'E'
};

static bool send(ledger_sink *sink, void *context, enum record kind, const uint8_t *bytes, size_t size)
{
	const uint8_t head[5] = {(uint8_t)kind, (uint8_t)(size >> 24), (uint8_t)(size >> 16),
	                         (uint8_t)(size >> 8), (uint8_t)size};
	return sink(context, head, sizeof head) && (size == 0 || sink(context, bytes, size));
}

static bool send_slots(const struct chain *chain, MDB_txn *txn, const uint8_t *address, ledger_sink *sink,
                       void *context)
{
	MDB_cursor *cursor;
	MDB_val key = {20, (void *)(uintptr_t)address};
	MDB_val value;
	bool good = true;
	if (mdb_cursor_open(txn, chain->store.tables[STORE_SLOTS], &cursor))
		return false;
	int error = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	while (!error && good && key.mv_size == 52 && memcmp(key.mv_data, address, 20) == 0) {
		uint8_t record[64] = {0};
		memcpy(record, (const uint8_t *)key.mv_data + 20, 32);
		memcpy(record + 64 - value.mv_size, value.mv_data, value.mv_size);
		good = send(sink, context, RECORD_SLOT, record, sizeof record);
		error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return good && (!error || error == MDB_NOTFOUND);
}

static bool send_accounts(const struct chain *chain, MDB_txn *txn, ledger_sink *sink, void *context)
{
	MDB_cursor *cursor;
	MDB_val key;
	MDB_val value;
	bool good = true;
	if (mdb_cursor_open(txn, chain->store.tables[STORE_ACCOUNTS], &cursor))
		return false;
	int error = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	while (!error && good) {
		uint8_t record[20 + 72];
		size_t size;
		memcpy(record, key.mv_data, 20);
		memcpy(record + 20, value.mv_data, 72);
		good = send(sink, context, RECORD_ACCOUNT, record, sizeof record);
		const uint8_t *code = store_get(&chain->store, txn, STORE_CODE, record + 60, 32, &size);
		if (good && code)
			good = send(sink, context, RECORD_CODE, code, size);
		good = good && send_slots(chain, txn, record, sink, context);
		error = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return good && error == MDB_NOTFOUND;
}

bool chain_snapshot(struct chain *chain, ledger_sink *sink, void *context)
{
	if (!store_begin(&chain->store))
		return false;
	chain->reader.txn = chain->store.batch;
	MDB_txn *txn = chain->store.batch;
	uint8_t config[32];
	chain_encode_config(config, &chain->config);
	bool good = send(sink, context, RECORD_CONFIG, config, sizeof config);
	const uint64_t head = chain->head.number;
	for (uint64_t n = head < HEADERS ? 0 : head - HEADERS; good && n <= head; n++) {
		uint8_t key[8];
		size_t size;
		chain_put_number(key, n);
		const uint8_t *record = store_get(&chain->store, txn, STORE_BLOCKS, key, 8, &size);
		if (record) /* the first may be missing where this node itself was restored */
			good = send(sink, context, RECORD_HEADER, record, size);
	}
	return good && send_accounts(chain, txn, sink, context) && send(sink, context, RECORD_END, NULL, 0);
}

/* ---- restoring ---- */
struct restoring {
	struct chain *chain;
	struct block_header head; /* the last header read */
	bool any_header;
	struct account *account;
};

static bool take_header(struct restoring *r, const uint8_t *bytes, size_t size)
{
	struct block_header header;
	struct rlp_writer writer = {0};
	uint8_t key[8];
	if (!block_read(&header, bytes, size))
		return false;
	block_encode_header(&writer, &header); /* recomputes the hash */
	rlp_free(&writer);
	if (r->any_header &&
	    (header.number != r->head.number + 1 || !hash32_equal(&header.parent, &r->head.hash)))
		return false;
	r->head = header;
	r->any_header = true;
	block_write(&writer, &header);
	chain_put_number(key, header.number);
	store_put(&r->chain->store, STORE_BLOCKS, key, 8, writer.bytes, writer.length);
	store_put(&r->chain->store, STORE_BLOCK_HASHES, header.hash.bytes, 32, key, 8);
	rlp_free(&writer);
	return true;
}

static bool write_out(struct restoring *r, struct hash32 *root)
{
	struct chain *chain = r->chain;
	if (!world_commit(&chain->world, &chain->state, root))
		return false;
	store_write_state(&chain->store, &chain->state);
	state_mark_committed(&chain->state);
	world_trim(&chain->world, 0);
	return true;
}

static bool take_account(struct restoring *r, const uint8_t *bytes, size_t size)
{
	struct chain *chain = r->chain;
	struct hash32 root;
	struct address address;
	struct u256 balance;
	uint64_t nonce = 0;
	if (size != 92)
		return false;
	if (chain->state.slot_count > SLOTS_AT_ONCE) {
		if (!write_out(r, &root))
			return false;
		state_clear(&chain->state);
	}
	memcpy(address.bytes, bytes, 20);
	for (int i = 0; i < 8; i++)
		nonce = nonce << 8 | bytes[20 + i];
	u256_load(&balance, bytes + 28);
	r->account = state_account(&chain->state, &address);
	state_set_nonce(&chain->state, r->account, nonce);
	state_set_balance(&chain->state, r->account, &balance);
	return true;
}

static bool take_code(struct restoring *r, const uint8_t *bytes, size_t size)
{
	struct chain *chain = r->chain;
	struct hash32 hash;
	if (!r->account)
		return false;
	keccak256(hash.bytes, bytes, size);
	state_set_code(&chain->state, r->account, code_cache_add(&chain->codes, &hash, bytes, size));
	return true;
}

static bool take_slot(struct restoring *r, const uint8_t *bytes, size_t size)
{
	struct chain *chain = r->chain;
	struct u256 key;
	struct u256 value;
	struct hash32 root;
	if (size != 64 || !r->account)
		return false;
	if (chain->state.slot_count > SLOTS_AT_ONCE) {
		const struct address address = r->account->address;
		if (!write_out(r, &root))
			return false;
		state_clear(&chain->state);
		r->account = state_account(&chain->state, &address);
	}
	u256_load(&key, bytes);
	u256_load(&value, bytes + 32);
	struct slot *slot = state_slot(&chain->state, r->account, &key);
	state_warm_slot(&chain->state, slot);
	state_set_slot(&chain->state, r->account, slot, &value);
	return true;
}

static bool take_record(struct restoring *r, enum record kind, const uint8_t *bytes, size_t size)
{
	uint8_t config[32];
	bool good = false;
	state_begin(&r->chain->state);
	switch (kind) {
	case RECORD_CONFIG:
		chain_encode_config(config, &r->chain->config);
		good = size == sizeof config && memcmp(bytes, config, size) == 0;
		break;
	case RECORD_HEADER:
		good = take_header(r, bytes, size);
		break;
	case RECORD_ACCOUNT:
		good = take_account(r, bytes, size);
		break;
	case RECORD_CODE:
		good = take_code(r, bytes, size);
		break;
	case RECORD_SLOT:
		good = take_slot(r, bytes, size);
		break;
	case RECORD_END:
		break;
	}
	state_end(&r->chain->state);
	return good;
}

static bool take_all(struct restoring *r, FILE *file)
{
	static uint8_t bytes[MAX_RECORD];
	uint8_t head[5];
	while (fread(head, 1, sizeof head, file) == sizeof head) {
		const size_t size =
		    (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
		if (head[0] == RECORD_END)
			return size == 0;
		if (size > MAX_RECORD || fread(bytes, 1, size, file) != size ||
		    !take_record(r, (enum record)head[0], bytes, size))
			return false;
	}
	return false;
}

bool chain_restore(struct chain *chain, const char *path, uint64_t index, const struct hash32 *head)
{
	FILE *file = fopen(path, "rb");
	if (!file || !store_begin(&chain->store)) {
		if (file)
			fclose(file);
		return false;
	}
	struct restoring restoring = {.chain = chain};
	struct hash32 root;
	uint8_t number[8];
	state_clear(&chain->state);
	world_deinit(&chain->world);
	world_init(&chain->world, NULL, &chain->world_store);
	chain->reader.txn = chain->store.batch;
	store_empty(&chain->store);
	bool good = take_all(&restoring, file) && restoring.any_header && write_out(&restoring, &root) &&
	            hash32_equal(&restoring.head.hash, head) &&
	            hash32_equal(&restoring.head.state_root, &root);
	fclose(file);
	if (good) {
		chain_put_number(number, restoring.head.number);
		chain_write_meta(chain, number, index);
		good = store_commit(&chain->store);
	} else {
		store_abort(&chain->store);
	}
	return chain_reload(chain) && good;
}
