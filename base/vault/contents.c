/* Contents, sizes, extended attributes and syncs of abi/file.interface, on holonfs.
 *
 * Clients keep pages of their own; contents move through the session's buffer, which is this service's memory.
 * They pass a place that no client reaches on their way, so that what is checksummed and encrypted cannot
 * change meanwhile.
 */
#include "vault.h"

#define PART_BYTES (128u << 10)
#define MARGIN     16u /* a device keeps a MARGINth of its room for maps and commits */

static uint8_t part_buffer[PART_BYTES];

int64_t contents_transfer(void *context, uint64_t badge, uint64_t bytes, handle_t *memory)
{
	struct session *session;
	struct holonfs *fs;
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
		return VAULT_E_NO_MEMORY;
	result = cap_copy(session->buffer_memory, RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0);
	if (result < 0)
		return result;
	*memory = (handle_t)result;
	return E_OK;
}

/* The beginning of read and write: the ranges that they name. */
static int64_t move_begin(uint64_t badge, uint64_t node, bool writes, uint64_t offset, uint64_t bytes,
                          uint64_t at, struct session **session, struct holonfs **fs)
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
	struct holonfs *fs;
	(void)context;
	int64_t result = move_begin(badge, node, false, offset, bytes, at, &session, &fs);
	if (result < 0)
		return result;
	for (*done = 0; *done < bytes;) {
		size_t part = bytes - *done < PART_BYTES ? (size_t)(bytes - *done) : PART_BYTES;
		int64_t got = holonfs_read(fs, node, offset + *done, part_buffer, part);
		if (got < 0)
			return file_error(got);
		memcpy(session->buffer + at + *done, part_buffer, (size_t)got);
		*done += (uint64_t)got;
		if ((size_t)got < part)
			break;
	}
	return E_OK;
}

