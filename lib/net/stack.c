/* A stack's life, its clock, packets, checksums, hashes, and the table of flows. */
#include "internal.h"
#include <string.h>

/* ---- Packets ---- */

struct packet *packet_allocate(struct net *net, size_t headroom, size_t bytes)
{
	struct packet *packet =
	    (struct packet *)arena_allocate(&net->arena, sizeof(*packet) + headroom + bytes);

	if (!packet)
		return NULL;
	memset(packet, 0, sizeof(*packet));
	net_list_init(&packet->node);
	packet->data = packet->bytes + headroom;
	packet->charge = (uint32_t)arena_capacity(&net->arena, packet);
	packet->room = packet->charge - (uint32_t)(sizeof(*packet) + headroom);
	return packet;
}

struct packet *packet_gather(struct net *net, size_t headroom, const struct net_piece *pieces, unsigned count)
{
	struct packet *packet;
	size_t total = 0;

	for (unsigned index = 0; index < count; index++)
		total += pieces[index].count;
	packet = total <= 65535 ? packet_allocate(net, headroom, total) : NULL;
	if (!packet)
		return NULL;
	for (unsigned index = 0; index < count; index++) {
		memcpy(packet->data + packet->length, pieces[index].bytes, pieces[index].count);
		packet->length += (uint32_t)pieces[index].count;
	}
	packet->room -= packet->length;
	return packet;
}

void packet_free(struct net *net, struct packet *packet)
{
	if (!packet)
		return;
	if (packet->foreign)
		packet->link->config.release(packet->link->config.context, packet->foreign);
	arena_free(&net->arena, packet);
}

struct packet *packet_copy(struct net *net, const struct packet *packet, const uint8_t *bytes, size_t count)
{
	struct packet *copy = packet_allocate(net, 0, count);

	if (!copy)
		return NULL;
	memcpy(copy->data, bytes, count);
	copy->length = (uint32_t)count;
	copy->link = packet->link;
	copy->from = packet->from;
	copy->to = packet->to;
	copy->from_port = packet->from_port;
	copy->to_port = packet->to_port;
	copy->ttl = packet->ttl;
	copy->traffic_class = packet->traffic_class;
	copy->protocol = packet->protocol;
	copy->broadcast = packet->broadcast;
	return copy;
}

int64_t packet_receive(struct net *net, struct packet *packet, uint32_t *charge, struct net_endpoint from,
                       void *buffer, size_t count, uint32_t flags, struct net_receipt *receipt)
{
	size_t part = packet->length < count ? packet->length : count;
	int64_t whole = flags & NET_MSG_TRUNC ? (int64_t)packet->length : (int64_t)part;

	memcpy(buffer, packet->data, part);
	if (receipt)
		*receipt = (struct net_receipt){.from = from,
		                                .to = packet->to,
		                                .link = packet->link->number,
		                                .ttl = packet->ttl,
		                                .traffic_class = packet->traffic_class,
		                                .flags = part < packet->length ? NET_MSG_TRUNC : 0};
	if (!(flags & NET_MSG_PEEK)) {
		net_list_remove(&packet->node);
		*charge -= packet->charge;
		packet_free(net, packet);
	}
	return whole;
}

/* ---- Checksums ---- */

uint32_t checksum_add(uint32_t sum, const void *bytes, size_t count)
{
	const uint8_t *at = (const uint8_t *)bytes;
	uint64_t wide = 0;

	/* In the machine's byte order: the sum does not mind (RFC 1071, 2B); it is turned at the end. A carry out of 64 bits
	 * counts one, as one out of 16 does. */
	for (; count >= 64; count -= 64, at += 64) {
		unsigned long long word[8], carry = 0, sum64 = wide;

		memcpy(word, at, 64);
		for (unsigned index = 0; index < 8; index++)
			sum64 = __builtin_addcll(sum64, word[index], carry, &carry);
		wide = sum64 + carry;
	}
	wide = (wide & 0xffffffff) + (wide >> 32);
	for (; count >= 8; count -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		wide += (word & 0xffffffff) + (word >> 32);
	}
	if (count >= 4) {
		uint32_t word;

		memcpy(&word, at, 4);
		wide += word;
		at += 4;
		count -= 4;
	}
	if (count >= 2) {
		uint16_t word;

		memcpy(&word, at, 2);
		wide += word;
		at += 2;
		count -= 2;
	}
	if (count) {
		uint8_t last[2] = {*at, 0};
		uint16_t word;

		memcpy(&word, last, 2);
		wide += word;
	}
	wide = (wide & 0xffffffff) + (wide >> 32);
	wide = (wide & 0xffffffff) + (wide >> 32);
	wide = (wide & 0xffff) + (wide >> 16);
	wide = (wide & 0xffff) + (wide >> 16);
	if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
		wide = ((wide & 0xff) << 8) | (wide >> 8);
	return sum + (uint32_t)wide;
}

