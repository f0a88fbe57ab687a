/* The stack against Linux' own, over a tap device in a network namespace of the test's: every kind of
 * transfer intact, also when frames are lost and reordered on the way. Skipped with a notice where namespaces
 * or taps cannot be had.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "net.h"

enum { ARENA_BYTES = 64 << 20, HELD_MAX = 64 };

/* Our side: an echo server on port 7 (TCP and UDP), and a client that connects to Linux when asked. */
static struct {
	int tap;
	struct net *net;
	struct net_link *link;
	atomic_uint loss; /* of 10,000, each way */
	atomic_bool stop, dial;
	atomic_uint dialled; /* bytes our client got echoed right; UINT32_MAX: wrong ones */
	uint64_t seed;
} our;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static bool lost(void)
{
	our.seed = our.seed * 6364136223846793005ull + 1442695040888963407ull;
	return (our.seed >> 33) % 10000 < atomic_load(&our.loss);
}

static bool transmit(void *context, const struct net_piece *pieces, unsigned count,
                     const struct net_offload *offload)
{
	struct iovec iov[NET_PIECES_MAX + 2];

	(void)context, (void)offload;
	if (lost())
		return true;
	for (unsigned index = 0; index < count; index++)
		iov[index] = (struct iovec){(void *)(uintptr_t)pieces[index].bytes, pieces[index].count};
	return writev(our.tap, iov, (int)count) > 0;
}

static void random_fill(void *context, void *bytes, size_t count)
{
	(void)context;
	if (getrandom(bytes, count, 0) != (ssize_t)count)
		abort();
}

struct echo {
	struct net_socket *socket;
	uint8_t bytes[16384];
	size_t first, count;
};

static void echo_run(struct echo *echo)
{
	for (;;) {
		struct net_piece piece;
		int64_t done;

		if (!echo->count) {
			done = net_receive(echo->socket, echo->bytes, sizeof(echo->bytes), 0, NULL);
			if (done == 0 || (done < 0 && done != -NET_EAGAIN)) {
				net_close(echo->socket);
				echo->socket = NULL;
				return;
			}
			if (done < 0)
				return;
			echo->first = 0;
			echo->count = (size_t)done;
		}
		piece = (struct net_piece){echo->bytes + echo->first, echo->count};
		done = net_send(echo->socket, &piece, 1, NULL, 0);
		if (done <= 0)
			return;
		echo->first += (size_t)done;
		echo->count -= (size_t)done;
	}
}

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 13 + (at >> 9));
}

/* Our client: sends CLIENT_BYTES to Linux' echo server and counts what comes back. */
enum { CLIENT_BYTES = 1 << 20 };
static struct net_socket *client;
static size_t client_sent, client_got;

static void client_run(void)
{
	static uint8_t bytes[8192];
	int64_t done;

	if (!(net_poll(client) & NET_WRITABLE) && !client_sent)
		return;
	while (client_sent < CLIENT_BYTES) {
		struct net_piece piece = {bytes, sizeof(bytes)};

		for (size_t index = 0; index < sizeof(bytes); index++)
			bytes[index] = pattern(client_sent + index);
		if (client_sent + piece.count > CLIENT_BYTES)
			piece.count = CLIENT_BYTES - client_sent;
		done = net_send(client, &piece, 1, NULL, 0);
		if (done <= 0)
			break;
		client_sent += (size_t)done;
		if (client_sent == CLIENT_BYTES)
			(void)net_shutdown(client, NET_SHUTDOWN_WRITE);
	}
	while ((done = net_receive(client, bytes, sizeof(bytes), 0, NULL)) > 0) {
		for (int64_t index = 0; index < done; index++)
			if (bytes[index] != pattern(client_got + (size_t)index))
				atomic_store(&our.dialled, UINT32_MAX);
		client_got += (size_t)done;
	}
	if (done == 0) {
		if (atomic_load(&our.dialled) != UINT32_MAX)
			atomic_store(&our.dialled, (unsigned)client_got);
		net_close(client);
		client = NULL;
	}
}

