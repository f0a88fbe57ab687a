/* Open files and descriptor tables: see linux/include/file.h. */
#include "../internal.h"
#include "lock.h"
#include "name.h"
#include "open.h"

#define SLOTS_FIRST 64u

struct file *file_create(const struct file_ops *ops, uint32_t flags, void *private)
{
	struct file *file = heap_allocate(sizeof(*file));
	if (!file)
		return 0;
	file->references = 1;
	lock_init(&file->position_lock, LOCK_POSITION);
	file->ops = ops;
	file->flags = flags;
	file->private = private;
	list_init(&file->epoll_items);
	return file;
}

void file_release(struct file *file)
{
	if (__atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL)) {
		if (file->ops && file->ops->dropped)
			file->ops->dropped(file);
		return;
	}
	if (!list_empty(&file->epoll_items))
		epoll_file_gone(file);
	if (file->vnode)
		lock_file_gone(file);
	if (file->ops && !(file->flags & O_PATH) && inotify_watched(file))
		inotify_file(file, file_writable(file) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
	if (file->ops && file->ops->release)
		file->ops->release(file);
	if (file->vnode) {
		file->vnode->write_count -= file->write_share;
		file_writes(file, 0);
		vnode_release(file->vnode);
	}
	path_release(&file->path);
	heap_free(file);
}

/* ---- Descriptor tables ---- */

static bool files_grow(struct files *files, uint32_t capacity)
{
	capacity = (capacity + 63) & ~63u;
	struct file **slots = heap_resize(files->slots, capacity * sizeof(void *));
	if (!slots)
		return false;
	files->slots = slots;
	uint64_t *used = heap_resize(files->used, capacity / 8);
	if (!used)
		return false;
	files->used = used;
	uint64_t *close_on_exec = heap_resize(files->close_on_exec, capacity / 8);
	if (!close_on_exec)
		return false;
	files->close_on_exec = close_on_exec;
	files->capacity = capacity;
	return true;
}

struct files *files_create(void)
{
	struct files *files = heap_allocate(sizeof(*files));
	if (!files)
		return 0;
	files->references = 1;
	if (!files_grow(files, SLOTS_FIRST)) {
		files_release(files);
		return 0;
	}
	return files;
}

struct files *files_clone(const struct files *files)
{
	struct files *copy = heap_allocate(sizeof(*copy));
	if (!copy)
		return 0;
	copy->references = 1;
	uint32_t words = files->capacity / 64;
	while (words > 1 && !files->used[words - 1])
		words--;
	if (!files_grow(copy, words * 64)) {
		files_release(copy);
		return 0;
	}
	memcpy(copy->used, files->used, words * 8);
	memcpy(copy->close_on_exec, files->close_on_exec, words * 8);
	copy->lowest_free = files->lowest_free;
	for (uint32_t word = 0; word < words; word++) {
		for (uint64_t bits = files->used[word]; bits; bits &= bits - 1) {
			uint32_t fd = word * 64 + (uint32_t)__builtin_ctzll(bits);
			copy->slots[fd] = file_reference(files->slots[fd]);
		}
	}
	return copy;
}

struct files *files_reference(struct files *files)
{
	files->references++;
	return files;
}

static void slot_clear(struct files *files, uint32_t fd)
{
	files->slots[fd] = 0;
	files->used[fd / 64] &= ~(1ull << fd % 64);
	files->close_on_exec[fd / 64] &= ~(1ull << fd % 64);
	if (fd < files->lowest_free)
		files->lowest_free = fd;
}

static void file_close(struct file *file)
{
	if (file->vnode)
		lock_process_close(file);
	if (file->ops && file->ops->flush)
		file->ops->flush(file);
	file_release(file);
}

void files_release(struct files *files)
{
	if (--files->references)
		return;
	for (uint32_t word = 0; files->used && word < files->capacity / 64; word++) {
		while (files->used[word]) {
			uint32_t fd = word * 64 + (uint32_t)__builtin_ctzll(files->used[word]);
			struct file *file = files->slots[fd];
			slot_clear(files, fd);
			file_close(file);
		}
	}
	heap_free(files->slots);
	heap_free(files->used);
	heap_free(files->close_on_exec);
	heap_free(files);
}