int64_t contents_write(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                       uint64_t at, uint64_t *done)
{
	struct session *session;
	struct holonfs *fs;
	(void)context;
	int64_t result = move_begin(badge, node, true, offset, bytes, at, &session, &fs);
	if (result < 0)
		return result;
	for (*done = 0; *done < bytes && result >= 0;) {
		size_t part = bytes - *done < PART_BYTES ? (size_t)(bytes - *done) : PART_BYTES;
		memcpy(part_buffer, session->buffer + at + *done, part);
		int64_t got = holonfs_write(fs, node, offset + *done, part_buffer, part);
		if (got < 0) {
			result = file_error(got);
			break;
		}
		*done += (uint64_t)got;
		result = call_end(session, E_OK);
		if ((size_t)got < part)
			break;
	}
	uint64_t spent = *done < session->reserved ? *done : session->reserved;
	session->reserved -= spent;
	session->vault->reserved -= spent;
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

/* Bytes that can still be written: of the virtual space and of the device. */
static uint64_t room(const struct vault *vault)
{
	struct holonfs_statistics statistics;
	struct vdisk_info disk;
	holonfs_get_statistics(vault->fs, &statistics);
	vdisk_get_info(vault->disk, &disk);
	uint64_t device = vault_device_bytes(vault);
	uint64_t kept = device / MARGIN;
	uint64_t used = disk.used_blocks * VDISK_BLOCK + kept;
	uint64_t left = device > used ? device - used : 0;
	uint64_t virtual_left = statistics.blocks_free * HOLONFS_BLOCK;
	return left < virtual_left ? left : virtual_left;
}

int64_t contents_reserve(void *context, uint64_t badge, uint64_t node, uint64_t offset, uint64_t bytes,
                         uint64_t *granted)
{
	struct session *session;
	struct holonfs *fs;
	uint64_t limits[2];
	uint64_t used[2];
	(void)context;
	int64_t result = call_begin(badge, node, true, &session, &fs);
	if (result < 0)
		return result;
	if (!node || !bytes || bytes > FILE_RESERVE_MAX)
		return E_ARGUMENT;
	if (offset > FILE_SIZE_MAX - FILE_RESERVE_MAX)
		return FILE_E_TOO_BIG;
	if (holonfs_get_quota(fs, node, limits, used) > 0 && limits[0]) {
		uint64_t left = limits[0] > used[0] ? (limits[0] - used[0]) * HOLONFS_BLOCK : 0;
		if (!left)
			return FILE_E_QUOTA;
		bytes = bytes < left ? bytes : left;
	}
	uint64_t left = room(session->vault);
	left = left > session->vault->reserved ? left - session->vault->reserved : 0;
	if (!left)
		return FILE_E_NO_SPACE;
	*granted = bytes < left ? bytes : left;
	session->reserved += *granted;
	session->vault->reserved += *granted;
	return E_OK;
}

int64_t contents_append(void *context, uint64_t badge, uint64_t node, uint64_t bytes, uint64_t *offset)
{
	struct session *session;
	struct holonfs *fs;
	struct holonfs_attributes now;
	(void)context;
	int64_t result = call_begin(badge, node, true, &session, &fs);
	if (result >= 0)
		result = node ? file_error(holonfs_get(fs, node, &now)) : E_ARGUMENT;
	if (result < 0)
		return result;
	if (bytes > FILE_SIZE_MAX - now.size)
		return FILE_E_TOO_BIG;
	*offset = now.size;
	return call_end(session, file_error(holonfs_truncate(fs, node, now.size + bytes)));
}

int64_t contents_resize(void *context, uint64_t badge, uint64_t node, uint64_t size)
{
	struct session *session;
	struct holonfs *fs;
	(void)context;
	int64_t result = call_begin(badge, node, true, &session, &fs);
	if (result < 0 || !node)
		return result < 0 ? result : E_ARGUMENT;
	if (size > FILE_SIZE_MAX)
		return FILE_E_TOO_BIG;
	return call_end(session, file_error(holonfs_truncate(fs, node, size)));
}

int64_t contents_allocate(void *context, uint64_t badge, uint64_t node, uint32_t mode, uint64_t offset,
                          uint64_t bytes)
{
	struct session *session;
	struct holonfs *fs;
	(void)context;
	int64_t result = call_begin(badge, node, true, &session, &fs);
	if (result < 0 || !node)
		return result < 0 ? result : E_ARGUMENT;
	if (offset > FILE_SIZE_MAX || bytes > FILE_SIZE_MAX - offset)
		return FILE_E_TOO_BIG;
	return call_end(session, file_error(holonfs_allocate(fs, node, mode, offset, bytes)));
}

int64_t contents_seek(void *context, uint64_t badge, uint64_t node, uint32_t what, uint64_t offset,
                      uint64_t *found)
{
	struct session *session;
	struct holonfs *fs;
	(void)context;
	int64_t result = call_begin(badge, node, false, &session, &fs);
	if (result < 0)
		return result;
	if (!node || (what != FILE_SEEK_DATA && what != FILE_SEEK_HOLE) || offset > FILE_SIZE_MAX)
		return E_ARGUMENT;
	int64_t at = holonfs_seek(fs, node, offset, what == FILE_SEEK_HOLE);
	if (at < 0)
		return file_error(at);
	*found = (uint64_t)at;
	return E_OK;
}

int64_t contents_share(void *context, uint64_t badge, uint64_t from, uint64_t from_offset, uint64_t to,
                       uint64_t to_offset, uint64_t bytes, uint64_t *done)
{
	struct session *session;
	struct holonfs *fs;
	(void)context;
	int64_t result = call_begin(badge, to, true, &session, &fs);
	if (result >= 0 && (!from || !to || !session_knows(session, from)))
		result = FILE_E_STALE;
	if (result < 0)
		return result;
	if (from_offset > FILE_SIZE_MAX || to_offset > FILE_SIZE_MAX || bytes > FILE_SIZE_MAX)
		return FILE_E_TOO_BIG;
	int64_t shared = holonfs_share(fs, from, from_offset, to, to_offset, bytes);
	*done = shared < 0 ? 0 : (uint64_t)shared;
	return call_end(session, shared < 0 ? file_error(shared) : E_OK);
}

/* ---- Extended attributes ---- */

static int64_t xattr_begin(uint64_t badge, uint64_t node, const char *name, bool writes,
                           struct session **session, struct holonfs **fs)
{
	int64_t result = call_begin(badge, node, writes, session, fs);
	if (result < 0)
		return result;
	size_t length = name ? strnlen(name, FILE_NAME_MAX + 1) : 1;
	return !node || !length ? E_ARGUMENT : length > FILE_NAME_MAX ? FILE_E_NAME_TOO_LONG : E_OK;
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
	struct holonfs *fs;
	(void)context;
	int64_t result = xattr_begin(badge, node, name, false, &session, &fs);
	if (result < 0)
		return result;
	int64_t size = holonfs_xattr_get(fs, node, name, part_buffer, FILE_XATTR_MAX);
	if (size < 0)
		return file_error(size);
	*total = (uint64_t)size;
	piece(part_buffer, *total, offset, value, bytes);
	return E_OK;
}

int64_t contents_xattr_set(void *context, uint64_t badge, uint64_t node, uint32_t flags, uint32_t offset,
                           uint32_t total, const char *name, const void *value, uint32_t bytes)
{
	struct session *session;
	struct holonfs *fs;
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
			return VAULT_E_NO_MEMORY;
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
	    holonfs_xattr_set(fs, node, name, session->pending.value, total, (int)session->pending.flags);
	free(session->pending.value);
	session->pending.value = 0;
	return call_end(session, file_error(status));
}

int64_t contents_xattr_list(void *context, uint64_t badge, uint64_t node, uint64_t cookie, uint64_t *next,
                            const void **names, uint32_t *bytes)
{
	struct session *session;
	struct holonfs *fs;
	(void)context;
	int64_t result = xattr_begin(badge, node, 0, false, &session, &fs);
	if (result < 0)
		return result;
	int64_t size = holonfs_xattr_list(fs, node, (char *)part_buffer, PART_BYTES);
	if (size < 0)
		return file_error(size);
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
	struct holonfs *fs;
	(void)context;
	int64_t result = xattr_begin(badge, node, name, true, &session, &fs);
	return result < 0 ? result : call_end(session, file_error(holonfs_xattr_remove(fs, node, name)));
}

/* ---- The whole mount ---- */

int64_t contents_sync(void *context, uint64_t badge, uint64_t node, uint32_t flags)
{
	struct session *session;
	struct holonfs *fs;
	(void)context;
	int64_t result = call_begin(badge, node, false, &session, &fs);
	if (result < 0)
		return result;
	if (flags & ~(uint32_t)FILE_SYNC_DATA)
		return E_ARGUMENT;
	if (!session->vault->changed)
		return E_OK;
	session->vault->changed = false;
	return file_error(holonfs_sync(fs)); /* of one node or of all: it is one flush */
}

int64_t contents_statistics(void *context, uint64_t badge, const void **statistics, uint32_t *bytes)
{
	static struct file_statistics out;
	struct session *session;
	struct holonfs *fs;
	struct holonfs_statistics now;
	uint64_t limits[2];
	uint64_t used[2];
	(void)context;
	int64_t result = call_begin(badge, 0, false, &session, &fs);
	if (result < 0)
		return result;
	holonfs_get_statistics(fs, &now);
	out = (struct file_statistics){.block_bytes = HOLONFS_BLOCK,
	                               .blocks = now.blocks,
	                               .blocks_free = room(session->vault) / HOLONFS_BLOCK,
	                               .nodes = now.inodes,
	                               .nodes_free = UINT64_MAX,
	                               .name_max = FILE_NAME_MAX,
	                               .flags = session->write ? 0 : FILE_STATISTICS_READ_ONLY};
	memcpy(out.identity, now.id, sizeof(out.identity));
	if (holonfs_get_quota(fs, session->root, limits, used) > 0) {
		uint64_t left = limits[0] > used[0] ? limits[0] - used[0] : 0;
		if (limits[0]) {
			out.blocks = limits[0];
			out.blocks_free = left < out.blocks_free ? left : out.blocks_free;
		}
		if (limits[1])
			out.nodes_free = limits[1] > used[1] ? limits[1] - used[1] : 0;
	}
	*statistics = &out;
	*bytes = sizeof(out);
	return E_OK;
}
