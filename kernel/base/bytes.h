/* The kernel's few memory and string functions. Same meaning as in the C standard, so that the compiler may
 * call them. */
#pragma once

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *left, const void *right, size_t bytes);
size_t strlen(const char *text);
int strncmp(const char *left, const char *right, size_t limit);
