/* What the parts of the process side share with one another and with nobody else. */
#pragma once

#include <holon.h>
#include "alloc.h"
#include "file.h"
#include "vnode.h"
#include "linux_abi.h"
#include "mm.h"
#include "task.h"
#include "text.h"
#include "user.h"

/* ---- guest.S ---- */
_Noreturn void guest_loop(void);
_Noreturn void thread_restart_stack(struct thread_area *area, void (*function)(struct thread_area *area));
void thread_first(void);
void fault_entry(void);
int64_t probe_write(uint64_t address);
size_t user_copy(void *to, const void *from, size_t bytes);
size_t user_fill(void *to, size_t bytes);
int64_t user_string(char *to, uint64_t from, size_t size);
int64_t user_load32(uint32_t *to, uint64_t from);
int64_t user_load64(uint64_t *to, uint64_t from);
int64_t user_store32(uint64_t to, uint32_t value);
int64_t user_store64(uint64_t to, uint64_t value);
int64_t user_exchange32(uint64_t address, uint32_t expected, uint32_t desired, uint32_t *seen);
void vector_xsave(void *area, uint64_t mask);
void vector_fxsave(void *area);
int64_t vector_xrstor(const void *area, uint64_t mask);
int64_t vector_fxrstor(const void *area);

/* Called from guest.S. */
void guest_work(int64_t number);
int64_t guest_unknown_call(uint64_t number);
void guest_other_exit(int64_t exit);
uint64_t fault_resolve(void);
void common_shared_slow(void);
void common_shared_wake(void);
void common_alone_slow(void);
void common_alone_wake(void);
void common_drain(void);
extern uint32_t common_word, common_slot_count;
extern struct common_slot common_slots[];

/* ---- The machine, read once ---- */
struct machine {
	struct system_info info;
	handle_t unit, space;
	handle_t log; /* system capability with RIGHT_LOG, or 0 */
	uint32_t cpu_count;
	handle_t budgets[CPU_MAX];
	uint64_t xsave_mask;
	uint32_t vector_bytes; /* of an XSAVE (FXSAVE) area */
};
extern struct machine machine;

int64_t heap_init(handle_t space, const uint64_t places[2]);
void clock_init(const struct clock_params *params, uint64_t realtime_base);
void timers_start(void);

/* ---- Native threads (task/thread.c) ---- */

/* An idle native thread on the CPU in AFFINITY where the fewest tasks are ready, of several such ones on NEAR, in whose
 * cache is what its maker touched; PAGE is the caller's thread page. 0 when quota lacks. */
struct thread_area *thread_take(struct thread_page *page, uint64_t affinity, uint32_t near);
/* Binds TASK to AREA and lets it run FUNCTION(ARGUMENT) with the common lock not held. */
void thread_run(struct thread_area *area, struct task *task, void (*function)(void *argument),
                void *argument);
/* Ends the current native thread's work: it goes back to the pool. Lock held; dropped here. */
_Noreturn void thread_idle(void);
static inline struct guest_state *area_state(struct thread_area *area)
{
	return (struct guest_state *)((char *)area + TASK_AREA_BYTES - 4096);
}
/* Where AREA's next task finds the vector state to start with, if that is no larger; it is zero at first, and nothing but that
 * state is ever there. */
#define AREA_VECTOR       1024u
#define AREA_VECTOR_BYTES (4096u - AREA_VECTOR)
static inline void *area_vector(struct thread_area *area)
{
	return (char *)area + AREA_VECTOR;
}
/* Chooses MM's space for the current native thread. */
void thread_use_mm(struct mm *mm);
/* AREA's thread goes on on CPU: at once where it is the current one, else before it is in its guest again. The common lock is
 * held alone. */
void thread_move(struct thread_area *area, uint32_t cpu);
/* The current thread goes where thread_move said. */
void thread_rebind(void);
/* Moves the current thread to CPU's budget if AFFINITY asks for it. */
int thread_set_affinity(struct task *task, uint64_t mask);
uint32_t thread_running_count(void);
/* The guest's vector state. The buffer is 64-byte aligned, machine.vector_bytes long. */
void vector_save(void *area);
int64_t vector_load(const void *area);
void vector_init_area(void *area);
void vector_reset(void);

