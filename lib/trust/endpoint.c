/* See endpoint.h. */
#include "endpoint.h"
#include <string.h>

bool endpoint_parse(struct switch_allowed *allowed, const char *text, size_t count)
{
	const char *colon = NULL;
	uint32_t port = 0;

	memset(allowed, 0, sizeof(*allowed));
	if (count > 4 && (memcmp(text, "tcp:", 4) == 0 || memcmp(text, "udp:", 4) == 0)) {
		allowed->protocol = text[0] == 't' ? 6 : 17;
		text += 4;
		count -= 4;
	}
	for (size_t index = 0; index < count && !colon; index++)
		if (text[index] == ':')
			colon = text + index;
	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(allowed->host) ||
	    colon + 1 == text + count)
		return false;
	for (const char *digit = colon + 1; digit < text + count; digit++) {
		if (*digit < '0' || *digit > '9')
			return false;
		port = port * 10 + (uint32_t)(*digit - '0');
		if (port > 65535)
			return false;
	}
	memcpy(allowed->host, text, (size_t)(colon - text));
	allowed->port = (uint16_t)port;
	return port != 0;
}
