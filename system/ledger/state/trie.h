/*
 * The Merkle-Patricia trie (yellow paper, appendix D) with keys of at most 32 bytes, none a prefix of
 * another.
 *
 * Nodes are in memory once touched and hashed only when the root is asked for, so that a batch of changes
 * hashes each changed node once. A trie may have a store behind it, where each node of 32 or more encoded
 * bytes lies under its path from the root: nodes are loaded when an operation first reaches them, and
 * trie_commit() writes what changed.
 */
#ifndef LEDGER_TRIE_H
#define LEDGER_TRIE_H

#include "num/types.h"

struct trie_store {
	void *context;
	/* The node at a path of `length` nibbles: its bytes (valid until the next call) or NULL. */
	const uint8_t *(*load)(void *context, const uint8_t *path, unsigned length, size_t *size);
	void (*save)(void *context, const uint8_t *path, unsigned length, const uint8_t *node, size_t size);
	void (*remove)(void *context, const uint8_t *path, unsigned length);
};

struct trie_node;

/* A node as its parent has it. */
struct trie_ref {
	struct trie_node *node; /* NULL: not in memory */
	uint8_t length;         /* of `bytes`: 32, a hash; 1 to 31, the node itself; 0, no node */
	bool dirty;             /* bytes are out of date */
	uint8_t bytes[32];
};

struct trie_removed;

struct trie {
	struct trie_ref root;
	const struct trie_store *store; /* NULL: all in memory */
	struct trie_removed *removed;   /* paths whose nodes went since the last commit */
	size_t removed_count;
	size_t removed_room;
	size_t nodes; /* in memory */
	bool damaged; /* a node that must be in the store was not, or was malformed: results are void */
};

extern const struct hash32 trie_empty_root;

/* An empty trie, or with a root hash and a store the trie that is in the store. */
void trie_init(struct trie *trie, const struct hash32 *root, const struct trie_store *store);
/* Frees the nodes in memory; changes not committed are lost. */
void trie_deinit(struct trie *trie);
/* Frees the nodes in memory but keeps the root; for tries with a store, after a commit. */
void trie_forget(struct trie *trie);

/* Sets a key (1 to 32 bytes) to a value that is copied, at least 1 byte; or takes the key out. */
void trie_put(struct trie *trie, const uint8_t *key, size_t key_size, const uint8_t *value, size_t size);
void trie_delete(struct trie *trie, const uint8_t *key, size_t key_size);
/* The value, or NULL; valid until the next change. */
const uint8_t *trie_get(struct trie *trie, const uint8_t *key, size_t key_size, size_t *size);

/* Hashes what changed and gives the root. */
void trie_root(struct trie *trie, struct hash32 *root);
/* The same, and writes changed nodes to the store. */
void trie_commit(struct trie *trie, struct hash32 *root);

/*
 * The nodes from the root to the key, encoded, for a proof (EIP-1186): calls `visit` for each. Works on a
 * trie whose root is up to date.
 */
void trie_prove(struct trie *trie, const uint8_t *key, size_t key_size,
                void (*visit)(void *context, const uint8_t *node, size_t size), void *context);

/* What a proof says of a key. */
enum trie_verdict {
	TRIE_FALSE,   /* nothing: the nodes do not lead from the root to the key's place, and nowhere else */
	TRIE_PRESENT, /* the value, within the nodes' bytes */
	TRIE_ABSENT,
};

struct trie_bytes {
	const uint8_t *bytes;
	size_t size;
};

/* Checks nodes as trie_prove() gives them, which may come from anybody, against a root that is known. */
enum trie_verdict trie_check(const struct hash32 *root, const uint8_t *key, size_t key_size,
                             const struct trie_bytes *nodes, size_t count, struct trie_bytes *value);

#endif
