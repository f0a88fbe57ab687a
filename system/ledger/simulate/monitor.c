/*
 * What every run is checked for, at every message and commit of an honest validator:
 *   - all honest validators commit the same sequence, without gaps, and reach the same roots
 *   - no slot is ordered twice; causes are ordered before effects; a commit's time never falls and no
 * minority moves it ahead
 *   - in certified mode, each ordered header has the votes of a quorum that really voted for it
 *   - honest authors and voters sign one header a slot in all their lives, and only what their disk holds
 *   - payload comes out as it was submitted, at most once, and after healing all of it (but what a crash took
 * before it was durable)
 */
#include "ledger/simulate/simulate.h"

#include <stdlib.h>

#include "ledger/dag/wire.h"

#define VARIANTS 6

struct slot_record {
	struct slot_record *next;
	uint64_t epoch, round;
	unsigned author;
	struct dag_digest digests[VARIANTS];
	uint64_t voters[VARIANTS];
	struct dag_digest signed_digest; /* by an honest author */
	bool signed_once, ordered;
	uint64_t durable; /* voters whose vote was seen to be durable */
};

struct commit_record {
	bool known, reached;
	struct dag_digest digest;
	struct sim_state state;
	uint64_t epoch, time_ms;
};

struct batch_record {
	struct batch_record *next;
	struct dag_digest digest;
	unsigned author;
	bool lost, committed, again;
	uint64_t round, commit; /* where it was ordered */
};

#define BUCKETS 4096

struct monitor {
	struct slot_record *slots[BUCKETS];
	struct batch_record *batches[BUCKETS];
	struct commit_record *commits;
	uint64_t commit_room, top;
	unsigned open;
};

struct monitor *monitor_create(void)
{
	return ledger_allocate(1, sizeof(struct monitor));
}

void monitor_destroy(struct monitor *monitor)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		while (monitor->slots[i]) {
			struct slot_record *slot = monitor->slots[i];
			monitor->slots[i] = slot->next;
			free(slot);
		}
		while (monitor->batches[i]) {
			struct batch_record *batch = monitor->batches[i];
			monitor->batches[i] = batch->next;
			free(batch);
		}
	}
	free(monitor->commits);
	free(monitor);
}

static struct slot_record *slot_of(struct monitor *monitor, uint64_t epoch, uint64_t round, unsigned author)
{
	unsigned at = (unsigned)((epoch * 1000003 + round * 64 + author) % BUCKETS);
	for (struct slot_record *slot = monitor->slots[at]; slot; slot = slot->next)
		if (slot->epoch == epoch && slot->round == round && slot->author == author)
			return slot;
	struct slot_record *slot = ledger_allocate(1, sizeof(*slot));
	slot->epoch = epoch;
	slot->round = round;
	slot->author = author;
	slot->next = monitor->slots[at];
	monitor->slots[at] = slot;
	return slot;
}

static struct batch_record *batch_of(const struct monitor *monitor, const uint8_t *digest)
{
	struct batch_record *batch = monitor->batches[load_le16(digest) % BUCKETS];
	while (batch && memcmp(&batch->digest, digest, DAG_DIGEST_SIZE) != 0)
		batch = batch->next;
	return batch;
}

static struct commit_record *commit_of(struct monitor *monitor, uint64_t index)
{
	if (index >= monitor->commit_room) {
		uint64_t room = 2 * index + 64;
		struct commit_record *commits = ledger_allocate(room, sizeof(*commits));
		if (monitor->commits)
			memcpy(commits, monitor->commits, monitor->commit_room * sizeof(*commits));
		free(monitor->commits);
		monitor->commits = commits;
		monitor->commit_room = room;
	}
	return &monitor->commits[index];
}

