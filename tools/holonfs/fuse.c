/*
 * holonfs mount: the library under FUSE (libfuse's low-level interface). Threads serve requests, one at a time in
 * the library, by one lock, which the thread that syncs every five seconds takes too: with a thread alone each
 * answer wakes another processor, with several the waiting program's own goes on (random reads: a third less). The kernel checks permissions (default_permissions
 * is always on), keeps locks and caches contents; ACLs are the library's (FUSE_CAP_POSIX_ACL).
 *
 * Answers are given outside the lock, so an older one may come behind a newer one. The kernel locks what it must not
 * mix (pages, directories whose names change), and drops attributes that are older than its own; only where it
 * changes none itself it has to be told (forget_attributes).
 */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 35
#include "tool.h"

#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CACHE_SECONDS 3600.0 /* nobody but the kernel changes anything */
#define SYNC_SECONDS  5

static struct holonfs *fs;
static const struct control *control;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fuse_session *session;
static atomic_bool ending;
static bool read_only_mount, writeback;

static void enter(void)
{
	pthread_mutex_lock(&lock);
}

/* Every request ends here, so that what piled up is written between operations. */
static void leave(void)
{
	(void)(holonfs_relieve(fs) < 0); /* a failure shows in every later request */
	pthread_mutex_unlock(&lock);
}

static void reply(fuse_req_t request, int status)
{
	leave();
	fuse_reply_err(request, status < 0 ? -status : 0);
}

/* Extended attributes change mode and time, names those of directories: the kernel forgets the attributes that it knows, but would take
 * (for CACHE_SECONDS) what a request of before is answered later. Before the answer, until which the inode is in use. */
static void forget_attributes(uint64_t inode)
{
	fuse_lowlevel_notify_inval_inode(session, inode, -1, 0);
}

static void reply_changed(fuse_req_t request, uint64_t inode, int status)
{
	leave();
	if (status == 0)
		forget_attributes(inode);
	fuse_reply_err(request, status < 0 ? -status : 0);
}

static struct timespec to_time(int64_t ns)
{
	int64_t seconds = ns / 1000000000;
	int64_t rest = ns % 1000000000;
	if (rest < 0) {
		rest += 1000000000;
		seconds--;
	}
	return (struct timespec){.tv_sec = seconds, .tv_nsec = rest};
}

