/* See block_server.h. Badges: device number + 1 in the low 8 bits, number of the range + 1 above them, or 0
 * for the whole device. What a client can make wrong ends its request, or its queue, and nothing else. */
#include "block_server.h"

#include "block.interface.h"
#include "host.interface.h"

#define TAKE_AT_ONCE 32u
#define CLOSE_NS     60000000000ull
#define CALL_NS      10000000000ull
#define SWEEP_NS     2000000000ull /* how often clients are looked after that may have died */

#define QUEUE_STATE(lane, state) ((uint32_t)((lane) - (lane)->server->lanes) << 2 | (state))

/* QUEUE is LANE's and in this state. */
static bool queue_is(const struct block_queue *queue, const struct block_lane *lane,
                     enum block_queue_state state)
{
	return __atomic_load_n(&queue->state, __ATOMIC_ACQUIRE) == QUEUE_STATE(lane, state);
}

/* All that was done before is seen by who sees the new state. */
static void queue_move(struct block_queue *queue, enum block_queue_state state)
{
	__atomic_store_n(&queue->state, QUEUE_STATE(queue->lane, state), __ATOMIC_RELEASE);
}

static struct block_lane *lane_add(struct block_server *server, void *context, handle_t event)
{
	struct block_lane *lane = &server->lanes[server->lane_count++];

	lane->server = server;
	lane->context = context;
	lane->event = event;
	for (unsigned i = 0; i < BLOCK_IOS; i++) {
		lane->ios[i].next = lane->free_ios;
		lane->free_ios = &lane->ios[i];
	}
	return lane;
}

void block_server_init(struct block_server *server, struct driver *driver,
                       const struct block_backend *backend, void *context)
{
	server->driver = driver;
	server->backend = backend;
	server->sweeps = 1;
	(void)lane_add(server, context, driver->event);
	for (uint32_t i = 0; i < BLOCK_RANGES; i++) {
		struct block_range_kept *range = &server->ranges[i];
		uint64_t third;
		if (host_kept(driver->host, driver->page, i, &range->first, &range->count, &third,
		              clock_ns() + CALL_NS) < 0 ||
		    !range->count)
			continue;
		range->device = (uint32_t)(third & 0xff);
		range->flags = (uint32_t)(third >> 8);
		range->used = true;
	}
}

void block_server_device(struct block_server *server, unsigned number,
                         const struct block_description *description)
{
	bool known = server->devices[number].sector_bytes;

	server->devices[number] = *description;
	if (!known && host_announce(server->driver->host, server->driver->page, DEVICE_BLOCK, number,
	                            description->serial, clock_ns() + CALL_NS) < 0)
		DRIVER_LOG(server->driver, "block: device %u could not be announced\n", number);
}

/* The sectors that BADGE stands for. False: none (any more). */
static bool badge_range(const struct block_server *server, uint64_t badge, struct block_range_kept *range)
{
	uint64_t device = (badge & 0xff) - 1, place = badge >> 8;

	if (device >= BLOCK_DEVICES || !server->devices[device].sector_bytes || place > BLOCK_RANGES)
		return false;
	if (place)
		*range = server->ranges[place - 1];
	else
		*range = (struct block_range_kept){
		    .count = server->devices[device].sectors, .device = (uint32_t)device, .used = true};
	return range->used && range->device == device;
}

void block_server_replaced(struct block_server *server, unsigned number,
                           const struct block_description *description)
{
	for (unsigned i = 0; i < BLOCK_QUEUES; i++)
		server->queues[i].gone |=
		    server->queues[i].number && (server->queues[i].badge & 0xff) == number + 1;
	block_server_device(server, number, description);
}

/* Whoever asks is told of the medium that is there now. */
static void look(struct block_server *server, uint64_t badge)
{
	uint64_t device = (badge & 0xff) - 1;

	if (server->backend->look && device < BLOCK_DEVICES && server->devices[device].sector_bytes)
		server->backend->look(server->lanes[0].context, (unsigned)device);
}

