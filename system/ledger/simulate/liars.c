/* What lying validators do: their cores follow the protocol, and these functions stand between them and the
 * network. */
#include "ledger/simulate/simulate.h"

#include <stdlib.h>

static void sign_again(struct sim *sim, unsigned validator, enum dag_message kind, struct blob *blob,
                       size_t signed_size)
{
	struct dag_digest digest;
	wire_digest(kind, blob->data, signed_size, &digest);
	sim_sign(sim, validator, kind, &digest, blob->data + signed_size);
}

static void send_header(struct sim *sim, struct sim_node *node, unsigned to, struct blob *blob)
{
	struct header_view view;
	if (!wire_header(blob->data, blob->size, SIM_SIGNATURE, &view) || view.author != node->number) {
		sim_transmit(sim, node->number, to, blob);
		return;
	}
	struct blob *other = NULL;
	if ((node->lies & LIE_PARENTS) && view.strong_count && sim_chance(sim, 256)) {
		other = blob_copy(blob->data, blob->size);
		other->data[(size_t)(view.strong - blob->data) + 5] ^= 0x55;
	} else if ((node->lies & LIE_EQUIVOCATE) && sim_chance(sim, 700)) {
		other = blob_copy(blob->data, blob->size);
		store_le64(other->data + 20, view.time_ms + 1 + sim_below(sim, 3));
	}
	if (!other) {
		sim_transmit(sim, node->number, to, blob);
		return;
	}
	sign_again(sim, node->number, DAG_HEADER, other, view.signed_size);
	for (unsigned i = 0; i < sim->count; i++)
		if (to == DAG_EVERYONE || to == i) {
			bool both = sim_chance(sim, 60), first = sim_chance(sim, 512);
			if (first || both)
				sim_transmit(sim, node->number, i, blob);
			if (!first || both)
				sim_transmit(sim, node->number, i, other);
		}
	blob_release(other);
}

static void send_garbage(struct sim *sim, struct sim_node *node, unsigned to, const struct blob *blob)
{
	size_t size = sim_chance(sim, 300) ? sim_below(sim, blob->size + 1) : blob->size;
	struct blob *bad = blob_copy(blob->data, size);
	for (unsigned i = 0; size && i < 3; i++)
		bad->data[sim_below(sim, size)] = (uint8_t)sim_random(sim);
	sim_transmit(sim, node->number, to, bad);
	blob_release(bad);
}

void liar_send(struct sim *sim, struct sim_node *node, unsigned to, struct blob *blob)
{
	unsigned kind = blob->data[0];
	if ((node->lies & LIE_SILENT) && sim_chance(sim, 300))
		return;
	if ((node->lies & LIE_GARBAGE) && sim_chance(sim, 100))
		send_garbage(sim, node, to, blob);
	if (kind == DAG_HEADER) {
		send_header(sim, node, to, blob);
		return;
	}
	if (kind == DAG_BATCH && (node->lies & LIE_WITHHOLD)) {
		/* To a few or to nobody, and never to those who ask. */
		bool some = sim_chance(sim, 512);
		for (unsigned i = 0; i < sim->count; i++)
			if (to == DAG_EVERYONE && some && sim_chance(sim, 400))
				sim_transmit(sim, node->number, i, blob);
		return;
	}
	if (kind == DAG_VOTES && (node->lies & LIE_VOTES) && sim_chance(sim, 256)) {
		struct blob *bad = blob_copy(blob->data, blob->size);
		bad->data[bad->size - 1] ^= 1;
		sim_transmit(sim, node->number, to, bad);
		blob_release(bad);
		return;
	}
	if (kind == DAG_STATUS && (node->lies & LIE_CATCHUP) && sim_chance(sim, 512)) {
		struct blob *bad = blob_copy(blob->data, blob->size);
		store_le64(bad->data + 17, load_le64(bad->data + 17) + 1000);
		store_le64(bad->data + 25, load_le64(bad->data + 9) + sim_below(sim, 300));
		store_le64(bad->data + 1, load_le64(bad->data + 1) + sim_chance(sim, 200));
		sim_transmit(sim, node->number, to, bad);
		blob_release(bad);
		return;
	}
	sim_transmit(sim, node->number, to, blob);
}

