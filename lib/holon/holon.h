/* The native runtime: system calls as C functions, start-up, and what every native program shares.
 *
 * The functions are the calls of abi/substrate.interface one to one; see there for meaning and errors. All
 * return a negative enum holon_error on failure. Freestanding; uses no vector registers and no thread-local
 * storage.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <holon/start.h>
#include <holon/stream.h>
#include <holon/syscall.h>

#define MUST_CHECK __attribute__((warn_unused_result))

#ifdef HOLON_FAKE_KERNEL /* host tests bring their own */
int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second);
#else
#include <native_arch.h>
#endif

/* The other system calls: generated from abi/substrate.interface. */
#include <holon/calls.h>

/* ---- Messages ---- */

struct message {
	uint64_t words[MESSAGE_WORDS];
	uint64_t info;  /* INFO_MAKE(bytes, caps); bytes and capabilities are in the thread page */
	uint64_t badge; /* received messages: of the capability the caller used */
};

/* Each sends *MESSAGE and/or receives into it (channel.S). DEADLINE in ns since boot. */
int64_t channel_call(handle_t channel, struct message *message, uint64_t deadline) MUST_CHECK;
int64_t channel_receive(handle_t channel, struct message *message, uint64_t deadline) MUST_CHECK;
int64_t channel_reply(handle_t reply, const struct message *message);
int64_t channel_reply_receive(handle_t channel, struct message *message, uint64_t deadline) MUST_CHECK;

_Static_assert(offsetof(struct message, info) == 64 && offsetof(struct message, badge) == 72,
               "message.S agrees");

/* ---- Calls whose C form differs from their description ---- */

/* An object owned by and charged to the caller's own unit. */
static inline int64_t memory_create(enum memory_kind kind, uint64_t bytes, uint64_t base, handle_t system)
{
	return syscall6(SYS_MEMORY_CREATE, kind, bytes, base, system, 0, 0, 0);
}
/* Anonymous memory owned by and charged to UNIT (0: the caller's own). */
static inline int64_t memory_create_in(handle_t unit, uint64_t bytes)
{
	return syscall6(SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, bytes, 0, 0, unit, 0, 0);
}
/* A snapshot owned by and charged to the caller's own unit. */
static inline int64_t memory_clone(handle_t memory, uint64_t offset, uint64_t bytes)
{
	return syscall6(SYS_MEMORY_CLONE, memory, offset, bytes, 0, 0, 0, 0);
}
static inline _Noreturn void unit_exit(int64_t status)
{
	for (;;)
		syscall6(SYS_UNIT_EXIT, (uint64_t)status, 0, 0, 0, 0, 0, 0);
}
static inline _Noreturn void thread_exit(void)
{
	for (;;)
		syscall6(SYS_THREAD_EXIT, 0, 0, 0, 0, 0, 0, 0);
}
static inline void thread_yield(void)
{
	syscall6(SYS_THREAD_YIELD, 0, 0, 0, 0, 0, 0, 0);
}
static inline uint64_t clock_ns(void)
{
	return (uint64_t)syscall6(SYS_CLOCK, 0, 0, 0, 0, 0, 0, 0);
}

/* ---- Programs ---- */

/* The program's entry in C, called by start.S: INFO is the start page, PAGE the first thread's page.
 * Returning ends the unit with the returned status. */
int program_main(const struct start_info *info, struct thread_page *page);

/* The capability NAME of INFO, or 0; *VALUE (may be null) its value. */
handle_t start_find(const struct start_info *info, const char *name, uint64_t *value);
#define SEED_BYTES 32
/* Writes the argument "seed=" with SEED in hexadecimal and its NUL; its bytes, 0 where it does not fit. */
uint64_t seed_word(char *buffer, size_t size, const uint8_t seed[SEED_BYTES]);
/* The seed that the unit was given; false, and zeros, where it has none. */
bool seed_read(const struct start_info *info, uint8_t seed[SEED_BYTES]);
/* Whether WORD is one of the arguments. */
bool start_has(const struct start_info *info, const char *word);
/* What follows PREFIX in the first argument that begins with it, or 0. */
const char *start_word(const struct start_info *info, const char *prefix);

/* Text to the kernel log through the capability SYSTEM (RIGHT_LOG); printf subset: %s %c %d %u %x %p with l,
 * ll, width, 0. */
