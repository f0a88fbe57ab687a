/* Unit tests of vdisk: random work against a model, volumes, mirrors that heal, tampering, full devices, streams, size and
 * irreversibility. What opens it: keys_test.c. */
#include "test_disk.h"

static uint32_t durable[BLOCKS]; /* the model of before */

static void test_random(enum vdisk_cipher cipher, const char *name)
{
	static const struct vdisk_credentials none;
	struct vdisk *disk;
	char text[100];
	new_devices(1, DEVICE, false);
	struct vdisk_create create = {.blocks = BLOCKS, .cipher = cipher, .factors = OPEN_KEY};
	bool good = vdisk_create(&disk, &config, &create, &none) == VDISK_OK;
	memset(model, 0, sizeof(model));
	memset(durable, 0, sizeof(durable));
	for (unsigned round = 0; good && round < 4000; round++) {
		uint32_t what = draw(100);
		if (what < 70)
			good = write_some(disk);
		else if (what < 80)
			good = discard_some(disk);
		else if (what < 97) {
			good = (what < 95 ? vdisk_flush(disk) : vdisk_commit(disk)) == VDISK_OK;
			memcpy(durable, model, sizeof(model));
		} else if (what == 97) { /* a crash that loses nothing the device was told */
			vdisk_abandon(disk);
			disk = reopen(NULL);
			good = disk != NULL;
			memcpy(model, durable, sizeof(model));
		} else if (what == 98) {
			good = vdisk_close(disk) == VDISK_OK && (disk = reopen(NULL)) != NULL;
			memcpy(durable, model, sizeof(model));
		} else if (round % 8 == 0) {
			good = matches(disk, model) && is_sound(disk);
			memcpy(durable, model, sizeof(model)); /* the check commits */
		}
		if (!good)
			printf("# round %u, kind %u\n", round, what);
	}
	snprintf(text, sizeof(text), "random work equals the model, %s", name);
	check(text, good && matches(disk, model) && is_sound(disk));
	vdisk_abandon(disk);
}

static void test_volumes(void)
{
	static uint32_t old[BLOCKS];
	new_devices(1, DEVICE, false);
	struct vdisk *disk = make(BLOCKS);
	struct vdisk_volume volume;
	memset(model, 0, sizeof(model));
	for (unsigned i = 0; i < 200; i++)
		write_some(disk);
	memcpy(old, model, sizeof(old));
	check("a snapshot",
	      vdisk_snapshot(disk, "monday") == VDISK_OK && vdisk_snapshot(disk, "monday") == VDISK_EXISTS);
	for (unsigned i = 0; i < 200; i++)
		write_some(disk);
	discard_some(disk);
	check("a clone of it", vdisk_clone(disk, "monday", "work") == VDISK_OK && matches(disk, model));
	check("all maps are sound", is_sound(disk));
	check("closing", vdisk_close(disk) == VDISK_OK);
	config.volume = "monday";
	disk = reopen(NULL);
	uint8_t block[VDISK_BLOCK] = {0};
	check("a snapshot shows what was then and takes no writes",
	      disk && matches(disk, old) && vdisk_write(disk, 0, 1, block) == VDISK_READ_ONLY);
	vdisk_abandon(disk);
	config.volume = "work";
	disk = reopen(NULL);
	memcpy(durable, model, sizeof(model));
	memcpy(model, old, sizeof(model));
	for (unsigned i = 0; disk && i < 100; i++)
		write_some(disk);
	check("a clone goes its own way", disk && matches(disk, model) && vdisk_flush(disk) == VDISK_OK);
	vdisk_abandon(disk); /* its record is in the log now */
	disk = reopen(NULL);
	check("and is still there after a crash",
	      disk && matches(disk, model) && vdisk_close(disk) == VDISK_OK);
	config.volume = NULL;
	disk = reopen(NULL);
	check("the first volume is untouched by it", disk && matches(disk, durable) && is_sound(disk));
	check("a volume in use is not deleted", vdisk_volume_delete(disk, "main") == VDISK_BUSY);
	check("rollback", vdisk_rollback(disk, "monday") == VDISK_OK && matches(disk, old) && is_sound(disk));
	struct vdisk_info before;
	struct vdisk_info after;
	vdisk_get_info(disk, &before);
	check("deleting gives room back", vdisk_volume_delete(disk, "work") == VDISK_OK &&
	                                      vdisk_volume_delete(disk, "monday") == VDISK_OK &&
	                                      vdisk_volume_find(disk, "work", &volume) == VDISK_NOT_FOUND &&
	                                      is_sound(disk));
	vdisk_get_info(disk, &after);
	check("and no more", after.used_blocks < before.used_blocks && matches(disk, old));
	check("shrinking discards", vdisk_resize(disk, 100) == VDISK_OK &&
	                                vdisk_read(disk, 100, 1, block) == VDISK_RANGE &&
	                                vdisk_resize(disk, BLOCKS) == VDISK_OK && is_sound(disk));
	memset(&old[100], 0, (BLOCKS - 100) * sizeof(old[0]));
	check("growing shows zeroes", matches(disk, old));
	vdisk_abandon(disk);
}

