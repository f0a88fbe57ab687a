/* The core's life: creation, dispatch of inputs, the queue of effects, ticks, and the start of an epoch. */
#include "ledger/dag/core.h"

#include <stdlib.h>

#ifdef DAG_SEEDED_BUGS
unsigned dag_bug;
#endif

struct dag *dag_create(const struct dag_config *config)
{
	struct dag *dag = ledger_allocate(1, sizeof(*dag));
	dag->config = *config;
	dag->table_bits = 12;
	dag->table = ledger_allocate((size_t)1 << dag->table_bits, sizeof(struct batch *));
	dag->table_factor = config->seed * 0x9e3779b97f4a7c15ull | 1;
	dag->random = config->seed ^ 0x2545f4914f6cdd1dull;
	dag->own_last = &dag->own_first;
	dag->out_last = &dag->out_first;
	struct dag_order order;
	order_start(&order, config->mode, 0, config->members, 0, 0, NULL);
	dag->store = store_create(0);
	dag->order = order;
	dag->trust_members = config->members;
	dag->recovered = UINT64_MAX;
	return dag;
}

void dag_destroy(struct dag *dag)
{
	if (!dag)
		return;
	slots_clear(dag, dag->store->floor + 1, dag->store->floor + DAG_WINDOW - 1);
	store_destroy(dag->store);
	batches_destroy(dag);
	commits_clear(dag);
	checkpoints_clear(dag);
	for (unsigned i = 0; i < dag->boundary_count; i++)
		blob_release(dag->boundaries[i].message);
	blob_release(dag->stable);
	blob_release(dag->restore_message);
	blob_release(dag->own_waiting);
	free(dag->restore_order);
	free(dag->next_epoch);
	free(dag->votes);
	for (unsigned i = 0; i < dag->effect_count; i++)
		dag_effect_release(&dag->effects[(dag->effect_first + i) % dag->effect_room]);
	free(dag->effects);
	free(dag);
}

bool dag_is_member(const struct dag *dag, unsigned validator)
{
	return validator < DAG_MAX_VALIDATORS && (dag->order.committee.members >> validator & 1);
}

unsigned dag_quorum(const struct dag *dag)
{
	return DAG_BUG(BUG_QUORUM) ? committee_validity(dag->order.committee.size)
	                           : committee_quorum(dag->order.committee.size);
}

void dag_effect(struct dag *dag, struct dag_effect effect)
{
	if (dag->effect_count == dag->effect_room) {
		unsigned room = dag->effect_room ? 2 * dag->effect_room : 64;
		struct dag_effect *effects = ledger_allocate(room, sizeof(*effects));
		for (unsigned i = 0; i < dag->effect_count; i++)
			effects[i] = dag->effects[(dag->effect_first + i) % dag->effect_room];
		free(dag->effects);
		dag->effects = effects;
		dag->effect_first = 0;
		dag->effect_room = room;
	}
	dag->effects[(dag->effect_first + dag->effect_count++) % dag->effect_room] = effect;
}

struct dag_effect *dag_next_effect(struct dag *dag)
{
	if (!dag->effect_count)
		return NULL;
	dag->current = dag->effects[dag->effect_first];
	dag->effect_first = (dag->effect_first + 1) % dag->effect_room;
	dag->effect_count--;
	return &dag->current;
}

void dag_effect_release(struct dag_effect *effect)
{
	blob_release(effect->blob);
	commit_destroy(effect->commit);
	for (unsigned i = 0; i < effect->batch_count; i++)
		blob_release(effect->batches[i].blob);
	free(effect->batches);
}

void dag_send(struct dag *dag, unsigned peer, struct blob *blob)
{
	if (!dag->begun || peer == dag->config.self) {
		blob_release(blob);
		return;
	}
	dag_effect(dag, (struct dag_effect){.kind = DAG_SEND, .peer = (uint16_t)peer, .blob = blob});
}

uint64_t dag_log(struct dag *dag, enum dag_record record, struct blob *blob)
{
	if (!dag->begun)
		return dag->ticket;
	dag_effect(dag, (struct dag_effect){.kind = DAG_PERSIST,
	                                    .record = record,
	                                    .ticket = ++dag->ticket,
	                                    .blob = blob_hold(blob)});
	return dag->ticket;
}

