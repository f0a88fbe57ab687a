/* What blocks replaced: by what it was and the block that replaced it; and by block, so that it can be forgotten. */
#include "chain/past.h"

#include "rlp/rlp.h"

#include <stdio.h>
#include <stdlib.h>

#define ACCOUNT_NAME 21 /* 0, address */
#define SLOT_NAME    53 /* 1, address, key */
#define MAX_KEY      (SLOT_NAME + 8)

static const char meta_past[] = "past"; /* the oldest block whose state is known */

static void put_number(uint8_t out[8], uint64_t number)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(number >> (56 - 8 * i));
}

static uint64_t get_number(const uint8_t *bytes)
{
	uint64_t number = 0;
	for (int i = 0; i < 8; i++)
		number = number << 8 | bytes[i];
	return number;
}

static size_t make_name(uint8_t out[MAX_KEY], const uint8_t address[20], const struct u256 *key)
{
	out[0] = key != NULL;
	memcpy(out + 1, address, 20);
	if (!key)
		return ACCOUNT_NAME;
	u256_store(out + 21, key);
	return SLOT_NAME;
}

static bool read_oldest(const struct store *store, MDB_txn *txn, uint64_t *out)
{
	size_t size;
	const uint8_t *value = store_get(store, txn, STORE_META, meta_past, sizeof meta_past, &size);
	if (!value || size != 8)
		return false;
	*out = get_number(value);
	return true;
}

uint64_t past_oldest(const struct store *store, MDB_txn *txn, uint64_t head)
{
	uint64_t oldest;
	return read_oldest(store, txn, &oldest) ? oldest : head;
}

void past_begin(struct store *store, uint64_t number)
{
	uint8_t value[8];
	put_number(value, number);
	store_put(store, STORE_META, meta_past, sizeof meta_past, value, 8);
}

const uint8_t *past_find(const struct store *store, MDB_txn *txn, const uint8_t address[20],
                         const struct u256 *key, uint64_t number, size_t *size)
{
	uint8_t name[MAX_KEY];
	const size_t length = make_name(name, address, key);
	MDB_cursor *cursor;
	MDB_val k = {length + 8, name};
	MDB_val v;
	put_number(name + length, number + 1);
	if (mdb_cursor_open(txn, store->tables[STORE_PAST], &cursor)) {
		fprintf(stderr, "holon-ledger: cannot read the store\n");
		abort();
	}
	const int error = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
	mdb_cursor_close(cursor);
	if (error || k.mv_size != length + 8 || memcmp(k.mv_data, name, length) != 0)
		return NULL;
	*size = v.mv_size;
	return v.mv_data ? v.mv_data : (const uint8_t *)"";
}

/* One thing that the block replaces; its name is noted in `names`, to be forgotten by. */
static void put_replaced(struct store *store, struct rlp_writer *names, const uint8_t address[20],
                         const struct u256 *key, uint64_t number, const uint8_t *value, size_t size)
{
	uint8_t name[MAX_KEY];
	const size_t length = make_name(name, address, key);
	put_number(name + length, number);
	store_put(store, STORE_PAST, name, length + 8, value, size);
	rlp_put_raw(names, name, length);
}

static bool account_differs(const struct account *account)
{
	return account->now.nonce != account->loaded.nonce ||
	       !u256_equal(&account->now.balance, &account->loaded.balance) ||
	       !hash32_equal(&account->now.code_hash, &account->loaded.code_hash) ||
	       account->now.has_storage != account->loaded.has_storage;
}

static void forget(struct store *store, uint64_t number)
{
	uint8_t block[8];
	uint8_t name[MAX_KEY];
	size_t size;
	put_number(block, number);
	const uint8_t *names = store_get(store, store->batch, STORE_PAST_BLOCKS, block, 8, &size);
	if (!names)
		return;
	/* Deleting moves what the store points to. */
	uint8_t *copy = checked_alloc(size);
	memcpy(copy, names, size);
	for (size_t at = 0; at < size;) {
		const size_t length = copy[at] ? SLOT_NAME : ACCOUNT_NAME;
		memcpy(name, copy + at, length);
		memcpy(name + length, block, 8);
		store_delete(store, STORE_PAST, name, length + 8);
		at += length;
	}
	free(copy);
	store_delete(store, STORE_PAST_BLOCKS, block, 8);
}

void past_record(struct store *store, const struct state *state, uint64_t number, uint64_t window)
{
	uint64_t oldest;
	if (number == 0 || store->error)
		return;
	if (!read_oldest(store, store->batch, &oldest))
		past_begin(store, oldest = number);
	if (window && oldest < number) {
		struct rlp_writer names = {0};
		uint8_t block[8];
		for (const struct account *account = state->written; account;
		     account = account->next_written) {
			const uint8_t *address = account->address.bytes;
			uint8_t record[STORE_ACCOUNT_SIZE];
			if (account_differs(account)) {
				const size_t size = store_account_record(record, &account->loaded);
				put_replaced(store, &names, address, NULL, number, record, size);
			}
			for (const struct slot *slot = account->written_slots; slot;
			     slot = slot->next_written) {
				uint8_t value[32];
				if (u256_equal(&slot->value, &slot->loaded))
					continue;
				u256_store(value, &slot->loaded);
				const size_t length = (u256_bits(&slot->loaded) + 7) / 8;
				put_replaced(store, &names, address, &slot->key, number, value + 32 - length,
				             length);
			}
		}
		put_number(block, number);
		store_put(store, STORE_PAST_BLOCKS, block, 8, names.bytes, names.length);
		rlp_free(&names);
	}
	const uint64_t least = number > window ? number - window : 0;
	if (least <= oldest)
		return;
	for (uint64_t old = oldest + 1; old <= least; old++)
		forget(store, old);
	past_begin(store, least);
}
