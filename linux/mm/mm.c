/* Address spaces as a whole: creation, fork, release, mapping and unmapping, faults. */
#include "async/async.h"
#include "mm/area.h"
#include "mm/userfault.h"

#define MMAP_TOP    0x7ffff7fff000ull
#define PLACE_FLOOR 65536u /* below the native half */

static uint64_t identities = 1;

/* ---- Memory objects ---- */

struct memory_object *memory_object_adopt(handle_t handle, uint64_t bytes)
{
	struct memory_object *object = heap_allocate(sizeof(*object));
	if (!object) {
		cap_delete(handle);
		return 0;
	}
	object->references = 1;
	object->handle = handle;
	object->bytes = bytes;
	object->identity = __atomic_fetch_add(&identities, 1, __ATOMIC_RELAXED);
	return object;
}

struct memory_object *memory_object_create(uint64_t bytes)
{
	int64_t handle = memory_create(MEMORY_ANONYMOUS, bytes, 0, 0);
	return handle < 0 ? 0 : memory_object_adopt((handle_t)handle, bytes);
}

struct memory_object *memory_object_view(struct memory_object *whole, uint64_t bytes)
{
	struct memory_object *object = heap_allocate(sizeof(*object));
	if (!object)
		return 0;
	object->references = 1;
	object->whole = memory_object_reference(whole);
	object->handle = whole->handle;
	object->bytes = bytes < whole->bytes ? bytes : whole->bytes;
	object->identity = __atomic_fetch_add(&identities, 1, __ATOMIC_RELAXED);
	return object;
}

void memory_object_release(struct memory_object *object)
{
	if (__atomic_sub_fetch(&object->references, 1, __ATOMIC_ACQ_REL))
		return;
	if (object->whole)
		memory_object_release(object->whole);
	else
		cap_delete(object->handle);
	heap_free(object);
}

/* A clone of the range tells, and goes again. A fault may ask, when the page's bytes are just those that are being copied. */
int64_t memory_object_pages(const struct memory_object *object, uint64_t offset, uint64_t bytes)
{
	struct thread_page *page = current_page();
	struct memory_info info;
	uint8_t kept[sizeof(info)];
	int64_t clone = memory_clone(object->handle, offset, bytes);
	if (clone < 0)
		return clone;
	memcpy(kept, page->bytes, sizeof(kept));
	int64_t result = memory_info(page, (handle_t)clone, &info);
	memcpy(page->bytes, kept, sizeof(kept));
	cap_delete((handle_t)clone);
	return result < 0 ? result : (int64_t)(info.resident_bytes / PAGE_SIZE_BYTES);
}

void *memory_object_map(struct memory_object *object, uint64_t offset, uint64_t bytes, bool write)
{
	bytes = page_up(bytes);
	uint64_t address = window_take(bytes, PAGE_SIZE_BYTES);
	if (!address)
		return 0;
	if (space_map(machine.space, address, object->handle, offset, bytes,
	              MAP_READ | (write ? MAP_WRITE : 0)) < 0) {
		window_put(address, bytes);
		return 0;
	}
	return (void *)address;
}

void memory_object_unmap(void *address, uint64_t bytes)
{
	bytes = page_up(bytes);
	space_unmap(machine.space, (uint64_t)address, bytes);
	window_put((uint64_t)address, bytes);
}

/* ---- mm ---- */

static struct mm *mm_new(int64_t heap_handle)
{
	if (heap_handle < 0)
		return 0;
	struct memory_object *heap = memory_object_adopt((handle_t)heap_handle, HEAP_OBJECT_BYTES);
	struct mm *mm = heap ? heap_allocate(sizeof(*mm)) : 0;
	int64_t space = mm ? space_create(SPACE_GUEST, 0) : E_QUOTA_MEMORY;
	if (space < 0) {
		heap_free(mm);
		if (heap)
			memory_object_release(heap);
		return 0;
	}
	mm->references = 1;
	mm->number = __atomic_fetch_add(&identities, 1, __ATOMIC_RELAXED);
	lock_init(&mm->lock, LOCK_MM);
	mm->space = (handle_t)space;
	mm->heap = heap;
	mm->mmap_top = MMAP_TOP;
	list_init(&mm->futexes);
	list_init(&mm->userfaults);
	return mm;
}

struct mm *mm_create(void)
{
	return mm_new(memory_create(MEMORY_ANONYMOUS, HEAP_OBJECT_BYTES, 0, 0));
}

