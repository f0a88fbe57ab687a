/*
 * The transparency log for the outside: proofs that an entry is in it (trust/transparency.h). They lead to the newest state that a
 * quorum signed; so an entry can be proven some checkpoints after it was ordered, and some after a start.
 */
#include "ledger/node/node_internal.h"

#include <stdlib.h>

#include "trust/transparency.h"

void boundary_keep(struct ledger_node *node, struct blob *message)
{
	struct state_view view;
	struct dag_order order;
	if (!wire_state(message->data, message->size, node->signature_size, &view) ||
	    !order_decode(view.order, view.order_size, &order))
		return;
	pthread_mutex_lock(&node->lock);
	/* The log has some twice: in its segments and in the file of its own. */
	bool next = order.committee.epoch == node->boundary_count + 1;
	if (next && node->boundary_count == node->boundary_room) {
		unsigned room = node->boundary_room ? 2 * node->boundary_room : 8;
		struct blob **boundaries = ledger_allocate(room, sizeof(struct blob *));
		for (unsigned i = 0; i < node->boundary_count; i++)
			boundaries[i] = node->boundaries[i];
		free(node->boundaries);
		node->boundaries = boundaries;
		node->boundary_room = room;
	}
	if (next)
		node->boundaries[node->boundary_count++] = blob_hold(message);
	pthread_mutex_unlock(&node->lock);
}

void witness_take(struct ledger_node *node, uint64_t index, struct blob *message)
{
	const struct checkpoint_parts *parts = NULL;
	for (unsigned i = 0; i < PARTS; i++)
		if (node->parts[i].index == index)
			parts = &node->parts[i];
	if (!parts)
		return;
	pthread_mutex_lock(&node->lock);
	blob_release(node->witness);
	node->witness = blob_hold(message);
	node->witness_parts = *parts;
	node->witness_parts.core = NULL;
	pthread_mutex_unlock(&node->lock);
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t size)
{
	memcpy(at, bytes, size);
	return at + size;
}

static uint8_t *put_message(uint8_t *at, const struct blob *message)
{
	store_le32(at, message->size);
	return put(at + 4, message->data, message->size);
}

/* The proof, the lock being held. */
static uint8_t *proof_make(struct ledger_node *node, uint64_t index, uint64_t entries, size_t *size)
{
	static const char magic[] = "HolonLogProof1";
	const struct checkpoint_parts *parts = &node->witness_parts;
	struct state_view view;
	struct dag_order order;
	uint8_t path[LOG_PATH][LOG_HASH];
	if (!wire_state(node->witness->data, node->witness->size, node->signature_size, &view) ||
	    !order_decode(view.order, view.order_size, &order))
		return NULL;
	/* A state that starts an epoch is signed by the one before. */
	uint64_t epochs = order.committee.epoch - (order.leader_round == 0);
	if (epochs > node->boundary_count)
		return NULL;
	unsigned steps = transparency_log_path(ordered_log(node->ordered), index, entries, path);
	*size = 14 + 17 + (size_t)steps * LOG_HASH + 64 + 2 + 4 + node->witness->size;
	for (uint64_t i = 0; i < epochs; i++)
		*size += 4 + node->boundaries[i]->size;
	uint8_t *proof = malloc(*size), *at = proof;
	if (!proof)
		return NULL;
	at = put(at, magic, 14);
	store_le64(at, index);
	store_le64(at + 8, entries);
	at[16] = (uint8_t)steps;
	at = put(at + 17, path, (size_t)steps * LOG_HASH);
	at = put(at, parts->digests.core, 32);
	at = put(at, parts->application_root, 32);
	store_le16(at, (uint16_t)epochs);
	at += 2;
	for (uint64_t i = 0; i < epochs; i++)
		at = put_message(at, node->boundaries[i]);
	(void)put_message(at, node->witness);
	return proof;
}

uint8_t *ledger_node_log_proof(struct ledger_node *node, const uint8_t leaf[LEDGER_DIGEST_SIZE], size_t *size,
                               const char **why)
{
	uint8_t *proof = NULL;
	uint64_t index, entries = 0;
	pthread_mutex_lock(&node->lock);
	if (node->witness)
		entries = node->witness_parts.digests.log_size;
	if (!node->witness)
		*why = "no state was signed yet since this node began: try again in a minute";
	else if (!transparency_log_find(ordered_log(node->ordered), leaf, entries, &index))
		*why = "no such entry is in the log, as of the last signed state";
	else if (!(proof = proof_make(node, index, entries, size)))
		*why = "this node does not know how all epochs began, or has no memory";
	pthread_mutex_unlock(&node->lock);
	return proof;
}

uint8_t *ledger_node_epochs(struct ledger_node *node, size_t *size)
{
	*size = 0;
	pthread_mutex_lock(&node->lock);
	for (unsigned i = 0; i < node->boundary_count; i++)
		*size += 4 + (size_t)node->boundaries[i]->size;
	uint8_t *chain = ledger_allocate(1, *size + 1), *at = chain;
	for (unsigned i = 0; i < node->boundary_count; i++)
		at = put_message(at, node->boundaries[i]);
	pthread_mutex_unlock(&node->lock);
	return chain;
}

uint8_t *ledger_node_log_entry(struct ledger_node *node, uint64_t index, size_t *size)
{
	return transparency_log_entry(ordered_log(node->ordered), index, size);
}

uint64_t ledger_node_log_size(struct ledger_node *node)
{
	return transparency_log_size(ordered_log(node->ordered));
}

uint8_t *ledger_node_log_newest(struct ledger_node *node, uint8_t kind, uint64_t before, uint64_t *index,
                                size_t *size)
{
	struct transparency_log *log = ordered_log(node->ordered);
	return transparency_log_newest(log, kind, before, index) ? transparency_log_entry(log, *index, size)
	                                                         : NULL;
}