static int64_t from_time(struct timespec time)
{
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static struct stat to_stat(const struct holonfs_attributes *attributes)
{
	return (struct stat){.st_ino = attributes->inode,
	                     .st_mode = attributes->mode,
	                     .st_nlink = attributes->links,
	                     .st_uid = attributes->uid,
	                     .st_gid = attributes->gid,
	                     .st_rdev = makedev(attributes->device >> 32, attributes->device & 0xffffffff),
	                     .st_size = (off_t)attributes->size,
	                     .st_blksize = HOLONFS_BLOCK,
	                     .st_blocks = (blkcnt_t)(attributes->blocks * (HOLONFS_BLOCK / 512)),
	                     .st_atim = to_time(attributes->accessed_ns),
	                     .st_mtim = to_time(attributes->modified_ns),
	                     .st_ctim = to_time(attributes->changed_ns)};
}

static struct fuse_entry_param to_entry(const struct holonfs_attributes *attributes)
{
	return (struct fuse_entry_param){.ino = attributes->inode,
	                                 .attr = to_stat(attributes),
	                                 .attr_timeout = CACHE_SECONDS,
	                                 .entry_timeout = CACHE_SECONDS};
}

/* Answers with an entry, which the kernel uses from now on, and which is new in DIRECTORY; 0: in none. */
static void reply_entry(fuse_req_t request, uint64_t directory, int status,
                        const struct holonfs_attributes *attributes)
{
	if (status == 0)
		status = holonfs_use(fs, attributes->inode);
	leave();
	struct fuse_entry_param entry;
	if (status < 0) {
		fuse_reply_err(request, -status);
		return;
	}
	if (directory)
		forget_attributes(directory);
	entry = to_entry(attributes);
	if (fuse_reply_entry(request, &entry) ==
	    -ENOENT) { /* the request was interrupted: the kernel knows nothing */
		enter();
		(void)(holonfs_forget(fs, attributes->inode, 1) < 0);
		leave();
	}
}

static void reply_attributes(fuse_req_t request, int status, const struct holonfs_attributes *attributes)
{
	leave();
	if (status < 0) {
		fuse_reply_err(request, -status);
		return;
	}
	struct stat result = to_stat(attributes);
	fuse_reply_attr(request, &result, CACHE_SECONDS);
}

/* ---- What is agreed on with the kernel ---- */

/* Before each write the kernel asks for security.capability, half of all requests, unless the file system promises to take set-user-ID
 * and set-group-ID bits away itself where that has to be (do_setattr). libfuse knows of no such promise before 3.16: it is added to its
 * answer to INIT, the first that passes here. */
static _Atomic uint64_t init_request;

static ssize_t receive(int fd, void *buffer, size_t size, void *data)
{
	ssize_t got = read(fd, buffer, size);
	const struct fuse_in_header *header = buffer;
	(void)data;
	if (got < (ssize_t)(sizeof(*header) + offsetof(struct fuse_init_in, flags2)) ||
	    header->opcode != FUSE_INIT)
		return got;
	const struct fuse_init_in *offered = (const struct fuse_init_in *)(header + 1);
	if (offered->flags & FUSE_HANDLE_KILLPRIV_V2)
		init_request = header->unique;
	return got;
}

static ssize_t answer(int fd, struct iovec *parts, int count, void *data)
{
	const struct fuse_out_header *header = parts[0].iov_base;
	(void)data;
	if (init_request && header->unique == init_request) {
		struct fuse_init_out *agreed = parts[1].iov_base;
		if (count == 2 && parts[1].iov_len >= sizeof(*agreed))
			agreed->flags |= FUSE_HANDLE_KILLPRIV_V2;
		init_request = 0;
	}
	return writev(fd, parts, count);
}

static void do_init(void *data, struct fuse_conn_info *connection)
{
	(void)data;
	unsigned wanted = FUSE_CAP_POSIX_ACL | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
	                  FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_EXPORT_SUPPORT |
	                  FUSE_CAP_DONT_MASK | FUSE_CAP_IOCTL_DIR;
	if (writeback)
		wanted |= FUSE_CAP_WRITEBACK_CACHE;
	connection->want |= wanted & connection->capable;
	connection->want &=
	    ~(unsigned)FUSE_CAP_ATOMIC_O_TRUNC; /* open() cuts nothing: the kernel asks for that by setattr */
	connection->max_write = 1u << 20;
	connection->time_gran = 1;
}

static void do_lookup(fuse_req_t request, fuse_ino_t directory, const char *name)
{
	struct holonfs_attributes found = {0};
	enter();
	int status = 0;
	if (!strcmp(name, ".")) {
		status = holonfs_get(fs, directory, &found);
	} else if (!strcmp(name, "..")) {
		uint64_t parent = 0;
		status = holonfs_parent(fs, directory, &parent);
		if (status == 0)
			status = holonfs_get(fs, parent, &found);
	} else {
		status = holonfs_lookup(fs, directory, name, &found);
	}
	if (status == -ENOENT) { /* the kernel remembers that, too */
		leave();
		struct fuse_entry_param nothing = {.entry_timeout = CACHE_SECONDS};
		fuse_reply_entry(request, &nothing);
		return;
	}
	reply_entry(request, 0, status, &found);
}

static void do_forget(fuse_req_t request, fuse_ino_t inode, uint64_t count)
{
	enter();
	(void)(holonfs_forget(fs, inode, count) < 0);
	leave();
	fuse_reply_none(request);
}

static void do_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets)
{
	enter();
	for (size_t i = 0; i < count; i++)
		(void)(holonfs_forget(fs, forgets[i].ino, forgets[i].nlookup) < 0);
	leave();
	fuse_reply_none(request);
}

static void do_getattr(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	struct holonfs_attributes attributes = {0};
	(void)info;
	enter();
	reply_attributes(request, holonfs_get(fs, inode, &attributes), &attributes);
}

/* Whether the set-user-ID bit, and the set-group-ID bit of what a group may execute, go; *MODE is what is left. */
static bool privileges_go(uint64_t inode, uint32_t *mode)
{
	struct holonfs_attributes attributes = {0};
	if (holonfs_get(fs, inode, &attributes) < 0 || S_ISDIR(attributes.mode))
		return false;
	*mode = attributes.mode & ~(uint32_t)S_ISUID;
	if (*mode & S_IXGRP)
		*mode &= ~(uint32_t)S_ISGID;
	return *mode != attributes.mode;
}

