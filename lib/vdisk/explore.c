/*
 * The crash explorer: runs a random workload on vdisk over a device that logs every write and flush, then
 * builds the states that a power cut may leave, opens each, and judges what it shows.
 *
 * States: at every point of the log, of the writes since the last flush: all up to there; all but one; a
 * random subset; with one write torn at sector boundaries. What was flushed is always there. From some states
 * recovery itself is logged and cut the same way.
 *
 * Oracle: let A be the newest flush or commit that had returned by then, and S the newest that had begun. The
 * volume must open, and be block for block as it was at one of A..S; after a further write and flush it must
 * show that too; and its counts must be right. After a second cut it must be as the first opening showed it,
 * or have the further write as well.
 *
 *   vdisk-explore [--states N] [--seed N] [--bug N] [--controls] [--oracle CMD]
 *
 * --controls turns on every seeded bug in turn and demands that it is caught. --oracle runs "CMD IMAGE
 * EXPECTED" for each state instead: IMAGE opens without a key; EXPECTED has a line "N BLAKE3" for each state
 * of the raw volume that is right. Status 0 means right.
 */
#include <stdio.h>
#include <unistd.h>
#include <fcntl.h>
#include "file_backend.h"
#include "internal.h"

#define BLOCKS       24u
#define DEVICE_BYTES (230u * VDISK_BLOCK)
#define SECTOR       512u
#define EPOCHS       60u
#define COMMITS_MAX  512u
#define NO_SNAPSHOT  COMMITS_MAX
#define OPS_MAX      20000u

enum op_kind { OP_WRITE, OP_FLUSH, OP_BEGIN, OP_END };

struct op {
	enum op_kind kind;
	uint64_t offset;
	size_t bytes;
	uint8_t *data;
	unsigned commit; /* of OP_BEGIN and OP_END */
};

struct log {
	struct op ops[OPS_MAX];
	size_t count;
};

struct logged_device {
	uint8_t *bytes;
	struct log *log; /* or NULL */
};

static struct log work_log, recovery_log;
static uint8_t image[DEVICE_BYTES], state[DEVICE_BYTES], second[DEVICE_BYTES];
static uint32_t model[COMMITS_MAX][BLOCKS]; /* contents at each commit; 0: zeroes */
static unsigned kept[COMMITS_MAX]; /* whose contents the snapshot "s" has then; NO_SNAPSHOT: there is none */
static uint64_t random_state;
static uint64_t states, violations;
static const char *oracle_command;
static char why[200];

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((random_state >> 33) % below);
}

/* ---- The logging device ---- */

static struct op *log_op(struct log *log, enum op_kind kind)
{
	if (log->count == OPS_MAX) {
		fprintf(stderr, "vdisk-explore: the log is full\n");
		exit(2);
	}
	struct op *op = &log->ops[log->count++];
	*op = (struct op){.kind = kind};
	return op;
}

static void log_clear(struct log *log)
{
	for (size_t i = 0; i < log->count; i++)
		free(log->ops[i].data);
	log->count = 0;
}

static int device_read(void *context, uint64_t offset, void *buffer, size_t bytes)
{
	const struct logged_device *device = context;
	memset(buffer, 0, bytes);
	if (offset < DEVICE_BYTES)
		memcpy(buffer, device->bytes + offset,
		       bytes < DEVICE_BYTES - offset ? bytes : DEVICE_BYTES - offset);
	return 0;
}

static int device_write(void *context, uint64_t offset, const void *buffer, size_t bytes)
{
	struct logged_device *device = context;
	if (offset > DEVICE_BYTES || bytes > DEVICE_BYTES - offset)
		return -1;
	if (device->log) {
		struct op *op = log_op(device->log, OP_WRITE);
		op->offset = offset;
		op->bytes = bytes;
		op->data = malloc(bytes);
		memcpy(op->data, buffer, bytes);
	}
	memcpy(device->bytes + offset, buffer, bytes);
	return 0;
}

