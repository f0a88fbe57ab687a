/* The operations on names: lookup, create, link, unlink, rename. Each checks everything first, then changes.
 */
#include "internal.h"

#define TYPE_MASK 0170000u
#define TYPE_DIR  0040000u
#define TYPE_LINK 0120000u
#define TYPE_FILE 0100000u

static bool is_directory(const struct inode_disk *inode)
{
	return (inode->mode & TYPE_MASK) == TYPE_DIR;
}

static int open_directory(struct holonfs *fs, uint64_t number, const char *name, struct inode_disk *directory)
{
	TRY(inode_read(fs, number, directory));
	if (!is_directory(directory))
		return -ENOTDIR;
	if (!directory->links)
		return -ENOENT;
	return name ? entry_check_name(name) : 0;
}

int holonfs_lookup(struct holonfs *fs, uint64_t number, const char *name, struct holonfs_attributes *found)
{
	struct inode_disk inode;
	uint64_t child;
	TRY(inode_begin(fs, false));
	TRY(inode_read(fs, number, &inode));
	if (!is_directory(&inode))
		return -ENOTDIR;
	TRY(entry_check_name(name));
	TRY(entry_find(fs, number, name, &child));
	TRY(inode_read(fs, child, &inode));
	inode_attributes(child, &inode, found);
	return 0;
}

static int touch_directory(struct holonfs *fs, uint64_t number, struct inode_disk *directory, int links)
{
	directory->modified_ns = directory->changed_ns = fs->clock();
	directory->links += (uint32_t)links;
	return inode_write(fs, number, directory);
}

/* A new inode below DIRECTORY, without a name yet. */
static int make_inode(struct holonfs *fs, uint64_t parent, const struct inode_disk *directory, uint32_t mode,
                      uint32_t umask, uint32_t uid, uint32_t gid, uint64_t device, uint64_t *number,
                      struct inode_disk *inode)
{
	int64_t now = fs->clock();
	bool inherits = directory->mode & 02000;
	bool directory_made = (mode & TYPE_MASK) == TYPE_DIR;
	*inode = (struct inode_disk){.accessed_ns = now,
	                             .modified_ns = now,
	                             .changed_ns = now,
	                             .created_ns = now,
	                             .device = device,
	                             .parent = directory_made ? parent : 0,
	                             .quota = directory->quota,
	                             .uid = uid,
	                             .gid = inherits ? directory->gid : gid,
	                             .links = directory_made ? 2 : 1,
	                             .flags = directory->flags & HOLONFS_FLAG_COMPRESS};
	TRY(quota_charge(fs, directory, 0, 1));
	*number = fs->super.next_inode++;
	if ((mode & TYPE_MASK) == TYPE_FILE || (mode & TYPE_MASK) == TYPE_LINK)
		inode->flags |= INODE_INLINE;
	if ((mode & TYPE_MASK) != TYPE_LINK)
		TRY(xattr_inherit(fs, parent, *number, umask, &mode));
	if (directory_made && inherits)
		mode |= 02000;
	inode->mode = mode;
	TRY(inode_write(fs, *number, inode));
	fs->super.inodes++;
	super_change(fs);
	return 0;
}

static int create(struct holonfs *fs, uint64_t number, const char *name, uint32_t mode, uint32_t umask,
                  uint32_t uid, uint32_t gid, uint64_t device, struct holonfs_attributes *made)
{
	struct inode_disk directory;
	struct inode_disk inode;
	uint64_t child;
	TRY(open_directory(fs, number, name, &directory));
	int status = entry_find(fs, number, name, &child);
	if (status != -ENOENT)
		return status < 0 ? status : -EEXIST;
	bool directory_made = (mode & TYPE_MASK) == TYPE_DIR;
	if (directory_made && directory.links >= HOLONFS_LINKS_MAX)
		return -EMLINK;
	TRY(make_inode(fs, number, &directory, mode, umask, uid, gid, device, &child, &inode));
	TRY(entry_add(fs, number, name, child, mode));
	TRY(touch_directory(fs, number, &directory, directory_made));
	inode_attributes(child, &inode, made);
	return 0;
}

