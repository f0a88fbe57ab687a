/* Unit tests of what opens a container: slots and their factors, anchors and who keeps them, new keys. */
#include "test_disk.h"

static void test_slots(void)
{
	static const uint8_t secret[64] = {1, 2, 3};
	static const uint8_t machine[VDISK_KEY_SIZE] = {9};
	struct vdisk_credentials passphrase = {.passphrase = "correct horse", .passphrase_bytes = 13};
	struct vdisk_credentials wrong = {.passphrase = "correct house", .passphrase_bytes = 13};
	struct vdisk_credentials file = {.key_file = secret, .key_file_bytes = sizeof(secret)};
	struct vdisk_credentials both = passphrase;
	struct vdisk_credentials words = {0};
	struct vdisk_cost cheap = {.memory_kib = 64, .passes = 1};
	struct vdisk_create create = {
	    .blocks = BLOCKS, .factors = {VDISK_FACTOR_PASSPHRASE}, .cost = cheap, .label = "mine"};
	char recovery[VDISK_RECOVERY_WORDS_SIZE];
	struct vdisk *disk;
	new_devices(1, DEVICE, false);
	check("a container under a passphrase",
	      vdisk_create(&disk, &config, &create, &passphrase) == VDISK_OK);
	enum vdisk_factor file_factor[2] = {VDISK_FACTOR_SECRET_FILE};
	enum vdisk_factor words_factor[2] = {VDISK_FACTOR_RECOVERY};
	enum vdisk_factor two[2] = {VDISK_FACTOR_PASSPHRASE, VDISK_FACTOR_MACHINE};
	both.machine = machine;
	uint64_t written = devices[0].written;
	check("further slots",
	      vdisk_slot_add(disk, file_factor, &file, NULL, "file", NULL) == VDISK_OK &&
	          vdisk_slot_add(disk, words_factor, &words, NULL, "words", recovery) == VDISK_OK &&
	          vdisk_slot_add(disk, two, &both, &cheap, "both", NULL) == VDISK_OK);
	check("no data is rewritten for them", devices[0].written - written <= 3 * 2 * HEADER_BYTES);
	check("removing the first",
	      vdisk_slot_remove(disk, 1) == VDISK_OK && vdisk_slot_remove(disk, 1) == VDISK_NOT_FOUND);
	vdisk_close(disk);
	check("its passphrase opens no more", vdisk_open(&disk, &config, &passphrase) == VDISK_KEY);
	check("a wrong one neither", vdisk_open(&disk, &config, &wrong) == VDISK_KEY);
	check("the file does",
	      vdisk_open(&disk, &config, &file) == VDISK_OK && vdisk_close(disk) == VDISK_OK);
	words.recovery_words = recovery;
	check("the words do",
	      vdisk_open(&disk, &config, &words) == VDISK_OK && vdisk_close(disk) == VDISK_OK);
	recovery[2] = recovery[2] == 'b' ? 'd' : 'b';
	check("a misspelt word does not", vdisk_open(&disk, &config, &words) == VDISK_KEY);
	check("passphrase and machine together do",
	      vdisk_open(&disk, &config, &both) == VDISK_OK && vdisk_close(disk) == VDISK_OK);
	struct vdisk_slot_info slots[8];
	unsigned count;
	uint8_t id[VDISK_ID_SIZE];
	check("slots are listed without a key",
	      vdisk_probe(&legs[0], slots, 8, &count, id) == VDISK_OK && count == 3 &&
	          slots[2].factors[1] == VDISK_FACTOR_MACHINE && strcmp(slots[0].label, "file") == 0);
	devices[0].bytes[200] ^= 1;
	check("one damaged header copy does no harm",
	      vdisk_open(&disk, &config, &file) == VDISK_OK && vdisk_close(disk) == VDISK_OK);
	devices[0].bytes[HEADER_BYTES + 200] ^= 1;
	check("two do", vdisk_open(&disk, &config, &file) == VDISK_DAMAGED);
}

