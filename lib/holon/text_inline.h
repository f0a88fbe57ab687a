/* text.h, where copies and fills of a few bytes, whose count the compiler knows, are made in place. To it memcpy in a freestanding
 * program is a function like any other, which is called for four bytes, too: some 20 instructions. For code that reads fields
 * packet by packet; to be included behind headers that declare these functions. */
#pragma once

#include <text.h>

#define memcpy(to, from, size)  __builtin_memcpy(to, from, size)
#define memmove(to, from, size) __builtin_memmove(to, from, size)
#define memset(to, value, size) __builtin_memset(to, value, size)
