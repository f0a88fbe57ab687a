/* Files and buffers that a ring of io_uring(7) is given beforehand, each by its index. */
#include "uring.h"

#define FILES_MAX    32768u
#define BUFFERS_MAX  16384u
#define BUFFER_BYTES (1ull << 30)
#define SKIP_FILE    (-2)

/* ---- Files ---- */

struct file *uring_file(struct uring *ring, uint32_t index, bool fixed)
{
	if (fixed) {
		struct file *file = index < ring->file_count ? ring->files[index].file : 0;
		return file ? file_reference(file) : 0;
	}
	struct file *file = (int32_t)index < 0 ? 0 : file_get((int)index);
	if (file && (file->flags & O_PATH)) {
		file_release(file);
		return 0;
	}
	return file;
}

static void slot_empty(struct uring *ring, struct uring_slot *slot)
{
	struct file *file = slot->file;
	uint64_t tag = slot->tag;
	slot->file = 0;
	slot->tag = 0;
	if (file)
		file_release(file);
	if (file && tag)
		uring_post(ring, tag, 0, 0, true);
}

void uring_files_free(struct uring *ring)
{
	for (uint32_t i = 0; i < ring->file_count; i++)
		slot_empty(ring, &ring->files[i]);
	heap_free(ring->files);
	ring->files = 0;
	ring->file_count = 0;
}

static int64_t slot_find(struct uring *ring)
{
	uint32_t range = ring->file_end - ring->file_first;
	for (uint32_t i = 0; i < range; i++) {
		uint32_t at = ring->file_first + (ring->file_hint + i) % range;
		if (!ring->files[at].file) {
			ring->file_hint = at - ring->file_first + 1;
			return at;
		}
	}
	return -ENFILE;
}

int64_t uring_file_place(struct uring *ring, struct file *file, uint32_t index)
{
	bool any = index == FILE_INDEX_ALLOCATE;
	int64_t at = !ring->files ? -ENXIO : any ? slot_find(ring) : (int64_t)(index - 1);
	if (at >= (int64_t)ring->file_count)
		at = -EINVAL;
	if (at >= 0 && file->ops == &uring_ops)
		at = -EBADF;
	if (at < 0) {
		file_release(file);
		return at;
	}
	slot_empty(ring, &ring->files[at]);
	ring->files[at].file = file;
	return any ? at : 0;
}

int64_t uring_file_remove(struct uring *ring, uint32_t index)
{
	if (!ring->files)
		return -ENXIO;
	if (index >= ring->file_count)
		return -EINVAL;
	if (!ring->files[index].file)
		return -EBADF;
	slot_empty(ring, &ring->files[index]);
	return 0;
}

/* Puts descriptor FD (-1: nothing) into SLOT. */
static int64_t slot_set(struct uring *ring, struct uring_slot *slot, int32_t fd, uint64_t tag)
{
	struct file *file = 0;
	if (fd == -1 && tag)
		return -EINVAL;
	if (fd != -1) {
		file = uring_file(ring, (uint32_t)fd, false);
		if (!file)
			return -EBADF;
		if (file->ops == &uring_ops) {
			file_release(file);
			return -EBADF;
		}
	}
	slot_empty(ring, slot);
	slot->file = file;
	slot->tag = tag;
	return 0;
}

int64_t uring_files_update(struct uring *ring, uint32_t offset, uint64_t fds, uint64_t tags, uint32_t count)
{
	int64_t error = 0;
	uint32_t done = 0;
	if (!ring->files)
		return -ENXIO;
	if (offset > ring->file_count || count > ring->file_count - offset)
		return -EINVAL;
	for (; done < count && !error; done++) {
		uint32_t fd;
		uint64_t tag = 0;
		error = get_user_u32(&fd, fds + done * 4ull);
		if (!error && tags)
			error = get_user_u64(&tag, tags + done * 8ull);
		if (error)
			break;
		if ((int32_t)fd == SKIP_FILE)
			error = tag ? -EINVAL : 0;
		else
			error = slot_set(ring, &ring->files[offset + done], (int32_t)fd, tag);
		if (error)
			break;
	}
	return done ? done : error;
}

