/* Addresses and what kind they are. */
#include "internal.h"
#include <string.h>

struct net_address net_ipv4(const uint8_t address[4])
{
	struct net_address mapped = {{[10] = 255, [11] = 255}};

	memcpy(mapped.bytes + 12, address, 4);
	return mapped;
}

bool address_zero(const struct net_address *address)
{
	uint32_t x[4];

	memcpy(x, address, sizeof(x));
	return x[3] == 0 && (net_is_ipv4(address) || (x[0] | x[1] | x[2]) == 0);
}

struct net_address address_any(bool ipv4)
{
	struct net_address any = {{0}};

	if (ipv4)
		any.bytes[10] = any.bytes[11] = 255;
	return any;
}

struct net_address address_own_loopback(bool ipv4)
{
	static const uint8_t four[4] = {127, 0, 0, 1};
	static const struct net_address six = {{[15] = 1}};

	return ipv4 ? net_ipv4(four) : six;
}

bool address_multicast(const struct net_address *address)
{
	return net_is_ipv4(address) ? (address->bytes[12] & 0xf0) == 0xe0 : address->bytes[0] == 0xff;
}

bool address_link_local(const struct net_address *address)
{
	if (net_is_ipv4(address))
		return address->bytes[12] == 169 && address->bytes[13] == 254;
	if (address->bytes[0] == 0xff)
		return (address->bytes[1] & 15) <= 2;
	return address->bytes[0] == 0xfe && (address->bytes[1] & 0xc0) == 0x80;
}

bool address_loopback(const struct net_address *address)
{
	static const struct net_address one = {{[15] = 1}};

	return net_is_ipv4(address) ? address->bytes[12] == 127 : address_equal(address, &one);
}

bool address_matches(const struct net_address *address, const struct net_address *prefix, unsigned length)
{
	const uint8_t *a = address->bytes, *b = prefix->bytes;

	if (length <= 64)
		return !length || (load64(a) ^ load64(b)) >> (64 - length) == 0;
	return load64(a) == load64(b) && (load64(a + 8) ^ load64(b + 8)) >> (128 - length) == 0;
}

/* 255.255.255.255, or all ones in the host part of a subnet of ours. */
bool address_broadcast(struct net *net, const struct net_address *address)
{
	uint32_t host;

	if (!net_is_ipv4(address))
		return false;
	host = load32(address->bytes + 12);
	if (host == 0xffffffff)
		return true;
	for (unsigned index = 0; index < net->link_count; index++) {
		const struct net_link *link = net->links[index];

		for (unsigned at = 0; at < link->address_count; at++) {
			const struct link_address *own = &link->addresses[at];
			uint32_t mask;

			if (!net_is_ipv4(&own->address) || own->length >= 127 || own->length <= 96)
				continue;
			mask = 0xffffffffu >> (own->length - 96);
			if ((host & mask) == mask && address_matches(address, &own->address, own->length))
				return true;
		}
	}
	return false;
}

bool net_own_address(struct net *net, const struct net_address *address)
{
	for (unsigned index = 0; index < net->link_count; index++)
		if (link_own_address(net->links[index], address))
			return true;
	return false;
}

bool link_awaits_address(const struct net_link *link)
{
	return link->awaits_address;
}

struct link_address *link_own_address(struct net_link *link, const struct net_address *address)
{
	/* All of 127/8 is the loopback link's, but its last, which is for everybody there. */
	if (link->config.kind == NET_LINK_LOOPBACK && net_is_ipv4(address) && address->bytes[12] == 127 &&
	    load32(address->bytes + 12) != 0x7fffffff)
		for (unsigned index = 0; index < link->address_count; index++)
			if (net_is_ipv4(&link->addresses[index].address))
				return &link->addresses[index];
	for (unsigned index = 0; index < link->address_count; index++)
		if (address_equal(&link->addresses[index].address, address))
			return &link->addresses[index];
	return NULL;
}

static unsigned common_bits(const struct net_address *a, const struct net_address *b)
{
	unsigned bits = 0;

	while (bits < 128 && address_matches(a, b, bits + 1))
		bits++;
	return bits;
}

const struct net_address *link_source(struct net_link *link, const struct net_address *to)
{
	const struct net_address *best = NULL;
	unsigned best_rank = 0;

	for (unsigned index = 0; index < link->address_count; index++) {
		const struct link_address *own = &link->addresses[index];
		unsigned rank;

		if (own->state != ADDRESS_VALID || net_is_ipv4(&own->address) != net_is_ipv4(to))
			continue;
		/* RFC 6724, 5: the same scope first (rule 2), not deprecated (3), then the longest prefix
		 * (8). */
		rank = 1 + common_bits(&own->address, to);
		if (own->preferred_until > link->net->now)
			rank += 256;
		if (address_link_local(&own->address) == address_link_local(to))
			rank += 512;
		if (rank > best_rank) {
			best = &own->address;
			best_rank = rank;
		}
	}
	return best;
}
