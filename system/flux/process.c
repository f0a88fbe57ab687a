/* Processes: one that is run to its end, or one that goes on and ends with the program. */
#include "capability.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MAX_S 600

/* ---- processes ---- */
static value process_outcome(struct vm *vm, value v)
{
	if (!is_string(v))
		return v;
	const char *bytes = string_bytes(vm, as_string(v));
	char *rest;
	long status = strtol(bytes, &rest, 10);
	struct map *map = map_new(vm, 4);
	map_set_text(vm, map, "status", from_small_int(status));
	size_t skip = (size_t)(rest - bytes) + (*rest ? 1 : 0);
	map_set_text(vm, map, "output",
	             from_object(string_new(vm, bytes + skip, as_string(v)->length - skip)));
	return from_object(map);
}

static value process_run(struct vm *vm, struct list *words, struct string *input, double timeout_s)
{
	value v;
	char *argv[65];
	int in[2] = {-1, -1}, out[2] = {-1, -1};
	if (answer_recorded(vm, "process", &v))
		return process_outcome(vm, v);
	if (!words->length || words->length > 64)
		return vm_raise(vm, "call", "run takes a list of 1 to 64 words");
	for (uint32_t i = 0; i < words->length; i++) {
		if (!is_string(words->items[i]))
			return vm_raise(vm, "type", "a word of a command must be a string");
		argv[i] = (char *)string_bytes(vm, as_string(words->items[i]));
	}
	argv[words->length] = NULL;
	if (vm->out)
		fflush(vm->out);
	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
		return answer_refuse(vm, "process", "cannot make a pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	if (pid < 0) {
		close(in[1]);
		close(out[0]);
		return answer_refuse(vm, "process", "cannot start %.100s: %s", argv[0], strerror(errno));
	}
	struct text text = {0};
	struct timespec start, now;
	size_t written = 0, to_write = input ? input->length : 0;
	const char *bytes = input ? string_bytes(vm, input) : "";
	bool late = false, open_out = true;
	clock_gettime(CLOCK_MONOTONIC, &start);
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	if (!to_write) {
		close(in[1]);
		in[1] = -1;
	}
	text_put(&text, "=", 1);
	void (*old)(int) = signal(SIGPIPE, SIG_IGN);
	while (open_out && !late) {
		struct pollfd p[2] = {{out[0], POLLIN, 0}, {in[1], POLLOUT, 0}};
		clock_gettime(CLOCK_MONOTONIC, &now);
		double spent =
		    (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
		late = spent > timeout_s || text.length > ANSWER_MAX;
		if (late || poll(p, in[1] < 0 ? 1 : 2, 100) < 0)
			continue;
		if (p[0].revents) {
			char buffer[8192];
			ssize_t n = read(out[0], buffer, sizeof(buffer));
			if (n > 0)
				text_put(&text, buffer, (size_t)n);
			else
				open_out = false;
		}
		if (in[1] >= 0 && p[1].revents) {
			ssize_t n = write(in[1], bytes + written, to_write - written);
			written += n > 0 ? (size_t)n : 0;
			if (written == to_write || (n < 0 && errno != EAGAIN)) {
				close(in[1]);
				in[1] = -1;
			}
		}
	}
	signal(SIGPIPE, old);
	if (late)
		kill(-pid, SIGKILL);
	if (in[1] >= 0)
		close(in[1]);
	close(out[0]);
	int status;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (late) {
		free(text.bytes);
		return answer_refuse(vm, "process", "%.100s took over %g s, or said too much", argv[0],
		                     timeout_s);
	}
	struct text answer = {0};
	text_print(&answer, "=%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	text_put(&answer, text.bytes + 1, text.length - 1);
	free(text.bytes);
	return process_outcome(vm, answer_give(vm, "process", &answer));
}

/* A process that goes on by itself: alive(), status(), stop(). It ends with the program that started it. */
static value process_start(struct vm *vm, struct list *words)
{
	value v;
	char *argv[65];
	struct handle *h = handle_new(vm, HANDLE_CHILD);
	if (answer_recorded(vm, "start", &v))
		return is_type(v, T_ERROR) ? v : from_object(h);
	if (!words->length || words->length > 64)
		return vm_raise(vm, "call", "start takes a list of 1 to 64 words");
	for (uint32_t i = 0; i < words->length; i++) {
		if (!is_string(words->items[i]))
			return vm_raise(vm, "type", "a word of a command must be a string");
		argv[i] = (char *)string_bytes(vm, as_string(words->items[i]));
	}
	argv[words->length] = NULL;
	int report[2];
	if ((vm->live && !events_watch_processes()) || pipe2(report, O_CLOEXEC) != 0)
		return answer_refuse(vm, "start", "cannot make a pipe: %s", strerror(errno));
	if (vm->out)
		fflush(vm->out);
	pid_t parent = getpid(), pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
		for (int fd = 0; fd < 3 && null >= 0; fd++)
			dup2(null, fd);
		execvp(argv[0], argv);
		int error = errno;
		if (write(report[1], &error, sizeof(error)) < 0)
			_exit(126);
		_exit(127);
	}
	close(report[1]);
	int error = 0;
	if (pid < 0)
		error = errno;
	else if (read(report[0], &error, sizeof(error)) != (ssize_t)sizeof(error))
		error = 0; /* the pipe closed: it runs */
	close(report[0]);
	if (error) {
		if (pid > 0)
			waitpid(pid, NULL, 0);
		return answer_refuse(vm, "start", "cannot start %.100s: %s", argv[0], strerror(error));
	}
	h->limit = pid;
	trace_note(vm, "start", "=", 1);
	return from_object(h);
}

value child_method(struct vm *vm, struct handle *h, const char *name, unsigned count)
{
	value v;
	int status;
	if (count || (strcmp(name, "alive") != 0 && strcmp(name, "stop") != 0 &&
	              strcmp(name, "status") != 0 && strcmp(name, "pid") != 0))
		return vm_raise(vm, "field", "a process has alive, status, stop, pid; not '%s'", name);
	if (!answer_recorded(vm, "child", &v)) {
		struct text text = {0};
		if (h->limit > 0 && !strcmp(name, "stop"))
			kill(-(pid_t)h->limit, SIGTERM);
		if (h->limit > 0 && waitpid((pid_t)h->limit, &status, WNOHANG) == (pid_t)h->limit) {
			h->rights =
			    (uint32_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)) + 1;
			h->limit = -h->limit;
		}
		text_print(&text, "=%d %u %lld", h->limit > 0, h->rights,
		           (long long)(h->limit > 0 ? h->limit : -h->limit));
		v = answer_give(vm, "child", &text);
	}
	int alive = 0;
	unsigned ended = 0;
	long long pid = 0;
	if (!is_string(v) || sscanf(string_bytes(vm, as_string(v)), "%d %u %lld", &alive, &ended, &pid) != 3)
		return vm_raise(vm, "outside", "a wrong answer in the trace");
	if (!strcmp(name, "status"))
		return ended ? from_small_int(ended - 1) : V_NIL;
	if (!strcmp(name, "pid"))
		return from_small_int(pid);
	return from_bool(alive);
}

