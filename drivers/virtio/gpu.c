/* The driver of virtio GPUs, as a screen (abi/screen.interface): the first scanout shows one resource, whose backing is the client's memory.
 * Source: VIRTIO 1.2, 5.7; no 3D, no blobs, no cursor queue. What sets a picture up is done one command after the other and waited for;
 * what changes in it gathers in one rectangle while the device is busy with the one before. Whatever the device answers but what was
 * asked for, or not in time, ends the driver. */
#include "host.interface.h"
#include "screen.interface.h"
#include "virtio.h"

#include <text.h>

#define CALL_NS       10000000000ull
#define UPDATE_NS     5000000000ull /* for a picture's part */
#define TRIES         20000u        /* of 100 us, for what is waited for */
#define PAGES_MAX     (SCREEN_BYTES_MAX / DRIVER_PAGE)
#define ENTRY_PAGES   (PAGES_MAX * sizeof(struct entry) / DRIVER_PAGE)
#define QUEUE_ENTRIES 32u
#define RESOURCE      1u
#define WIDTH_ELSE    1024u /* where the device has no size of its own that this driver can show */
#define HEIGHT_ELSE   768u

/* struct virtio_gpu_config, 5.7.4. */
enum config { EVENTS_READ = 0, EVENTS_CLEAR = 4 };
#define EVENT_DISPLAY 1u

/* 5.7.6.7. */
enum type {
	GET_DISPLAY_INFO = 0x0100,
	RESOURCE_CREATE_2D = 0x0101,
	RESOURCE_UNREF = 0x0102,
	SET_SCANOUT = 0x0103,
	RESOURCE_FLUSH = 0x0104,
	TRANSFER_TO_HOST_2D = 0x0105,
	RESOURCE_ATTACH_BACKING = 0x0106,
	OK_NODATA = 0x1100,
	OK_DISPLAY_INFO = 0x1101,
};
enum { FORMAT_B8G8R8X8 = 2 };

struct header {
	uint32_t type, flags;
	uint64_t fence;
	uint32_t context;
	uint32_t filler; /* the ring's index among it */
};
struct rectangle {
	uint32_t x, y, width, height;
};
/* 5.7.6.8: all commands that are used. */
struct command {
	struct header header;
	union {
		struct {
			uint32_t resource, format, width, height;
		} create;
		struct {
			uint32_t resource, filler;
		} unref;
		struct {
			uint32_t resource, entries;
		} attach;
		struct {
			struct rectangle part;
			uint32_t scanout, resource;
		} scanout;
		struct {
			struct rectangle part;
			uint32_t resource, filler;
		} flush;
		struct {
			struct rectangle part;
			uint64_t offset;
			uint32_t resource, filler;
		} transfer;
	};
};
struct entry {
	uint64_t address;
	uint32_t bytes, filler;
};
struct display_info {
	struct header header;
	struct {
		struct rectangle at;
		uint32_t enabled, flags;
	} scanouts[16];
};

/* What is shared with the device beside the entries: a page. */
enum slot { WAITED, TRANSFER, FLUSH, SLOTS };
struct shared {
	struct command commands[SLOTS];
	struct header answers[SLOTS];
	struct display_info display;
};
_Static_assert(sizeof(struct header) == 24 && sizeof(struct display_info) == 408 &&
                   sizeof(struct shared) <= DRIVER_PAGE,
               "as the specification has them");

static struct gpu {
	struct driver driver;
	struct virtio virtio;
	struct virtqueue queue;
	struct shared *shared;
	uint64_t address;
	struct entry *entries;
	uint64_t entry_pages[ENTRY_PAGES];
	/* The picture; WIDTH 0: there is none. */
	handle_t memory;
	uint32_t width, height;
	uint64_t pages, addresses[PAGES_MAX], mappings[PAGES_MAX / DRIVER_MAP_PAGES];
	struct rectangle changed; /* and not given to the device; WIDTH 0: nothing */
	unsigned under_way;       /* commands of the part that it was given */
	uint64_t until;           /* when they are done, or never */
	handle_t watcher;
	uint64_t watcher_bits;
} gpu;

