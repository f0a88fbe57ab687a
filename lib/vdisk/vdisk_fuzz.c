/*
 * Fuzzes what vdisk reads. The first byte of the input chooses:
 *
 *   0, 1   a valid container, 1: with half of its blocks under new keys; the rest of the input are patches that are laid over it. It is
 *          opened, read, checked, repaired, written, scrubbed; steps of new keys and of deletions are made. Tags are not checked (a seeded
 *          bug, of the tests alone), so that what a patched block says is believed as an authentic writer's would be.
 *   2, 3   a valid stream, 3: two, of which the second is a difference; patches over the last; received. The digest is right.
 */
#include "internal.h"
#include "memory_backend.h"

#define DEVICE (160u * VDISK_BLOCK)

static struct memory_device device;
static struct vdisk_backend leg;
static uint8_t bases[2][DEVICE];

/* ---- What is valid ---- */

#define STREAM_MAX (40u * VDISK_BLOCK)

struct bytes {
	uint8_t data[STREAM_MAX];
	size_t size;
};
static struct bytes whole, difference;

static int write_bytes(void *context, const void *data, size_t size)
{
	struct bytes *to = context;
	if (size > STREAM_MAX - to->size)
		return -1;
	memcpy(to->data + to->size, data, size);
	to->size += size;
	return 0;
}

/* All that opens a slot, but passphrases: their cost would be the input's. */
static const uint8_t secret[64] = {1, 2, 3};
static char words[VDISK_RECOVERY_WORDS_SIZE];
static const struct vdisk_credentials everything = {
    .key_file = secret, .key_file_bytes = sizeof(secret), .machine = secret, .recovery_words = words};

static int fixed_random(void *buffer, size_t bytes)
{
	static uint8_t next;
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)buffer)[i] = next++;
	return 0;
}

static struct vdisk_config configure(bool read_only)
{
	return (struct vdisk_config){.legs = &leg,
	                             .leg_count = 1,
	                             .random = fixed_random,
	                             .cache_bytes = VDISK_CACHE_MIN,
	                             .read_only = read_only,
	                             .auto_commit = true};
}

static void make_base(void)
{
	static const enum vdisk_factor factors[][2] = {{VDISK_FACTOR_RECOVERY},
	                                               {VDISK_FACTOR_SECRET_FILE, VDISK_FACTOR_MACHINE}};
	static const struct vdisk_credentials none;
	static uint8_t data[8 * VDISK_BLOCK];
	const struct vdisk_stream streams[2] = {{.context = &whole, .write = write_bytes},
	                                        {.context = &difference, .write = write_bytes}};
	struct vdisk_config config = configure(false);
	struct vdisk_create create = {.blocks = 1000, .factors = {VDISK_FACTOR_OPEN}};
	struct vdisk *disk;
	leg = memory_backend(&device, DEVICE, false);
	if (vdisk_create(&disk, &config, &create, &none) < 0 || vdisk_write(disk, 3, 8, data) < 0 ||
	    vdisk_snapshot(disk, "s") < 0 || vdisk_write(disk, 500, 4, data) < 0 ||
	    vdisk_discard(disk, 5, 3) < 0 || vdisk_send(disk, "s", NULL, &streams[0]) < 0 ||
	    vdisk_snapshot(disk, "t") < 0 || vdisk_send(disk, "t", "s", &streams[1]) < 0 ||
	    vdisk_volume_delete(disk, "t") < 0 ||
	    vdisk_slot_add(disk, factors[0], &none, NULL, "words", words) < 0 ||
	    vdisk_slot_add(disk, factors[1], &everything, NULL, "both", NULL) < 0 ||
	    vdisk_write(disk, 600, 1, data) < 0 || vdisk_discard(disk, 501, 1) < 0 || vdisk_flush(disk) < 0)
		abort();
	memcpy(bases[0], device.bytes, DEVICE);
	if (vdisk_snapshot(disk, "t") < 0 || vdisk_volume_delete_begin(disk, "t") < 0 ||
	    vdisk_rekey_begin(disk, create.factors, &none, NULL, "", NULL) < 0 ||
	    vdisk_rekey_step(disk, 2) < 0 || vdisk_rekey_step(disk, 2) < 0 || vdisk_rekey_step(disk, 2) < 0 ||
	    vdisk_write(disk, 4, 1, data) < 0 || vdisk_flush(disk) < 0)
		abort();
	vdisk_abandon(disk);
	memcpy(bases[1], device.bytes, DEVICE);
}

static void finding(void *context, const char *text)
{
	(void)context;
	if (!*text)
		abort();
}