void log_print(handle_t system, struct thread_page *page, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The badge for such a capability whose lines shall begin with the first eight letters of NAME, and a colon; none where NAME is empty. Set
 * once, it stays. */
uint64_t log_mark(const char *name);
int text_format(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int text_format_list(char *buffer, size_t size, const char *format, __builtin_va_list arguments);

/* A short name of an error for messages: "quota of memory", "no such capability", ... */
const char *error_text(int64_t error);

/* ---- Semantic addressing ---- */

/* The next memory that the unit SCOPE holds behind place *INDEX of its table and whose label is like WANTED, where empty
 * strings and zeroes match anything; *INDEX moves there (0: from the start). A new capability, or E_NOT_FOUND. Capabilities
 * to one object are found each. PAGE is the calling thread's. */
int64_t memory_find(struct thread_page *page, handle_t scope, uint64_t *index, const struct label *wanted);

/* ---- Memory the program maps for itself: grows up from info->free_base; one thread at a time ---- */

/* Maps BYTES (rounded up to pages) of MEMORY at OFFSET somewhere free in the own space; 0 on failure. */
void *window_map(handle_t memory, uint64_t offset, uint64_t bytes, uint64_t flags);
/* Fresh zeroed pages. *MEMORY (may be null) receives the object's handle. */
void *window_allocate(uint64_t bytes, handle_t *memory);
/* Takes back what window_map gave; addresses are not used again unless it was the last one. */
void window_unmap(void *address, uint64_t bytes);
void window_init(handle_t space, uint64_t base);

/* ---- Streams (abi/holon/stream.h) ---- */

struct stream {
	struct stream_header *header;
	unsigned side; /* 0 or 1 */
	handle_t peer; /* event to signal */
};

void stream_init(struct stream *stream, void *memory, unsigned side, handle_t peer, bool create);
/* Bytes moved, possibly 0. When fewer than asked, this side's wait flag is set, so that the peer signals. */
uint32_t stream_read(struct stream *stream, void *buffer, uint32_t bytes);
uint32_t stream_write(struct stream *stream, const void *buffer, uint32_t bytes);
/* Bytes that stream_write would take now, and that stream_read would give; each sets the wait flag where
 * there are none. */
uint32_t stream_room(struct stream *stream);
uint32_t stream_available(struct stream *stream);
/* True when the peer has closed and everything it wrote has been read. */
bool stream_ended(const struct stream *stream);
void stream_close(struct stream *stream);

/* ---- Starting programs in units ---- */

#define SPAWN_CAPS_MAX START_CAPS_MAX

struct spawn_capability {
	char name[24];
	handle_t handle; /* in the caller's table */
	uint32_t rights; /* of the granted copy */
	uint64_t badge;
	uint64_t value;
};

struct spawn {
	struct unit_spec unit;
	handle_t parent;       /* unit to create it in */
	handle_t image;        /* memory object holding the ELF file (readable, executable) */
	uint64_t image_offset; /* page aligned */
	uint64_t image_bytes;
	const void *image_map; /* the same file, mapped readable by the caller */
	uint64_t stack_bytes;
	uint32_t priority; /* best effort or fixed; a budget is made on each CPU of cpu_mask */
	uint32_t cpu_mask;
	uint64_t slice_ns;
	uint64_t period_ns;    /* of admitted budgets, which may use slice_ns in each; 0: best effort */
	const char *arguments; /* as start_info.arguments */
	uint64_t arguments_bytes;
	unsigned cap_count;
	struct spawn_capability caps[SPAWN_CAPS_MAX];
	uint64_t moved; /* set by spawn_unit: how far behind the address it was linked to the program lies */
};

/* From now on spawn_unit places programs, stacks and what they map at random, by these numbers of start_info.places (or of the like);
 * where all are 0, as before, each lies where it was linked and what it maps behind it. */
void spawn_places(const uint64_t places[4]);

/* Adds to SPAWN what its program will be granted under NAME (cut to 23 characters): a copy of HANDLE with
 * RIGHTS and BADGE, and VALUE. False, and nothing is added, where HANDLE is 0 or SPAWN is full. */
bool spawn_give(struct spawn *spawn, const char *name, handle_t handle, uint32_t rights, uint64_t badge,
                uint64_t value);

/* Creates the unit, loads the program, grants the capabilities (and "budgetN" for each CPU, and its own unit,
 * space and thread) and starts it. Returns the unit's handle; on failure nothing is left. *WHY says what
 * failed. */
int64_t spawn_unit(struct thread_page *page, struct spawn *spawn, uint64_t cpu_count, const char **why);
