/* fanotify(7) by descriptors, by handles and with permission, on inodes, mounts and file systems; file handles. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#define BASE "/tmp/fanotify"

static char buffer[65536];
static char *at, *end;

/* Reads what is there: whether anything is. */
static int fetch(int group)
{
	ssize_t got = read(group, buffer, sizeof(buffer));
	at = buffer;
	end = buffer + (got > 0 ? got : 0);
	return got > 0;
}

/* The next event, waited for; 0: none comes. */
static struct fanotify_event_metadata *next(int group)
{
	struct pollfd poll_fd = {.fd = group, .events = POLLIN};
	if (at >= end && (poll(&poll_fd, 1, 5000) != 1 || !fetch(group)))
		return 0;
	struct fanotify_event_metadata *event = (void *)at;
	at += event->event_len;
	return event;
}

static void flush(int group)
{
	for (;;) {
		while (at < end) {
			struct fanotify_event_metadata *event = (void *)at;
			at += event->event_len;
			if (event->fd >= 0)
				close(event->fd);
		}
		if (!fetch(group))
			return;
	}
}

static int quiet(int group)
{
	struct pollfd poll_fd = {.fd = group, .events = POLLIN};
	return at >= end && poll(&poll_fd, 1, 0) == 0;
}

static int group_of(unsigned flags)
{
	at = end = buffer;
	return fanotify_init(flags | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY | O_LARGEFILE);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

static void read_file(const char *path)
{
	char bytes[100];
	int fd = open(path, O_RDONLY);
	if (read(fd, bytes, sizeof(bytes)) < 0)
		perror(path);
	close(fd);
}

/* Is EVENT of MASK, by this process, with a descriptor for PATH? */
static int is_of(struct fanotify_event_metadata *event, uint64_t mask, const char *path)
{
	char name[64], target[256] = "";
	if (!event || event->mask != mask || event->pid != getpid() ||
	    event->vers != FANOTIFY_METADATA_VERSION)
		return 0;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", event->fd);
	ssize_t length = readlink(name, target, sizeof(target) - 1);
	close(event->fd);
	return length > 0 && !strcmp(target, path);
}

static void test_init(void)
{
	check("a class of no meaning",
	      fanotify_init(FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT, 0) < 0 && errno == EINVAL);
	check("flags of no meaning", fanotify_init(1u << 30, 0) < 0 && errno == EINVAL);
	check("event flags of no meaning", fanotify_init(0, O_CREAT) < 0 && errno == EINVAL);
	check("no way of access", fanotify_init(0, O_ACCMODE) < 0 && errno == EINVAL);
	check("names without directories", fanotify_init(FAN_REPORT_NAME, 0) < 0 && errno == EINVAL);
	check("handles with permission",
	      fanotify_init(FAN_REPORT_FID | FAN_CLASS_CONTENT, 0) < 0 && errno == EINVAL);
	int group = group_of(0), null = open("/dev/null", O_RDONLY);
	check("a group", group >= 0);
	check("nothing to read", read(group, buffer, sizeof(buffer)) < 0 && errno == EAGAIN);
	check("a mark of nothing", fanotify_mark(group, FAN_MARK_ADD, 0, AT_FDCWD, BASE) && errno == EINVAL);
	check("no command", fanotify_mark(group, 0, FAN_OPEN, AT_FDCWD, BASE) && errno == EINVAL);
	check("two commands",
	      fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_REMOVE, FAN_OPEN, AT_FDCWD, BASE) &&
	          errno == EINVAL);
	check("two kinds", fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM, FAN_OPEN,
	                                 AT_FDCWD, BASE) &&
	                       errno == EINVAL);
	check("names without handles",
	      fanotify_mark(group, FAN_MARK_ADD, FAN_CREATE, AT_FDCWD, BASE) && errno == EINVAL);
	check("permission without the class",
	      fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, BASE) && errno == EINVAL);
	check("events of no meaning",
	      fanotify_mark(group, FAN_MARK_ADD, 1ull << 40, AT_FDCWD, BASE) && errno == EINVAL);
	check("no such file",
	      fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, BASE "/none") && errno == ENOENT);
	check("not a directory",
	      fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_ONLYDIR, FAN_OPEN, AT_FDCWD, BASE "/file") &&
	          errno == ENOTDIR);
	check("no mark to take away",
	      fanotify_mark(group, FAN_MARK_REMOVE, FAN_OPEN, AT_FDCWD, BASE) && errno == ENOENT);
	check("not a group", fanotify_mark(null, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, BASE) && errno == EINVAL);
	check("no descriptor", fanotify_mark(9999, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, BASE) && errno == EBADF);
	close(null);
	close(group);
	int status = in_child(
	    setresuid(1000, 1000, 1000); if (fanotify_init(0, 0) >= 0 || errno != EPERM) _exit(1);
	    if (fanotify_init(FAN_REPORT_FID | FAN_UNLIMITED_QUEUE, 0) >= 0 || errno != EPERM) _exit(2);
	    group = fanotify_init(FAN_REPORT_FID, 0); if (group < 0) _exit(3);
	    if (!fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, AT_FDCWD, BASE) ||
	        errno != EPERM) _exit(4);
	    _exit(fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, BASE) ? 5 : 0));
	check("without privileges", exited(status, 0));
}

