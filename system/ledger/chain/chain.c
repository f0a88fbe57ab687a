/* Opening the chain, executing commits, making blocks. */
#include "chain/chain_internal.h"
#include "chain/parallel.h"
#include "chain/past.h"

#include <stdio.h>
#include <stdlib.h>

#define KEEP_SLOTS ((uint64_t)1 << 20) /* the state's cache is dropped above this many slots and accounts */
#define KEEP_NODES ((size_t)1 << 20)   /* the tries' nodes in memory */
#define KEEP_CODE  ((size_t)256 << 20) /* bytes of translated code */

static const char meta_head[] = "head";     /* number of the last block, 8 bytes */
static const char meta_commit[] = "commit"; /* index of the last commit executed */
static const char meta_config[] = "config"; /* chain id, gas limit, quota: fixed at genesis */

/* EIP-2935: where contracts find the hashes of the last 8,191 blocks. */
static const struct address history_address = {{0x00, 0x00, 0xf9, 0x08, 0x27, 0xf1, 0xc5, 0x3a, 0x10, 0xcb,
                                                0x7a, 0x02, 0x33, 0x5b, 0x17, 0x53, 0x20, 0x00, 0x29, 0x35}};
static const uint8_t history_code[] = {
    0x33, 0x73, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xfe, 0x14, 0x60, 0x46, 0x57, 0x60, 0x20, 0x36, 0x03, 0x60, 0x42, 0x57, 0x5f,
    0x35, 0x60, 0x01, 0x43, 0x03, 0x81, 0x11, 0x60, 0x42, 0x57, 0x61, 0x1f, 0xff, 0x81, 0x43, 0x03, 0x11,
    0x60, 0x42, 0x57, 0x61, 0x1f, 0xff, 0x90, 0x06, 0x54, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xf3, 0x5b, 0x5f,
    0x5f, 0xfd, 0x5b, 0x5f, 0x35, 0x61, 0x1f, 0xff, 0x60, 0x01, 0x43, 0x03, 0x06, 0x55, 0x00};
#define HISTORY_WINDOW 8191

void chain_put_number(uint8_t out[8], uint64_t number)
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

static void chain_block_hash(void *context, uint64_t number, struct hash32 *out)
{
	const struct chain *chain = context;
	uint8_t key[8];
	size_t size;
	struct block_header header;
	chain_put_number(key, number);
	*out = (struct hash32){{0}};
	const uint8_t *record = store_get(&chain->store, chain->store.batch, STORE_BLOCKS, key, 8, &size);
	if (record && block_read(&header, record, size))
		*out = header.hash;
}

static bool begin_batch(struct chain *chain)
{
	if (!store_begin(&chain->store))
		return false;
	chain->reader.txn = chain->store.batch;
	return true;
}

bool chain_reload(struct chain *chain)
{
	uint8_t key[8];
	size_t size;
	state_clear(&chain->state);
	world_deinit(&chain->world);
	if (!begin_batch(chain))
		return false;
	MDB_txn *txn = chain->store.batch;
	const uint8_t *value = store_get(&chain->store, txn, STORE_META, meta_head, sizeof meta_head, &size);
	if (!value || size != 8)
		return false;
	chain_put_number(key, get_number(value));
	value = store_get(&chain->store, txn, STORE_META, meta_commit, sizeof meta_commit, &size);
	if (!value || size != 8)
		return false;
	chain->executed_index = get_number(value);
	value = store_get(&chain->store, txn, STORE_BLOCKS, key, 8, &size);
	if (!value || !block_read(&chain->head, value, size)) {
		fprintf(stderr, "holon-ledger: the store has no head block\n");
		return false;
	}
	chain->executed_root = chain->head.state_root;
	chain->flushed = chain->head;
	chain->flushed_index = chain->executed_index;
	world_init(&chain->world, &chain->head.state_root, &chain->world_store);
	/* A batch belongs to the thread that began it: the one that executes begins its own. */
	store_abort(&chain->store);
	chain->reader.txn = NULL;
	return true;
}