static void fail(void)
{
	driver_fail(&gpu.driver, "the device does not do what it was asked to");
}

/* ---- Commands ---- */

static struct virtio_piece piece_of(const void *at, uint32_t bytes)
{
	return (struct virtio_piece){
	    gpu.address + (uint64_t)((const uint8_t *)at - (const uint8_t *)gpu.shared), bytes};
}

/* Hands over the command in SLOT of BYTES, behind it COUNT pages of entries, for ANSWER of ANSWER_BYTES. */
static void submit(enum slot slot, uint32_t bytes, unsigned entries, struct header *answer,
                   uint32_t answer_bytes)
{
	struct virtio_piece pieces[ENTRY_PAGES + 2] = {piece_of(&gpu.shared->commands[slot], bytes)};
	uint64_t left = entries * sizeof(struct entry);
	unsigned count = 1;

	for (unsigned i = 0; left; i++) {
		uint32_t part = left < DRIVER_PAGE ? (uint32_t)left : DRIVER_PAGE;
		pieces[count++] = (struct virtio_piece){gpu.entry_pages[i], part};
		left -= part;
	}
	pieces[count] = piece_of(answer, answer_bytes);
	answer->type = 0;
	if (!virtqueue_add(&gpu.queue, pieces, count, 1, answer))
		fail();
	virtqueue_kick(&gpu.queue);
}

/* The next answer; 0: none is there. One that refuses ends the driver. */
static struct header *answer_take(void)
{
	uint32_t bytes;
	struct header *answer = virtqueue_used(&gpu.queue, &bytes);

	if (!answer)
		return 0;
	bool info = answer == &gpu.shared->display.header;
	if (bytes < (info ? sizeof(struct display_info) : sizeof(struct header)) ||
	    *(volatile uint32_t *)&answer->type != (info ? OK_DISPLAY_INFO : OK_NODATA))
		fail();
	return answer;
}

static void parts_end(void)
{
	while (answer_take())
		gpu.under_way--;
}

/* All that the device was given is done. */
static void drain(void)
{
	for (unsigned tries = 0; gpu.under_way; tries++) {
		if (tries == TRIES)
			fail();
		parts_end();
		if (gpu.under_way)
			driver_pause(&gpu.driver, 100);
	}
}

/* The command in slot WAITED, done alone. */
static void command_do(uint32_t bytes, unsigned entries, struct header *answer, uint32_t answer_bytes)
{
	drain();
	submit(WAITED, bytes, entries, answer, answer_bytes);
	for (unsigned tries = 0; !answer_take(); tries++) {
		if (tries == TRIES)
			fail();
		driver_pause(&gpu.driver, 100);
	}
}

static struct command *command_begin(enum slot slot, uint32_t type)
{
	struct command *command = &gpu.shared->commands[slot];

	*command = (struct command){.header.type = type};
	return command;
}

#define BYTES_OF(kind) ((uint32_t)(offsetof(struct command, kind) + sizeof(((struct command *)0)->kind)))

static void command_wait(uint32_t bytes, unsigned entries)
{
	command_do(bytes, entries, &gpu.shared->answers[WAITED], sizeof(struct header));
}

/* ---- The picture ---- */

static void scanout_set(uint32_t resource)
{
	struct command *command = command_begin(WAITED, SET_SCANOUT);

	command->scanout.part =
	    resource ? (struct rectangle){0, 0, gpu.width, gpu.height} : (struct rectangle){0};
	command->scanout.resource = resource;
	command_wait(BYTES_OF(scanout), 0);
}

