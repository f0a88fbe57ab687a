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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stat first, second;
	if (!base[0])
		begin();
	int file = memfd_create("archive", MFD_CLOEXEC);
	if (file < 0 || write(file, data, size) != (ssize_t)size)
		abort();
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
