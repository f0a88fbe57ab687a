/* See userfault.h. */
#include "mm/userfault.h"
#include "fs/ramfs_data.h"

#define PAGE_OF(address) ((address) & ~(PAGE_SIZE_BYTES - 1))
#define LOOK_PAGES       512u /* asked of the substrate at once */

static struct list all = LIST_INIT(all); /* that are open: guarded by the common lock, held alone */

void userfault_release(struct userfault *userfault)
{
	if (!__atomic_sub_fetch(&userfault->references, 1, __ATOMIC_ACQ_REL))
		heap_free(userfault);
}

struct userfault *userfault_create(bool user_only)
{
	struct mm *mm = current_task()->mm;
	struct userfault *userfault = heap_allocate(sizeof(*userfault));
	if (!userfault)
		return 0;
	userfault->references = 1;
	userfault->user_only = user_only;
	userfault->mm = mm;
	list_append(&mm->userfaults, &userfault->link);
	list_append(&all, &userfault->all_link);
	list_init(&userfault->faults);
	wait_queue_init(&userfault->readers);
	return userfault;
}

void userfault_leave(struct mm *mm, struct area *area)
{
	if (!area->userfault)
		return;
	if (area->flags & AREA_TELL_WRITES)
		page_set_remove(&mm->write_protected, area->start / PAGE_SIZE_BYTES,
		                area->end / PAGE_SIZE_BYTES);
	area->flags &= ~(uint32_t)(AREA_TELL_MISSING | AREA_TELL_WRITES);
	userfault_release(area->userfault);
	area->userfault = 0;
}

/* AREA is as any other again. LOCK_MM is held. */
static void area_back(struct mm *mm, struct area *area)
{
	userfault_leave(mm, area);
	(void)area_enter(mm, area, area->start, area->end, true); /* what is not entered a touch enters */
	area_join(mm, area);
}

void userfault_close(struct userfault *userfault)
{
	struct mm *mm = userfault->mm;
	list_remove(&userfault->all_link);
	list_remove(&userfault->link);
	if (mm) {
		lock_acquire(&mm->lock);
		for (struct area *area = mm_find(mm, 0), *next; area; area = next) {
			uint64_t end = area->end;
			if (area->userfault == userfault)
				area_back(mm, area);
			next = mm_find(mm, end);
		}
		lock_release(&mm->lock);
	}
	userfault->mm = 0;
	userfault_wake(userfault, 0, UINT64_MAX);
	userfault_release(userfault);
}

void userfault_mm_end(struct mm *mm)
{
	while (!list_empty(&mm->userfaults)) {
		struct userfault *userfault = list_first(&mm->userfaults, struct userfault, link);
		list_remove(&userfault->link);
		userfault->mm = 0;
	}
}

/* ---- Faults ---- */

/* Is the page at ADDRESS in AREA's memory object? -ENOMEM: that cannot be told now. */
static int page_there(const struct mm *mm, const struct area *area, uint64_t address)
{
	const struct memory_object *object = area->object ? area->object : mm->heap;
	int64_t pages =
	    memory_object_pages(object, area->offset + (PAGE_OF(address) - area->start), PAGE_SIZE_BYTES);
	return pages < 0 ? -ENOMEM : pages != 0;
}

static bool is_protected(const struct mm *mm, const struct area *area, uint64_t address)
{
	return (area->flags & AREA_TELL_WRITES) &&
	       page_set_has(&mm->write_protected, address / PAGE_SIZE_BYTES);
}

enum userfault_answer userfault_resolve(struct mm *mm, struct area *area, uint64_t address, bool write,
                                        struct file **written)
{
	enum userfault_answer told =
	    area->userfault->features & UFFD_FEATURE_SIGBUS ? USERFAULT_BUS : USERFAULT_TELL;
	uint64_t page = address / PAGE_SIZE_BYTES;
	bool protected = is_protected(mm, area, address);
	int there = page_there(mm, area, address);
	if (there < 0)
		return USERFAULT_SHORT;
	if (!there && (area->flags & AREA_TELL_MISSING))
		return told;
	if (!there && protected) { /* it went after it was protected: the new one is not */
		page_set_remove(&mm->write_protected, page, page + 1);
		protected = false;
	}
	if (protected && write)
		return told;
	if (write && (area->flags & AREA_CLEAN)) {
		area->flags &= ~(uint32_t)AREA_CLEAN;
		*written = area->file;
	}
	int error = area_enter_page(mm, area, PAGE_OF(address), !protected);
	return !error ? USERFAULT_ENTERED : error == -EACCES ? USERFAULT_REFUSED : USERFAULT_SHORT;
}

