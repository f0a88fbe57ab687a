/* Regular files, directories, names, locks, pipes: what programs rely on. */
#define _GNU_SOURCE
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static char buffer[1 << 17];

static int make(const char *path, int flags)
{
	return open(path, O_RDWR | O_CREAT | flags, 0644);
}

static off_t size_of(const char *path)
{
	struct stat status;
	return stat(path, &status) ? -1 : status.st_size;
}

static void test_data(void)
{
	int fd = make("file", O_TRUNC);
	check("o-excl", make("file", O_EXCL) == -1 && errno == EEXIST);
	check("write-read", write(fd, "0123456789", 10) == 10 && pread(fd, buffer, 20, 4) == 6 &&
	                        !memcmp(buffer, "456789", 6));
	check("sparse", pwrite(fd, "end", 3, 1000000) == 3 && lseek(fd, 0, SEEK_END) == 1000003 &&
	                    pread(fd, buffer, 100, 500000) == 100 && buffer[0] == 0 && buffer[99] == 0);
	check("read-at-end", pread(fd, buffer, 10, 1000003) == 0 && pread(fd, buffer, 10, 5000000) == 0);
	check("truncate-grow-is-zero", ftruncate(fd, 5) == 0 && ftruncate(fd, 100) == 0 &&
	                                   pread(fd, buffer, 100, 0) == 100 && !memcmp(buffer, "01234", 5) &&
	                                   buffer[5] == 0 && buffer[9] == 0);
	int append = open("file", O_WRONLY | O_APPEND);
	lseek(append, 0, SEEK_SET);
	check("append",
	      write(append, "tail", 4) == 4 && size_of("file") == 104 && lseek(append, 0, SEEK_CUR) == 104);
	struct iovec parts[3] = {{"a", 1}, {0, 0}, {"bcd", 3}};
	check("writev",
	      pwritev(fd, parts, 3, 0) == 4 && pread(fd, buffer, 4, 0) == 4 && !memcmp(buffer, "abcd", 4));
	check("seek-errors", lseek(fd, -1, SEEK_SET) == -1 && errno == EINVAL && lseek(fd, 0, 77) == -1 &&
	                         lseek(fd, 1000, SEEK_DATA) == -1 && errno == ENXIO);
	check("read-only", (close(append), append = open("file", O_RDONLY)) >= 0 &&
	                       write(append, "x", 1) == -1 && errno == EBADF && ftruncate(append, 0) == -1 &&
	                       errno == EINVAL);
	check("bad-buffer", write(fd, (void *)8, 10) == -1 && errno == EFAULT &&
	                        pread(fd, (void *)8, 10, 0) == -1 && errno == EFAULT);
	check("kernel-buffer", pread(fd, (void *)0xffff800000000000, 10, 0) == -1 && errno == EFAULT);
	char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(page + 4096, 4096);
	memset(page + 4086, 'p', 10);
	int part = make("partial", O_TRUNC);
	check("half-bad-buffer", write(part, page + 4086, 20) == 10 || size_of("partial") <= 10);
	close(part);
	check("fallocate", posix_fallocate(fd, 0, 300) == 0 && size_of("file") == 300 &&
	                       fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 1, 2) == 0 &&
	                       pread(fd, buffer, 4, 0) == 4 && !memcmp(buffer, "a\0\0d", 4));
	int copy = make("copy", O_TRUNC);
	off_t offset = 0;
	check("sendfile",
	      sendfile(copy, fd, &offset, 1000) == 300 && offset == 300 && size_of("copy") == 300);
	off_t from = 3, to = 600;
	check("copy-file-range", syscall(SYS_copy_file_range, fd, &from, copy, &to, 10l, 0) == 10 &&
	                             from == 13 && to == 610 && size_of("copy") == 610);
	int unnamed = open(".", O_TMPFILE | O_RDWR, 0600);
	char link_name[64];
	snprintf(link_name, sizeof(link_name), "/proc/self/fd/%d", unnamed);
	struct stat status;
	check("tmpfile", unnamed >= 0 && write(unnamed, "unnamed", 7) == 7 && fstat(unnamed, &status) == 0 &&
	                     status.st_nlink == 0);
	check("tmpfile-linked", linkat(AT_FDCWD, link_name, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0 &&
	                            size_of("named") == 7);
	struct rlimit old, limit;
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = 1000;
	setrlimit(RLIMIT_FSIZE, &limit);
	signal(SIGXFSZ, SIG_IGN);
	check("file-size-limit",
	      pwrite(fd, buffer, 100, 950) == 50 && pwrite(fd, buffer, 1, 1000) == -1 && errno == EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	close(unnamed);
	close(copy);
	close(append);
	close(fd);
	fd = open("file", O_RDWR | O_TRUNC);
	check("o-trunc", fd >= 0 && size_of("file") == 0);
	static char pattern[70000];
	for (unsigned i = 0; i < sizeof(pattern); i++)
		pattern[i] = (char)(i * 31 >> 4);
	int same = 1;
	for (size_t at = 0; at < sizeof(pattern); at += 777) {
		size_t count = sizeof(pattern) - at < 777 ? sizeof(pattern) - at : 777;
		same &= write(fd, pattern + at, count) == (ssize_t)count;
	}
	check("small-writes", same && pread(fd, buffer, sizeof(buffer), 0) == sizeof(pattern) &&
	                          !memcmp(buffer, pattern, sizeof(pattern)));
	close(fd);
}

static sigjmp_buf back;
static void *volatile fault_at;

static void on_bus(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	fault_at = info->si_addr;
	siglongjmp(back, 1);
}

static void test_mapped(void)
{
	struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
	sigaction(SIGBUS, &action, 0);
	int fd = make("mapped", O_TRUNC);
	ftruncate(fd, 3 * 4096);
	char *shared = mmap(0, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *again = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 4096);
	char *private = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
	check("map", shared != MAP_FAILED && again != MAP_FAILED && private != MAP_FAILED);
	pwrite(fd, "written", 7, 4096);
	check("write-is-mapped", !memcmp(shared + 4096, "written", 7) && !memcmp(again, "written", 7));
	memcpy(shared + 4096, "stored!", 7);
	check("store-is-read", pread(fd, buffer, 7, 4096) == 7 && !memcmp(buffer, "stored!", 7) &&
	                           !memcmp(again, "stored!", 7));
	char *unwritten = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
	check("private-shows-writes", !memcmp(private, "stored!", 7) && pwrite(fd, "newer", 5, 4096) == 5 &&
	                                  !memcmp(private, "newerd!", 7) &&
	                                  pread(fd, unwritten, 4096, 0) == 4096 && unwritten[0] == 0 &&
	                                  !memcmp(private, "newerd!", 7));
	memcpy(private, "private", 7);
	memcpy(shared + 4096, "public!", 7);
	check("private-is-private", !memcmp(private, "private", 7) && !memcmp(again, "public!", 7));
	int status = in_child({
		shared[0] = 'c';
		_exit(0);
	});
	check("shared-across-fork", exited(status, 0) && shared[0] == 'c');
	if (!sigsetjmp(back, 1))
		shared[3 * 4096] = 1;
	check("sigbus-behind-end", fault_at == shared + 3 * 4096);
	fault_at = 0;
	ftruncate(fd, 4096 + 3);
	if (!sigsetjmp(back, 1))
		(void)*(volatile char *)(shared + 2 * 4096);
	check("sigbus-after-truncate", fault_at == shared + 2 * 4096);
	check("last-page-zeroed", shared[4096] == 'p' && shared[4096 + 3] == 0 && shared[4096 + 6] == 0);
	ftruncate(fd, 3 * 4096);
	fault_at = 0;
	if (!sigsetjmp(back, 1))
		check("grown-again-is-zero", shared[2 * 4096] == 0);
	check("no-fault-after-growth", !fault_at);
	pwrite(fd, "grown", 5, 2 * 4096);
	check("grown-is-coherent", !memcmp(shared + 2 * 4096, "grown", 5));
	close(fd);
	unlink("mapped");
	shared[2 * 4096] = 'G';
	check("map-outlives-file", shared[2 * 4096] == 'G' && msync(shared, 4096, MS_SYNC) == 0);
	munmap(shared, 4 * 4096);
	fd = open("mapped", O_RDONLY | O_CREAT, 0644);
	check("map-needs-rights",
	      mmap(0, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EACCES);
	close(fd);
	signal(SIGBUS, SIG_DFL);
}

static void test_names(void)
{
	struct stat a, b;
	mkdir("dir", 0755);
	mkdir("dir/sub", 0700);
	close(make("x", 0));
	close(make("y", 0));
	stat("x", &a);
	check("rename-replaces", rename("x", "y") == 0 && stat("y", &b) == 0 && a.st_ino == b.st_ino &&
	                             access("x", F_OK) == -1 && errno == ENOENT);
	check("rename-into-self", rename("dir", "dir/sub/in") == -1 && errno == EINVAL);
	check("rename-kinds",
	      rename("y", "dir") == -1 && errno == EISDIR && rename("dir", "y") == -1 && errno == ENOTDIR);
	mkdir("empty", 0755);
	check("rename-over-directory",
	      rename("empty", "dir") == -1 && errno == ENOTEMPTY && rename("empty", "dir/sub") == 0);
	close(make("z", 0));
	check("rename-noreplace",
	      syscall(SYS_renameat2, AT_FDCWD, "y", AT_FDCWD, "z", 1) == -1 && errno == EEXIST);
	stat("z", &b);
	check("rename-exchange", syscall(SYS_renameat2, AT_FDCWD, "y", AT_FDCWD, "z", 2) == 0 &&
	                             stat("z", &a) == 0 && stat("y", &a) == 0 && a.st_ino == b.st_ino);
	check("link", link("y", "hard") == 0 && stat("hard", &a) == 0 && a.st_nlink == 2);
	check("rename-same-file", rename("y", "hard") == 0 && access("y", F_OK) == 0);
	int fd = open("hard", O_RDWR);
	write(fd, "kept", 4);
	unlink("y");
	unlink("hard");
	check("unlinked-lives", pread(fd, buffer, 4, 0) == 4 && fstat(fd, &a) == 0 && a.st_nlink == 0);
	close(fd);
	check("symlink", symlink("dir/sub", "soft") == 0 && readlink("soft", buffer, 100) == 7 &&
	                     stat("soft", &a) == 0 && S_ISDIR(a.st_mode) && lstat("soft", &b) == 0 &&
	                     S_ISLNK(b.st_mode) && b.st_size == 7);
	symlink("loop", "loop");
	check("symlink-loop", open("loop", O_RDONLY) == -1 && errno == ELOOP);
	symlink("target-made", "dangling");
	check("create-through-link", (fd = make("dangling", 0)) >= 0 && access("target-made", F_OK) == 0);
	close(fd);
	check("nofollow", open("dangling", O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP);
	check("unlink-directory", unlink("dir") == -1 && errno == EISDIR && rmdir("dir") == -1 &&
	                              errno == ENOTEMPTY && rmdir("z") == -1 && errno == ENOTDIR);
	check("trailing-slash", open("z/", O_RDONLY) == -1 && errno == ENOTDIR && mkdir("new/", 0755) == 0 &&
	                            rmdir("new/") == 0);
	check("dot-dot",
	      stat("dir/../dir/./sub/..", &a) == 0 && stat("dir", &b) == 0 && a.st_ino == b.st_ino);
	memset(buffer, 'n', 5000);
	buffer[256] = 0;
	check("name-too-long", make(buffer, 0) == -1 && errno == ENAMETOOLONG);
	buffer[256] = 'n';
	buffer[4999] = 0;
	check("path-too-long", make(buffer, 0) == -1 && errno == ENAMETOOLONG);
	check("not-a-directory", open("z/file", O_RDONLY) == -1 && errno == ENOTDIR);
	check("empty-path", open("", O_RDONLY) == -1 && errno == ENOENT);
	check("directory-write", open("dir", O_WRONLY) == -1 && errno == EISDIR);
	char where[256];
	check("getcwd", chdir("dir/sub") == 0 && getcwd(where, sizeof(where)) &&
	                    !strcmp(where + strlen(where) - 8, "/dir/sub"));
	check("getcwd-removed", rmdir("../sub") == 0 && !getcwd(where, sizeof(where)) && errno == ENOENT &&
	                            chdir("../..") == 0);
	int at = open("dir", O_RDONLY | O_DIRECTORY);
	check("at-calls", (fd = openat(at, "inner", O_CREAT | O_WRONLY, 0600)) >= 0 &&
	                      fstatat(at, "inner", &a, 0) == 0 && unlinkat(at, "inner", 0) == 0);
	close(fd);
	close(at);
	struct timespec times[2] = {{12345, 678}, {0, UTIME_OMIT}};
	check("utimensat",
	      utimensat(AT_FDCWD, "z", times, 0) == 0 && stat("z", &a) == 0 && a.st_atim.tv_sec == 12345);
	check("fchmod", (fd = open("z", O_RDONLY)) >= 0 && fchmod(fd, 0400) == 0 && fstat(fd, &a) == 0 &&
	                    (a.st_mode & 07777) == 0400);
	close(fd);
}

static void test_directory(void)
{
	char name[32];
	mkdir("many", 0755);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "many/entry-%d", i);
		close(make(name, 0));
	}
	DIR *directory = opendir("many");
	struct dirent *entry;
	int seen = 0, twice = 0, removed = 0;
	static char found[500];
	while ((entry = readdir(directory))) {
		int number;
		if (sscanf(entry->d_name, "entry-%d", &number) != 1)
			continue;
		twice += found[number]++;
		seen++;
		snprintf(name, sizeof(name), "many/%s", entry->d_name);
		removed += unlink(name) == 0;
	}
	check("delete-while-listing", seen == 500 && !twice && removed == 500);
	close(make("many/late", 0));
	rewinddir(directory);
	seen = 0;
	while ((entry = readdir(directory)))
		seen++;
	check("rewind", seen == 3);
	closedir(directory);
	unlink("many/late");
	check("rmdir", rmdir("many") == 0);
	int fd = open(".", O_RDONLY);
	check("getdents-small", syscall(SYS_getdents64, fd, buffer, 10) == -1 && errno == EINVAL);
	check("getdents-pointer", syscall(SYS_getdents64, fd, 8, 1000) == -1 && errno == EFAULT);
	check("directory-read", read(fd, buffer, 10) == -1 && errno == EISDIR);
	close(fd);
}

static void test_pipes(void)
{
	int fds[2], count;
	pipe2(fds, O_NONBLOCK);
	ssize_t filled = 0, done;
	while ((done = write(fds[1], buffer, 4096)) > 0)
		filled += done;
	check("pipe-capacity", filled == 65536 && errno == EAGAIN && fcntl(fds[1], F_GETPIPE_SZ) == 65536);
	read(fds[0], buffer, 4095);
	check("pipe-buf-is-whole", write(fds[1], buffer, 4096) == -1 && errno == EAGAIN);
	read(fds[0], buffer, 1);
	check("pipe-refills", write(fds[1], buffer, 4096) == 4096);
	check("pipe-fionread", ioctl(fds[0], FIONREAD, &count) == 0 && count == 65536);
	check("pipe-size", fcntl(fds[1], F_SETPIPE_SZ, 4096) == -1 && errno == EBUSY);
	check("pipe-seek", lseek(fds[0], 0, SEEK_SET) == -1 && errno == ESPIPE &&
	                       pread(fds[0], buffer, 1, 0) == -1 && errno == ESPIPE);
	close(fds[1]);
	struct pollfd poller = {fds[0], POLLIN, 0};
	check("pipe-poll-end", poll(&poller, 1, 0) == 1 && poller.revents == (POLLIN | POLLHUP));
	ssize_t drained = 0;
	while ((done = read(fds[0], buffer, sizeof(buffer))) > 0)
		drained += done;
	check("pipe-end", drained == 65536 && done == 0);
	/* Of one without a name another file does not wait for the other end, as one of a named pipe does. */
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	alarm(10);
	int again = open(path, O_RDONLY);
	check("pipe-opened-again", again >= 0 && read(again, buffer, 1) == 0);
	close(again);
	close(fds[0]);
	pipe(fds);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
	close(fds[0]);
	int waits = open(path, O_WRONLY), fails = open(path, O_WRONLY | O_NONBLOCK);
	check("pipe-opened-for-nobody", waits >= 0 && fails >= 0);
	alarm(0);
	close(waits);
	close(fails);
	close(fds[1]);
	pipe(fds);
	close(fds[0]);
	check("sigpipe", killed(in_child(write(fds[1], "x", 1)), SIGPIPE));
	signal(SIGPIPE, SIG_IGN);
	check("epipe", write(fds[1], "x", 1) == -1 && errno == EPIPE);
	signal(SIGPIPE, SIG_DFL);
	close(fds[1]);
	/* Writers of PIPE_BUF bytes never mix. */
	pipe(fds);
	for (int i = 0; i < 4; i++) {
		if (fork())
			continue;
		memset(buffer, 'A' + i, 4096);
		for (int j = 0; j < 20; j++)
			write(fds[1], buffer, 4096);
		_exit(0);
	}
	close(fds[1]);
	int mixed = 0, blocks = 0;
	for (size_t have = 0;;) {
		done = read(fds[0], buffer + have, 4096 - have);
		if (done <= 0)
			break;
		have += (size_t)done;
		if (have < 4096)
			continue;
		for (int i = 1; i < 4096; i++)
			mixed += buffer[i] != buffer[0];
		blocks++;
		have = 0;
	}
	while (wait(0) > 0)
		;
	check("pipe-atomic", blocks == 80 && !mixed);
	close(fds[0]);
	mkfifo("fifo", 0600);
	check("fifo-nonblock", open("fifo", O_WRONLY | O_NONBLOCK) == -1 && errno == ENXIO);
	int reader = open("fifo", O_RDONLY | O_NONBLOCK);
	check("fifo-no-writer", reader >= 0 && read(reader, buffer, 1) == 0);
	int writer = open("fifo", O_WRONLY);
	check("fifo", write(writer, "through", 7) == 7 && read(reader, buffer, 10) == 7 &&
	                  read(reader, buffer, 1) == -1 && errno == EAGAIN);
	close(reader);
	close(writer);
	pid_t child = fork();
	if (!child) {
		writer = open("fifo", O_WRONLY);
		write(writer, "late", 4);
		_exit(0);
	}
	reader = open("fifo", O_RDONLY);
	check("fifo-waits", read(reader, buffer, 10) == 4);
	waitpid(child, 0, 0);
	close(reader);
	int other[2];
	pipe(fds);
	pipe(other);
	write(fds[1], "spliced", 7);
	check("splice", splice(fds[0], 0, other[1], 0, 100, 0) == 7 && read(other[0], buffer, 10) == 7 &&
	                    !memcmp(buffer, "spliced", 7));
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(other[i]);
	}
}

