/* POSIX message queues: mq_open(3), mq_overview(7). A queue has a name, or is open, or both; messages leave it by priority,
 * the oldest of the highest first. A notification tells one process, once, of the first message that finds the queue
 * empty and nobody waiting.
 */
#include "ipc.h"
#include "../fs/lock.h"
#include "../fs/name.h"
#include "../proc/proc.h"

#define QUEUES_MAX       256u
#define PRIORITY_MAX     32767u
#define MESSAGES_MAX     10u /* and 8192 bytes each, without CAP_SYS_RESOURCE */
#define BYTES_MAX        8192u
#define MESSAGES_LIMIT   65536u
#define BYTES_LIMIT      (16u << 20)
#define MESSAGE_OVERHEAD 128u

struct posted {
	struct list link;
	uint32_t priority, bytes;
	uint8_t text[];
};

struct mqueue {
	struct list link;              /* in its namespace's, or by itself */
	struct ipc_namespace *counted; /* there; 0: that has ended */
	char *name;
	struct list all;
	uint32_t users; /* open files; the name */
	uint32_t uid, gid, mode;
	uint64_t count, count_max, bytes_max, bytes;
	struct list messages; /* in the order they leave */
	struct wait_queue read_wait, write_wait;
	uint32_t readers; /* that sleep */
	int32_t notified; /* process to be told, or 0 */
	int32_t signal;   /* 0: nothing is sent */
	uint64_t value;
};

struct linux_mq_attr {
	int64_t flags, count_max, bytes_max, count, reserved[4];
};

static struct list all_queues = LIST_INIT(all_queues);

static void mqueue_put(struct mqueue *queue)
{
	if (--queue->users)
		return;
	while (!list_empty(&queue->messages)) {
		struct posted *message = list_first(&queue->messages, struct posted, link);
		list_remove(&message->link);
		heap_free(message);
	}
	if (queue->counted)
		queue->counted->message_queue_count--;
	list_remove(&queue->all);
	heap_free(queue->name);
	heap_free(queue);
}

static uint32_t mqueue_poll(struct file *file, struct poll_table *table)
{
	struct mqueue *queue = file->private;
	poll_wait(table, &queue->read_wait);
	poll_wait(table, &queue->write_wait);
	return (queue->count ? POLLIN | POLLRDNORM : 0) |
	       (queue->count < queue->count_max ? POLLOUT | POLLWRNORM : 0);
}

/* The state as /dev/mqueue shows it. */
static int64_t mqueue_read(struct file *file, struct io *io, int64_t *position)
{
	const struct mqueue *queue = file->private;
	char text[96];
	int length = text_format(text, sizeof(text), "QSIZE:%-10lu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n",
	                         queue->bytes, 0, queue->signal, pid_seen(queue->notified));
	if (*position >= length)
		return 0;
	int64_t done = io_put(io, text + *position, (size_t)(length - *position));
	*position += done > 0 ? done : 0;
	return done;
}

/* A process that closes the queue is told of nothing more. */
static void mqueue_flush(struct file *file)
{
	struct mqueue *queue = file->private;
	if (queue->notified == current_task()->process->pid)
		queue->notified = 0;
}

static void mqueue_release(struct file *file)
{
	mqueue_put(file->private);
}

static void mqueue_describe(struct file *file, char *text, uint32_t size)
{
	const struct mqueue *queue = file->private;
	text_format(text, size, "/%s", queue->name);
}

static const struct file_ops mqueue_ops = {.read = mqueue_read,
                                           .poll = mqueue_poll,
                                           .flush = mqueue_flush,
                                           .release = mqueue_release,
                                           .describe = mqueue_describe,
                                           .seekable = true};

void message_queues_end(struct ipc_namespace *namespace)
{
	struct mqueue *queue, *next;
	list_for_each_safe(queue, next, &all_queues, all)
	{
		if (queue->counted != namespace)
			continue;
		queue->counted = 0;
		if (list_empty(&queue->link))
			continue;
		list_remove(&queue->link);
		mqueue_put(queue);
	}
}

static struct mqueue *find(const char *name)
{
	struct mqueue *queue;
	list_for_each(queue, &ipc_current()->message_queues, link)
	{
		if (strcmp(queue->name, name) == 0)
			return queue;
	}
	return 0;
}

static int name_from_user(char name[NAME_MAX_BYTES + 2], uint64_t address)
{
	int64_t length = copy_string_from_user(name, address, NAME_MAX_BYTES + 1);
	if (length < 0)
		return (int)length;
	return !length ? -ENOENT : strchr(name, '/') ? -EACCES : 0;
}

static bool permitted(const struct mqueue *queue, uint32_t flags)
{
	uint32_t want = (flags & O_ACCMODE) == O_RDONLY ? 4 : (flags & O_ACCMODE) == O_WRONLY ? 2 : 6;
	const struct ipc_object as = {.uid = queue->uid,
	                              .gid = queue->gid,
	                              .creator_uid = queue->uid,
	                              .creator_gid = queue->gid,
	                              .mode = queue->mode};
	return ipc_permitted(&as, want << 6);
}

