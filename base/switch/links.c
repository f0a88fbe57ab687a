/* Links: who there is, what is promised to them, and their policies; see core.h. */
#include "core.h"

#include <holon/types.h>
#include "text.h"

#define DEPTH_MAX 64u

uint32_t core_link_address(const struct core_link *link)
{
	return INSIDE_BASE + (uint32_t)link->number * 4 + 2;
}

uint64_t core_link_prefix(const struct core_link *link)
{
	return INSIDE_SIX | link->number << 4;
}

struct address core_link_six(const struct core_link *link)
{
	static const uint8_t nothing[6];
	const uint8_t *mac = link->peer_mac;

	if (memcmp(mac, nothing, 6) == 0)
		return (struct address){0};
	return (struct address){core_link_prefix(link), (uint64_t)(get32(mac) >> 8 ^ 0x20000) << 40 |
	                                                    0xfffeull << 24 | (get32(mac + 2) & 0xffffff)};
}

int core_link_at(const struct core *core, struct address address)
{
	uint32_t offset = (uint32_t)address.low - INSIDE_BASE;

	if (address_is4(address))
		return offset % 4 == 2 ? core_link_find(core, offset / 4) : -1;
	return address.high >> 24 == INSIDE_SIX >> 24 && !(address.high & 15)
	           ? core_link_find(core, (address.high & 0xffffff) >> 4)
	           : -1;
}

int core_link_find(const struct core *core, uint64_t number)
{
	for (int i = 0; number && i < (int)SWITCH_LINKS_MAX; i++)
		if (core->links[i].number == number)
			return i;
	return -1;
}

static bool policy_sound(const struct switch_policy *policy)
{
	if (policy->mode > SWITCH_ONLY || policy->allowed_count > SWITCH_ALLOWED_MAX)
		return false;
	for (unsigned i = 0; i < policy->allowed_count; i++)
		if (!memchr(policy->allowed[i].host, 0, sizeof(policy->allowed[i].host)))
			return false;
	return true;
}

/* By its number, which was drawn, and its name alone (FNV-1a): a link that is made again is the station that it was, as its sub-kernel still
 * says. */
