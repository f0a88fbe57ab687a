/* Disks and files of this machine as struct disk, and what the system that runs was verified with. */
#pragma once

#include "install.h"

enum { DISKS_MAX = 32, DISK_NAME_MAX = 64 };

struct device {
	struct disk disk;
	int file;
	char path[128];
};

/* Opens NAME, of /dev/block or a path. False: errno says why. */
bool device_open(struct device *device, const char *name, bool write);
void device_close(struct device *device);
/* Has its partitions looked for anew. */
void device_scan(const struct device *device);
/* The names of the whole disks; how many. */
unsigned device_names(char names[DISKS_MAX][DISK_NAME_MAX]);

/* The signed manifest of what runs, and whom it trusts. 0, or what is wrong. */
const char *system_trusted(struct trusted *trusted, struct bytes *manifest);
