/* mmap, munmap, mprotect, mremap, brk, madvise, file mappings. */
#define _GNU_SOURCE
#include "check.h"
#include <sys/resource.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PAGE 4096ul

static sigjmp_buf jump;
static volatile int fault_signal;

static void fault(int signal)
{
	fault_signal = signal;
	siglongjmp(jump, 1);
}

/* The signal that touching ADDRESS raises, or 0. */
static int touch(volatile char *address, int write)
{
	fault_signal = 0;
	if (!sigsetjmp(jump, 1)) {
		if (write)
			*address = 1;
		else
			(void)*address;
	}
	return fault_signal;
}

static char *map(size_t pages, int prot, int flags)
{
	return mmap(0, pages * PAGE, prot, flags | MAP_ANONYMOUS, -1, 0);
}

static void test_anonymous(void)
{
	char *at = map(16, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	int zero = 1;
	for (size_t i = 0; i < 16 * PAGE; i += 64)
		zero &= at[i] == 0;
	check("anonymous-zero", at != MAP_FAILED && zero);
	memset(at, 9, 16 * PAGE);
	check("munmap-middle", munmap(at + 4 * PAGE, 2 * PAGE) == 0 && touch(at + 4 * PAGE, 0) == SIGSEGV &&
	                           at[3 * PAGE] == 9 && at[6 * PAGE] == 9);
	check("map-fixed-in-hole", mmap(at + 4 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE,
	                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at + 4 * PAGE);
	check("hole-is-zero-again", at[4 * PAGE] == 0 && at[6 * PAGE - 1] == 0);
	check("mprotect-read",
	      mprotect(at, PAGE, PROT_READ) == 0 && touch(at, 1) == SIGSEGV && touch(at, 0) == 0);
	check("mprotect-none", mprotect(at, PAGE, PROT_NONE) == 0 && touch(at, 0) == SIGSEGV);
	check("mprotect-back",
	      mprotect(at, PAGE, PROT_READ | PROT_WRITE) == 0 && touch(at, 1) == 0 && at[1] == 9);
	check("mprotect-hole", mprotect(at - 64 * PAGE, PAGE, PROT_READ) == -1 || 1);
	check("fixed-noreplace", mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
	                              -1, 0) == MAP_FAILED &&
	                             errno == EEXIST);
	check("mmap-zero-length",
	      mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
	check("munmap-unaligned", munmap(at + 1, PAGE) == -1 && errno == EINVAL);
	munmap(at, 16 * PAGE);
	char *reserve = mmap(0, 1ul << 36, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check("reserve-64-gib", reserve != MAP_FAILED);
	check("commit-in-reserve", mprotect(reserve + (1ul << 30), PAGE, PROT_READ | PROT_WRITE) == 0 &&
	                               touch(reserve + (1ul << 30), 1) == 0 &&
	                               touch(reserve + (1ul << 30) + PAGE, 0) == SIGSEGV);
	munmap(reserve, 1ul << 36);
}

static void test_advice(void)
{
	char *at = map(8, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	memset(at, 5, 8 * PAGE);
	check("dontneed-zeroes",
	      madvise(at + PAGE, 2 * PAGE, MADV_DONTNEED) == 0 && at[PAGE] == 0 && at[3 * PAGE] == 5);
	check("wipeonfork", madvise(at + 4 * PAGE, PAGE, MADV_WIPEONFORK) == 0 &&
	                        exited(in_child(_exit(at[4 * PAGE] == 0 && at[5 * PAGE] == 5 ? 0 : 1)), 0) &&
	                        at[4 * PAGE] == 5);
	check("dontfork",
	      madvise(at + 6 * PAGE, PAGE, MADV_DONTFORK) == 0 && killed(in_child({
		                                                                 signal(SIGSEGV, SIG_DFL);
		                                                                 _exit(at[6 * PAGE]);
	                                                                 }),
	                                                                 SIGSEGV));
	munmap(at, 8 * PAGE);
}

static void test_mremap(void)
{
	char *at = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE), *moved;
	for (size_t i = 0; i < 4; i++)
		at[i * PAGE] = (char)(i + 1);
	map(1, PROT_READ, MAP_PRIVATE);
	moved = mremap(at, 4 * PAGE, 4000 * PAGE, MREMAP_MAYMOVE);
	check("mremap-grow", moved != MAP_FAILED && moved[0] == 1 && moved[3 * PAGE] == 4 &&
	                         moved[4 * PAGE] == 0 && moved[3999 * PAGE] == 0);
	moved[2000 * PAGE] = 77;
	char *target = map(8000, PROT_NONE, MAP_PRIVATE);
	char *fixed = mremap(moved, 4000 * PAGE, 8000 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target);
	check("mremap-fixed",
	      fixed == target && fixed[0] == 1 && fixed[2000 * PAGE] == 77 && fixed[7999 * PAGE] == 0);
	check("mremap-old-gone", touch(moved, 0) == SIGSEGV);
	char *reuse = mmap(at, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check("old-place-is-fresh", reuse[0] == 0 && reuse[3 * PAGE] == 0 && fixed[0] == 1);
	reuse[0] = 50;
	check("no-aliasing", fixed[0] == 1);
	int status = in_child(_exit(fixed[0] == 1 && fixed[2000 * PAGE] == 77 && reuse[0] == 50 ? 0 : 1));
	check("moved-memory-forks", exited(status, 0));
	check("mremap-shrink", mremap(fixed, 8000 * PAGE, PAGE, 0) == fixed &&
	                           touch(fixed + PAGE, 0) == SIGSEGV && fixed[0] == 1);
	char *grow = 0;
	size_t bytes = 0;
	int intact = 1;
	for (int i = 1; i < 12; i++) {
		size_t more = (size_t)i * 300000;
		grow = realloc(grow, more);
		memset(grow + bytes, i, more - bytes);
		bytes = more;
	}
	for (int i = 1; i < 12; i++)
		intact &= grow[(size_t)(i - 1) * 300000] == i && grow[(size_t)i * 300000 - 1] == i;
	check("realloc-keeps-contents", intact);
	free(grow);
}

static void test_files(void)
{
	char path[] = "/tmp/memory_test_XXXXXX";
	int fd = mkstemp(path);
	char page[PAGE];
	for (int i = 0; i < 3; i++) {
		memset(page, 'a' + i, PAGE);
		if (write(fd, page, i == 2 ? 100 : PAGE) < 0)
			return;
	}
	char *shared = mmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *private = mmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	check("file-map-contents",
	      shared[0] == 'a' && shared[2 * PAGE + 99] == 'c' && shared[2 * PAGE + 100] == 0);
	shared[5] = 'S';
	private[6] = 'P';
	char got[8];
	check("shared-write-is-in-file",
	      pread(fd, got, 8, 0) == 8 && got[5] == 'S' && got[6] == 'a' && private[6] == 'P');
	check("pwrite-is-in-mapping", pwrite(fd, "W", 1, PAGE) == 1 && shared[PAGE] == 'W');
	int status = in_child({
		shared[7] = 'F';
		private[8] = 'X';
		_exit(private[6] == 'P' ? 0 : 1);
	});
	check("shared-across-fork", exited(status, 0) && shared[7] == 'F' && private[8] != 'X');
	char *beyond = mmap(0, 8 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	check("bus-error-beyond-file", touch(beyond + 5 * PAGE, 0) == SIGBUS);
	check("grown-file-appears",
	      ftruncate(fd, 7 * PAGE) == 0 && touch(beyond + 5 * PAGE, 0) == 0 && beyond[5 * PAGE] == 0);
	check("shrunk-file-bus-error", ftruncate(fd, PAGE) == 0 && touch(beyond + 5 * PAGE, 0) == SIGBUS);
	int readonly = open(path, O_RDONLY);
	check("shared-write-needs-writable",
	      mmap(0, PAGE, PROT_WRITE, MAP_SHARED, readonly, 0) == MAP_FAILED && errno == EACCES);
	char *reader = mmap(0, PAGE, PROT_READ, MAP_SHARED, readonly, 0);
	check("mprotect-needs-writable",
	      mprotect(reader, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
	close(fd);
	unlink(path);
	check("mapping-outlives-file", shared[5] == 'S');
}

static void test_break(void)
{
	char *start = sbrk(0);
	check("brk-grow", sbrk(1 << 20) == start && start[0] == 0 && start[(1 << 20) - 1] == 0);
	start[100] = 1;
	check("brk-shrink", sbrk(-(1 << 20)) == start + (1 << 20));
	check("brk-zero-again", sbrk(1 << 20) == start && start[PAGE * 4 + 100] == 0);
	sbrk(-(1 << 20));
}

static void test_odd(void)
{
	char *at = map(4, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	unsigned char vector[4];
	check("mincore", mincore(at, 4 * PAGE, vector) == 0);
	check("mincore-unmapped",
	      munmap(at + PAGE, PAGE) == 0 && mincore(at, 4 * PAGE, vector) == -1 && errno == ENOMEM);
	check("mlock", mlock(at, PAGE) == 0 && munlock(at, PAGE) == 0);
	check("syscall-bad-pointer", write(1, (void *)0x10, 5) == -1 && errno == EFAULT);
	check("syscall-kernel-pointer", write(1, (void *)0xffffffff80000000, 5) == -1 && errno == EFAULT);
	check("syscall-native-window", write(1, (void *)0x400000010000, 5) == -1 && errno == EFAULT);
	check("map-native-window", mmap((void *)0x400000010000, PAGE, PROT_READ,
	                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ||
	                               getenv("ON_LINUX"));
	unsigned char code[] = {0xb8, 0x2a, 0, 0, 0, 0xc3};
	char *jit = map(1, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	memcpy(jit, code, sizeof(code));
	check("jit",
	      mprotect(jit, PAGE, PROT_READ | PROT_EXEC) == 0 && ((int (*)(void))(uintptr_t)jit)() == 42);
	char *low = mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	check("map-32bit", low != MAP_FAILED && (uintptr_t)low < 1ul << 31);
}

/* What is to be there is there: MAP_POPULATE, MADV_POPULATE_*, mlock and mlockall; and no more than that. */
static int pages_there(char *at, size_t pages)
{
	unsigned char there[256];
	int sum = 0;
	mincore(at, pages * 4096, there);
	for (size_t i = 0; i < pages; i++)
		sum += there[i] & 1;
	return sum;
}

static void test_populate(void)
{
	enum { PAGES = 200 };
	const int rw = PROT_READ | PROT_WRITE, private = MAP_PRIVATE | MAP_ANONYMOUS;
	char *at = mmap(0, PAGES * 4096, rw, private | MAP_POPULATE, -1, 0);
	check("populate-maps", pages_there(at, PAGES) == PAGES);
	munmap(at, PAGES * 4096);
	at = mmap(0, PAGES * 4096, rw, private, -1, 0);
	check("populate-none", pages_there(at, PAGES) == 0);
	if (madvise(at + 10 * 4096, 50 * 4096, 23 /* MADV_POPULATE_WRITE */) == -1 && errno == EINVAL)
		return; /* an older kernel */
	check("populate-part", pages_there(at, PAGES) == 50 && pages_there(at + 10 * 4096, 50) == 50);
	mprotect(at + 100 * 4096, 4096, PROT_NONE);
	check("populate-protected", madvise(at + 90 * 4096, 20 * 4096, 23) == -1 && errno == EINVAL);
	munmap(at + 150 * 4096, 4096);
	check("populate-hole", madvise(at + 140 * 4096, 20 * 4096, 22) == -1 && errno == ENOMEM);
	check("populate-keeps",
	      (at[10 * 4096] = 7, madvise(at + 10 * 4096, 4096, 23) == 0) && at[10 * 4096] == 7);
	check("populate-lock",
	      mlock(at + 60 * 4096 + 100, 9 * 4096) == 0 && pages_there(at + 60 * 4096, 10) == 10);
	munmap(at, PAGES * 4096);
	int status = in_child({
		struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
		setrlimit(RLIMIT_MEMLOCK, &limit);
		if (mlockall(MCL_CURRENT | MCL_FUTURE))
			_exit(errno == EPERM ? 0 : 1);
		at = mmap(0, PAGES * 4096, rw, private, -1, 0);
		if (at == MAP_FAILED || pages_there(at, PAGES) != PAGES)
			_exit(2);
		at = (char *)(((uintptr_t)sbrk(0) + 4095) & ~4095ul);
		_exit(brk(at + PAGES * 4096) == 0 && pages_there(at, PAGES) == PAGES ? 0 : 3);
	});
	check("populate-future", exited(status, 0));
}

int main(void)
{
	signal(SIGSEGV, fault);
	signal(SIGBUS, fault);
	test_anonymous();
	test_advice();
	test_mremap();
	test_files();
	test_break();
	test_odd();
	test_populate();
	return check_failures != 0;
}
