/* The window of vertices, and walks through it. Walks go down round by round and never recurse. */
#include "ledger/dag/store.h"

#include <stdlib.h>

struct dag_store *store_create(uint64_t floor)
{
	struct dag_store *store = ledger_allocate(1, sizeof(*store));
	store->floor = floor;
	store->top = floor;
	return store;
}

static void vertex_destroy(struct dag_vertex *vertex)
{
	blob_release(vertex->header);
	for (unsigned i = 0; i < vertex->vote_count; i++)
		blob_release(vertex->votes[i]);
	free(vertex->votes);
	free(vertex);
}

static void round_clear(struct dag_store *store, uint64_t round)
{
	unsigned at = round % DAG_WINDOW;
	for (uint64_t left = store->present[at]; left; left &= left - 1) {
		unsigned author = (unsigned)__builtin_ctzll(left);
		while (store->slots[at][author]) {
			struct dag_vertex *vertex = store->slots[at][author];
			store->slots[at][author] = vertex->variant;
			vertex_destroy(vertex);
		}
	}
	store->present[at] = 0;
}

void store_destroy(struct dag_store *store)
{
	if (!store)
		return;
	for (uint64_t round = store->floor + 1; round <= store->top; round++)
		round_clear(store, round);
	free(store);
}

void store_raise_floor(struct dag_store *store, uint64_t floor)
{
	while (store->floor < floor && store->floor < store->top)
		round_clear(store, ++store->floor);
	if (store->floor < floor)
		store->floor = floor;
	if (store->top < store->floor)
		store->top = store->floor;
}

bool store_covers(const struct dag_store *store, uint64_t round)
{
	return round > store->floor && round - store->floor < DAG_WINDOW;
}

uint64_t store_present(const struct dag_store *store, uint64_t round)
{
	return store_covers(store, round) ? store->present[round % DAG_WINDOW] : 0;
}

struct dag_vertex *store_slot(const struct dag_store *store, uint64_t round, unsigned author)
{
	return store_covers(store, round) ? store->slots[round % DAG_WINDOW][author] : NULL;
}

struct dag_vertex *store_find(const struct dag_store *store, const struct dag_ref *ref)
{
	struct dag_vertex *vertex = store_slot(store, ref->round, ref->author);
	while (vertex && !digest_equal(&vertex->ref.digest, &ref->digest))
		vertex = vertex->variant;
	return vertex;
}

bool vertex_links(const struct dag_vertex *vertex, unsigned author, struct dag_digest *digest)
{
	uint64_t bit = set_of(author);
	if (!(vertex->view.strong_authors & bit))
		return false;
	unsigned place = set_size(vertex->view.strong_authors & (bit - 1));
	memcpy(digest, vertex->view.strong + (size_t)place * WIRE_STRONG_ENTRY + 2, DAG_DIGEST_SIZE);
	return true;
}

/* Calls for each link that the walk follows; the index runs over strong links, then weak ones. */
static void link_at(const struct header_view *view, unsigned index, struct dag_ref *ref)
{
	if (index < view->strong_count)
		wire_strong(view->strong + (size_t)index * WIRE_STRONG_ENTRY, view->round, ref);
	else
		wire_ref(view->weak + (size_t)(index - view->strong_count) * WIRE_REF_ENTRY, ref);
}

struct dag_vertex *store_insert(struct dag_store *store, const struct dag_ref *ref, struct blob *header,
                                size_t signature_size, struct blob **votes, unsigned vote_count)
{
	struct dag_vertex *vertex = ledger_allocate(1, sizeof(*vertex));
	unsigned at = ref->round % DAG_WINDOW;
	vertex->ref = *ref;
	vertex->header = header;
	vertex->votes = votes;
	vertex->vote_count = vote_count;
	/* It was decoded before; the view is made again to point into the bytes that are kept. */
	(void)wire_header(header->data, header->size, signature_size, &vertex->view);
	struct dag_vertex **last = &store->slots[at][ref->author];
	while (*last)
		last = &(*last)->variant;
	*last = vertex;
	store->present[at] |= set_of(ref->author);
	if (ref->round > store->top)
		store->top = ref->round;
	for (unsigned i = 0; i < vertex->view.strong_count + vertex->view.weak_count; i++) {
		struct dag_ref link;
		link_at(&vertex->view, i, &link);
		struct dag_vertex *parent = store_find(store, &link);
		if (parent)
			parent->referenced = true;
	}
	return vertex;
}

unsigned store_missing(const struct dag_store *store, const struct header_view *header, struct dag_ref *out,
                       unsigned limit)
{
	unsigned missing = 0;
	for (unsigned i = 0; i < header->strong_count + header->weak_count && missing < limit; i++) {
		struct dag_ref link;
		link_at(header, i, &link);
		if (link.round > store->floor && !store_find(store, &link))
			out[missing++] = link;
	}
	return missing;
}

bool store_reaches(struct dag_store *store, const struct dag_vertex *from, const struct dag_vertex *to,
                   bool strong_only)
{
	if (from == to)
		return true;
	if (from->ref.round <= to->ref.round)
		return false;
	uint64_t mark = ++store->marks;
	((struct dag_vertex *)from)->mark = mark;
	for (uint64_t round = from->ref.round; round > to->ref.round; round--)
		for (uint64_t left = store_present(store, round); left; left &= left - 1) {
			struct dag_vertex *vertex = store_slot(store, round, (unsigned)__builtin_ctzll(left));
			for (; vertex; vertex = vertex->variant) {
				if (vertex->mark != mark)
					continue;
				unsigned links =
				    vertex->view.strong_count + (strong_only ? 0 : vertex->view.weak_count);
				for (unsigned i = 0; i < links; i++) {
					struct dag_ref link;
					link_at(&vertex->view, i, &link);
					if (link.round < to->ref.round)
						continue;
					struct dag_vertex *parent = store_find(store, &link);
					if (parent == to)
						return true;
					if (parent)
						parent->mark = mark;
				}
			}
		}
	return false;
}
