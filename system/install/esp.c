/* The EFI system partition as firmware wants it on disks (UEFI 2.10, 13.3): FAT32 (Microsoft FAT specification 1.03), a sector a cluster, each
 * directory one cluster, each file in one piece. All of it up to the last file's end is made in memory and written in one go. */
#include "install.h"

#include <filesystem/bytes.h>
#include <stdlib.h>
#include <string.h>

enum {
	RESERVED = 32,
	FAT_SECTORS = (ESP_SECTORS + 127) / 128, /* a little more than the clusters need */
	DATA = RESERVED + 2 * FAT_SECTORS,
	CLUSTERS = ESP_SECTORS - DATA,
	ROOT = 2,
	EFI,
	BOOT,
	HOLON,
	FILES,
	ENTRY = 32,
	FILES_MAX = 8,
	ATTRIBUTE_LABEL = 8,
	ATTRIBUTE_DIRECTORY = 0x10,
	ATTRIBUTE_FILE = 0x20,
	DATE = 0x5c21, /* 1 January 2026: a disk does not tell when it was made */
};
#define END_OF_CHAIN 0x0fffffffu

_Static_assert(CLUSTERS >= 65525, "FAT32 has at least so many clusters");

struct volume {
	uint8_t *bytes;
	uint64_t sectors; /* of it in BYTES */
	uint32_t next;    /* free cluster */
};

static uint8_t *cluster_at(const struct volume *volume, uint32_t cluster)
{
	return volume->bytes + (DATA + (uint64_t)cluster - 2) * SECTOR;
}

static void chain(const struct volume *volume, uint32_t cluster, uint32_t next)
{
	for (unsigned copy = 0; copy < 2; copy++)
		put32(volume->bytes + (RESERVED + copy * (uint64_t)FAT_SECTORS) * SECTOR +
		          4 * (size_t)cluster,
		      next);
}

/* The entry NAME in the directory in cluster DIRECTORY, at its first free place. */
static void entry_add(const struct volume *volume, uint32_t directory, const char name[11],
                      uint8_t attributes, uint32_t cluster, uint32_t bytes)
{
	uint8_t *entry = cluster_at(volume, directory);
	while (*entry)
		entry += ENTRY;
	memcpy(entry, name, 11);
	entry[11] = attributes;
	put16(entry + 16, DATE);
	put16(entry + 18, DATE);
	put16(entry + 20, (uint16_t)(cluster >> 16));
	put16(entry + 24, DATE);
	put16(entry + 26, (uint16_t)cluster);
	put32(entry + 28, bytes);
}

static void directory_make(const struct volume *volume, uint32_t parent, const char name[11],
                           uint32_t cluster)
{
	chain(volume, cluster, END_OF_CHAIN);
	entry_add(volume, parent, name, ATTRIBUTE_DIRECTORY, cluster, 0);
	entry_add(volume, cluster, ".          ", ATTRIBUTE_DIRECTORY, cluster, 0);
	entry_add(volume, cluster, "..         ", ATTRIBUTE_DIRECTORY, parent == ROOT ? 0 : parent, 0);
}

static uint32_t clusters_of(const struct bytes *bytes)
{
	return (uint32_t)((bytes->count + SECTOR - 1) / SECTOR);
}

static void file_make(struct volume *volume, const struct esp_file *file)
{
	const uint32_t first = volume->next, count = clusters_of(&file->bytes);
	for (uint32_t i = 0; i < count; i++)
		chain(volume, first + i, i + 1 < count ? first + i + 1 : END_OF_CHAIN);
	memcpy(cluster_at(volume, first), file->bytes.at, file->bytes.count);
	entry_add(volume, file->boot ? BOOT : HOLON, file->name, ATTRIBUTE_FILE, first,
	          (uint32_t)file->bytes.count);
	volume->next += count;
}

static void boot_sector_make(const struct volume *volume, uint64_t first)
{
	static const uint8_t jump[11] = {0xeb, 0x58, 0x90, 'H', 'O', 'L', 'O', 'N', ' ', ' ', ' '};
	static const uint8_t label[19] = {'H', 'O', 'L', 'O', 'N', ' ', 'E', 'F', 'I', ' ',
	                                  ' ', 'F', 'A', 'T', '3', '2', ' ', ' ', ' '};
	uint8_t *sector = volume->bytes, *information = volume->bytes + SECTOR;
	memcpy(sector, jump, sizeof(jump));
	put16(sector + 11, SECTOR);
	sector[13] = 1; /* sectors a cluster */
	put16(sector + 14, RESERVED);
	sector[16] = 2;    /* copies of the table */
	sector[21] = 0xf8; /* a fixed disk */
	put16(sector + 24, 63);
	put16(sector + 26, 255);
	put32(sector + 28, (uint32_t)first);
	put32(sector + 32, ESP_SECTORS);
	put32(sector + 36, FAT_SECTORS);
	put32(sector + 44, ROOT);
	put16(sector + 48, 1); /* the information sector */
	put16(sector + 50, 6); /* the copy of this one */
	sector[64] = 0x80;
	sector[66] = 0x29;
	put32(sector + 67, 0x486f6c6f);
	memcpy(sector + 71, label, sizeof(label));
	put16(sector + 510, 0xaa55);
	put32(information, 0x41615252);
	put32(information + 484, 0x61417272);
	put32(information + 488, CLUSTERS - (volume->next - 2)); /* free */
	put32(information + 492, volume->next);
	put32(information + 508, 0xaa550000);
	memcpy(volume->bytes + 6 * SECTOR, sector, 2 * SECTOR);
}

bool esp_write(const struct disk *disk, uint64_t first, const struct esp_file *files, unsigned count)
{
	uint64_t clusters = FILES - 2;
	for (unsigned i = 0; i < count; i++)
		clusters += clusters_of(&files[i].bytes);
	struct volume volume = {.sectors = DATA + clusters, .next = FILES};
	if (count > FILES_MAX || clusters > CLUSTERS)
		return false;
	volume.bytes = calloc(volume.sectors, SECTOR);
	if (!volume.bytes)
		return false;
	chain(&volume, 0, 0x0ffffff8);
	chain(&volume, 1, END_OF_CHAIN);
	chain(&volume, ROOT, END_OF_CHAIN);
	entry_add(&volume, ROOT, "HOLON EFI  ", ATTRIBUTE_LABEL, 0, 0);
	directory_make(&volume, ROOT, "EFI        ", EFI);
	directory_make(&volume, EFI, "BOOT       ", BOOT);
	directory_make(&volume, ROOT, "HOLON      ", HOLON);
	for (unsigned i = 0; i < count; i++)
		file_make(&volume, &files[i]);
	boot_sector_make(&volume, first);
	bool good = write_checked(disk, first, volume.bytes, volume.sectors * SECTOR);
	free(volume.bytes);
	return good;
}