void files_exec(struct files *files)
{
	for (uint32_t word = 0; word < files->capacity / 64; word++) {
		while (files->close_on_exec[word]) {
			uint32_t fd = word * 64 + (uint32_t)__builtin_ctzll(files->close_on_exec[word]);
			struct file *file = files->slots[fd];
			slot_clear(files, fd);
			file_close(file);
		}
	}
}

static void hold(struct task *task, struct file *file)
{
	for (uint32_t i = 0; i < task->held_count; i++)
		if (task->held[i] == file)
			return;
	file_reference(file);
	if (task->held_count < TASK_HELD_MAX)
		task->held[task->held_count++] = file;
	else
		linux_log("linux: call %ld holds too many files: one will not be closed\n",
		          task->syscall_number);
}

struct file *file_of_any(int fd)
{
	struct task *task = current_task();
	const struct files *files = task->files;
	struct file *file = (uint32_t)fd < files->capacity ? files->slots[fd] : 0;
	if (fd == REQUEST_FD || fd == REQUEST_SECOND_FD)
		return fd == REQUEST_FD ? task->request_file : task->request_second;
	/* Nobody else can close what only this task, and nothing that it has asked for, can name. */
	if (file && (files->references > 1 || task->async))
		hold(task, file);
	return file;
}

struct file *file_of(int fd)
{
	struct file *file = file_of_any(fd);
	return file && (file->flags & O_PATH) ? 0 : file;
}

struct file *file_get(int fd)
{
	const struct files *files = current_task()->files;
	struct file *file = (uint32_t)fd < files->capacity ? files->slots[fd] : 0;
	return file ? file_reference(file) : 0;
}

void files_let_go(struct task *task)
{
	while (task->held_count)
		file_release(task->held[--task->held_count]);
}

/* The lowest free descriptor >= MINIMUM, the table grown to hold it; or an error. */
static int64_t slot_find(struct files *files, uint32_t minimum)
{
	uint64_t limit = current_task()->process->limits[RLIMIT_NOFILE].current;
	uint32_t fd = minimum > files->lowest_free ? minimum : files->lowest_free;
	while (fd < files->capacity) {
		uint64_t free = ~files->used[fd / 64] >> fd % 64;
		if (free) {
			fd += (uint32_t)__builtin_ctzll(free);
			break;
		}
		fd = (fd | 63) + 1;
	}
	if (fd >= limit)
		return -EMFILE;
	if (fd >= files->capacity && !files_grow(files, fd < 4096 ? fd * 2 + 1 : fd + 4096))
		return -ENOMEM;
	return fd;
}

static void slot_set(struct files *files, uint32_t fd, struct file *file, bool close_on_exec)
{
	files->slots[fd] = file;
	files->used[fd / 64] |= 1ull << fd % 64;
	if (close_on_exec)
		files->close_on_exec[fd / 64] |= 1ull << fd % 64;
	else
		files->close_on_exec[fd / 64] &= ~(1ull << fd % 64);
}

int64_t file_install(struct file *file, int minimum, bool close_on_exec)
{
	struct files *files = current_task()->files;
	int64_t fd = slot_find(files, (uint32_t)minimum);
	if (fd < 0)
		return fd;
	slot_set(files, (uint32_t)fd, file, close_on_exec);
	if (minimum <= (int)files->lowest_free)
		files->lowest_free = (uint32_t)fd + 1;
	return fd;
}

int64_t file_give(struct file *file, bool close_on_exec)
{
	int64_t fd = file_install(file, 0, close_on_exec);
	if (fd < 0)
		file_release(file);
	return fd;
}

struct file *file_take(int fd)
{
	struct files *files = current_task()->files;
	struct file *file = (uint32_t)fd < files->capacity ? files->slots[fd] : 0;
	if (file)
		slot_clear(files, (uint32_t)fd);
	return file;
}

/* ---- Calls on descriptors ---- */

/* Closes FD while the common lock is shared; false, with nothing done, where that takes more than the file's own end.
 */
static bool close_shared(struct files *files, uint32_t fd, struct file *file)
{
	const struct file_ops *ops = file->ops;
	if (files->references > 1 || !file->vnode || !ops || !ops->parallel || ops->flush || ops->release ||
	    ops->dropped || !list_empty(&file->vnode->locks) || !list_empty(&file->epoll_items) ||
	    inotify_watched(file))
		return false;
	slot_clear(files, fd);
	if (__atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL))
		return true;
	if (file_names_give(file)) {
		heap_free(file);
	} else {
		enum common_mode before = common_alone();
		file->references = 1;
		file_release(file);
		common_back(before);
	}
	return true;
}

