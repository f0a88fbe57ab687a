/* See flows.h. */
#include "flows.h"

#include "text_inline.h"

#define PORT_FIRST  1024u
#define PORT_TRIES  64u
#define AGE_AT_ONCE 512u
#define STEAL_LOOK  16u
/* Seconds without a packet: RFC 5382, 5 (TCP), RFC 4787, 4.3 (UDP), RFC 5508, 3.2 (ICMP). */
#define TCP_OPEN      7440u
#define TCP_TRANSIENT 240u
#define UDP_ANSWERED  300u
#define UDP_SILENT    120u
#define ICMP_IDLE     60u

static uint64_t mix(uint64_t value)
{
	value ^= value >> 33;
	value *= 0xff51afd7ed558ccdull;
	value ^= value >> 33;
	value *= 0xc4ceb9fe1a85ec53ull;
	return value ^ value >> 33;
}

static uint32_t hash(const struct flows *flows, uint64_t a, uint64_t b)
{
	return (uint32_t)(mix(mix(a ^ flows->key[0]) + (b ^ flows->key[1])) % FLOW_CHAINS);
}

/* An address as one number. IPv6's halves are mixed, since who has many addresses chooses both. */
static uint64_t number(const struct flows *flows, struct address address)
{
	return address.high ? mix(mix(address.high ^ flows->key[0]) + (address.low ^ flows->key[1]))
	                    : address.low;
}

static uint32_t hash_inside(const struct flows *flows, const struct flow *flow)
{
	uint64_t ports = (uint64_t)flow->link << 40 | (uint64_t)flow->protocol << 32 |
	                 (uint32_t)flow->remote_port << 16 | flow->inside_port;

	return hash(flows, number(flows, flow->remote), number(flows, flow->inside) + ports);
}

static uint32_t hash_outside(const struct flows *flows, uint8_t protocol, uint16_t port,
                             struct address remote, uint16_t remote_port)
{
	uint64_t ports = 1ull << 48 | (uint64_t)protocol << 32 | (uint32_t)remote_port << 16 | port;

	return hash(flows, number(flows, remote), ports);
}

void flows_init(struct flows *flows, const uint64_t key[2])
{
	memset(flows, 0, sizeof(*flows));
	flows->key[0] = key[0];
	flows->key[1] = key[1];
	for (uint32_t i = 0; i < FLOWS_MAX; i++) {
		flows->flows[i].next_link = flows->free;
		flows->free = i + 1;
	}
}

struct flow *flow_inside(struct flows *flows, const struct flow *like)
{
	uint32_t at = flows->by_inside[hash_inside(flows, like)];

	for (; at; at = flows->flows[at - 1].next_inside) {
		struct flow *flow = &flows->flows[at - 1];
		if (flow->link == like->link && flow->protocol == like->protocol &&
		    flow->inside_port == like->inside_port && address_same(flow->remote, like->remote) &&
		    flow->remote_port == like->remote_port && address_same(flow->inside, like->inside))
			return flow;
	}
	return 0;
}

struct flow *flow_outside(struct flows *flows, uint8_t protocol, uint16_t outside_port, struct address remote,
                          uint16_t remote_port)
{
	uint32_t at = flows->by_outside[hash_outside(flows, protocol, outside_port, remote, remote_port)];

	for (; at; at = flows->flows[at - 1].next_outside) {
		struct flow *flow = &flows->flows[at - 1];
		if (flow->protocol == protocol && flow->outside_port == outside_port &&
		    address_same(flow->remote, remote) && flow->remote_port == remote_port)
			return flow;
	}
	return 0;
}

static bool is_echo(const struct flow *flow)
{
	return flow->protocol == IP_ICMP || flow->protocol == IP_ICMP6;
}

static uint32_t idle_limit(const struct flow *flow)
{
	if (flow->protocol == IP_TCP)
		return flow->answered && !flow->closing ? TCP_OPEN : TCP_TRANSIENT;
	return is_echo(flow) ? ICMP_IDLE : flow->answered ? UDP_ANSWERED : UDP_SILENT;
}