static void mac_choose(struct core_link *link)
{
	uint64_t hash = (14695981039346656037ull ^ link->number) * 1099511628211ull;

	for (const char *at = link->name; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 1099511628211ull;
	for (unsigned i = 0; i < 6; i++)
		link->mac[i] = (uint8_t)(hash >> 8 * i);
	link->mac[0] = (uint8_t)((link->mac[0] & ~3u) | 2); /* one station, locally administered */
}

int64_t core_link_make(struct core *core, uint64_t number, uint64_t parent, const char *name,
                       const struct switch_policy *policy)
{
	int place = 0, above = parent ? core_link_find(core, parent) : 0;

	if (!policy_sound(policy) || number >= CORE_NUMBERS)
		return E_ARGUMENT;
	if (above < 0)
		return E_NOT_FOUND;
	if (number && core_link_find(core, number) >= 0)
		return E_EXISTS;
	/* The first sub-kernel's owner grants it, nobody below. */
	if (policy->mode == SWITCH_BRIDGE &&
	    (!parent || core->links[above].depth || core->links[above].policy.mode != SWITCH_NAT))
		return E_RIGHTS;
	while (place < (int)SWITCH_LINKS_MAX && core->links[place].number)
		place++;
	if (place == (int)SWITCH_LINKS_MAX || (parent && core->links[above].depth >= DEPTH_MAX))
		return E_BUSY;
	/* Numbers are drawn, so that after a restart a new one does not meet one that is yet to come back. */
	while (!number || core_link_find(core, number) >= 0)
		number = core->random(core->context) % CORE_NUMBERS;
	struct core_link *link = &core->links[place];

	*link = (struct core_link){.number = number,
	                           .parent = parent,
	                           .policy = *policy,
	                           .depth = parent ? core->links[above].depth + 1 : 0};
	text_copy(link->name, sizeof(link->name), name);
	mac_choose(link);
	return place;
}

static void end_one(struct core *core, unsigned index)
{
	struct core_link *link = &core->links[index];
	struct flow *flow;

	while ((flow = flow_of_link(&core->flows, (uint8_t)index))) {
		core_reset(core, flow);
		flow_end(&core->flows, flow);
	}
	for (unsigned i = 0; i < CORE_FORWARDS; i++)
		if (core->forwards[i].link == link->number)
			core->forwards[i].used = false;
	for (unsigned i = 0; i < CORE_PEERS; i++)
		if (core->peers[i].client == link->number || core->peers[i].server == link->number)
			core->peers[i].client = core->peers[i].server = 0;
	names_forget(core, index);
	fragments_forget(core, index);
	*link = (struct core_link){0};
}

int64_t core_link_end(struct core *core, uint64_t number)
{
	int index = core_link_find(core, number);
	bool more = true;

	if (index < 0)
		return E_NOT_FOUND;
	end_one(core, (unsigned)index);
	/* And all whose parents are gone. */
	while (more) {
		more = false;
		for (unsigned i = 0; i < SWITCH_LINKS_MAX; i++) {
			struct core_link *link = &core->links[i];
			if (!link->number || !link->parent || core_link_find(core, link->parent) >= 0)
				continue;
			end_one(core, i);
			more = true;
		}
	}
	return E_OK;
}

bool core_port_promised(void *context, uint8_t protocol, uint16_t port)
{
	const struct core *core = context;

	for (unsigned i = 0; i < CORE_FORWARDS; i++)
		if (core->forwards[i].used && core->forwards[i].protocol == protocol &&
		    core->forwards[i].outer == port)
			return true;
	for (unsigned i = 0; i < CORE_QUERIES && protocol == IP_UDP; i++)
		if (core->queries[i].used && core->queries[i].port == port)
			return true;
	return false;
}

int64_t core_forward(struct core *core, uint64_t number, uint8_t protocol, uint16_t outer, uint16_t inner)
{
	unsigned place = 0;
	int link = core_link_find(core, number);

	if (link < 0)
		return E_NOT_FOUND;
	if (core->links[link].policy.mode == SWITCH_BRIDGE)
		return E_SUPPORT;
	if ((protocol != IP_TCP && protocol != IP_UDP) || !outer || !inner)
		return E_ARGUMENT;
	if (core_port_promised(core, protocol, outer))
		return E_EXISTS;
	while (place < CORE_FORWARDS && core->forwards[place].used)
		place++;
	if (place == CORE_FORWARDS)
		return E_BUSY;
	core->forwards[place].used = true;
	core->forwards[place].protocol = protocol;
	core->forwards[place].outer = outer;
	core->forwards[place].inner = inner;
	core->forwards[place].link = number;
	return E_OK;
}

int64_t core_connect(struct core *core, uint64_t number, uint64_t other, uint16_t port, const char *service)
{
	unsigned place = CORE_PEERS;
	int client = core_link_find(core, number), server = core_link_find(core, other);

	if (client < 0 || server < 0)
		return E_NOT_FOUND;
	if (core->links[client].policy.mode == SWITCH_BRIDGE ||
	    core->links[server].policy.mode == SWITCH_BRIDGE)
		return E_SUPPORT;
	if (number == other || !port || !service[0])
		return E_ARGUMENT;
	for (unsigned i = 0; i < CORE_PEERS; i++) {
		if (core->peers[i].client == number && core->peers[i].server == other &&
		    core->peers[i].port == port)
			return E_OK;
		if (!core->peers[i].client && place == CORE_PEERS)
			place = i;
	}
	if (place == CORE_PEERS)
		return E_BUSY;
	if (!text_copy(core->peers[place].service, sizeof(core->peers[place].service), service))
		return E_ARGUMENT;
	core->peers[place].client = number;
	core->peers[place].server = other;
	core->peers[place].port = port;
	return E_OK;
}

const struct core_link *core_service(const struct core *core, const struct core_link *link,
                                     const char *service)
{
	for (unsigned i = 0; i < CORE_PEERS; i++) {
		int server;

		if (core->peers[i].client != link->number || strcmp(core->peers[i].service, service) != 0)
			continue;
		server = core_link_find(core, core->peers[i].server);
		if (server >= 0)
			return &core->links[server];
	}
	return 0;
}

/* A segment to a port that the sender may connect to, or one back from it that opens nothing. No state is kept: a server can send a client
 * segments of no connection, which its stack refuses. */
bool core_may_pass(const struct core *core, uint64_t from, uint64_t to, const struct packet *packet)
{
	if (packet->protocol != IP_TCP)
		return false;
	bool opens = (packet->inner[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	for (unsigned i = 0; i < CORE_PEERS; i++) {
		if (core->peers[i].client == from && core->peers[i].server == to &&
		    core->peers[i].port == packet->to)
			return true;
		if (core->peers[i].client == to && core->peers[i].server == from &&
		    core->peers[i].port == packet->from && !opens)
			return true;
	}
	return false;
}

/* What cannot be told is not allowed. */
bool core_may_send(const struct core *core, const struct core_link *link, const struct packet *packet)
{
	for (unsigned depth = 0; depth <= DEPTH_MAX; depth++) {
		int above;

		if (link->policy.mode != SWITCH_NAT && link->policy.mode != SWITCH_BRIDGE &&
		    (link->policy.mode != SWITCH_ONLY || !packet ||
		     !names_allowed(link, packet->protocol, packet->destination, packet->to)))
			return false;
		if (!link->parent)
			return true;
		above = core_link_find(core, link->parent);
		if (above < 0)
			return false;
		link = &core->links[above];
	}
	return false;
}
