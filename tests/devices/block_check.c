/* Runs on the machine instead of the sub-kernels' manager: finds block devices and exercises each through its
 * driver. Words of its arguments: "disks=N" to wait for, "rounds=N" of load, "load=MS" for how long at least, "bad=SECTOR" that QEMU
 * fails, "together=1" for load on two disks at a time, "queues=N" for load on N queues of one disk at a time, "threads=N" for that many
 * threads, a CPU and a queue each, which read for two seconds (how much is in the log), "pulled=1" for one that is pulled out and plugged in again, "unplugged=N" for one whose slot is emptied and filled N times, and in the end emptied by force, "input=N" for N
 * keyboards and pointers (input_check.h), "cds=N" for as many CD drives, the second one's medium being cd_test.py's, "changed=1" for
 * one that is changed. Says "ok ..." or "not ok ..." in the log, then ends the machine.
 */
#include <text.h>
#include "block/block_client.h"
#include "block.interface.h"
#include "device.interface.h"
#include "holon/device.h"
#include "input_check.h"
#include "steward.interface.h"

#define DATA_BYTES (1u << 20)
#define WAIT_NS    60000000000ull
#define ROUNDS     20u
#define AREA       4096u /* sectors that are written */
#define CD_SECTOR  2048u

enum { QUEUES_MOST = 7, QUEUE_SLOTS = 8, QUEUE_ROUNDS = 5 };

static handle_t log_handle, steward, devices;
static struct thread_page *own_page;
static struct block_client client;
static int failures;

static bool check(const char *device, const char *name, bool right)
{
	log_print(log_handle, own_page,
	          right ? "ok %s: %s\n" : "not ok %s: %s - see the check of this name\n", device, name);
	failures += !right;
	return right;
}

static uint32_t mix(uint32_t value)
{
	value ^= value >> 16;
	value *= 0x7feb352du;
	value ^= value >> 15;
	value *= 0x846ca68bu;
	return value ^ value >> 16;
}

/* Every word of sector SECTOR in generation SALT. */
static void fill(uint8_t *at, uint64_t sector, uint32_t bytes, uint32_t salt)
{
	for (uint32_t i = 0; i < bytes / 4; i++)
		((uint32_t *)at)[i] = mix((uint32_t)sector * 1024 + i + salt * 77777);
}

static bool filled(const uint8_t *at, uint64_t sector, uint32_t bytes, uint32_t salt)
{
	for (uint32_t i = 0; i < bytes / 4; i++)
		if (((const uint32_t *)at)[i] != mix((uint32_t)sector * 1024 + i + salt * 77777))
			return false;
	return true;
}

static enum block_status once(uint8_t operation, uint64_t sector, uint32_t sectors, uint64_t offset,
                              uint8_t flags)
{
	return block_client_do(&client,
	                       (struct block_request){.sector = sector,
	                                              .sectors = sectors,
	                                              .data_offset = offset,
	                                              .operation = operation,
	                                              .flags = flags},
	                       clock_ns() + WAIT_NS);
}

static void test_one(const char *name)
{
	const struct block_description *device = &client.description;
	uint32_t bytes = device->sector_bytes, most = device->transfer_bytes / bytes;

	fill(client.data, 7, bytes, 1);
	check(name, "a sector is written", once(BLOCK_WRITE, 7, 1, 0, 0) == BLOCK_DONE);
	memset(client.data, 0, bytes);
	check(name, "and read back",
	      once(BLOCK_READ, 7, 1, 0, 0) == BLOCK_DONE && filled(client.data, 7, bytes, 1));
	if (most > DATA_BYTES / bytes)
		most = DATA_BYTES / bytes;
	for (uint32_t i = 0; i < most; i++)
		fill(client.data + (uint64_t)i * bytes, 100 + i, bytes, 2);
	check(name, "the longest transfer is written, and flushed",
	      once(BLOCK_WRITE, 100, most, 0, 0) == BLOCK_DONE &&
	          once(BLOCK_FLUSH, 0, 0, 0, 0) == BLOCK_DONE);
	memset(client.data, 0, (uint64_t)most * bytes);
	bool right = once(BLOCK_READ, 100, most, 0, 0) == BLOCK_DONE;
	for (uint32_t i = 0; i < most; i++)
		right = right && filled(client.data + (uint64_t)i * bytes, 100 + i, bytes, 2);
	check(name, "and read back whole", right);
	/* A transfer that begins in the midst of a page. */
	fill(client.data + bytes * 3ull, 50, bytes, 3);
	fill(client.data + bytes * 4ull, 51, bytes, 3);
	right = once(BLOCK_WRITE, 50, 2, bytes * 3ull, BLOCK_FORCE) == BLOCK_DONE;
	memset(client.data, 0, bytes * 5ull);
	right = right && once(BLOCK_READ, 51, 1, bytes, 0) == BLOCK_DONE &&
	        filled(client.data + bytes, 51, bytes, 3);
	check(name, "a forced write in the midst of a page", right);
}

