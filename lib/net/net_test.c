/* The stack against itself over a simulated wire, and against packets made by hand. */
#include "test_stack.h"
#include "tcp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned failures;

static void check(bool good, const char *name, const char *why)
{
	if (good) {
		printf("ok %s\n", name);
	} else {
		printf("not ok %s - %s\n", name, why);
		failures++;
	}
}

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

/* ---- Parts ---- */

static void test_arena(void)
{
	static uint8_t region[1 << 20] __attribute__((aligned(4096)));
	struct arena arena;
	void *blocks[512] = {0};
	uint64_t seed = 1;
	bool good = true;

	arena_init(&arena, region, sizeof(region), NULL, NULL);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned at =
		    (unsigned)((seed = seed * 6364136223846793005ull + 1442695040888963407ull) >> 33) % 512;

		if (blocks[at]) {
			size_t size = arena_capacity(&arena, blocks[at]);

			good = good && ((uint8_t *)blocks[at])[0] == (uint8_t)at &&
			       ((uint8_t *)blocks[at])[size - 1] == (uint8_t)at;
			arena_free(&arena, blocks[at]);
			blocks[at] = NULL;
		} else {
			blocks[at] = arena_allocate(&arena, (seed >> 20) % 5000 + 1);
			if (blocks[at])
				memset(blocks[at], (int)at, arena_capacity(&arena, blocks[at]));
		}
	}
	for (unsigned at = 0; at < 512; at++)
		arena_free(&arena, blocks[at]);
	check(good, "arena: no block overlaps another", "a block's bytes changed");
	check(arena.used == 0 && arena_allocate(&arena, 128 << 10) != NULL,
	      "arena: freed neighbours join again", "no large block after all was freed");
	check(arena_allocate(&arena, (128 << 10) + 1) == NULL, "arena: refuses what no block holds",
	      "it gave one");
}

static void expire_nothing(struct net *net, struct timer *timer)
{
	(void)net, (void)timer;
}

static void test_timers(void)
{
	static struct timer timers[1000];
	struct timers heap = {0};
	struct timer *timer;
	uint64_t seed = 7, last = 0;
	unsigned count = 0, armed = 0;
	bool sorted = true;

	for (unsigned index = 0; index < 1000; index++) {
		timers[index].expire = expire_nothing;
		timer_arm(&heap, &timers[index], (seed = seed * 6364136223846793005ull + 1) >> 40);
	}
	for (unsigned index = 0; index < 1000; index += 3)
		timer_disarm(&heap, &timers[index]);
	for (unsigned index = 0; index < 1000; index += 7)
		timer_arm(&heap, &timers[index], (seed = seed * 6364136223846793005ull + 1) >> 40);
	for (unsigned index = 0; index < 1000; index++)
		armed += timers[index].armed;
	while ((timer = timer_due(&heap, UINT64_MAX))) {
		sorted = sorted && timer->deadline >= last;
		last = timer->deadline;
		count++;
	}
	check(sorted && count == armed, "timers expire in order, each once", "order or number is wrong");
}

static void test_checksum(void)
{
	static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}; /* RFC 1071, 3 */
	uint8_t bytes[97];
	struct net_piece pieces[3] = {{bytes, 33}, {bytes + 33, 31}, {bytes + 64, 33}};

	for (unsigned index = 0; index < sizeof(bytes); index++)
		bytes[index] = (uint8_t)(index * 37);
	check(checksum_finish(checksum_add(0, example, 8)) == (uint16_t)~0xddf2,
	      "checksum of RFC 1071's example", "wrong sum");
	check(checksum_finish(checksum_pieces(0, pieces, 3)) ==
	          checksum_finish(checksum_add(0, bytes, sizeof(bytes))),
	      "checksum of pieces of odd length", "differs from the whole");
}

/* Every length up to several turns of the fastest loop, against the sum by its definition; all ones make carries everywhere. */
static void test_checksum_lengths(void)
{
	uint8_t bytes[300];
	bool right = true;

	for (unsigned kind = 0; kind < 3; kind++) {
		for (unsigned index = 0; index < sizeof(bytes); index++)
			bytes[index] = kind == 0   ? 255
			               : kind == 1 ? (uint8_t)(index * 151 + 7)
			                           : index % 64 < 8;
		for (unsigned start = 0; start < 8; start++)
			for (unsigned count = 0; count + start <= sizeof(bytes); count++) {
				uint32_t slow = 0xffff;

				for (unsigned index = 0; index < count; index++)
					slow += index & 1 ? bytes[start + index]
					                  : (uint32_t)bytes[start + index] << 8;
				right =
				    right && checksum_finish(checksum_add(0xffff, bytes + start, count)) ==
				                 checksum_finish(slow);
			}
	}
	check(right, "checksums of all lengths up to 300", "a sum differs from its definition");
}

static void test_address_matches(void)
{
	struct net_address one, other;
	bool right = true;

	for (unsigned index = 0; index < 16; index++)
		one.bytes[index] = (uint8_t)(index * 29 + 3);
	for (unsigned bit = 0; bit < 128; bit++) {
		other = one;
		other.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		for (unsigned length = 0; length <= 128; length++)
			right = right && address_matches(&one, &other, length) == (length <= bit);
	}
	check(right && address_matches(&one, &one, 128),
	      "an address matches a prefix up to the first bit that differs", "it does not at some length");
}

static void test_siphash(void)
{
	/* The paper's appendix A: key 00..0f, message 00..0e. */
	struct key key = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};
	uint8_t message[15];

	for (unsigned index = 0; index < 15; index++)
		message[index] = (uint8_t)index;
	check(siphash(&key, message, 15) == 0xa129ca6149be45e5ull, "SipHash-2-4's published vector",
	      "wrong hash");
}

/* ---- Transfers ---- */

struct transfer {
	struct net_socket *listener, *client, *server;
	uint64_t written[2], read[2], total;
	bool closed[2], end[2], bad;
};

static void transfer_side(struct transfer *transfer, unsigned side, struct net_socket *socket,
                          struct test_wire *wire)
{
	uint8_t bytes[3000];

	if (!socket)
		return;
	while (transfer->written[side] < transfer->total) {
		size_t part = 1 + wire_random(wire) % sizeof(bytes);
		struct net_piece piece = {bytes, part};
		int64_t done;

		if (part > transfer->total - transfer->written[side])
			piece.count = part = transfer->total - transfer->written[side];
		for (size_t index = 0; index < part; index++)
			bytes[index] = pattern(transfer->written[side] + index + side * 1000003);
		done = net_send(socket, &piece, 1, NULL, 0);
		if (done <= 0)
			break;
		transfer->written[side] += (uint64_t)done;
	}
	if (transfer->written[side] == transfer->total && !transfer->closed[side]) {
		transfer->closed[side] = true;
		(void)net_shutdown(socket, NET_SHUTDOWN_WRITE);
	}
	for (;;) {
		int64_t done = net_receive(socket, bytes, 1 + wire_random(wire) % sizeof(bytes), 0, NULL);

		if (done == 0)
			transfer->end[side] = true;
		if (done <= 0)
			break;
		for (int64_t index = 0; index < done; index++)
			if (bytes[index] != pattern(transfer->read[side] + (uint64_t)index + !side * 1000003))
				transfer->bad = true;
		transfer->read[side] += (uint64_t)done;
	}
}

/* TOTAL bytes each way at once; false when something is missing or wrong. */
static bool transfer_run(struct test_wire *wire, bool ipv6, uint64_t total, unsigned client_side,
                         bool loopback)
{
	struct transfer transfer = {.total = total};
	unsigned server_side = loopback ? client_side : !client_side;
	struct net_endpoint listen_at = test_endpoint(server_side, ipv6, 7777);
	uint64_t limit = wire->now + 3600 * SECOND;
	int error;

	transfer.listener = net_socket_create(wire->host[server_side].net, ipv6 ? 10 : 2, 1, 0, &error);
	transfer.client = net_socket_create(wire->host[client_side].net, ipv6 ? 10 : 2, 1, 0, &error);
	if (net_bind(transfer.listener, &listen_at) || net_listen(transfer.listener, 5) ||
	    net_connect(transfer.client, &listen_at) != -NET_EINPROGRESS)
		return false;
	while (wire->now < limit && !(transfer.end[0] && transfer.end[1])) {
		if (!wire_step(wire))
			break;
		if (!transfer.server)
			transfer.server = net_accept(transfer.listener, &error);
		transfer_side(&transfer, 0, transfer.client, wire);
		transfer_side(&transfer, 1, transfer.server, wire);
	}
	net_close(transfer.listener);
	net_close(transfer.client);
	if (transfer.server)
		net_close(transfer.server);
	if (transfer.bad || transfer.read[0] != total || transfer.read[1] != total)
		printf("# read %llu and %llu of %llu%s\n", (unsigned long long)transfer.read[0],
		       (unsigned long long)transfer.read[1], (unsigned long long)total,
		       transfer.bad ? ", wrong bytes" : "");
	return !transfer.bad && transfer.read[0] == total && transfer.read[1] == total;
}

