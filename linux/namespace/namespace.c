/* A task's namespaces as a whole: unshare(2), setns(2), what clone(2) gives a child; and what the kinds share. */
#include "../cgroup/cgroup.h"
#include "../exec/exec.h"
#include "../internal.h"
#include "../fs/name.h"
#include "../ipc/ipc.h"
#include "../net/stack.h"

#define FIRST_INODE_UTS 4026531838ull

static struct uts_namespace uts_first = {.common = {.kind = NAMESPACE_UTS,
                                                    .references = 1,
                                                    .inode = FIRST_INODE_UTS,
                                                    .owner = &user_namespace_first},
                                         .host = "holon",
                                         .domain = "(none)"};

struct namespaces namespaces_first = {.references = 1,
                                      .of = {[NAMESPACE_CGROUP] = &cgroup_namespace_first.common,
                                             [NAMESPACE_IPC] = &ipc_namespace_first.common,
                                             [NAMESPACE_MOUNT] = &mount_namespace_first.common,
                                             [NAMESPACE_NET] = &net_namespace_first.common,
                                             [NAMESPACE_PID] = &pid_namespace_first.common,
                                             [NAMESPACE_TIME] = &time_namespace_first.common,
                                             [NAMESPACE_UTS] = &uts_first.common},
                                      .time_children = &time_namespace_first.common};

/* ---- Kinds that are little more than a number ---- */

static struct namespace *uts_copy(struct namespace *from, struct user_namespace *owner, int *error)
{
	const struct uts_namespace *old = container_of(from, struct uts_namespace, common);
	struct uts_namespace *made = heap_allocate(sizeof(*made));
	*error = made ? namespace_init(&made->common, NAMESPACE_UTS, owner) : -ENOMEM;
	if (*error) {
		heap_free(made);
		return 0;
	}
	memcpy(made->host, old->host, sizeof(made->host));
	memcpy(made->domain, old->domain, sizeof(made->domain));
	return &made->common;
}

static void uts_free(struct namespace *namespace)
{
	namespace_deinit(namespace);
	heap_free(container_of(namespace, struct uts_namespace, common));
}

static void user_free(struct namespace *namespace)
{
	user_namespace_free(container_of(namespace, struct user_namespace, common));
}

static const struct kind {
	const char *name;
	uint64_t flag;
	struct namespace *(*copy)(struct namespace *from, struct user_namespace *owner, int *error);
	void (*free)(struct namespace *namespace);
} kinds[NAMESPACE_KINDS] = {
    [NAMESPACE_CGROUP] = {"cgroup", CLONE_NEWCGROUP, cgroup_namespace_copy, cgroup_namespace_free},
    [NAMESPACE_IPC] = {"ipc", CLONE_NEWIPC, ipc_namespace_copy, ipc_namespace_free},
    [NAMESPACE_MOUNT] = {"mnt", CLONE_NEWNS, 0, mount_namespace_free},
    [NAMESPACE_NET] = {"net", CLONE_NEWNET, net_namespace_copy, net_namespace_free},
    [NAMESPACE_PID] = {"pid", CLONE_NEWPID, pid_namespace_copy, pid_namespace_free},
    [NAMESPACE_TIME] = {"time", CLONE_NEWTIME, time_namespace_copy, time_namespace_free},
    [NAMESPACE_USER] = {"user", CLONE_NEWUSER, 0, user_free},
    [NAMESPACE_UTS] = {"uts", CLONE_NEWUTS, uts_copy, uts_free},
};

const char *namespace_name(enum namespace_kind kind)
{
	return kinds[kind].name;
}

uint64_t namespace_flag(enum namespace_kind kind)
{
	return kinds[kind].flag;
}

void namespace_release(struct namespace *namespace)
{
	if (!--namespace->references)
		kinds[namespace->kind].free(namespace);
}

/* ---- Sets ---- */

struct namespaces *namespaces_reference(struct namespaces *namespaces)
{
	namespaces->references++;
	return namespaces;
}

