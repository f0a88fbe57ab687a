/* The driver of NVM Express disks. Source: NVM Express Base Specification 1.4; section numbers are its. Beside the
 * administrator's there is a queue pair for commands for each CPU, as far as the controller and its interrupts go: a lane of the block
 * server each, so that what CPUs ask for goes side by side. Up to SLOTS requests of each are under way, data described by PRP
 * lists.
 *
 * A completion is believed only where it names a command that is under way. A controller that reports a fatal
 * state, or does not answer, ends the driver; the next one resets it.
 */
#include "block/block_server.h"

#include <text.h>

/* Registers, 3.1. */
enum reg { CAP = 0x00, CC = 0x14, CSTS = 0x1c, AQA = 0x24, ASQ = 0x28, ACQ = 0x30, DOORBELLS = 0x1000 };
enum admin { CREATE_SQ = 0x01, CREATE_CQ = 0x05, IDENTIFY = 0x06, SET_FEATURES = 0x09 };
enum command { FLUSH = 0x00, WRITE = 0x01, READ = 0x02, WRITE_ZEROES = 0x08, DATASET = 0x09 };

#define CC_ENABLE     1u
#define CC_SETTINGS   (6u << 16 | 4u << 20) /* 64-byte commands, 16-byte completions; pages of 4 KiB */
#define CSTS_READY    1u
#define CSTS_FATAL    2u
#define ENTRIES       64u /* of each queue: one page of commands */
#define SLOTS         (ENTRIES - 1)
#define PAGES_MOST    128u              /* of one request */
#define LIST_BYTES    (PAGES_MOST * 8u) /* of its list, which lies in one page */
#define LISTS_A_PAGE  (DRIVER_PAGE / LIST_BYTES)
#define LIST_PAGES    ((SLOTS + LISTS_A_PAGE - 1) / LISTS_A_PAGE)
#define QUEUE_COUNT   7u /* the feature: 5.21.1.7 */
#define FORCE         (1u << 30)
#define DEALLOCATE    4u
#define SMALL_MOST    65536u /* blocks that one command moves or zeroes */
#define WAIT_US       200u
#define ADMIN_TRIES   50000u
#define CACHE_PRESENT 1u
#define DOES_DATASET  4u
#define DOES_ZEROES   8u

struct command_entry {
	uint8_t opcode, flags;
	uint16_t id;
	uint32_t namespace;
	uint64_t reserved, metadata;
	uint64_t prp1, prp2;
	uint32_t words[6]; /* 10 to 15 */
};
struct completion_entry {
	uint32_t result, reserved;
	uint16_t head, queue;
	uint16_t id, status; /* bit 0: phase */
};
_Static_assert(sizeof(struct command_entry) == 64 && sizeof(struct completion_entry) == 16, "4.2, 4.6");

struct queue {
	struct command_entry *commands;
	volatile struct completion_entry *completions;
	uint64_t command_address, completion_address;
	uint32_t number, tail, kicked, head;
	uint16_t phase;
};

/* A queue pair and what is under way on it: the thread's of its lane. */
struct lane {
	struct queue queue;
	uint8_t *lists; /* LIST_BYTES for each slot: its list, or ranges to be deallocated */
	uint64_t list_addresses[LIST_PAGES];
	struct block_io *ios[SLOTS]; /* 0: free */
	uint16_t free_slots[SLOTS];
	unsigned free_count;
};

static struct nvme {
	struct driver driver;
	struct block_server server;
	volatile uint8_t *registers;
	uint32_t stride; /* between doorbells */
	uint32_t ready_tries;
	struct queue admin;
	struct lane lanes[BLOCK_LANES];
	unsigned lane_count;
	uint8_t *page; /* for identification */
	uint64_t page_address;
	uint32_t namespaces[BLOCK_DEVICES];
	uint32_t block_bytes[BLOCK_DEVICES];
	uint32_t transfer_bytes;
	bool cache, dataset, zeroes;
} nvme;

static uint32_t get(uint32_t at)
{
	return *(volatile uint32_t *)(nvme.registers + at);
}

static void put(uint32_t at, uint32_t value)
{
	*(volatile uint32_t *)(nvme.registers + at) = value;
}

static void put64(uint32_t at, uint64_t value)
{
	put(at, (uint32_t)value);
	put(at + 4, (uint32_t)(value >> 32));
}

static void doorbell(uint32_t queue, bool completion, uint32_t value)
{
	put(DOORBELLS + (2 * queue + completion) * nvme.stride, value);
}

