/* See fanotify.h. */
#include "event/fanotify.h"
#include "../internal.h"
#include "../fs/errand.h"
#include "../fs/handle.h"
#include "../fs/name.h"
#include "../fs/open.h"
#include "../proc/proc.h"

enum init_flags {
	FAN_CLOEXEC = 1,
	FAN_NONBLOCK = 2,
	FAN_CLASS_CONTENT = 4,
	FAN_CLASS_PRE_CONTENT = 8,
	FAN_CLASSES = 12,
	FAN_UNLIMITED_QUEUE = 0x10,
	FAN_UNLIMITED_MARKS = 0x20,
	FAN_REPORT_PIDFD = 0x80,
	FAN_REPORT_TID = 0x100,
	FAN_REPORT_FID = 0x200,
	FAN_REPORT_DIR_FID = 0x400,
	FAN_REPORT_NAME = 0x800,
	FAN_REPORTS = 0xe00,
	FAN_ADMIN =
	    FAN_CLASSES | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS | FAN_REPORT_TID | FAN_REPORT_PIDFD,
	FAN_INIT_KNOWN = FAN_CLOEXEC | FAN_NONBLOCK | FAN_ADMIN | FAN_REPORTS,
};
enum mark_flags {
	FAN_MARK_ADD = 1,
	FAN_MARK_REMOVE = 2,
	FAN_MARK_DONT_FOLLOW = 4,
	FAN_MARK_ONLYDIR = 8,
	FAN_MARK_MOUNT = 0x10,
	FAN_MARK_IGNORED_MASK = 0x20,
	FAN_MARK_IGNORED_SURV_MODIFY = 0x40,
	FAN_MARK_FLUSH = 0x80,
	FAN_MARK_FILESYSTEM = 0x100,
	FAN_MARK_EVICTABLE = 0x200,
	FAN_MARK_KNOWN = 0x3ff,
};
enum { FAN_ALLOW = 1, FAN_DENY = 2, FAN_NOFD = -1, FAN_NOPIDFD = -1, FAN_EPIDFD = -2 };
enum { INFO_FID = 1, INFO_DFID_NAME = 2, INFO_DFID = 3, INFO_PIDFD = 4 };

#define PERMISSIONS ((uint32_t)(FAN_OPEN_PERM | FAN_ACCESS_PERM | FAN_OPEN_EXEC_PERM))
/* What a group without file handles may ask for, and what comes from names. */
#define BY_DESCRIPTOR                                                                                        \
	((uint32_t)(IN_ACCESS | IN_MODIFY | IN_CLOSE_WRITE | IN_CLOSE_NOWRITE | IN_OPEN | FAN_OPEN_EXEC))
#define BY_NAME     ((uint32_t)(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO))
#define BY_HANDLE   (BY_DESCRIPTOR | BY_NAME | (uint32_t)(IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF))
#define MASK_FLAGS  ((uint32_t)(FAN_EVENT_ON_CHILD | FAN_ONDIR))
#define QUEUE_MAX   16384u
#define GROUPS_MAX  128u
#define MARKS_MAX   8192u
#define MERGE_LOOKS 128u /* this far back an event of the same kind is looked for */
#define BUCKETS     64u

enum mark_kind { MARK_INODE, MARK_MOUNT, MARK_FILESYSTEM };

struct mark {
	struct mark *next; /* in its bucket */
	enum mark_kind kind;
	void *object; /* an inode's is a reference to its vnode; the others tell when they go */
	uint32_t mask, ignored;
	bool ignored_survives, evictable;
};

struct group {
	struct list link;    /* in groups, while anybody has a reference: who waits goes on from it */
	uint32_t references; /* of the open file, of those that wait for an answer */
	uint32_t flags, event_flags;
	bool unprivileged, closed, overflowed;
	uint32_t event_count, mark_count;
	struct list events, asked; /* ASKED: read, and not answered yet */
	struct wait_queue wait;
	struct mark *buckets[BUCKETS];
};

/* What an event is about, as its records say it. */
struct subject {
	bool there;
	uint64_t device;
	struct file_handle_bytes handle;
};

