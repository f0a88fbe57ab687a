/* io_uring_register(2): what a ring is given and may do, and rings that a task names by index. */
#include "uring.h"

enum uring_register_opcode {
	REGISTER_BUFFERS,
	UNREGISTER_BUFFERS,
	REGISTER_FILES,
	UNREGISTER_FILES,
	REGISTER_EVENTFD,
	UNREGISTER_EVENTFD,
	REGISTER_FILES_UPDATE,
	REGISTER_EVENTFD_ASYNC,
	REGISTER_PROBE,
	REGISTER_PERSONALITY,
	UNREGISTER_PERSONALITY,
	REGISTER_RESTRICTIONS,
	REGISTER_ENABLE_RINGS,
	REGISTER_FILES2,
	REGISTER_FILES_UPDATE2,
	REGISTER_BUFFERS2,
	REGISTER_BUFFERS_UPDATE,
	REGISTER_IOWQ_AFFINITY,
	UNREGISTER_IOWQ_AFFINITY,
	REGISTER_IOWQ_MAX_WORKERS,
	REGISTER_RING_FDS,
	UNREGISTER_RING_FDS,
	REGISTER_LENT_RING,
	UNREGISTER_LENT_RING,
	REGISTER_SYNC_CANCEL,
	REGISTER_FILE_ALLOC_RANGE,
	REGISTER_COUNT
};

/* ---- Eventfd, rights, restrictions ---- */

static void eventfd_forget(struct uring *ring)
{
	struct file *file = ring->eventfd;
	ring->eventfd = 0;
	if (file)
		file_release(file);
}

static int64_t eventfd_register(struct uring *ring, uint64_t argument, bool async)
{
	uint32_t fd;
	if (ring->eventfd)
		return -EBUSY;
	if (get_user_u32(&fd, argument))
		return -EFAULT;
	struct file *file = uring_file(ring, fd, false);
	if (!file)
		return -EBADF;
	if (!eventfd_add(file, 0)) {
		file_release(file);
		return -EINVAL;
	}
	ring->eventfd = file;
	ring->eventfd_async = async;
	return 0;
}

static int64_t personality_register(struct uring *ring)
{
	for (uint32_t i = 0; i < PERSONALITIES_MAX; i++) {
		if (ring->personalities[i])
			continue;
		ring->personalities[i] = credentials_hold(&current_task()->credentials);
		return ring->personalities[i] ? (int64_t)i + 1 : -ENOMEM;
	}
	return -ENOMEM;
}

static int64_t personality_forget(struct uring *ring, uint32_t id)
{
	if (!id || id > PERSONALITIES_MAX || !ring->personalities[id - 1])
		return -EINVAL;
	credentials_drop(ring->personalities[id - 1]);
	ring->personalities[id - 1] = 0;
	return 0;
}

static int64_t restrictions_register(struct uring *ring, uint64_t argument, uint32_t count)
{
	enum { ALLOW_REGISTER, ALLOW_SQE, ALLOW_FLAGS, REQUIRE_FLAGS };
	uint64_t registers = 0, operations = 0;
	uint8_t allowed = 0, required = 0;
	if (!(ring->flags & SETUP_DISABLED))
		return -EBADFD;
	if (ring->restricted)
		return -EBUSY;
	if (!argument || !count || count > 64)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		struct {
			uint16_t kind;
			uint8_t value, reserved1;
			uint32_t reserved2[3];
		} each;
		if (copy_from_user(&each, argument + i * sizeof(each), sizeof(each)))
			return -EFAULT;
		if (each.kind == ALLOW_REGISTER && each.value < REGISTER_COUNT)
			registers |= 1ull << each.value;
		else if (each.kind == ALLOW_SQE && each.value < OP_COUNT)
			operations |= 1ull << each.value;
		else if (each.kind == ALLOW_FLAGS)
			allowed = each.value;
		else if (each.kind == REQUIRE_FLAGS)
			required = each.value;
		else
			return -EINVAL;
	}
	ring->register_allowed = registers;
	ring->operations_allowed = operations;
	ring->sqe_flags_allowed = allowed;
	ring->sqe_flags_required = required;
	ring->restricted = true;
	return 0;
}

static int64_t enable(struct uring *ring)
{
	if (!(ring->flags & SETUP_DISABLED))
		return -EBADFD;
	ring->flags &= ~(uint32_t)SETUP_DISABLED;
	if (ring->flags & SETUP_SINGLE_ISSUER)
		ring->issuer = current_task()->tid;
	return 0;
}

