/* What tree.h promises: all that is kept is kept, and an archive that means harm does none. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tree.h"

static char base[64];
static int failures;

static void report(const char *name, int good)
{
	printf(good ? "ok tree: %s\n" : "not ok tree: %s - see tree_test.c\n", name);
	failures += !good;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status, (void)kind, (void)walk;
	return remove(path);
}

static char *in_base(const char *name)
{
	static char paths[4][8192];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof(paths[0]), "%s/%s", base, name);
	return path;
}

static void put_file(const char *name, const char *text, mode_t mode)
{
	int file = open(in_base(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (file < 0 || write(file, text, strlen(text)) != (ssize_t)strlen(text) || fchmod(file, mode) ||
	    close(file))
		abort();
}

static int has(const char *name, const char *text)
{
	char buffer[64] = "";
	int file = open(in_base(name), O_RDONLY | O_NOFOLLOW);
	ssize_t got = file < 0 ? -1 : read(file, buffer, sizeof(buffer) - 1);
	if (file >= 0)
		close(file);
	return got == (ssize_t)strlen(text) && memcmp(buffer, text, strlen(text)) == 0;
}

static struct stat status_of(const char *name)
{
	struct stat status = {0};
	(void)lstat(in_base(name), &status);
	return status;
}

static int unpack_into(int archive, const char *name, const char *rename)
{
	struct tree_place place = {.rename = rename};
	mkdir(in_base(name), 0700);
	int into = open(in_base(name), O_RDONLY | O_DIRECTORY);
	int error = lseek(archive, 0, SEEK_SET) || tree_unpack(archive, into, &place);
	close(into);
	return error;
}

static void test_kept(void)
{
	char longest[256], name[600], target[32];
	memset(longest, 'n', 255);
	longest[255] = 0;
	mkdir(in_base("from"), 0751);
	mkdir(in_base("from/empty"), 01700);
	snprintf(name, sizeof(name), "from/%s", longest);
	mkdir(in_base(name), 0700);
	snprintf(name, sizeof(name), "from/%s/%.250s", longest, longest);
	put_file(name, "deep", 0644);
	put_file("from/setuid", "x", 04755);
	put_file("from/a name\nof two lines", "lines", 0400);
	put_file("from/nothing", "", 0644);
	if (link(in_base("from/setuid"), in_base("from/hard")) ||
	    symlink("../nowhere", in_base("from/link")) || mkfifo(in_base("from/pipe"), 0622))
		abort();
	int archive = memfd_create("archive", 0);
	report("packs", tree_pack(archive, in_base("from"), "to", true) == 0);
	report("unpacks", unpack_into(archive, ".", 0) == 0);
	name[0] = 't', name[1] = 'o';
	snprintf(name, sizeof(name), "to/%s/%.250s", longest, longest);
	report("the longest names", has(name, "deep"));
	report("names of any bytes", has("to/a name\nof two lines", "lines"));
	report("modes", (status_of("to/setuid").st_mode & 07777) == 04755 &&
	                    (status_of("to/empty").st_mode & 07777) == 01700 &&
	                    (status_of("to").st_mode & 07777) == 0751);
	report("hard links", status_of("to/hard").st_ino == status_of("to/setuid").st_ino);
	report("symbolic links", readlink(in_base("to/link"), target, sizeof(target)) == 10);
	report("FIFOs and empty files", S_ISFIFO(status_of("to/pipe").st_mode) && has("to/nothing", ""));
	report("times", status_of("to/setuid").st_mtime == status_of("from/setuid").st_mtime);
	report("a new name",
	       unpack_into(archive, "place", "renamed") == 0 && has("place/renamed/setuid", "x") &&
	           status_of("place/renamed/hard").st_ino == status_of("place/renamed/setuid").st_ino);
	report("over what is there",
	       unpack_into(archive, "place", "renamed") == 0 && has("place/renamed/setuid", "x"));
	ftruncate(archive, 700);
	report("one cut short is refused", unpack_into(archive, "cut", 0) != 0);
	close(archive);
}

/* An archive of one empty file, or a link to TARGET, called NAME; its checksum is right. */
static void put_member(int archive, const char *name, char type, const char *target, const char *size)
{
	char header[512] = "";
	unsigned sum = 0;
	strncpy(header, name, 100);
	memcpy(header + 100,
	       "0000644\0"
	       "0000000\0"
	       "0000000",
	       24);
	memcpy(header + 124, size, 12);
	memcpy(header + 136, "00000000000", 12);
	memset(header + 148, ' ', 8);
	header[156] = type;
	strncpy(header + 157, target, 100);
	memcpy(header + 257, "ustar  ", 8);
	for (unsigned i = 0; i < sizeof(header); i++)
		sum += (unsigned char)header[i];
	snprintf(header + 148, 8, "%06o", sum);
	if (write(archive, header, sizeof(header)) != sizeof(header))
		abort();
}

static int hostile(const char *first, char type, const char *target, const char *second, const char *size)
{
	static const char end[1024];
	int archive = memfd_create("archive", 0);
	put_member(archive, first, type, target, size);
	if (second)
		put_member(archive, second, '0', "", "00000000000");
	if (write(archive, end, sizeof(end)) != sizeof(end))
		abort();
	int error = unpack_into(archive, "jail", 0);
	close(archive);
	return error && !status_of("escaped").st_mode && access("/escaped", F_OK) != 0;
}

static void test_hostile(void)
{
	static const char none[] = "00000000000";
	report("..", hostile("../escaped", '0', "", 0, none));
	report(".. further in", hostile("a/../../escaped", '0', "", 0, none));
	report("a symbolic link to the outside", hostile("out", '2', "..", "out/escaped", none));
	report("a symbolic link from the root", hostile("tmp", '2', base, "tmp/escaped", none));
	report("a hard link to the outside", hostile("got", '1', "../from/setuid", 0, none));
	report("contents that are not there", hostile("big", '0', "", 0, "00000200000"));
	report("a size beyond all",
	       hostile("big", '0', "", 0, "\x80\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"));
	report("a size that is no number", hostile("big", '0', "", 0, "0000000009x"));
	report("a long name without an end", hostile("././@LongLink", 'L', "", 0, "77777777777"));
	report("a file in a directory's place", mkdir(in_base("jail/full"), 0700) == 0 &&
	                                            mkdir(in_base("jail/full/x"), 0700) == 0 &&
	                                            hostile("full", '0', "", 0, none));
	/* A name from the root is one below the directory. */
	int archive = memfd_create("archive", 0);
	static const char end[1024];
	put_member(archive, "/rooted", '0', "", none);
	(void)!write(archive, end, sizeof(end));
	report("a name from the root stays inside",
	       unpack_into(archive, "jail", 0) == 0 && has("jail/rooted", ""));
	close(archive);
}

int main(void)
{
	snprintf(base, sizeof(base), "/tmp/holon-tree-XXXXXX");
	if (!mkdtemp(base))
		return 1;
	int null = open("/dev/null", O_WRONLY);
	dup2(null, STDERR_FILENO);
	test_kept();
	test_hostile();
	nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return failures != 0;
}