static void test_transfers(void)
{
	static const struct {
		const char *name;
		struct wire_faults faults;
		enum net_link_kind kind;
		enum net_profile profile;
		bool ipv6;
		uint64_t total;
	} rows[] = {
	    {"a perfect wire", {.delay_ns = 1000000}, NET_LINK_ETHERNET, NET_PROFILE_LINUX, false, 1 << 20},
	    {"a perfect wire, IPv6",
	     {.delay_ns = 1000000},
	     NET_LINK_ETHERNET,
	     NET_PROFILE_LINUX,
	     true,
	     1 << 20},
	    {"no delay at all", {.delay_ns = 0}, NET_LINK_IP, NET_PROFILE_LINUX, false, 1 << 20},
	    {"1 % loss", {.loss = 100, .delay_ns = 5000000}, NET_LINK_IP, NET_PROFILE_LINUX, false, 1 << 20},
	    {"5 % loss, 5 % reordering, 5 % duplicates",
	     {500, 500, 500, 20000000, 0},
	     NET_LINK_ETHERNET,
	     NET_PROFILE_LINUX,
	     true,
	     1 << 18},
	    {"30 % loss",
	     {.loss = 3000, .delay_ns = 5000000},
	     NET_LINK_IP,
	     NET_PROFILE_LINUX,
	     false,
	     1 << 15},
	    {"half of all reordered",
	     {.reorder = 5000, .delay_ns = 5000000},
	     NET_LINK_IP,
	     NET_PROFILE_LINUX,
	     false,
	     1 << 20},
	    {"a slow line with a full queue",
	     {.delay_ns = 20000000, .rate = 1250},
	     NET_LINK_IP,
	     NET_PROFILE_LINUX,
	     false,
	     1 << 20},
	    {"5 % loss, FreeBSD's ways",
	     {500, 200, 200, 10000000, 0},
	     NET_LINK_IP,
	     NET_PROFILE_FREEBSD,
	     false,
	     1 << 18},
	};

	for (unsigned row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
		size_t used[2];
		char name[128];
		bool good;

		wire_init(wire, rows[row].kind, rows[row].profile, row + 1);
		wire_run(wire, wire->now + 10 * SECOND); /* duplicate address detection */
		used[0] = wire->host[0].net->arena.used;
		used[1] = wire->host[1].net->arena.used;
		wire->faults = rows[row].faults;
		good = transfer_run(wire, rows[row].ipv6, rows[row].total, row & 1, false);
		snprintf(name, sizeof(name), "transfer both ways over %s", rows[row].name);
		check(good, name, "bytes are missing or wrong");
		/* TIME-WAIT and neighbours over; nothing may stay. */
		wire->faults = (struct wire_faults){.delay_ns = 1000000};
		wire_run(wire, wire->now + 2000 * SECOND);
		for (unsigned side = 0; side < 2; side++)
			neighbour_flush(wire->host[side].link);
		snprintf(name, sizeof(name), "all memory comes back after %s", rows[row].name);
		check(wire->host[0].net->arena.used <= used[0] && wire->host[1].net->arena.used <= used[1],
		      name, "the arena has less than before");
		wire_free(wire);
		free(wire);
	}
}

static bool tcp_seen;

static void watch_tcp(struct test_wire *wire, unsigned from, const uint8_t *frame, size_t count)
{
	(void)wire, (void)from;
	tcp_seen = tcp_seen || (count > 34 && frame[12] == 8 && frame[23] == 6);
}

static void test_loopback_down(struct test_wire *wire)
{
	static const uint8_t four[4] = {127, 0, 0, 1};
	struct net_endpoint at = {net_ipv4(four), 9, 0}, at6 = {{{[15] = 1}}, 9, 0};
	uint8_t byte = 0;
	struct net_piece piece = {&byte, 1};
	int error;

	for (unsigned six = 0; six < 2; six++) {
		const struct net_endpoint *to = six ? &at6 : &at;
		struct net_socket *stream = net_socket_create(wire->host[0].net, six ? 10 : 2, 1, 0, &error);
		struct net_socket *datagram =
		    net_socket_create(wire->host[0].net, six ? 10 : 2, 2, 0, &error);

		net_link_set_up(wire->host[0].loopback, false);
		check(net_connect(stream, to) == (six ? -NET_EADDRNOTAVAIL : -NET_EINPROGRESS) &&
		          (net_send(datagram, &piece, 1, to, 0) == -NET_EADDRNOTAVAIL) == six,
		      "a loopback that is down is without its address of IPv6, and loses what goes to that "
		      "of IPv4",
		      "a call's answer is another");
		net_close(stream);
		stream = net_socket_create(wire->host[0].net, six ? 10 : 2, 1, 0, &error);
		net_link_set_up(wire->host[0].loopback, true);
		check(net_connect(stream, to) == -NET_EINPROGRESS &&
		          net_send(datagram, &piece, 1, to, 0) == 1,
		      "and it serves again when it is up", "it does not");
		net_close(stream);
		net_close(datagram);
	}
}

static void test_loopback(void)
{
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));

	wire_init(wire, NET_LINK_ETHERNET, NET_PROFILE_LINUX, 77);
	wire_run(wire, wire->now + 10 * SECOND);
	wire->watch = watch_tcp;
	check(transfer_run(wire, false, 4 << 20, 0, true), "loopback carries a stream",
	      "bytes are missing or wrong");
	check(!tcp_seen, "loopback never reaches the wire", "a frame left the host");
	test_loopback_down(wire);
	wire_free(wire);
	free(wire);
}

/* ---- UDP, fragments, ICMP ---- */

static void test_datagrams(void)
{
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	static uint8_t bytes[60000], back[60000];
	struct net_socket *a, *b;
	struct net_receipt receipt;
	struct net_piece piece = {bytes, 20000};
	int error;

	wire_init(wire, NET_LINK_ETHERNET, NET_PROFILE_LINUX, 5);
	wire_run(wire, wire->now + 10 * SECOND);
	for (unsigned index = 0; index < sizeof(bytes); index++)
		bytes[index] = pattern(index);
	for (unsigned six = 0; six < 2; six++) {
		struct net_endpoint to = test_endpoint(1, six, 53), nobody = test_endpoint(1, six, 54);

		a = net_socket_create(wire->host[0].net, six ? 10 : 2, 2, 0, &error);
		b = net_socket_create(wire->host[1].net, six ? 10 : 2, 2, 0, &error);
		(void)net_bind(b, &to);
		/* The first makes ARP or ND find the neighbour; only so many fragments wait for that. */
		piece.count = 10;
		(void)net_send(a, &piece, 1, &to, 0);
		wire_run(wire, wire->now + SECOND);
		check(net_receive(b, back, sizeof(back), 0, &receipt) == 10 && memcmp(back, bytes, 10) == 0,
		      six ? "a datagram over IPv6" : "a datagram over IPv4", "it did not arrive");
		wire->faults.reorder = 5000;
		piece.count = 20000;
		(void)net_send(a, &piece, 1, &to, 0);
		wire_run(wire, wire->now + SECOND);
		check(net_receive(b, back, sizeof(back), 0, &receipt) == 20000 &&
		          memcmp(back, bytes, 20000) == 0,
		      six ? "fragments out of order, IPv6" : "fragments out of order, IPv4",
		      "the datagram is not whole");
		check(address_equal(&receipt.from.address,
		                    &(struct net_address[1]){test_endpoint(0, six, 0).address}[0]),
		      six ? "the sender's address, IPv6" : "the sender's address, IPv4", "another one");
		wire->faults.reorder = 0;
		piece.count = 10;
		check(net_connect(a, &nobody) == 0 && net_send(a, &piece, 1, NULL, 0) == 10,
		      "a connected datagram socket", "cannot send");
		wire_run(wire, wire->now + SECOND);
		check(net_receive(a, back, sizeof(back), 0, &receipt) == -NET_ECONNREFUSED,
		      six ? "port unreachable is told, IPv6" : "port unreachable is told, IPv4", "no error");
		net_close(a);
		net_close(b);
	}
	wire_free(wire);
	free(wire);
}

