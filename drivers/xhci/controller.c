/* The controller: registers, the rings of commands and events, and its start (xHCI, 4.2). See xhci.h. */
#include "xhci.h"

/* 5.3: capabilities, from the first register on; 5.4: operational, 5.5: of the first interrupter. */
enum capability_register {
	CAPLENGTH = 0x00,
	HCSPARAMS1 = 0x04,
	HCSPARAMS2 = 0x08,
	HCCPARAMS1 = 0x10,
	DBOFF = 0x14,
	RTSOFF = 0x18
};
enum operational_register {
	USBCMD = 0x00,
	USBSTS = 0x04,
	PAGESIZE = 0x08,
	CRCR = 0x18,
	DCBAAP = 0x30,
	CONFIG = 0x38
};
enum runtime_register { IMAN = 0x20, IMOD = 0x24, ERSTSZ = 0x28, ERSTBA = 0x30, ERDP = 0x38 };
#define COMMAND_RUN       1u
#define COMMAND_RESET     2u
#define COMMAND_INTERRUPT 4u
#define STATUS_HALTED     1u
#define STATUS_FAILED     (1u << 2 | 1u << 12)
#define STATUS_EVENT      (1u << 3)
#define STATUS_NOT_READY  (1u << 11)
#define PENDING           1u
#define ENABLED           2u
#define BUSY              8u
#define MODERATION        160u /* 40 us, in 250 ns */
#define LEGACY            1u   /* 7.1: extended capability */
#define LEGACY_BIOS       (1u << 16)
#define LEGACY_OS         (1u << 24)
#define EXTENDED_MAX      64u
#define SCRATCH_MAX       256u
#define TRIES_MS          2000u
#define COMMAND_NS        5000000000ull

struct xhci xhci;
const char hc_name[] = "xhci";
const uint32_t hc_transfer_pages = 64;
const bool hc_in_order = true;

static void put64(volatile uint8_t *at, uint32_t offset, uint64_t value)
{
	register_put(at, offset, (uint32_t)value);
	register_put(at, offset + 4, (uint32_t)(value >> 32));
}

static bool wait_for(volatile uint8_t *at, uint32_t offset, uint32_t mask, uint32_t value)
{
	for (unsigned tries = 0; tries < TRIES_MS; tries++) {
		if ((register_get(at, offset) & mask) == value)
			return true;
		driver_pause(&usb.driver, 1000);
	}
	return false;
}

/* ---- Rings ---- */

void ring_reset(struct ring *ring)
{
	memset(ring->trbs, 0, RING_TRBS * sizeof(struct trb));
	ring->put = 0;
	ring->cycle = 1;
}

/* A link from here to the first TRB. The controller passes over those behind it: they get the cycle bit that they would have, so that
 * none of them is taken for a new one when the ring has come around. */
static void ring_turn(struct ring *ring)
{
	struct trb *link = &ring->trbs[ring->put];

	for (uint32_t i = ring->put + 1; i < RING_TRBS; i++)
		ring->trbs[i].control = ring->cycle;
	link->parameter = ring->address;
	link->status = 0;
	__atomic_store_n(&link->control, TRB_TYPE(TRB_LINK) | TRB_TOGGLE | ring->cycle, __ATOMIC_RELEASE);
	ring->put = 0;
	ring->cycle ^= 1;
}

void ring_reserve(struct ring *ring, uint32_t count)
{
	if (ring->put + count > RING_TRBS - 1)
		ring_turn(ring);
}

uint64_t ring_put(struct ring *ring, uint64_t parameter, uint32_t status, uint32_t control)
{
	struct trb *trb = &ring->trbs[ring->put];
	uint64_t address = ring->address + ring->put * sizeof(*trb);

	trb->parameter = parameter;
	trb->status = status;
	/* The cycle bit gives the TRB away. */
	__atomic_store_n(&trb->control, control | ring->cycle, __ATOMIC_RELEASE);
	if (++ring->put == RING_TRBS - 1)
		ring_turn(ring);
	return address;
}

void controller_ring(uint8_t slot, uint32_t place)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
	register_put(xhci.doorbells, slot * 4u, place);
}

/* ---- Events ---- */

