/* Fuzzes the whole stack: the input is a play of frames, segments near the truth, time, and what programs do.
 *
 * One host with a listener, a connection, a UDP socket and a raw socket. Frames go in as they are; TCP
 * segments get addresses, ports and checksums right and numbers near what the connection expects, so that the
 * depths are reached. Afterwards all sockets are closed and time passes: no memory may be missing.
 */
#include "test_stack.h"
#include "tcp.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct play {
	const uint8_t *at;
	size_t left;
};

static uint32_t take(struct play *play, unsigned bytes)
{
	uint32_t value = 0;

	while (bytes-- && play->left) {
		value = value << 8 | *play->at++;
		play->left--;
	}
	return value;
}

static void deliver(struct test_host *host, uint8_t *frame, size_t count)
{
	net_input(host->link, frame, count);
	(void)net_advance(host->net, host->wire->now);
	while (host->wire->count) /* what it answers is not looked at */
		free(host->wire->frames[--host->wire->count].bytes);
}

/* A segment to TCP's connection, or to the listener's port. */
static void inject_segment(struct test_host *host, struct play *play, const struct net_socket *socket,
                           uint16_t port)
{
	uint8_t packet[1600] = {0x45};
	const struct tcp *tcp = (const struct tcp *)socket;
	uint8_t flags = (uint8_t)take(play, 1), options = (uint8_t)(take(play, 1) % 11 * 4);
	int32_t ahead = (int16_t)take(play, 2), acknowledged = (int16_t)take(play, 2);
	uint32_t length = take(play, 1) * (take(play, 1) & 3), header = 20u + options;

	if (length > 1400)
		length = 1400;
	store16(packet + 2, 20 + header + length);
	packet[1] = (uint8_t)(flags & 0x80 ? 3 : 0);
	packet[8] = 64;
	packet[9] = 6;
	store32(packet + 12, 0x0a000002);
	store32(packet + 16, 0x0a000001);
	store16(packet + 20, socket ? socket->flow.remote_port : 4000 + (take(play, 1) & 3));
	store16(packet + 22, socket ? socket->flow.local_port : port);
	store32(packet + 24, (socket ? tcp->receive_next : 1000) + (uint32_t)ahead);
	store32(packet + 28, (socket ? tcp->send_unacknowledged : 0) + (uint32_t)acknowledged);
	packet[32] = (uint8_t)(header / 4 << 4);
	packet[33] = flags;
	store16(packet + 34, take(play, 2));
	for (unsigned index = 0; index < options; index++)
		packet[40 + index] = (uint8_t)take(play, 1);
	/* SACK blocks near the truth. */
	if (socket && options >= 12 && packet[40] == 5) {
		packet[41] = 10;
		store32(packet + 42, tcp->send_unacknowledged + take(play, 2));
		store32(packet + 46, load32(packet + 42) + take(play, 2));
	}
	memset(packet + 20 + header, 'x', length);
	store16(packet + 10, checksum_finish(checksum_add(0, packet, 20)));
	store16(packet + 36,
	        checksum_finish(checksum_add(checksum_add(0, packet + 12, 8) + 6 + header + length,
	                                     packet + 20, header + length)));
	deliver(host, packet, 20 + header + length);
}

/* A raw packet with its IP checksum made right. */
static void inject_packet(struct test_host *host, struct play *play)
{
	uint8_t packet[2048];
	size_t count = take(play, 1) * 4 + 1;

	if (count > play->left)
		count = play->left;
	memcpy(packet, play->at, count);
	play->at += count;
	play->left -= count;
	if (count >= 20 && packet[0] >> 4 == 4) {
		uint32_t header = (packet[0] & 15u) * 4;

		if (header >= 20 && header <= count) {
			store16(packet + 2, (uint32_t)count);
			store32(packet + 16, 0x0a000001);
			store16(packet + 10, 0);
			store16(packet + 10, checksum_finish(checksum_add(0, packet, header)));
		}
		if (header + 8 <= count && packet[9] == 1 && !(load16(packet + 6) & 0x3fff)) {
			store16(packet + header + 2, 0);
			store16(packet + header + 2,
			        checksum_finish(checksum_add(0, packet + header, count - header)));
		}
	} else if (count >= 48 && packet[0] >> 4 == 6) {
		struct net_endpoint own = test_endpoint(0, true, 0);
		struct net_address from;

		store16(packet + 4, (uint32_t)count - 40);
		memcpy(packet + 24, own.address.bytes, 16);
		memcpy(from.bytes, packet + 8, 16);
		if (packet[6] == 58) {
			uint32_t sum = checksum_pseudo(&from, &own.address, 58, (uint32_t)count - 40);

			store16(packet + 42, 0);
			store16(packet + 42, checksum_finish(checksum_add(sum, packet + 40, count - 40)));
		}
	}
	deliver(host, packet, count);
}

