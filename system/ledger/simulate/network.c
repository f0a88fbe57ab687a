/* The run itself: events in virtual time, the nodes' disks, clocks and applications, troubles and healing. */
#include "ledger/simulate/simulate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "crypto/blake3.h"

#define SECOND 1000000ull

uint64_t sim_random(struct sim *sim)
{
	uint64_t z = sim->random += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

uint64_t sim_below(struct sim *sim, uint64_t limit)
{
	return limit ? sim_random(sim) % limit : 0;
}

bool sim_chance(struct sim *sim, unsigned in_1024)
{
	return sim_below(sim, 1024) < in_1024;
}

void sim_violation(struct sim *sim, const char *format, ...)
{
	if (sim->violation[0])
		return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(sim->violation, sizeof(sim->violation), format, arguments);
	va_end(arguments);
}

static bool earlier(const struct sim_event *a, const struct sim_event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void sim_schedule(struct sim *sim, struct sim_event event)
{
	if (sim->heap_count == sim->heap_room) {
		unsigned room = sim->heap_room ? 2 * sim->heap_room : 1024;
		struct sim_event *heap = ledger_allocate(room, sizeof(*heap));
		if (sim->heap_count)
			memcpy(heap, sim->heap, sim->heap_count * sizeof(*heap));
		free(sim->heap);
		sim->heap = heap;
		sim->heap_room = room;
	}
	event.order = sim->order++;
	unsigned at = sim->heap_count++;
	for (; at && earlier(&event, &sim->heap[(at - 1) / 2]); at = (at - 1) / 2)
		sim->heap[at] = sim->heap[(at - 1) / 2];
	sim->heap[at] = event;
}

static bool next_event(struct sim *sim, struct sim_event *out)
{
	if (!sim->heap_count)
		return false;
	*out = sim->heap[0];
	struct sim_event last = sim->heap[--sim->heap_count];
	unsigned at = 0;
	for (;;) {
		unsigned child = 2 * at + 1;
		if (child >= sim->heap_count)
			break;
		if (child + 1 < sim->heap_count && earlier(&sim->heap[child + 1], &sim->heap[child]))
			child++;
		if (!earlier(&sim->heap[child], &last))
			break;
		sim->heap[at] = sim->heap[child];
		at = child;
	}
	sim->heap[at] = last;
	return true;
}

/* ---- signatures: a keyed hash that only the owner of the secret can make ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	a = (a ^ b) * 0xff51afd7ed558ccdull;
	a = (a ^ a >> 33) * 0xc4ceb9fe1a85ec53ull;
	return a ^ a >> 29;
}

void sim_sign(struct sim *sim, unsigned validator, enum dag_message purpose, const struct dag_digest *digest,
              uint8_t *signature)
{
	uint64_t words[4], one = sim->secrets[validator] + purpose, two = ~sim->secrets[validator];
	memcpy(words, digest, sizeof(words));
	for (unsigned i = 0; i < 4; i++) {
		one = mix(one, words[i]);
		two = mix(two, words[i] + i);
	}
	memcpy(signature, &one, 8);
	memcpy(signature + 8, &two, 8);
}

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

/* ---- network ---- */

static bool troubled(const struct sim *sim)
{
	return sim->now < sim->troubles_until;
}

static void transmit_one(struct sim *sim, unsigned from, unsigned to, struct blob *blob)
{
	struct sim_node *node = &sim->nodes[from];
	bool reachable = sim->side[from] >> to & 1;
	if (from == to || to >= sim->count || !reachable || (troubled(sim) && sim_chance(sim, sim->loss)))
		return;
	uint64_t delay = 500 + sim_below(sim, troubled(sim) ? sim->jitter_us : 4000);
	if (troubled(sim) && sim_chance(sim, 40))
		delay += sim_below(sim, sim->slowest_us);
	if (node->lies & LIE_SLOW)
		delay += 20000 + sim_below(sim, 60000);
	sim_schedule(sim, (struct sim_event){.at = sim->now + delay,
	                                     .kind = SIM_MESSAGE,
	                                     .node = (uint16_t)to,
	                                     .from = (uint16_t)from,
	                                     .blob = blob_hold(blob)});
	if (troubled(sim) && sim_chance(sim, 8)) /* twice */
		sim_schedule(sim, (struct sim_event){.at = sim->now + delay + sim_below(sim, 50000),
		                                     .kind = SIM_MESSAGE,
		                                     .node = (uint16_t)to,
		                                     .from = (uint16_t)from,
		                                     .blob = blob_hold(blob)});
}

void sim_transmit(struct sim *sim, unsigned from, unsigned to, struct blob *blob)
{
	if (blob->size && blob->data[0] == DAG_VOTES)
		monitor_vote(sim, blob);
	if (to != DAG_EVERYONE) {
		transmit_one(sim, from, to, blob);
		return;
	}
	for (unsigned i = 0; i < sim->count; i++)
		transmit_one(sim, from, i, blob);
}

/* ---- nodes ---- */

static uint64_t node_clock(const struct sim *sim, const struct sim_node *node)
{
	return sim->now * node->rate / 1024 + 1000 * SECOND + (uint64_t)node->offset_us;
}

static uint64_t node_unix(const struct sim *sim, const struct sim_node *node)
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
	if (troubled(sim) && sim_chance(sim, 10))
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

static void waiting_push(struct sim_node *node, const struct dag_effect *effect)
{
	if (node->waiting_count == node->waiting_room) {
		unsigned room = node->waiting_room ? 2 * node->waiting_room : 16;
		struct dag_effect *waiting = ledger_allocate(room, sizeof(*waiting));
		for (unsigned i = 0; i < node->waiting_count; i++)
			waiting[i] = node->waiting[(node->waiting_first + i) % node->waiting_room];
		free(node->waiting);
		node->waiting = waiting;
		node->waiting_first = 0;
		node->waiting_room = room;
	}
	node->waiting[(node->waiting_first + node->waiting_count++) % node->waiting_room] = *effect;
}

static void apply_durable(struct sim *sim, struct sim_node *node)
{
	while (node->waiting_count && node->waiting[node->waiting_first].ticket <= node->durable) {
		struct dag_effect effect = node->waiting[node->waiting_first];
		node->waiting_first = (node->waiting_first + 1) % node->waiting_room;
		node->waiting_count--;
		apply(sim, node, &effect);
		dag_effect_release(&effect);
	}
}

static void carry_out(struct sim *sim, struct sim_node *node)
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
			waiting_push(node, &mine);
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

static void schedule_tick(struct sim *sim, struct sim_node *node)
{
	uint64_t now = node_clock(sim, node), deadline = dag_deadline(node->dag);
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

static void node_start(struct sim *sim, struct sim_node *node)
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
	dag_begin(node->dag, node_clock(sim, node), node_unix(sim, node), node->applied.index);
	carry_out(sim, node);
	schedule_tick(sim, node);
}

static void node_stop(struct sim *sim, struct sim_node *node)
{
	(void)sim;
	node->up = false;
	node->incarnation++;
	while (node->waiting_count) {
		dag_effect_release(&node->waiting[node->waiting_first]);
		node->waiting_first = (node->waiting_first + 1) % node->waiting_room;
		node->waiting_count--;
	}
	dag_destroy(node->dag);
	node->dag = NULL;
}

/* The tail that was not durable is lost, or some first part of it survives. */
static void node_crash(struct sim *sim, struct sim_node *node)
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
	node_stop(sim, node);
	monitor_crash(sim, node);
}

static void submit(struct sim *sim, struct sim_node *node)
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

static void partition(struct sim *sim)
{
	uint64_t all = sim->count == 64 ? ~0ull : set_of(sim->count) - 1, group = 0;
	bool whole = !troubled(sim) || sim_chance(sim, 400);
	for (unsigned i = 0; i < sim->count; i++)
		group |= sim_chance(sim, 512) ? set_of(i) : 0;
	for (unsigned i = 0; i < sim->count; i++)
		sim->side[i] = whole ? all : group >> i & 1 ? group : all & ~group;
	/* Some cuts go one way only. */
	if (!whole && sim_chance(sim, 200))
		sim->side[sim_below(sim, sim->count)] = all;
	if (troubled(sim))
		sim_schedule(sim, (struct sim_event){.at = sim->now + 50000 + sim_below(sim, SECOND),
		                                     .kind = SIM_PARTITION});
}

static void snapshot(struct sim *sim, struct sim_node *node, const struct sim_event *event)
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
		while (node->waiting_count) {
			dag_effect_release(&node->waiting[node->waiting_first]);
			node->waiting_first = (node->waiting_first + 1) % node->waiting_room;
			node->waiting_count--;
		}
		monitor_applied(sim, node);
		monitor_restored(sim, node);
	}
	dag_restored(node->dag, event->number, good);
}

