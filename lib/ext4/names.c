/* The calls on names and attributes. A call that changes is one step, but for what it leaves to be given back. */
#include "internal.h"

#define LINKS_MAX   65000u
#define DEPTH_MAX   65536u
#define SHORT_BYTES 60u /* a shorter target of a symbolic link is in the inode */

static int directory_get(struct ext4 *fs, uint64_t node, struct inode *inode)
{
	int result = inode_get(fs, node, inode);
	if (result >= 0 && (inode_mode(inode) & MODE_TYPE) != MODE_DIRECTORY) {
		inode_put(inode);
		result = FILE_E_NOT_DIRECTORY;
	}
	return result;
}

/* Looks NAME up, and loads what it leads to. */
static int find(struct ext4 *fs, const struct inode *directory, const char *name, struct place *place,
                struct inode *inode)
{
	int result = directory_find(fs, directory, name, place);
	if (result < 0)
		return result;
	result = inode_get(fs, place->inode, inode);
	if (result < 0) {
		buffer_release(place->buffer);
		place->buffer = 0;
		if (result == FILE_E_STALE)
			result = filesystem_damaged(
			    &fs->fs, "ext4: a name in directory %u leads to inode %u, which is not in use",
			    (unsigned)directory->number, (unsigned)place->inode);
	}
	return result;
}

static int ext4_lookup(struct filesystem *base, uint64_t node, const char *name,
                       struct file_attributes *found)
{
	struct ext4 *fs = ext4_of(base);
	struct inode directory, inode;
	struct place place;
	int result = directory_get(fs, node, &directory);
	if (result < 0)
		return result;
	result = find(fs, &directory, name, &place, &inode);
	if (result >= 0) {
		inode_attributes(fs, &inode, found);
		inode_put(&inode);
		buffer_release(place.buffer);
	}
	inode_put(&directory);
	return result;
}

static int ext4_get(struct filesystem *base, uint64_t node, struct file_attributes *found)
{
	struct ext4 *fs = ext4_of(base);
	struct inode inode;
	int result = inode_get(fs, node, &inode);
	if (result < 0)
		return result;
	inode_attributes(fs, &inode, found);
	inode_put(&inode);
	return E_OK;
}

static void set_owner(struct inode *inode, uint32_t uid, uint32_t gid)
{
	put16(inode->raw + IN_UID, (uint16_t)uid);
	put16(inode->raw + IN_UID_HI, (uint16_t)(uid >> 16));
	put16(inode->raw + IN_GID, (uint16_t)gid);
	put16(inode->raw + IN_GID_HI, (uint16_t)(gid >> 16));
}

static int ext4_set(struct filesystem *base, uint64_t node, uint32_t valid,
                    const struct file_attributes *wanted, struct file_attributes *now)
{
	struct ext4 *fs = ext4_of(base);
	struct inode inode;
	int result = valid & FILE_SET_SIZE ? ext4_resize(base, node, wanted->size) : E_OK;
	if (result >= 0)
		result = transaction_room(fs);
	if (result >= 0)
		result = inode_get(fs, node, &inode);
	if (result < 0)
		return result;
	inode_attributes(fs, &inode, now);
	if (valid & FILE_SET_MODE)
		put16(inode.raw + IN_MODE, (uint16_t)((now->mode & MODE_TYPE) | (wanted->mode & 07777)));
	if (valid & (FILE_SET_UID | FILE_SET_GID))
		set_owner(&inode, valid & FILE_SET_UID ? wanted->uid : now->uid,
		          valid & FILE_SET_GID ? wanted->gid : now->gid);
	if (valid & FILE_SET_ACCESSED)
		inode_set_time(fs, &inode, IN_ATIME, IN_ATIME_EXTRA, wanted->accessed_ns);
	if (valid & FILE_SET_MODIFIED)
		inode_set_time(fs, &inode, IN_MTIME, IN_MTIME_EXTRA, wanted->modified_ns);
	if (valid & FILE_SET_FLAGS) {
		uint32_t flags = get32(inode.raw + IN_FLAGS) & ~(uint32_t)(INODE_IMMUTABLE | INODE_APPEND);
		flags |= wanted->flags & FILE_FLAG_IMMUTABLE ? INODE_IMMUTABLE : 0;
		flags |= wanted->flags & FILE_FLAG_APPEND ? INODE_APPEND : 0;
		put32(inode.raw + IN_FLAGS, flags);
		if (wanted->flags & ~(uint32_t)(FILE_FLAG_IMMUTABLE | FILE_FLAG_APPEND))
			result = FILE_E_SUPPORT;
	}
	inode_stamp(fs, &inode, false);
	inode_changed(fs, &inode);
	inode_attributes(fs, &inode, now);
	inode_put(&inode);
	return result;
}