/* ---- Tasks and processes (task/process.c) ---- */
/* In PIDS; 0: no memory, or its first process has ended. */
struct number_wish; /* task/number.h; 0: any numbers */
struct process *process_create(struct pid_namespace *pids, const struct number_wish *wish);
struct task *task_create(struct process *process, const struct number_wish *wish);
void task_destroy(struct task *task); /* not yet visible, or already gone */
void process_enter_group(struct process *process, int32_t pgid);
void process_unlink(struct process *process);
void process_enter_session(struct process *process, int32_t sid);
void task_become_leader(struct task *task);
/* The pid behind the pidfd FD, or -EBADF; and whether who waits for it must not sleep. */
int32_t pidfd_process_id(int fd, bool *nonblock);
/* May the current task read and change what PROCESS does: ptrace(2), "Ptrace access mode checking"? */
bool process_may_trace(const struct process *process);
/* May it attach, by /proc/sys/kernel/yama/ptrace_scope and PR_SET_PTRACER? */
bool process_may_attach(const struct process *process);
/* Keeps the number ID from being used anew, and no more. */
void number_hold(int32_t id);
void number_drop(int32_t id);
int64_t pidfd_install(struct process *process);
extern struct process *init_process;
/* True when some member of session SID has the group PGID. */
bool group_in_session(int32_t pgid, int32_t sid);
/* TASK, the current one, goes from its address space to TO, which may be 0: what its robust list and clear_tid want there is
 * done. The old one, whose reference is the caller's. */
struct mm *task_change_mm(struct task *task, struct mm *to);
/* Lets the parent that waits for TASK's exec or exit go on (vfork). */
void vfork_release(struct task *task);
void process_notify_parent(struct process *process, int code, int status);
/* PROCESS is a zombie whose tracer has done with it: its parent hears of its end. */
void process_tell_parent(struct process *process);
/* Kills the other threads of the current process and waits until they have gone. 0, or -EAGAIN when another
 * thread was faster (the caller must die). */
int process_single_thread(void);
int64_t process_clone(uint64_t flags, uint64_t stack, uint64_t parent_tid, uint64_t child_tid, uint64_t tls,
                      int exit_signal, uint64_t pidfd, int64_t cgroup, const struct number_wish *wish);
void limits_init(struct process *process);
void usage_of_process(struct process *process, struct linux_rusage *usage);
void usage_add(struct linux_rusage *sum, const struct linux_rusage *more);

/* May the current task ask for the I/O priority VALUE? 0, -EINVAL, -EPERM. */
int io_priority_check(uint32_t value);
/* A new task's nice value and policy. */
void schedule_inherit(struct task *child, const struct task *parent);

/* ---- Signals ---- */
struct signal_handlers *handlers_create(void);
struct signal_handlers *handlers_clone(const struct signal_handlers *handlers);
void handlers_release(struct signal_handlers *handlers);
void handlers_exec(struct signal_handlers *handlers);
void signal_queue_init(struct signal_queue *queue);
void signal_queue_flush(struct signal_queue *queue, uint64_t set);
/* Sets or clears TASK_WORK_SIGNAL of TASK from its masks and queues; wakes it where needed. */
void signal_recalculate(struct task *task);
void task_wake_for_signal(struct task *task, int signal);
void task_kick(struct task *task, uint32_t work);
void signal_set_blocked(uint64_t mask);
/* Delivers what is pending; RESULT tells whether a call is being left (NUMBER, or -1). */
void signal_deliver_call(int64_t number);
int64_t signal_call_result(int64_t result);

/* ---- Address spaces ---- */
struct mm *mm_create(void);
/* A copy of the current task's address space, for a child; 0 where memory lacks. Where nobody shares it, the common lock
 * may be given up meanwhile; then the copy is good only if mm_file_changes is what it was before. */
struct mm *mm_clone(struct mm *from);
static inline struct mm *mm_reference(struct mm *mm)
{
	mm->references++;
	return mm;
}
/* BESIDE_OTHERS: the common lock, held alone, may be given up meanwhile. */
void mm_release(struct mm *mm, bool beside_others);
/* Maps; *AT may be a hint. FLAGS: enum area_flags. OBJECT's and FILE's references are taken over on success.
 */