static void test_inode(void)
{
	struct fanotify_event_metadata *event;
	int group = group_of(0);
	check("mark a file",
	      !fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN | FAN_ACCESS | FAN_MODIFY | FAN_CLOSE, AT_FDCWD,
	                     BASE "/file"));
	read_file(BASE "/other");
	check("others are others", quiet(group));
	read_file(BASE "/file");
	event = next(group);
	check("opened, read, closed", is_of(event, FAN_OPEN | FAN_ACCESS | FAN_CLOSE_NOWRITE, BASE "/file"));
	check("lengths", event && event->event_len == FAN_EVENT_METADATA_LEN &&
	                     event->metadata_len == FAN_EVENT_METADATA_LEN);
	check("its own descriptors are silent", quiet(group));
	write_file(BASE "/file", "new");
	check("opened, written, closed",
	      is_of(next(group), FAN_OPEN | FAN_MODIFY | FAN_CLOSE_WRITE, BASE "/file"));
	int size = 0;
	read_file(BASE "/file");
	check("FIONREAD", !ioctl(group, FIONREAD, &size) && size == FAN_EVENT_METADATA_LEN);
	check("too little room", read(group, buffer, 10) < 0 && errno == EINVAL);
	flush(group);
	check("less of it", !fanotify_mark(group, FAN_MARK_REMOVE, FAN_OPEN | FAN_ACCESS | FAN_CLOSE_NOWRITE,
	                                   AT_FDCWD, BASE "/file"));
	read_file(BASE "/file");
	check("not asked for any more", quiet(group));
	check("ignored", !fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_CLOSE_WRITE,
	                                AT_FDCWD, BASE "/file"));
	int fd = open(BASE "/file", O_WRONLY);
	close(fd);
	check("is not told", quiet(group));
	write_file(BASE "/file", "newer");
	event = next(group);
	check("until it changes",
	      event && (event->mask & (FAN_MODIFY | FAN_CLOSE_WRITE)) == (FAN_MODIFY | FAN_CLOSE_WRITE));
	if (event)
		close(event->fd);
	fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_MODIFY, AT_FDCWD, BASE "/file");
	fd = open(BASE "/file", O_WRONLY);
	check("written without cutting it", write(fd, "again", 5) == 5);
	close(fd);
	event = next(group);
	check("of which the change itself is told", event && (event->mask & FAN_MODIFY));
	if (event)
		close(event->fd);
	check("no mark at all", !fanotify_mark(group, FAN_MARK_FLUSH, 0, AT_FDCWD, 0));
	write_file(BASE "/file", "newest");
	check("is not told of", quiet(group));

	/* A directory, and what is in it. */
	check("mark a directory",
	      !fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN | FAN_EVENT_ON_CHILD, AT_FDCWD, BASE));
	read_file(BASE "/file");
	check("its child", is_of(next(group), FAN_OPEN, BASE "/file"));
	fd = open(BASE "/sub", O_RDONLY | O_DIRECTORY);
	close(fd);
	check("not directories", quiet(group));
	fanotify_mark(group, FAN_MARK_ADD, FAN_ONDIR, AT_FDCWD, BASE);
	fd = open(BASE "/sub", O_RDONLY | O_DIRECTORY);
	close(fd);
	check("but where they are asked for", is_of(next(group), FAN_OPEN, BASE "/sub"));
	check("by descriptor", !fanotify_mark(group, FAN_MARK_FLUSH, 0, AT_FDCWD, 0) &&
	                           (fd = open(BASE "/other", O_RDONLY)) >= 0 &&
	                           !fanotify_mark(group, FAN_MARK_ADD, FAN_CLOSE_NOWRITE, fd, 0));
	close(fd);
	check("its close", is_of(next(group), FAN_CLOSE_NOWRITE, BASE "/other"));
	char info[4096] = "", path[64];
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", group);
	fd = open(path, O_RDONLY);
	check("fdinfo", read(fd, info, sizeof(info) - 1) > 0 &&
	                    strstr(info, "fanotify flags:3 event-flags:8000\n") &&
	                    strstr(info, "fanotify ino:") && strstr(info, " mask:10 ignored_mask:"));
	close(fd);
	close(group);

	/* Execution. */
	group = group_of(0);
	fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_EXEC, AT_FDCWD, "/proc/self/exe");
	int status = in_child(execl("/proc/self/exe", "x", "nothing", (char *)0));
	event = next(group);
	check("execution is told",
	      exited(status, 0) && event && event->mask == FAN_OPEN_EXEC && event->pid != getpid());
	if (event)
		close(event->fd);
	close(group);
}

