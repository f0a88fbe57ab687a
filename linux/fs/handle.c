/* See handle.h. */
#include "handle.h"
#include "../internal.h"
#include "errand.h"
#include "name.h"
#include "open.h"

#define HANDLE_MAX 128u

struct handle_header {
	uint32_t bytes;
	int32_t type;
};

SYSCALL_HANDLER(name_to_handle_at, int directory, uint64_t path_address, uint64_t handle_address,
                uint64_t mount_address, uint32_t flags)
{
	struct handle_header header;
	struct path path;
	if (flags & ~(uint32_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	uint32_t walk = (flags & AT_EMPTY_PATH) | (flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW);
	int64_t error = with_errands(path_at(directory, path_address, walk, &path));
	if (error)
		return error;
	struct file_handle_bytes bytes = handle_of(path.dentry->vnode);
	uint32_t mount = path.mount ? (uint32_t)path.mount->id : 0;
	if (!handle_can(path.dentry->vnode) || !path.mount)
		error = -EOPNOTSUPP;
	path_release(&path);
	if (error)
		return error;
	if (copy_from_user(&header, handle_address, sizeof(header)))
		return -EFAULT;
	if (header.bytes > HANDLE_MAX)
		return -EINVAL;
	bool room = header.bytes >= sizeof(bytes);
	header = (struct handle_header){sizeof(bytes), room ? HANDLE_TYPE : header.type};
	if (put_user_u32(mount_address, mount) || copy_to_user(handle_address, &header, sizeof(header)) ||
	    (room && copy_to_user(handle_address + sizeof(header), &bytes, sizeof(bytes))))
		return -EFAULT;
	return room ? 0 : -EOVERFLOW;
}

SYSCALL_HANDLER(open_by_handle_at, int directory, uint64_t handle_address, uint32_t flags)
{
	struct handle_header header;
	struct file_handle_bytes bytes;
	const struct file *file = directory == AT_FDCWD ? 0 : file_of(directory);
	if (!capable(CAP_DAC_READ_SEARCH))
		return -EPERM;
	if (directory != AT_FDCWD && !file)
		return -EBADF;
	const struct path *base = file ? &file->path : &current_task()->fs->working;
	if (copy_from_user(&header, handle_address, sizeof(header)))
		return -EFAULT;
	if (!header.bytes || header.bytes > HANDLE_MAX)
		return -EINVAL;
	if (header.bytes < sizeof(bytes) || header.type != HANDLE_TYPE || !base->mount)
		return -ESTALE;
	if (copy_from_user(&bytes, handle_address + sizeof(header), sizeof(bytes)))
		return -EFAULT;
	struct path path = {.mount = base->mount};
	path.dentry = dentry_by_inode(base->mount->filesystem, bytes.inode);
	if (!path.dentry)
		return -ESTALE;
	path.mount->references++;
	int64_t fd = open_at(&path, flags);
	path_release(&path);
	return fd;
}
