/* epoll(7): an interest list with callbacks on the files' wait queues, and a list of what became ready.
 *
 * An item queues on its file's queues once, when it is added. A wake-up puts it on the ready list and wakes
 * waiters. epoll_wait takes items off that list, asks their files again, and puts level-triggered ones that
 * still have something back at the end.
 *
 * Epolls may watch epolls: see epoll_nest.c, which bounds how deep and how widely.
 */
#include "../internal.h"
#include "../fs/lock.h"
#include "../include/vnode.h"
#include "../proc/proc.h"
#include "epoll.h"

#define EVENTS_MAX (INT32_MAX / (int32_t)sizeof(struct linux_epoll_event))

struct hooking {
	struct poll_table table;
	struct epoll_item *item;
	bool failed;
};

static uint32_t item_count; /* of all epolls */

static uint32_t item_ask(struct epoll_item *item, struct poll_table *table)
{
	uint32_t events =
	    item->file->ops->poll ? item->file->ops->poll(item->file, table) : EPOLLIN | EPOLLOUT;
	return events & (item->event.events | EPOLLERR | EPOLLHUP);
}

static bool item_wake(struct wait_entry *entry, uint32_t events)
{
	struct epoll_item *item = container_of(entry, struct epoll_hook, entry)->item;
	uint32_t interest = item->event.events | EPOLLERR | EPOLLHUP;
	if (item->disabled || (events && !(events & interest)))
		return false;
	lock_acquire(&item->epoll->lock);
	if (list_empty(&item->ready_link))
		list_append(&item->epoll->ready, &item->ready_link);
	wake_one(&item->epoll->wait, EPOLLIN);
	lock_release(&item->epoll->lock);
	return item->event.events & EPOLLEXCLUSIVE;
}

static void item_hook(struct poll_table *table, struct wait_queue *queue)
{
	struct hooking *hooking = container_of(table, struct hooking, table);
	struct epoll_item *item = hooking->item;
	struct epoll_hook *hook = item->hooks;
	while (hook->item)
		hook = hook->next ? hook->next : (hook->next = heap_allocate(sizeof(*hook)));
	if (!hook) {
		hooking->failed = true;
		return;
	}
	hook->item = item;
	hook->entry.wake = item_wake;
	hook->entry.events = 0;
	hook->entry.exclusive = item->event.events & EPOLLEXCLUSIVE;
	list_append(&queue->entries, &hook->entry.link);
}

static struct epoll_item **item_slot(struct epoll *epoll, int fd, const struct file *file)
{
	struct epoll_item **at = &epoll->buckets[(uint32_t)fd % EPOLL_BUCKETS];
	while (*at && ((*at)->fd != fd || (*at)->file != file))
		at = &(*at)->bucket_next;
	return at;
}

static void item_remove(struct epoll_item *item)
{
	struct epoll_item **slot = item_slot(item->epoll, item->fd, item->file);
	*slot = item->bucket_next;
	epoll_unnest(item);
	for (struct epoll_hook *hook = item->hooks, *next; hook; hook = next) {
		next = hook->next;
		if (hook->item)
			list_remove(&hook->entry.link);
		if (hook != item->hooks)
			heap_free(hook);
	}
	list_remove(&item->link);
	list_remove(&item->ready_link);
	list_remove(&item->file_link);
	item_count--;
	heap_free(item);
}

void epoll_file_gone(struct file *file)
{
	while (!list_empty(&file->epoll_items))
		item_remove(list_first(&file->epoll_items, struct epoll_item, file_link));
}

/* As many items as fit in a tenth of the sub-kernel's memory: fs.epoll.max_user_watches. */
static uint32_t items_max(void)
{
	static uint32_t most;
	uint64_t total, used;
	if (!most) {
		linux_memory(&total, &used);
		most = (uint32_t)(total / 10 / sizeof(struct epoll_item));
	}
	return most;
}

