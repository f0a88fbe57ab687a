/* Sub-kernels as seen by guest programs: the reserved calls of abi/holon/guest_calls.h.
 *
 * A child's terminal is a stream whose memory this personality owns; a guest holds it as a file. One event
 * and one worker serve the streams of all children: any signal makes the sleepers of every stream look again.
 *
 * Calls to the manager are made with the common lock given up, so that they stop nobody else. A task that
 * is about to sleep must therefore not make one: a wake that comes while the lock is dropped, before the task
 * sleeps, would be lost. So only the worker asks for the status of children, and tasks look at what it found.
 */
#include <holon/blueprint.h>
#include <holon/command.h>
#include <holon/guest_calls.h>
#include "../internal.h"
#include "../include/file.h"
#include "../mm/area.h"
#include "../tty/termios.h"
#include "native.h"
#include "attest.interface.h"
#include "subkernel.interface.h"

#define WORDS_MAX   1024u
#define STRINGS_MAX 65536u
#define QUOTE_TRIES 8u

struct child {
	struct list link;
	uint64_t number, asked; /* asked: the last round of questions that it was part of */
	struct stream stream;
	handle_t memory, event; /* event: what the child waits on */
	struct wait_queue wait;
	bool ended;
	uint64_t status; /* once it has ended */
};

static struct list children = LIST_INIT(children);
static handle_t shared_event; /* all children signal it */

static int64_t linux_error(int64_t error)
{
	switch (error) {
	case E_QUOTA_MEMORY:
	case E_QUOTA_CAPS:
		return -ENOMEM;
	case E_QUOTA_CPU:
		return -EDQUOT;
	case E_RIGHTS:
	case E_HANDLE:
		return -EPERM;
	case E_NOT_FOUND:
		return -ESRCH;
	case E_STATE:
		return -EAGAIN;
	case E_ARGUMENT:
		return -EINVAL;
	case E_SUPPORT:
		return -EOPNOTSUPP;
	default:
		return error < 0 ? -EIO : error;
	}
}

static handle_t manager(void)
{
	return start_find(linux_start_info(), "manager", 0);
}

/* A child of this round that nobody has asked for yet. */
static struct child *child_to_ask(uint64_t round)
{
	struct child *child;
	list_for_each(child, &children, link) if (!child->ended && child->asked != round) return child;
	return 0;
}

static struct child *child_numbered(uint64_t number)
{
	struct child *child;
	list_for_each(child, &children, link) if (child->number == number) return child;
	return 0;
}

/* Asks the manager which children have ended and keeps their statuses. */
static void find_ended(void)
{
	static uint64_t round;
	struct child *child;
	for (round++; (child = child_to_ask(round));) {
		uint64_t status, number = child->number;
		child->asked = round;
		personality_unlock();
		int64_t result = subkernel_status(manager(), current_page(), number, &status, DEADLINE_NEVER);
		personality_lock();
		child = child_numbered(number); /* its file may have been closed meanwhile */
		if (child && (result >= 0 || result == E_NOT_FOUND)) {
			child->ended = true;
			child->status = result < 0 ? 9 : status; /* forgotten with an ancestor: killed */
		}
	}
}

static void wake_children(void *argument)
{
	uint64_t bits = 0;
	(void)argument;
	for (;;) {
		struct child *child;
		if (bits & SUBKERNEL_EVENT_ENDED)
			find_ended();
		list_for_each(child, &children, link) wake_all(&child->wait, 0);
		bits = worker_wait_for(shared_event, DEADLINE_NEVER);
	}
}

static int64_t prepare(void)
{
	if (shared_event)
		return 0;
	int64_t event = event_create();
	if (event < 0)
		return -ENOMEM;
	shared_event = (handle_t)event;
	if (worker_create("subkernels", wake_children, 0))
		return 0;
	cap_delete(shared_event);
	shared_event = 0;
	return -ENOMEM;
}

/* ---- The terminal's file ---- */

