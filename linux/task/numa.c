/* Memory policies and nodes: set_mempolicy(2), mbind(2), move_pages(2). There is one node, 0: policies are checked and kept,
 * and all pages are where they ask for.
 */
#include "internal.h"

enum { MPOL_DEFAULT = 0, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL, MPOL_PREFERRED_MANY };
enum { MPOL_F_NODE = 1, MPOL_F_ADDR = 2, MPOL_F_MEMS_ALLOWED = 4 };
#define MODE_FLAGS 0xe000 /* MPOL_F_STATIC_NODES and its like */

/* The nodes at ADDRESS, of which only node 0 may be named. */
static int nodes_from_user(uint64_t address, uint64_t count, uint64_t *nodes)
{
	*nodes = 0;
	if (!address || count <= 1)
		return 0;
	if (count - 1 > 32768)
		return -EINVAL;
	for (uint64_t at = 0; at < count - 1; at += 64) {
		uint64_t word;
		if (get_user_u64(&word, address + at / 8))
			return -EFAULT;
		if (at ? word != 0 : (word & ~1ull) != 0)
			return -EINVAL;
		*nodes |= word;
	}
	return 0;
}

static int policy_check(int mode, uint64_t address, uint64_t count, uint64_t *nodes)
{
	int kind = mode & ~MODE_FLAGS;
	if (kind < MPOL_DEFAULT || kind > MPOL_PREFERRED_MANY)
		return -EINVAL;
	int error = nodes_from_user(address, count, nodes);
	if (error)
		return error;
	bool wants = kind == MPOL_BIND || kind == MPOL_INTERLEAVE || kind == MPOL_PREFERRED_MANY;
	return (kind == MPOL_DEFAULT || kind == MPOL_LOCAL) && *nodes ? -EINVAL
	       : wants && !*nodes                                     ? -EINVAL
	                                                              : 0;
}

SYSCALL_HANDLER(set_mempolicy, int mode, uint64_t nodes_address, uint64_t count)
{
	struct task *task = current_task();
	uint64_t nodes;
	int error = policy_check(mode, nodes_address, count, &nodes);
	if (error)
		return error;
	task->memory_policy = mode;
	task->memory_nodes = nodes;
	return 0;
}

SYSCALL_HANDLER(get_mempolicy, uint64_t mode_address, uint64_t nodes_address, uint64_t count,
                uint64_t address, uint64_t flags)
{
	const struct task *task = current_task();
	if ((flags & ~7ull) || (nodes_address && count < 1) || (!(flags & MPOL_F_ADDR) && address) ||
	    ((flags & MPOL_F_MEMS_ALLOWED) && (flags & (MPOL_F_NODE | MPOL_F_ADDR))))
		return -EINVAL;
	if ((flags & MPOL_F_NODE) && !(flags & MPOL_F_ADDR) &&
	    (task->memory_policy & ~MODE_FLAGS) != MPOL_INTERLEAVE)
		return -EINVAL;
	if (flags & MPOL_F_ADDR) {
		const struct area *area = mm_find(task->mm, address);
		if (!area || area->start > address)
			return -EFAULT;
	}
	bool own = !(flags & (MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED));
	uint32_t mode = flags & MPOL_F_NODE ? 0 : own ? (uint32_t)task->memory_policy : MPOL_DEFAULT;
	uint64_t nodes = flags & MPOL_F_MEMS_ALLOWED ? 1 : own ? task->memory_nodes : 0;
	if (mode_address && put_user_u32(mode_address, mode))
		return -EFAULT;
	for (uint64_t at = 0; nodes_address && at < count && at < 32768; at += 64)
		if (put_user_u64(nodes_address + at / 8, at ? 0 : nodes))
			return -EFAULT;
	return 0;
}

SYSCALL_HANDLER(mbind, uint64_t start, uint64_t bytes, int mode, uint64_t nodes_address, uint64_t count,
                uint32_t flags)
{
	uint64_t nodes;
	if ((start & (PAGE_SIZE_BYTES - 1)) || (flags & ~7u))
		return -EINVAL;
	int error = policy_check(mode, nodes_address, count, &nodes);
	if (error || !bytes)
		return error;
	for (uint64_t at = start; at < start + bytes;) {
		const struct area *area = mm_find(current_task()->mm, at);
		if (!area || area->start > at)
			return -EFAULT;
		at = area->end;
	}
	return 0;
}

SYSCALL_HANDLER(migrate_pages, int pid, uint64_t count, uint64_t from_address, uint64_t to_address)
{
	uint64_t from, to;
	const struct process *process = pid ? process_find(pid) : current_task()->process;
	int error = nodes_from_user(from_address, count, &from);
	if (!error)
		error = nodes_from_user(to_address, count, &to);
	if (error)
		return error;
	if (!process)
		return -ESRCH;
	return !process_may_trace(process) ? -EPERM : !to ? -EINVAL : 0;
}

SYSCALL_HANDLER(move_pages, int pid, uint64_t count, uint64_t pages, uint64_t nodes, uint64_t status,
                uint32_t flags)
{
	const struct process *process = pid ? process_find(pid) : current_task()->process;
	if (flags & ~6u)
		return -EINVAL;
	if (!process || !process->leader || !process->leader->mm)
		return -ESRCH;
	if (!process_may_trace(process))
		return -EPERM;
	for (uint64_t i = 0; i < count; i++) {
		uint64_t address;
		uint32_t node = 0;
		if (get_user_u64(&address, pages + i * 8) || (nodes && get_user_u32(&node, nodes + i * 4)))
			return -EFAULT;
		if (node)
			return -ENODEV;
		const struct area *area = mm_find(process->leader->mm, address);
		bool there = area && area->start <= address;
		if (put_user_u32(status + i * 4, there ? 0 : (uint32_t)-EFAULT))
			return -EFAULT;
		if (signal_pending())
			return -EINTR;
	}
	return 0;
}