static void *our_host(void *unused)
{
	static struct echo echoes[16];
	struct net_endpoint any4 = {.port = 7}, linux_echo = {.port = 7777};
	static const uint8_t linux_address[4] = {10, 77, 0, 1}, zero[4];
	struct net_socket *listener, *datagrams;
	struct net_receipt receipt;
	uint8_t frame[2048];
	uint64_t next = 0;
	int error;

	(void)unused;
	any4.address = net_ipv4(zero);
	linux_echo.address = net_ipv4(linux_address);
	listener = net_socket_create(our.net, AF_INET6, SOCK_STREAM, 0, &error); /* both families */
	memset(&any4.address, 0, sizeof(any4.address));
	if (net_bind(listener, &any4) || net_listen(listener, 16))
		abort();
	datagrams = net_socket_create(our.net, AF_INET6, SOCK_DGRAM, 0, &error);
	if (net_bind(datagrams, &any4))
		abort();
	while (!atomic_load(&our.stop)) {
		struct pollfd wait = {our.tap, POLLIN, 0};
		uint64_t now = now_ns();
		int64_t delay = next > now ? (int64_t)((next - now) / 1000000 + 1) : 0;
		int64_t done;

		poll(&wait, 1, delay > 10 ? 10 : (int)delay);
		for (unsigned count = 0; count < 64; count++) {
			ssize_t bytes = read(our.tap, frame, sizeof(frame));

			if (bytes <= 0)
				break;
			if (!lost())
				net_input(our.link, frame, (size_t)bytes);
		}
		if (atomic_exchange(&our.dial, false)) {
			client = net_socket_create(our.net, AF_INET, SOCK_STREAM, 0, &error);
			client_sent = client_got = 0;
			if (net_connect(client, &linux_echo) != -NET_EINPROGRESS)
				abort();
		}
		for (unsigned index = 0; index < 16; index++) {
			if (!echoes[index].socket) {
				echoes[index].socket = net_accept(listener, &error);
				echoes[index].count = 0;
			}
			if (echoes[index].socket)
				echo_run(&echoes[index]);
		}
		while ((done = net_receive(datagrams, frame, sizeof(frame), 0, &receipt)) >= 0) {
			struct net_piece piece = {frame, (size_t)done};

			(void)net_send(datagrams, &piece, 1, &receipt.from, 0);
		}
		if (client)
			client_run();
		next = net_advance(our.net, now_ns());
	}
	return NULL;
}

/* ---- Linux' side ---- */

static void *linux_echo_server(void *argument)
{
	int listener = *(int *)argument, peer = accept(listener, NULL, NULL);
	char bytes[8192];
	ssize_t count;

	while (peer >= 0 && (count = read(peer, bytes, sizeof(bytes))) > 0)
		for (ssize_t done = 0; done < count;) {
			ssize_t part = write(peer, bytes + done, (size_t)(count - done));

			if (part <= 0)
				break;
			done += part;
		}
	close(peer);
	return NULL;
}

static bool setup(void)
{
	struct ifreq request = {0};
	struct sockaddr_in *address = (struct sockaddr_in *)(void *)&request.ifr_addr;
	int control;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	our.tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (our.tap < 0)
		return false;
	strcpy(request.ifr_name, "holon0");
	request.ifr_flags = IFF_TAP | IFF_NO_PI;
	if (ioctl(our.tap, TUNSETIFF, &request))
		return false;
	control = socket(AF_INET, SOCK_DGRAM, 0);
	address->sin_family = AF_INET;
	address->sin_addr.s_addr = htonl(0x0a4d0001);
	if (ioctl(control, SIOCSIFADDR, &request))
		return false;
	address->sin_addr.s_addr = htonl(0xffffff00);
	if (ioctl(control, SIOCSIFNETMASK, &request))
		return false;
	if (ioctl(control, SIOCGIFFLAGS, &request))
		return false;
	request.ifr_flags |= IFF_UP | IFF_RUNNING;
	if (ioctl(control, SIOCSIFFLAGS, &request))
		return false;
	close(control);
	return true;
}

static unsigned failures;

static void check(bool good, const char *name, const char *why)
{
	if (good) {
		printf("ok %s\n", name);
	} else {
		printf("not ok %s - %s\n", name, why);
		failures++;
	}
	fflush(stdout);
}

