/* The driver of virtio block devices. Source: VIRTIO 1.1, 5.2. One queue; up to REQUESTS under way. */
#include "block/block_server.h"
#include "virtio.h"

#include <text.h>

enum feature {
	SEG_MAX = 2,
	READ_ONLY = 5,
	BLOCK_SIZE = 6,
	FLUSH = 9,
	TOPOLOGY = 10,
	DISCARD = 13,
	WRITE_ZEROES = 14
};
enum config { CAPACITY = 0, CONFIG_SEG_MAX = 12, CONFIG_BLOCK_SIZE = 20, CONFIG_PHYSICAL = 24 };
enum type {
	TYPE_IN = 0,
	TYPE_OUT = 1,
	TYPE_FLUSH = 4,
	TYPE_GET_ID = 8,
	TYPE_DISCARD = 11,
	TYPE_WRITE_ZEROES = 13
};

enum status { STATUS_OK = 0, STATUS_ERROR = 1, STATUS_UNSUPPORTED = 2 };

#define SECTOR      512u /* the unit of all positions, whatever the block size */
#define REQUESTS    128u
#define PIECES_MAX  130u /* header, data, status */
#define ID_BYTES    20u
#define START_TRIES 10000u

/* What the device reads and writes beside the data. */
struct slot {
	uint32_t type, reserved;
	uint64_t sector;
	struct {
		uint64_t sector;
		uint32_t sectors, flags;
	} range; /* DISCARD, WRITE_ZEROES */
	uint8_t status;
	uint8_t filler[31];
};
_Static_assert(sizeof(struct slot) == 64, "slots do not cross pages");

static struct blk {
	struct driver driver;
	struct virtio virtio;
	struct virtqueue queue;
	struct block_server server;
	uint32_t block_bytes, pieces_max;
	struct slot *slots;
	uint64_t slot_pages[REQUESTS * sizeof(struct slot) / DRIVER_PAGE];
	struct block_io *ios[REQUESTS]; /* 0: the slot is free */
	uint16_t free_slots[REQUESTS];
	unsigned free_count;
} blk;

static uint64_t slot_address(unsigned slot)
{
	uint64_t at = slot * sizeof(struct slot);

	return blk.slot_pages[at / DRIVER_PAGE] + at % DRIVER_PAGE;
}

static uint32_t type_of(const struct block_io *io)
{
	switch (io->operation) {
	case BLOCK_READ:
		return TYPE_IN;
	case BLOCK_WRITE:
		return TYPE_OUT;
	case BLOCK_FLUSH:
		return TYPE_FLUSH;
	case BLOCK_DISCARD:
		return TYPE_DISCARD;
	default:
		return TYPE_WRITE_ZEROES;
	}
}

/* The data of IO as pieces behind the first; returns how many, or 0 where there are too many. */
static unsigned data_pieces(const struct block_io *io, struct virtio_piece *pieces)
{
	uint64_t bytes = (uint64_t)io->sectors * blk.block_bytes, part;
	unsigned count = 0;

	for (uint64_t at = 0; at < bytes; at += part) {
		if (count == blk.pieces_max)
			return 0;
		pieces[count].address = block_server_address(io, at, bytes - at, &part);
		pieces[count++].bytes = (uint32_t)part;
	}
	return count;
}

static bool start(void *context, struct block_io *io)
{
	struct virtio_piece pieces[PIECES_MAX];
	unsigned out = 1, in = 0, slot, data;

	(void)context;
	if (io->operation == BLOCK_ZERO && !(blk.virtio.features & VIRTIO_FEATURE(WRITE_ZEROES))) {
		block_server_complete(&blk.server, io, BLOCK_UNSUPPORTED);
		return true;
	}
	if (!blk.free_count)
		return false;
	slot = blk.free_slots[blk.free_count - 1];
	struct slot *request = &blk.slots[slot];
	*request = (struct slot){
	    .type = type_of(io), .sector = io->sector * (blk.block_bytes / SECTOR), .status = 0xff};
	pieces[0] = (struct virtio_piece){slot_address(slot), 16};
	switch (io->operation) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		data = data_pieces(io, pieces + 1);
		if (!data) {
			block_server_complete(&blk.server, io, BLOCK_BAD_REQUEST);
			return true;
		}
		*(io->operation == BLOCK_READ ? &in : &out) += data;
		break;
	case BLOCK_FLUSH:
		request->sector = 0;
		break;
	default:
		request->range.sector = request->sector;
		request->range.sectors = io->sectors * (blk.block_bytes / SECTOR);
		request->sector = 0;
		pieces[out++] = (struct virtio_piece){slot_address(slot) + 16, 16};
	}
	pieces[out + in] = (struct virtio_piece){slot_address(slot) + offsetof(struct slot, status), 1};
	if (!virtqueue_add(&blk.queue, pieces, out, in + 1, request))
		return false;
	blk.free_count--;
	blk.ios[slot] = io;
	return true;
}

static void kick(void *context)
{
	(void)context;
	virtqueue_kick(&blk.queue);
}

static enum block_status status_of(uint8_t status)
{
	if (status > STATUS_UNSUPPORTED)
		driver_fail(&blk.driver, "the device answers with a status that is none");
	return status == STATUS_OK            ? BLOCK_DONE
	       : status == STATUS_UNSUPPORTED ? BLOCK_UNSUPPORTED
	                                      : BLOCK_MEDIUM;
}