static int64_t serve_describe(void *context, uint64_t badge, const void **data, uint32_t *bytes)
{
	static struct block_description description;
	struct block_server *server = context;
	struct block_range_kept range;

	look(server, badge);
	if (!badge_range(server, badge, &range))
		return E_NOT_FOUND;
	description = server->devices[range.device];
	description.sectors = range.count;
	if (range.flags & BLOCK_RANGE_READ_ONLY)
		description.flags |= BLOCK_IS_READ_ONLY;
	*data = &description;
	*bytes = sizeof(description);
	return E_OK;
}

static void queue_free(struct block_server *server, struct block_queue *queue)
{
	foreign_unmap(&queue->rings);
	foreign_unmap(&queue->data);
	if (queue->addresses)
		window_unmap(queue->addresses, queue->data_pages * sizeof(uint64_t));
	for (unsigned i = 0; i < 3; i++) {
		handle_t handle = (handle_t[]){queue->rings_memory, queue->data_memory, queue->completed}[i];
		if (handle)
			cap_delete(handle);
	}
	driver_client_ended(server->driver, queue->bits);
	*queue = (struct block_queue){0};
}

/* The lane with the fewest queues. */
static struct block_lane *lane_choose(struct block_server *server)
{
	unsigned counts[BLOCK_LANES] = {0}, best = 0;

	for (unsigned i = 0; i < BLOCK_QUEUES; i++)
		if (server->queues[i].number)
			counts[server->queues[i].lane - server->lanes]++;
	for (unsigned i = 1; i < server->lane_count; i++)
		if (counts[i] < counts[best])
			best = i;
	return &server->lanes[best];
}

/* QUEUE's memory: mapped here and for the device. */
static int64_t queue_map(struct block_server *server, struct block_queue *queue, uint32_t entries)
{
	struct driver *driver = server->driver;
	uint64_t ring_bytes = driver_memory_bytes(driver, queue->rings_memory);

	queue->data_pages = driver_memory_bytes(driver, queue->data_memory) / DRIVER_PAGE;
	if (ring_bytes < BLOCK_RINGS_BYTES(entries) || !queue->data_pages ||
	    queue->data_pages > BLOCK_DATA_PAGES)
		return E_ARGUMENT;
	if (!foreign_map(&queue->rings, queue->rings_memory, BLOCK_RINGS_BYTES(entries)))
		return E_QUOTA_MEMORY;
	if (!block_ring_attach(&queue->ring, (struct block_rings *)queue->rings.at, queue->rings.bytes,
	                       entries))
		return E_ARGUMENT;
	if (server->map_data &&
	    !foreign_map(&queue->data, queue->data_memory, queue->data_pages * DRIVER_PAGE))
		return E_QUOTA_MEMORY;
	queue->addresses = window_allocate(queue->data_pages * sizeof(uint64_t), 0);
	if (!queue->addresses)
		return E_QUOTA_MEMORY;
	return driver_map(driver, queue->data_memory, queue->data_pages, queue->addresses, queue->mappings)
	           ? E_OK
	           : E_QUOTA_MEMORY;
}

static void lane_work(struct block_lane *lane);

static void queue_end(struct block_server *server, struct block_queue *queue);

/* Ends the queues whose clients took their memory away or have died with it. True: there are others. */
static bool sweep(struct block_server *server)
{
	bool others = false;

	for (unsigned i = 0; i < BLOCK_QUEUES; i++) {
		struct block_queue *queue = &server->queues[i];
		if (!queue->number || !queue_is(queue, queue->lane, BLOCK_QUEUE_OPEN))
			continue;
		if (queue->rings.lost || queue->data.lost ||
		    !driver_memory_bytes(server->driver, queue->rings_memory) ||
		    !driver_memory_bytes(server->driver, queue->data_memory))
			queue_end(server, queue);
		else
			others = true;
	}
	return others;
}

/* Counters of a lane's are read by the first thread. */
static void count(uint32_t *counter, uint32_t more)
{
	__atomic_store_n(counter, *counter + more, __ATOMIC_RELAXED);
}

/* All that was given to LANE's devices is completed in time. */
static bool none_lost(const struct block_server *server, const struct block_lane *lane)
{
	for (unsigned i = 0; i < BLOCK_IOS; i++) {
		uint32_t since = __atomic_load_n(&lane->ios[i].since, __ATOMIC_RELAXED);
		if (since && server->sweeps - since >= BLOCK_LOST_SWEEPS)
			return false;
	}
	return true;
}

