/* Disks of USB mass storage (Bulk-Only Transport 1.0, "BOT"): a command, its data, its status, one after the other, one command at a
 * time; the first logical unit. The status is asked for only when the data was moved, and data only after the command, where the
 * controller does not see to that: a device may refuse to be asked earlier, or forget it (QEMU's does either). What a device refuses (a stall) is ended by its status; what goes wrong is done again after a reset (BOT,
 * 5.3.4), then fails, and a disk that fails too often is let go.
 *
 * A disk's number outlives the driver and a while without the disk: clients' capabilities name it. So which disk it is is kept
 * by devmgr, as a digest of where it is plugged in and of what it says of itself. See usb.h. */
#include "usb.h"

#include "host.interface.h"
#include "usb/scsi.h"

#include <text.h>

#define CALL_NS     10000000000ull
#define DO_NS       5000000000ull
#define REQUEST_NS  30000000000ull
#define TRIES       3u   /* of a request */
#define FAULTS_MAX  100u /* resets of a disk */
#define WAITING_MAX 32u  /* requests that a disk has taken */
#define READY_TRIES 20u
#define READY_US    100000u
#define KEPT_FIRST  BLOCK_RANGES /* places before are the block server's */
#define SENSE_BYTES 18u
#define MODE_BYTES  192u
#define FROM_CLASS  0x21u /* to an interface */
#define BOT_RESET   0xffu
#define NO_MEDIUM   0x3au
/* In the device's page: */
#define COMMAND_AT 2048u
#define STATUS_AT  2112u
#define ANSWER_AT  3072u

enum stage { STAGE_COMMAND, STAGE_DATA, STAGE_STATUS, STAGE_STATUS_AGAIN };

static struct storage {
	struct device *device;                /* 0: it is not there */
	uint64_t identity;                    /* 0: no disk has this number */
	struct block_io *io, *waiting, *last; /* under way; and then */
	const struct block_io *data;          /* of the command; 0: an answer */
	uint64_t end;                         /* of what is under way */
	uint32_t tag, wanted, moved;
	uint32_t most;    /* that can have been moved, as the controller saw it */
	enum stage stage; /* of what is under way */
	unsigned waiting_count;
	unsigned tries, faults;
	uint8_t interface;
	bool in;
	struct block_description description;
} disks[BLOCK_DEVICES];

static struct endpoint *bulk(const struct storage *disk, enum endpoint_use use)
{
	return &disk->device->endpoints[use];
}

/* ---- Commands ---- */

static void status_ask(struct storage *disk)
{
	struct device *device = disk->device;
	struct endpoint *from = bulk(disk, ENDPOINT_IN);

	memset(device->buffer + STATUS_AT, 0, BOT_STATUS_BYTES);
	endpoint_ask(device, from, STATUS_AT, BOT_STATUS_BYTES);
}

static void data_move(struct storage *disk)
{
	struct endpoint *data = bulk(disk, disk->in ? ENDPOINT_IN : ENDPOINT_OUT);
	const struct block_io *io = disk->data;
	const uint32_t bytes = disk->wanted;
	struct usb_piece pieces[PIECES_MAX];
	unsigned count = 0;
	uint64_t part;

	if (!io) {
		endpoint_ask(disk->device, data, ANSWER_AT, bytes);
		return;
	}
	for (uint64_t at = 0; at < bytes && count < PIECES_MAX; at += part) {
		uint64_t address = block_server_address(io, at, 1, &part);

		part = DRIVER_PAGE - address % DRIVER_PAGE;
		part = part < bytes - at ? part : bytes - at;
		pieces[count++] = (struct usb_piece){address, (uint32_t)part};
	}
	hc_transfer(disk->device, data, pieces, count);
}

static void command_sent(struct storage *disk)
{
	disk->stage = disk->wanted ? STAGE_DATA : STAGE_STATUS;
	if (disk->wanted)
		data_move(disk);
	else
		status_ask(disk);
}

/* Puts COMMAND on its way, with BYTES of IO's data, or (0) of an answer. */
static void issue(struct storage *disk, const struct scsi_command *command, uint32_t bytes, bool in,
                  const struct block_io *io)
{
	struct device *device = disk->device;
	struct endpoint *to = bulk(disk, ENDPOINT_OUT);

	bot_command(device->buffer + COMMAND_AT, ++disk->tag, bytes, in, command);
	disk->wanted = disk->most = bytes;
	disk->moved = 0;
	disk->in = in;
	disk->data = io;
	disk->stage = STAGE_COMMAND;
	to->quiet = hc_in_order;
	endpoint_ask(device, to, COMMAND_AT, BOT_COMMAND_BYTES);
	if (hc_in_order)
		command_sent(disk);
}

