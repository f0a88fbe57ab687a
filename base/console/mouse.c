/* See mouse.h. */
#include "mouse.h"

#define BUTTONS   0x07u
#define ALWAYS    0x08u
#define NEGATIVE  0x10u /* of X; the bit above: of Y */
#define TOO_FAR   0xc0u
#define WAY_BITS  8u
#define BUTTONS_3 3u

/* Left, right, middle in the packet, and in the HID Usage Tables. */
static unsigned buttons(struct mouse *mouse, struct input_event *events)
{
	uint8_t now = mouse->packet[0] & BUTTONS, changed = now ^ mouse->buttons;
	unsigned count = 0;
	for (unsigned i = 0; i < BUTTONS_3; i++)
		if (changed >> i & 1)
			events[count++] = (struct input_event){
			    .type = INPUT_BUTTON, .code = (uint16_t)(i + 1), .value = now >> i & 1};
	mouse->buttons = now;
	return count;
}

static unsigned way(struct input_event *event, uint16_t axis, int32_t value)
{
	*event = (struct input_event){.type = INPUT_MOVE, .code = axis, .value = value};
	return value != 0;
}

unsigned mouse_take(struct mouse *mouse, uint8_t byte, unsigned bytes,
                    struct input_event events[MOUSE_EVENTS_MAX])
{
	if (!mouse->count && !(byte & ALWAYS))
		return 0;
	mouse->packet[mouse->count++] = byte;
	if (mouse->count < bytes)
		return 0;
	mouse->count = 0;
	const uint8_t *packet = mouse->packet;
	unsigned count = buttons(mouse, events);
	if (packet[0] & TOO_FAR) /* its counters ran over */
		return count;
	count +=
	    way(&events[count], INPUT_X, (int32_t)packet[1] - (packet[0] & NEGATIVE ? 1 << WAY_BITS : 0));
	/* Upwards is positive here, and negative there; of the wheel, towards the user. */
	count += way(&events[count], INPUT_Y,
	             (packet[0] & NEGATIVE << 1 ? 1 << WAY_BITS : 0) - (int32_t)packet[2]);
	if (bytes > 3)
		count += way(&events[count], INPUT_WHEEL, -(int32_t)(int8_t)packet[3]);
	return count;
}
