/* Who may do what to files, and what becomes of rights when ids change: chmod(2), chown(2), utimensat(2), setfsuid(2),
 * credentials(7), capabilities(7); files that run and files that are written (ETXTBSY); limits of exec (E2BIG).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/membarrier.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <utime.h>
#include "check.h"

#define fails(call, number) ((call) == -1 && errno == (number))

static struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
static struct __user_cap_data_struct caps[2];

static unsigned effective(int capability)
{
	syscall(SYS_capget, &header, caps);
	return caps[0].effective >> capability & 1;
}

static void make(const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	unlink(name);
	close(open(name, O_CREAT | O_RDWR, 0600));
	if (chown(name, uid, gid) || chmod(name, mode))
		perror(name);
}

static mode_t mode_of(const char *name)
{
	struct stat found;
	return stat(name, &found) ? 0 : found.st_mode & 07777;
}

static void files_of_others(void)
{
	struct utimbuf times = {1, 1};
	struct timespec now_omit[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
	make("theirs", 0666, 0, 0);
	make("shut", 0600, 0, 0);
	gid_t groups[] = {4321};
	setgroups(1, groups);
	make("own", 0644, 1000, 1000);
	if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
		_exit(1);
	check("utime-now-by-writer", utime("theirs", 0) == 0);
	check("utime-given-by-writer", fails(utime("theirs", &times), EPERM));
	check("utime-now-omit-by-writer", fails(utimensat(AT_FDCWD, "theirs", now_omit, 0), EPERM));
	check("utime-now-without-write", fails(utime("shut", 0), EACCES));
	check("utime-own", utime("own", &times) == 0);
	check("chown-to-supplementary-group", chown("own", -1, 4321) == 0);
	check("chown-to-foreign-group", fails(chown("own", -1, 5), EPERM));
	check("chown-to-same-owner", chown("own", 1000, -1) == 0);
	check("chown-of-others-to-same", fails(chown("theirs", 0, -1), EPERM));
	check("chmod-of-others", fails(chmod("theirs", 0777), EPERM));
	check("chmod-sets-group-id-in-group", chmod("own", 02711) == 0 && mode_of("own") == 02711);
	check("noatime-of-others", fails(open("theirs", O_RDONLY | O_NOATIME), EPERM));
	int fd = open("theirs", O_RDONLY);
	check("noatime-later", fails(fcntl(fd, F_SETFL, O_NOATIME), EPERM));
	check("truncate-without-write", fails(truncate("shut", 1), EACCES));
}

static void as_file_system_user(void)
{
	make("theirs", 0644, 0, 0);
	make("grouped", 06755, 0, 0);
	make("locked", 02644, 0, 0);
	setfsuid(1000);
	check("fsuid-without-override", !effective(CAP_DAC_OVERRIDE) && effective(CAP_KILL));
	check("fsuid-open", fails(open("theirs", O_RDWR), EACCES));
	setfsuid(0);
	check("fsuid-back", effective(CAP_DAC_OVERRIDE) && close(open("theirs", O_RDWR)) == 0);
	check("chown-clears-set-id", chown("grouped", 1, 1) == 0 && mode_of("grouped") == 0755);
	check("chown-keeps-locking-bit", chown("locked", 1, 1) == 0 && mode_of("locked") == 02644);
	check("euid-drops-effective", seteuid(1000) == 0 && !effective(CAP_KILL));
	check("euid-back-raises", seteuid(0) == 0 && effective(CAP_KILL));
}

static void capability_rules(void)
{
	check("securebits-unknown", fails(prctl(PR_SET_SECUREBITS, 256), EPERM));
	prctl(PR_SET_SECUREBITS, 16 | 32); /* KEEP_CAPS and its lock */
	check("keepcaps-locked", fails(prctl(PR_SET_KEEPCAPS, 0), EPERM));
	check("securebits-locked", fails(prctl(PR_SET_SECUREBITS, 0), EPERM));
	check("ambient-wants-inheritable", fails(prctl(PR_CAP_AMBIENT, 2, CAP_KILL, 0, 0), EPERM));
	syscall(SYS_capget, &header, caps);
	caps[0].inheritable |= 1 << CAP_KILL;
	syscall(SYS_capset, &header, caps);
	check("ambient-raised", prctl(PR_CAP_AMBIENT, 2, CAP_KILL, 0, 0) == 0);
	caps[0].inheritable = 0;
	syscall(SYS_capset, &header, caps);
	check("ambient-follows-inheritable", prctl(PR_CAP_AMBIENT, 1, CAP_KILL, 0, 0) == 0);
	check("ambient-arguments", fails(prctl(PR_CAP_AMBIENT, 4, 1, 0, 0), EINVAL));
	setresuid(1000, 1000, 1000);
	syscall(SYS_capget, &header, caps);
	check("keepcaps-keeps-permitted", (caps[0].permitted >> CAP_KILL & 1) && !caps[0].effective);
	check("reuid-not-to-saved", syscall(SYS_setreuid, 1000, -1) == 0);
	check("membarrier-unregistered",
	      fails(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), EPERM));
	check("no-new-privs-arguments", fails(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL));
}

