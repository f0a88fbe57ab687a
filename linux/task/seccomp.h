/* Filters of system calls: what tasks, the dispatcher and prctl(2) need of seccomp.c. */
#pragma once

#include "../include/task.h"
#include "bpf.h"

struct seccomp_notify;

struct seccomp_filter {
	uint32_t references, length,
	    path_length;                 /* of tasks, of filters behind it, of its supervisor's descriptor */
	struct seccomp_filter *previous; /* a reference */
	struct seccomp_notify *notify;   /* its supervisor; 0: it has none */
	bool log;
	struct bpf_instruction program[];
};
void seccomp_filter_release(struct seccomp_filter *filter);

/* What a filter judges: struct seccomp_data. */
struct seccomp_data {
	int32_t number;
	uint32_t architecture;
	uint64_t pc, arguments[6];
};
_Static_assert(sizeof(struct seccomp_data) == BPF_DATA_BYTES, "seccomp(2)");

/* ---- Supervisors (seccomp_notify.c): seccomp_unotify(2). The common lock is held alone. ---- */

enum { SECCOMP_NOTIF_BYTES = 80, SECCOMP_RESPONSE_BYTES = 24 };
/* FILTER gets a supervisor, whose descriptor is the answer; or an error. KILLABLE: what it has been told of, only a kill ends. */
int64_t seccomp_listen(struct seccomp_filter *filter, bool killable);
/* Takes back what seccomp_listen gave: the filter is not used. */
void seccomp_listen_undo(struct seccomp_filter *filter, int fd);
/* Tells FILTER's supervisor of the current task's call and waits: true, it runs; otherwise its result is set. */
bool seccomp_supervised(struct seccomp_filter *filter, const struct seccomp_data *data);
/* None but FILTER's supervisor has it any more. */
void seccomp_unused(struct seccomp_filter *filter);
/* FILTER goes. */
void seccomp_notify_free(struct seccomp_filter *filter);

void seccomp_inherit(struct task *child, const struct task *parent);
void seccomp_exit(struct task *task);
uint32_t seccomp_filter_count(const struct task *task);
int64_t seccomp_prctl(uint64_t mode, uint64_t address);
/* Called from guest.S for a task with traps, before its call NUMBER: the number of the call to run, or -1: none, its
 * result is set. */
int64_t guest_trapped(int64_t number);