/* ENDPOINT was refused something: it runs again, and the status says what was done (BOT, 6.7.2, 6.7.3 and figure 2). */
static bool ask_again(struct storage *disk, struct endpoint *endpoint, enum stage stage)
{
	if (endpoint->result != TRANSFER_STALLED || !endpoint_restart(disk->device, endpoint))
		return false;
	disk->stage = stage;
	status_ask(disk);
	return true;
}

static bool good(const struct endpoint *endpoint)
{
	return endpoint->result == TRANSFER_DONE;
}

/* Takes what is under way further; whether it has ended, and how. */
static bool ended(struct storage *disk, enum bot_status *status)
{
	struct endpoint *to = bulk(disk, ENDPOINT_OUT), *from = bulk(disk, ENDPOINT_IN),
	                *data = disk->in ? from : to;

	*status = BOT_BROKEN;
	if (disk->stage == STAGE_COMMAND && to->done && good(to)) {
		endpoint_taken(to);
		command_sent(disk);
		return false;
	}
	if (disk->stage == STAGE_DATA && data->done) {
		if (!good(data))
			return !ask_again(disk, data, STAGE_STATUS);
		disk->most = data->moved;
		endpoint_taken(data);
		disk->stage = STAGE_STATUS;
		status_ask(disk);
		return false;
	}
	if (!to->done && !from->done)
		return clock_ns() > disk->end;
	if (disk->stage == STAGE_STATUS && from->done && !good(from))
		return !ask_again(disk, from, STAGE_STATUS_AGAIN);
	if (from->done && good(from))
		*status = bot_status_parse(disk->device->buffer + STATUS_AT, from->moved, disk->tag,
		                           disk->wanted, &disk->moved);
	disk->moved = disk->moved < disk->most ? disk->moved : disk->most;
	endpoint_taken(to);
	endpoint_taken(from);
	return true;
}

/* BOT, 5.3.4, when the controller reaches nothing of what was under way any more. False: the disk is to be let go. */
static bool recover(struct storage *disk)
{
	struct device *device = disk->device;
	struct endpoint *to = bulk(disk, ENDPOINT_OUT), *from = bulk(disk, ENDPOINT_IN);

	endpoint_stop(device, to);
	endpoint_stop(device, from);
	device->gone |= ++disk->faults > FAULTS_MAX ||
	                control_request(device, FROM_CLASS, BOT_RESET, 0, disk->interface, 0) < 0 ||
	                !endpoint_resume(device, from) || !endpoint_resume(device, to);
	return !device->gone;
}

/* One command from beginning to end, whose answer is in the device's page. */
static enum bot_status command_do(struct storage *disk, const struct scsi_command *command, uint32_t bytes)
{
	enum bot_status status;

	disk->end = device_deadline(disk->device, DO_NS);
	memset(disk->device->buffer + ANSWER_AT, 0, bytes);
	issue(disk, command, bytes, bytes != 0, 0);
	hc_events();
	while (!ended(disk, &status)) {
		driver_pause(&usb.driver, 50);
		hc_events();
	}
	if (status == BOT_BROKEN)
		recover(disk);
	return disk->device->gone ? BOT_BROKEN : status;
}

/* The bytes of the answer to COMMAND, at most BYTES; -1: it failed. */
static int32_t answer(struct storage *disk, struct scsi_command command, uint32_t bytes)
{
	if (disk->device->gone || command_do(disk, &command, bytes) != BOT_GOOD)
		return -1;
	return (int32_t)disk->moved;
}

static struct scsi_sense sense_of(struct storage *disk)
{
	struct scsi_sense sense = {.key = SENSE_MEDIUM};
	int32_t bytes = answer(disk, scsi_simple(SCSI_REQUEST_SENSE, SENSE_BYTES), SENSE_BYTES);

	if (bytes > 0)
		(void)scsi_sense_parse(disk->device->buffer + ANSWER_AT, (size_t)bytes, &sense);
	return sense;
}

/* ---- Requests ---- */

