/* The driver of IDE controllers as the PIIX has them: two channels of two devices at the PC's old ports, bus-master
 * DMA. Sources: ATA/ATAPI-6 (registers, protocols), Programming Interface for Bus Master IDE Controller 1.0
 * ("BMIDE"). Disks and CD drives (drivers/cd) are used; a channel does one command at a time.
 *
 * Addresses for DMA have 32 bits here: a request whose memory lies above is refused as unsupported.
 */
#include "block/block_server.h"
#include "cd/cd.h"

#include <text.h>

/* Offsets from a channel's command ports. */
enum port {
	DATA = 0,
	FEATURES = 1,
	COUNT = 2,
	LBA_LOW = 3,
	LBA_MID = 4,
	LBA_HIGH = 5,
	DEVICE = 6,
	COMMAND = 7
};
#define CONTROL 2u /* from the control ports */
enum master { MASTER_COMMAND = 0, MASTER_STATUS = 2, MASTER_TABLE = 4, MASTER_BYTES = 8 };
#define MASTER_START  1u
#define MASTER_READ   8u /* from the disk to memory */
#define MASTER_ACTIVE 1u
#define MASTER_ERROR  2u
#define MASTER_IRQ    4u
#define STATUS_BUSY   0x80u
#define STATUS_READY  0x40u
#define STATUS_FAULT  0x20u
#define STATUS_DATA   0x08u
#define STATUS_ERROR  0x01u
#define CONTROL_RESET 4u
#define DEVICE_LBA    0x40u
#define DEVICE_SECOND 0x10u
enum ata {
	READ_DMA = 0xc8,
	READ_DMA_EXT = 0x25,
	WRITE_DMA = 0xca,
	WRITE_DMA_EXT = 0x35,
	FLUSH_CACHE = 0xe7,
	FLUSH_CACHE_EXT = 0xea,
	PACKET = 0xa0,
	IDENTIFY_PACKET_DEVICE = 0xa1,
	IDENTIFY_DEVICE = 0xec,
};

#define CHANNELS      2u
#define SECTOR        512u
#define PIECES_MOST   33u
#define TRANSFER_MOST (32u * DRIVER_PAGE)
#define TRIES_NS      3000000000ull
#define COMMAND_NS    30000000000ull /* a command that takes longer never ends */
#define PACKET_TRIES  2000u          /* of 50 us each, until a drive takes a packet */
#define ANSWER_MOST   65536u         /* bytes that a drive may say at once */
#define FEATURE_DMA   1u             /* of PACKET */

struct piece { /* BMIDE, 1.2 */
	uint32_t address;
	uint16_t bytes, last; /* 0x8000 at the end */
};

static struct channel {
	handle_t command, control;
	uint32_t command_port, control_port, master_port;
	struct piece *table;
	uint64_t table_address;
	struct block_io *io; /* under way; 0: none */
	uint64_t since;
	bool dma;
} channels[CHANNELS];

static struct disk {
	unsigned channel;
	bool second, wide; /* 48-bit addresses */
	bool is_cd;
	struct cd cd;
} disks[BLOCK_DEVICES];

static struct ide {
	struct driver driver;
	struct block_server server;
	handle_t master;
} ide;

static uint8_t in(const struct channel *channel, unsigned port)
{
	return (uint8_t)ioport_in(channel->command, channel->command_port + port, 1);
}

static void out(const struct channel *channel, unsigned port, uint8_t value)
{
	ioport_out(channel->command, channel->command_port + port, 1, value);
}

static uint8_t master_in(const struct channel *channel, unsigned port)
{
	return (uint8_t)ioport_in(ide.master, channel->master_port + port, 1);
}

static void master_out(const struct channel *channel, unsigned port, uint8_t value)
{
	ioport_out(ide.master, channel->master_port + port, 1, value);
}

static bool wait_idle_until(const struct channel *channel, uint64_t until)
{
	while (in(channel, COMMAND) & STATUS_BUSY) {
		if (clock_ns() >= until)
			return false;
		driver_pause(&ide.driver, 1000);
	}
	return true;
}

