/* See tpm_port.h. */
#include "tpm_port.h"

enum fifo_register { ACCESS = 0x00, INTERFACE = 0x30, STATUS = 0x18, FIFO = 0x24, IDENTITY = 0xf00 };
enum access { ACCESS_REQUEST = 0x02, ACCESS_ACTIVE = 0x20, ACCESS_VALID = 0x80 };
enum status {
	STATUS_EXPECT = 0x08, /* more of the command */
	STATUS_DATA = 0x10,   /* more of the answer */
	STATUS_GO = 0x20,
	STATUS_READY = 0x40,
	STATUS_VALID = 0x80
};
enum buffer_register {
	LOCALITY_CONTROL = 0x08,
	CONTROL_REQUEST = 0x40,
	CONTROL_STATUS = 0x44,
	CONTROL_CANCEL = 0x48,
	CONTROL_START = 0x4c,
	COMMAND_BYTES = 0x58,
	COMMAND_LOW = 0x5c,
	COMMAND_HIGH = 0x60,
	ANSWER_BYTES = 0x64,
	ANSWER_LOW = 0x68,
	ANSWER_HIGH = 0x6c
};
enum { REQUEST_READY = 1, REQUEST_IDLE = 2, FATAL = 1, INTERFACE_BUFFER = 1, NOTHING = -1 };

#define BURST_SHIFT 8

static uint8_t byte_get(const struct tpm_port *port, uint32_t offset)
{
	return (uint8_t)port->get(port->context, offset, 1);
}

static uint32_t word_get(const struct tpm_port *port, uint32_t offset)
{
	return port->get(port->context, offset, 4);
}

static void byte_put(const struct tpm_port *port, uint32_t offset, uint8_t value)
{
	port->put(port->context, offset, 1, value);
}

static void word_put(const struct tpm_port *port, uint32_t offset, uint32_t value)
{
	port->put(port->context, offset, 4, value);
}

/* Until the bits MASK of the register of BYTES at OFFSET are VALUE. */
static bool wait_for(const struct tpm_port *port, uint32_t offset, unsigned bytes, uint32_t mask,
                     uint32_t value)
{
	for (unsigned look = 0; port->wait(port->context, look); look++)
		if ((port->get(port->context, offset, bytes) & mask) == value)
			return true;
	return false;
}

bool tpm_port_init(struct tpm_port *port)
{
	uint32_t interface = word_get(port, INTERFACE), identity = word_get(port, IDENTITY);

	port->buffered = interface != (uint32_t)NOTHING && (interface & 15) == INTERFACE_BUFFER;
	if (port->buffered) {
		word_put(port, LOCALITY_CONTROL, 1);
		if (!(word_get(port, CONTROL_START) & 1))
			return true;
		word_put(port, CONTROL_CANCEL, 1);
		bool ended = wait_for(port, CONTROL_START, 4, 1, 0);
		word_put(port, CONTROL_CANCEL, 0);
		return ended;
	}
	if (identity == 0 || identity == (uint32_t)NOTHING)
		return false;
	byte_put(port, ACCESS, ACCESS_REQUEST);
	if (!wait_for(port, ACCESS, 1, ACCESS_VALID | ACCESS_ACTIVE, ACCESS_VALID | ACCESS_ACTIVE))
		return false;
	byte_put(port, STATUS, STATUS_READY); /* a command that is under way ends with it */
	return wait_for(port, STATUS, 1, STATUS_READY, STATUS_READY);
}

static uint32_t size_in(const uint8_t *header)
{
	return (uint32_t)header[2] << 24 | (uint32_t)header[3] << 16 | (uint32_t)header[4] << 8 | header[5];
}

bool tpm_port_is_command(const uint8_t *command, size_t count)
{
	return count >= TPM_HEADER && size_in(command) == count;
}

/* How many bytes the FIFO takes or gives at once now; 0: none in time. It may be read byte by byte alone. */
static uint32_t burst(const struct tpm_port *port)
{
	for (unsigned look = 0; port->wait(port->context, look); look++) {
		uint32_t count = byte_get(port, STATUS + 1) | (uint32_t)byte_get(port, STATUS + 2)
		                                                  << BURST_SHIFT;
		if (count)
			return count;
	}
	return 0;
}

