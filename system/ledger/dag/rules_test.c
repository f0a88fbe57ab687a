/*
 * The commit rules on DAGs drawn by hand: the scenarios of the papers. A DAG is written round by round, a
 * word an author, each word naming the authors it links to.
 */
#include "crypto/test_support.h"
#include "ledger/dag/dag.h"

#define SIGNATURE 16
#define AUTHORS   4

static struct dag_store *store;
static struct dag_order order;
static struct dag_ref refs[40][AUTHORS][2]; /* the second: an equivocating variant */

static void start(enum dag_mode mode)
{
	store_destroy(store);
	store = store_create(0);
	order_start(&order, mode, 0, 15, 0, 0, NULL);
	memset(refs, 0, sizeof(refs));
}

/* Links "012" to variants named after a colon, as "012:0" where author 0's second variant is meant. */
static void put(uint64_t round, unsigned author, unsigned variant, const char *links)
{
	const char *colon = strchr(links, ':');
	unsigned count = (unsigned)(colon ? (size_t)(colon - links) : strlen(links));
	size_t signed_size = WIRE_HEADER_HEAD + (size_t)count * WIRE_STRONG_ENTRY;
	struct blob *blob = blob_create(signed_size + SIGNATURE);
	memset(blob->data, 0, blob->size);
	blob->data[0] = DAG_HEADER;
	blob->data[1] = (uint8_t)order.mode;
	store_le16(blob->data + 2, (uint16_t)author);
	store_le64(blob->data + 12, round);
	store_le64(blob->data + 20, 1000 * round + 10 * author + variant);
	store_le16(blob->data + 30, (uint16_t)count);
	for (unsigned i = 0; i < count; i++) {
		unsigned parent = (unsigned)(links[i] - '0');
		uint8_t *entry = blob->data + WIRE_HEADER_HEAD + (size_t)i * WIRE_STRONG_ENTRY;
		store_le16(entry, (uint16_t)parent);
		memcpy(entry + 2, &refs[round - 1][parent][colon && strchr(colon, links[i]) ? 1 : 0].digest,
		       DAG_DIGEST_SIZE);
	}
	struct dag_ref *ref = &refs[round][author][variant];
	ref->round = round;
	ref->author = (uint16_t)author;
	wire_digest(DAG_HEADER, blob->data, signed_size, &ref->digest);
	store_insert(store, ref, blob, SIGNATURE, NULL, 0);
}

/* One round; "-" leaves an author out. */
static void row(uint64_t round, const char *a, const char *b, const char *c, const char *d)
{
	const char *links[AUTHORS] = {a, b, c, d};
	for (unsigned i = 0; i < AUTHORS; i++)
		if (strcmp(links[i], "-") != 0)
			put(round, i, 0, links[i]);
}

static void full(uint64_t from, uint64_t to)
{
	for (uint64_t round = from; round <= to; round++)
		row(round, round == 1 ? "" : "0123", round == 1 ? "" : "0123", round == 1 ? "" : "0123",
		    round == 1 ? "" : "0123");
}

/* The leaders committed, as "2a 3b": round and author; "" for none. */
static const char *commits(void)
{
	static char text[200];
	size_t at = 0;
	text[0] = 0;
	for (struct dag_commit *commit; (commit = order_commit(&order, store)) && at < 180;) {
		at += (size_t)snprintf(text + at, sizeof(text) - at, at ? " %lu%c" : "%lu%c", commit->round,
		                       'a' + commit->leader);
		commit_destroy(commit);
	}
	return text;
}

static void expect(const char *name, const char *want)
{
	const char *got = commits();
	check(!strcmp(got, want), "%s: commits '%s'%s%s", name, want, strcmp(got, want) ? ", got " : "",
	      strcmp(got, want) ? got : "");
}

static void test_quorums(void)
{
	bool good = true;
	for (unsigned n = 1; n <= DAG_MAX_VALIDATORS; n++) {
		unsigned f = committee_faults(n), q = committee_quorum(n), v = committee_validity(n);
		/* Quorums share an honest one; validity meets each quorum; the honest alone are a quorum. */
		good = good && 2 * q > n + f && v > f && v + q > n && n - f >= q;
	}
	check(good, "quorum and validity thresholds for 1 to 64 validators");
}

