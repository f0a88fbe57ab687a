/* Every way into and out of the kernel.
 *
 * In user mode GS is the user's and MSR_KERNEL_GS_BASE points to struct cpu; the first instruction of a system call and
 * of an interrupt from user mode swaps them. Interrupts from the kernel happen only while it idles; exceptions in it are
 * its end. The CPU pushes a user frame straight into struct thread (see arch_types.h), the stubs push the rest there,
 * and only then is the CPU's kernel stack taken. NMI, double fault and machine check come at any instruction, so they
 * have stacks of their own and look at the GS base itself: user bases are always in the lower half.
 */
#include "kernel-offsets.h"

#define FRAME_SYSCALL 0x100

	.text
	.code64

/* RDI: physical address of the handoff; the loader's stack and tables. */
	.global kernel_entry
kernel_entry:
	cli
	cld
	lea	boot_stack_end(%rip), %rsp
	xor	%ebp, %ebp
	call	boot_main
	ud2

	.global stack_switch
stack_switch:
	mov	%rdi, %rsp
	xor	%ebp, %ebp
	call	*%rsi
	ud2

/* ---- System calls ---- */

	.global syscall_entry
	.balign 64
syscall_entry:
	swapgs
	mov	%rsp, %gs:CPU_SCRATCH
	mov	%gs:CPU_CURRENT, %rsp
	mov	%rcx, R_RIP(%rsp)
	mov	%r11, R_RFLAGS(%rsp)
	cmpl	$0, R_GUEST(%rsp)
	jne	syscall_guest
syscall_native:
	movq	$FRAME_SYSCALL, R_VECTOR(%rsp)
	mov	%rdi, R_RDI(%rsp)
	mov	%rsi, R_RSI(%rsp)
	mov	%rdx, R_RDX(%rsp)
	mov	%r10, R_R10(%rsp)
	mov	%r8, R_R8(%rsp)
	mov	%r9, R_R9(%rsp)
	mov	%rax, R_RAX(%rsp)
	mov	%rbx, R_RBX(%rsp)
	mov	%rbp, R_RBP(%rsp)
	mov	%r12, R_R12(%rsp)
	mov	%r13, R_R13(%rsp)
	mov	%r14, R_R14(%rsp)
	mov	%r15, R_R15(%rsp)
	mov	%gs:CPU_SCRATCH, %rcx
	mov	%rcx, R_RSP(%rsp)
	mov	%rsp, %rdi
	mov	%rax, %rsi
	mov	%gs:CPU_STACK, %rsp
	call	kernel_syscall
kernel_exit:
	cmpb	$0, %gs:CPU_RESCHEDULE
	jne	reschedule
leave:
	mov	%gs:CPU_CURRENT, %rsp
	test	%rsp, %rsp
	jz	idle
	cmpl	$FRAME_SYSCALL, R_VECTOR(%rsp)
	jne	leave_full
	/* SYSRET: rip came from SYSCALL or was checked to lie in the lower half, where it cannot fault in the kernel. */
	mov	R_RIP(%rsp), %rcx
	mov	R_RFLAGS(%rsp), %r11
	mov	R_RDI(%rsp), %rdi
	mov	R_RSI(%rsp), %rsi
	mov	R_RDX(%rsp), %rdx
	mov	R_R10(%rsp), %r10
	mov	R_R8(%rsp), %r8
	mov	R_R9(%rsp), %r9
	mov	R_RAX(%rsp), %rax
	mov	R_RBX(%rsp), %rbx
	mov	R_RBP(%rsp), %rbp
	mov	R_R12(%rsp), %r12
	mov	R_R13(%rsp), %r13
	mov	R_R14(%rsp), %r14
	mov	R_R15(%rsp), %r15
	mov	R_RSP(%rsp), %rsp
	swapgs
	sysretq

leave_full:
	add	$THREAD_REGISTERS, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
	add	$16, %rsp
	swapgs
	iretq