struct event {
	struct list link;
	uint32_t references; /* of the queue, or of who waits and who reads */
	uint32_t mask;
	int32_t process, thread; /* ids of the first PID namespace */
	bool holds;              /* the number of the process */
	struct path path;        /* references; of groups without handles */
	struct subject object, directory;
	bool named;
	bool answered;
	uint32_t response;
	int32_t fd; /* by which it is answered */
	struct wait_queue wait;
	char name[NAME_MAX_BYTES + 1];
};

/* fanotify(7) */
struct metadata {
	uint32_t bytes;
	uint8_t version, reserved;
	uint16_t metadata_bytes;
	uint64_t mask;
	int32_t fd, process;
};
_Static_assert(sizeof(struct metadata) == 24, "fanotify(7)");

uint32_t fanotify_mark_count;
static struct list groups = LIST_INIT(groups);
static uint32_t group_count;

/* ---- Marks ---- */

static struct mark **bucket_of(struct group *group, const void *object)
{
	return &group->buckets[(uintptr_t)object * 0x9e3779b97f4a7c15ull >> 58];
}

static struct mark *mark_find(struct group *group, enum mark_kind kind, const void *object)
{
	struct mark *mark = object ? *bucket_of(group, object) : 0;
	while (mark && (mark->object != object || mark->kind != kind))
		mark = mark->next;
	return mark;
}

/* Takes *LINK's mark away. */
static void mark_drop(struct group *group, struct mark **link)
{
	struct mark *mark = *link;
	*link = mark->next;
	if (mark->kind == MARK_INODE)
		vnode_release(mark->object);
	heap_free(mark);
	group->mark_count--;
	fanotify_mark_count--;
}

/* That of OBJECT, if there is one. */
static void object_mark_drop(struct group *group, enum mark_kind kind, const void *object)
{
	struct mark **link = bucket_of(group, object);
	while (*link && ((*link)->object != object || (*link)->kind != kind))
		link = &(*link)->next;
	if (*link)
		mark_drop(group, link);
}

/* All of KIND. */
static void marks_drop(struct group *group, enum mark_kind kind)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct mark **link = &group->buckets[i]; *link;)
			if ((*link)->kind == kind)
				mark_drop(group, link);
			else
				link = &(*link)->next;
}

static void marks_drop_everywhere(enum mark_kind kind, const void *object)
{
	struct group *group;
	if (fanotify_mark_count)
		list_for_each(group, &groups, link) object_mark_drop(group, kind, object);
}

void fanotify_mount_gone(const struct mount *mount)
{
	marks_drop_everywhere(MARK_MOUNT, mount);
}

void fanotify_filesystem_gone(const struct filesystem *filesystem)
{
	struct group *group;
	if (!fanotify_mark_count)
		return;
	marks_drop_everywhere(MARK_FILESYSTEM, filesystem);
	list_for_each(group, &groups, link) for (unsigned i = 0; i < BUCKETS;
	                                         i++) for (struct mark **link = &group->buckets[i]; *link;)
	{
		const struct vnode *vnode = (*link)->kind == MARK_INODE ? (*link)->object : 0;
		if (vnode && vnode->filesystem == filesystem)
			mark_drop(group, link);
		else
			link = &(*link)->next;
	}
}

/* What happened, as marks are asked about it. */
struct happening {
	uint32_t event; /* with FAN_ONDIR */
	struct vnode *vnode, *parent;
	struct mount *mount;
};

static void consider(struct mark *mark, const struct happening *what, bool by_parent, uint32_t *mask,
                     uint32_t *ignored)
{
	if (!mark || (by_parent && !(mark->mask & FAN_EVENT_ON_CHILD)))
		return;
	if ((what->event & IN_MODIFY) && !mark->ignored_survives)
		mark->ignored = 0;
	if (!(what->event & FAN_ONDIR) || (mark->mask & FAN_ONDIR))
		*mask |= mark->mask;
	*ignored |= mark->ignored;
}

static bool group_wants(struct group *group, const struct happening *what)
{
	uint32_t mask = 0, ignored = 0;
	consider(mark_find(group, MARK_INODE, what->vnode), what, false, &mask, &ignored);
	consider(mark_find(group, MARK_INODE, what->parent), what, true, &mask, &ignored);
	consider(mark_find(group, MARK_MOUNT, what->mount), what, false, &mask, &ignored);
	consider(mark_find(group, MARK_FILESYSTEM, what->vnode->filesystem), what, false, &mask, &ignored);
	return what->event & mask & ~ignored & ~MASK_FLAGS;
}

