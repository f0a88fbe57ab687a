/* What the three kinds of System V IPC share: numbers, keys, permissions: sysvipc(7), ipc(5).
 *
 * An object's number is its place in the table and a count of how often the place was used, so that an old number is
 * EINVAL or EIDRM and never somebody else's object. The common lock is held alone throughout.
 */
#pragma once

#include "../internal.h"

#define IPC_OBJECTS_MAX 4096u /* of a kind */

enum {
	IPC_RMID = 0,
	IPC_SET = 1,
	IPC_STAT = 2,
	IPC_INFO = 3,
	IPC_CREAT = 01000,
	IPC_EXCL = 02000,
	IPC_NOWAIT = 04000
};
#define IPC_PRIVATE 0
/* semctl(2) and its like: a flag of old that glibc sets. */
#define IPC_64 0x100

struct ipc_table;
struct ipc_object {
	struct ipc_table *table; /* that it is in */
	int32_t key, number;
	uint32_t uid, gid, creator_uid, creator_gid;
	uint32_t mode; /* permissions, and flags of the kind */
	uint16_t sequence;
};

struct ipc_table {
	struct ipc_object **slots; /* IPC_OBJECTS_MAX, made for the first object */
	uint32_t used, highest;    /* objects; places ever used */
	uint16_t sequence;
};

/* ipc_namespaces(7) */
enum { IPC_SEGMENTS, IPC_SETS, IPC_QUEUES, IPC_TABLES };
struct ipc_namespace {
	struct namespace common;
	struct ipc_table tables[IPC_TABLES];
	struct list message_queues; /* of POSIX, by name */
	uint32_t message_queue_count;
};
extern struct ipc_namespace ipc_namespace_first;
/* The current task's. */
struct ipc_namespace *ipc_current(void);
/* Has it CAPABILITY over that? */
bool ipc_capable(unsigned capability);
/* Removes all of each kind, for the end of a namespace. */
void segment_remove(struct ipc_object *object);
void set_remove(struct ipc_object *object);
void queue_remove(struct ipc_object *object);
void message_queues_end(struct ipc_namespace *namespace);

/* struct ipc64_perm */
struct ipc_permissions {
	int32_t key;
	uint32_t uid, gid, creator_uid, creator_gid, mode;
	uint16_t sequence, pad;
	uint32_t pad2;
	uint64_t unused[2];
};
_Static_assert(sizeof(struct ipc_permissions) == 48, "struct ipc64_perm");

/* The object NUMBER, or 0 with *ERROR (-EINVAL, -EIDRM). */
struct ipc_object *ipc_find(const struct ipc_table *table, int32_t number, int *error);
/* By its place (the STAT commands of ipcs). */
struct ipc_object *ipc_at(const struct ipc_table *table, int32_t place);
struct ipc_object *ipc_by_key(const struct ipc_table *table, int32_t key);
/* Enters OBJECT, made by the current task with FLAGS; its number, or an error with OBJECT the caller's still. */
int64_t ipc_enter(struct ipc_table *table, struct ipc_object *object, int32_t key, uint32_t flags);
void ipc_remove(struct ipc_object *object);
/* May the current task do WANT (0400 read, 0200 change, or both)? */
bool ipc_permitted(const struct ipc_object *object, uint32_t want);
/* May it change or remove the object itself? */
bool ipc_owned(const struct ipc_object *object);
void ipc_describe(const struct ipc_object *object, struct ipc_permissions *to);
/* IPC_SET. -EPERM, -EINVAL. */
int ipc_set(struct ipc_object *object, const struct ipc_permissions *from);
/* The outcome of a get call for a key that exists: its number, or why not. FLAGS: permissions and IPC_*. */
int64_t ipc_get_old(const struct ipc_object *object, uint32_t flags);

/* exit(2): what semop's SEM_UNDO promised (sem.c). */
void semaphores_exit(struct process *process);