/* ---- Links ---- */

static void links_set(struct ext4 *fs, struct inode *inode, uint32_t links)
{
	put16(inode->raw + IN_LINKS, (uint16_t)links);
	inode_changed(fs, inode);
}

/* A directory's count is 1 when it has more than can be counted (dir_nlink). */
static int subdirectory_added(struct ext4 *fs, struct inode *directory)
{
	uint32_t links = get16(directory->raw + IN_LINKS);
	if (links == 1)
		return E_OK;
	if (links + 1 > LINKS_MAX) {
		if (!(fs->ro_compat & RO_DIR_NLINK))
			return FILE_E_LINKS;
		links = 0;
	}
	links_set(fs, directory, links + 1);
	return E_OK;
}

static void subdirectory_removed(struct ext4 *fs, struct inode *directory)
{
	uint32_t links = get16(directory->raw + IN_LINKS);
	if (links > 2)
		links_set(fs, directory, links - 1);
}

static void touched(struct ext4 *fs, struct inode *directory)
{
	inode_stamp(fs, directory, true);
	inode_changed(fs, directory);
}

/* ---- Making ---- */

static void device_store(struct inode *inode, uint64_t device)
{
	uint32_t major = (uint32_t)(device >> 32), minor = (uint32_t)device;
	if (major < 256 && minor < 256)
		put32(inode->raw + IN_BLOCK, major << 8 | minor);
	else
		put32(inode->raw + IN_BLOCK + 4, (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12);
}

/* What of a new inode its kind needs. */
static int fill(struct ext4 *fs, struct inode *inode, uint32_t parent, uint64_t device, const char *target)
{
	uint32_t type = inode_mode(inode) & MODE_TYPE;
	size_t length = target ? strlen(target) : 0;
	if (type == MODE_SYMLINK && length < SHORT_BYTES) {
		memcpy(inode->raw + IN_BLOCK, target, length);
		inode_set_size(fs, inode, length);
		return E_OK;
	}
	if (type == MODE_CHARACTER || type == MODE_BLOCK)
		device_store(inode, device);
	if (type != MODE_FILE && type != MODE_DIRECTORY && type != MODE_SYMLINK)
		return E_OK;
	extents_init(inode);
	if (type == MODE_DIRECTORY)
		return directory_make(fs, inode, parent);
	if (type == MODE_FILE)
		return E_OK;
	struct range got;
	int result = blocks_allocate(fs, extent_goal(fs, inode, 0), 1, &got);
	if (result < 0)
		return result;
	const struct extent extent = {0, 1, got.first, false};
	result = extent_insert(fs, inode, &extent);
	if (result < 0)
		return result;
	inode_add_blocks(fs, inode, 1);
	inode_set_size(fs, inode, length);
	memset(fs->scratch, 0, fs->block_bytes);
	memcpy(fs->scratch, target, length);
	return filesystem_write(&fs->fs, got.first * fs->block_bytes, fs->scratch, fs->block_bytes);
}

static int make(struct ext4 *fs, struct inode *directory, const char *name,
                const struct file_attributes *wanted, const char *target, struct file_attributes *made)
{
	struct inode inode;
	uint32_t number;
	bool is_directory = (wanted->mode & MODE_TYPE) == MODE_DIRECTORY;
	int64_t now = fs->fs.options.now_ns();
	int result = transaction_room(fs);
	if (result >= 0)
		result = inode_allocate(fs, directory->number, is_directory, &number);
	if (result < 0)
		return result;
	result = inode_load(fs, number, true, &inode);
	if (result < 0)
		return result;
	put16(inode.raw + IN_MODE, (uint16_t)wanted->mode);
	set_owner(&inode, wanted->uid, wanted->gid);
	put16(inode.raw + IN_LINKS, is_directory ? 2 : 1);
	inode_set_time(fs, &inode, IN_ATIME, IN_ATIME_EXTRA, now);
	inode_set_time(fs, &inode, IN_CRTIME, IN_CRTIME_EXTRA, now);
	inode_stamp(fs, &inode, true);
	result = fill(fs, &inode, directory->number, wanted->device, target);
	if (result >= 0 && is_directory)
		result = subdirectory_added(fs, directory);
	if (result >= 0) {
		result = directory_add(fs, directory, name, number, wanted->mode);
		if (result < 0 && is_directory)
			subdirectory_removed(fs, directory);
	}
	inode_changed(fs, &inode);
	if (result >= 0) {
		touched(fs, directory);
		inode_attributes(fs, &inode, made);
	} else if (!fs->fs.read_only) {
		put16(inode.raw + IN_LINKS, 0);
		(void)(inode_drop(fs, &inode) < 0);
	}
	inode_put(&inode);
	return result;
}

/* Runs ATTEMPT again where what was freed last is there after a commit. */
#define WITH_ROOM(fs, result, attempt)                                                                       \
	do {                                                                                                 \
		(result) = (attempt);                                                                        \
		if ((result) == FILE_E_NO_SPACE && (fs)->freed_count && transaction_commit(fs) >= 0)         \
			(result) = (attempt);                                                                \
	} while (0)

static int ext4_create(struct filesystem *base, uint64_t node, const char *name, uint32_t mode, uint32_t uid,
                       uint32_t gid, uint64_t device, const char *target, struct file_attributes *made)
{
	struct ext4 *fs = ext4_of(base);
	const struct file_attributes wanted = {
	    .mode = mode & 0177777, .uid = uid, .gid = gid, .device = device};
	struct inode directory;
	struct place place;
	if ((mode & MODE_TYPE) == MODE_SYMLINK && (!target || strlen(target) >= fs->block_bytes))
		return target ? FILE_E_NAME_TOO_LONG : E_ARGUMENT;
	int result = directory_get(fs, node, &directory);
	if (result < 0)
		return result;
	if (!get16(directory.raw + IN_LINKS))
		result = FILE_E_NOT_FOUND; /* it was removed */
	if (result >= 0)
		result = directory_find(fs, &directory, name, &place);
	if (result >= 0) {
		buffer_release(place.buffer);
		result = FILE_E_EXISTS;
	} else if (result == FILE_E_NOT_FOUND && get16(directory.raw + IN_LINKS)) {
		WITH_ROOM(fs, result, make(fs, &directory, name, &wanted, target, made));
	}
	inode_put(&directory);
	return result;
}

static int ext4_read_link(struct filesystem *base, uint64_t node, char target[FILE_SYMLINK_MAX])
{
	struct ext4 *fs = ext4_of(base);
	struct inode inode;
	struct extent extent;
	int result = inode_get(fs, node, &inode);
	if (result < 0)
		return result;
	uint64_t size = inode_size(&inode);
	if ((inode_mode(&inode) & MODE_TYPE) != MODE_SYMLINK) {
		result = E_ARGUMENT;
	} else if (size < SHORT_BYTES) {
		memcpy(target, inode.raw + IN_BLOCK, (size_t)size);
		result = (int)size;
	} else if (size >= fs->block_bytes || size > FILE_SYMLINK_MAX) {
		result =
		    filesystem_damaged(&fs->fs, "ext4: the symbolic link %u is too long", (unsigned)node);
	} else {
		result = extent_find(fs, &inode, 0, &extent);
		if (result >= 0 && (!extent.count || extent.logical || extent.unwritten))
			result = filesystem_damaged(&fs->fs, "ext4: the symbolic link %u has no target",
			                            (unsigned)node);
		if (result >= 0)
			result = filesystem_read(&fs->fs, extent.physical * fs->block_bytes, fs->scratch,
			                         fs->block_bytes);
		if (result >= 0) {
			memcpy(target, fs->scratch, (size_t)size);
			result = (int)size;
		}
	}
	inode_put(&inode);
	return result;
}

static int link_add(struct ext4 *fs, struct inode *inode, struct inode *directory, const char *name)
{
	uint32_t links = get16(inode->raw + IN_LINKS);
	int result = transaction_room(fs);
	if (result >= 0)
		result = directory_add(fs, directory, name, inode->number, inode_mode(inode));
	if (result >= 0 && !links) /* it comes back from the orphans */
		result = orphan_remove(fs, inode);
	if (result < 0)
		return result;
	inode_stamp(fs, inode, false);
	links_set(fs, inode, links + 1);
	touched(fs, directory);
	return E_OK;
}

static int ext4_link(struct filesystem *base, uint64_t node, uint64_t directory_node, const char *name,
                     struct file_attributes *now)
{
	struct ext4 *fs = ext4_of(base);
	struct inode inode, directory;
	struct place place;
	int result = directory_get(fs, directory_node, &directory);
	if (result < 0)
		return result;
	result = inode_get(fs, node, &inode);
	if (result < 0) {
		inode_put(&directory);
		return result;
	}
	if ((inode_mode(&inode) & MODE_TYPE) == MODE_DIRECTORY ||
	    get32(inode.raw + IN_FLAGS) & (INODE_IMMUTABLE | INODE_APPEND))
		result = E_RIGHTS;
	else if (get16(inode.raw + IN_LINKS) >= LINKS_MAX)
		result = FILE_E_LINKS;
	else if (!get16(directory.raw + IN_LINKS))
		result = FILE_E_NOT_FOUND;
	else
		result = directory_find(fs, &directory, name, &place);
	if (result >= 0) {
		buffer_release(place.buffer);
		result = FILE_E_EXISTS;
	} else if (result == FILE_E_NOT_FOUND && get16(directory.raw + IN_LINKS)) {
		WITH_ROOM(fs, result, link_add(fs, &inode, &directory, name));
	}
	if (result >= 0)
		inode_attributes(fs, &inode, now);
	inode_put(&inode);
	inode_put(&directory);
	return result;
}

/* ---- Removing ---- */

/* INODE, which is what a name leads to that goes, may go. */
static int removable(struct ext4 *fs, const struct inode *inode, bool is_directory)
{
	bool directory = (inode_mode(inode) & MODE_TYPE) == MODE_DIRECTORY;
	if (get32(inode->raw + IN_FLAGS) & (INODE_IMMUTABLE | INODE_APPEND))
		return E_RIGHTS;
	if (directory != is_directory)
		return directory ? FILE_E_IS_DIRECTORY : FILE_E_NOT_DIRECTORY;
	if (!directory)
		return E_OK;
	int empty = directory_is_empty(fs, inode);
	return empty < 0 ? empty : empty ? E_OK : FILE_E_NOT_EMPTY;
}

/* One name of INODE, in DIRECTORY, is gone. */
static int name_lost(struct ext4 *fs, struct inode *directory, struct inode *inode)
{
	uint32_t links = get16(inode->raw + IN_LINKS);
	inode_stamp(fs, inode, false);
	if ((inode_mode(inode) & MODE_TYPE) == MODE_DIRECTORY) {
		subdirectory_removed(fs, directory);
		links = 1;
	}
	links_set(fs, inode, links ? links - 1 : 0);
	return links > 1 ? E_OK : inode_drop(fs, inode);
}

static int ext4_unlink(struct filesystem *base, uint64_t node, const char *name, bool is_directory)
{
	struct ext4 *fs = ext4_of(base);
	struct inode directory, inode;
	struct place place;
	int result = directory_get(fs, node, &directory);
	if (result < 0)
		return result;
	result = find(fs, &directory, name, &place, &inode);
	if (result >= 0) {
		result = removable(fs, &inode, is_directory);
		if (result >= 0)
			result = transaction_room(fs);
		if (result >= 0) {
			directory_remove(fs, &directory, &place);
			touched(fs, &directory);
			result = name_lost(fs, &directory, &inode);
		}
		inode_put(&inode);
		buffer_release(place.buffer);
	}
	inode_put(&directory);
	return result;
}

/* ---- Renaming ---- */

static int parent_of(struct ext4 *fs, const struct inode *directory, uint32_t *parent)
{
	struct place place;
	int result = directory_find(fs, directory, "..", &place);
	if (result == FILE_E_NOT_FOUND)
		result = filesystem_damaged(&fs->fs, "ext4: directory %u has no parent",
		                            (unsigned)directory->number);
	if (result < 0)
		return result;
	*parent = place.inode;
	buffer_release(place.buffer);
	return E_OK;
}

static int ext4_parent(struct filesystem *base, uint64_t node, uint64_t *parent)
{
	struct ext4 *fs = ext4_of(base);
	struct inode directory;
	uint32_t found = 0;
	int result = directory_get(fs, node, &directory);
	if (result < 0)
		return result;
	result = parent_of(fs, &directory, &found);
	*parent = found;
	inode_put(&directory);
	return result;
}

static int parent_set(struct ext4 *fs, struct inode *directory, uint32_t parent)
{
	struct place place;
	int result = directory_find(fs, directory, "..", &place);
	if (result < 0)
		return result == FILE_E_NOT_FOUND ? FILE_E_IO : result;
	directory_replace(fs, directory, &place, parent, MODE_DIRECTORY);
	buffer_release(place.buffer);
	return E_OK;
}

/* Whether the directory WHAT is NODE or above it. */
static int is_above(struct ext4 *fs, uint32_t what, uint32_t node)
{
	for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
		struct inode directory;
		if (node == what)
			return 1;
		if (node == EXT4_ROOT)
			return 0;
		int result = directory_get(fs, node, &directory);
		if (result < 0)
			return result;
		result = parent_of(fs, &directory, &node);
		inode_put(&directory);
		if (result < 0)
			return result;
	}
	return filesystem_damaged(&fs->fs, "ext4: the directories above %u have no end", (unsigned)node);
}

