/* Native programs on newlib: main(argc, argv) with the manifest's arguments, printf to the kernel log
 * (capability "log"), malloc from the unit's quota, math, and threads. What needs more of the system uses
 * lib/holon beside it.
 */
#pragma once

#include <holon.h>

/* The program's start page. */
extern const struct start_info *native_start;

/* The calling thread's page, for interface stubs. */
struct thread_page *native_page(void);

/* Starts ENTRY(ARGUMENT) in a new thread on the budget "budget0" with STACK_BYTES of stack. When ENTRY
 * returns, the bits DONE_BITS of the event DONE are signalled and the thread ends. 0 or a negative enum
 * holon_error. */
int64_t native_thread_start(void (*entry)(void *), void *argument, uint64_t stack_bytes, handle_t done,
                            uint64_t done_bits);

int main(int argument_count, char **arguments);
