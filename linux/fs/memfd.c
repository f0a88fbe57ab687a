/* memfd_create(2): files without a name, with seals. */
#include "../internal.h"
#include "lock.h"
#include "ramfs_data.h"

enum { MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2, MFD_HUGETLB = 4, MFD_NOEXEC_SEAL = 8, MFD_EXEC = 16 };
enum { F_SEAL_SEAL = 1, F_SEAL_SHRINK = 2, F_SEAL_GROW = 4, F_SEAL_WRITE = 8, F_SEAL_FUTURE_WRITE = 16 };
#define NAME_MAX_MEMFD 249u

static struct filesystem *filesystem; /* of all of them */

SYSCALL_HANDLER(memfd_create, uint64_t name_address, uint32_t flags)
{
	char name[NAME_MAX_MEMFD + 8] = "memfd:";
	if (flags & ~(uint32_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC))
		return -EINVAL;
	int64_t length = copy_string_from_user(name + 6, name_address, NAME_MAX_MEMFD + 1);
	if (length < 0)
		return length == -ENAMETOOLONG ? -EINVAL : length;
	if (!filesystem && !(filesystem = ramfs_create("tmpfs", 0700)))
		return -ENOMEM;
	struct vnode *vnode = ramfs_file(filesystem, 0777);
	if (!vnode)
		return -ENOMEM;
	ram_node(vnode)->data.seals = flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL) ? 0 : F_SEAL_SEAL;
	struct dentry *dentry = dentry_unnamed(vnode);
	struct file *file = dentry ? file_create(&ramfs_file_ops, O_RDWR, 0) : 0;
	if (!file) {
		if (dentry)
			dentry_release(dentry);
		else
			vnode_release(vnode);
		return -ENOMEM;
	}
	dentry_rename(dentry, name, (uint32_t)length + 6);
	file->vnode = vnode_reference(vnode);
	file->path.dentry = dentry;
	return file_give(file, flags & MFD_CLOEXEC);
}

/* True when some process has a shared mapping of VNODE that is, or may become, writable. */
static bool mapped_writable(const struct vnode *vnode)
{
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		struct mm *mm = process->leader ? process->leader->mm : 0;
		for (struct area *area = mm ? mm_find(mm, 0) : 0; area; area = mm_next(mm, area))
			if ((area->flags & AREA_SHARED) && (area->flags & (AREA_WRITE | AREA_MAY_WRITE)) &&
			    area->file && area->file->vnode == vnode)
				return true;
	}
	return false;
}

int64_t memfd_fcntl(struct file *file, int command, uint64_t argument)
{
	const uint32_t known = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
	if (file->ops != &ramfs_file_ops)
		return -EINVAL;
	if (file->vnode->filesystem !=
	    filesystem) /* a file with a name is sealed against seals, as on tmpfs */
		return command == F_GET_SEALS ? F_SEAL_SEAL : -EPERM;
	struct ram_node *node = ram_node(file->vnode);
	if (command == F_GET_SEALS)
		return node->data.seals;
	if (argument & ~(uint64_t)known)
		return -EINVAL;
	if (!file_writable(file) || (node->data.seals & F_SEAL_SEAL))
		return -EPERM;
	if ((argument & F_SEAL_WRITE) && mapped_writable(file->vnode))
		return -EBUSY;
	node->data.seals |= (uint32_t)argument;
	return 0;
}
