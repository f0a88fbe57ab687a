/* The little a program without a C library needs here: Linux system calls and memory functions. For the tests
 * only. */
#ifndef CRYPTO_FREESTANDING_BARE_H
#define CRYPTO_FREESTANDING_BARE_H

#include "crypto/util.h"

/* Reads until `room` bytes or the end; how many. */
size_t bare_read(void *out, size_t room);
_Noreturn void bare_exit(int status);
/* Points the thread pointer at a zeroed block, as the stack protector of Debian's libraries expects. */
void bare_thread_pointer(void);
/* The program. */
int bare_main(void);

#endif
