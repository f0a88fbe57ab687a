/* See seccomp.h: a task whose filter says so waits for another program, the filter's supervisor, which reads what call it is and
 * answers, lets the call run, or first gives the task a descriptor. */
#include "internal.h"
#include "seccomp.h"

enum notice_state { NOTICE_NEW, NOTICE_SENT, NOTICE_ANSWERED };
enum { SEND_CONTINUE = 1, ADD_SET = 1, ADD_SEND = 2 };

struct seccomp_notify {
	bool closed; /* nobody has the descriptor any more */
	bool killable;
	uint64_t next_id;
	struct list notices;
	struct wait_queue supervisor;
};

/* A file for the task of a notice, which installs it itself. */
struct added {
	struct list link; /* of none: it is done */
	struct file *file;
	int32_t wanted;
	bool numbered; /* it is to be the descriptor WANTED; else, the lowest */
	bool answers;  /* its number is the call's result */
	bool close_on_exec;
	int64_t result;
	struct wait_queue done;
};

/* A task that waits; on its stack. */
struct notice {
	struct list link;
	enum notice_state state;
	uint64_t id;
	int32_t tid;
	const struct seccomp_data *data;
	bool runs;
	int64_t result;
	struct list added;
	struct wait_queue task;
};

/* struct seccomp_notif and its like, <linux/seccomp.h>. */
struct notification {
	uint64_t id;
	uint32_t pid, flags;
	struct seccomp_data data;
};
_Static_assert(sizeof(struct notification) == SECCOMP_NOTIF_BYTES, "seccomp_unotify(2)");
struct response {
	uint64_t id;
	int64_t value;
	int32_t error;
	uint32_t flags;
};
_Static_assert(sizeof(struct response) == SECCOMP_RESPONSE_BYTES, "seccomp_unotify(2)");
struct addition {
	uint64_t id;
	uint32_t flags, from, to, to_flags;
};
_Static_assert(sizeof(struct addition) == 24, "seccomp_unotify(2)");

/* ---- The task that waits ---- */

static void added_end(struct added *added, int64_t result)
{
	added->result = result;
	list_remove(&added->link);
	wake_all(&added->done, 0);
}

static int64_t added_install(const struct added *added)
{
	struct file *file = file_reference(added->file);
	int64_t fd = added->numbered ? file_install_at(file, added->wanted, added->close_on_exec)
	                             : file_install(file, 0, added->close_on_exec);
	if (fd < 0)
		file_release(file);
	return fd;
}

static void notice_answer(struct notice *notice, bool runs, int64_t result)
{
	notice->state = NOTICE_ANSWERED;
	notice->runs = runs;
	notice->result = result;
	wake_all(&notice->task, 0);
}

/* Installs the first of NOTICE's. Meanwhile, when a file is closed by that, its supervisor may have gone. */
static void added_first(struct notice *notice)
{
	struct added *first = list_first(&notice->added, struct added, link);
	const struct added copy = *first;
	int64_t result = added_install(&copy);
	/* At once, so that a supervisor that is interrupted now does not leave a descriptor that nobody was told of. */
	if (copy.answers && result >= 0 && notice->state == NOTICE_SENT)
		notice_answer(notice, false, result);
	struct added *added;
	struct added *next;
	list_for_each_safe(added, next, &notice->added, link) if (added == first) added_end(added, result);
}

static bool notice_ready(const struct notice *notice)
{
	return notice->state == NOTICE_ANSWERED || !list_empty(&notice->added);
}

/* Sleeps until NOTICE is answered: 0, or a signal has come. */
static int notice_sleep(struct seccomp_notify *notify, struct notice *notice)
{
	struct wait_entry entry;
	int result = 0;
	wait_begin(&entry, &notice->task);
	while (notice->state != NOTICE_ANSWERED && !result) {
		while (!list_empty(&notice->added))
			added_first(notice);
		if (!notice_ready(notice))
			result = notify->killable && notice->state == NOTICE_SENT
			             ? wait_sleep_killable(DEADLINE_NEVER)
			             : wait_sleep(DEADLINE_NEVER);
	}
	wait_end(&entry);
	return notice->state == NOTICE_ANSWERED ? 0 : result;
}

