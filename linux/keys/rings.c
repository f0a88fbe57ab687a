/* Keyrings: their links, and searches through them. */
#include "keys.h"

static uint32_t links;
static uint64_t rounds; /* searches so far: each keyring remembers the last that came to it */

void links_gone(uint32_t count)
{
	links -= count;
}

/* ---- Searches ---- */

/* Keyrings to be looked through, in order; RING is the first. */
struct visit {
	struct key *first, *last;
	uint64_t round;
};

static void visit_begin(struct visit *visit, struct key *ring)
{
	visit->round = ++rounds;
	ring->round = visit->round;
	ring->depth = 0;
	ring->next = 0;
	visit->first = visit->last = ring;
}

static void visit_add(struct visit *visit, struct key *ring, uint32_t depth)
{
	if (ring->round == visit->round)
		return;
	ring->round = visit->round;
	ring->depth = depth;
	ring->next = 0;
	if (visit->last)
		visit->last->next = ring;
	else
		visit->first = ring;
	visit->last = ring;
}

static struct key *visit_next(struct visit *visit)
{
	struct key *ring = visit->first;
	if (ring) {
		visit->first = ring->next;
		if (!visit->first)
			visit->last = 0;
	}
	return ring;
}

/* Is KEY the one? 1; 0: no; or why it does not do. */
static int matches(const struct key_search *search, struct key *key, bool possessed)
{
	if (search->key ? key != search->key
	                : key->type != search->type || strcmp(key->description, search->description) != 0)
		return 0;
	if (!search->any_state) {
		int error = key_validate(key);
		if (error == -EKEYEXPIRED && search->skip_expired)
			return 0;
		if (error)
			return error == -ENOKEY ? -EKEYREVOKED : error;
	}
	return key_permitted((struct key_ref){key, possessed}, KEY_NEED_SEARCH) ? 1 : -EACCES;
}

int keyring_search(struct key_ref from, const struct key_search *search, struct key_ref *found)
{
	struct visit visit;
	int result = -EAGAIN;
	if (!from.key->type->keyring)
		return -ENOTDIR;
	if (!key_permitted(from, KEY_NEED_SEARCH))
		return -EACCES;
	int match = matches(search, from.key, from.possessed);
	if (match > 0)
		*found = from;
	if (match)
		return match > 0 ? 0 : match;
	visit_begin(&visit, from.key);
	for (struct key *ring; (ring = visit_next(&visit));) {
		if (ring->flags & (KEY_REVOKED | KEY_INVALIDATED))
			continue;
		for (uint32_t i = 0; i < ring->link_count; i++) {
			struct key *key = ring->links[i];
			match = matches(search, key, from.possessed);
			if (match > 0) {
				*found = (struct key_ref){key, from.possessed};
				return 0;
			}
			if (match)
				result = match;
			if (key->type->keyring && ring->depth < NESTED_MAX &&
			    key_permitted((struct key_ref){key, from.possessed}, KEY_NEED_SEARCH))
				visit_add(&visit, key, ring->depth + 1);
		}
	}
	return result;
}

void keyring_mark(struct key_ref from, uint64_t mark)
{
	struct visit visit;
	if (!key_permitted(from, KEY_NEED_SEARCH))
		return;
	from.key->found = mark;
	visit_begin(&visit, from.key);
	for (struct key *ring; (ring = visit_next(&visit));) {
		if (ring->flags & (KEY_REVOKED | KEY_INVALIDATED))
			continue;
		for (uint32_t i = 0; i < ring->link_count; i++) {
			struct key *key = ring->links[i];
			if (!key_permitted((struct key_ref){key, from.possessed}, KEY_NEED_SEARCH))
				continue;
			key->found = mark;
			if (key->type->keyring && ring->depth < NESTED_MAX)
				visit_add(&visit, key, ring->depth + 1);
		}
	}
}