static void test_freshness(void)
{
	int status;
	new_devices(1, DEVICE, false);
	struct vdisk *disk = make(BLOCKS);
	uint8_t *copy = malloc(DEVICE);
	write_some(disk);
	vdisk_commit(disk);
	memcpy(copy, devices[0].bytes, DEVICE);
	write_some(disk);
	vdisk_flush(disk);
	config.anchor = vdisk_anchor(disk);
	vdisk_abandon(disk);
	disk = reopen(&status);
	check("the state that the anchor names opens", disk != NULL);
	vdisk_abandon(disk);
	memcpy(devices[0].bytes, copy, DEVICE);
	check("an old copy of the disk is refused", !reopen(&status) && status == VDISK_STALE);
	config.anchor = 0;
	disk = reopen(&status);
	check("without an anchor it opens", disk != NULL);
	vdisk_abandon(disk);
	free(copy);
}

/* ---- A keeper of marks, and a TPM of sorts: what it sealed it unseals in the state of then ---- */

static struct {
	struct vdisk_mark mark;
	uint8_t key[VDISK_KEY_SIZE]; /* the mark is kept under */
	uint8_t state;
	bool was_anchored;
} machine_of_sorts;

static int find_mark(void *context, const uint8_t id[VDISK_ID_SIZE], const uint8_t key[VDISK_KEY_SIZE],
                     bool anchored, struct vdisk_mark *mark)
{
	(void)context, (void)id;
	machine_of_sorts.was_anchored = anchored;
	if (memcmp(machine_of_sorts.key, key, VDISK_KEY_SIZE) != 0)
		return anchored ? VDISK_STALE : VDISK_OK;
	*mark = machine_of_sorts.mark;
	return VDISK_OK;
}

static void keep_mark(struct vdisk *disk)
{
	machine_of_sorts.mark = vdisk_mark(disk);
	vdisk_anchor_key(disk, machine_of_sorts.key);
}

static void test_keeper(void)
{
	static const struct vdisk_keeper keeper = {.find = find_mark};
	enum vdisk_factor open_factor[2] = {VDISK_FACTOR_OPEN};
	struct vdisk_credentials none = {0};
	uint8_t header[2 * HEADER_BYTES];
	uint8_t *copy = malloc(DEVICE);
	int status;
	new_devices(1, DEVICE, false);
	struct vdisk *disk = make(BLOCKS);
	memset(&machine_of_sorts, 0, sizeof(machine_of_sorts));
	config.keeper = &keeper;
	vdisk_close(disk);
	disk = reopen(&status);
	check("what no keeper knows opens as long as it is not anchored",
	      disk && !machine_of_sorts.was_anchored);
	keep_mark(disk);
	check("it is anchored", vdisk_set_anchored(disk, true) == VDISK_OK && vdisk_is_anchored(disk));
	write_some(disk);
	vdisk_close(disk);
	memcpy(copy, devices[0].bytes, DEVICE);
	disk = reopen(&status);
	check("what is newer than is kept opens", disk && machine_of_sorts.was_anchored);
	write_some(disk);
	vdisk_commit(disk);
	keep_mark(disk);
	vdisk_close(disk);
	disk = reopen(&status);
	check("what is as it was kept, too", disk != NULL);
	memcpy(header, devices[0].bytes, sizeof(header));
	check("a slot comes and goes", vdisk_slot_add(disk, open_factor, &none, NULL, "", NULL) == VDISK_OK &&
	                                   vdisk_slot_remove(disk, 2) == VDISK_OK);
	keep_mark(disk);
	vdisk_close(disk);
	memcpy(devices[0].bytes, header, sizeof(header));
	check("an old header is refused", !reopen(&status) && status == VDISK_STALE);
	memcpy(devices[0].bytes, copy, DEVICE);
	check("an old state, too", !reopen(&status) && status == VDISK_STALE);
	machine_of_sorts.key[0] ^= 1;
	check("and what the keeper does not know", !reopen(&status) && status == VDISK_STALE);
	config.keeper = NULL;
	disk = reopen(&status);
	check("who does not ask it opens any", disk && vdisk_set_anchored(disk, false) == VDISK_OK);
	vdisk_close(disk);
	config.keeper = &keeper;
	disk = reopen(&status);
	check("what is anchored no more opens, too", disk && !machine_of_sorts.was_anchored);
	vdisk_close(disk);
	config.keeper = NULL;
	free(copy);
}

static int seal(void *context, const uint8_t *secret, uint8_t sealed[VDISK_SEALED_MAX], size_t *bytes)
{
	(void)context;
	if (machine_of_sorts.state == 99)
		return VDISK_KEY;
	sealed[0] = machine_of_sorts.state;
	memcpy(sealed + 1, secret, VDISK_KEY_SIZE);
	*bytes = 1 + VDISK_KEY_SIZE;
	return VDISK_OK;
}

