/* Block queues: a client, a disk in memory as its device, and a peer that writes nonsense into the rings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "block_ring.h"

#define ENTRIES 8u
#define SECTORS 64u

static int failures;
static _Alignas(64) uint8_t shared[BLOCK_RINGS_BYTES(ENTRIES)];
static uint8_t disk[SECTORS][512];
static uint8_t data[SECTORS][512];

static void check(const char *name, bool right)
{
	printf(right ? "ok block ring: %s\n" : "not ok block ring: %s - see the check of this name\n", name);
	failures += !right;
}

/* The fake device: serves what waits, judging each request as a driver must. */
static unsigned serve(struct block_ring *device)
{
	struct block_request request;
	unsigned served = 0;
	bool signal;
	while (block_ring_take(device, &request)) {
		enum block_status status = BLOCK_DONE;
		bool inside = request.sectors <= SECTORS && request.sector <= SECTORS - request.sectors &&
		              request.data_offset % 512 == 0 &&
		              request.data_offset <= sizeof(data) - request.sectors * 512ul;
		if (request.operation == BLOCK_FLUSH)
			status = BLOCK_DONE;
		else if (!inside)
			status = BLOCK_BAD_REQUEST;
		else if (request.operation == BLOCK_READ)
			memcpy(data[request.data_offset / 512], disk[request.sector],
			       request.sectors * 512ul);
		else if (request.operation == BLOCK_WRITE)
			memcpy(disk[request.sector], data[request.data_offset / 512],
			       request.sectors * 512ul);
		else
			status = BLOCK_UNSUPPORTED;
		if (!block_ring_complete(device, request.tag, status, &signal))
			return 0;
		served++;
	}
	return served;
}

static void test_exchange(struct block_ring *client, struct block_ring *device)
{
	struct block_completion completion;
	bool signal = false;
	struct block_request write = {
	    .tag = 9, .sector = 3, .data_offset = 512, .sectors = 2, .operation = BLOCK_WRITE};
	memset(data, 0x5a, sizeof(data));
	check("the first request wakes the device", block_ring_submit(client, &write, &signal) && signal);
	check("a second one does not", block_ring_submit(client, &write, &signal) && !signal);
	check("both are served",
	      serve(device) == 2 && disk[3][0] == 0x5a && disk[4][511] == 0x5a && disk[5][0] == 0);
	check("completions carry tag and status",
	      block_ring_completed(client, &completion) && completion.tag == 9 &&
	          completion.status == BLOCK_DONE && block_ring_completed(client, &completion) &&
	          !block_ring_completed(client, &completion));
	write.sector = SECTORS - 1;
	check("a request outside the range is refused",
	      block_ring_submit(client, &write, &signal) && serve(device) == 1 &&
	          block_ring_completed(client, &completion) && completion.status == BLOCK_BAD_REQUEST);
	unsigned submitted = 0;
	write.sector = 0;
	while (block_ring_submit(client, &write, &signal))
		submitted++;
	check("a full ring takes no more", submitted == ENTRIES);
	bool right = serve(device) == ENTRIES;
	for (unsigned i = 0; i < ENTRIES; i++)
		right = right && block_ring_completed(client, &completion);
	check("and is emptied again", right && !block_ring_completed(client, &completion));
	for (unsigned round = 0; right && round < 100000; round++) {
		write.tag = round;
		right = block_ring_submit(client, &write, &signal) && serve(device) == 1 &&
		        block_ring_completed(client, &completion) && completion.tag == round;
	}
	check("positions wrap around the ring", right);
}

static void test_hostile(struct block_ring *client, struct block_ring *device)
{
	struct block_rings *rings = (struct block_rings *)shared;
	struct block_completion completion;
	struct block_request request = {.operation = BLOCK_READ, .sectors = 1};
	bool signal;
	srand(1);
	bool bounded = true;
	for (unsigned round = 0; round < 200000; round++) {
		((uint32_t *)shared)[2 + rand() % (sizeof(shared) / 4 - 2)] = (uint32_t)rand() * 2654435761u;
		unsigned served = serve(device);
		unsigned completed = 0;
		for (unsigned i = 0; i < 4; i++)
			block_ring_submit(client, &request, &signal);
		while (block_ring_completed(client, &completion) && completed <= ENTRIES)
			completed++;
		bounded = bounded && served <= 2 * ENTRIES && completed <= ENTRIES;
	}
	check("a peer's nonsense stays inside the rings", bounded);
	check("an answer without a request is refused",
	      device->put == device->taken && !block_ring_complete(device, 1, BLOCK_DONE, &signal));
	struct block_ring other;
	rings->magic = BLOCK_RINGS_MAGIC;
	rings->entries = ENTRIES;
	check("a memory object too small, or entries no power of two, are refused",
	      block_ring_attach(&other, rings, sizeof(shared), ENTRIES) &&
	          !block_ring_attach(&other, rings, sizeof(shared) - 1, ENTRIES) &&
	          !block_ring_attach(&other, rings, UINT64_MAX, 7) &&
	          !block_ring_attach(&other, rings, UINT64_MAX, 2 * BLOCK_ENTRIES_MAX));
}

int main(void)
{
	struct block_ring client;
	struct block_ring device;
	block_ring_create(&client, (struct block_rings *)shared, ENTRIES);
	check("the device attaches",
	      block_ring_attach(&device, (struct block_rings *)shared, sizeof(shared), ENTRIES));
	test_exchange(&client, &device);
	test_hostile(&client, &device);
	return failures != 0;
}
