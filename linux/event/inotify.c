/* inotify(7): watches hang on vnodes; events queue at their instance, identical neighbours merged. */
#include "../internal.h"
#include "../fs/errand.h"
#include "../fs/name.h"
#include "../fs/open.h"
#include "../proc/proc.h"

enum {
	IN_ALL = 0xfff,
	IN_IGNORED = 0x8000,
	IN_Q_OVERFLOW = 0x4000,
	IN_ISDIR = 0x40000000,
	IN_ONLYDIR = 0x01000000,
	IN_DONT_FOLLOW = 0x02000000,
	IN_EXCL_UNLINK = 0x04000000,
	IN_MASK_CREATE = 0x10000000,
	IN_MASK_ADD = 0x20000000,
};
#define IN_ONESHOT 0x80000000u
#define IN_KNOWN                                                                                             \
	(IN_ALL | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK |   \
	 IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT)
#define EVENTS_MAX 16384u

struct inotify {
	struct list link; /* in `instances` */
	struct list watches, events;
	uint32_t event_count, event_bytes;
	int32_t next_watch;
	struct wait_queue wait;
};

struct watch {
	struct list link, vnode_link;
	struct inotify *inotify;
	struct vnode *vnode; /* a reference */
	int32_t number;
	uint32_t mask;
};

struct inotify_event {
	struct list link;
	struct {
		int32_t watch;
		uint32_t mask, cookie, length; /* of the name with its padding */
	} header;
	char name[];
};

static struct list instances = LIST_INIT(instances);

static void queue_event(struct inotify *inotify, int32_t watch, uint32_t mask, uint32_t cookie,
                        const char *name)
{
	uint32_t length = name && name[0] ? ((uint32_t)strlen(name) + 16) & ~15u : 0;
	if (!list_empty(&inotify->events)) {
		const struct inotify_event *last =
		    container_of(inotify->events.previous, struct inotify_event, link);
		if (last->header.watch == watch && last->header.mask == mask &&
		    last->header.length == length && (!length || strcmp(last->name, name) == 0))
			return;
	}
	if (inotify->event_count >= EVENTS_MAX) {
		watch = -1;
		mask = IN_Q_OVERFLOW;
		length = 0;
		if (inotify->event_count > EVENTS_MAX)
			return;
	}
	struct inotify_event *event = heap_allocate(sizeof(*event) + length);
	if (!event)
		return;
	event->header.watch = watch;
	event->header.mask = mask;
	event->header.cookie = cookie;
	event->header.length = length;
	if (length)
		text_copy(event->name, length, name);
	list_append(&inotify->events, &event->link);
	inotify->event_count++;
	inotify->event_bytes += (uint32_t)sizeof(event->header) + length;
	wake_all(&inotify->wait, POLLIN);
}

static void watch_remove(struct watch *watch, bool tell)
{
	if (tell)
		queue_event(watch->inotify, watch->number, IN_IGNORED, 0, 0);
	list_remove(&watch->link);
	list_remove(&watch->vnode_link);
	vnode_release(watch->vnode);
	heap_free(watch);
}

/* Tells those of VNODE's watches that want EVENT, those with a flag in EXCEPT apart. */
static void notify(struct vnode *vnode, uint32_t event, const char *name, uint32_t extra, uint32_t cookie,
                   uint32_t except)
{
	struct watch *watch;
	struct watch *next;
	vnode_reference(vnode); /* the last watch may hold the last reference */
	list_for_each_safe(watch, next, &vnode->watches, vnode_link)
	{
		if (!(watch->mask & event) || (watch->mask & except))
			continue;
		queue_event(watch->inotify, watch->number, event | extra, cookie, name);
		if (watch->mask & IN_ONESHOT)
			watch_remove(watch, true);
	}
	vnode_release(vnode);
}

static uint32_t directory_bit(const struct vnode *vnode)
{
	return S_ISDIR(vnode->mode) ? IN_ISDIR : 0;
}

uint32_t inotify_cookie(void)
{
	static uint32_t last;
	return ++last ? last : ++last;
}

void inotify_name(struct vnode *directory, uint32_t event, const char *name, bool is_directory,
                  uint32_t cookie)
{
	if (fanotify_mark_count)
		fanotify_name(event, directory, name, is_directory);
	if (!list_empty(&directory->watches))
		notify(directory, event, name, is_directory ? IN_ISDIR : 0, cookie, 0);
}

