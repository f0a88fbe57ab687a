/* The disk that the loader was started from, by its partition's device path without the last node (UEFI 2.10, 10.3.5.1), through the Block
 * I/O protocol (13.9). Every transfer goes through a buffer of our own, aligned as any medium may ask for. */
#include "disk.h"

#include "../loader/loader.h"
#include "../loader/string.h"
#include "volumes.h"

enum { SECTOR = 512, CHUNK = 1 << 20 };

static struct efi_system_table *firmware;
static struct efi_block *block;
static uint8_t *buffer; /* CHUNK bytes */

/* The path of the whole disk, from that of a partition on it; false: the last node is none of a partition. */
static bool path_of_disk(uint8_t *out, const uint8_t *path)
{
	const uint32_t length = path_length(path);
	uint32_t last = 0;
	for (uint32_t node = 0; node < length; node += path[node + 2] | (uint32_t)path[node + 3] << 8)
		last = node;
	if (!length || path[last] != EFI_PATH_MEDIA || path[last + 1] != EFI_PATH_PARTITION)
		return false;
	memcpy(out, path, last);
	path_end(out + last);
	return true;
}

void disk_init(struct efi_system_table *system, efi_handle image)
{
	static const struct efi_guid loaded_image = EFI_LOADED_IMAGE_GUID, device_path = EFI_DEVICE_PATH_GUID,
	                             block_io = EFI_BLOCK_GUID;
	static uint8_t path[PATH_BYTES_MAX];
	const struct efi_loaded_image *own;
	const uint8_t *whole = path, *partition;
	struct efi_block *found;
	efi_handle handle;
	firmware = system;
	if (firmware->boot->handle_protocol(image, &loaded_image, (void **)&own) ||
	    firmware->boot->handle_protocol(own->device, &device_path, (void **)&partition) ||
	    !path_of_disk(path, partition) ||
	    firmware->boot->locate_device_path(&block_io, &whole, &handle) || whole[0] != EFI_PATH_END ||
	    firmware->boot->handle_protocol(handle, &block_io, (void **)&found) || !found->media->present ||
	    found->media->partition || found->media->block_bytes != SECTOR)
		return;
	block = found;
}

static bool buffer_make(void)
{
	if (!buffer)
		buffer = at(platform_allocate(CHUNK, PAGE_SIZE, HANDOFF_MEMORY_LOADER));
	return buffer;
}

uint64_t platform_disk_sectors(void)
{
	return block && buffer_make() ? block->media->last_block + 1 : 0;
}

bool platform_disk_read(uint64_t position, void *to, uint64_t size)
{
	uint8_t *out = to;
	while (size) {
		const uint64_t part = size < CHUNK ? size : CHUNK;
		if (block->read(block, block->media->id, position / SECTOR,
		                (part + SECTOR - 1) / SECTOR * SECTOR, buffer))
			return false;
		memcpy(out, buffer, part);
		out += part;
		position += part;
		size -= part;
	}
	return true;
}

bool platform_disk_write(uint64_t position, const void *from, uint64_t size)
{
	if (size > CHUNK || block->media->read_only)
		return false;
	memcpy(buffer, from, size);
	return !block->write(block, block->media->id, position / SECTOR, size, buffer) &&
	       !block->flush(block);
}