static void test_refusals(const char *name)
{
	uint64_t end = client.description.sectors;

	check(name, "beyond the end is refused",
	      once(BLOCK_READ, end, 1, 0, 0) == BLOCK_BAD_REQUEST &&
	          once(BLOCK_WRITE, end - 1, 2, 0, 0) == BLOCK_BAD_REQUEST &&
	          once(BLOCK_READ, UINT64_MAX, 2, 0, 0) == BLOCK_BAD_REQUEST);
	check(name, "outside the data, unaligned, or unknown is refused",
	      once(BLOCK_READ, 0, 1, DATA_BYTES, 0) == BLOCK_BAD_REQUEST &&
	          once(BLOCK_READ, 0, 1, 3, 0) == BLOCK_BAD_REQUEST &&
	          once(77, 0, 1, 0, 0) == BLOCK_BAD_REQUEST);
	handle_t range;
	struct block_client part;
	struct block_request request = {.sector = 0, .sectors = 1, .operation = BLOCK_READ};
	bool right = block_range(client.channel, own_page, 100, 8, BLOCK_RANGE_READ_ONLY, &range,
	                         clock_ns() + WAIT_NS) >= 0 &&
	             block_client_open(&part, range, own_page, 1 << 16) >= 0;
	right = right && part.description.sectors == 8 &&
	        block_client_do(&part, request, clock_ns() + WAIT_NS) == BLOCK_DONE &&
	        filled(part.data, 100, client.description.sector_bytes, 2);
	check(name, "a range shows its sectors", right);
	request.operation = BLOCK_WRITE;
	right = right && block_client_do(&part, request, clock_ns() + WAIT_NS) == BLOCK_READ_ONLY;
	request.operation = BLOCK_READ;
	request.sector = 8;
	check(name, "and no others, and not to write",
	      right && block_client_do(&part, request, clock_ns() + WAIT_NS) == BLOCK_BAD_REQUEST);
}

/* A client that takes its memory away in the midst of things harms itself alone. */
static void test_hostile(const char *name)
{
	static struct block_client other;
	struct block_request request = {.sectors = 1, .operation = BLOCK_READ};
	uint64_t bits, before = client.reopened;

	if (block_client_open(&other, client.channel, own_page, 1 << 16) < 0)
		return;
	for (unsigned i = 0; i < 8; i++) {
		request.tag = i;
		block_client_submit(&other, &request);
	}
	memory_resize(other.rings_memory, PAGE_SIZE_BYTES);
	memory_resize(other.data_memory, PAGE_SIZE_BYTES);
	memory_resize(other.rings_memory, 0);
	event_signal(other.submitted, other.submitted_bits);
	event_wait(other.completed, clock_ns() + 300000000, &bits);
	check(name, "a client without its rings does not stop the driver",
	      once(BLOCK_READ, 7, 1, 0, 0) == BLOCK_DONE && client.reopened == before);
}

