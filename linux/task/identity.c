/* Who a task is: user and group ids, capabilities as numbers, prctl(2), arch_prctl(2), personality(2). */
#include "internal.h"

#define ID_KEEP UINT32_MAX

SYSCALL_HANDLER(getuid, void)
{
	return current_task()->credentials.uid;
}

SYSCALL_HANDLER(geteuid, void)
{
	return current_task()->credentials.euid;
}

SYSCALL_HANDLER(getgid, void)
{
	return current_task()->credentials.gid;
}

SYSCALL_HANDLER(getegid, void)
{
	return current_task()->credentials.egid;
}

/* What becomes of the capabilities when the ids change (capabilities(7)). */
static void ids_changed(struct task *task, uint32_t old_euid)
{
	struct credentials *c = &task->credentials;
	c->fsuid = c->euid;
	task->process->uid = c->uid;
	if (c->uid && c->euid && c->suid && !(c->securebits & 16 /* SECBIT_KEEP_CAPS */))
		c->cap_permitted = c->cap_ambient = 0;
	if (old_euid == 0 && c->euid)
		c->cap_effective = 0;
	if (old_euid && c->euid == 0)
		c->cap_effective = c->cap_permitted;
	c->cap_effective &= c->cap_permitted;
}

static bool uid_allowed(const struct credentials *c, uint32_t id)
{
	return id == ID_KEEP || id == c->uid || id == c->euid || id == c->suid || capable(CAP_SETUID);
}

static bool gid_allowed(const struct credentials *c, uint32_t id)
{
	return id == ID_KEEP || id == c->gid || id == c->egid || id == c->sgid || capable(CAP_SETGID);
}

static int64_t set_uids(uint32_t real, uint32_t effective, uint32_t saved)
{
	struct task *task = current_task();
	struct credentials *c = &task->credentials;
	uint32_t old = c->euid;
	if (real != ID_KEEP)
		c->uid = real;
	if (effective != ID_KEEP)
		c->euid = effective;
	if (saved != ID_KEEP)
		c->suid = saved;
	ids_changed(task, old);
	return 0;
}

static int64_t set_gids(uint32_t real, uint32_t effective, uint32_t saved)
{
	struct credentials *c = &current_task()->credentials;
	if (real != ID_KEEP)
		c->gid = real;
	if (effective != ID_KEEP)
		c->egid = effective;
	if (saved != ID_KEEP)
		c->sgid = saved;
	c->fsgid = c->egid;
	return 0;
}

SYSCALL_HANDLER(setuid, uint32_t id)
{
	const struct credentials *c = &current_task()->credentials;
	if (id == ID_KEEP)
		return -EINVAL;
	if (capable(CAP_SETUID))
		return set_uids(id, id, id);
	return id == c->uid || id == c->suid ? set_uids(ID_KEEP, id, ID_KEEP) : -EPERM;
}

SYSCALL_HANDLER(setgid, uint32_t id)
{
	const struct credentials *c = &current_task()->credentials;
	if (id == ID_KEEP)
		return -EINVAL;
	if (capable(CAP_SETGID))
		return set_gids(id, id, id);
	return id == c->gid || id == c->sgid ? set_gids(ID_KEEP, id, ID_KEEP) : -EPERM;
}

SYSCALL_HANDLER(setreuid, uint32_t real, uint32_t effective)
{
	const struct credentials *c = &current_task()->credentials;
	if (!uid_allowed(c, real) || !uid_allowed(c, effective))
		return -EPERM;
	bool save = real != ID_KEEP || (effective != ID_KEEP && effective != c->uid);
	return set_uids(real, effective, save ? (effective != ID_KEEP ? effective : c->euid) : ID_KEEP);
}

SYSCALL_HANDLER(setregid, uint32_t real, uint32_t effective)
{
	const struct credentials *c = &current_task()->credentials;
	if (!gid_allowed(c, real) || !gid_allowed(c, effective))
		return -EPERM;
	bool save = real != ID_KEEP || (effective != ID_KEEP && effective != c->gid);
	return set_gids(real, effective, save ? (effective != ID_KEEP ? effective : c->egid) : ID_KEEP);
}

SYSCALL_HANDLER(setresuid, uint32_t real, uint32_t effective, uint32_t saved)
{
	const struct credentials *c = &current_task()->credentials;
	if (!uid_allowed(c, real) || !uid_allowed(c, effective) || !uid_allowed(c, saved))
		return -EPERM;
	return set_uids(real, effective, saved);
}

SYSCALL_HANDLER(setresgid, uint32_t real, uint32_t effective, uint32_t saved)
{
	const struct credentials *c = &current_task()->credentials;
	if (!gid_allowed(c, real) || !gid_allowed(c, effective) || !gid_allowed(c, saved))
		return -EPERM;
	return set_gids(real, effective, saved);
}

