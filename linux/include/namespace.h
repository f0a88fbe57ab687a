/* Name spaces: namespaces(7), user_namespaces(7).
 *
 * A task's `struct namespaces` names the ones that it is in, but for its user namespace, which its credentials name,
 * and for its PID namespace, which is its process's for life; what stands there for PIDs is for its children.
 * All are counted by references, and a user's by limits (/proc/sys/user). Ids in credentials and in files are those of
 * the first user namespace, numbers of tasks those of the first PID namespace: what a guest names and sees is
 * translated where it comes in and goes out. In the first namespaces both are the same, at the cost of a comparison.
 * The common lock is held alone wherever something is made, changed or let go.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "list.h"

struct credentials;
struct file;
struct path;
struct process;
struct task;
struct vnode;

enum namespace_kind {
	NAMESPACE_CGROUP,
	NAMESPACE_IPC,
	NAMESPACE_MOUNT,
	NAMESPACE_NET,
	NAMESPACE_PID,
	NAMESPACE_TIME,
	NAMESPACE_USER,
	NAMESPACE_UTS,
	NAMESPACE_KINDS
};

struct user_namespace;

/* What all have; the first member of each. */
struct namespace
{
	enum namespace_kind kind;
	uint32_t references;
	uint64_t inode;               /* of /proc/PID/ns */
	struct user_namespace *owner; /* a reference; a user namespace's parent; 0 of the first */
	uint32_t counted_uid;         /* to whom it is counted, in the owner */
};

#define ID_NONE     UINT32_MAX
#define ID_OVERFLOW 65534u /* shown for ids that have no mapping */
#define ID_RANGES   340u   /* user_namespaces(7) */
#define NESTING_MAX 32u    /* of user namespaces, and of PID namespaces */

/* uid_map(5): COUNT ids from INSIDE on are those from OUTSIDE on of the first user namespace. */
struct id_range {
	uint32_t inside, outside, count;
};
struct id_map {
	uint32_t count; /* 0: not written yet. It is set last, and then never again */
	struct id_range *ranges;
};

struct user_namespace {
	struct namespace common;
	uint32_t level;
	uint32_t creator_uid, creator_gid; /* effective, of the first user namespace */
	struct id_map uids, gids;
	bool setgroups_denied, maps_root; /* the creator had CAP_SETFCAP */
	struct list users;                /* struct user_count: who has how many in it */
	int64_t most[NAMESPACE_KINDS];    /* /proc/sys/user/max_*_namespaces */
};

struct uts_namespace {
	struct namespace common;
	char host[65], domain[65];
};

struct namespaces {
	uint32_t references;
	struct namespace *of[NAMESPACE_KINDS]; /* references; 0 for NAMESPACE_USER */
	struct namespace *time_children; /* a reference: where children begin and executed programs go on */
};

extern struct user_namespace user_namespace_first;
extern struct namespaces namespaces_first;

/* ---- A task's (namespace.c) ---- */

static inline struct namespace *namespace_reference(struct namespace *namespace)
{
	namespace->references++;
	return namespace;
}
void namespace_release(struct namespace *namespace);
struct namespaces *namespaces_reference(struct namespaces *namespaces);
void namespaces_release(struct namespaces *namespaces);
#define CLONE_NAMESPACES                                                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |        \
	 CLONE_NEWNET | CLONE_NEWTIME)
/* What clone's FLAGS give a child, or unshare's the current task, whose is FROM. CREDENTIALS, of whoever gets them, enter a
 * new user namespace first where FLAGS say so, and decide over the rest; FS, its own fs context, moves into the copy of
 * the mounts. 0 with a reference in *MADE, or an error, with CREDENTIALS maybe changed. */
struct fs_context;
int namespaces_clone(const struct namespaces *from, uint64_t flags, struct credentials *credentials,
                     struct fs_context *fs, struct namespaces **made);
/* Whoever has *SET, a reference, enters its time namespace for children: *SET may become another. 0 or -ENOMEM. */
int namespaces_enter_time(struct namespaces **set);
/* CREDENTIALS enter USER, whose reference goes over, with all capabilities in it. */
void credentials_enter_user(struct credentials *credentials, struct user_namespace *user);
/* A new namespace's common part, counted to the current task's user in OWNER; -ENOSPC: that has as many as it may. */
int namespace_init(struct namespace *namespace, enum namespace_kind kind, struct user_namespace *owner);
void namespace_deinit(struct namespace *namespace);
/* One of SUBJECT's, without a reference; 0: the task is going. FOR_CHILDREN: for PIDs and time, that of its children. */
struct namespace *namespace_of(const struct task *task, enum namespace_kind kind, bool for_children);
const char *namespace_name(enum namespace_kind kind);
uint64_t namespace_flag(enum namespace_kind kind); /* CLONE_NEW* */

/* ---- Files that stand for them (files.c) ---- */

/* *TO leads to NAMESPACE's file, with references. 0 or -ENOMEM. */
int namespace_path(struct namespace *namespace, struct path *to);
/* The namespace of an open file or of a vnode, without a reference; 0: it stands for none. */
struct namespace *namespace_of_file(const struct file *file);
struct namespace *namespace_of_vnode(const struct vnode *vnode);

