/* Filters of system calls: what tasks, the dispatcher and prctl(2) need of seccomp.c. */
#pragma once

#include "../include/task.h"

void seccomp_inherit(struct task *child, const struct task *parent);
void seccomp_exit(struct task *task);
uint32_t seccomp_filter_count(const struct task *task);
int64_t seccomp_prctl(uint64_t mode, uint64_t address);
/* Called from guest.S for a task with traps, before its call NUMBER: the number of the call to run, or -1: none, its
 * result is set. */
int64_t guest_trapped(int64_t number);