static void event_take(const struct trb *event)
{
	uint32_t port;

	switch (event->control >> 10 & 63) {
	case TRB_TRANSFER_EVENT:
		slot_event(event);
		break;
	case TRB_COMMAND_EVENT:
		if (!xhci.command_waited || event->parameter != xhci.command_waited)
			break;
		xhci.command_waited = 0;
		xhci.command_code = (uint8_t)(event->status >> 24);
		xhci.command_slot = (uint8_t)(event->control >> 24);
		xhci.command_done = true;
		break;
	case TRB_PORT_EVENT:
		port = event->parameter >> 24 & 0xff;
		if (port && port <= xhci.port_count)
			usb.ports_changed |= 1u << (port - 1);
		break;
	default:
		break;
	}
}

void hc_events(void)
{
	uint32_t status = register_get(xhci.operational, USBSTS);
	bool any = false;

	if (status == UINT32_MAX || status & STATUS_FAILED)
		driver_fail(&usb.driver, "the controller has failed or is gone");
	register_put(xhci.operational, USBSTS, STATUS_EVENT);
	register_put(xhci.runtime, IMAN, PENDING | ENABLED);
	/* A ring full at most: what the controller adds meanwhile signals again. */
	for (unsigned i = 0; i < RING_TRBS; i++) {
		const struct trb *at = &xhci.events[xhci.event_at];
		struct trb event;

		if ((__atomic_load_n(&at->control, __ATOMIC_ACQUIRE) & TRB_CYCLE) != xhci.event_cycle)
			break;
		event = *at;
		any = true;
		if (++xhci.event_at == RING_TRBS) {
			xhci.event_at = 0;
			xhci.event_cycle ^= 1;
		}
		event_take(&event);
	}
	if (any)
		put64(xhci.runtime, ERDP, (xhci.events_address + xhci.event_at * sizeof(struct trb)) | BUSY);
}

uint8_t controller_command(uint64_t parameter, uint32_t control)
{
	uint64_t end = clock_ns() + COMMAND_NS;

	xhci.command_done = false;
	xhci.command_waited = ring_put(&xhci.commands, parameter, 0, control);
	controller_ring(0, 0);
	hc_events();
	while (!xhci.command_done) {
		if (clock_ns() > end)
			driver_fail(&usb.driver, "the controller does not answer a command");
		driver_pause(&usb.driver, 50);
		hc_events();
	}
	return xhci.command_code;
}

/* ---- Start ---- */

/* The firmware, which may have used it to boot, lets it go (4.22.1). */
static void take_over(uint64_t bytes, uint32_t parameters)
{
	uint64_t at = (uint64_t)(parameters >> 16) * 4;

	for (unsigned i = 0; i < EXTENDED_MAX && at && at + 8 <= bytes; i++) {
		uint32_t word = register_get(xhci.capability, (uint32_t)at);
		if ((word & 0xff) == LEGACY) {
			register_put(xhci.capability, (uint32_t)at, word | LEGACY_OS);
			for (unsigned tries = 0;
			     tries < 1000 && register_get(xhci.capability, (uint32_t)at) & LEGACY_BIOS;
			     tries++)
				driver_pause(&usb.driver, 1000);
			register_put(xhci.capability, (uint32_t)at + 4,
			             0xe0000000u); /* no system management interrupts */
			return;
		}
		if (!(word >> 8 & 0xff))
			return;
		at += (word >> 8 & 0xff) * 4;
	}
}

