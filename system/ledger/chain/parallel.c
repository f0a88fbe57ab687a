/* Speculation: states over the chain's, read and write sets, and taking them over. */
#include "chain/parallel.h"

#include <pthread.h>
#include <stdlib.h>

struct slot_effect {
	struct u256 key;
	struct u256 read;
	struct u256 now;
};

struct account_effect {
	struct address address;
	struct account_data read;
	struct account_data now;
	const struct code *code; /* when it changed */
	bool written;            /* or touched */
	struct slot_effect *slots;
	size_t slot_count;
};

struct outcome {
	bool usable;
	struct applied applied;
	struct account_effect *accounts;
	size_t account_count;
	struct log *logs;
	size_t log_count;
};

struct lane { /* of a thread */
	struct state state;
	struct evm *evm;
	struct arena arena; /* outcomes of the window */
};

struct parallel {
	struct chain *chain;
	unsigned lane_count;
	struct lane *lanes;
	pthread_mutex_t store; /* the batch is read by one thread at a time */
	struct candidate *const *list;
	struct outcome outcomes[PARALLEL_WINDOW];
};

/* ---- a lane's backend: the chain's state where it has the value, else the store ---- */
static void load_account(void *context, const struct address *address, struct account_data *out)
{
	struct parallel *parallel = context;
	struct state *base = &parallel->chain->state;
	const struct account *account = state_find_account(base, address);
	if (account) {
		*out = account->now;
		return;
	}
	pthread_mutex_lock(&parallel->store);
	base->backend.load_account(base->backend.context, address, out);
	pthread_mutex_unlock(&parallel->store);
}

static void load_slot(void *context, const struct address *address, const struct u256 *key, struct u256 *out)
{
	struct parallel *parallel = context;
	struct state *base = &parallel->chain->state;
	const struct account *account = state_find_account(base, address);
	const struct slot *slot = account ? state_find_slot(account, key) : NULL;
	if (slot && slot->known) {
		*out = slot->value;
	} else if (account && account->storage_wiped) {
		*out = U256_ZERO;
	} else {
		pthread_mutex_lock(&parallel->store);
		base->backend.load_slot(base->backend.context, address, key, out);
		pthread_mutex_unlock(&parallel->store);
	}
}

static const struct code *load_code(void *context, const struct hash32 *hash, struct code_cache *cache)
{
	struct parallel *parallel = context;
	const struct state *base = &parallel->chain->state;
	pthread_mutex_lock(&parallel->store);
	const struct code *code = base->backend.load_code(base->backend.context, hash, cache);
	pthread_mutex_unlock(&parallel->store);
	return code;
}

/* BLOCKHASH reads the store, too. */
static void locked_block_hash(void *context, uint64_t number, struct hash32 *out)
{
	struct parallel *parallel = context;
	const struct evm_block *block = &parallel->chain->evm->block;
	pthread_mutex_lock(&parallel->store);
	block->block_hash(block->context, number, out);
	pthread_mutex_unlock(&parallel->store);
}

struct parallel *parallel_create(struct chain *chain, unsigned workers)
{
	if (workers == 0)
		return NULL;
	struct parallel *parallel = checked_zalloc(1, sizeof *parallel);
	const struct state_backend backend = {parallel, load_account, load_slot, load_code};
	parallel->chain = chain;
	parallel->lane_count = workers + 1;
	parallel->lanes = checked_zalloc(parallel->lane_count, sizeof *parallel->lanes);
	pthread_mutex_init(&parallel->store, NULL);
	for (unsigned i = 0; i < parallel->lane_count; i++) {
		struct lane *lane = &parallel->lanes[i];
		state_init(&lane->state, &backend, &chain->codes);
		lane->evm = evm_create(chain->rules.fork);
		lane->evm->state = &lane->state;
	}
	return parallel;
}

void parallel_destroy(struct parallel *parallel)
{
	if (!parallel)
		return;
	for (unsigned i = 0; i < parallel->lane_count; i++) {
		evm_destroy(parallel->lanes[i].evm);
		state_deinit(&parallel->lanes[i].state);
		arena_deinit(&parallel->lanes[i].arena);
	}
	pthread_mutex_destroy(&parallel->store);
	free(parallel->lanes);
	free(parallel);
}

/* ---- speculation ---- */
static bool same_data(const struct account_data *a, const struct account_data *b)
{
	return a->nonce == b->nonce && u256_equal(&a->balance, &b->balance) &&
	       hash32_equal(&a->code_hash, &b->code_hash) && a->has_storage == b->has_storage;
}

