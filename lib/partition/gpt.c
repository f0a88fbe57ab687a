/* See gpt.h. */
#include "gpt.h"

#include <string.h>
#include "filesystem/bytes.h"

enum {
	HEADER_BYTES = 92,
	TABLE_SECTORS = GPT_ENTRIES * GPT_ENTRY_BYTES / GPT_SECTOR,
	BACKUP_SECTORS = TABLE_SECTORS + 1,
	MBR_ENTRIES = 446,
	MBR_GPT = 0xee,
};

static void uuid_make(uint8_t *out, const uint8_t random[16])
{
	memcpy(out, random, 16);
	out[7] = (uint8_t)((out[7] & 0x0f) | 0x40);
	out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

void gpt_new(struct gpt *gpt, uint64_t sectors, const uint8_t id[16])
{
	*gpt = (struct gpt){.sectors = sectors,
	                    .table = 2,
	                    .first_usable = 2 + TABLE_SECTORS,
	                    .last_usable = sectors - BACKUP_SECTORS - 1};
	uuid_make(gpt->id, id);
}

static bool copy_read(struct gpt *gpt, const struct partition_disk *disk, uint64_t sector)
{
	uint8_t buffer[GPT_SECTOR];
	struct partition_gpt_header header;
	if (!partition_gpt_header(disk, sector, buffer, &header) || header.entries != GPT_ENTRIES ||
	    header.entry_bytes != GPT_ENTRY_BYTES || header.table > disk->sectors - TABLE_SECTORS)
		return false;
	*gpt = (struct gpt){.sectors = disk->sectors,
	                    .table = sector == 1 ? header.table : 2,
	                    .first_usable = header.first_usable,
	                    .last_usable = header.last_usable};
	memcpy(gpt->id, buffer + 56, sizeof(gpt->id));
	for (unsigned i = 0; i < TABLE_SECTORS; i++)
		if (!disk->read(disk->context, header.table + i, gpt->entries + (size_t)i * GPT_SECTOR))
			return false;
	if ((partition_crc32(~0u, gpt->entries, sizeof(gpt->entries)) ^ ~0u) != header.checksum)
		return false;
	/* What both copies need has to be free of partitions, as it is on a disk that did not change its size. */
	const uint64_t last = disk->sectors - BACKUP_SECTORS - 1;
	if (gpt->last_usable > last)
		gpt->last_usable = last;
	return gpt->table >= 2 && gpt->table + TABLE_SECTORS <= gpt->first_usable &&
	       gpt->first_usable <= gpt->last_usable;
}

static const uint8_t *entry_at(const struct gpt *gpt, unsigned i)
{
	return gpt->entries + (size_t)i * GPT_ENTRY_BYTES;
}

static bool entry_used(const struct gpt *gpt, unsigned i)
{
	static const uint8_t unused[16];
	return memcmp(entry_at(gpt, i), unused, sizeof(unused)) != 0;
}

bool gpt_read(struct gpt *gpt, const struct partition_disk *disk)
{
	if (disk->sector_bytes != GPT_SECTOR || disk->sectors < 4 * (uint64_t)GPT_ALIGN ||
	    (!copy_read(gpt, disk, 1) && !copy_read(gpt, disk, disk->sectors - 1)))
		return false;
	for (unsigned i = 0; i < GPT_ENTRIES; i++)
		if (entry_used(gpt, i) && get64(entry_at(gpt, i) + 40) > gpt->last_usable)
			return false;
	return true;
}

bool gpt_room(const struct gpt *gpt, uint64_t count, uint64_t *first)
{
	uint64_t at = gpt->first_usable;
	/* Each round either finds room or goes on behind a partition that is in the way. */
	for (unsigned round = 0; round <= GPT_ENTRIES; round++) {
		bool free = true;
		at = (at + GPT_ALIGN - 1) / GPT_ALIGN * GPT_ALIGN;
		if (!count || at > gpt->last_usable || count > gpt->last_usable - at + 1)
			return false;
		for (unsigned i = 0; i < GPT_ENTRIES && free; i++) {
			const uint64_t begin = get64(entry_at(gpt, i) + 32),
			               last = get64(entry_at(gpt, i) + 40);
			if (!entry_used(gpt, i) || last < begin || last < at || begin >= at + count)
				continue;
			free = false;
			at = last + 1;
		}
		if (free) {
			*first = at;
			return true;
		}
	}
	return false;
}

unsigned gpt_add(struct gpt *gpt, const uint8_t type[16], const uint8_t id[16], const char *name,
                 uint64_t first, uint64_t count)
{
	unsigned i = 0;
	while (i < GPT_ENTRIES && entry_used(gpt, i))
		i++;
	if (i == GPT_ENTRIES)
		return 0;
	uint8_t *entry = gpt->entries + (size_t)i * GPT_ENTRY_BYTES;
	memset(entry, 0, GPT_ENTRY_BYTES);
	memcpy(entry, type, 16);
	uuid_make(entry + 16, id);
	put64(entry + 32, first);
	put64(entry + 40, first + count - 1);
	for (unsigned c = 0; c < GPT_NAME_MAX && name[c]; c++)
		put16(entry + 56 + 2 * c, (uint8_t)name[c]);
	return i + 1;
}

/* The copy whose header is in sector OWN, with the other's in OTHER and its entries from TABLE on. */
static bool copy_write(const struct gpt *gpt, const struct gpt_writer *writer, uint64_t own, uint64_t other,
                       uint64_t table)
{
	uint8_t header[GPT_SECTOR] = {'E', 'F', 'I', ' ', 'P', 'A', 'R', 'T'};
	put32(header + 8, 0x00010000);
	put32(header + 12, HEADER_BYTES);
	put64(header + 24, own);
	put64(header + 32, other);
	put64(header + 40, gpt->first_usable);
	put64(header + 48, gpt->last_usable);
	memcpy(header + 56, gpt->id, sizeof(gpt->id));
	put64(header + 72, table);
	put32(header + 80, GPT_ENTRIES);
	put32(header + 84, GPT_ENTRY_BYTES);
	put32(header + 88, partition_crc32(~0u, gpt->entries, sizeof(gpt->entries)) ^ ~0u);
	put32(header + 16, partition_crc32(~0u, header, HEADER_BYTES) ^ ~0u);
	return writer->write(writer->context, table, gpt->entries, TABLE_SECTORS) &&
	       writer->write(writer->context, own, header, 1) && writer->flush(writer->context);
}

/* Whether the disk's first SECTOR says that a GPT is there. */
static bool is_protective(const uint8_t *sector)
{
	if (get16(sector + 510) != 0xaa55)
		return false;
	for (unsigned i = 0; i < 4; i++)
		if (sector[MBR_ENTRIES + 16 * i + 4] == MBR_GPT)
			return true;
	return false;
}

static bool protective_write(const struct gpt *gpt, const struct gpt_writer *writer)
{
	uint8_t sector[GPT_SECTOR];
	const uint64_t count = gpt->sectors - 1;
	if (!writer->read(writer->context, 0, sector, 1))
		return false;
	if (is_protective(sector))
		return true;
	uint8_t *entry = sector + MBR_ENTRIES;
	memset(entry, 0, 64);
	memcpy(entry, (const uint8_t[]){0, 0, 2, 0, MBR_GPT, 0xff, 0xff, 0xff}, 8);
	put32(entry + 8, 1);
	put32(entry + 12, count > UINT32_MAX ? UINT32_MAX : (uint32_t)count);
	put16(sector + 510, 0xaa55);
	return writer->write(writer->context, 0, sector, 1) && writer->flush(writer->context);
}

bool gpt_write(const struct gpt *gpt, const struct gpt_writer *writer)
{
	const uint64_t last = gpt->sectors - 1;
	return copy_write(gpt, writer, last, 1, last - TABLE_SECTORS) &&
	       copy_write(gpt, writer, 1, last, gpt->table) && protective_write(gpt, writer);
}