static struct mqueue *create(const char *name, uint32_t mode, uint64_t attributes, int *error)
{
	struct linux_mq_attr attr = {.count_max = MESSAGES_MAX, .bytes_max = BYTES_MAX};
	const struct credentials *credentials = &current_task()->credentials;
	bool free_choice = capable(CAP_SYS_RESOURCE);
	*error = -EFAULT;
	if (attributes && copy_from_user(&attr, attributes, sizeof(attr)))
		return 0;
	*error = -EINVAL;
	if (attr.count_max <= 0 || attr.bytes_max <= 0 ||
	    attr.count_max > (free_choice ? MESSAGES_LIMIT : MESSAGES_MAX) ||
	    attr.bytes_max > (free_choice ? BYTES_LIMIT : BYTES_MAX))
		return 0;
	*error = -EMFILE;
	uint64_t bytes = (uint64_t)attr.count_max * ((uint64_t)attr.bytes_max + MESSAGE_OVERHEAD);
	if (bytes > current_task()->process->limits[RLIMIT_MSGQUEUE].current)
		return 0;
	*error = -ENOSPC;
	if (ipc_current()->message_queue_count >= QUEUES_MAX && !free_choice)
		return 0;
	*error = -ENOMEM;
	struct mqueue *queue = heap_allocate(sizeof(*queue));
	if (!queue || !(queue->name = heap_string(name))) {
		heap_free(queue);
		return 0;
	}
	queue->users = 1;
	queue->uid = credentials->fsuid;
	queue->gid = credentials->fsgid;
	queue->mode = mode & 0777 & ~current_task()->fs->umask;
	queue->count_max = (uint64_t)attr.count_max;
	queue->bytes_max = (uint64_t)attr.bytes_max;
	list_init(&queue->messages);
	wait_queue_init(&queue->read_wait);
	wait_queue_init(&queue->write_wait);
	queue->counted = ipc_current();
	queue->counted->message_queue_count++;
	list_append(&queue->counted->message_queues, &queue->link);
	list_append(&all_queues, &queue->all);
	*error = 0;
	return queue;
}

SYSCALL_HANDLER(mq_open, uint64_t name_address, uint32_t flags, uint32_t mode, uint64_t attributes)
{
	char name[NAME_MAX_BYTES + 2];
	int error = name_from_user(name, name_address);
	if (error)
		return error;
	struct mqueue *queue = find(name);
	if (queue && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (queue && ((flags & O_ACCMODE) == O_ACCMODE || !permitted(queue, flags)))
		return (flags & O_ACCMODE) == O_ACCMODE ? -EINVAL : -EACCES;
	if (!queue && !(flags & O_CREAT))
		return -ENOENT;
	if (!queue && !(queue = create(name, mode, attributes, &error)))
		return error;
	struct file *file = file_create(&mqueue_ops, flags & (O_ACCMODE | O_NONBLOCK), queue);
	if (!file)
		return -ENOMEM;
	queue->users++;
	return file_give(file, true);
}

SYSCALL_HANDLER(mq_unlink, uint64_t name_address)
{
	char name[NAME_MAX_BYTES + 2];
	int error = name_from_user(name, name_address);
	struct mqueue *queue = error ? 0 : find(name);
	if (!queue)
		return error ? error : -ENOENT;
	if (current_task()->credentials.fsuid != queue->uid && !capable(CAP_FOWNER))
		return -EACCES;
	list_remove(&queue->link);
	mqueue_put(queue);
	return 0;
}

static struct mqueue *queue_of(int fd, struct file **file, bool write, int64_t *error)
{
	*file = file_of(fd);
	*error = -EBADF;
	if (!*file || (*file)->ops != &mqueue_ops || !(write ? file_writable(*file) : file_readable(*file)))
		return 0;
	return (*file)->private;
}

static int deadline_of(uint64_t address, uint64_t *deadline)
{
	uint64_t ns;
	*deadline = DEADLINE_NEVER;
	if (!address)
		return 0;
	int error = get_user_timespec(address, &ns);
	return error ? error : clock_deadline(CLOCK_REALTIME, ns, deadline);
}

/* The first message in an empty queue that nobody waits for. */
static void notify(struct mqueue *queue)
{
	struct process *process = queue->notified ? process_by_id(queue->notified) : 0;
	queue->notified = 0;
	if (!process || !queue->signal)
		return;
	struct linux_siginfo info = {.si_signo = queue->signal,
	                             .si_code = SI_MESGQ,
	                             .pid = pid_seen_by(process, current_task()->process->pid),
	                             .uid = current_task()->credentials.uid,
	                             .value = queue->value};
	(void)signal_send_process(process, queue->signal, &info);
}

SYSCALL_HANDLER(mq_timedsend, int fd, uint64_t address, uint64_t bytes, uint32_t priority, uint64_t timeout)
{
	struct file *file;
	int64_t error;
	uint64_t deadline;
	if (priority > PRIORITY_MAX)
		return -EINVAL;
	int result = deadline_of(timeout, &deadline);
	if (result)
		return result;
	struct mqueue *queue = queue_of(fd, &file, true, &error);
	if (!queue)
		return error;
	if (bytes > queue->bytes_max)
		return -EMSGSIZE;
	struct posted *message = heap_allocate(sizeof(*message) + bytes);
	if (!message)
		return -ENOMEM;
	message->priority = priority;
	message->bytes = (uint32_t)bytes;
	if (bytes && copy_from_user(message->text, address, bytes))
		result = -EFAULT;
	if (!result && queue->count == queue->count_max)
		result = file->flags & O_NONBLOCK
		             ? -EAGAIN
		             : wait_event(&queue->write_wait, queue->count < queue->count_max, deadline);
	if (result) {
		heap_free(message);
		return result;
	}
	/* Behind all of its priority: from the end, where most belong. */
	struct list *at = queue->messages.previous;
	while (at != &queue->messages && list_entry(at, struct posted, link)->priority < priority)
		at = at->previous;
	list_insert_between(&message->link, at, at->next);
	queue->bytes += bytes;
	if (!queue->count++ && queue->notified && !queue->readers)
		notify(queue);
	wake_all(&queue->read_wait, POLLIN | POLLRDNORM);
	return 0;
}

SYSCALL_HANDLER(mq_timedreceive, int fd, uint64_t address, uint64_t bytes, uint64_t priority_address,
                uint64_t timeout)
{
	struct file *file;
	int64_t error;
	uint64_t deadline;
	int result = deadline_of(timeout, &deadline);
	if (result)
		return result;
	struct mqueue *queue = queue_of(fd, &file, false, &error);
	if (!queue)
		return error;
	if (bytes < queue->bytes_max)
		return -EMSGSIZE;
	if (!queue->count) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		queue->readers++;
		result = wait_event(&queue->read_wait, queue->count != 0, deadline);
		queue->readers--;
		if (result)
			return result;
	}
	struct posted *message = list_first(&queue->messages, struct posted, link);
	list_remove(&message->link);
	queue->count--;
	queue->bytes -= message->bytes;
	wake_all(&queue->write_wait, POLLOUT | POLLWRNORM);
	int64_t done = message->bytes;
	if (copy_to_user(address, message->text, message->bytes) ||
	    (priority_address && put_user_u32(priority_address, message->priority)))
		done = -EFAULT;
	heap_free(message);
	return done;
}