static void record_account(struct lane *lane, const struct account *account, struct account_effect *out)
{
	*out = (struct account_effect){.address = account->address,
	                               .read = account->loaded,
	                               .now = account->now,
	                               .written = account->listed};
	if (!hash32_equal(&account->now.code_hash, &account->loaded.code_hash))
		out->code = account->code;
	size_t count = 0;
	for (const struct slot *slot = account->all_slots; slot; slot = slot->next)
		count += slot->known;
	out->slots = arena_alloc(&lane->arena, count * sizeof *out->slots);
	for (const struct slot *slot = account->all_slots; slot; slot = slot->next)
		if (slot->known)
			out->slots[out->slot_count++] =
			    (struct slot_effect){slot->key, slot->loaded, slot->value};
}

static void record(struct lane *lane, struct outcome *outcome)
{
	const struct state *state = &lane->state;
	outcome->usable = true;
	outcome->accounts = arena_alloc(&lane->arena, state->used * sizeof *outcome->accounts);
	for (const struct account *account = state->all; account; account = account->next) {
		/* An account made and destroyed at once is rare: it runs again. */
		if (account->wiped_slots)
			outcome->usable = false;
		record_account(lane, account, &outcome->accounts[outcome->account_count++]);
	}
	outcome->log_count = state->log_count;
	outcome->logs = arena_alloc(&lane->arena, state->log_count * sizeof *outcome->logs);
	for (size_t i = 0; i < state->log_count; i++) {
		outcome->logs[i] = state->logs[i];
		uint8_t *data = arena_alloc(&lane->arena, state->logs[i].data_size);
		if (state->logs[i].data_size)
			memcpy(data, state->logs[i].data, state->logs[i].data_size);
		outcome->logs[i].data = data;
	}
}

static void speculate(void *context, size_t i, unsigned worker)
{
	struct parallel *parallel = context;
	struct lane *lane = &parallel->lanes[worker];
	struct outcome *outcome = &parallel->outcomes[i];
	const struct candidate *candidate = parallel->list[i];
	*outcome = (struct outcome){0};
	state_clear(&lane->state);
	outcome->applied = transaction_apply(lane->evm, &parallel->chain->rules, &candidate->transaction,
	                                     &candidate->sender);
	/* One that is invalid as yet may become valid: it is judged at its place. */
	if (outcome->applied.valid)
		record(lane, outcome);
}

void parallel_speculate(struct parallel *parallel, struct candidate *const *list, size_t count)
{
	for (unsigned i = 0; i < parallel->lane_count; i++) {
		struct lane *lane = &parallel->lanes[i];
		arena_reset(&lane->arena);
		lane->evm->block = parallel->chain->evm->block;
		lane->evm->block.block_hash = locked_block_hash;
		lane->evm->block.context = parallel;
	}
	parallel->list = list;
	pool_run(parallel->chain->pool, count, speculate, parallel);
}

/* ---- taking over ---- */
static bool still_holds(struct state *state, const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->account_count; i++) {
		const struct account_effect *effect = &outcome->accounts[i];
		struct account *account = state_account(state, &effect->address);
		if (!same_data(&account->now, &effect->read))
			return false;
		for (size_t k = 0; k < effect->slot_count; k++)
			if (!u256_equal(&state_slot(state, account, &effect->slots[k].key)->value,
			                &effect->slots[k].read))
				return false;
	}
	return true;
}

static void take_over(struct state *state, const struct account_effect *effect)
{
	struct account *account = state_account(state, &effect->address);
	if (effect->now.nonce != effect->read.nonce)
		state_set_nonce(state, account, effect->now.nonce);
	if (!u256_equal(&effect->now.balance, &effect->read.balance))
		state_set_balance(state, account, &effect->now.balance);
	if (effect->code)
		state_set_code(state, account, effect->code);
	for (size_t k = 0; k < effect->slot_count; k++) {
		const struct slot_effect *change = &effect->slots[k];
		if (u256_equal(&change->now, &change->read))
			continue;
		struct slot *slot = state_slot(state, account, &change->key);
		state_warm_slot(state, slot);
		state_set_slot(state, account, slot, &change->now);
	}
	if (effect->written)
		state_touch(state, account);
}

bool parallel_take(struct parallel *parallel, size_t i, struct applied *applied, struct log **logs,
                   size_t *log_count)
{
	const struct outcome *outcome = &parallel->outcomes[i];
	struct state *state = &parallel->chain->state;
	if (!outcome->usable || !still_holds(state, outcome))
		return false;
	state_begin(state);
	for (size_t k = 0; k < outcome->account_count; k++)
		take_over(state, &outcome->accounts[k]);
	state_end(state);
	*applied = outcome->applied;
	*logs = outcome->logs;
	*log_count = outcome->log_count;
	return true;
}
