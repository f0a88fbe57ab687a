/* Attacks on sockets of the internet: inet_attack SECONDS SEED
 *
 * First tasks and threads make random calls on a table of sockets that they share, with bad addresses, options and
 * memory that goes meanwhile. Then sockets, buffers and ports are used up. Behind each, a fresh connection must
 * carry bytes: what an attack held has come back, and only this sub-kernel's own memory was ever at stake.
 */
#define _GNU_SOURCE
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define SHARED 24
#define TASKS  4

static int table[SHARED];
static time_t end;
static char *volatile page; /* mapped and unmapped by another thread */

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A socket address: good, nearly good, or none. */
static socklen_t some_address(uint64_t *state, struct sockaddr_storage *address)
{
	uint64_t r = next(state);
	memset(address, 0, sizeof(*address));
	struct sockaddr_in *four = (void *)address;
	struct sockaddr_in6 *six = (void *)address;
	switch (r % 6) {
	case 0:
		for (unsigned i = 0; i < sizeof(*address) / 8; i++)
			((uint64_t *)address)[i] = next(state);
		return (socklen_t)(next(state) % 140);
	case 1:
		six->sin6_family = AF_INET6;
		six->sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
		six->sin6_port = htons((uint16_t)(2000 + next(state) % 16));
		return sizeof(*six);
	case 2:
		address->ss_family = AF_UNSPEC;
		return sizeof(*four);
	default:
		four->sin_family = AF_INET;
		four->sin_addr.s_addr = htonl(r & 64 ? INADDR_LOOPBACK : r & 128 ? INADDR_ANY : 0xe0000001);
		four->sin_port = htons((uint16_t)(2000 + next(state) % 16));
		return sizeof(*four);
	}
}

static void *some_memory(uint64_t *state, char *own)
{
	uint64_t r = next(state) % 8;
	return r == 0   ? (void *)8
	       : r == 1 ? (void *)0x400000001000
	       : r == 2 ? (void *)-4096l
	       : r < 5  ? page
	                : own;
}

/* A program of random instructions, some of which are valid, that takes half of what it can look at. */
static void attach_filter(int fd, uint64_t *state)
{
	static const uint16_t codes[] = {0x20, 0x28, 0x30, 0x40, 0x48, 0x50,
	                                 0x80, 0xb1, 0x04, 0x94, 0x15, 0x06};
	struct sock_filter code[8];
	unsigned length = 2 + next(state) % 6, none = 0;
	struct sock_fprog program = {(unsigned short)length, code};
	for (unsigned i = 0; i < length; i++) {
		uint64_t r = next(state);
		code[i] = (struct sock_filter){codes[r % 12], 0, 0, (uint32_t)(r >> 8) % 64};
		if (r >> 40 & 1)
			code[i].k -= r >> 41 & 1 ? 0x100000u : 0x1000u;
	}
	code[length - 1] =
	    (struct sock_filter){0x06, 0, 0, next(state) % 2 ? 0xffff : (uint32_t)(next(state) % 50)};
	setsockopt(fd, SOL_SOCKET, next(state) % 4 ? SO_ATTACH_FILTER : SO_DETACH_FILTER,
	           next(state) % 8 ? (void *)&program : &none, sizeof(program));
}

