/* holon-vdisk open --fuse: the volume as the one file DIR/disk, of the volume's size, for programs that want
 * a plain file. */
#define _GNU_SOURCE
#define FUSE_USE_VERSION 31
#include "tool.h"

#include <errno.h>
#include <fuse3/fuse.h>
#include <string.h>
#include <unistd.h>

static struct vdisk *disk;

static int error_number(int status)
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
	default:
		return -EIO;
	}
}

static uint64_t disk_bytes(void)
{
	return vdisk_blocks(disk) * VDISK_BLOCK;
}

static int do_getattr(const char *path, struct stat *status, struct fuse_file_info *info)
{
	(void)info;
	memset(status, 0, sizeof(*status));
	status->st_uid = getuid();
	status->st_gid = getgid();
	status->st_nlink = 1;
	if (!strcmp(path, "/")) {
		status->st_mode = S_IFDIR | 0700;
		status->st_nlink = 2;
		return 0;
	}
	if (strcmp(path, "/disk") != 0)
		return -ENOENT;
	struct vdisk_info details;
	vdisk_get_info(disk, &details);
	status->st_mode = S_IFREG | (vdisk_is_read_only(disk) ? 0400 : 0600);
	status->st_size = (off_t)disk_bytes();
	status->st_blocks = (blkcnt_t)(details.mapped * (VDISK_BLOCK / 512));
	status->st_blksize = VDISK_BLOCK;
	return 0;
}

static int do_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
                      struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
	(void)offset, (void)info, (void)flags;
	if (strcmp(path, "/") != 0)
		return -ENOTDIR;
	fill(buffer, ".", NULL, 0, 0);
	fill(buffer, "..", NULL, 0, 0);
	fill(buffer, "disk", NULL, 0, 0);
	return 0;
}

static int do_open(const char *path, struct fuse_file_info *info)
{
	if (strcmp(path, "/disk") != 0)
		return -ENOENT;
	if (vdisk_is_read_only(disk) && (info->flags & O_ACCMODE) != O_RDONLY)
		return -EROFS;
	info->keep_cache = 1;
	return 0;
}

static int do_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *info)
{
	(void)path, (void)info;
	uint64_t at = (uint64_t)offset;
	if (at >= disk_bytes())
		return 0;
	if (size > disk_bytes() - at)
		size = disk_bytes() - at;
	int status = bytes_read(disk, at, size, buffer);
	return status < 0 ? error_number(status) : (int)size;
}

static int do_write(const char *path, const char *buffer, size_t size, off_t offset,
                    struct fuse_file_info *info)
{
	(void)path, (void)info;
	uint64_t at = (uint64_t)offset;
	if (at >= disk_bytes())
		return -ENOSPC;
	if (size > disk_bytes() - at)
		size = disk_bytes() - at;
	int status = bytes_write(disk, at, size, buffer);
	return status < 0 ? error_number(status) : (int)size;
}

static int do_fsync(const char *path, int data, struct fuse_file_info *info)
{
	(void)path, (void)data, (void)info;
	return error_number(vdisk_flush(disk));
}

static int do_fallocate(const char *path, int mode, off_t offset, off_t length, struct fuse_file_info *info)
{
	(void)path, (void)info;
	uint64_t at = (uint64_t)offset;
	uint64_t size = (uint64_t)length;
	if (!(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
		return -EOPNOTSUPP;
	if (at >= disk_bytes())
		return 0;
	return error_number(bytes_zero(disk, at, size < disk_bytes() - at ? size : disk_bytes() - at));
}

/* The size is the volume's: "truncate to what it is" is all that programs may do. */
static int do_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
	(void)path, (void)info;
	return (uint64_t)size == disk_bytes() ? 0 : -EPERM;
}

static const struct fuse_operations operations = {
    .getattr = do_getattr,
    .readdir = do_readdir,
    .open = do_open,
    .read = do_read,
    .write = do_write,
    .fsync = do_fsync,
    .fallocate = do_fallocate,
    .truncate = do_truncate,
};

void serve_fuse(struct container *container, const struct options *options)
{
	struct fuse_args arguments = FUSE_ARGS_INIT(0, NULL);
	disk = container->disk;
	if (fuse_opt_add_arg(&arguments, "holon-vdisk") ||
	    fuse_opt_add_arg(&arguments, "-ofsname=vdisk,subtype=vdisk"))
		fail(EXIT_DAMAGED, "out of memory");
	struct fuse *fuse = fuse_new(&arguments, &operations, sizeof(operations), NULL);
	if (!fuse || fuse_mount(fuse, options->fuse) < 0)
		fail(EXIT_WRONG, "%s: cannot be mounted (is it an empty directory, and is there /dev/fuse?)",
		     options->fuse);
	if (options->fork && daemon(1, 0) < 0)
		fail(EXIT_DAMAGED, "going to the background: %s", strerror(errno));
	struct fuse_session *session = fuse_get_session(fuse);
	if (fuse_set_signal_handlers(session) < 0)
		fail(EXIT_DAMAGED, "no signal handlers can be set");
	fuse_loop(fuse);
	fuse_remove_signal_handlers(session);
	fuse_unmount(fuse);
	fuse_destroy(fuse);
	fuse_opt_free_args(&arguments);
}
