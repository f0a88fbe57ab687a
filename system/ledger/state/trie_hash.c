/* The trie's nodes as bytes: encoding, hashing, decoding, writing to the store. */
#include "state/trie_internal.h"

#include "num/arena.h"

#include <stdlib.h>

/* A branch has 533 bytes; leaves with longer values get memory of their own. */
#define SHORT_NODE 600

/* Hex-prefix encoding. Returns the length, at most 33. */
static size_t encode_path(uint8_t out[33], const uint8_t *path, unsigned length, bool leaf)
{
	const bool odd = length & 1;
	out[0] = (uint8_t)((leaf ? 0x20 : 0) | (odd ? 0x10 | path[0] : 0));
	for (unsigned i = 0; i < length / 2; i++)
		out[1 + i] = (uint8_t)(path[odd + 2 * i] << 4 | path[odd + 2 * i + 1]);
	return 1 + length / 2;
}

static size_t put_string(uint8_t *out, const uint8_t *bytes, size_t length)
{
	if (length == 1 && bytes[0] < 0x80) {
		out[0] = bytes[0];
		return 1;
	}
	const unsigned header = rlp_header(out, length, false);
	memcpy(out + header, bytes, length);
	return header + length;
}

static size_t put_ref(uint8_t *out, const struct trie_ref *ref)
{
	if (ref->length == 32) {
		out[0] = 0xa0;
		memcpy(out + 1, ref->bytes, 32);
		return 33;
	}
	if (ref->length == 0) {
		out[0] = 0x80;
		return 1;
	}
	memcpy(out, ref->bytes, ref->length);
	return ref->length;
}

/* Encodes into `out`, which has room for the node; returns the offset where it begins (room is left for its
 * header). */
static size_t encode(uint8_t *out, const struct trie_node *node, size_t *size)
{
	uint8_t *next = out + 9;
	if (node->kind == TRIE_BRANCH) {
		for (unsigned i = 0; i < 16; i++)
			next += put_ref(next, &node->children[i]);
		*next++ = 0x80;
	} else {
		uint8_t path[33];
		const size_t length =
		    encode_path(path, node->path, node->path_length, node->kind == TRIE_LEAF);
		next += put_string(next, path, length);
		if (node->kind == TRIE_LEAF)
			next += put_string(next, node->value, node->value_size);
		else
			next += put_ref(next, &node->children[0]);
	}
	uint8_t header[9];
	const size_t content = (size_t)(next - out) - 9;
	const unsigned header_size = rlp_header(header, content, true);
	memcpy(out + 9 - header_size, header, header_size);
	*size = header_size + content;
	return 9 - header_size;
}

struct walk {
	struct trie *trie;
	bool save;
	uint8_t path[TRIE_MAX_NIBBLES];
};

static void update(struct walk *walk, struct trie_ref *ref, unsigned depth)
{
	if (!ref->dirty)
		return;
	const struct trie_node *node = ref->node;
	if (!node) { /* an emptied root */
		ref->length = 0;
		ref->dirty = false;
		return;
	}
	if (node->kind == TRIE_BRANCH) {
		for (unsigned i = 0; i < 16; i++) {
			struct trie_ref *child = (struct trie_ref *)(uintptr_t)&node->children[i];
			if (child->dirty) {
				walk->path[depth] = (uint8_t)i;
				update(walk, child, depth + 1);
			}
		}
	} else if (node->kind == TRIE_EXTENSION) {
		memcpy(walk->path + depth, node->path, node->path_length);
		update(walk, (struct trie_ref *)(uintptr_t)&node->children[0], depth + node->path_length);
	}
	uint8_t room[SHORT_NODE];
	uint8_t *buffer =
	    node->value_size > SHORT_NODE - 64 ? checked_alloc(node->value_size + (size_t)64) : room;
	size_t size;
	const uint8_t *bytes = buffer + encode(buffer, node, &size);
	if (size < 32) {
		ref->length = (uint8_t)size;
		memcpy(ref->bytes, bytes, size);
	} else {
		ref->length = 32;
		keccak256(ref->bytes, bytes, size);
	}
	ref->dirty = false;
	if (walk->save) {
		const struct trie_store *store = walk->trie->store;
		if (size >= 32)
			store->save(store->context, walk->path, depth, bytes, size);
		else
			store->remove(store->context, walk->path, depth);
	}
	if (buffer != room)
		free(buffer);
}

static void root_hash(const struct trie *trie, struct hash32 *root)
{
	if (trie->root.length == 32)
		memcpy(root->bytes, trie->root.bytes, 32);
	else if (trie->root.length == 0)
		*root = trie_empty_root;
	else
		keccak256(root->bytes, trie->root.bytes, trie->root.length);
}

void trie_root(struct trie *trie, struct hash32 *root)
{
	struct walk walk = {.trie = trie};
	update(&walk, &trie->root, 0);
	root_hash(trie, root);
}

