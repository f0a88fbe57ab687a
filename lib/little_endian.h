/* Numbers of any width in the bytes of tables and files, the lowest byte first. */
#pragma once

#include <stdint.h>

/*@ requires count <= 8 && \valid_read(bytes + (0 .. count - 1));
    assigns \nothing;
    ensures count == 2 ==> \result <= 0xffff;
    ensures count == 4 ==> \result <= 0xffffffff;
*/
static inline uint64_t little_endian(const uint8_t *bytes, unsigned count)
{
	uint64_t value = 0;

	/*@ loop invariant count <= \at(count, Pre);
	    loop invariant count == \at(count, Pre) ==> value == 0;
	    loop invariant count == \at(count, Pre) - 1 ==> value <= 0xff;
	    loop invariant count == \at(count, Pre) - 2 ==> value <= 0xffff;
	    loop invariant count == \at(count, Pre) - 3 ==> value <= 0xffffff;
	    loop invariant count == \at(count, Pre) - 4 ==> value <= 0xffffffff;
	    loop assigns count, value;
	    loop variant count;
	*/
	while (count--)
		value = value * 256 + bytes[count];
	return value;
}
