/* The switch's core at a real DHCPv6 server, router and name server, all of them dnsmasq, over a tap device in a
 * network namespace of the test's. There is no IPv4. Skipped with a notice where one of them cannot be had. */
#define _GNU_SOURCE
#include "core_world.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "holon/types.h"

#define PATIENCE 60u /* seconds; 8 are needed */

static const uint64_t network = 0xfd00007700000000ull;
static int tap;
static char directory[] = "/tmp/switch-lease-XXXXXX";

struct in6_request {
	struct in6_addr address;
	uint32_t length;
	int index;
};

static bool interface_up(void)
{
	struct ifreq request = {0};
	struct in6_request six = {.length = 64};
	int control = socket(AF_INET6, SOCK_DGRAM, 0);
	int dad = open("/proc/sys/net/ipv6/conf/holon0/accept_dad", O_WRONLY);
	bool right = control >= 0 && dad >= 0 && write(dad, "0", 1) == 1;

	strcpy(request.ifr_name, "holon0");
	right = right && !ioctl(control, SIOCGIFFLAGS, &request);
	request.ifr_flags |= IFF_UP | IFF_RUNNING;
	right = right && !ioctl(control, SIOCSIFFLAGS, &request) && !ioctl(control, SIOCGIFINDEX, &request);
	six.index = request.ifr_ifindex;
	right = right && inet_pton(AF_INET6, "fd00:77::1", &six.address) == 1 &&
	        !ioctl(control, SIOCSIFADDR, &six);
	close(control);
	close(dad);
	return right;
}

static bool setup(void)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return false;
	tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	strcpy(request.ifr_name, "holon0");
	return tap >= 0 && !ioctl(tap, TUNSETIFF, &request) && interface_up();
}

/* The server, with the option --dhcp-range=RANGE. */
static pid_t server_start(const char *range)
{
	char option[128], leases[64];
	pid_t child = fork();

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(option, sizeof(option), "--dhcp-range=%s", range);
	snprintf(leases, sizeof(leases), "--dhcp-leasefile=%s/leases", directory);
	int null = open("/dev/null", O_WRONLY);
	dup2(null, 1);
	dup2(null, 2);
	execlp("dnsmasq", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root",
	       "--no-resolv", "--no-hosts", "--interface=holon0", "--bind-interfaces", "--enable-ra",
	       "--pid-file=", "--address=/mirror.test/fd00:99::7", option, leases, (char *)NULL);
	_exit(127);
}

static void server_stop(pid_t server)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

static void tap_send(void *context, unsigned port, const uint8_t *frame, uint32_t bytes)
{
	(void)context;
	if (port == CORE_OUTSIDE) {
		if (write(tap, frame, bytes) != (ssize_t)bytes)
			printf("# a frame of %u bytes cannot be sent: %s\n", bytes, strerror(errno));
		return;
	}
	own.port = port;
	own.count++;
	own.bytes = bytes;
	memcpy(own.frame, frame, bytes);
}

static uint32_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)now.tv_sec;
}

/* Runs the core until DONE; false: it takes too long. */
static bool run_until(bool (*done)(void))
{
	const char *scale = getenv("HOLON_TIME_SCALE");
	uint32_t end = seconds() + PATIENCE * (scale ? 1 + (uint32_t)atoi(scale) : 1);

	while (!done()) {
		struct pollfd wait = {tap, POLLIN, 0};
		uint8_t frame[2048];
		ssize_t bytes;

		if (seconds() > end)
			return false;
		poll(&wait, 1, 200);
		while ((bytes = read(tap, frame, sizeof(frame))) > 0)
			(void)give(CORE_OUTSIDE, frame, (uint32_t)bytes);
		if (seconds() != core.now)
			core_tick(&core, seconds());
	}
	return true;
}

static bool bound(void)
{
	return core.six.bound && core.six.dhcp.lease.name_server_count;
}

/* Nothing is under way. */
static bool settled(void)
{
	return dhcp6_due(&core.six.dhcp) > (core.now + 20) * 1000ull;
}

