/* See dhcp6.h. Section numbers are those of RFC 8415. */
#include "dhcp6.h"
#include <string.h>

enum message_type {
	SOLICIT = 1,
	ADVERTISE = 2,
	REQUEST = 3,
	CONFIRM = 4,
	RENEW = 5,
	REBIND = 6,
	REPLY = 7,
	RELEASE = 8,
	DECLINE = 9,
	INFORMATION_REQUEST = 11
};
enum option {
	OPTION_CLIENT = 1,
	OPTION_SERVER = 2,
	OPTION_IA_NA = 3,
	OPTION_ADDRESS = 5,
	OPTION_WANTED = 6,
	OPTION_PREFERENCE = 7,
	OPTION_ELAPSED = 8,
	OPTION_STATUS = 13,
	OPTION_NAME_SERVERS = 23,
	OPTION_REFRESH = 32,
	OPTION_SOLICIT_MOST = 82,
	OPTION_INFORM_MOST = 83
};
enum status { STATUS_SUCCESS = 0, STATUS_NO_BINDING = 3, STATUS_NOT_ON_LINK = 4 };

enum state {
	OFF,
	SOLICITING,
	REQUESTING,
	CONFIRMING,
	BOUND,
	RENEWING,
	REBINDING,
	RELEASING,
	DECLINING,
	INFORMING,
	INFORMED,
	STATES
};

#define SECOND          1000u /* ms */
#define DUID_BYTES      10u
#define HEADER_BYTES    4u
#define IA_BYTES        12u
#define ADDRESS_BYTES   24u
#define IDENTITY        1u /* IAID: there is one */
#define FOREVER         0xffffffffu
#define MOST_DEFAULT    (3600u * SECOND) /* SOL_MAX_RT, INF_MAX_RT */
#define MOST_LEAST      60u              /* seconds, 21.24 */
#define MOST_GREATEST   86400u
#define CONFIRM_LASTS   (10u * SECOND)
#define RENEW_LEAST     10u /* seconds */
#define REFRESH_LEAST   600u
#define REFRESH_SECONDS 86400u
#define CREDIT_MOST     20u

/* How an exchange is repeated (7.6, 15), in ms; most 0: as a server said. */
static const struct exchange {
	uint8_t type;
	bool to_server; /* the server's identifier goes along */
	uint32_t first, most, tries;
} exchanges[STATES] = {[SOLICITING] = {SOLICIT, false, SECOND, 0, 0},
                       [REQUESTING] = {REQUEST, true, SECOND, 30 * SECOND, 10},
                       [CONFIRMING] = {CONFIRM, false, SECOND, 4 * SECOND, 0},
                       [RENEWING] = {RENEW, true, 10 * SECOND, 600 * SECOND, 0},
                       [REBINDING] = {REBIND, false, 10 * SECOND, 600 * SECOND, 0},
                       [RELEASING] = {RELEASE, true, SECOND, 3600 * SECOND, 4},
                       [DECLINING] = {DECLINE, true, SECOND, 3600 * SECOND, 4},
                       [INFORMING] = {INFORMATION_REQUEST, false, SECOND, 0, 0}};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}
static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}
static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}
static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

/* ---- What is sent ---- */

static void identifier_write(const struct dhcp6 *client, uint8_t *at)
{
	put16(at, 3); /* DUID-LL */
	put16(at + 2, 1);
	memcpy(at + 4, client->mac, 6);
}

static uint32_t option_begin(uint8_t *at, uint32_t count, enum option option, uint32_t bytes)
{
	put16(at + count, option);
	put16(at + count + 2, bytes);
	return count + 4;
}

/* The address that a message speaks of; 0: none. */
static const uint8_t *address_meant(const struct dhcp6 *client)
{
	if (client->state == SOLICITING)
		return NULL;
	return client->state == REQUESTING || client->state == DECLINING || client->state == RELEASING
	           ? client->offered
	           : client->lease.address;
}

