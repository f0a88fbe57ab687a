/* The two slots. Every step leaves a disk that starts: the record never points at bytes that are not there, and the slot that runs is
 * not written to. */
#include "install.h"

#include <stdlib.h>
#include <string.h>
#include "../../boot/loader/bundle.h"

enum { PIECE_SECTORS = 512 };

static bool sector_read(void *context, uint64_t sector, void *buffer)
{
	const struct disk *disk = context;
	return disk->read(disk->context, sector, buffer, 1);
}

struct partition_disk disk_partitions(const struct disk *disk)
{
	return (struct partition_disk){(void *)(uintptr_t)disk, disk->sectors, SECTOR, sector_read};
}

bool installation_read(struct installation *installation, const struct disk *disk)
{
	const struct partition_disk partitions = disk_partitions(disk);
	return installation_find(installation, &partitions);
}

struct bytes installation_manifest(const struct installation *installation, const struct disk *disk,
                                   unsigned slot)
{
	const struct partition *partition = &installation->slot[slot];
	struct bytes bytes = {0};
	struct bundle_header first;
	if (!disk_read_bytes(disk, partition->first * SECTOR, &first, sizeof(first)) ||
	    bundle_check(&first, partition->count * SECTOR))
		return bytes;
	const struct bundle_entry *entry = bundle_find(&first, BUNDLE_MANIFEST);
	if (!entry || !entry->size || entry->size > RECORD_BYTES_MAX)
		return bytes;
	bytes = (struct bytes){malloc(entry->size), entry->size};
	if (bytes.at &&
	    disk_read_bytes(disk, partition->first * SECTOR + entry->offset, bytes.at, bytes.count))
		return bytes;
	free(bytes.at);
	return (struct bytes){0};
}

int installation_running(const struct installation *installation, const struct disk *disk,
                         const uint8_t *manifest, size_t count)
{
	int found = -1;
	for (unsigned slot = 0; slot < SLOTS && found < 0; slot++) {
		struct bytes there = installation_manifest(installation, disk, slot);
		if (there.at && there.count == count && !memcmp(there.at, manifest, count))
			found = (int)slot;
		free(there.at);
	}
	return found;
}

bool record_write(const struct disk *disk, const struct partition *record, struct slots *slots)
{
	uint8_t sector[SECTOR];
	_Static_assert(SLOTS_RECORD_BYTES == SECTOR, "a record is one sector");
	const unsigned copy = slots_next(slots, sector);
	return disk->write(disk->context, record->first + copy * SLOTS_COPY_SECTORS, sector, 1) &&
	       disk->flush(disk->context);
}

/* 0, or what is wrong. */
static const char *record_keep(struct installation *installation, const struct disk *disk)
{
	return record_write(disk, &installation->record, &installation->slots)
	           ? 0
	           : "the disk cannot be written to";
}

/* The piece at OFFSET of [BYTES, + COUNT), its last sector filled up with zeros; how many sectors. */
static uint64_t piece_make(uint8_t *piece, const uint8_t *bytes, uint64_t count, uint64_t offset)
{
	const uint64_t left = count - offset, most = (uint64_t)PIECE_SECTORS * SECTOR,
	               part = left < most ? left : most;
	const uint64_t sectors = (part + SECTOR - 1) / SECTOR;
	memset(piece + part, 0, sectors * SECTOR - part);
	memcpy(piece, bytes + offset, part);
	return sectors;
}

bool write_checked(const struct disk *disk, uint64_t sector, const uint8_t *bytes, uint64_t count)
{
	static uint8_t piece[PIECE_SECTORS * SECTOR], back[PIECE_SECTORS * SECTOR];
	for (uint64_t done = 0; done < count; done += sizeof(piece)) {
		const uint64_t sectors = piece_make(piece, bytes, count, done);
		if (!disk->write(disk->context, sector + done / SECTOR, piece, sectors))
			return false;
	}
	if (!disk->flush(disk->context))
		return false;
	for (uint64_t done = 0; done < count; done += sizeof(piece)) {
		const uint64_t sectors = piece_make(piece, bytes, count, done);
		if (!disk->read(disk->context, sector + done / SECTOR, back, sectors) ||
		    memcmp(piece, back, sectors * SECTOR) != 0)
			return false;
	}
	return true;
}

/* Where an update goes: not over what runs, and where that is not known, not over what would start. */
static unsigned target_choose(const struct installation *installation, int running)
{
	return running >= 0 ? 1u - (unsigned)running : 1u - (unsigned)slots_pick(&installation->slots, 0);
}

const char *update_write(struct installation *installation, const struct disk *disk, int running,
                         struct bytes bundle, unsigned *slot)
{
	struct slots *slots = &installation->slots;
	const unsigned target = *slot = target_choose(installation, running);
	const struct partition *partition = &installation->slot[target];
	if (!slots->slot[1 - target].good)
		return "the system that is installed has not shown yet that it works, and the other slot is "
		       "what "
		       "there is to go back to: try again in a minute, or confirm it";
	if (bundle.count > partition->count * SECTOR)
		return "it is larger than a slot of this disk";
	slots_clear(slots, target);
	const char *why = record_keep(installation, disk);
	if (why)
		return why;
	if (!write_checked(disk, partition->first, bundle.at, bundle.count))
		return "the disk does not keep what is written to it: nothing was changed in what starts";
	slots_offer(slots, target, bundle.count);
	return record_keep(installation, disk);
}

const char *update_confirm(struct installation *installation, const struct disk *disk, unsigned slot)
{
	if (installation->slots.slot[slot].good)
		return 0;
	slots_confirm(&installation->slots, slot);
	return record_keep(installation, disk);
}

const char *update_back(struct installation *installation, const struct disk *disk, unsigned *slot)
{
	struct slots *slots = &installation->slots;
	*slot = 1u - (unsigned)slots_pick(slots, 0);
	if (!slots->slot[*slot].priority || !slots->slot[*slot].good)
		return "the other slot holds no system that has shown that it works";
	slots_prefer(slots, *slot);
	return record_keep(installation, disk);
}
