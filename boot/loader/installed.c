/* See installed.h. A try is written down before anything of its slot is read: a system that takes the machine down with it has had
 * its try. */
#include "installed.h"

#include <partition/partition.h>
#include <slots/slots.h>

#include "loader.h"
#include "string.h"

enum { SECTOR = 512 };

static struct {
	struct partition slot[SLOTS], record;
	struct slots slots;
	unsigned tried, now;
} disk;

static bool sector_read(void *context, uint64_t sector, void *buffer)
{
	(void)context;
	return platform_disk_read(sector * SECTOR, buffer, SECTOR);
}

static uint64_t copy_position(unsigned copy)
{
	return disk.record.first * SECTOR + copy * SLOTS_COPY_BYTES;
}

/* False: a partition is missing. */
static bool partitions_find(const struct partition *list, unsigned count)
{
	unsigned slots = 0;
	disk.record.count = 0;
	for (unsigned i = 0; i < count; i++) {
		if (!memcmp(list[i].type, slots_type_slot, sizeof(list[i].type)) && slots < SLOTS)
			disk.slot[slots++] = list[i];
		if (!memcmp(list[i].type, slots_type_record, sizeof(list[i].type)) && !disk.record.count)
			disk.record = list[i];
	}
	return slots == SLOTS && disk.record.count * SECTOR >= SLOTS_COPIES * SLOTS_COPY_BYTES;
}

bool installed_open(void)
{
	static struct partition list[PARTITIONS_MAX];
	static uint8_t buffer[PARTITION_SECTOR_MAX], copies[SLOTS_COPIES][SLOTS_RECORD_BYTES];
	const struct partition_disk whole = {
	    .sectors = platform_disk_sectors(), .sector_bytes = SECTOR, .read = sector_read};
	unsigned count;
	if (!whole.sectors || partition_scan(&whole, buffer, list, &count) != PARTITION_GPT ||
	    !partitions_find(list, count))
		return false;
	for (unsigned i = 0; i < SLOTS_COPIES; i++)
		if (!platform_disk_read(copy_position(i), copies[i], sizeof(copies[i])))
			memset(copies[i], 0, sizeof(copies[i]));
	slots_read(&disk.slots, copies[0], copies[1]);
	disk.tried = 0;
	disk.now = (unsigned)slots_pick(&disk.slots, 0);
	return true;
}

static bool try_take(void)
{
	static uint8_t record[SLOTS_RECORD_BYTES];
	struct slot *slot = &disk.slots.slot[disk.now];
	if (!installed_on_trial() || !slot->tries)
		return true;
	slot->tries--;
	say("Slot %s is on trial; then it has %u more tries.", installed_name(), slot->tries);
	unsigned copy = slots_next(&disk.slots, record);
	return platform_disk_write(copy_position(copy), record, sizeof(record));
}

bool installed_next(void)
{
	int next;
	while ((next = slots_pick(&disk.slots, disk.tried)) >= 0) {
		disk.now = (unsigned)next;
		disk.tried |= 1u << next;
		if (try_take())
			return true;
		say("Slot %s is passed over: its try cannot be written down.", installed_name());
	}
	return false;
}

const char *installed_name(void)
{
	return disk.now ? "B" : "A";
}

uint64_t installed_size(void)
{
	return disk.slot[disk.now].count * SECTOR;
}

bool installed_read(uint64_t offset, void *to, uint64_t size)
{
	return offset <= installed_size() && size <= installed_size() - offset &&
	       platform_disk_read(disk.slot[disk.now].first * SECTOR + offset, to, size);
}

bool installed_on_trial(void)
{
	return slots_on_trial(&disk.slots, disk.now);
}
