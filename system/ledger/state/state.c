/* Tables of accounts and slots, and the journal. */
#include "state/state.h"

#include "evm/evm.h"

#include <stdlib.h>

#define ALWAYS_WARM    UINT64_MAX /* precompiles: EIP-2929 */
#define FIRST_ACCOUNTS 256
#define FIRST_SLOTS    8

const struct account_data account_nothing = {
    .code_hash = {{0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c, 0x92, 0x7e, 0x7d,
                   0xb2, 0xdc, 0xc7, 0x03, 0xc0, 0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82,
                   0x27, 0x3b, 0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70}}};

enum journal_kind {
	JOURNAL_WARM_ACCOUNT,
	JOURNAL_WARM_SLOT,
	JOURNAL_BALANCE,
	JOURNAL_NONCE,
	JOURNAL_CODE,
	JOURNAL_SLOT,
	JOURNAL_TRANSIENT,
	JOURNAL_CREATED,
	JOURNAL_DESTROYED,
};

struct journal_entry {
	enum journal_kind kind;
	union {
		struct account *account;
		struct slot *slot;
	};
	union {
		struct u256 word;
		uint64_t number;
		const struct code *code;
	} before;
};

static void tables_init(struct state *state)
{
	state->size = FIRST_ACCOUNTS;
	state->places = checked_zalloc(state->size, sizeof(struct account *));
}

void state_init(struct state *state, const struct state_backend *backend, struct code_cache *codes)
{
	*state = (struct state){.backend = *backend, .codes = codes, .stamp = 1};
	tables_init(state);
}

static void free_tables(struct state *state)
{
	for (struct account *account = state->all; account; account = account->next)
		free(account->slots.places);
	free(state->places);
}

void state_deinit(struct state *state)
{
	free_tables(state);
	free(state->journal);
	free(state->logs);
	free(state->destroyed);
	arena_deinit(&state->memory);
	arena_deinit(&state->scratch);
}

void state_clear(struct state *state)
{
	free_tables(state);
	arena_reset(&state->memory);
	arena_reset(&state->scratch);
	state->all = NULL;
	state->written = NULL;
	state->used = 0;
	state->journal_length = 0;
	state->log_count = 0;
	state->destroyed_count = 0;
	state->slot_count = 0;
	tables_init(state);
}

/* ---- accounts ---- */
static size_t account_place(const struct address *address, size_t size)
{
	uint64_t words[3] = {0};
	memcpy(words, address->bytes, 20);
	return table_hash(words, 3) & (size - 1);
}

static void grow_accounts(struct state *state)
{
	const size_t size = state->size * 4;
	struct account **places = checked_zalloc(size, sizeof(struct account *));
	for (struct account *account = state->all; account; account = account->next) {
		size_t at = account_place(&account->address, size);
		while (places[at])
			at = (at + 1) & (size - 1);
		places[at] = account;
	}
	free(state->places);
	state->places = places;
	state->size = size;
}

struct account *state_find_account(const struct state *state, const struct address *address)
{
	size_t at = account_place(address, state->size);
	for (; state->places[at]; at = (at + 1) & (state->size - 1))
		if (address_equal(&state->places[at]->address, address))
			return state->places[at];
	return NULL;
}

struct account *state_account(struct state *state, const struct address *address)
{
	size_t at = account_place(address, state->size);
	for (; state->places[at]; at = (at + 1) & (state->size - 1))
		if (address_equal(&state->places[at]->address, address))
			return state->places[at];
	struct account *account = arena_alloc(&state->memory, sizeof *account);
	account->address = *address;
	state->backend.load_account(state->backend.context, address, &account->loaded);
	account->now = account->loaded;
	account->storage_wiped = !account->loaded.has_storage;
	if (precompile_number(state->codes->fork, address))
		account->warm_stamp = ALWAYS_WARM;
	account->next = state->all;
	state->all = account;
	state->places[at] = account;
	state->used++;
	if (state->used * 4 > state->size * 3)
		grow_accounts(state);
	return account;
}

const struct code *state_code(struct state *state, struct account *account)
{
	if (!account->code) {
		const struct code *code = code_cache_find(state->codes, &account->now.code_hash);
		if (!code)
			code = state->backend.load_code(state->backend.context, &account->now.code_hash,
			                                state->codes);
		account->code = code;
	}
	return account->code;
}

