/* The name of a core file: /proc/sys/kernel/core_pattern, core(5), "Naming of core dump files". */
#include "internal.h"
#include "core/core.h"
#include "fs/name.h"
#include "proc/proc.h"

char sysctl_core_pattern[128] = "core";
struct sysctl sysctl_core_uses_pid = {0, 0, 1};

struct name {
	char *text;
	uint32_t length;
	bool failed;
};

/* Words of a program's own choosing lead into no other directory. */
static void append(struct name *name, const char *text, bool own)
{
	if (own && (strcmp(text, ".") == 0 || strcmp(text, "..") == 0))
		text = text[1] ? "!." : "!";
	for (; *text; text++) {
		if (name->length + 1 >= CORE_NAME_BYTES) {
			name->failed = true;
			return;
		}
		name->text[name->length++] = own && *text == '/' ? '!' : *text;
	}
	name->text[name->length] = 0;
}

static void append_number(struct name *name, uint64_t value)
{
	char digits[24];
	text_format(digits, sizeof(digits), "%lu", value);
	append(name, digits, false);
}

static void append_path(struct name *name, const struct task *task, bool whole)
{
	char *path = heap_allocate(PATH_MAX_BYTES);
	const struct file *file = task->mm->executable;
	if (!path || !file) {
		heap_free(path);
		append(name, task->name, true);
		return;
	}
	file_path(file, path, PATH_MAX_BYTES);
	const char *base = strrchr(path, '/');
	append(name, whole || !base ? path : base + 1, true);
	heap_free(path);
}

static void append_word(struct name *name, const struct task *task, int signal, char word)
{
	const struct process *process = task->process;
	switch (word) {
	case '%':
		append(name, "%", false);
		break;
	case 'p':
	case 'P':
		append_number(name, (uint64_t)process->pid);
		break;
	case 'i':
	case 'I':
		append_number(name, (uint64_t)task->tid);
		break;
	case 'u':
		append_number(name, task->credentials.uid);
		break;
	case 'g':
		append_number(name, task->credentials.gid);
		break;
	case 'd':
		append_number(name, !process->dumpable_off);
		break;
	case 's':
		append_number(name, (uint64_t)signal);
		break;
	case 't':
		append_number(name, clock_realtime() / NS_PER_SECOND);
		break;
	case 'h':
		append(name, linux_host_text(false), true);
		break;
	case 'e':
		append(name, task->name, true);
		break;
	case 'f':
		append_path(name, task, false);
		break;
	case 'E':
		append_path(name, task, true);
		break;
	case 'c':
		append_number(name, process->limits[RLIMIT_CORE].current);
		break;
	default: /* what is unknown is left out */
		break;
	}
}

bool core_name(const struct task *task, int signal, char text[CORE_NAME_BYTES])
{
	struct name name = {.text = text};
	const char *pattern = sysctl_core_pattern;
	bool has_pid = false;
	text[0] = 0;
	if (*pattern == '|') {
		linux_log(
		    "linux: no core file of %s (%d): core_pattern names a program, which is not started\n",
		    task->name, task->process->pid);
		return false;
	}
	for (; *pattern && !name.failed; pattern++) {
		char one[2] = {*pattern, 0};
		if (*pattern != '%') {
			append(&name, one, false);
			continue;
		}
		if (!*++pattern)
			break;
		has_pid |= *pattern == 'p';
		append_word(&name, task, signal, *pattern);
	}
	if (!has_pid && sysctl_core_uses_pid.value) {
		append(&name, ".", false);
		append_number(&name, (uint64_t)task->process->pid);
	}
	return !name.failed && name.length;
}