static const struct sim_record *log_find(const struct sim_node *node, enum dag_record kind,
                                         const uint8_t *data, size_t size)
{
	for (unsigned i = node->log_count; i-- > 0;)
		if (node->log[i].kind == kind && node->log[i].blob->size >= size &&
		    !memcmp(node->log[i].blob->data, data, size))
			return &node->log[i];
	return NULL;
}

static void sent_header(struct sim *sim, const struct sim_node *node, const struct blob *blob)
{
	struct header_view view;
	struct dag_digest digest;
	if (!wire_header(blob->data, blob->size, SIM_SIGNATURE, &view) || view.author != node->number)
		return;
	wire_digest(DAG_HEADER, blob->data, view.signed_size, &digest);
	struct slot_record *slot = slot_of(sim->monitor, view.epoch, view.round, view.author);
	if (slot->signed_once) {
		if (!digest_equal(&slot->signed_digest, &digest))
			sim_violation(sim, "honest node %u sent two headers of round %lu", node->number,
			              view.round);
		return;
	}
	slot->signed_once = true;
	slot->signed_digest = digest;
	const struct sim_record *record = log_find(node, RECORD_PROPOSED, blob->data, blob->size);
	if (!record || record->ticket > node->durable)
		sim_violation(sim, "honest node %u sent its header of round %lu before it was durable",
		              node->number, view.round);
}

static void sent_votes(struct sim *sim, const struct sim_node *node, const struct blob *blob)
{
	struct votes_view view;
	if (!wire_votes(blob->data, blob->size, SIM_SIGNATURE, &view) || view.voter != node->number)
		return;
	for (unsigned i = 0; i < view.count; i++) {
		const uint8_t *entry = view.entries + (size_t)i * WIRE_REF_ENTRY;
		struct dag_ref ref;
		wire_ref(entry, &ref);
		struct slot_record *slot = slot_of(sim->monitor, view.epoch, ref.round, ref.author);
		for (unsigned j = 0; j < VARIANTS; j++)
			if ((slot->voters[j] >> node->number & 1) &&
			    !digest_equal(&slot->digests[j], &ref.digest))
				sim_violation(sim, "honest node %u voted for two headers of round %lu",
				              node->number, ref.round);
		if (slot->durable >> node->number & 1)
			continue;
		slot->durable |= set_of(node->number);
		const struct sim_record *record = log_find(node, RECORD_VOTED, entry, WIRE_REF_ENTRY);
		if (!record || record->ticket > node->durable)
			sim_violation(sim, "honest node %u sent a vote of round %lu before it was durable",
			              node->number, ref.round);
	}
}

void monitor_sent(struct sim *sim, const struct sim_node *node, const struct blob *blob)
{
	if (blob->data[0] == DAG_HEADER)
		sent_header(sim, node, blob);
	else if (blob->data[0] == DAG_VOTES)
		sent_votes(sim, node, blob);
}

void monitor_vote(struct sim *sim, const struct blob *blob)
{
	struct votes_view view;
	struct dag_digest digest;
	uint8_t right[SIM_SIGNATURE];
	if (!wire_votes(blob->data, blob->size, SIM_SIGNATURE, &view))
		return;
	wire_digest(DAG_VOTES, blob->data, view.signed_size, &digest);
	sim_sign(sim, view.voter, DAG_VOTES, &digest, right);
	if (memcmp(right, view.signature, SIM_SIGNATURE) != 0)
		return;
	for (unsigned i = 0; i < view.count; i++) {
		struct dag_ref ref;
		wire_ref(view.entries + (size_t)i * WIRE_REF_ENTRY, &ref);
		struct slot_record *slot = slot_of(sim->monitor, view.epoch, ref.round, ref.author);
		for (unsigned j = 0; j < VARIANTS; j++)
			if (!slot->voters[j] || digest_equal(&slot->digests[j], &ref.digest)) {
				slot->digests[j] = ref.digest;
				slot->voters[j] |= set_of(view.voter);
				break;
			}
	}
}

