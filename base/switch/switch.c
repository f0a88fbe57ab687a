/* See switch.h. */
#include "switch.h"

#include "generator.h"
#include "switch.interface.h"
#include "text_inline.h"

#define TICK_NS    1000000000ull
#define SEARCH_NS  50000000ull /* while there is no card */
#define ROUNDS_MAX 16u

struct switch_state switch_state;

/* Names of questions, ports, the tables' key. It does not wait for entropy: the network would stand still. */
static uint64_t random_number(void *context)
{
	static struct generator generator;
	static bool started;
	uint64_t value;

	(void)context;
	if (!started)
		generator_init(&generator, switch_state.info);
	started = true;
	(void)generator_ready(&generator, switch_state.page);
	generator_draw(&generator, &value, sizeof(value));
	return value;
}

/* ---- Frames ---- */

void frame_copy(const struct frame *frame, uint32_t offset, uint8_t *to, uint32_t count)
{
	for (uint32_t i = 0; i < frame->count && count; i++) {
		const struct piece *piece = &frame->pieces[i];
		uint32_t part;

		if (offset >= piece->bytes) {
			offset -= piece->bytes;
			continue;
		}
		part = piece->bytes - offset < count ? piece->bytes - offset : count;
		memcpy(to, piece->at + offset, part);
		to += part;
		count -= part;
		offset = 0;
	}
}

static void fetch(void *source, uint32_t offset, uint8_t *to, uint32_t count)
{
	frame_copy(source, offset, to, count);
}

static void put(unsigned port, const uint8_t *head, uint32_t held, const struct frame *rest)
{
	if (port == CORE_OUTSIDE)
		uplink_put(head, held, rest);
	else
		port_put(port, head, held, rest);
}

void frame_forward(unsigned port, const struct frame *frame)
{
	uint8_t head[CORE_HEAD];
	uint32_t held = frame->total < CORE_HEAD ? frame->total : CORE_HEAD;
	int to;

	frame_copy(frame, 0, head, held);
	to = core_frame(&switch_state.core, port, head, held, frame->total, fetch, (void *)(uintptr_t)frame);
	if (to != CORE_NOWHERE)
		put((unsigned)to, head, held, frame);
}

static void send_own(void *context, unsigned port, const uint8_t *frame, uint32_t bytes)
{
	(void)context;
	put(port, frame, bytes, 0);
}

static void work(uint64_t bits)
{
	bool more = true;

	for (unsigned round = 0; more && round < ROUNDS_MAX; round++) {
		more = uplink_take();
		for (unsigned i = 0; i < switch_state.ports_end; i++)
			if (switch_state.ports[i].opened)
				more |= port_take(i);
	}
	if (bits & BIT_DEVICES)
		uplink_tick();
	if (bits & BIT_TIMER) {
		core_tick(&switch_state.core, (uint32_t)(clock_ns() / TICK_NS) + 1);
		uplink_tick();
		ports_sweep();
		event_timer(switch_state.event, clock_ns() + (uplink_open() ? TICK_NS : SEARCH_NS),
		            BIT_TIMER);
	}
	uplink_signal();
	ports_signal();
	if (more)
		event_signal(switch_state.event, BIT_AGAIN);
}

/* ---- Who manages links ---- */

static int64_t make(uint64_t number, uint64_t parent, const char *name, const void *policy, uint32_t bytes)
{
	struct switch_policy copy;

	if (bytes != sizeof(copy))
		return E_ARGUMENT;
	memcpy(&copy, policy, sizeof(copy));
	int64_t index = core_link_make(&switch_state.core, number, parent, name, &copy);
	if (index >= 0)
		switch_state.ports[index].counters = (struct link_counters){0};
	return index;
}

static int64_t serve_create(void *context, uint64_t badge, uint64_t parent, const char *name,
                            const void *policy, uint32_t bytes, uint64_t *number, handle_t *link)
{
	int64_t index = make(0, parent, name, policy, bytes);

	(void)context;
	(void)badge;
	if (index < 0)
		return index;
	*number = switch_state.core.links[index].number;
	int64_t channel =
	    cap_copy(switch_state.channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, BADGE_LINK + *number);
	if (channel < 0) {
		core_link_end(&switch_state.core, *number);
		return channel;
	}
	*link = (handle_t)channel;
	return E_OK;
}

