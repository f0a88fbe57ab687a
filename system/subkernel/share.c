/* See share.h.
 *
 * A node is an inode: its number, and an O_PATH descriptor that keeps it. Names are looked up one at a time below a node,
 * never followed and never "..", so that nothing outside of the directory is reached; what lies on another file system
 * below it is refused. Set-user-ID bits, devices and sockets are not made for a child. */
#include "share_nodes.h"
#include <errno.h>
#include <fcntl.h>
#include <file_name.h>
#include <holon/file.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MODE_KEPT   01777u
#define CHUNK_BYTES 65536u
#define LIST_BYTES  3072u /* of entries in one answer */
#define SET_KNOWN   511u
#define SESSION     1u /* stands for the capability that the personality gives */

/* What the generated code asks of a kernel: only to let capabilities go, of which there are none here. */
int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)second;
	return E_CALL;
}

/* ---- Attributes ---- */

static int64_t nanoseconds(struct timespec time)
{
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static struct timespec timespec_of(int64_t ns)
{
	int64_t seconds = ns / 1000000000 - (ns % 1000000000 < 0);
	return (struct timespec){.tv_sec = seconds, .tv_nsec = ns - seconds * 1000000000};
}

static int64_t give(const struct stat *status, const void **attributes, uint32_t *bytes)
{
	static struct file_attributes reply;
	int64_t modified = nanoseconds(status->st_mtim), changed = nanoseconds(status->st_ctim);
	reply = (struct file_attributes){
	    .node = status->st_ino,
	    .size = (uint64_t)status->st_size,
	    .bytes_used = (uint64_t)status->st_blocks * 512,
	    .accessed_ns = nanoseconds(status->st_atim),
	    .modified_ns = modified,
	    .changed_ns = changed,
	    .device = (uint64_t)major(status->st_rdev) << 32 | minor(status->st_rdev),
	    .mode = status->st_mode,
	    .links = (uint32_t)status->st_nlink,
	    .uid = status->st_uid,
	    .gid = status->st_gid,
	    .generation = (uint32_t)((uint64_t)modified * 0x9e3779b97f4a7c15ull >> 32),
	};
	*attributes = &reply;
	*bytes = sizeof(reply);
	return E_OK;
}

/* The path by which NODE's descriptor is opened or changed anew. */
struct node_path {
	char text[32];
};

static struct node_path path_of(const struct share_node *node)
{
	struct node_path path;
	snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", node->file);
	return path;
}

static int64_t give_node(const struct share_node *node, const void **attributes, uint32_t *bytes)
{
	struct stat status;
	return fstatat(node->file, "", &status, AT_EMPTY_PATH) ? share_failed()
	                                                       : give(&status, attributes, bytes);
}

/* ---- The beginning of calls ---- */

static int64_t begin(struct share *share, uint64_t number, bool writes, struct share_node **node)
{
	if (!share->session || !(*node = share_node_find(share, number)))
		return FILE_E_STALE;
	return writes && share->read_only ? FILE_E_READ_ONLY : E_OK;
}

static int64_t begin_name(struct share *share, uint64_t directory, const char *name, bool writes,
                          struct share_node **node)
{
	int64_t result = begin(share, directory, writes, node);
	return result < 0 ? result : file_name_check(name);
}

/* A use of NAME in DIRECTORY, with its attributes. */
static int64_t use_name(struct share *share, int directory, const char *name, uint64_t *number,
                        const void **attributes, uint32_t *bytes)
{
	struct stat status;
	int file = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (file < 0)
		return share_failed();
	int64_t result = share_node_use(share, file, &status);
	if (result < 0)
		return result;
	*number = status.st_ino;
	return give(&status, attributes, bytes);
}

/* A file, opened for its contents, of the few that are kept so; or an error. */
static int64_t contents(struct share *share, const struct share_node *node, bool write)
{
	struct stat status;
	for (unsigned i = 0; i < SHARE_OPEN_MAX; i++)
		if (share->open[i].number == node->number && (share->open[i].write || !write))
			return share->open[i].file;
	if (fstatat(node->file, "", &status, AT_EMPTY_PATH))
		return share_failed();
	if (!S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? FILE_E_IS_DIRECTORY : E_ARGUMENT;
	int flags = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int file = open(path_of(node).text, flags | (write ? O_RDWR : O_RDONLY));
	if (file < 0 && write && errno == EACCES)
		file = open(path_of(node).text, flags | O_WRONLY);
	if (file < 0)
		return share_failed();
	unsigned at = share->open_next++ % SHARE_OPEN_MAX;
	if (share->open[at].number)
		close(share->open[at].file);
	share->open[at].number = node->number;
	share->open[at].file = file;
	share->open[at].write = write;
	return file;
}

/* ---- The calls ---- */

static int64_t share_session(void *context, uint64_t badge, handle_t quota, handle_t changes, uint32_t flags,
                             int64_t now_ns, handle_t *session, uint64_t *root, const void **attributes,
                             uint32_t *bytes)
{
	struct share *share = context;
	struct share_node *node = share_node_find(share, share->root);
	(void)badge, (void)quota, (void)changes, (void)now_ns;
	if (share->session || !node)
		return FILE_E_BUSY;
	if (flags & FILE_SESSION_WRITE && share->read_only)
		return FILE_E_READ_ONLY;
	int64_t result = give_node(node, attributes, bytes);
	if (result < 0)
		return result;
	share->session = true;
	*session = SESSION;
	*root = share->root;
	return E_OK;
}

static int64_t share_call_end(void *context, uint64_t badge)
{
	struct share *share = context;
	(void)badge;
	for (uint32_t i = 0; i < share->slots;) {
		struct share_node *node = &share->nodes[i];
		if (node->number && node->number != share->root)
			share_node_remove(share, node); /* another may have moved to this place */
		else
			i++;
	}
	share->session = false;
	return E_OK;
}

static int64_t share_lookup(void *context, uint64_t badge, uint64_t directory, const char *name,
                            uint64_t *number, const void **attributes, uint32_t *bytes)
{
	struct share *share = context;
	struct share_node *node;
	(void)badge;
	int64_t result = begin_name(share, directory, name, false, &node);
	return result < 0 ? result : use_name(share, node->file, name, number, attributes, bytes);
}

static int64_t share_forget(void *context, uint64_t badge, uint64_t number, uint64_t count)
{
	struct share *share = context;
	struct share_node *node;
	(void)badge;
	int64_t result = begin(share, number, false, &node);
	if (result < 0 || number == share->root)
		return result;
	if (count < node->count)
		node->count -= count;
	else
		share_node_remove(share, node);
	return E_OK;
}

static int64_t share_attributes(void *context, uint64_t badge, uint64_t number, const void **attributes,
                                uint32_t *bytes)
{
	struct share_node *node;
	(void)badge;
	int64_t result = begin(context, number, false, &node);
	return result < 0 ? result : give_node(node, attributes, bytes);
}

/* Times of VALID in WANTED, to be kept where they are not in it. */
static int set_times(const struct share_node *node, uint32_t valid, const struct file_attributes *wanted)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
	if (valid & FILE_SET_ACCESSED)
		times[0] = timespec_of(wanted->accessed_ns);
	if (valid & FILE_SET_MODIFIED)
		times[1] = timespec_of(wanted->modified_ns);
	if (valid & FILE_SET_ACCESSED_NOW)
		times[0].tv_nsec = UTIME_NOW;
	if (valid & FILE_SET_MODIFIED_NOW)
		times[1].tv_nsec = UTIME_NOW;
	return utimensat(AT_FDCWD, path_of(node).text, times, 0);
}

static int64_t share_set_attributes(void *context, uint64_t badge, uint64_t number, uint32_t valid,
                                    const void *data, uint32_t data_bytes, const void **attributes,
                                    uint32_t *bytes)
{
	struct share_node *node;
	struct file_attributes wanted;
	struct stat status;
	(void)badge;
	int64_t result = begin(context, number, true, &node);
	if (result < 0)
		return result;
	if (data_bytes != sizeof(wanted) || valid & ~SET_KNOWN)
		return E_ARGUMENT;
	memcpy(&wanted, data, sizeof(wanted));
	if (fstatat(node->file, "", &status, AT_EMPTY_PATH))
		return share_failed();
	bool link = S_ISLNK(status.st_mode); /* whose path would be followed */
	if (valid & (FILE_SET_UID | FILE_SET_GID) &&
	    fchownat(node->file, "", valid & FILE_SET_UID ? wanted.uid : (uid_t)-1,
	             valid & FILE_SET_GID ? wanted.gid : (gid_t)-1, AT_EMPTY_PATH))
		return share_failed();
	if (!link && valid & FILE_SET_MODE && chmod(path_of(node).text, wanted.mode & MODE_KEPT))
		return share_failed();
	if (valid & FILE_SET_SIZE && (wanted.size > FILE_SIZE_MAX || !S_ISREG(status.st_mode) ||
	                              truncate(path_of(node).text, (off_t)wanted.size)))
		return wanted.size > FILE_SIZE_MAX ? FILE_E_TOO_BIG
		       : S_ISREG(status.st_mode)   ? share_failed()
		                                   : E_ARGUMENT;
	const uint32_t times =
	    FILE_SET_ACCESSED | FILE_SET_MODIFIED | FILE_SET_ACCESSED_NOW | FILE_SET_MODIFIED_NOW;
	if (!link && valid & times && set_times(node, valid, &wanted))
		return share_failed();
	return give_node(node, attributes, bytes);
}

/* What was made belongs to whom the child says, where this process may say so; else it stays this process's own. */
static void own(int directory, const char *name, uint64_t owner)
{
	(void)!fchownat(directory, name, (uid_t)owner, (gid_t)(owner >> 32), AT_SYMLINK_NOFOLLOW);
}

static int64_t share_create(void *context, uint64_t badge, uint64_t directory, uint32_t mode, uint64_t owner,
                            uint64_t device, const char *name, uint64_t *number, const void **attributes,
                            uint32_t *bytes)
{
	struct share_node *node;
	(void)badge, (void)device;
	int64_t result = begin_name(context, directory, name, true, &node);
	if (result < 0)
		return result;
	mode_t kept = mode & MODE_KEPT;
	int made = -1;
	errno = EPERM;
	if (S_ISDIR(mode))
		made = mkdirat(node->file, name, kept);
	else if (S_ISFIFO(mode))
		made = mkfifoat(node->file, name, kept);
	else if (S_ISREG(mode))
		made = openat(node->file, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, kept);
	if (made < 0)
		return share_failed();
	if (S_ISREG(mode))
		close(made);
	own(node->file, name, owner);
	return use_name(context, node->file, name, number, attributes, bytes);
}

static int64_t share_link_symbolic(void *context, uint64_t badge, uint64_t directory, uint64_t owner,
                                   const char *name, const char *target, uint64_t *number,
                                   const void **attributes, uint32_t *bytes)
{
	struct share_node *node;
	(void)badge;
	int64_t result = begin_name(context, directory, name, true, &node);
	if (result < 0)
		return result;
	if (symlinkat(target, node->file, name))
		return share_failed();
	own(node->file, name, owner);
	return use_name(context, node->file, name, number, attributes, bytes);
}

static int64_t share_read_link(void *context, uint64_t badge, uint64_t number, uint32_t offset,
                               const void **target, uint32_t *bytes)
{
	static char text[FILE_SYMLINK_MAX + 1];
	struct share_node *node;
	(void)badge;
	int64_t result = begin(context, number, false, &node);
	if (result < 0)
		return result;
	ssize_t length = readlinkat(node->file, "", text, sizeof(text));
	if (length < 0)
		return share_failed();
	uint32_t left = offset < (uint64_t)length ? (uint32_t)length - offset : 0;
	*target = left ? text + offset : text;
	*bytes = left < LIST_BYTES ? left : LIST_BYTES;
	return E_OK;
}

static int64_t share_link(void *context, uint64_t badge, uint64_t number, uint64_t directory, uint32_t flags,
                          const char *name, const void **attributes, uint32_t *bytes)
{
	struct share_node *node, *into;
	(void)badge, (void)flags;
	int64_t result = begin(context, number, true, &node);
	if (result >= 0)
		result = begin_name(context, directory, name, true, &into);
	if (result < 0)
		return result;
	if (linkat(AT_FDCWD, path_of(node).text, into->file, name, AT_SYMLINK_FOLLOW))
		return share_failed();
	return give_node(node, attributes, bytes);
}

static int64_t share_unlink(void *context, uint64_t badge, uint64_t directory, uint32_t flags,
                            const char *name)
{
	struct share_node *node;
	(void)badge;
	int64_t result = begin_name(context, directory, name, true, &node);
	if (result < 0)
		return result;
	return unlinkat(node->file, name, flags & FILE_UNLINK_DIRECTORY ? AT_REMOVEDIR : 0) ? share_failed()
	                                                                                    : E_OK;
}

static int64_t share_rename(void *context, uint64_t badge, uint64_t from_directory, uint64_t to_directory,
                            uint32_t flags, const char *from, const char *to)
{
	struct share_node *source, *target;
	(void)badge;
	int64_t result = begin_name(context, from_directory, from, true, &source);
	if (result >= 0)
		result = begin_name(context, to_directory, to, true, &target);
	if (result >= 0 && flags & ~(uint32_t)(FILE_RENAME_EXCLUSIVE | FILE_RENAME_EXCHANGE))
		result = FILE_E_SUPPORT;
	if (result < 0)
		return result;
	return renameat2(source->file, from, target->file, to, flags) ? share_failed() : E_OK;
}

/* What getdents64(2) gives. */
struct entry {
	uint64_t number;
	int64_t next;
	uint16_t bytes;
	uint8_t type;
	char name[];
};

static int64_t share_list(void *context, uint64_t badge, uint64_t directory, uint64_t cookie, uint64_t *next,
                          uint64_t *parent, const void **entries, uint32_t *bytes)
{
	static uint8_t reply[LIST_BYTES];
	_Alignas(struct entry) char found[LIST_BYTES];
	struct share_node *node;
	(void)badge;
	int64_t result = begin(context, directory, false, &node);
	if (result < 0)
		return result;
	*parent = 0;
	*entries = reply;
	*bytes = 0;
	*next = cookie;
	int file = openat(node->file, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file < 0)
		return share_failed();
	long length = -1;
	if (lseek(file, (off_t)cookie, SEEK_SET) < 0)
		errno = EINVAL;
	else
		while (!*bytes && (length = syscall(SYS_getdents64, file, found, sizeof(found))) > 0)
			for (long at = 0; at < length;) {
				const struct entry *entry = (const struct entry *)(found + at);
				size_t name = strlen(entry->name);
				struct file_entry one = {
				    .node = entry->number,
				    .cookie = (uint64_t)entry->next,
				    .mode = (uint32_t)entry->type << 12,
				    .name_bytes = (uint16_t)name,
				    .entry_bytes = (uint16_t)((sizeof(one) + name + 7) & ~(size_t)7)};
				at += entry->bytes;
				if (*bytes + one.entry_bytes > sizeof(reply))
					break; /* from here on the next time */
				*next = one.cookie;
				if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0 ||
				    name > FILE_NAME_MAX)
					continue;
				memset(reply + *bytes, 0, one.entry_bytes);
				memcpy(reply + *bytes, &one, sizeof(one));
				memcpy(reply + *bytes + sizeof(one), entry->name, name);
				*bytes += one.entry_bytes;
			}
	result = *bytes || length >= 0 ? E_OK : share_failed();
	close(file);
	return result;
}

