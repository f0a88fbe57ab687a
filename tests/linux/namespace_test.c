/* namespaces(7): user, mount, UTS, IPC, PID and network namespaces; setns(2), pivot_root(2), /proc/PID/ns; what they must
 * not allow. Run as root; what an ordinary user may is tried by one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include "check.h"

#define fails(call, number) ((call) == -1 && errno == (number))
#define NS_GET_USERNS       0xb701
#define NS_GET_PARENT       0xb702
#define NS_GET_NSTYPE       0xb703
#define NS_GET_OWNER_UID    0xb704

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0)
		return -1;
	int result = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -1, error = errno;
	close(fd);
	errno = error;
	return result;
}

static const char *get(const char *path)
{
	static char text[65536];
	int fd = open(path, O_RDONLY);
	ssize_t count = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[count < 0 ? 0 : count] = 0;
	close(fd);
	return text;
}

static unsigned long long inode(const char *path)
{
	struct stat of;
	return stat(path, &of) ? 0 : of.st_ino;
}

/* In a child that leaves with 0 where all of CONDITION was true. */
#define child_checks(name, ...)                                                                              \
	do {                                                                                                 \
		int child_status = in_child(__VA_ARGS__; _exit(0));                                          \
		if (!exited(child_status, 0))                                                                \
			printf("# %s: status %x\n", name, child_status);                                     \
		check(name, exited(child_status, 0));                                                        \
	} while (0)
#define need(condition)                                                                                      \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			printf("# line %d: %s (errno %d)\n", __LINE__, #condition, errno);                   \
			fflush(stdout);                                                                      \
			_exit(1);                                                                            \
		}                                                                                            \
	} while (0)

static void become(int id)
{
	need(setgroups(0, 0) == 0 && setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0);
	prctl(PR_SET_DUMPABLE, 1);
}

static int has_capability(int capability)
{
	unsigned long long set = 0;
	const char *line = strstr(get("/proc/self/status"), "CapEff:");
	sscanf(line ? line : "", "CapEff: %llx", &set);
	return set >> capability & 1;
}

/* A user namespace with the ordinary user as its root. */
static void user_root(void)
{
	become(1000);
	need(unshare(CLONE_NEWUSER) == 0);
	need(put("/proc/self/setgroups", "deny") == 0);
	need(put("/proc/self/uid_map", "0 1000 1") == 0);
	need(put("/proc/self/gid_map", "0 1000 1") == 0);
}

static void user_ids(void)
{
	become(1000);
	unsigned long long before = inode("/proc/self/ns/user");
	need(!has_capability(21));
	need(unshare(CLONE_NEWUSER) == 0);
	need(inode("/proc/self/ns/user") != before);
	need(has_capability(21) && has_capability(0));
	need(getuid() == 65534 && getgid() == 65534);
	need(strcmp(get("/proc/self/uid_map"), "") == 0);
	need(fails(setuid(0), EINVAL));
	need(fails(put("/proc/self/gid_map", "0 1000 1"), EPERM)); /* setgroups is allowed still */
	need(fails(put("/proc/self/uid_map", "0 0 1"), EPERM));
	need(fails(put("/proc/self/uid_map", "0 1000 2"), EPERM));
	need(fails(put("/proc/self/uid_map", "rubbish"), EINVAL));
	need(fails(put("/proc/self/uid_map", "0 1000 0"), EINVAL));
	need(put("/proc/self/uid_map", "0 1000 1\n") == 0);
	need(fails(put("/proc/self/uid_map", "0 1000 1"), EPERM)); /* once */
	need(getuid() == 0 && geteuid() == 0);
	need(put("/proc/self/setgroups", "deny") == 0);
	need(strcmp(get("/proc/self/setgroups"), "deny\n") == 0);
	need(fails(put("/proc/self/setgroups", "allow"), EPERM));
	need(put("/proc/self/gid_map", "0 1000 1") == 0);
	need(getgid() == 0);
	need(fails(setgroups(0, 0), EPERM));
	need(strcmp(get("/proc/self/uid_map"), "         0       1000          1\n") == 0);
	need(fails(setuid(5), EINVAL));
	need(setresuid(0, 0, 0) == 0);
	struct stat of;
	need(stat("/proc/self", &of) == 0 && of.st_uid == 0);
	need(stat("/", &of) == 0 && of.st_uid == 65534);
}

