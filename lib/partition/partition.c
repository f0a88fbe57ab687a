/* See partition.h. */
#include "partition.h"

#include <string.h>
#include "filesystem/bytes.h"

#define MBR_ENTRIES   446u
#define TYPE_GPT      0xeeu
#define HEADER_BYTES  92u
#define ENTRY_BYTES   128u
#define READ_ONLY_BIT 60u

static const uint8_t basic_data[16] = {0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44,
                                       0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7};

/* CRC-32 as in IEEE 802.3, bit by bit: tables are short. */
uint32_t partition_crc32(uint32_t crc, const uint8_t *data, uint32_t bytes)
{
	while (bytes--) {
		crc ^= *data++;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return crc;
}

static bool add(const struct partition_disk *disk, struct partition *list, unsigned *count, uint64_t first,
                uint64_t sectors, uint32_t number)
{
	if (*count == PARTITIONS_MAX || !sectors || first >= disk->sectors || sectors > disk->sectors - first)
		return false;
	list[*count] = (struct partition){.first = first, .count = sectors, .number = number};
	(*count)++;
	return true;
}

/* ---- GPT ---- */

bool partition_gpt_header(const struct partition_disk *disk, uint64_t sector, uint8_t *buffer,
                          struct partition_gpt_header *header)
{
	uint32_t bytes, checksum;
	if (sector >= disk->sectors || !disk->read(disk->context, sector, buffer) ||
	    memcmp(buffer, "EFI PART", 8) != 0)
		return false;
	bytes = get32(buffer + 12);
	checksum = get32(buffer + 16);
	if (bytes < HEADER_BYTES || bytes > disk->sector_bytes)
		return false;
	memset(buffer + 16, 0, 4);
	if ((partition_crc32(~0u, buffer, bytes) ^ ~0u) != checksum || get64(buffer + 24) != sector)
		return false;
	*header = (struct partition_gpt_header){.first_usable = get64(buffer + 40),
	                                        .last_usable = get64(buffer + 48),
	                                        .table = get64(buffer + 72),
	                                        .entries = get32(buffer + 80),
	                                        .entry_bytes = get32(buffer + 84),
	                                        .checksum = get32(buffer + 88)};
	return header->entry_bytes >= ENTRY_BYTES && header->entry_bytes <= disk->sector_bytes &&
	       !(header->entry_bytes & (header->entry_bytes - 1)) && header->entries &&
	       header->entries <= PARTITION_ENTRIES_MAX && header->first_usable <= header->last_usable &&
	       header->last_usable < disk->sectors && header->table < disk->sectors;
}

static bool table_read(const struct partition_disk *disk, const struct partition_gpt_header *header,
                       uint8_t *buffer, struct partition *list, unsigned *count)
{
	const uint32_t per_sector = disk->sector_bytes / header->entry_bytes;
	uint32_t crc = ~0u;
	*count = 0;
	for (uint32_t i = 0; i < header->entries; i++) {
		uint64_t sector = header->table + i / per_sector;
		if (i % per_sector == 0 &&
		    (sector >= disk->sectors || !disk->read(disk->context, sector, buffer)))
			return false;
		const uint8_t *entry = buffer + (size_t)(i % per_sector) * header->entry_bytes;
		static const uint8_t unused[16];
		uint64_t first = get64(entry + 32), last = get64(entry + 40);
		crc = partition_crc32(crc, entry, header->entry_bytes);
		if (memcmp(entry, unused, 16) == 0 || first < header->first_usable ||
		    last > header->last_usable || first > last ||
		    !add(disk, list, count, first, last - first + 1, i + 1))
			continue;
		struct partition *made = &list[*count - 1];
		memcpy(made->type, entry, 16);
		made->read_only =
		    memcmp(entry, basic_data, 16) == 0 && get64(entry + 48) >> READ_ONLY_BIT & 1;
	}
	return (crc ^ ~0u) == header->checksum;
}

static bool gpt_scan(const struct partition_disk *disk, uint8_t *buffer, struct partition *list,
                     unsigned *count)
{
	const uint64_t places[2] = {1, disk->sectors - 1};
	for (unsigned i = 0; i < 2; i++) {
		struct partition_gpt_header header;
		if (partition_gpt_header(disk, places[i], buffer, &header) &&
		    table_read(disk, &header, buffer, list, count))
			return true;
	}
	*count = 0;
	return false;
}

/* ---- MBR ---- */

static bool is_extended(uint8_t type)
{
	return type == 5 || type == 0xf || type == 0x85;
}

/* A boot sector of a FAT or NTFS file system has code where a table would be; each entry of a table begins with 0 or 0x80. */
static bool is_table(const uint8_t *sector)
{
	bool any = false;
	if (get16(sector + 510) != 0xaa55)
		return false;
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *entry = sector + MBR_ENTRIES + 16 * (size_t)i;
		if (entry[0] & 0x7f)
			return false;
		any |= entry[4] && get32(entry + 12);
	}
	return any;
}

/* Each link of the chain has one partition, and says where the next is, counted from the chain's beginning. */
static void extended_scan(const struct partition_disk *disk, uint64_t start, uint8_t *buffer,
                          struct partition *list, unsigned *count)
{
	uint64_t at = start;
	uint32_t number = 5;
	for (unsigned steps = 0; steps < PARTITIONS_MAX; steps++) {
		if (at >= disk->sectors || !disk->read(disk->context, at, buffer) || !is_table(buffer))
			return;
		const uint8_t *entry = buffer + MBR_ENTRIES, *next = entry + 16;
		if (entry[4] && !is_extended(entry[4]) &&
		    add(disk, list, count, at + get32(entry + 8), get32(entry + 12), number)) {
			list[*count - 1].type[0] = entry[4];
			number++;
		}
		if (!is_extended(next[4]) || !get32(next + 8))
			return;
		at = start + get32(next + 8);
	}
}

enum partition_scheme partition_scan(const struct partition_disk *disk, uint8_t *buffer,
                                     struct partition *list, unsigned *count)
{
	uint8_t entries[64];
	*count = 0;
	if (disk->sector_bytes < 512 || disk->sector_bytes > PARTITION_SECTOR_MAX || disk->sectors < 4 ||
	    !disk->read(disk->context, 0, buffer) || !is_table(buffer))
		return PARTITION_NONE;
	memcpy(entries, buffer + MBR_ENTRIES, sizeof(entries));
	for (unsigned i = 0; i < 4; i++)
		if (entries[16 * i + 4] == TYPE_GPT)
			return gpt_scan(disk, buffer, list, count) ? PARTITION_GPT : PARTITION_NONE;
	uint64_t extended = 0;
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *entry = entries + 16 * (size_t)i;
		if (is_extended(entry[4]))
			extended = extended ? extended : get32(entry + 8);
		else if (entry[4] && add(disk, list, count, get32(entry + 8), get32(entry + 12), i + 1))
			list[*count - 1].type[0] = entry[4];
	}
	if (extended)
		extended_scan(disk, extended, buffer, list, count);
	return PARTITION_MBR;
}
