/* Disks as files: /dev/block/NAME for every block device that the manager lets this sub-kernel have.
 *
 * Nothing is cached: a read or write is the device's, in whole sectors, and what covers a sector in part is read
 * first. A disk does one call at a time; the common lock is given up while the device works. Requests go on when the
 * driver is restarted (lib/block/block_client.h).
 */
#include "../internal.h"
#include "../mm/area.h"
#include <block.interface.h>
#include <subkernel.interface.h>
#include "block/block_client.h"
#include "name.h"
#include "ramfs.h"

#define DISKS      16u
#define MAJOR      259u /* Linux': blkext */
#define DATA_BYTES (128u << 10)
#define DO_NS      (60 * NS_PER_SECOND)

/* include/uapi/linux/fs.h, by number */
enum ioctl_number {
	BLKROGET = 0x125e,
	BLKGETSIZE = 0x1260,
	BLKFLSBUF = 0x1261,
	BLKSSZGET = 0x1268,
	BLKDISCARD = 0x1277,
	BLKIOMIN = 0x1278,
	BLKIOOPT = 0x1279,
	BLKALIGNOFF = 0x127a,
	BLKPBSZGET = 0x127b,
	BLKDISCARDZEROES = 0x127c,
	BLKZEROOUT = 0x127f,
	BLKBSZGET = (int)0x80081270,
	BLKGETSIZE64 = (int)0x80081272,
};

static struct disk {
	char name[32]; /* empty: none */
	bool open, busy;
	struct wait_queue free;
	struct block_client client;
	handle_t memory[2]; /* of the rings, of the data: made once */
	uint64_t window;
} disks[DISKS];

static handle_t manager(void)
{
	return start_find(linux_start_info(), "manager", 0);
}

