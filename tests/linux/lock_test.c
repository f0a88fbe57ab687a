/* Record locks, flock, pipes in packet mode, splice and its like, positions and flags of transfers: fcntl(2), flock(2),
 * pipe(2), splice(2), pwritev2(2), copy_file_range(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include "check.h"

#define fails(call, number) ((call) == -1 && errno == (number))

static struct flock lock;
static int lock_call(int fd, int command, int type, long start, long length)
{
	lock = (struct flock){.l_type = (short)type, .l_start = start, .l_len = length};
	return fcntl(fd, command, &lock);
}

/* What a child is told that asks for a lock of TYPE from START on. */
static int told(int fd, int type, long start, int expected_type, long expected_start, long expected_length)
{
	return exited(in_child(_exit(lock_call(fd, F_GETLK, type, start, 0) || lock.l_type != expected_type ||
	                             (expected_type != F_UNLCK &&
	                              (lock.l_start != expected_start || lock.l_len != expected_length)))),
	              0);
}

static void record_locks(void)
{
	int fd = open("locks", O_RDWR | O_CREAT, 0600), pair[2], ends[2];
	lock_call(fd, F_SETLK, F_WRLCK, 10, 5);
	lock_call(fd, F_SETLK, F_RDLCK, 5, 6);
	check("first-by-position",
	      told(fd, F_WRLCK, 0, F_RDLCK, 5, 6) && told(fd, F_WRLCK, 11, F_WRLCK, 11, 4));
	lock_call(fd, F_SETLK, F_UNLCK, 0, 0);
	lock_call(fd, F_SETLK, F_RDLCK, 0, 10);
	lock_call(fd, F_SETLK, F_RDLCK, 10, 10);
	check("joined", told(fd, F_WRLCK, 0, F_RDLCK, 0, 20));
	lock_call(fd, F_SETLK, F_UNLCK, 5, 2);
	check("cut", told(fd, F_WRLCK, 0, F_RDLCK, 0, 5) && told(fd, F_WRLCK, 6, F_RDLCK, 7, 13));
	check("range-overflow", fails(lock_call(fd, F_SETLK, F_RDLCK, 0x7fffffffffffffff, 2), EOVERFLOW));
	check("range-negative", fails(lock_call(fd, F_SETLK, F_RDLCK, 5, -6), EINVAL));
	check("ask-for-none", fails(lock_call(fd, F_GETLK, F_UNLCK, 0, 0), EINVAL));
	pipe(ends);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	int event = eventfd(0, 0);
	check("lock-of-pipe",
	      lock_call(ends[1], F_SETLK, F_WRLCK, 0, 1) == 0 && told(ends[0], F_RDLCK, 0, F_WRLCK, 0, 1));
	check("lock-of-socket", lock_call(pair[0], F_SETLK, F_WRLCK, 0, 1) == 0);
	check("lock-of-eventfd", lock_call(event, F_SETLK, F_WRLCK, 0, 1) == 0);
	check("flock-of-pipe",
	      flock(ends[0], LOCK_EX) == 0 && fails(flock(ends[1], LOCK_SH | LOCK_NB), EWOULDBLOCK));
	int again = open("locks", O_RDWR);
	check("flock-change", flock(fd, LOCK_SH) == 0 && flock(again, LOCK_SH) == 0 &&
	                          fails(flock(fd, LOCK_EX | LOCK_NB), EWOULDBLOCK));
	flock(again, LOCK_UN);
	check("flock-lost-on-the-way", flock(again, LOCK_EX | LOCK_NB) == 0);
}

static void pipes(void)
{
	int ends[2], other[2], nothing = 0;
	char buffer[9000] = "";
	pipe2(ends, O_DIRECT | O_NONBLOCK);
	check("packets-written", write(ends[1], "abc", 3) == 3 && write(ends[1], "defgh", 5) == 5);
	check("packet-cut", read(ends[0], buffer, 2) == 2 && read(ends[0], buffer, 100) == 5);
	check("packets-end", fails(read(ends[0], buffer, 100), EAGAIN));
	check("packets-split", write(ends[1], buffer, 9000) == 9000 && read(ends[0], buffer, 9000) == 4096);
	pipe2(other, O_NONBLOCK);
	check("size-too-big", fails(fcntl(other[0], F_SETPIPE_SZ, (1ul << 31) + 1), EINVAL));
	check("size-least", fcntl(other[0], F_SETPIPE_SZ, 0) == 4096);
	close(other[0]);
	close(other[1]);
	pipe(other);
	fcntl(other[0], F_SETPIPE_SZ, 4096);
	pid_t child = fork();
	if (!child)
		_exit(write(other[1], buffer, 8192) != 8192);
	for (int i = 0; i < 500 && nothing < 4096; i++, pause_ms(10))
		ioctl(other[0], FIONREAD, &nothing);
	pause_ms(50);
	fcntl(other[0], F_SETPIPE_SZ, 65536);
	int status = -1;
	for (int i = 0; i < 500 && waitpid(child, &status, WNOHANG) == 0; i++)
		pause_ms(10);
	check("size-wakes-writer", exited(status, 0));
	sprintf(buffer, "/proc/self/fd/%d", other[1]);
	int reopened = open(buffer, O_WRONLY);
	check("reopen", reopened >= 0 && write(reopened, "x", 1) == 1);
	check("mode", fchmod(other[0], 0640) == 0);
	struct stat found;
	check("mode-of-both", fstat(other[1], &found) == 0 && found.st_mode == (S_IFIFO | 0640));
}

