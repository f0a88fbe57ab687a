/* LMDB behind the store's interface. */
#include "chain/store.h"

#include "chain/past.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MAP_SIZE    ((size_t)1 << 40) /* address space, not disk: the file grows as it fills */
#define MAX_READERS 512

static const char *const table_names[STORE_TABLES] = {"meta",   "accounts", "slots",        "code",
                                                      "nodes",  "blocks",   "transactions", "block-hashes",
                                                      "hashes", "past",     "past-blocks"};

static bool failed(const char *what, const char *directory, int error)
{
	fprintf(stderr, "holon-ledger: cannot %s the store in %s: %s\n", what, directory,
	        mdb_strerror(error));
	return false;
}

bool store_open(struct store *store, const char *directory, bool durable)
{
	*store = (struct store){0};
	int error = mdb_env_create(&store->env);
	if (error)
		return failed("create", directory, error);
	MDB_txn *txn = NULL;
	if ((error = mdb_env_set_mapsize(store->env, MAP_SIZE)) ||
	    (error = mdb_env_set_maxdbs(store->env, STORE_TABLES)) ||
	    (error = mdb_env_set_maxreaders(store->env, MAX_READERS)) ||
	    (error = mdb_env_open(store->env, directory,
	                          MDB_NOTLS | MDB_NORDAHEAD | (durable ? 0 : MDB_NOSYNC), 0600)) ||
	    (error = mdb_txn_begin(store->env, NULL, 0, &txn))) {
		mdb_env_close(store->env);
		return failed("open", directory, error);
	}
	for (int i = 0; !error && i < STORE_TABLES; i++)
		error = mdb_dbi_open(txn, table_names[i], MDB_CREATE, &store->tables[i]);
	if (error)
		mdb_txn_abort(txn);
	else
		error = mdb_txn_commit(txn);
	if (error) {
		mdb_env_close(store->env);
		return failed("prepare", directory, error);
	}
	return true;
}

void store_close(struct store *store)
{
	store_abort(store);
	mdb_env_close(store->env);
}

static void note(struct store *store, int error)
{
	if (error && !store->error)
		store->error = error;
}

bool store_begin(struct store *store)
{
	if (store->batch)
		return true;
	store->error = mdb_txn_begin(store->env, NULL, 0, &store->batch);
	if (store->error) {
		store->batch = NULL;
		fprintf(stderr, "holon-ledger: cannot begin a batch: %s\n", mdb_strerror(store->error));
	}
	return store->batch != NULL;
}

bool store_commit(struct store *store)
{
	if (!store->batch)
		return true;
	int error = store->error;
	if (error)
		mdb_txn_abort(store->batch);
	else
		error = mdb_txn_commit(store->batch);
	store->batch = NULL;
	store->error = 0;
	if (error)
		fprintf(stderr, "holon-ledger: a batch was not written: %s\n", mdb_strerror(error));
	return error == 0;
}

void store_abort(struct store *store)
{
	if (store->batch)
		mdb_txn_abort(store->batch);
	store->batch = NULL;
	store->error = 0;
}

static MDB_val val(const void *data, size_t size)
{
	return (MDB_val){size, (void *)(uintptr_t)data};
}

void store_put(struct store *store, enum store_table table, const void *key, size_t key_size,
               const void *value, size_t size)
{
	MDB_val k = val(key, key_size);
	MDB_val v = val(value, size);
	if (!store->error)
		note(store, mdb_put(store->batch, store->tables[table], &k, &v, 0));
}

void store_delete(struct store *store, enum store_table table, const void *key, size_t key_size)
{
	MDB_val k = val(key, key_size);
	if (store->error)
		return;
	const int error = mdb_del(store->batch, store->tables[table], &k, NULL);
	note(store, error == MDB_NOTFOUND ? 0 : error);
}