static void picture_end(void)
{
	if (!gpu.width)
		return;
	scanout_set(0);
	command_begin(WAITED, RESOURCE_UNREF)->unref.resource = RESOURCE;
	command_wait(BYTES_OF(unref), 0);
	driver_unmap(&gpu.driver, gpu.pages, gpu.mappings);
	cap_delete(gpu.memory);
	gpu.width = gpu.height = 0;
	gpu.changed = (struct rectangle){0};
}

/* Pages that follow one another are one entry. */
static unsigned entries_make(uint64_t bytes)
{
	unsigned count = 0;

	for (uint64_t page = 0; page < gpu.pages; page++) {
		uint32_t part = bytes - page * DRIVER_PAGE < DRIVER_PAGE
		                    ? (uint32_t)(bytes - page * DRIVER_PAGE)
		                    : DRIVER_PAGE;
		if (count &&
		    gpu.addresses[page] == gpu.entries[count - 1].address + gpu.entries[count - 1].bytes)
			gpu.entries[count - 1].bytes += part;
		else
			gpu.entries[count++] = (struct entry){.address = gpu.addresses[page], .bytes = part};
	}
	return count;
}

static void picture_begin(void)
{
	struct command *command = command_begin(WAITED, RESOURCE_CREATE_2D);

	command->create.resource = RESOURCE;
	command->create.format = FORMAT_B8G8R8X8;
	command->create.width = gpu.width;
	command->create.height = gpu.height;
	command_wait(BYTES_OF(create), 0);
	unsigned entries = entries_make((uint64_t)gpu.width * gpu.height * 4);
	command = command_begin(WAITED, RESOURCE_ATTACH_BACKING);
	command->attach.resource = RESOURCE;
	command->attach.entries = entries;
	command_wait(BYTES_OF(attach), entries);
	scanout_set(RESOURCE);
	gpu.changed = (struct rectangle){0, 0, gpu.width, gpu.height};
}

/* Gives the device what has changed, where it is not busy. */
static void part_show(void)
{
	struct rectangle part = gpu.changed;

	if (gpu.under_way || !part.width)
		return;
	gpu.changed = (struct rectangle){0};
	struct command *command = command_begin(TRANSFER, TRANSFER_TO_HOST_2D);
	command->transfer.part = part;
	command->transfer.offset = ((uint64_t)part.y * gpu.width + part.x) * 4;
	command->transfer.resource = RESOURCE;
	command = command_begin(FLUSH, RESOURCE_FLUSH);
	command->flush.part = part;
	command->flush.resource = RESOURCE;
	gpu.under_way = 2;
	gpu.until = clock_ns() + UPDATE_NS;
	event_timer(gpu.driver.event, gpu.until, DRIVER_TIMER_BIT);
	submit(TRANSFER, BYTES_OF(transfer), 0, &gpu.shared->answers[TRANSFER], sizeof(struct header));
	submit(FLUSH, BYTES_OF(flush), 0, &gpu.shared->answers[FLUSH], sizeof(struct header));
}

static bool shows(uint32_t width, uint32_t height)
{
	return width && height && width <= SCREEN_SIDE_MAX && height <= SCREEN_SIDE_MAX &&
	       (uint64_t)width * height * 4 <= SCREEN_BYTES_MAX;
}

/* ---- The client ---- */

static int64_t serve_watch(void *context, uint64_t badge, handle_t event, uint64_t bits, uint32_t *width,
                           uint32_t *height, uint32_t *shown)
{
	(void)context;
	(void)badge;
	if (!bits)
		return E_ARGUMENT;
	command_begin(WAITED, GET_DISPLAY_INFO);
	command_do(sizeof(struct header), 0, &gpu.shared->display.header, sizeof(gpu.shared->display));
	struct rectangle at = gpu.shared->display.scanouts[0].at;
	bool good = gpu.shared->display.scanouts[0].enabled && shows(at.width, at.height);
	*width = good ? at.width : WIDTH_ELSE;
	*height = good ? at.height : HEIGHT_ELSE;
	*shown = gpu.width != 0;
	if (gpu.watcher)
		cap_delete(gpu.watcher);
	gpu.watcher = event;
	gpu.watcher_bits = bits;
	part_show(); /* what came while this waited */
	return E_OK;
}

