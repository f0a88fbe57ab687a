/*
 * Streams: a snapshot, or the difference between two, as bytes.
 *
 *   struct stream_head, then pieces: struct stream_piece and count blocks of contents (none for a discard),
 * then a piece with count 0, then the BLAKE3 digest of all before
 *
 * Contents travel in the clear; the digest tells damage, not forgery: seal a stream that leaves the machine.
 * Receiving commits as it goes; a snapshot taken before and a flag in the volume's record put everything back
 * if the stream does not end well.
 */
#include "internal.h"

#define PIECE_BLOCKS   STAGE_BLOCKS
#define COMMIT_BLOCKS  16384u
#define PIECE_DISCARD  1u
#define STREAM_VERSION 1u

struct stream_head {
	char magic[8];
	uint32_t version, reserved;
	uint8_t id[VDISK_ID_SIZE], base[VDISK_ID_SIZE]; /* base: zeroes for a whole snapshot */
	char name[VDISK_NAME_MAX + 1];
	uint64_t blocks, mapped;
};

struct stream_piece {
	uint64_t block;
	uint32_t count, flags;
};

static const char stream_magic[8] = "HolonVS\0";

struct stream_state {
	const struct vdisk_stream *stream;
	struct blake3 hash;
	uint64_t done, total;
	struct stream_piece piece; /* being gathered */
	uint8_t *data;
};

static int put(struct stream_state *state, const void *bytes, size_t size)
{
	blake3_update(&state->hash, bytes, size);
	return state->stream->write(state->stream->context, bytes, size) < 0 ? VDISK_IO : VDISK_OK;
}

static int take(struct stream_state *state, void *bytes, size_t size)
{
	if (state->stream->read(state->stream->context, bytes, size) < 0)
		return VDISK_IO;
	blake3_update(&state->hash, bytes, size);
	return VDISK_OK;
}

static int put_piece(struct stream_state *state)
{
	if (!state->piece.count)
		return VDISK_OK;
	TRY(put(state, &state->piece, sizeof(state->piece)));
	if (!(state->piece.flags & PIECE_DISCARD))
		TRY(put(state, state->data, (size_t)state->piece.count * VDISK_BLOCK));
	state->piece.count = 0;
	return VDISK_OK;
}

static int put_block(struct vdisk *disk, struct stream_state *state, const struct entry *entry,
                     uint32_t flags)
{
	if (state->piece.count && (state->piece.block + state->piece.count != entry->key ||
	                           state->piece.flags != flags || state->piece.count == PIECE_BLOCKS))
		TRY(put_piece(state));
	if (!state->piece.count)
		state->piece = (struct stream_piece){.block = entry->key, .flags = flags};
	if (!(flags & PIECE_DISCARD))
		TRY(read_entry(disk, entry, state->data + (size_t)state->piece.count * VDISK_BLOCK));
	state->piece.count++;
	return VDISK_OK;
}

/* Entries of a map one by one. */
struct walk {
	struct tree tree;
	struct entry entries[64];
	size_t at, count;
	uint64_t next;
	bool ended;
};

static int walk_peek(struct vdisk *disk, struct walk *walk, const struct entry **entry)
{
	*entry = NULL;
	if (walk->at == walk->count && !walk->ended) {
		TRY(tree_range(disk, &walk->tree, walk->next, UINT64_MAX - 1, walk->entries, 64,
		               &walk->count));
		walk->at = 0;
		walk->ended = walk->count < 64;
		if (walk->count)
			walk->next = walk->entries[walk->count - 1].key + 1;
		node_trim(disk);
	}
	if (walk->at < walk->count)
		*entry = &walk->entries[walk->at];
	return VDISK_OK;
}

