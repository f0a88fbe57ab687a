/* Asking for proofs, and checking them. */
#include "rpc/gateway_proof.h"

#include "chain/block.h"
#include "num/arena.h"
#include "num/clock.h"
#include "rpc/rpc_internal.h"
#include "state/world.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_NODES 65   /* of one proof: a key has 64 nibbles */
#define MAX_NODE  1024 /* bytes; a branch has 533 */

struct question {
	enum gateway_wish wish;
	const struct address *addresses;
	size_t count;
	const struct u256 *slots;
	size_t slot_count;
	struct proven_account *accounts;
	struct u256 *values;
};

enum verdict {
	PROVEN,
	LATE,  /* not yet, or not of the newest state: it may be asked again */
	OLD,   /* as LATE, but that will not change soon */
	WRONG, /* no node of ours answers so */
};

/* ---- one proof ---- */

/* What the nodes say of a key. */
static enum trie_verdict check(const struct hash32 *root, const uint8_t *key, size_t key_size,
                               const json_t *proof, struct arena *arena, struct trie_bytes *value)
{
	struct trie_bytes nodes[MAX_NODES];
	const size_t count = json_array_size(proof);
	uint8_t hashed[32];
	keccak256(hashed, key, key_size);
	if (!json_is_array(proof) || count > MAX_NODES)
		return TRIE_FALSE;
	for (size_t i = 0; i < count; i++) {
		nodes[i].bytes =
		    rpc_bytes(json_string_value(json_array_get(proof, i)), MAX_NODE, arena, &nodes[i].size);
		if (!nodes[i].bytes)
			return TRIE_FALSE;
	}
	return trie_check(root, hashed, 32, nodes, count, value);
}

static bool check_account(const struct hash32 *state_root, const struct address *address, const json_t *proof,
                          struct arena *arena, struct proven_account *out)
{
	struct trie_bytes leaf;
	*out = (struct proven_account){account_nothing, trie_empty_root};
	switch (check(state_root, address->bytes, 20, proof, arena, &leaf)) {
	case TRIE_PRESENT:
		return world_read_leaf(leaf.bytes, leaf.size, &out->data, &out->storage_root);
	case TRIE_ABSENT:
		return true;
	case TRIE_FALSE:
		break;
	}
	return false;
}

static bool check_slot(const struct hash32 *storage_root, const struct u256 *slot, const json_t *proof,
                       struct arena *arena, struct u256 *out)
{
	uint8_t key[32];
	struct trie_bytes leaf;
	u256_store(key, slot);
	*out = U256_ZERO;
	switch (check(storage_root, key, 32, proof, arena, &leaf)) {
	case TRIE_PRESENT: {
		struct rlp_reader reader = rlp_reader(leaf.bytes, leaf.size);
		return rlp_read_u256(&reader, out) && rlp_at_end(&reader);
	}
	case TRIE_ABSENT:
		return true;
	case TRIE_FALSE:
		break;
	}
	return false;
}

/* ---- the head, and the block that its root is the hash of ---- */

/* State root and number of a header (yellow paper, section 4.3). */
static bool read_header(const uint8_t *bytes, size_t size, struct hash32 *state_root, uint64_t *number)
{
	struct rlp_reader reader = rlp_reader(bytes, size), fields;
	const uint8_t *item;
	size_t length;
	if (!rlp_read_list(&reader, &fields) || !rlp_at_end(&reader))
		return false;
	for (unsigned i = 0; i < 3; i++)
		if (!rlp_read_bytes(&fields, &item, &length))
			return false;
	if (!rlp_read_exact(&fields, state_root->bytes, 32))
		return false;
	for (unsigned i = 0; i < 4; i++)
		if (!rlp_read_bytes(&fields, &item, &length))
			return false;
	return rlp_read_u64(&fields, number);
}

static enum verdict check_head(struct gateway_prover *prover, const json_t *answer, const struct head *known,
                               struct arena *arena, bool *renewed, struct head *head, char why[200])
{
	size_t size;
	uint64_t members;
	const json_t *text = json_object_get(answer, "head");
	*head = *known;
	if (!text)
		return known->index ? PROVEN : WRONG;
	const uint8_t *certificate = rpc_bytes(json_string_value(text), HEAD_CERTIFICATE, arena, &size);
	if (!certificate || !head_decode(head, certificate, size))
		return WRONG;
	if (!prover->members(prover->context, head->epoch, !*renewed, &members)) {
		*renewed = true;
		snprintf(why, 200, "the validators of epoch %lu are not known", head->epoch);
		return LATE;
	}
	return head_signed(certificate, size, prover->network, members) ? PROVEN : WRONG;
}

/* Notes the newest; false where a newer one was proven before. */
static bool advance(struct gateway_prover *prover, const struct head *head, uint64_t number)
{
	pthread_mutex_lock(&prover->lock);
	const bool good = head->index >= prover->head.index;
	if (good) {
		prover->head = *head;
		prover->number = number;
	}
	pthread_mutex_unlock(&prover->lock);
	return good;
}

