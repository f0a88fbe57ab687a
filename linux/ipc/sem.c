/* Semaphore sets: semget(2), semop(2), semctl(2). Operations of one call happen together or not at all; who cannot go on
 * sleeps on the set's queue and tries again after every change. What SEM_UNDO promised hangs on the process.
 */
#include "ipc.h"
#include "../proc/machine.h"

#define SETS_BYTES_MAX 32000u /* semaphores of a set: SEMMSL */
#define OPERATIONS_MAX 500u   /* of a call: SEMOPM */
#define VALUE_MAX      32767

enum {
	GETPID = 11,
	GETVAL,
	GETALL,
	GETNCNT,
	GETZCNT,
	SETVAL,
	SETALL,
	SEM_STAT,
	SEM_INFO,
	SEM_STAT_ANY,
	SEM_UNDO = 0x1000,
};

struct semaphore {
	int32_t pid;
	uint16_t value, waiting_more, waiting_zero;
};

struct set {
	struct ipc_object ipc;
	uint32_t count, users; /* users: the table, and who sleeps */
	bool removed;
	int64_t used, changed;
	struct wait_queue wait;
	struct semaphore semaphores[];
};

/* What the end of a process adds to a set again. */
struct undo {
	struct undo *next;
	const struct ipc_table *table; /* it is compared only */
	int32_t number;
	uint32_t count;
	int16_t adjust[];
};

struct operation {
	uint16_t semaphore;
	int16_t change, flags;
};

static struct ipc_table *sets(void)
{
	return &ipc_current()->tables[IPC_SETS];
}

static struct set *set_of(int32_t number, int *error)
{
	return (struct set *)ipc_find(sets(), number, error);
}

static void set_put(struct set *set)
{
	if (!--set->users)
		heap_free(set);
}

void set_remove(struct ipc_object *object)
{
	struct set *set = (struct set *)object;
	ipc_remove(object);
	set->removed = true;
	wake_all(&set->wait, 0);
	set_put(set);
}

SYSCALL_HANDLER(semget, int32_t key, int32_t count, uint32_t flags)
{
	struct set *old = key == IPC_PRIVATE ? 0 : (struct set *)ipc_by_key(sets(), key);
	if (count < 0 || (uint32_t)count > SETS_BYTES_MAX)
		return -EINVAL;
	if (old) {
		int64_t number = ipc_get_old(&old->ipc, flags);
		return number >= 0 && (uint32_t)count > old->count ? -EINVAL : number;
	}
	if (key != IPC_PRIVATE && !(flags & IPC_CREAT))
		return -ENOENT;
	if (!count)
		return -EINVAL;
	struct set *set = heap_allocate(sizeof(*set) + (uint32_t)count * sizeof(set->semaphores[0]));
	if (!set)
		return -ENOMEM;
	set->count = (uint32_t)count;
	set->users = 1;
	set->changed = clock_realtime_timespec().tv_sec;
	wait_queue_init(&set->wait);
	int64_t number = ipc_enter(sets(), &set->ipc, key, flags);
	if (number < 0)
		heap_free(set);
	return number;
}

/* ---- Undoing ---- */

static struct undo *undo_of(struct process *process, const struct set *set)
{
	struct undo *undo = process->semaphore_undo;
	while (undo && (undo->number != set->ipc.number || undo->table != set->ipc.table))
		undo = undo->next;
	return undo;
}

static struct undo *undo_make(struct process *process, const struct set *set)
{
	struct undo *undo = undo_of(process, set);
	if (undo)
		return undo;
	undo = heap_allocate(sizeof(*undo) + set->count * sizeof(undo->adjust[0]));
	if (!undo)
		return 0;
	undo->number = set->ipc.number;
	undo->table = set->ipc.table;
	undo->count = set->count;
	undo->next = process->semaphore_undo;
	process->semaphore_undo = undo;
	return undo;
}