int holonfs_create(struct holonfs *fs, uint64_t number, const char *name, uint32_t mode, uint32_t umask,
                   uint32_t uid, uint32_t gid, uint64_t device, struct holonfs_attributes *made)
{
	TRY(inode_begin(fs, true));
	return create(fs, number, name, mode, umask, uid, gid, device, made);
}

static int add_orphan(struct holonfs *fs, uint64_t number)
{
	return item_put(fs, make_key(0, ITEM_ORPHAN, number), "", 0);
}

int holonfs_create_unnamed(struct holonfs *fs, uint64_t number, uint32_t mode, uint32_t umask, uint32_t uid,
                           uint32_t gid, struct holonfs_attributes *made)
{
	struct inode_disk directory;
	struct inode_disk inode;
	uint64_t child;
	TRY(inode_begin(fs, true));
	TRY(open_directory(fs, number, NULL, &directory));
	TRY(make_inode(fs, number, &directory, (mode & 07777) | TYPE_FILE, umask, uid, gid, 0, &child,
	               &inode));
	inode.links = 0;
	TRY(inode_write(fs, child, &inode));
	TRY(add_orphan(fs, child));
	inode_attributes(child, &inode, made);
	return 0;
}

int holonfs_symlink(struct holonfs *fs, uint64_t number, const char *name, const char *target, uint32_t uid,
                    uint32_t gid, struct holonfs_attributes *made)
{
	struct inode_disk inode;
	size_t length = strnlen(target, HOLONFS_SYMLINK_MAX + 1);
	if (!length || length > HOLONFS_SYMLINK_MAX)
		return length ? -ENAMETOOLONG : -ENOENT;
	TRY(holonfs_create(fs, number, name, TYPE_LINK | 0777, 0, uid, gid, 0, made));
	TRY(inode_read(fs, made->inode, &inode));
	for (size_t at = 0; at < length; at += INLINE_MAX)
		TRY(item_put(fs, make_key(made->inode, ITEM_INLINE, at / INLINE_MAX), target + at,
		             (unsigned)(length - at < INLINE_MAX ? length - at : INLINE_MAX)));
	inode.size = made->size = length;
	return inode_write(fs, made->inode, &inode);
}

int holonfs_read_link(struct holonfs *fs, uint64_t number, char *target, size_t room)
{
	struct inode_disk inode;
	TRY(inode_begin(fs, false));
	TRY(inode_read(fs, number, &inode));
	if ((inode.mode & TYPE_MASK) != TYPE_LINK)
		return -EINVAL;
	if (inode.size > HOLONFS_SYMLINK_MAX)
		return -EUCLEAN;
	for (size_t at = 0; at < inode.size; at += INLINE_MAX) {
		struct item item;
		size_t want = inode.size - at < INLINE_MAX ? (size_t)inode.size - at : INLINE_MAX;
		int found = item_find(fs, make_key(number, ITEM_INLINE, at / INLINE_MAX), &item);
		if (found <= 0 || item.size != want)
			return found < 0 ? found : -EUCLEAN;
		if (at < room)
			memcpy(target + at, item.data, want < room - at ? want : room - at);
	}
	return (int)(inode.size < room ? inode.size : room);
}

int holonfs_link(struct holonfs *fs, uint64_t number, uint64_t into, const char *name,
                 struct holonfs_attributes *attributes)
{
	struct inode_disk directory;
	struct inode_disk inode;
	uint64_t other;
	TRY(inode_begin(fs, true));
	TRY(open_directory(fs, into, name, &directory));
	TRY(inode_read(fs, number, &inode));
	if (is_directory(&inode))
		return -EPERM;
	if (inode.links >= HOLONFS_LINKS_MAX)
		return -EMLINK;
	if (inode.quota != directory.quota)
		return -EXDEV;
	int status = entry_find(fs, into, name, &other);
	if (status != -ENOENT)
		return status < 0 ? status : -EEXIST;
	if (!inode.links)
		TRY(item_remove(fs, make_key(0, ITEM_ORPHAN, number)));
	inode.links++;
	inode.changed_ns = fs->clock();
	TRY(inode_write(fs, number, &inode));
	TRY(entry_add(fs, into, name, number, inode.mode));
	TRY(touch_directory(fs, into, &directory, 0));
	inode_attributes(number, &inode, attributes);
	return 0;
}

