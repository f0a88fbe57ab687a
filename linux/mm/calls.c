/* The memory system calls: mmap(2), munmap(2), mprotect(2), mremap(2), brk(2), madvise(2), msync(2),
 * mincore(2), mlock(2). */
#include "../fs/open.h"
#include "mm/area.h"
#include "mm/userfault.h"

#define EAGER_COPY_BYTES 65536u /* private writable file maps up to this size are read in at once */

/* The calls below share the common lock and hold the address space's own; where files are mapped or unmapped,
 * whose last reference may go, the common lock is held alone instead. CALL is an expression of type int64_t
 * that answers -EALONE, with nothing done, where it must be. */
#define with_mm(mm, call)                                                                                    \
	({                                                                                                   \
		int64_t with_result_ = -EALONE;                                                              \
		if (common_mode() == COMMON_SHARED) {                                                        \
			lock_acquire(&(mm)->lock);                                                           \
			with_result_ = (call);                                                               \
			lock_release(&(mm)->lock);                                                           \
		}                                                                                            \
		if (with_result_ == -EALONE) {                                                               \
			enum common_mode with_mode_ = common_alone();                                        \
			with_result_ = (call);                                                               \
			common_back(with_mode_);                                                             \
		}                                                                                            \
		with_result_;                                                                                \
	})

/* Is a file mapped in [start, start + bytes), which the caller must not unmap? */
static bool must_be_alone(struct mm *mm, uint64_t start, uint64_t bytes)
{
	if (common_mode() == COMMON_ALONE)
		return false;
	for (struct area *area = mm_find(mm, start); area && area->start < start + bytes;
	     area = mm_next(mm, area))
		if (area->file)
			return true;
	return false;
}

static uint32_t protection_of(uint64_t prot)
{
	return (prot & PROT_READ ? AREA_READ : 0) | (prot & PROT_WRITE ? AREA_WRITE : 0) |
	       (prot & PROT_EXEC ? AREA_EXECUTE : 0);
}

static bool valid_range(uint64_t start, uint64_t bytes)
{
	return user_range(start, bytes);
}

/* RLIMIT_AS */
static bool may_grow(const struct mm *mm, uint64_t bytes)
{
	uint64_t limit = current_task()->process->limits[RLIMIT_AS].current / PAGE_SIZE_BYTES;
	return mm->total_pages + bytes / PAGE_SIZE_BYTES <= limit;
}

/* RLIMIT_MEMLOCK: mlock(2). With BYTES 0: may anything be locked at all? */
static bool may_lock(const struct mm *mm, uint64_t bytes)
{
	uint64_t limit = current_task()->process->limits[RLIMIT_MEMLOCK].current;
	if (capable(CAP_IPC_LOCK))
		return true;
	return limit && mm->locked_pages * PAGE_SIZE_BYTES + bytes <= limit;
}

static int64_t choose_address(struct mm *mm, uint64_t hint, uint64_t bytes, uint64_t flags)
{
	if (flags & (LINUX_MAP_FIXED | LINUX_MAP_FIXED_NOREPLACE)) {
		if (!page_aligned(hint))
			return -EINVAL;
		if (!valid_range(hint, bytes))
			return -ENOMEM;
		if (hint < 65536 && !capable(CAP_SYS_ADMIN))
			return -EPERM;
		if (flags & LINUX_MAP_FIXED_NOREPLACE) {
			struct area *area = mm_find(mm, hint);
			return area && area->start < hint + bytes ? -EEXIST : (int64_t)hint;
		}
		if (must_be_alone(mm, hint, bytes))
			return -EALONE;
		int error = mm_unmap(mm, hint, bytes);
		return error ? error : (int64_t)hint;
	}
	hint &= ~(PAGE_SIZE_BYTES - 1);
	uint64_t top = flags & LINUX_MAP_32BIT ? 0x80000000ull : mm->mmap_top;
	bool fits = !(flags & LINUX_MAP_32BIT) || (bytes <= top && hint <= top - bytes);
	if (hint >= 65536 && fits && valid_range(hint, bytes)) {
		struct area *area = mm_find(mm, hint);
		if (!area || area->start >= hint + bytes)
			return (int64_t)hint;
	}
	uint64_t at = mm_place(mm, bytes, top);
	return at ? (int64_t)at : -ENOMEM;
}

/* Reads a small private writable map into heap memory. */
static int map_copy(struct mm *mm, uint64_t at, uint64_t bytes, uint32_t flags, struct file *file,
                    uint64_t offset)
{
	int error = mm_map(mm, at, bytes, AREA_READ | AREA_WRITE, 0, 0, file_reference(file), offset);
	if (error) {
		file_release(file);
		return error;
	}
	struct linux_iovec one;
	struct io io;
	int64_t position = (int64_t)offset;
	io_init_user(&io, &one, at, bytes);
	while (io.remaining) {
		int64_t got = file->ops->read ? file->ops->read(file, &io, &position) : -ENODEV;
		if (got <= 0) {
			error = (int)got;
			break;
		}
	}
	if (!error && flags != (AREA_READ | AREA_WRITE))
		error = mm_protect(mm, at, bytes, flags);
	if (error)
		(void)mm_unmap(mm, at, bytes);
	return error;
}

