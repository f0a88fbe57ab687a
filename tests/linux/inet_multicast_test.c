/* Multicast groups on the loopback: joining, receiving, leaving, and what is refused. ip(7), ipv6(7). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "check.h"

#define GROUP "239.1.2.3"
#define OTHER "239.1.2.4"

static uint16_t port;

static struct ip_mreq mreq(const char *group)
{
	return (struct ip_mreq){{inet_addr(group)}, {htonl(INADDR_LOOPBACK)}};
}

static int membership(int fd, int option, const char *group)
{
	struct ip_mreq request = mreq(group);
	return setsockopt(fd, IPPROTO_IP, option, &request, sizeof(request));
}

/* A socket that is bound to the port, which others may have, too. */
static int bound(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	bind(fd, (struct sockaddr *)&at, size);
	getsockname(fd, (struct sockaddr *)&at, &size);
	port = ntohs(at.sin_port);
	return fd;
}

static int sender(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct in_addr own = {htonl(INADDR_LOOPBACK)};
	setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &own, sizeof(own));
	return fd;
}

static ssize_t tell(int fd, const char *group, const char *text)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(group)};
	return sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to));
}

static bool hears(int fd, const char *text)
{
	char seen[32] = {0};
	struct pollfd ready = {fd, POLLIN, 0};
	return poll(&ready, 1, 1000) == 1 && recv(fd, seen, sizeof(seen) - 1, 0) > 0 &&
	       strcmp(seen, text) == 0;
}

static bool hears_nothing(int fd)
{
	struct pollfd ready = {fd, POLLIN, 0};
	return poll(&ready, 1, 30) == 0;
}

static void test_ipv4(void)
{
	int member = bound(), beside = bound(), from = sender(), off = 0, value = -1;
	socklen_t size = sizeof(value);
	check("unjoined", tell(from, GROUP, "early") == 5 && hears_nothing(member));
	check("join", membership(member, IP_ADD_MEMBERSHIP, GROUP) == 0);
	check("received", tell(from, GROUP, "one") == 3 && hears(member, "one"));
	check("beside-too", hears(beside, "one"));
	check("all-is-on",
	      getsockopt(beside, IPPROTO_IP, IP_MULTICAST_ALL, &value, &size) == 0 && value == 1);
	setsockopt(beside, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof(off));
	tell(from, GROUP, "two");
	check("beside-no-more", hears(member, "two") && hears_nothing(beside));
	check("another-group", tell(from, OTHER, "other") == 5 && hears_nothing(member));
	check("twice", membership(member, IP_ADD_MEMBERSHIP, GROUP) == -1 && errno == EADDRINUSE);
	check("leave-another", membership(member, IP_DROP_MEMBERSHIP, OTHER) == -1 && errno == EADDRNOTAVAIL);
	struct ip_mreqn by_number = {.imr_multiaddr.s_addr = inet_addr(OTHER),
	                             .imr_ifindex = (int)if_nametoindex("lo")};
	check("by-number",
	      setsockopt(beside, IPPROTO_IP, IP_ADD_MEMBERSHIP, &by_number, sizeof(by_number)) == 0 &&
	          tell(from, OTHER, "other") == 5 && hears(beside, "other"));
	hears(member, "other");
	check("leave", membership(member, IP_DROP_MEMBERSHIP, GROUP) == 0 && tell(from, GROUP, "late") == 4 &&
	                   hears_nothing(member));
	struct group_req request = {.gr_interface = if_nametoindex("lo")};
	struct sockaddr_in *group = (struct sockaddr_in *)&request.gr_group;
	*group = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = inet_addr(GROUP)};
	check("by-request",
	      setsockopt(member, IPPROTO_IP, MCAST_JOIN_GROUP, &request, sizeof(request)) == 0 &&
	          tell(from, GROUP, "again") == 5 && hears(member, "again"));
	/* With its last socket the membership goes. */
	int second = bound();
	tell(from, GROUP, "three");
	check("third", hears(second, "three") && hears(member, "three"));
	close(member);
	check("closed", tell(from, GROUP, "gone") == 4 && hears_nothing(second));
	close(second);
	close(beside);
	close(from);
}

static void test_refused(void)
{
	int fd = bound(), stream = socket(AF_INET, SOCK_STREAM, 0);
	struct ip_mreq request = mreq(GROUP);
	check("no-group", membership(fd, IP_ADD_MEMBERSHIP, "10.1.2.3") == -1 && errno == EINVAL);
	check("short", setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, 7) == -1 && errno == EINVAL);
	check("stream", membership(stream, IP_ADD_MEMBERSHIP, GROUP) == -1 && errno == EPROTO);
	request.imr_interface.s_addr = inet_addr("10.9.8.7");
	check("no-such-address",
	      setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)) == -1 &&
	          errno == ENODEV);
	struct ip_mreqn by_number = {.imr_multiaddr.s_addr = inet_addr(GROUP), .imr_ifindex = 4711};
	check("no-such-link",
	      setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &by_number, sizeof(by_number)) == -1 &&
	          errno == ENODEV);
	int joined = 0;
	for (int i = 0; i < 40; i++) {
		char text[32];
		snprintf(text, sizeof(text), "239.2.0.%d", i);
		joined += membership(fd, IP_ADD_MEMBERSHIP, text) == 0;
	}
	check("many", joined == 20 && errno == ENOBUFS);
	close(fd);
	close(stream);
}

static void test_ipv6(void)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), from = socket(AF_INET6, SOCK_DGRAM, 0);
	unsigned lo = if_nametoindex("lo");
	struct ipv6_mreq request = {.ipv6mr_interface = lo};
	if (bind(fd, (struct sockaddr *)&at, size)) {
		close(fd);
		close(from);
		return; /* a machine without IPv6 */
	}
	getsockname(fd, (struct sockaddr *)&at, &size);
	inet_pton(AF_INET6, "ff02::1234", &request.ipv6mr_multiaddr);
	at.sin6_addr = request.ipv6mr_multiaddr;
	at.sin6_scope_id = lo;
	setsockopt(from, IPPROTO_IPV6, IPV6_MULTICAST_IF, &lo, sizeof(lo));
	sendto(from, "early", 5, 0, (struct sockaddr *)&at, size);
	check("unjoined-6", hears_nothing(fd));
	check("join-6", setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof(request)) == 0);
	ssize_t sent = sendto(from, "six", 3, 0, (struct sockaddr *)&at,
	                      size); /* Linux' loopback may have no way there */
	check("received-6", sent == 3 ? hears(fd, "six") : errno == ENETUNREACH);
	check("twice-6", setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof(request)) == -1 &&
	                     errno == EADDRINUSE);
	check("leave-6", setsockopt(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &request, sizeof(request)) == 0);
	sendto(from, "late", 4, 0, (struct sockaddr *)&at, size);
	check("left-6", hears_nothing(fd));
	check("leave-again-6",
	      setsockopt(fd, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &request, sizeof(request)) == -1 &&
	          errno == EADDRNOTAVAIL);
	request.ipv6mr_multiaddr = in6addr_loopback;
	check("no-group-6", setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof(request)) == -1 &&
	                        errno == EINVAL);
	close(fd);
	close(from);
}

int main(void)
{
	alarm(30);
	test_ipv4();
	test_refused();
	test_ipv6();
	return check_failures != 0;
}