static int send_difference(struct vdisk *disk, struct stream_state *state, struct walk *new, struct walk *old)
{
	for (;;) {
		const struct entry *next;
		const struct entry *before;
		TRY(walk_peek(disk, new, &next));
		TRY(walk_peek(disk, old, &before));
		if (!next && !before)
			return put_piece(state);
		if (state->stream->progress && ++state->done % 1024 == 0)
			state->stream->progress(state->stream->context, state->done, state->total);
		if (before && (!next || before->key < next->key)) {
			TRY(put_block(disk, state, before, PIECE_DISCARD));
			old->at++;
			continue;
		}
		bool same = before && before->key == next->key;
		if (!same || before->place != next->place || memcmp(before->tag, next->tag, TAG_SIZE) != 0)
			TRY(put_block(disk, state, next, 0));
		old->at += same;
		new->at++;
	}
}

static int send_all(struct vdisk *disk, struct stream_state *state, const struct volume_disk *new,
                    const struct volume_disk *old)
{
	struct stream_head head = {.version = STREAM_VERSION, .blocks = new->blocks, .mapped = new->mapped};
	struct walk walks[2] = {{.next = 0}};
	uint8_t digest[BLAKE3_SIZE];
	memcpy(head.magic, stream_magic, sizeof(head.magic));
	memcpy(head.id, new->id, sizeof(head.id));
	memcpy(head.name, new->name, sizeof(head.name));
	map_init(&walks[0].tree);
	map_init(&walks[1].tree);
	TRY(tree_load(&walks[0].tree, &new->map));
	if (old) {
		memcpy(head.base, old->id, sizeof(head.base));
		TRY(tree_load(&walks[1].tree, &old->map));
	}
	state->total = new->mapped + (old ? old->mapped : 0);
	TRY(put(state, &head, sizeof(head)));
	TRY(send_difference(disk, state, &walks[0], &walks[1]));
	state->piece = (struct stream_piece){.block = 0};
	TRY(put(state, &state->piece, sizeof(state->piece)));
	blake3_final(&state->hash, digest, sizeof(digest));
	return put(state, digest, sizeof(digest));
}

int vdisk_send(struct vdisk *disk, const char *name, const char *from, const struct vdisk_stream *stream)
{
	struct volume_disk new;
	struct volume_disk old;
	struct stream_state state = {.stream = stream};
	TRY(volume_find(disk, name, &new));
	if (from)
		TRY(volume_find(disk, from, &old));
	if (!(new.flags &VOLUME_READ_ONLY) || (from && !(old.flags & VOLUME_READ_ONLY)))
		return VDISK_RANGE;
	state.data = malloc((size_t)PIECE_BLOCKS * VDISK_BLOCK);
	if (!state.data)
		return VDISK_NO_MEMORY;
	blake3_init(&state.hash);
	int status = send_all(disk, &state, &new, from ? &old : NULL);
	free(state.data);
	return status;
}

static int apply_pieces(struct vdisk *disk, struct stream_state *state)
{
	uint64_t since = 0;
	for (;;) {
		struct stream_piece piece;
		TRY(take(state, &piece, sizeof(piece)));
		if (!piece.count)
			return VDISK_OK;
		if (piece.count > PIECE_BLOCKS)
			return VDISK_DAMAGED;
		if (piece.flags & PIECE_DISCARD) {
			TRY(vdisk_discard(disk, piece.block, piece.count));
		} else {
			TRY(take(state, state->data, (size_t)piece.count * VDISK_BLOCK));
			TRY(vdisk_write(disk, piece.block, piece.count, state->data));
		}
		state->done += piece.count;
		since += piece.count;
		if (since >= COMMIT_BLOCKS) {
			TRY(checkpoint(disk));
			since = 0;
		}
		if (state->stream->progress)
			state->stream->progress(state->stream->context, state->done, state->total);
	}
}

