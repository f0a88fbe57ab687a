/* Flattening of committed leaders, the leaders' table, and the state's encoding. */
#include "ledger/dag/dag.h"

#include <stdlib.h>

#include "crypto/blake3.h"

const struct dag_rule *dag_rule_of(enum dag_mode mode)
{
	return mode == DAG_CERTIFIED ? &dag_rule_bullshark : &dag_rule_mysticeti;
}

static void table_reset(struct dag_order *order)
{
	unsigned count = 0;
	for (uint64_t left = order->committee.members; left; left &= left - 1)
		order->table[count++] = (uint8_t)__builtin_ctzll(left);
}

void order_start(struct dag_order *order, enum dag_mode mode, uint64_t epoch, uint64_t members,
                 uint64_t index, uint64_t time_ms, const struct dag_digest *digest)
{
	memset(order, 0, sizeof(*order));
	order->mode = mode;
	order->committee = (struct dag_committee){epoch, members, set_size(members)};
	order->index = index;
	order->time_ms = time_ms;
	if (digest)
		order->digest = *digest;
	table_reset(order);
}

int order_leader(const struct dag_order *order, uint64_t round)
{
	if (order->mode == DAG_UNCERTIFIED)
		return round ? order->table[round % order->committee.size] : -1;
	return round && round % 2 == 0 ? order->table[round / 2 % order->committee.size] : -1;
}

bool order_done(const struct dag_order *order, uint64_t round, unsigned author)
{
	return round <= order->gc_round || (order->ordered[round % DAG_WINDOW] >> author & 1);
}

/* The median of the times that the leader's parents claim, never below the commit before. */
static uint64_t commit_time(const struct dag_order *order, const struct dag_store *store,
                            const struct dag_vertex *leader)
{
	uint64_t times[DAG_MAX_VALIDATORS];
	unsigned count = 0;
	for (unsigned i = 0; i < leader->view.strong_count; i++) {
		struct dag_ref ref;
		wire_strong(leader->view.strong + (size_t)i * WIRE_STRONG_ENTRY, leader->ref.round, &ref);
		struct dag_vertex *parent = store_find(store, &ref);
		if (!parent)
			continue;
		unsigned at = count++;
		for (; at && times[at - 1] > parent->view.time_ms; at--)
			times[at] = times[at - 1];
		times[at] = parent->view.time_ms;
	}
	uint64_t median = DAG_BUG(BUG_TIME) ? leader->view.time_ms : count ? times[count / 2] : 0;
	return median > order->time_ms ? median : order->time_ms;
}

static void score(struct dag_order *order, const struct dag_vertex *vertex)
{
	for (unsigned i = 0; i < ORDER_LEADERS; i++) {
		const struct dag_ref *leader = &order->leaders[i];
		struct dag_digest named;
		if (leader->round && leader->round + 1 == vertex->ref.round &&
		    vertex_links(vertex, leader->author, &named) && digest_equal(&named, &leader->digest))
			order->scores[vertex->ref.author]++;
	}
}

/*
 * The f validators that voted least for committed leaders give their turns to the f that voted most. Nobody
 * is out: the next period judges anew.
 */
static void table_renew(struct dag_order *order)
{
	unsigned size = order->committee.size, faults = committee_faults(size);
	uint8_t ranked[DAG_MAX_VALIDATORS] = {0};
	table_reset(order);
	for (unsigned i = 0; i < size; i++) {
		unsigned at = i;
		for (; at && order->scores[ranked[at - 1]] < order->scores[order->table[i]]; at--)
			ranked[at] = ranked[at - 1];
		ranked[at] = order->table[i];
	}
	for (unsigned i = 0; i < faults; i++) {
		uint8_t worst = ranked[size - 1 - i], best = ranked[i];
		if (order->scores[worst] * 2 >= order->scores[best])
			continue;
		for (unsigned j = 0; j < size; j++)
			if (order->table[j] == worst)
				order->table[j] = best;
	}
	memset(order->scores, 0, sizeof(order->scores));
	order->commits_in_period = 0;
}

