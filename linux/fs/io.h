/* One transfer of an open file, with the checks and the news to watchers that belong to it. */
#pragma once

#include "../include/file.h"

#define IO_MAX 0x7ffff000ull /* one call moves at most this */

/* Flags of preadv2(2), which aio(7) and io_uring(7) take, too; in those of struct io. */
enum { RWF_HIPRI = 1, RWF_DSYNC = 2, RWF_SYNC = 4, RWF_NOWAIT = 8, RWF_APPEND = 16 };
static inline uint32_t io_flags_of(uint32_t flags)
{
	return (flags & RWF_APPEND ? IO_APPEND : 0u) | (flags & RWF_DSYNC ? IO_DATA_SYNC : 0u) |
	       (flags & RWF_SYNC ? IO_SYNC : 0u);
}

int64_t do_read(struct file *file, struct io *io, int64_t *position);
int64_t do_write(struct file *file, struct io *io, int64_t *position);
/* What a write ends with, DONE being its result: whoever opened the file with O_DSYNC or O_SYNC, or asked so in FLAGS (enum io_flags),
 * waits until the file's service has it for good. DONE, or why that failed. Takes the common lock alone: no other lock may be held. */
int64_t write_through(struct file *file, uint32_t flags, int64_t done);
/* XFS' ioctls for room, older than fallocate(2), which Linux takes for every regular file: FD is one. -ENOTTY: another COMMAND. */
int64_t file_allocate_ioctl(int fd, uint32_t command, uint64_t argument);