static void test_mirror(void)
{
	struct vdisk_report report = {0};
	struct vdisk_info info;
	int status;
	new_devices(3, DEVICE, false);
	struct vdisk *disk = make(BLOCKS);
	memset(model, 0, sizeof(model));
	for (unsigned i = 0; i < 300; i++)
		write_some(disk);
	check("closing a mirror", vdisk_close(disk) == VDISK_OK);
	for (uint64_t at = HEADER_BYTES; at < devices[0].used; at += 512)
		devices[0].bytes[at + draw(512)] ^=
		    (uint8_t)(1 + draw(255)); /* every block of the first leg but one header */
	disk = reopen(&status);
	check("a leg with every block damaged does no harm", disk && matches(disk, model));
	for (uint64_t at = HEADER_BYTES; at < devices[1].used; at += 4096)
		devices[1].bytes[at + draw(4096)] ^= (uint8_t)(1 + draw(255));
	check("a scrub repairs what reading did not",
	      disk && vdisk_scrub(disk, &report) == VDISK_OK && report.healed > 0 && !report.damaged);
	report = (struct vdisk_report){0};
	check("and then there is nothing left to repair",
	      disk && vdisk_scrub(disk, &report) == VDISK_OK && !report.healed && !report.damaged);
	bool alone = vdisk_close(disk) == VDISK_OK;
	config.read_only = true;
	config.leg_count = 1;
	for (unsigned i = 0; i < 3; i++) {
		config.legs = &legs[i];
		disk = reopen(NULL);
		alone = alone && disk && is_sound(disk) && matches(disk, model);
		vdisk_abandon(disk);
	}
	check("each leg is whole again by itself", alone);
	config.read_only = false;
	config.legs = legs;
	config.leg_count = 3;
	disk = reopen(NULL);
	devices[1].failed = true;
	for (unsigned i = 0; disk && i < 50; i++)
		write_some(disk);
	vdisk_get_info(disk, &info);
	check("a leg that fails is left out", info.legs_failed == 1 && vdisk_close(disk) == VDISK_OK);
	devices[1].failed = false;
	disk = reopen(NULL);
	report = (struct vdisk_report){0};
	check("and brought up to date when it is back",
	      disk && matches(disk, model) && vdisk_scrub(disk, &report) == VDISK_OK && report.healed > 0 &&
	          vdisk_close(disk) == VDISK_OK);
	config.legs = legs + 1;
	config.leg_count = 1;
	disk = reopen(NULL);
	check("so that it can serve alone",
	      disk && matches(disk, model) && write_some(disk) && vdisk_close(disk) == VDISK_OK);
	config.legs = legs;
	disk = reopen(NULL);
	check("the other one too", disk && write_some(disk) && vdisk_close(disk) == VDISK_OK);
	config.leg_count = 2;
	disk = reopen(&status);
	check("legs that were written apart are not joined", !disk && status == VDISK_DIVERGED);
	memset(devices[1].bytes, 0, devices[1].size);
	memset(devices[2].bytes, 0, devices[2].size);
	disk = reopen(&status);
	report = (struct vdisk_report){0};
	check("an empty leg joins and is filled by a scrub", disk && vdisk_scrub(disk, &report) == VDISK_OK &&
	                                                         report.healed &&
	                                                         vdisk_close(disk) == VDISK_OK);
	memset(devices[0].bytes, 0x55, DEVICE / 2);
	memset(devices[2].bytes, 0x55, DEVICE / 2);
	check("a leg with something else on it is refused", !reopen(&status) && status == VDISK_FORMAT);
	config.legs = legs + 1;
	config.leg_count = 1;
	disk = reopen(NULL);
	check("the filled leg serves alone", disk && is_sound(disk));
	vdisk_abandon(disk);
}

/* Every byte that the disk holds is damaged in turn (one bit, in steps): reading never returns anything but
 * what was written, or an error. */
static void test_tampering(void)
{
	uint64_t wrong = 0;
	uint64_t detected = 0;
	uint64_t unused = 0;
	new_devices(1, DEVICE, false);
	struct vdisk *disk = make(BLOCKS);
	memset(model, 0, sizeof(model));
	for (unsigned i = 0; i < 30; i++)
		write_some(disk);
	vdisk_close(disk);
	for (uint64_t at = draw(701); at < devices[0].used; at += 701) {
		uint8_t flipped = (uint8_t)(1u << draw(8));
		int status;
		devices[0].bytes[at] ^= flipped;
		disk = reopen(&status);
		struct vdisk_report report = {0};
		bool sees = !disk || vdisk_check(disk, true, false, &report) < 0 || report.damaged;
		if (sees)
			detected++;
		else if (matches(disk, model))
			unused++; /* free room, or the second copy of a superblock or header */
		else
			wrong++;
		vdisk_abandon(disk);
		devices[0].bytes[at] ^= flipped;
	}
	printf("# %llu detected, %llu in what is not in use\n", (unsigned long long)detected,
	       (unsigned long long)unused);
	check("tampering is detected wherever data or map is touched", !wrong && detected > unused);
	/* Two blocks swapped, and an old block put back: both are authentic by themselves. */
	disk = reopen(NULL);
	struct entry a;
	struct entry b;
	uint8_t block[VDISK_BLOCK];
	uint8_t old[VDISK_BLOCK];
	fill(block, 7);
	vdisk_write(disk, 1, 1, block);
	vdisk_write(disk, 2, 1, block);
	vdisk_commit(disk);
	tree_find(disk, &disk->map, 1, &a);
	tree_find(disk, &disk->map, 2, &b);
	uint8_t *first = devices[0].bytes + (a.place & PLACE_MASK) * VDISK_BLOCK;
	uint8_t *second = devices[0].bytes + (b.place & PLACE_MASK) * VDISK_BLOCK;
	memcpy(old, first, sizeof(old));
	memcpy(first, second, VDISK_BLOCK);
	memcpy(second, old, VDISK_BLOCK);
	check("swapped blocks are detected", vdisk_read(disk, 1, 1, block) == VDISK_DAMAGED &&
	                                         vdisk_read(disk, 2, 1, block) == VDISK_DAMAGED);
	vdisk_abandon(disk);
}

