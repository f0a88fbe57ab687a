/* The queue of errors (IP_RECVERR, MSG_ERRQUEUE) of UDP, ping, raw and TCP sockets, as ping, traceroute and tracepath use it; and
 * SO_LINGER. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "check.h"

#ifndef IPV6_RECVERR
#define IPV6_RECVERR 25
#endif

struct told {
	ssize_t bytes;
	int flags, ttl;
	char quoted[256];
	struct sock_extended_err error;
	union {
		struct sockaddr common;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} to, from;
	socklen_t to_bytes;
	size_t error_bytes;
};

/* The oldest error of the queue of FD, with ROOM bytes of what it quotes. */
static struct told take_room(int fd, size_t room)
{
	struct told told;
	_Alignas(8) char control[512];
	struct iovec part = {told.quoted, room};
	memset(&told, 0, sizeof(told));
	told.ttl = -1;
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_control = control,
	                         .msg_controllen = sizeof(control),
	                         .msg_name = &told.to,
	                         .msg_namelen = sizeof(told.to)};
	told.bytes = recvmsg(fd, &message, MSG_ERRQUEUE);
	told.flags = message.msg_flags;
	told.to_bytes = message.msg_namelen;
	if (told.bytes < 0)
		return told;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
		if ((head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_TTL) ||
		    (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_HOPLIMIT))
			memcpy(&told.ttl, CMSG_DATA(head), sizeof(told.ttl));
		if ((head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_RECVERR) ||
		    (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_RECVERR)) {
			told.error_bytes = head->cmsg_len - CMSG_LEN(0);
			memcpy(&told.error, CMSG_DATA(head), sizeof(told.error));
			memcpy(&told.from, CMSG_DATA(head) + sizeof(told.error),
			       told.error_bytes - sizeof(told.error));
		}
	}
	return told;
}

static struct told take(int fd)
{
	return take_room(fd, sizeof(((struct told *)0)->quoted));
}

static int error_of(int fd)
{
	int error = -1;
	socklen_t size = sizeof(error);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	return error;
}

static bool in_error(int fd)
{
	struct pollfd ready = {fd, 0, 0};
	return poll(&ready, 1, 1000) == 1 && ready.revents == POLLERR;
}

static void turn_on(int fd, int level, int option)
{
	int on = 1;
	setsockopt(fd, level, option, &on, sizeof(on));
}

/* An address of the loopback with a port that nobody has. */
static struct sockaddr_in nobody(int type)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, type, 0);
	bind(fd, (struct sockaddr *)&at, size);
	getsockname(fd, (struct sockaddr *)&at, &size);
	close(fd);
	return at;
}

static void test_udp(void)
{
	struct sockaddr_in to = nobody(SOCK_DGRAM);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct told told = take(fd);
	check("none", told.bytes == -1 && errno == EAGAIN);
	sendto(fd, "quiet", 5, 0, (struct sockaddr *)&to, sizeof(to));
	pause_ms(20);
	check("not-asked", error_of(fd) == 0 && take(fd).bytes == -1);
	turn_on(fd, IPPROTO_IP, IP_RECVERR);
	turn_on(fd, IPPROTO_IP, IP_RECVTTL);
	sendto(fd, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to));
	check("polled", in_error(fd));
	told = take(fd);
	check("quoted",
	      told.bytes == 5 && memcmp(told.quoted, "hello", 5) == 0 && told.flags == MSG_ERRQUEUE);
	check("error", told.error.ee_errno == ECONNREFUSED && told.error.ee_origin == SO_EE_ORIGIN_ICMP &&
	                   told.error.ee_type == ICMP_DEST_UNREACH &&
	                   told.error.ee_code == ICMP_PORT_UNREACH && told.error.ee_info == 0 &&
	                   told.error.ee_data == 0);
	check("destination", told.to_bytes == sizeof(to) && memcmp(&told.to.in, &to, sizeof(to)) == 0);
	check("offender",
	      told.error_bytes == sizeof(told.error) + sizeof(to) && told.from.in.sin_family == AF_INET &&
	          told.from.in.sin_addr.s_addr == to.sin_addr.s_addr && told.from.in.sin_port == 0);
	check("ttl", told.ttl == 64);
	check("taken", take(fd).bytes == -1 && errno == EAGAIN && error_of(fd) == 0);
	/* Several, of which the first is too long for its room; SO_ERROR goes with them. */
	for (int i = 0; i < 3; i++) {
		sendto(fd, i ? "no" : "longer", i ? 2 : 6, 0, (struct sockaddr *)&to, sizeof(to));
		in_error(fd);
		if (i < 2)
			error_of(fd); /* which a further send would give back */
	}
	told = take_room(fd, 2);
	check("cut", told.bytes == 2 && memcmp(told.quoted, "lo", 2) == 0 &&
	                 told.flags == (MSG_ERRQUEUE | MSG_TRUNC));
	check("next-is-the-error", error_of(fd) == ECONNREFUSED && in_error(fd));
	check("no-room-at-all", take_room(fd, 0).bytes == 0);
	char byte;
	check("receive-gives-the-error", recv(fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == ECONNREFUSED);
	/* That was it: what still stands in the queue wakes who polls, and does not keep busy who receives. */
	sendto(fd, "more", 4, 0, (struct sockaddr *)&to, sizeof(to));
	in_error(fd);
	check("receive-gives-it-once", recv(fd, &byte, 1, 0) == -1 && errno == ECONNREFUSED);
	struct timeval limit = {0, 50000};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	check("receive-waits", recv(fd, &byte, 1, 0) == -1 && errno == EAGAIN && in_error(fd));
	int off = 0;
	setsockopt(fd, IPPROTO_IP, IP_RECVERR, &off, sizeof(off));
	check("turned-off", take(fd).bytes == -1 && errno == EAGAIN);
	/* A queue that nobody reads stays short. */
	turn_on(fd, IPPROTO_IP, IP_RECVERR);
	char large[1200] = {0};
	for (int i = 0; i < 3000; i++) {
		sendto(fd, large, sizeof(large), 0, (struct sockaddr *)&to, sizeof(to));
		if (i % 64 == 0)
			pause_ms(1);
	}
	int count = 0;
	while (take(fd).bytes >= 0)
		count++;
	check("bounded", count > 10 && count < 2000);
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	connect(fd, (struct sockaddr *)&to, sizeof(to));
	send(fd, "x", 1, 0);
	in_error(fd);
	check("connected-without", take(fd).bytes == -1 && error_of(fd) == ECONNREFUSED);
	close(fd);
}

