/*
 * Fuzzes what vdisk reads. The first byte of the input chooses what is there:
 *
 *   containers   plain, with half of its blocks under new keys, or with large maps; on one device or two. Patches from the input are laid
 *                over the devices; then it is opened, and all that the library does is done to it, as the input says, while a device or
 *                memory may fail once. Tags are not checked, mostly (a seeded bug, of the tests alone), so that what a patched block
 *                says is believed as an authentic writer's would be. Where there were no patches and tags are checked, the check must
 *                find nothing at the end.
 *   streams      two valid ones, of which the second is a difference; patches over one, whose digest is made right again; received.
 */
#include "crypto/keyfile.h"
#include "fuzz_faults.h"
#include "fuzz_input.h"
#include "internal.h"

#define BLOCKS         1200u
#define DEVICE         (BLOCKS * VDISK_BLOCK)
#define LEGS           2u
#define OPERATIONS_MAX 40u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- Devices ---- */

struct device {
	uint8_t bytes[BLOCKS][VDISK_BLOCK];
	bool touched[BLOCKS]; /* written since devices_reset() */
};

static struct device devices[LEGS];
static unsigned read_fault, write_fault, flush_fault, random_fault; /* which call fails */

static int device_read(void *context, uint64_t offset, void *buffer, size_t bytes)
{
	struct device *device = context;
	if (fails(&read_fault))
		return -1;
	size_t have = offset < DEVICE ? (size_t)(DEVICE - offset) : 0;
	if (have > bytes)
		have = bytes;
	if (have)
		memcpy(buffer, (const uint8_t *)device->bytes + offset, have);
	memset((uint8_t *)buffer + have, 0, bytes - have);
	return 0;
}

static void touch(struct device *device, uint64_t offset, uint64_t bytes)
{
	if (bytes)
		memset(&device->touched[offset / VDISK_BLOCK], true,
		       (offset + bytes - 1) / VDISK_BLOCK - offset / VDISK_BLOCK + 1);
}

static int device_write(void *context, uint64_t offset, const void *buffer, size_t bytes)
{
	struct device *device = context;
	if (offset > DEVICE || bytes > DEVICE - offset || fails(&write_fault))
		return -1;
	memcpy((uint8_t *)device->bytes + offset, buffer, bytes);
	touch(device, offset, bytes);
	return 0;
}

static int device_flush(void *context)
{
	(void)context;
	return fails(&flush_fault) ? -1 : 0;
}

static int device_discard(void *context, uint64_t offset, uint64_t bytes)
{
	struct device *device = context;
	if (offset > DEVICE || bytes > DEVICE - offset)
		return -1;
	memset((uint8_t *)device->bytes + offset, 0, bytes);
	touch(device, offset, bytes);
	return 0;
}

static struct vdisk_backend legs[LEGS];

static void devices_reset(uint8_t (*base)[VDISK_BLOCK])
{
	static uint8_t(*last)[VDISK_BLOCK];
	for (unsigned leg = 0; leg < LEGS; leg++) {
		for (unsigned i = 0; i < BLOCKS; i++)
			if (devices[leg].touched[i] || base != last)
				memcpy(devices[leg].bytes[i], base[i], VDISK_BLOCK);
		memset(devices[leg].touched, 0, sizeof(devices[leg].touched));
	}
	last = base;
	read_fault = write_fault = flush_fault = random_fault = memory_fault = 0;
}

/* ---- Keys ---- */

/* All that opens a slot, but passphrases on patched devices: their cost would be the input's. */
static const uint8_t secret[64] = {1, 2, 3};
static char words[VDISK_RECOVERY_WORDS_SIZE];

static int seal(void *context, const uint8_t *plain, uint8_t sealed[VDISK_SEALED_MAX], size_t *bytes)
{
	(void)context;
	memcpy(sealed, plain, VDISK_KEY_SIZE);
	*bytes = VDISK_KEY_SIZE;
	return VDISK_OK;
}

