/*
 * What happens outside, as messages: a file that changes, a metric's values, a sub-kernel's state, lines of the user. Only a
 * live run looks (vm->live); each look that finds something stands in the trace with the step and the time at which it was
 * noticed, so that a replay gives it again there. A file is watched with inotify where there is one, else it is looked at
 * every 200 ms; what it was last decides what is said, so that both say the same. In a run that is not live, files that the
 * program itself changes are all that happens to files.
 */
#include "capability.h"
#include "schedule.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WATCHES_MAX 1000
#define LOOK_NS     200000000 /* between two looks at a file without inotify */
#define POLL_NS     1000000   /* between two looks while the program is at work */
#define LATE_NS     1000000   /* the clock of a live run is at most so much behind */
#define INPUT_END                                                                                            \
	"end of input" /* the source of an event that is not delivered: a replay stops waiting, too */
#define PROCESS_ENDED "process:ended" /* what wait() of processes listens to */
#define LINE_LIMIT    65536
#define METRIC_MAX    65536 /* bytes at the end of a metric's file that are read */

enum watch_kind { WATCH_FILE, WATCH_METRIC, WATCH_SUBKERNEL };

struct file_state {
	bool exists;
	uint64_t inode, size;
	int64_t changed_ns;
};

struct watch {
	enum watch_kind kind;
	char *channel, *path;
	int directory; /* that the path is below; our own descriptor */
	int inotify;   /* the watch's number, or -1 */
	char name[256];
	bool touched; /* inotify named it */
	struct file_state seen;
	int64_t period_ns, next_ns; /* of looks, in real time */
	char text[64];              /* what was said last */
};

struct events {
	struct watch *all;
	unsigned count;
	int inotify;
	int64_t start_ns, looked_ns; /* real time at logical time 0; of the last look while at work */
	bool expected;               /* something is watched */
	bool input;
	unsigned waits_for_processes, ended_seen;
	char *line;
	size_t line_length;
	struct text found; /* source, zero, text, zero, again and again: what one look found */
	unsigned found_count;
};

/* ---- processes that end: a signal counts them and wakes who waits, by a pipe; a child's machine has the same ---- */
static atomic_uint processes_ended;
static int process_pipe[2] = {-1, -1};

static void process_ended(int number)
{
	(void)number;
	int error = errno;
	atomic_fetch_add(&processes_ended, 1);
	if (write(process_pipe[1], "", 1) < 0)
		errno = error; /* it is full: who waits is woken */
	errno = error;
}