/* ---- slots ---- */
static void grow_slots(struct account *account)
{
	struct slot_table *table = &account->slots;
	const size_t size = table->size ? table->size * 2 : FIRST_SLOTS;
	struct slot **places = checked_zalloc(size, sizeof(struct slot *));
	for (size_t i = 0; i < table->size; i++) {
		struct slot *slot = table->places[i];
		if (!slot)
			continue;
		size_t at = table_hash(&slot->key, 4) & (size - 1);
		while (places[at])
			at = (at + 1) & (size - 1);
		places[at] = slot;
	}
	free(table->places);
	table->places = places;
	table->size = size;
}

struct slot *state_find_slot(const struct account *account, const struct u256 *key)
{
	const struct slot_table *table = &account->slots;
	if (!table->size)
		return NULL;
	size_t at = table_hash(key, 4) & (table->size - 1);
	for (; table->places[at]; at = (at + 1) & (table->size - 1))
		if (u256_equal(&table->places[at]->key, key))
			return table->places[at];
	return NULL;
}

struct slot *state_transient_slot(struct state *state, struct account *account, const struct u256 *key)
{
	struct slot_table *table = &account->slots;
	if (table->used * 4 >= table->size * 3)
		grow_slots(account);
	size_t at = table_hash(key, 4) & (table->size - 1);
	for (; table->places[at]; at = (at + 1) & (table->size - 1))
		if (u256_equal(&table->places[at]->key, key))
			return table->places[at];
	struct slot *slot = arena_alloc(&state->memory, sizeof *slot);
	slot->key = *key;
	slot->next = account->all_slots;
	account->all_slots = slot;
	table->places[at] = slot;
	table->used++;
	state->slot_count++;
	return slot;
}

struct slot *state_slot(struct state *state, struct account *account, const struct u256 *key)
{
	struct slot *slot = state_transient_slot(state, account, key);
	if (__builtin_expect(!slot->known, 0)) {
		slot->known = true;
		if (!account->storage_wiped) {
			state->backend.load_slot(state->backend.context, &account->address, key,
			                         &slot->loaded);
			slot->value = slot->loaded;
		}
	}
	return slot;
}

/* ---- journal ---- */
static struct journal_entry *record(struct state *state, enum journal_kind kind)
{
	if (state->journal_length == state->journal_room) {
		state->journal_room = state->journal_room ? state->journal_room * 2 : 256;
		state->journal =
		    checked_realloc(state->journal, state->journal_room * sizeof *state->journal);
	}
	struct journal_entry *entry = &state->journal[state->journal_length++];
	entry->kind = kind;
	return entry;
}

static void undo(struct journal_entry *entry)
{
	switch (entry->kind) {
	case JOURNAL_WARM_ACCOUNT:
		entry->account->warm_stamp = 0;
		break;
	case JOURNAL_WARM_SLOT:
		entry->slot->stamp = 0;
		break;
	case JOURNAL_BALANCE:
		entry->account->now.balance = entry->before.word;
		break;
	case JOURNAL_NONCE:
		entry->account->now.nonce = entry->before.number;
		break;
	case JOURNAL_CODE:
		entry->account->code = entry->before.code;
		entry->account->now.code_hash = entry->before.code->hash;
		break;
	case JOURNAL_SLOT:
		entry->slot->value = entry->before.word;
		break;
	case JOURNAL_TRANSIENT:
		entry->slot->transient = entry->before.word;
		break;
	case JOURNAL_CREATED:
		entry->account->created_stamp = entry->before.number;
		break;
	case JOURNAL_DESTROYED:
		entry->account->destroyed_stamp = entry->before.number;
		break;
	}
}

void state_undo(struct state *state, size_t mark, size_t log_count)
{
	while (state->journal_length > mark)
		undo(&state->journal[--state->journal_length]);
	state->log_count = log_count;
}

void state_touch(struct state *state, struct account *account)
{
	if (account->listed)
		return;
	account->listed = true;
	account->next_written = state->written;
	state->written = account;
}

bool state_warm_account(struct state *state, struct account *account)
{
	if (account->warm_stamp >= state->stamp)
		return false;
	account->warm_stamp = state->stamp;
	record(state, JOURNAL_WARM_ACCOUNT)->account = account;
	return true;
}

bool state_warm_slot_slow(struct state *state, struct slot *slot)
{
	slot->stamp = state->stamp;
	slot->original = slot->value;
	record(state, JOURNAL_WARM_SLOT)->slot = slot;
	return true;
}

void state_set_balance(struct state *state, struct account *account, const struct u256 *balance)
{
	struct journal_entry *entry = record(state, JOURNAL_BALANCE);
	entry->account = account;
	entry->before.word = account->now.balance;
	account->now.balance = *balance;
	state_touch(state, account);
}