static int unseal(void *context, const uint8_t *sealed, size_t bytes, uint8_t *plain)
{
	(void)context;
	if (bytes != VDISK_KEY_SIZE)
		return VDISK_KEY;
	memcpy(plain, sealed, VDISK_KEY_SIZE);
	return VDISK_OK;
}

static const struct vdisk_sealer sealer = {.seal = seal, .unseal = unseal};
static const struct vdisk_credentials none;
static struct vdisk_credentials everything = {.key_file = secret,
                                              .key_file_bytes = sizeof(secret),
                                              .machine = secret,
                                              .recovery_words = words,
                                              .sealer = &sealer};
static const struct vdisk_cost cheap = {.memory_kib = 8, .passes = 1};

/* Key files: one that anybody can read, one that the passphrase protects, and what is public of them. */
enum { KEY_CLEAR, KEY_LOCKED, KEY_HALF, KEY_FILES };
static uint8_t key_files[KEY_FILES][KEYFILE_MAX_SIZE];
static size_t key_file_sizes[KEY_FILES];

static void make_key_files(void)
{
	static const struct key_protection protection = {.cost = {8, 1, 1}, .salt = {1}, .nonce = {2}};
	struct key key = {.info = key_algorithm_find(KEY_HYBRID_KEM), .kind = KEY_SECRET};
	struct key half = {.info = key.info, .kind = KEY_PUBLIC};
	memset(key.bytes, 5, key.info->secret_size);
	if (key_public_from_secret(key.info, key.bytes, half.bytes) != CRYPTO_OK ||
	    keyfile_encode(&key, key_files[KEY_CLEAR], &key_file_sizes[KEY_CLEAR]) != CRYPTO_OK ||
	    keyfile_encode(&half, key_files[KEY_HALF], &key_file_sizes[KEY_HALF]) != CRYPTO_OK ||
	    keyfile_encode_protected(&key, &protection, "pass", 4, key_files[KEY_LOCKED],
	                             &key_file_sizes[KEY_LOCKED]) != CRYPTO_OK)
		abort();
}

/* The secret file, a key file, or bytes that are no file of either kind. */
static void choose_key_file(uint8_t choice)
{
	everything.key_file = choice < KEY_FILES ? key_files[choice] : secret;
	everything.key_file_bytes = choice < KEY_FILES    ? key_file_sizes[choice]
	                            : choice == KEY_FILES ? 8
	                                                  : sizeof(secret);
	if (choice == KEY_FILES + 1) /* cut off */
		everything.key_file = key_files[KEY_CLEAR], everything.key_file_bytes = 40;
}

static const enum vdisk_factor factors[][2] = {{VDISK_FACTOR_OPEN},
                                               {VDISK_FACTOR_RECOVERY},
                                               {VDISK_FACTOR_SECRET_FILE, VDISK_FACTOR_MACHINE},
                                               {VDISK_FACTOR_SEALED},
                                               {VDISK_FACTOR_PASSPHRASE},
                                               {VDISK_FACTOR_KEY_FILE},
                                               {VDISK_FACTOR_MACHINE, VDISK_FACTOR_SEALED},
                                               {VDISK_FACTOR_NONE, VDISK_FACTOR_OPEN}};

static int some_random(void *buffer, size_t bytes)
{
	static uint8_t next;
	if (fails(&random_fault))
		return -1;
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)buffer)[i] = next++;
	return 0;
}

static int find_mark(void *context, const uint8_t id[VDISK_ID_SIZE], const uint8_t key[VDISK_KEY_SIZE],
                     bool anchored, struct vdisk_mark *mark)
{
	(void)context, (void)id, (void)key, (void)anchored;
	*mark = (struct vdisk_mark){0};
	return VDISK_OK;
}

static const struct vdisk_keeper keeper = {.find = find_mark};

static struct vdisk_config configure(unsigned leg_count, bool read_only)
{
	return (struct vdisk_config){.legs = legs,
	                             .leg_count = leg_count,
	                             .random = some_random,
	                             .cache_bytes = VDISK_CACHE_MIN,
	                             .read_only = read_only,
	                             .auto_commit = true};
}