/* A message of a router's or a neighbour's, from this link, with its sum made right. */
static void inject_discovery(struct test_host *host, struct play *play, uint8_t type)
{
	static const uint8_t head[] = {0x33, 0x33, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 0x86, 0xdd, 0x60, 0, 0, 0};
	uint8_t frame[54 + 1028] = {0}, *ip = frame + 14;
	struct net_address from = {{0xfe, 0x80, [15] = 9}}, to = {{0xff, 2, [15] = 1}};
	size_t count = take(play, 1) * 4 + 8;

	memcpy(frame, head, sizeof(head));
	for (size_t at = 0; at < count; at++)
		ip[40 + at] = (uint8_t)take(play, 1);
	ip[40] = (uint8_t)(133 + type % 4);
	ip[41] = 0;
	store16(ip + 4, (uint32_t)count);
	ip[6] = 58;
	ip[7] = 255;
	memcpy(ip + 8, from.bytes, 16);
	memcpy(ip + 24, to.bytes, 16);
	store16(ip + 42, 0);
	store16(ip + 42, checksum_finish(
	                     checksum_add(checksum_pseudo(&from, &to, 58, (uint32_t)count), ip + 40, count)));
	deliver(host, frame, 54 + count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct test_wire wire;
	struct play play = {data, size};
	struct test_host *host = &wire.host[0];
	struct net_endpoint at = test_endpoint(0, false, 80), peer = test_endpoint(1, false, 5000);
	struct net_socket *sockets[8] = {0};
	static uint8_t buffer[4096];
	unsigned count = 0;
	static const uint8_t group[8] = {239, 1, 2, 3, 10, 0, 0, 1};
	struct net_failure told;
	size_t used;
	int error, on = 1;

	test_arena_bytes = 512 << 10;
	wire_init(&wire, size && (data[0] & 1) ? NET_LINK_ETHERNET : NET_LINK_IP,
	          size && (data[0] & 2) ? NET_PROFILE_FREEBSD : NET_PROFILE_LINUX, 1);
	wire_run(&wire, wire.now + 10 * SECOND);
	used = host->net->arena.used;
	sockets[count++] = net_socket_create(host->net, 2, 1, 0, &error);
	if (net_bind(sockets[0], &at) || net_listen(sockets[0], 2))
		abort();
	sockets[count++] = net_socket_create(host->net, 2, 1, 0, &error);
	(void)net_connect(sockets[1], &peer);
	sockets[count++] = net_socket_create(host->net, 2, 2, 0, &error);
	at.port = 53;
	(void)net_bind(sockets[2], &at);
	sockets[count++] = net_socket_create(host->net, 2, 3, 1, &error);
	for (unsigned index = 1; index < 4; index++)
		(void)net_set_option(sockets[index], 0, 11, &on, sizeof(on)); /* IP_RECVERR */
	(void)net_set_option(sockets[2], 0, 35, group, sizeof(group));        /* IP_ADD_MEMBERSHIP */
	(void)take(&play, 1);
	while (play.left) {
		uint8_t op = (uint8_t)take(&play, 1), which = (uint8_t)(take(&play, 1) % 8);
		struct net_socket *socket = sockets[which];
		struct net_piece piece = {buffer, take(&play, 1) * 16u};

		if (op & 32)
			net_train_begin(host->net);
		if (op & 64)
			net_train_end(host->net);
		switch (op % 10) {
		case 0:
		case 1:
			inject_packet(host, &play);
			break;
		case 2:
		case 3:
		case 4:
			if (socket && socket->type == 1 && socket->flow.kind == FLOW_TCP)
				inject_segment(host, &play, socket, 0);
			else
				inject_segment(host, &play, NULL, 80);
			break;
		case 5:
			wire.now += (uint64_t)piece.count * 10 * MILLISECOND;
			(void)net_advance(host->net, wire.now);
			break;
		case 6:
			if (socket)
				(void)net_send(socket, &piece, 1, NULL, op & 16 ? NET_MSG_MORE : 0);
			break;
		case 9:
			inject_discovery(host, &play, which);
			break;
		case 7:
			if (socket && op & 128)
				(void)net_receive_failure(socket, buffer, sizeof(buffer), &told);
			else if (socket)
				(void)net_receive(socket, buffer, sizeof(buffer), op & 16 ? NET_MSG_PEEK : 0,
				                  NULL);
			break;
		default:
			if (which == 0 && count < 8) {
				struct net_socket *accepted = net_accept(sockets[0], &error);

				if (accepted)
					sockets[count++] = accepted;
			} else if (socket && op & 16) {
				(void)net_shutdown(socket, which % 3);
			} else if (socket && which) {
				net_close(socket);
				sockets[which] = NULL;
			}
		}
		(void)net_advance(host->net, wire.now);
		while (wire.count)
			free(wire.frames[--wire.count].bytes);
	}
	for (unsigned index = 0; index < 8; index++)
		if (sockets[index])
			net_close(sockets[index]);
	net_train_end(host->net);
	for (unsigned round = 0; round < 100; round++) {
		wire.now += 300 * SECOND;
		(void)net_advance(host->net, wire.now);
		while (wire.count)
			free(wire.frames[--wire.count].bytes);
	}
	net_dhcp6_stop(host->link);
	neighbour_flush(host->link);
	if (host->net->arena.used > used)
		abort(); /* memory is missing */
	wire_free(&wire);
	return 0;
}