/* With KILL_SUID (of a new owner or a new size), and where nothing but the time is to be set (before a write), privileges go. */
static void do_setattr(fuse_req_t request, fuse_ino_t inode, struct stat *new, int what,
                       struct fuse_file_info *info)
{
	struct holonfs_attributes wanted = {.mode = new->st_mode,
	                                    .uid = new->st_uid,
	                                    .gid = new->st_gid,
	                                    .size = (uint64_t) new->st_size,
	                                    .accessed_ns = from_time(new->st_atim),
	                                    .modified_ns = from_time(new->st_mtim),
	                                    .changed_ns = from_time(new->st_ctim)};
	struct holonfs_attributes attributes = {0};
	uint32_t valid = 0;
	(void)info;
	valid |= what & FUSE_SET_ATTR_MODE ? HOLONFS_SET_MODE : 0;
	valid |= what & FUSE_SET_ATTR_UID ? HOLONFS_SET_UID : 0;
	valid |= what & FUSE_SET_ATTR_GID ? HOLONFS_SET_GID : 0;
	valid |= what & FUSE_SET_ATTR_SIZE ? HOLONFS_SET_SIZE : 0;
	valid |= what & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW) ? HOLONFS_SET_ACCESSED : 0;
	valid |= what & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW) ? HOLONFS_SET_MODIFIED : 0;
	valid |= what & FUSE_SET_ATTR_CTIME ? HOLONFS_SET_CHANGED : 0;
	if (what & FUSE_SET_ATTR_ATIME_NOW)
		wanted.accessed_ns = host_now_ns();
	if (what & FUSE_SET_ATTR_MTIME_NOW)
		wanted.modified_ns = host_now_ns();
	enter();
	if ((!(what & ~FUSE_SET_ATTR_CTIME) || what & FUSE_SET_ATTR_KILL_SUID) &&
	    privileges_go(inode, &wanted.mode))
		valid |= HOLONFS_SET_MODE;
	reply_attributes(request, holonfs_set(fs, inode, valid, &wanted, &attributes), &attributes);
}

static void do_readlink(fuse_req_t request, fuse_ino_t inode)
{
	char target[HOLONFS_SYMLINK_MAX + 1];
	enter();
	int length = holonfs_read_link(fs, inode, target, HOLONFS_SYMLINK_MAX);
	leave();
	if (length < 0) {
		fuse_reply_err(request, -length);
		return;
	}
	target[length] = 0;
	fuse_reply_readlink(request, target);
}

static uint64_t to_device(dev_t device)
{
	return (uint64_t)major(device) << 32 | minor(device);
}

static void do_mknod(fuse_req_t request, fuse_ino_t directory, const char *name, mode_t mode, dev_t device)
{
	const struct fuse_ctx *who = fuse_req_ctx(request);
	struct holonfs_attributes made = {0};
	uint32_t type = mode & S_IFMT ? 0 : S_IFREG;
	enter();
	reply_entry(request, directory,
	            holonfs_create(fs, directory, name, mode | type, who->umask, who->uid, who->gid,
	                           to_device(device), &made),
	            &made);
}

static void do_mkdir(fuse_req_t request, fuse_ino_t directory, const char *name, mode_t mode)
{
	const struct fuse_ctx *who = fuse_req_ctx(request);
	struct holonfs_attributes made = {0};
	enter();
	reply_entry(request, directory,
	            holonfs_create(fs, directory, name, (mode & 07777) | S_IFDIR, who->umask, who->uid,
	                           who->gid, 0, &made),
	            &made);
}

static void do_symlink(fuse_req_t request, const char *target, fuse_ino_t directory, const char *name)
{
	const struct fuse_ctx *who = fuse_req_ctx(request);
	struct holonfs_attributes made = {0};
	enter();
	reply_entry(request, directory,
	            holonfs_symlink(fs, directory, name, target, who->uid, who->gid, &made), &made);
}

static void do_unlink(fuse_req_t request, fuse_ino_t directory, const char *name)
{
	enter();
	reply_changed(request, directory, holonfs_unlink(fs, directory, name));
}

