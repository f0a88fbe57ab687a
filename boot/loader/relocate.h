/* Where the kernel lies in its addresses: chosen anew at each boot, so that who finds a fault in it does not know where to aim.
 *
 * The kernel is linked to fixed addresses and uses them in 32 bits, which costs no instruction; its file says where such an address
 * stands (tools/relocations), and the loader adds to each. What lies at fixed distances from the image, the stacks and the
 * interrupt controllers' registers, moves with it; the direct map moves by itself.
 *
 * The relocations are a segment of type RELOCATE_SEGMENT that is not loaded: three lists of numbers, in bytes of seven bits, the lowest
 * first, of which all but a number's last have the top bit set. Each number is the distance from the place before (from one byte
 * before the image, at first), in ascending order; 0 ends the list. The places of the lists hold
 *   32 bits, sign-extended, of an address of the image;   64 bits of one;   64 bits of one in the direct map.
 */
#pragma once

#include <stdint.h>

#include "elf.h"

#define RELOCATE_SEGMENT 0x60000001u

/* What is added to the addresses that were linked; the direct map's, and how many places there were to choose from. */
struct relocation {
	uint64_t image, direct_map;
	uint64_t image_places, direct_map_places;
};

/* Chooses, for a kernel of that layout on a machine whose memory ends there, from RANDOM bits. */
void relocation_choose(struct relocation *relocation, const struct elf_layout *layout, uint64_t memory_end,
                       const uint32_t random[2]);
/* The logarithm to the base of 2, rounded down. */
uint32_t relocation_bits(uint64_t places);
/* Relocates the image of that layout, placed at TO, by LIST of SIZE bytes. NULL, or what is wrong: then parts of it are relocated. */
const char *relocation_apply(const struct relocation *relocation, const struct elf_layout *layout,
                             const void *list, uint64_t size, void *to);
