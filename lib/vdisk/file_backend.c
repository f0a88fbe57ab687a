/* Backends on files and block devices; see file_backend.h. A file grows as it is written and has holes where
 * blocks were discarded. */
#define _GNU_SOURCE
#include "file_backend.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int file_read(void *context, uint64_t offset, void *buffer, size_t bytes)
{
	const struct file_backend *file = context;
	size_t done = 0;
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
	size_t done = 0;
	while (done < bytes) {
		ssize_t put =
		    pwrite(file->fd, (const char *)buffer + done, bytes - done, (off_t)(offset + done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		done += (size_t)put;
	}
	file->bytes_written += bytes;
	return 0;
}

static int file_flush(void *context)
{
	struct file_backend *file = context;
	file->flushes++;
	return fdatasync(file->fd) < 0 ? -errno : 0;
}

static int file_discard(void *context, uint64_t offset, uint64_t bytes)
{
	const struct file_backend *file = context;
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