bool seccomp_supervised(struct seccomp_filter *filter, const struct seccomp_data *data)
{
	struct task *task = current_task();
	struct seccomp_notify *notify = filter ? filter->notify : 0;
	uint64_t number = task->state->rax;
	task->state->rax = (uint64_t)-ENOSYS;
	if (!notify || notify->closed)
		return false;
	struct notice notice = {.id = notify->next_id++, .tid = task->tid, .data = data};
	list_init(&notice.added);
	wait_queue_init(&notice.task);
	list_append(&notify->notices, &notice.link);
	filter->references++;
	wake_all(&notify->supervisor, POLLIN);
	if (notice_sleep(notify, &notice)) {
		notice.runs = false;
		notice.result = -ERESTARTSYS;
	}
	list_remove(&notice.link);
	while (!list_empty(&notice.added))
		added_end(list_first(&notice.added, struct added, link), -ESRCH);
	seccomp_filter_release(filter);
	task->state->rax = notice.runs ? number : (uint64_t)notice.result;
	return notice.runs;
}

/* ---- The supervisor ---- */

static struct notice *notice_of(struct seccomp_notify *notify, uint64_t id)
{
	struct notice *notice;
	list_for_each(notice, &notify->notices, link) if (notice->id == id) return notice;
	return 0;
}

static struct notice *notice_in(struct seccomp_notify *notify, enum notice_state state)
{
	struct notice *notice;
	list_for_each(notice, &notify->notices, link) if (notice->state == state) return notice;
	return 0;
}

/* The notice ID that has been received and not been answered; or 0 with *ERROR. */
static struct notice *notice_sent(struct seccomp_notify *notify, uint64_t id, int64_t *error)
{
	struct notice *notice = notice_of(notify, id);
	*error = !notice ? -ENOENT : -EINPROGRESS;
	return notice && notice->state == NOTICE_SENT ? notice : 0;
}

static int64_t receive(struct seccomp_filter *filter, uint64_t at)
{
	struct seccomp_notify *notify = filter->notify;
	struct notification notification;
	const uint8_t *bytes = (const uint8_t *)&notification;
	if (copy_from_user(&notification, at, sizeof(notification)))
		return -EFAULT;
	for (unsigned i = 0; i < sizeof(notification); i++)
		if (bytes[i])
			return -EINVAL;
	if (wait_event(&notify->supervisor, notice_in(notify, NOTICE_NEW) || filter->references == 1,
	               DEADLINE_NEVER))
		return -EINTR;
	struct notice *notice = notice_in(notify, NOTICE_NEW);
	if (!notice)
		return -ENOENT;
	notification.id = notice->id;
	notification.pid = (uint32_t)pid_seen(notice->tid);
	notification.data = *notice->data;
	if (copy_to_user(at, &notification, sizeof(notification)))
		return -EFAULT;
	notice->state = NOTICE_SENT;
	wake_all(&notice->task, 0); /* it may have to sleep otherwise */
	wake_all(&notify->supervisor, POLLOUT);
	return 0;
}

static int64_t respond(struct seccomp_notify *notify, uint64_t at)
{
	struct response response;
	int64_t error;
	if (copy_from_user(&response, at, sizeof(response)))
		return -EFAULT;
	bool runs = response.flags & SEND_CONTINUE;
	if ((response.flags & ~(uint32_t)SEND_CONTINUE) || (runs && (response.error || response.value)))
		return -EINVAL;
	struct notice *notice = notice_sent(notify, response.id, &error);
	if (!notice)
		return error;
	notice_answer(notice, runs, response.error ? response.error : response.value);
	return 0;
}

static int64_t is_valid(struct seccomp_notify *notify, uint64_t at)
{
	uint64_t id;
	if (get_user_u64(&id, at))
		return -EFAULT;
	const struct notice *notice = notice_of(notify, id);
	return notice && notice->state == NOTICE_SENT ? 0 : -ENOENT;
}

/* Has NOTICE's task install ADDED, and waits until it has. */
static int64_t add_and_wait(struct notice *notice, struct added *added)
{
	list_append(&notice->added, &added->link);
	wait_queue_init(&added->done);
	wake_all(&notice->task, 0);
	int error = wait_event(&added->done, list_empty(&added->link), DEADLINE_NEVER);
	list_remove(&added->link);
	return error ? -EINTR : added->result;
}

