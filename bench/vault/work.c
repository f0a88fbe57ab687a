/* What file systems are asked to do when their instructions are counted: one static program, run on Holon's vault and on Linux' ext4.
 *
 *   vault-work write DIR         makes files and changes them
 *   vault-work read DIR          reads them back, then removes what it can; meant for a file system that was mounted anew
 *   vault-work run ROW OPERATIONS COMMAND...    a command, then sync
 *
 * Each row is one line "row OPERATIONS NAME" of output and two marks (mark.h): one before, one behind. Every row that writes ends durable. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "mark.h"

enum {
	BLOCK = 4096,
	PIECE = 65536,
	FILE_BYTES = 16 << 20,
	RANDOM_WRITES = 2000,
	SYNCED_WRITES = 300,
	BETWEEN_SYNCS = 32,
	TRANSACTIONS = 100,
	DIRECTORIES = 20,
	FILES = 2000,
	SMALL = 1024
};

static uint8_t piece[PIECE];
static uint64_t state = 88172645463325252ull;

/* xorshift64: the same numbers in each run. */
static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void fill(uint8_t *to, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += sizeof(uint64_t)) {
		uint64_t value = next_random();
		memcpy(to + i, &value, sizeof(value));
	}
}

_Noreturn static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void check(int good, const char *what)
{
	if (!good)
		fail(what);
}

static int open_file(const char *name, int flags)
{
	int fd = open(name, flags | O_CLOEXEC, 0644);
	check(fd >= 0, name);
	return fd;
}

static void row(unsigned operations, const char *name)
{
	printf("row %u %s\n", operations, name);
	fflush(stdout);
}

static void write_in_order(const char *name)
{
	int fd = open_file(name, O_RDWR | O_CREAT | O_TRUNC);
	fill(piece, sizeof(piece));
	for (size_t done = 0; done < FILE_BYTES; done += PIECE)
		check(write(fd, piece, PIECE) == PIECE, name);
	check(fsync(fd) == 0, name);
	close(fd);
}

static void write_scattered(const char *name, unsigned count, unsigned between)
{
	int fd = open_file(name, O_RDWR);
	for (unsigned i = 1; i <= count; i++) {
		uint64_t at = next_random() % (FILE_BYTES / BLOCK) * BLOCK;
		check(pwrite(fd, piece + i % (PIECE / BLOCK) * BLOCK, BLOCK, (off_t)at) == BLOCK, name);
		if (i % between == 0 || i == count)
			check(fdatasync(fd) == 0, name);
	}
	close(fd);
}

static void name_of(char *name, size_t room, unsigned number)
{
	snprintf(name, room, "small/%u/file-%u", number % DIRECTORIES, number);
}

static void write_small(void)
{
	char name[64];
	check(mkdir("small", 0755) == 0, "small");
	for (unsigned i = 0; i < DIRECTORIES; i++) {
		snprintf(name, sizeof(name), "small/%u", i);
		check(mkdir(name, 0755) == 0, name);
	}
	for (unsigned i = 0; i < FILES; i++) {
		name_of(name, sizeof(name), i);
		int fd = open_file(name, O_WRONLY | O_CREAT | O_EXCL);
		check(write(fd, piece + i % 64 * SMALL, SMALL) == SMALL, name);
		close(fd);
	}
	sync();
}

/* A data base's transaction with a rollback journal, as SQLite makes it. */
static void transact(void)
{
	int data = open_file("scattered", O_RDWR);
	int directory = open_file(".", O_RDONLY | O_DIRECTORY);
	for (unsigned i = 0; i < TRANSACTIONS; i++) {
		int journal = open_file("journal", O_RDWR | O_CREAT | O_EXCL);
		check(pwrite(journal, piece, BLOCK + 512, 0) == BLOCK + 512 && fdatasync(journal) == 0,
		      "journal");
		check(fsync(directory) == 0, "its directory");
		off_t at = (off_t)(next_random() % (FILE_BYTES / BLOCK) * BLOCK);
		check(pwrite(data, piece, BLOCK, at) == BLOCK && fdatasync(data) == 0, "scattered");
		close(journal);
		check(unlink("journal") == 0, "journal");
	}
	check(fsync(directory) == 0, "its directory");
	close(directory);
	close(data);
}