/* ---- What is valid ---- */

#define STREAM_MAX (60u * VDISK_BLOCK)

struct bytes {
	uint8_t data[STREAM_MAX];
	size_t size;
	unsigned fault;
};
static struct bytes whole, difference;

static int write_bytes(void *context, const void *data, size_t size)
{
	struct bytes *to = context;
	if (size > STREAM_MAX - to->size || fails(&to->fault))
		return -1;
	memcpy(to->data + to->size, data, size);
	to->size += size;
	return 0;
}

enum { PLAIN, REKEYED, LARGE, BASES };
static uint8_t bases[BASES][BLOCKS][VDISK_BLOCK];
static uint8_t contents[64 * VDISK_BLOCK];

static void must(int status)
{
	if (status < 0)
		abort();
}

static struct vdisk *create(unsigned leg_count, uint64_t blocks, enum vdisk_cipher cipher)
{
	struct vdisk_config config = configure(leg_count, false);
	struct vdisk_create create = {.blocks = blocks, .cipher = cipher, .factors = {VDISK_FACTOR_OPEN}};
	struct vdisk *disk;
	must(vdisk_create(&disk, &config, &create, &none));
	return disk;
}

static void make_bases(void)
{
	make_key_files();
	const struct vdisk_stream streams[2] = {{.context = &whole, .write = write_bytes},
	                                        {.context = &difference, .write = write_bytes}};
	for (unsigned leg = 0; leg < LEGS; leg++)
		legs[leg] = (struct vdisk_backend){.context = &devices[leg],
		                                   .read = device_read,
		                                   .write = device_write,
		                                   .flush = device_flush,
		                                   .discard = device_discard,
		                                   .limit = DEVICE};
	struct vdisk *disk = create(LEGS, 2000, VDISK_CIPHER_AUTO);
	must(vdisk_write(disk, 3, 8, contents));
	must(vdisk_snapshot(disk, "s"));
	must(vdisk_write(disk, 500, 4, contents));
	must(vdisk_discard(disk, 5, 3));
	must(vdisk_send(disk, "s", NULL, &streams[0]));
	must(vdisk_snapshot(disk, "t"));
	must(vdisk_send(disk, "t", "s", &streams[1]));
	must(vdisk_volume_delete(disk, "t"));
	must(vdisk_slot_add(disk, factors[1], &none, NULL, "words", words));
	must(vdisk_slot_add(disk, factors[2], &everything, NULL, "both", NULL));
	must(vdisk_slot_add(disk, factors[3], &everything, NULL, "sealed", NULL));
	choose_key_file(KEY_HALF);
	must(vdisk_slot_add(disk, factors[5], &everything, NULL, "owner", NULL));
	choose_key_file(UINT8_MAX);
	must(vdisk_write(disk, 600, 1, contents));
	must(vdisk_discard(disk, 501, 1));
	must(vdisk_flush(disk));
	memcpy(bases[PLAIN], devices[0].bytes, DEVICE);
	must(vdisk_snapshot(disk, "t"));
	must(vdisk_volume_delete_begin(disk, "t"));
	must(vdisk_rekey_begin(disk, factors[0], &none, NULL, "", NULL));
	for (unsigned i = 0; i < 3; i++)
		must(vdisk_rekey_step(disk, 2));
	must(vdisk_write(disk, 4, 1, contents));
	must(vdisk_flush(disk));
	vdisk_abandon(disk);
	memcpy(bases[REKEYED], devices[0].bytes, DEVICE);
	memset(devices, 0, sizeof(devices));
	disk = create(LEGS, 100000, VDISK_CIPHER_XCHACHA20_POLY1305);
	for (unsigned i = 0; i < 300; i++)
		must(vdisk_write(disk, (i * 7919ull) % 100000, 1, contents));
	must(vdisk_write(disk, 20000, 64, contents));
	must(vdisk_snapshot(disk, "s"));
	for (unsigned i = 0; i < 60; i++)
		must(vdisk_write(disk, (i * 7919ull) % 100000, 1, contents));
	must(vdisk_close(disk));
	memcpy(bases[LARGE], devices[0].bytes, DEVICE);
	memset(devices[0].touched, true, sizeof(devices[0].touched));
	memset(devices[1].touched, true, sizeof(devices[1].touched));
}

