/* Disks as files: /dev/block/NAME for every block device that the manager lets this sub-kernel have, and NAMEp1, NAMEp2 and so on for
 * its partitions (lib/partition), which are ranges of it. Partitions are looked for at the beginning, and again when a program asks for
 * it (BLKRRPART), as those that make them do.
 *
 * Nothing is cached: a read or write is the device's, in whole sectors, and what covers a sector in part is read
 * first. A disk does one call at a time, but those of aio(7) (block_transfer.h); the common lock is given up while the device works. Requests go on when the
 * driver is restarted (lib/block/block_client.h).
 */
#include "../internal.h"
#include "../mm/area.h"
#include <block.interface.h>
#include <subkernel.interface.h>
#include "block/block_client.h"
#include "partition/partition.h"
#include "block_transfer.h"
#include "name.h"
#include "open.h"
#include "ramfs.h"

#define DISKS      64u /* with their partitions */
#define SCAN_NS    (5 * NS_PER_SECOND)
#define MAJOR      259u /* Linux': blkext */
#define DATA_BYTES (128u << 10)
#define DO_NS      (60 * NS_PER_SECOND)

/* include/uapi/linux/fs.h, by number */
enum ioctl_number {
	BLKROGET = 0x125e,
	BLKRRPART = 0x125f,
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

static struct vnode *folder; /* /dev/block */

static struct disk {
	char name[40];         /* empty: none */
	struct disk *whole;    /* of a partition: the disk that it is on */
	uint64_t first, count; /* its sectors */
	bool read_only;
	bool open, busy;
	bool transfers_failed; /* they are not to be had */
	struct wait_queue free;
	struct block_client client;
	handle_t memory[2]; /* of the rings, of the data: made once */
	uint64_t window;
	struct block_transfers *transfers; /* made at the first need */
} disks[DISKS];

static handle_t manager(void)
{
	return start_find(linux_start_info(), "manager", 0);
}

int block_error_of(uint32_t status)
{
	switch ((enum block_status)status) {
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
	return block_error_of(status);
}

/* ---- Opening ---- */

/* Memory for a queue with BYTES of data, with all its pages: the personality has no other way to cope without. Where the rings are, and the data
 * behind them; 0: there is none. */
static uint64_t queue_memory(uint64_t data, handle_t memory[2])
{
	const uint64_t rings = page_up(BLOCK_RINGS_BYTES(BLOCK_CLIENT_ENTRIES)), bytes = rings + data;
	int64_t first = memory_create(MEMORY_ANONYMOUS, rings, 0, 0);
	int64_t second = memory_create(MEMORY_ANONYMOUS, data, 0, 0);
	uint64_t at = first < 0 || second < 0 ? 0 : window_take(bytes, PAGE_SIZE_BYTES);
	bool good =
	    at && space_map(machine.space, at, (handle_t)first, 0, rings, MAP_READ | MAP_WRITE) >= 0 &&
	    space_map(machine.space, at + rings, (handle_t)second, 0, data, MAP_READ | MAP_WRITE) >= 0;
	for (uint64_t page = at; good && page < at + bytes; page += PAGE_SIZE_BYTES)
		good = probe_write(page) == 0;
	if (!good && at) {
		space_unmap(machine.space, at, bytes);
		window_put(at, bytes);
	}
	if (!good && first >= 0)
		cap_delete((handle_t)first);
	if (!good && second >= 0)
		cap_delete((handle_t)second);
	if (!good)
		return 0;
	memory[0] = (handle_t)first;
	memory[1] = (handle_t)second;
	return at;
}

/* A capability to DISK: a disk, or a range of one. */
static int64_t disk_device(const struct disk *disk, handle_t *device)
{
	const struct disk *whole = disk->whole ? disk->whole : disk;
	handle_t all = 0;
	int64_t result =
	    subkernel_block_open(manager(), current_page(), whole->name, &all, clock_ns() + DO_NS);
	if (result < 0 || !disk->whole) {
		*device = all;
		return result;
	}
	result = block_range(all, current_page(), disk->first, disk->count,
	                     disk->read_only ? BLOCK_RANGE_READ_ONLY : 0, device, clock_ns() + DO_NS);
	cap_delete(all);
	return result;
}

int block_device_give_node(const struct vnode *vnode, handle_t *device)
{
	uint64_t minor = vnode->device_number & 0xff;
	if (vnode->device_number >> 8 != MAJOR || minor >= DISKS || !disks[minor].name[0])
		return -ENXIO;
	return disk_device(&disks[minor], device) < 0 ? -ENXIO : 0;
}

int block_device_give(const char *name, handle_t *device)
{
	for (unsigned i = 0; i < DISKS; i++)
		if (disks[i].name[0] && strcmp(disks[i].name, name) == 0)
			return disk_device(&disks[i], device) < 0 ? -ENODEV : 0;
	return manager() ? -ENODEV : -EPERM;
}

static int disk_open(struct disk *disk)
{
	handle_t device = 0;
	if (disk->open)
		return 0;
	if (!disk->window)
		disk->window = queue_memory(DATA_BYTES, disk->memory);
	if (!disk->window)
		return -ENOMEM;
	disk->client = (struct block_client){.rings = (struct block_rings *)disk->window,
	                                     .data = (uint8_t *)disk->window +
	                                             page_up(BLOCK_RINGS_BYTES(BLOCK_CLIENT_ENTRIES)),
	                                     .rings_memory = disk->memory[0],
	                                     .data_memory = disk->memory[1]};
	int64_t result = disk_device(disk, &device);
	if (result >= 0)
		result = block_client_open_in(&disk->client, device, current_page(), DATA_BYTES);
	disk->open = result >= 0;
	if (result < 0 && device)
		cap_delete(device);
	return result < 0 ? -ENXIO : 0;
}

/* DISK is what is in the drive now. A drive takes its time. */
static int disk_look(struct disk *disk)
{
	disk->client.page = current_page();
	enum common_mode mode = common_give();
	int64_t result = block_client_check(&disk->client);
	common_take(mode);
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

static const struct file_ops block_ops;

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
	bool force = (file->flags & O_DSYNC) || (io->flags & (IO_DATA_SYNC | IO_SYNC));
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

/* ---- What goes on while who asked goes on ---- */

static struct block_transfers *disk_transfers(struct disk *disk)
{
	handle_t memory[2], device = 0;
	if (disk->transfers || disk->transfers_failed)
		return disk->transfers;
	disk->transfers_failed = true; /* also for who comes here meanwhile */
	uint64_t rings = queue_memory(BLOCK_TRANSFERS * BLOCK_TRANSFER_BYTES, memory);
	if (rings && disk_device(disk, &device) >= 0)
		disk->transfers = block_transfers_create(
		    device, (void *)rings,
		    (uint8_t *)rings + page_up(BLOCK_RINGS_BYTES(BLOCK_CLIENT_ENTRIES)), memory);
	if (!disk->transfers && device)
		cap_delete(device);
	return disk->transfers;
}

int block_transfer_begin(struct file *file, struct io *io, int64_t position, bool write,
                         struct block_transfer *transfer)
{
	struct disk *disk = file->private;
	if (file->ops != &block_ops || !(file->flags & O_DIRECT) || file->flags & O_DSYNC ||
	    io->flags & (IO_DATA_SYNC | IO_SYNC) || position < 0 || inotify_watched(file))
		return -EAGAIN;
	const struct block_description *device = &disk->client.description;
	if (device->flags & BLOCK_IS_REMOVABLE || misaligned(file, disk, io, position) || !io->remaining ||
	    io->remaining > BLOCK_TRANSFER_BYTES || io->remaining > device->transfer_bytes ||
	    io->remaining > disk_bytes(disk) || (uint64_t)position > disk_bytes(disk) - io->remaining)
		return -EAGAIN;
	struct block_transfers *queue = disk_transfers(disk);
	transfer->write = write;
	return queue ? block_transfers_begin(queue, io, (uint64_t)position / device->sector_bytes,
	                                     (uint32_t)(io->remaining / device->sector_bytes), transfer)
	             : -EAGAIN;
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

/* ---- Partitions ---- */

struct scan {
	struct disk *disk;
	uint64_t deadline;
};

static bool scan_read(void *context, uint64_t sector, void *buffer)
{
	const struct scan *scan = context;
	struct disk *disk = scan->disk;
	const struct block_request wanted = {.sector = sector, .sectors = 1, .operation = BLOCK_READ};
	disk->client.page = current_page();
	if (block_client_do(&disk->client, wanted, scan->deadline) != BLOCK_DONE)
		return false;
	memcpy(buffer, disk->client.data, disk->client.description.sector_bytes);
	return true;
}

static void partition_make(struct disk *whole, const struct partition *partition)
{
	struct disk *disk = 0;
	for (unsigned i = 0; i < DISKS && !disk; i++)
		if (!disks[i].name[0])
			disk = &disks[i];
	if (!disk)
		return;
	wait_queue_init(&disk->free);
	text_format(disk->name, sizeof(disk->name), "%sp%u", whole->name, partition->number);
	disk->whole = whole;
	disk->first = partition->first;
	disk->count = partition->count;
	disk->read_only = partition->read_only;
	struct vnode *node =
	    ramfs_make(folder, disk->name, S_IFBLK | 0660, (uint64_t)MAJOR << 8 | (uint64_t)(disk - disks));
	if (node)
		vnode_release(node);
}

/* The name of DISK goes from /dev/block, where it is still there. */
static void name_remove(const struct disk *disk)
{
	char text[64];
	struct path path;
	text_format(text, sizeof(text), "/dev/block/%s", disk->name);
	if (path_walk(AT_FDCWD, text, 0, &path))
		return;
	struct vnode *vnode = path.dentry->vnode;
	if (S_ISBLK(vnode->mode) &&
	    vnode->device_number == ((uint64_t)MAJOR << 8 | (uint64_t)(disk - disks)) &&
	    folder->ops->unlink(folder, disk->name, (uint32_t)strlen(disk->name), vnode) == 0)
		dentry_drop(path.dentry);
	path_release(&path);
}

/* What is on DISK now: partitions that are not in use and have gone, or are others, go; new ones come. */
static int partitions_scan(struct disk *disk)
{
	static struct partition found[PARTITIONS_MAX];
	static uint8_t buffer[PARTITION_SECTOR_MAX];
	unsigned count = 0;
	struct scan scan = {.disk = disk, .deadline = clock_ns() + SCAN_NS};
	const struct partition_disk table = {.context = &scan,
	                                     .sectors = disk->client.description.sectors,
	                                     .sector_bytes = disk->client.description.sector_bytes,
	                                     .read = scan_read};
	/* What a CD's table says is in sectors of a disk, for machines that start from it as from one. */
	if (disk->client.description.sector_bytes != 2048)
		(void)partition_scan(&table, buffer, found, &count);
	for (unsigned i = 0; i < DISKS; i++) {
		struct disk *old = &disks[i];
		bool same = false;
		if (old->whole != disk)
			continue;
		for (unsigned k = 0; k < count; k++) {
			char name[sizeof(old->name)];
			text_format(name, sizeof(name), "%sp%u", disk->name, found[k].number);
			if (strcmp(name, old->name) != 0 || found[k].first != old->first ||
			    found[k].count != old->count)
				continue;
			same = true;
			found[k].count = 0; /* it is there */
		}
		if (same)
			continue;
		if (old->open || old->busy)
			return -EBUSY;
		name_remove(old);
		*old = (struct disk){.window = old->window, .memory = {old->memory[0], old->memory[1]}};
	}
	for (unsigned k = 0; k < count; k++)
		if (found[k].count)
			partition_make(disk, &found[k]);
	return 0;
}

static int64_t partitions_again(struct disk *disk)
{
	if (disk->whole)
		return -EINVAL;
	int error = disk_take(disk);
	if (error)
		return error;
	error = partitions_scan(disk);
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
	case BLKRRPART:
		return capable(CAP_SYS_ADMIN) ? partitions_again(file->private) : -EACCES;
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
	if (!error && disk->client.description.flags & BLOCK_IS_REMOVABLE)
		error = disk_look(disk);
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
	const char *found;
	uint32_t count = 0;
	for (; count < DISKS && manager(); count++) {
		if (subkernel_block_name(manager(), current_page(), count, &found, clock_ns() + DO_NS) < 0)
			break;
		wait_queue_init(&disks[count].free);
		text_copy(disks[count].name, sizeof(disks[count].name), found);
		if (!folder)
			folder = ramfs_make(directory, "block", S_IFDIR | 0755, 0);
		struct vnode *node = folder ? ramfs_make(folder, disks[count].name, S_IFBLK | 0660,
		                                         (uint64_t)MAJOR << 8 | count)
		                            : 0;
		if (node)
			vnode_release(node);
	}
	for (uint32_t i = 0; i < count && folder; i++)
		if (disk_open(&disks[i]) == 0)
			(void)partitions_scan(&disks[i]);
}
