/* mount(2), umount(2), tmpfs(5), and what watches tell of names: inotify(7). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include "check.h"

#define fails(call, number) ((call) == -1 && errno == (number))

static int has_line(const char *file, const char *text)
{
	static char all[65536];
	FILE *stream = fopen(file, "r");
	size_t got = stream ? fread(all, 1, sizeof(all) - 1, stream) : 0;
	if (stream)
		fclose(stream);
	all[got] = 0;
	return strstr(all, text) != 0;
}

static void options(void)
{
	struct stat stat_of;
	struct statfs statfs_of;
	static char zeros[65536];
	long total = 0, got;
	mkdir("t", 0755);
	check("tmpfs-bad-option", fails(mount("x", "t", "tmpfs", 0, "nonsense=1"), EINVAL));
	int mounted =
	    mount("x y", "t", "tmpfs", MS_NOEXEC | MS_NOSUID, "size=1m,mode=700,uid=5,gid=6,nr_inodes=4");
	check("tmpfs", mounted == 0);
	stat("t", &stat_of);
	check("tmpfs-mode-owner",
	      (stat_of.st_mode & 07777) == 0700 && stat_of.st_uid == 5 && stat_of.st_gid == 6);
	statfs("t", &statfs_of);
	check("tmpfs-size", statfs_of.f_blocks * statfs_of.f_bsize == 1 << 20);
	check("tmpfs-flags", (statfs_of.f_flags & (ST_NOEXEC | ST_NOSUID)) == (ST_NOEXEC | ST_NOSUID));
	int fd = open("t/a", O_RDWR | O_CREAT, 0755);
	while ((got = write(fd, zeros, sizeof(zeros))) > 0 && total < 4 << 20)
		total += got;
	check("tmpfs-full", total <= 1 << 20 && total >= 900 << 10 && errno == ENOSPC);
	check("tmpfs-freed", ftruncate(fd, 0) == 0 && write(fd, zeros, 4096) == 4096);
	check("noexec-map",
	      mmap(0, 4096, PROT_EXEC | PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EPERM);
	check("noexec-run", fails(execl("t/a", "a", (char *)0), EACCES));
	check("noexec-access", fails(access("t/a", X_OK), EACCES));
	close(open("t/b", O_CREAT, 0600));
	close(open("t/c", O_CREAT, 0600));
	check("tmpfs-inodes", fails(open("t/d", O_CREAT, 0600), ENOSPC));
	check("mounts-line", has_line("/proc/mounts", "x\\040y ") && has_line("/proc/mounts", "mode=700"));
	check("umount-busy", fails(umount("t"), EBUSY));
	check("remount-busy",
	      fails(mount("", "t", "", MS_REMOUNT | MS_RDONLY, ""), EBUSY) &&
	          fails(mount("", "t", "", MS_REMOUNT | MS_BIND | MS_RDONLY, ""), EBUSY) &&
	          fails(mount_setattr(AT_FDCWD, "t", 0, &(struct mount_attr){.attr_set = MOUNT_ATTR_RDONLY},
	                              sizeof(struct mount_attr)),
	                EBUSY));
	close(fd);
	check("strictatime-wins", mount("", "t", "", MS_REMOUNT | MS_NOATIME | MS_STRICTATIME, "") == 0 &&
	                              statfs("t", &statfs_of) == 0 && !(statfs_of.f_flags & ST_NOATIME));
	check("remount-read-only", mount("", "t", "", MS_REMOUNT | MS_RDONLY, "") == 0);
	check("read-only", fails(open("t/b", O_WRONLY), EROFS) && fails(chmod("t/b", 0), EROFS) &&
	                       fails(mkdir("t/e", 0700), EROFS));
	check("umount", umount("t") == 0);
}

static void binds(void)
{
	mkdir("a", 0755);
	mkdir("b", 0755);
	mkdir("c", 0755);
	check("bind-source", mount("t", "a", "tmpfs", 0, "") == 0);
	mkdir("a/d", 0755);
	close(open("a/d/file", O_CREAT, 0600));
	check("bind", mount("a/d", "b", 0, MS_BIND, 0) == 0 && access("b/file", F_OK) == 0);
	check("bind-root", has_line("/proc/self/mountinfo", " /d /tmp/"));
	check("bind-read-only", mount(0, "b", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0) == 0 &&
	                            fails(open("b/new", O_CREAT, 0600), EROFS) &&
	                            close(open("a/d/new", O_CREAT, 0600)) == 0);
	mkdir("a/m", 0755);
	check("mount-below", mount("t", "a/m", "tmpfs", 0, "") == 0 && mkdir("a/m/below", 0700) == 0);
	check("bind-alone", mount("a", "c", 0, MS_BIND, 0) == 0 && fails(access("c/m/below", F_OK), ENOENT));
	check("bind-busy", fails(umount("a"), EBUSY));
	umount("c");
	check("bind-recursive",
	      mount("a", "c", 0, MS_BIND | MS_REC, 0) == 0 && access("c/m/below", F_OK) == 0);
	check("detach", umount2("c", MNT_DETACH) == 0 && fails(access("c/m", F_OK), ENOENT));
	mkdir("e", 0755);
	check("move", mount("a/m", "e", 0, MS_MOVE, 0) == 0 && access("e/below", F_OK) == 0 &&
	                  fails(access("a/m/below", F_OK), ENOENT));
	struct pollfd table = {open("/proc/self/mounts", O_RDONLY), POLLPRI, 0};
	check("mounts-poll-quiet", poll(&table, 1, 0) == 0);
	umount("e");
	check("mounts-poll", poll(&table, 1, 0) == 1 && (table.revents & POLLPRI));
	umount("b");
	check("umount-all", umount("a") == 0);
}

/* What has been told, as text: "watch:mask:name ". */
static const char *told(int fd)
{
	static char text[1024];
	char buffer[4096] __attribute__((aligned(8)));
	ssize_t got = read(fd, buffer, sizeof(buffer));
	text[0] = 0;
	for (char *at = buffer; got > 0 && at < buffer + got;) {
		struct inotify_event *event = (struct inotify_event *)at;
		sprintf(text + strlen(text), "%d:%x:%s ", event->wd, event->mask,
		        event->len ? event->name : "");
		at += sizeof(*event) + event->len;
	}
	return text;
}
#define tells(name, fd, expected)                                                                            \
	({                                                                                                   \
		const char *got_ = told(fd);                                                                 \
		check(name, strcmp(got_, expected) == 0);                                                    \
		if (strcmp(got_, expected))                                                                  \
			printf("# got %s\n", got_);                                                          \
	})

