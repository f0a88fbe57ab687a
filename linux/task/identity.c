/* Who a task is: user and group ids, capabilities as numbers, arch_prctl(2), personality(2). */
#include "internal.h"

#define ID_KEEP UINT32_MAX

SYSCALL_HANDLER(getuid, void)
{
	return uid_seen(current_task()->credentials.uid);
}

SYSCALL_HANDLER(geteuid, void)
{
	return uid_seen(current_task()->credentials.euid);
}

SYSCALL_HANDLER(getgid, void)
{
	return gid_seen(current_task()->credentials.gid);
}

SYSCALL_HANDLER(getegid, void)
{
	return gid_seen(current_task()->credentials.egid);
}

/* What becomes of the capabilities when the ids, which were OLD, change (capabilities(7), "Effect of user ID
 * changes on capabilities"). */
static void ids_changed(struct task *task, const struct credentials *old)
{
	struct credentials *c = &task->credentials;
	task->process->uid = c->uid;
	if (c->euid != old->euid || c->egid != old->egid || c->fsuid != old->fsuid ||
	    c->fsgid != old->fsgid) {
		task->process->parent_death_signal = 0;
		task->process->dumpable_off = true; /* until exec: PR_SET_DUMPABLE(2const) */
	}
	if (c->securebits & SECBIT_NO_SETUID_FIXUP)
		return;
	uint32_t root = uid_named(0); /* ID_NONE where nobody is */
	bool was_root = old->uid == root || old->euid == root || old->suid == root;
	if (was_root && c->uid != root && c->euid != root && c->suid != root) {
		if (!(c->securebits & SECBIT_KEEP_CAPS))
			c->cap_permitted = c->cap_effective = 0;
		c->cap_ambient = 0;
	}
	if (old->euid == root && c->euid != root)
		c->cap_effective = 0;
	if (old->euid != root && c->euid == root)
		c->cap_effective = c->cap_permitted;
}

/* A guest's id, or "keep it": false: it stands for nobody. */
static bool take_uid(uint32_t *id)
{
	return *id == ID_KEEP || (*id = uid_named(*id)) != ID_NONE;
}

static bool take_gid(uint32_t *id)
{
	return *id == ID_KEEP || (*id = gid_named(*id)) != ID_NONE;
}

static bool uid_allowed(const struct credentials *c, uint32_t id)
{
	return id == ID_KEEP || id == c->uid || id == c->euid || id == c->suid || capable_own(CAP_SETUID);
}

static bool gid_allowed(const struct credentials *c, uint32_t id)
{
	return id == ID_KEEP || id == c->gid || id == c->egid || id == c->sgid || capable_own(CAP_SETGID);
}

static int64_t set_uids(uint32_t real, uint32_t effective, uint32_t saved)
{
	struct task *task = current_task();
	struct credentials *c = &task->credentials;
	const struct credentials old = *c;
	if (real != ID_KEEP)
		c->uid = real;
	if (effective != ID_KEEP)
		c->euid = effective;
	if (saved != ID_KEEP)
		c->suid = saved;
	c->fsuid = c->euid;
	ids_changed(task, &old);
	return 0;
}

static int64_t set_gids(uint32_t real, uint32_t effective, uint32_t saved)
{
	struct task *task = current_task();
	struct credentials *c = &task->credentials;
	const struct credentials old = *c;
	if (real != ID_KEEP)
		c->gid = real;
	if (effective != ID_KEEP)
		c->egid = effective;
	if (saved != ID_KEEP)
		c->sgid = saved;
	c->fsgid = c->egid;
	ids_changed(task, &old);
	return 0;
}

SYSCALL_HANDLER(setuid, uint32_t id)
{
	const struct credentials *c = &current_task()->credentials;
	if (id == ID_KEEP || !take_uid(&id))
		return -EINVAL;
	if (capable_own(CAP_SETUID))
		return set_uids(id, id, id);
	return id == c->uid || id == c->suid ? set_uids(ID_KEEP, id, ID_KEEP) : -EPERM;
}