/* A vote of our own for what we hear, and forged ones in all the others' names. */
static void vote_for(struct sim *sim, struct sim_node *node, const struct blob *blob)
{
	struct header_view view;
	if (!wire_header(blob->data, blob->size, SIM_SIGNATURE, &view) || view.author >= sim->count)
		return;
	size_t signed_size = WIRE_VOTES_HEAD + WIRE_REF_ENTRY;
	struct dag_ref ref = {.round = view.round, .author = view.author};
	wire_digest(DAG_HEADER, blob->data, view.signed_size, &ref.digest);
	struct blob *certificate =
	    blob_create(7 + (size_t)blob->size + (sim->count - 1) * (4 + signed_size + SIM_SIGNATURE));
	uint8_t *at = certificate->data;
	*at = DAG_CERTIFICATE;
	store_le32(at + 1, blob->size);
	memcpy(at + 5, blob->data, blob->size);
	at += 5 + blob->size;
	store_le16(at, (uint16_t)(sim->count - 1));
	at += 2;
	for (unsigned voter = 0; voter < sim->count; voter++) {
		if (voter == view.author)
			continue;
		struct blob *votes = blob_create(signed_size + SIM_SIGNATURE);
		votes->data[0] = DAG_VOTES;
		store_le16(votes->data + 1, (uint16_t)voter);
		store_le64(votes->data + 3, view.epoch);
		store_le16(votes->data + 11, 1);
		wire_put_ref(votes->data + WIRE_VOTES_HEAD, &ref);
		for (unsigned i = 0; i < SIM_SIGNATURE; i++)
			votes->data[signed_size + i] = (uint8_t)sim_random(sim);
		if (voter == node->number)
			sign_again(sim, voter, DAG_VOTES, votes, signed_size);
		store_le32(at, votes->size);
		memcpy(at + 4, votes->data, votes->size);
		at += 4 + votes->size;
		if (voter == node->number || sim_chance(sim, 200))
			sim_transmit(sim, node->number, DAG_EVERYONE, votes);
		blob_release(votes);
	}
	if (sim_chance(sim, 300))
		sim_transmit(sim, node->number, DAG_EVERYONE, certificate);
	blob_release(certificate);
}

#define FORGED 0xee

/* A state that never was, signed by us and, so it says, by everyone. */
static void forge_state(struct sim *sim, struct sim_node *node, unsigned to, const struct blob *want)
{
	struct dag_order order;
	struct dag_digest digest = {{FORGED}};
	if (want->size != 17)
		return;
	uint64_t epoch = load_le64(want->data + 9);
	order_start(&order, sim->config.mode, epoch, epoch ? sim_next_members(sim, epoch, 0) : sim->members,
	            load_le64(want->data + 1) + 1 + sim_below(sim, 20), 1, &digest);
	order.leader_round = 2 + 2 * sim_below(sim, 20);
	struct blob *state = order_encode(&order);
	size_t entry = 2 + SIM_SIGNATURE;
	struct blob *message = blob_create(5 + (size_t)state->size + DAG_ROOT_SIZE + 2 + sim->count * entry);
	uint8_t *at = message->data;
	*at = DAG_STATE;
	store_le32(at + 1, state->size);
	memcpy(at + 5, state->data, state->size);
	at += 5 + state->size;
	memset(at, FORGED, DAG_ROOT_SIZE);
	at += DAG_ROOT_SIZE;
	store_le16(at, (uint16_t)sim->count);
	at += 2;
	/* Our own signature is good, the others are copies of it. */
	uint8_t signed_part[WIRE_CHECKPOINT_SIGNED] = {DAG_CHECKPOINT};
	store_le64(signed_part + 1, epoch);
	store_le64(signed_part + 9, order.index);
	wire_digest(DAG_STATE, message->data + 5, (size_t)state->size + DAG_ROOT_SIZE, &digest);
	memcpy(signed_part + 17, &digest, DAG_DIGEST_SIZE);
	wire_digest(DAG_CHECKPOINT, signed_part, sizeof(signed_part), &digest);
	bool alone = sim_chance(sim, 512);
	for (unsigned i = 0; i < sim->count; i++, at += entry) {
		store_le16(at, (uint16_t)(alone ? node->number : i));
		sim_sign(sim, node->number, DAG_CHECKPOINT, &digest, at + 2);
	}
	sim_transmit(sim, node->number, to, message);
	blob_release(message);
	blob_release(state);
}

void liar_hear(struct sim *sim, struct sim_node *node, unsigned from, const struct blob *blob)
{
	if (!blob->size)
		return;
	if ((node->lies & LIE_VOTES) && blob->data[0] == DAG_HEADER && sim->config.mode == DAG_CERTIFIED)
		vote_for(sim, node, blob);
	if ((node->lies & LIE_CATCHUP) && blob->data[0] == DAG_STATE_WANT)
		forge_state(sim, node, from, blob);
}

bool liar_snapshot(struct sim *sim, struct sim_node *node, uint64_t index, struct sim_state *state)
{
	if (!(node->lies & LIE_CATCHUP))
		return monitor_state(sim, index, state);
	*state = (struct sim_state){.index = index};
	memset(state->root, FORGED, DAG_ROOT_SIZE);
	return true;
}
