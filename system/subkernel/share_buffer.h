/* A client's buffer, for the test and the fuzzer of what serves a volume. */
#pragma once

#include <holon/file.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static uint8_t buffer[FILE_TRANSFER_MAX];

static bool put(void *context, uint64_t at, const void *bytes, uint64_t count)
{
	(void)context;
	if (count > sizeof(buffer) || at > sizeof(buffer) - count)
		return false;
	memcpy(buffer + at, bytes, count);
	return true;
}

static bool get(void *context, uint64_t at, void *bytes, uint64_t count)
{
	(void)context;
	if (count > sizeof(buffer) || at > sizeof(buffer) - count)
		return false;
	memcpy(bytes, buffer + at, count);
	return true;
}
