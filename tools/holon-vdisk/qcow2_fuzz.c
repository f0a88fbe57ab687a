/*
 * Fuzzes the qcow2 reader. An odd first byte: the rest are an image. An even one: an image is made that is sound, with some of its
 * header's fields, tables and clusters as the input says; patches are laid over it, and memory may run out once.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "fuzz_faults.h"
#include "fuzz_input.h"
#include "qcow2.h"

#define CLUSTERS_MAX 24u
#define BITS_MAX     12u
#define COMPRESSED   (UINT64_C(1) << 62)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct image {
	const uint8_t *bytes;
	size_t size;
};

static int read_image(void *context, uint64_t offset, void *buffer, size_t size)
{
	const struct image *image = context;
	if (offset > image->size || size > image->size - offset)
		return -1;
	memcpy(buffer, image->bytes + offset, size);
	return 0;
}

static uint8_t take_byte(void)
{
	uint8_t byte;
	take(&byte, 1);
	return byte;
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
	value = htobe64(value);
	memcpy(at, &value, sizeof(value));
}

/* A cluster of zeroes or noise, compressed behind what is there; its entry. */
static uint64_t put_compressed(uint8_t *bytes, size_t *end, unsigned bits)
{
	static uint8_t plain[1u << BITS_MAX];
	z_stream stream = {
	    .next_in = plain, .avail_in = 1u << bits, .next_out = bytes + *end, .avail_out = 3u << BITS_MAX};
	memset(plain, take_byte(), sizeof(plain));
	if (deflateInit2(&stream, 9, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	if (deflate(&stream, Z_FINISH) != Z_STREAM_END)
		abort();
	deflateEnd(&stream);
	uint64_t offset = *end;
	*end += stream.total_out;
	uint64_t sectors = (*end - 1) / 512 - offset / 512 + take_byte() % 64u / 63;
	return COMPRESSED | sectors << (62 - (bits - 8)) | offset;
}

/* Header, L1 table, L2 table, clusters; the size of it all. */
static size_t make(uint8_t *bytes)
{
	unsigned bits = 9 + take_byte() % (BITS_MAX - 8);
	size_t cluster = (size_t)1 << bits;
	unsigned clusters = 1 + take_byte() % CLUSTERS_MAX;
	uint8_t version = take_byte();
	uint8_t odd = take_byte(); /* what of the header is refused */
	size_t end = 3 * cluster;
	put32(bytes, 0x514649fb);
	put32(bytes + 4, version == 255 ? 4 : 2 + (version & 1));
	put64(bytes + 8, odd == 1 ? 1000 : 0);
	put32(bytes + 20, odd == 2 ? take_byte() : bits);
	put64(bytes + 24, odd == 3 ? UINT64_C(1) << 47 : odd == 4 ? UINT64_C(1) << 40 : clusters * cluster);
	put32(bytes + 32, odd == 5);
	put32(bytes + 36, odd == 6 ? UINT32_MAX : clusters == 1 && odd == 7 ? 0 : 1);
	put64(bytes + 40, odd == 8 ? UINT64_C(1) << 40 : cluster);
	put64(bytes + 72, odd == 9 ? 4 : odd == 10 ? 8 : odd == 11 ? 1 : 0);
	put32(bytes + 96, 4);
	put32(bytes + 100, 112);
	bytes[104] = odd == 10 ? take_byte() & 1 : 0;
	put64(bytes + cluster, odd == 12   ? 0
	                       : odd == 13 ? 2 * cluster + 512
	                       : odd == 14 ? UINT64_C(1) << 40
	                                   : 2 * cluster);
	for (unsigned i = 0; i < clusters; i++) {
		uint64_t entry = 0;
		uint8_t kind = take_byte() % 8u;
		if (kind == 1)
			entry = 1;
		else if (kind == 2)
			entry = 512 | (uint64_t)cluster << 30;
		else if (kind == 3)
			entry = put_compressed(bytes, &end, bits);
		else if (kind == 4)
			entry = COMPRESSED | (uint64_t)take_byte() << 52 | end;
		else if (kind > 4) {
			end = (end + cluster - 1) / cluster * cluster;
			entry = end | UINT64_C(1) << 63;
			end += cluster;
		}
		put64(bytes + 2 * cluster + 8ul * i, entry);
	}
	size_t size = version & 2 ? end : (end + cluster - 1) / cluster * cluster;
	return odd == 15 ? 80 : size;
}

static void patch(uint8_t *bytes, size_t size)
{
	for (unsigned i = take_byte() % 4u; i && left; i--) {
		uint16_t at;
		take(&at, sizeof(at));
		uint8_t length = take_byte() % 9u;
		if (at + length < size)
			take(bytes + at, length);
	}
}

static void read_all(struct image *from)
{
	struct qcow2 image;
	if (!qcow2_open(&image, from, read_image)) {
		uint64_t clusters = (image.size >> image.cluster_bits) + 1;
		bool zero;
		for (uint64_t i = 0; i < clusters && i < 64; i++)
			(void)(qcow2_cluster(&image, i, &zero) != NULL);
		(void)(qcow2_cluster(&image, UINT64_MAX, &zero) != NULL);
	}
	qcow2_close(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bytes[(2 * CLUSTERS_MAX + 8) << BITS_MAX];
	struct image image = {data, size};
	input = data;
	left = size;
	uint8_t kind = take_byte();
	if (kind & 1) {
		image = (struct image){input, left};
	} else {
		memset(bytes, 0, sizeof(bytes));
		image = (struct image){bytes, make(bytes)};
		patch(bytes, image.size);
		memory_fault = kind & 2 ? 1u + take_byte() % 6u : 0;
	}
	read_all(&image);
	memory_fault = 0;
	return 0;
}