static void test_ping(void)
{
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	struct net_endpoint to = test_endpoint(1, false, 0);
	uint8_t echo[16] = {8, 0, 0, 0, 0, 0, 0, 1, 'h', 'o', 'l', 'o', 'n'}, back[64];
	struct net_piece piece = {echo, sizeof(echo)};
	struct net_socket *ping;
	int error;

	wire_init(wire, NET_LINK_ETHERNET, NET_PROFILE_LINUX, 6);
	ping = net_socket_create(wire->host[0].net, 2, 2, 1, &error);
	check(net_send(ping, &piece, 1, &to, 0) == 16, "an echo request", "cannot send");
	wire_run(wire, wire->now + SECOND);
	check(net_receive(ping, back, sizeof(back), 0, NULL) == 16 && back[0] == 0 &&
	          memcmp(back + 8, "holon", 5) == 0,
	      "its answer", "none, or another");
	net_close(ping);
	wire_free(wire);
	free(wire);
}

/* ---- Attacks and ends ---- */

static bool got(struct test_wire *wire, struct net_socket *socket)
{
	uint8_t bytes[16];

	wire_run(wire, wire->now + MILLISECOND);
	return net_receive(socket, bytes, sizeof(bytes), 0, NULL) == 5;
}

/* Groups on a wire: what others send arrives while somebody is a member there, and what is sent comes back to members here. */
static void test_groups(bool ipv6)
{
	struct test_wire *wire = calloc(1, sizeof(*wire));
	struct net_endpoint to = {ipv6 ? (struct net_address){{0xff, 0x15, [15] = 9}}
	                               : net_ipv4((const uint8_t[]){239, 1, 2, 3}),
	                          5000, 0};
	struct net_endpoint any = {address_any(!ipv6), 5000, 0};
	struct net_piece piece = {"group", 5};
	struct net_endpoint any_other = {address_any(ipv6), 5000, 0};
	struct net_socket *here, *there, *beside, *from[2];
	uint8_t request[20] = {239, 1, 2, 3, 10, 0, 0, 1};
	const size_t bytes = ipv6 ? 20 : 8;
	const int family = ipv6 ? FAMILY_IPV6 : FAMILY_IPV4, level = ipv6 ? 41 : 0, join = ipv6 ? 20 : 35,
	          leave = ipv6 ? 21 : 36, loop = ipv6 ? 19 : 34;
	int error, off = 0, on = 1;
	unsigned joined = 0;
	uint64_t sent;

	wire_init(wire, NET_LINK_ETHERNET, NET_PROFILE_LINUX, 5);
	wire_run(wire, wire->now + 5 * SECOND); /* past duplicate address detection */
	here = net_socket_create(wire->host[0].net, family, TYPE_DATAGRAM, 0, &error);
	there = net_socket_create(wire->host[1].net, family, TYPE_DATAGRAM, 0, &error);
	for (unsigned side = 0; side < 2; side++)
		from[side] = net_socket_create(wire->host[side].net, family, TYPE_DATAGRAM, 0, &error);
	beside =
	    net_socket_create(wire->host[0].net, ipv6 ? FAMILY_IPV4 : FAMILY_IPV6, TYPE_DATAGRAM, 0, &error);
	(void)net_set_option(ipv6 ? here : beside, 41, 26, &on, sizeof(on)); /* IPV6_V6ONLY */
	check(net_bind(here, &any) == 0 && net_bind(there, &any) == 0 && net_bind(beside, &any_other) == 0,
	      "the same port of either family", "it is not to be had");
	(void)net_send(from[1], &piece, 1, &to, 0);
	check(!got(wire, here), "who has not joined hears nothing", "it does");
	if (ipv6) {
		uint32_t number = net_link_number(wire->host[0].link);

		memcpy(request, to.address.bytes, 16);
		memcpy(request + 16, &number, 4);
	}
	check(net_set_option(here, level, join, request, bytes) == 0, "joining", "it fails");
	(void)net_send(from[1], &piece, 1, &to, 0);
	check(got(wire, here) && !got(wire, there), "what another host sends arrives where it was joined",
	      "it does not");
	check(!got(wire, beside), "and not at sockets of the other family", "it does");
	(void)net_send(from[0], &piece, 1, &to, 0);
	check(got(wire, here), "what is sent here comes back", "it does not");
	(void)net_set_option(from[0], level, loop, &off, sizeof(off));
	(void)net_send(from[0], &piece, 1, &to, 0);
	check(!got(wire, here), "but not where the sender will not have it", "it does");
	(void)net_set_option(from[0], level, loop, &on, sizeof(on));
	(void)net_set_option(from[0], level, ipv6 ? 18 : 33, &off, sizeof(off)); /* its TTL */
	sent = wire->sent;
	check(net_send(from[0], &piece, 1, &to, 0) == 5 && wire->sent == sent && got(wire, here),
	      "with a TTL of 0 it stays here", "it does not");
	check(net_set_option(here, level, leave, request, bytes) == 0 &&
	          net_set_option(here, level, leave, request, bytes) == -NET_EADDRNOTAVAIL,
	      "leaving, once", "it is not so");
	(void)net_send(from[1], &piece, 1, &to, 0);
	check(!got(wire, here), "who has left hears nothing", "it does");
	(void)net_set_option(here, level, join, request, bytes);
	net_close(here);
	check(net_list_empty(&wire->host[0].net->memberships), "memberships end with their sockets",
	      "they do not");
	for (error = 0; joined < 2000 && !error; joined += !error) {
		if (joined % 16 == 0)
			here = net_socket_create(wire->host[0].net, family, TYPE_DATAGRAM, 0, &error);
		request[ipv6 ? 15 : 3] = (uint8_t)(joined % 16);
		error = net_set_option(here, level, join, request, bytes);
	}
	check(joined == 1024 && error == -NET_ENOBUFS, "all memberships are bounded",
	      "they are not, or too early");
	wire_free(wire);
	free(wire);
}

/* An ICMP message about the UDP datagram that ASKER sent last, from a router. */
static void icmp_about(struct test_wire *wire, const uint8_t *datagram, uint32_t count, uint8_t type,
                       uint8_t code, uint32_t rest)
{
	uint8_t frame[128] = {0x45};
	struct net_piece piece = {frame, 28 + count};

	store16(frame + 2, 28 + count);
	frame[8] = 61;
	frame[9] = PROTOCOL_ICMP;
	memcpy(frame + 12, (const uint8_t[]){10, 0, 0, 77}, 4);
	memcpy(frame + 16, (const uint8_t[]){10, 0, 0, 1}, 4);
	store16(frame + 10, checksum_finish(checksum_add(0, frame, 20)));
	frame[20] = type;
	frame[21] = code;
	store32(frame + 24, rest);
	memcpy(frame + 28, datagram, count);
	store16(frame + 22, checksum_finish(checksum_add(0, frame + 20, 8 + count)));
	frame_to(wire, 0, &piece);
	wire_run(wire, wire->now + MILLISECOND);
}

static uint8_t seen_datagram[64];

static void keep_datagram(struct test_wire *wire, unsigned from, const uint8_t *frame, size_t count)
{
	(void)wire;
	if (from == 0 && count <= sizeof(seen_datagram))
		memcpy(seen_datagram, frame, count);
}

