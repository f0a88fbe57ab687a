/* The system calls of the substrate: convention and structures. The calls themselves, with arguments, rights,
 * errors and times, are described in abi/substrate.interface (build/docs/substrate-abi.md as a page: make
 * docs); the numbers are generated from there.
 *
 * Convention (x86_64): SYSCALL with the number in RAX; arguments in RDI, RSI, RDX, R10, R8, R9; result in RAX
 * (negative: enum holon_error), second result, where there is one, in RDX. RCX and R11 are clobbered, all
 * else is preserved.
 *
 * Message calls (channel_*) use: RDI handle (0 where none), RSI message info (below), RDX deadline; the eight
 * message words in R8 R9 R10 R12 R13 R14 R15 RBX. They return RAX status, RDI the badge of the capability the
 * caller used (receive) and RSI info and the words of the received message. RBP and RSP are preserved.
 *
 * The kernel never touches user virtual memory: everything larger than the registers passes through the
 * calling thread's *thread page*, one pinned page that the thread's creator chose (struct thread_page).
 *
 * Times are nanoseconds since boot on the monotonic clock; deadlines are absolute.
 */
#pragma once

#include <holon/syscall_numbers.h>
#include "types.h"

/* ---- Messages ---- */

#define MESSAGE_WORDS     8
#define MESSAGE_CAPS_MAX  4
#define MESSAGE_BYTES_MAX 3584u

/* Message info: bytes of long message in the low 12 bits, number of capabilities, flags. */
#define INFO_BYTES(info)       ((uint32_t)((info)&0xfff))
#define INFO_CAPS(info)        ((uint32_t)(((info) >> 12) & 7))
#define INFO_MAKE(bytes, caps) ((uint64_t)(bytes) | (uint64_t)(caps) << 12)
#define INFO_EVENT                                                                                           \
	(1ull                                                                                                \
	 << 16) /* out of receive: the bound event fired, word 0 holds its bits; no message             \
	              */

enum channel_flags {
	CHANNEL_DONATING = 1, /* the server runs on the caller's budget; otherwise on its own */
};

/* How a capability in a message goes over. */
enum cap_transfer { CAP_TRANSFER_COPY = 0, CAP_TRANSFER_MOVE = 1 };

/* What the kernel writes when a thread with a fault entry faults in its native half. */
struct fault_record {
	uint64_t pc; /* instruction that faulted; the thread goes on at its fault entry with all registers as
	                they were */
	uint64_t address; /* for page faults */
	uint64_t vector;  /* x86 exception vector */
	uint64_t error;   /* x86 error code */
};

/* The pinned page a thread shares with the kernel. Message bytes that a thread sends are read from its page
 * and land in its peer's. Arguments and results of other calls use bytes[] too. */
struct thread_page {
	handle_t caps[MESSAGE_CAPS_MAX];      /* in: to send; out: received (0 where none) */
	uint64_t cap_modes[MESSAGE_CAPS_MAX]; /* in: enum cap_transfer | rights mask << 16 (0 = all it has) */
	uint8_t bytes[MESSAGE_BYTES_MAX];
	struct fault_record fault;
	uint8_t reserved[4096 - 64 - MESSAGE_BYTES_MAX - sizeof(struct fault_record)];
};
_Static_assert(sizeof(struct thread_page) == 4096, "thread page is one page");

/* ---- Units ---- */

enum unit_flags {
	UNIT_WX = 1, /* may map guest memory writable and executable (JITs); only if the parent may */
};

struct unit_spec {
	uint64_t memory_bytes; /* carved from the parent's quota */
	uint64_t caps;         /* capability slots, likewise */
	uint32_t priority_max; /* <= the parent's */
	uint32_t cpu_share;    /* parts per million of each CPU that admitted budgets may use; carved from the
	                          parent's */
	uint32_t flags;        /* enum unit_flags */
	uint32_t
	    best_effort_max; /* <= the parent's, for best-effort budgets, beside priority_max; 0: the parent's */
	handle_t event; /* signalled with event_bits when the unit stops, fails or is destroyed; 0 = none */
	uint64_t event_bits;
	char name[32]; /* NUL terminated, for people */
};

