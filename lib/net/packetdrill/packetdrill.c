/* lib/net as a shared object for packetdrill, the script-driven TCP tester (github.com/google/packetdrill,
 * the interface of gtests/net/packetdrill/packetdrill.h at commit 2c4001c4d6fc04a3bbd01d4b92be62717a37648a).
 *
 * Time is virtual: it moves when packetdrill sleeps, waits for a packet, or asks for it. A blocking system
 * call, which packetdrill makes on a second thread, sleeps until the stack has an answer; a thread that was
 * woken gets its turn before time goes on. so_flags: words separated by commas; profile=linux or
 * profile=freebsd, mtu=BYTES, mss_offload=0 to see single segments instead of what a device would cut.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <linux/sockios.h>
#include <net/net.h>

/* The table that packetdrill gives to be filled; the order is its ABI. */
struct packetdrill_interface {
	void *userdata;
	void (*free)(void *);
	int (*socket)(void *, int, int, int);
	int (*bind)(void *, int, const struct sockaddr *, socklen_t);
	int (*listen)(void *, int, int);
	int (*accept)(void *, int, struct sockaddr *, socklen_t *);
	int (*connect)(void *, int, const struct sockaddr *, socklen_t);
	ssize_t (*read)(void *, int, void *, size_t);
	ssize_t (*readv)(void *, int, const struct iovec *, int);
	ssize_t (*recv)(void *, int, void *, size_t, int);
	ssize_t (*recvfrom)(void *, int, void *, size_t, int, struct sockaddr *, socklen_t *);
	ssize_t (*recvmsg)(void *, int, struct msghdr *, int);
	ssize_t (*write)(void *, int, const void *, size_t);
	ssize_t (*writev)(void *, int, const struct iovec *, int);
	ssize_t (*send)(void *, int, const void *, size_t, int);
	ssize_t (*sendto)(void *, int, const void *, size_t, int, const struct sockaddr *, socklen_t);
	ssize_t (*sendmsg)(void *, int, const struct msghdr *, int);
	int (*fcntl)(void *, int, int, ...);
	int (*ioctl)(void *, int, unsigned long, ...);
	int (*close)(void *, int);
	int (*shutdown)(void *, int, int);
	int (*getsockopt)(void *, int, int, int, void *, socklen_t *);
	int (*setsockopt)(void *, int, int, int, const void *, socklen_t);
	int (*poll)(void *, struct pollfd *, nfds_t, int);
	int (*netdev_send)(void *, const void *, size_t);
	int (*netdev_receive)(void *, void *, size_t *, long long *);
	int (*usleep)(void *, useconds_t);
	int (*gettimeofday)(void *, struct timeval *, struct timezone *);
	int (*epoll_create)(void *, int);
	int (*epoll_ctl)(void *, int, int, int, struct epoll_event *);
	int (*epoll_wait)(void *, int, struct epoll_event *, int, int);
	int (*pipe)(void *, int[2]);
	int (*splice)(void *, int, loff_t *, int, loff_t *, size_t, unsigned);
};

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *table);

enum { DESCRIPTORS_MAX = 1024, FRAMES_MAX = 4096, WATCHES_MAX = 32, ARENA_BYTES = 256 << 20 };

struct watch {
	int fd;
	uint32_t last; /* what was ready when it was told last, for edges */
	bool edge, once, armed, fresh;
	struct epoll_event event;
};

struct descriptor {
	struct net_socket *socket; /* or an epoll set */
	struct watch *watches;
	int status;     /* O_NONBLOCK */
	uint32_t edges; /* raised since an epoll set looked */
};

struct frame {
	long long at_us;
	size_t count;
	uint8_t bytes[];
};

struct stack {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned sleepers, generation;
	uint64_t now; /* ns */
	struct net *net;
	struct net_link *link;
	void *arena;
	bool offload, freebsd;
	uint32_t mtu;
	struct descriptor descriptors[DESCRIPTORS_MAX];
	struct frame *frames[FRAMES_MAX]; /* sent and not sniffed yet */
	unsigned frame_first, frame_count;
	bool configured[2]; /* an address of IPv4, IPv6 was added */
	unsigned idle_reads;
};

/* ---- The link ---- */