uint64_t dag_log_voted(struct dag *dag, const struct dag_ref *ref)
{
	struct blob *record = blob_create(WIRE_REF_ENTRY + 8);
	wire_put_ref(record->data, ref);
	store_le64(record->data + WIRE_REF_ENTRY, dag->order.committee.epoch);
	uint64_t ticket = dag_log(dag, RECORD_VOTED, record);
	blob_release(record);
	return ticket;
}

void dag_log_round(struct dag *dag, uint64_t round, uint64_t ticket)
{
	uint64_t *first = &dag->round_tickets[round % DAG_WINDOW];
	if (!*first || ticket < *first)
		*first = ticket;
}

void dag_sign(struct dag *dag, enum dag_message purpose, const uint8_t *data, size_t size, uint8_t *signature)
{
	struct dag_digest digest;
	wire_digest(purpose, data, size, &digest);
	dag->config.signer.sign(dag->config.signer.context, purpose, &digest, signature);
	dag->signed_count++;
}

bool dag_verify(struct dag *dag, unsigned validator, enum dag_message purpose,
                const struct dag_digest *digest, const uint8_t *signature)
{
	dag->verified++;
	if (dag->config.signer.verify(dag->config.signer.context, validator, purpose, digest, signature))
		return true;
	dag->refused++;
	return false;
}

unsigned dag_some_peer(struct dag *dag, unsigned not )
{
	uint64_t others = dag->order.committee.members & ~set_of(dag->config.self);
	if (others & ~set_of(not % DAG_MAX_VALIDATORS))
		others &= ~set_of(not % DAG_MAX_VALIDATORS);
	if (!others)
		return dag->config.self;
	dag->random = dag->random * 6364136223846793005ull + 1442695040888963407ull;
	for (unsigned turn = (unsigned)(dag->random >> 33) % set_size(others); turn; turn--)
		others &= others - 1;
	return (unsigned)__builtin_ctzll(others);
}

/* Forgets the DAG and goes on from `order`, whose floor is its horizon. Our own payload is proposed anew. */
void dag_enter_epoch(struct dag *dag, const struct dag_order *order)
{
	bool same_epoch = dag->order.committee.epoch == order->committee.epoch;
	uint64_t floor = dag->store->floor, top = floor + DAG_WINDOW - 1;
	/* Within an epoch a vote that was cast stays cast: it binds us, and others may still need it. */
	uint64_t kept = same_epoch ? (order->gc_round > floor ? order->gc_round : floor) : top;
	uint64_t end = order->gc_round + DAG_WINDOW - 1 < top ? order->gc_round + DAG_WINDOW - 1 : top;
	slots_clear(dag, floor + 1, kept < top ? kept : top);
	slots_forget(dag, kept + 1, end);
	slots_clear(dag, (end > kept ? end : kept) + 1, top);
	dag->vote_floor = !same_epoch ? 0 : floor > dag->vote_floor ? floor : dag->vote_floor;
	store_destroy(dag->store);
	commits_clear(dag);
	checkpoints_clear(dag);
	dag->order = *order;
	dag->store = store_create(order->gc_round);
	dag->delivered = order->index;
	dag->ending_index = 0;
	free(dag->next_epoch);
	dag->next_epoch = NULL;
	if (!same_epoch) {
		dag->proposed_round = 0;
		dag->vote_count = 0;
		dag->votes_us = 0;
		memset(dag->headed, 0, sizeof(dag->headed));
		blob_release(dag->own_waiting);
		dag->own_waiting = NULL;
	}
	dag->quorum_round = 0;
	dag->quorum_us = dag->now_us;
	dag->active_round = order->leader_round + 8;
	dag->dirty_low = dag->dirty_high = 0;
	dag->want_count = 0;
	dag->candidate_top = 0;
	dag->commit_us = dag->progress_us = dag->now_us;
	if (order->committee.epoch >= dag->trust_epoch) {
		dag->trust_epoch = order->committee.epoch;
		dag->trust_members = order->committee.members;
	}
	/* Whoever learns of an epoch's end from others may have ordered beyond it. */
	if (!same_epoch)
		batches_reopen(dag, order->index);
	batches_forget_proposals(dag);
}