enum unit_state { UNIT_CREATED = 0, UNIT_RUNNING, UNIT_STOPPED, UNIT_FAILED, UNIT_GONE };

struct unit_info {
	uint64_t id;        /* unique since boot */
	uint64_t parent_id; /* 0 for the first unit */
	uint32_t state;     /* enum unit_state */
	uint32_t frozen;
	int64_t exit_status;                /* UNIT_STOPPED */
	struct fault_record fault;          /* UNIT_FAILED */
	uint64_t memory_quota, memory_used; /* bytes; used includes what was carved out for children */
	uint64_t memory_children;           /* of it, carved out for children */
	uint64_t caps_quota, caps_used, caps_children;
	uint32_t cpu_share, cpu_share_used;
	uint32_t thread_count, child_count;
	uint64_t cpu_time;      /* ns consumed by its budgets */
	uint64_t lacked_memory; /* bytes the last refused charge was short of; 0 if none was refused */
	uint64_t lacked_caps;
	uint32_t priority_max, flags;
	uint32_t dma_confined; /* 1 where an IOMMU confines what devices reach; 0: they reach all memory */
	uint32_t best_effort_max;
	char name[32];
};

/* ---- Memory ---- */

enum memory_kind {
	MEMORY_ANONYMOUS = 0, /* zeroed on demand */
	MEMORY_DEVICE,        /* a physical range outside RAM; never cached unless MEMORY_WRITE_COMBINE */
	MEMORY_PAGER,         /* a user-space pager supplies pages */
	MEMORY_DEVICE_WC,     /* device memory, write-combining (framebuffers) */
};

/* memory_pager */
#define PAGER_WRITES 1u

/* memory_answer */
enum pager_answer {
	PAGER_ALLOW = 0, /* the pages that are there may be written: they are marked DIRTY_WRITEBACK */
	PAGER_FAILED, /* the accesses that wait are faults with FAULT_PAGER_FAILED: what stands behind cannot be read */
	PAGER_FULL, /* those that wait to write are faults with FAULT_PAGER_FULL: no room */
};

/* In a fault's error, beside the processor's bits. */
#define FAULT_PAGER_FAILED (1ull << 32)
#define FAULT_PAGER_FULL   (1ull << 33)

/* memory_dirty: each mark is set by every write and cleared by its own harvest alone. */
enum dirty_mark { DIRTY_WRITEBACK = 0, DIRTY_MIGRATION };

enum memory_zone { ZONE_GHOST = 0 /* never persisted */, ZONE_PERSISTENT = 1 };

/* Semantic addressing: what a memory object is, for whoever may look through a unit's capabilities. */
struct label {
	char owner[32];
	char kind[32];
	char name[64];
	uint32_t zone; /* enum memory_zone */
	uint32_t reserved;
};

struct memory_info {
	uint64_t bytes;
	uint64_t resident_bytes;
	uint64_t shared_bytes; /* of the resident, shared copy-on-write with clones */
	uint32_t kind;
	uint32_t mapping_count;
	struct label label;
};

/* ---- Spaces ---- */

enum space_kind { SPACE_NATIVE = 0, SPACE_GUEST = 1 };

enum map_flags {
	MAP_READ = 1,
	MAP_WRITE = 2,
	MAP_EXECUTE = 4,
	MAP_POPULATE = 8, /* enter resident pages into the page tables now */
	MAP_REPLACE = 16, /* unmap what is there first, atomically */
};

/* ---- Threads ---- */

