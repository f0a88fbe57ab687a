/* The DHCPv6 client on virtual time, against answers written here byte by byte. */
#include "dhcp6.h"
#include <stdio.h>
#include <string.h>

enum { SOLICIT = 1, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY, RELEASE, DECLINE, INFORM = 11 };

static struct dhcp6 client;
static uint64_t now;
static struct {
	uint8_t bytes[DHCP6_SENT_MAX];
	uint32_t count, sent, changes;
	uint64_t at[512];
} net;
static int failures;

static void check(const char *name, bool right)
{
	printf(right ? "ok dhcp6: %s\n" : "not ok dhcp6: %s - see the check of this name\n", name);
	failures += !right;
}

static void send(void *context, const uint8_t *message, uint32_t bytes)
{
	(void)context;
	memcpy(net.bytes, message, bytes);
	net.count = bytes;
	net.at[net.sent++ % 512] = now;
}

static uint32_t draw(void *context)
{
	static uint64_t state = 88172645463325252ull;

	(void)context;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static void changed(void *context)
{
	(void)context;
	net.changes++;
}

/* Lets SECONDS pass, each step to where the client has something to do. */
static void pass(uint64_t seconds)
{
	uint64_t end = now + seconds * 1000;

	while (dhcp6_due(&client) <= end) {
		if (dhcp6_due(&client) > now)
			now = dhcp6_due(&client);
		(void)dhcp6_advance(&client, now);
	}
	now = end;
}

/* Until a message of TYPE goes out, within SECONDS. */
static bool sends(uint8_t type, uint64_t seconds)
{
	uint64_t end = now + seconds * 1000;

	while (dhcp6_due(&client) <= end) {
		uint32_t before = net.sent;

		if (dhcp6_due(&client) > now)
			now = dhcp6_due(&client);
		(void)dhcp6_advance(&client, now);
		if (net.sent != before)
			return net.bytes[0] == type;
	}
	return false;
}

/* The data of OPTION in what was sent last, or 0. */
static const uint8_t *option_sent(uint8_t option, uint32_t *bytes)
{
	for (uint32_t at = 4; at + 4 <= net.count; at += 4 + net.bytes[at + 3]) {
		*bytes = net.bytes[at + 3];
		if (net.bytes[at + 1] == option && !net.bytes[at])
			return net.bytes + at + 4;
	}
	return NULL;
}

/* ---- Answers ---- */

struct answer {
	uint8_t type, server, preference, status, identity_status;
	bool no_identity, no_address, no_client;
	uint8_t address; /* its last byte */
	uint32_t renew, rebind, preferred, valid;
	uint8_t name_servers;
	uint32_t refresh, solicit_most;
};

static uint8_t *word(uint8_t *at, uint32_t value, unsigned bytes)
{
	while (bytes--)
		*at++ = (uint8_t)(value >> 8 * bytes);
	return at;
}

static uint8_t *option(uint8_t *at, uint16_t kind, uint16_t bytes)
{
	return word(word(at, kind, 2), bytes, 2);
}

/* Writes ANSWER to what was sent last; returns its bytes. */
static uint32_t answer_write(uint8_t *to, const struct answer *answer)
{
	static const uint8_t prefix[15] = {0x20, 1, 0xd, 0xb8};
	uint8_t *at = to + 4;

	memcpy(to, net.bytes, 4);
	to[0] = answer->type;
	if (!answer->no_client) {
		memcpy(at, net.bytes + 4, 14); /* it comes first in what is sent */
		at += 14;
	}
	at = word(option(at, 2, 3), 0x010200u + answer->server, 3);
	if (answer->preference)
		at = word(option(at, 7, 1), answer->preference, 1);
	if (answer->status)
		at = word(option(at, 13, 2), answer->status, 2);
	if (!answer->no_identity) {
		uint16_t bytes =
		    (uint16_t)(12 + (answer->no_address ? 0 : 28) + (answer->identity_status ? 6 : 0));
		at = word(word(word(option(at, 3, bytes), 1, 4), answer->renew, 4), answer->rebind, 4);
		if (!answer->no_address) {
			at = option(at, 5, 24);
			memcpy(at, prefix, 15);
			at[15] = answer->address;
			at = word(word(at + 16, answer->preferred, 4), answer->valid, 4);
		}
		if (answer->identity_status)
			at = word(option(at, 13, 2), answer->identity_status, 2);
	}
	if (answer->name_servers)
		at = option(at, 23, (uint16_t)(16 * answer->name_servers));
	for (unsigned i = 0; i < answer->name_servers; i++) {
		memcpy(at, prefix, 15);
		at[15] = (uint8_t)(0x53 + i);
		at += 16;
	}
	if (answer->refresh)
		at = word(option(at, 32, 4), answer->refresh, 4);
	if (answer->solicit_most)
		at = word(option(at, 82, 4), answer->solicit_most, 4);
	return (uint32_t)(at - to);
}

static void answers(struct answer answer)
{
	uint8_t message[512];

	if (!answer.address)
		answer.address = 5;
	if (!answer.server)
		answer.server = 1;
	if (!answer.valid && !answer.no_address) {
		answer.preferred = 1000;
		answer.valid = 2000;
	}
	dhcp6_input(&client, message, answer_write(message, &answer), now);
}

static void fresh(enum dhcp6_want want)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 7};

	memset(&net, 0, sizeof(net));
	now += 100000;
	dhcp6_init(&client, mac, send, draw, changed, NULL);
	client.credit_at = now;
	dhcp6_want(&client, want, now);
}

