/* Names and attributes of abi/file.interface, on a file system of lib/filesystem. */
#include <file_name.h>
#include "file_service.h"

#define SET_KNOWN 511u
#define S_TYPE    0170000u

static uint8_t reply[MESSAGE_BYTES_MAX]; /* what a call gives back in bytes */

/* A name is read only here: the thread's page is used by the device's calls, whose bytes stay (lib/block/block_device.h). */
static int64_t name_begin(uint64_t badge, uint64_t directory, const char *name, bool writes,
                          struct session **session, struct filesystem **fs)
{
	int64_t result = call_begin(badge, directory, writes, session, fs);
	if (result >= 0 && !directory)
		result = FILE_E_STALE;
	return result < 0 ? result : file_name_check(name);
}

static int64_t give(const struct file_attributes *found, const void **attributes, uint32_t *bytes)
{
	memcpy(reply, found, sizeof(*found));
	*attributes = reply;
	*bytes = sizeof(*found);
	return E_OK;
}

/* A node that the session gets a use of. */
static int64_t give_used(struct session *session, const struct file_attributes *found, uint64_t *node,
                         const void **attributes, uint32_t *bytes)
{
	int64_t result = session_use(session, found->node);
	if (result < 0)
		return result;
	*node = found->node;
	return give(found, attributes, bytes);
}

int64_t names_lookup(void *context, uint64_t badge, uint64_t directory, const char *name, uint64_t *node,
                     const void **attributes, uint32_t *bytes)
{
	struct session *session;
	struct filesystem *fs;
	struct file_attributes found;
	(void)context;
	int64_t result = name_begin(badge, directory, name, false, &session, &fs);
	if (result >= 0)
		result = fs->operations->lookup(fs, directory, name, &found);
	return result < 0 ? result : give_used(session, &found, node, attributes, bytes);
}

int64_t names_forget(void *context, uint64_t badge, uint64_t node, uint64_t count)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = call_begin(badge, node, false, &session, &fs);
	if (result >= 0)
		result = session_forget(session, node, count);
	if (result >= 0 && session->write)
		file_service.touch(session->served); /* what had no name any more is gone now */
	return result;
}

int64_t names_attributes(void *context, uint64_t badge, uint64_t node, const void **attributes,
                         uint32_t *bytes)
{
	struct session *session;
	struct filesystem *fs;
	struct file_attributes found;
	(void)context;
	int64_t result = call_begin(badge, node, false, &session, &fs);
	if (result >= 0)
		result = node ? fs->operations->get(fs, node, &found) : FILE_E_STALE;
	return result < 0 ? result : give(&found, attributes, bytes);
}

int64_t names_set_attributes(void *context, uint64_t badge, uint64_t node, uint32_t valid,
                             const void *wanted_data, uint32_t wanted_bytes, const void **attributes,
                             uint32_t *bytes)
{
	struct session *session;
	struct filesystem *fs;
	struct file_attributes wanted, now;
	(void)context;
	int64_t result = call_begin(badge, node, true, &session, &fs);
	if (result < 0 || !node)
		return result < 0 ? result : FILE_E_STALE;
	if (wanted_bytes != sizeof(wanted) || valid & ~SET_KNOWN)
		return E_ARGUMENT;
	memcpy(&wanted, wanted_data, sizeof(wanted));
	if (valid & FILE_SET_SIZE && wanted.size > FILE_SIZE_MAX)
		return FILE_E_TOO_BIG;
	if (valid & FILE_SET_ACCESSED_NOW)
		wanted.accessed_ns = fs->options.now_ns();
	if (valid & FILE_SET_MODIFIED_NOW)
		wanted.modified_ns = fs->options.now_ns();
	valid |= (valid & FILE_SET_ACCESSED_NOW ? FILE_SET_ACCESSED : 0) |
	         (valid & FILE_SET_MODIFIED_NOW ? FILE_SET_MODIFIED : 0);
	result = call_end(session, fs->operations->set(fs, node, valid, &wanted, &now));
	return result < 0 ? result : give(&now, attributes, bytes);
}

int64_t names_create(void *context, uint64_t badge, uint64_t directory, uint32_t mode, uint64_t owner,
                     uint64_t device, const char *name, uint64_t *node, const void **attributes,
                     uint32_t *bytes)
{
	struct session *session;
	struct filesystem *fs;
	struct file_attributes made;
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
	result = call_end(session, fs->operations->create(fs, directory, name, mode, (uint32_t)owner,
	                                                  (uint32_t)(owner >> 32), device, 0, &made));
	return result < 0 ? result : give_used(session, &made, node, attributes, bytes);
}

int64_t names_link_symbolic(void *context, uint64_t badge, uint64_t directory, uint64_t owner,
                            const char *name, const char *target, uint64_t *node, const void **attributes,
                            uint32_t *bytes)
{
	static char text[FILE_SYMLINK_MAX + 1];
	struct session *session;
	struct filesystem *fs;
	struct file_attributes made;
	(void)context;
	int64_t result = name_begin(badge, directory, name, true, &session, &fs);
	if (result < 0)
		return result;
	if (!*target && session->buffer_bytes >= sizeof(text)) {
		memcpy(text, session->buffer, sizeof(text)); /* the client may change what is in the buffer */
		target = text;
	}
	if (!*target || strnlen(target, FILE_SYMLINK_MAX + 1) > FILE_SYMLINK_MAX)
		return E_ARGUMENT;
	result = call_end(session, fs->operations->create(fs, directory, name, 0120777, (uint32_t)owner,
	                                                  (uint32_t)(owner >> 32), 0, target, &made));
	return result < 0 ? result : give_used(session, &made, node, attributes, bytes);
}