static void one_call(uint64_t *state, char *own)
{
	static const int families[] = {AF_INET, AF_INET, AF_INET6, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX};
	static const int types[] = {SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};
	static const int levels[] = {SOL_SOCKET,  IPPROTO_IP, IPPROTO_TCP, IPPROTO_IPV6,
	                             IPPROTO_UDP, 255,        58,          270};
	uint64_t r = next(state), s = next(state);
	struct sockaddr_storage address;
	socklen_t bytes = some_address(state, &address);
	int slot = (int)(s % SHARED), fd = table[slot],
	    flags = (int)(next(state) & (MSG_PEEK | MSG_TRUNC | MSG_WAITALL | MSG_MORE | MSG_OOB));
	void *memory = some_memory(state, own);
	size_t size = next(state) % (r & 256 ? 70000 : 200);
	struct iovec parts[3] = {{memory, size / 2}, {own, size / 3}, {some_memory(state, own), size}};
	struct msghdr message = {&address, bytes, parts, next(state) % 4, own, next(state) % 200, 0};
	struct pollfd wait = {fd, (short)next(state), 0};
	uint32_t request[16] = {sizeof(request), (uint32_t)(16 + next(state) % 30) | 0x3010000, 1, 0,
	                        (uint32_t)next(state)};
	switch (r % 20) {
	case 0:
	case 1: {
		int made = socket(families[s / 7 % 7], types[s / 49 % 5] | SOCK_NONBLOCK,
		                  s & 1 ? 0 : (int)(next(state) % 60));
		int old = __atomic_exchange_n(&table[slot], made, __ATOMIC_SEQ_CST);
		if (old >= 0)
			close(old);
		break;
	}
	case 2:
		bind(fd, (void *)&address, bytes);
		break;
	case 3:
		listen(fd, (int)(s >> 8) % 8);
		break;
	case 4:
	case 5:
		connect(fd, (void *)&address, bytes);
		break;
	case 6: {
		int made = accept4(fd, s & 1 ? memory : 0, s & 1 ? (void *)own : 0, SOCK_NONBLOCK);
		int old =
		    made < 0 ? -1 : __atomic_exchange_n(&table[s / 64 % SHARED], made, __ATOMIC_SEQ_CST);
		if (old >= 0)
			close(old);
		break;
	}
	case 7:
	case 8:
		send(fd, memory, size, flags | MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	case 9:
		sendto(fd, memory, size, flags | MSG_NOSIGNAL | MSG_DONTWAIT, (void *)&address, bytes);
		break;
	case 10:
		sendmsg(fd, &message, flags | MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	case 11:
	case 12:
		recv(fd, memory, size, flags | MSG_DONTWAIT);
		break;
	case 13:
		recvmsg(fd, &message, flags | MSG_DONTWAIT);
		break;
	case 14:
		if (s & 1024) {
			attach_filter(fd, state);
			break;
		}
		setsockopt(fd, levels[s / 8 % 8], (int)(next(state) % 80), memory, (socklen_t)(size % 70));
		break;
	case 15: {
		socklen_t room = (socklen_t)(size % 300);
		getsockopt(fd, levels[s / 8 % 8], (int)(next(state) % 80), memory, &room);
		break;
	}
	case 16:
		shutdown(fd, (int)(s / 32 % 4));
		break;
	case 17:
		poll(&wait, 1, 0);
		ioctl(fd, 0x8900 + s / 128 % 0x100, memory);
		break;
	case 18:
		send(fd, request, sizeof(request), MSG_DONTWAIT | MSG_NOSIGNAL);
		getsockname(fd, memory, (void *)own);
		getpeername(fd, (void *)own, (void *)own);
		break;
	default:
		writev(fd, parts, 3);
		readv(fd, parts, 3);
	}
}

static void *caller(void *seed)
{
	static __thread char own[70000];
	uint64_t state = (uint64_t)(uintptr_t)seed | 1;
	while (time(0) < end)
		for (int i = 0; i < 50; i++)
			one_call(&state, own);
	return 0;
}

static void *mapper(void *unused)
{
	(void)unused;
	while (time(0) < end) {
		char *at = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		page = at;
		sched_yield();
		munmap(at, 65536);
	}
	return 0;
}

static void task(uint64_t seed)
{
	pthread_t threads[3];
	signal(SIGPIPE, SIG_IGN);
	for (uint64_t i = 0; i < 2; i++)
		pthread_create(&threads[i], 0, caller, (void *)(uintptr_t)(seed * 7919 + i * 104729 + 1));
	pthread_create(&threads[2], 0, mapper, 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], 0);
	_exit(0);
}

/* A fresh pair over the loopback that carries a byte each way. */
static int works(int family)
{
	struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
	socklen_t bytes = sizeof(address);
	char byte = 0;
	int good = 0;
	if (family == AF_INET)
		((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)&address)->sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
	int server = socket(family, SOCK_STREAM, 0), client = socket(family, SOCK_STREAM, 0), other = -1;
	if (bind(server, (void *)&address,
	         family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)) == 0 &&
	    listen(server, 1) == 0 && getsockname(server, (void *)&address, &bytes) == 0 &&
	    connect(client, (void *)&address, bytes) == 0) {
		other = accept(server, 0, 0);
		good = send(client, "x", 1, 0) == 1 && recv(other, &byte, 1, 0) == 1 && byte == 'x' &&
		       send(other, "y", 1, 0) == 1 && recv(client, &byte, 1, 0) == 1 && byte == 'y';
	}
	close(server);
	close(client);
	close(other);
	return good;
}