static void test_mount(void)
{
	int group = group_of(0);
	mkdir(BASE "/mount", 0755);
	check("mount", !mount("none", BASE "/mount", "tmpfs", 0, 0));
	write_file(BASE "/mount/file", "x");
	check("mark a mount",
	      !fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN, AT_FDCWD, BASE "/mount/file"));
	read_file(BASE "/mount/file");
	check("what is opened in it", is_of(next(group), FAN_OPEN, BASE "/mount/file"));
	read_file(BASE "/file");
	check("not elsewhere", quiet(group));
	fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_OPEN, AT_FDCWD, BASE "/mount/file");
	read_file(BASE "/mount/file");
	check("but what is ignored", quiet(group));
	fanotify_mark(group, FAN_MARK_FLUSH, 0, AT_FDCWD, 0);
	check("a bind mount",
	      !mkdir(BASE "/again", 0755) && !mount(BASE "/mount", BASE "/again", 0, MS_BIND, 0));
	read_file(BASE "/again/file");
	check("is another mount", quiet(group));
	check("mark a file system",
	      !fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, AT_FDCWD, BASE "/mount"));
	fanotify_mark(group, FAN_MARK_FLUSH | FAN_MARK_MOUNT, 0, AT_FDCWD, 0);
	read_file(BASE "/again/file");
	check("all mounts of it", is_of(next(group), FAN_OPEN, BASE "/again/file"));
	check("unmount", !umount(BASE "/again") && !umount(BASE "/mount"));
	check("all is gone", !mount("none", BASE "/mount", "tmpfs", 0, 0));
	write_file(BASE "/mount/file", "x");
	check("the new one is not marked", quiet(group));
	close(group);

	/* A descriptor that writes is for what may be written to. */
	group = fanotify_init(FAN_NONBLOCK | FAN_CLOEXEC, O_RDWR | O_LARGEFILE);
	fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_CLOSE_NOWRITE, AT_FDCWD, BASE "/mount");
	read_file(BASE "/mount/file");
	struct fanotify_event_metadata *event = next(group);
	check("for writing", event && write(event->fd, "y", 1) == 1);
	if (event)
		close(event->fd);
	check("read-only now", !mount(0, BASE "/mount", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
	read_file(BASE "/mount/file");
	check("not for writing", read(group, buffer, sizeof(buffer)) < 0 && errno == EROFS);
	close(group);
	umount(BASE "/mount");
}

struct record {
	int type;
	uint64_t inode;
	char name[64];
	struct file_handle *handle;
};

/* Information records of EVENT: how many. */
static int records(struct fanotify_event_metadata *event, struct record *list, int max)
{
	int count = 0;
	char *info = (char *)event + event->metadata_len;
	while (event && info < (char *)event + event->event_len && count < max) {
		struct fanotify_event_info_fid *fid = (void *)info;
		struct file_handle *handle = (void *)fid->handle;
		list[count] = (struct record){.type = fid->hdr.info_type, .handle = handle};
		if (fid->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME)
			snprintf(list[count].name, sizeof(list[count].name), "%s",
			         (char *)handle->f_handle + handle->handle_bytes);
		count++;
		info += fid->hdr.len;
	}
	return count;
}

static struct file_handle *handle_at(const char *path, int flags)
{
	static struct {
		struct file_handle handle;
		char bytes[MAX_HANDLE_SZ];
	} handles[4];
	static int turn;
	int mount;
	struct file_handle *handle = &handles[turn++ % 4].handle;
	handle->handle_bytes = MAX_HANDLE_SZ;
	return name_to_handle_at(AT_FDCWD, path, handle, &mount, flags) ? 0 : handle;
}

static int same_handle(const struct file_handle *a, const struct file_handle *b)
{
	return a && b && a->handle_bytes == b->handle_bytes && a->handle_type == b->handle_type &&
	       !memcmp(a->f_handle, b->f_handle, a->handle_bytes);
}

/* Is EVENT of MASK with one record, of TYPE about PATH with NAME? */
static int tells(struct fanotify_event_metadata *event, uint64_t mask, int type, const char *path,
                 const char *name)
{
	struct record list[4];
	return event && event->mask == mask && event->fd == FAN_NOFD && records(event, list, 4) >= 1 &&
	       list[0].type == type && !strcmp(list[0].name, name) &&
	       same_handle(list[0].handle, handle_at(path, 0));
}

static void test_handles(void)
{
	const uint64_t names = FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO;
	struct fanotify_event_metadata *event;
	struct record list[4];
	int group = group_of(FAN_REPORT_DFID_NAME);
	mkdir(BASE "/mount", 0755);
	check("mount", !mount("none", BASE "/mount", "tmpfs", 0, 0));
	check("mark for names",
	      !fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
	                     names | FAN_ONDIR | FAN_DELETE_SELF | FAN_ATTRIB, AT_FDCWD, BASE "/mount"));
	check("not on mounts",
	      fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_CREATE, AT_FDCWD, BASE "/mount") &&
	          errno == EINVAL);
	write_file(BASE "/mount/a", "x");
	event = next(group);
	check("created", tells(event, FAN_CREATE, FAN_EVENT_INFO_TYPE_DFID_NAME, BASE "/mount", "a"));
	struct statfs fs;
	struct fanotify_event_info_fid *fid = event ? (void *)((char *)event + event->metadata_len) : 0;
	check("of this file system",
	      fid && !statfs(BASE "/mount", &fs) && !memcmp(&fid->fsid, &fs.f_fsid, sizeof(fs.f_fsid)));
	mkdir(BASE "/mount/d", 0755);
	check("a directory created",
	      tells(next(group), FAN_CREATE | FAN_ONDIR, FAN_EVENT_INFO_TYPE_DFID_NAME, BASE "/mount", "d"));
	rename(BASE "/mount/a", BASE "/mount/d/b");
	check("moved from",
	      tells(next(group), FAN_MOVED_FROM, FAN_EVENT_INFO_TYPE_DFID_NAME, BASE "/mount", "a"));
	check("moved to",
	      tells(next(group), FAN_MOVED_TO, FAN_EVENT_INFO_TYPE_DFID_NAME, BASE "/mount/d", "b"));
	chmod(BASE "/mount/d/b", 0600);
	check("attributes of a file",
	      tells(next(group), FAN_ATTRIB, FAN_EVENT_INFO_TYPE_DFID_NAME, BASE "/mount/d", "b"));
	chmod(BASE "/mount/d", 0700);
	check("attributes of a directory", tells(next(group), FAN_ATTRIB | FAN_ONDIR,
	                                         FAN_EVENT_INFO_TYPE_DFID_NAME, BASE "/mount/d", "."));
	unlink(BASE "/mount/d/b");
	int deleted = 0;
	while (!deleted && (event = next(group)) != 0)
		deleted = tells(event, FAN_DELETE, FAN_EVENT_INFO_TYPE_DFID_NAME, BASE "/mount/d", "b");
	check("deleted", deleted);
	flush(group);
	close(group);

	group = group_of(FAN_REPORT_FID | FAN_REPORT_DFID_NAME);
	fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, AT_FDCWD, BASE "/mount");
	write_file(BASE "/mount/c", "x");
	event = next(group);
	check("opened, by name", tells(event, FAN_OPEN, FAN_EVENT_INFO_TYPE_DFID_NAME, BASE "/mount", "c"));
	check("and the file", event && records(event, list, 4) == 2 &&
	                          list[1].type == FAN_EVENT_INFO_TYPE_FID &&
	                          same_handle(list[1].handle, handle_at(BASE "/mount/c", 0)));
	close(group);
	group = group_of(FAN_REPORT_FID);
	fanotify_mark(group, FAN_MARK_ADD, FAN_CLOSE_WRITE | FAN_DELETE_SELF, AT_FDCWD, BASE "/mount/c");
	fanotify_mark(group, FAN_MARK_ADD, FAN_CREATE, AT_FDCWD, BASE "/mount");
	write_file(BASE "/mount/c", "x");
	check("by handle alone",
	      tells(next(group), FAN_CLOSE_WRITE, FAN_EVENT_INFO_TYPE_FID, BASE "/mount/c", ""));
	write_file(BASE "/mount/e", "x");
	check("the directory's", tells(next(group), FAN_CREATE, FAN_EVENT_INFO_TYPE_FID, BASE "/mount", ""));
	write_file(BASE "/mount/f", "x");
	check("created", tells(next(group), FAN_CREATE, FAN_EVENT_INFO_TYPE_FID, BASE "/mount", ""));
	fanotify_mark(group, FAN_MARK_ADD, FAN_DELETE_SELF, AT_FDCWD, BASE "/mount/f");
	struct file_handle *gone = handle_at(BASE "/mount/f", 0);
	unlink(BASE "/mount/f");
	event = next(group);
	check("the file itself", event && event->mask == FAN_DELETE_SELF && records(event, list, 4) == 1 &&
	                             list[0].type == FAN_EVENT_INFO_TYPE_FID &&
	                             same_handle(list[0].handle, gone));
	check("not of /proc",
	      fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "/proc/self/status") && errno != EINVAL);
	close(group);

	/* The same handle leads back. */
	struct file_handle *handle = handle_at(BASE "/mount/c", 0);
	struct stat by_name, by_handle;
	int where = open(BASE "/mount", O_RDONLY | O_DIRECTORY);
	int fd = handle ? open_by_handle_at(where, handle, O_RDONLY) : -1;
	check("opened by handle", fd >= 0 && !fstat(fd, &by_handle) && !stat(BASE "/mount/c", &by_name) &&
	                              by_name.st_ino == by_handle.st_ino &&
	                              by_name.st_dev == by_handle.st_dev);
	close(fd);
	handle = handle_at(BASE "/mount", 0);
	fd = handle ? open_by_handle_at(where, handle, O_RDONLY | O_DIRECTORY) : -1;
	check("the root", fd >= 0);
	close(fd);
	handle = handle_at(BASE "/mount/c", 0);
	unlink(BASE "/mount/c");
	check("a file that has gone",
	      handle && open_by_handle_at(where, handle, O_RDONLY) < 0 && errno == ESTALE);
	handle->handle_bytes = 0;
	check("no handle", open_by_handle_at(where, handle, O_RDONLY) < 0 && errno == EINVAL);
	handle->handle_bytes = MAX_HANDLE_SZ + 1;
	check("too long a handle", open_by_handle_at(where, handle, O_RDONLY) < 0 && errno == EINVAL);
	int mount_id;
	check("too long to fill",
	      name_to_handle_at(AT_FDCWD, BASE "/mount", handle, &mount_id, 0) && errno == EINVAL);
	handle->handle_bytes = 0;
	check("its length", name_to_handle_at(AT_FDCWD, BASE "/mount", handle, &mount_id, 0) &&
	                        errno == EOVERFLOW && handle->handle_bytes >= 8);
	check("flags of no meaning",
	      name_to_handle_at(AT_FDCWD, BASE "/mount", handle, &mount_id, AT_SYMLINK_NOFOLLOW) &&
	          errno == EINVAL);
	check("not of /proc",
	      name_to_handle_at(AT_FDCWD, "/proc/self/status", handle, &mount_id, 0) && errno == EOPNOTSUPP);
	symlink("e", BASE "/mount/link");
	check("a link", !same_handle(handle_at(BASE "/mount/link", 0), handle_at(BASE "/mount/e", 0)) &&
	                    same_handle(handle_at(BASE "/mount/link", AT_SYMLINK_FOLLOW),
	                                handle_at(BASE "/mount/e", 0)));
	handle = handle_at(BASE "/mount/e", 0);
	int status =
	    in_child(setresuid(1000, 1000, 1000);
	             _exit(open_by_handle_at(where, handle, O_RDONLY) < 0 && errno == EPERM ? 0 : 1));
	check("without privileges", exited(status, 0));
	close(where);
	umount(BASE "/mount");
}

