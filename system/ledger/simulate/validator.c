/* A simulated validator: its core with a disk, a clock and an application; how it starts, crashes and takes a snapshot. */
#include "ledger/simulate/simulate.h"

#include <stdlib.h>

#include "crypto/blake3.h"

struct sim_identity {
	struct sim *sim;
	unsigned number;
};
static struct sim_identity identities[DAG_MAX_VALIDATORS];

static void signer_sign(void *context, enum dag_message purpose, const struct dag_digest *digest,
                        uint8_t *signature)
{
	struct sim_identity *identity = context;
	sim_sign(identity->sim, identity->number, purpose, digest, signature);
}

static bool signer_verify(void *context, unsigned validator, enum dag_message purpose,
                          const struct dag_digest *digest, const uint8_t *signature)
{
	struct sim_identity *identity = context;
	uint8_t right[SIM_SIGNATURE];
	sim_sign(identity->sim, validator, purpose, digest, right);
	return !memcmp(right, signature, SIM_SIGNATURE);
}

uint64_t sim_node_clock(const struct sim *sim, const struct sim_node *node)
{
	return sim->now * node->rate / 1024 + 1000 * SECOND + (uint64_t)node->offset_us;
}

uint64_t sim_node_unix(const struct sim *sim, const struct sim_node *node)
{
	return node->lies & LIE_TIME ? node->unix_lie_ms : 1700000000000ull + sim->now / 1000;
}

static void log_append(struct sim_node *node, const struct dag_effect *effect)
{
	if (node->log_count == node->log_room) {
		unsigned room = node->log_room ? 2 * node->log_room : 256;
		struct sim_record *log = ledger_allocate(room, sizeof(*log));
		if (node->log_count)
			memcpy(log, node->log, node->log_count * sizeof(*log));
		free(node->log);
		node->log = log;
		node->log_room = room;
	}
	node->log[node->log_count++] =
	    (struct sim_record){effect->record, effect->ticket, blob_hold(effect->blob)};
}

/* Drops what the core says it will not need; an epoch's certificates stay for those who come late. */
static void log_trim(struct sim_node *node)
{
	uint64_t oldest = dag_oldest_ticket(node->dag);
	unsigned kept = 0;
	for (unsigned i = 0; i < node->log_count; i++)
		if (node->log[i].ticket >= oldest || node->log[i].kind == RECORD_BOUNDARY)
			node->log[kept++] = node->log[i];
		else
			blob_release(node->log[i].blob);
	node->log_count = kept;
}

static void disk_start(struct sim *sim, struct sim_node *node)
{
	if (node->writing || !node->log_count || node->log[node->log_count - 1].ticket <= node->durable)
		return;
	node->writing = node->log[node->log_count - 1].ticket;
	uint64_t time = 200 + sim_below(sim, 3000);
	if (sim_troubled(sim) && sim_chance(sim, 10))
		time += sim_below(sim, 100000);
	sim_schedule(sim, (struct sim_event){.at = sim->now + time,
	                                     .kind = SIM_DISK,
	                                     .node = (uint16_t)node->number,
	                                     .number = node->writing,
	                                     .incarnation = node->incarnation});
}

uint64_t sim_next_members(const struct sim *sim, uint64_t epoch, uint64_t members)
{
	uint64_t all = sim->count == 64 ? ~0ull : set_of(sim->count) - 1;
	(void)members;
	return sim->count < 5 ? all : all & ~set_of((unsigned)((epoch + 1) % sim->count));
}