static bool transmit(void *context, const struct net_piece *pieces, unsigned count,
                     const struct net_offload *offload)
{
	struct stack *stack = (struct stack *)context;
	size_t total = 0;
	struct frame *frame;

	(void)offload; /* packetdrill sees what the device would see, before it is cut */
	for (unsigned index = 0; index < count; index++)
		total += pieces[index].count;
	if (stack->frame_count == FRAMES_MAX)
		return false;
	frame = (struct frame *)malloc(sizeof(*frame) + total);
	if (!frame)
		return false;
	frame->at_us = (long long)(stack->now / 1000);
	frame->count = total;
	total = 0;
	for (unsigned index = 0; index < count; index++) {
		memcpy(frame->bytes + total, pieces[index].bytes, pieces[index].count);
		total += pieces[index].count;
	}
	stack->frames[(stack->frame_first + stack->frame_count++) % FRAMES_MAX] = frame;
	return true;
}

/* The address a packet is for becomes ours: packetdrill names it in its command line alone. */
static void learn_address(struct stack *stack, const struct net_address *address)
{
	bool six = !net_is_ipv4(address);

	if (net_address_add(stack->link, address, six ? 64 : 16) == 0)
		stack->configured[six] = true;
}

static void random_fill(void *context, void *bytes, size_t count)
{
	(void)context;
	for (size_t done = 0; done < count;) {
		ssize_t part = getrandom((uint8_t *)bytes + done, count - done, 0);

		if (part > 0)
			done += (size_t)part;
	}
}

/* ---- Time ---- */

static void run_until(struct stack *stack, uint64_t now)
{
	for (;;) {
		uint64_t next = net_advance(stack->net, stack->now);

		if (next > now)
			break;
		stack->now = next > stack->now ? next : stack->now;
	}
	stack->now = now;
	(void)net_advance(stack->net, now);
}

/* Something may have become ready: lets a thread that sleeps in a call have its turn. */
static void let_others(struct stack *stack)
{
	if (!stack->sleepers)
		return;
	stack->generation++;
	pthread_cond_broadcast(&stack->changed);
	for (unsigned turn = 0; turn < 50; turn++) {
		pthread_mutex_unlock(&stack->lock);
		sched_yield();
		pthread_mutex_lock(&stack->lock);
	}
}

static int drill_usleep(void *userdata, useconds_t us)
{
	struct stack *stack = (struct stack *)userdata;
	uint64_t end;

	pthread_mutex_lock(&stack->lock);
	end = stack->now + us * 1000ull;
	while (stack->now < end) {
		uint64_t next = net_advance(stack->net, stack->now);

		run_until(stack, next < end && next > stack->now ? next : end);
		let_others(stack);
	}
	pthread_mutex_unlock(&stack->lock);
	return 0;
}

static int drill_gettimeofday(void *userdata, struct timeval *tv, struct timezone *tz)
{
	struct stack *stack = (struct stack *)userdata;

	(void)tz;
	pthread_mutex_lock(&stack->lock);
	run_until(stack, stack->now + 1000); /* who looks at the clock spends a microsecond */
	tv->tv_sec = (time_t)(stack->now / 1000000000);
	tv->tv_usec = (suseconds_t)(stack->now / 1000 % 1000000);
	pthread_mutex_unlock(&stack->lock);
	return 0;
}

static int drill_netdev_send(void *userdata, const void *bytes, size_t count)
{
	struct stack *stack = (struct stack *)userdata;
	uint8_t *copy = (uint8_t *)malloc(count ? count : 1);
	const uint8_t *at = (const uint8_t *)bytes;
	struct net_address address;

	if (!copy)
		return -1;
	memcpy(copy, bytes, count);
	pthread_mutex_lock(&stack->lock);
	if (count >= 40 && at[0] >> 4 == 6) {
		memcpy(address.bytes, at + 24, 16);
		learn_address(stack, &address);
	} else if (count >= 20) {
		address = net_ipv4(at + 16);
		learn_address(stack, &address);
	}
	net_input(stack->link, copy, count);
	(void)net_advance(stack->net, stack->now);
	let_others(stack);
	pthread_mutex_unlock(&stack->lock);
	free(copy);
	return 0;
}

static int drill_netdev_receive(void *userdata, void *bytes, size_t *count, long long *time_us)
{
	struct stack *stack = (struct stack *)userdata;
	uint64_t start;
	struct frame *frame;

	pthread_mutex_lock(&stack->lock);
	start = stack->now;
	while (!stack->frame_count) {
		uint64_t next = net_advance(stack->net, stack->now);

		if (stack->frame_count)
			break;
		/* Nothing in half an hour: nothing comes. */
		if (next == UINT64_MAX || next > start + 1800000000000ull) {
			if (stack->sleepers && stack->idle_reads++ < 100) {
				let_others(stack);
				continue;
			}
			fprintf(stderr, "the stack sends no packet\n");
			*count = 0;
			pthread_mutex_unlock(&stack->lock);
			return 0;
		}
		run_until(stack, next > stack->now ? next : stack->now + 1000);
		let_others(stack);
	}
	stack->idle_reads = 0;
	frame = stack->frames[stack->frame_first];
	stack->frame_first = (stack->frame_first + 1) % FRAMES_MAX;
	stack->frame_count--;
	*time_us = frame->at_us;
	if (*count > frame->count)
		*count = frame->count;
	memcpy(bytes, frame->bytes, *count);
	free(frame);
	pthread_mutex_unlock(&stack->lock);
	return 0;
}

