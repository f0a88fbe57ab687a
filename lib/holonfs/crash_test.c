/*
 * Crash states of a whole file system: a random workload runs on holonfs over vdisk over a device that logs writes and flushes; states that a power cut
 * may leave are built from the log (prefixes, all but one write, subsets, torn sectors), mounted and judged.
 *
 * Oracle: a digest over every name, attribute and byte must be the one that some sync from the newest that had returned to the newest that had begun
 * had recorded, and the check finds nothing. A quota that was counting then counts on, to an end that is exact.
 */
#include "crypto/blake3.h"
#include "crash_device.h"

#define SYNCS_MAX 100u
#define NAMES     10u

static uint8_t digests[SYNCS_MAX][BLAKE3_SIZE];

/* Everything below a directory, in the order of the names' hashes, which is fixed. The tree is three levels deep. */
static bool add_directory(struct blake3 *hash, uint64_t directory, unsigned depth)
{
	struct holonfs_entry entry;
	int found;
	uint64_t cookie = 0;
	while ((found = holonfs_list(fs, directory, cookie, &entry)) > 0) {
		struct holonfs_attributes attributes;
		uint8_t data[HOLONFS_BLOCK];
		int64_t got = 0;
		cookie = entry.cookie;
		uint64_t limits[2];
		uint64_t used[2];
		if (holonfs_get(fs, entry.inode, &attributes) < 0 ||
		    holonfs_get_quota(fs, entry.inode, limits, used) < 0)
			return false;
		blake3_update(hash, entry.name, strlen(entry.name) + 1);
		/* One by one, since the structure has padding. */
		uint64_t values[] = {attributes.inode,
		                     attributes.size,
		                     attributes.blocks,
		                     attributes.mode,
		                     attributes.links,
		                     (uint64_t)attributes.modified_ns,
		                     (uint64_t)attributes.changed_ns,
		                     limits[0],
		                     limits[1],
		                     used[0],
		                     used[1]};
		blake3_update(hash, values, sizeof(values));
		if ((attributes.mode & 0170000) == 0040000 && depth < 8 &&
		    !add_directory(hash, entry.inode, depth + 1))
			return false;
		for (uint64_t at = 0; (attributes.mode & 0170000) == 0100000; at += (uint64_t)got) {
			got = holonfs_read(fs, entry.inode, at, data, sizeof(data));
			if (got <= 0)
				break;
			blake3_update(hash, data, (size_t)got);
		}
		if (got < 0)
			return false;
	}
	return found == 0;
}

static bool digest(uint8_t out[BLAKE3_SIZE])
{
	struct blake3 hash;
	blake3_init(&hash);
	bool good = add_directory(&hash, HOLONFS_ROOT, 0);
	blake3_final(&hash, out, BLAKE3_SIZE);
	return good;
}

static void work_step(uint64_t *directories, unsigned *count)
{
	static uint8_t data[40000]; /* compresses well, and is more than one compressed extent */
	struct holonfs_attributes made;
	char name[8];
	char other[8];
	uint64_t directory = directories[draw(*count)];
	uint64_t to = directories[draw(*count)];
	snprintf(name, sizeof(name), "n%u", draw(NAMES));
	snprintf(other, sizeof(other), "n%u", draw(NAMES));
	for (size_t i = 0; i < sizeof(data); i += 64)
		data[i] = (uint8_t)draw(256);
	uint32_t what = draw(12);
	/* What cannot be done (names taken, no space) is part of the workload. */
	if (what < 3) {
		(void)(holonfs_create(fs, directory, name, 0100644, 0, 0, 0, 0, &made) < 0);
	} else if (what < 6) {
		if (holonfs_lookup(fs, directory, name, &made) == 0 && (made.mode & 0170000) == 0100000)
			(void)(holonfs_write(fs, made.inode, draw(15000), data,
			                     1 + draw(draw(2) ? 500 : sizeof(data) - 1)) < 0);
	} else if (what == 6) {
		(void)(holonfs_unlink(fs, directory, name) < 0);
	} else if (what == 7) {
		(void)(holonfs_rename(fs, directory, name, to, other, draw(2) ? HOLONFS_RENAME_EXCHANGE : 0) <
		       0);
	} else if (what == 8 && *count < 4) {
		if (holonfs_create(fs, HOLONFS_ROOT, name, 0040755, 0, 0, 0, 0, &made) == 0)
			directories[(*count)++] = made.inode;
	} else if (what == 10) {
		(void)(holonfs_set_quota(fs, directory, draw(60), draw(30)) < 0);
	} else if (what == 11) {
		(void)(holonfs_continue(fs) < 0);
	} else if (holonfs_lookup(fs, directory, name, &made) == 0 && (made.mode & 0170000) == 0100000) {
		(void)(holonfs_truncate(fs, made.inode, draw(20000)) < 0);
	}
}

