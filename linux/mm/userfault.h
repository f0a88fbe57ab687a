/* userfaultfd(2): another program resolves the faults of an address space.
 *
 * An area with a userfault is not mapped as a whole: its pages enter the substrate's space one at a time, each at a touch that
 * finds it in the memory object and allowed. So every other touch is a fault that comes here. Whether a page is there is asked of
 * the substrate and written down nowhere; which pages are protected against writes stands in mm->write_protected.
 *
 * The descriptor's side (event/userfaultfd.c) and those that wait hold the common lock alone. Areas and pages change under
 * LOCK_MM, as ever.
 */
#pragma once

#include "internal.h"
#include "mm/area.h"

enum userfault_features {
	UFFD_FEATURE_PAGEFAULT_FLAG_WP = 1,
	UFFD_FEATURE_MISSING_SHMEM = 1 << 5,
	UFFD_FEATURE_SIGBUS = 1 << 7,
	UFFD_FEATURE_THREAD_ID = 1 << 8,
	UFFD_FEATURE_EXACT_ADDRESS = 1 << 11,
	UFFD_FEATURE_WP_HUGETLBFS_SHMEM = 1 << 12,
};

struct userfault {
	uint32_t references; /* of the open file, of areas, of those that wait */
	bool started, user_only;
	uint64_t features;
	struct list link; /* in mm->userfaults, while MM is there */
	struct list all_link;
	struct mm *mm;      /* that of who made it; 0 once it has gone */
	struct list faults; /* struct userfault_wait */
	struct wait_queue readers;
};

/* A thread that waits for the page at ADDRESS. */
struct userfault_wait {
	struct list link; /* of none: it may go on */
	uint64_t address;
	bool write, protected, read; /* READ: the event has been read */
	int32_t tid;
	struct wait_queue queue;
};

static inline struct userfault *userfault_reference(struct userfault *userfault)
{
	__atomic_fetch_add(&userfault->references, 1, __ATOMIC_RELAXED);
	return userfault;
}
void userfault_release(struct userfault *userfault);
/* For the current task's address space; 0: memory lacks. */
struct userfault *userfault_create(bool user_only) __attribute__((warn_unused_result));
/* Its file is closed: areas are as others again, and all that wait go on. */
void userfault_close(struct userfault *userfault);
/* MM goes. */
void userfault_mm_end(struct mm *mm);

enum userfault_answer {
	USERFAULT_ENTERED, /* the access may be retried */
	USERFAULT_TELL,    /* who has the descriptor is to be told: userfault_wait */
	USERFAULT_BUS,     /* it wants a signal instead */
	USERFAULT_REFUSED, /* the substrate does not allow it */
	USERFAULT_SHORT,   /* memory lacks */
};
/* A touch at ADDRESS of AREA, which has a userfault. *WRITTEN: the file whose times it changes. LOCK_MM is held. */
enum userfault_answer userfault_resolve(struct mm *mm, struct area *area, uint64_t address, bool write,
                                        struct file **written);
/* Would somebody be told of that? Nothing changes. */
bool userfault_told(struct mm *mm, struct area *area, uint64_t address, bool write);
/* Tells of a fault of the current task and sleeps until it is resolved. IN_CALL: it came in the middle of a system call. False: the
 * access is not to be tried again. The common lock is held alone. */
bool userfault_wait(uint64_t address, bool write, bool in_call);
/* The current task's call came to such a page at ADDRESS: it is begun anew once the page is there. */
void userfault_in_call(uint64_t address, bool write);
/* The end of a call to which that happened: whether it is to be begun anew. */
bool userfault_call_again(struct task *task);
/* Does IO, from or TO the current task's memory, meet such a page? Then its call, which has done nothing yet, answers -EFAULT and
 * is begun anew: it would have moved a part, otherwise. */
bool userfault_meets(const struct io *io, bool to_user);

/* AREA has no userfault any more, nor what stood for it. It does not enter its pages. LOCK_MM is held, or nobody else sees MM. */
void userfault_leave(struct mm *mm, struct area *area);
/* Pages of OBJECT have gone by another way than the areas that show it. */
void userfault_object_changed(const struct memory_object *object);
/* Those that wait for a page of the range go on. The common lock is held alone. */
void userfault_wake(struct userfault *userfault, uint64_t start, uint64_t bytes);
/* The same for all of MM's. */
void userfault_wake_range(struct mm *mm, uint64_t start, uint64_t bytes);

/* The descriptor's requests. The common lock is held alone. */
int userfault_register(struct userfault *userfault, uint64_t start, uint64_t bytes, uint32_t flags);
int userfault_unregister(struct userfault *userfault, uint64_t start, uint64_t bytes);
/* Fills the absent page at ADDRESS with PAGE, or with zeros where PAGE is 0. */
int userfault_fill(struct userfault *userfault, uint64_t address, const void *page, bool protect);
/* Protects the pages that are there of [start, start + bytes) against writes, or no longer. At most a part of it, whose length is
 * the answer; or an error. */
int64_t userfault_protect(struct userfault *userfault, uint64_t start, uint64_t bytes, bool protect);
/* Is all of the range in areas of MM with FLAGS (0: any) that have a userfault? */
bool userfault_covers(struct mm *mm, uint64_t start, uint64_t bytes, uint32_t flags);

/* A new descriptor, as userfaultfd(2) and USERFAULTFD_IOC_NEW give it. */
int64_t userfault_descriptor(uint32_t flags);
extern const struct file_ops userfault_device_ops;
