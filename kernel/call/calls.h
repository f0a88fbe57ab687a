/* System-call handlers, and what the two sides of the generic kernel owe each other.
 *
 * Every system call but the message calls (channel_*, reply_*; their own path) has one handler of one form.
 * The dispatcher (syscall.c) finds it in a table by number, gives it the six arguments, and does with the
 * result: CALL_RESTART  a slice is done and more is left: arch_syscall_restart(self), leave the kernel. The
 * call runs again with the same arguments; self->progress and self->building keep what the handler put there.
 *   CALL_BLOCKED  the thread waits, or its result registers are set already: write nothing.
 *   else          arch_set_result(self, result, *second).
 * After any result but CALL_RESTART it sets self->progress to 0 and, where self->building is not 0, releases
 * that. Then, as after every kernel entry that took the slow path, it calls unit_reap(unit) once if
 * unit_has_doomed(unit) (unit.h) for the unit of the thread it is about to leave to; that returns when
 * preemption is pending.
 *
 * Handlers copy what they read from the thread page before they check it: user code on another CPU can write
 * there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct object;
struct thread;
struct unit;

#define CALL_RESTART INT64_MIN
#define CALL_BLOCKED (INT64_MIN + 1)

/* ARGS: RDI, RSI, RDX, R10, R8, R9. *SECOND is 0 on entry and goes to RDX. */
typedef int64_t call_handler(struct thread *self, const uint64_t args[6], uint64_t *second);

/* By number: what kernel_syscall calls; 0 where there is none, or where the call has a path of its own. */
extern call_handler *const call_handlers[]; /* SYSCALL_COUNT of them */

/* cap/, unit/, mm/ */
call_handler sys_cap_copy, sys_cap_delete, sys_cap_revoke, sys_cap_info;
call_handler sys_unit_create, sys_unit_destroy, sys_unit_info, sys_unit_extend, sys_unit_grant,
    sys_unit_freeze, sys_unit_exit;
call_handler sys_memory_create, sys_memory_clone, sys_memory_resize, sys_memory_discard, sys_memory_supply,
    sys_memory_wanted, sys_memory_dirty, sys_memory_info, sys_memory_label, sys_memory_find;
call_handler sys_space_create, sys_space_map, sys_space_unmap, sys_space_protect;

/* For handlers that make objects: the caller's new root capability; the creator's reference goes over to it.
 */
int64_t call_result_object(struct thread *self, struct object *object, uint16_t rights);
/* The unit that a call charges: the caller's own for HANDLE 0, else the one it names with RIGHT_MANAGE. */
int64_t call_charged_unit(struct thread *self, uint64_t handle, struct unit **unit);

/* ipc/, sched/, guest/, irq/, syscall.c */
call_handler sys_reply_save, sys_channel_create;
call_handler sys_event_create, sys_event_signal, sys_event_wait, sys_event_bind, sys_event_timer;
call_handler sys_thread_create, sys_thread_set, sys_thread_state, sys_thread_stop, sys_thread_start,
    sys_thread_cancel, sys_thread_exit, sys_thread_yield;
call_handler sys_budget_create, sys_budget_configure, sys_budget_info;
call_handler sys_guest_bind, sys_guest_space, sys_guest_enter, sys_guest_kick;
call_handler sys_irq_create, sys_irq_bind, sys_irq_ack, sys_ioport_create, sys_ioport_in, sys_ioport_out;
call_handler sys_system_info, sys_system_control, sys_log_write, sys_clock;

/* Teardown of one object, by type. Called by unit_reap with object->dead set and every capability to it gone,
 * until it returns true. Each call does a bounded part (under 2,000 instructions). True: the object is in no
 * queue and no list and holds no reference to another; its struct is freed by the caller once nothing
 * references it and every CPU has left the kernel path it was on. A thread that still runs elsewhere is told
 * to die and false returned. An object whose owner dies is torn down while others may still hold references:
 * waits end (E_PEER for callers, E_HANDLE else), and holders must find object->dead before each use. A thread
 * may only use a space or guest space whose owner is its unit or above it (unit_within), so that page tables
 * never go from under a running thread. */
typedef bool object_teardown(struct object *object);
object_teardown unit_teardown, memory_teardown, space_teardown;
object_teardown channel_teardown, reply_teardown, event_teardown, thread_teardown, budget_teardown,
    irq_teardown, ioport_teardown;

/* Execution side: THREAD's unit ended, died, was frozen or thawed (unit->state > UNIT_RUNNING or
 * unit->object.dead: the thread dies; unit->frozen: it does not run until told again). Bounded, waits for
 * nobody: other CPUs are told by mailbox. */
void thread_review(struct thread *thread);