static bool run_workload(uint64_t seed)
{
	uint64_t directories[4] = {HOLONFS_ROOT};
	unsigned count = 1;
	random_state = seed * 2 + 1;
	log_clear();
	memset(image, 0, sizeof(image));
	if (!start(image, true, seed % 2) || !digest(digests[0]))
		return false;
	memcpy(at_epoch, image, sizeof(at_epoch));
	device.logs = true;
	bool good = true;
	for (unsigned sync = 1; good && sync < 30; sync++) {
		for (uint32_t i = draw(12); i > 0; i--)
			work_step(directories, &count);
		good = digest(digests[sync]);
		log_op(OP_BEGIN, sync);
		good = good && holonfs_sync(fs) == 0;
		log_op(OP_END, sync);
	}
	stop();
	return good;
}

/* Whether everything below a directory is charged to its QUOTA, or to one of its own. Files may have names in two. */
static bool is_charged(uint64_t directory, uint64_t quota, unsigned depth)
{
	struct holonfs_entry entry;
	struct inode_disk inode;
	uint64_t cookie = 0;
	while (holonfs_list(fs, directory, cookie, &entry) > 0) {
		cookie = entry.cookie;
		if (inode_read(fs, entry.inode, &inode) < 0)
			return false;
		bool is_directory = (inode.mode & 0170000) == 0040000;
		if (quota && inode.quota != quota && !(is_directory && inode.quota == entry.inode))
			return false;
		if (is_directory && depth < 8 && !is_charged(entry.inode, inode.quota, depth + 1))
			return false;
	}
	return true;
}

/* A quota that was still counting goes on and comes to its end. */
static bool counts_on(void)
{
	struct inode_disk root;
	int status;
	if (!fs->adopting)
		return true;
	while ((status = holonfs_continue(fs)) > 0)
		;
	return status == -ENOSPC || (status == 0 && inode_read(fs, HOLONFS_ROOT, &root) == 0 &&
	                             is_charged(HOLONFS_ROOT, root.quota, 0) && is_sound());
}

static bool judge(unsigned acknowledged, unsigned started, bool whole)
{
	uint8_t got[BLAKE3_SIZE];
	bool right = false;
	(void)whole;
	if (start(state, false, false) && digest(got)) {
		for (unsigned sync = acknowledged; sync <= started; sync++)
			right = right || memcmp(got, digests[sync], sizeof(got)) == 0;
		right = right && is_sound() && counts_on();
	}
	stop();
	return right;
}

int main(void)
{
	uint64_t most = getenv("HOLON_SOAK") ? 100000 : 1500;
	for (uint64_t seed = 1; states < most; seed++) {
		const char *why = !run_workload(seed)            ? "the workload failed"
		                  : !cut_everywhere(most, judge) ? "a state is none of a sync, or not sound"
		                                                 : NULL;
		if (why) {
			printf("not ok holonfs crash states - seed %llu: %s\n", (unsigned long long)seed,
			       why);
			return 1;
		}
	}
	log_clear();
	printf("ok holonfs crash states: %llu explored, each as it was at a sync\n",
	       (unsigned long long)states);
	return 0;
}
