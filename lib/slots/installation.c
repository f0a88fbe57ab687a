/* See installation.h. */
#include "installation.h"

#include <string.h>

/* False: a partition is missing. */
static bool partitions_find(struct installation *found, const struct partition *list, unsigned count)
{
	unsigned slots = 0;
	for (unsigned i = 0; i < count; i++) {
		if (!memcmp(list[i].type, slots_type_slot, sizeof(list[i].type)) && slots < SLOTS)
			found->slot[slots++] = list[i];
		if (!memcmp(list[i].type, slots_type_record, sizeof(list[i].type)) && !found->record.count)
			found->record = list[i];
	}
	return slots == SLOTS && found->record.count >= SLOTS_COPIES * SLOTS_COPY_SECTORS;
}

bool installation_find(struct installation *found, const struct partition_disk *disk)
{
	static struct partition list[PARTITIONS_MAX];
	static uint8_t buffer[PARTITION_SECTOR_MAX], copies[SLOTS_COPIES][SLOTS_RECORD_BYTES];
	unsigned count;
	memset(found, 0, sizeof(*found));
	if (disk->sector_bytes != SLOTS_RECORD_BYTES ||
	    partition_scan(disk, buffer, list, &count) != PARTITION_GPT ||
	    !partitions_find(found, list, count))
		return false;
	for (unsigned i = 0; i < SLOTS_COPIES; i++)
		if (!disk->read(disk->context, found->record.first + (uint64_t)i * SLOTS_COPY_SECTORS,
		                copies[i]))
			memset(copies[i], 0, sizeof(copies[i]));
	slots_read(&found->slots, copies[0], copies[1]);
	return true;
}
