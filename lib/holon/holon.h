/* The native runtime: system calls as C functions, start-up, and what every native program shares.
 *
 * The functions are the calls of abi/holon/syscall.h one to one; see there for meaning and errors. All return
 * a negative enum holon_error on failure. Freestanding; uses no vector registers and no thread-local storage.
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
static inline int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                               uint64_t f, uint64_t *second)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	int64_t result;
	__asm__ volatile("syscall"
	                 : "=a"(result), "+d"(c)
	                 : "a"(number), "D"(a), "S"(b), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	if (second)
		*second = c;
	return result;
}
#endif

#define SYSCALL0(n)          syscall6(n, 0, 0, 0, 0, 0, 0, 0)
#define SYSCALL1(n, a)       syscall6(n, (uint64_t)(a), 0, 0, 0, 0, 0, 0)
#define SYSCALL2(n, a, b)    syscall6(n, (uint64_t)(a), (uint64_t)(b), 0, 0, 0, 0, 0)
#define SYSCALL3(n, a, b, c) syscall6(n, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), 0, 0, 0, 0)
#define SYSCALL4(n, a, b, c, d)                                                                              \
	syscall6(n, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), 0, 0, 0)
#define SYSCALL6(n, a, b, c, d, e, f)                                                                        \
	syscall6(n, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e),               \
	         (uint64_t)(f), 0)

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
static inline int64_t reply_save(void)
{
	return SYSCALL0(SYS_REPLY_SAVE);
}
static inline int64_t channel_create(uint64_t flags)
{
	return SYSCALL1(SYS_CHANNEL_CREATE, flags);
}

/* ---- Events ---- */
static inline int64_t event_create(void)
{
	return SYSCALL0(SYS_EVENT_CREATE);
}
static inline int64_t event_signal(handle_t event, uint64_t bits)
{
	return SYSCALL2(SYS_EVENT_SIGNAL, event, bits);
}
static inline int64_t event_wait(handle_t event, uint64_t deadline, uint64_t *bits)
{
	uint64_t second = 0;
	int64_t result = syscall6(SYS_EVENT_WAIT, event, deadline, 0, 0, 0, 0, &second);
	if (bits)
		*bits = second;
	return result;
}
static inline int64_t event_bind(handle_t event, handle_t thread)
{
	return SYSCALL2(SYS_EVENT_BIND, event, thread);
}
static inline int64_t event_timer(handle_t event, uint64_t deadline, uint64_t bits)
{
	return SYSCALL3(SYS_EVENT_TIMER, event, deadline, bits);
}

/* ---- Capabilities ---- */
static inline int64_t cap_copy(handle_t handle, uint32_t rights, uint64_t badge)
{
	return SYSCALL3(SYS_CAP_COPY, handle, rights, badge);
}
static inline int64_t cap_delete(handle_t handle)
{
	return SYSCALL1(SYS_CAP_DELETE, handle);
}
static inline int64_t cap_revoke(handle_t handle)
{
	return SYSCALL1(SYS_CAP_REVOKE, handle);
}
static inline int64_t cap_info(handle_t handle, uint64_t *badge)
{
	return syscall6(SYS_CAP_INFO, handle, 0, 0, 0, 0, 0, badge);
}

/* ---- Units: specs and infos go through PAGE, the calling thread's page ---- */
int64_t unit_create(struct thread_page *page, handle_t parent, const struct unit_spec *spec);
int64_t unit_info(struct thread_page *page, handle_t unit, struct unit_info *info);
static inline int64_t unit_destroy(handle_t unit)
{
	return SYSCALL1(SYS_UNIT_DESTROY, unit);
}
static inline int64_t unit_extend(handle_t unit, uint64_t bytes, uint64_t caps)
{
	return SYSCALL3(SYS_UNIT_EXTEND, unit, bytes, caps);
}
static inline int64_t unit_grant(handle_t unit, handle_t handle, uint32_t rights, uint64_t badge)
{
	return SYSCALL4(SYS_UNIT_GRANT, unit, handle, rights, badge);
}
static inline int64_t unit_freeze(handle_t unit, bool freeze)
{
	return SYSCALL2(SYS_UNIT_FREEZE, unit, freeze);
}
static inline _Noreturn void unit_exit(int64_t status)
{
	for (;;)
		SYSCALL1(SYS_UNIT_EXIT, status);
}

