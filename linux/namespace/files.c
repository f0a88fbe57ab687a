/* Files that stand for namespaces: those that the links of /proc/PID/ns lead to, which setns(2) takes, and which can be
 * mounted elsewhere so that a namespace stays. ioctl_ns(2).
 */
#include "../internal.h"
#include "../fs/name.h"

enum { NS_GET_USERNS = 0xb701, NS_GET_PARENT, NS_GET_NSTYPE, NS_GET_OWNER_UID };

static struct filesystem filesystem = {
    .name = "nsfs", .flags = FILESYSTEM_BARE, .references = 1, .magic = 0x6e736673, .device = 4};
static const struct file_ops namespace_file_ops;

static int vnode_open(struct vnode *vnode, struct file *file)
{
	(void)vnode;
	if (file_writable(file))
		return -EPERM;
	file->ops = &namespace_file_ops;
	return 0;
}

static void vnode_gone(struct vnode *vnode)
{
	namespace_release(vnode->private);
}

static const struct vnode_ops namespace_vnode_ops = {.open = vnode_open, .release = vnode_gone};

struct namespace *namespace_of_vnode(const struct vnode *vnode)
{
	return vnode->ops == &namespace_vnode_ops ? vnode->private : 0;
}

struct namespace *namespace_of_file(const struct file *file)
{
	return file->vnode && !(file->flags & O_PATH) ? namespace_of_vnode(file->vnode) : 0;
}

/* The one mount of them, which is in no tree. */
static struct mount *own_mount(void)
{
	static struct mount *mount;
	if (mount)
		return mount;
	filesystem.root = vnode_create(&filesystem, S_IFDIR | 0500, sizeof(struct vnode));
	if (!filesystem.root)
		return 0;
	filesystem.root->ops = &namespace_vnode_ops;
	struct dentry *root = dentry_create(0, "/", 1, filesystem.root);
	mount = root ? mount_create(&filesystem, root, "nsfs") : 0;
	if (root)
		dentry_release(root);
	return mount;
}

int namespace_path(struct namespace *namespace, struct path *to)
{
	char name[40];
	struct mount *mount = own_mount();
	struct vnode *vnode = mount ? vnode_create(&filesystem, S_IFREG | 0444, sizeof(*vnode)) : 0;
	if (!vnode)
		return -ENOMEM;
	vnode->inode = namespace->inode;
	vnode->ops = &namespace_vnode_ops;
	vnode->private = namespace_reference(namespace);
	int length =
	    text_format(name, sizeof(name), "%s:[%lu]", namespace_name(namespace->kind), namespace->inode);
	struct dentry *dentry = dentry_create(0, name, (uint32_t)length, vnode);
	if (!dentry) {
		vnode_release(vnode);
		return -ENOMEM;
	}
	mount->references++;
	*to = (struct path){mount, dentry};
	return 0;
}

/* A descriptor for it. */
static int64_t namespace_open(struct namespace *namespace)
{
	struct path path;
	int error = namespace_path(namespace, &path);
	if (error)
		return error;
	struct file *file = file_create(&namespace_file_ops, O_RDONLY, 0);
	if (!file) {
		path_release(&path);
		return -ENOMEM;
	}
	file->vnode = vnode_reference(path.dentry->vnode);
	file->path = path;
	return file_give(file, true);
}

static struct namespace *parent_of(struct namespace *namespace)
{
	if (namespace->kind == NAMESPACE_USER)
		return namespace->owner ? &namespace->owner->common : 0;
	struct pid_namespace *parent = container_of(namespace, struct pid_namespace, common)->parent;
	return parent ? &parent->common : 0;
}

/* May the current task be shown NAMESPACE: none above its own. */
static bool visible(const struct namespace *namespace)
{
	if (namespace->kind == NAMESPACE_USER)
		return user_namespace_within(container_of(namespace, struct user_namespace, common),
		                             user_namespace_current());
	const struct pid_namespace *at = container_of(namespace, struct pid_namespace, common);
	while (at && at != pid_namespace_current())
		at = at->parent;
	return at != 0;
}

static int64_t namespace_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	struct namespace *namespace = namespace_of_file(file), *other;
	switch (command) {
	case NS_GET_USERNS:
		other = namespace->owner ? &namespace->owner->common : 0;
		return other && visible(other) ? namespace_open(other) : -EPERM;
	case NS_GET_PARENT:
		if (namespace->kind != NAMESPACE_USER && namespace->kind != NAMESPACE_PID)
			return -EINVAL;
		other = parent_of(namespace);
		return other && visible(other) ? namespace_open(other) : -EPERM;
	case NS_GET_NSTYPE:
		return (int64_t)namespace_flag(namespace->kind);
	case NS_GET_OWNER_UID:
		if (namespace->kind != NAMESPACE_USER)
			return -EINVAL;
		return put_user_u32(
		    argument, uid_seen(container_of(namespace, struct user_namespace, common)->creator_uid));
	default:
		return -ENOTTY;
	}
}

static const struct file_ops namespace_file_ops = {.ioctl = namespace_ioctl};