struct rename {
	struct inode *from, *to; /* directories */
	const char *from_name, *to_name;
	struct place source, target;
	struct inode inode, over; /* over.buffer is 0: there is no target */
};

static bool is_directory(const struct inode *inode)
{
	return (inode_mode(inode) & MODE_TYPE) == MODE_DIRECTORY;
}

static int rename_check(struct ext4 *fs, const struct rename *rename, uint32_t flags)
{
	int result = E_OK;
	if (get32(rename->inode.raw + IN_FLAGS) & (INODE_IMMUTABLE | INODE_APPEND))
		return E_RIGHTS;
	if (rename->over.buffer && flags & FILE_RENAME_EXCLUSIVE)
		return FILE_E_EXISTS;
	if (!rename->over.buffer && flags & FILE_RENAME_EXCHANGE)
		return FILE_E_NOT_FOUND;
	if (!get16(rename->to->raw + IN_LINKS))
		return FILE_E_NOT_FOUND;
	if (rename->over.buffer && !(flags & FILE_RENAME_EXCHANGE))
		result = removable(fs, &rename->over, is_directory(&rename->inode));
	if (result >= 0 && is_directory(&rename->inode))
		result = is_above(fs, rename->inode.number, rename->to->number);
	if (!result && rename->over.buffer && flags & FILE_RENAME_EXCHANGE && is_directory(&rename->over))
		result = is_above(fs, rename->over.number, rename->from->number);
	return result > 0 ? E_ARGUMENT : result;
}