/* ---- blocks ---- */
static bool finish_block(struct chain *chain, struct block_builder *builder)
{
	struct block_header *header = &builder->header;
	if (!world_commit(&chain->world, &chain->state, &header->state_root)) {
		fprintf(stderr, "holon-ledger: the store lacks a node of the state's trie\n");
		return false;
	}
	past_record(&chain->store, &chain->state, header->number, chain->config.past_window);
	store_write_state(&chain->store, &chain->state);
	state_mark_committed(&chain->state);
	ordered_root(&header->transactions_root, builder->transactions, builder->count);
	ordered_root(&header->receipts_root, builder->receipts, builder->count);
	struct rlp_writer writer = {0};
	block_encode_header(&writer, header);
	header->size += writer.length;
	header->transaction_count = (uint32_t)builder->count;
	writer.length = 0;
	block_write(&writer, header);
	uint8_t key[8];
	chain_put_number(key, header->number);
	store_put(&chain->store, STORE_BLOCKS, key, 8, writer.bytes, writer.length);
	store_put(&chain->store, STORE_BLOCK_HASHES, header->hash.bytes, 32, key, 8);
	store_put(&chain->store, STORE_META, meta_head, sizeof meta_head, key, 8);
	rlp_free(&writer);
	chain->head = *header;
	chain->executed_root = header->state_root;
	return true;
}

static void write_system_slot(struct chain *chain, const struct address *address, const struct u256 *key,
                              const struct u256 *value)
{
	struct account *account = state_account(&chain->state, address);
	struct slot *slot = state_slot(&chain->state, account, key);
	state_warm_slot(&chain->state, slot);
	state_set_slot(&chain->state, account, slot, value);
}

static void begin_block(struct chain *chain, struct block_builder *builder, const struct chain_commit *commit)
{
	struct block_header *header = &builder->header;
	builder->count = 0;
	builder->log_count = 0;
	*header = (struct block_header){
	    .parent = chain->head.hash,
	    .number = chain->head.number + 1,
	    .gas_limit = chain->config.gas_limit,
	    .timestamp = commit->time_ms / 1000,
	    .time_ms = commit->time_ms,
	    .commit_index = commit->index,
	    .extra = "holon",
	    .extra_size = 5,
	};
	memcpy(header->random.bytes, commit->digest, 32);
	struct evm_block *block = &chain->evm->block;
	*block = (struct evm_block){
	    .number = header->number,
	    .timestamp = header->timestamp,
	    .gas_limit = header->gas_limit,
	    .chain_id = chain->config.chain_id,
	    .block_hash = chain_block_hash,
	    .context = chain,
	};
	u256_load(&block->random, commit->digest);
	struct u256 key = u256_from((header->number - 1) % HISTORY_WINDOW);
	struct u256 value;
	u256_load(&value, header->parent.bytes);
	state_begin(&chain->state);
	write_system_slot(chain, &history_address, &key, &value);
	state_end(&chain->state);
}

static const uint8_t *keep(struct arena *arena, const struct rlp_writer *writer)
{
	uint8_t *copy = arena_alloc(arena, writer->length);
	memcpy(copy, writer->bytes, writer->length);
	return copy;
}

void builder_add(struct chain *chain, struct block_builder *builder, const struct candidate *candidate,
                 const struct applied *applied, struct log *logs, size_t log_count)
{
	struct block_header *header = &builder->header;
	header->gas_used += applied->gas_used;
	header->size += candidate->size;
	struct receipt receipt = {
	    .transaction = candidate->bytes,
	    .transaction_size = candidate->size,
	    .sender = candidate->sender,
	    .type = (uint8_t)candidate->transaction.type,
	    .success = applied->status == EVM_SUCCESS,
	    .created = applied->created,
	    .contract = applied->contract,
	    .gas_used = applied->gas_used,
	    .cumulative_gas = header->gas_used,
	    .first_log = builder->log_count,
	    .logs = logs,
	    .log_count = log_count,
	};
	bloom_add_logs(header->bloom, logs, log_count);
	builder->log_count += log_count;
	struct rlp_writer writer = {0};
	receipt_encode(&writer, &receipt);
	builder->transactions[builder->count] = (struct ordered_items){candidate->bytes, candidate->size};
	builder->receipts[builder->count] =
	    (struct ordered_items){keep(&chain->arena, &writer), writer.length};
	writer.length = 0;
	receipt_write(&writer, &receipt);
	uint8_t place[12];
	chain_put_number(place, header->number);
	for (int i = 0; i < 4; i++)
		place[8 + i] = (uint8_t)(builder->count >> (24 - 8 * i));
	store_put(&chain->store, STORE_TRANSACTIONS, place, sizeof place, writer.bytes, writer.length);
	store_put(&chain->store, STORE_HASHES, candidate->hash.bytes, 32, place, sizeof place);
	rlp_free(&writer);
	builder->count++;
}

/* ---- candidates ---- */
struct preparation {
	struct candidate *candidates;
	struct arena *arenas; /* one a worker */
};

