/* Writes into files of the directory given, each in another way that says it is durable when the call returns; says "written" and
 * waits to be killed. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

/* A file of as many other bytes as its name and a newline have, so that what comes later changes no size. */
static int prepared(const char *name, int flags)
{
	int file = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (file < 0 || pwrite(file, "other bytes", strlen(name) + 1, 0) < 0 || fsync(file) || close(file))
		return -1;
	return open(name, O_RDWR | flags);
}

static int failed(const char *what)
{
	perror(what);
	return 1;
}

int main(int count, char **words)
{
	struct iovec piece = {"rwf\n", 4};
	if (count != 2 || chdir(words[1]))
		return 2;
	int dsync = prepared("dsync", O_DSYNC), sync = prepared("sync", O_SYNC), rwf = prepared("rwf", 0);
	int copied = prepared("copied", O_DSYNC), source = prepared("source", 0);
	int mapped = prepared("mapped", 0);
	if (dsync < 0 || sync < 0 || rwf < 0 || copied < 0 || source < 0 || mapped < 0)
		return failed("open");
	char *map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mapped, 0);
	if (map == MAP_FAILED)
		return failed("mmap");
	memcpy(map, "mapped\n", 7);
	if (msync(map, 4096, MS_SYNC))
		return failed("msync");
	if (pwrite(source, "copied\n", 7, 0) != 7 || pwrite(dsync, "dsync\n", 6, 0) != 6 ||
	    write(sync, "sync\n", 5) != 5 || pwritev2(rwf, &piece, 1, 0, RWF_DSYNC) != 4 ||
	    sendfile(copied, source, NULL, 7) != 7)
		return failed("write");
	puts("written");
	fflush(stdout);
	pause();
	return 0;
}