/* Each device completes something from time to time while it has anything, and each request at some time. */
static void watch(struct block_server *server)
{
	__atomic_store_n(&server->sweeps, server->sweeps + 1, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < server->lane_count && server->backend->watched; i++)
		if (!none_lost(server, &server->lanes[i]))
			driver_fail(server->driver, "the device does not complete one of its requests");
	for (unsigned i = 0; i < server->lane_count * BLOCK_DEVICES; i++) {
		struct block_watch *watch = &server->lanes[i / BLOCK_DEVICES].watched[i % BLOCK_DEVICES];
		uint32_t completed = __atomic_load_n(&watch->completed, __ATOMIC_RELAXED);
		bool moves = !__atomic_load_n(&watch->under_way, __ATOMIC_RELAXED) ||
		             completed != watch->completed_seen;

		watch->completed_seen = completed;
		watch->completed_nothing = moves ? 0 : watch->completed_nothing + 1;
		if (server->backend->watched && watch->completed_nothing == BLOCK_STUCK_SWEEPS)
			driver_fail(server->driver, "the device does not complete what it was given");
	}
}

static void sweep_later(struct block_server *server)
{
	if (!server->sweeping)
		event_timer(server->driver->event, clock_ns() + SWEEP_NS, DRIVER_TIMER_BIT);
	server->sweeping = true;
}

static int64_t serve_open_queue(void *context, uint64_t badge, handle_t rings, handle_t data,
                                handle_t completed, uint32_t entries, uint64_t *number, uint64_t *bits,
                                handle_t *submitted)
{
	struct block_server *server = context;
	struct block_range_kept range;
	struct block_queue *queue = server->queues;
	unsigned mine = 0;

	look(server, badge);
	if (!badge_range(server, badge, &range))
		return E_NOT_FOUND;
	if (!entries || entries > BLOCK_ENTRIES_MAX || entries & (entries - 1))
		return E_ARGUMENT;
	sweep(server);
	sweep_later(server);
	for (unsigned i = 0; i < BLOCK_QUEUES; i++)
		mine += server->queues[i].number && server->queues[i].badge == badge;
	while (queue < server->queues + BLOCK_QUEUES && queue->number)
		queue++;
	if (queue == server->queues + BLOCK_QUEUES || mine >= BLOCK_QUEUES / 2)
		return E_BUSY;
	struct block_lane *lane = lane_choose(server);
	handle_t signal = driver_client_signal(server->driver, lane->event, &queue->bits);
	if (!signal)
		return E_BUSY;
	queue->lane = lane;
	queue->number = ++server->last_number;
	queue->badge = badge;
	queue->rings_memory = rings;
	queue->data_memory = data;
	queue->completed = completed;
	int64_t result = queue_map(server, queue, entries);
	if (result < 0) {
		queue->rings_memory = queue->data_memory = queue->completed = 0; /* the caller deletes them */
		queue_free(server, queue);
		cap_delete(signal);
		return result;
	}
	if (server->queues_used <= (uint32_t)(queue - server->queues))
		__atomic_store_n(&server->queues_used, (uint32_t)(queue - server->queues) + 1,
		                 __ATOMIC_RELEASE);
	queue_move(queue, BLOCK_QUEUE_OPEN);
	*number = queue->number;
	*bits = queue->bits;
	*submitted = signal;
	return E_OK;
}

static struct block_queue *queue_find(struct block_server *server, uint64_t badge, uint64_t number)
{
	for (unsigned i = 0; i < BLOCK_QUEUES; i++)
		if (number && server->queues[i].number == number && server->queues[i].badge == badge)
			return &server->queues[i];
	return 0;
}

static void queue_end(struct block_server *server, struct block_queue *queue)
{
	uint64_t end = clock_ns() + CLOSE_NS;

	queue_move(queue, BLOCK_QUEUE_CLOSING);
	for (;;) {
		if (queue->lane == server->lanes)
			lane_work(queue->lane);
		else
			event_signal(queue->lane->event, DRIVER_AGAIN_BIT);
		if (queue_is(queue, queue->lane, BLOCK_QUEUE_ENDED))
			break;
		if (clock_ns() > end)
			driver_fail(server->driver, "a request never ends");
		driver_pause(server->driver, 100);
	}
	driver_unmap(server->driver, queue->data_pages, queue->mappings);
	queue_free(server, queue);
}

