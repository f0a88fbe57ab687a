/* See installed.h. A try is written down before anything of its slot is read: a system that takes the machine down with it has had
 * its try. */
#include "installed.h"

#include <slots/installation.h>

#include "loader.h"

enum { SECTOR = SLOTS_RECORD_BYTES };

static struct {
	struct installation on;
	unsigned tried, now; /* a mask of slots; a slot */
} disk;

static bool sector_read(void *context, uint64_t sector, void *buffer)
{
	(void)context;
	return platform_disk_read(sector * SECTOR, buffer, SECTOR);
}

bool installed_open(void)
{
	const struct partition_disk whole = {
	    .sectors = platform_disk_sectors(), .sector_bytes = SECTOR, .read = sector_read};
	if (!whole.sectors || !installation_find(&disk.on, &whole))
		return false;
	disk.tried = 0;
	disk.now = (unsigned)slots_pick(&disk.on.slots, 0);
	return true;
}

static bool try_take(void)
{
	static uint8_t record[SLOTS_RECORD_BYTES];
	struct slot *slot = &disk.on.slots.slot[disk.now];
	if (!installed_on_trial() || !slot->tries)
		return true;
	slot->tries--;
	say("Slot %s is on trial; then it has %u more tries.", installed_name(), slot->tries);
	const uint64_t copy = slots_next(&disk.on.slots, record);
	return platform_disk_write((disk.on.record.first + copy * SLOTS_COPY_SECTORS) * SECTOR, record,
	                           sizeof(record));
}

bool installed_next(void)
{
	int next;
	while ((next = slots_pick(&disk.on.slots, disk.tried)) >= 0) {
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
	return disk.on.slot[disk.now].count * SECTOR;
}

bool installed_read(uint64_t offset, void *to, uint64_t size)
{
	return offset <= installed_size() && size <= installed_size() - offset &&
	       platform_disk_read(disk.on.slot[disk.now].first * SECTOR + offset, to, size);
}

bool installed_on_trial(void)
{
	return slots_on_trial(&disk.on.slots, disk.now);
}

bool installed_has_other(void)
{
	const unsigned other = 1 - disk.now;
	return disk.on.slots.slot[other].good && !(disk.tried >> other & 1);
}
