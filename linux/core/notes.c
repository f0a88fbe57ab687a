/* The notes of a core file: elf(5), "Notes", and Linux' struct elf_prstatus and elf_prpsinfo (sys/procfs.h). */
#include "internal.h"
#include "arch/x86_64/registers.h"
#include "core/core.h"
#include "time/account.h"

enum { NT_PRPSINFO = 3, NT_AUXV = 6, NT_FILE = 0x46494c45, NT_SIGINFO = 0x53494749 };
#define FXSAVE_BYTES         512u
#define XSAVE_FEATURES_SHOWN 464u

struct core_status {
	int32_t signal, code, error;
	int16_t current;
	uint64_t pending, blocked;
	int32_t pid, parent, group, session;
	struct linux_timeval user, system, children_user, children_system;
	uint64_t registers[USER_REGISTERS];
	int32_t has_vector, pad;
};
_Static_assert(sizeof(struct core_status) == 336, "struct elf_prstatus");

struct core_process {
	char state, letter, zombie;
	int8_t nice;
	uint64_t flags;
	uint32_t uid, gid;
	int32_t pid, parent, group, session;
	char name[16], arguments[80];
};
_Static_assert(sizeof(struct core_process) == 136, "struct elf_prpsinfo");

static uint64_t note(struct core_output *out, const char *name, uint32_t kind, const void *from,
                     uint64_t bytes)
{
	static const char zeros[8];
	uint32_t name_bytes = (uint32_t)strlen(name) + 1;
	const uint32_t header[3] = {name_bytes, (uint32_t)bytes, kind};
	uint64_t name_pad = -(uint64_t)name_bytes & 3, pad = -bytes & 3;
	if (out) {
		core_put(out, header, sizeof(header));
		core_put(out, name, name_bytes);
		core_put(out, zeros, name_pad);
		core_put(out, from, bytes);
		core_put(out, zeros, pad);
	}
	return sizeof(header) + name_bytes + name_pad + bytes + pad;
}

static uint64_t status_note(struct core_output *out, const struct core_dump *dump, struct task *task)
{
	const struct process *process = task->process;
	struct cpu_times times = task_times(task);
	struct core_status status = {.current = (int16_t)dump->signal,
	                             .pending = task->pending.set,
	                             .blocked = task->blocked,
	                             .pid = task->number,
	                             .parent = process->parent ? pid_seen(process->parent->pid) : 0,
	                             .group = pid_seen(process->pgid),
	                             .session = pid_seen(process->sid),
	                             .user = timeval_of(times.user_ns),
	                             .system = timeval_of(times.system_ns),
	                             .children_user = process->children_usage.ru_utime,
	                             .children_system = process->children_usage.ru_stime,
	                             .has_vector = task->core_vector != 0};
	status.signal = dump->signal;
	if (task == dump->task) {
		status.code = dump->info->si_code;
		status.error = dump->info->si_errno;
	}
	for (unsigned i = 0; i < USER_REGISTERS; i++)
		status.registers[i] = user_register(task, i);
	return note(out, "CORE", NT_PRSTATUS, &status, sizeof(status));
}

static uint64_t process_note(struct core_output *out, const struct task *task)
{
	const struct process *process = task->process;
	const struct mm *mm = task->mm;
	struct core_process text = {.letter = 'R',
	                            .nice = (int8_t)task->nice,
	                            .uid = task->credentials.uid,
	                            .gid = task->credentials.gid,
	                            .pid = process->number,
	                            .parent = process->parent ? pid_seen(process->parent->pid) : 0,
	                            .group = pid_seen(process->pgid),
	                            .session = pid_seen(process->sid)};
	memcpy(text.name, task->name, sizeof(text.name) - 1);
	uint64_t bytes = mm->argument_end - mm->argument_start;
	if (bytes >= sizeof(text.arguments))
		bytes = sizeof(text.arguments) - 1;
	int64_t got = mm_access(task->mm, mm->argument_start, text.arguments, bytes, MM_READ);
	for (int64_t i = 0; i < got; i++)
		if (!text.arguments[i])
			text.arguments[i] = ' ';
	return note(out, "CORE", NT_PRPSINFO, &text, sizeof(text));
}

static uint64_t vector_notes(struct core_output *out, const struct task *task)
{
	char *image = task->core_vector;
	if (!image)
		return 0;
	if (machine.xsave_mask) { /* which features there are: where debuggers look for it */
		memset(image + XSAVE_FEATURES_SHOWN, 0, 48);
		*(uint64_t *)(image + XSAVE_FEATURES_SHOWN) = machine.xsave_mask;
	}
	uint64_t bytes = note(out, "CORE", NT_PRFPREG, image, FXSAVE_BYTES);
	if (machine.xsave_mask)
		bytes += note(out, "LINUX", NT_X86_XSTATE, image, machine.vector_bytes);
	return bytes;
}

uint64_t core_notes(struct core_output *out, const struct core_dump *dump, const void *names,
                    uint64_t names_bytes)
{
	struct task *self = dump->task, *task;
	uint64_t bytes = status_note(out, dump, self), words = 0;
	bytes += process_note(out, self);
	bytes += note(out, "CORE", NT_SIGINFO, dump->info, sizeof(*dump->info));
	const uint64_t *auxv = self->mm->auxv;
	while (words + 2 < sizeof(self->mm->auxv) / 8 && auxv[words])
		words += 2;
	bytes += note(out, "CORE", NT_AUXV, auxv, (words + 2) * 8);
	if (names)
		bytes += note(out, "CORE", NT_FILE, names, names_bytes);
	bytes += vector_notes(out, self);
	list_for_each(task, &self->process->threads, thread_link)
	{
		if (task == self || !task->core_waits)
			continue;
		bytes += status_note(out, dump, task);
		bytes += vector_notes(out, task);
	}
	return bytes;
}
