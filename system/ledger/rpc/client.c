/* One JSON-RPC request over HTTP/1.1, a connection each. */
#include "rpc/client.h"

#include "num/arena.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ANSWER ((size_t)64 << 20)

static json_t *fail(const char *url, const char *why)
{
	fprintf(stderr, "JSON-RPC at %s: %s\n", url, why);
	return NULL;
}

static int connect_to(const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	int fd = -1;
	if (getaddrinfo(host, port, &hints, &list) != 0)
		return -1;
	for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next) {
		fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

/* Sends and reads until the other side closes. */
static char *exchange(int fd, const char *request, size_t size, size_t *answer_size)
{
	size_t room = 65536;
	char *answer = checked_alloc(room);
	*answer_size = 0;
	while (size) {
		const ssize_t put = write(fd, request, size);
		if (put <= 0)
			break;
		request += put;
		size -= (size_t)put;
	}
	for (ssize_t got; (got = read(fd, answer + *answer_size, room - *answer_size - 1)) > 0;) {
		*answer_size += (size_t)got;
		if (*answer_size > MAX_ANSWER)
			break;
		if (room - *answer_size < 4096)
			answer = checked_realloc(answer, room *= 2);
	}
	answer[*answer_size] = 0;
	return answer;
}

char *client_exchange(const char *url, const char *body, const char **why)
{
	char host[256];
	char port[8] = "80";
	char *request;
	size_t size;
	if (sscanf(url, "http://%255[^:/]:%7[0-9]", host, port) < 1) {
		*why = "only http://HOST:PORT is known";
		return NULL;
	}
	const int length = asprintf(
	    &request,
	    "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
	    "Connection: close\r\n\r\n%s",
	    host, strlen(body), body);
	const int fd = length < 0 ? -1 : connect_to(host, port);
	*why = length < 0 ? "out of memory" : "nothing answers there";
	if (fd < 0) {
		if (length >= 0)
			free(request);
		return NULL;
	}
	char *answer = exchange(fd, request, (size_t)length, &size);
	free(request);
	close(fd);
	char *content = strstr(answer, "\r\n\r\n");
	if (content) {
		memmove(answer, content + 4, strlen(content + 4) + 1);
		return answer;
	}
	free(answer);
	*why = "the answer is not HTTP";
	return NULL;
}

json_t *client_call(const char *url, const char *method, json_t *params)
{
	const char *why;
	json_t *body =
	    json_pack("{s:s, s:i, s:s, s:o}", "jsonrpc", "2.0", "id", 1, "method", method, "params", params);
	char *text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	char *answer = text ? client_exchange(url, text, &why) : NULL;
	if (!answer) {
		why = text ? why : "out of memory";
		free(text);
		return fail(url, why);
	}
	free(text);
	json_error_t error;
	json_t *parsed = json_loads(answer, 0, &error);
	free(answer);
	if (!parsed)
		return fail(url, "the answer is not JSON-RPC");
	json_t *result = json_incref(json_object_get(parsed, "result"));
	if (!result) {
		const char *message =
		    json_string_value(json_object_get(json_object_get(parsed, "error"), "message"));
		(void)fail(url, message ? message : "an error without a message");
	}
	json_decref(parsed);
	return result;
}