/* Who only flushes, now and then and when a commit is wanted, never runs out of room by writing what is there again. */
static void test_full_flushed(void)
{
	static uint8_t data[40 * VDISK_BLOCK];
	new_devices(1, 4u << 20, true);
	struct vdisk *disk = make(BLOCKS);
	int status = disk ? VDISK_OK : VDISK_NO_MEMORY;
	for (unsigned block = 0; block < 500 && status == VDISK_OK; block += 20)
		status = vdisk_write(disk, block, 20, data);
	if (status == VDISK_OK)
		status = vdisk_commit(disk);
	for (unsigned round = 0; round < 3000 && status == VDISK_OK; round++) {
		status = vdisk_write(disk, draw(460), 1 + draw(40), data);
		if (status == VDISK_OK && (round % 3 == 0 || vdisk_wants_commit(disk)))
			status = vdisk_flush(disk);
	}
	check("nor does it end where there are flushes alone",
	      status == VDISK_OK && !vdisk_wants_commit(disk) && is_sound(disk));
	vdisk_abandon(disk);
}

/* A snapshot is what one deletes on a full device. */
static void test_full_delete(void)
{
	const unsigned blocks = 20000;
	static uint8_t block[VDISK_BLOCK];
	new_devices(1, 128u << 20, true);
	config.cache_bytes = 0;
	struct vdisk *disk = make(4 * blocks);
	int status = disk ? VDISK_OK : VDISK_NO_MEMORY;
	for (unsigned i = 0; i < blocks && status == VDISK_OK; i++) {
		status = vdisk_write(disk, (uint64_t)i * 7919 % blocks, 1, block);
		if (status == VDISK_OK && vdisk_wants_commit(disk))
			status = vdisk_commit(disk);
	}
	if (status == VDISK_OK)
		status = vdisk_snapshot(disk, "s");
	for (unsigned i = 0; i < blocks && status == VDISK_OK; i += 60)
		status = vdisk_write(disk, i, 1, block);
	uint64_t next = blocks;
	for (unsigned refused = 0; refused < 3 && (status == VDISK_OK || status == VDISK_NO_SPACE);) {
		status = vdisk_write(disk, next, 1, block);
		next += status == VDISK_OK;
		if (status == VDISK_NO_SPACE || vdisk_wants_commit(disk)) {
			refused += status == VDISK_NO_SPACE;
			status = vdisk_commit(disk);
		}
	}
	check("a full device with a snapshot", status == VDISK_OK && next > blocks + 5000);
	check("deletes it", vdisk_volume_delete(disk, "s") == VDISK_OK);
	check("and has its room", vdisk_write(disk, next, 1, block) == VDISK_OK &&
	                              vdisk_commit(disk) == VDISK_OK && is_sound(disk));
	vdisk_abandon(disk);
}

/* Where a write is refused, there must be room for the commit of a discard that changes every page of counts: there are 500 here, with
 * a block each, and the device is said to be nearly full. */
static void test_full_discard(void)
{
	static uint8_t block[VDISK_BLOCK];
	const unsigned pages = 500;
	new_devices(1, (uint64_t)(pages + 10) * COUNTS_PER_PAGE * VDISK_BLOCK, true);
	struct vdisk *disk = make(BLOCKS);
	bool good = disk != NULL;
	for (unsigned i = 0; i < pages && good; i++) {
		good = vdisk_write(disk, i * 3, 1, block) == VDISK_OK;
		disk->end += COUNTS_PER_PAGE - 8;
		disk->cursor = disk->end - 4;
	}
	good = good && vdisk_commit(disk) == VDISK_OK;
	int status = VDISK_NO_SPACE;
	for (uint64_t left = 0; good && status == VDISK_NO_SPACE; left++) {
		disk->used = disk->limit - left;
		status = vdisk_write(disk, 1, 1, block);
	}
	good = good && status == VDISK_OK && vdisk_commit(disk) == VDISK_OK;
	for (unsigned part = 0; part < 10 && good; part++)
		good = vdisk_discard(disk, part * (BLOCKS / 10), BLOCKS / 10) == VDISK_OK;
	check("a full device has room for the commit of any discard",
	      good && disk->dirty_pages >= pages / 2 &&
	          disk->used + disk->pinned + 2 * disk->dirty_pages <= disk->limit &&
	          vdisk_commit(disk) == VDISK_OK);
	vdisk_abandon(disk);
}

