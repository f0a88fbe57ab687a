/* One transfer of an open file, with the checks and the news to watchers that belong to it. */
#pragma once

#include "../include/file.h"

#define IO_MAX 0x7ffff000ull /* one call moves at most this */

int64_t do_read(struct file *file, struct io *io, int64_t *position);
int64_t do_write(struct file *file, struct io *io, int64_t *position);
