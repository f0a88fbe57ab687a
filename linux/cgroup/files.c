/* The file system "cgroup2": groups are directories, their controls files. Nodes are made at each lookup, and what is changed of
 * them (owner and mode) is the group's. Each namespace's view is a file system of its own, from the namespace's root down.
 */
#include "../internal.h"
#include "../fs/name.h"
#include "../fs/open.h"
#include "../proc/proc.h"
#include "cgroup.h"

#define MAGIC         0x63677270
#define WRITE_MAX     4096u
#define NUMBER_STRIDE 64u /* inodes: a group's number, then which control */

struct node {
	struct vnode vnode;
	struct cgroup *group; /* a reference */
	uint32_t control;     /* 0: the directory */
	struct list link;     /* in the group's */
};

/* An open control. */
struct opened {
	struct proc_text text;
	uint64_t seen;                 /* the change that was read */
	struct credentials opener;     /* who decides what may be moved; with a reference */
	struct cgroup_namespace *from; /* a reference */
};

bool cgroup_delegates;
struct cgroup_namespace cgroup_namespace_first = {.common = {.kind = NAMESPACE_CGROUP,
                                                             .references = 1,
                                                             .inode = 4026531835ull,
                                                             .owner = &user_namespace_first},
                                                  .root = &cgroup_root};

static const struct vnode_ops directory_vnode_ops, file_vnode_ops;
static const struct file_ops directory_ops, file_ops, event_ops;

static struct node *node_of(struct vnode *vnode)
{
	return container_of(vnode, struct node, vnode);
}

/* ---- Nodes ---- */

static struct vnode *node_make(struct filesystem *filesystem, struct cgroup *group, uint32_t control,
                               int *error)
{
	const struct cgroup_rights *rights = &group->rights[control];
	uint32_t type = control ? S_IFREG : S_IFDIR;
	struct node *node = (struct node *)vnode_create(filesystem, type | rights->mode, sizeof(*node));
	if (!node) {
		*error = -ENOMEM;
		return 0;
	}
	node->vnode.uid = rights->uid;
	node->vnode.gid = rights->gid;
	node->vnode.inode = group->number * NUMBER_STRIDE + control;
	node->vnode.ops = control ? &file_vnode_ops : &directory_vnode_ops;
	node->vnode.file_ops = !control                              ? &directory_ops
	                       : cgroup_controls[control].event >= 0 ? &event_ops
	                                                             : &file_ops;
	node->vnode.links = control ? 1 : 2;
	node->group = cgroup_reference(group);
	node->control = control;
	list_append(&group->vnodes, &node->link);
	return &node->vnode;
}

static void node_release(struct vnode *vnode)
{
	struct node *node = node_of(vnode);
	list_remove(&node->link);
	cgroup_release(node->group);
}

void cgroup_tell_watches(struct cgroup *group, uint32_t control)
{
	struct list *next = group->vnodes.next;
	while (next != &group->vnodes) {
		struct node *node = list_entry(next, struct node, link);
		vnode_reference(&node->vnode);
		if (!node->control)
			inotify_name(&node->vnode, IN_MODIFY, cgroup_controls[control].name, false, 0);
		else if (node->control == control)
			inotify_vnode(&node->vnode, IN_MODIFY);
		next = node->link.next;
		vnode_release(&node->vnode);
	}
}

static struct vnode *directory_lookup(struct vnode *vnode, const char *name, uint32_t length, int *error)
{
	struct cgroup *group = node_of(vnode)->group;
	*error = -ENOENT;
	if (group->gone)
		return 0;
	for (uint32_t i = 1; cgroup_controls[i].name; i++) {
		const char *own = cgroup_controls[i].name;
		if (strlen(own) == length && memcmp(own, name, length) == 0)
			return control_there(group, &cgroup_controls[i])
			           ? node_make(vnode->filesystem, group, i, error)
			           : 0;
	}
	struct cgroup *child = cgroup_child(group, name, length);
	return child ? node_make(vnode->filesystem, child, 0, error) : 0;
}