bool userfault_told(struct mm *mm, struct area *area, uint64_t address, bool write)
{
	if ((area->flags & AREA_TELL_MISSING) && page_there(mm, area, address) != 1)
		return true;
	return write && is_protected(mm, area, address);
}

/* The userfault that is to be told of such an access of the current task, with a reference; 0: it may be tried again. */
static struct userfault *userfault_of(uint64_t address, bool write, bool *protected)
{
	struct mm *mm = current_task()->mm;
	struct userfault *userfault = 0;
	lock_acquire(&mm->lock);
	struct area *area = mm_find(mm, address);
	if (area && area->start <= address && area->userfault && userfault_told(mm, area, address, write)) {
		userfault = userfault_reference(area->userfault);
		*protected = write && is_protected(mm, area, address);
	}
	lock_release(&mm->lock);
	return userfault;
}

bool userfault_wait(uint64_t address, bool write, bool in_call)
{
	struct task *task = current_task();
	struct userfault_wait wait = {.address = address, .write = write, .tid = task->number};
	struct userfault *userfault = userfault_of(address, write, &wait.protected);
	if (!userfault)
		return true;
	if (in_call && (userfault->user_only || (userfault->features & UFFD_FEATURE_SIGBUS))) {
		userfault_release(userfault);
		return false;
	}
	wait_queue_init(&wait.queue);
	list_append(&userfault->faults, &wait.link);
	wake_all(&userfault->readers, POLLIN);
	/* A signal ends it: the access comes again behind the handler. */
	(void)wait_event(&wait.queue, list_empty(&wait.link), DEADLINE_NEVER);
	list_remove(&wait.link);
	userfault_release(userfault);
	return true;
}

void userfault_in_call(uint64_t address, bool write)
{
	struct task *task = current_task();
	if (!task->process || task->no_sleep)
		return;
	task->told_address = address;
	task->told_write = write;
	__atomic_fetch_or(&task->work, TASK_WORK_TOLD, __ATOMIC_SEQ_CST);
}

bool userfault_call_again(struct task *task)
{
	__atomic_fetch_and(&task->work, ~(uint32_t)TASK_WORK_TOLD, __ATOMIC_SEQ_CST);
	return (int64_t)task->state->rax == -EFAULT && task->mm &&
	       userfault_wait(task->told_address, task->told_write, true);
}

/* The first page of [at, end) of AREA of which somebody would be told, or END. */
static uint64_t first_told(struct mm *mm, const struct area *area, uint64_t at, uint64_t end, bool write)
{
	uint8_t there[LOOK_PAGES];
	while (at < end) {
		uint64_t count = (end - at) / PAGE_SIZE_BYTES;
		count = count < LOOK_PAGES ? count : LOOK_PAGES;
		memset(there, 1, count);
		if (area->flags & AREA_TELL_MISSING)
			area_residency(mm, area, at, count, there);
		for (uint64_t i = 0; i < count; i++, at += PAGE_SIZE_BYTES)
			if (!there[i] || (write && is_protected(mm, area, at)))
				return at;
	}
	return end;
}

/* Where the object that AREA shows ends: a touch behind it is a bus error. */
static uint64_t shown_end(const struct area *area)
{
	uint64_t bytes = area->end - area->start;
	uint64_t end = area->object ? page_up(area->object->bytes) : area->offset + bytes;
	uint64_t shown = end > area->offset ? end - area->offset : 0;
	return area->start + (shown < bytes ? shown : bytes);
}

static bool range_meets(struct mm *mm, uint64_t start, uint64_t bytes, bool write)
{
	uint64_t end = page_up(start + bytes), at = end;
	uint32_t needed = write ? AREA_WRITE : AREA_READ | AREA_WRITE | AREA_EXECUTE;
	for (struct area *area = mm_find(mm, start); area && area->start < end; area = mm_next(mm, area)) {
		const struct userfault *userfault = area->userfault;
		if (!userfault || userfault->user_only || (userfault->features & UFFD_FEATURE_SIGBUS) ||
		    !(area->flags & needed))
			continue;
		uint64_t from = area->start > start ? area->start : PAGE_OF(start);
		uint64_t to = shown_end(area);
		to = to < end ? to : end;
		at = first_told(mm, area, from, to, write);
		if (at < to)
			break;
		at = end;
	}
	if (at >= end)
		return false;
	userfault_in_call(at > start ? at : start, write);
	return true;
}

