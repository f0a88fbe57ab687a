/*
 * Walking and changing the trie. put and delete are loops over references, not recursive; hashing
 * (trie_hash.c) recurses once a nibble, at most 65 deep.
 */
#include "state/trie_internal.h"

#include "num/arena.h"

#include <stdlib.h>

const struct hash32 trie_empty_root = {{0x56, 0xe8, 0x1f, 0x17, 0x1b, 0xcc, 0x55, 0xa6, 0xff, 0x83, 0x45,
                                        0xe6, 0x92, 0xc0, 0xf8, 0x6e, 0x5b, 0x48, 0xe0, 0x1b, 0x99, 0x6c,
                                        0xad, 0xc0, 0x01, 0x62, 0x2f, 0xb5, 0xe3, 0x63, 0xb4, 0x21}};

void trie_init(struct trie *trie, const struct hash32 *root, const struct trie_store *store)
{
	*trie = (struct trie){.store = store};
	if (root && !hash32_equal(root, &trie_empty_root)) {
		trie->root.length = 32;
		memcpy(trie->root.bytes, root->bytes, 32);
	}
}

struct trie_node *trie_node_create(struct trie *trie, enum trie_kind kind)
{
	const size_t size = kind == TRIE_BRANCH
	                        ? sizeof(struct trie_node)
	                        : offsetof(struct trie_node, children) + sizeof(struct trie_ref);
	struct trie_node *node = checked_zalloc(1, size);
	node->kind = (uint8_t)kind;
	trie->nodes++;
	return node;
}

static void node_free(struct trie *trie, struct trie_node *node)
{
	free(node->value);
	free(node);
	trie->nodes--;
}

/* Frees a whole subtree without recursion: children are hung onto a list through their first reference. */
static void free_below(struct trie *trie, struct trie_node *node)
{
	struct trie_node *list = node;
	while (list) {
		struct trie_node *current = list;
		list = current->free_next;
		const unsigned count = current->kind == TRIE_BRANCH      ? 16
		                       : current->kind == TRIE_EXTENSION ? 1
		                                                         : 0;
		for (unsigned i = 0; i < count; i++) {
			struct trie_node *child = current->children[i].node;
			if (child) {
				child->free_next = list;
				list = child;
			}
		}
		node_free(trie, current);
	}
}

void trie_forget(struct trie *trie)
{
	if (trie->root.node)
		free_below(trie, trie->root.node);
	trie->root.node = NULL;
}

void trie_deinit(struct trie *trie)
{
	trie_forget(trie);
	free(trie->removed);
}

static void note_removed(struct trie *trie, const uint8_t *path, unsigned length)
{
	if (!trie->store)
		return;
	if (trie->removed_count == trie->removed_room) {
		trie->removed_room = trie->removed_room ? trie->removed_room * 2 : 16;
		trie->removed = checked_realloc(trie->removed, trie->removed_room * sizeof *trie->removed);
	}
	struct trie_removed *entry = &trie->removed[trie->removed_count++];
	entry->length = (uint8_t)length;
	memcpy(entry->path, path, length);
}

/* The node behind a reference, loaded when need be; NULL when there is none. */
struct trie_node *trie_resolve(struct trie *trie, struct trie_ref *ref, const uint8_t *path, unsigned length)
{
	if (ref->node || ref->length == 0)
		return ref->node;
	const uint8_t *bytes = ref->bytes;
	size_t size = ref->length;
	if (ref->length == 32)
		bytes = trie->store ? trie->store->load(trie->store->context, path, length, &size) : NULL;
	ref->node = bytes ? trie_decode(trie, bytes, size) : NULL;
	if (!ref->node)
		trie->damaged = true;
	return ref->node;
}

unsigned trie_nibbles(uint8_t *out, const uint8_t *key, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		out[2 * i] = key[i] >> 4;
		out[2 * i + 1] = key[i] & 15;
	}
	return (unsigned)size * 2;
}

