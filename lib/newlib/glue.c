/* What newlib asks of a system, on the native runtime: text goes to the kernel log, memory comes from the
 * unit's quota, and every thread has its own struct _reent (errno, stdio) behind FS.
 *
 * There are no files: a native program talks to services through their interfaces. Locks are words of this
 * file, taken by compare-and-swap and yields: they guard short stretches of malloc and stdio.
 */
#include <errno.h>
#include <reent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/lock.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include "native_newlib.h"

#define HEAP_BYTES (1ull << 30) /* of addresses; pages are charged as they are touched */

struct newlib_thread {
	struct newlib_thread *self; /* FS:0 */
	struct thread_page *page;
	void (*entry)(void *);
	void *argument;
	handle_t done;
	uint64_t done_bits;
	struct _reent reent;
};

/* Recursive or not, a lock knows its owner. */
struct __lock {
	struct newlib_thread *owner;
	unsigned depth;
};

/* 16 bytes at any address. */
typedef uint64_t chunk __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t word __attribute__((aligned(1), may_alias));

const struct start_info *native_start;
static struct newlib_thread first_thread;
static handle_t log_handle;
static char *heap_start;
static handle_t heap_memory;
static uint64_t heap_used;

/* newlib declares these with __LOCK_INIT where it uses them. */
struct __lock __lock___sinit_recursive_mutex;
struct __lock __lock___sfp_recursive_mutex;
struct __lock __lock___atexit_recursive_mutex;
struct __lock __lock___at_quick_exit_mutex;
struct __lock __lock___malloc_recursive_mutex;
struct __lock __lock___env_recursive_mutex;
struct __lock __lock___tz_mutex;
struct __lock __lock___dd_hash_mutex;
struct __lock __lock___arc4random_mutex;

static struct newlib_thread *thread_self(void)
{
	struct newlib_thread *self;
	__asm__("mov %%fs:0, %0" : "=r"(self));
	return self;
}

struct _reent *__getreent(void)
{
	return &thread_self()->reent;
}

struct thread_page *native_page(void)
{
	return thread_self()->page;
}

/* ---- Threads ---- */

static void thread_enter(struct newlib_thread *thread, struct thread_page *page)
{
	thread->self = thread;
	thread->page = page;
	_REENT_INIT_PTR(&thread->reent);
	thread_set(0, THREAD_SET_FS_BASE, (uint64_t)thread);
}

/* The stack starts like after a call, 8 below a multiple of 16. */
static void thread_main(struct newlib_thread *thread, uint64_t unused, struct thread_page *page)
{
	(void)unused;
	thread_enter(thread, page);
	thread->entry(thread->argument);
	event_signal(thread->done, thread->done_bits);
	thread_exit();
}

/* Thread page, struct and stack are one object; they stay mapped until the unit ends. */
int64_t native_thread_start(void (*entry)(void *), void *argument, uint64_t stack_bytes, handle_t done,
                            uint64_t done_bits)
{
	handle_t memory;
	uint64_t bytes = 2 * PAGE_SIZE_BYTES + stack_bytes;
	char *base = window_allocate(bytes, &memory);
	if (!base)
		return E_QUOTA_MEMORY;
	struct newlib_thread *thread = (struct newlib_thread *)(void *)(base + PAGE_SIZE_BYTES);
	thread->entry = entry;
	thread->argument = argument;
	thread->done = done;
	thread->done_bits = done_bits;
	struct thread_spec spec = {.entry = (uint64_t)thread_main,
	                           .stack = ((uint64_t)base + bytes & ~15ull) - 8,
	                           .argument = {(uint64_t)thread, 0},
	                           .budget = start_find(native_start, "budget0", 0),
	                           .page_address = (uint64_t)base,
	                           .name = "newlib"};
	int64_t made =
	    thread_create(native_page(), native_start->unit, native_start->space, memory, 0, &spec);
	if (made < 0)
		return made;
	int64_t result = thread_start((handle_t)made);
	cap_delete((handle_t)made);
	return result;
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static char *arguments[START_ARGUMENTS_SIZE / 2 + 1];
	int count = 0;
	log_handle = start_find(info, "log", 0);
	native_start = info;
	thread_enter(&first_thread, page);
	for (const char *word = info->arguments; *word; word += strlen(word) + 1)
		arguments[count++] = (char *)(uintptr_t)word;
	exit(main(count, arguments));
}

/* ---- Locks (sys/lock.h) ---- */

void __retarget_lock_init_recursive(_LOCK_T *lock)
{
	*lock = calloc(1, sizeof(**lock));
}

void __retarget_lock_init(_LOCK_T *lock)
{
	__retarget_lock_init_recursive(lock);
}

void __retarget_lock_close_recursive(_LOCK_T lock)
{
	free(lock);
}

void __retarget_lock_close(_LOCK_T lock)
{
	free(lock);
}

