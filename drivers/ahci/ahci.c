/* The driver of AHCI controllers and the SATA disks on them. Sources: Serial ATA AHCI 1.3.1 ("AHCI"), ATA/ATAPI
 * Command Set 3 ("ACS"). Each port with a disk is a device of its own; native command queueing where the disk has
 * it, so that up to 32 requests are under way; what is not queued runs alone.
 *
 * After an error a port is restarted, and what was under way is done again, one command at a time and not queued:
 * so the request at fault fails, and no other (ACS, 4.14; AHCI, 6.2.2). CD drives take packets (drivers/cd), one at a time;
 * devices that are neither are left alone.
 */
#include "block/block_server.h"
#include "cd/cd.h"

#include <text.h>

/* AHCI, 3.1: the controller's; 3.3: a port's, from PORTS on. */
enum reg { CAP = 0x00, GHC = 0x04, IS = 0x08, PI = 0x0c, PORTS = 0x100 };
enum port_reg {
	CLB = 0x00,
	CLBU = 0x04,
	FB = 0x08,
	FBU = 0x0c,
	PIS = 0x10,
	PIE = 0x14,
	CMD = 0x18,
	TFD = 0x20,
	SIG = 0x24,
	SSTS = 0x28,
	SCTL = 0x2c,
	SERR = 0x30,
	SACT = 0x34,
	CI = 0x38
};
#define GHC_RESET     1u
#define GHC_INTERRUPT 2u
#define GHC_AHCI      (1u << 31)
#define CMD_START     1u
#define CMD_SPIN_UP   2u
#define CMD_POWER     4u
#define CMD_RECEIVE   (1u << 4)
#define CMD_RECEIVES  (1u << 14)
#define CMD_RUNS      (1u << 15)
#define PIS_ERRORS    0x7d800000u /* 3.3.5: task file, host bus, interface, overflow */
#define PIE_WANTED    (PIS_ERRORS | 0xfu)
#define TFD_BUSY      0x88u
#define TFD_ERROR     1u
#define SIG_DISK      0x00000101u
#define SIG_CD        0xeb140101u
#define CAP_NCQ       (1u << 30)

/* ACS, 7. */
enum ata {
	READ_DMA_EXT = 0x25,
	WRITE_DMA_EXT = 0x35,
	READ_FPDMA = 0x60,
	WRITE_FPDMA = 0x61,
	WRITE_DMA_FUA_EXT = 0x3d,
	DATA_SET = 0x06,
	FLUSH_EXT = 0xea,
	IDENTIFY_DEVICE = 0xec,
	PACKET = 0xa0, /* ATA/ATAPI-6 */
	IDENTIFY_PACKET_DEVICE = 0xa1,
};

#define PORT_BYTES    0x80u
#define SLOTS         32u
#define TABLE_BYTES   2048u /* a command's FIS and list of ranges: two to a page */
#define RANGES_MOST   120u
#define TRANSFER_MOST (64u * DRIVER_PAGE)
#define TRIES_MS      2000u

enum { HEADER_WORDS = 5, HEADER_PACKET = 1 << 5, HEADER_WRITE = 1 << 6, FEATURE_DMA = 1 };
struct header { /* AHCI, 4.2.2 */
	uint16_t flags, ranges;
	volatile uint32_t moved;
	uint64_t table;
	uint32_t reserved[4];
};
struct range { /* 4.2.3 */
	uint64_t address;
	uint32_t reserved, bytes; /* less one */
};
struct table {
	uint8_t fis[64], atapi[16], reserved[48];
	struct range ranges[RANGES_MOST];
};
_Static_assert(sizeof(struct table) <= TABLE_BYTES, "tables fit");

