/* Reading, writing and discarding blocks of the open volume, and what a client may ask about it. */
#include "internal.h"

const char *vdisk_status_text(int status)
{
	static const char *const texts[] = {
	    "no error",
	    "the device failed",
	    "damaged: authentication failed",
	    "no space left on the device",
	    "outside the volume, or another argument out of range",
	    "no key slot opens with what was given",
	    "not a vdisk",
	    "made by a version that this program does not know, or for a processor with AES instructions",
	    "read-only",
	    "there is no such volume or slot",
	    "a volume of that name exists",
	    "an older state than the anchor says: somebody put back an old copy",
	    "the mirror's legs were written apart from each other: keep one, empty the others",
	    "out of memory",
	    "too many slots, snapshots or blocks",
	    "in use",
	};
	unsigned index = (unsigned)-status;
	return index < sizeof(texts) / sizeof(*texts) ? texts[index] : "unknown error";
}

uint64_t vdisk_blocks(const struct vdisk *disk)
{
	return disk->volume.blocks;
}

/* Whether what is not committed takes much memory. */
static bool much_piled_up(const struct vdisk *disk)
{
	return disk->dirty_nodes * sizeof(struct node) > disk->cache_limit / 4 * 3 ||
	       disk->dirty_pages * sizeof(struct page) > disk->cache_limit / 2;
}

/* Whether what was overwritten since the last checkpoint holds much room: of a device whose size is known, a quarter of what could be free. */
static bool much_is_pinned(const struct vdisk *disk)
{
	uint64_t most = disk->end / 4 + 4096;
	uint64_t left = disk->limit > disk->used ? disk->limit - disk->used : 0;
	if (disk->limit && left / 4 < most)
		most = left / 4;
	return disk->pinned > most;
}

bool vdisk_wants_commit(const struct vdisk *disk)
{
	return disk->epoch_overflow || much_piled_up(disk) || much_is_pinned(disk);
}

void vdisk_give_up(struct vdisk *disk, int status)
{
	(void)mark_broken(disk, status);
}

bool vdisk_is_read_only(const struct vdisk *disk)
{
	return disk->read_only || disk->broken;
}

uint64_t vdisk_anchor(const struct vdisk *disk)
{
	return disk->generation << 16 | (disk->log_sequence & 0xffff);
}

static int check_range(const struct vdisk *disk, uint64_t block, uint64_t count)
{
	return block > disk->volume.blocks || count > disk->volume.blocks - block ? VDISK_RANGE : VDISK_OK;
}

int read_entry(struct vdisk *disk, const struct entry *entry, void *out)
{
	return legs_open(disk, entry, KIND_DATA, entry->key, out);
}

/* Entries that lie one behind the other on the medium, in one read; what does not open is tried on the other
 * legs. */
static int read_run(struct vdisk *disk, const struct entry *entries, size_t count, uint64_t block,
                    uint8_t *buffer)
{
	bool raw = leg_read(disk, 0, entries[0].place & PLACE_MASK, disk->stage, count) == VDISK_OK;
	for (size_t i = 0; i < count; i++) {
		uint8_t *out = buffer + (entries[i].key - block) * VDISK_BLOCK;
		if (raw && cipher_open(disk, &entries[i], KIND_DATA, entries[i].key,
		                       disk->stage + i * VDISK_BLOCK, out))
			continue;
		TRY(read_entry(disk, &entries[i], out));
	}
	return VDISK_OK;
}

int vdisk_read(struct vdisk *disk, uint64_t block, uint64_t count, void *buffer)
{
	uint8_t *out = buffer;
	TRY(check_range(disk, block, count));
	node_trim(disk);
	while (count) {
		struct entry entries[STAGE_BLOCKS];
		size_t found;
		uint64_t part = count < STAGE_BLOCKS ? count : STAGE_BLOCKS;
		TRY(tree_range(disk, &disk->map, block, block + part - 1, entries, STAGE_BLOCKS, &found));
		if (found < part)
			memset(out, 0, part * VDISK_BLOCK);
		for (size_t i = 0; i < found;) {
			size_t run = 1;
			while (i + run < found && entries[i + run].place == entries[i].place + run)
				run++;
			TRY(read_run(disk, entries + i, run, block, out));
			i += run;
		}
		block += part;
		count -= part;
		out += part * VDISK_BLOCK;
	}
	return VDISK_OK;
}

static int make_room(struct vdisk *disk, uint64_t blocks)
{
	TRY(begin_change(disk));
	if (disk->auto_commit && (much_piled_up(disk) || much_is_pinned(disk)))
		TRY(checkpoint(disk));
	int (*reserve)(struct vdisk *, uint64_t) = blocks ? space_reserve_growth : space_reserve;
	int status = reserve(disk, blocks);
	if (status == VDISK_NO_SPACE && disk->auto_commit && disk->pinned) {
		TRY(checkpoint(disk)); /* what was freed can be used again */
		status = reserve(disk, blocks);
	}
	node_trim(disk);
	space_trim(disk);
	return status;
}

int read_entries(struct vdisk *disk, const struct entry *entries, size_t count, uint8_t *buffer)
{
	for (size_t i = 0, run; i < count; i += run) {
		run = 1;
		while (i + run < count && entries[i + run].place == entries[i].place + run &&
		       entries[i + run].key == entries[i].key + run)
			run++;
		TRY(read_run(disk, entries + i, run, entries[i].key, buffer + i * VDISK_BLOCK));
	}
	return VDISK_OK;
}