static int64_t child_read(struct file *file, struct io *io, int64_t *position)
{
	struct child *child = file->private;
	uint8_t bytes[512];
	uint32_t count;
	(void)position;
	if (!io->remaining)
		return 0;
	uint32_t want = io->remaining < sizeof(bytes) ? (uint32_t)io->remaining : (uint32_t)sizeof(bytes);
	while (!(count = stream_read(&child->stream, bytes, want))) {
		if (child->ended) {
			count = stream_read(&child->stream, bytes, want); /* written between the two looks */
			break;
		}
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		struct wait_entry entry;
		wait_begin(&entry, &child->wait);
		int result = stream_available(&child->stream) ? 0 : wait_sleep(DEADLINE_NEVER);
		wait_end(&entry);
		if (result)
			return result;
	}
	return count ? io_put(io, bytes, count) : 0;
}

static int64_t child_write(struct file *file, struct io *io, int64_t *position)
{
	struct child *child = file->private;
	uint8_t bytes[512];
	int64_t total = 0;
	(void)position;
	while (io->remaining) {
		uint32_t room = stream_room(&child->stream);
		if (!room) {
			if (child->ended)
				return total ? total : -EPIPE;
			if (file->flags & O_NONBLOCK)
				return total ? total : -EAGAIN;
			int result = wait_event(&child->wait, stream_room(&child->stream) || child->ended,
			                        DEADLINE_NEVER);
			if (result)
				return total ? total : result;
			continue;
		}
		int64_t got = io_take(io, bytes, room < sizeof(bytes) ? room : sizeof(bytes));
		if (got <= 0)
			return total ? total : got;
		stream_write(&child->stream, bytes, (uint32_t)got);
		total += got;
	}
	return total;
}

static uint32_t child_poll(struct file *file, struct poll_table *table)
{
	struct child *child = file->private;
	uint32_t events = 0;
	poll_wait(table, &child->wait);
	if (stream_available(&child->stream))
		events |= POLLIN | POLLRDNORM;
	else if (child->ended)
		events |= POLLIN | POLLHUP;
	if (stream_room(&child->stream))
		events |= POLLOUT | POLLWRNORM;
	if (child->stream.header->suspended)
		events |= POLLPRI;
	return events;
}

static int64_t child_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	struct child *child = file->private;
	struct linux_winsize size;
	if (command == FIONREAD)
		return put_user_u32(argument, stream_available(&child->stream));
	if (command != TIOCSWINSZ)
		return -ENOTTY;
	if (copy_from_user(&size, argument, sizeof(size)))
		return -EFAULT;
	child->stream.header->columns = size.ws_col;
	child->stream.header->rows = size.ws_row;
	event_signal(child->event, STREAM_RESIZED);
	return 0;
}

static void child_free(struct child *child)
{
	if (child->stream.header) {
		space_unmap(machine.space, (uint64_t)child->stream.header, STREAM_BYTES);
		window_put((uint64_t)child->stream.header, STREAM_BYTES);
	}
	if (child->memory)
		cap_delete(child->memory);
	if (child->event)
		cap_delete(child->event);
	heap_free(child);
}

static void child_release(struct file *file)
{
	struct child *child = file->private;
	uint64_t status;
	/* A child whose terminal goes is ended: nobody could reach it any more. */
	if (!child->ended) {
		struct thread_page *page = current_page();
		personality_unlock();
		if (subkernel_kill(manager(), page, child->number, DEADLINE_NEVER) >= 0)
			(void)(subkernel_status(manager(), page, child->number, &status, DEADLINE_NEVER) < 0);
		personality_lock();
	}
	list_remove(&child->link);
	child_free(child);
}

static void child_describe(struct file *file, char *text, uint32_t size)
{
	const struct child *child = file->private;
	text_format(text, size, "subkernel:[%lu]", child->number);
}

static const struct file_ops child_ops = {
    .read = child_read,
    .write = child_write,
    .poll = child_poll,
    .ioctl = child_ioctl,
    .release = child_release,
    .describe = child_describe,
};

