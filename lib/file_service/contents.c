/* Contents, sizes, extended attributes and syncs of abi/file.interface, on a file system of lib/filesystem.
 *
 * Clients keep pages of their own; contents move through the session's buffer, which is this service's memory.
 */
#include "file_service.h"

#define PART_BYTES (256u << 10)
#define MARGIN     64u /* blocks that a promise of room leaves for maps and directories */

static uint8_t part_buffer[PART_BYTES];

int64_t contents_transfer(void *context, uint64_t badge, uint64_t bytes, handle_t *memory)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = call_begin(badge, 0, false, &session, &fs);
	if (result < 0)
		return result;
	if (!bytes || bytes > FILE_TRANSFER_MAX || bytes % PAGE_SIZE_BYTES)
		return E_ARGUMENT;
	if (session->buffer) {
		window_unmap(session->buffer, session->buffer_bytes);
		cap_delete(session->buffer_memory);
	}
	session->buffer = window_allocate(bytes, &session->buffer_memory);
	session->buffer_bytes = session->buffer ? bytes : 0;
	if (!session->buffer)
		return FILESYSTEM_E_NO_MEMORY;
	result = cap_copy(session->buffer_memory, RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0);
	if (result < 0)
		return result;
	*memory = (handle_t)result;
	return E_OK;
}

/* The beginning of read and write: the ranges that they name. */
static int64_t move_begin(uint64_t badge, uint64_t node, bool writes, uint64_t offset, uint64_t bytes,
                          uint64_t at, struct session **session, struct filesystem **fs)
{
	int64_t result = call_begin(badge, node, writes, session, fs);
	if (result < 0)
		return result;
	if (!node || at > (*session)->buffer_bytes || bytes > (*session)->buffer_bytes - at)
		return E_ARGUMENT;
	return offset > FILE_SIZE_MAX || bytes > FILE_SIZE_MAX - offset ? FILE_E_TOO_BIG : E_OK;
}

int64_t contents_read(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                      uint64_t at, uint64_t *done)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = move_begin(badge, node, false, offset, bytes, at, &session, &fs);
	if (result < 0)
		return result;
	for (*done = 0; *done < bytes;) {
		size_t part = bytes - *done < PART_BYTES ? (size_t)(bytes - *done) : PART_BYTES;
		int64_t got = fs->operations->read(fs, node, offset + *done, part_buffer, part);
		if (got < 0)
			return got;
		memcpy(session->buffer + at + *done, part_buffer, (size_t)got);
		*done += (uint64_t)got;
		if ((size_t)got < part)
			break;
	}
	return E_OK;
}

static int64_t room(const struct session *session, uint64_t node, uint64_t *bytes)
{
	struct served *served = session->served;
	struct filesystem *fs = served->fs;
	struct file_statistics now;
	int64_t result;
	if (fs->operations->room) {
		result = fs->operations->room(fs, node, bytes);
	} else {
		result = fs->operations->statistics(fs, node, &now);
		*bytes = result >= 0 && now.blocks_free > MARGIN
		             ? (now.blocks_free - MARGIN) * now.block_bytes
		             : 0;
	}
	if (result < 0)
		return result;
	/* Near the end what was promised counts block by block, whatever is written where. */
	*bytes = *bytes > served->reserved ? *bytes - served->reserved : 0;
	return E_OK;
}

/* Whether there is no room for anybody; else it is a quota that leaves none. */
static bool is_full(const struct session *session)
{
	const struct served *served = session->served;
	struct file_statistics now;
	int status = served->fs->operations->statistics(served->fs, served->fs->root, &now);
	return status < 0 || !served->fs->operations->room ||
	       now.blocks_free * now.block_bytes <= served->reserved;
}

/* Cuts *BYTES at OFFSET to what was promised and, beyond that, is there: a file system that runs out of room in the middle of a write is
 * of no use to anybody any more. */
