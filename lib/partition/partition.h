/*
 * Partition tables: GPT (UEFI Specification 2.10, chapter 5) and MBR with extended partitions. No I/O of its own and no
 * allocation; what it reads is checked: a GPT by its checksums, both copies; an MBR by what it must be.
 *
 * Bounds: at most PARTITIONS_MAX partitions are given and PARTITION_ENTRIES_MAX entries of a GPT looked at; a chain of
 * extended partitions is followed for PARTITIONS_MAX steps.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PARTITIONS_MAX        60u
#define PARTITION_ENTRIES_MAX 1024u
#define PARTITION_SECTOR_MAX  4096u

struct partition_disk {
	void *context;
	uint64_t sectors;
	uint32_t sector_bytes; /* 512 to PARTITION_SECTOR_MAX, a power of two */
	/* One sector. False: it cannot be read. */
	bool (*read)(void *context, uint64_t sector, void *buffer);
};

struct partition {
	uint64_t first, count; /* sectors, within the disk */
	uint32_t number;       /* as other systems count: from 1 on; logical ones of an MBR from 5 on */
	uint8_t type[16];      /* GPT: as it is on the disk; MBR: the type in the first byte */
	bool read_only;        /* GPT: the attribute of basic data partitions */
};

enum partition_scheme { PARTITION_NONE = 0, PARTITION_MBR, PARTITION_GPT };

/* What a GPT's header says, all of it within the disk. */
struct partition_gpt_header {
	uint64_t first_usable, last_usable, table;
	uint32_t entries, entry_bytes, checksum;
};
/* Reads the GPT's header in SECTOR, which stays in BUFFER without its checksum. False: there is none, or it is wrong. */
bool partition_gpt_header(const struct partition_disk *disk, uint64_t sector, uint8_t *buffer,
                          struct partition_gpt_header *header);
/* GPT's checksum, of pieces: begins with ~0, and ~ of what the last piece gives is it. */
uint32_t partition_crc32(uint32_t crc, const uint8_t *data, uint32_t bytes);

/* Fills LIST, which has room for PARTITIONS_MAX, in order of numbers; *COUNT says how many. BUFFER has
 * PARTITION_SECTOR_MAX bytes. A disk without a table, or with one that makes no sense, has none. */
enum partition_scheme partition_scan(const struct partition_disk *disk, uint8_t *buffer,
                                     struct partition *list, unsigned *count);
