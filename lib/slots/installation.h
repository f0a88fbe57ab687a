/* Where a disk that Holon was installed on has its slots and their record, and what that says. The loader and the installer find them by
 * this alone: what one writes to is what the other reads. Freestanding, without allocation. */
#pragma once

#include <partition/partition.h>

#include "slots.h"

enum { SLOTS_COPY_SECTORS = SLOTS_COPY_BYTES / SLOTS_RECORD_BYTES };

struct installation {
	struct partition slot[SLOTS], record;
	struct slots slots;
};

/* Whether Holon is installed on DISK, whose sectors are of SLOTS_RECORD_BYTES: a GPT has two slots, and a record with room for both
 * copies. A copy that cannot be read counts as none. Not for two threads at once. */
bool installation_find(struct installation *found, const struct partition_disk *disk);
