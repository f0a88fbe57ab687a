/* Mounts by descriptors: open_tree(2), move_mount(2), fsopen(2), fsconfig(2), fsmount(2), fspick(2), mount_setattr(2). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include "check.h"

#define fails(call, number) ((long)(call) == -1 && errno == (number))
#define tree(...)           (int)syscall(SYS_open_tree, __VA_ARGS__)
#define put(...)            syscall(SYS_move_mount, __VA_ARGS__)
#define setting(...)        syscall(SYS_fsconfig, __VA_ARGS__)
#define making(...)         (int)syscall(SYS_fsopen, __VA_ARGS__)
#define mounting(...)       (int)syscall(SYS_fsmount, __VA_ARGS__)
#define picking(...)        (int)syscall(SYS_fspick, __VA_ARGS__)
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#define NONE ((void *)0)

static int attributes(int fd, const char *path, unsigned flags, struct mount_attr attr)
{
	return (int)syscall(SYS_mount_setattr, fd, path, flags, &attr, sizeof(attr));
}

static int there(const char *path)
{
	return access(path, F_OK) == 0;
}

static int make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	close(fd);
	return fd >= 0;
}

static void new_filesystems(void)
{
	struct statfs status;
	struct stat one;
	int fs = making("tmpfs", FSOPEN_CLOEXEC);
	check("fsopen", fs >= 0 && fcntl(fs, F_GETFD) == FD_CLOEXEC);
	check("no-such-type", fails(making("nonsense", 0), ENODEV) && fails(making("tmpfs", 2), EINVAL) &&
	                          fails(making((char *)8, 0), EFAULT));
	char text[16];
	check("no-messages", fails(read(fs, text, 16), ENODATA));
	check("not-made", fails(mounting(fs, 0, 0), EINVAL));
	check("parameters", setting(fs, FSCONFIG_SET_STRING, "source", "mine", 0) == 0 &&
	                        setting(fs, FSCONFIG_SET_STRING, "size", "1M", 0) == 0 &&
	                        setting(fs, FSCONFIG_SET_STRING, "mode", "0710", 0) == 0);
	check("wrong-parameters", fails(setting(fs, FSCONFIG_SET_STRING, NONE, "x", 0), EINVAL) &&
	                              fails(setting(fs, FSCONFIG_SET_STRING, "size", NONE, 0), EINVAL) &&
	                              fails(setting(fs, FSCONFIG_SET_FLAG, "ro", "x", 0), EINVAL) &&
	                              fails(setting(fs, FSCONFIG_SET_STRING, "source", "again", 0), EINVAL) &&
	                              fails(setting(fs, FSCONFIG_SET_STRING, "size", (char *)8, 0), EFAULT) &&
	                              fails(setting(fs, FSCONFIG_CMD_CREATE, "x", NONE, 0), EINVAL) &&
	                              fails(setting(fs, 99, NONE, NONE, 0), EOPNOTSUPP) &&
	                              fails(setting(999, FSCONFIG_CMD_CREATE, NONE, NONE, 0), EBADF) &&
	                              fails(setting(-1, FSCONFIG_CMD_CREATE, NONE, NONE, 0), EINVAL) &&
	                              fails(setting(0, FSCONFIG_CMD_CREATE, NONE, NONE, 0), EINVAL));
	check("not-to-be-changed", fails(setting(fs, FSCONFIG_CMD_RECONFIGURE, NONE, NONE, 0), EBUSY));
	check("create", setting(fs, FSCONFIG_CMD_CREATE, NONE, NONE, 0) == 0);
	check("create-again", fails(setting(fs, FSCONFIG_CMD_CREATE, NONE, NONE, 0), EBUSY) &&
	                          fails(setting(fs, FSCONFIG_SET_STRING, "size", "2M", 0), EBUSY));
	check("wrong-attributes", fails(mounting(fs, 0, 0x30), EINVAL) &&
	                              fails(mounting(fs, 0, 1 << 30), EINVAL) &&
	                              fails(mounting(fs, 8, 0), EINVAL) && fails(mounting(0, 0, 0), EINVAL) &&
	                              fails(mounting(999, 0, 0), EBADF));
	int top = mounting(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
	check("fsmount",
	      top >= 0 && fstat(top, &one) == 0 && S_ISDIR(one.st_mode) && (one.st_mode & 0777) == 0710);
	check("fsmount-again", fails(mounting(fs, 0, 0), EBUSY));
	check("its-flags", fstatfs(top, &status) == 0 && status.f_type == 0x01021994 &&
	                       (status.f_flags & 0x406) == 0x406 &&
	                       status.f_blocks * (uint64_t)status.f_bsize == 1 << 20);
	check("change-after-fsmount", setting(fs, FSCONFIG_SET_STRING, "size", "2M", 0) == 0 &&
	                                  setting(fs, FSCONFIG_SET_STRING, "source", "x", 0) == 0 &&
	                                  fails(setting(fs, FSCONFIG_SET_STRING, "source", "x", 0), EINVAL) &&
	                                  fails(mounting(fs, 0, 0), EBUSY) &&
	                                  setting(fs, FSCONFIG_CMD_RECONFIGURE, NONE, NONE, 0) == 0 &&
	                                  fstatfs(top, &status) == 0 &&
	                                  status.f_blocks * (uint64_t)status.f_bsize == 2 << 20);
	check("change-again", setting(fs, FSCONFIG_CMD_RECONFIGURE, NONE, NONE, 0) == 0 &&
	                          fails(setting(fs, FSCONFIG_CMD_CREATE, NONE, NONE, 0), EBUSY) &&
	                          setting(fs, FSCONFIG_SET_STRING, "size", "1M", 0) == 0 &&
	                          setting(fs, FSCONFIG_CMD_RECONFIGURE, NONE, NONE, 0) == 0 &&
	                          fstatfs(top, &status) == 0 &&
	                          status.f_blocks * (uint64_t)status.f_bsize == 1 << 20);
	int file = openat(top, "inside", O_RDWR | O_CREAT, 0600);
	check("used-before-it-is-anywhere", file >= 0 && write(file, "x", 1) == 1);
	check("attach",
	      put(top, "", AT_FDCWD, "place", MOVE_MOUNT_F_EMPTY_PATH) == 0 && there("place/inside"));
	check("attach-again", put(top, "", AT_FDCWD, "other", MOVE_MOUNT_F_EMPTY_PATH) == 0 &&
	                          !there("place/inside") && there("other/inside"));
	close(top);
	close(fs);
	check("it-stays", there("other/inside") && write(file, "y", 1) == 1);
	close(file);
	check("unmount", umount2("other", 0) == 0 && !there("other/inside"));
	fs = making("tmpfs", 0);
	check("unmount-beside-its-context",
	      setting(fs, FSCONFIG_CMD_CREATE, NONE, NONE, 0) == 0 && (top = mounting(fs, 0, 0)) >= 0 &&
	          put(top, "", AT_FDCWD, "other", MOVE_MOUNT_F_EMPTY_PATH) == 0 && close(top) == 0 &&
	          umount2("other", 0) == 0 && setting(fs, FSCONFIG_CMD_RECONFIGURE, NONE, NONE, 0) == 0);
	check("failed", setting(fs, FSCONFIG_SET_STRING, "size", "nonsense", 0) |
	                    fails(setting(fs, FSCONFIG_CMD_RECONFIGURE, NONE, NONE, 0), EINVAL));
	close(fs);
	fs = making("tmpfs", 0);
	check("read-only", setting(fs, FSCONFIG_SET_FLAG, "ro", NONE, 0) == 0 &&
	                       setting(fs, FSCONFIG_CMD_CREATE, NONE, NONE, 0) == 0 &&
	                       (top = mounting(fs, 0, 0)) >= 0 &&
	                       fails(openat(top, "x", O_WRONLY | O_CREAT, 0600), EROFS));
	close(top);
	close(fs);
	fs = making("tmpfs", 0);
	check("wrong-option", (setting(fs, FSCONFIG_SET_STRING, "nonsense", "1", 0) |
	                       setting(fs, FSCONFIG_CMD_CREATE, NONE, NONE, 0)) == -1 &&
	                          errno == EINVAL);
	close(fs);
	fs = making("proc", 0);
	check("proc", setting(fs, FSCONFIG_CMD_CREATE, NONE, NONE, 0) == 0 &&
	                  (top = mounting(fs, 0, MOUNT_ATTR_RDONLY)) >= 0 &&
	                  faccessat(top, "self/status", F_OK, 0) == 0);
	close(fs);
	close(top);
}

static void copies(void)
{
	mount("none", "place", "tmpfs", 0, 0);
	mkdir("place/below", 0700);
	symlink("new", "place/link");
	mount("none", "place/below", "tmpfs", 0, 0);
	make_file("place/below/deep");
	int plain = tree(AT_FDCWD, "place", O_CLOEXEC);
	check("open_tree", plain >= 0 && fcntl(plain, F_GETFL) & O_PATH &&
	                       fcntl(plain, F_GETFD) == FD_CLOEXEC &&
	                       faccessat(plain, "below/deep", F_OK, 0) == 0);
	close(plain);
	check("open_tree-wrong", fails(tree(AT_FDCWD, "place", AT_RECURSIVE), EINVAL) &&
	                             fails(tree(AT_FDCWD, "place", 2), EINVAL) &&
	                             fails(tree(AT_FDCWD, "nowhere", 0), ENOENT) &&
	                             fails(tree(-1, "", AT_EMPTY_PATH), EBADF));
	int one = tree(AT_FDCWD, "place", OPEN_TREE_CLONE);
	check("copy",
	      one >= 0 && faccessat(one, "below", F_OK, 0) == 0 && faccessat(one, "below/deep", F_OK, 0));
	int all = tree(AT_FDCWD, "place", OPEN_TREE_CLONE | AT_RECURSIVE);
	check("copy-of-all", faccessat(all, "below/deep", F_OK, 0) == 0);
	check("in-no-namespace", fails(mount("none", "/proc/self/fd/9999", "tmpfs", 0, 0), ENOENT) &&
	                             fails(tree(all, "below", OPEN_TREE_CLONE), EINVAL));
	check("move-its-part", fails(put(all, "below", AT_FDCWD, "other", 0), EINVAL));
	check("move",
	      put(all, "", AT_FDCWD, "other", MOVE_MOUNT_F_EMPTY_PATH) == 0 && there("other/below/deep"));
	close(all);
	check("still-there", there("other/below/deep") && there("place/below/deep"));
	check("move-wrong", fails(put(one, "", AT_FDCWD, "other", 0x400), EINVAL) &&
	                        fails(put(one, "", AT_FDCWD, "other", 0), ENOENT) &&
	                        fails(put(one, "below", AT_FDCWD, "other", 0), EINVAL) &&
	                        fails(put(AT_FDCWD, "file", AT_FDCWD, "other", 0), EINVAL));
	check("move-into-itself", fails(put(AT_FDCWD, "place", AT_FDCWD, "place/below", 0), ELOOP));
	check("to-a-file", fails(put(one, "", AT_FDCWD, "file", MOVE_MOUNT_F_EMPTY_PATH), EINVAL));
	check("place-to-a-file", fails(put(AT_FDCWD, "place", AT_FDCWD, "file", 0), EINVAL) &&
	                             fails(mount("place", "file", 0, MS_MOVE, 0), EINVAL));
	symlink("other", "link");
	check("no-link-followed",
	      fails(put(one, "", AT_FDCWD, "link", MOVE_MOUNT_F_EMPTY_PATH), EINVAL) &&
	          put(one, "", AT_FDCWD, "link", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) == 0 &&
	          there("other/below") && !there("other/below/deep"));
	unlink("link");
	close(one);
	umount2("other", MNT_DETACH);
	umount2("other", MNT_DETACH);
	one = tree(AT_FDCWD, "place", OPEN_TREE_CLONE | AT_RECURSIVE);
	int inside = openat(one, "below", O_RDONLY | O_DIRECTORY);
	close(one);
	check("gone-with-its-file",
	      inside >= 0 && faccessat(inside, "deep", F_OK, 0) == 0 && there("place/below/deep"));
	close(inside);
	int file = tree(AT_FDCWD, "file", OPEN_TREE_CLONE);
	check("of-a-file", file >= 0 && put(file, "", AT_FDCWD, "second", MOVE_MOUNT_F_EMPTY_PATH) == 0 &&
	                       umount2("second", 0) == -1 && errno == EBUSY);
	close(file);
	check("of-a-file-unmounted", umount2("second", 0) == 0);
	check("by-path", put(AT_FDCWD, "place", AT_FDCWD, "other", 0) == 0 && there("other/below/deep") &&
	                     put(AT_FDCWD, "other", AT_FDCWD, "place", 0) == 0);
}

static unsigned long flags_of(const char *path)
{
	struct statfs status;
	return statfs(path, &status) ? ~0ul : (unsigned long)status.f_flags;
}

static void setattr(void)
{
	enum { RDONLY = 1, NOEXEC = 8, NOATIME = 0x400, RELATIME = 0x1000 };
	check("set",
	      attributes(AT_FDCWD, "place", 0, (struct mount_attr){.attr_set = MOUNT_ATTR_RDONLY}) == 0 &&
	          (flags_of("place") & RDONLY) && !(flags_of("place/below") & RDONLY) &&
	          !make_file("place/new"));
	check("clear",
	      attributes(AT_FDCWD, "place", 0,
	                 (struct mount_attr){.attr_clr = MOUNT_ATTR_RDONLY, .attr_set = MOUNT_ATTR_NOEXEC}) ==
	              0 &&
	          !(flags_of("place") & RDONLY) && (flags_of("place") & NOEXEC) && make_file("place/new"));
	check("recursive", attributes(AT_FDCWD, "place", AT_RECURSIVE,
	                              (struct mount_attr){.attr_set = MOUNT_ATTR_RDONLY}) == 0 &&
	                       (flags_of("place") & RDONLY) && (flags_of("place/below") & RDONLY));
	check("atime",
	      attributes(
	          AT_FDCWD, "place", 0,
	          (struct mount_attr){.attr_clr = MOUNT_ATTR__ATIME, .attr_set = MOUNT_ATTR_NOATIME}) == 0 &&
	          (flags_of("place") & NOATIME) &&
	          attributes(AT_FDCWD, "place", 0, (struct mount_attr){.attr_clr = MOUNT_ATTR__ATIME}) == 0 &&
	          (flags_of("place") & RELATIME));
	check("atime-wrong",
	      fails(attributes(AT_FDCWD, "place", 0, (struct mount_attr){.attr_set = MOUNT_ATTR_NOATIME}),
	            EINVAL) &&
	          fails(attributes(AT_FDCWD, "place", 0, (struct mount_attr){.attr_clr = 0x10}), EINVAL));
	check("wrong",
	      fails(attributes(AT_FDCWD, "place", 0, (struct mount_attr){.attr_set = 1 << 30}), EINVAL) &&
	          fails(attributes(AT_FDCWD, "place", 2, (struct mount_attr){.attr_set = 1}), EINVAL) &&
	          fails(attributes(AT_FDCWD, "place/new", 0, (struct mount_attr){.attr_set = 1}), EINVAL) &&
	          fails(attributes(AT_FDCWD, "place", 0,
	                           (struct mount_attr){.propagation = MS_SHARED | MS_SLAVE}),
	                EINVAL) &&
	          attributes(AT_FDCWD, "nowhere", 0, (struct mount_attr){0}) == 0);
	struct {
		struct mount_attr attr;
		char more[8];
	} large = {.attr.attr_set = MOUNT_ATTR_NODEV};
	check("size",
	      fails(syscall(SYS_mount_setattr, AT_FDCWD, "place", 0, &large, 16), EINVAL) &&
	          fails(syscall(SYS_mount_setattr, AT_FDCWD, "place", 0, &large, 8192), E2BIG) &&
	          syscall(SYS_mount_setattr, AT_FDCWD, "place", 0, &large, sizeof(large)) == 0 &&
	          (large.more[3] = 1) &&
	          fails(syscall(SYS_mount_setattr, AT_FDCWD, "place", 0, &large, sizeof(large)), E2BIG));
	check("shared", attributes(AT_FDCWD, "place", AT_RECURSIVE,
	                           (struct mount_attr){.propagation = MS_SHARED}) == 0 &&
	                    attributes(AT_FDCWD, "place", AT_RECURSIVE,
	                               (struct mount_attr){.propagation = MS_PRIVATE}) == 0);
	check("links-not-followed",
	      there("place/link") &&
	          attributes(AT_FDCWD, "place", 0, (struct mount_attr){.attr_set = MOUNT_ATTR_NOSYMFOLLOW}) ==
	              0 &&
	          !there("place/link") && errno == ELOOP && (flags_of("place") & 0x2000) &&
	          readlink("place/link", (char[8]){0}, 8) == 3 &&
	          open("place/link", O_PATH | O_NOFOLLOW) >= 0);
	check("followed-again", attributes(AT_FDCWD, "place", 0,
	                                   (struct mount_attr){.attr_clr = MOUNT_ATTR_NOSYMFOLLOW}) == 0 &&
	                            there("place/link"));
	const unsigned long again = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV | MS_NOEXEC;
	check("mount-flag", mount(0, "place", 0, again | 256, 0) == 0 && !there("place/link") &&
	                        mount(0, "place", 0, again, 0) == 0 && there("place/link"));
	int copy = tree(AT_FDCWD, "place", OPEN_TREE_CLONE | AT_RECURSIVE);
	check("of-a-copy", attributes(copy, "", AT_EMPTY_PATH | AT_RECURSIVE,
	                              (struct mount_attr){.attr_clr = MOUNT_ATTR_RDONLY}) == 0 &&
	                       faccessat(copy, "below", W_OK, 0) == 0 && (flags_of("place") & RDONLY));
	close(copy);
	int pick = picking(AT_FDCWD, "place", 1);
	check("fspick", pick >= 0 && setting(pick, FSCONFIG_SET_FLAG, "rw", NONE, 0) == 0 &&
	                    setting(pick, FSCONFIG_SET_STRING, "size", "2M", 0) == 0 &&
	                    fails(setting(pick, FSCONFIG_CMD_CREATE, NONE, NONE, 0), EBUSY) &&
	                    setting(pick, FSCONFIG_CMD_RECONFIGURE, NONE, NONE, 0) == 0);
	struct statfs status;
	check("reconfigured",
	      statfs("place", &status) == 0 && status.f_blocks * (uint64_t)status.f_bsize == 2 << 20);
	close(pick);
	check("fspick-wrong", fails(picking(AT_FDCWD, "place/below/deep", 0), EINVAL) &&
	                          fails(picking(AT_FDCWD, "place", 0x100), EINVAL) &&
	                          fails(picking(AT_FDCWD, "nowhere", 0), ENOENT));
}

static void others(void)
{
	int status = in_child(
	    if (setgid(1000) || setuid(1000)) _exit(1);
	    _exit(!fails(making("tmpfs", 0), EPERM) || !fails(tree(AT_FDCWD, ".", OPEN_TREE_CLONE), EPERM) ||
	          !fails(put(AT_FDCWD, ".", AT_FDCWD, ".", 0), EPERM) ||
	          !fails(picking(AT_FDCWD, "/", 0), EPERM) || !fails(mounting(0, 0, 0), EPERM) ||
	          !fails(attributes(AT_FDCWD, "/", 0, (struct mount_attr){.attr_set = 1}), EPERM) ||
	          tree(AT_FDCWD, "/", 0) < 0));
	check("without-capability", exited(status, 0));
	status = in_child(
	    int fs, top; if (setgid(1000) || setuid(1000) || unshare(CLONE_NEWUSER | CLONE_NEWNS)) _exit(1);
	    if ((fs = making("tmpfs", 0)) < 0 || setting(fs, FSCONFIG_CMD_CREATE, NONE, NONE, 0) ||
	        (top = mounting(fs, 0, 0)) < 0) _exit(2);
	    if (put(top, "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH) || there("/tmp/none")) _exit(3);
	    if (!fails(attributes(AT_FDCWD, "place", 0, (struct mount_attr){.attr_clr = MOUNT_ATTR_NODEV}),
	               EPERM)) _exit(4);
	    _exit(0));
	check("in-a-user-namespace", exited(status, 0) || exited(status, 1));
}

/* A tree with what stands for a mount namespace goes to FILE in an older one, not into that itself, which would never end. */
static void own_namespace(const char *file)
{
	int ready[2], done[2];
	char byte, path[64];
	pipe(ready);
	pipe(done);
	pid_t child = fork();
	if (child == 0) {
		close(done[1]);
		_exit(unshare(CLONE_NEWNS) || write(ready[1], "", 1) != 1 || read(done[0], &byte, 1));
	}
	read(ready[0], &byte, 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", child);
	int namespace = open(path, O_RDONLY), copy = tree(AT_FDCWD, path, OPEN_TREE_CLONE);
	check("tree-of-a-namespace", namespace >= 0 && copy >= 0);
	int status =
	    in_child(if (setns(namespace, CLONE_NEWNS)) _exit(1);
	             _exit(fails(put(copy, "", AT_FDCWD, file, MOVE_MOUNT_F_EMPTY_PATH), ELOOP) ? 0 : 2));
	check("not-into-itself", exited(status, 0));
	check("into-an-older-one",
	      put(copy, "", AT_FDCWD, file, MOVE_MOUNT_F_EMPTY_PATH) == 0 && umount2(file, MNT_DETACH) == 0);
	close(copy);
	close(namespace);
	close(done[1]);
	waitpid(child, &status, 0);
}

static int user_namespaces_allowed(int count)
{
	char text[16];
	int fd = open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);
	int done = fd >= 0 && write(fd, text, (size_t)snprintf(text, sizeof(text), "%d", count)) > 0;
	close(fd);
	return done;
}

