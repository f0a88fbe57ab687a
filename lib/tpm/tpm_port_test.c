/* Tests of the TPM's registers against a model of a device with both interfaces, which can be made to fail in each way. */
#include <stdio.h>
#include <string.h>
#include "tpm_port.h"

#define BASE   0xfed40000u
#define BURST  7u
#define LOOKS  50u
#define BUFFER 0x80u

enum fault {
	NO_FAULT,
	ABSENT,
	NEVER_READY,
	NEVER_DONE,
	NO_ROOM,      /* no burst */
	LONG_ANSWER,  /* its header says more than anyone has room for */
	SHORT_ANSWER, /* less than a header */
	CUT_ANSWER,   /* less comes than the header says */
	FATAL,        /* the buffer's interface has failed */
	FAR_BUFFER,   /* its buffers are elsewhere in memory */
	SMALL_BUFFER, /* and small */
};

/* What it answers: the command's bytes from the code on, behind a header of its own. */
static struct model {
	bool buffered;
	enum fault fault;
	uint8_t buffer[0x1000], said[0x1000];
	uint32_t got, given, answer_bytes, calls, cancelled;
	bool ready, going;
} model;
static int failures;

static void check(const char *name, bool right)
{
	printf(right ? "ok %s\n" : "not ok %s - see the check of this name\n", name);
	failures += !right;
}

