/* The name of a core file, or of the program that takes it: /proc/sys/kernel/core_pattern, core(5), "Naming of core dump files". */
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
		append_number(name, (uint64_t)process->number);
		break;
	case 'P':
		append_number(name, (uint64_t)process->pid);
		break;
	case 'i':
		append_number(name, (uint64_t)task->number);
		break;
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

/* One word, or all of it, from PATTERN to END; whether it has a %p. */
static bool expand(struct name *name, const char *pattern, const char *end, const struct task *task,
                   int signal)
{
	bool has_pid = false;
	for (; pattern < end && !name->failed; pattern++) {
		char one[2] = {*pattern, 0};
		if (*pattern != '%') {
			append(name, one, false);
			continue;
		}
		if (++pattern == end)
			break;
		has_pid |= *pattern == 'p';
		append_word(name, task, signal, *pattern);
	}
	return has_pid;
}

bool core_name(const struct task *task, int signal, char text[CORE_NAME_BYTES])
{
	struct name name = {.text = text};
	const char *pattern = sysctl_core_pattern;
	text[0] = 0;
	bool has_pid = expand(&name, pattern, pattern + strlen(pattern), task, signal);
	if (!has_pid && sysctl_core_uses_pid.value) {
		append(&name, ".", false);
		append_number(&name, (uint64_t)task->process->pid);
	}
	return !name.failed && name.length;
}

bool core_words(const struct task *task, int signal, char text[CORE_NAME_BYTES],
                const char *words[CORE_WORDS + 1])
{
	struct name name = {.text = text};
	const char *at = sysctl_core_pattern + 1;
	unsigned count = 0;
	for (;;) {
		while (*at == ' ')
			at++;
		if (!*at)
			break;
		const char *end = strchr(at, ' ');
		if (!end)
			end = at + strlen(at);
		if (count == CORE_WORDS)
			return false;
		words[count++] = &text[name.length];
		text[name.length] = 0;
		(void)expand(&name, at, end, task, signal);
		at = end;
		if (name.failed || ++name.length >= CORE_NAME_BYTES)
			return false;
	}
	words[count] = 0;
	return count && words[0][0] == '/';
}
