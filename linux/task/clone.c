/* New tasks: fork(2), vfork(2), clone(2), clone3(2).
 *
 * Everything that can fail is made first; the child becomes visible and starts only when it is complete. The
 * child's native thread begins with a copy of the parent's registers (result 0) and vector state.
 */
#include "cgroup/cgroup.h"
#include "event/perf.h"
#include "exec/exec.h"
#include "internal.h"
#include "keys/keys.h"
#include "task/number.h"
#include "task/seccomp.h"
#include "trace/trace.h"

static void child_start(void *argument)
{
	struct task *task = argument;
	thread_use_mm(task->mm);
	if (task->vector) {
		(void)vector_load(task->vector);
		if (task->vector != area_vector(current_area()))
			pages_free(task->vector, (machine.vector_bytes + 4095) / 4096);
		task->vector = 0;
	}
	if (task->set_child_tid) {
		common_shared();
		int error = put_user_u32(task->set_child_tid, (uint32_t)task->number);
		common_shared_end();
		if (error) { /* memory may have lacked a page, for which somebody has to go */
			personality_lock();
			(void)put_user_u32(task->set_child_tid, (uint32_t)task->number);
			personality_unlock();
		}
	}
	guest_loop();
}

/* Where a child is and who, made before the child is. */
struct surroundings {
	struct fs_context *fs;
	struct namespaces *namespaces;
	struct credentials credentials; /* with a reference to their user namespace */
};

static void surroundings_release(struct surroundings *around)
{
	if (around->fs)
		fs_context_release(around->fs);
	if (around->namespaces)
		namespaces_release(around->namespaces);
	namespace_release(&around->credentials.user->common);
}

static int surroundings_make(struct surroundings *around, const struct task *parent, uint64_t flags)
{
	*around = (struct surroundings){.credentials = parent->credentials};
	(void)namespace_reference(&around->credentials.user->common);
	if (flags & CLONE_FS) {
		around->fs = parent->fs;
		around->fs->references++;
	} else {
		around->fs = fs_context_clone(parent->fs);
	}
	int error = around->fs ? 0 : -ENOMEM;
	if (!error && !(flags & CLONE_NAMESPACES))
		around->namespaces = namespaces_reference(parent->namespaces);
	else if (!error)
		error = namespaces_clone(parent->namespaces, flags, &around->credentials, around->fs,
		                         &around->namespaces);
	if (!error && !(flags & CLONE_VM))
		error = namespaces_enter_time(&around->namespaces);
	if (error)
		surroundings_release(around);
	return error;
}

static void surroundings_give(struct surroundings *around, struct task *child)
{
	namespace_release(&child->credentials.user->common);
	child->credentials = around->credentials;
	child->namespaces = around->namespaces;
	child->fs = around->fs;
}

/* Inherits or copies what the flags say, but for the address space; false leaves the rest to clone_undo. */
static bool share(struct task *child, const struct task *parent, uint64_t flags)
{
	child->files = flags & CLONE_FILES ? files_reference(parent->files) : files_clone(parent->files);
	if (flags & CLONE_SIGHAND) {
		child->handlers = parent->handlers;
		child->handlers->references++;
	} else {
		child->handlers = handlers_clone(parent->handlers);
	}
	if (!child->mm || !child->files || !child->handlers || !task_keyrings_inherit(child, parent, flags))
		return false;
	if (flags & CLONE_CLEAR_SIGHAND) {
		for (unsigned i = 0; i < SIGNAL_COUNT; i++)
			if (child->handlers->actions[i].handler != SIG_IGN)
				child->handlers->actions[i].handler = SIG_DFL;
	}
	return true;
}

static void clone_undo(struct process *process, struct task *child, bool new_process)
{
	if (child) {
		perf_task_end(child);
		if (child->mm)
			mm_release(child->mm, false);
		if (child->files)
			files_release(child->files);
		if (child->fs)
			fs_context_release(child->fs);
		handlers_release(child->handlers);
		task_destroy(child);
	}
	if (new_process && process)
		process_unlink(process);
}