reschedule:
	mov	%gs:CPU_STACK, %rsp
	mov	%gs:16, %rdi
	call	sched_choose
	jmp	leave

	.global arch_leave
arch_leave:
	mov	%gs:CPU_STACK, %rsp
	jmp	leave

/* Zeroes free frames, one between two looks for interrupts, then halts. An interrupt enters on this stack's top again and
 * never comes back here, so none can be missed between the look and the halt. */
	.global arch_idle
arch_idle:
idle:
	mov	%gs:CPU_STACK, %rsp
	call	frame_zero_one
	sti
	test	%al, %al
	jz	1f
	cli
	jmp	idle
1:	hlt
	jmp	1b

/* ---- Guests: the short ways in and out ---- */

/* RSP: thread; its rip and rflags are saved, so RCX and R11 are free; the user's RSP is in CPU_SCRATCH. */
syscall_guest:
	cmpl	$1, R_GUEST(%rsp)
	jne	guest_outside

	/* Out: the guest made a system call. Its registers go to the state page, guest_enter returns 0. */
	mov	THREAD_GUEST(%rsp), %rcx
	mov	%rax, G_RAX(%rcx)
	mov	%rbx, G_RBX(%rcx)
	mov	%rdx, G_RDX(%rcx)
	mov	%rsi, G_RSI(%rcx)
	mov	%rdi, G_RDI(%rcx)
	mov	%rbp, G_RBP(%rcx)
	mov	%r8, G_R8(%rcx)
	mov	%r9, G_R9(%rcx)
	mov	%r10, G_R10(%rcx)
	mov	%r11, G_R11(%rcx)
	mov	%r12, G_R12(%rcx)
	mov	%r13, G_R13(%rcx)
	mov	%r14, G_R14(%rcx)
	mov	%r15, G_R15(%rcx)
	mov	%r11, G_RFLAGS(%rcx)
	mov	R_RIP(%rsp), %rax
	mov	%rax, G_RIP(%rcx)
	mov	%rax, G_RCX(%rcx)
	mov	%gs:CPU_SCRATCH, %rax
	mov	%rax, G_RSP(%rcx)
	movq	$0, G_EXIT(%rcx)
	movl	$2, R_GUEST(%rsp)
	movb	$0, THREAD_IN_GUEST(%rsp)
	mov	THREAD_GUEST_SPACE(%rsp), %rax
	mov	SPACE_NATIVE_ROOT(%rax), %rax
	mov	%rax, %cr3
	mov	%rax, %gs:CPU_CR3
	mov	THREAD_RETURN_RIP(%rsp), %rcx
	mov	$FLAGS_FORCED, %r11d
	mov	THREAD_RETURN_RSP(%rsp), %rsp
	xor	%eax, %eax
	swapgs
	sysretq

	/* In: guest_enter by a thread that has been in its guest before. Anything unusual takes the long way, for which
	 * the personality's registers but RAX and RSP need not survive. */