static void do_rmdir(fuse_req_t request, fuse_ino_t directory, const char *name)
{
	enter();
	reply_changed(request, directory, holonfs_rmdir(fs, directory, name));
}

static void do_rename(fuse_req_t request, fuse_ino_t from_directory, const char *from,
                      fuse_ino_t to_directory, const char *to, unsigned flags)
{
	struct holonfs_attributes moved = {0};
	struct holonfs_attributes replaced = {0};
	uint32_t wanted = 0;
	wanted |= flags & RENAME_NOREPLACE ? HOLONFS_RENAME_EXCLUSIVE : 0;
	wanted |= flags & RENAME_EXCHANGE ? HOLONFS_RENAME_EXCHANGE : 0;
	wanted |= flags & RENAME_WHITEOUT ? HOLONFS_RENAME_WHITEOUT : 0;
	enter();
	(void)(holonfs_lookup(fs, from_directory, from, &moved) < 0);
	(void)(holonfs_lookup(fs, to_directory, to, &replaced) < 0);
	int status = holonfs_rename(fs, from_directory, from, to_directory, to, wanted);
	leave();
	if (status == 0) {
		forget_attributes(from_directory);
		forget_attributes(to_directory);
		forget_attributes(moved.inode);
		forget_attributes(replaced.inode); /* 0: none, which the kernel refuses */
	}
	fuse_reply_err(request, status < 0 ? -status : 0);
}

static void do_link(fuse_req_t request, fuse_ino_t inode, fuse_ino_t directory, const char *name)
{
	struct holonfs_attributes attributes = {0};
	enter();
	reply_entry(request, directory, holonfs_link(fs, inode, directory, name, &attributes), &attributes);
}

static void do_open(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	(void)inode;
	info->keep_cache = 1;
	fuse_reply_open(request, info);
}

static void reply_create(fuse_req_t request, uint64_t directory, int status,
                         const struct holonfs_attributes *made, struct fuse_file_info *info)
{
	if (status == 0)
		status = holonfs_use(fs, made->inode);
	leave();
	if (status < 0) {
		fuse_reply_err(request, -status);
		return;
	}
	forget_attributes(directory);
	struct fuse_entry_param entry = to_entry(made);
	info->keep_cache = 1;
	if (fuse_reply_create(request, &entry, info) == -ENOENT) {
		enter();
		(void)(holonfs_forget(fs, made->inode, 1) < 0);
		leave();
	}
}

static void do_create(fuse_req_t request, fuse_ino_t directory, const char *name, mode_t mode,
                      struct fuse_file_info *info)
{
	const struct fuse_ctx *who = fuse_req_ctx(request);
	struct holonfs_attributes made = {0};
	enter();
	int status = holonfs_create(fs, directory, name, (mode & 07777) | S_IFREG, who->umask, who->uid,
	                            who->gid, 0, &made);
	if (status == -EEXIST && !(info->flags & O_EXCL))
		status = holonfs_lookup(fs, directory, name, &made);
	reply_create(request, directory, status, &made, info);
}

static void do_read(fuse_req_t request, fuse_ino_t inode, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
	char *buffer = malloc(size);
	(void)info;
	enter();
	int64_t got = buffer ? holonfs_read(fs, inode, (uint64_t)offset, buffer, size) : -ENOMEM;
	leave();
	if (got < 0)
		fuse_reply_err(request, (int)-got);
	else
		fuse_reply_buf(request, buffer, (size_t)got);
	free(buffer);
}

static void do_write(fuse_req_t request, fuse_ino_t inode, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *info)
{
	(void)info;
	enter();
	int64_t put = holonfs_write(fs, inode, (uint64_t)offset, data, size);
	leave();
	if (put < 0)
		fuse_reply_err(request, (int)-put);
	else
		fuse_reply_write(request, (size_t)put);
}

static void do_fsync(fuse_req_t request, fuse_ino_t inode, int data, struct fuse_file_info *info)
{
	(void)inode, (void)data, (void)info;
	enter();
	reply(request, holonfs_sync(fs));
}

/* ---- Directories ---- */

