/* Tasks (threads) and processes (thread groups), sessions and process groups.
 *
 * A task is bound to a native thread for life. The native thread's area is aligned to TASK_AREA_BYTES and
 * holds its stack, thread page and guest state page, so that the current task is found from the stack pointer
 * alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <holon/syscall.h>
#include <native_arch.h>
#include "linux_abi.h"
#include "list.h"
#include "namespace.h"
#include "signal.h"
#include "clock.h"
#include "wait.h"

struct mm;
struct files;
struct fs_context;
struct tty;
struct seccomp_filter;
struct undo;
struct trace;
struct core_dump;
struct async_group;
struct cgroup;

#define TASK_AREA_BYTES 65536ull
#define TASK_HELD_MAX   8u /* more files than any call names by descriptor, those in lists apart */

#define LOCKS_HELD_MAX 16u

/* The native thread under a task; at the lowest address of its area. */
/* Whose turn it is on a processor: task/turn.h. The worker's own: credit, used, seen, tick. */
struct turn {
	bool guest;             /* the area's thread runs a task of a process */
	bool runnable, waiting; /* it wants to run; it waits in turn_gate */
	bool held;              /* until it has no debts */
	bool grouped;           /* ... or as long as its group is held: cgroup/cgroup.h */
	bool fifo, unequal, listed;
	uint8_t level;   /* real-time priority; 0: none */
	int64_t arrival; /* of those of one level */
	int64_t credit;
	uint32_t weight; /* beside others of its CPU, at the last tick */
	uint64_t used, seen, tick;
};

struct thread_area {
	struct task *task;
	struct thread_area *next; /* pool of idle native threads */
	handle_t thread, event;
	handle_t bound_space; /* guest space chosen in the kernel */
	handle_t memory;      /* the area lies in it, at memory_offset */
	uint64_t memory_offset;
	bool prepared; /* all of its stack is there */
	bool ready;    /* its task is counted among those that want to run: time/account.h */
	bool rebind;   /* its thread is to go on with its CPU's budget: thread_rebind */
	uint32_t cpu;
	struct common_slot *common_slot; /* where it is counted while it shares the common lock */
	uint32_t common_mode;            /* enum common_mode */
	uint32_t lock_count;             /* the debug build's: ranks of the locks that it holds */
	uint8_t lock_ranks[LOCKS_HELD_MAX];
	uint64_t *place; /* its CPU's, which names it while nobody else took it: task/rseq.h */
	uint32_t inside; /* it is in its guest, or about to look and enter */
	uint32_t bound;  /* the CPU whose budget it has */
	void (*start)(void *argument);
	void *argument;
	struct thread_area *all_next; /* of all that there are */
	struct turn turn;
};

/* CPU time, ns. */
struct cpu_times {
	uint64_t user_ns, system_ns;
};

/* What was told of it, and at which counters. */
struct cpu_told {
	struct cpu_times times;
	uint64_t system, awake;
};

/* A task's CPU time (time/account.c). Counters are the processor's. */
struct account {
	uint64_t used;  /* ns; while it is not ready */
	uint64_t base;  /* while it is: used ns less the CPU's share time */
	uint64_t woke;  /* the counter when it became ready */
	uint64_t awake; /* the counter's advance while it was ready, up to its last sleep */
	uint64_t system_flushed;
	struct cpu_told told;
	uint32_t cpu;
	bool gone;
};

struct credentials {
	uint32_t uid, euid, suid, fsuid;
	uint32_t gid, egid, sgid, fsgid;
	uint64_t cap_effective, cap_permitted, cap_inheritable, cap_bounding, cap_ambient;
	uint32_t securebits;
	struct user_namespace *user; /* a reference; the ids are those of the first one */
	uint32_t group_count;
	uint32_t groups[32];
};

enum task_work {
	TASK_WORK_SIGNAL = 1, /* look at the pending signals before returning to the guest */
	TASK_WORK_EXIT = 2,   /* the process is going: leave */
	TASK_WORK_STOP = 4,   /* job control stop */
	TASK_WORK_FREEZE = 8, /* its group is to be frozen */
	TASK_WORK_TRAP = 16,  /* a stop of its tracer's is due */
	TASK_WORK_CALL = 32,  /* its tracer hears of the end of the call */
	TASK_WORK_TOLD = 64,  /* the call came to a page that another program brings: mm/userfault.h */
};

enum task_trap { TASK_TRAP_SECCOMP = 1, TASK_TRAP_TRACE = 2 };

struct task {
	/* hot: used on every crossing */
	struct guest_state *state;
	struct process *process;
	volatile uint32_t work; /* enum task_work */
	uint32_t held_count;    /* files of `held`: see file_of */
	int32_t tid;            /* in the first PID namespace */
	bool sleeping, woken;   /* see wait.h */
	uint8_t traps;          /* enum task_trap: somebody looks at each system call first */
	uint8_t seccomp_mode;
	uint64_t entered; /* the processor's counter when it last came into the personality or woke in it */
	uint64_t system_counter; /* the counter's advance in the personality, up to then */
	struct thread_area *area;
	struct mm *mm; /* 0 for workers */
	struct files *files;
	struct fs_context *fs;
	struct signal_handlers *handlers;
	struct file *held[TASK_HELD_MAX]; /* references until the call in progress ends */