void monitor_submitted(struct sim *sim, const struct sim_node *node, const struct blob *blob)
{
	if (!node->honest)
		return;
	struct batch_record *batch = ledger_allocate(1, sizeof(*batch));
	wire_digest(DAG_BATCH, blob->data, blob->size, &batch->digest);
	batch->author = node->number;
	struct batch_record **bucket = &sim->monitor->batches[load_le16(batch->digest.bytes) % BUCKETS];
	batch->next = *bucket;
	*bucket = batch;
	sim->monitor->open++;
}

void monitor_crash(struct sim *sim, const struct sim_node *node)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct batch_record *batch = sim->monitor->batches[i]; batch; batch = batch->next) {
			if (batch->author != node->number || batch->lost || batch->committed)
				continue;
			bool found = false;
			for (unsigned j = 0; j < node->log_count && !found; j++) {
				struct dag_digest digest;
				if (node->log[j].kind != RECORD_BATCH)
					continue;
				wire_digest(DAG_BATCH, node->log[j].blob->data, node->log[j].blob->size,
				            &digest);
				found = digest_equal(&digest, &batch->digest);
			}
			if (!found) {
				batch->lost = true;
				sim->monitor->open--;
			}
		}
}

void monitor_restored(struct sim *sim, const struct sim_node *node)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct batch_record *batch = sim->monitor->batches[i]; batch; batch = batch->next)
			batch->again = batch->again || batch->author == node->number;
}

static void check_header(struct sim *sim, const struct dag_commit *commit, const struct blob *header,
                         uint64_t members)
{
	struct header_view view;
	struct dag_digest digest;
	if (!wire_header(header->data, header->size, SIM_SIGNATURE, &view)) {
		sim_violation(sim, "commit %lu holds a malformed header", commit->index);
		return;
	}
	wire_digest(DAG_HEADER, header->data, view.signed_size, &digest);
	struct slot_record *slot = slot_of(sim->monitor, view.epoch, view.round, view.author);
	if (slot->ordered)
		sim_violation(sim, "round %lu of node %u is ordered twice", view.round, view.author);
	slot->ordered = true;
	if (sim->nodes[view.author].honest && slot->signed_once &&
	    !digest_equal(&slot->signed_digest, &digest))
		sim_violation(sim, "a header of node %u is ordered that it never signed", view.author);
	if (sim->config.mode == DAG_CERTIFIED) {
		uint64_t voters = set_of(view.author);
		for (unsigned i = 0; i < VARIANTS; i++)
			if (digest_equal(&slot->digests[i], &digest))
				voters |= slot->voters[i];
		if (set_size(voters & members) < committee_quorum(set_size(members)))
			sim_violation(sim, "round %lu of node %u is ordered with %u votes", view.round,
			              view.author, set_size(voters & members));
	}
	uint64_t gc = commit->round > DAG_GC_DEPTH ? commit->round - DAG_GC_DEPTH : 0;
	for (unsigned i = 0; i < view.strong_count; i++) {
		struct dag_ref ref;
		wire_strong(view.strong + (size_t)i * WIRE_STRONG_ENTRY, view.round, &ref);
		if (ref.round > gc && !slot_of(sim->monitor, view.epoch, ref.round, ref.author)->ordered)
			sim_violation(sim, "round %lu of node %u is ordered before its parent", view.round,
			              view.author);
	}
	for (unsigned i = 0; i < view.batch_count; i++) {
		struct batch_record *batch =
		    batch_of(sim->monitor, view.batches + (size_t)i * WIRE_BATCH_ENTRY);
		if (!batch) {
			if (sim->nodes[view.author].honest)
				sim_violation(sim, "node %u's payload is ordered that it never submitted",
				              view.author);
			continue;
		}
		if (batch->author != view.author)
			sim_violation(sim, "node %u's payload is ordered as node %u's", batch->author,
			              view.author);
		if (batch->committed && !batch->again)
			sim_violation(sim,
			              "payload of node %u is ordered twice: round %lu in commit %lu, round "
			              "%lu in commit %lu",
			              view.author, batch->round, batch->commit, view.round, commit->index);
		if (!batch->committed && !batch->lost)
			sim->monitor->open--;
		batch->committed = true;
		batch->round = view.round;
		batch->commit = commit->index;
	}
}

