/* eventfd(2) and timerfd_create(2): counters as files. */
#include "../internal.h"
#include "../async/async.h"
#include "../include/file.h"
#include "../proc/proc.h"

/* ---- eventfd ---- */

enum { EFD_SEMAPHORE = 1 };

struct eventfd {
	struct lock lock; /* LOCK_OBJECT */
	uint64_t count;
	bool semaphore;
	struct wait_queue wait;
};

static int64_t read_locked(struct eventfd *eventfd, const struct file *file, struct io *io)
{
	if (!eventfd->count) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int result =
		    wait_event_locked(&eventfd->wait, &eventfd->lock, eventfd->count != 0, DEADLINE_NEVER);
		if (result)
			return result;
	}
	uint64_t value = eventfd->semaphore ? 1 : eventfd->count;
	int64_t done = io_put(io, &value, 8);
	if (done == 8) {
		eventfd->count -= value;
		wake_all(&eventfd->wait, POLLOUT);
	}
	return done;
}

static int64_t eventfd_read(struct file *file, struct io *io, int64_t *position)
{
	struct eventfd *eventfd = file->private;
	(void)position;
	if (io->remaining < 8)
		return -EINVAL;
	lock_acquire(&eventfd->lock);
	int64_t result = read_locked(eventfd, file, io);
	lock_release(&eventfd->lock);
	return result;
}

static int64_t write_locked(struct eventfd *eventfd, const struct file *file, uint64_t value)
{
	if (value > UINT64_MAX - 1 - eventfd->count) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int result = wait_event_locked(&eventfd->wait, &eventfd->lock,
		                               value <= UINT64_MAX - 1 - eventfd->count, DEADLINE_NEVER);
		if (result)
			return result;
	}
	eventfd->count += value;
	wake_all(&eventfd->wait, POLLIN);
	return 8;
}

static int64_t eventfd_write(struct file *file, struct io *io, int64_t *position)
{
	struct eventfd *eventfd = file->private;
	uint64_t value;
	(void)position;
	if (io->remaining < 8)
		return -EINVAL;
	int64_t got = io_take(io, &value, 8);
	if (got != 8)
		return got < 0 ? got : -EFAULT;
	if (value == UINT64_MAX)
		return -EINVAL;
	lock_acquire(&eventfd->lock);
	int64_t result = write_locked(eventfd, file, value);
	lock_release(&eventfd->lock);
	return result;
}

static uint32_t eventfd_poll(struct file *file, struct poll_table *table)
{
	struct eventfd *eventfd = file->private;
	poll_wait(table, &eventfd->wait);
	return (eventfd->count ? POLLIN : 0) | (eventfd->count < UINT64_MAX - 1 ? POLLOUT : 0) |
	       (eventfd->count == UINT64_MAX ? POLLERR : 0);
}

static void eventfd_release(struct file *file)
{
	heap_free(file->private);
}

static void eventfd_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "anon_inode:[eventfd]");
}

static void eventfd_info(struct file *file, struct proc_text *text)
{
	const struct eventfd *eventfd = file->private;
	proc_print(text, "eventfd-count: %16lx\n", eventfd->count);
}

static const struct file_ops eventfd_ops = {
    .read = eventfd_read,
    .write = eventfd_write,
    .parallel = true,
    .poll = eventfd_poll,
    .release = eventfd_release,
    .describe = eventfd_describe,
    .info = eventfd_info,
};

bool eventfd_add(struct file *file, uint64_t value)
{
	if (file->ops != &eventfd_ops)
		return false;
	struct eventfd *eventfd = file->private;
	lock_acquire(&eventfd->lock);
	if (value && value <= UINT64_MAX - eventfd->count) {
		eventfd->count += value;
		wake_all(&eventfd->wait, POLLIN);
	}
	lock_release(&eventfd->lock);
	return true;
}

/* A descriptor of a new file with OPS over PRIVATE (heap memory, freed on failure). */
static int64_t install_new(const struct file_ops *ops, void *private, uint32_t flags)
{
	struct file *file = private ? file_create(ops, O_RDWR | (flags & O_NONBLOCK), private) : 0;
	if (!file) {
		heap_free(private);
		return -ENOMEM;
	}
	return file_give(file, flags & O_CLOEXEC);
}