static int finish(struct vdisk *disk, struct stream_state *state, const struct stream_head *head)
{
	uint8_t digest[BLAKE3_SIZE];
	uint8_t sent[BLAKE3_SIZE];
	blake3_final(&state->hash, digest, sizeof(digest));
	if (state->stream->read(state->stream->context, sent, sizeof(sent)) < 0)
		return VDISK_IO;
	if (memcmp(digest, sent, sizeof(sent)) != 0)
		return VDISK_DAMAGED;
	struct volume_disk copy;
	TRY(checkpoint(disk));
	/* From here on one commit: the volume is no longer half received, and its snapshot is there. */
	disk->volume.flags &= ~VOLUME_RECEIVING;
	memcpy(disk->volume.base_id, head->id, sizeof(head->id));
	copy = disk->volume;
	tree_store(&disk->map, &copy.map);
	copy.parent = copy.number;
	copy.number = disk->next_volume++;
	copy.flags = VOLUME_READ_ONLY;
	copy.created_ns = disk->now_ns ? disk->now_ns() : 0;
	memcpy(copy.id, head->id, sizeof(copy.id));
	memcpy(copy.name, head->name, sizeof(copy.name));
	if (copy.map.height)
		TRY(space_add(disk, copy.map.root.place & PLACE_MASK));
	TRY(volume_put(disk, &copy));
	return checkpoint(disk);
}

static int receive(struct vdisk *disk, struct stream_state *state)
{
	static const uint8_t none[VDISK_ID_SIZE];
	struct stream_head head;
	TRY(take(state, &head, sizeof(head)));
	if (memcmp(head.magic, stream_magic, sizeof(head.magic)) != 0)
		return VDISK_FORMAT;
	if (head.version != STREAM_VERSION)
		return VDISK_VERSION;
	if (head.name[VDISK_NAME_MAX] || !head.blocks || head.blocks > VDISK_BLOCKS_MAX)
		return VDISK_DAMAGED;
	TRY(volume_check_name(disk, head.name));
	bool whole = memcmp(head.base, none, sizeof(none)) == 0;
	if (whole ? disk->volume.mapped != 0
	          : memcmp(head.base, disk->volume.base_id, sizeof(head.base)) != 0)
		return VDISK_BUSY;
	state->total = head.mapped;
	TRY(vdisk_snapshot(disk, RECEIVE_BASE));
	disk->volume.flags |= VOLUME_RECEIVING;
	disk->changed = true;
	int status = VDISK_OK;
	if (head.blocks != disk->volume.blocks)
		status = vdisk_resize(disk, head.blocks);
	if (status == VDISK_OK)
		status = checkpoint(disk);
	if (status == VDISK_OK)
		status = apply_pieces(disk, state);
	if (status == VDISK_OK)
		status = finish(disk, state, &head);
	if (status < 0) {
		if (!disk->broken)
			TRY(vdisk_rollback(disk, RECEIVE_BASE));
		if (!disk->broken)
			TRY(vdisk_volume_delete(disk, RECEIVE_BASE));
		return status;
	}
	return vdisk_volume_delete(disk, RECEIVE_BASE);
}

int vdisk_receive(struct vdisk *disk, const struct vdisk_stream *stream)
{
	struct stream_state state = {.stream = stream};
	TRY(begin_change(disk));
	state.data = malloc((size_t)PIECE_BLOCKS * VDISK_BLOCK);
	if (!state.data)
		return VDISK_NO_MEMORY;
	blake3_init(&state.hash);
	int status = receive(disk, &state);
	free(state.data);
	return status;
}

int receive_undo(struct vdisk *disk)
{
	struct volume_disk before;
	int status = volume_find(disk, RECEIVE_BASE, &before);
	if (status == VDISK_NOT_FOUND)
		return VDISK_OK;
	if (status < 0)
		return status;
	bool half = disk->volume.flags & VOLUME_RECEIVING;
	if (disk->read_only) { /* shown as it was before */
		if (half) {
			TRY(tree_load(&disk->map, &before.map));
			disk->volume.blocks = before.blocks;
			disk->volume.mapped = before.mapped;
		}
		return VDISK_OK;
	}
	if (before.parent != disk->volume.number)
		return VDISK_OK;
	if (half)
		TRY(vdisk_rollback(disk, RECEIVE_BASE));
	return vdisk_volume_delete(disk, RECEIVE_BASE);
}