static int exchange(struct ext4 *fs, struct rename *rename)
{
	bool first = is_directory(&rename->inode), second = is_directory(&rename->over);
	int result = E_OK;
	directory_replace(fs, rename->from, &rename->source, rename->over.number, inode_mode(&rename->over));
	directory_replace(fs, rename->to, &rename->target, rename->inode.number, inode_mode(&rename->inode));
	if (rename->from->number != rename->to->number) {
		if (first && !second) {
			result = subdirectory_added(fs, rename->to);
			subdirectory_removed(fs, rename->from);
		} else if (second && !first) {
			result = subdirectory_added(fs, rename->from);
			subdirectory_removed(fs, rename->to);
		}
		if (result >= 0 && first)
			result = parent_set(fs, &rename->inode, rename->to->number);
		if (result >= 0 && second)
			result = parent_set(fs, &rename->over, rename->from->number);
	}
	inode_stamp(fs, &rename->over, false);
	inode_changed(fs, &rename->over);
	return result;
}

/* The new name first: when there is no room for it, nothing has changed. */
static int move(struct ext4 *fs, struct rename *rename)
{
	bool directory = is_directory(&rename->inode), crosses = rename->from->number != rename->to->number;
	int result = E_OK;
	if (directory && crosses)
		result = subdirectory_added(fs, rename->to);
	if (result >= 0 && rename->over.buffer)
		directory_replace(fs, rename->to, &rename->target, rename->inode.number,
		                  inode_mode(&rename->inode));
	else if (result >= 0)
		result = directory_add(fs, rename->to, rename->to_name, rename->inode.number,
		                       inode_mode(&rename->inode));
	if (result < 0) {
		if (directory && crosses)
			subdirectory_removed(fs, rename->to);
		return result;
	}
	/* The old name may have moved when the new one was added. */
	buffer_release(rename->source.buffer);
	result = directory_find(fs, rename->from, rename->from_name, &rename->source);
	if (result < 0)
		return result == FILE_E_NOT_FOUND ? filesystem_damaged(&fs->fs, "ext4: a name got lost")
		                                  : result;
	directory_remove(fs, rename->from, &rename->source);
	if (directory && crosses) {
		subdirectory_removed(fs, rename->from);
		result = parent_set(fs, &rename->inode, rename->to->number);
	}
	return result;
}