/* Nobody undoes any more what has been done to semaphore AT of SET (all: UINT32_MAX): semctl(2), SETVAL. */
static void undo_forget(const struct set *set, uint32_t at)
{
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		struct undo *undo = process->semaphore_undo ? undo_of(process, set) : 0;
		for (uint32_t i = 0; undo && i < undo->count; i++)
			if (at == i || at == UINT32_MAX)
				undo->adjust[i] = 0;
	}
}

void semaphores_exit(struct process *process)
{
	for (struct undo *undo; (undo = process->semaphore_undo) != 0;) {
		int error;
		struct set *set = undo->table == sets() ? set_of(undo->number, &error) : 0;
		process->semaphore_undo = undo->next;
		for (uint32_t i = 0; set && i < undo->count; i++) {
			int32_t value = set->semaphores[i].value + undo->adjust[i];
			if (!undo->adjust[i])
				continue;
			set->semaphores[i].value = (uint16_t)(value < 0           ? 0
			                                      : value > VALUE_MAX ? VALUE_MAX
			                                                          : value);
			set->semaphores[i].pid = process->pid;
		}
		if (set)
			wake_all(&set->wait, 0);
		heap_free(undo);
	}
}

/* ---- semop ---- */

/* Does all of OPERATIONS, or nothing: 0; -ERANGE; or -EAGAIN with *BLOCKED the one that cannot be done now. */
static int try(struct set *set, const struct operation *operations, uint32_t count, struct undo *undo,
               uint32_t *blocked)
{
	int result = 0;
	uint32_t done = 0;
	for (; done < count; done++) {
		const struct operation *operation = &operations[done];
		struct semaphore *semaphore = &set->semaphores[operation->semaphore];
		int32_t value = semaphore->value + operation->change;
		if (!operation->change ? semaphore->value != 0 : value < 0)
			result = -EAGAIN;
		else if (value > VALUE_MAX)
			result = -ERANGE;
		if (!result && undo && (operation->flags & SEM_UNDO)) {
			int32_t adjust = undo->adjust[operation->semaphore] - operation->change;
			if (adjust < -VALUE_MAX - 1 || adjust > VALUE_MAX)
				result = -ERANGE;
			else
				undo->adjust[operation->semaphore] = (int16_t)adjust;
		}
		if (result)
			break;
		semaphore->value = (uint16_t)value;
	}
	*blocked = done;
	while (result && done--) {
		const struct operation *operation = &operations[done];
		set->semaphores[operation->semaphore].value =
		    (uint16_t)(set->semaphores[operation->semaphore].value - operation->change);
		if (undo && (operation->flags & SEM_UNDO))
			undo->adjust[operation->semaphore] =
			    (int16_t)(undo->adjust[operation->semaphore] + operation->change);
	}
	return result;
}

static int operate(struct set *set, const struct operation *operations, uint32_t count, struct undo *undo,
                   uint64_t deadline)
{
	uint32_t blocked;
	for (;;) {
		int result = try(set, operations, count, undo, &blocked);
		if (!result) {
			for (uint32_t i = 0; i < count; i++)
				set->semaphores[operations[i].semaphore].pid = current_task()->process->pid;
			set->used = clock_realtime_timespec().tv_sec;
			wake_all(&set->wait, 0);
			return 0;
		}
		if (result != -EAGAIN || (operations[blocked].flags & IPC_NOWAIT))
			return result;
		struct semaphore *semaphore = &set->semaphores[operations[blocked].semaphore];
		uint16_t *waiting =
		    operations[blocked].change ? &semaphore->waiting_more : &semaphore->waiting_zero;
		struct wait_entry entry;
		++*waiting;
		wait_begin(&entry, &set->wait);
		result = wait_sleep(deadline);
		wait_end(&entry);
		--*waiting;
		if (set->removed)
			return -EIDRM;
		if (result)
			return result == -ETIMEDOUT ? -EAGAIN : -EINTR;
	}
}