static void process_inherit(struct process *child, struct process *parent, struct task *parent_task,
                            uint64_t flags, int exit_signal)
{
	struct process *real_parent = flags & CLONE_PARENT && parent->parent ? parent->parent : parent;
	child->exit_signal = flags & CLONE_PARENT ? parent->exit_signal : exit_signal;
	child->parent = real_parent;
	child->parent_thread = flags & CLONE_PARENT ? parent->parent_thread : parent_task->tid;
	list_append(&real_parent->children, &child->sibling);
	process_enter_group(child, parent->pgid);
	process_enter_session(child, parent->sid);
	child->tty = parent->tty;
	memcpy(child->limits, parent->limits, sizeof(child->limits));
	child->oom_adjust = parent->oom_adjust;
	child->core_filter = parent->core_filter;
	child->personality = parent->personality;
	child->dumpable_off = parent->dumpable_off;
	child->uid = parent_task->credentials.uid;
}

static void task_inherit(struct task *child, const struct task *parent, uint64_t flags)
{
	child->blocked = parent->restore_blocked ? parent->saved_blocked : parent->blocked;
	child->no_new_privileges = parent->no_new_privileges;
	child->timer_slack_ns = child->timer_slack_default_ns = parent->timer_slack_ns;
	child->affinity = parent->affinity;
	schedule_inherit(child, parent);
	seccomp_inherit(child, parent);
	memcpy(child->name, parent->name, sizeof(child->name));
	if (!(flags & CLONE_VM) || (flags & CLONE_VFORK)) {
		child->altstack_base = parent->altstack_base;
		child->altstack_bytes = parent->altstack_bytes;
		child->altstack_flags = parent->altstack_flags;
	}
	if (!(flags & CLONE_VM)) {
		child->rseq = parent->rseq;
		child->rseq_cpu = parent->rseq_cpu;
		child->rseq_signature = parent->rseq_signature;
	}
}

static struct pid_namespace *children_pids(void)
{
	return container_of(current_task()->namespaces->of[NAMESPACE_PID], struct pid_namespace, common);
}

/* Why a clone with these FLAGS cannot be; 0: nothing is known yet. */
static int64_t refusal(uint64_t flags, uint64_t tls, int exit_signal)
{
	struct process *process = current_task()->process;
	bool thread = flags & CLONE_THREAD;
	if (((flags & CLONE_SIGHAND) && !(flags & CLONE_VM)) || (thread && !(flags & CLONE_SIGHAND)) ||
	    (thread && (flags & CLONE_PIDFD)) || ((flags & CLONE_CLEAR_SIGHAND) && (flags & CLONE_SIGHAND)) ||
	    exit_signal < 0 || exit_signal > SIGNAL_COUNT)
		return -EINVAL;
	/* Threads share where they are, and who made them a user namespace's is alone in it. */
	const uint64_t alone = thread ? CLONE_NEWUSER | CLONE_NEWPID : 0;
	if ((flags & alone) || ((flags & CLONE_FS) && (flags & (CLONE_NEWNS | CLONE_NEWUSER))) ||
	    ((flags & CLONE_NEWIPC) && (flags & CLONE_SYSVSEM)))
		return -EINVAL;
	const struct pid_namespace *for_children = children_pids();
	if (for_children != process->pids && (flags & (CLONE_THREAD | CLONE_NEWPID)))
		return -EINVAL;
	if ((flags & CLONE_PARENT) && process->unkillable)
		return -EINVAL;
	if (!thread && for_children->ended)
		return -ENOMEM;
	if ((flags & CLONE_SETTLS) && !user_range(tls, 1))
		return -EPERM;
	if (process->exiting || process->single_waiter)
		return -ERESTARTNOINTR;
	if (!thread && process->limits[RLIMIT_NPROC].current <= process_count() && !capable(CAP_SYS_RESOURCE))
		return -EAGAIN;
	return pressure_task_allowed() ? 0 : -EAGAIN;
}

/* Where a child of these FLAGS belongs: the parent's group, or that of the open directory CGROUP; 0 with *ERROR. */
static struct cgroup *child_group(uint64_t flags, int64_t cgroup, int *error)
{
	struct cgroup *own = cgroup_of(current_task());
	*error = 0;
	if (!(flags & CLONE_INTO_CGROUP))
		return own;
	const struct file *file = cgroup <= INT32_MAX ? file_of_any((int)cgroup) : 0;
	struct cgroup *group = file ? cgroup_of_file(file) : 0;
	*error = !group ? -EBADF : group->gone ? -ENOENT : cgroup_may_have_tasks(group);
	if (!*error && group != own && (flags & CLONE_THREAD))
		*error = -EOPNOTSUPP;
	if (!*error)
		*error = cgroup_may_write(group);
	if (!*error && group != own)
		*error = cgroup_may_move(own, group, cgroup_namespace_current()->root);
	return *error ? 0 : group;
}