static int64_t serve_close_queue(void *context, uint64_t badge, uint64_t number)
{
	struct block_queue *queue = queue_find(context, badge, number);

	if (!queue)
		return E_NOT_FOUND;
	queue_end(context, queue);
	return E_OK;
}

static int64_t serve_check_queue(void *context, uint64_t badge, uint64_t number)
{
	struct block_queue *queue = queue_find(context, badge, number);

	if (queue)
		look(context, badge);
	if (queue && queue->gone) {
		queue_end(context, queue);
		queue = 0;
	}
	return queue ? E_OK : E_NOT_FOUND;
}

static int64_t serve_range(void *context, uint64_t badge, uint64_t first, uint64_t count, uint32_t flags,
                           handle_t *device)
{
	struct block_server *server = context;
	struct driver *driver = server->driver;
	struct block_range_kept whole;
	uint32_t place = 0;

	if (!badge_range(server, badge, &whole))
		return E_NOT_FOUND;
	if (!count || count > whole.count || first > whole.count - count ||
	    flags & ~(uint32_t)BLOCK_RANGE_READ_ONLY)
		return E_ARGUMENT;
	struct block_range_kept range = {.first = whole.first + first,
	                                 .count = count,
	                                 .device = whole.device,
	                                 .flags = flags | whole.flags,
	                                 .used = true};
	/* The same range twice is one place: clients cannot use them up by asking again. */
	while (place < BLOCK_RANGES && server->ranges[place].used &&
	       (server->ranges[place].first != range.first || server->ranges[place].count != range.count ||
	        server->ranges[place].device != range.device || server->ranges[place].flags != range.flags))
		place++;
	if (place == BLOCK_RANGES)
		return E_BUSY;
	int64_t channel = cap_copy(driver->service, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE,
	                           (uint64_t)(place + 1) << 8 | (range.device + 1));
	if (channel < 0)
		return channel;
	if (!server->ranges[place].used &&
	    host_keep(driver->host, driver->page, place, range.first, range.count,
	              (uint64_t)range.flags << 8 | range.device, clock_ns() + CALL_NS) < 0) {
		cap_delete((handle_t)channel);
		return E_BUSY;
	}
	server->ranges[place] = range;
	*device = (handle_t)channel;
	return E_OK;
}

/* A client's call. */
static void serve(void *context, struct message *message)
{
	struct block_server *server = context;

	if (server->backend->serve && (message->badge & 0xff) > BLOCK_DEVICES) {
		server->backend->serve(server->lanes[0].context, message);
		return;
	}
	static const struct block_operations operations = {.describe = serve_describe,
	                                                   .open_queue = serve_open_queue,
	                                                   .close_queue = serve_close_queue,
	                                                   .check_queue = serve_check_queue,
	                                                   .range = serve_range};
	block_serve(&operations, server, message, server->driver->page);
}

/* What a client asks for, judged. BLOCK_DONE: may be started. */
static enum block_status judge(const struct block_server *server, const struct block_queue *queue,
                               const struct block_request *request, struct block_range_kept *range)
{
	if (!badge_range(server, queue->badge, range))
		return BLOCK_GONE;
	const struct block_description *device = &server->devices[range->device];
	if (queue->gone || !device->sectors)
		return BLOCK_GONE;
	uint64_t bytes = (uint64_t)request->sectors * device->sector_bytes;
	bool moves = request->operation == BLOCK_READ || request->operation == BLOCK_WRITE;

	if (request->operation < BLOCK_READ || request->operation > BLOCK_ZERO ||
	    request->flags & ~BLOCK_FORCE)
		return BLOCK_BAD_REQUEST;
	if (request->operation == BLOCK_FLUSH)
		return BLOCK_DONE;
	if (!request->sectors || request->sectors > range->count ||
	    request->sector > range->count - request->sectors)
		return BLOCK_BAD_REQUEST;
	if (request->operation != BLOCK_READ &&
	    (range->flags & BLOCK_RANGE_READ_ONLY || device->flags & BLOCK_IS_READ_ONLY))
		return BLOCK_READ_ONLY;
	if (request->operation == BLOCK_DISCARD && !(device->flags & BLOCK_HAS_DISCARD))
		return BLOCK_UNSUPPORTED;
	if (moves && (bytes > device->transfer_bytes || request->data_offset % device->data_alignment ||
	              bytes > queue->data_pages * DRIVER_PAGE ||
	              request->data_offset > queue->data_pages * DRIVER_PAGE - bytes))
		return BLOCK_BAD_REQUEST;
	return BLOCK_DONE;
}

