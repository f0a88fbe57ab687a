/* ptrace(2): who traces whom, and the stops of those that are traced.
 *
 * A task that has ever been traced has a record for the rest of its life, and beyond its end until its tracer has waited
 * for it. A stop is a sleep of the traced task itself, at a place where its registers are all in its guest state and its
 * vector state is in the record; its tracer reads and changes both meanwhile. The common lock is held alone throughout.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "linux_abi.h"
#include "list.h"
#include "task.h"

enum {
	PTRACE_EVENT_FORK = 1,
	PTRACE_EVENT_VFORK,
	PTRACE_EVENT_CLONE,
	PTRACE_EVENT_EXEC,
	PTRACE_EVENT_VFORK_DONE,
	PTRACE_EVENT_EXIT,
	PTRACE_EVENT_SECCOMP,
	PTRACE_EVENT_STOP = 128,
};
/* Options: bit N for the event N, and these. */
#define PTRACE_O_TRACESYSGOOD 1u
#define PTRACE_O_EXITKILL     (1u << 20)
#define PTRACE_OPTIONS        (0xffu | PTRACE_O_EXITKILL)

enum trace_call { TRACE_CALL_NONE, TRACE_CALL_ENTRY, TRACE_CALL_EXIT, TRACE_CALL_SECCOMP };

#define DEBUG_REGISTERS 8u
#define WATCHES         4u

struct trace {
	struct list link;        /* in tracer->tracees; alone while nobody traces */
	struct task *tracer;     /* 0: nobody */
	struct task *task;       /* 0 once it has gone */
	struct process *process; /* a reference */
	int32_t tid;
	uint32_t options;
	bool seized, privileged;           /* the tracer had CAP_SYS_PTRACE */
	bool stopped, reported, listening; /* PTRACE_LISTEN */
	bool gone;                         /* a thread that was not the leader; exit_status tells how */
	bool trap, notify;                 /* a stop is due: PTRACE_INTERRUPT; SIGCONT to a seized task */
	bool calls, emulate, step;         /* how it was resumed */
	bool entered;                      /* the call in progress was reported at its entry */
	bool flags_forced;                 /* the trap flag in the guest's flags is ours */
	bool vector_changed, has_info;
	uint8_t call;   /* enum trace_call: of the present stop */
	uint32_t code;  /* of the present stop: signal, and event << 8 */
	int32_t signal; /* to go on with */
	uint32_t seccomp_data;
	int32_t exit_status;
	uint64_t message;
	struct linux_siginfo info;
	uint64_t debug[DEBUG_REGISTERS], watched[WATCHES]; /* watch.c */
	void *vector;                                      /* machine.vector_bytes, in whole pages */
};

/* The record of TASK while somebody traces it, else 0. */
static inline struct trace *task_traced(const struct task *task)
{
	return task->trace && task->trace->tracer ? task->trace : 0;
}

/* ---- trace.c ---- */

/* A record for TASK, which has none; nobody traces it yet. False: no memory. */
bool trace_create(struct task *task);
/* TRACER traces TASK, which has a record and no tracer. */
void trace_begin(struct task *task, struct task *tracer, uint32_t options, bool seized);
/* TRACE's tracer lets it go; a stopped task goes on. TRACE is freed where its task has gone. */
void trace_end(struct trace *trace);
/* TASK is about to be destroyed: it lets its tracees go, and its tracer hears of its end. STATUS in wait form. */
void trace_task_gone(struct task *task, int32_t status);
/* Frees what TASK, never visible or gone, has left. */
void trace_discard(struct task *task);
/* The last thread of PROCESS has gone: its tracer hears of it. True: its parent must not hear of it yet. */
bool trace_process_ended(struct process *process, int code, int status);
/* True when PROCESS's parent has a thread that traces it. */
bool trace_by_parent(const struct process *process);
/* exec by a thread that was no leader: it takes over the process's number from TID. */
void trace_become_leader(struct task *task);

/* Stops the current task, unless nobody traces it or it must die. */
void trace_stop(uint32_t code, const struct linux_siginfo *info, uint64_t message);
/* Stops the current task for EVENT if its tracer asked for it: whether it did. */
bool trace_event(unsigned event, uint64_t message);
/* The step that the current task was resumed for has ended, where a signal's handler begins. */
void trace_stop_step(void);
/* PROCESS, a zombie, goes; its tracer is its parent. */
void trace_reaped(struct process *process);
/* The current task, which is traced, is about to take SIGNAL: the signal to take instead, 0: none. */
int trace_signal(int signal, struct linux_siginfo *info);
/* The current task's process has stopped (job control): true where the stop was the tracer's to end. */
bool trace_group_stop(void);
/* TASK_WORK_TRAP. */
void trace_trap(void);
/* SIGCONT reaches PROCESS. */
void trace_continued(struct process *process);
/* TASK, which is listening or runs, stops as soon as it can. */
void trace_interrupt(struct task *task, bool notify);
/* Around a system call of a traced task: the number to go on with, negative to leave it out. */
int64_t trace_call_entry(int64_t number);
void trace_call_exit(int64_t number);
/* A filter wants the tracer to judge: false when there is none who asked to. */
bool trace_seccomp(int64_t *number, uint32_t data);
/* exec has succeeded; OLD_TID is what the task was called before. */
void trace_exec(int32_t old_tid);
/* The event of a clone with FLAGS by the current task that its tracer wants to hear of, 0: none. *FOLLOW: the child is
 * traced from its start. */
unsigned trace_clone(uint64_t flags, int exit_signal, bool *follow);
/* CHILD, with a record, is traced by PARENT's tracer from its start. */
void trace_inherit(struct task *child, const struct task *parent);
/* The trap flag of the current task's guest comes (on the way to it) and goes (when somebody looks). */
void trace_flags_apply(void);
void trace_flags_settle(struct task *task);
void trace_flags_lift(struct task *task);

/* ---- linux/arch: registers ---- */

/* A request about TRACE's registers, or -EIO for all others. */
int64_t trace_register_request(struct trace *trace, int64_t request, uint64_t address, uint64_t data);

/* ---- watch.c ---- */
int trace_debug_set(struct trace *trace, unsigned number, uint64_t value);
bool trace_watches(const struct trace *trace);
/* The guest of the current task has executed one instruction: true when nobody wants to hear of it. */
bool trace_stepped(void);
