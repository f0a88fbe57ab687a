/* Sockets: a connection to a host and port, which sends and receives bytes. */
#include "capability.h"

#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- sockets ---- */
value net_connect(struct vm *vm, const char *host, const char *port)
{
	value v;
	struct handle *h = handle_new(vm, HANDLE_SOCKET);
	if (answer_recorded(vm, "connect", &v))
		return is_type(v, T_ERROR) ? v : from_object(h);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	int error = getaddrinfo(host, port, &hints, &list);
	if (error)
		return answer_refuse(vm, "connect", "cannot find %.100s: %s", host, gai_strerror(error));
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
		return answer_refuse(vm, "connect", "cannot connect to %.100s: %s", host, strerror(failed));
	h->descriptor = fd;
	trace_note(vm, "connect", "=", 1);
	return from_object(h);
}

value socket_method(struct vm *vm, struct handle *h, const char *name, value *args, unsigned count)
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
		if (answer_recorded(vm, "sent", &v))
			return is_type(v, T_ERROR) ? v : V_TRUE;
		const char *bytes = string_bytes(vm, as_string(args[0]));
		for (size_t done = 0, length = as_string(args[0])->length; done < length;) {
			ssize_t n = send(h->descriptor, bytes + done, length - done, MSG_NOSIGNAL);
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return answer_refuse(vm, "sent", "cannot send: %s", strerror(errno));
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
		if (answer_recorded(vm, "received", &v))
			return v;
		ssize_t n = recv(h->descriptor, buffer,
		                 most < (int64_t)sizeof(buffer) ? (size_t)most : sizeof(buffer), 0);
		if (n < 0)
			return answer_refuse(vm, "received", "cannot receive: %s", strerror(errno));
		struct text text = {0};
		text_put(&text, "=", 1);
		text_put(&text, buffer, (size_t)n);
		return answer_give(vm, "received", &text);
	}
	return vm_raise(vm, "field", "a socket has send, receive, close; not '%s'", name);
}
