/* Nodes of the trie, and what its files share. */
#ifndef LEDGER_TRIE_INTERNAL_H
#define LEDGER_TRIE_INTERNAL_H

#include "rlp/rlp.h"
#include "state/trie.h"

#define TRIE_MAX_NIBBLES 64

enum trie_kind { TRIE_LEAF, TRIE_EXTENSION, TRIE_BRANCH };

struct trie_node {
	uint8_t kind;
	uint8_t path_length;
	uint32_t value_size;
	uint8_t path[TRIE_MAX_NIBBLES];
	uint8_t *value; /* of a leaf */
	struct trie_node *free_next;
	struct trie_ref children[16]; /* an extension has the first alone, and room for no more */
};

struct trie_removed {
	uint8_t length;
	uint8_t path[TRIE_MAX_NIBBLES];
};

struct trie_node *trie_node_create(struct trie *trie, enum trie_kind kind);
struct trie_node *trie_resolve(struct trie *trie, struct trie_ref *ref, const uint8_t *path, unsigned length);
struct trie_node *trie_decode(struct trie *trie, const uint8_t *bytes, size_t size);
/* How many items a node has, 18 for more; 0 when they are malformed. */
unsigned trie_items(struct rlp_reader content);
unsigned trie_nibbles(uint8_t *out, const uint8_t *key, size_t size);

#endif