/* Marks the unordered history of `leader` above `gc` and lists it, newest round first, authors descending. */
static unsigned collect(const struct dag_order *order, struct dag_store *store, struct dag_vertex *leader,
                        uint64_t gc, struct dag_vertex ***out)
{
	unsigned count = 0, room = 64;
	struct dag_vertex **list = ledger_allocate(room, sizeof(struct dag_vertex *));
	uint64_t mark = ++store->marks, waiting = 1; /* marked vertices below the current one */
	leader->mark = mark;
	for (uint64_t round = leader->ref.round; round > gc && waiting; round--)
		for (unsigned author = DAG_MAX_VALIDATORS; author-- > 0;) {
			struct dag_vertex *chosen = NULL;
			for (struct dag_vertex *vertex = store_slot(store, round, author); vertex;
			     vertex = vertex->variant) {
				if (vertex->mark != mark)
					continue;
				waiting--;
				if (!chosen ||
				    memcmp(&vertex->ref.digest, &chosen->ref.digest, DAG_DIGEST_SIZE) < 0)
					chosen = vertex;
				for (unsigned i = 0; i < vertex->view.strong_count + vertex->view.weak_count;
				     i++) {
					struct dag_ref ref;
					if (i < vertex->view.strong_count)
						wire_strong(vertex->view.strong +
						                (size_t)i * WIRE_STRONG_ENTRY,
						            round, &ref);
					else
						wire_ref(vertex->view.weak +
						             (size_t)(i - vertex->view.strong_count) *
						                 WIRE_REF_ENTRY,
						         &ref);
					if (ref.round <= gc || order_done(order, ref.round, ref.author))
						continue;
					struct dag_vertex *parent = store_find(store, &ref);
					if (parent && parent->mark != mark) {
						parent->mark = mark;
						waiting++;
					}
				}
			}
			if (!chosen)
				continue;
			if (count == room) {
				struct dag_vertex **more =
				    ledger_allocate(2 * room, sizeof(struct dag_vertex *));
				memcpy(more, list, room * sizeof(struct dag_vertex *));
				free(list);
				list = more;
				room *= 2;
			}
			list[count++] = chosen;
		}
	*out = list;
	return count;
}

static void digest_advance(struct dag_order *order, struct dag_vertex *const *list, unsigned count)
{
	struct blake3 hash;
	uint8_t index[8];
	store_le64(index, order->index);
	blake3_init_derive_key(&hash, "Holon ledger commit v1", 22);
	blake3_update(&hash, &order->digest, sizeof(order->digest));
	blake3_update(&hash, index, sizeof(index));
	for (unsigned i = 0; i < count; i++)
		blake3_update(&hash, &list[i]->ref.digest, DAG_DIGEST_SIZE);
	blake3_final(&hash, order->digest.bytes, DAG_DIGEST_SIZE);
}

struct dag_commit *order_commit(struct dag_order *order, struct dag_store *store)
{
	struct dag_vertex *leader = dag_rule_of(order->mode)->next(order, store), **list;
	if (!leader)
		return NULL;
	uint64_t round = leader->ref.round, gc = round > DAG_GC_DEPTH ? round - DAG_GC_DEPTH : 0;
	if (DAG_BUG(BUG_GC_LOCAL) && store->top > 4 && store->top - 4 > gc)
		gc = store->top - 4 < round ? store->top - 4 : round - 1;
	unsigned count = collect(order, store, leader, gc, &list);
	for (unsigned i = 0; i < count / 2; i++) {
		struct dag_vertex *other = list[i];
		list[i] = list[count - 1 - i];
		list[count - 1 - i] = other;
	}
	order->index++;
	order->time_ms = commit_time(order, store, leader);
	digest_advance(order, list, count);
	struct dag_commit *commit = ledger_allocate(1, sizeof(*commit));
	*commit = (struct dag_commit){.index = order->index,
	                              .epoch = order->committee.epoch,
	                              .round = round,
	                              .time_ms = order->time_ms,
	                              .leader = leader->ref.author,
	                              .digest = order->digest,
	                              .count = count,
	                              .headers = ledger_allocate(count, sizeof(struct blob *))};
	for (unsigned i = 0; i < count; i++) {
		commit->headers[i] = blob_hold(list[i]->header);
		order->ordered[list[i]->ref.round % DAG_WINDOW] |= set_of(list[i]->ref.author);
		score(order, list[i]);
	}
	for (; order->gc_round < gc; order->gc_round++)
		order->ordered[(order->gc_round + 1) % DAG_WINDOW] = 0;
	order->leader_round = round;
	memmove(order->leaders, order->leaders + 1, sizeof(order->leaders) - sizeof(order->leaders[0]));
	order->leaders[ORDER_LEADERS - 1] = leader->ref;
	if (++order->commits_in_period == ORDER_PERIOD)
		table_renew(order);
	free(list);
	return commit;
}

