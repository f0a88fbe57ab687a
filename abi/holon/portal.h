/* Portals: calls of a child that a guest program of the parent answers (HOLON_PORTAL_* of guest_calls.h). What travels is the
 * message of an interface of abi/, here abi/file.interface, without its capabilities: those are the personality's, which gives
 * and takes them itself. */
#pragma once

#include <stdint.h>

#define PORTAL_BYTES_MAX  3584u
#define PORTAL_BUFFER_MAX (1u << 20)

struct portal_message {
	uint64_t words[8];
	uint64_t info; /* how many of BYTES count, and how many capabilities came: INFO_MAKE of syscall.h */
	uint64_t badge;
	uint8_t bytes[PORTAL_BYTES_MAX];
};
_Static_assert(sizeof(struct portal_message) == 80 + PORTAL_BYTES_MAX, "portal_message is fixed");
