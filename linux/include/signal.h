/* Signals: sending, queueing, delivery. Personality lock held throughout. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "linux_abi.h"
#include "list.h"

struct task;
struct process;

#define SIGNAL_BIT(signal) (1ull << ((signal)-1))

struct pending_signal {
	struct list link;
	struct linux_siginfo info;
};
struct signal_queue {
	uint64_t set;      /* signals pending */
	struct list queue; /* struct pending_signal, in order; a standard signal at most once */
};

/* Handlers: shared with CLONE_SIGHAND. */
struct signal_handlers {
	uint32_t references;
	struct linux_sigaction actions[64]; /* [signal - 1] */
};

/* Sends to a process (any thread may take it) or to one thread. INFO may be 0 (kernel-made: SI_KERNEL). No
 * permission check. 0, or -EAGAIN when a real-time signal cannot be queued. */
int signal_send_process(struct process *process, int signal, const struct linux_siginfo *info);
int signal_send_task(struct task *task, int signal, const struct linux_siginfo *info);
/* To every member of process group PGID (tty: SIGINT, SIGTSTP, SIGHUP...). Number of processes reached. */
int signal_send_group(int32_t pgid, int signal, const struct linux_siginfo *info);
/* PROCESS ends as by SIGNAL, whatever it would do with that; so does the first. */
void signal_end_process(struct process *process, int signal);
/* A terminal's key. From OUTSIDE of the sub-kernel it ends the first process too, which is safe only from signals of its
 * own processes. */
void signal_send_keys(int32_t pgid, int signal, bool outside);
/* A synchronous fault of the current task: cannot be blocked or ignored. */
void signal_fault(int signal, int code, uint64_t address);
/* The same with whatever INFO says. */
void signal_force(int signal, const struct linux_siginfo *info);
/* True when an unblocked signal waits for the current task (or it must exit). The task then has work before it returns to
 * the guest, so that a call may end with -ERESTARTSYS and its kin. */
bool signal_pending(void);
/* True when TASK blocks or ignores SIGNAL (background reads and writes of a terminal). */
bool signal_ignored_or_blocked(const struct task *task, int signal);
/* Takes a pending signal in SET out of the current task's queues: its number and *INFO, or 0 (signalfd,
 * sigtimedwait). */
int signal_take(uint64_t set, struct linux_siginfo *info);
/* Runs before each return to the guest when the task has work pending. */
void signal_deliver(void);
/* For calls with a temporary mask (ppoll, pselect, epoll_pwait, sigsuspend): sets it until the next return to
 * the guest (the old one comes back after delivery). MASK is a user address, 0 = none. */
int signal_temporary_mask(uint64_t mask_address, uint64_t bytes);