/* ---- Creating ---- */

/* Appends the strings of the user's array ADDRESS to TO; how many, or an error. */
static int64_t take_strings(uint64_t address, char *to, uint32_t *used, uint32_t limit)
{
	int64_t count = 0;
	for (; address; address += 8, count++) {
		uint64_t string;
		if (get_user_u64(&string, address))
			return -EFAULT;
		if (!string)
			break;
		int64_t length = copy_string_from_user(to + *used, string, STRINGS_MAX - *used);
		if (length < 0)
			return length == -ENAMETOOLONG ? -E2BIG : length;
		*used += (uint32_t)length + 1;
		if (count >= limit)
			return -E2BIG;
	}
	return count;
}

/* The command module for the child, as a memory object; *BYTES 0 and no object for a shell. */
static int64_t make_command(uint64_t argv, uint64_t envp, uint32_t flags, handle_t *memory, uint64_t *bytes)
{
	const uint64_t window_bytes = sizeof(struct command_header) + STRINGS_MAX;
	const uint64_t pages = (window_bytes + 4095) / 4096;
	/* An object goes over in any case; without a command it is empty. */
	int64_t object = memory_create(MEMORY_ANONYMOUS, pages * 4096, 0, 0);
	if (object < 0)
		return -ENOMEM;
	*memory = (handle_t)object;
	*bytes = 0;
	if (!argv)
		return 0;
	uint64_t window = window_take(pages * 4096, 4096);
	if (!window || space_map(machine.space, window, *memory, 0, pages * 4096, MAP_READ | MAP_WRITE) < 0) {
		cap_delete(*memory);
		return -ENOMEM;
	}
	struct command_header *header = (struct command_header *)window;
	char *strings = (char *)(header + 1);
	uint32_t used = 0;
	int64_t argc = take_strings(argv, strings, &used, WORDS_MAX);
	int64_t envc = argc < 0 ? argc : take_strings(envp, strings, &used, WORDS_MAX);
	if (argc == 0)
		envc = -EINVAL;
	if (envc >= 0) {
		*header =
		    (struct command_header){.magic = COMMAND_MAGIC,
		                            .version = COMMAND_VERSION,
		                            .flags = flags & HOLON_SUBKERNEL_TERMINAL ? COMMAND_TERMINAL : 0,
		                            .argc = (uint32_t)argc,
		                            .envc = (uint32_t)envc,
		                            .size = used};
		*bytes = sizeof(*header) + used;
	}
	space_unmap(machine.space, window, pages * 4096);
	window_put(window, pages * 4096);
	if (envc < 0)
		cap_delete(*memory);
	return envc < 0 ? envc : 0;
}

static int64_t make_stream(struct child *child, bool raw, bool jobs)
{
	int64_t memory = memory_create(MEMORY_ANONYMOUS, STREAM_BYTES, 0, 0);
	int64_t event = event_create();
	child->memory = memory < 0 ? 0 : (handle_t)memory;
	child->event = event < 0 ? 0 : (handle_t)event;
	uint64_t window = memory < 0 || event < 0 ? 0 : window_take(STREAM_BYTES, 4096);
	if (!window ||
	    space_map(machine.space, window, child->memory, 0, STREAM_BYTES, MAP_READ | MAP_WRITE) < 0)
		return -ENOMEM;
	stream_init(&child->stream, (void *)window, 0, child->event, true);
	child->stream.header->flags = raw ? STREAM_FLAG_RAW : jobs ? STREAM_FLAG_JOBS : 0;
	wait_queue_init(&child->wait);
	return 0;
}

/* The manager keeps what it is given: copies go over, the originals stay here. A program in the descendant INSIDE, or
 * with 0 a new sub-kernel of BLUEPRINT. */
