/*
 * ledger-transfers CREATION-CODE-FILE: how many ERC-20 transfers a second one core turns into blocks in the store,
 * state root, receipts and indexes included, with recovery of the senders and without. The file has the token's
 * creation code in hexadecimal, constructor's arguments included; its constructor gives all to the first account.
 */
#include "chain/chain.h"
#include "num/hex.h"
#include "tx/signature.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ACCOUNTS  1000
#define PER_BLOCK 2000
#define BLOCKS    10

static struct address addresses[ACCOUNTS];
static uint64_t nonces[ACCOUNTS];
static struct ordered_items items[PER_BLOCK];
static size_t count;

static double cpu_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void key_of(uint8_t key[32], unsigned account)
{
	memset(key, 0, 32);
	key[0] = 1;
	key[30] = (uint8_t)(account >> 8);
	key[31] = (uint8_t)account;
}

static void add(unsigned account, const struct address *to, const uint8_t *data, size_t size, uint64_t gas)
{
	uint8_t key[32];
	struct rlp_writer writer = {0};
	struct transaction t = {.type = TRANSACTION_DYNAMIC_FEE,
	                        .has_chain_id = true,
	                        .chain_id = CHAIN_DEFAULT_ID,
	                        .nonce = nonces[account]++,
	                        .gas_limit = gas,
	                        .create = !to,
	                        .data = data,
	                        .data_size = size};
	if (to)
		t.to = *to;
	key_of(key, account);
	if (!transaction_sign(&t, key))
		abort();
	transaction_encode(&writer, &t, false);
	items[count++] = (struct ordered_items){writer.bytes, writer.length};
}

static void add_transfer(unsigned from, unsigned to, const struct address *token, uint64_t amount)
{
	uint8_t data[68] = {0xa9, 0x05, 0x9c, 0xbb};
	memcpy(data + 16, addresses[to].bytes, 20);
	for (int i = 0; i < 8; i++)
		data[60 + i] = (uint8_t)(amount >> (56 - 8 * i));
	add(from, token, data, sizeof data, 100000);
}

static uint64_t commit_index;

/* Executes what was added. Returns the seconds of CPU it took. */
static double execute(struct chain *chain)
{
	static const uint8_t digest[32];
	commit_index++;
	const struct chain_commit commit = {commit_index, 1700000000000 + commit_index * 100, digest, items,
	                                    count};
	const double started = cpu_now();
	if (!chain_execute(chain, &commit) || !chain_flush(chain))
		exit(1);
	const double taken = cpu_now() - started;
	for (size_t i = 0; i < count; i++)
		free((void *)(uintptr_t)items[i].bytes);
	count = 0;
	return taken;
}

static double time_recovery(void)
{
	struct arena arena = {0};
	const double started = cpu_now();
	for (size_t i = 0; i < count; i++) {
		struct transaction t;
		struct address sender;
		const char *why;
		if (!transaction_decode(&t, items[i].bytes, items[i].size, &arena, &why) ||
		    !transaction_sender(&t, &sender))
			abort();
	}
	const double taken = cpu_now() - started;
	arena_deinit(&arena);
	return taken;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

int main(int argument_count, char **arguments)
{
	char directory[] = "/tmp/holon-transfers-XXXXXX";
	static char text[1 << 20];
	static uint8_t code[1 << 19];
	FILE *file = argument_count == 2 ? fopen(arguments[1], "r") : NULL;
	if (!file || !fgets(text, sizeof text, file) || !mkdtemp(directory)) {
		fprintf(stderr, "usage: ledger-transfers CREATION-CODE-FILE\n");
		return 2;
	}
	fclose(file);
	text[strcspn(text, "\n")] = 0;
	const long size = hex_decode(code, sizeof code, text);
	const struct chain_config config = {
	    .chain_id = CHAIN_DEFAULT_ID, .gas_limit = 2000000000, .past_window = CHAIN_DEFAULT_PAST};
	struct chain *chain = chain_open(directory, &config);
	if (size <= 0 || !chain)
		return 1;
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		uint8_t key[32];
		key_of(key, i);
		if (!signature_address(&addresses[i], key))
			abort();
	}
	struct address token;
	evm_create_address(&token, &addresses[0], 0);
	add(0, NULL, code, (size_t)size, 10000000);
	execute(chain);
	for (unsigned i = 1; i < ACCOUNTS; i++)
		add_transfer(0, i, &token, UINT64_C(1) << 60);
	execute(chain);

	double total = 0;
	double recovery = 0;
	for (unsigned block = 0; block < BLOCKS; block++) {
		for (unsigned i = 0; i < PER_BLOCK; i++)
			add_transfer(i % ACCOUNTS, (i * 7919 + block * 104729 + 1) % ACCOUNTS, &token, 1 + i);
		recovery += time_recovery();
		total += execute(chain);
	}
	struct chain_view view;
	uint64_t included = 0;
	if (!chain_view_open(chain, &view))
		return 1;
	for (uint64_t n = 3; n <= view.head.number; n++) {
		struct block_header header;
		struct receipt receipt;
		if (!chain_view_block(&view, n, &header))
			return 1;
		for (uint32_t i = 0; i < header.transaction_count; i++)
			included += chain_view_receipt(&view, n, i, &receipt) && receipt.success &&
			            receipt.log_count == 1;
	}
	chain_view_close(&view);
	chain_close(chain);
	nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	const double transfers = (double)BLOCKS * PER_BLOCK;
	if (included != BLOCKS * PER_BLOCK) {
		printf("not ok: %llu of %.0f transfers succeeded\n", (unsigned long long)included, transfers);
		return 1;
	}
	printf("ERC-20 transfers a second and core, state root, receipts and store included: %.0f with "
	       "sender recovery, %.0f without\n",
	       transfers / total, transfers / (total - recovery));
	return 0;
}