SYSCALL_HANDLER(close, int fd)
{
	struct files *files = current_task()->files;
	struct file *file = (uint32_t)fd < files->capacity ? files->slots[fd] : 0;
	if (!file)
		return -EBADF;
	if (common_mode() == COMMON_SHARED) {
		if (close_shared(files, (uint32_t)fd, file))
			return 0;
		enum common_mode before = common_alone();
		int64_t result = sys_close(fd); /* which another task may have closed meanwhile */
		common_back(before);
		return result;
	}
	slot_clear(files, (uint32_t)fd);
	if (file->references == 1 && file->ops && file->ops->linger)
		file->ops->linger(file);
	file_close(file);
	return 0;
}

enum { CLOSE_RANGE_UNSHARE = 2, CLOSE_RANGE_CLOEXEC = 4 };

SYSCALL_HANDLER(close_range, uint32_t first, uint32_t last, uint32_t flags)
{
	struct task *task = current_task();
	if (first > last || flags & ~(uint32_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC))
		return -EINVAL;
	if ((flags & CLOSE_RANGE_UNSHARE) && task->files->references > 1) {
		struct files *own = files_clone(task->files);
		if (!own)
			return -ENOMEM;
		files_release(task->files);
		task->files = own;
	}
	if (last >= task->files->capacity)
		last = task->files->capacity - 1;
	for (uint32_t fd = first; fd <= last && fd < task->files->capacity; fd++) {
		if (!task->files->slots[fd])
			continue;
		if (flags & CLOSE_RANGE_CLOEXEC)
			task->files->close_on_exec[fd / 64] |= 1ull << fd % 64;
		else
			sys_close((int)fd);
	}
	return 0;
}

static int64_t duplicate(int fd, int minimum, bool close_on_exec)
{
	struct file *file = file_of_any(fd);
	if (!file)
		return -EBADF;
	int64_t result = file_install(file, minimum, close_on_exec);
	if (result >= 0)
		file_reference(file);
	return result;
}

SYSCALL_HANDLER(dup, int fd)
{
	return duplicate(fd, 0, false);
}

int64_t file_install_at(struct file *file, int fd, bool close_on_exec)
{
	struct files *files = current_task()->files;
	if (fd < 0 || (uint64_t)fd >= current_task()->process->limits[RLIMIT_NOFILE].current)
		return -EBADF;
	if ((uint32_t)fd >= files->capacity && !files_grow(files, (uint32_t)fd + 1))
		return -ENOMEM;
	struct file *replaced = files->slots[fd];
	slot_set(files, (uint32_t)fd, file, close_on_exec);
	if (replaced)
		file_close(replaced);
	return fd;
}

static int64_t duplicate_to(int old, int new, bool close_on_exec)
{
	struct file *file = file_of_any(old);
	if (!file)
		return -EBADF;
	int64_t result = file_install_at(file_reference(file), new, close_on_exec);
	if (result < 0)
		file_release(file);
	return result;
}

SYSCALL_HANDLER(dup2, int old, int new)
{
	if (old == new)
		return file_of_any(old) ? new : -EBADF;
	return duplicate_to(old, new, false);
}

SYSCALL_HANDLER(dup3, int old, int new, uint32_t flags)
{
	if (old == new || flags & ~(uint32_t)O_CLOEXEC)
		return -EINVAL;
	return duplicate_to(old, new, flags & O_CLOEXEC);
}

/* Who gets SIGIO: struct f_owner_ex. */
enum { OWNER_THREAD = 0, OWNER_PROCESS = 1, OWNER_GROUP = 2 };

static int64_t set_owner(struct file *file, int32_t kind, int32_t id)
{
	if (kind < OWNER_THREAD || kind > OWNER_GROUP)
		return -EINVAL;
	if (id && !(kind == OWNER_THREAD    ? task_find(id) != 0
	            : kind == OWNER_PROCESS ? process_find(id) != 0
	                                    : process_group_first(id) != 0))
		return -ESRCH;
	id = pid_named(id);
	file->owner = kind == OWNER_GROUP ? -id : id;
	file->owner_thread = kind == OWNER_THREAD && id;
	return 0;
}

