/*
 * Tree nodes and bitmaps in memory. They are written in place: the store makes everything since its last
 * flush durable as one step, so a dirty block may be written at any time. Buffers are dropped by cache_trim()
 * alone, between operations: pointers stay good within one.
 */
#include "internal.h"

static struct buffer **bucket(struct holonfs *fs, uint64_t block)
{
	return &fs->buffers[(block * 0x9e3779b97f4a7c15ull >> 40) & (fs->bucket_count - 1)];
}

static void age_remove(struct holonfs *fs, struct buffer *buffer)
{
	if (buffer->older)
		buffer->older->newer = buffer->newer;
	else
		fs->oldest = buffer->newer;
	if (buffer->newer)
		buffer->newer->older = buffer->older;
	else
		fs->newest = buffer->older;
}

static void age_add(struct holonfs *fs, struct buffer *buffer)
{
	buffer->older = fs->newest;
	buffer->newer = NULL;
	if (fs->newest)
		fs->newest->newer = buffer;
	else
		fs->oldest = buffer;
	fs->newest = buffer;
}

static struct buffer *find(struct holonfs *fs, uint64_t block)
{
	struct buffer *buffer = *bucket(fs, block);
	while (buffer && buffer->block != block)
		buffer = buffer->hash_next;
	if (buffer && fs->newest != buffer) {
		age_remove(fs, buffer);
		age_add(fs, buffer);
	}
	return buffer;
}

static struct buffer *add(struct holonfs *fs, uint64_t block)
{
	struct buffer *buffer = calloc(1, sizeof(*buffer));
	if (!buffer)
		return NULL;
	buffer->block = block;
	buffer->hash_next = *bucket(fs, block);
	*bucket(fs, block) = buffer;
	age_add(fs, buffer);
	fs->buffer_count++;
	return buffer;
}

static void forget(struct holonfs *fs, struct buffer *buffer)
{
	struct buffer **link = bucket(fs, buffer->block);
	while (*link != buffer)
		link = &(*link)->hash_next;
	*link = buffer->hash_next;
	age_remove(fs, buffer);
	fs->buffer_count--;
	fs->dirty_count -= buffer->dirty;
	free(buffer);
}

int cache_get(struct holonfs *fs, uint64_t block, struct buffer **result)
{
	*result = find(fs, block);
	if (*result)
		return 0;
	if (block >= fs->store.blocks)
		return fs_interrupt(fs, -EUCLEAN);
	struct buffer *buffer = add(fs, block);
	if (!buffer)
		return fs_interrupt(fs, -ENOMEM);
	int status = fs->store.read(fs->store.context, block, 1, buffer->bytes);
	if (status < 0) {
		forget(fs, buffer);
		return fs_interrupt(fs, status);
	}
	*result = buffer;
	return 0;
}

int cache_new(struct holonfs *fs, uint64_t block, struct buffer **result)
{
	struct buffer *buffer = find(fs, block);
	if (!buffer)
		buffer = add(fs, block);
	if (!buffer)
		return fs_interrupt(fs, -ENOMEM);
	memset(buffer->bytes, 0, sizeof(buffer->bytes));
	buffer->checked = true;
	cache_dirty(fs, buffer);
	*result = buffer;
	return 0;
}

void cache_dirty(struct holonfs *fs, struct buffer *buffer)
{
	fs->dirty_count += !buffer->dirty;
	buffer->dirty = true;
	fs->changing = true;
}

void cache_drop(struct holonfs *fs, uint64_t block)
{
	struct buffer *buffer = find(fs, block);
	if (buffer)
		forget(fs, buffer);
}

static int write_back(struct holonfs *fs, struct buffer *buffer)
{
	int status = fs->store.write(fs->store.context, buffer->block, 1, buffer->bytes);
	if (status < 0)
		return fs_fail(fs, status);
	buffer->dirty = false;
	fs->dirty_count--;
	return 0;
}

/* From the newest on: a dirty one was used since the last time, so that what was not is not looked at. */
int cache_write(struct holonfs *fs)
{
	for (struct buffer *buffer = fs->newest; buffer && fs->dirty_count; buffer = buffer->older)
		if (buffer->dirty)
			TRY(write_back(fs, buffer));
	return 0;
}

int cache_trim(struct holonfs *fs)
{
	struct buffer *next;
	for (struct buffer *buffer = fs->oldest; buffer && fs->buffer_count > fs->buffer_limit;
	     buffer = next) {
		if (buffer->dirty)
			TRY(write_back(fs, buffer));
		next = buffer->newer;
		forget(fs, buffer);
	}
	return 0;
}

void cache_free(struct holonfs *fs)
{
	for (struct buffer *buffer = fs->oldest, *next; buffer; buffer = next) {
		next = buffer->newer;
		free(buffer);
	}
	free(fs->buffers);
}
