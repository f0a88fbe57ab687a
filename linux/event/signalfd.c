/* signalfd(2): pending signals read as records. */
#include "../internal.h"
#include "../include/file.h"

struct signalfd {
	uint64_t mask;
};

struct signalfd_record {
	uint32_t signo;
	int32_t error, code;
	uint32_t pid, uid;
	int32_t fd;
	uint32_t timer_id, band, overrun, trap;
	int32_t status, value;
	uint64_t pointer, user_time, system_time, address;
	uint16_t address_lsb;
	uint8_t pad[46];
};
_Static_assert(sizeof(struct signalfd_record) == 128, "struct signalfd_siginfo");

static bool any_pending(const struct signalfd *signalfd)
{
	const struct task *task = current_task();
	return (task->pending.set | task->process->pending.set) & signalfd->mask;
}

static void fill(struct signalfd_record *record, const struct linux_siginfo *info)
{
	*record = (struct signalfd_record){
	    .signo = (uint32_t)info->si_signo, .error = info->si_errno, .code = info->si_code};
	if (info->si_code == SI_TIMER) {
		record->timer_id = (uint32_t)info->timer_id;
		record->overrun = (uint32_t)info->overrun;
		record->pointer = info->timer_value;
		record->value = (int32_t)info->timer_value;
		return;
	}
	if (info->si_signo == SIGSEGV || info->si_signo == SIGBUS || info->si_signo == SIGILL ||
	    info->si_signo == SIGFPE) {
		record->address = info->address;
		return;
	}
	record->pid = (uint32_t)info->pid;
	record->uid = info->uid;
	if (info->si_signo == SIGCHLD) {
		record->status = info->status;
		record->user_time = (uint64_t)info->user_ticks;
		record->system_time = (uint64_t)info->system_ticks;
	} else {
		record->pointer = info->value;
		record->value = (int32_t)info->value;
	}
}

static int64_t signalfd_read(struct file *file, struct io *io, int64_t *position)
{
	struct signalfd *signalfd = file->private;
	int64_t total = 0;
	(void)position;
	if (io->remaining < sizeof(struct signalfd_record))
		return -EINVAL;
	while (io->remaining >= sizeof(struct signalfd_record)) {
		struct linux_siginfo info;
		struct signalfd_record record;
		if (!signal_take(signalfd->mask, &info)) {
			if (total)
				break;
			if (file->flags & O_NONBLOCK)
				return -EAGAIN;
			int result = wait_event(&current_task()->process->signal_wait, any_pending(signalfd),
			                        DEADLINE_NEVER);
			if (result)
				return result;
			continue;
		}
		fill(&record, &info);
		int64_t done = io_put(io, &record, sizeof(record));
		if (done < 0)
			return total ? total : done;
		total += done;
	}
	return total;
}

static uint32_t signalfd_poll(struct file *file, struct poll_table *table)
{
	const struct signalfd *signalfd = file->private;
	poll_wait(table, &current_task()->process->signal_wait);
	return any_pending(signalfd) ? POLLIN : 0;
}

static void signalfd_release(struct file *file)
{
	heap_free(file->private);
}

static void signalfd_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "anon_inode:[signalfd]");
}

static const struct file_ops signalfd_ops = {
    .read = signalfd_read,
    .poll = signalfd_poll,
    .release = signalfd_release,
    .describe = signalfd_describe,
};

SYSCALL_HANDLER(signalfd4, int fd, uint64_t mask_address, uint64_t mask_bytes, uint32_t flags)
{
	uint64_t mask;
	if (mask_bytes != 8 || flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	if (copy_from_user(&mask, mask_address, 8))
		return -EFAULT;
	mask &= ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
	if (fd != -1) {
		struct file *file = file_of(fd);
		if (!file)
			return -EBADF;
		if (file->ops != &signalfd_ops)
			return -EINVAL;
		((struct signalfd *)file->private)->mask = mask;
		wake_all(&current_task()->process->signal_wait, 0);
		return fd;
	}
	struct signalfd *signalfd = heap_allocate(sizeof(*signalfd));
	struct file *file =
	    signalfd ? file_create(&signalfd_ops, O_RDWR | (flags & O_NONBLOCK), signalfd) : 0;
	if (!file) {
		heap_free(signalfd);
		return -ENOMEM;
	}
	signalfd->mask = mask;
	return file_give(file, flags & O_CLOEXEC);
}

SYSCALL_HANDLER(signalfd, int fd, uint64_t mask_address, uint64_t mask_bytes)
{
	return sys_signalfd4(fd, mask_address, mask_bytes, 0);
}
