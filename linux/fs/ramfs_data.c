/* See ramfs_data.h.
 *
 * Sizes: vnode.size is the file's. A heap copy grows by doubling up to SMALL_MAX; then an object takes over,
 * which grows a quarter ahead of the file so that appending rarely calls the kernel. Once mmap has handed the
 * object out it has exactly the file's pages, so that an access behind the end faults as it must. Bytes of
 * the last page behind the end are kept zero.
 */
#include <sysimg/sysimg.h>
#include "../internal.h"
#include "../mm/userfault.h"
#include "ramfs_data.h"

#define SMALL_MAX      4096u
#define PAGE_UP(bytes) (((bytes) + 4095) & ~4095ull)
#define WINDOWS_MAX    (160ull << 30) /* of all files */
#define WINDOW_DOUBLES (1ull << 30)   /* a larger one is not much larger than it has to be */

/* The addresses beyond WINDOWS_MAX are for threads and buffers, whatever files there are. */
static uint64_t windows_bytes;

static uint64_t file_window_take(uint64_t bytes)
{
	uint64_t address = 0;
	if (__atomic_add_fetch(&windows_bytes, bytes, __ATOMIC_RELAXED) <= WINDOWS_MAX)
		address = window_take(bytes, 4096);
	if (!address)
		__atomic_sub_fetch(&windows_bytes, bytes, __ATOMIC_RELAXED);
	return address;
}

static void file_window_put(uint64_t address, uint64_t bytes)
{
	window_put(address, bytes);
	__atomic_sub_fetch(&windows_bytes, bytes, __ATOMIC_RELAXED);
}

static int verify(struct ram_node *node)
{
	if (!node->data.lower_verified) {
		int error = image_verify(node->data.lower_node);
		if (error)
			return error;
		node->data.lower_verified = true;
	}
	return 0;
}

const uint8_t *ram_data_read(struct ram_node *node, int *error)
{
	*error = 0;
	if (!node->data.lower)
		return ram_data_bytes(node);
	*error = verify(node);
	return *error ? 0 : node->data.lower;
}

/* Maps the object's pages up to BYTES (a page multiple): more of them at the end of the window, or all in a
 * larger one. */
static int map_grow(struct ram_node *node, uint64_t bytes)
{
	struct ram_data *data = &node->data;
	handle_t handle = node->vnode.object->handle;
	handle_t space = machine.space;
	if (bytes <= data->map_bytes)
		return 0;
	if (bytes > data->window_bytes) {
		uint64_t window = 65536;
		while (window < bytes && window < WINDOW_DOUBLES)
			window *= 2;
		if (window < bytes)
			window = PAGE_UP(bytes + bytes / 8);
		uint64_t address = file_window_take(window);
		if (!address)
			return -ENOSPC;
		if (space_map(space, address, handle, 0, bytes, MAP_READ | MAP_WRITE) < 0) {
			file_window_put(address, window);
			return -ENOSPC;
		}
		if (data->map) {
			space_unmap(space, (uint64_t)data->map, data->map_bytes);
			file_window_put((uint64_t)data->map, data->window_bytes);
		}
		data->map = (uint8_t *)address;
		data->window_bytes = window;
	} else if (space_map(space, (uint64_t)data->map + data->map_bytes, handle, data->map_bytes,
	                     bytes - data->map_bytes, MAP_READ | MAP_WRITE) < 0) {
		return -ENOSPC;
	}
	data->map_bytes = bytes;
	return 0;
}

static int object_resize(struct ram_node *node, uint64_t bytes)
{
	struct memory_object *object = node->vnode.object;
	if (bytes == object->bytes)
		return 0;
	if (bytes < node->data.map_bytes) {
		space_unmap(machine.space, (uint64_t)node->data.map + bytes, node->data.map_bytes - bytes);
		node->data.map_bytes = bytes;
	}
	if (memory_resize(object->handle, bytes) < 0)
		return -ENOSPC;
	int error = bytes ? map_grow(node, bytes) : 0;
	if (error) /* what OBJECT has is what is mapped: writes go by that */
		(void)(memory_resize(object->handle, object->bytes) < 0);
	else
		object->bytes = bytes;
	return error;
}