static int64_t semaphores_change(int32_t number, uint64_t address, uint64_t count, uint64_t deadline)
{
	struct operation few[16];
	int error = 0;
	if (!count || number < 0)
		return -EINVAL;
	if (count > OPERATIONS_MAX)
		return -E2BIG;
	struct operation *operations = count <= 16 ? few : heap_allocate(count * sizeof(*operations));
	if (!operations)
		return -ENOMEM;
	int64_t result = copy_from_user(operations, address, count * sizeof(*operations)) ? -EFAULT : 0;
	struct set *set = result ? 0 : set_of(number, &error);
	if (!result && !set)
		result = error;
	bool changes = false, undoes = false;
	for (uint64_t i = 0; set && i < count && !result; i++) {
		if (operations[i].semaphore >= set->count)
			result = -EFBIG;
		changes |= operations[i].change != 0;
		undoes |= (operations[i].flags & SEM_UNDO) && operations[i].change;
		if (!operations[i].change)
			operations[i].flags &= (int16_t)~SEM_UNDO;
	}
	if (set && !result && !ipc_permitted(&set->ipc, changes ? 0200 : 0400))
		result = -EACCES;
	struct undo *undo = set && !result && undoes ? undo_make(current_task()->process, set) : 0;
	if (!result && undoes && !undo)
		result = -ENOMEM;
	if (set && !result) {
		set->users++;
		result = operate(set, operations, (uint32_t)count, undo, deadline);
		set_put(set);
	}
	if (operations != few)
		heap_free(operations);
	return result;
}

SYSCALL_HANDLER(semop, int32_t number, uint64_t operations, uint64_t count)
{
	return semaphores_change(number, operations, count, DEADLINE_NEVER);
}

SYSCALL_HANDLER(semtimedop, int32_t number, uint64_t operations, uint64_t count, uint64_t timeout)
{
	uint64_t ns;
	int error = get_user_timespec(timeout, &ns);
	if (error)
		return error;
	return semaphores_change(number, operations, count,
	                         timeout ? clock_monotonic() + ns : DEADLINE_NEVER);
}

/* ---- semctl ---- */

struct semid64_ds {
	struct ipc_permissions permissions;
	int64_t used, unused1, changed, unused2;
	uint64_t count, unused3, unused4;
};
_Static_assert(sizeof(struct semid64_ds) == 104, "struct semid64_ds");

static int64_t describe(const struct set *set, uint64_t address)
{
	struct semid64_ds out = {.used = set->used, .changed = set->changed, .count = set->count};
	ipc_describe(&set->ipc, &out.permissions);
	return copy_to_user(address, &out, sizeof(out));
}

static int64_t limits(uint64_t address, bool usage)
{
	uint32_t total = 0;
	for (uint32_t i = 0; i < sets()->highest; i++)
		total += sets()->slots[i] ? ((const struct set *)sets()->slots[i])->count : 0;
	/* struct seminfo: semmap semmni semmns semmnu semmsl semopm semume semusz semvmx semaem */
	const int32_t out[10] = {1024000000,     IPC_OBJECTS_MAX,
	                         1024000000,     1024000000,
	                         SETS_BYTES_MAX, OPERATIONS_MAX,
	                         OPERATIONS_MAX, usage ? (int32_t)sets()->used : 20,
	                         VALUE_MAX,      usage ? (int32_t)total : VALUE_MAX};
	return copy_to_user(address, out, sizeof(out)) ? -EFAULT
	       : sets()->highest                       ? (int64_t)sets()->highest - 1
	                                               : 0;
}

/* GETALL and SETALL: an array of 16-bit values. */
static int64_t all_values(struct set *set, bool write, uint64_t address)
{
	uint16_t part[64];
	if (!write) {
		for (uint32_t i = 0; i < set->count; i += 64) {
			uint32_t some = set->count - i < 64 ? set->count - i : 64;
			for (uint32_t j = 0; j < some; j++)
				part[j] = set->semaphores[i + j].value;
			if (copy_to_user(address + i * 2ull, part, some * 2))
				return -EFAULT;
		}
		return 0;
	}
	uint16_t *values = heap_allocate(set->count * 2ull);
	if (!values)
		return -ENOMEM;
	int64_t error = copy_from_user(values, address, set->count * 2ull);
	for (uint32_t i = 0; i < set->count && !error; i++)
		error = values[i] > VALUE_MAX ? -ERANGE : 0;
	for (uint32_t i = 0; i < set->count && !error; i++) {
		set->semaphores[i].value = values[i];
		set->semaphores[i].pid = current_task()->process->pid;
	}
	heap_free(values);
	if (error)
		return error;
	undo_forget(set, UINT32_MAX);
	set->changed = clock_realtime_timespec().tv_sec;
	wake_all(&set->wait, 0);
	return 0;
}

