/* The wall clock at the start, from the PC's battery-backed clock (MC146818 and its descendants). */
#pragma once

#include <stdint.h>

/* Seconds from 1970 (UTC) to the kernel's start, by the clock behind PORTS (0x70 and 0x71); 0 where PORTS is
 * 0 or the clock holds no date. Takes at most two seconds of its time where the clock is just being updated.
 */
uint64_t realtime_at_boot(uint64_t ports);