/* The pages of MM, which nobody can reach any more, go back: no lock is needed. The areas with files are left, linked
 * by `left`. */
static struct area *mm_empty(struct mm *mm)
{
	struct area *with_files = 0;
	cap_delete(mm->space);
	for (struct area *area; (area = area_tree_take(&mm->root)) != 0;) {
		if (area->object)
			memory_object_release(area->object);
		area->object = 0;
		if (area->userfault)
			userfault_release(area->userfault);
		area->userfault = 0;
		if (area->file) {
			area->left = with_files;
			with_files = area;
		} else {
			heap_free(area);
		}
	}
	memory_object_release(mm->heap);
	page_set_deinit(&mm->write_protected);
	return with_files;
}

void mm_release(struct mm *mm, bool beside_others)
{
	if (--mm->references)
		return;
	if (mm->aio)
		aio_mm_end(mm);
	userfault_mm_end(mm);
	enum common_mode before = beside_others ? common_give() : COMMON_NOT;
	struct area *area = mm_empty(mm);
	common_take(before);
	for (struct area *next; area; area = next) {
		next = area->left;
		area_free(area);
	}
	if (mm->executable)
		file_release(mm->executable);
	heap_free(mm);
}

/* A child's copy of AREA: private pages cloned, shared ones shared. What fails leaves it to mm_release. */
static int clone_area(struct mm *to, const struct area *from)
{
	if (from->flags & AREA_DONT_FORK)
		return 0;
	struct area *area = area_copy(from);
	if (!area)
		return -ENOMEM;
	area_insert(to, area);
	area->flags &= ~(uint32_t)AREA_LOCKED; /* mlock(2): not inherited */
	userfault_leave(to, area);
	uint64_t bytes = area->end - area->start, pages = area->object ? page_up(area->object->bytes) : 0;
	if (pages > area->offset &&
	    area_owns_pages(area)) { /* what lies behind them is a bus error in both */
		uint64_t there = pages - area->offset;
		int64_t handle =
		    memory_clone(area->object->handle, area->offset, there < bytes ? there : bytes);
		struct memory_object *clone =
		    handle < 0 ? 0 : memory_object_adopt((handle_t)handle, there < bytes ? there : bytes);
		if (!clone)
			return -ENOMEM;
		memory_object_release(area->object);
		area->object = clone;
		area->offset = 0;
	} else if (!area->object && (area->flags & AREA_WIPE_ON_FORK)) {
		memory_discard(to->heap->handle, area->offset, bytes);
	}
	return area_enter(to, area, area->start, area->end, false);
}

static int clone_areas(struct mm *to, struct mm *from)
{
	for (struct area *area = mm_find(from, 0); area; area = mm_next(from, area)) {
		int error = clone_area(to, area);
		if (error)
			return error;
	}
	return 0;
}

struct mm *mm_clone(struct mm *from)
{
	struct mm *to = mm_new(memory_clone(from->heap->handle, 0, HEAP_OBJECT_BYTES));
	if (!to)
		return 0;
	struct mm fresh = *to;
	*to = *from;
	to->references = 1;
	to->number = fresh.number;
	lock_init(&to->lock, LOCK_MM);
	to->space = fresh.space;
	to->heap = fresh.heap;
	to->root = 0;
	to->area_count = to->total_pages = to->locked_pages = 0;
	to->locks_future = false;
	to->aio = 0;
	list_init(&to->futexes);
	list_init(&to->userfaults);
	to->write_protected = fresh.write_protected;
	if (to->executable)
		file_reference(to->executable);
	lock_acquire(&from->lock);
	int error = clone_areas(to, from);
	lock_release(&from->lock);
	if (error) {
		mm_release(to, false);
		return 0;
	}
	return to;
}

uint64_t mm_place(struct mm *mm, uint64_t bytes, uint64_t top)
{
	return area_tree_place(mm->root, bytes, top > NATIVE_END ? NATIVE_END : PLACE_FLOOR, top);
}

int mm_map(struct mm *mm, uint64_t at, uint64_t bytes, uint32_t flags, struct memory_object *object,
           uint64_t offset, struct file *file, uint64_t file_offset)
{
	struct area *area = mm->area_count < MAP_COUNT_MAX ? heap_allocate(sizeof(*area)) : 0;
	if (!area)
		return -ENOMEM;
	area->start = at;
	area->end = at + bytes;
	area->flags = flags;
	area->object = object;
	area->offset = object ? offset : heap_offset(mm, at, bytes);
	area->file = file;
	area->file_offset = file_offset;
	int error = area_enter(mm, area, at, at + bytes, false);
	if (error) {
		heap_free(area);
		return error;
	}
	if (file)
		area_maps(file, 1);
	area_insert(mm, area);
	area_join(mm, area);
	return 0;
}

