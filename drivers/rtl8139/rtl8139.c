/* The driver of Realtek's RTL8139C+ network card in its C+ mode: two rings of descriptors, no offloads. Source: RTL8139C+ data sheet,
 * revision 1.6, sections named below. Its registers are reached by I/O ports, since their memory is less than a page. The RTL8139 of
 * before, which knows no descriptors, is left alone.
 *
 * Buffers belong to the switch; the card writes frames into their beginning and is given the next one when it was taken. What the card
 * says is checked: lengths are clamped, and only descriptors that are under way are looked at, in their order.
 */
#include "link/link_port.h"

#include <text.h>

/* Section 5. */
enum reg {
	IDR = 0x00, /* the address, six bytes */
	MAR = 0x08, /* filter of multicast */
	TNPDS = 0x20,
	CR = 0x37,
	IMR = 0x3c,
	ISR = 0x3e,
	TCR = 0x40,
	RCR = 0x44,
	MSR = 0x58,
	TPPOLL = 0xd9,
	CPCR = 0xe0,
	RDSAR = 0xe4,
	REGISTERS = 0x100
};
#define CR_TRANSMIT (1u << 2)
#define CR_RECEIVE  (1u << 3)
#define CR_RESET    (1u << 4)
#define IRQS        (0x8000u | 0x7fu) /* system error; sent, received, errors, no descriptor, link, overflow */
#define TCR_BURST   (7u << 8)
#define TCR_GAP     (3u << 24)
#define RCR_ACCEPT                                                                                           \
	(1u | 2u | 4u |                                                                                      \
	 8u) /* all stations' (the switch's bridged links are some), this card's, multicast, broadcast */
#define RCR_BURST   (7u << 8 | 7u << 13) /* not limited; a frame is written when it is whole */
#define MSR_DOWN    (1u << 2)
#define POLL_NORMAL (1u << 6)
#define CPCR_MODE   (1u | 2u | 1u << 3 | 1u << 4) /* both rings, long cycles, addresses of 64 bits */
#define REVISION_CP 0x20u
#define CHECKSUM    4u /* a received frame's last bytes */

/* Section 6: flags and length of a descriptor. */
#define OWN         (1u << 31) /* the card's */
#define END_OF_RING (1u << 30)
#define FIRST       (1u << 29)
#define LAST        (1u << 28)
#define RECEIVE_BAD (1u << 20) /* summary of errors */
#define LENGTH      0x1fffu

#define ENTRIES  64u /* as many as the card knows */
#define TRIES_MS 200u

struct descriptor {
	uint32_t flags, tag;
	uint64_t address;
};
_Static_assert(sizeof(struct descriptor) == 16, "section 6");

static struct rtl8139 {
	struct driver driver;
	struct link_port port;
	struct descriptor *receive, *transmit;
	uint64_t addresses[2];
	uint32_t buffers[ENTRIES]; /* of the descriptors that receive */
	uint32_t receive_head, receive_tail, receive_count;
	uint32_t transmit_head, transmit_tail, transmit_count;
	uint16_t entries[ENTRIES]; /* at a frame's last descriptor: how many entries of the client's it was */
	struct link_frame frame;   /* that waits for room, while it has pieces */
} card;

static uint32_t get(uint32_t at, unsigned bytes)
{
	return (uint32_t)ioport_in(card.driver.bars[0].ports, card.driver.bars[0].port + at, bytes);
}

static void put(uint32_t at, unsigned bytes, uint32_t value)
{
	ioport_out(card.driver.bars[0].ports, card.driver.bars[0].port + at, bytes, value);
}

static void put64(uint32_t at, uint64_t value)
{
	put(at, 4, (uint32_t)value);
	put(at + 4, 4, (uint32_t)(value >> 32));
}

/* ---- Frames ---- */

static uint32_t end_at(uint32_t index)
{
	return index == ENTRIES - 1 ? END_OF_RING : 0;
}

static void give(struct descriptor *descriptor, uint32_t flags)
{
	__atomic_store_n(&descriptor->flags, flags, __ATOMIC_RELEASE);
}

static bool is_back(const struct descriptor *descriptor, uint32_t *flags)
{
	*flags = __atomic_load_n(&descriptor->flags, __ATOMIC_ACQUIRE);
	return !(*flags & OWN);
}

static void fill(void)
{
	uint32_t buffer;

	while (card.receive_count < ENTRIES && link_server_empty(&card.port.server, &buffer)) {
		struct descriptor *descriptor = &card.receive[card.receive_tail];
		descriptor->address = link_port_address(&card.port, buffer * LINK_BUFFER_BYTES);
		descriptor->tag = 0;
		card.buffers[card.receive_tail] = buffer;
		give(descriptor, OWN | end_at(card.receive_tail) | LINK_BUFFER_BYTES);
		card.receive_tail = (card.receive_tail + 1) % ENTRIES;
		card.receive_count++;
	}
}

static void take_received(void)
{
	const uint32_t whole = FIRST | LAST;
	uint32_t flags;

	while (card.receive_count && is_back(&card.receive[card.receive_head], &flags)) {
		struct link_entry entry = {.offset = card.buffers[card.receive_head] * LINK_BUFFER_BYTES};
		uint32_t bytes = flags & LENGTH;

		if ((flags & (whole | RECEIVE_BAD)) == whole && bytes > CHECKSUM &&
		    bytes - CHECKSUM <= LINK_BUFFER_BYTES) {
			entry.bytes = (uint16_t)(bytes - CHECKSUM);
			card.port.counters.arrived_frames++;
			card.port.counters.arrived_bytes += entry.bytes;
		} else {
			card.port.counters.errors++;
		}
		link_server_put(&card.port.server, &entry, &card.port.signal);
		card.receive_head = (card.receive_head + 1) % ENTRIES;
		card.receive_count--;
	}
}