int64_t uring_files_register(struct uring *ring, uint64_t fds, uint64_t tags, uint32_t count)
{
	int64_t error = 0;
	if (ring->files)
		return -EBUSY;
	if (!count)
		return -EINVAL;
	if (count > FILES_MAX || count > current_task()->process->limits[RLIMIT_NOFILE].current)
		return -EMFILE;
	ring->files = heap_allocate(count * sizeof(*ring->files));
	if (!ring->files)
		return -ENOMEM;
	ring->file_count = count;
	ring->file_hint = ring->file_first = 0;
	ring->file_end = count;
	for (uint32_t i = 0; i < count && !error && fds; i++) {
		uint32_t fd;
		uint64_t tag = 0;
		error = get_user_u32(&fd, fds + i * 4ull);
		if (!error && tags)
			error = get_user_u64(&tag, tags + i * 8ull);
		if (!error)
			error = slot_set(ring, &ring->files[i], (int32_t)fd, tag);
	}
	for (uint32_t i = 0; i < count && error; i++) /* whose tags nobody hears of */
		ring->files[i].tag = 0;
	if (error)
		uring_files_free(ring);
	return error;
}

/* ---- Fixed buffers ---- */

static void buffer_empty(struct uring *ring, struct uring_buffer *buffer)
{
	struct uring_buffer old = *buffer;
	*buffer = (struct uring_buffer){0};
	if (old.base && old.tag)
		uring_post(ring, old.tag, 0, 0, true);
}

void uring_buffers_free(struct uring *ring)
{
	for (uint32_t i = 0; i < ring->buffer_count; i++)
		buffer_empty(ring, &ring->buffers[i]);
	heap_free(ring->buffers);
	ring->buffers = 0;
	ring->buffer_count = 0;
}

bool uring_range_writable(uint64_t base, uint64_t bytes)
{
	struct mm *mm = current_task()->mm;
	for (uint64_t at = base; at < base + bytes;) {
		const struct area *area = mm_find(mm, at);
		if (!area || area->start > at || !(area->flags & AREA_WRITE))
			return false;
		at = area->end;
	}
	return true;
}

static int64_t buffer_set(struct uring *ring, struct uring_buffer *buffer, uint64_t vectors, uint64_t tags,
                          uint32_t at)
{
	struct linux_iovec vector = {0, 0};
	uint64_t tag = 0;
	if (vectors && copy_from_user(&vector, vectors + at * sizeof(vector), sizeof(vector)))
		return -EFAULT;
	if (tags && get_user_u64(&tag, tags + at * 8ull))
		return -EFAULT;
	if (!vector.base && (vector.bytes || tag))
		return vector.bytes ? -EFAULT : -EINVAL;
	if (vector.base && (!vector.bytes || vector.bytes > BUFFER_BYTES))
		return -EFAULT;
	if (vector.base &&
	    (!user_range(vector.base, vector.bytes) || !uring_range_writable(vector.base, vector.bytes)))
		return -EFAULT;
	buffer_empty(ring, buffer);
	*buffer = (struct uring_buffer){vector.base, vector.bytes, tag};
	return 0;
}

int64_t uring_buffers_register(struct uring *ring, uint64_t vectors, uint64_t tags, uint32_t count)
{
	int64_t error = 0;
	if (ring->buffers)
		return -EBUSY;
	if (!count || count > BUFFERS_MAX)
		return -EINVAL;
	ring->buffers = heap_allocate(count * sizeof(*ring->buffers));
	if (!ring->buffers)
		return -ENOMEM;
	ring->buffer_count = count;
	for (uint32_t i = 0; i < count && !error; i++)
		error = buffer_set(ring, &ring->buffers[i], vectors, tags, i);
	for (uint32_t i = 0; i < count && error; i++)
		ring->buffers[i].tag = 0;
	if (error)
		uring_buffers_free(ring);
	return error;
}

int64_t uring_buffers_update(struct uring *ring, uint32_t offset, uint64_t vectors, uint64_t tags,
                             uint32_t count)
{
	int64_t error = 0;
	uint32_t done = 0;
	if (!ring->buffers)
		return -ENXIO;
	if (offset > ring->buffer_count || count > ring->buffer_count - offset)
		return -EINVAL;
	while (done < count && !error) {
		error = buffer_set(ring, &ring->buffers[offset + done], vectors, tags, done);
		done += !error;
	}
	return done ? done : error;
}

bool uring_buffer_holds(const struct uring *ring, uint32_t index, uint64_t address, uint64_t bytes)
{
	const struct uring_buffer *buffer = index < ring->buffer_count ? &ring->buffers[index] : 0;
	return buffer && buffer->base && address >= buffer->base && bytes <= buffer->bytes &&
	       address - buffer->base <= buffer->bytes - bytes;
}
