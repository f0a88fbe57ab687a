/* What the compiler calls at each branch of a kernel that counts its work, and the counting of strings by 64 bytes: see
 * base/work_check.c. GS is the kernel's; cpu->work is this CPU's alone. */
#include "kernel-offsets.h"
	.text
	.global	__sanitizer_cov_trace_pc, __wrap_memcpy, __wrap_memset
__sanitizer_cov_trace_pc:
	incq	%gs:CPU_WORK
	ret

__wrap_memcpy:
	mov	%rdx, %rax
	shr	$6, %rax
	add	%rax, %gs:CPU_WORK
	jmp	__real_memcpy

__wrap_memset:
	mov	%rdx, %rax
	shr	$6, %rax
	add	%rax, %gs:CPU_WORK
	jmp	__real_memset

	.section .note.GNU-stack, "", @progbits
