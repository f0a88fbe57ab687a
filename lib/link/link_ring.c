/* Rings of links; see link_ring.h. A side publishes its position after the entry and reads the peer's before
 * the entries behind it. Wake-ups: a side that put an entry looks at how far the peer took before; if that was
 * everything, the peer may be asleep. Sequentially consistent accesses make one of the two see the other. */
#include "link_ring.h"

#include <stddef.h>

enum { RING_SENT, RING_EMPTY, RING_ARRIVED };

static struct link_entry *entry_at(struct link_rings *rings, uint32_t entries, unsigned ring,
                                   uint32_t position)
{
	return (struct link_entry *)(rings + 1) + (size_t)ring * entries + (position & (entries - 1));
}

static uint32_t load(const volatile uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(volatile uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* ---- The client ---- */

void link_client_create(struct link_client *client, struct link_rings *rings, uint32_t entries,
                        uint32_t buffers)
{
	rings->magic = LINK_RINGS_MAGIC;
	rings->entries = entries;
	*client = (struct link_client){.shared = rings, .entries = entries, .buffers = buffers};
}

/* What the server says of its progress, where that is possible, else what it said before. */
static uint32_t done_now(const struct link_client *client)
{
	uint32_t done = load(&client->shared->sent_done);

	return done - client->sent_done <= client->sent_put - client->sent_done ? done : client->sent_done;
}

uint32_t link_client_room(struct link_client *client, bool want)
{
	if (want)
		store(&client->shared->sent_wanted, 1);
	return client->entries - (client->sent_put - done_now(client));
}

bool link_client_send(struct link_client *client, const struct link_entry *entries, uint32_t count,
                      bool *signal)
{
	uint32_t before = client->sent_put;

	if (!count || count > client->entries - (before - done_now(client)))
		return false;
	for (uint32_t i = 0; i < count; i++)
		*entry_at(client->shared, client->entries, RING_SENT, before + i) = entries[i];
	client->sent_put += count;
	store(&client->shared->sent_put, client->sent_put);
	*signal |= load(&client->shared->sent_taken) == before;
	return true;
}

uint32_t link_client_done(struct link_client *client)
{
	uint32_t done = done_now(client), count = done - client->sent_done;

	client->sent_done = done;
	return count;
}

bool link_client_post(struct link_client *client, uint32_t buffer, bool *signal)
{
	struct link_entry entry = {.offset = buffer * LINK_BUFFER_BYTES};

	if (buffer >= client->buffers || client->posted[buffer / 8] >> buffer % 8 & 1 ||
	    client->empty_put - client->arrived_taken >= client->entries)
		return false;
	client->posted[buffer / 8] |= (uint8_t)(1u << buffer % 8);
	*entry_at(client->shared, client->entries, RING_EMPTY, client->empty_put) = entry;
	store(&client->shared->empty_put, ++client->empty_put);
	*signal |= load(&client->shared->empty_taken) == client->empty_put - 1;
	return true;
}

bool link_client_arrived(struct link_client *client, struct link_entry *entry, uint32_t *wrong)
{
	/* No more than were posted, whatever the server says: each turn takes one of them. */
	while (client->arrived_taken != client->empty_put &&
	       load(&client->shared->arrived_put) != client->arrived_taken) {
		*entry = *entry_at(client->shared, client->entries, RING_ARRIVED, client->arrived_taken);
		store(&client->shared->arrived_taken, ++client->arrived_taken);
		uint32_t buffer = entry->offset / LINK_BUFFER_BYTES;
		if (buffer < client->buffers && client->posted[buffer / 8] >> buffer % 8 & 1 &&
		    entry->bytes <= LINK_BUFFER_BYTES - entry->offset % LINK_BUFFER_BYTES) {
			client->posted[buffer / 8] &= (uint8_t) ~(1u << buffer % 8);
			return true;
		}
		if (wrong)
			++*wrong;
	}
	return false;
}

bool link_client_up(const struct link_client *client)
{
	return load(&client->shared->state) & LINK_STATE_UP;
}

/* ---- The server ---- */

bool link_server_attach(struct link_server *server, struct link_rings *rings, uint64_t rings_bytes,
                        uint64_t data_bytes, uint32_t entries)
{
	uint64_t buffers = data_bytes / LINK_BUFFER_BYTES;

	if (!entries || entries > LINK_ENTRIES_MAX || entries & (entries - 1) ||
	    rings_bytes < LINK_RINGS_BYTES(entries) || rings->magic != LINK_RINGS_MAGIC ||
	    rings->entries != entries || !buffers)
		return false;
	*server = (struct link_server){
	    .shared = rings,
	    .entries = entries,
	    .buffers = (uint32_t)(buffers < LINK_BUFFERS_MAX ? buffers : LINK_BUFFERS_MAX)};
	return true;
}

bool link_server_take(struct link_server *server, struct link_entry *entry)
{
	uint32_t waiting = load(&server->shared->sent_put) - server->sent_taken;
	uint64_t end = (uint64_t)server->buffers * LINK_BUFFER_BYTES;

	if (!waiting || waiting > server->entries ||
	    server->sent_taken - server->sent_done >= server->entries)
		return false;
	*entry = *entry_at(server->shared, server->entries, RING_SENT, server->sent_taken);
	store(&server->shared->sent_taken, ++server->sent_taken);
	if (entry->offset > end || entry->bytes > end - entry->offset)
		entry->bytes = 0;
	return true;
}

void link_server_done(struct link_server *server, uint32_t count, bool *signal)
{
	if (!count || count > server->sent_taken - server->sent_done)
		return;
	server->sent_done += count;
	store(&server->shared->sent_done, server->sent_done);
	if (load(&server->shared->sent_wanted)) {
		store(&server->shared->sent_wanted, 0);
		*signal = true;
	}
}

bool link_server_empty(struct link_server *server, uint32_t *buffer)
{
	struct link_entry entry;
	bool unused = false;

	/* A client that posts nonsense all the time does not keep the server here. */
	for (uint32_t tries = 0; tries < server->entries; tries++) {
		uint32_t waiting = load(&server->shared->empty_put) - server->empty_taken;
		/* What is taken and not given back stays below the ring's size, so that "arrived" has room. */
		if (!waiting || waiting > server->entries ||
		    server->empty_taken - server->arrived_put >= server->entries)
			return false;
		entry = *entry_at(server->shared, server->entries, RING_EMPTY, server->empty_taken);
		store(&server->shared->empty_taken, ++server->empty_taken);
		*buffer = entry.offset / LINK_BUFFER_BYTES;
		if (*buffer < server->buffers)
			return true;
		/* Nonsense is given back as it came, and costs the client a place of its ring. */
		entry.bytes = 0;
		link_server_put(server, &entry, &unused);
	}
	return false;
}

bool link_server_put(struct link_server *server, const struct link_entry *entry, bool *signal)
{
	if (server->arrived_put == server->empty_taken)
		return false;
	*entry_at(server->shared, server->entries, RING_ARRIVED, server->arrived_put) = *entry;
	store(&server->shared->arrived_put, ++server->arrived_put);
	*signal |= load(&server->shared->arrived_taken) == server->arrived_put - 1;
	return true;
}

void link_server_dropped(struct link_server *server)
{
	store(&server->shared->dropped, ++server->dropped);
}

void link_server_state(struct link_server *server, uint32_t state, bool *signal)
{
	if (load(&server->shared->state) == state)
		return;
	store(&server->shared->state, state);
	*signal = true;
}