static int64_t call_create(struct child *child, const struct blueprint *blueprint, uint64_t inside,
                           handle_t command, uint64_t command_bytes)
{
	int64_t memory = cap_copy(child->memory, RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0);
	int64_t event =
	    cap_copy(child->event, RIGHT_SIGNAL | RIGHT_WAIT | RIGHT_MANAGE | RIGHT_COPY | RIGHT_MOVE, 0);
	int64_t peer = cap_copy(shared_event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, 0);
	int64_t result = memory < 0 ? memory : event < 0 ? event : peer;
	if (result >= 0) {
		struct thread_page *page = current_page();
		personality_unlock();
		result = inside ? subkernel_enter(manager(), page, inside, (handle_t)memory, (handle_t)event,
		                                  (handle_t)peer, command, command_bytes, &child->number,
		                                  DEADLINE_NEVER)
		                : subkernel_create(manager(), page, blueprint, sizeof(*blueprint),
		                                   (handle_t)memory, (handle_t)event, (handle_t)peer, command,
		                                   command_bytes, &child->number, DEADLINE_NEVER);
		personality_lock();
	}
	/* What was moved is gone already; what was not goes now. */
	if (memory >= 0)
		cap_delete((handle_t)memory);
	if (event >= 0)
		cap_delete((handle_t)event);
	if (peer >= 0)
		cap_delete((handle_t)peer);
	cap_delete(command);
	return result;
}

/* Of a new sub-kernel, or of a program INSIDE one. */
static int64_t create(uint64_t blueprint_address, uint64_t inside, uint64_t argv, uint64_t envp,
                      uint64_t flags, uint64_t number_address)
{
	struct blueprint blueprint;
	handle_t command;
	uint64_t command_bytes;
	if (flags & ~(uint64_t)(HOLON_SUBKERNEL_TERMINAL | HOLON_SUBKERNEL_CLOEXEC))
		return -EINVAL;
	if (inside ? !argv : copy_from_user(&blueprint, blueprint_address, sizeof(blueprint)) != 0)
		return -EFAULT;
	int64_t error = prepare();
	if (error)
		return error;
	struct child *child = heap_allocate(sizeof(*child));
	if (!child)
		return -ENOMEM;
	list_init(&child->link);
	error = make_stream(child, !(flags & HOLON_SUBKERNEL_TERMINAL), !inside);
	if (!error)
		error = make_command(argv, envp, (uint32_t)flags, &command, &command_bytes);
	if (!error)
		error = linux_error(call_create(child, &blueprint, inside, command, command_bytes));
	if (error < 0) {
		child_free(child);
		return error;
	}
	struct file *file = file_create(&child_ops, O_RDWR, child);
	if (!file) {
		struct file gone = {.private = child};
		child_release(&gone);
		return -ENOMEM;
	}
	list_append(&children, &child->link);
	event_signal(shared_event, SUBKERNEL_EVENT_ENDED); /* it may have ended before it was in the list */
	if (number_address && put_user_u64(number_address, child->number)) {
		file_release(file);
		return -EFAULT;
	}
	return file_give(file, flags & HOLON_SUBKERNEL_CLOEXEC);
}

static int64_t list(uint64_t index, uint64_t address)
{
	struct subkernel_info info;
	const void *data;
	uint32_t bytes;
	if (index > UINT32_MAX)
		return -ENOENT;
	personality_unlock();
	int64_t result =
	    subkernel_list(manager(), current_page(), (uint32_t)index, &data, &bytes, DEADLINE_NEVER);
	if (result >= 0 && bytes == sizeof(info))
		memcpy(&info, data, sizeof(info));
	personality_lock();
	if (result == E_NOT_FOUND)
		return -ENOENT;
	if (result < 0 || bytes != sizeof(info))
		return result < 0 ? linux_error(result) : -EIO;
	return copy_to_user(address, &info, sizeof(info));
}

static int64_t end(uint64_t number)
{
	personality_unlock();
	int64_t result = subkernel_kill(manager(), current_page(), number, DEADLINE_NEVER);
	personality_lock();
	return linux_error(result);
}