static int rename_do(struct ext4 *fs, struct rename *rename, uint32_t flags)
{
	int result = transaction_room(fs);
	if (result < 0)
		return result;
	result = flags & FILE_RENAME_EXCHANGE ? exchange(fs, rename) : move(fs, rename);
	if (result < 0)
		return result;
	inode_stamp(fs, &rename->inode, false);
	inode_changed(fs, &rename->inode);
	touched(fs, rename->from);
	touched(fs, rename->to);
	if (!rename->over.buffer || flags & FILE_RENAME_EXCHANGE)
		return E_OK;
	return name_lost(fs, rename->to, &rename->over);
}

static int rename_in(struct ext4 *fs, struct rename *rename, uint32_t flags)
{
	int result = find(fs, rename->from, rename->from_name, &rename->source, &rename->inode);
	if (result < 0)
		return result;
	result = find(fs, rename->to, rename->to_name, &rename->target, &rename->over);
	if (result == FILE_E_NOT_FOUND)
		result = E_OK;
	/* Two names of one file: POSIX has nothing happen. */
	bool same = rename->over.buffer && rename->over.number == rename->inode.number;
	if (result >= 0 && !(same && !(flags & FILE_RENAME_EXCLUSIVE))) {
		result = rename_check(fs, rename, flags);
		if (result >= 0)
			WITH_ROOM(fs, result, rename_do(fs, rename, flags));
	}
	inode_put(&rename->over);
	inode_put(&rename->inode);
	buffer_release(rename->source.buffer);
	buffer_release(rename->target.buffer);
	return result;
}