SYSCALL_HANDLER(getresuid, uint64_t real, uint64_t effective, uint64_t saved)
{
	const struct credentials *c = &current_task()->credentials;
	return put_user_u32(real, c->uid) || put_user_u32(effective, c->euid) || put_user_u32(saved, c->suid)
	           ? -EFAULT
	           : 0;
}

SYSCALL_HANDLER(getresgid, uint64_t real, uint64_t effective, uint64_t saved)
{
	const struct credentials *c = &current_task()->credentials;
	return put_user_u32(real, c->gid) || put_user_u32(effective, c->egid) || put_user_u32(saved, c->sgid)
	           ? -EFAULT
	           : 0;
}

SYSCALL_HANDLER(setfsuid, uint32_t id)
{
	struct credentials *c = &current_task()->credentials;
	uint32_t old = c->fsuid;
	if (id != ID_KEEP && (uid_allowed(c, id) || id == old))
		c->fsuid = id;
	return old;
}

SYSCALL_HANDLER(setfsgid, uint32_t id)
{
	struct credentials *c = &current_task()->credentials;
	uint32_t old = c->fsgid;
	if (id != ID_KEEP && (gid_allowed(c, id) || id == old))
		c->fsgid = id;
	return old;
}

SYSCALL_HANDLER(getgroups, int count, uint64_t address)
{
	const struct credentials *c = &current_task()->credentials;
	if (count < 0 || (count && (uint32_t)count < c->group_count))
		return -EINVAL;
	if (count && copy_to_user(address, c->groups, c->group_count * sizeof(c->groups[0])))
		return -EFAULT;
	return c->group_count;
}

SYSCALL_HANDLER(setgroups, uint64_t count, uint64_t address)
{
	struct credentials *c = &current_task()->credentials;
	uint32_t groups[sizeof(c->groups) / sizeof(c->groups[0])];
	if (!capable(CAP_SETGID))
		return -EPERM;
	if (count > sizeof(groups) / sizeof(groups[0]))
		return -EINVAL;
	if (copy_from_user(groups, address, count * sizeof(groups[0])))
		return -EFAULT;
	memcpy(c->groups, groups, count * sizeof(groups[0]));
	c->group_count = (uint32_t)count;
	return 0;
}

/* ---- Capabilities ---- */

#define CAPABILITY_VERSION_1 0x19980330u
#define CAPABILITY_VERSION_2 0x20071026u
#define CAPABILITY_VERSION_3 0x20080522u

struct cap_data {
	uint32_t effective, permitted, inheritable;
};

static int cap_header(uint64_t header, uint32_t *words, int32_t *pid)
{
	uint32_t version;
	if (get_user_u32(&version, header) || get_user_u32((uint32_t *)pid, header + 4))
		return -EFAULT;
	if (version == CAPABILITY_VERSION_1) {
		*words = 1;
		return 0;
	}
	*words = 2;
	if (version == CAPABILITY_VERSION_2 || version == CAPABILITY_VERSION_3)
		return 0;
	return put_user_u32(header, CAPABILITY_VERSION_3) ? -EFAULT : -EINVAL;
}

SYSCALL_HANDLER(capget, uint64_t header, uint64_t data)
{
	uint32_t words;
	int32_t pid;
	struct cap_data out[2] = {0};
	int error = cap_header(header, &words, &pid);
	if (error)
		return data || error != -EINVAL ? error : 0;
	const struct task *task = pid ? task_find(pid) : current_task();
	if (!task)
		return -ESRCH;
	const struct credentials *c = &task->credentials;
	for (uint32_t i = 0; i < words; i++) {
		out[i].effective = (uint32_t)(c->cap_effective >> (32 * i));
		out[i].permitted = (uint32_t)(c->cap_permitted >> (32 * i));
		out[i].inheritable = (uint32_t)(c->cap_inheritable >> (32 * i));
	}
	return data ? copy_to_user(data, out, words * sizeof(out[0])) : 0;
}

SYSCALL_HANDLER(capset, uint64_t header, uint64_t data)
{
	uint32_t words;
	int32_t pid;
	struct cap_data in[2] = {0};
	struct task *task = current_task();
	int error = cap_header(header, &words, &pid);
	if (error)
		return error;
	if (pid && pid != task->tid)
		return -EPERM;
	if (copy_from_user(in, data, words * sizeof(in[0])))
		return -EFAULT;
	struct credentials *c = &task->credentials;
	uint64_t effective = in[0].effective | (uint64_t)in[1].effective << 32;
	uint64_t permitted = in[0].permitted | (uint64_t)in[1].permitted << 32;
	uint64_t inheritable = in[0].inheritable | (uint64_t)in[1].inheritable << 32;
	if ((permitted & ~c->cap_permitted) || (effective & ~permitted) ||
	    (inheritable & ~(c->cap_inheritable | c->cap_permitted)))
		return -EPERM;
	c->cap_effective = effective;
	c->cap_permitted = permitted;
	c->cap_inheritable = inheritable;
	return 0;
}

