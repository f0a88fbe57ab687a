/* Inodes, and their use by callers. */
#include "internal.h"

int inode_begin_with(struct holonfs *fs, uint64_t blocks)
{
	fs->changing = false;
	if (fs->failed)
		return fs->failed;
	if (fs->store.read_only)
		return -EROFS;
	return blocks_check(fs, blocks);
}

int inode_begin(struct holonfs *fs, bool writes)
{
	if (writes)
		return inode_begin_with(fs, 0);
	fs->changing = false;
	return fs->failed == -EIO ? -EIO : 0;
}

int inode_read(struct holonfs *fs, uint64_t number, struct inode_disk *inode)
{
	struct item item;
	int found = item_find(fs, make_key(number, ITEM_INODE, 0), &item);
	if (found <= 0)
		return found < 0 ? found : -ESTALE;
	if (item.size != sizeof(*inode))
		return -EUCLEAN;
	memcpy(inode, item.data, sizeof(*inode));
	return inode->size <= HOLONFS_SIZE_MAX ? 0 : -EUCLEAN;
}

int inode_write(struct holonfs *fs, uint64_t number, const struct inode_disk *inode)
{
	return item_put(fs, make_key(number, ITEM_INODE, 0), inode, sizeof(*inode));
}

void inode_attributes(uint64_t number, const struct inode_disk *inode, struct holonfs_attributes *attributes)
{
	*attributes = (struct holonfs_attributes){.inode = number,
	                                          .size = inode->size,
	                                          .blocks = inode->blocks,
	                                          .accessed_ns = inode->accessed_ns,
	                                          .modified_ns = inode->modified_ns,
	                                          .changed_ns = inode->changed_ns,
	                                          .created_ns = inode->created_ns,
	                                          .device = inode->device,
	                                          .mode = inode->mode,
	                                          .links = inode->links,
	                                          .uid = inode->uid,
	                                          .gid = inode->gid,
	                                          .flags = inode->flags & INODE_FLAGS};
}

int holonfs_get(struct holonfs *fs, uint64_t number, struct holonfs_attributes *attributes)
{
	struct inode_disk inode;
	TRY(inode_begin(fs, false));
	TRY(inode_read(fs, number, &inode));
	inode_attributes(number, &inode, attributes);
	return 0;
}

int holonfs_set(struct holonfs *fs, uint64_t number, uint32_t valid, const struct holonfs_attributes *wanted,
                struct holonfs_attributes *attributes)
{
	struct inode_disk inode;
	TRY(inode_begin(fs, true));
	if (valid & HOLONFS_SET_SIZE)
		TRY(holonfs_truncate(fs, number, wanted->size));
	TRY(inode_read(fs, number, &inode));
	if (valid & HOLONFS_SET_MODE) {
		inode.mode = (inode.mode & 0170000) | (wanted->mode & 07777);
		TRY(xattr_follow_mode(fs, number, inode.mode));
	}
	if (valid & HOLONFS_SET_UID)
		inode.uid = wanted->uid;
	if (valid & HOLONFS_SET_GID)
		inode.gid = wanted->gid;
	if (valid & HOLONFS_SET_FLAGS)
		inode.flags = (inode.flags & ~INODE_FLAGS) | (wanted->flags & INODE_FLAGS);
	inode.changed_ns = valid & HOLONFS_SET_CHANGED ? wanted->changed_ns : fs->clock();
	if (valid & HOLONFS_SET_ACCESSED)
		inode.accessed_ns = wanted->accessed_ns;
	if (valid & HOLONFS_SET_MODIFIED)
		inode.modified_ns = wanted->modified_ns;
	TRY(inode_write(fs, number, &inode));
	inode_attributes(number, &inode, attributes);
	return 0;
}

/* ---- Use ---- */

static struct use **use_link(struct holonfs *fs, uint64_t number)
{
	struct use **link = &fs->uses[number % USE_BUCKETS];
	while (*link && (*link)->inode != number)
		link = &(*link)->next;
	return link;
}

int holonfs_use(struct holonfs *fs, uint64_t number)
{
	struct use **link = use_link(fs, number);
	if (!*link) {
		*link = calloc(1, sizeof(struct use));
		if (!*link)
			return -ENOMEM;
		(*link)->inode = number;
	}
	(*link)->count++;
	return 0;
}

int holonfs_forget(struct holonfs *fs, uint64_t number, uint64_t count)
{
	struct use **link = use_link(fs, number);
	struct use *use = *link;
	if (!use)
		return -ESTALE;
	use->count -= count < use->count ? count : use->count;
	if (use->count)
		return 0;
	*link = use->next;
	free(use);
	return fs->store.read_only ? 0 : inode_delete_if_unused(fs, number);
}

bool inode_in_use(const struct holonfs *fs, uint64_t number)
{
	const struct use *use = fs->uses[number % USE_BUCKETS];
	while (use && use->inode != number)
		use = use->next;
	return use != NULL;
}

int inode_delete(struct holonfs *fs, uint64_t number)
{
	struct inode_disk inode;
	TRY(inode_read(fs, number, &inode));
	TRY(data_cut(fs, number, &inode, 0));
	TRY(xattr_remove_all(fs, number));
	TRY(quota_charge(fs, &inode, 0, -1));
	if ((inode.mode & 0170000) == 0040000)
		TRY(item_remove(fs, make_key(0, ITEM_QUOTA, number)));
	TRY(item_remove(fs, make_key(number, ITEM_INODE, 0)));
	TRY(item_remove(fs, make_key(0, ITEM_ORPHAN, number)));
	fs->super.inodes--;
	super_change(fs);
	return 0;
}

int inode_delete_if_unused(struct holonfs *fs, uint64_t number)
{
	struct inode_disk inode;
	TRY(inode_begin(fs, false));
	int status = inode_read(fs, number, &inode);
	if (status == -ESTALE)
		return 0;
	if (status < 0)
		return status;
	return inode.links || inode_in_use(fs, number) ? 0 : inode_delete(fs, number);
}
