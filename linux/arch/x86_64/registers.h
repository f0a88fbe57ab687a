/* Registers of x86-64 as struct user_regs_struct orders them (sys/user.h), and the kinds of notes they are in. */
#pragma once

#include <stdint.h>

struct task;

#define USER_REGISTERS 27u
#define NT_PRSTATUS    1u
#define NT_PRFPREG     2u
#define NT_X86_XSTATE  0x202u

/* Of a task that is stopped, or the current one. */
uint64_t user_register(const struct task *task, unsigned number);
