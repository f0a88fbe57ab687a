/* Other volumes than the loader's own, and what vouches for the loader: what the menus ask of UEFI. */
#pragma once

#include "efi.h"

enum { PATH_BYTES_MAX = 1024 };

/* The bytes of a device path before its end node; 0 where it is longer than half of PATH_BYTES_MAX. */
uint32_t path_length(const uint8_t *path);
/* An end node. */
void path_end(uint8_t *at);
void volumes_init(struct efi_system_table *system, efi_handle image);
