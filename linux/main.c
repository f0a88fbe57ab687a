/* Start of a linux sub-kernel: reads what its creator gave it, sets everything up, runs the first program.
 *
 * The capability "command" names a command module (abi/holon/command.h); without it the first program is an
 * interactive shell. Others: budget0.. (one a CPU), log (optional), and those of files_init_first. The unit's
 * exit status is the first process's wait status.
 */
#include "internal.h"
#include <processor.h>
#include <holon/command.h>
#include "fs/open.h"
#include "exec/command.h"
#include "mm/area.h"
#include "native/native.h"
#include "net/link.h"

#define LINK_WAIT_NS (5 * NS_PER_SECOND) /* until the first program starts without an address */

static const struct start_info *start;
static struct first_command first;
static const char *first_path; /* where it is not the first word */

const struct start_info *linux_start_info(void)
{
	return start;
}

/* What is to run: the command module where there is one, else an interactive shell. False: a malformed
 * module. */
static bool read_command(void)
{
	uint64_t bytes = 0;
	handle_t memory = start_find(start, "command", &bytes);
	if (memory && bytes)
		return command_read(memory, bytes, &first);
	static const char *argv[] = {"-sh", 0};
	static const char *envp[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	                             "HOME=/root", "TERM=linux", 0};
	first.argv = argv;
	first.envp = envp;
	first_path = "/bin/sh";
	return true;
}

static void first_program(void *argument)
{
	struct task *task = argument;
	char path[512];
	struct file *file;
	personality_lock();
	int error = files_init_first(task);
	if (error) {
		linux_log("linux: no files for the first process: error %d\n", -error);
		unit_exit(126 << 8);
	}
	if (first.no_input)
		files_no_input();
	link_wait_configured(clock_monotonic() + LINK_WAIT_NS);
	error = command_find(&first, first_path ? first_path : first.argv[0], path, sizeof(path), &file);
	if (!error)
		error = exec_load(task, file, path, 0, 0, first.argv, first.envp);
	if (error) {
		linux_log("linux: cannot run %s: error %d\n", first.argv[0], -error);
		command_refused(&first, error);
		unit_exit((error == -ENOENT ? 127 : 126) << 8);
	}
	personality_unlock();
	guest_loop();
}

void credentials_first(struct credentials *credentials)
{
	uint64_t all = (1ull << (CAP_LAST + 1)) - 1;
	credentials->cap_effective = credentials->cap_permitted = credentials->cap_bounding = all;
}

static int64_t machine_init(const struct start_info *info, struct thread_page *page)
{
	machine.unit = info->unit;
	machine.space = info->space;
	machine.log = start_find(info, "log", 0);
	int64_t result = system_info(page, &machine.info);
	if (result < 0)
		return result;
	machine.vector_bytes = machine.info.vector_bytes;
	machine.xsave_mask = processor_vector_states(machine.vector_bytes);
	for (uint32_t cpu = 0; cpu < CPU_MAX; cpu++) {
		char name[24];
		text_format(name, sizeof(name), "budget%u", cpu);
		handle_t budget = start_find(info, name, 0);
		if (budget)
			machine.budgets[machine.cpu_count++] = budget;
	}
	if (!machine.cpu_count)
		return E_ARGUMENT;
	common_slot_count = machine.cpu_count;
	result = heap_init(info->space, info->places);
	if (result >= 0 && !pressure_init(page))
		return E_QUOTA_MEMORY;
	return result;
}

/* The second part runs on a thread of the pool: from here on current_area() is valid. */
static void start_linux(void *argument)
{
	struct task *task = argument;
	lock_checks_start();
	personality_lock();
	timers_start();
	load_start();
	link_start();
	enter_start();
	personality_unlock();
	first_program(task);
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	start = info;
	int64_t result = machine_init(info, page);
	if (result < 0)
		return 125 << 8;
	uint64_t epoch = 0;
	(void)start_find(info, "epoch", &epoch);
	clock_init(&machine.info.clock, epoch * NS_PER_SECOND);
	random_init(page);
	futex_init();
	if (!read_command())
		return 126 << 8;
	struct process *process = process_create(&pid_namespace_first, 0);
	struct task *task = process ? task_create(process, 0) : 0;
	struct thread_area *area = task ? thread_take(page, ~0ull, 0) : 0;
	if (!area)
		return 125 << 8;
	init_process = process;
	task->namespaces = namespaces_reference(&namespaces_first);
	limits_init(process);
	process_enter_group(process, process->pid);
	process_enter_session(process, process->pid);
	credentials_first(&task->credentials);
	text_copy(task->name, sizeof(task->name), "init");
	task->handlers = handlers_create();
	if (!task->handlers)
		return 125 << 8;
	thread_run(area, task, start_linux, task);
	thread_exit();
}
