/* A client's queue on a block device that goes on when the driver was restarted: it opens the queue again and
 * submits again what was not completed. So its user sees each request completed once, late at worst. Native,
 * one thread.
 *
 * Requests under way must be repeatable in any order among each other, as they are for a device. What was
 * completed and not flushed when a driver died is where the device keeps it; a flush is never answered by one
 * that began before.
 */
#pragma once

#include <holon.h>
#include "block_ring.h"

#define BLOCK_CLIENT_ENTRIES 64u

struct block_client {
	struct thread_page *page;
	handle_t channel; /* of the device */
	struct block_description description;
	struct block_ring ring;
	struct block_rings *rings;
	uint8_t *data; /* where requests' data_offset points */
	uint64_t data_bytes;
	handle_t rings_memory, data_memory, completed, submitted;
	uint64_t submitted_bits, queue;
	bool opened;
	uint64_t reopened; /* how often */
	struct block_request pending[BLOCK_CLIENT_ENTRIES];
	bool used[BLOCK_CLIENT_ENTRIES];
	uint32_t under_way;
};

/* Opens a queue on CHANNEL with DATA_BYTES of data. The client keeps the channel. 0 or an error; PAGE is the
 * thread's. */
int64_t block_client_open(struct block_client *client, handle_t channel, struct thread_page *page,
                          uint64_t data_bytes);
/* Ends the queue where there is one, wipes the data and lets all go, with the channel. */
void block_client_close(struct block_client *client);
/* The same for who brings the memory: RINGS (BLOCK_RINGS_BYTES(BLOCK_CLIENT_ENTRIES)), DATA and their handles are
 * set. */
int64_t block_client_open_in(struct block_client *client, handle_t channel, struct thread_page *page,
                             uint64_t data_bytes);
/* Submits REQUEST, whose tag is below BLOCK_CLIENT_ENTRIES and not under way. False: it is. */
bool block_client_submit(struct block_client *client, const struct block_request *request);
/* Takes a completion, waiting until DEADLINE. 0, E_TIMEOUT, E_NOT_FOUND when nothing is under way, or the error
 * for which the device cannot be opened any more. */
int64_t block_client_wait(struct block_client *client, struct block_completion *completion,
                          uint64_t deadline);
/* One request from beginning to end. BLOCK_GONE where the device is, or DEADLINE has passed. */
enum block_status block_client_do(struct block_client *client, struct block_request request,
                                  uint64_t deadline);
/* For who waits itself: the event with bit 0 for completions is CLIENT->completed. True: there is one. */
bool block_client_poll(struct block_client *client, struct block_completion *completion);
/* Asks whether the queue is still there, and opens it again if not; call it when a second has passed without a
 * completion. 0, or the error; E_TIMEOUT: it is not known yet, ask again. */
int64_t block_client_check(struct block_client *client);
