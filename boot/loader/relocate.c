/* See relocate.h. The list is as untrusted as the file: no place outside of the image is written, and no address leaves where it may be. */
#include "relocate.h"

#include <stdbool.h>

#include "little_endian.h"
#include "loader.h"

#define GIB (1ull << 30)
/* The direct map may begin at any GiB of the upper half that leaves room for all memory below the last 512 GiB, the kernel's. */
#define DIRECT_MAP_GIB (255ull << 9)

/* A number below PLACES, which has at most 32 bits, from 32 random ones. */
static uint64_t choose(uint64_t places, uint32_t random)
{
	return places * random >> 32;
}

uint32_t relocation_bits(uint64_t places)
{
	uint32_t bits = 0;
	while (places >>= 1)
		bits++;
	return bits;
}

void relocation_choose(struct relocation *relocation, const struct elf_layout *layout, uint64_t memory_end,
                       const uint32_t random[2])
{
	/* Up to the end of all addresses, less what lies behind the image, and a page. */
	uint64_t room = 0 - layout->virtual_base - HANDOFF_IMAGE_MAX - HANDOFF_WINDOW_BYTES - PAGE_SIZE;
	uint64_t memory = memory_end / GIB + 1;
	*relocation = (struct relocation){.image_places = 1, .direct_map_places = 1};
	if (layout->virtual_base < 0 - HANDOFF_IMAGE_MAX - HANDOFF_WINDOW_BYTES - PAGE_SIZE)
		relocation->image_places = room / PAGE_SIZE;
	if (memory < 4)
		memory = 4;
	if (memory < DIRECT_MAP_GIB)
		relocation->direct_map_places = DIRECT_MAP_GIB - memory;
	relocation->image = choose(relocation->image_places, random[0]) * PAGE_SIZE;
	relocation->direct_map = choose(relocation->direct_map_places, random[1]) * GIB;
}

struct list {
	const uint8_t *bytes;
	uint64_t left;
};

/* The next number; false where the list ends in the midst of it, or it has more than 28 bits. */
static bool number_next(struct list *list, uint32_t *number)
{
	*number = 0;
	for (uint32_t shift = 0; shift < 28 && list->left; shift += 7) {
		uint8_t byte = *list->bytes++;
		list->left--;
		*number |= (uint32_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

static void put(uint8_t *to, uint64_t value, uint32_t bytes)
{
	for (uint32_t i = 0; i < bytes; i++, value >>= 8)
		to[i] = (uint8_t)value;
}

/* Adds to each place of the next list, of that many bytes. */
static const char *add_to_each(struct list *list, const struct elf_layout *layout, uint8_t *to,
                               uint32_t bytes, uint64_t added)
{
	uint64_t place = UINT64_MAX;
	for (uint32_t distance;;) {
		if (!number_next(list, &distance))
			return "its relocations are cut off";
		if (!distance)
			return NULL;
		place += distance;
		if (place > layout->span - bytes)
			return "a relocation lies outside of it";
		uint64_t value = little_endian(to + place, bytes) + added;
		if (bytes == 4 && (value < 1ull << 31 || value >> 32))
			return "a relocation leaves the kernel's addresses";
		put(to + place, value, bytes);
	}
}

const char *relocation_apply(const struct relocation *relocation, const struct elf_layout *layout,
                             const void *bytes, uint64_t size, void *to)
{
	struct list list = {bytes, size};
	const char *why = add_to_each(&list, layout, to, 4, relocation->image);
	if (!why)
		why = add_to_each(&list, layout, to, 8, relocation->image);
	if (!why)
		why = add_to_each(&list, layout, to, 8, relocation->direct_map);
	return !why && list.left ? "behind its relocations there is more" : why;
}