/* One name less for an inode: without any it goes, or waits until nobody uses it. */
static int drop_link(struct holonfs *fs, uint64_t number, struct inode_disk *inode)
{
	inode->links = is_directory(inode) ? 0 : inode->links - 1;
	inode->changed_ns = fs->clock();
	TRY(inode_write(fs, number, inode));
	if (inode->links)
		return 0;
	if (inode_in_use(fs, number))
		return add_orphan(fs, number);
	return inode_delete(fs, number);
}

/* Removing needs room as well, but little, and must work on a full file system. */
static int begin_removing(struct holonfs *fs)
{
	int status = inode_begin(fs, true);
	return status == -ENOSPC && blocks_free_count(fs) >= 4 ? 0 : status;
}

static int remove_name(struct holonfs *fs, uint64_t number, const char *name, bool directory_wanted)
{
	struct inode_disk directory;
	struct inode_disk inode;
	uint64_t child;
	TRY(begin_removing(fs));
	TRY(open_directory(fs, number, name, &directory));
	TRY(entry_find(fs, number, name, &child));
	TRY(inode_read(fs, child, &inode));
	if (is_directory(&inode) != directory_wanted)
		return directory_wanted ? -ENOTDIR : -EISDIR;
	if (directory_wanted) {
		int empty = directory_is_empty(fs, child);
		if (empty <= 0)
			return empty < 0 ? empty : -ENOTEMPTY;
	}
	TRY(entry_remove(fs, number, name));
	TRY(touch_directory(fs, number, &directory, directory_wanted ? -1 : 0));
	return drop_link(fs, child, &inode);
}

int holonfs_unlink(struct holonfs *fs, uint64_t directory, const char *name)
{
	return remove_name(fs, directory, name, false);
}

int holonfs_rmdir(struct holonfs *fs, uint64_t directory, const char *name)
{
	return remove_name(fs, directory, name, true);
}

/* ---- Rename ---- */

/* Whether ABOVE is DIRECTORY or lies above it. The way up is as long as the tree is deep. */
static int is_above(struct holonfs *fs, uint64_t above, uint64_t directory)
{
	struct inode_disk inode;
	for (uint64_t steps = 0; steps <= fs->super.inodes; steps++) {
		if (directory == above)
			return 1;
		if (directory == HOLONFS_ROOT)
			return 0;
		TRY(inode_read(fs, directory, &inode));
		directory = inode.parent;
	}
	return -EUCLEAN;
}

struct side {
	uint64_t directory, child;
	const char *name;
	struct inode_disk inode; /* the child's */
	bool exists, is_directory;
};

static int read_side(struct holonfs *fs, struct side *side)
{
	struct inode_disk directory;
	TRY(open_directory(fs, side->directory, side->name, &directory));
	int status = entry_find(fs, side->directory, side->name, &side->child);
	side->exists = status == 0;
	if (status < 0)
		return status == -ENOENT ? 0 : status;
	TRY(inode_read(fs, side->child, &side->inode));
	side->is_directory = is_directory(&side->inode);
	return 0;
}

/* A name moves between FROM and TO: no directory below itself, and nothing from one quota to another. */
static int check_move(struct holonfs *fs, const struct side *from, const struct side *to, uint64_t from_quota,
                      uint64_t to_quota)
{
	if (from->is_directory && from->directory != to->directory) {
		int above = is_above(fs, from->child, to->directory);
		if (above != 0)
			return above < 0 ? above : -EINVAL;
	}
	return from_quota != to_quota ? -EXDEV : 0;
}

static int settle(struct holonfs *fs, struct side *side, uint64_t parent)
{
	side->inode.changed_ns = fs->clock();
	if (side->is_directory)
		side->inode.parent = parent;
	return inode_write(fs, side->child, &side->inode);
}