/* Random writes at depth 32 for ROUNDS rounds and MILLISECONDS at least; each area is read back after. */
static void test_load(const char *name, uint32_t rounds, uint32_t milliseconds)
{
	const uint64_t end = clock_ns() + milliseconds * 1000000ull;
	static uint32_t salts[AREA / 8];
	const uint32_t bytes = client.description.sector_bytes, depth = 32;
	uint32_t slots = DATA_BYTES / (8 * bytes) < depth ? DATA_BYTES / (8 * bytes) : depth;
	struct block_completion completion;
	uint64_t started = 0, done = 0;
	bool right = true;

	memset(salts, 0, sizeof(salts));
	for (uint32_t round = 0; (round < rounds || clock_ns() < end) && right; round++) {
		/* An area of eight sectors is under way once at a time: each slot has its own. */
		while (right && (started < 64ull * (round + 1) || client.under_way)) {
			for (uint32_t slot = 0; slot < slots && started < 64ull * (round + 1); slot++) {
				if (client.used[slot])
					continue;
				uint32_t area = (mix((uint32_t)started) % (AREA / 8 / slots)) * slots + slot;
				uint32_t salt = (uint32_t)++started;
				for (uint32_t i = 0; i < 8; i++)
					fill(client.data + (slot * 8ull + i) * bytes, 1000 + area * 8 + i,
					     bytes, salt);
				salts[area] = salt;
				right = right &&
				        block_client_submit(&client, &(struct block_request){
				                                         .tag = slot,
				                                         .sector = 1000 + area * 8ull,
				                                         .sectors = 8,
				                                         .data_offset = slot * 8ull * bytes,
				                                         .operation = BLOCK_WRITE});
			}
			if (client.under_way) {
				right = right &&
				        block_client_wait(&client, &completion, clock_ns() + WAIT_NS) >= 0 &&
				        completion.status == BLOCK_DONE;
				done++;
			}
		}
		right = right && once(BLOCK_FLUSH, 0, 0, 0, 0) == BLOCK_DONE;
	}
	check(name, "random writes at depth 32 complete", right && done == started);
	for (uint32_t area = 0; area < AREA / 8 && right; area++) {
		if (!salts[area])
			continue;
		const int64_t status = once(BLOCK_READ, 1000 + area * 8ull, 8, 0, 0);
		uint32_t same = 0;
		for (uint32_t i = 0; i < 8; i++)
			same += filled(client.data + (uint64_t)i * bytes, 1000 + area * 8 + i, bytes,
			               salts[area]);
		right = status == BLOCK_DONE && same == 8;
		if (!right)
			log_print(log_handle, own_page,
			          "%s: area %u is read with %ld, %u sectors of 8 as written\n", name, area,
			          (long)status, same);
	}
	check(name, "and every sector holds what was last written to it", right);
	log_print(log_handle, own_page, "%s: the queue was opened again %lu times\n", name, client.reopened);
}

/* QEMU fails what touches sector BAD. */
static void test_bad(const char *name, uint32_t bad)
{
	uint32_t bytes = client.description.sector_bytes;
	struct block_completion completion;
	unsigned failed = 0, done = 0;

	for (uint32_t i = 0; i < 8; i++) /* all at once, the bad one among them */
		block_client_submit(&client, &(struct block_request){.tag = i,
		                                                     .sector = bad - 4 + i,
		                                                     .sectors = 1,
		                                                     .data_offset = (uint64_t)i * bytes,
		                                                     .operation = BLOCK_READ});
	bool right = true;
	while (client.under_way && block_client_wait(&client, &completion, clock_ns() + WAIT_NS) >= 0) {
		failed += completion.status != BLOCK_DONE;
		done += completion.status == BLOCK_DONE;
		right = right && (completion.status == BLOCK_MEDIUM) == (completion.tag == 4);
	}
	check(name, "one bad sector fails, with an error of the medium, and no other",
	      right && failed == 1 && done == 7);
}