bool events_watch_processes(void)
{
	struct sigaction action = {.sa_handler = process_ended, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
	if (process_pipe[0] >= 0)
		return true;
	if (pipe2(process_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
		return false;
	return sigaction(SIGCHLD, &action, NULL) == 0;
}

static int64_t real_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct events *events_of(struct vm *vm)
{
	if (!vm->events) {
		vm->events = calloc(1, sizeof(*vm->events));
		if (!vm->events)
			abort();
		vm->events->inotify = -1;
		vm->events->start_ns = real_ns() - vm->clock_ns;
	}
	return vm->events;
}

void events_free(struct vm *vm)
{
	struct events *e = vm->events;
	if (!e)
		return;
	for (unsigned i = 0; i < e->count; i++) {
		if (e->all[i].directory >= 0)
			close(e->all[i].directory);
		free(e->all[i].channel);
		free(e->all[i].path);
	}
	if (e->inotify >= 0)
		close(e->inotify);
	free(e->all);
	free(e->line);
	free(e->found.bytes);
	free(e);
	vm->events = NULL;
}

/* ---- messages ---- */
/* The message of an event: a file's is a map, a metric's a number, a sub-kernel's its state, others are text. */
void events_deliver(struct vm *vm, const char *source, const char *text, size_t length)
{
	if (!strcmp(source, INPUT_END) && vm->events) {
		vm->events->input = false;
		return;
	}
	value item = from_object(string_new(vm, text, length));
	vm_root_push(vm, item);
	if (!strncmp(source, "file:", 5)) {
		struct map *map = map_new(vm, 2);
		map_set_text(vm, map, "what", item);
		map_set_text(vm, map, "path", from_object(string_new(vm, source + 5, strlen(source + 5))));
		item = from_object(map);
	} else if (!strncmp(source, "metric:", 7)) {
		char number[64] = "", *end;
		memcpy(number, text, length < sizeof(number) - 1 ? length : sizeof(number) - 1);
		double d = strtod(number, &end);
		if (end > number)
			item = from_double(d);
	}
	scheduler_post(vm, source, item);
	vm_root_pop(vm, 1);
}

static void found(struct events *e, const char *source, const char *text)
{
	text_put(&e->found, source, strlen(source) + 1);
	text_put(&e->found, text, strlen(text) + 1);
	e->found_count++;
}

/* What a look found goes into the trace and into the queue. */
static void deliver_found(struct vm *vm, char where, int64_t clock)
{
	struct events *e = vm->events;
	trace_note_wake(vm, where, clock, e->found_count);
	const char *at = e->found.bytes;
	for (unsigned i = 0; i < e->found_count; i++) {
		const char *text = at + strlen(at) + 1;
		trace_note_happened(vm, at, text, strlen(text));
		vm->clock_ns = clock;
		events_deliver(vm, at, text, strlen(text));
		at = text + strlen(text) + 1;
	}
	vm->clock_ns = clock;
	e->found_count = 0;
	e->found.length = 0;
}

/* In a replay: what was found here. False: nothing was. */
static bool replay_found(struct vm *vm, char where)
{
	int64_t clock;
	unsigned count;
	if (!trace_wake(vm, where, &clock, &count))
		return false;
	if (clock > vm->clock_ns)
		vm->clock_ns = clock;
	for (unsigned i = 0; i < count; i++) {
		const char *source, *text;
		size_t length;
		if (!trace_happened(vm, &source, &text, &length))
			break;
		events_deliver(vm, source, text, length);
	}
	return true;
}

/* ---- looking ---- */
static struct file_state state_of(const struct watch *w)
{
	char last[256];
	struct stat st;
	struct file_state state = {0};
	int at = capability_walk(w->directory, w->path, last);
	if (at >= 0 && fstatat(at, last, &st, AT_SYMLINK_NOFOLLOW) == 0)
		state = (struct file_state){true, st.st_ino, (uint64_t)st.st_size,
		                            (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec};
	if (at >= 0)
		close(at);
	return state;
}

static void look_at_file(struct events *e, struct watch *w)
{
	struct file_state now = state_of(w), was = w->seen;
	bool touched = w->touched;
	w->seen = now;
	w->touched = false;
	if (now.exists && !was.exists)
		found(e, w->channel, "created");
	else if (!now.exists && was.exists)
		found(e, w->channel, "removed");
	else if (now.exists && (touched || now.inode != was.inode || now.size != was.size ||
	                        now.changed_ns != was.changed_ns))
		found(e, w->channel, "changed");
}

/* The first number of a file's last line that has one. */
static bool read_metric(const struct watch *w, char text[64])
{
	static char bytes[METRIC_MAX + 1];
	char last[256], *end;
	struct stat st;
	bool have = false;
	int at = capability_walk(w->directory, w->path, last);
	int fd = at < 0 ? -1 : openat(at, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (at >= 0)
		close(at);
	if (fd < 0)
		return false;
	off_t skip = fstat(fd, &st) == 0 && st.st_size > METRIC_MAX ? st.st_size - METRIC_MAX : 0;
	ssize_t n = pread(fd, bytes, METRIC_MAX, skip);
	close(fd);
	bytes[n > 0 ? n : 0] = 0;
	for (char *line = strtok_r(bytes, "\n", &end); line; line = strtok_r(NULL, "\n", &end)) {
		char *after, *from = line + strcspn(line, "-0123456789");
		double d = strtod(from, &after);
		if (after == from)
			continue;
		number_format_exact(d, text, 64);
		have = true;
	}
	return have;
}

static void look_at_watch(struct events *e, struct watch *w, int64_t now)
{
	char text[64] = "";
	if (w->kind == WATCH_FILE) {
		if (w->touched || now >= w->next_ns) {
			look_at_file(e, w);
			w->next_ns = w->inotify >= 0 ? INT64_MAX : now + LOOK_NS;
		}
		return;
	}
	if (now < w->next_ns)
		return;
	w->next_ns = now + w->period_ns;
	if (w->kind == WATCH_METRIC) {
		if (read_metric(w, text))
			found(e, w->channel, text);
		return;
	}
	subkernel_state(w->path, text, sizeof(text));
	if (strcmp(text, w->text) != 0) {
		snprintf(w->text, sizeof(w->text), "%s", text);
		found(e, w->channel, text);
	}
}

static void read_inotify(struct events *e)
{
	union {
		struct inotify_event first;
		char bytes[8192];
	} buffer;
	ssize_t n;
	while (e->inotify >= 0 && (n = read(e->inotify, buffer.bytes, sizeof(buffer.bytes))) > 0)
		for (char *at = buffer.bytes; at < buffer.bytes + n;) {
			const struct inotify_event *event = (struct inotify_event *)at;
			for (unsigned i = 0; i < e->count; i++) {
				struct watch *w = &e->all[i];
				if (event->mask & IN_Q_OVERFLOW ||
				    (w->inotify == event->wd && event->len && !strcmp(event->name, w->name)))
					w->touched = true;
				if (w->inotify == event->wd && event->mask & (IN_IGNORED | IN_DELETE_SELF)) {
					w->inotify = -1; /* its directory is gone: look from time to time */
					w->next_ns = 0;
				}
			}
			at += sizeof(*event) + event->len;
		}
}

static void read_lines(struct vm *vm)
{
	struct events *e = vm->events;
	char buffer[4096];
	struct pollfd p = {0, POLLIN, 0};
	while (e->input && poll(&p, 1, 0) > 0) {
		ssize_t n = read(0, buffer, sizeof(buffer));
		if (n <= 0) {
			e->input = false;
			found(e, INPUT_END, "");
			break;
		}
		for (ssize_t i = 0; i < n; i++) {
			if (!e->line) {
				e->line = malloc(LINE_LIMIT);
				if (!e->line)
					abort();
			}
			if (buffer[i] != '\n') {
				if (buffer[i] && buffer[i] != '\r' && e->line_length < LINE_LIMIT - 1)
					e->line[e->line_length++] = buffer[i];
				continue;
			}
			e->line[e->line_length] = 0;
			e->line_length = 0;
			char *text = e->line;
			if (*text == '@' && strchr(text, ' ')) {
				text = strchr(text, ' ');
				*text++ = 0;
				found(e, e->line + 1, text);
			} else {
				found(e, "user", text);
			}
		}
	}
}

static void look_at_processes(struct events *e)
{
	char bytes[64];
	while (process_pipe[0] >= 0 && read(process_pipe[0], bytes, sizeof(bytes)) > 0)
		;
	unsigned ended = atomic_load(&processes_ended);
	if (!e->waits_for_processes || ended == e->ended_seen)
		return;
	e->ended_seen = ended;
	found(e, PROCESS_ENDED, "");
}

static bool look(struct vm *vm, int64_t now)
{
	struct events *e = vm->events;
	look_at_processes(e);
	read_inotify(e);
	for (unsigned i = 0; i < e->count; i++)
		look_at_watch(e, &e->all[i], now);
	read_lines(vm);
	return e->found_count > 0;
}

/* ---- for the scheduler ---- */
bool events_expected(const struct vm *vm)
{
	return vm->events && (vm->events->expected || vm->events->input);
}

void events_wait(struct vm *vm, int64_t until)
{
	if (vm->kept != V_NIL && !timeline_is_branch(vm))
		mosaic_flush(vm, false);
	if (!vm->live) {
		vm->clock_ns = until;
		return;
	}
	if (trace_replaying(vm)) {
		if (!replay_found(vm, 'W'))
			vm->clock_ns = until;
		return;
	}
	struct events *e = events_of(vm);
	fflush(vm->out);
	while (!vm->interrupted) {
		int64_t now = real_ns(),
		        wake = until > INT64_MAX - e->start_ns ? INT64_MAX : until + e->start_ns;
		if (look(vm, now)) {
			now -= e->start_ns;
			deliver_found(vm, 'W', now < vm->clock_ns ? vm->clock_ns : now < until ? now : until);
			return;
		}
		if (now >= wake) {
			/* Well after the time, as the program was at work: the clock follows, and a replay is told. */
			if (now - wake > LATE_NS) {
				deliver_found(vm, 'W', now - e->start_ns);
				return;
			}
			break;
		}
		for (unsigned i = 0; i < e->count; i++)
			if (e->all[i].next_ns < wake)
				wake = e->all[i].next_ns;
		if (wake > now + 3600000000000)
			wake = now + 3600000000000;
		struct timespec t = {(wake - now) / 1000000000, (wake - now) % 1000000000};
		if (wake <= now)
			t = (struct timespec){0, 0};
		struct pollfd p[3] = {{e->inotify, POLLIN, 0},
		                      {e->input ? 0 : -1, POLLIN, 0},
		                      {e->waits_for_processes ? process_pipe[0] : -1, POLLIN, 0}};
		ppoll(p, 3, &t, NULL);
	}
	vm->clock_ns = until;
}

bool events_poll(struct vm *vm, int64_t due)
{
	if (!vm->live)
		return false;
	if (trace_replaying(vm))
		return replay_found(vm, 'P');
	struct events *e = events_of(vm);
	int64_t now = real_ns();
	if (now - e->looked_ns < POLL_NS)
		return false;
	e->looked_ns = now;
	int64_t clock = now - e->start_ns;
	if (!look(vm, now) && due > clock)
		return false;
	deliver_found(vm, 'P', clock < vm->clock_ns ? vm->clock_ns : clock);
	return true;
}

void events_clock_moved(struct vm *vm)
{
	if (vm->events)
		vm->events->start_ns = real_ns() - vm->clock_ns;
}

void events_read_input(struct vm *vm)
{
	events_of(vm)->input = true;
}

bool events_wait_process(struct vm *vm, int64_t until, bool *ended)
{
	value item = V_EMPTY;
	if (!vm->live) { /* no time passes while processes run */
		*ended = false;
		return scheduler_advance(vm, until);
	}
	struct events *e = events_of(vm);
	struct string *source = string_of(vm, PROCESS_ENDED);
	e->waits_for_processes++;
	bool ok = scheduler_waiting_until(vm, source, until, &item);
	e->waits_for_processes--;
	*ended = item != V_EMPTY;
	return ok;
}

/* A replay waits where the run did, and watches nothing. */
static bool watches(struct vm *vm)
{
	if (vm->live)
		events_of(vm)->expected = true;
	return vm->live && !trace_replaying(vm);
}

static struct watch *add(struct vm *vm, enum watch_kind kind, const char *channel, const char *path)
{
	struct events *e = events_of(vm);
	if (e->count >= WATCHES_MAX)
		return NULL;
	struct watch *all = realloc(e->all, (e->count + 1) * sizeof(*all));
	if (!all)
		abort();
	e->all = all;
	struct watch *w = &all[e->count++];
	*w = (struct watch){
	    .kind = kind, .channel = strdup(channel), .path = strdup(path), .directory = -1, .inotify = -1};
	return w;
}

void events_watch_file(struct vm *vm, int directory, const char *path, const char *channel)
{
	if (!watches(vm))
		return;
	struct watch *w = add(vm, WATCH_FILE, channel, path);
	struct events *e = vm->events;
	if (!w)
		return;
	w->directory = dup(directory);
	if (e->inotify < 0)
		e->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int at = e->inotify < 0 ? -1 : capability_walk(w->directory, path, w->name);
	if (at >= 0) {
		char name[64];
		snprintf(name, sizeof(name), "/proc/self/fd/%d", at);
		w->inotify = inotify_add_watch(e->inotify, name,
		                               IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE |
		                                   IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR);
		close(at);
	}
	w->seen = state_of(w);
	w->next_ns = w->inotify >= 0 ? INT64_MAX : 0;
}

void events_watch_metric(struct vm *vm, int directory, const char *path, const char *channel,
                         int64_t period_ns)
{
	if (!watches(vm))
		return;
	struct watch *w = add(vm, WATCH_METRIC, channel, path);
	if (!w)
		return;
	w->directory = dup(directory);
	w->period_ns = period_ns;
}

void events_watch_subkernel(struct vm *vm, const char *name, const char *channel, int64_t period_ns)
{
	if (!watches(vm))
		return;
	struct watch *w = add(vm, WATCH_SUBKERNEL, channel, name);
	if (!w)
		return;
	w->period_ns = period_ns;
	subkernel_state(name, w->text, sizeof(w->text));
}

void events_file_changed(struct vm *vm, const char *path, const char *what)
{
	char channel[700];
	if (vm->live || !vm->scheduler)
		return; /* the file itself tells */
	snprintf(channel, sizeof(channel), "file:%s", path);
	if (scheduler_listens(vm, channel))
		events_deliver(vm, channel, what, strlen(what));
}
