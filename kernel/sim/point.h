/* Marked points: seen by every source of the host's kernel (kernel/sim/module.mk). */
#pragma once

void host_point(void);
#define LOCK_POINT() host_point()