/* ---- Descriptors ---- */

static void notify(void *context, struct net_socket *socket, uint32_t events)
{
	struct stack *stack = (struct stack *)context;

	for (unsigned fd = 0; fd < DESCRIPTORS_MAX; fd++)
		if (stack->descriptors[fd].socket == socket)
			stack->descriptors[fd].edges |= events;
}

static int descriptor_new(struct stack *stack, struct net_socket *socket)
{
	for (int fd = 3; fd < DESCRIPTORS_MAX; fd++)
		if (!stack->descriptors[fd].socket && !stack->descriptors[fd].watches) {
			stack->descriptors[fd] = (struct descriptor){.socket = socket};
			if (socket)
				net_socket_set_notify(socket, notify, stack);
			return fd;
		}
	errno = EMFILE;
	return -1;
}

static struct descriptor *descriptor_of(struct stack *stack, int fd)
{
	if (fd >= 0 && fd < DESCRIPTORS_MAX && stack->descriptors[fd].socket)
		return &stack->descriptors[fd];
	errno = EBADF;
	return NULL;
}

static int64_t finish(int64_t result)
{
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

/* Sleeps until something has changed. Called in a blocking call, with the lock held. */
static void sleep_changed(struct stack *stack)
{
	unsigned generation = stack->generation;

	stack->sleepers++;
	while (stack->generation == generation)
		pthread_cond_wait(&stack->changed, &stack->lock);
	stack->sleepers--;
}

/* Calls end here: what they caused is done at once. */
static void settle(struct stack *stack)
{
	(void)net_advance(stack->net, stack->now);
}

static bool endpoint_read(const struct sockaddr *from, socklen_t count, struct net_endpoint *endpoint)
{
	memset(endpoint, 0, sizeof(*endpoint));
	if (from && from->sa_family == AF_INET && count >= sizeof(struct sockaddr_in)) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;

		endpoint->address = net_ipv4((const uint8_t *)&in->sin_addr);
		endpoint->port = ntohs(in->sin_port);
		return true;
	}
	if (from && from->sa_family == AF_INET6 && count >= 28) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)from;

		memcpy(endpoint->address.bytes, &in6->sin6_addr, 16);
		endpoint->port = ntohs(in6->sin6_port);
		return true;
	}
	return false;
}

static void endpoint_write(const struct net_endpoint *endpoint, int family, struct sockaddr *to,
                           socklen_t *count)
{
	union {
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} address;
	socklen_t length = family == AF_INET ? sizeof(address.in) : sizeof(address.in6);

	if (!to || !count)
		return;
	memset(&address, 0, sizeof(address));
	if (family == AF_INET) {
		address.in.sin_family = AF_INET;
		address.in.sin_port = htons(endpoint->port);
		memcpy(&address.in.sin_addr, endpoint->address.bytes + 12, 4);
	} else {
		address.in6.sin6_family = AF_INET6;
		address.in6.sin6_port = htons(endpoint->port);
		memcpy(&address.in6.sin6_addr, endpoint->address.bytes, 16);
	}
	memcpy(to, &address, *count < length ? *count : length);
	*count = length;
}

static int socket_family(const struct descriptor *descriptor)
{
	int family = AF_INET;
	size_t count = sizeof(family);

	(void)net_get_option(descriptor->socket, SOL_SOCKET, SO_DOMAIN, &family, &count);
	return family;
}

/* A client that never bound gets packetdrill's own default address of the family. */
static void own_address(struct stack *stack, const struct net_endpoint *remote)
{
	static const uint8_t own4[4] = {192, 168, 0, 1};
	static const struct net_address own6 = {{0xfd, 0x3d, 0x0a, 0x0b, 0xd6, 0x91, [15] = 1}};
	bool six = !net_is_ipv4(&remote->address);
	struct net_address own = six ? own6 : net_ipv4(own4);

	if (!stack->configured[six])
		learn_address(stack, &own);
}

/* ---- System calls ---- */