static bool wait_idle(const struct channel *channel)
{
	return wait_idle_until(channel, clock_ns() + TRIES_NS);
}

/* ATA/ATAPI-6, 9.2: both devices of the channel. */
static bool channel_reset(struct channel *channel)
{
	master_out(channel, MASTER_COMMAND, 0);
	master_out(channel, MASTER_STATUS, MASTER_ERROR | MASTER_IRQ);
	ioport_out(channel->control, channel->control_port + CONTROL, 1, CONTROL_RESET);
	driver_pause(&ide.driver, 100);
	ioport_out(channel->control, channel->control_port + CONTROL, 1, 0);
	driver_pause(&ide.driver, 3000);
	return wait_idle(channel);
}

static void select_device(const struct channel *channel, bool second, uint8_t bits)
{
	out(channel, DEVICE, (uint8_t)(DEVICE_LBA | (second ? DEVICE_SECOND : 0) | bits));
	for (unsigned i = 0; i < 4; i++)
		(void)ioport_in(channel->control, channel->control_port + CONTROL, 1); /* 400 ns */
}

/* ---- Requests ---- */

static bool describe_data(struct channel *channel, const struct block_io *io, uint32_t sector_bytes)
{
	uint64_t bytes = (uint64_t)io->sectors * sector_bytes, part, in_page;
	unsigned count = 0;

	for (uint64_t at = 0; at < bytes; at += part) {
		in_page = DRIVER_PAGE - (io->data_offset + at) % DRIVER_PAGE;
		uint64_t address =
		    block_server_address(io, at, bytes - at < in_page ? bytes - at : in_page, &part);
		if (address >> 32 || count == PIECES_MOST)
			return false;
		channel->table[count++] =
		    (struct piece){.address = (uint32_t)address, .bytes = (uint16_t)part};
	}
	channel->table[count - 1].last = 0x8000;
	return true;
}

static void put_address(const struct channel *channel, const struct disk *disk, const struct block_io *io)
{
	if (disk->wide) {
		select_device(channel, disk->second, 0);
		out(channel, COUNT, (uint8_t)(io->sectors >> 8));
		out(channel, LBA_LOW, (uint8_t)(io->sector >> 24));
		out(channel, LBA_MID, (uint8_t)(io->sector >> 32));
		out(channel, LBA_HIGH, (uint8_t)(io->sector >> 40));
	} else {
		select_device(channel, disk->second, (uint8_t)(io->sector >> 24 & 15));
	}
	out(channel, COUNT, (uint8_t)io->sectors);
	out(channel, LBA_LOW, (uint8_t)io->sector);
	out(channel, LBA_MID, (uint8_t)(io->sector >> 8));
	out(channel, LBA_HIGH, (uint8_t)(io->sector >> 16));
}

static void master_prepare(const struct channel *channel, bool write)
{
	master_out(channel, MASTER_COMMAND, write ? 0 : MASTER_READ);
	master_out(channel, MASTER_STATUS, MASTER_ERROR | MASTER_IRQ);
	ioport_out(ide.master, channel->master_port + MASTER_TABLE, 4, (uint32_t)channel->table_address);
}

static void master_start(const struct channel *channel, bool write)
{
	__atomic_thread_fence(__ATOMIC_RELEASE); /* the table before it is used */
	master_out(channel, MASTER_COMMAND, MASTER_START | (write ? 0 : MASTER_READ));
}

/* ---- Packets (ATA/ATAPI-6, 9.8, 9.10) ---- */

