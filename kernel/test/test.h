/* Shared by the parts of the first unit that tests the kernel. */
#pragma once

#include <stdbool.h>
#include <holon/syscall.h>

/* Logs the result of a check; VALUE is shown when it failed. */
void report(bool passed, const char *name, int64_t value);
void test_guests(const struct boot_info *boot, struct thread_page *page);
void test_random(const struct boot_info *boot, struct thread_page *page);