static void user_weak(void)
{
	user_root();
	/* All capabilities, and none outside. */
	need(has_capability(21));
	need(fails(sethostname("x", 1), EPERM));
	need(fails(mount("none", "/tmp", "tmpfs", 0, ""), EPERM));
	need(fails(chown("/", 0, 0), EPERM));
	need(fails(open("/tmp/namespace-test/secret", O_RDONLY), EACCES));
	need(fails(kill(1, 0), EPERM));
	need(fails(mknod("/tmp/ns-null", S_IFCHR | 0666, 1 << 8 | 3), EPERM));
	need(fails(unshare(CLONE_NEWTIME | 0x8), EINVAL));
	struct timespec now = {1, 0};
	need(fails(clock_settime(CLOCK_REALTIME, &now), EPERM));
	need(chroot("/") == 0);
	need(fails(setns(open("/proc/1/ns/uts", O_RDONLY), 0), EPERM) || errno == EBADF);
	/* Its own file it may do with what it likes, others' it may not. */
	int fd = open("/tmp/ns-own", O_RDWR | O_CREAT, 0600);
	struct stat of;
	need(fd >= 0 && fstat(fd, &of) == 0 && of.st_uid == 0 && of.st_gid == 0);
	need(fails(fchown(fd, 1, 1), EINVAL));
	unlink("/tmp/ns-own");
}

static void user_mapped_by_parent(void)
{
	int ready[2], go[2];
	char byte, path[64];
	need(pipe(ready) == 0 && pipe(go) == 0);
	pid_t child = fork();
	if (child == 0) {
		need(unshare(CLONE_NEWUSER) == 0);
		need(write(ready[1], "x", 1) == 1 && read(go[0], &byte, 1) == 1);
		need(getuid() == 0 && setgroups(0, 0) == 0);
		need(setresgid(7, 7, 7) == 0 && setresuid(5, 5, 5) == 0);
		need(getuid() == 5 && getgid() == 7 && !has_capability(21));
		int fd = open("/tmp/ns-five", O_RDWR | O_CREAT, 0600);
		struct stat of;
		need(fd >= 0 && fstat(fd, &of) == 0 && of.st_uid == 5 && of.st_gid == 7);
		_exit(0);
	}
	need(read(ready[0], &byte, 1) == 1);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", child);
	need(put(path, "0 200000 1000\n5000 0 1") == 0);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", child);
	need(fails(put(path, "0 100000 1000\n500 5 1"), EINVAL)); /* they overlap */
	need(put(path, "0 0 1\n1 100001 1000") == 0);
	need(write(go[1], "x", 1) == 1);
	int status;
	need(waitpid(child, &status, 0) == child && exited(status, 0));
	struct stat of;
	need(stat("/tmp/ns-five", &of) == 0 && of.st_uid == 100005 && of.st_gid == 200007);
	unlink("/tmp/ns-five");
}

static void user_nesting(void)
{
	become(1000);
	int depth = 0;
	while (depth < 40) {
		if (unshare(CLONE_NEWUSER))
			break;
		need(put("/proc/self/setgroups", "deny") == 0 || errno == EPERM);
		char map[32];
		snprintf(map, sizeof(map), "0 %d 1", depth ? 0 : 1000);
		need(put("/proc/self/uid_map", map) == 0 && put("/proc/self/gid_map", map) == 0);
		depth++;
	}
	need(errno == ENOSPC || errno == EUSERS);
	need(depth == 33);
}

static void limits(void)
{
	char old[32];
	snprintf(old, sizeof(old), "%s", get("/proc/sys/user/max_uts_namespaces"));
	need(atoi(old) > 0);
	need(put("/proc/sys/user/max_uts_namespaces", "0") == 0);
	int refused = fails(unshare(CLONE_NEWUTS), ENOSPC);
	need(put("/proc/sys/user/max_uts_namespaces", old) == 0);
	need(refused && unshare(CLONE_NEWUTS) == 0);
}