static void test_too_long(void)
{
	struct sockaddr_in to = nobody(SOCK_DGRAM);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), discover = IP_PMTUDISC_DO, mtu = 0;
	socklen_t size = sizeof(mtu);
	static char large[65507];
	turn_on(fd, IPPROTO_IP, IP_RECVERR);
	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover));
	connect(fd, (struct sockaddr *)&to, sizeof(to));
	getsockopt(fd, IPPROTO_IP, IP_MTU, &mtu, &size);
	if (mtu > 65535) { /* the loopback of Linux: nothing is longer */
		close(fd);
		return;
	}
	check("too-long", send(fd, large, (size_t)mtu - 27, 0) == -1 && errno == EMSGSIZE);
	struct told told = take(fd);
	check("too-long-told", told.bytes == 0 && told.error.ee_errno == EMSGSIZE &&
	                           told.error.ee_origin == SO_EE_ORIGIN_LOCAL &&
	                           told.error.ee_info == (unsigned)mtu && told.from.common.sa_family == 0 &&
	                           told.to.in.sin_port == to.sin_port);
	close(fd);
}

static void test_udp6(void)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	socklen_t size = sizeof(to);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	if (bind(fd, (struct sockaddr *)&to, size)) {
		close(fd);
		return; /* a machine without IPv6 */
	}
	getsockname(fd, (struct sockaddr *)&to, &size);
	close(fd);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	turn_on(fd, IPPROTO_IPV6, IPV6_RECVERR);
	turn_on(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
	sendto(fd, "six", 3, 0, (struct sockaddr *)&to, sizeof(to));
	check("polled-6", in_error(fd));
	struct told told = take(fd);
	check("quoted-6",
	      told.bytes == 3 && memcmp(told.quoted, "six", 3) == 0 && told.to_bytes == sizeof(to));
	check("error-6", told.error.ee_errno == ECONNREFUSED && told.error.ee_origin == SO_EE_ORIGIN_ICMP6 &&
	                     told.error.ee_type == ICMP6_DST_UNREACH &&
	                     told.error.ee_code == ICMP6_DST_UNREACH_NOPORT);
	check("destination-6", told.to.in6.sin6_port == to.sin6_port &&
	                           memcmp(&told.to.in6.sin6_addr, &to.sin6_addr, 16) == 0);
	check("offender-6", told.error_bytes == sizeof(told.error) + sizeof(to) &&
	                        told.from.in6.sin6_family == AF_INET6 &&
	                        memcmp(&told.from.in6.sin6_addr, &in6addr_loopback, 16) == 0);
	check("hops-6", told.ttl == 64);
	close(fd);
}

