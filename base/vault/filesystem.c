/* holonfs as a file system of lib/filesystem, with what a vault adds: quotas, the room of its device, and its mounts. */
#include "vault.h"

/* A device keeps a MARGINth of its room from contents, for names, maps and commits; and half of that, and WORK_BYTES, from names and
 * attributes, so that what there is can always be changed, removed and synced. */
#define MARGIN     16u
#define WORK_BYTES (128u * VDISK_BLOCK) /* what a commit may need beside what it writes */

static struct vault *vault_of(struct filesystem *fs)
{
	return (struct vault *)(void *)((char *)fs - offsetof(struct vault, filesystem));
}

static struct holonfs *of(struct filesystem *fs)
{
	return vault_of(fs)->fs;
}

/* newlib's numbers are not Linux'. */
int64_t file_error(int64_t status)
{
	switch (status) {
	case 0:
		return E_OK;
	case -ENOENT:
		return FILE_E_NOT_FOUND;
	case -EEXIST:
		return FILE_E_EXISTS;
	case -EXDEV:
		return FILE_E_OTHER_DEVICE;
	case -ENOTDIR:
		return FILE_E_NOT_DIRECTORY;
	case -EISDIR:
		return FILE_E_IS_DIRECTORY;
	case -EFBIG:
		return FILE_E_TOO_BIG;
	case -ENOSPC:
		return FILE_E_NO_SPACE;
	case -EROFS:
		return FILE_E_READ_ONLY;
	case -EMLINK:
		return FILE_E_LINKS;
	case -ENAMETOOLONG:
		return FILE_E_NAME_TOO_LONG;
	case -ENOTEMPTY:
		return FILE_E_NOT_EMPTY;
	case -ENODATA:
		return FILE_E_NO_ATTRIBUTE;
	case -EOPNOTSUPP:
		return FILE_E_SUPPORT;
	case -ESTALE:
		return FILE_E_STALE;
	case -EDQUOT:
		return FILE_E_QUOTA;
	case -EINVAL:
		return E_ARGUMENT;
	case -EPERM:
		return E_RIGHTS;
	case -ENOMEM:
		return VAULT_E_NO_MEMORY;
	case -ENXIO:
		return E_NOT_FOUND;
	case -ERANGE:
		return E_ARGUMENT;
	case -EMEDIUMTYPE:
		return VAULT_E_FORMAT;
	case -EPROTONOSUPPORT:
		return VAULT_E_VERSION;
	case -EUCLEAN:
	default:
		return status < 0 ? FILE_E_IO : status;
	}
}

static int error_of(int64_t status)
{
	return (int)file_error(status);
}

/* Contents of at most IN_TREE bytes may lie in the tree and take no block. They are no hole: there are programs that take a file of no blocks
 * for one. */
#define IN_TREE 1024u

static uint64_t bytes_used(const struct holonfs_attributes *of)
{
	uint64_t bytes = of->blocks * HOLONFS_BLOCK;
	return !bytes && (of->mode & 0170000) == 0100000 && of->size <= IN_TREE ? of->size : bytes;
}

static void convert(const struct holonfs_attributes *from, struct file_attributes *to)
{
	*to = (struct file_attributes){.node = from->inode,
	                               .size = from->size,
	                               .bytes_used = bytes_used(from),
	                               .accessed_ns = from->accessed_ns,
	                               .modified_ns = from->modified_ns,
	                               .changed_ns = from->changed_ns,
	                               .created_ns = from->created_ns,
	                               .device = from->device,
	                               .mode = from->mode,
	                               .links = from->links,
	                               .uid = from->uid,
	                               .gid = from->gid,
	                               .flags = from->flags};
}

static int give(int status, const struct holonfs_attributes *from, struct file_attributes *to)
{
	if (status < 0)
		return error_of(status);
	convert(from, to);
	return E_OK;
}

/* ---- Room ---- */

/* Bytes of the device beyond KEEP that nothing has. What is in memory yet may need a block each, and one of the vdisk's map. Where
 * that matters it is written, and what was given up is committed. */
static uint64_t device_left(const struct vault *vault, uint64_t keep)
{
	uint64_t device = vault_device_bytes(vault);
	for (bool committed = false;; committed = true) {
		struct holonfs_statistics statistics;
		struct vdisk_info disk;
		vdisk_get_info(vault->disk, &disk);
		holonfs_get_statistics(vault->fs, &statistics);
		uint64_t used = disk.used_blocks * VDISK_BLOCK + keep;
		uint64_t passing = (disk.pinned_blocks + 2 * statistics.unwritten) * VDISK_BLOCK;
		if (used + passing < device)
			return device - used - passing;
		if (committed || !passing || holonfs_sync(vault->fs) < 0 || vdisk_commit(vault->disk) < 0)
			return used < device ? device - used : 0;
	}
}

