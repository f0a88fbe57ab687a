/* The switch on the machine: what the core (core.h) decides, done with rings and signals.
 *
 *   switch.c    start, the loop, abi/switch.interface
 *   port.c      links of sub-kernels: abi/link.interface, their rings
 *   uplink.c    the card's driver, whose client the switch is
 *   core.c links.c fragments.c outside.c outside6.c outside6_lease.c inside.c inside6.c names.c flows.c dns.c dhcp.c packet.c address.c
 *               portable
 *
 * A frame is copied once, from the memory of one side to that of the other; its head is judged, and changed, in
 * between in the switch's own memory. One thread; nothing waits for a peer but the calls to the card's driver at
 * its start.
 */
#pragma once

#include <holon.h>
#include "core.h"
#include "foreign.h"
#include "link/link_ring.h"

#define BIT_UPLINK  1ull
#define BIT_AGAIN   (1ull << 1)
#define BIT_DEVICES (1ull << 62) /* devices have come or gone, or drivers started again */
#define BIT_TIMER   (1ull << 63)
#define BIT_LINKS   2u         /* the first of those that links signal, */
#define LINK_BITS   59u        /* which share them when there are more */
#define BADGE_LINK  (1u << 20) /* + number; below: who manages */
#define FRAMES_TURN 64u        /* of one port before the next one's */

struct piece {
	const uint8_t *at;
	uint32_t bytes;
};

/* A frame where it lies, in a peer's memory. */
struct frame {
	struct piece pieces[LINK_PIECES_MAX];
	uint32_t count, total;
};
/* Copies bytes [OFFSET, OFFSET + COUNT) of it. */
void frame_copy(const struct frame *frame, uint32_t offset, uint8_t *to, uint32_t count);

struct port {
	uint64_t opened; /* 0: not; names it for the client */
	handle_t rings_memory, data_memory, arrived;
	struct foreign rings, data;
	struct link_server server;
	bool signal;
	struct link_counters counters;
};

struct switch_state {
	const struct start_info *info;
	struct thread_page *page;
	handle_t log, channel, devices, event;
	struct core core;
	struct port ports[SWITCH_LINKS_MAX];
	unsigned ports_end; /* behind the last that is open */
	uint64_t last_opened;
};
extern struct switch_state switch_state __attribute__((visibility("hidden")));

#define LOG(...) log_print(switch_state.log, switch_state.page, __VA_ARGS__)

/* port.c */
void port_message(uint64_t number, struct message *message);
void port_close(unsigned index);
/* The frames that a link has sent, at most FRAMES_TURN; false: there were none. */
bool port_take(unsigned index);
/* HEAD, then the bytes of REST (may be 0) from HELD on. */
void port_put(unsigned index, const uint8_t *head, uint32_t held, const struct frame *rest);
void ports_signal(void);
void ports_sweep(void); /* ends those whose clients have died */

/* uplink.c */
void uplink_tick(void); /* looks for the card, or whether it is still there */
bool uplink_open(void);
bool uplink_take(void);
void uplink_put(const uint8_t *head, uint32_t held, const struct frame *rest);
void uplink_signal(void);

/* switch.c: where a frame from PORT goes. */
void frame_forward(unsigned port, const struct frame *frame);
