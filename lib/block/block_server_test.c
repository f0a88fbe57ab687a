/* Tests of when a disk of several is taken for stuck, against a backend of two disks: one completes what it has only when it is told to;
 * of a medium that is changed; and of two lanes, whose second thread runs while the first one waits. */
#include "block_server.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include "block.interface.h"

enum { HOST = 1, SERVICE, EVENT, COMPLETED, DATA, RINGS, ENTRIES = 64, SECTOR = 512 };
#define LANE_EVENT 77
#define LONG       200u /* sweeps in which nobody is stuck */

static int failures;
static uint64_t now = 1, timer;
static struct thread_page page;
static struct driver driver = {.page = &page, .host = HOST, .service = SERVICE, .event = EVENT};
static struct block_server server;
static void (*on_message)(void *context, struct message *message);
static void (*on_work)(void *context, uint64_t bits);
static jmp_buf left;
static const char *failed;
static void (*lane_entry)(void *argument);
static void *lane_argument;
static unsigned lane_signals;
static unsigned lane_looks; /* how often it may still look at its queues */
static jmp_buf lane_left;

static void check(const char *name, bool right)
{
	printf(right ? "ok block server: %s\n" : "not ok block server: %s - see the check of this name\n",
	       name);
	failures += !right;
}

/* ---- What a driver stands on ---- */

int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)c, (void)d, (void)e, (void)f, (void)second;
	if (number == SYS_EVENT_TIMER)
		timer = b;
	lane_signals += number == SYS_EVENT_SIGNAL && a == LANE_EVENT;
	if (number == SYS_EVENT_WAIT && !lane_looks--)
		longjmp(lane_left, 1);
	return number == SYS_CLOCK ? (int64_t)now : number == SYS_EVENT_CREATE ? LANE_EVENT : E_OK;
}

int64_t channel_call(handle_t channel, struct message *message, uint64_t deadline)
{
	(void)deadline;
	if (channel == HOST) { /* devmgr has kept nothing, and takes all that it is told */
		*message = (struct message){0};
		return E_OK;
	}
	message->badge = channel - SERVICE; /* number of the disk, and 1 */
	on_message(&server, message);
	return E_OK;
}

void log_print(handle_t system, struct thread_page *own, const char *format, ...)
{
	(void)system, (void)own, (void)format;
}

void *window_allocate(uint64_t bytes, handle_t *memory)
{
	static uint64_t addresses[2];
	(void)memory;
	return bytes <= sizeof(addresses) ? addresses : 0;
}

void window_unmap(void *address, uint64_t bytes)
{
	(void)address, (void)bytes;
}

static _Alignas(struct block_rings) uint8_t rings[2][8192];
static struct block_ring clients[2];

bool foreign_map(struct foreign *region, handle_t memory, uint64_t bytes)
{
	*region = (struct foreign){.at = rings[memory % 2], .bytes = bytes};
	return true;
}

void foreign_unmap(struct foreign *region)
{
	*region = (struct foreign){0};
}

uint64_t driver_memory_bytes(struct driver *own, handle_t memory)
{
	(void)own, (void)memory;
	return sizeof(rings[0]);
}

bool driver_map(struct driver *own, handle_t memory, uint64_t pages, uint64_t *addresses, uint64_t *mappings)
{
	(void)own, (void)memory, (void)pages, (void)addresses, (void)mappings;
	return true;
}

void driver_unmap(struct driver *own, uint64_t pages, const uint64_t *mappings)
{
	(void)own, (void)pages, (void)mappings;
}

handle_t driver_client_signal(struct driver *own, handle_t event, uint64_t *bits)
{
	(void)own;
	*bits = 1ull << DRIVER_CLIENT_BIT;
	return event;
}

void driver_client_ended(struct driver *own, uint64_t bits)
{
	(void)own, (void)bits;
}

static void lane_look(void)
{
	lane_looks = 1;
	if (!setjmp(lane_left))
		lane_entry(lane_argument);
}

void driver_pause(struct driver *own, uint32_t microseconds)
{
	(void)own;
	now += microseconds * 1000ull;
	if (lane_entry)
		lane_look();
}

bool driver_thread(struct driver *own, uint32_t cpu, void (*entry)(void *argument), void *argument)
{
	(void)own, (void)cpu;
	lane_entry = entry;
	lane_argument = argument;
	return true;
}

void driver_fail(struct driver *own, const char *why)
{
	(void)own;
	failed = why;
	longjmp(left, 1);
}