static bool bind(struct answer offer)
{
	bool right;

	fresh(DHCP6_ADDRESS);
	right = sends(SOLICIT, 2);
	offer.type = ADVERTISE;
	answers(offer);
	right &= sends(REQUEST, 2);
	offer.type = REPLY;
	answers(offer);
	return right && client.lease.bound;
}

/* ---- The checks ---- */

static void test_lease(void)
{
	static const uint8_t identifier[10] = {0, 3, 0, 1, 2, 0, 0, 0, 0, 7};
	const uint8_t *data;
	uint32_t bytes;

	fresh(DHCP6_ADDRESS);
	check("nothing is sent at once", net.sent == 0 && dhcp6_due(&client) <= now + 1001);
	bool right = sends(SOLICIT, 2) && (data = option_sent(1, &bytes)) && bytes == 10 &&
	             !memcmp(data, identifier, 10) && (data = option_sent(3, &bytes)) && bytes == 12 &&
	             option_sent(8, &bytes) && option_sent(6, &bytes) && !option_sent(2, &bytes);
	check("servers are looked for, by an identifier of the card's", right);
	answers((struct answer){.type = ADVERTISE, .preference = 3, .server = 1, .address = 5});
	answers((struct answer){.type = ADVERTISE, .preference = 9, .server = 2, .address = 6});
	answers((struct answer){.type = ADVERTISE, .preference = 4, .server = 3, .address = 7});
	right = sends(REQUEST, 2) && (data = option_sent(2, &bytes)) && bytes == 3 && data[2] == 2 &&
	        (data = option_sent(3, &bytes)) && bytes == 40 && data[12 + 4 + 15] == 6;
	check("the best offer of the first second is asked for", right);
	answers((struct answer){.type = REPLY, .server = 1});
	check("another server's reply is none", !client.lease.bound);
	answers((struct answer){.type = REPLY,
	                        .server = 2,
	                        .address = 6,
	                        .name_servers = 5,
	                        .renew = 300,
	                        .rebind = 600,
	                        .preferred = 900,
	                        .valid = 1000});
	check("the address is had, with no more name servers than fit",
	      client.lease.bound && client.lease.address[15] == 6 && client.lease.name_server_count == 3 &&
	          client.lease.name_servers[2][15] == 0x55 && net.changes == 1 &&
	          client.lease.valid_until == now + 1000000 && client.lease.preferred_until == now + 900000);
	uint64_t bound_at = now;
	check("it is renewed at T1, with its server",
	      sends(RENEW, 301) && now == bound_at + 300000 && option_sent(2, &bytes));
	answers((struct answer){.type = REPLY,
	                        .server = 2,
	                        .address = 6,
	                        .renew = 300,
	                        .rebind = 600,
	                        .preferred = 900,
	                        .valid = 1000});
	check("and lasts longer then", client.lease.valid_until == now + 1000000 && sends(RENEW, 301));
	uint64_t renewing = now;
	uint32_t sent = net.sent;
	pass(299);
	check("which is repeated ever more seldom", net.sent > sent + 2 && net.sent < sent + 7);
	check("at T2 any server is asked",
	      sends(REBIND, 2) && now == renewing + 300000 && !option_sent(2, &bytes) && client.lease.bound);
	answers((struct answer){.type = REPLY, .server = 9, .address = 6, .preferred = 900, .valid = 1000});
	check("whose answer counts, with times of its own where none are said",
	      client.lease.valid_until == now + 1000000 && sends(RENEW, 451) &&
	          (data = option_sent(2, &bytes)) && data[2] == 9);
	pass(560);
	check("with no answer to anything it ends, and servers are looked for again",
	      !client.lease.bound && net.bytes[0] == SOLICIT);
}