/* Has the drive take PACKET, with an answer by DMA or in parts of BYTES. False: it does not, or not before UNTIL. */
static bool packet_send(const struct channel *channel, const struct disk *disk,
                        const uint8_t packet[CD_PACKET_BYTES], bool dma, uint32_t bytes, uint64_t until)
{
	uint16_t words[CD_PACKET_BYTES / 2];

	memcpy(words, packet, sizeof(words));
	select_device(channel, disk->second, 0);
	if (!wait_idle_until(channel, until))
		return false;
	out(channel, FEATURES, dma ? FEATURE_DMA : 0);
	out(channel, LBA_MID, (uint8_t)bytes);
	out(channel, LBA_HIGH, (uint8_t)(bytes >> 8));
	out(channel, COMMAND, PACKET);
	for (unsigned tries = 0;; tries++) {
		uint8_t status = in(channel, COMMAND);
		if (!(status & STATUS_BUSY) && status & STATUS_DATA)
			break;
		if (tries == PACKET_TRIES ||
		    (!(status & STATUS_BUSY) && status & (STATUS_ERROR | STATUS_FAULT)))
			return false;
		driver_pause(&ide.driver, 50);
	}
	if (dma) /* now: a drive that refuses may interrupt as soon as it has the packet */
		master_prepare(channel, false);
	for (unsigned i = 0; i < CD_PACKET_BYTES / 2; i++)
		ioport_out(channel->command, channel->command_port + DATA, 2, words[i]);
	return true;
}

/* What the drive says beyond BYTES is read and dropped. */
static int32_t packet_take(const struct channel *channel, const struct disk *disk,
                           const uint8_t packet[CD_PACKET_BYTES], void *to, uint32_t bytes, uint64_t until)
{
	uint32_t said = 0;

	if (!packet_send(channel, disk, packet, false, bytes + bytes % 2, until))
		return -1;
	while (said <= ANSWER_MOST && wait_idle_until(channel, until)) {
		uint8_t status = in(channel, COMMAND);
		if (status & (STATUS_ERROR | STATUS_FAULT))
			return -1;
		if (!(status & STATUS_DATA))
			return (int32_t)(said < bytes ? said : bytes);
		uint32_t part = in(channel, LBA_MID) | (uint32_t)in(channel, LBA_HIGH) << 8;
		for (uint32_t i = 0; i < part; i += 2) {
			uint16_t word =
			    (uint16_t)ioport_in(channel->command, channel->command_port + DATA, 2);
			for (unsigned half = 0; half < 2; half++)
				if (said + i + half < bytes && i + half < part)
					((uint8_t *)to)[said + i + half] = (uint8_t)(word >> 8 * half);
		}
		said += part ? part : ANSWER_MOST + 1; /* nothing, for ever, is no answer */
	}
	return -1;
}

/* A drive that is still busy is reset: its channel is the other device's as well. */
static void packet_end(struct channel *channel)
{
	if (in(channel, COMMAND) & STATUS_BUSY)
		(void)channel_reset(channel);
}

/* struct cd's. */
static int32_t packet_answer(void *context, const uint8_t packet[CD_PACKET_BYTES], void *to, uint32_t bytes,
                             uint64_t until)
{
	const struct disk *disk = context;
	struct channel *channel = &channels[disk->channel];
	int32_t said = packet_take(channel, disk, packet, to, bytes, until);

	packet_end(channel);
	return said;
}

static void look(void *context, unsigned number)
{
	struct disk *disk = &disks[number];

	(void)context;
	if (disk->is_cd && !channels[disk->channel].io)
		cd_look(&disk->cd);
}

/* IO, a read, on the CD drive DISK. False: it does not take it. */
static bool cd_start(struct channel *channel, const struct disk *disk, struct block_io *io)
{
	uint8_t packet[CD_PACKET_BYTES];

	cd_read(io, packet);
	if (!packet_send(channel, disk, packet, true, 0, clock_ns() + CD_PATIENCE_NS)) {
		packet_end(channel);
		return false;
	}
	master_start(channel, false);
	return true;
}