static struct port {
	volatile uint8_t *at;
	struct header *headers;
	struct table *tables; /* TABLE_BYTES each */
	uint64_t header_address, table_addresses[SLOTS / 2];
	struct block_io *ios[SLOTS];
	uint32_t issued, depth; /* bits of commands under way; how many there may be */
	struct block_io *again[SLOTS];
	unsigned again_first, again_count; /* to be done one by one, after an error */
	struct block_description description;
	uint32_t block_bytes;
	bool queues, force;
	bool alone; /* what runs is not queued */
	bool is_cd;
	struct cd cd;
	uint8_t *answer; /* a page for what the drive says */
	uint64_t answer_address;
} ports[BLOCK_DEVICES];

static struct ahci {
	struct driver driver;
	struct block_server server;
	volatile uint8_t *registers;
	unsigned port_count;
	uint32_t capabilities, implemented; /* ports */
} ahci;

/* Waits until the bits MASK at OFFSET are VALUE. */
static bool wait_for(volatile uint8_t *at, uint32_t offset, uint32_t mask, uint32_t value)
{
	for (unsigned tries = 0; tries < TRIES_MS; tries++) {
		if ((register_get(at, offset) & mask) == value)
			return true;
		driver_pause(&ahci.driver, 1000);
	}
	return false;
}

static struct table *table_of(const struct port *port, unsigned slot)
{
	return (struct table *)((uint8_t *)port->tables + (size_t)slot * TABLE_BYTES);
}

/* ---- Commands ---- */

/* The register FIS of a command to a disk (Serial ATA 3.2, 10.5.5). COUNT: 16 bits; FEATURES too. */
static void make_fis(uint8_t *fis, uint8_t command, uint64_t sector, uint16_t count, uint16_t features)
{
	memset(fis, 0, 20);
	fis[0] = 0x27;
	fis[1] = 0x80;
	fis[2] = command;
	fis[3] = (uint8_t)features;
	fis[4] = (uint8_t)sector;
	fis[5] = (uint8_t)(sector >> 8);
	fis[6] = (uint8_t)(sector >> 16);
	fis[7] = 0x40; /* LBA */
	fis[8] = (uint8_t)(sector >> 24);
	fis[9] = (uint8_t)(sector >> 32);
	fis[10] = (uint8_t)(sector >> 40);
	fis[11] = (uint8_t)(features >> 8);
	fis[12] = (uint8_t)count;
	fis[13] = (uint8_t)(count >> 8);
}

static void issue(struct port *port, unsigned slot, unsigned ranges, unsigned flags, bool queued)
{
	struct header *header = &port->headers[slot];

	header->flags = (uint16_t)(HEADER_WORDS | flags); /* of the FIS */
	header->ranges = (uint16_t)ranges;
	header->moved = 0;
	port->issued |= 1u << slot;
	port->alone = !queued;
	__atomic_thread_fence(__ATOMIC_RELEASE); /* the command before it is issued */
	if (queued)
		register_put(port->at, SACT, 1u << slot);
	register_put(port->at, CI, 1u << slot);
}

static unsigned data_ranges(const struct port *port, const struct block_io *io, struct range *ranges)
{
	uint64_t bytes = (uint64_t)io->sectors * port->block_bytes, part;
	unsigned count = 0;

	for (uint64_t at = 0; at < bytes; at += part) {
		ranges[count].address = block_server_address(io, at, bytes - at, &part);
		ranges[count].reserved = 0;
		ranges[count++].bytes = (uint32_t)part - 1;
	}
	return count;
}

static void make_packet(struct table *table, const uint8_t packet[CD_PACKET_BYTES])
{
	make_fis(table->fis, PACKET, 0, 0, FEATURE_DMA);
	memset(table->atapi, 0, sizeof(table->atapi));
	memcpy(table->atapi, packet, CD_PACKET_BYTES);
}