static uint32_t message_write(const struct dhcp6 *client, uint8_t *at, uint64_t now)
{
	static const uint8_t wanted[][6] = {
	    {0, OPTION_NAME_SERVERS, 0, OPTION_SOLICIT_MOST},
	    {0, OPTION_NAME_SERVERS, 0, OPTION_REFRESH, 0, OPTION_INFORM_MOST}};
	const struct exchange *exchange = &exchanges[client->state];
	const bool informing = client->state == INFORMING;
	const bool ends = client->state == RELEASING || client->state == DECLINING;
	const uint8_t *address = address_meant(client);
	uint64_t elapsed = client->tries ? (now - client->began_at) / 10 : 0;
	uint32_t count = HEADER_BYTES;

	put32(at, (uint32_t)exchange->type << 24 | client->transaction);
	count = option_begin(at, count, OPTION_CLIENT, DUID_BYTES);
	identifier_write(client, at + count);
	count += DUID_BYTES;
	if (exchange->to_server) {
		count = option_begin(at, count, OPTION_SERVER, client->server.bytes);
		memcpy(at + count, client->server.identifier, client->server.bytes);
		count += client->server.bytes;
	}
	count = option_begin(at, count, OPTION_ELAPSED, 2);
	put16(at + count, elapsed > 0xffff ? 0xffff : (uint32_t)elapsed);
	count += 2;
	if (!ends && client->state != CONFIRMING) {
		uint32_t bytes = informing ? 6 : 4;

		count = option_begin(at, count, OPTION_WANTED, bytes);
		memcpy(at + count, wanted[informing], bytes);
		count += bytes;
	}
	if (informing)
		return count;
	count = option_begin(at, count, OPTION_IA_NA, IA_BYTES + (address ? 4 + ADDRESS_BYTES : 0));
	memset(at + count, 0, IA_BYTES); /* no times: the server chooses (21.4) */
	put32(at + count, IDENTITY);
	count += IA_BYTES;
	if (address) {
		count = option_begin(at, count, OPTION_ADDRESS, ADDRESS_BYTES);
		memset(at + count, 0, ADDRESS_BYTES);
		memcpy(at + count, address, 16);
		count += ADDRESS_BYTES;
	}
	return count;
}

/* A bucket of messages (14.1), so that no server makes this client flood the link. */
static bool may_send(struct dhcp6 *client, uint64_t now)
{
	uint64_t more = (now - client->credit_at) / SECOND;

	if (more) {
		client->credit =
		    more >= CREDIT_MOST - client->credit ? CREDIT_MOST : client->credit + (uint32_t)more;
		client->credit_at = now;
	}
	if (!client->credit)
		return false;
	client->credit--;
	return true;
}

/* VALUE and up to a tenth of BASE more or, unless MORE, less. */
static uint32_t spread(struct dhcp6 *client, uint32_t value, uint32_t base, bool more)
{
	uint32_t part = client->random(client->context) % (base / 10 + 1);

	return more || client->random(client->context) & 1 ? value + part : value - part;
}

/* Sends the message of the exchange under way, and sets when to send it again (15). */
static void message_send(struct dhcp6 *client, uint64_t now)
{
	const struct exchange *exchange = &exchanges[client->state];
	uint32_t most = exchange->most;
	uint8_t message[DHCP6_SENT_MAX];

	if (!most)
		most = client->state == INFORMING ? client->inform_most : client->solicit_most;
	if (!client->tries)
		client->wait = spread(client, exchange->first, exchange->first, client->state == SOLICITING);
	else if (client->wait < most)
		client->wait = spread(client, client->wait * 2, client->wait, false);
	if (client->wait >= most)
		client->wait = spread(client, most, most, false);
	client->due_at = now + client->wait;
	if (client->state == RENEWING && client->due_at > client->rebind_at)
		client->due_at = client->rebind_at;
	if (client->state == CONFIRMING && client->due_at > client->began_at + CONFIRM_LASTS)
		client->due_at = client->began_at + CONFIRM_LASTS;
	if (may_send(client, now)) {
		uint32_t bytes = message_write(client, message, now);

		client->tries++;
		client->send(client->context, message, bytes);
	} else if (exchange->tries) {
		client->tries++; /* as if it was lost: the exchange ends all the same */
	}
}

