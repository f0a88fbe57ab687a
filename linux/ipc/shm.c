/* Shared memory segments: shmget(2), shmat(2), shmctl(2). A segment is a memory object; each kind of attachment (read, or
 * read and write) is an open file that its areas hold, so that fork, munmap and exit count them.
 */
#include "ipc.h"
#include "../include/vnode.h"
#include "../mm/area.h"
#include "../proc/machine.h"

enum {
	SHM_RDONLY = 010000,
	SHM_RND = 020000,
	SHM_REMAP = 040000,
	SHM_EXEC = 0100000,
	SHM_HUGETLB = 04000,
	SHM_LOCK = 11,
	SHM_UNLOCK = 12,
	SHM_STAT = 13,
	SHM_INFO = 14,
	SHM_STAT_ANY = 15,
	SHM_LOCKED = 02000, /* of the mode */
};
#define SEGMENT_MAX (1ull << 40)

struct segment {
	struct ipc_object ipc;
	uint64_t bytes;
	struct memory_object *object;
	struct file
	    *files[2]; /* read; read and write. The areas' own references keep them when the segment goes */
	struct vnode *vnode; /* its `maps` are the attachments */
	int64_t attached, detached, changed;
	int32_t creator, last;
	uint32_t users; /* files, and the table */
};

static struct ipc_table *segments(void)
{
	return &ipc_current()->tables[IPC_SEGMENTS];
}

static void segment_put(struct segment *segment)
{
	if (--segment->users)
		return;
	memory_object_release(segment->object);
	vnode_release(segment->vnode);
	heap_free(segment);
}

static int64_t segment_mmap(struct file *file, struct mmap_request *request)
{
	struct segment *segment = file->private;
	request->object = memory_object_reference(segment->object);
	request->object_offset = request->offset;
	return 0;
}

static void segment_file_release(struct file *file)
{
	segment_put(file->private);
}

static void segment_describe(struct file *file, char *text, uint32_t size)
{
	const struct segment *segment = file->private;
	text_format(text, size, "/SYSV%08x (deleted)", (uint32_t)segment->ipc.key);
}

static const struct file_ops segment_ops = {
    .mmap = segment_mmap, .release = segment_file_release, .describe = segment_describe};

void segment_remove(struct ipc_object *object)
{
	struct segment *segment = (struct segment *)object;
	ipc_remove(&segment->ipc);
	for (unsigned i = 0; i < 2; i++)
		if (segment->files[i])
			file_release(segment->files[i]);
	segment_put(segment);
}

static struct file *segment_file(struct segment *segment, bool writable)
{
	struct file **slot = &segment->files[writable];
	if (!*slot && (*slot = file_create(&segment_ops, writable ? O_RDWR : O_RDONLY, segment)) != 0) {
		(*slot)->vnode = segment->vnode;
		segment->vnode->references++;
		segment->users++;
	}
	return *slot;
}

static int64_t seconds_now(void)
{
	return clock_realtime_timespec().tv_sec;
}

static int64_t segment_create(int32_t key, uint64_t bytes, uint32_t flags)
{
	uint64_t total, used;
	linux_memory(&total, &used);
	if (!bytes || bytes > SEGMENT_MAX)
		return -EINVAL;
	if (flags & SHM_HUGETLB)
		return -ENOMEM;
	if (bytes > total)
		return -ENOMEM;
	struct segment *segment = heap_allocate(sizeof(*segment));
	if (!segment)
		return -ENOMEM;
	segment->bytes = bytes;
	segment->users = 1;
	segment->object = memory_object_create(page_up(bytes));
	segment->vnode = segment->object ? vnode_outside(0600, 0) : 0;
	int64_t number = segment->vnode ? ipc_enter(segments(), &segment->ipc, key, flags) : -ENOMEM;
	if (number < 0) {
		if (segment->vnode)
			vnode_release(segment->vnode);
		if (segment->object)
			memory_object_release(segment->object);
		heap_free(segment);
		return number;
	}
	segment->vnode->inode = (uint64_t)number;
	segment->creator = current_task()->process->pid;
	segment->changed = seconds_now();
	return number;
}

