/* Checking proofs of the trie: from a root that is known, node by node, each by its hash. */
#include "state/trie_internal.h"

/* A node as its parent names it: by hash, or (shorter than 32 bytes) itself. Empty: there is none. */
struct link {
	const uint8_t *bytes;
	size_t size;
};

static bool read_link(struct rlp_reader *content, struct link *link)
{
	bool is_list;
	const uint8_t *item;
	size_t size;
	if (!rlp_read_raw(content, &item, &size, &is_list))
		return false;
	*link = (struct link){item, size};
	if (is_list)
		return size < 32;
	/* A string: its header, and nothing or a hash. */
	*link = (struct link){item + 1, size - 1};
	return size == 33 || (size == 1 && item[0] == 0x80);
}

/* The path of a leaf or an extension (yellow paper, appendix C): how many nibbles of the key it takes; false where the key leaves
 * it. */
static bool follow(const uint8_t *path, size_t size, const uint8_t *key, unsigned left, unsigned *taken)
{
	*taken = (unsigned)(2 * (size - 1)) + (path[0] >> 4 & 1);
	for (unsigned i = 0; i < *taken && i < left; i++) {
		const unsigned at = i + 2 - (path[0] >> 4 & 1);
		if (key[i] != (at % 2 ? path[at / 2] & 15 : path[at / 2] >> 4))
			return false;
	}
	return *taken <= left;
}

enum trie_verdict trie_check(const struct hash32 *root, const uint8_t *key_bytes, size_t key_size,
                             const struct trie_bytes *nodes, size_t count, struct trie_bytes *value)
{
	uint8_t key[TRIE_MAX_NIBBLES] = {0};
	const unsigned length = trie_nibbles(key, key_bytes, key_size);
	struct link link = {root->bytes, 32};
	unsigned at = 0;
	*value = (struct trie_bytes){0};
	if (hash32_equal(root, &trie_empty_root))
		return count ? TRIE_FALSE : TRIE_ABSENT;
	for (size_t used = 0;;) {
		struct rlp_reader node = rlp_reader(link.bytes, link.size), content;
		struct hash32 hash;
		if (link.size == 0)
			return used == count ? TRIE_ABSENT : TRIE_FALSE;
		if (link.size == 32) {
			if (used == count)
				return TRIE_FALSE;
			keccak256(hash.bytes, nodes[used].bytes, nodes[used].size);
			if (memcmp(hash.bytes, link.bytes, 32) != 0)
				return TRIE_FALSE;
			node = rlp_reader(nodes[used].bytes, nodes[used].size);
			used++;
		}
		if (!rlp_read_list(&node, &content) || !rlp_at_end(&node))
			return TRIE_FALSE;
		const unsigned fields = trie_items(content);
		if (fields == 17) {
			if (at == length) /* keys are of one length: no value lies here */
				return TRIE_FALSE;
			for (unsigned i = 0; i <= key[at]; i++)
				if (!read_link(&content, &link))
					return TRIE_FALSE;
			at++;
			continue;
		}
		const uint8_t *path;
		size_t size;
		unsigned taken;
		if (fields != 2 || !rlp_read_bytes(&content, &path, &size) || size == 0 || size > 33 ||
		    path[0] >= 0x40 || (!(path[0] & 0x10) && (path[0] & 15)))
			return TRIE_FALSE;
		const bool same = follow(path, size, key + at, length - at, &taken);
		if (path[0] & 0x20) {
			if (used != count || !rlp_read_bytes(&content, &value->bytes, &value->size) ||
			    value->size == 0)
				return TRIE_FALSE;
			if (same && taken == length - at)
				return TRIE_PRESENT;
			*value = (struct trie_bytes){0};
			return TRIE_ABSENT;
		}
		if (!read_link(&content, &link) || link.size == 0 || taken == 0)
			return TRIE_FALSE;
		if (!same)
			return used == count ? TRIE_ABSENT : TRIE_FALSE;
		at += taken;
	}
}