/* A new exchange, whose first message is due in DELAY ms. */
static void exchange_begin(struct dhcp6 *client, enum state state, uint64_t now, uint32_t delay)
{
	client->state = state;
	client->tries = 0;
	client->transaction = client->random(client->context) & 0xffffff;
	client->began_at = client->due_at = now + delay;
	if (!delay)
		message_send(client, now);
}

/* From the beginning, as is wanted. */
static void begin(struct dhcp6 *client, uint64_t now)
{
	client->server.bytes = 0;
	client->state = OFF;
	client->due_at = DHCP6_NEVER;
	if (client->want != DHCP6_NOTHING)
		exchange_begin(client, client->want == DHCP6_ADDRESS ? SOLICITING : INFORMING, now,
		               1 + client->random(client->context) % SECOND);
}

static void lease_drop(struct dhcp6 *client)
{
	bool was = client->lease.bound || client->lease.name_server_count;

	memset(&client->lease, 0, sizeof(client->lease));
	if (was)
		client->changed(client->context);
}

/* ---- Time ---- */

static void expire(struct dhcp6 *client, uint64_t now)
{
	const uint32_t most = exchanges[client->state].tries;

	if (most && client->tries >= most) {
		begin(client, now); /* nobody answers: another server, or none */
		return;
	}
	switch (client->state) {
	case SOLICITING:
		if (client->server.bytes) /* the best of the first second's offers */
			exchange_begin(client, REQUESTING, now, 0);
		else
			message_send(client, now);
		break;
	case CONFIRMING:
		if (now < client->began_at + CONFIRM_LASTS) {
			message_send(client, now);
			break;
		}
		client->state = BOUND; /* nobody says no: it is used on (18.2.3) */
		client->due_at = client->renew_at;
		break;
	case BOUND:
		exchange_begin(client, now < client->rebind_at ? RENEWING : REBINDING, now, 0);
		break;
	case RENEWING:
		if (now >= client->rebind_at)
			exchange_begin(client, REBINDING, now, 0);
		else
			message_send(client, now);
		break;
	case INFORMED:
		exchange_begin(client, INFORMING, now, 0);
		break;
	case OFF:
		client->due_at = DHCP6_NEVER;
		break;
	default:
		message_send(client, now);
		break;
	}
}

uint64_t dhcp6_due(const struct dhcp6 *client)
{
	const uint64_t end = client->lease.bound ? client->lease.valid_until : DHCP6_NEVER;

	return client->due_at < end ? client->due_at : end;
}

uint64_t dhcp6_advance(struct dhcp6 *client, uint64_t now)
{
	if (client->lease.bound && now >= client->lease.valid_until) {
		lease_drop(client);
		begin(client, now);
	}
	if (now >= client->due_at)
		expire(client, now);
	return dhcp6_due(client);
}

/* ---- Answers ---- */

struct answer {
	const uint8_t *server; /* its identifier; 0: not there */
	uint32_t server_bytes;
	bool ours, has_identity, has_address;
	uint8_t preference;
	uint16_t status, identity_status;
	uint32_t renew, rebind, preferred, valid; /* seconds */
	uint8_t address[16];
	bool has_refresh;
	uint32_t refresh, solicit_most, inform_most; /* seconds; 0: not said */
	uint32_t name_server_count;
	uint8_t name_servers[DHCP6_NAME_SERVERS][16];
};

/* Whether a host may have ADDRESS, and whether a name server may: that can be on the link alone. */
static bool address_good(const uint8_t *address, bool link_local)
{
	static const uint8_t nothing[8];

	return memcmp(address, nothing, 8) != 0 && address[0] != 0xff &&
	       (link_local || address[0] != 0xfe || (address[1] & 0xc0) != 0x80);
}