int64_t names_read_link(void *context, uint64_t badge, uint64_t node, uint32_t offset, const void **target,
                        uint32_t *bytes)
{
	static char text[FILE_SYMLINK_MAX];
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t length = call_begin(badge, node, false, &session, &fs);
	if (length >= 0)
		length = !node                        ? FILE_E_STALE
		         : !fs->operations->read_link ? E_ARGUMENT
		                                      : fs->operations->read_link(fs, node, text);
	if (length < 0)
		return length;
	if (offset > length)
		offset = (uint32_t)length;
	*target = text + offset;
	*bytes =
	    length - offset < MESSAGE_BYTES_MAX - 16 ? (uint32_t)length - offset : MESSAGE_BYTES_MAX - 16;
	return E_OK;
}

int64_t names_link(void *context, uint64_t badge, uint64_t node, uint64_t directory, uint32_t flags,
                   const char *name, const void **attributes, uint32_t *bytes)
{
	struct session *session;
	struct filesystem *fs;
	struct file_attributes now;
	(void)context;
	int64_t result = name_begin(badge, directory, name, true, &session, &fs);
	if (result >= 0 && !session_knows(session, node))
		result = FILE_E_STALE;
	if (result >= 0)
		result = fs->operations->get(fs, node, &now);
	if (result < 0)
		return result;
	if (flags & ~(uint32_t)FILE_LINK_UNNAMED)
		return E_ARGUMENT;
	if ((now.mode & S_TYPE) == 0040000 || !fs->operations->link)
		return E_RIGHTS;
	if (!now.links && !(flags & FILE_LINK_UNNAMED))
		return FILE_E_STALE;
	result = call_end(session, fs->operations->link(fs, node, directory, name, &now));
	return result < 0 ? result : give(&now, attributes, bytes);
}

int64_t names_unlink(void *context, uint64_t badge, uint64_t directory, uint32_t flags, const char *name)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = name_begin(badge, directory, name, true, &session, &fs);
	if (result < 0)
		return result;
	if (flags & ~(uint32_t)FILE_UNLINK_DIRECTORY)
		return E_ARGUMENT;
	return call_end(session, fs->operations->unlink(fs, directory, name, flags));
}

int64_t names_rename(void *context, uint64_t badge, uint64_t from_directory, uint64_t to_directory,
                     uint32_t flags, const char *from, const char *to)
{
	struct session *session;
	struct filesystem *fs;
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
	return call_end(session, fs->operations->rename(fs, from_directory, from, to_directory, to, flags));
}

int64_t names_list(void *context, uint64_t badge, uint64_t directory, uint64_t cookie, uint64_t *next,
                   uint64_t *parent, const void **entries, uint32_t *bytes)
{
	static struct filesystem_entry found;
	struct session *session;
	struct filesystem *fs;
	uint32_t at = 0;
	(void)context;
	int64_t result = call_begin(badge, directory, false, &session, &fs);
	*parent = directory;
	if (result >= 0)
		result = !directory                   ? FILE_E_STALE
		         : directory == session->root ? E_OK
		                                      : fs->operations->parent(fs, directory, parent);
	if (result < 0)
		return result;
	*next = cookie;
	int got;
	while ((got = fs->operations->list(fs, directory, *next, &found)) == 1) {
		size_t length = strnlen(found.name, FILE_NAME_MAX);
		struct file_entry entry = {.node = found.node,
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
		return got;
	*entries = reply;
	*bytes = at;
	return E_OK;
}

int64_t names_list_attributes(void *context, uint64_t badge, uint64_t directory, uint64_t cookie,
                              uint32_t count, const void **attributes, uint32_t *bytes)
{
	static struct filesystem_entry entry;
	struct session *session;
	struct filesystem *fs;
	struct file_attributes found;
	uint32_t at = 0;
	(void)context;
	int64_t result = call_begin(badge, directory, false, &session, &fs);
	if (result >= 0 && !directory)
		result = FILE_E_STALE;
	while (result >= 0 && count-- && at + sizeof(found) <= MESSAGE_BYTES_MAX - 16) {
		result = fs->operations->list(fs, directory, cookie, &entry);
		if (result == 0)
			break;
		cookie = entry.cookie;
		if (result >= 0)
			result = fs->operations->get(fs, entry.node, &found);
		if (result >= 0)
			result = session_use(session, found.node);
		if (result < 0)
			break;
		memcpy(reply + at, &found, sizeof(found));
		at += sizeof(found);
	}
	if (result < 0 && !at)
		return result;
	*attributes = reply;
	*bytes = at;
	return E_OK;
}

/* Sessions that write what others see do not exist but where both ask for it; nobody is told of the other's changes. */
int64_t names_changes(void *context, uint64_t badge, const void **change, uint32_t *bytes)
{
	struct session *session;
	struct filesystem *fs;
	(void)context, (void)change, (void)bytes;
	int64_t result = call_begin(badge, 0, false, &session, &fs);
	return result < 0 ? result : E_NOT_FOUND;
}

int64_t names_end(void *context, uint64_t badge)
{
	struct session *session = session_of(badge);
	(void)context;
	if (!session)
		return FILE_E_IO;
	session_end(session);
	return E_OK;
}
