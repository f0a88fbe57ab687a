/* The machine's block devices by name, as devmgr knows them. */
#pragma once

#include <holon.h>

/* The name of the INDEXth: its serial number where it has one, else devmgr's. DEVICES is devmgr's channel, or 0;
 * *NAME is good until the next call. */
int64_t blocks_name(handle_t devices, struct thread_page *page, uint32_t index, const char **name);
/* The block device NAME, which may lie in PAGE. E_NOT_FOUND: there is none. */
int64_t blocks_open(handle_t devices, struct thread_page *page, const char *name, handle_t *device);
/* Waits, a second at most, until the drivers of what is there at boot have told of it. */
void blocks_settle(handle_t devices, struct thread_page *page);