/* What traceroute and tracepath live on: an unconnected socket hears who gave its datagram up, and why. */
static void test_failures(void)
{
	struct test_wire *wire = calloc(1, sizeof(*wire));
	struct net_endpoint to = test_endpoint(1, false, 33434);
	const struct net_address router = net_ipv4((const uint8_t[]){10, 0, 0, 77});
	struct net_piece piece = {"where to", 8};
	struct net_failure told;
	struct net_socket *socket;
	uint8_t quoted[64];
	int on = 1, error;

	wire_init(wire, NET_LINK_IP, NET_PROFILE_LINUX, 5);
	wire->watch = keep_datagram;
	socket = net_socket_create(wire->host[0].net, FAMILY_IPV4, TYPE_DATAGRAM, 0, &error);
	(void)net_send(socket, &piece, 1, &to, 0);
	icmp_about(wire, seen_datagram, 36, 11, 0, 0);
	check(net_receive_failure(socket, quoted, sizeof(quoted), &told) == -NET_EAGAIN &&
	          !net_failure_waits(socket),
	      "who did not ask is not told", "it is");
	(void)net_set_option(socket, 0, 11, &on, sizeof(on)); /* IP_RECVERR */
	icmp_about(wire, seen_datagram, 36, 11, 0, 0);
	check(net_failure_waits(socket) && (net_poll(socket) & NET_ERROR), "an error waits", "none does");
	check(net_receive(socket, quoted, sizeof(quoted), 0, NULL) == -NET_EHOSTUNREACH &&
	          net_receive(socket, quoted, sizeof(quoted), 0, NULL) == -NET_EAGAIN &&
	          net_failure_waits(socket) && !(net_poll(socket) & NET_ERROR),
	      "who waits for datagrams is told of it once", "it is not so");
	check(net_receive_failure(socket, quoted, 4, &told) == 8 && memcmp(quoted, "where", 4) == 0,
	      "it quotes the datagram", "it does not");
	check(told.error == NET_EHOSTUNREACH && told.origin == NET_ORIGIN_ICMP && told.type == 11 &&
	          told.code == 0 && address_equal(&told.from, &router) && told.ttl == 61 &&
	          told.to.port == 33434 && address_equal(&told.to.address, &to.address),
	      "it says who gave it up", "it does not");
	check(!net_failure_waits(socket) && !(net_poll(socket) & NET_ERROR), "a read error is over",
	      "it is not");
	icmp_about(wire, seen_datagram, 36, 3, 4, 1280);
	check(net_receive_failure(socket, quoted, sizeof(quoted), &told) == 8 && told.error == NET_EMSGSIZE &&
	          told.info == 1280,
	      "a small MTU is told", "it is not");
	/* What quotes less than a header, nothing, or another's datagram. */
	for (uint32_t count = 0; count < 28; count++)
		icmp_about(wire, seen_datagram, count, 11, 0, 0);
	seen_datagram[15] ^= 9;
	icmp_about(wire, seen_datagram, 36, 11, 0, 0);
	check(net_receive_failure(socket, quoted, sizeof(quoted), &told) == -NET_EAGAIN,
	      "what quotes nothing of ours is not", "it is");
	seen_datagram[15] ^= 9;
	/* What nobody reads is bounded, and gone at the end. */
	for (unsigned round = 0; round < 20000; round++)
		icmp_about(wire, seen_datagram, 36, 11, 0, 0);
	size_t full = wire->host[0].net->arena.used;
	check(full < test_arena_bytes / 2, "the queue is bounded", "it is not");
	net_close(socket);
	check(wire->host[0].net->arena.used < full - 100000, "its memory comes back", "it does not");
	wire_free(wire);
	free(wire);
}

static void test_syn_flood(void)
{
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	struct net_endpoint at = test_endpoint(1, false, 80);
	struct net_socket *listener, *client, *server = NULL;
	size_t used, most = 0;
	int error;

	wire_init(wire, NET_LINK_IP, NET_PROFILE_LINUX, 9);
	listener = net_socket_create(wire->host[1].net, 2, 1, 0, &error);
	(void)net_bind(listener, &at);
	(void)net_listen(listener, 64);
	used = wire->host[1].net->arena.used;
	for (unsigned index = 0; index < 20000; index++) {
		uint8_t packet[40] = {0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6};
		uint32_t sum;

		store32(packet + 12, 0x0a010000 + index);
		store32(packet + 16, 0x0a000002);
		store16(packet + 20, 1024 + index % 60000);
		store16(packet + 22, 80);
		store32(packet + 24, (uint32_t)wire_random(wire));
		packet[32] = 0x50;
		packet[33] = TCP_SYN;
		store16(packet + 34, 65535);
		store16(packet + 10, checksum_finish(checksum_add(0, packet, 20)));
		sum = checksum_add(0, packet + 12, 8) + 6 + 20;
		store16(packet + 36, checksum_finish(checksum_add(sum, packet + 20, 20)));
		net_input(wire->host[1].link, packet, sizeof(packet));
		if (wire->host[1].net->arena.used > most)
			most = wire->host[1].net->arena.used;
		while (wire->count) /* the answers go nowhere */
			free(wire->frames[--wire->count].bytes);
	}
	check(most - used < 65536, "a flood of SYNs takes no memory to speak of", "the arena shrank");
	check(wire->host[1].net->counts.tcp_cookies_sent > 19000, "it is answered by cookies", "it is not");
	client = net_socket_create(wire->host[0].net, 2, 1, 0, &error);
	(void)net_connect(client, &at);
	for (unsigned step = 0; step < 1000 && !server; step++) {
		(void)wire_step(wire);
		server = net_accept(listener, &error);
	}
	check(server != NULL && wire->host[1].net->counts.tcp_cookies_taken == 1,
	      "a real client gets in by its cookie", "it does not");
	wire_free(wire);
	free(wire);
}

enum { TRAIN_SEGMENT = 1448 }; /* bytes of data beside the timestamps */

/* Two ends, connected; COUNT full segments of the client's have been sent and stand on the wire for host 1. */
static struct test_wire *train_wire(struct net_socket **client, struct net_socket **server, unsigned count)
{
	static uint8_t bytes[10 * TRAIN_SEGMENT];
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	struct net_endpoint at = test_endpoint(1, false, 80);
	struct net_piece piece = {bytes, sizeof(bytes)};
	struct net_socket *listener;
	int error;

	wire_init(wire, NET_LINK_IP, NET_PROFILE_LINUX, 21);
	listener = net_socket_create(wire->host[1].net, 2, 1, 0, &error);
	(void)net_bind(listener, &at);
	(void)net_listen(listener, 4);
	*client = net_socket_create(wire->host[0].net, 2, 1, 0, &error);
	(void)net_connect(*client, &at);
	*server = NULL;
	for (unsigned step = 0; step < 100 && !*server; step++) {
		(void)wire_step(wire);
		*server = net_accept(listener, &error);
	}
	for (unsigned step = 0; step < 100 && wire->count; step++)
		(void)wire_step(wire);
	piece.count = (size_t)count * TRAIN_SEGMENT;
	check(net_send(*client, &piece, 1, NULL, 0) == (int64_t)piece.count && wire->count == count,
	      "a train of segments is sent", "it is not on the wire");
	return wire;
}

/* Hands frame INDEX of the wire to the host it is for; the others stay. */
static void train_take(struct test_wire *wire, unsigned index)
{
	struct wire_frame frame = wire->frames[index];

	memmove(&wire->frames[index], &wire->frames[index + 1], (wire->count - index - 1) * sizeof(frame));
	wire->count--;
	net_input(wire->host[frame.to].link, frame.bytes, frame.count);
	free(frame.bytes);
}

static unsigned acknowledgements(const struct test_wire *wire)
{
	unsigned count = 0;

	for (unsigned index = 0; index < wire->count; index++)
		count += wire->frames[index].to == 0;
	return count;
}

