/* The way outside: the first network card that devmgr has a driver for. The switch is the driver's client; it
 * looks for the driver again when it was restarted. */
#include "switch.h"

#include "device.interface.h"
#include "link.interface.h"
#include "holon/device.h"
#include "text_inline.h"

#define ENTRIES    512u
#define BUFFERS    512u /* each way: 1 MiB */
#define CALL_NS    2000000000ull
#define DEVICES_AT 64u

static struct {
	handle_t channel; /* 0: there is no card (yet) */
	bool open, watching;
	uint64_t number, sent_bits;
	handle_t sent, rings_memory, data_memory;
	struct link_rings *rings;
	uint8_t *data;
	struct link_client client;
	uint16_t free[BUFFERS]; /* to send from, */
	uint32_t free_count;
	uint16_t under_way[ENTRIES]; /* and with the driver, oldest first */
	uint32_t first, count;
	bool signal;
} uplink;

static uint64_t deadline(void)
{
	return clock_ns() + CALL_NS;
}

static bool find_card(void)
{
	struct device_info info;

	for (uint32_t i = 0; i < DEVICES_AT; i++) {
		const void *data;
		uint32_t bytes;
		uint64_t changes;

		if (device_list(switch_state.devices, switch_state.page, i, &changes, &data, &bytes,
		                deadline()) < 0)
			return false;
		if (bytes != sizeof(info))
			continue;
		memcpy(&info, data, sizeof(info));
		if (info.kind == DEVICE_LINK)
			return device_open(switch_state.devices, switch_state.page, info.name,
			                   &uplink.channel, deadline()) >= 0;
	}
	return false;
}

static handle_t copy_of(handle_t handle, uint32_t rights, uint64_t badge)
{
	int64_t copy = cap_copy(handle, rights | RIGHT_COPY | RIGHT_MOVE, badge);

	return copy < 0 ? 0 : (handle_t)copy;
}

/* Asks devmgr to tell of changes; again whenever a card was lost, since devmgr may be another. */
static void watch(void)
{
	handle_t event = copy_of(switch_state.event, RIGHT_SIGNAL, BIT_DEVICES);

	uplink.watching = event && device_watch(switch_state.devices, switch_state.page, event, BIT_DEVICES,
	                                        0, deadline()) >= 0;
	if (event && !uplink.watching)
		cap_delete(event);
}

static bool make_memory(void)
{
	if (!uplink.rings)
		uplink.rings = window_allocate(LINK_RINGS_BYTES(ENTRIES), &uplink.rings_memory);
	if (!uplink.data)
		uplink.data = window_allocate(2ull * BUFFERS * LINK_BUFFER_BYTES, &uplink.data_memory);
	return uplink.rings && uplink.data;
}

static int64_t open_rings(void)
{
	const uint32_t memory = RIGHT_READ | RIGHT_WRITE;

	memset(uplink.rings, 0, LINK_RINGS_BYTES(ENTRIES));
	link_client_create(&uplink.client, uplink.rings, ENTRIES, 2 * BUFFERS);
	handle_t rings = copy_of(uplink.rings_memory, memory, 0);
	handle_t data = copy_of(uplink.data_memory, memory, 0);
	handle_t arrived = copy_of(switch_state.event, RIGHT_SIGNAL, BIT_UPLINK);
	int64_t result = rings && data && arrived
	                     ? link_open(uplink.channel, switch_state.page, rings, data, arrived, ENTRIES,
	                                 &uplink.number, &uplink.sent_bits, &uplink.sent, deadline())
	                     : E_QUOTA_CAPS;
	if (result < 0) { /* what went over is gone already */
		cap_delete(rings);
		cap_delete(data);
		cap_delete(arrived);
		return result;
	}
	uplink.free_count = uplink.first = uplink.count = 0;
	for (uint32_t i = 0; i < BUFFERS; i++) {
		uplink.free[uplink.free_count++] = (uint16_t)(BUFFERS + i);
		link_client_post(&uplink.client, i, &uplink.signal);
	}
	uplink.open = true;
	uplink.signal = true;
	return E_OK;
}

static void card_lost(void)
{
	if (uplink.sent)
		cap_delete(uplink.sent);
	if (uplink.channel)
		cap_delete(uplink.channel);
	uplink.sent = uplink.channel = 0;
	uplink.open = uplink.watching = false;
}

static void open_card(void)
{
	struct link_description description;
	const void *data;
	uint32_t bytes;

	if (!uplink.watching)
		watch();
	if (!make_memory() || (!uplink.channel && !find_card()))
		return;
	if (link_describe(uplink.channel, switch_state.page, &data, &bytes, deadline()) < 0 ||
	    bytes != sizeof(description)) {
		card_lost();
		return;
	}
	memcpy(&description, data, sizeof(description));
	if (description.mtu < 576 || description.mtu > LINK_BUFFER_BYTES - ETHERNET_BYTES - 4)
		description.mtu = 1500;
	if (open_rings() < 0) {
		card_lost();
		return;
	}
	core_outside(&switch_state.core, true, description.mac, description.mtu);
}

bool uplink_open(void)
{
	return uplink.open;
}

void uplink_tick(void)
{
	if (uplink.open) {
		int64_t result = link_check(uplink.channel, switch_state.page, uplink.number, deadline());
		if (result < 0 && result != E_TIMEOUT) {
			LOG("the card's driver was restarted or has gone\n");
			card_lost();
		}
	}
	if (!uplink.open && switch_state.devices)
		open_card();
}

bool uplink_take(void)
{
	struct link_entry entry;
	unsigned frames = 0;

	if (!uplink.open)
		return false;
	while (frames < FRAMES_TURN && link_client_arrived(&uplink.client, &entry, 0)) {
		struct frame frame; /* not zeroed as a whole, for each: it is a kilobyte */
		frame.count = 1;
		frame.total = entry.bytes;
		frame.pieces[0] = (struct piece){uplink.data + entry.offset, entry.bytes};
		frames++;
		if (entry.bytes >= LINK_FRAME_MIN && !(entry.flags & LINK_MORE))
			frame_forward(CORE_OUTSIDE, &frame);
		link_client_post(&uplink.client, entry.offset / LINK_BUFFER_BYTES, &uplink.signal);
	}
	return frames;
}

void uplink_put(const uint8_t *head, uint32_t held, const struct frame *rest)
{
	uint32_t total = rest ? rest->total : held;

	if (!uplink.open)
		return;
	for (uint32_t done = link_client_done(&uplink.client); done && uplink.count; done--, uplink.count--) {
		uplink.free[uplink.free_count++] = uplink.under_way[uplink.first];
		uplink.first = (uplink.first + 1) % ENTRIES;
	}
	if (total > LINK_BUFFER_BYTES || !uplink.free_count || !link_client_room(&uplink.client, false))
		return; /* a full ring drops */
	uint16_t buffer = uplink.free[--uplink.free_count];
	struct link_entry entry = {.offset = (uint32_t)buffer * LINK_BUFFER_BYTES, .bytes = (uint16_t)total};

	memcpy(uplink.data + entry.offset, head, held);
	if (total > held)
		frame_copy(rest, held, uplink.data + entry.offset + held, total - held);
	link_client_send(&uplink.client, &entry, 1, &uplink.signal);
	uplink.under_way[(uplink.first + uplink.count++) % ENTRIES] = buffer;
}

void uplink_signal(void)
{
	if (uplink.signal && uplink.open)
		event_signal(uplink.sent, uplink.sent_bits);
	uplink.signal = false;
}