/* ---- prctl(2) ---- */

enum {
	PR_SET_PDEATHSIG = 1,
	PR_GET_PDEATHSIG = 2,
	PR_GET_DUMPABLE = 3,
	PR_SET_DUMPABLE = 4,
	PR_GET_KEEPCAPS = 7,
	PR_SET_KEEPCAPS = 8,
	PR_SET_NAME = 15,
	PR_GET_NAME = 16,
	PR_CAPBSET_READ = 23,
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
};

static int64_t cap_ambient(struct credentials *c, uint64_t operation, uint64_t capability)
{
	if (operation != 4 && capability > CAP_LAST)
		return -EINVAL;
	uint64_t bit = 1ull << (capability & 63);
	switch (operation) {
	case 1:
		return !!(c->cap_ambient & bit);
	case 2:
		if (!(c->cap_permitted & c->cap_inheritable & bit))
			return -EPERM;
		c->cap_ambient |= bit;
		return 0;
	case 3:
		c->cap_ambient &= ~bit;
		return 0;
	case 4:
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

static int64_t prctl_capabilities(struct credentials *c, int operation, uint64_t a, uint64_t b)
{
	switch (operation) {
	case PR_GET_KEEPCAPS:
		return !!(c->securebits & 16);
	case PR_SET_KEEPCAPS:
		c->securebits = a ? c->securebits | 16 : c->securebits & ~16u;
		return a > 1 ? -EINVAL : 0;
	case PR_CAPBSET_READ:
		return a > CAP_LAST ? -EINVAL : (int64_t)(c->cap_bounding >> a & 1);
	case PR_CAPBSET_DROP:
		if (!capable(CAP_SETPCAP))
			return -EPERM;
		if (a > CAP_LAST)
			return -EINVAL;
		c->cap_bounding &= ~(1ull << a);
		return 0;
	case PR_GET_SECUREBITS:
		return c->securebits;
	case PR_SET_SECUREBITS:
		if (!capable(CAP_SETPCAP))
			return -EPERM;
		c->securebits = (uint32_t)a;
		return 0;
	default:
		return cap_ambient(c, a, b);
	}
}

SYSCALL_HANDLER(prctl, int operation, uint64_t a, uint64_t b)
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
	case PR_SET_NAME:
		return set_name(task, a);
	case PR_GET_NAME:
		return copy_to_user(a, task->name, sizeof(task->name));
	case PR_SET_TIMERSLACK:
		task->timer_slack_ns = a ? a : 50000;
		return 0;
	case PR_GET_TIMERSLACK:
		return (int64_t)task->timer_slack_ns;
	case PR_SET_CHILD_SUBREAPER:
		process->subreaper = a != 0;
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return put_user_u32(a, process->subreaper);
	case PR_SET_NO_NEW_PRIVS:
		if (a != 1)
			return -EINVAL;
		task->no_new_privileges = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return task->no_new_privileges;
	case PR_GET_TID_ADDRESS:
		return put_user_u64(a, task->clear_tid);
	case PR_SET_THP_DISABLE:
	case PR_GET_THP_DISABLE:
		return 0;
	case PR_GET_KEEPCAPS:
	case PR_SET_KEEPCAPS:
	case PR_CAPBSET_READ:
	case PR_CAPBSET_DROP:
	case PR_GET_SECUREBITS:
	case PR_SET_SECUREBITS:
	case PR_CAP_AMBIENT:
		return prctl_capabilities(&task->credentials, operation, a, b);
	default:
		return -EINVAL;
	}
}

enum { ARCH_SET_GS = 0x1001, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS };

SYSCALL_HANDLER(arch_prctl, int operation, uint64_t address)
{
	struct guest_state *state = current_task()->state;
	switch (operation) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (!user_range(address, 1))
			return -EPERM;
		*(operation == ARCH_SET_FS ? &state->fs_base : &state->gs_base) = address;
		return 0;
	case ARCH_GET_FS:
		return put_user_u64(address, state->fs_base);
	case ARCH_GET_GS:
		return put_user_u64(address, state->gs_base);
	default:
		return -EINVAL;
	}
}

SYSCALL_HANDLER(personality, uint64_t value)
{
	struct process *process = current_task()->process;
	uint64_t old = process->personality;
	if ((uint32_t)value != 0xffffffff)
		process->personality = value;
	return (int64_t)old;
}