static int64_t serve_restore(void *context, uint64_t badge, uint64_t number, uint64_t parent,
                             const char *name, const void *policy, uint32_t bytes)
{
	(void)context;
	(void)badge;
	int64_t index = number ? make(number, parent, name, policy, bytes) : E_ARGUMENT;
	return index < 0 ? index : E_OK;
}

static int64_t serve_destroy(void *context, uint64_t badge, uint64_t number)
{
	int64_t result = core_link_end(&switch_state.core, number);

	(void)context;
	(void)badge;
	for (unsigned i = 0; i < SWITCH_LINKS_MAX; i++)
		if (!switch_state.core.links[i].number)
			port_close(i);
	uplink_signal(); /* resets */
	return result;
}

static int64_t serve_forward(void *context, uint64_t badge, uint64_t number, uint32_t protocol,
                             uint32_t outer, uint32_t inner)
{
	(void)context;
	(void)badge;
	if (protocol > UINT8_MAX || outer > UINT16_MAX || inner > UINT16_MAX)
		return E_ARGUMENT;
	return core_forward(&switch_state.core, number, (uint8_t)protocol, (uint16_t)outer, (uint16_t)inner);
}

static int64_t serve_connect(void *context, uint64_t badge, uint64_t number, uint64_t other, uint32_t port,
                             const char *service)
{
	(void)context;
	(void)badge;
	return port > UINT16_MAX ? E_ARGUMENT
	                         : core_connect(&switch_state.core, number, other, (uint16_t)port, service);
}

static int64_t serve_list(void *context, uint64_t badge, uint32_t index, const void **data, uint32_t *bytes)
{
	static struct switch_link_info info;

	(void)context;
	(void)badge;
	for (unsigned i = 0; i < SWITCH_LINKS_MAX; i++) {
		const struct core_link *link = &switch_state.core.links[i];
		const struct port *port = &switch_state.ports[i];
		if (!link->number || index--)
			continue;
		info = (struct switch_link_info){.number = link->number,
		                                 .parent = link->parent,
		                                 .mode = link->policy.mode,
		                                 .open = port->opened != 0,
		                                 .counters = port->counters};
		info.counters.refused += link->refused;
		text_copy(info.name, sizeof(info.name), link->name);
		memcpy(info.mac, link->peer_mac, 6);
		if (link->policy.mode != SWITCH_BRIDGE)
			put32(info.address, core_link_address(link));
		*data = &info;
		*bytes = sizeof(info);
		return E_OK;
	}
	return E_NOT_FOUND;
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct switch_operations operations = {.create = serve_create,
	                                                    .restore = serve_restore,
	                                                    .destroy = serve_destroy,
	                                                    .forward = serve_forward,
	                                                    .connect = serve_connect,
	                                                    .list = serve_list};
	struct message message = {0};

	switch_state.info = info;
	switch_state.page = page;
	switch_state.log = start_find(info, "log", 0);
	switch_state.channel = start_find(info, "switch", 0);
	switch_state.devices = start_find(info, "device", 0);
	int64_t event = event_create();
	if (event < 0 || event_bind((handle_t)event, info->thread) < 0)
		return 1;
	switch_state.event = (handle_t)event;
	foreign_init(info->space, page);
	switch_state.core.send = send_own;
	switch_state.core.random = random_number;
	switch_state.core.mtu = 1500;
	core_init(&switch_state.core);
	event_timer(switch_state.event, clock_ns() + SEARCH_NS, BIT_TIMER);
	int64_t result = channel_receive(switch_state.channel, &message, DEADLINE_NEVER);
	while (result >= 0) {
		if (message.info & INFO_EVENT) {
			work(message.words[0]);
			result = channel_receive(switch_state.channel, &message, DEADLINE_NEVER);
			continue;
		}
		if (message.badge >= BADGE_LINK)
			port_message(message.badge - BADGE_LINK, &message);
		else
			switch_serve(&operations, 0, &message, page);
		result = channel_reply_receive(switch_state.channel, &message, DEADLINE_NEVER);
	}
	LOG("%s\n", error_text(result));
	return 1;
}
