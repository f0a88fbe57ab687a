/* Names: questions of sub-kernels that may ask, passed on to the name servers outside; and the addresses of the
 * names that policies list, asked for by the switch itself. A link with such a policy gets answers for exactly
 * those names, from what the switch knows: no question of its own leaves. The names of services that a link is
 * connected with are answered first. */
#include "core.h"
#include "text.h"

#define QUERY_LIVES  8u /* seconds */
#define ASK_AGAIN    5u
#define TTL_LEAST    30u
#define TTL_MOST     3600u
#define PORT_FIRST   1024u
#define REFUSED      5u
#define NO_NAME      3u
#define CLASS_IN     1u
#define SERVER_WAIT  2u /* seconds without an answer to anything: the next name server is asked */
#define SERVERS_MOST (3u + 2 * CORE_NAME_SERVERS)

static uint32_t hash_name(const struct dns_question *question)
{
	uint32_t hash = 2166136261u ^ question->type;

	for (const char *at = question->name; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 16777619u;
	return hash;
}

static bool name_is(const char *host, const char *name)
{
	for (; *host && *name; host++, name++)
		if ((*host >= 'A' && *host <= 'Z' ? *host - 'A' + 'a' : *host) != *name)
			return false;
	return !*host && !*name;
}

bool names_allowed(const struct core_link *link, uint8_t protocol, struct address address, uint16_t port)
{
	for (unsigned i = 0; i < link->policy.allowed_count; i++) {
		const struct switch_allowed *allowed = &link->policy.allowed[i];
		const struct core_name *name = &link->names[i][!address_is4(address)];
		struct address fixed;

		if ((allowed->protocol && allowed->protocol != protocol) ||
		    (allowed->port && allowed->port != port) || (protocol != IP_TCP && protocol != IP_UDP))
			continue;
		if (address_parse(allowed->host, &fixed) && address_same(fixed, address))
			return true;
		for (unsigned j = 0; j < name->count; j++)
			if (address_same(name->addresses[j], address))
				return true;
	}
	return false;
}

/* The name servers that can be asked, in order; returns how many there are. */
static unsigned name_servers(const struct core *core, struct address servers[SERVERS_MOST])
{
	const struct dhcp6_lease *lease = &core->six.dhcp.lease;
	unsigned count = 0;

	for (unsigned i = 0; i < 3 && core->bound; i++)
		if (core->name_servers[i])
			servers[count++] = address4(core->name_servers[i]);
	for (unsigned i = 0; i < 2 * CORE_NAME_SERVERS; i++) {
		struct address server = {0};

		if (i < CORE_NAME_SERVERS && core->now < core->six.name_servers[i].until)
			server = core->six.name_servers[i].address;
		else if (i >= CORE_NAME_SERVERS && i - CORE_NAME_SERVERS < lease->name_server_count)
			server = address_get(lease->name_servers[i - CORE_NAME_SERVERS]);
		if ((server.high == LINK_LOCAL || !core_special(server)) &&
		    !address_same(outside6_source(core, server), (struct address){0}))
			servers[count++] = server;
	}
	return count;
}

/* The name server that is asked now. */
static struct address name_server(const struct core *core)
{
	struct address servers[SERVERS_MOST];
	unsigned count = name_servers(core, servers);

	return count ? servers[core->server_at % count] : (struct address){0};
}

/* One that answers nothing is left for the next. A question alone that stays without answer says nothing: a
 * sub-kernel can choose such. */
static void name_server_judge(struct core *core)
{
	struct address server = name_server(core);
	bool silent = false;

	for (unsigned i = 0; i < CORE_QUERIES; i++) {
		struct core_query *query = &core->queries[i];

		if (!query->used || query->late || core->now - query->asked_at < SERVER_WAIT)
			continue;
		query->late = true;
		silent |= address_same(query->server, server) && query->asked_at > core->server_heard_at;
	}
	core->server_at += silent;
}

/* A place for a question, with a port and number of its own that an outsider would have to guess. */
static struct core_query *query_make(struct core *core)
{
	struct core_query *query = &core->queries[core->next_query++ % CORE_QUERIES];

	for (unsigned tries = 0;
	     query->used && core->now - query->asked_at < QUERY_LIVES && tries < CORE_QUERIES; tries++)
		query = &core->queries[core->next_query++ % CORE_QUERIES];
	uint64_t random = core->random(core->context);
	*query = (struct core_query){.port = (uint16_t)(PORT_FIRST + random % (65536 - PORT_FIRST)),
	                             .id = (uint16_t)(random >> 32),
	                             .asked_at = core->now};
	query->server = name_server(core);
	query->used = !address_same(query->server, (struct address){0});
	return query->used ? query : 0;
}

static void answer_own(struct core *core, unsigned port, const struct packet *packet,
                       const struct dns_question *question, unsigned error, const struct address *addresses,
                       unsigned count)
{
	const struct core_link *link = &core->links[port];
	uint8_t *frame = core->reply, *data = frame + ETHERNET_BYTES + IP_BYTES + UDP_BYTES;
	uint32_t bytes;

	memcpy(data, packet->inner + UDP_BYTES, question->end);
	bytes = dns_answer(data, question->end, question->type, addresses, count, error);
	ethernet_make(frame, link->peer_mac, link->mac, ETHER_IP);
	udp_make(frame + ETHERNET_BYTES, core_link_address(link) - 1, 53, core_link_address(link),
	         packet->from, bytes);
	core->send(core->context, port, frame, ETHERNET_BYTES + IP_BYTES + UDP_BYTES + bytes);
}

/* The answer for a link that may not ask. */
static void answer_listed(struct core *core, unsigned port, const struct packet *packet,
                          const struct dns_question *question)
{
	const struct core_link *link = &core->links[port];
	bool addresses =
	    question->class == CLASS_IN && (question->type == DNS_A || question->type == DNS_AAAA);

	for (unsigned i = 0; i < link->policy.allowed_count && link->policy.mode == SWITCH_ONLY; i++) {
		const struct core_name *name = &link->names[i][question->type == DNS_AAAA];
		if (!name_is(link->policy.allowed[i].host, question->name))
			continue;
		answer_own(core, port, packet, question, 0, name->addresses, addresses ? name->count : 0);
		return;
	}
	answer_own(core, port, packet, question, link->policy.mode == SWITCH_ONLY ? NO_NAME : REFUSED, 0, 0);
}

void names_question(struct core *core, unsigned port, const struct packet *packet)
{
	const struct core_link *link = &core->links[port];
	uint32_t bytes = get16(packet->inner + 4) - UDP_BYTES;
	const uint8_t *message = packet->inner + UDP_BYTES;
	struct dns_question question;
	uint8_t *data;

	if (bytes > DNS_BYTES_MAX || bytes < DNS_HEADER || message[2] >> 7 ||
	    !dns_question(message, bytes, &question))
		return;
	const struct core_link *service = core_service(core, link, question.name);
	if (service) {
		const struct address address =
		    question.type == DNS_A ? address4(core_link_address(service)) : core_link_six(service);
		answer_own(core, port, packet, &question, 0, &address,
		           (question.type == DNS_A || (question.type == DNS_AAAA && address.high)) &&
		               question.class == CLASS_IN);
		return;
	}
	if (!core_may_send(core, link, NULL)) { /* it may not ask for any name */
		answer_listed(core, port, packet, &question);
		return;
	}
	unsigned mine = 0;
	for (unsigned i = 0; i < CORE_QUERIES; i++)
		mine += core->queries[i].used && core->queries[i].link == port &&
		        core->now - core->queries[i].asked_at < QUERY_LIVES;
	if (mine >= CORE_QUERIES / 4) /* no link takes the others' places */
		return;
	struct core_query *query = query_make(core);
	if (!query)
		return;
	query->link = (uint8_t)port;
	query->from = packet->from;
	query->from_id = get16(message);
	query->hash = hash_name(&question);
	data = outside_data(core, query->server);
	memcpy(data, message, bytes);
	put16(data, query->id);
	outside_send_udp(core, query->server, query->port, 53, bytes);
}

static void resolved(struct core *core, const struct core_query *query, const uint8_t *message,
                     uint32_t bytes)
{
	struct core_name *name = &core->links[query->link].names[query->name][query->six];
	struct address addresses[CORE_ADDRESSES];
	uint32_t ttl;
	int count = dns_addresses(message, bytes, addresses, CORE_ADDRESSES, &ttl);

	if (!count && query->six) /* it has none, as most names */
		name->ask_at = core->now + TTL_LEAST;
	if (count <= 0) /* what is known stays; it is asked for again */
		return;
	name->count = 0;
	for (int i = 0; i < count; i++)
		/* A name server does not open the inside to who is not allowed there. */
		if (!core_special(addresses[i]) && address_is4(addresses[i]) != query->six)
			name->addresses[name->count++] = addresses[i];
	name->ask_at = core->now + (ttl < TTL_LEAST ? TTL_LEAST : ttl > TTL_MOST ? TTL_MOST : ttl);
}

bool names_answer(struct core *core, const struct packet *packet)
{
	const uint8_t *message = packet->inner + UDP_BYTES;
	uint32_t bytes = get16(packet->inner + 4) - UDP_BYTES;
	struct dns_question question;

	if (bytes < DNS_HEADER || bytes > DNS_BYTES_MAX)
		return false;
	if (get16(packet->inner + 6) && /* the link gets it with a sum of its own */
	    inner_sum(packet->ip, IP_UDP, packet->inner, bytes + UDP_BYTES))
		return true;
	for (unsigned i = 0; i < CORE_QUERIES; i++) {
		struct core_query *query = &core->queries[i];
		if (!query->used || query->port != packet->to || !address_same(packet->source, query->server))
			continue;
		if (query->id != get16(message) || !(message[2] >> 7) ||
		    !dns_question(message, bytes, &question) || hash_name(&question) != query->hash ||
		    core->now - query->asked_at >= QUERY_LIVES)
			return true;
		query->used = false;
		core->server_heard_at = core->now;
		if (query->own) {
			resolved(core, query, message, bytes);
			return true;
		}
		const struct core_link *link = &core->links[query->link];
		uint8_t *frame = core->reply, *data = frame + ETHERNET_BYTES + IP_BYTES + UDP_BYTES;
		memcpy(data, message, bytes);
		put16(data, query->from_id);
		ethernet_make(frame, link->peer_mac, link->mac, ETHER_IP);
		udp_make(frame + ETHERNET_BYTES, core_link_address(link) - 1, 53, core_link_address(link),
		         query->from, bytes);
		core->send(core->context, query->link, frame, ETHERNET_BYTES + IP_BYTES + UDP_BYTES + bytes);
		return true;
	}
	return false;
}

void names_forget(struct core *core, unsigned link)
{
	for (unsigned i = 0; i < CORE_QUERIES; i++)
		if (core->queries[i].link == link)
			core->queries[i].used = false;
}

static void ask(struct core *core, unsigned link, unsigned index, bool six)
{
	struct core_link *asking = &core->links[link];
	struct dns_question question;
	uint32_t bytes;

	asking->names[index][six].ask_at = core->now + ASK_AGAIN;
	struct core_query *query = query_make(core);
	if (!query)
		return;
	query->own = true;
	query->six = six;
	query->link = (uint8_t)link;
	query->name = (uint8_t)index;
	uint8_t *data = outside_data(core, query->server);
	bytes = dns_ask(data, query->id, asking->policy.allowed[index].host, six ? DNS_AAAA : DNS_A);
	if (!bytes || !dns_question(data, bytes, &question)) {
		query->used = false;
		asking->names[index][six].ask_at = UINT32_MAX; /* it is no name: nothing is allowed by it */
		return;
	}
	query->hash = hash_name(&question);
	outside_send_udp(core, query->server, query->port, 53, bytes);
}

void names_tick(struct core *core)
{
	struct address fixed;

	name_server_judge(core);
	if (address_same(name_server(core), (struct address){0}))
		return;
	for (unsigned i = 0; i < SWITCH_LINKS_MAX; i++) {
		const struct core_link *link = &core->links[i];
		for (unsigned j = 0;
		     link->number && link->policy.mode == SWITCH_ONLY && j < link->policy.allowed_count;
		     j++) {
			if (address_parse(link->policy.allowed[j].host, &fixed))
				continue;
			if (link->names[j][0].ask_at <= core->now)
				ask(core, i, j, false);
			if (core->six.bound && link->names[j][1].ask_at <= core->now)
				ask(core, i, j, true);
		}
	}
}
