/* The few string functions that freestanding native programs need; the C standard's meaning. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memchr(const void *text, int value, size_t size);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t size);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);
char *strchr(const char *text, int value);
char *strrchr(const char *text, int value);
/* Copies at most SIZE-1 bytes and always terminates; false when TEXT was cut. */
/*@ requires 0 < size && \valid(to + (0 .. size - 1)) && is_text(text);
    requires \forall integer i; \separated(to + (0 .. size - 1), text + i);
    assigns to[0 .. size - 1];
    ensures \exists integer n; 0 <= n < size && to[n] == 0;
*/
bool text_copy(char *to, size_t size, const char *text);