/* Bytes that can still be written: of the virtual space and of the device. */
static uint64_t room_of(const struct vault *vault)
{
	struct holonfs_statistics statistics;
	uint64_t left = device_left(vault, vault_device_bytes(vault) / MARGIN);
	holonfs_get_statistics(vault->fs, &statistics);
	uint64_t virtual_left = statistics.blocks_free * HOLONFS_BLOCK;
	return left < virtual_left ? left : virtual_left;
}

/* Whether there is room for what makes the tree larger, for which nobody asks: PARTS tells how much of the margin stays. */
static int check_small_room(struct filesystem *fs, unsigned parts)
{
	const struct vault *vault = vault_of(fs);
	return device_left(vault, vault_device_bytes(vault) / MARGIN / parts + WORK_BYTES) ? E_OK
	                                                                                   : FILE_E_NO_SPACE;
}

/* ---- Calls ---- */

static int fs_sync(struct filesystem *fs, uint64_t node, bool data_only)
{
	(void)node, (void)data_only; /* of one node or of all: it is one flush */
	return error_of(holonfs_sync(of(fs)));
}

static int fs_relieve(struct filesystem *fs)
{
	/* Removing changes much, too, and has less room than what was made: so this begins early to write and to commit. */
	(void)device_left(vault_of(fs), WORK_BYTES);
	return error_of(holonfs_relieve(of(fs)));
}

static int fs_use(struct filesystem *fs, uint64_t node)
{
	return error_of(holonfs_use(of(fs), node));
}

static void fs_forget(struct filesystem *fs, uint64_t node)
{
	(void)(holonfs_forget(of(fs), node, 1) < 0); /* what cannot be deleted now goes at the next mount */
}

static int fs_lookup(struct filesystem *fs, uint64_t directory, const char *name,
                     struct file_attributes *found)
{
	struct holonfs_attributes attributes;
	return give(holonfs_lookup(of(fs), directory, name, &attributes), &attributes, found);
}

static int fs_get(struct filesystem *fs, uint64_t node, struct file_attributes *found)
{
	struct holonfs_attributes attributes;
	return give(holonfs_get(of(fs), node, &attributes), &attributes, found);
}

static int fs_set(struct filesystem *fs, uint64_t node, uint32_t valid, const struct file_attributes *wanted,
                  struct file_attributes *now)
{
	static const struct {
		uint32_t valid, set;
	} masks[] = {{FILE_SET_MODE, HOLONFS_SET_MODE},         {FILE_SET_UID, HOLONFS_SET_UID},
	             {FILE_SET_GID, HOLONFS_SET_GID},           {FILE_SET_SIZE, HOLONFS_SET_SIZE},
	             {FILE_SET_ACCESSED, HOLONFS_SET_ACCESSED}, {FILE_SET_MODIFIED, HOLONFS_SET_MODIFIED},
	             {FILE_SET_FLAGS, HOLONFS_SET_FLAGS}};
	const struct holonfs_attributes set = {.mode = wanted->mode,
	                                       .uid = wanted->uid,
	                                       .gid = wanted->gid,
	                                       .size = wanted->size,
	                                       .flags = wanted->flags,
	                                       .accessed_ns = wanted->accessed_ns,
	                                       .modified_ns = wanted->modified_ns};
	struct holonfs_attributes attributes;
	uint32_t mask = 0;
	for (unsigned i = 0; i < sizeof(masks) / sizeof(*masks); i++)
		if (valid & masks[i].valid)
			mask |= masks[i].set;
	return give(holonfs_set(of(fs), node, mask, &set, &attributes), &attributes, now);
}

static int fs_create(struct filesystem *fs, uint64_t directory, const char *name, uint32_t mode, uint32_t uid,
                     uint32_t gid, uint64_t device, const char *target, struct file_attributes *made)
{
	int room = check_small_room(fs, 2);
	if (room < 0)
		return room;
	struct holonfs_attributes attributes;
	return give(target ? holonfs_symlink(of(fs), directory, name, target, uid, gid, &attributes)
	                   : holonfs_create(of(fs), directory, name, mode, 0, uid, gid, device, &attributes),
	            &attributes, made);
}

