/* A guest's address space: areas over memory objects.
 *
 * Private anonymous memory of one mm lives in one sparse memory object, its *heap object*, at the offset of
 * its address (areas that mremap moved keep the offset they had), so that fork clones it with one call.
 * Everything else maps a shared memory object: a file's pages, shared memory, or a private clone of a file
 * range made at the first write.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <holon/types.h>
#include "list.h"
#include "lock.h"
#include "mm/page_set.h"

struct file;
struct io;
struct task;
struct userfault;
struct vnode;

/* A memory object of the substrate with a reference count; the last release deletes the capability. A view is
 * the beginning of another object, behind which nothing can be mapped. */
struct memory_object {
	uint32_t references;
	struct memory_object *whole; /* of a view: a reference to the object it is the beginning of */
	uint64_t bytes;              /* of the object; file systems keep valid (file) size in their vnodes */
	handle_t handle;
	uint64_t identity; /* unique: futex keys, /proc/N/maps */
};
/* Zero-filled anonymous object; 0 when the quota is used up. */
struct memory_object *memory_object_create(uint64_t bytes) __attribute__((warn_unused_result));
/* Takes over HANDLE. */
struct memory_object *memory_object_adopt(handle_t handle, uint64_t bytes)
    __attribute__((warn_unused_result));
/* The first BYTES of WHOLE as an object of its own. */
struct memory_object *memory_object_view(struct memory_object *whole, uint64_t bytes)
    __attribute__((warn_unused_result));
static inline struct memory_object *memory_object_reference(struct memory_object *object)
{
	__atomic_fetch_add(&object->references, 1, __ATOMIC_RELAXED);
	return object;
}
void memory_object_release(struct memory_object *object);
/* Pages of OBJECT mapped in the personality's half (read, or read and write): the address or 0. Undo with
 * unmap. */
void *memory_object_map(struct memory_object *object, uint64_t offset, uint64_t bytes, bool write);
void memory_object_unmap(void *address, uint64_t bytes);

enum area_flags {
	AREA_READ = 1,
	AREA_WRITE = 2,
	AREA_EXECUTE = 4, /* protection: equal to PROT_* and the substrate's MAP_* */
	AREA_SHARED = 8,
	AREA_PRIVATE_FILE = 16, /* maps a file's pages read-only; becomes a clone at the first write */
	AREA_STACK = 32,
	AREA_HEAP = 64, /* brk */
	AREA_DONT_FORK = 128,
	AREA_WIPE_ON_FORK = 256,
	AREA_VDSO = 512,
	AREA_MAY_WRITE = 1024, /* shared file mappings of writable descriptors */
	AREA_LOCKED = 2048,
	AREA_CLEAN =
	    4096, /* a shared file's pages, not writable but where file_ops.page_write allowed it: the first write
	                           sets its times */
	AREA_GROWS_DOWN = 8192, /* a touch below it extends it */
	AREA_DONT_DUMP = 16384, /* core(5) leaves it out */
	AREA_TELL_MISSING = 32768,
	AREA_TELL_WRITES = 65536, /* userfaultfd(2): mm/userfault.h */
};

struct area {
	struct area *left, *right; /* mm/area_tree.h */
	uint64_t start, end;
	uint64_t first, last, hole; /* of its subtree: where it starts and ends, its largest hole */
	uint32_t height;
	uint32_t flags;
	struct memory_object *object; /* 0: the mm's heap object */
	uint64_t offset;              /* in the object, of start */
	struct file *file;            /* a reference; 0 for anonymous memory */
	uint64_t file_offset;
	struct userfault *userfault; /* a reference; 0: nobody is told of its faults */
};

#define MAP_COUNT_MAX 65530u /* areas of one address space: vm.max_map_count */

struct mm {
	uint32_t references;
	uint64_t number; /* no other has had it */
	struct lock
	    lock; /* LOCK_MM: guards all of it but references, space and heap. Whoever changes areas of an mm that is
	                     not its own takes it, even where it holds the common lock alone: mm_clone */
	handle_t space;
	struct memory_object *heap; /* private anonymous memory, offset = address */
	struct area *root;
	uint64_t area_count, total_pages, locked_pages;
	uint64_t mmap_top;     /* mappings without a hint are placed downwards from here */
	uint64_t moved_offset; /* next heap offset above USER_END for areas whose own offset is taken; 0 =
	                          unused */
	uint64_t moved_start, moved_end; /* heap offsets among which areas are that have moved away */
	uint64_t brk_start, brk;
	uint64_t code_start, code_end, data_start, data_end, stack_start;
	uint64_t argument_start, argument_end, environment_start, environment_end;
	uint64_t auxv[48];
	uint64_t vdso;
	struct file *executable; /* a reference: /proc/N/exe */
	uint64_t executable_identity;
	struct aio_context *aio;         /* async/aio.c */
	struct list futexes;             /* waiting here on private futexes: see futex.c */
	struct list userfaults;          /* made by its processes: guarded by the common lock, held alone */
	struct page_set write_protected; /* pages whose writes a userfault is told of */
	uint32_t membarrier;             /* expedited commands that its processes have registered for */
	bool huge_pages_off, locks_future, locks_on_fault; /* prctl(2); mlockall(2) */
};

/* Area that contains ADDRESS or the first one above it; 0 when there is none. */
struct area *mm_find(struct mm *mm, uint64_t address);
struct area *mm_next(struct mm *mm, const struct area *area);
/* Resolves what the kernel could not: true when the access may be retried. Otherwise *SIGNAL and *CODE are
 * set; *SIGNAL 0: the quota lacks a page (pressure_relieve), or with *CODE FAULT_ALONE it takes the common lock held
 * alone, or with FAULT_TOLD another program resolves it: userfault_wait. */
#define FAULT_ALONE 1
#define FAULT_TOLD  2
bool mm_fault(struct mm *mm, uint64_t address, uint64_t error, int *signal, int *code);
/* VNODE's bytes are in another object than before, or it was SHRUNK: mappings follow. What a process has written
 * into private pages behind the end goes. The common lock is held alone. */
void mm_file_changed(struct vnode *vnode, bool shrunk);
/* How often that was. */
uint64_t mm_file_changes(void);
/* The next write to any page of VNODE through a mapping is a fault again (file_ops.page_write). The common lock is held
 * alone. */
void mm_file_clean(struct vnode *vnode);
/* Reads or writes another process's memory (ptrace-like calls, /proc/N/mem, cmdline, environ): bytes moved, fewer where the
 * memory ends, or -EFAULT. MM_FORCE: whatever its protection, private pages of files included, but never what others
 * share without leave. The common lock is held alone. */
enum mm_access_flags { MM_READ = 0, MM_WRITE = 1, MM_FORCE = 2 };
int64_t mm_access(struct mm *mm, uint64_t address, void *buffer, uint64_t bytes, uint32_t flags);
