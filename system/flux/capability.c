/*
 * Capabilities: the only ways out of a program. What a program was not handed it cannot name. Every answer
 * from outside goes into the trace; in a replay it comes from there, and nothing outside is touched.
 *
 * files    a directory tree: read, write, append_to, list, info, exists, remove, move; under(path) and read_only() give
 * less clock    time() in seconds since 1970, monotonic() process  run([program, arguments], {input,
 * timeout}) net      connect(host, port): send, receive, close
 *
 * A path is walked one component at a time below the directory, without following links: '..' and links are
 * refused.
 */
#include "runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum handle_kind {
	HANDLE_FILES = 1,
	HANDLE_CLOCK,
	HANDLE_PROCESS,
	HANDLE_NET,
	HANDLE_SOCKET,
	HANDLE_CHILD,
	HANDLE_HOST
};

#define RIGHT_WRITE   1
#define ANSWER_MAX    (15u << 20) /* bytes of one answer from outside */
#define TIMEOUT_MAX_S 600

void handle_close(struct handle *handle)
{
	if (handle->object.kind == HANDLE_CHILD && handle->limit > 0) {
		kill(-(pid_t)handle->limit, SIGKILL);
		waitpid((pid_t)handle->limit, NULL, 0);
	}
	if (handle->descriptor >= 0 && handle->object.kind != 255)
		close(handle->descriptor);
	handle->descriptor = -1;
}

value capability_files(struct vm *vm, const char *directory, bool writable)
{
	struct handle *h = handle_new(vm, HANDLE_FILES);
	h->descriptor = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	h->rights = writable ? RIGHT_WRITE : 0;
	h->path = string_of(vm, directory ? directory : "");
	return from_object(h);
}

value capability_simple(struct vm *vm, const char *name)
{
	unsigned kind = !strcmp(name, "clock")     ? HANDLE_CLOCK
	                : !strcmp(name, "process") ? HANDLE_PROCESS
	                                           : HANDLE_NET;
	return from_object(handle_new(vm, kind));
}

value capability_host(struct vm *vm)
{
	return from_object(handle_new(vm, HANDLE_HOST));
}

/* ---- answers: "=" and bytes, or "!" and why not ---- */
static value answer_error(struct vm *vm, const char *text, size_t length)
{
	return from_object(error_new(vm, "outside", string_new(vm, text, length)));
}