/* Sends TOTAL bytes to our echo server from Linux and looks at what comes back. */
static bool echo_through(size_t total)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(7), .sin_addr.s_addr = htonl(0x0a4d0002)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t sent = 0, got = 0;
	bool good = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
	static uint8_t bytes[16384];

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (good && got < total) {
		struct pollfd wait = {fd, (short)(POLLIN | (sent < total ? POLLOUT : 0)), 0};
		ssize_t done;

		if (poll(&wait, 1, 120000) <= 0)
			break;
		if (wait.revents & POLLOUT && sent < total) {
			size_t part = total - sent < sizeof(bytes) ? total - sent : sizeof(bytes);

			for (size_t index = 0; index < part; index++)
				bytes[index] = pattern(sent + index);
			done = write(fd, bytes, part);
			if (done > 0)
				sent += (size_t)done;
			if (sent == total)
				shutdown(fd, SHUT_WR);
		}
		if (wait.revents & (POLLIN | POLLHUP | POLLERR)) {
			done = read(fd, bytes, sizeof(bytes));
			if (done == 0 || (done < 0 && errno != EAGAIN))
				break;
			for (ssize_t index = 0; index < done; index++)
				good = good && bytes[index] == pattern(got + (size_t)index);
			if (done > 0)
				got += (size_t)done;
		}
	}
	close(fd);
	return good && got == total;
}

static bool datagram_through(size_t count)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(7), .sin_addr.s_addr = htonl(0x0a4d0002)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t bytes[2048], back[2048];
	bool good = false;

	for (size_t index = 0; index < count; index++)
		bytes[index] = pattern(index);
	for (unsigned attempt = 0; attempt < 20 && !good; attempt++) {
		struct pollfd wait = {fd, POLLIN, 0};

		if (sendto(fd, bytes, count, 0, (struct sockaddr *)&to, sizeof(to)) != (ssize_t)count)
			break;
		if (poll(&wait, 1, 1000) > 0)
			good = recv(fd, back, sizeof(back), 0) == (ssize_t)count &&
			       memcmp(bytes, back, count) == 0;
	}
	close(fd);
	return good;
}

static bool dial_through(void)
{
	struct sockaddr_in at = {
	    .sin_family = AF_INET, .sin_port = htons(7777), .sin_addr.s_addr = htonl(0x0a4d0001)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	pthread_t server;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 4))
		return false;
	pthread_create(&server, NULL, linux_echo_server, &listener);
	atomic_store(&our.dialled, 0);
	atomic_store(&our.dial, true);
	for (unsigned wait = 0; wait < 12000 && !atomic_load(&our.dialled); wait++)
		usleep(10000);
	shutdown(listener, SHUT_RDWR);
	pthread_join(server, NULL);
	close(listener);
	return atomic_load(&our.dialled) == CLIENT_BYTES;
}

int main(void)
{
	struct net_config config = {.arena_bytes = ARENA_BYTES, .random = random_fill};
	struct net_link_config link = {.name = "eth0",
	                               .kind = NET_LINK_ETHERNET,
	                               .mac = {2, 0, 0, 7, 7, 2},
	                               .mtu = 1500,
	                               .transmit = transmit};
	static const uint8_t own[4] = {10, 77, 0, 2};
	struct net_address address = net_ipv4(own);
	pthread_t thread;

	if (!setup()) {
		printf("ok the stack against Linux' over a tap # skipped: no network namespace or tap here "
		       "(%s)\n",
		       strerror(errno));
		return 0;
	}
	our.seed = 42;
	config.arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	config.now_ns = now_ns();
	our.net = net_create(&config);
	our.link = net_link_add(our.net, &link);
	if (!our.link || net_address_add(our.link, &address, 24))
		return 1;
	pthread_create(&thread, NULL, our_host, NULL);
	check(echo_through(100), "Linux connects, a hundred bytes and back", "they do not come back");
	check(echo_through(8 << 20), "eight megabytes there and back", "bytes are missing or wrong");
	check(datagram_through(1000), "a datagram there and back", "it does not come back");
	check(dial_through(), "our client at Linux' echo server", "bytes are missing or wrong");
	atomic_store(&our.loss, 100);
	check(echo_through(2 << 20), "two megabytes there and back, one frame in a hundred lost",
	      "bytes are missing or wrong");
	check(dial_through(), "our client with one frame in a hundred lost", "bytes are missing or wrong");
	atomic_store(&our.loss, 1000);
	check(echo_through(100000), "a hundred kilobytes, one frame in ten lost",
	      "bytes are missing or wrong");
	atomic_store(&our.loss, 0);
	atomic_store(&our.stop, true);
	pthread_join(thread, NULL);
	return failures != 0;
}
