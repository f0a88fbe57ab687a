/*
 * The deterministic simulator: a whole network of validators in one thread, with virtual time, disks and
 * clocks, and everything that can go wrong decided by one seed. The cores are the very ones that the node
 * runs; only signatures are replaced, by a fast keyed hash behind the same interface.
 *
 * A run has a time of troubles (delays, loss, partitions, crashes, lying validators, clocks that jump) and
 * then a time of healing, in which everything that honest validators submitted must become final. Checks are
 * made at every step: monitor.c lists them.
 */
#ifndef LEDGER_SIMULATE_SIMULATE_H
#define LEDGER_SIMULATE_SIMULATE_H

#include "ledger/dag/dag.h"
#include "ledger/dag/effect_queue.h"

#define SIM_SIGNATURE 16
#define SIM_INTERVAL  10 /* commits between checkpoints */
#define SIM_NOBODY    UINT16_MAX

enum sim_lie {
	LIE_EQUIVOCATE = 1, /* two headers a round, each shown to some */
	LIE_WITHHOLD = 2,   /* batches shown to few, or to nobody */
	LIE_CATCHUP = 4,    /* forged states and snapshots */
	LIE_VOTES = 8,      /* votes for everything, and votes forged in others' names */
	LIE_PARENTS = 16,   /* headers with links to nothing */
	LIE_GARBAGE = 32,   /* damaged messages */
	LIE_SILENT = 64,    /* says nothing at times */
	LIE_SLOW = 128,     /* late, always */
	LIE_TIME = 256,     /* claims any time */
};

struct sim_record {
	enum dag_record kind;
	uint64_t ticket;
	struct blob *blob;
};

/* The application after commit `index`: a chain of hashes over commits, and the last epoch that ended (index 0: none). */
struct sim_state {
	uint64_t index, ended_index, ended_epoch;
	uint8_t root[DAG_ROOT_SIZE];
};

struct sim_node {
	struct dag *dag;
	unsigned number;
	bool up, honest;
	unsigned lies;
	uint64_t incarnation; /* events of former lives are void */

	/* disk: records up to `durable` survive a crash; the write under way ends at `writing` */
	struct sim_record *log;
	unsigned log_count, log_room;
	uint64_t durable, writing;

	struct sim_state applied, applied_durable; /* the application's */
	struct effect_queue waiting;

	/* clock: virtual time times rate plus offset */
	int64_t offset_us;
	unsigned rate; /* in 1/1024 */
	uint64_t unix_lie_ms;

	uint64_t tick_at, sequence;
	uint64_t link_free_at[DAG_MAX_VALIDATORS];
};

enum sim_event_kind {
	SIM_MESSAGE,
	SIM_TICK,
	SIM_DISK,
	SIM_CRASH,
	SIM_START,
	SIM_SUBMIT,
	SIM_PARTITION,
	SIM_SNAPSHOT,
	SIM_CLOCK,
};

struct sim_event {
	uint64_t at, order; /* order makes equal times deterministic */
	enum sim_event_kind kind;
	uint16_t node, from;
	uint64_t number; /* ticket, incarnation of a snapshot's asker, … */
	uint64_t incarnation;
	struct blob *blob;
};

struct sim_config {
	unsigned validators;
	enum dag_mode mode;
	bool verbose;
};

struct monitor;

struct sim {
	struct sim_config config;
	uint64_t seed, random;
	uint64_t now, order;
	struct sim_event *heap;
	unsigned heap_count, heap_room;
	unsigned count; /* nodes */
	struct sim_node nodes[DAG_MAX_VALIDATORS];
	uint64_t secrets[DAG_MAX_VALIDATORS];
	uint64_t members;                  /* of epoch 0 */
	uint64_t side[DAG_MAX_VALIDATORS]; /* whom a node can reach */
	uint64_t troubles_until;
	unsigned loss, epoch_commits; /* loss in 1/1024; epoch_commits 0: one epoch */
	uint64_t slowest_us, jitter_us;
	unsigned rate_us; /* between submissions */
	struct monitor *monitor;
	char violation[256];
	uint64_t events;
};