/* Eight writes on each of two disks at a time, then all is read back. */
static void test_together(const struct device_info *first, const struct device_info *second)
{
	static struct block_client clients[2];
	const struct device_info *infos[2] = {first, second};
	struct block_completion completion;
	handle_t channel;
	bool right = true;

	for (unsigned i = 0; i < 2; i++)
		right = right &&
		        device_open(devices, own_page, infos[i]->name, &channel, clock_ns() + WAIT_NS) >= 0 &&
		        block_client_open(&clients[i], channel, own_page, DATA_BYTES) >= 0;
	for (uint32_t round = 0; round < ROUNDS && right; round++) {
		for (uint32_t part = 0; part < 16; part++) {
			struct block_client *to = &clients[part % 2];
			uint32_t bytes = to->description.sector_bytes;
			uint64_t sector = 6000 + round * 64 + part / 2 * 8, offset = part / 2 * 8ull * bytes;
			for (uint32_t i = 0; i < 8; i++)
				fill(to->data + offset + i * bytes, sector + i, bytes, 10 + part % 2);
			right = right &&
			        block_client_submit(to, &(struct block_request){.tag = part / 2,
			                                                        .sector = sector,
			                                                        .sectors = 8,
			                                                        .data_offset = offset,
			                                                        .operation = BLOCK_WRITE});
		}
		for (unsigned i = 0; i < 2; i++)
			while (right && clients[i].under_way)
				right =
				    block_client_wait(&clients[i], &completion, clock_ns() + WAIT_NS) >= 0 &&
				    completion.status == BLOCK_DONE;
	}
	check("devices", "two disks are written at a time", right);
	for (uint32_t part = 0; part < 2 * ROUNDS * 8 && right; part++) {
		struct block_client *from = &clients[part % 2];
		uint64_t sector = 6000 + part / 2 * 8;
		right =
		    block_client_do(
		        from, (struct block_request){.sector = sector, .sectors = 8, .operation = BLOCK_READ},
		        clock_ns() + WAIT_NS) == BLOCK_DONE;
		for (uint32_t i = 0; i < 8; i++)
			right = right && filled(from->data + (uint64_t)i * from->description.sector_bytes,
			                        sector + i, from->description.sector_bytes, 10 + part % 2);
	}
	check("devices", "and each holds its own", right);
	for (unsigned i = 0; i < 2; i++)
		block_client_close(&clients[i]);
}

/* COUNT queues of one disk, four writes of each under way at a time; then all is read back, each by another queue. */
static void test_queues(const struct device_info *info, unsigned count, uint32_t milliseconds)
{
	static struct block_client clients[QUEUES_MOST];
	static uint32_t salts[QUEUES_MOST][QUEUE_SLOTS];
	const uint64_t end = clock_ns() + milliseconds * 1000000ull;
	struct block_completion completion;
	uint32_t salt = 0, bytes = 0, reopened = 0;
	handle_t channel;
	bool right = count <= QUEUES_MOST;

	for (unsigned i = 0; i < count && right; i++)
		right = device_open(devices, own_page, info->name, &channel, clock_ns() + WAIT_NS) >= 0 &&
		        block_client_open(&clients[i], channel, own_page, DATA_BYTES / 4) >= 0;
	for (uint32_t round = 0; right && (round < QUEUE_ROUNDS || clock_ns() < end); round++) {
		salt++;
		for (uint32_t part = 0; part < count * QUEUE_SLOTS && right; part++) {
			struct block_client *to = &clients[part % count];
			uint32_t slot = part / count;
			uint64_t sector = 6000 + part * 8ull;
			bytes = to->description.sector_bytes;
			for (uint32_t i = 0; i < 8; i++)
				fill(to->data + (slot * 8ull + i) * bytes, sector + i, bytes, salt);
			salts[part % count][slot] = salt;
			right = block_client_submit(
			    to, &(struct block_request){.tag = slot,
			                                .sector = sector,
			                                .sectors = 8,
			                                .data_offset = slot * 8ull * bytes,
			                                .operation = BLOCK_WRITE});
		}
		for (unsigned i = 0; i < count; i++)
			while (right && clients[i].under_way)
				right =
				    block_client_wait(&clients[i], &completion, clock_ns() + WAIT_NS) >= 0 &&
				    completion.status == BLOCK_DONE;
	}
	check("devices", "queues of one disk are written at a time", right);
	for (uint32_t part = 0; part < count * QUEUE_SLOTS && right; part++) {
		struct block_client *from = &clients[(part + 1) % count];
		uint64_t sector = 6000 + part * 8ull;
		right =
		    block_client_do(
		        from, (struct block_request){.sector = sector, .sectors = 8, .operation = BLOCK_READ},
		        clock_ns() + WAIT_NS) == BLOCK_DONE;
		for (uint32_t i = 0; i < 8 && right; i++)
			right = filled(from->data + (uint64_t)i * bytes, sector + i, bytes,
			               salts[part % count][part / count]);
	}
	check("devices", "and each sees what the others wrote", right);
	for (unsigned i = 0; i < count && i < QUEUES_MOST; i++) {
		reopened += (uint32_t)clients[i].reopened;
		block_client_close(&clients[i]);
	}
	log_print(log_handle, own_page, "devices: %u queues were opened again %u times\n", count, reopened);
}