static int device_flush(void *context)
{
	struct logged_device *device = context;
	if (device->log)
		log_op(device->log, OP_FLUSH);
	return 0;
}

static struct vdisk *open_device(struct logged_device *device, bool create, int *status)
{
	static struct vdisk_backend leg;
	static const struct vdisk_credentials none;
	struct vdisk_create wanted = {.blocks = BLOCKS, .factors = {VDISK_FACTOR_OPEN}};
	struct vdisk_config config = {
	    .legs = &leg, .leg_count = 1, .random = host_random, .cache_bytes = VDISK_CACHE_MIN};
	struct vdisk *disk = NULL;
	leg = (struct vdisk_backend){.context = device,
	                             .read = device_read,
	                             .write = device_write,
	                             .flush = device_flush,
	                             .limit = DEVICE_BYTES};
	*status = create ? vdisk_create(&disk, &config, &wanted, &none) : vdisk_open(&disk, &config, &none);
	return disk;
}

/* ---- The workload ---- */

static void fill(uint8_t *block, uint32_t seed)
{
	uint32_t *words = (uint32_t *)(void *)block;
	for (unsigned i = 0; i < VDISK_BLOCK / 4; i++)
		words[i] = seed ? seed + i * 2654435761u : 0;
}

struct workload {
	struct logged_device device;
	struct vdisk *disk;
	unsigned commit; /* the newest */
	uint32_t now[BLOCKS];
};

/* A commit of what is there now begins. */
static void begin_commit(struct workload *work)
{
	memcpy(model[work->commit + 1], work->now, sizeof(work->now));
	kept[work->commit + 1] = kept[work->commit];
	log_op(&work_log, OP_BEGIN)->commit = ++work->commit;
}

static bool sync_work(struct workload *work, bool full)
{
	begin_commit(work);
	if ((full ? vdisk_commit(work->disk) : vdisk_flush(work->disk)) < 0)
		return false;
	log_op(&work_log, OP_END)->commit = work->commit;
	return true;
}

static bool write_work(struct workload *work)
{
	uint8_t data[3 * VDISK_BLOCK];
	uint32_t count = 1 + draw(3);
	uint32_t block = draw(BLOCKS - count);
	uint32_t seeds[3];
	for (uint32_t i = 0; i < count; i++) {
		seeds[i] = 1 + draw(1u << 30);
		fill(data + (size_t)i * VDISK_BLOCK, seeds[i]);
	}
	int status = vdisk_write(work->disk, block, count, data);
	if (status == VDISK_NO_SPACE) /* what is freed can be used after a commit */
		return sync_work(work, true);
	memcpy(&work->now[block], seeds, count * sizeof(seeds[0]));
	return status == VDISK_OK;
}

static bool discard_work(struct workload *work)
{
	uint32_t count = 1 + draw(8);
	uint32_t block = draw(BLOCKS - count);
	int status = vdisk_discard(work->disk, block, count);
	if (status == VDISK_NO_SPACE)
		return sync_work(work, true);
	memset(&work->now[block], 0, count * sizeof(work->now[0]));
	return status == VDISK_OK;
}

/* Takes the snapshot, or goes back to it, or deletes it; each commits. */
static bool snapshot_work(struct workload *work)
{
	if (!sync_work(work, true))
		return false;
	unsigned before = kept[work->commit];
	bool exists = before != NO_SNAPSHOT;
	bool back = exists && !draw(3);
	uint32_t now[BLOCKS];
	memcpy(now, work->now, sizeof(now));
	if (back)
		memcpy(work->now, model[before], sizeof(work->now));
	begin_commit(work);
	kept[work->commit] = back ? before : exists ? NO_SNAPSHOT : work->commit;
	int status = back     ? vdisk_rollback(work->disk, "s")
	             : exists ? vdisk_volume_delete(work->disk, "s")
	                      : vdisk_snapshot(work->disk, "s");
	if (status == VDISK_NO_SPACE) { /* nothing has changed: another commit with what was */
		memcpy(work->now, now, sizeof(now));
		begin_commit(work);
		kept[work->commit] = before;
		return true;
	}
	log_op(&work_log, OP_END)->commit = work->commit;
	return status == VDISK_OK;
}