/* ---- Memory ---- */
static inline int64_t memory_create(enum memory_kind kind, uint64_t bytes, uint64_t argument, handle_t system)
{
	return SYSCALL6(SYS_MEMORY_CREATE, kind, bytes, argument, system, 0, 0);
}
/* Anonymous memory owned by and charged to UNIT (0: the caller's own). */
static inline int64_t memory_create_in(handle_t unit, uint64_t bytes)
{
	return SYSCALL6(SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, bytes, 0, 0, unit, 0);
}
static inline int64_t memory_clone(handle_t memory, uint64_t offset, uint64_t bytes)
{
	return SYSCALL4(SYS_MEMORY_CLONE, memory, offset, bytes, 0);
}
static inline int64_t memory_resize(handle_t memory, uint64_t bytes)
{
	return SYSCALL2(SYS_MEMORY_RESIZE, memory, bytes);
}
static inline int64_t memory_discard(handle_t memory, uint64_t offset, uint64_t bytes)
{
	return SYSCALL3(SYS_MEMORY_DISCARD, memory, offset, bytes);
}
static inline int64_t memory_supply(handle_t pager, uint64_t offset, handle_t source, uint64_t source_offset,
                                    uint64_t bytes)
{
	return SYSCALL6(SYS_MEMORY_SUPPLY, pager, offset, source, source_offset, bytes, 0);
}
static inline int64_t memory_wanted(handle_t pager)
{
	return SYSCALL1(SYS_MEMORY_WANTED, pager);
}
int64_t memory_info(struct thread_page *page, handle_t memory, struct memory_info *info);
int64_t memory_label(struct thread_page *page, handle_t memory, const struct label *label);
int64_t memory_find(struct thread_page *page, handle_t scope, uint64_t index, const struct label *label);

/* ---- Spaces ---- */
static inline int64_t space_create(enum space_kind kind, handle_t unit)
{
	return SYSCALL2(SYS_SPACE_CREATE, kind, unit);
}
static inline int64_t space_map(handle_t space, uint64_t address, handle_t memory, uint64_t offset,
                                uint64_t bytes, uint64_t flags)
{
	return SYSCALL6(SYS_SPACE_MAP, space, address, memory, offset, bytes, flags);
}
static inline int64_t space_unmap(handle_t space, uint64_t address, uint64_t bytes)
{
	return SYSCALL3(SYS_SPACE_UNMAP, space, address, bytes);
}
static inline int64_t space_protect(handle_t space, uint64_t address, uint64_t bytes, uint64_t flags)
{
	return SYSCALL4(SYS_SPACE_PROTECT, space, address, bytes, flags);
}

/* ---- Threads and budgets ---- */
int64_t thread_create(struct thread_page *page, handle_t unit, handle_t space, handle_t page_memory,
                      uint64_t page_offset, const struct thread_spec *spec);
int64_t budget_create(struct thread_page *page, handle_t unit, const struct budget_spec *spec);
static inline int64_t thread_set(handle_t thread, enum thread_set what, uint64_t value)
{
	return SYSCALL3(SYS_THREAD_SET, thread, what, value);
}
static inline int64_t thread_start(handle_t thread)
{
	return SYSCALL1(SYS_THREAD_START, thread);
}
static inline int64_t thread_stop(handle_t thread)
{
	return SYSCALL1(SYS_THREAD_STOP, thread);
}
static inline int64_t thread_cancel(handle_t thread)
{
	return SYSCALL1(SYS_THREAD_CANCEL, thread);
}
static inline _Noreturn void thread_exit(void)
{
	for (;;)
		SYSCALL0(SYS_THREAD_EXIT);
}
static inline void thread_yield(void)
{
	SYSCALL0(SYS_THREAD_YIELD);
}
static inline int64_t budget_info(handle_t budget, uint64_t *cpu)
{
	return syscall6(SYS_BUDGET_INFO, budget, 0, 0, 0, 0, 0, cpu);
}