static void take_sent(void)
{
	uint32_t done = 0, flags;

	while (card.transmit_count && is_back(&card.transmit[card.transmit_head], &flags)) {
		done += card.entries[card.transmit_head];
		card.transmit_head = (card.transmit_head + 1) % ENTRIES;
		card.transmit_count--;
	}
	link_server_done(&card.port.server, done, &card.port.signal);
}

/* Gives the frame that waits to the card, its first piece last: it sees the whole frame or nothing. */
static void frame_give(void)
{
	uint32_t count = card.frame.count;

	for (uint32_t i = count; i-- > 0;) {
		const struct link_entry *piece = &card.frame.pieces[i];
		uint32_t at = (card.transmit_tail + i) % ENTRIES;

		card.transmit[at].address = link_port_address(&card.port, piece->offset);
		card.transmit[at].tag = 0;
		card.entries[at] = i == count - 1 ? (uint16_t)count : 0;
		give(&card.transmit[at],
		     OWN | end_at(at) | (i ? 0 : FIRST) | (i == count - 1 ? LAST : 0) | piece->bytes);
	}
	card.transmit_tail = (card.transmit_tail + count) % ENTRIES;
	card.transmit_count += count;
	card.frame.count = 0;
}

/* Where the newest frame that is under way has the number of its entries; 0: none is. */
static uint16_t *newest(void)
{
	return card.transmit_count ? &card.entries[(card.transmit_tail + ENTRIES - 1) % ENTRIES] : 0;
}

static void send_frames(void)
{
	while (card.frame.count || link_port_take(&card.port, &card.frame)) {
		if (ENTRIES - card.transmit_count < card.frame.count)
			return;
		if (card.frame.count)
			frame_give();
		else
			link_port_refuse(&card.port, card.frame.entries, newest());
	}
}

/* ---- The card ---- */

static void card_reset(void)
{
	put(IMR, 2, 0);
	put(CR, 1, CR_RESET);
	for (unsigned tries = 0; get(CR, 1) & CR_RESET; tries++) {
		if (tries == TRIES_MS)
			driver_fail(&card.driver, "the card does not come out of its reset");
		driver_pause(&card.driver, 1000);
	}
	if (!driver_started(&card.driver))
		driver_fail(&card.driver, "devmgr does not let it start");
}

static void card_init(void)
{
	card_reset();
	memset(card.receive, 0, DRIVER_PAGE);
	memset(card.transmit, 0, DRIVER_PAGE);
	card.receive_head = card.receive_tail = card.receive_count = 0;
	card.transmit_head = card.transmit_tail = card.transmit_count = card.frame.count = 0;
	put(CPCR, 2, CPCR_MODE);
	put64(RDSAR, card.addresses[0]);
	put64(TNPDS, card.addresses[1]);
	put(CR, 1, CR_RECEIVE | CR_TRANSMIT);
	put(MAR, 4, UINT32_MAX);
	put(MAR + 4, 4, UINT32_MAX);
	put(RCR, 4, RCR_ACCEPT | RCR_BURST);
	put(TCR, 4, TCR_GAP | TCR_BURST);
	put(ISR, 2, 0xffff);
	put(IMR, 2, IRQS);
}

static bool is_up(void)
{
	return !(get(MSR, 1) & MSR_DOWN);
}

static void start(void *context)
{
	(void)context;
	fill();
}

static void stop(void *context)
{
	(void)context;
	card_init();
}

static void message(void *context, struct message *message)
{
	(void)context;
	link_port_message(&card.port, message);
}

static void work(void *context, uint64_t bits)
{
	(void)context;
	if (bits & 1) {
		uint32_t cause = get(ISR, 2);
		if (cause == 0xffff)
			driver_fail(&card.driver, "the card is gone");
		put(ISR, 2, cause);
		if (cause & 0x20)
			link_port_set_up(&card.port, is_up());
	}
	if (link_port_open(&card.port)) {
		uint32_t before = card.transmit_tail;
		take_received();
		take_sent();
		fill();
		send_frames();
		if (card.transmit_tail != before)
			put(TPPOLL, 1, POLL_NORMAL);
		take_sent();
	}
	link_port_finish(&card.port, bits);
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	struct link_description description = {.mtu = 1500, .speed_mbit = 100, .name = "Realtek RTL8139C+"};

	if (!driver_init(&card.driver, info, page))
		return 1;
	if (!card.driver.bars[0].ports || card.driver.bars[0].bytes < REGISTERS)
		driver_fail(&card.driver, "its ports are not there");
	if ((driver_config(&card.driver, 8) & 0xff) < REVISION_CP)
		driver_fail(&card.driver, "this RTL8139 knows no descriptors");
	card_reset();
	for (unsigned i = 0; i < 6; i++)
		description.mac[i] = (uint8_t)get(IDR + i, 1);
	uint8_t *pages = driver_pages(&card.driver, 2, card.addresses);
	if (!pages)
		driver_fail(&card.driver, "no memory");
	card.receive = (struct descriptor *)(void *)pages;
	card.transmit = (struct descriptor *)(void *)(pages + DRIVER_PAGE);
	link_port_init(&card.port, &card.driver, &description, start, stop, 0);
	card_init();
	link_port_set_up(&card.port, is_up());
	link_port_announce(&card.port, "");
	driver_run(&card.driver, 0, message, work);
}