void commit_destroy(struct dag_commit *commit)
{
	if (!commit)
		return;
	for (unsigned i = 0; i < commit->count; i++)
		blob_release(commit->headers[i]);
	blob_release(commit->state);
	free(commit->headers);
	free(commit);
}

#define ORDER_FIXED (1 + 8 * 6 + 32 + ORDER_LEADERS * WIRE_REF_ENTRY + 2 + DAG_MAX_VALIDATORS * 5 + 2)

struct blob *order_encode(const struct dag_order *order)
{
	unsigned rounds = (unsigned)(order->leader_round - order->gc_round);
	struct blob *blob = blob_create(ORDER_FIXED + (size_t)rounds * 8);
	uint8_t *at = blob->data;
	*at++ = (uint8_t)order->mode;
	uint64_t numbers[6] = {order->committee.epoch, order->committee.members, order->index,
	                       order->leader_round,    order->gc_round,          order->time_ms};
	for (unsigned i = 0; i < 6; i++, at += 8)
		store_le64(at, numbers[i]);
	memcpy(at, &order->digest, 32);
	at += 32;
	for (unsigned i = 0; i < ORDER_LEADERS; i++, at += WIRE_REF_ENTRY)
		wire_put_ref(at, &order->leaders[i]);
	store_le16(at, (uint16_t)order->commits_in_period);
	at += 2;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++, at += 4)
		store_le32(at, order->scores[i]);
	memcpy(at, order->table, DAG_MAX_VALIDATORS);
	at += DAG_MAX_VALIDATORS;
	store_le16(at, (uint16_t)rounds);
	at += 2;
	for (unsigned i = 0; i < rounds; i++, at += 8)
		store_le64(at, order->ordered[(order->gc_round + 1 + i) % DAG_WINDOW]);
	return blob;
}

bool order_decode(const uint8_t *in, size_t size, struct dag_order *out)
{
	if (size < ORDER_FIXED || in[0] > DAG_UNCERTIFIED)
		return false;
	memset(out, 0, sizeof(*out));
	out->mode = *in++;
	uint64_t numbers[6];
	for (unsigned i = 0; i < 6; i++, in += 8)
		numbers[i] = load_le64(in);
	out->committee = (struct dag_committee){numbers[0], numbers[1], set_size(numbers[1])};
	out->index = numbers[2];
	out->leader_round = numbers[3];
	out->gc_round = numbers[4];
	out->time_ms = numbers[5];
	memcpy(&out->digest, in, 32);
	in += 32;
	for (unsigned i = 0; i < ORDER_LEADERS; i++, in += WIRE_REF_ENTRY) {
		wire_ref(in, &out->leaders[i]);
		if (out->leaders[i].author >= DAG_MAX_VALIDATORS)
			return false;
	}
	out->commits_in_period = load_le16(in);
	in += 2;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++, in += 4)
		out->scores[i] = load_le32(in);
	memcpy(out->table, in, DAG_MAX_VALIDATORS);
	in += DAG_MAX_VALIDATORS;
	unsigned rounds = load_le16(in);
	in += 2;
	if (!out->committee.size || out->gc_round > out->leader_round || rounds > DAG_GC_DEPTH ||
	    rounds != out->leader_round - out->gc_round || size != ORDER_FIXED + (size_t)rounds * 8 ||
	    out->commits_in_period >= ORDER_PERIOD || out->leader_round > UINT64_MAX - 2 * DAG_WINDOW)
		return false;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		if (i < out->committee.size ? out->table[i] >= DAG_MAX_VALIDATORS ||
		                                  !(out->committee.members >> out->table[i] & 1)
		                            : out->table[i] != 0)
			return false;
	for (unsigned i = 0; i < rounds; i++, in += 8)
		out->ordered[(out->gc_round + 1 + i) % DAG_WINDOW] = load_le64(in);
	return true;
}