/* Starts IO in SLOT. QUEUED: as a queued command. */
static void start_in(struct port *port, unsigned slot, struct block_io *io, bool queued)
{
	struct table *table = table_of(port, slot);
	bool write = io->operation == BLOCK_WRITE;
	unsigned ranges = 0;

	if (port->is_cd) {
		uint8_t packet[CD_PACKET_BYTES];
		cd_read(io, packet);
		make_packet(table, packet);
		ranges = data_ranges(port, io, table->ranges);
	} else if (io->operation == BLOCK_FLUSH) {
		make_fis(table->fis, FLUSH_EXT, 0, 0, 0);
	} else if (io->operation == BLOCK_DISCARD) {
		/* One range of at most 65,535 sectors an entry; the list is where ranges of data would not reach. */
		uint64_t *list = (uint64_t *)(void *)((uint8_t *)table + TABLE_BYTES - 512),
		         left = io->sectors, at = io->sector;
		memset(list, 0, 512);
		for (unsigned i = 0; left && i < 64; i++) {
			uint64_t part = left < 65535 ? left : 65535;
			list[i] = at | part << 48;
			at += part;
			left -= part;
		}
		uint64_t address =
		    port->table_addresses[slot / 2] + slot % 2 * TABLE_BYTES + TABLE_BYTES - 512;
		table->ranges[0] = (struct range){.address = address, .bytes = 511};
		ranges = 1;
		write = true;
		make_fis(table->fis, DATA_SET, 0, 1, 1);
	} else {
		ranges = data_ranges(port, io, table->ranges);
		if (queued) { /* the count goes where features are, the tag where the count is */
			make_fis(table->fis, write ? WRITE_FPDMA : READ_FPDMA, io->sector,
			         (uint16_t)(slot << 3), (uint16_t)io->sectors);
			if (io->force)
				table->fis[7] |= 0x80;
		} else {
			make_fis(table->fis,
			         write ? io->force ? WRITE_DMA_FUA_EXT : WRITE_DMA_EXT : READ_DMA_EXT,
			         io->sector, (uint16_t)io->sectors, 0);
		}
	}
	port->ios[slot] = io;
	block_server_at_device(io, true);
	issue(port, slot, ranges, (write ? HEADER_WRITE : 0u) | (port->is_cd ? HEADER_PACKET : 0u), queued);
}

static bool start(void *context, struct block_io *io)
{
	struct port *port = &ports[io->device];
	bool queued = port->queues && (io->operation == BLOCK_READ || io->operation == BLOCK_WRITE);

	(void)context;
	if (io->operation == BLOCK_ZERO || (io->operation == BLOCK_DISCARD && io->sectors > 64u * 65535) ||
	    (port->is_cd && io->operation != BLOCK_READ)) {
		block_server_complete(&ahci.server, io, BLOCK_UNSUPPORTED);
		return true;
	}
	if (port->again_count || (port->issued && (port->alone || !queued)))
		return false;
	const unsigned slot = ~port->issued ? (unsigned)__builtin_ctz(~port->issued) : SLOTS;
	if (slot >= port->depth)
		return false;
	port->cd.tries = 0;
	start_in(port, slot, io, queued);
	return true;
}

static void look(void *context, unsigned number)
{
	(void)context;
	if (ports[number].is_cd && !ports[number].issued)
		cd_look(&ports[number].cd);
}

/* ---- Completions and errors ---- */

static bool port_stop(struct port *port)
{
	register_put(port->at, CMD, register_get(port->at, CMD) & ~CMD_START);
	if (!wait_for(port->at, CMD, CMD_RUNS, 0))
		return false;
	register_put(port->at, CMD, register_get(port->at, CMD) & ~CMD_RECEIVE);
	return wait_for(port->at, CMD, CMD_RECEIVES, 0);
}

static bool port_run(struct port *port)
{
	register_put(port->at, SERR, UINT32_MAX);
	register_put(port->at, PIS, UINT32_MAX);
	register_put(port->at, CMD, register_get(port->at, CMD) | CMD_RECEIVE);
	if (!wait_for(port->at, TFD, TFD_BUSY, 0))
		return false;
	register_put(port->at, CMD, register_get(port->at, CMD) | CMD_START);
	return true;
}

/* A disk that does not come out of an error by itself is reset (AHCI, 10.4.2). */
static bool port_reset(struct port *port)
{
	register_put(port->at, SCTL, 0x301);
	driver_pause(&ahci.driver, 2000);
	register_put(port->at, SCTL, 0x300);
	return wait_for(port->at, SSTS, 15, 3);
}

