/* What readers see: the last flushed block, and a machine to run calls on its state. */
#include "chain/chain_internal.h"
#include "chain/past.h"

#include <stdio.h>

#define KEEP_CODE ((size_t)64 << 20)

static void number_key(uint8_t out[8], uint64_t number)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t)(number >> (56 - 8 * i));
}

static uint64_t number_of(const uint8_t *bytes, unsigned count)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < count; i++)
		number = number << 8 | bytes[i];
	return number;
}

static bool load_head(struct chain_view *view)
{
	static const char name[] = "head";
	size_t size;
	const uint8_t *value =
	    store_get(view->store.store, view->store.txn, STORE_META, name, sizeof name, &size);
	return value && size == 8 && chain_view_block(view, number_of(value, 8), &view->head);
}

bool chain_view_open(struct chain *chain, struct chain_view *view)
{
	*view = (struct chain_view){.chain = chain};
	if (!store_view_begin(&chain->store, &view->store))
		return false;
	view->reader = (struct store_reader){.store = &chain->store, .txn = view->store.txn};
	code_cache_init(&view->codes, chain->rules.fork);
	const struct state_backend backend = store_backend(&view->reader);
	state_init(&view->state, &backend, &view->codes);
	view->evm = evm_create(chain->rules.fork);
	view->evm->state = &view->state;
	if (!load_head(view)) {
		chain_view_close(view);
		return false;
	}
	return true;
}

void chain_view_close(struct chain_view *view)
{
	evm_destroy(view->evm);
	state_deinit(&view->state);
	code_cache_deinit(&view->codes);
	arena_deinit(&view->arena);
	store_view_end(&view->store);
}

bool chain_view_renew(struct chain_view *view)
{
	arena_reset(&view->arena);
	state_clear(&view->state);
	if (view->codes.bytes > KEEP_CODE)
		code_cache_clear(&view->codes);
	view->reader.at_past = false;
	if (!store_view_renew(&view->store))
		return false;
	return load_head(view);
}

uint64_t chain_view_oldest(const struct chain_view *view)
{
	return past_oldest(view->store.store, view->store.txn, view->head.number);
}

bool chain_view_at(struct chain_view *view, uint64_t number)
{
	const bool at_past = number != view->head.number;
	if (number > view->head.number || (at_past && number < chain_view_oldest(view)))
		return false;
	if (at_past == view->reader.at_past && (!at_past || number == view->reader.number))
		return true;
	state_clear(&view->state);
	view->reader.at_past = at_past;
	view->reader.number = number;
	return true;
}

bool chain_view_block(struct chain_view *view, uint64_t number, struct block_header *out)
{
	uint8_t key[8];
	size_t size;
	number_key(key, number);
	const uint8_t *record = store_get(view->store.store, view->store.txn, STORE_BLOCKS, key, 8, &size);
	return record && block_read(out, record, size);
}

bool chain_view_block_number(struct chain_view *view, const struct hash32 *hash, uint64_t *number)
{
	size_t size;
	const uint8_t *value =
	    store_get(view->store.store, view->store.txn, STORE_BLOCK_HASHES, hash->bytes, 32, &size);
	if (!value || size != 8)
		return false;
	*number = number_of(value, 8);
	return true;
}

bool chain_view_receipt(struct chain_view *view, uint64_t number, uint32_t index, struct receipt *out)
{
	uint8_t key[12];
	size_t size;
	number_key(key, number);
	for (int i = 0; i < 4; i++)
		key[8 + i] = (uint8_t)(index >> (24 - 8 * i));
	const uint8_t *record =
	    store_get(view->store.store, view->store.txn, STORE_TRANSACTIONS, key, sizeof key, &size);
	return record && receipt_read(out, record, size, &view->arena);
}

bool chain_view_find(struct chain_view *view, const struct hash32 *transaction, uint64_t *number,
                     uint32_t *index)
{
	size_t size;
	const uint8_t *value =
	    store_get(view->store.store, view->store.txn, STORE_HASHES, transaction->bytes, 32, &size);
	if (!value || size != 12)
		return false;
	*number = number_of(value, 8);
	*index = (uint32_t)number_of(value + 8, 4);
	return true;
}

static void view_block_hash(void *context, uint64_t number, struct hash32 *out)
{
	struct block_header header;
	*out = (struct hash32){{0}};
	if (chain_view_block(context, number, &header))
		*out = header.hash;
}

void chain_view_set_block(struct chain_view *view, const struct block_header *block, bool same)
{
	view->evm->block = (struct evm_block){
	    .coinbase = block->coinbase,
	    .number = block->number + (same ? 0 : 1),
	    .timestamp = block->timestamp,
	    .gas_limit = block->gas_limit,
	    .chain_id = view->chain->config.chain_id,
	    .block_hash = view_block_hash,
	    .context = view,
	};
	u256_load(&view->evm->block.random, block->random.bytes);
}