int mm_unmap(struct mm *mm, uint64_t start, uint64_t bytes)
{
	uint64_t end = start + bytes;
	struct area *area = mm_find(mm, start);
	if (!area || area->start >= end)
		return 0;
	int error = area_split_range(mm, start, end);
	if (error)
		return error;
	if (space_unmap(mm->space, start, bytes) < 0)
		return -ENOMEM;
	for (area = mm_find(mm, start); area && area->start < end; area = mm_find(mm, start)) {
		area_remove(mm, area);
		if (area->flags & AREA_LOCKED)
			mm->locked_pages -= (area->end - area->start) / PAGE_SIZE_BYTES;
		userfault_leave(mm, area);
		if (area_owns_pages(area))
			memory_discard(area->object ? area->object->handle : mm->heap->handle, area->offset,
			               area->end - area->start);
		area_free(area);
	}
	return 0;
}

/* Page-fault error code of x86. */
#define ERROR_PRESENT 1 /* and does not allow the access */
#define ERROR_WRITE   2
#define ERROR_FETCH   16
#define FAULT_TRIES   4 /* of one address: after that it is asked whether pages lack */

/* A fault at ADDRESS that seems to be resolved comes once more. */
static bool is_stuck(struct task *task, uint64_t address)
{
	if (address == task->fault_address && task->fault_count >= FAULT_TRIES)
		return true;
	task->fault_count = address == task->fault_address ? task->fault_count + 1 : 0;
	task->fault_address = address;
	return false;
}

#define GUARD_BYTES (1ull << 20) /* kept free below an area that grows */

/* A touch at ADDRESS, above which AREA begins and grows down: mmap(2), MAP_GROWSDOWN. */
static struct area *grow_down(struct mm *mm, struct area *area, uint64_t address)
{
	uint64_t start = address & ~(PAGE_SIZE_BYTES - 1), bytes = area->start - start;
	const struct area *below = area_before(mm, area->start);
	uint64_t limit = current_task()->process->limits[RLIMIT_STACK].current;
	uint32_t flags = area->flags;
	if (start < 65536 || area->end - start > limit ||
	    (below && (below->flags & (AREA_READ | AREA_WRITE | AREA_EXECUTE)) &&
	     !(below->flags & AREA_GROWS_DOWN) && start < below->end + GUARD_BYTES))
		return 0;
	if (mm_map(mm, start, bytes, flags, 0, 0, 0, 0))
		return 0;
	return mm_find(mm, start);
}

/* A write to the page at ADDRESS of AREA, which is clean. *WRITTEN: the file whose times it changes. 0, -ENOMEM, or what the
 * file's page_write says. */
static int first_write(struct mm *mm, struct area *area, uint64_t address, struct file **written)
{
	uint64_t page = address & ~(PAGE_SIZE_BYTES - 1);
	const struct file_ops *ops = area->file->ops;
	int allowed =
	    ops->page_write ? ops->page_write(area->file, area->file_offset + (page - area->start)) : 1;
	if (allowed < 0)
		return allowed;
	*written = area->file;
	if (!allowed)
		return area_page_writable(mm, area, page);
	area->flags &= ~(uint32_t)AREA_CLEAN;
	return area_enter(mm, area, area->start, area->end, true);
}