/* The file leaves the image; mappings of it keep what they see. */
static void lower_leave(struct ram_data *data)
{
	data->lower = 0;
	if (data->lower_view)
		memory_object_release(data->lower_view);
	data->lower_view = 0;
}

/* The object takes over from the heap copy or the image. */
static int object_make(struct ram_node *node, uint64_t bytes)
{
	struct ram_data *data = &node->data;
	const uint8_t *from = data->lower ? data->lower : data->small;
	struct memory_object *object = memory_object_create(bytes);
	if (!object)
		return -ENOSPC;
	node->vnode.object = object;
	int error = map_grow(node, bytes);
	uint64_t copy = node->vnode.size < bytes ? node->vnode.size : bytes;
	if (!error && from && copy && user_copy(data->map, from, copy))
		error = -ENOSPC;
	if (error) {
		if (data->map) {
			space_unmap(machine.space, (uint64_t)data->map, data->map_bytes);
			file_window_put((uint64_t)data->map, data->window_bytes);
		}
		data->map = 0;
		data->map_bytes = data->window_bytes = 0;
		node->vnode.object = 0;
		memory_object_release(object);
		return error;
	}
	bool mapped = data->lower_view && node->vnode.maps;
	lower_leave(data);
	heap_free(data->small);
	data->small = 0;
	data->small_capacity = 0;
	if (mapped)
		mm_file_changed(&node->vnode, false);
	return 0;
}

bool ram_data_writable(const struct ram_node *node, uint64_t end)
{
	const struct ram_data *data = &node->data;
	uint64_t need = end > node->vnode.size ? end : node->vnode.size;
	if (data->lower)
		return false;
	return node->vnode.object ? end <= node->vnode.object->bytes && end <= data->map_bytes
	                          : need <= data->small_capacity;
}

int ram_data_write(struct ram_node *node, uint64_t end)
{
	struct ram_data *data = &node->data;
	if (end > RAM_SIZE_MAX)
		return -EFBIG;
	if (data->lower) {
		int error = verify(node);
		if (error)
			return error;
	}
	if (node->vnode.object) {
		if (end <= node->vnode.object->bytes)
			return 0;
		return object_resize(node, PAGE_UP(data->exact ? end : end + end / 4));
	}
	uint64_t need = end > node->vnode.size ? end : node->vnode.size;
	if (data->lower || need > SMALL_MAX)
		return object_make(node, PAGE_UP(need + (need > 65536 ? need / 4 : 0)));
	if (need <= data->small_capacity)
		return 0;
	uint32_t capacity = 64;
	while (capacity < need)
		capacity *= 2;
	uint8_t *grown = heap_resize(data->small, capacity);
	if (!grown)
		return -ENOSPC;
	data->small = grown;
	data->small_capacity = capacity;
	return 0;
}

int ram_data_object(struct ram_node *node, bool writable, struct memory_object **object, uint64_t *offset)
{
	struct ram_data *data = &node->data;
	int error = ram_backing(node) ? backing_map(node, writable) : 0;
	if (error)
		return error;
	if (data->lower && !writable) {
		error = verify(node);
		if (error)
			return error;
		if (!data->lower_view)
			data->lower_view = memory_object_view(image_object(),
			                                      data->lower_offset + PAGE_UP(node->vnode.size));
		if (!data->lower_view)
			return -ENOMEM;
		*object = memory_object_reference(data->lower_view);
		*offset = data->lower_offset;
		return 0;
	}
	if (!node->vnode.object) {
		error = object_make(node, PAGE_UP(node->vnode.size ? node->vnode.size : 1));
		if (error)
			return error;
	}
	if (!data->exact) {
		error = object_resize(node, PAGE_UP(node->vnode.size));
		if (error)
			return error;
		data->exact = true;
	}
	*object = memory_object_reference(node->vnode.object);
	*offset = 0;
	return 0;
}

int ram_data_clear(struct ram_node *node, uint64_t start, uint64_t end)
{
	uint8_t *bytes = ram_data_bytes(node);
	uint64_t first = PAGE_UP(start);
	uint64_t last = end & ~4095ull;
	if (!node->vnode.object || first >= last)
		return user_fill(bytes + start, end - start) ? -ENOSPC : 0;
	if (user_fill(bytes + start, first - start) || user_fill(bytes + last, end - last))
		return -ENOSPC;
	memory_discard(node->vnode.object->handle, first, last - first);
	userfault_object_changed(node->vnode.object);
	return 0;
}