static int64_t add(struct seccomp_notify *notify, uint64_t at, uint32_t bytes)
{
	struct addition addition;
	int64_t error;
	if (bytes < sizeof(addition))
		return -EINVAL;
	if (copy_from_user(&addition, at, sizeof(addition)))
		return -EFAULT;
	error = user_rest_zero(at + sizeof(addition), at + bytes);
	if (error)
		return error;
	if ((addition.to_flags & ~(uint32_t)O_CLOEXEC) ||
	    (addition.flags & ~(uint32_t)(ADD_SET | ADD_SEND)) ||
	    (addition.to && !(addition.flags & ADD_SET)))
		return -EINVAL;
	struct file *file = file_get((int)addition.from);
	if (!file)
		return -EBADF;
	struct notice *notice = notice_sent(notify, addition.id, &error);
	if (notice && (addition.flags & ADD_SEND) && !list_empty(&notice->added)) {
		notice = 0;
		error = -EBUSY;
	}
	if (notice) {
		struct added added = {.file = file,
		                      .wanted = (int32_t)addition.to,
		                      .numbered = addition.flags & ADD_SET,
		                      .answers = addition.flags & ADD_SEND,
		                      .close_on_exec = addition.to_flags & O_CLOEXEC};
		error = add_and_wait(notice, &added);
	}
	file_release(file);
	return error;
}

static int64_t listener_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	enum { RECEIVE = 0xc0502100, SEND = 0xc0182101, VALID = 0x40082102, VALID_OLD = 0x80082102 };
	enum { ADD = 0x40002103, SIZE_SHIFT = 16, SIZE_MASK = 0x3fff };
	struct seccomp_filter *filter = file->private;
	switch (command) {
	case RECEIVE:
		return receive(filter, argument);
	case SEND:
		return respond(filter->notify, argument);
	case VALID:
	case VALID_OLD:
		return is_valid(filter->notify, argument);
	default:
		if ((command & ~((uint32_t)SIZE_MASK << SIZE_SHIFT)) == ADD)
			return add(filter->notify, argument, command >> SIZE_SHIFT & SIZE_MASK);
		return -EINVAL;
	}
}

static uint32_t listener_poll(struct file *file, struct poll_table *table)
{
	const struct seccomp_filter *filter = file->private;
	poll_wait(table, &filter->notify->supervisor);
	return (notice_in(filter->notify, NOTICE_NEW) ? POLLIN | POLLRDNORM : 0) |
	       (notice_in(filter->notify, NOTICE_SENT) ? POLLOUT | POLLWRNORM : 0) |
	       (filter->references == 1 ? POLLHUP : 0);
}

static void listener_release(struct file *file)
{
	struct seccomp_filter *filter = file->private;
	struct notice *notice;
	filter->notify->closed = true;
	list_for_each(notice, &filter->notify->notices, link) if (notice->state != NOTICE_ANSWERED)
	    notice_answer(notice, false, -ENOSYS);
	seccomp_filter_release(filter);
}

static void listener_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "anon_inode:seccomp notify");
}

static const struct file_ops listener_ops = {
    .ioctl = listener_ioctl,
    .poll = listener_poll,
    .release = listener_release,
    .describe = listener_describe,
};

void seccomp_unused(struct seccomp_filter *filter)
{
	if (filter->notify && !filter->notify->closed && filter->references == 1)
		wake_all(&filter->notify->supervisor, POLLHUP);
}

void seccomp_notify_free(struct seccomp_filter *filter)
{
	heap_free(filter->notify);
	filter->notify = 0;
}

int64_t seccomp_listen(struct seccomp_filter *filter, bool killable)
{
	struct seccomp_notify *notify = heap_allocate(sizeof(*notify));
	if (!notify)
		return -ENOMEM;
	notify->killable = killable;
	random_bytes(&notify->next_id, sizeof(notify->next_id));
	list_init(&notify->notices);
	wait_queue_init(&notify->supervisor);
	filter->notify = notify;
	struct file *file = file_create(&listener_ops, O_RDWR, filter);
	if (!file)
		return -ENOMEM;
	filter->references++;
	return file_give(file, true);
}

void seccomp_listen_undo(struct seccomp_filter *filter, int fd)
{
	(void)filter;
	(void)sys_close(fd);
}