static void test_train(void)
{
	struct net_socket *client, *server;
	struct test_wire *wire = train_wire(&client, &server, 10);
	struct net *net;
	size_t used;

	for (unsigned left = 10; left; left--)
		train_take(wire, 0);
	check(acknowledgements(wire) >= 5, "alone at least every second segment is acknowledged",
	      "fewer are");
	wire_free(wire);
	free(wire);

	wire = train_wire(&client, &server, 10);
	net = wire->host[1].net;
	net_train_begin(net);
	for (unsigned left = 10; left; left--)
		train_take(wire, 0);
	check(acknowledgements(wire) == 0 && net_readable_bytes(server) == 10u * TRAIN_SEGMENT,
	      "a train's segments are there at once, and not acknowledged yet", "they are, or are not");
	net_train_end(net);
	check(acknowledgements(wire) == 1 && !tcp_of(server)->ack_now, "one acknowledgement is for all",
	      "there is none, or there are more");
	while (wire->count)
		train_take(wire, 0);
	check(!tcp_of(client)->sent, "it says how much", "something is not acknowledged");
	wire_free(wire);
	free(wire);

	wire = train_wire(&client, &server, 10);
	net = wire->host[1].net;
	net_train_begin(net);
	train_take(wire, 0);
	train_take(wire, 1); /* beyond a gap */
	train_take(wire, 1);
	check(acknowledgements(wire) == 2, "what comes beyond a gap is told at once in a train too",
	      "it is not");
	train_take(wire, 0);
	check(acknowledgements(wire) == 3, "and that a gap was filled", "it is not");
	net_train_end(net);
	wire_free(wire);
	free(wire);

	/* A connection that goes while it waits for the train's end. */
	wire = train_wire(&client, &server, 4);
	net = wire->host[1].net;
	(void)net_set_option(client, 1, 13, (uint32_t[]){1, 0}, 8); /* SO_LINGER: close resets */
	net_close(client);
	used = net->arena.used;
	net_train_begin(net);
	train_take(wire, 0);
	train_take(wire, 0);
	net_close(server); /* unread data: it resets, and goes */
	net_train_end(net);
	while (wire->count)
		train_take(wire, 0);
	check(net_list_empty(&net->train_due) && net->arena.used < used,
	      "a connection that ends in a train is not met at its end", "it is, or its memory is not back");
	wire_free(wire);
	free(wire);
}

/* What is pushed and read is acknowledged at once, so that a sender with a full buffer does not wait for a timer; in a dialogue the
 * answer acknowledges. */
static void test_read_acknowledges(void)
{
	struct net_socket *client, *server;
	struct test_wire *wire = train_wire(&client, &server, 1);
	uint8_t bytes[TRAIN_SEGMENT];
	struct net_piece piece = {bytes, 500};
	bool at_once = true, alone = true, timed = false;

	for (unsigned round = 0; round < 40; round++) {
		while (wire->count)
			train_take(wire, 0);
		at_once = at_once && net_receive(server, bytes, sizeof(bytes), 0, NULL) > 0 &&
		          !tcp_of(server)->unacknowledged_in;
		while (wire->count)
			train_take(wire, 0);
		at_once = at_once && !tcp_of(client)->sent;
		if (net_send(client, &piece, 1, NULL, 0) != (int64_t)piece.count)
			at_once = false;
	}
	check(at_once, "what was pushed is acknowledged when it is read", "something waited for a timer");
	for (unsigned round = 0; round < 40; round++) {
		while (wire->count)
			train_take(wire, 0);
		(void)net_receive(server, bytes, sizeof(bytes), 0, NULL);
		alone = alone && (round < 2 || wire->count == 0);
		(void)net_send(server, &piece, 1, NULL, 0);
		while (wire->count)
			train_take(wire, 0);
		(void)net_receive(client, bytes, sizeof(bytes), 0, NULL);
		(void)net_send(client, &piece, 1, NULL, 0);
	}
	check(alone, "in a dialogue an answer acknowledges", "an acknowledgement went alone");
	while (wire->count)
		train_take(wire, 0);
	(void)net_receive(server, bytes, sizeof(bytes), 0, NULL);
	for (uint64_t until = wire->now + SECOND; wire->now < until && wire_step(wire);)
		timed = timed || !tcp_of(server)->unacknowledged_in;
	check(timed && !tcp_of(server)->dialogue, "which ends with an answer that does not come",
	      "it does not");
	wire_free(wire);
	free(wire);
}

/* A line of 200 ms: the buffers follow the window, or each round trip carries what they begin with. */
static void test_long_line(void)
{
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	uint64_t start;
	bool whole;

	wire_init(wire, NET_LINK_IP, NET_PROFILE_LINUX, 31);
	wire->faults.delay_ns = 100 * MILLISECOND;
	start = wire->now;
	whole = transfer_run(wire, false, 16 << 20, 0, false);
	check(whole && wire->now - start < 12 * SECOND,
	      "16 MiB each way over 200 ms, faster than a buffer a round trip",
	      "it took as long as with small buffers, or bytes are missing");
	wire_free(wire);
	free(wire);
}

static void test_second_attempt(void)
{
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	struct net_endpoint at = test_endpoint(1, false, 80);
	struct net_socket *listener, *client, *server = NULL;
	int error;

	wire_init(wire, NET_LINK_IP, NET_PROFILE_LINUX, 41);
	client = net_socket_create(wire->host[0].net, 2, 1, 0, &error);
	(void)net_connect(client, &at);
	for (unsigned step = 0; step < 10 && tcp_of(client)->state != TCP_CLOSED; step++)
		(void)wire_step(wire);
	check(tcp_of(client)->state == TCP_CLOSED, "a connection is refused", "it is not");
	(void)net_connect(client, &at); /* tells the error */
	listener = net_socket_create(wire->host[1].net, 2, 1, 0, &error);
	(void)net_bind(listener, &at);
	(void)net_listen(listener, 4);
	(void)net_connect(client, &at);
	for (unsigned step = 0; step < 100 && !server; step++) {
		(void)wire_step(wire);
		server = net_accept(listener, &error);
	}
	net_close(client);
	check(server != NULL, "a socket whose attempt failed connects the second time, and closes",
	      "it does not");
	wire_free(wire);
	free(wire);
}

/* Connections that have grown while their peers took everything, and whose peers then take nothing more, do not have the arena among
 * them, neither where they send nor where they are not read. */
static void test_stalled(void)
{
	enum { STALLED = 48, GROW = 1 << 20 };
	static uint8_t bytes[65536];
	const size_t arena_bytes = test_arena_bytes;
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	struct net_endpoint at = test_endpoint(1, false, 80), back = test_endpoint(0, false, 81);
	struct net_socket *listener, *client[STALLED], *server[STALLED], *asks, *answers = NULL;
	struct net_piece piece = {bytes, sizeof(bytes)};
	uint32_t grown = 0;
	bool all = true;
	int error;

	test_arena_bytes = 4 << 20;
	wire_init(wire, NET_LINK_IP, NET_PROFILE_LINUX, 51);
	test_arena_bytes = arena_bytes;
	wire->faults.delay_ns = 5 * MILLISECOND;
	listener = net_socket_create(wire->host[1].net, 2, 1, 0, &error);
	(void)net_bind(listener, &at);
	(void)net_listen(listener, 4);
	for (unsigned index = 0; index < STALLED; index++) {
		int64_t moved = 0, done;

		client[index] = net_socket_create(wire->host[0].net, 2, 1, 0, &error);
		(void)net_connect(client[index], &at);
		server[index] = NULL;
		for (unsigned step = 0; step < 100000 && moved < GROW && wire_step(wire); step++) {
			if (!server[index])
				server[index] = net_accept(listener, &error);
			(void)net_send(client[index], &piece, 1, NULL, 0);
			while (server[index] &&
			       (done = net_receive(server[index], bytes, sizeof(bytes), 0, NULL)) > 0)
				moved += done;
		}
		for (unsigned step = 0; server[index] && step < 10000 &&
		                        net_unsent_bytes(client[index], true) && wire_step(wire);
		     step++)
			while (net_receive(server[index], bytes, sizeof(bytes), 0, NULL) > 0)
				;
		all = all && server[index] && moved >= GROW;
		grown += client[index]->send_size > wire->host[0].net->profile->send_size;
	}
	check(all && grown > STALLED / 2, "send buffers grow while peers take everything", "they do not");
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned index = 0; index < STALLED; index++)
			(void)net_send(client[index], &piece, 1, NULL, 0);
		(void)wire_run(wire, wire->now + 10 * MILLISECOND);
	}
	listener = net_socket_create(wire->host[0].net, 2, 1, 0, &error);
	all = listener && !net_bind(listener, &back) && !net_listen(listener, 4);
	asks = net_socket_create(wire->host[1].net, 2, 1, 0, &error);
	if (all && asks) {
		(void)net_connect(asks, &back);
		for (unsigned step = 0; step < 100000 && !answers && wire_step(wire); step++)
			answers = net_accept(listener, &error);
	}
	check(answers != NULL, "when peers stall, a new connection is made", "it is not");
	piece.count = 1000;
	all = answers && net_send(asks, &piece, 1, NULL, 0) == 1000;
	(void)wire_run(wire, wire->now + SECOND);
	all = all && net_receive(answers, bytes, sizeof(bytes), 0, NULL) == 1000 &&
	      net_send(answers, &piece, 1, NULL, 0) == 1000;
	(void)wire_run(wire, wire->now + SECOND);
	check(all && net_receive(asks, bytes, sizeof(bytes), 0, NULL) == 1000, "and carries bytes both ways",
	      "it does not");
	for (unsigned round = 0; round < 1000; round++) {
		for (unsigned index = 0; index < STALLED; index++)
			while (net_receive(server[index], bytes, sizeof(bytes), 0, NULL) > 0)
				;
		(void)wire_run(wire, wire->now + SECOND);
	}
	for (unsigned index = 0; index < STALLED; index++)
		all =
		    all && !net_unsent_bytes(client[index], true) && (net_poll(client[index]) & NET_WRITABLE);
	check(all, "and when they are read again, everything arrives", "something stays");
	wire_free(wire);
	free(wire);
}

