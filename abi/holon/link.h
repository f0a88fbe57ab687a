/* The rings of a link (abi/link.interface): one memory object with three rings, and one with the buffers that
 * their entries point into. Both belong to the client.
 *
 *   sent     client to server: frames to transmit. The server advances SENT_DONE when it has done with them, in
 *            their order; then their buffers are the client's again.
 *   empty    client to server: buffers for frames that arrive, LINK_BUFFER_BYTES each, aligned to that.
 *   arrived  server to client: frames, in buffers that came through "empty", in any order. A buffer is the
 *            client's from then on; it may keep it as long as it likes and post it again.
 *
 * A position counts entries ever put or taken, modulo 2^32; the entry is at position & (entries - 1). Each
 * side owns its positions, reads the other's once per use and clamps what it reads, and copies an entry before
 * judging it, since the peer may rewrite it at any time. The bytes of a frame may change at any time too: who
 * judges a frame copies what it judges first.
 *
 * A side that puts an entry into a ring whose other entries had all been taken signals the peer's event. The client sets SENT_WANTED to be signalled, once, when SENT_DONE advances.
 */
#pragma once

#include <stdint.h>

#define LINK_RINGS_MAGIC  0x4b4e494cu
#define LINK_ENTRIES_MAX  1024u
#define LINK_BUFFERS_MAX  4096u
#define LINK_BUFFER_BYTES 2048u
#define LINK_FRAME_MIN    14u    /* bytes: an Ethernet header */
#define LINK_PACKET_MAX   65535u /* bytes of a frame to be cut into segments, without its Ethernet header */

struct link_entry {
	uint32_t offset;        /* of the bytes, in the data object */
	uint16_t bytes;         /* inside one buffer; not used in "empty" */
	uint16_t flags;         /* enum link_entry_flag */
	uint16_t segment_bytes; /* sent: TCP payload of each segment to cut the frame into; 0: as it is */
	uint16_t header_bytes;  /* where the TCP payload begins, when segment_bytes is not 0 */
	uint16_t sum_start;     /* LINK_SUM: where the bytes to be summed begin, */
	uint16_t sum_at;        /* and where in the frame the 16-bit sum is to be stored */
};

/* Offsets count from the frame's first byte. Only the first entry of a frame carries what is not MORE. */
enum link_entry_flag {
	LINK_MORE = 1, /* the frame goes on in the next entry; at most LINK_PIECES_MAX together */
	LINK_SUM =
	    2, /* sent: the checksum is to be finished (it holds that of the pseudo header); arrived: it
	                  is the peer's on this machine who left it so, and the bytes are as sent */
	LINK_SUMMED = 4, /* arrived: the server has checked the TCP or UDP checksum */
};
#define LINK_PIECES_MAX 64u

struct link_rings {
	uint32_t magic;
	uint32_t entries;
	uint32_t reserved0[14];
	volatile uint32_t sent_put; /* the client's */
	volatile uint32_t empty_put;
	volatile uint32_t arrived_taken;
	volatile uint32_t sent_wanted;
	uint32_t reserved1[12];
	volatile uint32_t sent_done; /* the server's */
	volatile uint32_t empty_taken;
	volatile uint32_t arrived_put;
	volatile uint32_t state;      /* enum link_state */
	volatile uint32_t dropped;    /* frames that arrived and found no buffer */
	volatile uint32_t sent_taken; /* looked at: what decides over signals */
	uint32_t reserved2[10];
	/* then ENTRIES struct link_entry for each: sent, empty, arrived */
};

enum link_state { LINK_STATE_UP = 1 /* there is a carrier; a change signals the client */ };

#define LINK_RINGS_BYTES(entries)                                                                            \
	(sizeof(struct link_rings) + 3 * (uint64_t)(entries) * sizeof(struct link_entry))

struct link_description {
	uint8_t mac[6];      /* a card's own; or the only sender address that the switch lets through */
	uint16_t mtu;        /* bytes of a frame without its Ethernet header: 576 to 9,000 */
	uint32_t flags;      /* enum link_feature */
	uint32_t speed_mbit; /* 0: unknown */
	char name[32];       /* NUL-ended, for people */
};

enum link_feature {
	LINK_HAS_SUM = 1,     /* entries may have LINK_SUM */
	LINK_HAS_SEGMENT = 2, /* entries may have segment_bytes, with LINK_SUM */
};

struct link_counters {
	uint64_t sent_frames, sent_bytes; /* by the client */
	uint64_t arrived_frames, arrived_bytes;
	uint64_t dropped;  /* arrived, and there was no room */
	uint64_t refused;  /* sent, and malformed or not allowed */
	uint64_t errors;   /* the device's */
	uint64_t restarts; /* of the device by its driver */
};

_Static_assert(sizeof(struct link_entry) == 16, "link_entry is fixed");
_Static_assert(sizeof(struct link_rings) == 192, "link_rings is fixed");
_Static_assert(sizeof(struct link_description) == 48, "link_description is fixed");
