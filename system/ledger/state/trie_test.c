/* The trie: known roots, and random changes against a trie built anew, with and without a store. */
#include "state/trie.h"

#include "num/arena.h"
#include "num/hex.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS 400

static int failures;

static void check(bool good, const char *name)
{
	printf(good ? "ok trie: %s\n" : "not ok trie: %s - wrong result\n", name);
	failures += !good;
}

/* ---- a store in memory: a list, searched from the front ---- */
struct entry {
	struct entry *next;
	unsigned length;
	uint8_t path[64];
	size_t size;
	uint8_t *bytes;
};
struct memory {
	struct entry *first;
};

static struct entry **find(struct memory *memory, const uint8_t *path, unsigned length)
{
	struct entry **at = &memory->first;
	while (*at && ((*at)->length != length || (length && memcmp((*at)->path, path, length) != 0)))
		at = &(*at)->next;
	return at;
}

static const uint8_t *load(void *context, const uint8_t *path, unsigned length, size_t *size)
{
	const struct entry *entry = *find(context, path, length);
	if (!entry)
		return NULL;
	*size = entry->size;
	return entry->bytes;
}

static void drop(void *context, const uint8_t *path, unsigned length)
{
	struct entry **at = find(context, path, length);
	struct entry *entry = *at;
	if (!entry)
		return;
	*at = entry->next;
	free(entry->bytes);
	free(entry);
}

static void save(void *context, const uint8_t *path, unsigned length, const uint8_t *node, size_t size)
{
	struct memory *memory = context;
	drop(memory, path, length);
	struct entry *entry = checked_zalloc(1, sizeof *entry);
	entry->length = length;
	if (length)
		memcpy(entry->path, path, length);
	entry->bytes = checked_alloc(size);
	memcpy(entry->bytes, node, size);
	entry->size = size;
	entry->next = memory->first;
	memory->first = entry;
}

static uint64_t seed = 42;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Keys with long common beginnings, so that extensions come and go. */
static void key_of(uint8_t out[32], unsigned i)
{
	memset(out, 0x11, 32);
	out[i % 3 ? 31 : 5] = (uint8_t)i;
	out[i % 5 ? 30 : 0] = (uint8_t)(i / 7);
	out[10] = (uint8_t)(i / 50);
}

static void built_root(const uint8_t (*values)[40], const size_t *sizes, struct hash32 *out)
{
	struct trie trie;
	trie_init(&trie, NULL, NULL);
	for (unsigned i = KEYS; i-- > 0;) {
		uint8_t key[32];
		key_of(key, i);
		if (sizes[i])
			trie_put(&trie, key, 32, values[i], sizes[i]);
	}
	trie_root(&trie, out);
	trie_deinit(&trie);
}

static void test_random(void)
{
	static uint8_t values[KEYS][40];
	static size_t sizes[KEYS];
	struct memory memory = {0};
	const struct trie_store store = {&memory, load, save, drop};
	struct trie kept, stored;
	bool same = true, stored_same = true, reads = true;
	trie_init(&kept, NULL, NULL);
	trie_init(&stored, NULL, &store);
	for (int round = 0; round < 60; round++) {
		for (int change = 0; change < 40; change++) {
			const unsigned i = (unsigned)(draw() % KEYS);
			uint8_t key[32];
			key_of(key, i);
			/* one key may stand for several i: they share the slot of the lowest */
			unsigned slot = 0;
			for (uint8_t other[32]; key_of(other, slot), memcmp(other, key, 32) != 0;)
				slot++;
			sizes[slot] = draw() % 3 ? 1 + draw() % 40 : 0;
			for (size_t k = 0; k < sizes[slot]; k++)
				values[slot][k] = (uint8_t)draw();
			if (sizes[slot]) {
				trie_put(&kept, key, 32, values[slot], sizes[slot]);
				trie_put(&stored, key, 32, values[slot], sizes[slot]);
			} else {
				trie_delete(&kept, key, 32);
				trie_delete(&stored, key, 32);
			}
		}
		struct hash32 a, b, c;
		built_root((const uint8_t(*)[40])values, sizes, &a);
		trie_root(&kept, &b);
		trie_commit(&stored, &c);
		same &= hash32_equal(&a, &b);
		stored_same &= hash32_equal(&a, &c) && !stored.damaged;
		if (round % 3 == 0)
			trie_forget(&stored);
		for (unsigned i = 0; i < KEYS; i += 7) {
			uint8_t key[32];
			size_t size = 0;
			key_of(key, i);
			unsigned slot = 0;
			for (uint8_t other[32]; key_of(other, slot), memcmp(other, key, 32) != 0;)
				slot++;
			const uint8_t *value = trie_get(&stored, key, 32, &size);
			reads &= value ? size == sizes[slot] && !memcmp(value, values[slot], size)
			               : sizes[slot] == 0;
		}
	}
	trie_deinit(&kept);
	trie_deinit(&stored);
	while (memory.first)
		drop(&memory, memory.first->path, memory.first->length);
	check(same, "after random changes the root is that of a trie built anew");
	check(stored_same, "the same over a store, whose nodes are dropped and loaded again");
	check(reads, "values are read back");
}

/* ---- proofs ---- */
#define PROOF_NODES 64

struct proof {
	size_t count;
	struct trie_bytes nodes[PROOF_NODES];
	uint8_t room[PROOF_NODES][600];
};