static int user_namespace_made(void)
{
	return in_child(_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1)) == 0;
}

/* The user namespace in which a file system was made stays as long as that, though all have left it. */
static void made_by_a_user(void)
{
	int status = -1, allowed = 1, before = 0;
	if (getenv("ON_LINUX")) /* whose limit is not for tests */
		return;
	FILE *limit = fopen("/proc/sys/user/max_user_namespaces", "r");
	if (!limit || fscanf(limit, "%d", &before) != 1)
		check("limit", 0);
	if (limit)
		fclose(limit);
	while (allowed < 100 && user_namespaces_allowed(allowed) && !user_namespace_made())
		allowed++;
	pid_t child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (!child) {
		int fs = unshare(CLONE_NEWUSER | CLONE_NEWNS) ? -1 : making("tmpfs", 0);
		_exit(fs >= 0 && !setting(fs, FSCONFIG_CMD_CREATE, NONE, NONE, 0) ? fs : 0);
	}
	waitpid(child, &status, 0);
	int fs = WIFEXITED(status) ? WEXITSTATUS(status) : 0, top = fs > 0 ? mounting(fs, 0, 0) : -1;
	check("made-by-a-user", top >= 0 && !user_namespace_made());
	check("changed-by-another", setting(fs, FSCONFIG_CMD_RECONFIGURE, NONE, NONE, 0) == 0);
	close(top);
	close(fs);
	check("user-goes-with-it", user_namespace_made());
	user_namespaces_allowed(before);
}

int main(void)
{
	char directory[] = "/tmp/mount_files.XXXXXX";
	if (geteuid() || unshare(CLONE_NEWNS)) {
		check("namespace", 0); /* containers forbid it */
		return 1;
	}
	mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
	if (!mkdtemp(directory) || chmod(directory, 0755) || chdir(directory))
		return 1;
	mkdir("place", 0755);
	mkdir("other", 0755);
	make_file("file");
	make_file("second");
	new_filesystems();
	copies();
	setattr();
	others();
	char file[sizeof(directory) + 8];
	snprintf(file, sizeof(file), "%s/second", directory);
	own_namespace(file);
	made_by_a_user();
	umount2("place", MNT_DETACH);
	chdir("/");
	char command[64];
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	system(command);
	return check_failures != 0;
}