static unsigned common(const uint8_t *a, const uint8_t *b, unsigned most)
{
	unsigned n = 0;
	while (n < most && a[n] == b[n])
		n++;
	return n;
}

static void set_value(struct trie_node *leaf, const uint8_t *value, size_t size)
{
	if (size > leaf->value_size) {
		free(leaf->value);
		leaf->value = checked_alloc(size);
	}
	memcpy(leaf->value, value, size);
	leaf->value_size = (uint32_t)size;
}

static struct trie_node *leaf_create(struct trie *trie, const uint8_t *path, unsigned length,
                                     const uint8_t *value, size_t size)
{
	struct trie_node *leaf = trie_node_create(trie, TRIE_LEAF);
	leaf->path_length = (uint8_t)length;
	memcpy(leaf->path, path, length);
	set_value(leaf, value, size);
	return leaf;
}

static void set_ref(struct trie_ref *ref, struct trie_node *node)
{
	ref->node = node;
	ref->dirty = true;
	ref->length = 1; /* there is a node */
}

/*
 * `ref` holds a leaf or extension at depth `at` whose path shares only `shared` nibbles with the key: puts a
 * branch there, below an extension for what is shared.
 */
static void split(struct trie *trie, struct trie_ref *ref, unsigned shared, const uint8_t *key, unsigned at,
                  unsigned length, const uint8_t *value, size_t size)
{
	struct trie_node *old = ref->node;
	struct trie_node *branch = trie_node_create(trie, TRIE_BRANCH);
	const uint8_t turn = old->path[shared];
	if (old->kind == TRIE_EXTENSION && old->path_length == shared + 1) {
		/* The extension's own child moves up to the branch; its path stays what it was. */
		branch->children[turn] = old->children[0];
		node_free(trie, old);
	} else {
		old->path_length = (uint8_t)(old->path_length - shared - 1);
		memmove(old->path, old->path + shared + 1, old->path_length);
		set_ref(&branch->children[turn], old);
	}
	set_ref(&branch->children[key[at + shared]],
	        leaf_create(trie, key + at + shared + 1, length - at - shared - 1, value, size));
	struct trie_node *top = branch;
	if (shared) {
		top = trie_node_create(trie, TRIE_EXTENSION);
		top->path_length = (uint8_t)shared;
		memcpy(top->path, key + at, shared);
		set_ref(&top->children[0], branch);
	}
	set_ref(ref, top);
}

void trie_put(struct trie *trie, const uint8_t *key_bytes, size_t key_size, const uint8_t *value, size_t size)
{
	uint8_t key[TRIE_MAX_NIBBLES] = {0};
	const unsigned length = trie_nibbles(key, key_bytes, key_size);
	struct trie_ref *ref = &trie->root;
	unsigned at = 0;
	for (;;) {
		struct trie_node *node = trie_resolve(trie, ref, key, at);
		if (trie->damaged)
			return;
		if (!node) {
			set_ref(ref, leaf_create(trie, key + at, length - at, value, size));
			return;
		}
		ref->dirty = true;
		if (node->kind == TRIE_BRANCH) {
			if (at >= length) { /* deeper than any key: no trie of ours */
				trie->damaged = true;
				return;
			}
			ref = &node->children[key[at++]];
			continue;
		}
		const unsigned most = node->path_length < length - at ? node->path_length : length - at;
		const unsigned shared = common(node->path, key + at, most);
		if (shared < node->path_length) {
			if (at + shared >= length) {
				trie->damaged = true;
				return;
			}
			split(trie, ref, shared, key, at, length, value, size);
			return;
		}
		if (node->kind == TRIE_LEAF) {
			set_value(node, value, size);
			return;
		}
		at += shared;
		ref = &node->children[0];
	}
}