/* ---- Threads that read, each on its CPU ---- */

static struct reader {
	struct block_client client;
	uint64_t end, done;
	bool failed;
	handle_t finished; /* an event of the reader's own */
} readers[QUEUES_MOST];

static void reader_main(struct reader *reader, uint64_t unused, struct thread_page *page)
{
	struct block_client *own = &reader->client;
	struct block_completion completion;
	uint32_t next = (uint32_t)(reader - readers);

	(void)unused;
	own->page = page;
	while (clock_ns() < reader->end || own->under_way) {
		for (uint32_t slot = 0; slot < QUEUE_SLOTS && clock_ns() < reader->end; slot++)
			if (!own->used[slot])
				block_client_submit(
				    own, &(struct block_request){.tag = slot,
				                                 .sector = mix(next += QUEUES_MOST) % AREA,
				                                 .sectors = 1,
				                                 .data_offset = slot * 4096ull,
				                                 .operation = BLOCK_READ});
		reader->failed =
		    own->under_way && (block_client_wait(own, &completion, clock_ns() + WAIT_NS) < 0 ||
		                       completion.status != BLOCK_DONE);
		if (reader->failed)
			break;
		reader->done++;
	}
	event_signal(reader->finished, 1);
	thread_exit();
}

static bool reader_start(const struct start_info *info, struct reader *reader, uint32_t cpu)
{
	handle_t memory;
	char name[12];
	uint8_t *at = window_allocate(5 * PAGE_SIZE_BYTES, &memory);

	text_format(name, sizeof(name), "budget%u", cpu);
	struct thread_spec spec = {.entry = (uint64_t)reader_main,
	                           .stack = (uint64_t)at + 5 * PAGE_SIZE_BYTES - 8,
	                           .argument = {(uint64_t)reader, 0},
	                           .budget = start_find(info, name, 0),
	                           .page_address = (uint64_t)at,
	                           .name = "reader"};
	int64_t thread =
	    at && spec.budget ? thread_create(own_page, info->unit, info->space, memory, 0, &spec) : E_BUSY;
	return thread > 0 && thread_start((handle_t)thread) >= 0;
}

static void test_threads(const struct start_info *info, const struct device_info *device, unsigned count)
{
	uint64_t end = clock_ns() + 2000000000, done = 0, bits;
	handle_t channel;
	bool right = count <= QUEUES_MOST;

	for (unsigned i = 0; i < count && right; i++) {
		int64_t event = event_create();
		readers[i] = (struct reader){.end = end, .finished = (handle_t)event};
		right = event > 0 &&
		        device_open(devices, own_page, device->name, &channel, clock_ns() + WAIT_NS) >= 0 &&
		        block_client_open(&readers[i].client, channel, own_page, QUEUE_SLOTS * 4096ull) >= 0;
	}
	for (unsigned i = 0; i < count && right; i++)
		right = reader_start(info, &readers[i], i % (uint32_t)info->cpu_count);
	for (unsigned i = 0; i < count && right; i++) {
		right = event_wait(readers[i].finished, end + WAIT_NS, &bits) >= 0 && !readers[i].failed &&
		        readers[i].done > QUEUE_SLOTS;
		done += readers[i].done;
	}
	check("devices", "threads read at a time, each from a queue of its own", right);
	log_print(log_handle, own_page, "devices: %u threads read %lu times\n", count, done);
}