static int lock(int fd, int command, short type, off_t start, off_t length)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
	int result = fcntl(fd, command, &lock);
	return command == F_GETLK && !result ? lock.l_type : result;
}

static void test_locks(void)
{
	int fd = make("locked", 0), ready[2];
	check("lock", lock(fd, F_SETLK, F_WRLCK, 10, 10) == 0);
	int status = in_child({
		int other = open("locked", O_RDWR);
		int seen = lock(other, F_GETLK, F_WRLCK, 0, 100) == F_WRLCK;
		int refused =
		    lock(other, F_SETLK, F_RDLCK, 15, 1) == -1 && (errno == EAGAIN || errno == EACCES);
		int beside =
		    lock(other, F_SETLK, F_WRLCK, 20, 5) == 0 && lock(other, F_SETLK, F_WRLCK, 0, 10) == 0;
		_exit(seen * 4 + refused * 2 + beside);
	});
	check("lock-conflicts", exited(status, 7));
	lock(fd, F_SETLK, F_UNLCK, 12, 2);
	status = in_child({
		int other = open("locked", O_RDWR);
		_exit((lock(other, F_SETLK, F_WRLCK, 12, 2) == 0) * 2 +
		      (lock(other, F_SETLK, F_WRLCK, 14, 1) == -1));
	});
	check("lock-splits", exited(status, 3));
	int second = open("locked", O_RDWR);
	close(second);
	status = in_child({
		int other = open("locked", O_RDWR);
		_exit(lock(other, F_SETLK, F_WRLCK, 0, 0) == 0);
	});
	check("any-close-unlocks", exited(status, 1));
	pipe(ready);
	lock(fd, F_SETLK, F_WRLCK, 0, 1);
	pid_t child = fork();
	if (!child) {
		int other = open("locked", O_RDWR);
		lock(other, F_SETLK, F_WRLCK, 1, 1);
		write(ready[1], "x", 1);
		_exit(lock(other, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 0 : 1);
	}
	read(ready[0], buffer, 1);
	pause_ms(50);
	check("deadlock", lock(fd, F_SETLKW, F_WRLCK, 1, 1) == -1 && errno == EDEADLK);
	lock(fd, F_SETLK, F_UNLCK, 0, 1);
	waitpid(child, &status, 0);
	check("lock-waits", exited(status, 0));
	int other = open("locked", O_RDWR);
	check("flock", flock(fd, LOCK_EX) == 0 && flock(other, LOCK_SH | LOCK_NB) == -1 && errno == EAGAIN &&
	                   flock(fd, LOCK_SH) == 0 && flock(other, LOCK_SH | LOCK_NB) == 0);
	int same = dup(fd);
	close(fd);
	check("flock-of-description", flock(other, LOCK_EX | LOCK_NB) == -1 && (close(same), 1) &&
	                                  flock(other, LOCK_EX | LOCK_NB) == 0);
	close(other);
	close(ready[0]);
	close(ready[1]);
}

static void test_descriptors(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC), copy = dup(fd);
	check("dup-clears-cloexec", fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(copy, F_GETFD) == 0);
	check("dup2-same", dup2(fd, fd) == fd && dup3(fd, fd, 0) == -1 && errno == EINVAL);
	check("dup-minimum", fcntl(fd, F_DUPFD, 100) == 100 && fcntl(fd, F_DUPFD_CLOEXEC, 100) == 101 &&
	                         fcntl(101, F_GETFD) == FD_CLOEXEC);
	check("dup-negative",
	      fcntl(fd, F_DUPFD, -1) == -1 && errno == EINVAL && dup2(fd, -1) == -1 && errno == EBADF);
	check("close-range", syscall(SYS_close_range, 100, 200, 0) == 0 && fcntl(100, F_GETFD) == -1);
	close(copy);
	check("lowest-first", dup(fd) == copy);
	check("shared-position", (close(copy), close(fd), fd = make("position", O_TRUNC)) >= 0 &&
	                             (copy = dup(fd)) >= 0 && write(fd, "12", 2) == 2 &&
	                             lseek(copy, 0, SEEK_CUR) == 2);
	check("setfl", fcntl(copy, F_SETFL, O_APPEND | O_NONBLOCK) == 0 &&
	                   (fcntl(fd, F_GETFL) & (O_APPEND | O_NONBLOCK)) == (O_APPEND | O_NONBLOCK));
	int path = open("position", O_PATH);
	check("o-path", read(path, buffer, 1) == -1 && errno == EBADF && fchdir(path) == -1);
	struct rlimit limit, old;
	getrlimit(RLIMIT_NOFILE, &old);
	limit = old;
	limit.rlim_cur = 20;
	setrlimit(RLIMIT_NOFILE, &limit);
	int last = -1, next;
	while ((next = dup(fd)) >= 0)
		last = next;
	check("emfile", last == 19 && errno == EMFILE && fcntl(fd, F_DUPFD, 20) == -1 && errno == EINVAL);
	setrlimit(RLIMIT_NOFILE, &old);
	syscall(SYS_close_range, 3, ~0u, 0);
	check("bad-descriptor", read(50, buffer, 1) == -1 && errno == EBADF && close(-1) == -1 &&
	                            read(-100, buffer, 1) == -1 && lseek(1 << 30, 0, 0) == -1);
	check("ioctl-file",
	      (fd = make("position", 0)) >= 0 && ioctl(fd, 0x5401, buffer) == -1 && errno == ENOTTY);
	close(fd);
}

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
static void test_memfd(void)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	ftruncate(fd, 8192);
	char *map = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check("memfd", fd >= 0 && map != MAP_FAILED && pwrite(fd, "m", 1, 0) == 1 && map[0] == 'm');
	check("seal-write-while-mapped", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == -1 && errno == EBUSY);
	munmap(map, 8192);
	check("seal-size", fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0 &&
	                       ftruncate(fd, 100) == -1 && errno == EPERM && ftruncate(fd, 10000) == -1 &&
	                       pwrite(fd, "x", 1, 8192) == -1 && errno == EPERM &&
	                       pwrite(fd, "x", 1, 8191) == 1);
	check("seal-write", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0 && pwrite(fd, "x", 1, 0) == -1 &&
	                        errno == EPERM &&
	                        mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	check("seal-seal", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0 && fcntl(fd, F_ADD_SEALS, 0) == -1 &&
	                       fcntl(fd, F_GET_SEALS) == 15);
	char path[64], text[64] = "";
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	readlink(path, text, sizeof(text) - 1);
	check("memfd-name", !strcmp(text, "/memfd:sealed (deleted)"));
	close(fd);
	/* A program in a sealed memfd knows that it is one: crun and runc ask. */
	int status = in_child({
		struct stat one;
		int own = open("/proc/self/exe", O_RDONLY), copy = memfd_create("copy", MFD_ALLOW_SEALING);
		fstat(own, &one);
		for (off_t done = 0; done < one.st_size;)
			if (sendfile(copy, own, &done, (size_t)(one.st_size - done)) <= 0)
				_exit(1);
		fcntl(copy, F_ADD_SEALS, ALL_SEALS);
		char *arguments[] = {"file", "copied", 0};
		fexecve(copy, arguments, environ);
		_exit(2);
	});
	check("memfd-executed", exited(status, 0));
	fd = memfd_create("plain", 0);
	check("memfd-unsealable", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == -1 && errno == EPERM);
	close(fd);
}

