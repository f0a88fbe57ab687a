/* System-call handlers, and what the two sides of the generic kernel owe each other.
 *
 * abi/substrate.interface describes every call. From it come the prototypes of the handlers (sys_NAME, one
 * beside each object: NAME_calls.c or the object's own file) and the dispatcher that calls them: it has
 * looked up the handles among the arguments and checked type, rights and life, so a handler gets objects, the
 * other arguments as they are, and returns CALL_RESTART  a slice is done and more is left. The dispatcher
 * runs the handler again, with its handles looked up anew, at once or, when preemption is pending, after it
 * has left the kernel; self->progress and self->building keep what the handler put there. CALL_LEAVE    the
 * same where the rest waits for another CPU: the kernel is left first. CALL_BLOCKED  the thread waits, or its
 * result registers are set already: write nothing. else          the result, and call->second the second one
 * (0 unless set). After any other result than the first two the dispatcher sets self->progress to 0, releases
 * self->building where that is not 0, and works off what the call ended (unit_reap).
 *
 * Handlers first decode: they check everything and only read. After the comment "point of no return" nothing
 * fails. They copy what they read from the thread page before they check it (call_input): user code on
 * another CPU can write there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <kernel/calls.h>
#include "object.h"

struct thread;

/* Below every error, and no result of any call. */
#define CALL_RESTART (-4096)
#define CALL_LEAVE   (-4095)
#define CALL_BLOCKED (-4094)

struct call {
	struct thread *self;
	uint64_t second;
	struct cap_view caps[6]; /* by argument: what a handle there names */
};

/* For handlers that make objects: the caller's new root capability; the creator's reference goes over to it.
 * Where that fails, the object ends. */
int64_t call_result_object(struct call *call, struct object *object, uint16_t rights);
/* Copies BYTES out of the caller's thread page, before anything of them is checked. */
void call_input(const struct call *call, void *to, uint32_t bytes);
/* Teardown of one object, by type. Called by unit_reap with object->dead set and every capability to it gone,
 * until it returns true. Each call does a bounded part (under 2,000 instructions). True: the object is in no
 * queue and no list and holds no reference to another; its struct is freed by the caller once nothing
 * references it and every CPU has left the kernel path it was on. A thread that still runs elsewhere is told
 * to die and false returned. An object whose owner dies is torn down while others may still hold references:
 * waits end (E_PEER for callers, E_HANDLE else), and holders must find object->dead before each use. A thread
 * may only use a space or guest space whose owner is its unit or above it (unit_within), so that page tables
 * never go from under a running thread. */
typedef bool object_teardown(struct object *object);
extern object_teardown *const
    *object_teardowns; /* by type, set by objects_init (call/) before any object ends */
void objects_init(void);
object_teardown unit_teardown, memory_teardown, pin_teardown, space_teardown;
object_teardown channel_teardown, reply_teardown, event_teardown, thread_teardown, budget_teardown,
    irq_teardown;
