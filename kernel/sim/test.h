/* Checks of the kernel's tests: one line each, as tools/run-tests reads them. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "machine.h"

static int test_failures;

static inline void test_result(bool passed, const char *name, const char *file, int line, long long got)
{
	if (passed) {
		printf("ok %s\n", name);
		return;
	}
	printf("not ok %s - %s:%d got %lld\n", name, file, line, got);
	test_failures++;
}

/* One reported check. */
#define TEST(name, condition) test_result(condition, name, __FILE__, __LINE__, 0)
#define TEST_EQUAL(name, value, expected)                                                                    \
	do {                                                                                                 \
		long long test_got = (long long)(value);                                                     \
		test_result(test_got == (long long)(expected), name, __FILE__, __LINE__, test_got);          \
	} while (0)
/* A step that the test needs; ends the program when it fails. */
#define NEED(condition)                                                                                      \
	do {                                                                                                 \
		if (!(condition)) {                                                                          \
			printf("not ok step - %s:%d %s\n", __FILE__, __LINE__, #condition);                  \
			exit(1);                                                                             \
		}                                                                                            \
	} while (0)
static inline handle_t need_handle(int64_t result, const char *file, int line)
{
	if (result <= 0) {
		printf("not ok step - %s:%d error %lld\n", file, line, (long long)result);
		exit(1);
	}
	return (handle_t)result;
}
#define NEED_HANDLE(result) need_handle(result, __FILE__, __LINE__)
