/* See core.h. The file is written as it is made: of the process's memory 64 KiB at a time are in the personality, and what
 * was never touched becomes a hole. Beside that a dump takes 32 bytes for each mapping, and at most 4 MiB for the names of
 * mapped files.
 */
#include "core/core.h"
#include "fs/open.h"
#include "mm/area.h"
#include "trace/trace.h"

#define PT_NOTE         4u
#define NAMES_BYTES_MAX (4u << 20)

struct elf_file_header {
	uint8_t identification[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, program_offset, section_offset;
	uint32_t flags;
	uint16_t header_bytes, program_bytes, program_count, section_bytes, section_count, section_names;
};
struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, address, physical, file_bytes, memory_bytes, alignment;
};
_Static_assert(sizeof(struct elf_file_header) == 64 && sizeof(struct elf_segment) == 56, "elf(5)");

/* A mapping as it was when the dump began. */
struct part {
	uint64_t start, end;
	uint64_t bytes; /* of it that are written */
	uint32_t flags; /* enum area_flags */
};

/* ---- Output ---- */

struct room {
	struct poll_table table;
	struct wait_entry entry;
};

static void room_add(struct poll_table *table, struct wait_queue *queue)
{
	wait_begin(&container_of(table, struct room, table)->entry, queue);
}

/* Until a pipe takes more, or nobody reads it any more. What has come for the process that ends interrupts nothing, but for
 * SIGKILL. */
static void wait_room(const struct core_output *out)
{
	struct room room = {.table.add = room_add};
	list_init(&room.entry.link);
	uint32_t events = out->file->ops->poll(out->file, &room.table);
	while (!(events & (POLLOUT | POLLERR)) && !out->process->killed) {
		wait_sleep_always();
		events = out->file->ops->poll(out->file, 0);
	}
	wait_end(&room.entry);
}

static void flush(struct core_output *out)
{
	struct linux_iovec one;
	struct io io;
	int64_t position = (int64_t)(out->at - out->held);
	for (uint64_t done = 0; done < out->held && !out->failed;) {
		if (out->pipe)
			wait_room(out);
		io_init_kernel(&io, &one, out->buffer + done, out->held - done);
		io.flags = out->pipe ? IO_NO_WAIT : 0;
		int64_t moved =
		    out->process->killed ? -EINTR : out->file->ops->write(out->file, &io, &position);
		if (moved == -EAGAIN && out->pipe)
			continue;
		if (moved <= 0)
			out->failed = true;
		else
			done += (uint64_t)moved;
	}
	out->held = 0;
	/* Others get their turn; a process that writes gigabytes can be killed. */
	personality_unlock();
	personality_lock();
	out->failed |= out->process->killed;
}

void core_put(struct core_output *out, const void *from, uint64_t bytes)
{
	while (bytes && !out->failed) {
		uint64_t room = CORE_BUFFER_BYTES - out->held, left = out->limit - out->at;
		uint64_t chunk = bytes < room ? bytes : room;
		if (chunk > left)
			chunk = left;
		if (!chunk && !left) {
			flush(out);
			out->failed = true; /* the limit: core(5) has files that end there */
			return;
		}
		memcpy(out->buffer + out->held, from, chunk);
		out->held += chunk;
		out->at += chunk;
		from = (const char *)from + chunk;
		bytes -= chunk;
		if (out->held == CORE_BUFFER_BYTES)
			flush(out);
	}
}

void core_skip(struct core_output *out, uint64_t bytes)
{
	static const char zeros[256];
	while (out->pipe && bytes && !out->failed) {
		uint64_t chunk = bytes < sizeof(zeros) ? bytes : sizeof(zeros);
		core_put(out, zeros, chunk);
		bytes -= chunk;
	}
	if (out->held)
		flush(out);
	if (out->failed || !bytes)
		return;
	if (bytes > out->limit - out->at) {
		bytes = out->limit - out->at;
		out->failed = true;
	}
	out->at += bytes;
}

void core_finish(struct core_output *out)
{
	flush(out);
	/* A hole at the end. */
	if (!out->pipe && out->file->vnode->size < out->at && !out->process->killed) {
		struct attributes size = {.size = out->at};
		(void)out->file->vnode->ops->setattr(out->file->vnode, &size, ATTRIBUTE_SIZE);
	}
}

