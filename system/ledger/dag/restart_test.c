/*
 * A validator that starts again: what the records in its log bind it to, and how it goes on when the
 * application holds a snapshot that the log does not know of.
 */
#include "crypto/test_support.h"
#include "ledger/dag/dag.h"

#define SIGNATURE 16
#define VOTE_US   60

static void sign(void *context, enum dag_message purpose, const struct dag_digest *digest, uint8_t *signature)
{
	(void)context;
	(void)purpose;
	(void)digest;
	memset(signature, 0x5a, SIGNATURE);
}

static bool verify(void *context, unsigned validator, enum dag_message purpose,
                   const struct dag_digest *digest, const uint8_t *signature)
{
	(void)context;
	(void)validator;
	(void)purpose;
	(void)digest;
	return signature[0] == 0x5a;
}

static struct dag *create(void)
{
	struct dag_config config = {.self = 0,
	                            .members = 15,
	                            .validators = 15,
	                            .signer = {NULL, SIGNATURE, sign, verify},
	                            .leader_timeout_us = 1000,
	                            .round_us = 100,
	                            .vote_us = VOTE_US,
	                            .idle_us = 1000,
	                            .sync_us = 1000,
	                            .checkpoint_commits = 2,
	                            .seed = 7};
	return dag_create(&config);
}

/* A header of round 1 by the author. */
static void offer_header(struct dag *dag, unsigned author)
{
	struct blob *header = blob_create(WIRE_HEADER_HEAD + SIGNATURE);
	memset(header->data, 0x5a, header->size);
	memset(header->data, 0, WIRE_HEADER_HEAD);
	header->data[0] = DAG_HEADER;
	store_le16(header->data + 2, (uint16_t)author);
	store_le64(header->data + 12, 1);
	dag_receive(dag, author, header);
	blob_release(header);
}

/* Whether a validator whose log holds this record votes for a header of round 1 by author 1. */
static bool votes_after(const uint8_t *record, size_t size)
{
	struct dag *dag = create();
	if (size)
		dag_replay(dag, RECORD_VOTED, record, size, 1);
	dag_begin(dag, 1000, 1, 0);
	offer_header(dag, 1);
	dag_flush(dag);
	bool voted = false;
	for (struct dag_effect *effect; (effect = dag_next_effect(dag));) {
		struct dag_effect mine = *effect;
		voted = voted || (mine.kind == DAG_PERSIST && mine.record == RECORD_VOTED);
		dag_effect_release(&mine);
	}
	dag_destroy(dag);
	return voted;
}

static void test_votes_again(void)
{
	uint8_t record[WIRE_REF_ENTRY + 8] = {0};
	struct dag_ref ref = {.round = 1, .author = 1};
	check(votes_after(record, 0), "log: a header of a round without a vote gets one");
	wire_put_ref(record, &ref);
	check(!votes_after(record, sizeof(record)), "log: a vote that it holds is not cast again");
	ref = (struct dag_ref){.round = 5, .author = UINT16_MAX};
	wire_put_ref(record, &ref);
	check(!votes_after(record, sizeof(record)), "log: nor any up to the floor that it holds");
	store_le64(record + WIRE_REF_ENTRY, 3);
	check(votes_after(record, sizeof(record)), "log: the floor of another epoch binds nobody");
}

/* A certified state of commit `index`: an epoch's start, or one within the epoch whose last leader is of `round`. */
static struct blob *state_of(uint64_t epoch, uint64_t index, uint64_t round)
{
	struct dag_order order;
	order_start(&order, DAG_CERTIFIED, epoch, 15, index, 1, NULL);
	order.leader_round = round;
	order.gc_round = round > 2 ? round - 2 : 0;
	struct blob *encoded = order_encode(&order);
	struct blob *message =
	    blob_create(5 + (size_t)encoded->size + DAG_ROOT_SIZE + 2 + 3 * (2 + SIGNATURE));
	uint8_t *at = message->data;
	*at = DAG_STATE;
	store_le32(at + 1, encoded->size);
	memcpy(at + 5, encoded->data, encoded->size);
	at += 5 + encoded->size;
	memset(at, 0xab, DAG_ROOT_SIZE);
	at += DAG_ROOT_SIZE;
	store_le16(at, 3);
	at += 2;
	for (unsigned i = 1; i <= 3; i++, at += 2 + SIGNATURE) {
		store_le16(at, (uint16_t)i);
		memset(at + 2, 0x5a, SIGNATURE);
	}
	blob_release(encoded);
	return message;
}

/* What the validator does about the state: asks for a snapshot, writes that it goes on from it, keeps the epoch's start. */
struct reaction {
	bool restores, goes_on, learns;
};

static struct reaction offer(struct dag *dag, uint64_t epoch, uint64_t index, uint64_t round)
{
	struct reaction reaction = {0};
	struct blob *message = state_of(epoch, index, round);
	dag_receive(dag, 1, message);
	blob_release(message);
	dag_flush(dag);
	for (struct dag_effect *effect; (effect = dag_next_effect(dag));) {
		struct dag_effect mine = *effect;
		reaction.restores = reaction.restores || mine.kind == DAG_RESTORE;
		reaction.goes_on =
		    reaction.goes_on || (mine.kind == DAG_PERSIST && mine.record == RECORD_STATE);
		reaction.learns =
		    reaction.learns || (mine.kind == DAG_PERSIST && mine.record == RECORD_BOUNDARY);
		dag_effect_release(&mine);
	}
	return reaction;
}

