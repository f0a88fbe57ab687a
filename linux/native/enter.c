/* Programs that an ancestor starts in this sub-kernel (enter() of abi/subkernel.interface; `subkernel exec`).
 *
 * Such a program is a process without a parent, in a session of its own, on a console of its own. One worker asks the
 * manager what is to be done when the "control" event says so, and tells it which programs have ended: calls to the
 * manager are made with the common lock given up, and a process that ends cannot do that.
 */
#include <holon/blueprint.h>
#include "../exec/command.h"
#include "../internal.h"
#include "../tty/tty.h"
#include "native.h"
#include "subkernel.interface.h"

#define NOT_STARTED (126 << 8)

struct entered {
	struct list link;
	uint64_t number;
	struct console *console;
	struct process *process; /* 0 once it has ended */
	struct first_command command;
	handle_t command_memory;
	int32_t status;
};

static struct list programs = LIST_INIT(programs);
static handle_t control, control_event;

static void entered_free(struct entered *entered)
{
	command_free(&entered->command);
	if (entered->command_memory)
		cap_delete(entered->command_memory);
	heap_free(entered);
}

/* The new process's first thread. */
static void entered_first(void *argument)
{
	struct task *task = current_task();
	struct entered *entered = argument;
	char path[512];
	struct file *file;
	personality_lock();
	int error = files_init_entered(task);
	if (!error)
		error = files_standard(entered->console);
	if (!error && entered->command.no_input)
		files_no_input();
	if (!error)
		error = command_find(&entered->command, entered->command.argv[0], path, sizeof(path), &file);
	if (!error)
		error = exec_load(task, file, path, 0, 0, entered->command.argv, entered->command.envp);
	if (error)
		command_refused(&entered->command, error);
	if (error)
		process_exit((error == -ENOENT ? 127 : 126) << 8);
	personality_unlock();
	guest_loop();
}

/* Starts what was taken; false: nothing was started, and ENTERED is to be freed. */
static bool entered_start(struct entered *entered)
{
	struct thread_area *area;
	struct task *task = program_prepare("entered", &area);
	if (!task)
		return false;
	task->process->entered = entered;
	entered->process = task->process;
	thread_run(area, task, entered_first, entered);
	return true;
}

static void tell_left(uint64_t number, int32_t status)
{
	personality_unlock();
	(void)subkernel_left(control, current_page(), number, (uint64_t)status & 0xffff, DEADLINE_NEVER);
	personality_lock();
}

/* Takes what came with NUMBER and starts it. */
static void enter(uint64_t number)
{
	uint64_t bytes = 0;
	handle_t memory = 0, event = 0, peer = 0, command = 0;
	personality_unlock();
	int64_t result = subkernel_take(control, current_page(), number, &bytes, &memory, &event, &peer,
	                                &command, DEADLINE_NEVER);
	personality_lock();
	struct entered *entered = result < 0 ? 0 : heap_allocate(sizeof(*entered));
	if (!entered) {
		if (result >= 0) {
			cap_delete(memory);
			cap_delete(event);
			cap_delete(peer);
			cap_delete(command);
		}
		tell_left(number, NOT_STARTED);
		return;
	}
	list_init(&entered->link);
	entered->number = number;
	entered->command_memory = command;
	entered->console = console_create(memory, event, peer, true);
	if (entered->console && command_read(command, bytes, &entered->command)) {
		list_append(&programs, &entered->link);
		if (entered_start(entered))
			return;
		list_remove(&entered->link);
	}
	if (entered->console)
		console_end(entered->console);
	entered_free(entered);
	tell_left(number, NOT_STARTED);
}

static void end(uint64_t number)
{
	struct entered *entered;
	list_for_each(entered, &programs, link) if (entered->number == number && entered->process)
	{
		struct process *process = entered->process;
		signal_send_process(process, SIGKILL, 0);
		return;
	}
}

/* One that has ended, out of the list. */
static struct entered *take_ended(void)
{
	struct entered *entered;
	list_for_each(entered, &programs, link) if (!entered->process)
	{
		list_remove(&entered->link);
		return entered;
	}
	return 0;
}

static void entered_worker(void *argument)
{
	(void)argument;
	for (;;) {
		struct entered *ended;
		while ((ended = take_ended())) {
			uint64_t number = ended->number;
			int32_t status = ended->status;
			console_end(ended->console);
			entered_free(ended);
			tell_left(number, status);
		}
		for (;;) {
			uint32_t task = 0;
			uint64_t number = 0;
			personality_unlock();
			int64_t result =
			    subkernel_task(control, current_page(), &task, &number, DEADLINE_NEVER);
			personality_lock();
			if (result < 0)
				break;
			if (task == SUBKERNEL_TASK_ENTER)
				enter(number);
			else if (task == SUBKERNEL_TASK_KILL)
				end(number);
			else if (task == SUBKERNEL_TASK_WITHDRAW)
				portal_withdraw(number);
			else if (task == SUBKERNEL_TASK_END)
				shutdown_begin();
		}
		worker_wait_for(control_event, DEADLINE_NEVER);
	}
}

void enter_start(void)
{
	control = start_find(linux_start_info(), "control", 0);
	control_event = start_find(linux_start_info(), "control-event", 0);
	if (control && control_event && !worker_create("entered", entered_worker, 0))
		linux_log("linux: no program can be started from outside: there is no memory\n");
}

void entered_ended(struct process *process, int32_t status)
{
	struct entered *entered = process->entered;
	process->entered = 0;
	entered->process = 0;
	entered->status = status;
	event_signal(control_event, 1);
}