static void again_next(struct port *port)
{
	if (!port->again_count || port->issued)
		return;
	struct block_io *io = port->again[port->again_first++];
	port->again_count--;
	start_in(port, 0, io, false);
}

static void port_error(struct port *port)
{
	bool one = port->alone;
	uint32_t issued = port->issued;

	if (!port_stop(port) || ((register_get(port->at, TFD) & TFD_BUSY) && !port_reset(port)) ||
	    !port_run(port))
		driver_fail(&ahci.driver, "a port does not come back after an error");
	port->issued = 0;
	if (!one)
		port->again_first = port->again_count = 0;
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		struct block_io *io = port->ios[slot];
		if (!(issued >> slot & 1) || !io)
			continue;
		port->ios[slot] = 0;
		bool try_again = false;
		enum block_status what = port->is_cd ? cd_failed(&port->cd, &try_again) : BLOCK_MEDIUM;
		if (try_again) {
			start_in(port, slot, io, false);
		} else if (one) {
			block_server_complete(&ahci.server, io, what);
		} else { /* those before it may take their time over bad sectors */
			block_server_at_device(io, false);
			port->again[port->again_count++] = io;
		}
	}
	again_next(port);
}

static void port_poll(struct port *port)
{
	uint32_t status = register_get(port->at, PIS);

	register_put(port->at, PIS, status);
	if (status == UINT32_MAX)
		driver_fail(&ahci.driver, "the controller is gone");
	/* Not by the task file, which a queued command that ends well after the failed one overwrites. */
	if (status & PIS_ERRORS) {
		port_error(port);
		return;
	}
	uint32_t done = port->issued & ~(register_get(port->at, CI) | register_get(port->at, SACT));
	for (; done; done &= done - 1) {
		unsigned slot = (unsigned)__builtin_ctz(done);
		struct block_io *io = port->ios[slot];
		port->issued &= ~(1u << slot);
		port->ios[slot] = 0;
		/* Less than was asked for from a CD is nothing. */
		bool whole = !port->is_cd || !io || port->headers[slot].moved == io->sectors * CD_SECTOR;
		if (io)
			block_server_complete(&ahci.server, io, whole ? BLOCK_DONE : BLOCK_MEDIUM);
	}
	again_next(port);
}

/* struct cd's. The port has nothing else to do. */
static int32_t packet_answer(void *context, const uint8_t packet[CD_PACKET_BYTES], void *to, uint32_t bytes,
                             uint64_t until)
{
	struct port *port = context;
	struct table *table = table_of(port, 0);
	bool failed = true;

	make_packet(table, packet);
	memset(port->answer, 0, bytes);
	table->ranges[0] = (struct range){.address = port->answer_address, .bytes = bytes ? bytes - 1 : 0};
	issue(port, 0, bytes != 0, HEADER_PACKET, false);
	while (clock_ns() < until) {
		failed = register_get(port->at, PIS) & PIS_ERRORS;
		if (failed || !(register_get(port->at, CI) & 1))
			break;
		failed = true;
		driver_pause(&ahci.driver, 1000);
	}
	port->issued = 0;
	if (failed && (!port_stop(port) || ((register_get(port->at, TFD) & TFD_BUSY) && !port_reset(port)) ||
	               !port_run(port)))
		driver_fail(&ahci.driver, "a CD drive does not come back after an error");
	register_put(port->at, PIS, UINT32_MAX);
	if (failed)
		return -1;
	uint32_t moved = port->headers[0].moved;
	if (moved > bytes)
		moved = bytes;
	if (moved)
		memcpy(to, port->answer, moved);
	return (int32_t)moved;
}

static void poll(void *context)
{
	(void)context;
	uint32_t status = register_get(ahci.registers, IS);
	for (unsigned i = 0; i < ahci.port_count; i++)
		port_poll(&ports[i]);
	register_put(ahci.registers, IS, status);
}

/* ---- Start ---- */

/* Words of IDENTIFY DEVICE hold two characters each, the first one above. */
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