/* Notes and returns a failure as an error value. */
static value refuse(struct vm *vm, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static value refuse(struct vm *vm, const char *what, const char *format, ...)
{
	char text[400] = "!";
	va_list args;
	va_start(args, format);
	vsnprintf(text + 1, sizeof(text) - 1, format, args);
	va_end(args);
	trace_note(vm, what, text, strlen(text));
	return answer_error(vm, text + 1, strlen(text) - 1);
}

static value give(struct vm *vm, const char *what, struct text *text)
{
	/* text begins with "=" */
	trace_note(vm, what, text->bytes, text->length);
	value v = from_object(string_new(vm, text->bytes + 1, text->length - 1));
	free(text->bytes);
	return v;
}

/* In a replay: the recorded answer. */
static bool recorded(struct vm *vm, const char *what, value *out)
{
	struct string *text;
	if (!trace_outside(vm, what, &text))
		return false;
	const char *bytes = string_bytes(vm, text);
	if (text->length && *bytes == '=')
		*out = from_object(string_new(vm, bytes + 1, text->length - 1));
	else
		*out = answer_error(vm, text->length ? bytes + 1 : "", text->length ? text->length - 1 : 0);
	return true;
}

/* ---- files ---- */
/* Opens the directory of the last component; its name is left in `last`. -1: errno says why. */
static int walk(int directory, const char *path, char last[256])
{
	int at = dup(directory);
	const char *from = path;
	if (at < 0)
		return -1;
	for (;;) {
		while (*from == '/')
			from++;
		const char *slash = strchr(from, '/');
		size_t length = slash ? (size_t)(slash - from) : strlen(from);
		if (length >= 256 || (length == 2 && from[0] == '.' && from[1] == '.')) {
			close(at);
			errno = length >= 256 ? ENAMETOOLONG : EACCES;
			return -1;
		}
		memcpy(last, from, length);
		last[length] = 0;
		while (slash && *slash == '/')
			slash++;
		if (!slash || !*slash) {
			if (!length)
				strcpy(last, ".");
			return at;
		}
		int next = length == 1 && *last == '.'
		               ? dup(at)
		               : openat(at, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		int error = errno;
		close(at);
		errno = error;
		if (next < 0)
			return -1;
		at = next;
		from = slash;
	}
}

static int open_under(int directory, const char *path, int flags)
{
	char last[256];
	int at = walk(directory, path, last);
	if (at < 0)
		return -1;
	int fd = openat(at, last, flags | O_NOFOLLOW | O_CLOEXEC, 0666);
	int error = errno;
	close(at);
	errno = error;
	return fd;
}

static bool read_all(int fd, struct text *text)
{
	char buffer[16384];
	ssize_t n;
	while ((n = read(fd, buffer, sizeof(buffer))) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0)
			text_put(text, buffer, (size_t)n);
		if (text->length > ANSWER_MAX) {
			errno = EFBIG;
			return false;
		}
	}
	return n == 0;
}

static value files_read(struct vm *vm, struct handle *h, const char *path)
{
	value v;
	struct text text = {0};
	if (recorded(vm, "file", &v))
		return v;
	int fd = open_under(h->descriptor, path, O_RDONLY | O_NONBLOCK);
	text_put(&text, "=", 1);
	if (fd < 0 || !read_all(fd, &text)) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		free(text.bytes);
		return refuse(vm, "file", "cannot read %.200s: %s", path, strerror(error));
	}
	close(fd);
	return give(vm, "file", &text);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static value files_list(struct vm *vm, struct handle *h, const char *path)
{
	value v;
	if (!recorded(vm, "list", &v)) {
		struct text text = {0};
		char **names = NULL;
		size_t count = 0;
		int fd = open_under(h->descriptor, path, O_RDONLY | O_DIRECTORY);
		DIR *d = fd < 0 ? NULL : fdopendir(fd);
		if (!d) {
			int error = errno;
			if (fd >= 0)
				close(fd);
			return refuse(vm, "list", "cannot list %.200s: %s", path, strerror(error));
		}
		struct dirent *e;
		while ((e = readdir(d)) && count < 100000) {
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
				continue;
			char **more = realloc(names, (count + 1) * sizeof(*names));
			if (!more)
				abort();
			names = more;
			names[count++] = strdup(e->d_name);
		}
		closedir(d);
		if (count)
			qsort(names, count, sizeof(*names), by_name);
		text_put(&text, "=", 1);
		for (size_t i = 0; i < count; i++) {
			text_put(&text, names[i], strlen(names[i]));
			text_put(&text, "\n", 1);
			free(names[i]);
		}
		free(names);
		v = give(vm, "list", &text);
	}
	if (!is_string(v))
		return v;
	struct list *list = list_new(vm, 0);
	const char *at = string_bytes(vm, as_string(v)), *end = at + as_string(v)->length;
	while (at < end) {
		const char *line = memchr(at, '\n', (size_t)(end - at));
		if (!line)
			line = end;
		list_push(vm, list, from_object(string_new(vm, at, (size_t)(line - at))));
		at = line + 1;
	}
	return from_object(list);
}

static value files_info(struct vm *vm, struct handle *h, const char *path)
{
	value v;
	char last[256];
	struct stat st;
	if (!recorded(vm, "info", &v)) {
		int at = walk(h->descriptor, path, last);
		int failed = at < 0 || fstatat(at, last, &st, AT_SYMLINK_NOFOLLOW) != 0;
		int error = errno;
		if (at >= 0)
			close(at);
		if (failed)
			return refuse(vm, "info", "cannot look at %.200s: %s", path, strerror(error));
		struct text text = {0};
		text_print(&text, "=%c %lld %lld",
		           S_ISDIR(st.st_mode)   ? 'd'
		           : S_ISREG(st.st_mode) ? 'f'
		                                 : 'o',
		           (long long)st.st_size, (long long)st.st_mtime);
		v = give(vm, "info", &text);
	}
	if (!is_string(v))
		return v;
	char kind = 'o';
	long long size = 0, changed = 0;
	if (sscanf(string_bytes(vm, as_string(v)), "%c %lld %lld", &kind, &size, &changed) != 3)
		return vm_raise(vm, "outside", "a wrong answer in the trace");
	struct map *map = map_new(vm, 4);
	map_set_text(vm, map, "kind",
	             from_object(string_of(vm, kind == 'd'   ? "directory"
	                                       : kind == 'f' ? "file"
	                                                     : "other")));
	map_set_text(vm, map, "size", from_int64(vm, size));
	map_set_text(vm, map, "changed", from_int64(vm, changed));
	return from_object(map);
}

/* The descriptor's number leads the target of an effect: the handle lives as long as the program. */
static value files_change(struct vm *vm, struct handle *h, unsigned kind, const char *path,
                          struct string *text)
{
	char target[600];
	if (!(h->rights & RIGHT_WRITE))
		return answer_error(vm, "this capability is for reading only", 35);
	if (strlen(path) > 500)
		return answer_error(vm, "the path is too long", 20);
	snprintf(target, sizeof(target), "%d %s", h->descriptor, path);
	vm->effect_failed[0] = 0;
	if (timeline_is_branch(vm)) { /* the directory stays open until the merge */
		if (vm->pinned == V_NIL)
			vm->pinned = from_object(list_new(vm, 0));
		list_push(vm, as_list(vm->pinned), from_object(h));
	}
	timeline_effect(vm, kind, target, text ? string_bytes(vm, text) : "", text ? text->length : 0);
	if (vm->effect_failed[0])
		return answer_error(vm, vm->effect_failed, strlen(vm->effect_failed));
	return V_TRUE;
}

void effect_apply(struct vm *vm, unsigned kind, const char *target, const char *bytes, size_t length)
{
	value v;
	if (kind == EFFECT_TEXT) {
		trace_output(vm, bytes, length);
		if (vm->out)
			fwrite(bytes, 1, length, vm->out);
		return;
	}
	if (recorded(vm, "change", &v)) {
		if (is_type(v, T_ERROR))
			snprintf(vm->effect_failed, sizeof(vm->effect_failed), "%s",
			         string_bytes(vm, ((struct flux_error *)as_object(v))->message));
		return;
	}
	char *path;
	int directory = (int)strtol(target, &path, 10), fd = -1;
	bool ok;
	path++;
	if (kind == EFFECT_MOVE) { /* bytes: where to */
		char from[256], to[256];
		int a = walk(directory, path, from), b = walk(directory, bytes, to);
		ok = a >= 0 && b >= 0 && renameat(a, from, b, to) == 0;
		int error = errno;
		if (a >= 0)
			close(a);
		if (b >= 0)
			close(b);
		errno = error;
	} else if (kind == EFFECT_REMOVE) {
		char last[256];
		int at = walk(directory, path, last);
		ok = at >= 0 && unlinkat(at, last, 0) == 0;
		if (at >= 0) {
			int error = errno;
			close(at);
			errno = error;
		}
	} else {
		fd = open_under(directory, path,
		                kind == EFFECT_APPEND ? O_WRONLY | O_CREAT | O_APPEND
		                                      : O_WRONLY | O_CREAT | O_TRUNC);
		ok = fd >= 0;
		for (size_t done = 0; ok && done < length;) {
			ssize_t n = write(fd, bytes + done, length - done);
			if (n < 0 && errno == EINTR)
				continue;
			ok = n > 0;
			done += n > 0 ? (size_t)n : 0;
		}
		if (fd >= 0) {
			int error = errno;
			if (close(fd) != 0 && ok)
				ok = false;
			else
				errno = error;
		}
	}
	if (ok)
		trace_note(vm, "change", "=", 1);
	else {
		snprintf(vm->effect_failed, sizeof(vm->effect_failed), "cannot change %.200s: %s", path,
		         strerror(errno));
		char note[400];
		int n = snprintf(note, sizeof(note), "!%s", vm->effect_failed);
		trace_note(vm, "change", note, (size_t)n);
	}
}

static value files_under(struct vm *vm, struct handle *h, const char *path)
{
	value v;
	struct handle *inner = handle_new(vm, HANDLE_FILES);
	inner->rights = h->rights;
	if (!recorded(vm, "under", &v)) {
		inner->descriptor = open_under(h->descriptor, path, O_RDONLY | O_DIRECTORY);
		if (inner->descriptor < 0)
			return refuse(vm, "under", "cannot open the directory %.200s: %s", path,
			              strerror(errno));
		trace_note(vm, "under", "=", 1);
	} else if (is_type(v, T_ERROR)) {
		return v;
	}
	return from_object(inner);
}

static value files_method(struct vm *vm, struct handle *h, const char *name, value *args, unsigned count)
{
	if (!strcmp(name, "read_only") && !count) {
		struct handle *less = handle_new(vm, HANDLE_FILES);
		less->descriptor = h->descriptor < 0 ? -1 : dup(h->descriptor);
		return from_object(less);
	}
	const char *path = "";
	if (count) {
		ARG_STRING(0);
		path = string_bytes(vm, as_string(args[0]));
		if (strlen(path) != as_string(args[0])->length)
			return vm_raise(vm, "type", "a path with a zero byte");
	}
	if (!strcmp(name, "list") && count <= 1)
		return files_list(vm, h, path);
	if (!strcmp(name, "read") && count == 1)
		return files_read(vm, h, path);
	if (!strcmp(name, "info") && count == 1)
		return files_info(vm, h, path);
	if (!strcmp(name, "exists") && count == 1)
		return from_bool(is_type(files_info(vm, h, path), T_MAP));
	if (!strcmp(name, "under") && count == 1)
		return files_under(vm, h, path);
	if (!strcmp(name, "remove") && count == 1)
		return files_change(vm, h, EFFECT_REMOVE, path, NULL);
	if (!strcmp(name, "move") && count == 2) {
		ARG_STRING(1);
		if (strlen(string_bytes(vm, as_string(args[1]))) != as_string(args[1])->length)
			return vm_raise(vm, "type", "a path with a zero byte");
		return files_change(vm, h, EFFECT_MOVE, path, as_string(args[1]));
	}
	if ((!strcmp(name, "write") || !strcmp(name, "append_to")) && count == 2) {
		ARG_STRING(1);
		return files_change(vm, h, *name == 'w' ? EFFECT_WRITE : EFFECT_APPEND, path,
		                    as_string(args[1]));
	}
	return vm_raise(
	    vm, "field",
	    "files has read, write, append_to, list, info, exists, remove, move, under, read_only; "
	    "not '%s' with %u arguments",
	    name, count);
}

/* ---- clock ---- */
static value clock_method(struct vm *vm, const char *name)
{
	value v;
	struct timespec t;
	bool monotonic = !strcmp(name, "monotonic");
	if (!monotonic && strcmp(name, "time"))
		return vm_raise(vm, "field", "a clock has time and monotonic, not '%s'", name);
	if (!recorded(vm, "clock", &v)) {
		struct text text = {0};
		clock_gettime(monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, &t);
		text_print(&text, "=%lld.%09ld", (long long)t.tv_sec, t.tv_nsec);
		v = give(vm, "clock", &text);
	}
	return is_string(v) ? from_double(strtod(string_bytes(vm, as_string(v)), NULL)) : v;
}

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
	if (recorded(vm, "process", &v))
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
		return refuse(vm, "process", "cannot make a pipe: %s", strerror(errno));
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
		return refuse(vm, "process", "cannot start %.100s: %s", argv[0], strerror(errno));
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
		return refuse(vm, "process", "%.100s took over %g s, or said too much", argv[0], timeout_s);
	}
	struct text answer = {0};
	text_print(&answer, "=%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	text_put(&answer, text.bytes + 1, text.length - 1);
	free(text.bytes);
	return process_outcome(vm, give(vm, "process", &answer));
}

