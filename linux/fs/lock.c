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
#include "../proc/proc.h"

struct file_lock {
	struct list link;    /* in vnode->locks */
	const void *owner;   /* struct process or struct file */
	int32_t pid;         /* -1: OFD */
	bool whole;          /* flock */
	int32_t whole_pid;   /* who made it, for /proc */
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

/* Enters LOCK in the list, which is in order of positions. */
static void lock_insert(struct vnode *vnode, struct file_lock *lock)
{
	struct file_lock *other;
	list_for_each(other, &vnode->locks, link)
	{
		if (other->start > lock->start)
			break;
	}
	list_insert_between(&lock->link, other->link.previous, &other->link);
}

static bool same_owner(const struct file_lock *a, const struct file_lock *b)
{
	return a->owner == b->owner && a->whole == b->whole;
}

/* Makes [start, end) of VNODE belong to WANT's owner with WANT's type (F_UNLCK: to nobody): cuts and joins
 * its other locks. */
static int lock_apply(struct vnode *vnode, const struct file_lock *want)
{
	struct file_lock *added = 0;
	struct file_lock *tail = heap_allocate(sizeof(*tail)); /* needed where one lock is cut in two */
	if (tail && want->type != F_UNLCK)
		added = heap_allocate(sizeof(*added));
	if (!tail || (want->type != F_UNLCK && !added)) {
		heap_free(tail);
		return -ENOLCK;
	}
	if (added)
		*added = *want;
	struct file_lock *lock;
	struct file_lock *next;
	list_for_each_safe(lock, next, &vnode->locks, link)
	{
		if (!same_owner(lock, want) || lock->start > want->end || want->start > lock->end)
			continue;
		if (added && lock->type == want->type) {
			/* Of one kind and touching: they become one. */
			added->start = lock->start < added->start ? lock->start : added->start;
			added->end = lock->end > added->end ? lock->end : added->end;
		} else if (lock->start == want->end || want->start == lock->end) {
			continue;
		} else if (lock->start < want->start && lock->end > want->end) {
			*tail = *lock;
			tail->start = want->end;
			lock->end = want->start;
			lock_insert(vnode, tail);
			tail = 0;
			continue;
		} else if (lock->start < want->start) {
			lock->end = want->start;
			continue;
		} else if (lock->end > want->end) {
			list_remove(&lock->link);
			lock->start = want->end;
			lock_insert(vnode, lock);
			continue;
		}
		list_remove(&lock->link);
		heap_free(lock);
	}
	if (added)
		lock_insert(vnode, added);
	heap_free(tail);
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

#define TO_THE_END INT64_MAX

/* [start, end) of what the user says: fcntl(2). A lock of no length reaches to the end of all files. */
static int64_t range_of(const struct file *file, const struct vnode *vnode, const struct linux_flock *from,
                        struct file_lock *to)
{
	int64_t start = 0, end;
	if (from->l_whence == SEEK_CUR)
		start = file->position;
	else if (from->l_whence == SEEK_END)
		start = (int64_t)vnode->size;
	else if (from->l_whence != SEEK_SET)
		return -EINVAL;
	if (__builtin_add_overflow(start, from->l_start, &start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	if (from->l_len > 0) {
		if (from->l_len - 1 > INT64_MAX - start)
			return -EOVERFLOW;
		end = from->l_len > INT64_MAX - start ? TO_THE_END : start + from->l_len;
	} else if (from->l_len < 0) {
		end = start;
		if (__builtin_add_overflow(start, from->l_len, &start) || start < 0)
			return -EINVAL;
	} else {
		end = TO_THE_END;
	}
	to->start = (uint64_t)start;
	to->end = (uint64_t)end;
	return 0;
}

int64_t lock_fcntl(int fd, struct file *file, int command, uint64_t argument)
{
	struct linux_flock user;
	bool ofd = command >= F_OFD_GETLK;
	bool ask = command == F_GETLK || command == F_OFD_GETLK;
	struct process *process = current_task()->process;
	struct file_lock want = {.owner = ofd ? (void *)file : (void *)process,
	                         .pid = ofd ? -1 : process->pid};
	struct vnode *vnode = file_vnode(file);
	if (copy_from_user(&user, argument, sizeof(user)))
		return -EFAULT;
	if (!vnode)
		return -ENOLCK;
	if (ofd && user.l_pid)
		return -EINVAL;
	want.type = user.l_type;
	if (user.l_type != F_RDLCK && user.l_type != F_WRLCK && (user.l_type != F_UNLCK || ask))
		return -EINVAL;
	int64_t error = range_of(file, vnode, &user, &want);
	if (error)
		return error;
	if (ask) {
		const struct file_lock *conflict = lock_conflict(vnode, &want);
		user.l_type = F_UNLCK;
		if (conflict) {
			user.l_type = conflict->type;
			user.l_whence = SEEK_SET;
			user.l_start = (int64_t)conflict->start;
			user.l_len =
			    conflict->end == TO_THE_END ? 0 : (int64_t)(conflict->end - conflict->start);
			user.l_pid = conflict->pid < 0 ? conflict->pid : pid_seen(conflict->pid);
		}
		return copy_to_user(argument, &user, sizeof(user));
	}
	if ((want.type == F_RDLCK && !file_readable(file)) || (want.type == F_WRLCK && !file_writable(file)))
		return -EBADF;
	error = lock_set(vnode, &want, command == F_SETLKW || command == F_OFD_SETLKW, !ofd);
	/* A close while it waited has dropped the process's locks before this one was there. */
	if (!error && !ofd && want.type != F_UNLCK && file_of(fd) != file) {
		want.type = F_UNLCK;
		(void)lock_set(vnode, &want, false, false);
		return -EBADF;
	}
	return error;
}

enum { LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8, LOCK_MAND = 32 };

/* A lock of another kind that FILE has on all of VNODE goes before the new one is tried for: flock(2), "not
 * guaranteed to be atomic". */
static void let_go_first(struct vnode *vnode, const struct file_lock *want)
{
	struct file_lock *lock;
	struct file_lock *next;
	list_for_each_safe(lock, next, &vnode->locks, link)
	{
		if (!same_owner(lock, want) || lock->type == want->type)
			continue;
		list_remove(&lock->link);
		heap_free(lock);
		wake_all(&lock_queue, 0);
	}
}

SYSCALL_HANDLER(flock, int fd, int operation)
{
	struct file *file = file_of(fd);
	struct file_lock want = {.owner = file, .pid = -1, .whole = true, .start = 0, .end = UINT64_MAX};
	if (operation & LOCK_MAND)
		return file ? 0 : -EBADF; /* ignored since Linux 5.17 */
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
	if (!file)
		return -EBADF;
	struct vnode *vnode = file_vnode(file);
	if (!vnode)
		return -ENOLCK;
	want.whole_pid = current_task()->process->pid;
	if (want.type != F_UNLCK)
		let_go_first(vnode, &want);
	return lock_set(vnode, &want, !(operation & LOCK_NB), false);
}

/* ---- As text: /proc/locks and /proc/N/fdinfo (proc(5)) ---- */

static void lock_line(const struct vnode *vnode, const struct file_lock *lock, unsigned number,
                      struct proc_text *text)
{
	uint64_t device = vnode->filesystem ? vnode->filesystem->device : 0;
	proc_print(text, "%u: %s  ADVISORY  %s %d %02lx:%02lx:%lu %lu ", number,
	           lock->whole       ? "FLOCK "
	           : lock->pid == -1 ? "OFDLCK"
	                             : "POSIX ",
	           lock->type == F_WRLCK ? "WRITE" : "READ ", lock->whole ? lock->whole_pid : lock->pid,
	           device >> 8, device & 255, vnode->inode, lock->start);
	if (lock->whole || lock->end == TO_THE_END)
		proc_print(text, "EOF\n");
	else
		proc_print(text, "%lu\n", lock->end - 1);
}

void lock_info(const struct file *file, struct proc_text *text)
{
	const struct file_lock *lock;
	unsigned number = 1;
	if (!file->vnode)
		return;
	list_for_each(lock, &file->vnode->locks, link)
	{
		proc_print(text, "lock:\t");
		lock_line(file->vnode, lock, number++, text);
	}
}

/* All locks are found through the descriptors of those who can have them; each vnode is shown once. */
void lock_table(struct proc_text *text)
{
	static uint64_t rounds;
	unsigned number = 1;
	rounds++;
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		const struct files *files = process->leader ? process->leader->files : 0;
		for (uint32_t fd = 0; files && fd < files->capacity; fd++) {
			struct vnode *vnode = files->slots[fd] ? files->slots[fd]->vnode : 0;
			const struct file_lock *lock;
			if (!vnode || list_empty(&vnode->locks) || vnode->lock_round == rounds)
				continue;
			vnode->lock_round = rounds;
			list_for_each(lock, &vnode->locks, link) lock_line(vnode, lock, number++, text);
		}
	}
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