static int fs_read_link(struct filesystem *fs, uint64_t node, char target[FILE_SYMLINK_MAX])
{
	return error_of(holonfs_read_link(of(fs), node, target, FILE_SYMLINK_MAX));
}

static int fs_link(struct filesystem *fs, uint64_t node, uint64_t directory, const char *name,
                   struct file_attributes *now)
{
	int room = check_small_room(fs, 2);
	if (room < 0)
		return room;
	struct holonfs_attributes attributes;
	return give(holonfs_link(of(fs), node, directory, name, &attributes), &attributes, now);
}

static int fs_unlink(struct filesystem *fs, uint64_t directory, const char *name, bool is_directory)
{
	return error_of(is_directory ? holonfs_rmdir(of(fs), directory, name)
	                             : holonfs_unlink(of(fs), directory, name));
}

static int fs_rename(struct filesystem *fs, uint64_t from_directory, const char *from, uint64_t to_directory,
                     const char *to, uint32_t flags)
{
	int room = check_small_room(fs, 8); /* over an image, to remove is to rename */
	if (room < 0)
		return room;
	_Static_assert((int)HOLONFS_RENAME_EXCLUSIVE == FILE_RENAME_EXCLUSIVE &&
	                   (int)HOLONFS_RENAME_EXCHANGE == FILE_RENAME_EXCHANGE &&
	                   (int)HOLONFS_RENAME_WHITEOUT == FILE_RENAME_WHITEOUT,
	               "the flags are the same");
	return error_of(holonfs_rename(of(fs), from_directory, from, to_directory, to, flags));
}

static int fs_list(struct filesystem *fs, uint64_t directory, uint64_t cookie, struct filesystem_entry *entry)
{
	struct holonfs_entry found;
	int result = holonfs_list(of(fs), directory, cookie, &found);
	if (result <= 0)
		return error_of(result);
	entry->node = found.inode;
	entry->cookie = found.cookie;
	entry->mode = found.mode;
	memcpy(entry->name, found.name, sizeof(entry->name));
	return 1;
}

static int fs_parent(struct filesystem *fs, uint64_t directory, uint64_t *parent)
{
	return error_of(holonfs_parent(of(fs), directory, parent));
}

static int64_t fs_read(struct filesystem *fs, uint64_t node, uint64_t offset, void *buffer, size_t bytes)
{
	return file_error(holonfs_read(of(fs), node, offset, buffer, bytes));
}

static int64_t fs_write(struct filesystem *fs, uint64_t node, uint64_t offset, const void *buffer,
                        size_t bytes)
{
	return file_error(holonfs_write(of(fs), node, offset, buffer, bytes));
}

static int fs_resize(struct filesystem *fs, uint64_t node, uint64_t size)
{
	return error_of(holonfs_truncate(of(fs), node, size));
}

static int fs_allocate(struct filesystem *fs, uint64_t node, uint32_t mode, uint64_t offset, uint64_t bytes)
{
	int room = check_small_room(fs, 4); /* punching gives room, in the end */
	if (room < 0)
		return room;
	return error_of(holonfs_allocate(of(fs), node, mode, offset, bytes));
}

static int64_t fs_seek(struct filesystem *fs, uint64_t node, uint64_t offset, bool hole)
{
	return file_error(holonfs_seek(of(fs), node, offset, hole));
}

static int64_t fs_share(struct filesystem *fs, uint64_t from, uint64_t from_offset, uint64_t to,
                        uint64_t to_offset, uint64_t bytes)
{
	int room = check_small_room(fs, 2);
	if (room < 0)
		return room;
	return file_error(holonfs_share(of(fs), from, from_offset, to, to_offset, bytes));
}

static int64_t fs_xattr_get(struct filesystem *fs, uint64_t node, const char *name, void *value, size_t room)
{
	return file_error(holonfs_xattr_get(of(fs), node, name, value, room));
}

static int fs_xattr_set(struct filesystem *fs, uint64_t node, const char *name, const void *value,
                        size_t bytes, uint32_t flags)
{
	int room = check_small_room(fs, 2);
	if (room < 0)
		return room;
	return error_of(holonfs_xattr_set(of(fs), node, name, value, bytes, (int)flags));
}

static int64_t fs_xattr_list(struct filesystem *fs, uint64_t node, char *names, size_t room)
{
	return file_error(holonfs_xattr_list(of(fs), node, names, room));
}