bool userfault_meets(const struct io *io, bool to_user)
{
	const struct task *task = current_task();
	struct mm *mm = task->mm;
	if (!mm || list_empty(&mm->userfaults) || io->kernel || !task->process || task->no_sleep)
		return false;
	bool meets = false;
	uint64_t left = io->remaining;
	lock_acquire(&mm->lock);
	for (uint32_t i = 0; i < io->segment_count && left && !meets; i++) {
		const struct linux_iovec *segment = &io->segments[i];
		uint64_t bytes = segment->bytes < left ? segment->bytes : left;
		meets = bytes && user_range(segment->base, bytes) &&
		        range_meets(mm, segment->base, bytes, to_user);
		left -= bytes;
	}
	lock_release(&mm->lock);
	return meets;
}

/* ---- Waking ---- */

void userfault_wake(struct userfault *userfault, uint64_t start, uint64_t bytes)
{
	struct userfault_wait *wait;
	struct userfault_wait *next;
	list_for_each_safe(wait, next, &userfault->faults, link)
	{
		if (wait->address - start >= bytes)
			continue;
		list_remove(&wait->link);
		wake_all(&wait->queue, 0);
	}
}

void userfault_wake_range(struct mm *mm, uint64_t start, uint64_t bytes)
{
	struct userfault *userfault;
	list_for_each(userfault, &mm->userfaults, link) userfault_wake(userfault, start, bytes);
}

void userfault_object_changed(const struct memory_object *object)
{
	struct userfault *userfault;
	list_for_each(userfault, &all, all_link)
	{
		/* Each address space once, however many it has. */
		struct mm *mm = userfault->mm;
		if (!mm || list_first(&mm->userfaults, struct userfault, link) != userfault)
			continue;
		lock_acquire(&mm->lock);
		for (struct area *area = mm_find(mm, 0); area; area = mm_next(mm, area))
			if (area->userfault && area->object == object)
				space_unmap(mm->space, area->start, area->end - area->start);
		lock_release(&mm->lock);
	}
}

/* ---- The descriptor's requests ---- */

/* Private memory without a file, or shared memory: what Linux takes but huge pages. Not files of a service, which has to hear of
 * what is written to them (file_ops.page_write). */
static bool area_suits(const struct area *area)
{
	if (area->flags & (AREA_VDSO | AREA_PRIVATE_FILE))
		return false;
	if (area->flags & AREA_SHARED)
		return !area->file ||
		       (area->file->ops == &ramfs_file_ops && !ram_backing(ram_node(area->file->vnode)));
	return !area->file && !area->object;
}

/* Only areas that suit, at least one that begins before the end. */
static int range_suits(const struct userfault *userfault, uint64_t start, uint64_t end, bool new)
{
	struct mm *mm = userfault->mm;
	struct area *area = mm_find(mm, start);
	if (!area)
		return -ENOMEM;
	if (area->start >= end)
		return -EINVAL;
	for (; area && area->start < end; area = mm_next(mm, area)) {
		if (!area_suits(area))
			return -EINVAL;
		if (new && (area->flags & AREA_SHARED) && !(area->flags & AREA_MAY_WRITE))
			return -EPERM;
		if (new && area->userfault && area->userfault != userfault)
			return -EBUSY;
	}
	return 0;
}

static int register_locked(struct userfault *userfault, uint64_t start, uint64_t end, uint32_t flags)
{
	struct mm *mm = userfault->mm;
	int error = range_suits(userfault, start, end, true);
	if (!error)
		error = area_split_range(mm, start, end);
	if (error)
		return error;
	for (struct area *area = mm_find(mm, start), *next; area && area->start < end; area = next) {
		uint64_t area_end = area->end;
		bool kept = area->userfault && (area->flags & AREA_TELL_WRITES) && (flags & AREA_TELL_WRITES);
		if (!kept)
			userfault_leave(mm, area);
		if (!area->userfault)
			area->userfault = userfault_reference(userfault);
		area->flags = (area->flags & ~(uint32_t)(AREA_TELL_MISSING | AREA_TELL_WRITES)) | flags;
		space_unmap(mm->space, area->start, area->end - area->start);
		area_join(mm, area);
		next = mm_find(mm, area_end);
	}
	return 0;
}