enum { SIGEV_SIGNAL = 0, SIGEV_NONE = 1 };

SYSCALL_HANDLER(mq_notify, int fd, uint64_t address)
{
	struct file *file = file_of(fd);
	struct {
		uint64_t value;
		int32_t signal, kind;
	} event;
	int32_t self = current_task()->process->pid;
	if (address && copy_from_user(&event, address, sizeof(event)))
		return -EFAULT;
	/* SIGEV_THREAD goes by way of a netlink socket, which is not there. */
	if (address && event.kind != SIGEV_SIGNAL && event.kind != SIGEV_NONE)
		return -EINVAL;
	if (address && event.kind == SIGEV_SIGNAL && (event.signal <= 0 || event.signal > SIGNAL_COUNT))
		return -EINVAL;
	if (!file || file->ops != &mqueue_ops)
		return -EBADF;
	struct mqueue *queue = file->private;
	if (!address) {
		queue->notified = queue->notified == self ? 0 : queue->notified;
		return 0;
	}
	if (queue->notified && process_by_id(queue->notified))
		return -EBUSY;
	queue->notified = self;
	queue->signal = event.kind == SIGEV_SIGNAL ? event.signal : 0;
	queue->value = event.value;
	return 0;
}

SYSCALL_HANDLER(mq_getsetattr, int fd, uint64_t new_address, uint64_t old_address)
{
	struct file *file = file_of(fd);
	struct linux_mq_attr attr;
	if (new_address && copy_from_user(&attr, new_address, sizeof(attr)))
		return -EFAULT;
	if (new_address && (attr.flags & ~(int64_t)O_NONBLOCK))
		return -EINVAL;
	if (!file || file->ops != &mqueue_ops)
		return -EBADF;
	const struct mqueue *queue = file->private;
	const struct linux_mq_attr old = {.flags = file->flags & O_NONBLOCK,
	                                  .count_max = (int64_t)queue->count_max,
	                                  .bytes_max = (int64_t)queue->bytes_max,
	                                  .count = (int64_t)queue->count};
	if (new_address)
		file->flags = (file->flags & ~(uint32_t)O_NONBLOCK) | ((uint32_t)attr.flags & O_NONBLOCK);
	return old_address ? copy_to_user(old_address, &old, sizeof(old)) : 0;
}
