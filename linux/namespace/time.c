/* Time namespaces: time_namespaces(7). Each has its own beginning of the monotonic and of the boot-time clock.
 *
 * A namespace that unshare(2) makes is for children: who forks or executes a program enters it. Its offsets are written
 * (/proc/PID/timens_offsets) before the first has entered. Deadlines are kept as the first namespace has them; what a guest
 * names and reads of the two clocks is translated (clock_read, clock_deadline). The vDSO makes the system call there: its page
 * of data is another one (exec/vdso.c).
 */
#include "../exec/exec.h"
#include "../internal.h"
#include "../proc/proc.h"

#define SECONDS_MAX ((int64_t)(INT64_MAX / NS_PER_SECOND))

struct time_namespace time_namespace_first = {.common = {.kind = NAMESPACE_TIME,
                                                         .references = 1,
                                                         .inode = 4026531834ull,
                                                         .owner = &user_namespace_first},
                                              .entered = true};

static struct time_namespace *of(struct namespace *namespace)
{
	return container_of(namespace, struct time_namespace, common);
}

struct namespace *time_namespace_copy(struct namespace *from, struct user_namespace *owner, int *error)
{
	struct time_namespace *made = heap_allocate(sizeof(*made));
	*error = made ? namespace_init(&made->common, NAMESPACE_TIME, owner) : -ENOMEM;
	if (*error) {
		heap_free(made);
		return 0;
	}
	made->monotonic_ns = of(from)->monotonic_ns;
	made->boottime_ns = of(from)->boottime_ns;
	return &made->common;
}

void time_namespace_free(struct namespace *namespace)
{
	namespace_deinit(namespace);
	heap_free(of(namespace));
}

void time_namespace_entered(struct namespace *namespace)
{
	of(namespace)->entered = true;
}

int64_t time_offset(int32_t clock)
{
	const struct namespaces *own = current_task()->namespaces;
	if (!own || own->of[NAMESPACE_TIME] == &time_namespace_first.common)
		return 0;
	const struct time_namespace *time = of(own->of[NAMESPACE_TIME]);
	switch (clock) {
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
		return time->monotonic_ns;
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		return time->boottime_ns;
	default:
		return 0;
	}
}

uint64_t time_shifted(uint64_t ns, int64_t offset)
{
	if (offset >= 0)
		return ns + (uint64_t)offset;
	return ns > (uint64_t)-offset ? ns - (uint64_t)-offset : 0;
}

/* ---- /proc/PID/timens_offsets ---- */

static void print_offset(struct proc_text *text, const char *clock, int64_t ns)
{
	int64_t seconds = ns / (int64_t)NS_PER_SECOND, rest = ns % (int64_t)NS_PER_SECOND;
	if (rest < 0) {
		rest += (int64_t)NS_PER_SECOND;
		seconds--;
	}
	proc_print(text, "%-10s %10ld %9ld\n", clock, seconds, rest);
}

void time_text_offsets(struct proc_text *text, const struct proc_subject *subject)
{
	struct namespace *namespace = namespace_of(subject->task, NAMESPACE_TIME, true);
	if (!namespace)
		return;
	print_offset(text, "monotonic", of(namespace)->monotonic_ns);
	print_offset(text, "boottime", of(namespace)->boottime_ns);
}

static const char *skip(const char *at)
{
	while (*at == ' ' || *at == '\t')
		at++;
	return at;
}

/* A number at *AT, which then stands behind it; false: there is none, or it is too large. */
static bool number(const char **at, int64_t *value)
{
	const char *from = skip(*at);
	bool negative = *from == '-';
	from += negative;
	const char *end = from;
	*value = 0;
	for (; *end >= '0' && *end <= '9'; end++)
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, *end - '0', value))
			return false;
	if (negative)
		*value = -*value;
	*at = end;
	return end != from;
}

/* WORD, or the number of its clock, at *AT, which then stands behind it. */
static bool word(const char **at, const char *name, const char *digit)
{
	const char *from = skip(*at);
	const char *const forms[] = {name, digit};
	for (unsigned i = 0; i < 2; i++) {
		size_t length = strlen(forms[i]);
		if (strncmp(from, forms[i], length) == 0 && (from[length] == ' ' || from[length] == '\t')) {
			*at = from + length;
			return true;
		}
	}
	return false;
}

struct offset {
	bool boottime;
	int64_t seconds, ns;
};

/* Lines "CLOCK SECONDS NANOSECONDS" of LINE: how many, at most two, or -EINVAL. *TAKEN: bytes of them. */
static int parse(const char *line, struct offset offsets[2], uint32_t *taken)
{
	int count = 0;
	const char *at = line;
	while (*at && count < 2) {
		struct offset *offset = &offsets[count++];
		offset->boottime = word(&at, "boottime", "7");
		if ((!offset->boottime && !word(&at, "monotonic", "1")) || !number(&at, &offset->seconds) ||
		    !number(&at, &offset->ns) || offset->ns < 0 || offset->ns >= (int64_t)NS_PER_SECOND)
			return -EINVAL;
		at = skip(at);
		if (*at && *at != '\n')
			return -EINVAL;
		at += *at == '\n';
	}
	*taken = (uint32_t)(at - line);
	return count ? count : -EINVAL;
}

/* Neither clock may ever be below 0, nor so high that no deadline could be told from never. */
static bool allowed(const struct offset *offset)
{
	if (offset->seconds > SECONDS_MAX || offset->seconds < -SECONDS_MAX)
		return false;
	int64_t seconds = (int64_t)(clock_monotonic() / NS_PER_SECOND) + offset->seconds;
	if ((int64_t)(clock_monotonic() % NS_PER_SECOND) + offset->ns >= (int64_t)NS_PER_SECOND)
		seconds++;
	return seconds >= 0 && seconds <= SECONDS_MAX / 2;
}

int64_t time_write_offsets(const struct proc_subject *subject, const char *bytes, uint32_t count)
{
	struct offset offsets[2];
	(void)count;
	uint32_t taken = 0;
	int lines = parse(bytes, offsets, &taken);
	if (lines < 0)
		return lines;
	struct namespace *namespace = namespace_of(subject->task, NAMESPACE_TIME, true);
	if (!namespace)
		return -ESRCH;
	if (!capable_in(namespace->owner, CAP_SYS_TIME))
		return -EPERM;
	for (int i = 0; i < lines; i++)
		if (!allowed(&offsets[i]))
			return -ERANGE;
	struct time_namespace *time = of(namespace);
	if (time->entered)
		return -EACCES;
	for (int i = 0; i < lines; i++) {
		int64_t ns = offsets[i].seconds * (int64_t)NS_PER_SECOND + offsets[i].ns;
		if (offsets[i].boottime)
			time->boottime_ns = ns;
		else
			time->monotonic_ns = ns;
	}
	return taken;
}
