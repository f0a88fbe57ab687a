/* From written accounts and slots to roots. */
#include "state/world.h"

#include "num/arena.h"
#include "rlp/rlp.h"

#include <stdlib.h>

struct storage_trie {
	struct storage_trie *next;
	struct hash32 account; /* hash of the address */
	struct world *world;
	struct trie trie;
	struct trie_store store;
};

/* ---- stores of single tries over the world's ---- */
static const uint8_t *load_account_node(void *context, const uint8_t *path, unsigned length, size_t *size)
{
	const struct world *world = context;
	return world->store->load(world->store->context, NULL, path, length, size);
}

static void save_account_node(void *context, const uint8_t *path, unsigned length, const uint8_t *node,
                              size_t size)
{
	const struct world *world = context;
	world->store->save(world->store->context, NULL, path, length, node, size);
}

static void remove_account_node(void *context, const uint8_t *path, unsigned length)
{
	const struct world *world = context;
	world->store->remove(world->store->context, NULL, path, length);
}

static const uint8_t *load_storage_node(void *context, const uint8_t *path, unsigned length, size_t *size)
{
	const struct storage_trie *storage = context;
	const struct world_store *store = storage->world->store;
	return store->load(store->context, &storage->account, path, length, size);
}

static void save_storage_node(void *context, const uint8_t *path, unsigned length, const uint8_t *node,
                              size_t size)
{
	const struct storage_trie *storage = context;
	const struct world_store *store = storage->world->store;
	store->save(store->context, &storage->account, path, length, node, size);
}

static void remove_storage_node(void *context, const uint8_t *path, unsigned length)
{
	const struct storage_trie *storage = context;
	const struct world_store *store = storage->world->store;
	store->remove(store->context, &storage->account, path, length);
}

void world_init(struct world *world, const struct hash32 *root, const struct world_store *store)
{
	*world = (struct world){.store = store, .bucket_count = 256};
	world->buckets = checked_zalloc(world->bucket_count, sizeof(struct storage_trie *));
	world->accounts_store =
	    (struct trie_store){world, load_account_node, save_account_node, remove_account_node};
	trie_init(&world->accounts, root, store ? &world->accounts_store : NULL);
}

static void close_all(struct world *world)
{
	for (size_t i = 0; i < world->bucket_count; i++) {
		for (struct storage_trie *storage = world->buckets[i], *next; storage; storage = next) {
			next = storage->next;
			trie_deinit(&storage->trie);
			free(storage);
		}
		world->buckets[i] = NULL;
	}
	world->count = 0;
	world->storage_nodes = 0;
}

void world_deinit(struct world *world)
{
	close_all(world);
	free(world->buckets);
	trie_deinit(&world->accounts);
}

void world_trim(struct world *world, size_t limit)
{
	if (!world->store || world->accounts.nodes + world->storage_nodes <= limit)
		return;
	close_all(world);
	trie_forget(&world->accounts);
}

static void grow(struct world *world)
{
	const size_t count = world->bucket_count * 4;
	struct storage_trie **buckets = checked_zalloc(count, sizeof(struct storage_trie *));
	for (size_t i = 0; i < world->bucket_count; i++)
		for (struct storage_trie *storage = world->buckets[i], *next; storage; storage = next) {
			next = storage->next;
			struct storage_trie **bucket =
			    &buckets[table_hash(&storage->account, 4) & (count - 1)];
			storage->next = *bucket;
			*bucket = storage;
		}
	free(world->buckets);
	world->buckets = buckets;
	world->bucket_count = count;
}

/* ---- leaves ---- */
bool world_read_leaf(const uint8_t *bytes, size_t size, struct account_data *out, struct hash32 *root)
{
	struct rlp_reader reader = rlp_reader(bytes, size);
	struct rlp_reader fields;
	*out = account_nothing;
	if (!rlp_read_list(&reader, &fields) || !rlp_at_end(&reader) || !rlp_read_u64(&fields, &out->nonce) ||
	    !rlp_read_u256(&fields, &out->balance) || !rlp_read_exact(&fields, root->bytes, 32) ||
	    !rlp_read_exact(&fields, out->code_hash.bytes, 32) || !rlp_at_end(&fields))
		return false;
	out->has_storage = !hash32_equal(root, &trie_empty_root);
	return true;
}

static bool read_leaf(struct world *world, const struct hash32 *account, struct account_data *out,
                      struct hash32 *root)
{
	size_t size;
	const uint8_t *leaf = trie_get(&world->accounts, account->bytes, 32, &size);
	return leaf && world_read_leaf(leaf, size, out, root);
}

