/* Guest memory by address: checks the range, then lets the copy routines of guest.S run into whatever is
 * there. */
#include "internal.h"

/* Is that in the copies of its arguments of the request for which the current task makes a call? They are guest memory as far
 * as these functions go; what is not in the guest half is looked for here alone. */
static bool in_request(uint64_t address, size_t bytes)
{
	const struct task *task = current_task();
	uint64_t offset = address - (uint64_t)task->request_memory;
	return task->request_memory && offset <= task->request_bytes && bytes <= task->request_bytes - offset;
}

static bool reachable(uint64_t address, size_t bytes)
{
	return user_range(address, bytes) || in_request(address, bytes);
}

size_t copy_from_user_partial(void *to, uint64_t from, size_t bytes)
{
	return reachable(from, bytes) ? user_copy(to, (const void *)from, bytes) : bytes;
}

size_t copy_to_user_partial(uint64_t to, const void *from, size_t bytes)
{
	return reachable(to, bytes) ? user_copy((void *)to, from, bytes) : bytes;
}

int copy_from_user(void *to, uint64_t from, size_t bytes)
{
	return copy_from_user_partial(to, from, bytes) ? -EFAULT : 0;
}

int copy_to_user(uint64_t to, const void *from, size_t bytes)
{
	return copy_to_user_partial(to, from, bytes) ? -EFAULT : 0;
}

int clear_user(uint64_t to, size_t bytes)
{
	return user_range(to, bytes) && !user_fill((void *)to, bytes) ? 0 : -EFAULT;
}

int user_rest_zero(uint64_t from, uint64_t end)
{
	uint8_t bytes[128];
	while (from < end) {
		size_t part = end - from < sizeof(bytes) ? end - from : sizeof(bytes);
		if (copy_from_user(bytes, from, part))
			return -EFAULT;
		for (size_t i = 0; i < part; i++)
			if (bytes[i])
				return -E2BIG;
		from += part;
	}
	return 0;
}

int64_t copy_string_from_user(char *to, uint64_t from, size_t size)
{
	/* A string may end just below the edge of the guest half: only what lies inside counts. */
	uint64_t edge = from < NATIVE_BASE ? NATIVE_BASE : USER_END;
	if (in_request(from, 1))
		edge = (uint64_t)current_task()->request_memory + current_task()->request_bytes;
	else if (!user_range(from, 1))
		return -EFAULT;
	size_t limit = edge - from < size ? edge - from : size;
	int64_t length = user_string(to, from, limit);
	if (length < 0 || (uint64_t)length < limit)
		return length;
	return limit < size ? -EFAULT : -ENAMETOOLONG;
}

int get_user_u32(uint32_t *to, uint64_t from)
{
	return reachable(from, 4) ? (int)user_load32(to, from) : -EFAULT;
}

int get_user_u64(uint64_t *to, uint64_t from)
{
	return reachable(from, 8) ? (int)user_load64(to, from) : -EFAULT;
}

int put_user_u32(uint64_t to, uint32_t value)
{
	return reachable(to, 4) ? (int)user_store32(to, value) : -EFAULT;
}

int put_user_u64(uint64_t to, uint64_t value)
{
	return reachable(to, 8) ? (int)user_store64(to, value) : -EFAULT;
}

int user_compare_exchange_u32(uint64_t address, uint32_t expected, uint32_t desired, uint32_t *seen)
{
	return user_range(address, 4) ? (int)user_exchange32(address, expected, desired, seen) : -EFAULT;
}

/* ---- Iterators ---- */

void io_init_user(struct io *io, struct linux_iovec *one, uint64_t base, uint64_t bytes)
{
	one->base = base;
	one->bytes = bytes;
	*io = (struct io){.segments = one, .segment_count = 1, .remaining = bytes};
}

void io_init_kernel(struct io *io, struct linux_iovec *one, void *base, uint64_t bytes)
{
	io_init_user(io, one, (uint64_t)base, bytes);
	io->kernel = true;
}

void io_init_vector(struct io *io, const struct linux_iovec *segments, uint32_t count)
{
	*io = (struct io){.segments = segments, .segment_count = count};
	for (uint32_t i = 0; i < count; i++)
		io->remaining += segments[i].bytes;
}

enum io_kind { IO_PUT, IO_TAKE, IO_ZERO };

static size_t move(const struct io *io, enum io_kind kind, uint64_t at, char *buffer, size_t bytes)
{
	/* Even the personality's own memory may lack pages: holes of files, when the quota is used up. */
	if (!io->kernel && !user_range(at, bytes))
		return bytes;
	if (kind == IO_PUT)
		return user_copy((void *)at, buffer, bytes);
	if (kind == IO_TAKE)
		return user_copy(buffer, (void *)at, bytes);
	return user_fill((void *)at, bytes);
}

static int64_t io_move(struct io *io, enum io_kind kind, char *buffer, size_t bytes)
{
	size_t done = 0;
	if (bytes > io->remaining)
		bytes = io->remaining;
	while (done < bytes) {
		if (io->done == io->segments->bytes) {
			io->segments++;
			io->segment_count--;
			io->done = 0;
			continue;
		}
		size_t chunk = io->segments->bytes - io->done;
		if (chunk > bytes - done)
			chunk = bytes - done;
		size_t left =
		    move(io, kind, io->segments->base + io->done, buffer ? buffer + done : 0, chunk);
		io->done += chunk - left;
		io->remaining -= chunk - left;
		done += chunk - left;
		if (left)
			return done ? (int64_t)done : -EFAULT;
	}
	return (int64_t)done;
}

int64_t io_put(struct io *io, const void *from, size_t bytes)
{
	return io_move(io, IO_PUT, (char *)from, bytes);
}

int64_t io_take(struct io *io, void *to, size_t bytes)
{
	return io_move(io, IO_TAKE, to, bytes);
}

int64_t io_zero(struct io *io, size_t bytes)
{
	return io_move(io, IO_ZERO, 0, bytes);
}