/* *COPY: the child's address space, 0 where it could not be made; taken over, then 0. The common lock is held alone. */
static int64_t clone_with(struct mm **copy, uint64_t flags, uint64_t stack, uint64_t parent_tid,
                          uint64_t child_tid, uint64_t tls, int exit_signal, uint64_t pidfd, int64_t cgroup,
                          const struct number_wish *wish)
{
	struct task *self = current_task();
	struct process *process = self->process;
	bool thread = flags & CLONE_THREAD;
	struct surroundings around;
	int error;
	struct cgroup *group = child_group(flags, cgroup, &error);
	int64_t result = error ? error : surroundings_make(&around, self, flags);
	if (result)
		return result;
	struct pid_namespace *pids =
	    container_of(around.namespaces->of[NAMESPACE_PID], struct pid_namespace, common);
	result = number_wish_check(wish, pids);
	if (result) {
		surroundings_release(&around);
		return result;
	}
	struct process *target = thread ? process : process_create(pids, wish);
	struct task *child = target ? task_create(target, wish) : 0;
	struct thread_area *area = 0;
	result = -ENOMEM;
	if (!child) {
		surroundings_release(&around);
		goto undo;
	}
	surroundings_give(&around, child);
	child->mm = flags & CLONE_VM ? mm_reference(self->mm) : *copy;
	*copy = 0;
	if (!share(child, self, flags))
		goto undo;
	if (child->namespaces->of[NAMESPACE_TIME] != self->namespaces->of[NAMESPACE_TIME] &&
	    vdso_follow(child->mm, child->namespaces))
		goto undo;
	result = cgroup_task_start(child, group);
	if (result)
		goto undo;
	result = -ENOMEM;
	if (!perf_inherit(child, self, thread))
		goto undo;
	bool apart = machine.vector_bytes > AREA_VECTOR_BYTES, follow;
	if (apart)
		child->vector = pages_allocate((machine.vector_bytes + 4095) / 4096);
	unsigned event = trace_clone(flags, exit_signal, &follow);
	if ((apart && !child->vector) || (follow && !trace_create(child)))
		goto undo;
	int64_t pidfd_number = -1;
	if (flags & CLONE_PIDFD) {
		pidfd_number = pidfd_install(target);
		result = pidfd_number;
		if (pidfd_number < 0)
			goto undo;
		if (put_user_u32(pidfd, (uint32_t)pidfd_number)) {
			sys_close((int)pidfd_number);
			result = -EFAULT;
			goto undo;
		}
	}
	area = thread_take(current_page(), self->affinity, current_area()->cpu);
	result = -EAGAIN;
	if (!area)
		goto undo;
	/* From here on nothing fails. */
	if (!apart)
		child->vector = area_vector(area);
	vector_save(child->vector);
	*area_state(area) = *self->state;
	struct guest_state *state = area_state(area);
	state->rax = 0;
	if (stack)
		state->rsp = stack;
	if (flags & CLONE_SETTLS)
		state->fs_base = tls;
	task_inherit(child, self, flags);
	if (!thread) {
		process_inherit(target, process, self, flags, exit_signal);
		if (target->limits[RLIMIT_CPU].current != RLIM_INFINITY)
			process_cpu_watch(target);
	}
	if (flags & CLONE_CHILD_CLEARTID)
		child->clear_tid = child_tid;
	if (flags & CLONE_CHILD_SETTID)
		child->set_child_tid = child_tid;
	if (flags & CLONE_PARENT_SETTID)
		(void)put_user_u32(parent_tid, (uint32_t)pid_seen(child->tid));
	int32_t tid = pid_seen(child->tid);
	int32_t told = task_traced(self) ? pid_seen_by(self->trace->tracer->process, child->tid) : tid;
	if (flags & CLONE_VFORK) {
		child->vfork_parent = self;
		self->vfork_child = child;
	}
	if (follow)
		trace_inherit(child, self);
	signal_recalculate(child);
	thread_run(area, child, child_start, child);
	if (event)
		(void)trace_event(event, (uint64_t)told);
	cgroup_rest(self, self->vfork_child);
	while (self->vfork_child) {
		if (wait_sleep_killable(DEADLINE_NEVER) == -EINTR && self->vfork_child) {
			self->vfork_child->vfork_parent = 0;
			self->vfork_child = 0;
		}
	}
	cgroup_rest(self, false);
	if (flags & CLONE_VFORK)
		(void)trace_event(PTRACE_EVENT_VFORK_DONE, (uint64_t)told);
	return tid;
undo:
	clone_undo(target, child, !thread);
	return result;
}