/* Whether some process ended, at the latest after a duration. */
static value process_wait(struct vm *vm, value duration)
{
	int64_t ns =
	    is_type(duration, T_DURATION) ? ((struct duration *)as_object(duration))->nanoseconds : -1;
	int64_t until;
	bool ended;
	if (ns < 0)
		return vm_raise(vm, "type", "wait() of processes needs a duration");
	if (__builtin_add_overflow(vm->clock_ns, ns, &until))
		until = INT64_MAX;
	return events_wait_process(vm, until, &ended) ? from_bool(ended) : V_RAISE;
}

value process_method(struct vm *vm, const char *name, value *args, unsigned count)
{
	if ((strcmp(name, "run") != 0 && strcmp(name, "start") != 0 && strcmp(name, "wait") != 0) ||
	    count < 1 || count > 2)
		return vm_raise(vm, "field",
		                "process has run(words, {input, timeout}), start(words) and wait(duration)");
	if (*name == 'w')
		return process_wait(vm, args[0]);
	ARG_TYPE(0, T_LIST, "a list of words");
	if (timeline_is_branch(vm))
		return vm_raise(vm, "timeline",
		                "a process cannot wait for a merge: run it in the primary timeline");
	if (*name == 's')
		return process_start(vm, as_list(args[0]));
	struct string *input = NULL;
	double timeout = 30;
	if (count > 1) {
		ARG_TYPE(1, T_MAP, "a map of options");
		value v = map_get_text(vm, as_map(args[1]), "input");
		if (is_string(v))
			input = as_string(v);
		v = map_get_text(vm, as_map(args[1]), "timeout");
		if (is_type(v, T_DURATION))
			timeout = (double)((struct duration *)as_object(v))->nanoseconds / 1e9;
	}
	if (timeout > TIMEOUT_MAX_S)
		timeout = TIMEOUT_MAX_S;
	return process_run(vm, as_list(args[0]), input, timeout);
}