int __retarget_lock_try_acquire_recursive(_LOCK_T lock)
{
	struct newlib_thread *self = thread_self();
	struct newlib_thread *nobody = 0;
	if (!lock)
		return 1;
	if (__atomic_load_n(&lock->owner, __ATOMIC_RELAXED) != self &&
	    !__atomic_compare_exchange_n(&lock->owner, &nobody, self, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return 0;
	lock->depth++;
	return 1;
}

int __retarget_lock_try_acquire(_LOCK_T lock)
{
	return __retarget_lock_try_acquire_recursive(lock);
}

void __retarget_lock_acquire_recursive(_LOCK_T lock)
{
	while (!__retarget_lock_try_acquire_recursive(lock))
		thread_yield();
}

void __retarget_lock_acquire(_LOCK_T lock)
{
	__retarget_lock_acquire_recursive(lock);
}

void __retarget_lock_release_recursive(_LOCK_T lock)
{
	if (lock && --lock->depth == 0)
		__atomic_store_n(&lock->owner, 0, __ATOMIC_RELEASE);
}

void __retarget_lock_release(_LOCK_T lock)
{
	__retarget_lock_release_recursive(lock);
}

/* ---- System calls ---- */

ssize_t _write_r(struct _reent *reent, int file, const void *data, size_t size)
{
	if (file != STDOUT_FILENO && file != STDERR_FILENO) {
		reent->_errno = EBADF;
		return -1;
	}
	size_t count = size < 240 ? size : 240; /* a log line; stdio writes the rest with its next call */
	log_print(log_handle, native_page(), "%.*s", (int)count, (const char *)data);
	return (ssize_t)count;
}

/* malloc holds its lock. */
void *_sbrk_r(struct _reent *reent, ptrdiff_t more)
{
	if (!heap_start)
		heap_start = window_allocate(HEAP_BYTES, &heap_memory);
	if (!heap_start || (more < 0 && (uint64_t)-more > heap_used) ||
	    (more > 0 && (uint64_t)more > HEAP_BYTES - heap_used)) {
		reent->_errno = ENOMEM;
		return (void *)-1;
	}
	char *old = heap_start + heap_used;
	heap_used += (uint64_t)more;
	/* What malloc gives back is wiped and goes back to the quota. */
	uint64_t kept = (heap_used + PAGE_SIZE_BYTES - 1) & ~(PAGE_SIZE_BYTES - 1);
	uint64_t had = (heap_used - (uint64_t)more + PAGE_SIZE_BYTES - 1) & ~(PAGE_SIZE_BYTES - 1);
	if (more < 0 && kept < had)
		memory_discard(heap_memory, kept, had - kept);
	return old;
}

void _exit(int status)
{
	unit_exit(status);
}

int _gettimeofday_r(struct _reent *reent, struct timeval *time, void *zone)
{
	(void)reent, (void)zone;
	uint64_t now = clock_ns();
	time->tv_sec = (time_t)(now / 1000000000u);
	time->tv_usec = (suseconds_t)(now % 1000000000u / 1000);
	return 0;
}

int _fstat_r(struct _reent *reent, int file, struct stat *status)
{
	(void)reent, (void)file;
	memset(status, 0, sizeof(*status));
	status->st_mode = S_IFCHR;
	return 0;
}

int _isatty_r(struct _reent *reent, int file)
{
	(void)reent;
	return file <= STDERR_FILENO; /* lines are sent as they end */
}

static int refuse(struct _reent *reent, int error)
{
	reent->_errno = error;
	return -1;
}

ssize_t _read_r(struct _reent *reent, int file, void *data, size_t size)
{
	(void)file, (void)data, (void)size;
	return refuse(reent, EBADF);
}

int _close_r(struct _reent *reent, int file)
{
	(void)file;
	return refuse(reent, EBADF);
}

_off_t _lseek_r(struct _reent *reent, int file, _off_t offset, int from)
{
	(void)file, (void)offset, (void)from;
	return refuse(reent, ESPIPE);
}

int _kill_r(struct _reent *reent, int process, int signal)
{
	(void)process, (void)signal;
	return refuse(reent, ENOSYS);
}

int _getpid_r(struct _reent *reent)
{
	(void)reent;
	return 1;
}

/* ---- Copies ---- */

/* newlib's own stores past the cache from 256 bytes on, so that whoever copies a block and then uses it fetches it from memory again; and
 * it takes twice the instructions. */
void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
	char *out = to;
	const char *in = from;
	if (bytes < sizeof(chunk)) {
		if (bytes >= sizeof(word)) {
			word first = *(const word *)in;
			word last = *(const word *)(in + bytes - sizeof(word));
			*(word *)out = first;
			*(word *)(out + bytes - sizeof(word)) = last;
			return to;
		}
		while (bytes--)
			*out++ = *in++;
		return to;
	}
	chunk last = *(const chunk *)(in + bytes - sizeof(chunk));
	char *end = out + bytes - sizeof(chunk);
	for (; out + 4 * sizeof(chunk) <= end; out += 4 * sizeof(chunk), in += 4 * sizeof(chunk)) {
		chunk a = *(const chunk *)in;
		chunk b = *(const chunk *)(in + sizeof(chunk));
		chunk c = *(const chunk *)(in + 2 * sizeof(chunk));
		chunk d = *(const chunk *)(in + 3 * sizeof(chunk));
		*(chunk *)out = a;
		*(chunk *)(out + sizeof(chunk)) = b;
		*(chunk *)(out + 2 * sizeof(chunk)) = c;
		*(chunk *)(out + 3 * sizeof(chunk)) = d;
	}
	for (; out < end; out += sizeof(chunk), in += sizeof(chunk))
		*(chunk *)out = *(const chunk *)in;
	*(chunk *)end = last;
	return to;
}
