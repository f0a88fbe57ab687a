/* The sub-kernel's link to the network, where it was granted one (the capability "link"): a client of
 * abi/link.interface below the stack's link "eth0".
 *
 * Buffers lie in one memory object: the first half is posted for frames that arrive, which the stack keeps
 * without copying and gives back; the other half carries frames out. A worker opens the link, asks once a
 * second whether it is still there, and opens it again after a restart of the switch; everything else happens
 * under stack_lock, in whoever calls the stack.
 */
#include "../mm/area.h"
#include "link.h"
#include <link.interface.h>
#include <link/link_ring.h>

#define ENTRIES      512u /* of each ring */
#define BUFFERS_HALF 512u /* each way: 1 MiB */
#define CALL_NS      (2 * NS_PER_SECOND)
#define RETRY_NS     (NS_PER_SECOND / 4)
#define CHECK_NS     NS_PER_SECOND
#define FRAME_MAX    (LINK_PACKET_MAX + LINK_FRAME_MIN)

static struct {
	handle_t channel;
	struct net_link *net;
	bool open; /* rings are there */
	struct link_client client;
	struct link_rings *rings;
	uint8_t *data;
	handle_t rings_memory, data_memory, sent;
	uint64_t sent_bits, number;
	bool signal;             /* the server wants to be told */
	bool held[BUFFERS_HALF]; /* the stack has it */
	uint32_t held_count;
	uint16_t free[BUFFERS_HALF]; /* outgoing buffers that nobody uses, */
	uint32_t free_count;         /* as a stack */
	uint16_t under_way[ENTRIES]; /* and those the server has, oldest first */
	uint32_t under_way_first, under_way_count;
	uint8_t *whole; /* a frame in several entries is put together here */
	uint32_t whole_bytes;
	bool whole_bad;
	uint32_t mtu, features;
	struct net_lease lease;
	struct wait_queue configured; /* guarded by stack_lock */
} link;

/* ---- Frames in and out: stack_lock is held ---- */

/* Posts BUFFER, whose frame nobody needs any more. */
static void post(uint32_t buffer)
{
	if (link.open)
		(void)link_client_post(&link.client, buffer, &link.signal);
}

static void release(void *context, void *frame)
{
	uint32_t buffer = (uint32_t)((uint64_t)((uint8_t *)frame - link.data) / LINK_BUFFER_BYTES);
	(void)context;
	link.held[buffer] = false;
	link.held_count--;
	post(buffer);
}

static void reclaim(void)
{
	uint32_t done = link_client_done(&link.client);
	for (; done && link.under_way_count; done--, link.under_way_count--) {
		link.free[link.free_count++] = link.under_way[link.under_way_first];
		link.under_way_first = (link.under_way_first + 1) % ENTRIES;
	}
}

static bool transmit(void *context, const struct net_piece *pieces, unsigned count,
                     const struct net_offload *offload)
{
	struct link_entry entries[LINK_PIECES_MAX];
	uint32_t used = 0, room = 0;
	uint64_t total = 0;
	uint8_t *to = 0;
	(void)context;
	for (unsigned i = 0; i < count; i++)
		total += pieces[i].count;
	reclaim();
	uint64_t need = (total + LINK_BUFFER_BYTES - 1) / LINK_BUFFER_BYTES;
	if (!link.open || offload || need > link.free_count || need > LINK_PIECES_MAX ||
	    need > link_client_room(&link.client, false))
		return false;
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *from = pieces[i].bytes;
		for (size_t left = pieces[i].count; left;) {
			if (!room) {
				uint32_t buffer = link.free[link.free_count - 1 - used];
				entries[used++] = (struct link_entry){.offset = buffer * LINK_BUFFER_BYTES,
				                                      .flags = LINK_MORE};
				to = link.data + (uint64_t)buffer * LINK_BUFFER_BYTES;
				room = LINK_BUFFER_BYTES;
			}
			uint32_t part = left < room ? (uint32_t)left : room;
			memcpy(to, from, part);
			entries[used - 1].bytes = (uint16_t)(entries[used - 1].bytes + part);
			to += part;
			from += part;
			left -= part;
			room -= part;
		}
	}
	entries[used - 1].flags = 0;
	if (!link_client_send(&link.client, entries, used, &link.signal))
		return false;
	for (uint32_t i = 0; i < used; i++, link.under_way_count++)
		link.under_way[(link.under_way_first + link.under_way_count) % ENTRIES] =
		    link.free[--link.free_count];
	return true;
}