void dag_replay(struct dag *dag, enum dag_record record, const uint8_t *data, size_t size, uint64_t ticket)
{
	struct blob *blob = blob_copy(data, size);
	struct dag_order order;
	struct header_view view;
	dag->ticket = dag->durable = ticket;
	switch (record) {
	case RECORD_BATCH:
		receive_batch(dag, dag->config.self, blob, ticket);
		break;
	case RECORD_PROPOSED:
		if (wire_header(data, size, dag->config.signer.signature_size, &view) &&
		    view.epoch == dag->order.committee.epoch && view.round > dag->proposed_round) {
			dag->proposed_round = view.round;
			dag->own_ticket = ticket;
			for (unsigned i = 0; i < view.batch_count; i++) {
				struct batch *batch =
				    batch_find(dag, view.batches + (size_t)i * WIRE_BATCH_ENTRY);
				if (batch && batch->own)
					batch->proposed = view.round;
			}
		}
		receive_header(dag, dag->config.self, blob, true);
		break;
	case RECORD_HEADER:
		receive_header(dag, dag->config.self, blob, true);
		break;
	case RECORD_VOTES:
		receive_votes(dag, dag->config.self, blob, true);
		break;
	case RECORD_VOTED:
		if (size == WIRE_REF_ENTRY + 8 &&
		    load_le64(data + WIRE_REF_ENTRY) == dag->order.committee.epoch) {
			struct dag_ref ref;
			wire_ref(data, &ref);
			if (ref.author < DAG_MAX_VALIDATORS)
				replay_voted(dag, &ref);
			else if (ref.author == VOTED_NOBODY && ref.round > dag->vote_floor)
				dag->vote_floor = ref.round;
		}
		break;
	case RECORD_ORDERED:
		if (size == DAG_DIGEST_SIZE + 8)
			batch_replay_ordered(dag, data, load_le64(data + DAG_DIGEST_SIZE));
		break;
	case RECORD_STATE:
		/* The first is where the log begins; later ones matter only where they skip ahead. */
		if (size > DAG_ROOT_SIZE && order_decode(data, size - DAG_ROOT_SIZE, &order) &&
		    (order.index > dag->order.index || order.committee.epoch > dag->order.committee.epoch)) {
			dag_enter_epoch(dag, &order);
			dag->replay_index = order.index;
		}
		break;
	case RECORD_BOUNDARY:
		receive_state(dag, dag->config.self, blob, true);
		break;
	}
	blob_release(blob);
	slots_progress(dag);
	commits_advance(dag);
}

void dag_begin(struct dag *dag, uint64_t now_us, uint64_t unix_ms, uint64_t applied)
{
	dag->begun = true;
	dag->now_us = dag->progress_us = dag->commit_us = dag->quorum_us = now_us;
	dag->unix_ms = unix_ms;
	dag->applied = applied;
	dag->status_us = now_us;
	dag->proposed_us = now_us;
	for (uint64_t round = dag->store->floor + 1; round <= dag->store->top; round++)
		if (set_size(store_present(dag->store, round)) >= committee_quorum(dag->order.committee.size))
			dag->quorum_round = round;
	batches_requeue(dag);
	slots_dirty(dag, dag->store->floor + 1);
	slots_dirty(dag, dag->store->top + DAG_AHEAD);
}

/* A clock that jumps back must not stop timers: everything timed is counted from the new time. */
void dag_tick(struct dag *dag, uint64_t now_us, uint64_t unix_ms)
{
	dag->unix_ms = unix_ms;
	if (now_us < dag->now_us) {
		uint64_t back = dag->now_us - now_us;
		uint64_t *times[] = {&dag->proposed_us, &dag->quorum_us,    &dag->status_us,
		                     &dag->progress_us, &dag->commit_us,    &dag->restore_until_us,
		                     &dag->asked_us,    &dag->heartbeat_us, &dag->votes_us};
		for (unsigned i = 0; i < sizeof(times) / sizeof(times[0]); i++)
			*times[i] = *times[i] > back ? *times[i] - back : 0;
		memset(dag->answered_us, 0, sizeof(dag->answered_us));
		memset(dag->wanted_us, 0, sizeof(dag->wanted_us));
		for (unsigned i = 0; i < dag->want_count; i++)
			dag->wants[i].retry_us = 0;
		batches_retry_now(dag);
	}
	dag->now_us = now_us;
	if (!dag->begun)
		return;
	wants_retry(dag);
	batches_retry(dag);
	status_tick(dag);
}