static int map_file(struct mm *mm, uint64_t at, uint64_t bytes, uint32_t flags, struct file *file,
                    uint64_t offset)
{
	/* What is written to the file while somebody has it open for that shows until the mapping is written to. */
	bool changes = file->vnode && file->vnode->write_count > 0;
	if (!(flags & AREA_SHARED) && (flags & AREA_WRITE) && bytes <= EAGER_COPY_BYTES && !changes &&
	    file->ops->seekable)
		return map_copy(mm, at, bytes, flags, file, offset);
	struct mmap_request request = {.offset = offset,
	                               .bytes = bytes,
	                               .shared = flags & AREA_SHARED,
	                               .write = (flags & AREA_SHARED) && (flags & AREA_MAY_WRITE),
	                               .execute = flags & AREA_EXECUTE};
	int64_t result = file->ops->mmap(file, &request);
	if (result < 0)
		return (int)result;
	if (!(flags & AREA_SHARED))
		flags |= AREA_PRIVATE_FILE;
	int error =
	    mm_map(mm, at, bytes, flags, request.object, request.object_offset, file_reference(file), offset);
	if (error) {
		memory_object_release(request.object);
		file_release(file);
	}
	return error;
}

static int check_file(const struct file *file, uint64_t prot, bool shared)
{
	if (!file->ops->mmap)
		return -ENODEV;
	if (!file_readable(file) || (shared && (prot & PROT_WRITE) && !file_writable(file)))
		return -EACCES;
	return (prot & PROT_EXEC) && !file_may_run(file) ? -EPERM : 0;
}

static bool is_shared(uint64_t flags)
{
	uint64_t type = flags & LINUX_MAP_TYPE;
	return type == LINUX_MAP_SHARED || type == LINUX_MAP_SHARED_VALIDATE;
}

static int64_t map(struct mm *mm, uint64_t hint, uint64_t bytes, uint64_t prot, uint64_t flags,
                   struct file *file, uint64_t offset)
{
	bool shared = is_shared(flags);
	if (file && common_mode() != COMMON_ALONE)
		return -EALONE;
	if (!may_grow(mm, bytes))
		return -ENOMEM;
	bool locks = (flags & LINUX_MAP_LOCKED) || mm->locks_future;
	if (locks && !may_lock(mm, bytes))
		return (flags & LINUX_MAP_LOCKED) && !may_lock(mm, 0) ? -EPERM : -EAGAIN;
	int64_t at = choose_address(mm, hint, bytes, flags);
	if (at < 0)
		return at;
	uint32_t area_flags = protection_of(prot) | (shared ? AREA_SHARED : 0) |
	                      (flags & LINUX_MAP_GROWSDOWN ? AREA_GROWS_DOWN : 0);
	if (locks) {
		area_flags |= AREA_LOCKED;
		mm->locked_pages += bytes / PAGE_SIZE_BYTES;
	}
	int error;
	if (file) {
		if (shared && file_writable(file))
			area_flags |= AREA_MAY_WRITE;
		if (shared && file_writable(file) && file->vnode && S_ISREG(file->vnode->mode))
			area_flags |= AREA_CLEAN;
		error = map_file(mm, (uint64_t)at, bytes, area_flags, file, offset);
	} else if (shared) {
		struct memory_object *object = memory_object_create(bytes);
		error = object ? mm_map(mm, (uint64_t)at, bytes, area_flags | AREA_MAY_WRITE, object, 0, 0, 0)
		               : -ENOMEM;
		if (error && object)
			memory_object_release(object);
	} else {
		error = mm_map(mm, (uint64_t)at, bytes, area_flags, 0, 0, 0, 0);
	}
	return error ? error : at;
}

int64_t mm_map_file(struct mm *mm, uint64_t hint, uint64_t bytes, uint64_t protection, uint64_t flags,
                    struct file *file)
{
	return map(mm, hint, bytes, protection, flags, file, 0);
}

SYSCALL_HANDLER(mmap, uint64_t hint, uint64_t bytes, uint64_t prot, uint64_t flags, int fd, uint64_t offset)
{
	struct mm *mm = current_task()->mm;
	struct file *file = 0;
	uint64_t type = flags & LINUX_MAP_TYPE;
	bool shared = is_shared(flags);
	if (!page_aligned(offset) || !bytes || (!shared && type != LINUX_MAP_PRIVATE))
		return -EINVAL;
	if (type == LINUX_MAP_SHARED_VALIDATE && (flags & LINUX_MAP_ANONYMOUS))
		return -EINVAL;
	if (type == LINUX_MAP_SHARED_VALIDATE && (flags & LINUX_MAP_SYNC))
		return -EOPNOTSUPP;
	if ((flags & LINUX_MAP_GROWSDOWN) && (shared || !(flags & LINUX_MAP_ANONYMOUS)))
		return -EINVAL;
	if (flags & LINUX_MAP_HUGETLB) /* there is no pool of huge pages, and no file of them */
		return flags & LINUX_MAP_ANONYMOUS ? -ENOMEM : -EINVAL;
	if (bytes > USER_END)
		return -ENOMEM;
	bytes = page_up(bytes);
	if (offset > INT64_MAX || bytes > INT64_MAX - offset)
		return -EOVERFLOW;
	if (!(flags & LINUX_MAP_ANONYMOUS)) {
		file = file_of(fd);
		int error = file ? check_file(file, prot, shared) : -EBADF;
		if (!error && file->ops->fetch)
			error = file->ops->fetch(file);
		if (error)
			return error;
	}
	int64_t at = with_mm(mm, map(mm, hint, bytes, prot, flags, file, offset));
	bool locked = (flags & LINUX_MAP_LOCKED) || (mm->locks_future && !mm->locks_on_fault);
	if (at >= 0 && (locked || ((flags & LINUX_MAP_POPULATE) && !(flags & LINUX_MAP_NONBLOCK))))
		(void)mm_populate(mm, (uint64_t)at, (uint64_t)at + bytes,
		                  POPULATE_ALLOWED); /* as far as it goes */
	return at;
}

