/* Drives one file at random against a model in memory, as fsx does: FILE SEED OPERATIONS. Writes, reads, mappings, cuts, fallocate in all
 * its modes, copies within the file, syncs and reopening; after each operation its size and some of it are compared, at last all of it.
 * FILE punch OFFSET BYTES makes a hole, after a write that nobody has synced, and leaves it.
 * A mode that the file system does not have is left out, which the last line tells. On Linux, too: what ext4 does is right. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST  (256u << 10)
#define BLOCK 4096u
#define PAGE  4096u

enum kind {
	WRITE,
	READ,
	MAP_WRITE,
	MAP_READ,
	CUT,
	ALLOCATE,
	ALLOCATE_KEEP,
	PUNCH,
	ZERO,
	COLLAPSE,
	INSERT,
	COPY,
	SYNC,
	REOPEN,
	APPEND,
	KINDS
};
static const char *const names[KINDS] = {"write",    "read",          "map-write", "map-read", "cut",
                                         "allocate", "allocate-keep", "punch",     "zero",     "collapse",
                                         "insert",   "copy",          "sync",      "reopen",   "append"};

static uint8_t model[MOST], found[MOST];
static uint64_t size, state;
static unsigned missing[KINDS];
static const char *path;
static int file;
static unsigned step;
static enum kind kind;
static uint64_t at, count;

static uint64_t draw(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below ? state % below : 0;
}

static _Noreturn void fail(const char *what)
{
	printf("not ok exercise: %s: step %u, %s at %llu of %llu, size %llu: %s\n", what, step, names[kind],
	       (unsigned long long)at, (unsigned long long)count, (unsigned long long)size, strerror(errno));
	exit(1);
}

static void must(bool good, const char *what)
{
	if (!good)
		fail(what);
}

static void compare(uint64_t from, uint64_t bytes, const uint8_t *with, const char *what)
{
	for (uint64_t i = 0; i < bytes; i++)
		if (with[i] != model[from + i]) {
			printf("# byte %llu is %02x and not %02x\n", (unsigned long long)(from + i), with[i],
			       model[from + i]);
			errno = 0;
			fail(what);
		}
}

static void grow_to(uint64_t end)
{
	size = end > size ? end : size;
}

static void open_file(bool anew)
{
	file = open(path, O_RDWR | O_CLOEXEC | (anew ? O_CREAT | O_TRUNC : 0), 0600);
	must(file >= 0, "open");
}

/* Bytes that tell the step that wrote them. */
static void fill(uint64_t from, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i++)
		model[from + i] = (uint8_t)(step * 31 + (from + i) * 7 + ((from + i) >> 8));
}

static bool allocate(int mode, uint64_t from, uint64_t bytes)
{
	if (fallocate(file, mode, (off_t)from, (off_t)bytes) == 0)
		return true;
	must(errno == EOPNOTSUPP || errno == ENOSYS, "fallocate");
	missing[kind]++;
	return false;
}

static void mapped(bool writes)
{
	uint64_t first = at & ~(uint64_t)(PAGE - 1);
	if (!size || at >= size)
		return;
	if (at + count > size)
		count = size - at;
	uint8_t *map = mmap(0, at + count - first, PROT_READ | (writes ? PROT_WRITE : 0), MAP_SHARED, file,
	                    (off_t)first);
	must(map != MAP_FAILED, "mmap");
	if (writes) {
		fill(at, count);
		memcpy(map + (at - first), model + at, count);
		if (draw(2))
			must(msync(map, at + count - first, MS_SYNC) == 0, "msync");
	} else {
		compare(at, count, map + (at - first), "a mapping");
	}
	must(munmap(map, at + count - first) == 0, "munmap");
}

static void write_at(void)
{
	fill(at, count);
	must(pwrite(file, model + at, count, (off_t)at) == (ssize_t)count, "write");
	grow_to(at + count);
}

static void copy(void)
{
	off_t from = (off_t)draw(size + 1);
	off_t to = (off_t)at;
	uint64_t bytes = (uint64_t)from + count > size ? size - (uint64_t)from : count;
	if (!bytes || (from < to + (off_t)bytes && to < from + (off_t)bytes))
		return;
	uint64_t whole = bytes;
	uint64_t source = (uint64_t)from;
	while (bytes) {
		ssize_t part = copy_file_range(file, &from, file, &to, bytes, 0);
		if (part < 0 && bytes == whole &&
		    (errno == EOPNOTSUPP || errno == ENOSYS || errno == EXDEV)) {
			missing[kind]++;
			return;
		}
		must(part > 0, "copy_file_range");
		bytes -= (uint64_t)part;
	}
	memcpy(model + at, model + source, whole);
	grow_to(at + whole);
}