static void request_issue(struct storage *disk)
{
	const struct block_io *io = disk->io;
	struct scsi_command command = scsi_simple(SCSI_SYNCHRONIZE_CACHE_10, 0);
	uint32_t bytes = 0;

	if (io->operation != BLOCK_FLUSH) {
		command = scsi_transfer(io->operation == BLOCK_WRITE, io->sector, io->sectors);
		bytes = io->sectors * disk->description.sector_bytes;
	}
	disk->end = clock_ns() + REQUEST_NS;
	issue(disk, &command, bytes, io->operation == BLOCK_READ, io);
}

/* The next request that waits, if none is under way. */
static void request_next(struct storage *disk)
{
	if (disk->io || !disk->waiting)
		return;
	disk->io = disk->waiting;
	disk->waiting = disk->io->next;
	disk->waiting_count--;
	disk->tries = 0;
	request_issue(disk);
}

bool storage_start(void *context, struct block_io *io)
{
	struct storage *disk = &disks[io->device];

	(void)context;
	if (!disk->device || disk->device->gone) {
		block_server_complete(&usb.server, io, BLOCK_GONE);
		return true;
	}
	if (io->operation > BLOCK_FLUSH) {
		block_server_complete(&usb.server, io, BLOCK_UNSUPPORTED);
		return true;
	}
	/* One disk that is slow does not hold up the requests to others. */
	if (disk->waiting_count == WAITING_MAX)
		return false;
	io->next = 0;
	if (disk->waiting)
		disk->last->next = io;
	else
		disk->waiting = io;
	disk->last = io;
	disk->waiting_count++;
	request_next(disk);
	return true;
}

static void request_end(struct storage *disk, enum block_status status)
{
	struct block_io *io = disk->io;

	disk->io = 0;
	block_server_complete(&usb.server, io, status);
}

/* After a fault, or too little data. */
static void request_again(struct storage *disk)
{
	if (++disk->tries < TRIES)
		request_issue(disk);
	else
		request_end(disk, BLOCK_MEDIUM);
}

static void request_failed(struct storage *disk, enum bot_status status)
{
	struct scsi_sense sense;

	/* One that does not come back ends with its device, when the controller reaches its data no more. */
	if (status == BOT_BROKEN && !recover(disk))
		return;
	sense = sense_of(disk);
	if (disk->device->gone)
		return;
	if (sense.key == SENSE_NOT_READY && sense.code == NO_MEDIUM)
		request_end(disk, BLOCK_GONE);
	else if (sense.key == SENSE_PROTECTED)
		request_end(disk, BLOCK_READ_ONLY);
	else if (sense.key != SENSE_MEDIUM && sense.key != SENSE_ILLEGAL)
		request_again(disk);
	else
		request_end(disk, BLOCK_MEDIUM);
}

void storage_poll(void *context)
{
	enum bot_status status;

	(void)context;
	for (unsigned i = 0; i < BLOCK_DEVICES; i++) {
		struct storage *disk = &disks[i];

		if (!disk->device || disk->device->gone || !disk->io || !ended(disk, &status))
			continue;
		if (status != BOT_GOOD)
			request_failed(disk, status);
		else if (disk->moved == disk->wanted)
			request_end(disk, BLOCK_DONE);
		else
			request_again(disk);
		if (!disk->device->gone)
			request_next(disk);
	}
}

/* ---- Coming and going ---- */

static bool ready(struct storage *disk)
{
	for (unsigned tries = 0; tries < READY_TRIES && !disk->device->gone; tries++) {
		if (answer(disk, scsi_simple(SCSI_TEST_UNIT_READY, 0), 0) >= 0)
			return true;
		struct scsi_sense sense = sense_of(disk);
		if (sense.key == SENSE_NOT_READY && sense.code == NO_MEDIUM)
			return false;
		if (sense.key != SENSE_ATTENTION)
			driver_pause(&usb.driver, READY_US);
	}
	return false;
}

static bool describe_capacity(struct storage *disk, struct block_description *is)
{
	const uint8_t *said = disk->device->buffer + ANSWER_AT;
	int32_t bytes = answer(disk, scsi_capacity(false), 8);

	if (bytes < 0 || !scsi_capacity_parse(said, (size_t)bytes, false, &is->sectors, &is->sector_bytes))
		return false;
	if (is->sectors <= UINT32_MAX)
		return true;
	bytes = answer(disk, scsi_capacity(true), 32);
	return bytes >= 0 && scsi_capacity_parse(said, (size_t)bytes, true, &is->sectors, &is->sector_bytes);
}