int64_t process_clone(uint64_t flags, uint64_t stack, uint64_t parent_tid, uint64_t child_tid, uint64_t tls,
                      int exit_signal, uint64_t pidfd, int64_t cgroup, const struct number_wish *wish)
{
	struct mm *mm = current_task()->mm, *copy = 0;
	enum common_mode before = common_mode();
	int64_t result = refusal(flags, tls, exit_signal);
	if (result)
		return result;
	/* What takes long needs no common lock where the address space is this task's alone. But nobody knows the copy: where
	 * a mapped file has changed meanwhile, it is made again. */
	if (!(flags & CLONE_VM) && before == COMMON_SHARED && mm->references == 1) {
		uint64_t changes = mm_file_changes();
		common_give();
		copy = mm_clone(mm);
		common_take(COMMON_ALONE);
		if (copy && changes != mm_file_changes()) {
			mm_release(copy, false);
			copy = 0;
		}
	} else {
		common_alone();
	}
	if (!(flags & CLONE_VM) && !copy)
		copy = mm_clone(mm);
	result = refusal(flags, tls, exit_signal); /* others may have come first */
	if (!result)
		result = clone_with(&copy, flags, stack, parent_tid, child_tid, tls, exit_signal, pidfd,
		                    cgroup, wish);
	if (copy)
		mm_release(copy, false);
	common_back(before);
	return result;
}

SYSCALL_HANDLER(fork, void)
{
	return process_clone(0, 0, 0, 0, 0, SIGCHLD, 0, 0, 0);
}

SYSCALL_HANDLER(vfork, void)
{
	return process_clone(CLONE_VM | CLONE_VFORK, 0, 0, 0, 0, SIGCHLD, 0, 0, 0);
}

SYSCALL_HANDLER(clone, uint64_t flags, uint64_t stack, uint64_t parent_tid, uint64_t child_tid, uint64_t tls)
{
	int signal = (int)(flags & 0xff);
	flags &= 0xffffffff & ~0xffull;
	return process_clone(flags & ~CLONE_DETACHED, stack, parent_tid, child_tid, tls, signal, parent_tid,
	                     0, 0);
}

SYSCALL_HANDLER(clone3, uint64_t address, uint64_t bytes)
{
	struct linux_clone_args args = {0};
	if (bytes < 64)
		return -EINVAL;
	if (bytes > 4096)
		return -E2BIG;
	if (copy_from_user(&args, address, bytes < sizeof(args) ? bytes : sizeof(args)))
		return -EFAULT;
	int error = user_rest_zero(address + sizeof(args), address + bytes);
	if (error)
		return error;
	struct number_wish wish = {0};
	if (args.set_tid_size > WISHES_MAX || !args.set_tid != !args.set_tid_size)
		return -EINVAL;
	wish.count = (uint32_t)args.set_tid_size;
	if (copy_from_user(wish.numbers, args.set_tid, wish.count * sizeof(wish.numbers[0])))
		return -EFAULT;
	if ((args.flags & (CLONE_DETACHED | (0xff & ~CLONE_NEWTIME))) || args.exit_signal > SIGNAL_COUNT)
		return -EINVAL;
	if ((args.stack == 0) != (args.stack_size == 0) || (args.flags >> 34))
		return -EINVAL;
	if ((args.flags & (CLONE_THREAD | CLONE_PARENT)) && args.exit_signal)
		return -EINVAL;
	if ((args.flags & CLONE_INTO_CGROUP) && (args.cgroup > INT32_MAX || bytes < sizeof(args)))
		return -EINVAL;
	return process_clone(args.flags, args.stack ? args.stack + args.stack_size : 0, args.parent_tid,
	                     args.child_tid, args.tls, (int)args.exit_signal, args.pidfd,
	                     (int64_t)args.cgroup, wish.count ? &wish : 0);
}

SYSCALL_HANDLER(set_tid_address, uint64_t address)
{
	struct task *task = current_task();
	task->clear_tid = address;
	return task->number;
}