static int64_t unmap(struct mm *mm, uint64_t start, uint64_t bytes)
{
	return must_be_alone(mm, start, bytes) ? -EALONE : mm_unmap(mm, start, bytes);
}

SYSCALL_HANDLER(munmap, uint64_t start, uint64_t bytes)
{
	if (!page_aligned(start) || !bytes || bytes > USER_END || !valid_range(start, page_up(bytes)))
		return -EINVAL;
	struct mm *mm = current_task()->mm;
	return with_mm(mm, unmap(mm, start, page_up(bytes)));
}

/* PROT_GROWSDOWN: from where the stack that START is in begins; nothing grows upwards. */
static int64_t protect(struct mm *mm, uint64_t start, uint64_t bytes, uint64_t prot)
{
	if (prot & (PROT_GROWSDOWN | PROT_GROWSUP)) {
		const struct area *area = mm_find(mm, start);
		if (!area || area->start >= start + bytes || ((prot & PROT_GROWSUP) && area->start > start))
			return -ENOMEM;
		if ((prot & PROT_GROWSUP) || !(area->flags & (AREA_GROWS_DOWN | AREA_STACK)))
			return -EINVAL;
		bytes += start - area->start;
		start = area->start;
	}
	return mm_protect(mm, start, bytes, protection_of(prot));
}

SYSCALL_HANDLER(mprotect, uint64_t start, uint64_t bytes, uint64_t prot)
{
	const uint64_t grows = PROT_GROWSDOWN | PROT_GROWSUP;
	if (!page_aligned(start) || (prot & ~(7 | PROT_SEM | grows)) || (prot & grows) == grows)
		return -EINVAL;
	if (!bytes)
		return 0;
	if (bytes > USER_END || !valid_range(start, page_up(bytes)))
		return -ENOMEM;
	struct mm *mm = current_task()->mm;
	return with_mm(mm, protect(mm, start, page_up(bytes), prot));
}

/* Protection keys, as on a processor without them: none can be had. */
SYSCALL_HANDLER(pkey_alloc, uint64_t flags, uint64_t rights)
{
	return flags || (rights & ~3ull) ? -EINVAL : -ENOSPC;
}

SYSCALL_HANDLER(pkey_free, int key)
{
	(void)key;
	return -EINVAL;
}

SYSCALL_HANDLER(pkey_mprotect, uint64_t start, uint64_t bytes, uint64_t prot, int key)
{
	return key == -1 ? sys_mprotect(start, bytes, prot) : -EINVAL;
}

static int64_t set_break(struct mm *mm, uint64_t address)
{
	uint64_t limit = current_task()->process->limits[RLIMIT_DATA].current;
	if (address < mm->brk_start || !user_range(mm->brk_start, address - mm->brk_start) ||
	    address - mm->brk_start > limit)
		return (int64_t)mm->brk;
	uint64_t old = page_up(mm->brk), new = page_up(address);
	if (new > old) {
		struct area *above = mm_find(mm, old);
		if ((above && above->start < new + PAGE_SIZE_BYTES) || !may_grow(mm, new - old) ||
		    mm_map(mm, old, new - old, AREA_READ | AREA_WRITE | AREA_HEAP, 0, 0, 0, 0))
			return (int64_t)mm->brk;
	} else if (new < old && must_be_alone(mm, new, old - new)) {
		return -EALONE;
	} else if (new < old && mm_unmap(mm, new, old - new)) {
		return (int64_t)mm->brk;
	}
	mm->brk = address;
	return (int64_t)address;
}

SYSCALL_HANDLER(brk, uint64_t address)
{
	struct mm *mm = current_task()->mm;
	uint64_t before = page_up(mm->brk);
	int64_t at = with_mm(mm, set_break(mm, address));
	if (at > 0 && (uint64_t)at > before && mm->locks_future && !mm->locks_on_fault)
		(void)mm_populate(mm, before, page_up((uint64_t)at), POPULATE_ALLOWED);
	return at;
}

/* ---- mremap ---- */

enum { MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2, MREMAP_DONTUNMAP = 4 };

static bool range_mapped(struct mm *mm, uint64_t start, uint64_t bytes)
{
	for (uint64_t at = start; at < start + bytes;) {
		struct area *area = mm_find(mm, at);
		if (!area || area->start > at)
			return false;
		at = area->end;
	}
	return true;
}

