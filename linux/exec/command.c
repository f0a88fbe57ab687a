/* See command.h. */
#include "command.h"
#include <holon/command.h>
#include "../internal.h"
#include "../mm/area.h"

bool command_read(handle_t memory, uint64_t bytes, struct first_command *command)
{
	*command = (struct first_command){.window_bytes = page_up(bytes)};
	if (bytes < sizeof(struct command_header) || bytes > sizeof(struct command_header) + COMMAND_SIZE_MAX)
		return false;
	uint64_t address = window_take(command->window_bytes, PAGE_SIZE_BYTES);
	if (!address)
		return false;
	if (space_map(machine.space, address, memory, 0, command->window_bytes, MAP_READ) < 0) {
		window_put(address, command->window_bytes);
		return false;
	}
	command->window = address;
	/* What maps it may also write it: its counts are read once. */
	struct command_header *header = (struct command_header *)address;
	uint32_t argc = *(volatile uint32_t *)&header->argc, envc = *(volatile uint32_t *)&header->envc;
	const char **words = argc > COMMAND_ARGUMENT_MAX || envc > COMMAND_ENVIRONMENT_MAX
	                         ? 0
	                         : heap_allocate(((size_t)argc + envc + 2) * sizeof(*words));
	const char *wrong =
	    words ? command_parse(header, bytes, words) : "there is no memory for the command";
	if (wrong) {
		linux_log("linux: %s\n", wrong);
		heap_free(words);
		command_free(command);
		return false;
	}
	memmove(words + argc + 1, words + argc, envc * sizeof(*words));
	words[argc] = 0;
	command->words = words;
	command->argv = words;
	command->envp = words + argc + 1;
	command->no_input = header->flags & COMMAND_NO_INPUT;
	return true;
}

void command_free(struct first_command *command)
{
	if (command->window) {
		space_unmap(machine.space, command->window, command->window_bytes);
		window_put(command->window, command->window_bytes);
	}
	heap_free(command->words);
	*command = (struct first_command){0};
}

static const char *environment(const struct first_command *command, const char *name)
{
	size_t length = strlen(name);
	for (const char *const *word = command->envp; *word; word++)
		if (strncmp(*word, name, length) == 0 && (*word)[length] == '=')
			return *word + length + 1;
	return 0;
}

int command_find(const struct first_command *command, const char *name, char *path, size_t size,
                 struct file **file)
{
	const char *folders = environment(command, "PATH");
	int error = -ENOENT;
	text_copy(path, size, name);
	if (strchr(name, '/')) {
		*file = file_open_exec(AT_FDCWD, path, 0, false, &error);
		return *file ? 0 : error;
	}
	while (folders && *folders) {
		const char *end = strchr(folders, ':');
		size_t length = end ? (size_t)(end - folders) : strlen(folders);
		if (length && length + strlen(name) + 2 <= size) {
			text_copy(path, length + 1, folders);
			path[length] = '/';
			text_copy(path + length + 1, size - length - 1, name);
			int one;
			*file = file_open_exec(AT_FDCWD, path, 0, false, &one);
			if (*file)
				return 0;
			if (one != -ENOENT)
				error = one;
		}
		folders = end ? end + 1 : 0;
	}
	return error;
}

void command_refused(const struct first_command *command, int error)
{
	char text[256];
	struct linux_iovec one;
	struct io io;
	int64_t position = 0;
	struct file *file = file_of(2);
	int length = text_format(text, sizeof(text), "%s: %s\n", command->argv[0],
	                         error == -ENOENT   ? "there is no such program"
	                         : error == -EACCES ? "it is no program that may be run"
	                         : error == -ENOMEM ? "there is not enough memory"
	                                            : "it cannot be run");
	io_init_kernel(&io, &one, text,
	               (uint64_t)length < sizeof(text) ? (uint64_t)length : sizeof(text) - 1);
	if (file && file->ops->write)
		(void)file->ops->write(file, &io, &position);
}

struct task *program_prepare(const char *name, struct thread_area **area)
{
	struct process *process = process_create(&pid_namespace_first, 0);
	struct task *task = process ? task_create(process, 0) : 0;
	if (!task) {
		if (process)
			process_unlink(process);
		return 0;
	}
	task->handlers = handlers_create();
	*area = task->handlers && pressure_task_allowed()
	            ? thread_take(current_page(), ~0ull, current_area()->cpu)
	            : 0;
	if (!*area) {
		if (task->handlers)
			handlers_release(task->handlers);
		task_destroy(task);
		process_unlink(process);
		return 0;
	}
	limits_init(process);
	process_enter_group(process, process->pid);
	process_enter_session(process, process->pid);
	credentials_first(&task->credentials);
	task->namespaces = namespaces_reference(&namespaces_first);
	text_copy(task->name, sizeof(task->name), name);
	return task;
}