struct thread_spec {
	uint64_t entry;        /* in the native window */
	uint64_t stack;        /* initial RSP */
	uint64_t argument[2];  /* RDI, RSI */
	handle_t budget;       /* 0: passive, runs only on donated budgets */
	uint64_t page_address; /* where the thread page is mapped in its space: passed in RDX */
	char name[16];
};

enum thread_set {
	THREAD_SET_BUDGET = 0,  /* value: budget handle; moves the thread to that budget's CPU */
	THREAD_SET_FAULT_ENTRY, /* value: address, 0 = faults fail the unit */
	THREAD_SET_FS_BASE,
	THREAD_SET_GS_BASE,
};

struct thread_state {
	uint64_t registers[16]; /* rax rbx rcx rdx rsi rdi rbp rsp r8..r15 */
	uint64_t pc, flags, fs_base, gs_base;
	uint32_t running_state;
	uint32_t vector_bytes; /* XSAVE area that follows */
	uint8_t vector[3328];
};

/* ---- Budgets ---- */

/* For so long at most, and half as much again, admitted budgets that leave 40 percent of a CPU free hold those at best
 * effort up. */
#define BUDGET_PERIOD_MAX_NS 100000000ull

struct budget_spec {
	uint32_t cpu;
	uint32_t priority;    /* 1..PRIORITY_COUNT-1, <= the unit's maximum */
	uint64_t quota_ns;    /* best effort: the round-robin slice */
	uint64_t period_ns;   /* <= BUDGET_PERIOD_MAX_NS; best effort: 0 */
	uint64_t deadline_ns; /* relative; not 0 only at PRIORITY_EDF */
	uint32_t refills_max; /* 2..8; sporadic server replenishments */
	uint32_t reserved;
};

/* ---- Guests ---- */

enum guest_exit {
	GUEST_EXIT_SYSCALL = 0,
	GUEST_EXIT_FAULT, /* vector, error, address in the state */
	GUEST_EXIT_KICK,
};

/* A guest's saved user state: the kernel loads it on entry (after checking that pc, stack bases and flags are
 * harmless) and stores it on exit. Vector registers are not here: personalities use none, so they always hold
 * the guest's; a personality saves and restores them with XSAVE itself where it must (signals, fork). */
struct guest_state {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags, fs_base, gs_base;
	uint64_t exit; /* enum guest_exit */
	uint64_t vector, error, address;
};

/* ---- Devices ---- */

#define IRQ_MSI UINT64_MAX
enum irq_flags { IRQ_LEVEL = 1, IRQ_ACTIVE_LOW = 2 };

/* ---- The machine ---- */

/* ns = ((tsc - tsc_base) * multiplier >> shift) + ns_base */
struct clock_params {
	uint64_t tsc_base, ns_base;
	uint32_t multiplier, shift;
	uint32_t invariant; /* 1 where the counter runs alike on all CPUs and never stops */
	uint32_t reserved;
};

struct system_info {
	uint64_t memory_bytes; /* RAM in all */
	uint64_t memory_free;  /* unused frames, bytes, whoever's quota they belong to */
	uint32_t cpu_count;
	uint32_t vector_bytes; /* of a thread's vector state; x86: 512 where it is FXSAVE's, else XSAVE's */
	struct clock_params clock;
};

enum system_control {
	SYSTEM_POWER_OFF = 0, /* memory is wiped first */
	SYSTEM_REBOOT,
	SYSTEM_LATENCY, /* in kernels that count their work or time it (docs/realtime.md) */
	SYSTEM_CONFINED, /* whether an IOMMU confines all devices from now on, which unit_info tells; by the right DEVICE */
};

/* The argument of SYSTEM_LATENCY: an enum syscall_number or work_path, with one of these added. */
#define LATENCY_LONGEST 0          /* its longest stretch on any CPU since this was last asked */
#define LATENCY_BOUND   (1u << 16) /* the longest it may be: 0 in a kernel that times */
#define LATENCY_TOTAL   (2u << 16) /* all work of this CPU so far, whatever the path */
