/*
 * The backends of a container as one: writes go to all legs, a read takes the first leg whose block opens and
 * repairs the legs before it. A leg that fails to write is left out until the container is opened again; what
 * it missed is found by the tags, which a block from any other time cannot have.
 */
#include "internal.h"

int leg_read(struct vdisk *disk, unsigned leg, uint64_t place, void *buffer, size_t blocks)
{
	const struct vdisk_backend *backend = &disk->legs[leg].backend;
	if (disk->legs[leg].failed)
		return VDISK_IO;
	return backend->read(backend->context, place * VDISK_BLOCK, buffer, blocks * VDISK_BLOCK) < 0
	           ? VDISK_IO
	           : VDISK_OK;
}

/* Legs that failed in a call are left out from then on, unless there would be none left: what was committed can still be read then. */
static int settle(struct vdisk *disk, unsigned good, unsigned bad)
{
	for (unsigned i = 0; good && i < disk->leg_count; i++)
		if (bad >> i & 1)
			disk->legs[i].failed = true;
	return good ? VDISK_OK : VDISK_IO;
}

int legs_write(struct vdisk *disk, uint64_t place, const void *buffer, size_t blocks)
{
	unsigned good = 0;
	unsigned bad = 0;
	for (unsigned i = 0; i < disk->leg_count; i++) {
		const struct vdisk_backend *backend = &disk->legs[i].backend;
		if (disk->legs[i].failed)
			continue;
		if (backend->write(backend->context, place * VDISK_BLOCK, buffer, blocks * VDISK_BLOCK) < 0)
			bad |= 1u << i;
		else
			good++;
	}
	disk->written += blocks * VDISK_BLOCK;
	return settle(disk, good, bad);
}

int legs_flush(struct vdisk *disk)
{
	unsigned good = 0;
	unsigned bad = 0;
	for (unsigned i = 0; i < disk->leg_count; i++) {
		const struct vdisk_backend *backend = &disk->legs[i].backend;
		if (disk->legs[i].failed)
			continue;
		if (backend->flush(backend->context) < 0)
			bad |= 1u << i;
		else
			good++;
	}
	disk->flushes++;
	return settle(disk, good, bad);
}

void legs_discard(struct vdisk *disk, uint64_t place, uint64_t blocks)
{
	for (unsigned i = 0; i < disk->leg_count; i++) {
		const struct vdisk_backend *backend = &disk->legs[i].backend;
		/* A discard that fails costs room, not data. */
		if (!disk->legs[i].failed && backend->discard)
			(void)backend->discard(backend->context, place * VDISK_BLOCK, blocks * VDISK_BLOCK);
	}
}

int legs_open(struct vdisk *disk, const struct entry *entry, enum block_kind kind, uint64_t key, void *out)
{
	uint8_t sealed[VDISK_BLOCK];
	uint64_t place = entry->place & PLACE_MASK;
	int status = VDISK_IO;
	for (unsigned i = 0; i < disk->leg_count; i++) {
		if (leg_read(disk, i, place, sealed, 1) < 0)
			continue;
		if (!cipher_open(disk, entry, kind, key, sealed, out)) {
			status = VDISK_DAMAGED;
			continue;
		}
		for (unsigned bad = 0; bad < i && !disk->read_only; bad++) {
			const struct vdisk_backend *backend = &disk->legs[bad].backend;
			if (disk->legs[bad].failed)
				continue;
			if (backend->write(backend->context, place * VDISK_BLOCK, sealed, VDISK_BLOCK) < 0)
				disk->legs[bad].failed = true;
			else
				disk->healed++;
		}
		return VDISK_OK;
	}
	return status;
}
