/* Limits, scheduling and the machine as programs see it: getrlimit(2), sched_setaffinity(2), uname(2),
 * sysinfo(2), membarrier(2).
 */
#include "internal.h"

void limits_init(struct process *process)
{
	for (unsigned i = 0; i < RLIMIT_COUNT; i++)
		process->limits[i] = (struct linux_rlimit){RLIM_INFINITY, RLIM_INFINITY};
	process->limits[RLIMIT_STACK].current = 8u << 20;
	process->limits[RLIMIT_NOFILE] = (struct linux_rlimit){1024, 1048576};
	process->limits[RLIMIT_CORE].current = 0;
	process->limits[RLIMIT_NPROC] = (struct linux_rlimit){16384, 16384};
	process->limits[RLIMIT_MEMLOCK] = (struct linux_rlimit){8u << 20, 8u << 20};
	process->limits[RLIMIT_SIGPENDING] = (struct linux_rlimit){16384, 16384};
	process->limits[RLIMIT_MSGQUEUE] = (struct linux_rlimit){819200, 819200};
	process->limits[RLIMIT_NICE] = process->limits[RLIMIT_RTPRIO] = (struct linux_rlimit){0, 0};
}

static int64_t limit_access(struct process *process, uint32_t which, uint64_t new_address,
                            uint64_t old_address)
{
	struct linux_rlimit limit, *slot;
	if (which >= RLIMIT_COUNT)
		return -EINVAL;
	slot = &process->limits[which];
	if (new_address) {
		if (copy_from_user(&limit, new_address, sizeof(limit)))
			return -EFAULT;
		if (limit.current > limit.maximum)
			return -EINVAL;
		if (limit.maximum > slot->maximum && !capable(CAP_SYS_RESOURCE))
			return -EPERM;
		if (which == RLIMIT_NOFILE && limit.maximum > 1048576)
			return -EPERM;
	}
	if (old_address && copy_to_user(old_address, slot, sizeof(*slot)))
		return -EFAULT;
	if (new_address) {
		*slot = limit;
		if (which == RLIMIT_CPU)
			process_cpu_watch(process);
	}
	return 0;
}

SYSCALL_HANDLER(getrlimit, uint32_t which, uint64_t address)
{
	return address ? limit_access(current_task()->process, which, 0, address) : -EFAULT;
}

SYSCALL_HANDLER(setrlimit, uint32_t which, uint64_t address)
{
	return address ? limit_access(current_task()->process, which, address, 0) : -EFAULT;
}

SYSCALL_HANDLER(prlimit64, int pid, uint32_t which, uint64_t new_address, uint64_t old_address)
{
	struct process *process = pid ? process_find(pid) : current_task()->process;
	if (!process)
		return -ESRCH;
	if (!process_permitted(process))
		return -EPERM;
	return limit_access(process, which, new_address, old_address);
}

/* ---- Scheduling: one best-effort priority; nice values and policies are kept as numbers ---- */

static struct task *task_or_self(int tid)
{
	return tid ? task_find(tid) : current_task();
}

SYSCALL_HANDLER(sched_yield, void)
{
	thread_yield();
	return 0;
}

SYSCALL_HANDLER(sched_setaffinity, int tid, uint32_t bytes, uint64_t address)
{
	struct task *task = task_or_self(tid);
	uint64_t mask = 0;
	if (!task)
		return -ESRCH;
	if (copy_from_user(&mask, address, bytes < 8 ? bytes : 8))
		return -EFAULT;
	if (!process_permitted(task->process))
		return -EPERM;
	return thread_set_affinity(task, mask);
}

SYSCALL_HANDLER(sched_getaffinity, int tid, uint32_t bytes, uint64_t address)
{
	const struct task *task = task_or_self(tid);
	if (!task)
		return -ESRCH;
	if (bytes < 8 || (bytes & 7))
		return -EINVAL;
	uint64_t mask = task->affinity & ((1ull << machine.cpu_count) - 1);
	return put_user_u64(address, mask) ? -EFAULT : 8;
}

SYSCALL_HANDLER(sched_getscheduler, int tid)
{
	return task_or_self(tid) ? 0 : -ESRCH;
}

SYSCALL_HANDLER(sched_setscheduler, int tid, int policy, uint64_t address)
{
	uint32_t priority;
	if (!task_or_self(tid))
		return -ESRCH;
	if (get_user_u32(&priority, address))
		return -EFAULT;
	/* SCHED_OTHER, SCHED_BATCH and SCHED_IDLE run alike; real-time budgets are the sub-kernel's owner's
	 * to give. */
	policy &= ~0x40000000;
	if (policy == 1 || policy == 2)
		return -EPERM;
	return (policy == 0 || policy == 3 || policy == 5) && !priority ? 0 : -EINVAL;
}

SYSCALL_HANDLER(sched_getparam, int tid, uint64_t address)
{
	return task_or_self(tid) ? put_user_u32(address, 0) : -ESRCH;
}