/* The host pulls the disk out, and plugs it in again, when the log says so. */
static void test_pulled(const char *name)
{
	uint64_t end = clock_ns() + WAIT_NS, bits;
	enum block_status status = BLOCK_DONE;

	log_print(log_handle, own_page, "%s: to be pulled out\n", name);
	while (status == BLOCK_DONE && clock_ns() < end)
		status = once(BLOCK_WRITE, 200, 8, 0, 0);
	check(name, "when it is pulled out, requests end and say that it is gone",
	      status == BLOCK_GONE && once(BLOCK_READ, 7, 1, 0, 0) == BLOCK_GONE &&
	          once(BLOCK_FLUSH, 0, 0, 0, 0) == BLOCK_GONE);
	log_print(log_handle, own_page, "%s: to be plugged in again\n", name);
	end = clock_ns() + WAIT_NS;
	while (status != BLOCK_DONE && clock_ns() < end) {
		status = once(BLOCK_READ, 7, 1, 0, 0);
		event_wait(client.completed, clock_ns() + 20000000, &bits);
	}
	check(name, "plugged in again, it is the same disk under the same capability",
	      status == BLOCK_DONE && filled(client.data, 7, client.description.sector_bytes, 1));
}

/* Writes until that fails. Whether the device is gone then, for who has it open and who wants to open it. */
static bool written_until_gone(const char *name)
{
	const uint64_t end = clock_ns() + WAIT_NS;
	enum block_status status = BLOCK_DONE;
	handle_t channel;

	while (status == BLOCK_DONE && clock_ns() < end)
		status = once(BLOCK_WRITE, 200, 8, 0, 0);
	return status == BLOCK_GONE && device_open(devices, own_page, name, &channel, end) == E_NOT_FOUND;
}

/* The host takes the disk out of its slot, and plugs it in again, when the log says so. That makes it another device. */
static void test_unplugged(const char *name, uint32_t times)
{
	const int64_t pause = event_create();
	bool right = true;

	for (uint32_t i = 0; right && i < times; i++) {
		uint64_t end, bits;
		handle_t channel;
		log_print(log_handle, own_page, "%s: to be unplugged %u\n", name, i);
		right = written_until_gone(name);
		block_client_close(&client);
		log_print(log_handle, own_page, "%s: to be plugged in %u\n", name, i);
		end = clock_ns() + WAIT_NS;
		int64_t opened = E_NOT_FOUND;
		while (right && opened < 0 && clock_ns() < end) {
			event_wait((handle_t)pause, clock_ns() + 20000000, &bits);
			opened = device_open(devices, own_page, name, &channel, end);
		}
		right = right && opened >= 0 &&
		        block_client_open(&client, channel, own_page, DATA_BYTES) >= 0 &&
		        once(BLOCK_READ, 7, 1, 0, 0) == BLOCK_DONE &&
		        filled(client.data, 7, client.description.sector_bytes, 1);
	}
	check(name, "taken out of its slot while it is written, it is gone, and plugged in it is there again",
	      right);
}

/* The host tears it out when the log says so. */
static void test_torn(const char *name)
{
	log_print(log_handle, own_page, "%s: to be torn out\n", name);
	check(name, "torn out of its slot without a word, it is gone, too", written_until_gone(name));
}

/* ---- CD drives ---- */

/* COUNT sectors from SECTOR on: each word is the sector's number and BASE. */
static bool cd_holds(uint64_t sector, uint32_t count, uint32_t base)
{
	if (once(BLOCK_READ, sector, count, 0, 0) != BLOCK_DONE)
		return false;
	for (uint32_t i = 0; i < count * (CD_SECTOR / 4); i++)
		if (((const uint32_t *)client.data)[i] != base + (uint32_t)sector + i / (CD_SECTOR / 4))
			return false;
	return true;
}