static bool find_registers(void)
{
	const struct driver_bar *bar = &usb.driver.bars[0];

	if (!driver_bar_holds(bar, 0, 0x20))
		return false;
	xhci.capability = driver_register(bar, 0);
	uint32_t parameters = register_get(xhci.capability, HCSPARAMS1);
	uint64_t operational = register_get(xhci.capability, CAPLENGTH) & 0xff,
	         runtime = register_get(xhci.capability, RTSOFF) & ~31u,
	         doorbells = register_get(xhci.capability, DBOFF) & ~3u;
	xhci.slot_count = parameters & 0xff;
	xhci.port_count = parameters >> 24;
	if (xhci.slot_count > DEVICES_MAX)
		xhci.slot_count = DEVICES_MAX;
	if (xhci.port_count > PORTS_MAX)
		xhci.port_count = PORTS_MAX;
	xhci.context_bytes = register_get(xhci.capability, HCCPARAMS1) & 4 ? 64 : 32;
	if (!xhci.slot_count || !xhci.port_count ||
	    !driver_bar_holds(bar, operational, 0x400 + xhci.port_count * 0x10ull) ||
	    !driver_bar_holds(bar, runtime, 0x40) || !driver_bar_holds(bar, doorbells, (DEVICES_MAX + 1) * 4))
		return false;
	xhci.operational = driver_register(bar, operational);
	xhci.runtime = driver_register(bar, runtime);
	xhci.doorbells = driver_register(bar, doorbells);
	return true;
}

static bool reset(void)
{
	uint32_t parameters = register_get(xhci.capability, HCCPARAMS1);

	take_over(usb.driver.bars[0].bytes, parameters);
	register_put(xhci.operational, USBCMD, 0);
	if (!wait_for(xhci.operational, USBSTS, STATUS_HALTED, STATUS_HALTED))
		return false;
	register_put(xhci.operational, USBCMD, COMMAND_RESET);
	driver_pause(&usb.driver, 1000);
	return wait_for(xhci.operational, USBCMD, COMMAND_RESET, 0) &&
	       wait_for(xhci.operational, USBSTS, STATUS_NOT_READY, 0) &&
	       register_get(xhci.operational, PAGESIZE) & 1 && driver_started(&usb.driver);
}

/* Pages that the controller wants for itself (4.20): the first entry of the list of contexts leads to them. */
static bool give_scratch(uint64_t *list, uint64_t list_address)
{
	uint32_t parameters = register_get(xhci.capability, HCSPARAMS2);
	uint32_t count = (parameters >> 21 & 31) << 5 | parameters >> 27;

	if (!count)
		return true;
	if (count > SCRATCH_MAX || !driver_pages(&usb.driver, count, list))
		return false;
	xhci.contexts[0] = list_address;
	return true;
}

static bool give_memory(void)
{
	uint64_t addresses[6];
	uint8_t *pages = driver_pages(&usb.driver, 6, addresses);

	if (!pages)
		return false;
	xhci.contexts = (uint64_t *)(void *)pages;
	xhci.commands =
	    (struct ring){.trbs = (struct trb *)(void *)(pages + DRIVER_PAGE), .address = addresses[1]};
	xhci.events = (struct trb *)(void *)(pages + 2 * DRIVER_PAGE);
	xhci.events_address = addresses[2];
	xhci.event_cycle = 1;
	uint64_t *segments = (uint64_t *)(void *)(pages + 3 * DRIVER_PAGE); /* 6.5 */
	segments[0] = addresses[2];
	segments[1] = RING_TRBS;
	xhci.input = pages + 4 * DRIVER_PAGE;
	xhci.input_address = addresses[4];
	ring_reset(&xhci.commands);
	if (!give_scratch((uint64_t *)(void *)(pages + 5 * DRIVER_PAGE), addresses[5]))
		return false;
	register_put(xhci.operational, CONFIG, xhci.slot_count);
	put64(xhci.operational, DCBAAP, addresses[0]);
	put64(xhci.operational, CRCR, addresses[1] | xhci.commands.cycle);
	register_put(xhci.runtime, ERSTSZ, 1);
	put64(xhci.runtime, ERDP, addresses[2] | BUSY);
	put64(xhci.runtime, ERSTBA, addresses[3]);
	return true;
}

void hc_start(void)
{
	if (!find_registers() || !reset() || !give_memory())
		driver_fail(&usb.driver, "the controller is not usable");
	register_put(xhci.runtime, IMOD, MODERATION);
	register_put(xhci.runtime, IMAN, PENDING | ENABLED);
	register_put(xhci.operational, USBCMD, COMMAND_RUN | COMMAND_INTERRUPT);
	if (!wait_for(xhci.operational, USBSTS, STATUS_HALTED, 0))
		driver_fail(&usb.driver, "the controller does not run");
	usb.ports_changed = UINT32_MAX >> (32 - xhci.port_count);
}