SYSCALL_HANDLER(sched_setparam, int tid, uint64_t address)
{
	uint32_t priority;
	if (!task_or_self(tid))
		return -ESRCH;
	if (get_user_u32(&priority, address))
		return -EFAULT;
	return priority ? -EINVAL : 0;
}

SYSCALL_HANDLER(sched_get_priority_max, int policy)
{
	return policy == 1 || policy == 2 ? 99 : policy >= 0 && policy <= 6 && policy != 4 ? 0 : -EINVAL;
}

SYSCALL_HANDLER(sched_get_priority_min, int policy)
{
	return policy == 1 || policy == 2 ? 1 : policy >= 0 && policy <= 6 && policy != 4 ? 0 : -EINVAL;
}

SYSCALL_HANDLER(sched_rr_get_interval, int tid, uint64_t address)
{
	return task_or_self(tid) ? put_user_timespec(address, 4000000) : -ESRCH;
}

enum { PRIO_PROCESS = 0, PRIO_PGRP, PRIO_USER };

SYSCALL_HANDLER(getpriority, int which, int who)
{
	struct process *process = who ? process_find(who) : current_task()->process;
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	if (which == PRIO_PGRP)
		process = process_group_first(who ? who : current_task()->process->pgid);
	else if (which == PRIO_USER)
		process = current_task()->process;
	return process ? 20 - process->nice : -ESRCH;
}

SYSCALL_HANDLER(setpriority, int which, int who, int nice)
{
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	struct process *process = who && which == PRIO_PROCESS ? process_find(who) : current_task()->process;
	if (!process)
		return -ESRCH;
	nice = nice < -20 ? -20 : nice > 19 ? 19 : nice;
	if (nice < process->nice && !capable(CAP_SYS_NICE))
		return -EACCES;
	process->nice = nice;
	return 0;
}

SYSCALL_HANDLER(getcpu, uint64_t cpu, uint64_t node)
{
	if ((cpu && put_user_u32(cpu, current_area()->cpu)) || (node && put_user_u32(node, 0)))
		return -EFAULT;
	return 0;
}

/* membarrier(2): every crossing into another thread of the process goes through the kernel, and an interrupt
 * serialises; expedited commands kick all running threads and so make them cross. */
SYSCALL_HANDLER(membarrier, int command, uint32_t flags)
{
	struct task *self = current_task(), *task;
	if (flags)
		return -EINVAL;
	switch (command) {
	case 0: /* query: global, global expedited and its registration, private expedited and its
	           registration */
		return 1 | 2 | 4 | 8 | 16;
	case 1:
	case 2:
	case 8:
		list_for_each(task, &self->process->threads,
		              thread_link) if (task != self && task->area && !task->sleeping)
		    guest_kick(task->area->thread);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		return 0;
	case 4:
	case 16:
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- The machine ---- */

static char host_name[65] = "holon", domain_name[65] = "(none)";

SYSCALL_HANDLER(uname, uint64_t address)
{
	struct linux_utsname name = {
	    .sysname = "Linux", .release = "6.1.0-holon", .version = "#1 SMP Holon", .machine = "x86_64"};
	if (start_word(linux_start_info(), "trust=development"))
		text_copy(name.version, sizeof(name.version), "#1 SMP Holon development");
	memcpy(name.nodename, host_name, sizeof(host_name));
	memcpy(name.domainname, domain_name, sizeof(domain_name));
	return copy_to_user(address, &name, sizeof(name));
}

static int64_t set_host_text(char text[65], uint64_t address, int bytes)
{
	char copy[65] = {0};
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (bytes < 0 || bytes > 64)
		return -EINVAL;
	if (copy_from_user(copy, address, (size_t)bytes))
		return -EFAULT;
	memcpy(text, copy, sizeof(copy));
	return 0;
}

SYSCALL_HANDLER(sethostname, uint64_t address, int bytes)
{
	return set_host_text(host_name, address, bytes);
}

SYSCALL_HANDLER(setdomainname, uint64_t address, int bytes)
{
	return set_host_text(domain_name, address, bytes);
}

const char *linux_host_name(void)
{
	return host_name;
}

void linux_memory(uint64_t *total, uint64_t *used)
{
	struct unit_info info;
	*total = *used = 0;
	if (unit_info(current_page(), machine.unit, &info) >= 0) {
		*total = info.memory_quota;
		*used = info.memory_used;
	}
}

SYSCALL_HANDLER(sysinfo, uint64_t address)
{
	uint64_t total, used;
	linux_memory(&total, &used);
	struct linux_sysinfo info = {.uptime = (int64_t)(clock_monotonic() / NS_PER_SECOND),
	                             .totalram = total,
	                             .freeram = total > used ? total - used : 0,
	                             .procs = (uint16_t)process_count(),
	                             .mem_unit = 1};
	return copy_to_user(address, &info, sizeof(info));
}