/* ---- Events ---- */

static void group_release(struct group *group)
{
	if (--group->references)
		return;
	list_remove(&group->link);
	heap_free(group);
}

static void event_release(struct event *event)
{
	if (--event->references)
		return;
	path_release(&event->path);
	if (event->holds)
		number_drop(event->process);
	heap_free(event);
}

static struct event *event_make(uint32_t mask)
{
	const struct task *task = current_task();
	struct event *event = heap_allocate(sizeof(*event));
	if (!event)
		return 0;
	event->references = 1;
	event->mask = mask;
	event->process = task->process ? task->process->pid : 0;
	event->thread = task->tid;
	wait_queue_init(&event->wait);
	return event;
}

static struct subject subject_of(const struct vnode *vnode)
{
	return (struct subject){true, vnode->filesystem ? vnode->filesystem->device : 0, handle_of(vnode)};
}

static bool subjects_equal(const struct subject *a, const struct subject *b)
{
	return a->there == b->there &&
	       (!a->there || (a->device == b->device && a->handle.inode == b->handle.inode));
}

static bool event_same(const struct event *a, const struct event *b)
{
	return a->process == b->process && a->thread == b->thread && a->path.dentry == b->path.dentry &&
	       a->path.mount == b->path.mount && ((a->mask ^ b->mask) & FAN_ONDIR) == 0 &&
	       !((a->mask | b->mask) & (PERMISSIONS | FAN_Q_OVERFLOW)) &&
	       subjects_equal(&a->object, &b->object) && subjects_equal(&a->directory, &b->directory) &&
	       a->named == b->named && (!a->named || strcmp(a->name, b->name) == 0);
}

/* One among the last that says the same but for its bits takes EVENT's. */
static bool event_merge(struct group *group, const struct event *event)
{
	struct list *link = group->events.previous;
	for (unsigned looks = 0; looks < MERGE_LOOKS && link != &group->events; looks++) {
		struct event *other = container_of(link, struct event, link);
		if (event_same(other, event)) {
			other->mask |= event->mask;
			return true;
		}
		link = link->previous;
	}
	return false;
}

static void event_append(struct group *group, struct event *event)
{
	/* So that who reads it gets that process's descriptor or none. */
	event->holds = (group->flags & FAN_REPORT_PIDFD) && process_by_id(event->process);
	if (event->holds)
		number_hold(event->process);
	list_append(&group->events, &event->link);
	group->event_count++;
	wake_all(&group->wait, POLLIN);
}

/* An event is lost: the group hears that once, until it has read it. */
static void overflow(struct group *group)
{
	struct event *event = group->overflowed ? 0 : event_make(FAN_Q_OVERFLOW);
	if (!event)
		return;
	event->process = event->thread = 0;
	group->overflowed = true;
	event_append(group, event);
}

/* EVENT goes over. */
static void event_queue(struct group *group, struct event *event)
{
	if (event_merge(group, event)) {
		event_release(event);
	} else if (group->event_count >= QUEUE_MAX && !(group->flags & FAN_UNLIMITED_QUEUE)) {
		event_release(event);
		overflow(group);
	} else {
		event_append(group, event);
	}
}

/* Fills in whom EVENT names, of a group with handles: fanotify(7), "information records". */
static void event_name(const struct group *group, struct event *event, const struct vnode *vnode,
                       const struct vnode *parent, const char *name)
{
	bool of_name = event->mask & BY_NAME;
	bool self = !of_name && (event->mask & FAN_ONDIR);
	if (!(group->flags & FAN_REPORT_DIR_FID) || (!parent && !self)) {
		event->object = subject_of(vnode);
		return;
	}
	event->directory = subject_of(self ? vnode : parent);
	if (!of_name && !self && (group->flags & FAN_REPORT_FID))
		event->object = subject_of(vnode);
	event->named = group->flags & FAN_REPORT_NAME;
	if (event->named)
		text_copy(event->name, sizeof(event->name), self ? "." : name);
}

static void tell(struct group *group, const struct happening *what, const struct path *path, const char *name)
{
	bool by_handle = group->flags & FAN_REPORTS;
	if (!by_handle && !path)
		return;
	struct event *event = event_make(what->event);
	if (!event) {
		overflow(group);
		return;
	}
	if (by_handle) {
		event_name(group, event, what->vnode, what->parent, name);
	} else {
		event->path = *path;
		path_reference(path);
	}
	event_queue(group, event);
}

