/* Ancillary data of datagrams that are sent: one has its own time to live, class, source and link, and the next has the
 * socket's again; what makes no sense is refused. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "check.h"

enum { UDP_SEGMENT_NUMBER = 103 };

static int from, to;

/* Sends BYTES bytes with one piece of ancillary data. */
static ssize_t send_with(int fd, size_t bytes, int level, int type, const void *data, size_t length)
{
	char text[64] = "0123456789";
	_Alignas(8) char room[256] = {0};
	struct iovec part = {text, bytes};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = CMSG_SPACE(length)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	*head = (struct cmsghdr){.cmsg_len = CMSG_LEN(length), .cmsg_level = level, .cmsg_type = type};
	memcpy(CMSG_DATA(head), data, length);
	return sendmsg(fd, &message, 0);
}

static ssize_t send_number(int level, int type, int number)
{
	return send_with(from, 1, level, type, &number, sizeof(number));
}

/* Receives a datagram, and what is told with it; -1: nothing. */
static int told(int level, int ttl_type, int class_type, int *ttl, int *class)
{
	char text[64];
	_Alignas(8) char room[256];
	struct iovec part = {text, sizeof(text)};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	struct pollfd ready = {to, POLLIN, 0};
	if (poll(&ready, 1, 1000) != 1 || recvmsg(to, &message, 0) < 0)
		return -1;
	*ttl = *class = -1;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head; head = CMSG_NXTHDR(&message, head)) {
		if (head->cmsg_level != level)
			continue;
		if (head->cmsg_type == ttl_type)
			memcpy(ttl, CMSG_DATA(head), sizeof(*ttl));
		if (head->cmsg_type == class_type)
			*class = head->cmsg_len == CMSG_LEN(1) ? *(uint8_t *)CMSG_DATA(head)
			                                       : *(int *)CMSG_DATA(head);
	}
	return 0;
}

static bool arrives4(int ttl, int class)
{
	int seen_ttl, seen_class;
	return told(IPPROTO_IP, IP_TTL, IP_TOS, &seen_ttl, &seen_class) == 0 && seen_ttl == ttl &&
	       seen_class == class;
}

static bool arrives6(int ttl, int class)
{
	int seen_ttl, seen_class;
	return told(IPPROTO_IPV6, IPV6_HOPLIMIT, IPV6_TCLASS, &seen_ttl, &seen_class) == 0 &&
	       seen_ttl == ttl && seen_class == class;
}

