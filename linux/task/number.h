/* The numbers of tasks, processes, groups and sessions: of process.c and namespace/pid.c alone.
 *
 * Each has one in the first PID namespace, by which the personality itself knows it, and an alias in each further one
 * that it is in, down to its own.
 */
#pragma once

#include "internal.h"

#define PID_MAX      32768
#define PID_RESERVED 300 /* numbers below are given once */

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
/* pid.c: gives NUMBER its aliases in PIDS; false: no memory, or none are left. */
bool number_enter(struct number *number, struct pid_namespace *pids);
void number_leave(struct number *number);
/* PROCESS has come into its PID namespace, or leaves it for good. */
void pid_namespace_arrive(struct process *process);
void pid_namespace_depart(struct process *process);
