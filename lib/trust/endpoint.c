/* See endpoint.h. */
#include "endpoint.h"
#include <string.h>

bool endpoint_parse(struct switch_allowed *allowed, const char *text, size_t count)
{
	const char *colon = NULL, *end;
	uint32_t port = 0;
	bool bracket;

	memset(allowed, 0, sizeof(*allowed));
	if (count > 4 && (memcmp(text, "tcp:", 4) == 0 || memcmp(text, "udp:", 4) == 0)) {
		allowed->protocol = text[0] == 't' ? 6 : 17;
		text += 4;
		count -= 4;
	}
	bracket = count && text[0] == '['; /* an IPv6 address, whose colons are its own */
	text += bracket;
	count -= bracket;
	end = memchr(text, bracket ? ']' : ':', count);
	colon = end ? end + bracket : NULL;
	if (!colon || end == text || colon + 1 >= text + count || *colon != ':' ||
	    (size_t)(end - text) >= sizeof(allowed->host) ||
	    (bracket && strspn(text, "0123456789abcdefABCDEF:.") != (size_t)(end - text)))
		return false;
	for (const char *digit = colon + 1; digit < text + count; digit++) {
		if (*digit < '0' || *digit > '9')
			return false;
		port = port * 10 + (uint32_t)(*digit - '0');
		if (port > 65535)
			return false;
	}
	memcpy(allowed->host, text, (size_t)(end - text));
	allowed->port = (uint16_t)port;
	return port != 0;
}
