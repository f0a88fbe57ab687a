/* Message system calls. struct message: words at 0..63, info at 64, badge at 72 (lib/holon/holon.h).
 * Registers: abi/holon/syscall.h. RBP is preserved by the kernel and carries the struct's address across. */
#include <holon/syscall_numbers.inc>

	.text
	.macro enter
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsi, %rbp
	.endm

	.macro load
	mov 0(%rbp), %r8
	mov 8(%rbp), %r9
	mov 16(%rbp), %r10
	mov 24(%rbp), %r12
	mov 32(%rbp), %r13
	mov 40(%rbp), %r14
	mov 48(%rbp), %r15
	mov 56(%rbp), %rbx
	mov 64(%rbp), %rsi
	.endm

	.macro store
	mov %r8, 0(%rbp)
	mov %r9, 8(%rbp)
	mov %r10, 16(%rbp)
	mov %r12, 24(%rbp)
	mov %r13, 32(%rbp)
	mov %r14, 40(%rbp)
	mov %r15, 48(%rbp)
	mov %rbx, 56(%rbp)
	mov %rsi, 64(%rbp)
	mov %rdi, 72(%rbp)
	.endm

	.macro leave_function
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret
	.endm

	.globl channel_call
	.type channel_call, @function
channel_call:
	enter
	load
	mov $SYS_CHANNEL_CALL, %eax
	syscall
	store
	leave_function

	.globl channel_reply_receive
	.type channel_reply_receive, @function
channel_reply_receive:
	enter
	load
	mov $SYS_CHANNEL_REPLY_RECEIVE, %eax
	syscall
	store
	leave_function

	.globl channel_receive
	.type channel_receive, @function
channel_receive:
	enter
	xor %esi, %esi
	mov $SYS_CHANNEL_RECEIVE, %eax
	syscall
	store
	leave_function

	.globl channel_reply
	.type channel_reply, @function
channel_reply:
	enter
	load
	mov $SYS_CHANNEL_REPLY, %eax
	syscall
	leave_function

	.section .note.GNU-stack, "", @progbits