static int drill_socket(void *userdata, int domain, int type, int protocol)
{
	struct stack *stack = (struct stack *)userdata;
	struct net_socket *socket;
	int error, fd;

	pthread_mutex_lock(&stack->lock);
	socket = net_socket_create(stack->net, domain, type & 15, protocol, &error);
	if (!socket) {
		fd = (int)finish(error);
	} else {
		fd = descriptor_new(stack, socket);
		if (fd >= 0 && (type & SOCK_NONBLOCK))
			stack->descriptors[fd].status |= O_NONBLOCK;
	}
	pthread_mutex_unlock(&stack->lock);
	return fd;
}

static int drill_bind(void *userdata, int fd, const struct sockaddr *address, socklen_t count)
{
	struct stack *stack = (struct stack *)userdata;
	struct descriptor *descriptor;
	struct net_endpoint local;
	int result = -1;

	pthread_mutex_lock(&stack->lock);
	descriptor = descriptor_of(stack, fd);
	if (descriptor && !endpoint_read(address, count, &local)) {
		errno = EINVAL;
	} else if (descriptor) {
		learn_address(stack, &local.address);
		result = (int)finish(net_bind(descriptor->socket, &local));
	}
	pthread_mutex_unlock(&stack->lock);
	return result;
}

static int drill_listen(void *userdata, int fd, int backlog)
{
	struct stack *stack = (struct stack *)userdata;
	struct descriptor *descriptor;
	int result = -1;

	pthread_mutex_lock(&stack->lock);
	descriptor = descriptor_of(stack, fd);
	if (descriptor)
		result = (int)finish(net_listen(descriptor->socket, backlog));
	pthread_mutex_unlock(&stack->lock);
	return result;
}

static int drill_accept(void *userdata, int fd, struct sockaddr *address, socklen_t *count)
{
	struct stack *stack = (struct stack *)userdata;
	struct descriptor *descriptor;
	struct net_socket *socket;
	int error = 0, result = -1;

	pthread_mutex_lock(&stack->lock);
	while ((descriptor = descriptor_of(stack, fd))) {
		socket = net_accept(descriptor->socket, &error);
		if (socket) {
			struct net_endpoint remote;

			result = descriptor_new(stack, socket);
			if (net_remote_endpoint(socket, &remote) == 0)
				endpoint_write(&remote, socket_family(descriptor), address, count);
			break;
		}
		if (error != -EAGAIN || (descriptor->status & O_NONBLOCK)) {
			result = (int)finish(error);
			break;
		}
		sleep_changed(stack);
	}
	pthread_mutex_unlock(&stack->lock);
	return result;
}

static int drill_connect(void *userdata, int fd, const struct sockaddr *address, socklen_t count)
{
	struct stack *stack = (struct stack *)userdata;
	struct descriptor *descriptor;
	struct net_endpoint remote;
	int result = -1;

	pthread_mutex_lock(&stack->lock);
	descriptor = descriptor_of(stack, fd);
	if (descriptor && !endpoint_read(address, count, &remote)) {
		errno = EAFNOSUPPORT;
	} else if (descriptor) {
		own_address(stack, &remote);
		result = (int)finish(net_connect(descriptor->socket, &remote));
		settle(stack);
		while (result < 0 && errno == EINPROGRESS && !(descriptor->status & O_NONBLOCK)) {
			uint32_t events = net_poll(descriptor->socket);

			if (events & (NET_WRITABLE | NET_ERROR | NET_HANGUP)) {
				int error = 0;
				size_t size = sizeof(error);

				(void)net_get_option(descriptor->socket, SOL_SOCKET, SO_ERROR, &error, &size);
				result = (int)finish(-error);
				break;
			}
			sleep_changed(stack);
			errno = EINPROGRESS;
		}
	}
	pthread_mutex_unlock(&stack->lock);
	return result;
}

static ssize_t receive_any(struct stack *stack, int fd, const struct iovec *iov, int iov_count, int flags,
                           struct sockaddr *from, socklen_t *from_count)
{
	struct descriptor *descriptor;
	struct net_receipt receipt = {0};
	ssize_t result = -1;

	pthread_mutex_lock(&stack->lock);
	while ((descriptor = descriptor_of(stack, fd))) {
		int64_t done = 0, part = 0;

		for (int index = 0; index < iov_count; index++) {
			uint32_t asked = flags & MSG_PEEK ? NET_MSG_PEEK : 0;

			if (flags & MSG_TRUNC)
				asked |= NET_MSG_TRUNC;
			part = net_receive(descriptor->socket, iov[index].iov_base, iov[index].iov_len, asked,
			                   &receipt);
			if (part <= 0)
				break;
			done += part;
			if ((size_t)part < iov[index].iov_len)
				break;
		}
		settle(stack);
		if (done == 0 && part == -EAGAIN && !(descriptor->status & O_NONBLOCK) &&
		    !(flags & MSG_DONTWAIT)) {
			sleep_changed(stack);
			continue;
		}
		if (from && done >= 0 && part >= 0)
			endpoint_write(&receipt.from, socket_family(descriptor), from, from_count);
		result = (ssize_t)finish(done ? done : part);
		break;
	}
	pthread_mutex_unlock(&stack->lock);
	return result;
}