/* Sockets until there are no more; then all of them go. */
static void use_up_sockets(void)
{
	int made = 0;
	while (socket(made & 1 ? AF_INET : AF_INET6, made & 2 ? SOCK_STREAM : SOCK_DGRAM, 0) >= 0)
		made++;
	_exit(made > 500 ? 0 : 1);
}

/* Connections whose buffers are filled and never read. */
static void use_up_buffers(void)
{
	static char block[262144];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof(address);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), large = 8 << 20, full = 0;
	bind(server, (void *)&address, sizeof(address));
	listen(server, 128);
	getsockname(server, (void *)&address, &bytes);
	for (; full < 150; full++) {
		int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		setsockopt(client, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
		if (client < 0 ||
		    (connect(client, (void *)&address, sizeof(address)) && errno != EINPROGRESS))
			break;
		accept4(server, 0, 0, SOCK_NONBLOCK);
		while (send(client, block, sizeof(block), MSG_NOSIGNAL) > 0)
			;
	}
	_exit(full ? 0 : 1);
}

/* One destination takes every local port. */
static void use_up_ports(void)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(9)};
	int made = 0;
	for (;; made++) {
		int fd = socket(AF_INET, SOCK_DGRAM, 0);
		if (fd < 0 || connect(fd, (void *)&address, sizeof(address)))
			break;
	}
	_exit(made > 500 ? 0 : 1);
}

int main(int count, char **arguments)
{
	int seconds = count > 1 ? atoi(arguments[1]) : 10;
	uint64_t seed = count > 2 ? strtoull(arguments[2], 0, 0) : 1;
	struct rlimit files = {40000, 40000};
	pid_t tasks[TASKS];
	int status, good = 0;
	setrlimit(RLIMIT_NOFILE, &files);
	check("before", works(AF_INET) && works(AF_INET6));
	end = time(0) + seconds;
	for (int i = 0; i < SHARED; i++)
		table[i] =
		    socket(i & 1 ? AF_INET : AF_INET6, (i & 2 ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
	for (int i = 0; i < TASKS; i++)
		if (!(tasks[i] = fork()))
			task(seed + (uint64_t)i);
	for (int i = 0; i < TASKS; i++)
		good += waitpid(tasks[i], &status, 0) == tasks[i];
	for (int i = 0; i < SHARED; i++)
		close(table[i]);
	check("random-calls", good == TASKS);
	check("works-after-calls", works(AF_INET) && works(AF_INET6));
	status = in_child(use_up_sockets());
	check("sockets", WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL);
	check("works-after-sockets", works(AF_INET) && works(AF_INET6));
	status = in_child(use_up_buffers());
	check("buffers", WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL);
	check("works-after-buffers", works(AF_INET) && works(AF_INET6));
	status = in_child(use_up_ports());
	check("ports", WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL);
	check("works-after-ports", works(AF_INET) && works(AF_INET6));
	return check_failures != 0;
}