static bool start(void *context, struct block_io *io)
{
	struct disk *disk = &disks[io->device];
	struct channel *channel = &channels[disk->channel];
	bool write = io->operation == BLOCK_WRITE;

	(void)context;
	if (io->operation == BLOCK_ZERO || io->operation == BLOCK_DISCARD ||
	    (disk->is_cd && io->operation != BLOCK_READ)) {
		block_server_complete(&ide.server, io, BLOCK_UNSUPPORTED);
		return true;
	}
	if (channel->io)
		return false;
	channel->dma = io->operation != BLOCK_FLUSH;
	if (channel->dma && !describe_data(channel, io, ide.server.devices[io->device].sector_bytes)) {
		block_server_complete(&ide.server, io, BLOCK_UNSUPPORTED);
		return true;
	}
	if (disk->is_cd) {
		disk->cd.tries = 0;
		if (cd_start(channel, disk, io))
			channel->io = io;
		else
			block_server_complete(&ide.server, io, BLOCK_MEDIUM);
		channel->since = clock_ns();
		return true;
	}
	channel->io = io;
	channel->since = clock_ns();
	if (!channel->dma) {
		select_device(channel, disk->second, 0);
		out(channel, COMMAND, disk->wide ? FLUSH_CACHE_EXT : FLUSH_CACHE);
		return true;
	}
	master_prepare(channel, write);
	put_address(channel, disk, io);
	out(channel, COMMAND,
	    write        ? disk->wide ? WRITE_DMA_EXT : WRITE_DMA
	    : disk->wide ? READ_DMA_EXT
	                 : READ_DMA);
	master_start(channel, write);
	return true;
}

static void channel_poll(struct channel *channel)
{
	struct block_io *io = channel->io;

	if (!io)
		return;
	uint8_t master = master_in(channel, MASTER_STATUS);
	if (!(master & MASTER_IRQ)) {
		if (clock_ns() - channel->since > COMMAND_NS)
			driver_fail(&ide.driver, "a command never ends");
		return;
	}
	master_out(channel, MASTER_STATUS, MASTER_IRQ | MASTER_ERROR); /* first: what comes now is seen */
	uint8_t status = in(channel, COMMAND);                         /* which takes the interrupt back */
	if (status & STATUS_BUSY)
		return; /* it was one of before: of packets without DMA, or of the other device */
	if (channel->dma)
		master_out(channel, MASTER_COMMAND, 0);
	channel->io = 0;
	bool failed = status & (STATUS_ERROR | STATUS_FAULT) || (channel->dma && master & MASTER_ERROR);
	struct disk *disk = &disks[io->device];
	if (disk->is_cd && (failed || master & MASTER_ACTIVE)) { /* less than was asked for is none */
		bool again = false;
		enum block_status what = status & STATUS_ERROR ? cd_failed(&disk->cd, &again) : BLOCK_MEDIUM;
		if (again && describe_data(channel, io, CD_SECTOR) && cd_start(channel, disk, io)) {
			channel->io = io;
			channel->since = clock_ns();
			return;
		}
		block_server_complete(&ide.server, io, what);
		return;
	}
	if (failed && !channel_reset(channel))
		driver_fail(&ide.driver, "a channel does not come back after an error");
	block_server_complete(&ide.server, io, failed ? BLOCK_MEDIUM : BLOCK_DONE);
}

static void poll(void *context)
{
	(void)context;
	for (unsigned i = 0; i < CHANNELS; i++)
		channel_poll(&channels[i]);
}

/* ---- Start ---- */

static void copy_text(char *to, const uint16_t *words, unsigned count)
{
	unsigned length = 0;

	for (unsigned i = 0; i < count; i++) {
		to[length++] = (char)(words[i] >> 8);
		to[length++] = (char)words[i];
	}
	while (length && (to[length - 1] == ' ' || !to[length - 1]))
		length--;
	to[length] = 0;
}

/* The channel's answer of 512 bytes to IDENTIFY. False: it refuses. */
static bool identify_words(const struct channel *channel, enum ata command, uint16_t words[256])
{
	out(channel, COMMAND, (uint8_t)command);
	driver_pause(&ide.driver, 1000);
	if (!wait_idle(channel))
		return false;
	uint8_t status = in(channel, COMMAND);
	if (status & STATUS_ERROR || !(status & STATUS_DATA))
		return false;
	for (unsigned i = 0; i < 256; i++)
		words[i] = (uint16_t)ioport_in(channel->command, channel->command_port + DATA, 2);
	(void)in(channel, COMMAND);
	return true;
}