static int ext4_rename(struct filesystem *base, uint64_t from_node, const char *from_name, uint64_t to_node,
                       const char *to_name, uint32_t flags)
{
	struct ext4 *fs = ext4_of(base);
	struct inode from, to;
	struct rename rename = {.from = &from, .to = &to, .from_name = from_name, .to_name = to_name};
	if (flags & FILE_RENAME_WHITEOUT)
		return FILE_E_SUPPORT;
	int result = directory_get(fs, from_node, &from);
	if (result < 0)
		return result;
	result = directory_get(fs, to_node, &to);
	if (result >= 0) {
		result = rename_in(fs, &rename, flags);
		inode_put(&to);
	}
	inode_put(&from);
	return result;
}

/* ---- The rest ---- */

static int ext4_list(struct filesystem *base, uint64_t node, uint64_t cookie, struct filesystem_entry *entry)
{
	struct ext4 *fs = ext4_of(base);
	struct inode directory, inode;
	int result = directory_get(fs, node, &directory);
	if (result < 0)
		return result;
	result = directory_list(fs, &directory, cookie, entry);
	inode_put(&directory);
	if (result == 1 && !entry->mode) { /* entries without types */
		int found = inode_get(fs, entry->node, &inode);
		if (found < 0)
			return found;
		entry->mode = inode_mode(&inode) & MODE_TYPE;
		inode_put(&inode);
	}
	return result;
}