static size_t add_dot(fuse_req_t request, char *buffer, size_t room, uint64_t inode, const char *name,
                      off_t next, bool plus)
{
	if (plus) { /* "." and ".." are not counted as looked up */
		struct holonfs_attributes attributes = {.inode = inode, .mode = S_IFDIR};
		struct fuse_entry_param entry = {.attr = to_stat(&attributes)};
		return fuse_add_direntry_plus(request, buffer, room, name, &entry, next);
	}
	struct stat status = {.st_ino = inode, .st_mode = S_IFDIR};
	return fuse_add_direntry(request, buffer, room, name, &status, next);
}

/* Offsets: 1 behind ".", 2 behind "..", then the library's cookies, which are larger. */
static void list(fuse_req_t request, fuse_ino_t directory, size_t size, off_t offset, bool plus)
{
	char *buffer = malloc(size);
	size_t used = 0;
	uint64_t cookie = offset > 2 ? (uint64_t)offset : 0;
	struct holonfs_entry entry;
	int found = buffer ? 1 : -ENOMEM;
	enter();
	if (buffer && offset < 1)
		used += add_dot(request, buffer, size, directory, ".", 1, plus);
	if (buffer && offset < 2) {
		uint64_t parent = directory;
		(void)(holonfs_parent(fs, directory, &parent) < 0);
		used += add_dot(request, buffer + used, size - used, parent, "..", 2, plus);
	}
	while (found > 0 && (found = holonfs_list(fs, directory, cookie, &entry)) > 0) {
		size_t need;
		cookie = entry.cookie;
		if (plus) {
			struct holonfs_attributes attributes = {0};
			if (holonfs_get(fs, entry.inode, &attributes) < 0)
				continue;
			struct fuse_entry_param param = to_entry(&attributes);
			need = fuse_add_direntry_plus(request, buffer + used, size - used, entry.name, &param,
			                              (off_t)cookie);
			if (need <= size - used && holonfs_use(fs, entry.inode) < 0)
				break;
		} else {
			struct stat status = {.st_ino = entry.inode, .st_mode = entry.mode};
			need = fuse_add_direntry(request, buffer + used, size - used, entry.name, &status,
			                         (off_t)cookie);
		}
		if (need > size - used)
			break;
		used += need;
	}
	leave();
	if (found < 0)
		fuse_reply_err(request, -found);
	else
		fuse_reply_buf(request, buffer, used);
	free(buffer);
}

static void do_readdir(fuse_req_t request, fuse_ino_t directory, size_t size, off_t offset,
                       struct fuse_file_info *info)
{
	(void)info;
	list(request, directory, size, offset, false);
}

static void do_readdirplus(fuse_req_t request, fuse_ino_t directory, size_t size, off_t offset,
                           struct fuse_file_info *info)
{
	(void)info;
	list(request, directory, size, offset, true);
}

static void do_opendir(fuse_req_t request, fuse_ino_t inode, struct fuse_file_info *info)
{
	(void)inode;
	info->keep_cache = 1;
	info->cache_readdir = 1;
	fuse_reply_open(request, info);
}

/* ---- Statistics, attributes, allocation ---- */

static void do_statfs(fuse_req_t request, fuse_ino_t inode)
{
	struct holonfs_statistics statistics;
	uint64_t limits[2] = {0, 0};
	uint64_t used[2] = {0, 0};
	enter();
	holonfs_get_statistics(fs, &statistics);
	if (holonfs_get_quota(fs, inode, limits, used) > 0 && limits[0] && limits[0] < statistics.blocks) {
		uint64_t rest = limits[0] > used[0] ? limits[0] - used[0] : 0;
		statistics.blocks = limits[0];
		statistics.blocks_free = rest < statistics.blocks_free ? rest : statistics.blocks_free;
	}
	leave();
	struct statvfs result = {.f_bsize = HOLONFS_BLOCK,
	                         .f_frsize = HOLONFS_BLOCK,
	                         .f_blocks = statistics.blocks,
	                         .f_bfree = statistics.blocks_free,
	                         .f_bavail = statistics.blocks_free,
	                         .f_files = statistics.inodes + statistics.blocks_free * 4,
	                         .f_ffree = statistics.blocks_free * 4,
	                         .f_favail = statistics.blocks_free * 4,
	                         .f_namemax = HOLONFS_NAME_MAX};
	fuse_reply_statfs(request, &result);
}

