/*
 * Backends on files and block devices; see file_backend.h. A file grows as it is written and has holes where
 * blocks were discarded.
 *
 * Copy on write puts blocks next to one another that are written one after the other: adjacent writes are gathered and go to
 * the file together, at the latest before a flush, a discard, or a read of any of them. What was not flushed was never promised. A
 * write that fails is tried again by all that follows, so that no flush succeeds without it.
 */
#define _GNU_SOURCE
#include "file_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define GATHERED_MAX (256u << 10)

static int write_all(int fd, uint64_t offset, const uint8_t *buffer, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t put = pwrite(fd, buffer + done, bytes - done, (off_t)(offset + done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		done += (size_t)put;
	}
	return 0;
}

static int write_gathered(struct file_backend *file)
{
	int status = write_all(file->fd, file->at, file->gathered, file->used);
	if (status == 0)
		file->used = 0;
	return status;
}

static int file_read(void *context, uint64_t offset, void *buffer, size_t bytes)
{
	struct file_backend *file = context;
	size_t done = 0;
	int status = 0;
	if (offset < file->at + file->used && file->at < offset + bytes)
		status = write_gathered(file);
	if (status < 0)
		return status;
	while (done < bytes) {
		ssize_t got = pread(file->fd, (char *)buffer + done, bytes - done, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got) {
			memset((char *)buffer + done, 0, bytes - done);
			break;
		}
		done += (size_t)got;
	}
	return 0;
}

static int file_write(void *context, uint64_t offset, const void *buffer, size_t bytes)
{
	struct file_backend *file = context;
	if (file->used && (offset != file->at + file->used || bytes > GATHERED_MAX - file->used)) {
		int status = write_gathered(file);
		if (status < 0)
			return status;
	}
	if (bytes > GATHERED_MAX / 2 || (!file->gathered && !(file->gathered = malloc(GATHERED_MAX))))
		return write_all(file->fd, offset, buffer, bytes);
	if (!file->used)
		file->at = offset;
	memcpy(file->gathered + file->used, buffer, bytes);
	file->used += bytes;
	return 0;
}

static int file_flush(void *context)
{
	struct file_backend *file = context;
	int status = write_gathered(file);
	if (status < 0)
		return status;
	return fdatasync(file->fd) < 0 ? -errno : 0;
}

static int file_discard(void *context, uint64_t offset, uint64_t bytes)
{
	struct file_backend *file = context;
	int status = write_gathered(file);
	if (status < 0)
		return status;
	return fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes) <
	               0
	           ? -errno
	           : 0;
}

int file_backend_init(struct file_backend *file, int fd, struct vdisk_backend *backend)
{
	struct stat status;
	uint64_t limit = 0;
	if (fstat(fd, &status) < 0)
		return -errno;
	if (S_ISBLK(status.st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, &limit) < 0)
			return -errno;
	} else if (!S_ISREG(status.st_mode)) {
		return -EINVAL;
	}
	*file = (struct file_backend){.fd = fd};
	*backend = (struct vdisk_backend){.context = file,
	                                  .read = file_read,
	                                  .write = file_write,
	                                  .flush = file_flush,
	                                  .discard = file_discard,
	                                  .limit = limit};
	return 0;
}

int file_backend_close(struct file_backend *file)
{
	int status = write_gathered(file);
	free(file->gathered);
	if (close(file->fd) < 0 && status == 0)
		status = -errno;
	return status;
}

int host_random(void *buffer, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t got = getrandom((char *)buffer + done, bytes - done, 0);
		if (got < 0 && errno != EINTR)
			return -errno;
		done += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

int64_t host_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
