/* The numbers of tasks, processes, groups and sessions: of process.c and namespace/pid.c alone.
 *
 * Each has one in the first PID namespace, by which the personality itself knows it, and an alias in each further one
 * that it is in, down to its own.
 */
#pragma once

#include "internal.h"

#define PID_MAX      32768
#define PID_RESERVED 300 /* numbers below are given once */

/* Numbers that a new task is to have (clone3(2), set_tid): of its own PID namespace first, then of those around it; in those beyond
 * COUNT it gets any. */
#define WISHES_MAX 32u
struct number_wish {
	uint32_t count;
	int32_t numbers[WISHES_MAX];
};

struct number;
struct number_alias {
	struct number_alias *next; /* in its bucket */
	int32_t number;
	struct number *of;
};

/* What a number is used for; freed when it is used for nothing. */
struct number {
	struct number *next; /* in its bucket */
	int32_t id;
	struct task *task;
	struct process *process;
	struct list members; /* processes of the group with this id */
	uint32_t holders;
	uint32_t session_members;     /* processes of the session with this id */
	struct pid_namespace *pids;   /* the innermost; a reference */
	struct number_alias *aliases; /* of levels 1 to pids->level */
};

struct number *number_find(int32_t id);
/* What a task of PIDS is to have in AT, which is PIDS or around it; 0: any. */
static inline int32_t number_wished(const struct number_wish *wish, const struct pid_namespace *pids,
                                    const struct pid_namespace *at)
{
	uint32_t distance = pids->level - at->level;
	return wish && distance < wish->count ? wish->numbers[distance] : 0;
}
/* pid.c: may the current task give these numbers in PIDS, and are they free? 0, or an error. */
int number_wish_check(const struct number_wish *wish, const struct pid_namespace *pids);
/* Gives NUMBER its aliases in PIDS; what WISH says has been checked. False: no memory, or none are left. */
bool number_enter(struct number *number, struct pid_namespace *pids, const struct number_wish *wish);
void number_leave(struct number *number);
/* PROCESS has come into its PID namespace, or leaves it for good. */
void pid_namespace_arrive(struct process *process);
void pid_namespace_depart(struct process *process);
