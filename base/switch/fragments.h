/* Fragments, passed on as they come: the first part of a packet, which holds its inner header, is judged as a packet
 * would be, and what was decided stands for the other parts. They are not put together here.
 *
 * Nothing that leaves can be read otherwise by who puts it together: a part that overlaps another, or lies behind the
 * last, ends the packet (RFC 5722), and so the header that was judged is the one that counts. Parts that come before
 * the first wait for it (RFC 4787, REQ-14). Each link has places of its own for both, as has the outside; the oldest
 * gives way, so that nobody takes another's. Portable. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <holon/switch.h>
#include "packet.h"

#define FRAGMENTS_LINK    4u /* packets under way, of a link */
#define FRAGMENTS_OUTSIDE 64u
#define FRAGMENTS_MAX     (SWITCH_LINKS_MAX * FRAGMENTS_LINK + FRAGMENTS_OUTSIDE)
#define EARLY_LINK        2u /* parts that wait for the first one */
#define EARLY_OUTSIDE     16u
#define EARLY_MAX         (SWITCH_LINKS_MAX * EARLY_LINK + EARLY_OUTSIDE)
#define EARLY_BYTES       1600u
#define FRAGMENTS_LIVE    30u               /* seconds */
#define FRAGMENT_UNITS    (65536u / 8 / 64) /* of 8 bytes, a bit each */

/* Whose part it is. */
struct fragment_key {
	struct address source, destination;
	uint32_t id;
	uint8_t protocol; /* IPv4 alone has it in each part */
};

struct fragmented {
	bool used;
	struct fragment_key key;
	uint8_t to;            /* the port it goes to */
	struct address inside; /* its destination there */
	uint32_t id;           /* there */
	uint32_t begun_at;
	uint32_t units; /* that have come; behind the last part all have */
	uint64_t have[FRAGMENT_UNITS];
	bool dead; /* parts overlapped: the others go nowhere */
};

struct early_fragment {
	uint32_t bytes; /* 0: free */
	struct fragment_key key;
	uint32_t came_at;
	uint8_t frame[EARLY_BYTES];
};

struct fragments {
	struct fragmented packets[FRAGMENTS_MAX];
	struct early_fragment early[EARLY_MAX];
};

struct core;
/* What is decided of a first part: where it goes, or CORE_NOWHERE; HEAD is changed. */
typedef int fragment_judge(struct core *core, unsigned port, uint8_t *head, struct packet *packet);

/* Where a part from PORT goes, with HEAD changed as by JUDGE. FETCH as of core_frame. */
int fragment_way(struct core *core, unsigned port, uint8_t *head, uint32_t held, uint32_t total,
                 struct packet *packet, fragment_judge *judge,
                 void (*fetch)(void *source, uint32_t offset, uint8_t *to, uint32_t count), void *source);
/* A link has ended: nothing is under way from or to it. */
void fragments_forget(struct core *core, unsigned port);