/* The application holds commit 30, the log nothing: a crash fell between the two. */
static struct dag *lagging(void)
{
	struct dag *dag = create();
	dag_begin(dag, 1000, 1, 30);
	dag_flush(dag);
	for (struct dag_effect *effect; (effect = dag_next_effect(dag));) {
		struct dag_effect mine = *effect;
		dag_effect_release(&mine);
	}
	return dag;
}

static void test_lagging_log(void)
{
	struct dag_figures figures;
	struct dag *dag = lagging();
	struct reaction reaction = offer(dag, 1, 30, 0);
	dag_get_figures(dag, &figures);
	check(reaction.goes_on && !reaction.restores && figures.epoch == 1 && figures.committed == 30 &&
	          figures.applied == 30,
	      "restart: the epoch's start that the application holds is gone on from, without a snapshot");
	reaction = offer(dag, 1, 30, 0);
	check(!reaction.goes_on && !reaction.restores, "restart: and only once");
	dag_destroy(dag);
	dag = lagging();
	reaction = offer(dag, 0, 30, 20);
	check(reaction.goes_on && !reaction.restores, "restart: so is a state within the epoch");
	dag_destroy(dag);
	dag = lagging();
	reaction = offer(dag, 0, 20, 14);
	check(!reaction.goes_on && !reaction.restores, "restart: a state below the application's is not");
	reaction = offer(dag, 0, 32, 22);
	check(!reaction.goes_on && reaction.restores, "restart: for one above it a snapshot is asked for");
	dag_destroy(dag);
	dag = lagging();
	reaction = offer(dag, 1, 20, 0);
	dag_get_figures(dag, &figures);
	check(reaction.learns && !reaction.goes_on && !reaction.restores && figures.epoch == 0,
	      "restart: an epoch's start below the application's commit tells who votes, and no more");
	reaction = offer(dag, 1, 30, 8);
	dag_get_figures(dag, &figures);
	check(reaction.goes_on && !reaction.restores && figures.epoch == 1,
	      "restart: by which the state of the application's commit is known");
	dag_destroy(dag);
}

/* How many votes leave at that moment; all is durable. `messages` counts what they leave in. */
static unsigned votes_at(struct dag *dag, uint64_t now_us, unsigned *messages)
{
	unsigned votes = 0;
	*messages = 0;
	dag_tick(dag, now_us, 1);
	dag_flush(dag);
	dag_persisted(dag, UINT64_MAX / 2);
	dag_flush(dag);
	for (struct dag_effect *effect; (effect = dag_next_effect(dag));) {
		struct dag_effect mine = *effect;
		if (mine.kind == DAG_SEND && mine.blob->data[0] == DAG_VOTES) {
			votes += load_le16(mine.blob->data + 11);
			++*messages;
		}
		dag_effect_release(&mine);
	}
	return votes;
}

static void test_votes_together(void)
{
	unsigned messages;
	struct dag *dag = create();
	dag_begin(dag, 1000, 1, 0);
	offer_header(dag, 1);
	unsigned early = votes_at(dag, 1010, &messages);
	bool timed = dag_deadline(dag) <= 1010 + VOTE_US;
	offer_header(dag, 2);
	early += votes_at(dag, 1020, &messages);
	offer_header(dag, 3);
	check(!early && timed && votes_at(dag, 1030, &messages) == 3 && messages == 1,
	      "votes: those of a round leave together, under one signature");
	dag_destroy(dag);
	dag = create();
	dag_begin(dag, 1000, 1, 0);
	offer_header(dag, 1);
	early = votes_at(dag, 1010, &messages);
	offer_header(dag, 3);
	early += votes_at(dag, 1009 + VOTE_US, &messages);
	check(!early && votes_at(dag, 1010 + VOTE_US, &messages) == 2 && messages == 1,
	      "votes: they wait no longer than they may for the rest");
	dag_destroy(dag);
}

/* What the log led to is known after the first turn, and not before; who cannot execute it asks for a state. */
static void test_recovered(void)
{
	struct dag_figures figures;
	struct dag *dag = create();
	struct blob *state = state_of(0, 40, 20);
	dag_replay(dag, RECORD_STATE, state->data + 5, load_le32(state->data + 1) + (size_t)DAG_ROOT_SIZE, 1);
	dag_begin(dag, 1000, 1, 38);
	dag_get_figures(dag, &figures);
	bool unknown = figures.recovered == UINT64_MAX;
	dag_flush(dag);
	dag_get_figures(dag, &figures);
	check(unknown && figures.recovered == 40 && figures.applied == 38,
	      "restart: what the log leads to is known");
	bool asked = false;
	dag_want_state(dag);
	for (struct dag_effect *effect; (effect = dag_next_effect(dag));) {
		struct dag_effect mine = *effect;
		asked = asked || (mine.kind == DAG_SEND && mine.blob->data[0] == DAG_STATE_WANT &&
		                  load_le64(mine.blob->data + 1) == 38);
		dag_effect_release(&mine);
	}
	check(asked, "restart: a state beyond what was executed is asked for");
	blob_release(state);
	dag_destroy(dag);
}

int main(void)
{
	test_recovered();
	test_votes_together();
	test_votes_again();
	test_lagging_log();
	return test_finish();
}