#define QUOTA_ATTRIBUTE      "user.holonfs.quota"      /* "BYTES INODES" on a directory */
#define QUOTA_USED_ATTRIBUTE "user.holonfs.quota.used" /* likewise; read only */
#define QUOTA_STEPS          4096u                     /* of a large directory, before others are served */

static int set_quota(uint64_t inode, const char *value, size_t size)
{
	char text[64];
	unsigned long long bytes;
	unsigned long long inodes = 0;
	if (size >= sizeof(text))
		return -EINVAL;
	memcpy(text, value, size);
	text[size] = 0;
	if (sscanf(text, "%llu %llu", &bytes, &inodes) < 1)
		return -EINVAL;
	int status = holonfs_set_quota(fs, inode, (bytes + HOLONFS_BLOCK - 1) / HOLONFS_BLOCK, inodes);
	/* What is left is counted between later requests. */
	for (unsigned i = 0; i < QUOTA_STEPS && status == 0 && holonfs_continue(fs) > 0; i++)
		status = holonfs_relieve(fs);
	return status;
}

/* Attributes of the root that stand for requests: only the mount's owner or root may make them. */
static int set_control(const struct fuse_ctx *who, const char *name, const char *value, size_t size)
{
	char text[256];
	char *end;
	if (who->uid && who->uid != getuid())
		return -EPERM;
	if (size >= sizeof(text) || !size)
		return -EINVAL;
	memcpy(text, value, size);
	text[size] = 0;
	if (!strcmp(name, CONTROL_SNAPSHOT))
		return control->snapshot(control->context, text);
	unsigned long long bytes = strtoull(text, &end, 10);
	return *end ? -EINVAL : control->grow(control->context, bytes);
}

static int set_attribute(const struct fuse_ctx *who, uint64_t inode, const char *name, const char *value,
                         size_t size, int flags)
{
	if (!strcmp(name, QUOTA_ATTRIBUTE))
		return set_quota(inode, value, size);
	if (!strcmp(name, QUOTA_USED_ATTRIBUTE))
		return -EPERM;
	if (inode == HOLONFS_ROOT && (!strcmp(name, CONTROL_SIZE) || !strcmp(name, CONTROL_SNAPSHOT)))
		return set_control(who, name, value, size);
	return holonfs_xattr_set(fs, inode, name, value, size, flags);
}

static void do_setxattr(fuse_req_t request, fuse_ino_t inode, const char *name, const char *value,
                        size_t size, int flags)
{
	enter();
	reply_changed(request, inode, set_attribute(fuse_req_ctx(request), inode, name, value, size, flags));
}

static void reply_bytes(fuse_req_t request, int64_t got, const char *bytes, size_t room)
{
	leave();
	if (got < 0)
		fuse_reply_err(request, (int)-got);
	else if (!room)
		fuse_reply_xattr(request, (size_t)got);
	else
		fuse_reply_buf(request, bytes, (size_t)got);
}

static void do_getxattr(fuse_req_t request, fuse_ino_t inode, const char *name, size_t size)
{
	char value[HOLONFS_XATTR_MAX];
	enter();
	int64_t got;
	uint64_t limits[2];
	uint64_t used[2];
	bool asks_used = !strcmp(name, QUOTA_USED_ATTRIBUTE);
	if (asks_used || !strcmp(name, QUOTA_ATTRIBUTE)) {
		const uint64_t *pair = asks_used ? used : limits;
		int found = holonfs_get_quota(fs, inode, limits, used);
		got = found > 0
		          ? snprintf(value, sizeof(value), "%llu %llu",
		                     (unsigned long long)pair[0] * HOLONFS_BLOCK, (unsigned long long)pair[1])
		      : found < 0 ? found
		                  : -ENODATA;
		if (size && got > (int64_t)size)
			got = -ERANGE;
	} else {
		got = holonfs_xattr_get(fs, inode, name, value, size < sizeof(value) ? size : sizeof(value));
	}
	reply_bytes(request, got, value, size);
}

static void do_listxattr(fuse_req_t request, fuse_ino_t inode, size_t size)
{
	char *names = malloc(size + 1);
	enter();
	reply_bytes(request, names ? holonfs_xattr_list(fs, inode, names, size) : -ENOMEM, names, size);
	free(names);
}