static int64_t item_add(struct epoll *epoll, int fd, struct file *file, const struct linux_epoll_event *event)
{
	struct epoll_item **slot = item_slot(epoll, fd, file);
	if (*slot)
		return -EEXIST;
	if (item_count >= items_max())
		return -ENOSPC;
	struct epoll_item *item = heap_allocate(sizeof(*item));
	if (!item)
		return -ENOMEM;
	item->epoll = epoll;
	item->file = file;
	item->fd = fd;
	item->event = *event;
	list_init(&item->ready_link);
	list_init(&item->nested_link);
	list_append(&epoll->items, &item->link);
	list_append(&file->epoll_items, &item->file_link);
	*slot = item;
	item_count++;
	int error = epoll_nest(item);
	if (error) {
		item_remove(item);
		return error;
	}
	struct hooking hooking = {{item_hook}, item, false};
	uint32_t events = item_ask(item, &hooking.table);
	if (hooking.failed) {
		item_remove(item);
		return -ENOMEM;
	}
	if (events) {
		list_append(&epoll->ready, &item->ready_link);
		wake_one(&epoll->wait, EPOLLIN);
	}
	return 0;
}

static struct file *epoll_file(int fd)
{
	struct file *file = file_of(fd);
	return file && file->ops == &epoll_ops ? file : 0;
}

SYSCALL_HANDLER(epoll_ctl, int epoll_fd, int operation, int fd, uint64_t address)
{
	const uint32_t exclusive_bits =
	    EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
	struct linux_epoll_event event = {0};
	if (operation != EPOLL_CTL_DEL && copy_from_user(&event, address, sizeof(event)))
		return -EFAULT;
	struct file *epoll_of = file_of(epoll_fd);
	struct file *file = file_of(fd);
	if (!epoll_of || !file || (file->flags & O_PATH))
		return -EBADF;
	if (!file->ops->poll)
		return -EPERM; /* regular files and directories */
	if (epoll_of->ops != &epoll_ops || epoll_of == file)
		return -EINVAL;
	if ((event.events & EPOLLEXCLUSIVE) && operation == EPOLL_CTL_ADD &&
	    (file->ops == &epoll_ops || (event.events & ~exclusive_bits)))
		return -EINVAL;
	struct epoll *epoll = epoll_of->private;
	struct epoll_item *item = *item_slot(epoll, fd, file);
	switch (operation) {
	case EPOLL_CTL_ADD:
		return item_add(epoll, fd, file, &event);
	case EPOLL_CTL_DEL:
		if (!item)
			return -ENOENT;
		item_remove(item);
		return 0;
	case EPOLL_CTL_MOD:
		if (!item)
			return -ENOENT;
		if ((item->event.events | event.events) & EPOLLEXCLUSIVE)
			return -EINVAL;
		item->event = event;
		item->disabled = false;
		if (item_ask(item, 0) && list_empty(&item->ready_link)) {
			list_append(&epoll->ready, &item->ready_link);
			wake_one(&epoll->wait, EPOLLIN);
		}
		return 0;
	default:
		return -EINVAL;
	}
}

/* Takes up to COUNT events off the ready list. */
static int64_t collect(struct epoll *epoll, uint64_t address, uint32_t count)
{
	int64_t done = 0;
	struct list again;
	list_init(&again);
	while (done < (int64_t)count && !list_empty(&epoll->ready)) {
		struct epoll_item *item = list_first(&epoll->ready, struct epoll_item, ready_link);
		list_remove(&item->ready_link);
		uint32_t events = item->disabled ? 0 : item_ask(item, 0);
		if (!events)
			continue;
		struct linux_epoll_event out = {events, item->event.data};
		if (copy_to_user(address + (uint64_t)done * sizeof(out), &out, sizeof(out))) {
			list_push(&epoll->ready, &item->ready_link);
			if (!done)
				done = -EFAULT;
			break;
		}
		done++;
		if (item->event.events & EPOLLONESHOT)
			item->disabled = true;
		else if (!(item->event.events & EPOLLET))
			list_append(&again, &item->ready_link);
	}
	while (!list_empty(&again)) {
		struct list *node = again.next;
		list_remove(node);
		list_append(&epoll->ready, node);
	}
	return done;
}

