/* The input of a fuzzer that is read from front to back; what lies behind its end is zero. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const uint8_t *input;
static size_t left;

static void take(void *to, size_t bytes)
{
	size_t part = bytes < left ? bytes : left;
	memset(to, 0, bytes);
	if (part)
		memcpy(to, input, part);
	input += part;
	left -= part;
}
