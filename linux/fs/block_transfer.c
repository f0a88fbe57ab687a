/* See block_transfer.h. A worker for each queue takes completions; it also finds out that the driver is another one, and
 * then submits again what is under way (lib/block/block_client.h).
 */
#include "block_transfer.h"
#include <block.interface.h>
#include "block/block_client.h"

#define ASK_NS (NS_PER_SECOND / 2) /* without a completion: is the queue still there? */

_Static_assert(BLOCK_TRANSFERS <= BLOCK_CLIENT_ENTRIES && BLOCK_TRANSFERS <= 32, "a slot is a tag and a bit");

struct block_transfers {
	struct block_client client;
	struct block_transfer *transfers[BLOCK_TRANSFERS]; /* what has the slot and is not done yet */
	uint32_t free;                                     /* bits of slots */
	bool
	    resting; /* the worker waits until it is signalled, since nothing has been under way for a while */
	bool checking; /* the client is the worker's, without the lock */
	bool failed;   /* the disk is gone */
};

static uint8_t *slot_data(const struct block_transfers *queue, uint32_t slot)
{
	return (uint8_t *)queue->client.data + (size_t)slot * BLOCK_TRANSFER_BYTES;
}

static void ended(struct block_transfers *queue, uint64_t slot, uint32_t status)
{
	struct block_transfer *transfer = slot < BLOCK_TRANSFERS ? queue->transfers[slot] : 0;
	if (!transfer)
		return;
	queue->transfers[slot] = 0;
	transfer->error = block_error_of(status);
	transfer->done(transfer);
}

/* Nothing was completed for long. */
static void check(struct block_transfers *queue)
{
	queue->checking = true;
	queue->client.page = current_page();
	personality_unlock();
	int64_t result = block_client_check(&queue->client);
	personality_lock();
	queue->checking = false;
	if (result >= 0 || result == E_TIMEOUT)
		return;
	queue->failed = true;
	for (uint32_t slot = 0; slot < BLOCK_TRANSFERS; slot++)
		ended(queue, slot, BLOCK_GONE);
}

static void work(void *argument)
{
	struct block_transfers *queue = argument;
	struct block_completion completion;
	for (;;) {
		while (block_client_poll(&queue->client, &completion))
			ended(queue, completion.tag, completion.status);
		uint64_t until = queue->resting ? DEADLINE_NEVER : clock_ns() + ASK_NS;
		bool signalled = worker_wait_for(queue->client.completed, until) != 0;
		queue->resting = !signalled && (!queue->client.under_way || queue->failed);
		if (!signalled && queue->client.under_way && !queue->failed)
			check(queue);
	}
}

struct block_transfers *block_transfers_create(handle_t device, void *rings, void *data,
                                               const handle_t memory[2])
{
	struct block_transfers *queue = heap_allocate(sizeof(*queue));
	if (!queue)
		return 0;
	queue->free = (uint32_t)((1ull << BLOCK_TRANSFERS) - 1);
	queue->client = (struct block_client){
	    .rings = rings, .data = data, .rings_memory = memory[0], .data_memory = memory[1]};
	if (block_client_open_in(&queue->client, device, current_page(),
	                         BLOCK_TRANSFERS * BLOCK_TRANSFER_BYTES) >= 0 &&
	    worker_create("disk", work, queue))
		return queue;
	if (queue->client.opened)
		(void)(block_close_queue(device, current_page(), queue->client.queue,
		                         clock_ns() + NS_PER_SECOND) < 0);
	heap_free(queue);
	return 0;
}

int block_transfers_begin(struct block_transfers *queue, struct io *io, uint64_t sector, uint32_t sectors,
                          struct block_transfer *transfer)
{
	if (!queue->free || queue->checking || queue->failed)
		return -EAGAIN;
	const uint32_t slot = (uint32_t)__builtin_ctz(queue->free);
	queue->free &= ~(1u << slot);
	transfer->queue = queue;
	transfer->slot = slot;
	transfer->bytes = io->remaining;
	/* A fault of the program's may give the lock up. */
	bool good = !transfer->write ||
	            io_take(io, slot_data(queue, slot), transfer->bytes) == (int64_t)transfer->bytes;
	if (good && !queue->checking && !queue->failed) {
		const struct block_request request = {.tag = slot,
		                                      .sector = sector,
		                                      .sectors = sectors,
		                                      .data_offset = (uint64_t)slot * BLOCK_TRANSFER_BYTES,
		                                      .operation =
		                                          transfer->write ? BLOCK_WRITE : BLOCK_READ};
		queue->transfers[slot] = transfer;
		good = block_client_submit(&queue->client, &request);
	} else {
		good = false;
	}
	if (!good) {
		queue->transfers[slot] = 0;
		queue->free |= 1u << slot;
		return -EAGAIN;
	}
	if (queue->resting)
		event_signal(queue->client.completed, 1);
	queue->resting = false;
	return 0;
}

int64_t block_transfer_finish(struct block_transfer *transfer, struct io *io)
{
	struct block_transfers *queue = transfer->queue;
	int64_t result = transfer->error   ? transfer->error
	                 : transfer->write ? (int64_t)transfer->bytes
	                                   : io_put(io, slot_data(queue, transfer->slot), transfer->bytes);
	queue->free |= 1u << transfer->slot;
	return result;
}