static int64_t serve_picture(void *context, uint64_t badge, handle_t memory, uint32_t width, uint32_t height)
{
	uint64_t bytes = (uint64_t)width * height * 4;

	(void)context;
	(void)badge;
	if (!shows(width, height) || driver_memory_bytes(&gpu.driver, memory) < bytes)
		return E_ARGUMENT;
	picture_end();
	gpu.pages = (bytes + DRIVER_PAGE - 1) / DRIVER_PAGE;
	if (!driver_map(&gpu.driver, memory, gpu.pages, gpu.addresses, gpu.mappings))
		return E_QUOTA_MEMORY;
	gpu.memory = memory;
	gpu.width = width;
	gpu.height = height;
	picture_begin();
	part_show();
	return E_OK;
}

static int64_t serve_update(void *context, uint64_t badge, uint32_t x, uint32_t y, uint32_t width,
                            uint32_t height)
{
	struct rectangle *old = &gpu.changed;

	(void)context;
	(void)badge;
	if (!gpu.width)
		return E_NOT_FOUND;
	if (x >= gpu.width || y >= gpu.height)
		return E_OK;
	uint32_t right = width < gpu.width - x ? x + width : gpu.width;
	uint32_t bottom = height < gpu.height - y ? y + height : gpu.height;
	if (old->width) { /* one rectangle around both */
		right = right > old->x + old->width ? right : old->x + old->width;
		bottom = bottom > old->y + old->height ? bottom : old->y + old->height;
		x = x < old->x ? x : old->x;
		y = y < old->y ? y : old->y;
	}
	if (right > x && bottom > y)
		*old = (struct rectangle){x, y, right - x, bottom - y};
	part_show();
	return E_OK;
}

static void message(void *context, struct message *message)
{
	static const struct screen_operations operations = {
	    .watch = serve_watch, .picture = serve_picture, .update = serve_update};

	screen_serve(&operations, context, message, gpu.driver.page);
}

static void size_tell(void)
{
	if (!(virtio_config(&gpu.virtio, EVENTS_READ, 4) & EVENT_DISPLAY))
		return;
	virtio_config_put(&gpu.virtio, EVENTS_CLEAR, EVENT_DISPLAY, 4);
	if (gpu.watcher && event_signal(gpu.watcher, gpu.watcher_bits) < 0) {
		cap_delete(gpu.watcher); /* it is gone */
		gpu.watcher = 0;
	}
}

static void work(void *context, uint64_t bits)
{
	(void)context;
	(void)bits;
	virtio_acknowledge(&gpu.virtio);
	parts_end();
	if (gpu.under_way && clock_ns() >= gpu.until)
		fail();
	part_show();
	size_tell();
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	if (!driver_init(&gpu.driver, info, page) || !virtio_init(&gpu.virtio, &gpu.driver, 0))
		return 1;
	gpu.shared = driver_pages(&gpu.driver, 1, &gpu.address);
	gpu.entries = driver_pages(&gpu.driver, ENTRY_PAGES, gpu.entry_pages);
	if (!gpu.shared || !gpu.entries || !virtqueue_init(&gpu.queue, &gpu.virtio, 0, QUEUE_ENTRIES) ||
	    gpu.queue.size < ENTRY_PAGES + 2)
		driver_fail(&gpu.driver, "the device is not usable");
	virtio_start(&gpu.virtio);
	if (host_announce(gpu.driver.host, page, DEVICE_SCREEN, 0, "", clock_ns() + CALL_NS) < 0)
		driver_fail(&gpu.driver, "the device could not be announced");
	driver_run(&gpu.driver, 0, message, work);
}