SYSCALL_HANDLER(setgid, uint32_t id)
{
	const struct credentials *c = &current_task()->credentials;
	if (id == ID_KEEP || !take_gid(&id))
		return -EINVAL;
	if (capable_own(CAP_SETGID))
		return set_gids(id, id, id);
	return id == c->gid || id == c->sgid ? set_gids(ID_KEEP, id, ID_KEEP) : -EPERM;
}

SYSCALL_HANDLER(setreuid, uint32_t real, uint32_t effective)
{
	const struct credentials *c = &current_task()->credentials;
	if (!take_uid(&real) || !take_uid(&effective))
		return -EINVAL;
	/* The real id cannot become the saved one. */
	if (!(real == ID_KEEP || real == c->uid || real == c->euid || capable_own(CAP_SETUID)) ||
	    !uid_allowed(c, effective))
		return -EPERM;
	bool save = real != ID_KEEP || (effective != ID_KEEP && effective != c->uid);
	return set_uids(real, effective, save ? (effective != ID_KEEP ? effective : c->euid) : ID_KEEP);
}

SYSCALL_HANDLER(setregid, uint32_t real, uint32_t effective)
{
	const struct credentials *c = &current_task()->credentials;
	if (!take_gid(&real) || !take_gid(&effective))
		return -EINVAL;
	if (!(real == ID_KEEP || real == c->gid || real == c->egid || capable_own(CAP_SETGID)) ||
	    !gid_allowed(c, effective))
		return -EPERM;
	bool save = real != ID_KEEP || (effective != ID_KEEP && effective != c->gid);
	return set_gids(real, effective, save ? (effective != ID_KEEP ? effective : c->egid) : ID_KEEP);
}

SYSCALL_HANDLER(setresuid, uint32_t real, uint32_t effective, uint32_t saved)
{
	const struct credentials *c = &current_task()->credentials;
	if (!take_uid(&real) || !take_uid(&effective) || !take_uid(&saved))
		return -EINVAL;
	if (!uid_allowed(c, real) || !uid_allowed(c, effective) || !uid_allowed(c, saved))
		return -EPERM;
	return set_uids(real, effective, saved);
}

SYSCALL_HANDLER(setresgid, uint32_t real, uint32_t effective, uint32_t saved)
{
	const struct credentials *c = &current_task()->credentials;
	if (!take_gid(&real) || !take_gid(&effective) || !take_gid(&saved))
		return -EINVAL;
	if (!gid_allowed(c, real) || !gid_allowed(c, effective) || !gid_allowed(c, saved))
		return -EPERM;
	return set_gids(real, effective, saved);
}

SYSCALL_HANDLER(getresuid, uint64_t real, uint64_t effective, uint64_t saved)
{
	const struct credentials *c = &current_task()->credentials;
	return put_user_u32(real, uid_seen(c->uid)) || put_user_u32(effective, uid_seen(c->euid)) ||
	               put_user_u32(saved, uid_seen(c->suid))
	           ? -EFAULT
	           : 0;
}

SYSCALL_HANDLER(getresgid, uint64_t real, uint64_t effective, uint64_t saved)
{
	const struct credentials *c = &current_task()->credentials;
	return put_user_u32(real, gid_seen(c->gid)) || put_user_u32(effective, gid_seen(c->egid)) ||
	               put_user_u32(saved, gid_seen(c->sgid))
	           ? -EFAULT
	           : 0;
}

SYSCALL_HANDLER(setfsuid, uint32_t id)
{
	struct task *task = current_task();
	struct credentials *c = &task->credentials;
	const struct credentials old = *c;
	if (id == ID_KEEP || !take_uid(&id) || id == old.fsuid || !uid_allowed(c, id))
		return uid_seen(old.fsuid);
	c->fsuid = id;
	if (!(c->securebits & SECBIT_NO_SETUID_FIXUP)) {
		if (old.fsuid == uid_named(0))
			c->cap_effective &= ~CAP_FS_SET;
		else if (id == uid_named(0))
			c->cap_effective |= CAP_FS_SET & c->cap_permitted;
	}
	ids_changed(task, &old);
	return uid_seen(old.fsuid);
}