/* A step commits what is there by itself; a few of them, with writes between, give everything new keys. */
static bool rekey_work(struct workload *work)
{
	static const struct vdisk_credentials none;
	static const enum vdisk_factor factors[2] = {VDISK_FACTOR_OPEN};
	begin_commit(work);
	int status = vdisk_is_rekeying(work->disk)
	                 ? vdisk_rekey_step(work->disk, 1 + draw(draw(3) ? 10 : 2 * BLOCKS))
	                 : vdisk_rekey_begin(work->disk, factors, &none, NULL, "", NULL);
	if (status == VDISK_NO_SPACE || status == VDISK_BUSY)
		return true;
	log_op(&work_log, OP_END)->commit = work->commit;
	return status >= 0;
}

static bool reopen_work(struct workload *work)
{
	int status;
	if (!sync_work(work, false))
		return false;
	vdisk_abandon(work->disk); /* so that the log is found at the next opening */
	work->disk = open_device(&work->device, false, &status);
	return work->disk != NULL;
}

/* False: the workload itself failed, which only a seeded bug may bring about. */
static bool run_workload(uint64_t seed)
{
	struct workload work = {.device = {.bytes = image}};
	int status;
	random_state = seed * 2 + 1;
	log_clear(&work_log);
	memset(image, 0, sizeof(image));
	memset(model[0], 0, sizeof(model[0]));
	kept[0] = NO_SNAPSHOT;
	work.disk = open_device(&work.device, true, &status);
	memcpy(state, image, sizeof(state)); /* exploring begins with the empty container */
	work.device.log = &work_log;
	bool good = work.disk != NULL;
	for (unsigned epoch = 0; good && epoch < EPOCHS; epoch++) {
		for (uint32_t i = draw(6) + 1; good && i > 0; i--)
			good = draw(5) ? write_work(&work) : discard_work(&work);
		uint32_t what = draw(24);
		if (good)
			good = what < 3    ? snapshot_work(&work)
			       : what == 3 ? reopen_work(&work)
			       : what < 15 ? rekey_work(&work)
			                   : sync_work(&work, what < 17);
	}
	vdisk_abandon(work.disk);
	return good;
}

/* ---- Judging a state ---- */

static bool shows(struct vdisk *disk, unsigned commit, int changed_block, uint32_t changed_seed)
{
	static uint8_t data[BLOCKS * VDISK_BLOCK];
	uint8_t expected[VDISK_BLOCK];
	if (vdisk_read(disk, 0, BLOCKS, data) < 0)
		return false;
	for (unsigned block = 0; block < BLOCKS; block++) {
		fill(expected, (int)block == changed_block ? changed_seed : model[commit][block]);
		if (memcmp(data + (size_t)block * VDISK_BLOCK, expected, VDISK_BLOCK) != 0)
			return false;
	}
	return true;
}

/* Whether the snapshot is as it was at COMMIT. */
static bool shows_snapshot(struct vdisk *disk, unsigned commit)
{
	struct volume_disk record;
	struct tree map;
	uint8_t data[VDISK_BLOCK];
	uint8_t expected[VDISK_BLOCK];
	int status = volume_find(disk, "s", &record);
	if (status < 0 || kept[commit] == NO_SNAPSHOT)
		return status == VDISK_NOT_FOUND && kept[commit] == NO_SNAPSHOT;
	map_init(&map);
	if (tree_load(&map, &record.map) < 0)
		return false;
	for (unsigned block = 0; block < BLOCKS; block++) {
		struct entry entry;
		memset(data, 0, sizeof(data));
		if (tree_find(disk, &map, block, &entry) < 0 ||
		    (entry.place && read_entry(disk, &entry, data) < 0))
			return false;
		fill(expected, model[kept[commit]][block]);
		if (memcmp(data, expected, VDISK_BLOCK) != 0)
			return false;
	}
	return true;
}

