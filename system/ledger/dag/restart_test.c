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

static struct dag *create_mode(enum dag_mode mode)
{
	struct dag_config config = {.self = 0,
	                            .mode = mode,
	                            .members = 15,
	                            .validators = 15,
	                            .signer = {NULL, SIGNATURE, sign, verify},
	                            .leader_timeout_us = 5000,
	                            .round_us = 100,
	                            .vote_us = VOTE_US,
	                            .idle_us = 1000,
	                            .sync_us = 1000,
	                            .checkpoint_commits = 2,
	                            .seed = 7};
	return dag_create(&config);
}

static struct dag *create(void)
{
	return create_mode(DAG_CERTIFIED);
}

/* A header by the author; of a round above the first with the links of a quorum to nothing that is there. */
static void offer_round(struct dag *dag, enum dag_mode mode, unsigned author, uint64_t round)
{
	unsigned links = round > 1 ? 3 : 0;
	struct blob *header = blob_create(WIRE_HEADER_HEAD + links * WIRE_STRONG_ENTRY + SIGNATURE);
	memset(header->data, 0x5a, header->size);
	memset(header->data, 0, WIRE_HEADER_HEAD + links * WIRE_STRONG_ENTRY);
	header->data[0] = DAG_HEADER;
	header->data[1] = (uint8_t)mode;
	store_le16(header->data + 2, (uint16_t)author);
	store_le64(header->data + 12, round);
	store_le16(header->data + 30, (uint16_t)links);
	for (unsigned i = 0; i < links; i++)
		store_le16(header->data + WIRE_HEADER_HEAD + i * WIRE_STRONG_ENTRY, (uint16_t)i);
	dag_receive(dag, author, header);
	blob_release(header);
}

/* A header of round 1 by the author. */
static void offer_header(struct dag *dag, unsigned author)
{
	offer_round(dag, DAG_CERTIFIED, author, 1);
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

/* Whether our header of the round leaves at that moment. */
static bool proposes_at(struct dag *dag, uint64_t now_us, uint64_t round)
{
	bool proposed = false;
	dag_tick(dag, now_us, 1);
	dag_flush(dag);
	dag_persisted(dag, UINT64_MAX / 2);
	dag_flush(dag);
	for (struct dag_effect *effect; (effect = dag_next_effect(dag));) {
		struct dag_effect mine = *effect;
		proposed |= mine.kind == DAG_SEND && mine.blob->data[0] == DAG_HEADER &&
		            load_le64(mine.blob->data + 12) == round;
		dag_effect_release(&mine);
	}
	return proposed;
}

/* A leader that fell behind and went on above its round is not waited for; one of which nothing is known is. */
static void test_leader_passed(void)
{
	unsigned waited = 0, gone_on = 0;
	for (unsigned absent = 1; absent < 4; absent++) {
		struct dag *dag = create_mode(DAG_UNCERTIFIED);
		dag_begin(dag, 1000, 1, 0);
		bool first = proposes_at(dag, 2001, 1);
		for (unsigned author = 1; author < 4; author++)
			if (author != absent)
				offer_round(dag, DAG_UNCERTIFIED, author, 1);
		if (first && !proposes_at(dag, 3500, 2)) {
			waited++;
			offer_round(dag, DAG_UNCERTIFIED, absent, 2);
			gone_on += proposes_at(dag, 3501, 2);
		}
		dag_destroy(dag);
	}
	check(waited == 1 && gone_on == 1,
	      "propose: a leader that went on without its round is not waited for");
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
	test_leader_passed();
	test_votes_again();
	test_lagging_log();
	return test_finish();
}