/* The next option of [*AT, + *COUNT): its data and bytes, *AT behind it. 0: they are at an end, or (*GOOD false)
 * malformed. */
static const uint8_t *option_next(const uint8_t **at, uint32_t *count, uint16_t *option, uint32_t *bytes,
                                  bool *good)
{
	const uint8_t *data = *at + 4;

	*good = *count == 0;
	if (*count < 4 || *count - 4 < get16(*at + 2))
		return NULL;
	*good = true;
	*option = get16(*at);
	*bytes = get16(*at + 2);
	*at += 4 + *bytes;
	*count -= 4 + *bytes;
	return data;
}

/* The status in the options at AT; false: they are malformed. */
static bool status_read(const uint8_t *at, uint32_t count, uint16_t *status)
{
	const uint8_t *data;
	uint32_t bytes;
	uint16_t option;
	bool good;

	while ((data = option_next(&at, &count, &option, &bytes, &good)))
		if (option == OPTION_STATUS && bytes >= 2)
			*status = get16(data);
	return good;
}

/* The identity association at AT, COUNT bytes; the first good address is taken. */
static bool identity_read(const uint8_t *at, uint32_t count, struct answer *answer)
{
	const uint8_t *data;
	uint32_t bytes, renew, rebind;
	uint16_t option;
	bool good;

	if (count < IA_BYTES)
		return false;
	if (get32(at) != IDENTITY || answer->has_identity)
		return true;
	renew = get32(at + 4);
	rebind = get32(at + 8);
	if (renew > rebind && rebind)
		return true; /* 21.4: as if it was not there */
	answer->has_identity = true;
	answer->renew = renew;
	answer->rebind = rebind;
	at += IA_BYTES;
	count -= IA_BYTES;
	while ((data = option_next(&at, &count, &option, &bytes, &good))) {
		uint16_t status = STATUS_SUCCESS;

		if (option == OPTION_STATUS && bytes >= 2)
			answer->identity_status = get16(data);
		if (option != OPTION_ADDRESS)
			continue;
		if (bytes < ADDRESS_BYTES ||
		    !status_read(data + ADDRESS_BYTES, bytes - ADDRESS_BYTES, &status))
			return false;
		if (answer->has_address || status || !address_good(data, false) ||
		    get32(data + 16) > get32(data + 20)) /* 21.6 */
			continue;
		answer->has_address = true;
		memcpy(answer->address, data, 16);
		answer->preferred = get32(data + 16);
		answer->valid = get32(data + 20);
	}
	return good;
}

static void option_read(const struct dhcp6 *client, uint16_t option, const uint8_t *data, uint32_t bytes,
                        struct answer *answer)
{
	uint8_t identifier[DUID_BYTES];

	identifier_write(client, identifier);
	if (option == OPTION_CLIENT) {
		answer->ours = bytes == DUID_BYTES && memcmp(data, identifier, DUID_BYTES) == 0;
	} else if (option == OPTION_SERVER && bytes && bytes <= DHCP6_DUID_MAX) {
		answer->server = data;
		answer->server_bytes = bytes;
	} else if (option == OPTION_PREFERENCE && bytes == 1) {
		answer->preference = data[0];
	} else if (option == OPTION_STATUS && bytes >= 2) {
		answer->status = get16(data);
	} else if (option == OPTION_REFRESH && bytes == 4) {
		answer->has_refresh = true;
		answer->refresh = get32(data);
	} else if (option == OPTION_SOLICIT_MOST && bytes == 4) {
		answer->solicit_most = get32(data);
	} else if (option == OPTION_INFORM_MOST && bytes == 4) {
		answer->inform_most = get32(data);
	} else if (option == OPTION_NAME_SERVERS) {
		for (; bytes >= 16; data += 16, bytes -= 16)
			if (answer->name_server_count < DHCP6_NAME_SERVERS && address_good(data, true))
				memcpy(answer->name_servers[answer->name_server_count++], data, 16);
	}
}

