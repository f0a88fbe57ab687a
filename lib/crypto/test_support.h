/*
 * What the library's tests share: one line a check (see tools/run-tests), hexadecimal, reproducible random
 * bytes.
 *
 * A test's main() runs its checks and returns test_finish().
 */
#ifndef CRYPTO_TEST_SUPPORT_H
#define CRYPTO_TEST_SUPPORT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sha3.h"

static unsigned test_failures __attribute__((unused));

/* One check: prints its line and counts a failure. The name is a format. */
__attribute__((format(printf, 2, 3), unused)) static bool check(bool passed, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	printf(passed ? "ok " : "not ok ");
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
	test_failures += !passed;
	return passed;
}

__attribute__((unused)) static int test_finish(void)
{
	fflush(stdout);
	return test_failures ? 1 : 0;
}

/* Decodes at most `capacity` bytes; returns how many, or -1 if the text is not hexadecimal. */
__attribute__((unused)) static long hex_decode(uint8_t *out, size_t capacity, const char *text)
{
	size_t length = strlen(text);
	if (length % 2 || length / 2 > capacity)
		return -1;
	for (size_t i = 0; i < length / 2; i++) {
		unsigned byte;
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return -1;
		out[i] = (uint8_t)byte;
	}
	return (long)(length / 2);
}

/* Whether `bytes` are those that `text` spells. */
__attribute__((unused)) static bool hex_equal(const uint8_t *bytes, size_t length, const char *text)
{
	if (strlen(text) != 2 * length)
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned byte;
		if (sscanf(text + 2 * i, "%2x", &byte) != 1 || bytes[i] != byte)
			return false;
	}
	return true;
}

/* The same bytes at every run: SHAKE128 of a label and a number. */
__attribute__((unused)) static void test_random(void *out, size_t length, const char *label, uint64_t number)
{
	struct shake shake;
	uint8_t bytes[8];
	store_le64(bytes, number);
	shake128_init(&shake);
	shake_absorb(&shake, label, strlen(label));
	shake_absorb(&shake, bytes, sizeof bytes);
	shake_finalize(&shake);
	shake_squeeze(&shake, out, length);
}

#endif