/* Answers what it is asked: by the file's name, "no" is denied. */
static volatile int asked, guard_stop;
static void *guard(void *argument)
{
	int group = (int)(intptr_t)argument;
	char events[4096];
	while (!guard_stop) {
		struct pollfd poll_fd = {.fd = group, .events = POLLIN};
		if (poll(&poll_fd, 1, 20) != 1)
			continue;
		ssize_t got = read(group, events, sizeof(events));
		for (struct fanotify_event_metadata *event = (void *)events; FAN_EVENT_OK(event, got);
		     event = FAN_EVENT_NEXT(event, got)) {
			char name[64], target[256] = "";
			snprintf(name, sizeof(name), "/proc/self/fd/%d", event->fd);
			if (readlink(name, target, sizeof(target) - 1) < 0)
				target[0] = 0;
			struct fanotify_response response = {event->fd,
			                                     strstr(target, "/no") ? FAN_DENY : FAN_ALLOW};
			if (write(group, &response, sizeof(response)) == sizeof(response))
				asked++;
			close(event->fd);
		}
	}
	return 0;
}

/* The answer comes before the guard has counted it. */
static int was_asked(int times)
{
	for (int i = 0; i < 2000 && asked < times; i++)
		pause_ms(1);
	return asked == times;
}

static void test_permission(void)
{
	int group = fanotify_init(FAN_CLASS_CONTENT | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY);
	pthread_t thread;
	mkdir(BASE "/mount", 0755);
	check("mount", !mount("none", BASE "/mount", "tmpfs", 0, 0));
	write_file(BASE "/mount/yes", "yes");
	write_file(BASE "/mount/no", "no");
	struct fanotify_response response = {99, FAN_ALLOW};
	check("nothing to answer", write(group, &response, sizeof(response)) < 0 && errno == ENOENT);
	response.response = 7;
	check("no answer", write(group, &response, sizeof(response)) < 0 && errno == EINVAL);
	check("half an answer", write(group, &response, 4) < 0 && errno == EINVAL);
	check("mark for permission",
	      !fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN_PERM, AT_FDCWD, BASE "/mount"));
	pthread_create(&thread, 0, guard, (void *)(intptr_t)group);
	int fd = open(BASE "/mount/yes", O_RDONLY);
	check("allowed", fd >= 0 && was_asked(1));
	close(fd);
	fd = open(BASE "/mount/no", O_RDONLY);
	check("denied", fd < 0 && errno == EPERM && was_asked(2));
	fd = open(BASE "/mount/no", O_RDWR | O_TRUNC);
	struct stat status;
	check("and not emptied",
	      fd < 0 && errno == EPERM && !stat(BASE "/mount/no", &status) && status.st_size == 2);
	fanotify_mark(group, FAN_MARK_FLUSH | FAN_MARK_MOUNT, 0, AT_FDCWD, 0);
	fd = open(BASE "/mount/no", O_RDONLY);
	check("reads are another matter",
	      fd >= 0 && !fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_ACCESS_PERM, AT_FDCWD,
	                                BASE "/mount"));
	char bytes[10];
	check("not to be read", read(fd, bytes, 10) < 0 && errno == EPERM);
	check("nor by position", pread(fd, bytes, 10, 0) < 0 && errno == EPERM);
	close(fd);
	fd = open(BASE "/mount/yes", O_RDONLY);
	check("to be read", read(fd, bytes, 10) == 3);
	close(fd);
	guard_stop = 1;
	pthread_join(thread, 0);

	/* Killed while it waits, and the group's end while another does. */
	pid_t child = fork();
	if (!child) {
		fd = open(BASE "/mount/yes", O_RDONLY);
		_exit(read(fd, bytes, 10) == 3 ? 0 : 1);
	}
	struct pollfd poll_fd = {.fd = group, .events = POLLIN};
	check("it is asked for", poll(&poll_fd, 1, 5000) == 1);
	kill(child, SIGKILL);
	int result;
	waitpid(child, &result, 0);
	check("killed", killed(result, SIGKILL) && poll(&poll_fd, 1, 0) == 0);
	for (int answered = 0; answered < 2; answered++) {
		child = fork();
		if (!child) {
			close(group);
			fd = open(BASE "/mount/yes", O_RDONLY);
			_exit(read(fd, bytes, 10) == 3 ? 0 : 1);
		}
		poll(&poll_fd, 1, 5000);
		if (answered) {
			check("read and not answered", read(group, buffer, sizeof(buffer)) > 0);
			close(group);
		} else {
			at = end = buffer;
			struct fanotify_event_metadata *event = next(group);
			response = (struct fanotify_response){event ? event->fd : -1, FAN_ALLOW};
			check("answered",
			      event && write(group, &response, sizeof(response)) == sizeof(response));
			if (event)
				close(event->fd);
		}
		waitpid(child, &result, 0);
		check("it goes on", exited(result, 0));
	}

	/* Two are asked, and the first goes away instead of an answer. */
	int groups[2];
	for (int i = 0; i < 2; i++) {
		groups[i] = fanotify_init(FAN_CLASS_CONTENT | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY);
		fanotify_mark(groups[i], FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, BASE "/mount/yes");
	}
	child = fork();
	if (!child) {
		close(groups[0]);
		close(groups[1]);
		fd = open(BASE "/mount/yes", O_RDONLY);
		_exit(fd < 0 && errno == EPERM ? 0 : 1);
	}
	poll_fd.fd = groups[0];
	poll(&poll_fd, 1, 5000);
	close(groups[0]);
	at = end = buffer;
	struct fanotify_event_metadata *event = next(groups[1]);
	response = (struct fanotify_response){event ? event->fd : -1, FAN_DENY};
	check("the other one is asked as well",
	      event && write(groups[1], &response, sizeof(response)) == sizeof(response));
	if (event)
		close(event->fd);
	close(groups[1]);
	waitpid(child, &result, 0);
	check("and its answer counts", exited(result, 0));
	umount(BASE "/mount");
}

