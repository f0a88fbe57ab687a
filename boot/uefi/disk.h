/* Finding the disk that the loader was started from (loader.h: platform_disk_). */
#pragma once

#include "efi.h"

void disk_init(struct efi_system_table *system, efi_handle image);