/* Bullshark: leaders of rounds 2, 4, 6 are authors 1, 2, 3, by turns. */
static void test_bullshark(void)
{
	start(DAG_CERTIFIED);
	full(1, 3);
	expect("bullshark, direct commit", "2b");
	start(DAG_CERTIFIED);
	full(1, 2);
	row(3, "023", "023", "023", "0123");
	expect("bullshark, one link is too few", "");
	row(4, "0123", "0123", "0123", "0123");
	row(5, "0123", "0123", "0123", "0123");
	expect("bullshark, a skipped leader is committed by the next one's path", "2b 4c");
	start(DAG_CERTIFIED);
	full(1, 2);
	row(3, "023", "023", "023", "-");
	full(4, 4);
	row(5, "0123", "0123", "-", "-");
	expect("bullshark, a leader without votes stays out", "4c");
	start(DAG_CERTIFIED);
	full(1, 1);
	row(2, "0123", "-", "0123", "0123");
	row(3, "023", "023", "023", "023");
	full(4, 5);
	expect("bullshark, a missing leader", "4c");
	start(DAG_CERTIFIED);
	full(1, 2);
	row(3, "0123", "023", "023", "-");
	expect("bullshark, before a late vote", "");
	row(3, "-", "-", "-", "0123");
	expect("bullshark, a late vote completes the support", "2b");
	start(DAG_CERTIFIED);
	full(1, 2);
	row(3, "0123", "023", "023", "023");
	row(4, "123", "123", "123", "123");
	full(5, 5);
	expect("bullshark, no path to the skipped leader", "4c");
	row(6, "0123", "0123", "0123", "0123");
	row(7, "0123", "0123", "0123", "0123");
	expect("bullshark, and it does not come back", "6d");
}

/* Mysticeti: the leader of round r is author r mod 4. */
static void test_mysticeti(void)
{
	start(DAG_UNCERTIFIED);
	full(1, 2);
	expect("mysticeti, no certificates yet", "");
	full(3, 3);
	expect("mysticeti, direct commit", "1b");
	full(4, 6);
	expect("mysticeti, a leader a round", "2c 3d 4a");
	start(DAG_UNCERTIFIED);
	full(1, 1);
	row(2, "023", "0123", "023", "023");
	full(3, 4);
	expect("mysticeti, direct skip", "2c");
	start(DAG_UNCERTIFIED);
	row(1, "", "-", "", "");
	row(2, "023", "023", "023", "023");
	full(3, 4);
	expect("mysticeti, a missing leader is skipped", "2c");
	/* Round 1's leader has three supporters, but only one certificate is made: undecided until an anchor.
	 */
	start(DAG_UNCERTIFIED);
	full(1, 1);
	row(2, "0123", "0123", "0123", "023");
	row(3, "012", "123", "023", "023");
	expect("mysticeti, one certificate is not enough", "");
	full(4, 5);
	expect("mysticeti, the next leaders wait for the first", "");
	full(6, 6);
	expect("mysticeti, indirect commit through a certificate below the anchor", "1b 2c 3d 4a");
	/* The same without the certificate: supporters split two and two. */
	start(DAG_UNCERTIFIED);
	full(1, 1);
	row(2, "0123", "0123", "023", "-");
	row(3, "012", "012", "012", "012");
	full(4, 6);
	expect("mysticeti, indirect skip without a certificate", "2c 3d 4a");
	/* Equivocation: two blocks of the leader, two supporters each: neither can have a certificate. */
	start(DAG_UNCERTIFIED);
	full(1, 1);
	put(1, 1, 1, "");
	row(2, "0123", "0123", "0123:1", "0123:1");
	full(3, 6);
	expect("mysticeti, an equivocating leader with split support", "2c 3d 4a");
	/* One variant has a quorum; the other is no obstacle. */
	start(DAG_UNCERTIFIED);
	full(1, 1);
	put(1, 1, 1, "");
	row(2, "0123", "0123", "0123", "0123:1");
	row(3, "012", "012", "012", "0123");
	expect("mysticeti, the variant with a quorum is committed", "1b");
}

static void test_history(void)
{
	/* What lies more than the horizon below a leader is not ordered; a slot's variants are ordered once.
	 */
	start(DAG_CERTIFIED);
	full(1, 30);
	(void)commits();
	bool all = true;
	for (uint64_t round = 1; round < 28; round++)
		for (unsigned author = 0; author < AUTHORS; author++)
			all = all && order_done(&order, round, author);
	check(all, "order: the whole history of a leader is ordered");
	struct blob *state = order_encode(&order);
	struct dag_order again;
	check(order_decode(state->data, state->size, &again) && again.index == order.index &&
	          !memcmp(again.table, order.table, sizeof(again.table)),
	      "order: the state survives its encoding");
	state->data[state->size - 1] ^= 1;
	check(!order_decode(state->data, state->size - 1, &again), "order: a cut state is refused");
	blob_release(state);
	/* Author 3 never votes for a leader: after a period its turns go to another. */
	start(DAG_CERTIFIED);
	full(1, 1);
	for (uint64_t round = 2; round < 40; round++)
		row(round, "0123", "0123", "0123", round % 2 ? "3" : "0123");
	unsigned turns = 0;
	(void)commits();
	check(order.index < ORDER_PERIOD, "order: leaders keep their turns within a period");
	for (unsigned i = 0; i < AUTHORS; i++)
		turns += order.table[i] == 3;
	check(turns == 1, "order: every member leads by turns at first");
}

int main(void)
{
	test_quorums();
	test_bullshark();
	test_mysticeti();
	test_history();
	store_destroy(store);
	return test_finish();
}
