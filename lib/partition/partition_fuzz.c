/* Fuzzes partition tables: the input is the first sectors of a disk, the last, and where a GPT is its checksums are made
 * right, so that what is behind them is reached. */
#include <stdlib.h>
#include <string.h>
#include "partition.h"

#define SECTORS 128u

static uint8_t image[SECTORS * 512];

static bool image_read(void *context, uint64_t sector, void *buffer)
{
	(void)context;
	if (sector >= SECTORS)
		abort(); /* it must not be asked for */
	memcpy(buffer, image + sector * 512, 512);
	return true;
}

static uint32_t crc32(const uint8_t *data, size_t bytes)
{
	uint32_t crc = ~0u;
	while (bytes--) {
		crc ^= *data++;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct partition_disk disk = {.sectors = SECTORS, .sector_bytes = 512, .read = image_read};
	static struct partition list[PARTITIONS_MAX];
	uint8_t buffer[PARTITION_SECTOR_MAX];
	unsigned count;
	if (!size)
		return 0;
	memset(image, 0, sizeof(image));
	memcpy(image, data + 1, size - 1 < sizeof(image) ? size - 1 : sizeof(image));
	if (data[0] & 1) {
		uint32_t entries, bytes;
		uint64_t table;
		static const uint8_t signature[8] = {'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T'};
		memcpy(image + 512, signature, sizeof(signature));
		image[510] = 0x55;
		image[511] = 0xaa;
		memcpy(&table, image + 512 + 72, 8);
		memcpy(&entries, image + 512 + 80, 4);
		memcpy(&bytes, image + 512 + 84, 4);
		uint64_t all = (uint64_t)entries * bytes;
		if (table < SECTORS && all <= (SECTORS - table) * 512) {
			uint32_t crc = crc32(image + table * 512, all);
			memcpy(image + 512 + 88, &crc, 4);
		}
		memset(image + 512 + 12, 0, 8);
		image[512 + 12] = 92;
		uint32_t crc = crc32(image + 512, 92);
		memcpy(image + 512 + 16, &crc, 4);
	}
	partition_scan(&disk, buffer, list, &count);
	for (unsigned i = 0; i < count; i++)
		if (list[i].first >= SECTORS || list[i].count > SECTORS - list[i].first || !list[i].count)
			abort();
	return 0;
}
