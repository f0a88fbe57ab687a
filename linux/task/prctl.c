/* prctl(2): what a process or thread asks of its own treatment. Arguments that an operation does not use must be 0
 * where Linux wants them so.
 */
#include "event/perf.h"
#include "internal.h"
#include "task/seccomp.h"

enum {
	PR_SET_PDEATHSIG = 1,
	PR_GET_PDEATHSIG = 2,
	PR_GET_DUMPABLE = 3,
	PR_SET_DUMPABLE = 4,
	PR_GET_KEEPCAPS = 7,
	PR_SET_KEEPCAPS = 8,
	PR_GET_TIMING = 13,
	PR_SET_TIMING = 14,
	PR_SET_NAME = 15,
	PR_GET_NAME = 16,
	PR_GET_SECCOMP = 21,
	PR_SET_SECCOMP = 22,
	PR_CAPBSET_READ = 23,
	PR_GET_TSC = 25,
	PR_SET_TSC = 26,
	PR_TASK_PERF_EVENTS_DISABLE = 31,
	PR_TASK_PERF_EVENTS_ENABLE = 32,
	PR_MCE_KILL = 33,
	PR_MCE_KILL_GET = 34,
	PR_GET_SPECULATION_CTRL = 52,
	PR_SET_SPECULATION_CTRL = 53,
	PR_SET_PTRACER = 0x59616d61,
	PR_CAPBSET_DROP = 24,
	PR_GET_SECUREBITS = 27,
	PR_SET_SECUREBITS = 28,
	PR_SET_TIMERSLACK = 29,
	PR_GET_TIMERSLACK = 30,
	PR_SET_CHILD_SUBREAPER = 36,
	PR_GET_CHILD_SUBREAPER = 37,
	PR_SET_NO_NEW_PRIVS = 38,
	PR_GET_NO_NEW_PRIVS = 39,
	PR_GET_TID_ADDRESS = 40,
	PR_SET_THP_DISABLE = 41,
	PR_GET_THP_DISABLE = 42,
	PR_CAP_AMBIENT = 47,
	PR_SET_IO_FLUSHER = 57,
	PR_GET_IO_FLUSHER = 58,
};

enum { AMBIENT_IS_SET = 1, AMBIENT_RAISE, AMBIENT_LOWER, AMBIENT_CLEAR_ALL };

static int64_t cap_ambient(struct credentials *c, uint64_t operation, uint64_t capability, uint64_t rest)
{
	if (rest || (operation == AMBIENT_CLEAR_ALL ? capability != 0 : capability > CAP_LAST))
		return -EINVAL;
	uint64_t bit = CAP_BIT(capability);
	switch (operation) {
	case AMBIENT_IS_SET:
		return !!(c->cap_ambient & bit);
	case AMBIENT_RAISE:
		if (!(c->cap_permitted & c->cap_inheritable & bit) ||
		    (c->securebits & SECBIT_NO_CAP_AMBIENT_RAISE))
			return -EPERM;
		c->cap_ambient |= bit;
		return 0;
	case AMBIENT_LOWER:
		c->cap_ambient &= ~bit;
		return 0;
	case AMBIENT_CLEAR_ALL:
		c->cap_ambient = 0;
		return 0;
	default:
		return -EINVAL;
	}
}

static int64_t set_name(struct task *task, uint64_t address)
{
	char name[16];
	int64_t length = copy_string_from_user(name, address, sizeof(name));
	if (length == -EFAULT)
		return length;
	name[15] = 0;
	memset(task->name, 0, sizeof(task->name));
	text_copy(task->name, sizeof(task->name), name);
	return 0;
}

/* The bits that are locked stay as they are, locks stay, and nothing unknown is set. */
static int64_t set_secure_bits(struct credentials *c, uint64_t wanted)
{
	uint32_t locked = (c->securebits & SECBIT_LOCKS) >> 1;
	if ((locked & (c->securebits ^ wanted)) || (c->securebits & SECBIT_LOCKS & ~wanted) ||
	    (wanted & ~(uint64_t)(SECBITS | SECBIT_LOCKS)) || !capable_own(CAP_SETPCAP))
		return -EPERM;
	c->securebits = (uint32_t)wanted;
	return 0;
}

static int64_t prctl_capabilities(struct credentials *c, int operation, uint64_t a, uint64_t b, uint64_t rest)
{
	switch (operation) {
	case PR_GET_KEEPCAPS:
		return !!(c->securebits & SECBIT_KEEP_CAPS);
	case PR_SET_KEEPCAPS:
		if (a > 1)
			return -EINVAL;
		if (c->securebits & SECBIT_KEEP_CAPS_LOCKED)
			return -EPERM;
		c->securebits =
		    a ? c->securebits | SECBIT_KEEP_CAPS : c->securebits & ~(uint32_t)SECBIT_KEEP_CAPS;
		return 0;
	case PR_CAPBSET_READ:
		return a > CAP_LAST ? -EINVAL : (int64_t)(c->cap_bounding >> a & 1);
	case PR_CAPBSET_DROP:
		if (!capable_own(CAP_SETPCAP))
			return -EPERM;
		if (a > CAP_LAST)
			return -EINVAL;
		c->cap_bounding &= ~CAP_BIT(a);
		return 0;
	case PR_GET_SECUREBITS:
		return c->securebits;
	case PR_SET_SECUREBITS:
		return set_secure_bits(c, a);
	default:
		return cap_ambient(c, a, b, rest);
	}
}