/* The directory in which PATH's name is; 0: it is a root, or unknown. */
static struct vnode *parent_of(const struct path *path)
{
	const struct dentry *dentry = path ? path->dentry : 0;
	return dentry && dentry->parent != dentry ? dentry->parent->vnode : 0;
}

void fanotify_event(uint32_t event, struct vnode *vnode, const struct path *path)
{
	struct happening what = {event | (S_ISDIR(vnode->mode) ? (uint32_t)FAN_ONDIR : 0), vnode, 0, 0};
	struct group *group;
	bool self = event & (IN_DELETE_SELF | IN_MOVE_SELF);
	if (path && !path->mount)
		path = 0;
	what.parent = self ? 0 : parent_of(path);
	what.mount = path ? path->mount : 0;
	vnode_reference(vnode);
	list_for_each(group, &groups, link) if (group_wants(group, &what))
	    tell(group, &what, path, path ? path->dentry->name : "");
	if (event == IN_DELETE_SELF)
		marks_drop_everywhere(MARK_INODE, vnode);
	vnode_release(vnode);
}

void fanotify_name(uint32_t event, struct vnode *directory, const char *name, bool is_directory)
{
	struct happening what = {event | (is_directory ? (uint32_t)FAN_ONDIR : 0), directory, 0, 0};
	struct group *group;
	list_for_each(group, &groups, link)
	{
		if (!group_wants(group, &what))
			continue;
		struct happening named = what;
		named.parent = directory;
		tell(group, &named, 0, name);
	}
}

/* ---- Permission ---- */

static int ask(struct group *group, uint32_t mask, const struct path *path)
{
	struct event *event = event_make(mask);
	int result = 0;
	if (!event)
		return -ENOMEM;
	event->references = 2; /* until it is answered or read, and this one */
	event->path = *path;
	path_reference(path);
	event->fd = FAN_NOFD;
	event_append(group, event);
	struct wait_entry entry;
	wait_begin(&entry, &event->wait);
	while (!event->answered && !result)
		result = wait_sleep_killable(DEADLINE_NEVER);
	wait_end(&entry);
	if (!event->answered) {
		/* Killed: nobody is to answer it any more. It may be in a queue, or just be read. */
		if (!list_empty(&event->link)) {
			group->event_count -= event->fd == FAN_NOFD;
			list_remove(&event->link);
			event->references--;
		}
		event->answered = true;
	} else {
		result = event->response == FAN_ALLOW ? 0 : -EPERM;
	}
	event_release(event);
	return result;
}

int fanotify_permit(uint32_t event, const struct path *path)
{
	struct vnode *vnode = path->dentry->vnode;
	struct happening what = {event | (S_ISDIR(vnode->mode) ? (uint32_t)FAN_ONDIR : 0), vnode,
	                         parent_of(path), path->mount};
	int result = 0;
	if (!path->mount)
		return 0;
	for (struct list *link = groups.next; link != &groups && !result;) {
		struct group *group = container_of(link, struct group, link);
		struct list *next = link->next;
		if (group_wants(group, &what)) {
			group->references++;
			result = ask(group, what.event, path);
			next = link->next;
			group_release(group);
		}
		link = next;
	}
	return result;
}

/* EVENT is answered. */
static void answer(struct event *event, uint32_t response)
{
	event->response = response;
	event->answered = true;
	list_remove(&event->link);
	wake_all(&event->wait, 0);
	event_release(event);
}

static int64_t fanotify_write(struct file *file, struct io *io, int64_t *position)
{
	struct group *group = file->private;
	struct {
		int32_t fd;
		uint32_t response;
	} request;
	(void)position;
	if (io->remaining < sizeof(request))
		return -EINVAL;
	int64_t got = io_take(io, &request, sizeof(request));
	if (got != (int64_t)sizeof(request))
		return -EFAULT;
	if ((request.response != FAN_ALLOW && request.response != FAN_DENY) || request.fd < 0)
		return -EINVAL;
	struct event *event;
	list_for_each(event, &group->asked, link)
	{
		if (event->fd != request.fd)
			continue;
		answer(event, request.response);
		return got;
	}
	return -ENOENT;
}

/* ---- Reading ---- */