SYSCALL_HANDLER(setfsgid, uint32_t id)
{
	struct credentials *c = &current_task()->credentials;
	uint32_t old = c->fsgid;
	if (id != ID_KEEP && take_gid(&id) && (gid_allowed(c, id) || id == old))
		c->fsgid = id;
	return gid_seen(old);
}

SYSCALL_HANDLER(getgroups, int count, uint64_t address)
{
	const struct credentials *c = &current_task()->credentials;
	if (count < 0 || (count && (uint32_t)count < c->group_count))
		return -EINVAL;
	for (uint32_t i = 0; count && i < c->group_count; i++)
		if (put_user_u32(address + 4ull * i, gid_seen(c->groups[i])))
			return -EFAULT;
	return c->group_count;
}

SYSCALL_HANDLER(setgroups, uint64_t count, uint64_t address)
{
	struct credentials *c = &current_task()->credentials;
	uint32_t groups[sizeof(c->groups) / sizeof(c->groups[0])];
	if (!capable_own(CAP_SETGID) || !setgroups_allowed())
		return -EPERM;
	if (count > sizeof(groups) / sizeof(groups[0]))
		return -EINVAL;
	if (copy_from_user(groups, address, count * sizeof(groups[0])))
		return -EFAULT;
	for (uint64_t i = 0; i < count; i++)
		if ((groups[i] = gid_named(groups[i])) == ID_NONE)
			return -EINVAL;
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
	if (pid < 0)
		return -EINVAL;
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
	if (pid && pid != task->number)
		return -EPERM;
	if (copy_from_user(in, data, words * sizeof(in[0])))
		return -EFAULT;
	struct credentials *c = &task->credentials;
	uint64_t effective = in[0].effective | (uint64_t)in[1].effective << 32;
	uint64_t permitted = in[0].permitted | (uint64_t)in[1].permitted << 32;
	uint64_t inheritable = in[0].inheritable | (uint64_t)in[1].inheritable << 32;
	effective &= CAP_ALL;
	permitted &= CAP_ALL;
	inheritable &= CAP_ALL;
	uint64_t inherit = capable_own(CAP_SETPCAP) ? CAP_ALL : c->cap_inheritable | c->cap_permitted;
	if ((permitted & ~c->cap_permitted) || (effective & ~permitted) || (inheritable & ~inherit) ||
	    (inheritable & ~(c->cap_inheritable | c->cap_bounding)))
		return -EPERM;
	c->cap_effective = effective;
	c->cap_permitted = permitted;
	c->cap_inheritable = inheritable;
	c->cap_ambient &= permitted & inheritable;
	return 0;
}

enum {
	ARCH_SET_GS = 0x1001,
	ARCH_SET_FS,
	ARCH_GET_FS,
	ARCH_GET_GS,
	ARCH_GET_CPUID = 0x1011,
	ARCH_SET_CPUID,
	ARCH_GET_XCOMP_SUPP = 0x1021,
	ARCH_GET_XCOMP_PERM,
	ARCH_GET_XCOMP_GUEST_PERM = 0x1024,
	ARCH_MAP_VDSO_X32 = 0x2001,
	ARCH_MAP_VDSO_32,
	ARCH_MAP_VDSO_64
};

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
	case ARCH_GET_CPUID:
		return 1; /* it can be executed */
	case ARCH_SET_CPUID:
		return -ENODEV;   /* and not be made to trap */
	case ARCH_GET_XCOMP_SUPP: /* of vector state: all that there is may be used */
	case ARCH_GET_XCOMP_PERM:
	case ARCH_GET_XCOMP_GUEST_PERM:
		return put_user_u64(address, machine.xsave_mask ? machine.xsave_mask : 3);
	case ARCH_MAP_VDSO_X32:
	case ARCH_MAP_VDSO_32:
	case ARCH_MAP_VDSO_64:
		return -EEXIST; /* one is mapped by exec, and no other can be */
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