/* ---- Choices of the input ---- */

static uint8_t take_byte(void)
{
	uint8_t byte;
	take(&byte, 1);
	return byte;
}

static uint64_t take_number(void)
{
	static const uint64_t special[] = {0,
	                                   1,
	                                   3,
	                                   5,
	                                   499,
	                                   500,
	                                   501,
	                                   600,
	                                   1999,
	                                   2000,
	                                   7919,
	                                   15838,
	                                   20000,
	                                   20030,
	                                   99999,
	                                   100000,
	                                   VDISK_BLOCKS_MAX,
	                                   UINT64_MAX};
	uint8_t kind = take_byte();
	uint64_t number = 0;
	if (kind < 160)
		return special[kind % (sizeof(special) / sizeof(*special))];
	take(&number, kind < 240 ? 2 : 8);
	return number;
}

static const char *take_name(void)
{
	static const char *const names[] = {"s", "t", "u", "main", "", "a/b", "s", "c"};
	return names[take_byte() % 8u];
}

static void set_fault(void)
{
	unsigned *const counters[] = {&read_fault, &write_fault, &flush_fault, &random_fault, &memory_fault};
	*counters[take_byte() % 5u] = 1u + take_byte() % 64u;
}

static void clear_faults(void)
{
	read_fault = write_fault = flush_fault = random_fault = memory_fault = 0;
}

/* ---- A container ---- */

static struct vdisk *disk;
static bool altered; /* what its writer wrote makes no sense */

static void finding(void *context, const char *text)
{
	(void)context;
	if (!*text)
		abort();
}

static void progress(void *context, uint64_t done, uint64_t total)
{
	(void)context, (void)done, (void)total;
}

/* What takes as long as the container is large: a patched one may say that it is larger than any device. */
static bool is_small(void)
{
	struct vdisk_info info;
	vdisk_get_info(disk, &info);
	return info.container_blocks < 100000;
}

static void open_disk(bool read_only)
{
	struct vdisk_config config = configure(1 + take_byte() % LEGS, read_only);
	uint8_t how = take_byte();
	choose_key_file(how >> 4 & 7);
	if (how % 16u == 1)
		config.volume = take_name();
	if (how % 16u == 2)
		config.anchor = take_number();
	if (how % 16u == 3)
		config.keeper = &keeper;
	config.auto_commit = how % 16u != 4;
	if (vdisk_open(&disk, &config, how & 128 ? &none : &everything) < 0)
		disk = NULL;
}

static void look(void)
{
	struct vdisk_slot_info slots[8];
	struct vdisk_volume volume = {.number = 0};
	uint64_t next, done, total;
	unsigned count;
	uint8_t key[VDISK_KEY_SIZE];
	while (vdisk_volume_next(disk, volume.number, &volume) == VDISK_OK)
		;
	(void)(vdisk_volume_find(disk, take_name(), &volume) < 0);
	(void)(vdisk_next_mapped(disk, take_number(), &next) < 0);
	(void)(vdisk_slot_list(disk, slots, take_byte() % 9u, &count) < 0);
	vdisk_rekey_progress(disk, &done, &total);
	vdisk_anchor_key(disk, key);
	(void)vdisk_mark(disk);
	(void)vdisk_anchor(disk);
	(void)vdisk_is_anchored(disk);
	(void)vdisk_is_read_only(disk);
	(void)vdisk_blocks(disk);
	if (!*vdisk_status_text(-(int)take_byte()))
		abort();
}