int mm_map(struct mm *mm, uint64_t at, uint64_t bytes, uint32_t flags, struct memory_object *object,
           uint64_t offset, struct file *file, uint64_t file_offset);
int mm_unmap(struct mm *mm, uint64_t start, uint64_t bytes);
/* mmap of FILE from its beginning, with the common lock held alone: the address, or an error. */
int64_t mm_map_file(struct mm *mm, uint64_t hint, uint64_t bytes, uint64_t protection, uint64_t flags,
                    struct file *file);
/* The highest free place for BYTES (pages) below TOP, which is below or above the native half; 0: none. */
uint64_t mm_place(struct mm *mm, uint64_t bytes, uint64_t top);
/* The futex or shared-memory identity of ADDRESS: object's identity and offset, or the mm and the address. */
int mm_key(struct mm *mm, uint64_t address, bool shared, uint64_t key[2]);

/* ---- Shortage of memory (mm/pressure.c) ---- */

/* Commits what must never be missing. PAGE is the caller's thread page. False: the quota is too small. */
bool pressure_init(struct thread_page *page);
/* How many of BYTES more files and tasks may take; the rest of the memory is for the programs that run. */
uint64_t pressure_allowance(uint64_t bytes);
/* May the current process have one more task (thread)? How many all may have. */
bool pressure_task_allowed(void);
uint32_t pressure_task_limit(void);
/* The quota may lack a page for the current task: where it does, kills the process that uses most. True: it is worth another
 * try. With MAY_WAIT it sleeps until the victim has gone; without, it helps from a small reserve. */
bool pressure_relieve(bool may_wait);
void pressure_process_ended(const struct process *process);
/* Bytes of MM's own that are there; those shared with clones count half. The common lock is held alone. */
uint64_t pressure_resident(struct mm *mm);

/* ---- exec ---- */
/* FILE, whose reference goes over, is run with the strings at guest addresses, or with kernel ones. The common lock is held
 * alone; with the former it is given up in between. */
int exec_load(struct task *task, struct file *file, const char *path, uint64_t argv_address,
              uint64_t envp_address, const char *const *kernel_argv, const char *const *kernel_envp);

/* ---- Futexes ---- */
void futex_init(void);
void futex_exit(struct task *task);
int64_t futex_wake(uint64_t address, int count, uint32_t bitset, bool shared);

/* ---- Random ---- */
void random_init(struct thread_page *page);
void random_bytes(void *to, size_t bytes); /* whatever was gathered by now */
/* True when 256 bits of entropy are in it. May call the entropy service. */
bool random_ready(void);
/* Waits for that: 0, -EAGAIN where it may not BLOCK, or -ERESTARTSYS. */
int random_wait(bool block);

/* ---- Timers of processes ---- */
void process_timers_exit(struct process *process);
/* An end of CPU time has been set for PROCESS. */
void process_cpu_watch(struct process *process);
uint64_t task_cpu_ns(const struct task *task);

/* The vDSO's data page follows the clock. */
void vdso_update(void);
uint64_t clock_realtime_offset(void);
const struct clock_params *clock_parameters(void);

/* Of the file side: close(2). */
int64_t sys_close(int fd);

/* Load averages of the last 1, 5 and 15 minutes, in parts of LOAD_ONE (proc/machine.c). */
#define LOAD_ONE 2048u
void load_start(void);
void load_averages(uint32_t loads[3]);

/* For the file side: what the sub-kernel was given at its start; its memory in bytes. */
const struct start_info *linux_start_info(void);
/* The host's or the domain's name itself: 65 bytes, zero behind its end. */
char *linux_host_text(bool domain);
void linux_memory(uint64_t *total, uint64_t *used);

/* A signal for a thread (guest_kick) ends its call of a service that has not taken it yet: nothing has happened then, and the call is made
 * anew. The stubs of interfaces that are included behind this call so (native/call.c). */
int64_t call_service(handle_t channel, struct message *message, uint64_t deadline) MUST_CHECK;
#define channel_call call_service