static void test_full(void)
{
	new_devices(1, 4u << 20, true);
	struct vdisk *disk = make(BLOCKS);
	uint8_t block[VDISK_BLOCK];
	uint64_t written = 0;
	int status = VDISK_OK;
	fill(block, 5);
	for (; written < BLOCKS && status == VDISK_OK; written++) {
		status = vdisk_write(disk, written, 1, block);
		if (written % 50 == 49 && status == VDISK_OK)
			status = vdisk_flush(disk);
	}
	check("a full device is said early", status == VDISK_NO_SPACE && written > 600);
	check("and nothing is lost", vdisk_flush(disk) == VDISK_OK && vdisk_commit(disk) == VDISK_OK &&
	                                 is_sound(disk) && vdisk_read(disk, 0, 1, block) == VDISK_OK &&
	                                 is_filled(block, 5));
	check("discarding makes room", vdisk_discard(disk, 0, 400) == VDISK_OK &&
	                                   vdisk_commit(disk) == VDISK_OK &&
	                                   vdisk_write(disk, 1000, 1, block) == VDISK_OK);
	for (unsigned round = 0; round < 2000; round++) { /* overwriting a full device for ever */
		status = vdisk_write(disk, 500 + draw(50), 1, block);
		if (status == VDISK_NO_SPACE)
			status = vdisk_commit(disk);
		if (status < 0)
			break;
	}
	check("overwriting a nearly full device goes on for ever", status == VDISK_OK && is_sound(disk));
	vdisk_abandon(disk);
	test_full_flushed();
	test_full_delete();
	test_full_discard();
	new_devices(1, DEVICE, false);
	disk = make(BLOCKS);
	fill(block, 9);
	vdisk_write(disk, 5, 1, block);
	vdisk_commit(disk);
	devices[0].failed = true;
	check("a device that is gone",
	      vdisk_write(disk, 0, 1, block) == VDISK_IO && vdisk_flush(disk) == VDISK_IO);
	devices[0].failed = false;
	check("one that only refused a write can still be read",
	      vdisk_read(disk, 5, 1, block) == VDISK_OK && is_filled(block, 9) &&
	          vdisk_write(disk, 0, 1, block) == VDISK_IO && vdisk_close(disk) == VDISK_IO);
}

/* The figures of the contract: an empty disk of 200 GB, and 2,000 random blocks in it. */
static void test_size(void)
{
	struct vdisk_info info;
	new_devices(1, DEVICE, false);
	struct vdisk *disk = make(200ull * 1000 * 1000 * 1000 / VDISK_BLOCK);
	uint64_t empty = devices[0].used;
	uint8_t block[VDISK_BLOCK];
	bool good = true;
	for (unsigned i = 0; i < 2000 && good; i++) {
		fill(block, i + 1);
		good =
		    vdisk_write(disk, draw(48828125), 1, block) == VDISK_OK && vdisk_flush(disk) == VDISK_OK;
	}
	vdisk_get_info(disk, &info);
	printf("# empty %llu bytes, grown by %llu, written %llu\n", (unsigned long long)empty,
	       (unsigned long long)(devices[0].used - empty), (unsigned long long)info.backend_written);
	check("an empty disk of 200 GB takes at most 64 KiB", empty <= 65536);
	check("2,000 random writes with a flush each grow it by at most 12 MiB",
	      good && devices[0].used - empty <= 12u << 20);
	vdisk_abandon(disk);
	new_devices(1, DEVICE, false);
	config.cache_bytes = 0;
	disk = make(1u << 18); /* 1 GiB, half of it full: writes overwrite */
	static uint8_t many[64 * VDISK_BLOCK];
	for (unsigned i = 0; i < 8192 && good; i += 64)
		good = vdisk_write(disk, i * 31ull, 64, many) == VDISK_OK;
	vdisk_commit(disk);
	vdisk_get_info(disk, &info);
	uint64_t before = info.backend_written;
	for (unsigned i = 0; i < 4096 && good; i++) {
		good = vdisk_write(disk, draw(8192) / 64 * 64 * 31ull + draw(64), 1, block) == VDISK_OK &&
		       (i % 32 != 31 || vdisk_flush(disk) == VDISK_OK);
	}
	vdisk_commit(disk);
	vdisk_get_info(disk, &info);
	double amplification = (double)(info.backend_written - before) / (4096.0 * VDISK_BLOCK);
	printf("# write amplification with a flush every 32 random writes: %.2f\n", amplification);
	check("write amplification of the container alone is at most 1.6", good && amplification <= 1.6);
	vdisk_abandon(disk);
}

/* Who has all of today's secrets and what the device returns now cannot read what was discarded: no entry,
 * node or log block that today's keys open has the block's secret. The test takes every key that opening
 * yields and tries all places. */