static int64_t fit(const struct session *session, uint64_t node, uint64_t offset, uint64_t *bytes)
{
	uint64_t skip = offset % FILE_BLOCK;
	uint64_t need = (skip + *bytes + FILE_BLOCK - 1) / FILE_BLOCK * FILE_BLOCK;
	uint64_t left = 0;
	if (need <= session->reserved)
		return E_OK;
	int64_t result = room(session, node, &left);
	if (result < 0 && result != FILE_E_QUOTA)
		return result;
	left = (session->reserved + (result < 0 ? 0 : left)) / FILE_BLOCK * FILE_BLOCK;
	if (!left)
		return result < 0 || !is_full(session) ? FILE_E_QUOTA : FILE_E_NO_SPACE;
	if (left < need)
		*bytes = left - skip;
	return E_OK;
}

int64_t contents_write(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                       uint64_t at, uint64_t *done)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = move_begin(badge, node, true, offset, bytes, at, &session, &fs);
	if (result >= 0 && bytes)
		result = fit(session, node, offset, &bytes);
	if (result < 0)
		return result;
	for (*done = 0; *done < bytes && result >= 0;) {
		size_t part = bytes - *done < PART_BYTES ? (size_t)(bytes - *done) : PART_BYTES;
		memcpy(part_buffer, session->buffer + at + *done, part);
		int64_t got = fs->operations->write(fs, node, offset + *done, part_buffer, part);
		result = call_end(session, got < 0 ? got : E_OK);
		if (got < 0)
			break;
		*done += (uint64_t)got;
		if ((size_t)got < part)
			break;
	}
	/* Room is promised and taken by whole blocks. */
	uint64_t first = offset / FILE_BLOCK;
	uint64_t spent = ((offset + *done + FILE_BLOCK - 1) / FILE_BLOCK - first) * FILE_BLOCK;
	if (!*done || spent > session->reserved)
		spent = *done ? session->reserved : 0;
	session->reserved -= spent;
	session->served->reserved -= spent;
	return *done ? E_OK : result;
}

/* This service has no memory objects with a pager. */
int64_t contents_open(void *context, uint64_t badge, uint64_t node, uint32_t flags, handle_t *memory,
                      uint64_t *size)
{
	(void)context, (void)badge, (void)node, (void)flags, (void)memory, (void)size;
	return FILE_E_SUPPORT;
}

int64_t contents_written(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                         uint64_t *size)
{
	(void)context, (void)badge, (void)node, (void)offset, (void)bytes, (void)size;
	return FILE_E_SUPPORT;
}

int64_t contents_reserve(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                         uint64_t *granted)
{
	struct session *session;
	struct filesystem *fs;
	uint64_t left = 0;
	(void)context;
	int64_t result = call_begin(badge, node, true, &session, &fs);
	if (result < 0)
		return result;
	if (!node || !bytes || bytes > FILE_RESERVE_MAX)
		return E_ARGUMENT;
	if (offset > FILE_SIZE_MAX - FILE_RESERVE_MAX)
		return FILE_E_TOO_BIG;
	result = room(session, node, &left);
	if (result < 0)
		return result;
	if (!left)
		return is_full(session) ? FILE_E_NO_SPACE : FILE_E_QUOTA;
	*granted = bytes < left ? bytes : left;
	session->reserved += *granted;
	session->served->reserved += *granted;
	return E_OK;
}

int64_t contents_append(void *context, uint64_t badge, uint64_t node, uint64_t bytes, uint64_t *offset)
{
	struct session *session;
	struct filesystem *fs;
	struct file_attributes now;
	(void)context;
	int64_t result = call_begin(badge, node, true, &session, &fs);
	if (result >= 0)
		result = node ? fs->operations->get(fs, node, &now) : E_ARGUMENT;
	if (result < 0)
		return result;
	if (bytes > FILE_SIZE_MAX - now.size)
		return FILE_E_TOO_BIG;
	*offset = now.size;
	return call_end(session, fs->operations->resize(fs, node, now.size + bytes));
}

