/* Record locks (POSIX and open-file-description) and flock: fcntl(2), flock(2).
 *
 * Each vnode has a list of locked ranges, few in practice. An owner is a process (POSIX), or an open file
 * description (OFD and flock; flock's are of another kind and do not meet record locks). A waiter sleeps on
 * one queue for all locks and tries again. Deadlocks of POSIX locks are found by following who waits for
 * whom.
 */
#include "../internal.h"
#include "lock.h"
#include "name.h"

struct file_lock {
	struct list link;    /* in vnode->locks */
	const void *owner;   /* struct process or struct file */
	int32_t pid;         /* -1: OFD */
	bool whole;          /* flock */
	int16_t type;        /* F_RDLCK, F_WRLCK */
	uint64_t start, end; /* [start, end) */
};

static struct wait_queue lock_queue = WAIT_QUEUE_INIT(lock_queue);

/* Processes that wait: for deadlock detection. */
struct waiting {
	struct list link;
	const void *owner, *blocker;
};
static struct list waiting = LIST_INIT(waiting);

static struct file_lock *lock_conflict(const struct vnode *vnode, const struct file_lock *want)
{
	struct file_lock *lock;
	list_for_each(lock, &vnode->locks,
	              link) if (lock->whole == want->whole && lock->owner != want->owner &&
	                        lock->start < want->end && want->start < lock->end &&
	                        (lock->type == F_WRLCK || want->type == F_WRLCK)) return lock;
	return 0;
}

/* Makes [start, end) of VNODE belong to WANT's owner with WANT's type (F_UNLCK: to nobody): cuts and joins
 * its other locks. */
static int lock_apply(struct vnode *vnode, const struct file_lock *want)
{
	struct file_lock *added = 0;
	struct file_lock *tail = 0;
	if (want->type != F_UNLCK && !(added = heap_allocate(sizeof(*added))))
		return -ENOLCK;
	struct file_lock *lock;
	struct file_lock *next;
	list_for_each_safe(lock, next, &vnode->locks, link)
	{
		if (lock->owner != want->owner || lock->whole != want->whole || lock->start >= want->end ||
		    want->start >= lock->end)
			continue;
		if (lock->start < want->start && lock->end > want->end) {
			tail = heap_allocate(sizeof(*tail));
			if (!tail) {
				heap_free(added);
				return -ENOLCK;
			}
			*tail = *lock;
			tail->start = want->end;
			list_append(&vnode->locks, &tail->link);
			lock->end = want->start;
		} else if (lock->start < want->start) {
			lock->end = want->start;
		} else if (lock->end > want->end) {
			lock->start = want->end;
		} else {
			list_remove(&lock->link);
			heap_free(lock);
		}
	}
	if (added) {
		*added = *want;
		list_append(&vnode->locks, &added->link);
	}
	wake_all(&lock_queue, 0);
	return 0;
}

static bool would_deadlock(const void *owner, const void *blocker)
{
	for (unsigned hops = 0; hops < 64; hops++) {
		if (blocker == owner)
			return true;
		const void *next = 0;
		struct waiting *other;
		list_for_each(other, &waiting, link) if (other->owner == blocker) next = other->blocker;
		if (!next)
			return false;
		blocker = next;
	}
	return false;
}

static int64_t lock_set(struct vnode *vnode, const struct file_lock *want, bool wait, bool detect)
{
	struct file_lock *conflict;
	while (want->type != F_UNLCK && (conflict = lock_conflict(vnode, want)) != 0) {
		if (!wait)
			return -EAGAIN;
		if (detect && conflict->pid >= 0 && would_deadlock(want->owner, conflict->owner))
			return -EDEADLK;
		struct waiting self = {.owner = want->owner, .blocker = conflict->owner};
		struct wait_entry entry;
		list_append(&waiting, &self.link);
		wait_begin(&entry, &lock_queue);
		int result = wait_sleep(DEADLINE_NEVER);
		wait_end(&entry);
		list_remove(&self.link);
		if (result)
			return result;
	}
	return lock_apply(vnode, want);
}