static void test_repetition(void)
{
	bool right = true;

	fresh(DHCP6_ADDRESS);
	pass(20000);
	right = net.sent > 8 && net.at[1] - net.at[0] >= 1000 && net.at[1] - net.at[0] <= 1100;
	for (uint32_t i = 2; i < net.sent; i++) {
		uint64_t before = net.at[i - 1] - net.at[i - 2], gap = net.at[i] - net.at[i - 1];

		right &= gap <= 3960000 &&
		         (before > 1700000 || (gap >= before * 19 / 10 && gap <= before * 21 / 10 + 1));
	}
	check("a question that nobody answers is doubled in time, an hour at most", right);
	sends(SOLICIT, 8000);
	answers((struct answer){.type = ADVERTISE, .identity_status = 2, .no_address = true});
	check("an offer of nothing is none", !sends(REQUEST, 1));
	sends(SOLICIT, 8000);
	answers((struct answer){.type = ADVERTISE});
	check("a late offer is taken at once", net.bytes[0] == REQUEST);
	uint32_t sent = net.sent;
	pass(250);
	check("who then does not answer is given up after ten requests",
	      net.sent >= sent + 10 && net.bytes[0] == SOLICIT);
	fresh(DHCP6_ADDRESS);
	sends(SOLICIT, 2);
	answers((struct answer){.type = ADVERTISE, .preference = 255});
	check("an offer that is preferred to all is taken at once", net.bytes[0] == REQUEST);
	fresh(DHCP6_ADDRESS);
	sends(SOLICIT, 2);
	answers((struct answer){.type = ADVERTISE, .no_identity = true, .solicit_most = 60});
	uint32_t before = net.sent;
	pass(1000);
	check("a server may ask for more questions", net.sent > before + 14);
}

static void test_refused(void)
{
	uint8_t message[512];
	struct answer offer = {.type = REPLY, .server = 1, .address = 5, .preferred = 100, .valid = 200};

	fresh(DHCP6_ADDRESS);
	sends(SOLICIT, 2);
	answers((struct answer){.type = ADVERTISE, .preference = 255});
	uint32_t bytes = answer_write(message, &offer);
	message[3] ^= 1;
	dhcp6_input(&client, message, bytes, now);
	message[3] ^= 1;
	message[8] ^= 1; /* of our identifier */
	dhcp6_input(&client, message, bytes, now);
	message[8] ^= 1;
	for (uint32_t cut = 0; cut < bytes; cut++)
		if (cut != 18 && cut != 25) /* between two options: sound, but without an address */
			dhcp6_input(&client, message, cut, now);
	message[0] = ADVERTISE;
	dhcp6_input(&client, message, bytes, now);
	check("answers to others, to other questions and cut short are none", !client.lease.bound);
	offer.no_client = true;
	answers(offer);
	check("one without our identifier too", !client.lease.bound);
	offer.no_client = false;
	offer.preferred = 300;
	answers(offer);
	check("an address preferred for longer than it is valid too", !client.lease.bound);
	offer.preferred = 100;
	offer.renew = 90;
	offer.rebind = 80;
	answers(offer);
	check("times in the wrong order too", !client.lease.bound);
	offer.renew = offer.rebind = 0;
	bytes = answer_write(message, &offer);
	memset(message + bytes - 24, 0, 2);
	message[bytes - 24] = 0xff;
	dhcp6_input(&client, message, bytes, now);
	message[bytes - 24] = 0xfe;
	message[bytes - 23] = 0x80;
	dhcp6_input(&client, message, bytes, now);
	memset(message + bytes - 24, 0, 8);
	dhcp6_input(&client, message, bytes, now);
	check("a group's, a link's own and nobody's address too", !client.lease.bound);
	answers(offer);
	check("the right one is taken", client.lease.bound);
}

