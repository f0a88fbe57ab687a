/* Any bytes as an archive: nothing is made outside of the directory that it is unpacked into, and whatever was made packs and
 * unpacks again to the same. */
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char base[PATH_MAX], inside[PATH_MAX + 8], again[PATH_MAX + 8];

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status, (void)kind, (void)walk;
	return remove(path);
}

static void leave(void)
{
	nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void begin(void)
{
	snprintf(base, sizeof(base), "/dev/shm/holon-tree-XXXXXX");
	if (!mkdtemp(base))
		abort();
	snprintf(inside, sizeof(inside), "%s/in", base);
	snprintf(again, sizeof(again), "%s/again", base);
	atexit(leave);
	FILE *null = fopen("/dev/null", "w"); /* what tree.c says; the fuzzer's own words stay */
	if (!null)
		abort();
	stderr = null;
}

static int unpack(int file, const char *directory)
{
	static const struct tree_place place = {.keep_owners = false};
	if (mkdir(directory, 0700) || lseek(file, 0, SEEK_SET))
		abort();
	int into = open(directory, O_RDONLY | O_DIRECTORY);
	int error = tree_unpack(file, into, &place);
	close(into);
	return error;
}

static int pack(const char *directory)
{
	int file = memfd_create("tree", MFD_CLOEXEC);
	if (file < 0)
		abort();
	if (tree_pack(file, directory, ".", true)) {
		close(file);
		return -1;
	}
	return file;
}

/* "in" and nothing else. */
static void check_outside(void)
{
	struct stat status;
	if (lstat(base, &status) || status.st_nlink != 3)
		abort();
}

/* ---- From any bytes to an archive that gets past its checksums ---- */

struct bytes {
	const uint8_t *at, *end;
};

static uint8_t next(struct bytes *from)
{
	return from->at < from->end ? *from->at++ : 0;
}

/* The field of SIZE bytes at TO: the next bytes, up to a length that stands before them. */
static void next_field(struct bytes *from, char *to, size_t size)
{
	size_t length = next(from);
	for (size_t i = 0; i < length && i < size && from->at < from->end; i++)
		to[i] = (char)next(from);
}

/* One header and its contents, of which there may be less than the header says. */
static void put_member(int file, struct bytes *from)
{
	static const char types[] = "0012567LLKKx";
	char header[512] = "";
	unsigned sum = 0;
	uint8_t flags = next(from), type = next(from);
	uint16_t size = next(from);
	next_field(from, header, 100);
	next_field(from, header + 157, 100);
	if (flags & 1)
		next_field(from, header + 100, 48); /* numbers that are none */
	else
		snprintf(header + 124, 12, "%011o", size);
	if (flags & 2)
		next_field(from, header + 345, 155);
	header[156] = flags & 4 ? (char)type : types[type % (sizeof(types) - 1)];
	memcpy(header + 257,
	       flags & 8 ? "ustar\0"
	                   "00"
	                 : "ustar  ",
	       8);
	memset(header + 148, ' ', 8);
	for (unsigned i = 0; i < sizeof(header); i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	char contents[1024] = "";
	next_field(from, contents, size);
	size_t padded = flags & 16 ? size : (size + 511u) & ~511u;
	if (write(file, header, sizeof(header)) != sizeof(header) ||
	    write(file, contents, padded) != (ssize_t)padded)
		abort();
}

static int make_archive(const uint8_t *data, size_t size)
{
	static const char end[1024];
	struct bytes from = {data, data + size};
	int file = memfd_create("archive", MFD_CLOEXEC);
	if (file < 0)
		abort();
	if (next(&from) & 1) {
		if (write(file, data + 1, size - 1) != (ssize_t)size - 1)
			abort();
		return file;
	}
	while (from.at < from.end)
		put_member(file, &from);
	if (write(file, end, sizeof(end)) != sizeof(end))
		abort();
	return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stat first, second;
	if (!base[0])
		begin();
	int file = make_archive(data, size);
	int error = unpack(file, inside);
	close(file);
	check_outside();
	int packed = error ? -1 : pack(inside);
	if (packed >= 0) {
		if (unpack(packed, again))
			abort();
		int repacked = pack(again);
		if (repacked < 0 || fstat(packed, &first) || fstat(repacked, &second) ||
		    first.st_size != second.st_size)
			abort();
		close(repacked);
		close(packed);
		nftw(again, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	}
	nftw(inside, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