/* Moves the areas of [from, from + bytes) to TO, where nothing is. Pages stay where they are in their
 * objects. */
static int move_areas(struct mm *mm, uint64_t from, uint64_t bytes, uint64_t to)
{
	int error = area_split_range(mm, from, from + bytes);
	if (error)
		return error;
	space_unmap(mm->space, from, bytes);
	userfault_wake_range(mm, from, bytes);
	struct area *area;
	while ((area = mm_find(mm, from)) && area->start < from + bytes) {
		area_remove(mm, area);
		userfault_leave(mm, area); /* events of moves are not offered */
		area->start = area->start - from + to;
		area->end = area->end - from + to;
		area_insert(mm, area);
		if (!area->object && area->offset < MOVED_OFFSET_BASE) {
			uint64_t end = area->offset + (area->end - area->start);
			if (!mm->moved_offset) {
				mm->moved_offset = MOVED_OFFSET_BASE;
				mm->moved_start = area->offset;
			}
			if (area->offset < mm->moved_start)
				mm->moved_start = area->offset;
			if (end > mm->moved_end)
				mm->moved_end = end;
		}
		error = area_enter(mm, area, area->start, area->end, false);
		if (error)
			return error;
	}
	return 0;
}

/* Adds BYTES at the end of AREA, where nothing is mapped. */
static int grow_area(struct mm *mm, struct area *area, uint64_t bytes)
{
	uint64_t length = area->end - area->start;
	struct memory_object *object = 0;
	uint32_t flags = area->flags & ~(uint32_t)AREA_PRIVATE_FILE;
	if (area->flags & (AREA_SHARED | AREA_PRIVATE_FILE)) {
		object = memory_object_reference(area->object);
		flags = area->flags;
	}
	struct file *file = object && area->file ? file_reference(area->file) : 0;
	int error = mm_map(mm, area->end, bytes, flags, object, area->offset + length, file,
	                   area->file_offset + length);
	if (error && object)
		memory_object_release(object);
	if (error && file)
		file_release(file);
	return error;
}

/* mremap(2) with an old size of 0: a second mapping of what is shared at START. */
static int64_t map_twice(struct mm *mm, uint64_t start, uint64_t bytes, uint64_t flags)
{
	struct area *area = mm_find(mm, start);
	if (!area || area->start > start)
		return -EFAULT;
	if (!(area->flags & AREA_SHARED) || !(flags & MREMAP_MAYMOVE) || (flags & MREMAP_FIXED))
		return -EINVAL;
	uint64_t at = mm_place(mm, bytes, mm->mmap_top), skip = start - area->start;
	if (!at || !may_grow(mm, bytes))
		return -ENOMEM;
	struct memory_object *object = memory_object_reference(area->object);
	struct file *file = area->file ? file_reference(area->file) : 0;
	int error =
	    mm_map(mm, at, bytes, area->flags, object, area->offset + skip, file, area->file_offset + skip);
	if (!error)
		return (int64_t)at;
	memory_object_release(object);
	if (file)
		file_release(file);
	return error;
}

SYSCALL_HANDLER(mremap, uint64_t start, uint64_t old_bytes, uint64_t new_bytes, uint64_t flags,
                uint64_t fixed)
{
	struct mm *mm = current_task()->mm;
	old_bytes = page_up(old_bytes);
	new_bytes = page_up(new_bytes);
	if (!page_aligned(start) || !new_bytes || (flags & ~7ull) ||
	    ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE)) || (flags & MREMAP_DONTUNMAP))
		return -EINVAL;
	if (!old_bytes)
		return map_twice(mm, start, new_bytes, flags);
	if (!valid_range(start, old_bytes) || new_bytes > USER_END || !range_mapped(mm, start, old_bytes))
		return -EFAULT;
	if ((flags & MREMAP_FIXED)) {
		if (!page_aligned(fixed) || !valid_range(fixed, new_bytes) ||
		    (fixed < start + old_bytes && start < fixed + new_bytes))
			return -EINVAL;
		int error = mm_unmap(mm, fixed, new_bytes);
		if (error)
			return error;
	}
	if (new_bytes < old_bytes) {
		int error = mm_unmap(mm, start + new_bytes, old_bytes - new_bytes);
		if (error)
			return error;
		old_bytes = new_bytes;
	}
	if (new_bytes == old_bytes && !(flags & MREMAP_FIXED))
		return (int64_t)start;
	uint64_t more = new_bytes - old_bytes;
	if (!may_grow(mm, more))
		return -ENOMEM;
	if (!(flags & MREMAP_FIXED)) {
		struct area *above = mm_find(mm, start + old_bytes);
		if (valid_range(start, new_bytes) && (!above || above->start >= start + new_bytes)) {
			struct area *last = mm_find(mm, start + old_bytes - 1);
			int error = grow_area(mm, last, more);
			return error ? error : (int64_t)start;
		}
		if (!(flags & MREMAP_MAYMOVE))
			return -ENOMEM;
		fixed = mm_place(mm, new_bytes, mm->mmap_top);
		if (!fixed)
			return -ENOMEM;
	}
	int error = move_areas(mm, start, old_bytes, fixed);
	if (!error && more)
		error = grow_area(mm, mm_find(mm, fixed + old_bytes - 1), more);
	return error ? error : (int64_t)fixed;
}