/* What ends is given back: more come and go than there may be at a time. */
static void many(void)
{
	static const char *const kinds[] = {"ipc", "mnt", "net", "pid", "user", "uts"};
	char path[64], old[6][32];
	int status, failed = 0;
	for (int i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", kinds[i]);
		snprintf(old[i], sizeof(old[i]), "%s", get(path));
		need(put(path, "150") == 0);
	}
	for (int i = 0; i < 300 && !failed; i++) {
		pid_t child = (pid_t)syscall(SYS_clone,
		                             CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
		                                 CLONE_NEWUTS | (i % 3 ? 0 : CLONE_NEWNET) | SIGCHLD,
		                             0, 0, 0, 0);
		if (child == 0) {
			close(socket(AF_INET, SOCK_DGRAM, 0));
			(void)shmget(IPC_PRIVATE, 4096, 0600);
			_exit(0);
		}
		failed = child < 0 || waitpid(child, &status, 0) != child || !exited(status, 0);
	}
	for (int i = 0; i < 6; i++) {
		snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", kinds[i]);
		need(put(path, old[i]) == 0);
	}
	need(!failed);
}

static void users(void)
{
	child_checks("user-ids", user_ids());
	child_checks("user-weak-outside", user_weak());
	child_checks("user-mapped-by-parent", user_mapped_by_parent());
	child_checks("user-nesting", user_nesting());
	child_checks("limits", limits());
	child_checks("many", many());
	child_checks("user-chrooted", need(mkdir("ns-jail", 0755) == 0 || errno == EEXIST);
	             need(chroot("ns-jail") == 0 && fails(unshare(CLONE_NEWUSER), EPERM)));
	child_checks("user-thread",
	             need(syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0, 0, 0) == -1 &&
	                  errno == EINVAL));
}

static void uts_and_ipc(void)
{
	struct utsname before, after;
	uname(&before);
	child_checks("uts", need(unshare(CLONE_NEWUTS) == 0 && sethostname("inner", 5) == 0); uname(&after);
	             need(strcmp(after.nodename, "inner") == 0);
	             need(strcmp(get("/proc/sys/kernel/hostname"), "inner\n") == 0));
	uname(&after);
	check("uts-outside", strcmp(before.nodename, after.nodename) == 0);
	int id = shmget(0x1234abcd, 4096, IPC_CREAT | 0600);
	child_checks("ipc", need(unshare(CLONE_NEWIPC) == 0 && fails(shmget(0x1234abcd, 0, 0), ENOENT));
	             need(shmget(0x1234abcd, 4096, IPC_CREAT | IPC_EXCL | 0600) >= 0);
	             need(!strstr(get("/proc/sysvipc/shm"), "zzz")));
	check("ipc-outside", shmget(0x1234abcd, 0, 0) == id && shmctl(id, IPC_RMID, 0) == 0);
}