const uint8_t *trie_get(struct trie *trie, const uint8_t *key_bytes, size_t key_size, size_t *size)
{
	uint8_t key[TRIE_MAX_NIBBLES] = {0};
	const unsigned length = trie_nibbles(key, key_bytes, key_size);
	struct trie_ref *ref = &trie->root;
	unsigned at = 0;
	for (;;) {
		struct trie_node *node = trie_resolve(trie, ref, key, at);
		if (!node || (node->kind == TRIE_BRANCH && at >= length))
			return NULL;
		if (node->kind == TRIE_BRANCH) {
			ref = &node->children[key[at++]];
			continue;
		}
		if (node->path_length > length - at || memcmp(node->path, key + at, node->path_length) != 0)
			return NULL;
		at += node->path_length;
		if (node->kind == TRIE_LEAF) {
			*size = node->value_size;
			return at == length ? node->value : NULL;
		}
		ref = &node->children[0];
	}
}

/* Puts `prefix` in front of the path of the leaf or extension behind `ref`, which is at `path`. */
static void prepend(struct trie_node *node, const uint8_t *prefix, unsigned length)
{
	memmove(node->path + length, node->path, node->path_length);
	memcpy(node->path, prefix, length);
	node->path_length = (uint8_t)(node->path_length + length);
}

/*
 * A branch (behind `ref`, at key[0, at)) has a single child left: the branch goes, and the child's path grows
 * by its nibble. An extension in front of a leaf or extension merges with it; `above` is that extension's
 * reference.
 */
static void collapse(struct trie *trie, struct trie_ref *ref, unsigned at, struct trie_ref *above,
                     const uint8_t *key)
{
	struct trie_node *branch = ref->node;
	uint8_t nibble = 0;
	while (nibble < 15 && branch->children[nibble].length == 0)
		nibble++;
	uint8_t path[TRIE_MAX_NIBBLES + 1];
	memcpy(path, key, at);
	path[at] = nibble;
	struct trie_ref child = branch->children[nibble];
	struct trie_node *node = trie_resolve(trie, &child, path, at + 1);
	if (!node)
		return;
	if (node->kind == TRIE_BRANCH) {
		struct trie_node *extension = trie_node_create(trie, TRIE_EXTENSION);
		extension->path_length = 1;
		extension->path[0] = nibble;
		extension->children[0] = child;
		node = extension;
	} else {
		note_removed(trie, path, at + 1);
		prepend(node, &nibble, 1);
	}
	node_free(trie, branch);
	set_ref(ref, node);
	if (above) {
		struct trie_node *extension = above->node;
		note_removed(trie, key, at);
		prepend(node, extension->path, extension->path_length);
		node_free(trie, extension);
		set_ref(above, node);
	}
}

void trie_delete(struct trie *trie, const uint8_t *key_bytes, size_t key_size)
{
	size_t size;
	if (!trie_get(trie, key_bytes, key_size, &size))
		return;
	uint8_t key[TRIE_MAX_NIBBLES] = {0};
	const unsigned length = trie_nibbles(key, key_bytes, key_size);
	struct trie_ref *ref = &trie->root;
	struct trie_ref *branch_ref = NULL; /* the last branch on the way */
	struct trie_ref *above = NULL;      /* the extension right in front of it */
	struct trie_ref *extension = NULL;
	unsigned at = 0;
	unsigned branch_at = 0;
	for (;;) {
		struct trie_node *node = ref->node; /* trie_get() has loaded the way */
		ref->dirty = true;
		if (node->kind == TRIE_LEAF)
			break;
		if (node->kind == TRIE_BRANCH) {
			branch_ref = ref;
			branch_at = at;
			above = extension;
			extension = NULL;
			ref = &node->children[key[at++]];
		} else {
			extension = ref;
			at += node->path_length;
			ref = &node->children[0];
		}
	}
	(void)length;
	note_removed(trie, key, at);
	node_free(trie, ref->node);
	*ref = (struct trie_ref){0};
	if (!branch_ref)
		return;
	unsigned left = 0;
	for (unsigned i = 0; i < 16; i++)
		left += branch_ref->node->children[i].length != 0;
	if (left == 1)
		collapse(trie, branch_ref, branch_at, above, key);
}