static long open_strictly(uint64_t flags, uint64_t mode, uint64_t resolve, size_t size, char last)
{
	struct {
		uint64_t flags, mode, resolve;
		char more[40];
	} how = {.flags = flags, .mode = mode, .resolve = resolve};
	how.more[39] = last;
	return syscall(SYS_openat2, AT_FDCWD, ".", &how, size);
}

static void test_strict(void)
{
	int pair[2], fds[2];
	struct stat before, after;
	long fd = open_strictly(O_DIRECTORY, 0, 0, 24, 0);
	check("openat2", fd >= 0 && close((int)fd) == 0);
	check("openat2-flags", open_strictly(1ull << 40, 0, 0, 24, 0) == -1 && errno == EINVAL);
	check("openat2-mode", open_strictly(O_RDONLY, 0600, 0, 24, 0) == -1 && errno == EINVAL);
	check("openat2-contradiction", open_strictly(O_RDONLY, 0, 8 | 16, 24, 0) == -1 && errno == EINVAL);
	fd = open_strictly(O_DIRECTORY, 0, 0, 64, 0);
	check("openat2-longer", fd >= 0 && close((int)fd) == 0);
	check("openat2-unknown", open_strictly(O_DIRECTORY, 0, 0, 64, 1) == -1 && errno == E2BIG);

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pipe(fds);
	check("splice-without-pipe", splice(pair[0], 0, pair[1], 0, 10, 0) == -1 && errno == EINVAL);
	check("splice-flags", splice(fds[0], 0, pair[1], 0, 10, 16) == -1 && errno == EINVAL);
	check("splice-nonblock",
	      splice(fds[0], 0, pair[1], 0, 10, SPLICE_F_NONBLOCK) == -1 && errno == EAGAIN);
	check("splice-nonblock-socket",
	      splice(pair[0], 0, fds[1], 0, 10, SPLICE_F_NONBLOCK) == -1 && errno == EAGAIN);
	close(pair[0]);
	close(pair[1]);
	close(fds[0]);
	close(fds[1]);

	static char bytes[1 << 20];
	memset(bytes, 7, sizeof(bytes));
	fd = memfd_create("holes", 0);
	write((int)fd, bytes, sizeof(bytes));
	fstat((int)fd, &before);
	check("punch-needs-size",
	      fallocate((int)fd, FALLOC_FL_PUNCH_HOLE, 0, 4096) == -1 && errno == EOPNOTSUPP);
	check("punch", fallocate((int)fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 600000) == 0);
	fstat((int)fd, &after);
	check("punch-gives-back",
	      after.st_size == sizeof(bytes) && after.st_blocks < before.st_blocks - 1000);
	pread((int)fd, bytes, sizeof(bytes), 0);
	int right = 1;
	for (size_t i = 0; i < sizeof(bytes); i++)
		right &= bytes[i] == (i >= 100 && i < 600100 ? 0 : 7);
	check("punch-data", right);
	close((int)fd);
}