/* ---- Advice ---- */

enum {
	MADV_WILLNEED = 3,
	MADV_DONTNEED = 4,
	MADV_FREE = 8,
	MADV_REMOVE = 9,
	MADV_DONTFORK = 10,
	MADV_DOFORK = 11,
	MADV_DONTDUMP = 16,
	MADV_DODUMP = 17,
	MADV_WIPEONFORK = 18,
	MADV_KEEPONFORK = 19,
	MADV_COLD = 20,
	MADV_PAGEOUT = 21,
	MADV_POPULATE_READ = 22,
	MADV_POPULATE_WRITE = 23,
	MADV_DONTNEED_LOCKED = 24,
};

static void discard(struct mm *mm, struct area *area, uint64_t start, uint64_t end)
{
	uint64_t offset = area->offset + (start - area->start);
	if (area->userfault) { /* the next touch is a fault again */
		space_unmap(mm->space, start, end - start);
		page_set_remove(&mm->write_protected, start / PAGE_SIZE_BYTES, end / PAGE_SIZE_BYTES);
	}
	if (!area->object && !area->file)
		memory_discard(mm->heap->handle, offset, end - start);
}

/* Private file pages go back to the file's contents. */
static int discard_file(struct mm *mm, struct area *area)
{
	struct file *file = file_reference(area->file);
	uint64_t start = area->start, bytes = area->end - area->start, offset = area->file_offset;
	uint32_t flags = area->flags & (AREA_READ | AREA_WRITE | AREA_EXECUTE);
	int error = mm_unmap(mm, start, bytes);
	if (!error)
		error = map_file(mm, start, bytes, flags, file, offset);
	file_release(file);
	return error;
}

/* Advice about one area, or the part [from, to) of it. */
static int64_t advise_area(struct mm *mm, struct area *area, uint64_t from, uint64_t to, int advice)
{
	bool own = area_owns_pages(area) && !area->file;
	struct file *file = area->file;
	int64_t error;
	switch (advice) {
	case MADV_FREE:
		if (!own)
			return -EINVAL;
		discard(mm, area, from, to);
		return 0;
	case MADV_DONTNEED:
	case MADV_COLD:
	case MADV_PAGEOUT:
		if (area->flags & AREA_LOCKED)
			return -EINVAL;
		if (advice != MADV_DONTNEED)
			return 0; /* nothing is paged out */
		                  /* fall through */
	case MADV_DONTNEED_LOCKED:
		if (own)
			discard(mm, area, from, to);
		if (own || !area_owns_pages(area))
			return 0;
		error = area_split_range(mm, from, to);
		return error ? error : discard_file(mm, mm_find(mm, from));
	case MADV_REMOVE:
		if (area->flags & AREA_LOCKED)
			return -EINVAL;
		if (!file && !(area->flags & AREA_SHARED))
			return -EINVAL;
		if ((area->flags & (AREA_SHARED | AREA_MAY_WRITE)) != (AREA_SHARED | AREA_MAY_WRITE))
			return -EACCES;
		if (!file) {
			error = memory_discard(area->object->handle, area->offset + (from - area->start),
			                       to - from) < 0
			            ? -EINVAL
			            : 0;
			userfault_object_changed(area->object);
			return error;
		}
		enum { KEEP_SIZE = 1, PUNCH_HOLE = 2 };
		return file->ops->fallocate
		           ? file->ops->fallocate(file, KEEP_SIZE | PUNCH_HOLE,
		                                  (int64_t)(area->file_offset + (from - area->start)),
		                                  (int64_t)(to - from))
		           : -EOPNOTSUPP;
	case MADV_WIPEONFORK:
		if (!own)
			return -EINVAL;
		break;
	default:
		break;
	}
	return 0;
}

/* The area flags that ADVICE sets and clears. False: there is no such advice. */
static bool advice_known(int advice, uint32_t *set, uint32_t *clear)
{
	*set = *clear = 0;
	switch (advice) {
	case MADV_DONTFORK:
		*set = AREA_DONT_FORK;
		return true;
	case MADV_DOFORK:
		*clear = AREA_DONT_FORK;
		return true;
	case MADV_WIPEONFORK:
		*set = AREA_WIPE_ON_FORK;
		return true;
	case MADV_KEEPONFORK:
		*clear = AREA_WIPE_ON_FORK;
		return true;
	case MADV_DONTDUMP:
		*set = AREA_DONT_DUMP;
		return true;
	case MADV_DODUMP:
		*clear = AREA_DONT_DUMP;
		return true;
	default:
		return (advice >= 0 && advice <= MADV_DONTNEED) ||
		       (advice >= MADV_FREE && advice <= MADV_DONTNEED_LOCKED);
	}
}