static void work(bool read_only)
{
	static uint8_t data[16 * VDISK_BLOCK];
	struct vdisk_config config = configure(read_only);
	struct vdisk_report report = {.finding = finding};
	struct vdisk_volume volume;
	struct vdisk *disk;
	uint64_t next;
	if (vdisk_open(&disk, &config, &everything) < 0)
		return;
	for (volume.number = 0; vdisk_volume_next(disk, volume.number, &volume) == VDISK_OK;)
		;
	if (vdisk_blocks(disk) >= 16)
		(void)(vdisk_read(disk, 0, 16, data) < 0);
	(void)(vdisk_next_mapped(disk, 0, &next) < 0);
	struct vdisk_info info;
	vdisk_get_info(disk, &info);
	if (info.container_blocks < 100000)
		(void)(vdisk_check(disk, true, !read_only, &report) < 0);
	if (!read_only) {
		(void)(vdisk_discard(disk, 1, 5) < 0);
		(void)(vdisk_write(disk, 10, 2, data) < 0);
		(void)(vdisk_flush(disk) < 0);
	}
	unsigned steps = 0;
	if (!read_only && info.container_blocks < 100000 && vdisk_scrub_begin(disk) == VDISK_OK)
		while (vdisk_scrub_step(disk, 50, &report) > 0 && steps++ < 50)
			;
	if (!read_only && info.container_blocks < 100000) {
		for (steps = 0; steps < 20 && vdisk_rekey_step(disk, 30) > 0; steps++)
			;
		(void)(vdisk_scrub(disk, &report) < 0);
		(void)(vdisk_rollback(disk, "s") < 0);
		(void)(vdisk_volume_delete(disk, "s") < 0);
		(void)(vdisk_resize(disk, 300) < 0);
		(void)(vdisk_commit(disk) < 0);
	}
	vdisk_abandon(disk);
}

/* ---- Streams ---- */

struct input {
	const uint8_t *data;
	size_t size;
	struct blake3 hash;
};

/* Behind the input there are zeroes, which end a stream; and its digest is right. */
static int read_input(void *context, void *buffer, size_t bytes)
{
	struct input *input = context;
	if (bytes == BLAKE3_SIZE) {
		struct blake3 hash = input->hash;
		blake3_final(&hash, buffer, BLAKE3_SIZE);
		return 0;
	}
	size_t part = bytes < input->size ? bytes : input->size;
	memset(buffer, 0, bytes);
	memcpy(buffer, input->data, part);
	input->data += part;
	input->size -= part;
	blake3_update(&input->hash, buffer, bytes);
	return 0;
}

/* Patches over TO: block, offset (2 bytes), length, bytes. */
static void patch(uint8_t *to, size_t bytes, const uint8_t *data, size_t size)
{
	while (size > 4) {
		size_t length = data[3];
		size_t at = data[0] % (bytes / VDISK_BLOCK) * (size_t)VDISK_BLOCK +
		            (data[1] | data[2] << 8) % VDISK_BLOCK;
		if (length > size - 4)
			length = size - 4;
		if (length > bytes - at)
			length = bytes - at;
		memcpy(to + at, data + 4, length);
		data += 4 + length;
		size -= 4 + length;
	}
}

static void receive(const uint8_t *data, size_t size, bool second)
{
	static struct bytes changed;
	static const struct vdisk_credentials none;
	struct vdisk_config config = configure(false);
	struct vdisk_create create = {.blocks = 1000, .factors = {VDISK_FACTOR_OPEN}};
	struct vdisk *disk;
	memset(device.bytes, 0, DEVICE);
	if (vdisk_create(&disk, &config, &create, &none) < 0)
		abort();
	for (unsigned i = !second; i < 2; i++) {
		changed = second && i ? difference : whole;
		if (i)
			patch(changed.data, STREAM_MAX, data, size);
		struct input input = {.data = changed.data, .size = changed.size - BLAKE3_SIZE};
		const struct vdisk_stream stream = {.context = &input, .read = read_input};
		blake3_init(&input.hash);
		if (vdisk_receive(disk, &stream) < 0)
			continue;
		struct vdisk_report report = {0};
		if (vdisk_check(disk, true, false, &report) < 0 || report.damaged || report.leaked ||
		    report.missing)
			abort(); /* what came by a stream is sound, whatever it said */
	}
	vdisk_abandon(disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	if (!made)
		make_base();
	made = true;
	if (!size)
		return 0;
	uint8_t choice = *data++ % 4;
	size--;
	if (choice >= 2) {
		receive(data, size, choice == 3);
		return 0;
	}
	memcpy(device.bytes, bases[choice], DEVICE);
	device.used = DEVICE;
	patch(device.bytes, DEVICE, data, size);
	struct vdisk_slot_info slots[8];
	unsigned count;
	uint8_t id[VDISK_ID_SIZE];
	(void)(vdisk_probe(&leg, slots, 8, &count, id) < 0);
	vdisk_seeded_bug = BUG_TAG_NOT_CHECKED;
	work(true);
	work(false);
	vdisk_seeded_bug = BUG_NONE;
	work(true);
	return 0;
}
