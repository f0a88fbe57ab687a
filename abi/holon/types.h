/* The words every layer shares: handles, errors, rights, object types, the address-space layout.
 *
 * This directory is the only thing kernel, services and programs share. Nothing here has behaviour.
 */
#pragma once

#include <stdint.h>

/* A capability handle: index into the unit's capability table (low 32 bits) and the slot's generation (high
 * 32 bits). 0 is never a valid handle. */
typedef uint64_t handle_t;

#define HANDLE_INDEX(handle)      ((uint32_t)(handle))
#define HANDLE_GENERATION(handle) ((uint32_t)((handle) >> 32))

/* Results of system calls: >= 0 is success, negative is one of these. */
enum holon_error {
	E_OK = 0,
	E_HANDLE = -1,   /* no capability at this handle, or it is dead or revoked */
	E_TYPE = -2,     /* the capability names an object of another type */
	E_RIGHTS = -3,   /* the capability lacks a right that the call needs */
	E_ARGUMENT = -4, /* an argument is out of range, unaligned or contradictory */
	E_QUOTA_MEMORY =
	    -5, /* the charged unit's memory quota lacks the amount; unit_info tells which and how much */
	E_QUOTA_CAPS = -6, /* the receiving unit's capability quota is used up */
	E_QUOTA_CPU = -7, /* priority or CPU share above the unit's ceiling, or the CPU would be overloaded */
	E_TIMEOUT = -8,   /* the deadline passed */
	E_STATE = -9,     /* the object is not in a state that allows this */
	E_EXISTS = -10,   /* the range or name is taken */
	E_NOT_FOUND = -11, /* nothing there: no mapping, no label, no pending fault */
	E_PEER = -12,      /* the other side of the call died before it replied */
	E_CALL = -13,      /* no such system call */
	E_SUPPORT = -14,   /* this machine lacks the feature */
	E_CANCELLED = -15, /* a wait was ended by thread_cancel or by a kick */
	E_BUSY = -16,      /* bounded retry: another CPU is at work on the object */
	E_FAULT = -17,     /* the memory object has no page there and none can be made */
	E_WX = -18,        /* writable and executable at once, without the right to it */
};

enum object_type {
	OBJECT_NONE = 0,
	OBJECT_UNIT,
	OBJECT_CHANNEL,
	OBJECT_REPLY, /* one-shot right to answer one call */
	OBJECT_EVENT,
	OBJECT_MEMORY,
	OBJECT_SPACE,
	OBJECT_THREAD,
	OBJECT_BUDGET,
	OBJECT_IRQ,
	OBJECT_IOPORT,
	OBJECT_PIN,    /* frames of a memory object that a device may write to */
	OBJECT_SYSTEM, /* the machine itself: held by the steward, parts of it by devmgr */
	OBJECT_TYPE_COUNT,
};

/* Rights. A derived capability's rights are a subset of its parent's. */
enum right {
	RIGHT_READ = 1 << 0,    /* memory: map readable; *_info on any object */
	RIGHT_WRITE = 1 << 1,   /* memory: map writable; ioport: out */
	RIGHT_EXECUTE = 1 << 2, /* memory: map executable */
	RIGHT_CALL = 1 << 3,    /* channel */
	RIGHT_RECEIVE = 1 << 4, /* channel */
	RIGHT_SIGNAL = 1 << 5,  /* event */
	RIGHT_WAIT = 1 << 6,    /* event */
	RIGHT_MANAGE =
	    1 << 7,          /* unit: create in it, grant, freeze, destroy; thread, space, budget, irq: all */
	RIGHT_COPY = 1 << 8, /* may be copied, sent as a copy or granted; without it only moved */
	RIGHT_MOVE =
	    1 << 9, /* may be sent in a message at all; without it the capability is LOCAL to its unit */
	RIGHT_REVOKE = 1 << 10, /* may revoke what was derived from it */
	RIGHT_IRQ = 1 << 11,    /* system: create irqs */
	RIGHT_RESIZE =
	    1 << 11, /* memory: resize, discard: who has it can take pages from under others' mappings */
	RIGHT_PORT = 1 << 12,   /* system: create ioports */
	RIGHT_DEVICE = 1 << 13, /* system: create device memory */
	RIGHT_POWER = 1 << 14,  /* system: power off, reboot */
	RIGHT_LOG = 1 << 15,    /* system: write the kernel log */
	RIGHT_ALL = 0xffff,
};

/* User addresses. Native programs live in the native window alone; a guest has all the rest of the lower
 * half. The window is one top-level page-table entry, so a guest space shares its personality's whole native
 * half by one pointer. It lies where no Linux or Windows program expects anything. */
#define PAGE_SIZE_BYTES 4096ull
#define NATIVE_BASE     0x400000000000ull
#define NATIVE_END      0x408000000000ull
#define USER_END        0x7ffffffff000ull

#define DEADLINE_NEVER UINT64_MAX /* wait for ever */
#define DEADLINE_POLL  0ull       /* do not wait */
#define PRIORITY_COUNT 256
/* Priorities by band. Best effort: no admission, round robin. Fixed priority and EDF: admitted by
 * utilisation. */
#define PRIORITY_BEST_EFFORT_MAX 127
#define PRIORITY_EDF             200 /* all budgets with a deadline run at this level, earliest deadline first */
#define CPU_MAX                  8
