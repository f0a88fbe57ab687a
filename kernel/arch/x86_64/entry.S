/* Every way into and out of the kernel.
 *
 * In user mode GS is the user's and MSR_KERNEL_GS_BASE points to struct cpu; the first instruction of a system call and
 * of an interrupt from user mode swaps them. Interrupts from the kernel happen only while it idles; exceptions in it are
 * its end. The CPU pushes a user frame straight into struct thread (see arch_types.h), the stubs push the rest there,
 * and only then is the CPU's kernel stack taken. NMI, double fault and machine check come at any instruction, so they
 * have stacks of their own and look at the GS base itself: user bases are always in the lower half.
 *
 * What a processor needs against speculation is not on these paths: where GUARD stands, boot_main writes a jump to the guarded
 * way over the next instructions.
 */
#include "kernel-offsets.h"

#define FRAME_SYSCALL 0x100

/* R_name: offsets in struct thread of its struct arch_registers; G_name: offsets in struct guest_state; in the order of the
 * structures, whose last fields cpu.c checks. */
	offset = THREAD_REGISTERS
	.irp	r, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, vector, error, rip, cs, rflags, \
		rsp, ss, fs_base, gs_base, vector_used, guest
	R_\r = offset
	offset = offset + 8
	.endr
	offset = 0
	.irp	r, rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rip, rflags, fs_base, gs_base, exit
	G_\r = offset
	offset = offset + 8
	.endr

	.macro	PUSH_REGISTERS
	.irp	r, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
	push	%\r
	.endr
	.endm
	.macro	POP_REGISTERS
	.irp	r, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	pop	%\r
	.endr
	.endm

	/* The next 5 bytes or more, whole instructions, are TO's instead where one of FEATURES is set. */
	.macro	GUARD features, to
.Lguard_\@:
	.pushsection .guards, "a"
	.quad	.Lguard_\@, \to, \features
	.popsection
	.endm

	.text
	.code64

/* RDI: physical address of the handoff; the loader's stack and tables. */
	.global kernel_entry
kernel_entry:
	cli
	cld
	mov	HANDOFF_ROOT(%rdi), %rax
	mov	%rax, %cr3
	mov	$kernel_start + BOOT_STACK, %rsp
	xor	%ebp, %ebp
	call	boot_main
	ud2

/* RDI: the struct cpu of another CPU; the loader's tables, no stack. */
	.global secondary_entry
secondary_entry:
	mov	kernel_root, %rax
	mov	%rax, %cr3
	mov	CPU_STACK(%rdi), %rsp
	xor	%ebp, %ebp
	call	cpu_secondary_entry
	ud2

/* ---- System calls ---- */

	.global syscall_entry
	.balign 64
syscall_entry:
	swapgs
	mov	%rsp, %gs:CPU_SCRATCH
	mov	%gs:CPU_CURRENT, %rsp
	mov	%rcx, R_rip(%rsp)
	mov	%r11, R_rflags(%rsp)
	cmpl	$0, R_guest(%rsp)
	jne	syscall_guest
syscall_native:
	movq	$FRAME_SYSCALL, R_vector(%rsp)
	.irp	r, rdi, rsi, rdx, r10, r8, r9, rax, rbx, rbp, r12, r13, r14, r15
	mov	%\r, R_\r(%rsp)
	.endr
	mov	%gs:CPU_SCRATCH, %rcx
	mov	%rcx, R_rsp(%rsp)
	mov	%rsp, %rdi
	mov	%rax, %rsi
	mov	%gs:CPU_STACK, %rsp
	GUARD	IBRS, syscall_ibrs
	call	kernel_syscall
kernel_exit:
	cmpb	$0, %gs:CPU_RESCHEDULE
	jne	reschedule
leave:
	GUARD	IBRS, leave_ibrs
	mov	%gs:CPU_CURRENT, %rsp
leave_current:
	test	%rsp, %rsp
	jz	idle
	cmpl	$FRAME_SYSCALL, R_vector(%rsp)
	jne	leave_full
	/* SYSRET: rip came from SYSCALL or was checked to lie in the lower half, where it cannot fault in the kernel. */
	mov	R_rip(%rsp), %rcx
	mov	R_rflags(%rsp), %r11
	.irp	r, rdi, rsi, rdx, r10, r8, r9, rax, rbx, rbp, r12, r13, r14, r15
	mov	R_\r(%rsp), %\r
	.endr
	mov	R_rsp(%rsp), %rsp
	GUARD	VERW, sysret_verw
	swapgs
	sysretq