static void read_in_order(const char *name)
{
	int fd = open_file(name, O_RDONLY);
	for (size_t done = 0; done < FILE_BYTES; done += PIECE)
		check(read(fd, piece, PIECE) == PIECE, name);
	close(fd);
}

static void read_scattered(const char *name, unsigned count)
{
	int fd = open_file(name, O_RDONLY);
	for (unsigned i = 0; i < count; i++)
		check(pread(fd, piece, BLOCK, (off_t)(next_random() % (FILE_BYTES / BLOCK) * BLOCK)) == BLOCK,
		      name);
	close(fd);
}

static void look_at_small(void)
{
	char name[64];
	unsigned found = 0;
	for (unsigned i = 0; i < DIRECTORIES; i++) {
		struct dirent *entry;
		struct stat status;
		snprintf(name, sizeof(name), "small/%u", i);
		DIR *directory = opendir(name);
		check(directory != NULL, name);
		while ((entry = readdir(directory)))
			found += fstatat(dirfd(directory), entry->d_name, &status, 0) == 0 &&
			         S_ISREG(status.st_mode);
		closedir(directory);
	}
	check(found == FILES, "small: not every file is there");
}

static void read_small(void)
{
	char name[64];
	for (unsigned i = 0; i < FILES; i++) {
		name_of(name, sizeof(name), i);
		int fd = open_file(name, O_RDONLY);
		check(read(fd, piece, PIECE) == SMALL, name);
		close(fd);
	}
}

static void remove_small(void)
{
	char name[64];
	for (unsigned i = 0; i < FILES; i++) {
		name_of(name, sizeof(name), i);
		check(unlink(name) == 0, name);
	}
	sync();
}

#define COUNTED(operations, name, work)                                                                      \
	do {                                                                                                 \
		row(operations, name);                                                                       \
		MARK(1);                                                                                     \
		work;                                                                                        \
		MARK(2);                                                                                     \
	} while (0)

static void run_command(unsigned operations, const char *name, char **command)
{
	int status = 0;
	row(operations, name);
	MARK(1);
	pid_t child = fork();
	check(child >= 0, "fork");
	if (child == 0) {
		execvp(command[0], command);
		fail(command[0]);
	}
	check(waitpid(child, &status, 0) == child && status == 0, command[0]);
	sync();
	MARK(2);
}

int main(int count, char **words)
{
	const char *what = count > 2 ? words[1] : "";
	if (strcmp(what, "run") == 0 && count > 4) {
		run_command((unsigned)strtoul(words[3], NULL, 10), words[2], words + 4);
	} else if (strcmp(what, "write") == 0) {
		check(chdir(words[2]) == 0, words[2]);
		COUNTED(FILE_BYTES / BLOCK, "write 16 MiB in order by 64 KiB, fsync: 4 KiB",
		        write_in_order("ordered"));
		write_in_order("scattered");
		COUNTED(RANDOM_WRITES, "write scattered 4 KiB, fdatasync every 32",
		        write_scattered("scattered", RANDOM_WRITES, BETWEEN_SYNCS));
		COUNTED(SYNCED_WRITES, "write scattered 4 KiB, fdatasync each",
		        write_scattered("scattered", SYNCED_WRITES, 1));
		COUNTED(TRANSACTIONS, "transaction with a rollback journal", transact());
		COUNTED(FILES, "make a file of 1 KiB, of 2,000, sync", write_small());
	} else if (strcmp(what, "read") == 0) {
		check(chdir(words[2]) == 0, words[2]);
		COUNTED(FILE_BYTES / BLOCK, "read 16 MiB in order, cold: 4 KiB", read_in_order("ordered"));
		COUNTED(FILE_BYTES / BLOCK, "read it again: 4 KiB", read_in_order("ordered"));
		COUNTED(RANDOM_WRITES, "read scattered 4 KiB, cold",
		        read_scattered("scattered", RANDOM_WRITES));
		COUNTED(FILES, "list and stat a file, of 2,000, cold", look_at_small());
		COUNTED(FILES, "read a file of 1 KiB, of 2,000, cold", read_small());
		COUNTED(FILES, "remove a file, of 2,000, sync", remove_small());
	} else {
		fprintf(stderr, "usage: vault-work write|read DIR, or run ROW OPERATIONS COMMAND...\n");
		return 2;
	}
	return 0;
}