int64_t file_set_owner(struct file *file, int32_t owner)
{
	if (owner == INT32_MIN)
		return -EINVAL;
	return set_owner(file, owner < 0 ? OWNER_GROUP : OWNER_PROCESS, owner < 0 ? -owner : owner);
}

int32_t file_owner(const struct file *file)
{
	return file->owner < 0 ? -pid_seen(-file->owner) : pid_seen(file->owner);
}

static int64_t owner_fcntl(struct file *file, int command, uint64_t address)
{
	int32_t owner[2];
	if (command == F_GETOWN_EX) {
		owner[0] = file->owner_thread || !file->owner ? OWNER_THREAD
		           : file->owner < 0                  ? OWNER_GROUP
		                                              : OWNER_PROCESS;
		owner[1] = pid_seen(file->owner < 0 ? -file->owner : file->owner);
		return copy_to_user(address, owner, sizeof(owner));
	}
	return copy_from_user(owner, address, sizeof(owner)) ? -EFAULT : set_owner(file, owner[0], owner[1]);
}

/* How long what is written will live, as a program says: it is kept with the inode. */
static int64_t hint_fcntl(struct file *file, int command, uint64_t address)
{
	enum { HINT_MAX = 5 }; /* RWH_WRITE_LIFE_EXTREME */
	struct vnode *vnode = file_vnode(file);
	uint64_t hint;
	if (!vnode)
		return -ENOMEM;
	if (command == F_GET_RW_HINT)
		return put_user_u64(address, vnode->write_hint);
	if (get_user_u64(&hint, address))
		return -EFAULT;
	if (hint > HINT_MAX)
		return -EINVAL;
	vnode->write_hint = (uint8_t)hint;
	return 0;
}

SYSCALL_HANDLER(fcntl, int fd, int command, uint64_t argument)
{
	const uint32_t settable = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | O_ASYNC;
	struct files *files = current_task()->files;
	struct file *file = file_of_any(fd);
	uint64_t bit = 1ull << ((uint32_t)fd % 64);
	if (!file || ((file->flags & O_PATH) && command != F_DUPFD && command != F_DUPFD_CLOEXEC &&
	              command != F_GETFD && command != F_SETFD && command != F_GETFL))
		return -EBADF;
	switch (command) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		if (argument >= current_task()->process->limits[RLIMIT_NOFILE].current)
			return -EINVAL;
		return duplicate(fd, (int)argument, command == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return files->close_on_exec[fd / 64] & bit ? FD_CLOEXEC : 0;
	case F_SETFD:
		if (argument & FD_CLOEXEC)
			files->close_on_exec[fd / 64] |= bit;
		else
			files->close_on_exec[fd / 64] &= ~bit;
		return 0;
	case F_GETFL:
		return file_flags_told(file);
	case F_SETFL:
		if ((argument & ~file->flags & O_NOATIME) && file->vnode && !owns(file->vnode))
			return -EPERM;
		file->flags = (file->flags & ~settable) | ((uint32_t)argument & settable);
		return 0;
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return lock_fcntl(fd, file, command, argument);
	case F_SETOWN:
		return file_set_owner(file, (int32_t)argument);
	case F_GETOWN:
		return file_owner(file);
	case F_SETOWN_EX:
	case F_GETOWN_EX:
		return owner_fcntl(file, command, argument);
	case F_GETLEASE:
		return F_UNLCK; /* nobody can have one */
	case F_NOTIFY:
		return argument & ~0x80000000ull ? -EINVAL : 0; /* none wanted */
	case F_SETSIG:
		if (argument > SIGNAL_COUNT)
			return -EINVAL;
		file->owner_signal = (int32_t)argument;
		return 0;
	case F_GETSIG:
		return file->owner_signal;
	case F_SETPIPE_SZ:
	case F_GETPIPE_SZ:
		return pipe_fcntl(file, command, argument);
	case F_GET_RW_HINT:
	case F_SET_RW_HINT:
		return hint_fcntl(file, command, argument);
	case F_ADD_SEALS:
	case F_GET_SEALS:
		return memfd_fcntl(file, command, argument);
	default:
		return -EINVAL;
	}
}