/* The host takes the medium out, and puts in another one, when the log says so. */
static void test_changed(const char *name)
{
	uint64_t end = clock_ns() + WAIT_NS, bits, sectors = client.description.sectors;
	enum block_status status = BLOCK_DONE;

	log_print(log_handle, own_page, "%s: to be taken out\n", name);
	while (status == BLOCK_DONE && clock_ns() < end)
		status = once(BLOCK_READ, 16, 8, 0, 0);
	check(name, "when it is taken out, reading says so, also who opens the drive then",
	      status == BLOCK_GONE && once(BLOCK_READ, 16, 1, 0, 0) == BLOCK_GONE &&
	          block_client_check(&client) >= 0 && once(BLOCK_READ, 16, 1, 0, 0) == BLOCK_GONE &&
	          !client.description.sectors);
	log_print(log_handle, own_page, "%s: to be put in\n", name);
	end = clock_ns() + WAIT_NS;
	while (!client.description.sectors && clock_ns() < end) {
		status = once(BLOCK_READ, 16, 1, 0, 0);
		if (status != BLOCK_GONE || block_client_check(&client) < 0)
			break;
		event_wait(client.completed, clock_ns() + 20000000, &bits);
	}
	check(name, "another medium is another disk, which whoever asks again reads",
	      client.description.sectors && client.description.sectors != sectors &&
	          cd_holds(16, 8, 1u << 20));
}

static void test_cd(unsigned index, bool changed, uint32_t milliseconds)
{
	const uint64_t end = clock_ns() + milliseconds * 1000000ull;
	const struct block_description *is = &client.description;
	char name[8];
	handle_t channel;

	text_format(name, sizeof(name), "cd%u", index);
	if (!check(name, "opens",
	           device_open(devices, own_page, name, &channel, clock_ns() + WAIT_NS) >= 0 &&
	               block_client_open(&client, channel, own_page, DATA_BYTES) >= 0))
		return;
	log_print(log_handle, own_page, "%s: %s, %lu sectors of %u bytes, flags %x\n", name, is->model,
	          is->sectors, is->sector_bytes, is->flags);
	check(name, "is a medium that can be changed, and not be written",
	      is->flags == (BLOCK_IS_READ_ONLY | BLOCK_IS_REMOVABLE) && is->sector_bytes == CD_SECTOR &&
	          is->sectors && once(BLOCK_WRITE, 16, 1, 0, 0) == BLOCK_READ_ONLY);
	if (!index) {
		check(name, "what this system was started from is ISO 9660",
		      once(BLOCK_READ, 16, 1, 0, 0) == BLOCK_DONE &&
		          memcmp(client.data + 1, "CD001", 5) == 0);
	} else {
		uint32_t most = is->transfer_bytes / CD_SECTOR;
		bool right = cd_holds(16, 1, 0) && cd_holds(is->sectors - 1, 1, 0) && cd_holds(20, most, 0);
		check(name, "single sectors, the last one and the longest transfer are read", right);
		check(name, "beyond the end is refused",
		      once(BLOCK_READ, is->sectors, 1, 0, 0) == BLOCK_BAD_REQUEST &&
		          once(BLOCK_READ, is->sectors - 1, 2, 0, 0) == BLOCK_BAD_REQUEST);
		for (uint32_t i = 0; right && (i < 100 || clock_ns() < end); i++)
			right = cd_holds(mix(i) % (is->sectors - 8), 1 + i % 8, 0);
		check(name, "sectors are read at random", right);
		log_print(log_handle, own_page, "%s: the queue was opened again %lu times\n", name,
		          client.reopened);
		if (changed)
			test_changed(name);
	}
	block_client_close(&client);
}

