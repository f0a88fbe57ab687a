/* A TPM whose registers say anything: every wait ends, and no answer is longer than its buffer. */
#include <stdlib.h>
#include "tpm_port.h"

#define BASE  0xfed40000u
#define LOOKS 3u

static const uint8_t *bytes;
static size_t left;

static uint32_t get(void *context, uint32_t offset, unsigned count)
{
	uint32_t value = 0;
	(void)context;
	/* Which interface it has is the first byte's say; all else is as it comes. */
	if (offset == 0x5c || offset == 0x68)
		value = BASE;
	for (unsigned i = 0; i < count && left; i++, left--)
		value ^= (uint32_t)*bytes++ << 8 * i;
	return value;
}

static void put(void *context, uint32_t offset, unsigned count, uint32_t value)
{
	(void)context;
	(void)value;
	if (offset + count > TPM_PORT_REGISTERS)
		abort();
}

static bool wait(void *context, unsigned look)
{
	(void)context;
	return look < LOOKS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t command[64] = {0x80, 1, 0, 0, 0, sizeof(command)};
	struct tpm_port port = {.get = get, .put = put, .wait = wait, .base = BASE};
	if (size < 2)
		return 0;
	size_t room = (size_t)data[0] * 8;
	uint8_t *answer = malloc(room + 1);
	bytes = data + 1;
	left = size - 1;
	if (answer && tpm_port_init(&port)) {
		size_t got = tpm_port_call(&port, command, sizeof(command), answer, room);
		if (got && (got < TPM_HEADER || got > room))
			abort();
	}
	free(answer);
	return 0;
}