static int unseal(void *context, const uint8_t *sealed, size_t bytes, uint8_t *secret)
{
	(void)context;
	if (bytes != 1 + VDISK_KEY_SIZE || sealed[0] != machine_of_sorts.state)
		return VDISK_KEY;
	memcpy(secret, sealed + 1, VDISK_KEY_SIZE);
	return VDISK_OK;
}

static void test_sealed(void)
{
	static const struct vdisk_sealer sealer = {.seal = seal, .unseal = unseal};
	static const uint8_t secret[64] = {4, 5, 6};
	struct vdisk_credentials machine = {.sealer = &sealer};
	struct vdisk_credentials file = {.key_file = secret, .key_file_bytes = sizeof(secret)};
	struct vdisk_credentials both = {
	    .sealer = &sealer, .key_file = secret, .key_file_bytes = sizeof(secret)};
	struct vdisk_credentials three = both;
	struct vdisk_create create = {.blocks = BLOCKS};
	enum vdisk_factor factors[2];
	struct vdisk *disk;
	three.passphrase = "three";
	three.passphrase_bytes = 5;
	new_devices(1, DEVICE, false);
	check("two credentials are two factors",
	      vdisk_credentials_factors(&both, false, create.factors) == VDISK_OK &&
	          create.factors[0] == VDISK_FACTOR_SECRET_FILE && create.factors[1] == VDISK_FACTOR_SEALED);
	check("three are too many", vdisk_credentials_factors(&three, false, factors) == VDISK_LIMIT &&
	                                vdisk_credentials_factors(&both, true, factors) == VDISK_LIMIT);
	machine_of_sorts.state = 1;
	check("a container for a file and the machine",
	      vdisk_create(&disk, &config, &create, &both) == VDISK_OK && vdisk_close(disk) == VDISK_OK);
	check("neither opens it alone", vdisk_open(&disk, &config, &file) == VDISK_KEY &&
	                                    vdisk_open(&disk, &config, &machine) == VDISK_KEY);
	check("both do", vdisk_open(&disk, &config, &both) == VDISK_OK);
	check("a slot for the machine alone",
	      vdisk_credentials_factors(&machine, false, factors) == VDISK_OK &&
	          vdisk_slot_add(disk, factors, &machine, NULL, "", NULL) == VDISK_OK);
	machine_of_sorts.state = 99;
	uint64_t written = devices[0].written;
	check("what cannot be sealed makes no slot",
	      vdisk_slot_add(disk, factors, &machine, NULL, "", NULL) == VDISK_KEY &&
	          devices[0].written == written);
	vdisk_close(disk);
	machine_of_sorts.state = 1;
	check("it opens", vdisk_open(&disk, &config, &machine) == VDISK_OK && vdisk_close(disk) == VDISK_OK);
	machine_of_sorts.state = 2;
	check("in another state it does not", vdisk_open(&disk, &config, &machine) == VDISK_KEY &&
	                                          vdisk_open(&disk, &config, &both) == VDISK_KEY);
}

static int count_and_run(void *context, int (*work)(void *argument), void *argument)
{
	++*(unsigned *)context;
	return work(argument);
}

static void test_helper(void)
{
	unsigned runs = 0;
	const struct vdisk_helper helper = {.context = &runs, .run = count_and_run};
	struct vdisk_credentials right = {.passphrase = "right", .passphrase_bytes = 5, .helper = &helper};
	struct vdisk_credentials wrong = {.passphrase = "wrong", .passphrase_bytes = 5, .helper = &helper};
	struct vdisk_create create = {
	    .blocks = BLOCKS, .factors = {VDISK_FACTOR_PASSPHRASE}, .cost = {.memory_kib = 64, .passes = 1}};
	struct vdisk *disk;
	new_devices(1, DEVICE, false);
	check("a passphrase is computed by the helper",
	      vdisk_create(&disk, &config, &create, &right) == VDISK_OK && runs == 1 &&
	          vdisk_close(disk) == VDISK_OK && vdisk_open(&disk, &config, &right) == VDISK_OK &&
	          runs == 2);
	vdisk_abandon(disk);
	check("which makes a wrong one no better",
	      vdisk_open(&disk, &config, &wrong) == VDISK_KEY && runs == 3);
	right.helper = NULL;
	check("and is not needed", vdisk_open(&disk, &config, &right) == VDISK_OK);
	vdisk_abandon(disk);
}