static bool wait_ready(bool ready)
{
	for (uint32_t tries = 0; tries < nvme.ready_tries; tries++) {
		uint32_t status = get(CSTS);
		if (status & CSTS_FATAL)
			return false;
		if (!(status & CSTS_READY) != ready)
			return true;
		driver_pause(&nvme.driver, 1000);
	}
	return false;
}

/* ---- Queues ---- */

static bool queue_make(struct queue *queue, uint32_t number)
{
	uint64_t addresses[2];
	uint8_t *pages = driver_pages(&nvme.driver, 2, addresses);

	if (!pages)
		return false;
	*queue = (struct queue){.commands = (struct command_entry *)pages,
	                        .completions = (struct completion_entry *)(pages + DRIVER_PAGE),
	                        .command_address = addresses[0],
	                        .completion_address = addresses[1],
	                        .number = number,
	                        .phase = 1};
	return true;
}

static void submit(struct queue *queue, const struct command_entry *command)
{
	queue->commands[queue->tail] = *command;
	queue->tail = (queue->tail + 1) % ENTRIES;
}

static void kick_queue(struct queue *queue)
{
	if (queue->kicked == queue->tail)
		return;
	queue->kicked = queue->tail;
	__atomic_thread_fence(__ATOMIC_RELEASE); /* commands before the doorbell */
	doorbell(queue->number, false, queue->tail);
}

/* The next completion: its command's number, status and result. False: there is none. */
static bool completed(struct queue *queue, uint16_t *id, uint16_t *status, uint32_t *result)
{
	volatile struct completion_entry *entry = &queue->completions[queue->head];
	uint16_t word = __atomic_load_n(&entry->status, __ATOMIC_ACQUIRE);

	if ((word & 1) != queue->phase)
		return false;
	*id = entry->id;
	*result = entry->result;
	*status = word >> 1;
	queue->head = (queue->head + 1) % ENTRIES;
	queue->phase ^= queue->head == 0;
	return true;
}

/* One command of the administrator's from beginning to end, and what it gives. */
static bool admin_result(struct command_entry command, uint32_t *result)
{
	uint16_t id, status;

	submit(&nvme.admin, &command);
	kick_queue(&nvme.admin);
	for (unsigned tries = 0; !completed(&nvme.admin, &id, &status, result); tries++) {
		if (tries == ADMIN_TRIES || get(CSTS) & CSTS_FATAL)
			driver_fail(&nvme.driver, "the controller does not answer");
		driver_pause(&nvme.driver, WAIT_US);
	}
	doorbell(0, true, nvme.admin.head);
	return status == 0;
}

static bool admin(struct command_entry command)
{
	uint32_t result;

	return admin_result(command, &result);
}

/* 5.15: what WHAT says, of NAMESPACE, into the page. */
static bool identify(uint32_t namespace, uint32_t what)
{
	return admin((struct command_entry){
	    .opcode = IDENTIFY, .namespace = namespace, .prp1 = nvme.page_address, .words = {what}});
}

/* ---- Requests ---- */

static uint64_t *list_of(const struct lane *lane, unsigned slot)
{
	return (uint64_t *)(void *)(lane->lists + slot * LIST_BYTES);
}

static uint64_t list_address(const struct lane *lane, unsigned slot)
{
	return lane->list_addresses[slot / LISTS_A_PAGE] + slot % LISTS_A_PAGE * LIST_BYTES;
}

/* PRPs of IO's data (4.3): the first page may begin in its midst. */
static void describe_data(const struct lane *lane, const struct block_io *io, unsigned slot,
                          struct command_entry *command)
{
	uint64_t bytes = (uint64_t)io->sectors * nvme.block_bytes[io->device], part;
	uint64_t *list = list_of(lane, slot);
	uint64_t at = DRIVER_PAGE - io->data_offset % DRIVER_PAGE;
	unsigned count = 0;

	command->prp1 = block_server_address(io, 0, 1, &part);
	for (; at < bytes; at += DRIVER_PAGE)
		list[count++] = block_server_address(io, at, 1, &part);
	command->prp2 = count > 1 ? list_address(lane, slot) : count ? list[0] : 0;
}

