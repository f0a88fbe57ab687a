/* Asking a node of the ledger for the proof that an entry is in the transparency log, and checking it. The node is trusted with
 * nothing: the proof leads to signatures of validators whose keys the caller has. One JSON-RPC request over HTTP/1.1. */
#define _GNU_SOURCE
#include "tool.h"
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <trust/transparency.h>
#include <unistd.h>

enum { ANSWER_MAX = 2 * TRANSPARENCY_PROOF_MAX + 4096, PATIENCE_SECONDS = 10 };

static int connect_to(const char *node, char host[256])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
	char port[8] = "80";
	int fd = -1;

	if (sscanf(node, "http://%255[^:/]:%7[0-9]", host, port) < 1 ||
	    getaddrinfo(host, port, &hints, &list))
		return -1;
	for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next) {
		fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
		                connect(fd, at->ai_addr, at->ai_addrlen))) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

/* The answer whole, with a 0 behind it; NULL when none came. */
static char *exchange(int fd, const char *host, const char *body)
{
	char *request, *answer = malloc(ANSWER_MAX + 1);
	size_t count = 0;
	int length = asprintf(&request,
	                      "POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
	                      "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
	                      host, strlen(body), body);

	if (length < 0 || !answer || send(fd, request, (size_t)length, MSG_NOSIGNAL) != length) {
		if (length >= 0)
			free(request);
		free(answer);
		return NULL;
	}
	free(request);
	for (ssize_t got; count < ANSWER_MAX && (got = recv(fd, answer + count, ANSWER_MAX - count, 0)) > 0;)
		count += (size_t)got;
	answer[count] = 0;
	return answer;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The hexadecimal string at TEXT, in place; its bytes' number. */
static size_t hex_decode(char *text)
{
	uint8_t *out = (uint8_t *)text;
	size_t count = 0;

	for (int high, low;
	     (high = hex_value(text[2 * count])) >= 0 && (low = hex_value(text[2 * count + 1])) >= 0; count++)
		out[count] = (uint8_t)(high << 4 | low);
	return count;
}

enum log_answer {
	LOG_PROVEN,
	LOG_UNREACHABLE, /* nothing answers there */
	LOG_MISSING,     /* the node says that it is not in the log: *TEXT has its words */
	LOG_WRONG,       /* what it sent proves nothing: *ERROR */
};

/* The answer to METHOD with PARAMETERS; NULL when nothing answers. */
static char *call(const char *node, const char *method, const char *parameters)
{
	char host[256], body[300];
	int fd = connect_to(node, host);
	char *answer;

	if (fd < 0)
		return NULL;
	snprintf(body, sizeof(body), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":[%s]}",
	         method, parameters);
	answer = exchange(fd, host, body);
	close(fd);
	return answer;
}

static enum log_answer log_ask(const char *node, const struct transparency_witnesses *witnesses,
                               const uint8_t *entry, size_t count, struct transparency_figures *figures,
                               enum trust_error *error, char text[200])
{
	static const char result[] = "\"result\":\"0x", message[] = "\"message\":\"";
	uint8_t leaf[TRANSPARENCY_HASH_BYTES];
	char hash[2 * sizeof(leaf) + 5] = "\"0x", *answer, *at;

	transparency_leaf(leaf, entry, count);
	for (size_t index = 0; index < sizeof(leaf); index++)
		snprintf(hash + 3 + 2 * index, 3, "%02x", leaf[index]);
	hash[sizeof(hash) - 2] = '"';
	answer = call(node, "holon_logProof", hash);
	if (!answer)
		return LOG_UNREACHABLE;
	at = strstr(answer, result);
	if (at) {
		at += sizeof(result) - 1;
		*error = transparency_verify((const uint8_t *)at, hex_decode(at), entry, count, witnesses,
		                             figures);
		free(answer);
		return *error ? LOG_WRONG : LOG_PROVEN;
	}
	at = strstr(answer, message);
	snprintf(text, 200, "%.*s", at ? (int)strcspn(at + sizeof(message) - 1, "\"") : 0,
	         at ? at + sizeof(message) - 1 : "");
	free(answer);
	return at ? LOG_MISSING : LOG_UNREACHABLE;
}

static enum log_answer check(const char *what, const uint8_t *entry, size_t count)
{
	static struct transparency_witnesses witnesses;
	struct transparency_figures figures;
	enum trust_error error = TRUST_OK;
	struct bytes network = file_read(need(given.validators, "--validators"));
	enum log_answer answer;
	char text[200];

	if (!transparency_witnesses(&witnesses, (const char *)network.at, network.count))
		fail(EXIT_BAD, "%s is not a ledger's file `network`", given.validators);
	free(network.at);
	answer = log_ask(given.node, &witnesses, entry, count, &figures, &error, text);
	if (answer == LOG_MISSING)
		fail(EXIT_BAD, "%s is not proven to be in the transparency log: %s", what, text);
	if (answer == LOG_WRONG)
		fail(EXIT_BAD, "%s: the proof from %s is wrong: %s", what, given.node,
		     trust_error_text(error));
	if (answer == LOG_PROVEN)
		printf("%-13s %s is entry %" PRIu64 " of %" PRIu64
		       ", signed by the validators of epoch %" PRIu64 "\n",
		       "log", what, figures.index, figures.size, figures.epoch);
	else
		printf("%-13s not asked for %s: nothing answers at %s\n", "log", what, given.node);
	return answer;
}

void log_check(const char *what, const uint8_t *entry, size_t count)
{
	if (given.node)
		(void)check(what, entry, count);
}

struct bytes log_revocations(uint64_t *before)
{
	static const char entry[] = "\"entry\":\"0x", index[] = "\"index\":\"0x";
	struct bytes list = {NULL, 0};
	char parameters[64], *answer, *at, *place;

	snprintf(parameters, sizeof(parameters), "\"revocations\",\"0x%" PRIx64 "\"", *before);
	answer = call(given.node, "holon_logNewest", parameters);
	at = answer ? strstr(answer, entry) : NULL;
	place = answer ? strstr(answer, index) : NULL;
	if (at && place) {
		uint64_t found = strtoull(place + sizeof(index) - 1, NULL, 16);

		at += sizeof(entry) - 1;
		list.count = hex_decode(at);
		list.at = found < *before ? malloc(list.count + 1) : NULL;
		if (list.at)
			memcpy(list.at, at, list.count);
		*before = found;
	}
	free(answer);
	return list;
}

void run_logged(void)
{
	struct bytes file = file_read(need(given.file, "the record's file"));

	if (!transparency_entry(file.at, file.count))
		fail(EXIT_BAD, "%s is no signed record that is published", given.file);
	(void)need(given.node, "--node");
	if (check(given.file, file.at, file.count) != LOG_PROVEN)
		fail(EXIT_BAD, "nothing was proven");
	free(file.at);
}