/* ---- New keys ---- */

static bool steps(struct vdisk *disk, unsigned most, unsigned blocks)
{
	int status = 1;
	for (unsigned i = 0; i < most && status > 0; i++)
		status = vdisk_rekey_step(disk, blocks);
	return status >= 0;
}

/* Whether a superblock of the device opens under a master key. */
static bool super_opens(const uint8_t master[VDISK_KEY_SIZE], const struct vdisk *disk)
{
	uint8_t key[VDISK_KEY_SIZE];
	blake3_derive_key(key, sizeof(key), "Holon vdisk superblock", 22, master, VDISK_KEY_SIZE);
	bool opens = false;
	for (unsigned slot = 0; slot < 2; slot++) {
		struct super_sealed sealed;
		uint8_t plain[sizeof(sealed.body)];
		struct {
			uint8_t id[VDISK_ID_SIZE];
			uint64_t kind;
		} data = {.kind = KIND_SUPER};
		memcpy(data.id, disk->id, sizeof(data.id));
		memcpy(&sealed, devices[0].bytes + (SUPER_FIRST + slot) * VDISK_BLOCK, sizeof(sealed));
		opens = opens || crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
		                     plain, NULL, sealed.body, sizeof(plain), sealed.tag,
		                     (const uint8_t *)&data, sizeof(data), sealed.nonce, key) == 0;
	}
	return opens;
}

static void test_rekey(void)
{
	static const uint8_t secrets[2][64] = {{1, 2, 3}, {4, 5, 6}};
	struct vdisk_credentials old = {.key_file = secrets[0], .key_file_bytes = 64};
	struct vdisk_credentials new = {.key_file = secrets[1], .key_file_bytes = 64};
	static const enum vdisk_factor factors[2] = {VDISK_FACTOR_SECRET_FILE};
	struct vdisk_create create = {.blocks = BLOCKS, .factors = {VDISK_FACTOR_SECRET_FILE}};
	uint8_t master[VDISK_KEY_SIZE];
	uint8_t volume_key[VDISK_KEY_SIZE];
	struct vdisk *disk;
	new_devices(1, DEVICE, false);
	memset(model, 0, sizeof(model));
	bool good = vdisk_create(&disk, &config, &create, &old) == VDISK_OK;
	for (unsigned i = 0; good && i < 200; i++)
		good = write_some(disk) && (draw(10) || vdisk_flush(disk) == VDISK_OK);
	memcpy(master, disk->master, sizeof(master));
	memcpy(volume_key, disk->volume_keys[disk->key_number], sizeof(volume_key));
	check("rekeying is refused without what the new slot needs, changing nothing",
	      good && vdisk_rekey_begin(disk, factors, &(struct vdisk_credentials){0}, NULL, "", NULL) < 0 &&
	          !vdisk_is_rekeying(disk) && memcmp(master, disk->master, sizeof(master)) == 0 &&
	          vdisk_close(disk) == VDISK_OK && vdisk_open(&disk, &config, &old) == VDISK_OK);
	check("it begins", vdisk_rekey_begin(disk, factors, &new, NULL, "new", NULL) == VDISK_OK &&
	                       vdisk_is_rekeying(disk) && matches(disk, model) && is_sound(disk));
	vdisk_abandon(disk);
	check("from then on the new key alone opens", vdisk_open(&disk, &config, &old) == VDISK_KEY &&
	                                                  vdisk_open(&disk, &config, &new) == VDISK_OK &&
	                                                  vdisk_is_rekeying(disk) && matches(disk, model));
	check("with slots refused meanwhile, and another beginning",
	      vdisk_slot_add(disk, factors, &old, NULL, "", NULL) == VDISK_BUSY &&
	          vdisk_rekey_begin(disk, factors, &old, NULL, "", NULL) == VDISK_BUSY);
	/* Steps, writes and crashes in turn. */
	for (unsigned i = 0; good && vdisk_is_rekeying(disk) && i < 2000; i++) {
		good = steps(disk, draw(3), 1 + draw(20)) && write_some(disk);
		if (good && draw(5) == 0)
			good = discard_some(disk);
		if (good && draw(3) == 0) {
			good = vdisk_flush(disk) == VDISK_OK;
			vdisk_abandon(disk);
			disk = NULL;
			good = good && vdisk_open(&disk, &config, &new) == VDISK_OK && matches(disk, model);
		}
	}
	check("it comes to its end over crashes and writes",
	      good && !vdisk_is_rekeying(disk) && matches(disk, model) && is_sound(disk));
	check("with other keys", memcmp(master, disk->master, sizeof(master)) != 0 &&
	                             memcmp(volume_key, disk->volume_keys[0], sizeof(volume_key)) != 0 &&
	                             memcmp(disk->volume_keys[0], disk->volume_keys[1], VDISK_KEY_SIZE) == 0);
	check("the old master key opens no superblock, and the new one does",
	      vdisk_commit(disk) == VDISK_OK && !super_opens(master, disk) &&
	          super_opens(disk->master, disk));
	/* What is left must not need the old key at all. */
	vdisk_close(disk);
	check("a second time, in one go",
	      vdisk_open(&disk, &config, &new) == VDISK_OK &&
	          vdisk_rekey_begin(disk, factors, &old, NULL, "", NULL) == VDISK_OK &&
	          steps(disk, 100, 4096) && !vdisk_is_rekeying(disk) && matches(disk, model) &&
	          is_sound(disk) && vdisk_close(disk) == VDISK_OK &&
	          vdisk_open(&disk, &config, &new) == VDISK_KEY &&
	          vdisk_open(&disk, &config, &old) == VDISK_OK && matches(disk, model) &&
	          vdisk_snapshot(disk, "s") == VDISK_OK);
	vdisk_abandon(disk);
}