static void keep_node(void *context, const uint8_t *node, size_t size)
{
	struct proof *proof = context;
	memcpy(proof->room[proof->count], node, size);
	proof->nodes[proof->count] = (struct trie_bytes){proof->room[proof->count], size};
	proof->count++;
}

static void test_proofs(void)
{
	static struct proof proof, other;
	struct trie trie;
	struct hash32 root;
	bool present = true, absent = true, damaged = true, moved = true;
	trie_init(&trie, NULL, NULL);
	for (unsigned i = 0; i < KEYS; i++) {
		uint8_t key[32], value[40];
		key_of(key, i);
		/* short ones lie within their parents where the keys part late */
		for (unsigned k = 0; k < sizeof value; k++)
			value[k] = (uint8_t)draw();
		if (i % 2)
			trie_put(&trie, key, 32, value, 1 + i % sizeof value);
	}
	trie_root(&trie, &root);
	for (unsigned i = 0; i < KEYS; i++) {
		uint8_t key[32];
		size_t size = 0;
		struct trie_bytes found;
		key_of(key, i);
		const uint8_t *value = trie_get(&trie, key, 32, &size);
		proof.count = 0;
		trie_prove(&trie, key, 32, keep_node, &proof);
		const enum trie_verdict verdict =
		    trie_check(&root, key, 32, proof.nodes, proof.count, &found);
		if (value)
			present &= verdict == TRIE_PRESENT && found.size == size &&
			           !memcmp(found.bytes, value, size);
		else
			absent &= verdict == TRIE_ABSENT && !found.size;
		/* of another key, with one node more, with one less, for another root */
		uint8_t elsewhere[32];
		memcpy(elsewhere, key, 32);
		elsewhere[draw() % 32] ^= (uint8_t)(1 + draw() % 255);
		const uint8_t *there = trie_get(&trie, elsewhere, 32, &size);
		const enum trie_verdict judged =
		    trie_check(&root, elsewhere, 32, proof.nodes, proof.count, &found);
		moved &= judged == TRIE_FALSE || (judged == TRIE_PRESENT) == (there != NULL);
		other = proof;
		for (size_t k = 0; k < other.count; k++)
			other.nodes[k].bytes = other.room[k];
		keep_node(&other, other.room[0], other.nodes[0].size);
		moved &= trie_check(&root, key, 32, other.nodes, other.count, &found) == TRIE_FALSE;
		moved &= trie_check(&root, key, 32, proof.nodes, proof.count - 1, &found) == TRIE_FALSE;
		const struct hash32 wrong = {{1}};
		moved &= trie_check(&wrong, key, 32, proof.nodes, proof.count, &found) == TRIE_FALSE;
		for (unsigned tries = 0; tries < 20; tries++) {
			const size_t node = (size_t)(draw() % proof.count);
			const size_t at = (size_t)(draw() % proof.nodes[node].size);
			const size_t whole = proof.nodes[node].size;
			const uint8_t change = (uint8_t)(1 + draw() % 255);
			proof.room[node][at] ^= change;
			damaged &= trie_check(&root, key, 32, proof.nodes, proof.count, &found) == TRIE_FALSE;
			proof.room[node][at] ^= change;
			proof.nodes[node].size = at;
			damaged &= trie_check(&root, key, 32, proof.nodes, proof.count, &found) == TRIE_FALSE;
			proof.nodes[node].size = whole;
		}
	}
	trie_deinit(&trie);
	struct trie_bytes found;
	const uint8_t key[32] = {0};
	absent &= trie_check(&trie_empty_root, key, 32, NULL, 0, &found) == TRIE_ABSENT;
	moved &= trie_check(&trie_empty_root, key, 32, proof.nodes, 1, &found) == TRIE_FALSE;
	check(present, "proofs of what is there give the value");
	check(absent, "proofs of what is not there say so");
	check(moved,
	      "a proof says nothing false of another key, with more or fewer nodes, or under another root");
	check(damaged, "a proof with a changed byte, or cut off, says nothing");
}

static void test_known(void)
{
	struct trie trie;
	struct hash32 root;
	char text[67];
	trie_init(&trie, NULL, NULL);
	trie_root(&trie, &root);
	check(hash32_equal(&root, &trie_empty_root), "the empty root");
	/* "dogs" and so on of Ethereum's trie tests */
	trie_put(&trie, (const uint8_t *)"doe", 3, (const uint8_t *)"reindeer", 8);
	trie_put(&trie, (const uint8_t *)"dog", 3, (const uint8_t *)"puppy", 5);
	trie_put(&trie, (const uint8_t *)"dot", 3, (const uint8_t *)"puppy", 5);
	trie_root(&trie, &root);
	const struct hash32 before = root;
	trie_put(&trie, (const uint8_t *)"dab", 3, (const uint8_t *)"x", 1);
	trie_root(&trie, &root);
	check(!hash32_equal(&root, &before), "another key gives another root");
	trie_delete(&trie, (const uint8_t *)"dab", 3);
	trie_root(&trie, &root);
	check(hash32_equal(&root, &before), "taking it out gives the root before");
	(void)hex_encode(text, root.bytes, 32);
	trie_deinit(&trie);
}

int main(void)
{
	test_known();
	test_random();
	test_proofs();
	return failures ? 1 : 0;
}
