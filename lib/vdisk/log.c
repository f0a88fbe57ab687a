/*
 * The commit log: what makes everything since the last flush durable in one step, by writing one block (or a
 * few) behind the data and flushing once.
 *
 * A record is a chain of blocks, sealed under the log's key with their sequence number, each naming the place
 * of the next. It lists what changed in the map: ranges that were discarded, then entries as they are now.
 * All blocks of a record and the data it names are written before one flush, in any order; so the last record
 * that is found after a crash counts only if all its data opens. A record that another follows needs no such
 * test: the other was written after the flush.
 */
#include "internal.h"

#define LOG_ITEMS  84u
#define LOG_LAST   1u
#define RECORD_MAX ((EPOCH_KEYS_MAX + EPOCH_RANGES_MAX) / LOG_ITEMS + 2)
#define REPLAY_MAX (LOG_BLOCKS_MAX + RECORD_MAX)

struct log_block {
	uint64_t sequence, next, volume;
	uint32_t flags, count;
	uint8_t reserved[16];
	struct entry
	    items[LOG_ITEMS]; /* place 0: a discard of as many blocks as the secret's first 8 bytes say */
};
_Static_assert(sizeof(struct log_block) == VDISK_BLOCK - TAG_SIZE, "a log block fills a block");

int log_free(struct vdisk *disk)
{
	for (size_t i = 0; i < disk->log_count; i++)
		TRY(space_drop(disk, disk->log_blocks[i]));
	disk->log_count = 0;
	return VDISK_OK;
}

int log_start(struct vdisk *disk)
{
	if (disk->random(disk->log_key, sizeof(disk->log_key)) < 0)
		return VDISK_IO;
	TRY(space_allocate(disk, &disk->log_first));
	disk->log_blocks[0] = disk->log_next = disk->log_first;
	disk->log_count = 1;
	disk->log_sequence = 0;
	return VDISK_OK;
}

void epoch_note(struct vdisk *disk, uint64_t key)
{
	disk->epoch_changed = disk->changed = true;
	if (disk->epoch_key_count < EPOCH_KEYS_MAX)
		disk->epoch_keys[disk->epoch_key_count++] = key;
	else
		disk->epoch_overflow = true;
}

void epoch_note_range(struct vdisk *disk, uint64_t first, uint64_t count)
{
	disk->epoch_changed = disk->changed = true;
	if (disk->epoch_range_count) {
		struct range *last = &disk->epoch_ranges[disk->epoch_range_count - 1];
		if (last->first + last->count == first) {
			last->count += count;
			return;
		}
	}
	if (disk->epoch_range_count < EPOCH_RANGES_MAX)
		disk->epoch_ranges[disk->epoch_range_count++] = (struct range){first, count};
	else
		disk->epoch_overflow = true;
}

static int compare_keys(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a;
	uint64_t right = *(const uint64_t *)b;
	return (left > right) - (left < right);
}

static size_t sort_keys(uint64_t *keys, size_t count)
{
	size_t kept = 0;
	bool sorted = true;
	for (size_t i = 1; i < count && sorted; i++)
		sorted = keys[i - 1] < keys[i];
	if (sorted)
		return count;
	qsort(keys, count, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < count; i++)
		if (!i || keys[i] != keys[i - 1])
			keys[kept++] = keys[i];
	return kept;
}

static struct entry discard_item(uint64_t first, uint64_t count)
{
	struct entry item = {.key = first};
	memcpy(item.secret, &count, sizeof(count));
	return item;
}

int log_append(struct vdisk *disk)
{
	static const struct log_block empty;
	struct log_block block;
	uint8_t sealed[VDISK_BLOCK];
	size_t keys = disk->epoch_key_count = sort_keys(disk->epoch_keys, disk->epoch_key_count);
	size_t ranges = SEEDED(BUG_DISCARD_NOT_LOGGED) ? 0 : disk->epoch_range_count;
	size_t total = ranges + keys;
	size_t at = 0;
	do {
		block = empty;
		for (; at < total && block.count < LOG_ITEMS; at++) {
			struct entry *item = &block.items[block.count++];
			if (at < ranges) {
				*item =
				    discard_item(disk->epoch_ranges[at].first, disk->epoch_ranges[at].count);
				continue;
			}
			TRY(tree_find(disk, &disk->map, disk->epoch_keys[at - ranges], item));
			if (!item->place)
				*item = discard_item(disk->epoch_keys[at - ranges], 1);
		}
		block.sequence = ++disk->log_sequence;
		block.volume = disk->volume.number;
		block.flags = at == total ? LOG_LAST : 0;
		uint64_t place = disk->log_next;
		TRY(space_allocate(disk, &disk->log_next));
		disk->log_blocks[disk->log_count++] = disk->log_next;
		block.next = disk->log_next;
		cipher_seal_log(disk, block.sequence, &block, sealed);
		TRY(legs_write(disk, place, sealed, 1));
	} while (at < total);
	memset(&block, 0, sizeof(block));
	if (!SEEDED(BUG_NO_LOG_FLUSH))
		TRY(legs_flush(disk));
	return VDISK_OK;
}