/* ---- New keys, with snapshots and clones ---- */

/* Volumes of which the one is written: "main", a clone of it, snapshots. */
static const char *const names[] = {"main", "clone", "a", "b"};
#define VOLUMES 4u
static uint32_t models[VOLUMES][BLOCKS];
static bool exists[VOLUMES];
static unsigned active; /* whose model is in MODEL */
static const uint8_t many_secrets[2][64] = {{7, 8, 9}, {10, 11, 12}};

static struct vdisk *open_volume(unsigned volume, unsigned key)
{
	struct vdisk_credentials credentials = {.key_file = many_secrets[key], .key_file_bytes = 64};
	struct vdisk *disk;
	config.volume = names[volume];
	return vdisk_open(&disk, &config, &credentials) == VDISK_OK ? disk : NULL;
}

static bool all_match(unsigned key)
{
	bool good = true;
	memcpy(models[active], model, sizeof(model));
	for (unsigned i = 0; i < VOLUMES && good; i++) {
		if (!exists[i])
			continue;
		struct vdisk *disk = open_volume(i, key);
		good = disk && matches(disk, models[i]);
		vdisk_abandon(disk);
	}
	return good;
}

/* A snapshot that is there is deleted or gone back to; one that is not is taken. */
static bool snapshot_something(struct vdisk *disk, unsigned volume)
{
	int status;
	if (!exists[volume]) {
		memcpy(models[volume], model, sizeof(model));
		status = vdisk_snapshot(disk, names[volume]);
		exists[volume] = status == VDISK_OK;
	} else if (draw(2)) {
		status = vdisk_rollback(disk, names[volume]);
		memcpy(model, models[volume], sizeof(model));
	} else {
		status = vdisk_volume_delete(disk, names[volume]);
		exists[volume] = false;
	}
	return status == VDISK_OK;
}

static struct vdisk *make_many(uint64_t device, bool limited, unsigned writes)
{
	struct vdisk_credentials old = {.key_file = many_secrets[0], .key_file_bytes = 64};
	struct vdisk_create create = {.blocks = BLOCKS, .factors = {VDISK_FACTOR_SECRET_FILE}};
	struct vdisk *disk;
	new_devices(1, device, limited);
	memset(model, 0, sizeof(model));
	memset(exists, 0, sizeof(exists));
	active = 0;
	config.volume = NULL;
	bool good = vdisk_create(&disk, &config, &create, &old) == VDISK_OK;
	for (unsigned i = 0; good && i < writes; i++) {
		good = write_some(disk);
		if (good && (i == writes / 2 || i == writes / 4 * 3))
			good = snapshot_something(disk, i == writes / 2 ? 2 : 3);
	}
	memcpy(models[1], models[2], sizeof(model));
	exists[0] = exists[1] = true;
	good = good && vdisk_clone(disk, "a", "clone") == VDISK_OK && vdisk_close(disk) == VDISK_OK;
	return good ? open_volume(0, 0) : NULL;
}