static void mounts_private(void)
{
	need(mkdir("/tmp/ns-m", 0755) == 0 || errno == EEXIST);
	int outside = open("/tmp/ns-m", O_RDONLY | O_DIRECTORY);
	need(unshare(CLONE_NEWNS) == 0);
	need(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	need(mount("none", "/tmp/ns-m", "tmpfs", 0, "size=1m") == 0);
	close(open("/tmp/ns-m/inside", O_CREAT, 0600));
	need(access("/tmp/ns-m/inside", F_OK) == 0 && faccessat(outside, "inside", F_OK, 0) == -1);
	/* A directory of the old namespace is a place, but nothing is mounted there. */
	need(fchdir(outside) == 0 && access("inside", F_OK) == -1);
}

static void mounts_weak(void)
{
	user_root();
	need(fails(mount("none", "/tmp", "tmpfs", 0, ""), EPERM));
	need(unshare(CLONE_NEWNS) == 0);
	need(mount("none", "/tmp", "tmpfs", 0, "mode=755") == 0);
	need(mkdir("/tmp/a", 0700) == 0 && mkdir("/tmp/b", 0700) == 0);
	need(fails(mount("none", "/tmp/a", "devtmpfs", 0, ""), EPERM));
	need(fails(mount("none", "/tmp/a", "nonsense", 0, ""), ENODEV));
	/* What came along stays. */
	need(fails(umount2("/proc", 0), EINVAL));
	need(fails(umount2("/proc", MNT_DETACH), EINVAL));
	need(fails(mount("/", "/tmp/a", 0, MS_BIND, 0), EINVAL)); /* it would show what is covered */
	need(mount("/", "/tmp/a", 0, MS_BIND | MS_REC, 0) == 0);
	need(umount2("/tmp/a", MNT_DETACH) == 0);
	need(mount("/tmp/a", "/tmp/b", 0, MS_BIND, 0) == 0);
	need(mount(0, "/tmp/b", 0, MS_BIND | MS_REMOUNT | MS_RDONLY, 0) == 0);
	need(fails(mkdir("/tmp/b/c", 0700), EROFS) && mkdir("/tmp/a/c", 0700) == 0);
	need(mount(0, "/tmp/b", 0, MS_BIND | MS_REMOUNT, 0) == 0 && mkdir("/tmp/b/d", 0700) == 0);
}

static void mounts_locked_flags(void)
{
	need(mkdir("/tmp/ns-l", 0755) == 0 || errno == EEXIST);
	need(unshare(CLONE_NEWNS) == 0 && mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	need(mount("none", "/tmp/ns-l", "tmpfs", MS_RDONLY | MS_NOEXEC | MS_NODEV, "") == 0);
	user_root();
	need(unshare(CLONE_NEWNS) == 0);
	need(fails(mount(0, "/tmp/ns-l", 0, MS_BIND | MS_REMOUNT, 0), EPERM));
	need(fails(mount(0, "/tmp/ns-l", 0, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NODEV, 0), EPERM));
	need(mount(0, "/tmp/ns-l", 0, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOEXEC | MS_NODEV | MS_NOSUID,
	           0) == 0);
}

static void mounts_pivot(void)
{
	need(mkdir("/tmp/ns-p", 0755) == 0 || errno == EEXIST);
	int old = open("/", O_RDONLY | O_DIRECTORY);
	need(unshare(CLONE_NEWNS) == 0 && mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	/* On Linux the very first root cannot be left: another one of the same. */
	need(mount("/", "/tmp/ns-p", 0, MS_BIND | MS_REC, 0) == 0 && chroot("/tmp/ns-p") == 0 &&
	     chdir("/") == 0);
	need(fails(syscall(SYS_pivot_root, "/tmp/ns-p", "/tmp/ns-p"), EBUSY)); /* no mount */
	need(mount("none", "/tmp/ns-p", "tmpfs", 0, "") == 0);
	need(mkdir("/tmp/ns-p/old", 0700) == 0 && mkdir("/tmp/ns-p/here", 0700) == 0);
	need(fails(syscall(SYS_pivot_root, "/tmp/ns-p", "/tmp"), EBUSY) || errno == EINVAL);
	need(chdir("/tmp/ns-p") == 0 && syscall(SYS_pivot_root, ".", "old") == 0);
	need(access("/here", F_OK) == 0 && access("/old/proc/self", F_OK) == 0);
	char text[256];
	need(getcwd(text, sizeof(text)) && strcmp(text, "/") == 0);
	need(umount2("/old", MNT_DETACH) == 0 && access("/old/proc", F_OK) == -1);
	need(chdir("../../..") == 0 && access("here", F_OK) == 0);
	/* A descriptor that was open stays one. */
	need(faccessat(old, "tmp", F_OK, 0) == 0);
	need(fails(mount("none", "/proc/nothing", "tmpfs", 0, ""), ENOENT));
	need(fchdir(old) == 0 && fails(mount("none", "tmp", "tmpfs", 0, ""), EINVAL)); /* in no namespace */
}

static void mounts_shared(void)
{
	need(mkdir("/tmp/ns-s", 0755) == 0 || errno == EEXIST);
	need(unshare(CLONE_NEWNS) == 0 && mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	need(mount("none", "/tmp/ns-s", "tmpfs", 0, "") == 0);
	need(mkdir("/tmp/ns-s/a", 0755) == 0 && mkdir("/tmp/ns-s/b", 0755) == 0 &&
	     mkdir("/tmp/ns-s/c", 0755) == 0);
	need(mount("/tmp/ns-s/a", "/tmp/ns-s/a", 0, MS_BIND, 0) == 0);
	need(mount(0, "/tmp/ns-s/a", 0, MS_SHARED, 0) == 0);
	need(strstr(get("/proc/self/mountinfo"), " shared:") != 0);
	need(mkdir("/tmp/ns-s/a/m", 0755) == 0);
	need(mount("/tmp/ns-s/a", "/tmp/ns-s/b", 0, MS_BIND, 0) == 0); /* a peer */
	need(mount("/tmp/ns-s/a", "/tmp/ns-s/c", 0, MS_BIND, 0) == 0);
	need(mount(0, "/tmp/ns-s/c", 0, MS_SLAVE, 0) == 0);
	need(strstr(get("/proc/self/mountinfo"), " master:") != 0);
	need(mount("none", "/tmp/ns-s/a/m", "tmpfs", 0, "") == 0 && mkdir("/tmp/ns-s/a/m/x", 0755) == 0);
	need(access("/tmp/ns-s/b/m/x", F_OK) == 0 && access("/tmp/ns-s/c/m/x", F_OK) == 0);
	need(umount("/tmp/ns-s/b/m") == 0);
	need(access("/tmp/ns-s/a/m/x", F_OK) == -1 && access("/tmp/ns-s/c/m/x", F_OK) == -1);
	/* A slave's are its own. */
	need(mount("none", "/tmp/ns-s/c/m", "tmpfs", 0, "") == 0 && mkdir("/tmp/ns-s/c/m/y", 0755) == 0);
	need(access("/tmp/ns-s/a/m/y", F_OK) == -1 && umount("/tmp/ns-s/c/m") == 0);
	/* Into another namespace, and not back from a slave there. */
	int ready[2], go[2];
	char byte;
	need(pipe(ready) == 0 && pipe(go) == 0);
	pid_t child = fork();
	if (child == 0) {
		need(unshare(CLONE_NEWNS) == 0 && mount("none", "/tmp/ns-s", 0, MS_REC | MS_SLAVE, 0) == 0);
		need(write(ready[1], "x", 1) == 1 && read(go[0], &byte, 1) == 1);
		need(access("/tmp/ns-s/a/m/z", F_OK) == 0);
		need(mount("none", "/tmp/ns-s/b/m", "tmpfs", 0, "") == 0 &&
		     mkdir("/tmp/ns-s/b/m/w", 0755) == 0);
		need(write(ready[1], "x", 1) == 1 && read(go[0], &byte, 1) == 1);
		_exit(0);
	}
	need(read(ready[0], &byte, 1) == 1);
	need(mount("none", "/tmp/ns-s/a/m", "tmpfs", 0, "") == 0 && mkdir("/tmp/ns-s/a/m/z", 0755) == 0);
	need(write(go[1], "x", 1) == 1 && read(ready[0], &byte, 1) == 1);
	need(access("/tmp/ns-s/b/m/w", F_OK) == -1 && access("/tmp/ns-s/b/m/z", F_OK) == 0);
	need(write(go[1], "x", 1) == 1);
	int status;
	need(waitpid(child, &status, 0) == child && exited(status, 0));
	need(mount(0, "/tmp/ns-s/b", 0, MS_UNBINDABLE, 0) == 0);
	need(fails(mount("/tmp/ns-s/b", "/tmp/ns-s/c", 0, MS_BIND, 0), EINVAL));
	need(fails(mount(0, "/tmp/ns-s/b", 0, MS_SHARED | MS_PRIVATE, 0), EINVAL));
}

static void name_goes(void)
{
	need(mkdir("/tmp/ns-g", 0755) == 0 || errno == EEXIST);
	int ready[2], go[2];
	char byte;
	need(pipe(ready) == 0 && pipe(go) == 0);
	pid_t child = fork();
	if (child == 0) {
		need(unshare(CLONE_NEWNS) == 0 && mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
		need(mount("none", "/tmp/ns-g", "tmpfs", 0, "") == 0);
		need(fails(rmdir("/tmp/ns-g"), EBUSY));
		need(write(ready[1], "x", 1) == 1 && read(go[0], &byte, 1) == 1);
		need(access("/tmp/ns-g", F_OK) == -1);
		_exit(0);
	}
	need(read(ready[0], &byte, 1) == 1);
	need(rmdir("/tmp/ns-g") == 0);
	need(write(go[1], "x", 1) == 1);
	int status;
	need(waitpid(child, &status, 0) == child && exited(status, 0));
}

static void mounts(void)
{
	child_checks("mount-private", mounts_private());
	check("mount-outside", access("/tmp/ns-m/inside", F_OK) == -1);
	child_checks("mount-user", mounts_weak());
	child_checks("mount-locked-flags", mounts_locked_flags());
	child_checks("pivot-root", mounts_pivot());
	child_checks("mount-shared", mounts_shared());
	child_checks("mount-point-removed", name_goes());
}

static int signalled;
static void on_signal(int signal)
{
	signalled = signal;
}

/* The first process of a PID namespace. */
static void first_process(void)
{
	need(getpid() == 1 && getppid() == 0 && syscall(SYS_gettid) == 1);
	need(getpgrp() == 0 && getsid(0) == 0);
	pid_t child = fork();
	if (child == 0) {
		need(getpid() == 2 && getppid() == 1);
		_exit(7);
	}
	int status;
	need(child == 2 && waitpid(2, &status, 0) == 2 && exited(status, 7));
	/* Nothing outside is there. */
	need(fails(kill(getppid() + 100, 0), ESRCH));
	/* No signal of its own children ends it. */
	child = fork();
	if (child == 0) {
		kill(1, SIGKILL);
		kill(1, SIGTERM);
		kill(1, SIGSTOP);
		_exit(kill(-1, SIGTERM) == -1 && errno == ESRCH ? 0 : 1);
	}
	need(waitpid(child, &status, 0) == child && exited(status, 0));
	signal(SIGUSR1, on_signal);
	child = fork();
	if (child == 0)
		_exit(kill(1, SIGUSR1));
	need(waitpid(child, &status, 0) == child && exited(status, 0) && signalled == SIGUSR1);
	/* It reaps orphans. */
	child = fork();
	if (child == 0) {
		if (fork() == 0) {
			for (int i = 0; i < 2000 && getppid() != 1; i++)
				pause_ms(10);
			_exit(getppid() == 1 ? 3 : 4);
		}
		_exit(0);
	}
	int seen = 0;
	for (pid_t pid; (pid = wait(&status)) > 0;)
		seen += exited(status, 3) ? 10 : exited(status, 0) ? 1 : 100;
	need(seen == 11);
	/* /proc of its own. */
	need(unshare(CLONE_NEWNS) == 0 && mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	need(atoi(get("/proc/self/stat")) != 1); /* the old one does not know it by that */
	need(mount("proc", "/proc", "proc", 0, 0) == 0);
	need(atoi(get("/proc/self/stat")) == 1 && inode("/proc/1/ns/pid") == inode("/proc/self/ns/pid"));
	need(access("/proc/2", F_OK) == -1 && access("/proc/1/status", F_OK) == 0);
	need(strstr(get("/proc/self/status"), "\nNSpid:\t1\n") != 0);
	need(unshare(CLONE_NEWPID) == 0);
	need(fails(unshare(CLONE_NEWPID), EINVAL));
	child = fork();
	if (child == 0) {
		need(getpid() == 1 && strstr(get("/proc/self/status"), "\nNSpid:\t") != 0);
		need(strstr(strstr(get("/proc/self/status"), "\nNSpid:\t") + 8, "\t1\n") != 0);
		_exit(0);
	}
	need(child > 1 && waitpid(child, &status, 0) == child && exited(status, 0));
	need(fork() == -1 && errno == ENOMEM); /* its first process has ended */
}

static pid_t clone_with(unsigned long flags)
{
	fflush(stdout);
	return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
}

static void pid_end(void)
{
	int ends[2], status;
	char bytes[8];
	need(pipe(ends) == 0);
	pid_t child = clone_with(CLONE_NEWPID);
	if (child == 0) {
		for (int i = 0; i < 3; i++)
			if (fork() == 0) {
				signal(SIGTERM, SIG_IGN);
				for (;;)
					pause();
			}
		if (fork() == 0)
			_exit(0); /* a zombie */
		close(ends[1]);
		pause_ms(20);
		_exit(5);
	}
	close(ends[1]);
	need(child > 1 && waitpid(child, &status, 0) == child && exited(status, 5));
	/* With the first all are gone: nobody holds the pipe. */
	need(read(ends[0], bytes, sizeof(bytes)) == 0);
	need(pipe(ends) == 0);
	child = clone_with(CLONE_NEWPID);
	if (child == 0) {
		if (fork() == 0)
			pause();
		pause();
	}
	close(ends[1]);
	need(kill(child, SIGTERM) == 0);
	pause_ms(20);
	need(waitpid(child, &status, WNOHANG) == 0); /* no handler: it does not hear it */
	need(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child && killed(status, SIGKILL));
	need(read(ends[0], bytes, sizeof(bytes)) == 0);
}

static void pid_signal_from_outside(void)
{
	int ready[2];
	char byte;
	need(pipe(ready) == 0);
	pid_t child = clone_with(CLONE_NEWPID);
	if (child == 0) {
		sigset_t set;
		siginfo_t info;
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, 0);
		need(write(ready[1], "x", 1) == 1);
		need(sigwaitinfo(&set, &info) == SIGUSR1 && info.si_pid == 0);
		_exit(0);
	}
	int status;
	need(read(ready[0], &byte, 1) == 1 && kill(child, SIGUSR1) == 0);
	need(waitpid(child, &status, 0) == child && exited(status, 0));
}

static void entering(void)
{
	int ready[2], status;
	char byte, path[64];
	need(pipe(ready) == 0);
	pid_t child = clone_with(CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWNET);
	if (child == 0) {
		need(sethostname("entered", 7) == 0);
		need(write(ready[1], "x", 1) == 1);
		pause();
	}
	need(read(ready[0], &byte, 1) == 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/uts", child);
	int uts = open(path, O_RDONLY);
	need(uts >= 0 && ioctl(uts, NS_GET_NSTYPE) == CLONE_NEWUTS);
	need(fails(setns(uts, CLONE_NEWIPC), EINVAL));
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", child);
	int pids = open(path, O_RDONLY);
	need(fails(setns(open("/dev/null", O_RDONLY), 0), EINVAL));
	int owner = ioctl(uts, NS_GET_USERNS);
	struct stat of;
	need(owner >= 0 && fstat(owner, &of) == 0 && of.st_ino == inode("/proc/self/ns/user"));
	need(fails(ioctl(owner, NS_GET_PARENT), EPERM));
	int above = ioctl(pids, NS_GET_PARENT);
	need(above >= 0 && fstat(above, &of) == 0 && of.st_ino == inode("/proc/self/ns/pid"));
	pid_t inner = fork();
	if (inner == 0) {
		struct utsname name;
		need(setns(uts, CLONE_NEWUTS) == 0);
		uname(&name);
		need(strcmp(name.nodename, "entered") == 0);
		need(setns(pids, 0) == 0);
		pid_t two = fork();
		if (two == 0) {
			need(getpid() == 2 && getppid() == 0);
			need(kill(1, 0) == 0);
			_exit(0);
		}
		need(waitpid(two, &status, 0) == two && exited(status, 0));
		_exit(0);
	}
	need(waitpid(inner, &status, 0) == inner && exited(status, 0));
	/* All at once, by a pidfd. */
	int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	inner = fork();
	if (inner == 0) {
		char expected[64], seen[64];
		snprintf(path, sizeof(path), "/proc/%d/ns/net", child);
		ssize_t length = readlink(path, expected, sizeof(expected));
		need(setns(pidfd, CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS) == 0);
		need(length == readlink("/proc/self/ns/net", seen, sizeof(seen)));
		need(memcmp(expected, seen, (size_t)length) == 0);
		_exit(0);
	}
	need(waitpid(inner, &status, 0) == inner && exited(status, 0));
	/* Mounted, it stays when its last process is gone. */
	need(unshare(CLONE_NEWNS) == 0 && mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
	close(open("/tmp/ns-file", O_CREAT | O_RDWR, 0600));
	snprintf(path, sizeof(path), "/proc/%d/ns/uts", child);
	need(mount(path, "/tmp/ns-file", 0, MS_BIND, 0) == 0);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	close(uts);
	uts = open("/tmp/ns-file", O_RDONLY);
	struct utsname name;
	need(uts >= 0 && setns(uts, CLONE_NEWUTS) == 0);
	uname(&name);
	need(strcmp(name.nodename, "entered") == 0 && close(uts) == 0 && umount("/tmp/ns-file") == 0);
	unlink("/tmp/ns-file");
}

static void processes(void)
{
	int status = 0;
	pid_t child = clone_with(CLONE_NEWPID);
	if (child == 0) {
		first_process();
		_exit(0);
	}
	check("pid", child > 1 && waitpid(child, &status, 0) == child && exited(status, 0));
	child_checks("pid-end", pid_end());
	child_checks("pid-signal", pid_signal_from_outside());
	child_checks("setns", entering());
	child_checks("pid-threads", need(unshare(CLONE_NEWPID) == 0);
	             need(syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, 0, 0, 0, 0) == -1 &&
	                  errno == EINVAL));
}

static int loopback_up(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq request = {.ifr_name = "lo"};
	int result = ioctl(fd, SIOCGIFFLAGS, &request);
	request.ifr_flags |= IFF_UP;
	result = result ? result : ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return result;
}

static int try_connect(int port)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(0x7f000001)}};
	int result = connect(fd, (struct sockaddr *)&to, sizeof(to)), error = errno;
	close(fd);
	errno = error;
	return result;
}

static int listen_on(int port)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(0x7f000001)}};
	return bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 5) ? -1 : fd;
}