static void test_loopback_everybody(void)
{
	static const uint8_t all[4] = {127, 255, 255, 255}, one[4] = {127, 0, 0, 1};
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	struct net_endpoint any = {net_ipv4((const uint8_t[4]){0}), 9, 0}, to = {net_ipv4(all), 9, 0};
	struct net_address own = net_ipv4(one);
	struct net_socket *sender, *receivers[2];
	struct net_receipt receipt = {.flags = 0};
	uint8_t byte = 1;
	struct net_piece piece = {&byte, 1};
	uint32_t on = 1;
	unsigned got = 0;
	int error;

	wire_init(wire, NET_LINK_IP, NET_PROFILE_LINUX, 61);
	sender = net_socket_create(wire->host[0].net, 2, 2, 0, &error);
	(void)net_set_option(sender, 1, 6, &on, sizeof(on)); /* SO_BROADCAST */
	for (unsigned index = 0; index < 2; index++) {
		receivers[index] = net_socket_create(wire->host[0].net, 2, 2, 0, &error);
		(void)net_set_option(receivers[index], 1, 2, &on, sizeof(on)); /* SO_REUSEADDR */
		(void)net_bind(receivers[index], &any);
	}
	(void)net_send(sender, &piece, 1, &to, 0);
	(void)net_advance(wire->host[0].net, wire->now);
	for (unsigned index = 0; index < 2; index++)
		got += net_receive(receivers[index], &byte, 1, 0, &receipt) == 1 &&
		       address_equal(&receipt.from.address, &own);
	check(got == 2, "127.255.255.255 is everybody on the loopback",
	      "not everybody got it from 127.0.0.1");
	wire_free(wire);
	free(wire);
}

/* A datagram with a source of its own leaves no trace in its socket, and no frame with an address of the other family. */
static void test_datagram_from(void)
{
	static const uint8_t loop[4] = {127, 0, 0, 1};
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	struct net *net;
	struct net_endpoint held = test_endpoint(0, false, 40000), to = {net_ipv4(loop), 9, 0},
	                    far = test_endpoint(1, true, 0);
	struct net_ancillary with = {
	    .ttl = -1, .traffic_class = -1, .has_from = true, .from = net_ipv4(loop)};
	struct net_socket *holder, *sender, *raw;
	uint8_t bytes[8] = {128};
	struct net_piece piece = {bytes, sizeof(bytes)};
	uint32_t range = 40000u | 40000u << 16;
	int error;

	wire_init(wire, NET_LINK_IP, NET_PROFILE_LINUX, 71);
	net = wire->host[0].net;
	holder = net_socket_create(net, 2, 2, 0, &error);
	(void)net_bind(holder, &held);
	sender = net_socket_create(net, 2, 2, 0, &error);
	(void)net_set_option(sender, 0, 51, &range, sizeof(range)); /* IP_LOCAL_PORT_RANGE */
	check(net_send_with(sender, &piece, 1, &to, 0, &with) == -NET_EADDRINUSE,
	      "a datagram's source does not get its socket a port that another has", "it does");
	raw = net_socket_create(net, 10, 3, 58, &error);
	check(net_send_with(raw, &piece, 1, &far, 0, &with) == 8 && wire->count == 1 &&
	          wire->frames[0].bytes[0] >> 4 == 6 && wire->frames[0].bytes[8] == 0xfd,
	      "a source of IPv4 does not get into a packet of IPv6", "it does, or nothing was sent");
	wire_free(wire);
	free(wire);
}

/* A segment beyond a gap whose acknowledgement lets data go: the peer hears of the gap all the same. */
static void test_gap_beside_data(void)
{
	static uint8_t bytes[60 * TRAIN_SEGMENT];
	struct net_socket *client, *server;
	struct test_wire *wire = train_wire(&client, &server, 1);
	struct net_piece piece = {bytes, sizeof(bytes)};
	unsigned alone = 0, data = 0;

	while (wire->count)
		train_take(wire, 0);
	(void)net_send(server, &piece, 1, NULL, 0);
	while (wire->count && wire->frames[0].to == 0)
		train_take(wire, 0);
	while (wire->count) /* the client's acknowledgements are lost; its data acknowledges too */
		free(wire->frames[--wire->count].bytes);
	piece.count = 3 * TRAIN_SEGMENT;
	(void)net_send(client, &piece, 1, NULL, 0);
	train_take(wire, 1);
	for (unsigned index = 0; index < wire->count; index++) {
		const struct wire_frame *frame = &wire->frames[index];
		size_t headers = 20u + (frame->bytes[32] >> 4) * 4u;

		alone += frame->to == 0 && frame->count == headers;
		data += frame->to == 0 && frame->count > headers;
	}
	check(alone == 1 && data > 0, "a gap is told of beside data that goes",
	      "data alone goes, or nothing does");
	wire_free(wire);
	free(wire);
}

static void test_silent_peer(void)
{
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	struct net_endpoint at = test_endpoint(1, false, 80);
	struct net_socket *listener, *client, *server = NULL;
	uint32_t value = 1, idle = 10, interval = 2, count = 3;
	uint8_t byte = 1;
	struct net_piece piece = {&byte, 1};
	uint64_t start;
	int error;

	wire_init(wire, NET_LINK_IP, NET_PROFILE_LINUX, 10);
	wire->faults.delay_ns = MILLISECOND;
	listener = net_socket_create(wire->host[1].net, 2, 1, 0, &error);
	(void)net_bind(listener, &at);
	(void)net_listen(listener, 5);
	client = net_socket_create(wire->host[0].net, 2, 1, 0, &error);
	(void)net_connect(client, &at);
	wire_run(wire, wire->now + SECOND);
	server = net_accept(listener, &error);
	(void)net_set_option(client, 1, 9, &value, 4);
	(void)net_set_option(client, 6, 4, &idle, 4);
	(void)net_set_option(client, 6, 5, &interval, 4);
	(void)net_set_option(client, 6, 6, &count, 4);
	wire_run(wire, wire->now + 60 * SECOND);
	check(server && !(net_poll(client) & NET_HANGUP), "keep-alive leaves a living connection alone",
	      "it ended");
	start = wire->now;
	wire->faults.loss = 10000;
	wire_run(wire, wire->now + 100 * SECOND);
	check((net_poll(client) & (NET_HANGUP | NET_ERROR)) == (NET_HANGUP | NET_ERROR) &&
	          socket_take_error(client) == NET_ETIMEDOUT,
	      "keep-alive ends one whose peer is gone", "it did not");
	check(net_send(server, &piece, 1, NULL, 0) == 1, "a write to a silent peer", "refused");
	wire_run(wire, start + 4000 * SECOND);
	check(socket_take_error(server) == NET_ETIMEDOUT, "retransmission gives up after its tries",
	      "it goes on");
	wire_free(wire);
	free(wire);
}

