/*
 * The accounts as one execution sees them: a cache over a backend, with a journal, so that any part of a
 * transaction can be undone in time proportional to what it did.
 *
 * What is true for one transaction only (warm, created, destroyed, original and transient values) is stamped
 * with the transaction's number instead of being cleared after it. Pointers to accounts and slots stay valid
 * until state_clear(). One thread uses a state at a time.
 */
#ifndef LEDGER_STATE_H
#define LEDGER_STATE_H

#include "evm/code.h"
#include "num/arena.h"
#include "num/types.h"

/* An account as the backend keeps it. One that does not exist is `account_nothing`. */
struct account_data {
	uint64_t nonce;
	struct u256 balance;
	struct hash32 code_hash;
	bool has_storage;
};

extern const struct account_data account_nothing;

struct state_backend {
	void *context;
	/* *out is account_nothing when there is no such account. */
	void (*load_account)(void *context, const struct address *address, struct account_data *out);
	void (*load_slot)(void *context, const struct address *address, const struct u256 *key,
	                  struct u256 *out);
	/* Adds the code to the cache and returns it. The backend has every code that an account of it names.
	 */
	const struct code *(*load_code)(void *context, const struct hash32 *hash, struct code_cache *cache);
};

struct slot {
	struct u256 key;
	struct u256 value;
	struct u256 original;  /* when the transaction `stamp` began */
	struct u256 loaded;    /* what the backend has */
	struct u256 transient; /* EIP-1153, of the transaction `transient_stamp` */
	uint64_t stamp;        /* warm in this transaction */
	uint64_t transient_stamp;
	bool known;  /* value is loaded; false while only `transient` was used */
	bool listed; /* in the account's list of slots written */
	struct slot *next_written;
	struct slot *next; /* all of the account, newest first */
};

struct slot_table {
	struct slot **places; /* a power of two, at most three quarters full */
	size_t size;
	size_t used;
};

struct account {
	struct address address;
	bool listed;        /* in the state's list of accounts written */
	bool storage_wiped; /* slots that are not in the table are zero, whatever the backend says */
	bool wiped_slots;   /* since the last commit the storage was wiped: the trie must drop it first */
	struct account_data now;
	struct account_data loaded; /* what the backend has */
	const struct code *code;    /* NULL until asked for */
	uint64_t warm_stamp;
	uint64_t created_stamp;
	uint64_t destroyed_stamp;
	struct slot_table slots;
	struct slot *all_slots;
	struct slot *written_slots;
	struct account *next_written;
	struct account *next; /* all, newest first */
};

struct log {
	struct address address;
	uint32_t topic_count;
	struct u256 topics[4];
	const uint8_t *data; /* in the state's memory of the transaction */
	size_t data_size;
};

struct journal_entry;

struct state {
	struct state_backend backend;
	struct code_cache *codes;
	struct arena memory;  /* accounts, slots, their tables */
	struct arena scratch; /* of one transaction: log data */
	struct account **places;
	size_t size;
	size_t used;
	struct account *all;
	struct account *written;
	uint64_t stamp; /* number of the transaction under way, never 0 */
	struct journal_entry *journal;
	size_t journal_length;
	size_t journal_room;
	struct log *logs; /* of the transaction under way */
	size_t log_count;
	size_t log_room;
	struct account **destroyed; /* in the transaction under way; entries may have been undone */
	size_t destroyed_count;
	size_t destroyed_room;
	uint64_t slot_count;
};

void state_init(struct state *state, const struct state_backend *backend, struct code_cache *codes);
void state_deinit(struct state *state);
/* Forgets all that was loaded and written. */
void state_clear(struct state *state);

/* The account, loaded when need be. Never NULL. */
struct account *state_account(struct state *state, const struct address *address);
/* The account if the state has loaded it, else NULL. */
struct account *state_find_account(const struct state *state, const struct address *address);
/* The slot, loaded. */
struct slot *state_slot(struct state *state, struct account *account, const struct u256 *key);
struct slot *state_find_slot(const struct account *account, const struct u256 *key);
/* The slot for its transient value alone: its stored value is not loaded. */
struct slot *state_transient_slot(struct state *state, struct account *account, const struct u256 *key);
const struct code *state_code(struct state *state, struct account *account);

/* Without nonce, balance and code, as if it were not there (EIP-161). */
static inline bool account_is_empty(const struct account *account)
{
	return account->now.nonce == 0 && u256_is_zero(&account->now.balance) &&
	       hash32_equal(&account->now.code_hash, &keccak_of_nothing);
}

/* ---- a transaction ---- */
void state_begin(struct state *state);
/* Removes destroyed accounts (EIP-6780). Logs stay readable until the next state_begin(). */
void state_end(struct state *state);

static inline size_t state_mark(const struct state *state)
{
	return state->journal_length;
}

/* Undoes all since the mark, logs above `log_count` included. */
void state_undo(struct state *state, size_t mark, size_t log_count);

/* True when it was cold; warm afterwards. */
bool state_warm_account(struct state *state, struct account *account);
bool state_warm_slot_slow(struct state *state, struct slot *slot);

static inline bool state_warm_slot(struct state *state, struct slot *slot)
{
	return slot->stamp != state->stamp && state_warm_slot_slow(state, slot);
}

void state_set_balance(struct state *state, struct account *account, const struct u256 *balance);
void state_set_nonce(struct state *state, struct account *account, uint64_t nonce);
/* `code` belongs to the state's cache. */
void state_set_code(struct state *state, struct account *account, const struct code *code);
/* The slot must be warm: its original value is then known. */
void state_set_slot(struct state *state, struct account *account, struct slot *slot,
                    const struct u256 *value);
void state_set_transient(struct state *state, struct slot *slot, const struct u256 *value);
void state_set_created(struct state *state, struct account *account);
void state_set_destroyed(struct state *state, struct account *account);
/* Marks as written, so that an empty account is dropped. */
void state_touch(struct state *state, struct account *account);
void state_add_log(struct state *state, const struct address *address, const struct u256 *topics,
                   unsigned topic_count, const uint8_t *data, size_t size);

static inline bool account_created_now(const struct state *state, const struct account *account)
{
	return account->created_stamp == state->stamp;
}

/* After a commit: what is now is what the backend has. */
void state_mark_committed(struct state *state);

#endif
