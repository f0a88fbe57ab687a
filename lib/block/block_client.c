/* See block_client.h. */
#include "block_client.h"

#include "block.interface.h"
#include <text.h>

#define CALL_NS  10000000000ull
#define ASK_NS   500000000ull /* without a completion: is the queue still there? */
#define RETRIES  100u         /* of opening it again, */
#define RETRY_NS 50000000ull  /* with this time between */

static handle_t copy_of(handle_t handle, uint32_t rights)
{
	int64_t copy = cap_copy(handle, rights | RIGHT_COPY | RIGHT_MOVE, 0);

	return copy < 0 ? 0 : (handle_t)copy;
}

static int64_t queue_open(struct block_client *client)
{
	const uint32_t memory = RIGHT_READ | RIGHT_WRITE;

	memset(client->rings, 0, BLOCK_RINGS_BYTES(BLOCK_CLIENT_ENTRIES));
	block_ring_create(&client->ring, client->rings, BLOCK_CLIENT_ENTRIES);
	handle_t rings = copy_of(client->rings_memory, memory);
	handle_t data = copy_of(client->data_memory, memory);
	handle_t completed = copy_of(client->completed, RIGHT_SIGNAL);
	int64_t result = !rings || !data || !completed
	                     ? E_QUOTA_CAPS
	                     : block_open_queue(client->channel, client->page, rings, data, completed,
	                                        BLOCK_CLIENT_ENTRIES, &client->queue, &client->submitted_bits,
	                                        &client->submitted, clock_ns() + CALL_NS);
	client->opened = result >= 0;
	if (result < 0) { /* what went over is gone already */
		cap_delete(rings);
		cap_delete(data);
		cap_delete(completed);
	}
	return result;
}

static int64_t describe(struct block_client *client)
{
	const void *data;
	uint32_t bytes;
	int64_t result = block_describe(client->channel, client->page, &data, &bytes, clock_ns() + CALL_NS);

	if (result == E_PEER) /* the driver died over it: the next one answers */
		result = block_describe(client->channel, client->page, &data, &bytes, clock_ns() + CALL_NS);
	if (result < 0)
		return result;
	if (bytes != sizeof(client->description))
		return E_SUPPORT;
	memcpy(&client->description, data, bytes);
	return E_OK;
}

/* Opens the queue (again), whatever happens to the driver meanwhile, and submits what is pending. */
static int64_t queue_restore(struct block_client *client)
{
	int64_t result = E_PEER;
	bool signal;

	for (unsigned tries = 0;
	     tries < RETRIES && (result == E_PEER || result == E_TIMEOUT || result == E_BUSY); tries++) {
		uint64_t bits;
		if (tries)
			event_wait(client->completed, clock_ns() + RETRY_NS, &bits);
		if (client->submitted)
			cap_delete(client->submitted);
		client->submitted = 0;
		result = queue_open(client);
		if (result >= 0) /* another medium may be in it */
			result = describe(client);
	}
	if (result < 0)
		return result;
	for (uint32_t tag = 0; tag < BLOCK_CLIENT_ENTRIES; tag++)
		if (client->used[tag])
			block_ring_submit(&client->ring, &client->pending[tag], &signal);
	if (client->under_way)
		event_signal(client->submitted, client->submitted_bits);
	return E_OK;
}

int64_t block_client_open_in(struct block_client *client, handle_t channel, struct thread_page *page,
                             uint64_t data_bytes)
{
	client->page = page;
	client->channel = channel;
	client->data_bytes = data_bytes;
	int64_t result = describe(client);
	if (result < 0)
		return result;
	int64_t completed = event_create();
	if (completed < 0)
		return completed;
	client->completed = (handle_t)completed;
	return queue_restore(client);
}

int64_t block_client_open(struct block_client *client, handle_t channel, struct thread_page *page,
                          uint64_t data_bytes)
{
	*client = (struct block_client){.channel = channel, .data_bytes = data_bytes};
	client->rings = window_allocate(BLOCK_RINGS_BYTES(BLOCK_CLIENT_ENTRIES), &client->rings_memory);
	client->data = window_allocate(data_bytes, &client->data_memory);
	if (!client->rings || !client->data)
		return E_QUOTA_MEMORY;
	return block_client_open_in(client, channel, page, data_bytes);
}

void block_client_close(struct block_client *client)
{
	if (client->opened)
		(void)(block_close_queue(client->channel, client->page, client->queue, clock_ns() + CALL_NS) <
		       0);
	if (client->rings)
		window_unmap(client->rings, BLOCK_RINGS_BYTES(BLOCK_CLIENT_ENTRIES));
	if (client->data) {
		memset(client->data, 0, client->data_bytes);
		window_unmap(client->data, client->data_bytes);
	}
	const handle_t handles[] = {client->rings_memory, client->data_memory, client->completed,
	                            client->submitted, client->channel};
	for (unsigned i = 0; i < sizeof(handles) / sizeof(*handles); i++)
		if (handles[i])
			cap_delete(handles[i]);
	*client = (struct block_client){0};
}

int64_t block_client_check(struct block_client *client)
{
	int64_t result = E_NOT_FOUND;

	if (client->opened)
		result =
		    block_check_queue(client->channel, client->page, client->queue, clock_ns() + CALL_NS);
	if (result != E_NOT_FOUND && result != E_PEER)
		return result;
	client->reopened++;
	return queue_restore(client);
}

bool block_client_submit(struct block_client *client, const struct block_request *request)
{
	bool signal = false;

	if (request->tag >= BLOCK_CLIENT_ENTRIES || client->used[request->tag])
		return false;
	client->pending[request->tag] = *request;
	client->used[request->tag] = true;
	client->under_way++;
	block_ring_submit(&client->ring, request, &signal);
	if (signal)
		event_signal(client->submitted, client->submitted_bits);
	return true;
}

bool block_client_poll(struct block_client *client, struct block_completion *completion)
{
	while (block_ring_completed(&client->ring, completion)) {
		if (completion->tag >= BLOCK_CLIENT_ENTRIES || !client->used[completion->tag])
			continue; /* the device lies */
		client->used[completion->tag] = false;
		client->under_way--;
		return true;
	}
	return false;
}

int64_t block_client_wait(struct block_client *client, struct block_completion *completion, uint64_t deadline)
{
	while (!block_client_poll(client, completion)) {
		uint64_t now = clock_ns(), bits;
		if (!client->under_way)
			return E_NOT_FOUND;
		if (now >= deadline)
			return E_TIMEOUT;
		uint64_t until = deadline - now > ASK_NS ? now + ASK_NS : deadline;
		if (event_wait(client->completed, until, &bits) != E_TIMEOUT)
			continue;
		int64_t result = block_client_check(client);
		if (result < 0 &&
		    result != E_TIMEOUT) /* a driver that takes long to begin anew is not gone */
			return result;
	}
	return E_OK;
}

enum block_status block_client_do(struct block_client *client, struct block_request request,
                                  uint64_t deadline)
{
	struct block_completion completion;

	if (!block_client_submit(client, &request))
		return BLOCK_BAD_REQUEST;
	do {
		if (block_client_wait(client, &completion, deadline) < 0)
			return BLOCK_GONE;
	} while (completion.tag != request.tag);
	return (enum block_status)completion.status;
}