/* MADV_POPULATE_READ and _WRITE: may the pages be touched so? */
static int64_t may_populate(struct mm *mm, uint64_t start, uint64_t end, uint32_t needed)
{
	for (uint64_t at = start; at < end;) {
		const struct area *area = mm_find(mm, at);
		if (!area || area->start > at)
			return -ENOMEM;
		if (!(area->flags & needed))
			return -EINVAL;
		at = area->end;
	}
	return 0;
}

/* Advice for another process, by its descriptor. All that may be given is about paging, of which there is none. */
SYSCALL_HANDLER(process_madvise, int fd, uint64_t vectors, uint64_t count, int advice, uint32_t flags)
{
	struct linux_iovec few[8], *segments;
	bool nonblock;
	if (flags)
		return -EINVAL;
	int64_t error = iovec_from_user(&segments, vectors, count, few, 8);
	if (error)
		return error;
	int32_t pid = pidfd_process_id(fd, &nonblock);
	struct process *process = pid < 0 ? 0 : process_by_id(pid);
	error = pid < 0 ? pid : -ESRCH;
	if (process && process->leader && process->leader->mm && !process->zombie)
		error = !process_may_trace(process) || !capable(CAP_SYS_NICE) ? -EPERM : 0;
	if (!error && advice != MADV_COLD && advice != MADV_PAGEOUT && advice != MADV_WILLNEED)
		error = -EINVAL;
	int64_t done = 0;
	for (uint64_t i = 0; i < count && !error; i++) {
		uint64_t start = segments[i].base, bytes = page_up(segments[i].bytes);
		if (!page_aligned(start) || !valid_range(start, bytes))
			error = -EINVAL;
		else if (!range_mapped(process->leader->mm, start, bytes))
			error = -ENOMEM;
		else
			done += (int64_t)segments[i].bytes;
	}
	if (segments != few)
		heap_free(segments);
	return done ? done : error;
}

static int64_t advise(struct mm *mm, uint64_t start, uint64_t bytes, int advice)
{
	uint32_t set, clear;
	if (!advice_known(advice, &set, &clear) || !page_aligned(start) || bytes > USER_END ||
	    !valid_range(start, page_up(bytes)))
		return -EINVAL;
	/* MADV_REMOVE takes pages from other address spaces, too: userfault_object_changed. */
	if (must_be_alone(mm, start, page_up(bytes)) ||
	    (advice == MADV_REMOVE && common_mode() != COMMON_ALONE))
		return -EALONE;
	uint64_t end = start + page_up(bytes);
	if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE)
		return may_populate(mm, start, end,
		                    advice == MADV_POPULATE_READ ? AREA_READ | AREA_EXECUTE : AREA_WRITE);
	if (set || clear) {
		int error = area_split_range(mm, start, end);
		if (error)
			return error;
	}
	bool hole = false;
	for (uint64_t at = start; at < end;) {
		struct area *area = mm_find(mm, at);
		if (!area || area->start >= end)
			return -ENOMEM;
		hole |= area->start > at;
		uint64_t from = area->start > at ? area->start : at;
		uint64_t to = area->end < end ? area->end : end;
		at = to;
		int64_t error = advise_area(mm, area, from, to, advice);
		if (error)
			return error;
		if (set || clear)
			area->flags = (area->flags | set) & ~clear;
	}
	return hole ? -ENOMEM : 0;
}

SYSCALL_HANDLER(madvise, uint64_t start, uint64_t bytes, int advice)
{
	struct mm *mm = current_task()->mm;
	int64_t result = with_mm(mm, advise(mm, start, bytes, advice));
	if (!result && (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE))
		result = mm_populate(mm, start, start + page_up(bytes),
		                     advice == MADV_POPULATE_READ ? POPULATE_READ : POPULATE_WRITE);
	return result;
}

/* The files that are mapped in [start, end) and shared. Meanwhile the common lock may be given up. */
static int64_t sync_files(struct mm *mm, uint64_t start, uint64_t end)
{
	int64_t error = 0;
	while (!error && start < end) {
		const struct area *area = mm_find(mm, start);
		if (!area || area->start >= end)
			break;
		start = area->end;
		if (!(area->flags & AREA_SHARED) || !area->file || !area->file->ops->sync)
			continue;
		struct file *file = file_reference(area->file);
		error = file->ops->sync(file, true);
		file_release(file);
	}
	return error;
}

SYSCALL_HANDLER(msync, uint64_t start, uint64_t bytes, int flags)
{
	enum { MS_INVALIDATE = 2, MS_SYNC = 4 };
	struct mm *mm = current_task()->mm;
	if (!page_aligned(start) || (flags & ~7) || ((flags & 1) && (flags & 4)))
		return -EINVAL;
	if (!bytes)
		return 0;
	if (bytes > USER_END || !valid_range(start, page_up(bytes)))
		return -ENOMEM;
	for (const struct area *area = mm_find(mm, start);
	     (flags & MS_INVALIDATE) && area && area->start < start + bytes; area = mm_next(mm, area))
		if (area->flags & AREA_LOCKED)
			return -EBUSY;
	/* Mappings are the file's pages themselves: what is left is to make those durable. */
	if (flags & MS_SYNC) {
		int64_t error = sync_files(mm, start, start + bytes);
		if (error)
			return error;
	}
	return range_mapped(mm, start, page_up(bytes)) ? 0 : -ENOMEM;
}