static bool fault(struct mm *mm, uint64_t address, uint64_t error, int *signal, int *code,
                  struct file **written)
{
	struct task *task = current_task();
	struct area *area = mm_find(mm, address);
	*signal = SIGSEGV;
	*code = SEGV_MAPERR;
	if (area && area->start > address && (area->flags & AREA_GROWS_DOWN))
		area = grow_down(mm, area, address);
	if (!area || area->start > address)
		return false;
	*code = SEGV_ACCERR;
	uint32_t needed = error & ERROR_WRITE ? AREA_WRITE : error & ERROR_FETCH ? AREA_EXECUTE : 7;
	if (!(area->flags & needed))
		return false;
	task->minor_faults++;
	uint64_t offset = area->offset + (address - area->start);
	if (area->object && offset >= page_up(area->object->bytes)) {
		*signal = SIGBUS;
		*code = BUS_ADRERR;
		return false;
	}
	if (area->userfault) {
		enum userfault_answer answer =
		    userfault_resolve(mm, area, address, error & ERROR_WRITE, written);
		if (answer == USERFAULT_REFUSED || (answer == USERFAULT_ENTERED && !is_stuck(task, address)))
			return answer == USERFAULT_ENTERED;
		*signal = answer == USERFAULT_BUS ? SIGBUS : 0;
		*code = answer == USERFAULT_TELL ? FAULT_TOLD : answer == USERFAULT_BUS ? BUS_ADRERR : 0;
		task->fault_count = 0;
		return false;
	}
	if ((error & ERROR_WRITE) && (area->flags & AREA_PRIVATE_FILE)) {
		if (!area_make_private(mm, area))
			return true;
	} else if ((error & ERROR_WRITE) && (area->flags & AREA_CLEAN)) {
		/* A page that is there is cleaned again and again; one that is not may be what the substrate lacks. */
		int result = first_write(mm, area, address, written);
		if (!result && ((error & ERROR_PRESENT) || !is_stuck(task, address)))
			return true;
		if (result && result != -ENOMEM) {
			*signal = result == -EALONE ? 0 : SIGBUS;
			*code = result == -EALONE ? FAULT_ALONE : BUS_ADRERR;
			return false;
		}
	} else if (!is_stuck(task, address)) {
		/* Another thread may have resolved it; or a file has grown since it was mapped. */
		int entered = area->object ? area_enter(mm, area, area->start, area->end, true) : 0;
		if (!entered)
			return true;
		if (entered == -EACCES)
			return false;
	}
	task->fault_count = 0;
	*signal = *code = 0;
	return false;
}

bool mm_fault(struct mm *mm, uint64_t address, uint64_t error, int *signal, int *code)
{
	/* The file stays: who unmaps it holds the common lock alone. */
	struct file *written = 0;
	lock_acquire(&mm->lock);
	bool retry = fault(mm, address, error, signal, code, &written);
	lock_release(&mm->lock);
	if (written && written->vnode)
		written->vnode->modified = written->vnode->changed = clock_realtime_timespec();
	return retry;
}

/* ---- Files that change under their mappings ---- */

/* The part of AREA from AT on maps what REQUEST has, whose reference is taken over; what was written there privately goes. */
static int replace(struct mm *mm, struct area *area, uint64_t at, const struct mmap_request *request)
{
	uint64_t end = area->end;
	int error = area_split_range(mm, at, end);
	if (error) {
		memory_object_release(request->object);
		return error;
	}
	area = mm_find(mm, at);
	bool owned = area_owns_pages(area);
	struct memory_object *old = area->object;
	if (owned && !old)
		memory_discard(mm->heap->handle, area->offset, end - at);
	area->object = request->object;
	area->offset = request->object_offset;
	if (!(area->flags & AREA_SHARED))
		area->flags |= AREA_PRIVATE_FILE;
	error = area_enter(mm, area, at, end, true);
	if (old)
		memory_object_release(old);
	return error;
}

/* The part of AREA from FILE_START on maps its file's present pages again. */
static int map_again(struct mm *mm, struct area *area, uint64_t file_start)
{
	struct file *file = area->file;
	uint64_t end = area->end, at = area->start;
	if (file_start > area->file_offset)
		at += file_start - area->file_offset;
	if (at >= end)
		return 0;
	struct mmap_request request = {.offset = area->file_offset + (at - area->start),
	                               .bytes = end - at,
	                               .shared = area->flags & AREA_SHARED,
	                               .write = (area->flags & AREA_SHARED) && (area->flags & AREA_MAY_WRITE),
	                               .execute = area->flags & AREA_EXECUTE};
	int64_t result = file->ops->mmap(file, &request);
	if (result < 0)
		return (int)result;
	lock_acquire(&mm->lock);
	int error = replace(mm, area, at, &request);
	lock_release(&mm->lock);
	return error;
}

static void file_changed(struct mm *mm, struct vnode *vnode, uint64_t from)
{
	for (struct area *area = mm_find(mm, 0), *next; area; area = next) {
		uint64_t end = area->end;
		bool same = area->file && area->file->vnode == vnode;
		bool moved = same && !area_owns_pages(area) && area->object != vnode->object;
		if (moved || (same && area_owns_pages(area) && from != UINT64_MAX))
			(void)map_again(mm, area, moved ? 0 : from);
		next = mm_find(mm, end);
	}
}