static void test_irreversibility(void)
{
	new_devices(1, DEVICE, false);
	struct vdisk *disk = make(BLOCKS);
	uint8_t block[VDISK_BLOCK];
	struct entry entry;
	fill(block, 1234);
	vdisk_write(disk, 77, 1, block);
	vdisk_flush(disk);
	vdisk_commit(disk);
	tree_find(disk, &disk->map, 77, &entry);
	uint8_t secret[SECRET_SIZE];
	memcpy(secret, entry.secret, sizeof(secret));
	check("before, the map has the secret",
	      vdisk_read(disk, 77, 1, block) == VDISK_OK && is_filled(block, 1234));
	vdisk_discard(disk, 77, 1);
	vdisk_commit(disk);
	vdisk_abandon(disk);
	disk = reopen(NULL);
	struct super_sealed *slots =
	    (struct super_sealed *)(void *)(devices[0].bytes + SUPER_FIRST * VDISK_BLOCK);
	bool found = false;
	uint64_t opened = 0;
	for (uint64_t place = FIRST_FREE_BLOCK; disk && place < devices[0].used / VDISK_BLOCK; place++) {
		uint8_t plain[VDISK_BLOCK];
		const uint8_t *sealed = devices[0].bytes + place * VDISK_BLOCK;
		struct entry roots[] = {disk->map.root, disk->counts.root, disk->catalogue.root};
		for (unsigned i = 0; i < 3; i++) {
			enum block_kind kinds[] = {KIND_MAP_NODE, KIND_COUNTS_NODE, KIND_CATALOGUE_NODE};
			roots[i].place = place;
			if (!cipher_open(disk, &roots[i], kinds[i], 0, sealed, plain))
				continue;
			opened++;
			for (unsigned at = 0; at + SECRET_SIZE <= VDISK_BLOCK; at++)
				found = found || memcmp(plain + at, secret, SECRET_SIZE) == 0;
		}
		for (uint64_t sequence = 1; sequence < 4; sequence++)
			if (cipher_open_log(disk, sequence, sealed, plain))
				opened++;
	}
	check("after the commit no block that today's keys open has it", disk && opened >= 2 && !found);
	check("both superblocks are of today",
	      disk && memcmp(slots[0].nonce, slots[1].nonce, 24) != 0 && disk->generation > 0);
	vdisk_abandon(disk);
	memset(&slots[disk ? 0 : 1], 0, VDISK_BLOCK);
	disk = reopen(NULL);
	check("either superblock shows the state after the commit",
	      disk && vdisk_read(disk, 77, 1, block) == VDISK_OK && is_filled(block, 0));
	vdisk_abandon(disk);
}

/* ---- Streams ---- */

static uint8_t *stream_bytes;
static size_t stream_size, stream_at, stream_room;

static int stream_write(void *context, const void *bytes, size_t size)
{
	(void)context;
	if (stream_size + size > stream_room) {
		stream_room = (stream_size + size) * 2;
		stream_bytes = realloc(stream_bytes, stream_room);
	}
	memcpy(stream_bytes + stream_size, bytes, size);
	stream_size += size;
	return 0;
}

static int stream_read(void *context, void *bytes, size_t size)
{
	(void)context;
	if (size > stream_size - stream_at)
		return -1;
	memcpy(bytes, stream_bytes + stream_at, size);
	stream_at += size;
	return 0;
}

static void test_streams(void)
{
	const struct vdisk_stream stream = {.read = stream_read, .write = stream_write};
	struct memory_device other_device;
	struct vdisk_backend other_leg = memory_backend(&other_device, DEVICE, false);
	new_devices(1, DEVICE, false);
	struct vdisk *disk = make(BLOCKS);
	struct vdisk_config here = config;
	memset(model, 0, sizeof(model));
	for (unsigned i = 0; i < 300; i++)
		write_some(disk);
	vdisk_snapshot(disk, "one");
	stream_size = stream_at = 0;
	check("sending a snapshot", vdisk_send(disk, "one", NULL, &stream) == VDISK_OK);
	config.legs = &other_leg;
	struct vdisk *other = make(10);
	check("receiving it", vdisk_receive(other, &stream) == VDISK_OK && vdisk_blocks(other) == BLOCKS &&
	                          matches(other, model) && is_sound(other));
	for (unsigned i = 0; i < 20; i++)
		write_some(disk);
	discard_some(disk);
	vdisk_snapshot(disk, "two");
	size_t whole = stream_size;
	stream_size = stream_at = 0;
	check("the difference is smaller",
	      vdisk_send(disk, "two", "one", &stream) == VDISK_OK && stream_size < whole / 2);
	uint32_t expected[16] = {0};
	(void)expected;
	stream_bytes[stream_size / 2] ^= 1;
	memcpy(durable, model, sizeof(model));
	int status = vdisk_receive(other, &stream);
	check("a damaged stream changes nothing", status == VDISK_DAMAGED && is_sound(other));
	stream_bytes[stream_size / 2] ^= 1;
	stream_at = 0;
	size_t size = stream_size;
	stream_size = size / 2;
	check("nor does one that is cut off", vdisk_receive(other, &stream) == VDISK_IO && is_sound(other));
	stream_size = size;
	stream_at = 0;
	check("a good one does",
	      vdisk_receive(other, &stream) == VDISK_OK && matches(other, model) && is_sound(other));
	stream_at = 0;
	check("once", vdisk_receive(other, &stream) == VDISK_EXISTS);
	struct vdisk_volume volume;
	check("with its snapshots", vdisk_volume_find(other, "one", &volume) == VDISK_OK &&
	                                vdisk_volume_find(other, "two", &volume) == VDISK_OK);
	vdisk_abandon(other);
	vdisk_abandon(disk);
	config = here;
	free(other_device.bytes);
	free(stream_bytes);
}