SYSCALL_HANDLER(eventfd2, uint32_t count, uint32_t flags)
{
	if (flags & ~(uint32_t)(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	struct eventfd *eventfd = heap_allocate(sizeof(*eventfd));
	if (eventfd) {
		lock_init(&eventfd->lock, LOCK_OBJECT);
		eventfd->count = count;
		eventfd->semaphore = flags & EFD_SEMAPHORE;
		wait_queue_init(&eventfd->wait);
	}
	return install_new(&eventfd_ops, eventfd, flags);
}

SYSCALL_HANDLER(eventfd, uint32_t count)
{
	return sys_eventfd2(count, 0);
}

/* ---- timerfd ---- */

enum { TFD_TIMER_ABSTIME = 1, TFD_TIMER_CANCEL_ON_SET = 2 };

struct timerfd {
	struct timer timer;
	int32_t clock;
	uint32_t flags;                           /* of the last setting */
	uint64_t expirations, interval, deadline; /* monotonic ns */
	struct wait_queue wait;
};

static void timerfd_expire(struct timer *timer)
{
	struct timerfd *timerfd = container_of(timer, struct timerfd, timer);
	timerfd->expirations++;
	if (timerfd->interval) {
		uint64_t now = clock_monotonic();
		uint64_t missed = now > timerfd->deadline ? (now - timerfd->deadline) / timerfd->interval : 0;
		timerfd->expirations += missed;
		timerfd->deadline += (missed + 1) * timerfd->interval;
		timer_set(timer, timerfd->deadline);
	} else {
		timerfd->deadline = 0;
	}
	wake_all(&timerfd->wait, POLLIN);
}

static int64_t timerfd_read(struct file *file, struct io *io, int64_t *position)
{
	struct timerfd *timerfd = file->private;
	(void)position;
	if (io->remaining < 8)
		return -EINVAL;
	if (!timerfd->expirations) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int result = wait_event(&timerfd->wait, timerfd->expirations != 0, DEADLINE_NEVER);
		if (result)
			return result;
	}
	int64_t done = io_put(io, &timerfd->expirations, 8);
	if (done == 8)
		timerfd->expirations = 0;
	return done;
}

static uint32_t timerfd_poll(struct file *file, struct poll_table *table)
{
	struct timerfd *timerfd = file->private;
	poll_wait(table, &timerfd->wait);
	return timerfd->expirations ? POLLIN : 0;
}

static void timerfd_release(struct file *file)
{
	struct timerfd *timerfd = file->private;
	timer_cancel(&timerfd->timer);
	heap_free(timerfd);
}

static void timerfd_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "anon_inode:[timerfd]");
}

static void timerfd_info(struct file *file, struct proc_text *text)
{
	const struct timerfd *timerfd = file->private;
	uint64_t now = clock_monotonic();
	uint64_t left = timerfd->deadline > now ? timerfd->deadline - now : 0;
	proc_print(
	    text,
	    "clockid: %d\nticks: %lu\nsettime flags: 0%o\nit_value: (%lu, %lu)\nit_interval: (%lu, %lu)\n",
	    timerfd->clock, timerfd->expirations, timerfd->flags, (uint64_t)(left / NS_PER_SECOND),
	    (uint64_t)(left % NS_PER_SECOND), (uint64_t)(timerfd->interval / NS_PER_SECOND),
	    (uint64_t)(timerfd->interval % NS_PER_SECOND));
}

static const struct file_ops timerfd_ops = {
    .read = timerfd_read,
    .poll = timerfd_poll,
    .release = timerfd_release,
    .describe = timerfd_describe,
    .info = timerfd_info,
};

SYSCALL_HANDLER(timerfd_create, int32_t clock, uint32_t flags)
{
	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME &&
	    clock != CLOCK_REALTIME_ALARM && clock != CLOCK_BOOTTIME_ALARM)
		return -EINVAL;
	struct timerfd *timerfd = heap_allocate(sizeof(*timerfd));
	if (timerfd) {
		timerfd->clock = clock == CLOCK_REALTIME_ALARM ? CLOCK_REALTIME : clock;
		timerfd->timer.expire = timerfd_expire;
		wait_queue_init(&timerfd->wait);
	}
	return install_new(&timerfd_ops, timerfd, flags);
}

static struct timerfd *timerfd_of(int fd, int64_t *error)
{
	struct file *file = file_of(fd);
	*error = !file ? -EBADF : -EINVAL;
	return file && file->ops == &timerfd_ops ? file->private : 0;
}

static void current_setting(const struct timerfd *timerfd, struct linux_itimerspec *out)
{
	uint64_t now = clock_monotonic();
	uint64_t left = !timerfd->deadline ? 0 : timerfd->deadline > now ? timerfd->deadline - now : 1;
	out->value = timespec_of(left);
	out->interval = timespec_of(timerfd->interval);
}

SYSCALL_HANDLER(timerfd_settime, int fd, uint32_t flags, uint64_t new_address, uint64_t old_address)
{
	struct linux_itimerspec setting;
	struct linux_itimerspec old;
	uint64_t value;
	uint64_t interval;
	int64_t error;
	struct timerfd *timerfd = timerfd_of(fd, &error);
	if (!timerfd)
		return error;
	if (flags & ~(uint32_t)(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET))
		return -EINVAL;
	if (copy_from_user(&setting, new_address, sizeof(setting)))
		return -EFAULT;
	if (timespec_ns(&setting.value, &value) || timespec_ns(&setting.interval, &interval))
		return -EINVAL;
	current_setting(timerfd, &old);
	if (old_address && copy_to_user(old_address, &old, sizeof(old)))
		return -EFAULT;
	timer_cancel(&timerfd->timer);
	timerfd->expirations = 0;
	timerfd->interval = interval;
	timerfd->flags = flags;
	timerfd->deadline = 0;
	if (value) {
		uint64_t deadline = clock_monotonic() + value;
		if ((flags & TFD_TIMER_ABSTIME) && clock_deadline(timerfd->clock, value, &deadline))
			return -EINVAL;
		timerfd->deadline = deadline;
		timer_set(&timerfd->timer, deadline);
	}
	return 0;
}

SYSCALL_HANDLER(timerfd_gettime, int fd, uint64_t address)
{
	struct linux_itimerspec setting;
	int64_t error;
	const struct timerfd *timerfd = timerfd_of(fd, &error);
	if (!timerfd)
		return error;
	current_setting(timerfd, &setting);
	return copy_to_user(address, &setting, sizeof(setting));
}
