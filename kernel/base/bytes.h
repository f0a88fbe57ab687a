/* The kernel's two memory functions. Same meaning as in the C standard, so that the compiler may call them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memset(void *to, int value, size_t bytes);

/* The first word of a TABLE of 512 that is not 0, at or behind INDEX; 512: none. Eight at a time: sparse tables are the
 * rule. */
/*@ requires \valid_read(table + (0 .. 511)) && index <= 512;
    assigns \nothing;
    ensures index <= \result <= 512;
    ensures \result < 512 ==> table[\result] != 0;
    ensures \forall integer i; index <= i < \result ==> table[i] == 0;
*/
static inline unsigned table_next(const uint64_t *table, unsigned index)
{
	/*@ loop invariant \at(index, Pre) <= index <= 512;
	    loop invariant \forall integer i; \at(index, Pre) <= i < index ==> table[i] == 0;
	    loop assigns index;
	    loop variant 512 - index;
	*/
	while (index < 512 && !table[index]) {
		const uint64_t *t = table + index;

		index += index % 8 || t[1] | t[2] | t[3] | t[4] | t[5] | t[6] | t[7] ? 1 : 8;
	}
	return index;
}
