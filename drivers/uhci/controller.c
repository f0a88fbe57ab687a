/* The controller: registers, ports and its start (UHCI, 2.1). See uhci.h. */
#include "uhci.h"

#define COMMAND_RUN         0x01u
#define COMMAND_RESET       0x02u
#define COMMAND_CONFIGURED  0x40u
#define COMMAND_64          0x80u /* packets of 64 bytes until the end of a frame */
#define STATUS_ANY          0x1fu
#define STATUS_FAILED       0x38u /* system error, process error, halted */
#define INTERRUPT_ANY       0x0fu
#define PORT_CONNECTED      0x0001u
#define PORT_CONNECT_CHANGE 0x0002u
#define PORT_ENABLED        0x0004u
#define PORT_ENABLE_CHANGE  0x0008u
#define PORT_ALWAYS         0x0080u /* reads as one */
#define PORT_LOW            0x0100u
#define PORT_RESET          0x0200u
#define UHCI_PORTS_MAX      8u
#define TRIES_MS            100u
#define RESET_US            50000u /* USB2, 7.1.7.5 */
#define SETTLE_US           300u
#define ENABLE_TRIES        10u
#define ENABLE_US           10000u
#define LOOK_NS             250000000ull

const char hc_name[] = "uhci";
const uint32_t hc_transfer_pages = 16;
const bool hc_in_order = false;

static struct {
	const struct driver_bar *bar;
	uint32_t port_count;
	uint64_t look_at; /* ns: at the ports */
} uhci;

uint16_t uhci_get(uint32_t at)
{
	int64_t value = ioport_in(uhci.bar->ports, uhci.bar->port + at, 2);

	return value < 0 ? UINT16_MAX : (uint16_t)value;
}

void uhci_put(uint32_t at, uint16_t value)
{
	if (ioport_out(uhci.bar->ports, uhci.bar->port + at, 2, value) < 0)
		driver_fail(&usb.driver, "the controller's ports are not there");
}

/* ---- Ports ---- */

static uint32_t portsc(uint32_t port)
{
	return PORTSC + (port - 1) * 2;
}

/* UHCI, 2.1.7: there are as many as answer so, two at least. */
static uint32_t count_ports(void)
{
	uint32_t count = 0;

	while (count < UHCI_PORTS_MAX && portsc(count + 1) + 2 <= uhci.bar->bytes) {
		uint16_t status = uhci_get(portsc(count + 1));
		if (status == UINT16_MAX || !(status & PORT_ALWAYS))
			break;
		count++;
	}
	return count;
}

bool hc_port(uint32_t port, bool *changed)
{
	uint16_t status = port <= uhci.port_count ? uhci_get(portsc(port)) : 0;

	*changed = status & PORT_CONNECT_CHANGE ||
	           (status & PORT_ENABLE_CHANGE && !(status & PORT_ENABLED)); /* the controller let it go */
	if (status & (PORT_CONNECT_CHANGE | PORT_ENABLE_CHANGE))
		uhci_put(portsc(port), status & (PORT_ENABLED | PORT_CONNECT_CHANGE | PORT_ENABLE_CHANGE));
	return status & PORT_CONNECTED;
}

bool hc_port_reset(uint32_t port, uint8_t *speed)
{
	uint16_t status = 0;

	uhci_put(portsc(port), PORT_RESET);
	driver_pause(&usb.driver, RESET_US);
	uhci_put(portsc(port), 0);
	driver_pause(&usb.driver, SETTLE_US);
	for (unsigned tries = 0; tries < ENABLE_TRIES && !(status & PORT_ENABLED); tries++) {
		/* The reset itself may have changed it. */
		uhci_put(portsc(port), PORT_ENABLED | PORT_CONNECT_CHANGE | PORT_ENABLE_CHANGE);
		driver_pause(&usb.driver, ENABLE_US);
		status = uhci_get(portsc(port));
	}
	*speed = status & PORT_LOW ? SPEED_LOW : SPEED_FULL;
	return status & PORT_CONNECTED && status & PORT_ENABLED;
}

static void look_at_ports(void)
{
	uint64_t now = clock_ns();

	if (now < uhci.look_at)
		return;
	for (uint32_t port = 1; port <= uhci.port_count; port++)
		if (uhci_get(portsc(port)) & (PORT_CONNECT_CHANGE | PORT_ENABLE_CHANGE))
			usb.ports_changed |= 1u << (port - 1);
	uhci.look_at = now + LOOK_NS;
	event_timer(usb.driver.event, uhci.look_at, DRIVER_TIMER_BIT);
}

/* ---- The whole ---- */

void hc_events(void)
{
	uint16_t status = uhci_get(USBSTS);

	if (status == UINT16_MAX || status & STATUS_FAILED)
		driver_fail(&usb.driver, "the controller has failed or is gone");
	if (status & STATUS_ANY)
		uhci_put(USBSTS, status & STATUS_ANY);
	schedule_events();
	look_at_ports();
}

static bool reset(void)
{
	unsigned tries = 0;

	uhci_put(USBINTR, 0);
	uhci_put(USBCMD, COMMAND_RESET);
	while (uhci_get(USBCMD) & COMMAND_RESET) {
		if (++tries == TRIES_MS)
			return false;
		driver_pause(&usb.driver, 1000);
	}
	return driver_started(&usb.driver);
}

void hc_start(void)
{
	uint32_t frames;

	uhci.bar = &usb.driver.bars[4];
	if (!uhci.bar->ports || uhci.bar->bytes < PORTSC + 4 || !reset() || !schedule_init(&frames) ||
	    !(uhci.port_count = count_ports()))
		driver_fail(&usb.driver, "the controller is not usable");
	uhci_put(FRNUM, 0);
	if (ioport_out(uhci.bar->ports, uhci.bar->port + FRBASEADD, 4, frames) < 0)
		driver_fail(&usb.driver, "the controller's ports are not there");
	uhci_put(USBSTS, STATUS_ANY);
	uhci_put(USBINTR, INTERRUPT_ANY);
	uhci_put(USBCMD, COMMAND_RUN | COMMAND_CONFIGURED | COMMAND_64);
	driver_pause(&usb.driver, 1000);
	usb.ports_changed = UINT32_MAX >> (32 - uhci.port_count);
}
