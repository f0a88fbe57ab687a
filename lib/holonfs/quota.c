/*
 * Quotas: a directory may limit the blocks and inodes of all that is below it. Each inode names the directory it is
 * charged to, what is made in such a directory inherits that, and names do not move between two quotas. A directory
 * that has a quota already when one above it gets one keeps it, and what is below it counts there alone; so does a
 * file with names in two of them, where it was first.
 *
 * A quota of a directory that is not empty takes in what is there: the directory is queued (ITEM_ADOPT); a step
 * (holonfs_continue) takes some entries of the first in the queue, charges what is not charged to anything, and
 * queues the directories among it. The queue is in the tree, so that after a crash the next mount goes on where the
 * last sync was. Nothing is missed meanwhile: a directory is charged before its entries are looked at, so what is
 * made there is charged from the start, and what is renamed there is taken in by that.
 */
#include "internal.h"

static int quota_read(struct holonfs *fs, uint64_t directory, struct quota_disk *quota)
{
	struct item item;
	int found = item_find(fs, make_key(0, ITEM_QUOTA, directory), &item);
	if (found > 0 && item.size != sizeof(*quota))
		return -EUCLEAN;
	if (found > 0)
		memcpy(quota, item.data, sizeof(*quota));
	return found;
}

static int charge(struct holonfs *fs, uint64_t directory, int64_t blocks, int64_t inodes, bool beyond_limits)
{
	struct quota_disk quota;
	if (!directory || (!blocks && !inodes))
		return 0;
	int found = quota_read(fs, directory, &quota);
	if (found <= 0)
		return found;
	if (!beyond_limits &&
	    ((blocks > 0 && quota.block_limit && quota.blocks + (uint64_t)blocks > quota.block_limit) ||
	     (inodes > 0 && quota.inode_limit && quota.inodes + (uint64_t)inodes > quota.inode_limit)))
		return -EDQUOT;
	quota.blocks += (uint64_t)blocks;
	quota.inodes += (uint64_t)inodes;
	return item_put(fs, make_key(0, ITEM_QUOTA, directory), &quota, sizeof(quota));
}

int quota_charge(struct holonfs *fs, const struct inode_disk *inode, int64_t blocks, int64_t inodes)
{
	return charge(fs, inode->quota, blocks, inodes, false);
}

/* ---- Taking in what is there ---- */

static int enqueue(struct holonfs *fs, uint64_t directory, uint64_t cookie)
{
	return item_put(fs, make_key(0, ITEM_ADOPT, directory), &cookie, sizeof(cookie));
}

int quota_adopt(struct holonfs *fs, uint64_t directory, uint64_t number, struct inode_disk *inode)
{
	if (!directory || inode->quota)
		return 0;
	TRY(charge(fs, directory, (int64_t)inode->blocks, 1, true));
	inode->quota = directory;
	return (inode->mode & 0170000) == 0040000 ? enqueue(fs, number, 0) : 0;
}

/* Some entries of a directory from COOKIE on. */
static int adopt_some(struct holonfs *fs, uint64_t directory, uint64_t quota, uint64_t cookie)
{
	struct holonfs_entry entry;
	int found = 1;
	for (unsigned i = 0; i < ADOPT_STEP; i++) {
		struct inode_disk inode;
		found = holonfs_list(fs, directory, cookie, &entry);
		if (found <= 0)
			break;
		cookie = entry.cookie;
		TRY(inode_read(fs, entry.inode, &inode));
		if (inode.quota)
			continue;
		TRY(quota_adopt(fs, quota, entry.inode, &inode));
		TRY(inode_write(fs, entry.inode, &inode));
	}
	if (found < 0)
		return found;
	return found ? enqueue(fs, directory, cookie) : item_remove(fs, make_key(0, ITEM_ADOPT, directory));
}

int holonfs_continue(struct holonfs *fs)
{
	struct item item;
	struct inode_disk inode;
	uint64_t cookie;
	if (!fs->adopting)
		return 0;
	TRY(inode_begin(fs, true));
	int found = item_next(fs, make_key(0, ITEM_ADOPT, 0), &item);
	if (found < 0)
		return found;
	if (!found || !key_is(item.key, 0, ITEM_ADOPT)) {
		fs->adopting = false;
		features_change(fs, 0, FEATURE_ADOPTING);
		return 0;
	}
	uint64_t directory = key_offset(item.key);
	if (item.size != sizeof(cookie))
		return -EUCLEAN;
	memcpy(&cookie, item.data, sizeof(cookie));
	int status = inode_read(fs, directory, &inode);
	if (status == -ESTALE || (status == 0 && !inode.quota)) /* it was removed meanwhile */
		status = item_remove(fs, make_key(0, ITEM_ADOPT, directory));
	else if (status == 0)
		status = adopt_some(fs, directory, inode.quota, cookie);
	return status < 0 ? status : 1;
}

/* ---- For callers ---- */

int holonfs_set_quota(struct holonfs *fs, uint64_t directory, uint64_t blocks, uint64_t inodes)
{
	struct inode_disk inode;
	struct quota_disk quota = {0};
	TRY(inode_begin(fs, true));
	TRY(inode_read(fs, directory, &inode));
	if ((inode.mode & 0170000) != 0040000)
		return -ENOTDIR;
	if (inode.quota && inode.quota != directory)
		return -EBUSY; /* quotas do not nest */
	if (inode.quota)
		TRY(quota_read(fs, directory, &quota));
	quota.block_limit = blocks;
	quota.inode_limit = inodes;
	if (!inode.quota) {
		int empty = directory_is_empty(fs, directory);
		TRY(empty);
		quota.inodes = 1;
		inode.quota = directory;
		TRY(inode_write(fs, directory, &inode));
		if (!empty) {
			TRY(enqueue(fs, directory, 0));
			features_change(fs, FEATURE_ADOPTING, 0);
			fs->adopting = true;
		}
	}
	return item_put(fs, make_key(0, ITEM_QUOTA, directory), &quota, sizeof(quota));
}

int holonfs_get_quota(struct holonfs *fs, uint64_t number, uint64_t limits[2], uint64_t used[2])
{
	struct inode_disk inode;
	struct quota_disk quota = {0};
	TRY(inode_begin(fs, false));
	TRY(inode_read(fs, number, &inode));
	if (inode.quota)
		TRY(quota_read(fs, inode.quota, &quota));
	limits[0] = quota.block_limit;
	limits[1] = quota.inode_limit;
	used[0] = quota.blocks;
	used[1] = quota.inodes;
	return inode.quota != 0;
}