/* Page N of a file that shift_file made. */
static int page_is(const unsigned char *page, int n)
{
	for (int i = 0; i < 4096; i++)
		if (page[i] != (n < 0 ? 0 : (unsigned char)(n * 37 + i / 64 + 1)))
			return 0;
	return 1;
}

/* Whether FD has the pages of ORDER, -1 for one of zeroes, and 100 bytes more. */
static int pages_are(int fd, const signed char *order, int count)
{
	static unsigned char bytes[32 * 4096];
	struct stat status;
	if (fstat(fd, &status) || status.st_size != count * 4096 + 100)
		return 0;
	if (pread(fd, bytes, sizeof(bytes), 0) != status.st_size)
		return 0;
	for (int i = 0; i < count; i++)
		if (!page_is(bytes + (size_t)i * 4096, order[i]))
			return 0;
	return bytes[(size_t)count * 4096] == 'e' && bytes[(size_t)count * 4096 + 99] == 'e';
}

static int shift_file(int count)
{
	static unsigned char bytes[16 * 4096 + 100];
	for (int n = 0; n < count; n++)
		for (int i = 0; i < 4096; i++)
			bytes[n * 4096 + i] = (unsigned char)(n * 37 + i / 64 + 1);
	memset(bytes + (size_t)count * 4096, 'e', 100);
	int fd = open("shift", O_RDWR | O_CREAT | O_TRUNC, 0600);
	pwrite(fd, bytes, (size_t)count * 4096 + 100, 0);
	return fd;
}