/* What the disk is. False: none that can be used. */
static bool describe(struct storage *disk, const char *serial)
{
	struct block_description *is = &disk->description;
	const uint8_t *said = disk->device->buffer + ANSWER_AT;
	bool removable;
	int32_t bytes;

	*is = (struct block_description){
	    .transfer_bytes = hc_transfer_pages * DRIVER_PAGE, .data_alignment = 512, .queue_depth = 1};
	text_copy(is->serial, sizeof(is->serial), serial);
	bytes = answer(disk, scsi_simple(SCSI_INQUIRY, 36), 36);
	if (bytes < 0 ||
	    !scsi_inquiry_parse(said, (size_t)bytes, SCSI_DISK, &removable, is->model, sizeof(is->model)) ||
	    !ready(disk) || !describe_capacity(disk, is))
		return false;
	is->physical_bytes = is->sector_bytes;
	is->flags = removable ? BLOCK_IS_REMOVABLE : 0;
	bytes = answer(disk, scsi_simple(SCSI_MODE_SENSE_6, MODE_BYTES), MODE_BYTES);
	if (bytes >= 0 && scsi_protected(said, (size_t)bytes))
		is->flags |= BLOCK_IS_READ_ONLY;
	if (answer(disk, scsi_simple(SCSI_SYNCHRONIZE_CACHE_10, 0), 0) >= 0)
		is->flags |= BLOCK_HAS_FLUSH;
	else
		(void)sense_of(disk);
	return !disk->device->gone;
}

/* FNV-1a (draft-eastlake-fnv). */
static uint64_t digest(uint64_t hash, const void *data, size_t bytes)
{
	const uint8_t *at = data;

	while (bytes--)
		hash = (hash ^ *at++) * 0x100000001b3ull;
	return hash;
}

static uint64_t identity_of(const struct device *device, const struct block_description *is)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	hash = digest(hash, &device->port, sizeof(device->port));
	hash = digest(hash, &device->route, sizeof(device->route));
	hash = digest(hash, &is->sectors, sizeof(is->sectors));
	hash = digest(hash, is->model, sizeof(is->model));
	hash = digest(hash, is->serial, sizeof(is->serial));
	return hash ? hash : 1;
}

void storage_init(void)
{
	struct driver *driver = &usb.driver;
	uint64_t second, third;

	for (uint32_t i = 0; i < BLOCK_DEVICES; i++)
		if (host_kept(driver->host, driver->page, KEPT_FIRST + i, &disks[i].identity, &second, &third,
		              clock_ns() + CALL_NS) < 0)
			disks[i].identity = 0;
}

bool storage_attach(struct device *device, const struct usb_interface *interface, const char *serial)
{
	struct storage fresh = {.device = device, .interface = interface->number};
	unsigned number = 0;

	if (!describe(&fresh, serial))
		return false;
	fresh.identity = identity_of(device, &fresh.description);
	while (number < BLOCK_DEVICES && disks[number].identity != fresh.identity)
		number++;
	if (number == BLOCK_DEVICES)
		for (number = 0; number < BLOCK_DEVICES && disks[number].identity;)
			number++;
	if (number == BLOCK_DEVICES || disks[number].device ||
	    host_keep(usb.driver.host, usb.driver.page, KEPT_FIRST + number, fresh.identity, 0, 0,
	              clock_ns() + CALL_NS) < 0) {
		DRIVER_LOG(&usb.driver, "%s: there is no number left for disk %s\n", hc_name,
		           fresh.description.serial);
		return false;
	}
	disks[number] = fresh;
	device->storage = &disks[number];
	block_server_device(&usb.server, number, &disks[number].description);
	return true;
}

bool storage_missing(void)
{
	bool missing = false;

	for (unsigned i = 0; i < BLOCK_DEVICES; i++)
		missing |= disks[i].identity && !disks[i].device;
	return missing;
}

void storage_detach(struct device *device)
{
	struct storage *disk = device->storage;

	if (!disk)
		return;
	device->storage = 0;
	endpoint_taken(&device->endpoints[ENDPOINT_IN]);
	endpoint_taken(&device->endpoints[ENDPOINT_OUT]);
	disk->device = 0;
	while (disk->io || disk->waiting) {
		if (!disk->io) {
			disk->io = disk->waiting;
			disk->waiting = disk->io->next;
		}
		request_end(disk, BLOCK_GONE);
	}
	disk->waiting_count = 0;
}