static bool start(void *context, struct block_io *io)
{
	struct command_entry command = {.namespace = nvme.namespaces[io->device]};
	struct lane *lane = context;
	uint64_t *list;

	if ((io->operation == BLOCK_ZERO && !nvme.zeroes) ||
	    (io->operation == BLOCK_ZERO && io->sectors > SMALL_MOST)) {
		block_server_complete(&nvme.server, io, BLOCK_UNSUPPORTED);
		return true;
	}
	if (!lane->free_count)
		return false;
	unsigned slot = lane->free_slots[--lane->free_count];
	command.id = (uint16_t)slot;
	command.words[0] = (uint32_t)io->sector;
	command.words[1] = (uint32_t)(io->sector >> 32);
	command.words[2] = (io->sectors - 1) | (io->force ? FORCE : 0);
	switch (io->operation) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		command.opcode = io->operation == BLOCK_READ ? READ : WRITE;
		describe_data(lane, io, slot, &command);
		break;
	case BLOCK_FLUSH:
		command.opcode = FLUSH;
		command.words[0] = command.words[1] = command.words[2] = 0;
		break;
	case BLOCK_DISCARD: /* 6.7: one range */
		list = list_of(lane, slot);
		list[0] = (uint64_t)io->sectors << 32;
		list[1] = io->sector;
		command.opcode = DATASET;
		command.prp1 = list_address(lane, slot);
		command.words[0] = command.words[2] = 0;
		command.words[1] = DEALLOCATE;
		break;
	default:
		command.opcode = WRITE_ZEROES;
	}
	lane->ios[slot] = io;
	submit(&lane->queue, &command);
	return true;
}

static void kick(void *context)
{
	struct lane *lane = context;

	kick_queue(&lane->queue);
}

static void poll(void *context)
{
	struct lane *lane = context;
	uint16_t id, status;
	uint32_t result;
	bool any = false;

	while (completed(&lane->queue, &id, &status, &result)) {
		if (id >= SLOTS || !lane->ios[id])
			driver_fail(&nvme.driver, "the controller completes what it was not given");
		struct block_io *io = lane->ios[id];
		lane->ios[id] = 0;
		lane->free_slots[lane->free_count++] = id;
		any = true;
		block_server_complete(&nvme.server, io, (status & 0x7ff) == 0 ? BLOCK_DONE : BLOCK_MEDIUM);
	}
	if (any)
		doorbell(lane->queue.number, true, lane->queue.head);
	else if (get(CSTS) & CSTS_FATAL || get(CSTS) == UINT32_MAX)
		driver_fail(&nvme.driver, "the controller has failed or is gone");
}

/* ---- Start ---- */

/* A text of the controller's: blanks at its end are none. */
static void copy_text(char *to, const uint8_t *from, unsigned bytes, unsigned size)
{
	if (bytes > size - 1)
		bytes = size - 1;
	memcpy(to, from, bytes);
	while (bytes && (to[bytes - 1] == ' ' || !to[bytes - 1]))
		bytes--;
	to[bytes] = 0;
}

static void add_namespace(unsigned number, uint32_t namespace, struct block_description *common)
{
	const uint8_t *page = nvme.page;
	uint64_t blocks;

	if (!identify(namespace, 0))
		return;
	memcpy(&blocks, page, sizeof(blocks));
	unsigned format = page[26] & 15; /* FLBAS */
	uint32_t exponent = page[128 + 4 * format + 2];
	if (!blocks || exponent < 9 || exponent > 12 ||
	    page[128 + 4 * format]) /* with metadata: not known here */
		return;
	nvme.namespaces[number] = namespace;
	nvme.block_bytes[number] = 1u << exponent;
	struct block_description description = *common;
	description.sectors = blocks;
	description.sector_bytes = description.physical_bytes = 1u << exponent;
	block_server_device(&nvme.server, number, &description);
}

static void add_namespaces(void)
{
	static uint32_t list[BLOCK_DEVICES];
	struct block_description common = {
	    .transfer_bytes = nvme.transfer_bytes, .data_alignment = 4, .queue_depth = SLOTS};
	unsigned count = 0;

	if (!identify(0, 1))
		driver_fail(&nvme.driver, "the controller does not say what it is");
	copy_text(common.serial, nvme.page + 4, 20, sizeof(common.serial));
	copy_text(common.model, nvme.page + 24, 40, sizeof(common.model));
	/* MDTS, in pages of the least size: 0 means no limit. */
	uint8_t most = nvme.page[77];
	uint32_t pages = most && most < 7 ? 1u << most : PAGES_MOST;
	common.transfer_bytes = nvme.transfer_bytes =
	    (pages < 2 ? 1 : pages - (pages == PAGES_MOST)) * DRIVER_PAGE;
	uint16_t optional;
	memcpy(&optional, nvme.page + 520, sizeof(optional)); /* ONCS */
	nvme.dataset = optional & DOES_DATASET;
	nvme.zeroes = optional & DOES_ZEROES;
	nvme.cache = nvme.page[525] & CACHE_PRESENT; /* VWC */
	common.flags =
	    (nvme.cache ? BLOCK_HAS_FLUSH | BLOCK_HAS_FORCE : 0u) | (nvme.dataset ? BLOCK_HAS_DISCARD : 0u);
	if (!identify(0, 2)) /* the active ones */
		driver_fail(&nvme.driver, "the controller does not list its disks");
	memcpy(list, nvme.page, sizeof(list));
	while (count < BLOCK_DEVICES && list[count]) {
		add_namespace(count, list[count], &common);
		count++;
	}
}