static uint64_t valid_until;

static bool renewed(void)
{
	return core.six.dhcp.lease.valid_until > valid_until;
}

static bool unbound(void)
{
	return !core.six.bound;
}

/* A link asks for a name each second until an answer has come. */
static bool answered(void)
{
	static uint32_t asked_at;
	uint8_t frame[600];
	const struct core_link *link = &core.links[0];

	if (own.count && own.port == 0 && get16(own.frame + 12) == ETHER_IP && get16(own.frame + 34) == 53)
		return true;
	if (asked_at == seconds())
		return false;
	asked_at = seconds();
	uint32_t bytes = dns_ask(frame + 42, 5, "mirror.test", DNS_AAAA);
	ethernet_make(frame, link->mac, inside_mac, ETHER_IP);
	udp_make(frame + ETHERNET_BYTES, core_link_address(link), 3333, core_link_address(link) - 1, 53,
	         bytes);
	(void)give(0, frame, 42 + bytes);
	return false;
}

/* Whether the server's file of leases has the core's address. */
static bool server_knows(void)
{
	char path[64], text[4096] = "", digits[INET6_ADDRSTRLEN];
	uint8_t address[16];

	address_put(address, core.six.address);
	inet_ntop(AF_INET6, address, digits, sizeof(digits));
	snprintf(path, sizeof(path), "%s/leases", directory);
	int file = open(path, O_RDONLY);
	ssize_t bytes = read(file, text, sizeof(text) - 1);
	close(file);
	return bytes > 0 && strstr(text, digits);
}

static void begin(void)
{
	world_begin();
	core.send = tap_send;
	core_tick(&core, seconds());
	core_outside(&core, false, card, 1500);
	core_outside(&core, true, card, 1500);
	(void)link_new(SWITCH_NAT, 0, 0, 0);
	own.count = 0;
}

static void test_names(const char *name)
{
	struct address address[2];
	uint32_t ttl;

	own.count = 0;
	check(name, run_until(answered) && sums_right(own.frame) &&
	                dns_addresses(own.frame + 42, own.bytes - 42, address, 2, &ttl) == 1 &&
	                address[0].high == 0xfd00009900000000ull && address[0].low == 7);
}

static bool found(const char *program)
{
	char line[64];

	snprintf(line, sizeof(line), "command -v %s >/dev/null", program);
	return system(line) == 0;
}

int main(void)
{
	if (!found("dnsmasq") || !mkdtemp(directory) || !setup()) {
		printf("ok switch lease: a real DHCPv6 server # skipped: no dnsmasq, network namespace or "
		       "tap here (%s)\n",
		       strerror(errno));
		return 0;
	}
	pid_t server = server_start("fd00:77::100,fd00:77::1ff,64,2m");
	begin();
	check("a managed network's server gives an address",
	      run_until(bound) && core.six.leased && core.six.address.high == network &&
	          core.six.address.low >= 0x100 && core.six.address.low <= 0x1ff && server_knows());
	const struct address given = core.six.address;
	test_names("and names are asked there, without IPv4");
	core_outside(&core, true, card, 1500);
	check("it is confirmed after a restart of the card's driver",
	      core.six.dhcp.lease.bound && address_same(core.six.address, given) && run_until(settled));
	valid_until = core.six.dhcp.lease.valid_until;
	core.six.dhcp.due_at = core.six.dhcp.renew_at = core.now * 1000ull;
	check("it is renewed", run_until(renewed) && address_same(core.six.address, given));
	dhcp6_release(&core.six.dhcp, core.now * 1000ull);
	check("and given back", run_until(unbound) && !core.six.leased);
	server_stop(server);
	server = server_start("fd00:77::,ra-stateless,64,2m");
	begin();
	check("where a prefix is announced the server tells of name servers alone",
	      run_until(bound) && !core.six.leased && core.six.address.low == core.six.identifier &&
	          !core.six.dhcp.lease.bound);
	test_names("who are asked");
	server_stop(server);
	char command[80];
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return failures != 0 || system(command);
}