guest_outside:
	cmp	$NUMBER_GUEST_ENTER, %rax
	jne	syscall_native
	mov	THREAD_GUEST(%rsp), %rbx
	test	%rbx, %rbx
	jz	syscall_native
	mov	THREAD_GUEST_SPACE(%rsp), %rdx
	test	%rdx, %rdx
	jz	syscall_native
	cmpb	$0, THREAD_KICKED(%rsp)
	jne	syscall_native
	mov	G_RIP(%rbx), %rcx
	cmp	G_RCX(%rbx), %rcx
	jne	syscall_native
	mov	G_RFLAGS(%rbx), %r11
	cmp	G_R11(%rbx), %r11
	jne	syscall_native
	mov	%rcx, %rdi
	shr	$39, %rdi
	cmp	$NATIVE_SLOT, %rdi
	je	syscall_native
	cmp	$USER_SLOTS, %rdi
	jae	syscall_native
	mov	$FLAGS_FORBIDDEN, %rdi
	test	%rdi, %r11
	jnz	syscall_native
	or	$FLAGS_FORCED, %r11
	mov	G_FS_BASE(%rbx), %rdi
	cmp	R_FS_BASE(%rsp), %rdi
	jne	syscall_native
	mov	G_GS_BASE(%rbx), %rdi
	cmp	R_GS_BASE(%rsp), %rdi
	jne	syscall_native
	/* Point of no return. */
	mov	%gs:CPU_SCRATCH, %rdi
	mov	%rdi, THREAD_RETURN_RSP(%rsp)
	mov	R_RIP(%rsp), %rdi
	mov	%rdi, THREAD_RETURN_RIP(%rsp)
	movl	$1, R_GUEST(%rsp)
	movb	$1, THREAD_IN_GUEST(%rsp)
	mov	SPACE_GUEST_ROOT(%rdx), %rdx
	mov	%rdx, %cr3
	mov	%rdx, %gs:CPU_CR3
	mov	G_RAX(%rbx), %rax
	mov	G_RDX(%rbx), %rdx
	mov	G_RSI(%rbx), %rsi
	mov	G_RDI(%rbx), %rdi
	mov	G_RBP(%rbx), %rbp
	mov	G_R8(%rbx), %r8
	mov	G_R9(%rbx), %r9
	mov	G_R10(%rbx), %r10
	mov	G_R12(%rbx), %r12
	mov	G_R13(%rbx), %r13
	mov	G_R14(%rbx), %r14
	mov	G_R15(%rbx), %r15
	mov	G_RSP(%rbx), %rsp
	mov	G_RBX(%rbx), %rbx
	swapgs
	sysretq

/* ---- Interrupts and exceptions ---- */

	.macro	PUSH_REGISTERS
	push	%rdi
	push	%rsi
	push	%rdx
	push	%rcx
	push	%rax
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	.endm

	.balign 16
interrupt_common:
	PUSH_REGISTERS
	testb	$3, FRAME_CS(%rsp)
	jz	interrupt_kernel
	swapgs
	lea	-THREAD_REGISTERS(%rsp), %rdi
	mov	%gs:CPU_STACK, %rsp
	push	$2		/* the user's AC and DF end here */
	popf
	call	trap_user
	jmp	kernel_exit

interrupt_kernel:
	push	$2
	popf
	mov	%rsp, %rdi
	call	trap_kernel	/* returns only for interrupts of the idle loop */
	mov	%gs:CPU_STACK, %rsp
	jmp	kernel_exit

/* One stub a vector, all of one size. Vectors 8, 10 to 14, 17, 21, 29 and 30 come with an error code. */
	.global interrupt_stubs
	.balign 16
interrupt_stubs:
	vector = 0
	.rept	256
	.balign 16
	.if (vector != 8) && (vector < 10 || vector > 14) && (vector != 17) && (vector != 21) && (vector != 29) && (vector != 30)
	push	$0
	.endif
	push	$vector
	jmp	interrupt_common
	vector = vector + 1
	.endr
	.balign 16

	.macro	PARANOID name, vector, has_error
	.global \name
\name:
	.if \has_error == 0
	push	$0
	.endif
	push	$\vector
	PUSH_REGISTERS
	push	$2
	popf
	mov	$MSR_GS, %ecx
	rdmsr
	xor	%ebx, %ebx
	test	%edx, %edx
	js	1f
	swapgs
	inc	%ebx
1:	mov	%rsp, %rdi
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	trap_paranoid
	mov	%rbp, %rsp
	test	%ebx, %ebx
	jz	2f
	swapgs
2:	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rax
	pop	%rcx
	pop	%rdx
	pop	%rsi
	pop	%rdi
	add	$16, %rsp
	iretq
	.endm

	PARANOID interrupt_stub_nmi, 2, 0
	PARANOID interrupt_stub_double_fault, 8, 1
	PARANOID interrupt_stub_machine_check, 18, 0

	.bss
	.balign 16
	.space	16384
boot_stack_end:

	.section .note.GNU-stack, "", @progbits