void dag_receive(struct dag *dag, unsigned peer, struct blob *blob)
{
	if (!blob->size || blob->size > DAG_MAX_MESSAGE_SIZE || peer >= DAG_MAX_VALIDATORS ||
	    peer == dag->config.self)
		return;
	switch (blob->data[0]) {
	case DAG_BATCH:
		receive_batch(dag, peer, blob, 0);
		break;
	case DAG_HEADER:
		receive_header(dag, peer, blob, false);
		break;
	case DAG_VOTES:
		receive_votes(dag, peer, blob, false);
		break;
	case DAG_CERTIFICATE:
		receive_certificate(dag, peer, blob);
		break;
	case DAG_STATUS:
		receive_status(dag, peer, blob);
		break;
	case DAG_REQUEST:
		receive_request(dag, peer, blob);
		break;
	case DAG_FETCH:
		receive_fetch(dag, peer, blob);
		break;
	case DAG_CHECKPOINT:
		receive_checkpoint(dag, peer, blob);
		break;
	case DAG_STATE_WANT:
		receive_state_want(dag, peer, blob);
		break;
	case DAG_STATE:
		receive_state(dag, peer, blob, false);
		break;
	default:
		dag->refused++;
	}
}

void dag_persisted(struct dag *dag, uint64_t ticket)
{
	if (ticket > dag->durable)
		dag->durable = ticket;
}

void dag_flush(struct dag *dag)
{
	proposed_durable(dag);
	slots_progress(dag);
	votes_flush(dag);
	slots_progress(dag);
	commits_advance(dag);
	reclaim_payload(dag);
	propose(dag);
	if (DAG_BUG(BUG_PROPOSE_FORGOTTEN))
		proposed_durable(dag);
	commits_deliver(dag);
	batches_sweep(dag);
}

uint64_t dag_deadline(const struct dag *dag)
{
	uint64_t deadline = propose_deadline(dag), votes = votes_deadline(dag),
	         sync = dag->now_us + dag->config.sync_us / 2;
	deadline = votes < deadline ? votes : deadline;
	return deadline < sync ? deadline : sync;
}

/* A state that a crash may still take with it replaces nothing: the one before is needed until then, with all that
 * was written since. */
uint64_t dag_oldest_ticket(const struct dag *dag)
{
	if (dag->settled_ticket > dag->durable)
		return 0;
	uint64_t oldest = batches_oldest_ticket(dag);
	if (dag->settled_ticket < oldest)
		oldest = dag->settled_ticket;
	uint64_t end = dag->store->floor + DAG_WINDOW;
	for (uint64_t round = dag->settled_gc + 1; round < end; round++) {
		uint64_t first = round > dag->store->floor ? dag->round_tickets[round % DAG_WINDOW] : 0;
		if (first && first < oldest)
			oldest = first;
	}
	return oldest;
}

void dag_get_figures(const struct dag *dag, struct dag_figures *out)
{
	*out = (struct dag_figures){.epoch = dag->order.committee.epoch,
	                            .round = dag->proposed_round > dag->store->top ? dag->proposed_round
	                                                                           : dag->store->top,
	                            .committed = dag->order.index,
	                            .applied = dag->applied,
	                            .recovered = dag->recovered,
	                            .gc_round = dag->order.gc_round,
	                            .leader_round = dag->order.leader_round,
	                            .stable = dag->stable_index,
	                            .batches_waiting = dag->own_unordered,
	                            .batch_bytes = dag->batch_bytes,
	                            .verified = dag->verified,
	                            .signed_count = dag->signed_count,
	                            .equivocations = dag->equivocations,
	                            .refused = dag->refused,
	                            .members = dag->order.committee.size,
	                            .quorum = committee_quorum(dag->order.committee.size),
	                            .member_set = dag->order.committee.members,
	                            .member = dag_is_member(dag, dag->config.self),
	                            .restoring = dag->restoring != 0,
	                            .diverged = dag->diverged};
}