static int shift_fails(int fd, int mode, off_t offset, off_t bytes, int error)
{
	errno = 0;
	return fallocate(fd, mode, offset, bytes) == -1 && errno == error;
}

/* XFS' ioctls for room: struct space_resv. */
static void test_space(void)
{
	struct {
		short type, whence;
		long long start, bytes;
		unsigned rest[6];
	} range = {.whence = SEEK_SET, .start = 4096, .bytes = 8192};
	const unsigned long reserve = _IOW('X', 42, range), release = _IOW('X', 43, range),
	                    zero = _IOW('X', 57, range);
	char bytes[2];
	int fd = make("space", O_TRUNC);
	check("space-reserve",
	      ioctl(fd, reserve, &range) == 0 && size_of("space") == 0 && pwrite(fd, "abc", 3, 4096) == 3);
	range.whence = SEEK_END, range.start = -3, range.bytes = 1;
	check("space-end", ioctl(fd, release, &range) == 0 && size_of("space") == 4099 &&
	                       pread(fd, bytes, 2, 4096) == 2 && bytes[0] == 0 && bytes[1] == 'b');
	lseek(fd, 4000, SEEK_SET);
	range.whence = SEEK_CUR, range.start = 97, range.bytes = 20000;
	check("space-position", ioctl(fd, zero, &range) == 0 && size_of("space") == 4099 &&
	                            pread(fd, bytes, 2, 4097) == 2 && bytes[0] == 0 && bytes[1] == 0);
	int refused = ioctl(fd, reserve, (void *)8) == -1 && errno == EFAULT;
	range.whence = 3;
	refused = refused && ioctl(fd, reserve, &range) == -1 && errno == EINVAL;
	range.whence = SEEK_SET, range.start = -1;
	refused = refused && ioctl(fd, reserve, &range) == -1 && errno == EINVAL;
	range.start = 0, range.bytes = 0;
	refused = refused && ioctl(fd, release, &range) == -1 && errno == EINVAL;
	range.bytes = 1;
	int reader = open("space", O_RDONLY);
	refused = refused && ioctl(reader, release, &range) == -1 && errno == EBADF;
	check("space-refused", refused && ioctl(fd, _IOW('X', 44, range), &range) == -1 && errno == ENOTTY);
	close(reader);
	close(fd);
}

