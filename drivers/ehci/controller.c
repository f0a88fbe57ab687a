/* The controller: registers, ports and its start (EHCI, 2 and 4.1). See ehci.h. */
#include "ehci.h"

enum capability_register { CAPLENGTH = 0x00, HCSPARAMS = 0x04, HCCPARAMS = 0x08, CAPABILITY_BYTES = 0x0c };
#define PARAMS_PORTS      0x0fu
#define PARAMS_COMPANIONS (0x0fu << 12)
#define PARAMS_64         1u

#define COMMAND_RUN      (1u << 0)
#define COMMAND_RESET    (1u << 1)
#define COMMAND_PERIODIC (1u << 4)
#define COMMAND_ASYNC    (1u << 5)
#define COMMAND_DOORBELL (1u << 6)
#define COMMAND_AT_ONCE  (1u << 16) /* interrupts in the next microframe */
#define STATUS_PORT      (1u << 2)
#define STATUS_FAILED    (1u << 4)
#define STATUS_ADVANCED  (1u << 5)
#define STATUS_ANY       0x3fu
#define STATUS_HALTED    (1u << 12)
#define INTERRUPTS       (1u << 0 | 1u << 1 | STATUS_PORT | STATUS_FAILED)

/* 2.3.9. */
#define PORT_CONNECTED      (1u << 0)
#define PORT_CONNECT_CHANGE (1u << 1)
#define PORT_ENABLED        (1u << 2)
#define PORT_ENABLE_CHANGE  (1u << 3)
#define PORT_CHANGES        (PORT_CONNECT_CHANGE | PORT_ENABLE_CHANGE | 1u << 5)
#define PORT_RESET          (1u << 8)
#define PORT_LINES          (3u << 10)
#define PORT_LINES_LOW      (1u << 10) /* a device of low speed, before its reset */
#define PORT_POWER          (1u << 12)
#define PORT_OWNER          (1u << 13) /* a companion */

#define EHCI_PORTS_MAX 15u
#define TRIES          100u
#define TRY_US         1000u
#define RESET_US       50000u /* USB2, 7.1.7.5 */
#define SETTLE_US      2000u
#define POWER_US       20000u

const char hc_name[] = "ehci";
const uint32_t hc_transfer_pages = 60;
const bool hc_in_order = false;

static struct {
	volatile uint8_t *operational;
	uint32_t port_count;
	bool companions;
	bool advanced; /* as the doorbell asked */
} ehci;

uint32_t ehci_get(uint32_t at)
{
	return register_get(ehci.operational, at);
}

void ehci_put(uint32_t at, uint32_t value)
{
	register_put(ehci.operational, at, value);
}

/* BITS of register AT become WANTED. */
static bool becomes(uint32_t at, uint32_t bits, uint32_t wanted)
{
	for (unsigned tries = 0; (ehci_get(at) & bits) != wanted; tries++) {
		if (tries == TRIES)
			return false;
		driver_pause(&usb.driver, TRY_US);
	}
	return true;
}

/* ---- Ports ---- */

static uint32_t portsc(uint32_t port)
{
	return PORTSC + (port - 1) * 4;
}

/* Sets SET, which may be changes that are so taken back, and leaves the other changes and all else as they are. */
static void port_set(uint32_t port, uint32_t set, uint32_t clear)
{
	ehci_put(portsc(port), (ehci_get(portsc(port)) & ~(PORT_CHANGES | clear)) | set);
}

bool hc_port(uint32_t port, bool *changed)
{
	uint32_t status = port <= ehci.port_count ? ehci_get(portsc(port)) : 0;

	*changed = status & PORT_CONNECT_CHANGE ||
	           (status & PORT_ENABLE_CHANGE && !(status & PORT_ENABLED)); /* the controller let it go */
	if (status & PORT_CHANGES)
		port_set(port, status & PORT_CHANGES, 0);
	return status & PORT_CONNECTED && !(status & PORT_OWNER);
}

/* What is at PORT is not of high speed: a companion's, where there are any. */
static bool port_leave(uint32_t port)
{
	if (ehci.companions)
		port_set(port, PORT_OWNER, 0);
	return false;
}