static void test_zero_window(void)
{
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	struct net_endpoint at = test_endpoint(1, false, 80);
	struct net_socket *listener, *client, *server;
	static uint8_t bytes[1 << 16];
	struct net_piece piece = {bytes, sizeof(bytes)};
	int64_t sent = 0, done, got = 0;
	int error;

	wire_init(wire, NET_LINK_IP, NET_PROFILE_LINUX, 11);
	wire->faults.delay_ns = MILLISECOND;
	listener = net_socket_create(wire->host[1].net, 2, 1, 0, &error);
	(void)net_bind(listener, &at);
	(void)net_listen(listener, 5);
	client = net_socket_create(wire->host[0].net, 2, 1, 0, &error);
	(void)net_connect(client, &at);
	wire_run(wire, wire->now + SECOND);
	server = net_accept(listener, &error);
	for (unsigned round = 0; round < 200; round++) {
		done = net_send(client, &piece, 1, NULL, 0);
		if (done > 0)
			sent += done;
		wire_run(wire, wire->now + 100 * MILLISECOND);
	}
	check(tcp_of(client)->send_window == 0 || tcp_of(client)->ring_count > 0,
	      "a reader that sleeps closes the window", "it stays open");
	wire_run(wire, wire->now + 1000 * SECOND);
	check(!(net_poll(client) & NET_HANGUP), "a closed window is waited for as long as the peer answers",
	      "it gave up");
	while (got < sent) {
		done = net_receive(server, bytes, sizeof(bytes), 0, NULL);
		if (done > 0)
			got += done;
		else if (!wire_step(wire))
			break;
	}
	check(got == sent, "it opens again", "bytes are missing");
	wire_free(wire);
	free(wire);
}

/* ---- DHCP ---- */

static struct net_lease told;
static unsigned told_count;

static void lease_changed(void *context, struct net_link *link, const struct net_lease *lease)
{
	(void)context, (void)link;
	told = *lease;
	told_count++;
}

/* A DHCP server that answers what it sees on the wire from side 0. */
static void dhcp_server(struct test_wire *wire, unsigned from, const uint8_t *frame, size_t count)
{
	const uint8_t *message = frame + 42;
	uint8_t answer[14 + 28 + 300] = {0}, *at = answer + 42, type = 0;
	size_t place = 240;
	struct net_piece piece = {answer, sizeof(answer)};

	if (from || count < 42 + 243 || frame[12] != 8 || frame[13] != 0 || frame[23] != 17 ||
	    load16(frame + 36) != 67)
		return;
	for (size_t option = 240; option + 2 < count - 42 && message[option] != 255;
	     option += 2u + message[option + 1])
		if (message[option] == 53)
			type = message[option + 2];
	memcpy(at, message, 236);
	at[0] = 2;
	at[16] = 10, at[17] = 9, at[18] = 0, at[19] = 50;
	memcpy(at + 236, "\x63\x82\x53\x63", 4);
	memcpy(at + place, "\x35\x01", 2);
	at[place + 2] = type == 1 ? 2 : 5;
	place += 3;
	memcpy(
	    at + place,
	    "\x36\x04\x0a\x09\x00\x01\x01\x04\xff\xff\x00\x00\x03\x04\x0a\x09\x00\x01\x33\x04\x00\x00\x0e\x10"
	    "\x06\x04\x0a\x09\x00\x02\x0f\x05holon\xff",
	    38);
	memset(answer, 255, 6);
	memset(answer + 6, 2, 6);
	store16(answer + 12, 0x800);
	store16(answer + 14, 0x4500);
	store16(answer + 16, 328);
	store16(answer + 22, 0x4011);
	store32(answer + 26, 0x0a090001);
	store32(answer + 30, 0xffffffff);
	store16(answer + 24, checksum_finish(checksum_add(0, answer + 14, 20)));
	store16(answer + 34, 67);
	store16(answer + 36, 68);
	store16(answer + 38, 308);
	frame_to(wire, 0, &piece);
}

static void test_dhcp(void)
{
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	uint8_t expected[4] = {10, 9, 0, 50};
	struct net_address own = net_ipv4(expected);
	const struct net_endpoint any = {address_any(true), 5000, 0},
	                          group = {net_ipv4((const uint8_t[]){239, 1, 2, 3}), 5000, 0};
	struct net_piece piece = {"group", 5};
	struct net_socket *here, *from;
	int error;

	wire_init(wire, NET_LINK_ETHERNET, NET_PROFILE_LINUX, 12);
	wire->watch = dhcp_server;
	check(net_dhcp_start(wire->host[0].link, lease_changed, NULL) == 0, "DHCP starts", "it does not");
	wire_run(wire, wire->now + 20 * SECOND);
	check(told_count == 1 && address_equal(&told.address, &own) && told.length == 16 &&
	          told.name_server_count == 1 && strcmp(told.domain, "holon") == 0,
	      "a lease with all it says", "another one");
	check(link_own_address(wire->host[0].link, &own) != NULL, "its address is set", "it is not");
	wire_run(wire, wire->now + 3000 * SECOND);
	check(told_count == 1 && link_own_address(wire->host[0].link, &own) != NULL, "renewal keeps it",
	      "it changed");
	wire->watch = NULL;
	wire_run(wire, wire->now + 5000 * SECOND);
	check(told_count == 2 && link_own_address(wire->host[0].link, &own) == NULL,
	      "without a server it ends in time", "it does not");
	/* A link without an address takes what may be for it, but no groups. */
	here = net_socket_create(wire->host[0].net, FAMILY_IPV4, TYPE_DATAGRAM, 0, &error);
	from = net_socket_create(wire->host[1].net, FAMILY_IPV4, TYPE_DATAGRAM, 0, &error);
	(void)net_bind(here, &any);
	(void)net_send(from, &piece, 1, &group, 0);
	check(link_awaits_address(wire->host[0].link) && !got(wire, here), "a group nobody has joined",
	      "is heard while an address is awaited");
	net_dhcp_stop(wire->host[0].link);
	wire_free(wire);
	free(wire);
}

/* ---- Routers and DHCPv6 ---- */

static uint8_t router6[16] = {0xfe, 0x80, [15] = 0x99};
static uint8_t asked6[32]; /* the types of messages that the server saw */
static unsigned asked6_count;

/* A packet of PROTOCOL with COUNT bytes at BODY, whose sum is to be at SUM_AT, arrives at host 0. */
static void packet6_to(struct test_wire *wire, uint8_t protocol, const uint8_t *mac, const uint8_t *to,
                       const uint8_t *body, size_t count, size_t sum_at)
{
	uint8_t frame[14 + 40 + 512] = {0}, *ip = frame + 14;
	struct net_piece piece = {frame, 54 + count};
	struct net_address source, destination;

	memcpy(source.bytes, router6, 16);
	memcpy(destination.bytes, to, 16);
	memcpy(frame, mac, 6);
	memset(frame + 6, 2, 6);
	store16(frame + 12, 0x86dd);
	ip[0] = 0x60;
	store16(ip + 4, (uint32_t)count);
	ip[6] = protocol;
	ip[7] = 255;
	memcpy(ip + 8, router6, 16);
	memcpy(ip + 24, to, 16);
	memcpy(ip + 40, body, count);
	store16(ip + 40 + sum_at,
	        checksum_finish(checksum_add(
	            checksum_pseudo(&source, &destination, protocol, (uint32_t)count), ip + 40, count)));
	frame_to(wire, 0, &piece);
}

static void dhcp6_server(struct test_wire *wire, unsigned from, const uint8_t *frame, size_t count)
{
	static const uint8_t rest[] = {
	    0,    2,    0, 2, 9, 9,  0,    7, 0,  1,    255, 0, 3, 0, 40, 0, 0, 0, 1, 0, 0, 1, 0x2c, 0, 0,
	    2,    0x58, 0, 5, 0, 24, 0xfd, 9, 0,  0,    0,   0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 7, 0,    0, 3,
	    0x84, 0,    0, 4, 0, 0,  23,   0, 16, 0xfd, 9,   0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0,    0, 0x53};
	uint8_t body[8 + 18 + sizeof(rest)] = {0};

	if (from || count < 54 + 8 + 18 || frame[12] != 0x86 || frame[20] != 17 || load16(frame + 56) != 547)
		return;
	if (asked6_count < sizeof(asked6))
		asked6[asked6_count++] = frame[62];
	store16(body, 547);
	store16(body + 2, 546);
	store16(body + 4, sizeof(body));
	memcpy(body + 8, frame + 62, 18); /* its number, and the client's identifier */
	body[8] = frame[62] == 1 ? 2 : 7;
	memcpy(body + 26, rest, sizeof(rest));
	packet6_to(wire, 17, frame + 6, frame + 22, body, sizeof(body), 6);
}