static ssize_t send_any(struct stack *stack, int fd, const struct iovec *iov, int iov_count, int flags,
                        const struct sockaddr *to, socklen_t to_count)
{
	struct descriptor *descriptor;
	struct net_endpoint remote;
	struct net_piece pieces[64];
	ssize_t result = -1;
	size_t done = 0, total = 0;

	pthread_mutex_lock(&stack->lock);
	for (int index = 0; index < iov_count; index++)
		total += iov[index].iov_len;
	if (endpoint_read(to, to_count, &remote))
		own_address(stack, &remote);
	while ((descriptor = descriptor_of(stack, fd))) {
		size_t skip = done;
		unsigned count = 0;
		int64_t part;

		for (int index = 0; index < iov_count && count < 64; index++) {
			if (skip >= iov[index].iov_len) {
				skip -= iov[index].iov_len;
				continue;
			}
			pieces[count++] = (struct net_piece){(uint8_t *)iov[index].iov_base + skip,
			                                     iov[index].iov_len - skip};
			skip = 0;
		}
		part = net_send(descriptor->socket, pieces, count,
		                endpoint_read(to, to_count, &remote) ? &remote : NULL,
		                (flags & MSG_MORE ? (uint32_t)NET_MSG_MORE : 0) |
		                    (flags & MSG_FASTOPEN ? (uint32_t)NET_MSG_FAST_OPEN : 0));
		settle(stack);
		if (part > 0)
			done += (size_t)part;
		if ((part == -EAGAIN || (part > 0 && done < total)) && !(descriptor->status & O_NONBLOCK) &&
		    !(flags & MSG_DONTWAIT)) {
			sleep_changed(stack);
			continue;
		}
		result = done ? (ssize_t)done : (ssize_t)finish(part);
		break;
	}
	pthread_mutex_unlock(&stack->lock);
	return result;
}

static ssize_t drill_read(void *userdata, int fd, void *buffer, size_t count)
{
	struct iovec iov = {buffer, count};

	return receive_any((struct stack *)userdata, fd, &iov, 1, 0, NULL, NULL);
}

static ssize_t drill_readv(void *userdata, int fd, const struct iovec *iov, int count)
{
	return receive_any((struct stack *)userdata, fd, iov, count, 0, NULL, NULL);
}

static ssize_t drill_recv(void *userdata, int fd, void *buffer, size_t count, int flags)
{
	struct iovec iov = {buffer, count};

	return receive_any((struct stack *)userdata, fd, &iov, 1, flags, NULL, NULL);
}

static ssize_t drill_recvfrom(void *userdata, int fd, void *buffer, size_t count, int flags,
                              struct sockaddr *from, socklen_t *from_count)
{
	struct iovec iov = {buffer, count};

	return receive_any((struct stack *)userdata, fd, &iov, 1, flags, from, from_count);
}

static ssize_t drill_recvmsg(void *userdata, int fd, struct msghdr *message, int flags)
{
	message->msg_controllen = 0;
	message->msg_flags = 0;
	return receive_any((struct stack *)userdata, fd, message->msg_iov, (int)message->msg_iovlen, flags,
	                   (struct sockaddr *)message->msg_name, &message->msg_namelen);
}

static ssize_t drill_write(void *userdata, int fd, const void *buffer, size_t count)
{
	struct iovec iov = {(void *)(uintptr_t)buffer, count};

	return send_any((struct stack *)userdata, fd, &iov, 1, 0, NULL, 0);
}

static ssize_t drill_writev(void *userdata, int fd, const struct iovec *iov, int count)
{
	return send_any((struct stack *)userdata, fd, iov, count, 0, NULL, 0);
}

static ssize_t drill_send(void *userdata, int fd, const void *buffer, size_t count, int flags)
{
	struct iovec iov = {(void *)(uintptr_t)buffer, count};

	return send_any((struct stack *)userdata, fd, &iov, 1, flags, NULL, 0);
}

static ssize_t drill_sendto(void *userdata, int fd, const void *buffer, size_t count, int flags,
                            const struct sockaddr *to, socklen_t to_count)
{
	struct iovec iov = {(void *)(uintptr_t)buffer, count};

	return send_any((struct stack *)userdata, fd, &iov, 1, flags, to, to_count);
}

