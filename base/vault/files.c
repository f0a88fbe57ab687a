/* Names and attributes of abi/file.interface, on holonfs. */
#include "vault.h"

#define SET_KNOWN 511u
#define S_TYPE    0170000u

static uint8_t reply[MESSAGE_BYTES_MAX]; /* what a call gives back in bytes */

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

void attributes_convert(const struct holonfs_attributes *from, struct file_attributes *to)
{
	*to = (struct file_attributes){.node = from->inode,
	                               .size = from->size,
	                               .bytes_used = from->blocks * HOLONFS_BLOCK,
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

static int64_t give(const struct holonfs_attributes *found, const void **attributes, uint32_t *bytes)
{
	struct file_attributes out;
	attributes_convert(found, &out);
	memcpy(reply, &out, sizeof(out));
	*attributes = reply;
	*bytes = sizeof(out);
	return E_OK;
}

/* A node that the session gets a use of. */
static int64_t give_used(struct session *session, const struct holonfs_attributes *found, uint64_t *node,
                         const void **attributes, uint32_t *bytes)
{
	int64_t result = session_use(session, found->inode);
	if (result < 0)
		return result;
	*node = found->inode;
	return give(found, attributes, bytes);
}

static int64_t name_begin(uint64_t badge, uint64_t directory, const char *name, bool writes,
                          struct session **session, struct holonfs **fs)
{
	int64_t result = call_begin(badge, directory, writes, session, fs);
	return result < 0 ? result : file_name_check(name);
}

static int64_t files_lookup(void *context, uint64_t badge, uint64_t directory, const char *name,
                            uint64_t *node, const void **attributes, uint32_t *bytes)
{
	struct session *session;
	struct holonfs *fs;
	struct holonfs_attributes found;
	(void)context;
	int64_t result = name_begin(badge, directory, name, false, &session, &fs);
	if (result >= 0)
		result = file_error(holonfs_lookup(fs, directory, name, &found));
	return result < 0 ? result : give_used(session, &found, node, attributes, bytes);
}

static int64_t files_forget(void *context, uint64_t badge, uint64_t node, uint64_t count)
{
	struct session *session;
	struct holonfs *fs;
	(void)context;
	int64_t result = call_begin(badge, node, false, &session, &fs);
	return result < 0 ? result : session_forget(session, node, count);
}

static int64_t files_attributes(void *context, uint64_t badge, uint64_t node, const void **attributes,
                                uint32_t *bytes)
{
	struct session *session;
	struct holonfs *fs;
	struct holonfs_attributes found;
	(void)context;
	int64_t result = call_begin(badge, node, false, &session, &fs);
	if (result >= 0)
		result = file_error(holonfs_get(fs, node, &found));
	return result < 0 ? result : give(&found, attributes, bytes);
}

static int64_t files_set_attributes(void *context, uint64_t badge, uint64_t node, uint32_t valid,
                                    const void *wanted_data, uint32_t wanted_bytes, const void **attributes,
                                    uint32_t *bytes)
{
	struct session *session;
	struct holonfs *fs;
	struct file_attributes wanted;
	struct holonfs_attributes set = {0};
	uint32_t mask = 0;
	(void)context;
	static const struct {
		uint32_t valid, set;
	} masks[] = {{FILE_SET_MODE, HOLONFS_SET_MODE},
	             {FILE_SET_UID, HOLONFS_SET_UID},
	             {FILE_SET_GID, HOLONFS_SET_GID},
	             {FILE_SET_SIZE, HOLONFS_SET_SIZE},
	             {FILE_SET_ACCESSED | FILE_SET_ACCESSED_NOW, HOLONFS_SET_ACCESSED},
	             {FILE_SET_MODIFIED | FILE_SET_MODIFIED_NOW, HOLONFS_SET_MODIFIED},
	             {FILE_SET_FLAGS, HOLONFS_SET_FLAGS}};
	int64_t result = call_begin(badge, node, true, &session, &fs);
	if (result < 0)
		return result;
	if (wanted_bytes != sizeof(wanted) || valid & ~SET_KNOWN)
		return E_ARGUMENT;
	memcpy(&wanted, wanted_data, sizeof(wanted));
	for (unsigned i = 0; i < sizeof(masks) / sizeof(*masks); i++)
		if (valid & masks[i].valid)
			mask |= masks[i].set;
	set.mode = wanted.mode;
	set.uid = wanted.uid;
	set.gid = wanted.gid;
	set.size = wanted.size;
	set.flags = wanted.flags;
	set.accessed_ns = valid & FILE_SET_ACCESSED_NOW ? service_now_ns() : wanted.accessed_ns;
	set.modified_ns = valid & FILE_SET_MODIFIED_NOW ? service_now_ns() : wanted.modified_ns;
	if (valid & FILE_SET_SIZE && wanted.size > FILE_SIZE_MAX)
		return FILE_E_TOO_BIG;
	struct holonfs_attributes now;
	result = call_end(session, file_error(holonfs_set(fs, node, mask, &set, &now)));
	return result < 0 ? result : give(&now, attributes, bytes);
}

static int64_t files_create(void *context, uint64_t badge, uint64_t directory, uint32_t mode, uint64_t owner,
                            uint64_t device, const char *name, uint64_t *node, const void **attributes,
                            uint32_t *bytes)
{
	struct session *session;
	struct holonfs *fs;
	struct holonfs_attributes made;
	(void)context;
	int64_t result = name_begin(badge, directory, name, true, &session, &fs);
	if (result < 0)
		return result;
	switch (mode & S_TYPE) {
	case 0010000: /* FIFO, character device, directory, block device, regular, socket */
	case 0020000:
	case 0040000:
	case 0060000:
	case 0100000:
	case 0140000:
		break;
	default:
		return E_ARGUMENT;
	}
	result = call_end(session, file_error(holonfs_create(fs, directory, name, mode, 0, (uint32_t)owner,
	                                                     (uint32_t)(owner >> 32), device, &made)));
	return result < 0 ? result : give_used(session, &made, node, attributes, bytes);
}

static int64_t files_link_symbolic(void *context, uint64_t badge, uint64_t directory, uint64_t owner,
                                   const char *name, const char *target, uint64_t *node,
                                   const void **attributes, uint32_t *bytes)
{
	struct session *session;
	struct holonfs *fs;
	struct holonfs_attributes made;
	(void)context;
	int64_t result = name_begin(badge, directory, name, true, &session, &fs);
	if (result < 0)
		return result;
	if (!*target || strnlen(target, FILE_SYMLINK_MAX + 1) > FILE_SYMLINK_MAX)
		return E_ARGUMENT;
	result = call_end(session, file_error(holonfs_symlink(fs, directory, name, target, (uint32_t)owner,
	                                                      (uint32_t)(owner >> 32), &made)));
	return result < 0 ? result : give_used(session, &made, node, attributes, bytes);
}

static int64_t files_read_link(void *context, uint64_t badge, uint64_t node, uint32_t offset,
                               const void **target, uint32_t *bytes)
{
	static char text[FILE_SYMLINK_MAX + 1];
	struct session *session;
	struct holonfs *fs;
	(void)context;
	int64_t result = call_begin(badge, node, false, &session, &fs);
	if (result >= 0)
		result = file_error(holonfs_read_link(fs, node, text, sizeof(text)));
	if (result < 0)
		return result;
	size_t length = strnlen(text, FILE_SYMLINK_MAX);
	if (offset > length)
		offset = (uint32_t)length;
	*target = text + offset;
	*bytes =
	    length - offset < MESSAGE_BYTES_MAX - 16 ? (uint32_t)length - offset : MESSAGE_BYTES_MAX - 16;
	return E_OK;
}

static int64_t files_link(void *context, uint64_t badge, uint64_t node, uint64_t directory, uint32_t flags,
                          const char *name, const void **attributes, uint32_t *bytes)
{
	struct session *session;
	struct holonfs *fs;
	struct holonfs_attributes now;
	(void)context;
	int64_t result = name_begin(badge, directory, name, true, &session, &fs);
	if (result >= 0 && !session_knows(session, node))
		result = FILE_E_STALE;
	if (result >= 0)
		result = file_error(holonfs_get(fs, node, &now));
	if (result < 0)
		return result;
	if (flags & ~(uint32_t)FILE_LINK_UNNAMED)
		return E_ARGUMENT;
	if ((now.mode & S_TYPE) == 0040000)
		return E_RIGHTS;
	if (!now.links && !(flags & FILE_LINK_UNNAMED))
		return FILE_E_STALE;
	result = call_end(session, file_error(holonfs_link(fs, node, directory, name, &now)));
	return result < 0 ? result : give(&now, attributes, bytes);
}

static int64_t files_unlink(void *context, uint64_t badge, uint64_t directory, uint32_t flags,
                            const char *name)
{
	struct session *session;
	struct holonfs *fs;
	(void)context;
	int64_t result = name_begin(badge, directory, name, true, &session, &fs);
	if (result < 0)
		return result;
	if (flags & ~(uint32_t)FILE_UNLINK_DIRECTORY)
		return E_ARGUMENT;
	return call_end(session, file_error(flags ? holonfs_rmdir(fs, directory, name)
	                                          : holonfs_unlink(fs, directory, name)));
}

static int64_t files_rename(void *context, uint64_t badge, uint64_t from_directory, uint64_t to_directory,
                            uint32_t flags, const char *from, const char *to)
{
	struct session *session;
	struct holonfs *fs;
	(void)context;
	int64_t result = name_begin(badge, from_directory, from, true, &session, &fs);
	if (result >= 0)
		result = file_name_check(to);
	if (result >= 0 && !session_knows(session, to_directory))
		result = FILE_E_STALE;
	if (result < 0)
		return result;
	if (flags & ~(uint32_t)(FILE_RENAME_EXCLUSIVE | FILE_RENAME_EXCHANGE | FILE_RENAME_WHITEOUT) ||
	    (flags & FILE_RENAME_EXCHANGE && flags & (FILE_RENAME_EXCLUSIVE | FILE_RENAME_WHITEOUT)))
		return E_ARGUMENT;
	return call_end(session,
	                file_error(holonfs_rename(fs, from_directory, from, to_directory, to, flags)));
}

static int64_t files_list(void *context, uint64_t badge, uint64_t directory, uint64_t cookie, uint64_t *next,
                          uint64_t *parent, const void **entries, uint32_t *bytes)
{
	struct session *session;
	struct holonfs *fs;
	struct holonfs_entry found;
	uint32_t at = 0;
	(void)context;
	int64_t result = call_begin(badge, directory, false, &session, &fs);
	*parent = directory;
	if (result >= 0 && directory != session->root)
		result = file_error(holonfs_parent(fs, directory, parent));
	if (result < 0)
		return result;
	*next = cookie;
	int got;
	while ((got = holonfs_list(fs, directory, *next, &found)) == 1) {
		size_t length = strnlen(found.name, FILE_NAME_MAX);
		struct file_entry entry = {.node = found.inode,
		                           .cookie = found.cookie,
		                           .mode = found.mode & S_TYPE,
		                           .name_bytes = (uint16_t)length,
		                           .entry_bytes = (uint16_t)((sizeof(entry) + length + 7) & ~7ul)};
		if (at + entry.entry_bytes > MESSAGE_BYTES_MAX - 16)
			break;
		memset(reply + at, 0, entry.entry_bytes);
		memcpy(reply + at, &entry, sizeof(entry));
		memcpy(reply + at + sizeof(entry), found.name, length);
		at += entry.entry_bytes;
		*next = found.cookie;
	}
	if (got < 0 && !at)
		return file_error(got);
	*entries = reply;
	*bytes = at;
	return E_OK;
}

/* Sessions with the same objects, both for writing, do not exist yet but where both ask for it; nobody is told
 * of the other's changes. */
static int64_t files_changes(void *context, uint64_t badge, const void **change, uint32_t *bytes)
{
	struct session *session;
	struct holonfs *fs;
	(void)context, (void)change, (void)bytes;
	int64_t result = call_begin(badge, 0, false, &session, &fs);
	return result < 0 ? result : E_NOT_FOUND;
}

static int64_t files_end(void *context, uint64_t badge)
{
	struct session *session = session_of(badge);
	(void)context;
	if (!session)
		return FILE_E_IO;
	session_end(session);
	return E_OK;
}

static int64_t no_session(void *context, uint64_t badge, handle_t quota, handle_t changes, uint32_t flags,
                          int64_t now_ns, handle_t *session, uint64_t *root, const void **attributes,
                          uint32_t *bytes)
{
	(void)context, (void)badge, (void)quota, (void)changes, (void)flags, (void)now_ns;
	(void)session, (void)root, (void)attributes, (void)bytes;
	return E_CALL;
}

#define SESSION_CALLS                                                                                        \
	.end = files_end, .lookup = files_lookup, .forget = files_forget, .attributes = files_attributes,    \
	.set_attributes = files_set_attributes, .create = files_create,                                      \
	.link_symbolic = files_link_symbolic, .read_link = files_read_link, .link = files_link,              \
	.unlink = files_unlink, .rename = files_rename, .list = files_list, .open = contents_open,           \
	.reserve = contents_reserve, .written = contents_written, .append = contents_append,                 \
	.resize = contents_resize, .allocate = contents_allocate, .seek = contents_seek,                     \
	.share = contents_share, .xattr_get = contents_xattr_get, .xattr_set = contents_xattr_set,           \
	.xattr_list = contents_xattr_list, .xattr_remove = contents_xattr_remove, .sync = contents_sync,     \
	.statistics = contents_statistics, .changes = files_changes, .transfer = contents_transfer,          \
	.read = contents_read, .write = contents_write

/* On a mount all but session() find no session of their badge: FILE_E_IO. */
const struct file_operations session_operations = {.session = no_session, SESSION_CALLS};
const struct file_operations mount_operations = {.session = session_open, SESSION_CALLS};