void driver_run(struct driver *own, void *context, void (*message)(void *context, struct message *message),
                void (*work)(void *context, uint64_t bits))
{
	(void)own, (void)context;
	on_message = message;
	on_work = work;
	longjmp(left, 1);
}

/* ---- Two disks ---- */

static struct block_io *held[2][ENTRIES];
static unsigned held_count[2];
static unsigned may_hold, may_complete; /* the first: so many at once, and at the next look */

static bool start(void *context, struct block_io *io)
{
	(void)context;
	if (!io->device && held_count[0] == may_hold)
		return false;
	held[io->device][held_count[io->device]++] = io;
	return true;
}

static void poll(void *context)
{
	(void)context;
	for (unsigned disk = 0; disk < 2; disk++)
		while (held_count[disk] && (disk || may_complete)) {
			may_complete -= !disk;
			block_server_complete(&server, held[disk][--held_count[disk]], BLOCK_DONE);
		}
}

static const struct block_backend backend = {.start = start, .poll = poll, .watched = true};

static void ask(unsigned disk)
{
	const struct block_request request = {.operation = BLOCK_READ, .sectors = 1};
	bool signal;
	(void)block_ring_submit(&clients[disk], &request, &signal);
}

/* A driver that has just started, with a client of each disk. */
static bool begin(unsigned hold)
{
	const struct block_description description = {
	    .sectors = 8, .sector_bytes = SECTOR, .transfer_bytes = SECTOR, .data_alignment = SECTOR};
	bool good = true;
	memset(&server, 0, sizeof(server));
	memset(rings, 0, sizeof(rings));
	held_count[0] = held_count[1] = may_complete = 0;
	may_hold = hold;
	failed = 0;
	block_server_init(&server, &driver, &backend, 0);
	if (!setjmp(left))
		block_server_run(&server);
	for (unsigned disk = 0; disk < 2; disk++) {
		uint64_t queue, bits;
		handle_t submitted;
		block_server_device(&server, disk, &description);
		block_ring_create(&clients[disk], (struct block_rings *)rings[disk], ENTRIES);
		good &= block_open_queue(SERVICE + disk + 1, &page, RINGS + disk, DATA, COMPLETED, ENTRIES,
		                         &queue, &bits, &submitted, DEADLINE_NEVER) >= 0;
	}
	return good;
}

/* How many sweeps go by, at most LONG, before the driver gives up; at each the second disk is asked for something, and the first completes
 * STEPS. */
static unsigned sweeps(unsigned steps, bool second)
{
	volatile unsigned count = 0;
	if (setjmp(left))
		return count;
	while (count < LONG) {
		struct block_completion completion;
		if (second)
			ask(1);
		on_work(&server, 1ull << DRIVER_CLIENT_BIT);
		may_complete = steps;
		now = timer;
		count++;
		on_work(&server, DRIVER_TIMER_BIT);
		while (block_ring_completed(&clients[1], &completion))
			;
		while (block_ring_completed(&clients[0], &completion))
			ask(0);
	}
	return count;
}

/* Two requests, of which the drive has taken one, when another medium is put in. */
static void test_replaced(void)
{
	struct block_completion completion;
	const bool good = begin(1);
	ask(0);
	ask(0);
	on_work(&server, 1ull << DRIVER_CLIENT_BIT);
	block_server_replaced(&server, 0, &server.devices[0]);
	may_complete = 1;
	on_work(&server, 1ull << DRIVER_CLIENT_BIT);
	check("what waits while a medium is changed does not see the new one",
	      good && block_ring_completed(&clients[0], &completion) &&
	          block_ring_completed(&clients[0], &completion) && completion.status == BLOCK_GONE &&
	          !held_count[0]);
}

/* More than is taken from a ring at once, and its client, which found the ring not empty but at the first, signals once. */
static void test_full(void)
{
	const bool good = begin(ENTRIES);
	for (unsigned i = 0; i < ENTRIES; i++)
		ask(0);
	on_work(&server, 1ull << DRIVER_CLIENT_BIT);
	check("after one signal all is taken that a ring holds", good && held_count[0] == ENTRIES);
}

/* ---- Two lanes ---- */

static struct lane {
	struct block_io *held;
	unsigned keeps; /* what it has, for so many looks */
	unsigned started;
} lanes[2];

static bool lane_start(void *context, struct block_io *io)
{
	struct lane *lane = context;
	if (lane->held)
		return false;
	lane->held = io;
	lane->started++;
	return true;
}

static void lane_poll(void *context)
{
	struct lane *lane = context;
	if (lane->keeps) {
		lane->keeps--;
	} else if (lane->held) {
		block_server_complete(&server, lane->held, BLOCK_DONE);
		lane->held = 0;
	}
}