static void prepare(void *context, size_t i, unsigned worker)
{
	struct preparation *preparation = context;
	struct candidate *c = &preparation->candidates[i];
	const char *why;
	c->good =
	    transaction_decode(&c->transaction, c->bytes, c->size, &preparation->arenas[worker], &why) &&
	    transaction_sender(&c->transaction, &c->sender);
	c->hash = c->transaction.hash;
}

static int by_sender_and_nonce(const void *a, const void *b)
{
	const struct candidate *x = *(const struct candidate *const *)a;
	const struct candidate *y = *(const struct candidate *const *)b;
	const int sender = memcmp(x->sender.bytes, y->sender.bytes, 20);
	if (sender)
		return sender;
	if (x->transaction.nonce != y->transaction.nonce)
		return x->transaction.nonce < y->transaction.nonce ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int by_place(const void *a, const void *b)
{
	const struct candidate *x = *(const struct candidate *const *)a;
	const struct candidate *y = *(const struct candidate *const *)b;
	return x < y ? -1 : x > y;
}

/*
 * The good candidates in the order in which they run: each sender's in the order of their nonces, at the
 * places where the sender's stood.
 */
static size_t order(struct chain *chain, struct candidate *candidates, size_t count, struct candidate **out)
{
	struct candidate **sorted = arena_alloc(&chain->arena, count * sizeof(struct candidate *));
	size_t good = 0;
	for (size_t i = 0; i < count; i++)
		if (candidates[i].good)
			sorted[good++] = &candidates[i];
	qsort(sorted, good, sizeof(struct candidate *), by_sender_and_nonce);
	/* Of one sender's run of n: its n places, ascending, take its candidates in order of nonces. */
	struct candidate **place = arena_alloc(&chain->arena, count * sizeof(struct candidate *));
	for (size_t from = 0, to; from < good; from = to) {
		for (to = from + 1; to < good && address_equal(&sorted[to]->sender, &sorted[from]->sender);
		     to++)
			;
		struct candidate **places =
		    arena_alloc(&chain->arena, (to - from) * sizeof(struct candidate *));
		memcpy(places, sorted + from, (to - from) * sizeof(struct candidate *));
		qsort(places, to - from, sizeof(struct candidate *), by_place);
		for (size_t i = 0; i < to - from; i++)
			place[places[i] - candidates] = sorted[from + i];
	}
	size_t next = 0;
	for (size_t i = 0; i < count; i++)
		if (place[i])
			out[next++] = place[i];
	return next;
}

static bool execute_all(struct chain *chain, const struct chain_commit *commit, struct candidate **list,
                        size_t count)
{
	struct block_builder builder = {0};
	builder.transactions = arena_alloc(&chain->arena, count * sizeof *builder.transactions);
	builder.receipts = arena_alloc(&chain->arena, count * sizeof *builder.receipts);
	begin_block(chain, &builder, commit);
	size_t window = 0; /* where the transactions run ahead begin and end */
	size_t ahead = 0;
	for (size_t i = 0; i < count; i++) {
		const struct candidate *c = list[i];
		if (builder.header.gas_used + c->transaction.gas_limit > chain->config.gas_limit &&
		    builder.count) {
			if (!finish_block(chain, &builder))
				return false;
			begin_block(chain, &builder, commit);
			ahead = i; /* what was run ahead saw another block */
		}
		if (chain_quota_left(&chain->config, &chain->state, &c->sender, builder.header.timestamp) <
		    c->transaction.gas_limit)
			continue;
		if (chain->parallel && i >= ahead && count - i > 1) {
			window = i;
			ahead = count - i < PARALLEL_WINDOW ? count : i + PARALLEL_WINDOW;
			parallel_speculate(chain->parallel, list + window, ahead - window);
		}
		struct applied applied;
		struct log *logs;
		size_t log_count;
		if (i >= ahead || !parallel_take(chain->parallel, i - window, &applied, &logs, &log_count)) {
			applied = transaction_apply(chain->evm, &chain->rules, &c->transaction, &c->sender);
			logs = chain->state.logs;
			log_count = chain->state.log_count;
		}
		if (!applied.valid)
			continue;
		builder_add(chain, &builder, c, &applied, logs, log_count);
		quota_take(chain, &c->sender, applied.gas_used, builder.header.timestamp);
	}
	if (builder.count)
		return finish_block(chain, &builder);
	/* No block came of it: what begin_block() wrote goes. */
	state_clear(&chain->state);
	return true;
}

bool chain_execute(struct chain *chain, const struct chain_commit *commit)
{
	if (!begin_batch(chain))
		return false;
	bool good = true;
	if (commit->payload_count) {
		arena_reset(&chain->arena);
		const size_t count = commit->payload_count;
		struct candidate *candidates = arena_alloc(&chain->arena, count * sizeof *candidates);
		for (size_t i = 0; i < count; i++) {
			candidates[i].bytes = commit->payloads[i].bytes;
			candidates[i].size = commit->payloads[i].size;
		}
		const unsigned threads = pool_workers(chain->pool) + 1;
		struct arena *arenas = checked_zalloc(threads, sizeof *arenas);
		struct preparation preparation = {candidates, arenas};
		pool_run(chain->pool, count, prepare, &preparation);
		struct candidate **list = arena_alloc(&chain->arena, count * sizeof(struct candidate *));
		const size_t listed = order(chain, candidates, count, list);
		if (listed)
			good = execute_all(chain, commit, list, listed);
		for (unsigned i = 0; i < threads; i++)
			arena_deinit(&arenas[i]);
		free(arenas);
	}
	uint8_t index[8];
	chain_put_number(index, commit->index);
	store_put(&chain->store, STORE_META, meta_commit, sizeof meta_commit, index, 8);
	chain->executed_index = commit->index;
	if (!good || chain->store.error) {
		store_abort(&chain->store);
		(void)chain_reload(chain);
		return false;
	}
	if (chain->state.slot_count + chain->state.used > KEEP_SLOTS || chain->codes.bytes > KEEP_CODE) {
		state_clear(&chain->state);
		code_cache_clear(&chain->codes);
	}
	world_trim(&chain->world, KEEP_NODES);
	return true;
}

bool chain_flush(struct chain *chain)
{
	const uint64_t before = chain->flushed.number;
	if (!store_commit(&chain->store)) {
		(void)chain_reload(chain);
		return false;
	}
	chain->reader.txn = NULL;
	chain->flushed = chain->head;
	chain->flushed_index = chain->executed_index;
	if (chain->notify && chain->flushed.number > before)
		chain->notify(chain->notify_context, before + 1, chain->flushed.number);
	return true;
}

/* ---- genesis and opening ---- */
void chain_encode_config(uint8_t out[32], const struct chain_config *config)
{
	chain_put_number(out, config->chain_id);
	chain_put_number(out + 8, config->gas_limit);
	chain_put_number(out + 16, config->quota_gas);
	chain_put_number(out + 24, config->quota_window);
}

void chain_write_meta(struct chain *chain, const uint8_t head[8], uint64_t commit_index)
{
	uint8_t config[32];
	uint8_t index[8];
	chain_encode_config(config, &chain->config);
	chain_put_number(index, commit_index);
	store_put(&chain->store, STORE_META, meta_config, sizeof meta_config, config, sizeof config);
	store_put(&chain->store, STORE_META, meta_head, sizeof meta_head, head, 8);
	store_put(&chain->store, STORE_META, meta_commit, sizeof meta_commit, index, 8);
	past_begin(&chain->store, get_number(head));
}

static bool make_genesis(struct chain *chain)
{
	struct block_builder builder = {
	    .header = {.gas_limit = chain->config.gas_limit, .extra = "holon", .extra_size = 5}};
	struct hash32 hash;
	uint8_t zero[8] = {0};
	state_begin(&chain->state);
	struct account *history = state_account(&chain->state, &history_address);
	keccak256(hash.bytes, history_code, sizeof history_code);
	state_set_nonce(&chain->state, history, 1);
	state_set_code(&chain->state, history,
	               code_cache_add(&chain->codes, &hash, history_code, sizeof history_code));
	state_end(&chain->state);
	chain_write_meta(chain, zero, 0);
	return finish_block(chain, &builder) && chain_flush(chain);
}

/* The parameters fixed at genesis must be those asked for. */
static bool check_config(const struct chain *chain, const char *directory)
{
	uint8_t wanted[32];
	size_t size;
	chain_encode_config(wanted, &chain->config);
	const uint8_t *found =
	    store_get(&chain->store, chain->store.batch, STORE_META, meta_config, sizeof meta_config, &size);
	if (found && size == sizeof wanted && memcmp(found, wanted, sizeof wanted) == 0)
		return true;
	fprintf(stderr, "holon-ledger: the chain in %s was made with another chain id, gas limit or quota\n",
	        directory);
	return false;
}

static bool read_config(struct chain *chain, const char *directory)
{
	size_t size;
	const uint8_t *found =
	    store_get(&chain->store, chain->store.batch, STORE_META, meta_config, sizeof meta_config, &size);
	if (!found || size != 32) {
		fprintf(stderr, "holon-ledger: there is no chain in %s\n", directory);
		return false;
	}
	chain->config.chain_id = get_number(found);
	chain->config.gas_limit = get_number(found + 8);
	chain->config.quota_gas = get_number(found + 16);
	chain->config.quota_window = get_number(found + 24);
	return true;
}

struct chain *chain_open(const char *directory, const struct chain_config *config)
{
	struct chain *chain = checked_zalloc(1, sizeof *chain);
	pthread_mutex_init(&chain->pins.lock, NULL);
	if (config)
		chain->config = *config;
	if (!store_open(&chain->store, directory, chain->config.durable)) {
		free(chain);
		return NULL;
	}
	chain->reader.store = chain->node_reader.store = &chain->store;
	chain->world_store = store_world(&chain->node_reader);
	chain->rules = (struct rules){.fork = FORK_OSAKA};
	chain->evm = evm_create(chain->rules.fork);
	chain->evm->state = &chain->state;
	code_cache_init(&chain->codes, chain->rules.fork);
	const struct state_backend backend = store_backend(&chain->reader);
	state_init(&chain->state, &backend, &chain->codes);
	chain->pool = pool_create(chain->config.workers);
	chain->parallel = parallel_create(chain, pool_workers(chain->pool));
	world_init(&chain->world, NULL, &chain->world_store);
	size_t size;
	bool good = begin_batch(chain) && (config || read_config(chain, directory));
	if (good) {
		if (store_get(&chain->store, chain->store.batch, STORE_META, meta_head, sizeof meta_head,
		              &size))
			good = check_config(chain, directory) && chain_reload(chain);
		else
			good = make_genesis(chain);
	}
	if (!good) {
		chain_close(chain);
		return NULL;
	}
	return chain;
}

void chain_close(struct chain *chain)
{
	pool_destroy(chain->pool);
	parallel_destroy(chain->parallel);
	world_deinit(&chain->world);
	state_deinit(&chain->state);
	evm_destroy(chain->evm);
	code_cache_deinit(&chain->codes);
	arena_deinit(&chain->arena);
	chain_pins_drop(chain);
	pthread_mutex_destroy(&chain->pins.lock);
	store_close(&chain->store);
	free(chain);
}

void chain_executed(const struct chain *chain, uint64_t *index, struct hash32 *root)
{
	*index = chain->executed_index;
	*root = chain->executed_root;
}

void chain_flushed(const struct chain *chain, uint64_t *index, struct hash32 *root)
{
	*index = chain->flushed_index;
	*root = chain->flushed.state_root;
}

void chain_head_hash(const struct chain *chain, struct hash32 *out, bool flushed)
{
	*out = flushed ? chain->flushed.hash : chain->head.hash;
}

const struct chain_config *chain_configuration(const struct chain *chain)
{
	return &chain->config;
}

void chain_on_blocks(struct chain *chain, void (*notify)(void *context, uint64_t first, uint64_t last),
                     void *context)
{
	chain->notify = notify;
	chain->notify_context = context;
}

struct rules chain_rules(const struct chain *chain)
{
	return chain->rules;
}

/* ---- quotas ---- */
/*
 * What an account has used lies in the storage of a system account, under its address, so that it is part of
 * the state's root: the low 64 bits are gas, the next 64 the window's number.
 */
static const struct address quota_address = {
    {0x00, 0x00, 'h', 'o', 'l', 'o', 'n', 0, 0, 0, 0, 0, 0, 0, 0, 0, 'q', 'u', 'o', 't'}};

uint64_t chain_quota_left(const struct chain_config *config, struct state *state,
                          const struct address *address, uint64_t time_s)
{
	if (!config->quota_gas)
		return UINT64_MAX;
	struct u256 key;
	word_from_address(&key, address);
	const struct slot *slot = state_slot(state, state_account(state, &quota_address), &key);
	const uint64_t used = slot->value.w[1] == time_s / config->quota_window ? slot->value.w[0] : 0;
	return used < config->quota_gas ? config->quota_gas - used : 0;
}

void quota_take(struct chain *chain, const struct address *sender, uint64_t gas, uint64_t time_s)
{
	const struct chain_config *config = &chain->config;
	if (!config->quota_gas || gas == 0)
		return;
	const uint64_t left = chain_quota_left(config, &chain->state, sender, time_s);
	struct u256 key;
	word_from_address(&key, sender);
	const uint64_t taken = gas < left ? gas : left;
	const struct u256 value = {{config->quota_gas - left + taken, time_s / config->quota_window, 0, 0}};
	state_begin(&chain->state);
	struct account *account = state_account(&chain->state, &quota_address);
	if (account->now.nonce == 0) /* else it would count as empty, and go */
		state_set_nonce(&chain->state, account, 1);
	write_system_slot(chain, &quota_address, &key, &value);
	state_end(&chain->state);
}