static int error_of(enum block_status status)
{
	switch (status) {
	case BLOCK_DONE:
		return 0;
	case BLOCK_READ_ONLY:
		return -EROFS;
	case BLOCK_NO_SPACE:
		return -ENOSPC;
	case BLOCK_UNSUPPORTED:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

/* One caller at a time. 0, or -EINTR: it is to be killed. */
static int disk_take(struct disk *disk)
{
	struct wait_entry entry;
	int error = 0;
	wait_begin(&entry, &disk->free);
	while (disk->busy && !error)
		error = wait_sleep_killable(DEADLINE_NEVER);
	wait_end(&entry);
	if (!error)
		disk->busy = true;
	return error;
}

static void disk_give(struct disk *disk)
{
	disk->busy = false;
	wake_all(&disk->free, 0);
}

static int request(struct disk *disk, enum block_operation operation, uint64_t sector, uint64_t sectors,
                   bool force)
{
	struct block_request wanted = {.sector = sector,
	                               .sectors = (uint32_t)sectors,
	                               .operation = (uint8_t)operation,
	                               .flags = force ? BLOCK_FORCE : 0};
	disk->client.page = current_page();
	enum common_mode mode = common_give();
	enum block_status status = block_client_do(&disk->client, wanted, clock_ns() + DO_NS);
	common_take(mode);
	return error_of(status);
}

/* ---- Opening ---- */

/* Memory for a queue, with all its pages: the personality has no other way to cope without. */
static bool disk_memory(struct disk *disk)
{
	const uint64_t rings = page_up(BLOCK_RINGS_BYTES(BLOCK_CLIENT_ENTRIES)), bytes = rings + DATA_BYTES;
	if (disk->window)
		return true;
	int64_t first = memory_create(MEMORY_ANONYMOUS, rings, 0, 0);
	int64_t second = memory_create(MEMORY_ANONYMOUS, DATA_BYTES, 0, 0);
	uint64_t at = first < 0 || second < 0 ? 0 : window_take(bytes, PAGE_SIZE_BYTES);
	bool good =
	    at && space_map(machine.space, at, (handle_t)first, 0, rings, MAP_READ | MAP_WRITE) >= 0 &&
	    space_map(machine.space, at + rings, (handle_t)second, 0, DATA_BYTES, MAP_READ | MAP_WRITE) >= 0;
	for (uint64_t page = at; good && page < at + bytes; page += PAGE_SIZE_BYTES)
		good = probe_write(page) == 0;
	if (!good)
		return false;
	disk->memory[0] = (handle_t)first;
	disk->memory[1] = (handle_t)second;
	disk->window = at;
	return true;
}

static int disk_open(struct disk *disk)
{
	handle_t device = 0;
	if (disk->open)
		return 0;
	if (!disk_memory(disk))
		return -ENOMEM;
	disk->client = (struct block_client){.rings = (struct block_rings *)disk->window,
	                                     .data = (uint8_t *)disk->window +
	                                             page_up(BLOCK_RINGS_BYTES(BLOCK_CLIENT_ENTRIES)),
	                                     .rings_memory = disk->memory[0],
	                                     .data_memory = disk->memory[1]};
	int64_t result =
	    subkernel_block_open(manager(), current_page(), disk->name, &device, clock_ns() + DO_NS);
	if (result >= 0)
		result = block_client_open_in(&disk->client, device, current_page(), DATA_BYTES);
	disk->open = result >= 0;
	if (result < 0 && device)
		cap_delete(device);
	return result < 0 ? -ENXIO : 0;
}

/* ---- Bytes ---- */

static uint64_t disk_bytes(const struct disk *disk)
{
	return disk->client.description.sectors * disk->client.description.sector_bytes;
}

/* What of a call can be done at once: FIRST sector and how many hold bytes [POSITION, + *BYTES), which is cut to the
 * buffer and the disk's end. */
static uint64_t part(const struct disk *disk, uint64_t position, uint64_t *bytes, uint64_t *first)
{
	uint64_t sector = disk->client.description.sector_bytes,
	         most = disk->client.description.transfer_bytes;
	if (most > DATA_BYTES)
		most = DATA_BYTES;
	most -= most % sector;
	*first = position / sector;
	if (*bytes > disk_bytes(disk) - position)
		*bytes = disk_bytes(disk) - position;
	if (*bytes > most - position % sector)
		*bytes = most - position % sector;
	return (position % sector + *bytes + sector - 1) / sector;
}

static bool misaligned(const struct file *file, const struct disk *disk, const struct io *io,
                       int64_t position)
{
	return file->flags & O_DIRECT &&
	       ((uint64_t)position | io->remaining) % disk->client.description.sector_bytes;
}

static int64_t block_read(struct file *file, struct io *io, int64_t *position)
{
	struct disk *disk = file->private;
	int64_t total = 0;
	int error = misaligned(file, disk, io, *position) ? -EINVAL : disk_take(disk);
	if (error)
		return error;
	while (!error && io->remaining && (uint64_t)*position < disk_bytes(disk)) {
		uint64_t bytes = io->remaining, first, sector = disk->client.description.sector_bytes;
		uint64_t count = part(disk, (uint64_t)*position, &bytes, &first);
		error = request(disk, BLOCK_READ, first, count, false);
		int64_t done =
		    error ? error : io_put(io, disk->client.data + (uint64_t)*position % sector, bytes);
		if (done <= 0) {
			error = (int)done;
			break;
		}
		total += done;
		*position += done;
	}
	disk_give(disk);
	return total ? total : error;
}

static int64_t block_write(struct file *file, struct io *io, int64_t *position)
{
	struct disk *disk = file->private;
	bool force = file->flags & O_DSYNC;
	int64_t total = 0;
	int error = misaligned(file, disk, io, *position) ? -EINVAL : disk_take(disk);
	if (error)
		return error;
	if (io->remaining && (uint64_t)*position >= disk_bytes(disk))
		error = -ENOSPC;
	while (!error && io->remaining && (uint64_t)*position < disk_bytes(disk)) {
		uint64_t bytes = io->remaining, first, sector = disk->client.description.sector_bytes;
		uint64_t count = part(disk, (uint64_t)*position, &bytes, &first);
		uint64_t skip = (uint64_t)*position % sector;
		if (skip || bytes % sector)
			error = request(disk, BLOCK_READ, first, count, false);
		int64_t done = error ? error : io_take(io, disk->client.data + skip, bytes);
		if (done <= 0) {
			error = (int)done;
			break;
		}
		error =
		    request(disk, BLOCK_WRITE, first, ((uint64_t)done + skip + sector - 1) / sector, force);
		if (error)
			break;
		total += done;
		*position += done;
	}
	disk_give(disk);
	return total ? total : error;
}

static int64_t block_seek(struct file *file, int64_t offset, int whence)
{
	int64_t size = (int64_t)disk_bytes(file->private);
	int64_t base = whence == SEEK_SET   ? 0
	               : whence == SEEK_CUR ? file->position
	               : whence == SEEK_END ? size
	                                    : -1;
	int64_t place;
	if (base < 0 || __builtin_add_overflow(base, offset, &place) || place < 0 || place > size)
		return -EINVAL;
	return file->position = place;
}

static int64_t block_sync(struct file *file, bool data_only)
{
	struct disk *disk = file->private;
	int error = disk_take(disk);
	(void)data_only;
	if (error)
		return error;
	error = request(disk, BLOCK_FLUSH, 0, 0, false);
	disk_give(disk);
	return error;
}

/* Whole sectors [start, start + length) of the user's pair at ARGUMENT, discarded or zeroed. */
static int64_t clear_range(struct file *file, uint64_t argument, enum block_operation operation)
{
	struct disk *disk = file->private;
	uint64_t range[2], sector = disk->client.description.sector_bytes;
	if (!file_writable(file))
		return -EBADF;
	if (copy_from_user(range, argument, sizeof(range)))
		return -EFAULT;
	if ((range[0] | range[1]) % sector || range[0] > disk_bytes(disk) ||
	    range[1] > disk_bytes(disk) - range[0])
		return -EINVAL;
	int error = disk_take(disk);
	if (error)
		return error;
	while (range[1] && !error) {
		uint64_t bytes = range[1], first;
		if (operation == BLOCK_ZERO) {
			uint64_t count = part(disk, range[0], &bytes, &first);
			memset(disk->client.data, 0, bytes);
			error = request(disk, BLOCK_WRITE, first, count, false);
		} else {
			bytes = bytes > 1u << 30 ? 1u << 30 : bytes;
			error = request(disk, BLOCK_DISCARD, range[0] / sector, bytes / sector, false);
		}
		range[0] += bytes;
		range[1] -= bytes;
	}
	disk_give(disk);
	return error;
}

static int64_t block_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	const struct block_description *device = &((struct disk *)file->private)->client.description;
	switch ((int)command) {
	case BLKGETSIZE64:
		return put_user_u64(argument, disk_bytes(file->private));
	case BLKGETSIZE:
		return put_user_u64(argument, disk_bytes(file->private) / 512);
	case BLKSSZGET:
	case BLKIOMIN:
		return put_user_u32(argument, device->sector_bytes);
	case BLKPBSZGET:
		return put_user_u32(argument, device->physical_bytes);
	case BLKBSZGET:
		return put_user_u32(argument, PAGE_SIZE_BYTES);
	case BLKIOOPT:
	case BLKALIGNOFF:
	case BLKDISCARDZEROES:
		return put_user_u32(argument, 0);
	case BLKROGET:
		return put_user_u32(argument, (device->flags & BLOCK_IS_READ_ONLY) != 0);
	case BLKFLSBUF:
		return block_sync(file, false);
	case BLKDISCARD:
		return clear_range(file, argument, BLOCK_DISCARD);
	case BLKZEROOUT:
		return clear_range(file, argument, BLOCK_ZERO);
	default:
		return -ENOTTY;
	}
}

static const struct file_ops block_ops = {.read = block_read,
                                          .write = block_write,
                                          .seek = block_seek,
                                          .ioctl = block_ioctl,
                                          .sync = block_sync,
                                          .seekable = true};

int block_device_open(struct vnode *vnode, struct file *file)
{
	uint64_t minor = vnode->device_number & 0xff;
	struct disk *disk = &disks[minor % DISKS];
	if (vnode->device_number >> 8 != MAJOR || minor >= DISKS || !disk->name[0])
		return -ENXIO;
	int error = disk_take(disk);
	if (error)
		return error;
	error = disk_open(disk);
	disk_give(disk);
	if (!error && file_writable(file) && disk->client.description.flags & BLOCK_IS_READ_ONLY)
		error = -EACCES;
	if (error)
		return error;
	file->ops = &block_ops;
	file->private = disk;
	return 0;
}

void block_devices_make(struct vnode *directory)
{
	struct vnode *folder = 0;
	const char *found;
	for (uint32_t i = 0; i < DISKS && manager(); i++) {
		if (subkernel_block_name(manager(), current_page(), i, &found, clock_ns() + DO_NS) < 0)
			break;
		wait_queue_init(&disks[i].free);
		text_copy(disks[i].name, sizeof(disks[i].name), found);
		if (!folder)
			folder = ramfs_make(directory, "block", S_IFDIR | 0755, 0);
		struct vnode *node =
		    folder ? ramfs_make(folder, disks[i].name, S_IFBLK | 0660, (uint64_t)MAJOR << 8 | i) : 0;
		if (node)
			vnode_release(node);
	}
	if (folder)
		vnode_release(folder);
}