static void answer(struct block_queue *queue, uint64_t tag, enum block_status status)
{
	bool signal;

	block_ring_complete(&queue->ring, tag, status, &signal);
	queue->signal |= signal;
}

void block_server_at_device(struct block_io *io, bool there)
{
	const struct block_server *server = io->queue->lane->server;

	__atomic_store_n(&io->since, there ? __atomic_load_n(&server->sweeps, __ATOMIC_RELAXED) : 0,
	                 __ATOMIC_RELAXED);
}

/* Hands IO to the driver, but what waited while its medium was changed. False: it refuses. */
static bool give(struct block_lane *lane, struct block_io *io)
{
	struct block_watch *watch = &lane->watched[io->device];

	/* Before, since it may be done within the call. */
	count(&watch->under_way, 1);
	block_server_at_device(io, true);
	if (io->queue->gone) {
		block_server_complete(lane->server, io, BLOCK_GONE);
		return true;
	}
	if (lane->server->backend->start(lane->context, io))
		return true;
	count(&watch->under_way, UINT32_MAX);
	block_server_at_device(io, false);
	return false;
}

/* The same, behind what it refused before. */
static void start(struct block_lane *lane, struct block_io *io)
{
	io->next = 0;
	if (!lane->waiting && give(lane, io))
		return;
	if (lane->waiting)
		lane->waiting_last->next = io;
	else
		lane->waiting = io;
	lane->waiting_last = io;
}

static void start_waiting(struct block_lane *lane)
{
	while (lane->waiting) {
		struct block_io *io = lane->waiting, *next = io->next;
		if (!give(lane, io))
			return;
		lane->waiting = next;
	}
}

static void take_request(struct block_queue *queue, const struct block_request *request)
{
	struct block_lane *lane = queue->lane;
	const struct block_server *server = lane->server;
	struct block_range_kept range;
	enum block_status status = judge(server, queue, request, &range);

	if (status != BLOCK_DONE) {
		answer(queue, request->tag, status);
		return;
	}
	const struct block_description *device = &server->devices[range.device];
	bool writes = request->operation == BLOCK_WRITE || request->operation == BLOCK_ZERO;
	bool force = writes && request->flags & BLOCK_FORCE && device->flags & BLOCK_HAS_FLUSH;

	if (request->operation == BLOCK_FLUSH && !(device->flags & BLOCK_HAS_FLUSH)) {
		answer(queue, request->tag, BLOCK_DONE);
		return;
	}
	struct block_io *io = lane->free_ios;
	lane->free_ios = io->next;
	*io = (struct block_io){.queue = queue,
	                        .tag = request->tag,
	                        .sector = range.first + request->sector,
	                        .data_offset = request->data_offset,
	                        .sectors = request->sectors,
	                        .device = (uint8_t)range.device,
	                        .operation = request->operation,
	                        .force = force && device->flags & BLOCK_HAS_FORCE,
	                        .flush_after = force && !(device->flags & BLOCK_HAS_FORCE)};
	queue->under_way++;
	start(lane, io);
}

void block_server_complete(struct block_server *server, struct block_io *io, enum block_status status)
{
	struct block_queue *queue = io->queue;
	struct block_lane *lane = queue->lane;
	struct block_watch *watch = &lane->watched[io->device];

	(void)server;
	count(&watch->under_way, UINT32_MAX);
	count(&watch->completed, 1);
	block_server_at_device(io, false);
	if (io->flush_after && status == BLOCK_DONE) {
		io->flush_after = false;
		io->operation = BLOCK_FLUSH;
		start(lane, io);
		return;
	}
	queue->under_way--;
	if (queue_is(queue, lane, BLOCK_QUEUE_OPEN))
		answer(queue, io->tag, status);
	io->queue = 0;
	io->next = lane->free_ios;
	lane->free_ios = io;
}

