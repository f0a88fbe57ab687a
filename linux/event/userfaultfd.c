/* userfaultfd(2), the descriptor: what is read from it, and its requests (ioctl_userfaultfd(2)). What they do to an address space is
 * mm/userfault.c's. */
#include "../mm/userfault.h"
#include "../proc/proc.h"

#define UFFD_API       0xaaul
#define UFFD_USER_ONLY 1u
#define FEATURES                                                                                             \
	((uint64_t)(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_MISSING_SHMEM | UFFD_FEATURE_SIGBUS |      \
	            UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_EXACT_ADDRESS | UFFD_FEATURE_WP_HUGETLBFS_SHMEM))
#define INITIALIZED (1ul << 31) /* Linux shows that among the features */
#define TURN_PAGES  64u         /* after so many others have the lock for a while */

/* Numbers of requests, by which they are told as bits, too. */
enum { REGISTER = 0, UNREGISTER = 1, WAKE = 2, COPY = 3, ZEROPAGE = 4, WRITEPROTECT = 6, API = 0x3f };
#define BIT(number) (1ul << (number))
/* _IOWR and _IOR of the type 0xaa. */
#define WRITE_READ(number, bytes) (0xc000aa00u | (bytes) << 16 | (number))
#define READ_ONLY(number, bytes)  (0x8000aa00u | (bytes) << 16 | (number))

enum { MODE_MISSING = 1, MODE_WP = 2, DONT_WAKE = 1, COPY_WP = 2, PROTECT_WP = 1, PROTECT_DONT_WAKE = 2 };

struct range {
	uint64_t start, bytes;
};
_Static_assert(sizeof(struct range) == 16, "ioctl_userfaultfd(2)");

/* What read gives; userfaultfd(2). */
struct fault_message {
	uint8_t event, reserved1;
	uint16_t reserved2;
	uint32_t reserved3;
	uint64_t flags, address;
	uint32_t thread, reserved4;
};
_Static_assert(sizeof(struct fault_message) == 32, "userfaultfd(2)");
enum { EVENT_PAGEFAULT = 0x12, FLAG_WRITE = 1, FLAG_WP = 2 };

static struct userfault_wait *first_unread(const struct userfault *userfault)
{
	struct userfault_wait *wait;
	list_for_each(wait, &userfault->faults, link) if (!wait->read) return wait;
	return 0;
}

static int64_t read_one(const struct userfault *userfault, struct userfault_wait *wait, struct io *io)
{
	struct fault_message message = {.event = EVENT_PAGEFAULT};
	message.flags = (wait->write ? FLAG_WRITE : 0) | (wait->protected ? FLAG_WP : 0);
	message.address = wait->address;
	if (!(userfault->features & UFFD_FEATURE_EXACT_ADDRESS))
		message.address &= ~(PAGE_SIZE_BYTES - 1);
	if (userfault->features & UFFD_FEATURE_THREAD_ID)
		message.thread = (uint32_t)wait->tid;
	int64_t done = io_put(io, &message, sizeof(message));
	if (done == (int64_t)sizeof(message))
		wait->read = true;
	return done == (int64_t)sizeof(message) ? done : -EFAULT;
}

static int64_t userfault_read(struct file *file, struct io *io, int64_t *position)
{
	struct userfault *userfault = file->private;
	struct userfault_wait *wait;
	int64_t total = 0;
	(void)position;
	if (!userfault->started || io->remaining < sizeof(struct fault_message))
		return -EINVAL;
	if (!first_unread(userfault)) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int result = wait_event(&userfault->readers, first_unread(userfault) != 0, DEADLINE_NEVER);
		if (result)
			return result;
	}
	while (io->remaining >= sizeof(struct fault_message) && (wait = first_unread(userfault)) != 0) {
		int64_t done = read_one(userfault, wait, io);
		if (done < 0)
			return total ? total : done;
		total += done;
	}
	return total;
}

static uint32_t userfault_poll(struct file *file, struct poll_table *table)
{
	const struct userfault *userfault = file->private;
	poll_wait(table, &((struct userfault *)file->private)->readers);
	if (!userfault->started || !(file->flags & O_NONBLOCK))
		return POLLERR;
	return first_unread(userfault) ? POLLIN : 0;
}

static void userfault_file_release(struct file *file)
{
	userfault_close(file->private);
}

static void userfault_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "anon_inode:[userfaultfd]");
}

static uint64_t range_requests(uint32_t modes)
{
	return BIT(WAKE) | BIT(COPY) | BIT(ZEROPAGE) | (modes & MODE_WP ? BIT(WRITEPROTECT) : 0);
}

