/* Frames of any content from links and from outside, in any order: the input is a list of frames, each with its
 * port and length; after each some invariants are looked at. The head changes between its check and the copy of
 * the rest, as hostile memory does. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "core.h"
#include "dhcp.h"
#include "text.h"

/* As lib/holon/text.c, whose other functions are the host's here. */
bool text_copy(char *to, size_t size, const char *text)
{
	size_t length = strnlen(text, size - 1);

	memcpy(to, text, length);
	to[length] = 0;
	return !text[length];
}

static struct core core;
static uint64_t state;
static const uint8_t *current;
static uint32_t current_bytes;

static uint64_t random_number(void *context)
{
	(void)context;
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return state >> 8 ^ state;
}

/* Whether what leaves comes from the switch itself, which looks for its own addresses from none. */
static bool own_source(const uint8_t *frame)
{
	const uint8_t *ip = frame + ETHERNET_BYTES;

	if (get16(frame + 12) == ETHER_IP6) {
		struct address from = address_get(ip + 8), nobody = {0};
		return address_same(from, nobody) ||
		       ((from.high == LINK_LOCAL && from.low == core.six.identifier) ||
		        (core.six.bound && address_same(from, core.six.address)));
	}
	return get16(frame + 12) != ETHER_IP || get32(ip + 12) == core.address || !get32(ip + 12);
}

static void send(void *context, unsigned port, const uint8_t *frame, uint32_t bytes)
{
	static uint8_t copy[CORE_WHOLE];

	(void)context;
	if (port >= CORE_PORTS || bytes > CORE_WHOLE || bytes < ETHERNET_BYTES)
		abort();
	memcpy(copy, frame, bytes);
	if (port == CORE_OUTSIDE && (bytes < ETHERNET_BYTES + IP_BYTES || !own_source(frame)))
		abort();
}

static void fetch(void *source, uint32_t offset, uint8_t *to, uint32_t count)
{
	(void)source;
	for (uint32_t i = 0; i < count; i++)
		to[i] = offset + i < current_bytes ? current[offset + i] : (uint8_t)random_number(0);
}

static void begin(void)
{
	struct switch_policy policy = {.mode = SWITCH_NAT};
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};

	memset(&core, 0, sizeof(core));
	state = 1;
	core.send = send;
	core.random = random_number;
	core_init(&core);
	core_tick(&core, 1);
	core_outside(&core, true, mac, 1500);
	core_link_make(&core, 1, 0, "a", &policy);
	core_link_make(&core, 2, 1, "b", &policy);
	policy.mode = SWITCH_ONLY;
	policy.allowed_count = 1;
	memcpy(policy.allowed[0].host, "a.b", 4);
	core_link_make(&core, 3, 0, "c", &policy);
	core_link_make(&core, 4, 1, "d", &(struct switch_policy){.mode = SWITCH_BRIDGE});
	core_forward(&core, 1, IP_TCP, 80, 8080);
	core_connect(&core, 1, 3, 80, "service");
	core.bound = true;
	core.address = 0x0a00020f;
	core.mask = 0xffffff00;
	core.router = 0x0a000202;
	core.stations[0].address = address4(core.router);
	core.stations[0].known = true;
	core.name_servers[0] = core.router;
	core.six.linked = core.six.bound = true;
	core.six.neighbours = 0xfec0ull << 48;
	core.six.neighbours_until = 1000;
	core.six.address = (struct address){0xfec0ull << 48, core.six.identifier = 5};
	core.six.router = core.stations[1].address = (struct address){LINK_LOCAL, 2};
	core.stations[1].known = true;
	core.six.router_until = core.six.expires_at = core.six.preferred_until = 1000;
	core.expires_at = UINT32_MAX;
	core.renew_at = UINT32_MAX;
}

/* Makes the sums of a frame right, so that more than the first check is reached: that of IPv4's header, or of
 * ICMPv6, which has all its bytes here. */