static int fs_xattr_remove(struct filesystem *fs, uint64_t node, const char *name)
{
	return error_of(holonfs_xattr_remove(of(fs), node, name));
}

/* ---- What is left, for who asks ---- */

static int fs_room(struct filesystem *fs, uint64_t node, uint64_t *bytes)
{
	uint64_t limits[2];
	uint64_t used[2];
	*bytes = room_of(vault_of(fs));
	int status = holonfs_get_quota(of(fs), node, limits, used);
	if (status < 0)
		return error_of(status);
	if (status && limits[0]) {
		uint64_t left = limits[0] > used[0] ? (limits[0] - used[0]) * HOLONFS_BLOCK : 0;
		if (!left)
			return FILE_E_QUOTA;
		*bytes = *bytes < left ? *bytes : left;
	}
	return E_OK;
}

static int fs_statistics(struct filesystem *fs, uint64_t root, struct file_statistics *out)
{
	const struct vault *vault = vault_of(fs);
	struct holonfs_statistics now;
	uint64_t limits[2];
	uint64_t used[2];
	holonfs_get_statistics(vault->fs, &now);
	*out = (struct file_statistics){.block_bytes = HOLONFS_BLOCK,
	                                .blocks = now.blocks,
	                                .blocks_free = room_of(vault) / HOLONFS_BLOCK,
	                                .nodes = now.inodes,
	                                .nodes_free = UINT64_MAX,
	                                .name_max = FILE_NAME_MAX,
	                                .flags = fs->read_only ? FILE_STATISTICS_READ_ONLY : 0};
	memcpy(out->identity, now.id, sizeof(out->identity));
	if (holonfs_get_quota(of(fs), root, limits, used) <= 0)
		return E_OK;
	uint64_t left = limits[0] > used[0] ? limits[0] - used[0] : 0;
	if (limits[0]) {
		out->blocks = limits[0];
		out->blocks_free = left < out->blocks_free ? left : out->blocks_free;
	}
	if (limits[1])
		out->nodes_free = limits[1] > used[1] ? limits[1] - used[1] : 0;
	return E_OK;
}

static const struct filesystem_operations filesystem_operations = {.name = "holonfs",
                                                                   .sync = fs_sync,
                                                                   .relieve = fs_relieve,
                                                                   .use = fs_use,
                                                                   .forget = fs_forget,
                                                                   .statistics = fs_statistics,
                                                                   .room = fs_room,
                                                                   .lookup = fs_lookup,
                                                                   .get = fs_get,
                                                                   .set = fs_set,
                                                                   .create = fs_create,
                                                                   .read_link = fs_read_link,
                                                                   .link = fs_link,
                                                                   .unlink = fs_unlink,
                                                                   .rename = fs_rename,
                                                                   .list = fs_list,
                                                                   .parent = fs_parent,
                                                                   .read = fs_read,
                                                                   .write = fs_write,
                                                                   .resize = fs_resize,
                                                                   .allocate = fs_allocate,
                                                                   .seek = fs_seek,
                                                                   .share = fs_share,
                                                                   .xattr_get = fs_xattr_get,
                                                                   .xattr_set = fs_xattr_set,
                                                                   .xattr_list = fs_xattr_list,
                                                                   .xattr_remove = fs_xattr_remove};

void vault_serve_begin(struct vault *vault)
{
	vault->filesystem = (struct filesystem){.operations = &filesystem_operations,
	                                        .options = {.now_ns = service_now_ns},
	                                        .root = HOLONFS_ROOT,
	                                        .read_only = vault->read_only};
	vault->served = (struct served){.fs = &vault->filesystem};
}

/* ---- Mounts ---- */

static int64_t mount_session(void *context, uint64_t badge, handle_t quota, handle_t changes, uint32_t flags,
                             int64_t now_ns, handle_t *given, uint64_t *root, const void **attributes,
                             uint32_t *bytes)
{
	uint64_t index = BADGE_INDEX(badge);
	(void)context;
	if (index >= MOUNTS_MAX || service.mounts[index].badge != badge || !service.mounts[index].vault)
		return FILE_E_IO; /* the vault was closed, or put back */
	const struct mount *mount = &service.mounts[index];
	*root = mount->inode;
	return session_begin(&mount->vault->served, mount->inode, mount->read_only, quota, changes, flags,
	                     now_ns, given, attributes, bytes);
}

/* On a mount all but session() find no session of their badge: FILE_E_IO. */
const struct file_operations mount_operations = {.session = mount_session, FILE_SERVICE_CALLS};