int ext4_sync(struct filesystem *base, uint64_t node, bool data_only)
{
	(void)node, (void)data_only; /* of one file or of all: it is one commit */
	return transaction_commit(ext4_of(base));
}

static int ext4_relieve(struct filesystem *base)
{
	struct ext4 *fs = ext4_of(base);
	return cache_pressed(&fs->cache) && !fs->fs.read_only ? transaction_checkpoint(fs) : E_OK;
}

static int ext4_statistics(struct filesystem *base, uint64_t node, struct file_statistics *statistics)
{
	const struct ext4 *fs = ext4_of(base);
	(void)node; /* there are no quotas */
	*statistics = (struct file_statistics){.block_bytes = fs->block_bytes,
	                                       .blocks = fs->blocks,
	                                       .blocks_free = fs->free_blocks,
	                                       .nodes = fs->inodes,
	                                       .nodes_free = fs->free_inodes,
	                                       .name_max = FILE_NAME_MAX,
	                                       .flags = fs->fs.read_only ? FILE_STATISTICS_READ_ONLY : 0};
	memcpy(statistics->identity, fs->super + SB_UUID, 16);
	return E_OK;
}

const struct filesystem_operations ext4_operations = {
    .name = "ext4",
    .unmount = ext4_unmount,
    .sync = ext4_sync,
    .relieve = ext4_relieve,
    .use = ext4_use,
    .forget = ext4_forget,
    .statistics = ext4_statistics,
    .lookup = ext4_lookup,
    .get = ext4_get,
    .set = ext4_set,
    .create = ext4_create,
    .read_link = ext4_read_link,
    .link = ext4_link,
    .unlink = ext4_unlink,
    .rename = ext4_rename,
    .list = ext4_list,
    .parent = ext4_parent,
    .read = ext4_read,
    .write = ext4_write,
    .resize = ext4_resize,
    .allocate = ext4_allocate,
    .seek = ext4_seek,
    .xattr_get = ext4_xattr_get,
    .xattr_set = ext4_xattr_set,
    .xattr_list = ext4_xattr_list,
    .xattr_remove = ext4_xattr_remove,
};