static void apply(struct sim *sim, struct sim_node *node, struct dag_effect *effect)
{
	uint64_t index = effect->index, epoch = effect->commit->epoch;
	struct sim_state *state = &node->applied;
	if (state->ended_index && epoch <= state->ended_epoch && index > state->ended_index)
		return; /* ordered beyond the epoch's end */
	monitor_commit(sim, node, effect);
	if (index > state->index) {
		struct blake3 hash;
		if (index != state->index + 1)
			sim_violation(sim, "node %u applied commit %lu after %lu", node->number, index,
			              state->index);
		blake3_init(&hash);
		blake3_update(&hash, state->root, DAG_ROOT_SIZE);
		blake3_update(&hash, &effect->commit->digest, DAG_DIGEST_SIZE);
		blake3_final(&hash, state->root, DAG_ROOT_SIZE);
		state->index = index;
		if (sim->epoch_commits && index - state->ended_index >= sim->epoch_commits) {
			state->ended_index = index;
			state->ended_epoch = epoch;
		}
		monitor_applied(sim, node);
	}
	if (index && index == state->ended_index)
		dag_end_epoch(node->dag, effect->commit, sim_next_members(sim, epoch + 1, 0));
	if (index == state->index)
		dag_applied(node->dag, index, state->root);
}

static void apply_durable(struct sim *sim, struct sim_node *node)
{
	const struct dag_effect *first;
	while ((first = effect_queue_first(&node->waiting)) && first->ticket <= node->durable) {
		struct dag_effect effect = effect_queue_take(&node->waiting);
		apply(sim, node, &effect);
		dag_effect_release(&effect);
	}
}

void sim_node_written(struct sim *sim, struct sim_node *node, uint64_t ticket)
{
	node->durable = ticket;
	node->writing = 0;
	dag_persisted(node->dag, ticket);
	log_trim(node);
	apply_durable(sim, node);
}

void sim_node_carry_out(struct sim *sim, struct sim_node *node)
{
	struct dag_effect *effect;
	dag_flush(node->dag);
	while ((effect = dag_next_effect(node->dag))) {
		struct dag_effect mine = *effect;
		switch (mine.kind) {
		case DAG_SEND:
			if (mine.blob->data[0] == DAG_VOTES)
				monitor_vote(sim, mine.blob);
			if (node->honest) {
				monitor_sent(sim, node, mine.blob);
				sim_transmit(sim, node->number, mine.peer, mine.blob);
			} else {
				liar_send(sim, node, mine.peer, mine.blob);
			}
			break;
		case DAG_PERSIST:
			log_append(node, &mine);
			break;
		case DAG_COMMITTED:
			effect_queue_push(&node->waiting, &mine);
			mine = (struct dag_effect){.kind = DAG_SEND};
			break;
		case DAG_LOAD:
			for (unsigned i = 0; i < node->log_count; i++)
				if (node->log[i].ticket == mine.ticket)
					sim_transmit(sim, node->number, mine.peer, node->log[i].blob);
			break;
		case DAG_RESTORE:
			sim_schedule(sim,
			             (struct sim_event){.at = sim->now + 5000 + sim_below(sim, 50000),
			                                .kind = SIM_SNAPSHOT,
			                                .node = (uint16_t)node->number,
			                                .from = mine.peer,
			                                .number = mine.index,
			                                .incarnation = node->incarnation,
			                                .blob = blob_copy(&mine.digest, DAG_DIGEST_SIZE)});
			break;
		case DAG_STABLE:
			node->applied_durable = node->applied;
			dag_settled(node->dag, mine.index);
			log_trim(node);
			break;
		case DAG_PROVEN:
			if (sim->nodes[mine.peer].honest)
				sim_violation(sim, "node %u was proven to equivocate and is honest",
				              mine.peer);
			break;
		}
		dag_effect_release(&mine);
		apply_durable(sim, node);
		if (!node->dag)
			return;
	}
	disk_start(sim, node);
}

void sim_node_schedule_tick(struct sim *sim, struct sim_node *node)
{
	uint64_t now = sim_node_clock(sim, node), deadline = dag_deadline(node->dag);
	uint64_t wait = deadline > now ? (deadline - now) * 1024 / node->rate + 1 : 200;
	if (wait > 25000)
		wait = 25000;
	if (node->tick_at > sim->now && node->tick_at <= sim->now + wait)
		return;
	node->tick_at = sim->now + wait;
	sim_schedule(sim, (struct sim_event){.at = node->tick_at,
	                                     .kind = SIM_TICK,
	                                     .node = (uint16_t)node->number,
	                                     .incarnation = node->incarnation});
}