uint32_t checksum_pieces(uint32_t sum, const struct net_piece *pieces, unsigned count)
{
	bool odd = false;

	for (unsigned index = 0; index < count; index++) {
		uint32_t part = checksum_add(0, pieces[index].bytes, pieces[index].count);

		if (odd)
			part = ((part & 0xff) << 8) | (part >> 8);
		sum += part;
		odd ^= pieces[index].count & 1;
	}
	return sum;
}

uint16_t checksum_finish(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint32_t checksum_pseudo(const struct net_address *from, const struct net_address *to, uint32_t protocol,
                         uint32_t bytes)
{
	unsigned start = net_is_ipv4(from) ? 12 : 0;
	uint32_t sum = checksum_add(0, from->bytes + start, 16 - start);

	sum = checksum_add(sum, to->bytes + start, 16 - start);
	return sum + protocol + (bytes >> 16) + (bytes & 0xffff);
}

/* ---- Hashes and random numbers ---- */

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
	return value << bits | value >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

uint64_t siphash(const struct key *key, const void *bytes, size_t count)
{
	const uint8_t *at = (const uint8_t *)bytes;
	uint64_t v[4] = {key->k0 ^ 0x736f6d6570736575ull, key->k1 ^ 0x646f72616e646f6dull,
	                 key->k0 ^ 0x6c7967656e657261ull, key->k1 ^ 0x7465646279746573ull};
	uint64_t word, last = (uint64_t)count << 56;

	for (; count >= 8; count -= 8, at += 8) {
		memcpy(&word, at, 8);
		v[3] ^= word;
		sip_round(v);
		sip_round(v);
		v[0] ^= word;
	}
	for (unsigned index = 0; index < count; index++)
		last |= (uint64_t)at[index] << (8 * index);
	v[3] ^= last;
	sip_round(v);
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (unsigned index = 0; index < 4; index++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint32_t net_random(struct net *net)
{
	if (!net->random_left) {
		net->random(net->random_context, net->random_pool, sizeof(net->random_pool));
		net->random_left = sizeof(net->random_pool) / sizeof(net->random_pool[0]);
	}
	return net->random_pool[--net->random_left];
}

/* ---- Flows ---- */

struct flow_name {
	struct net_address local, remote;
	uint16_t local_port, remote_port;
	uint32_t udp;
};

static struct flow **flow_bucket(struct net *net, bool udp, const struct net_address *local,
                                 uint16_t local_port, const struct net_address *remote, uint16_t remote_port)
{
	struct flow_name name = {*local, *remote, local_port, remote_port, udp};

	return &net->flows[siphash(&net->flow_key, &name, sizeof(name)) & (net->flow_buckets - 1)];
}

void flow_insert(struct net *net, struct flow *flow, enum flow_kind kind)
{
	struct flow **bucket = flow_bucket(net, kind == FLOW_UDP, &flow->local, flow->local_port,
	                                   &flow->remote, flow->remote_port);

	flow->kind = (uint8_t)kind;
	flow->next = *bucket;
	*bucket = flow;
}

void flow_remove(struct net *net, struct flow *flow)
{
	struct flow **at;

	if (flow->kind == FLOW_NONE)
		return;
	if (net->flow_last == flow)
		net->flow_last = NULL;
	at = flow_bucket(net, flow->kind == FLOW_UDP, &flow->local, flow->local_port, &flow->remote,
	                 flow->remote_port);
	while (*at != flow)
		at = &(*at)->next;
	*at = flow->next;
	flow->kind = FLOW_NONE;
}

static bool flow_is(const struct flow *flow, bool udp, const struct net_address *local, uint16_t local_port,
                    const struct net_address *remote, uint16_t remote_port)
{
	return (flow->kind == FLOW_UDP) == udp && flow->local_port == local_port &&
	       flow->remote_port == remote_port && address_equal(&flow->local, local) &&
	       address_equal(&flow->remote, remote);
}

struct flow *flow_find(struct net *net, bool udp, const struct net_address *local, uint16_t local_port,
                       const struct net_address *remote, uint16_t remote_port)
{
	struct flow *flow = net->flow_last;

	/* Packets come in trains: the flow of the one before is looked at without its hash. */
	if (flow && flow_is(flow, udp, local, local_port, remote, remote_port))
		return flow;
	flow = *flow_bucket(net, udp, local, local_port, remote, remote_port);
	while (flow && !flow_is(flow, udp, local, local_port, remote, remote_port))
		flow = flow->next;
	if (flow)
		net->flow_last = flow;
	return flow;
}

/* ---- The stack ---- */

static bool copy_plain(void *to, const void *from, size_t count)
{
	memcpy(to, from, count);
	return true;
}

struct net *net_create(const struct net_config *config)
{
	struct arena arena;
	struct net *net;
	uint32_t buckets = 64;

	if (config->arena_bytes < 65536)
		return NULL;
	arena_init(&arena, config->arena, config->arena_bytes, config->grow, config->grow_context);
	net = (struct net *)arena_allocate_zeroed(&arena, sizeof(*net));
	if (!net)
		return NULL;
	net->arena = arena;
	/* The free lists' heads have moved. */
	for (unsigned order = 0; order < ARENA_ORDERS; order++) {
		struct net_list *head = &net->arena.free[order];

		if (arena.free[order].next == &arena.free[order]) {
			net_list_init(head);
		} else {
			head->next->previous = head;
			head->previous->next = head;
		}
	}
	while (buckets < 16384 && (size_t)buckets * 4096 < config->arena_bytes)
		buckets *= 2;
	net->flow_buckets = buckets;
	net->flows = (struct flow **)arena_allocate_zeroed(&net->arena, buckets * sizeof(struct flow *));
	net->bound = (struct net_socket **)arena_allocate_zeroed(&net->arena,
	                                                         BOUND_BUCKETS * sizeof(struct net_socket *));
	net->paths = (struct path_entry *)arena_allocate_zeroed(&net->arena, PATHS_MAX * sizeof(*net->paths));
	net->fast_open = (struct fast_open_entry *)arena_allocate_zeroed(
	    &net->arena, FAST_OPEN_MAX * sizeof(*net->fast_open));
	if (!net->fast_open || !net->flows || !net->bound || !net->paths)
		return NULL;
	net->now = config->now_ns;
	net->copy = config->copy ? config->copy : copy_plain;
	net->random = config->random;
	net->random_context = config->random_context;
	net->random(net->random_context, &net->flow_key, sizeof(net->flow_key));
	net->random(net->random_context, &net->sequence_key, sizeof(net->sequence_key));
	net->random(net->random_context, &net->port_key, sizeof(net->port_key));
	net->random(net->random_context, &net->cookie_key, sizeof(net->cookie_key));
	net->identification = net_random(net);
	net_list_init(&net->raw_sockets);
	net_list_init(&net->memberships);
	net_list_init(&net->time_waits);
	net_list_init(&net->loopback);
	net_list_init(&net->train_due);
	net->loopback_timer.expire = loopback_run;
	net->profile = tcp_profile_find(config->profile);
	if (!neighbours_init(net) || !fragments_init(net))
		return NULL;
	return net;
}

uint64_t net_advance(struct net *net, uint64_t now_ns)
{
	struct timer *timer;

	if (now_ns > net->now)
		net->now = now_ns;
	while ((timer = timer_due(&net->timers, net->now)))
		timer->expire(net, timer);
	return net->timers.root ? net->timers.root->deadline : UINT64_MAX;
}