static ssize_t drill_sendmsg(void *userdata, int fd, const struct msghdr *message, int flags)
{
	return send_any((struct stack *)userdata, fd, message->msg_iov, (int)message->msg_iovlen, flags,
	                (const struct sockaddr *)message->msg_name, message->msg_namelen);
}

static int drill_fcntl(void *userdata, int fd, int command, ...)
{
	struct stack *stack = (struct stack *)userdata;
	struct descriptor *descriptor;
	va_list list;
	int result = -1, argument;

	va_start(list, command);
	argument = va_arg(list, int);
	va_end(list);
	pthread_mutex_lock(&stack->lock);
	descriptor = descriptor_of(stack, fd);
	if (descriptor && command == F_GETFL) {
		result = O_RDWR | descriptor->status;
	} else if (descriptor && command == F_SETFL) {
		descriptor->status = argument & O_NONBLOCK;
		result = 0;
	} else if (descriptor && (command == F_GETFD || command == F_SETFD)) {
		result = 0;
	} else if (descriptor) {
		errno = EINVAL;
	}
	pthread_mutex_unlock(&stack->lock);
	return result;
}

static int drill_ioctl(void *userdata, int fd, unsigned long request, ...)
{
	struct stack *stack = (struct stack *)userdata;
	struct descriptor *descriptor;
	va_list list;
	int result = -1, *argument;

	va_start(list, request);
	argument = va_arg(list, int *);
	va_end(list);
	pthread_mutex_lock(&stack->lock);
	descriptor = descriptor_of(stack, fd);
	if (descriptor) {
		result = 0;
		if (request == SIOCINQ)
			*argument = (int)net_readable_bytes(descriptor->socket);
		else if (request == SIOCOUTQ)
			*argument = (int)net_unsent_bytes(descriptor->socket, true);
		else if (request == SIOCOUTQNSD)
			*argument = (int)net_unsent_bytes(descriptor->socket, false);
		else if (request == FIONBIO)
			descriptor->status = *argument ? O_NONBLOCK : 0;
		else
			result = (int)finish(-ENOTTY);
	}
	pthread_mutex_unlock(&stack->lock);
	return result;
}

static int drill_close(void *userdata, int fd)
{
	struct stack *stack = (struct stack *)userdata;
	int result = -1;

	pthread_mutex_lock(&stack->lock);
	if (fd >= 0 && fd < DESCRIPTORS_MAX &&
	    (stack->descriptors[fd].socket || stack->descriptors[fd].watches)) {
		struct descriptor *descriptor = &stack->descriptors[fd];

		if (descriptor->socket)
			net_close(descriptor->socket);
		free(descriptor->watches);
		memset(descriptor, 0, sizeof(*descriptor));
		settle(stack);
		result = 0;
	} else {
		errno = EBADF;
	}
	pthread_mutex_unlock(&stack->lock);
	return result;
}

static int drill_shutdown(void *userdata, int fd, int how)
{
	struct stack *stack = (struct stack *)userdata;
	struct descriptor *descriptor;
	int result = -1;

	pthread_mutex_lock(&stack->lock);
	descriptor = descriptor_of(stack, fd);
	if (descriptor)
		result = (int)finish(net_shutdown(descriptor->socket, how));
	settle(stack);
	pthread_mutex_unlock(&stack->lock);
	return result;
}

static int drill_getsockopt(void *userdata, int fd, int level, int name, void *value, socklen_t *count)
{
	struct stack *stack = (struct stack *)userdata;
	struct descriptor *descriptor;
	size_t size = *count;
	int result = -1;

	pthread_mutex_lock(&stack->lock);
	descriptor = descriptor_of(stack, fd);
	if (descriptor)
		result = (int)finish(net_get_option(descriptor->socket, level, name, value, &size));
	*count = (socklen_t)size;
	pthread_mutex_unlock(&stack->lock);
	return result;
}

static int drill_setsockopt(void *userdata, int fd, int level, int name, const void *value, socklen_t count)
{
	struct stack *stack = (struct stack *)userdata;
	struct descriptor *descriptor;
	int result = -1;

	pthread_mutex_lock(&stack->lock);
	descriptor = descriptor_of(stack, fd);
	if (descriptor)
		result = (int)finish(net_set_option(descriptor->socket, level, name, value, count));
	settle(stack);
	pthread_mutex_unlock(&stack->lock);
	return result;
}

/* ---- Waiting ---- */

/* Whether a call that waits until END (ns, UINT64_MAX for ever) should look again. */
static bool wait_more(struct stack *stack, uint64_t end)
{
	if (stack->now >= end)
		return false;
	sleep_changed(stack);
	return true;
}

