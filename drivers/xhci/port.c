/* Ports of the controller (xHCI, 4.19 and 5.4.8). See xhci.h. */
#include "xhci.h"

#define PORTSC(port)        (0x400u + ((port)-1u) * 0x10u)
#define PORT_CONNECTED      1u
#define PORT_ENABLED        2u
#define PORT_RESET          (1u << 4)
#define PORT_KEPT           0x0e00c200u /* what a write leaves as it is: power, indicator, what wakes */
#define PORT_CHANGES        0x00fe0000u
#define PORT_CONNECT_CHANGE (1u << 17)
#define PORT_RESET_CHANGE   (1u << 21)
#define RESET_TRIES         50u
#define RESET_TRY_US        20000u

bool hc_port(uint32_t port, bool *changed)
{
	uint32_t status = register_get(xhci.operational, PORTSC(port));

	register_put(xhci.operational, PORTSC(port), (status & PORT_KEPT) | (status & PORT_CHANGES));
	*changed = status & PORT_CONNECT_CHANGE;
	return status & PORT_CONNECTED;
}

bool hc_port_reset(uint32_t port, uint8_t *speed)
{
	uint32_t status = register_get(xhci.operational, PORTSC(port));

	/* A port of USB 3 trains by itself (xHCI, 4.19.1.2). */
	if (!(status & PORT_ENABLED)) {
		register_put(xhci.operational, PORTSC(port), (status & PORT_KEPT) | PORT_RESET);
		for (unsigned tries = 0; tries < RESET_TRIES; tries++) {
			driver_pause(&usb.driver, RESET_TRY_US);
			status = register_get(xhci.operational, PORTSC(port));
			if (status & PORT_RESET_CHANGE)
				break;
		}
		register_put(xhci.operational, PORTSC(port), (status & PORT_KEPT) | PORT_RESET_CHANGE);
		status = register_get(xhci.operational, PORTSC(port));
	}
	*speed = status >> 10 & 15;
	return status & PORT_CONNECTED && status & PORT_ENABLED;
}
