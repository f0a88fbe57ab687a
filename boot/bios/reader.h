/* The reader: the 30 KiB in low memory that real mode reaches. */
#pragma once

#include "bios.h"

extern uint8_t boot_drive, boot_sector_shift;
extern uint64_t start_tsc, medium_parts[4];

bool disk_read(uint64_t position, void *to, uint64_t size);
void reader_main(void);