/* One piece of a frame in several entries. */
static void arrived_piece(const struct link_entry *entry, unsigned flags)
{
	if (link.whole_bytes + entry->bytes > FRAME_MAX)
		link.whole_bad = true;
	if (!link.whole_bad) {
		memcpy(link.whole + link.whole_bytes, link.data + entry->offset, entry->bytes);
		link.whole_bytes += entry->bytes;
	}
	if (entry->flags & LINK_MORE)
		return;
	if (!link.whole_bad)
		net_input_as(link.net, link.whole, link.whole_bytes, flags | NET_INPUT_COPY);
	link.whole_bytes = 0;
	link.whole_bad = false;
}

static void arrived(const struct link_entry *entry)
{
	uint32_t buffer = entry->offset / LINK_BUFFER_BYTES;
	uint8_t *frame = link.data + entry->offset;
	/* Once half of the buffers wait in sockets for their readers, frames are copied, so that slow readers do
	 * not take the link from the others. */
	unsigned flags = (entry->flags & (LINK_SUM | LINK_SUMMED) ? NET_INPUT_CHECKED : 0u) |
	                 (link.held_count >= BUFFERS_HALF / 2 ? NET_INPUT_COPY : 0u);
	if ((entry->flags & LINK_MORE) || link.whole_bytes || link.whole_bad) {
		arrived_piece(entry, flags);
		post(buffer);
	} else if (flags & NET_INPUT_COPY) {
		net_input_as(link.net, frame, entry->bytes, flags);
		post(buffer);
	} else {
		link.held[buffer] = true;
		link.held_count++;
		net_input_as(link.net, frame, entry->bytes, flags);
	}
}

bool link_run(void)
{
	struct link_entry entry;
	unsigned left = ENTRIES;
	if (!link.open)
		return false;
	reclaim();
	struct net *net = net_namespace_first.stack;
	net_train_begin(net);
	for (; left && link_client_arrived(&link.client, &entry, 0); left--)
		arrived(&entry);
	net_train_end(net);
	return !left;
}

void link_flush(void)
{
	if (!link.signal)
		return;
	link.signal = false;
	event_signal(link.sent, link.sent_bits);
}

/* ---- Opening ---- */

static void forget_rings(void)
{
	link.open = false;
	if (link.sent)
		cap_delete(link.sent);
	link.sent = 0;
}

/* The two memory objects, with all their pages, mapped; once. */
static bool make_memory(void)
{
	const uint64_t rings_bytes = page_up(LINK_RINGS_BYTES(ENTRIES));
	const uint64_t data_bytes = 2ull * BUFFERS_HALF * LINK_BUFFER_BYTES;
	int64_t rings = memory_create(MEMORY_ANONYMOUS, rings_bytes, 0, 0);
	int64_t data = memory_create(MEMORY_ANONYMOUS, data_bytes, 0, 0);
	uint64_t at = rings < 0 || data < 0 ? 0 : window_take(rings_bytes + data_bytes, PAGE_SIZE_BYTES);
	link.whole = heap_allocate(FRAME_MAX);
	if (!at || !link.whole ||
	    space_map(machine.space, at, (handle_t)rings, 0, rings_bytes, MAP_READ | MAP_WRITE) < 0 ||
	    space_map(machine.space, at + rings_bytes, (handle_t)data, 0, data_bytes, MAP_READ | MAP_WRITE) <
	        0)
		return false;
	for (uint64_t page = at; page < at + rings_bytes + data_bytes; page += PAGE_SIZE_BYTES)
		if (probe_write(page))
			return false;
	link.rings = (struct link_rings *)at;
	link.data = (uint8_t *)at + rings_bytes;
	link.rings_memory = (handle_t)rings;
	link.data_memory = (handle_t)data;
	return true;
}

/* A link of the stack's from what the server says of it. */
static bool make_link(const struct link_description *said)
{
	struct net_link_config config = {.name = "eth0",
	                                 .kind = NET_LINK_ETHERNET,
	                                 .mtu = said->mtu < 576    ? 576
	                                        : said->mtu > 9000 ? 9000
	                                                           : said->mtu,
	                                 .transmit = transmit,
	                                 .release = release};
	memcpy(config.mac, said->mac, 6);
	link.net = net_link_add(stack_get(), &config);
	if (link.net)
		net_link_set_up(link.net, false);
	return link.net;
}

static void lease_changed(void *context, struct net_link *net, const struct net_lease *lease)
{
	(void)context;
	(void)net;
	link.lease = *lease;
	wake_all(&link.configured, 0);
}

