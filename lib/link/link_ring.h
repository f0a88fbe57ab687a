/*
 * Both sides of a link's rings (abi/holon/link.h): putting and taking entries.
 *
 * A side trusts nothing that it reads from the shared object: counts are clamped to the ring, entries are
 * copied out before they are looked at, and what they point to lies inside the data object. Functions never
 * wait; a signal to the peer is needed when *SIGNAL was set, which they never clear, so that one flag serves a
 * batch. Not for use by two threads at once.
 */
#ifndef LINK_RING_H
#define LINK_RING_H

#include <stdbool.h>
#include <stdint.h>
#include "holon/link.h"

/* The client's view. Its own positions live here, not in shared memory, which the peer can change. */
struct link_client {
	struct link_rings *shared;
	uint32_t entries;
	uint32_t buffers;                     /* of the data object */
	uint32_t sent_put, sent_done;         /* done: as far as the client has seen */
	uint32_t empty_put;                   /* buffers posted, */
	uint32_t arrived_taken;               /* and given back: never more than posted */
	uint8_t posted[LINK_BUFFERS_MAX / 8]; /* a bit a buffer: the server has it */
};

/* Lays out RINGS (LINK_RINGS_BYTES(entries) bytes, zeroed). ENTRIES is a power of two, at most
 * LINK_ENTRIES_MAX; BUFFERS, at most LINK_BUFFERS_MAX, is what the data object holds. */
void link_client_create(struct link_client *client, struct link_rings *rings, uint32_t entries,
                        uint32_t buffers);

/* How many entries "sent" takes now. WANT: signal the client when that grows. */
uint32_t link_client_room(struct link_client *client, bool want);
/* Puts COUNT entries, one frame whose pieces have LINK_MORE but for the last. False: there is no room for all,
 * and nothing is put. */
bool link_client_send(struct link_client *client, const struct link_entry *entries, uint32_t count,
                      bool *signal);
/* How many entries, the oldest first, the server has done with since the last call. */
uint32_t link_client_done(struct link_client *client);

/* Posts BUFFER (its index) for a frame. False: the ring is full, or the server has it already. */
bool link_client_post(struct link_client *client, uint32_t buffer, bool *signal);
/* Takes an entry that arrived. False: there is none. An entry that does not lie inside a posted buffer is
 * skipped and counted in *WRONG (may be null). The buffer is OFFSET / LINK_BUFFER_BYTES. */
bool link_client_arrived(struct link_client *client, struct link_entry *entry, uint32_t *wrong);
bool link_client_up(const struct link_client *client);

/* The server's view. */
struct link_server {
	struct link_rings *shared;
	uint32_t entries;
	uint32_t buffers;
	uint32_t sent_taken, sent_done;
	uint32_t empty_taken, arrived_put; /* never more put than taken: so the ring cannot overflow */
	uint32_t dropped;
};

/* Takes what the client laid out. False: not rings of ENTRIES entries in RINGS_BYTES bytes, or DATA_BYTES hold
 * no buffer. */
bool link_server_attach(struct link_server *server, struct link_rings *rings, uint64_t rings_bytes,
                        uint64_t data_bytes, uint32_t entries);

/* Takes an entry of "sent", if there is one. It lies inside the data object, or has bytes == 0. The client sees
 * it as done only after link_server_done. */
bool link_server_take(struct link_server *server, struct link_entry *entry);
/* The next COUNT entries, in their order, are done with. */
void link_server_done(struct link_server *server, uint32_t count, bool *signal);
/* Takes an empty buffer, if there is one: its index. */
bool link_server_empty(struct link_server *server, uint32_t *buffer);
/* Gives a buffer back with a frame, or a piece of one, in it. False: more than were taken, a fault of the
 * server's own. */
bool link_server_put(struct link_server *server, const struct link_entry *entry, bool *signal);
/* A frame found no buffer. */
void link_server_dropped(struct link_server *server);
void link_server_state(struct link_server *server, uint32_t state, bool *signal);

#endif
