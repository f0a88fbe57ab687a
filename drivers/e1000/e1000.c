/* The driver of Intel's 8254x and 82574L network cards, e1000 and e1000e. Sources: PCI/PCI-X Family of Gigabit
 * Ethernet Controllers Software Developer's Manual (317453, "8254x"); 82574 GbE Controller Family Datasheet. Both
 * understand the same legacy descriptors, one ring each way of a page; no offloads.
 *
 * Buffers belong to the switch; the card writes frames into their beginning and is given the next one when it was
 * taken. What the card says is checked: lengths are clamped, and only descriptors that are under way are looked
 * at, in their order.
 */
#include "link/link_port.h"

#include <text.h>

/* 8254x, 13.4; 82574, 10.2. */
enum reg {
	CTRL = 0x0000,
	STATUS = 0x0008,
	ICR = 0x00c0,
	ITR = 0x00c4,
	IMS = 0x00d0,
	IMC = 0x00d8,
	IVAR = 0x00e4, /* 82574 */
	RCTL = 0x0100,
	TCTL = 0x0400,
	TIPG = 0x0410,
	RDBAL = 0x2800,
	RDBAH = 0x2804,
	RDLEN = 0x2808,
	RDH = 0x2810,
	RDT = 0x2818,
	TDBAL = 0x3800,
	TDBAH = 0x3804,
	TDLEN = 0x3808,
	TDH = 0x3810,
	TDT = 0x3818,
	MTA = 0x5200,
	RAL = 0x5400,
	RAH = 0x5404,
	REGISTERS = 0x6000
};
#define CTRL_ASDE (1u << 5)
#define CTRL_SLU  (1u << 6)
#define CTRL_RST  (1u << 26)
#define STATUS_UP 2u
#define RCTL_EN   (1u << 1)

#define RCTL_UPE      (1u << 3) /* others' frames too: the switch's bridged links are stations of their own */
#define RCTL_MPE      (1u << 4)
#define RCTL_BAM      (1u << 15)
#define RCTL_SECRC    (1u << 26) /* buffers of 2,048 bytes: BSIZE 0 */
#define TCTL_EN       (1u << 1)
#define TCTL_PSP      (1u << 3)
#define TCTL_COLLIDE  (15u << 4 | 64u << 12)
#define TIPG_COPPER   (10u | 8u << 10 | 6u << 20)
#define IRQ_SENT      (1u << 0)
#define IRQ_LINK      (1u << 2)
#define IRQ_FEW       (1u << 4)
#define IRQ_OVERRUN   (1u << 6)
#define IRQ_RECEIVED  (1u << 7)
#define IRQ_QUEUES    (0x1fu << 20) /* 82574 with MSI-X: queues, and other */
#define IVAR_ALL_ZERO (8u | 8u << 4 | 8u << 8 | 8u << 12 | 8u << 16)
#define ITR_UNITS     195u /* of 256 ns: at most 20,000 interrupts a second */
#define DONE          1u
#define END_OF_PACKET 2u             /* received: status */
#define SEND_COMMAND  (1u | 2u | 8u) /* end of packet, insert FCS, report status */
#define PRODUCT_82574 0x10d3u

#define ENTRIES  256u
#define TRIES_MS 200u

struct receive_descriptor { /* 8254x, 3.2.3 */
	uint64_t address;
	uint16_t bytes, sum;
	uint8_t status, errors;
	uint16_t special;
};
struct transmit_descriptor { /* 3.3.3 */
	uint64_t address;
	uint16_t bytes;
	uint8_t sum_offset, command, status, sum_start;
	uint16_t special;
};
_Static_assert(sizeof(struct receive_descriptor) == 16 && sizeof(struct transmit_descriptor) == 16,
               "a page each");

static struct e1000 {
	struct driver driver;
	struct link_port port;
	volatile uint8_t *registers;
	bool is_82574;
	volatile struct receive_descriptor *receive;
	volatile struct transmit_descriptor *transmit;
	uint64_t addresses[2];
	uint32_t buffers[ENTRIES]; /* of the descriptors that receive */
	uint32_t receive_head, receive_tail, receive_count;
	uint32_t transmit_head, transmit_tail, transmit_count;
	uint16_t entries[ENTRIES]; /* at a frame's last descriptor: how many entries of the client's it was */
	struct link_frame frame;
} card;

