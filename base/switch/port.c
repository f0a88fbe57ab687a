/* Links of sub-kernels; see switch.h. Their memory is foreign: it may change, or go, at any time. */
#include "switch.h"

#include "link.interface.h"
#include "text_inline.h"

static uint64_t memory_bytes(handle_t memory)
{
	struct memory_info info;

	return memory_info(switch_state.page, memory, &info) >= 0 ? info.bytes : 0;
}

static int64_t serve_describe(void *context, uint64_t badge, const void **data, uint32_t *bytes)
{
	static struct link_description description;
	const struct core_link *link = &switch_state.core.links[(struct port *)context - switch_state.ports];

	(void)badge;
	description = (struct link_description){.mtu = switch_state.core.mtu ? switch_state.core.mtu : 1500};
	bridge_station(link, description.mac);
	text_copy(description.name, sizeof(description.name), link->name);
	*data = &description;
	*bytes = sizeof(description);
	return E_OK;
}

void port_close(unsigned index)
{
	struct port *port = &switch_state.ports[index];

	if (!port->opened)
		return;
	foreign_unmap(&port->rings);
	foreign_unmap(&port->data);
	cap_delete(port->rings_memory);
	cap_delete(port->data_memory);
	cap_delete(port->arrived);
	struct link_counters counters = port->counters;
	*port = (struct port){.counters = counters};
	while (switch_state.ports_end && !switch_state.ports[switch_state.ports_end - 1].opened)
		switch_state.ports_end--;
}

static bool map(struct port *port, uint32_t entries)
{
	uint64_t ring_bytes = memory_bytes(port->rings_memory), data_bytes = memory_bytes(port->data_memory);

	if (data_bytes > LINK_BUFFERS_MAX * LINK_BUFFER_BYTES)
		data_bytes = LINK_BUFFERS_MAX * LINK_BUFFER_BYTES;
	return entries && entries <= LINK_ENTRIES_MAX && ring_bytes >= LINK_RINGS_BYTES(entries) &&
	       data_bytes && foreign_map(&port->rings, port->rings_memory, LINK_RINGS_BYTES(entries)) &&
	       foreign_map(&port->data, port->data_memory, data_bytes) &&
	       link_server_attach(&port->server, (struct link_rings *)port->rings.at, port->rings.bytes,
	                          data_bytes, entries);
}

static int64_t serve_open(void *context, uint64_t badge, handle_t rings, handle_t data, handle_t arrived,
                          uint32_t entries, uint64_t *number, uint64_t *bits, handle_t *sent)
{
	struct port *port = context;
	unsigned index = (unsigned)(port - switch_state.ports);
	bool signal = false;

	(void)badge;
	port_close(index);
	*bits = 1ull << (BIT_LINKS + index % LINK_BITS);
	int64_t event = cap_copy(switch_state.event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, *bits);
	if (event < 0)
		return event;
	port->rings_memory = rings;
	port->data_memory = data;
	if (!map(port, entries)) {
		foreign_unmap(&port->rings);
		foreign_unmap(&port->data);
		cap_delete((handle_t)event);
		return E_ARGUMENT;
	}
	port->arrived = arrived;
	port->opened = *number = ++switch_state.last_opened;
	if (switch_state.ports_end <= index)
		switch_state.ports_end = index + 1;
	*sent = (handle_t)event;
	link_server_state(&port->server, LINK_STATE_UP, &signal);
	return E_OK;
}

static int64_t serve_close(void *context, uint64_t badge, uint64_t number)
{
	struct port *port = context;

	(void)badge;
	if (!port->opened || port->opened != number)
		return E_NOT_FOUND;
	port_close((unsigned)(port - switch_state.ports));
	return E_OK;
}

static int64_t serve_check(void *context, uint64_t badge, uint64_t number)
{
	const struct port *port = context;

	(void)badge;
	return port->opened && port->opened == number ? E_OK : E_NOT_FOUND;
}

static int64_t serve_counters(void *context, uint64_t badge, const void **data, uint32_t *bytes)
{
	static struct link_counters counters;
	const struct port *port = context;

	(void)badge;
	counters = port->counters;
	counters.refused += switch_state.core.links[port - switch_state.ports].refused;
	*data = &counters;
	*bytes = sizeof(counters);
	return E_OK;
}