/* ---- Holes ---- */

/* Is there a page in the range that is there (DATA), or one that is not? Where it cannot be told all are there. */
static bool has(const struct memory_object *object, uint64_t offset, uint64_t bytes, bool data)
{
	int64_t there = memory_object_pages(object, offset, bytes);
	return data ? there != 0 : there >= 0 && (uint64_t)there != bytes / PAGE_SIZE_BYTES;
}

uint64_t ram_data_seek(struct ram_node *node, uint64_t offset, bool data)
{
	const struct memory_object *object = node->vnode.object;
	uint64_t size = node->vnode.size;
	uint64_t end = PAGE_UP(size);
	if (!object)
		return data ? offset : size; /* in the image, or in the heap: without holes */
	if (end > object->bytes)
		end = object->bytes & ~(PAGE_SIZE_BYTES - 1);
	/* Longer and longer pieces until one has it, which is halved then. */
	uint64_t start = offset & ~(PAGE_SIZE_BYTES - 1), piece = PAGE_SIZE_BYTES;
	while (start < end && !has(object, start, piece < end - start ? piece : end - start, data)) {
		start += piece;
		piece *= 2;
	}
	if (start >= end)
		return size;
	for (piece = piece < end - start ? piece : end - start; piece > PAGE_SIZE_BYTES;) {
		uint64_t half = piece / 2 & ~(PAGE_SIZE_BYTES - 1);
		if (has(object, start, half, data)) {
			piece = half;
		} else {
			start += half;
			piece -= half;
		}
	}
	if (start < offset)
		return offset;
	return start < size ? start : size;
}

/* ---- Collapse and insert ---- */

/* Bytes [FIRST, + BYTES) go BY bytes further, holes as holes, in an order in which none is overwritten before it was moved; or
 * (MOVES false) the pages that they go to are there and nobody else's afterwards. Cut into halves until a part is of one
 * kind and overlaps not where it goes. */
static int shift_part(struct ram_node *node, uint64_t first, uint64_t bytes, int64_t by, bool moves)
{
	struct memory_object *object = node->vnode.object;
	uint8_t *to = node->data.map + first + by;
	uint64_t apart = by < 0 ? (uint64_t)-by : (uint64_t)by;
	int64_t there = memory_object_pages(object, first, bytes);
	if (there == 0) {
		if (moves)
			memory_discard(object->handle, (uint64_t)((int64_t)first + by), bytes);
		return 0;
	}
	bool whole = there > 0 && (uint64_t)there == bytes / PAGE_SIZE_BYTES;
	if (bytes > PAGE_SIZE_BYTES && (!whole || bytes > apart)) {
		uint64_t half = bytes / 2 & ~(PAGE_SIZE_BYTES - 1);
		int error = by < 0 ? shift_part(node, first, half, by, moves)
		                   : shift_part(node, first + half, bytes - half, by, moves);
		if (error)
			return error;
		return by < 0 ? shift_part(node, first + half, bytes - half, by, moves)
		              : shift_part(node, first, half, by, moves);
	}
	if (moves)
		return user_copy(to, node->data.map + first, bytes) ? -EIO : 0;
	for (uint64_t at = 0; at < bytes; at += PAGE_SIZE_BYTES)
		if (probe_write((uint64_t)(to + at)))
			return -ENOSPC;
	return 0;
}

static int shift(struct ram_node *node, uint64_t start, uint64_t bytes, bool insert, bool moves)
{
	uint64_t first = insert ? start : start + bytes;
	int64_t by = insert ? (int64_t)bytes : -(int64_t)bytes;
	return shift_part(node, first, PAGE_UP(node->vnode.size) - first, by, moves);
}

int ram_data_shift_begin(struct ram_node *node, uint64_t start, uint64_t bytes, bool insert)
{
	int error = ram_data_write(node, node->vnode.size + (insert ? bytes : 0));
	if (!error)
		error = shift(node, start, bytes, insert, false);
	if (error)
		ram_data_shift_end(node);
	return error;
}

void ram_data_shift_end(struct ram_node *node)
{
	const struct memory_object *object = node->vnode.object;
	uint64_t end = PAGE_UP(node->vnode.size);
	if (object && end < object->bytes)
		memory_discard(object->handle, end, object->bytes - end);
	(void)ram_data_resized(node, node->vnode.size);
}