/* False: it is malformed, not for this client, or does not say from whom (16). */
static bool answer_read(const struct dhcp6 *client, const uint8_t *at, uint32_t count, struct answer *answer)
{
	const uint8_t *data;
	uint32_t bytes;
	uint16_t option;
	bool good;

	memset(answer, 0, sizeof(*answer));
	while ((data = option_next(&at, &count, &option, &bytes, &good)))
		if (option != OPTION_IA_NA)
			option_read(client, option, data, bytes, answer);
		else if (!identity_read(data, bytes, answer))
			return false;
	return good && answer->ours && answer->server;
}

static bool most_good(uint32_t seconds)
{
	return seconds >= MOST_LEAST && seconds <= MOST_GREATEST;
}

static uint64_t until(uint64_t now, uint32_t seconds)
{
	return seconds == FOREVER ? DHCP6_NEVER : now + (uint64_t)seconds * SECOND;
}

static void server_take(struct dhcp6 *client, const struct answer *answer)
{
	client->server.bytes = answer->server_bytes;
	memcpy(client->server.identifier, answer->server, answer->server_bytes);
}

static void name_servers_take(struct dhcp6 *client, const struct answer *answer)
{
	client->lease.name_server_count = answer->name_server_count;
	memcpy(client->lease.name_servers, answer->name_servers, sizeof(client->lease.name_servers));
}

static void lease_take(struct dhcp6 *client, const struct answer *answer, uint64_t now)
{
	uint32_t renew = answer->renew, rebind = answer->rebind;

	if (!renew) /* the client's choice, as the server's is advised to be (21.4) */
		renew = answer->preferred == FOREVER ? FOREVER : answer->preferred / 2;
	if (!rebind)
		rebind = answer->preferred == FOREVER ? FOREVER : answer->preferred / 5 * 4;
	if (renew < RENEW_LEAST)
		renew = RENEW_LEAST;
	if (rebind < renew)
		rebind = renew;
	server_take(client, answer);
	name_servers_take(client, answer);
	client->lease.bound = true;
	memcpy(client->lease.address, answer->address, 16);
	client->lease.preferred_until = until(now, answer->preferred);
	client->lease.valid_until = until(now, answer->valid);
	client->renew_at = until(now, renew);
	client->rebind_at = until(now, rebind);
	client->state = BOUND;
	client->due_at = client->renew_at;
	client->changed(client->context);
}

static void advertised(struct dhcp6 *client, const struct answer *answer, uint64_t now)
{
	if (answer->status || answer->identity_status || !answer->has_address || !answer->valid)
		return;
	if (client->server.bytes && answer->preference <= client->preference)
		return;
	server_take(client, answer);
	client->preference = answer->preference;
	memcpy(client->offered, answer->address, 16);
	/* The first second is for others to offer more; later whoever comes first is taken (18.2.1, 18.2.9). */
	if (answer->preference == 255 || client->tries > 1)
		exchange_begin(client, REQUESTING, now, 0);
}

/* A reply about the address: to a request, a renewal, a rebinding. */
static void replied(struct dhcp6 *client, const struct answer *answer, uint64_t now)
{
	const uint16_t status = answer->status ? answer->status : answer->identity_status;

	if (client->state != REQUESTING && status == STATUS_NO_BINDING) {
		server_take(client, answer);
		memcpy(client->offered, client->lease.address, 16);
		exchange_begin(client, REQUESTING, now, 0);
	} else if (status == STATUS_NOT_ON_LINK || (client->state == REQUESTING && status)) {
		lease_drop(client);
		begin(client, now);
	} else if (!status && answer->has_identity && answer->has_address) {
		if (answer->valid) {
			lease_take(client, answer, now);
		} else { /* it is taken back */
			lease_drop(client);
			begin(client, now);
		}
	} /* else the exchange goes on */
}