void namespaces_release(struct namespaces *namespaces)
{
	if (--namespaces->references)
		return;
	for (unsigned kind = 0; kind < NAMESPACE_KINDS; kind++)
		if (namespaces->of[kind])
			namespace_release(namespaces->of[kind]);
	namespace_release(namespaces->time_children);
	heap_free(namespaces);
}

static struct namespaces *set_copy(const struct namespaces *from)
{
	struct namespaces *made = heap_allocate(sizeof(*made));
	if (!made)
		return 0;
	made->references = 1;
	for (unsigned kind = 0; kind < NAMESPACE_KINDS; kind++)
		if (from->of[kind])
			made->of[kind] = namespace_reference(from->of[kind]);
	made->time_children = namespace_reference(from->time_children);
	return made;
}

/* *WHERE, a reference, becomes NEW, whose reference goes over. */
static void put(struct namespace **where, struct namespace *new)
{
	struct namespace *old = *where;
	*where = new;
	namespace_release(old);
}

int namespaces_enter_time(struct namespaces **set)
{
	struct namespace *time = (*set)->time_children;
	if ((*set)->of[NAMESPACE_TIME] == time)
		return 0;
	struct namespaces *made = set_copy(*set);
	if (!made)
		return -ENOMEM;
	put(&made->of[NAMESPACE_TIME], namespace_reference(time));
	time_namespace_entered(time);
	namespaces_release(*set);
	*set = made;
	return 0;
}

/* One that begins from OLD, for a set. */
static struct namespace *kind_copy(enum namespace_kind kind, struct namespace *old,
                                   struct user_namespace *owner, struct fs_context *fs, int *error)
{
	return kind == NAMESPACE_MOUNT ? mount_namespace_copy(old, owner, fs, error)
	                               : kinds[kind].copy(old, owner, error);
}

int namespaces_clone(const struct namespaces *from, uint64_t flags, struct credentials *credentials,
                     struct fs_context *fs, struct namespaces **made)
{
	int error = 0;
	*made = 0;
	if (flags & CLONE_NEWUSER) {
		struct user_namespace *user;
		if (mount_is_chrooted())
			return -EPERM;
		error = user_namespace_create(credentials, &user);
		if (error)
			return error;
		credentials_enter_user(credentials, user);
	}
	if ((flags & CLONE_NAMESPACES & ~CLONE_NEWUSER) && !(credentials->cap_effective >> CAP_SYS_ADMIN & 1))
		return -EPERM;
	struct namespaces *set = set_copy(from);
	if (!set)
		return -ENOMEM;
	for (unsigned kind = 0; kind < NAMESPACE_KINDS && !error; kind++) {
		if (!(flags & CLONE_NAMESPACES & kinds[kind].flag) || kind == NAMESPACE_USER)
			continue;
		struct namespace **where = kind == NAMESPACE_TIME ? &set->time_children : &set->of[kind];
		struct namespace *new = kind_copy(kind, *where, credentials->user, fs, &error);
		if (!new)
			break;
		put(where, new);
	}
	if (error)
		namespaces_release(set);
	else
		*made = set;
	return error;
}

struct namespace *namespace_of(const struct task *task, enum namespace_kind kind, bool for_children)
{
	if (!task || !task->namespaces)
		return 0;
	if (kind == NAMESPACE_USER)
		return &task->credentials.user->common;
	if (kind == NAMESPACE_PID && !for_children)
		return &task->process->pids->common;
	if (kind == NAMESPACE_TIME && for_children)
		return task->namespaces->time_children;
	return task->namespaces->of[kind];
}

/* ---- unshare(2) ---- */

/* What cannot be left by one thread of several. */
#define UNSHARE_ALONE (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)

static void take_set(struct task *task, struct namespaces *set)
{
	struct namespaces *old = task->namespaces;
	task->namespaces = set;
	namespaces_release(old);
}

/* The credentials of TASK become WANTED, whose user namespace's reference goes over. */
static void take_credentials(struct task *task, const struct credentials *wanted)
{
	struct user_namespace *old = task->credentials.user;
	task->credentials = *wanted;
	namespace_release(&old->common);
}