static int64_t share_reserve(void *context, uint64_t badge, uint64_t number, uint64_t offset, uint64_t bytes,
                             uint64_t *granted)
{
	struct share_node *node;
	(void)badge, (void)offset;
	int64_t result = begin(context, number, true, &node);
	*granted = bytes < FILE_RESERVE_MAX
	               ? bytes
	               : FILE_RESERVE_MAX; /* nothing is kept back: write() may say ENOSPC */
	return result;
}

static int64_t share_resize(void *context, uint64_t badge, uint64_t number, uint64_t size)
{
	struct share_node *node;
	(void)badge;
	int64_t result = begin(context, number, true, &node);
	if (result >= 0 && size > FILE_SIZE_MAX)
		result = FILE_E_TOO_BIG;
	int64_t file = result < 0 ? result : contents(context, node, true);
	return file < 0 ? file : ftruncate((int)file, (off_t)size) ? share_failed() : E_OK;
}

static int64_t share_allocate(void *context, uint64_t badge, uint64_t number, uint32_t mode, uint64_t offset,
                              uint64_t bytes)
{
	const uint32_t known = FILE_ALLOCATE_KEEP_SIZE | FILE_ALLOCATE_PUNCH | FILE_ALLOCATE_ZERO |
	                       FILE_ALLOCATE_COLLAPSE | FILE_ALLOCATE_INSERT;
	struct share_node *node;
	(void)badge;
	int64_t result = begin(context, number, true, &node);
	if (result >= 0 && mode & ~known)
		result = FILE_E_SUPPORT;
	if (result >= 0 && (offset > FILE_SIZE_MAX || bytes > FILE_SIZE_MAX - offset))
		result = FILE_E_TOO_BIG;
	int64_t file = result < 0 ? result : contents(context, node, true);
	return file < 0                                                       ? file
	       : fallocate((int)file, (int)mode, (off_t)offset, (off_t)bytes) ? share_failed()
	                                                                      : E_OK;
}