static uint64_t file_changes;

uint64_t mm_file_changes(void)
{
	return __atomic_load_n(&file_changes, __ATOMIC_RELAXED);
}

void mm_file_changed(struct vnode *vnode, bool shrunk)
{
	__atomic_fetch_add(&file_changes, 1, __ATOMIC_RELAXED);
	uint64_t from = shrunk ? page_up(vnode->size) : UINT64_MAX;
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		const struct task *task;
		struct mm *last = 0;
		list_for_each(task, &process->threads, thread_link)
		{
			if (task->mm && task->mm != last)
				file_changed(last = task->mm, vnode, from);
		}
	}
}

void mm_file_clean(struct vnode *vnode)
{
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		const struct task *task;
		struct mm *last = 0;
		list_for_each(task, &process->threads, thread_link)
		{
			if (!task->mm || task->mm == last)
				continue;
			last = task->mm;
			lock_acquire(&last->lock);
			for (struct area *area = mm_find(last, 0); area; area = mm_next(last, area))
				if ((area->flags & AREA_CLEAN) && area->file->vnode == vnode)
					area_clean(last, area);
			lock_release(&last->lock);
		}
	}
}

static bool shared_key(struct mm *mm, uint64_t address, uint64_t key[2])
{
	struct area *area = mm_find(mm, address);
	bool there = area && area->start <= address;
	key[0] = 0;
	if (there && (area->flags & AREA_SHARED)) {
		key[0] = area->object->identity;
		key[1] = area->offset + (address - area->start);
	}
	return there;
}

int mm_key(struct mm *mm, uint64_t address, bool shared, uint64_t key[2])
{
	if (shared) {
		lock_acquire(&mm->lock);
		bool there = shared_key(mm, address, key);
		lock_release(&mm->lock);
		if (!there)
			return -EFAULT;
		if (key[0])
			return 0;
	}
	key[0] = (uint64_t)mm;
	key[1] = address;
	return 0;
}

static bool may_access(struct mm *mm, struct area *area, uint64_t address, uint32_t flags)
{
	bool write = flags & MM_WRITE;
	if (area->userfault && userfault_told(mm, area, address, write))
		return false;
	if (!(flags & MM_FORCE) && !(area->flags & (write ? AREA_WRITE : AREA_READ | AREA_EXECUTE)))
		return false;
	if (!write)
		return true;
	if (area->flags & AREA_VDSO)
		return false;
	if ((area->flags & AREA_SHARED) && area->file && !(area->flags & AREA_MAY_WRITE))
		return false;
	uint64_t page = address & ~(PAGE_SIZE_BYTES - 1);
	if (area->file && (area->flags & AREA_CLEAN) && area->file->ops->page_write &&
	    area->file->ops->page_write(area->file, area->file_offset + (page - area->start)) < 0)
		return false;
	if (!(area->flags & AREA_PRIVATE_FILE))
		return true;
	lock_acquire(&mm->lock);
	int error = area_make_private(mm, area);
	lock_release(&mm->lock);
	return !error;
}

int64_t mm_access(struct mm *mm, uint64_t address, void *buffer, uint64_t bytes, uint32_t flags)
{
	bool write = flags & MM_WRITE;
	uint64_t done = 0;
	while (done < bytes) {
		uint64_t at = address + done;
		struct area *area = mm_find(mm, at);
		if (!area || area->start > at || !may_access(mm, area, at, flags))
			break;
		struct memory_object *object = area->object ? area->object : mm->heap;
		uint64_t offset = area->offset + (at - area->start);
		uint64_t page = offset & ~(PAGE_SIZE_BYTES - 1);
		uint64_t chunk = PAGE_SIZE_BYTES - (offset - page);
		if (chunk > bytes - done)
			chunk = bytes - done;
		char *window = page < page_up(object->bytes)
		                   ? memory_object_map(object, page, PAGE_SIZE_BYTES, write)
		                   : 0;
		if (!window)
			break;
		uint64_t left = write ? user_copy(window + (offset - page), (char *)buffer + done, chunk)
		                      : user_copy((char *)buffer + done, window + (offset - page), chunk);
		memory_object_unmap(window, PAGE_SIZE_BYTES);
		done += chunk - left;
		if (left)
			break;
	}
	return done || !bytes ? (int64_t)done : -EFAULT;
}
