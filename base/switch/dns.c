/* See dns.h. */
#include "dns.h"

#include "packet.h"
#include "text.h"

#define LABEL_MAX   63u
#define JUMPS_MAX   16u
#define CLASS_IN    1u
#define TTL_LONG    86400u
#define OWN_TTL     60u
#define FLAG_ANSWER 0x8000u
#define FLAG_WISHED 0x0100u /* recursion desired */
#define FLAG_GIVEN  0x0080u

static char lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Reads the name at AT, as text into NAME (may be 0); returns where it ends, 0: malformed. */
static uint32_t read_name(const uint8_t *message, uint32_t bytes, uint32_t at, char *name)
{
	uint32_t end = 0, length = 0;

	for (unsigned jumps = 0; at < bytes;) {
		uint8_t label = message[at];

		if (label >> 6 == 3) { /* the rest is elsewhere, before here */
			uint32_t target =
			    at + 1 < bytes ? (uint32_t)(label & 63) << 8 | message[at + 1] : bytes;
			end = end ? end : at + 2;
			if (target >= at || ++jumps > JUMPS_MAX)
				return 0;
			at = target;
			continue;
		}
		if (label > LABEL_MAX || label >= bytes - at)
			return 0;
		at++;
		if (!label) {
			if (name)
				name[length] = 0;
			return end ? end : at;
		}
		if (length + label + 1 > DNS_NAME_MAX)
			return 0;
		if (name && length)
			name[length] = '.';
		length += length != 0;
		for (unsigned i = 0; name && i < label; i++)
			name[length + i] = lower(message[at + i]);
		length += label;
		at += label;
	}
	return 0;
}

bool dns_question(const uint8_t *message, uint32_t bytes, struct dns_question *question)
{
	uint32_t at;

	if (bytes < DNS_HEADER || get16(message + 4) != 1)
		return false;
	at = read_name(message, bytes, DNS_HEADER, question->name);
	if (!at || at > bytes - 4 || bytes < 4)
		return false;
	question->type = get16(message + at);
	question->class = get16(message + at + 2);
	question->end = at + 4;
	return true;
}

/* Of an address in a record of TYPE; 0: it holds none. */
static uint32_t address_bytes(uint16_t type)
{
	return type == DNS_A ? 4 : type == DNS_AAAA ? 16 : 0;
}

int dns_addresses(const uint8_t *message, uint32_t bytes, struct address *addresses, unsigned max,
                  uint32_t *ttl)
{
	struct dns_question question;
	unsigned count = 0;
	uint32_t at;

	*ttl = TTL_LONG;
	if (!dns_question(message, bytes, &question) || message[3] & 15 || !address_bytes(question.type))
		return -1;
	at = question.end;
	for (unsigned i = 0; i < get16(message + 6) && i < DNS_RECORDS && count < max; i++) {
		at = read_name(message, bytes, at, 0);
		if (!at || at > bytes || bytes - at < 10)
			return -1;
		uint32_t length = get16(message + at + 8), lives = get32(message + at + 4);
		if (length > bytes - at - 10)
			return -1;
		const uint8_t *data = message + at + 10;
		if (get16(message + at) == question.type && get16(message + at + 2) == CLASS_IN &&
		    length == address_bytes(question.type)) {
			addresses[count++] = length == 4 ? address4(get32(data)) : address_get(data);
			*ttl = lives < *ttl ? lives : *ttl;
		}
		at += 10 + length;
	}
	return (int)count;
}

uint32_t dns_ask(uint8_t *to, uint16_t id, const char *name, uint16_t type)
{
	uint32_t at = DNS_HEADER;

	memset(to, 0, DNS_HEADER);
	put16(to, id);
	put16(to + 2, FLAG_WISHED);
	put16(to + 4, 1);
	if (!*name || strnlen(name, DNS_NAME_MAX + 1) > DNS_NAME_MAX)
		return 0;
	while (*name) {
		uint32_t label = 0;
		while (name[label] && name[label] != '.')
			label++;
		if (!label || label > LABEL_MAX)
			return 0;
		to[at++] = (uint8_t)label;
		memcpy(to + at, name, label);
		at += label;
		name += label + (name[label] == '.');
	}
	to[at++] = 0;
	put16(to + at, type);
	put16(to + at + 2, CLASS_IN);
	return at + 4;
}

uint32_t dns_answer(uint8_t *message, uint32_t end, uint16_t type, const struct address *addresses,
                    unsigned count, unsigned error)
{
	uint32_t size = address_bytes(type);

	put16(message + 2, (uint16_t)(FLAG_ANSWER | (get16(message + 2) & FLAG_WISHED) | FLAG_GIVEN | error));
	put16(message + 4, 1);
	put16(message + 6, (uint16_t)count);
	memset(message + 8, 0, 4);
	for (unsigned i = 0; i < count; i++, end += 12 + size) {
		put16(message + end, 0xc000 | DNS_HEADER); /* the question's name */
		put16(message + end + 2, type);
		put16(message + end + 4, CLASS_IN);
		put32(message + end + 6, OWN_TTL);
		put16(message + end + 10, (uint16_t)size);
		if (size == 4)
			put32(message + end + 12, (uint32_t)addresses[i].low);
		else
			address_put(message + end + 12, addresses[i]);
	}
	return end;
}
