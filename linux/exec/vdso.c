/* The vDSO's place in an address space, and the data page it reads: one memory object, the data page first,
 * that all guests map.
 */
#include "exec/exec.h"
#include "mm/area.h"
#include "vdso/data.h"

extern const char vdso_image_start[], vdso_image_end[];

static struct memory_object *object;
static struct vdso_data *data;
static struct memory_object *zeroes; /* the data page of other time namespaces: the system call must answer */
static uint64_t image_bytes;
static handle_t full_handle; /* deleting it would delete what is derived from it */

/* What is left of *MADE's rights: nobody writes to it any more. *FULL: to be kept. */
static bool make_read_only(struct memory_object *made, handle_t *full)
{
	int64_t reader = cap_copy(made->handle, RIGHT_READ | RIGHT_EXECUTE, 0);
	if (reader < 0)
		return false;
	*full = made->handle;
	made->handle = (handle_t)reader;
	return true;
}

static bool zeroes_make(void)
{
	static handle_t kept;
	if (zeroes)
		return true;
	struct memory_object *made = memory_object_create(PAGE_SIZE_BYTES);
	if (made && make_read_only(made, &kept))
		zeroes = made;
	else if (made)
		memory_object_release(made);
	return zeroes;
}

void vdso_ready(void)
{
	if (object)
		return;
	image_bytes = page_up((uint64_t)(vdso_image_end - vdso_image_start));
	object = memory_object_create(PAGE_SIZE_BYTES + image_bytes);
	char *window = object ? memory_object_map(object, 0, PAGE_SIZE_BYTES + image_bytes, true) : 0;
	if (!window) {
		if (object)
			memory_object_release(object);
		object = 0;
		return;
	}
	memcpy(window + PAGE_SIZE_BYTES, vdso_image_start, (size_t)(vdso_image_end - vdso_image_start));
	/* From here on only a capability without the right to write is kept: no guest can ever map the data
	 * writable. */
	if (!make_read_only(object, &full_handle)) {
		memory_object_unmap(window, PAGE_SIZE_BYTES + image_bytes);
		memory_object_release(object);
		object = 0;
		return;
	}
	data = (struct vdso_data *)window;
	vdso_update();
}

void vdso_update(void)
{
	if (!data)
		return;
	const struct clock_params *params = clock_parameters();
	data->sequence++;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	data->usable = params->multiplier != 0;
	data->tsc_base = params->tsc_base;
	data->ns_base = params->ns_base;
	data->multiplier = params->multiplier;
	data->shift = params->shift;
	data->realtime_offset = clock_realtime_offset();
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	data->sequence++;
}

void vdso_map(struct mm *mm)
{
	mm->vdso = 0;
	if (!object)
		return;
	uint64_t at = mm_place(mm, PAGE_SIZE_BYTES + image_bytes, mm->mmap_top);
	if (!at)
		return;
	if (mm_map(mm, at, PAGE_SIZE_BYTES, AREA_READ | AREA_VDSO, memory_object_reference(object), 0, 0,
	           0)) {
		memory_object_release(object);
		return;
	}
	at += PAGE_SIZE_BYTES;
	if (mm_map(mm, at, image_bytes, AREA_READ | AREA_EXECUTE | AREA_VDSO, memory_object_reference(object),
	           PAGE_SIZE_BYTES, 0, 0)) {
		memory_object_release(object);
		return;
	}
	mm->vdso = at;
}

int vdso_follow(struct mm *mm, const struct namespaces *set)
{
	bool own = set && set->of[NAMESPACE_TIME] != &time_namespace_first.common;
	if (!object || (!own && !zeroes))
		return 0;
	if (!zeroes_make())
		return -ENOMEM;
	const struct memory_object *from = own ? object : zeroes;
	struct memory_object *to = own ? zeroes : object;
	int error = 0;
	lock_acquire(&mm->lock);
	for (struct area *area = mm_find(mm, 0); area && !error; area = mm_next(mm, area)) {
		if (!(area->flags & AREA_VDSO) || area->object != from || area->offset)
			continue;
		memory_object_release(area->object);
		area->object = memory_object_reference(to);
		error = area_enter(mm, area, area->start, area->end, true);
	}
	lock_release(&mm->lock);
	return error;
}