static void poll(void *context)
{
	struct slot *request;
	uint32_t bytes;

	(void)context;
	virtio_acknowledge(&blk.virtio);
	while ((request = virtqueue_used(&blk.queue, &bytes))) {
		unsigned slot = (unsigned)(request - blk.slots);
		struct block_io *io = blk.ios[slot];
		blk.ios[slot] = 0;
		blk.free_slots[blk.free_count++] = (uint16_t)slot;
		block_server_complete(&blk.server, io, status_of(request->status));
	}
}

/* Asks for the serial number, waiting for it: nothing else is under way. */
static void read_serial(char serial[32])
{
	struct slot *request = &blk.slots[0];
	uint32_t bytes;

	*request = (struct slot){.type = TYPE_GET_ID, .status = 0xff};
	struct virtio_piece pieces[3] = {{slot_address(0), 16},
	                                 {slot_address(1), ID_BYTES},
	                                 {slot_address(0) + offsetof(struct slot, status), 1}};
	if (!virtqueue_add(&blk.queue, pieces, 1, 2, request))
		return;
	virtqueue_kick(&blk.queue);
	for (unsigned tries = 0; !virtqueue_used(&blk.queue, &bytes); tries++) {
		if (tries == START_TRIES)
			driver_fail(&blk.driver, "the device does not answer");
		driver_pause(&blk.driver, 100);
	}
	if (request->status == STATUS_OK)
		memcpy(serial, &blk.slots[1], ID_BYTES);
	serial[ID_BYTES] = 0;
}

static bool describe(struct block_description *description)
{
	const struct virtio *virtio = &blk.virtio;
	uint64_t capacity = virtio_config(virtio, CAPACITY, 8);
	uint64_t segments = 1;

	blk.block_bytes = SECTOR;
	if (virtio->features & VIRTIO_FEATURE(BLOCK_SIZE))
		blk.block_bytes = (uint32_t)virtio_config(virtio, CONFIG_BLOCK_SIZE, 4);
	if (blk.block_bytes < SECTOR || blk.block_bytes > DRIVER_PAGE ||
	    blk.block_bytes & (blk.block_bytes - 1))
		return false;
	if (virtio->features & VIRTIO_FEATURE(SEG_MAX))
		segments = virtio_config(virtio, CONFIG_SEG_MAX, 4);
	blk.pieces_max = segments < 2 ? 2 : segments > PIECES_MAX - 2 ? PIECES_MAX - 2 : (uint32_t)segments;
	if (blk.pieces_max > blk.queue.size - 2u)
		blk.pieces_max = blk.queue.size - 2u;
	*description = (struct block_description){
	    .sectors = capacity / (blk.block_bytes / SECTOR),
	    .sector_bytes = blk.block_bytes,
	    .physical_bytes = blk.block_bytes,
	    .transfer_bytes = (blk.pieces_max - 1) * DRIVER_PAGE, /* whose first page may be cut */
	    .data_alignment = SECTOR,
	    .queue_depth = REQUESTS,
	    .model = "virtio block device",
	};
	if (virtio->features & VIRTIO_FEATURE(TOPOLOGY)) {
		uint64_t exponent = virtio_config(virtio, CONFIG_PHYSICAL, 1);
		if (exponent < 8)
			description->physical_bytes = blk.block_bytes << exponent;
	}
	description->flags = (virtio->features & VIRTIO_FEATURE(FLUSH) ? BLOCK_HAS_FLUSH : 0u) |
	                     (virtio->features & VIRTIO_FEATURE(DISCARD) ? BLOCK_HAS_DISCARD : 0u) |
	                     (virtio->features & VIRTIO_FEATURE(READ_ONLY) ? BLOCK_IS_READ_ONLY : 0u);
	return true;
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct block_backend backend = {
	    .start = start, .kick = kick, .poll = poll, .watched = true};
	const uint64_t features = VIRTIO_FEATURE(SEG_MAX) | VIRTIO_FEATURE(READ_ONLY) |
	                          VIRTIO_FEATURE(BLOCK_SIZE) | VIRTIO_FEATURE(FLUSH) |
	                          VIRTIO_FEATURE(TOPOLOGY) | VIRTIO_FEATURE(DISCARD) |
	                          VIRTIO_FEATURE(WRITE_ZEROES);
	struct block_description description;

	if (!driver_init(&blk.driver, info, page) || !virtio_init(&blk.virtio, &blk.driver, features))
		return 1;
	blk.slots =
	    driver_pages(&blk.driver, sizeof(blk.slot_pages) / sizeof(*blk.slot_pages), blk.slot_pages);
	if (!blk.slots || !virtqueue_init(&blk.queue, &blk.virtio, 0, VIRTQUEUE_SIZE_MAX) ||
	    !describe(&description))
		driver_fail(&blk.driver, "the device is not usable");
	for (unsigned i = 0; i < REQUESTS; i++)
		blk.free_slots[blk.free_count++] = (uint16_t)i;
	virtio_start(&blk.virtio);
	read_serial(description.serial);
	block_server_init(&blk.server, &blk.driver, &backend, 0);
	block_server_device(&blk.server, 0, &description);
	block_server_run(&blk.server);
}
