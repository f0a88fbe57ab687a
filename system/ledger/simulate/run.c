/* The run itself: what is planned for the time of troubles, events carried out, and whether all is well after the healing. */
#include "ledger/simulate/simulate.h"

#include <stdio.h>
#include <stdlib.h>

static void handle(struct sim *sim, struct sim_event *event)
{
	struct sim_node *node = &sim->nodes[event->node];
	switch (event->kind) {
	case SIM_MESSAGE:
		if (!node->up)
			return;
		dag_tick(node->dag, sim_node_clock(sim, node), sim_node_unix(sim, node));
		if (!node->honest)
			liar_hear(sim, node, event->from, event->blob);
		dag_receive(node->dag, event->from, event->blob);
		break;
	case SIM_TICK:
		if (!node->up || event->incarnation != node->incarnation || event->at != node->tick_at)
			return;
		node->tick_at = 0;
		dag_tick(node->dag, sim_node_clock(sim, node), sim_node_unix(sim, node));
		break;
	case SIM_DISK:
		if (!node->up || event->incarnation != node->incarnation)
			return;
		sim_node_written(sim, node, event->number);
		break;
	case SIM_CRASH:
		if (node->up) {
			sim_node_crash(sim, node);
			sim_schedule(sim, (struct sim_event){.at = sim->now + 1000 + sim_below(sim, SECOND),
			                                     .kind = SIM_START,
			                                     .node = event->node});
		}
		return;
	case SIM_START:
		if (!node->up)
			sim_node_start(sim, node);
		return;
	case SIM_SUBMIT:
		sim_node_submit(sim, node);
		if (sim_troubled(sim))
			sim_schedule(sim, (struct sim_event){.at = sim->now + sim->rate_us / 2 +
			                                           sim_below(sim, sim->rate_us),
			                                     .kind = SIM_SUBMIT,
			                                     .node = event->node});
		if (!node->up)
			return;
		break;
	case SIM_PARTITION:
		sim_partition(sim);
		return;
	case SIM_SNAPSHOT:
		if (!node->up || event->incarnation != node->incarnation)
			return;
		sim_node_snapshot(sim, node, event);
		break;
	case SIM_CLOCK:
		node->offset_us += (int64_t)sim_below(sim, 20 * SECOND) - (int64_t)(10 * SECOND);
		if (node->offset_us < -(int64_t)(900 * SECOND))
			node->offset_us = 0;
		node->rate = 700 + (unsigned)sim_below(sim, 700);
		return;
	}
	sim_node_carry_out(sim, node);
	if (node->up)
		sim_node_schedule_tick(sim, node);
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
	while (!sim->violation[0] && sim_next_event(sim, &event)) {
		sim->now = event.at;
		sim->events++;
		handle(sim, &event);
		blob_release(event.blob);
		if (!healed && !sim_troubled(sim)) {
			healed = true;
			sim_partition(sim);
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
			sim_node_stop(node);
		for (unsigned j = 0; j < node->log_count; j++)
			blob_release(node->log[j].blob);
		free(node->log);
		effect_queue_free(&node->waiting);
	}
	for (unsigned i = 0; i < sim->heap_count; i++)
		blob_release(sim->heap[i].blob);
	free(sim->heap);
	monitor_destroy(sim->monitor);
	free(sim);
	return verdict;
}