SYSCALL_HANDLER(shmget, int32_t key, uint64_t bytes, uint32_t flags)
{
	struct segment *old = key == IPC_PRIVATE ? 0 : (struct segment *)ipc_by_key(segments(), key);
	if (old) {
		int64_t number = ipc_get_old(&old->ipc, flags);
		return number >= 0 && bytes > old->bytes ? -EINVAL : number;
	}
	if (key != IPC_PRIVATE && !(flags & IPC_CREAT))
		return -ENOENT;
	return segment_create(key, bytes, flags);
}

SYSCALL_HANDLER(shmat, int32_t number, uint64_t address, uint32_t flags)
{
	struct mm *mm = current_task()->mm;
	int error;
	struct segment *segment = (struct segment *)ipc_find(segments(), number, &error);
	bool writable = !(flags & SHM_RDONLY);
	if (address & (PAGE_SIZE_BYTES - 1)) {
		if (!(flags & SHM_RND))
			return -EINVAL;
		address &= ~(PAGE_SIZE_BYTES - 1);
	}
	if (!address && (flags & SHM_REMAP))
		return -EINVAL;
	if (!segment)
		return error;
	if (!ipc_permitted(&segment->ipc, (writable ? 0600 : 0400) | (flags & SHM_EXEC ? 0100u : 0)))
		return -EACCES;
	struct file *file = segment_file(segment, writable);
	if (!file)
		return -ENOMEM;
	uint64_t bytes = page_up(segment->bytes);
	uint64_t how = LINUX_MAP_SHARED | (!address            ? 0
	                                   : flags & SHM_REMAP ? LINUX_MAP_FIXED
	                                                       : LINUX_MAP_FIXED_NOREPLACE);
	uint64_t protection = PROT_READ | (writable ? PROT_WRITE : 0) | (flags & SHM_EXEC ? PROT_EXEC : 0);
	int64_t at = mm_map_file(mm, address, bytes, protection, how, file);
	if (at < 0)
		return at == -EEXIST ? -EINVAL : at;
	segment->attached = seconds_now();
	segment->last = current_task()->process->pid;
	return at;
}

SYSCALL_HANDLER(shmdt, uint64_t address)
{
	struct mm *mm = current_task()->mm;
	struct area *area = mm_find(mm, address);
	if ((address & (PAGE_SIZE_BYTES - 1)) || !area || area->start != address || !area->file ||
	    area->file->ops != &segment_ops || area->file_offset)
		return -EINVAL;
	struct segment *segment = area->file->private;
	segment->users++; /* it may end with its last area */
	segment->detached = seconds_now();
	segment->last = current_task()->process->pid;
	/* What is left of the attachment, wherever parts of it have been unmapped. */
	uint64_t end = address + page_up(segment->bytes);
	int error = 0;
	while (!error && area && area->start < end) {
		uint64_t next = area->end;
		if (area->file && area->file->private == segment &&
		    area->start - address == area->file_offset)
			error = mm_unmap(mm, area->start, area->end - area->start);
		area = mm_find(mm, next);
	}
	segment_put(segment);
	return error;
}

/* ---- shmctl ---- */

struct shmid64_ds {
	struct ipc_permissions permissions;
	uint64_t bytes;
	int64_t attached, detached, changed;
	int32_t creator, last;
	uint64_t attachments, unused[2];
};
_Static_assert(sizeof(struct shmid64_ds) == 112, "struct shmid64_ds");

static int64_t describe(const struct segment *segment, uint64_t address)
{
	struct shmid64_ds out = {.bytes = segment->bytes,
	                         .attached = segment->attached,
	                         .detached = segment->detached,
	                         .changed = segment->changed,
	                         .creator = pid_seen(segment->creator),
	                         .last = pid_seen(segment->last),
	                         .attachments = segment->vnode->maps};
	ipc_describe(&segment->ipc, &out.permissions);
	return copy_to_user(address, &out, sizeof(out));
}