/* Which commit of FIRST..LAST the volume and its snapshot show, or -1. */
static int which(struct vdisk *disk, unsigned first, unsigned last)
{
	for (unsigned commit = last + 1; commit-- > first;)
		if (shows(disk, commit, -1, 0) && shows_snapshot(disk, commit))
			return (int)commit;
	return -1;
}

static bool is_sound(struct vdisk *disk)
{
	struct vdisk_report report = {0};
	return vdisk_check(disk, true, false, &report) == VDISK_OK && !report.damaged && !report.leaked &&
	       !report.missing;
}

static bool fails(const char *text, unsigned first, unsigned last)
{
	if (!violations)
		snprintf(why, sizeof(why), "%s (commits %u to %u were possible)", text, first, last);
	violations++;
	return false;
}

/* ---- Building states ---- */

static void apply(uint8_t *bytes, const struct op *op)
{
	memcpy(bytes + op->offset, op->data, op->bytes);
}

static void apply_torn(uint8_t *bytes, const struct op *op)
{
	for (size_t at = 0; at < op->bytes; at += SECTOR)
		if (draw(2))
			memcpy(bytes + op->offset + at, op->data + at, SECTOR);
}

enum shape { SHAPE_PREFIX, SHAPE_ALL_BUT_ONE, SHAPE_SUBSET, SHAPE_TORN, SHAPE_COUNT };

/* BASE has all before the epoch; of LOG's writes from FIRST to END some are applied to OUT. */
static void build(uint8_t *out, const uint8_t *base, const struct log *log, size_t first, size_t end,
                  enum shape shape)
{
	size_t special = end > first ? first + draw((uint32_t)(end - first)) : first;
	memcpy(out, base, DEVICE_BYTES);
	for (size_t i = first; i < end; i++) {
		const struct op *op = &log->ops[i];
		if (op->kind != OP_WRITE || (shape == SHAPE_ALL_BUT_ONE && i == special) ||
		    (shape == SHAPE_SUBSET && draw(2)))
			continue;
		if (shape == SHAPE_TORN && i == special)
			apply_torn(out, op);
		else
			apply(out, op);
	}
}

/* Cuts recovery (from state SECOND's base on) at a random point. COMMIT was shown; BLOCK has SEED once the
 * last flush returned. */
static bool cut_again(const uint8_t *base, unsigned commit, unsigned block, uint32_t seed)
{
	static uint8_t at_epoch[DEVICE_BYTES];
	struct logged_device device = {.bytes = second};
	size_t end = recovery_log.count ? draw((uint32_t)recovery_log.count) + 1 : 0;
	size_t first = 0;
	int status;
	memcpy(at_epoch, base, DEVICE_BYTES);
	for (size_t i = 0; i < end; i++)
		if (recovery_log.ops[i].kind == OP_FLUSH) {
			for (; first < i; first++)
				if (recovery_log.ops[first].kind == OP_WRITE)
					apply(at_epoch, &recovery_log.ops[first]);
			first = i + 1;
		}
	build(second, at_epoch, &recovery_log, first, end, draw(SHAPE_COUNT));
	states++;
	struct vdisk *disk = open_device(&device, false, &status);
	if (!disk)
		return fails("after a second cut it does not open", commit, commit);
	bool acknowledged = end == recovery_log.count && recovery_log.ops[end - 1].kind == OP_FLUSH;
	bool old = shows(disk, commit, -1, 0);
	bool new = shows(disk, commit, (int)block, seed);
	vdisk_abandon(disk);
	if (acknowledged ? !new : !old && !new)
		return fails("after a second cut it shows something else", commit, commit);
	return true;
}