/* The event that RING's submissions are to signal. */
static handle_t open_queue(unsigned ring, uint64_t *queue)
{
	uint64_t bits;
	handle_t submitted = 0;
	block_ring_create(&clients[ring], (struct block_rings *)rings[ring], ENTRIES);
	(void)(block_open_queue(SERVICE + 1, &page, RINGS + ring, DATA, COMPLETED, ENTRIES, queue, &bits,
	                        &submitted, DEADLINE_NEVER) < 0);
	return submitted;
}

static void test_lanes(void)
{
	static const struct block_backend beside = {.start = lane_start, .poll = lane_poll};
	const struct block_description description = {
	    .sectors = 8, .sector_bytes = SECTOR, .transfer_bytes = SECTOR, .data_alignment = SECTOR};
	struct block_completion completion;
	uint64_t queues[2];
	memset(&server, 0, sizeof(server));
	memset(rings, 0, sizeof(rings));
	block_server_init(&server, &driver, &beside, &lanes[0]);
	block_server_device(&server, 0, &description);
	bool good = block_server_lane(&server, 1, &lanes[1], EVENT);
	if (!setjmp(left))
		block_server_run(&server);
	const handle_t first = open_queue(0, &queues[0]), second = open_queue(1, &queues[1]);
	check("two queues are two lanes', each with its event",
	      good && first == EVENT && second == LANE_EVENT);
	ask(0);
	ask(1);
	on_work(&server, 1ull << DRIVER_CLIENT_BIT);
	good = lanes[0].started == 1 && !lanes[1].started;
	lane_look();
	check("a lane takes what its own queues have", good && lanes[1].started == 1);
	lane_signals = 0;
	on_work(&server, 1ull << DRIVER_CLIENT_BIT);
	good = !lane_signals;
	on_work(&server, DRIVER_TIMER_BIT);
	check("each lane looks at its device from time to time, whatever interrupts there are",
	      good && lane_signals == 1);
	lanes[1].keeps = 5;
	failed = 0;
	if (!setjmp(left))
		good = block_close_queue(SERVICE + 1, &page, queues[1], DEADLINE_NEVER) >= 0;
	check("a queue ends when its lane has nothing of it any more",
	      good && !failed && !lanes[1].keeps && !lanes[1].held &&
	          !block_ring_completed(&clients[1], &completion));
	check("and the place is the next one's, on the lane that has none",
	      open_queue(1, &queues[1]) == LANE_EVENT);
	ask(1);
	lane_look();
	lanes[1].keeps = UINT32_MAX;
	if (!setjmp(left))
		(void)(block_close_queue(SERVICE + 1, &page, queues[1], DEADLINE_NEVER) < 0);
	check("of a lane that never lets go the driver gives up", failed);
	lane_entry = 0;
}

int main(void)
{
	bool good = begin(ENTRIES);
	check("disks that have nothing to do are not stuck", good && sweeps(0, false) == LONG && !failed);
	good = begin(ENTRIES);
	ask(0);
	const unsigned alone = sweeps(0, false);
	check("one that completes nothing is",
	      good && failed && alone >= BLOCK_STUCK_SWEEPS && alone <= BLOCK_STUCK_SWEEPS + 1);
	good = begin(ENTRIES);
	ask(0);
	check("also beside one that completes all", good && sweeps(0, true) == alone && failed);
	good = begin(ENTRIES);
	ask(0);
	ask(0);
	const unsigned lost = sweeps(1, true); /* the last that was asked for, each time */
	check("nor is one forgiven that loses a single request",
	      good && failed && lost >= BLOCK_LOST_SWEEPS && lost <= BLOCK_LOST_SWEEPS + 1);
	good = begin(ENTRIES);
	ask(0);
	ask(0);
	on_work(&server, 1ull << DRIVER_CLIENT_BIT);
	block_server_at_device(held[0][0], false);
	check("what waits in the driver meanwhile is not lost", good && sweeps(1, true) == LONG && !failed);
	block_server_at_device(held[0][0], true);
	const unsigned later = sweeps(1, true);
	check("but has its time when it is given to the device again",
	      failed && later >= BLOCK_LOST_SWEEPS && later <= BLOCK_LOST_SWEEPS + 1);
	good = begin(1);
	for (unsigned i = 0; i < ENTRIES; i++)
		ask(0);
	check("one whose requests wait for a slower one is not", good && sweeps(1, true) == LONG && !failed);
	test_replaced();
	test_full();
	test_lanes();
	return failures != 0;
}