static void test_device(const struct device_info *info, uint32_t rounds, uint32_t milliseconds, uint32_t bad,
                        bool pulled, uint32_t unplugged)
{
	handle_t channel;
	const char *name = info->serial[0] ? info->serial : info->name;

	if (!check(name, "opens",
	           device_open(devices, own_page, info->name, &channel, clock_ns() + WAIT_NS) >= 0 &&
	               block_client_open(&client, channel, own_page, DATA_BYTES) >= 0))
		return;
	log_print(log_handle, own_page, "%s: %s, %lu sectors of %u bytes, flags %x\n", name,
	          client.description.model, client.description.sectors, client.description.sector_bytes,
	          client.description.flags);
	if (client.description.flags & BLOCK_IS_READ_ONLY) {
		check(name, "is read, and not written",
		      once(BLOCK_READ, 0, 1, 0, 0) == BLOCK_DONE &&
		          once(BLOCK_WRITE, 0, 1, 0, 0) == BLOCK_READ_ONLY);
		return;
	}
	test_one(name);
	test_refusals(name);
	if (bad)
		test_bad(name, bad);
	if (pulled)
		test_pulled(name);
	if (unplugged)
		test_unplugged(name, unplugged);
	if (rounds == ROUNDS) /* not where drivers are killed */
		test_hostile(name);
	test_load(name, rounds, milliseconds);
	if (unplugged)
		test_torn(name);
}

/* The number after WORD= among the arguments, or ELSE. */
static uint32_t argument(const struct start_info *info, const char *word, uint32_t otherwise)
{
	size_t length = strlen(word);

	for (const char *at = info->arguments; *at; at += strlen(at) + 1) {
		if (strncmp(at, word, length) != 0 || at[length] != '=')
			continue;
		otherwise = 0;
		for (const char *digit = at + length + 1; *digit >= '0' && *digit <= '9'; digit++)
			otherwise = otherwise * 10 + (uint32_t)(*digit - '0');
	}
	return otherwise;
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	uint32_t wanted = argument(info, "disks", 1), rounds = argument(info, "rounds", ROUNDS), found = 0;
	uint64_t end = clock_ns() + WAIT_NS, count, bits;
	struct unit_info own = {0};
	static struct device_info list[32];

	own_page = page;
	log_handle = start_find(info, "log", 0);
	steward = start_find(info, "steward", 0);
	devices = start_find(info, "device", 0);
	int64_t pause = event_create();
	handle_t own_channel;
	while (found < wanted && clock_ns() < end) {
		const void *data;
		uint32_t bytes;
		found = 0;
		event_wait((handle_t)pause, clock_ns() + 20000000, &bits);
		for (uint32_t i = 0;
		     found < 32 && device_list(devices, page, i, &count, &data, &bytes, end) >= 0; i++) {
			memcpy(&list[found], data, sizeof(list[found]));
			found +=
			    list[found].kind == DEVICE_BLOCK && strncmp(list[found].serial, "cd", 2) != 0;
		}
	}
	check("devices", "all disks are there", found == wanted);
	check("devices", "a unit hears of its own", unit_info(page, info->unit, &own) == E_OK);
	log_print(log_handle, page, "devices: unit_info says that DMA is %s\n",
	          own.dma_confined ? "confined" : "not confined");
	unsigned inputs = (unsigned)argument(info, "input", 0);
	if (inputs)
		check("input", "all was told", input_check(devices, log_handle, page, inputs));
	for (uint32_t i = 0; i < found; i++)
		test_device(&list[i], rounds, argument(info, "load", 0), argument(info, "bad", 0),
		            argument(info, "pulled", 0), argument(info, "unplugged", 0));
	if (found == 2 && argument(info, "together", 0))
		test_together(&list[0], &list[1]);
	unsigned cds = (unsigned)argument(info, "cds", 0);
	while (cds && device_open(devices, page, cds > 1 ? "cd1" : "cd0", &own_channel, end) < 0 &&
	       clock_ns() < end)
		event_wait((handle_t)pause, clock_ns() + 20000000, &bits);
	for (unsigned i = 0; i < cds; i++)
		test_cd(i, argument(info, "changed", 0), argument(info, "load", 0));
	unsigned queues = (unsigned)argument(info, "queues", 0),
	         threads = (unsigned)argument(info, "threads", 0);
	if (found && queues)
		test_queues(&list[0], queues, argument(info, "load", 0));
	if (found && threads)
		test_threads(info, &list[0], threads);
	event_wait((handle_t)pause, clock_ns() + argument(info, "wait", 0) * 1000000ull, &bits);
	log_print(log_handle, page, "devices: the end\n");
	steward_finished(steward, page, (uint64_t)(failures != 0) << 8, 0, DEADLINE_NEVER);
	return 0;
}