#define RECORDS_MAX 512u

/* Adds a record of KIND about SUBJECT at AT; its end. */
static uint8_t *record(uint8_t *at, uint8_t kind, const struct subject *subject, const char *name)
{
	struct {
		uint8_t kind, padding;
		uint16_t bytes;
		uint32_t device[2];
		uint32_t handle_bytes;
		int32_t handle_type;
	} header = {.kind = kind, .handle_bytes = sizeof(subject->handle), .handle_type = HANDLE_TYPE};
	uint32_t name_bytes = name ? (uint32_t)strlen(name) + 1 : 0;
	uint32_t bytes = (uint32_t)(sizeof(header) + sizeof(subject->handle)) + name_bytes;
	header.bytes = (uint16_t)((bytes + 3) & ~3u);
	memcpy(header.device, &subject->device, 8);
	memset(at, 0, header.bytes);
	memcpy(at, &header, sizeof(header));
	memcpy(at + sizeof(header), &subject->handle, sizeof(subject->handle));
	if (name)
		memcpy(at + sizeof(header) + sizeof(subject->handle), name, name_bytes);
	return at + header.bytes;
}

static uint32_t records(const struct event *event, uint8_t *buffer)
{
	uint8_t *at = buffer;
	if (event->directory.there)
		at = record(at, event->named ? INFO_DFID_NAME : INFO_DFID, &event->directory,
		            event->named ? event->name : 0);
	if (event->object.there)
		at = record(at, INFO_FID, &event->object, 0);
	return (uint32_t)(at - buffer);
}

/* struct fanotify_event_info_pidfd. */
struct process_record {
	uint8_t kind, padding;
	uint16_t bytes;
	int32_t fd;
};

static uint32_t process_record_bytes(const struct group *group)
{
	return group->flags & FAN_REPORT_PIDFD ? sizeof(struct process_record) : 0;
}

/* A descriptor of the process that the reader sees as NUMBER. */
static int32_t process_open(const struct event *event, int32_t number)
{
	struct process *process = number ? process_by_id(event->process) : 0;
	if (!process)
		return FAN_NOPIDFD;
	int64_t fd = pidfd_install(process);
	return fd < 0 ? FAN_EPIDFD : (int32_t)fd;
}

/* A descriptor for what EVENT is about, through which nothing is told; or an error. */
static int64_t event_open(const struct group *group, const struct event *event)
{
	int error = 0;
	uint32_t type = event->path.dentry->vnode->mode & S_IFMT;
	if ((group->event_flags & O_ACCMODE) && event->path.mount->read_only &&
	    (type == S_IFREG || type == S_IFDIR))
		return -EROFS;
	struct file *file = open_path(&event->path, group->event_flags & ~(uint32_t)O_CLOEXEC, &error);
	if (!file)
		return error;
	file->unwatched = true;
	int64_t fd = file_install(file, 0, group->event_flags & O_CLOEXEC);
	if (fd < 0)
		file_release(file);
	return fd;
}

static int64_t read_one(struct group *group, struct event *event, struct io *io)
{
	const struct task *task = current_task();
	uint8_t buffer[RECORDS_MAX + sizeof(struct process_record)];
	uint32_t bytes = records(event, buffer);
	const uint32_t process_bytes = process_record_bytes(group);
	struct metadata metadata = {.bytes = (uint32_t)sizeof(metadata) + bytes + process_bytes,
	                            .version = 3,
	                            .metadata_bytes = sizeof(metadata),
	                            .mask =
	                                event->mask & ~(group->flags & FAN_REPORTS ? 0 : (uint32_t)FAN_ONDIR),
	                            .fd = FAN_NOFD};
	int32_t who = group->flags & FAN_REPORT_TID ? event->thread : event->process;
	if (who && (!group->unprivileged || event->process == task->process->pid))
		metadata.process = pid_in(task->process->pids, who);
	if (event->path.dentry) {
		int64_t fd = event_open(group, event);
		if (fd < 0)
			return fd;
		metadata.fd = (int32_t)fd;
	}
	struct process_record process = {.kind = INFO_PIDFD, .bytes = sizeof(process), .fd = FAN_NOPIDFD};
	if (process_bytes) {
		process.fd = process_open(event, metadata.process);
		memcpy(buffer + bytes, &process, sizeof(process));
		bytes += process_bytes;
	}
	int64_t done = io_put(io, &metadata, sizeof(metadata));
	if (done == (int64_t)sizeof(metadata) && bytes)
		done = io_put(io, buffer, bytes) == (int64_t)bytes ? done + bytes : -EFAULT;
	if (done == (int64_t)metadata.bytes) {
		event->fd = metadata.fd;
		return done;
	}
	if (metadata.fd >= 0)
		(void)sys_close(metadata.fd);
	if (process.fd >= 0)
		(void)sys_close(process.fd);
	return -EFAULT;
}

