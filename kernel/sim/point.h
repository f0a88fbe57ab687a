/* Seen by every source of the host's kernel (kernel/sim/module.mk): marked points, and a warning that the kernel does without. */
#pragma once

#pragma clang diagnostic ignored "-Wunused-parameter"

void host_point(void);
void host_unlock_point(void);
#define LOCK_POINT()   host_point()
#define UNLOCK_POINT() host_unlock_point()