/* ---- Guests ---- */
static inline int64_t guest_bind(handle_t memory, uint64_t offset)
{
	return SYSCALL2(SYS_GUEST_BIND, memory, offset);
}
static inline int64_t guest_space(handle_t space)
{
	return SYSCALL1(SYS_GUEST_SPACE, space);
}
static inline int64_t guest_kick(handle_t thread)
{
	return SYSCALL1(SYS_GUEST_KICK, thread);
}

/* ---- Devices and the machine ---- */
static inline int64_t irq_create(handle_t system, uint64_t number, uint64_t flags, uint64_t *msi)
{
	return syscall6(SYS_IRQ_CREATE, system, number, flags, 0, 0, 0, msi);
}
static inline int64_t irq_bind(handle_t irq, handle_t event, uint64_t bits)
{
	return SYSCALL3(SYS_IRQ_BIND, irq, event, bits);
}
static inline int64_t irq_ack(handle_t irq)
{
	return SYSCALL1(SYS_IRQ_ACK, irq);
}
static inline int64_t ioport_create(handle_t system, uint16_t base, uint32_t count)
{
	return SYSCALL3(SYS_IOPORT_CREATE, system, base, count);
}
static inline uint32_t ioport_in(handle_t ioport, uint16_t port, unsigned width)
{
	return (uint32_t)SYSCALL3(SYS_IOPORT_IN, ioport, port, width);
}
static inline void ioport_out(handle_t ioport, uint16_t port, unsigned width, uint32_t value)
{
	SYSCALL4(SYS_IOPORT_OUT, ioport, port, width, value);
}
int64_t system_info(struct thread_page *page, struct system_info *info);
static inline int64_t system_control(handle_t system, enum system_control what, uint64_t argument)
{
	return SYSCALL3(SYS_SYSTEM_CONTROL, system, what, argument);
}
static inline uint64_t clock_ns(void)
{
	return (uint64_t)SYSCALL0(SYS_CLOCK);
}

/* ---- Programs ---- */

/* The program's entry in C, called by start.S: INFO is the start page, PAGE the first thread's page.
 * Returning ends the unit with the returned status. */
int program_main(const struct start_info *info, struct thread_page *page);

/* The capability NAME of INFO, or 0; *VALUE (may be null) its value. */
handle_t start_find(const struct start_info *info, const char *name, uint64_t *value);

/* Text to the kernel log through the capability SYSTEM (RIGHT_LOG); printf subset: %s %c %d %u %x %p with l,
 * ll, width, 0. */
void log_print(handle_t system, struct thread_page *page, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int text_format(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int text_format_list(char *buffer, size_t size, const char *format, __builtin_va_list arguments);

/* A short name of an error for messages: "quota of memory", "no such capability", ... */
const char *error_text(int64_t error);

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
	const char *arguments; /* as start_info.arguments */
	uint64_t arguments_bytes;
	unsigned cap_count;
	struct spawn_capability caps[SPAWN_CAPS_MAX];
};

/* Adds to SPAWN what its program will be granted under NAME (cut to 23 characters): a copy of HANDLE with
 * RIGHTS and BADGE, and VALUE. False, and nothing is added, where HANDLE is 0 or SPAWN is full. */
bool spawn_give(struct spawn *spawn, const char *name, handle_t handle, uint32_t rights, uint64_t badge,
                uint64_t value);

/* Creates the unit, loads the program, grants the capabilities (and "budgetN" for each CPU, and its own unit,
 * space and thread) and starts it. Returns the unit's handle; on failure nothing is left. *WHY says what
 * failed. */
int64_t spawn_unit(struct thread_page *page, const struct spawn *spawn, uint64_t cpu_count, const char **why);