/* ---- A leg that comes while the container is open ---- */

/* The steps of a scrub, with BETWEEN writes after each. False: a step failed, or there was no end. */
static bool scrub_in_steps(struct vdisk *disk, unsigned most, unsigned between, struct vdisk_report *report)
{
	int more = 1;
	bool good = vdisk_scrub_begin(disk) == VDISK_OK;
	for (unsigned step = 0; good && more > 0 && step < 100000; step++) {
		more = vdisk_scrub_step(disk, most, report);
		for (unsigned i = 0; good && more > 0 && i < between && step < 200; i++)
			good = write_some(disk) && (draw(4) || vdisk_flush(disk) == VDISK_OK) &&
			       (draw(16) || vdisk_commit(disk) == VDISK_OK);
	}
	return good && more == 0;
}

static void test_leg_add(void)
{
	static const uint8_t junk[VDISK_BLOCK] = {1};
	struct vdisk_report report = {0};
	struct vdisk_info info;
	struct vdisk *disk;
	int status;
	new_devices(3, DEVICE, false);
	config.leg_count = 1;
	memset(model, 0, sizeof(model));
	disk = make(BLOCKS);
	bool good = disk != NULL;
	for (unsigned i = 0; good && i < 100; i++)
		good = write_some(disk);
	legs[2].write(legs[2].context, 0, junk, sizeof(junk));
	check("a leg that holds something else is refused",
	      good && vdisk_leg_add(disk, &legs[2]) == VDISK_FORMAT);
	check("and one that is a leg already", vdisk_leg_add(disk, &legs[0]) == VDISK_BUSY);
	struct vdisk_backend small = legs[1];
	small.limit = 8 * VDISK_BLOCK;
	check("and one that is too small", vdisk_leg_add(disk, &small) == VDISK_NO_SPACE);
	check("an empty one comes", vdisk_leg_add(disk, &legs[1]) == VDISK_OK && write_some(disk) &&
	                                vdisk_scrub(disk, &report) == VDISK_OK && report.healed &&
	                                !report.damaged && matches(disk, model));
	vdisk_get_info(disk, &info);
	check("and is counted", info.legs == 2 && !info.legs_failed && is_sound(disk));
	for (unsigned i = 0; good && i < 20; i++)
		good = write_some(disk);
	good = good && vdisk_close(disk) == VDISK_OK;
	/* Each opens alone; what is written to one without the other tells. */
	struct vdisk_backend first = legs[0];
	legs[0] = legs[1];
	disk = reopen(&status);
	check("it has everything", good && disk && matches(disk, model) && is_sound(disk));
	legs[1] = first;
	check("the other comes back when it is behind",
	      write_some(disk) && vdisk_flush(disk) == VDISK_OK && vdisk_leg_add(disk, &legs[1]) == VDISK_OK);
	report = (struct vdisk_report){0};
	check("and is filled",
	      vdisk_scrub(disk, &report) == VDISK_OK && !report.damaged && vdisk_close(disk) == VDISK_OK);
	/* Closed together, both have everything; what is written to one alone is missed. */
	disk = reopen(&status);
	good = disk && vdisk_leg_add(disk, &legs[1]) == VDISK_OK;
	vdisk_get_info(disk, &info);
	check("one that was closed with it is not behind", good && !info.legs_behind && write_some(disk) &&
	                                                       is_sound(disk) &&
	                                                       vdisk_close(disk) == VDISK_OK);
	disk = reopen(&status);
	good = disk && write_some(disk) && vdisk_leg_add(disk, &legs[1]) == VDISK_OK;
	vdisk_get_info(disk, &info);
	report = (struct vdisk_report){0};
	check("one that missed something is",
	      good && info.legs_behind == 1 && scrub_in_steps(disk, 5, 1, &report) && !report.damaged);
	vdisk_get_info(disk, &info);
	check("until a scrub was through", !info.legs_behind && vdisk_close(disk) == VDISK_OK);
	disk = reopen(&status);
	good = disk && write_some(disk) && vdisk_close(disk) == VDISK_OK;
	first = legs[0];
	legs[0] = legs[1]; /* which has not seen that, and is written apart, more often */
	disk = reopen(&status);
	for (unsigned i = 0; i < 5; i++)
		good = good && disk && write_some(disk) && vdisk_commit(disk) == VDISK_OK;
	vdisk_close(disk);
	legs[1] = legs[0];
	legs[0] = first;
	disk = reopen(&status);
	check("one that was written without the others is refused",
	      good && disk && vdisk_leg_add(disk, &legs[1]) == VDISK_DIVERGED);
	vdisk_abandon(disk);
}