/* The same for the watches of inotify alone. */
static void vnode_event(struct vnode *vnode, uint32_t event)
{
	if (list_empty(&vnode->watches))
		return;
	vnode_reference(vnode);
	/* Linux does not say of its own end or move that it is a directory. */
	bool self = event == IN_DELETE_SELF || event == IN_MOVE_SELF;
	notify(vnode, event, 0, self ? 0 : directory_bit(vnode), 0, 0);
	if (event == IN_DELETE_SELF)
		while (!list_empty(&vnode->watches))
			watch_remove(list_first(&vnode->watches, struct watch, vnode_link), true);
	vnode_release(vnode);
}

void inotify_vnode(struct vnode *vnode, uint32_t event)
{
	if (fanotify_mark_count)
		fanotify_event(event, vnode, 0);
	vnode_event(vnode, event);
}

void inotify_filesystem_gone(const struct filesystem *filesystem)
{
	struct inotify *inotify;
	struct watch *watch;
	struct watch *next;
	list_for_each(inotify, &instances, link)
	{
		list_for_each_safe(watch, next, &inotify->watches, link)
		{
			if (watch->vnode->filesystem != filesystem)
				continue;
			queue_event(inotify, watch->number, IN_UNMOUNT, 0, 0); /* whatever it wants */
			watch_remove(watch, true);
		}
	}
}

static void path_event(const struct path *path, uint32_t event, bool by_file)
{
	if (fanotify_mark_count)
		fanotify_event(event, path->dentry->vnode, path);
	struct dentry *dentry = path->dentry;
	struct vnode *parent = dentry->parent == dentry ? 0 : dentry->parent->vnode;
	bool gone = by_file && !dentry->hashed && !(dentry->vnode->filesystem->flags & FILESYSTEM_UNCACHED);
	if (parent && !list_empty(&parent->watches))
		notify(parent, event, dentry->name, directory_bit(dentry->vnode), 0,
		       gone ? IN_EXCL_UNLINK : 0);
	vnode_event(dentry->vnode, event);
}

void inotify_path(const struct path *path, uint32_t event)
{
	path_event(path, event, false);
}

void inotify_file(struct file *file, uint32_t event)
{
	if (file->path.dentry)
		path_event(&file->path, event, true);
	else
		inotify_vnode(file->vnode, event);
}

static int64_t inotify_read(struct file *file, struct io *io, int64_t *position)
{
	struct inotify *inotify = file->private;
	int64_t total = 0;
	(void)position;
	if (list_empty(&inotify->events)) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int result = wait_event(&inotify->wait, !list_empty(&inotify->events), DEADLINE_NEVER);
		if (result)
			return result;
	}
	while (!list_empty(&inotify->events)) {
		struct inotify_event *event = list_first(&inotify->events, struct inotify_event, link);
		uint32_t bytes = (uint32_t)sizeof(event->header) + event->header.length;
		if (bytes > io->remaining)
			return total ? total : -EINVAL;
		int64_t done = io_put(io, &event->header, bytes);
		if (done < 0)
			return total ? total : done;
		total += done;
		inotify->event_count--;
		inotify->event_bytes -= bytes;
		list_remove(&event->link);
		heap_free(event);
	}
	return total;
}

static uint32_t inotify_poll(struct file *file, struct poll_table *table)
{
	struct inotify *inotify = file->private;
	poll_wait(table, &inotify->wait);
	return list_empty(&inotify->events) ? 0 : POLLIN | POLLRDNORM;
}

static int64_t inotify_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	const struct inotify *inotify = file->private;
	enum { FIONREAD = 0x541b };
	return command == FIONREAD ? put_user_u32(argument, inotify->event_bytes) : -ENOTTY;
}

static void inotify_release(struct file *file)
{
	struct inotify *inotify = file->private;
	list_remove(&inotify->link);
	while (!list_empty(&inotify->watches))
		watch_remove(list_first(&inotify->watches, struct watch, link), false);
	while (!list_empty(&inotify->events)) {
		struct inotify_event *event = list_first(&inotify->events, struct inotify_event, link);
		list_remove(&event->link);
		heap_free(event);
	}
	heap_free(inotify);
}

static void inotify_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "anon_inode:inotify");
}

