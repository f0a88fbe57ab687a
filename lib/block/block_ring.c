/* Block queues; see block_ring.h. A side publishes its position after the entry (release) and reads the
 * peer's before the entries behind it (acquire). Wake-ups: a side that put an entry looks at how far the peer
 * took before; if that was everything, the peer may be asleep. Sequentially consistent accesses make one of
 * the two see the other. */
#include "block_ring.h"

static struct block_request *requests(const struct block_ring *ring)
{
	return (struct block_request *)(ring->shared + 1);
}

static struct block_completion *completions(const struct block_ring *ring)
{
	return (struct block_completion *)(requests(ring) + ring->entries);
}

static uint32_t load(const volatile uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(volatile uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static bool valid_entries(uint32_t entries)
{
	return entries && entries <= BLOCK_ENTRIES_MAX && !(entries & (entries - 1));
}

void block_ring_create(struct block_ring *client, struct block_rings *rings, uint32_t entries)
{
	rings->magic = BLOCK_RINGS_MAGIC;
	rings->entries = entries;
	*client = (struct block_ring){rings, entries, 0, 0};
}

bool block_ring_attach(struct block_ring *device, struct block_rings *rings, uint64_t bytes, uint32_t entries)
{
	if (!valid_entries(entries) || bytes < BLOCK_RINGS_BYTES(entries) ||
	    rings->magic != BLOCK_RINGS_MAGIC || rings->entries != entries)
		return false;
	*device = (struct block_ring){rings, entries, 0, 0};
	return true;
}

bool block_ring_submit(struct block_ring *client, const struct block_request *request, bool *signal)
{
	if (client->put - client->taken >= client->entries) /* both are this side's own */
		return false;
	requests(client)[client->put & (client->entries - 1)] = *request;
	store(&client->shared->request_put, ++client->put);
	*signal = load(&client->shared->request_taken) == client->put - 1;
	return true;
}

bool block_ring_completed(struct block_ring *client, struct block_completion *completion)
{
	if (client->taken == client->put || load(&client->shared->completion_put) == client->taken)
		return false;
	*completion = completions(client)[client->taken & (client->entries - 1)];
	store(&client->shared->completion_taken, ++client->taken);
	return true;
}

bool block_ring_take(struct block_ring *device, struct block_request *request)
{
	uint32_t waiting = load(&device->shared->request_put) - device->taken;
	/* What is taken and not answered stays below the ring's size, so that answers always have room. */
	if (!waiting || waiting > device->entries || device->taken - device->put >= device->entries)
		return false;
	*request = requests(device)[device->taken & (device->entries - 1)];
	store(&device->shared->request_taken, ++device->taken);
	return true;
}

bool block_ring_complete(struct block_ring *device, uint64_t tag, enum block_status status, bool *signal)
{
	if (device->put == device->taken)
		return false;
	completions(device)[device->put & (device->entries - 1)] =
	    (struct block_completion){.tag = tag, .status = status};
	store(&device->shared->completion_put, ++device->put);
	*signal = load(&device->shared->completion_taken) == device->put - 1;
	return true;
}