static void check_payload(struct sim *sim, const struct dag_effect *effect)
{
	unsigned at = 0;
	for (unsigned i = 0; i < effect->commit->count; i++) {
		struct header_view view;
		const struct blob *header = effect->commit->headers[i];
		if (!wire_header(header->data, header->size, SIM_SIGNATURE, &view))
			return;
		for (unsigned j = 0; j < view.batch_count; j++, at++) {
			struct dag_digest digest;
			if (at >= effect->batch_count) {
				sim_violation(sim, "commit %lu lacks payload", effect->index);
				return;
			}
			wire_digest(DAG_BATCH, effect->batches[at].blob->data, effect->batches[at].blob->size,
			            &digest);
			if (memcmp(&digest, view.batches + (size_t)j * WIRE_BATCH_ENTRY, DAG_DIGEST_SIZE) !=
			    0)
				sim_violation(sim, "commit %lu holds other payload than was ordered",
				              effect->index);
		}
	}
}

void monitor_commit(struct sim *sim, struct sim_node *node, const struct dag_effect *effect)
{
	const struct dag_commit *commit = effect->commit;
	if (!node->honest)
		return;
	struct commit_record *record = commit_of(sim->monitor, effect->index);
	if (record->known) {
		if (!digest_equal(&record->digest, &commit->digest))
			sim_violation(sim, "node %u commits another sequence at %lu", node->number,
			              effect->index);
		return;
	}
	record->known = true;
	record->digest = commit->digest;
	record->epoch = commit->epoch;
	record->time_ms = commit->time_ms;
	struct commit_record *before = effect->index ? record - 1 : NULL;
	uint64_t members = commit->epoch ? sim_next_members(sim, commit->epoch, 0) : sim->members;
	if (before && before->known && record->time_ms < before->time_ms)
		sim_violation(sim, "commit %lu is earlier than the one before", effect->index);
	if (commit->time_ms > 1700000000000ull + sim->now / 1000)
		sim_violation(sim, "commit %lu lies in the future", effect->index);
	if (effect->index > sim->monitor->top)
		sim->monitor->top = effect->index;
	for (unsigned i = 0; i < commit->count; i++)
		check_header(sim, commit, commit->headers[i], members);
	check_payload(sim, effect);
}

bool monitor_state(struct sim *sim, uint64_t index, struct sim_state *state)
{
	struct commit_record *record = index <= sim->monitor->top ? commit_of(sim->monitor, index) : NULL;
	if (!record || !record->reached)
		return false;
	*state = record->state;
	return true;
}

void monitor_applied(struct sim *sim, const struct sim_node *node)
{
	struct sim_state state;
	const struct sim_state *own = &node->applied;
	if (!node->honest)
		return;
	if (own->index > sim->monitor->top) {
		sim_violation(sim, "node %u took a state of commit %lu, which nobody has", node->number,
		              own->index);
		return;
	}
	if (monitor_state(sim, own->index, &state)) {
		if (memcmp(state.root, own->root, DAG_ROOT_SIZE) != 0 ||
		    state.ended_index != own->ended_index || state.ended_epoch != own->ended_epoch)
			sim_violation(sim, "node %u has another state after commit %lu", node->number,
			              own->index);
		return;
	}
	struct commit_record *record = commit_of(sim->monitor, own->index);
	record->reached = true;
	record->state = *own;
}

unsigned monitor_open(const struct sim *sim)
{
	return sim->monitor->open;
}

uint64_t monitor_top(const struct sim *sim)
{
	return sim->monitor->top;
}