/* The page of what it says to COMMAND, its address at *ADDRESS. 0: nothing. */
static uint16_t *identify_words(struct port *port, enum ata command, uint64_t *address)
{
	struct table *table = table_of(port, 0);
	uint16_t *words = driver_pages(&ahci.driver, 1, address);

	if (!words)
		return 0;
	make_fis(table->fis, (uint8_t)command, 0, 0, 0);
	table->ranges[0] = (struct range){.address = *address, .bytes = 511};
	issue(port, 0, 1, 0, false);
	bool good = wait_for(port->at, CI, 1, 0) && !(register_get(port->at, TFD) & TFD_ERROR);
	port->issued = 0;
	register_put(port->at, PIS, UINT32_MAX);
	return good ? words : 0;
}

/* False: no CD drive that this driver can use. */
static bool identify_cd(struct port *port)
{
	static unsigned count;
	const uint16_t *words = identify_words(port, IDENTIFY_PACKET_DEVICE, &port->answer_address);

	if (!words || !cd_identified(words))
		return false;
	port->answer = (uint8_t *)(uintptr_t)words;
	port->block_bytes = CD_SECTOR;
	port->cd = (struct cd){.answer = packet_answer, .context = port, .server = &ahci.server};
	port->is_cd = cd_init(&port->cd, count, TRANSFER_MOST);
	if (!port->is_cd)
		return false;
	count++;
	port->description = port->cd.description;
	return true;
}

/* ACS, 7.12.7. False: not a disk that this driver can use. */
static bool identify(struct port *port)
{
	uint64_t address, sectors = 0;
	const uint16_t *words = identify_words(port, IDENTIFY_DEVICE, &address);

	if (!words || !(words[83] >> 10 & 1)) /* 48-bit addresses */
		return false;
	memcpy(&sectors, &words[100], 6);
	port->block_bytes = 512;
	if ((words[106] & 0xd000) == 0x5000) {
		uint32_t size;
		memcpy(&size, &words[117], sizeof(size));
		port->block_bytes = size * 2;
	}
	if (port->block_bytes < 512 || port->block_bytes > DRIVER_PAGE ||
	    port->block_bytes & (port->block_bytes - 1))
		return false;
	uint32_t physical = port->block_bytes << ((words[106] & 0xe000) == 0x6000 ? words[106] & 7 : 0);
	port->queues = ahci.capabilities & CAP_NCQ && words[76] != UINT16_MAX && words[76] >> 8 & 1;
	port->depth = (ahci.capabilities >> 8 & 31) + 1;
	if (port->queues && port->depth > (words[75] & 31u) + 1)
		port->depth = (words[75] & 31u) + 1;
	port->force = words[84] >> 6 & 1;
	struct block_description description = {.sectors = sectors,
	                                        .sector_bytes = port->block_bytes,
	                                        .physical_bytes =
	                                            physical > DRIVER_PAGE ? DRIVER_PAGE : physical,
	                                        .transfer_bytes = TRANSFER_MOST,
	                                        .data_alignment = 512,
	                                        .queue_depth = port->queues ? port->depth : 1};
	description.flags = (words[85] >> 5 & 1 ? BLOCK_HAS_FLUSH : 0u) |
	                    (port->force ? BLOCK_HAS_FORCE : 0u) | (words[169] & 1 ? BLOCK_HAS_DISCARD : 0u) |
	                    (words[217] > 1 ? BLOCK_IS_ROTATING : 0u);
	copy_text(description.serial, &words[10], 10);
	copy_text(description.model, &words[27], 20);
	port->description = description;
	return sectors;
}

