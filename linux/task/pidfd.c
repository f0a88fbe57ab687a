/* Process descriptors: pidfd_open(2), pidfd_send_signal(2), the descriptors of CLONE_PIDFD and
 * waitid(P_PIDFD). */
#include "internal.h"
#include "proc/proc.h"

static uint32_t pidfd_poll(struct file *file, struct poll_table *table)
{
	struct process *process = file->private;
	poll_wait(table, &process->exit_wait);
	return process->zombie ? POLLIN | POLLRDNORM : 0;
}

static void pidfd_release(struct file *file)
{
	process_release(file->private);
}

static void pidfd_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "anon_inode:[pidfd]");
}

static void pidfd_info(struct file *file, struct proc_text *text)
{
	const struct process *process = file->private;
	bool there = process_by_id(process->pid) == process;
	proc_print(text, "Pid:\t%d\n", there ? pid_seen(process->pid) : -1);
	if (there)
		proc_numbers(text, "NSpid", pid_namespace_current(), process->pid);
	else
		proc_print(text, "NSpid:\t-1\n");
}

static const struct file_ops pidfd_ops = {
    .poll = pidfd_poll, .release = pidfd_release, .describe = pidfd_describe, .info = pidfd_info};

static int64_t install(struct process *process, uint32_t flags)
{
	struct file *file = file_create(&pidfd_ops, O_RDWR | (flags & O_NONBLOCK), process);
	if (!file)
		return -ENOMEM;
	process_reference(process);
	return file_give(file, true);
}

int64_t pidfd_install(struct process *process)
{
	return install(process, 0);
}

static struct process *pidfd_process(int fd)
{
	struct file *file = file_of(fd);
	return file && file->ops == &pidfd_ops ? file->private : 0;
}

int32_t pidfd_process_id(int fd, bool *nonblock)
{
	const struct process *process = pidfd_process(fd);
	if (!process)
		return -EBADF;
	*nonblock = file_of(fd)->flags & O_NONBLOCK;
	return process->pid;
}

SYSCALL_HANDLER(pidfd_open, int pid, uint32_t flags)
{
	if (pid <= 0 || (flags & ~(uint32_t)O_NONBLOCK))
		return -EINVAL;
	struct process *process = process_find(pid);
	return process ? install(process, flags) : task_find(pid) ? -EINVAL : -ESRCH;
}

SYSCALL_HANDLER(pidfd_send_signal, int fd, int signal, uint64_t info_address, uint32_t flags)
{
	struct process *process = pidfd_process(fd);
	struct task *self = current_task();
	struct linux_siginfo info = {
	    .si_signo = signal, .si_code = SI_USER, .pid = self->process->pid, .uid = self->credentials.uid};
	if (flags)
		return -EINVAL;
	if (!process && file_of(fd)) /* of old, a directory of /proc does */
		process = proc_file_process(file_of(fd));
	if (!process)
		return -EBADF;
	if (info_address) {
		if (copy_from_user(&info, info_address, sizeof(info)))
			return -EFAULT;
		if (info.si_signo != signal)
			return -EINVAL;
		if ((info.si_code >= 0 || info.si_code == SI_TKILL) && process != self->process)
			return -EPERM;
	}
	if (signal < 0 || signal > SIGNAL_COUNT)
		return -EINVAL;
	if (process_by_id(process->pid) != process)
		return -ESRCH;
	/* Only downwards, where it has a number. */
	if (!pid_seen(process->pid))
		return -EINVAL;
	if (!info_address) {
		info.pid = pid_seen_by(process, info.pid);
		if (process->leader)
			info.uid = uid_seen_in(process->leader->credentials.user, info.uid);
	}
	if (!process_permitted(process))
		return -EPERM;
	return signal ? signal_send_process(process, signal, &info) : 0;
}

/* A copy of descriptor TARGET of the process behind FD: pidfd_getfd(2). */
SYSCALL_HANDLER(pidfd_getfd, int fd, int target, uint32_t flags)
{
	struct process *process = pidfd_process(fd);
	if (flags)
		return -EINVAL;
	if (!process)
		return -EBADF;
	if (process->zombie || process_by_id(process->pid) != process || !process->leader)
		return -ESRCH;
	if (!process_may_trace(process))
		return -EPERM;
	const struct files *files = process->leader->files;
	struct file *file = files && (uint32_t)target < files->capacity ? files->slots[target] : 0;
	return file ? file_give(file_reference(file), true) : -EBADF;
}

/* A process that ends frees its memory by itself, and before anything that may take long. */
SYSCALL_HANDLER(process_mrelease, int fd, uint32_t flags)
{
	const struct process *process = pidfd_process(fd);
	if (flags)
		return -EINVAL;
	if (!process)
		return -EBADF;
	if (process->zombie || process_by_id(process->pid) != process)
		return -ESRCH;
	return process->exiting ? 0 : -EINVAL;
}
