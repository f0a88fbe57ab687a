/* Keyboards and pointers on the machine, for input_test.py: what they tell goes to the log. */
#pragma once

#include <holon.h>

/* Waits for COUNT input devices of devmgr's at DEVICES, then writes "input: KIND CODE VALUE" for each event of theirs, until the escape key was
 * let go, or for a while. False: there were too few, or no end. */
bool input_check(handle_t devices, handle_t log, struct thread_page *page, unsigned count);