static int64_t wait_events(int fd, uint64_t address, int32_t count, uint64_t deadline)
{
	struct file *file = epoll_file(fd);
	if (!file)
		return file_of(fd) ? -EINVAL : -EBADF;
	if (count <= 0 || count > EVENTS_MAX)
		return -EINVAL;
	if (!user_range(address, (uint64_t)count * sizeof(struct linux_epoll_event)))
		return -EFAULT;
	struct epoll *epoll = file->private;
	int64_t result = collect(epoll, address, (uint32_t)count);
	if (!result && deadline != DEADLINE_POLL) {
		struct wait_entry entry;
		wait_begin_exclusive(&entry, &epoll->wait);
		while (!result) {
			int slept = wait_sleep(deadline);
			result = collect(epoll, address, (uint32_t)count);
			if (!result && slept) {
				result = slept == -ETIMEDOUT ? 0 : -EINTR;
				break;
			}
		}
		wait_end(&entry);
	}
	return result;
}

static uint64_t deadline_of(int64_t ns)
{
	return ns < 0 ? DEADLINE_NEVER : !ns ? DEADLINE_POLL : clock_monotonic() + (uint64_t)ns;
}

SYSCALL_HANDLER(epoll_wait, int fd, uint64_t address, int32_t count, int32_t milliseconds)
{
	return wait_events(fd, address, count, deadline_of((int64_t)milliseconds * 1000000));
}

SYSCALL_HANDLER(epoll_pwait, int fd, uint64_t address, int32_t count, int32_t milliseconds, uint64_t mask,
                uint64_t mask_bytes)
{
	int error = signal_temporary_mask(mask, mask_bytes);
	return error ? error : sys_epoll_wait(fd, address, count, milliseconds);
}

SYSCALL_HANDLER(epoll_pwait2, int fd, uint64_t address, int32_t count, uint64_t timeout, uint64_t mask,
                uint64_t mask_bytes)
{
	uint64_t ns;
	int error = get_user_timespec(timeout, &ns);
	if (!error)
		error = signal_temporary_mask(mask, mask_bytes);
	return error ? error
	             : wait_events(fd, address, count, deadline_of(ns > INT64_MAX / 2 ? -1 : (int64_t)ns));
}

static uint32_t epoll_poll(struct file *file, struct poll_table *table)
{
	struct epoll *epoll = file->private;
	struct epoll_item *item;
	struct epoll_item *next;
	poll_wait(table, &epoll->wait);
	list_for_each_safe(item, next, &epoll->ready, ready_link)
	{
		if (!item->disabled && item_ask(item, 0))
			return POLLIN | POLLRDNORM;
		list_remove(&item->ready_link);
	}
	return 0;
}

static void epoll_release(struct file *file)
{
	struct epoll *epoll = file->private;
	while (!list_empty(&epoll->items))
		item_remove(list_first(&epoll->items, struct epoll_item, link));
	heap_free(epoll);
}

static void epoll_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "anon_inode:[eventpoll]");
}

static void epoll_info(struct file *file, struct proc_text *text)
{
	const struct epoll *epoll = file->private;
	const struct epoll_item *item;
	list_for_each(item, &epoll->items, link)
	{
		proc_print(text, "tfd: %8d events: %8x data: %16lx  pos:%ld ino:%lx sdev:0\n", item->fd,
		           item->event.events, item->event.data, item->file->position,
		           item->file->vnode ? item->file->vnode->inode : 1);
	}
}

const struct file_ops epoll_ops = {
    .poll = epoll_poll, .release = epoll_release, .describe = epoll_describe, .info = epoll_info};

SYSCALL_HANDLER(epoll_create1, uint32_t flags)
{
	if (flags & ~(uint32_t)O_CLOEXEC)
		return -EINVAL;
	struct epoll *epoll = heap_allocate(sizeof(*epoll));
	struct file *file = epoll ? file_create(&epoll_ops, O_RDWR, epoll) : 0;
	if (!file) {
		heap_free(epoll);
		return -ENOMEM;
	}
	lock_init(&epoll->lock, LOCK_EPOLL);
	list_init(&epoll->items);
	list_init(&epoll->ready);
	list_init(&epoll->nested);
	epoll->file = file;
	wait_queue_init(&epoll->wait);
	return file_give(file, flags & O_CLOEXEC);
}

SYSCALL_HANDLER(epoll_create, int32_t size)
{
	return size <= 0 ? -EINVAL : sys_epoll_create1(0);
}