/* Would a link from RING to INNER close a circle? -EDEADLK; -ELOOP: that cannot be said. */
static int circle(const struct key *ring, struct key *inner)
{
	struct visit visit;
	if (ring == inner)
		return -EDEADLK;
	visit_begin(&visit, inner);
	for (const struct key *at; (at = visit_next(&visit));) {
		for (uint32_t i = 0; i < at->link_count; i++) {
			struct key *key = at->links[i];
			if (!key->type->keyring)
				continue;
			if (key == ring)
				return -EDEADLK;
			if (at->depth == NESTED_MAX)
				return -ELOOP;
			visit_add(&visit, key, at->depth + 1);
		}
	}
	return 0;
}

struct key *keyring_named(const char *name)
{
	uint64_t namespace = user_namespace_current()->common.inode;
	for (struct key *key = key_next(0); key; key = key_next(key)) {
		if (key->type->keyring && key->namespace == namespace && !(key->flags & KEY_OF_USER) &&
		    !key_validate(key) && !strcmp(key->description, name) &&
		    key_permitted((struct key_ref){key, false}, KEY_NEED_SEARCH))
			return key;
	}
	return 0;
}

/* ---- Links ---- */

/* Where RING's link to such a key is, or -1. */
static int64_t place_of(const struct key *ring, const struct key_type *type, const char *description)
{
	for (uint32_t i = 0; i < ring->link_count; i++)
		if (ring->links[i]->type == type && !strcmp(ring->links[i]->description, description))
			return i;
	return -1;
}

struct key *keyring_find(const struct key *ring, const struct key_type *type, const char *description)
{
	int64_t place = place_of(ring, type, description);
	return place < 0 ? 0 : ring->links[place];
}

int keyring_link(struct key *ring, struct key *key)
{
	if (!ring->type->keyring)
		return -ENOTDIR;
	if (ring->flags & KEY_RESTRICTED)
		return -EPERM;
	int error = key->type->keyring ? circle(ring, key) : 0;
	if (error)
		return error;
	int64_t place = place_of(ring, key->type, key->description);
	if (place >= 0) {
		struct key *old = ring->links[place];
		ring->links[place] = key_reference(key);
		key_release(old);
		return 0;
	}
	if (links >= LINKS_MAX)
		return -EDQUOT;
	if (ring->link_count == ring->link_room) {
		uint32_t room = ring->link_room ? 2 * ring->link_room : 8;
		struct key **larger = heap_resize(ring->links, room * sizeof(struct key *));
		if (!larger)
			return -ENOMEM;
		ring->links = larger;
		ring->link_room = room;
	}
	error = key_charge(ring, LINK_BYTES);
	if (error)
		return error;
	ring->links[ring->link_count++] = key_reference(key);
	links++;
	return 0;
}

int keyring_unlink(struct key *ring, struct key *key)
{
	if (!ring->type->keyring)
		return -ENOTDIR;
	for (uint32_t i = 0; i < ring->link_count; i++) {
		if (ring->links[i] != key)
			continue;
		memmove(&ring->links[i], &ring->links[i + 1],
		        (--ring->link_count - i) * sizeof(struct key *));
		links--;
		(void)key_charge(ring, -(int64_t)LINK_BYTES);
		key_release(key);
		return 0;
	}
	return -ENOENT;
}

/* RING keeps the links that DEAD, 0 for all, says nothing against. */
static void sweep(struct key *ring, bool (*dead)(const struct key *key))
{
	uint32_t kept = 0, count = ring->link_count;
	for (uint32_t i = 0; i < count; i++) {
		struct key *key = ring->links[i];
		if (dead && !dead(key))
			ring->links[kept++] = key;
		else
			key_release(key);
	}
	ring->link_count = kept;
	links -= count - kept;
	(void)key_charge(ring, -(int64_t)LINK_BYTES * (count - kept));
}

void keyring_clear(struct key *ring)
{
	sweep(ring, 0);
}

void keyrings_sweep(bool (*dead)(const struct key *key))
{
	struct key *next;
	/* A keyring that goes may take others with it, the next one, too: this one and that are held meanwhile. */
	struct key *key = key_next(0);
	if (key)
		(void)key_reference(key);
	for (; key; key = next) {
		if (key->type->keyring)
			sweep(key, dead);
		next = key_next(key);
		if (next)
			(void)key_reference(next);
		key_release(key);
	}
}