static int64_t range_of(const struct file *file, const struct linux_flock *from, struct file_lock *to)
{
	int64_t start = from->l_start;
	if (from->l_whence == SEEK_CUR)
		start += file->position;
	else if (from->l_whence == SEEK_END)
		start += (int64_t)file->vnode->size;
	else if (from->l_whence != SEEK_SET)
		return -EINVAL;
	int64_t end = from->l_len ? start + from->l_len : INT64_MAX;
	if (from->l_len < 0) {
		end = start;
		start += from->l_len;
	}
	if (start < 0 || end < start)
		return -EINVAL;
	to->start = (uint64_t)start;
	to->end = (uint64_t)end;
	return 0;
}

int64_t lock_fcntl(int fd, struct file *file, int command, uint64_t argument)
{
	struct linux_flock user;
	bool ofd = command >= F_OFD_GETLK;
	struct process *process = current_task()->process;
	struct file_lock want = {.owner = ofd ? (void *)file : (void *)process,
	                         .pid = ofd ? -1 : process->pid};
	if (copy_from_user(&user, argument, sizeof(user)))
		return -EFAULT;
	if (!file->vnode || (ofd && user.l_pid))
		return file->vnode ? -EINVAL : -EBADF;
	want.type = user.l_type;
	if (user.l_type != F_RDLCK && user.l_type != F_WRLCK && user.l_type != F_UNLCK)
		return -EINVAL;
	int64_t error = range_of(file, &user, &want);
	if (error)
		return error;
	if (command == F_GETLK || command == F_OFD_GETLK) {
		const struct file_lock *conflict = lock_conflict(file->vnode, &want);
		user.l_type = F_UNLCK;
		if (conflict) {
			user.l_type = conflict->type;
			user.l_whence = SEEK_SET;
			user.l_start = (int64_t)conflict->start;
			user.l_len =
			    conflict->end == INT64_MAX ? 0 : (int64_t)(conflict->end - conflict->start);
			user.l_pid = conflict->pid;
		}
		return copy_to_user(argument, &user, sizeof(user));
	}
	if ((want.type == F_RDLCK && !file_readable(file)) || (want.type == F_WRLCK && !file_writable(file)))
		return -EBADF;
	error = lock_set(file->vnode, &want, command == F_SETLKW || command == F_OFD_SETLKW, !ofd);
	/* A close while it waited has dropped the process's locks before this one was there. */
	if (!error && !ofd && want.type != F_UNLCK && file_of(fd) != file) {
		want.type = F_UNLCK;
		(void)lock_set(file->vnode, &want, false, false);
		return -EBADF;
	}
	return error;
}

enum { LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8 };

SYSCALL_HANDLER(flock, int fd, int operation)
{
	struct file *file = file_of(fd);
	if (!file)
		return -EBADF;
	if (!file->vnode)
		return -EINVAL;
	struct file_lock want = {.owner = file, .pid = -1, .whole = true, .start = 0, .end = UINT64_MAX};
	switch (operation & ~LOCK_NB) {
	case LOCK_SH:
		want.type = F_RDLCK;
		break;
	case LOCK_EX:
		want.type = F_WRLCK;
		break;
	case LOCK_UN:
		want.type = F_UNLCK;
		break;
	default:
		return -EINVAL;
	}
	return lock_set(file->vnode, &want, !(operation & LOCK_NB), false);
}

static void drop_owner(struct vnode *vnode, const void *owner)
{
	struct file_lock *lock;
	struct file_lock *next;
	bool dropped = false;
	list_for_each_safe(lock, next, &vnode->locks, link)
	{
		if (lock->owner != owner)
			continue;
		list_remove(&lock->link);
		heap_free(lock);
		dropped = true;
	}
	if (dropped)
		wake_all(&lock_queue, 0);
}

void lock_process_close(struct file *file)
{
	if (!list_empty(&file->vnode->locks))
		drop_owner(file->vnode, current_task()->process);
}

void lock_file_gone(struct file *file)
{
	if (!list_empty(&file->vnode->locks))
		drop_owner(file->vnode, file);
}
