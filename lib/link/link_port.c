/* See link_port.h. */
#include "link_port.h"

#include "host.interface.h"
#include "link.interface.h"

#define CALL_NS  10000000000ull
#define SWEEP_NS 2000000000ull

void link_port_init(struct link_port *port, struct driver *driver, const struct link_description *description,
                    void (*start)(void *context), void (*stop)(void *context), void *context)
{
	port->driver = driver;
	port->description = *description;
	port->start = start;
	port->stop = stop;
	port->context = context;
}

void link_port_announce(struct link_port *port, const char *name)
{
	if (host_announce(port->driver->host, port->driver->page, DEVICE_LINK, 0, name,
	                  clock_ns() + CALL_NS) < 0)
		DRIVER_LOG(port->driver, "link: the card could not be announced\n");
}

static int64_t serve_describe(void *context, uint64_t badge, const void **data, uint32_t *bytes)
{
	struct link_port *port = context;

	(void)badge;
	*data = &port->description;
	*bytes = sizeof(port->description);
	return E_OK;
}

static void client_end(struct link_port *port)
{
	if (!port->opened)
		return;
	port->stop(port->context);
	port->opened = 0;
	driver_unmap(port->driver, port->data_pages, port->mappings);
	foreign_unmap(&port->rings);
	cap_delete(port->rings_memory);
	cap_delete(port->data_memory);
	cap_delete(port->arrived);
	driver_client_ended(port->driver, port->bits);
}

static int64_t client_map(struct link_port *port, uint32_t entries)
{
	struct driver *driver = port->driver;
	uint64_t data_bytes = driver_memory_bytes(driver, port->data_memory);

	if (!entries || entries > LINK_ENTRIES_MAX || !data_bytes ||
	    driver_memory_bytes(driver, port->rings_memory) < LINK_RINGS_BYTES(entries))
		return E_ARGUMENT;
	port->data_pages = data_bytes / DRIVER_PAGE;
	if (port->data_pages > LINK_DATA_PAGES)
		port->data_pages = LINK_DATA_PAGES;
	if (!foreign_map(&port->rings, port->rings_memory, LINK_RINGS_BYTES(entries)))
		return E_QUOTA_MEMORY;
	if (!link_server_attach(&port->server, (struct link_rings *)port->rings.at, port->rings.bytes,
	                        port->data_pages * DRIVER_PAGE, entries) ||
	    !driver_map(driver, port->data_memory, port->data_pages, port->addresses, port->mappings)) {
		foreign_unmap(&port->rings);
		return E_ARGUMENT;
	}
	return E_OK;
}

static int64_t serve_open(void *context, uint64_t badge, handle_t rings, handle_t data, handle_t arrived,
                          uint32_t entries, uint64_t *number, uint64_t *bits, handle_t *sent)
{
	struct link_port *port = context;

	(void)badge;
	client_end(port);
	handle_t signal = driver_client_signal(port->driver, port->driver->event, &port->bits);
	if (!signal)
		return E_BUSY;
	port->rings_memory = rings;
	port->data_memory = data;
	int64_t result = client_map(port, entries);
	if (result < 0) {
		cap_delete(signal);
		driver_client_ended(port->driver, port->bits);
		return result;
	}
	port->arrived = arrived;
	port->opened = *number = ++port->last_opened;
	*bits = port->bits;
	*sent = signal;
	link_server_state(&port->server, port->up ? LINK_STATE_UP : 0, &port->signal);
	event_timer(port->driver->event, clock_ns() + SWEEP_NS, DRIVER_TIMER_BIT);
	port->start(port->context);
	return E_OK;
}

static int64_t serve_close(void *context, uint64_t badge, uint64_t number)
{
	struct link_port *port = context;

	(void)badge;
	if (!port->opened || port->opened != number)
		return E_NOT_FOUND;
	client_end(port);
	return E_OK;
}

static int64_t serve_check(void *context, uint64_t badge, uint64_t number)
{
	const struct link_port *port = context;

	(void)badge;
	return port->opened && port->opened == number ? E_OK : E_NOT_FOUND;
}

static int64_t serve_counters(void *context, uint64_t badge, const void **data, uint32_t *bytes)
{
	struct link_port *port = context;

	(void)badge;
	*data = &port->counters;
	*bytes = sizeof(port->counters);
	return E_OK;
}

void link_port_message(struct link_port *port, struct message *message)
{
	static const struct link_operations operations = {.describe = serve_describe,
	                                                  .open = serve_open,
	                                                  .close = serve_close,
	                                                  .check = serve_check,
	                                                  .counters = serve_counters};
	link_serve(&operations, port, message, port->driver->page);
}

void link_port_set_up(struct link_port *port, bool up)
{
	port->up = up;
	if (port->opened)
		link_server_state(&port->server, up ? LINK_STATE_UP : 0, &port->signal);
}

bool link_port_take(struct link_port *port, struct link_frame *frame)
{
	struct link_entry entry;
	uint32_t bytes = 0;
	bool sound = true;

	frame->entries = frame->count = 0;
	do {
		if (!link_server_take(&port->server, &entry)) {
			sound = false;
			break;
		}
		bytes += entry.bytes;
		sound = sound && entry.bytes &&
		        entry.offset % LINK_BUFFER_BYTES + entry.bytes <= LINK_BUFFER_BYTES &&
		        !(entry.flags & ~LINK_MORE) && !entry.segment_bytes &&
		        frame->entries < LINK_PIECES_MAX;
		if (sound)
			frame->pieces[frame->entries] = entry;
		frame->entries++;
	} while (entry.flags & LINK_MORE && frame->entries < LINK_ENTRIES_MAX);
	if (!frame->entries)
		return false;
	if (sound && bytes >= LINK_FRAME_MIN && bytes <= port->description.mtu + LINK_FRAME_MIN + 4u) {
		frame->count = frame->entries;
		port->counters.sent_frames++;
		port->counters.sent_bytes += bytes;
	} else {
		port->counters.refused++;
	}
	return true;
}

void link_port_refuse(struct link_port *port, uint32_t entries, uint16_t *newest)
{
	if (newest)
		*newest = (uint16_t)(*newest + entries);
	else
		link_server_done(&port->server, entries, &port->signal);
}

void link_port_finish(struct link_port *port, uint64_t bits)
{
	if (port->signal && port->opened)
		event_signal(port->arrived, 1);
	port->signal = false;
	if (!(bits & DRIVER_TIMER_BIT) || !port->opened)
		return;
	if (port->rings.lost || !driver_memory_bytes(port->driver, port->rings_memory) ||
	    !driver_memory_bytes(port->driver, port->data_memory))
		client_end(port);
	else
		event_timer(port->driver->event, clock_ns() + SWEEP_NS, DRIVER_TIMER_BIT);
}