static void do_removexattr(fuse_req_t request, fuse_ino_t inode, const char *name)
{
	enter();
	reply_changed(request, inode, holonfs_xattr_remove(fs, inode, name));
}

static void do_fallocate(fuse_req_t request, fuse_ino_t inode, int mode, off_t offset, off_t length,
                         struct fuse_file_info *info)
{
	(void)info;
	enter();
	reply_changed(request, inode,
	              holonfs_allocate(fs, inode, (uint32_t)mode, (uint64_t)offset, (uint64_t)length));
}

static void do_lseek(fuse_req_t request, fuse_ino_t inode, off_t offset, int whence,
                     struct fuse_file_info *info)
{
	(void)info;
	enter();
	int64_t found = whence == SEEK_DATA || whence == SEEK_HOLE
	                    ? holonfs_seek(fs, inode, (uint64_t)offset, whence == SEEK_HOLE)
	                    : -EINVAL;
	leave();
	if (found < 0)
		fuse_reply_err(request, (int)-found);
	else
		fuse_reply_lseek(request, found);
}

/* Copies by sharing where offsets allow it, else by hand. */
static int64_t copy(uint64_t from, uint64_t from_offset, uint64_t to, uint64_t to_offset, size_t size)
{
	static char buffer[64 * HOLONFS_BLOCK]; /* under the lock */
	int64_t shared = holonfs_share(fs, from, from_offset, to, to_offset, size);
	if (shared != -EINVAL)
		return shared;
	int64_t got =
	    holonfs_read(fs, from, from_offset, buffer, size < sizeof(buffer) ? size : sizeof(buffer));
	return got <= 0 ? got : holonfs_write(fs, to, to_offset, buffer, (size_t)got);
}

static void do_copy_file_range(fuse_req_t request, fuse_ino_t from, off_t from_offset,
                               struct fuse_file_info *from_info, fuse_ino_t to, off_t to_offset,
                               struct fuse_file_info *to_info, size_t size, int flags)
{
	(void)from_info, (void)to_info, (void)flags;
	enter();
	int64_t done = copy(from, (uint64_t)from_offset, to, (uint64_t)to_offset, size);
	leave();
	if (done < 0)
		fuse_reply_err(request, (int)-done);
	else
		fuse_reply_write(request, (size_t)done);
}

/* chattr and lsattr: of the flags, compression alone is theirs to change. Linux asks for the attributes of another
 * kind (those of xfs) before it sets any: there are none. */
static void do_ioctl(fuse_req_t request, fuse_ino_t inode, unsigned command, void *argument,
                     struct fuse_file_info *info, unsigned ioctl_flags, const void *in, size_t in_size,
                     size_t out_size)
{
	struct holonfs_attributes attributes = {0};
	uint32_t flags = 0;
	(void)argument, (void)info, (void)ioctl_flags;
	bool sets = command == (unsigned)FS_IOC_SETFLAGS;
	if (command == (unsigned)FS_IOC_FSGETXATTR && out_size >= sizeof(struct fsxattr)) {
		static const struct fsxattr none;
		fuse_reply_ioctl(request, 0, &none, sizeof(none));
		return;
	}
	if ((!sets && command != (unsigned)FS_IOC_GETFLAGS) || (sets ? in_size : out_size) < sizeof(flags)) {
		fuse_reply_err(request, ENOTTY);
		return;
	}
	enter();
	int status = holonfs_get(fs, inode, &attributes);
	uint32_t kept = attributes.flags & ~HOLONFS_FLAG_COMPRESS;
	if (sets && status == 0) {
		memcpy(&flags, in, sizeof(flags));
		if (flags & ~(uint32_t)FS_COMPR_FL)
			status = -EOPNOTSUPP;
		attributes.flags = kept | (flags & FS_COMPR_FL ? HOLONFS_FLAG_COMPRESS : 0);
		if (status == 0)
			status = holonfs_set(fs, inode, HOLONFS_SET_FLAGS, &attributes, &attributes);
	}
	leave();
	if (sets && status == 0)
		forget_attributes(inode);
	flags = attributes.flags & HOLONFS_FLAG_COMPRESS ? FS_COMPR_FL : 0;
	if (status < 0)
		fuse_reply_err(request, -status);
	else
		fuse_reply_ioctl(request, 0, sets ? NULL : &flags, sets ? 0 : sizeof(flags));
}

