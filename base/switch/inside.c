/* What the switch answers on a link: ARP for itself, DHCP, echoes, and that something cannot be reached. */
#include "core.h"
#include "dhcp.h"
#include "text.h"

#define ARP_BYTES   28u
#define LEASE       86400u
#define ABOUT_BYTES 8u    /* behind the header of a packet that an ICMP error is about */
#define ERRORS_MOST 1000u /* a second */

static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};

void inside_arp(struct core *core, unsigned port, uint32_t bytes)
{
	const struct core_link *link = &core->links[port];
	uint8_t *arp = core->whole + ETHERNET_BYTES;
	uint32_t gateway = core_link_address(link) - 1;
	uint8_t from[6];

	if (bytes < ETHERNET_BYTES + ARP_BYTES || get16(arp) != 1 || get16(arp + 2) != ETHER_IP ||
	    arp[4] != 6 || arp[5] != 4 || get16(arp + 6) != 1 || get32(arp + 24) != gateway)
		return;
	memcpy(from, arp + 8, 6);
	uint32_t address = get32(arp + 14);
	ethernet_make(core->whole, from, link->mac, ETHER_ARP);
	put16(arp + 6, 2);
	memcpy(arp + 8, link->mac, 6);
	put32(arp + 14, gateway);
	memcpy(arp + 18, from, 6);
	put32(arp + 24, address);
	core->send(core->context, port, core->whole, ETHERNET_BYTES + ARP_BYTES);
}

static void give_address(struct core *core, unsigned port, const uint8_t *data, uint32_t bytes)
{
	const struct core_link *link = &core->links[port];
	uint32_t address = core_link_address(link), gateway = address - 1;
	struct dhcp_message message;
	uint8_t *frame = core->reply, *ip = frame + ETHERNET_BYTES;

	if (!dhcp_read(data, bytes, &message) || message.operation != 1)
		return;
	struct dhcp_message answer = {.operation = 2,
	                              .transaction = message.transaction,
	                              .given = address,
	                              .server = gateway,
	                              .mask = 0xfffffffc,
	                              .router = link->policy.mode == SWITCH_NONE ? 0 : gateway,
	                              .lease = LEASE,
	                              .mtu = core->mtu};
	memcpy(answer.hardware, message.hardware, 6);
	if (link->policy.mode == SWITCH_NAT || link->policy.mode == SWITCH_ONLY)
		answer.name_servers[0] = gateway;
	uint32_t wanted = message.wanted ? message.wanted : message.given;
	if (message.type == DHCP_DISCOVER) {
		answer.type = DHCP_OFFER;
	} else if (message.type == DHCP_REQUEST) {
		if (message.server && message.server != gateway)
			return;
		answer.type = wanted == address ? DHCP_ACK : DHCP_NAK;
	} else if (message.type == DHCP_INFORM) {
		answer.type = DHCP_ACK;
		answer.given = answer.lease = 0;
	} else {
		return;
	}
	if (answer.type == DHCP_NAK)
		answer = (struct dhcp_message){
		    .operation = 2, .type = DHCP_NAK, .transaction = message.transaction, .server = gateway};
	memcpy(answer.hardware, message.hardware, 6);
	uint32_t length = dhcp_write(ip + IP_BYTES + UDP_BYTES, &answer);
	ethernet_make(frame, message.broadcast ? everybody : link->peer_mac, link->mac, ETHER_IP);
	udp_make(ip, gateway, 67, UINT32_MAX, 68, length);
	core->send(core->context, port, frame, ETHERNET_BYTES + IP_BYTES + UDP_BYTES + length);
	if (answer.type == DHCP_ACK &&
	    core->six.bound) /* its stack listens now: it need not ask for a router */
		inside6_announce(core, port);
}

/* PACKET is in core->whole. */
void inside_echo(struct core *core, unsigned port, struct packet *packet)
{
	const struct core_link *link = &core->links[port];
	const struct address source = packet->source;

	packet_set_source(packet, packet->destination, packet->from);
	packet_set_destination(packet, source, packet->from);
	packet->inner[0] = packet->six ? ICMP6_ECHO_REPLY : ICMP_ECHO_REPLY;
	put16(packet->inner + 2, 0);
	put16(packet->inner + 2, inner_sum(packet->ip, packet->protocol, packet->inner, packet->inner_bytes));
	ethernet_make(core->whole, link->peer_mac, link->mac, packet->six ? ETHER_IP6 : ETHER_IP);
	core->send(core->context, port, core->whole, ETHERNET_BYTES + packet->bytes);
}

void inside_local(struct core *core, unsigned port, struct packet *packet)
{
	bool here = address_same(packet->destination, address4(core_link_address(&core->links[port]) - 1));

	if (packet->protocol == IP_UDP && packet->to == 67)
		give_address(core, port, packet->inner + UDP_BYTES, get16(packet->inner + 4) - UDP_BYTES);
	else if (!here)
		return;
	else if (packet->protocol == IP_UDP && packet->to == 53)
		names_question(core, port, packet);
	else if (packet->echo)
		inside_echo(core, port, packet);
	else
		inside_unreachable(core, port, packet, INSIDE_PORT);
}

void inside_unreachable(struct core *core, unsigned port, const struct packet *packet,
                        enum inside_error error)
{
	/* Types and codes: RFC 792, RFC 1812 (prohibited), RFC 4443. */
	static const uint8_t four[][2] = {
	    {ICMP_UNREACHABLE, 13}, {ICMP_UNREACHABLE, 3}, {ICMP_UNREACHABLE, 0}, {ICMP_TIME_EXCEEDED, 0}};
	static const uint8_t six[][2] = {
	    {ICMP6_UNREACHABLE, 1}, {ICMP6_UNREACHABLE, 4}, {ICMP6_UNREACHABLE, 0}, {ICMP6_TIME_EXCEEDED, 0}};
	const struct core_link *link = &core->links[port];
	uint8_t *frame = core->reply, *ip = frame + ETHERNET_BYTES;
	uint32_t header = packet->six ? IP6_BYTES : IP_BYTES, bytes = ICMP_BYTES + header + ABOUT_BYTES;
	uint8_t *icmp = ip + header;

	if (packet->error || (packet->six && packet->fragment) || core->told_unreachable++ > ERRORS_MOST)
		return;
	ethernet_make(frame, link->peer_mac, link->mac, packet->six ? ETHER_IP6 : ETHER_IP);
	memset(icmp, 0, ICMP_BYTES);
	memcpy(icmp, packet->six ? six[error] : four[error], 2);
	memcpy(icmp + ICMP_BYTES, packet->ip, header);
	if (!packet->six)
		icmp[ICMP_BYTES] = 0x45; /* IP options are left out */
	memcpy(icmp + ICMP_BYTES + header, packet->inner, ABOUT_BYTES);
	header_make(ip, packet->six ? IP_ICMP6 : IP_ICMP,
	            packet->six ? inside6_gateway() : address4(core_link_address(link) - 1), packet->source,
	            bytes);
	put16(icmp + 2, inner_sum(ip, packet->six ? IP_ICMP6 : IP_ICMP, icmp, bytes));
	core->send(core->context, port, frame, ETHERNET_BYTES + header + bytes);
}
