/* See i8042.h. */
#include "i8042.h"

#define DATA    0x60
#define COMMAND 0x64

enum status { OUTPUT_FULL = 0x01, INPUT_FULL = 0x02, FROM_MOUSE = 0x20 };
enum command {
	READ_CONFIGURATION = 0x20,
	WRITE_CONFIGURATION = 0x60,
	DISABLE_MOUSE = 0xa7,
	ENABLE_MOUSE = 0xa8,
	DISABLE_KEYBOARD = 0xad,
	ENABLE_KEYBOARD = 0xae,
	TO_MOUSE = 0xd4, /* the next byte */
};
/* The mouse's own: ibid., "Mouse". */
enum mouse_command {
	MOUSE_ID = 0xf2,
	MOUSE_RATE = 0xf3, /* and a number of reports a second */
	MOUSE_REPORT = 0xf4,
	MOUSE_DEFAULTS = 0xf6,
	MOUSE_ANSWER = 0xfa,
};
enum configuration {
	KEYBOARD_INTERRUPT = 0x01,
	MOUSE_INTERRUPT = 0x02,
	KEYBOARD_OFF = 0x10,
	MOUSE_OFF = 0x20,
	TRANSLATE = 0x40
};

#define ENABLE_SCANNING 0xf4
#define WAIT_READS      2000 /* of the status port, about 1 us each */
#define FLUSH_BYTES     32
#define ANSWER_READS    20000 /* a mouse answers within 25 ms */
#define WHEEL_ID        3 /* of mice that send a fourth byte, once they were asked for rates of 200, 100 and 80 */

static uint8_t status(const struct i8042 *controller)
{
	return (uint8_t)ioport_in(controller->command, COMMAND, 1);
}

static bool wait_long(const struct i8042 *controller, uint8_t bits, bool set, unsigned reads)
{
	for (unsigned i = 0; i < reads; i++)
		if (!(status(controller) & bits) != set)
			return true;
	return false;
}

static bool wait_for(const struct i8042 *controller, uint8_t bits, bool set)
{
	return wait_long(controller, bits, set, WAIT_READS);
}

static void write_command(const struct i8042 *controller, enum command value)
{
	wait_for(controller, INPUT_FULL, false);
	ioport_out(controller->command, COMMAND, 1, value);
}

static void write_data(const struct i8042 *controller, uint8_t value)
{
	wait_for(controller, INPUT_FULL, false);
	ioport_out(controller->data, DATA, 1, value);
}

/* What the mouse sends next; -1: nothing in time. */
static int mouse_answer(const struct i8042 *controller)
{
	if (!wait_long(controller, OUTPUT_FULL, true, ANSWER_READS))
		return -1;
	return (int)ioport_in(controller->data, DATA, 1);
}

static bool mouse_send(const struct i8042 *controller, uint8_t byte)
{
	write_command(controller, TO_MOUSE);
	write_data(controller, byte);
	return mouse_answer(controller) == MOUSE_ANSWER;
}

/* Before the keyboard is on, so that nothing comes between a command and its answer. False: there is no mouse. */
static bool mouse_init(struct i8042 *controller)
{
	static const uint8_t rates[] = {200, 100, 80, 100}; /* the last to stay */
	bool good = mouse_send(controller, MOUSE_DEFAULTS);
	controller->packet_bytes = 3;
	for (unsigned i = 0; i < sizeof(rates) && good; i++) {
		if (i == 3 && mouse_send(controller, MOUSE_ID) && mouse_answer(controller) == WHEEL_ID)
			controller->packet_bytes = 4;
		good = mouse_send(controller, MOUSE_RATE) && mouse_send(controller, rates[i]);
	}
	return good && mouse_send(controller, MOUSE_REPORT);
}

void i8042_init(struct i8042 *controller, handle_t data, handle_t command)
{
	controller->data = data;
	controller->command = command;
	controller->present = data && command && status(controller) != 0xff; /* an empty bus reads as ones */
	if (!controller->present)
		return;
	write_command(controller, DISABLE_KEYBOARD);
	write_command(controller, DISABLE_MOUSE);
	for (unsigned i = 0; i < FLUSH_BYTES && (status(controller) & OUTPUT_FULL); i++)
		ioport_in(data, DATA, 1);
	write_command(controller, READ_CONFIGURATION);
	if (!wait_for(controller, OUTPUT_FULL, true)) {
		controller->present = false;
		return;
	}
	uint32_t configuration = ioport_in(data, DATA, 1);
	configuration |= KEYBOARD_INTERRUPT | MOUSE_INTERRUPT | TRANSLATE;
	configuration &= ~(uint32_t)(KEYBOARD_OFF | MOUSE_OFF);
	write_command(controller, ENABLE_MOUSE);
	if (!mouse_init(controller)) {
		configuration = (configuration & ~(uint32_t)MOUSE_INTERRUPT) | MOUSE_OFF;
		write_command(controller, DISABLE_MOUSE);
	}
	write_command(controller, WRITE_CONFIGURATION);
	write_data(controller, (uint8_t)configuration);
	write_command(controller, ENABLE_KEYBOARD);
	write_data(controller, ENABLE_SCANNING);
	if (wait_for(controller, OUTPUT_FULL, true))
		ioport_in(data, DATA, 1); /* its acknowledgement, 0xfa */
}

int i8042_read(struct i8042 *controller, bool *from_mouse)
{
	if (!controller->present)
		return -1;
	uint8_t now = status(controller);
	if (!(now & OUTPUT_FULL) || now == 0xff)
		return -1;
	*from_mouse = now & FROM_MOUSE;
	return (int)ioport_in(controller->data, DATA, 1);
}