	struct async_group *async; /* what its calls have left behind, or 0: async/async.h */
	/* While it makes a call for a request: that does not sleep but answers -EAGAIN, and says that it would have; the
	 * request's files (REQUEST_FD), and what its arguments were copied to. */
	bool no_sleep, would_sleep;
	struct file *request_file, *request_second;
	const char *request_memory;
	struct errand *errand; /* what it asks a file service when it may begin anew: fs/errand.h */
	uint32_t request_bytes;

	uint64_t blocked, saved_blocked; /* signal masks */
	uint64_t awaited;                /* signals that sigtimedwait waits for */
	bool restore_blocked;
	struct signal_queue pending;
	uint64_t altstack_base, altstack_bytes;
	uint32_t altstack_flags;

	struct credentials credentials;
	int32_t number;                 /* tid, in its own PID namespace */
	struct namespaces *namespaces;  /* a reference; 0 of workers, and once it is going */
	struct cgroup *cgroup;          /* a reference; 0: the root, or it is going. cgroup/cgroup.h */
	struct cpu_times cgroup_told;   /* what it had used when it came there */
	bool resting;                   /* counted as such in its group, if it has one: cgroup_rest */
	struct seccomp_filter *filter;  /* a reference: task/seccomp.c */
	struct task_keyrings *keyrings; /* keys/keys.h; 0: it has none */
	struct trace *trace;            /* trace/trace.h */
	struct list tracees;            /* records of those that it traces */
	struct list thread_link;        /* in process->threads */
	char name[16];
	uint64_t clear_tid; /* user address: CLONE_CHILD_CLEARTID */
	uint64_t robust_list, robust_list_bytes;
	uint64_t rseq;                     /* user address: rseq(2); 0: none */
	uint32_t rseq_cpu, rseq_signature; /* the processor that is written there */
	uint64_t set_child_tid;
	struct task *vfork_parent; /* sleeping until this task execs or exits */
	struct task *vfork_child;  /* for which this task sleeps */
	void *vector;              /* with the vector state to start with: area_vector, or pages; 0: none */
	int32_t exit_status;       /* of the thread: wait status form */
	bool exiting, no_new_privileges;
	bool core_waits;   /* for the end of its process's core file: core/core.h */
	void *core_vector; /* pages with its vector state meanwhile, or 0 */
	bool io_flusher;
	uint64_t timer_slack_ns, timer_slack_default_ns;
	uint64_t affinity;
	int32_t nice, policy; /* task/schedule.c */
	uint32_t rt_priority, io_priority;
	uint32_t lent_level; /* real-time priority of who waits for a lock that it has */
	bool reset_on_fork;
	int32_t memory_policy; /* task/numa.c */
	uint64_t memory_nodes;
	/* restart_syscall: what an interrupted relative sleep needs */
	int64_t (*restart)(struct task *task);
	uint64_t restart_data[6];
	int64_t syscall_number;    /* of the call in progress; -1 outside one */
	uint64_t syscall_argument; /* its first argument, which the result overwrites: for restarts */
	struct list futex_link;    /* futex.c */
	uint64_t futex_key[2];
	uint32_t futex_bitset;
	uint64_t fault_address; /* of the last page fault, and how often in a row */
	uint32_t fault_count;
	struct mm *building;   /* that its own pointers into guest memory mean, or 0: exec */
	uint64_t told_address; /* with TASK_WORK_TOLD */
	bool told_write;
	bool pressed; /* a copy lacked a page, or room in a file, while the common lock was shared */
	struct account account;
	uint64_t start_ns, minor_faults, major_faults, voluntary_switches, migrations;
	struct list counters; /* event/perf.c */
	bool owns_counters;
};