/* A port towards FLOW's remote that nobody has; 0: none was found. */
static uint16_t free_port(struct flows *flows, const struct flow *flow,
                          bool (*taken)(void *context, uint8_t protocol, uint16_t port), void *context)
{
	uint16_t port = flow->inside_port;

	for (unsigned tries = 0; tries < PORT_TRIES; tries++) {
		if (port >= (is_echo(flow) ? 1u : PORT_FIRST) && !taken(context, flow->protocol, port) &&
		    !flow_outside(flows, flow->protocol, port, flow->remote, flow->remote_port))
			return port;
		/* Ports that follow each other would tell a remote of others' connections. */
		flows->next_port++;
		port = (uint16_t)(PORT_FIRST + mix(flows->key[1] ^ flows->next_port) % (65536 - PORT_FIRST));
	}
	return 0;
}

/* Gives up one of LINK's idlest flows among the next few of the table. */
static bool steal(struct flows *flows, uint8_t link)
{
	struct flow *idlest = 0;
	uint32_t at = flows->links[link];

	for (unsigned i = 0; i < STEAL_LOOK && at; i++, at = flows->flows[at - 1].next_link) {
		struct flow *flow = &flows->flows[at - 1];
		if (!idlest || flows->now - flow->used_at > flows->now - idlest->used_at)
			idlest = flow;
	}
	if (!idlest || idlest->used_at == flows->now)
		return false;
	flow_end(flows, idlest);
	return true;
}

struct flow *flow_make(struct flows *flows, const struct flow *like,
                       bool (*taken)(void *context, uint8_t protocol, uint16_t port), void *context)
{
	uint16_t port = like->outside_port ? like->outside_port : free_port(flows, like, taken, context);

	if (!port ||
	    ((flows->link_count[like->link] >= FLOWS_PER_LINK || !flows->free) && !steal(flows, like->link)))
		return 0;
	uint32_t index = flows->free, chain;
	struct flow *flow = &flows->flows[index - 1];

	flows->free = flow->next_link;
	*flow = *like;
	flow->used = true;
	flow->used_at = flows->now;
	flow->outside_port = port;
	chain = hash_inside(flows, flow);
	flow->next_inside = flows->by_inside[chain];
	flows->by_inside[chain] = index;
	chain = hash_outside(flows, flow->protocol, port, flow->remote, flow->remote_port);
	flow->next_outside = flows->by_outside[chain];
	flows->by_outside[chain] = index;
	flow->previous_link = 0;
	flow->next_link = flows->links[flow->link];
	if (flow->next_link)
		flows->flows[flow->next_link - 1].previous_link = index;
	flows->links[flow->link] = index;
	flows->link_count[flow->link]++;
	flows->count++;
	return flow;
}

static void unchain(struct flows *flows, uint32_t *head, uint32_t index, bool inside)
{
	while (*head && *head != index)
		head = inside ? &flows->flows[*head - 1].next_inside : &flows->flows[*head - 1].next_outside;
	if (*head)
		*head = inside ? flows->flows[index - 1].next_inside : flows->flows[index - 1].next_outside;
}

void flow_end(struct flows *flows, struct flow *flow)
{
	uint32_t index = (uint32_t)(flow - flows->flows) + 1;

	unchain(flows, &flows->by_inside[hash_inside(flows, flow)], index, true);
	unchain(flows,
	        &flows->by_outside[hash_outside(flows, flow->protocol, flow->outside_port, flow->remote,
	                                        flow->remote_port)],
	        index, false);
	if (flow->previous_link)
		flows->flows[flow->previous_link - 1].next_link = flow->next_link;
	else
		flows->links[flow->link] = flow->next_link;
	if (flow->next_link)
		flows->flows[flow->next_link - 1].previous_link = flow->previous_link;
	flows->link_count[flow->link]--;
	flows->count--;
	flow->used = false;
	flow->next_link = flows->free;
	flows->free = index;
}

struct flow *flow_of_link(struct flows *flows, uint8_t link)
{
	return flows->links[link] ? &flows->flows[flows->links[link] - 1] : 0;
}

void flows_age(struct flows *flows, uint32_t now)
{
	flows->now = now;
	for (unsigned i = 0; i < AGE_AT_ONCE; i++) {
		struct flow *flow = &flows->flows[flows->sweep];
		flows->sweep = (flows->sweep + 1) % FLOWS_MAX;
		if (flow->used && now - flow->used_at > idle_limit(flow))
			flow_end(flows, flow);
	}
}