/* What a run came to. */
enum sim_verdict {
	SIM_GOOD,
	SIM_VIOLATION,
	SIM_STALL,
};
enum sim_verdict sim_run(const struct sim_config *config, uint64_t seed, char why[256], uint64_t *events);

#define SECOND 1000000ull /* in virtual microseconds */

/* network.c: the run's one generator, events, and what lies between validators. */
uint64_t sim_random(struct sim *sim);
uint64_t sim_below(struct sim *sim, uint64_t limit);
bool sim_chance(struct sim *sim, unsigned in_1024);

void sim_schedule(struct sim *sim, struct sim_event event);
bool sim_next_event(struct sim *sim, struct sim_event *out);
/* Whether the time of troubles lasts. */
bool sim_troubled(const struct sim *sim);
/* Cuts the network anew, or makes it whole. */
void sim_partition(struct sim *sim);
void sim_violation(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sends over the simulated network, to everyone if so addressed; the blob is borrowed. */
void sim_transmit(struct sim *sim, unsigned from, unsigned to, struct blob *blob);
void sim_sign(struct sim *sim, unsigned validator, enum dag_message purpose, const struct dag_digest *digest,
              uint8_t *signature);

/* validator.c */
uint64_t sim_node_clock(const struct sim *sim, const struct sim_node *node);
uint64_t sim_node_unix(const struct sim *sim, const struct sim_node *node);
void sim_node_start(struct sim *sim, struct sim_node *node);
void sim_node_stop(struct sim_node *node);
void sim_node_crash(struct sim *sim, struct sim_node *node);
/* The log is durable up to `ticket`. */
void sim_node_written(struct sim *sim, struct sim_node *node, uint64_t ticket);
/* What the core wants done. */
void sim_node_carry_out(struct sim *sim, struct sim_node *node);
void sim_node_schedule_tick(struct sim *sim, struct sim_node *node);
void sim_node_submit(struct sim *sim, struct sim_node *node);
/* The answer to a request for a snapshot. */
void sim_node_snapshot(struct sim *sim, struct sim_node *node, const struct sim_event *event);
/* Who votes in the epoch after. */
uint64_t sim_next_members(const struct sim *sim, uint64_t epoch, uint64_t members);

/* liars.c: what a lying validator sends in place of `blob`. */
void liar_send(struct sim *sim, struct sim_node *node, unsigned to, struct blob *blob);
/* What it does when a message reaches it, besides what its core does. */
void liar_hear(struct sim *sim, struct sim_node *node, unsigned from, const struct blob *blob);
bool liar_snapshot(struct sim *sim, struct sim_node *node, uint64_t index, struct sim_state *state);

/* monitor.c: what every run is checked for. */
struct monitor *monitor_create(void);
void monitor_destroy(struct monitor *monitor);
/* A message that an honest node sends. */
void monitor_sent(struct sim *sim, const struct sim_node *node, const struct blob *blob);
/* Any vote that exists, also of liars: what quorums may be made of. */
void monitor_vote(struct sim *sim, const struct blob *blob);
void monitor_submitted(struct sim *sim, const struct sim_node *node, const struct blob *batch);
void monitor_commit(struct sim *sim, struct sim_node *node, const struct dag_effect *effect);
/* Its open payload may come out twice: it cannot know what was ordered in the commits it skipped. */
void monitor_restored(struct sim *sim, const struct sim_node *node);
void monitor_crash(struct sim *sim, const struct sim_node *node);
/* The state every validator must have after commit `index`; false if nobody got there. */
bool monitor_state(struct sim *sim, uint64_t index, struct sim_state *state);
/* The node has its state by applying a commit, or by a snapshot. */
void monitor_applied(struct sim *sim, const struct sim_node *node);
/* Submissions of honest nodes that nobody has seen final. */
unsigned monitor_open(const struct sim *sim);
uint64_t monitor_top(const struct sim *sim);

#endif
