/* The reader against an image that mksysimg made (argument or SYSIMG_TEST_IMAGE), intact and with every kind
 * of damage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sysimg.h"

static int failures;

static void check(bool good, const char *name)
{
	printf("%s sysimg: %s\n", good ? "ok" : "not ok", name);
	failures += !good;
}

static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return 0;
	fseek(file, 0, SEEK_END);
	*size = (size_t)ftell(file);
	rewind(file);
	uint8_t *bytes = aligned_alloc(4096, (*size + 4095) / 4096 * 4096);
	if (fread(bytes, 1, *size, file) != *size)
		*size = 0;
	fclose(file);
	return bytes;
}

/* Walks everything that can be reached: must neither crash nor run for ever, whatever the bytes. */
static uint64_t walk(const struct sysimg *image, uint32_t directory, unsigned depth)
{
	uint64_t count = 0;
	const char *name;
	size_t length;
	int64_t node;
	for (uint64_t i = 0; depth < 64 && (node = sysimg_entry(image, directory, i, &name, &length)) >= 0;
	     i++) {
		count++;
		if (sysimg_lookup(image, directory, name, length) < 0)
			count += 1000000;
		if (count < 100000 && (image->nodes[node].mode & 0170000) == 0040000)
			count += walk(image, (uint32_t)node, depth + 1);
	}
	return count;
}

int main(void)
{
	size_t size = 0;
	uint8_t *bytes = read_file("build/host/test/sysimg_test.img", &size);
	struct sysimg image;
	if (!bytes || !size) {
		printf("not ok sysimg: no test image\n");
		return 1;
	}
	const char *wrong = sysimg_open(&image, bytes, size, true);
	check(!wrong, wrong ? wrong : "an intact image opens and verifies");
	if (wrong)
		return 1;
	int64_t node = sysimg_path(&image, "lib/sysimg/sysimg.c");
	check(node > 0, "a path is found");
	check(sysimg_path(&image, "/lib//sysimg/sysimg.c") == node, "extra slashes do not matter");
	check(sysimg_path(&image, "lib/sysimg/sysimg.d") < 0 &&
	          sysimg_path(&image, "lib/sysimg/sysimg.c/x") < 0,
	      "what is not there is not found");
	check(sysimg_verify(&image, (uint32_t)node), "its blocks match their digests");
	size_t source_size;
	uint8_t *source = read_file("lib/sysimg/sysimg.c", &source_size);
	check(source && source_size == image.nodes[node].size &&
	          memcmp(source, bytes + image.nodes[node].offset, source_size) == 0,
	      "its bytes are the file's, in place");
	check(walk(&image, 0, 0) == image.header->node_count - 1, "a walk meets every node once");

	bytes[image.nodes[node].offset + 17] ^= 1;
	check(!sysimg_verify(&image, (uint32_t)node), "a changed block is noticed");
	bytes[image.nodes[node].offset + 17] ^= 1;

	uint64_t metadata = image.header->data_offset;
	if (!metadata)
		return 1;
	bool caught = true;
	for (uint64_t at = 0; at < metadata; at += 131) {
		bytes[at] ^= 0x40;
		struct sysimg other;
		caught = caught && sysimg_open(&other, bytes, size, true);
		bytes[at] ^= 0x40;
	}
	check(caught, "a flipped bit anywhere in the metadata is refused");
	uint32_t seed = 12345;
	unsigned opened = 0;
	for (unsigned round = 0; round < 20000; round++) {
		uint64_t at[3];
		uint8_t was[3];
		for (unsigned i = 0; i < 3; i++) {
			seed = seed * 1664525 + 1013904223;
			at[i] = (seed >> 8) % (round % 2 ? 128 : metadata);
			was[i] = bytes[at[i]];
			bytes[at[i]] = (uint8_t)(seed >> 3);
		}
		struct sysimg other;
		if (!sysimg_open(&other, bytes, size, false)) {
			opened++;
			walk(&other, 0, 0);
			for (uint32_t i = 0; i < other.header->node_count; i += 3)
				sysimg_verify(&other, i);
		}
		for (unsigned i = 3; i-- > 0;)
			bytes[at[i]] = was[i];
	}
	check(opened > 0, "damaged metadata without its digest never leads outside the image");
	check(sysimg_open(&image, bytes, size - 4096, false) && sysimg_open(&image, bytes, 100, false),
	      "an image cut short is refused");
	free(source);
	free(bytes);
	return failures != 0;
}
