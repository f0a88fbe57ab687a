/* guest_enter for test programs in C. */
#pragma once

#include <holon.h>

/* Enters the bound guest; returns its GUEST_EXIT_..., or an error. The call keeps only RSP: all else is
 * pushed around it. */
static inline int64_t guest_enter(void)
{
	int64_t result;

	__asm__ volatile("push %%rbp; push %%rbx; push %%r12; push %%r13; push %%r14; push %%r15\n\t"
	                 "syscall\n\t"
	                 "pop %%r15; pop %%r14; pop %%r13; pop %%r12; pop %%rbx; pop %%rbp"
	                 : "=a"(result)
	                 : "a"((uint64_t)SYS_GUEST_ENTER)
	                 : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
	return result;
}