static uint64_t deadline_of(const struct stack *stack, int timeout_ms)
{
	return timeout_ms < 0 ? UINT64_MAX : stack->now + (uint64_t)timeout_ms * 1000000;
}

static int drill_poll(void *userdata, struct pollfd *fds, nfds_t count, int timeout)
{
	struct stack *stack = (struct stack *)userdata;
	uint64_t end;
	int ready;

	pthread_mutex_lock(&stack->lock);
	end = deadline_of(stack, timeout);
	do {
		ready = 0;
		for (nfds_t index = 0; index < count; index++) {
			const struct descriptor *descriptor = descriptor_of(stack, fds[index].fd);

			if (descriptor)
				fds[index].revents =
				    (short)(net_poll(descriptor->socket) &
				            ((uint32_t)fds[index].events | NET_ERROR | NET_HANGUP));
			else
				fds[index].revents = fds[index].fd < 0 ? 0 : POLLNVAL;
			ready += fds[index].revents != 0;
		}
	} while (!ready && wait_more(stack, end));
	pthread_mutex_unlock(&stack->lock);
	return ready;
}

static int drill_epoll_create(void *userdata, int size)
{
	struct stack *stack = (struct stack *)userdata;
	int fd;

	(void)size;
	pthread_mutex_lock(&stack->lock);
	fd = descriptor_new(stack, NULL);
	if (fd >= 0) {
		stack->descriptors[fd].watches = (struct watch *)calloc(WATCHES_MAX, sizeof(struct watch));
		if (!stack->descriptors[fd].watches)
			fd = (int)finish(-ENOMEM);
	}
	pthread_mutex_unlock(&stack->lock);
	return fd;
}

static int drill_epoll_ctl(void *userdata, int epfd, int op, int fd, struct epoll_event *event)
{
	struct stack *stack = (struct stack *)userdata;
	struct watch *place = NULL, *watches;
	int result = -1;

	pthread_mutex_lock(&stack->lock);
	watches = epfd >= 0 && epfd < DESCRIPTORS_MAX ? stack->descriptors[epfd].watches : NULL;
	if (!watches || !descriptor_of(stack, fd)) {
		errno = EBADF;
		goto out;
	}
	for (unsigned index = 0; index < WATCHES_MAX && !place; index++)
		if (watches[index].fd == fd)
			place = &watches[index];
	if ((op == EPOLL_CTL_ADD) == (place != NULL)) {
		errno = place ? EEXIST : ENOENT;
		goto out;
	}
	for (unsigned index = 0; index < WATCHES_MAX && !place; index++)
		if (!watches[index].fd)
			place = &watches[index];
	if (!place) {
		errno = ENOSPC;
		goto out;
	}
	if (op == EPOLL_CTL_DEL)
		memset(place, 0, sizeof(*place));
	else
		*place = (struct watch){.fd = fd,
		                        .edge = event->events & EPOLLET,
		                        .once = event->events & EPOLLONESHOT,
		                        .armed = true,
		                        .fresh = true,
		                        .event = *event};
	result = 0;
out:
	pthread_mutex_unlock(&stack->lock);
	return result;
}

static int drill_epoll_wait(void *userdata, int epfd, struct epoll_event *events, int most, int timeout)
{
	struct stack *stack = (struct stack *)userdata;
	struct watch *watches;
	uint64_t end;
	int ready = 0;

	pthread_mutex_lock(&stack->lock);
	watches = epfd >= 0 && epfd < DESCRIPTORS_MAX ? stack->descriptors[epfd].watches : NULL;
	if (!watches) {
		pthread_mutex_unlock(&stack->lock);
		errno = EBADF;
		return -1;
	}
	end = deadline_of(stack, timeout);
	do {
		for (unsigned index = 0; index < WATCHES_MAX && ready < most; index++) {
			struct watch *watch = &watches[index];
			struct descriptor *descriptor = watch->fd ? &stack->descriptors[watch->fd] : NULL;
			uint32_t now;

			if (!descriptor || !descriptor->socket || !watch->armed)
				continue;
			now = net_poll(descriptor->socket) & (watch->event.events | NET_ERROR | NET_HANGUP);
			if (!now || (watch->edge && !watch->fresh && !(descriptor->edges & now)))
				continue;
			watch->fresh = false;
			descriptor->edges = 0;
			if (watch->once)
				watch->armed = false;
			events[ready] = watch->event;
			events[ready++].events = now;
		}
	} while (!ready && wait_more(stack, end));
	pthread_mutex_unlock(&stack->lock);
	return ready;
}