/* Which of the COUNT pages of OBJECT from OFFSET on are there, a byte each: halved until a part is of one kind. */
static void residency(const struct memory_object *object, uint64_t offset, uint64_t count, uint8_t *there)
{
	int64_t pages = memory_object_pages(object, offset, count * PAGE_SIZE_BYTES);
	if (pages <= 0 || (uint64_t)pages >= count) { /* where it cannot be told they count as there */
		memset(there, pages != 0, count);
		return;
	}
	residency(object, offset, count / 2, there);
	residency(object, offset + count / 2 * PAGE_SIZE_BYTES, count - count / 2, there + count / 2);
}

/* The system image's pages are always there; so is what a file keeps outside memory objects. */
void area_residency(const struct mm *mm, const struct area *area, uint64_t at, uint64_t count, uint8_t *there)
{
	const struct memory_object *object = area->object ? area->object : mm->heap;
	uint64_t offset = area->offset + (at - area->start);
	uint64_t end = page_up(object->bytes);
	uint64_t inside = offset >= end ? 0 : (end - offset) / PAGE_SIZE_BYTES;
	memset(there, 0, count);
	inside = inside < count ? inside : count;
	if (object->whole || (area->flags & AREA_VDSO))
		memset(there, 1, inside);
	else if (inside)
		residency(object, offset, inside, there);
}

SYSCALL_HANDLER(mincore, uint64_t start, uint64_t bytes, uint64_t vector)
{
	struct mm *mm = current_task()->mm;
	uint8_t there[64];
	if (!page_aligned(start))
		return -EINVAL;
	if (bytes > USER_END || !valid_range(start, page_up(bytes)))
		return -ENOMEM;
	if (!user_range(vector, page_up(bytes) / PAGE_SIZE_BYTES))
		return -EFAULT;
	if (!range_mapped(mm, start, page_up(bytes)))
		return -ENOMEM;
	for (uint64_t at = start, end = start + page_up(bytes); at < end;) {
		const struct area *area = mm_find(mm, at);
		uint64_t until = area->end < end ? area->end : end;
		uint64_t count = (until - at) / PAGE_SIZE_BYTES;
		count = count < sizeof(there) ? count : sizeof(there);
		area_residency(mm, area, at, count, there);
		if (copy_to_user(vector + (at - start) / PAGE_SIZE_BYTES, there, count))
			return -EFAULT;
		at += count * PAGE_SIZE_BYTES;
	}
	return 0;
}

/* Maps the pages of [start, start + bytes), part of a shared mapping of a file, from PAGE of the file on. */
SYSCALL_HANDLER(remap_file_pages, uint64_t start, uint64_t bytes, uint64_t protection, uint64_t page,
                uint64_t flags)
{
	struct mm *mm = current_task()->mm;
	(void)flags;
	start &= ~(PAGE_SIZE_BYTES - 1);
	bytes &= ~(PAGE_SIZE_BYTES - 1);
	if (protection || !bytes || bytes > USER_END || page > INT64_MAX / PAGE_SIZE_BYTES ||
	    !valid_range(start, bytes))
		return -EINVAL;
	struct area *area = mm_find(mm, start);
	if (!area || area->start > start || !(area->flags & AREA_SHARED) || !area->file ||
	    area->end < start + bytes)
		return -EINVAL;
	struct memory_object *object = memory_object_reference(area->object);
	struct file *file = file_reference(area->file);
	uint64_t offset = area->offset - area->file_offset + page * PAGE_SIZE_BYTES;
	uint32_t kept = area->flags;
	int error = mm_unmap(mm, start, bytes);
	if (!error)
		error = mm_map(mm, start, bytes, kept, object, offset, file, page * PAGE_SIZE_BYTES);
	if (error) {
		memory_object_release(object);
		file_release(file);
	}
	return error;
}

static int64_t lock_range(uint64_t start, uint64_t bytes, bool lock)
{
	struct mm *mm = current_task()->mm;
	uint64_t end = page_up(start + bytes);
	start &= ~(PAGE_SIZE_BYTES - 1);
	if (lock && !may_lock(mm, 0))
		return -EPERM;
	if (end < start)
		return -EINVAL;
	if (!valid_range(start, end - start))
		return -ENOMEM;
	uint64_t already = 0;
	for (const struct area *area = mm_find(mm, start); area && area->start < end;
	     area = mm_next(mm, area))
		if (area->flags & AREA_LOCKED)
			already +=
			    (area->end < end ? area->end : end) - (area->start > start ? area->start : start);
	if (lock && !may_lock(mm, end - start - already))
		return -ENOMEM;
	if (!range_mapped(mm, start, end - start))
		return -ENOMEM;
	int error = area_split_range(mm, start, end);
	if (error)
		return error;
	for (struct area *area = mm_find(mm, start); area && area->start < end; area = mm_next(mm, area)) {
		uint64_t pages = (area->end - area->start) / PAGE_SIZE_BYTES;
		if (lock && !(area->flags & AREA_LOCKED))
			mm->locked_pages += pages;
		if (!lock && (area->flags & AREA_LOCKED))
			mm->locked_pages -= pages;
		area->flags = lock ? area->flags | AREA_LOCKED : area->flags & ~(uint32_t)AREA_LOCKED;
	}
	return 0;
}

