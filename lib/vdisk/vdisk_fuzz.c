/*
 * Fuzzes what vdisk reads: a valid container with patches from the input laid over it, opened, read, checked, repaired, written. Tags are not checked (a seeded
 * bug, of the tests alone), so that what a patched block says is believed as an authentic writer's would be.
 */
#include "internal.h"
#include "memory_backend.h"

#define DEVICE (64u * VDISK_BLOCK)

static struct memory_device device;
static struct vdisk_backend leg;
static uint8_t base[DEVICE];

static int fixed_random(void *buffer, size_t bytes)
{
	static uint8_t next;
	for (size_t i = 0; i < bytes; i++)
		((uint8_t *)buffer)[i] = next++;
	return 0;
}

static struct vdisk_config configure(bool read_only)
{
	return (struct vdisk_config){.legs = &leg,
	                             .leg_count = 1,
	                             .random = fixed_random,
	                             .cache_bytes = VDISK_CACHE_MIN,
	                             .read_only = read_only,
	                             .auto_commit = true};
}

static void make_base(void)
{
	static const struct vdisk_credentials none;
	static uint8_t data[8 * VDISK_BLOCK];
	struct vdisk_config config = configure(false);
	struct vdisk_create create = {.blocks = 1000, .factors = {VDISK_FACTOR_OPEN}};
	struct vdisk *disk;
	leg = memory_backend(&device, DEVICE, false);
	if (vdisk_create(&disk, &config, &create, &none) < 0 || vdisk_write(disk, 3, 8, data) < 0 ||
	    vdisk_snapshot(disk, "s") < 0 || vdisk_write(disk, 500, 4, data) < 0 || vdisk_flush(disk) < 0)
		abort();
	vdisk_abandon(disk);
	memcpy(base, device.bytes, DEVICE);
}

static void work(bool read_only)
{
	static const struct vdisk_credentials none;
	static uint8_t data[16 * VDISK_BLOCK];
	struct vdisk_config config = configure(read_only);
	struct vdisk_report report = {0};
	struct vdisk_volume volume;
	struct vdisk *disk;
	uint64_t next;
	if (vdisk_open(&disk, &config, &none) < 0)
		return;
	(void)(vdisk_volume_next(disk, 0, &volume) < 0);
	if (vdisk_blocks(disk) >= 16)
		(void)(vdisk_read(disk, 0, 16, data) < 0);
	(void)(vdisk_next_mapped(disk, 0, &next) < 0);
	struct vdisk_info info;
	vdisk_get_info(disk, &info);
	if (info.container_blocks < 100000)
		(void)(vdisk_check(disk, true, !read_only, &report) < 0);
	if (!read_only) {
		(void)(vdisk_discard(disk, 1, 5) < 0);
		(void)(vdisk_write(disk, 10, 2, data) < 0);
		(void)(vdisk_flush(disk) < 0);
	}
	vdisk_abandon(disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool made;
	if (!made)
		make_base();
	made = true;
	memcpy(device.bytes, base, DEVICE);
	while (size > 4) { /* patches: block, offset (2 bytes), length, bytes */
		size_t length = data[3];
		size_t at = data[0] % (DEVICE / VDISK_BLOCK) * (size_t)VDISK_BLOCK +
		            (data[1] | data[2] << 8) % VDISK_BLOCK;
		if (length > size - 4)
			length = size - 4;
		if (length > DEVICE - at)
			length = DEVICE - at;
		memcpy(device.bytes + at, data + 4, length);
		data += 4 + length;
		size -= 4 + length;
	}
	struct vdisk_slot_info slots[8];
	unsigned count;
	uint8_t id[VDISK_ID_SIZE];
	(void)(vdisk_probe(&leg, slots, 8, &count, id) < 0);
	vdisk_seeded_bug = BUG_TAG_NOT_CHECKED;
	work(true);
	work(false);
	vdisk_seeded_bug = BUG_NONE;
	work(true);
	return 0;
}