static void shift(bool insert)
{
	at &= ~(uint64_t)(BLOCK - 1);
	count = (count | (BLOCK - 1)) + 1;
	if (at + count >= size || (insert && size + count > MOST) ||
	    !allocate(insert ? FALLOC_FL_INSERT_RANGE : FALLOC_FL_COLLAPSE_RANGE, at, count))
		return;
	if (insert) {
		memmove(model + at + count, model + at, size - at);
		memset(model + at, 0, count);
		size += count;
	} else {
		memmove(model + at, model + at + count, size - at - count);
		memset(model + size - count, 0, count);
		size -= count;
	}
}

static void operate(void)
{
	switch (kind) {
	case WRITE:
		write_at();
		break;
	case APPEND:
		at = size;
		count = at + count > MOST ? MOST - at : count;
		if (count)
			write_at();
		break;
	case READ:
		if (at < size) {
			uint64_t bytes = at + count > size ? size - at : count;
			must(pread(file, found, count, (off_t)at) == (ssize_t)bytes, "read");
			compare(at, bytes, found, "what was read");
		}
		break;
	case MAP_WRITE:
	case MAP_READ:
		mapped(kind == MAP_WRITE);
		break;
	case CUT:
		must(ftruncate(file, (off_t)at) == 0, "ftruncate");
		if (at < size)
			memset(model + at, 0, size - at);
		size = at;
		break;
	case ALLOCATE:
		if (allocate(0, at, count))
			grow_to(at + count);
		break;
	case ALLOCATE_KEEP:
		(void)allocate(FALLOC_FL_KEEP_SIZE, at, count);
		break;
	case PUNCH:
		if (allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, count))
			memset(model + at, 0, count);
		break;
	case ZERO:
		if (allocate(FALLOC_FL_ZERO_RANGE, at, count)) {
			memset(model + at, 0, count);
			grow_to(at + count);
		}
		break;
	case COLLAPSE:
	case INSERT:
		shift(kind == INSERT);
		break;
	case COPY:
		copy();
		break;
	case SYNC:
		must((draw(2) ? fsync(file) : fdatasync(file)) == 0, "fsync");
		break;
	case REOPEN:
		must(close(file) == 0, "close");
		open_file(false);
		break;
	case KINDS:
		break;
	}
}

static void look(uint64_t from, uint64_t bytes)
{
	struct stat status;
	must(fstat(file, &status) == 0, "stat");
	must((uint64_t)status.st_size == size, "its size");
	if (from >= size)
		return;
	bytes = from + bytes > size ? size - from : bytes;
	must(pread(file, found, bytes, (off_t)from) == (ssize_t)bytes, "a read after it");
	compare(from, bytes, found, "its contents");
}

int main(int words, char **arguments)
{
	if (words != 4 && (words != 5 || strcmp(arguments[2], "punch")))
		return 3;
	path = arguments[1];
	if (words == 5) {
		open_file(true);
		at = strtoull(arguments[3], 0, 10);
		count = strtoull(arguments[4], 0, 10);
		must(at + count <= MOST, "the place");
		fill(0, at + count);
		must(pwrite(file, model, at + count, 0) == (ssize_t)(at + count), "write");
		must(allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, count), "fallocate");
		return 0;
	}
	state = strtoull(arguments[2], 0, 10) * 2654435761u + 88172645463325252u;
	unsigned steps = (unsigned)strtoul(arguments[3], 0, 10);
	open_file(true);
	for (step = 0; step < steps; step++) {
		kind = (enum kind)draw(KINDS);
		at = draw(draw(4) ? MOST : size + 1);
		count = 1 + draw(draw(3) ? 3 * PAGE : MOST);
		if (draw(4) == 0)
			at &= ~(uint64_t)(PAGE - 1);
		if (at + count > MOST)
			count = MOST - at;
		if (!count)
			continue;
		operate();
		look(draw(size + 1), 2 * PAGE);
		if (step % 64 == 0)
			look(0, size);
	}
	look(0, size);
	must(close(file) == 0, "close");
	open_file(false);
	look(0, size);
	printf("ok exercise: %u operations", steps);
	for (unsigned i = 0; i < KINDS; i++)
		if (missing[i])
			printf(", %u %s are missing", missing[i], names[i]);
	printf("\n");
	return 0;
}