static struct vnode *directory_create(struct vnode *vnode, const char *name, uint32_t length, uint32_t mode,
                                      uint64_t device, int *error)
{
	(void)device;
	*error = S_ISREG(mode) ? -EACCES : -EPERM;
	if (!S_ISDIR(mode))
		return 0;
	struct cgroup *group = cgroup_create(node_of(vnode)->group, name, length, mode & 07777, error);
	struct vnode *made = group ? node_make(vnode->filesystem, group, 0, error) : 0;
	if (group && !made)
		(void)cgroup_remove(group);
	return made;
}

static int directory_unlink(struct vnode *vnode, const char *name, uint32_t length, struct vnode *target)
{
	(void)vnode;
	(void)name;
	(void)length;
	struct node *node = node_of(target);
	return node->control ? -EPERM : node->group->gone ? -ENOENT : cgroup_remove(node->group);
}

static int node_setattr(struct vnode *vnode, const struct attributes *attributes, uint32_t mask)
{
	struct node *node = node_of(vnode), *each;
	if (mask & ATTRIBUTE_SIZE) /* O_TRUNC changes nothing */
		mask &= ~(uint32_t)(ATTRIBUTE_SIZE | ATTRIBUTE_MTIME);
	vnode_set_attributes(vnode, attributes, mask);
	node->group->rights[node->control] =
	    (struct cgroup_rights){vnode->uid, vnode->gid, vnode->mode & 07777};
	list_for_each(each, &node->group->vnodes, link)
	{
		if (each->control != node->control)
			continue;
		each->vnode.mode = vnode->mode;
		each->vnode.uid = vnode->uid;
		each->vnode.gid = vnode->gid;
	}
	return 0;
}

/* ---- Open files ---- */

static int directory_open(struct vnode *vnode, struct file *file)
{
	(void)vnode;
	file->ops = &directory_ops;
	return 0;
}

/* Who has the file of a control open has it still when the group has gone, or its controller. */
static bool there(const struct node *node)
{
	return !node->group->gone && control_there(node->group, &cgroup_controls[node->control]);
}

static int file_open(struct vnode *vnode, struct file *file)
{
	const struct node *node = node_of(vnode);
	const struct control *control = &cgroup_controls[node->control];
	if (!there(node))
		return -ENODEV;
	struct opened *opened = heap_allocate(sizeof(*opened));
	if (!opened)
		return -ENOMEM;
	opened->opener = current_task()->credentials;
	(void)namespace_reference(&opened->opener.user->common);
	opened->from = cgroup_namespace_current();
	(void)namespace_reference(&opened->from->common);
	if (control->event >= 0)
		opened->seen = node->group->changes[control->event];
	file->private = opened;
	file->ops = vnode->file_ops;
	return 0;
}

static void file_release_control(struct file *file)
{
	struct opened *opened = file->private;
	if (!opened)
		return;
	namespace_release(&opened->opener.user->common);
	namespace_release(&opened->from->common);
	heap_free(opened->text.bytes);
	heap_free(opened);
}

static int64_t file_read(struct file *file, struct io *io, int64_t *position)
{
	struct opened *opened = file->private;
	const struct node *node = node_of(file->vnode);
	const struct control *control = &cgroup_controls[node->control];
	if (!there(node))
		return -ENODEV;
	if (!control->text)
		return -EINVAL;
	if (*position == 0) {
		opened->text.length = 0;
		opened->text.failed = false;
		if (control->event >= 0)
			opened->seen = node->group->changes[control->event];
		int error = control->text(node->group, &opened->text);
		if (error || opened->text.failed)
			return error ? error : -ENOMEM;
	}
	return proc_text_read(&opened->text, io, position);
}