static void repair(uint8_t *head, uint32_t held)
{
	uint8_t *ip = head + ETHERNET_BYTES;
	uint32_t header = held > ETHERNET_BYTES + IP_BYTES ? (ip[0] & 15u) * 4 : 0;

	if (held >= ETHERNET_BYTES + IP6_BYTES + 4 && get16(head + 12) == ETHER_IP6 && ip[6] == IP_ICMP6) {
		uint32_t bytes = held - ETHERNET_BYTES - IP6_BYTES;
		bytes = get16(ip + 4) < bytes ? get16(ip + 4) : bytes;
		if (bytes < 4)
			return;
		ip[7] = 255;
		put16(ip + IP6_BYTES + 2, 0);
		put16(ip + IP6_BYTES + 2, inner_sum(ip, IP_ICMP6, ip + IP6_BYTES, bytes));
		return;
	}

	if (header < IP_BYTES || header + ETHERNET_BYTES > held)
		return;
	put16(ip + 10, 0);
	put16(ip + 10, sum_end(sum_add(0, ip, header)));
}

/* Headers of IPv6 that lead somewhere, as CHOICE says, before what the input has behind them. */
static void dress(uint8_t *head, uint32_t bytes, unsigned port, uint8_t choice)
{
	static const uint8_t protocols[] = {IP_ICMP6, IP_TCP, IP_UDP, IP_ICMP6};
	int link = core_link_find(&core, port + 1);
	const struct address far = {0x20010db800000000ull, 1}, router = {LINK_LOCAL, 2},
	                     nodes = {0xff02000000000000ull, 1}, gateway = {LINK_LOCAL, 1};
	const struct address to[] = {port == 4 ? core.six.address : gateway, far, router, nodes};
	struct address from = choice & 16 ? router : far;

	if (bytes < ETHERNET_BYTES + IP6_BYTES)
		return;
	if (link >= 0 && !(choice & 16))
		from = (struct address){core_link_prefix(&core.links[link]), 5};
	put16(head + 12, ETHER_IP6);
	ip6_make(head + ETHERNET_BYTES, protocols[choice & 3], from, to[choice >> 2 & 3],
	         bytes - ETHERNET_BYTES - IP6_BYTES, choice & 32 ? 255 : 64);
	if (choice & 64) /* what the input has begins with the header of a fragment */
		head[ETHERNET_BYTES + 6] = IP_FRAGMENT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	begin();
	while (size >= 4) {
		unsigned port = data[0] % 5;
		uint32_t bytes = (uint32_t)data[1] << 3 | data[2] >> 5, here;
		uint8_t head[CORE_HEAD] = {0};

		if (data[2] & 1)
			core_tick(&core, core.now + data[3]);
		bool right = data[2] & 2, dressed = data[2] & 4;
		uint8_t choice = data[3];
		data += 4;
		size -= 4;
		bytes = bytes > 1514 ? 1514 : bytes;
		here = bytes < size ? bytes : (uint32_t)size;
		current = data;
		current_bytes = here;
		uint32_t held = bytes < CORE_HEAD ? bytes : CORE_HEAD;
		memcpy(head, data, here < held ? here : held);
		if (port == 4 && !(data[-2] & 8))
			memcpy(head, core.mac, 6);
		if (port == 3 && !(data[-2] & 8))
			bridge_station(&core.links[3], head + 6);
		if (dressed)
			dress(head, bytes, port, choice);
		if (right)
			repair(head, held);
		unsigned from = port == 4 ? CORE_OUTSIDE : port;
		int to = core_frame(&core, from, head, held, bytes, fetch, 0);
		if (to != CORE_NOWHERE && ((unsigned)to >= CORE_PORTS || (unsigned)to == from))
			abort();
		/* Nothing leaves but from the switch's own address, to a station that is known. */
		uint8_t station[6];
		bridge_station(&core.links[3], station);
		if (to == (int)CORE_OUTSIDE &&
		    (from == 3 ? memcmp(head + 6, station, 6) != 0 : !own_source(head)))
			abort();
		data += here;
		size -= here;
	}
	if (core.flows.count > FLOWS_MAX)
		abort();
	core_link_end(&core, 1);
	core_link_end(&core, 3);
	if (core.flows.count)
		abort();
	return 0;
}
