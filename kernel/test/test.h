/* Shared by the parts of the first unit that tests the kernel. */
#pragma once

#include <holon/handoff.h>
#include <stdbool.h>
#include <holon/syscall.h>

/* Logs the result of a check; VALUE is shown when it failed. */
void report(bool passed, const char *name, int64_t value);
void test_guests(const struct handoff *boot, struct thread_page *page);
void test_random(const struct handoff *boot, struct thread_page *page);