/* rename(2) of a directory to another one changes its "..": who may not write to it may rename it in its place alone. */
static void directories_of_others(void)
{
	mkdir("from", 0777);
	mkdir("to", 0777);
	mkdir("from/theirs", 0755);
	mkdir("from/open", 0777);
	mkdir("to/other", 0777);
	make("from/file", 0600, 0, 0);
	if (setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
		_exit(1);
	check("rename-their-directory-away", fails(rename("from/theirs", "to/theirs"), EACCES));
	check("rename-their-directory-in-place", rename("from/theirs", "from/renamed") == 0);
	check("rename-writable-directory-away", rename("from/open", "to/open") == 0);
	check("rename-their-file-away", rename("from/file", "to/file") == 0);
	check("exchange-with-their-directory",
	      fails(renameat2(AT_FDCWD, "to/other", AT_FDCWD, "from/renamed", RENAME_EXCHANGE), EACCES));
	check("own-directory-stays", access("to/other", W_OK) == 0);
}

/* What only who may trace a process sees of it. 0, or the step. */
static int process_seen(pid_t process, int fd, int seen)
{
	static const char *const names[] = {"environ", "auxv", "maps", "smaps", "io", "fd", "fdinfo"};
	static const char *const links[] = {"exe", "cwd", "root", "ns/uts"};
	char path[64], text[64];
	for (int i = 0; i < 7; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", process, names[i]);
		int opened = open(path, O_RDONLY | O_CLOEXEC);
		if (seen ? opened < 0 : !fails(opened, EACCES))
			return 10 + i;
		close(opened);
	}
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", process, links[i]);
		long length = readlink(path, text, sizeof(text));
		if (seen ? length < 0 : !fails(length, EACCES))
			return 20 + i;
		int opened = open(path, O_RDONLY | O_CLOEXEC);
		if (seen ? opened < 0 : !fails(opened, EACCES))
			return 30 + i;
		close(opened);
	}
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", process, fd);
	int opened = open(path, O_RDWR | O_CLOEXEC);
	return (seen ? opened < 0 : !fails(opened, EACCES)) ? 40 : 0;
}

static void processes_of_others(void)
{
	pid_t root = getpid();
	int fd = memfd_create("open to all by its mode", 0);
	int status = in_child(if (setgroups(0, 0) || setgid(1000) || setuid(1000)) _exit(1);
	                      prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); _exit(process_seen(root, fd, 0)));
	check("process-of-another", exited(status, 0));
	if (status)
		printf("# step %d\n", WEXITSTATUS(status));
	status = in_child(if (setgroups(0, 0) || setgid(1000) || setuid(1000)) _exit(1);
	                  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); _exit(process_seen(getpid(), fd, 1)));
	check("process-of-ones-own", exited(status, 0));
	if (status)
		printf("# step %d\n", WEXITSTATUS(status));
	check("process-seen-by-root", in_child(_exit(process_seen(root, fd, 1))) == 0);
}

static void running_files(const char *self)
{
	char block[65536];
	long got;
	int in = open(self, O_RDONLY), out = open("copy", O_CREAT | O_TRUNC | O_WRONLY, 0755);
	char *const arguments[] = {"copy", "exit", 0};
	while ((got = read(in, block, sizeof(block))) > 0)
		if (write(out, block, (size_t)got) != got)
			_exit(1);
	check("run-while-written", fails(execv("copy", arguments), ETXTBSY));
	close(out);
	check("run-once-closed", exited(in_child(execv("copy", arguments)), 42));
	check("write-once-it-ended", close(open("copy", O_WRONLY)) == 0);
	check("write-while-run", fails(open(self, O_WRONLY), ETXTBSY));
	check("truncate-while-run", fails(truncate(self, 5), ETXTBSY));
	char *big = malloc(132000);
	memset(big, 'x', 132000);
	big[131072] = 0;
	char *const too_long[] = {"copy", "exit", big, 0};
	check("string-too-long", fails(execv("copy", too_long), E2BIG));
	big[131071] = 0;
	check("string-long", exited(in_child(execv("copy", too_long)), 42));
	static char *many[20];
	many[0] = "copy";
	many[1] = "exit";
	for (int i = 2; i < 19; i++)
		many[i] = big;
	check("strings-too-long", fails(execv("copy", many), E2BIG));
}

static void sizes(void)
{
	int fd = open("limited", O_RDWR | O_CREAT, 0600);
	struct rlimit limit = {8192, 8192};
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	check("limit-truncate", fails(truncate("limited", 8193), EFBIG));
	check("limit-ftruncate", fails(ftruncate(fd, 8193), EFBIG));
	check("limit-fallocate", fails(fallocate(fd, 0, 0, 8193), EFBIG));
	check("limit-reached", ftruncate(fd, 8192) == 0 && fails(pwrite(fd, "x", 1, 8192), EFBIG));
	check("limit-partly", pwrite(fd, "xyz", 3, 8190) == 2);
}

int main(int count, char **arguments)
{
	char directory[] = "/tmp/accessXXXXXX", self[4096];
	if (count > 1)
		return 42;
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	(void)arguments;
	if (length < 0 || !mkdtemp(directory) || chdir(directory) || chmod(".", 0755))
		return 1;
	self[length] = 0;
	umask(0);
	int failed = !exited(in_child(files_of_others(); _exit(check_failures != 0)), 0);
	failed |= !exited(in_child(as_file_system_user(); _exit(check_failures != 0)), 0);
	failed |= !exited(in_child(capability_rules(); _exit(check_failures != 0)), 0);
	failed |= !exited(in_child(directories_of_others(); _exit(check_failures != 0)), 0);
	failed |= !exited(in_child(processes_of_others(); _exit(check_failures != 0)), 0);
	failed |= !exited(in_child(running_files(self); _exit(check_failures != 0)), 0);
	failed |= !exited(in_child(sizes(); _exit(check_failures != 0)), 0);
	return failed;
}
