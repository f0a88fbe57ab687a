/* Limits and the machine as programs see it: getrlimit(2), uname(2), sysinfo(2), membarrier(2). */
#include "internal.h"
#include "task/rseq.h"

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

SYSCALL_HANDLER(getcpu, uint64_t cpu, uint64_t node)
{
	if ((cpu && put_user_u32(cpu, current_area()->cpu)) || (node && put_user_u32(node, 0)))
		return -EFAULT;
	return 0;
}

enum membarrier_command {
	MEMBARRIER_QUERY = 0,
	MEMBARRIER_GLOBAL = 1,
	MEMBARRIER_GLOBAL_EXPEDITED = 2,
	MEMBARRIER_REGISTER_GLOBAL_EXPEDITED = 4,
	MEMBARRIER_PRIVATE_EXPEDITED = 8,
	MEMBARRIER_REGISTER_PRIVATE_EXPEDITED = 16,
	MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE = 32,
	MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 64,
	MEMBARRIER_PRIVATE_EXPEDITED_RSEQ = 128,
	MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_RSEQ = 256,
	MEMBARRIER_ALL = 511,
};

/* Every crossing into another thread goes through the kernel, and an interrupt serialises: a kick makes a running
 * thread cross. MM: whose threads (0: all of those that have REGISTERED, which may be 0, too). */
static int64_t barrier(const struct mm *mm, uint32_t registered)
{
	struct task *self = current_task(), *task;
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		list_for_each(task, &process->threads, thread_link)
		{
			if (task == self || !task->area || task->sleeping || !task->mm)
				continue;
			if (mm ? task->mm == mm : (task->mm->membarrier & registered) == registered)
				guest_kick(task->area->thread);
		}
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return 0;
}

#define MEMBARRIER_FLAG_CPU 1u

SYSCALL_HANDLER(membarrier, int command, uint32_t flags, int cpu)
{
	struct mm *mm = current_task()->mm;
	if (flags && (flags != MEMBARRIER_FLAG_CPU || command != MEMBARRIER_PRIVATE_EXPEDITED_RSEQ))
		return -EINVAL;
	switch (command) {
	case MEMBARRIER_QUERY:
		return MEMBARRIER_ALL;
	case MEMBARRIER_GLOBAL:
		return barrier(0, 0);
	case MEMBARRIER_GLOBAL_EXPEDITED:
		return barrier(0, MEMBARRIER_REGISTER_GLOBAL_EXPEDITED);
	case MEMBARRIER_PRIVATE_EXPEDITED:
	case MEMBARRIER_PRIVATE_EXPEDITED_SYNC_CORE:
		/* A process has to say beforehand that it will use them. */
		if (!(mm->membarrier & (uint32_t)command << 1))
			return -EPERM;
		return barrier(mm, 0);
	case MEMBARRIER_PRIVATE_EXPEDITED_RSEQ:
		if (!(mm->membarrier & MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_RSEQ))
			return -EPERM;
		rseq_barrier(mm, flags ? cpu : -1);
		return 0;
	case MEMBARRIER_REGISTER_GLOBAL_EXPEDITED:
	case MEMBARRIER_REGISTER_PRIVATE_EXPEDITED:
	case MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
	case MEMBARRIER_REGISTER_PRIVATE_EXPEDITED_RSEQ:
		mm->membarrier |= (uint32_t)command;
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- The machine ---- */

SYSCALL_HANDLER(uname, uint64_t address)
{
	struct linux_utsname name = {
	    .sysname = "Linux", .release = "6.1.0-holon", .version = "#1 SMP Holon", .machine = "x86_64"};
	if (start_word(linux_start_info(), "trust=development"))
		text_copy(name.version, sizeof(name.version), "#1 SMP Holon development");
	memcpy(name.nodename, linux_host_text(false), sizeof(name.nodename));
	memcpy(name.domainname, linux_host_text(true), sizeof(name.domainname));
	return copy_to_user(address, &name, sizeof(name));
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
	uint32_t loads[3];
	linux_memory(&total, &used);
	load_averages(loads);
	struct linux_sysinfo info = {
	    .uptime = (int64_t)(time_shifted(clock_monotonic(), time_offset(CLOCK_BOOTTIME)) / NS_PER_SECOND),
	    .totalram = total,
	    .freeram = total > used ? total - used : 0,
	    .loads = {loads[0] * 32ull, loads[1] * 32ull, loads[2] * 32ull},
	    .procs = (uint16_t)process_count(),
	    .mem_unit = 1};
	return copy_to_user(address, &info, sizeof(info));
}