static bool judge(unsigned acknowledged, unsigned started)
{
	static uint8_t before[DEVICE_BYTES];
	struct logged_device device = {.bytes = second};
	uint8_t data[VDISK_BLOCK];
	int status;
	uint32_t block = draw(BLOCKS);
	uint32_t seed = 1 + draw(1u << 30);
	states++;
	memcpy(before, second, DEVICE_BYTES);
	log_clear(&recovery_log);
	device.log = &recovery_log;
	struct vdisk *disk = open_device(&device, false, &status);
	if (!disk) {
		char text[100];
		snprintf(text, sizeof(text), "it does not open: %s", vdisk_status_text(status));
		return fails(text, acknowledged, started);
	}
	int commit = which(disk, acknowledged, started);
	bool good = commit >= 0 || fails("it shows none of the right states", acknowledged, started);
	if (good && states % 4 == 0) {
		fill(data, seed);
		good = vdisk_write(disk, block, 1, data) == VDISK_OK && vdisk_flush(disk) == VDISK_OK &&
		       shows(disk, (unsigned)commit, (int)block, seed) &&
		       shows_snapshot(disk, (unsigned)commit);
		if (!good)
			fails("it cannot be written after recovery", acknowledged, started);
		size_t cut = recovery_log.count;
		if (good && states % 16 == 0 && !is_sound(disk))
			good = fails("its counts or map are wrong after recovery", acknowledged, started);
		recovery_log.count =
		    cut; /* what the check wrote is not looked at (and leaks nothing: cleared below) */
		for (unsigned i = 0; good && i < 3; i++)
			good = cut_again(before, (unsigned)commit, block, seed);
	}
	vdisk_abandon(disk);
	return good;
}

/* ---- An oracle from outside ---- */

static void digest_commit(unsigned commit, char text[2 * BLAKE3_SIZE + 1])
{
	struct blake3 hash;
	uint8_t block[VDISK_BLOCK];
	uint8_t digest[BLAKE3_SIZE];
	blake3_init(&hash);
	for (unsigned i = 0; i < BLOCKS; i++) {
		fill(block, model[commit][i]);
		blake3_update(&hash, block, sizeof(block));
	}
	blake3_final(&hash, digest, sizeof(digest));
	for (unsigned i = 0; i < sizeof(digest); i++)
		snprintf(text + 2 * (size_t)i, 3, "%02x", digest[i]);
}

static bool ask_oracle(unsigned acknowledged, unsigned started)
{
	char names[2][64] = {"/tmp/vdisk-explore-XXXXXX", "/tmp/vdisk-explore-XXXXXX"};
	char command[4096];
	char digest[2 * BLAKE3_SIZE + 1];
	int image_fd = mkstemp(names[0]);
	int expected_fd = mkstemp(names[1]);
	if (image_fd < 0 || expected_fd < 0 || write(image_fd, second, DEVICE_BYTES) != DEVICE_BYTES) {
		fprintf(stderr, "vdisk-explore: /tmp cannot be written\n");
		exit(2);
	}
	for (unsigned commit = acknowledged; commit <= started; commit++) {
		digest_commit(commit, digest);
		dprintf(expected_fd, "%u %s\n", commit, digest);
	}
	close(image_fd);
	close(expected_fd);
	snprintf(command, sizeof(command), "%s %s %s", oracle_command, names[0], names[1]);
	int result = system(command); /* the command is the caller's own */
	unlink(names[0]);
	unlink(names[1]);
	states++;
	return result == 0 || fails("the oracle says so", acknowledged, started);
}

/* ---- Exploring ---- */