static bool nothing_came(void)
{
	char byte;
	return recv(to, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN;
}

static bool refused(ssize_t result)
{
	return result == -1 && errno == EINVAL;
}

static void test_ipv4(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(at);
	int on = 1;
	uint8_t byte_class = 0x48;
	from = socket(AF_INET, SOCK_DGRAM, 0);
	to = socket(AF_INET, SOCK_DGRAM, 0);
	bind(to, (struct sockaddr *)&at, size);
	getsockname(to, (struct sockaddr *)&at, &size);
	connect(from, (struct sockaddr *)&at, size);
	setsockopt(to, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on));
	setsockopt(to, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
	check("ttl", send_number(IPPROTO_IP, IP_TTL, 9) == 1 && arrives4(9, 0));
	check("class", send_number(IPPROTO_IP, IP_TOS, 0x28) == 1 && arrives4(64, 0x28));
	check("class-of-a-byte",
	      send_with(from, 1, IPPROTO_IP, IP_TOS, &byte_class, 1) == 1 && arrives4(64, 0x48));
	check("the-next-has-none", send(from, "a", 1, 0) == 1 && arrives4(64, 0));
	struct in_pktinfo source = {1, {htonl(INADDR_LOOPBACK)}, {0}};
	check("source",
	      send_with(from, 1, IPPROTO_IP, IP_PKTINFO, &source, sizeof(source)) == 1 && arrives4(64, 0));
	source.ipi_spec_dst.s_addr = htonl(0x0a090807);
	check("source-of-another",
	      send_with(from, 1, IPPROTO_IP, IP_PKTINFO, &source, sizeof(source)) == -1 &&
	          errno == ENETUNREACH);
	source = (struct in_pktinfo){77, {0}, {0}};
	check("no-such-link", send_with(from, 1, IPPROTO_IP, IP_PKTINFO, &source, sizeof(source)) == -1);
	check("short-source", refused(send_with(from, 1, IPPROTO_IP, IP_PKTINFO, &source, 8)));
	check("ttl-0", refused(send_number(IPPROTO_IP, IP_TTL, 0)));
	check("ttl-256", refused(send_number(IPPROTO_IP, IP_TTL, 256)));
	check("class-256", refused(send_number(IPPROTO_IP, IP_TOS, 256)));
	check("unknown-of-ip", refused(send_number(IPPROTO_IP, 200, 1)));
	check("unknown-of-socket", refused(send_number(SOL_SOCKET, SO_TIMESTAMP, 1)));
	check("another-level", send_number(77, 1, 1) == 1 && arrives4(64, 0));
	check("refused-are-not-sent", nothing_came());
}

static void test_form(void)
{
	_Alignas(8) char control[32] = {0};
	struct cmsghdr *head = (struct cmsghdr *)control;
	*head = (struct cmsghdr){.cmsg_len = 8, .cmsg_level = IPPROTO_IP, .cmsg_type = IP_TTL};
	struct iovec part = {"a", 1};
	struct msghdr message = {
	    .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	check("shorter-than-its-header", refused(sendmsg(from, &message, 0)));
	head->cmsg_len = sizeof(control) + 1;
	check("longer-than-all", refused(sendmsg(from, &message, 0)));
	head->cmsg_len = (size_t)-1;
	check("as-long-as-it-gets", refused(sendmsg(from, &message, 0)));
	message.msg_control = (void *)8;
	check("not-there", sendmsg(from, &message, 0) == -1 && errno == EFAULT);
	message.msg_controllen = 8;
	message.msg_control = control;
	check("too-short-for-one", sendmsg(from, &message, 0) == 1 && arrives4(64, 0));
}

static void test_segments(void)
{
	uint16_t three = 3;
	char text[64];
	check("segments", send_with(from, 7, IPPROTO_UDP, UDP_SEGMENT_NUMBER, &three, 2) == 7);
	check("segments-arrive", recv(to, text, 64, 0) == 3 && recv(to, text, 64, 0) == 3 &&
	                             recv(to, text, 64, 0) == 1 && memcmp(text, "6", 1) == 0 &&
	                             nothing_came());
	check("segment-of-four-bytes", refused(send_number(IPPROTO_UDP, UDP_SEGMENT_NUMBER, 3)));
	close(from);
	close(to);
}

static void test_ipv6(void)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	socklen_t size = sizeof(at);
	int on = 1;
	from = socket(AF_INET6, SOCK_DGRAM, 0);
	to = socket(AF_INET6, SOCK_DGRAM, 0);
	if (bind(to, (struct sockaddr *)&at, size))
		return; /* a machine without IPv6 */
	getsockname(to, (struct sockaddr *)&at, &size);
	connect(from, (struct sockaddr *)&at, size);
	setsockopt(to, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof(on));
	setsockopt(to, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
	check("hops-6", send_number(IPPROTO_IPV6, IPV6_HOPLIMIT, 9) == 1 && arrives6(9, 0));
	check("class-6", send_number(IPPROTO_IPV6, IPV6_TCLASS, 0x28) == 1 && arrives6(64, 0x28));
	check("hops-by-default-6", send_number(IPPROTO_IPV6, IPV6_HOPLIMIT, -1) == 1 && arrives6(64, 0));
	struct in6_pktinfo source = {in6addr_loopback, 1};
	check("source-6", send_with(from, 1, IPPROTO_IPV6, IPV6_PKTINFO, &source, sizeof(source)) == 1 &&
	                      arrives6(64, 0));
	source.ipi6_addr.s6_addr[0] = 0x20;
	check("source-of-another-6",
	      refused(send_with(from, 1, IPPROTO_IPV6, IPV6_PKTINFO, &source, sizeof(source))));
	check("hops-256-6", refused(send_number(IPPROTO_IPV6, IPV6_HOPLIMIT, 256)));
	check("class-256-6", refused(send_number(IPPROTO_IPV6, IPV6_TCLASS, 256)));
	check("unknown-6", refused(send_number(IPPROTO_IPV6, 200, 1)));
	close(from);
	close(to);
}

int main(void)
{
	test_ipv4();
	test_form();
	test_segments();
	test_ipv6();
	return check_failures != 0;
}