int64_t contents_resize(void *context, uint64_t badge, uint64_t node, uint64_t size)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = call_begin(badge, node, true, &session, &fs);
	if (result < 0 || !node)
		return result < 0 ? result : E_ARGUMENT;
	if (size > FILE_SIZE_MAX)
		return FILE_E_TOO_BIG;
	return call_end(session, fs->operations->resize(fs, node, size));
}

int64_t contents_allocate(void *context, uint64_t badge, uint64_t node, uint32_t mode, uint64_t offset,
                          uint64_t bytes)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = call_begin(badge, node, true, &session, &fs);
	if (result < 0 || !node)
		return result < 0 ? result : E_ARGUMENT;
	if (offset > FILE_SIZE_MAX || bytes > FILE_SIZE_MAX - offset)
		return FILE_E_TOO_BIG;
	if (!fs->operations->allocate)
		return FILE_E_SUPPORT;
	return call_end(session, fs->operations->allocate(fs, node, mode, offset, bytes));
}

/* Without holes all is data up to the end. */
static int64_t seek_whole(struct filesystem *fs, uint64_t node, uint64_t offset, bool hole)
{
	struct file_attributes now;
	int64_t result = fs->operations->get(fs, node, &now);
	if (result < 0)
		return result;
	return offset >= now.size ? E_NOT_FOUND : (int64_t)(hole ? now.size : offset);
}

int64_t contents_seek(void *context, uint64_t badge, uint64_t node, uint32_t what, uint64_t offset,
                      uint64_t *found)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = call_begin(badge, node, false, &session, &fs);
	if (result < 0)
		return result;
	if (!node || (what != FILE_SEEK_DATA && what != FILE_SEEK_HOLE) || offset > FILE_SIZE_MAX)
		return E_ARGUMENT;
	bool hole = what == FILE_SEEK_HOLE;
	int64_t at = fs->operations->seek ? fs->operations->seek(fs, node, offset, hole)
	                                  : seek_whole(fs, node, offset, hole);
	if (at < 0)
		return at;
	*found = (uint64_t)at;
	return E_OK;
}

int64_t contents_share(void *context, uint64_t badge, uint64_t from, uint64_t from_offset, uint64_t to,
                       uint64_t to_offset, uint64_t bytes, uint64_t *done)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = call_begin(badge, to, true, &session, &fs);
	if (result >= 0 && (!from || !to || !session_knows(session, from)))
		result = FILE_E_STALE;
	if (result < 0)
		return result;
	if (!fs->operations->share)
		return FILE_E_SUPPORT;
	if (from_offset > FILE_SIZE_MAX || to_offset > FILE_SIZE_MAX || bytes > FILE_SIZE_MAX)
		return FILE_E_TOO_BIG;
	int64_t shared = fs->operations->share(fs, from, from_offset, to, to_offset, bytes);
	*done = shared < 0 ? 0 : (uint64_t)shared;
	return call_end(session, shared < 0 ? shared : E_OK);
}

/* ---- Extended attributes ---- */

static int64_t xattr_begin(uint64_t badge, uint64_t node, const char *name, bool writes,
                           struct session **session, struct filesystem **fs)
{
	int64_t result = call_begin(badge, node, writes, session, fs);
	if (result < 0)
		return result;
	size_t length = name ? strnlen(name, FILE_NAME_MAX + 1) : 1;
	if (!node || !length)
		return E_ARGUMENT;
	return length > FILE_NAME_MAX         ? FILE_E_NAME_TOO_LONG
	       : (*fs)->operations->xattr_get ? E_OK
	                                      : FILE_E_SUPPORT;
}

/* A piece of the SIZE bytes at VALUE. */
static void piece(const uint8_t *value, uint64_t size, uint64_t offset, const void **data, uint32_t *bytes)
{
	const uint64_t most = MESSAGE_BYTES_MAX - 16;
	if (offset > size)
		offset = size;
	*data = value + offset;
	*bytes = (uint32_t)(size - offset < most ? size - offset : most);
}