static void network(void)
{
	int outer = listen_on(34567);
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0ns-abstract"};
	int named = socket(AF_UNIX, SOCK_STREAM, 0);
	check("net-outside",
	      outer >= 0 && bind(named, (struct sockaddr *)&name, 14) == 0 && listen(named, 1) == 0);
	child_checks("net", need(unshare(CLONE_NEWNET) == 0);
	             need(try_connect(34567) == -1 && errno == ENETUNREACH); need(loopback_up() == 0);
	             need(try_connect(34567) == -1 && errno == ECONNREFUSED); int inner = listen_on(34567);
	             need(inner >= 0 && try_connect(34567) == 0); need(accept(inner, 0, 0) >= 0);
	             need(strstr(get("/proc/net/dev"), "lo:") && !strstr(get("/proc/net/dev"), "eth0:"));
	             /* A name is of one network. */
	             int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	             need(fails(connect(fd, (struct sockaddr *)&name, 14), ECONNREFUSED));
	             need(bind(fd, (struct sockaddr *)&name, 14) == 0));
	child_checks("net-user", user_root(); need(fails(socket(AF_INET, SOCK_RAW, 1), EPERM));
	             need(unshare(CLONE_NEWNET) == 0 && socket(AF_INET, SOCK_RAW, 1) >= 0);
	             need(loopback_up() == 0 && listen_on(80) >= 0));
	check("net-outside-still", try_connect(34567) == 0);
	close(outer);
	close(named);
}

int main(void)
{
	mkdir("/tmp/namespace-test", 0755);
	if (chdir("/tmp/namespace-test"))
		return 1;
	close(open("secret", O_CREAT | O_RDWR, 0600));
	users();
	uts_and_ipc();
	mounts();
	processes();
	network();
	return check_failures != 0;
}