/* ---- Replay ---- */

struct replay {
	struct entry *items;
	size_t count, room;
	size_t complete; /* items of complete records */
	size_t last;     /* where the last complete record begins */
	bool certain;    /* the last complete record is durable for sure */
	uint64_t sequence, last_sequence, previous_sequence; /* read; at the end of the last two records */
	unsigned records;
};

static bool read_block(struct vdisk *disk, uint64_t place, uint64_t sequence, struct log_block *block)
{
	uint8_t sealed[VDISK_BLOCK];
	for (unsigned i = 0; i < disk->leg_count; i++)
		if (leg_read(disk, i, place, sealed, 1) == 0 &&
		    cipher_open_log(disk, sequence, sealed, block) && block->sequence == sequence &&
		    block->count <= LOG_ITEMS && block->volume == disk->volume.number)
			return true;
	return false;
}

static int collect(struct vdisk *disk, struct replay *replay)
{
	struct log_block block;
	uint64_t place = disk->log_first;
	for (unsigned i = 0; i < REPLAY_MAX; i++) {
		if (place < FIRST_FREE_BLOCK || !read_block(disk, place, replay->sequence + 1, &block))
			return VDISK_OK;
		TRY(space_hold(disk, place));
		replay->sequence++;
		replay->certain = true; /* of the record before: this one was written after its flush */
		if (replay->count + block.count > replay->room) {
			size_t room = replay->room * 2 + LOG_ITEMS;
			struct entry *more = realloc(replay->items, room * sizeof(*more));
			if (!more)
				return VDISK_NO_MEMORY;
			replay->items = more;
			replay->room = room;
		}
		if (block.count)
			memcpy(replay->items + replay->count, block.items,
			       block.count * sizeof(struct entry));
		replay->count += block.count;
		if (block.flags & LOG_LAST) {
			replay->last = replay->complete;
			replay->complete = replay->count;
			replay->previous_sequence = replay->last_sequence;
			replay->last_sequence = replay->sequence;
			replay->certain = false;
			replay->records++;
		}
		place = block.next;
	}
	return VDISK_OK;
}

static bool data_is_there(struct vdisk *disk, const struct entry *items, size_t count)
{
	uint8_t scratch[VDISK_BLOCK];
	if (SEEDED(BUG_LOG_DATA_NOT_CHECKED))
		return true;
	for (size_t i = 0; i < count; i++)
		if (items[i].place && legs_open(disk, &items[i], KIND_DATA, items[i].key, scratch) < 0)
			return false;
	return true;
}

static int apply(struct vdisk *disk, const struct entry *item)
{
	struct entry old;
	uint64_t removed;
	uint64_t blocks = disk->volume.blocks;
	if (!item->place) {
		uint64_t count;
		memcpy(&count, item->secret, sizeof(count));
		if (item->key >= blocks || !count || count > blocks - item->key)
			return VDISK_DAMAGED;
		TRY(remove_range(disk, &disk->map, item->key, item->key + count - 1, UINT64_MAX, &removed));
		disk->volume.mapped -= removed;
		return VDISK_OK;
	}
	if (item->key >= blocks)
		return VDISK_DAMAGED;
	TRY(space_claim(disk, item->place & PLACE_MASK));
	TRY(tree_set(disk, &disk->map, item, &old));
	if (old.place)
		return space_drop(disk, old.place & PLACE_MASK);
	disk->volume.mapped++;
	return VDISK_OK;
}

static int replay_all(struct vdisk *disk, struct replay *replay)
{
	TRY(collect(disk, replay));
	if (!replay->certain && replay->records &&
	    !data_is_there(disk, replay->items + replay->last, replay->complete - replay->last)) {
		replay->complete = replay->last;
		replay->records--;
		replay->last_sequence = replay->previous_sequence;
	}
	if (SEEDED(BUG_PARTIAL_RECORD))
		replay->complete = replay->count;
	for (size_t i = 0; i < replay->complete; i++)
		if (replay->items[i].place)
			TRY(space_hold(disk, replay->items[i].place & PLACE_MASK));
	for (size_t i = 0; i < replay->complete; i++)
		TRY(apply(disk, &replay->items[i]));
	if (replay->complete)
		disk->changed = true;
	disk->replayed = replay->records;
	disk->log_sequence = replay->last_sequence;
	return VDISK_OK;
}

int log_replay(struct vdisk *disk)
{
	struct replay replay = {0};
	int status = replay_all(disk, &replay);
	if (replay.items)
		memset(replay.items, 0, replay.room * sizeof(*replay.items));
	free(replay.items);
	return status;
}
