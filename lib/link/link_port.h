/* The side of a network card's driver that its client sees: abi/link.interface with its rings. One client at a
 * time, the switch. Native, on lib/driver: the card reads and writes the client's buffers itself, so that they
 * are never mapped here; buffers are two to a page, so that each is contiguous for the card.
 */
#pragma once

#include "driver/driver.h"
#include "foreign.h"
#include "link_ring.h"

#define LINK_DATA_PAGES (LINK_BUFFERS_MAX * LINK_BUFFER_BYTES / DRIVER_PAGE)

struct link_port {
	struct driver *driver;
	struct link_description description;
	struct link_counters counters;
	uint64_t opened; /* 0: there is no client */
	uint64_t last_opened;
	handle_t rings_memory, data_memory, arrived;
	uint64_t bits;
	struct foreign rings;
	struct link_server server;
	uint64_t data_pages;
	uint64_t addresses[LINK_DATA_PAGES];
	uint64_t mappings[LINK_DATA_PAGES / DRIVER_MAP_PAGES];
	bool up, signal;
	/* The driver stops the card's use of all buffers; when it returns none is touched any more. */
	void (*stop)(void *context);
	/* There is a client: the driver starts taking from the rings. */
	void (*start)(void *context);
	void *context;
};

/* The rest of PORT is zero. DESCRIPTION is what the client is told; NAME the card's for devmgr. */
void link_port_init(struct link_port *port, struct driver *driver, const struct link_description *description,
                    void (*start)(void *context), void (*stop)(void *context), void *context);
void link_port_announce(struct link_port *port, const char *name);
void link_port_message(struct link_port *port, struct message *message);
/* The carrier. */
void link_port_set_up(struct link_port *port, bool up);
static inline bool link_port_open(const struct link_port *port)
{
	return port->opened && !port->rings.lost;
}
/* Where BYTES at OFFSET of the data are for the card. */
static inline uint64_t link_port_address(const struct link_port *port, uint32_t offset)
{
	return port->addresses[offset / DRIVER_PAGE] + offset % DRIVER_PAGE;
}
/* A frame that the client sends. */
struct link_frame {
	uint32_t entries; /* taken: link_server_done gives back as many, in the frames' order */
	uint32_t count;   /* of its pieces; 0: it is refused */
	struct link_entry pieces[LINK_PIECES_MAX];
};
/* Takes the client's next frame and counts it. False: there is none. Pieces that are not refused lie inside one buffer each. */
bool link_port_take(struct link_port *port, struct link_frame *frame);
/* Gives the ENTRIES of a refused frame back: with those of the newest frame under way, whose number *NEWEST is (0: there is
 * none), so that all go back in their order. */
void link_port_refuse(struct link_port *port, uint32_t entries, uint16_t *newest);
/* After a batch: tells the client, if it is to be told. And looks, at DRIVER_TIMER_BIT, whether it lives. */
void link_port_finish(struct link_port *port, uint64_t bits);
