/* Vnodes of files outside the tree of names: pipes, sockets, and the anonymous files of eventfd, epoll and their like.
 * They are what fstat, fchmod, locks and /proc/N/fd work on.
 */
#include "../internal.h"
#include "name.h"

static struct filesystem filesystems[] = {
    {.name = "pipefs", .magic = 0x50495045, .device = 12},
    {.name = "sockfs", .magic = 0x534f434b, .device = 8},
    {.name = "anon_inodefs", .magic = 0x09041934, .device = 13},
};
enum { PIPES, SOCKETS, ANONYMOUS };

static int open_none(struct vnode *vnode, struct file *file)
{
	(void)vnode;
	(void)file;
	return -ENXIO;
}

int outside_setattr(struct vnode *vnode, const struct attributes *attributes, uint32_t mask)
{
	if (mask & ATTRIBUTE_SIZE)
		return -EINVAL;
	vnode_set_attributes(vnode, attributes, mask);
	return 0;
}

static const struct vnode_ops outside_ops = {.open = open_none, .setattr = outside_setattr};

struct vnode *vnode_outside(uint32_t mode, uint64_t inode)
{
	unsigned kind = S_ISFIFO(mode) ? PIPES : S_ISSOCK(mode) ? SOCKETS : ANONYMOUS;
	struct vnode *vnode = vnode_create(&filesystems[kind], mode, sizeof(*vnode));
	if (!vnode)
		return 0;
	const struct credentials *credentials = &current_task()->credentials;
	vnode->uid = kind == ANONYMOUS ? 0 : credentials->fsuid;
	vnode->gid = kind == ANONYMOUS ? 0 : credentials->fsgid;
	vnode->inode = inode;
	vnode->ops = &outside_ops;
	return vnode;
}

/* The number in a text such as "socket:[17]". */
static uint64_t number_in(const char *text)
{
	uint64_t number = 0;
	for (; *text; text++)
		if (*text >= '0' && *text <= '9')
			number = number * 10 + (uint64_t)(*text - '0');
	return number;
}

struct vnode *file_vnode(struct file *file)
{
	static struct vnode *anonymous;
	char text[64] = "";
	if (file->vnode)
		return file->vnode;
	if (file->ops->describe)
		file->ops->describe(file, text, sizeof(text));
	if (strncmp(text, "socket:", 7) == 0)
		return file->vnode = vnode_outside(S_IFSOCK | 0777, number_in(text));
	if (!anonymous)
		anonymous = vnode_outside(0600, 1);
	return anonymous ? file->vnode = vnode_reference(anonymous) : 0;
}