bool world_account(struct world *world, const struct address *address, struct account_data *out,
                   struct hash32 *root)
{
	struct hash32 account;
	keccak256(account.bytes, address->bytes, 20);
	return read_leaf(world, &account, out, root);
}

static struct storage_trie *open_storage(struct world *world, const struct hash32 *account)
{
	struct storage_trie **bucket = &world->buckets[table_hash(account, 4) & (world->bucket_count - 1)];
	for (struct storage_trie *storage = *bucket; storage; storage = storage->next)
		if (hash32_equal(&storage->account, account))
			return storage;
	struct account_data data;
	struct hash32 root;
	if (!read_leaf(world, account, &data, &root))
		root = trie_empty_root;
	struct storage_trie *storage = checked_zalloc(1, sizeof *storage);
	storage->account = *account;
	storage->world = world;
	storage->store =
	    (struct trie_store){storage, load_storage_node, save_storage_node, remove_storage_node};
	trie_init(&storage->trie, &root, world->store ? &storage->store : NULL);
	storage->next = *bucket;
	*bucket = storage;
	if (++world->count > world->bucket_count)
		grow(world);
	return storage;
}

struct trie *world_storage(struct world *world, const struct address *address)
{
	struct hash32 account;
	keccak256(account.bytes, address->bytes, 20);
	struct trie *trie = &open_storage(world, &account)->trie;
	return trie->root.length ? trie : NULL;
}

static void wipe_storage(struct world *world, struct storage_trie *storage)
{
	trie_deinit(&storage->trie);
	trie_init(&storage->trie, NULL, world->store ? &storage->store : NULL);
	if (world->store)
		world->store->remove_all(world->store->context, &storage->account);
}

/* The root of the account's storage, brought up to date. */
static bool commit_storage(struct world *world, struct account *account, const struct hash32 *hash,
                           struct hash32 *root)
{
	if (!account->written_slots && !account->wiped_slots) {
		struct account_data data;
		if (!read_leaf(world, hash, &data, root))
			*root = trie_empty_root;
		return !world->accounts.damaged;
	}
	struct storage_trie *storage = open_storage(world, hash);
	if (account->wiped_slots)
		wipe_storage(world, storage);
	const size_t before = storage->trie.nodes;
	for (const struct slot *slot = account->written_slots; slot; slot = slot->next_written) {
		if (!account->wiped_slots && u256_equal(&slot->value, &slot->loaded))
			continue;
		uint8_t bytes[32];
		uint8_t key[32];
		u256_store(bytes, &slot->key);
		keccak256(key, bytes, 32);
		if (u256_is_zero(&slot->value)) {
			trie_delete(&storage->trie, key, 32);
			continue;
		}
		uint8_t value[33];
		u256_store(bytes, &slot->value);
		const size_t length = (u256_bits(&slot->value) + 7) / 8;
		size_t size = 0;
		if (length > 1 || bytes[31] >= 0x80)
			value[size++] = (uint8_t)(0x80 + length);
		memcpy(value + size, bytes + 32 - length, length);
		trie_put(&storage->trie, key, 32, value, size + length);
	}
	trie_commit(&storage->trie, root);
	world->storage_nodes += storage->trie.nodes - before;
	return !storage->trie.damaged;
}

static void put_account(struct world *world, const struct hash32 *hash, const struct account_data *data,
                        const struct hash32 *root)
{
	struct rlp_writer writer = {0};
	const size_t list = rlp_begin_list(&writer);
	rlp_put_u64(&writer, data->nonce);
	rlp_put_u256(&writer, &data->balance);
	rlp_put_bytes(&writer, root->bytes, 32);
	rlp_put_bytes(&writer, data->code_hash.bytes, 32);
	rlp_end_list(&writer, list);
	trie_put(&world->accounts, hash->bytes, 32, writer.bytes, writer.length);
	rlp_free(&writer);
}

bool world_commit(struct world *world, struct state *state, struct hash32 *root)
{
	bool good = true;
	for (struct account *account = state->written; account; account = account->next_written) {
		struct hash32 hash;
		struct hash32 storage_root;
		keccak256(hash.bytes, account->address.bytes, 20);
		if (account_is_empty(account)) {
			/* EIP-161; an empty account has no storage that could be reached. */
			if (account->now.has_storage || account->wiped_slots)
				wipe_storage(world, open_storage(world, &hash));
			account->now = account_nothing;
			trie_delete(&world->accounts, hash.bytes, 32);
			continue;
		}
		if (!commit_storage(world, account, &hash, &storage_root))
			good = false;
		account->now.has_storage = !hash32_equal(&storage_root, &trie_empty_root);
		put_account(world, &hash, &account->now, &storage_root);
	}
	trie_commit(&world->accounts, root);
	return good && !world->accounts.damaged;
}