/* Queue pair NUMBER, whose interrupt is vector NUMBER - 1. False: the controller, or memory, has none left. */
static bool lane_make(struct lane *lane, uint32_t number)
{
	if (!queue_make(&lane->queue, number))
		return false;
	lane->lists = driver_pages(&nvme.driver, LIST_PAGES, lane->list_addresses);
	for (unsigned i = 0; i < SLOTS; i++)
		lane->free_slots[lane->free_count++] = (uint16_t)i;
	/* 5.3, 5.4: contiguous, with interrupts. */
	return lane->lists &&
	       admin(
	           (struct command_entry){.opcode = CREATE_CQ,
	                                  .prp1 = lane->queue.completion_address,
	                                  .words = {(ENTRIES - 1) << 16 | number, (number - 1) << 16 | 3}}) &&
	       admin((struct command_entry){.opcode = CREATE_SQ,
	                                    .prp1 = lane->queue.command_address,
	                                    .words = {(ENTRIES - 1) << 16 | number, number << 16 | 1}});
}

/* As many queue pairs as there are interrupts (devmgr gives one a CPU), or fewer. A line is one interrupt for all. */
static bool make_lanes(void)
{
	uint32_t wanted = nvme.driver.irq_level || !nvme.driver.irq_count ? 1 : nvme.driver.irq_count, given;

	if (wanted > BLOCK_LANES)
		wanted = BLOCK_LANES;
	/* What the controller has for us, less one each: submission queues below, completion queues above. */
	if (wanted > 1 &&
	    !admin_result((struct command_entry){.opcode = SET_FEATURES,
	                                         .words = {QUEUE_COUNT, (wanted - 1) << 16 | (wanted - 1)}},
	                  &given))
		wanted = 1;
	if (wanted > 1 && (given & 0xffff) + 1 < wanted)
		wanted = (given & 0xffff) + 1;
	if (wanted > 1 && (given >> 16) + 1 < wanted)
		wanted = (given >> 16) + 1;
	while (
	    nvme.lane_count < wanted &&
	    driver_bar_holds(&nvme.driver.bars[0], DOORBELLS, (2 * nvme.lane_count + 4ull) * nvme.stride) &&
	    lane_make(&nvme.lanes[nvme.lane_count], nvme.lane_count + 1))
		nvme.lane_count++;
	return nvme.lane_count;
}

static bool init_controller(void)
{
	uint64_t addresses[1];

	nvme.registers = driver_register(&nvme.driver.bars[0], 0);
	uint64_t capabilities = get(CAP) | (uint64_t)get(CAP + 4) << 32;
	nvme.stride = 4u << (capabilities >> 32 & 15);
	nvme.ready_tries = ((uint32_t)(capabilities >> 24 & 255) + 1) * 500;
	if ((capabilities & 0xffff) + 1 < ENTRIES || capabilities >> 48 & 15 ||
	    !driver_bar_holds(&nvme.driver.bars[0], DOORBELLS, 4ull * nvme.stride))
		return false;
	put(CC, get(CC) & ~CC_ENABLE);
	if (!wait_ready(false) || !driver_started(&nvme.driver) || !queue_make(&nvme.admin, 0))
		return false;
	nvme.page = driver_pages(&nvme.driver, 1, addresses);
	nvme.page_address = addresses[0];
	if (!nvme.page)
		return false;
	put(AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
	put64(ASQ, nvme.admin.command_address);
	put64(ACQ, nvme.admin.completion_address);
	put(CC, CC_SETTINGS | CC_ENABLE);
	return wait_ready(true) && make_lanes();
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct block_backend backend = {
	    .start = start, .kick = kick, .poll = poll, .watched = true};

	if (!driver_init_first(&nvme.driver, info, page))
		return 1;
	if (!driver_bar_holds(&nvme.driver.bars[0], 0, DOORBELLS + 16) || !init_controller())
		driver_fail(&nvme.driver, "the controller is not usable");
	block_server_init(&nvme.server, &nvme.driver, &backend, nvme.lanes);
	add_namespaces();
	unsigned lanes = 1;
	while (lanes < nvme.lane_count &&
	       block_server_lane(&nvme.server, lanes, &nvme.lanes[lanes], nvme.driver.irqs[lanes]))
		lanes++;
	block_server_run(&nvme.server);
}