static void test_status(void)
{
	check("an address is had", bind((struct answer){.name_servers = 1}));
	sends(RENEW, 600);
	answers((struct answer){.type = REPLY, .identity_status = 3, .no_address = true});
	check("a server that has forgotten it is asked for it again",
	      net.bytes[0] == REQUEST && client.lease.bound);
	answers((struct answer){.type = REPLY, .identity_status = 2, .no_address = true});
	check("one that has none left ends it", !client.lease.bound && sends(SOLICIT, 2));
	check("and is had again", bind((struct answer){.name_servers = 1}));
	sends(RENEW, 600);
	answers((struct answer){.type = REPLY, .status = 1, .no_identity = true});
	check("a server that fails is asked again", client.lease.bound && sends(RENEW, 30));
	answers((struct answer){.type = REPLY, .valid = 0, .preferred = 0, .no_address = true});
	check("an answer without it changes nothing", client.lease.bound);
	struct answer back = {.type = REPLY, .server = 1, .address = 5};
	uint8_t message[512];
	dhcp6_input(&client, message, answer_write(message, &back), now);
	check("one that takes it back ends it", !client.lease.bound);

	bind((struct answer){.name_servers = 1});
	dhcp6_rejoin(&client, now);
	check("on a link that came back it is asked whether it fits",
	      sends(CONFIRM, 2) && client.lease.bound);
	answers((struct answer){.type = REPLY, .no_identity = true});
	check("where it does it stays", client.lease.bound && sends(RENEW, 600));
	dhcp6_rejoin(&client, now);
	sends(CONFIRM, 2);
	pass(11);
	check("where nobody says so too, and it is renewed, as was due",
	      client.lease.bound && net.bytes[0] == RENEW);
	dhcp6_rejoin(&client, now);
	sends(CONFIRM, 2);
	answers((struct answer){.type = REPLY, .status = 4, .no_identity = true});
	check("where it does not another is looked for", !client.lease.bound && sends(SOLICIT, 2));

	bind((struct answer){.name_servers = 1});
	dhcp6_decline(&client, now);
	check("an address that is another's is given up, and the server told",
	      !client.lease.bound && net.bytes[0] == DECLINE);
	answers((struct answer){.type = REPLY, .no_identity = true});
	check("and another looked for", sends(SOLICIT, 2));
	bind((struct answer){.name_servers = 1});
	dhcp6_release(&client, now);
	check("it can be given back", !client.lease.bound && net.bytes[0] == RELEASE);
	uint32_t sent = net.sent;
	pass(1000);
	check("which is said four times, and no more",
	      net.sent == sent + 3 && dhcp6_due(&client) == DHCP6_NEVER);

	bind((struct answer){.preferred = 0xffffffff, .valid = 0xffffffff});
	check("an address for ever is never asked for again",
	      client.lease.bound && dhcp6_due(&client) == DHCP6_NEVER);
}

static void test_information(void)
{
	uint32_t bytes;

	fresh(DHCP6_INFORMATION);
	check("information alone is asked for",
	      sends(INFORM, 2) && !option_sent(3, &bytes) && option_sent(6, &bytes));
	answers((struct answer){.type = REPLY, .no_identity = true, .name_servers = 2, .refresh = 1});
	check("and had", client.lease.name_server_count == 2 && !client.lease.bound && net.changes == 1);
	uint64_t had = now;
	check("again after ten minutes, though it was said to be sooner",
	      sends(INFORM, 1000) && now == had + 600000);
	answers((struct answer){.type = REPLY, .no_identity = true, .name_servers = 1});
	check("or a day", sends(INFORM, 100000) && client.lease.name_server_count == 1);
	dhcp6_want(&client, DHCP6_ADDRESS, now);
	check("an address when the router has changed its mind", sends(SOLICIT, 2));
	dhcp6_want(&client, DHCP6_NOTHING, now);
	check("and nothing", dhcp6_due(&client) == DHCP6_NEVER && !client.lease.name_server_count);
}

/* A server that answers all at once, as badly as it can. */
static void test_flood(void)
{
	fresh(DHCP6_ADDRESS);
	uint64_t begin = now;
	while (now < begin + 600000) {
		uint8_t type = net.bytes[0];

		(void)dhcp6_advance(&client, now);
		if (net.sent && type == SOLICIT)
			answers((struct answer){.type = ADVERTISE, .preference = 255});
		else if (net.sent && type == REQUEST)
			answers((struct answer){
			    .type = REPLY, .renew = 1, .rebind = 1, .preferred = 1, .valid = 2});
		else if (net.sent)
			answers((struct answer){.type = REPLY, .identity_status = 3, .no_address = true});
		now += 10;
	}
	check("no server makes it send more than twenty messages and one a second", net.sent <= 620);
}

int main(void)
{
	test_lease();
	test_repetition();
	test_refused();
	test_status();
	test_information();
	test_flood();
	return failures != 0;
}