static int64_t probe(uint64_t argument, uint32_t count)
{
	struct {
		uint8_t opcode, reserved1;
		uint16_t flags;
		uint32_t reserved2;
	} each;
	struct {
		uint8_t last, length;
		uint16_t reserved[7];
	} head, zero = {0};
	if (count > 256)
		return -EINVAL;
	if (copy_from_user(&head, argument, sizeof(head)))
		return -EFAULT;
	if (memcmp(&head, &zero, sizeof(head)) != 0)
		return -EINVAL;
	if (count > OP_COUNT)
		count = OP_COUNT;
	head.last = OP_COUNT - 1;
	head.length = (uint8_t)count;
	if (copy_to_user(argument, &head, sizeof(head)))
		return -EFAULT;
	for (uint32_t i = 0; i < count; i++) {
		memset(&each, 0, sizeof(each));
		each.opcode = (uint8_t)i;
		each.flags = uring_operations[i].issue != 0; /* IO_URING_OP_SUPPORTED */
		if (copy_to_user(argument + sizeof(head) + i * sizeof(each), &each, sizeof(each)))
			return -EFAULT;
	}
	return 0;
}

static int64_t max_workers(uint64_t argument)
{
	uint32_t zero[2] = {0, 0}, given[2];
	/* How many threads there may be is no ring's to say. */
	if (copy_from_user(given, argument, sizeof(given)))
		return -EFAULT;
	return copy_to_user(argument, zero, sizeof(zero));
}

static int64_t sync_cancel(struct uring *ring, uint64_t argument)
{
	struct {
		uint64_t address;
		int32_t fd;
		uint32_t flags;
		int64_t seconds, nanoseconds;
		uint64_t pad[4];
	} wanted;
	if (copy_from_user(&wanted, argument, sizeof(wanted)))
		return -EFAULT;
	if ((wanted.flags & ~(uint32_t)CANCEL_FLAGS) || wanted.pad[0] || wanted.pad[1] || wanted.pad[2] ||
	    wanted.pad[3])
		return -EINVAL;
	struct uring_cancel cancel = {.user_data = wanted.address, .flags = wanted.flags};
	struct file *file = 0;
	if (wanted.flags & CANCEL_FD) {
		file = uring_file(ring, (uint32_t)wanted.fd, wanted.flags & CANCEL_FD_FIXED);
		if (!file)
			return -EBADF;
		cancel.file = file;
	}
	int64_t result = uring_cancel(ring, &cancel, 0);
	/* What a thread sleeps in ends soon: it is waited for. */
	uint64_t deadline = DEADLINE_NEVER, ns;
	struct linux_timespec time = {wanted.seconds, wanted.nanoseconds};
	bool limited = wanted.seconds != -1 || wanted.nanoseconds != -1;
	if (result == -EALREADY && limited) {
		if (timespec_ns(&time, &ns))
			result = -EINVAL;
		else
			deadline = clock_monotonic() + ns;
	}
	while (result == -EALREADY) {
		struct wait_entry entry;
		wait_begin(&entry, &ring->wait);
		int slept = wait_sleep(deadline);
		wait_end(&entry);
		result = uring_cancel(ring, &cancel, 0);
		if (result == -EALREADY && slept)
			result = slept == -ETIMEDOUT ? -ETIME : -EINTR;
		else if (result == -ENOENT)
			result = 0;
	}
	if (file)
		file_release(file);
	return result > 0 ? 0 : result;
}

static int64_t alloc_range(struct uring *ring, uint64_t argument)
{
	struct {
		uint32_t offset, count;
		uint64_t reserved;
	} range;
	if (copy_from_user(&range, argument, sizeof(range)))
		return -EFAULT;
	if (range.count > UINT32_MAX - range.offset)
		return -EOVERFLOW;
	if (range.reserved || range.offset + range.count > ring->file_count)
		return -EINVAL;
	ring->file_first = range.offset;
	ring->file_end = range.offset + range.count;
	ring->file_hint = 0;
	return 0;
}

/* ---- Rings by index ---- */

struct ring_update {
	uint32_t offset, reserved;
	uint64_t data;
};

