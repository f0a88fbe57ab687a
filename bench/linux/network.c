/* Rows of sockets over the loopback: round trips between two processes, bulk, connections. */
#define _GNU_SOURCE
#include "bench.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK = 65536, END = 'e' };

static int near, far, listener;
static struct sockaddr_in address;
static pid_t partner;
static char block[BLOCK];

static void open_listener(void)
{
	socklen_t bytes = sizeof(address);

	address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	listener = socket(AF_INET, SOCK_STREAM, 0);
	MUST(listener >= 0);
	MUST(!bind(listener, (void *)&address, sizeof(address)) && !listen(listener, 16));
	MUST(!getsockname(listener, (void *)&address, &bytes));
}

static void open_stream(void)
{
	int on = 1;

	open_listener();
	near = socket(AF_INET, SOCK_STREAM, 0);
	MUST(!connect(near, (void *)&address, sizeof(address)));
	far = accept(listener, NULL, NULL);
	MUST(far >= 0 && !setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) &&
	     !setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
}

static void open_datagrams(void)
{
	socklen_t bytes = sizeof(address);

	address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	listener = -1;
	near = socket(AF_INET, SOCK_DGRAM, 0);
	far = socket(AF_INET, SOCK_DGRAM, 0);
	MUST(!bind(far, (void *)&address, sizeof(address)) && !getsockname(far, (void *)&address, &bytes));
	MUST(!connect(near, (void *)&address, sizeof(address)) &&
	     !getsockname(near, (void *)&address, &bytes));
	MUST(!connect(far, (void *)&address, sizeof(address)));
}

static void fork_partner(void)
{
	char token = 0;

	partner = fork();
	MUST(partner >= 0);
	if (partner)
		return;
	while (token != END && recv(far, &token, 1, 0) == 1 && send(far, &token, 1, 0) == 1)
		;
	_exit(0);
}

static void stream_partner(void)
{
	open_stream();
	fork_partner();
}

static void datagram_partner(void)
{
	open_datagrams();
	fork_partner();
}

static void turn(char token)
{
	MUST(send(near, &token, 1, 0) == 1 && recv(near, &token, 1, 0) == 1);
}

static void turns(long n)
{
	while (n--)
		turn('t');
}

static void close_all(void)
{
	close(near);
	close(far);
	close(listener);
}

static void end_partner(void)
{
	turn(END);
	MUST(waitpid(partner, NULL, 0) == partner);
	close_all();
}

static void bulk(long n)
{
	while (n--) {
		MUST(send(near, block, BLOCK, 0) == BLOCK);
		MUST(recv(far, block, BLOCK, MSG_WAITALL) == BLOCK);
	}
}

static void connections(long n)
{
	struct linger none = {1, 0}; /* no TIME-WAIT, so that ports last */

	while (n--) {
		int client = socket(AF_INET, SOCK_STREAM, 0);
		int server;
		char byte = 0;

		MUST(!connect(client, (void *)&address, sizeof(address)));
		server = accept(listener, NULL, NULL);
		MUST(send(client, &byte, 1, 0) == 1 && recv(server, &byte, 1, 0) == 1);
		setsockopt(client, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
		close(client);
		close(server);
	}
}

static void close_listener(void)
{
	close(listener);
}

const struct row network_rows[] = {
    {"TCP ping-pong, round trip", stream_partner, turns, end_partner, 1000, 1, 5},
    {"UDP ping-pong, round trip", datagram_partner, turns, end_partner, 1000, 1, 5},
    {"TCP 64 KiB, sent and received", open_stream, bulk, close_all, 200, 1, 5},
    {"TCP connect, a byte, close", open_listener, connections, close_listener, 200, 1, 5},
    {0},
};