int ram_data_shift(struct ram_node *node, uint64_t start, uint64_t bytes, bool insert)
{
	uint64_t size = node->vnode.size;
	int error = shift(node, start, bytes, insert, true);
	if (error)
		return error;
	if (insert)
		memory_discard(node->vnode.object->handle, start, bytes);
	error = ram_data_resized(node, insert ? size + bytes : size - bytes);
	userfault_object_changed(node->vnode.object);
	return error;
}

/* ---- The file system's limit ---- */

uint64_t ram_charge_limit(const struct ram_node *node, uint64_t at, uint64_t end)
{
	const struct filesystem *filesystem = node->vnode.filesystem;
	uint64_t have = PAGE_UP(node->vnode.size);
	uint64_t first = at & ~(PAGE_SIZE_BYTES - 1);
	/* Holes count: what is inside the file takes as much as it can. */
	uint64_t free = filesystem->bytes_max > filesystem->bytes_used
	                    ? filesystem->bytes_max - filesystem->bytes_used
	                    : 0;
	if (node->charged < have && first < have && PAGE_UP(end) - first <= free)
		return end;
	if (end <= have)
		return node->charged == have || free ? end : at;
	uint64_t limit = (first > have ? first : have) + free;
	return end < limit ? end : limit;
}

void ram_charge(struct ram_node *node)
{
	struct filesystem *filesystem = node->vnode.filesystem;
	struct memory_info info;
	uint64_t bytes = node->data.lower ? 0 : PAGE_UP(node->vnode.size);
	if (!filesystem->bytes_max)
		bytes = 0;
	else if (node->vnode.object && memory_info(current_page(), node->vnode.object->handle, &info) >= 0)
		bytes = info.resident_bytes;
	filesystem->bytes_used += bytes - node->charged;
	node->charged = bytes;
}

int ram_data_resize(struct ram_node *node, uint64_t size)
{
	if (size == node->vnode.size)
		return 0;
	int error = ram_backing(node) ? backing_resize(node, size) : 0;
	return error ? error : ram_data_resized(node, size);
}

int ram_data_resized(struct ram_node *node, uint64_t size)
{
	struct ram_data *data = &node->data;
	uint64_t old = node->vnode.size; /* others may have written behind it meanwhile */
	int error = size < old && !size && data->lower ? 0 : ram_data_write(node, size);
	if (error && ram_backing(node) && size > old)
		backing_not_grown(node);
	if (error)
		return error;
	if (size == 0 && data->lower)
		lower_leave(data);
	if (size < old) {
		/* What lies behind the new end reads as zero when the file grows again. */
		if (node->vnode.object) {
			uint64_t page_end = PAGE_UP(size);
			uint64_t zero_end = old < page_end ? old : page_end;
			if (zero_end > size && user_fill(data->map + size, zero_end - size))
				return -ENOSPC;
			if (page_end < node->vnode.object->bytes)
				memory_discard(node->vnode.object->handle, page_end,
				               node->vnode.object->bytes - page_end);
		} else if (data->small) {
			memset(data->small + size, 0, old - size);
		}
	}
	node->vnode.size = size;
	error = node->vnode.object && data->exact ? object_resize(node, PAGE_UP(size)) : 0;
	ram_charge(node);
	if (node->vnode.object && size < old)
		userfault_object_changed(node->vnode.object);
	if (node->vnode.maps && size < old)
		mm_file_changed(&node->vnode, true);
	return error;
}

void ram_data_drop(struct ram_node *node)
{
	struct ram_data *data = &node->data;
	heap_free(data->small);
	if (data->map) {
		if (data->map_bytes)
			space_unmap(machine.space, (uint64_t)data->map, data->map_bytes);
		file_window_put((uint64_t)data->map, data->window_bytes);
	}
	if (node->vnode.object)
		memory_object_release(node->vnode.object);
	node->vnode.object = 0;
	data->small = data->map = 0;
	data->small_capacity = 0;
	data->map_bytes = data->window_bytes = 0;
	data->exact = false;
}

void ram_data_free(struct ram_node *node)
{
	node->vnode.filesystem->bytes_used -= node->charged;
	lower_leave(&node->data);
	ram_data_drop(node);
}
