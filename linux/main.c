/* Start of a linux sub-kernel: reads what its creator gave it, sets everything up, runs the first program.
 *
 * Arguments (start_info): the program's path and its arguments; words before it of the form NAME=VALUE go
 * into its environment. Without any, /bin/sh. Capabilities: budget0.. (one a CPU), log (kernel log,
 * optional), and those that the file side documents (files_init_first).
 */
#include "internal.h"

extern handle_t personality_lock_event;

#define WORDS_MAX 128

static const struct start_info *start;
static const char *first_argv[WORDS_MAX + 1], *first_envp[WORDS_MAX + 4];
static char log_text[256];

const struct start_info *start_page(void)
{
	return start;
}

void linux_log(const char *format, ...)
{
	__builtin_va_list arguments;
	if (!machine.log)
		return;
	__builtin_va_start(arguments, format);
	text_format_list(log_text, sizeof(log_text), format, arguments);
	__builtin_va_end(arguments);
	log_print(machine.log, current_page(), "%s", log_text);
}

static void parse_arguments(void)
{
	unsigned argc = 0, envc = 0;
	const char *word = start->arguments, *end = start->arguments + sizeof(start->arguments);
	while (word < end && *word && argc < WORDS_MAX) {
		size_t length = strnlen(word, (size_t)(end - word));
		if (word + length == end)
			break;
		const char *equals = strchr(word, '=');
		if (!argc && equals && equals != word && !strchr(word, '/'))
			first_envp[envc++] = word;
		else if (!argc && equals && strchr(word, '/') > equals)
			first_envp[envc++] = word;
		else
			first_argv[argc++] = word;
		word += length + 1;
	}
	if (!argc)
		first_argv[0] = "/bin/sh";
	first_envp[envc++] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	first_envp[envc++] = "HOME=/root";
	first_envp[envc] = "TERM=linux";
}

static int find_program(const char *name, char *path, size_t size, struct file **file)
{
	static const char *const folders[] = {"/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/",
	                                      "/usr/local/bin/"};
	int error = -ENOENT;
	if (strchr(name, '/')) {
		text_copy(path, size, name);
		*file = file_open_exec(AT_FDCWD, path, 0, &error);
		return *file ? 0 : error;
	}
	for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		text_format(path, size, "%s%s", folders[i], name);
		*file = file_open_exec(AT_FDCWD, path, 0, &error);
		if (*file)
			return 0;
	}
	return error;
}

static void first_program(void *argument)
{
	struct task *task = argument;
	char path[256];
	struct file *file;
	personality_lock();
	int error = files_init_first(task);
	if (error) {
		linux_log("linux: no files for the first process: error %d\n", -error);
		unit_exit(126);
	}
	error = find_program(first_argv[0], path, sizeof(path), &file);
	if (!error)
		error = exec_load(task, file, path, 0, 0, first_argv, first_envp);
	if (error) {
		linux_log("linux: cannot run %s: error %d\n", first_argv[0], -error);
		unit_exit(error == -ENOENT ? 127 : 126);
	}
	personality_unlock();
	guest_loop();
}

static void credentials_first(struct credentials *credentials)
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
	machine.xsave_mask = machine.info.xsave_features;
	machine.vector_bytes = machine.xsave_mask ? machine.info.xsave_bytes : 512;
	for (uint32_t cpu = 0; cpu < CPU_MAX; cpu++) {
		char name[24];
		text_format(name, sizeof(name), "budget%u", cpu);
		handle_t budget = start_find(info, name, 0);
		if (budget)
			machine.budgets[machine.cpu_count++] = budget;
	}
	if (!machine.cpu_count)
		return E_ARGUMENT;
	result = event_create();
	if (result < 0)
		return result;
	personality_lock_event = (handle_t)result;
	return heap_init(info->space);
}

/* The second part runs on a thread of the pool: from here on current_area() is valid. */
static void start_linux(void *argument)
{
	struct task *task = argument;
	personality_lock();
	timers_start();
	personality_unlock();
	first_program(task);
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	start = info;
	int64_t result = machine_init(info, page);
	if (result < 0)
		return (int)result;
	uint64_t epoch = 0;
	(void)start_find(info, "epoch", &epoch);
	clock_init(&machine.info.clock, epoch * NS_PER_SECOND);
	random_init();
	parse_arguments();
	struct process *process = process_create();
	struct task *task = process ? task_create(process) : 0;
	struct thread_area *area = task ? thread_take(page, ~0ull) : 0;
	if (!area)
		return 125;
	init_process = process;
	limits_init(process);
	process_enter_group(process, process->pid);
	process_enter_session(process, process->pid);
	credentials_first(&task->credentials);
	text_copy(task->name, sizeof(task->name), "init");
	task->handlers = handlers_create();
	if (!task->handlers)
		return 125;
	thread_run(area, task, start_linux, task);
	thread_exit();
}