bool hc_port_reset(uint32_t port, uint8_t *speed)
{
	if ((ehci_get(portsc(port)) & PORT_LINES) == PORT_LINES_LOW)
		return port_leave(port);
	port_set(port, PORT_RESET, PORT_ENABLED); /* 2.3.9: both at once */
	driver_pause(&usb.driver, RESET_US);
	port_set(port, 0, PORT_RESET);
	driver_pause(&usb.driver, SETTLE_US);
	if (!becomes(portsc(port), PORT_RESET, 0))
		return false;
	uint32_t status = ehci_get(portsc(port));
	if (!(status & PORT_CONNECTED))
		return false;
	if (!(status & PORT_ENABLED)) /* 4.2.2: full speed */
		return port_leave(port);
	*speed = SPEED_HIGH;
	return true;
}

/* ---- The whole ---- */

/* What was there to acknowledge. */
static void status_take(void)
{
	uint32_t status = ehci_get(USBSTS);

	if (status == UINT32_MAX || status & (STATUS_FAILED | STATUS_HALTED))
		driver_fail(&usb.driver, "the controller has failed or is gone");
	if (status & STATUS_ANY)
		ehci_put(USBSTS, status & STATUS_ANY);
	ehci.advanced |= status & STATUS_ADVANCED;
	if (status & STATUS_PORT)
		usb.ports_changed |= UINT32_MAX >> (32 - ehci.port_count);
}

void ehci_async_advance(void)
{
	ehci.advanced = false;
	ehci_put(USBCMD, ehci_get(USBCMD) | COMMAND_DOORBELL);
	for (unsigned tries = 0; !ehci.advanced; tries++) {
		if (tries == TRIES)
			driver_fail(&usb.driver, "the controller does not go from queue to queue");
		status_take();
		if (!ehci.advanced)
			driver_pause(&usb.driver, TRY_US);
	}
}

void hc_events(void)
{
	status_take();
	schedule_events();
}

/* Stopped, and reset (2.3.1). The ports are the companions' then: they are taken back at once, before those have looked. */
static bool reset(void)
{
	ehci_put(USBINTR, 0);
	ehci_put(USBCMD,
	         ehci_get(USBCMD) & ~(COMMAND_RUN | COMMAND_PERIODIC | COMMAND_ASYNC | COMMAND_DOORBELL));
	if (!becomes(USBSTS, STATUS_HALTED, STATUS_HALTED))
		return false;
	ehci_put(USBCMD, COMMAND_RESET);
	if (!becomes(USBCMD, COMMAND_RESET, 0))
		return false;
	ehci_put(CONFIGFLAG, 1);
	return driver_started(&usb.driver);
}

void hc_start(void)
{
	const struct driver_bar *bar = &usb.driver.bars[0];
	uint32_t frames, queues;

	if (!driver_bar_holds(bar, 0, CAPABILITY_BYTES))
		driver_fail(&usb.driver, "the controller's registers are not there");
	volatile uint8_t *capability = driver_register(bar, 0);
	uint32_t length = register_get(capability, CAPLENGTH) & 0xff,
	         params = register_get(capability, HCSPARAMS);
	bool wide = register_get(capability, HCCPARAMS) & PARAMS_64;
	ehci.port_count = params & PARAMS_PORTS;
	ehci.companions = params & PARAMS_COMPANIONS;
	if (!ehci.port_count || ehci.port_count > EHCI_PORTS_MAX || length % 4 ||
	    !driver_bar_holds(bar, length, portsc(ehci.port_count) + 4))
		driver_fail(&usb.driver, "the controller's registers are not there");
	ehci.operational = capability + length;
	if (!reset() || !schedule_init(wide, &frames, &queues))
		driver_fail(&usb.driver, "the controller is not usable");
	if (wide)
		ehci_put(CTRLDSSEGMENT, 0);
	ehci_put(PERIODICLISTBASE, frames);
	ehci_put(ASYNCLISTADDR, queues);
	ehci_put(USBSTS, STATUS_ANY);
	ehci_put(USBINTR, INTERRUPTS);
	ehci_put(USBCMD, COMMAND_RUN | COMMAND_PERIODIC | COMMAND_ASYNC | COMMAND_AT_ONCE);
	if (!becomes(USBSTS, STATUS_HALTED, 0))
		driver_fail(&usb.driver, "the controller does not run");
	for (uint32_t port = 1; port <= ehci.port_count; port++)
		port_set(port, PORT_POWER, 0);
	driver_pause(&usb.driver, POWER_US);
	usb.ports_changed = UINT32_MAX >> (32 - ehci.port_count);
}