static bool too_old(const struct head *head, int64_t limit, char why[200])
{
	const int64_t age = (int64_t)time(NULL) - (int64_t)(head->time_ms / 1000);
	if (age <= limit)
		return false;
	snprintf(
	    why, 200,
	    "the newest state that validators signed is of %ld seconds ago: the network stands still, or is "
	    "hidden, or this machine's clock is wrong",
	    (long)age);
	return true;
}

static enum verdict check_answer(struct gateway_prover *prover, const struct question *q,
                                 const json_t *answer, const struct head *known, uint64_t *wanted,
                                 bool *renewed, int64_t limit, struct arena *arena, char why[200])
{
	uint64_t latest, number;
	struct head head;
	struct hash32 hash, state_root;
	size_t size;
	const char *text = json_string_value(json_object_get(answer, "latest"));
	if (!text || !hex_to_u64(&latest, text))
		return WRONG;
	if (*wanted == UINT64_MAX)
		*wanted = q->wish == GATEWAY_LAST ? latest : 0;
	if (!json_object_get(answer, "header")) {
		snprintf(why, 200, "the node has no state that validators signed: try again later");
		return LATE;
	}
	const enum verdict verdict = check_head(prover, answer, known, arena, renewed, &head, why);
	if (verdict != PROVEN)
		return verdict;
	const uint8_t *header =
	    rpc_bytes(json_string_value(json_object_get(answer, "header")), MAX_NODE, arena, &size);
	if (!header)
		return WRONG;
	keccak256(hash.bytes, header, size);
	if (memcmp(hash.bytes, head.root, 32) != 0 || !read_header(header, size, &state_root, &number))
		return WRONG;
	if (too_old(&head, limit, why))
		return OLD;
	if (number < *wanted)
		return LATE;
	const json_t *accounts = json_object_get(answer, "accounts");
	const json_t *slots = json_object_get(answer, "slots");
	for (size_t i = 0; i < q->count; i++)
		if (!check_account(&state_root, &q->addresses[i], json_array_get(accounts, i), arena,
		                   &q->accounts[i]))
			return WRONG;
	for (size_t i = 0; i < q->slot_count; i++)
		if (!check_slot(&q->accounts[0].storage_root, &q->slots[i], json_array_get(slots, i), arena,
		                &q->values[i]))
			return WRONG;
	return advance(prover, &head, number) ? PROVEN : LATE;
}

/* ---- asking ---- */

static json_t *parameters(const struct question *q, uint64_t known)
{
	json_t *addresses = json_array(), *slots = json_array();
	for (size_t i = 0; i < q->count; i++)
		json_array_append_new(addresses, rpc_address(&q->addresses[i]));
	for (size_t i = 0; i < q->slot_count; i++)
		json_array_append_new(slots, rpc_word(&q->slots[i]));
	return json_pack("[o, o, o]", rpc_quantity(known), addresses, slots);
}

/* Until it proves its last block, not older than `limit` seconds, or has had its time. */
static bool ask_node(struct gateway_prover *prover, unsigned node, const struct question *q, int64_t limit,
                     struct arena *arena, char why[200])
{
	const int64_t until = monotonic_ms() + GATEWAY_PROOF_MS;
	uint64_t wanted = UINT64_MAX;
	bool renewed = false;
	for (;;) {
		pthread_mutex_lock(&prover->lock);
		const struct head known = prover->head;
		pthread_mutex_unlock(&prover->lock);
		json_t *answer = gateway_nodes_ask(prover->nodes, (int)node, "holon_prove",
		                                   parameters(q, known.index), why);
		if (!answer)
			return false;
		snprintf(why, 200, "the node's last block is not proven yet: try again later");
		const enum verdict verdict =
		    check_answer(prover, q, answer, &known, &wanted, &renewed, limit, arena, why);
		json_decref(answer);
		arena_reset(arena);
		if (verdict == PROVEN)
			return true;
		if (verdict == WRONG)
			snprintf(why, 200, "a node's proof is wrong: it lies, or is of another network");
		if (verdict == OLD)
			return false;
		if (verdict == WRONG || monotonic_ms() >= until) {
			gateway_nodes_avoid(prover->nodes, node);
			return false;
		}
		nanosleep(&(struct timespec){.tv_nsec = prover->pause_ms * 1000000L}, NULL);
	}
}

bool gateway_prove(struct gateway_prover *prover, enum gateway_wish wish, const struct address *addresses,
                   size_t count, const struct u256 *slots, size_t slot_count, struct proven_account *accounts,
                   struct u256 *values, char why[200])
{
	const struct question q = {wish, addresses, count, slots, slot_count, accounts, values};
	unsigned order[GATEWAY_MAX_NODES];
	const unsigned node_count = prover->nodes->count;
	struct arena arena = {0};
	bool good = false;
	gateway_nodes_order(prover->nodes, order);
	/* One node among several that keeps what is new to itself is not believed; a clock that is wrong makes all look old. */
	for (unsigned i = 0; i < node_count && node_count > 1 && !good; i++)
		good = ask_node(prover, order[i], &q, GATEWAY_PROOF_FRESH, &arena, why);
	for (unsigned i = 0; i < node_count && !good; i++)
		good = ask_node(prover, order[i], &q, GATEWAY_PROOF_AGE, &arena, why);
	arena_deinit(&arena);
	return good;
}
