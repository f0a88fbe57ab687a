/* Whether a kernel that the loader moves is the same as one that the linker put there:
 *
 *     relocate_check KERNEL MOVED
 *
 * MOVED is linked from the same objects to another address, with its direct map elsewhere too. Relocations that are missing, or too many,
 * show as bytes that differ. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "elf.h"
#include "loader.h"
#include "relocate.h"

static void *file_read(const char *path, uint64_t *size)
{
	FILE *file = fopen(path, "rb");
	if (!file || fseek(file, 0, SEEK_END)) {
		perror(path);
		exit(2);
	}
	*size = (uint64_t)ftell(file);
	rewind(file);
	void *bytes = malloc(*size);
	if (!bytes || fread(bytes, 1, *size, file) != *size)
		exit(2);
	fclose(file);
	return bytes;
}

static uint8_t *place(const void *file, uint64_t size, struct elf_layout *layout)
{
	const char *why = elf_check(file, size, layout);
	if (why) {
		printf("not ok relocations - %s\n", why);
		exit(1);
	}
	uint8_t *image = malloc(layout->span);
	elf_place(file, layout, image);
	return image;
}

static uint64_t differences(const uint8_t *one, const uint8_t *other, uint64_t size)
{
	uint64_t count = 0;
	for (uint64_t i = 0; i < size; i++)
		if (one[i] != other[i] && count++ < 8)
			printf("# byte %lu of the image: %02x, linked there it is %02x\n", (unsigned long)i,
			       one[i], other[i]);
	return count;
}

int main(int count, char **arguments)
{
	if (count != 3)
		return 2;
	struct elf_layout linked, moved;
	uint64_t size, moved_size, list_size;
	const void *file = file_read(arguments[1], &size);
	uint8_t *image = place(file, size, &linked);
	uint8_t *wanted = place(file_read(arguments[2], &moved_size), moved_size, &moved);
	const void *list = elf_segment(file, size, RELOCATE_SEGMENT, &list_size);
	struct relocation relocation = {.image = moved.virtual_base - linked.virtual_base,
	                                .direct_map = 0xffffe4c2c0000000 - HANDOFF_DIRECT_MAP};
	if (!list || linked.span != moved.span || !relocation.image) {
		printf("not ok relocations of %s - there are none, or the two are not of one size\n",
		       arguments[1]);
		return 1;
	}
	if (!memcmp(image, wanted, linked.span)) {
		printf("not ok relocations of %s - the control: without them nothing differs\n",
		       arguments[1]);
		return 1;
	}
	const char *why = relocation_apply(&relocation, &linked, list, list_size, image);
	bool good = !why && !differences(image, wanted, linked.span);
	printf("%s relocations of %s: moved is as if linked there%s%s\n", good ? "ok" : "not ok",
	       arguments[1], why ? " - " : "", why ? why : "");
	return !good;
}