static void handle(struct sim *sim, struct sim_event *event)
{
	struct sim_node *node = &sim->nodes[event->node];
	switch (event->kind) {
	case SIM_MESSAGE:
		if (!node->up)
			return;
		dag_tick(node->dag, node_clock(sim, node), node_unix(sim, node));
		if (!node->honest)
			liar_hear(sim, node, event->from, event->blob);
		dag_receive(node->dag, event->from, event->blob);
		break;
	case SIM_TICK:
		if (!node->up || event->incarnation != node->incarnation || event->at != node->tick_at)
			return;
		node->tick_at = 0;
		dag_tick(node->dag, node_clock(sim, node), node_unix(sim, node));
		break;
	case SIM_DISK:
		if (!node->up || event->incarnation != node->incarnation)
			return;
		node->durable = event->number;
		node->writing = 0;
		dag_persisted(node->dag, node->durable);
		log_trim(node);
		apply_durable(sim, node);
		break;
	case SIM_CRASH:
		if (node->up) {
			node_crash(sim, node);
			sim_schedule(sim, (struct sim_event){.at = sim->now + 1000 + sim_below(sim, SECOND),
			                                     .kind = SIM_START,
			                                     .node = event->node});
		}
		return;
	case SIM_START:
		if (!node->up)
			node_start(sim, node);
		return;
	case SIM_SUBMIT:
		submit(sim, node);
		if (troubled(sim))
			sim_schedule(sim, (struct sim_event){.at = sim->now + sim->rate_us / 2 +
			                                           sim_below(sim, sim->rate_us),
			                                     .kind = SIM_SUBMIT,
			                                     .node = event->node});
		if (!node->up)
			return;
		break;
	case SIM_PARTITION:
		partition(sim);
		return;
	case SIM_SNAPSHOT:
		if (!node->up || event->incarnation != node->incarnation)
			return;
		snapshot(sim, node, event);
		break;
	case SIM_CLOCK:
		node->offset_us += (int64_t)sim_below(sim, 20 * SECOND) - (int64_t)(10 * SECOND);
		if (node->offset_us < -(int64_t)(900 * SECOND))
			node->offset_us = 0;
		node->rate = 700 + (unsigned)sim_below(sim, 700);
		return;
	}
	carry_out(sim, node);
	if (node->up)
		schedule_tick(sim, node);
}