static void test_raw(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_RAW, 200);
	if (fd < 0) {
		check("raw-takes-rights", errno == EPERM);
		return;
	}
	turn_on(fd, IPPROTO_IP, IP_RECVERR);
	close(socket(AF_INET, SOCK_RAW, 201));
	/* Of a protocol that somebody has: nothing is wrong. */
	sendto(fd, "raw data", 8, 0, (struct sockaddr *)&to, sizeof(to));
	pause_ms(20);
	check("raw-quiet", take(fd).bytes == -1 && errno == EAGAIN);
	close(fd);
	/* Of UDP, by hand, to a port that nobody has. */
	struct sockaddr_in port = nobody(SOCK_DGRAM);
	struct {
		uint16_t from, to, bytes, sum;
		char text[4];
	} udp = {htons(9), port.sin_port, htons(12), 0, "abc"};
	fd = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
	turn_on(fd, IPPROTO_IP, IP_RECVERR);
	sendto(fd, &udp, sizeof(udp), 0, (struct sockaddr *)&to, sizeof(to));
	for (int i = 0; i < 100; i++) {
		struct pollfd ready = {fd, 0, 0};
		if (poll(&ready, 1, 10) == 1)
			break;
	}
	struct told told = take(fd);
	check("raw-quoted", told.bytes == sizeof(udp) && memcmp(told.quoted, &udp, sizeof(udp)) == 0);
	check("raw-error", told.error.ee_errno == ECONNREFUSED && told.error.ee_type == 3 &&
	                       told.error.ee_code == 3 && told.to.in.sin_port == 0 &&
	                       told.to.in.sin_addr.s_addr == to.sin_addr.s_addr);
	close(fd);
}

static void test_tcp(void)
{
	struct sockaddr_in to = nobody(SOCK_STREAM);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	turn_on(fd, IPPROTO_IP, IP_RECVERR);
	check("tcp-refused", connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1 && errno == ECONNREFUSED);
	check("tcp-none", take(fd).bytes == -1 && errno == EAGAIN);
	close(fd);
}

/* ---- SO_LINGER ---- */

static void pair_of(int pair[2], int room)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (room)
		setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	bind(listener, (struct sockaddr *)&at, size);
	listen(listener, 1);
	getsockname(listener, (struct sockaddr *)&at, &size);
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	connect(pair[0], (struct sockaddr *)&at, size);
	pair[1] = accept(listener, 0, 0);
	close(listener);
}

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void linger(int fd, int seconds)
{
	struct linger linger = {1, seconds};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* Fills the connection until it takes no more. */
static size_t fill(int fd)
{
	static char bytes[65536];
	size_t sum = 0;
	for (;;) {
		ssize_t sent = send(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (sent < 0)
			return sum;
		sum += (size_t)sent;
	}
}

struct reader {
	int fd;
	size_t bytes;
};

static void *read_late(void *argument)
{
	struct reader *reader = argument;
	static char bytes[65536];
	pause_ms(300);
	for (;;) {
		ssize_t got = recv(reader->fd, bytes, sizeof(bytes), 0);
		if (got <= 0)
			return 0;
		reader->bytes += (size_t)got;
	}
}

static void test_linger(void)
{
	int pair[2];
	char byte;
	pair_of(pair, 0);
	linger(pair[0], 0);
	send(pair[0], "x", 1, 0);
	close(pair[0]);
	ssize_t got;
	while ((got = recv(pair[1], &byte, 1, 0)) > 0)
		;
	check("linger-0-resets", got == -1 && errno == ECONNRESET);
	close(pair[1]);
	/* The reader takes all after 300 ms: close returns then. */
	pair_of(pair, 4096);
	linger(pair[0], 20);
	struct reader reader = {pair[1], 0};
	pthread_t thread;
	pthread_create(&thread, 0, read_late, &reader);
	size_t sent = fill(pair[0]);
	uint64_t before = now_ms();
	close(pair[0]);
	uint64_t took = now_ms() - before;
	check("linger-waits", took >= 150 && took < 15000);
	pthread_join(thread, 0);
	check("linger-all-arrives", reader.bytes == sent);
	close(pair[1]);
	/* Nobody reads: it waits its time, also of a socket that does not block. */
	pair_of(pair, 4096);
	linger(pair[0], 1);
	fill(pair[0]);
	before = now_ms();
	close(pair[0]);
	took = now_ms() - before;
	check("linger-ends", took >= 900 && took < 8000);
	close(pair[1]);
	/* There is another descriptor: not the last close. */
	pair_of(pair, 4096);
	linger(pair[0], 5);
	fill(pair[0]);
	int other = dup(pair[0]);
	before = now_ms();
	close(pair[0]);
	check("linger-last-alone", now_ms() - before < 900);
	/* A process that ends does not wait, though the descriptor is the last one. */
	before = now_ms();
	pid_t child = fork();
	if (!child) {
		int own[2];
		pair_of(own, 4096);
		linger(own[0], 20);
		fill(own[0]);
		_exit(0);
	}
	waitpid(child, 0, 0);
	check("linger-ends-with-its-process", now_ms() - before < 10000);
	linger(other, 0);
	close(other);
	close(pair[1]);
	/* All was acknowledged: at once. */
	pair_of(pair, 0);
	linger(pair[0], 20);
	send(pair[0], "x", 1, 0);
	before = now_ms();
	close(pair[0]);
	check("linger-nothing-left", now_ms() - before < 5000);
	close(pair[1]);
}

int main(void)
{
	alarm(55);
	test_udp();
	test_too_long();
	test_udp6();
	test_raw();
	test_tcp();
	test_linger();
	return check_failures != 0;
}