static void watches(void)
{
	int fd = inotify_init1(IN_NONBLOCK);
	mkdir("w", 0700);
	close(creat("w/a", 0600));
	inotify_add_watch(fd, "w", IN_ALL_EVENTS);
	inotify_add_watch(fd, "w/a", IN_ALL_EVENTS);
	chmod("w/a", 0644);
	tells("watch-attributes", fd, "1:4:a 2:4: ");
	link("w/a", "w/b");
	tells("watch-link", fd, "2:4: 1:100:b ");
	rename("w/a", "w/c");
	tells("watch-rename", fd, "1:40:a 1:80:c 2:800: ");
	rename("w/c", "w/b2");
	told(fd);
	int file = open("w/b2", O_RDWR | O_TRUNC);
	tells("watch-truncating-open", fd, "1:2:b2 2:2: 1:20:b2 2:20: ");
	ftruncate(file, 10);
	tells("watch-truncate", fd, "1:2:b2 2:2: ");
	unlink("w/b");
	unlink("w/b2");
	tells("watch-unlink-open", fd, "2:4: 1:200:b 2:4: 1:200:b2 ");
	close(file);
	tells("watch-last-close", fd, "1:8:b2 2:8: 2:400: 2:8000: ");
	inotify_add_watch(fd, "w", IN_MODIFY | IN_EXCL_UNLINK);
	file = open("w/x", O_RDWR | O_CREAT, 0600);
	write(file, "1", 1);
	tells("watch-modify", fd, "1:2:x ");
	unlink("w/x");
	write(file, "1", 1);
	tells("watch-excl-unlink", fd, "");
	close(file);
	check("watch-rmdir-done", rmdir("w") == 0);
	tells("watch-rmdir", fd, "1:8000: ");
	char buffer[4096] __attribute__((aligned(8)));
	mkdir("v", 0700);
	close(creat("v/a", 0600));
	inotify_add_watch(fd, "v", IN_MOVE);
	rename("v/a", "v/b");
	ssize_t got = read(fd, buffer, sizeof(buffer));
	const struct inotify_event *from = (struct inotify_event *)buffer;
	const struct inotify_event *to = (struct inotify_event *)(buffer + sizeof(*from) + from->len);
	check("watch-cookie", got > 0 && from->cookie && from->cookie == to->cookie);
	sprintf(buffer, "/proc/self/fdinfo/%d", fd);
	check("watch-fdinfo", has_line(buffer, "inotify wd:3 "));
}

int main(void)
{
	char directory[] = "/tmp/mountXXXXXX";
	if (!mkdtemp(directory) || chdir(directory))
		return 1;
	options();
	binds();
	watches();
	return check_failures != 0;
}