static void informed(struct dhcp6 *client, const struct answer *answer, uint64_t now)
{
	uint32_t refresh = answer->has_refresh ? answer->refresh : REFRESH_SECONDS;

	if (refresh < REFRESH_LEAST)
		refresh = REFRESH_LEAST;
	name_servers_take(client, answer);
	client->state = INFORMED;
	client->due_at = until(now, refresh);
	client->changed(client->context);
}

void dhcp6_input(struct dhcp6 *client, const uint8_t *message, uint32_t bytes, uint64_t now)
{
	const struct exchange *exchange = &exchanges[client->state];
	struct answer answer;

	if (bytes < HEADER_BYTES || !exchange->type || !client->tries ||
	    (get32(message) & 0xffffff) != client->transaction ||
	    message[0] != (client->state == SOLICITING ? ADVERTISE : REPLY) ||
	    !answer_read(client, message + HEADER_BYTES, bytes - HEADER_BYTES, &answer))
		return;
	if (exchange->to_server &&
	    (answer.server_bytes != client->server.bytes ||
	     memcmp(answer.server, client->server.identifier, answer.server_bytes) != 0))
		return;
	if (most_good(answer.solicit_most))
		client->solicit_most = answer.solicit_most * SECOND;
	if (most_good(answer.inform_most))
		client->inform_most = answer.inform_most * SECOND;
	switch (client->state) {
	case SOLICITING:
		advertised(client, &answer, now);
		break;
	case CONFIRMING:
		if (answer.status == STATUS_NOT_ON_LINK) {
			lease_drop(client);
			begin(client, now);
		} else if (!answer.status) {
			client->state = BOUND;
			client->due_at = client->renew_at;
		}
		break;
	case RELEASING:
	case DECLINING:
		begin(client, now);
		break;
	case INFORMING:
		if (!answer.status)
			informed(client, &answer, now);
		break;
	default:
		replied(client, &answer, now);
		break;
	}
}

/* ---- What its owner wishes ---- */

void dhcp6_init(struct dhcp6 *client, const uint8_t mac[6],
                void (*send)(void *context, const uint8_t *message, uint32_t bytes),
                uint32_t (*random)(void *context), void (*changed)(void *context), void *context)
{
	*client = (struct dhcp6){.send = send,
	                         .random = random,
	                         .changed = changed,
	                         .context = context,
	                         .due_at = DHCP6_NEVER,
	                         .solicit_most = MOST_DEFAULT,
	                         .inform_most = MOST_DEFAULT,
	                         .credit = CREDIT_MOST};
	memcpy(client->mac, mac, 6);
}

void dhcp6_want(struct dhcp6 *client, enum dhcp6_want want, uint64_t now)
{
	if (client->want == want)
		return;
	client->want = (uint8_t)want;
	if (client->lease.bound || client->state == RELEASING || client->state == DECLINING)
		return;
	if (want == DHCP6_NOTHING)
		lease_drop(client);
	begin(client, now);
}

void dhcp6_rejoin(struct dhcp6 *client, uint64_t now)
{
	if (client->lease.bound)
		exchange_begin(client, CONFIRMING, now, 1 + client->random(client->context) % SECOND);
	else
		begin(client, now);
}

void dhcp6_decline(struct dhcp6 *client, uint64_t now)
{
	if (!client->lease.bound)
		return;
	memcpy(client->offered, client->lease.address, 16);
	lease_drop(client);
	exchange_begin(client, DECLINING, now, 0);
}

void dhcp6_release(struct dhcp6 *client, uint64_t now)
{
	client->want = DHCP6_NOTHING;
	if (!client->lease.bound) {
		begin(client, now);
		return;
	}
	memcpy(client->offered, client->lease.address, 16);
	lease_drop(client);
	exchange_begin(client, RELEASING, now, 0);
}