/* Damages every block of a leg but its header and superblocks. */
static void damage_leg(struct memory_device *device)
{
	for (uint64_t at = HEADER_BYTES + 2 * VDISK_BLOCK; at < device->used; at += VDISK_BLOCK)
		device->bytes[at + draw(VDISK_BLOCK)] ^= (uint8_t)(1 + draw(255));
}

static void test_scrub_steps(void)
{
	struct vdisk_report whole = {0};
	struct vdisk_report steps = {0};
	bool good = true;
	new_devices(2, DEVICE, false);
	struct vdisk *disk = make(BLOCKS);
	memset(model, 0, sizeof(model));
	for (unsigned i = 0; disk && i < 300; i++) {
		good = good && write_some(disk);
		if (i == 100 || i == 200)
			good = good && vdisk_snapshot(disk, i == 100 ? "one" : "two") == VDISK_OK;
	}
	good = good && vdisk_scrub(disk, &whole) == VDISK_OK && !whole.damaged;
	good = good && scrub_in_steps(disk, 7, 0, &steps) && !steps.damaged;
	check("a scrub in steps reads what a scrub reads",
	      good && steps.data_blocks == whole.data_blocks && steps.nodes == whole.nodes);
	for (unsigned round = 0; round < 20; round++) {
		unsigned leg = round & 1;
		good = good && vdisk_commit(disk) == VDISK_OK;
		damage_leg(&devices[leg]);
		steps = (struct vdisk_report){0};
		good = good && scrub_in_steps(disk, 1 + draw(200), draw(4), &steps) && !steps.damaged &&
		       steps.healed;
		/* What was not repaired shows now that the other leg has nothing. */
		good = good && vdisk_commit(disk) == VDISK_OK;
		damage_leg(&devices[!leg]);
		whole = (struct vdisk_report){0};
		good =
		    good && vdisk_scrub(disk, &whole) == VDISK_OK && !whole.damaged && matches(disk, model);
	}
	check("a leg is repaired in steps, whatever is written between them", good && is_sound(disk));
	good = vdisk_commit(disk) == VDISK_OK;
	damage_leg(&devices[0]);
	damage_leg(&devices[1]);
	steps = (struct vdisk_report){0};
	check("what no leg has is reported, and the scrub comes to its end",
	      good && vdisk_scrub_begin(disk) == VDISK_OK);
	int more = 1;
	for (unsigned i = 0; more > 0 && i < 100000; i++)
		more = vdisk_scrub_step(disk, 3, &steps);
	check("and says what is lost", more == 0 && steps.damaged);
	vdisk_abandon(disk);
}

static bool write_alone(struct vdisk_backend *leg, unsigned commits)
{
	config.legs = leg;
	config.leg_count = 1;
	struct vdisk *disk = reopen(NULL);
	bool good = disk != NULL;
	for (unsigned i = 0; good && i < commits; i++)
		good = write_some(disk) && vdisk_commit(disk) == VDISK_OK;
	good = vdisk_close(disk) == VDISK_OK && good;
	config.legs = legs;
	return good;
}

/* Legs of which each was written without the other are refused, whichever was written more often and in whatever order; one that was only away is
 * taken. */
static void test_apart(void)
{
	bool refused = true;
	bool taken = true;
	int status;
	for (unsigned round = 0; round < 40; round++) {
		unsigned first = 1 + draw(5);
		unsigned second = 1 + draw(5);
		new_devices(3, DEVICE, false);
		config.leg_count = 2 + (round & 1);
		struct vdisk *disk = make(BLOCKS);
		memset(model, 0, sizeof(model));
		bool good = disk && write_some(disk) && vdisk_close(disk) == VDISK_OK;
		good = good && write_alone(&legs[0], first);
		config.leg_count = 2;
		if (round % 4 < 2) { /* the second comes back first, and is filled */
			disk = reopen(&status);
			good = good && disk && write_some(disk) && vdisk_close(disk) == VDISK_OK;
			taken = taken && good;
			good = good && write_alone(&legs[0], 1 + draw(3));
		}
		good = good && write_alone(&legs[1], second);
		config.leg_count = 2;
		disk = reopen(&status);
		refused = refused && good && !disk && status == VDISK_DIVERGED;
		config.leg_count = 1;
		disk = reopen(&status);
		refused = refused && disk && vdisk_leg_add(disk, &legs[1]) == VDISK_DIVERGED;
		vdisk_abandon(disk);
	}
	check("legs that were written apart are refused, however often", refused);
	check("one that was away is not", taken);
}

static void test_derivation(void)
{
	bool same = true;
	for (unsigned i = 0; i < 1000; i++) {
		uint8_t key[VDISK_KEY_SIZE];
		uint8_t secret[SECRET_SIZE];
		uint8_t ours[VDISK_KEY_SIZE];
		uint8_t theirs[VDISK_KEY_SIZE];
		randombytes_buf(key, sizeof(key));
		randombytes_buf(secret, sizeof(secret));
		cipher_hchacha20(ours, secret, key);
		crypto_core_hchacha20(theirs, secret, key, NULL);
		same = same && memcmp(ours, theirs, sizeof(ours)) == 0;
	}
	check("a block's key is libsodium's HChaCha20", same);
}

