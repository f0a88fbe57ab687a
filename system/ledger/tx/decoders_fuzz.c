/*
 * Fuzzes the execution half's decoders of outside bytes: RLP, transactions (what is taken encodes back to the same
 * bytes), nodes of the trie, records of blocks and receipts. The first byte chooses.
 */
#include "chain/block.h"
#include "state/trie.h"
#include "tx/transaction.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	const uint8_t *bytes;
	size_t size;
} node;

static const uint8_t *load(void *context, const uint8_t *path, unsigned length, size_t *size)
{
	(void)context;
	(void)path;
	*size = node.size;
	return length < 8 ? node.bytes : NULL;
}

static void ignore_save(void *context, const uint8_t *path, unsigned length, const uint8_t *bytes,
                        size_t size)
{
	(void)context;
	(void)path;
	(void)length;
	(void)bytes;
	(void)size;
}

static void ignore_remove(void *context, const uint8_t *path, unsigned length)
{
	(void)context;
	(void)path;
	(void)length;
}

static void fuzz_transaction(const uint8_t *data, size_t size)
{
	struct arena arena = {0};
	struct transaction transaction;
	struct address sender;
	const char *why;
	if (transaction_decode(&transaction, data, size, &arena, &why)) {
		struct rlp_writer writer = {0};
		transaction_encode(&writer, &transaction, false);
		if (writer.length != size || memcmp(writer.bytes, data, size) != 0)
			abort();
		rlp_free(&writer);
		(void)transaction_sender(&transaction, &sender);
		for (size_t i = 0; i < transaction.authorization_count && i < 4; i++)
			(void)authorization_signer(&transaction.authorizations[i], &sender);
	}
	arena_deinit(&arena);
}

/* A trie whose every node is the input. */
static void fuzz_node(const uint8_t *data, size_t size)
{
	static const struct trie_store store = {NULL, load, ignore_save, ignore_remove};
	const struct hash32 root = {{1}};
	struct hash32 out;
	uint8_t key[32] = {0};
	size_t length;
	struct trie trie;
	node.bytes = data;
	node.size = size;
	if (size)
		memset(key, data[size - 1], sizeof key);
	trie_init(&trie, &root, &store);
	(void)trie_get(&trie, key, 32, &length);
	trie_put(&trie, key, 32, key, 3);
	key[31] ^= 0x10;
	trie_delete(&trie, key, 32);
	if (!trie.damaged)
		trie_commit(&trie, &out);
	trie_deinit(&trie);
}

static void fuzz_records(const uint8_t *data, size_t size)
{
	struct arena arena = {0};
	struct receipt receipt;
	struct block_header header;
	struct rlp_writer writer = {0};
	if (receipt_read(&receipt, data, size, &arena))
		receipt_encode(&writer, &receipt);
	if (block_read(&header, data, size))
		block_encode_header(&writer, &header);
	rlp_free(&writer);
	arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	/* A copy of just this size, so that reads beyond the end are seen. */
	uint8_t *copy = malloc(size);
	memcpy(copy, data, size);
	switch (copy[0] % 3) {
	case 0:
		fuzz_transaction(copy + 1, size - 1);
		break;
	case 1:
		fuzz_node(copy + 1, size - 1);
		break;
	default:
		fuzz_records(copy + 1, size - 1);
		break;
	}
	free(copy);
	return 0;
}