static void plan(struct sim *sim)
{
	unsigned voters = sim->count;
	uint64_t all = sim->count == 64 ? ~0ull : set_of(sim->count) - 1;
	sim->members = all;
	if (sim_chance(sim, 300)) {
		sim->epoch_commits = 15 + (unsigned)sim_below(sim, 40);
		sim->members = sim_next_members(sim, 0, all);
		voters = set_size(sim->members);
	}
	unsigned faults = (unsigned)sim_below(sim, committee_faults(voters) + 1);
	unsigned lies = (unsigned)sim_below(sim, 512);
	sim->troubles_until = SECOND / 2 + sim_below(sim, sim->count > 10 ? SECOND : 3 * SECOND);
	sim->loss = sim_chance(sim, 512) ? (unsigned)sim_below(sim, 60) : 0;
	sim->slowest_us = 10000 + sim_below(sim, SECOND);
	sim->jitter_us = sim_chance(sim, 300) ? 80000 : 4000;
	sim->rate_us = 15000 + (unsigned)sim_below(sim, 100000);
	for (unsigned i = 0; i < sim->count; i++) {
		struct sim_node *node = &sim->nodes[i];
		sim->secrets[i] = sim_random(sim);
		node->number = i;
		node->honest = true;
		node->rate = 1024;
		node->offset_us = (int64_t)sim_below(sim, 100 * SECOND);
		sim->side[i] = all;
	}
	for (unsigned i = 0; i < faults; i++) {
		struct sim_node *node = &sim->nodes[sim_below(sim, sim->count)];
		node->honest = false;
		node->lies = sim_chance(sim, 512) ? lies : (unsigned)sim_below(sim, 512);
		node->unix_lie_ms = sim_random(sim);
	}
	for (unsigned i = 0; i < sim->count; i++) {
		sim_schedule(sim, (struct sim_event){
		                      .at = sim_below(sim, 20000), .kind = SIM_START, .node = (uint16_t)i});
		sim_schedule(sim, (struct sim_event){.at = 30000 + sim_below(sim, 50000),
		                                     .kind = SIM_SUBMIT,
		                                     .node = (uint16_t)i});
	}
	if (sim_chance(sim, 600))
		sim_schedule(sim, (struct sim_event){.at = sim_below(sim, SECOND), .kind = SIM_PARTITION});
	else if (sim->count >= 4 && sim_chance(sim, 400)) {
		/* One is away for the whole time of troubles and must catch up. */
		unsigned away = (unsigned)sim_below(sim, sim->count);
		for (unsigned i = 0; i < sim->count; i++)
			sim->side[i] = i == away ? set_of(away) : all & ~set_of(away);
	}
	for (unsigned crashes = (unsigned)sim_below(sim, 2 * sim->count) * sim_chance(sim, 600); crashes;
	     crashes--)
		sim_schedule(sim, (struct sim_event){.at = sim_below(sim, sim->troubles_until),
		                                     .kind = SIM_CRASH,
		                                     .node = (uint16_t)sim_below(sim, sim->count)});
	for (unsigned jumps = (unsigned)sim_below(sim, sim->count) * sim_chance(sim, 400); jumps; jumps--)
		sim_schedule(sim, (struct sim_event){.at = sim_below(sim, sim->troubles_until),
		                                     .kind = SIM_CLOCK,
		                                     .node = (uint16_t)sim_below(sim, sim->count)});
}

