/* See i8042.h. */
#include "i8042.h"

#define DATA    0x60
#define COMMAND 0x64

enum status { OUTPUT_FULL = 0x01, INPUT_FULL = 0x02, FROM_MOUSE = 0x20 };
enum command {
	READ_CONFIGURATION = 0x20,
	WRITE_CONFIGURATION = 0x60,
	DISABLE_MOUSE = 0xa7,
	DISABLE_KEYBOARD = 0xad,
	ENABLE_KEYBOARD = 0xae,
};
enum configuration {
	KEYBOARD_INTERRUPT = 0x01,
	MOUSE_INTERRUPT = 0x02,
	KEYBOARD_OFF = 0x10,
	TRANSLATE = 0x40
};

#define ENABLE_SCANNING 0xf4
#define WAIT_READS      2000 /* of the status port, about 1 us each */
#define FLUSH_BYTES     32

static uint8_t status(const struct i8042 *controller)
{
	return (uint8_t)ioport_in(controller->command, COMMAND, 1);
}

static bool wait_for(const struct i8042 *controller, uint8_t bits, bool set)
{
	for (unsigned i = 0; i < WAIT_READS; i++)
		if (!(status(controller) & bits) != set)
			return true;
	return false;
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
	configuration |= KEYBOARD_INTERRUPT | TRANSLATE;
	configuration &= ~(uint32_t)(MOUSE_INTERRUPT | KEYBOARD_OFF);
	write_command(controller, WRITE_CONFIGURATION);
	write_data(controller, (uint8_t)configuration);
	write_command(controller, ENABLE_KEYBOARD);
	write_data(controller, ENABLE_SCANNING);
	if (wait_for(controller, OUTPUT_FULL, true))
		ioport_in(data, DATA, 1); /* its acknowledgement, 0xfa */
}

int i8042_read(struct i8042 *controller)
{
	while (controller->present) {
		uint8_t now = status(controller);
		if (!(now & OUTPUT_FULL) || now == 0xff)
			return -1;
		int byte = (int)ioport_in(controller->data, DATA, 1);
		if (!(now & FROM_MOUSE))
			return byte;
	}
	return -1;
}