/* A process that goes on by itself: alive(), status(), stop(). It ends with the program that started it. */
static value process_start(struct vm *vm, struct list *words)
{
	value v;
	char *argv[65];
	struct handle *h = handle_new(vm, HANDLE_CHILD);
	if (recorded(vm, "start", &v))
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
	if (pipe2(report, O_CLOEXEC) != 0)
		return refuse(vm, "start", "cannot make a pipe: %s", strerror(errno));
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
		return refuse(vm, "start", "cannot start %.100s: %s", argv[0], strerror(error));
	}
	h->limit = pid;
	trace_note(vm, "start", "=", 1);
	return from_object(h);
}

static value child_method(struct vm *vm, struct handle *h, const char *name, unsigned count)
{
	value v;
	int status;
	if (count ||
	    (strcmp(name, "alive") && strcmp(name, "stop") && strcmp(name, "status") && strcmp(name, "pid")))
		return vm_raise(vm, "field", "a process has alive, status, stop, pid; not '%s'", name);
	if (!recorded(vm, "child", &v)) {
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
		v = give(vm, "child", &text);
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

static value process_method(struct vm *vm, const char *name, value *args, unsigned count)
{
	if ((strcmp(name, "run") && strcmp(name, "start")) || count < 1 || count > 2)
		return vm_raise(vm, "field", "process has run(words, {input, timeout}) and start(words)");
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

/* ---- sockets ---- */
static value net_connect(struct vm *vm, const char *host, const char *port)
{
	value v;
	struct handle *h = handle_new(vm, HANDLE_SOCKET);
	if (recorded(vm, "connect", &v))
		return is_type(v, T_ERROR) ? v : from_object(h);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	int error = getaddrinfo(host, port, &hints, &list);
	if (error)
		return refuse(vm, "connect", "cannot find %.100s: %s", host, gai_strerror(error));
	int fd = -1, failed = 0;
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		struct timeval timeout = {.tv_sec = 10};
		if (fd >= 0) {
			setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
			setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
		}
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			failed = errno;
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		return refuse(vm, "connect", "cannot connect to %.100s: %s", host, strerror(failed));
	h->descriptor = fd;
	trace_note(vm, "connect", "=", 1);
	return from_object(h);
}

static value socket_method(struct vm *vm, struct handle *h, const char *name, value *args, unsigned count)
{
	value v;
	if (timeline_is_branch(vm))
		return vm_raise(vm, "timeline",
		                "a socket cannot wait for a merge: use it in the primary timeline");
	if (!strcmp(name, "close") && !count) {
		handle_close(h);
		return V_NIL;
	}
	if (!strcmp(name, "send") && count == 1) {
		ARG_STRING(0);
		if (recorded(vm, "sent", &v))
			return is_type(v, T_ERROR) ? v : V_TRUE;
		const char *bytes = string_bytes(vm, as_string(args[0]));
		for (size_t done = 0, length = as_string(args[0])->length; done < length;) {
			ssize_t n = send(h->descriptor, bytes + done, length - done, MSG_NOSIGNAL);
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return refuse(vm, "sent", "cannot send: %s", strerror(errno));
			done += (size_t)n;
		}
		trace_note(vm, "sent", "=", 1);
		return V_TRUE;
	}
	if (!strcmp(name, "receive") && count <= 1) {
		int64_t most = 65536;
		char buffer[65536];
		if (count && (!to_whole(args[0], &most) || most < 1))
			return vm_raise(vm, "type", "receive(bytes)");
		if (recorded(vm, "received", &v))
			return v;
		ssize_t n = recv(h->descriptor, buffer,
		                 most < (int64_t)sizeof(buffer) ? (size_t)most : sizeof(buffer), 0);
		if (n < 0)
			return refuse(vm, "received", "cannot receive: %s", strerror(errno));
		struct text text = {0};
		text_put(&text, "=", 1);
		text_put(&text, buffer, (size_t)n);
		return give(vm, "received", &text);
	}
	return vm_raise(vm, "field", "a socket has send, receive, close; not '%s'", name);
}

value capability_method(struct vm *vm, value receiver, struct string *method, value *args, unsigned count)
{
	struct handle *h = (struct handle *)as_object(receiver);
	const char *name = string_bytes(vm, method);
	switch (h->object.kind) {
	case HANDLE_FILES:
		return files_method(vm, h, name, args, count);
	case HANDLE_CLOCK:
		return clock_method(vm, name);
	case HANDLE_PROCESS:
		return process_method(vm, name, args, count);
	case HANDLE_NET: {
		int64_t port;
		char text[16];
		if (strcmp(name, "connect") || count != 2)
			return vm_raise(vm, "field", "net has connect(host, port)");
		ARG_STRING(0);
		if (!to_whole(args[1], &port) || port < 1 || port > 65535)
			return vm_raise(vm, "type", "a port is a number from 1 to 65535");
		if (timeline_is_branch(vm))
			return vm_raise(vm, "timeline", "a connection cannot wait for a merge");
		snprintf(text, sizeof(text), "%d", (int)port);
		return net_connect(vm, string_bytes(vm, as_string(args[0])), text);
	}
	case HANDLE_HOST:
		if (!vm->host)
			return vm_raise(vm, "field", "nobody answers this capability");
		return vm->host(vm, name, args, count);
	case HANDLE_CHILD:
		return child_method(vm, h, name, count);
	case HANDLE_SOCKET:
		return socket_method(vm, h, name, args, count);
	default:
		return vm_raise(vm, "field", "this has no method '%s'", name);
	}
}

const struct native_entry capability_natives[] = {
    {0},
};