static int64_t ring_fd_register(struct async_group *group, struct ring_update *update)
{
	struct file **rings = async_rings(group);
	uint32_t at = update->offset;
	if (update->reserved)
		return -EINVAL;
	if (at == UINT32_MAX) {
		for (at = 0; at < ASYNC_RINGS && rings[at];)
			at++;
		if (at == ASYNC_RINGS)
			return -EBUSY;
	}
	if (at >= ASYNC_RINGS)
		return -EINVAL;
	if (rings[at])
		return -EBUSY;
	struct file *file = update->data > INT32_MAX ? 0 : file_get((int)update->data);
	if (!file || file->ops != &uring_ops) {
		if (file)
			file_release(file);
		return file ? -EOPNOTSUPP : -EBADF;
	}
	rings[at] = file;
	update->offset = at;
	return 0;
}

static int64_t ring_fds(uint64_t argument, uint32_t count, bool add)
{
	struct async_group *group = async_group();
	int64_t error = 0;
	uint32_t done = 0;
	if (!count || count > ASYNC_RINGS)
		return -EINVAL;
	if (!group)
		return -ENOMEM;
	for (; done < count && !error; done += !error) {
		struct ring_update update;
		uint64_t at = argument + done * sizeof(update);
		if (copy_from_user(&update, at, sizeof(update))) {
			error = -EFAULT;
		} else if (add) {
			error = ring_fd_register(group, &update);
			if (!error && copy_to_user(at, &update, sizeof(update))) {
				file_release(async_rings(group)[update.offset]);
				async_rings(group)[update.offset] = 0;
				error = -EFAULT;
			}
		} else if (update.reserved || update.data || update.offset >= ASYNC_RINGS) {
			error = -EINVAL;
		} else if (async_rings(group)[update.offset]) {
			file_release(async_rings(group)[update.offset]);
			async_rings(group)[update.offset] = 0;
		}
	}
	return done ? done : error;
}

struct uring *uring_of(int fd, bool registered, struct file **file, int64_t *error)
{
	if (registered) {
		const struct task *task = current_task();
		bool there = task->async && (uint32_t)fd < ASYNC_RINGS && async_rings(task->async)[fd];
		*error = task->async && (uint32_t)fd < ASYNC_RINGS ? -EBADF : -EINVAL;
		if (!there)
			return 0;
		*file = file_reference(async_rings(task->async)[fd]);
		return (*file)->private;
	}
	*file = file_get(fd);
	*error = -EBADF;
	if (!*file)
		return 0;
	if ((*file)->ops == &uring_ops)
		return (*file)->private;
	*error = (*file)->flags & O_PATH ? -EBADF : -EOPNOTSUPP;
	file_release(*file);
	return 0;
}

/* ---- io_uring_register ---- */

/* struct io_uring_rsrc_register, io_uring_rsrc_update2 */
struct registration {
	uint32_t count, flags; /* of an update: offset, 0 */
	uint64_t reserved, data, tags;
};
struct registration_update {
	uint32_t offset, reserved1;
	uint64_t data, tags;
	uint32_t count, reserved2;
};

static int64_t register_tagged(struct uring *ring, uint64_t argument, uint32_t bytes, bool files)
{
	enum { SPARSE = 1 };
	struct registration wanted;
	if (bytes != sizeof(wanted))
		return -EINVAL;
	if (copy_from_user(&wanted, argument, sizeof(wanted)))
		return -EFAULT;
	if (!wanted.count || wanted.reserved || (wanted.flags & ~(uint32_t)SPARSE))
		return -EINVAL;
	if ((wanted.flags & SPARSE) && (wanted.data || wanted.tags))
		return -EINVAL;
	return files ? uring_files_register(ring, wanted.data, wanted.tags, wanted.count)
	             : uring_buffers_register(ring, wanted.data, wanted.tags, wanted.count);
}

static int64_t update_tagged(struct uring *ring, uint64_t argument, uint32_t bytes, bool files)
{
	struct registration_update wanted;
	if (bytes != sizeof(wanted))
		return -EINVAL;
	if (copy_from_user(&wanted, argument, sizeof(wanted)))
		return -EFAULT;
	if (!wanted.count || wanted.reserved1 || wanted.reserved2)
		return -EINVAL;
	return files ? uring_files_update(ring, wanted.offset, wanted.data, wanted.tags, wanted.count)
	             : uring_buffers_update(ring, wanted.offset, wanted.data, wanted.tags, wanted.count);
}

static int64_t update_plain(struct uring *ring, uint64_t argument, uint32_t count)
{
	struct ring_update wanted;
	if (!count)
		return -EINVAL;
	if (copy_from_user(&wanted, argument, sizeof(wanted)))
		return -EFAULT;
	return wanted.reserved ? -EINVAL : uring_files_update(ring, wanted.offset, wanted.data, 0, count);
}