static uint32_t get(uint32_t at)
{
	return *(volatile uint32_t *)(card.registers + at);
}

static void put(uint32_t at, uint32_t value)
{
	*(volatile uint32_t *)(card.registers + at) = value;
}

/* ---- Frames ---- */

static void fill(void)
{
	uint32_t buffer, before = card.receive_tail;

	while (card.receive_count < ENTRIES - 1 && link_server_empty(&card.port.server, &buffer)) {
		volatile struct receive_descriptor *descriptor = &card.receive[card.receive_tail];
		descriptor->address = link_port_address(&card.port, buffer * LINK_BUFFER_BYTES);
		descriptor->status = 0;
		card.buffers[card.receive_tail] = buffer;
		card.receive_tail = (card.receive_tail + 1) % ENTRIES;
		card.receive_count++;
	}
	if (card.receive_tail != before) {
		__atomic_thread_fence(__ATOMIC_RELEASE);
		put(RDT, card.receive_tail);
	}
}

static void take_received(void)
{
	while (card.receive_count && card.receive[card.receive_head].status & DONE) {
		volatile struct receive_descriptor *descriptor = &card.receive[card.receive_head];
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		struct link_entry entry = {.offset = card.buffers[card.receive_head] * LINK_BUFFER_BYTES};
		uint16_t bytes = descriptor->bytes;

		if (descriptor->status & END_OF_PACKET && !descriptor->errors && bytes <= LINK_BUFFER_BYTES) {
			entry.bytes = bytes;
			card.port.counters.arrived_frames++;
			card.port.counters.arrived_bytes += bytes;
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
	uint32_t done = 0;

	while (card.transmit_count && card.transmit[card.transmit_head].status & DONE) {
		done += card.entries[card.transmit_head];
		card.transmit_head = (card.transmit_head + 1) % ENTRIES;
		card.transmit_count--;
	}
	link_server_done(&card.port.server, done, &card.port.signal);
}

/* Where the newest frame that is under way has the number of its entries; 0: none is. */
static uint16_t *newest(void)
{
	return card.transmit_count ? &card.entries[(card.transmit_tail + ENTRIES - 1) % ENTRIES] : 0;
}

/* Descriptors are put where the card does not look yet. */
static bool send_frame(void)
{
	const struct link_frame *frame = &card.frame;

	if (ENTRIES - 1 - card.transmit_count < LINK_PIECES_MAX || !link_port_take(&card.port, &card.frame))
		return false;
	if (!frame->count) {
		link_port_refuse(&card.port, frame->entries, newest());
		return true;
	}
	for (uint32_t i = 0; i < frame->count; i++) {
		volatile struct transmit_descriptor *descriptor = &card.transmit[card.transmit_tail];
		bool last = i == frame->count - 1;
		descriptor->address = link_port_address(&card.port, frame->pieces[i].offset);
		descriptor->bytes = frame->pieces[i].bytes;
		descriptor->command = last ? SEND_COMMAND : SEND_COMMAND & ~1u;
		descriptor->sum_offset = descriptor->sum_start = 0;
		descriptor->status = 0;
		card.entries[card.transmit_tail] = last ? (uint16_t)frame->count : 0;
		card.transmit_tail = (card.transmit_tail + 1) % ENTRIES;
	}
	card.transmit_count += frame->count;
	return true;
}

/* ---- The card ---- */

static void card_reset(void)
{
	put(IMC, UINT32_MAX);
	put(RCTL, 0);
	put(TCTL, 0);
	driver_pause(&card.driver, 10000);
	put(CTRL, get(CTRL) | CTRL_RST);
	for (unsigned tries = 0; get(CTRL) & CTRL_RST; tries++) {
		if (tries == TRIES_MS)
			driver_fail(&card.driver, "the card does not come out of its reset");
		driver_pause(&card.driver, 1000);
	}
	put(IMC, UINT32_MAX);
	(void)get(ICR);
	if (!driver_started(&card.driver))
		driver_fail(&card.driver, "devmgr does not let it start");
}

static void card_init(void)
{
	card_reset();
	memset((void *)(uintptr_t)card.receive, 0, DRIVER_PAGE);
	memset((void *)(uintptr_t)card.transmit, 0, DRIVER_PAGE);
	card.receive_head = card.receive_tail = card.receive_count = 0;
	card.transmit_head = card.transmit_tail = card.transmit_count = 0;
	put(CTRL, get(CTRL) | CTRL_SLU | CTRL_ASDE);
	for (unsigned i = 0; i < 128; i++)
		put(MTA + 4 * i, 0);
	put(RDBAL, (uint32_t)card.addresses[0]);
	put(RDBAH, (uint32_t)(card.addresses[0] >> 32));
	put(RDLEN, ENTRIES * 16);
	put(RDH, 0);
	put(RDT, 0);
	put(TDBAL, (uint32_t)card.addresses[1]);
	put(TDBAH, (uint32_t)(card.addresses[1] >> 32));
	put(TDLEN, ENTRIES * 16);
	put(TDH, 0);
	put(TDT, 0);
	put(TIPG, TIPG_COPPER);
	put(TCTL, TCTL_EN | TCTL_PSP | TCTL_COLLIDE);
	put(RCTL, RCTL_EN | RCTL_BAM | RCTL_UPE | RCTL_MPE | RCTL_SECRC);
	put(ITR, ITR_UNITS);
	if (card.is_82574 && !card.driver.irq_level)
		put(IVAR, IVAR_ALL_ZERO); /* every cause by vector 0; ignored without MSI-X */
	put(IMS,
	    IRQ_SENT | IRQ_LINK | IRQ_FEW | IRQ_OVERRUN | IRQ_RECEIVED | (card.is_82574 ? IRQ_QUEUES : 0));
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
		uint32_t cause = get(ICR); /* which takes it back */
		if (cause == UINT32_MAX && get(STATUS) == UINT32_MAX)
			driver_fail(&card.driver, "the card is gone");
		if (card.is_82574 && !card.driver.irq_level)
			put(ICR, cause);
	}
	link_port_set_up(&card.port, get(STATUS) & STATUS_UP);
	if (link_port_open(&card.port)) {
		uint32_t before = card.transmit_tail;
		take_received();
		take_sent();
		fill();
		while (send_frame())
			;
		if (card.transmit_tail != before) {
			__atomic_thread_fence(__ATOMIC_RELEASE);
			put(TDT, card.transmit_tail);
		}
		take_sent();
	}
	link_port_finish(&card.port, bits);
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	struct link_description description = {.mtu = 1500, .speed_mbit = 1000};

	if (!driver_init(&card.driver, info, page))
		return 1;
	if (!driver_bar_holds(&card.driver.bars[0], 0, REGISTERS))
		driver_fail(&card.driver, "its registers are not there");
	card.registers = driver_register(&card.driver.bars[0], 0);
	card.is_82574 = driver_config(&card.driver, 0) >> 16 == PRODUCT_82574;
	card_reset();
	/* The reset has loaded the address from the card's memory. */
	uint32_t low = get(RAL), high = get(RAH);
	for (unsigned i = 0; i < 6; i++)
		description.mac[i] = (uint8_t)((i < 4 ? low >> 8 * i : high >> 8 * (i - 4)) & 0xff);
	text_copy(description.name, sizeof(description.name), card.is_82574 ? "Intel 82574L" : "Intel 8254x");
	uint8_t *pages = driver_pages(&card.driver, 2, card.addresses);
	if (!pages)
		driver_fail(&card.driver, "no memory");
	card.receive = (struct receive_descriptor *)pages;
	card.transmit = (struct transmit_descriptor *)(pages + DRIVER_PAGE);
	link_port_init(&card.port, &card.driver, &description, start, stop, 0);
	card_init();
	link_port_set_up(&card.port, get(STATUS) & STATUS_UP);
	link_port_announce(&card.port, "");
	driver_run(&card.driver, 0, message, work);
}