leave_full:
	add	$THREAD_REGISTERS, %rsp
	POP_REGISTERS
	add	$16, %rsp
	GUARD	VERW, iret_verw
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
	cmpl	$1, R_guest(%rsp)
	jne	guest_outside

	/* Out: the guest made a system call. Its registers go to the state page, guest_enter returns 0. */
	mov	THREAD_GUEST(%rsp), %rcx
	.irp	r, rax, rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
	mov	%\r, G_\r(%rcx)
	.endr
	mov	%r11, G_rflags(%rcx)
	mov	R_rip(%rsp), %rax
	mov	%rax, G_rip(%rcx)
	mov	%rax, G_rcx(%rcx)
	mov	%gs:CPU_SCRATCH, %rax
	mov	%rax, G_rsp(%rcx)
	movq	$0, G_exit(%rcx)
	movl	$2, R_guest(%rsp)
	movb	$0, THREAD_IN_GUEST(%rsp)
	mov	THREAD_GUEST_SPACE(%rsp), %rax
	mov	SPACE_NATIVE_ROOT(%rax), %rax
	mov	%rax, %cr3
	mov	%rax, %gs:CPU_CR3
	mov	THREAD_RETURN_RIP(%rsp), %rcx
	mov	$FLAGS_FORCED, %r11d
	mov	THREAD_RETURN_RSP(%rsp), %rsp
	xor	%eax, %eax
	GUARD	VERW, sysret_verw
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
	mov	G_rip(%rbx), %rcx
	cmp	G_rcx(%rbx), %rcx
	jne	syscall_native
	mov	G_rflags(%rbx), %r11
	cmp	G_r11(%rbx), %r11
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
	mov	G_fs_base(%rbx), %rdi
	cmp	R_fs_base(%rsp), %rdi
	jne	syscall_native
	mov	G_gs_base(%rbx), %rdi
	cmp	R_gs_base(%rsp), %rdi
	jne	syscall_native
	/* Point of no return. */
	mov	%gs:CPU_SCRATCH, %rdi
	mov	%rdi, THREAD_RETURN_RSP(%rsp)
	mov	R_rip(%rsp), %rdi
	mov	%rdi, THREAD_RETURN_RIP(%rsp)
	movl	$1, R_guest(%rsp)
	movb	$1, THREAD_IN_GUEST(%rsp)
	mov	SPACE_GUEST_ROOT(%rdx), %rdx
	mov	%rdx, %cr3
	mov	%rdx, %gs:CPU_CR3
	.irp	r, rax, rdx, rsi, rdi, rbp, r8, r9, r10, r12, r13, r14, r15
	mov	G_\r(%rbx), %\r
	.endr
	mov	G_rsp(%rbx), %rsp
	mov	G_rbx(%rbx), %rbx
	GUARD	VERW, sysret_verw
	swapgs
	sysretq

/* ---- Interrupts and exceptions ---- */


	.balign 16
interrupt_common:
	PUSH_REGISTERS
	testb	$3, R_cs-THREAD_REGISTERS(%rsp)
	jz	interrupt_kernel
	swapgs
	lea	-THREAD_REGISTERS(%rsp), %rdi
	GUARD	FENCE, interrupt_fence
	mov	%gs:CPU_STACK, %rsp
interrupt_stack:
	push	$2		/* the user's AC and DF end here */
	popf
	GUARD	IBRS, interrupt_ibrs
	call	trap_user
	jmp	kernel_exit

interrupt_kernel:
	lfence			/* the CPU may have guessed that it was in the kernel */
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
1:	lfence
	mov	%rsp, %rdi
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	trap_paranoid
	mov	%rbp, %rsp
	test	%ebx, %ebx
	jz	2f
	swapgs
2:
	POP_REGISTERS
	add	$16, %rsp
	iretq
	.endm

	PARANOID interrupt_stub_nmi, 2, 0
	PARANOID interrupt_stub_double_fault, 8, 1
	PARANOID interrupt_stub_machine_check, 18, 0

/* ---- Guarded ways ---- */

	/* IA32_SPEC_CTRL as user mode has it, or with IBRS beside. Changes RAX, RCX and RDX. */
	.macro	SPECULATION, ibrs
	mov	$MSR_SPECULATION, %ecx
	mov	machine+MACHINE_SPEC_CTRL, %eax
	or	$\ibrs, %eax
	xor	%edx, %edx
	wrmsr
	.endm

syscall_ibrs:
	SPECULATION 1
	call	kernel_syscall
	jmp	kernel_exit
interrupt_ibrs:
	SPECULATION 1
	call	trap_user
	jmp	kernel_exit
leave_ibrs:
	mov	%gs:CPU_CURRENT, %rsp
	test	%rsp, %rsp
	jz	idle
	SPECULATION 0
	jmp	leave_current

interrupt_fence:
	lfence
	mov	%gs:CPU_STACK, %rsp
	jmp	interrupt_stack

sysret_verw:
	verw	data_selector
	swapgs
	sysretq
iret_verw:
	verw	data_selector
	swapgs
	iretq
data_selector:
	.word	DATA

/* The compiler's indirect calls and jumps, of which no way in or out has one, go through here. */
	.global __x86_indirect_thunk_r11
__x86_indirect_thunk_r11:
	GUARD	RETPOLINE, retpoline
	jmp	*%r11
	.fill	2, 1, 0xcc
/* The return is predicted to the loop, whatever the predictor of indirect branches was taught. */
retpoline:
	call	2f
1:	pause
	lfence
	jmp	1b
2:	mov	%r11, (%rsp)
	ret

	.global returns_fill
returns_fill:
	.rept	32
	call	1f
	int3
1:
	.endr
	add	$32 * 8, %rsp
	lfence
	ret

	.section .note.GNU-stack, "", @progbits