void store_delete_prefix(struct store *store, enum store_table table, const void *prefix, size_t size)
{
	MDB_cursor *cursor;
	if (store->error)
		return;
	int error = mdb_cursor_open(store->batch, store->tables[table], &cursor);
	if (error) {
		note(store, error);
		return;
	}
	MDB_val k = val(prefix, size);
	MDB_val v;
	error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
	while (!error && k.mv_size >= size && memcmp(k.mv_data, prefix, size) == 0) {
		error = mdb_cursor_del(cursor, 0);
		if (!error)
			error = mdb_cursor_get(cursor, &k, &v, MDB_GET_CURRENT);
		if (error == EINVAL) /* the last record of the table went */
			error = MDB_NOTFOUND;
	}
	mdb_cursor_close(cursor);
	note(store, error == MDB_NOTFOUND ? 0 : error);
}

void store_empty(struct store *store)
{
	for (int i = 0; !store->error && i < STORE_TABLES; i++)
		note(store, mdb_drop(store->batch, store->tables[i], 0));
}

const uint8_t *store_get(const struct store *store, MDB_txn *txn, enum store_table table, const void *key,
                         size_t key_size, size_t *size)
{
	MDB_val k = val(key, key_size);
	MDB_val v;
	const int error = mdb_get(txn, store->tables[table], &k, &v);
	if (error == MDB_NOTFOUND)
		return NULL;
	if (error) {
		/* The file is damaged or the disk fails: going on would compute wrong results. */
		fprintf(stderr, "holon-ledger: cannot read the store: %s\n", mdb_strerror(error));
		abort();
	}
	*size = v.mv_size;
	return v.mv_data;
}

bool store_view_begin(struct store *store, struct store_view *view)
{
	view->store = store;
	const int error = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &view->txn);
	if (error) {
		view->txn = NULL;
		fprintf(stderr, "holon-ledger: cannot begin reading: %s\n", mdb_strerror(error));
	}
	return error == 0;
}

bool store_view_renew(struct store_view *view)
{
	mdb_txn_reset(view->txn);
	const int error = mdb_txn_renew(view->txn);
	if (error)
		fprintf(stderr, "holon-ledger: cannot go on reading: %s\n", mdb_strerror(error));
	return error == 0;
}

void store_view_end(struct store_view *view)
{
	if (view->txn)
		mdb_txn_abort(view->txn);
	view->txn = NULL;
}

/* ---- the state's backend ---- */
static void load_account(void *context, const struct address *address, struct account_data *out)
{
	const struct store_reader *reader = context;
	size_t size;
	*out = account_nothing;
	const uint8_t *record = reader->at_past ? past_find(reader->store, reader->txn, address->bytes, NULL,
	                                                    reader->number, &size)
	                                        : NULL;
	if (!record)
		record = store_get(reader->store, reader->txn, STORE_ACCOUNTS, address->bytes, 20, &size);
	if (!record || size != STORE_ACCOUNT_SIZE)
		return;
	memcpy(&out->nonce, record, 8);
	out->nonce = __builtin_bswap64(out->nonce);
	u256_load(&out->balance, record + 8);
	memcpy(out->code_hash.bytes, record + 40, 32);
	out->has_storage = record[72];
}

static void slot_key(uint8_t out[52], const struct address *address, const struct u256 *key)
{
	memcpy(out, address->bytes, 20);
	u256_store(out + 20, key);
}

static void load_slot(void *context, const struct address *address, const struct u256 *key, struct u256 *out)
{
	const struct store_reader *reader = context;
	uint8_t name[52];
	size_t size;
	const uint8_t *value = reader->at_past ? past_find(reader->store, reader->txn, address->bytes, key,
	                                                   reader->number, &size)
	                                       : NULL;
	slot_key(name, address, key);
	if (!value)
		value = store_get(reader->store, reader->txn, STORE_SLOTS, name, sizeof name, &size);
	*out = U256_ZERO;
	if (value)
		u256_load_short(out, value, size);
}

static const struct code *load_code(void *context, const struct hash32 *hash, struct code_cache *cache)
{
	const struct store_reader *reader = context;
	size_t size;
	const uint8_t *code = store_get(reader->store, reader->txn, STORE_CODE, hash->bytes, 32, &size);
	if (!code) {
		fprintf(stderr, "holon-ledger: the store lacks the code of an account\n");
		abort();
	}
	return code_cache_add(cache, hash, code, size);
}

struct state_backend store_backend(struct store_reader *reader)
{
	return (struct state_backend){reader, load_account, load_slot, load_code};
}