static bool fifo_write(const struct tpm_port *port, const uint8_t *command, size_t count)
{
	size_t done = 0;

	byte_put(port, STATUS, STATUS_READY);
	if (!wait_for(port, STATUS, 1, STATUS_READY, STATUS_READY))
		return false;
	while (done < count) {
		uint32_t room = burst(port);
		if (!room)
			return false;
		for (; room && done < count; room--)
			byte_put(port, FIFO, command[done++]);
		/* It expects more until it has the size that the header says. */
		if (!wait_for(port, STATUS, 1, STATUS_VALID, STATUS_VALID) ||
		    !(byte_get(port, STATUS) & STATUS_EXPECT) != (done == count))
			return false;
	}
	return true;
}

static bool fifo_read(const struct tpm_port *port, uint8_t *to, size_t count)
{
	while (count) {
		uint32_t room = burst(port);
		if (!room ||
		    !wait_for(port, STATUS, 1, STATUS_VALID | STATUS_DATA, STATUS_VALID | STATUS_DATA))
			return false;
		for (; room && count; room--, count--)
			*to++ = byte_get(port, FIFO);
	}
	return true;
}

static size_t fifo_call(const struct tpm_port *port, const uint8_t *command, size_t count, uint8_t *answer,
                        size_t room)
{
	size_t size = 0;

	if (fifo_write(port, command, count)) {
		byte_put(port, STATUS, STATUS_GO);
		if (wait_for(port, STATUS, 1, STATUS_VALID | STATUS_DATA, STATUS_VALID | STATUS_DATA) &&
		    fifo_read(port, answer, TPM_HEADER))
			size = size_in(answer);
	}
	if (size < TPM_HEADER || size > room || !fifo_read(port, answer + TPM_HEADER, size - TPM_HEADER))
		size = 0;
	byte_put(port, STATUS, STATUS_READY); /* done with it */
	return size;
}

/* Where a buffer of BYTES lies in the registers, by its address LOW and HIGH; 0: elsewhere, where nobody has mapped it. */
static uint32_t buffer_at(const struct tpm_port *port, uint32_t low, uint32_t high, uint32_t bytes)
{
	uint64_t offset = ((uint64_t)high << 32 | low) - port->base;

	return offset < TPM_PORT_REGISTERS && bytes <= TPM_PORT_REGISTERS - offset ? (uint32_t)offset : 0;
}

static bool buffer_go(const struct tpm_port *port, const uint8_t *command, size_t count)
{
	uint32_t bytes = word_get(port, COMMAND_BYTES);
	uint32_t to =
	    buffer_at(port, word_get(port, COMMAND_LOW), word_get(port, COMMAND_HIGH), (uint32_t)count);

	if (!to || bytes < count)
		return false;
	for (size_t i = 0; i < count; i++)
		byte_put(port, to + (uint32_t)i, command[i]);
	word_put(port, CONTROL_START, 1);
	return wait_for(port, CONTROL_START, 4, 1, 0) && !(word_get(port, CONTROL_STATUS) & FATAL);
}

/* The answer that is in the buffer: its size, or 0. */
static size_t buffer_take(const struct tpm_port *port, uint8_t *answer, size_t room)
{
	uint32_t bytes = word_get(port, ANSWER_BYTES);
	if (room > bytes)
		room = bytes;
	uint32_t from =
	    buffer_at(port, word_get(port, ANSWER_LOW), word_get(port, ANSWER_HIGH), (uint32_t)room);
	if (!from || room < TPM_HEADER)
		return 0;
	for (uint32_t i = 0; i < TPM_HEADER; i++)
		answer[i] = byte_get(port, from + i);
	uint32_t size = size_in(answer);
	if (size < TPM_HEADER || size > room)
		return 0;
	for (uint32_t i = TPM_HEADER; i < size; i++)
		answer[i] = byte_get(port, from + i);
	return size;
}

static size_t buffer_call(const struct tpm_port *port, const uint8_t *command, size_t count, uint8_t *answer,
                          size_t room)
{
	size_t size = 0;

	word_put(port, CONTROL_REQUEST, REQUEST_READY);
	if (wait_for(port, CONTROL_REQUEST, 4, REQUEST_READY, 0) && buffer_go(port, command, count))
		size = buffer_take(port, answer, room);
	word_put(port, CONTROL_REQUEST, REQUEST_IDLE);
	return size;
}

size_t tpm_port_call(struct tpm_port *port, const uint8_t *command, size_t count, uint8_t *answer,
                     size_t room)
{
	if (!tpm_port_is_command(command, count) || count > TPM_PORT_REGISTERS || room < TPM_HEADER)
		return 0;
	return port->buffered ? buffer_call(port, command, count, answer, room)
	                      : fifo_call(port, command, count, answer, room);
}