/* ---- Users (user.c) ---- */

struct user_namespace *user_namespace_current(void);
/* Does the current task have CAPABILITY in NAMESPACE: user_namespaces(7), "Capabilities"? */
bool capable_in(const struct user_namespace *namespace, unsigned capability);
/* The same of CREDENTIALS. */
bool credentials_capable(const struct credentials *credentials, const struct user_namespace *namespace,
                         unsigned capability);
/* In its own user namespace. */
bool capable_own(unsigned capability);
/* In its own one, over VNODE: whose owner and group both have a mapping there. */
bool capable_over(const struct vnode *vnode, unsigned capability);
/* Is INNER the same as OUTER, or made inside it? */
bool user_namespace_within(const struct user_namespace *inner, const struct user_namespace *outer);
/* To an id of the first user namespace, or ID_NONE; and back, or ID_NONE. */
uint32_t id_down(const struct user_namespace *namespace, const struct id_map *map, uint32_t id);
uint32_t id_up(const struct user_namespace *namespace, const struct id_map *map, uint32_t id);
/* COUNT ids from ID on, which lie in one range; false: they do not. */
bool id_range_down(const struct user_namespace *namespace, const struct id_map *map, uint32_t id,
                   uint32_t count, uint32_t *outside);
/* What the guest's id stands for in the current task's user namespace, or ID_NONE. */
uint32_t uid_named(uint32_t uid);
uint32_t gid_named(uint32_t gid);
/* What the current task sees of an id; ID_OVERFLOW where it has none. */
uint32_t uid_seen(uint32_t uid);
uint32_t gid_seen(uint32_t gid);
uint32_t uid_seen_in(const struct user_namespace *namespace, uint32_t uid);
uint32_t gid_seen_in(const struct user_namespace *namespace, uint32_t gid);
bool setgroups_allowed(void);
int user_namespace_create(const struct credentials *credentials, struct user_namespace **made);
void user_namespace_free(struct user_namespace *namespace);

/* ---- Numbers of tasks (pid.c) ---- */

struct pid_namespace {
	struct namespace common;
	struct pid_namespace *parent; /* a reference; 0 of the first */
	uint32_t level;
	bool ended;                    /* its first process has ended: nothing starts in it any more */
	int32_t last;                  /* number given last */
	uint32_t processes;            /* in it and below it */
	struct process *init;          /* its first process, while that lives */
	struct number_alias **buckets; /* its numbers: not of the first */
};
extern struct pid_namespace pid_namespace_first;

/* The number that ID, of the first PID namespace, has in NAMESPACE; 0: none. */
int32_t pid_in(const struct pid_namespace *namespace, int32_t id);
/* ... in the current task's, and for whom PROCESS's threads are. */
int32_t pid_seen(int32_t id);
int32_t pid_seen_by(const struct process *process, int32_t id);
/* What NUMBER, of the current task's PID namespace, is in the first; INT32_MAX: nothing (where it is above 0). */
int32_t pid_named(int32_t number);
int32_t pid_named_in(const struct pid_namespace *namespace, int32_t number);
struct pid_namespace *pid_namespace_current(void);
/* Its first process ends: everything in it is killed, and waited for. */
void pid_namespace_end(struct process *init);
/* Does a signal of the current task's leave PROCESS, as the first of a PID namespace, alone where it has no handler? */
bool process_shielded(const struct process *process);

/* ---- Time (time.c) ---- */

struct time_namespace {
	struct namespace common;
	int64_t monotonic_ns, boottime_ns; /* to add */
	bool entered;                      /* the offsets stay as they are */
};
extern struct time_namespace time_namespace_first;
/* What the current task's namespace adds to CLOCK, ns; and NS with it, not below 0. */
int64_t time_offset(int32_t clock);
uint64_t time_shifted(uint64_t ns, int64_t offset);
/* Somebody enters it: its offsets stay. */
void time_namespace_entered(struct namespace *namespace);
struct namespace *time_namespace_copy(struct namespace *from, struct user_namespace *owner, int *error);
void time_namespace_free(struct namespace *namespace);

/* ---- Of each kind: a copy of FROM, owned by OWNER, or 0 with *ERROR ---- */

struct namespace *uts_namespace_copy(struct namespace *from, struct user_namespace *owner, int *error);
void uts_namespace_free(struct namespace *namespace);
struct namespace *ipc_namespace_copy(struct namespace *from, struct user_namespace *owner, int *error);
void ipc_namespace_free(struct namespace *namespace);
struct namespace *net_namespace_copy(struct namespace *from, struct user_namespace *owner, int *error);
void net_namespace_free(struct namespace *namespace);
struct namespace *pid_namespace_copy(struct namespace *from, struct user_namespace *owner, int *error);
void pid_namespace_free(struct namespace *namespace);
/* FS moves from FROM's mounts to the copy's. */
struct namespace *mount_namespace_copy(struct namespace *from, struct user_namespace *owner,
                                       struct fs_context *fs, int *error);
void mount_namespace_free(struct namespace *namespace);
/* setns(2): the current task's root and working directory become the root of NAMESPACE's mounts. */
int mount_namespace_enter(struct namespace *namespace);