static void header(uint8_t *to, uint32_t size)
{
	uint8_t bytes[TPM_HEADER] = {
	    0x80, 1, (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size};
	memcpy(to, bytes, sizeof(bytes));
}

static void answer(const uint8_t *command, uint32_t count)
{
	uint32_t size = count + 4;
	model.calls++;
	memset(model.said, 0, sizeof(model.said));
	memcpy(model.said + TPM_HEADER, command + 6, count - 6);
	model.answer_bytes = model.fault == CUT_ANSWER ? size - 3 : size;
	header(model.said, model.fault == LONG_ANSWER ? 0xfffffff0u : model.fault == SHORT_ANSWER ? 4 : size);
	model.given = 0;
}

static uint32_t said_size(const uint8_t *command)
{
	return (uint32_t)command[4] << 8 | command[5];
}

static uint32_t fifo_get(uint32_t offset)
{
	bool data = model.given < model.answer_bytes;
	switch (offset) {
	case 0x00:
		return 0xa0;
	case 0x18:
		return 0x80 | (data && model.fault != NEVER_DONE ? 0x10u : 0) |
		       (model.ready && model.fault != NEVER_READY ? 0x40u : 0) |
		       (model.got < TPM_HEADER || model.got < said_size(model.buffer) ? 8u : 0);
	case 0x19:
		return model.fault == NO_ROOM ? 0 : BURST;
	case 0x24:
		return data ? model.said[model.given++] : 0xff;
	default:
		return 0;
	}
}

static uint32_t get(void *context, uint32_t offset, unsigned bytes)
{
	(void)context;
	if (model.fault == ABSENT)
		return ~0u >> (32 - 8 * bytes);
	if (!model.buffered)
		return offset == 0x30 ? ~0u : offset == 0xf00 ? 0x10001014u : fifo_get(offset);
	switch (offset) {
	case 0x30:
		return 1;
	case 0x40:
		return model.fault == NEVER_READY;
	case 0x44:
		return model.fault == FATAL;
	case 0x4c:
		return model.going;
	case 0x58:
	case 0x64:
		return model.fault == SMALL_BUFFER ? 8 : 0xf80;
	case 0x5c:
	case 0x68:
		return model.fault == FAR_BUFFER ? 0x7fff0000u : BASE + BUFFER;
	default:
		return bytes == 1 && offset >= BUFFER ? model.said[offset - BUFFER] : 0;
	}
}

static void fifo_put(uint32_t offset, uint8_t value)
{
	if (offset == 0x18 && value == 0x40) {
		model.ready = true;
		model.got = model.answer_bytes = 0;
	} else if (offset == 0x18 && value == 0x20) {
		answer(model.buffer, model.got);
	} else if (offset == 0x24 && model.got < sizeof(model.buffer)) {
		model.ready = false;
		model.buffer[model.got++] = value;
	}
}

static void put(void *context, uint32_t offset, unsigned bytes, uint32_t value)
{
	(void)context;
	if (!model.buffered) {
		fifo_put(offset, (uint8_t)value);
	} else if (offset == 0x4c) {
		model.going = model.fault == NEVER_DONE;
		if (!model.going)
			answer(model.buffer, said_size(model.buffer));
	} else if (offset == 0x48) {
		model.cancelled += value;
		model.going = model.going && !value;
	} else if (bytes == 1 && offset >= BUFFER) {
		model.buffer[offset - BUFFER] = (uint8_t)value;
	}
}

static bool wait(void *context, unsigned look)
{
	(void)context;
	return look < LOOKS;
}

static size_t call(bool buffered, enum fault fault, uint32_t count, size_t room)
{
	static struct tpm_port port;
	static uint8_t command[0x800];
	uint8_t said[0x800];
	model = (struct model){.buffered = buffered};
	port = (struct tpm_port){.get = get, .put = put, .wait = wait, .base = BASE};
	if (!tpm_port_init(&port))
		return ~0ul;
	model.fault = fault;
	for (uint32_t i = 0; i < count; i++)
		command[i] = (uint8_t)(i * 7);
	header(command, count);
	memset(said, 0, sizeof(said));
	size_t size = tpm_port_call(&port, command, count, said, room);
	if (size && (size != count + 4 || memcmp(said + TPM_HEADER, command + 6, count - 6) != 0))
		return ~0ul;
	/* After a failure that passes, a command goes as if nothing had been. */
	model.fault = NO_FAULT;
	if (!tpm_port_init(&port) || tpm_port_call(&port, command, count, said, sizeof(said)) != count + 4)
		return ~0ul - 1;
	return size;
}

int main(void)
{
	static const char *const names[] = {"no fault", "absent",        "never ready",    "never done",
	                                    "no room",  "a long answer", "a short answer", "a cut answer",
	                                    "failed",   "a far buffer",  "a small buffer"};
	struct tpm_port port = {.get = get, .put = put, .wait = wait, .base = BASE};
	char name[80];
	for (int buffered = 0; buffered < 2; buffered++) {
		const char *what = buffered ? "buffer" : "FIFO";
		bool all = true;
		for (uint32_t count = TPM_HEADER; count < 0x7f0; count += count < 40 ? 1 : 97)
			all = all && call(buffered, NO_FAULT, count, 0x800) == count + 4;
		snprintf(name, sizeof(name), "%s: commands of all sizes", what);
		check(name, all);
		snprintf(name, sizeof(name), "%s: no more than there is room for", what);
		check(name, call(buffered, NO_FAULT, 100, 103) == 0 &&
		                call(buffered, NO_FAULT, 100, 104) == 104 &&
		                call(buffered, NO_FAULT, 100, 9) == 0);
		for (enum fault fault = NEVER_READY; fault <= SMALL_BUFFER; fault++) {
			bool other = buffered ? fault == NO_ROOM || fault == CUT_ANSWER : fault >= FATAL;
			snprintf(name, sizeof(name), "%s: %s", what, names[fault]);
			if (!other)
				check(name, call(buffered, fault, 100, 0x800) == 0);
		}
	}
	check("buffer: what a driver before it began is cancelled",
	      call(true, NEVER_DONE, 20, 0x800) == 0 && model.cancelled == 1);
	model = (struct model){.fault = ABSENT};
	check("nothing there", !tpm_port_init(&port));
	uint8_t command[12] = {0x80, 1, 0, 0, 0, 13};
	check("a command that lies of its size",
	      !tpm_port_is_command(command, sizeof(command)) && !tpm_port_is_command(command, 3));
	return failures != 0;
}
