/* Shared mappings and a device that gets full, on any file system with about 64 MiB: `room full DIRECTORY` fills it while a hole is
 * mapped; `room race DIRECTORY EXPECTED` writes through mappings while others sync, cut and punch the file, and leaves a copy of it
 * in EXPECTED, to compare with after the next mount. On Linux, too: what ext4 does is right. */
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include "../linux/check.h"

#define PAGE      4096u
#define PAGES     1024u
#define MIB       (1u << 20)
#define THREADS   4
#define ROUNDS    4000
#define RACED     256u /* pages that are written, and as many behind them that come and go */
#define UNNAMED   40
#define SMALL     3000
#define FILE_MODE 0600

static sigjmp_buf back;
static volatile uintptr_t fault_address;
static volatile int fault_code;
static char block[MIB];

static void on_bus(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	fault_address = (uintptr_t)info->si_addr;
	fault_code = info->si_code;
	siglongjmp(back, 1);
}

static bool store(volatile char *at, char value)
{
	if (sigsetjmp(back, 1))
		return false;
	*at = value;
	return true;
}

/* Writes FILE until there is no room for a page. */
static int fill(int file)
{
	off_t at = 0;
	for (size_t part = sizeof(block); part >= PAGE;) {
		ssize_t done = pwrite(file, block, part, at);
		at += done > 0 ? done : 0;
		if (done < (ssize_t)part)
			part /= 4;
	}
	return errno;
}

static void unnamed(void)
{
	bool written = true;
	for (int i = 0; i < UNNAMED; i++) {
		int file = open("unnamed", O_RDWR | O_CREAT | O_EXCL, FILE_MODE);
		unlink("unnamed");
		for (int part = 0; part < 4; part++)
			written = written && write(file, block, MIB) == MIB;
		close(file);
		file = open("cut", O_RDWR | O_CREAT, FILE_MODE);
		written = written && write(file, block, MIB) == MIB && ftruncate(file, 0) == 0;
		close(file);
	}
	check("files without names, and what is cut off, give their room back", written);
	unlink("cut");
}

/* The room that statvfs tells, and what can be written of it: it must not matter how small the files were before. */
static void small(void)
{
	struct statvfs room;
	struct stat status = {0};
	char name[32];
	bool made = mkdir("small", 0700) == 0;
	for (int i = 0; i < SMALL && made; i++) {
		snprintf(name, sizeof(name), "small/%d", i);
		int file = open(name, O_RDWR | O_CREAT | O_EXCL, FILE_MODE);
		made = write(file, "x", 1) == 1;
		close(file);
	}
	sync();
	int file = open("filler", O_RDWR | O_CREAT | O_TRUNC, FILE_MODE);
	statvfs(".", &room);
	check("a full device is ENOSPC", fill(file) == ENOSPC);
	fstat(file, &status);
	check("small files take no more than they have",
	      made && (uint64_t)status.st_size > room.f_bavail * room.f_bsize / 100 * 92);
	for (int i = 0; i < SMALL; i++) {
		snprintf(name, sizeof(name), "small/%d", i);
		unlink(name);
	}
	rmdir("small");
	unlink("filler");
	close(file);
	sync();
	sync();
}

/* Pages of memory alone may be brought by another program: these would never reach the device. */
static void untold(char *map)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register range = {.range = {(uintptr_t)map, (uint64_t)PAGES * PAGE},
	                                .mode = UFFDIO_REGISTER_MODE_MISSING};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	check("a file's pages are not for userfaultfd", fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 &&
	                                                    ioctl(fd, UFFDIO_REGISTER, &range) == -1 &&
	                                                    errno == EINVAL);
	close(fd);
}

static void times(char *map, int file)
{
	const struct timespec past[2] = {{1000, 0}, {1000, 0}};
	struct stat status;
	check("msync", msync(map, PAGE, MS_SYNC) == 0);
	futimens(file, past);
	map[1] = 1;
	fstat(file, &status);
	check("a write through a mapping after msync changes the time", status.st_mtime > 1000);
	futimens(file, past);
	bool allocated = fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 4 * (off_t)PAGE) == 0;
	fstat(file, &status);
	check("so does fallocate", allocated && status.st_mtime > 1000);
}

/* What has no room at PAGE says so, each in its way. */
static void refused(char *page, int mapped, int filler)
{
	int pipes[2];
	char byte;
	check("a page without room is a bus error", !store(page, 1) && fault_code == BUS_ADRERR);
	check("which tells its address", fault_address == (uintptr_t)page);
	check("read into it is EFAULT", pread(filler, page, 100, 0) == -1 && errno == EFAULT);
	check("getcwd into it is EFAULT", syscall(SYS_getcwd, page, PATH_MAX) == -1 && errno == EFAULT);
	check("fstat into it is EFAULT",
	      syscall(SYS_fstat, mapped, (struct stat *)(void *)page) == -1 && errno == EFAULT);
	if (pipe(pipes) == 0 && write(pipes[1], "x", 1) == 1)
		check("a pipe into it is EFAULT, and keeps its bytes",
		      read(pipes[0], page, 1) == -1 && errno == EFAULT && read(pipes[0], &byte, 1) == 1);
	check("it still reads as zero", page[0] == 0 && page[PAGE - 1] == 0);
}

