/* A vdisk as a store; see store_vdisk.h. */
#include "store_vdisk.h"

#include <errno.h>

int vdisk_errno(int status)
{
	switch (status) {
	case VDISK_OK:
		return 0;
	case VDISK_NO_SPACE:
		return -ENOSPC;
	case VDISK_RANGE:
		return -EINVAL;
	case VDISK_READ_ONLY:
		return -EROFS;
	case VDISK_NO_MEMORY:
		return -ENOMEM;
	case VDISK_DAMAGED:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

static int read_blocks(void *disk, uint64_t block, uint64_t count, void *buffer)
{
	return vdisk_errno(vdisk_read(disk, block, count, buffer));
}

static int write_blocks(void *disk, uint64_t block, uint64_t count, const void *buffer)
{
	return vdisk_errno(vdisk_write(disk, block, count, buffer));
}

static int discard_blocks(void *disk, uint64_t block, uint64_t count)
{
	return vdisk_errno(vdisk_discard(disk, block, count));
}

static int flush(void *disk)
{
	return vdisk_errno(vdisk_flush(disk));
}

static int commit(void *disk)
{
	return vdisk_errno(vdisk_commit(disk));
}

static bool is_pressed(void *disk)
{
	return vdisk_wants_commit(disk);
}

static void give_up(void *disk)
{
	vdisk_give_up(disk, VDISK_IO);
}

struct store store_vdisk(struct vdisk *disk)
{
	return (struct store){.context = disk,
	                      .blocks = vdisk_blocks(disk),
	                      .read_only = vdisk_is_read_only(disk),
	                      .read = read_blocks,
	                      .write = write_blocks,
	                      .discard = discard_blocks,
	                      .flush = flush,
	                      .commit = commit,
	                      .give_up = give_up,
	                      .is_pressed = is_pressed};
}
