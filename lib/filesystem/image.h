/* A disk in a file or in memory of the build host, for tests: with what was written since when, so that a power cut can
 * be played at any moment. */
#pragma once

#include "filesystem.h"

struct image_write {
	uint64_t offset, bytes;
	uint64_t epoch; /* flushes before it */
	uint8_t *data;  /* 0: a flush */
};

struct image {
	int file; /* -1: in memory */
	uint8_t *memory;
	uint64_t bytes;
	bool logging, failing; /* failing: every write fails from now on */
	uint64_t flushes, written, read, operations;
	struct image_write *log;
	size_t log_count, log_room;
};

/* The disk of the file PATH. False: it cannot be opened. */
bool image_open(struct image *image, const char *path, bool read_only, uint32_t sector_bytes,
                struct disk *disk);
void image_memory(struct image *image, uint8_t *memory, uint64_t bytes, struct disk *disk);
void image_close(struct image *image);
/* The wall clock of a test: rises with each call. */
int64_t image_now(void);
/* Prints what a file system reports; CONTEXT is a FILE, or 0 for none. */
void image_report(void *context, const char *text);