/* Names take room as well, more of it than contents may. */
static void named(int filler)
{
	static char target[900];
	char name[32];
	int made = 0;
	memset(target, 't', sizeof(target) - 1);
	for (bool good = true; good && made < 100000; made += good) {
		snprintf(name, sizeof(name), "link%d", made);
		good = symlink(target, name) == 0;
	}
	check("names and targets come to their end, too", made < 100000 && errno == ENOSPC);
	check("and what there is is synced", fsync(filler) == 0);
	bool removed = true;
	while (made-- > 0) {
		snprintf(name, sizeof(name), "link%d", made);
		removed = unlink(name) == 0 && removed;
	}
	check("and removed", removed && fsync(filler) == 0);
}

static void full(void)
{
	int mapped = open("mapped", O_RDWR | O_CREAT | O_TRUNC, FILE_MODE);
	int filler = open("filler", O_RDWR | O_CREAT | O_TRUNC, FILE_MODE);
	struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_NODEFER};
	sigaction(SIGBUS, &action, 0);
	if (mapped < 0 || filler < 0 || ftruncate(mapped, (off_t)PAGES * PAGE)) {
		check("files", false);
		return;
	}
	char *map = mmap(0, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0);
	check("a hole is mapped", map != MAP_FAILED && store(map, 1));
	untold(map);
	times(map, mapped);
	check("a call writes to a page that nobody has written", pread(filler, map + PAGE, 1, 0) == 0 &&
	                                                             pwrite(filler, "abc", 3, 0) == 3 &&
	                                                             pread(filler, map + PAGE, 3, 0) == 3);
	(void)fill(filler);
	fsync(filler);
	unsigned good = 2;
	while (good < PAGES && store(map + (size_t)good * PAGE, (char)good))
		good++;
	check("a mapping's writes come to their end", good < PAGES);
	if (good < PAGES)
		refused(map + (size_t)good * PAGE, mapped, filler);
	check("what was written is synced",
	      msync(map, (size_t)PAGES * PAGE, MS_SYNC) == 0 && fsync(mapped) == 0);
	named(filler);
	unlink("filler");
	close(filler);
	sync();
	sync();
	check("there is room again", good < PAGES && store(map + (size_t)good * PAGE, (char)good));
	bool kept = map[PAGE] == 'a';
	for (unsigned i = 2; i <= good; i++)
		kept = kept && map[(size_t)i * PAGE] == (char)i;
	check("nothing is lost", kept);
	munmap(map, (size_t)PAGES * PAGE);
	close(mapped);
}

static char *raced;
static volatile bool ended;

static void *writer(void *argument)
{
	uint64_t state = 88172645463325252u + (uintptr_t)argument;
	for (int i = 0; i < ROUNDS; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		__atomic_fetch_add((uint32_t *)(void *)(raced + (state >> 20) % RACED * PAGE) +
		                       (uintptr_t)argument,
		                   1, __ATOMIC_RELAXED);
	}
	return 0;
}

static void *disturber(void *argument)
{
	int file = (int)(intptr_t)argument;
	for (unsigned i = 0; !ended; i++) {
		off_t tail = (off_t)RACED * PAGE;
		if (i % 4 == 0)
			fsync(file);
		else if (i % 4 == 1)
			msync(raced, (size_t)RACED * PAGE, MS_SYNC);
		else if (i % 4 == 2)
			fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, tail,
			          (off_t)RACED * PAGE);
		else if (ftruncate(file, tail + PAGE) || ftruncate(file, 2 * tail))
			break;
	}
	return 0;
}

static uint64_t total(const char *map)
{
	uint64_t sum = 0;
	for (unsigned page = 0; page < RACED; page++)
		for (unsigned i = 0; i < 2 * THREADS; i++)
			sum += ((const uint32_t *)(const void *)(map + (size_t)page * PAGE))[i];
	return sum;
}

static void race(const char *expected)
{
	pthread_t threads[THREADS], other;
	int file = open("raced", O_RDWR | O_CREAT | O_TRUNC, FILE_MODE);
	int copy = open(expected, O_RDWR | O_CREAT | O_TRUNC, FILE_MODE);
	if (file < 0 || copy < 0 || ftruncate(file, 2 * (off_t)RACED * PAGE)) {
		check("files", false);
		return;
	}
	raced = mmap(0, 2 * (size_t)RACED * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	pthread_create(&other, 0, disturber, (void *)(intptr_t)file);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], 0, writer, (void *)i);
	int status = in_child(for (uintptr_t i = THREADS; i < 2 * THREADS; i++) writer((void *)i); _exit(0));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], 0);
	ended = true;
	pthread_join(other, 0);
	check("mappings of two processes race with what changes the file",
	      exited(status, 0) && total(raced) == 2ull * THREADS * ROUNDS);
	if (ftruncate(file, (off_t)RACED * PAGE) == 0)
		check("a copy of it", write(copy, raced, (size_t)RACED * PAGE) == (ssize_t)RACED * PAGE);
	close(copy);
}

int main(int count, char **words)
{
	if (count < 3 || chdir(words[2]))
		return 2;
	memset(block, 'f', sizeof(block));
	if (strcmp(words[1], "full") == 0) {
		unnamed();
		small();
		full();
	} else {
		race(words[3]);
	}
	return check_failures != 0;
}