int64_t contents_xattr_get(void *context, uint64_t badge, uint64_t node, uint32_t offset, const char *name,
                           uint64_t *total, const void **value, uint32_t *bytes)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = xattr_begin(badge, node, name, false, &session, &fs);
	if (result < 0)
		return result;
	int64_t size = fs->operations->xattr_get(fs, node, name, part_buffer, FILE_XATTR_MAX);
	if (size < 0)
		return size;
	*total = (uint64_t)size;
	piece(part_buffer, *total, offset, value, bytes);
	return E_OK;
}

int64_t contents_xattr_set(void *context, uint64_t badge, uint64_t node, uint32_t flags, uint32_t offset,
                           uint32_t total, const char *name, const void *value, uint32_t bytes)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = xattr_begin(badge, node, name, true, &session, &fs);
	if (result < 0)
		return result;
	if (total > FILE_XATTR_MAX || offset > total || bytes > total - offset ||
	    flags & ~(uint32_t)(FILE_XATTR_CREATE | FILE_XATTR_REPLACE))
		return E_ARGUMENT;
	if (!offset) {
		free(session->pending.value);
		session->pending.value = malloc(total ? total : 1);
		if (!session->pending.value)
			return FILESYSTEM_E_NO_MEMORY;
		session->pending.node = node;
		session->pending.flags = flags;
		session->pending.total = total;
		session->pending.have = 0;
		memcpy(session->pending.name, name, strlen(name) + 1);
	} else if (!session->pending.value || session->pending.node != node ||
	           session->pending.total != total || session->pending.have != offset ||
	           strcmp(session->pending.name, name) != 0) {
		return E_ARGUMENT;
	}
	memcpy(session->pending.value + offset, value, bytes);
	session->pending.have = offset + bytes;
	if (session->pending.have < total)
		return E_OK;
	int status =
	    fs->operations->xattr_set(fs, node, name, session->pending.value, total, session->pending.flags);
	free(session->pending.value);
	session->pending.value = 0;
	return call_end(session, status);
}

int64_t contents_xattr_list(void *context, uint64_t badge, uint64_t node, uint64_t cookie, uint64_t *next,
                            const void **names, uint32_t *bytes)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	*next = cookie;
	*bytes = 0;
	*names = part_buffer;
	int64_t result = xattr_begin(badge, node, 0, false, &session, &fs);
	if (result < 0)
		return result == FILE_E_SUPPORT ? E_OK : result; /* none */
	int64_t size = fs->operations->xattr_list(fs, node, (char *)part_buffer, PART_BYTES);
	if (size < 0)
		return size;
	piece(part_buffer, (uint64_t)size, cookie, names, bytes);
	/* Whole names alone. */
	const uint8_t *text = *names;
	while (*bytes && text[*bytes - 1])
		(*bytes)--;
	*next = cookie + *bytes;
	return E_OK;
}

int64_t contents_xattr_remove(void *context, uint64_t badge, uint64_t node, const char *name)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = xattr_begin(badge, node, name, true, &session, &fs);
	return result < 0 ? result : call_end(session, fs->operations->xattr_remove(fs, node, name));
}

/* ---- The whole mount ---- */

int64_t contents_sync(void *context, uint64_t badge, uint64_t node, uint32_t flags)
{
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = call_begin(badge, node, false, &session, &fs);
	if (result < 0)
		return result;
	if (flags & ~(uint32_t)FILE_SYNC_DATA)
		return E_ARGUMENT;
	result = fs->operations->sync(fs, node, flags & FILE_SYNC_DATA);
	if (result >= 0)
		session->served->changed = false;
	return result;
}

int64_t contents_statistics(void *context, uint64_t badge, const void **statistics, uint32_t *bytes)
{
	static struct file_statistics out;
	struct session *session;
	struct filesystem *fs;
	(void)context;
	int64_t result = call_begin(badge, 0, false, &session, &fs);
	if (result >= 0)
		result = fs->operations->statistics(fs, session->root, &out);
	if (result < 0)
		return result;
	if (!session->write)
		out.flags |= FILE_STATISTICS_READ_ONLY;
	*statistics = &out;
	*bytes = sizeof(out);
	return E_OK;
}
