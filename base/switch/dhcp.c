/* See dhcp.h. */
#include "dhcp.h"

#include "packet.h"
#include "text.h"

#define FIXED_BYTES 240u
#define COOKIE      0x63825363u
#define BROADCAST   0x8000u
enum option {
	PAD = 0,
	MASK = 1,
	ROUTER = 3,
	NAME_SERVER = 6,
	MTU = 26,
	WANTED = 50,
	LEASE = 51,
	TYPE = 53,
	SERVER = 54,
	PARAMETERS = 55,
	RENEW = 58,
	END = 255
};

static void read_option(struct dhcp_message *message, uint8_t code, const uint8_t *data, uint32_t length)
{
	switch (code) {
	case TYPE:
		message->type = length == 1 ? data[0] : 0;
		break;
	case MTU:
		message->mtu = length == 2 ? get16(data) : 0;
		break;
	case NAME_SERVER:
		for (unsigned i = 0; i < DHCP_SERVERS && (i + 1) * 4 <= length; i++)
			message->name_servers[i] = get32(data + i * 4);
		break;
	default:
		if (length < 4)
			break;
		if (code == MASK)
			message->mask = get32(data);
		else if (code == ROUTER)
			message->router = get32(data);
		else if (code == WANTED)
			message->wanted = get32(data);
		else if (code == LEASE)
			message->lease = get32(data);
		else if (code == SERVER)
			message->server = get32(data);
		else if (code == RENEW)
			message->renew = get32(data);
	}
}

bool dhcp_read(const uint8_t *bytes, uint32_t count, struct dhcp_message *message)
{
	if (count < FIXED_BYTES || bytes[1] != 1 || bytes[2] != 6 || get32(bytes + 236) != COOKIE)
		return false;
	*message = (struct dhcp_message){.operation = bytes[0],
	                                 .transaction = get32(bytes + 4),
	                                 .broadcast = get16(bytes + 10) & BROADCAST,
	                                 .given = get32(bytes + (bytes[0] == 1 ? 12 : 16))};
	memcpy(message->hardware, bytes + 28, 6);
	for (uint32_t at = FIXED_BYTES; at < count && bytes[at] != END;) {
		if (bytes[at] == PAD) {
			at++;
			continue;
		}
		if (count - at < 2 || bytes[at + 1] > count - at - 2)
			return false;
		read_option(message, bytes[at], bytes + at + 2, bytes[at + 1]);
		at += 2u + bytes[at + 1];
	}
	return message->type != 0;
}

static void put_option(uint8_t *to, uint32_t *at, uint8_t code, uint32_t value)
{
	if (!value)
		return;
	to[*at] = code;
	to[*at + 1] = 4;
	put32(to + *at + 2, value);
	*at += 6;
}

uint32_t dhcp_write(uint8_t *to, const struct dhcp_message *message)
{
	static const uint8_t parameters[] = {PARAMETERS, 5, MASK, ROUTER, NAME_SERVER, MTU, LEASE};
	uint32_t at = FIXED_BYTES;

	memset(to, 0, DHCP_BYTES_MAX);
	to[0] = message->operation;
	to[1] = 1;
	to[2] = 6;
	put32(to + 4, message->transaction);
	put16(to + 10, message->broadcast ? BROADCAST : 0);
	put32(to + (message->operation == 1 ? 12 : 16), message->given);
	memcpy(to + 28, message->hardware, 6);
	put32(to + 236, COOKIE);
	to[at++] = TYPE;
	to[at++] = 1;
	to[at++] = message->type;
	put_option(to, &at, WANTED, message->wanted);
	put_option(to, &at, SERVER, message->server);
	put_option(to, &at, MASK, message->mask);
	put_option(to, &at, ROUTER, message->router);
	put_option(to, &at, LEASE, message->lease);
	put_option(to, &at, NAME_SERVER, message->name_servers[0]);
	if (message->mtu) {
		to[at++] = MTU;
		to[at++] = 2;
		put16(to + at, message->mtu);
		at += 2;
	}
	if (message->operation == 1) {
		memcpy(to + at, parameters, sizeof(parameters));
		at += sizeof(parameters);
	}
	to[at++] = END;
	return at < 300 ? 300 : at; /* some servers and clients expect the size of BOOTP */
}