/* Explores one workload until MOST states in all, or the first violation. */
static void explore(uint64_t seed, uint64_t most)
{
	unsigned acknowledged = 0;
	unsigned started = 0;
	size_t first = 0;
	if (!run_workload(seed)) {
		fails("the workload failed", 0, 0);
		return;
	}
	for (size_t end = 0; end <= work_log.count && states < most && !violations; end++) {
		/* `state` has everything before the epoch of the point END. */
		if (end) {
			const struct op *op = &work_log.ops[end - 1];
			if (op->kind == OP_FLUSH) {
				for (; first < end; first++)
					if (work_log.ops[first].kind == OP_WRITE)
						apply(state, &work_log.ops[first]);
			} else if (op->kind == OP_BEGIN) {
				started = op->commit;
			} else if (op->kind == OP_END) {
				acknowledged = op->commit;
			}
		}
		for (unsigned shape = 0; shape < SHAPE_COUNT && !violations; shape++) {
			if (shape && end - first < 1)
				continue;
			build(second, state, &work_log, first, end, shape);
			if (oracle_command)
				ask_oracle(acknowledged, started);
			else
				judge(acknowledged, started);
		}
	}
}

static uint64_t explore_many(uint64_t seed, uint64_t most)
{
	states = violations = 0;
	while (states < most && !violations)
		explore(seed++, most);
	return seed - 1;
}

#ifdef VDISK_SEEDED_BUGS
static const char *const bug_names[] = {"none",
                                        "no flush before the superblock",
                                        "no flush after the superblock",
                                        "the superblock before the nodes",
                                        "always the same superblock slot",
                                        "no flush behind a log record",
                                        "the last record's data is not checked",
                                        "tags are not checked",
                                        "held blocks are used again",
                                        "committed blocks are used again",
                                        "a record without its end is applied",
                                        "the log goes on after opening",
                                        "discards are not logged",
                                        "rekeying forgets the old master key early",
                                        "rekeying forgets the old volume key early",
                                        "rekeying forgets it while snapshots need it",
                                        "rekeying takes a shared block from where there is another"};

static int run_controls(uint64_t seed)
{
	int missed = 0;
	for (unsigned bug = 1; bug < BUG_COUNT; bug++) {
		vdisk_seeded_bug = bug;
		explore_many(seed, 30000);
		if (violations) {
			printf("ok crash explorer catches: %s (after %llu states: %s)\n", bug_names[bug],
			       (unsigned long long)states, why);
		} else {
			printf("not ok crash explorer catches: %s - not in %llu states\n", bug_names[bug],
			       (unsigned long long)states);
			missed++;
		}
	}
	vdisk_seeded_bug = BUG_NONE;
	return missed;
}
#endif

int main(int argc, char **argv)
{
	uint64_t most = getenv("HOLON_SOAK") ? 1000000 : 20000;
	uint64_t seed = 1;
	bool controls = argc == 1; /* as a test */
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--controls"))
			controls = true;
		else if (!strcmp(argv[i], "--states") && i + 1 < argc)
			most = strtoull(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			seed = strtoull(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--oracle") && i + 1 < argc)
			oracle_command = argv[++i];
#ifdef VDISK_SEEDED_BUGS
		else if (!strcmp(argv[i], "--bug") && i + 1 < argc)
			vdisk_seeded_bug = (enum vdisk_bug)strtoul(argv[++i], NULL, 10);
#endif
		else {
			fprintf(stderr,
			        "usage: %s [--states N] [--seed N] [--controls] [--bug N] [--oracle CMD]\n",
			        argv[0]);
			return 3;
		}
	}
	uint64_t last = explore_many(seed, most);
	if (violations)
		printf("not ok crash states - seed %llu, state %llu: %s\n", (unsigned long long)last,
		       (unsigned long long)states, why);
	else
		printf("ok crash states: %llu explored, 0 violations\n", (unsigned long long)states);
	int failed = violations != 0;
#ifdef VDISK_SEEDED_BUGS
	if (controls)
		failed += run_controls(seed);
#else
	(void)controls;
#endif
	log_clear(&work_log);
	log_clear(&recovery_log);
	return failed ? 2 : 0;
}