static bool begin_many(struct vdisk *disk)
{
	static const enum vdisk_factor factors[2] = {VDISK_FACTOR_SECRET_FILE};
	struct vdisk_credentials new = {.key_file = many_secrets[1], .key_file_bytes = 64};
	return vdisk_rekey_begin(disk, factors, &new, NULL, "new", NULL) == VDISK_OK;
}

static bool renew_to_the_end(struct vdisk *disk, unsigned most)
{
	int status;
	while ((status = vdisk_rekey_step(disk, most)) > 0)
		;
	return status == VDISK_OK && !vdisk_is_rekeying(disk);
}

static void test_rekey_sharing(void)
{
	struct vdisk_info before = {0};
	struct vdisk_info after = {0};
	uint8_t volume_key[VDISK_KEY_SIZE] = {0};
	struct vdisk *disk = make_many(DEVICE, false, 150);
	bool good = disk && begin_many(disk);
	if (good) {
		memcpy(volume_key, disk->volume_keys[!disk->key_number], sizeof(volume_key));
		vdisk_get_info(disk, &before);
	}
	good = good && renew_to_the_end(disk, 40);
	check("new keys with two snapshots and a clone", good && is_sound(disk));
	if (good)
		vdisk_get_info(disk, &after);
	/* Each of four volumes has the nodes above the leaves for itself. */
	check("what they share stays shared",
	      good && after.used_blocks >= before.used_blocks && after.used_blocks < before.used_blocks + 12);
	check("with no old key left",
	      good && memcmp(disk->volume_keys[0], disk->volume_keys[1], VDISK_KEY_SIZE) == 0 &&
	          memcmp(disk->volume_keys[0], volume_key, VDISK_KEY_SIZE) != 0);
	check("and everything in each of them",
	      good && vdisk_close(disk) == VDISK_OK && all_match(1) && !open_volume(0, 0));
}

/* Steps, work and cuts in turn, in whichever volume. */
static void test_rekey_work(void)
{
	struct vdisk *disk = make_many(DEVICE, false, 100);
	bool good = disk && begin_many(disk);
	unsigned i;
	for (i = 0; good && vdisk_is_rekeying(disk) && i < 3000; i++) {
		good = steps(disk, draw(3), 1 + draw(draw(10) ? 20 : 400)) && write_some(disk);
		if (good && draw(5) == 0)
			good = discard_some(disk);
		if (good && draw(20) == 0)
			good = snapshot_something(disk, 2 + draw(2));
		if (good && draw(6) == 0) {
			good = vdisk_flush(disk) == VDISK_OK;
			vdisk_abandon(disk);
			memcpy(models[active], model, sizeof(model));
			active = draw(2);
			memcpy(model, models[active], sizeof(model));
			disk = open_volume(active, 1);
			good = good && disk && matches(disk, model);
		}
	}
	check("new keys while volumes are written, made and deleted, over crashes",
	      good && !vdisk_is_rekeying(disk) && is_sound(disk) && vdisk_close(disk) == VDISK_OK &&
	          all_match(1));
}

static void test_rekey_full(void)
{
	struct vdisk_info info = {0};
	random_state = 1;
	struct vdisk *disk = make_many(DEVICE, false, 150);
	if (disk)
		vdisk_get_info(disk, &info);
	vdisk_abandon(disk);
	random_state = 1;
	disk = make_many((info.used_blocks + info.used_blocks / 2) * VDISK_BLOCK, true, 150);
	/* Room for a window of each volume, not for all twice. */
	check("new keys on a device that is nearly full",
	      disk && begin_many(disk) && renew_to_the_end(disk, 4096) && is_sound(disk) &&
	          vdisk_close(disk) == VDISK_OK && all_match(1));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF,
	        0); /* a check that fails may leak, and end the program before its output */
	test_slots();
	test_freshness();
	test_keeper();
	test_sealed();
	test_helper();
	test_rekey();
	test_rekey_sharing();
	test_rekey_work();
	test_rekey_full();
	new_devices(0, 0, false);
	return failures != 0;
}