enum { TSC_ENABLED = 1 };

/* How to die of broken memory: kept as a number, since no sub-kernel hears of any. */
static int64_t machine_check(struct process *process, int operation, uint64_t set, uint64_t value,
                             uint64_t rest)
{
	enum { CLEAR = 0, SET = 1, DEFAULT = 2 };
	if (operation == PR_MCE_KILL_GET)
		return set || value || rest     ? -EINVAL
		       : process->machine_check ? process->machine_check - 1
		                                : DEFAULT;
	if (rest || set > SET || (set == CLEAR ? value != 0 : value > DEFAULT))
		return -EINVAL;
	process->machine_check = (uint8_t)(set == CLEAR || value == DEFAULT ? 0 : value + 1);
	return 0;
}

SYSCALL_HANDLER(prctl, int operation, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct task *task = current_task();
	struct process *process = task->process;
	switch (operation) {
	case PR_SET_PDEATHSIG:
		if (a > SIGNAL_COUNT)
			return -EINVAL;
		process->parent_death_signal = (int32_t)a;
		return 0;
	case PR_GET_PDEATHSIG:
		return put_user_u32(a, (uint32_t)process->parent_death_signal);
	case PR_GET_DUMPABLE:
		return !process->dumpable_off;
	case PR_SET_DUMPABLE:
		if (a > 1)
			return -EINVAL;
		process->dumpable_off = !a;
		return 0;
	case PR_GET_TIMING:
		return 0; /* PR_TIMING_STATISTICAL, the only one */
	case PR_SET_TIMING:
		return a ? -EINVAL : 0;
	case PR_SET_NAME:
		return set_name(task, a);
	case PR_GET_NAME:
		return copy_to_user(a, task->name, sizeof(task->name));
	case PR_GET_TSC:
		return put_user_u32(a, TSC_ENABLED);
	case PR_SET_TSC: /* it cannot be taken away */
		return a == TSC_ENABLED ? 0 : -EINVAL;
	case PR_TASK_PERF_EVENTS_DISABLE:
	case PR_TASK_PERF_EVENTS_ENABLE:
		perf_switch_owned(task, operation == PR_TASK_PERF_EVENTS_ENABLE);
		return 0;
	case PR_MCE_KILL:
	case PR_MCE_KILL_GET:
		return machine_check(process, operation, a, b, c | d);
	case PR_GET_SPECULATION_CTRL:
	case PR_SET_SPECULATION_CTRL:
		return -ENODEV; /* what a guest may speculate on is not its own to say */
	case PR_SET_PTRACER:
		if (a && a != UINT64_MAX && !process_find((int32_t)a))
			return -EINVAL;
		process->tracer_chosen = a == UINT64_MAX ? -1 : pid_named((int32_t)a);
		return 0;
	case PR_GET_SECCOMP:
		return task->seccomp_mode;
	case PR_SET_SECCOMP:
		return seccomp_prctl(a, b);
	case PR_SET_TIMERSLACK:
		task->timer_slack_ns = a ? a : task->timer_slack_default_ns;
		return 0;
	case PR_GET_TIMERSLACK:
		return (int64_t)task->timer_slack_ns;
	case PR_SET_CHILD_SUBREAPER:
		process->subreaper = a != 0;
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return put_user_u32(a, process->subreaper);
	case PR_SET_NO_NEW_PRIVS:
		if (a != 1 || b || c || d)
			return -EINVAL;
		task->no_new_privileges = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return a || b || c || d ? -EINVAL : task->no_new_privileges;
	case PR_GET_TID_ADDRESS:
		return put_user_u64(a, task->clear_tid);
	case PR_SET_THP_DISABLE:
		if (b || c || d)
			return -EINVAL;
		task->mm->huge_pages_off = a != 0;
		return 0;
	case PR_GET_THP_DISABLE:
		return a || b || c || d ? -EINVAL : task->mm->huge_pages_off;
	case PR_SET_IO_FLUSHER:
		if (!capable(CAP_SYS_RESOURCE))
			return -EPERM;
		if (b || c || d || a > 1)
			return -EINVAL;
		task->io_flusher = a;
		return 0;
	case PR_GET_IO_FLUSHER:
		if (!capable(CAP_SYS_RESOURCE))
			return -EPERM;
		return a || b || c || d ? -EINVAL : task->io_flusher;
	case PR_GET_KEEPCAPS:
	case PR_SET_KEEPCAPS:
	case PR_CAPBSET_READ:
	case PR_CAPBSET_DROP:
	case PR_GET_SECUREBITS:
	case PR_SET_SECUREBITS:
	case PR_CAP_AMBIENT:
		return prctl_capabilities(&task->credentials, operation, a, b, c | d);
	default:
		return -EINVAL;
	}
}
