/* Backends on files and block devices of a POSIX system, and what else a host gives: randomness and the
 * clock. */
#ifndef VDISK_FILE_BACKEND_H
#define VDISK_FILE_BACKEND_H

#include "vdisk.h"

struct file_backend {
	int fd;
	uint8_t *gathered; /* written, but not to FD yet: the USED bytes that belong at AT */
	uint64_t at;
	size_t used;
};

/* Takes FD over for reading and writing; a block device's size becomes the limit. Negative: errno, negated.
 */
int file_backend_init(struct file_backend *file, int fd, struct vdisk_backend *backend);
/* Writes what is left to FD, without a flush, and closes it. Negative: errno, negated; FD is closed all the same. */
int file_backend_close(struct file_backend *file);

int host_random(void *buffer, size_t bytes);
int64_t host_now_ns(void);

#endif