/* The first event, which goes out of the queue; and what becomes of it. */
static int64_t take_first(struct group *group, struct io *io)
{
	struct event *event = list_first(&group->events, struct event, link);
	uint8_t buffer[RECORDS_MAX];
	if (sizeof(struct metadata) + records(event, buffer) + process_record_bytes(group) > io->remaining)
		return -EINVAL;
	list_remove(&event->link);
	group->event_count--;
	if (event->mask & FAN_Q_OVERFLOW)
		group->overflowed = false;
	int64_t done = read_one(group, event, io);
	if (!(event->mask & PERMISSIONS) || event->answered)
		event_release(event);
	else if (done < 0 || group->closed)
		answer(event, done < 0 ? FAN_DENY : FAN_ALLOW);
	else
		list_append(&group->asked, &event->link);
	return done;
}

static int64_t fanotify_read(struct file *file, struct io *io, int64_t *position)
{
	struct group *group = file->private;
	int64_t total = 0;
	(void)position;
	if (list_empty(&group->events)) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int result = wait_event(&group->wait, !list_empty(&group->events), DEADLINE_NEVER);
		if (result)
			return result;
	}
	while (!list_empty(&group->events)) {
		int64_t done = take_first(group, io);
		if (done < 0)
			return total ? total : done;
		total += done;
	}
	return total;
}

static uint32_t fanotify_poll(struct file *file, struct poll_table *table)
{
	struct group *group = file->private;
	poll_wait(table, &group->wait);
	return list_empty(&group->events) ? 0 : POLLIN | POLLRDNORM;
}

static int64_t fanotify_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	const struct group *group = file->private;
	enum { FIONREAD = 0x541b };
	return command == FIONREAD
	           ? put_user_u32(argument, group->event_count * (uint32_t)sizeof(struct metadata))
	           : -ENOTTY;
}

static void drop_events(struct list *events)
{
	while (!list_empty(events)) {
		struct event *event = list_first(events, struct event, link);
		if (event->mask & PERMISSIONS) {
			answer(event, FAN_ALLOW);
		} else {
			list_remove(&event->link);
			event_release(event);
		}
	}
}

static void fanotify_release(struct file *file)
{
	struct group *group = file->private;
	group->closed = true; /* without marks nothing more comes to it */
	group_count--;
	for (int kind = MARK_INODE; kind <= MARK_FILESYSTEM; kind++)
		marks_drop(group, kind);
	drop_events(&group->events);
	drop_events(&group->asked);
	group_release(group);
}

static void fanotify_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "anon_inode:[fanotify]");
}

static void mark_show(const struct mark *mark, struct proc_text *text)
{
	uint32_t flags = (mark->ignored_survives ? (uint32_t)FAN_MARK_IGNORED_SURV_MODIFY : 0) |
	                 (mark->evictable ? (uint32_t)FAN_MARK_EVICTABLE : 0);
	if (mark->kind == MARK_INODE) {
		const struct vnode *vnode = mark->object;
		proc_print(text,
		           "fanotify ino:%lx sdev:%lx mflags:%x mask:%x ignored_mask:%x fhandle-bytes:8 "
		           "fhandle-type:1 f_handle:%016lx\n",
		           vnode->inode, vnode->filesystem ? vnode->filesystem->device : 0, flags, mark->mask,
		           mark->ignored, __builtin_bswap64(vnode->inode));
	} else if (mark->kind == MARK_MOUNT) {
		proc_print(text, "fanotify mnt_id:%lx mflags:%x mask:%x ignored_mask:%x\n",
		           ((const struct mount *)mark->object)->id, flags, mark->mask, mark->ignored);
	} else {
		proc_print(text, "fanotify sdev:%lx mflags:%x mask:%x ignored_mask:%x\n",
		           ((const struct filesystem *)mark->object)->device, flags, mark->mask,
		           mark->ignored);
	}
}