static int64_t share_seek(void *context, uint64_t badge, uint64_t number, uint32_t what, uint64_t offset,
                          uint64_t *found)
{
	struct share_node *node;
	(void)badge;
	int64_t result = begin(context, number, false, &node);
	if (result >= 0 && ((what != FILE_SEEK_DATA && what != FILE_SEEK_HOLE) || offset > FILE_SIZE_MAX))
		result = E_ARGUMENT;
	int64_t file = result < 0 ? result : contents(context, node, false);
	off_t at = file < 0 ? -1 : lseek((int)file, (off_t)offset, (int)what);
	if (file < 0)
		return file;
	*found = (uint64_t)at;
	return at >= 0 ? E_OK : errno == ENXIO ? E_NOT_FOUND : share_failed();
}

static int64_t share_sync(void *context, uint64_t badge, uint64_t number, uint32_t flags)
{
	struct share *share = context;
	struct share_node *node;
	(void)badge;
	int64_t result = begin(share, number ? number : share->root, false, &node);
	if (result < 0 || share->read_only)
		return result;
	int64_t file = number ? contents(share, node, true)
	                      : openat(node->file, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (number && file < 0)
		return file == FILE_E_IS_DIRECTORY || file == E_ARGUMENT ? E_OK : file;
	if (file < 0)
		return share_failed();
	int done = !number                  ? syncfs((int)file)
	           : flags & FILE_SYNC_DATA ? fdatasync((int)file)
	                                    : fsync((int)file);
	result = done ? share_failed() : E_OK;
	if (!number)
		close((int)file);
	return result;
}

static int64_t share_statistics(void *context, uint64_t badge, const void **statistics, uint32_t *bytes)
{
	static struct file_statistics reply;
	struct share *share = context;
	struct share_node *node;
	struct statvfs found;
	(void)badge;
	int64_t result = begin(share, share->root, false, &node);
	if (result >= 0 && statvfs(path_of(node).text, &found))
		result = share_failed();
	if (result < 0)
		return result;
	reply = (struct file_statistics){.block_bytes = found.f_frsize,
	                                 .blocks = found.f_blocks,
	                                 .blocks_free = found.f_bavail,
	                                 .nodes = found.f_files,
	                                 .nodes_free = found.f_favail,
	                                 .name_max = FILE_NAME_MAX,
	                                 .flags = share->read_only ? FILE_STATISTICS_READ_ONLY : 0};
	*statistics = &reply;
	*bytes = sizeof(reply);
	return E_OK;
}

static int64_t share_changes(void *context, uint64_t badge, const void **change, uint32_t *bytes)
{
	(void)context, (void)badge, (void)change, (void)bytes;
	return E_NOT_FOUND; /* the child asks anew instead */
}

/* Bytes [OFFSET, + BYTES) of NODE to or from the buffer at AT. */
static int64_t move(struct share *share, uint64_t number, uint64_t offset, uint64_t bytes, uint64_t at,
                    uint64_t *done, bool write)
{
	static char chunk[CHUNK_BYTES];
	struct share_node *node;
	int64_t result = begin(share, number, write, &node);
	if (result >= 0 &&
	    (offset > FILE_SIZE_MAX || bytes > FILE_TRANSFER_MAX || at > FILE_TRANSFER_MAX - bytes))
		result = E_ARGUMENT;
	int64_t file = result < 0 ? result : contents(share, node, write);
	if (file < 0)
		return file;
	for (*done = 0; *done < bytes;) {
		size_t part = bytes - *done < sizeof(chunk) ? (size_t)(bytes - *done) : sizeof(chunk);
		off_t from = (off_t)(offset + *done);
		if (write && !share->buffer_get(share->context, at + *done, chunk, part))
			return E_ARGUMENT;
		ssize_t moved =
		    write ? pwrite((int)file, chunk, part, from) : pread((int)file, chunk, part, from);
		if (moved < 0 && errno == EINTR)
			continue;
		if (moved < 0 && !*done)
			return share_failed();
		if (moved <= 0)
			break;
		if (!write && !share->buffer_put(share->context, at + *done, chunk, (size_t)moved))
			return E_ARGUMENT;
		*done += (uint64_t)moved;
	}
	return E_OK;
}

static int64_t share_read(void *context, uint64_t badge, uint64_t number, uint64_t offset, uint64_t bytes,
                          uint64_t at, uint64_t *done)
{
	(void)badge;
	return move(context, number, offset, bytes, at, done, false);
}

static int64_t share_write(void *context, uint64_t badge, uint64_t number, uint64_t offset, uint64_t bytes,
                           uint64_t at, uint64_t *done)
{
	(void)badge;
	return move(context, number, offset, bytes, at, done, true);
}

/* Of a client that keeps pages of its own; it is told of no extended attributes. */
static const struct file_operations operations = {.session = share_session,
                                                  .end = share_call_end,
                                                  .lookup = share_lookup,
                                                  .forget = share_forget,
                                                  .attributes = share_attributes,
                                                  .set_attributes = share_set_attributes,
                                                  .create = share_create,
                                                  .link_symbolic = share_link_symbolic,
                                                  .read_link = share_read_link,
                                                  .link = share_link,
                                                  .unlink = share_unlink,
                                                  .rename = share_rename,
                                                  .list = share_list,
                                                  .reserve = share_reserve,
                                                  .resize = share_resize,
                                                  .allocate = share_allocate,
                                                  .seek = share_seek,
                                                  .sync = share_sync,
                                                  .statistics = share_statistics,
                                                  .changes = share_changes,
                                                  .read = share_read,
                                                  .write = share_write};

int share_begin(struct share *share, int directory, bool read_only, uint32_t most)
{
	struct stat status;
	int root = openat(directory, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int error = errno;
	close(directory);
	if (root < 0 || fstatat(root, "", &status, AT_EMPTY_PATH) || !share_nodes_grow(share)) {
		error = root < 0 ? error : errno;
		if (root >= 0)
			close(root);
		errno = error;
		return -1;
	}
	share->read_only = read_only;
	share->most = most;
	share->device = status.st_dev;
	share->root = status.st_ino;
	return share_node_use(share, root, &status) < 0 ? -1 : 0;
}

void share_end(struct share *share)
{
	(void)share_call_end(share, 0);
	struct share_node *root = share_node_find(share, share->root);
	if (root)
		share_node_remove(share, root);
	free(share->nodes);
	share->nodes = 0;
	share->slots = 0;
}

void share_answer(struct share *share, struct message *message, struct thread_page *page)
{
	file_serve(&operations, share, message, page);
}