static int64_t freeze(uint64_t number, uint32_t frozen)
{
	personality_unlock();
	int64_t result = subkernel_freeze(manager(), current_page(), number, frozen, DEADLINE_NEVER);
	personality_lock();
	return linux_error(result);
}

static struct file *child_file(uint64_t fd)
{
	struct file *file = file_of((int)fd);
	return file && file->ops == &child_ops ? file : 0;
}

static int64_t wait_ended(uint64_t fd)
{
	struct file *file = child_file(fd);
	if (!file)
		return -EBADF;
	struct child *child = file->private;
	file_reference(file);
	int64_t result = wait_event(&child->wait, child->ended, DEADLINE_NEVER);
	if (!result)
		result = (int64_t)child->status;
	file_release(file);
	return result;
}

static int64_t end_input(uint64_t fd)
{
	struct file *file = child_file(fd);
	if (!file)
		return -EBADF;
	stream_close(&((struct child *)file->private)->stream);
	return 0;
}

static int64_t take_suspended(uint64_t fd)
{
	struct file *file = child_file(fd);
	if (!file)
		return -EBADF;
	struct stream_header *header = ((struct child *)file->private)->stream.header;
	bool suspended = header->suspended != 0;
	header->suspended = 0;
	return suspended;
}

/* Copies what the ring of HEADER still has from *POSITION on to the user's BUFFER. Nothing in it is trusted: it is the
 * other side's memory. */
static int64_t ring_output(const struct stream_header *header, uint32_t *position, uint64_t buffer,
                           uint64_t size)
{
	const uint8_t *bytes = (const uint8_t *)header + 4096 + STREAM_RING_BYTES;
	uint32_t head = header->ring[1].head;
	if (head - *position > STREAM_RING_BYTES)
		*position = head < STREAM_RING_BYTES ? 0 : head - STREAM_RING_BYTES;
	uint32_t left = head - *position;
	if (left > size)
		left = (uint32_t)size;
	int64_t total = 0;
	while (left) {
		uint32_t at = *position % STREAM_RING_BYTES;
		uint32_t part = left < STREAM_RING_BYTES - at ? left : STREAM_RING_BYTES - at;
		if (copy_to_user(buffer + (uint64_t)total, bytes + at, part))
			return -EFAULT;
		*position += part;
		total += part;
		left -= part;
	}
	return total;
}

/* MEMORY is another's, who may cut it at any time: a clone of it cannot be cut. */
static int64_t clone_output(handle_t memory, uint32_t *position, uint64_t buffer, uint64_t size)
{
	int64_t clone = memory_clone(memory, 0, STREAM_BYTES);
	cap_delete(memory);
	if (clone < 0)
		return -ENOMEM;
	uint64_t window = window_take(STREAM_BYTES, 4096);
	int64_t result = -ENOMEM;
	if (window && space_map(machine.space, window, (handle_t)clone, 0, STREAM_BYTES, MAP_READ) >= 0) {
		result = ring_output((const struct stream_header *)window, position, buffer, size);
		space_unmap(machine.space, window, STREAM_BYTES);
	}
	if (window)
		window_put(window, STREAM_BYTES);
	cap_delete((handle_t)clone);
	return result;
}

static int64_t output(uint64_t number, uint64_t position_address, uint64_t buffer, uint64_t size)
{
	uint32_t position;
	handle_t memory = 0;
	if (get_user_u32(&position, position_address))
		return -EFAULT;
	personality_unlock();
	int64_t result = subkernel_output(manager(), current_page(), number, &memory, DEADLINE_NEVER);
	personality_lock();
	if (result < 0)
		return linux_error(result);
	result = clone_output(memory, &position, buffer, size);
	if (result >= 0 && put_user_u32(position_address, position))
		return -EFAULT;
	return result;
}