static void test_delete_steps(void)
{
	struct vdisk_volume volume;
	struct vdisk_info before;
	struct vdisk_info after;
	new_devices(1, DEVICE, false);
	memset(model, 0, sizeof(model));
	struct vdisk *disk = make(BLOCKS);
	bool good = true;
	for (unsigned i = 0; i < 100; i++)
		good = good && write_some(disk);
	good = good && vdisk_snapshot(disk, "s") == VDISK_OK;
	for (unsigned i = 0; i < 100; i++)
		good = good && write_some(disk);
	good = good && vdisk_commit(disk) == VDISK_OK;
	vdisk_get_info(disk, &before);
	check("what is deleted is no volume at once",
	      good && vdisk_volume_delete_begin(disk, "s") == VDISK_OK &&
	          vdisk_volume_find(disk, "s", &volume) == VDISK_NOT_FOUND);
	unsigned count = 0;
	uint64_t most = 0;
	int status = 1;
	while (good && status > 0) {
		struct vdisk_info info;
		vdisk_get_info(disk, &info);
		status = vdisk_delete_step(disk, 32);
		vdisk_get_info(disk, &after);
		uint64_t written = after.backend_written - info.backend_written;
		most = most > written ? most : written;
		good = write_some(disk) && matches(disk, model);
		if (++count == 5) { /* a cut */
			good = good && vdisk_flush(disk) == VDISK_OK;
			vdisk_abandon(disk);
			disk = reopen(NULL);
			good = good && disk && matches(disk, model);
		}
	}
	check("it goes in steps, over a cut, while others write",
	      good && status == VDISK_OK && count > 10 && is_sound(disk));
	check("each of which is short", most < 64ull * VDISK_BLOCK);
	vdisk_get_info(disk, &after);
	check("and gives room back", after.used_blocks < before.used_blocks);
	vdisk_close(disk);
}

/* What a writer with the keys may leave: counts by which a block of the map is free. Then one block is two nodes of a map. */
static void test_node_below_itself(void)
{
	static const uint8_t block[VDISK_BLOCK];
	struct vdisk *disk = make(BLOCKS);
	struct node *root;
	bool good = disk != NULL;
	for (unsigned i = 0; i < 300 && good; i++)
		good = vdisk_write(disk, i * 2, 1, block) == VDISK_OK;
	good = good && vdisk_commit(disk) == VDISK_OK && disk->map.height > 1 &&
	       node_get(disk, &disk->map, &disk->map.root, disk->map.height - 1u, &root) == VDISK_OK &&
	       node_shadow(disk, &disk->map, &disk->map.root, &root) == VDISK_OK;
	if (good) {
		root->disk.entries[0].place = root->place;
		disk->changed = true;
	}
	check("a node below itself is damage", good && vdisk_commit(disk) == VDISK_DAMAGED);
	vdisk_abandon(disk);
}

/* A client that is a plain disk and never asks for a flush: what is committed for it is for want of memory or room, not of a log record's. */
static void test_never_flushed(void)
{
	enum { COUNT = 12000 };
	new_devices(1, 256u << 20, false);
	config.auto_commit = true;
	config.cache_bytes = 4u << 20;
	struct vdisk *disk = make(COUNT);
	struct vdisk_info info;
	uint8_t block[VDISK_BLOCK];
	uint64_t flushes = devices[0].flushes;
	bool good = disk != NULL;
	for (unsigned i = 0; i < COUNT && good; i++) {
		fill(block, i + 1);
		good = vdisk_write(disk, i, 1, block) == VDISK_OK;
	}
	check("48 MiB written in order ask nothing of the device but writes",
	      good && devices[0].flushes == flushes);
	for (unsigned i = 0; i < 4 * COUNT && good; i++) {
		fill(block, i + 2);
		good = vdisk_write(disk, i % COUNT, 1, block) == VDISK_OK;
	}
	vdisk_get_info(disk, &info);
	check("written again and again they take two thirds more at most",
	      good && info.container_blocks < COUNT * 5 / 3 + 4096);
	good = good && vdisk_flush(disk) == VDISK_OK;
	vdisk_abandon(disk);
	disk = reopen(NULL);
	for (unsigned i = 0; i < COUNT && good; i++)
		good =
		    disk && vdisk_read(disk, i, 1, block) == VDISK_OK && is_filled(block, 3 * COUNT + i + 2);
	check("and a flush makes them durable together", good && is_sound(disk));
	vdisk_abandon(disk);
}

int main(void)
{
	test_derivation();
	test_never_flushed();
	test_scrub_steps();
	test_apart();
	test_random(VDISK_CIPHER_AES_256_GCM, "AES-256-GCM");
	test_random(VDISK_CIPHER_XCHACHA20_POLY1305, "XChaCha20-Poly1305");
	test_volumes();
	test_delete_steps();
	test_node_below_itself();
	test_mirror();
	test_tampering();
	test_full();
	test_size();
	test_irreversibility();
	test_streams();
	test_leg_add();
	new_devices(0, 0, false);
	return failures != 0;
}