static void between_files(void)
{
	static char block[1 << 17];
	int ends[2], other[2], file = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	int append = open("append", O_WRONLY | O_CREAT | O_APPEND, 0600);
	struct iovec piece = {"abc", 3}, big = {block, sizeof(block)};
	loff_t from = 0, to = 4;
	pipe(ends);
	pipe(other);
	write(file, "0123456789", 10);
	write(ends[1], "abcdef", 6);
	check("splice-append", fails(splice(ends[0], 0, append, 0, 3, 0), EINVAL));
	check("splice-pipe-offset", fails(splice(ends[0], &from, file, 0, 3, 0), ESPIPE));
	check("splice-same-pipe", fails(splice(ends[0], 0, ends[1], 0, 3, 0), EINVAL));
	check("splice-directory", fails(splice(open(".", O_RDONLY), 0, ends[1], 0, 3, 0), EINVAL));
	check("splice-short", splice(ends[0], 0, other[1], 0, 1000, 0) == 6);
	check("tee", tee(other[0], ends[1], 4, 0) == 4 && read(ends[0], block, 10) == 4 &&
	                 read(other[0], block, 10) == 6);
	check("tee-same", fails(tee(ends[0], ends[1], 4, 0), EINVAL));
	check("vmsplice-file", fails(vmsplice(file, &piece, 1, 0), EBADF));
	ssize_t moved = vmsplice(ends[1], &big, 1, 0);
	check("vmsplice-short", moved > 0 && moved <= 65536);
	check("vmsplice-full", fails(vmsplice(ends[1], &big, 1, SPLICE_F_NONBLOCK), EAGAIN));
	check("file-to-pipe-short", lseek(file, 0, SEEK_SET) == 0 && read(ends[0], block, 65536) == moved &&
	                                splice(file, 0, ends[1], 0, 1 << 20, 0) == 10);
	check("sendfile-append", fails(sendfile(append, file, &from, 3), EINVAL));
	check("copy-overlap", fails(copy_file_range(file, &from, file, &to, 8, 0), EINVAL));
	to = 20;
	check("copy", copy_file_range(file, &from, file, &to, 5, 0) == 5 && from == 5 && to == 25);
	check("copy-append", fails(copy_file_range(file, &from, append, 0, 5, 0), EBADF));
	check("write-append",
	      pwritev2(file, &piece, 1, 2, RWF_APPEND) == 3 && lseek(file, 0, SEEK_END) == 28);
	check("write-flags", fails(pwritev2(file, &piece, 1, 0, 1 << 20), EOPNOTSUPP));
	check("write-position", fails(pwritev2(file, &piece, 1, -2, 0), EINVAL));
	check("sync-of-device",
	      fails(fsync(open("/dev/null", O_WRONLY)), EINVAL) && fails(fsync(ends[1]), EINVAL));
	check("range-of-pipe", fails(sync_file_range(ends[1], 0, 0, 0), ESPIPE));
	check("read-directory", fails(pread(open(".", O_RDONLY), block, 1, 0), EISDIR));
}

static void places(void)
{
	int path = open(".", O_PATH), number;
	char byte;
	struct flock any = {.l_type = F_RDLCK};
	check("path-read",
	      fails(read(path, &byte, 1), EBADF) && fails(ioctl(path, FIONREAD, &number), EBADF));
	check("path-lock", fails(fcntl(path, F_SETLK, &any), EBADF) && fails(flock(path, LOCK_SH), EBADF));
	check("path-mode", fails(fchmod(path, 0700), EBADF) && fails(fsync(path), EBADF));
	check("path-map", mmap(0, 1, PROT_READ, MAP_PRIVATE, path, 0) == MAP_FAILED && errno == EBADF);
	check("path-socket", fails(listen(path, 1), EBADF));
	struct stat found;
	check("path-stat", fstat(path, &found) == 0 && fchdir(path) == 0 && dup(path) >= 0);
}

int main(void)
{
	char directory[] = "/tmp/lockXXXXXX";
	if (!mkdtemp(directory) || chdir(directory))
		return 1;
	int status = in_child(record_locks(); _exit(check_failures != 0));
	status |= in_child(pipes(); _exit(check_failures != 0));
	status |= in_child(between_files(); _exit(check_failures != 0));
	status |= in_child(places(); _exit(check_failures != 0));
	return status != 0;
}