static void send_one(void)
{
	static struct bytes sent;
	const struct vdisk_stream stream = {.context = &sent, .write = write_bytes, .progress = progress};
	const char *name = take_name();
	uint8_t fault = take_byte();
	sent.size = 0;
	sent.fault = fault < 200 ? 0 : fault % 8u;
	(void)(vdisk_send(disk, name, take_byte() & 1 ? take_name() : NULL, &stream) < 0);
}

static void keys(uint8_t kind)
{
	static char drawn[VDISK_RECOVERY_WORDS_SIZE];
	const enum vdisk_factor *chosen = factors[take_byte() % 8u];
	const struct vdisk_credentials *credentials = take_byte() % 8u ? &everything : &none;
	enum vdisk_factor made[2];
	choose_key_file(take_byte() % (KEY_FILES + 4u));
	switch (kind % 4u) {
	case 0:
		(void)(vdisk_slot_add(disk, chosen, credentials, &cheap, "new", drawn) < 0);
		break;
	case 1:
		(void)(vdisk_slot_remove(disk, take_byte() % 8u) < 0);
		break;
	case 2:
		(void)(vdisk_rekey_begin(disk, chosen, credentials, &cheap, "new", words) < 0);
		break;
	case 3:
		(void)(vdisk_credentials_factors(credentials, take_byte() & 1, made) < 0);
		(void)(vdisk_set_anchored(disk, take_byte() & 1) < 0);
		break;
	}
}

static void check(bool data, bool repair)
{
	struct vdisk_report report = {.finding = finding, .progress = progress};
	if (is_small())
		(void)(vdisk_check(disk, data, repair, &report) < 0);
}

static void scrub(void)
{
	struct vdisk_report report = {.finding = finding, .progress = progress};
	if (!is_small())
		return;
	if (take_byte() & 1) {
		(void)(vdisk_scrub(disk, &report) < 0);
		return;
	}
	if (vdisk_scrub_begin(disk) == VDISK_OK)
		for (unsigned i = take_byte() % 30u; i && vdisk_scrub_step(disk, 50, &report) > 0; i--)
			if (i % 4u == 1)
				(void)(vdisk_write(disk, take_number(), 1, contents) < 0);
	if (take_byte() & 1)
		vdisk_scrub_end(disk);
}

/* A writer who has the keys writes what makes no sense: counts, places, keys, records. */
static void alter(void)
{
	struct entry entry = {.key = take_number(), .place = take_number() % 1500u};
	struct entry old;
	struct volume_disk record;
	struct node *node;
	altered = true;
	if (begin_change(disk) < 0)
		return;
	disk->changed = true;
	switch (take_byte() % 6u) {
	case 0:
		(void)(space_set(disk, FIRST_FREE_BLOCK + entry.place % 200u, take_byte() % 4u) < 0);
		break;
	case 1:
		(void)(tree_set(disk, &disk->map, &entry, &old) < 0);
		break;
	case 2:
		entry.key %= 8;
		(void)(tree_set(disk, &disk->catalogue, &entry, &old) < 0);
		break;
	case 3:
		if (volume_next(disk, 0, &record) < 0)
			break;
		record.number = 5;
		take((uint8_t *)&record + take_byte() % (sizeof(record) - 8), take_byte() % 9u);
		(void)(volume_put(disk, &record) < 0);
		break;
	case 4:
		if (!disk->map.height ||
		    node_get(disk, &disk->map, &disk->map.root, disk->map.height - 1u, &node) < 0 ||
		    node_shadow(disk, &disk->map, &disk->map.root, &node) < 0 || !node->disk.count)
			break;
		node->disk.entries[take_byte() % node->disk.count].key = entry.key;
		break;
	case 5:
		if (!disk->map.height ||
		    node_get(disk, &disk->map, &disk->map.root, disk->map.height - 1u, &node) < 0 ||
		    node_shadow(disk, &disk->map, &disk->map.root, &node) < 0 || !node->disk.count)
			break;
		node->disk.entries[take_byte() % node->disk.count].place = entry.place;
		break;
	}
	(void)(vdisk_commit(disk) < 0);
}