/* A session's or group's id is the pid of its leader; members are found through the process table. */
struct process {
	int32_t pid, number;        /* in the first PID namespace; in its own */
	struct pid_namespace *pids; /* its own: held by its number */
	uint32_t
	    references; /* one while it is in the table, one a thread, others by holders (pidfds, /proc) */
	int32_t pgid, sid;
	struct process *parent;
	struct list children, sibling; /* children includes zombies */
	struct list group_link;        /* members of one process group: see process_group */
	struct list all_link;          /* all processes, in order of creation */
	struct list threads;
	uint32_t thread_count;
	struct task *leader;
	struct signal_queue pending;   /* directed at the process */
	struct wait_queue child_wait;  /* wait4, waitid of the parent */
	struct wait_queue signal_wait; /* signalfd */
	struct wait_queue exit_wait;   /* pidfd poll */
	bool exiting, execing, zombie, stopped, continued, subreaper, did_exec, dumpable_off;
	bool stop_reported, killed; /* by SIGKILL */
	bool unkillable;            /* the first of a PID namespace but the first one: process_shielded */
	uint16_t core_filter;       /* enum core_filter: core/core.h */
	struct core_dump *core;     /* its core file is being written */
	struct cgroup *cgroup; /* a reference, once its last thread has gone: where it is still counted */
	struct trace *trace;   /* of the leader, while somebody traces it */
	int32_t parent_thread; /* the thread of its parent that made it */
	int32_t tracer_chosen; /* prctl(2), PR_SET_PTRACER: a process, 0: none, -1: any */
	uint8_t machine_check; /* prctl(2): 0, or one more than PR_MCE_KILL_* */
	int32_t exit_status;   /* wait status form: code << 8 or signal, 0x80 core */
	int32_t stop_signal;
	int32_t exit_signal;     /* to the parent: SIGCHLD, 0 for none */
	struct tty *tty;         /* controlling terminal (file side) */
	struct entered *entered; /* of one that was started from outside: native/enter.c */
	struct linux_rlimit limits[16];
	struct linux_rusage children_usage;
	struct cpu_times gone;                     /* of threads that have gone */
	uint64_t voluntary_switches, minor_faults; /* likewise */
	struct task *single_waiter;                /* in exec, waiting for the other threads to go */
	uint32_t uid;                              /* real uid, kept for waitid */
	int32_t parent_death_signal;
	uint64_t start_ns;
	struct timer real_timer; /* ITIMER_REAL */
	uint64_t real_interval;
	struct timer cpu_timer; /* the next look at CPU time: timers.c */
	struct cpu_interval {
		uint64_t end, interval; /* of user time, of process_cpu_ns; end 0 = off */
	} cpu_intervals[2];             /* ITIMER_VIRTUAL, ITIMER_PROF */
	uint64_t cpu_warned, cpu_seen, cpu_wait;
	struct list posix_timers;
	struct undo *semaphore_undo; /* ipc/sem.c */
	int32_t next_timer;
	int32_t oom_adjust;
	int32_t weight; /* when memory ran short, at weighed_ns: mm/pressure.c */
	uint64_t weighed_ns;
	bool dying; /* chosen to make room */
	uint64_t personality;
};

static inline struct thread_area *current_area(void)
{
	return (struct thread_area *)(processor_stack_pointer() & ~(TASK_AREA_BYTES - 1));
}
static inline struct task *current_task(void)
{
	return current_area()->task;
}
/* The current native thread's page: arguments and results of substrate calls. */
static inline struct thread_page *current_page(void)
{
	return (struct thread_page *)((char *)current_area() + TASK_AREA_BYTES - 2 * 4096);
}

/* By number, as the current task's PID namespace has it; 0 when there is none. No reference: valid until the caller
 * sleeps. */
struct task *task_find(int32_t tid);
struct process *process_find(int32_t pid);
/* The same by the number of the first PID namespace, which is what the personality keeps. */
struct task *task_by_id(int32_t id);
struct process *process_by_id(int32_t id);
struct process *process_reference(struct process *process);
void process_release(struct process *process);
/* All processes in order of creation (zombies too): PREVIOUS 0 = the first. For /proc. */
struct process *process_next(struct process *previous);
/* First process of group PGID, and the next after PROCESS; 0 at the end. The second is by the number of the first PID
 * namespace. */
struct process *process_group_first(int32_t pgid);
struct process *group_first(int32_t pgid);
struct process *process_group_next(struct process *process);
/* True when PGID has members but none whose parent is in another group of the same session (POSIX: orphaned).
 */
bool process_group_orphaned(int32_t pgid);
uint32_t process_count(void), task_count(void);
/* May the current task signal or inspect PROCESS? */
bool process_permitted(const struct process *process);
/* Ends the current thread, or the whole process (STATUS in wait form). */
_Noreturn void task_exit(int32_t status);
_Noreturn void process_exit(int32_t status);
/* CPU time used so far, ns. */
uint64_t process_cpu_ns(const struct process *process);

/* CAP_* of the current task's effective set, in the first user namespace: over the sub-kernel as a whole. Over less:
 * namespace.h. */
static inline bool capable(unsigned capability)
{
	const struct credentials *credentials = &current_task()->credentials;
	return credentials->user == &user_namespace_first && (credentials->cap_effective >> capability & 1);
}

/* The controlling terminal's part of a session leader's end: hang-up (file side). */
void tty_session_leader_exit(struct process *process);

/* ---- System calls ----
 * SYSCALL_HANDLER(name, parameters): defines the handler of the call NAME in linux/syscalls.tbl. Arguments
 * arrive in the registers of the Linux ABI in order; the result goes to the guest's rax (errors negative).
 * Handlers run with the common lock held alone, or as the table says: "shared", or not at all ("unlocked").
 * -ERESTARTSYS and its relatives (linux_abi.h) restart. */
#define SYSCALL_HANDLER(name, ...)                                                                           \
	int64_t sys_##name(__VA_ARGS__);                                                                     \
	int64_t sys_##name(__VA_ARGS__)

/* Text to the personality's log (kernel log). */
void linux_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