static int64_t unregister(struct uring *ring, bool files)
{
	if (!(files ? (void *)ring->files : (void *)ring->buffers))
		return -ENXIO;
	if (files)
		uring_files_free(ring);
	else
		uring_buffers_free(ring);
	return 0;
}

static int64_t do_register(struct uring *ring, uint32_t opcode, uint64_t argument, uint32_t count)
{
	const bool none = !argument && !count;
	switch (opcode) {
	case REGISTER_BUFFERS:
		return argument ? uring_buffers_register(ring, argument, 0, count) : -EFAULT;
	case UNREGISTER_BUFFERS:
	case UNREGISTER_FILES:
		return none ? unregister(ring, opcode == UNREGISTER_FILES) : -EINVAL;
	case REGISTER_FILES:
		return argument ? uring_files_register(ring, argument, 0, count) : -EFAULT;
	case REGISTER_EVENTFD:
	case REGISTER_EVENTFD_ASYNC:
		return count == 1 ? eventfd_register(ring, argument, opcode == REGISTER_EVENTFD_ASYNC)
		                  : -EINVAL;
	case UNREGISTER_EVENTFD:
		if (!none || !ring->eventfd)
			return none ? -ENXIO : -EINVAL;
		eventfd_forget(ring);
		return 0;
	case REGISTER_FILES_UPDATE:
		return update_plain(ring, argument, count);
	case REGISTER_PROBE:
		return argument ? probe(argument, count) : -EINVAL;
	case REGISTER_PERSONALITY:
		return none ? personality_register(ring) : -EINVAL;
	case UNREGISTER_PERSONALITY:
		return argument ? -EINVAL : personality_forget(ring, count);
	case REGISTER_RESTRICTIONS:
		return restrictions_register(ring, argument, count);
	case REGISTER_ENABLE_RINGS:
		return none ? enable(ring) : -EINVAL;
	case REGISTER_FILES2:
	case REGISTER_BUFFERS2:
		return register_tagged(ring, argument, count, opcode == REGISTER_FILES2);
	case REGISTER_FILES_UPDATE2:
	case REGISTER_BUFFERS_UPDATE:
		return update_tagged(ring, argument, count, opcode == REGISTER_FILES_UPDATE2);
	case REGISTER_IOWQ_AFFINITY:
		return argument && count ? 0 : -EINVAL; /* its threads follow their task's */
	case UNREGISTER_IOWQ_AFFINITY:
		return none ? 0 : -EINVAL;
	case REGISTER_IOWQ_MAX_WORKERS:
		return argument && count == 2 ? max_workers(argument) : -EINVAL;
	case REGISTER_RING_FDS:
	case UNREGISTER_RING_FDS:
		return ring_fds(argument, count, opcode == REGISTER_RING_FDS);
	case REGISTER_LENT_RING:
		return argument && count == 1 ? uring_lent_ring_register(ring, argument) : -EINVAL;
	case UNREGISTER_LENT_RING:
		return argument && count == 1 ? uring_lent_ring_unregister(ring, argument) : -EINVAL;
	case REGISTER_SYNC_CANCEL:
		return argument && count == 1 ? sync_cancel(ring, argument) : -EINVAL;
	case REGISTER_FILE_ALLOC_RANGE:
		return argument && !count ? alloc_range(ring, argument) : -EINVAL;
	default:
		return -EINVAL;
	}
}

SYSCALL_HANDLER(io_uring_register, int fd, uint32_t opcode, uint64_t argument, uint32_t count)
{
	struct file *file;
	int64_t result;
	if (opcode >= REGISTER_COUNT)
		return -EINVAL;
	struct uring *ring = uring_of(fd, false, &file, &result);
	if (!ring)
		return result;
	if (ring->issuer && ring->issuer != current_task()->tid)
		result = -EEXIST;
	else if (ring->restricted && !(ring->flags & SETUP_DISABLED) &&
	         !(ring->register_allowed >> opcode & 1))
		result = -EACCES;
	else
		result = do_register(ring, opcode, argument, count);
	file_release(file);
	return result;
}

void uring_resources_free(struct uring *ring)
{
	uring_files_free(ring);
	uring_buffers_free(ring);
	eventfd_forget(ring);
	uring_lenders_free(ring);
	for (uint32_t i = 1; i <= PERSONALITIES_MAX; i++)
		(void)personality_forget(ring, i);
}