void state_set_nonce(struct state *state, struct account *account, uint64_t nonce)
{
	struct journal_entry *entry = record(state, JOURNAL_NONCE);
	entry->account = account;
	entry->before.number = account->now.nonce;
	account->now.nonce = nonce;
	state_touch(state, account);
}

void state_set_code(struct state *state, struct account *account, const struct code *code)
{
	const struct code *before = state_code(state, account);
	struct journal_entry *entry = record(state, JOURNAL_CODE);
	entry->account = account;
	entry->before.code = before;
	account->code = code;
	account->now.code_hash = code->hash;
	state_touch(state, account);
}

void state_set_slot(struct state *state, struct account *account, struct slot *slot, const struct u256 *value)
{
	struct journal_entry *entry = record(state, JOURNAL_SLOT);
	entry->slot = slot;
	entry->before.word = slot->value;
	slot->value = *value;
	if (!slot->listed) {
		slot->listed = true;
		slot->next_written = account->written_slots;
		account->written_slots = slot;
		state_touch(state, account);
	}
}

void state_set_transient(struct state *state, struct slot *slot, const struct u256 *value)
{
	if (slot->transient_stamp != state->stamp) {
		slot->transient_stamp = state->stamp;
		slot->transient = U256_ZERO;
	}
	struct journal_entry *entry = record(state, JOURNAL_TRANSIENT);
	entry->slot = slot;
	entry->before.word = slot->transient;
	slot->transient = *value;
}

void state_set_created(struct state *state, struct account *account)
{
	struct journal_entry *entry = record(state, JOURNAL_CREATED);
	entry->account = account;
	entry->before.number = account->created_stamp;
	account->created_stamp = state->stamp;
}

void state_set_destroyed(struct state *state, struct account *account)
{
	if (account->destroyed_stamp == state->stamp)
		return;
	struct journal_entry *entry = record(state, JOURNAL_DESTROYED);
	entry->account = account;
	entry->before.number = account->destroyed_stamp;
	account->destroyed_stamp = state->stamp;
	if (state->destroyed_count == state->destroyed_room) {
		state->destroyed_room = state->destroyed_room ? state->destroyed_room * 2 : 16;
		state->destroyed =
		    checked_realloc(state->destroyed, state->destroyed_room * sizeof(struct account *));
	}
	state->destroyed[state->destroyed_count++] = account;
}

void state_add_log(struct state *state, const struct address *address, const struct u256 *topics,
                   unsigned topic_count, const uint8_t *data, size_t size)
{
	if (state->log_count == state->log_room) {
		state->log_room = state->log_room ? state->log_room * 2 : 16;
		state->logs = checked_realloc(state->logs, state->log_room * sizeof *state->logs);
	}
	struct log *log = &state->logs[state->log_count++];
	*log = (struct log){.address = *address, .topic_count = topic_count, .data_size = size};
	for (unsigned i = 0; i < topic_count; i++)
		log->topics[i] = topics[-(int)i];
	uint8_t *copy = arena_alloc(&state->scratch, size);
	if (size)
		memcpy(copy, data, size);
	log->data = copy;
}

/* ---- transactions ---- */
void state_begin(struct state *state)
{
	state->stamp++;
	state->journal_length = 0;
	state->log_count = 0;
	state->destroyed_count = 0;
	arena_reset(&state->scratch);
}

void state_end(struct state *state)
{
	for (size_t i = 0; i < state->destroyed_count; i++) {
		struct account *account = state->destroyed[i];
		if (account->destroyed_stamp != state->stamp)
			continue;
		account->now = account_nothing;
		account->code = &code_empty;
		account->storage_wiped = true;
		account->wiped_slots = true;
		for (struct slot *slot = account->all_slots; slot; slot = slot->next) {
			if (!u256_is_zero(&slot->value) && !slot->listed) {
				slot->listed = true;
				slot->next_written = account->written_slots;
				account->written_slots = slot;
			}
			slot->value = U256_ZERO;
		}
		state_touch(state, account);
	}
	state->journal_length = 0;
}

void state_mark_committed(struct state *state)
{
	for (struct account *account = state->written, *next; account; account = next) {
		next = account->next_written;
		for (struct slot *slot = account->written_slots, *after; slot; slot = after) {
			after = slot->next_written;
			slot->loaded = slot->value;
			slot->listed = false;
		}
		account->written_slots = NULL;
		account->loaded = account->now;
		account->listed = false;
		account->wiped_slots = false;
	}
	state->written = NULL;
}
