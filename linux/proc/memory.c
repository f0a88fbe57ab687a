/* /proc/PID/mem: another process's memory as a file, for those who may trace it. proc_pid_mem(5).
 *
 * The file is of one address space: after an exec, or the process's end, it reads as empty.
 */
#include "../internal.h"
#include "proc.h"

struct memory_file {
	struct process *process; /* a reference */
	uint64_t mm_number;
};

/* The address space, while its process has it. */
static struct mm *memory_of(const struct file *file)
{
	const struct memory_file *memory = file->private;
	struct mm *mm = memory->process->leader ? memory->process->leader->mm : 0;
	return mm && mm->number == memory->mm_number ? mm : 0;
}

static int64_t memory_move(struct file *file, struct io *io, int64_t *position, bool write)
{
	char buffer[1024];
	int64_t total = 0;
	struct mm *mm = memory_of(file);
	while (mm && io->remaining) {
		uint64_t chunk = io->remaining < sizeof(buffer) ? io->remaining : sizeof(buffer);
		int64_t moved = write ? io_take(io, buffer, chunk)
		                      : mm_access(mm, (uint64_t)*position, buffer, chunk, MM_FORCE);
		if (moved > 0 && write)
			moved =
			    mm_access(mm, (uint64_t)*position, buffer, (uint64_t)moved, MM_FORCE | MM_WRITE);
		else if (moved > 0)
			moved = io_put(io, buffer, (uint64_t)moved);
		if (moved <= 0)
			return total ? total : -EIO;
		total += moved;
		*position += moved;
		if ((uint64_t)moved < chunk)
			break;
	}
	return total;
}

static int64_t memory_read(struct file *file, struct io *io, int64_t *position)
{
	return memory_move(file, io, position, false);
}

static int64_t memory_write(struct file *file, struct io *io, int64_t *position)
{
	return memory_move(file, io, position, true);
}

static int64_t memory_seek(struct file *file, int64_t offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += file->position;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return file->position = offset; /* any address, those that look negative too */
}

static void memory_release(struct file *file)
{
	struct memory_file *memory = file->private;
	process_release(memory->process);
	heap_free(memory);
}

static const struct file_ops memory_ops = {.read = memory_read,
                                           .write = memory_write,
                                           .seek = memory_seek,
                                           .release = memory_release,
                                           .seekable = true};

int proc_memory_open(const struct proc_subject *subject, struct file *file)
{
	const struct mm *mm = subject->task ? subject->task->mm : 0;
	if (!process_may_trace(subject->process))
		return -EACCES;
	struct memory_file *memory = heap_allocate(sizeof(*memory));
	if (!memory)
		return -ENOMEM;
	memory->process = process_reference(subject->process);
	memory->mm_number = mm ? mm->number : 0;
	file->private = memory;
	file->ops = &memory_ops;
	return 0;
}