static int64_t gone(void)
{
	return E_NOT_FOUND;
}

void port_message(uint64_t number, struct message *message)
{
	static const struct link_operations operations = {.describe = serve_describe,
	                                                  .open = serve_open,
	                                                  .close = serve_close,
	                                                  .check = serve_check,
	                                                  .counters = serve_counters};
	int index = core_link_find(&switch_state.core, number);

	if (index >= 0) {
		link_serve(&operations, &switch_state.ports[index], message, switch_state.page);
		return;
	}
	for (unsigned i = 0; i < INFO_CAPS(message->info) && i < MESSAGE_CAPS_MAX; i++)
		if (switch_state.page->caps[i])
			cap_delete(switch_state.page->caps[i]);
	message->words[0] = (uint64_t)gone();
	message->info = 0;
}

/* The next frame; entries of it are counted in *ENTRIES. False: there is none, or it is not whole yet. */
static bool next_frame(struct port *port, struct frame *frame, uint32_t *entries, bool *sound)
{
	struct link_entry entry;

	frame->count = frame->total = 0;
	*sound = true;
	while (link_server_take(&port->server, &entry)) {
		++*entries;
		*sound = *sound && entry.bytes && !entry.segment_bytes && !(entry.flags & ~LINK_MORE);
		if (frame->count == LINK_PIECES_MAX)
			*sound = false;
		else
			frame->pieces[frame->count++] =
			    (struct piece){port->data.at + entry.offset, entry.bytes};
		frame->total += entry.bytes;
		if (!(entry.flags & LINK_MORE))
			return true;
		if (*entries >= LINK_ENTRIES_MAX)
			break;
	}
	return false;
}

bool port_take(unsigned index)
{
	struct port *port = &switch_state.ports[index];
	struct frame frame;
	uint32_t entries = 0, frames = 0;
	bool sound;

	if (!port->opened || port->rings.lost || port->data.lost)
		return false;
	while (frames < FRAMES_TURN && entries < LINK_ENTRIES_MAX &&
	       next_frame(port, &frame, &entries, &sound)) {
		frames++;
		if (!sound || frame.total > switch_state.core.mtu + ETHERNET_BYTES ||
		    frame.total < LINK_FRAME_MIN) {
			port->counters.refused++;
			continue;
		}
		port->counters.sent_frames++;
		port->counters.sent_bytes += frame.total;
		frame_forward(index, &frame);
	}
	link_server_done(&port->server, entries, &port->signal);
	return frames;
}

void port_put(unsigned index, const uint8_t *head, uint32_t held, const struct frame *rest)
{
	struct port *port = &switch_state.ports[index];
	uint32_t total = rest ? rest->total : held, buffer;

	if (!port->opened || port->rings.lost || port->data.lost)
		return;
	if (total > LINK_BUFFER_BYTES || !link_server_empty(&port->server, &buffer)) {
		port->counters.dropped++;
		link_server_dropped(&port->server);
		return;
	}
	struct link_entry entry = {.offset = buffer * LINK_BUFFER_BYTES, .bytes = (uint16_t)total};
	uint8_t *to = port->data.at + entry.offset;

	memcpy(to, head, held);
	if (total > held)
		frame_copy(rest, held, to + held, total - held);
	link_server_put(&port->server, &entry, &port->signal);
	port->counters.arrived_frames++;
	port->counters.arrived_bytes += total;
}

void ports_signal(void)
{
	for (unsigned i = 0; i < switch_state.ports_end; i++) {
		struct port *port = &switch_state.ports[i];
		if (port->signal && port->opened)
			event_signal(port->arrived, 1);
		port->signal = false;
	}
}

void ports_sweep(void)
{
	for (unsigned i = 0; i < SWITCH_LINKS_MAX; i++) {
		struct port *port = &switch_state.ports[i];
		if (port->opened && (port->rings.lost || port->data.lost ||
		                     !memory_bytes(port->rings_memory) || !memory_bytes(port->data_memory)))
			port_close(i);
	}
}
