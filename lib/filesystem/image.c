/* See image.h. */
#include "image.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int image_read(void *context, uint64_t offset, void *buffer, size_t bytes)
{
	struct image *image = context;
	image->operations++;
	image->read += bytes;
	if (offset > image->bytes || bytes > image->bytes - offset)
		return -1;
	if (image->file < 0) {
		memcpy(buffer, image->memory + offset, bytes);
		return 0;
	}
	return pread(image->file, buffer, bytes, (off_t)offset) == (ssize_t)bytes ? 0 : -1;
}

static void log_add(struct image *image, uint64_t offset, const void *data, uint64_t bytes)
{
	if (image->log_count == image->log_room) {
		image->log_room = image->log_room ? image->log_room * 2 : 1024;
		image->log = realloc(image->log, image->log_room * sizeof(*image->log));
		if (!image->log)
			abort();
	}
	struct image_write *write = &image->log[image->log_count++];
	*write = (struct image_write){.offset = offset, .bytes = bytes, .epoch = image->flushes};
	if (data) {
		write->data = malloc(bytes);
		if (!write->data)
			abort();
		memcpy(write->data, data, bytes);
	}
}

static int image_write(void *context, uint64_t offset, const void *buffer, size_t bytes)
{
	struct image *image = context;
	image->operations++;
	image->written += bytes;
	if (image->failing || offset > image->bytes || bytes > image->bytes - offset)
		return -1;
	if (image->logging)
		log_add(image, offset, buffer, bytes);
	if (image->file < 0) {
		memcpy(image->memory + offset, buffer, bytes);
		return 0;
	}
	return pwrite(image->file, buffer, bytes, (off_t)offset) == (ssize_t)bytes ? 0 : -1;
}

static int image_flush(void *context)
{
	struct image *image = context;
	if (image->failing)
		return -1;
	if (image->logging)
		log_add(image, 0, 0, 0);
	image->flushes++;
	return 0;
}

bool image_open(struct image *image, const char *path, bool read_only, uint32_t sector_bytes,
                struct disk *disk)
{
	struct stat status;
	*image = (struct image){.file = open(path, read_only ? O_RDONLY : O_RDWR)};
	if (image->file < 0 || fstat(image->file, &status) < 0)
		return false;
	image->bytes = (uint64_t)status.st_size;
	*disk = (struct disk){.context = image,
	                      .bytes = image->bytes,
	                      .sector_bytes = sector_bytes,
	                      .read_only = read_only,
	                      .read = image_read,
	                      .write = image_write,
	                      .flush = image_flush};
	return true;
}

void image_memory(struct image *image, uint8_t *memory, uint64_t bytes, struct disk *disk)
{
	*image = (struct image){.file = -1, .memory = memory, .bytes = bytes};
	*disk = (struct disk){.context = image,
	                      .bytes = bytes,
	                      .sector_bytes = 512,
	                      .read = image_read,
	                      .write = image_write,
	                      .flush = image_flush};
}

void image_close(struct image *image)
{
	for (size_t i = 0; i < image->log_count; i++)
		free(image->log[i].data);
	free(image->log);
	if (image->file >= 0)
		close(image->file);
	*image = (struct image){.file = -1};
}

int64_t image_now(void)
{
	static int64_t now = 1700000000000000000;
	return now += 1000000;
}

void image_report(void *context, const char *text)
{
	if (context)
		fprintf(context, "%s\n", text);
}
