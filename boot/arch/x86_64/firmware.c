/* UEFI's state of the processor, which only 64-bit code can look at. */
#include "../../loader/arch.h"

#include <stddef.h>

const char *arch_firmware_check(void)
{
	uint64_t cr4;
	__asm__ volatile("movq %%cr4, %0" : "=r"(cr4));
	return cr4 & 1u << 12 ? "the firmware runs with five-level page tables, which Holon does not know."
	                      : NULL;
}