static int64_t file_write(struct file *file, struct io *io, int64_t *position)
{
	const struct opened *opened = file->private;
	const struct node *node = node_of(file->vnode);
	const struct control *control = &cgroup_controls[node->control];
	struct task *task = current_task();
	char line[WRITE_MAX + 1];
	if (!there(node))
		return -ENODEV;
	if (cgroup_delegates && !control->delegated && opened->from != &cgroup_namespace_first &&
	    opened->from->root == node->group)
		return -EPERM;
	if (!control->write && !control->move)
		return -EINVAL;
	if (io->remaining > WRITE_MAX)
		return -E2BIG;
	int64_t count = io_take(io, line, WRITE_MAX);
	if (count < 0)
		return count;
	int64_t length = count;
	while (length && (line[length - 1] == '\n' || line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	line[length] = 0;
	/* Who opened it decides what may be moved, so that nobody can have a privileged program write for him. */
	int error;
	if (control->move) {
		struct credentials own = task->credentials;
		task->credentials = opened->opener;
		error = control->move(node->group, line, opened->from->root);
		task->credentials = own;
	} else {
		error = control->write(node->group, line);
	}
	if (!error)
		*position += count;
	return error ? error : count;
}

static int64_t file_seek(struct file *file, int64_t offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += file->position;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return offset < 0 ? -EINVAL : (file->position = offset);
}

static uint32_t event_poll(struct file *file, struct poll_table *table)
{
	const struct opened *opened = file->private;
	const struct node *node = node_of(file->vnode);
	const struct control *control = &cgroup_controls[node->control];
	poll_wait(table, &node->group->wait);
	bool news = !there(node) || node->group->changes[control->event] != opened->seen;
	return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | (news ? POLLERR | POLLPRI : 0u);
}

static int64_t directory_getdents(struct file *file, struct dirent_sink *sink)
{
	const struct node *node = node_of(file->vnode);
	const struct cgroup *group = node->group, *child;
	uint64_t base = group->number * NUMBER_STRIDE;
	int64_t at = 2;
	if (group->gone)
		return 0;
	if (file->position < 1 && (!sink->entry(sink, ".", 1, base, DT_DIR, 1) || (file->position = 1, 0)))
		return 0;
	if (file->position < 2 &&
	    (!sink->entry(sink, "..", 2, group->parent ? group->parent->number * NUMBER_STRIDE : base, DT_DIR,
	                  2) ||
	     (file->position = 2, 0)))
		return 0;
	for (uint32_t i = 1; cgroup_controls[i].name; i++) {
		const char *name = cgroup_controls[i].name;
		if (at++ < file->position)
			continue;
		if (control_there(group, &cgroup_controls[i]) &&
		    !sink->entry(sink, name, (uint32_t)strlen(name), base + i, DT_REG, at))
			return 0;
		file->position = at;
	}
	/* Behind the controls: by numbers, which do not change when others go. */
	list_for_each(child, &group->children, sibling)
	{
		int64_t own = at + (int64_t)child->number;
		if (own < file->position)
			continue;
		if (!sink->entry(sink, child->name, (uint32_t)strlen(child->name),
		                 child->number * NUMBER_STRIDE, DT_DIR, own + 1))
			return 0;
		file->position = own + 1;
	}
	return 0;
}

static int64_t directory_read(struct file *file, struct io *io, int64_t *position)
{
	(void)file;
	(void)io;
	(void)position;
	return -EISDIR;
}

static const struct vnode_ops directory_vnode_ops = {.lookup = directory_lookup,
                                                     .create = directory_create,
                                                     .unlink = directory_unlink,
                                                     .setattr = node_setattr,
                                                     .open = directory_open,
                                                     .release = node_release};
static const struct vnode_ops file_vnode_ops = {
    .setattr = node_setattr, .open = file_open, .release = node_release};
static const struct file_ops directory_ops = {
    .read = directory_read, .getdents = directory_getdents, .seek = file_seek, .seekable = true};
static const struct file_ops file_ops = {.read = file_read,
                                         .write = file_write,
                                         .seek = file_seek,
                                         .release = file_release_control,
                                         .seekable = true};
static const struct file_ops event_ops = {.read = file_read,
                                          .write = file_write,
                                          .seek = file_seek,
                                          .poll = event_poll,
                                          .release = file_release_control,
                                          .seekable = true};

struct cgroup *cgroup_of_vnode(const struct vnode *vnode)
{
	return vnode->ops == &directory_vnode_ops ? container_of(vnode, struct node, vnode)->group : 0;
}

struct cgroup *cgroup_of_file(const struct file *file)
{
	return file->vnode ? cgroup_of_vnode(file->vnode) : 0;
}

/* ---- The file system ---- */

static int configure(struct filesystem *filesystem, char *text, bool new)
{
	static const char *const known[] = {"nsdelegate", "memory_recursiveprot", "memory_localevents",
	                                    "favordynmods", 0};
	bool delegates = false;
	(void)filesystem;
	while (*text) {
		char *next = strchr(text, ',');
		unsigned i = 0;
		if (next)
			*next++ = 0;
		while (known[i] && strcmp(known[i], text) != 0)
			i++;
		if (*text && !known[i])
			return -EINVAL;
		delegates = delegates || !i;
		text = next ? next : text + strlen(text);
	}
	/* The first namespace's mounts decide for all. */
	if (cgroup_namespace_current() == &cgroup_namespace_first && (!new || delegates))
		cgroup_delegates = delegates;
	return 0;
}

static void options(const struct filesystem *filesystem, struct proc_text *text)
{
	(void)filesystem;
	if (cgroup_delegates)
		proc_print(text, ",nsdelegate");
}

static void gone(struct filesystem *filesystem)
{
	struct cgroup *root = filesystem->private;
	vnode_release(filesystem->root);
	heap_free(filesystem);
	cgroup_release(root);
}

struct filesystem *cgroup_filesystem(struct cgroup *root)
{
	static struct filesystem *first;
	int error;
	if (!root->parent && first)
		return first;
	if (!root->parent) {
		cgroup_root.rights[0] = (struct cgroup_rights){0, 0, 0755};
		for (uint32_t i = 1; cgroup_controls[i].name; i++)
			cgroup_root.rights[i].mode = cgroup_controls[i].mode;
	}
	struct filesystem *made = heap_allocate(sizeof(*made));
	if (!made)
		return 0;
	made->name = "cgroup2";
	made->flags = FILESYSTEM_UNCACHED;
	made->magic = MAGIC;
	made->device = 5;
	made->configure = configure;
	made->options = options;
	made->root = node_make(made, root, 0, &error);
	if (!made->root) {
		heap_free(made);
		return 0;
	}
	if (!root->parent)
		return first = made;
	made->private = cgroup_reference(root);
	made->release = gone;
	return made;
}

/* ---- Namespaces ---- */

struct cgroup_namespace *cgroup_namespace_current(void)
{
	const struct namespaces *own = current_task()->namespaces;
	return own ? container_of(own->of[NAMESPACE_CGROUP], struct cgroup_namespace, common)
	           : &cgroup_namespace_first;
}

struct namespace *cgroup_namespace_copy(struct namespace *from, struct user_namespace *owner, int *error)
{
	struct cgroup_namespace *made = heap_allocate(sizeof(*made));
	(void)from;
	*error = made ? namespace_init(&made->common, NAMESPACE_CGROUP, owner) : -ENOMEM;
	if (*error) {
		heap_free(made);
		return 0;
	}
	made->root = cgroup_reference(cgroup_of(current_task()));
	return &made->common;
}

void cgroup_namespace_free(struct namespace *namespace)
{
	struct cgroup_namespace *own = container_of(namespace, struct cgroup_namespace, common);
	namespace_deinit(namespace);
	cgroup_release(own->root);
	heap_free(own);
}