static void test_limits(void)
{
	int group = group_of(FAN_REPORT_DFID_NAME), seen = 0, last = 0;
	char name[80];
	mkdir(BASE "/many", 0755);
	fanotify_mark(group, FAN_MARK_ADD, FAN_CREATE, AT_FDCWD, BASE "/many");
	write_file(BASE "/many/target", "x");
	for (int i = 0; i < 17000; i++) {
		snprintf(name, sizeof(name), BASE "/many/%d", i);
		if (mknod(name, S_IFREG | 0600, 0))
			break;
	}
	for (;;) {
		while (at < end) {
			struct fanotify_event_metadata *event = (void *)at;
			at += event->event_len;
			seen++;
			last = event->mask == FAN_Q_OVERFLOW && event->fd == FAN_NOFD;
		}
		if (!fetch(group))
			break;
	}
	check("the queue is limited", seen == 16385 && last);
	for (int i = 0; i < 17000; i++) {
		snprintf(name, sizeof(name), BASE "/many/%d", i);
		unlink(name);
	}
	unlink(BASE "/many/target");
	rmdir(BASE "/many");
	close(group);
}

/* Groups and marks come and go while files are used. */
static volatile int race_stop;
static void *race_files(void *argument)
{
	char name[64];
	snprintf(name, sizeof(name), BASE "/race%d", (int)(intptr_t)argument);
	while (!race_stop) {
		write_file(name, "x");
		read_file(name);
		unlink(name);
	}
	return 0;
}