/* A file system of Linux' that has both: ext4. */
static void test_shift(void)
{
	const int collapse = FALLOC_FL_COLLAPSE_RANGE, insert = FALLOC_FL_INSERT_RANGE;
	int fd = shift_file(8);
	struct stat before, after;
	check("shift-unaligned",
	      shift_fails(fd, collapse, 1, 4096, EINVAL) && shift_fails(fd, collapse, 0, 4095, EINVAL) &&
	          shift_fails(fd, insert, 100, 4096, EINVAL) && shift_fails(fd, insert, 0, 1, EINVAL));
	check("shift-end", shift_fails(fd, collapse, 4 * 4096, 5 * 4096, EINVAL) &&
	                       shift_fails(fd, collapse, 0, 9 * 4096, EINVAL) &&
	                       shift_fails(fd, insert, 9 * 4096, 4096, EINVAL));
	check("shift-flags",
	      shift_fails(fd, collapse | FALLOC_FL_KEEP_SIZE, 0, 4096, EINVAL) &&
	          shift_fails(fd, insert | FALLOC_FL_KEEP_SIZE, 0, 4096, EINVAL) &&
	          shift_fails(fd, insert | collapse, 0, 4096, EINVAL) &&
	          shift_fails(fd, collapse | FALLOC_FL_ZERO_RANGE, 0, 4096, EINVAL) &&
	          shift_fails(fd, 64 | FALLOC_FL_ZERO_RANGE, 0, 4096, EINVAL) &&
	          shift_fails(fd, 4, 0, 4096, EOPNOTSUPP) && shift_fails(fd, 128, 0, 4096, EOPNOTSUPP) &&
	          shift_fails(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE, 0, 4096,
	                      EOPNOTSUPP));
	check("shift-range", shift_fails(fd, collapse, 0, 0, EINVAL) &&
	                         shift_fails(fd, insert, -4096, 4096, EINVAL) &&
	                         shift_fails(fd, insert, 0, (off_t)1 << 45, EFBIG) &&
	                         shift_fails(fd, collapse, 4096, INT64_MAX - 4095, EFBIG));
	int reading = open("shift", O_RDONLY);
	int pipes[2];
	pipe(pipes);
	check("shift-not-writable", shift_fails(reading, collapse, 0, 4096, EBADF) &&
	                                shift_fails(pipes[1], insert, 0, 4096, ESPIPE));
	close(reading);
	close(pipes[0]);
	close(pipes[1]);
	check("shift-unchanged", pages_are(fd, (const signed char[]){0, 1, 2, 3, 4, 5, 6, 7}, 8));

	unsigned char *map = mmap(0, 12 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fstat(fd, &before);
	check("collapse", fallocate(fd, collapse, 2 * 4096, 3 * 4096) == 0);
	check("collapse-data", pages_are(fd, (const signed char[]){0, 1, 5, 6, 7}, 5));
	check("collapse-mapped", page_is(map + 4096, 1) && page_is(map + 2 * 4096, 5) &&
	                             page_is(map + 4 * 4096, 7) && map[5 * 4096 + 99] == 'e' &&
	                             map[5 * 4096 + 100] == 0);
	fstat(fd, &after);
	check("collapse-stat",
	      after.st_blocks <= before.st_blocks - 24 && (after.st_mtim.tv_sec > before.st_mtim.tv_sec ||
	                                                   after.st_mtim.tv_nsec != before.st_mtim.tv_nsec));
	map[4096] = 77; /* what is written to a mapping before goes with its page */
	map[4 * 4096 + 5] = 78;
	check("insert", fallocate(fd, insert, 4096, 4 * 4096) == 0);
	unsigned char moved[2] = {0, 0};
	pread(fd, moved, 1, 5 * 4096);
	pread(fd, moved + 1, 1, 8 * 4096 + 5);
	check("insert-written", moved[0] == 77 && moved[1] == 78 && map[5 * 4096] == 77);
	map[5 * 4096] = (unsigned char)(37 + 1);
	map[8 * 4096 + 5] = (unsigned char)(7 * 37 + 1);
	check("insert-data", pages_are(fd, (const signed char[]){0, -1, -1, -1, -1, 1, 5, 6, 7}, 9));
	check("insert-mapped", page_is(map, 0) && page_is(map + 4096, -1) && page_is(map + 4 * 4096, -1) &&
	                           page_is(map + 6 * 4096, 5) && map[9 * 4096 + 99] == 'e');
	map[2 * 4096] = 5;
	map[2 * 4096] = 0; /* a hole can be written to */
	check("insert-again",
	      fallocate(fd, insert, 0, 4096) == 0 && fallocate(fd, collapse, 4096, 4096) == 0 &&
	          fallocate(fd, collapse, 0, 4096) == 0 && fallocate(fd, insert, 0, 4096) == 0);
	check("insert-again-data", pages_are(fd, (const signed char[]){-1, -1, -1, -1, -1, 1, 5, 6, 7}, 9));
	check("shift-holes", lseek(fd, 6 * 4096, SEEK_HOLE) == 9 * 4096 + 100);
	munmap(map, 12 * 4096);
	check("shift-synced",
	      fsync(fd) == 0 && pages_are(fd, (const signed char[]){-1, -1, -1, -1, -1, 1, 5, 6, 7}, 9));
	close(fd);

	fd = shift_file(0);
	check("insert-small",
	      fallocate(fd, insert, 0, 8192) == 0 && pages_are(fd, (const signed char[]){-1, -1}, 2));
	check("collapse-small", fallocate(fd, collapse, 0, 4096) == 0 &&
	                            fallocate(fd, collapse, 0, 4096) == 0 && pages_are(fd, 0, 0) &&
	                            shift_fails(fd, collapse, 0, 4096, EINVAL));
	ftruncate(fd, (off_t)1 << 36); /* a large one of holes takes no time and no room */
	pwrite(fd, "end", 3, ((off_t)1 << 36) - 3);
	check("shift-sparse", fallocate(fd, insert, 4096, (off_t)1 << 30) == 0 &&
	                          fallocate(fd, collapse, 8192, (off_t)1 << 35) == 0);
	fstat(fd, &after);
	char end[4] = "";
	off_t size = ((off_t)1 << 36) + ((off_t)1 << 30) - ((off_t)1 << 35);
	check("shift-sparse-data", after.st_size == size && after.st_blocks <= 64 &&
	                               pread(fd, end, 4, size - 3) == 3 && !strcmp(end, "end") &&
	                               pread(fd, end, 1, 99) == 1 && end[0] == 'e');
	unlink("shift");
	check("shift-unlinked", fallocate(fd, collapse, 4096, (off_t)1 << 30) == 0 &&
	                            pread(fd, end, 4, size - ((off_t)1 << 30) - 3) == 3 &&
	                            !strcmp(end, "end"));
	close(fd);

	fd = memfd_create("sealed", MFD_ALLOW_SEALING);
	ftruncate(fd, 3 * 4096);
	fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE);
	check("shift-sealed", fallocate(fd, collapse, 0, 4096) == -1 && fallocate(fd, insert, 0, 4096) == -1);
	close(fd);
}