static int64_t limits(uint64_t address)
{
	const uint64_t out[9] = {SEGMENT_MAX, 1, IPC_OBJECTS_MAX, IPC_OBJECTS_MAX,
	                         SEGMENT_MAX / PAGE_SIZE_BYTES};
	return copy_to_user(address, out, sizeof(out)) ? -EFAULT
	       : segments()->highest                   ? (int64_t)segments()->highest - 1
	                                               : 0;
}

static int64_t usage(uint64_t address)
{
	struct {
		int32_t used, pad;
		uint64_t total, resident, swapped, swap_tries, swap_successes;
	} out = {.used = (int32_t)segments()->used};
	for (uint32_t i = 0; i < segments()->highest; i++) {
		const struct segment *segment = (const struct segment *)segments()->slots[i];
		out.total += segment ? page_up(segment->bytes) / PAGE_SIZE_BYTES : 0;
	}
	out.resident = out.total;
	return copy_to_user(address, &out, sizeof(out)) ? -EFAULT
	       : segments()->highest                    ? (int64_t)segments()->highest - 1
	                                                : 0;
}

static int64_t control(struct segment *segment, int command, uint64_t address)
{
	struct shmid64_ds in;
	int error;
	switch (command) {
	case IPC_SET:
		if (copy_from_user(&in, address, sizeof(in)))
			return -EFAULT;
		error = ipc_set(&segment->ipc, &in.permissions);
		segment->changed = error ? segment->changed : seconds_now();
		return error;
	case IPC_RMID:
		if (!ipc_owned(&segment->ipc))
			return -EPERM;
		segment_remove(&segment->ipc);
		return 0;
	case SHM_LOCK:
	case SHM_UNLOCK:
		if (!ipc_owned(&segment->ipc) && !capable(CAP_IPC_LOCK))
			return -EPERM;
		if (command == SHM_LOCK)
			segment->ipc.mode |= SHM_LOCKED;
		else
			segment->ipc.mode &= ~(uint32_t)SHM_LOCKED;
		return 0;
	default:
		return -EINVAL;
	}
}

SYSCALL_HANDLER(shmctl, int32_t number, int command, uint64_t address)
{
	int error;
	command &= ~IPC_64;
	if (command < 0 || number < 0)
		return -EINVAL;
	if (command == IPC_INFO)
		return limits(address);
	if (command == SHM_INFO)
		return usage(address);
	bool by_place = command == SHM_STAT || command == SHM_STAT_ANY;
	struct segment *segment =
	    (struct segment *)(by_place ? ipc_at(segments(), number) : ipc_find(segments(), number, &error));
	if (!segment)
		return by_place ? -EINVAL : error;
	if (!by_place && command != IPC_STAT)
		return control(segment, command, address);
	if (command != SHM_STAT_ANY && !ipc_permitted(&segment->ipc, 0400))
		return -EACCES;
	int64_t result = describe(segment, address);
	return result || !by_place ? result : segment->ipc.number;
}

void text_sysvipc_shm(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  "
	                 "cuid  cgid      "
	                 "atime      dtime      ctime                   rss                  swap\n");
	for (uint32_t i = 0; i < segments()->highest; i++) {
		const struct segment *segment = (const struct segment *)segments()->slots[i];
		if (!segment)
			continue;
		const struct ipc_object *ipc = &segment->ipc;
		proc_print(text, "%10d %10d  %4o %21lu %5d %5d  %5u %5u %5u %5u %5u ", ipc->key, ipc->number,
		           ipc->mode, segment->bytes, segment->creator, segment->last, segment->vnode->maps,
		           ipc->uid, ipc->gid, ipc->creator_uid, ipc->creator_gid);
		proc_print(text, "%10ld %10ld %10ld %21lu %21u\n", segment->attached, segment->detached,
		           segment->changed, page_up(segment->bytes), 0u);
	}
}