static void fanotify_info(struct file *file, struct proc_text *text)
{
	const struct group *group = file->private;
	proc_print(text, "fanotify flags:%x event-flags:%x\n", group->flags, group->event_flags);
	for (unsigned i = 0; i < BUCKETS; i++)
		for (const struct mark *mark = group->buckets[i]; mark; mark = mark->next)
			mark_show(mark, text);
}

static const struct file_ops fanotify_ops = {
    .read = fanotify_read,
    .write = fanotify_write,
    .poll = fanotify_poll,
    .ioctl = fanotify_ioctl,
    .release = fanotify_release,
    .describe = fanotify_describe,
    .info = fanotify_info,
};

/* ---- Calls ---- */

static int init_check(uint32_t flags, uint32_t event_flags)
{
	const uint32_t known =
	    O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_CLOEXEC | O_LARGEFILE | O_NOATIME;
	if (!capable(CAP_SYS_ADMIN) && ((flags & FAN_ADMIN) || !(flags & FAN_REPORTS)))
		return -EPERM;
	if ((flags & ~(uint32_t)FAN_INIT_KNOWN) || (event_flags & ~known) ||
	    (event_flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	if ((flags & FAN_CLASSES) && ((flags & FAN_REPORTS) || (flags & FAN_CLASSES) == FAN_CLASSES))
		return -EINVAL;
	if ((flags & FAN_REPORT_NAME) && !(flags & FAN_REPORT_DIR_FID))
		return -EINVAL;
	if ((flags & FAN_REPORT_PIDFD) && (flags & FAN_REPORT_TID)) /* threads have no descriptors */
		return -EINVAL;
	return group_count >= GROUPS_MAX ? -EMFILE : 0;
}

SYSCALL_HANDLER(fanotify_init, uint32_t flags, uint32_t event_flags)
{
	int error = init_check(flags, event_flags);
	if (error)
		return error;
	struct group *group = heap_allocate(sizeof(*group));
	struct file *file =
	    group ? file_create(&fanotify_ops, O_RDWR | (flags & FAN_NONBLOCK ? (uint32_t)O_NONBLOCK : 0),
	                        group)
	          : 0;
	if (!file) {
		heap_free(group);
		return -ENOMEM;
	}
	group->references = 1;
	group->flags = flags;
	group->event_flags = event_flags | O_LARGEFILE;
	group->unprivileged = !capable(CAP_SYS_ADMIN);
	list_init(&group->events);
	list_init(&group->asked);
	wait_queue_init(&group->wait);
	list_append(&groups, &group->link);
	group_count++;
	return file_give(file, flags & FAN_CLOEXEC);
}

static int mark_add(struct group *group, enum mark_kind kind, void *object, uint32_t flags, uint32_t mask)
{
	struct mark *mark = mark_find(group, kind, object);
	if (!mark) {
		if (group->mark_count >= MARKS_MAX && !(group->flags & FAN_UNLIMITED_MARKS))
			return -ENOSPC;
		mark = heap_allocate(sizeof(*mark));
		if (!mark)
			return -ENOMEM;
		mark->kind = kind;
		mark->object = kind == MARK_INODE ? vnode_reference(object) : object;
		mark->evictable = flags & FAN_MARK_EVICTABLE;
		struct mark **bucket = bucket_of(group, object);
		mark->next = *bucket;
		*bucket = mark;
		group->mark_count++;
		fanotify_mark_count++;
	} else if ((flags & FAN_MARK_EVICTABLE) && !mark->evictable) {
		return -EEXIST;
	}
	if (!(flags & FAN_MARK_EVICTABLE))
		mark->evictable = false;
	if (!(flags & FAN_MARK_IGNORED_MASK)) {
		mark->mask |= mask;
		return 0;
	}
	mark->ignored |= mask & ~MASK_FLAGS;
	if (flags & FAN_MARK_IGNORED_SURV_MODIFY)
		mark->ignored_survives = true;
	return 0;
}

static int mark_remove(struct group *group, enum mark_kind kind, const void *object, bool ignored,
                       uint32_t mask)
{
	struct mark *mark = mark_find(group, kind, object);
	if (!mark)
		return -ENOENT;
	if (ignored)
		mark->ignored &= ~mask;
	else
		mark->mask &= ~mask;
	if (!(mark->mask & ~MASK_FLAGS) && !mark->ignored)
		object_mark_drop(group, kind, object);
	return 0;
}

static int mark_check(const struct group *group, uint32_t flags, uint64_t mask, enum mark_kind kind)
{
	uint32_t command = flags & (FAN_MARK_ADD | FAN_MARK_REMOVE | FAN_MARK_FLUSH);
	if ((mask >> 32) || (flags & ~(uint32_t)FAN_MARK_KNOWN) || (command & (command - 1)) || !command ||
	    (flags & (FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM)) == (FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM))
		return -EINVAL;
	if (command == FAN_MARK_FLUSH
	        ? flags & ~(uint32_t)(FAN_MARK_FLUSH | FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM)
	        : !mask)
		return -EINVAL;
	if (mask & ~(uint64_t)(BY_HANDLE | PERMISSIONS | MASK_FLAGS))
		return -EINVAL;
	if (group->unprivileged && kind != MARK_INODE)
		return -EPERM;
	if ((mask & PERMISSIONS) && !(group->flags & FAN_CLASSES))
		return -EINVAL;
	if ((flags & FAN_MARK_EVICTABLE) && kind != MARK_INODE)
		return -EINVAL;
	if ((mask & ~(uint64_t)(BY_DESCRIPTOR | PERMISSIONS | MASK_FLAGS)) &&
	    (!(group->flags & FAN_REPORTS) || kind == MARK_MOUNT))
		return -EINVAL;
	return 0;
}

static int mark_path(struct group *group, uint32_t flags, uint32_t mask, enum mark_kind kind,
                     const struct path *path)
{
	struct vnode *vnode = path->dentry->vnode;
	struct filesystem *filesystem = vnode->filesystem;
	if ((flags & FAN_MARK_ONLYDIR) && !S_ISDIR(vnode->mode))
		return -ENOTDIR;
	int error = access_check(vnode, 4);
	if (error)
		return error;
	if ((flags & FAN_MARK_ADD) && (mask & PERMISSIONS) && (filesystem->flags & FILESYSTEM_UNCACHED))
		return -EINVAL;
	if ((flags & FAN_MARK_ADD) && (group->flags & FAN_REPORTS) && !handle_can(vnode))
		return -EOPNOTSUPP;
	if (kind != MARK_INODE || !S_ISDIR(vnode->mode))
		mask &= ~(uint32_t)FAN_EVENT_ON_CHILD;
	void *object = kind == MARK_INODE   ? (void *)vnode
	               : kind == MARK_MOUNT ? (void *)path->mount
	                                    : (void *)filesystem;
	if (!object)
		return -EINVAL;
	return flags & FAN_MARK_ADD ? mark_add(group, kind, object, flags, mask)
	                            : mark_remove(group, kind, object, flags & FAN_MARK_IGNORED_MASK, mask);
}

SYSCALL_HANDLER(fanotify_mark, int fd, uint32_t flags, uint64_t mask, int directory, uint64_t path_address)
{
	enum mark_kind kind = flags & FAN_MARK_MOUNT        ? MARK_MOUNT
	                      : flags & FAN_MARK_FILESYSTEM ? MARK_FILESYSTEM
	                                                    : MARK_INODE;
	struct file *file = file_of(fd);
	struct path path = {0};
	if (!file)
		return -EBADF;
	if (file->ops != &fanotify_ops)
		return -EINVAL;
	struct group *group = file->private;
	int64_t error = mark_check(group, flags, mask, kind);
	if (error)
		return error;
	if (flags & FAN_MARK_FLUSH) {
		marks_drop(group, kind);
		return 0;
	}
	if (path_address) {
		error = with_errands(path_at(directory, path_address,
		                             flags & FAN_MARK_DONT_FOLLOW ? AT_SYMLINK_NOFOLLOW : 0, &path));
		if (error)
			return error;
	} else {
		const struct file *named = directory == AT_FDCWD ? 0 : file_of(directory);
		path = named ? named->path : current_task()->fs->working;
		if (directory != AT_FDCWD && (!named || !path.dentry))
			return named ? -EINVAL : -EBADF;
		path_reference(&path);
	}
	error = mark_path(group, flags, (uint32_t)mask, kind, &path);
	path_release(&path);
	return error;
}