/* ---- Memory ---- */

/* Copies [OFFSET, + BYTES) of OBJECT; false: nothing of it was ever touched (or it cannot be read). SPARSE: look for that,
 * and read a clone, so that nothing new is made by reading. */
static bool object_read(struct memory_object *object, uint64_t offset, uint64_t bytes, bool sparse, char *to)
{
	struct memory_info info;
	struct memory_object *from = object;
	uint64_t end = page_up(object->bytes);
	memset(to, 0, bytes);
	if (offset >= end)
		return false;
	if (bytes > end - offset)
		bytes = end - offset;
	if (sparse) {
		int64_t clone = memory_clone(object->handle, offset, bytes);
		if (clone < 0)
			return false;
		bool there = memory_info(current_page(), (handle_t)clone, &info) >= 0 && info.resident_bytes;
		from = there ? memory_object_adopt((handle_t)clone, bytes) : 0;
		if (!from) {
			cap_delete((handle_t)clone);
			return false;
		}
		offset = 0;
	}
	char *window = memory_object_map(from, offset, bytes, false);
	if (window) {
		(void)user_copy(to, window, bytes);
		memory_object_unmap(window, bytes);
	}
	if (sparse)
		memory_object_release(from);
	return window != 0;
}

/* How far a stack's mapping begins below what was ever touched: on Linux it ends there. */
static uint64_t untouched_bytes(const struct mm *mm, const struct area *area)
{
	uint64_t bytes = 0, all = area->end - area->start;
	if (!(area->flags & AREA_STACK) || area->object)
		return 0;
	while (all - bytes > CORE_BUFFER_BYTES) {
		struct memory_info info;
		int64_t clone = memory_clone(mm->heap->handle, area->offset + bytes, CORE_BUFFER_BYTES);
		bool there = clone < 0 || memory_info(current_page(), (handle_t)clone, &info) < 0 ||
		             info.resident_bytes;
		if (clone >= 0)
			cap_delete((handle_t)clone);
		if (there)
			break;
		bytes += CORE_BUFFER_BYTES;
	}
	return bytes;
}

/* As core(5) has it for FILTER, enum core_filter. Of files that the process has not changed, debuggers know programs and
 * libraries by their first page. */
static uint64_t dumped_bytes(const struct area *area, uint32_t filter)
{
	uint64_t bytes = area->end - area->start;
	if (area->flags & AREA_DONT_DUMP)
		return 0;
	if ((area->flags & AREA_VDSO) || (area_owns_pages(area) && (filter & CORE_PRIVATE)))
		return bytes;
	if (area->flags & AREA_SHARED) {
		bool unnamed = !area->file || (area->file->vnode && !area->file->vnode->links);
		return filter & (unnamed ? CORE_SHARED : CORE_FILE_SHARED) ? bytes : 0;
	}
	if (area->file && (filter & CORE_FILE_PRIVATE))
		return bytes;
	char magic[4];
	bool program = (filter & CORE_ELF_HEADERS) && area->file && !area->file_offset &&
	               file_read_kernel(area->file, magic, 4, 0) == 4 && memcmp(magic, "\177ELF", 4) == 0;
	return program ? PAGE_SIZE_BYTES : 0;
}

static void put_part(struct core_output *out, struct mm *mm, const struct part *part, char *chunk)
{
	for (uint64_t done = 0; done < part->bytes && !out->failed;) {
		uint64_t at = part->start + done, bytes = CORE_BUFFER_BYTES;
		const struct area *area = mm_find(mm, at);
		if (bytes > part->bytes - done)
			bytes = part->bytes - done;
		bool there = false;
		/* Who shares the memory, and is no thread of this process, may have changed it. */
		if (area && area->start <= at) {
			if (bytes > area->end - at)
				bytes = area->end - at;
			struct memory_object *object = area->object ? area->object : mm->heap;
			bool sparse = !area->file && !(area->flags & AREA_VDSO) && !object->whole;
			there = object_read(object, area->offset + (at - area->start), bytes, sparse, chunk);
		}
		if (there)
			core_put(out, chunk, bytes);
		else
			core_skip(out, bytes);
		done += bytes;
	}
}

/* ---- The note of mapped files ---- */

struct names {
	char *bytes;
	uint64_t length, capacity;
	bool failed;
};