static int64_t unshare_namespaces(struct task *task, struct fs_context *fs, uint64_t flags)
{
	struct credentials wanted = task->credentials;
	struct namespaces *set;
	(void)namespace_reference(&wanted.user->common);
	int error = namespaces_clone(task->namespaces, flags, &wanted, fs, &set);
	if (error) {
		namespace_release(&wanted.user->common);
		return error;
	}
	take_credentials(task, &wanted);
	take_set(task, set);
	return 0;
}

SYSCALL_HANDLER(unshare, uint64_t flags)
{
	struct task *task = current_task();
	const uint64_t known = CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | UNSHARE_ALONE | CLONE_NAMESPACES;
	if (flags & ~known)
		return -EINVAL;
	if (flags & CLONE_NEWUSER)
		flags |= CLONE_THREAD | CLONE_FS;
	if (flags & CLONE_NEWNS)
		flags |= CLONE_FS;
	if (flags & CLONE_NEWIPC)
		flags |= CLONE_SYSVSEM;
	if ((flags & UNSHARE_ALONE) && task->process->thread_count > 1)
		return -EINVAL;
	struct fs_context *fs = 0;
	struct files *files = 0;
	int64_t error = 0;
	if ((flags & CLONE_FS) && (task->fs->references > 1 || (flags & CLONE_NEWNS)))
		error = (fs = fs_context_clone(task->fs)) != 0 ? 0 : -ENOMEM;
	if (!error && (flags & CLONE_FILES) && task->files->references > 1)
		error = (files = files_clone(task->files)) != 0 ? 0 : -ENOMEM;
	if (!error && (flags & CLONE_NAMESPACES))
		error = unshare_namespaces(task, fs, flags);
	if (!error && (flags & CLONE_SYSVSEM))
		semaphores_exit(task->process);
	/* What was taken the place of goes; or what was made in vain. */
	struct fs_context *fs_old = error ? fs : fs ? task->fs : 0;
	struct files *files_old = error ? files : files ? task->files : 0;
	if (!error && fs)
		task->fs = fs;
	if (!error && files)
		task->files = files;
	if (fs_old)
		fs_context_release(fs_old);
	if (files_old)
		files_release(files_old);
	return error;
}

/* ---- setns(2) ---- */

/* May the current task enter NAMESPACE, and with which capabilities; changes nothing. */
static int may_enter(const struct namespace *namespace, const struct credentials *credentials)
{
	const struct task *task = current_task();
	const struct user_namespace *owner = namespace->owner;
	if (namespace->kind == NAMESPACE_USER) {
		const struct user_namespace *user = container_of(namespace, struct user_namespace, common);
		if (user == credentials->user || task->process->thread_count > 1 || task->fs->references > 1)
			return -EINVAL;
		return credentials_capable(credentials, user, CAP_SYS_ADMIN) ? 0 : -EPERM;
	}
	if (!credentials_capable(credentials, owner, CAP_SYS_ADMIN) ||
	    !(credentials->cap_effective >> CAP_SYS_ADMIN & 1))
		return -EPERM;
	if (namespace->kind == NAMESPACE_MOUNT) {
		if (!(credentials->cap_effective >> CAP_SYS_CHROOT & 1))
			return -EPERM;
		return task->fs->references > 1 ? -EINVAL : 0;
	}
	/* The page of the vDSO's data, which is another then, must be nobody else's. */
	if (namespace->kind == NAMESPACE_TIME)
		return task->process->thread_count > 1 || task->mm->references > 1 ? -EUSERS : 0;
	if (namespace->kind == NAMESPACE_PID) {
		/* Only downwards: a child is never outside its parent's. */
		const struct pid_namespace *at = container_of(namespace, struct pid_namespace, common);
		while (at && at != task->process->pids)
			at = at->parent;
		return at ? 0 : -EINVAL;
	}
	return 0;
}