uint64_t block_server_address(const struct block_io *io, uint64_t offset, uint64_t limit,
                              uint64_t *contiguous)
{
	uint64_t at = io->data_offset + offset, page = at / DRIVER_PAGE, in_page = at % DRIVER_PAGE;
	uint64_t address = io->queue->addresses[page] + in_page, length = DRIVER_PAGE - in_page;

	while (length < limit && io->queue->addresses[++page] == address + length)
		length += DRIVER_PAGE;
	*contiguous = length < limit ? length : limit;
	return address;
}

/* After a signal of LANE's: takes completions and requests, and tells clients. */
static void lane_work(struct block_lane *lane)
{
	struct block_server *server = lane->server;
	const unsigned used = __atomic_load_n(&server->queues_used, __ATOMIC_ACQUIRE);
	bool more = true;

	server->backend->poll(lane->context); /* whose own timer, where it has one, is the one that stays */
	/* Round after round, a few requests of each client, until none has any more: who puts one into a ring that was found
	 * empty signals. */
	for (unsigned round = 0; more && round < BLOCK_ENTRIES_MAX / TAKE_AT_ONCE; round++) {
		more = false;
		start_waiting(lane);
		lane->next_queue = lane->next_queue + 1 < used ? lane->next_queue + 1 : 0;
		for (unsigned i = 0; i < used; i++) {
			unsigned place = lane->next_queue + i;
			struct block_queue *queue = &server->queues[place < used ? place : place - used];
			struct block_request request;
			unsigned taken = 0;

			if (!queue_is(queue, lane, BLOCK_QUEUE_OPEN))
				continue;
			while (!queue->rings.lost && !lane->waiting && lane->free_ios &&
			       taken < TAKE_AT_ONCE && block_ring_take(&queue->ring, &request)) {
				take_request(queue, &request);
				taken++;
			}
			more |= taken == TAKE_AT_ONCE;
		}
		if (server->backend->kick)
			server->backend->kick(lane->context);
	}
	for (unsigned i = 0; i < used; i++) {
		struct block_queue *queue = &server->queues[i];
		if (queue_is(queue, lane, BLOCK_QUEUE_CLOSING) && !queue->under_way)
			queue_move(queue, BLOCK_QUEUE_ENDED);
		if (!queue_is(queue, lane, BLOCK_QUEUE_OPEN))
			continue;
		if (queue->signal)
			event_signal(queue->completed, 1);
		queue->signal = false;
	}
	if (more)
		event_signal(lane->event, DRIVER_AGAIN_BIT);
}

/* The first lane, after a signal of BITS. */
static void work(void *context, uint64_t bits)
{
	struct block_server *server = context;

	if (bits & DRIVER_TIMER_BIT) {
		server->sweeping = false;
		watch(server);
		/* An interrupt may have been lost, or the device. */
		for (unsigned i = 1; i < server->lane_count; i++)
			event_signal(server->lanes[i].event, DRIVER_AGAIN_BIT);
		if (sweep(server))
			sweep_later(server);
	}
	lane_work(server->lanes);
}

/* Another lane's thread. */
static void lane_run(void *argument)
{
	struct block_lane *lane = argument;
	uint64_t bits;

	for (;;) {
		if (event_wait(lane->event, DEADLINE_NEVER, &bits) < 0)
			driver_fail(lane->server->driver, "a thread cannot wait for its event");
		lane_work(lane);
	}
}

bool block_server_lane(struct block_server *server, uint32_t cpu, void *context, handle_t irq)
{
	int64_t event = server->lane_count < BLOCK_LANES ? event_create() : E_BUSY;

	if (event < 0 || irq_bind(irq, (handle_t)event, 1) < 0)
		return false;
	struct block_lane *lane = lane_add(server, context, (handle_t)event);
	if (driver_thread(server->driver, cpu, lane_run, lane))
		return true;
	server->lane_count--;
	return false;
}

void block_server_run(struct block_server *server)
{
	driver_run(server->driver, server, serve, work);
}
