/* See core_world.h. */
#include "core_world.h"
#include <stdio.h>
#include <string.h>
#include "text.h"

/* As lib/holon/text.c, whose other functions are the host's here. */
bool text_copy(char *to, size_t size, const char *text)
{
	size_t length = strnlen(text, size - 1);

	memcpy(to, text, length);
	to[length] = 0;
	return !text[length];
}

struct core_own own;
struct core core;
int failures;
const uint8_t card[6] = {2, 0, 0, 0, 0, 1}, router_mac[6] = {2, 0, 0, 0, 0, 2};
const uint8_t inside_mac[6] = {2, 9, 9, 9, 9, 9};
const struct address router6 = {LINK_LOCAL, 2};

void check(const char *name, bool right)
{
	printf(right ? "ok switch core: %s\n" : "not ok switch core: %s - see the check of this name\n",
	       name);
	failures += !right;
}

static uint64_t random_number(void *context)
{
	static uint64_t state = 88172645463325252ull;

	(void)context;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void send(void *context, unsigned port, const uint8_t *frame, uint32_t bytes)
{
	(void)context;
	own.port = port;
	own.count++;
	own.bytes = bytes;
	memcpy(own.frame, frame, bytes);
}

static void fetch(void *source, uint32_t offset, uint8_t *to, uint32_t count)
{
	memcpy(to, (const uint8_t *)source + offset, count);
}

void world_begin(void)
{
	memset(&core, 0, sizeof(core));
	core.send = send;
	core.random = random_number;
	core_init(&core);
	core_tick(&core, 1);
	core_outside(&core, true, card, 1500);
}

void world_connected(void)
{
	world_begin();
	core.bound = core.six.bound = core.six.linked = true;
	core.address = OWN;
	core.mask = 0xffffff00;
	core.router = ROUTER;
	core.six.address = (struct address){0xfec0ull << 48, core.six.identifier};
	core.six.router = router6;
	core.expires_at = core.renew_at = core.six.router_until = core.six.expires_at = UINT32_MAX;
}

int give(unsigned port, uint8_t *frame, uint32_t bytes)
{
	uint8_t head[CORE_HEAD];
	uint32_t held = bytes < CORE_HEAD ? bytes : CORE_HEAD;

	memcpy(head, frame, held);
	int to = core_frame(&core, port, head, held, bytes, fetch, frame);
	memcpy(frame, head, held);
	return to;
}

bool sums_right(const uint8_t *frame)
{
	const uint8_t *ip = frame + ETHERNET_BYTES;
	bool six = ip[0] >> 4 == 6;
	uint32_t header = six ? IP6_BYTES : IP_BYTES;
	uint32_t inner = six ? get16(ip + 4) : get16(ip + 2) - IP_BYTES;
	uint8_t protocol = six ? ip[6] : ip[9];
	uint32_t pseudo =
	    protocol == IP_ICMP ? 0 : sum_add(protocol + inner, ip + (six ? 8 : 12), six ? 32 : 8);

	return get16(frame + 12) == (six ? ETHER_IP6 : ETHER_IP) &&
	       (six || sum_end(sum_add(0, ip, IP_BYTES)) == 0) &&
	       ((!six && protocol == IP_UDP && !get16(ip + IP_BYTES + 6)) ||
	        sum_end(sum_add(pseudo, ip + header, inner)) == 0);
}

int link_new(uint32_t mode, const struct switch_allowed *allowed, unsigned count, uint64_t parent)
{
	struct switch_policy policy = {.mode = mode, .allowed_count = count};

	for (unsigned i = 0; i < count; i++)
		policy.allowed[i] = allowed[i];
	return (int)core_link_make(&core, 0, parent, "test", &policy);
}
