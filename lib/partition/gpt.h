/*
 * Changing a GPT (UEFI Specification 2.10, chapter 5), or making one: entries are kept as they are, whoever made them; new ones go
 * into free entries and free room. Disks with sectors of 512 bytes, tables of 128 entries of 128 bytes, as everybody makes them.
 *
 * gpt_write writes the backup first and the primary when that is on the disk: a power cut leaves one whole table, the old one or
 * the new one, that partition_scan finds.
 */
#pragma once

#include "partition.h"

enum { GPT_ENTRIES = 128, GPT_ENTRY_BYTES = 128, GPT_SECTOR = 512, GPT_ALIGN = 2048 /* sectors */ };
#define GPT_NAME_MAX 36

struct gpt {
	uint64_t sectors, table; /* of the disk; where the primary's entries begin */
	uint64_t first_usable, last_usable;
	uint8_t id[16];
	uint8_t entries[GPT_ENTRIES * GPT_ENTRY_BYTES];
};

struct gpt_writer {
	void *context;
	bool (*read)(void *context, uint64_t sector, void *buffer, uint64_t count);
	bool (*write)(void *context, uint64_t sector, const void *buffer, uint64_t count);
	bool (*flush)(void *context);
};

/* An empty table for a disk of SECTORS, at least 8,192. ID: random bytes, which become a version-4 UUID. */
void gpt_new(struct gpt *gpt, uint64_t sectors, const uint8_t id[16]);
/* Reads the disk's table. False: it has none that can be changed here. */
bool gpt_read(struct gpt *gpt, const struct partition_disk *disk);
/* Room for COUNT sectors, from an aligned sector on; false: there is none in one piece. */
bool gpt_room(const struct gpt *gpt, uint64_t count, uint64_t *first);
/* Makes an entry over [FIRST, + COUNT), which gpt_room gave. NAME: ASCII. Its number from 1 on; 0: all are in use. */
unsigned gpt_add(struct gpt *gpt, const uint8_t type[16], const uint8_t id[16], const char *name,
                 uint64_t first, uint64_t count);
/* Writes both copies, and the first sector's protective partition, whose other bytes stay. */
bool gpt_write(const struct gpt *gpt, const struct gpt_writer *writer);