static int drill_pipe(void *userdata, int fds[2])
{
	(void)userdata;
	(void)fds;
	errno = ENOSYS;
	return -1;
}

static int drill_splice(void *userdata, int fd_in, loff_t *off_in, int fd_out, loff_t *off_out, size_t count,
                        unsigned flags)
{
	(void)userdata, (void)fd_in, (void)off_in, (void)fd_out, (void)off_out, (void)count, (void)flags;
	errno = ENOSYS;
	return -1;
}

static void drill_free(void *userdata)
{
	struct stack *stack = (struct stack *)userdata;

	while (stack->frame_count) {
		free(stack->frames[stack->frame_first]);
		stack->frame_first = (stack->frame_first + 1) % FRAMES_MAX;
		stack->frame_count--;
	}
	for (unsigned fd = 0; fd < DESCRIPTORS_MAX; fd++)
		free(stack->descriptors[fd].watches);
	munmap(stack->arena, ARENA_BYTES);
	free(stack);
}

static void flags_read(struct stack *stack, const char *flags)
{
	while (flags && *flags) {
		size_t length = strcspn(flags, ", ");

		if (strncmp(flags, "profile=freebsd", length) == 0)
			stack->freebsd = true;
		else if (strncmp(flags, "profile=linux", length) == 0)
			stack->freebsd = false;
		else if (strncmp(flags, "mtu=", 4) == 0)
			stack->mtu = (uint32_t)strtoul(flags + 4, NULL, 10);
		else if (strncmp(flags, "offload=0", length) == 0)
			stack->offload = false;
		else if (length)
			fprintf(
			    stderr,
			    "unknown word in so_flags: %.*s (profile=linux|freebsd, mtu=BYTES, offload=0)\n",
			    (int)length, flags);
		flags += length;
		flags += strspn(flags, ", ");
	}
}

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *table)
{
	struct stack *stack = (struct stack *)calloc(1, sizeof(*stack));
	struct net_config config = {.random = random_fill, .arena_bytes = ARENA_BYTES};
	struct net_link_config link = {.name = "tun0", .kind = NET_LINK_IP, .transmit = transmit};
	struct net_address any = {{0}};
	static const uint8_t any4[4];
	struct net_address any_mapped = net_ipv4(any4);

	if (!stack)
		abort();
	stack->offload = true;
	stack->mtu = 1500;
	flags_read(stack, flags);
	pthread_mutex_init(&stack->lock, NULL);
	pthread_cond_init(&stack->changed, NULL);
	stack->arena = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
	                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stack->arena == MAP_FAILED)
		abort();
	stack->now = 1000000000000ull;
	config.arena = stack->arena;
	config.profile = stack->freebsd ? NET_PROFILE_FREEBSD : NET_PROFILE_LINUX;
	config.now_ns = stack->now;
	stack->net = net_create(&config);
	link.mtu = stack->mtu;
	link.segment_max = stack->offload && !stack->freebsd ? 65535 : 0;
	link.context = stack;
	stack->link = stack->net ? net_link_add(stack->net, &link) : NULL;
	if (!stack->link || net_route_add(stack->net, &any, 0, stack->link, NULL) != 0 ||
	    net_route_add(stack->net, &any_mapped, 0, stack->link, NULL) != 0)
		abort();
	*table = (struct packetdrill_interface){
	    .userdata = stack,
	    .free = drill_free,
	    .socket = drill_socket,
	    .bind = drill_bind,
	    .listen = drill_listen,
	    .accept = drill_accept,
	    .connect = drill_connect,
	    .read = drill_read,
	    .readv = drill_readv,
	    .recv = drill_recv,
	    .recvfrom = drill_recvfrom,
	    .recvmsg = drill_recvmsg,
	    .write = drill_write,
	    .writev = drill_writev,
	    .send = drill_send,
	    .sendto = drill_sendto,
	    .sendmsg = drill_sendmsg,
	    .fcntl = drill_fcntl,
	    .ioctl = drill_ioctl,
	    .close = drill_close,
	    .shutdown = drill_shutdown,
	    .getsockopt = drill_getsockopt,
	    .setsockopt = drill_setsockopt,
	    .poll = drill_poll,
	    .netdev_send = drill_netdev_send,
	    .netdev_receive = drill_netdev_receive,
	    .usleep = drill_usleep,
	    .gettimeofday = drill_gettimeofday,
	    .epoll_create = drill_epoll_create,
	    .epoll_ctl = drill_epoll_ctl,
	    .epoll_wait = drill_epoll_wait,
	    .pipe = drill_pipe,
	    .splice = drill_splice,
	};
}