static int adjust_directory(struct holonfs *fs, uint64_t number, int links)
{
	struct inode_disk directory;
	TRY(inode_read(fs, number, &directory));
	return touch_directory(fs, number, &directory, links);
}

static int exchange(struct holonfs *fs, struct side *from, struct side *to)
{
	TRY(entry_remove(fs, from->directory, from->name));
	TRY(entry_remove(fs, to->directory, to->name));
	TRY(entry_add(fs, from->directory, from->name, to->child, to->inode.mode));
	TRY(entry_add(fs, to->directory, to->name, from->child, from->inode.mode));
	TRY(settle(fs, from, to->directory));
	TRY(settle(fs, to, from->directory));
	TRY(adjust_directory(fs, from->directory, (int)to->is_directory - from->is_directory));
	return adjust_directory(fs, to->directory, (int)from->is_directory - to->is_directory);
}

static int replace(struct holonfs *fs, struct side *from, struct side *to, uint32_t flags)
{
	if (to->exists) {
		TRY(entry_remove(fs, to->directory, to->name));
		TRY(drop_link(fs, to->child, &to->inode));
		if (to->is_directory)
			TRY(adjust_directory(fs, to->directory, -1));
	}
	TRY(entry_remove(fs, from->directory, from->name));
	TRY(entry_add(fs, to->directory, to->name, from->child, from->inode.mode));
	TRY(settle(fs, from, to->directory));
	TRY(adjust_directory(fs, from->directory, from->is_directory ? -1 : 0));
	TRY(adjust_directory(fs, to->directory, from->is_directory ? 1 : 0));
	if (flags & HOLONFS_RENAME_WHITEOUT) {
		struct holonfs_attributes made;
		return create(fs, from->directory, from->name, 0020000, 0, from->inode.uid, from->inode.gid,
		              0, &made);
	}
	return 0;
}

int holonfs_rename(struct holonfs *fs, uint64_t from_directory, const char *from_name, uint64_t to_directory,
                   const char *to_name, uint32_t flags)
{
	struct side from = {.directory = from_directory, .name = from_name};
	struct side to = {.directory = to_directory, .name = to_name};
	struct inode_disk parent;
	uint64_t from_quota;
	TRY(inode_begin(fs, true));
	if (flags & ~(HOLONFS_RENAME_EXCLUSIVE | HOLONFS_RENAME_EXCHANGE | HOLONFS_RENAME_WHITEOUT) ||
	    ((flags & HOLONFS_RENAME_EXCHANGE) && flags != HOLONFS_RENAME_EXCHANGE))
		return -EINVAL;
	TRY(read_side(fs, &from));
	TRY(read_side(fs, &to));
	if (!from.exists || (!to.exists && (flags & HOLONFS_RENAME_EXCHANGE)))
		return -ENOENT;
	if (to.exists && (flags & HOLONFS_RENAME_EXCLUSIVE))
		return -EEXIST;
	TRY(inode_read(fs, from_directory, &parent));
	from_quota = parent.quota;
	TRY(inode_read(fs, to_directory, &parent));
	TRY(check_move(fs, &from, &to, from_quota, parent.quota));
	if (to.exists && to.child == from.child)
		return 0;
	if (flags & HOLONFS_RENAME_EXCHANGE) {
		TRY(check_move(fs, &to, &from, parent.quota, from_quota));
		TRY(quota_adopt(fs, parent.quota, from.child, &from.inode));
		TRY(quota_adopt(fs, parent.quota, to.child, &to.inode));
		return exchange(fs, &from, &to);
	}
	if (to.exists && from.is_directory != to.is_directory)
		return from.is_directory ? -ENOTDIR : -EISDIR;
	if (to.exists && to.is_directory) {
		int empty = directory_is_empty(fs, to.child);
		if (empty <= 0)
			return empty < 0 ? empty : -ENOTEMPTY;
	}
	if (from.is_directory && !to.exists && from_directory != to_directory &&
	    parent.links >= HOLONFS_LINKS_MAX)
		return -EMLINK;
	TRY(quota_adopt(fs, parent.quota, from.child, &from.inode));
	return replace(fs, &from, &to, flags);
}
