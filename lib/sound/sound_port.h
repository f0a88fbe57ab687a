/* The side of a sound card's driver that the mixer sees: abi/sound.interface. The card goes round the client's samples itself, which are
 * never mapped here. A client that died is noticed when it can be signalled no more: its direction is stopped. A card that stands
 * still is a reason to begin anew. Native, on lib/driver.
 */
#pragma once

#include "driver/driver.h"
#include "foreign.h"
#include "position.h"

#include <holon/sound.h>

#define SOUND_PAGES (SOUND_RING_BYTES / DRIVER_PAGE)

struct sound_port_direction {
	bool open, running;
	struct foreign head;
	handle_t head_memory, samples_memory, moved;
	uint64_t addresses[SOUND_PAGES]; /* for the card: of each page */
	uint64_t mapping[1];
	struct sound_position position;
	uint64_t looked; /* the position, at the last look, which then goes on within STANDS_NS */
	uint64_t look_at;
};

struct sound_port {
	struct driver *driver;
	struct sound_description description;
	struct sound_port_direction directions[SOUND_DIRECTIONS];
	/* The card begins DIRECTION at its first page, or stands still when this returns. */
	void (*start)(enum sound_direction direction);
	void (*stop)(enum sound_direction direction);
	/* Where the card is: bytes from the ring's beginning. */
	uint32_t (*place)(enum sound_direction direction);
};

/* DRIVER, DESCRIPTION and the functions of PORT are set, the rest is zero. */
void sound_port_announce(struct sound_port *port);
void sound_port_message(struct sound_port *port, struct message *message);
/* After interrupts, and at DRIVER_TIMER_BIT: looks where the card is, and tells the client. */
void sound_port_look(struct sound_port *port);