static void names_append(struct names *names, const void *from, uint64_t bytes)
{
	if (names->failed || names->length + bytes > NAMES_BYTES_MAX) {
		names->failed = true;
		return;
	}
	if (names->length + bytes > names->capacity) {
		uint64_t capacity = names->capacity ? names->capacity * 2 : 4096;
		while (capacity < names->length + bytes)
			capacity *= 2;
		char *more = heap_resize(names->bytes, capacity);
		if (!more) {
			names->failed = true;
			return;
		}
		names->bytes = more;
		names->capacity = capacity;
	}
	memcpy(names->bytes + names->length, from, bytes);
	names->length += bytes;
}

static struct names names_of(struct mm *mm)
{
	struct names names = {0};
	char *path = heap_allocate(PATH_MAX_BYTES);
	uint64_t header[2] = {0, PAGE_SIZE_BYTES};
	names.failed = !path;
	names_append(&names, header, sizeof(header));
	for (const struct area *area = mm_find(mm, 0); area && !names.failed; area = mm_next(mm, area)) {
		if (!area->file)
			continue;
		const uint64_t entry[3] = {area->start, area->end, area->file_offset / PAGE_SIZE_BYTES};
		names_append(&names, entry, sizeof(entry));
		header[0]++;
	}
	for (const struct area *area = mm_find(mm, 0); area && path && !names.failed;
	     area = mm_next(mm, area)) {
		if (!area->file)
			continue;
		file_path(area->file, path, PATH_MAX_BYTES);
		names_append(&names, path, strlen(path) + 1);
	}
	heap_free(path);
	if (names.failed || !header[0]) {
		heap_free(names.bytes);
		return (struct names){0};
	}
	memcpy(names.bytes, header, sizeof(header));
	return names;
}

/* ---- The file ---- */

static void put_headers(struct core_output *out, const struct part *parts, uint64_t count,
                        uint64_t notes_bytes)
{
	struct elf_file_header header = {.identification = {0x7f, 'E', 'L', 'F', 2, 1, 1},
	                                 .type = 4 /* ET_CORE */,
	                                 .machine = 62,
	                                 .version = 1,
	                                 .program_offset = sizeof(header),
	                                 .header_bytes = sizeof(header),
	                                 .program_bytes = sizeof(struct elf_segment),
	                                 .program_count = (uint16_t)(count + 1)};
	uint64_t at = sizeof(header) + (count + 1) * sizeof(struct elf_segment);
	struct elf_segment notes = {.type = PT_NOTE, .offset = at, .file_bytes = notes_bytes, .alignment = 4};
	core_put(out, &header, sizeof(header));
	core_put(out, &notes, sizeof(notes));
	at = page_up(at + notes_bytes);
	for (uint64_t i = 0; i < count; i++) {
		const struct part *part = &parts[i];
		struct elf_segment segment = {.type = 1 /* PT_LOAD */,
		                              .offset = at,
		                              .address = part->start,
		                              .file_bytes = part->bytes,
		                              .memory_bytes = part->end - part->start,
		                              .alignment = PAGE_SIZE_BYTES};
		segment.flags = (part->flags & AREA_READ ? 4 : 0) | (part->flags & AREA_WRITE ? 2 : 0) |
		                (part->flags & AREA_EXECUTE ? 1 : 0);
		core_put(out, &segment, sizeof(segment));
		at += part->bytes;
	}
}

static void write_file(struct core_output *out, const struct core_dump *dump, struct part *parts,
                       uint64_t limit)
{
	struct mm *mm = dump->task->mm;
	uint32_t filter = dump->task->process->core_filter;
	char *chunk = pages_allocate(CORE_BUFFER_BYTES / PAGE_SIZE_BYTES);
	struct names names = names_of(mm);
	uint64_t count = 0;
	for (const struct area *area = mm_find(mm, 0); area && count < limit; area = mm_next(mm, area)) {
		uint64_t bytes = dumped_bytes(area, filter), without = bytes ? untouched_bytes(mm, area) : 0;
		parts[count++] =
		    (struct part){area->start + without, area->end, bytes - without, area->flags};
	}
	uint64_t notes = core_notes(0, dump, names.bytes, names.length);
	put_headers(out, parts, count, notes);
	(void)core_notes(out, dump, names.bytes, names.length);
	heap_free(names.bytes);
	core_skip(out, -out->at & (PAGE_SIZE_BYTES - 1));
	for (uint64_t i = 0; chunk && i < count && !out->failed; i++)
		put_part(out, mm, &parts[i], chunk);
	core_finish(out);
	if (chunk)
		pages_free(chunk, CORE_BUFFER_BYTES / PAGE_SIZE_BYTES);
}