void sim_node_start(struct sim *sim, struct sim_node *node)
{
	identities[node->number] = (struct sim_identity){sim, node->number};
	uint64_t all = sim->count == 64 ? ~0ull : set_of(sim->count) - 1;
	struct dag_config config = {
	    .mode = sim->config.mode,
	    .self = node->number,
	    .members = sim->members,
	    .validators = all,
	    .signer = {&identities[node->number], SIM_SIGNATURE, signer_sign, signer_verify},
	    .leader_timeout_us = 60000,
	    .round_us = 3000,
	    .vote_us = sim->seed % 2 ? 0 : 600,
	    .idle_us = 40000,
	    .sync_us = 60000,
	    .checkpoint_commits = SIM_INTERVAL,
	    .seed = sim->seed + node->number};
	node->dag = dag_create(&config);
	node->up = true;
	node->incarnation++;
	node->tick_at = node->writing = 0;
	node->applied = node->applied_durable;
	for (unsigned i = node->log_count; i-- > 0;)
		if (node->log[i].kind == RECORD_STATE) {
			dag_replay(node->dag, RECORD_STATE, node->log[i].blob->data, node->log[i].blob->size,
			           node->log[i].ticket);
			break;
		}
	for (unsigned i = 0; i < node->log_count; i++)
		dag_replay(node->dag, node->log[i].kind, node->log[i].blob->data, node->log[i].blob->size,
		           node->log[i].ticket);
	dag_begin(node->dag, sim_node_clock(sim, node), sim_node_unix(sim, node), node->applied.index);
	sim_node_carry_out(sim, node);
	sim_node_schedule_tick(sim, node);
}

void sim_node_stop(struct sim_node *node)
{
	node->up = false;
	node->incarnation++;
	effect_queue_drop(&node->waiting);
	dag_destroy(node->dag);
	node->dag = NULL;
}

/* The tail that was not durable is lost, or some first part of it survives. */
void sim_node_crash(struct sim *sim, struct sim_node *node)
{
	unsigned kept = node->log_count;
	while (kept && node->log[kept - 1].ticket > node->durable)
		kept--;
	kept += (unsigned)sim_below(sim, node->log_count - kept + 1) * sim_chance(sim, 300);
	while (node->log_count > kept)
		blob_release(node->log[--node->log_count].blob);
	node->durable = node->log_count ? node->log[node->log_count - 1].ticket : 0;
	/* The application, too, may have written more than it promised, but whole commits. */
	if (sim_chance(sim, 512))
		node->applied_durable = node->applied;
	sim_node_stop(node);
	monitor_crash(sim, node);
}

void sim_node_submit(struct sim *sim, struct sim_node *node)
{
	uint8_t payload[WIRE_BATCH_HEAD + 4 + 24];
	struct blob *blob = blob_create(sizeof(payload));
	memset(blob->data, 0, blob->size);
	blob->data[0] = DAG_BATCH;
	store_le16(blob->data + 1, (uint16_t)node->number);
	store_le64(blob->data + 4, ++node->sequence);
	store_le32(blob->data + 12, 1);
	store_le32(blob->data + 16, 24);
	store_le64(blob->data + 20, sim_random(sim));
	if (node->up && dag_submit(node->dag, blob))
		monitor_submitted(sim, node, blob);
	blob_release(blob);
}

void sim_node_snapshot(struct sim *sim, struct sim_node *node, const struct sim_event *event)
{
	struct sim_state state;
	struct sim_node *peer = &sim->nodes[event->from];
	bool good =
	    peer->up && (sim->side[event->from] >> node->number & 1) && peer->applied.index >= event->number;
	good = good && (peer->honest ? monitor_state(sim, event->number, &state)
	                             : liar_snapshot(sim, peer, event->number, &state));
	/* The snapshot's own root must be the one the state names. */
	good = good && !memcmp(state.root, event->blob->data, DAG_ROOT_SIZE);
	if (good) {
		node->applied = node->applied_durable = state;
		effect_queue_drop(&node->waiting);
		monitor_applied(sim, node);
		monitor_restored(sim, node);
	}
	dag_restored(node->dag, event->number, good);
}
