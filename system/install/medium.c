/* What a medium holds. The stage in its first 32 KiB says where its parts are (boot/bios/entry.S, tools/mkiso): the same bytes of an ISO
 * image, a stick and a file. Nothing of it is trusted before medium_verify. */
#include "install.h"

#include <filesystem/bytes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysimg/sysimg.h>
#include "../../boot/loader/bundle.h"

enum { STAGE_AT = 2048, TABLE_AT = 8, MARK_AT = 4, TYPE_MASK = 0170000, TYPE_FILE = 0100000 };

bool disk_read_bytes(const struct disk *disk, uint64_t position, void *buffer, uint64_t bytes)
{
	enum { PIECE = 1 << 20 };
	static uint8_t piece[PIECE];
	uint8_t *out = buffer;
	if (position > disk->sectors * SECTOR || bytes > disk->sectors * SECTOR - position)
		return false;
	while (bytes) {
		const uint64_t skip = position % SECTOR, most = PIECE - skip,
		               part = bytes < most ? bytes : most;
		if (!disk->read(disk->context, position / SECTOR, piece, (skip + part + SECTOR - 1) / SECTOR))
			return false;
		memcpy(out, piece + skip, part);
		out += part;
		position += part;
		bytes -= part;
	}
	return true;
}

static bool part_read(struct bytes *part, const struct disk *from, uint64_t position, uint64_t count,
                      uint64_t most)
{
	if (!count || count > most)
		return false;
	part->at = malloc(count);
	part->count = count;
	return part->at && disk_read_bytes(from, position, part->at, count);
}

/* A bundle at POSITION, as large as its header says. */
static const char *bundle_take(struct bytes *part, const struct disk *from, uint64_t position)
{
	struct bundle_header first;
	const uint64_t all = from->sectors * SECTOR;
	if (position > all || !disk_read_bytes(from, position, &first, sizeof(first)))
		return "it is shorter than it says";
	const char *why = bundle_check(&first, all - position);
	if (why)
		return why;
	return part_read(part, from, position, first.size, BUNDLE_BYTES_MAX) ? 0 : "it cannot be read";
}

const char *medium_read(struct medium *medium, const struct disk *from)
{
	uint64_t first;
	*medium = (struct medium){0};
	if (!disk_read_bytes(from, 0, &first, sizeof(first)))
		return "it cannot be read";
	if (first == BUNDLE_MAGIC)
		return bundle_take(&medium->parts[MEDIUM_BUNDLE], from, 0);
	if (!disk_read_bytes(from, 0, medium->boot_code, BOOT_CODE_BYTES) ||
	    !disk_read_bytes(from, STAGE_AT, medium->stage, STAGE_BYTES) ||
	    memcmp(medium->stage + MARK_AT, "HLNB", 4) != 0)
		return "it is no medium of Holon";
	for (unsigned part = 0; part < MEDIUM_PARTS; part++) {
		const uint64_t position = get64(medium->stage + TABLE_AT + 16 * (size_t)part),
		               count = get64(medium->stage + TABLE_AT + 16 * (size_t)part + 8);
		const char *why = part == MEDIUM_BUNDLE ? bundle_take(&medium->parts[part], from, position)
		                  : part_read(&medium->parts[part], from, position, count, LOADER_BYTES_MAX)
		                      ? 0
		                      : "a part of it is missing";
		if (why)
			return why;
	}
	return 0;
}

void medium_free(struct medium *medium)
{
	for (unsigned part = 0; part < MEDIUM_PARTS; part++)
		free(medium->parts[part].at);
	*medium = (struct medium){0};
}

/* The loader checks an image by its root alone; each page is checked when it is used. What is written to a disk is checked whole. */
static const char *image_verify(const struct bytes *bundle)
{
	const struct bundle_entry *entry = bundle_find((const void *)bundle->at, "system");
	struct sysimg image;
	if (!entry)
		return 0;
	const char *why = sysimg_open(&image, bundle->at + entry->offset, entry->size, true);
	for (uint32_t node = 0; !why && node < image.header->node_count; node++)
		if ((image.nodes[node].mode & TYPE_MASK) == TYPE_FILE && !sysimg_verify(&image, node))
			why = "a page is not the one that was signed";
	return why;
}

const char *medium_verify(const struct medium *medium, const struct trusted *trusted,
                          struct verified *verified, char text[TEXT_MAX])
{
	const struct bytes *bundle = &medium->parts[MEDIUM_BUNDLE];
	const char *why = bundle_verify((const void *)bundle->at, bundle->count, &trusted->policy, verified);
	if (why)
		snprintf(text, TEXT_MAX, "%s%s%s", verified->part, verified->part[0] ? ": " : "", why);
	else if (verified->development != trusted->development)
		snprintf(text, TEXT_MAX, "it is a %s image, and this system is none",
		         verified->development ? "development" : "release");
	else if ((why = image_verify(bundle)) != 0)
		snprintf(text, TEXT_MAX, "system: %s", why);
	else
		return 0;
	return text;
}