/* A router announces what is neither a prefix to make addresses from nor all the way, with FLAGS. */
static void router_speaks(struct test_wire *wire, uint8_t flags)
{
	static const uint8_t nodes[16] = {0xff, 2, [15] = 1}, mac[6] = {0x33, 0x33, [5] = 1};
	uint8_t body[16 + 24 + 24 + 24 + 32] = {134, [4] = 64, [5] = flags}, *at = body + 16;

	at[0] = 24; /* fd48::/16 is behind it; */
	at[1] = 3;
	at[2] = 16;
	store32(at + 4, 600);
	store16(at + 8, 0xfd48);
	at += 24;
	at[0] = 24; /* and, as it says, 9.9.9.9 */
	at[1] = 3;
	at[2] = 128;
	store32(at + 4, 600);
	store16(at + 18, 0xffff);
	store32(at + 20, 0x09090909);
	at += 24;
	at[0] = 25;
	at[1] = 3;
	store32(at + 4, 600);
	memcpy(at + 8, router6, 16);
	at += 24;
	at[0] = 3;
	at[1] = 4;
	at[2] = 96;
	at[3] = 0x80;
	store32(at + 4, 600);
	store32(at + 8, 600);
	store16(at + 26, 0xffff);
	packet6_to(wire, 58, mac, nodes, body, sizeof(body), 2);
}

static void test_router(void)
{
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	const struct net_address behind = {{0xfd, 0x48, [15] = 5}}, given = {{0xfd, 9, [15] = 7}},
	                         four = {{[10] = 0xff, 0xff, 9, 9, 9, 9}};
	struct net_address servers[NET_NAME_SERVERS_MAX];
	struct net_link *link;
	struct path path;

	wire_init(wire, NET_LINK_ETHERNET, NET_PROFILE_LINUX, 12);
	wire->watch = dhcp6_server;
	link = wire->host[0].link;
	wire_run(wire, wire->now + 5 * SECOND);
	router_speaks(wire, 0);
	wire_run(wire, wire->now + 5 * SECOND);
	check(route_find(wire->host[0].net, &behind, 0, &path) && path.hop.bytes[15] == 0x99,
	      "a router tells of a network behind it", "its route is not there");
	check(!route_find(wire->host[0].net, &four, 0, &path), "but not of IPv4's", "it has a route");
	check(net_name_servers(link, servers) == 1 && memcmp(servers[0].bytes, router6, 16) == 0 &&
	          !asked6_count,
	      "and of name servers", "they are not known, or servers were asked");
	router_speaks(wire, 0x80);
	wire_run(wire, wire->now + 10 * SECOND);
	check(asked6_count == 2 && asked6[0] == 1 && asked6[1] == 3 && link_own_address(link, &given) &&
	          link_own_address(link, &given)->state == ADDRESS_VALID,
	      "where it says so a DHCPv6 server gives an address", "it does not");
	check(net_name_servers(link, servers) == 2 && servers[1].bytes[15] == 0x53, "and a name server",
	      "it does not");
	wire_run(wire, wire->now + 1500 * SECOND);
	check(asked6_count >= 5 && asked6[2] == 5 && link_own_address(link, &given), "it is renewed",
	      "it is not");
	check(net_name_servers(link, servers) == 1, "the router's name server has its time", "it stays");
	(void)net_advance(wire->host[0].net, wire->now);
	net_link_set_up(link, false);
	net_link_set_up(link, true);
	unsigned before = asked6_count;
	wire_run(wire, wire->now + 10 * SECOND);
	check(asked6_count > before && asked6[before] == 4 && link_own_address(link, &given),
	      "it is confirmed when the link is up again", "it is not");
	before = asked6_count;
	net_dhcp6_stop(link);
	check(!link_own_address(link, &given), "and given back", "it is not");
	wire_run(wire, wire->now + SECOND);
	check(asked6[before] == 8, "as the server is told", "it is not");
	wire_free(wire);
	free(wire);
}

/* Router NUMBER, which is the way to all for OWN seconds, has one option of KIND: of a network of LENGTH bits for SECONDS. */
static void router_tells(struct test_wire *wire, uint8_t number, uint16_t own, uint8_t kind, uint16_t network,
                         uint8_t length, uint32_t seconds)
{
	static const uint8_t nodes[16] = {0xff, 2, [15] = 1}, mac[6] = {0x33, 0x33, [5] = 1};
	const bool prefix = kind == 3;
	uint8_t body[16 + 32] = {134, [4] = 64, [6] = (uint8_t)(own >> 8), (uint8_t)own}, *at = body + 16;

	at[0] = kind;
	at[1] = prefix ? 4 : 3;
	at[2] = length;
	at[3] = prefix ? 0xc0 : 0;
	store32(at + 4, seconds);
	store32(at + 8, prefix ? seconds : 0);
	store16(at + (prefix ? 16 : 8), network);
	router6[15] = number;
	packet6_to(wire, 58, mac, nodes, body, prefix ? 48 : 40, 2);
	while (wire->count)
		(void)wire_step(wire);
}

/* The last byte of the next hop to an address of NETWORK, whose own last byte is 5; 0: there is none. */
static unsigned way(struct test_wire *wire, uint16_t network)
{
	struct net_address to = {{0, [15] = 5}};
	struct path path;

	store16(to.bytes, network);
	return route_find(wire->host[0].net, &to, 0, &path) ? path.hop.bytes[15] : 0;
}

static void test_hostile_router(void)
{
	struct test_wire *wire = (struct test_wire *)malloc(sizeof(*wire));
	const struct net_address four = {{[10] = 0xff, 0xff, 9, 9, 9, 9}}, mine = {{0xfd, 0x51}},
	                         late = {{0xfd, 0x52}}, by_hand = {{0xfd, 0x54, [15] = 1}};
	struct path path;
	struct net *net;

	wire_init(wire, NET_LINK_ETHERNET, NET_PROFILE_LINUX, 12);
	net = wire->host[0].net;
	wire_run(wire, wire->now + 5 * SECOND);
	router_tells(wire, 3, 1800, 24, 0xfd48, 16, 0);
	router_tells(wire, 1, 0, 24, 0xfd48, 16, 600);
	router_tells(wire, 2, 0, 24, 0xfd48, 16, 0);
	check(way(wire, 0x2001) == 3 && way(wire, 0xfd48) == 1, "a router ends no other's ways", "it does");
	router_tells(wire, 1, 0, 24, 0xfd48, 16, 0);
	check(way(wire, 0xfd48) == 3, "but its own", "they stay");
	check(!route_find(net, &four, 0, &path), "the way to all of IPv6 is none for IPv4", "it is one");
	check(net_route_add(net, &mine, 16, wire->host[0].link, NULL) == 0, "a route by hand",
	      "it is refused");
	router_tells(wire, 2, 0, 3, 0xfd51, 16, 600);
	router_tells(wire, 2, 0, 3, 0xfd51, 16, 0);
	wire_run(wire, wire->now + 700 * SECOND);
	check(way(wire, 0xfd51) == 5, "is ended by no router", "it is");
	for (uint16_t i = 0; i < 20; i++)
		router_tells(wire, 2, 0, 3, (uint16_t)(0x2200 + i), 64, 60);
	check(net_address_add(wire->host[0].link, &by_hand, 128) == 0, "an address by hand", "it is refused");
	for (uint16_t i = 0; i < 100; i++)
		router_tells(wire, 2, 0, 24, (uint16_t)(0x2100 + i), 16, 60);
	check(net_route_add(net, &late, 16, wire->host[0].link, NULL) == 0,
	      "one that tells of many networks leaves room", "it does not");
	wire_run(wire, wire->now + 61 * SECOND);
	router_tells(wire, 1, 0, 24, 0xfd53, 16, 600);
	check(way(wire, 0xfd53) == 1, "and for others when its time is over", "it does not");
	wire_free(wire);
	free(wire);
}

int main(void)
{
	test_arena();
	test_timers();
	test_checksum();
	test_checksum_lengths();
	test_address_matches();
	test_siphash();
	test_transfers();
	test_loopback();
	test_datagrams();
	test_ping();
	test_groups(false);
	test_groups(true);
	test_failures();
	test_syn_flood();
	test_train();
	test_read_acknowledges();
	test_long_line();
	test_second_attempt();
	test_stalled();
	test_loopback_everybody();
	test_datagram_from();
	test_gap_beside_data();
	test_silent_peer();
	test_zero_window();
	test_dhcp();
	test_router();
	test_hostile_router();
	return failures != 0;
}
