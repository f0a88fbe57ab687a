/* The TPM's registers on a PC, at FED40000h, locality 0: the FIFO interface (TIS) and the command response buffer. Every wait has an
 * end, after which the device counts as absent; nothing that it answers is longer than the caller's buffer. */
#include "../../loader/tpm.h"

#include "../../loader/loader.h"
#include "../../loader/string.h"

#define BASE 0xfed40000u
enum { TRIES = 3000000, HEADER = 10 };
enum { ACCESS = 0x00, INTERFACE = 0x30, STATUS = 0x18, FIFO = 0x24, IDENTITY = 0xf00 };
enum { ACCESS_REQUEST = 2, ACCESS_ACTIVE = 0x20, ACCESS_VALID = 0x80 };
enum { STATUS_READY = 0x40, STATUS_GO = 0x20, STATUS_DATA = 0x10, STATUS_EXPECT = 8, STATUS_VALID = 0x80 };
enum {
	LOCALITY_CONTROL = 0x08,
	CONTROL_REQUEST = 0x40,
	CONTROL_START = 0x4c,
	COMMAND_BYTES = 0x58,
	COMMAND_LOW = 0x5c
};
enum { ANSWER_BYTES = 0x64, ANSWER_LOW = 0x68, REQUEST_READY = 1, REQUEST_IDLE = 2 };

static bool buffered; /* a command response buffer */

static volatile uint8_t *bytes_at(uint32_t offset)
{
	return at(BASE + offset);
}

static uint32_t word(uint32_t offset)
{
	return *(volatile uint32_t *)at(BASE + offset);
}

static void word_set(uint32_t offset, uint32_t value)
{
	*(volatile uint32_t *)at(BASE + offset) = value;
}

static bool wait_byte(uint32_t offset, uint8_t mask, uint8_t value)
{
	for (unsigned i = 0; i < TRIES; i++)
		if ((*bytes_at(offset) & mask) == value)
			return true;
	return false;
}

static bool wait_clear(uint32_t offset, uint32_t mask)
{
	for (unsigned i = 0; i < TRIES; i++)
		if (!(word(offset) & mask))
			return true;
	return false;
}

bool tpm_device_init(void)
{
	uint32_t interface = word(INTERFACE);
	buffered = interface != ~0u && (interface & 15) == 1;
	if (buffered) {
		word_set(LOCALITY_CONTROL, 1);
		return true;
	}
	uint32_t identity = word(IDENTITY);
	if (identity == 0 || identity == ~0u)
		return false; /* nothing is there */
	*bytes_at(ACCESS) = ACCESS_REQUEST;
	return wait_byte(ACCESS, ACCESS_VALID | ACCESS_ACTIVE, ACCESS_VALID | ACCESS_ACTIVE);
}

static uint32_t burst(void)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t count = word(STATUS) >> 8 & 0xffff;
		if (count)
			return count;
	}
	return 0;
}

static bool fifo_read(uint8_t *to, size_t count)
{
	while (count) {
		uint32_t room = burst();
		if (!room || !wait_byte(STATUS, STATUS_VALID | STATUS_DATA, STATUS_VALID | STATUS_DATA))
			return false;
		for (; room && count; room--, count--)
			*to++ = *bytes_at(FIFO);
	}
	return true;
}

static size_t answer_size(const uint8_t *answer)
{
	size_t size = (size_t)answer[2] << 24 | (size_t)answer[3] << 16 | (size_t)answer[4] << 8 | answer[5];
	return size >= HEADER && size <= TPM_BUFFER_SIZE ? size : 0;
}

static size_t fifo_call(const uint8_t *command, size_t count, uint8_t *answer)
{
	size_t size = 0;
	*bytes_at(STATUS) = STATUS_READY;
	if (!wait_byte(STATUS, STATUS_READY, STATUS_READY))
		return 0;
	while (count) {
		uint32_t room = burst();
		if (!room)
			return 0;
		for (; room && count; room--, count--)
			*bytes_at(FIFO) = *command++;
	}
	*bytes_at(STATUS) = STATUS_GO;
	if (wait_byte(STATUS, STATUS_VALID | STATUS_DATA, STATUS_VALID | STATUS_DATA) &&
	    fifo_read(answer, HEADER)) {
		size = answer_size(answer);
		if (size && !fifo_read(answer + HEADER, size - HEADER))
			size = 0;
	}
	*bytes_at(STATUS) = STATUS_READY; /* done with it */
	return size;
}

static size_t buffer_call(const uint8_t *command, size_t count, uint8_t *answer)
{
	word_set(CONTROL_REQUEST, REQUEST_READY);
	if (!wait_clear(CONTROL_REQUEST, REQUEST_READY) || word(COMMAND_BYTES) < count ||
	    word(ANSWER_BYTES) < HEADER)
		return 0;
	volatile uint8_t *to = at(word(COMMAND_LOW)), *from = at(word(ANSWER_LOW));
	for (size_t i = 0; i < count; i++)
		to[i] = command[i];
	word_set(CONTROL_START, 1);
	if (!wait_clear(CONTROL_START, 1))
		return 0;
	for (size_t i = 0; i < HEADER; i++)
		answer[i] = from[i];
	size_t size = answer_size(answer);
	if (size > word(ANSWER_BYTES))
		size = 0;
	for (size_t i = HEADER; i < size; i++)
		answer[i] = from[i];
	word_set(CONTROL_REQUEST, REQUEST_IDLE);
	return size;
}

size_t tpm_device_call(const uint8_t *command, size_t count, uint8_t *answer)
{
	return buffered ? buffer_call(command, count, answer) : fifo_call(command, count, answer);
}