int write_entries(struct vdisk *disk, struct entry *entries, size_t count, const uint8_t *data)
{
	for (size_t i = 0; i < count; i++) {
		TRY(space_allocate(disk, &entries[i].place));
		cipher_seal(disk, &entries[i], KIND_DATA, entries[i].key, data + i * VDISK_BLOCK,
		            disk->stage + i * VDISK_BLOCK);
	}
	for (size_t i = 0, run; i < count; i += run) {
		run = 1;
		while (i + run < count && entries[i + run].place == entries[i].place + run)
			run++;
		TRY(legs_write(disk, entries[i].place & PLACE_MASK, disk->stage + i * VDISK_BLOCK, run));
	}
	return VDISK_OK;
}

static int write_part(struct vdisk *disk, uint64_t block, size_t count, const uint8_t *data)
{
	struct entry entries[STAGE_BLOCKS];
	struct entry old;
	for (size_t i = 0; i < count; i++)
		entries[i].key = block + i;
	TRY(write_entries(disk, entries, count, data));
	for (size_t i = 0; i < count; i++) {
		TRY(tree_set(disk, &disk->map, &entries[i], &old));
		if (old.place)
			TRY(space_drop(disk, old.place & PLACE_MASK));
		else
			disk->volume.mapped++;
		epoch_note(disk, entries[i].key);
	}
	return VDISK_OK;
}

int vdisk_write(struct vdisk *disk, uint64_t block, uint64_t count, const void *buffer)
{
	const uint8_t *in = buffer;
	TRY(check_range(disk, block, count));
	while (count) {
		size_t part = count < STAGE_BLOCKS ? (size_t)count : STAGE_BLOCKS;
		TRY(make_room(disk, part));
		TRY(mark_broken(disk, write_part(disk, block, part, in)));
		block += part;
		count -= part;
		in += part * VDISK_BLOCK;
	}
	return VDISK_OK;
}

int remove_range(struct vdisk *disk, struct tree *map, uint64_t first, uint64_t last, uint64_t most,
                 uint64_t *removed)
{
	*removed = 0;
	while (*removed < most) {
		size_t one;
		TRY(tree_remove(disk, map, first, last, &one));
		if (!one)
			break;
		*removed += one;
	}
	return VDISK_OK;
}

int vdisk_discard(struct vdisk *disk, uint64_t block, uint64_t count)
{
	TRY(check_range(disk, block, count));
	while (count) {
		struct entry entry;
		size_t found;
		uint64_t removed;
		uint64_t part = count < 65536 ? count : 65536;
		TRY(begin_change(disk));
		TRY(tree_range(disk, &disk->map, block, block + part - 1, &entry, 1, &found));
		if (found) {
			TRY(make_room(disk, 0));
			TRY(mark_broken(disk, remove_range(disk, &disk->map, block, block + part - 1,
			                                   UINT64_MAX, &removed)));
			disk->volume.mapped -= removed;
			epoch_note_range(disk, block, part);
		}
		block += part;
		count -= part;
	}
	return VDISK_OK;
}

int vdisk_flush(struct vdisk *disk)
{
	if (disk->broken)
		return disk->broken;
	if (disk->read_only || !disk->epoch_changed)
		return VDISK_OK;
	/* A record has at most 53 blocks, and gives back nothing that the last checkpoint has. */
	if ((disk->must_checkpoint && !SEEDED(BUG_LOG_KEY_KEPT)) || vdisk_wants_commit(disk) ||
	    disk->log_count + 64 > LOG_BLOCKS_MAX || space_reserve(disk, 64) < 0)
		return checkpoint(disk);
	TRY(mark_broken(disk, log_append(disk)));
	space_flushed(disk);
	disk->epoch_key_count = disk->epoch_range_count = 0;
	disk->epoch_changed = false;
	return VDISK_OK;
}

int vdisk_commit(struct vdisk *disk)
{
	TRY(begin_change(disk));
	if (!disk->changed)
		return VDISK_OK;
	TRY(checkpoint(disk));
	return mark_broken(disk, legs_flush(disk)); /* of the second superblock: the old keys are gone */
}

int vdisk_next_mapped(struct vdisk *disk, uint64_t block, uint64_t *next)
{
	struct entry entry;
	size_t found;
	*next = disk->volume.blocks;
	node_trim(disk);
	if (block >= disk->volume.blocks)
		return VDISK_OK;
	TRY(tree_range(disk, &disk->map, block, disk->volume.blocks - 1, &entry, 1, &found));
	if (found)
		*next = entry.key;
	return VDISK_OK;
}

int vdisk_resize(struct vdisk *disk, uint64_t blocks)
{
	if (!blocks || blocks > VDISK_BLOCKS_MAX)
		return VDISK_RANGE;
	TRY(begin_change(disk));
	if (blocks < disk->volume.blocks)
		TRY(vdisk_discard(disk, blocks, disk->volume.blocks - blocks));
	disk->volume.blocks = blocks;
	disk->changed = true;
	return vdisk_commit(disk);
}

void vdisk_get_info(const struct vdisk *disk, struct vdisk_info *info)
{
	*info = (struct vdisk_info){
	    .blocks = disk->volume.blocks,
	    .mapped = disk->volume.mapped,
	    .container_blocks = disk->end,
	    .used_blocks = disk->used,
	    .pinned_blocks = disk->pinned,
	    .generation = disk->generation,
	    .healed = disk->healed,
	    .backend_written = disk->written,
	    .backend_flushes = disk->flushes,
	    .cache_bytes = disk->node_count * sizeof(struct node) + disk->page_count * sizeof(struct page),
	    .cipher = disk->cipher,
	    .legs = disk->leg_count,
	    .replayed = disk->replayed,
	};
	memcpy(info->id, disk->id, sizeof(info->id));
	for (unsigned i = 0; i < disk->leg_count; i++)
		info->legs_failed += disk->legs[i].failed, info->legs_behind += disk->legs[i].behind;
}