static void userfault_info(struct file *file, struct proc_text *text)
{
	const struct userfault *userfault = file->private;
	const struct userfault_wait *wait;
	uint64_t pending = 0, total = 0;
	list_for_each(wait, &userfault->faults, link)
	{
		pending += !wait->read;
		total++;
	}
	proc_print(text, "pending:\t%lu\ntotal:\t%lu\nAPI:\t%lx:%lx:%lx\n", pending, total, UFFD_API,
	           userfault->features | (userfault->started ? INITIALIZED : 0),
	           BIT(REGISTER) | BIT(UNREGISTER) | BIT(API) | range_requests(MODE_WP));
}

/* ---- Requests ---- */

static int64_t range_check(const struct range *range)
{
	bool good = range->bytes && page_aligned(range->start | range->bytes) &&
	            user_range(range->start, range->bytes);
	return good ? 0 : -EINVAL;
}

static int64_t request_api(struct userfault *userfault, uint64_t at)
{
	struct {
		uint64_t api, features, requests;
	} request;
	if (copy_from_user(&request, at, sizeof(request)))
		return -EFAULT;
	bool good = request.api == UFFD_API && !(request.features & ~FEATURES);
	uint64_t wanted = request.features;
	request.api = good ? UFFD_API : 0;
	request.features = good ? FEATURES : 0;
	request.requests = good ? BIT(REGISTER) | BIT(UNREGISTER) | BIT(API) : 0;
	if (copy_to_user(at, &request, sizeof(request)))
		return -EFAULT;
	if (!good || userfault->started)
		return -EINVAL;
	userfault->features = wanted;
	userfault->started = true;
	return 0;
}

static int64_t request_register(struct userfault *userfault, uint64_t at)
{
	struct {
		struct range range;
		uint64_t mode, requests;
	} request;
	if (copy_from_user(&request, at, sizeof(request)))
		return -EFAULT;
	if (!request.mode || (request.mode & ~(uint64_t)(MODE_MISSING | MODE_WP)) ||
	    range_check(&request.range))
		return -EINVAL;
	uint32_t flags = (request.mode & MODE_MISSING ? AREA_TELL_MISSING : 0) |
	                 (request.mode & MODE_WP ? AREA_TELL_WRITES : 0);
	if (!userfault->mm)
		return -ENOMEM;
	int error = userfault_register(userfault, request.range.start, request.range.bytes, flags);
	return error ? error : put_user_u64(at + 24, range_requests((uint32_t)request.mode));
}

static int64_t request_range(struct userfault *userfault, uint64_t at, bool unregister)
{
	struct range range;
	if (copy_from_user(&range, at, sizeof(range)))
		return -EFAULT;
	if (range_check(&range))
		return -EINVAL;
	if (!unregister)
		userfault_wake(userfault, range.start, range.bytes);
	else
		return userfault->mm ? userfault_unregister(userfault, range.start, range.bytes) : -ENOMEM;
	return 0;
}

/* Lets others have the common lock; whether to go on. */
static bool take_turns(const struct userfault *userfault)
{
	common_take(common_give());
	return userfault->mm && !(current_task()->work & TASK_WORK_EXIT);
}

/* Fills [range), from SOURCE in the current task's memory or, where that is 0, with zeros: bytes filled, or an error. */
static int64_t fill(struct userfault *userfault, const struct range *range, uint64_t source, bool protect)
{
	char *page = source ? heap_allocate(PAGE_SIZE_BYTES) : 0;
	uint64_t done = 0;
	int64_t error = source && !page ? -ENOMEM : 0;
	bool again = true;
	if (!error && !userfault_covers(userfault->mm, range->start, range->bytes, 0))
		error = -ENOENT;
	while (!error && done < range->bytes) {
		if (page && copy_from_user(page, source + done, PAGE_SIZE_BYTES))
			error = -EFAULT;
		else
			error = userfault_fill(userfault, range->start + done, page, protect);
		if (error == -ENOMEM && again && pressure_relieve(true) && userfault->mm) {
			again = false;
			error = 0;
			continue;
		}
		again = true;
		if (!error)
			done += PAGE_SIZE_BYTES;
		if (!error && done / PAGE_SIZE_BYTES % TURN_PAGES == 0 && done < range->bytes &&
		    !take_turns(userfault))
			error = userfault->mm ? -EINTR : -ESRCH;
	}
	heap_free(page);
	return done ? (int64_t)done : error;
}

/* COPY and ZEROPAGE, whose answer goes to RESULT_AT. */
static int64_t fill_and_answer(struct userfault *userfault, const struct range *range, uint64_t source,
                               bool protect, bool wake, uint64_t result_at)
{
	int64_t done = fill(userfault, range, source, protect);
	if (put_user_u64(result_at, (uint64_t)done))
		return -EFAULT;
	if (done < 0)
		return done;
	if (wake)
		userfault_wake(userfault, range->start, (uint64_t)done);
	return done == (int64_t)range->bytes ? 0 : -EAGAIN;
}

