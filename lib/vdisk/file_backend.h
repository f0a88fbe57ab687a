/* Backends on files and block devices of a POSIX system, and what else a host gives: randomness and the
 * clock. */
#ifndef VDISK_FILE_BACKEND_H
#define VDISK_FILE_BACKEND_H

#include "vdisk.h"

struct file_backend {
	int fd;
	uint64_t bytes_written, flushes;
};

/* Takes FD over for reading and writing; a block device's size becomes the limit. Negative: errno, negated.
 */
int file_backend_init(struct file_backend *file, int fd, struct vdisk_backend *backend);

int host_random(void *buffer, size_t bytes);
int64_t host_now_ns(void);

#endif