/* All of WANTED (0 where nothing is) or none. */
static int64_t enter_all(struct namespace *const wanted[NAMESPACE_KINDS])
{
	struct task *task = current_task();
	struct credentials credentials = task->credentials;
	int error = 0;
	(void)namespace_reference(&credentials.user->common);
	/* The user namespace first: it decides over the others. */
	if (wanted[NAMESPACE_USER]) {
		error = may_enter(wanted[NAMESPACE_USER], &credentials);
		if (!error)
			credentials_enter_user(&credentials,
			                       container_of(namespace_reference(wanted[NAMESPACE_USER]),
			                                    struct user_namespace, common));
	}
	for (unsigned kind = 0; kind < NAMESPACE_KINDS && !error; kind++)
		if (wanted[kind] && kind != NAMESPACE_USER)
			error = may_enter(wanted[kind], &credentials);
	struct namespaces *set = error ? 0 : set_copy(task->namespaces);
	if (!error && !set)
		error = -ENOMEM;
	for (unsigned kind = 0; kind < NAMESPACE_KINDS && !error; kind++)
		if (wanted[kind] && kind != NAMESPACE_USER)
			put(&set->of[kind], namespace_reference(wanted[kind]));
	if (!error && wanted[NAMESPACE_TIME]) {
		error = vdso_follow(task->mm, set);
		if (error)
			(void)vdso_follow(task->mm, task->namespaces);
	}
	if (!error && wanted[NAMESPACE_MOUNT])
		error = mount_namespace_enter(wanted[NAMESPACE_MOUNT]);
	if (error) {
		if (set)
			namespaces_release(set);
		namespace_release(&credentials.user->common);
		return error;
	}
	if (wanted[NAMESPACE_TIME]) {
		put(&set->time_children, namespace_reference(wanted[NAMESPACE_TIME]));
		time_namespace_entered(wanted[NAMESPACE_TIME]);
	}
	if (wanted[NAMESPACE_IPC])
		semaphores_exit(task->process);
	take_credentials(task, &credentials);
	take_set(task, set);
	return 0;
}

SYSCALL_HANDLER(setns, int fd, uint32_t type)
{
	struct namespace *wanted[NAMESPACE_KINDS] = {0};
	const struct file *file = file_of(fd);
	if (!file)
		return -EBADF;
	struct namespace *one = namespace_of_file(file);
	if (one) {
		if (type && type != kinds[one->kind].flag)
			return -EINVAL;
		wanted[one->kind] = one;
		return enter_all(wanted);
	}
	/* Of a pidfd: those of its process that TYPE names. */
	bool ignored;
	int32_t pid = pidfd_process_id(fd, &ignored);
	if (pid < 0 || !type || (type & ~(uint32_t)CLONE_NAMESPACES))
		return -EINVAL;
	struct process *process = process_by_id(pid);
	const struct task *leader = process && !process->zombie ? process->leader : 0;
	if (!leader || !leader->namespaces)
		return -ESRCH;
	if (!process_may_trace(process))
		return -EPERM;
	for (unsigned kind = 0; kind < NAMESPACE_KINDS; kind++)
		if (type & kinds[kind].flag)
			wanted[kind] = namespace_of(leader, kind, false);
	return enter_all(wanted);
}

/* ---- The host's name ---- */

static struct uts_namespace *uts_current(void)
{
	const struct namespaces *own = current_task()->namespaces;
	return own ? container_of(own->of[NAMESPACE_UTS], struct uts_namespace, common) : &uts_first;
}

char *linux_host_text(bool domain)
{
	struct uts_namespace *uts = uts_current();
	return domain ? uts->domain : uts->host;
}

static int64_t set_host_text(bool domain, uint64_t address, int bytes)
{
	char copy[65] = {0};
	if (!capable_in(uts_current()->common.owner, CAP_SYS_ADMIN))
		return -EPERM;
	if (bytes < 0 || bytes > 64)
		return -EINVAL;
	if (copy_from_user(copy, address, (size_t)bytes))
		return -EFAULT;
	memcpy(linux_host_text(domain), copy, sizeof(copy));
	return 0;
}

SYSCALL_HANDLER(sethostname, uint64_t address, int bytes)
{
	return set_host_text(false, address, bytes);
}

SYSCALL_HANDLER(setdomainname, uint64_t address, int bytes)
{
	return set_host_text(true, address, bytes);
}