static int64_t request_copy(struct userfault *userfault, uint64_t at)
{
	struct {
		uint64_t to, from, bytes, mode;
	} request;
	if (copy_from_user(&request, at, sizeof(request)))
		return -EFAULT;
	struct range range = {request.to, request.bytes};
	if (range_check(&range) || !request.from || request.from + request.bytes < request.from ||
	    (request.mode & ~(uint64_t)(DONT_WAKE | COPY_WP)))
		return -EINVAL;
	if (!userfault->mm)
		return -ESRCH;
	if ((request.mode & COPY_WP) && userfault_covers(userfault->mm, range.start, range.bytes, 0) &&
	    !userfault_covers(userfault->mm, range.start, range.bytes, AREA_TELL_WRITES))
		return -EINVAL;
	return fill_and_answer(userfault, &range, request.from, request.mode & COPY_WP,
	                       !(request.mode & DONT_WAKE), at + 32);
}

static int64_t request_zero(struct userfault *userfault, uint64_t at)
{
	struct {
		struct range range;
		uint64_t mode;
	} request;
	if (copy_from_user(&request, at, sizeof(request)))
		return -EFAULT;
	if (range_check(&request.range) || (request.mode & ~(uint64_t)DONT_WAKE))
		return -EINVAL;
	if (!userfault->mm)
		return -ESRCH;
	return fill_and_answer(userfault, &request.range, 0, false, !(request.mode & DONT_WAKE), at + 24);
}

static int64_t request_protect(struct userfault *userfault, uint64_t at)
{
	struct {
		struct range range;
		uint64_t mode;
	} request;
	if (copy_from_user(&request, at, sizeof(request)))
		return -EFAULT;
	bool protect = request.mode & PROTECT_WP, wake = !(request.mode & PROTECT_DONT_WAKE);
	if (range_check(&request.range) || (request.mode & ~(uint64_t)(PROTECT_WP | PROTECT_DONT_WAKE)) ||
	    (protect && !wake))
		return -EINVAL;
	if (!userfault->mm)
		return -ESRCH;
	if (!userfault_covers(userfault->mm, request.range.start, request.range.bytes, AREA_TELL_WRITES))
		return -ENOENT;
	for (uint64_t done = 0; done < request.range.bytes;) {
		int64_t part = userfault_protect(userfault, request.range.start + done,
		                                 request.range.bytes - done, protect);
		if (part < 0)
			return part;
		done += (uint64_t)part;
		if (done < request.range.bytes && !take_turns(userfault))
			return userfault->mm ? -EINTR : -ESRCH;
	}
	if (!protect && wake)
		userfault_wake(userfault, request.range.start, request.range.bytes);
	return 0;
}

static int64_t userfault_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	struct userfault *userfault = file->private;
	if (command != WRITE_READ(API, 24u) && !userfault->started)
		return -EINVAL;
	switch (command) {
	case WRITE_READ(API, 24u):
		return request_api(userfault, argument);
	case WRITE_READ(REGISTER, 32u):
		return request_register(userfault, argument);
	case READ_ONLY(UNREGISTER, 16u):
		return request_range(userfault, argument, true);
	case READ_ONLY(WAKE, 16u):
		return request_range(userfault, argument, false);
	case WRITE_READ(COPY, 40u):
		return request_copy(userfault, argument);
	case WRITE_READ(ZEROPAGE, 32u):
		return request_zero(userfault, argument);
	case WRITE_READ(WRITEPROTECT, 24u):
		return request_protect(userfault, argument);
	default:
		return -EINVAL;
	}
}

static const struct file_ops userfault_ops = {
    .read = userfault_read,
    .poll = userfault_poll,
    .ioctl = userfault_ioctl,
    .release = userfault_file_release,
    .describe = userfault_describe,
    .info = userfault_info,
};

int64_t userfault_descriptor(uint32_t flags)
{
	if (flags & ~(uint32_t)(UFFD_USER_ONLY | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	struct userfault *userfault = userfault_create(flags & UFFD_USER_ONLY);
	struct file *file =
	    userfault ? file_create(&userfault_ops, O_RDWR | (flags & O_NONBLOCK), userfault) : 0;
	if (!file) {
		if (userfault)
			userfault_close(userfault);
		return -ENOMEM;
	}
	return file_give(file, flags & O_CLOEXEC);
}

SYSCALL_HANDLER(userfaultfd, uint32_t flags)
{
	if (!(flags & UFFD_USER_ONLY) && !sysctl_userfault.value && !capable(CAP_SYS_PTRACE))
		return -EPERM;
	return userfault_descriptor(flags);
}

/* /dev/userfaultfd: who may open it may have descriptors. */
static int64_t device_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	enum { NEW = 0xaa00 };
	(void)file;
	return command == NEW ? userfault_descriptor((uint32_t)argument) : -EINVAL;
}

const struct file_ops userfault_device_ops = {.ioctl = device_ioctl};