static void inotify_info(struct file *file, struct proc_text *text)
{
	const struct inotify *inotify = file->private;
	const struct watch *watch;
	list_for_each(watch, &inotify->watches, link)
	{
		const struct vnode *vnode = watch->vnode;
		proc_print(text,
		           "inotify wd:%x ino:%lx sdev:%lx mask:%x ignored_mask:0 fhandle-bytes:8 "
		           "fhandle-type:1 f_handle:%016lx\n",
		           watch->number, vnode->inode, vnode->filesystem ? vnode->filesystem->device : 0,
		           watch->mask & (IN_ALL | IN_EXCL_UNLINK | IN_ONESHOT),
		           __builtin_bswap64(vnode->inode));
	}
}

static const struct file_ops inotify_ops = {
    .read = inotify_read,
    .poll = inotify_poll,
    .ioctl = inotify_ioctl,
    .release = inotify_release,
    .describe = inotify_describe,
    .info = inotify_info,
};

SYSCALL_HANDLER(inotify_init1, uint32_t flags)
{
	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	struct inotify *inotify = heap_allocate(sizeof(*inotify));
	struct file *file = inotify ? file_create(&inotify_ops, O_RDONLY | (flags & O_NONBLOCK), inotify) : 0;
	if (!file) {
		heap_free(inotify);
		return -ENOMEM;
	}
	list_append(&instances, &inotify->link);
	list_init(&inotify->watches);
	list_init(&inotify->events);
	wait_queue_init(&inotify->wait);
	inotify->next_watch = 1;
	return file_give(file, flags & O_CLOEXEC);
}

SYSCALL_HANDLER(inotify_init, void)
{
	return sys_inotify_init1(0);
}

static struct inotify *inotify_of(int fd, int64_t *error)
{
	struct file *file = file_of(fd);
	*error = file ? -EINVAL : -EBADF;
	return file && file->ops == &inotify_ops ? file->private : 0;
}

SYSCALL_HANDLER(inotify_add_watch, int fd, uint64_t path_address, uint32_t mask)
{
	char text[PATH_MAX_BYTES];
	struct path path;
	int64_t error;
	struct inotify *inotify = inotify_of(fd, &error);
	if (!inotify)
		return error;
	if (!mask || (mask & ~IN_KNOWN) ||
	    (mask & (IN_MASK_ADD | IN_MASK_CREATE)) == (IN_MASK_ADD | IN_MASK_CREATE))
		return -EINVAL;
	int64_t length = path_from_user(text, path_address, false);
	if (length < 0)
		return length;
	uint32_t walk = (mask & IN_DONT_FOLLOW ? 0 : WALK_FOLLOW) | (mask & IN_ONLYDIR ? WALK_DIRECTORY : 0);
	error = with_errands(path_walk(AT_FDCWD, text, walk, &path));
	if (!error && (error = access_check(path.dentry->vnode, 4)) != 0)
		path_release(&path);
	if (error)
		return error;
	struct vnode *vnode = path.dentry->vnode;
	struct watch *watch = 0;
	struct watch *other;
	list_for_each(other, &vnode->watches, vnode_link) if (other->inotify == inotify) watch = other;
	uint32_t kept = mask & (IN_ALL | IN_ONESHOT | IN_EXCL_UNLINK);
	if (watch && (mask & IN_MASK_CREATE)) {
		error = -EEXIST;
	} else if (watch) {
		watch->mask = mask & IN_MASK_ADD ? watch->mask | kept : kept;
		error = watch->number;
	} else if (!(watch = heap_allocate(sizeof(*watch)))) {
		error = -ENOMEM;
	} else {
		watch->inotify = inotify;
		watch->vnode = vnode_reference(vnode);
		watch->mask = kept;
		watch->number = inotify->next_watch++;
		list_append(&inotify->watches, &watch->link);
		list_append(&vnode->watches, &watch->vnode_link);
		error = watch->number;
	}
	path_release(&path);
	return error;
}

SYSCALL_HANDLER(inotify_rm_watch, int fd, int32_t number)
{
	int64_t error;
	struct inotify *inotify = inotify_of(fd, &error);
	struct watch *watch;
	if (!inotify)
		return error;
	list_for_each(watch, &inotify->watches, link)
	{
		if (watch->number == number) {
			watch_remove(watch, true);
			return 0;
		}
	}
	return -EINVAL;
}