static void operate(bool read_only)
{
	static uint8_t data[64 * VDISK_BLOCK];
	uint8_t kind = take_byte() % 26u;
	uint64_t block;
	switch (kind) {
	case 0:
		block = take_number();
		(void)(vdisk_read(disk, block, 1 + take_byte() % 64u, data) < 0);
		break;
	case 1:
	case 2:
	case 3:
		block = take_number();
		(void)(vdisk_write(disk, block, 1 + take_byte() % 64u, contents) < 0);
		break;
	case 4:
	case 5:
		block = take_number();
		(void)(vdisk_discard(disk, block, take_number()) < 0);
		break;
	case 6:
		(void)(vdisk_flush(disk) < 0);
		break;
	case 7:
		(void)(vdisk_commit(disk) < 0);
		break;
	case 8:
		look();
		break;
	case 9:
		(void)(vdisk_snapshot(disk, take_name()) < 0);
		break;
	case 10: {
		const char *from = take_name();
		(void)(vdisk_clone(disk, from, take_name()) < 0);
		break;
	}
	case 11:
		(void)(vdisk_rollback(disk, take_name()) < 0);
		break;
	case 12:
		(void)(vdisk_volume_delete(disk, take_name()) < 0);
		break;
	case 13:
		(void)(vdisk_volume_delete_begin(disk, take_name()) < 0);
		(void)(vdisk_delete_step(disk, take_byte()) < 0);
		break;
	case 14:
		send_one();
		break;
	case 15:
	case 16:
		keys(take_byte());
		break;
	case 17:
	case 18:
		for (unsigned i = take_byte() % 16u; is_small() && i && vdisk_rekey_step(disk, 30) > 0; i--)
			;
		break;
	case 19:
		check(take_byte() & 1, take_byte() & 1);
		break;
	case 20:
		scrub();
		break;
	case 21:
		(void)(vdisk_resize(disk, take_number()) < 0);
		break;
	case 22:
		(void)vdisk_leg_is_alike(disk, &legs[1]);
		(void)(vdisk_leg_add(disk, &legs[1]) < 0);
		break;
	case 24:
		alter();
		break;
	case 25:
		if (take_byte() % 8u == 0)
			vdisk_give_up(disk, VDISK_IO);
		break;
	case 23: {
		uint8_t how = take_byte();
		if (how & 1)
			(void)(vdisk_close(disk) < 0);
		else
			vdisk_abandon(disk);
		if (how & 2)
			set_fault();
		open_disk(read_only);
		break;
	}
	}
}

/* Patches over a device: device, block (2 bytes), offset (2 bytes), length, bytes. Or whole blocks of the other base's. */
static void patch_devices(uint8_t count)
{
	for (; count && left; count--) {
		uint8_t head[6];
		take(head, sizeof(head));
		struct device *device = &devices[head[0] % LEGS];
		unsigned block = (head[1] | head[2] << 8) % (head[0] & 64 ? BLOCKS : 60u);
		unsigned at = (head[3] | head[4] << 8) % VDISK_BLOCK;
		unsigned length = head[5] % 32u;
		if (head[0] & 128)
			memcpy(device->bytes[block], bases[REKEYED][block], VDISK_BLOCK);
		else
			take(&device->bytes[block][at],
			     length < VDISK_BLOCK - at ? length : VDISK_BLOCK - at);
		device->touched[block] = true;
	}
}

/* Once more, with nothing that fails. */
static void judge(void)
{
	struct vdisk_config config = configure(LEGS, false);
	struct vdisk_report report = {.finding = finding};
	choose_key_file(UINT8_MAX);
	if (vdisk_open(&disk, &config, &everything) < 0)
		return;
	int status = vdisk_check(disk, true, false, &report);
	if (status < 0 || report.damaged || report.leaked || report.missing)
		abort();
	vdisk_abandon(disk);
	disk = NULL;
}