static bool port_init(struct port *port)
{
	uint64_t addresses[1];
	uint8_t *lists = driver_pages(&ahci.driver, 1, addresses);

	port->tables = driver_pages(&ahci.driver, SLOTS / 2, port->table_addresses);
	if (!lists || !port->tables || !port_stop(port))
		return false;
	port->headers = (struct header *)lists;
	for (unsigned slot = 0; slot < SLOTS; slot++)
		port->headers[slot].table = port->table_addresses[slot / 2] + slot % 2 * TABLE_BYTES;
	register_put(port->at, CLB, (uint32_t)addresses[0]);
	register_put(port->at, CLBU, (uint32_t)(addresses[0] >> 32));
	register_put(port->at, FB, (uint32_t)addresses[0] + 1024);
	register_put(port->at, FBU, (uint32_t)(addresses[0] >> 32));
	port->depth = 1;
	/* From here on FISes have a place to go; the signature comes with the first (10.1.1). */
	register_put(port->at, SERR, UINT32_MAX);
	register_put(port->at, CMD, register_get(port->at, CMD) | CMD_RECEIVE | CMD_SPIN_UP | CMD_POWER);
	uint32_t signature = wait_for(port->at, TFD, TFD_BUSY, 0) ? register_get(port->at, SIG) : 0;
	if ((signature != SIG_DISK && signature != SIG_CD) || !port_run(port))
		return false;
	return signature == SIG_CD ? identify_cd(port) : identify(port);
}

static bool init_controller(void)
{
	ahci.registers = driver_register(&ahci.driver.bars[5], 0);
	register_put(ahci.registers, GHC, GHC_AHCI);
	register_put(ahci.registers, GHC, GHC_AHCI | GHC_RESET);
	if (!wait_for(ahci.registers, GHC, GHC_RESET, 0))
		return false;
	register_put(ahci.registers, GHC, GHC_AHCI);
	ahci.capabilities = register_get(ahci.registers, CAP);
	ahci.implemented = register_get(ahci.registers, PI);
	return driver_started(&ahci.driver);
}

static bool port_is_there(unsigned number)
{
	return ahci.implemented >> number & 1 &&
	       driver_bar_holds(&ahci.driver.bars[5], PORTS + number * PORT_BYTES, PORT_BYTES);
}

static volatile uint8_t *port_at(unsigned number)
{
	return ahci.registers + PORTS + number * PORT_BYTES;
}

/* All at once, since a port without a device takes all the time that it is given. */
static void spin_up(void)
{
	bool waits = true;

	for (unsigned i = 0; i < 32; i++)
		if (port_is_there(i))
			register_put(port_at(i), CMD,
			             register_get(port_at(i), CMD) | CMD_SPIN_UP | CMD_POWER);
	for (unsigned tries = 0; tries < 20 && waits; tries++) {
		waits = false;
		for (unsigned i = 0; i < 32; i++)
			waits |= port_is_there(i) && (register_get(port_at(i), SSTS) & 15) != 3;
		if (waits)
			driver_pause(&ahci.driver, 1000);
	}
}

static void find_disks(void)
{
	spin_up();
	for (unsigned i = 0; i < 32 && ahci.port_count < BLOCK_DEVICES; i++) {
		struct port *port = &ports[ahci.port_count];

		if (!port_is_there(i))
			continue;
		*port = (struct port){.at = port_at(i)};
		if ((register_get(port->at, SSTS) & 15) != 3 || !port_init(port))
			continue;
		register_put(port->at, PIS, UINT32_MAX);
		register_put(port->at, PIE, PIE_WANTED);
		port->cd.number = ahci.port_count;
		ahci.port_count++;
	}
	register_put(ahci.registers, IS, UINT32_MAX);
	register_put(ahci.registers, GHC, GHC_AHCI | GHC_INTERRUPT);
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct block_backend backend = {
	    .start = start, .poll = poll, .look = look, .watched = true};

	if (!driver_init(&ahci.driver, info, page))
		return 1;
	if (!driver_bar_holds(&ahci.driver.bars[5], 0, PORTS + PORT_BYTES) || !init_controller())
		driver_fail(&ahci.driver, "the controller is not usable");
	find_disks();
	block_server_init(&ahci.server, &ahci.driver, &backend, 0);
	for (unsigned i = 0; i < ahci.port_count; i++)
		block_server_device(&ahci.server, i, &ports[i].description);
	block_server_run(&ahci.server);
}