static int64_t one_value(struct set *set, uint32_t at, int command, uint64_t argument)
{
	struct semaphore *semaphore = &set->semaphores[at];
	switch (command) {
	case GETPID:
		return pid_seen(semaphore->pid);
	case GETVAL:
		return semaphore->value;
	case GETNCNT:
		return semaphore->waiting_more;
	case GETZCNT:
		return semaphore->waiting_zero;
	default:
		if ((int32_t)argument < 0 || (int32_t)argument > VALUE_MAX)
			return -ERANGE;
		semaphore->value = (uint16_t)argument;
		semaphore->pid = current_task()->process->pid;
		undo_forget(set, at);
		set->changed = clock_realtime_timespec().tv_sec;
		wake_all(&set->wait, 0);
		return 0;
	}
}

static int64_t set_owner(struct set *set, int command, uint64_t address)
{
	struct semid64_ds in;
	if (command == IPC_RMID) {
		if (!ipc_owned(&set->ipc))
			return -EPERM;
		set_remove(&set->ipc);
		return 0;
	}
	if (copy_from_user(&in, address, sizeof(in)))
		return -EFAULT;
	int error = ipc_set(&set->ipc, &in.permissions);
	set->changed = error ? set->changed : clock_realtime_timespec().tv_sec;
	return error;
}

SYSCALL_HANDLER(semctl, int32_t number, int32_t at, int command, uint64_t argument)
{
	int error;
	command &= ~IPC_64;
	if (number < 0 || command < 0 || command > SEM_STAT_ANY)
		return -EINVAL;
	if (command == IPC_INFO || command == SEM_INFO)
		return limits(argument, command == SEM_INFO);
	bool by_place = command == SEM_STAT || command == SEM_STAT_ANY;
	struct set *set = by_place ? (struct set *)ipc_at(sets(), number) : set_of(number, &error);
	if (!set)
		return by_place ? -EINVAL : error;
	if (command == IPC_RMID || command == IPC_SET)
		return set_owner(set, command, argument);
	bool writes = command == SETVAL || command == SETALL;
	if (command != SEM_STAT_ANY && !ipc_permitted(&set->ipc, writes ? 0200 : 0400))
		return -EACCES;
	switch (command) {
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY: {
		int64_t result = describe(set, argument);
		return result || !by_place ? result : set->ipc.number;
	}
	case GETALL:
	case SETALL:
		return all_values(set, command == SETALL, argument);
	case GETPID:
	case GETVAL:
	case GETNCNT:
	case GETZCNT:
	case SETVAL:
		return at < 0 || (uint32_t)at >= set->count ? -EINVAL
		                                            : one_value(set, (uint32_t)at, command, argument);
	default:
		return -EINVAL;
	}
}

void text_sysvipc_sem(struct proc_text *text, const struct proc_subject *subject)
{
	(void)subject;
	proc_print(text,
	           "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n");
	for (uint32_t i = 0; i < sets()->highest; i++) {
		const struct set *set = (const struct set *)sets()->slots[i];
		if (set)
			proc_print(text, "%10d %10d  %4o %10u %5u %5u %5u %5u %10ld %10ld\n", set->ipc.key,
			           set->ipc.number, set->ipc.mode, set->count, set->ipc.uid, set->ipc.gid,
			           set->ipc.creator_uid, set->ipc.creator_gid, set->used, set->changed);
	}
}
