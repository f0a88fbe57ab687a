/* Tests of what a client makes of a driver that dies, and of one that takes long to begin anew: only who says that there is no such
 * device is believed. The driver here completes what it was given when it is asked the second time. */
#include "block_client.h"

#include <stdio.h>
#include <string.h>
#include "block.interface.h"

enum { DEVICE = 1, FIRST_EVENT = 100, SECTOR = 512 };
#define SECOND 1000000000ull
#define MINUTE (60 * SECOND)

static int failures;
static uint64_t now = 1, slow_until, handles = FIRST_EVENT;
static struct thread_page page;
static struct block_client client;
static _Alignas(4096) uint8_t rings[BLOCK_RINGS_BYTES(BLOCK_CLIENT_ENTRIES)], data[SECTOR];
static struct block_ring device;
static uint64_t queue;                      /* of the driver that lives; 0: none is open */
static unsigned opened, deaths, lost_calls; /* how many drivers die over the next calls */

static void check(const char *name, bool right)
{
	printf(right ? "ok block client: %s\n" : "not ok block client: %s - see the check of this name\n",
	       name);
	failures += !right;
}

/* ---- The driver ---- */

static int64_t serve_describe(void *context, uint64_t badge, const void **description, uint32_t *bytes)
{
	static struct block_description is = {
	    .sectors = 8, .sector_bytes = SECTOR, .transfer_bytes = SECTOR, .data_alignment = SECTOR};
	(void)context, (void)badge;
	*description = &is;
	*bytes = sizeof(is);
	return E_OK;
}

static int64_t serve_open_queue(void *context, uint64_t badge, handle_t rings_memory, handle_t data_memory,
                                handle_t completed, uint32_t entries, uint64_t *number, uint64_t *bits,
                                handle_t *submitted)
{
	(void)context, (void)badge, (void)rings_memory, (void)data_memory, (void)completed;
	if (!block_ring_attach(&device, (struct block_rings *)rings, sizeof(rings), entries))
		return E_ARGUMENT;
	*number = queue = ++opened;
	*bits = 1;
	*submitted = (handle_t)++handles;
	return E_OK;
}

static int64_t serve_close_queue(void *context, uint64_t badge, uint64_t number)
{
	(void)context, (void)badge, (void)number;
	return E_OK;
}

static int64_t serve_check_queue(void *context, uint64_t badge, uint64_t number)
{
	struct block_request request;
	bool signal;
	(void)context, (void)badge;
	if (!queue || number != queue)
		return E_NOT_FOUND;
	while (block_ring_take(&device, &request))
		block_ring_complete(&device, request.tag, BLOCK_DONE, &signal);
	return E_OK;
}

static int64_t serve_range(void *context, uint64_t badge, uint64_t first, uint64_t count, uint32_t flags,
                           handle_t *range)
{
	(void)context, (void)badge, (void)first, (void)count, (void)flags, (void)range;
	return E_SUPPORT;
}

int64_t channel_call(handle_t channel, struct message *message, uint64_t deadline)
{
	static const struct block_operations operations = {.describe = serve_describe,
	                                                   .open_queue = serve_open_queue,
	                                                   .close_queue = serve_close_queue,
	                                                   .check_queue = serve_check_queue,
	                                                   .range = serve_range};
	(void)channel;
	if (now < slow_until) { /* it has not begun yet */
		now = deadline < slow_until ? deadline : slow_until;
		if (now == deadline)
			return E_TIMEOUT;
	}
	if (lost_calls) {
		lost_calls--;
		deaths++;
		queue = 0;
		return E_PEER;
	}
	block_serve(&operations, 0, message, &page);
	return E_OK;
}

/* ---- What a client stands on ---- */

int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)a, (void)c, (void)d, (void)e, (void)f, (void)second;
	if (number == SYS_EVENT_WAIT) {
		now = b > now ? b : now;
		return E_TIMEOUT;
	}
	return number == SYS_CLOCK                                    ? (int64_t)now
	       : number == SYS_EVENT_CREATE || number == SYS_CAP_COPY ? (int64_t)++handles
	                                                              : E_OK;
}

void *window_allocate(uint64_t bytes, handle_t *memory)
{
	*memory = (handle_t)++handles;
	return bytes == sizeof(rings) ? rings : data;
}

void window_unmap(void *address, uint64_t bytes)
{
	(void)address, (void)bytes;
}

/* ---- Tests ---- */

static enum block_status read_within(uint64_t ns)
{
	return block_client_do(&client, (struct block_request){.operation = BLOCK_READ, .sectors = 1},
	                       now + ns);
}

int main(void)
{
	check("a queue is opened, and reads",
	      block_client_open(&client, DEVICE, &page, SECTOR) >= 0 && read_within(MINUTE) == BLOCK_DONE);
	queue = 0;
	check("a driver that died has forgotten the queue: the request is asked for again",
	      read_within(MINUTE) == BLOCK_DONE && client.reopened == 1 && opened == 2);
	lost_calls = 7;
	check("drivers that die over question after question cost no request",
	      read_within(MINUTE) == BLOCK_DONE && deaths == 7 && !client.under_way);
	queue = 0;
	slow_until = now + 25 * SECOND;
	check("one that takes 25 seconds to begin anew is waited for",
	      read_within(MINUTE) == BLOCK_DONE && now > slow_until);
	queue = 0;
	slow_until = now + 10 * MINUTE;
	uint64_t began = now;
	check("but not longer than the deadline, and a call more",
	      read_within(MINUTE) == BLOCK_GONE && now - began < MINUTE + 11 * SECOND);
	return failures != 0;
}
