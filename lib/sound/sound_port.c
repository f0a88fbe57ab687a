/* See sound_port.h. */
#include "sound_port.h"

#include <holon/device.h>
#include <text.h>
#include "host.interface.h"
#include "sound.interface.h"

#define CALL_NS   10000000000ull
#define LOOK_NS   500000000ull
#define STANDS_NS 5000000000ull /* a card that does not move so long has failed */

static void direction_stop(struct sound_port *port, enum sound_direction direction)
{
	struct sound_port_direction *at = &port->directions[direction];

	if (at->running)
		port->stop(direction);
	at->running = false;
}

static void direction_close(struct sound_port *port, enum sound_direction direction)
{
	struct sound_port_direction *at = &port->directions[direction];

	if (!at->open)
		return;
	direction_stop(port, direction);
	driver_unmap(port->driver, SOUND_PAGES, at->mapping);
	foreign_unmap(&at->head);
	cap_delete(at->head_memory);
	cap_delete(at->samples_memory);
	cap_delete(at->moved);
	*at = (struct sound_port_direction){0};
}

static bool known(const struct sound_port *port, uint32_t direction)
{
	return direction < SOUND_DIRECTIONS && port->description.directions >> direction & 1;
}

static int64_t serve_describe(void *context, uint64_t badge, const void **description, uint32_t *bytes)
{
	const struct sound_port *port = context;

	(void)badge;
	*description = &port->description;
	*bytes = sizeof(port->description);
	return E_OK;
}

static int64_t serve_open(void *context, uint64_t badge, uint32_t direction, handle_t head, handle_t samples,
                          handle_t moved)
{
	struct sound_port *port = context;

	(void)badge;
	if (!known(port, direction))
		return E_NOT_FOUND;
	struct sound_port_direction *at = &port->directions[direction];
	if (driver_memory_bytes(port->driver, head) < DRIVER_PAGE ||
	    driver_memory_bytes(port->driver, samples) < SOUND_RING_BYTES)
		return E_ARGUMENT;
	direction_close(port, direction);
	if (!foreign_map(&at->head, head, DRIVER_PAGE))
		return E_QUOTA_MEMORY;
	if (!driver_map(port->driver, samples, SOUND_PAGES, at->addresses, at->mapping)) {
		foreign_unmap(&at->head);
		return E_QUOTA_MEMORY;
	}
	at->open = true;
	at->head_memory = head;
	at->samples_memory = samples;
	at->moved = moved;
	return E_OK;
}

static int64_t serve_start(void *context, uint64_t badge, uint32_t direction)
{
	struct sound_port *port = context;

	(void)badge;
	if (!known(port, direction) || !port->directions[direction].open)
		return E_NOT_FOUND;
	struct sound_port_direction *at = &port->directions[direction];
	direction_stop(port, direction);
	((struct sound_head *)at->head.at)->position = 0;
	sound_position_start(&at->position, SOUND_RING_BYTES, SOUND_RATE * SOUND_FRAME_BYTES, clock_ns());
	at->looked = 0;
	at->look_at = clock_ns() + STANDS_NS;
	at->running = true;
	port->start(direction);
	event_timer(port->driver->event, clock_ns() + LOOK_NS, DRIVER_TIMER_BIT);
	return E_OK;
}

static int64_t serve_stop(void *context, uint64_t badge, uint32_t direction)
{
	struct sound_port *port = context;

	(void)badge;
	if (!known(port, direction) || !port->directions[direction].open)
		return E_NOT_FOUND;
	direction_stop(port, direction);
	return E_OK;
}

static int64_t serve_check(void *context, uint64_t badge, uint32_t direction)
{
	const struct sound_port *port = context;

	(void)badge;
	return known(port, direction) && port->directions[direction].open ? E_OK : E_NOT_FOUND;
}

void sound_port_message(struct sound_port *port, struct message *message)
{
	static const struct sound_operations operations = {.describe = serve_describe,
	                                                   .open = serve_open,
	                                                   .start = serve_start,
	                                                   .stop = serve_stop,
	                                                   .check = serve_check};

	sound_serve(&operations, port, message, port->driver->page);
}

void sound_port_announce(struct sound_port *port)
{
	if (host_announce(port->driver->host, port->driver->page, DEVICE_SOUND, 0, "", clock_ns() + CALL_NS) <
	    0)
		DRIVER_LOG(port->driver, "%s could not be announced\n", port->description.name);
}

static void direction_look(struct sound_port *port, enum sound_direction direction, uint64_t now)
{
	struct sound_port_direction *at = &port->directions[direction];
	struct sound_head *head = (struct sound_head *)at->head.at;

	if (sound_position_take(&at->position, port->place(direction) & ~(SOUND_FRAME_BYTES - 1), now)) {
		head->position = at->position.total;
		head->jumps = at->position.jumps;
		if (event_signal(at->moved, 1ull << direction) < 0 ||
		    at->head.lost) { /* nobody is there any more */
			direction_close(port, direction);
			return;
		}
	}
	if (now < at->look_at)
		return;
	if (at->position.total == at->looked)
		driver_fail(port->driver, "the card stands still");
	at->looked = at->position.total;
	at->look_at = now + STANDS_NS;
}

void sound_port_look(struct sound_port *port)
{
	uint64_t now = clock_ns();
	bool running = false;

	for (unsigned i = 0; i < SOUND_DIRECTIONS; i++) {
		if (port->directions[i].running)
			direction_look(port, i, now);
		running |= port->directions[i].running;
	}
	if (running)
		event_timer(port->driver->event, now + LOOK_NS, DRIVER_TIMER_BIT);
}