/* Everything submitted is final everywhere it must be, and the network moved on after healing. */
static bool settled(const struct sim *sim, uint64_t healed_top)
{
	uint64_t top = monitor_top(sim);
	if (monitor_open(sim) || top < healed_top + 12)
		return false;
	for (unsigned i = 0; i < sim->count; i++)
		if (sim->nodes[i].honest &&
		    (!sim->nodes[i].up || sim->nodes[i].applied.index + 25 + SIM_INTERVAL < top ||
		     sim->nodes[i].applied.index < healed_top))
			return false;
	return true;
}

static enum sim_verdict run(struct sim *sim)
{
	struct sim_event event;
	bool healed = false;
	uint64_t healed_top = 0;
	plan(sim);
	uint64_t deadline = sim->troubles_until + 40 * SECOND;
	while (!sim->violation[0] && next_event(sim, &event)) {
		sim->now = event.at;
		sim->events++;
		handle(sim, &event);
		blob_release(event.blob);
		if (!healed && !troubled(sim)) {
			healed = true;
			partition(sim);
			for (unsigned i = 0; i < sim->count; i++) {
				sim->nodes[i].rate = 1024;
				if (!sim->nodes[i].up)
					sim_schedule(sim, (struct sim_event){.at = sim->now,
					                                     .kind = SIM_START,
					                                     .node = (uint16_t)i});
			}
			healed_top = monitor_top(sim);
		}
		if (healed && event.kind == SIM_TICK && settled(sim, healed_top))
			return SIM_GOOD;
		if (sim->now > deadline) {
			snprintf(sim->violation, sizeof(sim->violation),
			         "stall: %u payloads open, top commit %lu, %lu at healing", monitor_open(sim),
			         monitor_top(sim), healed_top);
			return SIM_STALL;
		}
	}
	return sim->violation[0] ? SIM_VIOLATION : SIM_STALL;
}

enum sim_verdict sim_run(const struct sim_config *config, uint64_t seed, char why[256], uint64_t *events)
{
	struct sim *sim = ledger_allocate(1, sizeof(*sim));
	sim->config = *config;
	sim->seed = sim->random = seed;
	sim->count = config->validators;
	sim->monitor = monitor_create();
	enum sim_verdict verdict = run(sim);
	if (config->verbose || verdict == SIM_STALL)
		for (unsigned i = 0; i < sim->count && config->verbose; i++) {
			struct sim_node *node = &sim->nodes[i];
			struct dag_figures figures = {0};
			if (node->dag)
				dag_get_figures(node->dag, &figures);
			fprintf(stderr,
			        "  node %u %s lies %u up %d: epoch %lu round %lu leader %lu committed %lu "
			        "applied %lu stable %lu "
			        "waiting %lu refused %lu%s\n",
			        i, node->honest ? "honest" : "liar", node->lies, node->up, figures.epoch,
			        figures.round, figures.leader_round, figures.committed, node->applied.index,
			        figures.stable, figures.batches_waiting, figures.refused,
			        figures.restoring ? " restoring" : "");
		}
	memcpy(why, sim->violation, sizeof(sim->violation));
	*events += sim->events;
	for (unsigned i = 0; i < sim->count; i++) {
		struct sim_node *node = &sim->nodes[i];
		if (node->dag)
			node_stop(sim, node);
		for (unsigned j = 0; j < node->log_count; j++)
			blob_release(node->log[j].blob);
		free(node->log);
		free(node->waiting);
	}
	for (unsigned i = 0; i < sim->heap_count; i++)
		blob_release(sim->heap[i].blob);
	free(sim->heap);
	monitor_destroy(sim->monitor);
	free(sim);
	return verdict;
}