int userfault_register(struct userfault *userfault, uint64_t start, uint64_t bytes, uint32_t flags)
{
	lock_acquire(&userfault->mm->lock);
	int error = register_locked(userfault, start, start + bytes, flags);
	lock_release(&userfault->mm->lock);
	return error;
}

int userfault_unregister(struct userfault *userfault, uint64_t start, uint64_t bytes)
{
	struct mm *mm = userfault->mm;
	uint64_t end = start + bytes;
	lock_acquire(&mm->lock);
	int error = range_suits(userfault, start, end, false);
	if (!error)
		error = area_split_range(mm, start, end);
	for (struct area *area = mm_find(mm, start), *next; !error && area && area->start < end;
	     area = next) {
		uint64_t area_end = area->end;
		if (area->userfault)
			area_back(mm, area);
		next = mm_find(mm, area_end);
	}
	lock_release(&mm->lock);
	if (!error)
		userfault_wake_range(mm, start, bytes);
	return error;
}

bool userfault_covers(struct mm *mm, uint64_t start, uint64_t bytes, uint32_t flags)
{
	for (uint64_t at = start; at < start + bytes;) {
		const struct area *area = mm_find(mm, at);
		if (!area || area->start > at || !area->userfault || (flags && !(area->flags & flags)))
			return false;
		at = area->end;
	}
	return true;
}

static int fill_locked(struct mm *mm, uint64_t address, const void *page, bool protect)
{
	static const uint8_t zeros[PAGE_SIZE_BYTES];
	const struct area *area = mm_find(mm, address);
	if (!area || area->start > address || !area->userfault)
		return -ENOENT;
	if (protect && !(area->flags & AREA_TELL_WRITES))
		return -EINVAL;
	struct memory_object *object = area->object ? area->object : mm->heap;
	uint64_t offset = area->offset + (address - area->start);
	if (offset >= page_up(object->bytes))
		return -EFAULT; /* behind the end of a file */
	int there = page_there(mm, area, address);
	if (there)
		return there < 0 ? there : -EEXIST;
	if (protect && !page_set_add(&mm->write_protected, address / PAGE_SIZE_BYTES))
		return -ENOMEM;
	if (!protect && (area->flags & AREA_TELL_WRITES))
		page_set_remove(&mm->write_protected, address / PAGE_SIZE_BYTES,
		                address / PAGE_SIZE_BYTES + 1);
	void *window = memory_object_map(object, offset, PAGE_SIZE_BYTES, true);
	if (!window)
		return -ENOMEM;
	size_t left = user_copy(window, page ? page : zeros, PAGE_SIZE_BYTES);
	memory_object_unmap(window, PAGE_SIZE_BYTES);
	return left ? -ENOMEM : 0;
}

int userfault_fill(struct userfault *userfault, uint64_t address, const void *page, bool protect)
{
	lock_acquire(&userfault->mm->lock);
	int error = fill_locked(userfault->mm, address, page, protect);
	lock_release(&userfault->mm->lock);
	return error;
}

/* The same for [at, end) of AREA. */
static int protect_area(struct mm *mm, const struct area *area, uint64_t at, uint64_t end, bool protect)
{
	uint8_t there[LOOK_PAGES];
	uint64_t count = (end - at) / PAGE_SIZE_BYTES, first = at / PAGE_SIZE_BYTES;
	space_unmap(mm->space, at, end - at);
	if (!protect) {
		page_set_remove(&mm->write_protected, first, first + count);
		return 0;
	}
	area_residency(mm, area, at, count, there);
	for (uint64_t i = 0; i < count; i++)
		if (there[i] && !page_set_add(&mm->write_protected, first + i))
			return -ENOMEM;
	return 0;
}

int64_t userfault_protect(struct userfault *userfault, uint64_t start, uint64_t bytes, bool protect)
{
	struct mm *mm = userfault->mm;
	int error = 0;
	lock_acquire(&mm->lock);
	const struct area *area = mm_find(mm, start);
	uint64_t end = start + bytes;
	if (!area || area->start > start || !(area->flags & AREA_TELL_WRITES)) {
		error = -ENOENT;
	} else {
		end = area->end < end ? area->end : end;
		if (end - start > LOOK_PAGES * PAGE_SIZE_BYTES)
			end = start + LOOK_PAGES * PAGE_SIZE_BYTES;
		error = protect_area(mm, area, start, end, protect);
	}
	lock_release(&mm->lock);
	return error ? error : (int64_t)(end - start);
}
