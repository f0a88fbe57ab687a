/* Writing the chain's file, and executing it. */
#include "chain/archive.h"

#include "chain/chain_internal.h"

#include <stdlib.h>

#define MAX_TRANSACTIONS ((uint32_t)1 << 20) /* of a block */
#define FLUSH_BLOCKS     64

static const char magic[12] = "HolonChain1\n";

static void put_number(uint8_t *out, unsigned size, uint64_t number)
{
	for (unsigned i = 0; i < size; i++)
		out[i] = (uint8_t)(number >> (8 * (size - 1 - i)));
}

static uint64_t get_number(const uint8_t *bytes, unsigned size)
{
	uint64_t number = 0;
	for (unsigned i = 0; i < size; i++)
		number = number << 8 | bytes[i];
	return number;
}

#define BLOCK_HEAD (1 + 8 + 8 + 32 + 32 + 4)
#define CONFIG     32

static bool export_block(struct chain_view *view, const struct block_header *block, FILE *out)
{
	uint8_t head[BLOCK_HEAD] = {'B'};
	put_number(head + 1, 8, block->commit_index);
	put_number(head + 9, 8, block->time_ms);
	memcpy(head + 17, block->random.bytes, 32);
	memcpy(head + 49, block->hash.bytes, 32);
	put_number(head + 81, 4, block->transaction_count);
	if (fwrite(head, sizeof head, 1, out) != 1)
		return false;
	for (uint32_t i = 0; i < block->transaction_count; i++) {
		struct receipt receipt;
		uint8_t size[4];
		if (!chain_view_receipt(view, block->number, i, &receipt)) {
			fprintf(stderr,
			        "holon-ledger: block %llu has no transactions here: the store began at a "
			        "snapshot\n",
			        (unsigned long long)block->number);
			return false;
		}
		put_number(size, 4, receipt.transaction_size);
		if (fwrite(size, 4, 1, out) != 1 ||
		    fwrite(receipt.transaction, 1, receipt.transaction_size, out) != receipt.transaction_size)
			return false;
		arena_reset(&view->arena);
	}
	return true;
}

bool archive_export(const char *directory, FILE *out, struct archive_figures *figures)
{
	struct chain *chain = chain_open(directory, NULL);
	struct chain_view view;
	uint8_t config[CONFIG];
	uint8_t end[17] = {'E'};
	*figures = (struct archive_figures){0};
	if (!chain)
		return false;
	if (!chain_view_open(chain, &view)) {
		chain_close(chain);
		return false;
	}
	chain_encode_config(config, chain_configuration(chain));
	bool good = fwrite(magic, sizeof magic, 1, out) == 1 && fwrite(config, sizeof config, 1, out) == 1;
	for (uint64_t number = 1; good && number <= view.head.number; number++) {
		struct block_header block;
		good = chain_view_block(&view, number, &block);
		if (!good)
			fprintf(stderr,
			        "holon-ledger: block %llu is not here: the store began at a snapshot\n",
			        (unsigned long long)number);
		good = good && export_block(&view, &block, out);
		figures->blocks += good;
		figures->transactions += good ? block.transaction_count : 0;
	}
	figures->head = view.head.hash;
	put_number(end + 1, 8, figures->blocks);
	put_number(end + 9, 8, figures->transactions);
	good = good && fwrite(end, sizeof end, 1, out) == 1 && fflush(out) == 0;
	chain_view_close(&view);
	chain_close(chain);
	return good;
}

/* ---- replay ---- */
struct replay {
	FILE *in;
	struct chain *chain;
	struct ordered_items *items;
	uint32_t room;
	struct arena arena; /* of one block */
	struct archive_figures *figures;
};

static bool cut_off(void)
{
	fprintf(stderr, "holon-ledger: the file is cut off or malformed\n");
	return false;
}

static bool read_transactions(struct replay *replay, uint32_t count)
{
	if (count > MAX_TRANSACTIONS)
		return cut_off();
	if (count > replay->room) {
		replay->items = checked_realloc(replay->items, count * sizeof *replay->items);
		replay->room = count;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint8_t size[4];
		if (fread(size, 4, 1, replay->in) != 1)
			return cut_off();
		const size_t length = get_number(size, 4);
		if (length == 0 || length > TRANSACTION_MAX_SIZE)
			return cut_off();
		uint8_t *bytes = arena_alloc(&replay->arena, length);
		replay->items[i] = (struct ordered_items){bytes, length};
		if (fread(bytes, 1, length, replay->in) != length)
			return cut_off();
	}
	return true;
}

static bool replay_block(struct replay *replay)
{
	uint8_t head[BLOCK_HEAD - 1];
	struct hash32 made;
	if (fread(head, sizeof head, 1, replay->in) != 1)
		return cut_off();
	const uint32_t count = (uint32_t)get_number(head + 80, 4);
	struct archive_figures *figures = replay->figures;
	const uint64_t number = figures->blocks + 1;
	arena_reset(&replay->arena);
	if (!read_transactions(replay, count))
		return false;
	const struct chain_commit commit = {get_number(head, 8), get_number(head + 8, 8), head + 16,
	                                    replay->items, count};
	if (!chain_execute(replay->chain, &commit))
		return false;
	chain_head_hash(replay->chain, &made, false);
	if (memcmp(made.bytes, head + 48, 32) != 0 || replay->chain->head.number != number) {
		fprintf(stderr,
		        "holon-ledger: block %llu came out otherwise: its hash is not the one in the file\n",
		        (unsigned long long)number);
		return false;
	}
	figures->blocks = number;
	figures->transactions += count;
	figures->head = made;
	return number % FLUSH_BLOCKS != 0 || chain_flush(replay->chain);
}

bool archive_replay(FILE *in, const char *directory, unsigned workers, struct archive_figures *figures)
{
	char found[sizeof magic];
	uint8_t fixed[CONFIG];
	uint8_t end[16];
	*figures = (struct archive_figures){0};
	if (fread(found, sizeof found, 1, in) != 1 || memcmp(found, magic, sizeof magic) != 0 ||
	    fread(fixed, sizeof fixed, 1, in) != 1)
		return cut_off();
	const struct chain_config config = {.chain_id = get_number(fixed, 8),
	                                    .gas_limit = get_number(fixed + 8, 8),
	                                    .quota_gas = get_number(fixed + 16, 8),
	                                    .quota_window = get_number(fixed + 24, 8),
	                                    .workers = workers};
	if (config.quota_gas && !config.quota_window)
		return cut_off();
	struct replay replay = {.in = in, .figures = figures, .chain = chain_open(directory, &config)};
	if (!replay.chain)
		return false;
	bool good = replay.chain->head.number == 0;
	if (!good)
		fprintf(stderr, "holon-ledger: %s holds a chain already\n", directory);
	int kind = 0;
	while (good && (kind = fgetc(in)) == 'B')
		good = replay_block(&replay);
	if (good &&
	    (kind != 'E' || fread(end, sizeof end, 1, in) != 1 || get_number(end, 8) != figures->blocks ||
	     get_number(end + 8, 8) != figures->transactions))
		good = cut_off();
	good = good && chain_flush(replay.chain);
	arena_deinit(&replay.arena);
	free(replay.items);
	chain_close(replay.chain);
	return good;
}