/* The bytes of FILE as a memory object. */
static int64_t archive_of(struct file *file, uint64_t bytes, handle_t *memory)
{
	int64_t object = memory_create(MEMORY_ANONYMOUS, page_up(bytes), 0, 0);
	if (object < 0)
		return -ENOMEM;
	uint64_t window = window_take(page_up(bytes), PAGE_SIZE_BYTES);
	int64_t result = -ENOMEM;
	if (window && space_map(machine.space, window, (handle_t)object, 0, page_up(bytes),
	                        MAP_READ | MAP_WRITE) >= 0) {
		result = 0;
		for (uint64_t page = window; !result && page < window + bytes; page += PAGE_SIZE_BYTES)
			result = probe_write(page) ? -ENOMEM : 0;
		if (!result)
			result = file_read_kernel(file, (void *)window, bytes, 0);
		if (result >= 0)
			result = (uint64_t)result == bytes ? 0 : -EIO;
		space_unmap(machine.space, window, page_up(bytes));
	}
	if (window)
		window_put(window, page_up(bytes));
	if (result < 0)
		cap_delete((handle_t)object);
	else
		*memory = (handle_t)object;
	return result;
}

static int64_t offer_archive(uint64_t fd)
{
	struct file *file = file_of((int)fd);
	handle_t memory;
	uint64_t token = 0;
	if (!file || !file->vnode || !S_ISREG(file->vnode->mode) || !file_readable(file))
		return -EBADF;
	uint64_t bytes = file->vnode->size;
	if (!bytes || bytes > HOLON_ARCHIVE_MAX)
		return bytes ? -EFBIG : -EINVAL;
	int64_t result = archive_of(file, bytes, &memory);
	if (result < 0)
		return result;
	personality_unlock();
	result =
	    subkernel_offer(manager(), current_page(), OFFER_ARCHIVE, memory, bytes, &token, DEADLINE_NEVER);
	personality_lock();
	if (result < 0)
		cap_delete(memory);
	return result < 0 ? linux_error(result) : (int64_t)token;
}

/* BYTES of MEMORY, a module of the boot, to the user's BUFFER of SIZE bytes. */
static int64_t copy_module(handle_t memory, uint64_t bytes, uint64_t buffer, uint64_t size)
{
	if (bytes > size)
		return -EFBIG;
	uint64_t window = window_take(page_up(bytes), PAGE_SIZE_BYTES);
	int64_t result = -ENOMEM;
	if (window && space_map(machine.space, window, memory, 0, page_up(bytes), MAP_READ) >= 0) {
		result = copy_to_user(buffer, (const void *)window, bytes) ? -EFAULT : (int64_t)bytes;
		space_unmap(machine.space, window, page_up(bytes));
	}
	if (window)
		window_put(window, page_up(bytes));
	return result;
}

static int64_t signed_by_boot(uint64_t what, uint64_t buffer, uint64_t size, uint64_t time_address)
{
	uint64_t time, bytes[2];
	handle_t memory[2];
	if (what != HOLON_SIGNED_MANIFEST && what != HOLON_SIGNED_KEYS)
		return -EINVAL;
	personality_unlock();
	int64_t result = subkernel_signatures(manager(), current_page(), &time, &bytes[0], &bytes[1],
	                                      &memory[0], &memory[1], DEADLINE_NEVER);
	personality_lock();
	if (result < 0)
		return result == E_NOT_FOUND ? -ENOENT : linux_error(result);
	unsigned index = what == HOLON_SIGNED_KEYS;
	result = copy_module(memory[index], bytes[index], buffer, size);
	cap_delete(memory[0]);
	cap_delete(memory[1]);
	if (result >= 0 && time_address && put_user_u64(time_address, time))
		return -EFAULT;
	return result;
}

static int64_t revoke(uint64_t number, uint64_t grants)
{
	if (grants >> BLUEPRINT_GRANTS)
		return -EINVAL;
	personality_unlock();
	int64_t result =
	    subkernel_revoke(manager(), current_page(), number, (uint32_t)grants, DEADLINE_NEVER);
	personality_lock();
	return linux_error(result);
}