static void container(uint8_t choice)
{
	struct vdisk_slot_info slots[8];
	unsigned count;
	uint8_t id[VDISK_ID_SIZE];
	uint8_t how = take_byte();
	bool read_only = how % 8u == 0;
	bool believed = how % 8u > 3;
	altered = false;
	uint8_t patches = how >> 4 & 7;
	devices_reset(bases[choice % BASES]);
	patch_devices(patches);
	everything.passphrase = patches ? NULL : "pass";
	everything.passphrase_bytes = patches ? 0 : 4;
	if (how & 128)
		set_fault();
	vdisk_seeded_bug = believed ? BUG_TAG_NOT_CHECKED : BUG_NONE;
	(void)(vdisk_probe(&legs[0], slots, 8, &count, id) < 0);
	open_disk(read_only);
	for (unsigned i = 0; i < OPERATIONS_MAX && left && disk; i++)
		operate(read_only);
	clear_faults();
	if (disk && is_small() && !read_only)
		check(true, true);
	if (disk)
		vdisk_abandon(disk);
	disk = NULL;
	vdisk_seeded_bug = BUG_NONE;
	if (!patches && !believed && !altered)
		judge();
}

/* ---- Streams ---- */

struct incoming {
	const uint8_t *data;
	size_t size;
	struct blake3 hash;
	bool wrong;
};

/* Behind the input there are zeroes, which end a stream; and its digest is right, unless it is to be WRONG. */
static int read_incoming(void *context, void *buffer, size_t bytes)
{
	struct incoming *from = context;
	if (fails(&read_fault))
		return -1;
	if (bytes == BLAKE3_SIZE) {
		struct blake3 hash = from->hash;
		blake3_final(&hash, buffer, BLAKE3_SIZE);
		*(uint8_t *)buffer ^= from->wrong;
		return 0;
	}
	size_t part = bytes < from->size ? bytes : from->size;
	memset(buffer, 0, bytes);
	memcpy(buffer, from->data, part);
	from->data += part;
	from->size -= part;
	blake3_update(&from->hash, buffer, bytes);
	return 0;
}

static void receive(void)
{
	static struct bytes changed;
	static uint8_t empty[BLOCKS][VDISK_BLOCK];
	uint8_t how = take_byte();
	devices_reset(empty);
	disk = create(1, 2000, VDISK_CIPHER_AUTO);
	bool cut = how & 16;
	for (unsigned i = 0; i < 2; i++) {
		changed = i ? difference : whole;
		if (i == (how & 1u))
			for (unsigned count = take_byte() % 4u; count && left; count--) {
				uint16_t at;
				take(&at, sizeof(at));
				size_t place = at % 3u ? at % 200u : at % changed.size;
				take(changed.data + place,
				     take_byte() % 9u < changed.size - place ? take_byte() % 8u : 1);
			}
		struct incoming from = {.data = changed.data,
		                        .size = changed.size - BLAKE3_SIZE,
		                        .wrong = (how & 8) && i == (how & 1u)};
		const struct vdisk_stream stream = {
		    .context = &from, .read = read_incoming, .progress = progress};
		blake3_init(&from.hash);
		if (how & 2)
			set_fault();
		int status = vdisk_receive(disk, &stream);
		clear_faults();
		if (cut && status < 0) { /* power is cut, and it is undone by the next open */
			vdisk_abandon(disk);
			struct vdisk_config config = configure(1, how & 32);
			if (vdisk_open(&disk, &config, &everything) < 0)
				abort();
		}
		struct vdisk_report report = {0};
		status = vdisk_check(disk, true, false, &report);
		if ((!(how & 2) && status < 0) || report.damaged ||
		    (!(how & 2) && (report.leaked || report.missing)))
			abort(); /* what came by a stream is sound, whatever it said */
	}
	vdisk_abandon(disk);
	disk = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	if (!made)
		make_bases();
	made = true;
	input = data;
	left = size;
	uint8_t choice = take_byte() % 8u;
	if (choice < 6)
		container(choice);
	else
		receive();
	return 0;
}