/* A CD drive. Its signature (ATA/ATAPI-6, 9.12) is gone when the other device of its channel was commanded before. */
static bool identify_cd(const struct channel *channel, struct disk *disk,
                        struct block_description *description)
{
	static unsigned count;
	uint16_t words[256];

	if (!identify_words(channel, IDENTIFY_PACKET_DEVICE, words) || !cd_identified(words))
		return false;
	disk->cd = (struct cd){.answer = packet_answer, .context = disk};
	if (!cd_init(&disk->cd, count, TRANSFER_MOST))
		return false;
	count++;
	disk->is_cd = true;
	*description = disk->cd.description;
	return true;
}

/* ATA/ATAPI-6, 8.15. False: there is no disk. */
static bool identify(const struct channel *channel, struct disk *disk, struct block_description *description)
{
	uint16_t words[256];
	uint64_t sectors = 0;
	uint8_t status;

	select_device(channel, disk->second, 0);
	status = in(channel, COMMAND);
	if (status == 0xff || !wait_idle(channel))
		return false;
	if (!status) /* nothing, or a drive of packets that was reset */
		return identify_cd(channel, disk, description);
	if (!identify_words(channel, IDENTIFY_DEVICE, words))
		return identify_cd(channel, disk, description);
	if (!(words[49] >> 8 & 1) || !(words[49] >> 9 & 1)) /* DMA, LBA */
		return false;
	disk->wide = words[83] >> 10 & 1;
	memcpy(&sectors, disk->wide ? &words[100] : &words[60], disk->wide ? 6 : 4);
	*description = (struct block_description){.sectors = sectors,
	                                          .sector_bytes = SECTOR,
	                                          .physical_bytes = SECTOR,
	                                          .transfer_bytes = TRANSFER_MOST,
	                                          .data_alignment = SECTOR,
	                                          .queue_depth = 1,
	                                          .flags = BLOCK_HAS_FLUSH};
	if (!disk->wide && description->transfer_bytes > 255 * SECTOR)
		description->transfer_bytes = 31 * DRIVER_PAGE; /* the count has 8 bits */
	copy_text(description->serial, &words[10], 10);
	copy_text(description->model, &words[27], 20);
	return sectors;
}

static bool init_channels(void)
{
	struct driver *driver = &ide.driver;
	uint64_t addresses[CHANNELS];
	uint8_t *tables = 0;

	ide.master = driver->bars[4].ports;
	if (!ide.master || driver->bars[4].bytes < 2 * MASTER_BYTES)
		return false;
	for (unsigned i = 0; i < CHANNELS; i++) {
		channels[i] = (struct channel){.command = driver->bars[2 * i].ports,
		                               .control = driver->bars[2 * i + 1].ports,
		                               .command_port = driver->bars[2 * i].port,
		                               .control_port = driver->bars[2 * i + 1].port,
		                               .master_port = driver->bars[4].port + i * MASTER_BYTES};
		if (!channels[i].command || !channels[i].control)
			return false;
		channel_reset(&channels[i]);
	}
	if (!driver_started(driver) || !(tables = driver_pages(driver, CHANNELS, addresses)))
		return false;
	for (unsigned i = 0; i < CHANNELS; i++) {
		if (addresses[i] >> 32)
			return false;
		channels[i].table = (struct piece *)(tables + (size_t)i * DRIVER_PAGE);
		channels[i].table_address = addresses[i];
	}
	return true;
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct block_backend backend = {.start = start, .poll = poll, .look = look};
	struct block_description description;
	unsigned count = 0;

	if (!driver_init(&ide.driver, info, page))
		return 1;
	if (!init_channels())
		driver_fail(&ide.driver, "the controller is not usable");
	block_server_init(&ide.server, &ide.driver, &backend, 0);
	for (unsigned i = 0; i < 2 * CHANNELS; i++) {
		disks[count] = (struct disk){.channel = i / 2, .second = i % 2};
		if (!identify(&channels[i / 2], &disks[count], &description))
			continue;
		disks[count].cd.server = &ide.server;
		disks[count].cd.number = count;
		block_server_device(&ide.server, count++, &description);
	}
	block_server_run(&ide.server);
}