/* Whether there is a file now. */
static bool write_core(const struct core_dump *dump)
{
	struct process *process = dump->task->process;
	char name[CORE_NAME_BYTES];
	int error;
	uint64_t count = dump->task->mm->area_count;
	uint64_t pages = page_up(count * sizeof(struct part)) / PAGE_SIZE_BYTES;
	struct core_output out = {.process = process, .limit = process->limits[RLIMIT_CORE].current};
	out.pipe = core_piped();
	if (process->limits[RLIMIT_FSIZE].current < out.limit)
		out.limit = process->limits[RLIMIT_FSIZE].current;
	if (out.pipe || out.limit > INT64_MAX)
		out.limit = INT64_MAX;
	if (out.pipe)
		out.file = core_helper_start(dump);
	else if (core_name(dump->task, dump->signal, name))
		out.file = file_open_core(name, &error);
	if (!out.file)
		return false;
	struct part *parts = pages_allocate(pages);
	out.buffer = pages_allocate(CORE_BUFFER_BYTES / PAGE_SIZE_BYTES);
	bool possible = parts && out.buffer;
	if (possible)
		write_file(&out, dump, parts, count);
	if (parts)
		pages_free(parts, pages);
	if (out.buffer)
		pages_free(out.buffer, CORE_BUFFER_BYTES / PAGE_SIZE_BYTES);
	if (out.pipe)
		core_helper_end(out.file, process);
	else
		file_release(out.file);
	return possible && !(out.pipe && out.failed);
}

/* ---- Threads ---- */

static void vector_keep(struct task *task)
{
	task->core_vector = pages_allocate((machine.vector_bytes + 4095) / 4096);
	if (task->core_vector)
		vector_save(task->core_vector);
}

static void vector_drop(struct task *task)
{
	if (task->core_vector)
		pages_free(task->core_vector, (machine.vector_bytes + 4095) / 4096);
	task->core_vector = 0;
}

void core_wait(struct task *task)
{
	struct process *process = task->process;
	if (!process->core || process->core->task == task)
		return;
	vector_keep(task);
	task->core_waits = true;
	(void)task_wake(process->core->task);
	while (process->core)
		wait_sleep_always();
	task->core_waits = false;
	vector_drop(task);
}

static bool others_wait(const struct process *process, const struct task *self)
{
	const struct task *other;
	list_for_each(other, &process->threads,
	              thread_link) if (other != self && !other->core_waits) return false;
	return true;
}

/* Linux writes no file that could not hold a page; a program gets all of it, unless it is one that takes others' cores. */
static bool limit_allows(const struct process *process)
{
	uint64_t limit = process->limits[RLIMIT_CORE].current;
	return core_piped() ? limit != 1 : limit >= PAGE_SIZE_BYTES;
}

static bool dump_wanted(const struct process *process, int signal)
{
	return (CORE_SIGNALS & SIGNAL_BIT(signal)) && !process->exiting && !process->single_waiter &&
	       !process->dumpable_off && limit_allows(process) && current_task()->mm;
}

void process_exit_signal(int signal, const struct linux_siginfo *info)
{
	struct task *task = current_task(), *other;
	struct process *process = task->process;
	if (!dump_wanted(process, signal))
		process_exit(signal);
	struct core_dump dump = {.task = task, .signal = signal, .info = info};
	process->exiting = true;
	process->exit_status = signal;
	process->core = &dump;
	list_for_each(other, &process->threads, thread_link) if (other != task)
	    task_kick(other, TASK_WORK_EXIT);
	while (!others_wait(process, task) && !process->killed)
		wait_sleep_always();
	vector_keep(task);
	if (!process->killed && write_core(&dump))
		process->exit_status |= 0x80;
	vector_drop(task);
	process->core = 0;
	list_for_each(other, &process->threads, thread_link)(void) task_wake(other);
	process_exit(process->exit_status);
}