/* Nothing is ever paged out: what is there is locked in the sense of mlock(2). */
SYSCALL_HANDLER(mlock, uint64_t start, uint64_t bytes)
{
	int64_t error = lock_range(start, bytes, true);
	if (!error)
		error = mm_populate(current_task()->mm, start & ~(PAGE_SIZE_BYTES - 1),
		                    page_up(start + bytes), POPULATE_ALLOWED);
	return error == -EFAULT ? -ENOMEM : error;
}

SYSCALL_HANDLER(mlock2, uint64_t start, uint64_t bytes, int flags)
{
	enum { MLOCK_ONFAULT = 1 };
	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	return flags ? lock_range(start, bytes, true) : sys_mlock(start, bytes);
}

SYSCALL_HANDLER(munlock, uint64_t start, uint64_t bytes)
{
	return lock_range(start, bytes, false);
}

static void lock_all(struct mm *mm, bool lock)
{
	for (struct area *area = mm_find(mm, 0); area; area = mm_next(mm, area))
		area->flags = lock ? area->flags | AREA_LOCKED : area->flags & ~(uint32_t)AREA_LOCKED;
	mm->locked_pages = lock ? mm->total_pages : 0;
}

enum { MCL_CURRENT = 1, MCL_FUTURE = 2, MCL_ONFAULT = 4 };

SYSCALL_HANDLER(mlockall, int flags)
{
	struct mm *mm = current_task()->mm;
	uint64_t limit = current_task()->process->limits[RLIMIT_MEMLOCK].current;
	if (!(flags & (MCL_CURRENT | MCL_FUTURE)) || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)))
		return -EINVAL;
	if (!may_lock(mm, 0))
		return -EPERM;
	if ((flags & MCL_CURRENT) && !capable(CAP_IPC_LOCK) && mm->total_pages * PAGE_SIZE_BYTES > limit)
		return -ENOMEM;
	mm->locks_future = flags & MCL_FUTURE;
	mm->locks_on_fault = flags & MCL_ONFAULT;
	if (flags & MCL_CURRENT)
		lock_all(mm, true);
	if ((flags & MCL_CURRENT) && !(flags & MCL_ONFAULT))
		(void)mm_populate(mm, 0, USER_END, POPULATE_LOCKED_ALL); /* as far as it goes, as on Linux */
	return 0;
}

SYSCALL_HANDLER(munlockall, void)
{
	current_task()->mm->locks_future = false;
	lock_all(current_task()->mm, false);
	return 0;
}

/* ---- Other processes' memory: process_vm_readv(2) ---- */

#define REMOTE_IOVECS_MAX 64

static int64_t remote_copy(int pid, uint64_t local, uint64_t local_count, uint64_t remote,
                           uint64_t remote_count, bool write)
{
	struct process *process = process_find(pid);
	struct linux_iovec here[REMOTE_IOVECS_MAX], there[REMOTE_IOVECS_MAX];
	char buffer[1024];
	if (local_count > REMOTE_IOVECS_MAX || remote_count > REMOTE_IOVECS_MAX)
		return -EINVAL;
	if (!local_count || !remote_count)
		return 0;
	if (!process || process->zombie || !process->leader || !process->leader->mm)
		return -ESRCH;
	if (!process_may_trace(process))
		return -EPERM;
	if (copy_from_user(here, local, local_count * sizeof(here[0])) ||
	    copy_from_user(there, remote, remote_count * sizeof(there[0])))
		return -EFAULT;
	struct io io;
	io_init_vector(&io, here, (uint32_t)local_count);
	int64_t total = 0;
	for (uint64_t i = 0; i < remote_count && io.remaining; i++) {
		for (uint64_t done = 0; done < there[i].bytes && io.remaining;) {
			uint64_t chunk = there[i].bytes - done;
			chunk = chunk < sizeof(buffer) ? chunk : sizeof(buffer);
			chunk = chunk < io.remaining ? chunk : io.remaining;
			struct mm *mm = process->leader->mm;
			int64_t moved = write ? io_take(&io, buffer, chunk) : 0;
			if (moved >= 0)
				moved = mm_access(mm, there[i].base + done, buffer, chunk,
				                  write ? MM_WRITE : MM_READ);
			if (moved > 0 && !write)
				moved = io_put(&io, buffer, (uint64_t)moved);
			if (moved <= 0)
				return total ? total : -EFAULT;
			total += moved;
			done += (uint64_t)moved;
		}
	}
	return total;
}

SYSCALL_HANDLER(process_vm_readv, int pid, uint64_t local, uint64_t local_count, uint64_t remote,
                uint64_t remote_count, uint64_t flags)
{
	return flags ? -EINVAL : remote_copy(pid, local, local_count, remote, remote_count, false);
}

SYSCALL_HANDLER(process_vm_writev, int pid, uint64_t local, uint64_t local_count, uint64_t remote,
                uint64_t remote_count, uint64_t flags)
{
	return flags ? -EINVAL : remote_copy(pid, local, local_count, remote, remote_count, true);
}
