/* Network endpoints as people and manifests write them. */
#pragma once

#include <holon/switch.h>
#include <stdbool.h>
#include <stddef.h>

/* [tcp:|udp:]HOST:PORT, COUNT bytes at TEXT, as the switch takes it; an IPv6 address stands in brackets. False: it is
 * none. */
bool endpoint_parse(struct switch_allowed *allowed, const char *text, size_t count);
