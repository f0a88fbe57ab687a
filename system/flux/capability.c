/*
 * Capabilities: the only ways out of a program. What a program was not handed it cannot name. Every answer
 * from outside goes into the trace; in a replay it comes from there, and nothing outside is touched.
 *
 * files       a directory tree: read, write, append_to, list, info, exists, remove, move; under(path) and read_only() give less
 * clock       time() in seconds since 1970, monotonic()
 * process     run([program, arguments], {input, timeout}), start(words)
 * net         connect(host, port): send, receive, close
 * subkernels  list(), kill(number), freeze(number), thaw(number)
 */
#include "capability.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void handle_close(struct handle *handle)
{
	if (handle->object.kind == HANDLE_CHILD && handle->limit > 0) {
		kill(-(pid_t)handle->limit, SIGKILL);
		waitpid((pid_t)handle->limit, NULL, 0);
	}
	if (handle->descriptor >= 0 && handle->object.kind != HANDLE_TRIGGER)
		close(handle->descriptor);
	handle->descriptor = -1;
}

value capability_simple(struct vm *vm, const char *name)
{
	unsigned kind = !strcmp(name, "clock")        ? HANDLE_CLOCK
	                : !strcmp(name, "process")    ? HANDLE_PROCESS
	                : !strcmp(name, "subkernels") ? HANDLE_SUBKERNELS
	                                              : HANDLE_NET;
	return from_object(handle_new(vm, kind));
}

value capability_host(struct vm *vm)
{
	return from_object(handle_new(vm, HANDLE_HOST));
}

/* ---- answers: "=" and bytes, or "!" and why not ---- */
value answer_error(struct vm *vm, const char *text, size_t length)
{
	return from_object(error_new(vm, "outside", string_new(vm, text, length)));
}

value answer_refuse(struct vm *vm, const char *what, const char *format, ...)
{
	char text[400] = "!";
	va_list args;
	va_start(args, format);
	vsnprintf(text + 1, sizeof(text) - 1, format, args);
	va_end(args);
	trace_note(vm, what, text, strlen(text));
	return answer_error(vm, text + 1, strlen(text) - 1);
}

value answer_give(struct vm *vm, const char *what, struct text *text)
{
	/* text begins with "=" */
	trace_note(vm, what, text->bytes, text->length);
	value v = from_object(string_new(vm, text->bytes + 1, text->length - 1));
	free(text->bytes);
	return v;
}

/* In a replay: the recorded answer. */
bool answer_recorded(struct vm *vm, const char *what, value *out)
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

/* ---- clock ---- */
static value clock_method(struct vm *vm, const char *name)
{
	value v;
	struct timespec t;
	bool monotonic = !strcmp(name, "monotonic");
	if (!monotonic && strcmp(name, "time") != 0)
		return vm_raise(vm, "field", "a clock has time and monotonic, not '%s'", name);
	if (!answer_recorded(vm, "clock", &v)) {
		struct text text = {0};
		clock_gettime(monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, &t);
		text_print(&text, "=%lld.%09ld", (long long)t.tv_sec, t.tv_nsec);
		v = answer_give(vm, "clock", &text);
	}
	return is_string(v) ? from_double(strtod(string_bytes(vm, as_string(v)), NULL)) : v;
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
		if (strcmp(name, "connect") != 0 || count != 2)
			return vm_raise(vm, "field", "net has connect(host, port)");
		ARG_STRING(0);
		if (!to_whole(args[1], &port) || port < 1 || port > 65535)
			return vm_raise(vm, "type", "a port is a number from 1 to 65535");
		if (timeline_is_branch(vm))
			return vm_raise(vm, "timeline", "a connection cannot wait for a merge");
		snprintf(text, sizeof(text), "%d", (int)port);
		return net_connect(vm, string_bytes(vm, as_string(args[0])), text);
	}
	case HANDLE_SUBKERNELS:
		return subkernels_method(vm, name, args, count);
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
