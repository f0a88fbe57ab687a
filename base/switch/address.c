/* Addresses in digits; see packet.h. */
#include "packet.h"

#define GROUPS 8u

/* The address of IPv4 at TEXT, which ends it. */
static bool parse4(const char *text, uint32_t *address)
{
	unsigned parts = 0;

	*address = 0;
	while (*text >= '0' && *text <= '9') {
		uint32_t part = 0;
		for (unsigned digits = 0; *text >= '0' && *text <= '9'; digits++) {
			if (digits == 3)
				return false;
			part = part * 10 + (uint32_t)(*text++ - '0');
		}
		if (part > 255)
			return false;
		*address = *address << 8 | part;
		parts++;
		if (*text != '.' || parts == 4)
			break;
		text++;
	}
	return parts == 4 && !*text;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

/* Groups up to the end of the text or a "::", whose place is in *GAP. */
static bool parse_groups(const char *text, uint16_t groups[GROUPS], unsigned *count, unsigned *gap)
{
	if (text[0] == ':' && *++text != ':') /* one alone at the beginning */
		return false;
	while (*text) {
		uint32_t group = 0, last;
		unsigned digits = 0;

		if (*text == ':') {
			if (*gap <= GROUPS)
				return false;
			*gap = *count;
			text++;
			continue;
		}
		if (*count == GROUPS)
			return false;
		if (*count + 2 <= GROUPS && parse4(text, &last)) {
			groups[(*count)++] = (uint16_t)(last >> 16);
			groups[(*count)++] = (uint16_t)last;
			return true;
		}
		for (; hex_digit(*text) >= 0; text++, digits++) {
			if (digits == 4)
				return false;
			group = group << 4 | (uint32_t)hex_digit(*text);
		}
		if (!digits || (*text && *text != ':') || (*text && !text[1]))
			return false;
		groups[(*count)++] = (uint16_t)group;
		text += *text == ':';
	}
	return true;
}

bool address_parse(const char *text, struct address *address)
{
	uint16_t groups[GROUPS] = {0}, whole[GROUPS] = {0};
	unsigned count = 0, gap = GROUPS + 1;
	uint32_t four;

	if (parse4(text, &four)) {
		*address = address4(four);
		return true;
	}
	if (!parse_groups(text, groups, &count, &gap) || (gap > GROUPS ? count != GROUPS : count >= GROUPS))
		return false;
	for (unsigned i = 0; i < count; i++)
		whole[i < gap ? i : GROUPS - count + i] = groups[i];
	*address = (struct address){0};
	for (unsigned i = 0; i < GROUPS / 2; i++) {
		address->high = address->high << 16 | whole[i];
		address->low = address->low << 16 | whole[GROUPS / 2 + i];
	}
	return true;
}