static void test_races(void)
{
	pthread_t threads[3];
	for (intptr_t i = 0; i < 3; i++)
		pthread_create(&threads[i], 0, race_files, (void *)i);
	int events = 0;
	for (int round = 0; round < 60; round++) {
		int group =
		    round % 3 ? group_of(FAN_REPORT_DFID_NAME | FAN_REPORT_FID) : group_of(FAN_CLASS_CONTENT);
		fanotify_mark(group, FAN_MARK_ADD,
		              round % 3 ? FAN_CREATE | FAN_DELETE | FAN_MODIFY | FAN_EVENT_ON_CHILD
		                        : FAN_OPEN_PERM | FAN_CLOSE | FAN_EVENT_ON_CHILD,
		              AT_FDCWD, BASE);
		pause_ms(3);
		events += fetch(group);
		close(group);
		for (struct fanotify_event_metadata *event = (void *)at; at < end; event = (void *)at) {
			at += event->event_len;
			if (event->fd >= 0)
				close(event->fd);
		}
	}
	race_stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], 0);
	check("races", events > 0);
}

/* The descriptor in EVENT's last record, which is to be of a process; -9: there is none. */
static int process_of(struct fanotify_event_metadata *event)
{
	if (!event || event->event_len < event->metadata_len + 8u)
		return -9;
	struct fanotify_event_info_pidfd *info = (void *)((char *)event + event->event_len - 8);
	return info->hdr.info_type == FAN_EVENT_INFO_TYPE_PIDFD && info->hdr.len == 8 ? info->pidfd : -9;
}