void trie_commit(struct trie *trie, struct hash32 *root)
{
	struct walk walk = {.trie = trie, .save = trie->store != NULL};
	if (walk.save)
		for (size_t i = 0; i < trie->removed_count; i++)
			trie->store->remove(trie->store->context, trie->removed[i].path,
			                    trie->removed[i].length);
	trie->removed_count = 0;
	update(&walk, &trie->root, 0);
	root_hash(trie, root);
	/* A root below 32 bytes is not named by its hash anywhere: it lies in the store as it is. */
	if (walk.save && trie->root.length && trie->root.length < 32)
		trie->store->save(trie->store->context, NULL, 0, trie->root.bytes, trie->root.length);
}

/* ---- reading ---- */
static bool read_ref(struct rlp_reader *reader, struct trie_ref *ref)
{
	const uint8_t *item;
	size_t length;
	bool is_list;
	if (!rlp_read_raw(reader, &item, &length, &is_list))
		return false;
	if (is_list) {
		if (length >= 32)
			return false;
		memcpy(ref->bytes, item, length);
		ref->length = (uint8_t)length;
		return true;
	}
	if (length == 1 && item[0] == 0x80)
		return true;
	if (length != 33)
		return false;
	memcpy(ref->bytes, item + 1, 32);
	ref->length = 32;
	return true;
}

static bool read_short(struct rlp_reader *content, struct trie_node *node)
{
	const uint8_t *path;
	size_t length;
	if (!rlp_read_bytes(content, &path, &length) || length == 0 || length > 33 || path[0] >= 0x40)
		return false;
	const bool odd = path[0] & 0x10;
	unsigned count = 0;
	if (odd)
		node->path[count++] = path[0] & 15;
	for (size_t i = 1; i < length; i++) {
		if (count + 2 > TRIE_MAX_NIBBLES)
			return false;
		node->path[count++] = path[i] >> 4;
		node->path[count++] = path[i] & 15;
	}
	node->path_length = (uint8_t)count;
	if (!(path[0] & 0x20)) {
		node->kind = TRIE_EXTENSION;
		return read_ref(content, &node->children[0]) && node->children[0].length;
	}
	const uint8_t *value;
	if (!rlp_read_bytes(content, &value, &length) || length == 0 || length > UINT32_MAX)
		return false;
	node->value = checked_alloc(length);
	memcpy(node->value, value, length);
	node->value_size = (uint32_t)length;
	return true;
}

unsigned trie_items(struct rlp_reader content)
{
	unsigned count = 0;
	const uint8_t *item;
	size_t length;
	bool is_list;
	for (; count < 18 && !rlp_at_end(&content); count++)
		if (!rlp_read_raw(&content, &item, &length, &is_list))
			return 0;
	return count;
}

struct trie_node *trie_decode(struct trie *trie, const uint8_t *bytes, size_t size)
{
	struct rlp_reader reader = rlp_reader(bytes, size);
	struct rlp_reader content;
	if (!rlp_read_list(&reader, &content) || !rlp_at_end(&reader))
		return NULL;
	const unsigned items = trie_items(content);
	if (items != 2 && items != 17)
		return NULL;
	struct trie_node *node = trie_node_create(trie, items == 17 ? TRIE_BRANCH : TRIE_LEAF);
	bool good = true;
	if (items == 2)
		good = read_short(&content, node);
	else
		for (unsigned i = 0; good && i < 16; i++)
			good = read_ref(&content, &node->children[i]);
	if (!good) {
		free(node->value);
		free(node);
		trie->nodes--;
		return NULL;
	}
	return node;
}

void trie_prove(struct trie *trie, const uint8_t *key_bytes, size_t key_size,
                void (*visit)(void *context, const uint8_t *node, size_t size), void *context)
{
	uint8_t key[TRIE_MAX_NIBBLES] = {0};
	const unsigned length = trie_nibbles(key, key_bytes, key_size);
	struct trie_ref *ref = &trie->root;
	unsigned at = 0;
	for (;;) {
		const struct trie_node *node = trie_resolve(trie, ref, key, at);
		if (!node || (node->kind == TRIE_BRANCH && at >= length))
			return;
		uint8_t room[SHORT_NODE];
		if (node->value_size <= SHORT_NODE - 64 && (ref->length == 32 || at == 0)) {
			size_t size;
			const size_t offset = encode(room, node, &size);
			visit(context, room + offset, size);
		}
		if (node->kind == TRIE_BRANCH) {
			ref = (struct trie_ref *)(uintptr_t)&node->children[key[at++]];
			continue;
		}
		if (node->kind == TRIE_LEAF || node->path_length > length - at ||
		    memcmp(node->path, key + at, node->path_length) != 0)
			return;
		at += node->path_length;
		ref = (struct trie_ref *)(uintptr_t)&node->children[0];
	}
}