/* Opens the link; the common lock is given up during calls. 0, or an error. */
static int64_t open_link(void)
{
	struct thread_page *page = current_page();
	struct link_description said;
	const void *description;
	uint32_t bytes;
	handle_t sent;
	enum common_mode mode = common_give();
	int64_t result = link_describe(link.channel, page, &description, &bytes, clock_monotonic() + CALL_NS);
	if (result >= 0 && bytes == sizeof(said))
		memcpy(&said, description, sizeof(said));
	common_take(mode);
	if (result < 0 || bytes != sizeof(said))
		return result < 0 ? result : E_ARGUMENT;
	stack_begin(&net_namespace_first);
	bool made = link.net || make_link(&said);
	/* The ring's positions begin at zero again; frames the stack holds stay its own until it releases
	 * them. */
	memset(link.rings, 0, sizeof(*link.rings));
	link_client_create(&link.client, link.rings, ENTRIES, 2 * BUFFERS_HALF);
	stack_end();
	if (!made)
		return E_QUOTA_MEMORY;
	const uint32_t memory = RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE;
	int64_t rings = cap_copy(link.rings_memory, memory, 0), data = cap_copy(link.data_memory, memory, 0);
	int64_t arrived = cap_copy((handle_t)stack_event(), RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, 0);
	result = rings < 0 ? rings : data < 0 ? data : arrived;
	if (result >= 0) {
		mode = common_give();
		result =
		    link_open(link.channel, page, (handle_t)rings, (handle_t)data, (handle_t)arrived, ENTRIES,
		              &link.number, &link.sent_bits, &sent, clock_monotonic() + CALL_NS);
		common_take(mode);
	}
	if (result < 0) {
		/* What was moved is gone already. */
		if (rings >= 0)
			cap_delete((handle_t)rings);
		if (data >= 0)
			cap_delete((handle_t)data);
		if (arrived >= 0)
			cap_delete((handle_t)arrived);
		return result;
	}
	stack_begin(&net_namespace_first);
	link.sent = sent;
	link.free_count = 0;
	link.under_way_count = link.under_way_first = 0;
	for (uint32_t i = 0; i < BUFFERS_HALF; i++) {
		link.free[link.free_count++] = (uint16_t)(BUFFERS_HALF + i);
		if (!link.held[i])
			(void)link_client_post(&link.client, i, &link.signal);
	}
	link.open = true;
	link.signal = true;
	net_link_set_up(link.net, true);
	(void)net_dhcp_start(link.net, lease_changed, 0);
	stack_end();
	return 0;
}

static void link_work(void *argument)
{
	bool told = false;
	(void)argument;
	if (!make_memory()) {
		linux_log("linux: there is no memory for the link: no network\n");
		for (;;)
			worker_wait(DEADLINE_NEVER);
	}
	for (;;) {
		int64_t result = link.open ? 0 : open_link();
		if (result < 0 && !told)
			linux_log("linux: the link cannot be opened: %s; trying on\n", error_text(result));
		told = result < 0;
		worker_wait(clock_monotonic() + (link.open ? CHECK_NS : RETRY_NS));
		if (!link.open)
			continue;
		enum common_mode mode = common_give();
		result = link_check(link.channel, current_page(), link.number, clock_monotonic() + CALL_NS);
		common_take(mode);
		if (result < 0 && result != E_TIMEOUT) {
			stack_begin(&net_namespace_first);
			net_link_set_up(link.net, false);
			forget_rings();
			stack_end();
		}
	}
}

bool link_granted(void)
{
	return start_find(linux_start_info(), "link", 0) != 0;
}

void link_start(void)
{
	link.channel = start_find(linux_start_info(), "link", 0);
	wait_queue_init(&link.configured);
	if (link.channel && (!stack_start(&net_namespace_first) || !worker_create("link", link_work, 0)))
		linux_log("linux: there is no memory for the network\n");
}

void link_wait_configured(uint64_t deadline)
{
	if (!link.channel)
		return;
	lock_acquire(&stack_lock);
	int result = wait_event_locked(&link.configured, &stack_lock, link.lease.length, deadline);
	lock_release(&stack_lock);
	if (result == -ETIMEDOUT)
		linux_log("linux: no answer to DHCP yet: the first program starts without an address\n");
}

unsigned link_lease(struct net_lease *lease, struct net_address six[NET_NAME_SERVERS_MAX])
{
	lock_acquire(&stack_lock);
	*lease = link.lease;
	unsigned count = link.net ? net_name_servers(link.net, six) : 0;
	lock_release(&stack_lock);
	return count;
}