/* A quote comes in parts; another sub-kernel's questions between two of them may have it forgotten. */
static int64_t quote_fetch(handle_t service, const uint8_t *nonce, uint32_t nonce_bytes, uint8_t *quote)
{
	uint32_t at = 0, total = HOLON_QUOTE_MAX;
	while (at < total) {
		const void *part;
		uint32_t bytes;
		int64_t result = attest_quote(service, current_page(), nonce, nonce_bytes, at, &total, &part,
		                              &bytes, DEADLINE_NEVER);
		if (result < 0)
			return result;
		if (!bytes || total > HOLON_QUOTE_MAX || bytes > total - at)
			return E_ARGUMENT;
		memcpy(quote + at, part, bytes);
		at += bytes;
	}
	return total;
}

static int64_t quote_of_machine(uint64_t nonce_address, uint64_t nonce_bytes, uint64_t buffer, uint64_t size)
{
	uint8_t nonce[64];
	handle_t service;
	if (nonce_bytes < 8 || nonce_bytes > sizeof(nonce))
		return -EINVAL;
	if (copy_from_user(nonce, nonce_address, nonce_bytes))
		return -EFAULT;
	uint8_t *quote = heap_allocate(HOLON_QUOTE_MAX);
	if (!quote)
		return -ENOMEM;
	personality_unlock();
	int64_t result = subkernel_attest(manager(), current_page(), &service, DEADLINE_NEVER);
	if (result >= 0) {
		for (unsigned tries = 0; tries < QUOTE_TRIES; tries++) {
			result = quote_fetch(service, nonce, (uint32_t)nonce_bytes, quote);
			if (result != E_STATE)
				break;
		}
		cap_delete(service);
	}
	personality_lock();
	if (result < 0)
		result = result == E_NOT_FOUND ? -ENODEV : result == E_BUSY ? -EAGAIN : linux_error(result);
	else if ((uint64_t)result > size)
		result = -EFBIG;
	else if (copy_to_user(buffer, quote, (uint64_t)result))
		result = -EFAULT;
	heap_free(quote);
	return result;
}

int64_t holon_call(uint64_t number, const struct guest_state *state)
{
	if (number == HOLON_VERSION)
		return HOLON_CALLS_VERSION;
	if (number == HOLON_VAULT || number == HOLON_BLOCK_LIST)
		return holon_vault_call(number, state->rdi, state->rsi);
	if (!manager())
		return -EPERM;
	if (number >= HOLON_PORTAL_CREATE && number <= HOLON_PORTAL_COPY)
		return portal_call(number, state);
	switch (number) {
	case HOLON_SUBKERNEL_CREATE:
		return create(state->rdi, 0, state->rsi, state->rdx, state->r10, state->r8);
	case HOLON_SUBKERNEL_ENTER:
		return state->rdi ? create(0, state->rdi, state->rsi, state->rdx, state->r10, state->r8)
		                  : -ESRCH;
	case HOLON_SUBKERNEL_SUSPENDED:
		return take_suspended(state->rdi);
	case HOLON_SUBKERNEL_OUTPUT:
		return output(state->rdi, state->rsi, state->rdx, state->r10);
	case HOLON_SUBKERNEL_OFFER:
		return offer_archive(state->rdi);
	case HOLON_SUBKERNEL_LIST:
		return list(state->rdi, state->rsi);
	case HOLON_SUBKERNEL_REVOKE:
		return revoke(state->rdi, state->rsi);
	case HOLON_SUBKERNEL_KILL:
		return end(state->rdi);
	case HOLON_SUBKERNEL_FREEZE:
		return freeze(state->rdi, (uint32_t)state->rsi);
	case HOLON_SUBKERNEL_WAIT:
		return wait_ended(state->rdi);
	case HOLON_SIGNED:
		return signed_by_boot(state->rdi, state->rsi, state->rdx, state->r10);
	case HOLON_QUOTE:
		return quote_of_machine(state->rdi, state->rsi, state->rdx, state->r10);
	case HOLON_SUBKERNEL_END_INPUT:
		return end_input(state->rdi);
	default:
		return -ENOSYS;
	}
}