/* Files that are told to be larger than a file can be here (on Linux they can) stay apart from others. */
static void test_large(void)
{
	enum { FILES = 8, GROWN = 2, STEP = 65536, STEPS = 15 };
	static char bytes[FILES][8192];
	int fds[FILES];
	int apart = 1, alike = 1;
	for (int i = 0; i < FILES; i++) {
		char name[] = "large-0";
		name[6] = (char)('0' + i);
		memset(bytes[i], 'a' + i, sizeof(bytes[i]));
		fds[i] = make(name, O_TRUNC);
		if (write(fds[i], bytes[i], sizeof(bytes[i])) != sizeof(bytes[i]))
			apart = 0;
		unlink(name);
	}
	for (int i = 0; i < GROWN; i++) {
		(void)!ftruncate(fds[i], (off_t)200 << 30);
		for (int step = 1; step <= STEPS; step++)
			if (pwrite(fds[i], "x", 1, (off_t)step * STEP) != 1)
				alike = 0;
	}
	for (int i = 0; i < FILES; i++) {
		if (ftruncate(fds[i], (STEPS + 1) * STEP) || pread(fds[i], buffer, 8192, 0) != 8192 ||
		    memcmp(buffer, bytes[i], 8192) != 0)
			apart = 0;
		for (int step = 1; i < GROWN && step <= STEPS; step++)
			if (pread(fds[i], buffer, 3, (off_t)step * STEP - 1) != 3 ||
			    memcmp(buffer, "\0x\0", 3) != 0)
				alike = 0;
		close(fds[i]);
	}
	check("large-apart", apart);
	check("large-alike", alike);
}

