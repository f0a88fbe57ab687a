/* Other volumes than the loader's own, and what vouches for the loader: what the menus ask of UEFI. */
#pragma once

#include "efi.h"

void volumes_init(struct efi_system_table *system, efi_handle image);