static const struct fuse_lowlevel_ops operations = {
    .init = do_init,
    .lookup = do_lookup,
    .forget = do_forget,
    .forget_multi = do_forget_multi,
    .getattr = do_getattr,
    .setattr = do_setattr,
    .readlink = do_readlink,
    .mknod = do_mknod,
    .mkdir = do_mkdir,
    .symlink = do_symlink,
    .unlink = do_unlink,
    .rmdir = do_rmdir,
    .rename = do_rename,
    .link = do_link,
    .open = do_open,
    .create = do_create,
    .read = do_read,
    .write = do_write,
    .fsync = do_fsync,
    .fsyncdir = do_fsync,
    .opendir = do_opendir,
    .readdir = do_readdir,
    .readdirplus = do_readdirplus,
    .statfs = do_statfs,
    .setxattr = do_setxattr,
    .getxattr = do_getxattr,
    .listxattr = do_listxattr,
    .removexattr = do_removexattr,
    .fallocate = do_fallocate,
    .lseek = do_lseek,
    .copy_file_range = do_copy_file_range,
    .ioctl = do_ioctl,
};

static void *sync_now_and_then(void *argument)
{
	(void)argument;
	while (!ending) {
		for (unsigned i = 0; i < SYNC_SECONDS * 10 && !ending; i++)
			usleep(100000);
		enter();
		if (!ending && !read_only_mount)
			(void)(holonfs_sync(fs) < 0); /* a failure shows in every later request */
		for (unsigned i = 0; i < QUOTA_STEPS && !read_only_mount && holonfs_continue(fs) > 0; i++)
			;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

int serve_mount(struct holonfs *mounted, const struct control *asked, const struct options *options,
                bool read_only)
{
	struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
	char names[4200];
	pthread_t syncer;
	fs = mounted;
	control = asked;
	read_only_mount = read_only;
	writeback = options->writeback;
	/* A comma in a name would end it in FUSE's options. */
	snprintf(names, sizeof(names), "-ofsname=%s,subtype=holonfs,default_permissions%s",
	         strchr(options->arguments[0], ',') ? "holonfs" : options->arguments[0],
	         read_only ? ",ro" : "");
	if (fuse_opt_add_arg(&arguments, "holonfs") || fuse_opt_add_arg(&arguments, names))
		fail(EXIT_DAMAGED, "out of memory");
	if (options->fuse_options[0]) {
		snprintf(names, sizeof(names), "-o%s", options->fuse_options);
		if (fuse_opt_add_arg(&arguments, names))
			fail(EXIT_DAMAGED, "out of memory");
	}
	session = fuse_session_new(&arguments, &operations, sizeof(operations), NULL);
	if (!session)
		fail(EXIT_WRONG, "a mount option is not known");
	if (fuse_session_mount(session, options->arguments[1]) < 0)
		fail(EXIT_WRONG, "%s: cannot be mounted (is it a directory, and may you use /dev/fuse?)",
		     options->arguments[1]);
	const struct fuse_custom_io io = {.read = receive, .writev = answer};
	if (fuse_session_custom_io(session, &io, fuse_session_fd(session)) < 0)
		fail(EXIT_DAMAGED, "out of memory");
	if (!options->foreground && daemon(1, 0) < 0)
		fail(EXIT_DAMAGED, "going to the background: %s", strerror(errno));
	/* Signals end the loop, which waits in this thread. */
	sigset_t all;
	sigset_t before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	if (fuse_set_signal_handlers(session) < 0 || pthread_create(&syncer, NULL, sync_now_and_then, NULL))
		fail(EXIT_DAMAGED, "no thread or signal handler can be made");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	enter();
	int status = holonfs_use(fs, HOLONFS_ROOT);
	leave();
	if (status == 0)
		status = fuse_session_loop_mt(session, &(struct fuse_loop_config){.max_idle_threads = 10});
	status = status < 0 ? status : 0; /* a signal's number is above */
	ending = true;
	pthread_join(syncer, NULL);
	fuse_remove_signal_handlers(session);
	fuse_session_unmount(session);
	fuse_session_destroy(session);
	fuse_opt_free_args(&arguments);
	return status;
}
