/* States that stay readable for proofs. */
#include "chain/pins.h"

#include "chain/chain_internal.h"
#include "num/arena.h"
#include "num/clock.h"

#include <stdlib.h>

struct chain_pin {
	uint64_t index;
	struct block_header block;
	unsigned holders;     /* under the chain's lock; the ring's place is one */
	pthread_mutex_t lock; /* a reader of the store is for one thread at a time */
	struct store_view view;
};

/* With the lock held. */
static void let_go(struct chain_pin **place)
{
	struct chain_pin *pin = *place;
	*place = NULL;
	if (!pin || --pin->holders)
		return;
	store_view_end(&pin->view);
	pthread_mutex_destroy(&pin->lock);
	free(pin);
}

void chain_pins_drop(struct chain *chain)
{
	pthread_mutex_lock(&chain->pins.lock);
	for (unsigned i = 0; i < PINS_KEPT; i++)
		let_go(&chain->pins.ring[i]);
	pthread_mutex_unlock(&chain->pins.lock);
}

void chain_pin(struct chain *chain, uint64_t index)
{
	pthread_mutex_lock(&chain->pins.lock);
	const bool wanted = monotonic_seconds() <= chain->pins.until;
	pthread_mutex_unlock(&chain->pins.lock);
	if (!wanted) {
		chain_pins_drop(chain);
		return;
	}
	struct chain_pin *pin = checked_zalloc(1, sizeof *pin);
	pin->index = index;
	pin->block = chain->flushed;
	pin->holders = 1;
	pthread_mutex_init(&pin->lock, NULL);
	if (!store_view_begin(&chain->store, &pin->view)) {
		let_go(&pin);
		return;
	}
	pthread_mutex_lock(&chain->pins.lock);
	struct chain_pin **place = &chain->pins.ring[chain->pins.next++ % PINS_KEPT];
	let_go(place);
	*place = pin;
	pthread_mutex_unlock(&chain->pins.lock);
}

struct chain_pin *chain_pin_hold(struct chain *chain, uint64_t index)
{
	struct chain_pin *found = NULL;
	pthread_mutex_lock(&chain->pins.lock);
	chain->pins.until = monotonic_seconds() + PINS_SECONDS;
	for (unsigned i = 0; i < PINS_KEPT; i++)
		if (chain->pins.ring[i] && chain->pins.ring[i]->index == index)
			found = chain->pins.ring[i];
	if (found)
		found->holders++;
	pthread_mutex_unlock(&chain->pins.lock);
	return found;
}

void chain_pin_release(struct chain *chain, struct chain_pin *pin)
{
	pthread_mutex_lock(&chain->pins.lock);
	let_go(&pin);
	pthread_mutex_unlock(&chain->pins.lock);
}

const struct block_header *chain_pin_block(const struct chain_pin *pin)
{
	return &pin->block;
}

struct place {
	chain_prove_visit *visit;
	void *context;
	size_t account;
	long slot;
};

static void visit_node(void *context, const uint8_t *node, size_t size)
{
	const struct place *place = context;
	place->visit(place->context, place->account, place->slot, node, size);
}

void chain_pin_prove(struct chain_pin *pin, const struct address *addresses, size_t count,
                     const struct u256 *slots, size_t slot_count, chain_prove_visit *visit, void *context)
{
	struct store_reader reader = {.store = pin->view.store, .txn = pin->view.txn};
	const struct world_store store = store_world(&reader);
	struct place place = {.visit = visit, .context = context, .slot = -1};
	struct world world;
	uint8_t bytes[32], hashed[32];
	pthread_mutex_lock(&pin->lock);
	world_init(&world, &pin->block.state_root, &store);
	for (; place.account < count; place.account++) {
		keccak256(hashed, addresses[place.account].bytes, 20);
		trie_prove(&world.accounts, hashed, 32, visit_node, &place);
	}
	struct trie *storage = count && slot_count ? world_storage(&world, &addresses[0]) : NULL;
	place.account = 0;
	for (place.slot = 0; storage && (size_t)place.slot < slot_count; place.slot++) {
		u256_store(bytes, &slots[place.slot]);
		keccak256(hashed, bytes, 32);
		trie_prove(storage, hashed, 32, visit_node, &place);
	}
	world_deinit(&world);
	pthread_mutex_unlock(&pin->lock);
}