/* Whoever makes files that are large by their holes leaves others the means to work. */
static void test_many_large(void)
{
	enum { FILES = 64, CHILDREN = 24 };
	int fds[FILES];
	pid_t children[CHILDREN];
	int count = 0, forked = 0;
	for (off_t size = (off_t)100 << 30; size >= 65536 && count < FILES;) {
		int fd = make("many-large", O_TRUNC);
		unlink("many-large");
		if (ftruncate(fd, size) == 0) {
			fds[count++] = fd;
		} else {
			close(fd);
			size /= 2;
		}
	}
	while (forked < CHILDREN && (children[forked] = fork()) >= 0) {
		if (children[forked++])
			continue;
		for (;;)
			pause();
	}
	for (int i = 0; i < forked; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], 0, 0);
	}
	while (count)
		close(fds[--count]);
	check("many-large-leave-tasks", forked == CHILDREN);
}

int main(int count, char **arguments)
{
	if (count > 1 && !strcmp(arguments[1], "copied"))
		return fcntl(open("/proc/self/exe", O_RDONLY), F_GET_SEALS) != ALL_SEALS;
	char directory[] = "/tmp/file-test-XXXXXX";
	if (!mkdtemp(directory) || chdir(directory))
		return 2;
	umask(022);
	test_data();
	test_mapped();
	test_names();
	test_directory();
	test_pipes();
	test_locks();
	test_descriptors();
	test_memfd();
	test_strict();
	test_space();
	test_shift();
	test_large();
	test_many_large();
	return check_failures != 0;
}