size_t store_account_record(uint8_t out[STORE_ACCOUNT_SIZE], const struct account_data *data)
{
	if (data->nonce == 0 && u256_is_zero(&data->balance) &&
	    hash32_equal(&data->code_hash, &keccak_of_nothing) && !data->has_storage)
		return 0;
	const uint64_t nonce = __builtin_bswap64(data->nonce);
	memcpy(out, &nonce, 8);
	u256_store(out + 8, &data->balance);
	memcpy(out + 40, data->code_hash.bytes, 32);
	out[72] = data->has_storage;
	return STORE_ACCOUNT_SIZE;
}

void store_write_state(struct store *store, const struct state *state)
{
	for (const struct account *account = state->written; account; account = account->next_written) {
		const uint8_t *address = account->address.bytes;
		if (account->wiped_slots)
			store_delete_prefix(store, STORE_SLOTS, address, 20);
		for (const struct slot *slot = account->written_slots; slot; slot = slot->next_written) {
			uint8_t name[52];
			uint8_t value[32];
			if (u256_equal(&slot->value, &slot->loaded) && !account->wiped_slots)
				continue;
			slot_key(name, &account->address, &slot->key);
			u256_store(value, &slot->value);
			const size_t length = (u256_bits(&slot->value) + 7) / 8;
			if (length)
				store_put(store, STORE_SLOTS, name, sizeof name, value + 32 - length, length);
			else
				store_delete(store, STORE_SLOTS, name, sizeof name);
		}
		if (account_is_empty(account)) {
			store_delete(store, STORE_ACCOUNTS, address, 20);
			continue;
		}
		if (account->code && account->code->size &&
		    !hash32_equal(&account->now.code_hash, &account->loaded.code_hash))
			store_put(store, STORE_CODE, account->code->hash.bytes, 32, account->code->bytes,
			          account->code->size);
		uint8_t record[STORE_ACCOUNT_SIZE];
		store_put(store, STORE_ACCOUNTS, address, 20, record,
		          store_account_record(record, &account->now));
	}
}

/* ---- the world's nodes ---- */
#define NODE_KEY 99 /* 1 + 32 + 64 nibbles packed with their count, or less */

static size_t node_key(uint8_t out[NODE_KEY], const struct hash32 *account, const uint8_t *path,
                       unsigned length)
{
	size_t size = 0;
	out[size++] = account ? 1 : 0;
	if (account) {
		memcpy(out + size, account->bytes, 32);
		size += 32;
	}
	out[size++] = (uint8_t)length;
	for (unsigned i = 0; i < length; i += 2)
		out[size++] = (uint8_t)(path[i] << 4 | (i + 1 < length ? path[i + 1] : 0));
	return size;
}

static const uint8_t *load_node(void *context, const struct hash32 *account, const uint8_t *path,
                                unsigned length, size_t *size)
{
	const struct store_reader *reader = context;
	uint8_t key[NODE_KEY];
	return store_get(reader->store, reader->txn ? reader->txn : reader->store->batch, STORE_NODES, key,
	                 node_key(key, account, path, length), size);
}

static void save_node(void *context, const struct hash32 *account, const uint8_t *path, unsigned length,
                      const uint8_t *node, size_t size)
{
	struct store *store = ((struct store_reader *)context)->store;
	uint8_t key[NODE_KEY];
	store_put(store, STORE_NODES, key, node_key(key, account, path, length), node, size);
}

static void remove_node(void *context, const struct hash32 *account, const uint8_t *path, unsigned length)
{
	struct store *store = ((struct store_reader *)context)->store;
	uint8_t key[NODE_KEY];
	store_delete(store, STORE_NODES, key, node_key(key, account, path, length));
}

static void remove_all_nodes(void *context, const struct hash32 *account)
{
	struct store *store = ((struct store_reader *)context)->store;
	uint8_t key[33];
	key[0] = 1;
	memcpy(key + 1, account->bytes, 32);
	store_delete_prefix(store, STORE_NODES, key, sizeof key);
}

struct world_store store_world(struct store_reader *reader)
{
	return (struct world_store){reader, load_node, save_node, remove_node, remove_all_nodes};
}