static void test_processes(void)
{
	check("processes or threads",
	      fanotify_init(FAN_REPORT_PIDFD | FAN_REPORT_TID, 0) < 0 && errno == EINVAL);
	for (int handles = 0; handles < 2; handles++) {
		int group = group_of(FAN_REPORT_PIDFD | (handles ? FAN_REPORT_FID : 0)), status;
		fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, BASE "/file");
		int gate[2];
		char byte;
		if (pipe(gate))
			exit(1);
		pid_t pid = fork();
		if (pid == 0) {
			close(gate[1]);
			close(open(BASE "/file", O_RDONLY));
			_exit(read(gate[0], &byte, 1) ? 1 : 4);
		}
		close(gate[0]);
		struct fanotify_event_metadata *event = next(group);
		int fd = process_of(event);
		check(handles ? "a process with handles" : "a process",
		      event && event->pid == pid && fd >= 0 && (event->event_len == 24 + 8) == !handles);
		check("its descriptor closes on exec", fcntl(fd, F_GETFD) == FD_CLOEXEC);
		siginfo_t info = {0};
		close(gate[1]);
		check("its end is waited for",
		      waitid((idtype_t)3 /* P_PIDFD */, (id_t)fd, &info, WEXITED) == 0 &&
		          info.si_status == 4);
		close(fd);
		if (event && event->fd >= 0)
			close(event->fd);
		status = in_child(close(open(BASE "/file", O_RDONLY)); _exit(0));
		event = next(group);
		check("a process that has gone",
		      exited(status, 0) && event && event->pid && process_of(event) == FAN_NOPIDFD);
		if (event && event->fd >= 0)
			close(event->fd);
		read_file(BASE "/file");
		check("no room for its record", read(group, buffer, 24 + 4) < 0 && errno == EINVAL);
		close(group);
	}
}

int main(int count, char **arguments)
{
	if (count > 1 && !strcmp(arguments[1], "nothing"))
		return 0;
	mkdir(BASE, 0755);
	mkdir(BASE "/sub", 0755);
	write_file(BASE "/file", "text");
	write_file(BASE "/other", "text");
	test_init();
	test_inode();
	test_mount();
	test_handles();
	test_permission();
	test_processes();
	test_limits();
	test_races();
	return check_failures != 0;
}
