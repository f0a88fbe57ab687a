/* Programs that take core files from their standard input: core_pattern(5) that begins with |, core(5), "Piping core dumps
 * to a program". They run as the first user of all does, in the first namespaces and in /, whoever died; a program that cannot
 * be started leaves no core file. The common lock is held alone.
 */
#include "internal.h"
#include "core/core.h"
#include "exec/command.h"
#include "fs/open.h"
#include "fs/pipe.h"
#include "proc/proc.h"

struct sysctl sysctl_core_pipe_limit = {0, 0, INT32_MAX};

struct core_helper {
	char text[CORE_NAME_BYTES];
	const char *arguments[CORE_WORDS + 1]; /* in it */
	struct file *input;
	struct task
	    *waits; /* the dying one, until the program has been started or not, or it has been killed */
	int error;
};

static uint32_t dumps; /* that programs take at the moment */

/* The program's first thread. */
static void helper_first(void *argument)
{
	struct core_helper *helper = argument;
	struct task *task = current_task();
	struct file *program = 0;
	const char *none = 0;
	personality_lock();
	int error = files_init_entered(task);
	if (error)
		file_release(helper->input);
	else
		error = (int)file_give(helper->input, false);
	helper->input = 0;
	if (error >= 0)
		program = file_open_exec(AT_FDCWD, helper->arguments[0], 0, false, &error);
	if (program)
		error = exec_load(task, program, helper->arguments[0], 0, 0, helper->arguments, &none);
	if (helper->waits) {
		helper->error = error;
		(void)task_wake(helper->waits);
		helper->waits = 0;
	} else {
		heap_free(helper);
	}
	if (error < 0)
		process_exit(127 << 8);
	personality_unlock();
	guest_loop();
}

static bool start(struct core_helper *helper)
{
	struct thread_area *area;
	struct task *task = program_prepare("core_pattern", &area);
	if (!task)
		return false;
	task->process->limits[RLIMIT_CORE] = (struct linux_rlimit){1, 1}; /* it leaves no core to itself */
	thread_run(area, task, helper_first, helper);
	return true;
}

struct file *core_helper_start(const struct core_dump *dump)
{
	struct task *task = dump->task;
	struct process *process = task->process;
	struct file *output = 0;
	struct core_helper *helper = heap_allocate(sizeof(*helper));
	if (!helper || !core_words(task, dump->signal, helper->text, helper->arguments)) {
		linux_log("linux: no core file of %s (%d): core_pattern names no program\n", task->name,
		          process->pid);
		goto out;
	}
	if (sysctl_core_pipe_limit.value && dumps >= (uint64_t)sysctl_core_pipe_limit.value) {
		linux_log("linux: no core file of %s (%d): core_pipe_limit programs take others\n",
		          task->name, process->pid);
		goto out;
	}
	if (pipe_ends(0, &helper->input, &output))
		goto out;
	dumps++; /* before the program can look who else died */
	helper->waits = task;
	if (!start(helper)) {
		file_release(helper->input);
		helper->error = -ENOMEM;
		helper->waits = 0;
	}
	while (helper->waits && !process->killed)
		wait_sleep_always();
	bool started = !helper->waits && helper->error >= 0;
	if (!started) {
		dumps--;
		file_release(output);
		output = 0;
	}
	if (!started && !process->killed)
		linux_log("linux: no core file of %s (%d): core_pattern's program cannot be started\n",
		          task->name, process->pid);
	if (helper->waits) { /* the program frees it */
		helper->waits = 0;
		helper = 0;
	}
out:
	heap_free(helper);
	return output;
}

void core_helper_end(struct file *output, const struct process *process)
{
	/* So long it can look at the process in /proc. */
	if (sysctl_core_pipe_limit.value)
		pipe_wait_readers(output, process);
	dumps--;
	file_release(output);
}
